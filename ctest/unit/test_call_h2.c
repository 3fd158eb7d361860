/* Calls over HTTP/2: many on one connection, flow control, trailers, tunnels, and every end. */
#include "ctest/unit/call_rig.h"
#include "ctest/unit/h2_peer.h"

/** A far side that plays the_peer's scripts. */
static struct far peer_far(void)
{
    struct far far = {.fd = -1, .number = (uint16_t)the_peer.port};
    snprintf(far.text, sizeof far.text, "127.0.0.1:%d", the_peer.port);
    far.endpoint = (struct endpoint){.text = STR("far"),
                                     .host = STR("127.0.0.1"),
                                     .number = far.number,
                                     .speech = ENDPOINT_HTTP2};
    return far;
}

struct talk {
    struct rig rig;
    struct far far;
    struct told told;
    struct told other;
};

static void talk_begin(struct talk *talk)
{
    memset(talk, 0, sizeof *talk);
    rig_init(&talk->rig);
    peer_start();
    talk->far = peer_far();
    told_init(&talk->told);
    told_init(&talk->other);
}

static void talk_end(struct talk *talk)
{
    rig_clear(&talk->rig);
    peer_stop();
    peer_forget();
    told_clear(&talk->told);
    told_clear(&talk->other);
}

static void talk_get(struct talk *talk, struct told *told)
{
    struct call_request request = call_rig_get();
    told_clear(told);
    told_call(told, &talk->rig, &talk->far, &request);
}

/** Once so many requests came on a connection: SETTINGS at first. */
static struct buf *answer_on(struct peer_script *script, unsigned requests)
{
    struct buf *bytes = stage_add(script, requests, NULL);
    if (script->count == 1)
        frame_settings(bytes);
    return bytes;
}

START_TEST(test_a_get_and_its_answer)
{
    struct talk talk;
    struct header items[] = {{STR("X-Case"), STR("as Is")}};
    struct headers headers = {items, 1, 1};
    struct call_request request = call_rig_get();
    peer_listen();
    struct buf *bytes = answer_on(peer_script(PEER_STALL), 1);
    frame_headers(bytes, 1, false, ":status: 103\nlink: </a>");
    frame_headers(bytes, 1, false, ":status: 200\nx-a: 1\ncontent-length: 5");
    frame_data(bytes, 1, false, STR("hello"));
    frame_headers(bytes, 1, true, "x-sum: 7");
    talk_begin(&talk);
    request.target = STR("/a?b=c");
    request.headers = &headers;
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_assert_uint_eq(talk.told.status, 200);
    ck_assert_str_eq(talk.told.reason, "OK");
    ck_assert_int_eq(talk.told.length, 5);
    ck_assert_str_eq(talk.told.headers, "x-a: 1\n");
    ck_assert_str_eq(talk.told.interim, "103 link: </a>\n");
    ck_assert_str_eq(talk.told.trailers, "x-sum: 7\n");
    ck_str_is(buf_str(&talk.told.body), "hello");
    ck_assert_uint_eq(talk.told.end.body_received, 5);
    ck_assert_int_gt(talk.told.end.connected_ns, 0);
    ck_assert_int_ge(talk.told.end.first_byte_ns, talk.told.end.connected_ns);
    ck_heard(
        ":method: GET\n:scheme: http\n:authority: api.example\n:path: /a?b=c\nx-case: as Is\n");
    talk_end(&talk);
}
END_TEST

START_TEST(test_calls_share_a_connection)
{
    struct talk talk;
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    frame_answer(answer_on(script, 2), 3, "second");
    frame_answer(answer_on(script, 2), 1, "first");
    frame_answer(answer_on(script, 3), 5, "third");
    talk_begin(&talk);
    /* both before it stands */
    talk_get(&talk, &talk.told);
    talk_get(&talk, &talk.other);
    rig_until(&talk.rig, told_ended(&talk.told) && told_ended(&talk.other));
    ck_str_is(buf_str(&talk.told.body), "first");
    ck_str_is(buf_str(&talk.other.body), "second");
    ck_assert(!talk.told.end.reused && !talk.other.end.reused);
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_str_is(buf_str(&talk.told.body), "third");
    ck_assert(talk.told.end.reused);
    ck_assert_uint_eq(the_peer.connections, 1);
    talk_end(&talk);
}
END_TEST

