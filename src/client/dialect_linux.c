/*
 * dialect_linux.c: the operations of 9P2000.L.
 *
 * Open flags and device numbers are Linux's generic ones on the wire, whatever the
 * host's are, and are translated by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client/dialect_linux.h"

/* O_DIRECT is about this machine's cache: the server could not align what comes in messages. */
static uint32_t flags_on_wire(int flags)
{
    static const struct {
        int host;
        uint32_t wire;
    } bits[] = {
        {O_EXCL, P9_L_EXCL},           {O_TRUNC, P9_L_TRUNC},       {O_APPEND, P9_L_APPEND},
        {O_DIRECTORY, P9_L_DIRECTORY}, {O_NOFOLLOW, P9_L_NOFOLLOW}, {O_DSYNC, P9_L_DSYNC},
    };
    uint32_t wire = (uint32_t)(flags & O_ACCMODE);

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (flags & bits[i].host)
            wire |= bits[i].wire;
    if ((flags & O_SYNC) == O_SYNC) /* O_SYNC holds O_DSYNC's bit */
        wire |= P9_L_SYNC;
    return wire;
}

struct p9_fcall linux_lopen_message(const struct p9_fid *fid, int flags)
{
    return (struct p9_fcall){.type = P9_Tlopen, .Tlopen = {.fid = fid->num, .flags = flags_on_wire(flags & ~O_EXCL)}};
}

void linux_note_opened(struct p9_fid *fid, const struct p9_fcall *rx)
{
    fid->qid = rx->Rlopen.qid;
    fid->iounit = p9_fid_iounit(fid->client, rx->Rlopen.iounit);
}

static int linux_open(struct p9_scope *sc, struct p9_fid *fid, int flags)
{
    struct p9_req req = {0};
    struct p9_fcall tx = linux_lopen_message(fid, flags);
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc == 0)
        linux_note_opened(fid, &req.rx);
    return rc;
}

static int create_plainly(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Tlcreate,
                          .Tlcreate = {.fid = fid->num,
                                       .name = p9_str(name),
                                       .flags = flags_on_wire(flags) | P9_L_CREAT,
                                       .mode = mode,
                                       .gid = gid}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc != 0)
        return rc;
    fid->qid = req.rx.Rlcreate.qid;
    fid->iounit = p9_fid_iounit(fid->client, req.rx.Rlcreate.iounit);
    return 0;
}

/* Where O_EXCL means nothing, the file is made under a name of its own; a link is refused if the name is taken. */
static int create_by_link(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    char hidden[P9_HIDDEN_BYTES];
    struct p9_fid *dir;
    int rc = p9_walk(sc, fid, 0, NULL, &dir);

    if (rc != 0)
        return rc;
    p9_hidden_name(hidden);
    rc = create_plainly(sc, fid, hidden, flags, mode, gid);
    if (rc == 0) {
        rc = p9_link(sc, dir, fid, name);
        int removed = p9_unlink(NULL, dir, hidden, false);
        rc = rc == 0 ? removed : rc;
    }
    p9_fid_put(dir);
    return rc;
}

static int linux_create(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    if ((flags & O_EXCL) && p9_lacks(fid->client, P9_NO_EXCL))
        return create_by_link(sc, fid, name, flags, mode, gid);
    return create_plainly(sc, fid, name, flags, mode, gid);
}

/* The type as S_IF bits where a server leaves the mode out. */
static mode_t type_of_qid(const struct p9_qid *q)
{
    if (q->type & P9_QTDIR)
        return S_IFDIR;
    return q->type & P9_QTSYMLINK ? S_IFLNK : S_IFREG;
}

/* Linux's new encoding of dev_t. */
static dev_t device_from_wire(uint64_t d)
{
    return makedev((d >> 8) & 0xfff, (d & 0xff) | ((d >> 12) & 0xfff00));
}

