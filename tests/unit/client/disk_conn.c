/*
 * disk_conn.c: the connections of a disk, one after the other, and its client: see disk.h.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "9p/recovery.h"
#include "unit/client/disk.h"
#include "unit/ownclock.h"
#include "unit/test.h"

enum { MSIZE = 8192, WANTED_US = 1000000 /* of recovery.c */, PATIENCE_S = 120 };

/* ---- the server's thread -------------------------------------------------- */

static void set_error(const struct disk *d, uint32_t ecode, struct p9_fcall *r)
{
    if (d->dialect == P9_2000L)
        *r = (struct p9_fcall){.type = P9_Rlerror, .tag = r->tag, .Rlerror.ecode = ecode};
    else
        *r = (struct p9_fcall){
            .type = P9_Rerror, .tag = r->tag, .Rerror = {.ename = p9_str(strerror((int)ecode)), .ecode = ecode}};
}

/* Packs the reply to out[MSIZE]. 0: the connection is cut. Called with the lock. */
static size_t answer(struct disk *d, const struct p9_fcall *t, uint8_t *out)
{
    struct p9_fcall r = {.type = (uint8_t)(t->type + 1), .tag = t->tag};
    bool cut = d->cut_at == t->type;

    d->counts[t->type]++;
    if (cut)
        d->cut_at = 0;
    if (cut && !d->cut_behind)
        return 0;
    uint32_t ecode = disk_serve(d, t, &r);
    if (ecode != 0)
        set_error(d, ecode, &r);
    return cut ? 0 : p9_convS2M(&r, d->dialect, out, MSIZE);
}

static void ignore(struct p9_req *req)
{
    (void)req;
}

/* The connection is cut; with an error before it is closed, if there is one. During a try the next
 * one is made at once, without the real time that it would wait. */
static void cut(struct disk *d, int error)
{
    struct p9_session *s = p9_client_session(d->client);
    const struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = P9_NOFID}; /* never sent */

    if (error != 0)
        p9_session_drop(s, error, strerror(-error));
    pthread_mutex_lock(&d->mtx);
    bool wish = !d->wished && p9_session_away(s);
    d->wished = d->wished || wish;
    pthread_mutex_unlock(&d->mtx);
    if (!wish)
        return;
    d->wish.done = ignore;
    clock_pass(WANTED_US);
    p9_submit(s, &d->wish, &tx);
}

static void *conn_main(void *arg)
{
    struct disk_conn *conn = arg;
    struct disk *d = conn->disk;
    uint8_t in[MSIZE], out[MSIZE];
    struct p9_fcall t;
    size_t size = 1;
    ssize_t n;
    int error = 0;
    bool was_cut = false;

    while (size > 0 && (n = p9_read9pmsg(conn->fd, in, sizeof in)) > 0 &&
           p9_convM2S(in, (size_t)n, d->dialect, &t) != 0) {
        pthread_mutex_lock(&d->mtx);
        size = conn == &d->conns[d->nconns - 1] ? answer(d, &t, out) : 0;
        error = d->cut_error;
        was_cut = size == 0 && conn == &d->conns[d->nconns - 1];
        pthread_mutex_unlock(&d->mtx);
        if (size > 0 && send(conn->fd, out, size, MSG_NOSIGNAL) != (ssize_t)size)
            break;
    }
    if (was_cut)
        cut(d, error);
    shutdown(conn->fd, SHUT_RDWR);
    return NULL;
}

static struct transport *dial(void *arg, int *err, struct p9_why *why)
{
    struct disk *d = arg;
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
        abort();
    if (d->meanwhile != NULL)
        d->meanwhile(d);
    pthread_mutex_lock(&d->mtx);
    d->meanwhile = NULL;
    if (d->nconns == DISK_CONNECTIONS)
        abort();
    struct disk_conn *conn = &d->conns[d->nconns++];
    *conn = (struct disk_conn){.disk = d, .fd = sv[1]};
    memset(d->fids, 0, sizeof d->fids);
    if (pthread_create(&conn->thread, NULL, conn_main, conn) != 0)
        abort();
    pthread_mutex_unlock(&d->mtx);
    return transport_fds(sv[0], sv[0], err, why);
}