START_TEST(test_more_calls_than_the_far_side_takes_have_another_connection)
{
    struct talk talk;
    struct told third;
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = stage_add(script, 0, NULL);
    frame_setting(bytes, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    frame_answer(stage_add(script, 1, NULL), 1, "one");
    /* the second answer does not end, so that its connection has no room as long as we look */
    frame_headers(stage_add(script, 2, NULL), 3, false, ":status: 200");
    talk_begin(&talk);
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_str_is(buf_str(&talk.told.body), "one");
    talk_get(&talk, &talk.other);
    rig_until(&talk.rig, talk.other.heads);
    told_init(&third);
    struct call_request request = call_rig_get();
    told_call(&third, &talk.rig, &talk.far, &request);
    /* it does not wait for the other one: a connection of its own is dialed */
    rig_until(&talk.rig, rig_count(&talk.rig, ENTRY_DIAL) == 2);
    call_cancel(third.call);
    told_clear(&third);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_body_and_trailers_are_sent)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    struct header item = {STR("X-Sum"), STR("7")};
    struct headers trailers = {&item, 1, 1};
    peer_listen();
    frame_answer(answer_on(peer_script(PEER_STALL), 1), 1, "ok");
    talk_begin(&talk);
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = _i ? 8 : -1;
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    call_body(talk.told.call, STR("one"));
    if (_i)
        rig_until(&talk.rig, peer_heard("<one>"));
    call_body(talk.told.call, STR("two"));
    call_body(talk.told.call, STR("33"));
    call_finish(talk.told.call, &trailers);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_heard("x-sum: 7\n");
    ck_heard(_i ? "<two>\nDATA 1 2\n<33>\n" : "<onetwo33>");
    if (_i)
        ck_heard("content-length: 8\n");
    else
        ck_not_heard("content-length");
    talk_end(&talk);
}
END_TEST

START_TEST(test_an_answer_before_the_request_is_whole)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    frame_settings(stage_add(script, 0, NULL));
    frame_answer(stage_add(script, 0, "<one>"), 1, "no");
    talk_begin(&talk);
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = 100;
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    call_body(talk.told.call, STR("one"));
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    rig_until(&talk.rig, peer_heard("RST_STREAM 1 8\n"));
    talk_end(&talk);
}
END_TEST

/* Flow control. */

START_TEST(test_a_paused_call_holds_no_more_than_its_window)
{
    struct talk talk;
    static char block[16384];
    enum { WINDOW = 256 * 1024 };
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = answer_on(script, 1);
    /* a window is one once its SETTINGS are acknowledged */
    frame(bytes, NGHTTP2_SETTINGS, ACK, 0, STR(""));
    frame_headers(bytes, 1, false, ":status: 200");
    for (size_t i = 0; i < WINDOW / sizeof block; i++)
        frame_data(bytes, 1, false, (struct str){block, sizeof block});
    frame_answer(stage_add(script, 2, NULL), 3, "other");
    bytes = stage_add(script, 2, "WINDOW 1\n");
    frame_data(bytes, 1, false, STR("more"));
    frame_headers(bytes, 1, true, "x-sum: 7");
    talk_begin(&talk);
    struct call_request request = call_rig_get();
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    talk.told.pause_in_head = true;
    rig_until(&talk.rig, talk.told.heads);
    /* the other call is not stopped by it */
    talk_get(&talk, &talk.other);
    rig_until(&talk.rig, told_ended(&talk.other));
    ck_str_is(buf_str(&talk.other.body), "other");
    ck_assert_uint_eq(talk.told.pieces, 0);
    ck_not_heard("WINDOW 1\n");
    call_resume(talk.told.call);
    ck_assert_uint_eq(talk.told.body.size, WINDOW);
    call_pause(talk.told.call);
    /* the end waits behind what is held, and then needs no connection */
    rig_until(&talk.rig, rig_count(&talk.rig, ENTRY_DIAL) == 1 && peer_heard("WINDOW 1\n"));
    rig_pass(&talk.rig, 20 * CLOCK_MS);
    ck_assert(!told_ended(&talk.told));
    ck_assert_uint_eq(talk.told.body.size, WINDOW);
    call_resume(talk.told.call);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_assert_uint_eq(talk.told.body.size, WINDOW + 4);
    ck_assert_str_eq(talk.told.trailers, "x-sum: 7\n");
    talk_end(&talk);
}
END_TEST

