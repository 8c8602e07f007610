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
/* For fs->ready: raises the kernel's read-ahead, lets the waiting parent go, logs the mount. False,
 * and an error is logged, if the connection or the parent has ended. */
bool mount_ready(struct fs *fs);
/* Mounts at `mountpoint` and serves until the mount ends. fs is complete but for its threads, which
 * are started and stopped here. The exit status. */
int mount_and_serve(const struct options *o, struct fs *fs, const char *mountpoint);
/* Waits for the operations still in flight after mount_and_serve, for some seconds. */
void mount_end_operations(struct fs *fs);

#endif
