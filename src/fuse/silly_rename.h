/*
 * silly_rename.h: files that are unlinked while they are open.
 */
#ifndef SILLY_RENAME_H
#define SILLY_RENAME_H

#include "fuse/op.h"

/* Called before dir/name is removed or replaced. If an open file has that name only, and the server
 * would not find it without one, the file gets a hidden name. 1: it is renamed, so the name no
 * longer exists; 0: the name is still to be removed; or -errno. */
int hide_if_open(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool replaced);
/* Removes dir/name in one message where the server lacks Tunlinkat: by Tremove of the file's
 * cached fid. Only on a server whose fids stand for paths: elsewhere the file of the fid may have
 * another name by now. 0 or -errno; -EAGAIN: not tried. */
int remove_by_own_fid(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool is_dir);
/* p9_rename, with the same change in the tree. 0 or -errno. */
int rename_told(struct op *op, struct inode *olddir, struct p9_fid *oldfid, const char *oldname, struct inode *newdir,
                struct p9_fid *newfid, const char *newname);
/* The server has found that dir/name is not empty: moves a hidden file in it up into dir, or waits
 * for its removal. 0: try again; -ENOTEMPTY if there was none since cache_removed was *removed,
 * before the request, or it cannot be moved. */
int raise_hidden(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, unsigned *removed);
/* cache_drop_handle; at the last close of a hidden file also its removal. */
void drop_handle(struct op *op, struct handle *h);

#endif
