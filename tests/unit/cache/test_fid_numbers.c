/*
 * test_fid_numbers.c: fid numbers: their bound, and where client and server may disagree on them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "unit/cache/world.h"

static void fids_stay_below_the_bound(void **state)
{
    struct world w = begin(64);
    struct p9_attr attr;
    struct inode *inodes[500];
    char path[32];

    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        srv_add(w.srv, path, false);
        inodes[i] = look(&w, &w.cache->root, path + 1);
        assert_non_null(inodes[i]);
    }
    assert_in_range(w.srv->most_live, 1, 64);
    assert_in_range(w.srv->highest, 1, 63);
    for (int i = 0; i < 500; i++)
        assert_int_equal(ask(&w, inodes[i], &attr), 0);
    assert_in_range(w.srv->most_live, 1, 64);
    end(&w);
}

static void a_smaller_bound_is_learned(void **state)
{
    struct world w = begin(1024);
    struct p9_attr attr;
    struct inode *inodes[200];
    unsigned live, bound;
    char path[32];

    (void)state;
    w.srv->fid_limit = 40;
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        srv_add(w.srv, path, false);
        inodes[i] = look(&w, &w.cache->root, path + 1);
        assert_non_null(inodes[i]);
    }
    for (int i = 0; i < 200; i++)
        assert_int_equal(ask(&w, inodes[i], &attr), 0);
    p9_client_fids(w.client, &live, &bound);
    assert_int_equal(bound, 40);
    assert_in_range(srv_live(w.srv), 1, 40);
    end(&w);
}

static void no_fid_left_is_enfile(void **state)
{
    struct world w = begin(64);
    struct p9_fid *fids[64], *one_more;
    int n = 0, rc;

    (void)state;
    while ((rc = p9_walk(NULL, w.user->root, 0, NULL, &fids[n])) == 0)
        n++;
    assert_int_equal(rc, -ENFILE);
    assert_int_equal(n, 63);
    p9_fid_put(fids[--n]);
    assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &one_more), 0);
    p9_fid_put(one_more);
    while (n > 0)
        p9_fid_put(fids[--n]);
    end(&w);
}

/* ---- where client and server may disagree ------------------------------- */

static bool no_memory;
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_malloc(size_t n)
{
    return no_memory ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return no_memory ? NULL : __real_calloc(n, size);
}

/* Walks from the root and back, so that what was sent before is answered. */
static void walk_well(struct world *w)
{
    struct p9_fid *fid;
    struct p9_attr attr;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(p9_walk(NULL, w->user->root, 0, NULL, &fid), 0);
        assert_int_equal(p9_getattr(NULL, fid, &attr), 0);
        p9_fid_put(fid);
        assert_int_equal(p9_getattr(NULL, w->user->root, &attr), 0);
    }
    assert_int_equal(srv_live(w->srv), 1); /* the root alone */
}

static void a_clunk_needs_no_memory(void **state)
{
    struct world w = begin(64);
    struct p9_fid *fid;

    (void)state;
    assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fid), 0);
    no_memory = true;
    p9_fid_put(fid);
    no_memory = false;
    walk_well(&w);
    end(&w);
}

static void a_number_that_the_server_knows_is_not_insisted_on(void **state)
{
    static const uint32_t ecodes[] = {EBADF, EBUSY, EEXIST, EIO, EINVAL};

    (void)state;
    for (size_t i = 0; i < sizeof ecodes / sizeof *ecodes; i++) {
        struct world w = begin(64);
        w.srv->known_ecode = ecodes[i];
        for (int again = 0; again < 2; again++) {
            srv_know(w.srv, 1);
            walk_well(&w);
        }
        end(&w);
    }
}

static void what_is_said_of_any_number_is_not_about_the_number(void **state)
{
    struct world w = begin(64);
    struct p9_fid *fid;

    (void)state;
    w.srv->fid_limit = 2; /* 0 and 1 are fine: see FEWEST in fid.c */
    w.srv->limit_ecode = EIO;
    struct p9_fid *one;
    assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &one), 0);
    srv_count(w.srv, P9_Twalk);
    assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fid), -EIO);
    assert_int_equal(srv_count(w.srv, P9_Twalk), 2);
    assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fid), -EIO);
    assert_int_equal(srv_count(w.srv, P9_Twalk), 1);
    p9_fid_put(one);
    pthread_mutex_lock(&w.srv->mtx);
    w.srv->fid_limit = 0;
    w.srv->known_ecode = EIO;
    pthread_mutex_unlock(&w.srv->mtx);
    walk_well(&w);
    srv_know(w.srv, 1); /* it may be, nevertheless: the next one finds it in order */
    assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fid), -EIO);
    walk_well(&w);
    end(&w);
}

