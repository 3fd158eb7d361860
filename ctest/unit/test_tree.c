#include "schema/tree.h"

#include "base/memory.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/** A text read as a file called f, and what was said about it. */
struct reading {
    struct arena *arena;
    struct source source;
    struct diagnostics diagnostics;
    struct documents documents;
    int result;
};

static struct reading *reading_of(struct str text)
{
    struct reading *reading = memory_alloc(sizeof *reading);
    reading->arena = arena_new();
    reading->source = (struct source){STR("f"), text};
    diagnostics_init(&reading->diagnostics);
    reading->result = tree_read_yaml(reading->arena, &reading->source, &reading->documents,
                                     &reading->diagnostics);
    ck_assert_int_eq(reading->result, reading->diagnostics.count ? -EINVAL : 0);
    return reading;
}

static void reading_free(struct reading *reading)
{
    diagnostics_clear(&reading->diagnostics);
    arena_free(reading->arena);
    memory_free(reading);
}

/** The root of the only document of a text without faults. */
static struct node *reading_root(const struct reading *reading)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    diagnostics_print(&reading->diagnostics, &buf);
    ck_assert_msg(reading->result == 0, "%s", buf.data);
    buf_clear(&buf);
    ck_assert_uint_eq(reading->documents.count, 1);
    return reading->documents.items[0];
}

/** Checks that the text gives that JSON. */
static void reads_as(const char *text, const char *json)
{
    struct reading *reading = reading_of(str_of(text));
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    json_write(node_to_json(reading->arena, reading_root(reading)), &buf);
    ck_str_is(buf_str(&buf), json);
    buf_clear(&buf);
    reading_free(reading);
}

/** Checks what the diagnostics say: "line:column message (help); …" in the order found. */
static void says_of(struct str text, const char *expected)
{
    struct reading *reading = reading_of(text);
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (const struct diagnostic *d = reading->diagnostics.first; d; d = d->next) {
        ck_assert_ptr_eq(d->place.source, &reading->source);
        buf_printf(&buf, "%s%u:%u " STR_FMT, d == reading->diagnostics.first ? "" : "; ",
                   d->place.line, d->place.column, STR_ARG(d->message));
        if (d->help.size)
            buf_printf(&buf, " (" STR_FMT ")", STR_ARG(d->help));
    }
    ck_str_is(buf_str(&buf), expected);
    buf_reset(&buf);
    diagnostics_print(&reading->diagnostics, &buf);
    buf_clear(&buf);
    reading_free(reading);
}

static void says(const char *text, const char *expected)
{
    says_of(str_of(text), expected);
}

/** Reads a hostile text, which must be refused soon. */
static void refuses_soon(struct str text, const char *part)
{
    struct timespec begin;
    struct timespec end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    struct reading *reading = reading_of(text);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    ck_assert_int_eq(reading->result, -EINVAL);
    ck_assert_msg(str_find(reading->diagnostics.last->message, str_of(part)) >= 0,
                  STR_FMT " lacks '%s'", STR_ARG(reading->diagnostics.last->message), part);
    ck_assert_int_lt(end.tv_sec - begin.tv_sec, 20);
    reading_free(reading);
}

/** `part` many times over, after `head`. */
static struct buf repeated(const char *head, const char *part, size_t times)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    buf_append_string(&buf, head);
    while (times--)
        buf_append_string(&buf, part);
    return buf;
}

