/* Calls of gRPC on a server, as a raw client sees them: the rules of the frames, the headers and
 * the deadline (server/grpc/call.c). What is answered is in test_grpc_answer.c. */
#include "ctest/unit/grpc_rig.h"

#define EMPTY STR("\0\0\0\0\0")

static uint64_t messages(void)
{
    return rig_count(&w.rig, ENTRY_MESSAGE);
}

/* Frames. */

START_TEST(test_messages_come_split_anywhere)
{
    struct str frames[] = {STR_INIT(""), STR_INIT(""), STR_INIT("")};
    world_begin("routes: [{match: {rpc: shop.Orders/Upload}, respond: {message: {id: "
                "\"{{ message $.name }}\"}}}]");
    frames[0] = frame_of("shop.Item", "{\"name\": \"first\", \"price\": 7}");
    frames[1] = frame_of("shop.Item", "{}");
    frames[2] = frame_of("shop.Item", "{\"name\": \"third\"}");
    for (size_t piece = 1; piece <= 12; piece++) {
        uint64_t before = messages();
        struct call *call = call_begin("Upload", "");
        call->piece = piece;
        for (size_t i = 0; i < COUNT_OF(frames); i++)
            call_say(call, frames[i]);
        call_end(call);
        until(call->ended);
        ck_status(call, "0");
        ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"first\"}");
        ck_assert_uint_eq(messages() - before, 3);
    }
    world_end();
}
END_TEST

START_TEST(test_one_frame_holds_many_messages)
{
    struct buf all;
    world_begin("routes: [{match: {rpc: shop.Orders/Chat}, respond: {message: {id: "
                "\"{{ message $.id }}\"}}}]");
    buf_init(&all, BUF_OWN);
    for (int i = 0; i < 100; i++)
        buf_append(&all, frame_of("shop.Query", "{\"id\": \"x\"}"));
    struct call *call = call_begin("Chat", "");
    call_say(call, buf_str(&all));
    call_end(call);
    buf_clear(&all);
    until(call->ended);
    ck_status(call, "0");
    ck_assert_uint_eq(call_got(call, "shop.Order").size, 100 * sizeof "{\"id\":\"x\"}" - 100);
    ck_assert_uint_eq(messages(), 100);
    world_end();
}
END_TEST

/** What one unary call with these bytes and headers ends with. */
static const struct wrong {
    struct str bytes;
    const char *headers;
    const char *status;
    const char *message;
} wrongs[] = {
    {STR_INIT(""), "", "13", "the request holds 0 messages, not one"},
    {STR_INIT("\0\0\0\0\0\0\0\0\0\0"), "", "13", "the request holds 2 messages, not one"},
    {STR_INIT("\0\0\0\0"), "", "13", "the request ends within a message"},
    {STR_INIT("\0\0\0\0\5abc"), "", "13", "the request ends within a message"},
    {STR_INIT("\2\0\0\0\0"), "", "13", "the flag of a message is neither 0 nor 1"},
    {STR_INIT("\0\0\0\0\2\x0a\x7f"), "", "13",
     "a message of the request cannot be read: shop.Query: a length goes beyond the end (at byte "
     "1)"},
    {STR_INIT("\1\0\0\0\0"), "", "13", "a message is compressed, but there is no grpc-encoding"},
    {STR_INIT("\1\0\0\0\0"), "grpc-encoding: identity\n", "13",
     "a message is compressed, but there is no grpc-encoding"},
    {STR_INIT("\1\0\0\0\3abc"), "grpc-encoding: gzip\n", "13", "a message cannot be decompressed"},
    {STR_INIT("\0\0\0\0\0"), "grpc-encoding: snappy\n", "12",
     "grpc-encoding 'snappy' is not supported"},
    {STR_INIT("\0\0\0\0\0"), "grpc-timeout: 5\n", "13", "grpc-timeout cannot be read"},
    {STR_INIT("\0\0\0\0\0"), "grpc-timeout: 123456789S\n", "13", "grpc-timeout cannot be read"},
    {STR_INIT("\0\0\0\0\0"), "grpc-timeout: -1S\n", "13", "grpc-timeout cannot be read"},
    {STR_INIT("\0\0\0\0\0"), "grpc-timeout: 0S\n", "4", "Deadline Exceeded"},
    {STR_INIT("\0\0\0\0\0"), "grpc-timeout: 1n\n", "4", "Deadline Exceeded"},
};

