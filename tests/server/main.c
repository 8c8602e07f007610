/*
 * main.c: the test server's connections, fids, and the messages that all dialects have.
 *
 *   p9serve [-v L|u|0] [-r lower|unknown|error|close|plain|silent] [-m MSIZE] [-a SECRET] [-o QUIRK] [-f RULE] PORT [FOLDER]
 *
 * -v: the highest dialect; -r: the answer to a higher one (plain: 9P2000, whatever is known); -a: who attaches must write SECRET to an afid;
 * -f: a fault, as rules.c has them;
 * -o: blocking-locks, stubborn-locks, no-rename-over, no-chown, no-wstat-sync, mask-by-parent, slow-flush, no-open, no-atime,
 * empty-xattrs, no-links, other-root, nagle, one-version,
 * fail-write=K. Without FOLDER it serves the synthetic tree (synthetic.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/server.h"

static pthread_mutex_t conns_mtx = PTHREAD_MUTEX_INITIALIZER; /* guards the list; before a connection's own */
static struct conn *conns;

/* ---- fids --------------------------------------------------------------- */

struct sfid *fid_find(struct conn *c, uint32_t num)
{
    struct sfid *f = c->fids;

    while (f != NULL && f->num != num)
        f = f->next;
    return f;
}

struct sfid *fid_new(struct conn *c, uint32_t num, uid_t uid)
{
    if (fid_find(c, num) != NULL)
        return NULL;
    struct sfid *f = calloc(1, sizeof *f);
    *f = (struct sfid){.num = num, .uid = uid, .path = -1, .file = -1, .next = c->fids};
    c->fids = f;
    return f;
}

static void close_files(struct sfid *f)
{
    if (f->dir != NULL)
        closedir(f->dir);
    if (f->file >= 0)
        close(f->file);
    if (f->path >= 0)
        close(f->path);
}

static void drop_waiting(struct conn *c, const struct sfid *f)
{
    for (struct waiting **p = &c->waiting, *w; (w = *p) != NULL;) {
        if (w->fid != f) {
            p = &w->next;
            continue;
        }
        *p = w->next;
        free(w);
    }
}

void fid_drop(struct conn *c, struct sfid *f)
{
    struct sfid **p = &c->fids;

    drop_waiting(c, f);

    while (*p != f)
        p = &(*p)->next;
    *p = f->next;
    close_files(f);
    free(f->xattr);
    free(f->value);
    free(f);
}

/* ---- replies ------------------------------------------------------------ */

void reply(struct conn *c, struct p9_fcall *r)
{
    size_t n = rule_spoil(c, p9_convS2M(r, c->dialect, c->out, c->msize));

    for (size_t at = 0; at < n;) {
        ssize_t w = write(c->sock, c->out + at, n - at);
        if (w <= 0)
            return;
        at += (size_t)w;
    }
    if (c->fault == FAULT_CUT)
        shutdown(c->sock, SHUT_RDWR);
}

void reply_error(struct conn *c, uint16_t tag, int err, const char *text)
{
    struct p9_fcall r = {.tag = tag};

    if (c->dialect == P9_2000L) {
        r.type = P9_Rlerror;
        r.Rlerror.ecode = (uint32_t)err;
    } else {
        r.type = P9_Rerror;
        r.Rerror.ename = p9_str(text != NULL ? text : strerror(err));
        r.Rerror.ecode = (uint32_t)err;
    }
    reply(c, &r);
}

/* Whether it could be answered now. */
static bool answer_one(struct conn *c, const struct waiting *w)
{
    struct p9_fcall r = {.type = (uint8_t)(w->t.type + 1), .tag = w->t.tag};
    struct p9_fcall flushed = {.type = P9_Rflush, .tag = w->flush_tag};
    uint32_t got = 0;

    if (w->t.type == P9_Tlock ? linux_lock_whole(w->fid, &r) != 0
                              : synth_read(c, w->fid, w->t.Tread.offset, w->t.Tread.count, &got) != 0)
        return false;
    if (w->t.type == P9_Tread)
        r.Rread.count = (struct p9_blob){got, c->data};
    reply(c, &r);
    if (w->flushed)
        reply(c, &flushed);
    return true;
}

