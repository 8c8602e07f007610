/*
 * dir.c: callbacks on open directories.
 *
 * A stream holds one reply of the server's at a time, and answers from it as long as the kernel
 * goes on where it left off; any other position is asked for anew by its cookie. The cookies are the
 * server's own. "." and ".." are made up here where the server does not list them, under two cookies that
 * no server uses.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/fs.h"

#define AFTER_DOT (INT64_MAX - 2)
#define AFTER_DOTDOT (INT64_MAX - 1)

enum {
    STREAM_BYTES = 64 * 1024,
    STREAM_OVER = 64,   /* a reply longer than that by less can be taken whole */
    MOST_UNFIT = 10000, /* names not fit for a directory, one after the other: there may be no end of them */
};

struct stream {
    struct p9_fid *fid; /* open; NULL: the directory is removed, and empty */
    struct inode *inode;
    pthread_mutex_t mtx; /* guards what follows; held over the server's replies: one reader at a time */
    uint32_t room;       /* bytes at buf */
    uint32_t len, pos;   /* the reply, and the entry that is next in it */
    uint32_t entry;      /* the bytes of that */
    uint64_t next;       /* the kernel's position that goes with pos */
    uint64_t version;    /* cache_version before it was asked for, */
    uint64_t asked_ms;   /* and clock_ms */
    uint64_t listing;    /* its number for ahead, as long as it is read from start to end */
    uint64_t known_end;  /* where one that was read ahead ends; 0: not known */
    bool ready;          /* buf was read ahead, and nobody had it yet */
    uint64_t end;        /* where the last entries given end, if nothing follows; 0: not known. Asked for once */
    bool at_start;       /* the reply is that for cookie 0 */
    bool dots;           /* the server lists "." itself */
    uint8_t buf[];
};

static struct stream *stream_of(const struct fuse_file_info *fi)
{
    return (struct stream *)(uintptr_t)fi->fh;
}

static void stream_free(struct stream *s)
{
    p9_fid_put(s->fid);
    pthread_mutex_destroy(&s->mtx);
    free(s);
}

/* Whether "." is among the first entries: servers that list it do so at the start. */
static bool has_dot(const struct stream *s)
{
    struct p9_dirent de;
    struct p9_attr attr;

    for (uint32_t at = 0, used; at < s->len; at += used) {
        used = (uint32_t)p9_next_dirent(s->fid->client, s->buf + at, s->len - at, at, &de, &attr);
        if (used == 0)
            break;
        if (p9_str_eq(de.name, "."))
            return true;
    }
    return false;
}

/* What is listed may be looked up next. */
static void note_names(struct op *op, struct stream *s)
{
    struct p9_dirent de;
    struct p9_attr attr;

    if (s->len == 0)
        lookahead_end(op->fs->cache, s->inode, s->listing);
    for (uint32_t at = 0, used; at < s->len; at += used) {
        used = (uint32_t)p9_next_dirent(s->fid->client, s->buf + at, s->len - at, at, &de, &attr);
        if (used == 0) {
            s->listing = 0;
            break;
        }
        if (de.name.len > 0 && !p9_str_eq(de.name, ".") && !p9_str_eq(de.name, ".."))
            lookahead_name(op->fs->cache, s->inode, s->listing, de.name, (de.qid.type & P9_QTDIR) != 0);
    }
}

/* What was read ahead of the directory, if anything: the stream starts with that. */
static bool take_listing(struct op *op, struct stream *s)
{
    struct cache *cache = op->fs->cache;
    struct p9_dirent de;
    struct p9_attr attr;
    struct p9_listing *l = lookahead_open(cache, s->inode, op_user(op), &s->version, &s->listing);

    if (l == NULL || p9_fid_hold(l->fid, true) != 0) {
        p9_listing_free(l);
        return false;
    }
    s->fid = p9_fid_get(l->fid);
    if (l->len > 0 && l->len <= s->room) {
        memcpy(s->buf, l->entries, l->len);
        s->len = l->len;
        s->next = 0;
        s->at_start = s->ready = true;
        s->dots = has_dot(s);
        note_names(op, s);
        for (uint32_t at = 0, used = 1; l->whole && at < s->len && used > 0; at += used) {
            used = (uint32_t)p9_next_dirent(s->fid->client, s->buf + at, s->len - at, at, &de, &attr);
            s->known_end = used > 0 ? de.offset : 0;
        }
        if (l->whole)
            lookahead_end(cache, s->inode, s->listing);
    }
    p9_listing_free(l);
    return true;
}

