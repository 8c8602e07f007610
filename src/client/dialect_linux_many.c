/*
 * dialect_linux_many.c: many names of a directory looked up at once.
 *
 * Each round sends one request, or some that do not depend on each other, for each name, and waits for all: walks; then
 * attributes, extended ones and opens; then, where directories are to be read, their first entries, and those that follow.
 * With a server that answers in order the first two are one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "client/dialect_linux.h"

enum {
    LISTING_BYTES = 16384, /* of a directory that is read ahead */
    WORTH_ASKING = 1024,   /* with less room left it is not asked for more */
};

/* A name that is looked for: its own requests. */
struct look {
    struct p9_req walk, attr, dir_walk, dir_req;
    struct linux_xattrs xattrs;
    bool refused;       /* the attributes, before the walk was answered */
    struct p9_fid *dir; /* a second fid, to be opened */
    struct p9_listing *listing;
    uint64_t next; /* where reading goes on */
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

static void ask_one(struct linux_round *r, struct p9_fid *fid, bool is_dir, const struct p9_xattrs *xattrs,
                    struct look *look)
{
    const char *const *names = is_dir ? xattrs->of_dir : xattrs->of_file;
    struct p9_fcall tx = linux_getattr_message(fid);

    look->attr = (struct p9_req){0};
    linux_round_send(r, &look->attr, &tx);
    linux_xattrs_ask(&look->xattrs, r, fid, names);
    if (look->dir == NULL)
        return;
    tx = linux_lopen_message(look->dir, O_RDONLY | O_DIRECTORY);
    look->dir_req = (struct p9_req){0};
    linux_round_send(r, &look->dir_req, &tx);
}

static void take_answers(struct look *look, struct p9_found *found)
{
    linux_xattrs_take(&look->xattrs, found->lacks);
    found->rc = look->attr.rc;
    if (found->rc == 0)
        linux_attr_of(&look->attr.rx, &found->attr);
    else
        p9_fid_put(found->fid);
    if (look->dir != NULL && look->dir_req.rc == 0 && found->rc == 0) {
        linux_note_opened(look->dir, &look->dir_req.rx);
        look->listing = malloc(sizeof *look->listing + LISTING_BYTES);
    }
    if (look->listing == NULL)
        p9_fid_put(look->dir);
    else
        *look->listing = (struct p9_listing){.fid = look->dir};
}

/* ---- both --------------------------------------------------------------- */

/* too: what the walks lead to is asked for with them. */
static void walk_each(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs, bool too,
                      struct p9_found *found, struct look *look)
{
    struct linux_round r;

