/* HTTP/2: requests and answers. How connections end: test_h2_ends.c. */
#include "ctest/unit/h2_rig.h"

/* Requests. */

START_TEST(test_reads_a_request)
{
    static const char *const more[] = {"x-a",    "1",   "cookie", "a=1",      "x-a", "2",
                                       "cookie", "b=2", "te",     "trailers", NULL};
    struct world w;
    world_init(&w);
    struct answer *answer =
        world_answer(&w, peer_submit(&w.peer, "GET", "/echo?q=1&r", more, NULL));
    ck_str_is(buf_str(&answer->body), "GET /echo?q=1&r h.example host=h.example,x-a=1,"
                                      "cookie=a=1; b=2,x-a=2,te=trailers,;;");
    ck_in(answer->head, ":status: 200\ndate: ");
    const struct entry *entry = rig_entry(&w.rig, ENTRY_REQUEST);
    struct arena *arena = arena_new();
    struct request request;
    ck_assert(request_unpack((struct str){entry->data, entry->data_size}, arena, &request));
    ck_assert_int_eq(request.version, HTTP_2);
    ck_str_is(request.target, "/echo?q=1&r");
    ck_str_is(headers_get(&request.headers, STR("host")), "h.example");
    ck_assert_uint_eq(entry->extra, 1);
    ck_assert_uint_eq(entry->flags, 0);
    arena_free(arena);
    (void)world_get(&w, "/echo");
    entry = rig_entry(&w.rig, ENTRY_REQUEST);
    ck_assert_uint_eq(entry->extra, 3);
    ck_assert_uint_eq(entry->flags, ENTRY_REUSED);
    ck_assert_uint_eq(entry->request, 2);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_host_header_beside_the_authority)
{
    static const char *const same[] = {"host", "h.example", NULL};
    static const char *const other[] = {"host", "other", NULL};
    struct world w;
    world_init(&w);
    struct answer *answer = world_answer(&w, peer_submit(&w.peer, "GET", "/echo", same, NULL));
    ck_str_is(buf_str(&answer->body), "GET /echo h.example host=h.example,;;");
    answer = world_answer(&w, peer_submit(&w.peer, "GET", "/echo", other, NULL));
    ck_str_is(buf_str(&answer->body), "GET /echo h.example host=h.example,host=other,;;");
    world_clear(&w);
}
END_TEST

START_TEST(test_reads_bodies_and_trailers)
{
    struct world w;
    world_init(&w);
    struct upload upload = {.size = 5, .trailers = true};
    struct answer *answer = world_answer(&w, peer_submit(&w.peer, "POST", "/echo", NULL, &upload));
    ck_str_is(buf_str(&answer->body), "POST /echo h.example host=h.example,;x-t=1,;uuuuu");
    upload = (struct upload){.size = 1 << 20};
    answer = world_answer(&w, peer_submit(&w.peer, "POST", "/echo", NULL, &upload));
    ck_assert_uint_gt(answer->body_size, 1 << 20);
    ck_assert_uint_gt(w.peer.window_updates, 20);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_reads_many_headers)
{
    static const char *more[101];
    static char names[50][8];
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < 50; i++) {
        snprintf(names[i], sizeof names[i], "x-%zu", i);
        more[2 * i] = names[i];
        more[2 * i + 1] = "v";
    }
    struct answer *answer = world_answer(&w, peer_submit(&w.peer, "GET", "/echo", more, NULL));
    ck_in(answer->body, "host=h.example,x-0=v,");
    ck_in(answer->body, ",x-49=v,;;");
    world_clear(&w);
}
END_TEST

START_TEST(test_continues_where_a_body_is_awaited)
{
    static const char *const more[] = {"expect", "100-continue", NULL};
    struct world w;
    world_init(&w);
    struct upload upload = {.open = true};
    int32_t id = peer_submit(&w.peer, "POST", "/echo", more, &upload);
    world_until(&w, peer_answer(&w.peer, id)->head.size);
    ck_str_is(buf_str(&peer_answer(&w.peer, id)->head), ":status: 100\n");
    upload = (struct upload){.size = 3};
    nghttp2_session_resume_data(w.peer.session, id);
    ck_in(world_answer(&w, id)->body, ";uuu");
    world_clear(&w);
}
END_TEST

