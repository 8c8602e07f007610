/*
 * writebehind.c: writes gathered into chunks, which are under way together.
 *
 * Chunks of a file never overlap: a server may do what it is sent in any order.
 */
#include "cache/writebehind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/timer.h"

enum {
    CHUNK = 256 * 1024, /* where small writes are gathered, bytes */
    HELD_MS = 10,       /* the chunk of a stream waits for more so long, at least */
    STREAM = 2,         /* so many writes that continue the one before are a stream */
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

struct writebehind {
    struct cache *cache;
    size_t max_bytes;
    pthread_mutex_t mtx; /* guards all below, and every writer */
    pthread_cond_t moved;
    struct writer *writers; /* those with chunks */
    size_t bytes;           /* in all chunks */
    uint64_t next_number;
    atomic_uint nchunks;
    struct timer *timer; /* sends what is held; NULL: nothing is */
};

static unsigned send_held(void *behind);

struct writebehind *writebehind_new(struct cache *t, size_t max_bytes)
{
    struct writebehind *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    b->cache = t;
    b->max_bytes = max_bytes;
    pthread_mutex_init(&b->mtx, NULL);
    pthread_cond_init(&b->moved, NULL);
    b->timer = timer_new(send_held, b);
    return b;
}

void writebehind_free(struct writebehind *b)
{
    if (b == NULL)
        return;
    timer_free(b->timer);
    pthread_cond_destroy(&b->moved);
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
    *c = (struct chunk){.writebehind = b, .writer = w, .offset = offset, .room = room, .number = b->next_number++};
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
    w->flying--;
    b->bytes -= c->len;
    atomic_fetch_sub(&b->nchunks, 1);
    free(c);
}

/* The chunk that a writer is filling is to leave: it goes on a list, to be sent without the lock. */
static void let_go(struct writer *w, struct chunk **to_send)
{
    struct chunk *c = w->filling;

    if (c == NULL)
        return;
    w->filling = NULL;
    w->flying++;
    c->sent = true;
    LL_PREPEND2(*to_send, c, next_to_send);
}

static bool is_stream(const struct writebehind *b, const struct writer *w)
{
    return b->timer != NULL && w->in_turn >= STREAM;
}

/* Whether what w is filling need not wait for more. */
static bool may_go(const struct writebehind *b, const struct writer *w)
{
    return w->flying == 0 && (!is_stream(b, w) || (w->filling != NULL && clock_ms() - w->filling->since_ms >= HELD_MS));
}

static bool is_of(const struct writer *w, const struct p9_qid *qid)
{
    return qid == NULL || (w->inode->qid.path == qid->path && qid_same_file(&w->inode->qid, qid));
}

/* Something of the file is under way that overlaps these bytes, but for what w is filling. */
static bool is_in_the_way(const struct writebehind *b, const struct writer *w, uint64_t offset, size_t n)
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
    w->told = false;
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
    if (may_go(b, w))
        let_go(w, &to_send);
    pthread_cond_broadcast(&b->moved);
    pthread_mutex_unlock(&b->mtx);
    send_all(to_send);
}

/* For timer_new. */
static unsigned send_held(void *behind)
{
    struct writebehind *b = behind;
    struct chunk *to_send = NULL;
    bool more = false;

    pthread_mutex_lock(&b->mtx);
    for (struct writer *w = b->writers; w != NULL; w = w->next) {
        if (may_go(b, w))
            let_go(w, &to_send);
        more = more || w->filling != NULL;
    }
    pthread_mutex_unlock(&b->mtx);
    send_all(to_send);
    return more ? HELD_MS : 0;
}

/* ---- writing ------------------------------------------------------------ */

/* Sends what is on the list, and waits for something to happen. Called with the lock. */
static int wait_moved(struct writebehind *b, struct p9_scope *sc, struct chunk *to_send)
{
    if (sc != NULL && atomic_load(&sc->interrupted) && to_send == NULL)
        return -EINTR;
    if (to_send != NULL) {
        pthread_mutex_unlock(&b->mtx);
        send_all(to_send);
        pthread_mutex_lock(&b->mtx);
    } else {
        pthread_cond_wait(&b->moved, &b->mtx);
    }
    return 0;
}

