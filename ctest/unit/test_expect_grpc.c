/* How a grpc step is judged, without a call. */
#include "runner/check/expect_grpc.h"
#include "schema/tree.h"
#include "server/grpc/status.h"

#include "unit.h"

#include <string.h>

static struct arena *arena;

static const struct grpc_expect *expect_read(const char *yaml)
{
    static struct source source;
    struct grpc_expect *expect = arena_alloc(arena, sizeof *expect);
    struct diagnostics diagnostics;
    struct documents documents;
    if (!yaml)
        return NULL;
    source = (struct source){.name = STR("expect"), .text = str_of(yaml)};
    diagnostics_init(&diagnostics);
    ck_assert_int_eq(tree_read_yaml(arena, &source, &documents, &diagnostics), 0);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    ck_assert_int_eq(reader_read(&reader, &grpc_expect_type, documents.items[0], expect), READ_OK);
    diagnostics_clear(&diagnostics);
    return expect;
}

static struct json *messages_of(const char *text)
{
    struct json_error error;
    struct json *value = json_read(arena, str_of(text), &error);
    ck_assert_ptr_nonnull(value);
    return value;
}

/** The first failure in words; "" = there is none. */
static const char *judged(const char *yaml, const struct grpc_result *result)
{
    struct failures failures = {.arena = arena};
    grpc_expect_judge(expect_read(yaml), result, (struct place){0}, NULL, &failures);
    return failures.count ? failure_line(&failures.items[0], arena).data : "";
}

static void fails(const char *yaml, const struct grpc_result *result, const char *words)
{
    const char *line = judged(yaml, result);
    ck_assert_msg(line[0] && strstr(line, words), "%s: '%s' does not say '%s'", yaml, line, words);
}

static void holds(const char *yaml, const struct grpc_result *result)
{
    ck_assert_str_eq(judged(yaml, result), "");
}

static struct grpc_result answer(int status, const char *messages)
{
    return (struct grpc_result){.complete = true,
                                .status = status,
                                .status_message = STR("words"),
                                .messages = messages_of(messages),
                                .duration_ns = 5000000};
}

START_TEST(test_any_status_will_do)
{
    struct grpc_result result = answer(GRPC_NOT_FOUND, "[]");
    holds(NULL, &result);
    holds("{duration: {below: 1s}}", &result);
    holds("{status: NOT_FOUND, status-message: words, messages: []}", &result);
    holds("{status: [OK, NOT_FOUND]}", &result);
    fails("{status: OK}", &result, "expected OK, got NOT_FOUND");
    fails("{status: {not: NOT_FOUND}}", &result, "NOT_FOUND");
    fails("{status-message: other}", &result, "expected \"other\"");
    fails("{error: any}", &result, "got an answer: NOT_FOUND");
    fails("{duration: {above: 1s}}", &result, "above 1s");
    result.status = 99;
    holds("{status: {not: OK}}", &result);
    fails("{status: OK}", &result, "got 99");
}
END_TEST

START_TEST(test_one_message)
{
    struct grpc_result result = answer(GRPC_OK, "[{\"a\": 1, \"b\": \"x\"}]");
    holds("{json: {a: 1, b: x}, json-subset: {a: 1}, jsonpath: {$.b: x}, messages: [{a: 1, b: x}]}",
          &result);
    fails("{json: {a: 1}}", &result, "json");
    fails("{json-subset: {a: 2}}", &result, "json-subset");
    fails("{jsonpath: {$.b: y}}", &result, "jsonpath $.b");
    fails("{messages: {count: 2}}", &result, "messages");
    result.messages = messages_of("[{}, {}]");
    fails("{json-subset: {a: 1}}", &result, "expected one message, got 2");
    result.messages = messages_of("[]");
    fails("{jsonpath: {$.a: {exists: false}}}", &result, "expected one message, got 0");
}
END_TEST

START_TEST(test_metadata)
{
    struct grpc_result result = answer(GRPC_OK, "[]");
    headers_add(&result.metadata, arena, STR("x-a"), STR("1"));
    headers_add(&result.metadata, arena, STR("x-a"), STR("2"));
    headers_add(&result.trailers, arena, STR("x-raw-bin"), STR("AP8,AA"));
    holds("{metadata: {X-A: [\"1\", \"2\"], x-b: {exists: false}}, "
          "trailers: {x-raw-bin: [AP8=, AA==]}}",
          &result);
    fails("{metadata: {x-a: \"3\"}}", &result, "metadata x-a");
    fails("{trailers: {x-a: \"1\"}}", &result, "trailer x-a");
}
END_TEST

/** A stream that was reset is a status only where one is expected; a connection never is. */
START_TEST(test_derived)
{
    struct grpc_result result = answer(GRPC_UNAVAILABLE, "[]");
    result.complete = false;
    result.derived = STR("RST_STREAM REFUSED_STREAM");
    result.by_status = true;
    result.failure =
        (struct http_failure){.name = "http2-reset(REFUSED_STREAM)", .why = STR("reset")};
    fails(NULL, &result, "UNAVAILABLE (derived from RST_STREAM REFUSED_STREAM)");
    fails("{messages: []}", &result, "the call failed");
    holds("{status: UNAVAILABLE}", &result);
    holds("{error: http2-reset}", &result);
    holds("{error: http2-reset(REFUSED_STREAM), status: UNAVAILABLE}", &result);
    fails("{error: timeout}", &result, "expected timeout, got http2-reset(REFUSED_STREAM)");
    fails("{error: any, status: OK}", &result, "expected OK, got UNAVAILABLE");
    fails("{status: OK}", &result, "expected OK, got UNAVAILABLE");
    result.by_status = false;
    fails("{status: UNAVAILABLE}", &result, "the call failed");
    result.failure.harness = true;
    fails("{error: any}", &result, "could not be made");
    fails("{status: UNAVAILABLE}", &result, "could not be made");
}
END_TEST

START_TEST(test_a_call_that_was_not_begun_has_no_status)
{
    struct grpc_result result = answer(-1, "[]");
    result.complete = false;
    result.failure = (struct http_failure){.name = "dns", .why = STR("no such name")};
    holds("{error: dns}", &result);
    fails("{error: dns, status: {not: OK}}", &result, "status");
}
END_TEST

int main(void)
{
    const TTest *const tests_of[] = {test_any_status_will_do, test_one_message, test_metadata,
                                     test_derived, test_a_call_that_was_not_begun_has_no_status};
    arena = arena_new();
    int status = unit_run("expect_grpc", tests_of, COUNT_OF(tests_of), NULL, 0);
    arena_free(arena);
    return status;
}
