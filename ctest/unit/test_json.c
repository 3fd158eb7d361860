/* JSON: the official suite of documents, places and errors, writers, comparisons and numbers. */
#include "base/json.h"

#include "ctest/unit/unit.h"

#include <dirent.h>
#include <float.h>
#include <math.h>
#include <string.h>

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new();
}

static void tear_down(void)
{
    arena_free(arena);
}

static struct json *read_json(const char *text)
{
    struct json_error error;
    struct json *value = json_read(arena, str_of(text), &error);
    ck_assert_msg(value != NULL, "%s: %s at %zu", text, value ? "" : error.message,
                  value ? 0 : error.offset);
    return value;
}

static struct str written(const struct json *value)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    json_write(value, &buf);
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

/* The official suite */

static struct str read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    struct buf buf;
    char chunk[4096];
    buf_init(&buf, BUF_OWN);
    for (size_t size; (size = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_append(&buf, (struct str){chunk, size});
    fclose(file);
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

/* What is accepted must also survive writing and reading again. */
static void check_round_trip(const char *name, const struct json *value)
{
    struct json_error error;
    struct json *again = json_read(arena, written(value), &error);
    ck_assert_msg(again && json_equal(value, again), "%s", name);
    ck_assert_msg(json_equal(value, json_copy(arena, value)), "%s", name);
}

static void check_document(const char *folder, const char *name)
{
    struct json_error error;
    struct str text = read_file(arena_printf(arena, "%s/json-test-suite/%s", folder, name).data);
    struct json *value = json_read(arena, text, &error);
    if (name[0] == 'y')
        ck_assert_msg(value != NULL, "%s: %s", name, value ? "" : error.message);
    if (name[0] == 'n')
        ck_assert_msg(value == NULL, "%s: accepted", name);
    if (value)
        check_round_trip(name, value);
    else
        ck_assert_msg(error.message && error.offset <= text.size && error.line && error.column,
                      "%s", name);
}

START_TEST(test_passes_the_official_documents)
{
    const char *folder = unit_data_folder();
    if (!folder) {
        printf("skipped: json-test-suite (318 documents), no test data\n");
        return;
    }
    set_up();
    DIR *documents = opendir(arena_printf(arena, "%s/json-test-suite", folder).data);
    ck_assert(documents != NULL);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(documents));) {
        if (!str_ends(str_of(entry->d_name), STR(".json")))
            continue;
        check_document(folder, entry->d_name);
        count++;
    }
    closedir(documents);
    ck_assert_uint_ge(count, 318);
    tear_down();
}
END_TEST

/* Reading */

START_TEST(test_reads_values_with_places)
{
    set_up();
    const struct json *value = read_json("{\n  \"a\": [1,\n\t\"x\"],\"b\":null}\n");
    ck_assert_uint_eq(value->line, 1);
    ck_assert_uint_eq(value->column, 1);
    const struct json *list = json_get(value, STR("a"));
    ck_assert_uint_eq(list->line, 2);
    ck_assert_uint_eq(list->column, 8);
    ck_assert_uint_eq(list->elements[1]->line, 3);
    ck_assert_uint_eq(list->elements[1]->column, 2);
    ck_assert_uint_eq(json_get(value, STR("b"))->column, 11);
    tear_down();
}
END_TEST

START_TEST(test_loses_nothing)
{
    static const char text[] = "{\"n\":[1.10,18446744073709551615,1E+2,-0,0.0],"
                               "\"d\":1,\"d\":2,\"\":\"\xc3\xa9\xf0\x9f\x98\x80\"}";
    set_up();
    const struct json *value = read_json(text);
    ck_str_is(written(value), text);
    ck_assert_uint_eq(value->count, 4);
    ck_str_is(json_get(value, STR("d"))->text, "2");
    ck_assert(!json_get(value, STR("nope")));
    ck_assert(!json_get(read_json("[]"), STR("nope")));
    tear_down();
}
END_TEST

START_TEST(test_decodes_escapes)
{
    set_up();
    ck_str_is(read_json("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")->text, "\"\\/\b\f\n\r\t");
    ck_str_is(read_json("\"a\\u00e9\\uD83D\\uDE00b\xc3\xa9\"")->text, "a\xc3\xa9\xf0\x9f\x98\x80"
                                                                      "b\xc3\xa9");
    struct str text = read_json("\"a\\u0000b\"")->text;
    ck_assert(str_equal(text, STR("a\0b")));
    ck_str_is(read_json("{\"\\u0061\":1}")->members[0].name, "a");
    tear_down();
}
END_TEST

