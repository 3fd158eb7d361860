/* Answers to calls of gRPC as a raw client sees them (server/grpc/answer.c, respond.c): the four
 * kinds of rpc, statuses, metadata, what cannot be made. */
#include "ctest/unit/grpc_rig.h"

/** How many notes the journal has that hold the text. */
static bool noted(const char *text)
{
    for (uint64_t number = journal_first(w.rig.journal); number <= journal_last(w.rig.journal);
         number++) {
        const struct entry *entry = journal_get(w.rig.journal, number);
        struct str data = {entry->data, entry->data_size};
        if (entry->kind == ENTRY_NOTE && str_find(data, str_of(text)) >= 0)
            return true;
    }
    return false;
}

/* The four kinds. */

START_TEST(test_unary)
{
    world_begin("routes:\n"
                "  - match: {rpc: shop.Orders/Get, json-subset: {id: fixed}}\n"
                "    respond: {message: {id: a, items: [{name: tea, price: 5}], state: SHIPPED}}\n"
                "  - match: {rpc: shop.Orders/Get}\n"
                "    respond:\n"
                "      message: {id: \"{{ message $.id | upper }}\", weight: \"{{ message $.count "
                "}}\"}\n"
                "      metadata: {x-id: \"{{ message $.id }}\"}\n"
                "      trailers: {x-count: \"{{ message $.count }}\"}\n");
    struct call *call = call_once("Get", "", "{\"id\": \"fixed\"}");
    ck_status(call, "0");
    ck_str_is(
        call_got(call, "shop.Order"),
        "{\"id\":\"a\",\"items\":[{\"name\":\"tea\",\"price\":\"5\"}],\"state\":\"SHIPPED\"}");
    call = call_once("Get", "", "{\"id\": \"b\", \"count\": 3}");
    ck_status(call, "0");
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"B\",\"weight\":3}");
    ck_str_is(field(&call->head, "x-id"), "b");
    ck_str_is(field(&call->trailers, "x-count"), "3");
    ck_str_is(field(&call->head, "date"), "");
    world_end();
}
END_TEST

START_TEST(test_a_stream_of_the_server)
{
    world_begin("routes:\n"
                "  - match: {rpc: shop.Orders/Watch, json-subset: {id: paced}}\n"
                "    respond: {messages: [{id: a}, {id: b}, {id: c}], every: 5ms}\n"
                "  - match: {rpc: shop.Orders/Watch, json-subset: {id: none}}\n"
                "    respond: {messages: []}\n"
                "  - match: {rpc: shop.Orders/Watch}\n"
                "    respond: {messages: [{id: a}, {id: \"{{ message $.id }}\"}]}\n");
    int64_t before = clock_now();
    struct call *call = call_once("Watch", "", "{\"id\": \"paced\"}");
    ck_status(call, "0");
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}{\"id\":\"b\"}{\"id\":\"c\"}");
    ck_assert_int_ge(clock_now() - before, 10 * CLOCK_MS);
    call = call_once("Watch", "", "{\"id\": \"none\"}");
    ck_status(call, "0");
    ck_assert_uint_eq(call->body.size, 0);
    call = call_once("Watch", "", "{\"id\": \"x\"}");
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}{\"id\":\"x\"}");
    world_end();
}
END_TEST

START_TEST(test_a_stream_of_the_client)
{
    world_begin("routes: [{match: {rpc: shop.Orders/Upload, jsonpath: {$.name: first}}, respond: "
                "{message: {id: \"{{ message $.name }}\"}}}]");
    struct call *call = call_begin("Upload", "");
    call_send(call, "shop.Item", "{\"name\": \"first\"}");
    call_send(call, "shop.Item", "{\"name\": \"second\"}");
    until(rig_count(&w.rig, ENTRY_MESSAGE) == 2);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0); /* its end is waited for */
    call_end(call);
    until(call->ended);
    ck_status(call, "0");
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"first\"}");
    /* one without a message is a call, too */
    call = call_begin("Upload", "");
    call_end(call);
    until(call->ended);
    ck_status(call, "0");
    ck_str_is(call_got(call, "shop.Order"), "{}");
    world_end();
}
END_TEST

