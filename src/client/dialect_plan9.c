/*
 * dialect_plan9.c: the operations of 9P2000 and 9P2000.u.
 *
 * Attributes are a stat, by Tstat and Twstat, and a directory is read as a file of stats. .u adds
 * numeric ids, errno, and files that are neither plain nor directories, by Tcreate's extension.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "client/dialect.h"

enum { STAT_ROOM = 8192 }; /* an Rstat with a symlink's target and four names */

static bool is_u(const struct p9_client *c)
{
    return p9_session_dialect(c->session) == P9_2000U;
}

/* ---- attributes --------------------------------------------------------- */

static const struct {
    uint32_t dm;
    mode_t mode;
} special_bits[] = {{P9_DMSETUID, S_ISUID}, {P9_DMSETGID, S_ISGID}, {P9_DMSETVTX, S_ISVTX}};

static mode_t type_of(const struct p9_stat *st, bool u)
{
    if (st->mode & P9_DMDIR)
        return S_IFDIR;
    if (u && (st->mode & P9_DMSYMLINK))
        return S_IFLNK;
    if (u && (st->mode & P9_DMDEVICE))
        return st->extension.len > 0 && st->extension.s[0] == 'b' ? S_IFBLK : S_IFCHR;
    if (u && (st->mode & P9_DMNAMEDPIPE))
        return S_IFIFO;
    return u && (st->mode & P9_DMSOCKET) ? S_IFSOCK : S_IFREG;
}

static mode_t mode_of(const struct p9_stat *st, bool u)
{
    mode_t mode = type_of(st, u) | (st->mode & 0777);

    for (size_t i = 0; u && i < sizeof special_bits / sizeof *special_bits; i++)
        if (st->mode & special_bits[i].dm)
            mode |= special_bits[i].mode;
    return mode;
}

static uint32_t perm_of(mode_t mode, bool u)
{
    uint32_t perm = mode & 0777;

    for (size_t i = 0; u && i < sizeof special_bits / sizeof *special_bits; i++)
        if (mode & special_bits[i].mode)
            perm |= special_bits[i].dm;
    return perm;
}

static dev_t device_of(const struct p9_stat *st)
{
    char text[32] = "";
    unsigned maj = 0, min = 0;

    memcpy(text, st->extension.len > 0 ? st->extension.s : "",
           st->extension.len < sizeof text ? st->extension.len : sizeof text - 1);
    if (sscanf(text, "%*c %u %u", &maj, &min) != 2)
        return 0;
    return makedev(maj, min);
}

static void attr_of(struct p9_client *c, const struct p9_stat *st, struct p9_attr *attr)
{
    bool u = is_u(c);
    mode_t mode = mode_of(st, u);

    *attr = (struct p9_attr){
        .qid = st->qid,
        .mode = mode,
        .uid = u && st->n_uid != P9_NONUNAME ? st->n_uid : idmap_uid(c->ids, st->uid),
        .gid = u && st->n_gid != P9_NONUNAME ? st->n_gid : idmap_gid(c->ids, st->gid),
        .nlink = 1,
        .size = S_ISDIR(mode) ? 0 : st->length,
        .blksize = 4096,
        .atime = {.tv_sec = st->atime},
        .mtime = {.tv_sec = st->mtime},
        .ctime = {.tv_sec = st->mtime},
    };
    if (S_ISLNK(mode) && attr->size == 0)
        attr->size = st->extension.len;
    if (S_ISBLK(mode) || S_ISCHR(mode))
        attr->rdev = device_of(st);
    attr->blocks = (attr->size + 511) / 512;
}

/* st points into body. */
static int stat_fid(struct p9_scope *sc, struct p9_fid *fid, uint8_t body[STAT_ROOM], struct p9_stat *st)
{
    struct p9_client *c = fid->client;
    struct p9_req req = {.body = body, .body_size = STAT_ROOM};
    struct p9_fcall tx = {.type = P9_Tstat, .Tstat.fid = fid->num};
    int rc = p9_rpc(sc, c, &req, &tx);

    if (rc == 0 && p9_convM2D(req.rx.Rstat.stat.p, req.rx.Rstat.stat.n, p9_session_dialect(c->session), st) == 0)
        rc = -EPROTO;
    return rc;
}

