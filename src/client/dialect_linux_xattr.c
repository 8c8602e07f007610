/*
 * dialect_linux_xattr.c: 9P2000.L: extended attributes.
 */
#include <errno.h>
#include <sys/xattr.h>

#include "client/dialect_linux.h"

struct xattr {
    struct p9_fid *file;
    const char *name;
    uint64_t size;
};

static int xattr_walk(struct p9_scope *sc, struct p9_fid *newfid, void *arg)
{
    struct xattr *x = arg;
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Txattrwalk,
                          .Txattrwalk = {.fid = x->file->num, .newfid = newfid->num, .name = p9_str(x->name)}};
    int rc = p9_rpc(sc, newfid->client, &req, &tx);

    x->size = req.rx.Rxattrwalk.size;
    newfid->iounit = p9_fid_iounit(newfid->client, 0);
    return rc;
}

void linux_xattrs_send(struct linux_xattrs *x, struct p9_round *r, struct p9_fid *fid, const char *const *names)
{
    for (unsigned i = 0; i < P9_XATTRS; i++) {
        if (names[i] == NULL || fid_new(r->scope, fid->client, &x->value[i]) != 0)
            continue;
        struct p9_fcall tx = {.type = P9_Txattrwalk,
                              .Txattrwalk = {.fid = fid->num, .newfid = x->value[i]->num, .name = p9_str(names[i])}};
        p9_round_send(r, &x->req[i], &tx);
    }
}

void linux_xattrs_collect(struct linux_xattrs *x, int lacks[P9_XATTRS])
{
    for (unsigned i = 0; i < P9_XATTRS; i++) {
        int rc = x->value[i] != NULL ? x->req[i].rc : 0;
        lacks[i] = rc == -ENODATA || rc == -EOPNOTSUPP ? rc : 0;
        if (rc != 0)
            fid_failed(x->value[i], rc);
        else
            p9_fid_put(x->value[i]);
    }
}

ssize_t linux_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                       struct p9_xattrs_too *too)
{
    struct xattr x = {.file = fid, .name = name};
    struct linux_xattrs others = {0};
    struct p9_round r;
    struct p9_fid *value;

    p9_round_begin(&r, sc, fid->client);
    if (too != NULL)
        linux_xattrs_send(&others, &r, fid, too->names);
    int rc = fid_make(sc, fid->client, xattr_walk, &x, &value);
    p9_round_end(&r);
    if (too != NULL)
        linux_xattrs_collect(&others, too->lacks);
    if (rc != 0)
        return rc;
    ssize_t got = x.size <= INT32_MAX ? (ssize_t)x.size : -E2BIG;
    if (got > 0 && n > 0) {
        struct p9_io io = {.fid = value, .buf = buf, .count = (uint32_t)x.size, .size = UINT64_MAX, .scope = sc};
        got = x.size <= n ? p9_read_wait(&io) : -ERANGE;
        if (got >= 0 && (uint64_t)got != x.size)
            got = -EIO;
    }
    p9_fid_put(value);
    return got;
}

int linux_getattr_too(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                      struct p9_xattrs_too *too)
{
    struct p9_fid *by = unopened != NULL ? unopened : p9_has_habit(fid->client, P9_NO_XATTR_OF_OPEN) ? NULL : fid;
    const struct p9_fcall tx = linux_getattr_message(fid);
    struct linux_xattrs x = {0};
    struct p9_req req = {0};
    struct p9_round r;

    p9_round_begin(&r, sc, fid->client);
    p9_round_send(&r, &req, &tx);
    if (by != NULL)
        linux_xattrs_send(&x, &r, by, too->names);
    p9_round_end(&r);
    linux_xattrs_collect(&x, too->lacks);
    if (req.rc == 0)
        linux_attr_of(&req.rx, attr);
    return req.rc;
}

/* Txattrcreate turns the fid into the attribute; the clunk sets its value. */
int linux_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags)
{
    struct p9_fid *attr;
    int rc = p9_walk(sc, fid, 0, NULL, &attr);

    if (rc != 0)
        return rc;
    struct p9_fcall tx = {
        .type = P9_Txattrcreate,
        .Txattrcreate = {.fid = attr->num, .name = p9_str(name), .attr_size = n, .flags = (uint32_t)flags}};
    rc = p9_do(sc, fid->client, &tx);
    attr->iounit = p9_fid_iounit(fid->client, 0);
    struct p9_io io = {.fid = attr, .buf = (uint8_t *)value, .count = (uint32_t)n, .in_order = true, .scope = sc};
    ssize_t put = rc == 0 ? p9_write_wait(&io) : rc;
    if (put == (ssize_t)n)
        return p9_fid_clunk(NULL, attr);
    p9_fid_put(attr);
    return put < 0 ? (int)put : -EIO;
}

int linux_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name)
{
    return linux_setxattr(sc, fid, name, NULL, 0, XATTR_REPLACE);
}
