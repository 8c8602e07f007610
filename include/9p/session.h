/*
 * session.h: requests and replies over one connection, many at a time.
 *
 * The primitive is submit and complete: p9_submit sends a T-message, and the reader
 * thread calls the request's done() when its R-message, an error, or the end of
 * the connection comes. p9_call is the blocking skin over it. Tags are the session's own
 * affair: nobody above sees one.
 *
 * Threads: any may submit; the reader runs done(), without locks held; done() must
 * not block and may submit.
 */
#ifndef SESSION_H
#define SESSION_H

#include <semaphore.h>
#include <stdatomic.h>

#include "9p/codec.h"
#include "9p/transport.h"

struct p9_session;
struct p9_req;

/* The requests of one operation of a user's, so that they can be interrupted together. Owned
 * by the operation; guarded by the session's lock. Zeroed is ready. */
struct p9_scope {
    struct p9_req *reqs;
    atomic_bool interrupted; /* may be read without the lock */
};

/* A request, owned by who made it and lent to the session from p9_submit until done(). */
struct p9_req {
    /* Set before p9_submit; the rest of the structure zero. */
    void (*done)(struct p9_req *req);
    void *arg;              /* done()'s own */
    struct p9_scope *scope; /* may be NULL: cannot be interrupted */
    void *into;             /* where the payload of an Rread or Rreaddir is received, ... */
    uint32_t into_size;     /* ... and how many bytes were asked for */
    uint8_t *body;          /* where the rest of the reply is copied, so that its strings outlive done(); */
    size_t body_size;       /* NULL: they point into the reader's buffer, and are gone after done() */
    bool part_ok;           /* a payload of more than was asked for is cut, and not an error */

    /* Set when done() is called. */
    int rc;             /* 0, or -errno: the server's, -EINTR after an interrupt, -EMSGSIZE if the
                           request or its reply is larger than its bounds, -EPROTO if the reply makes no sense, or
                           why the connection ended */
    bool vague;         /* rc is -EIO for want of anything better: the server's words are not known */
    bool cut;           /* the payload was: what is there may end within something */
    struct p9_fcall rx; /* the reply, when rc is 0 */

    /* The session's. */
    enum { P9_REQ_IDLE, P9_REQ_WAITING, P9_REQ_QUEUED, P9_REQ_SENT } state;
    uint8_t type;
    bool flushing; /* a Tflush for it is under way */
    uint16_t tag;
    uint64_t number;   /* counted as they are sent */
    uint8_t small[96]; /* the packed message, if it fits */
    uint8_t *head;     /* the packed message without payload; small or malloc'd */
    size_t head_len;
    const uint8_t *payload;
    size_t payload_len;
    struct p9_req *next;                     /* in a queue */
    struct p9_req *scope_next, **scope_link; /* in scope->reqs */
};

struct p9_session_options {
    uint32_t msize;          /* asked for, bytes */
    enum p9_dialect dialect; /* asked for first; then lower ones, or as the server answers */
    bool only;               /* that dialect, and no other */
    bool last;               /* there is no other connection to be had: nothing is asked for that may end this one */
    unsigned max_tags;       /* requests in flight at most; 0: the protocol's 65535 */
    int setup_timeout_ms;    /* how long p9_call waits before p9_session_timeout; 0: for ever */
    bool trace;              /* every message to stderr */
};

/* Starts a session over t, which it owns from now on: starts the reader and agrees on version and
 * msize. version(5). NULL with *err and `why` on failure. */
struct p9_session *p9_session_start(struct transport *t, const struct p9_session_options *o, int *err,
                                    struct p9_why *why);

/* Ends the connection: the reader then completes every request not answered with -err. Any thread.
 * The reason is logged unless it is NULL, or p9_session_ready comes later. Only the first call counts. */
void p9_session_fail(struct p9_session *s, int err, const char *reason);

/* Ends the connection if it still lives, joins the threads and frees. Nothing may be in flight but
 * requests whose done() allows for it. */
void p9_session_stop(struct p9_session *s);

/* How long calls wait for an answer from now on, milliseconds; 0: as long as the server takes. */
void p9_session_timeout(struct p9_session *s, int ms);
/* Setup is over, which tells of its errors itself: from now on calls wait as long as the server takes, and the end of the connection
 * is logged. -errno if it has ended already. */
int p9_session_ready(struct p9_session *s);

enum p9_dialect p9_session_dialect(const struct p9_session *s);
/* The agreed size of a message, and the largest payload in one, in bytes. */
uint32_t p9_session_msize(const struct p9_session *s);
uint32_t p9_session_payload(const struct p9_session *s);
/* Whether the server was seen to send Rlerror's body under Rerror's type, as nfs-ganesha alone does. */
bool p9_session_rerror_is_rlerror(struct p9_session *s);
/* How long a short request takes lately while nothing else is asked, microseconds; 0: not known. */
unsigned p9_session_latency(struct p9_session *s);
/* Whether the server was seen to answer in the order in which it is asked, many times and always. */
bool p9_session_in_order(struct p9_session *s);
/* Whether the connection has ended. */
bool p9_session_dead(struct p9_session *s);

/* Sends tx (copied, but for a Twrite's data, which must live until done()). Never waits: beyond
 * max_tags a request is queued. done() may have been called when this returns. */
void p9_submit(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx);

/* The same for one of several: it may wait to be written with those that follow, until p9_push. */
void p9_submit_more(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx);
void p9_push(struct p9_session *s);

/* Interrupts the requests of a scope, and those submitted in it later: each completes with -EINTR once
 * the server has confirmed the flush, or with its reply if that comes first. flush(5). Any thread. */
void p9_interrupt(struct p9_session *s, struct p9_scope *scope);

/* A countdown of completions, for one thread that waits for several. */
struct p9_batch {
    atomic_int left;
    sem_t done;
};
void p9_batch_init(struct p9_batch *b, int n);
/* Counts one down; a done() calls it last. The waiter may free everything after that. */
void p9_batch_done(struct p9_batch *b);
/* Waits for the nth completion and destroys b. */
void p9_batch_wait(struct p9_session *s, struct p9_batch *b);
/* A done() for requests whose arg is their batch. */
void p9_req_batch_done(struct p9_req *req);

/* Submits and waits. Returns req->rc. Not from the reader thread. */
int p9_call(struct p9_session *s, struct p9_req *req, const struct p9_fcall *tx);

#endif
