/*
 * pathsrv.c: a 9P server that knows files by path, for tests: see pathsrv.h.
 */
#include "unit/pathsrv.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "unit/ownclock.h"
#include "unit/test.h"

static struct srv_file *find(struct srv *s, const char *path)
{
    for (unsigned i = 0; i < s->nfiles; i++)
        if (strcmp(s->files[i].path, path) == 0)
            return &s->files[i];
    return NULL;
}

uint64_t srv_add(struct srv *s, const char *path, bool is_dir)
{
    static uint64_t ino = 100;

    pthread_mutex_lock(&s->mtx);
    struct srv_file *f = &s->files[s->nfiles++];
    snprintf(f->path, sizeof f->path, "%s", path);
    f->ino = ++ino;
    f->is_dir = is_dir;
    f->nlink = 1;
    pthread_mutex_unlock(&s->mtx);
    return f->ino;
}

void srv_remove(struct srv *s, const char *path)
{
    pthread_mutex_lock(&s->mtx);
    struct srv_file *f = find(s, path);
    assert_non_null(f);
    *f = s->files[--s->nfiles];
    pthread_mutex_unlock(&s->mtx);
}

static void rename_in(struct srv *s, const char *from, const char *to)
{
    size_t n = strlen(from);

    for (unsigned i = 0; i < s->nfiles; i++) {
        char *p = s->files[i].path, rest[SRV_PATH];
        if (strncmp(p, from, n) == 0 && (p[n] == 0 || p[n] == '/')) {
            snprintf(rest, sizeof rest, "%s", p + n);
            snprintf(p, SRV_PATH, "%.300s%.290s", to, rest);
        }
    }
}

void srv_rename(struct srv *s, const char *from, const char *to)
{
    pthread_mutex_lock(&s->mtx);
    rename_in(s, from, to);
    pthread_mutex_unlock(&s->mtx);
}

unsigned srv_count(struct srv *s, enum p9_type type)
{
    pthread_mutex_lock(&s->mtx);
    unsigned n = s->counts[type];
    s->counts[type] = 0;
    pthread_mutex_unlock(&s->mtx);
    return n;
}

unsigned srv_live(struct srv *s)
{
    pthread_mutex_lock(&s->mtx);
    unsigned n = s->live;
    pthread_mutex_unlock(&s->mtx);
    return n;
}

/* ---- the server's thread ------------------------------------------------ */

static void set_fid(struct srv *s, uint32_t num, const char *path)
{
    if (s->fids[num] == NULL && ++s->live > s->most_live)
        s->most_live = s->live;
    if (num > s->highest)
        s->highest = num;
    free(s->fids[num]);
    s->fids[num] = strdup(path);
}

void srv_know(struct srv *s, uint32_t fid)
{
    pthread_mutex_lock(&s->mtx);
    set_fid(s, fid, "");
    pthread_mutex_unlock(&s->mtx);
}

static uint32_t walk(struct srv *s, const struct p9_fcall *t, struct p9_fcall *r)
{
    char path[SRV_PATH];

    if (s->fid_limit != 0 && t->Twalk.newfid >= s->fid_limit)
        return s->limit_ecode != 0 ? s->limit_ecode : ERANGE;
    if (t->Twalk.newfid != t->Twalk.fid && s->fids[t->Twalk.newfid] != NULL) {
        s->bad += s->known_ecode == 0;
        return s->known_ecode != 0 ? s->known_ecode : EBADF;
    }
    snprintf(path, sizeof path, "%s", s->fids[t->Twalk.fid]);
    for (unsigned i = 0; i < t->Twalk.nwname.n; i++) {
        size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/%.*s", t->Twalk.nwname.name[i].len, t->Twalk.nwname.name[i].s);
        const struct srv_file *f = find(s, path);
        if (f == NULL && s->binds_short)
            break;
        if (f == NULL)
            return i == 0 ? ENOENT : 0;
        r->Rwalk.nwqid.qid[r->Rwalk.nwqid.n++] = (struct p9_qid){f->ino, 0, f->is_dir ? P9_QTDIR : 0};
    }
    set_fid(s, t->Twalk.newfid, path);
    return 0;
}