START_TEST(test_what_is_held_may_be_given_up)
{
    struct talk talk;
    peer_listen();
    frame_answer(answer_on(peer_script(PEER_FIN), 1), 1, "held");
    talk_begin(&talk);
    struct call_request request = call_rig_get();
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    talk.told.pause_in_head = true;
    rig_until(&talk.rig, talk.told.heads);
    rig_until(&talk.rig, talk.rig.server.streams == 0);
    ck_assert(!told_ended(&talk.told));
    ck_assert_uint_eq(talk.told.pieces, 0);
    if (_i == 0) {
        call_cancel(talk.told.call);
        ck_assert(!told_ended(&talk.told));
    } else if (_i == 1) {
        talk.told.cancel_after = 2;
        call_resume(talk.told.call);
        ck_assert_uint_eq(talk.told.pieces, 1);
        ck_assert(!told_ended(&talk.told));
    } else {
        talk.told.pause_in_body = true;
        call_resume(talk.told.call);
        ck_assert(talk.told.finished);
        ck_str_is(buf_str(&talk.told.body), "held");
    }
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_far_side_that_takes_slowly_is_told_to_the_writer)
{
    struct talk talk;
    static char block[65536];
    struct call_request request = call_rig_get();
    enum { WHOLE = 1024 * 1024 };
    size_t given = 0;
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    frame_settings(stage_add(script, 0, NULL));
    struct buf *bytes = stage_add(script, 0, "DATA 1 ");
    frame_window(bytes, 1, WHOLE);
    frame_window(bytes, 0, WHOLE);
    frame_answer(stage_add(script, 1, NULL), 1, "ok");
    talk_begin(&talk);
    request.method = STR("POST");
    request.has_body = true;
    request.content_length = WHOLE;
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    while (given < WHOLE) {
        size_t told = talk.told.writable;
        for (; given < WHOLE && call_queued(talk.told.call) < STREAM_HIGH_MARK;
             given += sizeof block)
            call_body(talk.told.call, (struct str){block, sizeof block});
        if (given < WHOLE)
            rig_until(&talk.rig, talk.told.writable > told);
    }
    call_finish(talk.told.call, NULL);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_assert_uint_gt(talk.told.writable, 0);
    talk_end(&talk);
}
END_TEST

/* Ends. */

/** What the far side does in place of an answer to the one request. */
static const struct {
    enum call_failure failure;
    const char *why;
    enum peer_ending ending;
} ends[] = {
    {CALL_RESET, "the peer reset the stream: INTERNAL_ERROR", PEER_STALL},
    {CALL_RESET, "GOAWAY ENHANCE_YOUR_CALM", PEER_FIN},
    {CALL_PROTOCOL, "the peer speaks HTTP/1, not HTTP/2", PEER_FIN},
    {CALL_CLOSED, "the peer closed the connection", PEER_FIN},
    {CALL_RESET, "the connection broke", PEER_RST},
    {CALL_CLOSED, "the peer closed the connection", PEER_FIN},
    {CALL_CLOSED, "after 2 of 5 bytes", PEER_STALL},
    {CALL_PROTOCOL, "the head exceeds", PEER_STALL},
};

