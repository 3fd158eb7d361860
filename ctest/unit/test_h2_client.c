/* Our client of HTTP/2: calls on a connection, and every way in which they end. */
#include "ctest/unit/h2_client_rig.h"

/* Answers. */

START_TEST(test_a_whole_answer)
{
    struct told told;
    set_up(&told);
    struct buf *bytes = one_answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 103\nx-interim: 1");
    frame_headers(bytes, 1, false, ":status: 201\nx-test: yes\ncontent-length: 4");
    frame_data(bytes, 1, false, STR("a\0b"));
    frame_data(bytes, 1, false, STR("c"));
    frame_headers(bytes, 1, true, "x-sum: 9\nx-more: b");
    int64_t before = clock_now();
    get(&told);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    ck_assert_int_eq(told.end.phase, H2_BODY);
    ck_assert_uint_eq(told.connected, 1);
    ck_assert_uint_eq(told.interim, 1);
    ck_assert_uint_eq(told.heads, 1);
    ck_assert_uint_eq(told.status, 201);
    ck_assert_uint_eq(told.trailers, 1);
    ck_assert(str_equal(buf_str(&told.body), STR("a\0bc")));
    ck_str_is(buf_str(&told.trailer), "x-sum: 9\nx-more: b\n");
    ck_assert(before < h2_client_connected_ns(told.client));
    ck_assert(h2_client_connected_ns(told.client) < told.end.first_byte_ns);
    ck_assert(told.end.first_byte_ns < told.end.end_ns);
    ck_assert(str_starts(h2_client_remote(told.client), STR("127.0.0.1:")));
    ck_assert(h2_client_is_usable(told.client));
    ck_assert_uint_eq(told.ended, 0);
    tear_down(&told);
}
END_TEST

START_TEST(test_what_is_sent)
{
    struct told told;
    struct headers headers = {0};
    set_up(&told);
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    peer_start();
    told_connect(&told);
    headers_add(&headers, NULL, STR("X-Upper"), STR("Value"));
    headers_add(&headers, NULL, STR("x-empty"), STR(""));
    const struct h2_request request = {.method = STR("PATCH"),
                                       .scheme = STR("http"),
                                       .authority = STR("h:1"),
                                       .path = STR("/a?b"),
                                       .headers = &headers};
    told.call = h2_call_new(told.client, &request, &call_user, &told);
    headers_clear(&headers);
    run_until(&told.finished);
    ck_heard(":method: PATCH\n:scheme: http\n:authority: h:1\n:path: /a?b\n"
             "x-upper: Value\nx-empty: \n");
    tear_down(&told);
}
END_TEST

START_TEST(test_the_wire_of_a_request)
{
    struct told told;
    set_up(&told);
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    get(&told);
    h2_client_free(told.client);
    told_clear(&told);
    loop_free(the_loop);
    peer_stop();
    ck_heard("PREFACE\nSETTINGS\n");
    ck_heard("HEADERS 1 END\n:method: GET\n:scheme: http\n:authority: a.example\n:path: /\n");
    ck_heard("GOAWAY 0 0\n");
    ck_not_heard("RST_STREAM");
    peer_forget();
}
END_TEST

START_TEST(test_several_calls_at_once)
{
    enum { COUNT = 5 };
    struct told told[COUNT];
    set_up(&told[0]);
    struct peer_script *script = peer_script(PEER_STALL);
    frame_settings(stage_add(script, 0, NULL));
    struct buf *bytes = stage_add(script, COUNT, NULL);
    for (int i = COUNT - 1; i >= 0; i--)
        frame_headers(bytes, (uint32_t)i * 2 + 1, false, ":status: 200");
    for (int i = 0; i < COUNT; i++)
        frame_data(bytes, (uint32_t)i * 2 + 1, true, STR("body"));
    peer_start();
    told_connect(&told[0]);
    for (int i = 0; i < COUNT; i++) {
        if (i)
            told_init(&told[i]);
        told[i].client = told[0].client;
        told_start(&told[i], "/");
        ck_assert_int_eq(h2_call_stream(told[i].call), i * 2 + 1);
    }
    for (int i = 0; i < COUNT; i++) {
        run_until(&told[i].finished);
        ck_assert_int_eq(told[i].end.kind, H2_END_WHOLE);
        ck_str_is(buf_str(&told[i].body), "body");
    }
    for (int i = 1; i < COUNT; i++)
        told_clear(&told[i]);
    tear_down(&told[0]);
}
END_TEST

