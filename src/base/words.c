/*
 * words.c: splits a command line into words.
 */
#include "base/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is parsed: the words are stored one behind the other in `out`, each with its NUL. */
struct split {
    const char *p;
    char *out;
    size_t words;
};

static const char blanks[] = " \t";

/* '...' */
static int single_quoted(struct split *s)
{
    const char *end = strchr(s->p, '\'');

    if (end == NULL)
        return -EINVAL;
    memcpy(s->out, s->p, (size_t)(end - s->p));
    s->out += end - s->p;
    s->p = end + 1;
    return 0;
}

/* "...": a backslash only quotes what is special here. */
static int double_quoted(struct split *s)
{
    for (; *s->p != '"'; s->p++) {
        if (*s->p == 0)
            return -EINVAL;
        if (*s->p == '$' || *s->p == '`' || (*s->p == '\\' && s->p[1] == '\n'))
            return 1;
        if (*s->p == '\\' && s->p[1] != 0 && strchr("\"\\$`", s->p[1]) != NULL)
            s->p++;
        *s->out++ = *s->p;
    }
    s->p++;
    return 0;
}

static int word(struct split *s)
{
    const char *start = s->p;
    int rc = 0;

    while (rc == 0 && *s->p != 0 && strchr(blanks, *s->p) == NULL) {
        char c = *s->p++;
        bool first = s->p == start + 1;
        if (c == '\'')
            rc = single_quoted(s);
        else if (c == '"')
            rc = double_quoted(s);
        else if (c == '\\' && *s->p == 0)
            rc = -EINVAL;
        else if (c == '\\' && *s->p == '\n')
            rc = 1;
        else if (c == '\\')
            *s->out++ = *s->p++;
        else if (strchr("|&;<>()$`*?[{}\n", c) != NULL || (first && strchr("#~!", c) != NULL) ||
                 (c == '=' && s->words == 0))
            rc = 1;
        else
            *s->out++ = c;
    }
    *s->out++ = 0;
    s->words++;
    return rc;
}

/* Commands of the shell that are no programs, and need no special character. */
static bool is_of_shell(const char *name)
{
    static const char *const names[] = {".", "command", "eval", "exec"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Once only a shell can tell, the rest may mean anything. */
static int split(struct split *s)
{
    int rc = 0;

    s->p += strspn(s->p, blanks);
    while (rc == 0 && *s->p != 0) {
        rc = word(s);
        s->p += strspn(s->p, blanks);
    }
    return rc;
}

int words_split(const char *text, char ***argv)
{
    char *words = malloc(strlen(text) + 2);
    struct split s = {.p = text, .out = words};
    int rc = words != NULL ? split(&s) : -ENOMEM;

    if (rc == 0 && s.words > 0 && is_of_shell(words))
        rc = 1;
    *argv = rc == 0 ? calloc(s.words + 2, sizeof **argv) : NULL;
    if (*argv == NULL) {
        free(words);
        return rc == 0 ? -ENOMEM : rc;
    }
    /* The last pointer, behind the NULL, is what is freed. */
    (*argv)[s.words + 1] = words;
    for (size_t i = 0; i < s.words; i++) {
        (*argv)[i] = words;
        words += strlen(words) + 1;
    }
    return 0;
}

void words_free(char **argv)
{
    size_t n = 0;

    while (argv[n] != NULL)
        n++;
    free(argv[n + 1]);
    free(argv);
}
