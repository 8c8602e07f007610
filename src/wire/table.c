/*
 * table.c: the rows of messages.h as a table, and the names of types and dialects.
 */
#include "wire/table.h"

#define FIELD_ANY(message, kind, field) {#field, offsetof(struct p9_fcall, message.field), P9_KIND_##kind, P9_ANY},
#define FIELD_SOME(message, kind, field, dialects)                                                                     \
    {#field, offsetof(struct p9_fcall, message.field), P9_KIND_##kind, dialects},
#define FIELDS_ROW(name, number, dialects)                                                                             \
    static const struct p9_field fields_##name[] = {P9_FIELDS_##name(FIELD_ANY, FIELD_SOME, name)};
#define NO_ROW(name, number, dialects)
P9_MESSAGES(FIELDS_ROW, NO_ROW)

#define BODY_ROW(name, number, dialects)                                                                               \
    [number] = {#name, fields_##name, sizeof fields_##name / sizeof *fields_##name, dialects},
#define BARE_ROW(name, number, dialects) [number] = {#name, NULL, 0, dialects},
static const struct p9_message messages[256] = {P9_MESSAGES(BODY_ROW, BARE_ROW)};

const struct p9_message *p9_message(unsigned type)
{
    return &messages[type & 0xff];
}

const char *p9_type_name(unsigned type)
{
    return type < 256 ? messages[type].name : NULL;
}

bool p9_has_payload(unsigned type)
{
    const struct p9_message *m = p9_message(type);

    return m->nfields > 0 && m->fields[m->nfields - 1].kind == P9_KIND_data;
}

const char *p9_dialect_name(enum p9_dialect d)
{
    switch (d) {
    case P9_2000:
        return "9P2000";
    case P9_2000U:
        return "9P2000.u";
    case P9_2000L:
        return "9P2000.L";
    }
    return NULL;
}
