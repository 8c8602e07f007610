/*
 * options.c: the table of options, and the command line from argv to a complete struct options.
 * libfuse's parser reads it; what it does not find in the table remains for libfuse itself.
 */
#include "command/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/options_impl.h"

enum { KEY_DEBUG, KEY_IGNORE, KEY_FSNAME, KEY_ALLOW_OTHER };

#define OPT(template, field)                                                                                           \
    {                                                                                                                  \
        template, offsetof(struct options, field), 0                                                                   \
    }

static const struct fuse_opt specs[] = {
    OPT("port=%s", port),
    OPT("trans=%s", trans),
    OPT("rfdno=%d", rfdno),
    OPT("wfdno=%d", wfdno),
    OPT("aname=%s", aname),
    OPT("uname=%s", uname),
    OPT("auth=%s", auth),
    OPT("version=%s", version),
    {"noextend", offsetof(struct options, noextend), 1},
    OPT("dfltuid=%u", dfltuid),
    OPT("dfltgid=%u", dfltgid),
    OPT("msize=%u", msize),
    OPT("access=%s", access),
    {"posixacl", offsetof(struct options, posixacl), 1},
    OPT("cache=%s", cache_name),
    OPT("attr_timeout=%s", attr_text),
    OPT("entry_timeout=%s", entry_text),
    OPT("negative_timeout=%s", negative_text),
    OPT("actimeo=%s", actimeo),
    OPT("negtimeout=%d", negtimeout),
    {"noac", offsetof(struct options, noac), 1},
    {"ignoreqv", offsetof(struct options, ignoreqv), 1},
    {"directio", offsetof(struct options, directio), 1},
    {"hard", offsetof(struct options, soft), 0},
    {"soft", offsetof(struct options, soft), 1},
    OPT("timeo=%s", timeo_text),
    {"noreconnect", offsetof(struct options, noreconnect), 1},
    {"reconnect", offsetof(struct options, noreconnect), 0},
    OPT("probe=%s", probe_text),
    OPT("unmount_wait=%s", unmount_wait_text),
    OPT("max_fids=%u", max_fids),
    OPT("max_threads=%u", max_threads),
    OPT("readahead=%u", readahead),
    OPT("readahead_memory=%u", readahead_memory),
    OPT("writebehind=%u", writebehind),
    FUSE_OPT_KEY("-d", KEY_DEBUG),
    FUSE_OPT_KEY("debug", KEY_DEBUG),
    FUSE_OPT_KEY("--debug", KEY_DEBUG),
    FUSE_OPT_KEY("fsname=", KEY_FSNAME),
    FUSE_OPT_KEY("allow_other", KEY_ALLOW_OTHER),
    /* Options for mount(8) in fstab, which the file system ignores. */
    FUSE_OPT_KEY("_netdev", KEY_IGNORE),
    FUSE_OPT_KEY("auto", KEY_IGNORE),
    FUSE_OPT_KEY("noauto", KEY_IGNORE),
    FUSE_OPT_KEY("user", KEY_IGNORE),
    FUSE_OPT_KEY("user=", KEY_IGNORE),
    FUSE_OPT_KEY("nouser", KEY_IGNORE),
    FUSE_OPT_KEY("users", KEY_IGNORE),
    FUSE_OPT_KEY("owner", KEY_IGNORE),
    FUSE_OPT_KEY("group", KEY_IGNORE),
    FUSE_OPT_KEY("nofail", KEY_IGNORE),
    FUSE_OPT_KEY("defaults", KEY_IGNORE),
    FUSE_OPT_KEY("comment=", KEY_IGNORE),
    FUSE_OPT_END,
};

__attribute__((format(printf, 2, 3))) int options_fail(struct p9_why *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return -1;
}

void options_set(char **field, const char *value, size_t n)
{
    free(*field);
    *field = strndup(value, n);
}

/* For fuse_opt_parse: 0 consumes the argument, 1 leaves it to libfuse. */
static int take(void *data, const char *arg, int key, struct fuse_args *out)
{
    struct options *o = data;

    (void)out;
    switch (key) {
    case KEY_DEBUG:
        o->debug = true;
        return 0;
    case KEY_IGNORE:
        return 0;
    case KEY_ALLOW_OTHER:
        o->allow_other = true;
        return 1;
    case KEY_FSNAME:
        o->fsname_given = true;
        return 1;
    case FUSE_OPT_KEY_NONOPT:
        if (o->source == NULL)
            o->source = strdup(arg);
        else if (o->mountpoint == NULL)
            o->mountpoint = strdup(arg);
        else if (o->surplus == NULL)
            o->surplus = strdup(arg);
        return 0;
    default:
        return strncmp(arg, "x-", 2) == 0 ? 0 : 1; /* x-* are for mount(8) and systemd */
    }
}

