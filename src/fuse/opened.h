/*
 * opened.h: what OPEN and CREATE share.
 */
#ifndef OPENED_H
#define OPENED_H

#include "fuse/file.h"
#include "fuse/notify.h"

/* The answer to an OPEN or a CREATE. */
struct opened {
    struct notice notice;
    struct op op;
    struct file *f;
    struct fuse_file_info fi;
    bool created;
    struct fuse_entry_param entry;
};

struct file *file_new(struct op *op, int flags);
void file_free(struct file *f);
/* What O_TRUNC should have done and the server has not. */
int truncate_opened(struct op *op, struct file *f, struct p9_attr *attr);
/* Whether the kernel knows other attributes. */
bool note_opened(struct op *op, struct file *f, struct fuse_file_info *fi, const struct p9_attr *attr,
                 const uint64_t *version);
/* Whoever opens a file sees its attributes as they are: others are dropped before he is
 * answered. */
void answer_opened(struct opened *like, bool other_attributes);

#endif
