/*
 * writebehind.c: gathers writes into chunks, several of which are in flight.
 *
 * Chunks of a file never overlap: a server may process requests in any order.
 */
#include "cache/writebehind_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/thread.h"
#include "base/timer.h"

enum {
    CHUNK = 256 * 1024, /* that gathers small writes, bytes */
    GATHER_MS = 10,     /* how long a stream's chunk waits for more */
    POLL_MS = 100,
    STREAM = 2, /* writes in a row that continue the one before */
};

struct chunk {
    struct writebehind *writebehind;
    struct writer *writer;
    struct chunk *prev, *next;
    struct chunk *next_to_send;
    uint64_t number; /* in the order in which they began */
    uint64_t offset;
    uint32_t room, len;
    bool sent;
    uint64_t since_ms;
    struct p9_io io;
    uint8_t data[];
};

static unsigned send_streams(void *arg);

struct writebehind *writebehind_new(struct cache *cache, size_t max_bytes)
{
    struct writebehind *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    b->cache = cache;
    b->max_bytes = max_bytes;
    pthread_mutex_init(&b->mtx, NULL);
    pthread_cond_init(&b->progress, NULL);
    b->timer = timer_new(send_streams, b);
    return b;
}

void writebehind_free(struct writebehind *b)
{
    if (b == NULL)
        return;
    timer_free(b->timer);
    pthread_cond_destroy(&b->progress);
    pthread_mutex_destroy(&b->mtx);
    free(b);
}

/* ---- chunks; called with the lock --------------------------------------- */

static struct chunk *chunk_new(struct writebehind *b, struct writer *w, struct p9_fid *fid, uint64_t offset,
                               uint32_t room)
{
    struct chunk *c = malloc(sizeof *c + room);

    if (c == NULL)
        return NULL;
    *c = (struct chunk){.writebehind = b, .writer = w, .offset = offset, .room = room};
    c->number = b->next_number++;
    c->since_ms = clock_ms();
    c->io.fid = p9_fid_get(fid);
    if (w->chunks == NULL)
        DL_APPEND(b->writers, w);
    DL_APPEND(w->chunks, c);
    w->filling = c;
    atomic_fetch_add(&b->nchunks, 1);
    return c;
}

static void chunk_free(struct writebehind *b, struct chunk *c)
{
    struct writer *w = c->writer;

    DL_DELETE(w->chunks, c);
    if (w->chunks == NULL)
        DL_DELETE(b->writers, w);
    w->in_flight--;
    b->bytes -= c->len;
    atomic_fetch_sub(&b->nchunks, 1);
    free(c);
}

/* Puts the chunk that a writer fills on a list, to be sent without the lock. */
static void dispatch(struct writer *w, struct chunk **to_send)
{
    struct chunk *c = w->filling;

    if (c == NULL)
        return;
    w->filling = NULL;
    w->in_flight++;
    c->sent = true;
    LL_PREPEND2(*to_send, c, next_to_send);
}

static bool is_stream(const struct writebehind *b, const struct writer *w)
{
    return b->timer != NULL && w->in_turn >= STREAM;
}

/* Whether the chunk that w fills need not wait for more. */
static bool may_leave(const struct writebehind *b, const struct writer *w)
{
    return w->in_flight == 0 &&
           (!is_stream(b, w) || (w->filling != NULL && clock_ms() - w->filling->since_ms >= GATHER_MS));
}

static bool is_of(const struct writer *w, const struct p9_qid *qid)
{
    return qid == NULL || (w->inode->qid.path == qid->path && qid_same_file(&w->inode->qid, qid));
}

/* Whether another chunk of the file than the one that w fills overlaps these bytes. */
static bool overlaps_others(const struct writebehind *b, const struct writer *w, uint64_t offset, size_t n)
{
    for (const struct writer *o = b->writers; o != NULL; o = o->next)
        for (const struct chunk *c = is_of(o, &w->inode->qid) ? o->chunks : NULL; c != NULL; c = c->next)
            if (c != w->filling && offset < c->offset + (c->sent ? c->len : c->room) && c->offset < offset + n)
                return true;
    return false;
}

static bool continues(const struct chunk *c, uint64_t offset)
{
    return c != NULL && offset >= c->offset && offset <= c->offset + c->len && offset < c->offset + c->room;
}

