/*
 * dialect.h: what a dialect does its own way. Inside the client layer only.
 */
#ifndef DIALECT_H
#define DIALECT_H

#include "9p/client.h"

/* The operations of client.h whose messages differ; the contracts are there. */
struct p9_dialect_ops {
    int (*open)(struct p9_scope *sc, struct p9_fid *fid, int flags);
    /* May be NULL. */
    int (*open_checked)(struct p9_scope *sc, struct p9_opening *o);
    void (*find_many)(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                      struct p9_found *found);
    int (*create)(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid);
    int (*getattr)(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr);
    /* May be NULL. */
    int (*getattr_too)(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                       struct p9_xattrs_too *too);
    /* seen may be NULL; it is left alone where there is no answer. */
    int (*setattr)(struct p9_scope *sc, struct p9_fid *fid, const struct p9_setattr *set, struct p9_attr *seen);
    int (*mkdir)(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, gid_t gid,
                 struct p9_qid *made);
    int (*mknod)(struct p9_scope *sc, struct p9_fid *dir, const char *name, mode_t mode, dev_t dev, gid_t gid,
                 struct p9_qid *made);
    int (*symlink)(struct p9_scope *sc, struct p9_fid *dir, const char *name, const char *target, gid_t gid,
                   struct p9_qid *made);
    int (*link)(struct p9_scope *sc, struct p9_fid *dir, struct p9_fid *fid, const char *name);
    int (*readlink)(struct p9_scope *sc, struct p9_fid *fid, char *buf, size_t n);
    int (*unlink)(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir);
    int (*rename)(struct p9_scope *sc, struct p9_fid *olddir, const char *oldname, struct p9_fid *newdir,
                  const char *newname);
    int (*readdir)(struct p9_scope *sc, struct p9_fid *fid, uint64_t offset, uint8_t *buf, uint32_t n, uint32_t *got);
    size_t (*next_dirent)(struct p9_client *c, const uint8_t *buf, size_t n, uint64_t at, struct p9_dirent *de,
                          struct p9_attr *attr);
    bool lists_attributes; /* next_dirent fills attr */
    bool may_be_synthetic; /* an empty file may be none on a disk, and its clunk may fail */
    bool counts_links;     /* attributes have the number of names */
    int (*learn)(struct p9_client *c, struct p9_fid *root); /* of the server's habits; 0 or -errno; may be NULL */
    int (*statfs)(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st);
    int (*fsync)(struct p9_scope *sc, struct p9_fid *fid, bool datasync);
    void (*lock_start)(struct p9_locking *l); /* NULL: there are no locks */
    ssize_t (*getxattr)(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                        struct p9_xattrs_too *too);
    int (*setxattr)(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags);
    int (*removexattr)(struct p9_scope *sc, struct p9_fid *fid, const char *name);
};

extern const struct p9_dialect_ops p9_linux_ops; /* 9P2000.L */
extern const struct p9_dialect_ops p9_plan9_ops; /* 9P2000.u, 9P2000 */

/* What a server was seen to be like: mostly messages that it does not have, so that it is asked once. */
enum p9_missing {
    P9_NO_UNLINKAT = 1,
    P9_NO_RENAMEAT = 2,
    P9_NO_FOREIGN_HOSTS = 4,   /* Tlock wants a client_id that is a host it can find */
    P9_NO_EXCL = 8,            /* Tlcreate opens what is there, O_EXCL or not */
    P9_NO_TRUNC = 16,          /* Tlopen and Tlcreate ignore O_TRUNC */
    P9_NO_ATIME = 64,          /* Twstat changes no time of access */
    P9_FIDS_FOLLOW = 32,       /* a fid is a file, not a path */
    P9_NO_FID_ERRORS = 128,    /* EIO and EINVAL are not about the number of a new fid */
    P9_NO_XATTR_OF_OPEN = 256, /* Txattrwalk of an open fid kills it, at the clunk of what that made */
};

struct fids;

struct p9_client {
    struct p9_session *session;
    const struct p9_dialect_ops *ops;
    unsigned generation;
    atomic_uint missing;  /* enum p9_missing */
    atomic_bool no_guess; /* a request on a fid was answered before the walk to it that was sent earlier */
    uint32_t read_max;    /* the largest payload to ask for in one reply, bytes */
    struct fids *fids;
    struct idmap *ids; /* for names */
};

/* Where a server has nothing to say: only what a name may be. */
extern const struct p9_statfs p9_statfs_unknown;

bool p9_lacks(struct p9_client *c, enum p9_missing what);
/* Whether rc says that the server has no such message; then it is remembered. */
bool p9_learn_missing(struct p9_client *c, enum p9_missing what, int rc);

/* At most 16 names. */
struct p9_fcall p9_walk_message(const struct p9_fid *from, const struct p9_fid *newfid, size_t n,
                                const char *const *names);

/* One request and its reply, in the client's session. `req` comes zeroed or with into or body set. */
int p9_rpc(struct p9_scope *sc, struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx);
/* The same where the reply has nothing to tell. */
int p9_do(struct p9_scope *sc, struct p9_client *c, const struct p9_fcall *tx);

/* How many bytes of entries to ask for where there is room for n. */
uint32_t p9_readdir_count(const struct p9_fid *fid, uint32_t n);
/* How many bytes of directory entries a reply has. Of one that had more than was asked for the whole entries alone: -EPROTO if there is
 * none. */
int p9_take_entries(struct p9_client *c, const struct p9_req *req, uint32_t *got);

/* p9_unlink where only Tremove does it: of a fid walked by this very name. */
int p9_remove_by_fid(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir);

/* The payload of messages on a fid that was opened with this iounit, bytes. */
uint32_t p9_fid_iounit(const struct p9_client *c, uint32_t iounit);

/* ---- fid.c -------------------------------------------------------------- */

/* wait_ms: how long who needs a number waits for a clunk to be answered; 0: as is usual. */
struct fids *fids_new(unsigned bound, unsigned wait_ms);
void fids_free(struct fids *f); /* none may be live */
/* Waits, at most ms, until every clunk sent has been answered. */
void fids_drain(struct fids *f, int ms);
/* A fid with the lowest free number and one reference, not yet known to the server. May wait for clunks: 0, -EINTR, -ENFILE. */
int fid_new(struct p9_scope *sc, struct p9_client *c, struct p9_fid **fid);
/* Gives back one that the server does not know (any more). */
void fid_discard(struct p9_fid *fid);
/* Gives back one that could not be made: rc says why. If the server may know the number nevertheless (see also p9_fid.doubtful) it
 * is clunked. True if it was too high for the server, which is remembered: another may do. */
bool fid_failed(struct p9_fid *fid, int rc);
/* A fid from a message that makes it, which `make` sends. Tried again with a lower number while the server refuses them as too high,
 * and with a few others if it may know this one already. */
int fid_make(struct p9_scope *sc, struct p9_client *c, int (*make)(struct p9_scope *, struct p9_fid *newfid, void *arg),
             void *arg, struct p9_fid **out);

#endif