static uint32_t getattr(struct srv *s, const struct p9_fcall *t, struct p9_fcall *r)
{
    const struct srv_file *f = find(s, s->fids[t->Tgetattr.fid]);

    if (f == NULL)
        return ENOENT;
    r->Rgetattr.valid = P9_GETATTR_BASIC;
    r->Rgetattr.qid = (struct p9_qid){f->ino, 0, f->is_dir ? P9_QTDIR : 0};
    r->Rgetattr.mode = f->is_dir ? S_IFDIR | 0755 : S_IFREG | 0644;
    r->Rgetattr.nlink = f->nlink;
    r->Rgetattr.size = s->read_size;
    r->Rgetattr.ctime_sec = f->ctime;
    return 0;
}

static uint32_t lopen(struct srv *s, const struct p9_fcall *t, struct p9_fcall *r)
{
    const struct srv_file *f = find(s, s->fids[t->Tlopen.fid]);

    if (f == NULL)
        return ENOENT;
    r->Rlopen.qid = (struct p9_qid){f->ino, 0, f->is_dir ? P9_QTDIR : 0};
    r->Rlopen.iounit = s->iounit;
    return 0;
}

static void readdir(struct srv *s, const struct p9_fcall *t, struct p9_fcall *r, uint8_t *data)
{
    const char *dir = s->fids[t->Treaddir.fid];
    size_t len = strlen(dir), n = 0;

    for (uint64_t i = s->endless ? 0 : t->Treaddir.offset; i < s->nfiles; i++) {
        const char *path = s->files[i].path;
        if (strncmp(path, dir, len) != 0 || path[len] != '/' || strchr(path + len + 1, '/') != NULL)
            continue;
        struct p9_dirent de = {.qid = {s->files[i].ino, 0, 0}, .offset = i + 1, .name = p9_str(path + len + 1)};
        size_t used = p9_dirent_pack(&de, data + n, t->Treaddir.count - n);
        if (used == 0)
            break;
        n += used;
    }
    r->Rreaddir.count = (struct p9_blob){(uint32_t)n, data};
}

static uint32_t shorten(struct srv *s, uint32_t n)
{
    uint32_t by = s->short_by < n ? s->short_by : 0;

    s->short_by = 0;
    return n - by;
}

static uint32_t write_data(struct srv *s, const struct p9_fcall *t, struct p9_fcall *r)
{
    if (s->fail_write > 0 && --s->fail_write == 0)
        return ENOSPC;
    uint32_t n = shorten(s, t->Twrite.count.n);
    if (t->Twrite.offset + n <= sizeof s->written)
        memcpy(s->written + t->Twrite.offset, t->Twrite.count.p, n);
    r->Rwrite.count = n + s->say_more;
    s->say_more = 0;
    return 0;
}

static void read_data(struct srv *s, const struct p9_fcall *t, struct p9_fcall *r, uint8_t *data)
{
    uint64_t left = t->Tread.offset < s->read_size ? s->read_size - t->Tread.offset : 0;
    uint32_t n = t->Tread.count < left ? t->Tread.count : (uint32_t)left;

    n = shorten(s, n);
    for (uint32_t i = 0; i < n; i++)
        data[i] = (uint8_t)((t->Tread.offset + i) * 7);
    r->Rread.count = (struct p9_blob){n, data};
}

