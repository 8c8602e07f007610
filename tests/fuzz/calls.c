/*
 * calls.c: see calls.h.
 */
#include "fuzz/calls.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "fuzz/input.h"

enum { BYTES = 12000, LINK_BYTES = 100, ENTRIES = 2048, VALUE_BYTES = 100, FOUND = 3 };

static const char *const names[] = {"a", "dir", "c", "d", "e", "f"};

/* The fid that a variant means: one of the slots, or the root if that is empty. */
static struct p9_fid *fid_of(struct calls *c, unsigned v)
{
    struct p9_fid *fid = c->fids[v % CALLS_FIDS];

    return fid != NULL ? fid : c->root;
}

/* Takes a reference away from its slot: the caller's. */
static struct p9_fid *take(struct calls *c, unsigned v)
{
    struct p9_fid *fid = c->fids[v % CALLS_FIDS];

    c->fids[v % CALLS_FIDS] = NULL;
    return fid;
}

static void keep(struct calls *c, unsigned v, int rc, struct p9_fid *fid)
{
    CHECK(rc <= 0);
    if (rc != 0)
        return;
    CHECK(fid != NULL && fid->num < 256);
    p9_fid_put(take(c, v));
    c->fids[v % CALLS_FIDS] = fid;
}

/* ---- fids --------------------------------------------------------------- */

static void walk(struct calls *c, unsigned v)
{
    struct p9_fid *fid = NULL;
    int rc = p9_walk(&c->scope, v & 4 ? c->root : fid_of(c, v + 1), 1 + v % 3, names, &fid);

    keep(c, v, rc, fid);
}

static void walk_twice(struct calls *c, unsigned v)
{
    struct p9_fid *fid = NULL, *second;
    int rc = p9_walk_twice(&c->scope, c->root, v % 4, names, &fid, &second);

    keep(c, v, rc, fid);
    CHECK(rc == 0 || second == NULL);
    if (second != NULL)
        keep(c, v + 1, 0, second);
}

struct started {
    struct p9_batch batch;
    struct p9_fid *fid;
};

static void walk_done(void *arg, struct p9_fid *fid)
{
    struct started *s = arg;

    s->fid = fid;
    p9_batch_done(&s->batch);
}

static void walk_start(struct calls *c, unsigned v)
{
    struct started s;

    p9_batch_init(&s.batch, 1);
    p9_walk_start(c->root, v & 4 ? "a" : NULL, walk_done, &s);
    p9_batch_wait(p9_client_session(c->client), &s.batch);
    if (s.fid != NULL)
        keep(c, v, 0, s.fid);
}

static void end_fid(struct calls *c, unsigned v)
{
    struct p9_fid *fid = take(c, v);

    if (fid != NULL && v & 4)
        p9_remove(&c->scope, fid);
    else if (fid != NULL)
        p9_fid_clunk(&c->scope, fid);
}

static void auth(struct calls *c, unsigned v)
{
    struct p9_fid *afid = NULL, *fid = NULL;

    if (p9_auth(&c->scope, c->client, "user", 1000, "", &afid) == 0) {
        int rc = p9_attach(&c->scope, c->client, "user", 1000, "", afid, &fid);
        keep(c, v, rc, fid);
        p9_fid_put(afid);
    }
}

static void find_many(struct calls *c, unsigned v)
{
    const struct p9_xattrs xattrs = {.of_dir = {v & 1 ? "user.d" : NULL}, .of_file = {"user.f", "user.g"}};
    struct p9_found found[FOUND] = {0};

    if (!p9_opens_checked(c->client, 1)) /* .L has both */
        return;
    for (unsigned i = 0; i < FOUND; i++)
        found[i] = (struct p9_found){.from = c->root, .name = names[i], .is_dir = i == 1, .list = v >> i & 1};
    p9_find_many(&c->scope, c->client, FOUND, &xattrs, found);
    for (unsigned i = 0; i < FOUND; i++) {
        CHECK(found[i].rc <= 0 && (found[i].rc == 0 || found[i].listing == NULL));
        if (found[i].rc == 0)
            p9_fid_put(found[i].fid);
        p9_listing_free(found[i].listing);
    }
}

/* ---- files -------------------------------------------------------------- */

static void open_it(struct calls *c, unsigned v)
{
    static const int flags[] = {O_RDONLY, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND, O_RDONLY | O_DIRECTORY};
    struct p9_fid *fid = c->fids[v % CALLS_FIDS];

    if (fid != NULL && p9_open(&c->scope, fid, flags[v & 3]) == 0)
        CHECK(fid->iounit > 0 && fid->iounit <= p9_client_payload(c->client));
}

