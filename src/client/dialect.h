/*
 * dialect.h: the operations of a dialect, and the functions that the files of the client share.
 */
#ifndef DIALECT_H
#define DIALECT_H

#include "9p/client.h"

/* The operations of client.h whose messages differ between dialects; client.h has their
 * contracts. */
struct p9_dialect_ops {
    int (*open)(struct p9_scope *sc, struct p9_fid *fid, int flags);
    /* To open fid on another connection as it was (p9_fid.open_mode), and what the reply says. */
    struct p9_fcall (*open_again)(const struct p9_fid *fid);
    void (*set_opened)(struct p9_fid *fid, const struct p9_fcall *rx);
    bool (*appends)(const struct p9_fid *fid);                      /* each write goes to the end of the file */
    int (*open_checked)(struct p9_scope *sc, struct p9_opening *o); /* may be NULL */
    void (*find_many)(struct p9_scope *sc, struct p9_client *c, size_t n, const struct p9_xattrs *xattrs,
                      struct p9_found *found);
    int (*create)(struct p9_scope *sc, struct p9_fid *fid, const char *name, int flags, mode_t mode, gid_t gid);
    int (*getattr)(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr);
    /* May be NULL: the dialect has no extended attributes. */
    int (*getattr_too)(struct p9_scope *sc, struct p9_fid *fid, struct p9_attr *attr, struct p9_fid *unopened,
                       struct p9_xattrs_too *too);
    /* seen may be NULL; unchanged if there is no reply. */
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
    bool lists_attributes;                                  /* next_dirent sets attr */
    bool may_be_synthetic;                                  /* p9_may_be_synthetic */
    bool counts_links;                                      /* p9_counts_links */
    int (*learn)(struct p9_client *c, struct p9_fid *root); /* p9_client_learn; may be NULL */
    int (*statfs)(struct p9_scope *sc, struct p9_fid *fid, struct p9_statfs *st);
    int (*fsync)(struct p9_scope *sc, struct p9_fid *fid, bool datasync);
    void (*lock_start)(struct p9_locking *l); /* NULL: the dialect has no locks */
    ssize_t (*getxattr)(struct p9_scope *sc, struct p9_fid *fid, const char *name, void *buf, size_t n,
                        struct p9_xattrs_too *too);
    int (*setxattr)(struct p9_scope *sc, struct p9_fid *fid, const char *name, const void *value, size_t n, int flags);
    int (*removexattr)(struct p9_scope *sc, struct p9_fid *fid, const char *name);
};

extern const struct p9_dialect_ops p9_linux_ops; /* 9P2000.L */
extern const struct p9_dialect_ops p9_plan9_ops; /* 9P2000.u, 9P2000 */

/* Habits of a server that were detected, such as messages that it does not have. Bits. */
enum p9_habit {
    P9_NO_UNLINKAT = 1,
    P9_NO_RENAMEAT = 2,
    P9_NO_FOREIGN_HOSTS = 4,   /* Tlock accepts only a client_id that the server can resolve */
    P9_NO_EXCL = 8,            /* Tlcreate opens an existing file despite O_EXCL */
    P9_NO_TRUNC = 16,          /* Tlopen and Tlcreate ignore O_TRUNC */
    P9_FIDS_FOLLOW = 32,       /* a fid refers to a file, not to a path */
    P9_NO_ATIME = 64,          /* Twstat refuses to change the access time */
    P9_NO_FID_ERRORS = 128,    /* EIO and EINVAL never mean that a fid number is in use */
    P9_NO_XATTR_OF_OPEN = 256, /* the clunk of an attribute of an open fid ends that fid as well */
};

struct fids;
struct recovery;

struct p9_client {
    struct p9_session *session;
    const struct p9_dialect_ops *ops;
    atomic_uint generation;    /* connections lost up to now */
    atomic_uint lost_fids;     /* fids with p9_fid.lost */
    struct recovery *recovery; /* NULL: the session ends with its connection */
    atomic_uint habits;        /* enum p9_habit */
    atomic_bool no_pipelining; /* a request on a fid failed as it overtook the walk to it */
    atomic_uint read_max;      /* the largest count of one read, bytes */
    bool noxattr, nodevmap;    /* as p9_client_options */
    struct fids *fids;
    struct idmap *ids;
    struct p9_attached *attaches; /* guarded by fids->mtx; live as long as the client */
};

/* Who was attached to what. */
struct p9_attached {
    char *uname, *aname;
    uint32_t n_uname;
    struct p9_attached *next;
};

