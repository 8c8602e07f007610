/*
 * client.c: what is the same in every dialect (attach, walk), and the way to
 * the dialect's own operations.
 */
#include "9p/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/dialect.h"

struct p9_client *p9_client_start(struct transport *t, const struct p9_client_options *o, int *err, struct p9_why *why)
{
    struct p9_session *s = p9_session_start(t, &o->session, err, why);

    if (s == NULL)
        return NULL;
    struct p9_client *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->fids = fids_new(o->max_fids, o->clunk_wait_ms);
        c->ids = idmap_new(&o->ids);
    }
    if (c == NULL || c->fids == NULL || c->ids == NULL) {
        if (c != NULL && c->fids != NULL)
            fids_free(c->fids);
        if (c != NULL)
            idmap_free(c->ids);
        free(c);
        p9_session_stop(s);
        *err = -ENOMEM;
        snprintf(why->text, sizeof why->text, "%s", strerror(ENOMEM));
        return NULL;
    }
    c->session = s;
    atomic_init(&c->missing, 0);
    c->read_max = p9_session_payload(s);
    c->ops = p9_session_dialect(s) == P9_2000L ? &p9_linux_ops : &p9_old_ops;
    return c;
}

enum { DRAIN_MS = 2000 };

/* A server that is still answering when the connection goes may not survive it (diod: SIGPIPE). */
void p9_client_stop(struct p9_client *c)
{
    p9_push(c->session);
    fids_drain(c->fids, DRAIN_MS);
    p9_session_stop(c->session);
    fids_free(c->fids);
    idmap_free(c->ids);
    free(c);
}

struct p9_session *p9_client_session(struct p9_client *c)
{
    return c->session;
}

unsigned p9_client_generation(const struct p9_client *c)
{
    return c->generation;
}

uint32_t p9_client_payload(const struct p9_client *c)
{
    return p9_session_payload(c->session);
}

uint32_t p9_client_reply_max(const struct p9_client *c)
{
    return p9_session_msize(c->session) - P9_RREAD_HDRSZ;
}

uint32_t p9_readdir_count(const struct p9_fid *fid, uint32_t n)
{
    uint32_t most = fid->iounit < fid->client->read_max ? fid->iounit : fid->client->read_max;

    return n < most ? n : most;
}

bool p9_lists_attributes(const struct p9_client *c)
{
    return c->ops->lists_attributes;
}

const struct p9_statfs p9_statfs_unknown = {.bsize = 4096, .namelen = P9_MAXNAME};

bool p9_may_be_synthetic(const struct p9_client *c)
{
    return c->ops->may_be_synthetic;
}

bool p9_counts_links(const struct p9_client *c)
{
    return c->ops->counts_links;
}

bool p9_lacks(struct p9_client *c, enum p9_missing what)
{
    return (atomic_load(&c->missing) & what) != 0;
}

bool p9_fids_follow(struct p9_client *c)
{
    return p9_lacks(c, P9_FIDS_FOLLOW);
}

bool p9_removes_by_fid(struct p9_client *c)
{
    return p9_lacks(c, P9_NO_UNLINKAT);
}

bool p9_open_truncates(struct p9_client *c)
{
    return !p9_lacks(c, P9_NO_TRUNC);
}

bool p9_learn_missing(struct p9_client *c, enum p9_missing what, int rc)
{
    if (rc != -EOPNOTSUPP && rc != -ENOSYS)
        return false;
    atomic_fetch_or(&c->missing, what);
    return true;
}

int p9_rpc(struct p9_scope *sc, struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx)
{
    req->scope = sc;
    return p9_call(c->session, req, tx);
}

int p9_do(struct p9_scope *sc, struct p9_client *c, const struct p9_fcall *tx)
{
    struct p9_req req = {0};

    return p9_rpc(sc, c, &req, tx);
}

uint32_t p9_fid_iounit(const struct p9_client *c, uint32_t iounit)
{
    uint32_t payload = p9_client_payload(c);

    return iounit > 0 && iounit < payload ? iounit : payload;
}

/* ---- attach, walk ------------------------------------------------------- */

static int send_auth(struct p9_scope *sc, struct p9_fid *afid, void *arg)
{
    struct p9_fcall *tx = arg;
    struct p9_req req = {0};

    tx->Tauth.afid = afid->num;
    int rc = p9_rpc(sc, afid->client, &req, tx);
    afid->qid = req.rx.Rauth.aqid;
    return rc;
}