struct p9_fcall linux_getattr_message(const struct p9_fid *fid)
{
    return (struct p9_fcall){.type = P9_Tgetattr, .Tgetattr = {.fid = fid->num, .request_mask = P9_GETATTR_BASIC}};
}

void linux_attr_of(const struct p9_fcall *rx, struct p9_attr *attr)
{
    uint64_t valid = rx->Rgetattr.valid;
    struct p9_qid qid = rx->Rgetattr.qid;
    mode_t mode = rx->Rgetattr.mode;

    if (!(valid & P9_GETATTR_MODE))
        mode = type_of_qid(&qid) | (qid.type & P9_QTDIR ? 0755 : 0644);
    *attr = (struct p9_attr){
        .qid = qid,
        .mode = mode,
        .uid = valid & P9_GETATTR_UID ? rx->Rgetattr.uid : 0,
        .gid = valid & P9_GETATTR_GID ? rx->Rgetattr.gid : 0,
        .nlink = valid & P9_GETATTR_NLINK ? rx->Rgetattr.nlink : 1,
        .rdev = valid & P9_GETATTR_RDEV ? device_from_wire(rx->Rgetattr.rdev) : 0,
        .size = valid & P9_GETATTR_SIZE ? rx->Rgetattr.size : 0,
        .blocks = valid & P9_GETATTR_BLOCKS ? rx->Rgetattr.blocks : 0,
        .blksize = (uint32_t)rx->Rgetattr.blksize,
    };
    if (valid & P9_GETATTR_ATIME)
        attr->atime = (struct timespec){(time_t)rx->Rgetattr.atime_sec, (long)rx->Rgetattr.atime_nsec};
    if (valid & P9_GETATTR_MTIME)
        attr->mtime = (struct timespec){(time_t)rx->Rgetattr.mtime_sec, (long)rx->Rgetattr.mtime_nsec};
    if (valid & P9_GETATTR_CTIME)
        attr->ctime = (struct timespec){(time_t)rx->Rgetattr.ctime_sec, (long)rx->Rgetattr.ctime_nsec};
}

static int linux_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr)
{
    struct p9_req req = {0};
    struct p9_fcall tx = linux_getattr_message(fid);
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc == 0)
        linux_attr_of(&req.rx, attr);
    return rc;
}

void linux_round_begin(struct linux_round *r, struct p9_scope *sc, struct p9_client *c)
{
    r->session = c->session;
    r->scope = sc;
    p9_batch_init(&r->batch, 1); /* for the end of sending */
}

void linux_round_send(struct linux_round *r, struct p9_req *req, const struct p9_fcall *tx)
{
    req->done = p9_req_batch_done;
    req->arg = &r->batch;
    req->scope = r->scope;
    atomic_fetch_add(&r->batch.left, 1);
    p9_submit_more(r->session, req, tx);
}

void linux_round_end(struct linux_round *r)
{
    p9_push(r->session);
    p9_batch_done(&r->batch);
    p9_batch_wait(r->session, &r->batch);
}

static int linux_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen)
{
    struct p9_req req = {0}, get_req = {0};
    struct linux_round r;
    const struct p9_fcall get = linux_getattr_message(fid);
    struct p9_fcall tx = {.type = P9_Tsetattr,
                          .Tsetattr = {.fid = fid->num,
                                       .valid = set->valid,
                                       .mode = set->mode,
                                       .uid = set->uid,
                                       .gid = set->gid,
                                       .size = set->size,
                                       .atime_sec = (uint64_t)set->atime.tv_sec,
                                       .atime_nsec = (uint64_t)set->atime.tv_nsec,
                                       .mtime_sec = (uint64_t)set->mtime.tv_sec,
                                       .mtime_nsec = (uint64_t)set->mtime.tv_nsec}};

    if (seen == NULL)
        return p9_do(sc, fid->client, &tx);
    linux_round_begin(&r, sc, fid->client);
    linux_round_send(&r, &req, &tx);
    linux_round_send(&r, &get_req, &get);
    linux_round_end(&r);
    if (get_req.rc == 0)
        linux_attr_of(&get_req.rx, seen);
    return req.rc;
}

