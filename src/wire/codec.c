/*
 * codec.c: Fcall <-> bytes, by walking the rows of the table.
 */
#include <errno.h>
#include <unistd.h>

#include "wire/cursor.h"
#include "wire/table.h"

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
        blob->p = in->no_payload ? NULL : get_bytes(in, blob->n);
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

/* nfs-ganesha numbers its Rlerror 107 (PROTOCOL 2); its body of one number distinguishes it from
 * Rerror. */
static unsigned type_on_wire(unsigned type, size_t body, enum p9_dialect d)
{
    return d == P9_2000L && type == P9_Rerror && body == 4 ? P9_Rlerror : type;
}

/* head: buf[n] is a message without its payload. */
static size_t unpack(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_fcall *f, bool head)
{
    struct in in = {.p = buf, .left = n, .no_payload = head};
    size_t size = (size_t)get_int(&in, 4);
    unsigned type = (unsigned)get_int(&in, 1);
    uint16_t tag = (uint16_t)get_int(&in, 2);

    if (in.failed || size < P9_HDRSZ || (size > n && !head))
        return 0;
    in.left = (head ? n : size) - P9_HDRSZ;

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

size_t p9_convM2S(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_fcall *f)
{
    return unpack(buf, n, d, f, false);
}

size_t p9_headM2S(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_fcall *f)
{
    return unpack(buf, n, d, f, true);
}

void p9_hide_payload(struct p9_fcall *f)
{
    const struct p9_message *m = p9_message(f->type);

    if (p9_has_payload(f->type))
        ((struct p9_blob *)(void *)((char *)f + m->fields[m->nfields - 1].offset))->p = NULL;
}

/* ---- reading from a descriptor ------------------------------------------ */

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
