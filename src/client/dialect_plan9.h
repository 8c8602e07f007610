/*
 * dialect_plan9.h: the functions that the files of 9P2000 and 9P2000.u share.
 */
#ifndef DIALECT_PLAN9_H
#define DIALECT_PLAN9_H

#include "client/dialect.h"

enum { STAT_ROOM = 8192 }; /* for an Rstat with a symlink's target and four names */

/* Whether the dialect is 9P2000.u. */
bool plan9_is_u(const struct p9_client *c);
/* Tcreate: fid, of a directory, becomes the new file, open. */
int plan9_make(struct p9_scope *sc, struct p9_fid *fid, const char *name, uint32_t perm, uint8_t mode,
               const char *extension);

/* ---- dialect_plan9_stat.c ---- */

uint32_t plan9_perm(mode_t mode, bool u);
void plan9_attr_of(struct p9_client *c, const struct p9_stat *st, struct p9_attr *attr);
/* Tstat; st points into body. */
int plan9_stat(struct p9_scope *sc, struct p9_fid *fid, uint8_t body[STAT_ROOM], struct p9_stat *st);
/* A stat that changes nothing; a Twstat of it asks the server to commit the file. */
struct p9_stat plan9_untouched(void);
int plan9_wstat(struct p9_scope *sc, struct p9_fid *fid, const struct p9_stat *st);
int plan9_getattr(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr);
int plan9_setattr(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen);

/* ---- entries of p9_plan9_ops by file ---- */

/* dialect_plan9_names.c */
int plan9_mkdir(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid, struct p9_qid *made);
int plan9_mknod(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
                struct p9_qid *made);
int plan9_symlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
                  struct p9_qid *made);
int plan9_link(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name);
int plan9_readlink(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n);
int plan9_unlink(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir);
int plan9_rename(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                 const char *newname);

/* dialect_plan9_dir.c */
int plan9_readdir(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n, uint32_t *got);
size_t plan9_next_dirent(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                         struct p9_attr *attr);

#endif
