/*
 * fs.h: the state of a mount.
 *
 * A callback blocks its worker thread while its 9P requests are in flight; only READ does not:
 * the reader thread answers it.
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
#include "fuse/counts.h"

/* The attach that an operation uses. */
enum access {
    ACCESS_ANY,    /* the mounting user's, for all users */
    ACCESS_CLIENT, /* the same, and the kernel checks permissions by mode */
    ACCESS_USER,   /* each local user attaches, and the server checks permissions */
    ACCESS_ONE,    /* the mounting user's, for one uid only */
};

struct fs {
    struct p9_client *client;
    struct cache *cache;
    struct writebehind *writebehind;       /* NULL: every write waits for the server */
    struct readahead_pool *readahead_pool; /* NULL: no read-ahead */
    struct timer *idle_timer;              /* closes idle open fids; NULL: no fid stays open without an owner */
    atomic_int read_at_once;               /* above 0: programs read the files they open from the start */
    struct fuse_session *se;
    enum access access;
    uid_t only_uid;       /* ACCESS_ONE */
    bool acts_as_other;   /* the attach that all share is of another user than who mounts */
    bool loose;           /* cached data stays valid until a change is seen, however small the change */
    bool bypasses_cache;  /* reads and writes go straight to the server */
    bool ignores_version; /* qid.version carries no information */
    unsigned max_read;    /* the largest READ, bytes; 0: the kernel's own bound */
    bool posixacl;        /* the kernel checks ACLs, and leaves the umask to this program */
    /* Attaches a user, with the authentication that the server requires. 0 or -errno. Blocks;
     * several threads may call it at the same time. */
    int (*attach)(struct fs *fs, struct p9_scope *sc, const char *uname, uint32_t n_uname, struct p9_fid **root);
    const void *attach_arg;          /* for attach */
    atomic_int keeps_unlinked;       /* whether the server can stat an unlinked file: 1 yes, -1 no, 0 not known */
    atomic_int lock_ranges;          /* the server locks ranges (1) or whole files (-1); 0 not known */
    atomic_bool no_locks;            /* the server has no locks */
    atomic_bool write_lost_silently; /* a write has failed, and no program received the error */
    bool unmounted;                  /* at its end no program had a file open */
    atomic_bool no_xattrs;           /* the server has no extended attributes, of any name */
    atomic_bool no_capability;       /* the server has no security.capability attribute */
    atomic_int empty_xattrs;         /* whether an extended attribute can be empty: 1 yes, -1 no, 0 not known */
    atomic_bool lock_waits;          /* the server has been seen to delay the reply to a lock request */
    struct locks *locks;
    struct notifier *notifier;
    atomic_uint_least64_t begun, answered; /* numbers of operations */
    atomic_uint_least64_t counts[COUNTS];
    const char *source, *server, *port, *aname; /* for the statistics; may be NULL */
    bool for_all;                               /* users, who may read the statistics, then */
    struct p9_statfs statfs;                    /* the server's last answer; zero: none yet */
    const char *mountpoint;
    const char *options;           /* as they were given, for --stats and for a remount */
    struct connection *connection; /* the kernel's view of this mount's FUSE connection */
    /* Called once, when the kernel has accepted the mount. false: the mount fails, and ready has
     * reported why. */
    bool (*ready)(struct fs *fs);
    bool is_ready; /* the result of ready */
};

static inline struct inode *inode_of(struct fs *fs, fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? &fs->cache->root : (struct inode *)ino;
}

static inline fuse_ino_t ino_of(struct fs *fs, struct inode *inode)
{
    return inode == &fs->cache->root ? FUSE_ROOT_ID : (fuse_ino_t)inode;
}

static inline void fs_count(struct fs *fs, enum count what)
{
    atomic_fetch_add_explicit(&fs->counts[what], 1, memory_order_relaxed);
}

extern const struct fuse_lowlevel_ops fs_ops;

#endif
