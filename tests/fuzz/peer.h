/*
 * peer.h: a transport to a server that the fuzz target itself is: no socket, no thread, no time.
 */
#ifndef PEER_H
#define PEER_H

#include "9p/codec.h"
#include "9p/transport.h"

/* request() receives each message that the session writes, in the thread that writes it, without
 * locks held. */
struct transport *peer_new(void (*request)(struct transport *t, const uint8_t *msg, size_t n, void *arg), void *arg);
/* One read, or write, has at most so many bytes. 0: any number. */
void peer_step(struct transport *t, size_t most);
/* Sends bytes to the session. */
void peer_say(struct transport *t, const void *bytes, size_t n);
/* Hangs up, once what was said is read. */
void peer_end(struct transport *t);
/* Answers a Tversion. */
void peer_version(struct transport *t, enum p9_dialect d, uint32_t msize);

#endif
