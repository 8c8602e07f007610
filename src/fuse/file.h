/*
 * file.h: open files.
 */
#ifndef FILE_H
#define FILE_H

#include "fuse/op.h"

/* An open file: the object behind the kernel's file handle. */
struct file {
    struct handle handle;
    bool created;   /* by this open */
    bool was_there; /* CREATE found an existing file */
    bool direct;    /* a synthetic file: nothing is cached */
    atomic_bool wrote, read_start;
    atomic_bool closed_once; /* a descriptor of it has been closed, perhaps the last one */
    struct p9_attr opened;   /* its attributes at the time of the open */
    uint64_t version;        /* inode_version() before those were requested */
    struct writer writer;
    struct readahead *readahead; /* NULL: no read-ahead */
};

static inline struct file *file_of(const struct fuse_file_info *fi)
{
    return (struct file *)(uintptr_t)fi->fh;
}

/* ---- close.c ------------------------------------------------------------ */

/* Runs at each close of a descriptor. 0, or the server's error when the fid was clunked;
 * handle.fid is NULL after a clunk. */
int close_written(struct op *op, struct file *f);

/* ---- release.c ---------------------------------------------------------- */

/* Closes the idle open fids of dir/name, before the name is removed or replaced. */
void close_idle(struct op *op, struct inode *dir, const char *name);
/* Closes the fids that have been idle for long; a callback for timer_new. */
unsigned close_old(void *fs);
/* Closes the files that are still open when the mount ends. No callback runs any more. */
void close_all(struct fs *fs);
/* Releases and frees an open file. */
void drop_file(struct op *op, struct file *f);

#endif
