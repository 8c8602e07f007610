/*
 * bdi.h: how far the kernel reads ahead on the mount.
 */
#ifndef BDI_H
#define BDI_H

#include <stdbool.h>

/* Lets the kernel read ahead so many KiB in files of the file system mounted at mountpoint (a real path), where we may:
 * only root can. Without effect otherwise, and with 0. */
void bdi_set_readahead(const char *mountpoint, unsigned kib);

/* The device of what is mounted there last, "MAJOR:MINOR"; alone: nothing else is. Asks nothing of the file system itself. */
bool mount_device(const char *mountpoint, char device[32], bool *alone);

/* Undoes mountinfo's escapes (\040 for a space) in place. */
void mountinfo_unescape(char *s);

#endif
