#include "base/regex.h"

#include "base/memory.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static struct regex *compiled(const char *pattern)
{
    struct regex_error error;
    struct regex *regex = regex_new(str_of(pattern), &error);
    ck_assert_msg(regex != NULL, "%s: %s", pattern, error.message);
    return regex;
}

static int search(const char *pattern, struct str subject)
{
    struct regex *regex = compiled(pattern);
    int result = regex_search(regex, subject, 0, NULL, 0);
    regex_free(regex);
    return result;
}

START_TEST(test_searches_anywhere)
{
    ck_assert_int_eq(search("b+", STR("aabbcc")), 1);
    ck_assert_int_eq(search("^b", STR("aabb")), 0);
    ck_assert_int_eq(search("a|b", STR("xb")), 1);
    ck_assert_int_eq(search("", STR("")), 1);
    ck_assert_int_eq(search("x", (struct str){0}), 0);
    ck_assert_int_eq(search("(?i)É", STR("caf\xc3\xa9")), 1);
    ck_assert_int_eq(search("^.$", STR("\xf0\x9f\x98\x80")), 1);
    ck_assert_int_eq(search("a\\x00b", STR("a\0b")), 1);
}
END_TEST

START_TEST(test_fills_groups)
{
    struct regex *regex = compiled("(a)|(b)(c)?");
    struct regex_group groups[6];
    ck_assert_uint_eq(regex_group_count(regex), 3);
    ck_assert_int_eq(regex_search(regex, STR("xxbc"), 0, groups, 6), 1);
    ck_assert(groups[0].set && groups[0].start == 2 && groups[0].end == 4);
    ck_assert(!groups[1].set);
    ck_assert(groups[2].set && groups[2].start == 2 && groups[2].end == 3);
    ck_assert(groups[3].set && groups[3].start == 3 && groups[3].end == 4);
    ck_assert(!groups[4].set && !groups[5].set);
    ck_assert_int_eq(regex_search(regex, STR("bc"), 0, groups, 1), 1);
    ck_assert_int_eq(regex_search(regex, STR("b"), 0, groups, 6), 1);
    ck_assert(groups[2].set && !groups[3].set);
    regex_free(regex);
}
END_TEST

START_TEST(test_searches_from_an_offset)
{
    struct regex *regex = compiled("(?<=a)b");
    struct regex_group group;
    ck_assert_int_eq(regex_search(regex, STR("ab-ab"), 1, &group, 1), 1);
    ck_assert_uint_eq(group.start, 1);
    ck_assert_int_eq(regex_search(regex, STR("ab-ab"), 2, &group, 1), 1);
    ck_assert_uint_eq(group.start, 4);
    ck_assert_int_eq(regex_search(regex, STR("ab-ab"), 5, &group, 1), 0);
    ck_assert_int_eq(regex_search(regex, STR("ab-ab"), 6, &group, 1), 0);
    ck_assert_int_eq(regex_search(regex, STR("ab-ab"), SIZE_MAX, &group, 1), 0);
    regex_free(regex);
}
END_TEST

START_TEST(test_an_offset_inside_a_character_is_the_next_one)
{
    struct regex *regex = compiled(".");
    struct regex_group group;
    ck_assert_int_eq(regex_search(regex, STR("\xc3\xa9x"), 1, &group, 1), 1);
    ck_assert_uint_eq(group.start, 2);
    ck_assert_uint_eq(group.end, 3);
    ck_assert_int_eq(regex_search(regex, STR("\xc3\xa9"), 1, &group, 1), 0);
    regex_free(regex);
}
END_TEST

START_TEST(test_matches_whole)
{
    struct regex *regex = compiled("a|ab");
    ck_assert_int_eq(regex_matches_whole(regex, STR("ab")), 1);
    ck_assert_int_eq(regex_matches_whole(regex, STR("a")), 1);
    ck_assert_int_eq(regex_matches_whole(regex, STR("abc")), 0);
    ck_assert_int_eq(regex_matches_whole(regex, STR("xab")), 0);
    regex_free(regex);
    regex = compiled("[0-9]+");
    ck_assert_int_eq(regex_matches_whole(regex, STR("123\n")), 0);
    ck_assert_int_eq(regex_matches_whole(regex, STR("")), 0);
    ck_assert_int_eq(regex_matches_whole(regex, STR("12\xff")), 0);
    regex_free(regex);
}
END_TEST

START_TEST(test_bad_bytes_are_replacement_characters)
{
    struct regex *regex = compiled("(\\x{FFFD}+)(b)(z)?");
    struct regex_group groups[4];
    struct str subject = STR("\xc3\xa9\xff\xc3\xed\xa0\x80"
                             "b");
    ck_assert_int_eq(regex_search(regex, subject, 0, groups, 4), 1);
    ck_assert_uint_eq(groups[0].start, 2);
    ck_assert_uint_eq(groups[0].end, 8);
    ck_assert_uint_eq(groups[1].end, 7);
    ck_assert_uint_eq(groups[2].start, 7);
    ck_assert(!groups[3].set && groups[3].start == 0 && groups[3].end == 0);
    ck_assert_int_eq(regex_search(regex, subject, 4, groups, 1), 1);
    ck_assert_uint_eq(groups[0].start, 4);
    regex_free(regex);
    ck_assert_int_eq(search("^...$", STR("a\xff"
                                         "b")),
                     1);
    ck_assert_int_eq(search("^.$", STR("\xe2\x82")), 0);
    ck_assert_int_eq(search("^..$", STR("\xe2\x82")), 1);
}
END_TEST

