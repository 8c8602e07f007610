/*
 * codec_text.c: messages, stats and modes as text, in the notation of Plan 9's
 * fcallfmt, dirfmt and dirmodefmt: `Twalk tag 3 fid 1 newfid 2 nwname 2 0:usr 1:lib`.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "wire/table.h"

struct text {
    char *buf;
    size_t n, used; /* used < n: there is always room for the terminator */
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *fmt, ...)
{
    va_list ap;

    if (t->used + 1 >= t->n)
        return;
    va_start(ap, fmt);
    int r = vsnprintf(t->buf + t->used, t->n - t->used, fmt, ap);
    va_end(ap);
    if (r > 0)
        t->used += (size_t)r < t->n - t->used ? (size_t)r : t->n - t->used - 1;
}

static struct text text_start(char *buf, size_t n)
{
    if (n > 0)
        buf[0] = 0;
    return (struct text){buf, n, 0};
}

/* Bytes a terminal could choke on are shown as \xx: names come from a stranger. */
static void say_bytes(struct text *t, const char *s, size_t n)
{
    while (n > 0) {
        size_t shown = *s != '\\' ? text_visible(s, n) : 0, taken = shown > 0 ? shown : 1;
        if (shown > 0)
            say(t, "%.*s", (int)shown, s);
        else
            say(t, "\\x%02x", (unsigned char)*s);
        s += taken;
        n -= taken;
    }
}

static void say_fid(struct text *t, uint32_t fid)
{
    if (fid == P9_NOFID)
        say(t, "-1");
    else
        say(t, "%" PRIu32, fid);
}

static void say_qid(struct text *t, const struct p9_qid *q)
{
    static const struct {
        uint8_t bit;
        char c;
    } bits[] = {{P9_QTDIR, 'd'},   {P9_QTAPPEND, 'a'}, {P9_QTEXCL, 'l'},
                {P9_QTMOUNT, 'm'}, {P9_QTAUTH, 'A'},   {P9_QTSYMLINK, 's'}};

    say(t, "(%016" PRIx64 " %" PRIu32 " ", q->path, q->version);
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (q->type & bits[i].bit)
            say(t, "%c", bits[i].c);
    say(t, ")");
}

static void say_data(struct text *t, const struct p9_blob *b)
{
    size_t shown = b->n < 32 ? b->n : 32;
    bool plain = true;

    say(t, "%" PRIu32, b->n);
    if (b->p == NULL || b->n == 0)
        return;
    for (size_t i = 0; i < shown; i++)
        plain = plain && (b->p[i] == '\n' || (b->p[i] >= 0x20 && b->p[i] < 0x7f));
    say(t, plain ? " '" : " ");
    if (plain)
        say_bytes(t, (const char *)b->p, shown);
    else
        for (size_t i = 0; i < shown; i++)
            say(t, "%s%02x", i > 0 && i % 4 == 0 ? " " : "", b->p[i]);
    say(t, "%s%s", plain ? "'" : "", shown < b->n ? "..." : "");
}

static void say_mode(struct text *t, uint32_t mode)
{
    static const struct {
        uint32_t bit;
        char c;
    } bits[] = {{P9_DMDIR, 'd'},     {P9_DMAPPEND, 'a'}, {P9_DMEXCL, 'l'},      {P9_DMAUTH, 'A'},  {P9_DMTMP, 't'},
                {P9_DMSYMLINK, 'L'}, {P9_DMDEVICE, 'D'}, {P9_DMNAMEDPIPE, 'p'}, {P9_DMSOCKET, 'S'}};
    bool any = false;

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (mode & bits[i].bit) {
            say(t, "%c", bits[i].c);
            any = true;
        }
    if (!any)
        say(t, "-");
    for (int i = 8; i >= 0; i--)
        say(t, "%c", mode & 1u << i ? "xwr"[i % 3] : '-');
}

