/*
 * fs.h: the FUSE layer's own header: what its families of callbacks share.
 *
 * A callback blocks its worker thread for the requests it makes, but for READ, which the
 * reader thread answers. A callback starts with op_begin and ends with one of the op_reply functions.
 */
#ifndef FS_H
#define FS_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "cache/lookahead.h"
#include "cache/writebehind.h"
#include "base/timer.h"
#include "cache/readahead.h"
#include "cache/cache.h"

/* How long the kernel believes what it is told, milliseconds. */
struct lifetimes {
    unsigned attr, entry, negative; /* attributes, names, and that there is no such name */
};

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
    struct lookahead *lookahead;           /* NULL in the dialects whose directories give attributes */
    struct writebehind *writebehind;       /* NULL: every write is waited for */
    struct readahead_pool *readahead_pool; /* NULL: nothing is read ahead here */
    struct timer *timer;                   /* closes what is kept open without an owner; NULL: nothing is kept */
    atomic_int read_at_once; /* whether files that are opened to read are read from their start: above 0 they are */
    struct fuse_session *se;
    enum access access;
    uid_t only_uid; /* ACCESS_ONE */
    struct lifetimes lifetimes;
    bool loose;           /* what was read is good until a change is seen, however small */
    bool passes_cache;    /* reads and writes go straight to the server */
    bool ignores_version; /* qid.version says nothing */
    bool posixacl;        /* the kernel is to check ACLs, and to leave the umask to us */
    /* Attaches a user, with the authentication that the server wants: 0, or -errno. Blocks; several threads may call it. */
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

/* One request of the kernel's under way. */
struct op {
    fuse_req_t req;
    struct fs *fs;
    struct user *user;           /* NULL until op_user */
    struct p9_scope scope;       /* where an interrupt goes */
    struct readahead *readahead; /* what a read may wait for; NULL */
    unsigned attr_ms;            /* how long the entry that is replied holds; 0: as ever */
    bool attr_unsure;            /* its attributes are made up: the kernel is to ask before it believes them */
    bool any_signal;             /* interrupts, not only one that kills */
    bool counted;                /* as begun, and not as answered */
    bool nosys_ok; /* ENOSYS may go to the kernel, which never asks such a thing again (and believes OPEN done) */
};

/* What a file handle of the kernel's points to, for files. */
struct file {
    struct handle handle;
    bool created; /* by this open */
    bool was_there;
    bool direct; /* synthetic: no cache */
    atomic_bool wrote, read_start;
    atomic_bool closed_once; /* a descriptor of it was closed: perhaps the last one */
    struct p9_attr opened;   /* its attributes then */
    uint64_t content;        /* cache_content before that */
    struct writer writer;
    struct readahead *readahead; /* NULL: it is not read ahead */
};

static inline struct inode *inode_of(struct fs *fs, fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? &fs->cache->root : (struct inode *)ino;
}

static inline fuse_ino_t ino_of(struct fs *fs, struct inode *inode)
{
    return inode == &fs->cache->root ? FUSE_ROOT_ID : (fuse_ino_t)inode;
}

static inline struct file *file_of(const struct fuse_file_info *fi)
{
    return (struct file *)(uintptr_t)fi->fh;
}

/* ---- fs.c --------------------------------------------------------------- */

void op_begin(struct op *op, fuse_req_t req);
/* Whether a signal that came is a reason to give it up; does so. */
bool op_should_end(const struct op *op);
void op_interrupt(struct op *op);
/* Answers EINTR, from a function of fuse_req_interrupt_func. */
void op_reply_interrupted(struct op *op);
/* Interrupts no longer reach the operation. Every op_reply does this first. */
void op_end(struct op *op);
void op_reply_err(struct op *op, int rc); /* rc: 0 or -errno */
/* The same for a READ or a WRITE, for which pages may be waiting that the kernel is to drop. */
void op_reply_err_now(struct op *op, int rc);
/* What an operation is answered. */
struct answer {
    enum { ANSWER_ERR, ANSWER_ENTRY, ANSWER_ATTR } kind;
    int rc;              /* 0 or -errno */
    struct inode *inode; /* of an entry */
    struct fuse_entry_param entry;
    struct stat attr;
    unsigned attr_ms;
    void (*sent)(struct op *op, void *arg); /* called just before it is sent, if it is; may be NULL */
    void *sent_arg;
};
/* Answers; not waits: nobody is to be answered any more, and what was counted for it is not. */
void op_send(struct op *op, const struct answer *a, bool waits);
/* Answers with an entry that cache_enter gave; takes the reference back if it does not arrive. */
void op_reply_entry(struct op *op, struct inode *inode, const struct p9_attr *attr);
/* ms: how long the kernel may believe it. */
void op_reply_attr(struct op *op, const struct inode *inode, const struct p9_attr *attr, unsigned ms);