START_TEST(test_refuses_what_is_too_large)
{
    static char large[5000];
    static const char *const head[] = {"x-large", large, NULL};
    static const char *const length[] = {"content-length", "1048577", NULL};
    struct world w;
    memset(large, 'x', sizeof large - 1);
    world_init(&w);
    struct answer *answer = world_answer(&w, peer_submit(&w.peer, "GET", "/", head, NULL));
    ck_in(answer->head, ":status: 431\n");
    ck_in(answer->body, "`header-size`\n");
    /* told before, and found out */
    struct upload upload = {.size = 20, .open = true};
    answer = world_answer(&w, peer_submit(&w.peer, "POST", "/", length, &upload));
    ck_in(answer->head, ":status: 413\n");
    world_until(&w, answer->reset);
    ck_assert_uint_eq(answer->code, NGHTTP2_NO_ERROR);
    upload = (struct upload){.size = (1 << 20) + 1, .open = true};
    answer = world_answer(&w, peer_submit(&w.peer, "POST", "/", NULL, &upload));
    ck_in(answer->head, ":status: 413\n");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_REFUSED)->status, 413);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 3);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0);
    /* the connection lives */
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_refuses_too_many_headers)
{
    struct world w;
    world_init(&w);
    limits.header_size = LIMIT_SIZE_NONE;
    nghttp2_nv all[1100];
    all[0] = nv(":method", "GET");
    all[1] = nv(":scheme", "http");
    all[2] = nv(":path", "/");
    all[3] = nv(":authority", "h");
    for (size_t i = 4; i < COUNT_OF(all); i++)
        all[i] = nv("a", "b");
    int32_t id = nghttp2_submit_request(w.peer.session, NULL, all, COUNT_OF(all), NULL, NULL);
    ck_in(world_answer(&w, id)->head, ":status: 431\n");
    world_clear(&w);
}
END_TEST

START_TEST(test_refuses_connect)
{
    struct world w;
    world_init(&w);
    struct upload upload = {.open = true};
    struct answer *answer = world_answer(&w, peer_submit(&w.peer, "CONNECT", "", NULL, &upload));
    ck_in(answer->head, ":status: 501\n");
    world_until(&w, answer->reset);
    ck_assert_uint_eq(answer->code, NGHTTP2_NO_ERROR);
    world_clear(&w);
}
END_TEST

START_TEST(test_reads_in_any_pieces)
{
    for (size_t step = 1; step < 12; step += 5) {
        struct world w;
        world_init(&w);
        struct upload upload = {.size = 30};
        int32_t id = peer_submit(&w.peer, "POST", "/echo", NULL, &upload);
        const uint8_t *frame;
        ssize_t size;
        while ((size = nghttp2_session_mem_send(w.peer.session, &frame)) > 0)
            buf_append(&w.peer.unsent, (struct str){(const char *)frame, (size_t)size});
        struct buf all = w.peer.unsent;
        buf_init(&w.peer.unsent, BUF_OWN);
        for (size_t at = 0; at < all.size; at += step) {
            size_t part = all.size - at < step ? all.size - at : step;
            say_bytes(w.peer.fd, all.data + at, part);
            rig_until(&w.rig, w.port->newest && w.port->newest->received == at + part);
        }
        ck_in(world_answer(&w, id)->body, ";uuuuuuuuuuuuuuuuuuuuuuuuuuuuuu");
        buf_clear(&all);
        world_clear(&w);
    }
}
END_TEST

/* Answers. */

START_TEST(test_answers_many_in_one_turn)
{
    struct world w;
    world_init(&w);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    int32_t first = 0;
    for (size_t i = 0; i < 99; i++) {
        int32_t id = peer_get(&w.peer, i % 3 ? "/" : "/echo");
        first = first ? first : id;
    }
    peer_send(&w.peer);
    uint64_t received = w.port->newest->received;
    rig_until(&w.rig, w.port->newest->received > received && w.port->requests == 100);
    /* all of it was one write: it is there without another turn of the loop */
    peer_turn(&w.peer);
    for (int32_t id = first; id < first + 198; id += 2)
        ck_assert(peer_answer(&w.peer, id)->ended);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 100);
    const struct entry *entry = rig_entry(&w.rig, ENTRY_RESPONSE);
    ck_assert_uint_eq(entry->status, 200);
    ck_assert_uint_eq(entry->flags, 0);
    ck_assert_int_ge(entry->value, (int64_t)entry->extra2);
    world_clear(&w);
}
END_TEST

