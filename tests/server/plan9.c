/*
 * plan9.c: messages of 9P2000 and 9P2000.u, on the folder and on the synthetic tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "server/server.h"

/* ---- stats -------------------------------------------------------------- */

static const struct {
    uint32_t dm;
    mode_t mode, mask;
} bits[] = {{P9_DMDIR, S_IFDIR, S_IFMT},     {P9_DMSYMLINK, S_IFLNK, S_IFMT},   {P9_DMDEVICE, S_IFCHR, S_IFMT},
            {P9_DMDEVICE, S_IFBLK, S_IFMT},  {P9_DMNAMEDPIPE, S_IFIFO, S_IFMT}, {P9_DMSOCKET, S_IFSOCK, S_IFMT},
            {P9_DMSETUID, S_ISUID, S_ISUID}, {P9_DMSETGID, S_ISGID, S_ISGID},   {P9_DMSETVTX, S_ISVTX, S_ISVTX}};

static uint32_t dm_of(mode_t mode, enum p9_dialect d)
{
    uint32_t dm = mode & 0777;

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if ((mode & bits[i].mask) == bits[i].mode && (d == P9_2000U || bits[i].dm == P9_DMDIR))
            dm |= bits[i].dm;
    return dm;
}

static mode_t mode_of(uint32_t dm)
{
    mode_t mode = dm & 0777;

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if ((dm & bits[i].dm) && bits[i].mask != S_IFMT)
            mode |= bits[i].mode;
    return mode;
}

static const char *user_name(uid_t uid)
{
    static _Thread_local char text[64];
    const struct passwd *pw = getpwuid(uid);

    snprintf(text, sizeof text, "%u", uid);
    return pw != NULL ? pw->pw_name : text;
}

static const char *group_name(gid_t gid)
{
    static _Thread_local char text[64];
    const struct group *gr = getgrgid(gid);

    snprintf(text, sizeof text, "%u", gid);
    return gr != NULL ? gr->gr_name : text;
}

/* The stat of `path` in dir; "": of dir itself. */
static int fill_stat(struct conn *c, int dir, const char *path, const char *name, struct p9_stat *p)
{
    static _Thread_local char target[4097];
    struct stat st;

    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0)
        return errno;
    *p = (struct p9_stat){.mode = dm_of(st.st_mode, c->dialect),
                          .atime = (uint32_t)st.st_atime,
                          .mtime = (uint32_t)st.st_mtime,
                          .length = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size,
                          .name = p9_str(name),
                          .uid = p9_str(user_name(st.st_uid)),
                          .gid = p9_str(group_name(st.st_gid)),
                          .muid = p9_str(""),
                          .n_uid = st.st_uid,
                          .n_gid = st.st_gid,
                          .n_muid = P9_NONUNAME};
    qid_of(&st, &p->qid);
    if (c->dialect == P9_2000)
        p->qid.type &= P9_QTDIR;
    target[0] = 0;
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(dir, path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
    } else if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) {
        snprintf(target, sizeof target, "%c %u %u", S_ISBLK(st.st_mode) ? 'b' : 'c', major(st.st_rdev),
                 minor(st.st_rdev));
    }
    p->extension = p9_str(target);
    return 0;
}

static const char *last_name(const struct sfid *f, char *path, size_t n)
{
    if (current_path(f, path, n) != 0 || strrchr(path, '/') == NULL)
        return "/";
    return strrchr(path, '/') + 1;
}

static int do_stat(struct conn *c, const struct sfid *f, struct p9_fcall *r)
{
    char path[8192];
    int err = 0;

    if (f->synth != NULL)
        synth_stat(f->synth, &c->st);
    else
        err = fill_stat(c, f->path, "", last_name(f, path, sizeof path), &c->st);
    r->Rstat.stat.n = err == 0 ? (uint32_t)p9_convD2M(&c->st, c->dialect, c->packed, sizeof c->packed) : 0;
    r->Rstat.stat.p = c->packed;
    return err;
}

