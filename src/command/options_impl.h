/*
 * options_impl.h: defaults, bounds and helpers that the option parser's files share.
 */
#ifndef OPTIONS_IMPL_H
#define OPTIONS_IMPL_H

#include <limits.h>

#include "9p/codec.h"
#include "command/options.h"

enum {
    DEFAULT_PAYLOAD = 1 << 20, /* bytes; the msize to ask for is this and a header */
    DEFAULT_MAX_FIDS = 8192,
    MIN_MAX_FIDS = 64,
    DEFAULT_MAX_THREADS = 2048,
    NOBODY = 65534,
    DEFAULT_READAHEAD = 8192, /* KiB: fills a line of 100 ms and 80 MB/s */
    DEFAULT_READAHEAD_MEMORY = 65536,
    MAX_READAHEAD = 1 << 20,
    TIMEO_MS = 60000,       /* how long an operation waits with soft, */
    PROBE_MS = 15000,       /* until a silent server is probed, */
    UNMOUNT_WAIT_MS = 1000, /* and for it at the end of the mount */
    CTO_MS = 1000,          /* lifetime of names and attributes with cache=cto, */
    LOOSE_MS = 3600 * 1000, /* and with cache=loose */
    MAX_SECONDS = 1000000,
    NEGTIMEOUT_NOT_SET = INT_MIN,
    DEFAULT_WRITEBEHIND = 8192, /* KiB: as DEFAULT_READAHEAD */
    MAX_WRITEBEHIND = 1 << 20,
};

/* Formats the reason into *why. -1. */
__attribute__((format(printf, 2, 3))) int options_fail(struct p9_why *why, const char *fmt, ...);
/* Frees *field and sets it to a copy of the n bytes at value. */
void options_set(char **field, const char *value, size_t n);

/* Whether the transport is rfdno= and wfdno=. */
bool options_use_descriptors(const struct options *o);
/* After fuse_opt_parse: each checks some options and fills the fields derived from them. 0, or -1
 * with the reason in *why. */
int options_check_trans(struct options *o, struct p9_why *why);
int options_check_access(struct options *o, struct p9_why *why);
int options_check_version(struct options *o, struct p9_why *why);
int options_check_cache(struct options *o, struct p9_why *why);
int options_check_numbers(struct options *o, struct p9_why *why);
int options_derive_lifetimes(struct options *o, struct p9_why *why);
int options_derive_waits(struct options *o, struct p9_why *why);
int options_derive_user(struct options *o, struct p9_why *why);

#endif
