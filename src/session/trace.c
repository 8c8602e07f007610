/*
 * trace.c: the trace of messages: "-> T-message", "<- R-message after N us", "-- event".
 *
 * A request is shown when it gets its tag, just before it is sent, and again when it is sent on
 * another connection. The data of reads and writes is not shown.
 */
#include "base/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "session/session_impl.h"

enum { TEXT = 1024 };

__attribute__((format(printf, 1, 2))) static void print(const char *fmt, ...)
{
    char line[TEXT + 128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    trace_line(line);
}

static void hide_data(struct p9_fcall *f)
{
    if (f->type == P9_Twrite)
        f->Twrite.count.p = NULL;
    else if (p9_has_payload(f->type)) /* Rreaddir has the same field at the same place */
        f->Rread.count.p = NULL;
}

/* A packed Twrite without its data: fid[4] offset[8] count[4]. */
static void unpack_write(const uint8_t *p, struct p9_fcall *f)
{
    f->type = P9_Twrite;
    f->Twrite.fid = p9_get32(p);
    f->Twrite.offset = p9_get32(p + 4) | (uint64_t)p9_get32(p + 8) << 32;
    f->Twrite.count = (struct p9_blob){.n = p9_get32(p + 12)};
}

void session_trace_sent(const struct p9_session *s, const struct p9_req *req)
{
    char text[TEXT];
    struct p9_fcall f = {.type = req->type};

    if (req->type == P9_Twrite)
        unpack_write(req->head + P9_HDRSZ, &f);
    else
        p9_convM2S(req->head, req->head_len, s->dialect, &f);
    f.tag = req->tag;
    p9_fcallfmt(text, sizeof text, &f, s->dialect);
    print("-> %s%s", text, req->was_sent ? " (sent again)" : "");
}

void session_trace_reply(const struct p9_session *s, const struct p9_req *req, const struct arrival *a)
{
    char text[TEXT];
    struct p9_fcall f = req->rx;
    const char *fate = req->ghost ? " (given up)" : req->flushing ? " (flushed)" : "";
    const char *asked = a->is_error ? p9_type_name(req->type) : "";

    if (a->malformed) {
        snprintf(text, sizeof text, "%s tag %d, malformed, of %u bytes", p9_type_name(a->type),
                 req->tag == P9_NOTAG ? -1 : req->tag, a->size);
    } else {
        hide_data(&f);
        p9_fcallfmt(text, sizeof text, &f, s->dialect);
    }
    print("<- %s%s%s after %" PRIu64 " us%s", text, *asked != 0 ? " to " : "", asked, session_duration(req, a), fate);
}

void session_trace_event(const struct p9_session *s, const char *what, const char *why)
{
    if (s->trace)
        print("-- %s%s", what, why);
}
