/*
 * xattr.h: extended attributes.
 */
#ifndef XATTR_H
#define XATTR_H

extern const char capability[]; /* security.capability */

#endif
