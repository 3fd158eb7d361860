/* Each fault of HTTP/2 as a raw peer sees it: the bytes on the wire, and the journal. */
#include "ctest/unit/fault_http2_rig.h"

/* goaway */

START_TEST(test_goaway_in_place_of_an_answer)
{
    begin_world();
    push("{goaway: {code: ENHANCE_YOUR_CALM, debug: calm}}");
    peer_get(&w.peer, "/");
    world_until(&w, w.peer.fin);
    ck_came("\0\0\xc\7\0\0\0\0\0"
            "\0\0\0\0\0\0\0\xb"
            "calm");
    ck_assert_uint_eq(frames(NGHTTP2_HEADERS, -1, -1), 0);
    ck_assert_uint_eq(strikes(), 1);
    ck_assert_uint_eq(entry_of(ENTRY_FAULT)->request, 1);
    ck_assert_uint_eq(entry_of(ENTRY_GOAWAY)->value, NGHTTP2_ENHANCE_YOUR_CALM);
    ck_assert_uint_eq(entry_of(ENTRY_GOAWAY)->flags, ENTRY_CLOSED_BY_SERVER);
    end_world();
}
END_TEST

START_TEST(test_goaway_lets_earlier_requests_end)
{
    begin_world();
    push_on("api.r", "{goaway: NO_ERROR}");
    int32_t first = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    peer_get(&w.peer, "/r");
    world_until(&w, w.peer.goaways);
    ck_assert_int_eq(w.peer.goaway_last[0], first);
    ck_assert(!w.peer.fin);
    answer_text(waiting[0], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, first)->body), "done");
    world_until(&w, w.peer.fin);
    end_world();
}
END_TEST

START_TEST(test_goaway_with_a_last_stream)
{
    begin_world();
    push("{goaway: {code: INTERNAL_ERROR, last-stream-id: 1}}");
    struct answer *answer = world_get(&w, "/");
    ck_str_is(buf_str(&answer->body), "hello");
    world_until(&w, w.peer.fin);
    ck_came("\0\0\x8\7\0\0\0\0\0"
            "\0\0\0\1\0\0\0\2");
    ck_assert_uint_eq(w.peer.goaways, 1);
    end_world();
}
END_TEST

/* rst-stream */