START_TEST(test_answers_static_and_bodiless)
{
    struct world w;
    world_init(&w);
    struct answer *answer = world_get(&w, "/");
    ck_in(answer->head, "x-own: b\n");
    ck_in(answer->head, "content-length: 5\n");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->extra, 5);
    answer = world_get(&w, "/nothing");
    ck_in(answer->head, ":status: 204\n");
    ck_not_in(answer->head, "content-length");
    answer = world_get(&w, "/not-modified");
    ck_in(answer->head, ":status: 304\n");
    ck_assert_uint_eq(answer->body_size, 0);
    answer = world_answer(&w, peer_submit(&w.peer, "HEAD", "/", NULL, NULL));
    ck_in(answer->head, "content-length: 5\n");
    ck_assert_uint_eq(answer->body_size, 0);
    answer = world_answer(&w, peer_submit(&w.peer, "HEAD", "/echo", NULL, NULL));
    ck_in(answer->head, "content-length: ");
    ck_assert_uint_eq(answer->body_size, 0);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 5);
    world_clear(&w);
}
END_TEST

START_TEST(test_sends_early_hints_and_trailers)
{
    struct world w;
    world_init(&w);
    struct answer *answer = world_get(&w, "/early");
    ck_in(answer->head, ":status: 103\nlink: </x>\n:status: 200\n");
    ck_str_is(buf_str(&answer->body), "late");
    answer = world_get(&w, "/trailers");
    ck_str_is(buf_str(&answer->body), "body");
    ck_str_is(buf_str(&answer->trailers), "x-sum: 7\n");
    ck_not_in(answer->head, "content-length");
    answer = world_get(&w, "/only-trailers");
    ck_str_is(buf_str(&answer->trailers), "x-sum: 7\n");
    world_clear(&w);
}
END_TEST

START_TEST(test_leaves_out_what_is_of_http_1)
{
    struct world w;
    world_init(&w);
    world_dial(&w, false);
    struct answer *answer = world_get(&w, "/coded");
    ck_not_in(answer->head, "transfer-encoding");
    ck_in(answer->head, "content-length: 3\n");
    /* a lie about the length is told */
    answer = world_get(&w, "/lie");
    ck_in(answer->head, "content-length: 10\n");
    ck_str_is(buf_str(&answer->body), "abc");
    answer = world_get(&w, "/raw");
    ck_assert(answer->reset);
    ck_assert_uint_eq(answer->code, NGHTTP2_INTERNAL_ERROR);
    ck_assert(rig_has_text(&w.rig, ENTRY_NOTE, "`raw` is no answer of HTTP/2"));
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
    answer = world_get(&w, "/close-by-hand");
    ck_not_in(answer->head, "connection");
    world_until(&w, w.peer.fin);
    ck_assert_uint_eq(w.peer.goaways, 1);
    world_clear(&w);
}
END_TEST

START_TEST(test_sends_large_bodies_under_back_pressure)
{
    struct world w;
    world_init(&w);
    struct answer *answer = world_get(&w, "/big");
    ck_assert_uint_eq(answer->body_size, BIG);
    ck_assert_uint_le(most_queued, STREAM_HIGH_MARK + 65536);
    /* a client that opens no window gets what it allowed, and the rest is not made */
    world_dial(&w, false);
    int32_t id = peer_get(&w.peer, "/big");
    world_until(&w, peer_answer(&w.peer, id)->body_size == 65535);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    ck_assert_uint_gt(big_left, BIG - 512 * 1024);
    nghttp2_submit_window_update(w.peer.session, 0, id, 100000);
    nghttp2_submit_window_update(w.peer.session, 0, 0, 100000);
    world_until(&w, peer_answer(&w.peer, id)->body_size == 165535);
    world_clear(&w);
    ck_assert_uint_eq(gone_count, 1);
}
END_TEST