/* ---- sending: without the lock ------------------------------------------ */

static void chunk_done(struct p9_io *io);

static void chunk_send(struct chunk *c)
{
    c->io = (struct p9_io){
        .fid = c->io.fid, .buf = c->data, .offset = c->offset, .count = c->len, .done = chunk_done, .arg = c};
    p9_write_start(&c->io);
}

static void send_all(struct chunk *to_send)
{
    struct chunk *c, *next;

    LL_FOREACH_SAFE2(to_send, c, next, next_to_send)
    {
        chunk_send(c);
    }
}

/* Called with the lock. */
static void note_error(struct writer *w, int rc)
{
    atomic_store(&w->failed, true);
    if (w->error != 0)
        return;
    w->error = rc;
    w->reported = false;
}

/* From the reader thread, or before p9_write_start returns. */
static void chunk_done(struct p9_io *io)
{
    struct chunk *c = io->arg, *to_send = NULL;
    struct writebehind *b = c->writebehind;
    struct writer *w = c->writer;

    p9_io_finish(io);
    int rc = io->result < 0 ? (int)io->result : 0;
    p9_fid_put(io->fid);
    cache_changing(b->cache, w->inode);
    if (rc != 0)
        cache_write_failed(b->cache, w->inode, rc);
    pthread_mutex_lock(&b->mtx);
    if (rc != 0)
        note_error(w, rc);
    chunk_free(b, c);
    if (may_leave(b, w))
        dispatch(w, &to_send);
    pthread_cond_broadcast(&b->progress);
    pthread_mutex_unlock(&b->mtx);
    send_all(to_send);
}

/* For timer_new. */
static unsigned send_streams(void *arg)
{
    struct writebehind *b = arg;
    struct chunk *to_send = NULL;
    bool more = false;

    pthread_mutex_lock(&b->mtx);
    for (struct writer *w = b->writers; w != NULL; w = w->next) {
        if (may_leave(b, w))
            dispatch(w, &to_send);
        more = more || w->filling != NULL;
    }
    pthread_mutex_unlock(&b->mtx);
    send_all(to_send);
    return more ? GATHER_MS : 0;
}

/* ---- writing ------------------------------------------------------------ */

/* Sends the list, or waits for a chunk to complete, or a little. Called with the lock. */
static int wait_for_progress(struct writebehind *b, struct p9_scope *sc, struct chunk *to_send, bool little)
{
    if (sc != NULL && atomic_load(&sc->interrupted) && to_send == NULL)
        return -EINTR;
    if (to_send != NULL) {
        pthread_mutex_unlock(&b->mtx);
        send_all(to_send);
        pthread_mutex_lock(&b->mtx);
    } else if (little) {
        thread_wait_ms(&b->progress, &b->mtx, POLL_MS);
    } else {
        pthread_cond_wait(&b->progress, &b->mtx);
    }
    return 0;
}

/* Waits until no chunk overlaps, and there is room. Called with the lock. */
static int wait_for_room(struct writebehind *b, struct p9_scope *sc, struct writer *w, uint64_t offset, size_t n)
{
    int rc = 0;

    while (rc == 0) {
        struct chunk *to_send = NULL, *mine = continues(w->filling, offset) ? w->filling : NULL;
        bool full = b->bytes > 0 && b->bytes + n > b->max_bytes;
        bool overlaps = overlaps_others(b, w, offset, n);
        if (!full && !overlaps && mine == NULL)
            dispatch(w, &to_send);
        if (full || overlaps)
            for (struct writer *o = b->writers; o != NULL; o = o->next)
                if (full || is_of(o, &w->inode->qid))
                    dispatch(o, &to_send);
        if (!full && !overlaps && to_send == NULL)
            return 0;
        rc = wait_for_progress(b, sc, to_send, false);
    }
    return rc;
}

/* The size of a chunk at this offset for n bytes or more: a lone write leaves at once. */
static uint32_t room_for(const struct writebehind *b, const struct writer *w, uint64_t offset, size_t n)
{
    if ((w->in_flight == 0 && !is_stream(b, w)) || n >= CHUNK)
        return (uint32_t)n;
    return (uint32_t)(CHUNK - offset % CHUNK); /* to the next boundary of messages */
}

