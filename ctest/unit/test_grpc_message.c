/* What the comparison with other libraries (ctest/grpc/compare.py) does not reach: what is refused,
 * how that is told, and what JSON may say in several ways. */
#include "server/grpc/message.h"

#include "rich.h"
#include "server/grpc/wire.h"

#include <errno.h>
#include <string.h>

static struct protos *protos;
static struct arena *arena;
static struct message_problems problems;

static void setup(void)
{
    protos = rich_protos();
    arena = arena_new();
    problems = (struct message_problems){.arena = arena};
}

static void teardown(void)
{
    arena_free(arena);
    protos_free(protos);
}

static const struct proto_message *type_of(const char *name)
{
    const struct proto_message *type = protos_message(protos, str_of(name));
    ck_assert_msg(type != NULL, "%s", name);
    return type;
}

static struct json *json_of(const char *text)
{
    struct json_error error;
    struct json *value = json_read(arena, str_of(text), &error);
    ck_assert_msg(value != NULL, "%s: %s", text, error.message);
    return value;
}

static int encode(const char *type, const struct json *value, const struct message_encoding *how,
                  struct str *bytes)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    problems = (struct message_problems){.arena = arena};
    int result = message_encode(protos, type_of(type), value, how, &buf, &problems);
    ck_assert_int_eq(result == 0, problems.count == 0);
    *bytes = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return result;
}

static struct str bytes_of(const char *type, const char *json)
{
    struct str bytes;
    int result = encode(type, json_of(json), NULL, &bytes);
    ck_assert_msg(result == 0, "%s: " STR_FMT, json,
                  STR_ARG(problems.first ? problems.first->message : STR("")));
    return bytes;
}

static struct str text_of(const struct json *value)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    json_write(value, &buf);
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

static struct json *read(const char *type, struct str bytes)
{
    struct message_problem problem;
    struct json *value = message_decode(arena, protos, type_of(type), bytes, NULL, &problem);
    ck_assert_msg(value != NULL, STR_FMT, STR_ARG(problem.message));
    return value;
}

/* The JSON is taken, and read back as `canonical`. */
static void takes(const char *type, const char *json, const char *canonical)
{
    struct str text = text_of(read(type, bytes_of(type, json)));
    ck_assert_msg(str_is(text, canonical), "%s became " STR_FMT, json, STR_ARG(text));
}

/* All that is wrong, with ", " and the help behind each. */
static void refuses(const char *type, const char *json, const char *expected)
{
    struct str bytes;
    struct buf said;
    ck_assert_msg(encode(type, json_of(json), NULL, &bytes) == -EINVAL, "taken: %s", json);
    buf_init(&said, BUF_OWN);
    for (struct message_problem *p = problems.first; p; p = p->next)
        ck_assert_int_eq(buf_printf(&said, "%s" STR_FMT "%s" STR_FMT,
                                    p == problems.first ? "" : "\n", STR_ARG(p->message),
                                    p->help.size ? "; " : "", STR_ARG(p->help)),
                         0);
    ck_str_is(buf_str(&said), expected);
    buf_clear(&said);
}

/* The bytes are refused. */
static void refuses_bytes(const char *type, struct str bytes, const char *expected)
{
    struct message_problem problem;
    ck_assert_ptr_null(message_decode(arena, protos, type_of(type), bytes, NULL, &problem));
    ck_str_is(problem.message, expected);
    ck_assert_uint_le(problem.offset, bytes.size);
}

START_TEST(test_takes_numbers_in_each_way)
{
    setup();
    takes("rich.Scalars", "{\"anInt32\": 1e3}", "{\"anInt32\":1000}");
    takes("rich.Scalars", "{\"anInt32\": \"-12\"}", "{\"anInt32\":-12}");
    takes("rich.Scalars", "{\"anInt32\": 12.50e1}", "{\"anInt32\":125}");
    takes("rich.Scalars", "{\"anInt32\": 120e-1}", "{\"anInt32\":12}");
    takes("rich.Scalars", "{\"anInt32\": -0.0}", "{}");
    takes("rich.Scalars", "{\"anInt32\": 0e99999999999999999999}", "{}");
    takes("rich.Scalars", "{\"anInt32\": 2147483647, \"aSint32\": -2147483648}",
          "{\"anInt32\":2147483647,\"aSint32\":-2147483648}");
    takes("rich.Scalars", "{\"anInt64\": 9007199254740993, \"aUint64\": \"18446744073709551615\"}",
          "{\"anInt64\":\"9007199254740993\",\"aUint64\":\"18446744073709551615\"}");
    takes("rich.Scalars", "{\"anInt64\": -9223372036854775808}",
          "{\"anInt64\":\"-9223372036854775808\"}");
    takes("rich.Scalars", "{\"aDouble\": \"1.5\", \"aFloat\": \"-Infinity\"}",
          "{\"aDouble\":1.5,\"aFloat\":\"-Infinity\"}");
    takes("rich.Scalars", "{\"aDouble\": \"NaN\"}", "{\"aDouble\":\"NaN\"}");
    takes("rich.Scalars", "{\"aDouble\": -0.0}", "{\"aDouble\":-0}");
    takes("rich.Scalars", "{\"aDouble\": 1e-400}", "{}");
    takes("rich.Scalars", "{\"aFloat\": 3.4028235e38}", "{\"aFloat\":3.4028235e+38}");
    teardown();
}
END_TEST