START_TEST(test_says_what_is_wrong)
{
    static const struct {
        const char *text;
        const char *message;
        size_t offset;
        uint32_t line;
        uint32_t column;
    } rows[] = {
        {"", "the text is empty", 0, 1, 1},
        {" \n ", "the text is empty", 3, 2, 2},
        {"\xef\xbb\xbf{}", "the text starts with a byte order mark", 0, 1, 1},
        {"[1,\n]", "trailing comma", 2, 1, 3},
        {"{\"a\":1,}", "trailing comma", 6, 1, 7},
        {"[1 2]", "expected ',' or ']'", 3, 1, 4},
        {"[1", "expected ',' or ']'", 2, 1, 3},
        {"[1,", "the text ends where a value should stand", 3, 1, 4},
        {"{\n \"a\" 1}", "expected ':'", 7, 2, 6},
        {"{a:1}", "expected a member's name in double quotes", 1, 1, 2},
        {"\"abc", "the string does not end", 0, 1, 1},
        {"\"abc\\", "the string does not end", 4, 1, 5},
        {"\"a\nb\"", "a control character in a string must be escaped", 2, 1, 3},
        {"\"\\x\"", "unknown escape in a string", 1, 1, 2},
        {"\"\\ud800\"", "a \\u escape is four hex digits, a surrogate needs its other half", 1, 1,
         2},
        {"\"\xff\"", "bad UTF-8", 1, 1, 2},
        {"\"\xed\xa0\x80\"", "bad UTF-8", 1, 1, 2},
        {"012", "a number starts with 0", 0, 1, 1},
        {"-", "a digit is missing in a number", 1, 1, 2},
        {"1.", "a digit is missing in a number", 2, 1, 3},
        {"NaN", "JSON has no NaN and no Infinity", 0, 1, 1},
        {".inf", "expected a value", 0, 1, 1},
        {"'a'", "strings stand in double quotes", 0, 1, 1},
        {"/* */ 1", "JSON has no comments", 0, 1, 1},
        {"[,1]", "expected a value before ','", 1, 1, 2},
        {"{} {}", "more text after the value", 3, 1, 4},
        {"tru", "expected a value", 0, 1, 1},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_error error;
        ck_assert_msg(!json_read(arena, str_of(rows[i].text), &error), "%s", rows[i].text);
        ck_assert_str_eq(error.message, rows[i].message);
        ck_assert_msg(error.offset == rows[i].offset, "%s: %zu", rows[i].text, error.offset);
        ck_assert_msg(error.line == rows[i].line, "%s: line %u", rows[i].text, error.line);
        ck_assert_msg(error.column == rows[i].column, "%s: column %u", rows[i].text, error.column);
    }
    tear_down();
}
END_TEST

