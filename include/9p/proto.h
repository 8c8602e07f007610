/*
 * proto.h: the numbers of 9P2000, 9P2000.u and 9P2000.L as they appear on the wire. The bodies of
 * messages are in messages.h.
 */
#ifndef P9_PROTO_H
#define P9_PROTO_H

#include <stdint.h>

/* The dialects: bits, so that a field or a message can have several. */
enum p9_dialect {
    P9_2000 = 1,  /* "9P2000" */
    P9_2000U = 2, /* "9P2000.u" */
    P9_2000L = 4, /* "9P2000.L" */
};

/* The next lower dialect, or 0. */
#define p9_dialect_below(d) ((enum p9_dialect)((unsigned)(d) >> 1))

#define P9_NOTAG 0xffffu
#define P9_NOFID 0xffffffffu
#define P9_NONUNAME 0xffffffffu

#define P9_HDRSZ 7        /* size[4] type[1] tag[2] */
#define P9_IOHDRSZ 24     /* room for the header of a Twrite or Rread */
#define P9_RREAD_HDRSZ 11 /* P9_HDRSZ and count[4] */
#define P9_MIN_MSIZE 4096 /* the smallest msize that this client accepts */
#define P9_MAX_MSIZE (64u << 20)
#define P9_MAXWELEM 16 /* names in one Twalk */
#define P9_MAXNAME 255 /* bytes in a name */

/* qid.type */
enum {
    P9_QTDIR = 0x80,
    P9_QTAPPEND = 0x40,
    P9_QTEXCL = 0x20,
    P9_QTMOUNT = 0x10,
    P9_QTAUTH = 0x08,
    P9_QTTMP = 0x04,
    P9_QTSYMLINK = 0x02,
    P9_QTLINK = 0x01,
    P9_QTFILE = 0x00,
};

/* Topen, Tcreate mode (9P2000, .u) */
enum {
    P9_OREAD = 0,
    P9_OWRITE = 1,
    P9_ORDWR = 2,
    P9_OEXEC = 3,
    P9_OTRUNC = 0x10,
    P9_ORCLOSE = 0x40,
};

/* stat.mode and Tcreate perm (9P2000; .u adds those from P9_DMSYMLINK on) */
#define P9_DMDIR 0x80000000u
#define P9_DMAPPEND 0x40000000u
#define P9_DMEXCL 0x20000000u
#define P9_DMMOUNT 0x10000000u
#define P9_DMAUTH 0x08000000u
#define P9_DMTMP 0x04000000u
#define P9_DMSYMLINK 0x02000000u
#define P9_DMLINK 0x01000000u
#define P9_DMDEVICE 0x00800000u
#define P9_DMNAMEDPIPE 0x00200000u
#define P9_DMSOCKET 0x00100000u
#define P9_DMSETUID 0x00080000u
#define P9_DMSETGID 0x00040000u
#define P9_DMSETVTX 0x00010000u

/* Tlopen, Tlcreate flags (.L): Linux's generic numbers on every host */
enum {
    P9_L_RDONLY = 0,
    P9_L_WRONLY = 01,
    P9_L_RDWR = 02,
    P9_L_CREAT = 0100,
    P9_L_EXCL = 0200,
    P9_L_TRUNC = 01000,
    P9_L_APPEND = 02000,
    P9_L_DSYNC = 010000,
    P9_L_DIRECT = 040000,
    P9_L_DIRECTORY = 0200000,
    P9_L_NOFOLLOW = 0400000,
    P9_L_SYNC = 04000000,
};

/* Tgetattr request_mask, Rgetattr valid (.L) */
enum {
    P9_GETATTR_MODE = 0x1,
    P9_GETATTR_NLINK = 0x2,
    P9_GETATTR_UID = 0x4,
    P9_GETATTR_GID = 0x8,
    P9_GETATTR_RDEV = 0x10,
    P9_GETATTR_ATIME = 0x20,
    P9_GETATTR_MTIME = 0x40,
    P9_GETATTR_CTIME = 0x80,
    P9_GETATTR_INO = 0x100,
    P9_GETATTR_SIZE = 0x200,
    P9_GETATTR_BLOCKS = 0x400,
    P9_GETATTR_BASIC = 0x7ff,
    P9_GETATTR_BTIME = 0x800,
    P9_GETATTR_GEN = 0x1000,
    P9_GETATTR_DATA_VERSION = 0x2000,
};

/* Tsetattr valid (.L) */
enum {
    P9_SETATTR_MODE = 0x1,
    P9_SETATTR_UID = 0x2,
    P9_SETATTR_GID = 0x4,
    P9_SETATTR_SIZE = 0x8,
    P9_SETATTR_ATIME = 0x10,
    P9_SETATTR_MTIME = 0x20,
    P9_SETATTR_CTIME = 0x40,
    P9_SETATTR_ATIME_SET = 0x80,
    P9_SETATTR_MTIME_SET = 0x100,
};

/* Tlock, Rlock, Tgetlock (.L) */
enum { P9_LOCK_RDLCK = 0, P9_LOCK_WRLCK = 1, P9_LOCK_UNLCK = 2 };
enum { P9_LOCK_FL_BLOCK = 1, P9_LOCK_FL_RECLAIM = 2 };
enum { P9_LOCK_SUCCESS = 0, P9_LOCK_BLOCKED = 1, P9_LOCK_ERROR = 2, P9_LOCK_GRACE = 3 };

#define P9_AT_REMOVEDIR 0x200u /* Tunlinkat flags (.L) */

#endif