/* As YAML writes them; no JSON text has them. */
START_TEST(test_takes_numbers_of_yaml)
{
    static const struct {
        const char *text;
        const char *canonical;
    } rows[] = {{".inf", "{\"aDouble\":\"Infinity\"}"},
                {"-.Inf", "{\"aDouble\":\"-Infinity\"}"},
                {"+.inf", "{\"aDouble\":\"Infinity\"}"},
                {".NaN", "{\"aDouble\":\"NaN\"}"},
                {"+.5", "{\"aDouble\":0.5}"},
                {"5.", "{\"aDouble\":5}"}};
    struct str bytes;
    setup();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json *object = json_object(arena);
        json_put(arena, object, STR("aDouble"), json_number(arena, str_of(rows[i].text)));
        ck_assert_int_eq(encode("rich.Scalars", object, NULL, &bytes), 0);
        ck_str_is(text_of(read("rich.Scalars", bytes)), rows[i].canonical);
    }
    struct json *object = json_object(arena);
    json_put(arena, object, STR("anInt32"), json_number(arena, STR("+7")));
    ck_assert_int_eq(encode("rich.Scalars", object, NULL, &bytes), 0);
    ck_assert(str_equal(bytes, STR("\x18\x07")));
    json_put(arena, object, STR("aUint64"), json_number(arena, STR(".inf")));
    ck_assert_int_eq(encode("rich.Scalars", object, NULL, &bytes), -EINVAL);
    teardown();
}
END_TEST

START_TEST(test_refuses_wrong_scalars)
{
    setup();
    refuses("rich.Scalars", "{\"anInt32\": 2147483648}",
            "anInt32: expected an integer from -2147483648 to 2147483647 (int32), got 2147483648");
    refuses("rich.Scalars", "{\"anInt32\": 1.5}",
            "anInt32: expected an integer from -2147483648 to 2147483647 (int32), got 1.5");
    refuses("rich.Scalars", "{\"aUint32\": -1}",
            "aUint32: expected an integer from 0 to 4294967295 (uint32), got -1");
    refuses("rich.Scalars", "{\"aFixed64\": \"18446744073709551616\"}",
            "aFixed64: expected an integer from 0 to 18446744073709551615 (fixed64), got "
            "\"18446744073709551616\"");
    refuses("rich.Scalars", "{\"anInt32\": \"\"}",
            "anInt32: expected an integer from -2147483648 to 2147483647 (int32), got \"\"");
    refuses("rich.Scalars", "{\"anInt32\": \" 1\"}",
            "anInt32: expected an integer from -2147483648 to 2147483647 (int32), got \" 1\"");
    refuses("rich.Scalars", "{\"anInt32\": {}}",
            "anInt32: expected an integer from -2147483648 to 2147483647 (int32), got an object");
    refuses("rich.Scalars", "{\"aDouble\": 1e400}",
            "aDouble: expected a number that fits a double, got 1e400");
    refuses("rich.Scalars", "{\"aFloat\": 3.5e38}",
            "aFloat: expected a number that fits a float, got 3.5e38");
    refuses("rich.Scalars", "{\"aDouble\": \"inf\"}",
            "aDouble: expected a number (or \"NaN\", \"Infinity\", \"-Infinity\"), got \"inf\"");
    refuses("rich.Scalars", "{\"aBool\": \"true\"}", "aBool: expected true or false, got \"true\"");
    refuses("rich.Scalars", "{\"aString\": 5}", "aString: expected a string, got 5");
    refuses("rich.Scalars", "{\"someBytes\": \"a\"}",
            "someBytes: expected Base64 (bytes), got \"a\"");
    refuses("rich.Scalars", "{\"color\": 2147483648}",
            "color: expected a value of the enum rich.Color, got 2147483648");
    refuses("rich.Scalars", "{\"color\": \"REDD\"}",
            "color: expected a value of the enum rich.Color, got \"REDD\"; did you mean 'RED'?");
    refuses("rich.old.Packing", "{\"closed\": [1, 3]}",
            "closed[1]: expected a value of the enum rich.old.Closed, got 3");
    struct str bytes;
    struct json *object = json_object(arena);
    json_put(arena, object, STR("aString"), json_string(arena, STR("\xff")));
    ck_assert_int_eq(encode("rich.Scalars", object, NULL, &bytes), -EINVAL);
    ck_str_is(problems.first->message, "aString: expected UTF-8, got other bytes");
    teardown();
}
END_TEST

