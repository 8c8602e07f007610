/*
 * auth.h: attaching, with a command that authenticates where the server requires it.
 */
#ifndef AUTH_H
#define AUTH_H

#include "9p/client.h"

/* p9_attach; with a command, after Tauth. The shell runs the command with the afid's bytes on its
 * stdin and stdout, and P9_UNAME and P9_ANAME in its environment. EACCES unless it exits with 0:
 * *why then has its status, or the log if why is NULL; *why is empty in any other case. Blocks;
 * safe from several threads at a time. attach(5). */
int auth_attach(struct p9_scope *sc, struct p9_client *c, const char *command, const char *uname, uint32_t n_uname,
                const char *aname, struct p9_fid **root, struct p9_why *why);
/* What of it comes before the Tattach: *afid, the caller's also on failure, is authenticated, or
 * NULL without a command. auth(5). */
int auth_prepare(struct p9_scope *sc, struct p9_client *c, const char *command, const char *uname, uint32_t n_uname,
                 const char *aname, struct p9_fid **afid, struct p9_why *why);
/* Whether the server requires authentication: it accepts a Tauth. */
bool auth_wanted(struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname);

#endif
