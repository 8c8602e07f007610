/*
 * test_text.c: escaping untrusted bytes.
 */
#include "base/text.h"

#include <string.h>

#include "unit/test.h"

static void control_characters_are_escaped(void **state)
{
    static const struct {
        const char *bytes, *shown;
    } cases[] = {
        {"plain text, back\\slash", "plain text, back\\slash"},
        {"\033[31mred\r\n\ttab", "\\x1b[31mred\\x0d\\x0a\\x09tab"},
        {"\177", "\\x7f"},
        {"d\303\251j\303\240 \342\202\254 \360\237\220\247", "d\303\251j\303\240 \342\202\254 \360\237\220\247"},
        /* CSI in UTF-8; no-break space; CSI in Latin-1 */
        {"\302\233"
         "31m \302\240",
         "\\xc2\\x9b31m \302\240"},
        {"\233"
         "31m",
         "\\x9b31m"},
        /* overlong forms; a surrogate; beyond U+10FFFF; truncated */
        {"\300\233 \340\200\233", "\\xc0\\x9b \\xe0\\x80\\x9b"},
        {"\355\240\200 \364\220\200\200", "\\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"},
        {"\303", "\\xc3"},
        {"", ""},
    };
    char buf[128];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_escape(buf, sizeof buf, cases[i].bytes);
        assert_string_equal(buf, cases[i].shown);
    }
}

static void text_without_room_is_cut(void **state)
{
    char buf[8];

    (void)state;
    text_escape(buf, sizeof buf, "abcd\033e");
    assert_string_equal(buf, "abcd");
    text_escape(buf, sizeof buf, "abcdef\303\251");
    assert_string_equal(buf, "abcdef");
    text_escape(buf, sizeof buf, "abcdefgh");
    assert_string_equal(buf, "abcdefg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(text_without_room_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