START_TEST(test_a_large_answer_to_a_request_with_a_body)
{
    struct upload upload = {.size = 10};
    struct world w;
    world_init(&w);
    int32_t id = peer_submit(&w.peer, "POST", "/big", NULL, &upload);
    ck_assert_uint_eq(world_answer(&w, id)->body_size, BIG);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_client_that_does_not_read_stops_the_answer)
{
    struct world w;
    world_init(&w);
    nghttp2_session_set_local_window_size(w.peer.session, 0, 0, 1 << 30);
    nghttp2_settings_entry wide = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
    nghttp2_submit_settings(w.peer.session, 0, &wide, 1);
    int32_t id = peer_get(&w.peer, "/big");
    peer_send(&w.peer);
    rig_until(&w.rig, w.port->newest && stream_queued(w.port->newest) > STREAM_LOW_MARK);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    ck_assert_uint_gt(big_left, 0);
    ck_assert_uint_le(stream_queued(w.port->newest), STREAM_HIGH_MARK + 2 * 65536);
    ck_assert_uint_eq(world_answer(&w, id)->body_size, BIG);
    world_clear(&w);
}
END_TEST

START_TEST(test_an_answer_is_whole_when_its_end_is_sent)
{
    struct world w;
    world_init(&w);
    world_dial(&w, false);
    int32_t id = peer_get(&w.peer, "/much");
    world_until(&w, peer_answer(&w.peer, id)->body_size == 65535);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 0);
    nghttp2_submit_window_update(w.peer.session, 0, 0, 1 << 20);
    nghttp2_submit_window_update(w.peer.session, 0, id, 1 << 20);
    ck_assert_uint_eq(world_answer(&w, id)->body_size, sizeof much);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, 0);
    /* one that is reset before that was not whole */
    nghttp2_submit_window_update(w.peer.session, 0, 0, -(1 << 20));
    id = peer_get(&w.peer, "/much");
    world_until(&w, peer_answer(&w.peer, id)->body_size == 65535);
    nghttp2_submit_rst_stream(w.peer.session, 0, id, NGHTTP2_CANCEL);
    world_until(&w, rig_count(&w.rig, ENTRY_RESPONSE) == 2);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_delayed_answer_leaves_in_one_packet)
{
    struct world w;
    world_init(&w);
    int32_t id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 1);
    answer_text(waiting[0], 200, STR("together"));
    peer_turn(&w.peer);
    ck_assert(peer_answer(&w.peer, id)->ended);
    /* a head alone, and a piece of a body, leave by themselves */
    id = peer_get(&w.peer, "/wait");
    world_until(&w, waiting_count == 2);
    struct response_head head = {.status = 202, .content_length = -1};
    exchange_head(waiting[1], &head);
    world_until(&w, peer_answer(&w.peer, id)->head.size);
    exchange_body(waiting[1], STR("piece"));
    world_until(&w, peer_answer(&w.peer, id)->body_size == 5);
    struct exchange *last = waiting[1];
    last->responder_gone = NULL;
    exchange_finish(last, NULL);
    world_until(&w, peer_answer(&w.peer, id)->ended);
    world_clear(&w);
}
END_TEST

START_TEST(test_holds_a_request)
{
    struct world w;
    world_init(&w);
    w.rig.server.arriving = NULL;
    int32_t id = peer_get(&w.peer, "/wait");
    int32_t other = peer_get(&w.peer, "/");
    /* others go on while one waits */
    ck_str_is(buf_str(&world_answer(&w, other)->body), "hello");
    ck_assert(!peer_answer(&w.peer, id)->ended);
    answer_static(waiting[0], 200, false);
    ck_str_is(buf_str(&world_answer(&w, id)->body), "hello");
    ck_assert_uint_eq(gone_count, 1);
    world_clear(&w);
}
END_TEST

