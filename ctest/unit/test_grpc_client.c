/* The grpc verb against a raw server: what is sent, and what is made of every kind of answer
 * (runner/client/grpc.c, grpc_call.c, grpc_connection.c, grpc_session.c). */
#include "ctest/unit/grpc_client_rig.h"

#define GET "grpc: {target: '127.0.0.1:PORT', protos: data/shop.proto, rpc: shop.Orders/Get}\n"
#define CALL(more)                                                                                 \
    "grpc: {target: '127.0.0.1:PORT', protos: data/shop.proto, rpc: shop.Orders/Get, " more "}\n"
#define WATCH(more)                                                                                \
    "grpc: {target: '127.0.0.1:PORT', protos: data/shop.proto, rpc: shop.Orders/Watch" more "}\n"

/* What is sent. */

START_TEST(test_what_is_sent)
{
    client_begin();
    frame_order(answer_to_first(PEER_STALL), 1, "grpc-status: 0");
    peer_start();
    ck_step(CALL("message: {id: q}, metadata: {X-A: [b, c], x-raw-bin: 'AP8='}, deadline: 10s, "
                 "authority: shop.example") "expect: {status: OK, json: {id: a, items: [], state: "
                                            "UNKNOWN, labels: {}, weight: 0, "
                                            "blob: ''}}");
    client_end();
    ck_heard(":method: POST\n:scheme: http\n");
    ck_heard(":path: /shop.Orders/Get\n");
    ck_heard(":authority: shop.example\n");
    ck_heard("te: trailers\ncontent-type: application/grpc\nuser-agent: goto-run/" GOTO_VERSION
             "\ngrpc-accept-encoding: identity,gzip\ngrpc-timeout: ");
    ck_heard("x-a: b\nx-a: c\nx-raw-bin: AP8\n");
    ck_heard("DATA 1 8\n");
    ck_heard(" END\n");
    ck_not_heard("grpc-encoding");
    peer_forget();
}
END_TEST

START_TEST(test_messages_are_compressed)
{
    client_begin();
    frame_order(answer_to_first(PEER_STALL), 1, "grpc-status: 0");
    peer_start();
    ck_step(CALL("message: {id: q}, compress: gzip") "expect: {status: OK}");
    client_end();
    ck_heard("grpc-encoding: gzip\n");
    ck_assert(str_find(buf_str(&the_peer.heard), STR("<\1\0\0\0")) >= 0);
    ck_heard("\x1f\x8b");
    peer_forget();
}
END_TEST

/* Each kind of answer. */

/** One answer and what is expected of it. */
struct kind {
    const char *what;
    const char *head;
    bool alone; /**< the head is all */
    struct str body;
    const char *trailers; /**< NULL: the body ends the stream */
    const char *expect;
};

