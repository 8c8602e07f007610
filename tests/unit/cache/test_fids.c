/*
 * test_fids.c: fids of inodes: walked again, opened, idle and spare.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/cache/world.h"

static void long_paths_are_walked_in_steps(void **state)
{
    struct world w = begin(64);
    char path[128] = "";
    struct inode *inode = &w.cache->root;
    struct p9_attr attr;

    (void)state;
    for (int i = 0; i < 40; i++) {
        strcat(path, "/d");
        srv_add(w.srv, path, true);
        inode = look(&w, inode, "d");
        assert_non_null(inode);
    }
    cache_evict(w.cache, 1000);
    srv_count(w.srv, P9_Twalk);
    assert_int_equal(ask(&w, inode, &attr), 0);
    assert_int_equal(srv_count(w.srv, P9_Twalk), 3); /* 16, 16 and 8 names */
    end(&w);
}

static void a_known_file_is_opened_in_one_step(void **state)
{
    struct world w = begin(100);
    struct p9_opening o = {.flags = O_RDONLY};

    (void)state;
    srv_add(w.srv, "/a", false);
    struct inode *a = look(&w, &w.cache->root, "a");
    for (int i = 0; i < 2; i++) { /* the fid that is used up is replaced */
        struct use u = use_of(&w, a);
        srv_count(w.srv, P9_Twalk);
        assert_int_equal(use_open(NULL, &u, &o), 0);
        assert_int_equal(srv_count(w.srv, P9_Twalk), 1);
        assert_true(qid_same_file(&o.fid->qid, &a->qid));
        p9_fid_put(o.fid);
    }
    srv_remove(w.srv, "/a");
    srv_add(w.srv, "/a", false); /* another file by now */
    struct use u = use_of(&w, a);
    assert_int_equal(use_open(NULL, &u, &o), -EAGAIN);
    assert_int_equal(use_open(NULL, &u, &o), -EAGAIN); /* no fid is left to try with */
    cache_forget(w.cache, a, 1);
    end(&w);
}

/* Opens a to read, with its first bytes; whether by a fid that was open already. */
static bool opens_kept(struct world *w, struct inode *a, int flags)
{
    uint8_t first[16];
    struct p9_opening o = {.flags = flags, .first = first, .first_size = sizeof first};
    struct use u = use_of(w, a);

    srv_count(w->srv, P9_Tlopen);
    assert_int_equal(use_open(NULL, &u, &o), 0);
    assert_int_equal(srv_count(w->srv, P9_Tlopen), !o.is_open);
    assert_int_equal(o.first_got, o.is_open ? sizeof first : 0);
    assert_true(qid_same_file(&o.fid->qid, &a->qid));
    cache_keep_open(w->cache, a, w->user, o.fid, u.walked, &o.attr);
    return o.is_open;
}

static void a_closed_file_is_opened_by_the_same_fid(void **state)
{
    struct world w = begin(100);
    struct p9_attr attr;

    (void)state;
    w.srv->read_size = 1000;
    srv_add(w.srv, "/a", false);
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_false(opens_kept(&w, a, O_RDONLY));
    assert_true(opens_kept(&w, a, O_RDONLY));
    assert_false(opens_kept(&w, a, O_RDWR));
    cache_close_idle(w.cache, &w.cache->root, "a");
    assert_false(opens_kept(&w, a, O_RDONLY));
    cache_changing(w.cache, a);
    assert_false(opens_kept(&w, a, O_RDONLY));
    cache_evict(w.cache, 1); /* these go first */
    assert_false(opens_kept(&w, a, O_RDONLY));
    clock_pass((IDLE_OPEN_MS - 1) * 1000);
    assert_int_equal(cache_close_old(w.cache), 1);
    assert_true(opens_kept(&w, a, O_RDONLY));
    clock_pass(IDLE_OPEN_MS * 1000);
    assert_int_equal(cache_close_old(w.cache), 0);
    assert_false(opens_kept(&w, a, O_RDONLY));
    pthread_mutex_lock(&w.srv->mtx);
    w.srv->read_size = 2000; /* it has changed */
    pthread_mutex_unlock(&w.srv->mtx);
    assert_false(opens_kept(&w, a, O_RDONLY));
    pthread_mutex_lock(&w.srv->mtx);
    w.srv->files[1].ctime = (uint64_t)clock_wall(); /* its times would not show the next change */
    pthread_mutex_unlock(&w.srv->mtx);
    assert_false(opens_kept(&w, a, O_RDONLY));
    assert_false(opens_kept(&w, a, O_RDONLY));
    assert_int_equal(cache_close_old(w.cache), 0);
    assert_int_equal(ask(&w, a, &attr), 0);
    cache_forget(w.cache, a, 1);
    end(&w);
}

