/*
 * options.c: the command line. libfuse's parser does the reading; here is what the options
 * mean, and what a source may look like.
 */
#include "command/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "9p/codec.h"

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
    /* For mount(8) and fstab, not for the file system. */
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

__attribute__((format(printf, 2, 3))) static int fail(struct p9_why *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return -1;
}

/* ---- sources ------------------------------------------------------------ */

static void set(char **field, const char *value, size_t n)
{
    free(*field);
    *field = strndup(value, n);
}

/* tcp!host!port, unix!/path */
static int parse_dial_string(struct options *o, const char *s, struct p9_why *why)
{
    const char *bang = strchr(s, '!');
    size_t net = (size_t)(bang - s);

    if (net == 4 && strncmp(s, "unix", 4) == 0) {
        o->dial = DIAL_UNIX;
        set(&o->host, bang + 1, strlen(bang + 1));
        return 0;
    }
    if (net != 3 || (strncmp(s, "tcp", 3) != 0 && strncmp(s, "net", 3) != 0))
        return fail(why, "source '%s': the network '%.*s' is not known (tcp, net, unix)", s, (int)net, s);
    const char *host = bang + 1, *end = strchr(host, '!');
    set(&o->host, host, end != NULL ? (size_t)(end - host) : strlen(host));
    if (end != NULL)
        set(&o->port, end + 1, strlen(end + 1));
    return 0;
}

/* Takes "[v6]" or a host up to one of `stops` from the start of s; what follows, or NULL. */
static const char *take_host(struct options *o, const char *s, const char *stops)
{
    if (*s == '[') {
        const char *end = strchr(s, ']');
        if (end == NULL)
            return NULL;
        set(&o->host, s + 1, (size_t)(end - s - 1));
        return end + 1;
    }
    size_t n = strcspn(s, stops);
    set(&o->host, s, n);
    return s + n;
}

static const char *take_user(struct options *o, const char *s)
{
    const char *at = s + strcspn(s, "@/:[");

    if (*at != '@')
        return s;
    if (o->uname == NULL)
        set(&o->uname, s, (size_t)(at - s));
    return at + 1;
}

/* [user@]host[:port][/aname], after 9p:// */
static int parse_url(struct options *o, const char *s, const char *source, struct p9_why *why)
{
    s = take_host(o, take_user(o, s), ":/");
    if (s != NULL && *s == ':') {
        size_t n = strcspn(s + 1, "/");
        set(&o->port, s + 1, n);
        s += 1 + n;
    }
    if (s == NULL || (*s != 0 && *s != '/'))
        return fail(why, "source '%s': expected 9p://[USER@]HOST[:PORT][/ANAME]", source);
    if (*s == '/' && o->aname == NULL)
        set(&o->aname, s, strlen(s));
    return 0;
}

/* [user@]host[:aname], [user@][v6][:aname], v6 */
static int parse_host(struct options *o, const char *s, const char *source, struct p9_why *why)
{
    struct in6_addr v6;

    s = take_user(o, s);
    if (inet_pton(AF_INET6, s, &v6) == 1) {
        set(&o->host, s, strlen(s));
        return 0;
    }
    s = take_host(o, s, ":");
    if (s == NULL || (*s != 0 && *s != ':'))
        return fail(why, "source '%s': expected [USER@]HOST[:ANAME], [V6]:ANAME or a socket's path", source);
    if (*s == ':' && o->aname == NULL)
        set(&o->aname, s + 1, strlen(s + 1));
    return 0;
}

/* A path: no host has a slash before its colon. A word alone is one if it is there, and a socket, and tcp was not asked for. */
static bool is_path(const struct options *o, const char *source)
{
    struct stat st;
    const char *end = source + strcspn(source, "/:");

    if (*end != 0)
        return *end == '/';
    return (o->trans == NULL || strcmp(o->trans, "tcp") != 0) && stat(source, &st) == 0 && S_ISSOCK(st.st_mode);
}

