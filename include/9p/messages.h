/*
 * messages.h: every message, described once.
 *
 * P9_MESSAGES(M, E) lists the messages: M(name, number, dialects) with a body, E(name, number,
 * dialects) without. P9_FIELDS_name(F, D, M) lists the body of message M in wire order: F(M, kind,
 * field), or D(M, kind, field, dialects) for a field of some dialects only. These rows generate the
 * structs (codec.h) and drive packing, unpacking, sizing and printing (wire/codec.c,
 * wire/codec_text.c).
 *
 * Kinds: u8 u16 u32 u64, fid (u32 that may be NOFID), perm (u32 of DM bits),
 * str (length[2] bytes), qid, names (nwname[2] of str), qids (nwqid[2] of qid),
 * stat (n[2] and a stat of n bytes), data (count[4] bytes; always last).
 */
#ifndef P9_MESSAGES_H
#define P9_MESSAGES_H

#define P9_ANY (P9_2000 | P9_2000U | P9_2000L)
#define P9_OLD (P9_2000 | P9_2000U)
#define P9_NUM (P9_2000U | P9_2000L)

#define P9_MESSAGES(M, E)                                                                                              \
    M(Rlerror, 7, P9_2000L)                                                                                            \
    M(Tstatfs, 8, P9_2000L)                                                                                            \
    M(Rstatfs, 9, P9_2000L)                                                                                            \
    M(Tlopen, 12, P9_2000L)                                                                                            \
    M(Rlopen, 13, P9_2000L)                                                                                            \
    M(Tlcreate, 14, P9_2000L)                                                                                          \
    M(Rlcreate, 15, P9_2000L)                                                                                          \
    M(Tsymlink, 16, P9_2000L)                                                                                          \
    M(Rsymlink, 17, P9_2000L)                                                                                          \
    M(Tmknod, 18, P9_2000L)                                                                                            \
    M(Rmknod, 19, P9_2000L)                                                                                            \
    M(Trename, 20, P9_2000L)                                                                                           \
    E(Rrename, 21, P9_2000L)                                                                                           \
    M(Treadlink, 22, P9_2000L)                                                                                         \
    M(Rreadlink, 23, P9_2000L)                                                                                         \
    M(Tgetattr, 24, P9_2000L)                                                                                          \
    M(Rgetattr, 25, P9_2000L)                                                                                          \
    M(Tsetattr, 26, P9_2000L)                                                                                          \
    E(Rsetattr, 27, P9_2000L)                                                                                          \
    M(Txattrwalk, 30, P9_2000L)                                                                                        \
    M(Rxattrwalk, 31, P9_2000L)                                                                                        \
    M(Txattrcreate, 32, P9_2000L)                                                                                      \
    E(Rxattrcreate, 33, P9_2000L)                                                                                      \
    M(Treaddir, 40, P9_2000L)                                                                                          \
    M(Rreaddir, 41, P9_2000L)                                                                                          \
    M(Tfsync, 50, P9_2000L)                                                                                            \
    E(Rfsync, 51, P9_2000L)                                                                                            \
    M(Tlock, 52, P9_2000L)                                                                                             \
    M(Rlock, 53, P9_2000L)                                                                                             \
    M(Tgetlock, 54, P9_2000L)                                                                                          \
    M(Rgetlock, 55, P9_2000L)                                                                                          \
    M(Tlink, 70, P9_2000L)                                                                                             \
    E(Rlink, 71, P9_2000L)                                                                                             \
    M(Tmkdir, 72, P9_2000L)                                                                                            \
    M(Rmkdir, 73, P9_2000L)                                                                                            \
    M(Trenameat, 74, P9_2000L)                                                                                         \
    E(Rrenameat, 75, P9_2000L)                                                                                         \
    M(Tunlinkat, 76, P9_2000L)                                                                                         \
    E(Runlinkat, 77, P9_2000L)                                                                                         \
    M(Tversion, 100, P9_ANY)                                                                                           \
    M(Rversion, 101, P9_ANY)                                                                                           \
    M(Tauth, 102, P9_ANY)                                                                                              \
    M(Rauth, 103, P9_ANY)                                                                                              \
    M(Tattach, 104, P9_ANY)                                                                                            \
    M(Rattach, 105, P9_ANY)                                                                                            \
    M(Rerror, 107, P9_OLD)                                                                                             \
    M(Tflush, 108, P9_ANY)                                                                                             \
    E(Rflush, 109, P9_ANY)                                                                                             \
    M(Twalk, 110, P9_ANY)                                                                                              \
    M(Rwalk, 111, P9_ANY)                                                                                              \
    M(Topen, 112, P9_OLD)                                                                                              \
    M(Ropen, 113, P9_OLD)                                                                                              \
    M(Tcreate, 114, P9_OLD)                                                                                            \
    M(Rcreate, 115, P9_OLD)                                                                                            \
    M(Tread, 116, P9_ANY)                                                                                              \
    M(Rread, 117, P9_ANY)                                                                                              \
    M(Twrite, 118, P9_ANY)                                                                                             \
    M(Rwrite, 119, P9_ANY)                                                                                             \
    M(Tclunk, 120, P9_ANY)                                                                                             \
    E(Rclunk, 121, P9_ANY)                                                                                             \
    M(Tremove, 122, P9_ANY)                                                                                            \
    E(Rremove, 123, P9_ANY)                                                                                            \
    M(Tstat, 124, P9_OLD)                                                                                              \
    M(Rstat, 125, P9_OLD)                                                                                              \
    M(Twstat, 126, P9_OLD)                                                                                             \
    E(Rwstat, 127, P9_OLD)

