/*
 * options_check.c: checks the values of options and derives the settings they stand for.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "command/options_impl.h"

/* A number, or else the name of a service, which is looked up with the host. Those of vsock are
 * others. */
int options_check_port(struct options *o, struct p9_why *why)
{
    if (strcmp(o->port, "9fs") == 0) /* Plan 9's name, which others lack */
        options_set(&o->port, "564", 3);
    char *end;
    unsigned long n = strtoul(o->port, &end, 10);

    if (o->dial == DIAL_VSOCK)
        return 0;
    if (*o->port == 0 || (*end == 0 && (n < 1 || n > UINT16_MAX)))
        return options_fail(why, "port '%s': expected 1 to %d, or the name of a service", o->port, UINT16_MAX);
    return 0;
}

/* access=user is the default where it makes sense: other users are let in, and root mounts, who may
 * attach as any of them. */
int options_check_access(struct options *o, struct p9_why *why)
{
    const char *a = o->access;
    char *end;

    if (a == NULL)
        o->access = strdup(o->uid == 0 && o->allow_other ? "user" : "any");
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

/* v9fs's bit mask. */
static bool cache_bits(const char *text, unsigned long *bits)
{
    char *end;

    *bits = strtoul(text, &end, 0);
    return *text >= '0' && *text <= '9' && *end == 0;
}

/* v9fs's bits for messages: net/9p/9p.h calls them 9P, FCALL and PKT. */
enum { DEBUG_TRACE = 0x004 | 0x100 | 0x400 };

int options_check_log(struct options *o, struct p9_why *why)
{
    o->level = log_level_named(o->loglevel != NULL ? o->loglevel : "info");
    if (o->level < 0)
        return options_fail(why, "option loglevel=%s: expected error, warning, notice, info or debug", o->loglevel);
    if (o->loglevel == NULL && (o->debug_mask & ~(unsigned)DEBUG_TRACE) != 0)
        o->level = log_level_named("debug");
    o->trace = o->debug || o->trace_file != NULL || (o->debug_mask & DEBUG_TRACE) != 0;
    return 0;
}

int options_check_cache(struct options *o, struct p9_why *why)
{
    enum { LOOSE_BIT = 8 };
    static const struct {
        const char *name;
        enum cache_mode cache;
    } names[] = {
        {"none", CACHE_NONE}, {"cto", CACHE_CTO},       {"loose", CACHE_LOOSE},
        {"mmap", CACHE_CTO},  {"readahead", CACHE_CTO}, {"fscache", CACHE_LOOSE}, /* v9fs's */
    };
    unsigned long bits;

    if (o->cache_name == NULL)
        return 0;
    if (cache_bits(o->cache_name, &bits)) {
        o->cache = bits & LOOSE_BIT ? CACHE_LOOSE : bits != 0 ? CACHE_CTO : CACHE_NONE;
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(o->cache_name, names[i].name) == 0) {
            o->cache = names[i].cache;
            return 0;
        }
    return options_fail(why, "option cache=%s: expected none, cto or loose (or v9fs's readahead, mmap, fscache)",
                        o->cache_name);
}

void options_derive_lifetimes(struct options *o)
{
    unsigned both = o->cache == CACHE_CTO ? CTO_MS : o->cache == CACHE_LOOSE ? LOOSE_MS : 0;

    if (o->noac)
        both = 0;
    if (o->actimeo_ms != NOT_GIVEN)
        both = o->actimeo_ms;
    if (o->attr_ms == NOT_GIVEN)
        o->attr_ms = both;
    if (o->entry_ms == NOT_GIVEN)
        o->entry_ms = both;
    o->negative_ms = -1;
    if (o->negtimeout != NEGTIMEOUT_NOT_SET)
        o->negative_ms = o->negtimeout >= 0 ? o->negtimeout : LOOSE_MS;
    if (o->negative_timeout_ms != NOT_GIVEN)
        o->negative_ms = (int)o->negative_timeout_ms;
}

int options_check_waits(struct options *o, struct p9_why *why)
{
    if (o->soft && o->timeo_ms == 0)
        return options_fail(why, "option timeo=0: soft needs more than 0 seconds");
    return 0;
}

/* uid: who mounts. */
int options_derive_uid(struct options *o, struct p9_why *why)
{
    const struct passwd *pw = o->setuid != NULL ? getpwnam(o->setuid) : NULL;

    if (o->setuid != NULL && pw == NULL)
        return options_fail(why, "option setuid=%s: there is no such user", o->setuid);
    if (o->setuid != NULL && geteuid() != 0 && pw->pw_uid != geteuid())
        return options_fail(why, "option setuid=%s: only root can mount as another user", o->setuid);
    o->uid = pw != NULL ? pw->pw_uid : getuid();
    return 0;
}

/* uname and n_uname: the user to attach as, by name and by number. */
int options_derive_uname(struct options *o, struct p9_why *why)
{
    char *end;

    if (o->uname == NULL) {
        const struct passwd *pw = getpwuid(o->uid);
        o->uname = strdup(pw != NULL ? pw->pw_name : "nobody");
        o->n_uname = o->uid;
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