static void ends_play(int which, struct buf *bytes)
{
    static char large[200 * 1024];
    struct buf block;
    memset(large, 'x', sizeof large);
    switch (which) {
    case 0:
        frame_reset(bytes, 1, NGHTTP2_INTERNAL_ERROR);
        break;
    case 1:
        frame_goaway(bytes, 1, NGHTTP2_ENHANCE_YOUR_CALM, "slow down");
        break;
    case 2:
        buf_reset(bytes);
        buf_append(bytes, STR("HTTP/1.1 400 Bad Request\r\n\r\n"));
        break;
    case 5:
        frame_headers(bytes, 1, false, ":status: 200");
        frame_data(bytes, 1, false, STR("some"));
        break;
    case 6:
        frame_headers(bytes, 1, false, ":status: 200\ncontent-length: 5");
        frame_data(bytes, 1, true, STR("so"));
        break;
    case 7:
        /* a block of HPACK that grows as it is read: one entry of the table, named again and again
         */
        buf_init(&block, BUF_OWN);
        hpack_field(&block, STR(":status"), STR("200"));
        buf_append_byte(&block, 0x40);
        hpack_size(&block, 1);
        buf_append(&block, STR("x"));
        hpack_size(&block, 4000);
        buf_append(&block, (struct str){large, 4000});
        for (size_t i = 0; i < 100; i++)
            buf_append_byte(&block, (char)(0x80 | 62));
        frame(bytes, NGHTTP2_HEADERS, END_HEADERS, 1, buf_str(&block));
        buf_clear(&block);
        break;
    default:
        break;
    }
}

START_TEST(test_every_end)
{
    struct talk talk;
    peer_listen();
    ends_play(_i, answer_on(peer_script(ends[_i].ending), 1));
    talk_begin(&talk);
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    ck_assert_msg(strstr(talk.told.why, ends[_i].why), "'%s' lacks '%s'", talk.told.why,
                  ends[_i].why);
    ck_assert_int_eq(talk.told.end.failure, ends[_i].failure);
    ck_assert_int_eq(strncmp(talk.told.why, talk.far.text, strlen(talk.far.text)), 0);
    talk_end(&talk);
}
END_TEST

START_TEST(test_what_the_far_side_did_not_look_at_is_asked_again)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    peer_listen();
    struct peer_script *script = peer_script(PEER_FIN);
    if (_i == 0)
        frame_reset(answer_on(script, 1), 1, NGHTTP2_REFUSED_STREAM);
    else
        frame_goaway(answer_on(script, 1), 0, NGHTTP2_NO_ERROR, "");
    frame_answer(answer_on(peer_script(PEER_STALL), 1), 1, "again");
    talk_begin(&talk);
    /* it was not looked at: so its method does not count */
    request.method = STR("POST");
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_str_is(buf_str(&talk.told.body), "again");
    ck_assert_uint_eq(the_peer.connections, 2);
    talk_end(&talk);
}
END_TEST