static int old_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr)
{
    uint8_t body[STAT_ROOM];
    struct p9_stat st;
    int rc = stat_fid(sc, fid, body, &st);

    if (rc == 0)
        attr_of(fid->client, &st, attr);
    return rc;
}

/* All "don't touch": as it is, a Twstat of this asks for what was written to be safe. */
static struct p9_stat untouched(void)
{
    return (struct p9_stat){.type = UINT16_MAX,
                            .dev = UINT32_MAX,
                            .qid = {.type = UINT8_MAX, .version = UINT32_MAX, .path = UINT64_MAX},
                            .mode = UINT32_MAX,
                            .atime = UINT32_MAX,
                            .mtime = UINT32_MAX,
                            .length = UINT64_MAX,
                            .n_uid = UINT32_MAX,
                            .n_gid = UINT32_MAX,
                            .n_muid = UINT32_MAX};
}

static int wstat_fid(struct p9_scope *sc, struct p9_fid *fid, const struct p9_stat *st)
{
    enum p9_dialect d = p9_session_dialect(fid->client->session);
    uint8_t packed[1024]; /* names of a file, a user and a group */
    size_t n = p9_convD2M(st, d, packed, sizeof packed);

    if (n == 0)
        return -ENAMETOOLONG;
    struct p9_fcall tx = {.type = P9_Twstat, .Twstat = {.fid = fid->num, .stat = {.n = (uint32_t)n, .p = packed}}};
    return p9_do(sc, fid->client, &tx);
}

/* Room for the names that a stat points to. */
struct owner {
    char user[IDMAP_NAME_BYTES], group[IDMAP_NAME_BYTES];
};

/* The new owner, where it is one: most servers refuse any, also the old. */
static int set_owner(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct owner *o,
                     struct p9_stat *st)
{
    struct p9_attr now;
    int rc = old_getattr(sc, fid, &now);
    bool uid = (set->valid & P9_SETATTR_UID) && set->uid != now.uid;
    bool gid = (set->valid & P9_SETATTR_GID) && set->gid != now.gid;

    if (rc != 0)
        return rc;
    if (is_u(fid->client)) {
        st->n_uid = uid ? set->uid : UINT32_MAX;
        st->n_gid = gid ? set->gid : UINT32_MAX;
        return uid || gid;
    }
    if ((uid && !idmap_user_name(set->uid, o->user)) || (gid && !idmap_group_name(set->gid, o->group)))
        return -EINVAL;
    st->uid = p9_str(uid ? o->user : "");
    st->gid = p9_str(gid ? o->group : "");
    return uid || gid;
}

static uint32_t seconds(const struct timespec *ts, bool given)
{
    time_t t = given ? ts->tv_sec : time(NULL);

    if (t < 0)
        return 0;
    return t < UINT32_MAX ? (uint32_t)t : UINT32_MAX - 1;
}

/* In Plan 9 nobody sets a time of access: where that is refused, all else is asked for without it. */
static int change_stat(struct p9_scope *sc, struct p9_fid *fid, struct p9_stat *st)
{
    bool both = st->atime != UINT32_MAX && st->mtime != UINT32_MAX;

    if (both && p9_lacks(fid->client, P9_NO_ATIME))
        st->atime = UINT32_MAX;
    int rc = wstat_fid(sc, fid, st);
    if (rc >= 0 || !both || st->atime == UINT32_MAX)
        return rc;
    st->atime = UINT32_MAX;
    int without = wstat_fid(sc, fid, st);
    if (without == 0)
        atomic_fetch_or(&fid->client->missing, P9_NO_ATIME);
    return without == 0 ? 0 : rc;
}

