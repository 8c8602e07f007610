/*
 * test_nomem.c: a client where an allocation fails, whichever it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/nomem.h"
#include "unit/pathsrv.h"
#include "unit/test.h"

enum { SIZE = 20000, IOUNIT = 64, ENTRIES = 4096, FOUND = 3 };

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct p9_fid *root;
    uint64_t dir, file; /* their qid.path */
};

static struct p9_client *start(int fd)
{
    const struct p9_client_options o = {.session = {.msize = 8192 + P9_IOHDRSZ, .dialect = P9_2000L, .max_tags = 512},
                                        .max_fids = 64};
    struct p9_client *c = NULL;
    struct p9_why why;
    int err;
    struct transport *t = transport_fds(fd, fd, &err, &why);

    if (t != NULL)
        c = p9_client_start(t, &o, &err, &why);
    else
        close(fd);
    if (!nomem_got(c))
        assert_int_equal(err, -ENOMEM);
    return c;
}

/* ---- fids ------------------------------------------------------------------ */

static struct p9_fid *walk(struct world *w, size_t n, const char *const *names, uint64_t path)
{
    struct p9_fid *fid;

    if (!nomem_is(p9_walk(NULL, w->root, n, names, &fid), 0))
        return NULL;
    assert_int_equal(fid->qid.path, path);
    return fid;
}

static struct p9_fid *file(struct world *w)
{
    static const char *const names[] = {"d", "f"};

    return walk(w, 2, names, w->file);
}

static void missing(struct world *w)
{
    char name[P9_MAXNAME + 1];
    const char *const names[] = {"d", name};
    struct p9_fid *fid;

    memset(name, 'n', P9_MAXNAME); /* the message does not fit into a request */
    name[P9_MAXNAME] = 0;
    nomem_is(p9_walk(NULL, w->root, 2, names, &fid), -ENOENT);
}

static void twice(struct world *w)
{
    const char *name = "d";
    struct p9_fid *fid, *second;

    if (!nomem_is(p9_walk_twice(NULL, w->root, 1, &name, &fid, &second), 0)) {
        assert_null(second);
        return;
    }
    assert_int_equal(fid->qid.path, w->dir);
    nomem_got(second);
    p9_fid_put(fid);
    p9_fid_put(second);
}

/* ---- open files ------------------------------------------------------------- */

static void check_bytes(const uint8_t *buf, ssize_t n)
{
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(buf[i], (uint8_t)(i * 7));
}

static void read_and_write(struct world *w)
{
    static uint8_t buf[SIZE];
    struct p9_fid *fid = file(w);
    struct p9_io io = {.fid = fid, .buf = buf, .count = sizeof buf, .size = SIZE};

    if (fid != NULL && nomem_is(p9_open(NULL, fid, O_RDWR), 0)) {
        if (nomem_is((int)p9_read_wait(&io), SIZE))
            check_bytes(buf, SIZE);
        memset(w->srv->written, 0, SIZE);
        if (nomem_is((int)p9_write_wait(&io), SIZE))
            check_bytes(w->srv->written, SIZE);
        nomem_is(p9_fsync(NULL, fid, false), 0);
    }
    p9_fid_put(fid);
}

static unsigned count_entries(struct world *w, const uint8_t *buf, size_t n)
{
    struct p9_dirent de;
    struct p9_attr attr;
    unsigned entries = 0;

    for (size_t at = 0, used; at < n; at += used, entries++) {
        used = p9_next_dirent(w->client, buf + at, n - at, 0, &de, &attr);
        assert_true(used > 0);
    }
    return entries;
}

static void read_dir(struct world *w)
{
    static uint8_t buf[ENTRIES];
    struct p9_fid *fid = walk(w, 0, NULL, w->root->qid.path);
    uint32_t got;

    if (fid != NULL && nomem_is(p9_open(NULL, fid, O_RDONLY | O_DIRECTORY), 0) &&
        nomem_is(p9_readdir(NULL, fid, 0, buf, sizeof buf, &got), 0))
        assert_int_equal(count_entries(w, buf, got), 2);
    p9_fid_put(fid);
}

static void lock_done(struct p9_locking *l)
{
    p9_batch_done(l->arg);
}

static void lock(struct world *w, bool query)
{
    struct p9_batch batch;
    struct p9_locking l = {.fid = file(w), .type = P9_LOCK_WRLCK, .query = query, .done = lock_done, .arg = &batch};

    if (l.fid == NULL)
        return;
    p9_batch_init(&batch, 1);
    p9_lock_start(&l);
    p9_batch_wait(p9_client_session(w->client), &batch);
    nomem_is(l.rc, 0);
    p9_fid_put(l.fid);
}

/* ---- several requests at once ------------------------------------------------- */