static const struct kind kinds[] = {
    {"one message", HEAD, false, STR_INIT("\0\0\0\0\3\x0a\1a"), "grpc-status: 0",
     "{status: OK, status-message: '', json-subset: {id: a}}"},
    {"trailers only", HEAD "\ngrpc-status: 5\ngrpc-message: no%20%C3%BC%\nx-a: b", true,
     STR_INIT(""), NULL,
     "{status: NOT_FOUND, status-message: 'no \u00fc%', trailers: {x-a: b}, metadata: {x-a: "
     "{exists: false}}, messages: []}"},
    {"a status without a name", HEAD "\ngrpc-status: 99", true, STR_INIT(""), NULL,
     "{messages: []}"},
    {"metadata, several and bytes", HEAD "\nx-a: b\nx-a: c\nx-b-bin: AP8\nx-c-bin: YQ,Yg==", false,
     STR_INIT("\0\0\0\0\3\x0a\1a"), "grpc-status: 0\nx-t: u",
     "{metadata: {x-a: {equals: [b, c]}, x-b-bin: 'AP8=', x-c-bin: {equals: ['YQ==', 'Yg==']}}, "
     "trailers: {x-t: u}}"},
    {"+proto and parameters", ":status: 200\ncontent-type: application/grpc+proto; a=b", false,
     STR_INIT("\0\0\0\0\0"), "grpc-status: 0", "{status: OK}"},
    {"+json", ":status: 200\ncontent-type: application/grpc+json", false, STR_INIT("{}"), NULL,
     "{status: UNKNOWN, error: protocol}"},
    {"html", ":status: 200\ncontent-type: text/html", false, STR_INIT("<html>"), NULL,
     "{status: UNKNOWN, error: protocol}"},
    {"no content-type", ":status: 200", false, STR_INIT("x"), NULL,
     "{status: UNKNOWN, error: protocol}"},
    {"no grpc-status", HEAD, false, STR_INIT("\0\0\0\0\0"), "x-a: b",
     "{status: UNKNOWN, error: protocol}"},
    {"no trailers at all", HEAD, false, STR_INIT("\0\0\0\0\0"), NULL,
     "{status: UNKNOWN, error: protocol}"},
    {"a grpc-status that is no number", HEAD, false, STR_INIT("\0\0\0\0\0"), "grpc-status: bad",
     "{status: UNKNOWN, error: protocol}"},
    {"no message with OK", HEAD "\ngrpc-status: 0", true, STR_INIT(""), NULL,
     "{status: INTERNAL, error: protocol}"},
    {"two messages", HEAD, false, STR_INIT("\0\0\0\0\0\0\0\0\0\0"), "grpc-status: 0",
     "{status: INTERNAL, error: protocol}"},
    {"a message, then a failure", HEAD, false, STR_INIT("\0\0\0\0\0"), "grpc-status: 10",
     "{status: ABORTED, messages: {count: 1}}"},
    {"a flag of 2", HEAD, false, STR_INIT("\2\0\0\0\0"), "grpc-status: 0",
     "{status: INTERNAL, error: protocol}"},
    {"cut within a message", HEAD, false, STR_INIT("\0\0\0\0\3\x0a"), "grpc-status: 0",
     "{status: INTERNAL, error: truncated}"},
    {"cut without trailers", HEAD, false, STR_INIT("\0\0\0"), NULL,
     "{status: INTERNAL, error: truncated}"},
    {"no protobuf", HEAD, false, STR_INIT("\0\0\0\0\2\x0a\x7f"), "grpc-status: 0",
     "{status: INTERNAL, error: protocol}"},
    {"compressed, no encoding", HEAD, false, STR_INIT("\1\0\0\0\0"), "grpc-status: 0",
     "{status: INTERNAL, error: protocol}"},
    {"an encoding that was not offered", HEAD "\ngrpc-encoding: snappy", false,
     STR_INIT("\1\0\0\0\0"), "grpc-status: 0", "{status: INTERNAL, error: protocol}"},
    {"no gzip", HEAD "\ngrpc-encoding: gzip", false, STR_INIT("\1\0\0\0\3abc"), "grpc-status: 0",
     "{status: INTERNAL, error: protocol}"},
    {"not compressed in spite of an encoding", HEAD "\ngrpc-encoding: gzip", false,
     STR_INIT("\0\0\0\0\0"), "grpc-status: 0", "{status: OK}"},
    {"more than is taken", HEAD, false, STR_INIT("\0\0\0\1\1"), "grpc-status: 0",
     "{status: RESOURCE_EXHAUSTED, error: body-too-large}"},
    {"400", ":status: 400", true, STR_INIT(""), NULL, "{status: INTERNAL}"},
    {"401", ":status: 401", true, STR_INIT(""), NULL, "{status: UNAUTHENTICATED}"},
    {"403", ":status: 403", true, STR_INIT(""), NULL, "{status: PERMISSION_DENIED}"},
    {"404", ":status: 404", true, STR_INIT(""), NULL, "{status: UNIMPLEMENTED}"},
    {"429", ":status: 429", true, STR_INIT(""), NULL, "{status: UNAVAILABLE}"},
    {"431", ":status: 431", true, STR_INIT(""), NULL, "{status: UNKNOWN}"},
    {"500", ":status: 500", true, STR_INIT(""), NULL, "{status: UNKNOWN}"},
    {"502", ":status: 502", true, STR_INIT(""), NULL, "{status: UNAVAILABLE}"},
    {"503 with a body", ":status: 503\ncontent-type: text/html", false, STR_INIT("<html>"), NULL,
     "{status: UNAVAILABLE, messages: []}"},
    {"504", ":status: 504", true, STR_INIT(""), NULL, "{status: UNAVAILABLE}"},
    {"503 with a grpc-status", ":status: 503\ncontent-type: application/grpc\ngrpc-status: 7", true,
     STR_INIT(""), NULL, "{status: PERMISSION_DENIED}"},
};

