/*
 * synthetic.c: a tree of synthetic files, as Plan 9's servers have them. All have length 0.
 *
 *   text      reads "some text\n"
 *   events    a read waits for a message written to post, and returns it
 *   post      accepts messages
 *   never     reads wait for ever
 *   sizes     reads as the sizes of its writes, one per line
 *   log       append-only: reads as what was written
 *   alone     exclusive use: can be open once at a time
 *   commit    its clunk fails after a write
 *   flushes   how many waiting reads were flushed, and how often a tag was used while not free
 *   waits     how many reads have begun to wait
 *   sub/text  the same in a directory
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"

enum { TEXT = 65536 };

struct synth {
    const char *name;
    uint32_t dm;
    struct synth *parent;
    char text[TEXT]; /* written or to read */
    size_t n;
    unsigned users;
};

static struct synth root = {.name = "/", .dm = P9_DMDIR | 0777};
static struct synth sub = {.name = "sub", .dm = P9_DMDIR | 0777, .parent = &root};
static struct synth text = {.name = "text", .dm = 0444, .parent = &root, .text = "some text\n", .n = 10};
static struct synth text2 = {.name = "text", .dm = 0444, .parent = &sub, .text = "other text\n", .n = 11};
static struct synth events = {.name = "events", .dm = 0444, .parent = &root};
static struct synth post = {.name = "post", .dm = 0222, .parent = &root};
static struct synth never = {.name = "never", .dm = 0444, .parent = &root};
static struct synth sizes = {.name = "sizes", .dm = 0666, .parent = &root};
static struct synth logfile = {.name = "log", .dm = P9_DMAPPEND | 0666, .parent = &root};
static struct synth alone = {.name = "alone", .dm = P9_DMEXCL | 0666, .parent = &root, .text = "mine\n", .n = 5};
static struct synth commit = {.name = "commit", .dm = 0666, .parent = &root};
static struct synth flushes = {.name = "flushes", .dm = 0444, .parent = &root};
static struct synth waits = {.name = "waits", .dm = 0444, .parent = &root};
static struct synth *const all[] = {&root,  &sub,     &text,  &text2,  &events,  &post, &never,
                                    &sizes, &logfile, &alone, &commit, &flushes, &waits};
enum { ALL = sizeof all / sizeof *all };

static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER; /* guards all files and counters */
static unsigned flushed, reused, waited_for;

struct synth *synth_root(void)
{
    return &root;
}

struct synth *synth_walk(struct synth *from, struct p9_str name)
{
    for (size_t i = 0; i < ALL; i++)
        if (all[i]->parent == from && p9_str_eq(name, all[i]->name))
            return all[i];
    return NULL;
}

void synth_qid(const struct synth *s, struct p9_qid *q)
{
    size_t i = 0;

    while (all[i] != s)
        i++;
    *q = (struct p9_qid){.path = i + 1, .type = (uint8_t)(s->dm >> 24)};
}

void synth_stat(const struct synth *s, struct p9_stat *st)
{
    *st = (struct p9_stat){.mode = s->dm,
                           .atime = 1,
                           .mtime = 1,
                           .name = p9_str(s->name),
                           .uid = p9_str("glenda"),
                           .gid = p9_str("glenda"),
                           .muid = p9_str(""),
                           .extension = p9_str(""),
                           .n_uid = P9_NONUNAME,
                           .n_gid = P9_NONUNAME,
                           .n_muid = P9_NONUNAME};
    synth_qid(s, &st->qid);
}

int synth_open(struct sfid *f, uint8_t mode, const char **why)
{
    struct synth *s = f->synth;

    (void)mode;
    (void)why;
    pthread_mutex_lock(&mtx);
    int err = (s->dm & P9_DMEXCL) && s->users > 0 ? EBUSY : 0;
    s->users += err == 0;
    f->open = err == 0;
    pthread_mutex_unlock(&mtx);
    return err;
}

static int list(struct conn *c, struct sfid *f, uint64_t offset, uint32_t count, uint32_t *got)
{
    uint64_t at = 0;

    if (offset != 0 && offset != f->dir_offset)
        return EINVAL;
    for (size_t i = 0; i < ALL; i++) {
        struct p9_stat st;
        if (all[i]->parent != f->synth)
            continue;
        synth_stat(all[i], &st);
        size_t n = p9_sizeD2M(&st, c->dialect);
        if (at >= offset && (*got + n > count || p9_convD2M(&st, c->dialect, c->data + *got, count - *got) == 0))
            break;
        *got += at >= offset ? (uint32_t)n : 0;
        at += n;
    }
    f->dir_offset = offset + *got;
    return 0;
}

/* Moves the first line of events to c->data. */
static bool next_event(struct conn *c, uint32_t *got)
{
    char *end = memchr(events.text, '\n', events.n);

    if (end == NULL)
        return false;
    *got = (uint32_t)(end + 1 - events.text);
    memcpy(c->data, events.text, *got);
    events.n -= *got;
    memmove(events.text, end + 1, events.n);
    return true;
}

int synth_read(struct conn *c, struct sfid *f, uint64_t offset, uint32_t count, uint32_t *got)
{
    struct synth *s = f->synth;
    int err = 0;

    *got = 0;
    pthread_mutex_lock(&mtx);
    if (s->dm & P9_DMDIR) {
        err = list(c, f, offset, count, got);
    } else if (s == &never || (s == &events && !next_event(c, got))) {
        err = EAGAIN;
    } else if (s != &events) {
        if (s == &flushes)
            s->n = (size_t)snprintf(s->text, sizeof s->text, "flushed %u, tags used again too early %u\n", flushed,
                                    reused);
        if (s == &waits)
            s->n = (size_t)snprintf(s->text, sizeof s->text, "%u\n", waited_for);
        if (offset < s->n)
            *got = s->n - offset < count ? (uint32_t)(s->n - offset) : count;
        memcpy(c->data, s->text + (offset < s->n ? offset : 0), *got);
    }
    pthread_mutex_unlock(&mtx);
    return err;
}

int synth_write(struct sfid *f, const uint8_t *data, uint32_t count, uint32_t *put)
{
    struct synth *to = f->synth == &post ? &events : f->synth;
    char line[32];

    *put = count;
    if (to == &sizes) {
        data = (const uint8_t *)line;
        count = (uint32_t)snprintf(line, sizeof line, "%u\n", count);
    }
    pthread_mutex_lock(&mtx);
    int err = to->n + count <= TEXT ? 0 : ENOSPC;
    if (err == 0) {
        memcpy(to->text + to->n, data, count);
        to->n += count;
    }
    pthread_mutex_unlock(&mtx);
    return err;
}

const char *synth_clunk(struct sfid *f)
{
    pthread_mutex_lock(&mtx);
    if (f->open)
        f->synth->users--;
    pthread_mutex_unlock(&mtx);
    return f->synth == &commit && f->wrote ? "i/o error: the commit failed" : NULL;
}

void synth_waits(void)
{
    pthread_mutex_lock(&mtx);
    waited_for++;
    pthread_mutex_unlock(&mtx);
}

void synth_flushed(bool waited, bool too_early)
{
    pthread_mutex_lock(&mtx);
    flushed += waited;
    reused += too_early;
    pthread_mutex_unlock(&mtx);
}