START_TEST(test_takes_both_alphabets_of_base64)
{
    setup();
    takes("rich.Scalars", "{\"someBytes\": \"-_-_\"}", "{\"someBytes\":\"+/+/\"}");
    takes("rich.Scalars", "{\"someBytes\": \"+/+/\"}", "{\"someBytes\":\"+/+/\"}");
    takes("rich.Scalars", "{\"someBytes\": \"Zg\"}", "{\"someBytes\":\"Zg==\"}");
    takes("rich.Scalars", "{\"someBytes\": \"Zm8=\"}", "{\"someBytes\":\"Zm8=\"}");
    takes("rich.Scalars", "{\"someBytes\": \"\"}", "{}");
    refuses("rich.Scalars", "{\"someBytes\": \"Zg=\"}",
            "someBytes: expected Base64 (bytes), got \"Zg=\"");
    refuses("rich.Scalars", "{\"someBytes\": \"Z===\"}",
            "someBytes: expected Base64 (bytes), got \"Z===\"");
    refuses("rich.Scalars", "{\"someBytes\": \"Zg==Zg==\"}",
            "someBytes: expected Base64 (bytes), got \"Zg==Zg==\"");
    refuses("rich.Scalars", "{\"someBytes\": \"Z g=\"}",
            "someBytes: expected Base64 (bytes), got \"Z g=\"");
    teardown();
}
END_TEST

START_TEST(test_null_is_not_set)
{
    setup();
    takes("rich.Rich", "{\"scalars\": null, \"lists\": null}", "{}");
    takes("rich.Scalars", "{\"aDouble\": null, \"color\": null}", "{}");
    takes("rich.Maps", "{\"byString\": null}", "{}");
    takes("rich.Choice", "{\"number\": null, \"text\": \"\"}", "{\"text\":\"\"}");
    takes("rich.Choice", "{\"nothing\": null}", "{\"nothing\":null}");
    takes("rich.Known", "{\"value\": null}", "{\"value\":null}");
    takes("rich.Known", "{\"time\": null, \"aDouble\": null}", "{}");
    takes("rich.Known", "{\"values\": [null]}", "{\"values\":[null]}");
    takes("rich.Known", "{\"values\": null, \"valuesByName\": {\"a\": null}}",
          "{\"valuesByName\":{\"a\":null}}");
    refuses("rich.Lists", "{\"strings\": [null]}", "strings[0]: expected a string, got null");
    refuses("rich.Lists", "{\"messages\": [null]}",
            "messages[0]: expected an object (rich.Scalars), got null");
    refuses(
        "rich.Maps", "{\"byString\": {\"a\": null}}",
        "byString[\"a\"]: expected an integer from -2147483648 to 2147483647 (int32), got null");
    refuses("rich.Rich", "null", "rich.Rich: expected an object (rich.Rich), got null");
    teardown();
}
END_TEST

START_TEST(test_names_of_fields)
{
    setup();
    takes("rich.Names", "{\"snake_case_name\": 1, \"other-name\": 2, \"camelCase\": 3}",
          "{\"snakeCaseName\":1,\"camelCase\":3,\"other-name\":2}");
    takes("rich.Names", "{\"given\": 2}", "{\"other-name\":2}");
    refuses("rich.Names", "{\"snakeCaseName\": 1, \"snake_case_name\": 1}",
            "snake_case_name: the field is there twice");
    refuses("rich.Names", "{\"given\": 1, \"given\": null}", "given: the field is there twice");
    refuses("rich.Names", "{\"SnakeCaseName\": 1, \"x y\": 2}",
            "SnakeCaseName: rich.Names has no such field; did you mean 'snakeCaseName'?\n"
            "[\"x y\"]: rich.Names has no such field");
    takes("rich.old.Extended", "{\"[rich.old.outside]\": \"x\"}", "{\"[rich.old.outside]\":\"x\"}");
    teardown();
}
END_TEST

START_TEST(test_tells_all_with_path_and_place)
{
    setup();
    refuses("rich.Rich",
            "{\"scalars\": 5,\n"
            " \"lists\": {\"messages\": [{}, {\"aBool\": 1}], \"strings\": {}},\n"
            " \"maps\": {\"bySfixed64\": {\"7\": {\"named\": {\"a.b\": {\"name\": 1}}}}},\n"
            " \"tree\": {\"lef\": {}}}",
            "scalars: expected an object (rich.Scalars), got 5\n"
            "lists.strings: expected a list, got an object\n"
            "lists.messages[1].aBool: expected true or false, got 1\n"
            "maps.bySfixed64[\"7\"].named[\"a.b\"].name: expected a string, got 1\n"
            "tree.lef: rich.Tree has no such field; did you mean 'left'?");
    static const unsigned places[][2] = {{1, 13}, {2, 55}, {2, 39}, {3, 58}, {4, 18}};
    size_t i = 0;
    for (struct message_problem *p = problems.first; p; p = p->next, i++) {
        ck_assert_uint_eq(p->line, places[i][0]);
        ck_assert_uint_eq(p->column, places[i][1]);
    }
    teardown();
}
END_TEST

