/*
 * codec.h: Fcall <-> bytes, stat and dirent <-> bytes, and their text form.
 *
 * The functions of Plan 9's Fcall(2) for all three dialects, driven by the rows of messages.h. None
 * allocates, keeps state, or blocks (except p9_read9pmsg). All sizes and counts are in bytes.
 * Strings, stats and data in an unpacked structure point into the message and are valid as long as
 * it is; strings are counted, not terminated.
 */
#ifndef CODEC_H
#define CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "9p/messages.h"
#include "9p/proto.h"

struct p9_str {
    const char *s; /* not terminated; may be NULL when len is 0 */
    uint16_t len;
};

struct p9_qid {
    uint64_t path;
    uint32_t version;
    uint8_t type; /* P9_QT* */
};

/* Whether both are of the same file: the version and the other bits of the type may change. */
static inline bool qid_same_file(const struct p9_qid *a, const struct p9_qid *b)
{
    const uint8_t kinds = P9_QTDIR | P9_QTSYMLINK;

    return a->path == b->path && (a->type & kinds) == (b->type & kinds);
}

struct p9_names {
    uint16_t n;
    struct p9_str name[P9_MAXWELEM];
};

struct p9_qids {
    uint16_t n;
    struct p9_qid qid[P9_MAXWELEM];
};

struct p9_blob {
    uint32_t n;
    const uint8_t *p;
};

/* The C type of each kind of field. */
#define P9_CTYPE_u8 uint8_t
#define P9_CTYPE_u16 uint16_t
#define P9_CTYPE_u32 uint32_t
#define P9_CTYPE_u64 uint64_t
#define P9_CTYPE_fid uint32_t
#define P9_CTYPE_perm uint32_t
#define P9_CTYPE_str struct p9_str
#define P9_CTYPE_qid struct p9_qid
#define P9_CTYPE_names struct p9_names
#define P9_CTYPE_qids struct p9_qids
#define P9_CTYPE_stat struct p9_blob
#define P9_CTYPE_data struct p9_blob

#define P9_ENUM_ROW(name, number, dialects) P9_##name = number,
enum p9_type { P9_MESSAGES(P9_ENUM_ROW, P9_ENUM_ROW) };
#undef P9_ENUM_ROW

/* One message of any dialect; `type` selects the member of the union. */
#define P9_FIELD_DECL(message, kind, field, ...) P9_CTYPE_##kind field;
#define P9_STRUCT_ROW(name, number, dialects)                                                                          \
    struct {                                                                                                           \
        P9_FIELDS_##name(P9_FIELD_DECL, P9_FIELD_DECL, name)                                                           \
    } name;
#define P9_NO_ROW(name, number, dialects)
struct p9_fcall {
    uint8_t type; /* enum p9_type */
    uint16_t tag;
    union {
        P9_MESSAGES(P9_STRUCT_ROW, P9_NO_ROW)
    };
};
#undef P9_FIELD_DECL
#undef P9_STRUCT_ROW
#undef P9_NO_ROW

/* A counted string for a C string, cut after 65535 bytes. Points to s. */
struct p9_str p9_str(const char *s);
bool p9_str_eq(struct p9_str a, const char *b);

/* "9P2000.L" and so on; NULL for any other value. */
const char *p9_dialect_name(enum p9_dialect d);

/* The name of a message type ("Twalk"), or NULL if no dialect has it. */
const char *p9_type_name(unsigned type);

/* Whether a message of this type ends in count[4] and that many bytes (Rread, Rreaddir, Twrite). */
bool p9_has_payload(unsigned type);

/* The size of the packed message; 0 if it cannot be packed: a type of another dialect, too many
 * names, a NUL in a string, 4 GiB or more. */
size_t p9_sizeS2M(const struct p9_fcall *f, enum p9_dialect d);

/* Packs f into buf[n]. Returns its size, or 0 if it cannot be packed or n is too small. */
size_t p9_convS2M(const struct p9_fcall *f, enum p9_dialect d, uint8_t *buf, size_t n);