/* A request whose reply is the qid of what it made. */
static int make(struct p9_scope *sc, struct p9_fid *dir, const struct p9_fcall *tx, struct p9_qid *made)
{
    struct p9_req req = {0};
    int rc = p9_rpc(sc, dir->client, &req, tx);

    if (rc == 0)
        *made = tx->type == P9_Tmkdir   ? req.rx.Rmkdir.qid
                : tx->type == P9_Tmknod ? req.rx.Rmknod.qid
                                        : req.rx.Rsymlink.qid;
    return rc;
}

static int linux_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid,
                       struct p9_qid *made)
{
    struct p9_fcall tx = {.type = P9_Tmkdir,
                          .Tmkdir = {.dfid = dir->num, .name = p9_str(name), .mode = mode, .gid = gid}};

    return make(sc, dir, &tx, made);
}

static int linux_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
                       struct p9_qid *made)
{
    struct p9_fcall tx = {.type = P9_Tmknod,
                          .Tmknod = {.dfid = dir->num,
                                     .name = p9_str(name),
                                     .mode = mode,
                                     .major = major(dev),
                                     .minor = minor(dev),
                                     .gid = gid}};
    int rc = make(sc, dir, &tx, made);

    return (rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP) && S_ISREG(mode)
               ? p9_make_file(sc, dir, name, mode & 07777, gid, made)
               : rc;
}

static int linux_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
                         struct p9_qid *made)
{
    struct p9_fcall tx = {.type = P9_Tsymlink,
                          .Tsymlink = {.dfid = dir->num, .name = p9_str(name), .target = p9_str(target), .gid = gid}};

    return make(sc, dir, &tx, made);
}

static int linux_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name)
{
    struct p9_fcall tx = {.type = P9_Tlink, .Tlink = {.dfid = dir->num, .fid = fid->num, .name = p9_str(name)}};

    return p9_do(sc, dir->client, &tx);
}

static int linux_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n)
{
    uint8_t body[P9_HDRSZ + 2 + 4096];
    struct p9_req req = {.body = body, .body_size = sizeof body};
    struct p9_fcall tx = {.type = P9_Treadlink, .Treadlink.fid = fid->num};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc == -EMSGSIZE || (rc == 0 && req.rx.Rreadlink.target.len >= n))
        return -ENAMETOOLONG;
    if (rc != 0)
        return rc;
    struct p9_str *target = &req.rx.Rreadlink.target;
    memcpy(buf, target->s, target->len);
    buf[target->len] = 0;
    return 0;
}

static int linux_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    struct p9_client *c = dir->client;

    if (!p9_lacks(c, P9_NO_UNLINKAT)) {
        struct p9_fcall tx = {
            .type = P9_Tunlinkat,
            .Tunlinkat = {.dirfid = dir->num, .name = p9_str(name), .flags = is_dir ? P9_AT_REMOVEDIR : 0}};
        int rc = p9_do(sc, c, &tx);
        if (!p9_learn_missing(c, P9_NO_UNLINKAT, rc))
            return rc;
    }
    return p9_remove_by_fid(sc, dir, name, is_dir); /* diod 1.0.24 */
}

static int rename_by_fid(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                         const char *newname)
{
    struct p9_fid *fid;
    int rc = p9_walk(sc, olddir, 1, &oldname, &fid);

    if (rc != 0)
        return rc;
    struct p9_fcall tx = {.type = P9_Trename,
                          .Trename = {.fid = fid->num, .dfid = newdir->num, .name = p9_str(newname)}};
    rc = p9_do(sc, olddir->client, &tx);
    p9_fid_put(fid);
    return rc;
}

