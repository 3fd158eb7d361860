/* HTTP/2: how requests and connections end, what is journalled of it, and what faults may do. */
#include "ctest/unit/h2_rig.h"

static const struct entry *ck_reset(const struct rig *rig, uint32_t code, uint64_t stream,
                                    unsigned flags)
{
    const struct entry *entry = rig_entry(rig, ENTRY_RESET);
    ck_assert_int_eq(entry->value, code);
    ck_assert_uint_eq(entry->extra, stream);
    ck_assert_uint_eq(entry->flags, flags);
    return entry;
}

/* By the client. */

START_TEST(test_a_client_resets)
{
    struct world w;
    world_init(&w);
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    nghttp2_submit_rst_stream(w.peer.session, 0, id, 0xbeef);
    world_until(&w, rig_count(&w.rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    ck_reset(&w.rig, 0xbeef, 1, ENTRY_CLOSED_BY_CLIENT);
    ck_assert_uint_eq(gone_count, 1);
    /* within a request */
    struct upload upload = {.size = 3, .open = true};
    id = peer_submit(&w.peer, "POST", "/", NULL, &upload);
    world_until(&w, upload.size == 0);
    nghttp2_submit_rst_stream(w.peer.session, 0, id, NGHTTP2_CANCEL);
    world_until(&w, rig_count(&w.rig, ENTRY_REFUSED) == 1);
    ck_assert(rig_has_text(&w.rig, ENTRY_REFUSED, "reset the stream within a request"));
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 1);
    /* right behind a request: it came whole */
    (void)peer_get(&w.peer, "/");
    peer_send(&w.peer);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_a_reset_in_one_packet_with_its_request)
{
    struct world w;
    world_init(&w);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *frame;
        ssize_t size;
        int32_t id = peer_get(&w.peer, i == 0 ? "/" : i == 1 ? "/wait" : "/reset");
        while ((size = nghttp2_session_mem_send(w.peer.session, &frame)) > 0)
            buf_append(&w.peer.unsent, (struct str){(const char *)frame, (size_t)size});
        nghttp2_submit_rst_stream(w.peer.session, 0, id, NGHTTP2_CANCEL);
        peer_send(&w.peer);
        world_until(&w, rig_count(&w.rig, ENTRY_RESPONSE) == 2 + i);
        if (i < 2)
            ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    }
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_a_client_ends_the_connection)
{
    struct world w;
    world_init(&w);
    struct upload upload = {.size = 3, .open = true};
    int32_t id = peer_get(&w.peer, "/wait");
    peer_submit(&w.peer, "POST", "/", NULL, &upload);
    world_until(&w, waiting_count == 1 && upload.size == 0);
    shutdown(w.peer.fd, SHUT_WR);
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REFUSED) == 1);
    /* it is answered all the same */
    ck_assert_ptr_nonnull(waiting[0]);
    answer_text(waiting[0], 200, STR("late"));
    ck_str_is(buf_str(&world_answer(&w, id)->body), "late");
    world_until(&w, w.peer.fin);
    rig_until(&w.rig, w.port->live == 0);
    /* RST */
    world_dial(&w, true);
    peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 2);
    rig_reset(w.peer.fd);
    w.peer.fd = -1;
    rig_until(&w.rig, w.port->live == 0);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    ck_assert_uint_eq(gone_count, 2);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_goaway_of_the_client)
{
    struct world w;
    world_init(&w);
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    nghttp2_submit_goaway(w.peer.session, 0, 0, NGHTTP2_ENHANCE_YOUR_CALM, (const uint8_t *)"why",
                          3);
    world_until(&w, rig_count(&w.rig, ENTRY_GOAWAY) == 1);
    const struct entry *entry = rig_entry(&w.rig, ENTRY_GOAWAY);
    ck_assert_int_eq(entry->value, NGHTTP2_ENHANCE_YOUR_CALM);
    ck_assert_uint_eq(entry->flags, ENTRY_CLOSED_BY_CLIENT);
    ck_str_is(((struct str){entry->data, entry->data_size}), "why");
    answer_text(waiting[0], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, id)->body), "done");
    world_until(&w, w.peer.fin);
    world_clear(&w);
}
END_TEST

