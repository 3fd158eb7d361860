/**
 * What unit tests share: one test program a noun, run by libcheck in forked processes.
 *
 *     START_TEST(test_reads_an_empty_list) { ... } END_TEST
 *     UNIT_MAIN("json", test_reads_an_empty_list, test_refuses_a_trailing_comma)
 */
#ifndef GOTO_CTEST_UNIT_H
#define GOTO_CTEST_UNIT_H

#include "base/common.h"
#include "base/str.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/** Fails unless the str equals the C string, and shows both. */
#define ck_str_is(actual, expected)                                                                \
    do {                                                                                           \
        struct str ck_actual = (actual);                                                           \
        ck_assert_msg(str_is(ck_actual, expected), "'" STR_FMT "' is not '%s'",                    \
                      STR_ARG(ck_actual), expected);                                               \
    } while (0)

/** `each` runs `times` times, with _i from 0; NULL = none does. */
static inline int unit_run(const char *name, const TTest *const *tests, size_t count,
                           const TTest *each, size_t times)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    if (each)
        tcase_add_loop_test(tcase, each, 0, (int)times);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/** The program: runs the tests named. */
#define UNIT_MAIN(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run(name, tests, COUNT_OF(tests), NULL, 0);                                    \
    }

/** The same, with a test that runs for each of so many cases. */
#define UNIT_MAIN_EACH(name, each, times, ...)                                                     \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run(name, tests, COUNT_OF(tests), each, times);                                \
    }

/** The folder of the official test data: GOTO_TEST_DATA, else ../shared/data; NULL (skip) if
 * missing. */
static inline const char *unit_data_folder(void)
{
    const char *folder = getenv("GOTO_TEST_DATA");
    folder = folder && *folder ? folder : "../shared/data";
    FILE *file = fopen(folder, "r");
    if (!file)
        return NULL;
    fclose(file);
    return folder;
}

#endif
