/*
 * readahead.c: reads pieces of a file before the kernel asks for them.
 *
 * The pieces of a file are a run without gaps. A piece is used whole or not at all: where it ends
 * early, or fails, the kernel's read finds out itself. A piece is freed once the reader is so far
 * past it that no read of the kernel's, which sends several at once, can still want it. A read is
 * answered without the lock, from pieces that are pinned.
 */
#include "cache/readahead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    PIECE = 256 * 1024,        /* bytes */
    FIRST_WINDOW = 512 * 1024, /* doubled by each read that it serves */
    KEEP = 2 * 1024 * 1024,    /* of the run before the furthest read, bytes */
    SEND_AT_ONCE = 64,
};

struct piece {
    struct readahead *of;
    struct piece *prev, *next;
    uint64_t offset;
    uint32_t size;
    uint32_t used; /* bytes that answered reads, at most size */
    enum { IN_FLIGHT, READY, FAILED } state;
    bool dropped;  /* out of the run: freed when it has arrived and is not pinned */
    unsigned pins; /* reads that are answered from it just now */
    struct p9_io io;
    uint8_t data[];
};

struct readahead {
    struct readahead_pool *pool;
    pthread_mutex_t mtx; /* guards all below */
    struct inode *inode;
    struct p9_fid *fid;
    struct piece *pieces; /* the run, by offset */
    uint64_t start, end;  /* of it */
    uint64_t furthest;    /* where the furthest read of it ended */
    uint64_t next;        /* where a read would continue the last one elsewhere */
    uint64_t version;     /* of the inode when the run began */
    size_t window;
    /* Pieces in flight, dropped ones too, and threads at work here: a file may be closed as soon as
     * its read is answered. */
    unsigned users;
    bool closed; /* the last user frees it */
    struct readahead_read *waiting;
    struct p9_scope scope; /* of the pieces */
    bool off;              /* a read was interrupted: no more */
};

struct readahead_pool {
    struct cache *cache;
    size_t window, total;
    atomic_size_t bytes; /* in all pieces */
    atomic_uint_least64_t used, wasted;
};

struct readahead_pool *readahead_pool_new(struct cache *cache, size_t window, size_t total)
{
    struct readahead_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return NULL;
    pool->cache = cache;
    pool->window = window;
    pool->total = total;
    atomic_init(&pool->bytes, 0);
    atomic_init(&pool->used, 0);
    atomic_init(&pool->wasted, 0);
    return pool;
}

void readahead_pool_free(struct readahead_pool *pool)
{
    free(pool);
}

struct readahead_counts readahead_counts(struct readahead_pool *pool)
{
    if (pool == NULL)
        return (struct readahead_counts){.held = 0};
    return (struct readahead_counts){.held = atomic_load(&pool->bytes),
                                     .used = atomic_load_explicit(&pool->used, memory_order_relaxed),
                                     .wasted = atomic_load_explicit(&pool->wasted, memory_order_relaxed)};
}

/* ---- pieces; all called with the lock ----------------------------------- */

static void piece_free_if_done(struct piece *c)
{
    if (!c->dropped || c->state == IN_FLIGHT || c->pins > 0)
        return;
    atomic_fetch_sub(&c->of->pool->bytes, c->size);
    atomic_fetch_add_explicit(&c->of->pool->used, c->used, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->of->pool->wasted, c->size - c->used, memory_order_relaxed);
    free(c);
}

/* Takes a piece out of the run. */
static void piece_drop(struct readahead *p, struct piece *c)
{
    DL_DELETE(p->pieces, c);
    c->dropped = true;
    piece_free_if_done(c);
}

static void run_drop(struct readahead *p)
{
    while (p->pieces != NULL)
        piece_drop(p, p->pieces);
    p->start = p->end = p->furthest = 0;
}

/* Unlocks; a user less, and the last one frees it. */
static void leave(struct readahead *p)
{
    bool last = --p->users == 0 && p->closed;

    pthread_mutex_unlock(&p->mtx);
    if (!last)
        return;
    p9_fid_put(p->fid);
    pthread_mutex_destroy(&p->mtx);
    free(p);
}

static void enter(struct readahead *p)
{
    pthread_mutex_lock(&p->mtx);
    p->users++;
}

