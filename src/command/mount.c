/*
 * mount.c: the mount, from the check of the mount point to the end of the last operation.
 */
#include "command/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_log.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "9p/recovery.h"
#include "base/log.h"
#include "command/connect.h"
#include "command/daemon.h"
#include "command/hints.h"
#include "command/privileges.h"
#include "command/unmounter.h"
#include "base/timer.h"
#include "fuse/bdi.h"
#include "fuse/connection.h"
#include "fuse/file.h"
#include "fuse/lock.h"
#include "fuse/mountinfo.h"
#include "fuse/notify.h"
#include "fuse/loop.h"

enum { KERNEL_READAHEAD = 1024 }; /* KiB; with more, each fault in a mapped file fetches too much */

static const struct options *mount_options; /* for mount_ready, which only gets the fs */

/* While the mount is set up, libfuse's last message is held back, to become a part of ours. */
static struct {
    atomic_bool on;
    char line[512];
} held_back;

static void mount_failed(const struct fs *fs, int err)
{
    log_error("cannot mount at %s: %s", fs->mountpoint, held_back.line[0] != 0 ? held_back.line : strerror(-err));
}

void mount_message(enum fuse_log_level level, const char *fmt, va_list ap)
{
    static _Thread_local char line[512]; /* a line may come in pieces */
    size_t n = strlen(line);

    if (level > FUSE_LOG_WARNING)
        return;
    vsnprintf(line + n, sizeof line - n, fmt, ap);
    if (strchr(line, '\n') == NULL && strlen(line) + 1 < sizeof line)
        return;
    line[strcspn(line, "\n")] = 0;
    const char *text = strncmp(line, "fuse: ", 6) == 0 ? line + 6 : line;
    if (held_back.on)
        snprintf(held_back.line, sizeof held_back.line, "%s", text);
    else if (level == FUSE_LOG_WARNING)
        log_warning("%s", text);
    else
        log_error("%s", text);
    line[0] = 0;
}

int mount_fd(const char *path)
{
    unsigned fd;
    int n = 0;

    return sscanf(path, "/dev/fd/%u%n", &fd, &n) == 1 && path[n] == 0 && fd <= INT_MAX ? (int)fd : -1;
}

char *mount_check_point(const char *path)
{
    struct stat st;
    char hint[HINT_MAX];

    if (mount_fd(path) >= 0)
        return strdup(path);
    char *real = realpath(path, NULL);
    int err = real == NULL || stat(real, &st) < 0 ? errno : 0;

    if (err == 0 && !S_ISDIR(st.st_mode))
        err = ENOTDIR;
    if (err == 0)
        return real;
    hint_mountpoint(path, hint, sizeof hint);
    log_error("mount point %s: %s%s", path, strerror(err), hint);
    free(real);
    return NULL;
}

static bool has_fusermount(const char *dirs)
{
    char name[PATH_MAX];

    while (dirs != NULL && *dirs != 0) {
        int n = (int)strcspn(dirs, ":");
        snprintf(name, sizeof name, "%.*s/fusermount3", n, dirs);
        if (access(name, X_OK) == 0)
            return true;
        dirs += n + (dirs[n] == ':');
    }
    return false;
}

bool mount_is_possible(const char *mountpoint)
{
    if (privileges_to_mount() || mount_fd(mountpoint) >= 0 || has_fusermount("/usr/bin:/bin") ||
        has_fusermount(getenv("PATH")))
        return true;
    log_error("cannot mount at %s: without root's rights it takes fusermount3, which is not installed", mountpoint);
    return false;
}

bool mount_ready(struct fs *fs)
{
    const struct options *o = mount_options;
    struct p9_session *s = p9_client_session(fs->client);
    int err = connect_keep(o, fs);

    if (err == 0)
        err = p9_session_ready(s);
    if (err != 0) {
        mount_failed(fs, err);
        return false;
    }
    held_back.on = false;
    if (o->verbose)
        printf("9pfs: %s mounted on %s (%s, msize %u)\n", o->source, fs->mountpoint,
               p9_dialect_name(p9_session_dialect(s)), p9_session_msize(s));
    fflush(stdout);
    bdi_set_readahead(fs->mountpoint, o->readahead < KERNEL_READAHEAD ? o->readahead : KERNEL_READAHEAD);
    err = daemon_ready();
    if (err != 0)
        log_error("not mounted: the process that started the mount has ended");
    else
        log_info("mounted %s at %s: %s, msize %u", o->source, fs->mountpoint, p9_dialect_name(p9_session_dialect(s)),
                 p9_session_msize(s));
    return err == 0;
}

/* libfuse's own loop: only that can give each thread a descriptor of /dev/fuse. */
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

/* Operations in progress, and dirty data, are waited for as long as the server answers. When it has
 * been silent for the time of the options, or only operations are left that may wait for ever (a
 * lock), the session ends: what was not written is logged file by file when its file is closed. */