START_TEST(test_it_is_asked_again_only_once)
{
    struct talk talk;
    peer_listen();
    frame_reset(answer_on(peer_script(PEER_FIN), 1), 1, NGHTTP2_REFUSED_STREAM);
    frame_reset(answer_on(peer_script(PEER_FIN), 1), 1, NGHTTP2_REFUSED_STREAM);
    talk_begin(&talk);
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    ck_assert_ptr_nonnull(strstr(talk.told.why, "REFUSED_STREAM"));
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_kept_connection_that_was_closed_is_replaced)
{
    struct talk talk;
    peer_listen();
    struct peer_script *script = peer_script(PEER_FIN);
    frame_answer(answer_on(script, 1), 1, "one");
    /* the second request meets the end of the connection */
    if (_i)
        (void)stage_add(script, 2, NULL);
    frame_answer(answer_on(peer_script(PEER_STALL), 1), 1, "two");
    talk_begin(&talk);
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_str_is(buf_str(&talk.told.body), "two");
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_goaway_lets_the_calls_before_it_end)
{
    struct talk talk;
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = answer_on(script, 1);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_goaway(bytes, 1, NGHTTP2_NO_ERROR, "");
    frame_data(bytes, 1, true, STR("whole"));
    frame_answer(answer_on(peer_script(PEER_STALL), 1), 1, "next");
    talk_begin(&talk);
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_str_is(buf_str(&talk.told.body), "whole");
    talk_get(&talk, &talk.told);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.finished);
    ck_str_is(buf_str(&talk.told.body), "next");
    ck_assert_uint_eq(the_peer.connections, 2);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_far_side_that_is_silent)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    (void)answer_on(script, 0);
    if (_i)
        frame_headers(stage_add(script, 2, NULL), 3, false, ":status: 200");
    talk_begin(&talk);
    /* the connection stands before the time begins: a busy machine may take long for it */
    talk_get(&talk, &talk.other);
    rig_until(&talk.rig, peer_heard("HEADERS 1 END\n"));
    request.timeout_ns = 300 * CLOCK_MS;
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert(talk.told.failed);
    ck_assert_int_eq(talk.told.end.failure, CALL_TIMEOUT);
    /* and it may take the answer's head longer than the time */
    ck_assert_msg(
        strstr(talk.told.why, talk.told.heads ? "stopped within its answer" : "did not answer"),
        "%s", talk.told.why);
    if (!_i)
        ck_assert_uint_eq(talk.told.heads, 0);
    rig_until(&talk.rig, peer_heard("RST_STREAM 3 8\n"));
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_call_can_be_given_up_in_any_callback)
{
    struct talk talk;
    peer_listen();
    struct buf *bytes = answer_on(peer_script(PEER_STALL), 1);
    frame_headers(bytes, 1, false, ":status: 103\nx: y");
    frame_headers(bytes, 1, false, ":status: 200");
    frame_data(bytes, 1, false, STR("one"));
    frame_data(bytes, 1, false, STR("two"));
    talk_begin(&talk);
    struct call_request request = call_rig_get();
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    talk.told.cancel_after = (size_t)_i;
    if (_i == 0)
        call_cancel(talk.told.call);
    else
        rig_until(&talk.rig, talk.told.callbacks == (size_t)_i);
    /* the stream is reset; its connection, which has no other call, is kept for one */
    if (_i)
        rig_until(&talk.rig, peer_heard("RST_STREAM 1 8\n"));
    ck_assert(!told_ended(&talk.told));
    ck_assert_uint_eq(talk.told.callbacks, (size_t)_i);
    talk_end(&talk);
}
END_TEST

START_TEST(test_a_fresh_call_closes_its_connection)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    peer_listen();
    frame_answer(answer_on(peer_script(PEER_STALL), 1), 1, "one");
    frame_answer(answer_on(peer_script(PEER_STALL), 1), 1, "two");
    talk_begin(&talk);
    request.fresh = true;
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    rig_until(&talk.rig, told_ended(&talk.told));
    rig_until(&talk.rig, peer_heard("GOAWAY 0 0\n"));
    talk_get(&talk, &talk.other);
    rig_until(&talk.rig, told_ended(&talk.other));
    ck_str_is(buf_str(&talk.other.body), "two");
    talk_end(&talk);
}
END_TEST

START_TEST(test_the_end_of_the_run_ends_calls)
{
    struct talk talk;
    peer_listen();
    frame_headers(answer_on(peer_script(PEER_STALL), 2), 1, false, ":status: 200");
    talk_begin(&talk);
    talk_get(&talk, &talk.told);
    talk_get(&talk, &talk.other);
    rig_until(&talk.rig, talk.told.heads);
    server_close_all(&talk.rig.server);
    ck_assert(talk.told.failed && talk.other.failed);
    ck_assert_str_eq(talk.told.why, "the run has ended");
    talk_end(&talk);
}
END_TEST

