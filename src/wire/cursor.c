/*
 * cursor.c: integers, strings and qids <-> bytes.
 */
#include "wire/cursor.h"

#include <string.h>

struct p9_str p9_str(const char *s)
{
    size_t n = strlen(s);

    return (struct p9_str){s, n < UINT16_MAX ? (uint16_t)n : UINT16_MAX};
}

bool p9_str_eq(struct p9_str a, const char *b)
{
    return strlen(b) == a.len && (a.len == 0 || memcmp(a.s, b, a.len) == 0);
}

uint16_t p9_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t p9_get32(const uint8_t *p)
{
    return (uint32_t)p9_get16(p) | (uint32_t)p9_get16(p + 2) << 16;
}

void put_bytes(struct out *o, const void *src, size_t n)
{
    o->total += n;
    if (o->failed || o->p == NULL)
        return;
    if (n > o->room) {
        o->failed = true;
        return;
    }
    if (n > 0)
        memcpy(o->p, src, n);
    o->p += n;
    o->room -= n;
}

void put_int(struct out *o, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    put_bytes(o, b, n);
}

void put_str(struct out *o, const struct p9_str *s)
{
    if (s->len > 0 && memchr(s->s, 0, s->len) != NULL)
        o->failed = true;
    put_int(o, s->len, 2);
    put_bytes(o, s->s, s->len);
}

void put_qid(struct out *o, const struct p9_qid *q)
{
    put_int(o, q->type, 1);
    put_int(o, q->version, 4);
    put_int(o, q->path, 8);
}

const uint8_t *get_bytes(struct in *in, size_t n)
{
    const uint8_t *p = in->p;

    if (in->failed || n > in->left) {
        in->failed = true;
        return NULL;
    }
    in->p += n;
    in->left -= n;
    return p;
}

uint64_t get_int(struct in *in, size_t n)
{
    const uint8_t *p = get_bytes(in, n);
    uint64_t v = 0;

    for (size_t i = 0; p != NULL && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

void get_str(struct in *in, struct p9_str *s)
{
    s->len = (uint16_t)get_int(in, 2);
    s->s = (const char *)get_bytes(in, s->len);
    if (s->s == NULL)
        s->len = 0;
    else if (memchr(s->s, 0, s->len) != NULL)
        in->failed = true;
}

void get_qid(struct in *in, struct p9_qid *q)
{
    q->type = (uint8_t)get_int(in, 1);
    q->version = (uint32_t)get_int(in, 4);
    q->path = get_int(in, 8);
}