static void open_checked(struct calls *c, unsigned v)
{
    uint8_t *first = malloc(VALUE_BYTES);
    struct p9_opening o = {.flags = O_RDONLY, .from = c->root, .n = 1 + v % 2, .names = names};

    o.fid = c->fids[v % CALLS_FIDS];
    if (o.fid != NULL && p9_opens_checked(c->client, o.n)) {
        o.is_open = o.fid->iounit != 0;
        o.first = o.is_open ? first : NULL;
        o.first_size = VALUE_BYTES;
        o.xattrs.names[0] = "user.f";
        if (!o.is_open && p9_walk(&c->scope, c->root, 0, NULL, &o.too[0]) == 0)
            o.ntoo = 1;
        if (p9_open_checked(&c->scope, &o) == 0) {
            CHECK(o.first == NULL || o.first_got <= VALUE_BYTES);
            p9_fid_put(o.walked);
        }
        p9_fid_put(o.too[0]);
    }
    free(first);
}

static void read_it(struct calls *c, unsigned v)
{
    uint8_t *buf = malloc(BYTES);
    struct p9_io io = {.fid = fid_of(c, v), .buf = buf, .count = v & 4 ? BYTES : 100, .size = 200, .short_ok = v & 1};

    io.scope = &c->scope;
    CHECK(p9_read_wait(&io) <= (ssize_t)io.count);
    free(buf);
}

static void write_it(struct calls *c, unsigned v)
{
    uint8_t *buf = calloc(1, BYTES);
    struct p9_io io = {.fid = fid_of(c, v), .buf = buf, .count = v & 4 ? BYTES : 100, .in_order = v & 1};

    io.scope = &c->scope;
    ssize_t n = p9_write_wait(&io);
    CHECK(n < 0 || n == (ssize_t)io.count);
    free(buf);
}

static void read_dir(struct calls *c, unsigned v)
{
    uint32_t size = v & 4 ? ENTRIES : 64, got = 0;
    uint8_t *buf = malloc(size);
    uint64_t offset = v & 2 ? 50 : 0;
    struct p9_dirent de;
    struct p9_attr attr;

    for (int again = 0; again < 3; again++) {
        if (p9_readdir(&c->scope, fid_of(c, v), offset, buf, size, &got) != 0 || got == 0)
            break;
        CHECK(got <= size);
        for (size_t at = 0, used; at < got; at += used) {
            used = p9_next_dirent(c->client, buf + at, got - at, offset, &de, &attr);
            if (used == 0)
                break;
            CHECK(used <= got - at && memchr(de.name.s, '/', de.name.len) == NULL);
            offset = de.offset;
        }
    }
    free(buf);
}

static void read_link(struct calls *c, unsigned v)
{
    char *buf = malloc(LINK_BYTES);

    if (p9_readlink(&c->scope, fid_of(c, v), buf, LINK_BYTES) == 0)
        CHECK(memchr(buf, 0, LINK_BYTES) != NULL);
    free(buf);
}

/* ---- attributes --------------------------------------------------------- */

static void get_attr(struct calls *c, unsigned v)
{
    struct p9_xattrs_too too = {.names = {"user.a", NULL, "user.b"}};
    struct p9_attr attr;

    if (v & 4)
        p9_getattr_too(&c->scope, fid_of(c, v), &attr, v & 1 ? c->root : NULL, &too);
    else
        p9_getattr(&c->scope, fid_of(c, v), &attr);
}

static void set_attr(struct calls *c, unsigned v)
{
    static const uint32_t valid[] = {P9_SETATTR_MODE, P9_SETATTR_SIZE, P9_SETATTR_UID | P9_SETATTR_GID,
                                     P9_SETATTR_ATIME | P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET};
    const struct p9_setattr set = {.valid = valid[v & 3], .mode = 0640, .uid = 1, .gid = 1, .size = 5};
    struct p9_attr seen;

    if (v & 4)
        p9_setattr_seen(&c->scope, fid_of(c, v), &set, &seen);
    else
        p9_setattr(&c->scope, fid_of(c, v), &set);
}

static void xattr(struct calls *c, unsigned v)
{
    struct p9_xattrs_too too = {.names = {"user.too"}};
    char *value = malloc(VALUE_BYTES);
    size_t n = v & 2 ? VALUE_BYTES : 0;

    ssize_t got = p9_getxattr(&c->scope, fid_of(c, v), v & 1 ? "user.a" : "", value, n, v & 4 ? &too : NULL);
    CHECK(n == 0 || got <= (ssize_t)n);
    free(value);
}

