/*
 * hints.c: the usual mistakes with a source, told apart by what failed.
 */
#include "command/hints.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* HOST:PORT and HOST:PORT:ANAME are a host and an export that begins with PORT: is it so? */
static bool hint_port(const struct options *o, char *text, size_t n)
{
    int digits = o->aname != NULL ? (int)strspn(o->aname, "0123456789") : 0;
    bool may_be = (o->dial == DIAL_TCP || o->dial == DIAL_TLS) && digits > 0 &&
                  (o->aname[digits] == 0 || o->aname[digits] == ':');

    if (may_be)
        snprintf(text, n, " (if %.*s is the port, use -o port=%.*s)", digits, o->aname, digits, o->aname);
    return may_be;
}

static const char *kind_of_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 || S_ISSOCK(st.st_mode))
        return NULL;
    return S_ISDIR(st.st_mode) ? "a directory" : "a file";
}

bool hint_connect(const struct options *o, int err, char *text, size_t n)
{
    const char *kind = o->dial == DIAL_UNIX ? kind_of_file(o->host) : NULL;

    *text = 0;
    if (kind != NULL)
        snprintf(text, n, " (it is %s, not a socket; an export of a server is HOST:%s)", kind, o->host);
    else if (!hint_port(o, text, n) && o->dial == DIAL_TCP && err == -EHOSTUNREACH && kind_of_file(o->source) != NULL)
        snprintf(text, n, " (%s is %s here: SOURCE comes before MOUNTPOINT)", o->source, kind_of_file(o->source));
    return kind != NULL;
}

void hint_mountpoint(const char *path, char *text, size_t n)
{
    snprintf(text, n, "%s", strchr(path, ':') != NULL ? " (SOURCE comes before MOUNTPOINT)" : "");
}

void hint_attach(const struct options *o, char *text, size_t n)
{
    if (hint_port(o, text, n))
        return;
    if (*o->aname == 0)
        snprintf(text, n, " (the server may want the name of an export: HOST:/path, or -o aname=NAME)");
    else
        snprintf(text, n, " (there may be no such export, or not for this user)");
}