void answer_waiting(void)
{
    pthread_mutex_lock(&conns_mtx);
    for (struct conn *c = conns; c != NULL; c = c->next) {
        pthread_mutex_lock(&c->mtx);
        for (struct waiting **p = &c->waiting, *w; (w = *p) != NULL;) {
            if (!answer_one(c, w)) {
                p = &w->next;
                continue;
            }
            *p = w->next;
            free(w);
        }
        pthread_mutex_unlock(&c->mtx);
    }
    pthread_mutex_unlock(&conns_mtx);
}

/* ---- messages of all dialects ------------------------------------------- */

static void answer_version(struct conn *c, const struct p9_fcall *t)
{
    const struct settings *set = c->set;
    struct p9_fcall r = {.type = P9_Rversion, .tag = t->tag};
    enum p9_dialect d = P9_2000L;

    while (d != 0 && !p9_str_eq(t->Tversion.version, p9_dialect_name(d)))
        d = p9_dialect_below(d);
    while (c->fids != NULL)
        fid_drop(c, c->fids);
    r.Rversion.msize = t->Tversion.msize < set->msize ? t->Tversion.msize : set->msize;
    if (d > set->highest && set->refusal == REFUSE_PLAIN)
        d = P9_2000;
    if (d > set->highest && set->refusal != REFUSE_LOWER)
        d = 0;
    if (d > set->highest)
        d = set->highest;
    c->dialect = d != 0 ? d : P9_2000;
    c->msize = r.Rversion.msize;
    r.Rversion.version = p9_str(d != 0 ? p9_dialect_name(d) : "unknown");
    bool again = c->asked && set->one_version;
    c->asked = true;
    if (again || (d == 0 && set->refusal == REFUSE_ERROR))
        reply_error(c, t->tag, ENOSYS, "Function not implemented");
    else if (d == 0 && set->refusal == REFUSE_CLOSE)
        shutdown(c->sock, SHUT_RDWR);
    else if (d != 0 || set->refusal != REFUSE_SILENT)
        reply(c, &r);
}

static int do_auth(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    if (c->set->secret == NULL)
        return ENOENT;
    struct sfid *f = fid_new(c, t->Tauth.afid, 0);
    if (f == NULL)
        return EBADF;
    f->auth = f->open = true;
    r->Rauth.aqid.type = P9_QTAUTH;
    return 0;
}

static uid_t uid_of(struct conn *c, struct p9_str uname, uint32_t n_uname)
{
    if (c->dialect != P9_2000 && n_uname != P9_NONUNAME)
        return n_uname;
    const struct passwd *pw = getpwnam(cstr(uname));
    return pw != NULL ? pw->pw_uid : 65534;
}

static int do_attach(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    if (c->set->secret != NULL) {
        const struct sfid *a = fid_find(c, t->Tattach.afid);
        if (a == NULL || !a->proven)
            return EPERM;
    }
    struct sfid *f = fid_new(c, t->Tattach.fid, uid_of(c, t->Tattach.uname, t->Tattach.n_uname));
    if (f == NULL)
        return EBADF;
    if (c->set->folder != NULL) {
        int err = folder_attach(c, f, &r->Rattach.qid);
        r->Rattach.qid.path += c->set->other_root;
        if (err != 0)
            fid_drop(c, f);
        return err;
    }
    f->synth = synth_root();
    synth_qid(f->synth, &r->Rattach.qid);
    return 0;
}

static int walk_one(struct conn *c, struct sfid *at, struct p9_str name, struct p9_qid *q)
{
    if (at->synth == NULL)
        return folder_walk(c, at, name, at, q);
    struct synth *s = synth_walk(at->synth, name);
    if (s == NULL)
        return ENOENT;
    at->synth = s;
    synth_qid(s, q);
    return 0;
}