static int open_dir(struct op *op, struct inode *inode, struct p9_fid **fid)
{
    struct use u = op_use(op, inode);
    struct p9_opening o = {.flags = O_RDONLY | O_DIRECTORY};
    int rc = use_open(&op->scope, &u, &o);

    *fid = rc == 0 ? o.fid : NULL;
    if (rc != -EAGAIN)
        return rc;
    do {
        rc = use_take(&op->scope, &u);
        if (rc == 0)
            rc = p9_fid_hold(u.fid, true);
        if (rc == 0)
            rc = p9_open(&op->scope, u.fid, O_RDONLY | O_DIRECTORY);
        if (rc == 0)
            *fid = p9_fid_get(u.fid);
    } while (use_again(&u, rc));
    return rc;
}

/* The next of many directories that the kernel knows already: it is read, and others with it. */
static void read_on(struct op *op, struct inode *dir)
{
    struct cache *cache = op->fs->cache;
    char name[P9_MAXNAME + 1];
    struct inode *above;

    if (!lookahead_lags(cache, dir, op_user(op)) || (above = cache_above(cache, dir, name)) == NULL)
        return;
    struct use u = op_use(op, above);
    if (use_begin(&op->scope, &u) == 0)
        lookahead_read_on(cache, &op->scope, &u, name);
    use_again(&u, 0);
    cache_forget(cache, above, 1);
}

void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct op op;

    op_begin(&op, req);
    struct inode *inode = inode_of(op.fs, ino);
    uint32_t most = p9_client_reply_max(op.fs->client);
    uint32_t room = most < STREAM_BYTES + STREAM_OVER ? most : STREAM_BYTES;
    struct stream *s = calloc(1, sizeof *s + room);
    int rc = -ENOMEM;
    if (s != NULL) {
        s->inode = inode;
        s->room = room;
        s->next = UINT64_MAX; /* nowhere yet */
        read_on(&op, inode);
        rc = take_listing(&op, s) ? 0 : open_dir(&op, inode, &s->fid);
        if (rc == -ESTALE && inode_facts(op.fs->cache, inode).gone) /* somebody's working directory */
            rc = 0;
    }
    if (rc != 0) {
        free(s);
        op_reply_err(&op, rc);
        return;
    }
    pthread_mutex_init(&s->mtx, NULL);
    fi->fh = (uintptr_t)s;
    op_end(&op);
    if (fuse_reply_open(req, fi) == -ENOENT)
        stream_free(s);
}

/* ---- reading ------------------------------------------------------------ */

/* Gets the entries behind a cookie. */
static int stream_fetch(struct op *op, struct stream *s, uint64_t cookie)
{
    s->len = s->pos = 0;
    if (cookie != 0 && cookie == s->known_end) {
        s->known_end = 0; /* once */
        s->next = cookie;
        s->at_start = false;
        return 0;
    }
    s->version = cache_version(op->fs->cache);
    s->asked_ms = clock_ms();
    int rc = p9_readdir(&op->scope, s->fid, cookie, s->buf, s->room, &s->len);
    s->next = rc == 0 ? cookie : UINT64_MAX;
    s->at_start = cookie == 0;
    if (rc == 0 && s->at_start)
        s->dots = has_dot(s);
    if (op->fs->cache->lookahead == NULL)
        return rc;
    if (rc == 0 && s->at_start)
        s->listing = lookahead_begin(op->fs->cache, s->inode, op_user(op), s->version, s->asked_ms);
    if (rc == 0)
        note_names(op, s);
    return rc;
}

/* The next entry of the stream at position `at`. 1: *de holds, and *attr where directories give them; 0: the
 * end; -errno. */
static int stream_next(struct op *op, struct stream *s, uint64_t at, struct p9_dirent *de, struct p9_attr *attr)
{
    bool made_up = at == AFTER_DOT || at == AFTER_DOTDOT;
    uint64_t cookie = made_up ? 0 : at;
    int rc = 0;

    if (s->next != cookie)
        s->listing = 0; /* names are left out */
    if (s->next != cookie || s->pos == s->len)
        rc = stream_fetch(op, s, cookie);
    if (rc != 0)
        return rc;
    if (s->at_start && !s->dots && s->pos == 0 && at != AFTER_DOTDOT) {
        *de = (struct p9_dirent){.qid = s->inode->qid, .type = DT_DIR};
        de->name = p9_str(at == AFTER_DOT ? ".." : ".");
        de->offset = at == AFTER_DOT ? AFTER_DOTDOT : AFTER_DOT;
        return 1;
    }
    if (s->len == 0)
        return 0;
    size_t used = p9_next_dirent(s->fid->client, s->buf + s->pos, s->len - s->pos, s->next, de, attr);
    s->entry = (uint32_t)used;
    return used != 0 ? 1 : -EPROTO;
}

