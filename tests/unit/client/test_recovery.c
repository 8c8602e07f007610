/*
 * test_recovery.c: what fids are when a lost connection is restored: the same files, open as
 * before.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "session/session_impl.h"
#include "unit/client/disk.h"
#include "unit/ownclock.h"
#include "unit/test.h"

enum { WANTED_US = 1000000, STABLE_US = 10000000 /* of recovery.c */ };

static struct disk disk;

static struct p9_fid *walk(struct p9_fid *from, const char *name)
{
    struct p9_fid *fid;

    assert_int_equal(p9_walk(NULL, from, 1, &name, &fid), 0);
    return fid;
}

static int use(struct p9_fid *fid)
{
    struct p9_attr attr;

    return p9_getattr(NULL, fid, &attr);
}

/* The server's fid is this one's file. */
static void assert_is(struct p9_fid *fid, int node)
{
    assert_int_equal(use(fid), 0);
    struct disk_fid f = disk_fid(&disk, fid);
    assert_true(f.known);
    assert_int_equal(f.node, node);
    assert_int_equal(fid->qid.path, node);
}

static void write_text(struct p9_fid *fid, const char *text)
{
    struct p9_io io = {.fid = fid, .buf = (uint8_t *)text, .count = (uint32_t)strlen(text)};

    assert_int_equal(p9_write_wait(&io), strlen(text));
}