START_TEST(test_streams_beyond_the_limit_wait)
{
    struct told told;
    struct told second;
    set_up(&told);
    told_init(&second);
    struct peer_script *script = peer_script(PEER_STALL);
    frame_setting(stage_add(script, 0, NULL), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    frame_answer(stage_add(script, 1, NULL), 1, "one");
    frame_answer(stage_add(script, 2, NULL), 3, "two");
    told.then = AGAIN_AT_END;
    told.next = &second;
    get(&told);
    run_until(&second.finished);
    ck_str_is(buf_str(&second.body), "two");
    ck_heard(":path: /again\n");
    told_clear(&second);
    tear_down(&told);
}
END_TEST

/* Bodies of requests. */

struct supply {
    struct told *told;
    size_t left;
    bool dry; /**< the next read has nothing yet */
    int error;
    unsigned reads;
};

static ptrdiff_t supply_read(void *context, char *into, size_t room, bool *end)
{
    struct supply *supply = context;
    supply->reads++;
    if (supply->error)
        return -supply->error;
    if (supply->dry)
        return -EAGAIN;
    size_t size = room < supply->left ? room : supply->left;
    memset(into, 'x', size);
    supply->left -= size;
    *end = supply->left == 0;
    return (ptrdiff_t)size;
}

static void told_post(struct told *told, struct supply *supply, const struct headers *trailers)
{
    const struct h2_source source = {supply_read, supply};
    const struct h2_request request = {.method = STR("POST"),
                                       .scheme = STR("http"),
                                       .authority = STR("a"),
                                       .path = STR("/"),
                                       .source = &source,
                                       .trailers = trailers};
    told->call = h2_call_new(told->client, &request, &call_user, told);
}

START_TEST(test_a_body_waits_for_its_source)
{
    struct told told;
    struct supply supply = {.left = 5, .dry = true};
    struct headers trailers = {0};
    set_up(&told);
    headers_add(&trailers, NULL, STR("X-Sum"), STR("5"));
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    peer_start();
    told_connect(&told);
    told_post(&told, &supply, &trailers);
    RUN_WHILE(!peer_heard("HEADERS 1\n"));
    ck_assert_uint_eq(supply.reads, 1);
    supply.dry = false;
    h2_call_resume(told.call);
    run_until(&told.finished);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    ck_heard("DATA 1 5\n<xxxxx>\nHEADERS 1 END\nx-sum: 5\n");
    headers_clear(&trailers);
    tear_down(&told);
}
END_TEST

START_TEST(test_the_peer_holds_a_body_up)
{
    struct told told;
    struct supply supply = {.left = 200000};
    set_up(&told);
    struct peer_script *script = peer_script(PEER_STALL);
    frame_settings(stage_add(script, 0, NULL));
    /* 65,535 bytes come on their own: 3 frames of 16,384 and one of 16,383 */
    struct buf *bytes = stage_add(script, 0, "DATA 1 16383\n");
    frame_window(bytes, 0, 200000);
    frame_window(bytes, 1, 200000);
    frame_answer(stage_add(script, 1, NULL), 1, "ok");
    peer_start();
    told_connect(&told);
    told_post(&told, &supply, NULL);
    run_until(&told.finished);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    ck_assert_uint_eq(supply.left, 0);
    tear_down(&told);
}
END_TEST

START_TEST(test_an_answer_before_the_body_was_sent)
{
    struct told told;
    struct supply supply = {.left = 200000};
    set_up(&told);
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = stage_add(script, 0, "DATA 1 16383\n");
    frame_settings(bytes);
    frame_headers(bytes, 1, true, ":status: 413");
    peer_start();
    told_connect(&told);
    told_post(&told, &supply, NULL);
    run_until(&told.finished);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    ck_assert_uint_eq(told.status, 413);
    RUN_WHILE(!peer_heard("RST_STREAM 1 8\n"));
    ck_assert(h2_client_is_usable(told.client));
    tear_down(&told);
}
END_TEST

START_TEST(test_a_source_that_fails)
{
    struct told told;
    struct supply supply = {.left = 5, .error = EIO};
    set_up(&told);
    one_answer(PEER_STALL);
    peer_start();
    told_connect(&told);
    told_post(&told, &supply, NULL);
    run_until(&told.finished);
    ck_assert_int_eq(told.end.kind, H2_END_LOCAL);
    ck_assert_int_eq(told.end.error, EIO);
    RUN_WHILE(!peer_heard("RST_STREAM 1 2\n"));
    tear_down(&told);
}
END_TEST

/* Flow control of answers. */

START_TEST(test_what_is_not_consumed_stops_the_peer)
{
    enum { WINDOW = 1024 * 1024, PIECE = 16384 };
    static char zeros[PIECE];
    struct told told;
    set_up(&told);
    told.hold = true;
    struct peer_script *script = peer_script(PEER_STALL);
    frame_settings(stage_add(script, 0, NULL));
    struct buf *bytes = stage_add(script, 1, NULL);
    /* our window holds once the peer knows it */
    frame(bytes, NGHTTP2_SETTINGS, ACK, 0, STR(""));
    frame_headers(bytes, 1, false, ":status: 200");
    for (size_t i = 0; i < WINDOW / PIECE; i++)
        frame_data(bytes, 1, false, (struct str){zeros, PIECE});
    frame_data(stage_add(script, 1, "WINDOW 1\n"), 1, true, (struct str){zeros, PIECE});
    peer_start();
    told_connect(&told);
    told_start(&told, "/");
    RUN_WHILE(told.body.size < WINDOW);
    ck_assert(!peer_heard("WINDOW 1\n"));
    ck_assert(!told.finished);
    told.hold = false;
    h2_call_consume(told.call, told.held);
    told.held = 0;
    run_until(&told.finished);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    ck_assert_uint_eq(told.body.size, WINDOW + PIECE);
    tear_down(&told);
}
END_TEST

UNIT_MAIN("h2_client", test_a_whole_answer, test_what_is_sent, test_the_wire_of_a_request,
          test_several_calls_at_once, test_streams_beyond_the_limit_wait,
          test_a_body_waits_for_its_source, test_the_peer_holds_a_body_up,
          test_an_answer_before_the_body_was_sent, test_a_source_that_fails,
          test_what_is_not_consumed_stops_the_peer)
