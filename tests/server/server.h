/*
 * server.h: a 9P server for tests. It exports a folder in any of the three dialects, or a small synthetic tree,
 * and can be told to behave as awkwardly as real servers do.
 *
 * One thread serves one connection, one request after another; only reads of synthetic files and locks may wait
 * (struct waiting). Every handler returns 0 or a positive errno, and fills the reply.
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
    enum refusal refusal; /* how a version that is too high is answered */
    const char *folder;   /* NULL: the synthetic tree */
    uint32_t msize;       /* at most */
    const char *secret;   /* attaching needs it; NULL: no authentication */
    bool no_rename_over;  /* as Plan 9's servers: a name that is there is not taken */
    bool no_chown, no_wstat_sync;
    bool no_open;        /* opening is "not implemented" */
    bool no_atime;       /* Twstat of a time of access is refused */
    int fail_write;      /* this Twrite, counted from 1, is answered ENOSPC */
    bool empty_xattrs;   /* Txattrcreate of size 0 is a removal only with XATTR_REPLACE, as in gVisor's server */
    bool slow_flush;     /* Rflush comes only after other requests */
    bool no_links;       /* .u: Tcreate takes no notice of DMLINK */
    bool other_root;     /* Rattach's qid is not that of the root */
    bool nagle;          /* TCP_NODELAY is not set */
    bool one_version;    /* a second Tversion is an error */
    bool blocking_locks; /* as hugelgupf/p9's: every Tlock is a flock(2) of the whole file, and waits for it */
    bool stubborn_locks; /* the same, and Rflush waits as well */
    bool mask_by_parent; /* new files get no permission that their directory has not */
};

struct synth; /* a synthetic file */

/* What a rule does to a request or its reply (rules.c). */
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
};

/* What a fid stands for. */
struct sfid {
    uint32_t num;
    struct sfid *next;
    uid_t uid;
    int path;            /* O_PATH descriptor of a file in the folder, or -1 */
    int file;            /* open descriptor, or -1 */
    DIR *dir;            /* open directory */
    uint64_t dir_offset; /* 9P2000: where the next read must be */
    struct dirent *held; /* an entry that did not fit */
    bool open, wrote;
    struct synth *synth;
    bool auth, proven; /* an afid, and whether the secret came */
    /* An extended attribute: its value, read or to be set at clunk. */
    char *xattr;
    char *value;
    size_t size, filled;
    int xattr_flags;
};

/* A read of a synthetic file, or a lock, that is not answered yet. */
struct waiting {
    struct p9_fcall t;
    struct sfid *fid;
    bool flushed; /* then comes the answer to that */
    uint16_t flush_tag;
    struct waiting *next;
};

/* A flush that is not answered yet. */
struct late_flush {
    uint16_t tag, oldtag;
    unsigned left; /* requests to serve before */
};

struct conn {
    struct late_flush late; /* left == 0: none */
    const struct settings *set;
    int writes; /* so far */
    bool asked; /* for a version */
    int sock;
    pthread_mutex_t mtx; /* one request, or one late answer, at a time */
    enum p9_dialect dialect;
    uint32_t msize;
    struct sfid *fids;
    struct waiting *waiting;
    uint8_t *in, *out, *data; /* msize each */
    struct conn *next;
    enum fault fault; /* of the request being served, */
    uint32_t fault_n; /* with its number */
    const char *fault_text;
    struct p9_stat st; /* for the reply */
    uint8_t packed[8192];
};

/* ---- fids.c ---- */
struct sfid *fid_find(struct conn *c, uint32_t num);
struct sfid *fid_new(struct conn *c, uint32_t num, uid_t uid); /* NULL: it is in use */
void fid_close_files(struct sfid *f);
void fid_drop(struct conn *c, struct sfid *f);

/* ---- connection.c ---- */
void accept_one(const struct settings *set, int listener);
void reply(struct conn *c, struct p9_fcall *r);
void reply_error(struct conn *c, uint16_t tag, int err, const char *text);
/* Sends the answers to what waits that can be answered now, on every connection. */
void answer_waiting(void);

/* ---- common.c ---- */
void answer_version(struct conn *c, const struct p9_fcall *t);
void answer_flush(struct conn *c, const struct p9_fcall *t);
/* *text: what an error says, or NULL. */
int common_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r, const char **text);

/* ---- rules.c ---- */
bool rule_add(const char *text); /* false: it is not understood */
/* The first rule that fits the request: c->fault and what goes with it. */
void rule_find(struct conn *c, const struct p9_fcall *t);
/* What it does to the reply, and to its bytes, n at c->out: how many to send. */
void rule_change(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);
size_t rule_spoil(struct conn *c, size_t n);

/* ---- folder.c: what is the same in all dialects ---- */
void become(uid_t uid, gid_t gid);
void qid_of(const struct stat *st, struct p9_qid *q);
int folder_attach(struct conn *c, struct sfid *f, struct p9_qid *q);
int folder_walk(struct conn *c, struct sfid *from, struct p9_str name, struct sfid *to, struct p9_qid *q);
int folder_open(struct sfid *f, int flags);
int folder_remove(struct sfid *f);
int folder_read(struct sfid *f, uint64_t offset, uint32_t count, uint8_t *data, uint32_t *got);
int folder_write(struct sfid *f, uint64_t offset, const uint8_t *data, uint32_t count, uint32_t *put);
const char *proc_path(const struct sfid *f); /* of the file itself; a static buffer for each thread */
int current_path(const struct sfid *f, char *path, size_t n);
const char *cstr(struct p9_str s); /* terminated; one of a few static buffers for each thread */

/* ---- linux.c, plan9.c, synthetic.c: -1 if the message is not theirs ---- */
int linux_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);
int linux_clunk(const struct conn *c, struct sfid *f);
int linux_make(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);
int linux_link(struct conn *c, const struct p9_fcall *t);
int linux_renameat(struct conn *c, const struct p9_fcall *t);
int linux_rename(struct conn *c, const struct sfid *f, const struct p9_fcall *t);
int linux_unlinkat(const struct sfid *d, const struct p9_fcall *t);
int linux_readlink(const struct sfid *f, struct p9_fcall *r);
int linux_lock_whole(const struct sfid *f, struct p9_fcall *r); /* EAGAIN: it waits */
int plan9_request(struct conn *c, const struct p9_fcall *t, struct p9_fcall *r);
int plan9_read_dir(struct conn *c, struct sfid *f, uint64_t offset, uint32_t count, uint32_t *got);

struct synth *synth_root(void);
struct synth *synth_walk(struct synth *from, struct p9_str name);
void synth_qid(const struct synth *s, struct p9_qid *q);
void synth_stat(const struct synth *s, struct p9_stat *st);
int synth_open(struct sfid *f, uint8_t mode, const char **text);
int synth_read(struct conn *c, struct sfid *f, uint64_t offset, uint32_t count, uint32_t *got); /* EAGAIN: it waits */
int synth_write(struct sfid *f, const uint8_t *data, uint32_t count, uint32_t *put);
const char *synth_clunk(struct sfid *f); /* an error's text, or NULL */
void synth_waits(void);                  /* a read has begun to */
void synth_flushed(bool waited, bool reused);

#endif
