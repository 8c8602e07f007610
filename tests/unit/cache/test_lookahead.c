/*
 * test_lookahead.c: attributes asked for before they are.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"
#include "unit/ownclock.h"
#include "unit/pathsrv.h"
#include "unit/test.h"

enum { FILES = 100, LONG = 1000000 };

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct cache *cache;
    struct inode *root;
    struct user *user;
};

static struct world begin(unsigned lifetime_ms)
{
    const struct lifetimes lifetimes = {.attr = lifetime_ms, .entry = lifetime_ms};
    struct world w = {.srv = calloc(1, sizeof *w.srv)};
    struct p9_fid *root;

    w.client = srv_start(w.srv, 4096, &root);
    w.cache = cache_new(w.client, 0, root);
    w.root = &w.cache->root;
    w.user = w.cache->users;
    cache_set_lifetimes(w.cache, &lifetimes);
    assert_int_equal(w.cache->lookahead != NULL, lifetime_ms > 0);
    return w;
}

static void end(struct world *w)
{
    cache_free(w->cache);
    srv_settle(w->srv, w->client);
    p9_client_stop(w->client);
    assert_int_equal(w->srv->bad, 0);
    assert_int_equal(w->srv->live, 0); /* every fid was clunked */
    srv_stop(w->srv);
}

/* A use of the root, as a lookup has one. */
static struct use use_of_root(struct world *w)
{
    return (struct use){
        .cache = w->cache, .inode = w->root, .user = w->user, .fid = w->user->root, .walked = cache_renames(w->cache)};
}

/* What is fetched for a lookup is not needed any more. */
static void done(struct world *w, const struct lookahead_found *found)
{
    cache_forget(w->cache, found->inode, 1);
}

static const char *name_of(int i)
{
    static char name[16];

    snprintf(name, sizeof name, "file%02d", i);
    return name;
}

/* Files in the root, listed in the order of their numbers or backwards. */
static void make_and_list(struct world *w, bool backwards)
{
    char path[32];

    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/%s", name_of(i));
        srv_add(w->srv, path, false);
    }
    uint64_t l = lookahead_begin(w->cache, w->root, w->user, cache_version(w->cache), clock_ms());
    for (int i = 0; i < FILES; i++)
        lookahead_name(w->cache, w->root, l, p9_str(name_of(backwards ? FILES - 1 - i : i)), false);
    lookahead_end(w->cache, w->root, l);
}

static bool look(struct world *w, const char *name, struct lookahead_found *found)
{
    const struct use u = use_of_root(w);

    return lookahead_look(w->cache, NULL, &u, name, found);
}

/* The idle fid of what was found, which is of that file. */
static void has_fid(struct world *w, const struct lookahead_found *found)
{
    struct p9_fid *fid = cache_idle_fid(w->cache, found->inode, w->user);

    assert_non_null(fid);
    assert_int_equal(found->attr.qid.path, fid->qid.path);
    p9_fid_put(fid);
}

static void each_is_asked_for_once(void **state)
{
    for (int backwards = 0; backwards < 2; backwards++) { /* as listed, and sorted */
        struct world w = begin(LONG);
        struct lookahead_found found;
        unsigned first = 0;
        make_and_list(&w, backwards);
        for (int i = 0; i < FILES; i++) {
            const char *name = name_of(i);
            assert_true(look(&w, name, &found));
            has_fid(&w, &found);
            assert_true(found.left_ms > 0 && found.left_ms <= LONG);
            done(&w, &found);
            assert_false(look(&w, name, &found)); /* taken */
            if (i == 0)
                first = srv_count(w.srv, P9_Twalk);
        }
        assert_int_equal(first, 1); /* one look is no reason for more */
        assert_int_equal(srv_count(w.srv, P9_Twalk), FILES - 1);
        end(&w);
    }
    (void)state;
}

static void what_changes_is_forgotten(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    for (int i = 0; i < 10; i++) { /* by now the next ones are there */
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
    }
    cache_name_changed(w.cache, w.root, "file20");
    assert_false(look(&w, "file20", &found));
    /* A file that we know and did something to. */
    assert_true(look(&w, "file22", &found));
    lookahead_name(w.cache, w.root, lookahead_begin(w.cache, w.root, w.user, cache_version(w.cache), clock_ms()),
                   p9_str("file22"), false);
    struct inode *inode = found.inode;
    assert_true(look(&w, "file22", &found)); /* fetched once more, into the same inode */
    assert_ptr_equal(found.inode, inode);
    done(&w, &found);
    make_and_list(&w, false);
    for (int i = 0; i < 10; i++) {
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
    }
    assert_int_equal(dentry_find(w.cache, w.root, "file22")->state, DENTRY_FETCHED);
    cache_changing(w.cache, inode);
    assert_false(look(&w, "file22", &found));
    cache_forget(w.cache, inode, 1);
    assert_false(look(&w, "not-listed", &found));
    end(&w);
}

