/*
 * mountinfo.h: what /proc/self/mountinfo says of a mount.
 */
#ifndef MOUNTINFO_H
#define MOUNTINFO_H

#include <stdbool.h>

/* Of the file system mounted last on a mount point. */
struct mount_entry {
    char type[64];
    char device[32];   /* "MAJOR:MINOR" */
    bool alone;        /* no other is mounted there */
    char options[512]; /* of the file system, as the kernel shows them, with commas between */
    unsigned uid, gid; /* of a FUSE mount's owner; 0 of others */
};
/* False if none is, or mountinfo cannot be read. Sends no request to the file system itself. */
bool mount_lookup(const char *mountpoint, struct mount_entry *m);

/* Whether /proc hides the processes of other users (hidepid=). */
bool proc_hides_processes(void);

/* Undoes mountinfo's escapes (\040 for a space) in place. */
void mountinfo_unescape(char *s);

#endif