START_TEST(test_tells_what_is_wrong)
{
    struct regex_error error;
    ck_assert_ptr_null(regex_new(STR("ab(c"), &error));
    ck_assert_str_eq(error.message, "missing closing parenthesis");
    ck_assert_uint_eq(error.offset, 4);
    ck_assert_ptr_null(regex_new(STR("*a"), &error));
    ck_assert_str_eq(error.message, "quantifier does not follow a repeatable item");
    ck_assert_uint_le(error.offset, 1);
    ck_assert_ptr_null(regex_new(STR("a)"), &error));
    ck_assert_uint_eq(error.offset, 1);
    ck_assert_ptr_null(regex_new(STR("\xff"), &error));
    ck_assert_uint_eq(error.offset, 0);
    ck_assert_ptr_null(regex_new(STR("a\\Cb"), &error));
    ck_assert_ptr_null(regex_new(STR("(*UTF)a"), &error));
}
END_TEST

START_TEST(test_refuses_monstrous_patterns)
{
    struct regex_error error;
    size_t size = 100 * 1000;
    char *text = memory_alloc(size);
    memset(text, 'a', size);
    ck_assert_ptr_null(regex_new((struct str){text, size}, &error));
    ck_assert_str_eq(error.message, "pattern is longer than 64 KiB");
    memset(text, '(', size);
    ck_assert_ptr_null(regex_new((struct str){text, 60000}, &error));
    ck_assert_ptr_null(regex_new(STR("((((a{1000}){1000}){1000}){1000})"), &error));
    memory_free(text);
}
END_TEST

START_TEST(test_catastrophic_patterns_end)
{
    char text[65];
    memset(text, 'a', sizeof text);
    text[64] = '!';
    struct regex *regex = compiled("^(a+)+$");
    /* Also once the JIT has taken over. */
    for (int i = 0; i < 40; i += 13)
        ck_assert_int_eq(regex_search(regex, (struct str){text, sizeof text}, 0, NULL, 0), -E2BIG);
    regex_free(regex);
}
END_TEST

START_TEST(test_quadratic_searches_end)
{
    size_t size = 2 * 1000 * 1000;
    char *text = memory_alloc(size);
    memset(text, 'a', size);
    ck_assert_int_eq(search("[ab]*[^a][yz]", (struct str){text, size}), -E2BIG);
    ck_assert_int_eq(search("a$", (struct str){text, size}), 1);
    ck_assert_int_eq(search("b", (struct str){text, size}), 0);
    memory_free(text);
}
END_TEST

START_TEST(test_deep_recursion_is_bounded)
{
    size_t size = 4 * 1000 * 1000;
    char *text = memory_alloc(size);
    memset(text, 'a', size);
    ck_assert_int_eq(search("^(?:a|b)*$", (struct str){text, size}), -E2BIG);
    memory_free(text);
}
END_TEST

START_TEST(test_the_jit_gives_the_same)
{
    struct regex *regex = compiled("(\\d+)-(\\w+)|x");
    char text[32];
    for (int i = 0; i < 200; i++) {
        struct regex_group groups[3];
        int size = snprintf(text, sizeof text, "  %d-n%d%s", i, i, i % 3 ? "" : "\xff");
        struct str subject = {text, (size_t)size};
        ck_assert_int_eq(regex_search(regex, subject, 0, groups, 3), 1);
        ck_assert_uint_eq(groups[0].start, 2);
        ck_assert_uint_eq(groups[0].end, (size_t)size - (i % 3 ? 0 : 1));
        ck_assert_uint_eq(groups[1].end + 1, groups[2].start);
        ck_assert_int_eq(regex_matches_whole(regex, STR("5-b")), 1);
        ck_assert_int_eq(regex_matches_whole(regex, STR(" 5-b")), 0);
    }
    /* More than the JIT's own small stack holds. */
    regex_free(regex);
    regex = compiled("^(?:a|b|(c))*$");
    char *big = memory_alloc(50000);
    memset(big, 'a', 50000);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(regex_search(regex, (struct str){big, 50000}, 0, NULL, 0), 1);
    memory_free(big);
    regex_free(regex);
    regex_free(NULL);
}
END_TEST

UNIT_MAIN("regex", test_searches_anywhere, test_fills_groups, test_searches_from_an_offset,
          test_an_offset_inside_a_character_is_the_next_one, test_matches_whole,
          test_bad_bytes_are_replacement_characters, test_tells_what_is_wrong,
          test_refuses_monstrous_patterns, test_catastrophic_patterns_end,
          test_quadratic_searches_end, test_deep_recursion_is_bounded, test_the_jit_gives_the_same)
