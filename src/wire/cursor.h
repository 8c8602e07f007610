/*
 * cursor.h: cursors that write or read the bytes of a message in order.
 *
 * A cursor that fails stays failed; the caller checks `failed` once, at the end. Every length is
 * compared, unsigned, with the bytes that are left.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include "9p/codec.h"

struct out {
    uint8_t *p;   /* NULL: count only */
    size_t room;  /* left at p */
    size_t total; /* written or counted */
    bool failed;
    bool no_payload; /* omit the bytes of a data field, and count them in `payload` */
    size_t payload;
};

void put_bytes(struct out *o, const void *src, size_t n);
void put_int(struct out *o, uint64_t v, size_t n);
void put_str(struct out *o, const struct p9_str *s);
void put_qid(struct out *o, const struct p9_qid *q);

struct in {
    bool no_payload; /* its bytes are elsewhere: only their number is taken */
    const uint8_t *p;
    size_t left;
    bool failed;
};

const uint8_t *get_bytes(struct in *in, size_t n);
uint64_t get_int(struct in *in, size_t n);
void get_str(struct in *in, struct p9_str *s);
void get_qid(struct in *in, struct p9_qid *q);

#endif