START_TEST(test_reset_in_place_of_an_answer)
{
    begin_world();
    push("{rst-stream: 0xdead, times: 1}");
    struct answer *answer = world_get(&w, "/");
    ck_assert(answer->reset);
    ck_came("\0\0\4\3\0\0\0\0\1\0\0\xde\xad");
    ck_assert_uint_eq(frames(NGHTTP2_HEADERS, -1, 1), 0);
    ck_assert_uint_eq(entry_of(ENTRY_RESET)->value, 0xdead);
    ck_assert_uint_eq(entry_of(ENTRY_RESET)->extra, 1);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

START_TEST(test_reset_within_an_answer)
{
    begin_world();
    uint64_t id = push("{rst-stream: {code: CANCEL, at: headers}}");
    struct answer *answer = world_get(&w, "/");
    ck_assert(answer->reset && answer->final);
    ck_assert_uint_eq(frames(NGHTTP2_DATA, -1, 1), 0);
    faults_undo(faults, id);
    id = push("{rst-stream: {code: CANCEL, at: 3}}");
    answer = world_get(&w, "/");
    ck_assert(answer->reset && !answer->ended);
    ck_str_is(buf_str(&answer->body), "hel");
    faults_undo(faults, id);
    id = push("{rst-stream: {code: CANCEL, at: 150000}}");
    answer = world_get(&w, "/much");
    ck_assert(answer->reset && !answer->ended);
    ck_assert_uint_eq(answer->body_size, 150000);
    faults_undo(faults, id);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert_uint_eq(strikes(), 3);
    end_world();
}
END_TEST

START_TEST(test_reset_where_the_answer_would_end)
{
    begin_world();
    push("{rst-stream: {code: NO_ERROR, at: 1MiB}}");
    struct answer *answer = world_get(&w, "/");
    ck_assert(answer->reset && !answer->ended);
    ck_str_is(buf_str(&answer->body), "hello");
    answer = world_get(&w, "/nothing");
    ck_assert(answer->reset && answer->final && !answer->ended);
    answer = world_answer(&w, peer_submit(&w.peer, "HEAD", "/", NULL, NULL));
    ck_assert(answer->reset && answer->final && !answer->ended);
    answer = world_get(&w, "/trailers");
    ck_assert(answer->reset && !answer->ended);
    ck_assert_uint_eq(answer->trailers.size, 0);
    end_world();
}
END_TEST

START_TEST(test_reset_by_the_client_comes_first)
{
    begin_world();
    push("{rst-stream: {code: CANCEL, at: 1MiB}}");
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    nghttp2_submit_rst_stream(w.peer.session, 0, id, NGHTTP2_CANCEL);
    world_until(&w, gone_count == 1);
    /* the responder is told to stop, too, where the reset is ours */
    id = peer_get(&w.peer, "/big");
    ck_assert(world_answer(&w, id)->reset);
    ck_assert_uint_eq(peer_answer(&w.peer, id)->body_size, 1 << 20);
    ck_assert_uint_eq(gone_count, 2);
    end_world();
}
END_TEST

/* settings, max-streams, window */

START_TEST(test_settings_of_new_connections)
{
    begin_world();
    push("{settings: {max-frame-size: 20000, header-table-size: 0, max-concurrent-streams: 7}}");
    dial(false);
    greet();
    ck_came("\0\0\x12\4\0\0\0\0\0"
            "\0\1\0\0\0\0"
            "\0\3\0\0\0\7"
            "\0\5\0\0\x4e\x20");
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

START_TEST(test_illegal_settings)
{
    begin_world();
    push("{settings: {enable-push: 2, initial-window-size: 4294967295, max-frame-size: 1, "
         "max-header-list-size: 9, enable-connect-protocol: 3, no-rfc7540-priorities: 4}}");
    dial(true);
    peer_get(&w.peer, "/");
    world_until(&w, raw.size >= 9 + 7 * 6);
    ck_came("\0\0\x2a\4\0\0\0\0\0"
            "\0\3\0\0\0\x64"
            "\0\2\0\0\0\2"
            "\0\4\xff\xff\xff\xff"
            "\0\5\0\0\0\1"
            "\0\6\0\0\0\x9"
            "\0\x8\0\0\0\3"
            "\0\x9\0\0\0\4");
    end_world();
}
END_TEST

START_TEST(test_settings_of_live_connections)
{
    begin_world();
    greet();
    buf_reset(&raw);
    uint64_t id = push("{settings: {initial-window-size: 0}, apply: existing}");
    world_until(&w, raw.size);
    ck_came("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\0");
    struct upload upload = {.size = 10};
    int32_t stream = peer_submit(&w.peer, "POST", "/echo", NULL, &upload);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert_uint_eq(upload.size, 10);
    faults_undo(faults, id);
    ck_assert(world_answer(&w, stream)->ended);
    ck_came("\0\0\6\4\0\0\0\0\0\0\4\0\0\xff\xff");
    id = push("{settings: {max-frame-size: 7}}");
    w.peer.deaf = true;
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\5\0\0\0\7")));
    ck_assert_uint_eq(strikes(), 2);
    faults_undo(faults, id);
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\5\0\0\x40\0")));
    end_world();
}
END_TEST

START_TEST(test_max_streams)
{
    begin_world();
    push("{max-streams: 1, name: few}");
    dial(false);
    int32_t first = peer_get(&w.peer, "/wait");
    int32_t second = peer_get(&w.peer, "/wait");
    ck_assert_uint_eq(world_answer(&w, second)->code, NGHTTP2_REFUSED_STREAM);
    ck_came("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\1");
    answer_text(waiting[0], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, first)->body), "done");
    buf_reset(&raw);
    faults_heal(faults, (struct str){0}, STR("few"));
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64")));
    push("{max-streams: 0}");
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\0")));
    ck_assert_uint_eq(strikes(), 2);
    end_world();
}
END_TEST

/** Sends what the client may send; waits until it stands still. */
static void starve(const struct upload *upload, size_t left)
{
    world_until(&w, upload->size == left);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    peer_turn(&w.peer);
    ck_assert_uint_eq(upload->size, left);
}

START_TEST(test_window_of_new_connections)
{
    begin_world();
    uint64_t fault = push("{window: 1000}");
    dial(false);
    world_until(&w, w.peer.settings_count);
    struct upload upload = {.size = 300000};
    int32_t id = peer_submit(&w.peer, "POST", "/echo", NULL, &upload);
    starve(&upload, 299000);
    ck_assert_uint_eq(frames(NGHTTP2_WINDOW_UPDATE, -1, -1), 0);
    ck_assert_uint_eq(strikes(), 1);
    faults_undo(faults, fault);
    ck_assert(world_answer(&w, id)->ended);
    ck_assert_uint_ge(frames(NGHTTP2_WINDOW_UPDATE, -1, 0), 1);
    end_world();
}
END_TEST

START_TEST(test_window_of_live_connections)
{
    begin_world();
    greet();
    struct upload upload = {.size = 300000, .open = true};
    int32_t id = peer_submit(&w.peer, "POST", "/echo", NULL, &upload);
    world_until(&w, upload.size == 0);
    uint64_t fault = push("{window: 0}");
    world_until(&w, w.peer.settings_count == 2);
    size_t updates = frames(NGHTTP2_WINDOW_UPDATE, -1, -1);
    struct upload more = {.size = 10};
    int32_t second = peer_submit(&w.peer, "POST", "/echo", NULL, &more);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    starve(&more, 10);
    ck_assert_uint_eq(frames(NGHTTP2_WINDOW_UPDATE, -1, -1), updates);
    faults_undo(faults, fault);
    ck_assert(world_answer(&w, second)->ended);
    ck_assert(!peer_answer(&w.peer, id)->ended);
    end_world();
}
END_TEST