static size_t first_window(const struct readahead *p)
{
    return FIRST_WINDOW < p->pool->window ? FIRST_WINDOW : p->pool->window;
}

/* Whether all of these bytes are in the run. */
static bool covers(const struct readahead *p, uint64_t offset, uint32_t size)
{
    return p->pieces != NULL && offset >= p->start && offset + size <= p->end;
}

/* Looks for the bytes of a read in the run: 0, with the pieces pinned; -EAGAIN: it is to be read
 * otherwise; -EINPROGRESS. */
static int collect(const struct readahead *p, struct readahead_read *r)
{
    uint64_t at = r->offset, end = r->offset + r->within;

    r->n = 0;
    if (!covers(p, r->offset, r->within))
        return -EAGAIN;
    for (struct piece *c = p->pieces; c != NULL && at < end; c = c->next) {
        uint64_t piece_end = c->offset + c->size, upto = piece_end < end ? piece_end : end;
        if (piece_end <= at)
            continue;
        if (c->state == FAILED || r->n == READAHEAD_IOVS)
            return -EAGAIN;
        if (c->state == IN_FLIGHT)
            return -EINPROGRESS;
        r->pieces[r->n] = c;
        r->iov[r->n++] = (struct iovec){c->data + (at - c->offset), (size_t)(upto - at)};
        at = upto;
    }
    for (int i = 0; i < r->n; i++) {
        struct piece *c = r->pieces[i];
        c->pins++;
        c->used += r->iov[i].iov_len < c->size - c->used ? (uint32_t)r->iov[i].iov_len : c->size - c->used;
    }
    return 0;
}

static void unpin(struct readahead_read *r)
{
    for (int i = 0; r->rc == 0 && i < r->n; i++) {
        r->pieces[i]->pins--;
        piece_free_if_done(r->pieces[i]);
    }
}

/* ---- asking ------------------------------------------------------------- */

static void piece_done(struct p9_io *io);

/* Adds a piece at the end of the run. */
static struct piece *piece_add(struct readahead *p, uint32_t size)
{
    struct piece *c = malloc(sizeof *c + size);

    if (c == NULL)
        return NULL;
    *c = (struct piece){.of = p, .offset = p->end, .size = size, .state = IN_FLIGHT};
    c->io = (struct p9_io){.fid = p->fid,
                           .buf = c->data,
                           .offset = c->offset,
                           .count = size,
                           .size = c->offset + size,
                           .scope = &p->scope,
                           .done = piece_done,
                           .arg = c};
    DL_APPEND(p->pieces, c);
    p->end += size;
    p->users++;
    atomic_fetch_add(&p->pool->bytes, size);
    return c;
}

/* Pieces to send so that the run reaches as far as the window, but not past the end of the file.
 * Called with the lock. */
static int extend(struct readahead *p, uint64_t size, struct piece **to_send, int most)
{
    int n = 0;

    while (n < most && p->end < size && p->end < p->furthest + p->window &&
           atomic_load(&p->pool->bytes) + PIECE <= p->pool->total) {
        uint64_t left = size - p->end;
        to_send[n] = piece_add(p, left < PIECE ? (uint32_t)left : PIECE);
        if (to_send[n] == NULL)
            break;
        n++;
    }
    return n;
}

/* ---- answering ---------------------------------------------------------- */

/* Answers the reads that have all they wait for, or wait for nothing any more. Called with the
 * lock, which it gives up meanwhile. */
static void answer(struct readahead *p)
{
    struct readahead_read *r, *next, *some = NULL;

    DL_FOREACH_SAFE (p->waiting, r, next) {
        r->rc = atomic_load(&r->scope->interrupted) ? -EINTR : collect(p, r);
        if (r->rc == -EINPROGRESS)
            continue;
        DL_DELETE(p->waiting, r);
        DL_APPEND(some, r);
    }
    while ((r = some) != NULL) {
        struct readahead_read was = *r; /* its owner may free it */
        DL_DELETE(some, r);
        pthread_mutex_unlock(&p->mtx);
        r->done(r, was.rc);
        pthread_mutex_lock(&p->mtx);
        unpin(&was);
    }
}

/* From the reader thread, or before p9_read_start returns. */
static void piece_done(struct p9_io *io)
{
    struct piece *c = io->arg;
    struct readahead *p = c->of;

    p9_io_finish(io);
    pthread_mutex_lock(&p->mtx);
    c->state = io->result == (ssize_t)c->size ? READY : FAILED;
    piece_free_if_done(c);
    answer(p);
    leave(p);
}