static int old_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen)
{
    struct p9_stat st = untouched();
    struct owner owner;
    bool u = is_u(fid->client), change = false;

    (void)seen; /* stats are asked for when they are needed */
    if (set->valid & (P9_SETATTR_UID | P9_SETATTR_GID)) {
        int rc = set_owner(sc, fid, set, &owner, &st);
        if (rc < 0)
            return rc;
        change = rc > 0;
    }
    if (set->valid & P9_SETATTR_MODE) {
        if (!u && (set->mode & 07000))
            return -EPERM; /* there are no such bits */
        st.mode = perm_of(set->mode, u) | (uint32_t)(fid->qid.type & ~P9_QTLINK) << 24;
        change = true;
    }
    if (set->valid & P9_SETATTR_SIZE)
        st.length = set->size;
    if (set->valid & P9_SETATTR_ATIME)
        st.atime = seconds(&set->atime, set->valid & P9_SETATTR_ATIME_SET);
    if (set->valid & P9_SETATTR_MTIME)
        st.mtime = seconds(&set->mtime, set->valid & P9_SETATTR_MTIME_SET);
    change |= (set->valid & (P9_SETATTR_SIZE | P9_SETATTR_ATIME | P9_SETATTR_MTIME)) != 0;
    return change ? change_stat(sc, fid, &st) : 0;
}

/* ---- open, create ------------------------------------------------------- */

static uint8_t open_mode(int flags)
{
    static const uint8_t access[] = {[O_RDONLY] = P9_OREAD, [O_WRONLY] = P9_OWRITE, [O_RDWR] = P9_ORDWR};

    return access[(flags & O_ACCMODE) % 3] | (flags & O_TRUNC ? P9_OTRUNC : 0);
}

static int old_open(struct p9_scope *sc, struct p9_fid *fid, int flags)
{
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Topen, .Topen = {.fid = fid->num, .mode = open_mode(flags)}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc != 0)
        return rc;
    fid->qid = req.rx.Ropen.qid;
    fid->iounit = p9_fid_iounit(fid->client, req.rx.Ropen.iounit);
    return 0;
}

/* fid, of a directory, becomes the new file. */
static int create(struct p9_scope *sc, struct p9_fid *fid, const char *name, uint32_t perm, uint8_t mode,
                  const char *extension)
{
    struct p9_req req = {0};
    struct p9_fcall tx = {
        .type = P9_Tcreate,
        .Tcreate = {.fid = fid->num, .name = p9_str(name), .perm = perm, .mode = mode, .extension = p9_str(extension)}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc != 0)
        return rc;
    fid->qid = req.rx.Rcreate.qid;
    fid->iounit = p9_fid_iounit(fid->client, req.rx.Rcreate.iounit);
    return 0;
}

static int old_create(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    (void)gid; /* the directory's, or as the server likes */
    return create(sc, fid, name, perm_of(mode, is_u(fid->client)), open_mode(flags & ~O_TRUNC), "");
}

/* Makes what is not opened. */
static int make(struct p9_scope *sc, struct p9_fid *dir, const char *name, uint32_t perm, const char *extension,
                struct p9_qid *made)
{
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 0, NULL, &fid);

    if (rc != 0)
        return rc;
    rc = create(sc, fid, name, perm, P9_OREAD, extension);
    *made = fid->qid;
    p9_fid_put(fid);
    return rc;
}

static int old_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid,
                     struct p9_qid *made)
{
    (void)gid;
    return make(sc, dir, name, P9_DMDIR | perm_of(mode, is_u(dir->client)), "", made);
}

static int old_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
                     struct p9_qid *made)
{
    uint32_t perm = perm_of(mode, is_u(dir->client));
    char device[32] = "";