int p9_auth(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
            struct p9_fid **out)
{
    struct p9_fcall tx = {.type = P9_Tauth,
                          .Tauth = {.uname = p9_str(uname), .aname = p9_str(aname), .n_uname = n_uname}};
    int rc = fid_make(sc, c, send_auth, &tx, out);

    if (rc == 0)
        (*out)->iounit = p9_fid_iounit(c, 0);
    return rc;
}

static int send_attach(struct p9_scope *sc, struct p9_fid *fid, void *arg)
{
    struct p9_fcall *tx = arg;
    struct p9_req req = {0};

    tx->Tattach.fid = fid->num;
    int rc = p9_rpc(sc, fid->client, &req, tx);
    fid->qid = req.rx.Rattach.qid;
    return rc;
}

int p9_attach(struct p9_scope *sc, struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname,
              const struct p9_fid *afid, struct p9_fid **out)
{
    struct p9_fcall tx = {.type = P9_Tattach,
                          .Tattach = {.afid = afid != NULL ? afid->num : P9_NOFID,
                                      .uname = p9_str(uname),
                                      .aname = p9_str(aname),
                                      .n_uname = n_uname}};

    return fid_make(sc, c, send_attach, &tx, out);
}

/* What the server answers is a habit, also if it is an error. */
int p9_client_learn(struct p9_client *c, struct p9_fid *root)
{
    int rc = c->ops->learn != NULL ? c->ops->learn(c, root) : 0;

    return rc != 0 && p9_session_dead(c->session) ? rc : 0;
}

/* A walk that ends early does not say why: the name that it failed at is walked alone. */
static int why_short(struct p9_scope *sc, struct p9_fid *from, size_t done, const char *const *names)
{
    struct p9_fid *dir, *fid;
    int rc = p9_walk(sc, from, done, names, &dir);

    if (rc != 0)
        return rc;
    rc = p9_walk(sc, dir, 1, names + done, &fid);
    if (rc == 0)
        p9_fid_put(fid); /* it is there by now: whoever asked may ask again */
    p9_fid_put(dir);
    return rc != 0 ? rc : -ESTALE;
}

struct p9_fcall p9_walk_message(const struct p9_fid *from, const struct p9_fid *newfid, size_t n,
                                const char *const *names)
{
    struct p9_fcall tx = {.type = P9_Twalk, .Twalk = {.fid = from->num, .newfid = newfid->num}};

    tx.Twalk.nwname.n = (uint16_t)n;
    for (size_t i = 0; i < n; i++)
        tx.Twalk.nwname.name[i] = p9_str(names[i]);
    return tx;
}

/* Names to walk from somewhere. */
struct names {
    struct p9_fid *from;
    size_t n;
    const char *const *names;
    bool vague; /* it failed, and nobody knows why */
};

/* One Twalk of at most 16 names. newfid == from moves it. */
static int walk_once(struct p9_scope *sc, struct p9_fid *newfid, struct names *k)
{
    struct p9_req req = {0};
    struct p9_fcall tx = p9_walk_message(k->from, newfid, k->n, k->names);
    int rc = p9_rpc(sc, newfid->client, &req, &tx);
    const struct p9_qids *got = &req.rx.Rwalk.nwqid;

    k->vague = req.vague;
    if (rc != 0)
        return rc;
    newfid->doubtful = got->n != k->n; /* docker/go-p9p and styx make it all the same */
    if (got->n > k->n)
        return -EPROTO;
    if (got->n == 0 && k->n > 0)
        return -ENOENT;
    if (got->n < k->n)
        return got->qid[got->n - 1].type & P9_QTDIR ? why_short(sc, k->from, got->n, k->names) : -ENOTDIR;
    newfid->qid = k->n > 0 ? got->qid[k->n - 1] : k->from->qid;
    return 0;
}

static int walk_first(struct p9_scope *sc, struct p9_fid *newfid, void *arg)
{
    return walk_once(sc, newfid, arg);
}

