/*
 * opened.h: the common part of OPEN and CREATE.
 */
#ifndef OPENED_H
#define OPENED_H

#include "fuse/file.h"
#include "fuse/notify.h"

/* The reply to an OPEN or CREATE. */
struct opened {
    struct notice notice;
    struct op op;
    struct file *f;
    struct fuse_file_info fi;
    bool created;
    struct fuse_entry_param entry;
};

/* An open file of op's user, not open on the server yet; NULL without memory. */
struct file *file_new(struct op *op, int flags);
void file_free(struct file *f);
/* Completes O_TRUNC where the server has not carried it out; *attr: the attributes before, and
 * then after. 0 or -errno. */
int truncate_opened(struct op *op, struct file *f, struct p9_attr *attr);
/* Fills *fi, registers the handle and notes the attributes; version: inode_version before they
 * were requested, or NULL. Returns whether the kernel caches other attributes. */
bool note_opened(struct op *op, struct file *f, struct fuse_file_info *fi, const struct p9_attr *attr,
                 const uint64_t *version);
/* Replies with a copy of *source. A program that opens a file sees its current attributes: other
 * attributes are dropped from the kernel's cache before the reply. */
void answer_opened(struct opened *source, bool other_attributes);

#endif
