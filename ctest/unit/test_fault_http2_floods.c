/* Faults of HTTP/2: floods, broken frames, and whom they strike. */
#include "ctest/unit/fault_http2_rig.h"

/* Floods */

START_TEST(test_ping_flood)
{
    begin_world();
    push("{ping-flood: 20000}");
    dial(true);
    peer_send(&w.peer);
    world_until(&w, frames(NGHTTP2_PING, 0, 0) == 20000);
    ck_assert_int_eq(raw.data[3], NGHTTP2_SETTINGS);
    ck_came("\0\0\x8\6\0\0\0\0\0goto-run");
    ck_assert_uint_eq(strikes(), 1);
    w.peer.deaf = false;
    peer_get(&w.peer, "/");
    world_until(&w, frames(NGHTTP2_DATA, -1, 1) == 1);
    rig_pass(&w.rig, CLOCK_SECOND / 100);
    ck_assert_uint_eq(frames(NGHTTP2_PING, 0, 0), 20000);
    end_world();
}
END_TEST

START_TEST(test_ping_flood_of_a_live_connection_is_lifted)
{
    begin_world();
    greet();
    uint64_t id = push("{ping-flood: {count: 1000000, every: 1ms}}");
    world_until(&w, frames(NGHTTP2_PING, 0, 0) >= 3);
    faults_undo(faults, id);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    size_t count = frames(NGHTTP2_PING, 0, 0);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    peer_turn(&w.peer);
    ck_assert_uint_eq(frames(NGHTTP2_PING, 0, 0), count);
    ck_assert_uint_lt(count, 1000000);
    end_world();
}
END_TEST

START_TEST(test_each_lift_ends_its_own_flood)
{
    struct fault_config config = {0};
    struct str why = {0};
    begin_world();
    greet();
    ck_str_is(read_fault("{ping-flood: {count: 1000000, every: 1ms}}", &config), "");
    config.kind.place = (struct place){&source, 1000, 1};
    uint64_t first = faults_push(faults, (struct str){0}, &config, arena, &why);
    uint64_t second = faults_push(faults, (struct str){0}, &config, arena, &why);
    ck_assert(first && second);
    faults_undo(faults, first);
    size_t count = frames(NGHTTP2_PING, 0, 0);
    world_until(&w, frames(NGHTTP2_PING, 0, 0) >= count + 3);
    faults_undo(faults, second);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    count = frames(NGHTTP2_PING, 0, 0);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    peer_turn(&w.peer);
    ck_assert_uint_eq(frames(NGHTTP2_PING, 0, 0), count);
    end_world();
}
END_TEST

START_TEST(test_floods_wait_for_a_client_that_does_not_read)
{
    begin_world();
    greet();
    push("{ping-flood: 1000000, apply: new, times: 1}");
    push("{settings-flood: 1000000, apply: new, times: 1}");
    dial(true);
    peer_send(&w.peer);
    struct stream *flooded = NULL;
    size_t sent = 0;
    int still = 0;
    rig_until(&w.rig, strikes() == 2);
    flooded = w.port->newest;
    /* until nothing moves: the socket is full */
    while (still < 50) {
        loop_turn(w.rig.loop);
        still = flooded->sent == sent ? still + 1 : 0;
        sent = flooded->sent;
        ck_assert_uint_le(stream_queued(flooded), STREAM_HIGH_MARK + 2 * 65536);
    }
    ck_assert_uint_lt(sent, 26000000);
    /* others are served meanwhile */
    struct peer other = w.peer;
    peer_open(&w.peer, w.port->number, true);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert_uint_eq(strikes(), 2);
    peer_close(&w.peer);
    w.peer = other;
    end_world();
}
END_TEST