START_TEST(test_window_held_is_given_back)
{
    begin_world();
    greet();
    uint64_t fault = push("{window: 65535}");
    struct upload upload = {.size = 300000};
    int32_t id = peer_submit(&w.peer, "POST", "/echo", NULL, &upload);
    starve(&upload, 300000 - 65535);
    ck_assert_uint_eq(frames(NGHTTP2_WINDOW_UPDATE, -1, -1), 0);
    faults_undo(faults, fault);
    ck_assert(world_answer(&w, id)->ended);
    ck_assert_uint_ge(frames(NGHTTP2_WINDOW_UPDATE, -1, id), 1);
    end_world();
}
END_TEST

/** What two said alike is unsaid with the last of them; what they said differently as it was. */
START_TEST(test_each_of_several_is_lifted_on_its_own)
{
    begin_world();
    greet();
    uint64_t first = push("{window: 0, name: first}");
    uint64_t second = push("{window: 5, name: second}");
    push("{max-streams: 7, name: seven}");
    uint64_t four = push("{max-streams: 4, name: four}");
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\4")));
    buf_reset(&raw);
    faults_undo(faults, four);
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\7")));
    buf_reset(&raw);
    faults_undo(faults, first);
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\5")));
    ck_not_came("\0\4\0\0\xff\xff");
    struct upload upload = {.size = 10};
    int32_t id = peer_submit(&w.peer, "POST", "/echo", NULL, &upload);
    starve(&upload, 5);
    ck_assert_uint_eq(frames(NGHTTP2_WINDOW_UPDATE, -1, -1), 0);
    buf_reset(&raw);
    faults_undo(faults, second);
    ck_assert(world_answer(&w, id)->ended);
    ck_came("\0\0\6\4\0\0\0\0\0\0\4\0\0\xff\xff");
    end_world();
}
END_TEST

START_TEST(test_no_ack)
{
    begin_world();
    uint64_t fault = push("no-ack");
    dial(false);
    (void)world_get(&w, "/hello");
    ck_assert_uint_eq(frames(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, -1), 0);
    faults_undo(faults, fault);
    /* what was not acknowledged is not later on; what comes now is */
    nghttp2_submit_settings(w.peer.session, NGHTTP2_FLAG_NONE, NULL, 0);
    world_until(&w, frames(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, -1) == 1);
    push("{no-ack: ping}");
    nghttp2_submit_ping(w.peer.session, NGHTTP2_FLAG_NONE, NULL);
    nghttp2_submit_settings(w.peer.session, NGHTTP2_FLAG_NONE, NULL, 0);
    world_until(&w, frames(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, -1) == 2);
    ck_assert_uint_eq(frames(NGHTTP2_PING, -1, -1), 0);
    /* one for both: each is lifted on its own */
    push("{no-ack: {kind: settings}, name: both}");
    faults_heal(faults, (struct str){0}, STR("no-ack"));
    nghttp2_submit_settings(w.peer.session, NGHTTP2_FLAG_NONE, NULL, 0);
    nghttp2_submit_ping(w.peer.session, NGHTTP2_FLAG_NONE, NULL);
    world_until(&w, frames(NGHTTP2_PING, NGHTTP2_FLAG_ACK, -1) == 1);
    ck_assert_uint_eq(frames(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, -1), 2);
    ck_assert_uint_eq(strikes(), 3);
    end_world();
}
END_TEST

START_TEST(test_no_settings)
{
    begin_world();
    push("no-settings");
    dial(true);
    peer_get(&w.peer, "/");
    world_until(&w, frames(NGHTTP2_DATA, -1, 1) == 1);
    ck_assert_uint_eq(frames(NGHTTP2_SETTINGS, 0, -1), 0);
    ck_assert_uint_eq(strikes(), 1);
    dial(false);
    peer_get(&w.peer, "/");
    world_until(&w, w.peer.fin);
    ck_assert_uint_eq(entry_of(ENTRY_GOAWAY)->value, NGHTTP2_PROTOCOL_ERROR);
    ck_assert_uint_eq(entry_of(ENTRY_GOAWAY)->flags, ENTRY_CLOSED_BY_CLIENT);
    end_world();
}
END_TEST

UNIT_MAIN("fault_http2", test_goaway_in_place_of_an_answer, test_goaway_lets_earlier_requests_end,
          test_goaway_with_a_last_stream, test_reset_in_place_of_an_answer,
          test_reset_within_an_answer, test_reset_where_the_answer_would_end,
          test_reset_by_the_client_comes_first, test_settings_of_new_connections,
          test_illegal_settings, test_settings_of_live_connections, test_max_streams,
          test_window_of_new_connections, test_window_of_live_connections,
          test_window_held_is_given_back, test_each_of_several_is_lifted_on_its_own, test_no_ack,
          test_no_settings)