/* Whether the process that asks is ending: then what it is told nobody hears. */
bool op_caller_exits(struct op *op);
/* Who asks, attached; NULL if the server or an option says no. */
struct user *op_user(struct op *op);
/* Where all act by one attach: gives what op's user just made to that user and group. `fid` is it. */
int give_to_user(struct op *op, struct p9_fid *fid, gid_t gid);
/* nfs-ganesha makes files without the set-user-id, set-group-id and sticky bits: gives inode those of the mode, and the
 * group (NO_GROUP: any), that it was made with, and *attr what comes of it. What fails is left
 * as the server did it. */
void as_made(struct op *op, struct inode *inode, mode_t mode, gid_t gid, struct p9_attr *attr);
/* Sets inode's mode with the rights of who mounted. 0 or -errno. */
int set_mode_as_mounter(struct op *op, struct inode *inode, mode_t mode);
/* Whether who asks is in that group. */
bool in_group(fuse_req_t req, gid_t gid);
/* Waits until what was written to inode is acknowledged: before anything that is to see it. 0 or -EINTR. */
int op_settle(struct op *op, const struct inode *inode);
/* A use of inode's fid on behalf of op. */
struct use op_use(struct op *op, struct inode *inode);

/* An entry for the kernel: the inode's reference must have been counted. */
void fill_entry(struct op *op, struct inode *inode, const struct p9_attr *attr, struct fuse_entry_param *e);
void fill_stat(const struct inode *inode, const struct p9_attr *attr, struct stat *st);
/* st_ino of what has this qid in a space of numbers, as a inode's. */
uint64_t inode_number(uint32_t space, const struct p9_qid *qid);

/* seen: as for p9_setattr_seen, or NULL. check_ms: as in struct use. */
int inode_setattr(struct op *op, struct p9_scope *sc, struct inode *inode, struct user *user,
                  const struct p9_setattr *set, struct p9_attr *seen, unsigned check_ms);
/* The attributes of a inode as they are now on the server; remembered as told. */
int inode_getattr(struct op *op, struct inode *inode, struct p9_attr *attr);
/* The group that a new file in dir belongs to: the directory's if that is set-group-id. */
gid_t group_for_new(struct op *op, struct inode *dir);
/* The mode of a new file in dir: a default ACL stands in for the umask. The kernel applies the umask itself without posixacl. */
mode_t mode_for_new(struct op *op, struct inode *dir, mode_t mode);
/* nfs-ganesha lets nobody make a file of a group that he is not in on the server: EPERM. Then it is made with the group that
 * he has at home, and given the right one afterwards (as_made). */
gid_t primary_group(struct op *op);
#define NO_GROUP ((gid_t)-1)
/* Whether what was just made with that mode, and `group` as for as_made, is such that its attributes need not be asked for; what they
 * should be then. */
bool is_plain_new(struct op *op, mode_t mode, gid_t group);
struct p9_attr attr_of_new(struct op *op, struct inode *dir, const struct p9_qid *qid, mode_t mode);
int check_name(const char *name);
/* The inode of dir/name as it is now on the server, one kernel reference counted. */
int enter_name(struct op *op, struct p9_scope *sc, struct inode *dir, const char *name, struct inode **inode,
               struct p9_attr *attr);
/* The same when the attributes are known already. */
int enter_known(struct op *op, struct inode *dir, const char *name, const struct p9_attr *attr, struct p9_fid *fid,
                uint64_t walked, struct inode **inode);

/* What to ask the server for where it was not asked ahead: nothing, what the kernel does not know yet, anything. */
enum ask { ASK_NOTHING, ASK_NEW, ASK_ANY };
/* fs_name.c: the inode of a name in the directory u, if its attributes were asked for ahead, or are to be: then op->attr_ms says how
 * long they hold, and one kernel reference is counted. EAGAIN: not so. */
int enter_ahead(struct op *op, const struct use *u, const char *name, enum ask ask, struct inode **inode,
                struct p9_attr *attr);

/* We changed what dir/name is: what was asked for ahead is no longer so. Once the change is done, before the kernel knows. */
void name_changed(struct op *op, struct inode *dir, const char *name);

/* fs_hide.c: before dir/name goes, or is replaced. If a file is open by that name alone, and the server would lose it,
 * it gets a hidden name. 1: it was renamed, so that the name is gone already; 0; or -errno. */
int hide_if_open(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool replaced);
/* Removes dir/name in one message where the server lacks Tunlinkat: by Tremove of the file's cached fid. Only on a server that
 * goes by path: elsewhere the fid may be a file that has another name by now. 0 or -errno; EAGAIN: it was not tried. */