/* Reads whole entries, from the end of the last read or from the start. */
int plan9_read_dir(struct conn *c, struct sfid *f, uint64_t offset, uint32_t count, uint32_t *got)
{
    struct p9_stat st;

    if (offset == 0) {
        rewinddir(f->dir);
        f->held = NULL;
        f->dir_offset = 0;
    }
    if (offset != f->dir_offset)
        return EINVAL;
    *got = 0;
    for (struct dirent *e; (e = f->held != NULL ? f->held : readdir(f->dir)) != NULL; f->held = NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fill_stat(c, dirfd(f->dir), e->d_name, e->d_name, &st) != 0)
            continue;
        size_t n = p9_convD2M(&st, c->dialect, c->data + *got, count - *got);
        if (n == 0) {
            f->held = e;
            break;
        }
        *got += (uint32_t)n;
    }
    f->dir_offset += *got;
    return f->held != NULL && *got == 0 ? EINVAL : 0;
}

/* ---- wstat -------------------------------------------------------------- */

static int rename_to(struct conn *c, const struct sfid *f, const char *name)
{
    char path[8192], to[8192 + 256];
    int err = current_path(f, path, sizeof path);

    if (err != 0)
        return err;
    snprintf(to, sizeof to, "%.*s/%s", (int)(strrchr(path, '/') - path), path, name);
    if (c->set->no_rename_over && faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    return rename(path, to) == 0 ? 0 : errno;
}

static int own(struct conn *c, const struct sfid *f, const struct p9_stat *st)
{
    uid_t uid = c->dialect == P9_2000U ? st->n_uid : (uid_t)-1;
    gid_t gid = c->dialect == P9_2000U ? st->n_gid : (gid_t)-1;
    const struct passwd *pw = st->uid.len > 0 ? getpwnam(cstr(st->uid)) : NULL;
    const struct group *gr = st->gid.len > 0 ? getgrnam(cstr(st->gid)) : NULL;

    if (pw != NULL)
        uid = pw->pw_uid;
    if (gr != NULL)
        gid = gr->gr_gid;
    if (uid == (uid_t)-1 && gid == (gid_t)-1)
        return 0;
    if (c->set->no_chown)
        return EPERM;
    become(f->uid, f->uid);
    return fchownat(f->path, "", uid, gid, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

static bool touches_nothing(const struct p9_stat *st)
{
    return st->mode == UINT32_MAX && st->atime == UINT32_MAX && st->mtime == UINT32_MAX && st->length == UINT64_MAX &&
           st->name.len == 0 && st->uid.len == 0 && st->gid.len == 0 && st->n_uid == UINT32_MAX &&
           st->n_gid == UINT32_MAX;
}

static int change(struct conn *c, struct sfid *f, const struct p9_stat *st)
{
    const struct timespec ts[2] = {{st->atime, st->atime == UINT32_MAX ? UTIME_OMIT : 0},
                                   {st->mtime, st->mtime == UINT32_MAX ? UTIME_OMIT : 0}};
    int err = own(c, f, st);

    become(f->uid, f->uid);
    if (err == 0 && st->mode != UINT32_MAX && chmod(proc_path(f), mode_of(st->mode)) != 0)
        err = errno;
    if (err == 0 && st->length != UINT64_MAX) {
        int rc = f->file >= 0 ? ftruncate(f->file, (off_t)st->length) : truncate(proc_path(f), (off_t)st->length);
        err = rc == 0 ? 0 : errno;
    }
    if (err == 0 && (st->atime != UINT32_MAX || st->mtime != UINT32_MAX) &&
        utimensat(f->path, "", ts, AT_EMPTY_PATH) != 0)
        err = errno;
    return err == 0 && st->name.len > 0 ? rename_to(c, f, cstr(st->name)) : err;
}

static int do_wstat(struct conn *c, struct sfid *f, const struct p9_fcall *t)
{
    struct p9_stat st;

    if (p9_convM2D(t->Twstat.stat.p, t->Twstat.stat.n, c->dialect, &st) == 0)
        return EINVAL;
    if (f->synth != NULL)
        return touches_nothing(&st) || st.length == 0 ? 0 : EPERM;
    if (c->set->no_atime && st.atime != UINT32_MAX)
        return EPERM;
    if (!touches_nothing(&st))
        return change(c, f, &st);
    if (c->set->no_wstat_sync)
        return EPERM;
    return f->file < 0 || fsync(f->file) == 0 ? 0 : errno;
}

/* ---- open, create ------------------------------------------------------- */

static int flags_of(uint8_t mode)
{
    static const int access[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY};

    return access[mode & 3] | (mode & P9_OTRUNC ? O_TRUNC : 0);
}

static int do_open(struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct stat st;

    become(f->uid, f->uid);
    int err = folder_open(f, flags_of(t->Topen.mode));
    if (err == 0 && fstat(f->path, &st) == 0)
        qid_of(&st, &r->Ropen.qid);
    return err;
}

/* Tcreate of .u for links, symlinks, devices, pipes and sockets. */
static int make_special(struct conn *c, const struct sfid *d, const struct p9_fcall *t)
{
    uint32_t perm = t->Tcreate.perm;
    const char *name = cstr(t->Tcreate.name), *extension = cstr(t->Tcreate.extension);
    mode_t mode = mode_of(perm);
    unsigned maj, min;
    char kind;

    if (perm & P9_DMSYMLINK)
        return symlinkat(extension, d->path, name);
    if (perm & P9_DMLINK) {
        const struct sfid *f = fid_find(c, (uint32_t)strtoul(extension, NULL, 10));
        errno = EBADF;
        return f == NULL ? -1 : linkat(AT_FDCWD, proc_path(f), d->path, name, AT_SYMLINK_FOLLOW);
    }
    if (perm & P9_DMNAMEDPIPE)
        return mknodat(d->path, name, S_IFIFO | mode, 0);
    if (perm & P9_DMSOCKET)
        return mknodat(d->path, name, S_IFSOCK | mode, 0);
    errno = EINVAL;
    if (sscanf(extension, "%c %u %u", &kind, &maj, &min) != 3)
        return -1;
    return mknodat(d->path, name, (kind == 'b' ? S_IFBLK : S_IFCHR) | mode, makedev(maj, min));
}

/* Makes the file. *fd: open, if it is a plain file. */
static int make(struct conn *c, const struct sfid *d, const struct p9_fcall *t, int *fd)
{
    const uint32_t special =
        P9_DMSYMLINK | (c->set->no_links ? 0 : P9_DMLINK) | P9_DMDEVICE | P9_DMNAMEDPIPE | P9_DMSOCKET;
    const char *name = cstr(t->Tcreate.name);
    uint32_t perm = t->Tcreate.perm;
    struct stat st;
    int rc = -1;

    if (fstat(d->path, &st) != 0)
        return errno;
    if (c->set->mask_by_parent)
        perm &= perm & P9_DMDIR ? ~0777u | (st.st_mode & 0777) : ~0666u | (st.st_mode & 0666);
    become(d->uid, d->uid);
    *fd = -1;
    if (c->dialect == P9_2000U && (perm & special))
        rc = make_special(c, d, t);
    else if (perm & P9_DMDIR)
        rc = mkdirat(d->path, name, mode_of(perm));
    else
        rc = *fd =
            openat(d->path, name, flags_of(t->Tcreate.mode) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_of(perm));
    return rc >= 0 ? 0 : errno;
}

static int do_create(struct conn *c, struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct stat st;
    int fd = -1, err = f->open ? EBADF : make(c, f, t, &fd);

    if (err != 0)
        return err;
    become(0, 0);
    int path = openat(f->path, cstr(t->Tcreate.name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (path < 0)
        return errno;
    close(f->path);
    f->path = path;
    f->file = fd;
    f->open = true;
    if (t->Tcreate.perm & P9_DMDIR)
        f->dir = fdopendir(open(proc_path(f), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fstat(path, &st) != 0)
        return errno;
    qid_of(&st, &r->Rcreate.qid);
    return 0;
}

int plan9_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct sfid *f = fid_find(c, t->Tstat.fid); /* the first field of all messages below */
    const char *text = NULL;

    if (f == NULL)
        return EBADF;
    switch (t->type) {
    case P9_Tstat:
        return do_stat(c, f, r);
    case P9_Twstat:
        return do_wstat(c, f, t);
    case P9_Topen:
        if (f->synth == NULL)
            return do_open(f, t, r);
        synth_qid(f->synth, &r->Ropen.qid);
        return synth_open(f, t->Topen.mode, &text);
    case P9_Tcreate:
        return f->synth != NULL ? EPERM : do_create(c, f, t, r);
    }
    return -1;
}
