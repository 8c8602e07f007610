/*
 * cursor.h: a place in the bytes of a message, for those that write or read it in order.
 *
 * A cursor fails once, stays failed, and is asked at the end; every length is compared, unsigned,
 * with what is left.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include "9p/codec.h"

struct out {
    uint8_t *p;   /* NULL: only count */
    size_t room;  /* left at p */
    size_t total; /* written or counted */
    bool failed;
    bool no_payload; /* leave out the bytes of a data field, but count them in `payload` */
    size_t payload;
};

void put_bytes(struct out *o, const void *src, size_t n);
void put_int(struct out *o, uint64_t v, size_t n);
void put_str(struct out *o, const struct p9_str *s);
void put_qid(struct out *o, const struct p9_qid *q);

struct in {
    const uint8_t *p;
    size_t left;
    bool failed;
};

const uint8_t *get_bytes(struct in *in, size_t n);
uint64_t get_int(struct in *in, size_t n);
void get_str(struct in *in, struct p9_str *s);
void get_qid(struct in *in, struct p9_qid *q);

#endif
