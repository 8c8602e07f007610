/*
 * rules.c: faults by rules: errors, missing replies, wrong replies, closed connections.
 *
 * A rule is one argument of words: the type of a request, conditions, and an action.
 *
 *   TYPE [offset=N] [name=NAME] [first=K] [count=N] [when=PATH] ACTION
 *
 * offset: from N on (Tread, Twrite, Treaddir); name: the last name in the request; first: from the
 * K-th match on, counted from 1; count: at most N times; when: while that path exists.
 *
 *   error=ECODE    not carried out, answered with this number (below 9P2000.L also text=TEXT, _
 *                  is a blank)
 *   late=ECODE     carried out, answered with this number
 *   silent         carried out, not answered
 *   ignore         neither carried out nor answered
 *   close          not carried out; the connection ends
 *   short=N        Rread, Rreaddir, Rwrite: only N bytes
 *   more=N         Rwrite: N more than were written; Rread, Rreaddir: N zeroes more than asked for
 *   fill           Rread, Rreaddir: fills the message and ignores count
 *   qids=N         Rwalk: only the first N
 *   bind           a walk that ends short makes newfid nevertheless
 *   iounit=N       Ropen, Rlopen, Rcreate, Rlcreate
 *   malform        a valid frame with a truncated body
 *   cut=N          the first N bytes of the reply, then the connection ends
 *   type=N         the reply has another type
 *   unfit          Rreaddir: full of invalid names, without end
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server.h"

struct rule {
    uint8_t type;
    bool has_offset;
    uint64_t offset;
    char *name, *when, *text;
    unsigned first, count; /* count 0: without limit */
    enum fault fault;
    uint32_t n;
    unsigned seen; /* matching requests of all connections */
    struct rule *next;
};

static pthread_mutex_t rules_mtx = PTHREAD_MUTEX_INITIALIZER; /* guards `seen`; a leaf */
static struct rule *rules, **last_rule = &rules;

static const struct {
    const char *word;
    enum fault fault;
} actions[] = {{"error", FAULT_ERROR}, {"late", FAULT_LATE_ERROR}, {"silent", FAULT_SILENT},   {"ignore", FAULT_IGNORE},
               {"close", FAULT_CLOSE}, {"short", FAULT_SHORT},     {"more", FAULT_MORE},       {"qids", FAULT_QIDS},
               {"bind", FAULT_BIND},   {"iounit", FAULT_IOUNIT},   {"malform", FAULT_MALFORM}, {"cut", FAULT_CUT},
               {"type", FAULT_TYPE},   {"unfit", FAULT_UNFIT},     {"fill", FAULT_FILL}};

/* ---- parsing ------------------------------------------------------------ */

static uint8_t type_named(const char *name)
{
    for (unsigned t = P9_Tversion; t < 128; t += 2)
        if (p9_type_name(t) != NULL && strcmp(p9_type_name(t), name) == 0)
            return (uint8_t)t;
    for (unsigned t = 6; t < P9_Tversion; t += 2)
        if (p9_type_name(t) != NULL && strcmp(p9_type_name(t), name) == 0)
            return (uint8_t)t;
    return 0;
}

static bool parse_action(struct rule *r, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].word, key) == 0) {
            r->fault = actions[i].fault;
            r->n = value != NULL ? (uint32_t)strtoul(value, NULL, 0) : 0;
            return true;
        }
    return false;
}

static char *with_blanks(const char *text)
{
    char *s = strdup(text);

    for (char *p = s; (p = strchr(p, '_')) != NULL;)
        *p = ' ';
    return s;
}

static bool parse_word(struct rule *r, char *word)
{
    char *value = strchr(word, '=');

    if (value != NULL)
        *value++ = 0;
    if (value == NULL)
        return parse_action(r, word, NULL);
    if (strcmp(word, "offset") == 0)
        r->has_offset = true, r->offset = strtoull(value, NULL, 0);
    else if (strcmp(word, "name") == 0)
        r->name = strdup(value);
    else if (strcmp(word, "when") == 0)
        r->when = strdup(value);
    else if (strcmp(word, "text") == 0)
        r->text = with_blanks(value);
    else if (strcmp(word, "first") == 0)
        r->first = (unsigned)atoi(value);
    else if (strcmp(word, "count") == 0)
        r->count = (unsigned)atoi(value);
    else
        return parse_action(r, word, value);
    return true;
}

bool rule_add(const char *text)
{
    struct rule *r = calloc(1, sizeof *r);
    char *words = strdup(text), *rest = words, *word = strsep(&rest, " ");

    r->type = type_named(word);
    r->first = 1;
    bool ok = r->type != 0;
    while (ok && (word = strsep(&rest, " ")) != NULL)
        ok = *word == 0 || parse_word(r, word);
    free(words);
    if (!ok || r->fault == FAULT_NONE) {
        free(r);
        return false;
    }
    *last_rule = r;
    last_rule = &r->next;
    return true;
}

/* ---- matching ----------------------------------------------------------- */

