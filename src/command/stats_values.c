/*
 * stats_values.c: takes apart the JSON of this program's own statistics.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "command/stats.h"

struct scan {
    struct stats_values *v;
    char *at;              /* in v->json */
    char name[STATS_NAME]; /* of the member, with those of the objects around it */
};

static bool takes(struct scan *s, char c)
{
    if (*s->at != c)
        return false;
    s->at++;
    return true;
}

/* A character after a backslash, at *p. The escapes of a byte become '?': what they hide is not
 * shown. */
static char unescaped(char **p)
{
    char c = *(*p)++;

    if (c != 'u')
        return c;
    for (int i = 0; i < 4 && **p != 0; i++)
        (*p)++;
    return '?';
}

/* A string, unescaped and terminated in place; NULL if there is none. */
static char *scan_string(struct scan *s)
{
    if (!takes(s, '"'))
        return NULL;
    char *text = s->at, *to = text;
    while (*s->at != '"' && *s->at != 0) {
        char c = *s->at++;
        *to++ = c == '\\' && *s->at != 0 ? unescaped(&s->at) : c;
    }
    if (!takes(s, '"'))
        return NULL;
    *to = 0;
    return text;
}

static bool add(struct scan *s, const char *text)
{
    struct stats_values *v = s->v;

    if (text == NULL || v->n == STATS_MOST_VALUES)
        return false;
    memcpy(v->values[v->n].name, s->name, sizeof s->name);
    v->values[v->n++].text = text;
    return true;
}

static bool scan_object(struct scan *s);

static bool scan_value(struct scan *s)
{
    if (*s->at == '{')
        return scan_object(s);
    if (*s->at == '"')
        return add(s, scan_string(s));
    size_t digits = strspn(s->at, "0123456789");
    const char *text = s->at;
    s->at += digits;
    return digits > 0 && add(s, text); /* what follows is no digit: it need not be terminated */
}

static bool scan_member(struct scan *s)
{
    size_t before = strlen(s->name);
    const char *name = scan_string(s);

    /* Each name makes the whole longer, and so bounds how deep objects are in each other. */
    if (name == NULL || *name == 0 || before + strlen(name) + 2 > sizeof s->name || !takes(s, ':'))
        return false;
    if (before > 0)
        strcat(s->name, ".");
    strcat(s->name, name);
    bool good = scan_value(s);
    s->name[before] = 0;
    return good;
}

static bool scan_object(struct scan *s)
{
    if (!takes(s, '{'))
        return false;
    if (takes(s, '}'))
        return true;
    do
        if (!scan_member(s))
            return false;
    while (takes(s, ','));
    return takes(s, '}');
}

static bool is_visible(const char *text)
{
    size_t n = strlen(text), width;

    for (; n > 0; text += width, n -= width)
        if ((width = text_visible(text, n)) == 0)
            return false;
    return true;
}

struct stats_values *stats_values_new(const char *json)
{
    /* Another program, of any user, may have answered whoever asks at a terminal. */
    struct stats_values *v = is_visible(json) ? calloc(1, sizeof *v) : NULL;

    if (v == NULL || (v->json = strdup(json)) == NULL) {
        free(v);
        return NULL;
    }
    struct scan s = {.v = v, .at = v->json};
    if (scan_object(&s) && *s.at == 0)
        return v;
    stats_values_free(v);
    return NULL;
}

void stats_values_free(struct stats_values *v)
{
    if (v != NULL)
        free(v->json);
    free(v);
}

const char *stats_text(const struct stats_values *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->values[i].name, name) == 0)
            return v->values[i].text;
    return "";
}

uint64_t stats_number(const struct stats_values *v, const char *name)
{
    return strtoull(stats_text(v, name), NULL, 10);
}
