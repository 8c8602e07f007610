/*
 * codec.c: Fcall <-> bytes by walking the rows of p9_messages.h.
 *
 * A cursor goes over the bytes. It fails once, stays failed, and is asked at the
 * end; every length is compared, unsigned, with what is left.
 */
#include "9p/codec.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- the table ---------------------------------------------------------- */

#define FIELD_ANY(message, kind, field) {#field, offsetof(struct p9_fcall, message.field), P9_KIND_##kind, P9_ANY},
#define FIELD_SOME(message, kind, field, dialects)                                                                     \
    {#field, offsetof(struct p9_fcall, message.field), P9_KIND_##kind, dialects},
#define FIELDS_ROW(name, number, dialects)                                                                             \
    static const struct p9_field fields_##name[] = {P9_FIELDS_##name(FIELD_ANY, FIELD_SOME, name)};
#define NO_ROW(name, number, dialects)
P9_MESSAGES(FIELDS_ROW, NO_ROW)

#define BODY_ROW(name, number, dialects)                                                                               \
    [number] = {#name, fields_##name, sizeof fields_##name / sizeof *fields_##name, dialects},
#define BARE_ROW(name, number, dialects) [number] = {#name, NULL, 0, dialects},
static const struct p9_message messages[256] = {P9_MESSAGES(BODY_ROW, BARE_ROW)};

const struct p9_message *p9_message(unsigned type)
{
    return &messages[type & 0xff];
}

const char *p9_type_name(unsigned type)
{
    return type < 256 ? messages[type].name : NULL;
}

bool p9_has_payload(unsigned type)
{
    const struct p9_message *m = p9_message(type);

    return m->nfields > 0 && m->fields[m->nfields - 1].kind == P9_KIND_data;
}

const char *p9_dialect_name(enum p9_dialect d)
{
    switch (d) {
    case P9_2000:
        return "9P2000";
    case P9_2000U:
        return "9P2000.u";
    case P9_2000L:
        return "9P2000.L";
    }
    return NULL;
}

struct p9_str p9_str(const char *s)
{
    size_t n = strlen(s);

    return (struct p9_str){s, n < UINT16_MAX ? (uint16_t)n : UINT16_MAX};
}

bool p9_str_eq(struct p9_str a, const char *b)
{
    return strlen(b) == a.len && (a.len == 0 || memcmp(a.s, b, a.len) == 0);
}

/* ---- little-endian bytes ------------------------------------------------ */

uint16_t p9_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t p9_get32(const uint8_t *p)
{
    return (uint32_t)p9_get16(p) | (uint32_t)p9_get16(p + 2) << 16;
}

struct out {
    uint8_t *p;   /* NULL: only count */
    size_t room;  /* left at p */
    size_t total; /* written or counted */
    bool failed;
    bool no_payload; /* leave out the bytes of a data field, but count them in `payload` */
    size_t payload;
};

static void put_bytes(struct out *o, const void *src, size_t n)
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

static void put_int(struct out *o, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    put_bytes(o, b, n);
}

static void put_str(struct out *o, const struct p9_str *s)
{
    if (s->len > 0 && memchr(s->s, 0, s->len) != NULL)
        o->failed = true;
    put_int(o, s->len, 2);
    put_bytes(o, s->s, s->len);
}

static void put_qid(struct out *o, const struct p9_qid *q)
{
    put_int(o, q->type, 1);
    put_int(o, q->version, 4);
    put_int(o, q->path, 8);
}

struct in {
    const uint8_t *p;
    size_t left;
    bool failed;
};

static const uint8_t *get_bytes(struct in *in, size_t n)
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

static uint64_t get_int(struct in *in, size_t n)
{
    const uint8_t *p = get_bytes(in, n);
    uint64_t v = 0;

    for (size_t i = 0; p != NULL && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void get_str(struct in *in, struct p9_str *s)
{
    s->len = (uint16_t)get_int(in, 2);
    s->s = (const char *)get_bytes(in, s->len);
    if (s->s == NULL)
        s->len = 0;
    else if (memchr(s->s, 0, s->len) != NULL)
        in->failed = true;
}

static void get_qid(struct in *in, struct p9_qid *q)
{
    q->type = (uint8_t)get_int(in, 1);
    q->version = (uint32_t)get_int(in, 4);
    q->path = get_int(in, 8);
}

/* ---- fields ------------------------------------------------------------- */

static void put_field(struct out *o, const struct p9_field *fd, const void *v)
{
    const struct p9_names *names;
    const struct p9_qids *qids;
    const struct p9_blob *blob;

    switch ((enum p9_kind)fd->kind) {
    case P9_KIND_u8:
        put_int(o, *(const uint8_t *)v, 1);
        break;
    case P9_KIND_u16:
        put_int(o, *(const uint16_t *)v, 2);
        break;
    case P9_KIND_u32:
    case P9_KIND_fid:
    case P9_KIND_perm:
        put_int(o, *(const uint32_t *)v, 4);
        break;
    case P9_KIND_u64:
        put_int(o, *(const uint64_t *)v, 8);
        break;
    case P9_KIND_str:
        put_str(o, v);
        break;
    case P9_KIND_qid:
        put_qid(o, v);
        break;
    case P9_KIND_names:
        names = v;
        put_int(o, names->n, 2);
        if (names->n > P9_MAXWELEM)
            o->failed = true;
        for (size_t i = 0; !o->failed && i < names->n; i++)
            put_str(o, &names->name[i]);
        break;
    case P9_KIND_qids:
        qids = v;
        put_int(o, qids->n, 2);
        if (qids->n > P9_MAXWELEM)
            o->failed = true;
        for (size_t i = 0; !o->failed && i < qids->n; i++)
            put_qid(o, &qids->qid[i]);
        break;
    case P9_KIND_stat:
        blob = v;
        if (blob->n > UINT16_MAX)
            o->failed = true;
        put_int(o, blob->n, 2);
        put_bytes(o, blob->p, blob->n);
        break;
    case P9_KIND_data:
        blob = v;
        put_int(o, blob->n, 4);
        if (o->no_payload)
            o->payload = blob->n;
        else
            put_bytes(o, blob->p, blob->n);
        break;
    }
}

static void get_field(struct in *in, const struct p9_field *fd, enum p9_dialect d, void *v)
{
    struct p9_names *names;
    struct p9_qids *qids;
    struct p9_blob *blob;

    switch ((enum p9_kind)fd->kind) {
    case P9_KIND_u8:
        *(uint8_t *)v = (uint8_t)get_int(in, 1);
        break;
    case P9_KIND_u16:
        *(uint16_t *)v = (uint16_t)get_int(in, 2);
        break;
    case P9_KIND_u32:
    case P9_KIND_fid:
    case P9_KIND_perm:
        *(uint32_t *)v = (uint32_t)get_int(in, 4);
        break;
    case P9_KIND_u64:
        *(uint64_t *)v = get_int(in, 8);
        break;
    case P9_KIND_str:
        get_str(in, v);
        break;
    case P9_KIND_qid:
        get_qid(in, v);
        break;
    case P9_KIND_names:
        names = v;
        names->n = (uint16_t)get_int(in, 2);
        if (names->n > P9_MAXWELEM)
            in->failed = true;
        for (size_t i = 0; !in->failed && i < names->n; i++)
            get_str(in, &names->name[i]);
        break;
    case P9_KIND_qids:
        qids = v;
        qids->n = (uint16_t)get_int(in, 2);
        if (qids->n > P9_MAXWELEM)
            in->failed = true;
        for (size_t i = 0; !in->failed && i < qids->n; i++)
            get_qid(in, &qids->qid[i]);
        break;
    case P9_KIND_stat:
        blob = v;
        blob->n = (uint32_t)get_int(in, 2);
        blob->p = get_bytes(in, blob->n);
        if (!in->failed && p9_statcheck(blob->p, blob->n, d) != 0)
            in->failed = true;
        break;
    case P9_KIND_data:
        blob = v;
        blob->n = (uint32_t)get_int(in, 4);
        blob->p = get_bytes(in, blob->n);
        break;
    }
}

/* ---- messages ----------------------------------------------------------- */

static bool put_message(struct out *o, const struct p9_fcall *f, enum p9_dialect d, uint32_t size)
{
    const struct p9_message *m = p9_message(f->type);

    if (m->name == NULL || (m->dialects & d) == 0)
        return false;
    put_int(o, size, 4);
    put_int(o, f->type, 1);
    put_int(o, f->tag, 2);
    for (size_t i = 0; i < m->nfields; i++)
        if (m->fields[i].dialects & d)
            put_field(o, &m->fields[i], (const char *)f + m->fields[i].offset);
    return !o->failed;
}

size_t p9_sizeS2M(const struct p9_fcall *f, enum p9_dialect d)
{
    struct out o = {.p = NULL};

    if (!put_message(&o, f, d, 0) || o.total > UINT32_MAX)
        return 0;
    return o.total;
}

static size_t pack(const struct p9_fcall *f, enum p9_dialect d, uint8_t *buf, size_t n, bool no_payload)
{
    struct out o = {.p = buf, .room = n, .no_payload = no_payload};
    struct out size = {.p = buf, .room = 4};

    if (!put_message(&o, f, d, 0) || o.total + o.payload > UINT32_MAX)
        return 0;
    put_int(&size, o.total + o.payload, 4);
    return o.total;
}

size_t p9_convS2M(const struct p9_fcall *f, enum p9_dialect d, uint8_t *buf, size_t n)
{
    return pack(f, d, buf, n, false);
}

size_t p9_headS2M(const struct p9_fcall *f, enum p9_dialect d, uint8_t *buf, size_t n)
{
    return pack(f, d, buf, n, true);
}

/* nfs-ganesha numbers its Rlerror 107 (PROTOCOL 2): a body of one number tells it from Rerror. */
static unsigned type_on_wire(unsigned type, size_t body, enum p9_dialect d)
{
    return d == P9_2000L && type == P9_Rerror && body == 4 ? P9_Rlerror : type;
}

size_t p9_convM2S(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_fcall *f)
{
    struct in in = {.p = buf, .left = n};
    size_t size = (size_t)get_int(&in, 4);
    unsigned type = (unsigned)get_int(&in, 1);
    uint16_t tag = (uint16_t)get_int(&in, 2);

    if (in.failed || size < P9_HDRSZ || size > n)
        return 0;
    in.left = size - P9_HDRSZ;

    f->type = (uint8_t)type_on_wire(type, in.left, d);
    f->tag = tag;
    const struct p9_message *m = p9_message(f->type);
    if (m->name == NULL || (m->dialects & d) == 0)
        return 0;
    for (size_t i = 0; i < m->nfields; i++)
        if (m->fields[i].dialects & d)
            get_field(&in, &m->fields[i], d, (char *)f + m->fields[i].offset);
    return in.failed || in.left != 0 ? 0 : size;
}

/* ---- stat --------------------------------------------------------------- */

static void put_stat(struct out *o, const struct p9_stat *st, enum p9_dialect d, size_t size)
{
    put_int(o, size, 2);
    put_int(o, st->type, 2);
    put_int(o, st->dev, 4);
    put_qid(o, &st->qid);
    put_int(o, st->mode, 4);
    put_int(o, st->atime, 4);
    put_int(o, st->mtime, 4);
    put_int(o, st->length, 8);
    put_str(o, &st->name);
    put_str(o, &st->uid);
    put_str(o, &st->gid);
    put_str(o, &st->muid);
    if (d == P9_2000U) {
        put_str(o, &st->extension);
        put_int(o, st->n_uid, 4);
        put_int(o, st->n_gid, 4);
        put_int(o, st->n_muid, 4);
    }
}

size_t p9_sizeD2M(const struct p9_stat *st, enum p9_dialect d)
{
    struct out o = {.p = NULL};

    put_stat(&o, st, d, 0);
    return o.failed || o.total > UINT16_MAX + 2u ? 0 : o.total;
}

size_t p9_convD2M(const struct p9_stat *st, enum p9_dialect d, uint8_t *buf, size_t n)
{
    size_t size = p9_sizeD2M(st, d);
    struct out o = {.p = buf, .room = n};

    if (size == 0 || size > n)
        return 0;
    put_stat(&o, st, d, size - 2);
    return size;
}

size_t p9_convM2D(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_stat *st)
{
    struct in in = {.p = buf, .left = n};
    size_t size = (size_t)get_int(&in, 2);

    if (in.failed || size > in.left)
        return 0;
    in.left = size;
    st->type = (uint16_t)get_int(&in, 2);
    st->dev = (uint32_t)get_int(&in, 4);
    get_qid(&in, &st->qid);
    st->mode = (uint32_t)get_int(&in, 4);
    st->atime = (uint32_t)get_int(&in, 4);
    st->mtime = (uint32_t)get_int(&in, 4);
    st->length = get_int(&in, 8);
    get_str(&in, &st->name);
    get_str(&in, &st->uid);
    get_str(&in, &st->gid);
    get_str(&in, &st->muid);
    st->extension = (struct p9_str){NULL, 0};
    st->n_uid = st->n_gid = st->n_muid = P9_NONUNAME;
    if (d == P9_2000U) {
        get_str(&in, &st->extension);
        st->n_uid = (uint32_t)get_int(&in, 4);
        st->n_gid = (uint32_t)get_int(&in, 4);
        st->n_muid = (uint32_t)get_int(&in, 4);
    }
    return in.failed || in.left != 0 ? 0 : size + 2;
}

int p9_statcheck(const uint8_t *buf, size_t n, enum p9_dialect d)
{
    struct p9_stat st;

    return n > 0 && p9_convM2D(buf, n, d, &st) == n ? 0 : -1;
}

/* ---- directory entries of .L -------------------------------------------- */

size_t p9_dirent_pack(const struct p9_dirent *de, uint8_t *buf, size_t n)
{
    struct out o = {.p = buf, .room = n};

    put_qid(&o, &de->qid);
    put_int(&o, de->offset, 8);
    put_int(&o, de->type, 1);
    put_str(&o, &de->name);
    return o.failed ? 0 : o.total;
}

size_t p9_dirent_unpack(const uint8_t *buf, size_t n, struct p9_dirent *de)
{
    struct in in = {.p = buf, .left = n};

    get_qid(&in, &de->qid);
    de->offset = get_int(&in, 8);
    de->type = (uint8_t)get_int(&in, 1);
    get_str(&in, &de->name);
    return in.failed ? 0 : n - in.left;
}

/* ---- from a descriptor -------------------------------------------------- */

static ssize_t read_full(int fd, uint8_t *buf, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t r = read(fd, buf + got, n - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

ssize_t p9_read9pmsg(int fd, uint8_t *buf, size_t n)
{
    if (n < 4)
        return -EPROTO;
    ssize_t r = read_full(fd, buf, 4);
    if (r <= 0)
        return r;
    if (r < 4)
        return -EIO;
    size_t size = p9_get32(buf);
    if (size < P9_HDRSZ || size > n)
        return -EPROTO;
    r = read_full(fd, buf + 4, size - 4);
    if (r < 0)
        return r;
    return (size_t)r < size - 4 ? -EIO : (ssize_t)size;
}