static void say_stat(struct text *t, const struct p9_stat *st, enum p9_dialect d)
{
    say(t, "'");
    say_bytes(t, st->name.s, st->name.len);
    say(t, "' '");
    say_bytes(t, st->uid.s, st->uid.len);
    say(t, "' '");
    say_bytes(t, st->gid.s, st->gid.len);
    say(t, "' '");
    say_bytes(t, st->muid.s, st->muid.len);
    say(t, "' q ");
    say_qid(t, &st->qid);
    say(t, " m ");
    say_mode(t, st->mode);
    say(t, " at %" PRIu32 " mt %" PRIu32 " l %" PRIu64 " t %" PRIu16 " d %" PRIu32, st->atime, st->mtime, st->length,
        st->type, st->dev);
    if (d == P9_2000U) {
        say(t, " ext '");
        say_bytes(t, st->extension.s, st->extension.len);
        say(t, "' n %" PRId32 " %" PRId32 " %" PRId32, (int32_t)st->n_uid, (int32_t)st->n_gid, (int32_t)st->n_muid);
    }
}

static void say_field(struct text *t, const struct p9_field *fd, enum p9_dialect d, const void *v)
{
    const struct p9_names *names = v;
    const struct p9_qids *qids = v;
    const struct p9_blob *blob = v;
    const struct p9_str *str = v;
    struct p9_stat st;

    say(t, " %s ", fd->name);
    switch ((enum p9_kind)fd->kind) {
    case P9_KIND_u8:
        say(t, "%u", *(const uint8_t *)v);
        break;
    case P9_KIND_u16:
        say(t, "%u", *(const uint16_t *)v);
        break;
    case P9_KIND_u32:
        say(t, "%" PRIu32, *(const uint32_t *)v);
        break;
    case P9_KIND_u64:
        say(t, "%" PRIu64, *(const uint64_t *)v);
        break;
    case P9_KIND_fid:
        say_fid(t, *(const uint32_t *)v);
        break;
    case P9_KIND_perm:
        say_mode(t, *(const uint32_t *)v);
        break;
    case P9_KIND_str:
        say_bytes(t, str->s, str->len);
        break;
    case P9_KIND_qid:
        say_qid(t, v);
        break;
    case P9_KIND_names:
        say(t, "%u", names->n);
        for (unsigned i = 0; i < names->n && i < P9_MAXWELEM; i++) {
            say(t, " %u:", i);
            say_bytes(t, names->name[i].s, names->name[i].len);
        }
        break;
    case P9_KIND_qids:
        say(t, "%u", qids->n);
        for (unsigned i = 0; i < qids->n && i < P9_MAXWELEM; i++) {
            say(t, " %u:", i);
            say_qid(t, &qids->qid[i]);
        }
        break;
    case P9_KIND_stat:
        if (p9_convM2D(blob->p, blob->n, d, &st) != 0)
            say_stat(t, &st, d);
        break;
    case P9_KIND_data:
        say_data(t, blob);
        break;
    }
}

size_t p9_fcallfmt(char *buf, size_t n, const struct p9_fcall *f, enum p9_dialect d)
{
    const struct p9_message *m = p9_message(f->type);
    struct text t = text_start(buf, n);

    if (m->name == NULL) {
        say(&t, "unknown type %u tag %u", f->type, f->tag);
        return t.used;
    }
    say(&t, "%s tag %d", m->name, f->tag == P9_NOTAG ? -1 : f->tag);
    for (size_t i = 0; i < m->nfields; i++)
        if (m->fields[i].dialects & d)
            say_field(&t, &m->fields[i], d, (const char *)f + m->fields[i].offset);
    return t.used;
}

size_t p9_dirfmt(char *buf, size_t n, const struct p9_stat *st, enum p9_dialect d)
{
    struct text t = text_start(buf, n);

    say_stat(&t, st, d);
    return t.used;
}

size_t p9_dirmodefmt(char *buf, size_t n, uint32_t mode)
{
    struct text t = text_start(buf, n);

    say_mode(&t, mode);
    return t.used;
}
