/*
 * io.c: reads and writes of any size, split into messages that are in flight together.
 *
 * A round sends a message for every part that is not done. After its last reply the parts are
 * checked in order; what is contiguous from the start is done. What a short reply leaves out goes
 * into another round, unless it is the end of the file.
 *
 * A round has a bounded number of parts: with an iounit of 1 each byte would be a message.
 */
#include <errno.h>
#include <stdlib.h>

#include "client/dialect.h"

enum { MAX_PARTS = 256 };

static void part_done(struct p9_req *req);

static uint32_t part_size(const struct p9_io *io, uint32_t i)
{
    uint32_t left = io->count - io->finished - i * io->part;

    return left < io->part ? left : io->part;
}

static void send_part(struct p9_io *io, uint32_t i)
{
    struct p9_req *req = &io->reqs[i];
    uint32_t at = io->finished + i * io->part, n = part_size(io, i);
    struct p9_fcall tx;

    *req = (struct p9_req){.done = part_done, .arg = io, .scope = io->scope};
    if (io->write) {
        tx.type = P9_Twrite;
        tx.Twrite.fid = io->fid->num;
        tx.Twrite.offset = io->offset + at;
        tx.Twrite.count = (struct p9_blob){n, io->buf + at};
    } else {
        req->into = io->buf + at;
        req->into_size = n;
        tx.type = P9_Tread;
        tx.Tread.fid = io->fid->num;
        tx.Tread.offset = io->offset + at;
        tx.Tread.count = n;
    }
    p9_send_more(io->fid->client, req, &tx);
}

static void complete(struct p9_io *io, int rc)
{
    io->result = rc == 0 ? (ssize_t)io->finished : rc;
    io->done(io);
}

/* The number of parts to send: for a read up to the expected end of the file. If the file is
 * longer by then, the next round reads the rest. */
static uint32_t parts_wanted(const struct p9_io *io)
{
    uint64_t at = io->offset + io->finished, left = io->count - io->finished;

    if (io->in_order)
        return 1;
    if (!io->write && io->size < at + left)
        left = io->size > at ? io->size - at : 1;
    uint64_t n = (left + io->part - 1) / io->part;
    return n < MAX_PARTS ? (uint32_t)n : MAX_PARTS;
}

static void send_round(struct p9_io *io)
{
    uint32_t n = parts_wanted(io);

    if (n > io->capacity) {
        io->reqs = calloc(n, sizeof *io->reqs);
        if (io->reqs == NULL) {
            complete(io, -ENOMEM);
            return;
        }
        io->capacity = n;
    }
    io->nparts = n;
    atomic_store(&io->left, n); /* io must not be accessed after the last part is sent */
    struct p9_session *s = io->fid->client->session;
    for (uint32_t i = 0; i < n; i++)
        send_part(io, i);
    p9_push(s);
}

static uint32_t part_got(const struct p9_io *io, const struct p9_req *req)
{
    return io->write ? req->rx.Rwrite.count : req->rx.Rread.count.n;
}

static uint32_t payload_of(const struct p9_io *io)
{
    uint32_t most = io->write ? UINT32_MAX : io->fid->client->read_max;

    return io->fid->iounit < most ? io->fid->iounit : most;
}

static void round_done(struct p9_io *io)
{
    uint32_t got = 0, want = 0, contiguous = 0;

    for (uint32_t i = 0; i < io->nparts && got == want; i++) {
        if (io->reqs[i].rc == -EMSGSIZE && io->part > payload_of(io)) { /* the new connection's msize is lower */
            io->finished += contiguous;
            io->part = payload_of(io);
            send_round(io);
            return;
        }
        if (io->reqs[i].rc != 0) {
            io->finished += contiguous;
            complete(io, io->reqs[i].rc);
            return;
        }
        got = part_got(io, &io->reqs[i]);
        want = part_size(io, i);
        if (got > want) { /* only in an Rwrite: the session checks payloads */
            io->finished += contiguous;
            complete(io, -EPROTO);
            return;
        }
        contiguous += got;
    }
    io->finished += contiguous;
    if (io->write && got == 0 && want > 0)
        complete(io, -EIO);
    else if (io->finished == io->count || (!io->write && (got == 0 || io->short_ok)))
        complete(io, 0);
    else if (!io->write && got < want && io->offset + io->finished >= io->size)
        complete(io, 0);
    else
        send_round(io);
}

static void part_done(struct p9_req *req)
{
    struct p9_io *io = req->arg;

    if (atomic_fetch_sub(&io->left, 1) == 1)
        round_done(io);
}

static void start(struct p9_io *io)
{
    io->finished = 0;
    io->part = payload_of(io);
    if (io->count == 0)
        complete(io, 0);
    else if (io->part == 0) /* not open */
        complete(io, -EBADF);
    else
        send_round(io);
}

void p9_read_start(struct p9_io *io)
{
    io->write = false;
    start(io);
}

void p9_write_start(struct p9_io *io)
{
    io->write = true;
    start(io);
}

void p9_io_finish(struct p9_io *io)
{
    free(io->reqs);
    io->reqs = NULL;
    io->capacity = 0;
}

static void wait_done(struct p9_io *io)
{
    p9_batch_done(io->arg);
}

static ssize_t wait_for(struct p9_io *io, void (*start_it)(struct p9_io *))
{
    struct p9_session *s = io->fid->client->session;
    struct p9_batch b;

    p9_batch_init(&b, 1);
    io->done = wait_done;
    io->arg = &b;
    start_it(io);
    p9_batch_wait(s, &b);
    p9_io_finish(io);
    return io->result;
}

ssize_t p9_write_wait(struct p9_io *io)
{
    return wait_for(io, p9_write_start);
}

ssize_t p9_read_wait(struct p9_io *io)
{
    return wait_for(io, p9_read_start);
}
