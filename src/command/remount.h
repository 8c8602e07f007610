/*
 * remount.h: changing the flags of a mount that exists.
 */
#ifndef REMOUNT_H
#define REMOUNT_H

#include "command/options.h"

/* Changes the kernel's flags, such as ro, of the mount at the mount point. Every other option must
 * be as it is, or else it is refused. complete: a flag that is not given is off, as in the list of
 * mount(8). The exit status; an error is logged. */
int remount(const struct options *o, bool complete);

#endif