/* By limits. */

START_TEST(test_answers_408)
{
    struct world w;
    world_init(&w);
    limits.read_ns = CLOCK_SECOND / 50;
    struct upload upload = {.size = 3, .open = true};
    int32_t id = peer_submit(&w.peer, "POST", "/", NULL, &upload);
    struct answer *answer = world_answer(&w, id);
    ck_in(answer->head, ":status: 408\n");
    world_until(&w, answer->reset);
    ck_reset(&w.rig, NGHTTP2_NO_ERROR, 1, ENTRY_CLOSED_BY_SERVER);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_REFUSED)->status, 408);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_ends_an_idle_connection)
{
    struct world w;
    world_init(&w);
    limits.idle_ns = CLOCK_SECOND / 50;
    peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    /* one with a request under way is not idle */
    rig_pass(&w.rig, CLOCK_SECOND / 20);
    ck_assert(!w.port->newest->closing);
    answer_text(waiting[0], 200, STR("done"));
    world_until(&w, w.peer.fin);
    ck_assert_uint_eq(w.peer.goaways, 1);
    ck_assert_uint_eq(w.peer.goaway_code, NGHTTP2_NO_ERROR);
    ck_assert_int_eq(w.peer.goaway_last[0], 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_GOAWAY)->flags, ENTRY_CLOSED_BY_SERVER);
    /* a client that never opens its window */
    world_dial(&w, false);
    peer_get(&w.peer, "/much");
    world_until(&w, w.peer.fin);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    /* one that does not read at all */
    world_dial(&w, true);
    nghttp2_session_set_local_window_size(w.peer.session, 0, 0, 1 << 30);
    nghttp2_settings_entry wide = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
    nghttp2_submit_settings(w.peer.session, 0, &wide, 1);
    for (size_t i = 0; i < 90; i++)
        peer_get(&w.peer, "/much");
    peer_send(&w.peer);
    rig_until(&w.rig, w.port->live && w.port->accepted == 3);
    rig_until(&w.rig, w.port->live == 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_bounds_a_life)
{
    struct world w;
    world_init(&w);
    limits.life_ns = CLOCK_SECOND / 50;
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, w.peer.goaways == 2);
    ck_assert_int_eq(w.peer.goaway_last[0], INT32_MAX);
    ck_assert_int_eq(w.peer.goaway_last[1], 1);
    answer_text(waiting[0], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, id)->body), "done");
    world_until(&w, w.peer.fin);
    world_clear(&w);
}
END_TEST

/* By our side. */

START_TEST(test_cuts)
{
    struct world w;
    world_init(&w);
    struct answer *answer = world_get(&w, "/cut-fin");
    ck_assert(answer->reset && !answer->ended);
    ck_assert_uint_eq(answer->code, NGHTTP2_INTERNAL_ERROR);
    ck_str_is(buf_str(&answer->body), "part");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    int32_t id = peer_get(&w.peer, "/cut-keep");
    world_until(&w, peer_answer(&w.peer, id)->body_size == 4);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert(!peer_answer(&w.peer, id)->ended && !peer_answer(&w.peer, id)->reset);
    nghttp2_submit_rst_stream(w.peer.session, 0, id, NGHTTP2_CANCEL);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_assert(w.port->protocol->is_idle != NULL);
    ck_assert(w.port->newest->protocol->is_idle(w.port->newest));
    peer_get(&w.peer, "/cut-kill");
    world_until(&w, w.peer.fin || w.peer.gone);
    world_clear(&w);
}
END_TEST

START_TEST(test_resets)
{
    struct world w;
    world_init(&w);
    struct answer *answer = world_get(&w, "/reset");
    ck_assert_uint_eq(answer->code, 0xdead);
    ck_reset(&w.rig, 0xdead, 1, ENTRY_CLOSED_BY_SERVER);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    /* in the middle of an answer, what was given of it goes before */
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    struct exchange *exchange = waiting[0];
    struct response_head head = {.status = 200, .content_length = -1};
    exchange_head(exchange, &head);
    exchange_body(exchange, STR("half"));
    ck_assert_uint_eq(h2_stream_id(exchange), (uint32_t)id);
    h2_reset(exchange, NGHTTP2_CANCEL);
    answer = world_answer(&w, id);
    ck_str_is(buf_str(&answer->body), "half");
    ck_assert_uint_eq(answer->code, NGHTTP2_CANCEL);
    ck_assert_uint_eq(gone_count, 1);
    world_clear(&w);
}
END_TEST