START_TEST(test_scalars_are_typed_by_the_core_schema)
{
    reads_as("[null, Null, NULL, ~, '', \"~\", 'null']",
             "[null,null,null,null,\"\",\"~\",\"null\"]");
    reads_as("[true, True, TRUE, false, False, FALSE, 'true']",
             "[true,true,true,false,false,false,\"true\"]");
    reads_as("[yes, no, on, off, y, n, tRUE, nULL]",
             "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"tRUE\",\"nULL\"]");
    reads_as("[0, 007, -7, +1, 1.10, 18446744073709551616, 1e400]",
             "[0,7,-7,1,1.10,18446744073709551616,1e400]");
    reads_as("[0o17, 0x1F, 0xff, 0o0, 0x0]", "[15,31,255,0,0]");
    reads_as("[1., .5, -.5e3, +.5, 1.e5, 00.50, 1E+2, -0]", "[1,0.5,-0.5e3,0.5,1e5,0.50,1E+2,-0]");
    reads_as("[0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF]", "[340282366920938463463374607431768211455]");
    reads_as(
        "[1_000, 12:30, 0b1, 0o8, 0x, 0xG, -0x1, +0o7, 1e, e1, ., -, +, 1.2.3, .e1, 2001-01-01]",
        "[\"1_000\",\"12:30\",\"0b1\",\"0o8\",\"0x\",\"0xG\",\"-0x1\",\"+0o7\",\"1e\",\"e1\","
        "\".\",\"-\",\"+\",\"1.2.3\",\".e1\",\"2001-01-01\"]");
    reads_as("[\"7\", '1.5']", "[\"7\",\"1.5\"]");
}
END_TEST