static void find_many(struct world *w)
{
    static const char *const names[FOUND] = {"d", "g", "none"};
    const struct p9_xattrs xattrs = {.of_dir = {"user.d"}, .of_file = {"user.f"}};
    struct p9_found found[FOUND];

    for (unsigned i = 0; i < FOUND; i++)
        found[i] = (struct p9_found){.from = w->root, .name = names[i], .is_dir = i == 0, .list = i == 0};
    p9_find_many(NULL, w->client, FOUND, &xattrs, found);
    for (unsigned i = 0; i < FOUND; i++) {
        bool there = nomem_is(found[i].rc, i < 2 ? 0 : -ENOENT) && i < 2;
        if (there) {
            assert_int_equal(found[i].fid->qid.path, found[i].attr.qid.path);
            assert_int_equal(S_ISDIR(found[i].attr.mode), i == 0);
            p9_fid_put(found[i].fid);
        }
        if (found[i].listing != NULL && found[i].listing->whole)
            assert_int_equal(count_entries(w, found[i].listing->entries, found[i].listing->len), 1);
        p9_listing_free(found[i].listing);
    }
}

static void open_checked(struct world *w)
{
    static const char *const names[] = {"d", "f"};
    struct p9_opening o = {.fid = file(w), .flags = O_RDONLY, .from = w->root, .n = 2, .names = names, .ntoo = 1};

    o.xattrs.names[1] = "user.f";
    o.too[0] = o.fid != NULL ? file(w) : NULL;
    if (o.too[0] != NULL && nomem_is(p9_open_checked(NULL, &o), 0)) {
        assert_int_equal(o.walked->qid.path, w->file);
        assert_int_equal(o.attr.qid.path, w->file);
        assert_true(o.fid->iounit > 0 && (o.too[0] == NULL || o.too[0]->iounit > 0));
        p9_fid_put(o.walked);
    }
    p9_fid_put(o.too[0]);
    p9_fid_put(o.fid);
}

/* ---- attributes and names ------------------------------------------------------ */

static void attributes(struct world *w)
{
    const struct p9_setattr set = {.valid = P9_SETATTR_SIZE, .size = 1};
    struct p9_xattrs_too too = {.names = {"user.a"}};
    struct p9_fid *fid = file(w);
    struct p9_attr attr;
    char value[16];

    if (fid == NULL)
        return;
    if (nomem_is(p9_getattr_too(NULL, fid, &attr, NULL, &too), 0))
        assert_int_equal(attr.qid.path, w->file);
    if (nomem_is(p9_setattr_seen(NULL, fid, &set, &attr), 0))
        assert_int_equal(attr.nlink, 1);
    nomem_is((int)p9_getxattr(NULL, fid, "user.a", value, sizeof value, &too), 0);
    nomem_is(p9_setxattr(NULL, fid, "user.a", "value", 5, 0), 0);
    nomem_is(p9_removexattr(NULL, fid, "user.a"), 0);
    p9_fid_put(fid);
}

static void names(struct world *w)
{
    struct p9_qid made;
    struct p9_fid *fid = walk(w, 0, NULL, w->root->qid.path);

    if (fid != NULL)
        nomem_is(p9_create(NULL, fid, "new", O_RDWR | O_EXCL, 0644, 0), 0);
    p9_fid_put(fid);
    nomem_is(p9_make_file(NULL, w->root, "made", 0644, 0, &made), 0);
    nomem_is(p9_mkdir(NULL, w->root, "dir", 0755, 0, &made), 0);
    nomem_is(p9_rename(NULL, w->root, "g", w->root, "h"), 0);
    nomem_is(p9_unlink(NULL, w->root, "g", false), 0);
    fid = file(w);
    if (fid != NULL)
        nomem_is(p9_remove(NULL, fid), 0);
}

/* ---- all ------------------------------------------------------------------------ */

static struct world begin(void)
{
    struct world w = {.client = NULL};

    nomem_pause();
    w.srv = calloc(1, sizeof *w.srv);
    w.srv->in_thread = nomem_spare_thread;
    w.srv->easy = true;
    w.srv->read_size = SIZE;
    w.srv->iounit = IOUNIT;
    int fd = srv_listen(w.srv);
    w.dir = srv_add(w.srv, "/d", true);
    w.file = srv_add(w.srv, "/d/f", false);
    srv_add(w.srv, "/g", false);
    nomem_resume();
    w.client = start(fd);
    if (w.client != NULL && !nomem_is(p9_attach(NULL, w.client, "root", 0, "", NULL, &w.root), 0))
        w.root = NULL;
    return w;
}

static void end(struct world *w)
{
    p9_fid_put(w->root);
    if (w->client != NULL) {
        srv_settle(w->srv, w->client);
        p9_client_stop(w->client);
    }
    assert_int_equal(w->srv->live, 0);
    assert_int_equal(w->srv->bad, 0);
    srv_stop(w->srv);
}

static void scenario(void)
{
    struct world w = begin();

    if (w.root != NULL) {
        if (nomem_is(p9_client_learn(w.client, w.root), 0))
            assert_int_equal(srv_count(w.srv, P9_Twalk), 1); /* it did ask */
        missing(&w);
        twice(&w);
        find_many(&w);
        open_checked(&w);
        read_dir(&w);
        read_and_write(&w);
        find_many(&w); /* by now the server is known to answer in order */
        lock(&w, false);
        lock(&w, true);
        attributes(&w);
        names(&w);
    }
    end(&w);
}

static void an_allocation_fails(void **state)
{
    (void)state;
    nomem_each(scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
