/*
 * dialect_linux_many.c: 9P2000.L: looking up many names of directories at once.
 *
 * Each round sends, for each name, one request or several that do not depend on each other, and
 * waits for all: first walks; then attributes, extended attributes and opens; then, for directories
 * to be read, their first entries, and the entries that follow. With a server that answers in order
 * the first two rounds are one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "client/dialect_linux.h"

enum {
    LISTING_BYTES = 16384, /* at most, of one directory */
    MIN_ROOM = 1024,       /* with less room left no more entries are read */
};

/* The requests for one name. */
struct lookup {
    struct p9_req walk, attr, dir_walk, dir_req;
    struct linux_xattrs xattrs;
    bool refused;       /* Tgetattr failed when it was pipelined with the walk */
    struct p9_fid *dir; /* a second fid, to open */
    struct p9_listing *listing;
    uint64_t next; /* the offset of the next Treaddir */
};

void p9_listing_free(struct p9_listing *l)
{
    if (l == NULL)
        return;
    p9_fid_put(l->fid);
    free(l);
}

/* ---- walks -------------------------------------------------------------- */

static int walked(struct p9_fid *fid, const struct p9_req *req)
{
    int rc = req->rc == 0 && req->rx.Rwalk.nwqid.n != 1 ? -ENOENT : req->rc;

    fid->doubtful = rc != req->rc;
    if (rc != 0)
        fid_failed(fid, rc);
    else
        fid->qid = req->rx.Rwalk.nwqid.qid[0];
    return rc;
}

/* ---- attributes --------------------------------------------------------- */

static void send_one(struct p9_round *r, struct p9_fid *fid, bool is_dir, const struct p9_xattrs *xattrs,
                     struct lookup *lk)
{
    const char *const *names = is_dir ? xattrs->of_dir : xattrs->of_file;
    struct p9_fcall tx = linux_getattr_message(fid);

    lk->attr = (struct p9_req){0};
    p9_round_send(r, &lk->attr, &tx);
    linux_xattrs_send(&lk->xattrs, r, fid, names);
    if (lk->dir == NULL)
        return;
    tx = linux_lopen_message(lk->dir, O_RDONLY | O_DIRECTORY);
    lk->dir_req = (struct p9_req){0};
    p9_round_send(r, &lk->dir_req, &tx);
}

static void collect_one(struct lookup *lk, struct p9_found *found)
{
    linux_xattrs_collect(&lk->xattrs, found->lacks);
    found->rc = lk->attr.rc;
    if (found->rc == 0)
        linux_attr_of(&lk->attr.rx, &found->attr);
    else
        p9_fid_put(found->fid);
    if (lk->dir != NULL && lk->dir_req.rc == 0 && found->rc == 0) {
        linux_set_opened(lk->dir, &lk->dir_req.rx);
        lk->listing = malloc(sizeof *lk->listing + LISTING_BYTES);
    }
    if (lk->listing == NULL)
        p9_fid_put(lk->dir);
    else
        *lk->listing = (struct p9_listing){.fid = lk->dir};
}

/* ---- the first two rounds ----------------------------------------------- */

/* pipelined: sends the requests on the new fids in the same round. */
static void walk_each(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                      bool pipelined, struct p9_found *found, struct lookup *lk)
{
    struct p9_round r;

    p9_round_begin(&r, sc, c);
    for (size_t i = 0; i < n; i++) {
        found[i].rc = fid_new(sc, c, &found[i].fid);
        if (found[i].rc != 0)
            continue;
        struct p9_fcall tx = p9_walk_message(found[i].from, found[i].fid, 1, &found[i].name);
        p9_round_send(&r, &lk[i].walk, &tx);
        if (found[i].list && fid_new(sc, c, &lk[i].dir) == 0) {
            tx = p9_walk_message(found[i].from, lk[i].dir, 1, &found[i].name);
            p9_round_send(&r, &lk[i].dir_walk, &tx);
        }
        if (pipelined)
            send_one(&r, found[i].fid, found[i].is_dir, xattrs, &lk[i]);
    }
    p9_round_end(&r);
    for (size_t i = 0; i < n; i++) {
        struct p9_fid *dir = lk[i].dir;
        if (found[i].rc == 0)
            found[i].rc = walked(found[i].fid, &lk[i].walk);
        if (dir == NULL)
            continue;
        if (walked(dir, &lk[i].dir_walk) != 0) {
            lk[i].dir = NULL;
        } else if (found[i].rc != 0 || !(dir->qid.type & P9_QTDIR) || dir->qid.path != found[i].fid->qid.path) {
            p9_fid_put(dir);
            lk[i].dir = NULL;
        }
    }
}