int options_parse_source(struct options *o, const char *source, struct p9_why *why)
{
    size_t word = strcspn(source, "!/:[@");
    int rc = 0;

    o->dial = DIAL_TCP;
    if (strncmp(source, "9p://", 5) == 0) {
        rc = parse_url(o, source + 5, source, why);
    } else if (source[word] == '!') {
        rc = parse_dial_string(o, source, why);
    } else if (is_path(o, source)) {
        o->dial = DIAL_UNIX;
        set(&o->host, source, strlen(source));
    } else {
        rc = parse_host(o, source, source, why);
    }
    if (rc == 0 && (o->host == NULL || *o->host == 0))
        return fail(why, "source '%s': the host is missing", source);
    return rc;
}

/* ---- the command line --------------------------------------------------- */

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
        return strncmp(arg, "x-", 2) == 0 ? 0 : 1; /* x-*: for mount(8) and systemd */
    }
}

static int check_trans(struct options *o, struct p9_why *why)
{
    if (o->trans != NULL && strcmp(o->trans, "fd") != 0 && strcmp(o->trans, "tcp") != 0 &&
        strcmp(o->trans, "unix") != 0)
        return fail(why, "option trans=%s: expected tcp, unix or fd", o->trans);
    if (o->trans == NULL ? o->rfdno < 0 && o->wfdno < 0 : strcmp(o->trans, "fd") != 0) {
        if (o->trans != NULL && strcmp(o->trans, "unix") == 0)
            o->dial = DIAL_UNIX;
        return 0;
    }
    if (o->rfdno < 0 || o->wfdno < 0)
        return fail(why, "trans=fd needs both rfdno= and wfdno=");
    o->dial = DIAL_FDS;
    return 0;
}

/* access=user is for root, who may attach as anybody, where others are let in at all. */
static int check_access(struct options *o, struct p9_why *why)
{
    const char *a = o->access;
    char *end;

    if (a == NULL)
        o->access = strdup(getuid() == 0 && o->allow_other ? "user" : "any");
    else if (strcmp(a, "user") != 0 && strcmp(a, "client") != 0 && strcmp(a, "any") != 0 &&
             (strtoul(a, &end, 10) >= UINT32_MAX || *a == 0 || *end != 0))
        return fail(why, "option access=%s: expected user, client, any or a user's number", a);
    /* As v9fs does: some servers (diod) leave the modes to the client to check. */
    if (o->access != NULL && (strcmp(o->access, "client") == 0 || strcmp(o->access, "user") == 0) &&
        (fuse_opt_add_arg(&o->args, "-o") != 0 || fuse_opt_add_arg(&o->args, "default_permissions") != 0))
        return fail(why, "%s", strerror(ENOMEM));
    return o->access != NULL ? 0 : fail(why, "%s", strerror(ENOMEM));
}

static int check_version(struct options *o, struct p9_why *why)
{
    const char *asked = o->version != NULL ? o->version : p9_dialect_name(o->noextend ? P9_2000 : P9_2000L);

    for (o->dialect = P9_2000L; o->dialect != 0; o->dialect = p9_dialect_below(o->dialect))
        if (strcasecmp(asked, p9_dialect_name(o->dialect)) == 0)
            return 0;
    return fail(why, "option version=%s: expected 9P2000.L, 9P2000.u or 9P2000", o->version);
}

static int check_cache(struct options *o, struct p9_why *why)
{
    static const struct {
        const char *name;
        enum cache_mode cache;
    } names[] = {
        {"none", CACHE_NONE}, {"cto", CACHE_CTO},       {"loose", CACHE_LOOSE},
        {"mmap", CACHE_CTO},  {"readahead", CACHE_CTO}, {"fscache", CACHE_LOOSE}, /* v9fs's */
    };

    if (o->cache_name == NULL)
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(o->cache_name, names[i].name) == 0) {
            o->cache = names[i].cache;
            return 0;
        }
    return fail(why, "option cache=%s: expected none, cto or loose (or v9fs's readahead, mmap, fscache)",
                o->cache_name);
}

/* Seconds, with decimals; text NULL: *ms stays. */
static int take_seconds(const char *option, const char *text, unsigned *ms, struct p9_why *why)
{
    char *end;

    if (text == NULL)
        return 0;
    double seconds = strtod(text, &end);
    if (*text == 0 || *end != 0 || !(seconds >= 0 && seconds <= MAX_SECONDS))
        return fail(why, "option %s=%s: expected seconds, 0 to %u", option, text, MAX_SECONDS);
    *ms = (unsigned)(seconds * 1000 + 0.5);
    return 0;
}