START_TEST(test_what_is_made_of_an_answer)
{
    const struct kind *kind = &kinds[_i];
    char yaml[1024];
    client_begin();
    struct buf *out = answer_to_first(PEER_STALL);
    frame_headers(out, 1, kind->alone, kind->head);
    if (!kind->alone)
        frame_data(out, 1, !kind->trailers, kind->body);
    if (kind->trailers)
        frame_headers(out, 1, true, kind->trailers);
    snprintf(yaml, sizeof yaml, "%sexpect: %s", CALL("max-message: 256"), kind->expect);
    peer_start();
    struct step step;
    step_begin(&step, yaml);
    ck_assert_msg(step_run(&step), "%s: %s", kind->what, step.message);
    step_end(&step);
    client_end();
    peer_forget();
}
END_TEST

START_TEST(test_messages_come_split_anywhere)
{
    struct str bytes = STR("\0\0\0\0\3\x0a\1a\0\0\0\0\0\0\0\0\0\3\x0a\1b");
    for (size_t piece = 1; piece <= bytes.size; piece++) {
        client_begin();
        struct buf *out = answer_to_first(PEER_STALL);
        frame_headers(out, 1, false, HEAD);
        for (struct str rest = bytes; rest.size; rest = str_from(rest, piece))
            frame_data(out, 1, false, str_slice(rest, 0, piece));
        frame_headers(out, 1, true, "grpc-status: 0");
        peer_start();
        ck_step(WATCH("") "expect: {status: OK, messages: {count: 3}}");
        client_end();
        peer_forget();
    }
}
END_TEST

/* Ends. */