static void assert_text(struct p9_fid *fid, const char *text)
{
    uint8_t buf[64];
    struct p9_io io = {.fid = fid, .buf = buf, .count = sizeof buf, .size = strlen(text)};

    assert_int_equal(p9_read_wait(&io), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void put(size_t n, struct p9_fid *const *fids)
{
    for (size_t i = 0; i < n; i++)
        p9_fid_put(fids[i]);
}
#define PUT(...)                                                                                                       \
    put(sizeof((struct p9_fid *[]){__VA_ARGS__}) / sizeof(struct p9_fid *), (struct p9_fid *[]){__VA_ARGS__})

/* ---- the same file --------------------------------------------------------- */

static void files_are_open_as_before(void **state)
{
    struct p9_fid *root, *dir, *a, *made;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    int node = (int)disk_add(&disk, "/a", 0);
    int dir_node = (int)disk_add(&disk, "/d", P9_QTDIR);
    a = walk(root, "a");
    dir = walk(root, "d");
    made = walk(root, "d");
    assert_int_equal(p9_open(NULL, a, O_RDWR | O_TRUNC | O_SYNC), 0);
    assert_int_equal(p9_create(NULL, made, "new", O_RDWR | O_EXCL | O_TRUNC, 0600, 0), 0);
    assert_true(disk_fid(&disk, a).flags & P9_L_TRUNC);
    assert_true(disk_fid(&disk, made).flags & P9_L_EXCL);
    write_text(a, "once");
    write_text(made, "more");
    disk_cut(&disk);
    assert_is(root, 0);
    assert_is(a, node);
    assert_is(dir, dir_node);
    assert_is(made, disk_node(&disk, "/d/new"));
    assert_int_equal(disk_fid(&disk, a).flags, P9_L_RDWR | (disk_fid(&disk, a).flags & (P9_L_SYNC | P9_L_DSYNC)));
    assert_true(disk_fid(&disk, a).flags & P9_L_SYNC);
    assert_int_equal(disk_fid(&disk, made).flags, P9_L_RDWR);
    assert_true(disk_fid(&disk, a).open && disk_fid(&disk, made).open);
    assert_false(disk_fid(&disk, dir).open);
    assert_text(a, "once");
    assert_text(made, "more");
    assert_int_equal(disk_count(&disk, P9_Tlcreate), 1);
    PUT(root, dir, a, made);
    disk_stop(&disk);
}

static void files_of_the_old_dialects_are_open_as_before(void **state)
{
    struct p9_fid *root, *a;

    (void)state;
    disk_start(&disk, P9_2000U, &root);
    int node = (int)disk_add(&disk, "/a", 0);
    a = walk(root, "a");
    assert_int_equal(p9_open(NULL, a, O_RDWR | O_TRUNC), 0);
    write_text(a, "once");
    disk_cut(&disk);
    assert_text(a, "once");
    assert_true(disk_fid(&disk, a).node == (unsigned)node && disk_fid(&disk, a).open);
    assert_int_equal(disk_fid(&disk, a).flags, P9_ORDWR);
    PUT(root, a);
    disk_stop(&disk);
}

/* ---- another file, or none --------------------------------------------------- */

static void another_file_is_stale(void **state)
{
    struct p9_fid *root, *a, *b, *gone, *again;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    disk_add(&disk, "/a", 0);
    disk_add(&disk, "/gone", 0);
    int b_node = (int)disk_add(&disk, "/b", 0);
    a = walk(root, "a");
    b = walk(root, "b");
    gone = walk(root, "gone");
    assert_int_equal(p9_open(NULL, a, O_RDONLY), 0);
    disk_remove(&disk, "/a");
    disk_remove(&disk, "/gone");
    int node = (int)disk_add(&disk, "/a", 0);
    disk_cut(&disk);
    assert_int_equal(use(a), -ESTALE);
    assert_int_equal(use(gone), -ESTALE);
    assert_is(b, b_node);
    assert_int_equal(disk_live(&disk), 2); /* root and b */
    disk_count(&disk, P9_Tclunk);
    uint32_t num = a->num;
    PUT(a, gone);
    assert_int_equal(disk_count(&disk, P9_Tclunk), 0); /* the server does not know them */
    again = walk(root, "a");
    assert_int_equal(again->num, num);
    assert_is(again, node);
    PUT(root, b, again);
    disk_stop(&disk);
}

static void what_waits_for_a_fid_that_is_lost_is_stale(void **state)
{
    struct p9_fid *root, *a, *b;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    disk_add(&disk, "/a", 0);
    int b_node = (int)disk_add(&disk, "/b", 0);
    a = walk(root, "a");
    b = walk(root, "b");
    disk_remove(&disk, "/a");
    disk_cut_at(&disk, P9_Tgetattr, false);
    assert_int_equal(use(a), -ESTALE);
    disk_cut_at(&disk, P9_Tgetattr, false);
    assert_is(b, b_node);
    PUT(root, a, b);
    disk_stop(&disk);
}

/* ---- names that we change ----------------------------------------------------- */

static void renames_move_paths(void **state)
{
    struct p9_fid *root, *d, *d2, *f, *g, *h;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    disk_add(&disk, "/d", P9_QTDIR);
    disk_add(&disk, "/d2", P9_QTDIR);
    int f_node = (int)disk_add(&disk, "/d/f", 0);
    int g_node = (int)disk_add(&disk, "/d2/g", 0);
    int h_node = (int)disk_add(&disk, "/d/h", 0);
    d = walk(root, "d");
    d2 = walk(root, "d2");
    f = walk(d, "f");
    g = walk(d2, "g");
    h = walk(d, "h");
    assert_int_equal(p9_rename(NULL, d, "h", root, "hh"), 0); /* a file */
    assert_int_equal(p9_rename(NULL, root, "d", d2, "e"), 0); /* a directory */
    disk_cut(&disk);
    assert_is(d, disk_node(&disk, "/d2/e"));
    assert_is(d2, disk_node(&disk, "/d2"));
    assert_is(f, f_node);
    assert_is(g, g_node);
    assert_is(h, h_node);
    assert_int_equal(disk_node(&disk, "/d2/e/f"), f_node);
    PUT(root, d, d2, f, g, h);
    disk_stop(&disk);
}

static void trename_moves_paths(void **state)
{
    struct p9_fid *root, *d, *f;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    disk.no_renameat = true;
    disk_add(&disk, "/d", P9_QTDIR);
    int f_node = (int)disk_add(&disk, "/d/f", 0);
    d = walk(root, "d");
    f = walk(d, "f");
    assert_int_equal(p9_rename(NULL, root, "d", root, "e"), 0);
    assert_int_equal(disk_count(&disk, P9_Trename), 1);
    disk_cut(&disk);
    assert_is(d, disk_node(&disk, "/e"));
    assert_is(f, f_node);
    PUT(root, d, f);
    disk_stop(&disk);
}

static void a_name_in_twstat_moves_paths(void **state)
{
    struct p9_fid *root, *d, *f;

    (void)state;
    disk_start(&disk, P9_2000U, &root);
    disk_add(&disk, "/d", P9_QTDIR);
    disk_add(&disk, "/d/f", 0);
    d = walk(root, "d");
    f = walk(d, "f");
    assert_int_equal(p9_open(NULL, f, O_RDWR), 0);
    write_text(f, "this");
    assert_int_equal(p9_rename(NULL, d, "f", d, "g"), 0);
    assert_int_equal(p9_rename(NULL, root, "d", root, "e"), 0);
    disk_cut(&disk);
    assert_text(f, "this");
    PUT(root, d, f);
    disk_stop(&disk);
}

static void a_file_that_is_replaced_is_stale(void **state)
{
    struct p9_fid *root, *old, *new;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    disk_add(&disk, "/a", 0);
    int node = (int)disk_add(&disk, "/b", 0);
    old = walk(root, "a");
    new = walk(root, "b");
    assert_int_equal(p9_rename(NULL, root, "b", root, "a"), 0);
    disk_cut(&disk);
    assert_int_equal(use(old), -ESTALE);
    assert_is(new, node);
    PUT(root, old, new);
    disk_stop(&disk);
}

static void a_hard_link_is_the_other_path(void **state)
{
    struct p9_fid *root, *a, *second;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    int node = (int)disk_add(&disk, "/a", 0);
    a = walk(root, "a");
    second = walk(root, "a");
    assert_int_equal(p9_link(NULL, root, a, "b"), 0);
    disk_remove(&disk, "/a");
    disk_add(&disk, "/a", 0);
    disk_cut(&disk);
    assert_is(a, node);
    assert_is(second, node);
    disk_cut(&disk); /* the path is the other one from now on */
    assert_is(a, node);
    PUT(root, a, second);
    disk_stop(&disk);
}

/* ---- numbers -------------------------------------------------------------------- */

static unsigned live(void)
{
    unsigned n, bound;

    p9_client_fids(disk.client, &n, &bound);
    return n;
}

static void clunks_free_their_numbers(void **state)
{
    struct p9_fid *root, *a;

    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        disk_start(&disk, P9_2000L, &root);
        disk_add(&disk, "/a", 0);
        a = walk(root, "a");
        assert_int_equal(p9_open(NULL, a, O_RDONLY), 0);
        disk_cut_at(&disk, P9_Tclunk, behind);
        unsigned before = p9_client_generation(disk.client);
        p9_fid_put(a);
        disk_settle(&disk, before);
        assert_int_equal(use(root), 0);
        assert_int_equal(live(), 1);
        assert_int_equal(disk_live(&disk), 1);
        PUT(root);
        disk_stop(&disk);
    }
}

/* The connection ends again while fids are made. */
static void a_try_can_fail(void **state)
{
    static const uint8_t at[] = {P9_Tversion, P9_Tattach, P9_Twalk, P9_Tlopen};
    struct p9_fid *root, *a;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    int node = (int)disk_add(&disk, "/a", 0);
    a = walk(root, "a");
    assert_int_equal(p9_open(NULL, a, O_RDWR), 0);
    for (unsigned i = 0; i < sizeof at; i++) {
        clock_pass(STABLE_US);
        disk_cut_at(&disk, at[i], false);
        disk_drop(&disk);
        disk_wait_cut(&disk);
        clock_pass(WANTED_US); /* who needs the server does not wait for the next try */
        assert_is(a, node);
        assert_true(disk_fid(&disk, a).open);
        assert_int_equal(live(), 2);
        assert_int_equal(disk_live(&disk), 2);
    }
    PUT(root, a);
    disk_stop(&disk);
}

static atomic_bool ends_at_once;
int __real_p9_session_resume(struct p9_session *s);
int __wrap_p9_session_resume(struct p9_session *s);

/* The connection ends before the recovery knows that it has succeeded. */
int __wrap_p9_session_resume(struct p9_session *s)
{
    int n = __real_p9_session_resume(s);

    if (!atomic_exchange(&ends_at_once, false))
        return n;
    p9_session_drop(s, -ECONNRESET, NULL);
    for (bool waits = false; !waits;) {
        sched_yield();
        pthread_mutex_lock(&s->mtx);
        waits = s->reader_waits;
        pthread_mutex_unlock(&s->mtx);
    }
    return n;
}

static void a_connection_may_end_at_once(void **state)
{
    struct p9_fid *root, *a;

    (void)state;
    disk_start(&disk, P9_2000L, &root);
    int node = (int)disk_add(&disk, "/a", 0);
    a = walk(root, "a");
    unsigned before = p9_client_generation(disk.client);
    atomic_store(&ends_at_once, true);
    disk_drop(&disk);
    disk_settle(&disk, before + 1);
    assert_int_equal(p9_client_generation(disk.client), before + 2);
    assert_is(a, node);
    PUT(root, a);
    disk_stop(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_open_as_before),
        cmocka_unit_test(files_of_the_old_dialects_are_open_as_before),
        cmocka_unit_test(another_file_is_stale),
        cmocka_unit_test(what_waits_for_a_fid_that_is_lost_is_stale),
        cmocka_unit_test(renames_move_paths),
        cmocka_unit_test(trename_moves_paths),
        cmocka_unit_test(a_name_in_twstat_moves_paths),
        cmocka_unit_test(a_file_that_is_replaced_is_stale),
        cmocka_unit_test(a_hard_link_is_the_other_path),
        cmocka_unit_test(clunks_free_their_numbers),
        cmocka_unit_test(a_try_can_fail),
        cmocka_unit_test(a_connection_may_end_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