/* Puts the bytes into chunks. Called with the lock. */
static int copy_in(struct writebehind *b, struct writer *w, struct p9_fid *fid, const uint8_t *buf, size_t n,
                   uint64_t offset, struct chunk **to_send)
{
    while (n > 0) {
        struct chunk *c = w->filling;
        if (c == NULL) {
            c = chunk_new(b, w, fid, offset, room_for(b, w, offset, n));
            timer_arm(is_stream(b, w) ? b->timer : NULL, GATHER_MS);
        }
        if (c == NULL)
            return -ENOMEM;
        uint32_t at = (uint32_t)(offset - c->offset);
        uint32_t part = n < c->room - at ? (uint32_t)n : c->room - at;
        memcpy(c->data + at, buf, part);
        if (at + part > c->len) {
            b->bytes += at + part - c->len;
            c->len = at + part;
        }
        buf += part;
        offset += part;
        n -= part;
        if (c->len == c->room || may_leave(b, w))
            dispatch(w, to_send);
    }
    return 0;
}

int writebehind_write(struct writebehind *b, struct p9_scope *sc, struct writer *w, struct p9_fid *fid, const void *buf,
                      size_t n, uint64_t offset)
{
    struct chunk *to_send = NULL;

    cache_changing(b->cache, w->inode);
    pthread_mutex_lock(&b->mtx);
    int rc = wait_for_room(b, sc, w, offset, n);
    w->in_turn = offset != w->ended ? 0 : w->in_turn < STREAM ? w->in_turn + 1 : STREAM;
    w->ended = offset + n;
    if (rc == 0)
        rc = copy_in(b, w, fid, buf, n, offset, &to_send);
    pthread_mutex_unlock(&b->mtx);
    send_all(to_send);
    return rc;
}

/* ---- settling ----------------------------------------------------------- */

/* Whether the file has a chunk that began before `number`; dispatches it. Called with the lock. */
static bool is_unsettled(struct writebehind *b, const struct p9_qid *qid, uint64_t number, struct chunk **to_send)
{
    bool found = false;

    for (struct writer *w = b->writers; w != NULL; w = w->next) {
        if (!is_of(w, qid) || w->chunks->number >= number)
            continue;
        found = true;
        dispatch(w, to_send);
    }
    return found;
}

int writebehind_settle(struct writebehind *b, struct p9_scope *sc, const struct p9_qid *qid)
{
    return writebehind_settle_while(b, sc, qid, NULL, NULL);
}

int writebehind_settle_while(struct writebehind *b, struct p9_scope *sc, const struct p9_qid *qid,
                             bool (*goes_on)(void *arg), void *arg)
{
    struct chunk *to_send = NULL;
    int rc = 0;

    if (b == NULL || atomic_load(&b->nchunks) == 0)
        return 0;
    pthread_mutex_lock(&b->mtx);
    uint64_t number = b->next_number;
    while (rc == 0 && is_unsettled(b, qid, number, &to_send)) {
        bool on = to_send != NULL || goes_on == NULL || goes_on(arg); /* what is taken must leave */
        rc = on ? wait_for_progress(b, sc, to_send, goes_on != NULL) : -EINTR;
        to_send = NULL;
    }
    pthread_mutex_unlock(&b->mtx);
    return rc;
}

bool writebehind_busy(struct writebehind *b, const struct p9_qid *qid)
{
    bool busy = false;

    if (b == NULL || atomic_load(&b->nchunks) == 0)
        return false;
    pthread_mutex_lock(&b->mtx);
    for (struct writer *w = b->writers; w != NULL && !busy; w = w->next)
        busy = is_of(w, qid);
    pthread_mutex_unlock(&b->mtx);
    return busy;
}

size_t writebehind_dirty(struct writebehind *b)
{
    if (b == NULL)
        return 0;
    pthread_mutex_lock(&b->mtx);
    size_t bytes = b->bytes;
    pthread_mutex_unlock(&b->mtx);
    return bytes;
}

void writebehind_wake(struct writebehind *b)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->mtx);
    pthread_cond_broadcast(&b->progress);
    pthread_mutex_unlock(&b->mtx);
}
