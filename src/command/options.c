/*
 * options.c: the command line, from argv to a complete struct options. libfuse's parser splits it;
 * the options are in options.list.
 */
#include "command/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "command/options_impl.h"

void options_set(char **field, const char *value, size_t n)
{
    free(*field);
    *field = strndup(value, n);
}

/* What libfuse's own parser of the command line takes. */
static bool is_switch(const char *arg)
{
    static const char *const switches[] = {"-f", "-s", "-h", "--help", "-V", "--version", NULL};

    for (const char *const *s = switches; *s != NULL; s++)
        if (strcmp(arg, *s) == 0)
            return true;
    return false;
}

/* What the kernel shows of a mount, and mount(8) passes on to a remount. */
static bool is_of_fuse(const char *arg)
{
    static const char *const names[] = {"user_id=", "group_id=", "rootmode=", "blksize=", NULL};

    for (const char *const *n = names; *n != NULL; n++)
        if (strncmp(arg, *n, strlen(*n)) == 0)
            return true;
    return false;
}

struct parse {
    struct options *o;
    bool sloppy;
    struct p9_why *why;
};

static int take_option(struct parse *p, const char *arg)
{
    if (strcmp(arg, "-d") == 0 || strcmp(arg, "--debug") == 0)
        arg = "debug";
    if (*arg == 0) /* between two commas */
        return 0;
    if (*arg == '-')
        return is_switch(arg) ? OPTION_FOR_LIBFUSE : options_unknown(arg, p->why);
    if (fuse_opt_add_opt_escaped(&p->o->given, arg) != 0)
        return options_fail(p->why, "%s", strerror(ENOMEM));
    if (is_of_fuse(arg)) {
        options_set(&p->o->of_fuse, arg, strlen(arg));
        return 0;
    }
    int rc = options_store(p->o, arg, p->why);
    if (rc != OPTION_UNKNOWN)
        return rc;
    options_unknown(arg, p->why);
    if (!p->sloppy)
        return -1;
    log_error("%s (ignored)", p->why->text);
    return 0;
}

/* For fuse_opt_parse: 0 consumes the argument, 1 leaves it to libfuse. */
static int take(void *data, const char *arg, int key, struct fuse_args *out)
{
    struct parse *p = data;
    struct options *o = p->o;
    char **place = o->source == NULL ? &o->source : o->mountpoint == NULL ? &o->mountpoint : &o->surplus;

    (void)out;
    if (key == FUSE_OPT_KEY_NONOPT) {
        if (*place == NULL)
            *place = strdup(arg);
        return 0;
    }
    int rc = take_option(p, arg);
    o->debug = o->debug || rc == KEY_DEBUG;
    o->remount = o->remount || rc == KEY_REMOUNT;
    o->allow_root = o->allow_root || rc == KEY_ALLOW_ROOT;
    o->allow_other = o->allow_other || rc == KEY_ALLOW_OTHER;
    o->fsname_given = o->fsname_given || rc == KEY_FSNAME;
    return rc == KEY_DEBUG || rc == KEY_REMOUNT || rc <= 0 ? (rc < 0 ? -1 : 0) : 1;
}

/* libfuse wants the number as an option, and in fs_init again. */
static int limit_reads(struct options *o, struct p9_why *why)
{
    char text[32];

    snprintf(text, sizeof text, "max_read=%u", o->max_read);
    if (o->max_read != 0 && (fuse_opt_add_arg(&o->args, "-o") != 0 || fuse_opt_add_arg(&o->args, text) != 0))
        return options_fail(why, "%s", strerror(ENOMEM));
    return 0;
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

/* A line of fstab needs no more options than for the kernel's client: its mounts are for all users,
 * whom the server and the modes of files restrict, and have devices and set-user-ID programs, which
 * libfuse turns off. A user who mounts has none of that. */
static int be_as_the_kernels(struct options *o)
{
    if (geteuid() != 0 || o->remount || o->setuid != NULL)
        return 0;
    if (fuse_opt_insert_arg(&o->args, 1, "-odev,suid") != 0)
        return -1;
    if (o->allow_other || o->allow_root || o->command != NULL) /* whose server acts as one user */
        return 0;
    o->allow_other = true;
    return fuse_opt_add_arg(&o->args, "-oallow_other");
}

int options_parse(struct options *o, int argc, char **argv, unsigned how, struct p9_why *why)
{
    const struct fuse_opt none = FUSE_OPT_END;
    struct parse p = {o, (how & OPTIONS_SLOPPY) != 0, why};

    *o = (struct options){.args = FUSE_ARGS_INIT(argc, argv)};
    options_init(o);
    why->text[0] = 0;
    if (fuse_opt_parse(&o->args, &p, &none, take) != 0)
        return -1;
    if ((how & OPTIONS_OF_MOUNT8) && be_as_the_kernels(o) != 0)
        return options_fail(why, "%s", strerror(ENOMEM));
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
    if (o->of_fuse != NULL && !o->remount)
        return options_unknown(o->of_fuse, why);
    if (options_check_log(o, why) != 0)
        return -1;
    if (options_check_cache(o, why) != 0 || options_check_waits(o, why) != 0)
        return -1;
    options_derive_lifetimes(o);
    if (options_derive_uid(o, why) != 0 || options_check_version(o, why) != 0 || options_check_access(o, why) != 0)
        return -1;
    if (options_need_server(o) && options_parse_source(o, o->source, why) != 0)
        return -1;
    if (options_check_trans(o, why) != 0 || options_check_tls(o, why) != 0 || options_check_port(o, why) != 0)
        return -1;
    if (options_derive_uname(o, why) != 0 || name_the_mount(o, why) != 0 || limit_reads(o, why) != 0)
        return -1;
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
    free(o->command);
    free(o->tls.ca);
    free(o->tls.cert);
    free(o->tls.key);
    free(o->tls.crl);
    free(o->tls.name);
    free(o->tls_verify);
    free(o->aname);
    free(o->auth);
    free(o->uname);
    free(o->version);
    free(o->access);
    free(o->cache_name);
    free(o->loglevel);
    free(o->trace_file);
    free(o->mountpoint);
    free(o->surplus);
    free(o->given);
    free(o->of_fuse);
    free(o->setuid);
    fuse_opt_free_args(&o->args);
}
