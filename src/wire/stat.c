/*
 * stat.c: stats of 9P2000 and 9P2000.u, and directory entries of 9P2000.L <-> bytes.
 */
#include "wire/cursor.h"

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
