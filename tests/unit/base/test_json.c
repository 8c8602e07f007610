/*
 * test_json.c: objects of JSON, with strings from anywhere.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "unit/test.h"

static void members_are_separated(void **state)
{
    char buf[256];
    struct json j = {.buf = buf, .size = sizeof buf};

    (void)state;
    json_begin(&j, NULL);
    json_number(&j, "n", UINT64_MAX);
    json_begin(&j, "empty");
    json_end(&j);
    json_begin(&j, "o");
    json_string(&j, "s", "text");
    json_number(&j, "m", 0);
    json_end(&j);
    json_string(&j, "none", NULL);
    json_end(&j);
    assert_string_equal(buf, "{\"n\":18446744073709551615,\"empty\":{},\"o\":{\"s\":\"text\",\"m\":0},\"none\":\"\"}");
    assert_int_equal(j.used, strlen(buf));
}

static void strings_are_escaped(void **state)
{
    char buf[256];
    struct json j = {.buf = buf, .size = sizeof buf};

    (void)state;
    json_string(&j, "s", "q\" b\\ n\n e\033 d\303\251j\303\240 bad\377\300 \177");
    assert_string_equal(buf, "\"s\":\"q\\\" b\\\\ n\\u000a e\\u001b d\303\251j\303\240 bad\\u00ff\\u00c0 \\u007f\"");
}

static void long_strings_are_cut(void **state)
{
    char buf[4096], *s = malloc(100001);
    struct json j = {.buf = buf, .size = sizeof buf};

    (void)state;
    memset(s, 1, 100000);
    s[100000] = 0;
    json_string(&j, "s", s);
    assert_true(j.used < 1100);
    assert_string_equal(buf + j.used - 8, "1\\u0001\"");
    free(s);
}

static void a_full_buffer_stays_terminated(void **state)
{
    char buf[16];
    struct json j = {.buf = buf, .size = sizeof buf};

    (void)state;
    for (int i = 0; i < 5; i++)
        json_number(&j, "number", 1234567);
    assert_int_equal(j.used, sizeof buf - 1);
    assert_int_equal(strlen(buf), j.used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_separated),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(long_strings_are_cut),
        cmocka_unit_test(a_full_buffer_stays_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