/* mount(8) and df(1) show the source as it was typed. */
static int name_the_mount(struct options *o, struct p9_why *why)
{
    char *opts = NULL;
    int rc = 0;

    if (!o->fsname_given) {
        char *fsname = NULL;
        if (asprintf(&fsname, "fsname=%s", o->source) < 0 || fuse_opt_add_opt_escaped(&opts, fsname) != 0)
            rc = -1;
        free(fsname);
    }
    if (rc == 0 && fuse_opt_add_opt(&opts, "subtype=9pfs") != 0)
        rc = -1;
    if (rc == 0 && (fuse_opt_add_arg(&o->args, "-o") != 0 || fuse_opt_add_arg(&o->args, opts) != 0))
        rc = -1;
    free(opts);
    return rc == 0 ? 0 : options_fail(why, "%s", strerror(ENOMEM));
}

/* libfuse has logged the reason. */
static int libfuse_failed(struct p9_why *why)
{
    why->text[0] = 0;
    return -1;
}

static int take_libfuse_options(struct options *o, struct p9_why *why)
{
    struct fuse_cmdline_opts c;

    if (fuse_parse_cmdline(&o->args, &c) != 0)
        return libfuse_failed(why);
    o->help = c.show_help;
    o->show_version = c.show_version;
    o->foreground = c.foreground || o->debug;
    o->singlethread = c.singlethread;
    o->clone_fd = c.clone_fd;
    return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct p9_why *why)
{
    *o = (struct options){.rfdno = -1,
                          .wfdno = -1,
                          .msize = DEFAULT_PAYLOAD + P9_IOHDRSZ,
                          .max_fids = DEFAULT_MAX_FIDS,
                          .dfltuid = NOBODY,
                          .dfltgid = NOBODY,
                          .max_threads = DEFAULT_MAX_THREADS,
                          .readahead = DEFAULT_READAHEAD,
                          .negtimeout = NEGTIMEOUT_NOT_SET,
                          .readahead_memory = DEFAULT_READAHEAD_MEMORY,
                          .writebehind = DEFAULT_WRITEBEHIND,
                          .args = FUSE_ARGS_INIT(argc, argv)};
    if (fuse_opt_parse(&o->args, o, specs, take) != 0)
        return libfuse_failed(why);
    if (take_libfuse_options(o, why) != 0)
        return -1;
    if (o->help || o->show_version)
        return 0;
    if (o->source == NULL)
        return options_fail(why, "no SOURCE given (see 9pfs --help)");
    if (o->mountpoint == NULL)
        return options_fail(why, "no MOUNTPOINT given (see 9pfs --help)");
    if (o->surplus != NULL)
        return options_fail(why, "unexpected argument '%s' after SOURCE and MOUNTPOINT (see 9pfs --help)", o->surplus);
    if (options_check_cache(o, why) != 0 || options_derive_lifetimes(o, why) != 0 || options_derive_waits(o, why) != 0)
        return -1;
    if (options_check_numbers(o, why) != 0 || options_check_version(o, why) != 0 || options_check_access(o, why) != 0)
        return -1;
    if (!options_use_descriptors(o) && options_parse_source(o, o->source, why) != 0)
        return -1;
    if (options_check_trans(o, why) != 0 || options_derive_user(o, why) != 0 || name_the_mount(o, why) != 0)
        return -1;
    if (o->port == NULL)
        options_set(&o->port, "564", 3);
    if (o->aname == NULL)
        options_set(&o->aname, "", 0);
    return 0;
}

void options_free(struct options *o)
{
    free(o->source);
    free(o->host);
    free(o->port);
    free(o->trans);
    free(o->aname);
    free(o->auth);
    free(o->uname);
    free(o->version);
    free(o->access);
    free(o->cache_name);
    free(o->attr_text);
    free(o->entry_text);
    free(o->negative_text);
    free(o->actimeo);
    free(o->timeo_text);
    free(o->probe_text);
    free(o->unmount_wait_text);
    free(o->mountpoint);
    free(o->surplus);
    fuse_opt_free_args(&o->args);
}
