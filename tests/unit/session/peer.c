/*
 * peer.c: the scripted peer, and requests to it.
 */
#include "unit/session/peer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/test.h"

/* ---- the peer's side ---------------------------------------------------- */

bool peer_get(struct peer *p, struct p9_fcall *f)
{
    ssize_t n = p9_read9pmsg(p->fd, p->buf, sizeof p->buf);

    if (n <= 0 || p9_convM2S(p->buf, (size_t)n, P9_2000L, f) != (size_t)n)
        return false;
    unsigned i = atomic_load(&p->nseen);
    if (f->type != P9_Tversion && i < PEER_SEEN) {
        p->seen[i] = *f;
        atomic_store(&p->nseen, i + 1);
        sem_post(&p->arrived);
    }
    return true;
}

void peer_send(struct peer *p, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = send(p->fd, (const char *)bytes + at, n - at, MSG_NOSIGNAL);
        if (r <= 0)
            return;
        at += (size_t)r;
    }
}

void peer_put(struct peer *p, const struct p9_fcall *f)
{
    uint8_t buf[MSIZE];

    peer_send(p, buf, p9_convS2M(f, P9_2000L, buf, sizeof buf));
}

void peer_version(struct peer *p, uint32_t msize, const char *version)
{
    struct p9_fcall f, r = {.type = P9_Rversion, .tag = P9_NOTAG};

    if (!peer_get(p, &f))
        return;
    r.Rversion.msize = msize;
    r.Rversion.version = p9_str(version);
    peer_put(p, &r);
}

void peer_answer(struct peer *p, const struct p9_fcall *f)
{
    struct p9_fcall r = {.type = (uint8_t)(f->type + 1), .tag = f->tag};
    uint64_t offset = f->Tread.offset;

    if (f->type == P9_Tread)
        r.Rread.count = (struct p9_blob){sizeof offset, (const uint8_t *)&offset};
    peer_put(p, &r);
}

void *peer_main(void *arg)
{
    struct peer *p = arg;

    p->script(p);
    shutdown(p->fd, SHUT_WR);
    while (read(p->fd, p->buf, sizeof p->buf) > 0) /* until the session closes */
        ;
    return NULL;
}

void script_answer_u(struct peer *p)
{
    peer_version(p, MSIZE, "9P2000.u");
}

void script_refusal(struct peer *p)
{
    struct p9_fcall f, r = {.type = P9_Rlerror, .tag = P9_NOTAG, .Rlerror.ecode = 5};

    if (peer_get(p, &f))
        peer_put(p, &r);
}

void script_hang_up(struct peer *p)
{
    struct p9_fcall f;

    peer_get(p, &f);
}

void script_echo(struct peer *p)
{
    struct p9_fcall f;

    peer_version(p, MSIZE, "9P2000.L");
    while (peer_get(p, &f))
        peer_answer(p, &f);
}

/* ---- the test's side ---------------------------------------------------- */

struct transport *peer_start(struct peer *p, void (*script)(struct peer *))
{
    struct p9_why why;
    int sv[2], err;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    p->fd = sv[1];
    p->script = script;
    sem_init(&p->go, 0, 0);
    sem_init(&p->arrived, 0, 0);
    struct transport *t = transport_fds(sv[0], sv[0], &err, &why);
    assert_non_null(t);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
    return t;
}

void peer_join(struct peer *p)
{
    pthread_join(p->thread, NULL);
    sem_destroy(&p->go);
    sem_destroy(&p->arrived);
    close(p->fd);
}

const struct p9_fcall *peer_saw(struct peer *p, unsigned n)
{
    while (atomic_load(&p->nseen) < n)
        while (sem_wait(&p->arrived) < 0)
            ;
    return &p->seen[n - 1];
}

struct p9_session *begin(struct peer *p, void (*script)(struct peer *), unsigned max_tags, int *err, struct p9_why *why)
{
    const struct p9_session_options o = {
        .msize = MSIZE, .dialect = P9_2000L, .only = !p->any_dialect, .max_tags = max_tags};

    return p9_session_start(peer_start(p, script), &o, err, why);
}

struct p9_session *begin_well(struct peer *p, void (*script)(struct peer *), unsigned max_tags)
{
    struct p9_why why;
    int err;
    struct p9_session *s = begin(p, script, max_tags, &err, &why);

    assert_non_null(s);
    return s;
}

void end(struct peer *p, struct p9_session *s)
{
    if (s != NULL)
        p9_session_stop(s);
    peer_join(p);
}

void start_read(struct p9_session *s, struct reader *r, uint64_t offset, struct p9_batch *b)
{
    start_read_in(s, NULL, r, offset, b);
}

void start_read_in(struct p9_session *s, struct p9_scope *scope, struct reader *r, uint64_t offset, struct p9_batch *b)
{
    struct p9_fcall tx = {.type = P9_Tread, .Tread = {.fid = 1, .offset = offset, .count = sizeof r->got}};

    r->req = (struct p9_req){
        .done = p9_req_batch_done, .arg = b, .scope = scope, .into = &r->got, .into_size = sizeof r->got};
    p9_submit(s, &r->req, &tx);
}

int clunk(struct p9_session *s)
{
    struct p9_req req = {0};
    struct p9_fcall tx = {.type = P9_Tclunk, .Tclunk.fid = 1};

    return p9_call(s, &req, &tx);
}
