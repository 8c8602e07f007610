/*
 * server.h: a 9P server for tests. It exports a folder, or a small synthetic tree, in any of the
 * three dialects, and imitates habits of real servers.
 *
 * One thread serves one connection, one request after another; only reads of synthetic files and
 * locks may wait (struct waiting). Every handler returns 0 or a positive errno, and fills the
 * reply.
 */
#ifndef SERVER_H
#define SERVER_H

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#include "9p/codec.h"

enum refusal { REFUSE_LOWER, REFUSE_UNKNOWN, REFUSE_ERROR, REFUSE_CLOSE, REFUSE_PLAIN, REFUSE_SILENT };

struct settings {
    enum p9_dialect highest;
    enum refusal refusal;  /* the answer to a higher version */
    const char *folder;    /* NULL: the synthetic tree */
    uint32_t msize;        /* at most */
    const char *secret;    /* required by Tattach; NULL: no authentication */
    const char *challenge; /* what an afid reads as */
    bool no_rename_over;   /* as Plan 9's servers: Twstat refuses an existing name */
    bool no_chown, no_wstat_sync;
    bool no_open;        /* Topen and Tlopen are "not implemented" */
    bool no_atime;       /* Twstat of an access time is refused */
    int fail_write;      /* this Twrite, counted from 1, fails with ENOSPC */
    bool empty_xattrs;   /* as in gVisor: Txattrcreate of size 0 removes only with XATTR_REPLACE */
    bool slow_flush;     /* Rflush is sent after other requests */
    bool no_links;       /* .u: Tcreate ignores DMLINK */
    bool other_root;     /* Rattach has another qid than the root */
    bool nagle;          /* TCP_NODELAY is not set */
    bool one_version;    /* a second Tversion is an error */
    bool blocking_locks; /* as hugelgupf/p9: Tlock is flock(2) of the whole file, and waits */
    bool stubborn_locks; /* the same, and Rflush waits with it */
    bool mask_by_parent; /* a new file has only permissions that its directory has */
};

struct synth; /* a synthetic file */

/* The action of a rule (rules.c). */
enum fault {
    FAULT_NONE,
    FAULT_ERROR,
    FAULT_LATE_ERROR,
    FAULT_SILENT,
    FAULT_IGNORE,
    FAULT_CLOSE,
    FAULT_SHORT,
    FAULT_MORE,
    FAULT_QIDS,
    FAULT_BIND,
    FAULT_IOUNIT,
    FAULT_MALFORM,
    FAULT_CUT,
    FAULT_TYPE,
    FAULT_UNFIT,
    FAULT_FILL,
    FAULT_PATCH,
    FAULT_ENTRY,
    FAULT_REPEAT,
    FAULT_ENDLESS,
    FAULT_TWICE,
    FAULT_STRAY,
    FAULT_REVERSE,
    FAULT_DRIP,
    FAULT_STOP,
    FAULT_END,
};

/* A fid. */
struct sfid {
    uint32_t num;
    struct sfid *next;
    uid_t uid;
    int path;            /* O_PATH descriptor of a file in the folder, or -1 */
    int file;            /* open descriptor, or -1 */
    DIR *dir;            /* open directory */
    uint64_t dir_offset; /* 9P2000: the offset that the next read must have */
    struct dirent *held; /* the entry that did not fit the last reply */
    bool open, wrote;
    struct synth *synth;
    bool auth, proven; /* an afid; the secret was written */
    /* An extended attribute: to read, or to set at clunk (xattr: its name). */
    char *xattr;
    char *value;
    size_t size, filled;
    int xattr_flags;
};

/* A read of a synthetic file, or a lock, without a reply so far. */
struct waiting {
    struct p9_fcall t;
    struct sfid *fid;
    bool flushed; /* Rflush follows its reply, with flush_tag */
    uint16_t flush_tag;
    struct waiting *next;
};

/* A Tflush without a reply so far. */
struct late_flush {
    uint16_t tag, oldtag;
    unsigned left; /* requests until the reply */
};

/* A reply that is sent later. */
struct held {
    struct held *next;
    size_t n;
    uint8_t bytes[];
};

struct conn {
    struct late_flush late; /* left == 0: none */
    const struct settings *set;
    int writes; /* so far */
    bool asked; /* a Tversion was received */
    int sock;
    pthread_mutex_t mtx; /* held during one request, or one delayed reply */
    enum p9_dialect dialect;
    uint32_t msize;
    struct sfid *fids;
    struct waiting *waiting;
    uint8_t *in, *out, *data; /* msize each */
    struct conn *next;
    enum fault fault; /* of the current request */
    uint32_t fault_n; /* its number N */
    const char *fault_text;
    size_t fault_text_len;
    struct held *held; /* replies that `reverse` holds back, the last one first */
    bool mute;         /* nothing is sent any more */
    uint64_t sent;     /* bytes */
    struct p9_stat st; /* for the reply */
    uint8_t packed[8192];
};

