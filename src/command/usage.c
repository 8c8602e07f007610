/*
 * usage.c: 9pfs --help.
 */
#include <stdio.h>

#include "command/options_impl.h"

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
