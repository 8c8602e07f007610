/*
 * usage.c: the text of 9pfs --help, in the order of the manual page.
 */
#include <stdio.h>

#include "command/options_impl.h"

static const char head[] = "usage: 9pfs [options] SOURCE MOUNTPOINT\n"
                           "\n"
                           "Mounts the export of a 9P server. Unmount with umount or fusermount3 -u.\n"
                           "\n"
                           "SOURCE:\n"
                           "    [USER@]HOST[:ANAME]  [USER@][IPV6][:ANAME]  9p://[USER@]HOST[:PORT][/ANAME]\n"
                           "    tcp!HOST!PORT  unix!PATH  or the path of a unix socket (./NAME if it has a colon)\n"
                           "\n"
                           "    -h   --help            print this text\n"
                           "    -V   --version         print the versions of 9pfs and libfuse\n"
                           "    -f                     stay in the foreground\n"
                           "    -d   -o debug          print every 9P message on stderr (implies -f)\n"
                           "    -s                     serve with a single thread\n";

static const char connection[] = "\nConnection (defaults in parentheses):\n"
                                 "    -o port=PORT           TCP port, number or service name (564)\n"
                                 "    -o trans=tcp|unix|fd   transport, if SOURCE does not imply one\n"
                                 "    -o rfdno=N,wfdno=N     use these open descriptors as the connection\n"
                                 "    -o aname=NAME          export to attach to (that of SOURCE)\n"
                                 "    -o version=DIALECT     9P2000.L, 9P2000.u or 9P2000, and no other\n"
                                 "                           (the highest that the server speaks)\n"
                                 "    -o noextend            the same as version=9P2000\n"
                                 "    -o msize=BYTES         largest message to propose (%u)\n"
                                 "    -o max_fids=N          most fids in use on the server (%u)\n";

static const char absence[] =
    "\nWhen the server does not answer:\n"
    "    -o hard                operations wait until it does (default)\n"
    "    -o soft                they fail with ETIMEDOUT after timeo= seconds\n"
    "    -o timeo=S             that time (%u)\n"
    "    -o probe=S             a server that owes a reply and is silent for so long is probed, and\n"
    "                           the connection given up after as long again (%u; 0: never)\n"
    "    -o noreconnect         the end of the connection is that of the mount\n"
    "    -o unmount_wait=S      how long the end of the mount waits for a silent server (%u)\n";

static const char identity[] =
    "\nIdentity and permissions:\n"
    "    -o uname=USER          user to attach as, name or number (USER of SOURCE, or you)\n"
    "    -o auth=COMMAND        authenticate: COMMAND talks to the server on stdin and stdout\n"
    "    -o access=user         each local user attaches (default for root with allow_other)\n"
    "    -o access=client       a single attach; the kernel checks permissions\n"
    "    -o access=any          a single attach, used for everybody (default otherwise)\n"
    "    -o access=UID          a single attach, for this user only\n"
    "                           (user and client imply default_permissions)\n"
    "    -o posixacl            the kernel checks POSIX ACLs as well\n"
    "    -o dfltuid=N,dfltgid=N owner and group where the server's are unknown here (%u)\n";

static const char caching[] =
    "\nCaching and performance:\n"
    "    -o cache=cto           revalidate at each open; names and attributes: 1 s (default)\n"
    "    -o cache=none          cache nothing\n"
    "    -o cache=loose         cache names and attributes for an hour\n"
    "    -o attr_timeout=S      lifetime of attributes, seconds (%u)\n"
    "    -o entry_timeout=S     lifetime of names (%u)\n"
    "    -o negative_timeout=S  lifetime of negative entries (entry_timeout; 0 below 9P2000.L)\n"
    "    -o actimeo=S           attr_timeout and entry_timeout at once\n"
    "    -o noac                actimeo=0\n"
    "    -o negtimeout=MS       negative_timeout in milliseconds; -1: an hour\n"
    "    -o directio            reads and writes bypass the page cache\n"
    "    -o ignoreqv            ignore qid.version when looking for changes\n"
    "    -o readahead=KIB       read-ahead of a file read in sequence (%u; 0: the kernel's only)\n"
    "    -o readahead_memory=KIB  the same for all files together (%u)\n"
    "    -o writebehind=KIB     written data not yet acknowledged (%u; 0: each write waits)\n"
    "    -o max_threads=N       threads that serve the kernel's requests (%u)\n"
    "    -o clone_fd            a /dev/fuse descriptor for each thread\n"
    "\n"
    "Options of FUSE (and those of mount(8), such as ro):\n";

void options_help(void)
{
    fputs(head, stdout);
    printf(connection, DEFAULT_PAYLOAD + P9_IOHDRSZ, DEFAULT_MAX_FIDS);
    printf(absence, TIMEO_MS / 1000, PROBE_MS / 1000, UNMOUNT_WAIT_MS / 1000);
    printf(identity, NOBODY);
    printf(caching, CTO_MS / 1000, CTO_MS / 1000, DEFAULT_READAHEAD, DEFAULT_READAHEAD_MEMORY, DEFAULT_WRITEBEHIND,
           DEFAULT_MAX_THREADS);
    fuse_lowlevel_help();
}