    if (S_ISREG(mode))
        return p9_make_file(sc, dir, name, mode & 07777, gid, made);
    if (!is_u(dir->client))
        return -EPERM;
    if (S_ISFIFO(mode))
        return make(sc, dir, name, perm | P9_DMNAMEDPIPE, "", made);
    if (S_ISSOCK(mode))
        return make(sc, dir, name, perm | P9_DMSOCKET, "", made);
    snprintf(device, sizeof device, "%c %u %u", S_ISBLK(mode) ? 'b' : 'c', major(dev), minor(dev));
    return make(sc, dir, name, perm | P9_DMDEVICE, device, made);
}

static int old_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
                       struct p9_qid *made)
{
    (void)gid;
    return is_u(dir->client) ? make(sc, dir, name, P9_DMSYMLINK | 0777, target, made) : -EPERM;
}

/* The file to link to is named by its fid, in digits. lib9p knows no such thing and makes an empty file: that must not be taken for a
 * second name, and goes. */
static int old_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name)
{
    char number[16];
    struct p9_fid *made;

    if (!is_u(dir->client))
        return -EPERM;
    int rc = p9_walk(sc, dir, 0, NULL, &made);
    if (rc != 0)
        return rc;
    snprintf(number, sizeof number, "%u", fid->num);
    rc = create(sc, made, name, P9_DMLINK, P9_OREAD, number);
    if (rc == 0 && made->qid.path != fid->qid.path) {
        p9_remove(NULL, made);
        return -EPERM;
    }
    p9_fid_put(made);
    return rc;
}

static int old_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n)
{
    uint8_t body[STAT_ROOM];
    struct p9_stat st;
    int rc = stat_fid(sc, fid, body, &st);

    if (rc != 0)
        return rc;
    if (!is_u(fid->client) || !(st.mode & P9_DMSYMLINK))
        return -EINVAL;
    if (st.extension.len >= n)
        return -ENAMETOOLONG;
    memcpy(buf, st.extension.s, st.extension.len);
    buf[st.extension.len] = 0;
    return 0;
}

/* ---- names -------------------------------------------------------------- */

static int old_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    return p9_remove_by_fid(sc, dir, name, is_dir);
}

static int rename_in(struct p9_scope *sc, struct p9_fid *dir, const char *oldname, const char *newname)
{
    struct p9_stat st = untouched();
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 1, &oldname, &fid);

    if (rc != 0)
        return rc;
    st.name = p9_str(newname);
    rc = wstat_fid(sc, fid, &st);
    p9_fid_put(fid);
    return rc;
}

/* For servers that rename over nothing (Plan 9's): what has the name steps aside until it is taken, so that no
 * failure loses either file. */
static int rename_over(struct p9_scope *sc, struct p9_fid *dir, const char *oldname, const char *newname)
{
    char aside[P9_HIDDEN_BYTES];
    struct p9_fid *from, *to;
    int rc = p9_walk(sc, dir, 1, &oldname, &from);

    if (rc != 0)
        return rc;
    bool is_dir = from->qid.type & P9_QTDIR;
    p9_fid_put(from);
    rc = p9_walk(sc, dir, 1, &newname, &to);
    if (rc != 0)
        return rc;
    bool over_dir = to->qid.type & P9_QTDIR;
    p9_fid_put(to);
    if (is_dir != over_dir)
        return is_dir ? -ENOTDIR : -EISDIR;
    if (over_dir) { /* only an empty one, which is then no loss */
        rc = p9_remove_by_fid(sc, dir, newname, true);
        return rc == 0 ? rename_in(NULL, dir, oldname, newname) : rc;
    }
    p9_hidden_name(aside);
    rc = rename_in(sc, dir, newname, aside);
    if (rc != 0)
        return rc;
    rc = rename_in(NULL, dir, oldname, newname);
    if (rc == 0)
        p9_remove_by_fid(NULL, dir, aside, false);
    else
        rename_in(NULL, dir, aside, newname);
    return rc;
}

static int old_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                      const char *newname)
{
    if (olddir->qid.path != newdir->qid.path || olddir->qid.type != newdir->qid.type)
        return -EXDEV;
    int rc = rename_in(sc, olddir, oldname, newname);
    return rc == -EEXIST ? rename_over(sc, olddir, oldname, newname) : rc;
}

