/*
 * linux.c: messages of 9P2000.L on files of the folder, with locks and extended attributes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "server/server.h"

static int flags_of(uint32_t wire)
{
    static const struct {
        uint32_t wire;
        int host;
    } bits[] = {{P9_L_CREAT, O_CREAT},      {P9_L_EXCL, O_EXCL},   {P9_L_TRUNC, O_TRUNC},
                {P9_L_APPEND, O_APPEND},    {P9_L_DSYNC, O_DSYNC}, {P9_L_DIRECTORY, O_DIRECTORY},
                {P9_L_NOFOLLOW, O_NOFOLLOW}};
    int flags = (int)(wire & 3);

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (wire & bits[i].wire)
            flags |= bits[i].host;
    return flags;
}

static int do_lopen(struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct stat st;

    become(f->uid, f->uid);
    int err = folder_open(f, flags_of(t->Tlopen.flags) & ~(O_CREAT | O_EXCL | O_NOFOLLOW));
    if (err == 0 && fstat(f->path, &st) == 0)
        qid_of(&st, &r->Rlopen.qid);
    return err;
}

static int do_lcreate(struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct stat st;

    become(f->uid, t->Tlcreate.gid);
    const char *name = cstr(t->Tlcreate.name);
    int fd = openat(f->path, name, flags_of(t->Tlcreate.flags) | O_CREAT | O_NOFOLLOW | O_CLOEXEC, t->Tlcreate.mode);
    if (fd < 0)
        return errno;
    become(0, 0);
    int path = openat(f->path, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    close(f->path);
    f->path = path;
    f->file = fd;
    f->open = true;
    if (fstat(fd, &st) != 0)
        return errno;
    qid_of(&st, &r->Rlcreate.qid);
    return 0;
}

static int do_getattr(const struct sfid *f, struct p9_fcall *r)
{
    struct stat st;

    if (fstat(f->path, &st) != 0)
        return errno;
    r->Rgetattr.valid = P9_GETATTR_BASIC;
    qid_of(&st, &r->Rgetattr.qid);
    r->Rgetattr.mode = st.st_mode;
    r->Rgetattr.uid = st.st_uid;
    r->Rgetattr.gid = st.st_gid;
    r->Rgetattr.nlink = st.st_nlink;
    r->Rgetattr.rdev =
        (minor(st.st_rdev) & 0xff) | major(st.st_rdev) << 8 | ((uint64_t)minor(st.st_rdev) & ~0xffull) << 12;
    r->Rgetattr.size = (uint64_t)st.st_size;
    r->Rgetattr.blksize = (uint64_t)st.st_blksize;
    r->Rgetattr.blocks = (uint64_t)st.st_blocks;
    r->Rgetattr.atime_sec = (uint64_t)st.st_atim.tv_sec;
    r->Rgetattr.atime_nsec = (uint64_t)st.st_atim.tv_nsec;
    r->Rgetattr.mtime_sec = (uint64_t)st.st_mtim.tv_sec;
    r->Rgetattr.mtime_nsec = (uint64_t)st.st_mtim.tv_nsec;
    r->Rgetattr.ctime_sec = (uint64_t)st.st_ctim.tv_sec;
    r->Rgetattr.ctime_nsec = (uint64_t)st.st_ctim.tv_nsec;
    return 0;
}

static struct timespec time_of(uint32_t valid, uint32_t bit, uint32_t set, uint64_t sec, uint64_t nsec)
{
    if (!(valid & bit))
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    if (!(valid & set))
        return (struct timespec){.tv_nsec = UTIME_NOW};
    return (struct timespec){(time_t)sec, (long)nsec};
}

static int do_setattr(const struct sfid *f, const struct p9_fcall *t)
{
    uint32_t v = t->Tsetattr.valid;

    become(f->uid, f->uid);
    if (v & (P9_SETATTR_UID | P9_SETATTR_GID)) {
        uid_t uid = v & P9_SETATTR_UID ? t->Tsetattr.uid : (uid_t)-1;
        gid_t gid = v & P9_SETATTR_GID ? t->Tsetattr.gid : (gid_t)-1;
        if (fchownat(f->path, "", uid, gid, AT_EMPTY_PATH) != 0)
            return errno;
    }
    if ((v & P9_SETATTR_MODE) && chmod(proc_path(f), t->Tsetattr.mode & 07777) != 0)
        return errno;
    if (v & P9_SETATTR_SIZE) {
        int rc = f->file >= 0 ? ftruncate(f->file, (off_t)t->Tsetattr.size)
                              : truncate(proc_path(f), (off_t)t->Tsetattr.size);
        if (rc != 0)
            return errno;
    }
    const struct timespec ts[2] = {
        time_of(v, P9_SETATTR_ATIME, P9_SETATTR_ATIME_SET, t->Tsetattr.atime_sec, t->Tsetattr.atime_nsec),
        time_of(v, P9_SETATTR_MTIME, P9_SETATTR_MTIME_SET, t->Tsetattr.mtime_sec, t->Tsetattr.mtime_nsec)};
    if ((v & (P9_SETATTR_ATIME | P9_SETATTR_MTIME)) && utimensat(f->path, "", ts, AT_EMPTY_PATH) != 0)
        return errno;
    return 0;
}

static int do_readdir(struct conn *c, struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    uint32_t n = 0, room = c->fault == FAULT_FILL ? c->msize - P9_RREAD_HDRSZ : t->Treaddir.count;
    struct dirent *e;

    if (f->dir == NULL)
        return ENOTDIR;
    if (room > c->msize - P9_RREAD_HDRSZ)
        return EMSGSIZE;
    if (t->Treaddir.offset == 0 || c->fault == FAULT_REPEAT)
        rewinddir(f->dir);
    else
        seekdir(f->dir, (long)t->Treaddir.offset);
    while ((e = readdir(f->dir)) != NULL) {
        struct p9_dirent de = {.qid = {.path = e->d_ino,
                                       .type = e->d_type == DT_DIR   ? P9_QTDIR
                                               : e->d_type == DT_LNK ? P9_QTSYMLINK
                                                                     : 0},
                               .offset = (uint64_t)e->d_off,
                               .type = e->d_type,
                               .name = p9_str(e->d_name)};
        size_t used = p9_dirent_pack(&de, c->data + n, room - n);
        if (used == 0)
            break;
        n += (uint32_t)used;
    }
    r->Rreaddir.count = (struct p9_blob){n, c->data};
    return e != NULL && n == 0 ? EINVAL : 0;
}

static int do_statfs(const struct sfid *f, struct p9_fcall *r)
{
    struct statfs s;

    if (statfs(proc_path(f), &s) != 0)
        return errno;
    r->Rstatfs.type = 0x01021997;
    r->Rstatfs.bsize = (uint32_t)s.f_bsize;
    r->Rstatfs.blocks = s.f_blocks;
    r->Rstatfs.bfree = s.f_bfree;
    r->Rstatfs.bavail = s.f_bavail;
    r->Rstatfs.files = s.f_files;
    r->Rstatfs.ffree = s.f_ffree;
    r->Rstatfs.namelen = (uint32_t)s.f_namelen;
    return 0;
}

static int do_fsync(const struct sfid *f, const struct p9_fcall *t)
{
    int fd = f->dir != NULL ? dirfd(f->dir) : f->file;

    return (t->Tfsync.datasync ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : errno;
}

/* ---- locks: of the open file description of the fid --------------------- */