static void few_files_are_kept_open(void **state)
{
    struct world w = begin(400);
    struct inode *inodes[100];
    char name[16];

    (void)state;
    w.srv->read_size = 1000;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "/f%d", i);
        srv_add(w.srv, name, false);
        inodes[i] = look(&w, &w.cache->root, name + 1);
    }
    unsigned before = srv_live(w.srv);
    for (int i = 0; i < 100; i++)
        opens_kept(&w, inodes[i], O_RDONLY);
    struct p9_attr attr;
    assert_int_equal(ask(&w, inodes[0], &attr), 0); /* answered after the clunks */
    assert_in_range(srv_live(w.srv), before + 1, before + 40);
    assert_true(opens_kept(&w, inodes[99], O_RDONLY));
    assert_false(opens_kept(&w, inodes[0], O_RDONLY));
    for (int i = 0; i < 100; i++)
        cache_forget(w.cache, inodes[i], 1); /* what is kept goes with its inode */
    end(&w);
}

static void spares_are_for_the_directory_as_it_was(void **state)
{
    struct world w = begin(100);
    struct p9_attr attr;

    (void)state;
    srv_add(w.srv, "/d", true);
    struct inode *d = look(&w, &w.cache->root, "d");
    for (int i = 0; i < 2; i++) {
        struct use u = use_of(&w, d);
        assert_null(cache_take_spare(w.cache, d, w.user));
        assert_int_equal(use_begin(NULL, &u), 0);
        cache_want_spare(w.cache, d, w.user, u.fid, u.walked);
        cache_want_spare(w.cache, d, w.user, u.fid, u.walked); /* one is enough */
        use_again(&u, 0);
        assert_int_equal(ask(&w, d, &attr), 0); /* answered after the clones */
        if (i == 0) {
            struct p9_fid *fid = cache_take_spare(w.cache, d, w.user);
            assert_non_null(fid);
            p9_fid_put(fid);
        }
    }
    rename_both(&w, "/d", "/e", &w.cache->root, "d", &w.cache->root, "e");
    assert_null(cache_take_spare(w.cache, d, w.user));
    cache_forget(w.cache, d, 1);
    end(&w);
}

struct asking {
    struct cache *cache;
    struct handle handle;
    struct p9_fid *fid;
};

static void *ask_by_handle(void *arg)
{
    struct asking *a = arg;

    a->fid = cache_handle_fid(NULL, a->cache, &a->handle, false);
    return NULL;
}

/* The server is asked whether the open fid is still the file, and does not answer for long. */
static void the_lock_is_not_held_over_a_request(void **state)
{
    struct world w = begin(100);
    struct p9_fid *fid;
    const char *name = "a";
    pthread_t thread;

    (void)state;
    srv_add(w.srv, "/a", false);
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_int_equal(p9_walk(NULL, w.user->root, 1, &name, &fid), 0);
    struct asking asking = {.cache = w.cache, .handle = {.fid = fid, .inode = a, .user = w.user}};
    alarm(60); /* a failure is a deadlock */
    pthread_mutex_lock(&w.srv->mtx);
    assert_int_equal(pthread_create(&thread, NULL, ask_by_handle, &asking), 0);
    while (atomic_load(&fid->refs) < 2) /* it is at work */
        sched_yield();
    cache_version(w.cache);
    pthread_mutex_unlock(&w.srv->mtx);
    pthread_join(thread, NULL);
    alarm(0);
    assert_ptr_equal(asking.fid, fid);
    p9_fid_put(fid);
    p9_fid_put(fid);
    cache_forget(w.cache, a, 1);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_paths_are_walked_in_steps),
        cmocka_unit_test(a_known_file_is_opened_in_one_step),
        cmocka_unit_test(a_closed_file_is_opened_by_the_same_fid),
        cmocka_unit_test(few_files_are_kept_open),
        cmocka_unit_test(the_lock_is_not_held_over_a_request),
        cmocka_unit_test(spares_are_for_the_directory_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
