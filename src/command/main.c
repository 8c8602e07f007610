/*
 * main.c: the command: parse, connect, attach, mount, serve.
 *
 * All that can fail is tried before the kernel is answered for the first time; until then
 * errors are one line on stderr and status 1, also in the background.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_log.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/auth.h"
#include "command/daemon.h"
#include "fuse/fs.h"
#include "base/log.h"
#include "fuse/loop.h"
#include "command/options.h"
#include "fuse/bdi.h"

enum { MAX_AHEAD_MS = 30000 };    /* for what is asked for ahead fids are held */
enum { KERNEL_READAHEAD = 1024 }; /* KiB: with more each fault in a mapped file fetches too much */
enum { SETUP_TIMEOUT_MS = 4000 }; /* to connect, and for each answer until the mount */

static const struct options *mount_options; /* for on_ready, which has the file system alone */

/* Until the mount is ready libfuse's last word is kept: it is a part of ours. */
static struct {
    atomic_bool kept;
    char line[512];
} last_word;

static void mount_failed(const struct fs *fs, int err)
{
    log_error("cannot mount at %s: %s", fs->mountpoint, last_word.line[0] != 0 ? last_word.line : strerror(-err));
}

/* libfuse's own messages, in our form. */
static void fuse_message(enum fuse_log_level level, const char *fmt, va_list ap)
{
    static _Thread_local char line[512]; /* it comes in pieces */
    size_t n = strlen(line);

    if (level > FUSE_LOG_WARNING)
        return;
    vsnprintf(line + n, sizeof line - n, fmt, ap);
    if (strchr(line, '\n') == NULL && strlen(line) + 1 < sizeof line)
        return;
    line[strcspn(line, "\n")] = 0;
    const char *text = strncmp(line, "fuse: ", 6) == 0 ? line + 6 : line;
    if (last_word.kept)
        snprintf(last_word.line, sizeof last_word.line, "%s", text);
    else
        log_error("%s", text);
    line[0] = 0;
}

/* A mount that was made by another, who gives its descriptor: libfuse's /dev/fd/N. -1: it is none. */
static int fd_of_mount(const char *path)
{
    unsigned fd;
    int n = 0;

    return sscanf(path, "/dev/fd/%u%n", &fd, &n) == 1 && path[n] == 0 && fd <= INT_MAX ? (int)fd : -1;
}

/* The mount point, absolute, as it is unmounted from another directory; NULL and a message if it will not do. */
static char *check_mountpoint(const char *path)
{
    struct stat st;

    if (fd_of_mount(path) >= 0)
        return strdup(path);
    char *real = realpath(path, NULL);
    int err = real == NULL || stat(real, &st) < 0 ? errno : 0;

    if (err == 0 && !S_ISDIR(st.st_mode))
        err = ENOTDIR;
    if (err == 0)
        return real;
    log_error("mount point %s: %s", path, strerror(err));
    free(real);
    return NULL;
}

/* Given descriptors, moved away from 0 to 2, which the background replaces (and which stay taken until then). */
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

struct dialing {
    const struct options *o;
    bool connected; /* once */
};

static struct transport *dial(void *arg, int *err, struct p9_why *why)
{
    struct dialing *d = arg;
    struct transport *cache = NULL;

    switch (d->o->dial) {
    case DIAL_UNIX:
        cache = transport_unix(d->o->host, err, why);
        break;
    case DIAL_FDS:
        cache = dial_fds(d->o, err, why);
        break;
    case DIAL_TCP:
        cache = transport_tcp(d->o->host, d->o->port, SETUP_TIMEOUT_MS, err, why);
        break;
    }
    d->connected = d->connected || cache != NULL;
    return cache;
}

static struct p9_client *connect_client(const struct options *o)
{
    const struct p9_client_options co = {
        .session = {.msize = o->msize,
                    .dialect = o->dialect,
                    .only = o->version != NULL || o->noextend,
                    .setup_timeout_ms = SETUP_TIMEOUT_MS,
                    .trace = o->debug},
        .max_fids = o->max_fids,
        .ids = {.dfltuid = o->dfltuid, .dfltgid = o->dfltgid, .me = o->uname, .my_uid = getuid(), .my_gid = getgid()},
    };
    struct dialing dialing = {.o = o};
    const struct p9_dialer d = {.dial = dial, .arg = &dialing, .once = o->dial == DIAL_FDS};
    struct p9_why why;
    struct p9_client *c = p9_client_connect(&d, &co, &why);

    if (c == NULL && dialing.connected)
        log_error("cannot mount %s: %s", o->source, why.text);
    else if (c == NULL)
        log_error("%s", why.text);
    return c;
}

static bool on_ready(struct fs *fs)
{
    const struct options *o = mount_options;
    struct p9_session *s = p9_client_session(fs->client);
    int err = p9_session_ready(s);

    if (err != 0) {
        mount_failed(fs, err);
        return false;
    }
    last_word.kept = false;
    bdi_set_readahead(fs->mountpoint, o->readahead < KERNEL_READAHEAD ? o->readahead : KERNEL_READAHEAD);
    err = daemon_ready();
    if (err != 0)
        log_error("not mounted: whoever wanted it has gone");
    else
        log_info("%s speaks %s, msize %u", o->source, p9_dialect_name(p9_session_dialect(s)), p9_session_msize(s));
    return err == 0;
}

