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
    size_t n, used; /* used < n: room for the terminator is always left */
};

__attribute__((format(printf, 2, 3))) static void print(struct text *t, const char *fmt, ...)
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

static struct text start_text(char *buf, size_t n)
{
    if (n > 0)
        buf[0] = 0;
    return (struct text){buf, n, 0};
}

/* Names are untrusted: bytes that are unsafe for a terminal are written as \xNN. */
static void print_bytes(struct text *t, const char *s, size_t n)
{
    while (n > 0) {
        size_t shown = *s != '\\' ? text_visible(s, n) : 0, width = shown > 0 ? shown : 1;
        if (shown > 0)
            print(t, "%.*s", (int)shown, s);
        else
            print(t, "\\x%02x", (unsigned char)*s);
        s += width;
        n -= width;
    }
}

static void print_fid(struct text *t, uint32_t fid)
{
    if (fid == P9_NOFID)
        print(t, "-1");
    else
        print(t, "%" PRIu32, fid);
}

static void print_qid(struct text *t, const struct p9_qid *q)
{
    static const struct {
        uint8_t bit;
        char c;
    } bits[] = {{P9_QTDIR, 'd'},   {P9_QTAPPEND, 'a'}, {P9_QTEXCL, 'l'},
                {P9_QTMOUNT, 'm'}, {P9_QTAUTH, 'A'},   {P9_QTSYMLINK, 's'}};

    print(t, "(%016" PRIx64 " %" PRIu32 " ", q->path, q->version);
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (q->type & bits[i].bit)
            print(t, "%c", bits[i].c);
    print(t, ")");
}

static void print_data(struct text *t, const struct p9_blob *b)
{
    size_t shown = b->n < 32 ? b->n : 32;
    bool plain = true;

    print(t, "%" PRIu32, b->n);
    if (b->p == NULL || b->n == 0)
        return;
    for (size_t i = 0; i < shown; i++)
        plain = plain && (b->p[i] == '\n' || (b->p[i] >= 0x20 && b->p[i] < 0x7f));
    print(t, plain ? " '" : " ");
    if (plain)
        print_bytes(t, (const char *)b->p, shown);
    else
        for (size_t i = 0; i < shown; i++)
            print(t, "%s%02x", i > 0 && i % 4 == 0 ? " " : "", b->p[i]);
    print(t, "%s%s", plain ? "'" : "", shown < b->n ? "..." : "");
}

static void print_mode(struct text *t, uint32_t mode)
{
    static const struct {
        uint32_t bit;
        char c;
    } bits[] = {{P9_DMDIR, 'd'},     {P9_DMAPPEND, 'a'}, {P9_DMEXCL, 'l'},      {P9_DMAUTH, 'A'},  {P9_DMTMP, 't'},
                {P9_DMSYMLINK, 'L'}, {P9_DMDEVICE, 'D'}, {P9_DMNAMEDPIPE, 'p'}, {P9_DMSOCKET, 'S'}};
    bool any = false;

    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (mode & bits[i].bit) {
            print(t, "%c", bits[i].c);
            any = true;
        }
    if (!any)
        print(t, "-");
    for (int i = 8; i >= 0; i--)
        print(t, "%c", mode & 1u << i ? "xwr"[i % 3] : '-');
}

static void print_stat(struct text *t, const struct p9_stat *st, enum p9_dialect d)
{
    print(t, "'");
    print_bytes(t, st->name.s, st->name.len);
    print(t, "' '");
    print_bytes(t, st->uid.s, st->uid.len);
    print(t, "' '");
    print_bytes(t, st->gid.s, st->gid.len);
    print(t, "' '");
    print_bytes(t, st->muid.s, st->muid.len);
    print(t, "' q ");
    print_qid(t, &st->qid);
    print(t, " m ");
    print_mode(t, st->mode);
    print(t, " at %" PRIu32 " mt %" PRIu32 " l %" PRIu64 " t %" PRIu16 " d %" PRIu32, st->atime, st->mtime, st->length,
          st->type, st->dev);
    if (d == P9_2000U) {
        print(t, " ext '");
        print_bytes(t, st->extension.s, st->extension.len);
        print(t, "' n %" PRId32 " %" PRId32 " %" PRId32, (int32_t)st->n_uid, (int32_t)st->n_gid, (int32_t)st->n_muid);
    }
}

static void print_field(struct text *t, const struct p9_field *fd, enum p9_dialect d, const void *v)
{
    const struct p9_names *names = v;
    const struct p9_qids *qids = v;
    const struct p9_blob *blob = v;
    const struct p9_str *str = v;
    struct p9_stat st;

    print(t, " %s ", fd->name);
    switch ((enum p9_kind)fd->kind) {
    case P9_KIND_u8:
        print(t, "%u", *(const uint8_t *)v);
        break;
    case P9_KIND_u16:
        print(t, "%u", *(const uint16_t *)v);
        break;
    case P9_KIND_u32:
        print(t, "%" PRIu32, *(const uint32_t *)v);
        break;
    case P9_KIND_u64:
        print(t, "%" PRIu64, *(const uint64_t *)v);
        break;
    case P9_KIND_fid:
        print_fid(t, *(const uint32_t *)v);
        break;
    case P9_KIND_perm:
        print_mode(t, *(const uint32_t *)v);
        break;
    case P9_KIND_str:
        print_bytes(t, str->s, str->len);
        break;
    case P9_KIND_qid:
        print_qid(t, v);
        break;
    case P9_KIND_names:
        print(t, "%u", names->n);
        for (unsigned i = 0; i < names->n && i < P9_MAXWELEM; i++) {
            print(t, " %u:", i);
            print_bytes(t, names->name[i].s, names->name[i].len);
        }
        break;
    case P9_KIND_qids:
        print(t, "%u", qids->n);
        for (unsigned i = 0; i < qids->n && i < P9_MAXWELEM; i++) {
            print(t, " %u:", i);
            print_qid(t, &qids->qid[i]);
        }
        break;
    case P9_KIND_stat:
        if (p9_convM2D(blob->p, blob->n, d, &st) != 0)
            print_stat(t, &st, d);
        break;
    case P9_KIND_data:
        print_data(t, blob);
        break;
    }
}

size_t p9_fcallfmt(char *buf, size_t n, const struct p9_fcall *f, enum p9_dialect d)
{
    const struct p9_message *m = p9_message(f->type);
    struct text t = start_text(buf, n);

    if (m->name == NULL) {
        print(&t, "unknown type %u tag %u", f->type, f->tag);
        return t.used;
    }
    print(&t, "%s tag %d", m->name, f->tag == P9_NOTAG ? -1 : f->tag);
    for (size_t i = 0; i < m->nfields; i++)
        if (m->fields[i].dialects & d)
            print_field(&t, &m->fields[i], d, (const char *)f + m->fields[i].offset);
    return t.used;
}

size_t p9_dirfmt(char *buf, size_t n, const struct p9_stat *st, enum p9_dialect d)
{
    struct text t = start_text(buf, n);

    print_stat(&t, st, d);
    return t.used;
}

size_t p9_dirmodefmt(char *buf, size_t n, uint32_t mode)
{
    struct text t = start_text(buf, n);

    print_mode(&t, mode);
    return t.used;
}