static int linux_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                        const char *newname)
{
    struct p9_client *c = olddir->client;

    if (!p9_lacks(c, P9_NO_RENAMEAT)) {
        struct p9_fcall tx = {.type = P9_Trenameat,
                              .Trenameat = {.olddirfid = olddir->num,
                                            .oldname = p9_str(oldname),
                                            .newdirfid = newdir->num,
                                            .newname = p9_str(newname)}};
        int rc = p9_do(sc, c, &tx);
        if (!p9_learn_missing(c, P9_NO_RENAMEAT, rc))
            return rc;
    }
    return rename_by_fid(sc, olddir, oldname, newdir, newname);
}

static int linux_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n,
                         uint32_t *got)
{
    struct p9_req req = {.into = buf, .into_size = n, .part_ok = true};
    struct p9_fcall tx = {.type = P9_Treaddir,
                          .Treaddir = {.fid = fid->num, .offset = offset, .count = p9_readdir_count(fid, n)}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    return rc == 0 ? p9_take_entries(fid->client, &req, got) : rc;
}

static size_t linux_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                                struct p9_attr *attr)
{
    (void)c, (void)at, (void)attr;
    return p9_dirent_unpack(buf, n, de);
}

static int linux_statfs(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st)
{
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Tstatfs, .Tstatfs.fid = fid->num};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc == -ENOSYS || rc == -EOPNOTSUPP) {
        *st = p9_statfs_unknown;
        return 0;
    }
    if (rc != 0)
        return rc;
    *st = (struct p9_statfs){.bsize = req.rx.Rstatfs.bsize,
                             .namelen = req.rx.Rstatfs.namelen,
                             .blocks = req.rx.Rstatfs.blocks,
                             .bfree = req.rx.Rstatfs.bfree,
                             .bavail = req.rx.Rstatfs.bavail,
                             .files = req.rx.Rstatfs.files,
                             .ffree = req.rx.Rstatfs.ffree,
                             .fsid = req.rx.Rstatfs.fsid};
    return 0;
}

static int linux_fsync(struct p9_scope *sc, struct p9_fid *fid, bool datasync)
{
    struct p9_fcall tx = {.type = P9_Tfsync, .Tfsync = {.fid = fid->num, .datasync = datasync}};

    return p9_do(sc, fid->client, &tx);
}

/* ---- locks -------------------------------------------------------------- */

static void lock_host(struct p9_client *c, char *host)
{
    host[0] = 0;
    if (!p9_lacks(c, P9_NO_FOREIGN_HOSTS))
        gethostname(host, P9_HOST_BYTES - 1);
    host[P9_HOST_BYTES - 1] = 0;
    if (host[0] == 0)
        strcpy(host, "localhost");
}

static struct p9_fcall lock_request(const struct p9_locking *l, uint32_t proc_id)
{
    if (l->query)
        return (struct p9_fcall){.type = P9_Tgetlock,
                                 .Tgetlock = {.fid = l->fid->num,
                                              .type = l->type,
                                              .start = l->start,
                                              .length = l->length,
                                              .proc_id = proc_id,
                                              .client_id = p9_str(l->host)}};
    return (struct p9_fcall){.type = P9_Tlock,
                             .Tlock = {.fid = l->fid->num,
                                       .type = l->type,
                                       .start = l->start,
                                       .length = l->length,
                                       .proc_id = proc_id,
                                       .client_id = p9_str(l->host)}};
}

static void lock_answered(struct p9_req *req);

static void lock_send(struct p9_locking *l)
{
    lock_host(l->fid->client, l->host);
    const struct p9_fcall tx = lock_request(l, (uint32_t)getpid() ^ l->owner << 31);
    l->req = (struct p9_req){.done = lock_answered, .arg = l, .scope = l->scope};
    p9_submit(l->fid->client->session, &l->req, &tx);
}

static int lock_status(uint8_t status)
{
    switch (status) {
    case P9_LOCK_SUCCESS:
        return 0;
    case P9_LOCK_BLOCKED:
    case P9_LOCK_GRACE:
        return -EAGAIN;
    }
    return -ENOLCK;
}