START_TEST(test_problems_are_bounded)
{
    struct str bytes;
    setup();
    struct json *object = json_object(arena);
    struct json *array = json_array(arena);
    for (size_t i = 0; i < 1000; i++)
        json_push(arena, array, json_null(arena));
    json_put(arena, object, STR("strings"), array);
    ck_assert_int_eq(encode("rich.Lists", object, NULL, &bytes), -EINVAL);
    size_t count = 0;
    for (struct message_problem *p = problems.first; p; p = p->next)
        count++;
    ck_assert_uint_eq(count, MESSAGE_MOST_PROBLEMS);
    ck_assert_uint_eq(problems.count, 1000);
    teardown();
}
END_TEST

START_TEST(test_oneofs)
{
    setup();
    refuses("rich.Choice", "{\"text\": \"a\", \"number\": 0, \"yes\": true}",
            "text: 'number' is set too, and of the oneof 'what' only one can be");
    takes("rich.Choice", "{\"number\": 0, \"real\": 0}", "{\"number\":0,\"real\":0}");
    /* the last one counts on the wire; messages that another member parts are not merged */
    ck_str_is(text_of(read("rich.Choice", STR("\x08\x01\x12\x01x"))), "{\"text\":\"x\"}");
    ck_str_is(text_of(read("rich.Choice", STR("\x12\x01x\x08\x01"))), "{\"number\":1}");
    ck_str_is(text_of(read("rich.Choice", STR("\x1a\x02\x18\x01\x1a\x02\x20\x02"))),
              "{\"scalars\":{\"anInt32\":1,\"anInt64\":\"2\"}}");
    ck_str_is(text_of(read("rich.Choice", STR("\x1a\x02\x18\x01\x08\x01\x1a\x02\x20\x02"))),
              "{\"scalars\":{\"anInt64\":\"2\"}}");
    teardown();
}
END_TEST

START_TEST(test_maps)
{
    setup();
    /* by key, whatever the order of the JSON */
    ck_assert(
        str_equal(bytes_of("rich.Maps", "{\"byInt32\": {\"10\": \"\", \"-1\": \"\", \"9\": \"\"}}"),
                  STR("\x12\x0d\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x00"
                      "\x12\x04\x08\x09\x12\x00\x12\x04\x08\x0a\x12\x00")));
    takes("rich.Maps",
          "{\"byBool\": {\"true\": \"a\", \"false\": \"b\"}, \"byUint32\": {\"1e2\": 1}}",
          "{\"byUint32\":{\"100\":1},\"byBool\":{\"false\":\"b\",\"true\":\"a\"}}");
    takes("rich.Maps", "{\"byString\": {\"\": 1, \"ä\": 0}}", "{\"byString\":{\"\":1,\"ä\":0}}");
    refuses("rich.Maps", "{\"byInt32\": {\"1\": \"\", \"1.0\": \"\"}}",
            "byInt32[\"1.0\"]: the key is there twice");
    refuses("rich.Maps", "{\"byString\": {\"a\": 1, \"a\": 2}}",
            "byString[\"a\"]: the key is there twice");
    refuses("rich.Maps", "{\"byBool\": {\"yes\": \"\"}}",
            "byBool[\"yes\"]: the key: expected the key \"true\" or \"false\", got \"yes\"");
    refuses("rich.Maps", "{\"byUint32\": {\"-1\": 1, \"01\": 1}}",
            "byUint32[\"-1\"]: the key: expected an integer from 0 to 4294967295 (uint32), got "
            "\"-1\"\n"
            "byUint32[\"01\"]: the key: expected an integer from 0 to 4294967295 (uint32), got "
            "\"01\"");
    refuses("rich.Maps", "{\"byString\": []}",
            "byString: expected an object (a map), got an array");
    /* an entry without key or value has zeros; of equal keys the last counts */
    ck_str_is(text_of(read("rich.Maps", STR("\x0a\x00"))), "{\"byString\":{\"\":0}}");
    ck_str_is(text_of(read("rich.Maps", STR("\x5a\x00"))), "{\"bySfixed64\":{\"0\":{}}}");
    ck_str_is(text_of(read("rich.Maps", STR("\x0a\x05\x0a\x01x\x10\x01\x0a\x05\x0a\x01x\x10\x02"))),
              "{\"byString\":{\"x\":2}}");
    teardown();
}
END_TEST

