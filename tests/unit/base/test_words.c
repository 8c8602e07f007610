/*
 * test_words.c: a command line is split as sh(1) splits it, or left to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "unit/test.h"

static void words_are_split_as_the_shell_does(void **state)
{
    static const struct {
        const char *text, *words; /* each in brackets */
    } cases[] = {
        {"ssh host diod -f -n", "[ssh][host][diod][-f][-n]"},
        {"  a\t b  ", "[a][b]"},
        {"a 'b  c' \"d  e\"", "[a][b  c][d  e]"},
        {"a\\ b c\\\\d \\'e\\\"", "[a b][c\\d]['e\"]"},
        {"a'b'\"c\"d", "[abcd]"},
        {"'' \"\" x", "[][][x]"},
        {"\"a\\\"b\\\\c\\$d\\`e\\f\"", "[a\"b\\c$d`e\\f]"},
        {"'a\\b\"$x`|'", "[a\\b\"$x`|]"},
        {"\\$HOME \\| '>' \"<&;\"", "[$HOME][|][>][<&;]"},
        {"ssh -o Port=22 a#b a~b a!b", "[ssh][-o][Port=22][a#b][a~b][a!b]"},
        {"x 'A=B'", "[x][A=B]"},
        {"a exec", "[a][exec]"},
        {"", ""},
        {" \t", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char **argv, joined[256] = "";
        assert_int_equal(words_split(cases[i].text, &argv), 0);
        for (char **w = argv; *w != NULL; w++) {
            strcat(joined, "[");
            strcat(joined, *w);
            strcat(joined, "]");
        }
        assert_string_equal(joined, cases[i].words);
        words_free(argv);
    }
}

static void what_only_a_shell_knows_is_left_to_it(void **state)
{
    static const char *const texts[] = {
        "a | b",    "a & b",  "a; b",    "a < b",  "a > b",    "a 2>b",  "(a)",        "a $b",
        "a \"$b\"", "a `b`",  "a \"`b`", "a *",    "a ?",      "a [b]",  "{ a; }",     "a\nb",
        "#a",       "a #b",   "~/a",     "a ~b",   "! a",      "A=b c",  "a$(b)",      "a\\ b | c",
        "a | 'b",   "exec a", ". a",     "eval a", "'exec' a", "a\\\nb", "\"a\\\nb\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char **argv;
        assert_int_equal(words_split(texts[i], &argv), 1);
    }
}

static void what_is_not_closed_is_an_error(void **state)
{
    static const char *const texts[] = {"'", "\"", "a 'b", "a \"b", "a \"b\\\"", "a\\", "\\"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char **argv;
        assert_int_equal(words_split(texts[i], &argv), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_as_the_shell_does),
        cmocka_unit_test(what_only_a_shell_knows_is_left_to_it),
        cmocka_unit_test(what_is_not_closed_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
