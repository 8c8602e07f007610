/*
 * test_errors.c: numbers and texts of error replies to errno.
 */
#include "wire/errors.h"
#include "unit/test.h"

static void numbers(void **state)
{
    (void)state;
    assert_int_equal(p9_errno_from_linux(1), EPERM);
    assert_int_equal(p9_errno_from_linux(34), ERANGE);
    assert_int_equal(p9_errno_from_linux(36), ENAMETOOLONG);
    assert_int_equal(p9_errno_from_linux(39), ENOTEMPTY);
    assert_int_equal(p9_errno_from_linux(95), EOPNOTSUPP);
    assert_int_equal(p9_errno_from_linux(116), ESTALE);
    assert_int_equal(p9_errno_from_linux(122), EDQUOT);
    assert_int_equal(p9_errno_from_linux(524), EOPNOTSUPP);
    for (uint32_t internal = 512; internal < 540; internal++) /* ERESTARTSYS and others */
        assert_int_equal(p9_errno_from_linux(internal), internal == 524 ? EOPNOTSUPP : EIO);
    assert_int_equal(p9_errno_from_linux(0), EIO);
    assert_int_equal(p9_errno_from_linux(41), EIO);
    assert_int_equal(p9_errno_from_linux(100000), EIO);
    assert_int_equal(p9_errno_from_linux(0xffffffff), EIO);
}

static void texts(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {
        {"operation not permitted", EPERM},
        {"wstat prohibited", EPERM},
        {"Permission denied", EACCES},
        {"file already exists", EEXIST},
        {"create -- file exists", EEXIST},
        {"file does not exist", ENOENT},
        {"directory entry not found", ENOENT},
        {"walk in non-directory", ENOTDIR},
        {"file is a directory", EISDIR},
        {"directory not empty", ENOTEMPTY},
        {"READ-ONLY file system", EROFS},
        {"no space left on device", ENOSPC},
        {"disk quota exceeded", EDQUOT},
        {"file name too long", ENAMETOOLONG},
        {"message too long", EMSGSIZE},
        {"exclusive use file already open", EBUSY},
        {"i/o error", EIO},
        {"fid unknown or not open", EBADF},
        {"unknown fid", EBADF},
        {"bad offset in directory read", EINVAL},
        {"not authenticated", EACCES},
        {"connection timed out", ETIMEDOUT},
        {"No such path", ENOENT},
        {"rwalk did not find file", ENOENT},
        {"unknown file", ENOENT},
        {"not a member of proposed group", EPERM},
        {"duplicate fid", EBADF},
        {"fid 12 already in use", EBADF},
        {"file in use", EBUSY},
        {"the flux capacitor is empty", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(p9_errno_from_text(p9_str(cases[i].text)), cases[i].err);
}

static int error_of(const struct p9_fcall *f, bool vague)
{
    bool is_vague;
    int rc = p9_error_of(f, &is_vague);

    assert_int_equal(is_vague, vague);
    return rc;
}

static void messages(void **state)
{
    struct p9_fcall l = {.type = P9_Rlerror, .Rlerror.ecode = 2};
    struct p9_fcall e = {.type = P9_Rerror, .Rerror.ename = p9_str("file does not exist")};
    struct p9_fcall unknown = {.type = P9_Rerror, .Rerror.ename = p9_str("?")};

    (void)state;
    assert_int_equal(error_of(&l, false), -ENOENT);
    assert_int_equal(error_of(&e, false), -ENOENT);
    assert_int_equal(error_of(&unknown, true), -EIO);
    unknown.Rerror.ename = p9_str(""); /* unpfs */
    assert_int_equal(error_of(&unknown, true), -EIO);
}

static void numbers_of_u(void **state)
{
    struct p9_fcall e = {.type = P9_Rerror, .Rerror = {.ename = p9_str("file does not exist"), .ecode = EACCES}};

    (void)state;
    assert_int_equal(error_of(&e, false), -EACCES);
    e.Rerror.ecode = 0; /* no number: the text counts */
    assert_int_equal(error_of(&e, false), -ENOENT);
    e.Rerror.ecode = 35; /* EAGAIN on BSD, EDEADLK on Linux: the text counts */
    assert_int_equal(error_of(&e, false), -ENOENT);
    e.Rerror.ecode = EIO; /* Go servers send it for every error */
    assert_int_equal(error_of(&e, false), -ENOENT);
    e.Rerror.ename = p9_str("?");
    assert_int_equal(error_of(&e, true), -EIO);
    e.Rerror.ecode = 39;
    assert_int_equal(error_of(&e, false), -ENOTEMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(texts),
        cmocka_unit_test(messages),
        cmocka_unit_test(numbers_of_u),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
