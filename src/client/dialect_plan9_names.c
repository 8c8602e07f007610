/*
 * dialect_plan9_names.c: 9P2000 and 9P2000.u: making, linking, removing and renaming files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "client/dialect_plan9.h"

/* Makes a file and closes it. */
static int make(struct p9_scope *sc, struct p9_fid *dir, const char *name, uint32_t perm, const char *extension,
                struct p9_qid *made)
{
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 0, NULL, &fid);

    if (rc != 0)
        return rc;
    rc = plan9_make(sc, fid, name, perm, P9_OREAD, extension);
    *made = fid->qid;
    p9_fid_put(fid);
    return rc;
}

int plan9_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made)
{
    (void)gid;
    return make(sc, dir, name, P9_DMDIR | plan9_perm(mode, plan9_is_u(dir->client)), "", made);
}

int plan9_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
                struct p9_qid *made)
{
    uint32_t perm = plan9_perm(mode, plan9_is_u(dir->client));
    char device[32] = "";

    if (S_ISREG(mode))
        return p9_make_file(sc, dir, name, mode & 07777, gid, made);
    if (!plan9_is_u(dir->client) || dir->client->nodevmap)
        return -EPERM;
    if (S_ISFIFO(mode))
        return make(sc, dir, name, perm | P9_DMNAMEDPIPE, "", made);
    if (S_ISSOCK(mode))
        return make(sc, dir, name, perm | P9_DMSOCKET, "", made);
    snprintf(device, sizeof device, "%c %u %u", S_ISBLK(mode) ? 'b' : 'c', major(dev), minor(dev));
    return make(sc, dir, name, perm | P9_DMDEVICE, device, made);
}

int plan9_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
                  struct p9_qid *made)
{
    (void)gid;
    return plan9_is_u(dir->client) ? make(sc, dir, name, P9_DMSYMLINK | 0777, target, made) : -EPERM;
}

/* The extension is the decimal fid of the file to link to. lib9p does not know DMLINK and makes an
 * empty file instead, which is removed. */
int plan9_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name)
{
    char number[16];
    struct p9_fid *made;

    if (!plan9_is_u(dir->client))
        return -EPERM;
    int rc = p9_walk(sc, dir, 0, NULL, &made);
    if (rc != 0)
        return rc;
    snprintf(number, sizeof number, "%u", fid->num);
    rc = plan9_make(sc, made, name, P9_DMLINK, P9_OREAD, number);
    if (rc == 0 && made->qid.path != fid->qid.path) {
        p9_remove(NULL, made);
        return -EPERM;
    }
    p9_fid_put(made);
    return rc;
}

int plan9_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n)
{
    uint8_t body[STAT_ROOM];
    struct p9_stat st;
    int rc = plan9_stat(sc, fid, body, &st);

    if (rc != 0)
        return rc;
    if (!plan9_is_u(fid->client) || !(st.mode & P9_DMSYMLINK))
        return -EINVAL;
    if (st.extension.len >= n)
        return -ENAMETOOLONG;
    memcpy(buf, st.extension.s, st.extension.len);
    buf[st.extension.len] = 0;
    return 0;
}

int plan9_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir)
{
    return p9_remove_by_fid(sc, dir, name, is_dir);
}

static int rename_in(struct p9_scope *sc, struct p9_fid *dir, const char *oldname, const char *newname)
{
    struct p9_stat st = plan9_untouched();
    struct p9_fid *fid;
    int rc = p9_walk(sc, dir, 1, &oldname, &fid);

    if (rc != 0)
        return rc;
    st.name = p9_str(newname);
    rc = plan9_wstat(sc, fid, &st);
    p9_fid_put(fid);
    return rc;
}

/* For servers that refuse to replace a file (Plan 9's): renames it to a temporary name first, so
 * that a failure loses neither file. */
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
    if (over_dir) { /* only an empty one can be removed */
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

int plan9_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                 const char *newname)
{
    if (olddir->qid.path != newdir->qid.path || olddir->qid.type != newdir->qid.type)
        return -EXDEV;
    int rc = rename_in(sc, olddir, oldname, newname);
    return rc == -EEXIST ? rename_over(sc, olddir, oldname, newname) : rc;
}