    linux_round_begin(&r, sc, c);
    for (size_t i = 0; i < n; i++) {
        found[i].rc = fid_new(sc, c, &found[i].fid);
        if (found[i].rc != 0)
            continue;
        struct p9_fcall tx = p9_walk_message(found[i].from, found[i].fid, 1, &found[i].name);
        linux_round_send(&r, &look[i].walk, &tx);
        if (found[i].list && fid_new(sc, c, &look[i].dir) == 0) {
            tx = p9_walk_message(found[i].from, look[i].dir, 1, &found[i].name);
            linux_round_send(&r, &look[i].dir_walk, &tx);
        }
        if (too)
            ask_one(&r, found[i].fid, found[i].is_dir, xattrs, &look[i]);
    }
    linux_round_end(&r);
    for (size_t i = 0; i < n; i++) {
        struct p9_fid *dir = look[i].dir;
        if (found[i].rc == 0)
            found[i].rc = walked(found[i].fid, &look[i].walk);
        if (dir == NULL)
            continue;
        if (walked(dir, &look[i].dir_walk) != 0) {
            look[i].dir = NULL;
        } else if (found[i].rc != 0 || !(dir->qid.type & P9_QTDIR) || dir->qid.path != found[i].fid->qid.path) {
            p9_fid_put(dir);
            look[i].dir = NULL;
        }
    }
}

/* What was asked with the walks: whether all that the walks led to was known to the server by then, or else is to be asked again. */
static bool guessed_right(size_t n, const struct p9_found *found, struct look *look)
{
    int lacks[P9_XATTRS];
    bool right = true;

    for (size_t i = 0; i < n; i++) {
        look[i].refused = found[i].rc == 0 && look[i].attr.rc != 0 && look[i].attr.rc != -EINTR;
        right = right && !look[i].refused;
    }
    for (size_t i = 0; i < n; i++)
        if (!right || found[i].rc != 0) {
            linux_xattrs_take(&look[i].xattrs, lacks);
            look[i].xattrs = (struct linux_xattrs){0};
        }
    return right;
}

static void ask_each(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                     struct p9_found *found, struct look *look)
{
    struct linux_round r;

    linux_round_begin(&r, sc, c);
    for (size_t i = 0; i < n; i++)
        if (found[i].rc == 0)
            ask_one(&r, found[i].fid, (found[i].fid->qid.type & P9_QTDIR) != 0, xattrs, &look[i]);
    linux_round_end(&r);
    for (size_t i = 0; i < n; i++)
        if (look[i].refused && look[i].attr.rc == 0)
            atomic_store(&c->no_guess, true);
}

/* ---- directories -------------------------------------------------------- */

static void ask_entries(struct linux_round *r, struct look *look)
{
    struct p9_listing *l = look->listing;
    uint32_t n = LISTING_BYTES - l->len, most = l->fid->iounit;

    if (most > l->fid->client->read_max)
        most = l->fid->client->read_max;
    look->dir_req = (struct p9_req){.into = l->entries + l->len, .into_size = n < most ? n : most, .part_ok = true};
    struct p9_fcall tx = {.type = P9_Treaddir,
                          .Treaddir = {.fid = l->fid->num, .offset = look->next, .count = look->dir_req.into_size}};
    linux_round_send(r, &look->dir_req, &tx);
}

/* Takes in what came. What is malformed, or failed, is left for who reads the directory to find. */
static void take_entries(struct look *look)
{
    struct p9_listing *l = look->listing;
    uint32_t got = look->dir_req.rc == 0 ? look->dir_req.rx.Rreaddir.count.n : 0, at = 0;
    struct p9_dirent de;

    l->whole = look->dir_req.rc == 0 && got == 0;
    while (at < got) {
        size_t used = p9_dirent_unpack(l->entries + l->len + at, got - at, &de);
        if (used == 0)
            break;
        at += (uint32_t)used;
        look->next = de.offset;
    }
    l->len += at;
}

static bool wants_more(const struct look *look)
{
    const struct p9_listing *l = look->listing;

    return l != NULL && !l->whole && (l->len == 0 || l->len + WORTH_ASKING <= LISTING_BYTES);
}

static void read_each(struct p9_scope *sc, struct p9_client *c, size_t n, struct look *look, struct p9_found *found)
{
    struct linux_round r;

    for (int again = 0; again < 2; again++) {
        linux_round_begin(&r, sc, c);
        for (size_t i = 0; i < n; i++)
            if (wants_more(&look[i]))
                ask_entries(&r, &look[i]);
            else
                look[i].dir_req = (struct p9_req){.rc = -EAGAIN};
        linux_round_end(&r);
        for (size_t i = 0; i < n; i++)
            if (look[i].listing != NULL && look[i].dir_req.rc != -EAGAIN)
                take_entries(&look[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct p9_listing *l = look[i].listing;
        struct p9_listing *smaller = l != NULL ? realloc(l, sizeof *l + l->len) : NULL;
        found[i].listing = smaller != NULL ? smaller : l;
    }
}

/* ---- all of it ---------------------------------------------------------- */

void linux_find_many(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                     struct p9_found *found)
{
    struct look *look = calloc(n, sizeof *look);
    bool listings = false, together = p9_session_in_order(c->session) && !atomic_load(&c->no_guess);

    for (size_t i = 0; i < n; i++) {
        found[i].rc = -ENOMEM;
        found[i].listing = NULL;
    }
    if (look == NULL)
        return;
    walk_each(sc, c, n, xattrs, together, found, look);
    if (!together || !guessed_right(n, found, look))
        ask_each(sc, c, n, xattrs, found, look);
    for (size_t i = 0; i < n; i++) {
        if (found[i].rc == 0)
            take_answers(&look[i], &found[i]);
        listings = listings || look[i].listing != NULL;
    }
    if (listings)
        read_each(sc, c, n, look, found);
    free(look);
}
