/*
 * stats.h: what a session has counted.
 *
 * Counted where the session's lock is held anyway. A message counts once it has been sent, or has
 * arrived, whole; durations run from the write that sends the request to the read that brings its
 * reply, in microseconds.
 */
#ifndef STATS_H
#define STATS_H

#include "9p/session.h"

/* Of one type of request. */
struct p9_message_stats {
    uint64_t sent, bytes_out;
    uint64_t replies, bytes_in; /* with those that are errors */
    uint64_t errors;            /* and malformed replies */
    uint64_t p50_us, p90_us, p99_us, max_us;
};

enum { P9_REQUEST_TYPES = 64 }; /* a request's type is even, and below 128 */

struct p9_session_stats {
    uint32_t msize;
    enum p9_dialect dialect;
    bool ended, away; /* the session, for good; the connection */
    uint64_t uptime_ms;
    uint64_t since_ms;  /* the connection is up, or away, for so long */
    uint64_t silent_ms; /* the server owes a reply, and has sent nothing for so long; else 0 */
    uint64_t reconnects;
    unsigned in_flight;                                 /* requests with a tag */
    unsigned waiting;                                   /* requests without one: there is none free, or no connection */
    unsigned ghosts;                                    /* requests in flight that were given up */
    uint64_t given_up;                                  /* requests, for want of a reply in time */
    uint64_t flushed;                                   /* requests that a Tflush was sent for */
    struct p9_message_stats messages[P9_REQUEST_TYPES]; /* by type / 2 */
};

/* Waits for nothing but the session's lock. */
void p9_session_stats(struct p9_session *s, struct p9_session_stats *out);

#endif
