/*
 * main.c: the command: parses, connects, attaches, mounts, serves, and takes all of it down.
 *
 * Everything that can fail is tried before the first answer to the kernel. An error before that
 * is one line on stderr and exit status 1, in the background as well.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "9p/recovery.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/trace.h"
#include "command/auth.h"
#include "command/connect.h"
#include "command/daemon.h"
#include "command/helper.h"
#include "command/mount.h"
#include "command/options.h"
#include "command/privileges.h"
#include "command/remount.h"
#include "command/stats.h"
#include "command/unmounter.h"
#include "fuse/connection.h"
#include "fuse/file.h"
#include "fuse/fs.h"
#include "fuse/lock.h"

/* For fs->attach. */
static int attach_user(struct fs *fs, struct p9_scope *sc, const char *uname, uint32_t n_uname, struct p9_fid **root)
{
    const struct options *o = fs->attach_arg;

    return auth_attach(sc, fs->client, o->auth, uname, n_uname, o->aname, root, NULL);
}

static void set_access(struct fs *fs, const struct options *o)
{
    fs->attach = attach_user;
    fs->attach_arg = o;
    fs->posixacl = o->posixacl != 0;
    fs->max_read = o->max_read;
    fs->acts_as_other = strcmp(o->access, "user") != 0 && o->n_uname != o->uid;
    fs->no_capability = o->noxattr != 0;
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

/* The caches. The server's dialect decides some of the defaults, so the client is connected. */
static void set_cache(struct fs *fs, const struct options *o)
{
    struct lifetimes l = {.attr = o->attr_ms, .entry = o->entry_ms};
    bool on_disk = !p9_may_be_synthetic(fs->client); /* synthetic files come and go on their own */

    l.negative = o->negative_ms >= 0 ? (unsigned)o->negative_ms : on_disk ? o->entry_ms : 0;
    cache_set_lifetimes(fs->cache, &l);
    fs->bypasses_cache = o->cache == CACHE_NONE || o->directio;
    fs->loose = o->cache == CACHE_LOOSE;
    fs->ignores_version = o->ignoreqv != 0;
    if (o->readahead > 0 && !fs->bypasses_cache)
        fs->readahead_pool =
            readahead_pool_new(fs->cache, (size_t)o->readahead * 1024, (size_t)o->readahead_memory * 1024);
    if (o->writebehind > 0 && !fs->bypasses_cache)
        fs->writebehind = writebehind_new(fs->cache, (size_t)o->writebehind * 1024);
}

static atomic_int last_status;

static unsigned end_now(void *arg)
{
    (void)arg;
    _exit(atomic_load(&last_status));
}

/* A connection that is being made cannot be interrupted: the process does not wait for it. */
static void end_soon(void)
{
    enum { END_MS = 500 };

    timer_arm(timer_new(end_now, NULL), END_MS);
}

/* Before the background, whose folder is another, and before privileges are given up. */
static int begin_log(const struct options *o)
{
    log_set_level(o->level);
    if (o->trace_file == NULL) {
        if (!o->debug)
            trace_to_log();
        return 0;
    }
    signal(SIGXFSZ, SIG_IGN); /* the limit on the size of files ends the trace, not the mount */
    int err = trace_to_file(o->trace_file);
    if (err != 0)
        log_error("option trace=%s: %s", o->trace_file, strerror(-err));
    return err;
}

/* For --stats. */
static void set_names(struct fs *fs, const struct options *o)
{
    fs->source = o->source;
    fs->options = o->given;
    fs->server = o->host;
    fs->port = o->dial == DIAL_TCP || o->dial == DIAL_TLS ? o->port : NULL;
    fs->aname = o->aname;
    fs->for_all = o->allow_other;
}

/* Goes to the background, and starts the other processes of the mount. 0, or -1 and an error is
 * logged. */
static int start_processes(const struct options *o, const char *mountpoint)
{
    const int given[] = {o->rfdno, o->wfdno, mount_fd(mountpoint)};

    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i] >= 0 && !daemon_inherited(given[i])) {
            log_error("descriptor %d is not open", given[i]);
            return -1;
        }
    int err = o->foreground ? 0 : daemon_fork(given, sizeof given / sizeof *given);
    if (err != 0) {
        log_error("cannot run in the background: %s", strerror(-err));
        return -1;
    }
    err = unmounter_start(mountpoint);
    if (err == 0)
        err = connect_prepare(o);
    if (err != 0)
        log_error("cannot start a process: %s", strerror(-err));
    return err == 0 ? 0 : -1;
}