/* Attaches and looks at the root, so that what is mounted is known to work. */
static struct cache *attach_tree(const struct options *o, struct p9_client *c)
{
    struct p9_attr attr;
    struct p9_fid *root;
    struct p9_why why;
    struct p9_session *s = p9_client_session(c);

    if (o->auth != NULL) /* it may ask a person */
        p9_session_timeout(s, 0);
    int err = auth_attach(NULL, c, o->auth, o->uname, o->n_uname, o->aname, &root, &why);
    p9_session_timeout(s, SETUP_TIMEOUT_MS);
    if (err != 0) {
        const char *more = why.text;
        if (o->auth == NULL && auth_wanted(c, o->uname, o->n_uname, o->aname))
            more = "the server wants authentication: option auth=COMMAND gives it";
        log_error("cannot attach to '%s' on %s as %s: %s%s%s%s", o->aname, o->source, o->uname, strerror(-err),
                  *more != 0 ? " (" : "", more, *more != 0 ? ")" : "");
        return NULL;
    }
    err = p9_getattr(NULL, root, &attr);
    if (err == 0 && !S_ISDIR(attr.mode))
        err = -ENOTDIR;
    if (err == 0)
        root->qid = attr.qid; /* libixp's Rattach has another */
    if (err == 0)
        err = p9_client_learn(c, root);
    struct cache *cache = err == 0 ? cache_new(c, o->n_uname, root) : NULL;
    if (cache == NULL) {
        log_error("cannot use '%s' on %s: %s", o->aname, o->source, strerror(err != 0 ? -err : ENOMEM));
        p9_fid_put(root);
        return NULL;
    }
    cache_told(cache, &cache->root, &attr);
    return cache;
}

/* Only libfuse itself can give each thread a descriptor. */
static int serve_cloned(const struct options *o, struct fuse_session *se)
{
    struct fuse_loop_config *cfg = fuse_loop_cfg_create();

    if (cfg == NULL)
        return -ENOMEM;
    fuse_loop_cfg_set_clone_fd(cfg, 1);
    fuse_loop_cfg_set_max_threads(cfg, o->max_threads);
    int rc = fuse_session_loop_mt(se, cfg);
    fuse_loop_cfg_destroy(cfg);
    return rc;
}

static int serve(const struct options *o, struct fs *fs)
{
    int rc = o->clone_fd && !o->singlethread ? serve_cloned(o, fs->se)
                                             : loop_run(fs->se, o->singlethread ? 1 : o->max_threads);

    if (rc < 0 && fs->is_ready)
        log_error("cannot serve the mount any more: %s", strerror(-rc));
    else if (rc < 0)
        mount_failed(fs, rc);
    return rc < 0 || !fs->is_ready ? 1 : 0; /* a signal that ends it, or umount, is the ordinary end */
}

/* Mounts and serves until the end. `fs` is complete but for the session. */
static int mount_and_serve(const struct options *o, struct fs *fs, const char *mountpoint)
{
    bool closes_old = fs->lookahead != NULL && !fs->passes_cache;
    int status = 1;

    mount_options = o;
    if (fuse_set_signal_handlers(fs->se) != 0)
        return 1;
    last_word.kept = true;
    if (closes_old)
        fs->timer = timer_new(close_old, fs);
    if (locks_start(fs) != 0 || notifier_start(fs) != 0 || (closes_old && fs->timer == NULL))
        log_error("cannot start a thread");
    else if (fuse_session_mount(fs->se, mountpoint) == 0) {
        status = serve(o, fs);
        fuse_session_unmount(fs->se);
    } else {
        mount_failed(fs, -EIO);
    }
    locks_stop(fs);
    notifier_stop(fs); /* who got a lock may have left an answer to it */
    timer_free(fs->timer);
    fs->timer = NULL;
    fuse_remove_signal_handlers(fs->se);
    return status;
}

/* Operations that are still under way when nobody takes requests any more: READs, which need what is freed next. They have a moment; then
 * the connection ends, which answers them. */
static void end_operations(struct fs *fs)
{
    enum { STEP_MS = 5, MOMENT_MS = 2000 };

    for (int ms = 0; atomic_load(&fs->answered) != atomic_load(&fs->begun); ms += STEP_MS) {
        if (ms == MOMENT_MS)
            p9_session_fail(p9_client_session(fs->client), -ECANCELED, NULL);
        if (ms >= 2 * MOMENT_MS)
            return;
        usleep(STEP_MS * 1000);
    }
}

static void set_access(struct fs *fs, const struct options *o)
{
    fs->aname = o->aname;
    fs->auth = o->auth;
    fs->posixacl = o->posixacl != 0;
    fs->access = ACCESS_ONE;
    if (strcmp(o->access, "any") == 0)
        fs->access = ACCESS_ANY;
    else if (strcmp(o->access, "client") == 0)
        fs->access = ACCESS_CLIENT;
    else if (strcmp(o->access, "user") == 0)
        fs->access = ACCESS_USER;
    else
        fs->only_uid = (uid_t)strtoul(o->access, NULL, 10);
}