START_TEST(test_both_streams_take_turns)
{
    world_begin("routes: [{match: {rpc: shop.Orders/Chat}, respond: {message: {id: "
                "\"{{ message $.id }}\"}, trailers: {x-first: \"{{ message $.id }}\"}}}]");
    struct call *call = call_begin("Chat", "");
    call_send(call, "shop.Query", "{\"id\": \"1\"}");
    until(str_is(call_got(call, "shop.Order"), "{\"id\":\"1\"}"));
    call_send(call, "shop.Query", "{\"id\": \"2\"}");
    until(str_is(call_got(call, "shop.Order"), "{\"id\":\"1\"}{\"id\":\"2\"}"));
    ck_assert(!call->ended);
    call_end(call);
    until(call->ended);
    ck_status(call, "0");
    ck_str_is(field(&call->trailers, "x-first"), "1");
    world_end();
}
END_TEST

START_TEST(test_what_is_left_comes_behind_the_end)
{
    world_begin("routes:\n"
                "  - match: {rpc: shop.Orders/Chat, json-subset: {id: fail}}\n"
                "    respond: {messages: [{id: a}], status: ABORTED}\n"
                "  - match: {rpc: shop.Orders/Chat}\n"
                "    respond: {messages: [{id: a}, {id: b}, {id: c}]}\n");
    struct call *call = call_begin("Chat", "");
    call_send(call, "shop.Query", "{}");
    until(str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}"));
    ck_assert(!call->ended);
    call_end(call);
    until(call->ended);
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}{\"id\":\"b\"}{\"id\":\"c\"}");
    /* a failure does not wait for the client's end */
    call = call_begin("Chat", "");
    call_send(call, "shop.Query", "{\"id\": \"fail\"}");
    until(call->ended);
    ck_status(call, "10");
    world_end();
}
END_TEST

START_TEST(test_what_breaks_in_the_midst_ends_the_call)
{
    world_begin("limits: {body-size: 64}\nmax-message: 32\nroutes: [{match: {rpc: "
                "shop.Orders/Chat}, respond: {message: {}}}]");
    struct call *call = call_begin("Chat", "");
    call_send(call, "shop.Query", "{}");
    until(call->body.size == GRPC_FRAME_HEAD);
    call_say(call, STR("\3"));
    until(call->ended);
    ck_status(call, "13");
    /* the bound of all messages of one call */
    call = call_begin("Chat", "");
    for (int i = 0; i < 6 && !call->ended; i++) {
        size_t before = call->body.size;
        call_send(call, "shop.Query", "{\"id\": \"123456789\"}");
        until(call->ended || call->body.size > before);
    }
    ck_status(call, "8");
    ck_str_is(message_of(call), "the messages of the call are larger than the limit `body-size`");
    /* cut within a message */
    call = call_begin("Chat", "");
    call_send(call, "shop.Query", "{}");
    until(call->body.size == GRPC_FRAME_HEAD);
    call_say(call, STR("\0\0\0"));
    call_end(call);
    until(call->ended);
    ck_status(call, "13");
    ck_str_is(message_of(call), "the request ends within a message");
    world_end();
}
END_TEST

START_TEST(test_rpcs_without_a_route_answer_empty_messages)
{
    static const char *const rpcs[] = {"Get", "Watch", "Chat"};
    world_begin("");
    for (size_t i = 0; i < COUNT_OF(rpcs); i++) {
        struct call *call = call_once(rpcs[i], "", "{}");
        ck_status(call, "0");
        ck_str_is(call_got(call, "shop.Order"), "{}");
        ck_assert_uint_eq(call->body.size, GRPC_FRAME_HEAD);
    }
    world_end();
}
END_TEST

/* Statuses. */

START_TEST(test_a_failure_alone_is_one_block)
{
    world_begin("routes:\n"
                "  - match: {rpc: shop.Orders/Get, json-subset: {id: metadata}}\n"
                "    respond: {status: ABORTED, metadata: {x-a: b}}\n"
                "  - match: {rpc: shop.Orders/Get, json-subset: {id: number}}\n"
                "    respond: {status: {code: 77}}\n"
                "  - match: {rpc: shop.Orders/Get}\n"
                "    respond: {status: {code: NOT_FOUND, message: \"  {{ message $.id }}: 100% "
                "\\u00fcber\\n\"}, trailers: {x-a: b}}\n");
    struct call *call = call_once("Get", "", "{\"id\": \"7\"}");
    ck_status(call, "5");
    ck_assert_uint_eq(call->blocks, 1);
    ck_str_is(message_of(call), "%20 7: 100%25 %C3%BCber%0A");
    ck_str_is(field(&call->head, "x-a"), "b");
    call = call_once("Get", "", "{\"id\": \"metadata\"}");
    ck_status(call, "10");
    ck_assert_uint_eq(call->blocks, 2);
    ck_str_is(field(&call->head, "x-a"), "b");
    call = call_once("Get", "", "{\"id\": \"number\"}");
    ck_status(call, "77");
    world_end();
}
END_TEST

