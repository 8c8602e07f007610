/*
 * test_cache.c: inodes, names and fids over a server that goes by path.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "unit/ownclock.h"
#include "unit/pathsrv.h"
#include "unit/test.h"
#include "cache/fids.h"

struct world {
    struct srv *srv;
    struct p9_client *client;
    struct cache *cache;
    struct user *user;
};

static struct world begin(unsigned max_fids)
{
    struct world w = {.srv = calloc(1, sizeof *w.srv)};
    struct p9_fid *root;

    w.client = srv_start(w.srv, max_fids, &root);
    w.cache = cache_new(w.client, 0, root);
    assert_non_null(w.cache);
    w.user = w.cache->users;
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

static struct use use_of(struct world *w, struct inode *inode)
{
    return (struct use){.cache = w->cache, .inode = inode, .user = w->user};
}

/* What a lookup does. */
static struct inode *look(struct world *w, struct inode *dir, const char *name)
{
    struct use u = use_of(w, dir);
    struct p9_fid *fid;
    struct p9_attr attr;

    u.in_dir = true;
    assert_int_equal(use_begin(NULL, &u), 0);
    int rc = p9_walk(NULL, u.fid, 1, &name, &fid);
    use_again(&u, rc);
    if (rc != 0)
        return NULL;
    assert_int_equal(p9_getattr(NULL, fid, &attr), 0);
    return cache_enter(w->cache, dir, name, &attr, fid, w->user, u.walked);
}

static int ask(struct world *w, struct inode *inode, struct p9_attr *attr)
{
    struct use u = use_of(w, inode);
    int rc;

    do {
        rc = use_begin(NULL, &u);
        if (rc == 0)
            rc = p9_getattr(NULL, u.fid, attr);
        if (rc == 0 && !qid_same_file(&attr->qid, &inode->qid))
            rc = -ESTALE;
    } while (use_again(&u, rc));
    return rc;
}

static void rename_both(struct world *w, const char *from, const char *to, struct inode *olddir, const char *oldname,
                        struct inode *newdir, const char *newname)
{
    cache_rename_begin(w->cache);
    srv_rename(w->srv, from, to);
    cache_rename_end(w->cache, true, olddir, oldname, newdir, newname);
}

