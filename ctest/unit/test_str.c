#include "base/str.h"

#include "unit.h"

#include <string.h>

START_TEST(test_compares)
{
    ck_assert(str_equal(STR("ab"), STR("ab")));
    ck_assert(!str_equal(STR("ab"), STR("abc")));
    ck_assert(str_equal((struct str){0}, STR("")));
    ck_assert(!str_equal(STR("a\0b"), STR("a\0c")));
    ck_assert(str_is(STR("ab"), "ab"));
    ck_assert(!str_is(STR("ab\0"), "ab"));
    ck_assert(str_is((struct str){0}, ""));
    ck_assert(str_is(str_of(NULL), ""));
    ck_assert_int_eq(str_compare(STR("a"), STR("a")), 0);
    ck_assert_int_lt(str_compare(STR("a"), STR("ab")), 0);
    ck_assert_int_gt(str_compare(STR("b"), STR("ab")), 0);
    ck_assert_int_gt(str_compare(STR("\xff"), STR("a")), 0);
    ck_assert_int_lt(str_compare((struct str){0}, STR("a")), 0);
}
END_TEST

START_TEST(test_compares_without_case)
{
    ck_assert(str_equal_nocase(STR("Content-Type"), STR("content-tYPE")));
    ck_assert(!str_equal_nocase(STR("a"), STR("b")));
    ck_assert(!str_equal_nocase(STR("ab"), STR("a")));
    ck_assert(!str_equal_nocase(STR("[\\]^"), STR("{|}~")));
    ck_assert(!str_equal_nocase(STR("\xc3\x89"), STR("\xc3\xa9")));
    ck_assert(!str_equal_nocase(STR("a\0b"), STR("a\0c")));
    ck_assert(str_equal_nocase((struct str){0}, STR("")));
}
END_TEST

START_TEST(test_finds)
{
    ck_assert(str_starts(STR("abc"), STR("ab")));
    ck_assert(str_starts(STR("abc"), STR("")));
    ck_assert(!str_starts(STR("a"), STR("ab")));
    ck_assert(str_ends(STR("abc"), STR("bc")));
    ck_assert(!str_ends(STR("c"), STR("bc")));
    ck_assert(str_ends((struct str){0}, STR("")));
    ck_assert_int_eq(str_find(STR("ababc"), STR("abc")), 2);
    ck_assert_int_eq(str_find(STR("ab"), STR("abc")), -1);
    ck_assert_int_eq(str_find(STR("ab"), STR("")), 0);
    ck_assert_int_eq(str_find((struct str){0}, STR("a")), -1);
    ck_assert_int_eq(str_find(STR("a\0bc"), STR("bc")), 2);
    ck_assert_int_eq(str_find_byte(STR("abc"), 'c'), 2);
    ck_assert_int_eq(str_find_byte(STR("abc"), 'd'), -1);
    ck_assert_int_eq(str_find_byte((struct str){0}, 'd'), -1);
}
END_TEST

START_TEST(test_slices_are_clipped)
{
    ck_str_is(str_slice(STR("hello"), 1, 3), "ell");
    ck_str_is(str_slice(STR("hello"), 3, 99), "lo");
    ck_str_is(str_slice(STR("hello"), 9, 1), "");
    ck_str_is(str_slice(STR("hello"), SIZE_MAX, SIZE_MAX), "");
    ck_str_is(str_from(STR("hello"), 4), "o");
    ck_str_is(str_from(STR("hello"), 5), "");
    ck_str_is(str_from((struct str){0}, 5), "");
    ck_str_is(str_trim(STR(" \t\r\n a b \n")), "a b");
    ck_str_is(str_trim(STR(" \n ")), "");
    ck_str_is(str_trim((struct str){0}), "");
}
END_TEST

