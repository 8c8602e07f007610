/*
 * stream.c: the entries of an open directory, in order.
 *
 * A stream holds one reply from the server at a time, and serves from it as long as the kernel
 * continues where it stopped; any other position is requested again by its cookie. The cookies are
 * the server's. Where the server does not list "." and "..", the stream adds them, under two
 * cookies that no server uses.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/stream.h"
#include "fuse/user.h"

#define AFTER_DOT (INT64_MAX - 2)
#define AFTER_DOTDOT (INT64_MAX - 1)

void stream_free(struct stream *s)
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

bool stream_take_listing(struct op *op, struct stream *s)
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

/* Requests the entries after a cookie. */
static int stream_fetch(struct op *op, struct stream *s, uint64_t cookie)
{
    s->len = s->pos = 0;
    if (cookie != 0 && cookie == s->known_end) {
        s->known_end = 0; /* only once */
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
    if (rc == 0 && s->len > 0)
        lookahead_entries(op->fs->cache, s->inode, s->listing, s->buf, s->len, cookie);
    else if (rc == 0)
        lookahead_end(op->fs->cache, s->inode, s->listing);
    return rc;
}

int stream_next(struct op *op, struct stream *s, uint64_t at, struct p9_dirent *de, struct p9_attr *attr)
{
    bool added = at == AFTER_DOT || at == AFTER_DOTDOT;
    uint64_t cookie = added ? 0 : at;
    int rc = 0;

    if (s->next != cookie)
        s->listing = 0; /* the listing is incomplete now */
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

void stream_advance(struct stream *s, const struct p9_dirent *de)
{
    if (de->offset == AFTER_DOT || de->offset == AFTER_DOTDOT)
        return;
    s->pos += s->entry;
    s->next = de->offset;
}
