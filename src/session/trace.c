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

void session_trace_sent(const struct p9_session *s, const struct p9_req *req)
{
    char text[TEXT];
    struct p9_fcall f = {.type = req->type};

    p9_headM2S(req->head, req->head_len, s->dialect, &f);
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
        p9_hide_payload(&f);
        p9_fcallfmt(text, sizeof text, &f, s->dialect);
    }
    print("<- %s%s%s after %" PRIu64 " us%s", text, *asked != 0 ? " to " : "", asked, session_duration(req, a), fate);
}

void session_trace_event(const struct p9_session *s, const char *what, const char *why)
{
    if (s->trace)
        print("-- %s%s", what, why);
}