static void a_walk_that_ends_short_may_bind(void **state)
{
    struct world w = begin(64);
    const char *names[] = {"d", "missing"};
    struct p9_fid *fid;

    (void)state;
    srv_add(w.srv, "/d", true);
    w.srv->binds_short = true;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(p9_walk(NULL, w.user->root, 1, names + 1, &fid), -ENOENT);
        assert_int_equal(p9_walk(NULL, w.user->root, 2, names, &fid), -ENOENT);
        struct p9_fid *second;
        assert_int_equal(p9_walk_twice(NULL, w.user->root, 2, names, &fid, &second), -ENOENT);
    }
    walk_well(&w);
    end(&w);
}

static void a_walk_with_a_malformed_answer_may_have_been_done(void **state)
{
    struct world w = begin(64);
    const char *name = "d";
    struct p9_fid *fid;

    (void)state;
    srv_add(w.srv, "/d", true);
    w.srv->spoil = P9_Twalk;
    assert_int_equal(p9_walk(NULL, w.user->root, 1, &name, &fid), -EPROTO);
    walk_well(&w);
    /* Nor does a clunk need to be understood. */
    w.srv->spoil = P9_Tgetattr;
    struct p9_attr attr;
    assert_int_equal(p9_getattr(NULL, w.user->root, &attr), -EPROTO);
    walk_well(&w);
    end(&w);
}

static void a_share_is_kept_for_what_is_not_open(void **state)
{
    struct world w = begin(64);
    struct p9_fid *fids[64], *fid;
    struct p9_attr attr;
    int n = 0, dirs = 0;

    (void)state;
    srv_add(w.srv, "/f", false);
    struct inode *f = look(&w, &w.cache->root, "f");
    for (;; n++) {
        assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fids[n]), 0);
        if (p9_fid_hold(fids[n], false) != 0)
            break;
        assert_int_equal(p9_fid_hold(fids[n], false), 0); /* once is enough */
    }
    assert_int_equal(n, 64 - 16);
    struct use u = use_of(&w, f);
    struct p9_opening o = {.flags = O_RDONLY};
    assert_int_equal(use_open(NULL, &u, &o), -ENFILE);
    assert_int_equal(ask(&w, f, &attr), 0);
    p9_fid_put(fids[n]);
    for (;; dirs++) {
        assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fid), 0);
        if (p9_fid_hold(fid, true) != 0)
            break;
        fids[n + dirs] = fid;
    }
    p9_fid_put(fid);
    assert_int_equal(dirs, 8);
    assert_int_equal(ask(&w, f, &attr), 0);
    assert_non_null(look(&w, &w.cache->root, "f"));
    for (int i = 1; i < n + dirs; i++)
        p9_fid_put(fids[i]);
    p9_fid_let_go(fids[0]);
    p9_fid_put(fids[0]);
    assert_int_equal(p9_client_room(w.client), 64);
    end(&w);
}

static void *wait_for_a_number(void *arg)
{
    struct waiting *k = arg;
    struct p9_fid *fid;

    k->rc = p9_walk(&k->scope, k->w->user->root, 0, NULL, &fid);
    return NULL;
}

static void begin_mute(struct world *w, unsigned wait_ms)
{
    struct p9_fid *fids[40], *root;
    int n = 0;

    *w = (struct world){.srv = calloc(1, sizeof *w->srv)};
    w->srv->clunk_wait_ms = wait_ms;
    w->client = srv_start(w->srv, 40, &root);
    w->cache = cache_new(w->client, 0, root);
    w->user = w->cache->users;
    w->srv->mute_clunk = true;
    while (n < 39)
        assert_int_equal(p9_walk(NULL, root, 0, NULL, &fids[n++]), 0);
    while (n > 0)
        p9_fid_put(fids[--n]);
}

static void who_waits_for_a_clunk_can_be_interrupted(void **state)
{
    struct world w;
    struct waiting k = {.w = &w};
    pthread_t thread;

    (void)state;
    begin_mute(&w, 3600 * 1000);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_a_number, &k), 0);
    p9_interrupt(p9_client_session(w.client), &k.scope);
    pthread_join(thread, NULL);
    assert_int_equal(k.rc, -EINTR);
    end_mute(&w);
}

static void a_clunk_is_not_waited_for_for_ever(void **state)
{
    struct world w;
    struct p9_fid *fid;

    (void)state;
    begin_mute(&w, 100);
    for (int i = 0; i < 1000; i++) /* and not each time as long */
        assert_int_equal(p9_walk(NULL, w.user->root, 0, NULL, &fid), -ENFILE);
    end_mute(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fids_stay_below_the_bound),
        cmocka_unit_test(a_smaller_bound_is_learned),
        cmocka_unit_test(no_fid_left_is_enfile),
        cmocka_unit_test(a_clunk_needs_no_memory),
        cmocka_unit_test(a_number_that_the_server_knows_is_not_insisted_on),
        cmocka_unit_test(what_is_said_of_any_number_is_not_about_the_number),
        cmocka_unit_test(a_walk_that_ends_short_may_bind),
        cmocka_unit_test(a_walk_with_a_malformed_answer_may_have_been_done),
        cmocka_unit_test(a_share_is_kept_for_what_is_not_open),
        cmocka_unit_test(who_waits_for_a_clunk_can_be_interrupted),
        cmocka_unit_test(a_clunk_is_not_waited_for_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
