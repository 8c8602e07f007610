/*
 * remount.c: mount -o remount. mount(8) gives all options of /etc/fstab or of the kernel's list
 * again, with what is to change. The flags are the kernel's; anything else would need a new
 * connection. What the mount was made with is in its statistics.
 */
#include "command/remount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "command/options_impl.h"
#include "command/stats.h"
#include "fuse/mountinfo.h"

static const struct {
    const char *name;
    unsigned long flag;
    bool on;
} flags[] = {
    {"ro", MS_RDONLY, true},
    {"rw", MS_RDONLY, false},
    {"nosuid", MS_NOSUID, true},
    {"suid", MS_NOSUID, false},
    {"nodev", MS_NODEV, true},
    {"dev", MS_NODEV, false},
    {"noexec", MS_NOEXEC, true},
    {"exec", MS_NOEXEC, false},
    {"sync", MS_SYNCHRONOUS, true},
    {"async", MS_SYNCHRONOUS, false},
    {"dirsync", MS_DIRSYNC, true},
    {"noatime", MS_NOATIME, true},
    {"atime", MS_NOATIME, false},
    {"nodiratime", MS_NODIRATIME, true},
    {"diratime", MS_NODIRATIME, false},
    {"relatime", MS_RELATIME, true},
    {"norelatime", MS_RELATIME, false},
    {"strictatime", MS_STRICTATIME, true},
    {"nostrictatime", MS_STRICTATIME, false},
};

static unsigned long flags_now(const struct statvfs *vfs)
{
    static const struct {
        unsigned long shown, flag;
    } same[] = {{ST_RDONLY, MS_RDONLY},           {ST_NOSUID, MS_NOSUID},    {ST_NODEV, MS_NODEV},
                {ST_NOEXEC, MS_NOEXEC},           {ST_NOATIME, MS_NOATIME},  {ST_NODIRATIME, MS_NODIRATIME},
                {ST_SYNCHRONOUS, MS_SYNCHRONOUS}, {ST_RELATIME, MS_RELATIME}};
    unsigned long now = 0;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (vfs->f_flag & same[i].shown)
            now |= same[i].flag;
    return now;
}

struct change {
    const char *mountpoint;
    const char *given; /* the options that the mount was made with, */
    const char *shown; /* and those that the kernel shows */
    unsigned long flags;
};

struct search {
    const char *word;
    bool found;
};

static int compare(void *data, const char *arg, int key, struct fuse_args *out)
{
    struct search *s = data;

    (void)key, (void)out;
    s->found = s->found || strcmp(arg, s->word) == 0;
    return 0;
}

/* Calls take for each option of a list. */
static int each(const char *list, fuse_opt_proc_t take, void *data)
{
    const struct fuse_opt none = FUSE_OPT_END;
    char *argv[] = {"9pfs", "-o", (char *)list, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, argv);
    int rc = *list != 0 ? fuse_opt_parse(&args, data, &none, take) : 0;

    fuse_opt_free_args(&args);
    return rc;
}

static bool is_as_before(const struct change *c, const char *arg)
{
    struct search s = {.word = arg};

    each(c->given, compare, &s);
    each(c->shown, compare, &s);
    return s.found || options_is_dropped(arg);
}

static int take(void *data, const char *arg, int key, struct fuse_args *out)
{
    struct change *c = data;

    (void)key, (void)out;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(arg, flags[i].name) == 0) {
            c->flags = flags[i].on ? c->flags | flags[i].flag : c->flags & ~flags[i].flag;
            return 0;
        }
    if (strcmp(arg, "remount") == 0 || is_as_before(c, arg))
        return 0;
    log_error("cannot remount %s: option %s cannot change while it is mounted: unmount it and mount it again",
              c->mountpoint, arg);
    return -1;
}

static int remount_at(const char *mountpoint, const struct options *o, bool complete, const struct stats_values *now)
{
    struct change c = {.mountpoint = mountpoint, .given = stats_text(now, "options")};
    struct mount_entry m;
    struct statvfs vfs;

    if (!mount_lookup(mountpoint, &m) || statvfs(mountpoint, &vfs) != 0) {
        log_error("cannot remount %s: %s", mountpoint, strerror(errno));
        return -1;
    }
    c.shown = m.options;
    /* What fusermount3 made, the words of a user's line do not undo: only suid and dev do. */
    c.flags = !complete ? flags_now(&vfs) : m.uid != 0 ? MS_NOSUID | MS_NODEV : 0;
    if (each(o->given, take, &c) != 0)
        return -1;
    if (mount(NULL, mountpoint, NULL, MS_REMOUNT | c.flags, NULL) == 0)
        return 0;
    log_error("cannot remount %s: %s", mountpoint, strerror(errno));
    return -1;
}

int remount(const struct options *o, bool complete)
{
    struct stats_values *now = NULL;
    struct p9_why why;
    char *mountpoint = realpath(o->mountpoint, NULL), *json = stats_ask(o->mountpoint, &why);
    int rc = -1;

    if (json == NULL)
        log_error("cannot remount: %s", why.text);
    else
        now = stats_values_new(json);
    if (now != NULL && mountpoint != NULL)
        rc = remount_at(mountpoint, o, complete, now);
    else if (json != NULL)
        log_error("cannot remount %s: its answer is not one of 9pfs", o->mountpoint);
    if (now != NULL)
        stats_values_free(now);
    free(json);
    free(mountpoint);
    return rc == 0 ? 0 : 1;
}