/* clang-format off */
#define P9_FIELDS_Rlerror(F, D, M) F(M, u32, ecode)
#define P9_FIELDS_Tstatfs(F, D, M) F(M, fid, fid)
#define P9_FIELDS_Rstatfs(F, D, M) F(M, u32, type) F(M, u32, bsize) F(M, u64, blocks) \
                                F(M, u64, bfree) F(M, u64, bavail) F(M, u64, files) \
                                F(M, u64, ffree) F(M, u64, fsid) F(M, u32, namelen)
#define P9_FIELDS_Tlopen(F, D, M) F(M, fid, fid) F(M, u32, flags)
#define P9_FIELDS_Rlopen(F, D, M) F(M, qid, qid) F(M, u32, iounit)
#define P9_FIELDS_Tlcreate(F, D, M) F(M, fid, fid) F(M, str, name) F(M, u32, flags) \
                                F(M, u32, mode) F(M, u32, gid)
#define P9_FIELDS_Rlcreate(F, D, M) F(M, qid, qid) F(M, u32, iounit)
#define P9_FIELDS_Tsymlink(F, D, M) F(M, fid, dfid) F(M, str, name) F(M, str, target) F(M, u32, gid)
#define P9_FIELDS_Rsymlink(F, D, M) F(M, qid, qid)
#define P9_FIELDS_Tmknod(F, D, M) F(M, fid, dfid) F(M, str, name) F(M, u32, mode) \
                                F(M, u32, major) F(M, u32, minor) F(M, u32, gid)
#define P9_FIELDS_Rmknod(F, D, M) F(M, qid, qid)
#define P9_FIELDS_Trename(F, D, M) F(M, fid, fid) F(M, fid, dfid) F(M, str, name)
#define P9_FIELDS_Treadlink(F, D, M) F(M, fid, fid)
#define P9_FIELDS_Rreadlink(F, D, M) F(M, str, target)
#define P9_FIELDS_Tgetattr(F, D, M) F(M, fid, fid) F(M, u64, request_mask)
#define P9_FIELDS_Rgetattr(F, D, M) F(M, u64, valid) F(M, qid, qid) F(M, u32, mode) F(M, u32, uid) \
                                F(M, u32, gid) F(M, u64, nlink) F(M, u64, rdev) F(M, u64, size) \
                                F(M, u64, blksize) F(M, u64, blocks) F(M, u64, atime_sec) \
                                F(M, u64, atime_nsec) F(M, u64, mtime_sec) F(M, u64, mtime_nsec) \
                                F(M, u64, ctime_sec) F(M, u64, ctime_nsec) F(M, u64, btime_sec) \
                                F(M, u64, btime_nsec) F(M, u64, gen) F(M, u64, data_version)
#define P9_FIELDS_Tsetattr(F, D, M) F(M, fid, fid) F(M, u32, valid) F(M, u32, mode) F(M, u32, uid) \
                                F(M, u32, gid) F(M, u64, size) F(M, u64, atime_sec) \
                                F(M, u64, atime_nsec) F(M, u64, mtime_sec) F(M, u64, mtime_nsec)
#define P9_FIELDS_Txattrwalk(F, D, M) F(M, fid, fid) F(M, fid, newfid) F(M, str, name)
#define P9_FIELDS_Rxattrwalk(F, D, M) F(M, u64, size)
#define P9_FIELDS_Txattrcreate(F, D, M) F(M, fid, fid) F(M, str, name) F(M, u64, attr_size) \
                                F(M, u32, flags)
