/*
 * options_impl.h: what the files of the command line share: defaults and bounds, and how a field is set or refused.
 */
#ifndef OPTIONS_IMPL_H
#define OPTIONS_IMPL_H

#include <limits.h>

#include "9p/codec.h"
#include "command/options.h"

enum {
    DEFAULT_PAYLOAD = 1 << 20, /* bytes; msize is asked for as this and a header */
    DEFAULT_MAX_FIDS = 8192,
    MIN_MAX_FIDS = 64,
    DEFAULT_MAX_THREADS = 64,
    NOBODY = 65534,
    DEFAULT_READAHEAD = 8192, /* KiB: what a line of 100 ms and 80 MB/s holds */
    DEFAULT_READAHEAD_MEMORY = 65536,
    MAX_READAHEAD = 1 << 20,
    CTO_MS = 1000, /* how long names and attributes are believed */
    LOOSE_MS = 3600 * 1000,
    MAX_SECONDS = 1000000,
    NEGTIMEOUT_NOT_SET = INT_MIN,
    DEFAULT_WRITEBEHIND = 8192, /* KiB: what a line of 100 ms and 80 MB/s holds */
    MAX_WRITEBEHIND = 1 << 20,
};

/* Writes the message to why. -1. */
__attribute__((format(printf, 2, 3))) int options_fail(struct p9_why *why, const char *fmt, ...);
/* *field becomes a copy of the n bytes at value; what it was is freed. */
void options_set(char **field, const char *value, size_t n);

/* What the options that were read mean, and whether they may be so. After fuse_opt_parse; each 0, or -1 with `why`. */
bool options_use_descriptors(const struct options *o);
int options_check_trans(struct options *o, struct p9_why *why);
int options_check_access(struct options *o, struct p9_why *why);
int options_check_version(struct options *o, struct p9_why *why);
int options_check_cache(struct options *o, struct p9_why *why);
int options_check_numbers(struct options *o, struct p9_why *why);
int options_settle_lifetimes(struct options *o, struct p9_why *why);
int options_settle_user(struct options *o, struct p9_why *why);

#endif
