/*
 * silly_rename.h: files that lose their name while they are open.
 */
#ifndef SILLY_RENAME_H
#define SILLY_RENAME_H

#include "fuse/op.h"

/* Before dir/name goes, or is replaced. If a file is open by that name alone, and the server
 * would lose it, it gets a hidden name. 1: it was renamed, so that the name is gone already; 0;
 * or -errno. */
int hide_if_open(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool replaced);
/* Removes dir/name in one message where the server lacks Tunlinkat: by Tremove of the file's
 * cached fid. Only on a server that goes by path: elsewhere the fid may be a file that has
 * another name by now. 0 or -errno; EAGAIN: it was not tried. */
int remove_by_own_fid(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name, bool is_dir);
/* p9_rename, and the tree is told. */
int rename_told(struct op *op, struct inode *olddir, struct p9_fid *oldfid, const char *oldname, struct inode *newdir,
                struct p9_fid *newfid, const char *newname);
/* A hidden file in dir/name, which for the user is empty and shall go, moves up into dir, or
 * goes. 0; -ENOTEMPTY if there is none, or it cannot be moved. */
int raise_hidden(struct op *op, struct inode *dir, struct p9_fid *dirfid, const char *name);
/* cache_drop_handle, and the removal of a hidden file at its last close. */
void drop_handle(struct op *op, struct handle *h);

#endif
