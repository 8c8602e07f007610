/*
 * test_histogram.c: percentiles at known values.
 */
#include "base/histogram.h"

#include <string.h>

#include "unit/test.h"

static struct histogram h;

static int empty(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    return 0;
}

static void of_nothing_is_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_percentile(&h, 50), 0);
    assert_int_equal(histogram_percentile(&h, 100), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t v = 1; v <= 10; v++)
        histogram_add(&h, v);
    assert_int_equal(histogram_percentile(&h, 1), 1);
    assert_int_equal(histogram_percentile(&h, 10), 1);
    assert_int_equal(histogram_percentile(&h, 11), 2);
    assert_int_equal(histogram_percentile(&h, 50), 5);
    assert_int_equal(histogram_percentile(&h, 90), 9);
    assert_int_equal(histogram_percentile(&h, 99), 10);
    assert_int_equal(h.n, 10);
    assert_int_equal(h.max, 10);
}

/* 1000 is in the bucket from 992 to 1023, 100000 in that from 98304 to 102399. */
static void large_values_are_known_to_a_sixteenth(void **state)
{
    (void)state;
    for (int i = 0; i < 98; i++)
        histogram_add(&h, 1000);
    histogram_add(&h, 100000);
    histogram_add(&h, 123456789);
    assert_int_equal(histogram_percentile(&h, 50), 1023);
    assert_int_equal(histogram_percentile(&h, 98), 1023);
    assert_int_equal(histogram_percentile(&h, 99), 102399);
    assert_int_equal(histogram_percentile(&h, 100), 123456789); /* never above the largest value */
}

static void no_value_is_off_by_more_than_a_sixteenth(void **state)
{
    (void)state;
    for (uint64_t v = 1; v < (uint64_t)900 * 1000000; v += 1 + v / 7) {
        memset(&h, 0, sizeof h);
        histogram_add(&h, v);
        histogram_add(&h, UINT64_MAX); /* so that the bucket's bound counts */
        uint64_t p = histogram_percentile(&h, 50);
        assert_true(p >= v && p - v <= v / 16);
    }
}

static void huge_values_count_as_the_largest(void **state)
{
    (void)state;
    histogram_add(&h, UINT64_MAX);
    histogram_add(&h, UINT64_MAX - 1);
    assert_true(histogram_percentile(&h, 1) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(of_nothing_is_zero, empty),
        cmocka_unit_test_setup(small_values_are_exact, empty),
        cmocka_unit_test_setup(large_values_are_known_to_a_sixteenth, empty),
        cmocka_unit_test_setup(no_value_is_off_by_more_than_a_sixteenth, empty),
        cmocka_unit_test_setup(huge_values_count_as_the_largest, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