static void serve(struct srv *s, const struct p9_fcall *t, struct p9_fcall *r, uint8_t *data)
{
    uint32_t num = t->Tclunk.fid, ecode = 0; /* first in all but Tversion and Tflush */

    s->counts[t->type]++;
    if (t->type != P9_Tversion && t->type != P9_Tattach && (num >= SRV_FIDS || s->fids[num] == NULL))
        ecode = EIO;
    else if (t->type == P9_Tversion)
        r->Rversion.msize = t->Tversion.msize, r->Rversion.version = t->Tversion.version;
    else if (t->type == P9_Tattach)
        set_fid(s, num, ""), r->Rattach.qid = (struct p9_qid){find(s, "")->ino, 0, P9_QTDIR};
    else if (t->type == P9_Twalk)
        ecode = walk(s, t, r);
    else if (t->type == P9_Tgetattr && s->refuse_getattr > 0)
        ecode = s->refuse_getattr-- > 0 ? EBADF : 0;
    else if (t->type == P9_Tgetattr)
        ecode = getattr(s, t, r);
    else if (t->type == P9_Tlopen)
        ecode = lopen(s, t, r);
    else if (t->type == P9_Tread && s->fail_read > 0 && --s->fail_read == 0)
        ecode = EIO;
    else if (t->type == P9_Tread)
        read_data(s, t, r, data);
    else if (t->type == P9_Treaddir)
        readdir(s, t, r, data);
    else if (t->type == P9_Twrite)
        ecode = write_data(s, t, r);
    else if (t->type == P9_Tclunk && s->mute_clunk)
        ecode = EIO;
    else if (t->type == P9_Tclunk || (t->type == P9_Tremove && s->easy))
        free(s->fids[num]), s->fids[num] = NULL, s->live--;
    else if (t->type == P9_Txattrwalk && s->easy)
        set_fid(s, t->Txattrwalk.newfid, s->fids[num]);
    else if (!s->easy)
        ecode = EOPNOTSUPP;
    if (ecode != 0)
        *r = (struct p9_fcall){.type = P9_Rlerror, .tag = t->tag, .Rlerror.ecode = ecode};
}

static void *srv_main(void *arg)
{
    enum { BYTES = 1 << 17 };
    struct srv *s = arg;
    if (s->in_thread != NULL)
        s->in_thread();
    uint8_t *in = malloc(BYTES), *out = malloc(BYTES), *data = malloc(BYTES);
    struct p9_fcall t;
    ssize_t n;

    while ((n = p9_read9pmsg(s->fd, in, BYTES)) > 0 && p9_convM2S(in, (size_t)n, P9_2000L, &t) != 0) {
        struct p9_fcall r = {.type = (uint8_t)(t.type + 1), .tag = t.tag};
        pthread_mutex_lock(&s->mtx);
        serve(s, &t, &r, data);
        clock_pass(s->takes_us);
        bool spoil = s->spoil == t.type, mute = s->mute[t.type] || (s->mute_clunk && t.type == P9_Tclunk);
        s->spoil = spoil ? 0 : s->spoil;
        pthread_mutex_unlock(&s->mtx);
        size_t size = p9_convS2M(&r, P9_2000L, out, BYTES) - spoil;
        if (spoil)
            out[0]--;
        if (mute)
            continue;
        if (send(s->fd, out, size, MSG_NOSIGNAL) != (ssize_t)size)
            break;
    }
    free(in);
    free(out);
    free(data);
    return NULL;
}

int srv_listen(struct srv *s)
{
    int sv[2];

    if (s->nfiles == 0) {
        pthread_mutex_init(&s->mtx, NULL);
        srv_add(s, "", true);
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    s->fd = sv[1];
    assert_int_equal(pthread_create(&s->thread, NULL, srv_main, s), 0);
    return sv[0];
}

struct p9_client *srv_start(struct srv *s, unsigned max_fids, struct p9_fid **root)
{
    const struct p9_client_options o = {
        .session = {.msize = 8192 + P9_IOHDRSZ, .dialect = P9_2000L, .setup_timeout_ms = 0},
        .max_fids = max_fids,
        .clunk_wait_ms = s->clunk_wait_ms};
    struct p9_why why;
    int fd = srv_listen(s), err;
    struct transport *t = transport_fds(fd, fd, &err, &why);

    assert_non_null(t);
    struct p9_client *c = p9_client_start(t, &o, &err, &why);
    assert_non_null(c);
    assert_int_equal(p9_attach(NULL, c, "root", 0, "", NULL, root), 0);
    return c;
}

enum { PATIENCE_S = 120 };

void srv_settle(struct srv *s, struct p9_client *c)
{
    time_t until = time(NULL) + PATIENCE_S;

    p9_push(p9_client_session(c));
    while (srv_live(s) > 0 && time(NULL) < until)
        sched_yield();
}

void srv_stop(struct srv *s)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (unsigned i = 0; i < SRV_FIDS; i++)
        free(s->fids[i]);
    pthread_mutex_destroy(&s->mtx);
    free(s);
}