START_TEST(test_details_are_a_status_of_their_own)
{
    world_begin("routes: [{match: {rpc: shop.Orders/Get}, respond: {status: {code: 9, message: no, "
                "details: [{\"@type\": shop.Problem, reason: \"{{ message $.id }}\"}]}}}]");
    struct call *call = call_once("Get", "", "{\"id\": \"7\"}");
    ck_status(call, "9");
    /* google.rpc.Status {9, "no", [Any of shop.Problem {"7"}]} */
    ck_str_is(field(&call->head, "grpc-status-details-bin"),
              "CAkSAm5vGicKIHR5cGUuZ29vZ2xlYXBpcy5jb20vc2hvcC5Qcm9ibGVtEgMKATc");
    world_end();
}
END_TEST

START_TEST(test_a_message_that_a_template_makes_wrong_is_internal)
{
    world_begin("routes:\n"
                "  - match: {rpc: shop.Orders/Get, json-subset: {id: detail}}\n"
                "    respond: {status: {code: OK, details: [{\"@type\": shop.Problem, reason: \"{{ "
                "message $.count }}\"}]}}\n"
                "  - match: {rpc: shop.Orders/Get}\n"
                "    respond: {message: {id: \"{{ message $.count }}\"}}\n"
                "  - match: {rpc: shop.Orders/Watch}\n"
                "    respond: {messages: [{id: a}, {id: \"{{ message $.count }}\"}, {id: c}]}\n");
    struct call *call = call_once("Get", "", "{\"count\": 7}");
    ck_status(call, "13");
    ck_str_is(message_of(call), "goto-run cannot make this answer: id: expected a string, got 7");
    ck_assert(noted("the answer to shop.Orders/Get cannot be made: id: expected a string, got 7"));
    call = call_once("Get", "", "{\"id\": \"detail\", \"count\": 7}");
    ck_status(call, "13");
    call = call_once("Watch", "", "{\"count\": 7}");
    ck_status(call, "13");
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}");
    world_end();
}
END_TEST

START_TEST(test_answers_are_compressed_where_that_is_written)
{
    world_begin("routes: [{match: {rpc: shop.Orders/Watch}, respond: {compress: gzip, messages: "
                "[{id: a}, {id: b}]}}]");
    struct call *call = call_once("Watch", "grpc-accept-encoding: identity,gzip\n", "{}");
    ck_status(call, "0");
    ck_str_is(field(&call->head, "grpc-encoding"), "gzip");
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}{\"id\":\"b\"}");
    ck_assert_int_eq(call->body.data[0], 1);
    call = call_once("Watch", "", "{}");
    ck_str_is(field(&call->head, "grpc-encoding"), "");
    ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}{\"id\":\"b\"}");
    world_end();
}
END_TEST

START_TEST(test_a_long_answer_waits_for_the_window)
{
    enum { COUNT = 3000 };
    struct buf yaml;
    world_begin(""); /* for its arena alone */
    buf_init(&yaml, BUF_OWN);
    buf_append_string(&yaml, "routes: [{match: {rpc: shop.Orders/Watch}, respond: {messages: [");
    for (int i = 0; i < COUNT; i++)
        buf_printf(&yaml, "%s{id: \"%0500d\"}", i ? ", " : "", i);
    buf_append_string(&yaml, "]}}]");
    world_end();
    world_begin(yaml.data);
    struct call *call = call_begin("Watch", "");
    call_send(call, "shop.Query", "{}");
    call_end(call);
    until(call->ended);
    ck_status(call, "0");
    ck_assert_uint_gt(call->body.size, COUNT * 500);
    buf_clear(&yaml);
    world_end();
}
END_TEST

UNIT_MAIN("grpc_answer", test_unary, test_a_stream_of_the_server, test_a_stream_of_the_client,
          test_both_streams_take_turns, test_what_is_left_comes_behind_the_end,
          test_what_breaks_in_the_midst_ends_the_call,
          test_rpcs_without_a_route_answer_empty_messages, test_a_failure_alone_is_one_block,
          test_details_are_a_status_of_their_own,
          test_a_message_that_a_template_makes_wrong_is_internal,
          test_answers_are_compressed_where_that_is_written,
          test_a_long_answer_waits_for_the_window)
