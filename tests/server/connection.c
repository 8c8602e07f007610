/*
 * connection.c: a thread per connection; requests, replies, and waiting requests.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/server.h"

static pthread_mutex_t conns_mtx =
    PTHREAD_MUTEX_INITIALIZER; /* guards the list; acquired before the mutex of a connection */
static struct conn *conns;

/* ---- replies ------------------------------------------------------------ */

void reply(struct conn *c, struct p9_fcall *r)
{
    spoil_send(c, p9_convS2M(r, c->dialect, c->out, c->msize));
}

void reply_error(struct conn *c, uint16_t tag, int err, const char *text)
{
    struct p9_fcall r = {.tag = tag};

    if (c->dialect == P9_2000L) {
        r.type = P9_Rlerror;
        r.Rlerror.ecode = (uint32_t)err;
    } else {
        r.type = P9_Rerror;
        r.Rerror.ename = p9_str(text != NULL ? text : strerror(err));
        r.Rerror.ecode = (uint32_t)err;
    }
    reply(c, &r);
}

/* False if the request still has to wait. */
static bool answer_one(struct conn *c, const struct waiting *w)
{
    struct p9_fcall r = {.type = (uint8_t)(w->t.type + 1), .tag = w->t.tag};
    struct p9_fcall flushed = {.type = P9_Rflush, .tag = w->flush_tag};
    uint32_t got = 0;

    if (w->t.type == P9_Tlock ? linux_lock_whole(w->fid, &r) != 0
                              : synth_read(c, w->fid, w->t.Tread.offset, w->t.Tread.count, &got) != 0)
        return false;
    if (w->t.type == P9_Tread)
        r.Rread.count = (struct p9_blob){got, c->data};
    reply(c, &r);
    if (w->flushed)
        reply(c, &flushed);
    return true;
}

void answer_waiting(void)
{
    pthread_mutex_lock(&conns_mtx);
    for (struct conn *c = conns; c != NULL; c = c->next) {
        pthread_mutex_lock(&c->mtx);
        for (struct waiting **p = &c->waiting, *w; (w = *p) != NULL;) {
            if (!answer_one(c, w)) {
                p = &w->next;
                continue;
            }
            *p = w->next;
            free(w);
        }
        pthread_mutex_unlock(&c->mtx);
    }
    pthread_mutex_unlock(&conns_mtx);
}

/* ---- requests ----------------------------------------------------------- */

static void answer_late_flush(struct conn *c, const struct p9_fcall *t)
{
    struct p9_fcall r = {.type = P9_Rflush, .tag = c->late.tag};

    if (c->late.left == 0)
        return;
    if (t->tag == c->late.oldtag || t->tag == c->late.tag)
        synth_flushed(false, true);
    if (--c->late.left == 0)
        reply(c, &r);
}

static void serve_request(struct conn *c, const struct p9_fcall *t)
{
    struct p9_fcall r = {.type = (uint8_t)(t->type + 1), .tag = t->tag};
    const char *text = NULL;

    answer_late_flush(c, t);
    for (const struct waiting *w = c->waiting; w != NULL; w = w->next)
        if (w->t.tag == t->tag)
            synth_flushed(false, true); /* the tag is still in use */
    rule_find(c, t);
    if (c->fault == FAULT_CLOSE)
        shutdown(c->sock, SHUT_RDWR);
    else if (c->fault == FAULT_ERROR)
        reply_error(c, t->tag, (int)c->fault_n, c->fault_text);
    if (c->fault == FAULT_CLOSE || c->fault == FAULT_ERROR || c->fault == FAULT_IGNORE)
        return;
    if (t->type == P9_Tversion) {
        answer_version(c, t);
        return;
    }
    if (t->type == P9_Tflush) {
        answer_flush(c, t);
        return;
    }
    int err = common_request(c, t, &r, &text);
    become(0, 0);
    if (err == EAGAIN && (t->type == P9_Tread || t->type == P9_Tlock)) {
        struct waiting *w = calloc(1, sizeof *w);
        /* fid is the first field of Tread and Tlock. */
        *w = (struct waiting){.t = *t, .fid = fid_find(c, t->Tread.fid), .next = c->waiting};
        c->waiting = w;
        synth_waits();
        return;
    }
    if (c->fault == FAULT_SILENT)
        return;
    if (c->fault == FAULT_LATE_ERROR)
        reply_error(c, t->tag, (int)c->fault_n, c->fault_text);
    else if (err > 0)
        reply_error(c, t->tag, err, text);
    else if (err < 0)
        reply_error(c, t->tag, EOPNOTSUPP, NULL);
    else {
        rule_change(c, t, &r);
        reply(c, &r);
    }
}

static void *serve(void *arg)
{
    struct conn *c = arg;
    struct p9_fcall t;
    ssize_t n;

    syscall(SYS_setgroups, 0, NULL); /* of this thread only */
    while ((n = p9_read9pmsg(c->sock, c->in, c->set->msize)) > 0) {
        pthread_mutex_lock(&c->mtx);
        bool ok = p9_convM2S(c->in, (size_t)n, c->dialect, &t) == (size_t)n;
        if (ok)
            serve_request(c, &t);
        c->fault = FAULT_NONE;
        spoil_release(c);
        pthread_mutex_unlock(&c->mtx);
        if (!ok) {
            fprintf(stderr, "a malformed message of type %u\n", c->in[4]);
            break;
        }
        if (t.type == P9_Twrite || t.type == P9_Tclunk)
            answer_waiting();
    }
    pthread_mutex_lock(&conns_mtx);
    struct conn **p = &conns;
    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    pthread_mutex_unlock(&conns_mtx);
    for (struct sfid *f; (f = c->fids) != NULL; fid_drop(c, f))
        if (f->synth != NULL)
            synth_clunk(f);
    for (struct waiting *w; (w = c->waiting) != NULL;) {
        c->waiting = w->next;
        free(w);
    }
    answer_waiting();
    for (struct held *h; (h = c->held) != NULL; free(h))
        c->held = h->next;
    close(c->sock);
    free(c->in);
    free(c->out);
    free(c->data);
    free(c);
    return NULL;
}

void accept_one(const struct settings *set, int listener)
{
    struct conn *c = calloc(1, sizeof *c);
    pthread_t thread;
    int one = 1;

    c->set = set;
    c->sock = accept(listener, NULL, NULL);
    c->dialect = P9_2000L;
    c->msize = set->msize;
    c->in = malloc(set->msize);
    c->out = malloc(set->msize);
    c->data = malloc(set->msize);
    pthread_mutex_init(&c->mtx, NULL);
    if (!set->nagle)
        setsockopt(c->sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_mutex_lock(&conns_mtx);
    c->next = conns;
    conns = c;
    pthread_mutex_unlock(&conns_mtx);
    if (pthread_create(&thread, NULL, serve, c) != 0)
        exit(1);
    pthread_detach(thread);
}
