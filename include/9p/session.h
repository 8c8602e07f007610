/*
 * session.h: requests and replies over one connection, many in flight.
 *
 * p9_submit sends a T-message; the reader thread calls the request's done() when its R-message, an
 * error, or the end of the connection arrives. p9_call submits and waits. Tags are private to the
 * session.
 *
 * Threads: any thread may submit. done() runs in the reader thread without locks held (or in the
 * submitting thread if the request fails at once); it must not block, and may submit.
 */
#ifndef SESSION_H
#define SESSION_H

#include <semaphore.h>
#include <stdatomic.h>

#include "9p/codec.h"
#include "9p/transport.h"

struct p9_session;
struct p9_req;

/* The requests of one user operation, interrupted together. Owned by the operation; guarded by the
 * session's lock. Initialized by zeroes. */
struct p9_scope {
    struct p9_req *reqs;
    atomic_bool interrupted; /* readable without the lock */
    unsigned limit_ms;       /* set by the owner: a request without a reply for so long fails with
                                ETIMEDOUT; 0: no limit */
    bool restores;           /* set by the owner: its requests restore a connection, and are not held */
};

/* A request. Owned by the caller, lent to the session from p9_submit to done(). */
struct p9_req {
    /* Set by the caller; the rest is zero. */
    void (*done)(struct p9_req *req);
    void *arg;              /* for done() */
    struct p9_scope *scope; /* NULL: cannot be interrupted */
    void *into;             /* receives the payload of an Rread or Rreaddir */
    uint32_t into_size;     /* the count asked for, bytes */
    uint8_t *body;          /* receives any other reply: its strings then outlive done(). NULL: */
    size_t body_size;       /* they point into the reader's buffer, valid until done() returns */
    bool part_ok;           /* a payload longer than into_size is cut instead of an error */

    /* Results, set before done(). */
    int rc;             /* 0, or -errno: the server's; -EINTR after an interrupt; -ETIMEDOUT after
                           the scope's or the session's limit; -EMSGSIZE if the request exceeds
                           msize, or the reply body_size; -EPROTO if the reply is malformed; or the
                           reason of the connection's end */
    bool vague;         /* rc is -EIO because the server's error text is unknown */
    bool late;          /* rc is -ETIMEDOUT because there was no reply in time */
    bool cut;           /* the payload was cut and may end inside an entry */
    struct p9_fcall rx; /* the reply, when rc is 0 */

    /* Private. */
    enum { P9_REQ_IDLE, P9_REQ_WAITING, P9_REQ_QUEUED, P9_REQ_SENT } state;
    uint8_t type;
    bool flushing; /* a Tflush for it is in flight, or it is not to be sent */
    bool was_sent; /* on a connection that is lost: whether the server acted on it is unknown */
    bool ghost;    /* it stands for a request that was given up, whose tag is in use */
    uint16_t tag;
    unsigned connection;  /* a Tflush: the only one it may be sent on, counted from 1; else 0 */
    uint64_t id;          /* in the order of p9_submit */
    uint64_t number;      /* in the order of sending */
    uint64_t sent_us;     /* when the last write of it began, of clock_us() */
    uint64_t deadline_ms; /* of clock_ms(): then it is given up; 0: none */
    uint8_t small[96];    /* the packed message, if it fits */
    uint8_t *head;        /* the packed message without payload; small or malloc'd */
    size_t head_len;
    const uint8_t *payload;
    size_t payload_len;
    struct p9_req *next;                     /* in a queue */
    struct p9_req *scope_next, **scope_link; /* in scope->reqs */
};

struct p9_session_options {
    uint32_t msize;          /* to propose, bytes */
    enum p9_dialect dialect; /* to propose first; then lower ones, or as the server answers */
    bool only;               /* accept no lower dialect */
    bool last;               /* there is no other connection: send nothing that may end this one */
    unsigned max_tags;       /* requests in flight at most; 0: the protocol's 65535 */
    int setup_timeout_ms;    /* p9_session_timeout, from the start */
    bool trace;              /* every message is a trace_line */
    /* A reply without an error has arrived; called before done() by the reader thread. tx[n] is the
     * packed request of that type, without the data of a Twrite. May be NULL. */
    void (*replied)(void *arg, uint8_t type, const uint8_t *tx, size_t n, const struct p9_fcall *rx);
    void *replied_arg;
};

/* Starts the threads of a session over t, which it owns from then on, also on failure, and
 * negotiates version and msize. NULL with *err (-errno) and `why` on failure. version(5). */
struct p9_session *p9_session_start(struct transport *t, const struct p9_session_options *o, int *err,
                                    struct p9_why *why);

/* Ends the session for good; the reader then completes every request with err, a -errno. The
 * reason is logged if it is not NULL and p9_session_ready was called before. Only the first call
 * has an effect. Any thread. */
void p9_session_fail(struct p9_session *s, int err, const char *reason);

/* Ends the session, joins the threads and frees. Requests in flight complete with -ECANCELED;
 * only those whose done() allows for it may be left. */
void p9_session_stop(struct p9_session *s);

/* ---- a connection after the other --------------------------------------- */

/* For a session that outlives its connections: when one is lost, requests are held, in the order
 * in which they were submitted, until p9_session_resume. */