#define P9_FIELDS_Treaddir(F, D, M) F(M, fid, fid) F(M, u64, offset) F(M, u32, count)
#define P9_FIELDS_Rreaddir(F, D, M) F(M, data, count)
#define P9_FIELDS_Tfsync(F, D, M) F(M, fid, fid) F(M, u32, datasync)
#define P9_FIELDS_Tlock(F, D, M) F(M, fid, fid) F(M, u8, type) F(M, u32, flags) F(M, u64, start) \
                                F(M, u64, length) F(M, u32, proc_id) F(M, str, client_id)
#define P9_FIELDS_Rlock(F, D, M) F(M, u8, status)
#define P9_FIELDS_Tgetlock(F, D, M) F(M, fid, fid) F(M, u8, type) F(M, u64, start) \
                                F(M, u64, length) F(M, u32, proc_id) F(M, str, client_id)
#define P9_FIELDS_Rgetlock(F, D, M) F(M, u8, type) F(M, u64, start) F(M, u64, length) \
                                F(M, u32, proc_id) F(M, str, client_id)
#define P9_FIELDS_Tlink(F, D, M) F(M, fid, dfid) F(M, fid, fid) F(M, str, name)
#define P9_FIELDS_Tmkdir(F, D, M) F(M, fid, dfid) F(M, str, name) F(M, u32, mode) F(M, u32, gid)
#define P9_FIELDS_Rmkdir(F, D, M) F(M, qid, qid)
#define P9_FIELDS_Trenameat(F, D, M) F(M, fid, olddirfid) F(M, str, oldname) F(M, fid, newdirfid) \
                                F(M, str, newname)
#define P9_FIELDS_Tunlinkat(F, D, M) F(M, fid, dirfid) F(M, str, name) F(M, u32, flags)

#define P9_FIELDS_Tversion(F, D, M) F(M, u32, msize) F(M, str, version)
#define P9_FIELDS_Rversion(F, D, M) F(M, u32, msize) F(M, str, version)
#define P9_FIELDS_Tauth(F, D, M) F(M, fid, afid) F(M, str, uname) F(M, str, aname) D(M, u32, n_uname, P9_NUM)
#define P9_FIELDS_Rauth(F, D, M) F(M, qid, aqid)
#define P9_FIELDS_Tattach(F, D, M) F(M, fid, fid) F(M, fid, afid) F(M, str, uname) F(M, str, aname) \
                                D(M, u32, n_uname, P9_NUM)
#define P9_FIELDS_Rattach(F, D, M) F(M, qid, qid)
#define P9_FIELDS_Rerror(F, D, M) F(M, str, ename) D(M, u32, ecode, P9_2000U)
#define P9_FIELDS_Tflush(F, D, M) F(M, u16, oldtag)
#define P9_FIELDS_Twalk(F, D, M) F(M, fid, fid) F(M, fid, newfid) F(M, names, nwname)
#define P9_FIELDS_Rwalk(F, D, M) F(M, qids, nwqid)
#define P9_FIELDS_Topen(F, D, M) F(M, fid, fid) F(M, u8, mode)
#define P9_FIELDS_Ropen(F, D, M) F(M, qid, qid) F(M, u32, iounit)
#define P9_FIELDS_Tcreate(F, D, M) F(M, fid, fid) F(M, str, name) F(M, perm, perm) F(M, u8, mode) \
                                D(M, str, extension, P9_2000U)
#define P9_FIELDS_Rcreate(F, D, M) F(M, qid, qid) F(M, u32, iounit)
#define P9_FIELDS_Tread(F, D, M) F(M, fid, fid) F(M, u64, offset) F(M, u32, count)
#define P9_FIELDS_Rread(F, D, M) F(M, data, count)
#define P9_FIELDS_Twrite(F, D, M) F(M, fid, fid) F(M, u64, offset) F(M, data, count)
#define P9_FIELDS_Rwrite(F, D, M) F(M, u32, count)
#define P9_FIELDS_Tclunk(F, D, M) F(M, fid, fid)
#define P9_FIELDS_Tremove(F, D, M) F(M, fid, fid)
#define P9_FIELDS_Tstat(F, D, M) F(M, fid, fid)
#define P9_FIELDS_Rstat(F, D, M) F(M, stat, stat)
#define P9_FIELDS_Twstat(F, D, M) F(M, fid, fid) F(M, stat, stat)
/* clang-format on */

#endif
