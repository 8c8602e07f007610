/*
 * dialect_linux.c: 9P2000.L: files, attributes and directories, and its table of operations.
 *
 * Open flags and device numbers on the wire are Linux's generic ones on every host, and are
 * translated by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "client/dialect_linux.h"

/* O_DIRECT is not sent: it is about this host's page cache, and data in messages is not aligned. */
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
    if ((flags & O_SYNC) == O_SYNC) /* O_SYNC includes O_DSYNC's bit */
        wire |= P9_L_SYNC;
    return wire;
}

struct p9_fcall linux_lopen_message(const struct p9_fid *fid, int flags)
{
    return (struct p9_fcall){.type = P9_Tlopen, .Tlopen = {.fid = fid->num, .flags = flags_on_wire(flags & ~O_EXCL)}};
}

void linux_set_opened(struct p9_fid *fid, const struct p9_fcall *rx)
{
    fid->qid = rx->Rlopen.qid;
    fid->iounit = p9_fid_iounit(fid->client, rx->Rlopen.iounit);
}

static struct p9_fcall linux_open_again(const struct p9_fid *fid)
{
    return (struct p9_fcall){.type = P9_Tlopen, .Tlopen = {.fid = fid->num, .flags = fid->open_mode}};
}

static bool linux_appends(const struct p9_fid *fid)
{
    return (fid->open_mode & P9_L_APPEND) != 0 || (fid->qid.type & P9_QTAPPEND) != 0;
}

static int linux_open(struct p9_scope *sc, struct p9_fid *fid, int flags)
{
    struct p9_req req = {0};
    struct p9_fcall tx = linux_lopen_message(fid, flags);
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc == 0)
        linux_set_opened(fid, &req.rx);
    return rc;
}

static int create_directly(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
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

/* For servers that ignore O_EXCL: creates a file with a temporary name, and links it to the name,
 * which fails if that exists. */
static int create_by_link(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    char hidden[P9_HIDDEN_BYTES];
    struct p9_fid *dir;
    int rc = p9_walk(sc, fid, 0, NULL, &dir);

    if (rc != 0)
        return rc;
    p9_hidden_name(hidden);
    rc = create_directly(sc, fid, hidden, flags, mode, gid);
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
    if ((flags & O_EXCL) && p9_has_habit(fid->client, P9_NO_EXCL))
        return create_by_link(sc, fid, name, flags, mode, gid);
    return create_directly(sc, fid, name, flags, mode, gid);
}

/* The S_IF bits for a reply without a mode. */
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

static int linux_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen)
{
    struct p9_req req = {0}, get_req = {0};
    struct p9_round r;
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
    p9_round_begin(&r, sc, fid->client);
    p9_round_send(&r, &req, &tx);
    p9_round_send(&r, &get_req, &get);
    p9_round_end(&r);
    if (get_req.rc == 0)
        linux_attr_of(&get_req.rx, seen);
    return req.rc;
}

static int linux_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n,
                         uint32_t *got)
{
    struct p9_req req = {.into = buf, .into_size = n, .part_ok = true};
    struct p9_fcall tx = {.type = P9_Treaddir,
                          .Treaddir = {.fid = fid->num, .offset = offset, .count = p9_readdir_count(fid, n)}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    return rc == 0 ? p9_whole_entries(fid->client, &req, got) : rc;
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

/* nfs-ganesha 4.3 builds replies in 70,000 bytes of its stack, whatever the msize. */
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
    p9_add_habit(c, P9_NO_EXCL | P9_NO_TRUNC | P9_FIDS_FOLLOW | P9_NO_XATTR_OF_OPEN);
    return rc;
}

const struct p9_dialect_ops p9_linux_ops = {
    .open = linux_open,
    .open_again = linux_open_again,
    .set_opened = linux_set_opened,
    .appends = linux_appends,
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
    .lock_start = linux_lock_start,
    .getxattr = linux_getxattr,
    .setxattr = linux_setxattr,
    .removexattr = linux_removexattr,
};
