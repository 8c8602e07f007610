/*
 * stream.h: the entries of an open directory, in order.
 */
#ifndef STREAM_H
#define STREAM_H

#include "fuse/op.h"

enum {
    STREAM_BYTES = 64 * 1024,
    STREAM_OVER = 64, /* a reply longer than that by less can be taken whole */
};

struct stream {
    struct p9_fid *fid; /* open; NULL: the directory is removed, and empty */
    struct inode *inode;
    pthread_mutex_t mtx; /* guards what follows; held over the server's replies: one reader at a time */
    uint32_t room;       /* bytes at buf */
    uint32_t len, pos;   /* the reply, and the entry that is next in it */
    uint32_t entry;      /* the bytes of that */
    uint64_t next;       /* the kernel's position that goes with pos */
    uint64_t version;    /* cache_version before it was asked for, */
    uint64_t asked_ms;   /* and clock_ms */
    uint64_t listing;    /* its number for ahead, as long as it is read from start to end */
    uint64_t known_end;  /* where one that was read ahead ends; 0: not known */
    bool ready;          /* buf was read ahead, and nobody had it yet */
    uint64_t end;        /* where the last entries given end, if nothing follows; 0: not known. Asked for once */
    bool at_start;       /* the reply is that for cookie 0 */
    bool dots;           /* the server lists "." itself */
    uint8_t buf[];
};

static inline struct stream *stream_of(const struct fuse_file_info *fi)
{
    return (struct stream *)(uintptr_t)fi->fh;
}

void stream_free(struct stream *s);
/* What was read ahead of the directory, if anything: the stream starts with that. */
bool stream_take_listing(struct op *op, struct stream *s);
/* The next entry of the stream at position `at`. 1: *de holds, and *attr where directories give
 * them; 0: the end; -errno. */
int stream_next(struct op *op, struct stream *s, uint64_t at, struct p9_dirent *de, struct p9_attr *attr);
/* Past the entry that stream_next gave. */
void stream_advance(struct stream *s, const struct p9_dirent *de);

#endif
