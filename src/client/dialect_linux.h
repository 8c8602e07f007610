/*
 * dialect_linux.h: the functions that the files of 9P2000.L share.
 */
#ifndef DIALECT_LINUX_H
#define DIALECT_LINUX_H

#include "client/dialect.h"

struct p9_fcall linux_lopen_message(const struct p9_fid *fid, int flags);
/* Sets the fields of fid from an Rlopen. */
void linux_set_opened(struct p9_fid *fid, const struct p9_fcall *rx);
struct p9_fcall linux_getattr_message(const struct p9_fid *fid);
/* The attributes of an Rgetattr. */
void linux_attr_of(const struct p9_fcall *rx, struct p9_attr *attr);

/* Detects absent extended attributes: send in a round, collect after its end. */
struct linux_xattrs {
    struct p9_req req[P9_XATTRS];
    struct p9_fid *value[P9_XATTRS];
};
void linux_xattrs_send(struct linux_xattrs *x, struct p9_round *r, struct p9_fid *fid, const char *const *names);
void linux_xattrs_collect(struct linux_xattrs *x, int lacks[P9_XATTRS]);

/* ---- entries of p9_linux_ops by file ---- */

/* dialect_linux_names.c */
int linux_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made);
int linux_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
                struct p9_qid *made);
int linux_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
                  struct p9_qid *made);
int linux_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name);
int linux_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n);
int linux_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir);
int linux_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                 const char *newname);

/* dialect_linux_lock.c */
void linux_lock_start(struct p9_locking *l);

/* dialect_linux_xattr.c */
ssize_t linux_getxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                       struct p9_xattrs_too *too);
int linux_getattr_too(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                      struct p9_xattrs_too *too);
int linux_setxattr(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags);
int linux_removexattr(struct p9_scope *sc, struct p9_fid *fid, const char *name);

/* dialect_linux_open.c: p9_open_checked. */
int linux_open_checked(struct p9_scope *sc, struct p9_opening *o);
/* dialect_linux_many.c: p9_find_many. */
void linux_find_many(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                     struct p9_found *found);

#endif
