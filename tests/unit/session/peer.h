/*
 * peer.h: a session over a socketpair with a peer that runs a script of the test in a thread.
 *
 * The peer packs valid messages with the codec; invalid ones are bytes in the script.
 */
#ifndef PEER_H
#define PEER_H

#include <pthread.h>
#include <semaphore.h>

#include "9p/session.h"

enum { MSIZE = 8192, PEER_SEEN = 32 };

struct peer {
    int fd;
    pthread_t thread;
    void (*script)(struct peer *p);
    uint8_t buf[MSIZE];
    sem_t go;                        /* posted by the test, for scripts that wait */
    bool any_dialect;                /* set before begin: the session proposes lower ones too */
    struct p9_fcall seen[PEER_SEEN]; /* the first messages after Tversion, without strings and data */
    atomic_uint nseen;
    sem_t arrived; /* one of them was added */
};

/* ---- the peer's side ---------------------------------------------------- */

bool peer_get(struct peer *p, struct p9_fcall *f);
void peer_send(struct peer *p, const void *bytes, size_t n);
void peer_put(struct peer *p, const struct p9_fcall *f);
void peer_version(struct peer *p, uint32_t msize, const char *version);
/* Answers a Tread with its offset in eight bytes, any other request with its R-message. */
void peer_answer(struct peer *p, const struct p9_fcall *f);
/* The thread: runs p->script, and waits for the session to close. */
void *peer_main(void *arg);

void script_answer_u(struct peer *p);
void script_refusal(struct peer *p);
void script_hang_up(struct peer *p);
void script_echo(struct peer *p);

/* ---- the test's side ---------------------------------------------------- */

/* Starts the peer's thread, and returns the session's end of the connection. */
struct transport *peer_start(struct peer *p, void (*script)(struct peer *));
/* After the session has closed its end. */
void peer_join(struct peer *p);
/* Waits until the peer has seen n messages, and returns the last of them. */
const struct p9_fcall *peer_saw(struct peer *p, unsigned n);

struct p9_session *begin(struct peer *p, void (*script)(struct peer *), unsigned max_tags, int *err,
                         struct p9_why *why);
struct p9_session *begin_well(struct peer *p, void (*script)(struct peer *), unsigned max_tags);
void end(struct peer *p, struct p9_session *s);

struct reader {
    struct p9_req req;
    uint64_t got;
    struct p9_batch *batch;
};

void start_read(struct p9_session *s, struct reader *r, uint64_t offset, struct p9_batch *b);
/* The same for a request of a scope. */
void start_read_in(struct p9_session *s, struct p9_scope *scope, struct reader *r, uint64_t offset, struct p9_batch *b);
int clunk(struct p9_session *s);

#endif
