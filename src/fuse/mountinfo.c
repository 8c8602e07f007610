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

/* The value of an option of a list, a number; 0 if it is not there. */
static unsigned number_of(const char *options, const char *name)
{
    const char *at = strstr(options, name);

    return at != NULL ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
}

bool mount_lookup(const char *mountpoint, struct mount_entry *m)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL, *where;
    size_t size = 0;
    bool found = false;

    while (f != NULL && getline(&line, &size, f) >= 0) {
        const char *rest = strstr(line, " - ");
        char device[sizeof m->device];
        if (rest == NULL || sscanf(line, "%*s %*s %31s %*s %ms", device, &where) != 2)
            continue;
        mountinfo_unescape(where);
        if (strcmp(where, mountpoint) == 0 && sscanf(rest, " - %63s %*s %511s", m->type, m->options) == 2) {
            memcpy(m->device, device, sizeof device);
            m->alone = !found;
            m->uid = number_of(rest, ",user_id=");
            m->gid = number_of(rest, ",group_id=");
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
