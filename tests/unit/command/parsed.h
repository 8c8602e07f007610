/*
 * parsed.h: command lines of one -o and one source, parsed or refused.
 */
#ifndef PARSED_H
#define PARSED_H

#include <string.h>

#include "command/options.h"
#include "unit/test.h"

static inline int parse(struct options *o, struct p9_why *why, const char *opts, const char *source)
{
    char *argv[] = {"9pfs", "-o", (char *)opts, (char *)source, "/", NULL};

    memset(why, 0, sizeof *why);
    return options_parse(o, 5, argv, 0, why);
}

/* It is refused, with a reason that has these words. */
static inline void assert_refused(const char *opts, const char *source, const char *says)
{
    struct options o;
    struct p9_why why;

    assert_int_equal(parse(&o, &why, opts, source), -1);
    if (strstr(why.text, says) == NULL)
        fail_msg("%s %s: %s", opts, source, why.text);
    options_free(&o);
}

#endif
