/*
 * peer.h: a session over a socketpair, against a peer that does as the test says.
 *
 * The peer is a thread that runs the test's script. What it sends is made with the codec, or by hand
 * where it lies.
 */
#ifndef PEER_H
#define PEER_H

#include <pthread.h>
#include <semaphore.h>

#include "9p/session.h"

enum { MSIZE = 8192 };

struct peer {
    int fd;
    pthread_t thread;
    void (*script)(struct peer *p);
    uint8_t buf[MSIZE];
    sem_t go;         /* for scripts that wait for the test */
    bool any_dialect; /* set before begin: lower ones are asked for, too */
};

/* ---- the peer's side ---------------------------------------------------- */

bool peer_get(struct peer *p, struct p9_fcall *f);
void peer_send(struct peer *p, const void *bytes, size_t n);
void peer_put(struct peer *p, const struct p9_fcall *f);
void peer_version(struct peer *p, uint32_t msize, const char *version);
/* Answers a Tread with its offset, as eight bytes; anything else with its R-message. */
void peer_answer(struct peer *p, const struct p9_fcall *f);
/* The thread. */
void *peer_main(void *arg);

void script_lower_at_once(struct peer *p);
void script_refusal(struct peer *p);
void script_hang_up(struct peer *p);
void script_echo(struct peer *p);

/* ---- the test's side ---------------------------------------------------- */

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
int clunk(struct p9_session *s);

#endif