START_TEST(test_bounds_nesting)
{
    char text[2 * (JSON_DEPTH + 1)];
    struct json_error error;
    set_up();
    memset(text, '[', JSON_DEPTH + 1);
    memset(text + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
    ck_assert(json_read(arena, (struct str){text + 1, 2 * JSON_DEPTH}, &error) != NULL);
    ck_assert(!json_read(arena, (struct str){text, sizeof text}, &error));
    ck_assert_str_eq(error.message, "nested deeper than 512");
    tear_down();
}
END_TEST

/* A text without a NUL behind it: nothing may be read beyond its end. */
START_TEST(test_reads_every_prefix_within_its_bounds)
{
    static const char text[] =
        "{\"a\\u00e9\\ud83d\\ude00\":[1.5e+3,true,false,null,\"\xf0\x9f\x98\x80\"]}";
    set_up();
    for (size_t size = 0; size < sizeof text - 1; size++) {
        struct json_error error;
        char *copy = malloc(size ? size : 1);
        memcpy(copy, text, size);
        ck_assert(!json_read(arena, (struct str){copy, size}, &error));
        free(copy);
    }
    struct json_error error;
    ck_assert(!json_read(arena, (struct str){NULL, 0}, &error));
    tear_down();
}
END_TEST

/* Making and writing */

START_TEST(test_makes_values)
{
    set_up();
    struct json *object = json_object(arena);
    struct json *array = json_array(arena);
    ck_str_is(written(object), "{}");
    ck_str_is(written(array), "[]");
    for (int i = 0; i < 20; i++)
        json_push(arena, array, json_integer(arena, i));
    ck_str_is(written(array), "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]");
    json_put(arena, object, STR("null"), json_null(arena));
    json_put(arena, object, STR("bool"), json_bool(arena, true));
    json_put(arena, object, STR("least"), json_integer(arena, INT64_MIN));
    json_put(arena, object, STR("text"), json_string(arena, STR("x")));
    json_put(arena, object, STR("none"), json_string(arena, (struct str){NULL, 0}));
    ck_str_is(written(object), "{\"null\":null,\"bool\":true,\"least\":-9223372036854775808,"
                               "\"text\":\"x\",\"none\":\"\"}");
    tear_down();
}
END_TEST

START_TEST(test_grows_what_was_read_or_copied)
{
    set_up();
    for (int size = 0; size < 10; size++) {
        struct json *array = json_array(arena);
        struct json *object = json_object(arena);
        for (int i = 0; i < size; i++) {
            json_push(arena, array, json_integer(arena, i));
            json_put(arena, object, STR("a"), json_integer(arena, i));
        }
        struct json_error error;
        array = json_read(arena, written(array), &error);
        object = json_copy(arena, object);
        for (int i = 0; i < 10; i++) {
            json_push(arena, array, json_null(arena));
            json_put(arena, object, STR("b"), json_null(arena));
        }
        ck_assert_uint_eq(array->count, (size_t)size + 10);
        ck_assert_uint_eq(object->count, (size_t)size + 10);
    }
    tear_down();
}
END_TEST

START_TEST(test_writes_doubles_shortest)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {0.1, "0.1"},
        {100, "100"},
        {1e21, "1e+21"},
        {1.0 / 3, "0.3333333333333333"},
        {5e-324, "5e-324"},
        {-2.5, "-2.5"},
        {123456789012345, "123456789012345"},
        {INFINITY, ".inf"},
        {-INFINITY, "-.inf"},
        {NAN, ".nan"},
        {DBL_MAX, "1.7976931348623157e+308"},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_str_is(json_double(arena, rows[i].value)->text, rows[i].text);
    tear_down();
}
END_TEST

