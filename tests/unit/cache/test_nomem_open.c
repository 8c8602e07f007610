/*
 * test_nomem_open.c: open files, their data and their locks where an allocation fails, whichever it
 * is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/lookahead_impl.h"
#include "cache/readahead.h"
#include "cache/writebehind.h"
#include "unit/ownclock.h"
#include "unit/poor.h"
#include "unit/test.h"

enum { FILES = 6, SIZE = 768 << 10, READ = 64 << 10, WINDOW = 512 << 10, WRITES = 8, WRITE = 5000 };
enum { LONG = 1000000, STRIDE = 509 /* of the bytes that are compared */ };

struct world {
    struct poor poor;
    struct cache *cache;
    struct inode *root;
    struct user *user;
    struct inode *files[FILES]; /* with one reference each, or NULL */
    struct readahead_pool *pool;
    struct writebehind *writebehind;
};

static const char *path_of(unsigned i)
{
    static char path[16];

    snprintf(path, sizeof path, "/file%02u", i);
    return path;
}

static void prepare(struct srv *s)
{
    s->read_size = SIZE;
    for (unsigned i = 0; i < FILES; i++)
        srv_add(s, path_of(i), false);
}

static void enter(struct world *w, unsigned i)
{
    const char *name = path_of(i) + 1;
    struct p9_fid *fid = NULL;
    struct p9_attr attr;
    int rc = p9_walk(NULL, w->user->root, 1, &name, &fid);

    if (rc == 0 && (rc = p9_getattr(NULL, fid, &attr)) != 0)
        p9_fid_put(fid);
    if (nomem_is(rc, 0)) {
        w->files[i] = cache_enter(w->cache, w->root, name, &attr, fid, w->user, 0);
        nomem_got(w->files[i]);
    }
}

static bool begin(struct world *w)
{
    const struct lifetimes lifetimes = {.attr = LONG, .entry = LONG};

    *w = (struct world){.poor = poor_begin(prepare)};
    if (w->poor.root == NULL)
        return false;
    w->cache = cache_new(w->poor.client, 0, w->poor.root);
    if (!nomem_got(w->cache))
        return false;
    w->poor.root = NULL;
    w->root = &w->cache->root;
    w->user = w->cache->users;
    cache_set_lifetimes(w->cache, &lifetimes);
    for (unsigned i = 0; i < FILES; i++)
        enter(w, i);
    return true;
}

/* ---- opens ------------------------------------------------------------------- */

/* An OPEN. The fid is the caller's, or NULL without memory. */
static struct p9_fid *open_it(struct world *w, unsigned i, uint64_t *walked, struct p9_attr *attr)
{
    struct inode *inode = w->files[i];
    struct use u = {.cache = w->cache, .inode = inode, .user = w->user};
    struct p9_opening o = {.flags = O_RDONLY};
    struct preopen next = {.n = 0};

    if (inode == NULL)
        return NULL;
    lookahead_preopen_begin(w->cache, w->root, w->user, path_of(i) + 1, &next);
    memcpy(o.too, next.fids, sizeof o.too);
    o.ntoo = next.n;
    int rc = use_open(NULL, &u, &o);
    memcpy(next.fids, o.too, sizeof o.too);
    lookahead_preopen_end(w->cache, w->user, &next);
    *attr = o.attr;
    *walked = u.walked;
    if (rc == -EAGAIN && (rc = use_take(NULL, &u)) == 0) {
        rc = p9_open(NULL, u.fid, O_RDONLY);
        if (rc == 0)
            rc = p9_getattr(NULL, u.fid, attr);
        if (rc != 0)
            p9_fid_put(u.fid);
        o.fid = u.fid;
        *walked = u.walked;
    }
    if (!nomem_is(rc, 0))
        return NULL;
    assert_true(o.fid->iounit > 0 && qid_same_file(&o.fid->qid, &inode->qid));
    assert_true(qid_same_file(&attr->qid, &inode->qid));
    return o.fid;
}

static void list(struct world *w)
{
    uint64_t l = w->cache->lookahead != NULL
                     ? lookahead_begin(w->cache, w->root, w->user, cache_version(w->cache), clock_ms())
                     : 0;

    for (unsigned i = 0; l != 0 && i < FILES; i++) {
        uint8_t entry[64];
        size_t n =
            p9_dirent_pack(&(struct p9_dirent){.offset = 1, .name = p9_str(path_of(i) + 1)}, entry, sizeof entry);
        lookahead_entries(w->cache, w->root, l, entry, (uint32_t)n, 0);
    }
}

