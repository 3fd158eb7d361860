/* JSONPath: the compliance suite of RFC 9535, then what it leaves open: bounds, messages, I-Regexp.
 */
#include "base/jsonpath.h"

#include "ctest/unit/unit.h"

#include <string.h>
#include <time.h>

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new();
}

static void tear_down(void)
{
    arena_free(arena);
}

static const struct json *read_json(struct str text)
{
    struct json_error error;
    const struct json *value = json_read(arena, text, &error);
    ck_assert_msg(value != NULL, "%s at %zu", value ? "" : error.message, value ? 0 : error.offset);
    return value;
}

static struct str shown(const struct json *value)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    json_write(value, &buf);
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

static struct jsonpath *compile(const char *text)
{
    struct jsonpath_error error;
    struct jsonpath *path = jsonpath_compile(arena, str_of(text), &error);
    ck_assert_msg(path != NULL, "%s: " STR_FMT, text, STR_ARG(path ? STR("") : error.message));
    return path;
}

/* The nodes as one JSON array. */
static struct str select_all(const char *text, const char *document)
{
    struct jsonpath *path = compile(text);
    struct jsonpath_nodes nodes;
    struct json *all = json_array(arena);
    jsonpath_select(path, read_json(str_of(document)), arena, 0, &nodes);
    for (size_t i = 0; i < nodes.count; i++)
        json_push(arena, all, (struct json *)nodes.items[i]);
    jsonpath_clear(path);
    return shown(all);
}

static struct str select_paths(const char *text, const char *document)
{
    struct jsonpath *path = compile(text);
    struct jsonpath_nodes nodes;
    struct json *all = json_array(arena);
    jsonpath_select(path, read_json(str_of(document)), arena, 0, &nodes);
    for (size_t i = 0; i < nodes.count; i++)
        json_push(arena, all, json_string(arena, nodes.paths[i]));
    jsonpath_clear(path);
    return shown(all);
}

static void check_error(const char *text, size_t offset, const char *message)
{
    struct jsonpath_error error;
    ck_assert_msg(!jsonpath_compile(arena, str_of(text), &error), "%s", text);
    ck_str_is(error.message, message);
    ck_assert_msg(error.offset == offset, "%s: at %zu, not %zu", text, error.offset, offset);
}

/* The compliance suite */

