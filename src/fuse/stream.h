/*
 * stream.h: the entries of an open directory, in order.
 */
#ifndef STREAM_H
#define STREAM_H

#include "fuse/op.h"

enum {
    STREAM_BYTES = 64 * 1024,
    STREAM_OVER = 64, /* a reply of up to so many more bytes is used whole */
};

struct stream {
    struct p9_fid *fid; /* open; NULL: the directory is removed, and empty */
    struct inode *inode;
    pthread_mutex_t mtx; /* guards the fields below; held during requests: one reader at a time */
    uint32_t room;       /* bytes at buf */
    uint32_t len, pos;   /* the bytes of the reply, and the position of its next entry */
    uint32_t entry;      /* the length of that entry */
    uint64_t next;       /* the kernel's position (cookie) that corresponds to pos */
    uint64_t version;    /* cache_version() before the reply was requested */
    uint64_t asked_ms;   /* clock_ms() at that time */
    uint64_t listing;    /* lookahead's number of the listing, while it is read in order from the start; else 0 */
    uint64_t known_end;  /* the cookie at the end of a listing from lookahead; 0: not known */
    bool ready;          /* buf is from lookahead, and not served yet */
    uint64_t end;        /* the cookie of the last entry served, if it is the last of all; 0: not known. Used once */
    bool at_start;       /* the reply is for cookie 0 */
    bool dots;           /* the server lists "." itself */
    uint8_t buf[];
};

static inline struct stream *stream_of(const struct fuse_file_info *fi)
{
    return (struct stream *)(uintptr_t)fi->fh;
}

/* Puts the fid and frees the stream. */
void stream_free(struct stream *s);
/* Starts the stream with the listing of the directory that lookahead has fetched, if any; false if
 * there is none. */
bool stream_take_listing(struct op *op, struct stream *s);
/* The entry of the stream at position `at`. 1: *de is valid, and *attr where listings include
 * attributes; 0: the end; -errno. */
int stream_next(struct op *op, struct stream *s, uint64_t at, struct p9_dirent *de, struct p9_attr *attr);
/* Moves past the entry that stream_next has returned. */
void stream_advance(struct stream *s, const struct p9_dirent *de);

#endif