START_TEST(test_what_breaks_a_rule_is_a_status)
{
    const struct wrong *wrong = &wrongs[_i];
    world_begin("");
    struct call *call = call_begin("Get", wrong->headers);
    call_say(call, wrong->bytes);
    call_end(call);
    until(call->ended || call->reset);
    ck_status(call, wrong->status);
    ck_str_is(message_of(call), wrong->message);
    ck_assert_uint_eq(call->blocks, 1); /* Trailers-Only */
    ck_str_is(field(&call->head, ":status"), "200");
    ck_str_is(field(&call->head, "content-type"), "application/grpc");
    ck_str_is(field(&call->head, "grpc-accept-encoding"),
              strcmp(wrong->status, "12") == 0 ? "identity,gzip" : "");
    world_end();
}
END_TEST

START_TEST(test_a_message_has_a_bound)
{
    static const struct {
        const char *rpc;
        struct str bytes;
        const char *headers;
        const char *why;
    } rows[] = {
        {"Get", STR_INIT("\0\0\0\0\x11"), "", "received message larger than max (17 vs. 16)"},
        {"Chat", STR_INIT("\0\xff\xff\xff\xff"), "",
         "received message larger than max (4294967295 vs. 16)"},
    };
    world_begin("max-message: 16");
    struct call *call = call_begin("Get", "");
    call_say(call, frame_of("shop.Query", "{\"id\": \"12345678901234\"}"));
    call_end(call);
    until(call->ended);
    ck_status(call, "0");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        call = call_begin(rows[i].rpc, rows[i].headers);
        /* its end is not waited for */
        call_say(call, rows[i].bytes);
        until(call->ended);
        ck_status(call, "8");
        ck_str_is(message_of(call), rows[i].why);
    }
    world_end();
}
END_TEST

START_TEST(test_a_decompressed_message_has_the_same_bound)
{
    struct buf packed;
    char zeros[1000] = {0};
    world_begin("max-message: 100");
    buf_init(&packed, BUF_OWN);
    ck_assert_int_eq(grpc_compress(GRPC_GZIP, (struct str){zeros, sizeof zeros}, &packed), 0);
    ck_assert_uint_le(packed.size, 100);
    struct buf framed;
    buf_init(&framed, BUF_OWN);
    ck_assert_int_eq(grpc_frame_write(&framed, true, buf_str(&packed)), 0);
    struct call *call = call_begin("Get", "grpc-encoding: gzip\n");
    call_say(call, buf_str(&framed));
    call_end(call);
    until(call->ended);
    ck_status(call, "8");
    ck_str_is(message_of(call), "a message is larger than 100 bytes when decompressed");
    buf_clear(&packed);
    buf_clear(&framed);
    world_end();
}
END_TEST

/** A frame, its message compressed. */
static struct str packed_frame(struct str frame)
{
    struct buf packed;
    struct buf framed;
    buf_init(&packed, BUF_OWN);
    buf_init(&framed, BUF_OWN);
    ck_assert_int_eq(grpc_compress(GRPC_GZIP, str_from(frame, GRPC_FRAME_HEAD), &packed), 0);
    ck_assert_int_eq(grpc_frame_write(&framed, true, buf_str(&packed)), 0);
    struct str copy = arena_copy(w.arena, buf_str(&framed));
    buf_clear(&packed);
    buf_clear(&framed);
    return copy;
}

START_TEST(test_answers_are_compressed_as_the_request_was)
{
    static const struct {
        const char *headers;
        const char *encoding; /**< of the answer */
    } rows[] = {
        {"grpc-encoding: gzip\ngrpc-accept-encoding: identity, deflate, gzip\n", "gzip"},
        {"grpc-encoding: gzip\ngrpc-accept-encoding: identity\n", ""},
        {"grpc-encoding: gzip\n", ""},
    };
    world_begin("routes: [{match: {rpc: shop.Orders/Get}, respond: {message: {id: "
                "\"{{ message $.id }}\"}}}]");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call *call = call_begin("Get", rows[i].headers);
        call_say(call, packed_frame(frame_of("shop.Query", "{\"id\": \"a\"}")));
        call_end(call);
        until(call->ended);
        ck_status(call, "0");
        ck_str_is(field(&call->head, "grpc-encoding"), rows[i].encoding);
        ck_str_is(field(&call->head, "grpc-accept-encoding"), "identity,gzip");
        ck_assert_int_eq(call->body.data[0], i == 0);
        ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}");
    }
    world_end();
}
END_TEST

/* Headers. */