/* Whether the server knew every walked fid when it served the requests sent with the walks.
 * Otherwise they are to be sent again. */
static bool pipelining_worked(size_t n, const struct p9_found *found, struct lookup *lk)
{
    int lacks[P9_XATTRS];
    bool worked = true;

    for (size_t i = 0; i < n; i++) {
        lk[i].refused = found[i].rc == 0 && lk[i].attr.rc != 0 && lk[i].attr.rc != -EINTR;
        worked = worked && !lk[i].refused;
    }
    for (size_t i = 0; i < n; i++)
        if (!worked || found[i].rc != 0) {
            linux_xattrs_collect(&lk[i].xattrs, lacks);
            lk[i].xattrs = (struct linux_xattrs){0};
        }
    return worked;
}

static void query_each(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                       struct p9_found *found, struct lookup *lk)
{
    struct p9_round r;

    p9_round_begin(&r, sc, c);
    for (size_t i = 0; i < n; i++)
        if (found[i].rc == 0)
            send_one(&r, found[i].fid, (found[i].fid->qid.type & P9_QTDIR) != 0, xattrs, &lk[i]);
    p9_round_end(&r);
    for (size_t i = 0; i < n; i++)
        if (lk[i].refused && lk[i].attr.rc == 0)
            atomic_store(&c->no_pipelining, true);
}

/* ---- directories -------------------------------------------------------- */

static void send_readdir(struct p9_round *r, struct lookup *lk)
{
    struct p9_listing *l = lk->listing;
    uint32_t n = LISTING_BYTES - l->len, most = l->fid->iounit;

    if (most > l->fid->client->read_max)
        most = l->fid->client->read_max;
    lk->dir_req = (struct p9_req){.into = l->entries + l->len, .into_size = n < most ? n : most, .part_ok = true};
    struct p9_fcall tx = {.type = P9_Treaddir,
                          .Treaddir = {.fid = l->fid->num, .offset = lk->next, .count = lk->dir_req.into_size}};
    p9_round_send(r, &lk->dir_req, &tx);
}

/* Adds the entries of a reply. An error or a malformed entry is left to a read of the directory. */
static void collect_entries(struct lookup *lk)
{
    struct p9_listing *l = lk->listing;
    uint32_t got = lk->dir_req.rc == 0 ? lk->dir_req.rx.Rreaddir.count.n : 0, at = 0;
    struct p9_dirent de;

    l->whole = lk->dir_req.rc == 0 && got == 0;
    while (at < got) {
        size_t used = p9_dirent_unpack(l->entries + l->len + at, got - at, &de);
        if (used == 0)
            break;
        at += (uint32_t)used;
        lk->next = de.offset;
    }
    l->len += at;
}

static bool wants_more(const struct lookup *lk)
{
    const struct p9_listing *l = lk->listing;

    return l != NULL && !l->whole && (l->len == 0 || l->len + MIN_ROOM <= LISTING_BYTES);
}

static void read_each(struct p9_scope *sc, struct p9_client *c, size_t n, struct lookup *lk, struct p9_found *found)
{
    struct p9_round r;

    for (int again = 0; again < 2; again++) {
        p9_round_begin(&r, sc, c);
        for (size_t i = 0; i < n; i++)
            if (wants_more(&lk[i]))
                send_readdir(&r, &lk[i]);
            else
                lk[i].dir_req = (struct p9_req){.rc = -EAGAIN};
        p9_round_end(&r);
        for (size_t i = 0; i < n; i++)
            if (lk[i].listing != NULL && lk[i].dir_req.rc != -EAGAIN)
                collect_entries(&lk[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct p9_listing *l = lk[i].listing;
        struct p9_listing *smaller = l != NULL ? realloc(l, sizeof *l + l->len) : NULL;
        found[i].listing = smaller != NULL ? smaller : l;
    }
}

void linux_find_many(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                     struct p9_found *found)
{
    struct lookup *lk = calloc(n, sizeof *lk);
    bool listings = false, pipelined = p9_session_in_order(c->session) && !atomic_load(&c->no_pipelining);

    for (size_t i = 0; i < n; i++) {
        found[i].rc = -ENOMEM;
        found[i].listing = NULL;
    }
    if (lk == NULL)
        return;
    walk_each(sc, c, n, xattrs, pipelined, found, lk);
    if (!pipelined || !pipelining_worked(n, found, lk))
        query_each(sc, c, n, xattrs, found, lk);
    for (size_t i = 0; i < n; i++) {
        if (found[i].rc == 0)
            collect_one(&lk[i], &found[i]);
        listings = listings || lk[i].listing != NULL;
    }
    if (listings)
        read_each(sc, c, n, lk, found);
    free(lk);
}
