/*
 * fs.c: the table of callbacks, and the negotiation with the kernel when it accepts the mount.
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

const struct fuse_lowlevel_ops fs_ops = {
    .init = fs_init,
    .lookup = fs_lookup,
    .forget = fs_forget,
    .forget_multi = fs_forget_multi,
    .getattr = fs_getattr,
    .setattr = fs_setattr,
    .access = fs_access,
    .statfs = fs_statfs,
    .readlink = fs_readlink,
    .mknod = fs_mknod,
    .mkdir = fs_mkdir,
    .symlink = fs_symlink,
    .link = fs_link,
    .unlink = fs_unlink,
    .rmdir = fs_rmdir,
    .rename = fs_rename,
    .create = fs_create,
    .open = fs_open,
    .read = fs_read,
    .write = fs_write,
    .flush = fs_flush,
    .release = fs_release,
    .fsync = fs_fsync,
    .opendir = fs_opendir,
    .readdir = fs_readdir,
    .readdirplus = fs_readdirplus,
    .releasedir = fs_releasedir,
    .fsyncdir = fs_fsyncdir,
    .getlk = fs_getlk,
    .setlk = fs_setlk,
    .flock = fs_flock,
    .getxattr = fs_getxattr,
    .listxattr = fs_listxattr,
    .setxattr = fs_setxattr,
    .removexattr = fs_removexattr,
};
