/*
 * errors.h: what a server's error reply means here. PROTOCOL: error(5), .u and .L.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "9p/codec.h"

/* The host's errno for a number of Linux's generic table, which .L sends whatever machine it
 * runs on; EIO for 0 and for numbers that table does not have. */
int p9_errno_from_linux(uint32_t ecode);

/* The errno for the text of an Rerror, by an ordered table; 0 if no row fits. */
int p9_errno_from_text(struct p9_str ename);

/* -errno for an Rlerror or Rerror. A text that nobody knows is EIO, and logged once; then it is *vague. EINTR is the
 * server's word for a request that was flushed: of any other it means nothing here. */
int p9_error_of(const struct p9_fcall *f, bool *vague);

#endif