/* An open was told what another client did, after these were asked for: they are older than what
 * the kernel knows. */
static void what_was_told_since_is_not_taken_back(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    struct p9_attr attr = {.qid = {.path = srv_add(w.srv, "/file05", false)}, .mode = S_IFREG, .nlink = 1, .size = 3};
    struct inode *inode = cache_enter(w.cache, w.root, "file05", &attr, NULL, w.user, 0);
    for (int i = 0; i < 4; i++) { /* by now the next ones are there */
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
    }
    attr.size = 10;
    assert_true(cache_announce(w.cache, inode, &attr));
    assert_false(look(&w, "file05", &found));
    assert_true(look(&w, "file06", &found));
    done(&w, &found);
    cache_forget(w.cache, inode, 1);
    end(&w);
}

static void old_answers_are_not_taken(void **state)
{
    struct world w = begin(0); /* too old at once */
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    for (int i = 0; i < FILES; i++)
        assert_false(look(&w, name_of(i), &found));
    end(&w);
    w = begin(1000);
    const struct use u = use_of_root(&w);
    make_and_list(&w, false);
    for (int i = 0; i < 2; i++) {
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
    }
    clock_pass(999 * 1000);
    assert_true(lookahead_take(w.cache, &u, name_of(2), &found));
    assert_int_equal(found.left_ms, 1);
    done(&w, &found);
    clock_pass(1000);
    assert_false(lookahead_take(w.cache, &u, name_of(3), &found));
    end(&w);
}

static void a_new_listing_takes_the_place_of_the_old(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    for (int i = 0; i < 3; i++) {
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
    }
    lookahead_begin(w.cache, w.root, w.user, cache_version(w.cache), clock_ms());
    assert_false(look(&w, name_of(3), &found));
    end(&w);
}

/* What was fetched has expired. */
static void age(struct world *w)
{
    pthread_mutex_lock(&w->cache->mtx);
    for (struct inode *i = w->cache->lookahead->fetched; i != NULL; i = i->next_fetched)
        i->attr_until = 1;
    pthread_mutex_unlock(&w->cache->mtx);
}

/* Waits until the server was asked for so many names in all. */
static void until_asked(struct world *w, unsigned *asked, unsigned n)
{
    while ((*asked += srv_count(w->srv, P9_Twalk)) < n)
        sched_yield();
}

static void the_next_names_are_asked_for_while_some_are_left(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;
    struct p9_attr attr;
    unsigned asked = 0, looked = 0;

    (void)state;
    make_and_list(&w, false);
    w.srv->takes_us = 1000;
    while (p9_session_latency(p9_client_session(w.client)) < 700) /* the server is far away by now */
        assert_int_equal(p9_getattr(NULL, w.user->root, &attr), 0);
    while (asked < FILES) {
        assert_true(looked < asked || looked < 2);
        assert_true(look(&w, name_of(looked++), &found));
        done(&w, &found);
        asked += srv_count(w.srv, P9_Twalk);
        if (asked > FULL_BATCH && asked - looked < FULL_BATCH / 2)
            until_asked(&w, &asked, asked + 1); /* while nobody looks at any */
    }
    for (; looked < FILES; looked++) {
        assert_true(look(&w, name_of(looked), &found));
        done(&w, &found);
    }
    assert_int_equal(asked + srv_count(w.srv, P9_Twalk), FILES); /* each once */
    end(&w);
}

static void what_is_there_is_taken_without_asking(void **state)
{
    struct world w = begin(LONG);
    struct user *u = w.user;
    const struct use use = use_of_root(&w);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    assert_false(lookahead_has_some(w.cache, w.root, u));
    for (int i = 0; i < 2; i++) {
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
    }
    assert_true(lookahead_has_some(w.cache, w.root, u));
    srv_count(w.srv, P9_Twalk);
    assert_true(lookahead_take(w.cache, &use, name_of(2), &found));
    done(&w, &found);
    assert_false(lookahead_take(w.cache, &use, name_of(2), &found));
    assert_false(lookahead_take(w.cache, &use, name_of(FILES - 1), &found));
    assert_int_equal(srv_count(w.srv, P9_Twalk), 0);
    end(&w);
}

