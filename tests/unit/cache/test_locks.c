/*
 * test_locks.c: the rules of byte ranges, against a plain array of bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/locks.h"
#include "unit/test.h"

enum { BYTES = 24, OWNERS = 3 };

static void ranges_are_as_bytes(void **state)
{
    struct lock_range *list = NULL;
    enum lock_type bytes[OWNERS][BYTES];

    (void)state;
    memset(bytes, 0, sizeof bytes);
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        uint64_t a = (uint64_t)random() % BYTES, b = (uint64_t)random() % BYTES;
        struct lock_range want = {.start = a < b ? a : b,
                                  .end = a < b ? b : a,
                                  .type = (enum lock_type)(random() % 3),
                                  .owner = (uint64_t)random() % OWNERS};
        bool free_to_take = true;
        for (uint64_t o = 0; o < OWNERS; o++)
            for (uint64_t i = want.start; i <= want.end; i++)
                if (o != want.owner && bytes[o][i] != LK_NONE && want.type != LK_NONE &&
                    (bytes[o][i] == LK_WRITE || want.type == LK_WRITE))
                    free_to_take = false;
        if (want.type != LK_NONE)
            assert_int_equal(locks_conflict(list, &want) == NULL, free_to_take);
        if (!free_to_take)
            continue;
        assert_int_equal(locks_set(&list, &want), 0);
        for (uint64_t i = want.start; i <= want.end; i++)
            bytes[want.owner][i] = want.type;
        for (uint64_t at = 0; at < BYTES;) {
            uint64_t end = BYTES - 1;
            enum lock_type type = locks_at(list, at, &end);
            for (; at <= end; at++) {
                enum lock_type strongest = LK_NONE;
                for (int o = 0; o < OWNERS; o++)
                    strongest = bytes[o][at] > strongest ? bytes[o][at] : strongest;
                assert_int_equal(type, strongest);
            }
        }
    }
    locks_free(&list);
    assert_null(list);
}

static void the_end_is_endless(void **state)
{
    struct lock_range *list = NULL;
    struct lock_range all = {.start = 10, .end = LK_TO_END, .type = LK_WRITE, .owner = 1};
    struct lock_range hole = {.start = 20, .end = 29, .type = LK_NONE, .owner = 1};
    struct lock_range other = {.start = 1ull << 62, .end = 1ull << 62, .type = LK_READ, .owner = 2};
    uint64_t end = LK_TO_END;

    (void)state;
    locks_set(&list, &all);
    locks_set(&list, &hole);
    assert_non_null(locks_conflict(list, &other));
    assert_int_equal(locks_at(list, 30, &end), LK_WRITE);
    assert_true(end == LK_TO_END);
    assert_int_equal(locks_at(list, 20, &end), LK_NONE);
    assert_int_equal(end, 29);
    locks_free(&list);
}

static void drops_by_owner_and_by_file(void **state)
{
    struct lock_range *list = NULL;
    int file[2];
    struct lock_range a = {.start = 0, .end = 1, .type = LK_READ, .owner = 1, .via = &file[0]};
    struct lock_range b = {.start = 2, .end = 3, .type = LK_READ, .owner = 1, .via = &file[1]};
    struct lock_range c = {.start = 0, .end = 9, .type = LK_READ, .owner = 2, .via = &file[1]};

    (void)state;
    locks_set(&list, &a);
    locks_set(&list, &b);
    locks_set(&list, &c);
    assert_true(locks_drop(&list, 0, true, &file[0]));
    assert_false(locks_drop(&list, 0, true, &file[0]));
    assert_true(locks_drop(&list, 1, false, NULL));
    assert_ptr_equal(list->via, &file[1]);
    assert_int_equal(list->owner, 2);
    locks_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_as_bytes),
        cmocka_unit_test(the_end_is_endless),
        cmocka_unit_test(drops_by_owner_and_by_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
