/*
 * linux_names.c: messages of 9P2000.L that make, link, remove and rename files of the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "server/server.h"

static int qid_in(int dir, const char *name, struct p9_qid *q)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    qid_of(&st, q);
    return 0;
}

int linux_make(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    uint32_t dfid = t->type == P9_Tmkdir ? t->Tmkdir.dfid : t->type == P9_Tmknod ? t->Tmknod.dfid : t->Tsymlink.dfid;
    const struct sfid *d = fid_find(c, dfid);
    int rc;

    if (d == NULL)
        return EBADF;
    if (t->type == P9_Tmkdir) {
        become(d->uid, t->Tmkdir.gid);
        const char *name = cstr(t->Tmkdir.name);
        rc = mkdirat(d->path, name, t->Tmkdir.mode);
        return rc == 0 ? qid_in(d->path, name, &r->Rmkdir.qid) : errno;
    }
    if (t->type == P9_Tmknod) {
        become(d->uid, t->Tmknod.gid);
        const char *name = cstr(t->Tmknod.name);
        rc = mknodat(d->path, name, t->Tmknod.mode, makedev(t->Tmknod.major, t->Tmknod.minor));
        return rc == 0 ? qid_in(d->path, name, &r->Rmknod.qid) : errno;
    }
    become(d->uid, t->Tsymlink.gid);
    const char *name = cstr(t->Tsymlink.name);
    rc = symlinkat(cstr(t->Tsymlink.target), d->path, name);
    return rc == 0 ? qid_in(d->path, name, &r->Rsymlink.qid) : errno;
}

int linux_link(struct conn *c, const struct p9_fcall *t)
{
    const struct sfid *d = fid_find(c, t->Tlink.dfid), *f = fid_find(c, t->Tlink.fid);

    if (d == NULL || f == NULL)
        return EBADF;
    become(d->uid, d->uid);
    return linkat(AT_FDCWD, proc_path(f), d->path, cstr(t->Tlink.name), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int linux_renameat(struct conn *c, const struct p9_fcall *t)
{
    const struct sfid *from = fid_find(c, t->Trenameat.olddirfid), *to = fid_find(c, t->Trenameat.newdirfid);

    if (from == NULL || to == NULL)
        return EBADF;
    become(from->uid, from->uid);
    return renameat(from->path, cstr(t->Trenameat.oldname), to->path, cstr(t->Trenameat.newname)) == 0 ? 0 : errno;
}

int linux_rename(struct conn *c, const struct sfid *f, const struct p9_fcall *t)
{
    const struct sfid *to = fid_find(c, t->Trename.dfid);
    char path[8192];

    if (to == NULL)
        return EBADF;
    int err = current_path(f, path, sizeof path);
    become(f->uid, f->uid);
    return err != 0 ? err : renameat(AT_FDCWD, path, to->path, cstr(t->Trename.name)) == 0 ? 0 : errno;
}

int linux_unlinkat(const struct sfid *d, const struct p9_fcall *t)
{
    int flags = t->Tunlinkat.flags & P9_AT_REMOVEDIR ? AT_REMOVEDIR : 0;

    become(d->uid, d->uid);
    return unlinkat(d->path, cstr(t->Tunlinkat.name), flags) == 0 ? 0 : errno;
}

int linux_readlink(const struct sfid *f, struct p9_fcall *r)
{
    static _Thread_local char target[4097];
    ssize_t n = readlinkat(f->path, "", target, sizeof target);

    if (n < 0)
        return errno;
    r->Rreadlink.target = (struct p9_str){target, (uint16_t)n};
    return 0;
}
