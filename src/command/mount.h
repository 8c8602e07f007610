/*
 * mount.h: the mount itself: its mount point, serving it until it ends, libfuse's messages.
 */
#ifndef MOUNT_H
#define MOUNT_H

#include "command/options.h"
#include "fuse/fs.h"

/* Logs libfuse's warnings and errors in our form: for fuse_set_log_func. */
void mount_message(enum fuse_log_level level, const char *fmt, va_list ap);
/* The descriptor of a mount that another program has made, if the mount point is libfuse's
 * "/dev/fd/N"; else -1. */
int mount_fd(const char *path);
/* The mount point as an absolute path, for the caller to free (the background runs in another
 * directory). NULL, and an error is logged, if it is not a directory. */
char *mount_check_point(const char *path);
/* Whether root's rights or fusermount3 are there; if not, an error is logged. */
bool mount_is_possible(const char *mountpoint);
/* For fs->ready: raises the kernel's read-ahead, lets the waiting parent go, logs the mount. False,
 * and an error is logged, if the connection or the parent has ended. */
bool mount_ready(struct fs *fs);
/* Mounts at `mountpoint` and serves until the mount ends. fs is complete but for its threads, which
 * are started and stopped here. The exit status. */
int mount_and_serve(const struct options *o, struct fs *fs, const char *mountpoint);
/* Waits, at the end of the mount, for operations in flight and for dirty data, as long as the
 * server answers; then the session ends, which completes them. arg is the fs. After
 * mount_and_serve, too: libfuse's own loop may leave some. */
void mount_end_operations(void *arg);

#endif