int remove_by_own_fid(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool is_dir);
/* p9_rename, and the tree is told. */
int rename_told(struct op *op, struct inode *olddir, struct p9_fid *oldfid, const char *oldname, struct inode *newdir,
                struct p9_fid *newfid, const char *newname);
/* A hidden file in dir/name, which for the user is empty and shall go, moves up into dir, or goes. 0; -ENOTEMPTY if there is none,
 * or it cannot be moved. */
int raise_hidden(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name);
/* fs_close.c: at each close of a descriptor. 0, or what the server said when it was clunked: handle.fid is NULL then. */
int close_written(struct op *op, struct file *f);
/* fs_open.c: before dir/name is removed or replaced: nobody but who has it open keeps it open. */
void close_kept(struct op *op, struct inode *dir, const char *name);
/* Closes what was kept open for long, for timer_new. */
unsigned close_old(void *fs);
/* fs_file.c: what was written to it came to nothing, rc, and no program may know. 0: nothing did. */
void log_lost(struct fs *fs, const struct file *f, int rc);
/* What was still open when the mount ended. No callback runs any more. */
void close_all(struct fs *fs);
/* The end of an open file. */
void drop_file(struct op *op, struct file *f);
/* cache_drop_handle, and the removal of a hidden file at its last close. */
void drop_handle(struct op *op, struct handle *h);

/* fs_notify.c: what the kernel is told of its own accord: to drop what it has of a file. That waits until its pages are not being read
 * any more, and so may wait for us: a thread of its own does it, and nobody waits for that. */

/* An answer that waits until the kernel has dropped what it has. Whoever is being killed is answered EINTR before. */
struct notice {
    struct op *op;       /* on the heap, as this is */
    struct inode *inode; /* which the operation's request keeps; NULL: what was changed by another name alone */
    bool pages;          /* else its attributes alone */
    /* Called by the notifier's thread; waits: it is not answered yet. Frees both. */
    void (*then)(struct notice *n, bool waits);
    bool entering, interrupted, answered; /* the notifier's */
    struct notice *next;
};
void notify_then(struct notice *n);
/* The answer when the kernel has dropped the attributes, or the pages as well, of the inode, as in a notice. */
void op_answer_dropped(struct op *op, struct inode *inode, bool pages, const struct answer *a);
/* The kernel is told of what was changed by another name. */
void notify_stale(struct fs *fs);
/* The kernel drops all that it has, some time: where there is no memory to say what. */
void notify_all(struct fs *fs);
int notifier_start(struct fs *fs);
/* When the mount is gone. */
void notifier_stop(struct fs *fs);

/* fs_unread.c: whether there are requests of the kernel's that no operation has begun for. */
enum unread { UNREAD_NONE, UNREAD_SOME, UNREAD_UNKNOWN };
enum unread unread_requests(struct fs *fs);
/* Once the mount is there. */
void connection_find(struct fs *fs);
/* Ends the connection for the kernel: what waits in it is answered. Where that cannot be, nothing. */
void connection_abort(struct fs *fs);
void connection_free(struct fs *fs);

extern const struct fuse_lowlevel_ops fs_ops;

/* ---- callbacks, by family ----------------------------------------------- */

/* fs_name.c */
void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void fs_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void fs_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);
void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname,
               unsigned flags);
void fs_readlink(fuse_req_t req, fuse_ino_t ino);

/* fs_attr.c */
void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi);
void fs_access(fuse_req_t req, fuse_ino_t ino, int mask);
void fs_statfs(fuse_req_t req, fuse_ino_t ino);

/* fs_lock.c */
void fs_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock);
void fs_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep);
void fs_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int how);
/* A descriptor of the file was closed by `owner`: what is his is given back. */
void locks_closed(struct op *op, struct file *f, uint64_t owner);
/* The last one was: what was taken by it is free here. Before the operation counts as begun. */
void locks_let_go(struct fs *fs, struct file *f);
/* And on the server. */
void locks_released(struct op *op, struct file *f);
/* An operation is interrupted: if it waits here it ends. */
void locks_interrupt(struct fs *fs);
/* Starts and ends the thread that those who wait for a lock are left to. 0 or -errno. Answers of the server may come until the client is
 * stopped: locks_free_all is for after that. */
int locks_start(struct fs *fs);
void locks_stop(struct fs *fs);
void locks_free_all(struct fs *fs);

/* fs_xattr.c */
extern const char capability[]; /* security.capability */
void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* fs_open.c */
void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* fs_file.c */
void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi);
void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* fs_dir.c */
void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

#endif