START_TEST(test_close_ends_the_connection_behind_the_answer)
{
    struct world w;
    world_init(&w);
    int32_t slow = peer_get(&w.peer, "/wait");
    int32_t id = peer_get(&w.peer, "/static-close");
    ck_str_is(buf_str(&world_answer(&w, id)->body), "hello");
    world_until(&w, w.peer.goaways == 1);
    ck_assert_uint_eq(w.peer.goaway_code, NGHTTP2_NO_ERROR);
    ck_assert_int_eq(w.peer.goaway_last[0], id);
    ck_assert(!w.peer.fin);
    answer_text(waiting[0], 200, STR("slow"));
    ck_str_is(buf_str(&world_answer(&w, slow)->body), "slow");
    world_until(&w, w.peer.fin);
    world_clear(&w);
}
END_TEST

START_TEST(test_drains)
{
    struct world w;
    world_init(&w);
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    /* sent before the client knew of it: it is answered */
    int32_t late = peer_get(&w.peer, "/");
    port_close(w.port, CLOSE_DRAIN, INT64_C(20) * CLOCK_SECOND);
    ck_str_is(buf_str(&world_answer(&w, late)->body), "hello");
    world_until(&w, w.peer.goaways == 2);
    ck_assert_int_eq(w.peer.goaway_last[0], INT32_MAX);
    ck_assert_int_eq(w.peer.goaway_last[1], late);
    ck_assert_uint_eq(w.peer.pings, 1);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_GOAWAY), 2);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    answer_text(waiting[0], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, id)->body), "done");
    world_until(&w, w.peer.fin);
    world_clear(&w);
}
END_TEST

START_TEST(test_drains_an_idle_connection)
{
    struct world w;
    world_init(&w);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    port_close(w.port, CLOSE_DRAIN, INT64_C(20) * CLOCK_SECOND);
    world_until(&w, w.peer.fin);
    /* the client's nghttp2 hears no more after the first */
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_GOAWAY), 2);
    /* a client that answers no PING, and one exchange that was left silent */
    ck_assert_int_eq(port_open(w.port), 0);
    world_dial(&w, false);
    int32_t id = peer_get(&w.peer, "/cut-keep");
    world_until(&w, peer_answer(&w.peer, id)->body_size == 4);
    port_close(w.port, CLOSE_DRAIN, INT64_C(20) * CLOCK_SECOND);
    world_until(&w, w.peer.fin);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_GOAWAY), 4);
    world_clear(&w);
}
END_TEST