START_TEST(test_required_fields)
{
    struct str bytes;
    struct message_encoding fill = {.fill_required = true};
    setup();
    refuses("rich.old.Needs", "{\"name\": \"x\", \"closed\": null, \"inner\": {\"real\": 1}}",
            "id: this required field is missing\n"
            "inner.raw: this required field is missing\n"
            "closed: this required field is missing");
    refuses_bytes("rich.old.Old", STR("\x12\x03\x0a\x01x"),
                  "needs.id: this required field is missing (at byte 2)");
    ck_assert_int_eq(encode("rich.old.Needs", json_of("{\"id\": 7}"), &fill, &bytes), 0);
    ck_str_is(text_of(read("rich.old.Needs", bytes)),
              "{\"name\":\"\",\"id\":7,\"inner\":{\"raw\":\"AP9hXA==\",\"real\":1.5},"
              "\"closed\":\"ONE\"}");
    /* a message without fields, also of what has another form */
    ck_assert_int_eq(encode("google.protobuf.Timestamp", json_of("{}"), &fill, &bytes), 0);
    ck_assert_uint_eq(bytes.size, 0);
    ck_assert_int_eq(encode("google.protobuf.Value", json_of("{}"), &fill, &bytes), 0);
    ck_assert_uint_eq(bytes.size, 0);
    ck_assert_int_eq(encode("google.protobuf.Value", json_of("{}"), NULL, &bytes), 0);
    ck_assert_uint_eq(bytes.size, 2);
    teardown();
}
END_TEST

START_TEST(test_the_depth_is_bounded)
{
    char json[4096];
    struct str bytes;
    setup();
    for (size_t depth = MESSAGE_DEPTH - 1; depth <= MESSAGE_DEPTH + 1; depth++) {
        size_t size = 0;
        for (size_t i = 0; i < depth; i++)
            size += (size_t)snprintf(json + size, sizeof json - size, "{\"left\":");
        size += (size_t)snprintf(json + size, sizeof json - size, "{}");
        memset(json + size, '}', depth);
        json[size + depth] = '\0';
        int result = encode("rich.Tree", json_of(json), NULL, &bytes);
        ck_assert_int_eq(result, depth <= MESSAGE_DEPTH ? 0 : -EINVAL);
        if (result == 0)
            ck_str_is(text_of(read("rich.Tree", bytes)), json);
    }
    ck_assert(str_ends(problems.first->message, STR("messages are nested deeper than 100 levels")));
    /* the wire, one level more than is allowed */
    struct buf buf;
    size_t marks[MESSAGE_DEPTH + 1];
    buf_init(&buf, BUF_OWN);
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        marks[i] = wire_open(&buf, 2);
    for (size_t i = COUNT_OF(marks); i-- > 0;)
        wire_close(&buf, marks[i]);
    struct message_problem problem;
    ck_assert_ptr_null(
        message_decode(arena, protos, type_of("rich.Tree"), buf_str(&buf), NULL, &problem));
    ck_assert(str_find(problem.message, STR("messages are nested deeper than 100 levels")) > 0);
    buf_clear(&buf);
    teardown();
}
END_TEST

START_TEST(test_the_size_is_bounded)
{
    setup();
    struct str whole =
        bytes_of("rich.Rich", "{\"tree\": {\"name\": \"abc\", \"left\": {\"name\": \"d\"}}}");
    for (size_t most = 0; most <= whole.size; most++) {
        struct buf buf;
        buf_init(&buf, most + 3);
        ck_assert_int_eq(buf_append_string(&buf, "xyz"), 0);
        problems = (struct message_problems){.arena = arena};
        int result =
            message_encode(protos, type_of("rich.Rich"),
                           json_of("{\"tree\": {\"name\": \"abc\", \"left\": {\"name\": \"d\"}}}"),
                           NULL, &buf, &problems);
        ck_assert_int_eq(result, most < whole.size ? -EMSGSIZE : 0);
        if (result) {
            ck_str_is(buf_str(&buf), "xyz");
            ck_assert_uint_eq(problems.count, 1);
            ck_assert(
                str_starts(problems.first->message, STR("rich.Rich: the message is larger than")));
        }
        ck_assert(!buf_full(&buf));
        buf_clear(&buf);
    }
    teardown();
}
END_TEST

