/*
 * test_outcomes.c: requests whose outcome is unknown as the connection ends before the reply: each
 * has the result that it would have had, whether it was carried out before or not.
 */
#include <fcntl.h>
#include <string.h>

#include "unit/client/disk.h"
#include "unit/test.h"

static struct disk disk;
static struct p9_fid *root, *dir, *file; /* "/", "/d", "/d/f" */
static int file_node;

static struct p9_fid *walk(struct p9_fid *from, const char *name)
{
    struct p9_fid *fid;

    assert_int_equal(p9_walk(NULL, from, 1, &name, &fid), 0);
    return fid;
}

static void begin(void)
{
    disk_start(&disk, P9_2000L, &root);
    disk_add(&disk, "/d", P9_QTDIR);
    file_node = (int)disk_add(&disk, "/d/f", 0);
    disk_add(&disk, "/d/other", 0);
    dir = walk(root, "d");
    file = walk(dir, "f");
}

static void end(void)
{
    p9_fid_put(file);
    p9_fid_put(dir);
    p9_fid_put(root);
    disk_stop(&disk);
}

static int use(struct p9_fid *fid)
{
    struct p9_attr attr;

    return p9_getattr(NULL, fid, &attr);
}

/* ---- operations, and how they are seen to be done --------------------------- */

static int do_mkdir(void)
{
    struct p9_qid qid;
    int rc = p9_mkdir(NULL, dir, "new", 0755, 0, &qid);

    if (rc == 0)
        assert_int_equal(qid.path, disk_node(&disk, "/d/new"));
    return rc;
}

static int do_mknod(void)
{
    struct p9_qid qid;
    int rc = p9_mknod(NULL, dir, "new", S_IFIFO | 0600, 0, 0, &qid);

    if (rc == 0)
        assert_int_equal(qid.path, disk_node(&disk, "/d/new"));
    return rc;
}

static int do_symlink(void)
{
    struct p9_qid qid;
    int rc = p9_symlink(NULL, dir, "new", "a/target", 0, &qid);

    if (rc == 0)
        assert_int_equal(qid.path, disk_node(&disk, "/d/new"));
    return rc;
}

static int do_link(void)
{
    int rc = p9_link(NULL, dir, file, "new");

    if (rc == 0)
        assert_int_equal(disk_node(&disk, "/d/new"), file_node);
    return rc;
}

static int do_create(void)
{
    static const char text[] = "text";
    struct p9_fid *fid = walk(root, "d");
    int rc = p9_create(NULL, fid, "new", O_RDWR | O_EXCL, 0600, 0);

    if (rc == 0) {
        struct p9_io io = {.fid = fid, .buf = (uint8_t *)text, .count = 4};
        assert_int_equal(fid->qid.path, disk_node(&disk, "/d/new"));
        assert_int_equal(p9_write_wait(&io), 4);
        disk_cut(&disk); /* and it is this file from now on */
        assert_int_equal(use(fid), 0);
        assert_int_equal(disk_fid(&disk, fid).node, fid->qid.path);
        assert_int_equal(disk_fid(&disk, fid).flags, P9_L_RDWR);
    }
    p9_fid_put(fid);
    return rc;
}

static int do_unlink(void)
{
    int rc = p9_unlink(NULL, dir, "f", false);

    assert_int_equal(disk_node(&disk, "/d/f"), -1);
    return rc;
}

static int do_remove(void)
{
    int rc = p9_remove(NULL, file);

    file = NULL;
    assert_int_equal(disk_node(&disk, "/d/f"), -1);
    return rc;
}

static int do_rename(void)
{
    int rc = p9_rename(NULL, dir, "f", root, "new");

    assert_int_equal(disk_node(&disk, "/d/f"), -1);
    assert_int_equal(disk_node(&disk, "/new"), file_node);
    assert_int_equal(use(file), 0);
    assert_int_equal(disk_fid(&disk, file).node, file_node);
    return rc;
}

