/*
 * fs.h: a mount.
 *
 * A callback blocks its worker thread for the requests it makes, but for READ, which the
 * reader thread answers.
 */
#ifndef FS_H
#define FS_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "cache/lookahead.h"
#include "cache/writebehind.h"
#include "base/timer.h"
#include "cache/readahead.h"
#include "cache/fids.h"

/* Whose attach an operation goes by. */
enum access {
    ACCESS_ANY,    /* who mounted, for all */
    ACCESS_CLIENT, /* the same, and the kernel checks the modes */
    ACCESS_USER,   /* each local user attaches, and the server decides */
    ACCESS_ONE,    /* who mounted, for one uid alone */
};

struct fs {
    struct p9_client *client;
    struct cache *cache;
    struct writebehind *writebehind;       /* NULL: every write is waited for */
    struct readahead_pool *readahead_pool; /* NULL: nothing is read ahead here */
    struct timer *timer;                   /* closes what is kept open without an owner; NULL: nothing is kept */
    atomic_int read_at_once; /* whether files that are opened to read are read from their start: above 0 they are */
    struct fuse_session *se;
    enum access access;
    uid_t only_uid;       /* ACCESS_ONE */
    bool loose;           /* what was read is good until a change is seen, however small */
    bool passes_cache;    /* reads and writes go straight to the server */
    bool ignores_version; /* qid.version says nothing */
    bool posixacl;        /* the kernel is to check ACLs, and to leave the umask to us */
    /* Attaches a user, with the authentication that the server wants: 0, or -errno. Blocks;
     * several threads may call it. */
    int (*attach)(struct fs *fs, struct p9_scope *sc, const char *uname, uint32_t n_uname, struct p9_fid **root);
    const void *attach_arg;    /* the caller's */
    atomic_int keeps_unlinked; /* whether the server can still stat a file without a name: 1, -1, 0 not known */
    atomic_int lock_ranges;    /* whether the server locks ranges (1) or whole files (-1); 0 not known */
    atomic_bool no_locks;      /* it does neither */
    atomic_bool lost;          /* something that was written is, and no program was told */
    atomic_bool no_capability; /* it has no security.capability */
    atomic_int empty_xattrs;   /* whether an extended attribute can have an empty value: 1, -1, 0 not known */
    atomic_bool lock_waits;    /* it was seen to answer late */
    struct locks *locks;
    struct notifier *notifier;
    atomic_uint_least64_t begun, answered; /* operations so far */
    const char *mountpoint;
    struct connection *connection; /* what the kernel says of the mount's */
    bool (*ready)(
        struct fs
            *fs); /* called once, when the kernel has accepted the mount; false, and the reason told: it is not to be */
    bool is_ready; /* that was true */
};

static inline struct inode *inode_of(struct fs *fs, fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? &fs->cache->root : (struct inode *)ino;
}

static inline fuse_ino_t ino_of(struct fs *fs, struct inode *inode)
{
    return inode == &fs->cache->root ? FUSE_ROOT_ID : (fuse_ino_t)inode;
}

extern const struct fuse_lowlevel_ops fs_ops;

#endif
