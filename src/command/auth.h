/*
 * auth.h: attaching, with a command that proves who we are where the server asks for that.
 */
#ifndef AUTH_H
#define AUTH_H

#include "9p/client.h"

/* p9_attach. With a command: Tauth first, and the command, run by the shell, has the afid's bytes on its stdin and stdout, and
 * P9_UNAME and P9_ANAME in its environment; EACCES unless it exits with 0: *why says how, if it is not NULL (and is empty else), or the
 * log. auth(5). Blocks; several threads may. */
int auth_attach(struct p9_scope *sc, struct p9_client *c, const char *command, const char *uname, uint32_t n_uname,
                const char *aname, struct p9_fid **root, struct p9_why *why);
/* Whether the server is one that wants to be convinced: it answers Tauth. */
bool auth_wanted(struct p9_client *c, const char *uname, uint32_t n_uname, const char *aname);

#endif