static struct str read_file(const char *folder, const char *name)
{
    struct str path = arena_printf(arena, "%s/%s", folder, name);
    FILE *file = fopen(path.data, "r");
    ck_assert_msg(file != NULL, "%s", path.data);
    struct buf buf;
    char chunk[65536];
    buf_init(&buf, BUF_OWN);
    for (size_t size; (size = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_append(&buf, (struct str){chunk, size});
    fclose(file);
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

/* Whether what was selected is `values`, and its paths `paths` (which may be NULL). */
static bool nodes_are(const struct jsonpath_nodes *nodes, const struct json *values,
                      const struct json *paths)
{
    if (nodes->count != values->count)
        return false;
    for (size_t i = 0; i < nodes->count; i++) {
        if (!json_equal(nodes->items[i], values->elements[i]))
            return false;
        if (paths && !str_equal(nodes->paths[i], paths->elements[i]->text))
            return false;
    }
    return true;
}

static bool case_passes(const struct json *test, const struct jsonpath *path)
{
    struct jsonpath_nodes nodes;
    jsonpath_select(path, json_get(test, STR("document")), arena, 0, &nodes);
    ck_assert(!nodes.cut);
    const struct json *result = json_get(test, STR("result"));
    if (result)
        return nodes_are(&nodes, result, json_get(test, STR("result_paths")));
    const struct json *results = json_get(test, STR("results"));
    const struct json *paths = json_get(test, STR("results_paths"));
    for (size_t i = 0; i < results->count; i++) {
        if (nodes_are(&nodes, results->elements[i], paths ? paths->elements[i] : NULL))
            return true;
    }
    return false;
}

static void check_case(const struct json *test)
{
    struct jsonpath_error error;
    struct str name = json_get(test, STR("name"))->text;
    struct str selector = json_get(test, STR("selector"))->text;
    struct jsonpath *path = jsonpath_compile(arena, selector, &error);
    if (json_get(test, STR("invalid_selector"))) {
        ck_assert_msg(!path, STR_FMT ": accepted", STR_ARG(name));
        ck_assert_msg(error.message.size && error.offset <= selector.size, STR_FMT, STR_ARG(name));
        return;
    }
    ck_assert_msg(path != NULL, STR_FMT ": " STR_FMT, STR_ARG(name),
                  STR_ARG(path ? STR("") : error.message));
    ck_assert_msg(case_passes(test, path), STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(selector));
    jsonpath_clear(path);
}

START_TEST(test_passes_the_compliance_suite)
{
    const char *folder = unit_data_folder();
    if (!folder) {
        printf("skipped: jsonpath-cts.json (RFC 9535 compliance), no test data\n");
        return;
    }
    set_up();
    const struct json *suite = read_json(read_file(folder, "jsonpath-cts.json"));
    const struct json *tests = json_get(suite, STR("tests"));
    ck_assert_uint_ge(tests->count, 703);
    for (size_t i = 0; i < tests->count; i++)
        check_case(tests->elements[i]);
    tear_down();
}
END_TEST

/* What the suite leaves open */

START_TEST(test_selects_in_order)
{
    set_up();
    const char *document = "{\"a\":[1,2,3],\"b\":{\"c\":[4]}}";
    ck_str_is(select_all("$", "7"), "[7]");
    ck_str_is(select_all("$.a[-1,0,0]", document), "[3,1,1]");
    ck_str_is(select_all("$..[0]", document), "[1,4]");
    ck_str_is(select_all("$.*.*", document), "[1,2,3,[4]]");
    ck_str_is(select_all("$.a[::-1]", document), "[3,2,1]");
    ck_str_is(select_all("$.a[?@>1 && @<3]", document), "[2]");
    ck_str_is(select_paths("$..[?@>1]", document),
              "[\"$['a'][1]\",\"$['a'][2]\",\"$['b']['c'][0]\"]");
    tear_down();
}
END_TEST

START_TEST(test_takes_the_last_of_duplicate_members)
{
    set_up();
    ck_str_is(select_all("$.a", "{\"a\":1,\"a\":2}"), "[2]");
    ck_str_is(select_all("$[?@.a==2]", "[{\"a\":1,\"a\":2}]"), "[{\"a\":1,\"a\":2}]");
    ck_str_is(select_all("$.*", "{\"a\":1,\"a\":2}"), "[1,2]");
    tear_down();
}
END_TEST

START_TEST(test_compares_numbers_exactly)
{
    set_up();
    ck_str_is(select_all("$[?@==1.1]", "[1.10,11e-1,1.1000000000000000001]"), "[1.10,11e-1]");
    ck_str_is(select_all("$[?@>9007199254740992]", "[9007199254740993,9007199254740992]"),
              "[9007199254740993]");
    ck_str_is(select_all("$[?@<1e400000001]", "[1e400000000,1e400000001,\"a\"]"), "[1e400000000]");
    tear_down();
}
END_TEST

START_TEST(test_writes_normalized_paths)
{
    set_up();
    ck_str_is(select_paths("$.*", "{\"it's\":1,\"\\n\\u0001\\\\\":2,\"\\\"\\u00e9\":3}"),
              "[\"$['it\\\\'s']\",\"$['\\\\n\\\\u0001\\\\\\\\']\",\"$['\\\"\xc3\xa9']\"]");
    tear_down();
}
END_TEST

START_TEST(test_knows_singular_paths)
{
    static const struct {
        const char *path;
        bool singular;
    } rows[] = {
        {"$", true},        {"$.a[0]['b']", true}, {"$.a[-1]", true},   {"$..a", false},
        {"$[*]", false},    {"$.*", false},        {"$[0,1]", false},   {"$[0:1]", false},
        {"$[?@.a]", false}, {"$.a..b", false},     {"$ .a\n[0]", true}, {"$[ 'a' ]", true},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(jsonpath_is_singular(compile(rows[i].path)) == rows[i].singular, "%s",
                      rows[i].path);
    tear_down();
}
END_TEST

START_TEST(test_says_what_is_wrong)
{
    set_up();
    check_error("", 0, "a path starts with '$'");
    check_error("a.b", 0, "a path starts with '$'");
    check_error("$.a ", 3, "blanks after the path");
    check_error("$.a b", 3, "expected '.', '..' or '[', or the end of the path");
    check_error("$.", 2, "expected a name or '*' after '.'");
    check_error("$.a[0", 5, "expected ',' or ']'");
    check_error("$[]", 2, "expected a selector: a name in quotes, an index, a slice, '*' or '?'");
    check_error("$['a", 2, "the string does not end");
    check_error("$['\\x']", 3, "unknown escape in a string");
    check_error("$[01]", 2, "an integer starts with 0");
    check_error("$[9007199254740992]", 2, "the integer is beyond 2^53 - 1");
    check_error("$[?@.a=1]", 6, "equality is written '=='");
    check_error("$[?!@.a==1]", 7, "'!' before a comparison needs parentheses");
    check_error("$[?1]", 3, "a literal alone is no test: compare it");
    check_error("$[?lenght(@.a)>1]", 3, "unknown function 'lenght', did you mean 'length'?");
    check_error("$[?length(@.a)]", 3, "this function gives a value: compare it");
    check_error("$[?length(@.a,1)>1]", 3, "length() takes 1 argument, not 2");
    check_error("$[?count(1)>1]", 9, "expected a path as argument");
    check_error("$[?match(@,'a')==true]", 3,
                "this function gives no value, it is a test by itself");
    check_error(
        "$[?@.*==1]", 3,
        "this path may select more than one value: only names and indexes can be used here");
    check_error("$.\xff", 2, "bad UTF-8");
    tear_down();
}
END_TEST

START_TEST(test_bounds_what_it_compiles)
{
    static char text[70000];
    struct jsonpath_error error;
    set_up();
    memset(text, '(', sizeof text);
    memcpy(text, "$[?", 3);
    ck_assert(!jsonpath_compile(arena, (struct str){text, 60000}, &error));
    ck_str_is(error.message, "nested deeper than 64");
    ck_assert(!jsonpath_compile(arena, (struct str){text, 70000}, &error));
    ck_str_is(error.message, "the path is longer than 64 KiB");
    /* Long chains are no nesting. */
    struct buf chain;
    buf_init(&chain, BUF_OWN);
    buf_append(&chain, STR("$[?@"));
    while (chain.size < 60000)
        buf_append(&chain, STR("||!@.a&&1==1"));
    buf_append_byte(&chain, ']');
    struct jsonpath *path = jsonpath_compile(arena, buf_str(&chain), &error);
    ck_assert(path != NULL);
    struct jsonpath_nodes nodes;
    jsonpath_select(path, read_json(STR("[1]")), arena, 0, &nodes);
    ck_assert_uint_eq(nodes.count, 1);
    jsonpath_clear(path);
    buf_clear(&chain);
    tear_down();
}
END_TEST

START_TEST(test_cuts_at_most)
{
    struct jsonpath_nodes nodes;
    set_up();
    struct jsonpath *path = compile("$[*]");
    const struct json *document = read_json(STR("[1,2,3]"));
    jsonpath_select(path, document, arena, 2, &nodes);
    ck_assert(nodes.cut);
    ck_assert_uint_eq(nodes.count, 2);
    jsonpath_select(path, document, arena, 3, &nodes);
    ck_assert(!nodes.cut);
    ck_assert_uint_eq(nodes.count, 3);
    tear_down();
}
END_TEST

static const struct json *deep_arrays(size_t depth)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (size_t i = 0; i < depth; i++)
        buf_append(&buf, STR("[1,"));
    buf_append(&buf, STR("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""));
    for (size_t i = 0; i < depth; i++)
        buf_append_byte(&buf, ']');
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return read_json(text);
}

static const struct json *wide_objects(size_t count)
{
    struct json *all = json_array(arena);
    for (size_t i = 0; i < count; i++) {
        struct json *each = json_object(arena);
        json_put(arena, each, STR("a"), json_integer(arena, (int64_t)i));
        json_put(arena, each, STR("b"), all->count ? all->elements[0] : json_null(arena));
        json_put(arena, each, STR("r"), json_string(arena, arena_printf(arena, "(a|aa)+%zu$", i)));
        json_put(arena, each, STR("t"),
                 json_string(arena, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")));
        json_push(arena, all, each);
    }
    return all;
}

static void check_ends_soon(const char *text, const struct json *document)
{
    struct jsonpath_nodes nodes;
    struct timespec from;
    struct timespec to;
    struct jsonpath *path = compile(text);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    jsonpath_select(path, document, arena, 0, &nodes);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double took = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
    if (getenv("GOTO_TEST_TIMES"))
        printf("%-40s %zu nodes%s, %.3f s\n", text, nodes.count, nodes.cut ? ", cut" : "", took);
    /* Generous: sanitizers and a loaded machine. Without bounds these run for hours. */
    ck_assert_msg(took < 15, "%s took %.1f s", text, took);
    jsonpath_clear(path);
}

START_TEST(test_ends_soon_on_hostile_documents)
{
    static const char *const paths[] = {
        "$..*",
        "$..[?@..*]",
        "$..[?@..[?@..[?@..[?@==2]]]]",
        "$..*..*..*..*..*..*",
        "$..[*,*,*,*]..[*,*,*,*]..[*,*,*,*]",
        "$..[?count(@..*)>count($..*)]",
        "$..[?@==$]",
        "$[?$[?$[?$[?@.a<$[0].a].a]]]",
        "$..[?match(@,'((a|aa)+)+b')]",
        "$..[?search(@,'(a*)*b')]",
        "$..[?match(@,'((a|aa)+)+[b-c]')]",
        "$..[?search(@.t,'(a+)+[b-c]')]",
        "$[?match(@.t,@.r)]",
        "$..[?@.t>=@.t && @.b==@.b]",
        "$..[?length(value(@..x))==1 || value(@..t)>'b']",
    };
    set_up();
    const struct json *deep = deep_arrays(JSON_DEPTH - 1);
    const struct json *wide = wide_objects(20000);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        check_ends_soon(paths[i], deep);
        check_ends_soon(paths[i], wide);
    }
    tear_down();
}
END_TEST

START_TEST(test_tells_its_plain_steps)
{
    static const struct {
        const char *path;
        const char *steps; /* '*' for any */
    } rows[] = {
        {"$", ""},
        {"$.a['b'][0].c", "a b * c "},
        {"$.a[*].b", "a * b "},
        {"$.a[1:2][?@.x].b", "a * * b "},
        {"$.a..b.c", "a "},
        {"$.a['b','c'].d", "a "},
        {"$['']", " "},
        {"$.a.b.c.d.e", "a b c d "},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct jsonpath_step steps[4];
        size_t count = jsonpath_steps(compile(rows[i].path), steps, COUNT_OF(steps));
        struct str text = STR("");
        for (size_t j = 0; j < count; j++)
            text = arena_printf(arena, STR_FMT STR_FMT " ", STR_ARG(text),
                                STR_ARG(steps[j].name.data ? steps[j].name : STR("*")));
        ck_assert_msg(str_is(text, rows[i].steps), "%s: " STR_FMT, rows[i].path, STR_ARG(text));
    }
    tear_down();
}
END_TEST

START_TEST(test_evaluates_absolute_queries_once)
{
    struct jsonpath_nodes nodes;
    set_up();
    const struct json *wide = wide_objects(20000);
    struct jsonpath *path = compile("$[?count($..*)>0 && @.a>=0]");
    jsonpath_select(path, wide, arena, 0, &nodes);
    ck_assert(!nodes.cut);
    ck_assert_uint_eq(nodes.count, 20000);
    tear_down();
}
END_TEST

START_TEST(test_bounds_the_depth)
{
    struct jsonpath_nodes nodes;
    set_up();
    struct json *value = json_array(arena);
    for (int i = 0; i < 100000; i++) {
        struct json *outer = json_array(arena);
        json_push(arena, outer, value);
        value = outer;
    }
    jsonpath_select(compile("$..[0]"), value, arena, 0, &nodes);
    ck_assert(nodes.cut);
    tear_down();
}
END_TEST

START_TEST(test_bounds_the_paths)
{
    struct jsonpath_nodes nodes;
    set_up();
    struct json *list = json_array(arena);
    for (int i = 0; i < 1000; i++)
        json_push(arena, list, json_null(arena));
    struct json *document = json_object(arena);
    char *name = arena_alloc(arena, 1000000);
    memset(name, 'x', 1000000);
    json_put(arena, document, (struct str){name, 1000000}, list);
    jsonpath_select(compile("$.*[*]"), document, arena, 0, &nodes);
    ck_assert(nodes.cut);
    ck_assert_uint_gt(nodes.count, 10);
    ck_assert_uint_lt(nodes.count, 100);
    tear_down();
}
END_TEST

static bool iregexp_matches(const char *pattern, const char *text)
{
    struct json *document = json_array(arena);
    struct json *entry = json_object(arena);
    json_put(arena, entry, STR("t"), json_string(arena, str_of(text)));
    json_put(arena, entry, STR("p"), json_string(arena, str_of(pattern)));
    json_push(arena, document, entry);
    struct jsonpath_nodes nodes;
    jsonpath_select(compile("$[?match(@.t,@.p)]"), document, arena, 0, &nodes);
    return nodes.count == 1;
}

START_TEST(test_matches_i_regexps)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"a|b|", ""},
        {"(ab){2}", "abab"},
        {"a{2,}", "aaa"},
        {"a{1,2}", "aa"},
        {"[a-c]+", "abc"},
        {"[-a]+", "a-"},
        {"[a-]+", "a-"},
        {"[^a-]", "b"},
        {"[:alpha:]+", ":ahlp"},
        {"[a^]+", "^a"},
        {"[\\]\\[\\\\]+", "[]\\"},
        {"[\\p{Lu}x]+", "AxB"},
        {"\\p{L}+\\P{Nd}", "ab-"},
        {".", "\xf0\x9f\x98\x80"},
        {"#.-,/=~ ", "#x-,/=~ "},
        {"\\t\\n\\(\\)\\{\\}\\^", "\t\n(){}^"},
        {"^ab$", "ab"},
        {"x&&y", "x&&y"},
        {"[!&&~]+", "&~!"},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(iregexp_matches(rows[i][0], rows[i][1]), "%s", rows[i][0]);
    ck_assert(!iregexp_matches(".", "\n"));
    ck_assert(!iregexp_matches(".", "\r"));
    ck_assert(!iregexp_matches("ab", "abc"));
    ck_assert(!iregexp_matches("ab|abc$", "ab\n"));
    tear_down();
}
END_TEST

START_TEST(test_holds_for_nothing_with_other_regular_expressions)
{
    static const char *const rows[][2] = {
        {"\\d", "1"},     {"a+?", "a"},        {"a*+", "a"},
        {"(?:a)", "a"},   {"a{,2}", "a"},      {"[[:alpha:]]", "a"},
        {"\\ba", "a"},    {"[]a]", "a"},       {"a]", "a]"},
        {"a}", "a}"},     {"(a", "a"},         {"a)", "a"},
        {"[a", "a"},      {"[a-\\p{L}]", "a"}, {"\\p{Greek}", "a"},
        {"\\p{Cs}", "a"}, {"\\pL", "a"},       {"*", ""},
        {"[z-a]", "z"},   {"a{99999}", "a"},   {"\\Qa\\E", "a"},
        {"(*UTF)a", "a"}, {"\\", "\\"},        {"a{1", "a{1"},
        {"[a--z]", "a"},  {"\\$", "$"},        {"[^]", "a"},
        {"[]", "a"},      {"a**", "a"},        {"(?i)A", "a"},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(!iregexp_matches(rows[i][0], rows[i][1]), "%s", rows[i][0]);
    tear_down();
}
END_TEST

UNIT_MAIN("jsonpath", test_passes_the_compliance_suite, test_selects_in_order,
          test_takes_the_last_of_duplicate_members, test_compares_numbers_exactly,
          test_writes_normalized_paths, test_knows_singular_paths, test_says_what_is_wrong,
          test_bounds_what_it_compiles, test_cuts_at_most, test_ends_soon_on_hostile_documents,
          test_tells_its_plain_steps, test_evaluates_absolute_queries_once, test_bounds_the_depth,
          test_bounds_the_paths, test_matches_i_regexps,
          test_holds_for_nothing_with_other_regular_expressions)
