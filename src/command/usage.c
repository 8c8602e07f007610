/*
 * usage.c: the text of 9pfs --help; the part of the options is made from options.list.
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
                           "    vsock:CID[:PORT][:ANAME]\n";

#include "command/options_help.h"

void options_help(void)
{
    fputs(head, stdout);
    fputs(options_text, stdout);
}
