/* JSON Patch: the examples of RFC 6902 appendix A and of RFC 6901 section 5, and its errors. */
#include "server/proxy/json_patch.h"

#include "ctest/unit/unit.h"

static struct arena *arena;
static struct str why;

static void set_up(void)
{
    arena = arena_new();
    why = STR("");
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

static const struct json *read_json(const char *text)
{
    struct json_error error;
    const struct json *value = json_read(arena, str_of(text), &error);
    ck_assert_msg(value != NULL, "%s", text);
    return value;
}

/* A patch as RFC 6902 writes it. */
static size_t read_patch(const char *text, struct json_patch_step *steps)
{
    const struct json *patch = read_json(text);
    for (size_t i = 0; i < patch->count; i++) {
        const struct json *item = patch->elements[i];
        struct str name = json_get(item, STR("op"))->text;
        int operation = PATCH_ADD;
        while (!str_is(name, json_patch_name((enum json_patch_operation)operation)))
            operation++;
        const struct json *from = json_get(item, STR("from"));
        steps[i] = (struct json_patch_step){
            .operation = (enum json_patch_operation)operation,
            .path = json_get(item, STR("path"))->text,
            .from = from ? from->text : (struct str){0},
            .value = json_get(item, STR("value")),
        };
    }
    return patch->count;
}

static const struct json *apply(const char *document, const char *patch)
{
    struct json_patch_step steps[16];
    size_t count = read_patch(patch, steps);
    return json_patch_apply(arena, read_json(document), steps, count, &why);
}

static void becomes(const char *document, const char *patch, const char *expected)
{
    const struct json *patched = apply(document, patch);
    ck_assert_msg(patched != NULL, "%s: " STR_FMT, patch, STR_ARG(why));
    ck_assert_msg(json_equal(patched, read_json(expected)), "%s: " STR_FMT, patch,
                  STR_ARG(shown(patched)));
}

static void fails(const char *document, const char *patch, const char *reason)
{
    ck_assert_msg(apply(document, patch) == NULL, "%s", patch);
    ck_str_is(why, reason);
}

START_TEST(test_does_the_examples_of_the_rfc)
{
    set_up();
    /* A.1 to A.8 */
    becomes("{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
            "{\"baz\":\"qux\",\"foo\":\"bar\"}");
    becomes("{\"foo\":[\"bar\",\"baz\"]}",
            "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
            "{\"foo\":[\"bar\",\"qux\",\"baz\"]}");
    becomes("{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
            "{\"foo\":\"bar\"}");
    becomes("{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
            "{\"foo\":[\"bar\",\"baz\"]}");
    becomes("{\"baz\":\"qux\",\"foo\":\"bar\"}",
            "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
            "{\"baz\":\"boo\",\"foo\":\"bar\"}");
    becomes("{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
            "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
            "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}");
    becomes("{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
            "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
            "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}");
    becomes("{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
            "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},"
            "{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
            "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}");
    /* A.10, A.11, A.14, A.16 */
    becomes("{\"foo\":\"bar\"}",
            "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
            "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}");
    becomes("{\"foo\":\"bar\"}",
            "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
            "{\"foo\":\"bar\",\"baz\":\"qux\"}");
    becomes("{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]",
            "{\"/\":9,\"~1\":10}");
    becomes("{\"foo\":[\"bar\"]}",
            "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
            "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}");
    arena_free(arena);
}
END_TEST

START_TEST(test_fails_as_the_rfc_says)
{
    set_up();
    /* A.9, A.12, A.15 */
    fails("{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]",
          "test \"/baz\": it is \"qux\", not \"bar\"");
    fails("{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]",
          "add \"/baz/bat\": there is no '/baz'");
    fails("{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]",
          "test \"/~01\": it is 10, not \"10\"");
    /* sections 4.2 to 4.6 */
    fails("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", "remove \"/b\": there is nothing");
    fails("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]",
          "replace \"/b\": there is nothing");
    fails("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/c\"}]",
          "move \"/b\": there is nothing");
    fails("{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]",
          "move \"/a/b\": a value cannot be moved into itself");
    fails("{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/b\",\"path\":\"/c\"}]",
          "copy \"/b\": there is nothing");
    fails("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/b\",\"value\":null}]",
          "test \"/b\": there is nothing");
    /* arrays */
    fails("[1]", "[{\"op\":\"add\",\"path\":\"/2\",\"value\":1}]",
          "add \"/2\": the array has 1 element");
    fails("[1,2]", "[{\"op\":\"add\",\"path\":\"/01\",\"value\":1}]",
          "add \"/01\": '01' is no index of an array");
    fails("[1,2]", "[{\"op\":\"remove\",\"path\":\"/-\"}]", "remove \"/-\": there is nothing");
    fails("[1,2]", "[{\"op\":\"remove\",\"path\":\"/2\"}]", "remove \"/2\": there is nothing");
    fails("[1,2]", "[{\"op\":\"add\",\"path\":\"/x\",\"value\":1}]",
          "add \"/x\": 'x' is no index of an array");
    fails("{\"a\":\"text\"}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]",
          "add \"/a/b\": there is no 'b' in a string");
    arena_free(arena);
}
END_TEST

START_TEST(test_one_failure_undoes_all)
{
    set_up();
    const struct json *document = read_json("{\"a\":[1,2],\"b\":{\"c\":3}}");
    struct json_patch_step steps[4];
    size_t count = read_patch("[{\"op\":\"remove\",\"path\":\"/a/0\"},"
                              "{\"op\":\"add\",\"path\":\"/b/d\",\"value\":4},"
                              "{\"op\":\"test\",\"path\":\"/b/c\",\"value\":4}]",
                              steps);
    ck_assert_ptr_null(json_patch_apply(arena, document, steps, count, &why));
    ck_str_is(shown(document), "{\"a\":[1,2],\"b\":{\"c\":3}}");
    arena_free(arena);
}
END_TEST

START_TEST(test_the_whole_document)
{
    set_up();
    becomes("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[2]}]", "[2]");
    becomes("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":[2]}]", "[2]");
    becomes("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]", "null");
    becomes("{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"\"}]", "{\"b\":1}");
    becomes("{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]",
            "{\"a\":1,\"b\":{\"a\":1}}");
    becomes("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"\",\"value\":{\"a\":1.0}}]", "{\"a\":1}");
    fails("7", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]",
          "add \"/a\": there is no 'a' in an integer");
    arena_free(arena);
}
END_TEST

