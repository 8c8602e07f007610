/*
 * source.c: parses the SOURCE argument: a host, a URL, a dial string, a socket's path or a vsock
 * address.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/stat.h>

#include "command/options_impl.h"

/* tcp!host!port, unix!/path */
static int parse_dial_string(struct options *o, const char *s, struct p9_why *why)
{
    const char *bang = strchr(s, '!');
    size_t net = (size_t)(bang - s);

    if (net == 4 && strncmp(s, "unix", 4) == 0) {
        o->dial = DIAL_UNIX;
        options_set(&o->host, bang + 1, strlen(bang + 1));
        return 0;
    }
    if (net != 3 || (strncmp(s, "tcp", 3) != 0 && strncmp(s, "net", 3) != 0))
        return options_fail(why, "source '%s': unknown network '%.*s': expected tcp, net or unix", s, (int)net, s);
    const char *host = bang + 1, *end = strchr(host, '!');
    options_set(&o->host, host, end != NULL ? (size_t)(end - host) : strlen(host));
    if (end != NULL)
        options_set(&o->port, end + 1, strlen(end + 1));
    return 0;
}

/* Parses "[v6]", or a host that ends at one of `stops`. What follows it; NULL if a ']' is missing.
 * */
static const char *parse_host_part(struct options *o, const char *s, const char *stops)
{
    if (*s == '[') {
        const char *end = strchr(s, ']');
        if (end == NULL)
            return NULL;
        options_set(&o->host, s + 1, (size_t)(end - s - 1));
        return end + 1;
    }
    size_t n = strcspn(s, stops);
    options_set(&o->host, s, n);
    return s + n;
}

/* What follows USER@, if it is there. */
static const char *parse_user(struct options *o, const char *s)
{
    const char *at = s + strcspn(s, "@/:[");

    if (*at != '@')
        return s;
    if (o->uname == NULL)
        options_set(&o->uname, s, (size_t)(at - s));
    return at + 1;
}

/* [user@]host[:port][/aname], after 9p:// */
static int parse_url(struct options *o, const char *s, const char *source, struct p9_why *why)
{
    s = parse_host_part(o, parse_user(o, s), ":/");
    if (s != NULL && *s == ':') {
        size_t n = strcspn(s + 1, "/");
        options_set(&o->port, s + 1, n);
        s += 1 + n;
    }
    if (s == NULL || (*s != 0 && *s != '/'))
        return options_fail(why, "source '%s': expected 9p://[USER@]HOST[:PORT][/ANAME]", source);
    if (*s == '/' && o->aname == NULL)
        options_set(&o->aname, s, strlen(s));
    return 0;
}

/* [user@]host[:aname], [user@][v6][:aname], v6 */
static int parse_host(struct options *o, const char *s, const char *source, struct p9_why *why)
{
    struct in6_addr v6;

    s = parse_user(o, s);
    if (inet_pton(AF_INET6, s, &v6) == 1) {
        options_set(&o->host, s, strlen(s));
        return 0;
    }
    s = parse_host_part(o, s, ":");
    if (s == NULL || (*s != 0 && *s != ':'))
        return options_fail(why, "source '%s': expected [USER@]HOST[:ANAME], [USER@][IPV6][:ANAME] or a socket's path",
                            source);
    if (*s == ':' && o->aname == NULL)
        options_set(&o->aname, s + 1, strlen(s + 1));
    return 0;
}

void options_parse_name(struct options *o, const char *source)
{
    struct p9_why unused;

    if (strncmp(source, "9p://", 5) == 0)
        parse_url(o, source + 5, source, &unused);
    else
        parse_host(o, source, source, &unused);
}

/* ---- vsock ---------------------------------------------------------------- */

static const char vsock_prefix[] = "vsock:";

/* "vsock:" and a CID: a host may have this name, too. */
static bool is_vsock_address(const char *s)
{
    static const char *const words[] = {"host", "local", "hypervisor"};

    if (strncmp(s, vsock_prefix, sizeof vsock_prefix - 1) != 0)
        return false;
    s += sizeof vsock_prefix - 1;
    size_t n = strcspn(s, ":"), digits = strspn(s, "0123456789");
    bool is_cid = n > 0 && digits == n;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        is_cid = is_cid || (n == strlen(words[i]) && strncmp(s, words[i], n) == 0);
    return is_cid;
}

bool options_say_vsock(const struct options *o, const char *source)
{
    return o->trans != NULL ? strcmp(o->trans, "vsock") == 0 : is_vsock_address(source);
}

/* [USER@]CID[:PORT][:ANAME], after vsock: or with trans=vsock. What follows the CID is a port if it
 * is a number. */
int options_parse_vsock(struct options *o, const char *source, struct p9_why *why)
{
    const char *s = is_vsock_address(source) ? source + sizeof vsock_prefix - 1 : source;

    (void)why;
    o->dial = DIAL_VSOCK;
    s = parse_host_part(o, parse_user(o, s), ":");
    size_t n = s != NULL && *s == ':' ? strspn(s + 1, "0123456789") : 0;
    if (n > 0 && (s[1 + n] == 0 || s[1 + n] == ':')) {
        options_set(&o->port, s + 1, n);
        s += 1 + n;
    }
    if (s != NULL && *s == ':' && o->aname == NULL)
        options_set(&o->aname, s + 1, strlen(s + 1));
    return 0;
}

/* A path has a slash before any colon, which no host has. A single word is a path if it names a
 * socket, unless trans=tcp. */
static bool is_path(const struct options *o, const char *source)
{
    struct stat st;
    const char *end = source + strcspn(source, "/:");

    if (*end != 0)
        return *end == '/';
    return (o->trans == NULL || strcmp(o->trans, "tcp") != 0) && stat(source, &st) == 0 && S_ISSOCK(st.st_mode);
}

int options_parse_source(struct options *o, const char *source, struct p9_why *why)
{
    size_t word = strcspn(source, "!/:[@");
    int rc = 0;

    o->dial = DIAL_TCP;
    if (options_say_vsock(o, source)) {
        rc = options_parse_vsock(o, source, why);
    } else if (strncmp(source, "9p://", 5) == 0) {
        rc = parse_url(o, source + 5, source, why);
    } else if (source[word] == '!') {
        rc = parse_dial_string(o, source, why);
    } else if (is_path(o, source)) {
        o->dial = DIAL_UNIX;
        options_set(&o->host, source, strlen(source));
    } else {
        rc = parse_host(o, source, source, why);
    }
    if (rc == 0 && o->aname != NULL && strncmp(o->aname, "//", 2) == 0 && strchr(source, '@') == NULL &&
        strncmp(source + strcspn(source, ":"), "://", 3) == 0)
        return options_fail(why, "source '%s': a URL begins with 9p://", source);
    if (rc == 0 && (o->host == NULL || *o->host == 0))
        return options_fail(why, "source '%s': the host is missing", source);
    return rc;
}