static int do_walk(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct sfid *from = fid_find(c, t->Twalk.fid), at;

    if (from == NULL || from->open || from->auth)
        return EBADF;
    if (t->Twalk.newfid != t->Twalk.fid && fid_find(c, t->Twalk.newfid) != NULL)
        return EBADF;
    at = *from;
    at.path = from->path >= 0 ? dup(from->path) : -1;
    for (unsigned i = 0; i < t->Twalk.nwname.n; i++) {
        int err = walk_one(c, &at, t->Twalk.nwname.name[i], &r->Rwalk.nwqid.qid[i]);
        if (err == 0) {
            r->Rwalk.nwqid.n++;
            continue;
        }
        if (c->fault == FAULT_BIND)
            break;
        close_files(&at);
        return i == 0 ? err : 0;
    }
    struct sfid *to = t->Twalk.newfid == t->Twalk.fid ? from : fid_new(c, t->Twalk.newfid, from->uid);
    if (to == from)
        close_files(from);
    to->path = at.path;
    to->synth = at.synth;
    return 0;
}

static int do_read(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct sfid *f = fid_find(c, t->Tread.fid);
    uint32_t count = c->fault == FAULT_FILL ? c->msize - P9_RREAD_HDRSZ : t->Tread.count, got = 0;
    int err;

    if (f == NULL || (!f->open && f->value == NULL))
        return EBADF;
    if (count > c->msize - P9_RREAD_HDRSZ)
        return EMSGSIZE;
    if (f->auth) {
        const char *challenge = "say the secret\n";
        got = t->Tread.offset == 0 ? (uint32_t)strlen(challenge) : 0;
        memcpy(c->data, challenge, got);
        err = 0;
    } else if (f->synth != NULL) {
        err = synth_read(c, f, t->Tread.offset, count, &got);
    } else if (f->dir != NULL) {
        err = old_read_dir(c, f, t->Tread.offset, count, &got);
    } else {
        err = folder_read(f, t->Tread.offset, count, c->data, &got);
    }
    r->Rread.count = (struct p9_blob){got, c->data};
    return err;
}

static int do_write(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct sfid *f = fid_find(c, t->Twrite.fid);
    const uint8_t *data = t->Twrite.count.p;
    uint32_t n = t->Twrite.count.n;

    if (f == NULL || (!f->open && f->xattr == NULL))
        return EBADF;
    f->wrote = true;
    if (f->auth) {
        f->proven = n == strlen(c->set->secret) && memcmp(data, c->set->secret, n) == 0;
        r->Rwrite.count = n;
        return f->proven ? 0 : EPERM;
    }
    if (f->synth != NULL)
        return synth_write(f, data, n, &r->Rwrite.count);
    if (++c->writes == c->set->fail_write)
        return ENOSPC;
    return folder_write(f, t->Twrite.offset, data, n, &r->Rwrite.count);
}

/* *text: what a synthetic file says at clunk. */
static int do_clunk(struct conn *c, const struct p9_fcall *t, const char **text)
{
    struct sfid *f = fid_find(c, t->Tclunk.fid);
    int err = 0;

    if (f == NULL)
        return EBADF;
    if (f->synth != NULL && (*text = synth_clunk(f)) != NULL)
        err = EIO;
    if (f->xattr != NULL)
        err = linux_clunk(c, f);
    fid_drop(c, f);
    return err;
}

static int do_remove(struct conn *c, const struct p9_fcall *t)
{
    struct sfid *f = fid_find(c, t->Tremove.fid);

    if (f == NULL)
        return EBADF;
    int err = f->synth != NULL ? EPERM : folder_remove(f);
    fid_drop(c, f);
    return err;
}

enum { REQUESTS_BEFORE_RFLUSH = 200 };

/* What is flushed is never answered; nothing but what waits can be under way. */
static void do_flush(struct conn *c, const struct p9_fcall *t)
{
    struct p9_fcall r = {.type = P9_Rflush, .tag = t->tag};
    struct waiting **p = &c->waiting, *w;
    bool waited = false;

    while ((w = *p) != NULL) {
        if (w->t.tag != t->Tflush.oldtag) {
            p = &w->next;
            continue;
        }
        if (w->t.type == P9_Tlock && c->set->stubborn_locks) {
            w->flushed = true;
            w->flush_tag = t->tag;
            return;
        }
        *p = w->next;
        free(w);
        waited = true;
    }
    synth_flushed(waited, false);
    if (waited && c->set->slow_flush)
        c->late = (struct late_flush){.tag = t->tag, .oldtag = t->Tflush.oldtag, .left = REQUESTS_BEFORE_RFLUSH};
    else
        reply(c, &r);
}