/* ---- fids.c ---- */
struct sfid *fid_find(struct conn *c, uint32_t num);
struct sfid *fid_new(struct conn *c, uint32_t num, uid_t uid); /* NULL: the number is in use */
/* Closes the descriptors of f. */
void fid_close_files(struct sfid *f);
void fid_drop(struct conn *c, struct sfid *f);

/* ---- connection.c ---- */
/* Accepts a connection, and starts its thread. */
void accept_one(const struct settings *set, int listener);
void reply(struct conn *c, struct p9_fcall *r);
void reply_error(struct conn *c, uint16_t tag, int err, const char *text);
/* Answers waiting requests of all connections that need not wait any more. */
void answer_waiting(void);

/* ---- common.c ---- */
void answer_version(struct conn *c, const struct p9_fcall *t);
void answer_flush(struct conn *c, const struct p9_fcall *t);
/* Serves a message of any dialect. *text: the text of an error; NULL: strerror. -1: unknown
 * message. */
int common_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r, const char **text);

/* ---- rules.c ---- */
bool rule_add(const char *text);                /* false: invalid */
uint64_t rule_offset(const struct p9_fcall *t); /* 0 if it has none */
/* Sets c->fault and its arguments by the first rule that matches the request. */
void rule_find(struct conn *c, const struct p9_fcall *t);

/* ---- spoil.c ---- */
/* Apply c->fault to the reply, and to its n bytes at c->out, which are sent. */
void rule_change(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);
void spoil_send(struct conn *c, size_t n);
/* Sends the replies that are held back, unless another request has arrived. */
void spoil_release(struct conn *c);

/* ---- folder.c: operations of all dialects ---- */
void become(uid_t uid, gid_t gid);
void qid_of(const struct stat *st, struct p9_qid *q);
int folder_attach(struct conn *c, struct sfid *f, struct p9_qid *q);
int folder_walk(struct conn *c, struct sfid *from, struct p9_str name, struct sfid *to, struct p9_qid *q);
int folder_open(struct sfid *f, int flags);
int folder_remove(struct sfid *f);
int folder_read(struct sfid *f, uint64_t offset, uint32_t count, uint8_t *data, uint32_t *got);
int folder_write(struct sfid *f, uint64_t offset, const uint8_t *data, uint32_t count, uint32_t *put);
const char *proc_path(const struct sfid *f); /* the file itself; a static buffer per thread */
int current_path(const struct sfid *f, char *path, size_t n);
const char *cstr(struct p9_str s); /* terminated; one of 3 static buffers per thread */

/* ---- linux.c, linux_names.c, plan9.c, synthetic.c ---- */
/* These return -1 for an unknown message. */
int linux_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);
int plan9_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);

int linux_clunk(const struct conn *c, struct sfid *f);
int linux_make(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);
int linux_link(struct conn *c, const struct p9_fcall *t);
int linux_renameat(struct conn *c, const struct p9_fcall *t);
int linux_rename(struct conn *c, const struct sfid *f, const struct p9_fcall *t);
int linux_unlinkat(const struct sfid *d, const struct p9_fcall *t);
int linux_readlink(const struct sfid *f, struct p9_fcall *r);
int linux_lock_whole(const struct sfid *f, struct p9_fcall *r); /* EAGAIN: the lock is held */
int plan9_read_dir(struct conn *c, struct sfid *f, uint64_t offset, uint32_t count, uint32_t *got);

struct synth *synth_root(void);
struct synth *synth_walk(struct synth *from, struct p9_str name);
void synth_qid(const struct synth *s, struct p9_qid *q);
void synth_stat(const struct synth *s, struct p9_stat *st);
int synth_open(struct sfid *f, uint8_t mode, const char **text);
/* EAGAIN: no data */
int synth_read(struct conn *c, struct sfid *f, uint64_t offset, uint32_t count, uint32_t *got);
int synth_write(struct sfid *f, const uint8_t *data, uint32_t count, uint32_t *put);
const char *synth_clunk(struct sfid *f); /* the text of an error, or NULL */
void synth_waits(void);                  /* counts a read that begins to wait */
/* Counts a flush of a waiting read, and a tag that was reused too early. */
void synth_flushed(bool waited, bool reused);

#endif