/* ---- directories -------------------------------------------------------- */

static int read_dir(struct p9_scope *sc, struct p9_fid *fid, uint8_t *buf, uint32_t n, uint32_t *got)
{
    struct p9_req req = {.into = buf, .into_size = n, .part_ok = true};
    struct p9_fcall tx = {.type = P9_Tread,
                          .Tread = {.fid = fid->num, .offset = fid->dir_next, .count = p9_readdir_count(fid, n)}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    *got = 0;
    if (rc == 0)
        rc = p9_take_entries(fid->client, &req, got);
    fid->dir_next += *got;
    return rc;
}

/* The bytes of the entries at buf[n] that lie before `skip`, rounded up to an entry. */
static uint32_t entries_before(const uint8_t *buf, uint32_t n, uint64_t skip)
{
    uint32_t at = 0;

    while (at < skip && n - at >= 2 && at + 2u + p9_get16(buf + at) <= n)
        at += 2u + p9_get16(buf + at);
    return at < skip ? n : at;
}

/* A server reads a directory on, or again from its start: any other place is found by reading up to it. */
static int old_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n,
                       uint32_t *got)
{
    if (offset == 0 || offset != fid->dir_next)
        fid->dir_next = 0;
    for (;;) {
        uint64_t start = fid->dir_next;
        int rc = read_dir(sc, fid, buf, n, got);
        if (rc != 0 || *got == 0 || start >= offset)
            return rc;
        if (fid->dir_next <= offset)
            continue;
        uint32_t before = entries_before(buf, *got, offset - start);
        *got -= before;
        memmove(buf, buf + before, *got);
        if (*got > 0)
            return 0;
    }
}

static size_t old_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                              struct p9_attr *attr)
{
    struct p9_stat st;
    size_t used = p9_convM2D(buf, n, p9_session_dialect(c->session), &st);

    if (used == 0)
        return 0;
    attr_of(c, &st, attr);
    *de = (struct p9_dirent){.qid = st.qid, .offset = at + used, .type = (uint8_t)IFTODT(attr->mode), .name = st.name};
    return used;
}

/* ---- the rest ----------------------------------------------------------- */

static int old_statfs(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st)
{
    (void)sc;
    (void)fid;
    *st = p9_statfs_unknown;
    return 0;
}

/* Every write has been answered by now; a server that has no more to say about it loses nothing. */
static int old_fsync(struct p9_scope *sc, struct p9_fid *fid, bool datasync)
{
    struct p9_stat st = untouched();
    int rc = wstat_fid(sc, fid, &st);

    (void)datasync;
    return rc == -EPERM || rc == -EACCES || rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL ? 0 : rc;
}

static ssize_t old_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                            struct p9_xattrs_too *too)
{
    (void)sc, (void)fid, (void)name, (void)buf, (void)n, (void)too;
    return -EOPNOTSUPP;
}

static int old_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n,
                        int flags)
{
    (void)sc, (void)fid, (void)name, (void)value, (void)n, (void)flags;
    return -EOPNOTSUPP;
}

static int old_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name)
{
    (void)sc, (void)fid, (void)name;
    return -EOPNOTSUPP;
}

const struct p9_dialect_ops p9_old_ops = {
    .open = old_open,
    .create = old_create,
    .getattr = old_getattr,
    .setattr = old_setattr,
    .mkdir = old_mkdir,
    .mknod = old_mknod,
    .symlink = old_symlink,
    .link = old_link,
    .readlink = old_readlink,
    .unlink = old_unlink,
    .rename = old_rename,
    .readdir = old_readdir,
    .next_dirent = old_next_dirent,
    .lists_attributes = true,
    .may_be_synthetic = true,
    .statfs = old_statfs,
    .fsync = old_fsync,
    .getxattr = old_getxattr,
    .setxattr = old_setxattr,
    .removexattr = old_removexattr,
};
