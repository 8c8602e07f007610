/*
 * mount.h: the mount itself: its mount point, serving it until it ends, and what libfuse says meanwhile.
 */
#ifndef MOUNT_H
#define MOUNT_H

#include "command/options.h"
#include "fuse/fs.h"

/* libfuse's own messages, in our form: for fuse_set_log_func. */
void mount_message(enum fuse_log_level level, const char *fmt, va_list ap);
/* A mount that was made by another, who gives its descriptor: libfuse's /dev/fd/N. -1: it is none. */
int mount_fd(const char *path);
/* The mount point, absolute, as it is unmounted from another directory; NULL and a message if it will not do. */
char *mount_check_point(const char *path);
/* For fs->ready. */
bool mount_ready(struct fs *fs);
/* Mounts and serves until the end. `fs` is complete but for the session. */
int mount_and_serve(const struct options *o, struct fs *fs, const char *mountpoint);
/* Waits for operations that are still under way when nobody takes requests any more. */
void mount_end_operations(struct fs *fs);

#endif
