/*
 * answer.c: see answer.h.
 */
#include "fuzz/answer.h"

#include <string.h>

#include "wire/table.h"

/* What the strings and data of one reply point to. */
struct scratch {
    uint8_t bytes[8192];
    size_t used;
};

static struct p9_str take_str(struct input *in)
{
    size_t n;
    const char *s = (const char *)take_bytes(in, take_byte(in), &n);
    struct p9_str str = {s, (uint16_t)(n > 0 ? strnlen(s, n) : 0)};

    return str;
}

static struct p9_qid take_qid(struct input *in)
{
    struct p9_qid q = {.type = take_byte(in)};

    q.version = (uint32_t)take_number(in);
    q.path = take_number(in);
    return q;
}

static struct p9_blob take_stat(struct input *in, enum p9_dialect d, struct scratch *s)
{
    struct p9_stat st = {.qid = take_qid(in)};
    uint8_t *p = s->bytes + s->used;

    st.mode = (uint32_t)take_byte(in) << 24;
    st.mode |= (uint32_t)take_byte(in) << 16 | (uint32_t)take_number(in);
    st.mtime = (uint32_t)take_number(in);
    st.length = take_number(in);
    st.name = take_str(in);
    st.uid = take_str(in);
    st.gid = take_str(in);
    if (d == P9_2000U) {
        st.extension = take_str(in);
        st.n_uid = (uint32_t)take_number(in);
        st.n_gid = (uint32_t)take_number(in);
    }
    size_t n = p9_convD2M(&st, d, p, sizeof s->bytes - s->used);
    s->used += n;
    return (struct p9_blob){(uint32_t)n, p};
}

static size_t take_entry(struct input *in, struct scratch *s)
{
    struct p9_dirent de = {.qid = take_qid(in)};

    de.offset = take_number(in);
    de.name = take_str(in);
    return p9_dirent_pack(&de, s->bytes + s->used, sizeof s->bytes - s->used);
}

/* The data of a reply: bytes; or entries or stats, as many as the first byte says. */
static struct p9_blob take_data(struct input *in, const struct p9_fcall *t, enum p9_dialect d, struct scratch *s)
{
    uint8_t first = take_byte(in);
    struct p9_blob b = {0, s->bytes};

    if (t->type == P9_Treaddir || (d != P9_2000L && first >= 128)) {
        for (unsigned i = 0; i < first % 16u; i++) {
            size_t n = t->type == P9_Treaddir ? take_entry(in, s) : take_stat(in, d, s).n;
            s->used = b.n += (uint32_t)n;
        }
        return b;
    }
    size_t n = first == 127 ? t->Tread.count : first;
    b.p = take_bytes(in, n, &n);
    b.n = (uint32_t)n;
    if (first == 127 && n < t->Tread.count && t->Tread.count <= sizeof s->bytes) /* as much as is asked for */
        b = (struct p9_blob){t->Tread.count, s->bytes};
    return b;
}

/* As many as there were names, or another number. */
static void take_qids(struct input *in, const struct p9_fcall *t, struct p9_qids *q)
{
    uint8_t n = take_byte(in);

    q->n = t->type == P9_Twalk && n < 192 ? t->Twalk.nwname.n : n % (P9_MAXWELEM + 1);
    for (unsigned i = 0; i < q->n; i++)
        q->qid[i] = take_qid(in);
}

static void take_field(struct input *in, const struct p9_field *fd, const struct p9_fcall *t, enum p9_dialect d,
                       struct scratch *s, void *v)
{
    switch ((enum p9_kind)fd->kind) {
    case P9_KIND_u8:
        *(uint8_t *)v = take_byte(in);
        break;
    case P9_KIND_u16:
        *(uint16_t *)v = (uint16_t)take_number(in);
        break;
    case P9_KIND_u32:
    case P9_KIND_fid:
    case P9_KIND_perm:
        *(uint32_t *)v = (uint32_t)take_number(in);
        break;
    case P9_KIND_u64:
        *(uint64_t *)v = take_number(in);
        break;
    case P9_KIND_str:
        *(struct p9_str *)v = take_str(in);
        break;
    case P9_KIND_qid:
        *(struct p9_qid *)v = take_qid(in);
        break;
    case P9_KIND_names: /* no reply has them */
        break;
    case P9_KIND_qids:
        take_qids(in, t, v);
        break;
    case P9_KIND_stat:
        *(struct p9_blob *)v = take_stat(in, d, s);
        break;
    case P9_KIND_data:
        *(struct p9_blob *)v = take_data(in, t, d, s);
        break;
    }
}

static size_t reply(struct input *in, const struct p9_fcall *t, uint8_t type, enum p9_dialect d, uint8_t *buf)
{
    const struct p9_message *m = p9_message(type);
    struct p9_fcall r = {.type = type, .tag = t->tag};
    struct scratch s = {.used = 0};

    for (size_t i = 0; i < m->nfields; i++)
        if (m->fields[i].dialects & d)
            take_field(in, &m->fields[i], t, d, &s, (char *)&r + m->fields[i].offset);
    return p9_convS2M(&r, d, buf, ANSWER_BYTES);
}

static size_t body(struct input *in, const struct p9_fcall *t, uint8_t *buf)
{
    size_t n = take_byte(in);

    if (n == 255) {
        n = take_byte(in);
        n |= (size_t)take_byte(in) << 8;
    }
    const uint8_t *p = take_bytes(in, n < ANSWER_BYTES - P9_HDRSZ ? n : ANSWER_BYTES - P9_HDRSZ, &n);
    if (n > 0)
        memcpy(buf + P9_HDRSZ, p, n);
    n += P9_HDRSZ;
    for (unsigned i = 0; i < 4; i++)
        buf[i] = (uint8_t)(n >> (8 * i));
    buf[4] = (uint8_t)(t->type + 1);
    buf[5] = (uint8_t)t->tag;
    buf[6] = (uint8_t)(t->tag >> 8);
    return n;
}

size_t answer(struct input *in, const struct p9_fcall *t, enum p9_dialect d, uint8_t *buf, unsigned *kind)
{
    size_t n;

    *kind = in->left == 0 ? ANSWER_END : take_byte(in) % 16u;
    if (*kind == ANSWER_BODY)
        n = body(in, t, buf);
    else if (*kind == ANSWER_ERROR)
        n = reply(in, t, d == P9_2000L ? P9_Rlerror : P9_Rerror, d, buf);
    else
        n = reply(in, t, (uint8_t)(t->type + 1), d, buf);
    if (n == 0)
        n = body(&(struct input){0}, t, buf);
    if (*kind == ANSWER_SHORT && n > P9_HDRSZ) {
        n--;
        buf[0] = (uint8_t)n;
        buf[1] = (uint8_t)(n >> 8);
    }
    if (*kind == ANSWER_TYPE)
        buf[4] = take_byte(in);
    if (*kind == ANSWER_TAG)
        buf[5] = take_byte(in);
    return n;
}
