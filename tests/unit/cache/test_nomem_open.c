/*
 * test_nomem_open.c: open files, their data and their locks where an allocation fails, whichever it
 * is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/readahead.h"
#include "cache/writebehind.h"
#include "unit/cache/poor_world.h"
#include "unit/ownclock.h"
#include "unit/test.h"

enum { FILES = 6, SIZE = 768 << 10, READ = 64 << 10, WINDOW = 512 << 10, WRITES = 8, WRITE = 5000 };
enum { STRIDE = 509 /* of the bytes that are compared */ };

struct files {
    struct world world;
    struct inode *inodes[FILES]; /* with one reference each, or NULL */
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

/* ---- opens ------------------------------------------------------------------- */

/* An OPEN. The fid is the caller's, or NULL without memory. */
static struct p9_fid *open_it(struct files *f, unsigned i, uint64_t *walked, struct p9_attr *attr)
{
    struct inode *inode = f->inodes[i];
    struct use u = use_of(&f->world, inode);
    struct p9_opening o = {.flags = O_RDONLY};
    struct preopen next = {.n = 0};

    if (inode == NULL)
        return NULL;
    lookahead_preopen_begin(f->world.cache, f->world.root, f->world.user, path_of(i) + 1, &next);
    memcpy(o.too, next.fids, sizeof o.too);
    o.ntoo = next.n;
    int rc = use_open(NULL, &u, &o);
    memcpy(next.fids, o.too, sizeof o.too);
    lookahead_preopen_end(f->world.cache, f->world.user, &next);
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

static void list(struct files *f)
{
    uint64_t l = f->world.cache->lookahead != NULL ? lookahead_begin(f->world.cache, f->world.root, f->world.user,
                                                                     cache_version(f->world.cache), clock_ms())
                                                   : 0;

    for (unsigned i = 0; l != 0 && i < FILES; i++)
        add_name(&f->world, f->world.root, l, path_of(i) + 1, false);
}

/* In turn, again and again: some are opened ahead, and some stay open. */
static void open_and_close(struct files *f)
{
    struct p9_attr attr;
    uint64_t walked;

    list(f);
    for (int again = 0; again < 2; again++)
        for (unsigned i = 0; i < FILES; i++) {
            struct p9_fid *fid = open_it(f, i, &walked, &attr);
            struct handle h = {
                .fid = fid, .inode = f->inodes[i], .user = f->world.user, .walked = walked, .flags = O_RDONLY};
            if (fid == NULL)
                continue;
            cache_add_handle(f->world.cache, &h);
            fid = cache_detach_handle(f->world.cache, &h);
            cache_keep_open(f->world.cache, f->inodes[i], f->world.user, fid, walked, &attr);
        }
    cache_close_idle(f->world.cache, f->world.root, path_of(1) + 1);
    clock_pass(IDLE_OPEN_MS * 1000);
    cache_close_old(f->world.cache);
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

static void read_ahead(struct files *f, struct p9_fid *fid)
{
    f->pool = readahead_pool_new(f->world.cache, WINDOW, SIZE);
    struct readahead *p = nomem_got(f->pool) ? readahead_open(f->pool, f->inodes[0], fid) : NULL;
    uint8_t first[100];

    for (unsigned i = 0; i < sizeof first; i++)
        first[i] = (uint8_t)(i * 7);
    readahead_preload(p, first, sizeof first, inode_version(f->world.cache, f->inodes[0]));
    for (uint64_t at = 0; at + READ <= SIZE / 2; at += READ) {
        struct wait wait = {.read = {.offset = at, .size = READ, .done = read_done}};
        wait.read.scope = &wait.scope;
        p9_batch_init(&wait.batch, 1);
        if (!readahead_read(p, &wait.read, SIZE))
            continue;
        p9_batch_wait(p9_client_session(f->world.poor.client), &wait.batch);
        assert_true(wait.rc == 0 || wait.rc == -EAGAIN);
    }
    readahead_close(p);
}

static void check_written(struct files *f)
{
    pthread_mutex_lock(&f->world.poor.srv->mtx);
    for (unsigned i = 0; i < WRITES * WRITE; i++)
        assert_int_equal(f->world.poor.srv->written[i], (uint8_t)(i / WRITE + 1));
    pthread_mutex_unlock(&f->world.poor.srv->mtx);
}

static void write_behind(struct files *f, struct p9_fid *fid)
{
    struct writer writer = {.inode = f->inodes[0]};
    uint8_t buf[WRITE];
    int rc = 0;

    f->writebehind = writebehind_new(f->world.cache, SIZE);
    if (!nomem_got(f->writebehind))
        return;
    for (unsigned i = 0; rc == 0 && i < WRITES; i++) {
        memset(buf, (int)i + 1, sizeof buf);
        rc = writebehind_write(f->writebehind, NULL, &writer, fid, buf, sizeof buf, (uint64_t)i * WRITE);
    }
    nomem_is(rc, 0);
    assert_int_equal(writebehind_settle(f->writebehind, NULL, NULL), 0);
    int failed = writebehind_sync(f->writebehind, &writer);
    if (nomem_is(failed, 0) && rc == 0)
        check_written(f);
}

static void lock(struct files *f)
{
    struct file_locks *fl = cache_locks(f->world.cache, f->inodes[0], true);
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

static void use_files(struct files *f)
{
    struct p9_attr attr;
    uint64_t walked;

    for (unsigned i = 0; i < FILES; i++)
        f->inodes[i] = enter(&f->world, f->world.root, path_of(i) + 1, path_of(i));
    open_and_close(f);
    struct p9_fid *fid = open_it(f, 0, &walked, &attr);
    if (fid != NULL) {
        read_ahead(f, fid);
        write_behind(f, fid);
        lock(f);
    }
    p9_fid_put(fid);
}

static void scenario(void)
{
    struct files f = {.world = begin(prepare)};

    if (f.world.cache != NULL)
        use_files(&f);
    end(&f.world);
    readahead_pool_free(f.pool); /* at the end of the connection */
    writebehind_free(f.writebehind);
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
