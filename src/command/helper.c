/*
 * helper.c: the command line that mount(8) gives a helper:
 *
 *     mount.TYPE SOURCE MOUNTPOINT [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]
 *
 * Its -f and -s are not those of 9pfs, hence the name decides.
 */
#include "command/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/options_impl.h"

/* A process's number, or the path of a namespace. */
static int enter_namespace(const char *ns, struct p9_why *why)
{
    char path[64];

    if (ns[strspn(ns, "0123456789")] == 0) {
        snprintf(path, sizeof path, "/proc/%.20s/ns/mnt", ns);
        ns = path;
    }
    int fd = open(ns, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 || setns(fd, CLONE_NEWNS) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return err == 0 ? 0 : options_fail(why, "cannot enter the mount namespace %s: %s", ns, strerror(err));
}

static void add(struct helper *h, const char *word)
{
    h->argv[h->argc++] = (char *)word;
}

static void add_options(struct helper *h, const char *options)
{
    add(h, "-o");
    add(h, options);
}

enum { NO_SWITCH = 1 }; /* of getopt, where the switches begin with a dash */

static int read_switch(struct helper *h, int c, struct p9_why *why)
{
    switch (c) {
    case 'f':
        h->fake = true;
        return 0;
    case 's':
        h->sloppy = true;
        return 0;
    case 'v':
        h->verbose = true;
        return 0;
    case 'n': /* there is no mtab */
    case 't':
        return 0;
    case 'r':
        add_options(h, "ro");
        return 0;
    case 'w':
        add_options(h, "rw");
        return 0;
    case 'o':
        add_options(h, optarg);
        return 0;
    case 'N':
        return enter_namespace(optarg, why);
    case NO_SWITCH:
        add(h, optarg);
        return 0;
    case 'h':
    case 'V':
        add(h, c == 'h' ? "-h" : "-V");
        return 0;
    case ':':
        return options_fail(why, "option -%c needs a value", optopt);
    default:
        return options_fail(why, "unknown option '-%c' (see mount.9pfs(8))", optopt);
    }
}

int helper_read(struct helper *h, int argc, char **argv, struct p9_why *why)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "";
    int c;

    *h = (struct helper){.is = strncmp(name, "mount.", 6) == 0, .argc = argc, .argv = argv};
    if (!h->is)
        return 0;
    h->argc = 0;
    h->argv = calloc(2 * (size_t)argc + 4, sizeof *h->argv);
    if (h->argv == NULL)
        return options_fail(why, "%s", strerror(ENOMEM));
    add(h, argv[0]);
    opterr = 0;
    /* The switches follow SOURCE: with the dash every getopt(3) goes on there. */
    while ((c = getopt(argc, argv, "-:sfnvrwhVN:o:t:")) != -1)
        if (read_switch(h, c, why) != 0)
            return -1;
    for (int i = optind; i < argc; i++)
        add(h, argv[i]);
    return 0;
}

void helper_free(struct helper *h)
{
    if (h->is)
        free(h->argv);
}