/* As ls -l does: first it asks for those of the directory. */
static void who_asks_for_extended_attributes_will_ask_for_more(void **state)
{
    struct world w = begin(LONG);
    const int lacks[P9_XATTRS] = {-ENODATA, -ENODATA, -ENODATA};
    struct user *u = w.user;
    struct inode *root = w.root;

    (void)state;
    make_and_list(&w, false);
    assert_false(lookahead_expects(w.cache, root, u));
    assert_int_equal(w.cache->lookahead->listings->nxattrs, 0);
    cache_set_lacks(w.cache, root, lacks, UINT64_MAX);
    assert_true(lookahead_begin(w.cache, root, u, cache_version(w.cache), clock_ms()) != 0);
    assert_true(lookahead_expects(w.cache, root, u));
    const struct p9_xattrs *x = &w.cache->lookahead->listings->xattrs;
    assert_string_equal(x->of_file[lookahead_xattr(w.cache, "security.selinux")], "security.selinux");
    assert_null(x->of_file[lookahead_xattr(w.cache, "system.posix_acl_default")]);
    assert_non_null(x->of_dir[lookahead_xattr(w.cache, "system.posix_acl_default")]);
    end(&w);
}

static void who_waits_for_a_name_can_be_interrupted(void **state)
{
    struct world w = begin(LONG);
    struct p9_scope interrupted = {.interrupted = true};
    const struct use u = use_of_root(&w);
    struct lookahead_found found;

    (void)state;
    make_and_list(&w, false);
    w.root->listing->first->state = DENTRY_IN_FLIGHT; /* by another thread */
    assert_false(lookahead_look(w.cache, &interrupted, &u, name_of(0), &found));
    end(&w);
}

/* Names of the root looked up at once; how often attributes were asked for. */
static unsigned find_all(struct world *w)
{
    static const struct p9_xattrs none;
    struct p9_found found[FILES] = {0};
    char names[FILES][16];

    srv_count(w->srv, P9_Tgetattr);
    for (int i = 0; i < FILES; i++) {
        strcpy(names[i], name_of(i));
        found[i] = (struct p9_found){.from = w->cache->users->root, .name = names[i]};
    }
    p9_find_many(NULL, w->client, FILES, &none, found);
    for (int i = 0; i < FILES; i++) {
        assert_int_equal(found[i].rc, 0);
        assert_int_equal(found[i].attr.qid.path, found[i].fid->qid.path);
        p9_fid_put(found[i].fid);
    }
    return srv_count(w->srv, P9_Tgetattr);
}

/* It answers in order, but does not always do what it is asked in that order. */
static void a_server_that_only_seems_to_be_in_order(void **state)
{
    struct world w = begin(LONG);

    (void)state;
    make_and_list(&w, false);
    assert_int_equal(find_all(&w), FILES); /* after the walks */
    assert_true(p9_session_in_order(p9_client_session(w.client)));
    assert_int_equal(find_all(&w), FILES); /* with them */
    w.srv->refuse_getattr = 3;
    assert_int_equal(find_all(&w), 2 * FILES); /* again */
    w.srv->refuse_getattr = 0;
    assert_int_equal(find_all(&w), FILES);
    end(&w);
}

/* What the fid of a directory leads to may be another by now. */
static void names_of_a_directory_that_has_moved_are_not_taken(void **state)
{
    struct world w = begin(LONG);
    struct p9_attr attr = {.qid = {.type = P9_QTDIR}, .mode = S_IFDIR | 0755, .nlink = 2};
    struct user *u = w.user;
    struct lookahead_found found;
    const char *d = "d";
    struct p9_fid *fid;

    (void)state;
    attr.qid.path = srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/f", false);
    uint64_t walked = cache_renames(w.cache);
    assert_int_equal(p9_walk(NULL, u->root, 1, &d, &fid), 0);
    struct inode *dir = cache_enter(w.cache, w.root, "d", &attr, NULL, u, walked);
    uint64_t l = lookahead_begin(w.cache, dir, u, cache_version(w.cache), clock_ms());
    lookahead_name(w.cache, dir, l, p9_str("f"), false);
    cache_rename_begin(w.cache);
    cache_rename_end(w.cache, true, w.root, "d", w.root, "e");
    const struct use use = {.cache = w.cache, .inode = dir, .user = u, .fid = fid, .walked = walked};
    assert_false(lookahead_look(w.cache, NULL, &use, "f", &found));
    p9_fid_put(fid);
    cache_forget(w.cache, dir, 1);
    end(&w);
}

