/*
 * bdi.h: how far the kernel reads ahead on the mount.
 */
#ifndef BDI_H
#define BDI_H

/* Lets the kernel read ahead so many KiB in files of the file system mounted at mountpoint (a
 * real path), where we may: only root can. Without effect otherwise, and with 0. */
void bdi_set_readahead(const char *mountpoint, unsigned kib);

#endif
