/*
 * session_impl.h: what the files of the session share: its fields, and the steps in a request's life. session.c says
 * how they go together.
 */
#ifndef SESSION_IMPL_H
#define SESSION_IMPL_H

#include <pthread.h>

#include "9p/session.h"

enum { SESSION_READ_BUFFER = 80 * 1024 }; /* holds any reply but its payload: strings have at most 65535 bytes */

struct queue {
    struct p9_req *first, **last;
};

struct p9_session {
    struct transport *t;
    enum p9_dialect dialect;
    uint32_t msize;
    bool trace;
    atomic_int setup_timeout_ms;
    bool ready; /* p9_session_ready */
    atomic_bool dead;
    atomic_bool rerror_is_rlerror; /* seen: a number in a message of Rerror's type (nfs-ganesha) */

    pthread_mutex_t mtx;
    pthread_cond_t idle;     /* `writing` became false */
    pthread_cond_t full;     /* `blocked` became true, or the session ended */
    struct p9_req **pending; /* [max_tags] */
    uint16_t *free_tags;     /* a stack */
    unsigned max_tags, nfree;
    struct p9_req *version; /* the request with tag NOTAG */
    uint64_t timed_us;      /* when the request `timed` was sent, alone; 0: none is timed */
    uint16_t timed;
    atomic_uint latency_us;
    uint64_t sent, answered; /* the numbers of the last request, and of the last one that was answered in its turn */
    unsigned in_turn;        /* answers while other requests were under way, */
    bool out_of_turn;        /* but for one, or more */
    atomic_bool several;     /* requests were under way together since last none was */
    bool lost_count;         /* a request will not be answered: until none is under way */
    struct queue waiting, out;
    struct queue cancelled; /* interrupted while they waited: for the reader to complete */
    size_t out_done;        /* bytes of the first in out already written */
    bool writing;           /* some thread is in transport_write */
    bool blocked;           /* the connection is full: the writer waits */
    int error;              /* -errno once the connection is given up */
    char reason[256];       /* and why, in words */

    pthread_t reader, writer;
    uint8_t in[SESSION_READ_BUFFER]; /* the reader's: bytes read and not yet used */
    size_t in_start, in_end;
    bool malformed[256]; /* the reader's: replies of this type were, which is said once */
};

/* All that follows is called with the lock held, but for what says otherwise. */

/* ---- request.c ---- */

void session_queue_init(struct queue *q);
void session_queue_add(struct queue *q, struct p9_req *req);
struct p9_req *session_queue_take(struct queue *q);
/* Calls done(); by one thread, once. Without the lock. */
void session_complete(struct p9_req *req, int rc);
/* Without the lock. */
void session_trace(const struct p9_session *s, const char *way, const struct p9_fcall *f);

/* ---- tags.c ---- */

/* False: none is free. */
bool session_take_tag(struct p9_session *s, struct p9_req *req);
void session_free_tag(struct p9_session *s, uint16_t tag);
/* A request was answered. */
void session_note_order(struct p9_session *s, const struct p9_req *req);
void session_enqueue(struct p9_session *s, struct p9_req *req);
/* Tags came free: those that wait for one go on, in their order. */
void session_wake_waiting(struct p9_session *s);

/* ---- writer.c ---- */

/* Writes what is queued; gives the lock up while writing. */
void session_pump(struct p9_session *s);
/* The thread that waits for a full connection to take bytes again. */
void *session_writer_main(void *session);

/* ---- flush.c ---- */

void session_scope_enter(struct p9_req *req);
void session_scope_leave(struct p9_req *req);

/* ---- reader.c ---- */

void *session_reader_main(void *session);

/* ---- session.c ---- */

/* The reader's last act. Without the lock. */
void session_complete_all(struct p9_session *s);

/* ---- negotiate.c; without the lock ---- */

/* Agrees on dialect and msize: 0 or -errno. */
int session_agree(struct p9_session *s, const struct p9_session_options *o, struct p9_why *why);
/* Fills why; returns err. */
__attribute__((format(printf, 3, 4))) int session_why(struct p9_why *why, int err, const char *fmt, ...);

#endif