START_TEST(test_what_is_no_call_gets_415)
{
    static const struct {
        const char *method;
        const char *type;
        const char *status;
    } rows[] = {
        {"POST", "content-type: application/grpc", "200"},
        {"POST", "content-type: application/grpc+proto", "200"},
        {"POST", "content-type: Application/GRPC+Proto", "200"},
        {"POST", "content-type: application/grpc;charset=utf-8", "200"},
        {"POST", "content-type: application/grpc+proto ; charset=utf-8", "200"},
        {"POST", "content-type: application/grpc+json", "415"},
        {"POST", "content-type: application/grpc+protobuf", "415"},
        {"POST", "content-type: application/grpc-web", "415"},
        {"POST", "content-type: application/json", "415"},
        {"POST", "", "415"},
        {"GET", "content-type: application/grpc", "415"},
        {"PUT", "content-type: application/grpc", "415"},
    };
    world_begin("");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call *call = call_bare(rows[i].method, "/shop.Orders/Get", rows[i].type);
        call_say(call, EMPTY);
        call_end(call);
        until(call->ended);
        ck_str_is(field(&call->head, ":status"), rows[i].status);
        ck_assert_msg(strcmp(rows[i].status, "200") != 0 || str_is(status_of(call), "0"), "%s",
                      rows[i].type);
    }
    world_end();
}
END_TEST

/* `te` is missing in all of those above: as most servers, this one does without. */

START_TEST(test_metadata_is_matched)
{
    world_begin("routes:\n"
                "  - match: {rpc: shop.Orders/Get, metadata: {x-raw-bin: \"AP8=\"}}\n"
                "    respond: {message: {id: raw}}\n"
                "  - match: {rpc: shop.Orders/Get, metadata: {X-Two-Bin: {equals: [\"YQ==\", "
                "\"Yg==\"]}}}\n"
                "    respond: {message: {id: two}}\n"
                "  - match: {rpc: shop.Orders/Get, metadata: {x-many: {count: 2}}}\n"
                "    respond: {message: {id: many}}\n"
                "  - match: {rpc: shop.Orders/Get}\n");
    static const struct {
        const char *headers;
        const char *message;
    } rows[] = {
        {"x-raw-bin: AP8=\n", "{\"id\":\"raw\"}"},
        {"x-raw-bin: AP8\n", "{\"id\":\"raw\"}"},
        {"x-raw-bin: AP4\n", "{}"},
        {"x-raw-bin: YQ,AP8\n", "{\"id\":\"raw\"}"},
        {"x-two-bin: YQ, Yg==\n", "{\"id\":\"two\"}"},
        {"x-two-bin: YQ\nx-two-bin: Yg\n", "{\"id\":\"two\"}"},
        {"x-two-bin: YQ\n", "{}"},
        {"x-many: a\nx-many: b\n", "{\"id\":\"many\"}"},
        {"x-many: a,b\n", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct call *call = call_once("Get", rows[i].headers, "{}");
        ck_status(call, "0");
        struct str got = call_got(call, "shop.Order");
        ck_assert_msg(str_is(got, rows[i].message), "%s: " STR_FMT, rows[i].headers, STR_ARG(got));
    }
    world_end();
}
END_TEST

START_TEST(test_an_unknown_rpc_is_unimplemented)
{
    static const char *const paths[] = {"/shop.Orders/Put", "/shop.Order/Get", "/shop.Orders",
                                        "/shop.Orders/Get/x"};
    world_begin("");
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct call *call = call_once(paths[i], "", "{}");
        ck_status(call, "12");
        ck_str_is(message_of(call), arena_printf(w.arena, "unknown rpc %s", paths[i] + 1).data);
    }
    world_end();
}
END_TEST

/* Deadlines. */

#define SLOW                                                                                       \
    "routes:\n"                                                                                    \
    "  - {match: {rpc: shop.Orders/Get}, respond: {delay: 1h, message: {}}}\n"                     \
    "  - {match: {rpc: shop.Orders/Watch}, respond: {messages: [{id: a}, {id: b}], every: 1h}}\n"