/* ---- reading ------------------------------------------------------------ */

struct readahead *readahead_open(struct readahead_pool *pool, struct inode *inode, struct p9_fid *fid)
{
    struct readahead *p = pool != NULL ? calloc(1, sizeof *p) : NULL;

    if (p == NULL)
        return NULL;
    p->pool = pool;
    p->inode = inode;
    p->fid = p9_fid_get(fid);
    p->next = UINT64_MAX;
    pthread_mutex_init(&p->mtx, NULL);
    return p;
}

void readahead_preload(struct readahead *p, const void *data, uint32_t n, uint64_t version)
{
    if (p == NULL || n == 0)
        return;
    pthread_mutex_lock(&p->mtx);
    struct piece *c = atomic_load(&p->pool->bytes) + n <= p->pool->total ? piece_add(p, n) : NULL;
    if (c != NULL) {
        p->users--; /* it is not in flight */
        memcpy(c->data, data, n);
        c->state = READY;
        p->version = version;
        p->window = first_window(p);
    }
    pthread_mutex_unlock(&p->mtx);
}

void readahead_close(struct readahead *p)
{
    if (p == NULL)
        return;
    enter(p);
    run_drop(p);
    p->closed = true;
    leave(p);
}

void readahead_interrupt(struct readahead *p)
{
    if (p == NULL)
        return;
    enter(p);
    p->off = true;
    pthread_mutex_unlock(&p->mtx);
    p9_interrupt(p9_client_session(p->pool->cache->client),
                 &p->scope); /* then the pieces come, and answer whom they can */
    pthread_mutex_lock(&p->mtx);
    leave(p);
}

/* Drops the pieces that the reader has passed. */
static void drop_passed(struct readahead *p)
{
    const struct readahead_read *r;
    uint64_t needed = p->furthest > KEEP ? p->furthest - KEEP : 0;

    DL_FOREACH(p->waiting, r)
    {
        if (r->offset < needed)
            needed = r->offset;
    }
    while (p->pieces != NULL && p->pieces->offset + p->pieces->size <= needed) {
        p->start = p->pieces->offset + p->pieces->size;
        piece_drop(p, p->pieces);
    }
}

/* A read in the run, or at its end: the run goes on. */
static bool continues_run(const struct readahead *p, const struct readahead_read *r)
{
    return p->pieces != NULL && r->within > 0 && r->offset >= p->start && r->offset <= p->end &&
           r->offset + r->within <= p->end + p->window;
}

/* One elsewhere: the run ends, and another may begin behind it. */
static void begin(struct readahead *p, const struct readahead_read *r)
{
    bool continues = r->offset == p->next;

    run_drop(p);
    p->next = r->offset + r->size;
    if (!continues)
        return;
    p->start = p->end = p->furthest = p->next;
    p->version = inode_version(p->pool->cache, p->inode);
    p->window = first_window(p);
}

bool readahead_read(struct readahead *p, struct readahead_read *r, uint64_t size)
{
    struct piece *to_send[SEND_AT_ONCE];
    int n = 0;

    if (p == NULL)
        return false;
    enter(p);
    if (p->pieces != NULL && (p->off || inode_version(p->pool->cache, p->inode) != p->version))
        run_drop(p);
    r->within = r->offset + r->size <= size ? r->size : r->offset < size ? (uint32_t)(size - r->offset) : 0;
    bool mine = continues_run(p, r);
    if (mine) {
        if (r->offset + r->within > p->furthest) {
            p->furthest = r->offset + r->within;
            p->window = 2 * p->window < p->pool->window ? 2 * p->window : p->pool->window;
        }
    } else if (r->within == r->size && !p->off) {
        begin(p, r);
    }
    if (p->window > 0 && !p->off && (mine || p->start == p->next))
        n = extend(p, size, to_send, SEND_AT_ONCE);
    mine = mine && covers(p, r->offset, r->within);
    if (mine)
        DL_APPEND(p->waiting, r);
    drop_passed(p);
    answer(p);
    leave(p);
    for (int i = 0; i < n; i++)
        p9_read_start(&to_send[i]->io);
    return mine;
}