/* Tunnels. */

START_TEST(test_a_tunnel_carries_bytes_both_ways)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = stage_add(script, 0, "CONNECT");
    frame_settings(bytes);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_data(bytes, 1, false, STR("first"));
    frame_data(stage_add(script, 0, "<ping>"), 1, true, STR("pong"));
    talk_begin(&talk);
    request.connect = true;
    request.method = STR("CONNECT");
    request.target = STR("db.example:5432");
    request.authority = STR("db.example:5432");
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    rig_until(&talk.rig, talk.told.body.size == 5);
    ck_assert(talk.told.tunnel);
    ck_heard(":method: CONNECT\n:authority: db.example:5432\n");
    ck_not_heard(":path");
    ck_not_heard(":scheme");
    call_tunnel_write(talk.told.call, STR("ping"));
    rig_until(&talk.rig, talk.told.half_closed);
    ck_str_is(buf_str(&talk.told.body), "firstpong");
    call_tunnel_write(talk.told.call, STR("last"));
    rig_until(&talk.rig, peer_heard("<last>"));
    ck_assert(!told_ended(&talk.told));
    call_tunnel_end(talk.told.call);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    rig_until(&talk.rig, peer_heard("DATA 1 0 END\n"));
    ck_not_heard("RST_STREAM");
    talk_end(&talk);
}
END_TEST

START_TEST(test_our_side_of_a_tunnel_may_end_first)
{
    struct talk talk;
    struct call_request request = call_rig_get();
    peer_listen();
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = stage_add(script, 0, "CONNECT");
    frame_settings(bytes);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_data(stage_add(script, 1, NULL), 1, true, STR("still"));
    talk_begin(&talk);
    request.connect = true;
    request.method = STR("CONNECT");
    request.target = STR("db.example:5432");
    request.authority = STR("db.example:5432");
    told_call(&talk.told, &talk.rig, &talk.far, &request);
    rig_until(&talk.rig, talk.told.tunnel);
    call_tunnel_end(talk.told.call);
    rig_until(&talk.rig, told_ended(&talk.told));
    ck_assert_msg(talk.told.finished, "%s", talk.told.why);
    ck_str_is(buf_str(&talk.told.body), "still");
    talk_end(&talk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("call_h2");
    TCase *tcase = tcase_create("call_h2");
    tcase_set_timeout(tcase, 60);
    const TTest *const tests[] = {
        test_a_get_and_its_answer,
        test_calls_share_a_connection,
        test_more_calls_than_the_far_side_takes_have_another_connection,
        test_an_answer_before_the_request_is_whole,
        test_a_paused_call_holds_no_more_than_its_window,
        test_a_far_side_that_takes_slowly_is_told_to_the_writer,
        test_it_is_asked_again_only_once,
        test_a_goaway_lets_the_calls_before_it_end,
        test_a_fresh_call_closes_its_connection,
        test_the_end_of_the_run_ends_calls,
        test_a_tunnel_carries_bytes_both_ways,
        test_our_side_of_a_tunnel_may_end_first,
    };
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(tcase, tests[i]);
    tcase_add_loop_test(tcase, test_a_body_and_trailers_are_sent, 0, 2);
    tcase_add_loop_test(tcase, test_what_is_held_may_be_given_up, 0, 3);
    tcase_add_loop_test(tcase, test_every_end, 0, COUNT_OF(ends));
    tcase_add_loop_test(tcase, test_what_the_far_side_did_not_look_at_is_asked_again, 0, 2);
    tcase_add_loop_test(tcase, test_a_kept_connection_that_was_closed_is_replaced, 0, 2);
    tcase_add_loop_test(tcase, test_a_far_side_that_is_silent, 0, 2);
    tcase_add_loop_test(tcase, test_a_call_can_be_given_up_in_any_callback, 0, 5);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