static struct p9_lock_held lock_found(const struct p9_locking *l)
{
    const struct p9_fcall *rx = &l->req.rx;
    struct p9_lock_held held = {.type = rx->Rgetlock.type,
                                .start = rx->Rgetlock.start,
                                .length = rx->Rgetlock.length,
                                .proc_id = rx->Rgetlock.proc_id};

    /* nfs-ganesha answers with the question whether or not the bytes are free: it knows of nobody else. */
    if (p9_session_rerror_is_rlerror(l->fid->client->session) && held.proc_id == (uint32_t)getpid() &&
        p9_str_eq(rx->Rgetlock.client_id, l->host))
        held.type = P9_LOCK_UNLCK;
    return held;
}

/* From the reader thread, or before p9_submit returns. */
static void lock_answered(struct p9_req *req)
{
    struct p9_locking *l = req->arg;
    struct p9_client *c = l->fid->client;

    /* nfs-ganesha looks the client's name up. */
    if (req->rc == -EINVAL && !l->query && !p9_lacks(c, P9_NO_FOREIGN_HOSTS)) {
        atomic_fetch_or(&c->missing, P9_NO_FOREIGN_HOSTS);
        lock_send(l);
        return;
    }
    l->rc = req->rc == -ENOSYS ? -EOPNOTSUPP : req->rc;
    if (l->rc == 0 && l->query)
        l->held = lock_found(l);
    else if (l->rc == 0)
        l->rc = lock_status(req->rx.Rlock.status);
    l->done(l);
}

/* ---- extended attributes ------------------------------------------------ */

struct xattr {
    struct p9_fid *file;
    const char *name;
    uint64_t size;
};

static int xattr_walk(struct p9_scope *sc, struct p9_fid *newfid, void *arg)
{
    struct xattr *x = arg;
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Txattrwalk,
                          .Txattrwalk = {.fid = x->file->num, .newfid = newfid->num, .name = p9_str(x->name)}};
    int rc = p9_rpc(sc, newfid->client, &req, &tx);

    x->size = req.rx.Rxattrwalk.size;
    newfid->iounit = p9_fid_iounit(newfid->client, 0);
    return rc;
}

void linux_xattrs_ask(struct linux_xattrs *x, struct linux_round *r, struct p9_fid *fid, const char *const *names)
{
    for (unsigned i = 0; i < P9_XATTRS; i++) {
        if (names[i] == NULL || fid_new(r->scope, fid->client, &x->value[i]) != 0)
            continue;
        struct p9_fcall tx = {.type = P9_Txattrwalk,
                              .Txattrwalk = {.fid = fid->num, .newfid = x->value[i]->num, .name = p9_str(names[i])}};
        linux_round_send(r, &x->req[i], &tx);
    }
}

void linux_xattrs_take(struct linux_xattrs *x, int lacks[P9_XATTRS])
{
    for (unsigned i = 0; i < P9_XATTRS; i++) {
        int rc = x->value[i] != NULL ? x->req[i].rc : 0;
        lacks[i] = rc == -ENODATA || rc == -EOPNOTSUPP ? rc : 0;
        if (rc != 0)
            fid_failed(x->value[i], rc);
        else
            p9_fid_put(x->value[i]);
    }
}

static ssize_t linux_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                              struct p9_xattrs_too *too)
{
    struct xattr x = {.file = fid, .name = name};
    struct linux_xattrs others = {0};
    struct linux_round r;
    struct p9_fid *value;

    linux_round_begin(&r, sc, fid->client);
    if (too != NULL)
        linux_xattrs_ask(&others, &r, fid, too->names);
    int rc = fid_make(sc, fid->client, xattr_walk, &x, &value);
    linux_round_end(&r);
    if (too != NULL)
        linux_xattrs_take(&others, too->lacks);
    if (rc != 0)
        return rc;
    ssize_t got = x.size <= INT32_MAX ? (ssize_t)x.size : -E2BIG;
    if (got > 0 && n > 0) {
        struct p9_io io = {.fid = value, .buf = buf, .count = (uint32_t)x.size, .size = UINT64_MAX, .scope = sc};
        got = x.size <= n ? p9_read_wait(&io) : -ERANGE;
        if (got >= 0 && (uint64_t)got != x.size)
            got = -EIO;
    }
    p9_fid_put(value);
    return got;
}