static void who_is_slow_is_asked_for_no_more_than_he_takes(void **state)
{
    struct world w = begin(1000000);
    struct lookahead_found found;
    unsigned asked[30];

    (void)state;
    make_and_list(&w, false);
    srv_count(w.srv, P9_Twalk);
    for (int i = 0, batch = 0; i < 30 * 3; i++) { /* three of each batch in time */
        if (i % 3 == 0)
            age(&w);
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
        if (i % 3 == 2)
            asked[batch++] = srv_count(w.srv, P9_Twalk);
    }
    assert_in_range(asked[0], 3, 1 + FULL_BATCH); /* nobody knew */
    for (int i = 1; i < 30; i++)
        assert_in_range(asked[i], 1, 10);
    end(&w);
}

static void a_server_of_few_fids(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;
    int n = 0;

    (void)state;
    w.srv->fid_limit = 40;
    make_and_list(&w, false);
    for (int i = 0; i < FILES; i++)
        if (look(&w, name_of(i), &found)) {
            done(&w, &found);
            n++;
        }
    assert_true(n >= 40 - 1 && n < FILES); /* those that it refused are for a lookup of their own */
    end(&w);
}

static bool absent(struct world *w, const char *name)
{
    return lookahead_absent(w->cache, w->root, w->user, name);
}

static void a_whole_listing_knows_what_is_not_there(void **state)
{
    struct world w = begin(LONG);

    (void)state;
    assert_false(absent(&w, "nothing"));
    make_and_list(&w, false);
    assert_true(absent(&w, "nothing"));
    assert_false(absent(&w, "file00"));
    assert_false(absent(&w, "FILE00")); /* a server may find it so */
    assert_false(absent(&w, "f\xc3\xadle"));
    assert_false(absent(&w, ".zfs"));
    cache_name_changed(w.cache, w.root, "nothing"); /* we made it */
    assert_false(absent(&w, "nothing"));
    assert_int_equal(srv_count(w.srv, P9_Twalk), 0);
    end(&w);
}

static void a_listing_that_lacks_something_knows_nothing(void **state)
{
    struct world w = begin(LONG);
    struct user *u = w.user;
    uint64_t changes = cache_version(w.cache), now = clock_ms();

    (void)state;
    uint64_t first = lookahead_begin(w.cache, w.root, u, changes, now);
    assert_false(absent(&w, "a")); /* it has not ended */
    uint64_t second = lookahead_begin(w.cache, w.root, u, changes, now);
    lookahead_end(w.cache, w.root, first); /* the other one is read now */
    assert_false(absent(&w, "a"));
    lookahead_end(w.cache, w.root, second);
    assert_true(absent(&w, "a"));
    cache_changing(w.cache, w.root); /* something was made after it was asked for, and before it came */
    lookahead_end(w.cache, w.root, lookahead_begin(w.cache, w.root, u, changes, now));
    assert_false(absent(&w, "a"));
    lookahead_end(w.cache, w.root,
                  lookahead_begin(w.cache, w.root, u, cache_version(w.cache), now - LONG)); /* long ago */
    assert_false(absent(&w, "a"));
    end(&w);
}

static void a_directory_we_made_is_empty(void **state)
{
    struct world w = begin(LONG);

    (void)state;
    lookahead_made(w.cache, w.root, w.user, clock_ms());
    assert_true(absent(&w, "a"));
    assert_true(absent(&w, ".a"));
    cache_name_changed(w.cache, w.root, "a");
    assert_false(absent(&w, "a"));
    assert_false(absent(&w, "A"));
    assert_true(absent(&w, "b"));
    end(&w);
}

static void until_refreshed(struct world *w)
{
    for (bool done = false; !done; sched_yield()) {
        pthread_mutex_lock(&w->cache->mtx);
        done = !w->root->listing->refreshing;
        pthread_mutex_unlock(&w->cache->mtx);
    }
}

