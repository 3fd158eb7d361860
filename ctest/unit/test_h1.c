/* The server of HTTP/1: answers, and what it refuses. */
#include "ctest/unit/h1_rig.h"

/* Answers. */

START_TEST(test_answers_a_static_request)
{
    struct world w;
    world_init(&w);
    const char *text = world_ask(&w, GET("/"), "hello");
    ck_assert(strncmp(text, "HTTP/1.1 200 OK\r\ndate: ", 23) == 0);
    ck_has(text, " GMT\r\ncontent-length: 5\r\n\r\nhello");
    ck_assert_uint_eq(strlen("date: Sun, 06 Nov 1994 08:49:37 GMT"),
                      (size_t)(strstr(text, "\r\ncontent") - text) - 17);
    const struct entry *entry = rig_entry(&w.rig, ENTRY_RESPONSE);
    ck_assert_uint_eq(entry->status, 200);
    ck_assert_uint_eq(entry->flags, 0);
    ck_assert_uint_eq(entry->extra, 5);
    ck_assert_uint_eq(entry->request, 1);
    ck_assert_uint_eq(entry->connection, 1);
    ck_assert_int_ge(entry->value, (int64_t)entry->extra2);
    world_clear(&w);
}
END_TEST

START_TEST(test_keeps_the_connection_and_journals_reuse)
{
    struct world w;
    world_init(&w);
    world_ask(&w, GET("/text"), "\r\n\r\ntext");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_REQUEST)->flags, 0);
    world_ask(&w, "\r\n" GET("/text"), "\r\n\r\ntext");
    const struct entry *entry = rig_entry(&w.rig, ENTRY_REQUEST);
    ck_assert_uint_eq(entry->flags, ENTRY_REUSED);
    ck_assert_uint_eq(entry->request, 2);
    struct arena *arena = arena_new();
    struct request request;
    ck_assert(request_unpack((struct str){entry->data, entry->data_size}, arena, &request));
    ck_str_is(request.path, "/text");
    ck_str_is(headers_get(&request.headers, STR("host")), "h");
    arena_free(arena);
    ck_assert_uint_eq(w.port->requests, 2);
    world_clear(&w);
}
END_TEST

START_TEST(test_answers_pipelined_requests_in_one_write)
{
    struct world w;
    world_init(&w);
    char text[8192] = "";
    for (int i = 0; i < 32; i++)
        strncat(text, i % 3 ? GET("/") : GET("/text"), sizeof text - strlen(text) - 1);
    strncat(text, "GET /chunks HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            sizeof text - strlen(text) - 1);
    rig_until(&w.rig, w.port->live == 1);
    const char *heard = world_ask_to_end(&w, text);
    ck_assert_uint_eq(count_of(heard, "HTTP/1.1 200 OK"), 33);
    ck_assert_uint_eq(count_of(heard, "\r\n\r\nhello"), 21);
    ck_assert_uint_eq(count_of(heard, "connection: close"), 1);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 33);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 33);
    world_clear(&w);
}
END_TEST

START_TEST(test_reads_requests_in_any_pieces)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x\r\nabcde\r\n1\r\nf\r\n0\r\nT: 1\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz\r\n" GET("/");
    for (size_t step = 1; step < 12; step += 5) {
        struct world w;
        world_init(&w);
        for (size_t at = 0; at < sizeof text - 1; at += step) {
            size_t size = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;
            say_bytes(w.fd, text + at, size);
            /* read as one piece each */
            rig_until(&w.rig, w.port->newest && w.port->newest->received == at + size);
        }
        rig_until(&w.rig, heard_has(&w.heard, w.fd, "\r\n\r\nhello"));
        ck_has(w.heard.data, "content-length: 6\r\n\r\nabcdef");
        ck_has(w.heard.data, "content-length: 3\r\n\r\nxyz");
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_answers_in_chunks)
{
    struct world w;
    world_init(&w);
    const char *text = world_ask(&w, GET("/chunks"), "0\r\nx-sum: 7\r\n\r\n");
    ck_has(text, "transfer-encoding: chunked\r\n\r\n3\r\none\r\n14\r\ntwenty chars of "
                 "text\r\n0\r\nx-sum: 7\r\n\r\n");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->extra, 23);
    /* HTTP/1.0 knows no chunks: the body ends with the connection */
    text = world_ask_to_end(&w, "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_has(text, "connection: close\r\n\r\nonetwenty chars of text");
    world_clear(&w);
}
END_TEST