static void the_same_name_is_the_same_inode(void **state)
{
    struct world w = begin(128);
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_non_null(a);
    assert_ptr_equal(look(&w, &w.cache->root, "a"), a);
    assert_int_equal(a->nlookup, 2);
    assert_null(look(&w, &w.cache->root, "b"));
    assert_int_equal(w.cache->inodes, 2);
    cache_forget(w.cache, a, 1);
    assert_int_equal(w.cache->inodes, 2);
    cache_forget(w.cache, a, 1);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

static void forget_frees_from_the_leaves(void **state)
{
    struct world w = begin(128);
    srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/e", true);
    srv_add(w.srv, "/d/e/f", false);

    (void)state;
    struct inode *d = look(&w, &w.cache->root, "d"), *e = look(&w, d, "e"), *f = look(&w, e, "f");
    cache_forget(w.cache, d, 1);
    cache_forget(w.cache, e, 1);
    assert_int_equal(w.cache->inodes, 4); /* held by the file below */
    cache_forget(w.cache, f, 1);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

static void a_replaced_file_is_another_inode(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    srv_remove(w.srv, "/a");
    srv_add(w.srv, "/a", false);
    assert_int_equal(ask(&w, a, &attr), -ESTALE);
    struct inode *b = look(&w, &w.cache->root, "a");
    assert_ptr_not_equal(a, b);
    assert_int_equal(ask(&w, b, &attr), 0);
    assert_int_equal(ask(&w, a, &attr), -ESTALE);
    end(&w);
}

static void a_replaced_file_is_not_taken(void **state)
{
    struct world w = begin(128);
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    srv_remove(w.srv, "/a");
    srv_add(w.srv, "/a", false);
    struct use u = use_of(&w, a);
    assert_int_equal(use_take(NULL, &u), -ESTALE);
    assert_null(u.fid); /* put already: use_again must not put it once more */
    assert_true(use_again(&u, -ESTALE));
    assert_int_equal(use_take(NULL, &u), -ESTALE);
    assert_false(use_again(&u, -ESTALE));
    end(&w);
}

static void a_file_that_is_gone_is_enoent(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    srv_remove(w.srv, "/a");
    assert_int_equal(ask(&w, a, &attr), -ENOENT);
    end(&w);
}

static void one_move_takes_the_whole_subtree(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/e", true);
    uint64_t ino = srv_add(w.srv, "/d/e/f", false);

    (void)state;
    struct inode *d = look(&w, &w.cache->root, "d"), *e = look(&w, d, "e"), *f = look(&w, e, "f");
    rename_both(&w, "/d", "/x", &w.cache->root, "d", &w.cache->root, "x");
    /* A decoy with the old path: the fid that was walked by it must not be believed. */
    srv_add(w.srv, "/d", true);
    srv_add(w.srv, "/d/e", true);
    srv_add(w.srv, "/d/e/f", false);
    assert_int_equal(ask(&w, f, &attr), 0);
    assert_int_equal(attr.qid.path, ino);
    srv_count(w.srv, P9_Twalk);
    assert_int_equal(ask(&w, f, &attr), 0);
    assert_int_equal(srv_count(w.srv, P9_Twalk), 0); /* cached again */
    assert_string_equal(f->names->name, "f");
    assert_ptr_equal(f->names->parent, e);
    assert_string_equal(d->names->name, "x");
    end(&w);
}

static void a_rename_over_a_file_detaches_it(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    uint64_t a_ino = srv_add(w.srv, "/a", false);
    srv_add(w.srv, "/b", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a"), *b = look(&w, &w.cache->root, "b");
    srv_remove(w.srv, "/b");
    rename_both(&w, "/a", "/b", &w.cache->root, "a", &w.cache->root, "b");
    assert_int_equal(ask(&w, a, &attr), 0);
    assert_int_equal(attr.qid.path, a_ino);
    assert_int_equal(ask(&w, b, &attr), -ESTALE);
    assert_ptr_equal(look(&w, &w.cache->root, "b"), a);
    end(&w);
}

static void an_unlinked_file_is_asked_by_its_open_fid(void **state)
{
    struct world w = begin(128);
    struct p9_fid *fid;
    const char *name = "a";
    srv_add(w.srv, "/a", false);

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_int_equal(p9_walk(NULL, w.user->root, 1, &name, &fid), 0);
    struct handle h = {.fid = fid, .inode = a, .user = w.user};
    cache_add_handle(w.cache, &h);
    cache_unlink(w.cache, &w.cache->root, "a");
    struct use u = use_of(&w, a);
    u.open_ok = true;
    assert_int_equal(use_begin(NULL, &u), 0);
    assert_ptr_equal(u.fid, fid);
    assert_false(use_again(&u, 0));
    cache_forget(w.cache, a, 1);
    assert_int_equal(w.cache->inodes, 2); /* open */
    cache_drop_handle(w.cache, &h);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

static void names_of_one_file_share_a_inode(void **state)
{
    struct world w = begin(128);
    struct p9_attr attr;
    srv_add(w.srv, "/a", false);
    srv_add(w.srv, "/b", false);
    srv_add(w.srv, "/c", false);
    for (unsigned i = 1; i <= 3; i++)
        w.srv->files[i].nlink = 2;
    w.srv->files[2].ino = w.srv->files[1].ino;

    (void)state;
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_ptr_equal(look(&w, &w.cache->root, "b"), a);
    assert_ptr_not_equal(look(&w, &w.cache->root, "c"), a);
    assert_null(cache_take_named(w.cache, &w.cache->root, "a", w.user, false)); /* it may be that of the other name */
    cache_unlink(w.cache, &w.cache->root, "b");
    assert_int_equal(ask(&w, a, &attr), 0); /* by the name that is left */
    /* The same number with other attributes may be a file of another device. */
    attr.size += 1;
    attr.nlink = 2;
    assert_ptr_not_equal(cache_enter(w.cache, &w.cache->root, "other", &attr, NULL, w.user, 0), a);
    end(&w);
}

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

struct waiting {
    struct world *w;
    struct p9_scope scope;
    int rc;
};

static void *wait_for_a_number(void *arg)
{
    struct waiting *k = arg;
    struct p9_fid *fid;

    k->rc = p9_walk(&k->scope, k->w->user->root, 0, NULL, &fid);
    return NULL;
}

/* Ends all that the server still knows. */
static void end_mute(struct world *w)
{
    cache_free(w->cache);
    p9_client_stop(w->client);
    srv_stop(w->srv);
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

static void what_was_listed_before_a_change_is_old(void **state)
{
    struct world w = begin(100);
    struct inode *root = &w.cache->root;
    struct p9_attr attr;

    (void)state;
    srv_add(w.srv, "/a", false);
    uint64_t since = cache_version(w.cache);
    assert_true(cache_as_listed(w.cache, root, "a", since)); /* nobody knows it */
    struct inode *a = look(&w, root, "a");
    assert_false(cache_as_listed(w.cache, root, "a", since)); /* the kernel was told something newer */
    since = cache_version(w.cache);
    assert_int_equal(ask(&w, a, &attr), 0);
    assert_false(cache_announce(w.cache, a, &attr));
    assert_true(cache_as_listed(w.cache, root, "a", since));
    attr.size++;
    assert_true(cache_announce(w.cache, a, &attr));
    assert_false(cache_as_listed(w.cache, root, "a", since));
    since = cache_version(w.cache);
    cache_changing(w.cache, a);
    assert_false(cache_as_listed(w.cache, root, "a", since));
    cache_forget(w.cache, a, 1);
    assert_false(cache_as_listed(w.cache, root, "a", since)); /* nobody remembers that we changed it */
    since = cache_version(w.cache);
    assert_true(cache_as_listed(w.cache, root, "a", since));
    cache_changing(w.cache, root); /* as if it were removed */
    assert_false(cache_as_listed(w.cache, root, "a", since));
    end(&w);
}

static void announced_attributes_hold_until_a_change(void **state)
{
    struct world w = begin(100);
    const struct lifetimes lifetimes = {.attr = 100000};
    struct p9_attr attr, old;

    (void)state;
    cache_set_lifetimes(w.cache, &lifetimes);
    srv_add(w.srv, "/a", false);
    struct inode *a = look(&w, &w.cache->root, "a");
    assert_int_equal(ask(&w, a, &attr), 0);
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    uint64_t before = inode_version(w.cache, a);
    assert_false(cache_announce_fresh(w.cache, a, &attr, before));
    assert_int_equal(cache_fresh(w.cache, a, &old), 100000);
    clock_pass(1000 * 1000);
    assert_int_equal(cache_fresh(w.cache, a, &old), 99000);
    cache_changing(w.cache, a);
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    cache_announce_fresh(w.cache, a, &attr, before); /* asked for before the change: too late */
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    attr.size++;
    assert_true(cache_announce_fresh(w.cache, a, &attr, inode_version(w.cache, a)));
    assert_true(cache_fresh(w.cache, a, &old) > 0);
    assert_int_equal(old.size, attr.size);
    cache_unlink(w.cache, &w.cache->root, "a");
    assert_int_equal(cache_fresh(w.cache, a, &old), 0);
    cache_forget(w.cache, a, 1);
    end(&w);
}

static struct inode *enter_as(struct world *w, struct inode *dir, const char *name, mode_t mode, uint64_t qid_path,
                              uint64_t size)
{
    struct p9_attr attr = {
        .qid = {.path = qid_path, .type = S_ISDIR(mode) ? P9_QTDIR : 0}, .mode = mode, .nlink = 2, .size = size};

    return cache_enter(w->cache, dir, name, &attr, NULL, NULL, 0);
}

static unsigned count_stale(struct world *w, struct inode *one)
{
    unsigned n = 0;

    for (struct inode *inode; (inode = cache_next_stale(w->cache)) != NULL; n++) {
        assert_ptr_not_equal(inode, one);
        cache_forget(w->cache, inode, 1);
    }
    return n;
}

static void what_is_done_by_one_name_is_stale_by_the_others(void **state)
{
    struct world w = begin(100);
    struct inode *root = &w.cache->root, *names[4];

    (void)state;
    for (unsigned gone = 0; gone < 4; gone++) { /* in whatever order they go */
        for (unsigned i = 0; i < 4; i++) {
            const char name[] = {(char)('a' + i), 0};
            names[i] = enter_as(&w, root, name, S_IFREG, 5, i); /* with other attributes each has a inode of its own */
        }
        struct inode *other = enter_as(&w, root, "other", S_IFREG, 6, 0);
        uint64_t before = inode_version(w.cache, names[1]);
        cache_changing(w.cache, names[0]);
        assert_true(w.cache->has_stale);
        assert_int_equal(count_stale(&w, names[0]), 3);
        assert_true(inode_version(w.cache, names[1]) != before);
        cache_changing(w.cache, other);
        assert_false(w.cache->has_stale);
        cache_forget(w.cache, names[gone], 1);
        cache_changing(w.cache, names[(gone + 1) % 4]);
        assert_int_equal(count_stale(&w, names[(gone + 1) % 4]), 2);
        for (unsigned i = 0; i < 4; i++)
            if (i != gone)
                cache_forget(w.cache, names[i], 1);
        cache_forget(w.cache, other, 1);
        assert_int_equal(w.cache->inodes, 1);
        assert_null(w.cache->by_qid);
    }
    end(&w);
}

static void names_share_nothing_where_qids_repeat(void **state)
{
    struct world w = begin(100);
    struct inode *root = &w.cache->root;
    const struct p9_attr attr = {.qid = {.path = 7, .type = P9_QTDIR}, .mode = S_IFDIR, .nlink = 2};

    (void)state;
    struct inode *a1 = enter_as(&w, root, "a1", S_IFDIR, 7, 0), *f = enter_as(&w, a1, "f", S_IFREG, 8, 0);
    assert_null(cache_other_place(w.cache, root, "a1", &attr));
    assert_ptr_equal(cache_other_place(w.cache, root, "a2", &attr), a1);
    cache_forget(w.cache, a1, 1);
    assert_ptr_equal(enter_as(&w, a1, "g", S_IFREG, 8, 0), f); /* two names of a file */
    cache_forget(w.cache, f, 1);
    cache_add_place(w.cache, root, "a2");
    assert_null(cache_other_place(w.cache, root, "a2", &attr)); /* by now that is known */
    struct inode *a2 = enter_as(&w, root, "a2", S_IFDIR, 7, 0), *other = enter_as(&w, a2, "f", S_IFREG, 8, 0);
    assert_ptr_not_equal(other, f);
    assert_int_equal(f->space, 0);
    assert_int_equal(a2->space, 1);
    assert_int_equal(other->space, 1);
    cache_forget(w.cache, other, 1);
    cache_forget(w.cache, a2, 1);
    a2 = enter_as(&w, root, "a2", S_IFDIR, 7, 0); /* for as long as the mount lives */
    assert_int_equal(a2->space, 1);
    cache_cut(w.cache, a1, cache_renames(w.cache));
    assert_null(cache_known(w.cache, root, "a1"));
    cache_forget(w.cache, a2, 1);
    cache_forget(w.cache, f, 1);
    cache_forget(w.cache, a1, 1);
    assert_int_equal(w.cache->inodes, 1);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_is_the_same_inode),
        cmocka_unit_test(forget_frees_from_the_leaves),
        cmocka_unit_test(a_replaced_file_is_another_inode),
        cmocka_unit_test(what_is_done_by_one_name_is_stale_by_the_others),
        cmocka_unit_test(names_share_nothing_where_qids_repeat),
        cmocka_unit_test(a_replaced_file_is_not_taken),
        cmocka_unit_test(a_file_that_is_gone_is_enoent),
        cmocka_unit_test(one_move_takes_the_whole_subtree),
        cmocka_unit_test(a_rename_over_a_file_detaches_it),
        cmocka_unit_test(an_unlinked_file_is_asked_by_its_open_fid),
        cmocka_unit_test(names_of_one_file_share_a_inode),
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
        cmocka_unit_test(long_paths_are_walked_in_steps),
        cmocka_unit_test(a_known_file_is_opened_in_one_step),
        cmocka_unit_test(a_closed_file_is_opened_by_the_same_fid),
        cmocka_unit_test(few_files_are_kept_open),
        cmocka_unit_test(spares_are_for_the_directory_as_it_was),
        cmocka_unit_test(announced_attributes_hold_until_a_change),
        cmocka_unit_test(what_was_listed_before_a_change_is_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
