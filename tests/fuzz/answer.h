/*
 * answer.h: replies of a server that mostly means well: what they say, and what is wrong with them,
 * is of the input.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "9p/codec.h"
#include "fuzz/input.h"

enum { ANSWER_BYTES = 1 << 14 };

/* The first byte of an answer, modulo 16. All others: a reply of the right type, whose fields are
 * of the input. */
enum {
    ANSWER_ERROR = 0,
    ANSWER_BODY = 1,  /* length[1] or 255 length[2], and the bytes of the body */
    ANSWER_SHORT = 2, /* the last byte is missing */
    ANSWER_TYPE = 3,  /* another type */
    ANSWER_TAG = 4,   /* another tag */
    ANSWER_INTERRUPT = 5,
    ANSWER_END = 6, /* the server hangs up */
};

/* Packs the reply to the request t into buf[ANSWER_BYTES]. Returns its size. *kind is the kind; of
 * ANSWER_INTERRUPT the reply is as of the others. */
size_t answer(struct input *in, const struct p9_fcall *t, enum p9_dialect d, uint8_t *buf, unsigned *kind);

#endif
