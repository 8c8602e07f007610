/*
 * test_nomem.c: a client where an allocation fails, whichever it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "unit/poor.h"
#include "unit/test.h"

enum { SIZE = 20000, IOUNIT = 64, ENTRIES = 4096, FOUND = 3 };

static uint64_t dir_path, file_path; /* qid.path */

static void prepare(struct srv *s)
{
    s->read_size = SIZE;
    s->iounit = IOUNIT;
    dir_path = srv_add(s, "/d", true);
    file_path = srv_add(s, "/d/f", false);
    srv_add(s, "/g", false);
}

/* ---- fids ------------------------------------------------------------------ */

static struct p9_fid *walk(struct poor *p, size_t n, const char *const *names, uint64_t path)
{
    struct p9_fid *fid;

    if (!nomem_is(p9_walk(NULL, p->root, n, names, &fid), 0))
        return NULL;
    assert_int_equal(fid->qid.path, path);
    return fid;
}

static struct p9_fid *file(struct poor *p)
{
    static const char *const names[] = {"d", "f"};

    return walk(p, 2, names, file_path);
}

static void missing(struct poor *p)
{
    char name[P9_MAXNAME + 1];
    const char *const names[] = {"d", name};
    struct p9_fid *fid;

    memset(name, 'n', P9_MAXNAME); /* the message does not fit into a request */
    name[P9_MAXNAME] = 0;
    nomem_is(p9_walk(NULL, p->root, 2, names, &fid), -ENOENT);
}

