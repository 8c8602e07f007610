/*
 * options_check.c: checks the values of options and derives the settings they stand for.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "command/options_impl.h"

bool options_use_descriptors(const struct options *o)
{
    return o->trans == NULL ? o->rfdno >= 0 || o->wfdno >= 0 : strcmp(o->trans, "fd") == 0;
}

int options_check_trans(struct options *o, struct p9_why *why)
{
    if (o->trans != NULL && strcmp(o->trans, "fd") != 0 && strcmp(o->trans, "tcp") != 0 &&
        strcmp(o->trans, "unix") != 0)
        return options_fail(why, "option trans=%s: expected tcp, unix or fd", o->trans);
    if (!options_use_descriptors(o)) {
        if (o->trans != NULL && strcmp(o->trans, "unix") == 0)
            o->dial = DIAL_UNIX;
        return 0;
    }
    if (o->rfdno < 0 || o->wfdno < 0)
        return options_fail(why, "trans=fd needs both rfdno= and wfdno=");
    o->dial = DIAL_FDS;
    return 0;
}

/* access=user is the default where it makes sense: other users are let in, and root mounts, who may
 * attach as any of them. */
int options_check_access(struct options *o, struct p9_why *why)
{
    const char *a = o->access;
    char *end;

    if (a == NULL)
        o->access = strdup(getuid() == 0 && o->allow_other ? "user" : "any");
    else if (strcmp(a, "user") != 0 && strcmp(a, "client") != 0 && strcmp(a, "any") != 0 &&
             (strtoul(a, &end, 10) >= UINT32_MAX || *a == 0 || *end != 0))
        return options_fail(why, "option access=%s: expected user, client, any or a user ID", a);
    /* As v9fs does: some servers (diod) leave it to the client to check permissions. */
    if (o->access != NULL && (strcmp(o->access, "client") == 0 || strcmp(o->access, "user") == 0) &&
        (fuse_opt_add_arg(&o->args, "-o") != 0 || fuse_opt_add_arg(&o->args, "default_permissions") != 0))
        return options_fail(why, "%s", strerror(ENOMEM));
    return o->access != NULL ? 0 : options_fail(why, "%s", strerror(ENOMEM));
}

int options_check_version(struct options *o, struct p9_why *why)
{
    const char *asked = o->version != NULL ? o->version : p9_dialect_name(o->noextend ? P9_2000 : P9_2000L);

    for (o->dialect = P9_2000L; o->dialect != 0; o->dialect = p9_dialect_below(o->dialect))
        if (strcasecmp(asked, p9_dialect_name(o->dialect)) == 0)
            return 0;
    return options_fail(why, "option version=%s: expected 9P2000.L, 9P2000.u or 9P2000", o->version);
}

int options_check_cache(struct options *o, struct p9_why *why)
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
    return options_fail(why, "option cache=%s: expected none, cto or loose (or v9fs's readahead, mmap, fscache)",
                        o->cache_name);
}

/* Parses decimal seconds. text NULL leaves *ms as it is. */
static int parse_seconds(const char *option, const char *text, unsigned *ms, struct p9_why *why)
{
    char *end;

    if (text == NULL)
        return 0;
    double seconds = strtod(text, &end);
    if (*text == 0 || *end != 0 || !(seconds >= 0 && seconds <= MAX_SECONDS))
        return options_fail(why, "option %s=%s: expected seconds, 0 to %u", option, text, MAX_SECONDS);
    *ms = (unsigned)(seconds * 1000 + 0.5);
    return 0;
}

int options_derive_lifetimes(struct options *o, struct p9_why *why)
{
    unsigned negative;

    o->attr_ms = o->cache == CACHE_CTO ? CTO_MS : o->cache == CACHE_LOOSE ? LOOSE_MS : 0;
    if (o->noac)
        o->attr_ms = 0;
    if (parse_seconds("actimeo", o->actimeo, &o->attr_ms, why) != 0)
        return -1;
    o->entry_ms = o->attr_ms;
    if (parse_seconds("attr_timeout", o->attr_text, &o->attr_ms, why) != 0 ||
        parse_seconds("entry_timeout", o->entry_text, &o->entry_ms, why) != 0 ||
        parse_seconds("negative_timeout", o->negative_text, &negative, why) != 0)
        return -1;
    o->negative_ms = -1;
    if (o->negtimeout != NEGTIMEOUT_NOT_SET)
        o->negative_ms = o->negtimeout >= 0 ? o->negtimeout : LOOSE_MS;
    if (o->negative_text != NULL)
        o->negative_ms = (int)negative;
    return 0;
}

int options_derive_waits(struct options *o, struct p9_why *why)
{
    o->timeo_ms = TIMEO_MS;
    o->probe_ms = PROBE_MS;
    o->unmount_wait_ms = UNMOUNT_WAIT_MS;
    if (parse_seconds("timeo", o->timeo_text, &o->timeo_ms, why) != 0 ||
        parse_seconds("probe", o->probe_text, &o->probe_ms, why) != 0 ||
        parse_seconds("unmount_wait", o->unmount_wait_text, &o->unmount_wait_ms, why) != 0)
        return -1;
    if (o->soft && o->timeo_ms == 0)
        return options_fail(why, "option timeo=%s: soft needs more than 0 seconds", o->timeo_text);
    return 0;
}

int options_check_numbers(struct options *o, struct p9_why *why)
{
    if (o->msize < P9_MIN_MSIZE || o->msize > P9_MAX_MSIZE)
        return options_fail(why, "option msize=%u: expected %u to %u bytes", o->msize, P9_MIN_MSIZE, P9_MAX_MSIZE);
    if (o->max_fids < MIN_MAX_FIDS || o->max_fids > 1u << 24)
        return options_fail(why, "option max_fids=%u: expected %u to %u", o->max_fids, MIN_MAX_FIDS, 1u << 24);
    if (o->readahead > MAX_READAHEAD)
        return options_fail(why, "option readahead=%u: expected 0 to %u KiB", o->readahead, MAX_READAHEAD);
    if (o->readahead_memory > MAX_READAHEAD)
        return options_fail(why, "option readahead_memory=%u: expected 0 to %u KiB", o->readahead_memory,
                            MAX_READAHEAD);
    if (o->writebehind > MAX_WRITEBEHIND)
        return options_fail(why, "option writebehind=%u: expected 0 to %u KiB", o->writebehind, MAX_WRITEBEHIND);
    if (o->max_threads < 2 || o->max_threads > 4096)
        return options_fail(why, "option max_threads=%u: expected 2 to 4096", o->max_threads);
    return 0;
}

/* uname and n_uname: the user to attach as, by name and by number. */
int options_derive_user(struct options *o, struct p9_why *why)
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
    return o->uname != NULL ? 0 : options_fail(why, "%s", strerror(ENOMEM));
}
