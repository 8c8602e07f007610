/*
 * input.h: the bytes that libFuzzer chooses, taken one after the other. After the last all are 0.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct input {
    const uint8_t *p;
    size_t left;
};

static inline uint8_t take_byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

/* Most numbers are one byte, so that a mutation of a byte is one of a field. */
static inline uint64_t take_number(struct input *in)
{
    uint64_t v = take_byte(in), width = v < 0xf0 ? 0 : v < 0xf8 ? 4 : 8;

    for (uint64_t i = 0; i < width; i++)
        v = (i == 0 ? 0 : v) | (uint64_t)take_byte(in) << (8 * i);
    return v;
}

/* At most n bytes; *got says how many. */
static inline const uint8_t *take_bytes(struct input *in, size_t n, size_t *got)
{
    const uint8_t *p = in->p;

    *got = n < in->left ? n : in->left;
    in->p += *got;
    in->left -= *got;
    return p;
}

/* libFuzzer reports what aborts. */
#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                         \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