START_TEST(test_values_that_were_copied_stay_apart)
{
    set_up();
    becomes("{\"a\":[1]}",
            "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},"
            "{\"op\":\"add\",\"path\":\"/b/-\",\"value\":2}]",
            "{\"a\":[1],\"b\":[1,2]}");
    becomes("{}",
            "[{\"op\":\"add\",\"path\":\"/a\",\"value\":[]},"
            "{\"op\":\"add\",\"path\":\"/a/-\",\"value\":1},"
            "{\"op\":\"add\",\"path\":\"/a/0\",\"value\":0},"
            "{\"op\":\"remove\",\"path\":\"/a/0\"},{\"op\":\"remove\",\"path\":\"/a/0\"},"
            "{\"op\":\"add\",\"path\":\"/a/-\",\"value\":7}]",
            "{\"a\":[7]}");
    becomes("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":1}");
    arena_free(arena);
}
END_TEST

START_TEST(test_finds_members_by_their_names)
{
    static const char document[] = "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,"
                                   "\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,"
                                   "\"m~n\":8}";
    static const char *const pointers[][2] = {
        {"", document},        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""}, {"/", "0"},
        {"/a~1b", "1"},        {"/c%d", "2"},
        {"/e^f", "3"},         {"/g|h", "4"},
        {"/i\\j", "5"},        {"/k\"l", "6"},
        {"/ ", "7"},           {"/m~0n", "8"},
    };
    set_up();
    for (size_t i = 0; i < COUNT_OF(pointers); i++) {
        struct json_patch_step step = {
            PATCH_TEST, str_of(pointers[i][0]), {0}, read_json(pointers[i][1])};
        ck_assert_msg(json_patch_apply(arena, read_json(document), &step, 1, &why) != NULL,
                      "%s: " STR_FMT, pointers[i][0], STR_ARG(why));
    }
    arena_free(arena);
}
END_TEST

START_TEST(test_knows_a_pointer)
{
    const char *reason = NULL;
    ck_assert(json_pointer_is_valid(STR(""), NULL));
    ck_assert(json_pointer_is_valid(STR("/"), NULL));
    ck_assert(json_pointer_is_valid(STR("/a~0~1/-"), NULL));
    ck_assert(!json_pointer_is_valid(STR("a"), &reason));
    ck_assert_str_eq(reason, "a JSON Pointer is empty or begins with '/'");
    ck_assert(!json_pointer_is_valid(STR("/~"), NULL));
    ck_assert(!json_pointer_is_valid(STR("/a~2"), &reason));
    ck_assert_str_eq(reason, "'~' is written ~0 in a JSON Pointer, and '/' within a name ~1");
}
END_TEST

UNIT_MAIN("json_patch", test_does_the_examples_of_the_rfc, test_fails_as_the_rfc_says,
          test_one_failure_undoes_all, test_the_whole_document,
          test_values_that_were_copied_stay_apart, test_finds_members_by_their_names,
          test_knows_a_pointer)