static struct flock range_of(uint8_t type, uint64_t start, uint64_t length)
{
    static const short types[] = {[P9_LOCK_RDLCK] = F_RDLCK, [P9_LOCK_WRLCK] = F_WRLCK, [P9_LOCK_UNLCK] = F_UNLCK};

    return (struct flock){
        .l_type = types[type % 3], .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)length};
}

int linux_lock_whole(const struct sfid *f, struct p9_fcall *r)
{
    r->Rlock.status = P9_LOCK_SUCCESS;
    return flock(f->file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

static int do_lock(const struct conn *c, const struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    if (c->set->blocking_locks)
        return linux_lock_whole(f, r); /* releasing as well */
    struct flock l = range_of(t->Tlock.type, t->Tlock.start, t->Tlock.length);

    if (fcntl(f->file, F_OFD_SETLK, &l) == 0)
        r->Rlock.status = P9_LOCK_SUCCESS;
    else if (errno == EAGAIN || errno == EACCES)
        r->Rlock.status = P9_LOCK_BLOCKED;
    else
        return errno;
    return 0;
}

static int do_getlock(const struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    struct flock l = range_of(t->Tgetlock.type, t->Tgetlock.start, t->Tgetlock.length);

    if (fcntl(f->file, F_OFD_GETLK, &l) != 0)
        return errno;
    r->Rgetlock.type = l.l_type == F_UNLCK ? P9_LOCK_UNLCK : l.l_type == F_RDLCK ? P9_LOCK_RDLCK : P9_LOCK_WRLCK;
    r->Rgetlock.start = (uint64_t)l.l_start;
    r->Rgetlock.length = (uint64_t)l.l_len;
    r->Rgetlock.client_id = p9_str("other");
    return 0;
}

/* ---- extended attributes ------------------------------------------------ */

static int do_xattrwalk(struct conn *c, const struct sfid *f, const struct p9_fcall *t, struct p9_fcall *r)
{
    const char *name = cstr(t->Txattrwalk.name);
    char *value = malloc(65536);

    become(f->uid, f->uid);
    ssize_t n = *name != 0 ? getxattr(proc_path(f), name, value, 65536) : listxattr(proc_path(f), value, 65536);
    int err = n < 0 ? errno : 0;
    struct sfid *to = n >= 0 ? fid_new(c, t->Txattrwalk.newfid, f->uid) : NULL;
    if (to == NULL) {
        free(value);
        return n < 0 ? err : EBADF;
    }
    to->value = value;
    to->size = (size_t)n;
    to->path = dup(f->path);
    r->Rxattrwalk.size = (uint64_t)n;
    return 0;
}

static int do_xattrcreate(struct sfid *f, const struct p9_fcall *t)
{
    if (t->Txattrcreate.attr_size > 65536)
        return E2BIG;
    f->xattr = strdup(cstr(t->Txattrcreate.name));
    f->size = t->Txattrcreate.attr_size;
    f->value = calloc(1, f->size + 1);
    f->xattr_flags = (int)t->Txattrcreate.flags;
    return 0;
}

int linux_clunk(const struct conn *c, struct sfid *f)
{
    become(f->uid, f->uid);
    if (f->filled != f->size)
        return EINVAL;
    if (f->size == 0 && (!c->set->empty_xattrs || f->xattr_flags == XATTR_REPLACE))
        return removexattr(proc_path(f), f->xattr) == 0 ? 0 : errno;
    return setxattr(proc_path(f), f->xattr, f->value, f->size, f->xattr_flags) == 0 ? 0 : errno;
}

int linux_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r)
{
    switch (t->type) {
    case P9_Tmkdir:
    case P9_Tmknod:
    case P9_Tsymlink:
        return linux_make(c, t, r);
    case P9_Tlink:
        return linux_link(c, t);
    case P9_Trenameat:
        return linux_renameat(c, t);
    }
    struct sfid *f = fid_find(c, t->Tgetattr.fid); /* the first field of all messages below */
    if (f == NULL || f->path < 0)
        return EBADF;
    switch (t->type) {
    case P9_Tlopen:
        return do_lopen(f, t, r);
    case P9_Tlcreate:
        return do_lcreate(f, t, r);
    case P9_Tgetattr:
        return do_getattr(f, r);
    case P9_Tsetattr:
        return do_setattr(f, t);
    case P9_Treaddir:
        return do_readdir(c, f, t, r);
    case P9_Treadlink:
        return linux_readlink(f, r);
    case P9_Trename:
        return linux_rename(c, f, t);
    case P9_Tunlinkat:
        return linux_unlinkat(f, t);
    case P9_Tstatfs:
        return do_statfs(f, r);
    case P9_Tfsync:
        return do_fsync(f, t);
    case P9_Tlock:
        return do_lock(c, f, t, r);
    case P9_Tgetlock:
        return do_getlock(f, t, r);
    case P9_Txattrwalk:
        return do_xattrwalk(c, f, t, r);
    case P9_Txattrcreate:
        return do_xattrcreate(f, t);
    }
    return -1;
}