/* What the server's dialect has a say in. */
static void set_cache(struct fs *fs, const struct options *o)
{
    unsigned ahead = o->attr_ms < o->entry_ms ? o->attr_ms : o->entry_ms;
    bool on_disk = !p9_may_be_synthetic(fs->client); /* files of other kinds come and go on their own */

    fs->lifetimes = (struct lifetimes){.attr = o->attr_ms, .entry = o->entry_ms};
    fs->lifetimes.negative = o->negative_ms >= 0 ? (unsigned)o->negative_ms : on_disk ? o->entry_ms : 0;
    fs->passes_cache = o->cache == CACHE_NONE || o->directio;
    fs->loose = o->cache == CACHE_LOOSE;
    fs->ignores_version = o->ignoreqv != 0;
    if (!p9_lists_attributes(fs->client) && ahead > 0)
        fs->lookahead = lookahead_new(fs->cache, ahead < MAX_AHEAD_MS ? ahead : MAX_AHEAD_MS);
    if (o->readahead > 0 && !fs->passes_cache)
        fs->readahead_pool =
            readahead_pool_new(fs->cache, (size_t)o->readahead * 1024, (size_t)o->readahead_memory * 1024);
    if (o->writebehind > 0 && !fs->passes_cache)
        fs->writebehind = writebehind_new(fs->cache, (size_t)o->writebehind * 1024);
}

static int run(struct options *o)
{
    struct fs fs = {.ready = on_ready};
    char *mountpoint;
    int status = 1;

    set_access(&fs, o);
    fs.se = fuse_session_new(&o->args, &fs_ops, sizeof fs_ops, &fs);
    mountpoint = fs.se != NULL ? check_mountpoint(o->mountpoint) : NULL;
    if (mountpoint == NULL)
        goto out;
    fs.mountpoint = mountpoint;
    const int given[] = {o->rfdno, o->wfdno, fd_of_mount(mountpoint)};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i] >= 0 && !daemon_inherited(given[i])) {
            log_error("descriptor %d is not open", given[i]);
            goto out;
        }
    int err = o->foreground ? 0 : daemon_fork(given, sizeof given / sizeof *given);
    if (err != 0) {
        log_error("cannot go to the background: %s", strerror(-err));
        goto out;
    }
    fs.client = connect_client(o);
    if (fs.client == NULL)
        goto out;
    fs.cache = attach_tree(o, fs.client);
    if (fs.cache != NULL) {
        set_cache(&fs, o);
        status = mount_and_serve(o, &fs, mountpoint);
        end_operations(&fs);
        lookahead_free(fs.lookahead);
        writebehind_settle(fs.writebehind, NULL, NULL);
        close_all(&fs);
        if (atomic_load(&fs.lost))
            status = 1;
        cache_free(fs.cache);
    }
    p9_client_stop(fs.client); /* completes what is in flight: before the session that it answers goes */
    writebehind_free(fs.writebehind);
    readahead_pool_free(fs.readahead_pool);
    locks_free_all(&fs);
    connection_free(&fs);
out:
    if (fs.se != NULL)
        fuse_session_destroy(fs.se);
    free(mountpoint);
    return status;
}

/* What is read and written passes through buffers of some 100 KiB that are freed at once: the C library is not to give them back
 * to the system each time, which would clear their pages for the next. Nor is there to be a pool of them for each thread. */
static void keep_buffers(void)
{
    enum { MIB = 1024 * 1024, POOLS = 4 };

    mallopt(M_MMAP_THRESHOLD, 4 * MIB);
    mallopt(M_TRIM_THRESHOLD, 16 * MIB);
    mallopt(M_ARENA_MAX, POOLS);
}

static void *end_thread(void *arg)
{
    pthread_exit(arg);
}

/* What ends a thread is a library that is loaded when it is first needed, and without which that is the end of all: at a time when there
 * may be no descriptor left for it. */
static int load_unwinder(void)
{
    pthread_t thread;
    int err = -pthread_create(&thread, NULL, end_thread, NULL);

    if (err == 0)
        pthread_join(thread, NULL);
    return err;
}

int main(int argc, char **argv)
{
    struct options o;
    struct p9_why why;
    int status = 0, err = daemon_begin();

    if (err == 0)
        err = load_unwinder();
    if (err != 0) {
        log_error("cannot start: %s", strerror(-err));
        return 1;
    }
    keep_buffers();
    fuse_set_log_func(fuse_message);
    signal(SIGPIPE, SIG_IGN);
    setenv("RES_OPTIONS", "timeout:2 attempts:2", 0); /* an unknown host is known to be so in seconds */
    if (options_parse(&o, argc, argv, &why) != 0) {
        log_error("%s", why.text);
        status = 1;
    } else if (o.help) {
        options_help();
    } else if (o.show_version) {
        printf("9pfs %s\nlibfuse %s\n", PACKAGE_VERSION, fuse_pkgversion());
    } else {
        status = run(&o);
    }
    options_free(&o);
    return status;
}