/* In turn, again and again: some are opened ahead, and some stay open. */
static void open_and_close(struct world *w)
{
    struct p9_attr attr;
    uint64_t walked;

    list(w);
    for (int again = 0; again < 2; again++)
        for (unsigned i = 0; i < FILES; i++) {
            struct p9_fid *fid = open_it(w, i, &walked, &attr);
            struct handle h = {.fid = fid, .inode = w->files[i], .user = w->user, .walked = walked, .flags = O_RDONLY};
            if (fid == NULL)
                continue;
            cache_add_handle(w->cache, &h);
            fid = cache_detach_handle(w->cache, &h);
            cache_keep_open(w->cache, w->files[i], w->user, fid, walked, &attr);
        }
    cache_close_idle(w->cache, w->root, path_of(1) + 1);
    clock_pass(IDLE_OPEN_MS * 1000);
    cache_close_old(w->cache);
}

/* ---- data ----------------------------------------------------------------------- */

struct wait {
    struct readahead_read read;
    struct p9_scope scope;
    struct p9_batch batch;
    int rc;
};

static void read_done(struct readahead_read *r, int rc)
{
    struct wait *wait = (struct wait *)r; /* its first member */
    uint64_t at = r->offset;

    wait->rc = rc;
    for (int i = 0; rc == 0 && i < r->n; at += r->iov[i++].iov_len)
        for (size_t k = 0; k < r->iov[i].iov_len; k += STRIDE)
            if (((uint8_t *)r->iov[i].iov_base)[k] != (uint8_t)((at + k) * 7))
                wait->rc = -EIO;
    p9_batch_done(&wait->batch);
}

static void read_ahead(struct world *w, struct p9_fid *fid)
{
    w->pool = readahead_pool_new(w->cache, WINDOW, SIZE);
    struct readahead *p = nomem_got(w->pool) ? readahead_open(w->pool, w->files[0], fid) : NULL;
    uint8_t first[100];

    for (unsigned i = 0; i < sizeof first; i++)
        first[i] = (uint8_t)(i * 7);
    readahead_preload(p, first, sizeof first, inode_version(w->cache, w->files[0]));
    for (uint64_t at = 0; at + READ <= SIZE / 2; at += READ) {
        struct wait wait = {.read = {.offset = at, .size = READ, .done = read_done}};
        wait.read.scope = &wait.scope;
        p9_batch_init(&wait.batch, 1);
        if (!readahead_read(p, &wait.read, SIZE))
            continue;
        p9_batch_wait(p9_client_session(w->poor.client), &wait.batch);
        assert_true(wait.rc == 0 || wait.rc == -EAGAIN);
    }
    readahead_close(p);
}

static void check_written(struct world *w)
{
    pthread_mutex_lock(&w->poor.srv->mtx);
    for (unsigned i = 0; i < WRITES * WRITE; i++)
        assert_int_equal(w->poor.srv->written[i], (uint8_t)(i / WRITE + 1));
    pthread_mutex_unlock(&w->poor.srv->mtx);
}

static void write_behind(struct world *w, struct p9_fid *fid)
{
    struct writer writer = {.inode = w->files[0]};
    uint8_t buf[WRITE];
    int rc = 0;

    w->writebehind = writebehind_new(w->cache, SIZE);
    if (!nomem_got(w->writebehind))
        return;
    for (unsigned i = 0; rc == 0 && i < WRITES; i++) {
        memset(buf, (int)i + 1, sizeof buf);
        rc = writebehind_write(w->writebehind, NULL, &writer, fid, buf, sizeof buf, (uint64_t)i * WRITE);
    }
    nomem_is(rc, 0);
    assert_int_equal(writebehind_settle(w->writebehind, NULL, NULL), 0);
    int failed = writebehind_sync(w->writebehind, &writer);
    if (nomem_is(failed, 0) && rc == 0)
        check_written(w);
}

static void lock(struct world *w)
{
    struct file_locks *fl = cache_locks(w->cache, w->files[0], true);
    uint64_t end = LK_TO_END;

    if (!nomem_got(fl))
        return;
    for (uint64_t at = 0; at < 4; at++) {
        struct lock_range range = {.start = 10 * at, .end = 10 * at + 9, .type = LK_READ, .owner = at};
        nomem_is(locks_set(&fl->posix, &range), 0);
    }
    struct lock_range hole = {.start = 12, .end = 14, .owner = 1};
    if (nomem_is(locks_set(&fl->posix, &hole), 0))
        assert_int_equal(locks_at(fl->posix, 13, &end), LK_NONE);
}

/* ---- all --------------------------------------------------------------------------- */

static void scenario(void)
{
    struct world w;
    struct p9_attr attr;
    uint64_t walked;

    if (begin(&w)) {
        open_and_close(&w);
        struct p9_fid *fid = open_it(&w, 0, &walked, &attr);
        if (fid != NULL) {
            read_ahead(&w, fid);
            write_behind(&w, fid);
            lock(&w);
        }
        p9_fid_put(fid);
        cache_free(w.cache);
    }
    poor_end(&w.poor);
    readahead_pool_free(w.pool); /* at the end of the connection */
    writebehind_free(w.writebehind);
}

static void an_allocation_fails(void **state)
{
    (void)state;
    nomem_each(scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
