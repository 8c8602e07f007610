/*
 * test_timer.c: things done after a while. How long that is, is not looked at.
 */
#include "base/timer.h"

#include <sched.h>
#include <stdatomic.h>

#include "unit/test.h"

enum { HOUR_MS = 3600000 };

struct counter {
    atomic_int calls;
    int again; /* so many times it says that it wants to be called again */
};

static unsigned count(void *arg)
{
    struct counter *c = arg;

    return atomic_fetch_add(&c->calls, 1) < c->again ? 1 : 0;
}

static void wait_for(struct counter *c, int calls)
{
    while (atomic_load(&c->calls) < calls)
        sched_yield();
}

static void it_is_called_as_often_as_it_says(void **state)
{
    struct counter c = {.again = 3};
    struct timer *l = timer_new(count, &c);

    (void)state;
    assert_non_null(l);
    timer_arm(l, 1);
    wait_for(&c, 4);
    timer_arm(l, 0);
    wait_for(&c, 5);
    timer_free(l);
    assert_int_equal(atomic_load(&c.calls), 5);
}

static void the_earlier_time_counts(void **state)
{
    struct counter c = {.again = 0};
    struct timer *l = timer_new(count, &c);

    (void)state;
    timer_arm(l, HOUR_MS);
    timer_arm(l, 1);
    timer_arm(l, HOUR_MS);
    wait_for(&c, 1);
    timer_free(l);
}

static void the_end_does_not_wait_for_the_time(void **state)
{
    struct counter c = {.again = 0};
    struct timer *l = timer_new(count, &c);

    (void)state;
    timer_arm(l, HOUR_MS);
    timer_free(l);
    assert_int_equal(atomic_load(&c.calls), 0);
    timer_arm(NULL, 1);
    timer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_called_as_often_as_it_says),
        cmocka_unit_test(the_earlier_time_counts),
        cmocka_unit_test(the_end_does_not_wait_for_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
