/*
 * test_doubts.c: fids whose request was given up: the server may still be making them.
 */
#include <sched.h>
#include <string.h>

#include "session/session_impl.h"
#include "unit/cache/world.h"

enum { SECOND = 1000 * 1000, DOUBT = 10 * SECOND };

static void *walk_to_f(void *arg)
{
    struct waiting *k = arg;
    const char *name = "f";
    struct p9_fid *fid;

    k->rc = p9_walk(&k->scope, k->w->user->root, 1, &name, &fid);
    return NULL;
}

/* Makes a fid that the server has, without its reply. */
static struct world begin_doubt(bool flushes)
{
    struct world w = begin(64);
    struct waiting k = {.w = &w};
    pthread_t thread;

    srv_add(w.srv, "/f", false);
    pthread_mutex_lock(&w.srv->mtx);
    w.srv->mute[P9_Twalk] = true;
    w.srv->mute[P9_Tflush] = !flushes;
    pthread_mutex_unlock(&w.srv->mtx);
    assert_int_equal(pthread_create(&thread, NULL, walk_to_f, &k), 0);
    while (srv_live(w.srv) < 2)
        sched_yield();
    pthread_mutex_lock(&w.srv->mtx);
    w.srv->mute[P9_Twalk] = false;
    pthread_mutex_unlock(&w.srv->mtx);
    p9_interrupt(p9_client_session(w.client), &k.scope);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        if (!flushes) {
            clock_pass(SECOND); /* the thread may not have ended its send */
            session_tick(p9_client_session(w.client));
        }
        sched_yield();
    }
    assert_int_equal(k.rc, -EINTR);
    return w;
}

/* The fids that the server has after some requests. */
static unsigned live_after(struct world *w, uint64_t us)
{
    struct p9_fid *fid;
    struct p9_attr attr;

    clock_pass(us);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(p9_walk(NULL, w->user->root, 0, NULL, &fid), 0);
        assert_int_equal(p9_getattr(NULL, fid, &attr), 0);
        p9_fid_put(fid);
        assert_int_equal(p9_getattr(NULL, w->user->root, &attr), 0);
    }
    return srv_live(w->srv);
}

/* diod ends by a signal when a Tclunk comes while it walks. */
static void a_walk_that_was_flushed_is_clunked_later(void **state)
{
    struct world w = begin_doubt(true);

    (void)state;
    assert_int_equal(live_after(&w, 0), 2);
    assert_int_equal(live_after(&w, DOUBT), 2);
    assert_int_equal(live_after(&w, DOUBT - 1000), 2);
    assert_int_equal(live_after(&w, 1000), 1);
    end(&w);
}

static void a_walk_that_may_be_going_on_is_not_clunked(void **state)
{
    struct world w = begin_doubt(false);

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(live_after(&w, DOUBT), 2);
    end_mute(&w);
}

static void numbers_that_are_needed_are_not_in_doubt_for_long(void **state)
{
    struct world w = begin_doubt(true);
    struct p9_fid *fids[64];
    int n = 0;

    (void)state;
    while (n < 63)
        assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fids[n++]), 0);
    while (n > 0)
        p9_fid_put(fids[--n]);
    assert_int_equal(live_after(&w, 0), 1);
    end(&w);
}

static unsigned that_are_f(struct world *w)
{
    unsigned n = 0;

    pthread_mutex_lock(&w->srv->mtx);
    for (unsigned i = 0; i < SRV_FIDS; i++)
        n += w->srv->fids[i] != NULL && strcmp(w->srv->fids[i], "/f") == 0;
    pthread_mutex_unlock(&w->srv->mtx);
    return n;
}

static void idle_fids_go_before_those_in_doubt(void **state)
{
    struct world w = begin_doubt(true);
    char path[32];

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/g%d", i);
        srv_add(w.srv, path, false);
        assert_non_null(look(&w, &w.cache->root, path + 1));
        assert_int_equal(that_are_f(&w), 1);
    }
    assert_int_not_equal(live_after(&w, DOUBT), 0);
    live_after(&w, DOUBT);
    assert_int_equal(that_are_f(&w), 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_that_was_flushed_is_clunked_later),
        cmocka_unit_test(a_walk_that_may_be_going_on_is_not_clunked),
        cmocka_unit_test(idle_fids_go_before_those_in_doubt),
        cmocka_unit_test(numbers_that_are_needed_are_not_in_doubt_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