void mount_end_operations(void *arg)
{
    enum { STEP_MS = 5, GRACE_MS = 2000, SILENT_MS = 500 };
    struct fs *fs = arg;
    struct p9_session *s = p9_client_session(fs->client);
    unsigned patience = mount_options->unmount_wait_ms;

    for (unsigned ms = 0;; ms += STEP_MS) {
        bool dirty = writebehind_busy(fs->writebehind, NULL);
        bool idle = !dirty && atomic_load(&fs->answered) == atomic_load(&fs->begun);
        if (idle && !p9_session_silent(s, SILENT_MS))
            return;
        if (idle) /* lookahead has requests in flight, perhaps */
            break;
        if (p9_session_dead(s) || (!dirty && ms >= GRACE_MS) || (ms >= patience && p9_session_silent(s, patience)))
            break;
        usleep(STEP_MS * 1000);
    }
    p9_session_fail(s, -ENOTCONN, NULL);
}

static int serve(const struct options *o, struct fs *fs)
{
    int rc = o->clone_fd && !o->singlethread
                 ? serve_cloned(o, fs->se)
                 : loop_run(fs->se, o->singlethread ? 1 : o->max_threads, mount_end_operations, fs);

    if (rc < 0 && fs->is_ready)
        log_error("the mount at %s ended: %s", fs->mountpoint, strerror(-rc));
    else if (rc < 0)
        mount_failed(fs, rc);
    return rc < 0 || !fs->is_ready ? 1 : 0; /* a signal or umount is the ordinary end */
}

/* libfuse unmounts itself unless the device says that the mount has ended: umount -f ends the
 * connection, but leaves the mount if a program is in it. */
static void unmount(struct fs *fs)
{
    struct pollfd device = {.fd = fuse_session_fd(fs->se)};
    bool ended = poll(&device, 1, 0) == 1 && (device.revents & POLLERR) != 0;
    bool remains = !ended || connection_exists(fs);
    int err = unmounter_waits() && remains ? unmounter_unmount(device.fd) : 0;

    fs->unmounted = ended && connection_gone(fs);
    if (err != 0)
        log_error("cannot unmount %s: %s", fs->mountpoint, strerror(-err));
    fuse_session_unmount(fs->se);
}

/* Two that have waited for the server may mount at the same moment: a lock of the directory above,
 * which stays the same. -1 if that cannot be read. What has it for long is not waited for. */
static int lock_above(struct fuse_session *se, const char *mountpoint)
{
    enum { TRIES = 300, PAUSE_US = 100000 };
    char *path = strdup(mountpoint);
    int fd = path != NULL ? open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    for (int i = 0; fd >= 0 && i < TRIES && !fuse_session_exited(se); i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR))
            break;
        usleep(PAUSE_US);
    }
    free(path);
    return fd;
}

/* 0; -1 after an error, which is logged or given to mount_failed. */
static int mount_at(const struct options *o, struct fs *fs, const char *mountpoint)
{
    struct mount_entry other;
    int rc = -1, lock = o->bg ? lock_above(fs->se, mountpoint) : -1;

    if (fuse_session_exited(fs->se))
        log_notice("not mounted: ended by a signal");
    else if (o->bg && mount_lookup(mountpoint, &other) && strcmp(other.type, "fuse.9pfs") == 0)
        log_error("not mounted: meanwhile another 9pfs is, at %s", mountpoint);
    else if (fuse_session_mount(fs->se, mountpoint) == 0)
        rc = 0;
    else if (held_back.line[0] == 0 && !privileges_to_mount())
        log_error("cannot mount at %s: fusermount3 refuses, as its line before says", mountpoint);
    else
        mount_failed(fs, -EIO);
    if (lock >= 0)
        close(lock);
    return rc;
}

int mount_and_serve(const struct options *o, struct fs *fs, const char *mountpoint)
{
    bool closes_old = fs->cache->lookahead != NULL && !fs->bypasses_cache;
    int status = 1;

    mount_options = o;
    if (fuse_set_signal_handlers(fs->se) != 0)
        return 1;
    held_back.on = true;
    if (p9_may_be_synthetic(fs->client))
        privileges_for_synthetic();
    if (closes_old)
        fs->idle_timer = timer_new(close_old, fs);
    if (locks_start(fs) != 0 || notifier_start(fs) != 0 || (closes_old && fs->idle_timer == NULL)) {
        log_error("cannot start a thread");
    } else if (mount_at(o, fs, mountpoint) == 0) {
        connection_find(fs);
        privileges_drop();
        status = serve(o, fs);
        unmount(fs);
    }
    locks_stop(fs);
    notifier_stop(fs); /* after the locks: acquiring one may leave its answer to the notifier */
    timer_free(fs->idle_timer);
    fs->idle_timer = NULL;
    fuse_remove_signal_handlers(fs->se);
    return status;
}
