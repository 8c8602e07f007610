/*
 * mountinfo.h: what /proc/self/mountinfo says of a mount.
 */
#ifndef MOUNTINFO_H
#define MOUNTINFO_H

#include <stdbool.h>

/* The device of what is mounted there last, "MAJOR:MINOR"; alone: nothing else is. Asks nothing
 * of the file system itself. */
bool mount_device(const char *mountpoint, char device[32], bool *alone);

/* Undoes mountinfo's escapes (\040 for a space) in place. */
void mountinfo_unescape(char *s);

#endif
