/*
 * errors.c: server errors to errno.
 *
 * Numbers of .L are those of Linux's generic table; where this host's differ they
 * are translated by name. Texts of 9P2000 are matched by substring: the first row
 * that fits wins, so the more special stand before the more general.
 *
 * What a kernel tells itself by numbers from 512 on (ERESTARTSYS and others) is in no table of programs, and EIO.
 */
#include "wire/errors.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

/* Generic Linux numbers above 34, the ones that differ between machines; 1 to 34 do not. */
static const int linux_generic[] = {
    [35] = EDEADLK,          [36] = ENAMETOOLONG,  [37] = ENOLCK,          [38] = ENOSYS,
    [39] = ENOTEMPTY,        [40] = ELOOP,         [42] = ENOMSG,          [43] = EIDRM,
    [60] = ENOSTR,           [61] = ENODATA,       [62] = ETIME,           [63] = ENOSR,
    [66] = EREMOTE,          [67] = ENOLINK,       [70] = ECOMM,           [71] = EPROTO,
    [72] = EMULTIHOP,        [74] = EBADMSG,       [75] = EOVERFLOW,       [84] = EILSEQ,
    [87] = EUSERS,           [88] = ENOTSOCK,      [89] = EDESTADDRREQ,    [90] = EMSGSIZE,
    [91] = EPROTOTYPE,       [92] = ENOPROTOOPT,   [93] = EPROTONOSUPPORT, [95] = EOPNOTSUPP,
    [98] = EADDRINUSE,       [99] = EADDRNOTAVAIL, [100] = ENETDOWN,       [101] = ENETUNREACH,
    [102] = ENETRESET,       [103] = ECONNABORTED, [104] = ECONNRESET,     [105] = ENOBUFS,
    [106] = EISCONN,         [107] = ENOTCONN,     [108] = ESHUTDOWN,      [110] = ETIMEDOUT,
    [111] = ECONNREFUSED,    [112] = EHOSTDOWN,    [113] = EHOSTUNREACH,   [114] = EALREADY,
    [115] = EINPROGRESS,     [116] = ESTALE,       [121] = EREMOTEIO,      [122] = EDQUOT,
    [123] = ENOMEDIUM,       [124] = EMEDIUMTYPE,  [125] = ECANCELED,      [126] = ENOKEY,
    [127] = EKEYEXPIRED,     [128] = EKEYREVOKED,  [129] = EKEYREJECTED,   [130] = EOWNERDEAD,
    [131] = ENOTRECOVERABLE,
};

enum { LINUX_ENOTSUPP = 524 }; /* the kernel's own number; nfs-ganesha may let it out */

int p9_errno_from_linux(uint32_t ecode)
{
    if (ecode == LINUX_ENOTSUPP)
        return EOPNOTSUPP;
    if (ecode >= 1 && ecode <= 34)
        return (int)ecode;
    if (ecode < sizeof linux_generic / sizeof *linux_generic && linux_generic[ecode] != 0)
        return linux_generic[ecode];
    return EIO;
}

static const struct {
    const char *text;
    int err;
} texts[] = {
    {"not permitted", EPERM},
    {"prohibited", EPERM}, /* Plan 9's lib9p, of what a server does not do */
    {"permission denied", EACCES},
    {"access", EACCES},
    {"already exists", EEXIST},
    {"file exists", EEXIST},
    {"not exist", ENOENT},
    {"no such", ENOENT},
    {"not found", ENOENT},
    {"did not find", ENOENT},
    {"unknown file", ENOENT},
    {"not a member", EPERM},
    {"not a directory", ENOTDIR},
    {"walk in non-directory", ENOTDIR},
    {"is a directory", EISDIR},
    {"not empty", ENOTEMPTY},
    {"read-only", EROFS},
    {"read only", EROFS},
    {"no space", ENOSPC},
    {"file system full", ENOSPC},
    {"disk full", ENOSPC},
    {"quota", EDQUOT},
    {"name too long", ENAMETOOLONG},
    {"too long", EMSGSIZE},
    {"exclusive", EBUSY},
    {"in use", EBUSY},
    {"busy", EBUSY},
    {"already open", EBUSY},
    {"interrupted", EINTR},
    {"i/o error", EIO},
    {"input/output", EIO},
    {"not implemented", EOPNOTSUPP},
    {"not supported", EOPNOTSUPP},
    {"unknown message", EOPNOTSUPP},
    {"bad message", EOPNOTSUPP},
    {"invalid", EINVAL},
    {"illegal", EINVAL},
    {"bad argument", EINVAL},
    {"bad offset", EINVAL},
    {"bad mode", EINVAL},
    {"unknown fid", EBADF},
    {"bad fid", EBADF},
    {"fid not open", EBADF},
    {"not open", EBADF},
    {"stale", ESTALE},
    {"timed out", ETIMEDOUT},
    {"timeout", ETIMEDOUT},
    {"auth", EACCES},
    {"too many", EMFILE},
    {"no memory", ENOMEM},
    {"out of memory", ENOMEM},
    {"connection refused", ECONNREFUSED},
    {"hungup", ECONNRESET},
    {"hung up", ECONNRESET},
};

static bool contains(struct p9_str s, const char *what)
{
    size_t n = strlen(what);

    for (size_t i = 0; i + n <= s.len; i++)
        if (strncasecmp(s.s + i, what, n) == 0)
            return true;
    return false;
}

/* "duplicate fid", "fid N already in use": the number of a new fid is refused, as the server has it already. */
static bool is_about_a_fid(struct p9_str ename)
{
    return contains(ename, "fid") && (contains(ename, "duplicate") || contains(ename, "in use"));
}

int p9_errno_from_text(struct p9_str ename)
{
    if (is_about_a_fid(ename))
        return EBADF;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (contains(ename, texts[i].text))
            return texts[i].err;
    return 0;
}

/* The server's own words, once each; a server that makes up new ones for ever is not listened to for ever. */
static void log_new_text(struct p9_str text)
{
    enum { TEXTS = 64 };
    static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t seen[TEXTS]; /* hashes */
    static unsigned n;
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.s[i]) * 1099511628211u;
    pthread_mutex_lock(&mtx);
    bool is_new = n < TEXTS;
    for (unsigned i = 0; i < n && is_new; i++)
        is_new = seen[i] != hash;
    if (is_new)
        seen[n++] = hash;
    pthread_mutex_unlock(&mtx);
    if (is_new)
        log_info("the server says '%.*s', which tells nothing", text.len < 256 ? text.len : 256, text.s);
}

/* The first 34 numbers of .u are everybody's, but EIO is what some say of everything; of all others the text tells more, if it
 * tells anything. */
static int error_of_u(uint32_t ecode, struct p9_str ename, bool *vague)
{
    if (ecode >= 1 && ecode <= 34 && ecode != EIO)
        return (int)ecode;
    int err = p9_errno_from_text(ename);
    if (err == 0 && ecode != 0 && (err = p9_errno_from_linux(ecode)) == EIO)
        err = 0;
    *vague = err == 0;
    if (*vague)
        log_new_text(ename);
    return *vague ? EIO : err;
}

int p9_error_of(const struct p9_fcall *f, bool *vague)
{
    *vague = false;
    if (f->type == P9_Rlerror)
        return -p9_errno_from_linux(f->Rlerror.ecode);
    return -error_of_u(f->Rerror.ecode, f->Rerror.ename, vague);
}