/* For servers without Tstatfs. */
extern const struct p9_statfs p9_statfs_unknown;

bool p9_has_habit(struct p9_client *c, enum p9_habit habit);
void p9_add_habit(struct p9_client *c, enum p9_habit habit);
/* Whether rc means that the server does not have a message; adds the habit if so. */
bool p9_learn_unsupported(struct p9_client *c, enum p9_habit habit, int rc);

/* A Twalk of at most 16 names. */
struct p9_fcall p9_walk_message(const struct p9_fid *from, const struct p9_fid *newfid, size_t n,
                                const char *const *names);

/* Sends one request and waits for its reply. `req` is zeroed except for into or body. */
int p9_rpc(struct p9_scope *sc, struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx);
/* The same for a request whose reply has no body. */
int p9_do(struct p9_scope *sc, struct p9_client *c, const struct p9_fcall *tx);

/* Requests sent and waited for together, in one round trip: begin, send each, end. A request is
 * zeroed except for `into`. */
struct p9_round {
    struct p9_batch batch;
    struct p9_client *client;
    struct p9_scope *scope;
};
void p9_round_begin(struct p9_round *r, struct p9_scope *sc, struct p9_client *c);
void p9_round_send(struct p9_round *r, struct p9_req *req, const struct p9_fcall *tx);
void p9_round_end(struct p9_round *r);

/* p9_submit, p9_submit_more: a request on a fid that is lost fails at once. */
void p9_send(struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx);
void p9_send_more(struct p9_client *c, struct p9_req *req, const struct p9_fcall *tx);

/* The count of a read of directory entries into n bytes. */
uint32_t p9_readdir_count(const struct p9_fid *fid, uint32_t n);
/* *got is the size in bytes of the directory entries in a reply. Of a reply that was cut only whole
 * entries count; -EPROTO if there is none. */
int p9_whole_entries(struct p9_client *c, const struct p9_req *req, uint32_t *got);

/* p9_unlink by Tremove of a fid that is walked by this name. */
int p9_remove_by_fid(struct p9_scope *sc, struct p9_fid *dir, const char *name, bool is_dir);

/* The largest payload of a message on a fid opened with this iounit, bytes. 0: no limit but
 * msize. */
uint32_t p9_fid_iounit(const struct p9_client *c, uint32_t iounit);

/* ---- track.c ------------------------------------------------------------ */

/* For p9_session_options: notes what is needed to make fids again. */
void track_reply(void *client, uint8_t type, const uint8_t *tx, size_t n, const struct p9_fcall *rx);
/* Before fid is attached: 0 or -ENOMEM. */
int track_attach(struct p9_fid *fid, const char *uname, uint32_t n_uname, const char *aname);
void track_free_attaches(struct p9_client *c);
/* Frees what is noted of a fid. */
void track_free(struct p9_fid *fid);
/* The fid with this number, or NULL. Called with fids->mtx. */
struct p9_fid *track_find(struct p9_client *c, uint32_t num);
/* The fids that the request needs, at most two: how many. */
enum { TRACK_FIDS = 2 };
unsigned track_needs(const struct p9_fcall *tx, uint32_t num[TRACK_FIDS]);

/* ---- fid.c -------------------------------------------------------------- */

/* wait_ms: how long fid_new waits for a clunk, milliseconds; 0: the default. */
struct fids *fids_new(unsigned bound, unsigned wait_ms);
void fids_free(struct fids *f); /* no fid may be in use */
/* Waits at most ms milliseconds until no clunk is in flight. */
void fids_drain(struct fids *f, int ms);
/* Makes a fid with the lowest free number and one reference, unknown to the server. May wait for
 * clunks. 0, -EINTR, -ENFILE, -ENOMEM. */
int fid_new(struct p9_scope *sc, struct p9_client *c, struct p9_fid **fid);
/* Frees a fid that the server does not know, or does not know any more. */
void fid_discard(struct p9_fid *fid);
/* Frees a fid whose request failed with rc. Clunks it if the server may know the number all the
 * same (see p9_fid.doubtful). True if the number is too high for the server: lower numbers are used
 * from then on, and the caller may retry. */
bool fid_failed(struct p9_fid *fid, int rc);
/* Makes a fid by a message that `make` sends. Retries with lower numbers while the server refuses
 * them as too high, and with a few others if the server may know the number already. */
int fid_make(struct p9_scope *sc, struct p9_client *c, int (*make)(struct p9_scope *, struct p9_fid *newfid, void *arg),
             void *arg, struct p9_fid **out);

#endif
