/*
 * mountinfo.c: what /proc/self/mountinfo says of a mount.
 */
#include "fuse/mountinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_octal(const char *s)
{
    return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

void mountinfo_unescape(char *s)
{
    char *to = s;

    for (; *s != 0; s++)
        if (s[0] == '\\' && is_octal(s + 1)) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    *to = 0;
}

bool mount_device(const char *mountpoint, char device[32], bool *alone)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL, *where;
    char dev[32];
    size_t size = 0;
    bool found = false;

    *alone = true;
    while (f != NULL && getline(&line, &size, f) >= 0) {
        if (sscanf(line, "%*s %*s %31s %*s %ms", dev, &where) != 2)
            continue;
        mountinfo_unescape(where);
        if (strcmp(where, mountpoint) == 0) {
            memcpy(device, dev, sizeof dev);
            *alone = !found;
            found = true;
        }
        free(where);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return found;
}

bool proc_hides_processes(void)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0;
    bool hides = false;

    while (f != NULL && !hides && getline(&line, &size, f) >= 0) {
        const char *last = strstr(line, " - proc ");
        hides = last != NULL && strstr(line, " /proc ") != NULL && strstr(last, "hidepid=") != NULL;
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return hides;
}