static int run(struct options *o)
{
    struct fs fs = {.ready = mount_ready};
    char *mountpoint;
    int status = 1;

    if (begin_log(o) != 0)
        return 1;
    set_access(&fs, o);
    set_names(&fs, o);
    fs.se = fuse_session_new(&o->args, &fs_ops, sizeof fs_ops, &fs);
    mountpoint = fs.se != NULL ? mount_check_point(o->mountpoint) : NULL;
    if (mountpoint == NULL)
        goto out;
    fs.mountpoint = mountpoint;
    if (!mount_is_possible(mountpoint) || start_processes(o, mountpoint) != 0)
        goto out;
    privileges_begin(o);
    fs.client = connect_client(o);
    if (fs.client == NULL)
        goto out;
    fs.cache = connect_attach(o, fs.client);
    if (fs.cache != NULL) {
        set_cache(&fs, o);
        status = mount_and_serve(o, &fs, mountpoint);
        mount_end_operations(&fs);
        atomic_store(&last_status, status);
        if (p9_session_away(p9_client_session(fs.client)))
            end_soon();
        p9_client_give_up(fs.client);
        writebehind_settle(fs.writebehind, NULL, NULL);
        close_all(&fs);
        if (atomic_load(&fs.write_lost_silently))
            status = 1;
        atomic_store(&last_status, status);
        cache_free(fs.cache);
    }
    p9_client_stop(fs.client); /* before the FUSE session: requests in flight answer it */
    writebehind_free(fs.writebehind);
    readahead_pool_free(fs.readahead_pool);
    locks_free_all(&fs);
    connection_free(&fs);
out:
    connect_end();
    unmounter_stop();
    if (fs.se != NULL)
        fuse_session_destroy(fs.se);
    free(mountpoint);
    return status;
}

/* Data passes through buffers of some 100 KiB that are freed at once. Without this glibc returns
 * each to the system, which clears the pages of the next one, and has an arena per thread. */
static void tune_malloc(void)
{
#ifdef __GLIBC__
    enum { MIB = 1024 * 1024, ARENAS = 4 };

    mallopt(M_MMAP_THRESHOLD, 4 * MIB);
    mallopt(M_TRIM_THRESHOLD, 16 * MIB);
    mallopt(M_ARENA_MAX, ARENAS);
#endif
}

/* pthread_cancel loads the unwinder when it is first called, and aborts the process if it cannot:
 * it is loaded now, while there is a descriptor to spare. NULL, or why not. */
static const char *load_unwinder(void)
{
#ifdef __GLIBC__
    return dlopen("libgcc_s.so.1", RTLD_NOW) != NULL ? NULL : dlerror();
#else
    return NULL;
#endif
}

/* All that root does not need for it is given up: the user's rights are the user's. */
static int become(const struct options *o)
{
    const struct passwd *pw = o->setuid != NULL ? getpwnam(o->setuid) : NULL;

    if (o->setuid == NULL || geteuid() == o->uid || o->remount) /* only root remounts */
        return 0;
    if (pw == NULL || initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
        log_error("cannot become user %s: %s", o->setuid, strerror(errno));
        return -1;
    }
    setenv("HOME", pw->pw_dir, 1);
    return 0;
}

static int execute(struct options *o, const struct helper *h)
{
    if (o->help) {
        options_help();
    } else if (o->show_version) {
        printf("9pfs %s\nlibfuse %s\n", PACKAGE_VERSION, fuse_pkgversion());
    } else if (become(o) != 0) {
        return h->is ? HELPER_FAILED : 1;
    } else {
        o->verbose = h->verbose;
        int status = h->fake ? 0 : o->remount ? remount(o, h->is) : run(o);
        return status != 0 && h->is ? HELPER_FAILED : status;
    }
    return 0;
}

static unsigned how(const struct helper *h)
{
    return (h->is ? OPTIONS_OF_MOUNT8 : 0) | (h->sloppy ? OPTIONS_SLOPPY : 0);
}

int main(int argc, char **argv)
{
    struct options o = {.help = 0};
    struct helper h;
    struct p9_why why = {.text = ""};
    int status = 0, err = daemon_begin();

    const char *cannot = err != 0 ? strerror(-err) : load_unwinder();

    if (cannot != NULL) {
        log_error("cannot start: %s", cannot);
        return 1;
    }
    tune_malloc();
    fuse_set_log_func(mount_message);
    signal(SIGPIPE, SIG_IGN);
    setenv("RES_OPTIONS", "timeout:2 attempts:2", 0); /* an unknown host fails within seconds */
    if (stats_wanted(argc, argv))
        return stats_main(argc, argv);
    if (helper_read(&h, argc, argv, &why) != 0 || options_parse(&o, h.argc, h.argv, how(&h), &why) != 0) {
        if (why.text[0] != 0)
            log_error("%s", why.text);
        status = HELPER_USAGE;
    } else {
        status = execute(&o, &h);
    }
    options_free(&o);
    helper_free(&h);
    return status;
}
