/*
 * connect.c: the transport, the client and the attach that the options ask for.
 */
#include "command/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "9p/recovery.h"
#include "base/clock.h"
#include "base/log.h"
#include "command/auth.h"
#include "command/daemon.h"
#include "command/hints.h"
#include "fuse/lock.h"

enum {
    SETUP_TIMEOUT_MS = 4000,    /* to connect, and for each R-message until the mount is ready */
    COMMAND_TIMEOUT_MS = 30000, /* the same for a command, which has to connect first */
};

/* Descriptors 0 to 2 are duplicated: the background redirects those to /dev/null. */
static struct transport *dial_fds(const struct options *o, int *err, struct p9_why *why)
{
    int rfd = o->rfdno > 2 ? o->rfdno : fcntl(o->rfdno, F_DUPFD_CLOEXEC, 3);
    int wfd = o->wfdno > 2 ? o->wfdno : fcntl(o->wfdno, F_DUPFD_CLOEXEC, 3);

    if (rfd >= 0 && wfd >= 0)
        return transport_fds(rfd, wfd, err, why);
    *err = -errno;
    snprintf(why->text, sizeof why->text, "cannot use descriptors %d and %d: %s", o->rfdno, o->wfdno, strerror(errno));
    return NULL;
}

/* For struct p9_dialer; as long as the mount lives. */
static struct dialing {
    const struct options *o;
    char *socket;               /* with DIAL_UNIX */
    struct p9_starter *starter; /* with DIAL_COMMAND */
    struct p9_tls *tls;         /* with DIAL_TLS, once the files are read */
    bool connected;             /* at least once */
    int err;                    /* of the last attempt */
} dialing;

/* The files are read once: after the mount it may not be possible any more. */
static struct transport *dial_tls(struct dialing *d, const struct p9_address *a, int *err, struct p9_why *why)
{
    if (d->tls == NULL)
        d->tls = p9_tls_new(&d->o->tls, err, why);
    return d->tls != NULL ? transport_tls(d->tls, a, err, why) : NULL;
}

static struct transport *dial(void *arg, int *err, struct p9_why *why)
{
    struct dialing *d = arg;
    const struct p9_address a = {d->o->host, d->o->port, d->o->privport != 0, SETUP_TIMEOUT_MS};
    struct transport *t = NULL;

    switch (d->o->dial) {
    case DIAL_UNIX:
        t = transport_unix(d->socket, SETUP_TIMEOUT_MS, err, why);
        break;
    case DIAL_FDS:
        t = dial_fds(d->o, err, why);
        break;
    case DIAL_TCP:
        t = transport_tcp(&a, err, why);
        break;
    case DIAL_VSOCK:
        t = transport_vsock(d->o->cid, d->o->vsock_port, SETUP_TIMEOUT_MS, err, why);
        break;
    case DIAL_COMMAND:
        t = transport_command(d->starter, err, why);
        break;
    case DIAL_TLS:
        t = dial_tls(d, &a, err, why);
        break;
    }
    d->connected = d->connected || t != NULL;
    d->err = t != NULL ? 0 : *err;
    return t;
}

/* The background is in another directory: its path to the socket begins at the root, unless that
 * is longer than an address may be. */
static char *path_of_socket(const char *path)
{
    struct sockaddr_un sa;
    char *here = *path != '/' ? getcwd(NULL, 0) : NULL, *whole = NULL;

    if (here == NULL || strlen(here) + 1 + strlen(path) >= sizeof sa.sun_path)
        whole = strdup(path);
    else if (asprintf(&whole, "%s/%s", here, path) < 0)
        whole = NULL;
    free(here);
    return whole;
}

int connect_prepare(const struct options *o)
{
    int err = 0;

    dialing.o = o;
    if (o->dial == DIAL_UNIX && (dialing.socket = path_of_socket(o->host)) == NULL)
        err = -ENOMEM;
    if (o->dial == DIAL_COMMAND)
        dialing.starter = p9_starter_new(o->command, &err);
    return err;
}

void connect_end(void)
{
    p9_starter_free(dialing.starter);
    p9_tls_free(dialing.tls);
    free(dialing.socket);
}

/* A command may ask a person at the terminal for a password, who may take any time. */
static int setup_timeout_ms(const struct options *o)
{
    int terminal = o->dial == DIAL_COMMAND ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;

    if (terminal >= 0)
        close(terminal);
    return o->dial != DIAL_COMMAND ? SETUP_TIMEOUT_MS : terminal >= 0 ? 0 : COMMAND_TIMEOUT_MS;
}

/* Whether a later attempt may have another result. */
static bool may_pass(int err)
{
    static const int errors[] = {ECONNREFUSED, ECONNRESET, ECONNABORTED, EHOSTUNREACH, EHOSTDOWN,
                                 ENETUNREACH,  ENETDOWN,   ETIMEDOUT,    EAGAIN,       ENOENT};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (err == -errors[i])
            return true;
    return false;
}