START_TEST(test_settings_flood_is_acknowledged)
{
    begin_world();
    push("{settings-flood: {count: 900, every: 0ms}}");
    dial(false);
    world_until(&w, w.peer.settings_count == 901);
    ck_assert_uint_eq(frames(NGHTTP2_SETTINGS, 0, 0), 901);
    /* all were acknowledged, and nobody minded */
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert_uint_eq(w.peer.goaways, 0);
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

START_TEST(test_settings_flood_on_a_live_connection)
{
    begin_world();
    greet();
    uint64_t id = push("{settings-flood: 500}");
    world_until(&w, w.peer.settings_count == 501);
    faults_undo(faults, id);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    push("{settings: {max-frame-size: 30000}}");
    world_until(&w, w.peer.settings_count == 502);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert_uint_eq(w.peer.goaways, 0);
    end_world();
}
END_TEST

START_TEST(test_continuation_flood)
{
    begin_world();
    push_on("api.r", "{continuation-flood: 5000}");
    dial(true);
    int32_t id = peer_get(&w.peer, "/r");
    peer_get(&w.peer, "/");
    world_until(&w, frames(NGHTTP2_RST_STREAM, -1, id) == 1);
    ck_assert_uint_eq(frames(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, id), 1);
    ck_assert_uint_eq(frames(NGHTTP2_CONTINUATION, 0, id), 5000);
    ck_assert_uint_eq(frames(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, id), 1);
    /* nothing came between them */
    ptrdiff_t first = str_find(buf_str(&raw), STR("\0\0\x1\1\1\0\0\0\1\x88"));
    ptrdiff_t last = str_find(buf_str(&raw), STR("\0\0\0\x9\4\0\0\0\1"));
    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(last - first, 10 + 5000 * (9 + 18));
    /* the other request was answered behind it */
    world_until(&w, frames(NGHTTP2_DATA, -1, 3) == 1);
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

START_TEST(test_empty_data_flood)
{
    begin_world();
    push_on("api.r", "{empty-data-flood: 3000}");
    dial(true);
    int32_t id = peer_get(&w.peer, "/r");
    peer_get(&w.peer, "/");
    world_until(&w, frames(NGHTTP2_RST_STREAM, -1, id) == 1);
    ck_assert_uint_eq(frames(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id), 1);
    ck_assert_uint_eq(frames(NGHTTP2_DATA, 0, id), 3000);
    ck_assert_uint_eq(frames(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id), 1);
    world_until(&w, frames(NGHTTP2_DATA, -1, 3) == 1);
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}
END_TEST

START_TEST(test_a_client_ends_a_continuation_flood)
{
    begin_world();
    push("continuation-flood");
    peer_get(&w.peer, "/");
    /* nghttp2 gives the session up: here the client goes */
    world_until(&w, frames(NGHTTP2_CONTINUATION, 0, 1) >= 8);
    rig_reset(w.peer.fd);
    w.peer.fd = -1;
    rig_until(&w.rig, !w.rig.server.streams);
    end_world();
}
END_TEST

/* bad-hpack, bad-frame */

/** The HEADERS with a block that nobody can decode. */
static void check_hpack(const char *kind, struct str bytes)
{
    char yaml[64];
    begin_world();
    snprintf(yaml, sizeof yaml, "{bad-hpack: %s}", kind);
    push(yaml);
    peer_get(&w.peer, "/");
    world_until(&w, rig_count(&w.rig, ENTRY_GOAWAY) == 1);
    ck_assert_msg(came(bytes), "%s", kind);
    ck_assert_uint_eq(entry_of(ENTRY_GOAWAY)->value, NGHTTP2_COMPRESSION_ERROR);
    ck_assert_uint_eq(entry_of(ENTRY_GOAWAY)->flags, ENTRY_CLOSED_BY_CLIENT);
    ck_assert_uint_eq(strikes(), 1);
    end_world();
}

START_TEST(test_bad_hpack)
{
    check_hpack("true", STR("\0\0\4\1\5\0\0\0\1\xff\xff\xff\x7f"));
    check_hpack("index", STR("\0\0\4\1\5\0\0\0\1\xff\xff\xff\x7f"));
    check_hpack("index-zero", STR("\0\0\1\1\5\0\0\0\1\x80"));
    check_hpack("table-size", STR("\0\0\6\1\5\0\0\0\1\x3f\xff\xff\xff\x7f\x88"));
    check_hpack("huffman", STR("\0\0\4\1\5\0\0\0\1\x8\x82\7\xff"));
    check_hpack("truncated", STR("\0\0\3\1\5\0\0\0\1\x8\x7f\1"));
}
END_TEST

/** The bytes of each bad frame, on stream 1. */
static const struct {
    const char *kind;
    struct str bytes;
} bad[] = {
    {"ping-size", STR_INIT("\0\0\7\6\0\0\0\0\0goto-ru")},
    {"ping-stream", STR_INIT("\0\0\x8\6\0\0\0\0\1goto-run")},
    {"settings-size", STR_INIT("\0\0\5\4\0\0\0\0\0\0\3\0\0\0")},
    {"settings-ack", STR_INIT("\0\0\6\4\1\0\0\0\0\0\3\0\0\0\1")},
    {"settings-stream", STR_INIT("\0\0\0\4\0\0\0\0\1")},
    {"window-size", STR_INIT("\0\0\3\x8\0\0\0\0\0\0\0\1")},
    {"window-zero", STR_INIT("\0\0\4\x8\0\0\0\0\0\0\0\0\0")},
    {"window-overflow", STR_INIT("\0\0\4\x8\0\0\0\0\0\x7f\xff\xff\xff")},
    {"rst-stream-zero", STR_INIT("\0\0\4\3\0\0\0\0\0\0\0\0\x8")},
    {"rst-stream-size", STR_INIT("\0\0\3\3\0\0\0\0\1\0\0\x8")},
    {"goaway-stream", STR_INIT("\0\0\x8\7\0\0\0\0\1\0\0\0\0\0\0\0\0")},
    {"goaway-size", STR_INIT("\0\0\7\7\0\0\0\0\0\0\0\0\0\0\0\0")},
    {"data-zero", STR_INIT("\0\0\4\0\0\0\0\0\0"
                           "data")},
    {"data-first", STR_INIT("\0\0\4\0\0\0\0\0\1"
                            "data")},
    {"data-padding", STR_INIT("\0\0\1\1\4\0\0\0\1\x88\0\0\5\0\x8\0\0\0\1\xff"
                              "data")},
    {"data-size", STR_INIT("\0\0\1\1\4\0\0\0\1\x88\0\x40\1\0\0\0\0\0\1\0\0\0\0")},
    {"headers-zero", STR_INIT("\0\0\1\1\4\0\0\0\0\x88")},
    {"headers-even", STR_INIT("\0\0\1\1\4\0\0\0\2\x88")},
    {"headers-open", STR_INIT("\0\0\1\1\0\0\0\0\1\x88")},
    {"no-status", STR_INIT("\0\0\7\1\4\0\0\0\1\0\3x-a\1b")},
    {"upper-case", STR_INIT("\0\0\x8\1\4\0\0\0\1\x88\0\3X-A\1b")},
    {"continuation", STR_INIT("\0\0\1\x9\4\0\0\0\1\x88")},
    {"push-promise", STR_INIT("\0\0\xa\5\4\0\0\0\1\0\0\0\2\x82\x86\x84\1\1a")},
    {"priority-size", STR_INIT("\0\0\4\2\0\0\0\0\1\0\0\0\0")},
    {"priority-self", STR_INIT("\0\0\5\2\0\0\0\0\1\0\0\0\1\xf")},
    {"window-stream-zero", STR_INIT("\0\0\4\x8\0\0\0\0\1\0\0\0\0")},
    {"window-stream-overflow", STR_INIT("\0\0\4\x8\0\0\0\0\1\x7f\xff\xff\xff")},
    {"window-idle", STR_INIT("\0\0\4\x8\0\x7f\xff\xff\xff\0\0\0\1")},
    {"rst-stream-idle", STR_INIT("\0\0\4\3\0\x7f\xff\xff\xff\0\0\0\x8")},
    {"data-idle", STR_INIT("\0\0\4\0\0\x7f\xff\xff\xff"
                           "data")},
    {"data-closed", STR_INIT("\0\0\1\1\5\0\0\0\1\x88\0\0\4\0\0\0\0\0\1"
                             "data")},
    {"unknown-type", STR_INIT("\0\0\x8\xfa\0\0\0\0\1goto-run")},
    {"headers-closed", STR_INIT("\0\0\1\1\5\0\0\0\1\x88\0\0\1\1\4\0\0\0\1\x88")},
    {"connection-header", STR_INIT("\0\0\x13\1\4\0\0\0\1\x88\0\xa"
                                   "connection\5close")},
    {"pseudo-late", STR_INIT("\0\0\x8\1\4\0\0\0\1\0\3x-a\1b\x88")},
    {"pseudo-twice", STR_INIT("\0\0\2\1\4\0\0\0\1\x88\x88")},
    {"pseudo-unknown", STR_INIT("\0\0\7\1\4\0\0\0\1\x88\0\2:x\1y")},
    {"informational-end", STR_INIT("\0\0\5\1\5\0\0\0\1\x8\3"
                                   "103")},
    {"trailers-pseudo", STR_INIT("\0\0\1\1\4\0\0\0\1\x88\0\0\1\1\5\0\0\0\1\x88")},
    {"trailers-open", STR_INIT("\0\0\1\1\4\0\0\0\1\x88\0\0\7\1\4\0\0\0\1\0\3x-a\1b")},
    {"continuation-stream", STR_INIT("\0\0\1\1\0\0\0\0\1\x88\0\0\0\x9\4\x7f\xff\xff\xff")},
    {"continuation-data", STR_INIT("\0\0\1\1\0\0\0\0\1\x88\0\0\4\0\0\0\0\0\1"
                                   "data")},
    {"ping-ack", STR_INIT("\0\0\x8\6\1\0\0\0\0goto-run")},
    {"frame-length", STR_INIT("\xff\xff\xff\0\0\0\0\0\1\0\0")},
};

START_TEST(test_bad_frames)
{
    size_t kinds = 0;
    while (fault_frame_choices[kinds].name)
        kinds++;
    ck_assert_uint_eq(kinds, COUNT_OF(bad));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char yaml[64];
        begin_world();
        snprintf(yaml, sizeof yaml, "{bad-frame: {kind: %s}}", bad[i].kind);
        push(yaml);
        dial(true);
        peer_get(&w.peer, "/");
        /* the answer comes behind it */
        world_until(&w, came(STR("\0\0\5\0\1\0\0\0\1hello")));
        ck_assert_msg(came(bad[i].bytes), "%s", bad[i].kind);
        ck_assert_uint_eq(strikes(), 1);
        end_world();
    }
}
END_TEST

/* Whom they strike */

START_TEST(test_a_route_has_a_fault_of_connections_begin)
{
    begin_world();
    uint64_t id = push_on("api.r", "{ping-flood: 5}");
    dial(false);
    greet();
    ck_assert_uint_eq(strikes(), 0);
    (void)world_get(&w, "/r");
    world_until(&w, frames(NGHTTP2_PING, 0, 0) == 5);
    (void)world_get(&w, "/r");
    ck_assert_uint_eq(frames(NGHTTP2_PING, 0, 0), 5);
    ck_assert_uint_eq(strikes(), 1);
    faults_undo(faults, id);
    id = push_on("api.r", "{settings: {max-frame-size: 20000}, after: {requests: 1}}");
    (void)world_get(&w, "/r");
    ck_not_came("\0\0\6\4\0\0\0\0\0\0\5\0\0\x4e\x20");
    (void)world_get(&w, "/r");
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\5\0\0\x4e\x20")));
    faults_undo(faults, id);
    world_until(&w, came(STR("\0\0\6\4\0\0\0\0\0\0\5\0\0\x40\0")));
    end_world();
}
END_TEST

START_TEST(test_apply_and_chance)
{
    begin_world();
    greet();
    push("{ping-flood: 3, apply: new, name: new}");
    push("{settings-flood: 3, chance: 0%, name: never}");
    (void)world_get(&w, "/");
    ck_assert_uint_eq(frames(NGHTTP2_PING, -1, -1), 0);
    dial(false);
    greet();
    world_until(&w, frames(NGHTTP2_PING, 0, 0) == 3);
    ck_assert_uint_eq(strikes(), 1);
    faults_heal(faults, (struct str){0}, (struct str){0});
    push("{goaway: CANCEL, apply: existing}");
    dial(false);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert_uint_eq(w.peer.goaways, 0);
    end_world();
}
END_TEST

/* Reading */

START_TEST(test_wrong_values_are_told)
{
    static const struct {
        const char *yaml;
        const char *wrong;
    } cases[] = {
        {"goaway", "needs a value"},
        {"{goaway: {}}", "an empty goaway fault"},
        {"{goaway: {debug: x}}", "code"},
        {"{goaway: ENHANCE_YOUR_CLAM}", "did you mean 'ENHANCE_YOUR_CALM'?"},
        {"{goaway: {code: 1, last-stream-id: -1}}", "the id of a stream"},
        {"{rst-stream: true}", "a code of HTTP/2"},
        {"{rst-stream: {code: CANCEL, at: middle}}", "start, headers, or a size"},
        {"{settings: {max-frame-siz: 1}}", "did you mean 'max-frame-size'?"},
        {"{settings: {max-frame-size: 4294967296}}", "a whole number from 0 to 4294967295"},
        {"{settings: {}}", "empty"},
        {"{window: full}", "a whole number from 0 to 4294967295"},
        {"{max-streams: -1}", "a whole number from 0 to 4294967295"},
        {"{ping-flood: 0}", "a number of frames from 1 to 1000000"},
        {"{ping-flood: false}", "a fault that is false is none"},
        {"{settings-flood: {count: 1000001}}", "a number of frames from 1 to 1000000"},
        {"{bad-frame: ping-siz}", "did you mean 'ping-size'?"},
        {"{bad-hpack: indexx}", "did you mean 'index'?"},
        {"{no-settings: true, apply: existing}", "has no meaning for 'no-settings'"},
    };
    begin_world();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault_config config = {0};
        struct str wrong = read_fault(cases[i].yaml, &config);
        ck_assert_msg(str_find(wrong, str_of(cases[i].wrong)) >= 0, "%s: " STR_FMT, cases[i].yaml,
                      STR_ARG(wrong));
    }
    end_world();
}
END_TEST

UNIT_MAIN("fault_http2_floods", test_empty_data_flood, test_ping_flood,
          test_ping_flood_of_a_live_connection_is_lifted, test_each_lift_ends_its_own_flood,
          test_floods_wait_for_a_client_that_does_not_read, test_settings_flood_is_acknowledged,
          test_settings_flood_on_a_live_connection, test_continuation_flood,
          test_a_client_ends_a_continuation_flood, test_bad_hpack, test_bad_frames,
          test_a_route_has_a_fault_of_connections_begin, test_apply_and_chance,
          test_wrong_values_are_told)