int p9_walk(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **out)
{
    size_t step = n < P9_MAXWELEM ? n : P9_MAXWELEM;
    struct names k = {.from = from, .n = step, .names = names};
    struct p9_fid *fid;
    int rc = fid_make(sc, from->client, walk_first, &k, &fid);

    if (rc == -EIO && k.vague && n == 1)
        return -ENOENT; /* so that what is missing can be made */
    if (rc != 0)
        return rc;
    k.from = fid;
    for (size_t at = step; at < n && rc == 0; at += step) {
        step = n - at < P9_MAXWELEM ? n - at : P9_MAXWELEM;
        k.n = step;
        k.names = names + at;
        rc = walk_once(sc, fid, &k);
    }
    if (rc != 0) {
        p9_fid_put(fid);
        return rc;
    }
    *out = fid;
    return 0;
}

/* A walk of at most 16 names that nobody waits for, or not just now. */
struct walk {
    struct p9_req req;
    struct p9_fid *from, *fid;
    size_t n;
    void (*done)(void *arg, struct p9_fid *fid);
    void *arg;
};

static void walk_done(struct p9_req *req)
{
    struct walk *k = req->arg;
    const struct p9_qids *got = &req->rx.Rwalk.nwqid;

    if (req->rc == 0 && got->n == k->n) {
        k->fid->qid = k->n > 0 ? got->qid[k->n - 1] : k->from->qid;
    } else {
        k->fid->doubtful = req->rc == 0;
        fid_failed(k->fid, req->rc != 0 ? req->rc : -ENOENT);
        k->fid = NULL;
    }
    p9_fid_put(k->from);
    k->done(k->arg, k->fid);
    free(k);
}

static void walk_start(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names,
                       void (*done)(void *arg, struct p9_fid *fid), void *arg)
{
    struct walk *k = calloc(1, sizeof *k);

    if (k == NULL || fid_new(sc, from->client, &k->fid) != 0) {
        free(k);
        done(arg, NULL);
        return;
    }
    k->req = (struct p9_req){.done = walk_done, .arg = k, .scope = sc};
    k->from = p9_fid_get(from);
    k->n = n;
    k->done = done;
    k->arg = arg;
    struct p9_fcall tx = p9_walk_message(from, k->fid, n, names);
    p9_submit(from->client->session, &k->req, &tx);
}

void p9_walk_start(struct p9_fid *from, const char *name, void (*done)(void *arg, struct p9_fid *fid), void *arg)
{
    walk_start(NULL, from, name != NULL, &name, done, arg);
}

struct second {
    struct p9_batch batch;
    struct p9_fid *fid;
};

static void second_done(void *arg, struct p9_fid *fid)
{
    struct second *s = arg;

    s->fid = fid;
    p9_batch_done(&s->batch);
}

int p9_walk_twice(struct p9_scope *sc, struct p9_fid *from, size_t n, const char *const *names, struct p9_fid **fid,
                  struct p9_fid **second)
{
    struct second s;

    *second = NULL;
    if (n > P9_MAXWELEM)
        return p9_walk(sc, from, n, names, fid);
    p9_batch_init(&s.batch, 1);
    walk_start(sc, from, n, names, second_done, &s);
    int rc = p9_walk(sc, from, n, names, fid);
    p9_batch_wait(from->client->session, &s.batch);
    if (rc == 0)
        *second = s.fid;
    else
        p9_fid_put(s.fid);
    return rc;
}

/* ---- to the dialect ----------------------------------------------------- */

int p9_open(struct p9_scope *sc, struct p9_fid *fid, int flags)
{
    return fid->client->ops->open(sc, fid, flags);
}

bool p9_opens_checked(const struct p9_client *c, size_t n)
{
    return c->ops->open_checked != NULL && n > 0 && n <= P9_MAXWELEM;
}

int p9_open_checked(struct p9_scope *sc, struct p9_opening *o)
{
    return o->fid->client->ops->open_checked(sc, o);
}

void p9_find_many(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                  struct p9_found *found)
{
    c->ops->find_many(sc, c, n, xattrs, found);
}

int p9_create(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    return fid->client->ops->create(sc, fid, name, flags, mode, gid);
}

int p9_make_file(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made)
{
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 0, NULL, &fid);

    if (rc != 0)
        return rc;
    rc = p9_create(sc, fid, name, O_WRONLY | O_EXCL, mode, gid);
    *made = fid->qid;
    p9_fid_put(fid);
    return rc;
}