static int do_rename_over(void)
{
    int rc = p9_rename(NULL, dir, "f", dir, "other");

    assert_int_equal(disk_node(&disk, "/d/f"), -1);
    assert_int_equal(disk_node(&disk, "/d/other"), file_node);
    assert_int_equal(use(file), 0);
    return rc;
}

static int do_rename_dir(void)
{
    int rc = p9_rename(NULL, root, "d", root, "new");

    assert_int_equal(disk_node(&disk, "/new/f"), file_node);
    assert_int_equal(use(dir), 0);
    assert_int_equal(use(file), 0);
    assert_int_equal(disk_fid(&disk, file).node, file_node);
    return rc;
}

static int do_rename_by_fid(void)
{
    disk.no_renameat = true;
    return do_rename_dir();
}

/* Without fids for what is removed or renamed. */
static int do_unlink_unknown(void)
{
    p9_fid_put(file);
    file = NULL;
    return do_unlink();
}

static int do_rename_unknown(void)
{
    p9_fid_put(file);
    file = NULL;
    int rc = p9_rename(NULL, dir, "f", root, "new");

    assert_int_equal(disk_node(&disk, "/d/f"), -1);
    assert_int_equal(disk_node(&disk, "/new"), file_node);
    return rc;
}

static const char appended[] = "more";

static void expect_data(const char *text)
{
    pthread_mutex_lock(&disk.mtx);
    const struct disk_node *n = &disk.nodes[file_node];
    assert_int_equal(n->size, strlen(text));
    assert_memory_equal(n->data, text, n->size);
    pthread_mutex_unlock(&disk.mtx);
}

static void set_data(struct disk *d, const char *text)
{
    pthread_mutex_lock(&d->mtx);
    struct disk_node *n = &d->nodes[file_node];
    n->size = (uint32_t)strlen(text);
    memcpy(n->data, text, n->size);
    pthread_mutex_unlock(&d->mtx);
}

static int append(void)
{
    struct p9_io io = {.fid = file, .buf = (uint8_t *)appended, .offset = 3, .count = 4, .in_order = true};

    set_data(&disk, "abc");
    assert_int_equal(p9_open(NULL, file, O_WRONLY | O_APPEND), 0);
    ssize_t n = p9_write_wait(&io);
    return n == 4 ? 0 : (int)n;
}

static int do_append(void)
{
    int rc = append();

    expect_data("abcmore");
    return rc;
}

static const struct op {
    uint8_t type;
    int (*run)(void);
} ops[] = {
    {P9_Tmkdir, do_mkdir},
    {P9_Tmknod, do_mknod},
    {P9_Tsymlink, do_symlink},
    {P9_Tlink, do_link},
    {P9_Tlcreate, do_create},
    {P9_Tunlinkat, do_unlink},
    {P9_Tunlinkat, do_unlink_unknown},
    {P9_Tremove, do_remove},
    {P9_Trenameat, do_rename},
    {P9_Trenameat, do_rename_over},
    {P9_Trenameat, do_rename_dir},
    {P9_Trenameat, do_rename_unknown},
    {P9_Trename, do_rename_by_fid},
    {P9_Twrite, do_append},
};
enum { OPS = sizeof ops / sizeof *ops };

static void each(bool behind)
{
    for (unsigned i = 0; i < OPS; i++) {
        begin();
        disk_cut_at(&disk, ops[i].type, behind);
        assert_int_equal(ops[i].run(), 0);
        end();
    }
}

static void requests_that_were_not_carried_out(void **state)
{
    (void)state;
    each(false);
}

static void requests_that_were_carried_out(void **state)
{
    (void)state;
    each(true);
}

/* ---- when the connection ends again ------------------------------------------- */

static const uint8_t *again_at;

static void cut_again(struct disk *d)
{
    disk_cut_at(d, *again_at, true);
}