START_TEST(test_a_reset_is_derived)
{
    static const struct {
        uint32_t code;
        const char *status;
        const char *error;
    } rows[] = {
        {0, "INTERNAL", "http2-reset(NO_ERROR)"},
        {1, "INTERNAL", "http2-reset(PROTOCOL_ERROR)"},
        {2, "INTERNAL", "http2-reset(INTERNAL_ERROR)"},
        {3, "INTERNAL", "http2-reset(FLOW_CONTROL_ERROR)"},
        {6, "INTERNAL", "http2-reset(FRAME_SIZE_ERROR)"},
        {7, "UNAVAILABLE", "http2-reset(REFUSED_STREAM)"},
        {8, "CANCELLED", "http2-reset(CANCEL)"},
        {9, "INTERNAL", "http2-reset(COMPRESSION_ERROR)"},
        {10, "INTERNAL", "http2-reset(CONNECT_ERROR)"},
        {11, "RESOURCE_EXHAUSTED", "http2-reset(ENHANCE_YOUR_CALM)"},
        {12, "PERMISSION_DENIED", "http2-reset(INADEQUATE_SECURITY)"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[512];
        for (int judged = 0; judged < 2; judged++) {
            client_begin();
            frame_reset(answer_to_first(PEER_STALL), 1, rows[i].code);
            peer_start();
            snprintf(yaml, sizeof yaml,
                     judged ? "%sexpect: {status: %s}" : "%sexpect: {error: '%s'}", GET,
                     judged ? rows[i].status : rows[i].error);
            ck_step(yaml);
            client_end();
            peer_forget();
        }
    }
}
END_TEST

START_TEST(test_a_reset_behind_trailers_is_no_failure)
{
    client_begin();
    struct buf *out = answer_to_first(PEER_STALL);
    frame_order(out, 1, "grpc-status: 0");
    frame_reset(out, 1, NGHTTP2_NO_ERROR);
    peer_start();
    ck_step(GET "expect: {status: OK}");
    client_end();
    peer_forget();
}
END_TEST

START_TEST(test_connections_that_end)
{
    client_begin();
    struct buf *out = answer_to_first(PEER_STALL);
    frame_goaway(out, 0, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    frame_headers(answer_to_first(PEER_FIN), 1, false, HEAD);
    frame_headers(answer_to_first(PEER_RST), 1, false, HEAD);
    peer_start();
    ck_step(GET "expect: {error: http2-goaway, status: UNAVAILABLE}");
    ck_step(GET "expect: {error: truncated, status: UNAVAILABLE}");
    ck_step(GET "expect: {error: connection-reset, status: UNAVAILABLE}");
    client_end();
    peer_forget();
}
END_TEST

START_TEST(test_a_goaway_lets_the_call_end)
{
    client_begin();
    struct buf *out = answer_to_first(PEER_STALL);
    frame_goaway(out, 1, NGHTTP2_NO_ERROR, "");
    frame_order(out, 1, "grpc-status: 0");
    peer_start();
    ck_step(GET "expect: {status: OK}");
    client_end();
    peer_forget();
}
END_TEST

START_TEST(test_nobody_listens)
{
    client_begin();
    peer_start();
    int taken = the_peer.port;
    the_peer.port = 1;
    ck_step(GET "expect: {error: connection-refused, status: UNAVAILABLE}");
    the_peer.port = taken;
    client_end();
    peer_forget();
}
END_TEST

START_TEST(test_a_deadline_is_kept)
{
    client_begin();
    (void)answer_to_first(PEER_STALL);
    (void)answer_to_first(PEER_STALL);
    peer_start();
    ck_step(
        CALL("deadline: 20ms") "expect: {status: DEADLINE_EXCEEDED, duration: {at-least: 20ms}}");
    ck_step(CALL("deadline: 20ms") "expect: {error: timeout}");
    client_end();
    ck_heard("RST_STREAM 1 8\n");
    peer_forget();
}
END_TEST

START_TEST(test_cancels_after_messages_and_after_a_time)
{
    client_begin();
    struct buf *out = answer_to_first(PEER_STALL);
    frame_headers(out, 1, false, HEAD);
    for (int i = 0; i < 5; i++)
        frame_data(out, 1, false, ORDER);
    frame_headers(answer_to_first(PEER_STALL), 1, false, HEAD);
    peer_start();
    ck_step(WATCH(", cancel-after: 2") "expect: {status: CANCELLED, messages: {count: 2}}");
    ck_step(WATCH(", cancel-after: 10ms") "expect: {status: CANCELLED, messages: []}");
    client_end();
    ck_heard("RST_STREAM 1 8\n");
    peer_forget();
}
END_TEST

START_TEST(test_streams_of_the_client_are_paced)
{
    client_begin();
    frame_order(answer_to_first(PEER_STALL), 1, "grpc-status: 0");
    peer_start();
    ck_step("grpc: {target: '127.0.0.1:PORT', protos: data/shop.proto, rpc: shop.Orders/Upload, "
            "messages: [{name: a}, {name: b}, {name: c}], every: 5ms}\n"
            "expect: {status: OK, duration: {at-least: 10ms}}");
    client_end();
    ck_heard("DATA 1 8\n");
    peer_forget();
}
END_TEST

/* Sessions. */

START_TEST(test_a_session_keeps_its_connection)
{
    struct step step;
    client_begin();
    struct peer_script *script = peer_script(PEER_STALL);
    frame_settings(stage_add(script, 0, NULL));
    frame_order(stage_add(script, 1, NULL), 1, "grpc-status: 0");
    struct buf *out = stage_add(script, 2, NULL);
    frame_order(out, 3, "grpc-status: 0");
    frame_goaway(out, 3, NGHTTP2_NO_ERROR, "");
    /* the third step has a connection of its own: the first one takes no more */
    frame_order(answer_to_first(PEER_STALL), 1, "grpc-status: 0");
    peer_start();
    for (int i = 0; i < 3; i++) {
        step_begin(&step, GET "expect: {status: OK}");
        step.attempt.session = STR("s");
        ck_assert_msg(step_run(&step), "%s", step.message);
        step_end(&step);
    }
    ck_assert_uint_eq(the_peer.connections, 2);
    client_end();
    ck_heard("HEADERS 3\n");
    peer_forget();
}
END_TEST

UNIT_MAIN_EACH("grpc_client", test_what_is_made_of_an_answer, COUNT_OF(kinds), test_what_is_sent,
               test_messages_are_compressed, test_messages_come_split_anywhere,
               test_a_reset_is_derived, test_a_reset_behind_trailers_is_no_failure,
               test_connections_that_end, test_a_goaway_lets_the_call_end, test_nobody_listens,
               test_a_deadline_is_kept, test_cancels_after_messages_and_after_a_time,
               test_streams_of_the_client_are_paced, test_a_session_keeps_its_connection)