START_TEST(test_goaway)
{
    struct world w;
    world_init(&w);
    int32_t first = peer_get(&w.peer, "/wait");
    int32_t second = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 2);
    /* the second is given up, the first is answered, then the connection ends */
    h2_goaway(w.port->newest, NGHTTP2_NO_ERROR, first, STR("bye"), false);
    world_until(&w, w.peer.goaways == 1);
    ck_assert_int_eq(w.peer.goaway_last[0], first);
    ck_str_is(buf_str(&w.peer.goaway_debug), "bye");
    ck_assert_ptr_null(waiting[1]);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    const struct entry *entry = rig_entry(&w.rig, ENTRY_GOAWAY);
    ck_assert_uint_eq(entry->extra, (uint64_t)first);
    ck_str_is(((struct str){entry->data, entry->data_size}), "bye");
    ck_assert(!peer_answer(&w.peer, second)->ended);
    answer_text(waiting[0], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, first)->body), "done");
    world_until(&w, w.peer.fin);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_goaway_with_an_error_ends_at_once)
{
    struct world w;
    world_init(&w);
    peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    h2_goaway(w.port->newest, NGHTTP2_ENHANCE_YOUR_CALM, H2_LAST_SEEN, STR("too_many_pings"),
              false);
    world_until(&w, w.peer.fin);
    ck_assert_uint_eq(w.peer.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    ck_assert_int_eq(w.peer.goaway_last[0], 1);
    ck_assert_uint_eq(gone_count, 1);
    /* kept: it stays, and answers what it had */
    world_dial(&w, true);
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 2);
    h2_goaway(w.port->newest, NGHTTP2_INTERNAL_ERROR, 0x80000002, STR(""), true);
    world_until(&w, w.peer.goaways == 1);
    ck_assert_int_eq(w.peer.goaway_last[0], INT32_MAX);
    answer_text(waiting[1], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, id)->body), "done");
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    peer_turn(&w.peer);
    ck_assert(!w.peer.fin);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_connection_of_http_1_takes_none_of_it)
{
    struct world w;
    world_init(&w);
    say(w.peer.fd, "GET / HTTP/1.1\r\n");
    rig_until(&w.rig, w.port->newest && w.port->newest->received);
    ck_assert(!h2_is(w.port->newest));
    h2_goaway(w.port->newest, 0, H2_LAST_SEEN, STR(""), false);
    h2_raw(w.port->newest, STR("raw"));
    ck_assert_uint_eq(w.port->newest->sent, 0);
    world_clear(&w);
}
END_TEST

/* What faults begin with. */

START_TEST(test_raw_bytes_go_between_frames)
{
    struct world w;
    world_init(&w);
    begin.raw = STR("\0\0\1\x99\0\0\0\0\0x");
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    struct exchange *exchange = waiting[0];
    struct response_head head = {.status = 200, .content_length = -1};
    exchange_head(exchange, &head);
    exchange_body(exchange, STR("first"));
    /* PING, of which the client tells no lies */
    h2_raw(exchange->stream, STR("\0\0\10\6\0\0\0\0\0abcdefgh"));
    exchange_body(exchange, STR("second"));
    exchange->responder_gone = NULL;
    exchange_finish(exchange, NULL);
    ck_str_is(buf_str(&world_answer(&w, id)->body), "firstsecond");
    ck_assert_uint_eq(w.peer.pings, 1);
    world_clear(&w);
}
END_TEST

static void ck_hears(struct world *w, const char *bytes, size_t size)
{
    struct heard heard = {0};
    say(w->peer.fd, NGHTTP2_CLIENT_MAGIC);
    say_bytes(w->peer.fd, "\0\0\0\4\0\0\0\0\0", 9);
    rig_until(&w->rig, (heard_more(&heard, w->peer.fd), heard.size >= size));
    ck_assert_mem_eq(heard.data, bytes, size);
    heard_clear(&heard);
}