START_TEST(test_infinities_are_numbers)
{
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {{".inf", ".inf"}, {"-.INF", "-.inf"}, {"+.Inf", ".inf"}, {".NaN", ".nan"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reading *reading = reading_of(str_of(cases[i].text));
        const struct node *root = reading_root(reading);
        ck_assert_int_eq(root->kind, NODE_NUMBER);
        ck_str_is(root->text, cases[i].text);
        ck_str_is(node_to_json(reading->arena, root)->text, cases[i].json);
        reading_free(reading);
    }
    reads_as("[+.nan, .iNF, -.nan, inf]", "[\"+.nan\",\".iNF\",\"-.nan\",\"inf\"]");
}
END_TEST

START_TEST(test_collections)
{
    reads_as("a: 1\nb: [x, {y: z}]\nc:\n  - d\n  -\n  - e: f\n    g:\nh: {}\ni: []\n",
             "{\"a\":1,\"b\":[\"x\",{\"y\":\"z\"}],\"c\":[\"d\",null,{\"e\":\"f\",\"g\":null}],"
             "\"h\":{},\"i\":[]}");
    reads_as("{a, b: , 'c': 1, \"d\":2, 200: x, true: y}",
             "{\"a\":null,\"b\":null,\"c\":1,\"d\":2,\"200\":\"x\",\"true\":\"y\"}");
    reads_as("{\"a\": [1, 2.5e3, \"\\u00e9\", null]}", "{\"a\":[1,2.5e3,\"é\",null]}");
    reads_as("a: |\n  x\n   y\nb: >-\n  p\n  q\n", "{\"a\":\"x\\n y\\n\",\"b\":\"p q\"}");
    reads_as("\xef\xbb\xbf"
             "a: b\n",
             "{\"a\":\"b\"}");
    reads_as("a: b\r\nc: d\r\n", "{\"a\":\"b\",\"c\":\"d\"}");
    reads_as("%YAML 1.2\n---\na: \"x\\0y\"\n...\n", "{\"a\":\"x\\u0000y\"}");
    reads_as("http: GET ${api}/x#y?a=b:c\n", "{\"http\":\"GET ${api}/x#y?a=b:c\"}");
    reads_as("'': x", "{\"\":\"x\"}");
    reads_as("'<<': x", "{\"<<\":\"x\"}");
}
END_TEST

START_TEST(test_texts_are_kept_as_written)
{
    struct reading *reading = reading_of(STR("[0x1F, 1.10, ~, TRUE, 'a''b', False]"));
    struct node *const *items = reading_root(reading)->items;
    ck_str_is(items[0]->text, "0x1F");
    ck_str_is(items[1]->text, "1.10");
    ck_str_is(items[2]->text, "~");
    ck_assert(items[3]->boolean && !items[3]->quoted);
    ck_str_is(items[3]->text, "TRUE");
    ck_str_is(items[4]->text, "a'b");
    ck_assert(items[4]->quoted);
    ck_assert(items[5]->kind == NODE_BOOL && !items[5]->boolean);
    reading_free(reading);
}
END_TEST

static void stands(const struct node *node, uint32_t line, uint32_t column, uint32_t width)
{
    ck_assert_msg(node->place.line == line && node->place.column == column &&
                      node->place.width == width,
                  STR_FMT " stands at %u:%u, %u wide, not %u:%u, %u", STR_ARG(node->text),
                  node->place.line, node->place.column, node->place.width, line, column, width);
}

START_TEST(test_every_node_knows_its_place)
{
    struct reading *reading = reading_of(STR("\xef\xbb\xbf# c\n"
                                             "é: {ü: \"aé\", z: }\n"
                                             "list:\n"
                                             "  - one two  # c\n"
                                             "  - |  # c\n"
                                             "    text\n"
                                             "map:\n"
                                             "  key: &a  # c\n"
                                             "    deep: long\n"
                                             "      text  \n"
                                             "  alias: *a\n"
                                             "  empty:\n"
                                             "  same: &b 'x'\n"));
    const struct node *root = reading_root(reading);
    stands(root, 2, 1, 1);
    const struct node *flow = root->pairs[0].value;
    stands(flow, 2, 4, 1);
    stands(flow->pairs[0].key, 2, 5, 1);
    stands(flow->pairs[0].value, 2, 8, 4);
    stands(flow->pairs[1].value, 2, 16, 1);
    stands(root->pairs[1].key, 3, 1, 4);
    const struct node *list = node_get(root, "list");
    stands(list, 4, 3, 1);
    stands(list->items[0], 4, 5, 7);
    stands(list->items[1], 5, 5, 1);
    const struct node *map = node_get(root, "map");
    stands(map, 8, 3, 3);
    stands(node_get(map, "key"), 9, 5, 4);
    stands(node_get(node_get(map, "key"), "deep"), 9, 11, 4);
    ck_assert_ptr_eq(node_get(map, "alias"), node_get(map, "key"));
    stands(node_get(map, "empty"), 12, 9, 1);
    stands(node_get(map, "same"), 13, 12, 3);
    ck_assert_ptr_null(node_get(map, "nothing"));
    ck_assert_ptr_null(node_get(list, "nothing"));
    ck_assert_ptr_eq(node_find(map, STR("same")), &map->pairs[3]);
    reading_free(reading);
}
END_TEST

START_TEST(test_lines_are_those_of_editors)
{
    struct reading *reading = reading_of(STR("a: \"x\xe2\x80\xa8y\"\r\nb: \xc2\x85 c\nd: e"));
    const struct node *root = reading_root(reading);
    const struct node_pair *last = &root->pairs[root->count - 1];
    ck_str_is(last->key->text, "d");
    stands(last->key, 3, 1, 1);
    reading_free(reading);
}
END_TEST

START_TEST(test_kind_names)
{
    struct reading *reading = reading_of(STR("[~, true, 1, x, [], {}]"));
    static const char *const names[] = {"nothing",  "true or false", "a number",
                                        "a string", "a list",        "a mapping"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ck_assert_str_eq(node_kind_name(reading_root(reading)->items[i]), names[i]);
    reading_free(reading);
}
END_TEST

START_TEST(test_documents)
{
    struct reading *reading = reading_of(STR("---\na: 1\n---\nb: 2\n---\n"));
    ck_assert_int_eq(reading->result, 0);
    ck_assert_uint_eq(reading->documents.count, 2);
    ck_assert_ptr_nonnull(node_get(reading->documents.items[1], "b"));
    reading_free(reading);
    says("", "0:0 the file holds no scenario");
    says("# only\n  # comments\n", "0:0 the file holds no scenario");
    says("---\n", "0:0 the file holds no scenario");
    says("\xef\xbb\xbf", "0:0 the file holds no scenario");
    says("a: 1\n---\n---\nb: 2\n", "2:1 this document is empty");
    says("---\n---\n---\n", "1:1 this document is empty; 2:1 this document is empty");
    reading = reading_of(STR("~"));
    ck_assert_int_eq(reading_root(reading)->kind, NODE_NULL);
    reading_free(reading);
    reading = reading_of((struct str){0});
    ck_assert_int_eq(reading->result, -EINVAL);
    reading_free(reading);
}
END_TEST

START_TEST(test_documents_before_a_fault_are_kept)
{
    struct reading *reading = reading_of(STR("a: 1\na: 2\n---\nb: [\n"));
    ck_assert_int_eq(reading->result, -EINVAL);
    ck_assert_uint_eq(reading->diagnostics.count, 2);
    ck_assert_uint_eq(reading->documents.count, 1);
    ck_str_is(node_get(reading->documents.items[0], "a")->text, "1");
    reading_free(reading);
}
END_TEST

#define QUOTES " (text with braces, '#' or ': ' needs quotes)"
#define WHOLE " (put the whole text into quotes; in '…' a ' is written '')"
#define INDENTED " (is this line indented like the others of its list or mapping?)"

START_TEST(test_traps_of_quoting)
{
    says("{respond: {body: {{ x }}}}", "1:19 a key cannot be a mapping" QUOTES);
    says("{respond: {body: {{ x }}/y}}", "1:19 a key cannot be a mapping" QUOTES
                                         "; 1:25 text goes on after a closing bracket" QUOTES);
    says("body: {{ x }}\n", "1:8 a key cannot be a mapping" QUOTES);
    says("{http: GET ${api}/x#y}", "1:13 a brace in unquoted text" QUOTES);
    says("- {http: GET /x #y}\n- b\n", "1:3 this '{' is never closed: a comment follows it" QUOTES);
    says("- log: a: b", "1:9 a second ': ' in one value" QUOTES);
    says("- {log: a: b}", "1:10 a second ': ' in one value" QUOTES);
    says("a: {x} y\n", "1:8 text goes on after a closing bracket" QUOTES);
    says("a: \"x\" y\n", "1:8 text goes on after its closing quote" WHOLE);
    says("a: \"x\": y\n", "1:7 text goes on after its closing quote" WHOLE);
    says("- \"x\" y\n", "1:7 text goes on after its closing quote" WHOLE);
    says("a: 'it's'\n", "1:8 text goes on after its closing quote" WHOLE);
    says("{a: 'x'y}", "1:8 text goes on after its closing quote" WHOLE);
    says("a: \"foo\nb: c\n", "1:4 the quote that begins here is never closed");
    says("a: \"foo\n---\n",
         "1:4 the quote that begins here is not closed before the document ends");
    says("a: *\n",
         "1:4 '*' begins an alias, and this is none (text that begins with '*' needs quotes)");
    says("{*.c.example: x}",
         "1:2 '*' begins an alias, and this is none (text that begins with '*' needs quotes)");
    says("a: *x\n",
         "1:4 no anchor '&x' stands above this alias (text that begins with '*' needs quotes)");
    says("a: &\n",
         "1:4 '&' begins an anchor, and this is none (text that begins with '&' needs quotes)");
    says("a: @x\n", "1:4 unquoted text cannot begin with this character (put the text "
                    "into quotes)");
    says("a: | x\n", "1:6 the text of '|' or '>' begins on the next line "
                     "(text that begins with '|' or '>' needs quotes)");
    says("a: ,x", "1:4 a value is missing here (text that begins with ',', '[', ']', '{' or '}' "
                  "needs quotes)");
    says("%x\n", "1:1 a '%' at the start of a line begins a directive (text that begins with '%' "
                 "needs quotes)");
    says("a: \"\\d\"\n", "1:5 an unknown escape in double quotes (write \\\\ for a backslash, or "
                         "use single quotes)");
    says("a: \"\\ud83d\\ude00\"\n",
         "1:7 an escape of no character "
         "(write the character itself, or \\U with eight digits instead of two \\u)");
    says("a: - b\n", "1:4 a list item cannot begin here "
                     "('- ' begins a line of its own; text that begins with '- ' needs quotes)");
}
END_TEST

START_TEST(test_traps_of_indentation)
{
    static const char tab[] = " a tab in the indentation (indent with blanks)";
    static const char *const texts[] = {"a:\n\tb: c\n", "a: |\n\tb\n", "a: b\n\tc: d\n",
                                        "a:\n  - b\n\t- c\n"};
    static const char *const places[] = {"2:1", "2:1", "2:1", "3:1"};
    char expected[100];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        snprintf(expected, sizeof expected, "%s%s", places[i], tab);
        says(texts[i], expected);
    }
    reads_as("a:\tb\n", "{\"a\":\"b\"}");
    says("foo: 1\n bar: 2\n", "2:5 a mapping cannot begin here (is this line indented too far, or "
                              "does the line above lack its ':'?)");
    says("foo:\n  a: 1\n bar: 2\n", "3:2 expected a key here" INDENTED);
    says("a: b\n- c\n", "2:1 expected a key here, not a list item" INDENTED);
    says("- c\na: b\n", "2:1 expected '- ' here, as a list is under way" INDENTED);
    says("foo: 1\nbaz\nqux: 1\n",
         "2:1 this key has no ':' after it (text of several lines needs quotes, or '|' before it)");
}
END_TEST

START_TEST(test_brackets)
{
    says("[a, b", "1:1 this '[' is never closed");
    says("x: {a: b\n", "1:4 this '{' is never closed");
    says("{a: [1, 2}", "1:10 expected ',' or ']'" QUOTES);
    says("a: {b: c\n  d: e}\n",
         "2:4 expected ',' or a closing bracket before this key (it is missing on the line above)");
    says("- [a, , b]", "1:7 a value is missing here (text that begins with ',', '[', ']', '{' or "
                       "'}' needs quotes)");
    says("a: b\n}\n", "2:1 expected a key here" INDENTED);
}
END_TEST

START_TEST(test_keys)
{
    says("a: 1\nb: 2\na: 3\nb: 4\na: 5\n", "3:1 duplicate key 'a' (first given at line 1); 5:1 "
                                           "duplicate key 'a' (first given at line 1); "
                                           "4:1 duplicate key 'b' (first given at line 2)");
    says("{1: a, '1': b}", "1:8 duplicate key '1' (first given at line 1)");
    says("x: {a: 1, b: {a: 2}}\ny: {a: 1}\nz: {a: 1, \"a\": 1}",
         "3:11 duplicate key 'a' (first given at line 3)");
    says("? [a]\n: b\n", "1:3 a key cannot be a list" QUOTES);
    says("? \n: b\n", "1:2 a key is missing before ':' (text that begins with ':' needs quotes)");
    says("{: b}", "1:2 a key is missing before ':' (text that begins with ':' needs quotes)");
    says("a: &x {b: c}\nd:\n  <<: *x\n",
         "3:3 merge keys ('<<') are not supported "
         "(write the keys out, or put them into a file named under 'use:')");
    reads_as("~: x", "{\"~\":\"x\"}");
}
END_TEST

START_TEST(test_tags_are_refused)
{
    static const char *const texts[] = {"a: !!str 7", "a: !foo bar", "a: ! x", "a: !!map {b: c}",
                                        "a: !<tag:x> [b]"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        says(texts[i], "1:4 tags are not supported (leave the tag out; text that begins with '!' "
                       "needs quotes)");
    says("%YAML 1.2\n%TAG !e! tag:e,2000:\n--- !e!x y\n",
         "2:1 tags are not supported (leave the line out)");
    reads_as("a: |\n  %TAG\n", "{\"a\":\"%TAG\\n\"}");
    says("a: !x!y z", "1:4 tags are not supported (text that begins with '!' needs quotes)");
}
END_TEST

START_TEST(test_aliases)
{
    reads_as("a: &x [1, &y 2]\nb: *x\nc: *y\n", "{\"a\":[1,2],\"b\":[1,2],\"c\":2}");
    reads_as("- &x 1\n- &x 2\n- *x\n", "[1,2,2]");
    reads_as("&k key: *k\n", "{\"key\":\"key\"}");
    says("- &a [*a]\n- *a\n", "1:7 the alias '*a' stands inside '&a'");
    says("- &login x\n- *logn\n",
         "2:3 no anchor '&logn' stands above this alias (did you mean 'login'?)");
    says("&a x: 1\n---\n*a : 1\n",
         "3:1 no anchor '&a' stands above this alias (text that begins with '*' needs quotes)");
}
END_TEST

START_TEST(test_bytes_are_checked_first)
{
    says_of(STR("a: b\nc: é\xff\n"), "2:5 the byte 0xff is not UTF-8");
    says_of(STR("\xff\xfe"
                "a\0"),
            "1:1 the byte 0xff is not UTF-8 (the file looks like UTF-16: save it as UTF-8)");
    says_of(STR("a: \xc3"), "1:4 the byte 0xc3 is not UTF-8");
    says_of(STR("a: \xed\xa0\x80"), "1:4 the byte 0xed is not UTF-8");
    says_of(STR("a: b\0c"), "1:5 the control character U+0000 cannot stand in a spec "
                            "(in double quotes it is written \"\\x00\")");
    says_of(STR("a: \x1b[0m"), "1:4 the control character U+001B cannot stand in a spec "
                               "(in double quotes it is written \"\\x1b\")");
    says_of(STR("\xef\xbb\xbf\x01"), "1:1 the control character U+0001 cannot stand in a spec "
                                     "(in double quotes it is written \"\\x01\")");
}
END_TEST

START_TEST(test_depth_is_bounded)
{
    struct buf buf = repeated("", "[", TREE_DEPTH);
    for (int i = 0; i < TREE_DEPTH; i++)
        buf_append_byte(&buf, ']');
    struct reading *reading = reading_of(buf_str(&buf));
    ck_assert_int_eq(reading->result, 0);
    reading_free(reading);
    buf_clear(&buf);
    static const char *const parts[] = {"[", "{a: ", "[\n", "- ", "? ", "{{", "[{"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        buf = repeated("", parts[i], 50000);
        refuses_soon(buf_str(&buf), "nested deeper than 100 levels");
        buf_clear(&buf);
    }
    /* Through aliases: each anchor nests the one before it. */
    buf = repeated("", "", 0);
    buf_append_string(&buf, "- &a0 x\n");
    for (int i = 1; i < 60; i++)
        buf_printf(&buf, "- &a%d [[*a%d]]\n", i, i - 1);
    refuses_soon(buf_str(&buf), "nested deeper than 100 levels");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_size_is_bounded)
{
    struct buf buf = repeated("", "a", TREE_FILE_SIZE);
    struct reading *reading = reading_of(buf_str(&buf));
    ck_assert_int_eq(reading->result, 0);
    reading_free(reading);
    buf_append_byte(&buf, 'a');
    refuses_soon(buf_str(&buf), "the file is larger than 16 MiB");
    buf_clear(&buf);
    buf = repeated("[", "a,", TREE_NODES + 10);
    refuses_soon(buf_str(&buf), "the file holds more than 100000 values");
    buf_clear(&buf);
    buf = repeated("0x", "f", TREE_DIGITS + 1);
    refuses_soon(buf_str(&buf), "a number of more than 1024 digits");
    buf_clear(&buf);
    buf = repeated("", "- &a\n", TREE_ANCHORS + 1);
    refuses_soon(buf_str(&buf), "more than 1000 anchors in a document");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_alias_bombs_are_refused)
{
    struct buf buf = repeated("", "", 0);
    buf_append_string(&buf, "a0: &a0 x\n");
    for (int i = 1; i < 40; i++) {
        buf_printf(&buf, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_printf(&buf, "%s*a%d", j ? "," : "", i - 1);
        buf_append_string(&buf, "]\n");
    }
    refuses_soon(buf_str(&buf), "with this alias expanded the file holds more than 100000 values");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_many_faults_end_early)
{
    struct buf buf = repeated("", "a: 1\n", 20000);
    struct reading *reading = reading_of(buf_str(&buf));
    ck_assert_uint_le(reading->diagnostics.count, TREE_ERRORS + 1);
    reading_free(reading);
    buf_clear(&buf);
    buf = repeated("", "---\n", 20000);
    reading = reading_of(buf_str(&buf));
    ck_assert_uint_le(reading->diagnostics.count, TREE_ERRORS + 1);
    reading_free(reading);
    buf_clear(&buf);
    buf = repeated("", "- !x\n", 2000);
    refuses_soon(buf_str(&buf), "more than 99 faults: the rest was not read");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_large_texts_are_read_soon)
{
    struct buf buf = repeated("", "", 0);
    for (int i = 0; i < 40000; i++)
        buf_printf(&buf, "key%d: value # é\n", i);
    struct reading *reading = reading_of(buf_str(&buf));
    stands(node_get(reading_root(reading), "key39999"), 40000, 11, 5);
    reading_free(reading);
    buf_clear(&buf);
    buf = repeated("[", "aé, ", 50000);
    buf_append_string(&buf, "z]");
    reading = reading_of(buf_str(&buf));
    stands(reading_root(reading)->items[50000], 1, 200002, 1);
    reading_free(reading);
    buf_clear(&buf);
}
END_TEST

static void value_is(const char *text, const char *json, const char *message)
{
    struct arena *arena = arena_new();
    struct source source = {STR("--set"), str_of(text)};
    struct diagnostics diagnostics;
    struct node *value;
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    diagnostics_init(&diagnostics);
    int result = tree_read_value(arena, &source, &value, &diagnostics);
    ck_assert_int_eq(result, json ? 0 : -EINVAL);
    ck_assert_int_eq(value != NULL, json != NULL);
    if (json) {
        json_write(node_to_json(arena, value), &buf);
        ck_str_is(buf_str(&buf), json);
    } else {
        ck_assert_uint_eq(diagnostics.count, 1);
        ck_str_is(diagnostics.first->message, message);
    }
    buf_clear(&buf);
    diagnostics_clear(&diagnostics);
    arena_free(arena);
}

START_TEST(test_values_of_options)
{
    value_is("7", "7", NULL);
    value_is("", "null", NULL);
    value_is("  ", "null", NULL);
    value_is("''", "\"\"", NULL);
    value_is("no", "\"no\"", NULL);
    value_is("http://a:80/x?y#z", "\"http://a:80/x?y#z\"", NULL);
    value_is("[1, {a: b}]", "[1,{\"a\":\"b\"}]", NULL);
    value_is("a: b", NULL, "expected one value: a scalar, [a, b] or {a: b}");
    value_is("- b", NULL, "expected one value: a scalar, [a, b] or {a: b}");
    value_is("# b", NULL, "the value is a comment");
    value_is("a\n---\nb", NULL, "expected one value, not several documents");
    value_is("[1", NULL, "this '[' is never closed");
    value_is("\xff", NULL, "the byte 0xff is not UTF-8");
}
END_TEST

START_TEST(test_nodes_from_json)
{
    static const char text[] = "{\"a\":[1.50,true,null,\"x\"],\"b\":{}}";
    struct arena *arena = arena_new();
    struct json_error error;
    struct source source = {STR("s"), STR("")};
    struct place place = {&source, 3, 4, 5};
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    const struct json *json = json_read(arena, str_of(text), &error);
    const struct node *node = node_from_json(arena, json, place);
    ck_assert_int_eq(node->kind, NODE_MAP);
    stands(node, 3, 4, 5);
    stands(node_get(node, "a")->items[3], 3, 4, 5);
    ck_assert(node_get(node, "a")->items[3]->quoted);
    ck_str_is(node_get(node, "a")->items[0]->text, "1.50");
    json_write(node_to_json(arena, node), &buf);
    ck_str_is(buf_str(&buf), text);
    buf_clear(&buf);
    arena_free(arena);
}
END_TEST

UNIT_MAIN("tree", test_scalars_are_typed_by_the_core_schema, test_infinities_are_numbers,
          test_collections, test_texts_are_kept_as_written, test_every_node_knows_its_place,
          test_lines_are_those_of_editors, test_kind_names, test_documents,
          test_documents_before_a_fault_are_kept, test_traps_of_quoting, test_traps_of_indentation,
          test_brackets, test_keys, test_tags_are_refused, test_aliases,
          test_bytes_are_checked_first, test_depth_is_bounded, test_size_is_bounded,
          test_alias_bombs_are_refused, test_many_faults_end_early, test_large_texts_are_read_soon,
          test_values_of_options, test_nodes_from_json)