START_TEST(test_a_deadline_ends_a_call)
{
    static const char *const timeouts[] = {"20000000n", "20000u", "20m"};
    world_begin(SLOW);
    for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
        struct str header = arena_printf(w.arena, "grpc-timeout: %s\n", timeouts[i]);
        int64_t before = clock_now();
        struct call *call = call_once("Get", header.data, "{}");
        ck_status(call, "4");
        ck_str_is(message_of(call), "Deadline Exceeded");
        ck_assert_int_ge(clock_now() - before, 20 * CLOCK_MS);
        /* within a stream it comes behind what was sent */
        call = call_once("Watch", header.data, "{}");
        ck_status(call, "4");
        ck_assert_uint_eq(call->blocks, 2);
        ck_str_is(call_got(call, "shop.Order"), "{\"id\":\"a\"}");
    }
    world_end();
}
END_TEST

START_TEST(test_units_of_deadlines_are_not_short)
{
    static const char *const timeouts[] = {"1H", "1M", "99999999H", "3600S"};
    world_begin("routes: [{match: {rpc: shop.Orders/Get}, respond: {delay: 1ms, message: {}}}]");
    for (size_t i = 0; i < COUNT_OF(timeouts); i++)
        ck_status(
            call_once("Get", arena_printf(w.arena, "grpc-timeout: %s\n", timeouts[i]).data, "{}"),
            "0");
    world_end();
}
END_TEST

START_TEST(test_a_deadline_runs_while_the_request_comes)
{
    world_begin(SLOW);
    struct call *call = call_begin("Upload", "grpc-timeout: 10m\n");
    call_send(call, "shop.Item", "{}");
    /* its end never comes */
    until(call->ended);
    ck_status(call, "4");
    world_end();
}
END_TEST

START_TEST(test_a_limit_of_the_port_is_unavailable)
{
    world_begin("limits: {respond: 5ms}\n" SLOW);
    struct call *call = call_once("Get", "", "{}");
    ck_status(call, "14");
    ck_str_is(message_of(call), "no answer within limits.respond");
    world_end();
}
END_TEST

START_TEST(test_limits_of_http_are_statuses)
{
    world_begin("limits: {read: 5ms, header-size: 1KiB}");
    struct call *call = call_begin("Get", "");
    until(call->ended || call->reset);
    ck_status(call, "4");
    char big[2000];
    memset(big, 'a', sizeof big);
    call =
        call_once("Get", arena_printf(w.arena, "x-big: %.*s\n", (int)sizeof big, big).data, "{}");
    ck_status(call, "8");
    world_end();
}
END_TEST

/* Ends that the client brings. */

START_TEST(test_a_client_cancels)
{
    world_begin(SLOW);
    struct call *call = call_begin("Watch", "");
    call_send(call, "shop.Query", "{}");
    call_end(call);
    until(call->body.size);
    nghttp2_submit_rst_stream(w.session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
    until(rig_count(&w.rig, ENTRY_RESPONSE) == 1);
    ck_assert(rig_entry(&w.rig, ENTRY_RESPONSE)->flags & ENTRY_ABORTED);
    /* the connection goes on */
    ck_status(call_once("Upload", "", "{}"), "0");
    world_end();
}
END_TEST

START_TEST(test_the_request_is_journalled_with_its_first_message)
{
    world_begin("");
    struct call *call = call_begin("Upload", "");
    call_send(call, "shop.Item", "{\"name\": \"tea\", \"price\": \"7\"}");
    call_send(call, "shop.Item", "{\"name\": \"nut\"}");
    call_end(call);
    until(call->ended);
    const struct entry *entry = rig_entry(&w.rig, ENTRY_REQUEST);
    struct str data = {entry->data, entry->data_size};
    ck_assert(str_find(data, STR("{\"name\":\"tea\",\"price\":\"7\"}")) >= 0);
    ck_assert(str_find(data, STR("nut")) < 0);
    entry = rig_entry(&w.rig, ENTRY_MESSAGE);
    ck_assert_int_eq(entry->value, 2);
    world_end();
}
END_TEST

UNIT_MAIN_EACH("grpc_call", test_what_breaks_a_rule_is_a_status, COUNT_OF(wrongs),
               test_messages_come_split_anywhere, test_one_frame_holds_many_messages,
               test_a_message_has_a_bound, test_a_decompressed_message_has_the_same_bound,
               test_answers_are_compressed_as_the_request_was, test_what_is_no_call_gets_415,
               test_metadata_is_matched, test_an_unknown_rpc_is_unimplemented,
               test_a_deadline_ends_a_call, test_units_of_deadlines_are_not_short,
               test_a_deadline_runs_while_the_request_comes,
               test_a_limit_of_the_port_is_unavailable, test_limits_of_http_are_statuses,
               test_a_client_cancels, test_the_request_is_journalled_with_its_first_message)
