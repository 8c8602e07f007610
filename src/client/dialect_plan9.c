/*
 * dialect_plan9.c: 9P2000 and 9P2000.u: opening and creating files, and the table of operations.
 *
 * Attributes are a stat, in Tstat and Twstat; a directory is read as a file of stats. .u adds
 * numeric ids, errno, and files that are neither plain nor directories, by Tcreate's extension.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "client/dialect_plan9.h"

bool plan9_is_u(const struct p9_client *c)
{
    return p9_session_dialect(c->session) == P9_2000U;
}

/* ---- open, create ------------------------------------------------------- */

static uint8_t open_mode(int flags)
{
    static const uint8_t access[] = {[O_RDONLY] = P9_OREAD, [O_WRONLY] = P9_OWRITE, [O_RDWR] = P9_ORDWR};

    return access[(flags & O_ACCMODE) % 3] | (flags & O_TRUNC ? P9_OTRUNC : 0);
}

static struct p9_fcall plan9_open_again(const struct p9_fid *fid)
{
    return (struct p9_fcall){.type = P9_Topen, .Topen = {.fid = fid->num, .mode = (uint8_t)fid->open_mode}};
}

static void plan9_set_opened(struct p9_fid *fid, const struct p9_fcall *rx)
{
    fid->qid = rx->Ropen.qid;
    fid->iounit = p9_fid_iounit(fid->client, rx->Ropen.iounit);
    fid->dir_next = 0;
}

static bool plan9_appends(const struct p9_fid *fid)
{
    return (fid->qid.type & P9_QTAPPEND) != 0;
}

static int plan9_open(struct p9_scope *sc, struct p9_fid *fid, int flags)
{
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Topen, .Topen = {.fid = fid->num, .mode = open_mode(flags)}};
    int rc = p9_rpc(sc, fid->client, &req, &tx);

    if (rc == 0)
        plan9_set_opened(fid, &req.rx);
    return rc;
}

int plan9_make(struct p9_scope *sc, struct p9_fid *fid, const char *name, uint32_t perm, uint8_t mode,
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

static int plan9_create(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid)
{
    (void)gid; /* the server chooses the group */
    return plan9_make(sc, fid, name, plan9_perm(mode, plan9_is_u(fid->client)), open_mode(flags & ~O_TRUNC), "");
}

/* ---- other -------------------------------------------------------------- */

static int plan9_statfs(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st)
{
    (void)sc;
    (void)fid;
    *st = p9_statfs_unknown;
    return 0;
}

/* The caller has waited for all writes. A server that refuses this Twstat has nothing to commit. */
static int plan9_fsync(struct p9_scope *sc, struct p9_fid *fid, bool datasync)
{
    struct p9_stat st = plan9_untouched();
    int rc = plan9_wstat(sc, fid, &st);

    (void)datasync;
    return rc == -EPERM || rc == -EACCES || rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL ? 0 : rc;
}

static ssize_t plan9_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                              struct p9_xattrs_too *too)
{
    (void)sc, (void)fid, (void)name, (void)buf, (void)n, (void)too;
    return -EOPNOTSUPP;
}

static int plan9_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n,
                          int flags)
{
    (void)sc, (void)fid, (void)name, (void)value, (void)n, (void)flags;
    return -EOPNOTSUPP;
}

static int plan9_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name)
{
    (void)sc, (void)fid, (void)name;
    return -EOPNOTSUPP;
}

const struct p9_dialect_ops p9_plan9_ops = {
    .open = plan9_open,
    .open_again = plan9_open_again,
    .set_opened = plan9_set_opened,
    .appends = plan9_appends,
    .create = plan9_create,
    .getattr = plan9_getattr,
    .setattr = plan9_setattr,
    .mkdir = plan9_mkdir,
    .mknod = plan9_mknod,
    .symlink = plan9_symlink,
    .link = plan9_link,
    .readlink = plan9_readlink,
    .unlink = plan9_unlink,
    .rename = plan9_rename,
    .readdir = plan9_readdir,
    .next_dirent = plan9_next_dirent,
    .lists_attributes = true,
    .may_be_synthetic = true,
    .statfs = plan9_statfs,
    .fsync = plan9_fsync,
    .getxattr = plan9_getxattr,
    .setxattr = plan9_setxattr,
    .removexattr = plan9_removexattr,
};