/* The same without the bytes of the payload, which the caller sends afterwards; size[4] in the
 * message includes them. */
size_t p9_headS2M(const struct p9_fcall *f, enum p9_dialect d, uint8_t *buf, size_t n);

/* Unpacks one message from buf[n]. Returns its size, or 0 if buf does not begin with a well-formed
 * message of this dialect: it is truncated, its lengths disagree, bytes are left over inside it, a
 * string has a NUL, there are more than 16 names. In 9P2000.L an error of type 107 whose body is
 * one number becomes an Rlerror. */
size_t p9_convM2S(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_fcall *f);

/* The same of what p9_headS2M packs: the payload has its count, and NULL in place of its bytes. */
size_t p9_headM2S(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_fcall *f);

/* Sets the bytes of a message's payload, if it has one, to NULL; the count stays. */
void p9_hide_payload(struct p9_fcall *f);

/* Little-endian integers, to read fields of a header. */
uint16_t p9_get16(const uint8_t *p);
uint32_t p9_get32(const uint8_t *p);

/* A stat. The last four fields are of 9P2000.u. stat(5). */
struct p9_stat {
    uint16_t type;
    uint32_t dev;
    struct p9_qid qid;
    uint32_t mode;         /* P9_DM* and permissions */
    uint32_t atime, mtime; /* seconds since 1970 */
    uint64_t length;       /* bytes */
    struct p9_str name, uid, gid, muid;
    struct p9_str extension; /* .u: a symlink's target, or "b MAJ MIN" */
    uint32_t n_uid, n_gid, n_muid;
};

/* The packed size, with its size[2]; 0 if it exceeds what that can hold. */
size_t p9_sizeD2M(const struct p9_stat *st, enum p9_dialect d);
/* Packs st into buf[n]. Returns its size, or 0 if it does not fit. */
size_t p9_convD2M(const struct p9_stat *st, enum p9_dialect d, uint8_t *buf, size_t n);
/* Unpacks the stat at the start of buf[n]. Returns its size (size[2] + 2), or 0 if it is
 * malformed. */
size_t p9_convM2D(const uint8_t *buf, size_t n, enum p9_dialect d, struct p9_stat *st);
/* 0 if buf[n] holds exactly one well-formed stat, else -1. */
int p9_statcheck(const uint8_t *buf, size_t n, enum p9_dialect d);

/* One entry of an Rreaddir (.L). */
struct p9_dirent {
    struct p9_qid qid;
    uint64_t offset; /* the cookie with which a Treaddir continues after this entry */
    uint8_t type;    /* DT_*, possibly DT_UNKNOWN */
    struct p9_str name;
};

/* Packs de into buf[n]. Returns its size, or 0 if it does not fit. */
size_t p9_dirent_pack(const struct p9_dirent *de, uint8_t *buf, size_t n);
/* Unpacks the entry at the start of buf[n]. Returns its size, or 0 if it is malformed or
 * incomplete. */
size_t p9_dirent_unpack(const uint8_t *buf, size_t n, struct p9_dirent *de);

/* Reads one message from a blocking descriptor into buf[n]. Returns its size; 0 at the end of file
 * before the first byte; -EPROTO if its size is below 7 or above n; -EIO at the end of file inside
 * it; or -errno. read9pmsg(2). */
ssize_t p9_read9pmsg(int fd, uint8_t *buf, size_t n);

/* Text in the notation of Plan 9's fcallfmt, dirfmt and dirmodefmt, cut to fit buf[n] and always
 * terminated. Returns its length. fcall(2). */
size_t p9_fcallfmt(char *buf, size_t n, const struct p9_fcall *f, enum p9_dialect d);
size_t p9_dirfmt(char *buf, size_t n, const struct p9_stat *st, enum p9_dialect d);
size_t p9_dirmodefmt(char *buf, size_t n, uint32_t mode);

#endif