static void set_xattr(struct calls *c, unsigned v)
{
    if (v & 4)
        p9_removexattr(&c->scope, fid_of(c, v), "user.a");
    else
        p9_setxattr(&c->scope, fid_of(c, v), "user.a", "value", 5, v & 1 ? XATTR_CREATE : 0);
}

static void lock_done(struct p9_locking *l)
{
    p9_batch_done(l->arg);
}

static void lock(struct calls *c, unsigned v)
{
    struct p9_locking l = {.fid = fid_of(c, v), .type = v % 3, .query = (v & 4) != 0, .scope = &c->scope};
    struct p9_batch batch;

    if (!p9_may_lock(c->client))
        return;
    p9_batch_init(&batch, 1);
    l.done = lock_done;
    l.arg = &batch;
    p9_lock_start(&l);
    p9_batch_wait(p9_client_session(c->client), &batch);
    CHECK(l.rc <= 0);
}

/* ---- names -------------------------------------------------------------- */

static void create(struct calls *c, unsigned v)
{
    struct p9_fid *fid = c->fids[v % CALLS_FIDS];

    if (fid != NULL)
        p9_create(&c->scope, fid, "new", O_RDWR | (v & 4 ? O_EXCL : O_TRUNC), 0644, 100);
}

static void make(struct calls *c, unsigned v)
{
    struct p9_qid made;

    if (v == 0)
        p9_make_file(&c->scope, c->root, "new", 0600, 0, &made);
    else if (v == 1)
        p9_mkdir(&c->scope, c->root, "newdir", 0755, 0, &made);
    else if (v == 2)
        p9_symlink(&c->scope, c->root, "link", "target", 0, &made);
    else if (v == 3)
        p9_link(&c->scope, c->root, fid_of(c, v), "hard");
    else
        p9_mknod(&c->scope, c->root, "node", v == 4 ? S_IFREG | 0644 : S_IFCHR | 0600, 0x0102, 0, &made);
}

static void unlink_it(struct calls *c, unsigned v)
{
    p9_unlink(&c->scope, fid_of(c, v), "a", (v & 4) != 0);
}

static void rename_it(struct calls *c, unsigned v)
{
    p9_rename(&c->scope, c->root, "a", v & 4 ? fid_of(c, v) : c->root, "dir");
}

static void sync_it(struct calls *c, unsigned v)
{
    struct p9_statfs st;

    if (v & 4)
        p9_fsync(&c->scope, fid_of(c, v), v & 1);
    else
        p9_statfs(&c->scope, fid_of(c, v), &st);
}

/* ---- all ---------------------------------------------------------------- */

static void (*const calls[])(struct calls *c, unsigned v) = {
    walk,   walk_twice, walk_start, end_fid,  auth,  find_many, open_it, open_checked, read_it,   write_it,  read_dir,
    create, read_link,  get_attr,   set_attr, xattr, set_xattr, lock,    make,         unlink_it, rename_it, sync_it};

void calls_in_order(struct calls *c)
{
    enum { MANY = 80 };
    const struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = P9_NOFID};
    struct p9_session *s = p9_client_session(c->client);
    struct p9_req *reqs = calloc(MANY, sizeof *reqs);
    struct p9_batch batch;

    p9_batch_init(&batch, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        reqs[i] = (struct p9_req){.done = p9_req_batch_done, .arg = &batch};
        p9_submit_more(s, &reqs[i], &tx);
    }
    p9_push(s);
    p9_batch_wait(s, &batch);
    free(reqs);
    CHECK(p9_session_in_order(s));
}

int calls_begin(struct calls *c)
{
    int rc = p9_attach(NULL, c->client, "user", 1000, "/", NULL, &c->root);

    return rc == 0 ? p9_client_learn(c->client, c->root) : rc;
}

void calls_do(struct calls *c, uint8_t what)
{
    c->scope = (struct p9_scope){.reqs = NULL};
    calls[(what & 31) % (sizeof calls / sizeof *calls)](c, what >> 5);
    CHECK(c->scope.reqs == NULL);
}

void calls_end(struct calls *c)
{
    for (unsigned i = 0; i < CALLS_FIDS; i++)
        p9_fid_put(c->fids[i]);
    p9_fid_put(c->root);
}