static int settle_lifetimes(struct options *o, struct p9_why *why)
{
    unsigned negative;

    o->attr_ms = o->cache == CACHE_CTO ? CTO_MS : o->cache == CACHE_LOOSE ? LOOSE_MS : 0;
    if (o->noac)
        o->attr_ms = 0;
    if (take_seconds("actimeo", o->actimeo, &o->attr_ms, why) != 0)
        return -1;
    o->entry_ms = o->attr_ms;
    if (take_seconds("attr_timeout", o->attr_text, &o->attr_ms, why) != 0 ||
        take_seconds("entry_timeout", o->entry_text, &o->entry_ms, why) != 0 ||
        take_seconds("negative_timeout", o->negative_text, &negative, why) != 0)
        return -1;
    o->negative_ms = -1;
    if (o->negtimeout != NEGTIMEOUT_NOT_SET)
        o->negative_ms = o->negtimeout >= 0 ? o->negtimeout : LOOSE_MS;
    if (o->negative_text != NULL)
        o->negative_ms = (int)negative;
    return 0;
}

static int check_numbers(struct options *o, struct p9_why *why)
{
    if (o->msize < P9_MIN_MSIZE || o->msize > P9_MAX_MSIZE)
        return fail(why, "option msize=%u: expected %u to %u bytes", o->msize, P9_MIN_MSIZE, P9_MAX_MSIZE);
    if (o->max_fids < MIN_MAX_FIDS || o->max_fids > 1u << 24)
        return fail(why, "option max_fids=%u: expected %u to %u", o->max_fids, MIN_MAX_FIDS, 1u << 24);
    if (o->readahead > MAX_READAHEAD)
        return fail(why, "option readahead=%u: expected 0 to %u KiB", o->readahead, MAX_READAHEAD);
    if (o->readahead_memory > MAX_READAHEAD)
        return fail(why, "option readahead_memory=%u: expected 0 to %u KiB", o->readahead_memory, MAX_READAHEAD);
    if (o->writebehind > MAX_WRITEBEHIND)
        return fail(why, "option writebehind=%u: expected 0 to %u KiB", o->writebehind, MAX_WRITEBEHIND);
    if (o->max_threads < 2 || o->max_threads > 4096)
        return fail(why, "option max_threads=%u: expected 2 to 4096", o->max_threads);
    return 0;
}

/* Who we are to the server: by name and by number. */
static int settle_user(struct options *o, struct p9_why *why)
{
    char *end;

    if (o->uname == NULL) {
        const struct passwd *pw = getpwuid(getuid());
        o->uname = strdup(pw != NULL ? pw->pw_name : "nobody");
        o->n_uname = getuid();
    } else {
        const struct passwd *pw = getpwnam(o->uname);
        unsigned long n = strtoul(o->uname, &end, 10);
        if (pw != NULL)
            o->n_uname = pw->pw_uid;
        else if (*o->uname != 0 && *end == 0 && n < P9_NONUNAME)
            o->n_uname = (uint32_t)n;
        else
            o->n_uname = P9_NONUNAME;
    }
    return o->uname != NULL ? 0 : fail(why, "%s", strerror(ENOMEM));
}

/* What mount(8) and df show as the source is what was typed. */
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
    return rc == 0 ? 0 : fail(why, "%s", strerror(ENOMEM));
}

