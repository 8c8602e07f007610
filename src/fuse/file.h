/*
 * file.h: open files.
 */
#ifndef FILE_H
#define FILE_H

#include "fuse/op.h"

/* What a file handle of the kernel's points to, for files. */
struct file {
    struct handle handle;
    bool created; /* by this open */
    bool was_there;
    bool direct; /* synthetic: no cache */
    atomic_bool wrote, read_start;
    atomic_bool closed_once; /* a descriptor of it was closed: perhaps the last one */
    struct p9_attr opened;   /* its attributes then */
    uint64_t version;        /* inode_version() before that */
    struct writer writer;
    struct readahead *readahead; /* NULL: it is not read ahead */
};

static inline struct file *file_of(const struct fuse_file_info *fi)
{
    return (struct file *)(uintptr_t)fi->fh;
}

/* ---- close.c ------------------------------------------------------------ */

/* At each close of a descriptor. 0, or what the server said when it was clunked: handle.fid is
 * NULL then. */
int close_written(struct op *op, struct file *f);

/* ---- release.c ---------------------------------------------------------- */

/* Before dir/name is removed or replaced: nobody but who has it open keeps it open. */
void close_kept(struct op *op, struct inode *dir, const char *name);
/* Closes what was kept open for long, for timer_new. */
unsigned close_old(void *fs);
/* What was still open when the mount ended. No callback runs any more. */
void close_all(struct fs *fs);
/* The end of an open file. */
void drop_file(struct op *op, struct file *f);

#endif
