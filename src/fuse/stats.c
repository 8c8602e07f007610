/*
 * stats.c: the statistics of a mount as JSON.
 */
#include "fuse/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "9p/stats.h"
#include "base/json.h"
#include "fuse/stats_answer.h"

static uint64_t count_of(const struct fs *fs, enum count what)
{
    return atomic_load_explicit(&fs->counts[what], memory_order_relaxed);
}

/* ---- the members of the object --------------------------------------------- */

enum { MOST_OPTIONS = 16384 }; /* bytes; a remount compares them */

static void put_mount(struct json *j, const struct fs *fs, const struct p9_session_stats *s)
{
    json_number(j, "9pfs_stats", 1);
    json_string(j, "source", fs->source);
    json_string(j, "server", fs->server);
    json_string(j, "port", fs->port);
    json_string(j, "aname", fs->aname);
    json_text(j, "options", fs->options, MOST_OPTIONS);
    json_string(j, "dialect", p9_dialect_name(s->dialect));
    json_number(j, "msize", s->msize);
    json_number(j, "uptime_ms", s->uptime_ms);
}

static void put_connection(struct json *j, const struct p9_session_stats *s)
{
    json_begin(j, "connection");
    json_string(j, "state", s->ended ? "ended" : s->away ? "away" : "up");
    json_number(j, "since_ms", s->since_ms);
    json_number(j, "silent_ms", s->silent_ms);
    json_number(j, "reconnects", s->reconnects);
    json_end(j);
    json_begin(j, "requests");
    json_number(j, "in_flight", s->in_flight);
    json_number(j, "waiting", s->waiting);
    json_number(j, "ghosts", s->ghosts);
    json_number(j, "given_up", s->given_up);
    json_number(j, "flushed", s->flushed);
    json_end(j);
}

static void put_message(struct json *j, unsigned type, const struct p9_message_stats *m)
{
    json_begin(j, p9_type_name(type));
    json_number(j, "sent", m->sent);
    json_number(j, "replies", m->replies);
    json_number(j, "errors", m->errors);
    json_number(j, "bytes_out", m->bytes_out);
    json_number(j, "bytes_in", m->bytes_in);
    json_number(j, "p50_us", m->p50_us);
    json_number(j, "p90_us", m->p90_us);
    json_number(j, "p99_us", m->p99_us);
    json_number(j, "max_us", m->max_us);
    json_end(j);
}

static void put_messages(struct json *j, const struct p9_session_stats *s)
{
    uint64_t out = 0, in = 0;

    json_begin(j, "messages");
    for (unsigned i = 0; i < P9_REQUEST_TYPES; i++) {
        out += s->messages[i].bytes_out;
        in += s->messages[i].bytes_in;
        if (s->messages[i].sent > 0)
            put_message(j, 2 * i, &s->messages[i]);
    }
    json_end(j);
    json_begin(j, "bytes");
    json_number(j, "out", out);
    json_number(j, "in", in);
    json_end(j);
}

static void put_operations(struct json *j, const struct fs *fs)
{
    json_begin(j, "operations");
    json_number(j, "interrupted", count_of(fs, INTERRUPTED));
#define PUT_REQUEST(name)                                                                                              \
    if (count_of(fs, REQUESTS_##name) > 0)                                                                             \
        json_number(j, #name, count_of(fs, REQUESTS_##name));
    FS_REQUESTS(PUT_REQUEST)
    json_end(j);
}

/* What was answered without a request of its own would have waited for a round trip, at least. */
static uint64_t round_trips_saved(const struct fs *fs)
{
    return count_of(fs, LOOKUPS_KNOWN) + count_of(fs, LOOKUPS_ABSENT) + count_of(fs, ENTRIES_WITH_ATTRS) +
           count_of(fs, ATTRS_KNOWN) + count_of(fs, XATTRS_KNOWN) + count_of(fs, LISTINGS_KNOWN) +
           count_of(fs, OPENS_AHEAD) + count_of(fs, READS_AHEAD) + count_of(fs, WRITES_BEHIND);
}

static void put_cache(struct json *j, const struct fs *fs)
{
    unsigned inodes, names, fids, most;
    const struct readahead_counts r = readahead_counts(fs->readahead_pool);

    cache_numbers(fs->cache, &inodes, &names);
    p9_client_fids(fs->client, &fids, &most);
    json_begin(j, "cache");
    json_number(j, "inodes", inodes);
    json_number(j, "names", names);
    json_number(j, "fids", fids);
    json_number(j, "max_fids", most);
#define PUT_OUTCOME(id, name) json_number(j, #name, count_of(fs, id));
    FS_OUTCOMES(PUT_OUTCOME)
    json_number(j, "round_trips_saved", round_trips_saved(fs));
    json_end(j);
    json_begin(j, "readahead");
    json_number(j, "held_bytes", r.held);
    json_number(j, "used_bytes", r.used);
    json_number(j, "wasted_bytes", r.wasted);
    json_end(j);
    json_begin(j, "writebehind");
    json_number(j, "dirty_bytes", writebehind_dirty(fs->writebehind));
    json_end(j);
}

size_t stats_render(const struct fs *fs, const struct p9_session_stats *s, char *buf, size_t size)
{
    struct json j = {.buf = buf, .size = size};

    json_begin(&j, NULL);
    put_mount(&j, fs, s);
    put_connection(&j, s);
    put_messages(&j, s);
    put_operations(&j, fs);
    put_cache(&j, fs);
    json_end(&j);
    return j.used;
}

/* ---- answering ------------------------------------------------------------- */

bool stats_is(fuse_ino_t ino, const char *name)
{
    return ino == FUSE_ROOT_ID && strcmp(name, STATS_XATTR) == 0;
}

bool stats_is_list(const struct fs *fs, fuse_ino_t ino, size_t size)
{
    return ino == FUSE_ROOT_ID && size == STATS_LIST_BYTES && atomic_load(&fs->no_xattrs);
}

/* The kernel asks for attributes of the root for users, too, whom it lets do nothing else. */
static bool may_ask(const struct fs *fs, uid_t uid)
{
    return fs->for_all || uid == 0 || uid == getuid();
}

void stats_answer(struct fs *fs, fuse_req_t req, size_t size)
{
    if (!may_ask(fs, fuse_req_ctx(req)->uid)) {
        fuse_reply_err(req, EACCES);
        return;
    }
    struct p9_session_stats *s = malloc(sizeof *s);
    char *buf = malloc(STATS_BYTES);
    size_t n = 0;

    if (s != NULL && buf != NULL && size > 0) {
        p9_session_stats(p9_client_session(fs->client), s);
        n = stats_render(fs, s, buf, STATS_BYTES - 1);
        if (size == STATS_LIST_BYTES) /* names end with a NUL */
            n++;
    }
    if (s == NULL || buf == NULL)
        fuse_reply_err(req, ENOMEM);
    else if (size == 0)
        fuse_reply_xattr(req, STATS_BYTES);
    else if (n > size)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, buf, n);
    free(buf);
    free(s);
}
