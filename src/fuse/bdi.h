/*
 * bdi.h: the kernel's read-ahead on the mount.
 */
#ifndef BDI_H
#define BDI_H

/* Sets the kernel's read-ahead, in KiB, for the file system mounted at mountpoint (a real path).
 * Only root may: otherwise, and with 0, it has no effect. */
void bdi_set_readahead(const char *mountpoint, unsigned kib);

#endif
