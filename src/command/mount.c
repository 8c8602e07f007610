/*
 * mount.c: the life of the mount.
 *
 * Until it is ready errors are one line on stderr and status 1, also in the background.
 */
#include "command/mount.h"

#include <errno.h>
#include <fuse_log.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "command/daemon.h"
#include "fuse/bdi.h"
#include "fuse/loop.h"

enum { KERNEL_READAHEAD = 1024 }; /* KiB: with more each fault in a mapped file fetches too much */

static const struct options *mount_options; /* for mount_ready, which has the file system alone */

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
void mount_message(enum fuse_log_level level, const char *fmt, va_list ap)
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
int mount_fd(const char *path)
{
    unsigned fd;
    int n = 0;

    return sscanf(path, "/dev/fd/%u%n", &fd, &n) == 1 && path[n] == 0 && fd <= INT_MAX ? (int)fd : -1;
}

/* The mount point, absolute, as it is unmounted from another directory; NULL and a message if it will not do. */
char *mount_check_point(const char *path)
{
    struct stat st;

    if (mount_fd(path) >= 0)
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

bool mount_ready(struct fs *fs)
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
int mount_and_serve(const struct options *o, struct fs *fs, const char *mountpoint)
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
void mount_end_operations(struct fs *fs)
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