START_TEST(test_speaks_1_0)
{
    struct world w;
    world_init(&w);
    const char *text = world_ask(&w, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "hello");
    ck_has(text, "connection: keep-alive\r\n");
    text = world_ask(&w, "GET /text HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "\r\n\r\ntext");
    ck_has(text, "connection: keep-alive\r\n");
    text = world_ask_to_end(&w, "GET /early HTTP/1.0\r\n\r\n");
    ck_has(text, "connection: close\r\n");
    ck_has_not(text, "103");
    world_clear(&w);
}
END_TEST

START_TEST(test_closes_when_asked)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /text HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n",
        GET("/static-close"),
        "GET / HTTP/1.0\r\n\r\n",
    };
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        world_dial(&w);
        ck_has(world_ask_to_end(&w, requests[i]), "\r\nconnection: close\r\n");
    }
    world_dial(&w);
    /* by hand: said once */
    const char *text = world_ask_to_end(&w, GET("/close"));
    ck_has(text, "Connection: close\r\n");
    ck_has_not(text, "connection: close\r\n");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_sends_no_body_where_there_is_none)
{
    struct world w;
    world_init(&w);
    say(w.fd, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD /chunks HTTP/1.1\r\nHost: h\r\n\r\n");
    say(w.fd, GET("/nothing") GET("/not-modified"));
    const char *text =
        world_ask_to_end(&w, "HEAD /text HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    ck_assert_uint_eq(count_of(text, "HTTP/1.1 "), 5);
    ck_has(text, "content-length: 5\r\n\r\nHTTP/1.1 200");
    ck_has(text, "transfer-encoding: chunked\r\n\r\nHTTP/1.1 204 No Content");
    ck_has(text, "x-a: b\r\n\r\nHTTP/1.1 304 Not Modified");
    ck_has(text, "content-length: 4\r\nconnection: close\r\n\r\n");
    ck_has_not(text, "abc");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->extra, 4);
    world_clear(&w);
}
END_TEST

START_TEST(test_frames_by_hand)
{
    struct world w;
    world_init(&w);
    const char *text = world_ask(&w, GET("/right"), "\r\n\r\nabc");
    ck_has_not(text, "content-length");
    /* a length that lies ends the connection */
    text = world_ask_to_end(&w, GET("/long"));
    ck_has(text, "Content-Length: 10\r\n\r\nabc");
    world_dial(&w);
    text = world_ask_to_end(&w, GET("/bare"));
    ck_assert_str_eq(text, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
    world_dial(&w);
    text = world_ask(&w, GET("/raw"), "RAW\n");
    ck_assert_str_eq(text, "RAW\n");
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->status, 299);
    world_ask(&w, GET("/"), "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_sends_early_hints_and_trailers)
{
    struct world w;
    world_init(&w);
    const char *text = world_ask(&w, GET("/early"), "\r\n\r\nlate");
    ck_assert(strncmp(text, "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n",
                      57) == 0);
    heard_clear(&w.heard);
    text = world_ask_to_end(&w, "POST /trailer HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                                "chunked\r\n\r\n0\r\nX-T: tea\r\n\r\n");
    ck_assert_str_eq(text, "tea");
    world_clear(&w);
}
END_TEST

START_TEST(test_continues_only_where_a_body_is_awaited)
{
    struct world w;
    world_init(&w);
    world_ask(&w,
              "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
              "HTTP/1.1 100 Continue\r\n\r\n");
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0);
    world_ask(&w, "abc", "\r\n\r\nabc");
    /* already there, none at all, or an old client */
    const char *text = world_ask(
        &w,
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
        "\r\n\r\nabc");
    ck_has_not(text, "100 Continue");
    text = world_ask(&w, "GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", "hello");
    ck_has_not(text, "100 Continue");
    say(w.fd, "POST /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    rig_pass(&w.rig, 5 * CLOCK_MS);
    text = world_ask(&w, "xyz", "xyz");
    ck_has_not(text, "100 Continue");
    world_dial(&w);
    /* too large: refused before it is sent */
    text = world_ask_to_end(&w, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: "
                                "1048577\r\nExpect: 100-continue\r\n\r\n");
    ck_assert(strncmp(text, "HTTP/1.1 413 ", 13) == 0);
    ck_has_not(text, "100 Continue");
    world_clear(&w);
}
END_TEST

START_TEST(test_ignores_upgrades)
{
    struct world w;
    world_init(&w);
    const char *text = world_ask(
        &w,
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        "hello");
    ck_has(text, "200 OK");
    world_ask(&w, GET("/"), "hello");
    world_clear(&w);
}
END_TEST

/* Refusals. */

START_TEST(test_refuses_what_breaks_http)
{
    struct world w;
    char text[4096];
    world_init(&w);
    ck_refused(&w, "GET / HTTP/1.1\n\n", 400);
    ck_refused(
        &w, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        400);
    ck_refused(&w, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501);
    ck_refused(&w, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400);
    ck_refused(
        &w,
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
        400);
    ck_refused(&w, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    ck_refused(&w, "GET / HTTP/1.1\r\n\r\n", 400);
    ck_refused(&w, "\x16\x03\x01\x02\x03", 400);
    ck_refused(&w, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n", 413);
    ck_refused(&w, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
               413);
    snprintf(text, sizeof text, "GET /%02000d HTTP/1.1\r\n", 1);
    ck_refused(&w, text, 414);
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nX: %02000d\r\n", 1);
    ck_refused(&w, text, 431);
    snprintf(text, sizeof text,
             "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: %02000d\r\n",
             1);
    ck_refused(&w, text, 431);
    world_clear(&w);
}
END_TEST

START_TEST(test_refuses_a_body_that_grows_too_large)
{
    struct world w;
    world_init(&w);
    limits.body_size = 10;
    ck_refused(&w,
               "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
               "chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n",
               413);
    world_dial(&w);
    world_ask(&w,
              "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
              "chunked\r\n\r\n6\r\nabcdef\r\n4\r\nabcd\r\n0\r\n\r\n",
              "abcdefabcd");
    world_clear(&w);
}
END_TEST

START_TEST(test_an_unread_body_does_not_destroy_the_answer)
{
    struct world w;
    static char block[65536];
    world_init(&w);
    say(w.fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n");
    size_t sent = 0;
    /* a client that sends all of it before it listens */
    while (sent < 8u << 20) {
        ssize_t done = send(w.fd, block, sizeof block, MSG_NOSIGNAL);
        ck_assert(done > 0 || errno == EAGAIN);
        sent += done > 0 ? (size_t)done : 0;
        loop_turn(w.rig.loop);
    }
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_assert(w.heard.fin && strncmp(w.heard.data, "HTTP/1.1 413 ", 13) == 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_notes_what_breaks_off)
{
    static const char *const parts[] = {
        "GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"};
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        for (int reset = 0; reset < 2; reset++) {
            uint64_t before = rig_count(&w.rig, ENTRY_CONNECTION_END);
            int fd = rig_dial(w.port->number);
            say(fd, parts[i]);
            rig_until(&w.rig, w.port->newest && w.port->newest->received == strlen(parts[i]));
            if (reset)
                rig_reset(fd);
            else
                close(fd);
            rig_until(&w.rig, rig_count(&w.rig, ENTRY_CONNECTION_END) == before + 1);
            const struct entry *entry = rig_entry(&w.rig, ENTRY_REFUSED);
            ck_assert_uint_eq(entry->status, 0);
            char why[200];
            snprintf(why, sizeof why, STR_FMT, (int)entry->data_size, entry->data);
            ck_has(why, i ? "body" : "head");
            ck_has(why, reset ? "reset" : "closed");
        }
    }
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 4);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 0);
    world_clear(&w);
}
END_TEST

UNIT_MAIN("h1", test_answers_a_static_request, test_keeps_the_connection_and_journals_reuse,
          test_answers_pipelined_requests_in_one_write, test_reads_requests_in_any_pieces,
          test_answers_in_chunks, test_speaks_1_0, test_closes_when_asked,
          test_sends_no_body_where_there_is_none, test_frames_by_hand,
          test_sends_early_hints_and_trailers, test_continues_only_where_a_body_is_awaited,
          test_ignores_upgrades, test_refuses_what_breaks_http,
          test_refuses_a_body_that_grows_too_large, test_an_unread_body_does_not_destroy_the_answer,
          test_notes_what_breaks_off)