static void a_whole_listing_that_is_used_is_read_again(void **state)
{
    struct world w = begin(1000);
    const struct use use = use_of_root(&w);
    struct user *u = w.user;

    (void)state;
    lookahead_made(w.cache, w.root, u, clock_ms());
    srv_add(w.srv, "/theirs", false);
    assert_true(absent(&w, "theirs"));
    clock_pass(1000 * 1000);
    assert_false(absent(&w, "new"));
    lookahead_missed(w.cache, &use, "new");
    until_refreshed(&w);
    assert_true(absent(&w, "new"));
    assert_false(absent(&w, "theirs"));
    assert_true(absent(&w, "ours"));
    cache_name_changed(w.cache, w.root, "ours");
    assert_false(absent(&w, "ours"));
    end(&w);
}

static void a_directory_without_end_is_given_up(void **state)
{
    struct world w = begin(1000);
    const struct use use = use_of_root(&w);
    struct user *u = w.user;

    (void)state;
    srv_add(w.srv, "/again", false);
    w.srv->endless = true;
    lookahead_made(w.cache, w.root, u, clock_ms());
    assert_true(absent(&w, "x"));
    uint64_t asked_ms = w.root->listing->asked_ms;
    clock_pass(1000 * 1000);
    lookahead_missed(w.cache, &use, "new");
    until_refreshed(&w);
    assert_int_equal(w.root->listing->asked_ms, asked_ms);
    assert_false(absent(&w, "new"));
    end(&w);
}

static void a_refresh_under_way_is_no_trouble_at_the_end(void **state)
{
    struct world w = begin(1000);
    const struct use use = use_of_root(&w);
    struct user *u = w.user;

    (void)state;
    lookahead_made(w.cache, w.root, u, clock_ms());
    assert_true(absent(&w, "x"));
    clock_pass(1000 * 1000);
    lookahead_missed(w.cache, &use, "new");
    end(&w);
}

static void listings_are_bounded(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;
    struct p9_attr attr = {.qid = {.type = P9_QTDIR}, .mode = S_IFDIR | 0755, .nlink = 2};

    (void)state;
    make_and_list(&w, false);
    assert_true(look(&w, name_of(0), &found));
    done(&w, &found);
    for (int i = 0; i < 300; i++) { /* listings that are used later take its place */
        attr.qid.path = 1000 + (uint64_t)i;
        struct inode *dir = cache_enter(w.cache, w.root, name_of(i), &attr, NULL, NULL, 0);
        lookahead_end(w.cache, dir, lookahead_begin(w.cache, dir, w.user, cache_version(w.cache), clock_ms()));
        cache_forget(w.cache, dir, 1);
    }
    assert_false(look(&w, name_of(1), &found));
    end(&w);
}

/* Opens a file as OPEN does; how many were opened with it. */
static size_t open_in_turn(struct world *w, const char *name)
{
    struct preopen next = {.n = 0};

    lookahead_preopen_begin(w->cache, w->root, w->user, name, &next);
    for (size_t i = 0; i < next.n; i++) {
        assert_int_equal(next.fids[i]->iounit, 0); /* once */
        assert_int_equal(p9_open(NULL, next.fids[i], 0), 0);
    }
    size_t n = next.n;
    lookahead_preopen_end(w->cache, w->user, &next);
    return n;
}

/* Whether what was found is open already; if not it has a fid to be opened by. */
static bool is_open(struct world *w, const struct lookahead_found *found)
{
    pthread_mutex_lock(&w->cache->mtx);
    bool open = idle_open_exists(w->cache, found->inode, w->user);
    pthread_mutex_unlock(&w->cache->mtx);
    if (!open)
        has_fid(w, found);
    return open;
}

static void files_opened_in_turn_are_opened_ahead(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, true);
    for (int i = 0; i < 3; i++) { /* sorted */
        if (look(&w, name_of(i), &found)) {
            assert_false(is_open(&w, &found));
            done(&w, &found);
        }
        assert_int_equal(open_in_turn(&w, name_of(i)), i < 2 ? 0 : P9_OPEN_TOO);
    }
    for (int i = 3; i < 3 + P9_OPEN_TOO; i++) {
        assert_true(look(&w, name_of(i), &found));
        assert_true(is_open(&w, &found));
        done(&w, &found);
        size_t n = open_in_turn(&w, name_of(i));
        assert_in_range(n, i < 2 + P9_OPEN_TOO ? 0 : 1, i < 2 + P9_OPEN_TOO ? 0 : P9_OPEN_TOO); /* of those asked for */
    }
    cache_close_idle(w.cache, w.root, name_of(20)); /* it is to be removed */
    assert_true(look(&w, name_of(20), &found));
    assert_false(idle_open_exists(w.cache, found.inode, w.user));
    done(&w, &found);
    cache_name_changed(w.cache, w.root, name_of(21));
    assert_false(look(&w, name_of(21), &found));
    assert_true(cache_close_old(w.cache) > 0);
    end(&w);
}