static int common_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r, const char **text)
{
    switch (t->type) {
    case P9_Tauth:
        return do_auth(c, t, r);
    case P9_Tattach:
        return do_attach(c, t, r);
    case P9_Twalk:
        return do_walk(c, t, r);
    case P9_Tread:
        return do_read(c, t, r);
    case P9_Twrite:
        return do_write(c, t, r);
    case P9_Tclunk:
        return do_clunk(c, t, text);
    case P9_Tremove:
        return do_remove(c, t);
    }
    if (c->set->no_open && (t->type == P9_Tlopen || t->type == P9_Topen))
        return ENOSYS;
    return c->dialect == P9_2000L ? linux_request(c, t, r) : old_request(c, t, r);
}

static void answer_late_flush(struct conn *c, const struct p9_fcall *t)
{
    struct p9_fcall r = {.type = P9_Rflush, .tag = c->late.tag};

    if (c->late.left == 0)
        return;
    if (t->tag == c->late.oldtag || t->tag == c->late.tag)
        synth_flushed(false, true);
    if (--c->late.left == 0)
        reply(c, &r);
}

static void serve_request(struct conn *c, const struct p9_fcall *t)
{
    struct p9_fcall r = {.type = (uint8_t)(t->type + 1), .tag = t->tag};
    const char *text = NULL;

    answer_late_flush(c, t);
    for (const struct waiting *w = c->waiting; w != NULL; w = w->next)
        if (w->t.tag == t->tag)
            synth_flushed(false, true); /* a tag that is still in use */
    rule_find(c, t);
    if (c->fault == FAULT_CLOSE)
        shutdown(c->sock, SHUT_RDWR);
    else if (c->fault == FAULT_ERROR)
        reply_error(c, t->tag, (int)c->fault_n, c->fault_text);
    if (c->fault == FAULT_CLOSE || c->fault == FAULT_ERROR || c->fault == FAULT_IGNORE)
        return;
    if (t->type == P9_Tversion) {
        answer_version(c, t);
        return;
    }
    if (t->type == P9_Tflush) {
        do_flush(c, t);
        return;
    }
    int err = common_request(c, t, &r, &text);
    become(0, 0);
    if (err == EAGAIN && (t->type == P9_Tread || t->type == P9_Tlock)) {
        struct waiting *w = calloc(1, sizeof *w);
        *w = (struct waiting){
            .t = *t, .fid = fid_find(c, t->Tread.fid), .next = c->waiting}; /* the first field of both */
        c->waiting = w;
        synth_waits();
        return;
    }
    if (c->fault == FAULT_SILENT)
        return;
    if (c->fault == FAULT_LATE_ERROR)
        reply_error(c, t->tag, (int)c->fault_n, c->fault_text);
    else if (err > 0)
        reply_error(c, t->tag, err, text);
    else if (err < 0)
        reply_error(c, t->tag, EOPNOTSUPP, NULL);
    else {
        rule_change(c, t, &r);
        reply(c, &r);
    }
}

static void *serve(void *arg)
{
    struct conn *c = arg;
    struct p9_fcall t;
    ssize_t n;

    syscall(SYS_setgroups, 0, NULL); /* this thread's own */
    while ((n = p9_read9pmsg(c->sock, c->in, c->set->msize)) > 0) {
        pthread_mutex_lock(&c->mtx);
        bool ok = p9_convM2S(c->in, (size_t)n, c->dialect, &t) == (size_t)n;
        if (ok)
            serve_request(c, &t);
        c->fault = FAULT_NONE;
        pthread_mutex_unlock(&c->mtx);
        if (!ok) {
            fprintf(stderr, "a malformed message of type %u\n", c->in[4]);
            break;
        }
        if (t.type == P9_Twrite || t.type == P9_Tclunk)
            answer_waiting();
    }
    pthread_mutex_lock(&conns_mtx);
    struct conn **p = &conns;
    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    pthread_mutex_unlock(&conns_mtx);
    for (struct sfid *f; (f = c->fids) != NULL; fid_drop(c, f))
        if (f->synth != NULL)
            synth_clunk(f);
    for (struct waiting *w; (w = c->waiting) != NULL;) {
        c->waiting = w->next;
        free(w);
    }
    answer_waiting();
    close(c->sock);
    free(c->in);
    free(c->out);
    free(c->data);
    free(c);
    return NULL;
}

