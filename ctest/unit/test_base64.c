#include "base/base64.h"

#include "unit.h"

#include <string.h>

static struct arena *arena;

START_TEST(test_writes_and_reads)
{
    static const struct {
        struct str bytes;
        const char *padded;
        const char *bare;
    } rows[] = {{STR_INIT(""), "", ""},
                {STR_INIT("f"), "Zg==", "Zg"},
                {STR_INIT("fo"), "Zm8=", "Zm8"},
                {STR_INIT("foo"), "Zm9v", "Zm9v"},
                {STR_INIT("foob"), "Zm9vYg==", "Zm9vYg"},
                {STR_INIT("\0\xff\xfe"), "AP/+", "AP/+"},
                {STR_INIT("\xfb\xef\xbe\xff"), "++++/w==", "++++/w"}};
    arena = arena_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str bytes;
        ck_str_is(base64_write(arena, rows[i].bytes, true), rows[i].padded);
        ck_str_is(base64_write(arena, rows[i].bytes, false), rows[i].bare);
        ck_assert(base64_read(arena, str_of(rows[i].padded), &bytes));
        ck_assert(str_equal(bytes, rows[i].bytes));
        ck_assert(base64_read(arena, str_of(rows[i].bare), &bytes));
        ck_assert(str_equal(bytes, rows[i].bytes));
    }
    arena_free(arena);
}
END_TEST

START_TEST(test_reads_the_other_alphabet)
{
    struct str bytes;
    arena = arena_new();
    ck_assert(base64_read(arena, STR("-_-_"), &bytes));
    ck_assert(str_equal(bytes, STR("\xfb\xff\xbf")));
    /* bits that are left over do not count */
    ck_assert(base64_read(arena, STR("Zh=="), &bytes));
    ck_str_is(bytes, "f");
    arena_free(arena);
}
END_TEST

START_TEST(test_refuses_what_is_none)
{
    static const char *const wrong[] = {"Z",     "Zg=",    "Z===", "====", "Zg==Zg==", "Zm9vZ",
                                        "Zm 9v", "Zm9v\n", "Zm9*", "=Zm9", "Zg==="};
    struct str bytes;
    arena = arena_new();
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!base64_read(arena, str_of(wrong[i]), &bytes), "%s", wrong[i]);
    ck_assert(!base64_read(arena, STR("Zm\0v"), &bytes));
    arena_free(arena);
}
END_TEST

UNIT_MAIN("base64", test_writes_and_reads, test_reads_the_other_alphabet, test_refuses_what_is_none)