static struct p9_str name_of(const struct p9_fcall *t)
{
    switch (t->type) {
    case P9_Twalk:
        return t->Twalk.nwname.n > 0 ? t->Twalk.nwname.name[t->Twalk.nwname.n - 1] : p9_str("");
    case P9_Tcreate:
        return t->Tcreate.name;
    case P9_Tlcreate:
        return t->Tlcreate.name;
    case P9_Tmkdir:
        return t->Tmkdir.name;
    case P9_Tsymlink:
        return t->Tsymlink.name;
    case P9_Tmknod:
        return t->Tmknod.name;
    case P9_Tlink:
        return t->Tlink.name;
    case P9_Tunlinkat:
        return t->Tunlinkat.name;
    case P9_Trenameat:
        return t->Trenameat.newname;
    case P9_Trename:
        return t->Trename.name;
    case P9_Txattrwalk:
        return t->Txattrwalk.name;
    case P9_Txattrcreate:
        return t->Txattrcreate.name;
    }
    return p9_str("");
}

static uint64_t offset_of(const struct p9_fcall *t)
{
    return t->type == P9_Tread      ? t->Tread.offset
           : t->type == P9_Twrite   ? t->Twrite.offset
           : t->type == P9_Treaddir ? t->Treaddir.offset
                                    : 0;
}

static bool matches(const struct rule *r, const struct p9_fcall *t)
{
    return r->type == t->type && (!r->has_offset || offset_of(t) >= r->offset) &&
           (r->name == NULL || p9_str_eq(name_of(t), r->name)) && (r->when == NULL || access(r->when, F_OK) == 0);
}

void rule_find(struct conn *c, const struct p9_fcall *t)
{
    c->fault = FAULT_NONE;
    pthread_mutex_lock(&rules_mtx);
    for (struct rule *r = rules; r != NULL && c->fault == FAULT_NONE; r = r->next) {
        if (!matches(r, t) || ++r->seen < r->first || (r->count > 0 && r->seen >= r->first + r->count))
            continue;
        c->fault = r->fault;
        c->fault_n = r->n;
        c->fault_text = r->text;
    }
    pthread_mutex_unlock(&rules_mtx);
}

/* ---- replies ------------------------------------------------------------ */

static void fill_unfit(struct conn *c, struct p9_fcall *r)
{
    uint32_t n = 0, room = r->Rreaddir.count.n > 4096 ? 4096 : r->Rreaddir.count.n;
    static uint64_t cookie = 1;
    size_t used;

    do {
        struct p9_dirent de = {.qid = {.path = 7}, .offset = ++cookie, .name = p9_str("a/b")};
        used = p9_dirent_pack(&de, c->data + n, (room > 0 ? room : 4096) - n);
        n += (uint32_t)used;
    } while (used > 0);
    r->Rreaddir.count = (struct p9_blob){n, c->data};
}

void rule_change(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    uint32_t *iounit = r->type == P9_Ropen      ? &r->Ropen.iounit
                       : r->type == P9_Rlopen   ? &r->Rlopen.iounit
                       : r->type == P9_Rcreate  ? &r->Rcreate.iounit
                       : r->type == P9_Rlcreate ? &r->Rlcreate.iounit
                                                : NULL;
    struct p9_blob *data = r->type == P9_Rread ? &r->Rread.count : r->type == P9_Rreaddir ? &r->Rreaddir.count : NULL;

    if (c->fault == FAULT_IOUNIT && iounit != NULL)
        *iounit = c->fault_n;
    else if (c->fault == FAULT_SHORT && data != NULL && data->n > c->fault_n)
        data->n = c->fault_n;
    else if (c->fault == FAULT_SHORT && r->type == P9_Rwrite && r->Rwrite.count > c->fault_n)
        r->Rwrite.count = c->fault_n;
    else if (c->fault == FAULT_MORE && r->type == P9_Rwrite)
        r->Rwrite.count += c->fault_n;
    else if (c->fault == FAULT_QIDS && r->type == P9_Rwalk && r->Rwalk.nwqid.n > c->fault_n)
        r->Rwalk.nwqid.n = (uint16_t)c->fault_n;
    else if (c->fault == FAULT_UNFIT && r->type == P9_Rreaddir)
        fill_unfit(c, r);
    else if (c->fault == FAULT_MORE && data != NULL) {
        uint32_t n = (t->type == P9_Tread ? t->Tread.count : t->Treaddir.count) + c->fault_n;
        if (n > c->msize - P9_RREAD_HDRSZ)
            n = c->msize - P9_RREAD_HDRSZ;
        memset(c->data + data->n, 0, n - data->n);
        *data = (struct p9_blob){n, c->data};
    }
}

static void put_size(uint8_t *p, size_t n)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(n >> 8 * i);
}

size_t rule_spoil(struct conn *c, size_t n)
{
    if (c->fault == FAULT_MALFORM && n > P9_HDRSZ)
        put_size(c->out, n -= 1);
    else if (c->fault == FAULT_CUT && n > c->fault_n)
        n = c->fault_n;
    else if (c->fault == FAULT_TYPE)
        c->out[4] = (uint8_t)c->fault_n;
    return n;
}