START_TEST(test_reads_numbers)
{
    uint64_t value = 7;
    ck_assert(str_to_u64(STR("0"), 0, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert(str_to_u64(STR("000000000000000000000000000042"), 42, &value));
    ck_assert_uint_eq(value, 42);
    static const char *const wrong[] = {
        "",  "-1", "+1", " 1", "1 ", "0x1", "1a", "18446744073709551616", "99999999999999999999999",
        "43"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        uint64_t most = i + 1 == COUNT_OF(wrong) ? 42 : UINT64_MAX;
        ck_assert_msg(!str_to_u64(str_of(wrong[i]), most, &value), "%s", wrong[i]);
        ck_assert_uint_eq(value, 42);
    }
}
END_TEST

START_TEST(test_utf8_goes_around)
{
    static const uint32_t codes[] = {0,      0x7f,   0x80,   0x7ff,   0x800,
                                     0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        char bytes[4];
        uint32_t code = 1;
        size_t size = str_encode(codes[i], bytes);
        ck_assert_uint_eq(str_decode((struct str){bytes, size}, &code), size);
        ck_assert_uint_eq(code, codes[i]);
        ck_assert_uint_eq(str_decode((struct str){bytes, size - 1}, &code), 0);
    }
}
END_TEST

START_TEST(test_bad_utf8_is_found)
{
    static const struct {
        struct str text;
        size_t at;
    } cases[] = {
        {STR_INIT("a\x80"), 1},
        {STR_INIT("\xc0\x80"), 0},
        {STR_INIT("\xc1\xbf"), 0},
        {STR_INIT("\xe0\x9f\xbf"), 0},
        {STR_INIT("\xed\xa0\x80"), 0},
        {STR_INIT("\xf0\x8f\xbf\xbf"), 0},
        {STR_INIT("\xf4\x90\x80\x80"), 0},
        {STR_INIT("\xf8\x88\x80\x80\x80"), 0},
        {STR_INIT("\xff"), 0},
        {STR_INIT("\xc3\xa9\xc3"), 2},
        {STR_INIT("ab\xe2\x82"), 2},
        {STR_INIT("\xe2\x28\xa1"), 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t at = 99;
        ck_assert(!str_is_utf8(cases[i].text, &at));
        ck_assert_uint_eq(at, cases[i].at);
        ck_assert(!str_is_utf8(cases[i].text, NULL));
    }
    ck_assert(str_is_utf8(STR("a\0é€😀"), NULL));
    ck_assert(str_is_utf8((struct str){0}, NULL));
}
END_TEST

START_TEST(test_counts_characters)
{
    ck_assert_uint_eq(str_characters(STR("")), 0);
    ck_assert_uint_eq(str_characters(STR("aé€😀")), 4);
    ck_assert_uint_eq(str_characters(STR("a\xff\xe2\x82")), 4);
}
END_TEST

START_TEST(test_names)
{
    ck_assert(str_is_name(STR("a")));
    ck_assert(str_is_name(STR("api-2-")));
    static const char *const wrong[] = {"", "A", "2a", "-a", "a_b", "a.b", "aB", "é", "a "};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!str_is_name(str_of(wrong[i])), "%s", wrong[i]);
    ck_assert(!str_is_name(STR("a\0")));
}
END_TEST

START_TEST(test_distance)
{
    ck_assert_uint_eq(str_distance(STR(""), STR(""), 3), 0);
    ck_assert_uint_eq(str_distance(STR(""), STR("ab"), 3), 2);
    ck_assert_uint_eq(str_distance(STR("kitten"), STR("sitting"), 5), 3);
    ck_assert_uint_eq(str_distance(STR("kitten"), STR("sitting"), 1), 2);
    ck_assert_uint_eq(str_distance(STR("status"), STR("statsu"), 3), 1);
    ck_assert_uint_eq(str_distance(STR("ab"), STR("ba"), 3), 1);
    ck_assert_uint_eq(str_distance(STR("protocl"), STR("protocol"), 3), 1);
    char text[200];
    memset(text, 'a', sizeof text);
    ck_assert_uint_eq(str_distance((struct str){text, 64}, (struct str){text, 64}, 3), 0);
    ck_assert_uint_eq(str_distance((struct str){text, 64}, (struct str){text, 63}, 3), 1);
    ck_assert_uint_eq(str_distance((struct str){text, 65}, (struct str){text, 64}, 3), 4);
    ck_assert_uint_eq(str_distance((struct str){text, 200}, (struct str){text, 200}, 3), 0);
}
END_TEST

static struct str nearest_of(const char *wanted, const char *const *known, size_t count)
{
    struct nearest nearest = {.wanted = str_of(wanted)};
    for (size_t i = 0; i < count; i++)
        str_nearest(&nearest, str_of(known[i]));
    return nearest.best;
}

START_TEST(test_nearest)
{
    static const char *const known[] = {"protocol", "port",   "host",
                                        "state",    "status", "connections"};
    ck_str_is(nearest_of("protocl", known, COUNT_OF(known)), "protocol");
    ck_str_is(nearest_of("statsu", known, COUNT_OF(known)), "status");
    ck_str_is(nearest_of("stat", known, COUNT_OF(known)), "state");
    ck_str_is(nearest_of("conn", known, COUNT_OF(known)), "connections");
    ck_str_is(nearest_of("hosts", known, COUNT_OF(known)), "host");
    ck_str_is(nearest_of("banana", known, COUNT_OF(known)), "");
    ck_str_is(nearest_of("", known, COUNT_OF(known)), "");
    ck_str_is(nearest_of("x", NULL, 0), "");
}
END_TEST

UNIT_MAIN("str", test_compares, test_compares_without_case, test_finds, test_slices_are_clipped,
          test_reads_numbers, test_utf8_goes_around, test_bad_utf8_is_found, test_counts_characters,
          test_names, test_distance, test_nearest)