START_TEST(test_writes_strings_with_the_shortest_escapes)
{
    set_up();
    ck_str_is(written(json_string(arena, STR("\"\\/\b\f\n\r\t\1\x1f\x7f'\xc3\xa9"))),
              "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f'\xc3\xa9\"");
    ck_str_is(written(json_string(arena, STR("a\0b"))), "\"a\\u0000b\"");
    ck_str_is(written(json_string(arena, STR("a\xff\xc3"))), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    tear_down();
}
END_TEST

START_TEST(test_writes_pretty)
{
    struct buf buf;
    set_up();
    buf_init(&buf, BUF_OWN);
    json_write_pretty(read_json("{\"a\":[1,{\"b\":[]}],\"c\":{}}"), &buf);
    ck_str_is(buf_str(&buf), "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n"
                             "  \"c\": {}\n}");
    buf_clear(&buf);
    tear_down();
}
END_TEST

START_TEST(test_writes_within_the_bound)
{
    struct buf buf;
    set_up();
    buf_init(&buf, 10);
    json_write(read_json("[\"aaaaaaaaaaaa\",\"b\",[[[[[[1]]]]]]]"), &buf);
    ck_assert(buf_full(&buf));
    ck_assert_uint_le(buf.size, 10);
    buf_clear(&buf);
    tear_down();
}
END_TEST

START_TEST(test_names_types)
{
    static const char *const rows[][2] = {
        {"null", "null"},
        {"true", "boolean"},
        {"1", "integer"},
        {"1.0", "integer"},
        {"1e3", "integer"},
        {"10e-1", "integer"},
        {"1.5", "number"},
        {"1e-1", "number"},
        {"\"\"", "string"},
        {"[]", "array"},
        {"{}", "object"},
        {"0.0e-5", "integer"},
        {"1e99999999999999999999999", "integer"},
        {"1e-99999999999999999999999", "number"},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_str_eq(json_type_name(read_json(rows[i][0])), rows[i][1]);
    ck_assert_str_eq(json_type_name(json_number(arena, STR(".inf"))), "number");
    tear_down();
}
END_TEST

/* Comparing */

START_TEST(test_compares_for_equality)
{
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } rows[] = {
        {"1.10", "11e-1", true},
        {"1", "true", false},
        {"7", "\"7\"", false},
        {"null", "false", false},
        {"true", "false", false},
        {"\"\\u0061\"", "\"a\"", true},
        {"\"a\"", "\"A\"", false},
        {"[1,2]", "[1,2.0]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"[]", "{}", false},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
        {"{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}", true},
        {"{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}", false},
        {"{\"a\":1,\"b\":0,\"a\":2}", "{\"b\":0,\"a\":1,\"a\":2}", true},
        {"{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":1}", false},
        {"{\"a\":1}", "{\"a\":1,\"a\":1}", false},
        {"[[[{\"x\":[1]}]]]", "[[[{\"x\":[1e0]}]]]", true},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct json *a = read_json(rows[i].a);
        const struct json *b = read_json(rows[i].b);
        ck_assert_msg(json_equal(a, b) == rows[i].equal, "%s and %s", rows[i].a, rows[i].b);
        ck_assert_msg(json_equal(b, a) == rows[i].equal, "%s and %s", rows[i].b, rows[i].a);
    }
    ck_assert(json_equal(json_number(arena, STR(".nan")), json_number(arena, STR(".NaN"))));
    ck_assert(!json_equal(json_number(arena, STR(".nan")), json_number(arena, STR("1"))));
    ck_assert(json_equal(json_number(arena, STR(".inf")), json_number(arena, STR(".Inf"))));
    ck_assert(!json_equal(json_number(arena, STR(".inf")), json_number(arena, STR("-.inf"))));
    tear_down();
}
END_TEST

START_TEST(test_finds_subsets)
{
    static const struct {
        const char *part;
        const char *whole;
        bool subset;
    } rows[] = {
        {"{}", "{\"a\":1}", true},
        {"{}", "[]", false},
        {"{\"a\":{\"b\":1}}", "{\"x\":0,\"a\":{\"c\":2,\"b\":1.0}}", true},
        {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2}}", false},
        {"{\"a\":null}", "{}", false},
        {"[{\"a\":1}]", "[{\"a\":1,\"b\":2}]", true},
        {"[{\"a\":1}]", "[{\"a\":1},{\"a\":1}]", false},
        {"[1,2]", "[2,1]", false},
        {"{\"a\":2}", "{\"a\":1,\"a\":2}", false},
        {"{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":0,\"a\":2}", true},
        {"\"a\"", "\"a\"", true},
        {"{\"a\":1,\"b\":2}", "{\"a\":1}", false},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(json_is_subset(read_json(rows[i].part), read_json(rows[i].whole)) ==
                          rows[i].subset,
                      "%s in %s", rows[i].part, rows[i].whole);
    tear_down();
}
END_TEST

/* Differences as lines "path expected actual". */
static struct str differences(const char *expected, const char *actual, bool subset, size_t most)
{
    size_t count;
    struct json_difference *found =
        json_differences(arena, read_json(expected), read_json(actual), subset, most, &count);
    struct str text = STR("");
    for (size_t i = 0; i < count; i++) {
        struct str old = found[i].expected ? written(found[i].expected) : STR("-");
        struct str new = found[i].actual ? written(found[i].actual) : STR("-");
        text = arena_printf(arena, STR_FMT STR_FMT " " STR_FMT " " STR_FMT "\n", STR_ARG(text),
                            STR_ARG(found[i].path), STR_ARG(old), STR_ARG(new));
    }
    return text;
}

START_TEST(test_lists_differences)
{
    set_up();
    ck_str_is(differences("1", "1.0", false, 9), "");
    ck_str_is(differences("1", "\"1\"", false, 9), "$ 1 \"1\"\n");
    ck_str_is(differences("{\"a\":[1,2],\"b\":{\"it's\":1},\"c\":0}",
                          "{\"c\":1,\"d\":5,\"b\":{\"it's\":2},\"a\":[1,3,4]}", false, 9),
              "$['a'][1] 2 3\n$['a'][2] - 4\n$['b']['it\\'s'] 1 2\n$['c'] 0 1\n$['d'] - 5\n");
    ck_str_is(differences("{\"a\":1,\"z\":1}", "{\"x\":1,\"a\":1}", false, 9),
              "$['z'] 1 -\n$['x'] - 1\n");
    ck_str_is(differences("{\"a\":1}", "{\"x\":1,\"a\":2}", true, 9), "$['a'] 1 2\n");
    ck_str_is(differences("{\"a\":2}", "{\"x\":1,\"a\":2,\"a\":3}", true, 9), "$['a'] - 3\n");
    ck_str_is(differences("[1,2,3]", "[4,5]", false, 9), "$[0] 1 4\n$[1] 2 5\n$[2] 3 -\n");
    ck_str_is(differences("[1,2,3]", "[4,5]", false, 2), "$[0] 1 4\n$[1] 2 5\n");
    ck_str_is(differences("[1,2,3]", "[4,5]", false, 0), "");
    ck_str_is(differences("{\"a\":[]}", "{\"a\":{}}", false, 9), "$['a'] [] {}\n");
    tear_down();
}
END_TEST

/* json_equal(), json_is_subset() and json_differences() are one walk: they never disagree. */
START_TEST(test_comparisons_agree)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":[1,{\"c\":2}]}",
        "{\"b\":[1,{\"c\":2}],\"a\":1}",
        "{\"a\":1}",
        "{}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":[1,{\"c\":2,\"d\":1}]}",
        "[]",
        "[1]",
        "1",
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t j = 0; j < COUNT_OF(texts); j++) {
            size_t count;
            const struct json *a = read_json(texts[i]);
            const struct json *b = read_json(texts[j]);
            json_differences(arena, a, b, false, 99, &count);
            ck_assert_msg(json_equal(a, b) == (count == 0), "%s %s", texts[i], texts[j]);
            json_differences(arena, a, b, true, 99, &count);
            ck_assert_msg(json_is_subset(a, b) == (count == 0), "%s %s", texts[i], texts[j]);
        }
    }
    tear_down();
}
END_TEST

/* Objects of this size take seconds when members are searched one by one. */
START_TEST(test_compares_large_objects)
{
    enum { MEMBERS = 100000 };
    set_up();
    struct json *a = json_object(arena);
    struct json *b = json_object(arena);
    for (int i = 0; i < MEMBERS; i++) {
        struct str name = arena_printf(arena, "name%d", i);
        struct str other = arena_printf(arena, "name%d", MEMBERS - 1 - i);
        json_put(arena, a, name, json_integer(arena, i));
        json_put(arena, b, other, json_integer(arena, MEMBERS - 1 - i));
    }
    ck_assert(json_equal(a, b));
    ck_assert(json_is_subset(a, b));
    struct json *same = json_object(arena);
    struct json *same_less = json_object(arena);
    for (int i = 0; i < MEMBERS; i++) {
        json_put(arena, same, STR("same"), json_integer(arena, i));
        json_put(arena, same_less, i ? STR("same") : STR("other"), json_integer(arena, i));
    }
    ck_assert(!json_equal(same, same_less));
    tear_down();
}
END_TEST

/* Numbers */

static int compare_numbers(const char *a, const char *b)
{
    bool ordered;
    int order = number_compare(str_of(a), str_of(b), &ordered);
    bool back_ordered;
    int back = number_compare(str_of(b), str_of(a), &back_ordered);
    ck_assert_msg(ordered == back_ordered && (order > 0) == (back < 0) && (order < 0) == (back > 0),
                  "%s and %s", a, b);
    return !ordered ? 9 : order < 0 ? -1 : order > 0;
}

START_TEST(test_compares_numbers)
{
    static const struct {
        const char *a;
        const char *b;
        int order; /* 9: not ordered */
    } rows[] = {
        {"0", "-0", 0},
        {"0.000", "0e99", 0},
        {"1", "1.0", 0},
        {"1.10", "1.1", 0},
        {"11e-1", "1.1", 0},
        {"0.0011e3", "1.1", 0},
        {"1000", "1e3", 0},
        {"1000", "1E+3", 0},
        {"1e0003", "1000", 0},
        {"1e-0", "1", 0},
        {"-1", "1", -1},
        {"-1", "0", -1},
        {"0", "0.001", -1},
        {"-2", "-1", -1},
        {"2", "10", -1},
        {"9.99", "10", -1},
        {"0.09", "0.1", -1},
        {"99e-3", "0.1", -1},
        {"123", "1234", -1},
        {"1.2", "1.23", -1},
        {"18446744073709551615", "18446744073709551616", -1},
        {"0.1", "0.10000000000000000000000000000000000001", -1},
        {"1e400000000", "1e400000001", -1},
        {"10e400000000", "1e400000001", 0},
        {"-1e400000000", "-1e400000001", 1},
        {"1e-400000000", "1e-400000001", 1},
        {"1e99999999999999999999999998", "1e99999999999999999999999999", -1},
        {"10e99999999999999999999999998", "1e99999999999999999999999999", 0},
        {"10e999999999999999999999", "1e1000000000000000000000", 0},
        {"0.1e1000000000000000000000", "1e999999999999999999999", 0},
        {"1e-999999999999999999999", "10e-1000000000000000000000", 0},
        {"1e-99999999999999999999", "1e99999999999999999999", -1},
        {"0e99999999999999999999", "1e-99999999999999999999", -1},
        {"1e99999999999999999999", ".inf", -1},
        {"-.inf", "-1e99999999999999999999", -1},
        {"-.inf", ".inf", -1},
        {".inf", "+.INF", 0},
        {".nan", "1", 9},
        {".NaN", ".nan", 9},
        {"+5", "5.", 0},
        {".5", "0.5", 0},
        {"", "1", 9},
        {".", "1", 9},
        {"-", "1", 9},
        {"1e", "1", 9},
        {"abc", "1", 9},
        {"1x", "1", 9},
        {"1.2.3", "1", 9},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(compare_numbers(rows[i].a, rows[i].b) == rows[i].order, "%s and %s: %d",
                      rows[i].a, rows[i].b, compare_numbers(rows[i].a, rows[i].b));
}
END_TEST

START_TEST(test_compares_as_integers_do)
{
    char a[32];
    char b[32];
    for (int i = -130; i <= 130; i++) {
        for (int j = -130; j <= 130; j++) {
            snprintf(a, sizeof a, "%d.%de-1", i, abs(i) % 7);
            snprintf(b, sizeof b, "%d%de-2", j, abs(j) % 7);
            long x = labs(i) * 10L + abs(i) % 7;
            long y = labs(j) * 10L + abs(j) % 7;
            x = i < 0 ? -x : x;
            y = j < 0 ? -y : y;
            ck_assert_msg(compare_numbers(a, b) == (x > y) - (x < y), "%s and %s", a, b);
        }
    }
}
END_TEST

START_TEST(test_knows_valid_numbers)
{
    static const char *const valid[] = {"0", "-0", "1.5", "1e5", "1E-05", "-12.340e+2", "1000"};
    static const char *const invalid[] = {"",     "-",    "+1",   ".5",    "5.",      "01",
                                          "-01",  "1e",   "1e+",  "1 ",    " 1",      "0x1",
                                          ".inf", ".nan", "1.e5", "1.2.3", "Infinity"};
    for (size_t i = 0; i < COUNT_OF(valid); i++)
        ck_assert_msg(number_is_valid(str_of(valid[i])), "%s", valid[i]);
    for (size_t i = 0; i < COUNT_OF(invalid); i++)
        ck_assert_msg(!number_is_valid(str_of(invalid[i])), "%s", invalid[i]);
}
END_TEST

START_TEST(test_compares_very_long_numbers)
{
    enum { DIGITS = 200000 };
    static char a[DIGITS + 2];
    static char b[DIGITS + 2];
    bool ordered;
    memset(a, '7', DIGITS);
    memset(b, '7', DIGITS);
    b[DIGITS - 1] = '8';
    ck_assert_int_lt(number_compare((struct str){a, DIGITS}, (struct str){b, DIGITS}, &ordered), 0);
    a[0] = '1';
    b[0] = '1';
    a[1] = 'e';
    b[1] = 'e';
    ck_assert_int_lt(number_compare((struct str){a, DIGITS}, (struct str){b, DIGITS}, &ordered), 0);
    ck_assert(ordered);
}
END_TEST

UNIT_MAIN("json", test_passes_the_official_documents, test_reads_values_with_places,
          test_loses_nothing, test_decodes_escapes, test_says_what_is_wrong, test_bounds_nesting,
          test_reads_every_prefix_within_its_bounds, test_makes_values,
          test_grows_what_was_read_or_copied, test_writes_doubles_shortest,
          test_writes_strings_with_the_shortest_escapes, test_writes_pretty,
          test_writes_within_the_bound, test_names_types, test_compares_for_equality,
          test_finds_subsets, test_lists_differences, test_comparisons_agree,
          test_compares_large_objects, test_compares_numbers, test_compares_as_integers_do,
          test_knows_valid_numbers, test_compares_very_long_numbers)
