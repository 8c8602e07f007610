/*
 * test_idmap.c: names of owners to ids and back.
 */
#include "9p/idmap.h"

#include <string.h>

#include "unit/test.h"

static void names_to_ids(void **state)
{
    struct idmap *m =
        idmap_new(&(struct idmap_options){.dfltuid = 4711, .dfltgid = 4712, .me = "glenda", .my_uid = 7, .my_gid = 8});
    char long_name[1000];

    (void)state;
    assert_non_null(m);
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    for (int i = 0; i < 2; i++) { /* looked up, then from the cache */
        assert_int_equal(idmap_uid(m, p9_str("root")), 0);
        assert_int_equal(idmap_gid(m, p9_str("root")), 0);
        assert_int_equal(idmap_uid(m, p9_str("glenda")), 7);
        assert_int_equal(idmap_gid(m, p9_str("glenda")), 8);
        assert_int_equal(idmap_uid(m, p9_str("no such user")), 4711);
        assert_int_equal(idmap_gid(m, p9_str("no such group")), 4712);
        assert_int_equal(idmap_uid(m, p9_str("1234")), 1234);
        assert_int_equal(idmap_uid(m, p9_str("12x")), 4711);
        assert_int_equal(idmap_uid(m, p9_str("4294967295")), 4711);
        assert_int_equal(idmap_uid(m, p9_str("")), 4711);
        assert_int_equal(idmap_uid(m, p9_str(long_name)), 4711);
    }
    idmap_free(m);
}

static void more_names_than_are_cached(void **state)
{
    struct idmap *m = idmap_new(&(struct idmap_options){.dfltuid = 1});
    char name[16];

    (void)state;
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(idmap_uid(m, p9_str(name)), i);
    }
    idmap_free(m);
}

static void ids_to_names(void **state)
{
    char name[IDMAP_NAME_BYTES];

    (void)state;
    assert_true(idmap_user_name(0, name));
    assert_string_equal(name, "root");
    assert_true(idmap_group_name(0, name));
    assert_string_equal(name, "root");
    assert_false(idmap_user_name(3999999999u, name));
    assert_false(idmap_group_name(3999999999u, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_to_ids),
        cmocka_unit_test(more_names_than_are_cached),
        cmocka_unit_test(ids_to_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