struct p9_keeping {
    /* The connection is lost, for this reason. By the reader thread; it must not block. */
    void (*lost)(void *arg, const char *reason);
    /* A request is held that no try to restore the connection is under way for, or due soon. By
     * the submitting thread. */
    void (*wanted)(void *arg);
    void *arg;
    unsigned limit_ms; /* a request that has no reply for so long fails with ETIMEDOUT; 0: none */
    unsigned probe_ms; /* a server that sends nothing for so long is probed, and after as long
                          again the connection is lost; 0: it is not */
};
/* Keeps the session from now on. keeping is copied. */
void p9_session_keep(struct p9_session *s, const struct p9_keeping *keeping);
/* Ends the connection: it is lost, or without p9_session_keep it is the session's end. */
void p9_session_drop(struct p9_session *s, int err, const char *reason);
/* Whether there is no connection. */
bool p9_session_down(struct p9_session *s);
/* Whether the connection is lost and not resumed yet. */
bool p9_session_away(struct p9_session *s);
/* Whether the connection is lost, or the server owes a reply and has sent nothing for ms
 * milliseconds. */
bool p9_session_silent(struct p9_session *s, unsigned ms);
/* Sends a Tflush of no request, whose answer nobody waits for: a server that is there is not silent
 * then. */
void p9_session_probe(struct p9_session *s);
/* Takes over t for a session whose connection is lost, also on failure, and negotiates the same
 * dialect and at most the msize of the start within limit_ms milliseconds. Only requests of scopes
 * that restore are sent. 0, or -errno and why. */
int p9_session_restore(struct p9_session *s, struct transport *t, unsigned limit_ms, struct p9_why *why);

/* A request that is held. */
struct p9_held {
    uint64_t id;
    bool was_sent;
    struct p9_fcall tx; /* strings and data point into bytes */
    uint8_t *bytes;     /* malloc'd */
};
/* The first held request after the one with this id. False at the end, or without memory. The
 * caller frees bytes. */
bool p9_session_next_held(struct p9_session *s, uint64_t after, struct p9_held *held);
/* Completes a held request with rc, and with the reply rx, without strings, if that is not NULL.
 * False, without effect, if it is not held, or there is no connection: what was found out by one
 * that is lost again may be wrong. */
bool p9_session_settle(struct p9_session *s, uint64_t id, int rc, const struct p9_fcall *rx);
/* Sends what is held, and what is submitted from now on. Returns the number of requests that were
 * sent before. -errno if the connection is lost again. */
int p9_session_resume(struct p9_session *s);
/* Completes a request that was not submitted. */
void p9_refuse(struct p9_req *req, int rc);

/* Sets how long calls wait for a reply, milliseconds; 0: without limit. */
void p9_session_timeout(struct p9_session *s, int ms);
/* Marks the end of setup, whose errors the caller reports: calls then wait without limit, and the
 * end of the connection is logged. 0, or -errno if it has ended already. */
int p9_session_ready(struct p9_session *s);

/* The negotiated dialect. */
enum p9_dialect p9_session_dialect(const struct p9_session *s);
/* The negotiated size of a message, and the largest payload of one, bytes. */
uint32_t p9_session_msize(const struct p9_session *s);
uint32_t p9_session_payload(const struct p9_session *s);
/* Whether the server has sent Rlerror's body under Rerror's type; only nfs-ganesha does. */
bool p9_session_rerror_is_rlerror(struct p9_session *s);
/* The recent duration of a request that is alone in flight, microseconds; 0: unknown. */
unsigned p9_session_latency(struct p9_session *s);
/* Whether the server has not answered some request that was given up. */
bool p9_session_owes_given_up(struct p9_session *s);
/* Whether the server has answered many requests, all of them in the order of sending. */
bool p9_session_in_order(struct p9_session *s);
/* Whether the connection has ended. */
bool p9_session_dead(struct p9_session *s);

/* Sends tx, which is copied except for the data of a Twrite; that must live until done(). Never
 * waits: without a free tag a request is queued. done() may be called before this returns. */
void p9_submit(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx);

/* The same, but the message may stay queued until the next p9_submit or p9_push. */
void p9_submit_more(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx);
/* Writes what is queued. */
void p9_push(struct p9_session *s);

/* Interrupts the requests of a scope: each completes with -EINTR when the server confirms the
 * flush, or after a second, or with its reply if that arrives first. Further requests of the scope
 * fail with -EINTR. Any thread. flush(5). */
void p9_interrupt(struct p9_session *s, struct p9_scope *scope);

/* A countdown of completions, for one thread that waits for several. Owned by that thread. */
struct p9_batch {
    atomic_int left;
    sem_t done;
};
/* For n completions. */
void p9_batch_init(struct p9_batch *b, int n);
/* Counts one completion. The last act of a done(): the waiter may then free everything. */
void p9_batch_done(struct p9_batch *b);
/* Waits for the nth completion and destroys b. Ends the connection after a timeout. */
void p9_batch_wait(struct p9_session *s, struct p9_batch *b);
/* A done() for a request whose arg is its batch. */
void p9_req_batch_done(struct p9_req *req);

/* Submits and waits; sets done and arg of req. Returns req->rc. Not from the reader thread. */
int p9_call(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx);

#endif
