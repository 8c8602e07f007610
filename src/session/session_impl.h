/*
 * session_impl.h: the fields of a session, and the functions that its files share. session.c
 * describes how they work together.
 */
#ifndef SESSION_IMPL_H
#define SESSION_IMPL_H

#include <pthread.h>

#include "9p/session.h"
#include "9p/stats.h"
#include "base/histogram.h"
#include "base/timer.h"

/* Any reply without its payload: strings have at most 65535 bytes. */
enum { SESSION_READ_BUFFER = 80 * 1024 };

struct queue {
    struct p9_req *first, **last;
};

/* Of one type of request: p9_message_stats. */
struct traffic {
    uint64_t sent, bytes_out, bytes_in, errors;
    struct histogram latency; /* of all replies, microseconds */
};

/* A reply that has arrived whole. */
struct arrival {
    uint64_t us; /* of clock_us() */
    uint32_t size;
    uint8_t type;
    bool malformed, is_error;
};

/* How long the reply took, microseconds. A server may have sent it before the request. */
static inline uint64_t session_duration(const struct p9_req *req, const struct arrival *a)
{
    return a->us > req->sent_us ? a->us - req->sent_us : 0;
}

struct p9_session {
    struct transport *t;
    enum p9_dialect dialect;
    atomic_uint msize;
    uint32_t msize_asked; /* at the start, bytes */
    bool trace;
    void (*replied)(void *arg, uint8_t type, const uint8_t *tx, size_t n, const struct p9_fcall *rx);
    void *replied_arg;
    atomic_int setup_timeout_ms;
    bool ready; /* p9_session_ready */
    atomic_bool dead;
    atomic_bool rerror_is_rlerror; /* p9_session_rerror_is_rlerror */

    pthread_mutex_t mtx;
    pthread_cond_t idle;     /* `writing` or `waits_for_room` became false */
    pthread_cond_t full;     /* `blocked` became true, or the session ended */
    pthread_cond_t restored; /* there is another connection, or the session ended */
    struct p9_req **pending; /* [max_tags] */
    uint16_t *free_tags;     /* a stack */
    unsigned max_tags, nfree;
    struct p9_req *version; /* the request with tag NOTAG */
    bool is_timed;          /* the last request to get a tag was alone in flight, */
    uint16_t timed;         /* and that was its tag */
    atomic_uint latency_us;
    uint64_t sent, answered; /* p9_req.number of the last request, and of the last reply */
    unsigned in_order_count; /* replies that arrived in order, with others in flight */
    bool out_of_order;       /* a reply did not */
    atomic_bool several;     /* several requests were in flight since none was */
    bool order_unknown;      /* a flushed request has no reply: no order until none is in flight */
    struct queue waiting, out;
    struct queue cancelled; /* interrupted while WAITING; the timer completes them */
    size_t out_done;        /* bytes of the first in out already written */
    bool writing;           /* a thread is in transport_write */
    bool blocked;           /* the connection is full: the writer waits */
    bool waits_for_room;    /* the writer uses the transport */
    int error;              /* -errno after the end of the session */
    char reason[256];       /* of the end, for the log; "" if none */

    /* connections.c */
    bool kept;                 /* p9_session_keep */
    struct p9_keeping keeping; /* set once, before kept */
    bool down;                 /* the connection has ended */
    bool reader_waits;         /* for another connection */
    int down_error;            /* why, for requests that restore */
    atomic_bool away;          /* requests are held */
    unsigned connections;      /* lost up to now */
    uint64_t submitted;        /* p9_req.id of the last request */

    /* deadlines.c */
    struct timer *timer;
    bool ticking;                /* the timer looks for silence */
    uint64_t deadline_ms;        /* of the first request that has one; 0: none has */
    atomic_uint_least64_t heard; /* clock_ms() when bytes arrived, or a request was sent to a server that owed none */
    uint64_t probed_ms;          /* when the probe that is in flight was sent; 0: none is */
    unsigned patience;           /* factor of probe_ms, after silent connections in a row */
    struct p9_req *receiving;    /* the reader stores its payload: only the reader may complete it */

    /* stats.c */
    uint64_t started_ms, changed_ms; /* the session started; the connection was lost, or resumed */
    uint64_t reconnects, given_up, flushed;
    unsigned ghosts;
    struct traffic traffic[P9_REQUEST_TYPES]; /* by type / 2; what no request is of is never touched */

