/*
 * counts.h: what the statistics of a mount count in this layer.
 */
#ifndef COUNTS_H
#define COUNTS_H

/* Requests of the kernel by their kind: one for each callback. */
#define FS_REQUESTS(X)                                                                                                 \
    X(lookup)                                                                                                          \
    X(forget)                                                                                                          \
    X(forget_multi)                                                                                                    \
    X(readlink)                                                                                                        \
    X(mknod)                                                                                                           \
    X(mkdir)                                                                                                           \
    X(symlink)                                                                                                         \
    X(link)                                                                                                            \
    X(unlink)                                                                                                          \
    X(rmdir)                                                                                                           \
    X(rename)                                                                                                          \
    X(getattr)                                                                                                         \
    X(setattr)                                                                                                         \
    X(access)                                                                                                          \
    X(statfs)                                                                                                          \
    X(getxattr)                                                                                                        \
    X(listxattr)                                                                                                       \
    X(setxattr)                                                                                                        \
    X(removexattr)                                                                                                     \
    X(open)                                                                                                            \
    X(create)                                                                                                          \
    X(read)                                                                                                            \
    X(write)                                                                                                           \
    X(flush)                                                                                                           \
    X(fsync)                                                                                                           \
    X(release)                                                                                                         \
    X(opendir)                                                                                                         \
    X(releasedir)                                                                                                      \
    X(fsyncdir)                                                                                                        \
    X(readdir)                                                                                                         \
    X(readdirplus)                                                                                                     \
    X(getlk)                                                                                                           \
    X(setlk)                                                                                                           \
    X(flock)

/* Operations that were answered without a request of their own, and those that were not. */
#define FS_OUTCOMES(X)                                                                                                 \
    X(LOOKUPS_KNOWN, lookups_known)                                                                                    \
    X(LOOKUPS_ABSENT, lookups_absent)                                                                                  \
    X(LOOKUPS_ASKED, lookups_asked)                                                                                    \
    X(ENTRIES_WITH_ATTRS, entries_with_attributes)                                                                     \
    X(ATTRS_KNOWN, attributes_known)                                                                                   \
    X(ATTRS_ASKED, attributes_asked)                                                                                   \
    X(XATTRS_KNOWN, xattrs_known)                                                                                      \
    X(XATTRS_ASKED, xattrs_asked)                                                                                      \
    X(LISTINGS_KNOWN, listings_known)                                                                                  \
    X(LISTINGS_ASKED, listings_asked)                                                                                  \
    X(OPENS_AHEAD, opens_ahead)                                                                                        \
    X(OPENS_ASKED, opens_asked)                                                                                        \
    X(READS_AHEAD, reads_ahead)                                                                                        \
    X(READS_ASKED, reads_asked)                                                                                        \
    X(WRITES_BEHIND, writes_behind)                                                                                    \
    X(WRITES_WAITED, writes_waited)

#define FS_COUNT_REQUEST(name) REQUESTS_##name,
#define FS_COUNT_OUTCOME(id, name) id,
enum count { FS_REQUESTS(FS_COUNT_REQUEST) FS_OUTCOMES(FS_COUNT_OUTCOME) INTERRUPTED, COUNTS };
#undef FS_COUNT_REQUEST
#undef FS_COUNT_OUTCOME

#endif