START_TEST(test_settings_as_they_are)
{
    struct world w;
    world_init(&w);
    begin.settings[0] = (struct h2_setting){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    begin.settings[1] = (struct h2_setting){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 7};
    begin.setting_count = 2;
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_str_is(buf_str(&w.peer.settings), "4=0 3=7 ");
    /* an upload waits for ever */
    struct upload upload = {.size = 10};
    int32_t id = peer_submit(&w.peer, "POST", "/", NULL, &upload);
    world_until(&w, w.port->newest->received);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    ck_assert(!peer_answer(&w.peer, id)->ended);
    /* illegal ones; what the client thinks of it is its own affair, here it takes them */
    begin.settings[0] = (struct h2_setting){NGHTTP2_SETTINGS_ENABLE_PUSH, 2};
    begin.settings[1] = (struct h2_setting){NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 5};
    begin.settings[2] = (struct h2_setting){0x9999, UINT32_MAX};
    begin.setting_count = 3;
    world_dial(&w, true);
    ck_hears(&w,
             "\0\0\x18\4\0\0\0\0\0"
             "\0\3\0\0\0\x64\0\2\0\0\0\2\0\5\0\0\0\5\x99\x99\xff\xff\xff\xff",
             33);
    world_clear(&w);
}
END_TEST

START_TEST(test_no_settings_and_few_streams)
{
    struct world w;
    world_init(&w);
    begin.no_settings = true;
    begin.raw = STR("\0\0\0\x99\0\0\0\0\0");
    ck_hears(&w, "\0\0\0\x99\0\0\0\0\0", 9);
    begin = (struct h2_begin){.max_streams = 1};
    world_dial(&w, true);
    int32_t first = peer_get(&w.peer, "/wait");
    int32_t second = peer_get(&w.peer, "/wait");
    /* both were sent before the client knew */
    struct answer *answer = world_answer(&w, second);
    ck_assert(answer->reset);
    ck_assert_uint_eq(answer->code, NGHTTP2_REFUSED_STREAM);
    ck_str_is(buf_str(&w.peer.settings), "3=1 ");
    answer_text(waiting[0], 200, STR("done"));
    ck_str_is(buf_str(&world_answer(&w, first)->body), "done");
    world_clear(&w);
}
END_TEST

START_TEST(test_no_window)
{
    struct world w;
    world_init(&w);
    begin.no_window = true;
    struct upload upload = {.size = 100000};
    int32_t id = peer_submit(&w.peer, "POST", "/", NULL, &upload);
    world_until(&w, upload.size == 100000 - 65535);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    peer_turn(&w.peer);
    ck_assert_uint_eq(upload.size, 100000 - 65535);
    ck_assert_uint_eq(w.peer.window_updates, 0);
    ck_assert(!peer_answer(&w.peer, id)->ended);
    world_clear(&w);
}
END_TEST

/* What breaks the protocol. */

START_TEST(test_journals_what_breaks_the_protocol)
{
    static const struct {
        const char *bytes;
        size_t size;
        int64_t code;
        const char *why;
    } cases[] = {
        {"\0\0\4\3\0\0\0\0\0\0\0\0\0", 13, NGHTTP2_PROTOCOL_ERROR, "PROTOCOL_ERROR"},
        {"\0\0\1\0\1\0\0\0\2x", 10, NGHTTP2_PROTOCOL_ERROR, "PROTOCOL_ERROR"},
        {"\0\0\1\0\1\0\0\0\1x", 10, NGHTTP2_STREAM_CLOSED, "which the client had ended"},
        {"\0\0\1\1\5\0\0\0\1\x82", 10, NGHTTP2_STREAM_CLOSED, "which the client had ended"},
        {"\0\0\1\1\5\0\0\0\3\xff", 10, NGHTTP2_COMPRESSION_ERROR, "COMPRESSION_ERROR"},
        {"\0\0\4\x8\0\0\0\0\0\0\0\0\0", 13, NGHTTP2_PROTOCOL_ERROR, "PROTOCOL_ERROR"},
        {"\0\0\7\6\0\0\0\0\0abcdefg", 16, NGHTTP2_FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR"},
        {"\xff\xff\xff\0\1\0\0\0\1", 9, NGHTTP2_FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR"},
    };
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        world_dial(&w, true);
        ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
        uint64_t before = rig_count(&w.rig, ENTRY_GOAWAY);
        say_bytes(w.peer.fd, cases[i].bytes, cases[i].size);
        world_until(&w, w.peer.fin);
        ck_assert_uint_eq(rig_count(&w.rig, ENTRY_GOAWAY), before + 1);
        ck_assert_msg(rig_entry(&w.rig, ENTRY_GOAWAY)->value == cases[i].code, "case %zu: %lld", i,
                      (long long)rig_entry(&w.rig, ENTRY_GOAWAY)->value);
        const struct entry *entry = rig_entry(&w.rig, ENTRY_REFUSED);
        ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), i + 1);
        struct str text = {entry->data, entry->data_size};
        ck_assert_msg(str_find(text, str_of(cases[i].why)) >= 0, "case %zu: " STR_FMT, i,
                      STR_ARG(text));
    }
    world_clear(&w);
}
END_TEST