/* While fids are made again, or it is found out what became of the request. */
static void looking_can_fail(void **state)
{
    static const uint8_t at[] = {P9_Tattach, P9_Twalk, P9_Twalk, P9_Tgetattr, P9_Treadlink, P9_Tlopen};
    static const int errors[] = {0, 0, -EHOSTUNREACH, 0, 0, 0};

    (void)state;
    for (unsigned i = 0; i < OPS; i++)
        for (unsigned k = 0; k < sizeof at; k++) {
            begin();
            again_at = &at[k];
            disk.meanwhile = cut_again;
            disk.cut_error = errors[k];
            disk_cut_at(&disk, ops[i].type, true);
            assert_int_equal(ops[i].run(), 0);
            disk_cut_at(&disk, 0, false);
            end();
        }
}

/* ---- what others do meanwhile --------------------------------------------------- */

static void another_file(struct disk *d)
{
    disk_add(d, "/d/f", 0);
}

static void a_name_that_others_use_again_stays(void **state)
{
    (void)state;
    begin();
    disk.meanwhile = another_file;
    disk_cut_at(&disk, P9_Tunlinkat, true);
    assert_int_equal(p9_unlink(NULL, dir, "f", false), 0);
    assert_int_not_equal(disk_node(&disk, "/d/f"), -1);
    end();

    begin();
    disk.meanwhile = another_file;
    disk_cut_at(&disk, P9_Trenameat, true);
    assert_int_equal(p9_rename(NULL, dir, "f", dir, "new"), 0);
    assert_int_equal(disk_node(&disk, "/d/new"), file_node);
    assert_int_not_equal(disk_node(&disk, "/d/f"), -1);
    assert_int_equal(use(file), 0);
    assert_int_equal(disk_fid(&disk, file).node, file_node);
    end();
}

static void others_take_the_name(struct disk *d)
{
    unsigned node = disk_add(d, "/d/new", 0);

    d->nodes[node].size = 1;
}

static void a_name_that_others_take_exists(void **state)
{
    static int (*const run[])(void) = {do_mkdir, do_symlink, do_link, do_create};
    static const uint8_t type[] = {P9_Tmkdir, P9_Tsymlink, P9_Tlink, P9_Tlcreate};

    (void)state;
    for (unsigned i = 0; i < sizeof type; i++) {
        begin();
        disk.meanwhile = others_take_the_name;
        disk_cut_at(&disk, type[i], false);
        assert_int_equal(run[i](), -EEXIST);
        end();
    }
}

static void others_append(struct disk *d)
{
    set_data(d, "abcOTHERS");
}

static void others_append_behind(struct disk *d)
{
    set_data(d, "abcmoreOTHERS");
}

static void others_may_append(void **state)
{
    (void)state;
    begin();
    disk.meanwhile = others_append;
    disk_cut_at(&disk, P9_Twrite, false);
    assert_int_equal(append(), 0);
    expect_data("abcOTHERSmore");
    end();

    begin();
    disk.meanwhile = others_append_behind;
    disk_cut_at(&disk, P9_Twrite, true);
    assert_int_equal(append(), 0);
    expect_data("abcmoreOTHERS");
    end();
}

static void others_remove(struct disk *d)
{
    disk_remove(d, "/d/f");
}

static void a_rename_of_nothing_fails(void **state)
{
    (void)state;
    begin();
    disk.meanwhile = others_remove;
    disk_cut_at(&disk, P9_Trenameat, false);
    assert_int_equal(p9_rename(NULL, dir, "f", dir, "new"), -ENOENT);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_were_not_carried_out),
        cmocka_unit_test(requests_that_were_carried_out),
        cmocka_unit_test(a_name_that_others_use_again_stays),
        cmocka_unit_test(a_name_that_others_take_exists),
        cmocka_unit_test(others_may_append),
        cmocka_unit_test(a_rename_of_nothing_fails),
        cmocka_unit_test(looking_can_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
