#include "unit.h"

#include "runner/report/report_private.h"

#include <string.h>

static struct source source = {STR_INIT("x.goto.yaml"), STR_INIT("name: one\n")};

static const struct place place = {&source, 1, 1, 4};

#define ck_has_not(text, part) ck_assert(str_find(text, STR(part)) < 0)

/* Secrets */

static struct str masked(struct arena *arena, const char *text)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    buf_append_string(&buf, text);
    report_mask(&buf);
    struct str copy = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return copy;
}

START_TEST(test_masks_every_form)
{
    struct arena *arena = arena_new();
    report_add_secret(STR("s3cr\"t /&x"));
    report_add_secret(STR(""));
    report_add_secret(STR("line one is\nline two is\n"));
    ck_str_is(masked(arena, "<s3cr\"t /&x>"), "<***>");
    ck_str_is(masked(arena, "a=s3cr%22t%20%2F%26x&b"), "a=***&b");
    ck_str_is(masked(arena, "a=s3cr%22t+%2f%26x&b"), "a=***&b");
    ck_str_is(masked(arena, "{\"a\":\"s3cr\\\"t \\/\\u0026x\"}"), "{\"a\":\"***\"}");
    ck_str_is(masked(arena, "<a>s3cr&quot;t /&amp;x</a>"), "<a>***</a>");
    ck_str_is(masked(arena, "s3cr\"t and s3cr"), "s3cr\"t and s3cr");
    ck_str_is(masked(arena, "cut s3cr\"t…"), "cut ***…");
    ck_str_is(masked(arena, "…t /&x"), "…***");
    ck_str_is(masked(arena, "x line two is y"), "x *** y");
    /* base64 of "s3cr\"t /&x", "u:s3cr\"t /&x", "me:s3cr\"t /&x;" */
    ck_str_is(masked(arena, "czNjciJ0IC8meA=="), "***A==");
    ck_has_not(masked(arena, "Basic dTpzM2NyInQgLyZ4"), "M2NyInQgLyZ4");
    ck_has_not(masked(arena, "Basic bWU6czNjciJ0IC8meDs="), "czNjciJ0IC8");
    arena_free(arena);
}
END_TEST

START_TEST(test_masks_the_longest_and_overlapping)
{
    struct arena *arena = arena_new();
    report_add_secret(STR("abc"));
    report_add_secret(STR("abcdef"));
    ck_str_is(masked(arena, "abcdef abcde abc ab"), "*** ***de *** ab");
    report_add_secret(STR("a%41b"));
    ck_str_is(masked(arena, "a%41b"), "***");
    arena_free(arena);
}
END_TEST

static struct str parts_masked(struct arena *arena, struct str *parts, size_t count)
{
    struct str all = STR("");
    report_mask_parts(arena, parts, count);
    for (size_t i = 0; i < count; i++)
        all = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? "|" : "",
                           STR_ARG(parts[i]));
    return all;
}

START_TEST(test_masks_over_parts)
{
    struct arena *arena = arena_new();
    report_add_secret(STR("hunter2"));
    struct str two[] = {STR("a hun"), STR("ter2 b")};
    struct str many[] = {STR("h"), STR("u"), STR("nter"), STR(""), STR("2"), STR("hunt")};
    struct str none[] = {STR("hun"), STR("ger2"), STR("")};
    struct str both[] = {STR("hunter2hunt"), STR("er2hunter2")};
    ck_str_is(parts_masked(arena, two, COUNT_OF(two)), "a ***| b");
    ck_str_is(parts_masked(arena, many, COUNT_OF(many)), "***|||||hunt");
    ck_str_is(parts_masked(arena, none, COUNT_OF(none)), "hun|ger2|");
    ck_str_is(parts_masked(arena, both, COUNT_OF(both)), "******|***");
    ck_str_is(parts_masked(arena, none, 0), "");
    arena_free(arena);
}
END_TEST

/* Texts */

#define ck_text(call, expected)                                                                    \
    do {                                                                                           \
        struct buf into;                                                                           \
        buf_init(&into, BUF_OWN);                                                                  \
        call;                                                                                      \
        ck_str_is(buf_str(&into), expected);                                                       \
        buf_clear(&into);                                                                          \
    } while (0)

START_TEST(test_texts_are_made_safe)
{
    ck_text(report_clean(STR("a\x1b[1mb\x1b]0;t\x07"
                             "c\x1b\td\r\ne\xff"),
                         true, &into),
            "abc" REPORT_BAD " d\ne" REPORT_BAD);
    ck_text(report_clean_short(STR("äöü\nxyz"), 4, &into), "äöü …");
    ck_text(report_clean_short(STR("äöü"), 3, &into), "äöü");
    ck_text(report_xml(STR("\x1b\x01<]]>&\"\n"), false, &into), "#x1B#x01&lt;]]&gt;&amp;\"\n");
    ck_text(report_xml(STR("\"\n\t\r"), true, &into), "&quot;&#10;&#9;&#13;");
    ck_text(report_xml((struct str){"a\0b", 3}, true, &into), "a#x00b");
    ck_text(report_yaml(STR("\"\\\n\x7f\xc2\x85\xe2\x80\xa8\xf0\x9f\x98\x80"), &into),
            "\"\\\"\\\\\\n\\x7f\\x85\\u2028\\U0001f600\"");
    ck_text(report_tap(STR(" a # b \\ \n"), &into), "a ＃ b ＼");
    ck_text(report_shell(STR(""), &into), "''");
}
END_TEST

/* Checks */

START_TEST(test_checks)
{
    struct checks checks = {.arena = arena_new()};
    for (int i = 0; i < 100; i++)
        checks_add(&checks, STR("a"), (struct place){0});
    ck_assert_int_eq(checks.items[99]->verdict, VERDICT_SKIP);
    checks.items[5]->verdict = VERDICT_FAIL;
    ck_assert_uint_eq(checks_count(&checks, VERDICT_SKIP), 99);
    ck_assert_uint_eq(checks_count(&checks, VERDICT_FAIL), 1);
    ck_assert_uint_eq(checks_count(NULL, VERDICT_FAIL), 0);
    struct failures failures = {.arena = checks.arena};
    ck_assert(failures_test(&failures, NULL, "x", NULL));
    ck_str_is(
        failure_line(failures_say(&failures, place, "wait", "%d of %s", 1, "two"), checks.arena),
        "wait: 1 of two");
    failures_add(&failures, STR("status"),
                 &(struct mismatch){.expected = STR("503"), .actual = STR("200")});
    ck_str_is(failure_line(&failures.items[1], checks.arena), "status: expected 503, got 200");
    arena_free(checks.arena);
}
END_TEST

UNIT_MAIN("report-text", test_masks_every_form, test_masks_the_longest_and_overlapping,
          test_masks_over_parts, test_texts_are_made_safe, test_checks)