/* Waits until nothing is in the way, and there is room. Called with the lock. */
static int wait_for_room(struct writebehind *b, struct p9_scope *sc, struct writer *w, uint64_t offset, size_t n)
{
    int rc = 0;

    while (rc == 0) {
        struct chunk *to_send = NULL, *mine = continues(w->filling, offset) ? w->filling : NULL;
        bool full = b->bytes > 0 && b->bytes + n > b->max_bytes;
        bool overlaps = is_in_the_way(b, w, offset, n);
        if (!full && !overlaps && mine == NULL)
            let_go(w, &to_send);
        if (full || overlaps)
            for (struct writer *o = b->writers; o != NULL; o = o->next)
                if (full || is_of(o, &w->inode->qid))
                    let_go(o, &to_send);
        if (!full && !overlaps && to_send == NULL)
            return 0;
        rc = wait_moved(b, sc, to_send);
    }
    return rc;
}

/* How large a chunk at this offset is to be, for n bytes or more: what comes alone leaves at once. */
static uint32_t room_for(const struct writebehind *b, const struct writer *w, uint64_t offset, size_t n)
{
    if ((w->flying == 0 && !is_stream(b, w)) || n >= CHUNK)
        return (uint32_t)n;
    return (uint32_t)(CHUNK - offset % CHUNK); /* up to where messages should begin */
}

/* Puts the bytes into chunks. Called with the lock. */
static int take(struct writebehind *b, struct writer *w, struct p9_fid *fid, const uint8_t *buf, size_t n,
                uint64_t offset, struct chunk **to_send)
{
    while (n > 0) {
        struct chunk *c = w->filling;
        if (c == NULL) {
            c = chunk_new(b, w, fid, offset, room_for(b, w, offset, n));
            timer_arm(is_stream(b, w) ? b->timer : NULL, HELD_MS);
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
        if (c->len == c->room || may_go(b, w))
            let_go(w, to_send);
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
        rc = take(b, w, fid, buf, n, offset, &to_send);
    pthread_mutex_unlock(&b->mtx);
    send_all(to_send);
    return rc;
}

/* ---- settling ----------------------------------------------------------- */

/* Whether a chunk of the file that began before `number` is there; it is let go. Called with the lock. */
static bool is_unsettled(struct writebehind *b, const struct p9_qid *qid, uint64_t number, struct chunk **to_send)
{
    bool found = false;

    for (struct writer *w = b->writers; w != NULL; w = w->next) {
        if (!is_of(w, qid) || w->chunks->number >= number)
            continue;
        found = true;
        let_go(w, to_send);
    }
    return found;
}

int writebehind_settle(struct writebehind *b, struct p9_scope *sc, const struct p9_qid *qid)
{
    struct chunk *to_send = NULL;
    int rc = 0;

    if (b == NULL || atomic_load(&b->nchunks) == 0)
        return 0;
    pthread_mutex_lock(&b->mtx);
    uint64_t number = b->next_number;
    while (rc == 0 && is_unsettled(b, qid, number, &to_send)) {
        rc = wait_moved(b, sc, to_send);
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

int writebehind_error(struct writebehind *b, const struct writer *w)
{
    if (b == NULL)
        return 0;
    pthread_mutex_lock(&b->mtx);
    int rc = w->error;
    pthread_mutex_unlock(&b->mtx);
    return rc;
}

void writebehind_told(struct writebehind *b, struct writer *w, bool heard)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->mtx);
    w->told = heard;
    pthread_mutex_unlock(&b->mtx);
}

int writebehind_unsynced(struct writebehind *b, const struct writer *w)
{
    unsigned known = b != NULL ? w->known_errors : 0;
    int rc = writebehind_error(b, w);

    return rc != 0 || b == NULL ? rc : cache_unsynced(b->cache, w->inode, known);
}

int writebehind_sync(struct writebehind *b, struct writer *w)
{
    if (b == NULL)
        return 0;
    pthread_mutex_lock(&b->mtx);
    int rc = w->error;
    w->error = 0;
    pthread_mutex_unlock(&b->mtx);
    int others = cache_sync_error(b->cache, w->inode, &w->known_errors);
    return rc != 0 ? rc : others;
}

int writebehind_lost(struct writebehind *b, const struct writer *w)
{
    if (b == NULL)
        return 0;
    pthread_mutex_lock(&b->mtx);
    int rc = w->told ? 0 : w->error;
    pthread_mutex_unlock(&b->mtx);
    return rc;
}

void writebehind_wake(struct writebehind *b)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->mtx);
    pthread_cond_broadcast(&b->moved);
    pthread_mutex_unlock(&b->mtx);
}