static void twice(struct poor *p)
{
    const char *name = "d";
    struct p9_fid *fid, *second;

    if (!nomem_is(p9_walk_twice(NULL, p->root, 1, &name, &fid, &second), 0)) {
        assert_null(second);
        return;
    }
    assert_int_equal(fid->qid.path, dir_path);
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

static void read_and_write(struct poor *p)
{
    static uint8_t buf[SIZE];
    struct p9_fid *fid = file(p);
    struct p9_io io = {.fid = fid, .buf = buf, .count = sizeof buf, .size = SIZE};

    if (fid != NULL && nomem_is(p9_open(NULL, fid, O_RDWR), 0)) {
        if (nomem_is((int)p9_read_wait(&io), SIZE))
            check_bytes(buf, SIZE);
        memset(p->srv->written, 0, SIZE);
        if (nomem_is((int)p9_write_wait(&io), SIZE))
            check_bytes(p->srv->written, SIZE);
        nomem_is(p9_fsync(NULL, fid, false), 0);
    }
    p9_fid_put(fid);
}

static unsigned count_entries(struct poor *p, const uint8_t *buf, size_t n)
{
    struct p9_dirent de;
    struct p9_attr attr;
    unsigned entries = 0;

    for (size_t at = 0, used; at < n; at += used, entries++) {
        used = p9_next_dirent(p->client, buf + at, n - at, 0, &de, &attr);
        assert_true(used > 0);
    }
    return entries;
}

static void read_dir(struct poor *p)
{
    static uint8_t buf[ENTRIES];
    struct p9_fid *fid = walk(p, 0, NULL, p->root->qid.path);
    uint32_t got;

    if (fid != NULL && nomem_is(p9_open(NULL, fid, O_RDONLY | O_DIRECTORY), 0) &&
        nomem_is(p9_readdir(NULL, fid, 0, buf, sizeof buf, &got), 0))
        assert_int_equal(count_entries(p, buf, got), 2);
    p9_fid_put(fid);
}

static void lock_done(struct p9_locking *l)
{
    p9_batch_done(l->arg);
}

static void lock(struct poor *p, bool query)
{
    struct p9_batch batch;
    struct p9_locking l = {.fid = file(p), .type = P9_LOCK_WRLCK, .query = query, .done = lock_done, .arg = &batch};

    if (l.fid == NULL)
        return;
    p9_batch_init(&batch, 1);
    p9_lock_start(&l);
    p9_batch_wait(p9_client_session(p->client), &batch);
    nomem_is(l.rc, 0);
    p9_fid_put(l.fid);
}

/* ---- several requests at once ------------------------------------------------- */

static void find_many(struct poor *p)
{
    static const char *const names[FOUND] = {"d", "g", "none"};
    const struct p9_xattrs xattrs = {.of_dir = {"user.d"}, .of_file = {"user.f"}};
    struct p9_found found[FOUND];

    for (unsigned i = 0; i < FOUND; i++)
        found[i] = (struct p9_found){.from = p->root, .name = names[i], .is_dir = i == 0, .list = i == 0};
    p9_find_many(NULL, p->client, FOUND, &xattrs, found);
    for (unsigned i = 0; i < FOUND; i++) {
        bool there = nomem_is(found[i].rc, i < 2 ? 0 : -ENOENT) && i < 2;
        if (there) {
            assert_int_equal(found[i].fid->qid.path, found[i].attr.qid.path);
            assert_int_equal(S_ISDIR(found[i].attr.mode), i == 0);
            p9_fid_put(found[i].fid);
        }
        if (found[i].listing != NULL && found[i].listing->whole)
            assert_int_equal(count_entries(p, found[i].listing->entries, found[i].listing->len), 1);
        p9_listing_free(found[i].listing);
    }
}

static void open_checked(struct poor *p)
{
    static const char *const names[] = {"d", "f"};
    struct p9_opening o = {.fid = file(p), .flags = O_RDONLY, .from = p->root, .n = 2, .names = names, .ntoo = 1};

    o.xattrs.names[1] = "user.f";
    o.too[0] = o.fid != NULL ? file(p) : NULL;
    if (o.too[0] != NULL && nomem_is(p9_open_checked(NULL, &o), 0)) {
        assert_int_equal(o.walked->qid.path, file_path);
        assert_int_equal(o.attr.qid.path, file_path);
        assert_true(o.fid->iounit > 0 && (o.too[0] == NULL || o.too[0]->iounit > 0));
        p9_fid_put(o.walked);
    }
    p9_fid_put(o.too[0]);
    p9_fid_put(o.fid);
}

/* ---- attributes and names ------------------------------------------------------ */

static void attributes(struct poor *p)
{
    const struct p9_setattr set = {.valid = P9_SETATTR_SIZE, .size = 1};
    struct p9_xattrs_too too = {.names = {"user.a"}};
    struct p9_fid *fid = file(p);
    struct p9_attr attr;
    char value[16];

    if (fid == NULL)
        return;
    if (nomem_is(p9_getattr_too(NULL, fid, &attr, NULL, &too), 0))
        assert_int_equal(attr.qid.path, file_path);
    if (nomem_is(p9_setattr_seen(NULL, fid, &set, &attr), 0))
        assert_int_equal(attr.nlink, 1);
    nomem_is((int)p9_getxattr(NULL, fid, "user.a", value, sizeof value, &too), 0);
    nomem_is(p9_setxattr(NULL, fid, "user.a", "value", 5, 0), 0);
    nomem_is(p9_removexattr(NULL, fid, "user.a"), 0);
    p9_fid_put(fid);
}

static void names(struct poor *p)
{
    struct p9_qid made;
    struct p9_fid *fid = walk(p, 0, NULL, p->root->qid.path);

    if (fid != NULL)
        nomem_is(p9_create(NULL, fid, "new", O_RDWR | O_EXCL, 0644, 0), 0);
    p9_fid_put(fid);
    nomem_is(p9_make_file(NULL, p->root, "made", 0644, 0, &made), 0);
    nomem_is(p9_mkdir(NULL, p->root, "dir", 0755, 0, &made), 0);
    nomem_is(p9_rename(NULL, p->root, "g", p->root, "h"), 0);
    nomem_is(p9_unlink(NULL, p->root, "g", false), 0);
    fid = file(p);
    if (fid != NULL)
        nomem_is(p9_remove(NULL, fid), 0);
}

/* ---- all ------------------------------------------------------------------------ */

static void scenario(void)
{
    struct poor p = poor_begin(prepare);

    if (p.root != NULL) {
        if (nomem_is(p9_client_learn(p.client, p.root), 0))
            assert_int_equal(srv_count(p.srv, P9_Twalk), 1); /* it did ask */
        missing(&p);
        twice(&p);
        find_many(&p);
        open_checked(&p);
        read_dir(&p);
        read_and_write(&p);
        find_many(&p); /* by now the server is known to answer in order */
        lock(&p, false);
        lock(&p, true);
        attributes(&p);
        names(&p);
    }
    poor_end(&p);
}

static void an_allocation_fails(void **state)
{
    (void)state;
    nomem_each(scenario);
}

/* Without memory names are looked up each time. */
static void map_names(void)
{
    const struct idmap_options o = {.dfltuid = 65534, .dfltgid = 65534};
    struct idmap *m = idmap_new(&o);

    for (int again = 0; nomem_got(m) && again < 2; again++) {
        assert_int_equal(idmap_uid(m, p9_str("root")), 0);
        assert_int_equal(idmap_gid(m, p9_str("root")), 0);
    }
    idmap_free(m);
}

static void names_are_mapped(void **state)
{
    (void)state;
    nomem_each(map_names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_fails),
        cmocka_unit_test(names_are_mapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