START_TEST(test_what_comes_on_streams_that_we_reset_is_overlooked)
{
    struct world w;
    world_init(&w);
    limits.body_size = 10;
    struct upload upload = {.size = 60000, .open = true};
    int32_t id = peer_submit(&w.peer, "POST", "/", NULL, &upload);
    struct answer *answer = world_answer(&w, id);
    ck_in(answer->head, ":status: 413\n");
    world_until(&w, answer->reset);
    /* DATA, and trailers, that were under way */
    say_bytes(w.peer.fd, "\0\0\1\0\0\0\0\0\1x", 10);
    say_bytes(w.peer.fd, "\0\0\0\1\5\0\0\0\1", 9);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_a_stream_that_breaks_the_rules_is_reset)
{
    static const char *const bad[] = {"connection", "close", NULL};
    static const char *const longer[] = {"content-length", "5", NULL};
    struct world w;
    world_init(&w);
    world_dial(&w, false);
    struct answer *answer = world_answer(&w, peer_submit(&w.peer, "GET", "/", bad, NULL));
    ck_assert(answer->reset);
    ck_reset(&w.rig, NGHTTP2_PROTOCOL_ERROR, 1, ENTRY_CLOSED_BY_SERVER);
    ck_assert(rig_has_text(&w.rig, ENTRY_REFUSED, "stream 1: PROTOCOL_ERROR: "));
    ck_assert(rig_has_text(&w.rig, ENTRY_REFUSED, "connection"));
    struct upload upload = {.size = 3};
    answer = world_answer(&w, peer_submit(&w.peer, "POST", "/", longer, &upload));
    ck_assert(answer->reset);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 2);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_ends_floods)
{
    struct world w;
    struct buf flood;
    world_init(&w);
    buf_init(&flood, BUF_OWN);
    /* HEADERS that never end */
    buf_append(&flood, STR("\0\0\1\1\0\0\0\0\1\x82"));
    for (int i = 0; i < 20; i++)
        buf_append(&flood, STR("\0\0\0\x9\0\0\0\0\1"));
    peer_turn(&w.peer);
    say_bytes(w.peer.fd, flood.data, flood.size);
    rig_until(&w.rig, w.port->live == 1);
    world_until(&w, w.peer.fin);
    ck_assert_int_eq(rig_entry(&w.rig, ENTRY_GOAWAY)->value, NGHTTP2_ENHANCE_YOUR_CALM);
    ck_assert(rig_has_text(&w.rig, ENTRY_REFUSED, "CONTINUATION"));
    /* requests that are reset again and again */
    world_dial(&w, true);
    for (size_t i = 0; i < 3000 && !w.peer.fin && !w.peer.gone; i++) {
        int32_t id = peer_get(&w.peer, "/wait-not");
        peer_send(&w.peer);
        nghttp2_submit_rst_stream(w.peer.session, 0, id, NGHTTP2_CANCEL);
        peer_send(&w.peer);
        w.peer.count = 0;
        if (i % 50 == 0)
            loop_turn(w.rig.loop);
    }
    rig_until(&w.rig, w.port->live == 0);
    ck_assert_int_eq(rig_entry(&w.rig, ENTRY_GOAWAY)->flags, ENTRY_CLOSED_BY_SERVER);
    buf_clear(&flood);
    world_clear(&w);
}
END_TEST

/* In the middle of it. */

static void observe_and_kill(void *context, const struct entry *entry, uint64_t number)
{
    struct world *w = context;
    (void)entry;
    (void)number;
    port_disconnect(w->port, WHICH_ALL, CLOSE_KILL);
}

START_TEST(test_an_observer_may_kill_the_connection_anywhere)
{
    static const enum entry_kind kinds[] = {ENTRY_REQUEST, ENTRY_RESPONSE, ENTRY_REFUSED,
                                            ENTRY_RESET, ENTRY_GOAWAY};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct world w;
        world_init(&w);
        limits.body_size = 10;
        journal_observe(w.rig.journal, JOURNAL_KIND(kinds[i]), observe_and_kill, &w);
        struct upload upload = {.size = 60, .open = true};
        peer_get(&w.peer, "/");
        peer_get(&w.peer, "/wait");
        if (i > 1)
            peer_submit(&w.peer, "POST", "/", NULL, &upload);
        peer_get(&w.peer, "/static-close");
        peer_send(&w.peer);
        if (kinds[i] == ENTRY_RESET) {
            nghttp2_submit_rst_stream(w.peer.session, 0, 3, NGHTTP2_CANCEL);
            peer_send(&w.peer);
        }
        rig_until(&w.rig, w.port->accepted == 1);
        rig_until(&w.rig, w.port->live == 0);
        world_clear(&w);
    }
}
END_TEST

