/*
 * dialect_linux_names.c: 9P2000.L: making, linking, removing and renaming files.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "client/dialect_linux.h"

/* Sends a request whose reply is the qid of a new file. */
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

int linux_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made)
{
    struct p9_fcall tx = {.type = P9_Tmkdir,
                          .Tmkdir = {.dfid = dir->num, .name = p9_str(name), .mode = mode, .gid = gid}};

    return make(sc, dir, &tx, made);
}

int linux_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
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

int linux_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
                  struct p9_qid *made)
{
    struct p9_fcall tx = {.type = P9_Tsymlink,
                          .Tsymlink = {.dfid = dir->num, .name = p9_str(name), .target = p9_str(target), .gid = gid}};

    return make(sc, dir, &tx, made);
}

int linux_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name)
{
    struct p9_fcall tx = {.type = P9_Tlink, .Tlink = {.dfid = dir->num, .fid = fid->num, .name = p9_str(name)}};

    return p9_do(sc, dir->client, &tx);
}

int linux_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n)
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

int linux_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    struct p9_client *c = dir->client;

    if (!p9_has_habit(c, P9_NO_UNLINKAT)) {
        struct p9_fcall tx = {
            .type = P9_Tunlinkat,
            .Tunlinkat = {.dirfid = dir->num, .name = p9_str(name), .flags = is_dir ? P9_AT_REMOVEDIR : 0}};
        int rc = p9_do(sc, c, &tx);
        if (!p9_learn_unsupported(c, P9_NO_UNLINKAT, rc))
            return rc;
    }
    return p9_remove_by_fid(sc, dir, name, is_dir); /* for diod 1.0.24 */
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

int linux_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                 const char *newname)
{
    struct p9_client *c = olddir->client;

    if (!p9_has_habit(c, P9_NO_RENAMEAT)) {
        struct p9_fcall tx = {.type = P9_Trenameat,
                              .Trenameat = {.olddirfid = olddir->num,
                                            .oldname = p9_str(oldname),
                                            .newdirfid = newdir->num,
                                            .newname = p9_str(newname)}};
        int rc = p9_do(sc, c, &tx);
        if (!p9_learn_unsupported(c, P9_NO_RENAMEAT, rc))
            return rc;
    }
    return rename_by_fid(sc, olddir, oldname, newdir, newname);
}
