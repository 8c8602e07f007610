/*
 * test_mountinfo.c: the escapes of /proc/self/mountinfo.
 */
#include "fuse/mountinfo.h"

#include "unit/test.h"

static void escapes_of_mountinfo(void **state)
{
    char spaced[] = "/mnt/with\\040a\\011tab\\134", plain[] = "/mnt/\\04", empty[] = "";

    (void)state;
    mountinfo_unescape(spaced);
    assert_string_equal(spaced, "/mnt/with a\ttab\\");
    mountinfo_unescape(plain);
    assert_string_equal(plain, "/mnt/\\04");
    mountinfo_unescape(empty);
    assert_string_equal(empty, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_of_mountinfo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