static int linux_getattr_too(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                             struct p9_xattrs_too *too)
{
    struct p9_fid *by = unopened != NULL ? unopened : p9_lacks(fid->client, P9_NO_XATTR_OF_OPEN) ? NULL : fid;
    const struct p9_fcall tx = linux_getattr_message(fid);
    struct linux_xattrs x = {0};
    struct p9_req req = {0};
    struct linux_round r;

    linux_round_begin(&r, sc, fid->client);
    linux_round_send(&r, &req, &tx);
    if (by != NULL)
        linux_xattrs_ask(&x, &r, by, too->names);
    linux_round_end(&r);
    linux_xattrs_take(&x, too->lacks);
    if (req.rc == 0)
        linux_attr_of(&req.rx, attr);
    return req.rc;
}

/* Txattrcreate makes the fid the attribute; it is set when that is clunked. */
static int linux_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n,
                          int flags)
{
    struct p9_fid *attr;
    int rc = p9_walk(sc, fid, 0, NULL, &attr);

    if (rc != 0)
        return rc;
    struct p9_fcall tx = {
        .type = P9_Txattrcreate,
        .Txattrcreate = {.fid = attr->num, .name = p9_str(name), .attr_size = n, .flags = (uint32_t)flags}};
    rc = p9_do(sc, fid->client, &tx);
    attr->iounit = p9_fid_iounit(fid->client, 0);
    struct p9_io io = {.fid = attr, .buf = (uint8_t *)value, .count = (uint32_t)n, .in_order = true, .scope = sc};
    ssize_t put = rc == 0 ? p9_write_wait(&io) : rc;
    if (put == (ssize_t)n)
        return p9_fid_clunk(NULL, attr);
    p9_fid_put(attr);
    return put < 0 ? (int)put : -EIO;
}

static int linux_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name)
{
    return linux_setxattr(sc, fid, name, NULL, 0, XATTR_REPLACE);
}

/* nfs-ganesha 4.3 puts replies together in 70,000 bytes on its stack, whatever msize it agreed to. */
enum { GANESHA_READ_MAX = 65536 };

static int linux_learn(struct p9_client *c, struct p9_fid *root)
{
    const char *name = ".9pfs-no-such-file";
    struct p9_fid *fid = NULL;
    int rc = p9_walk(NULL, root, 1, &name, &fid);

    if (rc == 0)
        p9_fid_put(fid);
    if (!p9_session_rerror_is_rlerror(c->session))
        return rc;
    if (c->read_max > GANESHA_READ_MAX)
        c->read_max = GANESHA_READ_MAX;
    atomic_fetch_or(&c->missing, P9_NO_EXCL | P9_NO_TRUNC | P9_FIDS_FOLLOW | P9_NO_XATTR_OF_OPEN);
    return rc;
}

const struct p9_dialect_ops p9_linux_ops = {
    .open = linux_open,
    .open_checked = linux_open_checked,
    .find_many = linux_find_many,
    .create = linux_create,
    .getattr = linux_getattr,
    .getattr_too = linux_getattr_too,
    .setattr = linux_setattr,
    .mkdir = linux_mkdir,
    .mknod = linux_mknod,
    .symlink = linux_symlink,
    .link = linux_link,
    .readlink = linux_readlink,
    .unlink = linux_unlink,
    .rename = linux_rename,
    .readdir = linux_readdir,
    .next_dirent = linux_next_dirent,
    .counts_links = true,
    .learn = linux_learn,
    .statfs = linux_statfs,
    .fsync = linux_fsync,
    .lock_start = lock_send,
    .getxattr = linux_getxattr,
    .setxattr = linux_setxattr,
    .removexattr = linux_removexattr,
};