static void accept_one(const struct settings *set, int listener)
{
    struct conn *c = calloc(1, sizeof *c);
    pthread_t thread;
    int one = 1;

    c->set = set;
    c->sock = accept(listener, NULL, NULL);
    c->dialect = P9_2000L;
    c->msize = set->msize;
    c->in = malloc(set->msize);
    c->out = malloc(set->msize);
    c->data = malloc(set->msize);
    pthread_mutex_init(&c->mtx, NULL);
    if (!set->nagle)
        setsockopt(c->sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_mutex_lock(&conns_mtx);
    c->next = conns;
    conns = c;
    pthread_mutex_unlock(&conns_mtx);
    if (pthread_create(&thread, NULL, serve, c) != 0)
        exit(1);
    pthread_detach(thread);
}

static int listen_on(const char *port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&a, sizeof a) != 0 || listen(s, 16) != 0) {
        perror("p9serve: cannot listen");
        exit(1);
    }
    return s;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: p9serve [-v L|u|0] [-r lower|unknown|error|close|plain|silent] [-m MSIZE] [-a SECRET] [-o QUIRK] [-f "
        "RULE] PORT [FOLDER]\n");
    return 2;
}

static bool set_option(struct settings *set, int opt, const char *arg)
{
    static const char *const refusals[] = {"lower", "unknown", "error", "close", "plain", "silent"};

    switch (opt) {
    case 'v':
        set->highest = *arg == 'L' ? P9_2000L : *arg == 'u' ? P9_2000U : P9_2000;
        return true;
    case 'r':
        for (unsigned i = 0; i < sizeof refusals / sizeof *refusals; i++)
            if (strcmp(arg, refusals[i]) == 0)
                set->refusal = (enum refusal)i;
        return true;
    case 'm':
        set->msize = (uint32_t)atoi(arg);
        return set->msize >= P9_MIN_MSIZE;
    case 'a':
        set->secret = arg;
        return true;
    case 'o':
        set->stubborn_locks |= strcmp(arg, "stubborn-locks") == 0;
        set->blocking_locks |= strcmp(arg, "blocking-locks") == 0 || set->stubborn_locks;
        set->no_rename_over |= strcmp(arg, "no-rename-over") == 0;
        set->no_chown |= strcmp(arg, "no-chown") == 0;
        set->no_wstat_sync |= strcmp(arg, "no-wstat-sync") == 0;
        set->no_open |= strcmp(arg, "no-open") == 0;
        set->empty_xattrs |= strcmp(arg, "empty-xattrs") == 0;
        set->no_atime |= strcmp(arg, "no-atime") == 0;
        set->no_links |= strcmp(arg, "no-links") == 0;
        set->other_root |= strcmp(arg, "other-root") == 0;
        set->nagle |= strcmp(arg, "nagle") == 0;
        set->one_version |= strcmp(arg, "one-version") == 0;
        set->slow_flush |= strcmp(arg, "slow-flush") == 0;
        if (strncmp(arg, "fail-write=", 11) == 0)
            set->fail_write = atoi(arg + 11);
        set->mask_by_parent |= strcmp(arg, "mask-by-parent") == 0;
        return true;
    case 'f':
        return rule_add(arg);
    }
    return false;
}

int main(int argc, char **argv)
{
    struct settings set = {.highest = P9_2000L, .msize = 65536 + P9_IOHDRSZ};
    struct rlimit files = {65536, 65536};

    for (int opt; (opt = getopt(argc, argv, "v:r:m:a:o:f:")) != -1;)
        if (!set_option(&set, opt, optarg))
            return usage();
    if (optind >= argc)
        return usage();
    set.folder = argv[optind + 1];
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &files);
    umask(0);
    int listener = listen_on(argv[optind]);
    for (;;)
        accept_one(&set, listener);
}
