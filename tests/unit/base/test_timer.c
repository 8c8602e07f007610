/*
 * test_timer.c: calls of a timer. Their exact time is not tested.
 */
#include "base/timer.h"

#include <sched.h>
#include <stdatomic.h>

#include "unit/test.h"

enum { HOUR_MS = 3600000 };

struct counter {
    atomic_int calls;
    int again; /* how many calls ask for another one */
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

static void it_is_called_as_often_as_it_asks_for(void **state)
{
    struct counter c = {.again = 3};
    struct timer *t = timer_new(count, &c);

    (void)state;
    assert_non_null(t);
    timer_arm(t, 1);
    wait_for(&c, 4);
    timer_arm(t, 0);
    wait_for(&c, 5);
    timer_free(t);
    assert_int_equal(atomic_load(&c.calls), 5);
}

static void the_earlier_deadline_counts(void **state)
{
    struct counter c = {.again = 0};
    struct timer *t = timer_new(count, &c);

    (void)state;
    timer_arm(t, HOUR_MS);
    timer_arm(t, 1);
    timer_arm(t, HOUR_MS);
    wait_for(&c, 1);
    timer_free(t);
}

static void freeing_does_not_wait_for_the_deadline(void **state)
{
    struct counter c = {.again = 0};
    struct timer *t = timer_new(count, &c);

    (void)state;
    timer_arm(t, HOUR_MS);
    timer_free(t);
    assert_int_equal(atomic_load(&c.calls), 0);
    timer_arm(NULL, 1);
    timer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_called_as_often_as_it_asks_for),
        cmocka_unit_test(the_earlier_deadline_counts),
        cmocka_unit_test(freeing_does_not_wait_for_the_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
