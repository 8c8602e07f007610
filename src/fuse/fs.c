/*
 * fs.c: the table of callbacks, whose calls are counted, and the negotiation with the kernel when
 * it accepts the mount.
 */
#include "fuse/fs.h"
#include "fuse/callbacks.h"

static void fs_init(void *userdata, struct fuse_conn_info *conn)
{
    struct fs *fs = userdata;

    conn->max_write = 1 << 20;
    conn->max_read = fs->max_read;
    conn->max_readahead = UINT32_MAX; /* the device's own limit applies (readahead.c) */
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    conn->time_gran = 1;
    /* A write through another user's attach, or as root on the server, clears no privileges
     * there: the kernel clears them. */
    conn->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV;
    if (fs->posixacl)
        conn->want |= conn->capable & (FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK);
    conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
    if (p9_lists_attributes(fs->client))
        conn->want |= conn->capable & FUSE_CAP_READDIRPLUS;
    else if (fs->cache->lookahead != NULL)
        conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
    fs->is_ready = fs->ready(fs);
    if (!fs->is_ready)
        fuse_session_exit(fs->se);
}

/* A callback that counts the request first. */
#define COUNTED(name, parameters, arguments)                                                                           \
    static void counted_##name parameters                                                                              \
    {                                                                                                                  \
        fs_count(fuse_req_userdata(req), REQUESTS_##name);                                                             \
        fs_##name arguments;                                                                                           \
    }

COUNTED(lookup, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
COUNTED(forget, (fuse_req_t req, fuse_ino_t ino, uint64_t nlookup), (req, ino, nlookup))
COUNTED(forget_multi, (fuse_req_t req, size_t count, struct fuse_forget_data *forgets), (req, count, forgets))
COUNTED(readlink, (fuse_req_t req, fuse_ino_t ino), (req, ino))
COUNTED(mknod, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev),
        (req, parent, name, mode, rdev))
COUNTED(mkdir, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode), (req, parent, name, mode))
COUNTED(symlink, (fuse_req_t req, const char *target, fuse_ino_t parent, const char *name), (req, target, parent, name))
COUNTED(link, (fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname),
        (req, ino, newparent, newname))
COUNTED(unlink, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
COUNTED(rmdir, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
COUNTED(rename,
        (fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
         unsigned flags),
        (req, parent, name, newparent, newname, flags))
COUNTED(getattr, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
COUNTED(setattr, (fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi),
        (req, ino, attr, to_set, fi))
COUNTED(access, (fuse_req_t req, fuse_ino_t ino, int mask), (req, ino, mask))
COUNTED(statfs, (fuse_req_t req, fuse_ino_t ino), (req, ino))
COUNTED(getxattr, (fuse_req_t req, fuse_ino_t ino, const char *name, size_t size), (req, ino, name, size))
COUNTED(listxattr, (fuse_req_t req, fuse_ino_t ino, size_t size), (req, ino, size))
COUNTED(setxattr, (fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags),
        (req, ino, name, value, size, flags))
COUNTED(removexattr, (fuse_req_t req, fuse_ino_t ino, const char *name), (req, ino, name))
COUNTED(open, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
COUNTED(create, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi),
        (req, parent, name, mode, fi))
COUNTED(read, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),
        (req, ino, size, off, fi))
COUNTED(write, (fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi),
        (req, ino, buf, size, off, fi))
COUNTED(flush, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
COUNTED(fsync, (fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi), (req, ino, datasync, fi))
COUNTED(release, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
COUNTED(opendir, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
COUNTED(releasedir, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
COUNTED(fsyncdir, (fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi), (req, ino, datasync, fi))
COUNTED(readdir, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),
        (req, ino, size, off, fi))
COUNTED(readdirplus, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi),
        (req, ino, size, off, fi))
COUNTED(getlk, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock), (req, ino, fi, lock))
COUNTED(setlk, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep),
        (req, ino, fi, lock, sleep))
COUNTED(flock, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int how), (req, ino, fi, how))

#define CALLBACK(name) .name = counted_##name,
const struct fuse_lowlevel_ops fs_ops = {.init = fs_init, FS_REQUESTS(CALLBACK)};