    pthread_t reader, writer;
    uint8_t in[SESSION_READ_BUFFER]; /* reader: bytes read and not yet used */
    size_t in_start, in_end;
    uint64_t read_us;    /* reader: when the last bytes arrived, of clock_us() */
    bool malformed[256]; /* reader: by type; logged once */
};

/* Called with the lock held, unless a comment says otherwise. */

/* ---- request.c ---- */

/* Whether the request is for the connection in use only: it is never held. */
static inline bool session_is_of_connection(const struct p9_req *req)
{
    return req->type == P9_Tflush || (req->scope != NULL && req->scope->restores);
}

void session_queue_init(struct queue *q);
void session_queue_add(struct queue *q, struct p9_req *req);
struct p9_req *session_queue_take(struct queue *q);
/* Calls done(). Without the lock; once, by one thread. */
void session_complete(struct p9_req *req, int rc);

/* ---- trace.c; the first two only if there is one ---- */

void session_trace_sent(const struct p9_session *s, const struct p9_req *req);
void session_trace_reply(const struct p9_session *s, const struct p9_req *req, const struct arrival *a);
/* Of the connection. Without the lock. */
void session_trace_event(const struct p9_session *s, const char *what, const char *why);

/* ---- stats.c ---- */

void session_count_sent(struct p9_session *s, const struct p9_req *req);
void session_count_reply(struct p9_session *s, const struct p9_req *req, const struct arrival *a);

/* ---- tags.c ---- */

/* All are free. */
void session_reset_tags(struct p9_session *s);
/* False if none is free. Some are reserved for Tflush. */
bool session_take_tag(struct p9_session *s, struct p9_req *req);
void session_free_tag(struct p9_session *s, uint16_t tag);
/* Updates p9_session_latency after a reply to req; only a request alone in flight is timed. */
void session_note_latency(struct p9_session *s, const struct p9_req *req, uint64_t us);
/* Updates p9_session_in_order after a reply to req. */
void session_note_order(struct p9_session *s, const struct p9_req *req);
void session_enqueue(struct p9_session *s, struct p9_req *req);
/* Queues waiting requests that may be sent, in their order, while tags are free. */
void session_wake_waiting(struct p9_session *s);

/* ---- writer.c ---- */

/* Writes queued requests. Releases the lock while writing. */
void session_pump(struct p9_session *s);
/* The writer thread: waits for room while the connection is full. Without the lock. */
void *session_writer_main(void *session);

/* ---- flush.c ---- */

void session_scope_enter(struct p9_req *req);
void session_scope_leave(struct p9_req *req);
/* Sends a Tflush for a request in flight. Releases the lock meanwhile: the request may complete.
 * False without memory. */
bool session_send_flush(struct p9_session *s, struct p9_req *target);

/* ---- reader.c ---- */

/* The reader thread. Without the lock. */
void *session_reader_main(void *session);

/* ---- session.c ---- */

/* Completes all requests at the end of the session. By the reader, last. Without the lock. */
void session_complete_all(struct p9_session *s);
/* Takes a request out of a queue; false if it is not there. */
bool session_queue_remove(struct queue *q, struct p9_req *req);

/* ---- connections.c ---- */

/* Ends the connection; requests that restore then fail with err. With the lock. */
void session_mark_down(struct p9_session *s, int err);
/* The same of a session that is kept; reason, which may be NULL, is for lost(). With the lock. */
void session_lose(struct p9_session *s, int err, const char *reason);
/* After the end of a connection, by the reader: holds the requests and waits for another
 * connection. False at the end of the session. Without the lock. */
bool session_await_connection(struct p9_session *s, int err, const char *reason);

/* ---- deadlines.c ---- */

/* For timer_new: gives up the requests whose time is over, completes those cancelled, and probes a
 * silent server. Without the lock. */
unsigned session_tick(void *session);
/* The request is given up at this time of clock_ms(). */
void session_set_deadline(struct p9_session *s, struct p9_req *req, uint64_t ms);
/* p9_session_silent, with the lock. */
bool session_is_silent(struct p9_session *s, unsigned ms);
/* A request was submitted: limits and probes. */
void session_watch(struct p9_session *s, struct p9_req *req);

/* ---- negotiate.c; without the lock ---- */

/* Negotiates dialect and msize; proposes lower dialects to a server that does not know one. 0, or
 * -errno and why. */
int session_negotiate(struct p9_session *s, const struct p9_session_options *o, struct p9_why *why);

#endif