static int take_libfuse_options(struct options *o, struct p9_why *why)
{
    struct fuse_cmdline_opts c;

    if (fuse_parse_cmdline(&o->args, &c) != 0)
        return fail(why, "an option cannot be read (see 9pfs --help)");
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
        return fail(why, "an option cannot be read (see 9pfs --help)");
    if (take_libfuse_options(o, why) != 0)
        return -1;
    if (o->help || o->show_version)
        return 0;
    if (o->source == NULL)
        return fail(why, "no SOURCE given (see 9pfs --help)");
    if (o->mountpoint == NULL)
        return fail(why, "no MOUNTPOINT given (see 9pfs --help)");
    if (o->surplus != NULL)
        return fail(why, "'%s': there are a SOURCE and a MOUNTPOINT already (see 9pfs --help)", o->surplus);
    if (check_cache(o, why) != 0 || settle_lifetimes(o, why) != 0)
        return -1;
    if (check_numbers(o, why) != 0 || check_version(o, why) != 0 || check_access(o, why) != 0)
        return -1;
    if ((o->rfdno < 0 && o->wfdno < 0) && options_parse_source(o, o->source, why) != 0)
        return -1;
    if (check_trans(o, why) != 0 || settle_user(o, why) != 0 || name_the_mount(o, why) != 0)
        return -1;
    if (o->port == NULL)
        set(&o->port, "564", 3);
    if (o->aname == NULL)
        set(&o->aname, "", 0);
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
    free(o->mountpoint);
    free(o->surplus);
    fuse_opt_free_args(&o->args);
}

void options_help(void)
{
    printf("usage: 9pfs [options] SOURCE MOUNTPOINT\n"
           "\n"
           "Mounts a remote 9P export.\n"
           "\n"
           "SOURCE: [USER@]HOST[:ANAME], [USER@][IPV6][:ANAME], 9p://[USER@]HOST[:PORT][/ANAME],\n"
           "        tcp!HOST!PORT, unix!PATH, or the path of a unix socket (./NAME if it has a colon)\n"
           "\n"
           "    -h   --help            this text\n"
           "    -V   --version         versions of 9pfs and libfuse\n"
           "    -f                     stay in the foreground\n"
           "    -d   -o debug          print every 9P message on stderr (implies -f)\n"
           "    -s                     one thread\n"
           "    -o port=PORT           TCP port, number or name (564)\n"
           "    -o trans=tcp|unix|fd   transport, where the source does not say it\n"
           "    -o rfdno=N,wfdno=N     talk over these open descriptors\n"
           "    -o aname=NAME          the export to attach to\n"
           "    -o uname=USER          attach as this user, name or number (who runs 9pfs)\n"
           "    -o auth=COMMAND        a command that convinces the server, over its stdin and stdout\n"
           "    -o access=user         each local user attaches (as root with allow_other)\n"
           "    -o access=client       one attach, and the kernel checks the modes\n"
           "                           both imply default_permissions\n"
           "    -o posixacl            the kernel checks POSIX ACLs, too\n"
           "    -o access=any          one attach, for all users (otherwise)\n"
           "    -o access=UID          one attach, for this user alone\n"
           "    -o version=DIALECT     9P2000.L, 9P2000.u or 9P2000 and no other (the highest the\n"
           "                           server speaks)\n"
           "    -o noextend            the same as version=9P2000\n"
           "    -o dfltuid=N,dfltgid=N owners that the server names and this machine does not know (%u)\n"
           "    -o msize=BYTES         largest message to ask for (%u)\n"
           "    -o cache=none|cto|loose  nothing is kept; checked at each open (the default); kept for an hour\n"
           "    -o attr_timeout=S,entry_timeout=S,negative_timeout=S\n"
           "                           how long attributes, names, and that there is none, are believed (%u)\n"
           "    -o actimeo=S, noac     the first two at once; actimeo=0\n"
           "    -o directio            reads and writes pass the page cache by\n"
           "    -o ignoreqv            qid.version does not tell whether a file has changed\n"
           "    -o max_fids=N          fids the server is asked to keep at most (%u)\n"
           "    -o max_threads=N       threads for requests of the kernel's (%u)\n"
           "    -o readahead=KIB       how far a file read from front to back is read ahead (%u; 0: not here)\n"
           "    -o readahead_memory=KIB  in all files together (%u)\n"
           "    -o writebehind=KIB     what may be written and not acknowledged yet (%u; 0: each write waits)\n"
           "    -o clone_fd            a /dev/fuse descriptor for each thread\n"
           "\n"
           "Options of mount(8) and FUSE, some of them:\n",
           NOBODY, DEFAULT_PAYLOAD + P9_IOHDRSZ, CTO_MS / 1000, DEFAULT_MAX_FIDS, DEFAULT_MAX_THREADS,
           DEFAULT_READAHEAD, DEFAULT_READAHEAD_MEMORY, DEFAULT_WRITEBEHIND);
    fuse_lowlevel_help();
}