START_TEST(test_streams_are_bounded)
{
    struct world w;
    world_init(&w);
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    ck_str_is(buf_str(&w.peer.settings), "3=100 ");
    struct upload uploads[101] = {0};
    int32_t last = 0;
    for (size_t i = 0; i < 101; i++) {
        uploads[i].open = true;
        last = peer_submit(&w.peer, "POST", "/", NULL, &uploads[i]);
    }
    /* the client keeps to it: the last one waits for another to end */
    world_until(&w, w.port->newest->received &&
                        nghttp2_session_get_next_stream_id(w.peer.session) > (uint32_t)last - 2);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    uploads[0].open = false;
    nghttp2_session_resume_data(w.peer.session, 3);
    world_answer(&w, 3);
    uploads[100].open = false;
    nghttp2_session_resume_data(w.peer.session, last);
    ck_str_is(buf_str(&world_answer(&w, last)->body), "hello");
    world_clear(&w);
}
END_TEST

/* Beginnings. */

static void say_upgrade(struct world *w, const char *method, const char *more, const char *body)
{
    char text[1024];
    snprintf(text, sizeof text,
             "%s /echo?u HTTP/1.1\r\nHost: up\r\nConnection: Upgrade, HTTP2-Settings\r\n"
             "Upgrade: h2c\r\n%s\r\n%s",
             method, more, body);
    say(w->peer.fd, text);
}

START_TEST(test_upgrades)
{
    static const char *const bodies[] = {"", "Content-Length: 3\r\n",
                                         "Transfer-Encoding: chunked\r\n"};
    static const char *const sent[] = {"", "abc", "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"};
    static const char *const heard[] = {"GET /echo?u up host=up,;;",
                                        "POST /echo?u up host=up,content-length=3,;;abc",
                                        "POST /echo?u up host=up,;x-t=1,;abc"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct world w;
        struct heard text = {0};
        char more[200];
        world_init(&w);
        snprintf(more, sizeof more, "HTTP2-Settings: AAQAAP__\r\n%s", bodies[i]);
        say_upgrade(&w, i ? "POST" : "GET", more, sent[i]);
        rig_until(&w.rig, heard_has(&text, w.peer.fd, "\r\n\r\n") && text.size > 70);
        ck_assert(strncmp(text.data, "HTTP/1.1 101 Switching Protocols\r\n", 34) == 0);
        size_t behind = (size_t)(strstr(text.data, "\r\n\r\n") + 4 - text.data);
        /* the client's side of it */
        ck_assert_int_eq(nghttp2_session_upgrade2(w.peer.session, (const uint8_t *)"", 0, 0, NULL),
                         0);
        nghttp2_session_mem_recv(w.peer.session, (const uint8_t *)text.data + behind,
                                 text.size - behind);
        struct answer *answer = world_answer(&w, 1);
        struct str body = buf_str(&answer->body);
        /* names of HTTP/1 keep their letters */
        ck_assert_uint_eq(body.size, strlen(heard[i]));
        for (size_t at = 0; at < body.size; at++)
            ck_assert_int_eq(body.data[at] | 0x20, heard[i][at] | 0x20);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_REQUEST)->extra, 1);
        ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
        heard_clear(&text);
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_the_answer_to_an_upgrade_waits_for_the_preface)
{
    struct world w;
    struct heard text = {0};
    world_init(&w);
    say_upgrade(&w, "HEAD", "HTTP2-Settings: \r\n", "");
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REQUEST) == 1);
    rig_pass(&w.rig, CLOCK_SECOND / 50);
    heard_more(&text, w.peer.fd);
    /* 101 and SETTINGS */
    ck_assert_uint_eq(text.size, (size_t)(strstr(text.data, "\r\n\r\n") + 4 - text.data) + 15);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 0);
    heard_clear(&text);
    world_clear(&w);
}
END_TEST

