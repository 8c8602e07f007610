/*
 * table.h: the messages as a table, which codec.c and codec_text.c walk over.
 */
#ifndef TABLE_H
#define TABLE_H

#include "9p/codec.h"

enum p9_kind {
    P9_KIND_u8,
    P9_KIND_u16,
    P9_KIND_u32,
    P9_KIND_u64,
    P9_KIND_fid,
    P9_KIND_perm,
    P9_KIND_str,
    P9_KIND_qid,
    P9_KIND_names,
    P9_KIND_qids,
    P9_KIND_stat,
    P9_KIND_data,
};

struct p9_field {
    const char *name;
    uint16_t offset; /* in struct p9_fcall */
    uint8_t kind;    /* enum p9_kind */
    uint8_t dialects;
};

struct p9_message {
    const char *name; /* NULL: no such type */
    const struct p9_field *fields;
    uint8_t nfields;
    uint8_t dialects;
};

/* The row of a type; its name is NULL if no dialect has the type. */
const struct p9_message *p9_message(unsigned type);

#endif
