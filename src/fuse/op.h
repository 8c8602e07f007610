/*
 * op.h: operations in progress, and their replies.
 *
 * A callback starts with op_begin and ends with one of the op_reply functions.
 */
#ifndef OP_H
#define OP_H

#include "fuse/fs.h"

/* One request from the kernel that is in progress. */
struct op {
    fuse_req_t req;
    struct fs *fs;
    struct user *user;           /* the user it runs as; NULL until op_user */
    struct p9_scope scope;       /* the 9P requests that an interrupt reaches */
    struct readahead *readahead; /* the read-ahead that a read may wait for; or NULL */
    unsigned attr_ms;            /* lifetime of the entry in the reply, in ms; 0: the usual lifetimes */
    bool attr_unsure;            /* the entry's attributes are predicted: the kernel must not cache them */
    bool any_signal;             /* every signal interrupts it, not only a fatal one */
    bool waited;                 /* what was fetched ahead had to be waited for */
    bool counted;                /* fs->begun includes it, and fs->answered does not yet */
    bool nosys_ok; /* the reply may be ENOSYS: the kernel never sends such a request again (and takes OPEN as done) */
};

void op_begin(struct op *op, fuse_req_t req);
/* Whether a process is being killed. */
bool op_is_killed(pid_t pid);
/* Whether a signal that has arrived aborts the operation. */
bool op_should_end(const struct op *op);
/* Aborts the operation: interrupts its 9P requests and its wait for a lock. */
void op_interrupt(struct op *op);
/* Replies EINTR; for an interrupt handler (fuse_req_interrupt_func). */
void op_reply_interrupted(struct op *op);
/* Stops interrupts from reaching the operation. Every op_reply function calls it first. */
void op_end(struct op *op);
void op_reply_err(struct op *op, int rc); /* rc: 0 or -errno */
/* The same without waiting for the kernel to drop stale data; for READ and WRITE, since the
 * pages that the kernel is to drop may wait for their reply. */
void op_reply_err_now(struct op *op, int rc);

/* The reply to an operation. */
struct answer {
    enum { ANSWER_ERR, ANSWER_ENTRY, ANSWER_ATTR } kind;
    int rc;              /* 0 or -errno */
    struct inode *inode; /* ANSWER_ENTRY: its inode */
    struct fuse_entry_param entry;
    struct stat attr;
    unsigned attr_ms;
    void (*sent)(struct op *op, void *arg); /* called just before the reply is sent, if it is sent; or NULL */
    void *sent_arg;
};

/* Sends the reply. waits false: the operation is answered already; only the reference counted
 * for the reply is given back. */
void op_send(struct op *op, const struct answer *a, bool waits);
/* Replies with an entry from cache_enter; gives the reference back if the reply does not
 * arrive. */
void op_reply_entry(struct op *op, struct inode *inode, const struct p9_attr *attr);
/* ms: how long the kernel may cache the attributes. */
void op_reply_attr(struct op *op, struct inode *inode, const struct p9_attr *attr, unsigned ms);

/* Whether the calling process is exiting: no program receives the reply then. */
bool op_caller_exits(struct op *op);
/* Waits until the server has acknowledged the write-behind data of inode, before a request that
 * must see it. 0 or -EINTR. */
int op_settle(struct op *op, const struct inode *inode);
/* For a question about the root. umount(8), df(1) and a listing of the directory above ask for its
 * attributes and its file system's: from now on the requests of op fail with ETIMEDOUT if the
 * server does not answer in time. False if it has not for so long already. */
bool op_root_answers(struct op *op);
/* A use of inode's fid by the user of op. */
struct use op_use(struct op *op, struct inode *inode);

#endif