START_TEST(test_asks_for_an_upgrade)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAQAAP__\r\nHTTP2-Settings: AAQAAP__\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: !!!!\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAQA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\n"
        "HTTP2-Settings: AAQAAP__\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    };
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct heard text = {0};
        world_dial(&w, true);
        say(w.peer.fd, requests[i]);
        rig_until(&w.rig, heard_more(&text, w.peer.fd));
        ck_assert_msg(strncmp(text.data, "HTTP/1.1 426 ", 13) == 0, "%s", requests[i]);
        ck_assert_ptr_nonnull(strstr(text.data, "\r\nupgrade: h2c\r\n"));
        ck_assert_ptr_nonnull(strstr(text.data, "\r\nconnection: close, upgrade\r\n"));
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_REFUSED)->status, 426);
        heard_clear(&text);
    }
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_broken_prefaces)
{
    static const char *const prefaces[] = {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n0123456789",
                                           "PRI nothing\r\n", "INVALID CONNECTION PREFACE\r\n\r\n",
                                           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 text"};
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(prefaces); i++) {
        struct heard text = {0};
        world_dial(&w, true);
        uint64_t refused = rig_count(&w.rig, ENTRY_REFUSED);
        say_bytes(w.peer.fd, prefaces[i], i == 3 ? 16 : strlen(prefaces[i]));
        rig_until(&w.rig, rig_count(&w.rig, ENTRY_REFUSED) > refused);
        rig_until(&w.rig, heard_more(&text, w.peer.fd));
        ck_assert(!text.data || !strstr(text.data, "HTTP/1.1"));
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_REFUSED)->status, 0);
        heard_clear(&text);
    }
    world_clear(&w);
}
END_TEST

START_TEST(test_h2_itself_needs_its_preface)
{
    struct world w;
    struct heard text = {0};
    world_init(&w);
    w.port->protocol = &h2_protocol;
    ck_str_is(buf_str(&world_get(&w, "/")->body), "hello");
    world_dial(&w, true);
    say(w.peer.fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    rig_until(&w.rig, heard_more(&text, w.peer.fd));
    ck_assert(rig_has_text(&w.rig, ENTRY_REFUSED, "magic"));
    ck_assert_int_eq(rig_entry(&w.rig, ENTRY_GOAWAY)->value, NGHTTP2_PROTOCOL_ERROR);
    heard_clear(&text);
    world_clear(&w);
}
END_TEST

START_TEST(test_names_errors)
{
    char text[24];
    uint32_t code = 77;
    ck_str_is(h2_error_name(0, text), "NO_ERROR");
    ck_str_is(h2_error_name(13, text), "HTTP_1_1_REQUIRED");
    ck_str_is(h2_error_name(57005, text), "code 57005");
    ck_str_is(h2_error_name(UINT32_MAX, text), "code 4294967295");
    ck_assert(h2_error_number(STR("ENHANCE_YOUR_CALM"), &code) && code == 11);
    ck_assert(h2_error_number(STR("0xdeadBEEF"), &code) && code == 0xdeadbeef);
    ck_assert(h2_error_number(STR("14"), &code) && code == 14);
    ck_assert(h2_error_number(STR("code 57005"), &code) && code == 57005);
    ck_assert(!h2_error_number(STR("no_error"), &code));
    ck_assert(!h2_error_number(STR(""), &code));
    ck_assert(!h2_error_number(STR("0x"), &code));
    ck_assert(!h2_error_number(STR("0x123456789"), &code));
    ck_assert(!h2_error_number(STR("4294967296"), &code));
    ck_assert(!h2_error_number(STR("-1"), &code));
}
END_TEST

UNIT_MAIN("h2", test_reads_a_request, test_a_host_header_beside_the_authority,
          test_reads_bodies_and_trailers, test_reads_many_headers,
          test_continues_where_a_body_is_awaited, test_refuses_what_is_too_large,
          test_refuses_too_many_headers, test_refuses_connect, test_reads_in_any_pieces,
          test_answers_many_in_one_turn, test_answers_static_and_bodiless,
          test_sends_early_hints_and_trailers, test_leaves_out_what_is_of_http_1,
          test_sends_large_bodies_under_back_pressure, test_a_large_answer_to_a_request_with_a_body,
          test_a_client_that_does_not_read_stops_the_answer,
          test_an_answer_is_whole_when_its_end_is_sent, test_a_delayed_answer_leaves_in_one_packet,
          test_holds_a_request, test_streams_are_bounded, test_upgrades,
          test_the_answer_to_an_upgrade_waits_for_the_preface, test_asks_for_an_upgrade,
          test_broken_prefaces, test_h2_itself_needs_its_preface, test_names_errors)
