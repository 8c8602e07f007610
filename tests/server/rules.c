/*
 * rules.c: faults by rules: errors, missing replies, wrong replies, closed connections (spoil.c).
 *
 * A rule is one argument of words: the type of a request or `any`, conditions, and an action.
 *
 *   TYPE [offset=N] [name=NAME] [first=K] [count=N] [when=PATH] [note=PATH] ACTION
 *
 * offset: from N on (Tread, Twrite, Treaddir); name: the last name in the request; first: from the
 * K-th match on, counted from 1; count: at most N times; when: while that path exists; note: makes
 * that file when a request matches.
 *
 *   error=ECODE    not carried out, answered with this number (below 9P2000.L also text=TEXT, _
 *                  is a blank, and %XX a byte)
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
 *   patch=N        the bytes of text=TEXT replace those of the reply, from the N-th on
 *   unfit          Rreaddir: full of invalid names, without end
 *   entry=N        Rreaddir, and Rread of a directory: begins with one more name, text=TEXT or N
 *                  bytes of x
 *   repeat         the same, always from the start: the same cookies without end
 *   endless        Rreaddir: new names without end
 *   twice          the reply is sent twice
 *   stray=N        a copy with tag N comes before the reply
 *   reverse        the replies to all requests that have arrived are sent in reverse order
 *   drip           each byte of the reply is sent by itself
 *   stop=N         the first N bytes of the reply, and then nothing to any request
 *   end=N          the connection ends after N bytes of replies in all
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/server.h"

struct rule {
    uint8_t type;
    bool has_offset;
    uint64_t offset;
    char *name, *when, *note, *text;
    size_t text_len;
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
               {"type", FAULT_TYPE},   {"unfit", FAULT_UNFIT},     {"fill", FAULT_FILL},       {"patch", FAULT_PATCH},
               {"entry", FAULT_ENTRY}, {"repeat", FAULT_REPEAT},   {"endless", FAULT_ENDLESS}, {"twice", FAULT_TWICE},
               {"stray", FAULT_STRAY}, {"reverse", FAULT_REVERSE}, {"drip", FAULT_DRIP},       {"stop", FAULT_STOP},
               {"end", FAULT_END}};

/* ---- parsing ------------------------------------------------------------ */

enum { ANY = 255 }; /* a rule's type */

static uint8_t type_named(const char *name)
{
    if (strcmp(name, "any") == 0)
        return ANY;
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

/* The text of a rule, of r->text_len bytes and a zero. */
static void set_text(struct rule *r, const char *text)
{
    char *to = r->text = strdup(text);

    for (const char *s = text; *s != 0; s++) {
        unsigned byte;
        if (*s == '%' && sscanf(s + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            s += 2;
        } else {
            *to++ = *s == '_' ? ' ' : *s;
        }
    }
    *to = 0;
    r->text_len = (size_t)(to - r->text);
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
    else if (strcmp(word, "note") == 0)
        r->note = strdup(value);
    else if (strcmp(word, "text") == 0)
        set_text(r, value);
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

uint64_t rule_offset(const struct p9_fcall *t)
{
    return t->type == P9_Tread      ? t->Tread.offset
           : t->type == P9_Twrite   ? t->Twrite.offset
           : t->type == P9_Treaddir ? t->Treaddir.offset
                                    : 0;
}

static bool matches(const struct rule *r, const struct p9_fcall *t)
{
    return (r->type == t->type || r->type == ANY) && (!r->has_offset || rule_offset(t) >= r->offset) &&
           (r->name == NULL || p9_str_eq(name_of(t), r->name)) && (r->when == NULL || access(r->when, F_OK) == 0);
}

void rule_find(struct conn *c, const struct p9_fcall *t)
{
    c->fault = FAULT_NONE;
    pthread_mutex_lock(&rules_mtx);
    for (struct rule *r = rules; r != NULL && c->fault == FAULT_NONE; r = r->next) {
        if (!matches(r, t) || ++r->seen < r->first || (r->count > 0 && r->seen >= r->first + r->count))
            continue;
        if (r->note != NULL)
            close(open(r->note, O_WRONLY | O_CREAT, 0644));
        c->fault = r->fault;
        c->fault_n = r->n;
        c->fault_text = r->text;
        c->fault_text_len = r->text_len;
    }
    pthread_mutex_unlock(&rules_mtx);
}