static void what_was_open_for_long_is_not_opened_twice(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, true);
    for (int i = 0; i < 3; i++) {
        if (look(&w, name_of(i), &found))
            done(&w, &found);
        open_in_turn(&w, name_of(i));
    }
    clock_pass(IDLE_OPEN_MS * 1000);
    for (int i = 3; i < 3 + P9_OPEN_TOO; i++) {
        assert_true(look(&w, name_of(i), &found));
        done(&w, &found);
        open_in_turn(&w, name_of(i));
    }
    end(&w);
}

static void files_opened_here_and_there_are_not(void **state)
{
    struct world w = begin(LONG);
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, false);
    assert_true(look(&w, name_of(0), &found));
    done(&w, &found);
    assert_true(look(&w, name_of(1), &found));
    done(&w, &found);
    for (int i = 0; i < FILES; i++)
        assert_int_equal(open_in_turn(&w, name_of(i * 37 % FILES)), 0);
    assert_int_equal(cache_close_old(w.cache), 0);
    end(&w);
}

static void what_is_forgotten_while_it_is_opened_ahead_is_not_taken(void **state)
{
    struct world w = begin(LONG);
    struct preopen next = {.n = 0};
    struct lookahead_found found;

    (void)state;
    w.srv->read_size = 100;
    make_and_list(&w, false);
    for (int i = 0; i < 2; i++) {
        if (look(&w, name_of(i), &found))
            done(&w, &found);
        open_in_turn(&w, name_of(i));
    }
    lookahead_preopen_begin(w.cache, w.root, w.user, name_of(2), &next);
    assert_int_equal(next.n, P9_OPEN_TOO);
    p9_fid_put(next.fids[1]);
    next.fids[1] = NULL; /* it failed */
    cache_name_changed(w.cache, w.root, name_of(3));
    lookahead_preopen_end(w.cache, w.user, &next);
    assert_false(look(&w, name_of(3), &found));
    assert_false(look(&w, name_of(4), &found));
    assert_true(look(&w, name_of(5), &found));
    assert_false(is_open(&w, &found)); /* the opening was not even sent */
    done(&w, &found);
    make_and_list(&w, false); /* the old listing goes */
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_asked_for_once),
        cmocka_unit_test(what_changes_is_forgotten),
        cmocka_unit_test(what_was_told_since_is_not_taken_back),
        cmocka_unit_test(old_answers_are_not_taken),
        cmocka_unit_test(who_is_slow_is_asked_for_no_more_than_he_takes),
        cmocka_unit_test(a_server_of_few_fids),
        cmocka_unit_test(a_new_listing_takes_the_place_of_the_old),
        cmocka_unit_test(a_whole_listing_knows_what_is_not_there),
        cmocka_unit_test(a_listing_that_lacks_something_knows_nothing),
        cmocka_unit_test(a_directory_we_made_is_empty),
        cmocka_unit_test(a_whole_listing_that_is_used_is_read_again),
        cmocka_unit_test(a_directory_without_end_is_given_up),
        cmocka_unit_test(a_refresh_under_way_is_no_trouble_at_the_end),
        cmocka_unit_test(the_next_names_are_asked_for_while_some_are_left),
        cmocka_unit_test(what_is_there_is_taken_without_asking),
        cmocka_unit_test(who_asks_for_extended_attributes_will_ask_for_more),
        cmocka_unit_test(who_waits_for_a_name_can_be_interrupted),
        cmocka_unit_test(a_server_that_only_seems_to_be_in_order),
        cmocka_unit_test(names_of_a_directory_that_has_moved_are_not_taken),
        cmocka_unit_test(listings_are_bounded),
        cmocka_unit_test(files_opened_in_turn_are_opened_ahead),
        cmocka_unit_test(what_was_open_for_long_is_not_opened_twice),
        cmocka_unit_test(files_opened_here_and_there_are_not),
        cmocka_unit_test(what_is_forgotten_while_it_is_opened_ahead_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
