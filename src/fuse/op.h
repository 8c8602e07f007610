/*
 * op.h: operations under way, and their answers.
 *
 * A callback starts with op_begin and ends with one of the op_reply functions.
 */
#ifndef OP_H
#define OP_H

#include "fuse/fs.h"

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
/* Waits until what was written to inode is acknowledged: before anything that is to see it. 0 or
 * -EINTR. */
int op_settle(struct op *op, const struct inode *inode);
/* A use of inode's fid on behalf of op. */
struct use op_use(struct op *op, struct inode *inode);

#endif
