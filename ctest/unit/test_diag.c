#include "base/diag.h"

#include "unit.h"

#include <string.h>

/** Checks what is printed for the diagnostics, and clears them. */
static void prints(struct diagnostics *diagnostics, const char *expected)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    diagnostics_print(diagnostics, &buf);
    ck_str_is(buf_str(&buf), expected);
    buf_clear(&buf);
    diagnostics_clear(diagnostics);
}

START_TEST(test_prints_as_a_compiler_does)
{
    struct source source = {STR_INIT("examples/outage.yaml"),
                            STR_INIT("a: 1\n    protocl: http\n")};
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct nearest nearest = {.wanted = STR("protocl")};
    diagnostics_add(&diagnostics, (struct place){&source, 2, 5, 7},
                    "unknown key '%s' in upstream '%s'", "protocl", "api");
    str_nearest(&nearest, STR("port"));
    diagnostics_did_you_mean(&diagnostics, &nearest);
    ck_assert_uint_eq(diagnostics.last->help.size, 0);
    str_nearest(&nearest, STR("protocol"));
    diagnostics_did_you_mean(&diagnostics, &nearest);
    ck_assert_uint_eq(diagnostics.count, 1);
    prints(&diagnostics,
           "examples/outage.yaml:2:5: error: unknown key 'protocl' in upstream 'api'\n"
           "    2 |     protocl: http\n"
           "      |     ^~~~~~~\n"
           "      = did you mean 'protocol'?\n");
}
END_TEST

START_TEST(test_places_without_a_line)
{
    struct source source = {STR_INIT("f"), STR_INIT("x")};
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    diagnostics_add(&diagnostics, (struct place){.source = &source}, "the file is empty");
    diagnostics_add(&diagnostics, (struct place){0}, "nowhere");
    diagnostics_help(&diagnostics, "at %s", "all");
    prints(&diagnostics, "f: error: the file is empty\nerror: nowhere\n      = at all\n");
    diagnostics_init(&diagnostics);
    prints(&diagnostics, "");
}
END_TEST

START_TEST(test_orders_by_file_and_place)
{
    struct source b = {STR_INIT("b"), STR_INIT("")};
    struct source a = {STR_INIT("a"), STR_INIT("")};
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    diagnostics_add(&diagnostics, (struct place){&b, 2, 9, 1}, "4");
    diagnostics_add(&diagnostics, (struct place){&a, 1, 1, 1}, "6");
    diagnostics_add(&diagnostics, (struct place){&b, 2, 3, 1}, "2");
    diagnostics_add(&diagnostics, (struct place){&b, 2, 3, 1}, "3");
    diagnostics_add(&diagnostics, (struct place){&b, 10, 1, 1}, "5");
    diagnostics_add(&diagnostics, (struct place){&b, 1, 1, 1}, "1");
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    diagnostics_print(&diagnostics, &buf);
    char order[7] = "";
    size_t count = 0;
    for (const char *at = buf.data; count < 6 && (at = strstr(at, "error: ")); at++)
        order[count++] = at[7];
    ck_assert_str_eq(order, "123456");
    buf_clear(&buf);
    diagnostics_clear(&diagnostics);
}
END_TEST

/** Checks the two lines shown for a place in a text. */
static void shows(const char *text, uint32_t line, uint32_t column, uint32_t width,
                  const char *expected)
{
    struct source source = {STR("f"), str_of(text)};
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    place_print_line((struct place){&source, line, column, width}, &buf);
    ck_str_is(buf_str(&buf), expected);
    buf_clear(&buf);
}

START_TEST(test_underlines)
{
    shows("abc", 1, 2, 1, "    1 | abc\n      |  ^\n");
    shows("abc", 1, 2, 0, "    1 | abc\n      |  ^\n");
    shows("abc\r\ndef\r\n", 2, 1, 3, "    2 | def\n      | ^~~\n");
    shows("éé é", 1, 4, 1, "    1 | éé é\n      |    ^\n");
    shows("abc", 1, 3, 99, "    1 | abc\n      |   ^\n");
    shows("abc", 1, 99, 2, "    1 | abc\n      |    ^\n");
    shows("abc", 1, 0, 2, "    1 | abc\n      | ^~\n");
    shows("abc\n", 2, 1, 1, "    2 | \n      | ^\n");
    shows("abc", 9, 9, 9, "    9 | \n      | ^\n");
    shows("abc", UINT32_MAX, UINT32_MAX, UINT32_MAX, "4294967295 | \n      | ^\n");
    shows("abc", 0, 1, 1, "");
}
END_TEST

START_TEST(test_upsets_no_terminal)
{
    shows("\ta\x1b[2Jb\xff\x7f\xc2\x9b", 1, 2, 1, "    1 |  a?[2Jb???\n      |  ^\n");
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    diagnostics_add(&diagnostics, (struct place){0}, "duplicate key '%s'", "a\x1b[2J\nb\xff");
    diagnostics_help(&diagnostics, "%s", "é\x07");
    prints(&diagnostics, "error: duplicate key 'a?[2J?b?'\n      = é?\n");
}
END_TEST

START_TEST(test_long_lines_are_cut)
{
    char text[3001];
    memset(text, 'a', 3000);
    text[3000] = '\0';
    text[2000] = 'X';
    struct source source = {STR("f"), str_of(text)};
    static const uint32_t columns[] = {1, 120, 121, 160, 161, 2001, 3000, 9999};
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        struct buf buf;
        buf_init(&buf, BUF_OWN);
        place_print_line((struct place){&source, 1, columns[i], 5000}, &buf);
        const char *second = strchr(buf.data, '\n') + 1;
        ck_assert_int_le(second - buf.data, 8 + 160 + 1);
        ck_assert_uint_le(strlen(second), 8 + 160 + 2);
        if (columns[i] == 2001)
            ck_assert_int_eq(buf.data[strchr(second, '^') - second], 'X');
        buf_clear(&buf);
    }
}
END_TEST

START_TEST(test_places)
{
    struct source source = {STR("f"), STR("")};
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    struct place place = place_inside((struct place){&source, 3, 4, 9}, 2, 5);
    ck_assert(place.line == 3 && place.column == 6 && place.width == 5);
    place_print(place, &buf);
    buf_append_byte(&buf, ' ');
    place_print((struct place){&source, 3, 0, 0}, &buf);
    buf_append_byte(&buf, ' ');
    place_print((struct place){&source, 0, 0, 0}, &buf);
    place_print((struct place){0}, &buf);
    ck_str_is(buf_str(&buf), "f:3:6 f:3:1 f");
    buf_clear(&buf);
}
END_TEST

UNIT_MAIN("diag", test_prints_as_a_compiler_does, test_places_without_a_line,
          test_orders_by_file_and_place, test_underlines, test_upsets_no_terminal,
          test_long_lines_are_cut, test_places)
