/*
 * recovery.h: a client that restores its connection when it is lost.
 */
#ifndef P9_RECOVERY_H
#define P9_RECOVERY_H

#include "9p/client.h"

/* How long a lock that conflicts is asked for again, as the server may still hold it for the
 * connection that was lost, and how often, milliseconds. */
enum { P9_STALE_LOCK_MS = 5000, P9_STALE_LOCK_STEP_MS = 50 };

/* How a client restores its connection. */
struct p9_recovery_options {
    struct p9_dialer dialer;
    const char *name;  /* of the server, for the log */
    unsigned limit_ms; /* requests fail with ETIMEDOUT after so long without a reply; 0: they wait */
    unsigned probe_ms; /* of p9_keeping */
    unsigned first_ms; /* the longest wait for the first reply on a new connection; 0: as for others */
    /* For the attach of a user again: *afid, the caller's, is authenticated, or NULL. 0 or -errno.
     * May be NULL. */
    int (*authenticate)(void *arg, struct p9_scope *sc, const char *uname, uint32_t n_uname, const char *aname,
                        struct p9_fid **afid);
    /* Fids are made again, and nothing else has been sent: locks are taken again. Its requests go
     * by sc. May be NULL. */
    void (*restored)(void *arg, struct p9_scope *sc);
    void *arg;
};
/* From now on a lost connection is restored: operations wait meanwhile. 0 or -errno. Strings are
 * the caller's, and live as long as the client. */
int p9_client_keep(struct p9_client *c, const struct p9_recovery_options *o);
/* No connection is made again from now on, and one that is lost is the end of the session. Waits
 * for a try that is under way; what it calls is not called any more. Not from the reader thread. */
void p9_client_give_up(struct p9_client *c);

#endif