void p9_hidden_name(char *name)
{
    static atomic_ulong serial;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, P9_HIDDEN_BYTES, ".9pfs%08lx%06lx%08lx", (unsigned long)now.tv_sec,
             (unsigned long)(now.tv_nsec >> 8), (unsigned long)getpid() << 12 ^ atomic_fetch_add(&serial, 1));
}

int p9_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr)
{
    return fid->client->ops->getattr(sc, fid, attr);
}

int p9_getattr_too(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                   struct p9_xattrs_too *too)
{
    const struct p9_dialect_ops *ops = fid->client->ops;

    memset(too->lacks, 0, sizeof too->lacks);
    return ops->getattr_too != NULL ? ops->getattr_too(sc, fid, attr, unopened, too) : ops->getattr(sc, fid, attr);
}

int p9_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set)
{
    return fid->client->ops->setattr(sc, fid, set, NULL);
}

int p9_setattr_seen(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen)
{
    seen->nlink = 0;
    return fid->client->ops->setattr(sc, fid, set, seen);
}

int p9_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made)
{
    return dir->client->ops->mkdir(sc, dir, name, mode, gid, made);
}

int p9_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
             struct p9_qid *made)
{
    return dir->client->ops->mknod(sc, dir, name, mode, dev, gid, made);
}

int p9_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
               struct p9_qid *made)
{
    return dir->client->ops->symlink(sc, dir, name, target, gid, made);
}

int p9_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name)
{
    return dir->client->ops->link(sc, dir, fid, name);
}

int p9_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n)
{
    return fid->client->ops->readlink(sc, fid, buf, n);
}

int p9_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    int rc = dir->client->ops->unlink(sc, dir, name, is_dir);

    return is_dir && rc == -EEXIST ? -ENOTEMPTY : rc; /* hugelgupf/p9's word for it */
}

/* Tremove takes files and empty directories alike, so what is there is looked at first. */
int p9_remove_by_fid(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 1, &name, &fid);

    if (rc != 0)
        return rc;
    if (is_dir != !!(fid->qid.type & P9_QTDIR)) {
        p9_fid_put(fid);
        return is_dir ? -ENOTDIR : -EISDIR;
    }
    return p9_remove(sc, fid);
}

int p9_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
              const char *newname)
{
    return olddir->client->ops->rename(sc, olddir, oldname, newdir, newname);
}

int p9_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n, uint32_t *got)
{
    return fid->client->ops->readdir(sc, fid, offset, buf, n, got);
}

int p9_statfs(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st)
{
    return fid->client->ops->statfs(sc, fid, st);
}

int p9_fsync(struct p9_scope *sc, struct p9_fid *fid, bool datasync)
{
    return fid->client->ops->fsync(sc, fid, datasync);
}

bool p9_may_lock(const struct p9_client *c)
{
    return c->ops->lock_start != NULL;
}

void p9_lock_start(struct p9_locking *l)
{
    l->fid->client->ops->lock_start(l);
}

ssize_t p9_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                    struct p9_xattrs_too *too)
{
    return fid->client->ops->getxattr(sc, fid, name, buf, n, too);
}

int p9_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags)
{
    return fid->client->ops->setxattr(sc, fid, name, value, n, flags);
}

int p9_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name)
{
    return fid->client->ops->removexattr(sc, fid, name);
}

int p9_take_entries(struct p9_client *c, const struct p9_req *req, uint32_t *got)
{
    const struct p9_blob *data = &req->rx.Rread.count; /* Rreaddir's is the same */
    struct p9_dirent de;
    struct p9_attr attr;
    size_t used = 1;

    *got = req->cut ? 0 : data->n;
    while (req->cut && used > 0) {
        used = c->ops->next_dirent(c, data->p + *got, data->n - *got, *got, &de, &attr);
        *got += (uint32_t)used;
    }
    return *got == 0 && req->cut ? -EPROTO : 0;
}

static bool name_is_fit(const struct p9_str *name)
{
    return name->len > 0 && name->len <= P9_MAXNAME && memchr(name->s, '/', name->len) == NULL;
}

size_t p9_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                      struct p9_attr *attr)
{
    size_t used = c->ops->next_dirent(c, buf, n, at, de, attr);

    if (used != 0 && !name_is_fit(&de->name))
        de->name.len = 0;
    return used;
}