/* Past the entry that stream_next gave. */
static void stream_advance(struct stream *s, const struct p9_dirent *de)
{
    if (de->offset == AFTER_DOT || de->offset == AFTER_DOTDOT)
        return;
    s->pos += s->entry;
    s->next = de->offset;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* How long the reply's attributes hold, milliseconds. */
static unsigned listed_left(const struct op *op, const struct stream *s)
{
    const struct lifetimes *l = &op->fs->cache->lifetimes;
    uint64_t lifetime = l->attr < l->entry ? l->attr : l->entry, age = clock_ms() - s->asked_ms;

    return age < lifetime ? (unsigned)(lifetime - age) : 0;
}

/* Whether we have done nothing to dir/name since the reply was asked for. What is under way is looked at first: when it ends that
 * is a change. */
static bool is_as_listed(struct op *op, const struct stream *s, const char *name)
{
    struct p9_qid qid;

    if (cache_qid(op->fs->cache, s->inode, name, &qid) && writebehind_busy(op->fs->writebehind, &qid))
        return false;
    return cache_as_listed(op->fs->cache, s->inode, name, s->version);
}

static int enter_listed(struct op *op, struct stream *s, const char *name, const struct p9_attr *attr,
                        struct inode **inode)
{
    unsigned left = listed_left(op, s);

    if (left == 0 || !is_as_listed(op, s, name) || enter_known(op, s->inode, name, attr, NULL, 0, inode) != 0)
        return -EAGAIN;
    op->attr_ms = left;
    cache_confirm(op->fs->cache, *inode, s->asked_ms);
    return 0;
}

/* Nodes that a reply gives the kernel, where the directory gives attributes or they were asked for ahead. */
struct plus {
    struct use dir; /* fid NULL: nothing was asked for ahead */
    bool begun;
    enum ask ask;
    size_t n;
    struct inode *inodes[];
};

/* At the first entry of a reply: the names are noted by now. Who goes on beyond the first reply with attributes makes use of them. */
static void plus_begin(struct op *op, struct stream *s, struct plus *plus, uint64_t at)
{
    struct cache *cache = op->fs->cache;

    plus->begun = true;
    if (cache->lookahead == NULL)
        return;
    plus->dir = op_use(op, s->inode);
    /* For what it knows the kernel will ask when that is too old. */
    plus->ask = at != 0 || lookahead_expects(cache, s->inode, plus->dir.user) ? ASK_NEW : ASK_NOTHING;
    if ((plus->ask != ASK_NOTHING || lookahead_has_some(cache, s->inode, plus->dir.user)) &&
        use_begin(&op->scope, &plus->dir) != 0)
        plus->dir.fid = NULL;
}

/* The inode of an entry, if its attributes are to be had. */
static struct inode *enter_entry(struct op *op, struct stream *s, const struct plus *plus, const char *name,
                                 struct p9_attr *attr)
{
    struct inode *inode;
    int rc = -EAGAIN;

    if (plus->dir.fid != NULL)
        rc = enter_fetched(op, &plus->dir, name, plus->ask, &inode, attr);
    else if (p9_lists_attributes(op->fs->client))
        rc = enter_listed(op, s, name, attr, &inode);
    return rc == 0 ? inode : NULL;
}

/* Adds an entry with its attributes, which the kernel takes for a lookup; a name alone where they are not known. Bytes needed; more
 * than size: not added. */
static size_t add_plus(struct op *op, struct stream *s, struct plus *plus, char *buf, size_t size, const char *name,
                       const struct p9_dirent *de, struct p9_attr *attr)
{
    struct fuse_entry_param e = {
        .attr = {.st_ino = inode_number(s->inode->space, &de->qid), .st_mode = DTTOIF(de->type)}};

    size_t need = fuse_add_direntry_plus(op->req, NULL, 0, name, &e, (off_t)de->offset);
    if (need > size)
        return need;
    struct inode *inode = is_dot(name) ? NULL : enter_entry(op, s, plus, name, attr);
    if (inode != NULL) {
        plus->inodes[plus->n++] = inode;
        fill_entry(op, inode, attr, &e);
        op->attr_ms = 0;
    }
    return fuse_add_direntry_plus(op->req, buf, size, name, &e, (off_t)de->offset);
}

static size_t add(struct op *op, const struct stream *s, char *buf, size_t size, const char *name,
                  const struct p9_dirent *de)
{
    struct stat st = {.st_ino = inode_number(s->inode->space, &de->qid), .st_mode = DTTOIF(de->type)};

    return fuse_add_direntry(op->req, buf, size, name, &st, (off_t)de->offset);
}

/* plus NULL: names alone. Fills buf[size] with entries from position `at`. Bytes used, or -errno if there are none. */
static ssize_t fill(struct op *op, struct stream *s, uint64_t at, char *buf, size_t size, struct plus *plus)
{
    struct p9_dirent de;
    struct p9_attr attr;
    size_t used = 0;
    unsigned unfit = 0;
    int rc;

    while ((rc = stream_next(op, s, at, &de, &attr)) > 0) {
        char name[P9_MAXNAME + 1];
        if (plus != NULL && !plus->begun)
            plus_begin(op, s, plus, at);
        unfit = de.name.len > 0 ? 0 : unfit + 1;
        if (unfit > MOST_UNFIT) {
            rc = -EPROTO;
            break;
        }
        if (de.name.len > 0) { /* the others are not shown */
            memcpy(name, de.name.s, de.name.len);
            name[de.name.len] = 0;
            size_t room = size - used, need = plus != NULL ? add_plus(op, s, plus, buf + used, room, name, &de, &attr)
                                                           : add(op, s, buf + used, room, name, &de);
            if (need > room)
                break;
            used += need;
        }
        stream_advance(s, &de);
        at = de.offset;
    }
    s->end = rc == 0 && used > 0 ? at : 0;
    return used > 0 || rc >= 0 ? (ssize_t)used : rc;
}

/* For a reply of so many bytes. NULL without memory. */
static struct plus *plus_new(struct op *op, size_t size)
{
    const struct fuse_entry_param none = {0};
    size_t most = size / fuse_add_direntry_plus(op->req, NULL, 0, "", &none, 0);
    struct plus *plus = malloc(sizeof *plus + most * sizeof(struct inode *));

    if (plus != NULL)
        *plus = (struct plus){.n = 0};
    return plus;
}

/* arrived: the kernel has the inodes. */
static void plus_free(struct fs *fs, struct plus *plus, bool arrived)
{
    if (plus == NULL)
        return;
    for (size_t i = 0; i < plus->n && !arrived; i++)
        cache_forget(fs->cache, plus->inodes[i], 1);
    if (plus->dir.fid != NULL)
        use_again(&plus->dir, 0);
    free(plus);
}

static void read_dir(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi, bool attributes)
{
    struct op op;
    struct stream *s = stream_of(fi);

    op_begin(&op, req);
    if (s->fid == NULL) {
        op_end(&op);
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    char *buf = malloc(size);
    struct plus *plus = attributes ? plus_new(&op, size) : NULL;
    if (buf == NULL || (plus == NULL && attributes)) {
        plus_free(op.fs, plus, false);
        free(buf);
        op_reply_err(&op, -ENOMEM);
        return;
    }
    pthread_mutex_lock(&s->mtx);
    if (off == 0 && !s->ready)
        s->next = UINT64_MAX; /* rewinddir: what is there now */
    s->ready = false;
    bool is_end = off != 0 && (uint64_t)off == s->end;
    s->end = 0;
    ssize_t n = is_end ? 0 : fill(&op, s, (uint64_t)off, buf, size, plus);
    pthread_mutex_unlock(&s->mtx);
    bool arrived = n >= 0;
    if (n < 0) {
        op_reply_err(&op, (int)n);
    } else {
        op_end(&op);
        arrived = fuse_reply_buf(req, buf, (size_t)n) != -ENOENT;
    }
    plus_free(op.fs, plus, arrived);
    free(buf);
}

void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    read_dir(req, size, off, fi, false);
}

void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)ino;
    read_dir(req, size, off, fi, true);
}

void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    stream_free(stream_of(fi));
    fuse_reply_err(req, 0);
}

void fs_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct op op;

    (void)ino;
    op_begin(&op, req);
    struct p9_fid *fid = stream_of(fi)->fid;
    int rc = fid != NULL ? p9_fsync(&op.scope, fid, datasync != 0) : 0;
    /* Where only files can be synced (nfs-ganesha) there is nothing to wait for, and programs that go on only after 0 (dpkg). */
    bool has_none = rc == -EISDIR || rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENOSYS;
    op_reply_err(&op, has_none ? 0 : rc);
}
