/*
 * options_impl.h: defaults, bounds and helpers that the option parser's files share.
 */
#ifndef OPTIONS_IMPL_H
#define OPTIONS_IMPL_H

#include <limits.h>

#include "9p/codec.h"
#include "command/options.h"

enum {
    CTO_MS = 1000,          /* lifetime of names and attributes with cache=cto, */
    LOOSE_MS = 3600 * 1000, /* and with cache=loose */
    MAX_SECONDS = 1000000,
    NEGTIMEOUT_NOT_SET = INT_MIN,
};
#define NOT_GIVEN UINT_MAX /* milliseconds of an option whose default depends on others */

/* What options_store leaves to its caller. */
enum { OPTION_UNKNOWN = 1, OPTION_FOR_LIBFUSE, KEY_DEBUG, KEY_FSNAME, KEY_ALLOW_OTHER, KEY_ALLOW_ROOT, KEY_REMOUNT };

/* options_table.c */
void options_init(struct options *o);
/* Stores one option, NAME or NAME=VALUE. 0; one of the above; or -1 with the reason in *why. */
int options_store(struct options *o, const char *arg, struct p9_why *why);
/* Whether the option means nothing to this program. */
bool options_is_dropped(const char *arg);
/* -1, with a reason that says what may have been meant. */
int options_unknown(const char *arg, struct p9_why *why);
/* Decimal seconds. 0, or -1 with the reason in *why. */
int options_parse_seconds(const char *option, const char *text, unsigned *ms, struct p9_why *why);

/* Formats the reason into *why. -1. */
#define options_fail(why, ...) p9_set_why(why, -1, __VA_ARGS__)
/* Frees *field and sets it to a copy of the n bytes at value. */
void options_set(char **field, const char *value, size_t n);

/* Whether the source names a server to connect to: it is not only the name of a transport that the
 * options give (rfdno= and wfdno=, or command=). */
bool options_need_server(const struct options *o);
/* Whether the source, or trans=, says vsock. */
bool options_say_vsock(const struct options *o, const char *source);
/* Parses a source that does. 0, or -1 with the reason in *why. */
int options_parse_vsock(struct options *o, const char *source, struct p9_why *why);
/* Takes uname and aname from a source of any form, if it has them. */
void options_parse_name(struct options *o, const char *source);
/* After fuse_opt_parse: each checks some options and fills the fields derived from them. 0, or -1
 * with the reason in *why. */
int options_check_port(struct options *o, struct p9_why *why);
int options_check_trans(struct options *o, struct p9_why *why);
int options_check_tls(struct options *o, struct p9_why *why);
int options_check_access(struct options *o, struct p9_why *why);
int options_check_version(struct options *o, struct p9_why *why);
int options_check_log(struct options *o, struct p9_why *why);
int options_check_cache(struct options *o, struct p9_why *why);
int options_check_waits(struct options *o, struct p9_why *why);
void options_derive_lifetimes(struct options *o);
int options_derive_uid(struct options *o, struct p9_why *why);
int options_derive_uname(struct options *o, struct p9_why *why);

#endif