START_TEST(test_timestamps_and_durations)
{
    setup();
    takes("rich.Known", "{\"time\": \"1972-01-01T10:00:20.021+02:30\"}",
          "{\"time\":\"1972-01-01T07:30:20.021Z\"}");
    takes("rich.Known", "{\"time\": \"0001-01-01T00:00:00Z\"}",
          "{\"time\":\"0001-01-01T00:00:00Z\"}");
    takes("rich.Known", "{\"time\": \"9999-12-31T23:59:59.999999999Z\"}",
          "{\"time\":\"9999-12-31T23:59:59.999999999Z\"}");
    takes("rich.Known", "{\"time\": \"2000-02-29T00:00:00.1Z\"}",
          "{\"time\":\"2000-02-29T00:00:00.100Z\"}");
    takes("rich.Known", "{\"time\": \"1969-12-31T23:59:59.00001-00:00\"}",
          "{\"time\":\"1969-12-31T23:59:59.000010Z\"}");
    takes("rich.Known", "{\"duration\": \"-0.5s\"}", "{\"duration\":\"-0.500s\"}");
    takes("rich.Known", "{\"duration\": \"0.000000001s\"}", "{\"duration\":\"0.000000001s\"}");
    takes("rich.Known", "{\"duration\": \"-315576000000s\"}", "{\"duration\":\"-315576000000s\"}");
    static const char *const times[] = {"2000-02-30T00:00:00Z",  "1900-02-29T00:00:00Z",
                                        "2000-13-01T00:00:00Z",  "2000-01-01T24:00:00Z",
                                        "2000-01-01T00:00:60Z",  "0001-01-01T00:00:00+00:01",
                                        "2000-01-01t00:00:00Z",  "2000-01-01T00:00:00z",
                                        "2000-01-01T00:00:00",   "2000-01-01 00:00:00Z",
                                        "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00.1234567890Z",
                                        "10000-01-01T00:00:00Z", "",
                                        "2000-01-01T00:00:00Z ", "0000-01-01T00:00:00Z"};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct str bytes;
        struct json *value = json_string(arena, str_of(times[i]));
        ck_assert_msg(encode("google.protobuf.Timestamp", value, NULL, &bytes) == -EINVAL, "%s",
                      times[i]);
    }
    static const char *const durations[] = {"1",    "s",   "-s",  "1.s",          "1.5",
                                            "1,5s", "+1s", "1ms", "1 s",          "315576000001s",
                                            "--1s", "",    ".5s", "1.0000000001s"};
    for (size_t i = 0; i < COUNT_OF(durations); i++) {
        struct str bytes;
        struct json *value = json_string(arena, str_of(durations[i]));
        ck_assert_msg(encode("google.protobuf.Duration", value, NULL, &bytes) == -EINVAL, "%s",
                      durations[i]);
    }
    refuses("rich.Known", "{\"time\": \"now\"}",
            "time: expected a time as in \"2026-01-02T03:04:05.678Z\", got \"now\"");
    refuses("rich.Known", "{\"times\": [5]}",
            "times[0]: expected a time as a string (RFC 3339), got 5");
    refuses("rich.Known", "{\"duration\": \"5\"}",
            "duration: expected a duration in seconds as in \"1.5s\", got \"5\"");
    refuses_bytes(
        "google.protobuf.Timestamp", STR("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        "google.protobuf.Timestamp: a time with nanos outside 0 to 999999999 (at byte 0)");
    refuses_bytes(
        "google.protobuf.Duration", STR("\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        "google.protobuf.Duration: a duration whose seconds and nanos have different signs "
        "(at byte 0)");
    teardown();
}
END_TEST

START_TEST(test_structs)
{
    setup();
    takes("rich.Known", "{\"struct\": {\"b\": 1, \"a\": [null, true, \"x\", {}]}}",
          "{\"struct\":{\"a\":[null,true,\"x\",{}],\"b\":1}}");
    takes("rich.Known", "{\"list\": [], \"struct\": {}, \"value\": []}",
          "{\"struct\":{},\"value\":[],\"list\":[]}");
    refuses("rich.Known", "{\"struct\": [], \"list\": {}}",
            "struct: expected an object, got an array\nlist: expected a list, got an object");
    refuses("rich.Known", "{\"struct\": {\"a\": 1, \"a\": 2}}",
            "struct[\"a\"]: the name is there twice");
    refuses("rich.Known", "{\"value\": {\"a\": [1e999]}}",
            "value[\"a\"][0]: expected a number that fits a double, got 1e999");
    /* a Value without a kind; the last kind counts; structs in pieces are merged */
    ck_str_is(text_of(read("google.protobuf.Value", STR(""))), "null");
    ck_str_is(text_of(read("google.protobuf.Value", STR("\x20\x01\x1a\x01x"))), "\"x\"");
    ck_str_is(text_of(read("google.protobuf.Value", STR("\x2a\x09\x0a\x07\x0a\x01"
                                                        "a\x12\x02\x20\x01\x2a\x09\x0a\x07\x0a\x01"
                                                        "b\x12\x02\x20\x00"))),
              "{\"a\":true,\"b\":false}");
    refuses_bytes("google.protobuf.Value", STR("\x11\0\0\0\0\0\0\xf0\x7f"),
                  "google.protobuf.Value: a Value cannot be infinite or NaN in JSON (at byte 0)");
    teardown();
}
END_TEST

START_TEST(test_any)
{
    setup();
    takes("rich.Known", "{\"any\": {\"name\": \"x\", \"@type\": \"a.org/rich.Tree\"}}",
          "{\"any\":{\"@type\":\"a.org/rich.Tree\",\"name\":\"x\"}}");
    takes("rich.Known",
          "{\"any\": {\"@type\": \"/google.protobuf.Duration\", \"value\": \"1.5s\"}}",
          "{\"any\":{\"@type\":\"/google.protobuf.Duration\",\"value\":\"1.500s\"}}");
    takes("rich.Known",
          "{\"any\": {\"@type\": \"x/google.protobuf.Any\", \"value\": {\"@type\": "
          "\"x/rich.Tree\"}}}",
          "{\"any\":{\"@type\":\"x/google.protobuf.Any\",\"value\":{\"@type\":\"x/rich.Tree\"}}}");
    takes("rich.Known", "{\"any\": {}}", "{\"any\":{}}");
    /* a type that nobody knows stays bytes */
    takes("rich.Known", "{\"any\": {\"@type\": \"x/far.Away\", \"@value\": \"CAE\"}}",
          "{\"any\":{\"@type\":\"x/far.Away\",\"@value\":\"CAE=\"}}");
    refuses("rich.Known", "{\"any\": {\"@type\": \"x/rich.Tre\"}}",
            "any.@type: no message type is known for \"x/rich.Tre\"; did you mean 'rich.Tree'?");
    refuses("rich.Known", "{\"any\": {\"@type\": \"rich.Tree\"}}",
            "any.@type: expected a type as in \"type.googleapis.com/package.Message\", got "
            "\"rich.Tree\"");
    refuses("rich.Known", "{\"any\": {\"name\": 1}}", "any: '@type' is missing");
    refuses("rich.Known", "{\"any\": {\"@type\": \"x/rich.Tree\", \"name\": 1}}",
            "any.name: expected a string, got 1");
    refuses("rich.Known", "{\"any\": {\"@type\": \"x/google.protobuf.Duration\"}}",
            "any: expected '@type' and 'value' and nothing else, for google.protobuf.Duration");
    refuses_bytes("rich.Known", STR("\x32\x12\x0a\x0bx/rich.Tree\x12\x03\x0a\x05x"),
                  "any: a length goes beyond the end (at byte 18)");
    teardown();
}
END_TEST

START_TEST(test_masks_and_wrappers)
{
    setup();
    takes("rich.Known", "{\"mask\": \"a,fooBar.baz\"}", "{\"mask\":\"a,fooBar.baz\"}");
    ck_assert(str_equal(bytes_of("rich.Known", "{\"mask\": \"fooBar\"}"), STR("\x3a\x09\x0a\x07"
                                                                              "foo_bar")));
    takes("rich.Known", "{\"mask\": \"\"}", "{\"mask\":\"\"}");
    refuses("rich.Known", "{\"mask\": \"foo_bar\"}",
            "mask: expected field paths in lowerCamelCase (\"a,b.cD\"), got \"foo_bar\"");
    refuses("rich.Known", "{\"mask\": \"a,,b\"}",
            "mask: expected field paths in lowerCamelCase (\"a,b.cD\"), got \"a,,b\"");
    refuses_bytes("google.protobuf.FieldMask",
                  STR("\x0a\x05"
                      "a__b2"),
                  "google.protobuf.FieldMask: a field path that has no JSON form (at byte 2)");
    takes("rich.Known",
          "{\"aDouble\": 0, \"aString\": \"\", \"someBytes\": \"\", \"aBool\": false}",
          "{\"aDouble\":0,\"aBool\":false,\"aString\":\"\",\"someBytes\":\"\"}");
    takes("rich.Known", "{\"int64s\": [1, \"2\"]}", "{\"int64s\":[\"1\",\"2\"]}");
    refuses("rich.Known", "{\"int64s\": [\"x\"]}",
            "int64s[0]: expected an integer from -9223372036854775808 to 9223372036854775807 "
            "(int64), got \"x\"");
    teardown();
}
END_TEST

START_TEST(test_refuses_wrong_bytes)
{
    setup();
    refuses_bytes("rich.Scalars", STR("\x18"), "rich.Scalars: a varint is cut (at byte 1)");
    refuses_bytes(
        "rich.Scalars", STR("\x1a\x00"),
        "anInt32: field 3 is length-delimited on the wire, but int32 is varint (at byte 0)");
    refuses_bytes("rich.Scalars", STR("\x72\x01\xff"),
                  "aString: a string that is not UTF-8 (at byte 2)");
    refuses_bytes("rich.Lists",
                  STR("\x72\x01"
                      "a\x72\x02"
                      "a\xff"),
                  "strings[1]: a string that is not UTF-8 (at byte 6)");
    refuses_bytes("rich.Lists", STR("\x0a\x09\0\0\0\0\0\0\0\0\0"),
                  "doubles[1]: a 64-bit value is cut (at byte 10)");
    refuses_bytes("rich.Rich", STR("\x32\x04\x12\x02\x0a\x05"),
                  "tree.left: a length goes beyond the end (at byte 5)");
    refuses_bytes("rich.Maps", STR("\x0a\x02\x0a\x05"),
                  "byString: a length goes beyond the end (at byte 3)");
    refuses_bytes("rich.Maps", STR("\x0a\x02\x08\x05"),
                  "byString: field 1 is varint on the wire, not length-delimited (at byte 2)");
    refuses_bytes("rich.Known", STR("\x0a\x02\x0a\x00"),
                  "time: field 1 is length-delimited on the wire, not varint (at byte 2)");
    teardown();
}
END_TEST

START_TEST(test_integers_are_cut_to_their_size)
{
    setup();
    /* 2^32 + 1 as int32 is 1, as bool true; -1 as uint32 has 32 bits */
    ck_str_is(
        text_of(read("rich.Scalars", STR("\x18\x81\x80\x80\x80\x10\x68\x80\x80\x80\x80\x10"))),
        "{\"anInt32\":1,\"aBool\":true}");
    ck_str_is(text_of(read("rich.Scalars", STR("\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))),
              "{\"aUint32\":4294967295}");
    /* explicit zeros of fields without presence are not set */
    ck_str_is(text_of(read("rich.Scalars", STR("\x18\x00\x72\x00"))), "{}");
    ck_str_is(text_of(read("rich.Optionals", STR("\x18\x00\x72\x00"))),
              "{\"anInt32\":0,\"aString\":\"\"}");
    teardown();
}
END_TEST

START_TEST(test_keeps_unknown_fields)
{
    struct message_unknowns unknowns = {0};
    struct message_decoding decoding = {.unknowns = &unknowns};
    struct message_encoding encoding = {.unknowns = &unknowns};
    struct message_problem problem;
    struct str bytes;
    setup();
    /* field 9, a known one, field 9 as a group; in a Timestamp; an enum that is closed */
    struct str all = STR("\x48\x01\x32\x05\x48\x02\x0a\x01x\x4b\x08\x01\x4c"
                         "\x3a\x06\x0a\x04\x08\x05\x18\x07");
    struct json *value =
        message_decode(arena, protos, type_of("rich.Rich"), all, &decoding, &problem);
    ck_assert_ptr_nonnull(value);
    ck_str_is(text_of(value),
              "{\"tree\":{\"name\":\"x\"},\"known\":{\"time\":\"1970-01-01T00:00:05Z\"}}");
    ck_assert_uint_eq(unknowns.count, 4);
    ck_assert_int_eq(encode("rich.Rich", value, &encoding, &bytes), 0);
    ck_assert(str_equal(bytes, STR("\x32\x05\x0a\x01x\x48\x02\x3a\x06\x0a\x04\x08\x05\x18\x07"
                                   "\x48\x01\x4b\x08\x01\x4c")));
    /* without asking they are dropped */
    ck_assert_int_eq(encode("rich.Rich", value, NULL, &bytes), 0);
    ck_assert(str_equal(bytes, STR("\x32\x03\x0a\x01x\x3a\x04\x0a\x02\x08\x05")));
    unknowns = (struct message_unknowns){0};
    value = message_decode(arena, protos, type_of("rich.old.Packing"),
                           STR("\x18\x09\x18\x01\x22\x03\x02\x09\x02"), &decoding, &problem);
    ck_str_is(text_of(value), "{\"closed\":[\"ONE\"],\"tightClosed\":[\"TWO\",\"TWO\"]}");
    ck_assert_int_eq(encode("rich.old.Packing", value, &encoding, &bytes), 0);
    ck_assert(str_equal(bytes, STR("\x18\x01\x22\x02\x02\x02\x18\x09\x20\x09")));
    teardown();
}
END_TEST

START_TEST(test_defaults_and_original_names)
{
    struct message_decoding decoding = {.defaults = true, .original_names = true};
    struct message_problem problem;
    setup();
    struct json *value =
        message_decode(arena, protos, type_of("rich.Names"), STR("\x20\x01"), &decoding, &problem);
    ck_str_is(text_of(value), "{\"snake_case_name\":0,\"camelCase\":0,\"_leading\":0,"
                              "\"with_1_digit\":1,\"given\":0,\"far\":0}");
    value = message_decode(arena, protos, type_of("rich.Tree"), STR(""), &decoding, &problem);
    ck_str_is(text_of(value), "{\"name\":\"\",\"others\":[],\"named\":{}}");
    value = message_decode(arena, protos, type_of("rich.Choice"), STR(""), &decoding, &problem);
    ck_str_is(text_of(value), "{\"beside\":\"\"}");
    value =
        message_decode(arena, protos, type_of("rich.old.Defaults"), STR(""), &decoding, &problem);
    ck_str_is(text_of(value), "{}");
    teardown();
}
END_TEST

UNIT_MAIN("grpc_message", test_takes_numbers_in_each_way, test_takes_numbers_of_yaml,
          test_refuses_wrong_scalars, test_takes_both_alphabets_of_base64, test_null_is_not_set,
          test_names_of_fields, test_tells_all_with_path_and_place, test_problems_are_bounded,
          test_oneofs, test_maps, test_required_fields, test_the_depth_is_bounded,
          test_the_size_is_bounded, test_timestamps_and_durations, test_structs, test_any,
          test_masks_and_wrappers, test_refuses_wrong_bytes, test_integers_are_cut_to_their_size,
          test_keeps_unknown_fields, test_defaults_and_original_names)