static struct p9_client *connect_once(const struct options *o, struct p9_why *why)
{
    const struct p9_client_options co = {
        .session = {.msize = o->msize,
                    .dialect = o->dialect,
                    .setup_timeout_ms = setup_timeout_ms(o),
                    .trace = o->trace},
        .max_fids = o->max_fids,
        .noxattr = o->noxattr != 0,
        .nodevmap = o->nodevmap != 0,
        .ids = {.dfltuid = o->dfltuid, .dfltgid = o->dfltgid, .me = o->uname, .my_uid = o->uid, .my_gid = getgid()},
    };
    const struct p9_dialer d = {.dial = dial, .arg = &dialing, .once = o->dial == DIAL_FDS};

    dialing.connected = false;
    dialing.err = 0;
    return p9_client_connect(&d, &co, why);
}

static uint64_t retry_ms(const struct options *o)
{
    enum { BG_MINUTES = 10000, MINUTE_MS = 60000 };

    return (uint64_t)(o->retry_min >= 0 ? o->retry_min : o->bg ? BG_MINUTES : 0) * MINUTE_MS;
}

struct p9_client *connect_client(const struct options *o)
{
    enum { FIRST_MS = 1000, MAX_MS = 30000 };
    const uint64_t until = clock_ms() + retry_ms(o);
    unsigned pause = FIRST_MS;
    struct p9_client *c;
    struct p9_why why;
    char hint[HINT_MAX];
    bool told = false;

    while ((c = connect_once(o, &why)) == NULL && (!dialing.connected || o->dial == DIAL_COMMAND)) {
        bool mistaken = hint_connect(o, dialing.err, hint, sizeof hint);
        bool passes = o->dial == DIAL_COMMAND || may_pass(dialing.err); /* ssh, say, has no connection */
        if (mistaken || !passes || clock_ms() >= until)
            break;
        if (!told)
            log_error("%s; trying again%s", why.text, hint);
        told = true;
        if (o->bg)
            p9_starter_settle(dialing.starter); /* the terminal is given up */
        if (o->bg && daemon_ready() != 0)
            return NULL;
        usleep(pause * 1000);
        pause = pause < MAX_MS / 2 ? pause * 2 : MAX_MS;
    }
    p9_starter_settle(dialing.starter);
    if (c != NULL)
        p9_session_timeout(p9_client_session(c), SETUP_TIMEOUT_MS);
    if (c == NULL && dialing.connected)
        log_error("cannot mount %s: %s", o->source, why.text);
    else if (c == NULL)
        log_error("%s%s", why.text, hint);
    return c;
}

struct cache *connect_attach(const struct options *o, struct p9_client *c)
{
    struct p9_attr attr;
    struct p9_fid *root;
    struct p9_why why;
    struct p9_session *s = p9_client_session(c);

    if (o->auth != NULL) /* the command may ask the user for a password */
        p9_session_timeout(s, 0);
    int err = auth_attach(NULL, c, o->auth, o->uname, o->n_uname, o->aname, &root, &why);
    p9_session_timeout(s, SETUP_TIMEOUT_MS);
    if (err != 0) {
        char hint[HINT_MAX];
        hint_attach(o, hint, sizeof hint);
        if (o->auth == NULL && auth_wanted(c, o->uname, o->n_uname, o->aname))
            snprintf(hint, sizeof hint, " (the server requires authentication: use option auth=COMMAND)");
        else if (why.text[0] != 0)
            snprintf(hint, sizeof hint, " (%s)", why.text);
        log_error("cannot attach to '%s' on %s as %s: %s%s", o->aname, o->source, o->uname, strerror(-err), hint);
        return NULL;
    }
    err = p9_getattr(NULL, root, &attr);
    if (err == 0 && !S_ISDIR(attr.mode))
        err = -ENOTDIR;
    if (err == 0)
        root->qid = attr.qid; /* libixp's Rattach has another qid */
    if (err == 0)
        err = p9_client_learn(c, root);
    struct cache *cache = err == 0 ? cache_new(c, o->n_uname, root) : NULL;
    if (cache == NULL) {
        log_error("cannot use '%s' on %s: %s", o->aname, o->source, strerror(err != 0 ? -err : ENOMEM));
        p9_fid_put(root);
        return NULL;
    }
    cache_announce(cache, &cache->root, &attr);
    return cache;
}

static int authenticate(void *arg, struct p9_scope *sc, const char *uname, uint32_t n_uname, const char *aname,
                        struct p9_fid **afid)
{
    struct fs *fs = arg;
    const struct options *o = fs->attach_arg;

    return auth_prepare(sc, fs->client, o->auth, uname, n_uname, aname, afid, NULL);
}

static void restored(void *arg, struct p9_scope *sc)
{
    locks_restore(arg, sc);
}

int connect_keep(const struct options *o, struct fs *fs)
{
    const struct p9_recovery_options ro = {
        .dialer = {.dial = dial, .arg = &dialing},
        .name = o->source,
        .limit_ms = o->soft ? o->timeo_ms : 0,
        .probe_ms = o->probe_ms,
        .first_ms = o->dial == DIAL_COMMAND ? COMMAND_TIMEOUT_MS : 0,
        .authenticate = o->auth != NULL ? authenticate : NULL,
        .restored = restored,
        .arg = fs,
    };

    return o->noreconnect || o->dial == DIAL_FDS ? 0 : p9_client_keep(fs->client, &ro);
}