static void observe_and_reset(void *context, const struct entry *entry, uint64_t number)
{
    (void)context;
    (void)number;
    (void)entry;
    for (size_t i = 0; i < waiting_count; i++) {
        if (waiting[i] && waiting[i]->state == EXCHANGE_WAITING) {
            h2_reset(waiting[i], NGHTTP2_CANCEL);
            return;
        }
    }
}

START_TEST(test_an_observer_may_reset_others_anywhere)
{
    struct world w;
    world_init(&w);
    journal_observe(w.rig.journal,
                    JOURNAL_KIND(ENTRY_RESPONSE) | JOURNAL_KIND(ENTRY_RESET) |
                        JOURNAL_KIND(ENTRY_GOAWAY) | JOURNAL_KIND(ENTRY_REFUSED),
                    observe_and_reset, &w);
    for (size_t i = 0; i < 8; i++)
        peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 8);
    nghttp2_submit_rst_stream(w.peer.session, 0, 9, NGHTTP2_CANCEL);
    world_until(&w, rig_count(&w.rig, ENTRY_RESPONSE) == 8);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    for (size_t i = 0; i < 6; i++)
        peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 14);
    shutdown(w.peer.fd, SHUT_WR);
    rig_until(&w.rig, w.port->live == 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_closing_the_port_cuts_what_is_under_way)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL};
    for (size_t i = 0; i < COUNT_OF(hows); i++) {
        struct world w;
        world_init(&w);
        peer_get(&w.peer, "/wait");
        peer_get(&w.peer, "/big");
        world_until(&w, waiting_count == 1);
        port_close(w.port, hows[i], 0);
        ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 2);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
        world_until(&w, w.peer.fin || w.peer.gone);
        ck_assert(hows[i] != CLOSE_RST || w.peer.gone);
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_tears_down_in_the_middle_of_anything)
{
    static const char *const paths[] = {"/", "/wait", "/big", "/much", "/cut-keep", "/trailers"};
    for (size_t turns = 0; turns < 12; turns++) {
        struct world w;
        world_init(&w);
        world_dial(&w, turns % 2);
        struct upload upload = {.size = 100, .open = true};
        for (size_t i = 0; i < COUNT_OF(paths); i++)
            peer_get(&w.peer, paths[i]);
        peer_submit(&w.peer, "POST", "/echo", NULL, &upload);
        for (size_t i = 0; i < turns; i++) {
            peer_turn(&w.peer);
            loop_turn(w.rig.loop);
        }
        if (turns == 7)
            port_close(w.port, CLOSE_DRAIN, CLOCK_SECOND);
        world_clear(&w);
    }
}
END_TEST

UNIT_MAIN("h2_ends", test_a_client_resets, test_a_reset_in_one_packet_with_its_request,
          test_a_client_ends_the_connection, test_a_goaway_of_the_client, test_answers_408,
          test_ends_an_idle_connection, test_bounds_a_life, test_cuts, test_resets,
          test_close_ends_the_connection_behind_the_answer, test_drains,
          test_drains_an_idle_connection, test_goaway, test_goaway_with_an_error_ends_at_once,
          test_a_connection_of_http_1_takes_none_of_it, test_raw_bytes_go_between_frames,
          test_settings_as_they_are, test_no_settings_and_few_streams, test_no_window,
          test_journals_what_breaks_the_protocol,
          test_what_comes_on_streams_that_we_reset_is_overlooked,
          test_a_stream_that_breaks_the_rules_is_reset, test_ends_floods,
          test_an_observer_may_kill_the_connection_anywhere,
          test_an_observer_may_reset_others_anywhere, test_closing_the_port_cuts_what_is_under_way,
          test_tears_down_in_the_middle_of_anything)
