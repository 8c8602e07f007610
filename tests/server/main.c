/*
 * main.c: the options of the test server, and its listening socket.
 *
 *   p9serve [-v L|u|0] [-r lower|unknown|error|close|plain|silent] [-m MSIZE]
 *           [-a SECRET] [-c CHALLENGE] [-o QUIRK] [-f RULE] PORT [FOLDER]
 *
 *   -v  the highest dialect
 *   -r  the answer to a higher dialect (plain: 9P2000)
 *   -m  the largest msize
 *   -a  Tattach requires that SECRET was written to an afid
 *   -c  what an afid reads as ("say the secret")
 *   -f  a fault (rules.c)
 *   -o  blocking-locks, stubborn-locks, no-rename-over, no-chown, no-wstat-sync, mask-by-parent,
 *       slow-flush, no-open, no-atime, empty-xattrs, no-links, other-root, nagle, one-version,
 *       fail-write=K (struct settings)
 *
 * Without FOLDER it serves the synthetic tree (synthetic.c).
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/server.h"

static int listen_on(const char *port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (struct sockaddr *)&a, sizeof a) != 0 || listen(s, 16) != 0) {
        perror("p9serve: cannot listen");
        exit(1);
    }
    return s;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: p9serve [-v L|u|0] [-r lower|unknown|error|close|plain|silent] [-m MSIZE] [-a SECRET] [-c CHALLENGE] "
        "[-o QUIRK] [-f RULE] PORT [FOLDER]\n");
    return 2;
}

static bool set_option(struct settings *set, int opt, const char *arg)
{
    static const char *const refusals[] = {"lower", "unknown", "error", "close", "plain", "silent"};

    switch (opt) {
    case 'v':
        set->highest = *arg == 'L' ? P9_2000L : *arg == 'u' ? P9_2000U : P9_2000;
        return true;
    case 'r':
        for (unsigned i = 0; i < sizeof refusals / sizeof *refusals; i++)
            if (strcmp(arg, refusals[i]) == 0)
                set->refusal = (enum refusal)i;
        return true;
    case 'm':
        set->msize = (uint32_t)atoi(arg);
        return set->msize >= P9_MIN_MSIZE;
    case 'a':
        set->secret = arg;
        return true;
    case 'c':
        set->challenge = arg;
        return true;
    case 'o':
        set->stubborn_locks |= strcmp(arg, "stubborn-locks") == 0;
        set->blocking_locks |= strcmp(arg, "blocking-locks") == 0 || set->stubborn_locks;
        set->no_rename_over |= strcmp(arg, "no-rename-over") == 0;
        set->no_chown |= strcmp(arg, "no-chown") == 0;
        set->no_wstat_sync |= strcmp(arg, "no-wstat-sync") == 0;
        set->no_open |= strcmp(arg, "no-open") == 0;
        set->empty_xattrs |= strcmp(arg, "empty-xattrs") == 0;
        set->no_atime |= strcmp(arg, "no-atime") == 0;
        set->no_links |= strcmp(arg, "no-links") == 0;
        set->other_root |= strcmp(arg, "other-root") == 0;
        set->nagle |= strcmp(arg, "nagle") == 0;
        set->one_version |= strcmp(arg, "one-version") == 0;
        set->slow_flush |= strcmp(arg, "slow-flush") == 0;
        if (strncmp(arg, "fail-write=", 11) == 0)
            set->fail_write = atoi(arg + 11);
        set->mask_by_parent |= strcmp(arg, "mask-by-parent") == 0;
        return true;
    case 'f':
        return rule_add(arg);
    }
    return false;
}

int main(int argc, char **argv)
{
    struct settings set = {.highest = P9_2000L, .msize = 65536 + P9_IOHDRSZ, .challenge = "say the secret\n"};
    struct rlimit files = {65536, 65536};

    for (int opt; (opt = getopt(argc, argv, "v:r:m:a:c:o:f:")) != -1;)
        if (!set_option(&set, opt, optarg))
            return usage();
    if (optind >= argc)
        return usage();
    set.folder = argv[optind + 1];
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &files);
    umask(0);
    int listener = listen_on(argv[optind]);
    for (;;)
        accept_one(&set, listener);
}
