/*
 * errors.h: error replies of a server to errno. PROTOCOL: error(5), .u and .L.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "9p/codec.h"

/* The host's errno for a number of Linux's generic table, which .L uses on every machine; EIO for 0
 * and for unknown numbers. */
int p9_errno_from_linux(uint32_t ecode);

/* The errno for the text of an Rerror; 0 if the text is unknown. */
int p9_errno_from_text(struct p9_str ename);

/* -errno for an Rlerror or Rerror. An unknown text is -EIO and sets *vague; it is logged once.
 * -EINTR is meaningful only for a request that was flushed. */
int p9_error_of(const struct p9_fcall *f, bool *vague);

#endif
