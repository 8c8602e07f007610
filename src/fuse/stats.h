/*
 * stats.h: the statistics of a mount, which its root answers as an extended attribute.
 *
 * The attribute is not listed, and no other file has it. Who may use the mount reads it; no request
 * to the server, and no lock that is held over one, is needed for that.
 *
 * Where the server has no extended attributes the kernel stops asking for any. There a list of the
 * names of the root's, asked for with STATS_LIST_BYTES of room, which nobody else has, is the same
 * text.
 */
#ifndef STATS_OF_MOUNT_H
#define STATS_OF_MOUNT_H

#define STATS_XATTR "system.9pfs.stats"
/* The text begins with this, and ends with "}". */
#define STATS_BEGIN "{\"9pfs_stats\":1,"

enum {
    STATS_BYTES = 65536, /* most of it; what the kernel allows for a value */
    STATS_LIST_BYTES = STATS_BYTES - 9,
};

#endif