/* ---- the test's side ------------------------------------------------------ */

struct p9_client *disk_start(struct disk *d, enum p9_dialect dialect, struct p9_fid **root)
{
    const struct p9_client_options o = {.session = {.msize = MSIZE, .dialect = dialect, .only = true},
                                        .max_fids = DISK_FIDS};
    const struct p9_recovery_options keep = {.dialer = {.dial = dial, .arg = d}, .name = "disk"};
    struct p9_why why;
    int err;

    memset(d, 0, sizeof *d);
    pthread_mutex_init(&d->mtx, NULL);
    d->dialect = dialect;
    disk_add(d, "", P9_QTDIR);
    d->client = p9_client_start(dial(d, &err, &why), &o, &err, &why);
    assert_non_null(d->client);
    assert_int_equal(p9_attach(NULL, d->client, "root", 0, "", NULL, root), 0);
    assert_int_equal(p9_client_keep(d->client, &keep), 0);
    return d->client;
}

void disk_stop(struct disk *d)
{
    p9_client_stop(d->client);
    for (unsigned i = 0; i < d->nconns; i++) {
        pthread_join(d->conns[i].thread, NULL);
        close(d->conns[i].fd);
    }
    pthread_mutex_destroy(&d->mtx);
    assert_int_equal(d->bad, 0);
}

static void wait_for_loss(struct disk *d, unsigned generation)
{
    time_t until = time(NULL) + PATIENCE_S;

    while (p9_client_generation(d->client) == generation && time(NULL) < until)
        sched_yield();
    assert_int_not_equal(p9_client_generation(d->client), generation);
}

void disk_settle(struct disk *d, unsigned generation)
{
    wait_for_loss(d, generation);
    time_t until = time(NULL) + PATIENCE_S;
    while (p9_session_away(p9_client_session(d->client)) && time(NULL) < until)
        sched_yield();
    assert_false(p9_session_away(p9_client_session(d->client)));
}

void disk_drop(struct disk *d)
{
    unsigned generation = p9_client_generation(d->client);

    pthread_mutex_lock(&d->mtx);
    shutdown(d->conns[d->nconns - 1].fd, SHUT_RDWR);
    pthread_mutex_unlock(&d->mtx);
    wait_for_loss(d, generation);
}

void disk_cut(struct disk *d)
{
    unsigned generation = p9_client_generation(d->client);

    disk_drop(d);
    disk_settle(d, generation);
}

void disk_cut_at(struct disk *d, uint8_t type, bool behind)
{
    pthread_mutex_lock(&d->mtx);
    d->cut_at = type;
    d->cut_behind = behind;
    pthread_mutex_unlock(&d->mtx);
}

void disk_wait_cut(struct disk *d)
{
    uint8_t at = 1;

    while (at != 0) {
        sched_yield();
        pthread_mutex_lock(&d->mtx);
        at = d->cut_at;
        pthread_mutex_unlock(&d->mtx);
    }
}

struct disk_fid disk_fid(struct disk *d, const struct p9_fid *fid)
{
    pthread_mutex_lock(&d->mtx);
    struct disk_fid f = d->fids[fid->num];
    pthread_mutex_unlock(&d->mtx);
    return f;
}

unsigned disk_count(struct disk *d, uint8_t type)
{
    pthread_mutex_lock(&d->mtx);
    unsigned n = d->counts[type];
    d->counts[type] = 0;
    pthread_mutex_unlock(&d->mtx);
    return n;
}

unsigned disk_live(struct disk *d)
{
    unsigned n = 0;

    pthread_mutex_lock(&d->mtx);
    for (unsigned i = 0; i < DISK_FIDS; i++)
        n += d->fids[i].known;
    pthread_mutex_unlock(&d->mtx);
    return n;
}
