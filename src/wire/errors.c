/*
 * errors.c: errors of the server to errno.
 *
 * Numbers of .L are those of Linux's generic table and are translated by name, as this host's may
 * differ. Texts of 9P2000 are matched by substring; the first matching row wins, so the more
 * specific rows precede the more general ones.
 *
 * Numbers from 512 on (ERESTARTSYS and others) are internal to a kernel; they become EIO.
 */
#include "wire/errors.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

/* Linux's generic numbers above 34. They differ between machines; 1 to 34 do not. */
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

enum { LINUX_ENOTSUPP = 524 }; /* internal to the kernel, but nfs-ganesha may send it */

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
    {"prohibited", EPERM}, /* Plan 9's lib9p: an operation that a server does not have */
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

static bool contains(struct p9_str s, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= s.len; i++)
        if (strncasecmp(s.s + i, part, n) == 0)
            return true;
    return false;
}

/* "duplicate fid", "fid N already in use": the number of a new fid is refused because the server
 * has it already. */
static bool refuses_fid(struct p9_str ename)
{
    return contains(ename, "fid") && (contains(ename, "duplicate") || contains(ename, "in use"));
}

int p9_errno_from_text(struct p9_str ename)
{
    if (refuses_fid(ename))
        return EBADF;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (contains(ename, texts[i].text))
            return texts[i].err;
    return 0;
}

/* Logs each unknown text once, up to a bound: a server may send any number of them. */
static void log_new_text(struct p9_str text)
{
    enum { MAX_TEXTS = 64 };
    static pthread_mutex_t mtx = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t seen[MAX_TEXTS]; /* hashes */
    static unsigned n;
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.s[i]) * 1099511628211u;
    pthread_mutex_lock(&mtx);
    bool is_new = n < MAX_TEXTS;
    for (unsigned i = 0; i < n && is_new; i++)
        is_new = seen[i] != hash;
    if (is_new)
        seen[n++] = hash;
    pthread_mutex_unlock(&mtx);
    if (is_new)
        log_info("unknown error text from the server: '%.*s'", text.len < 256 ? text.len : 256, text.s);
}

/* Of .u the numbers 1 to 34 are portable, but some servers send EIO for every error. For EIO and
 * all other numbers the text counts first, if it is known. */
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
