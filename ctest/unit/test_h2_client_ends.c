/* Our client of HTTP/2: how connections and calls end. */
#include "ctest/unit/h2_client_rig.h"

/* How it ends. */

/** One GET whose answer begins with `bytes` in it; checks how it ends. */
#define ck_ends(told, kind_, phase_, part)                                                         \
    do {                                                                                           \
        get(told);                                                                                 \
        ck_assert_msg((told)->end.kind == (kind_) && (told)->end.phase == (phase_), "%d %d: %s",   \
                      (int)(told)->end.kind, (int)(told)->end.phase, (told)->words);               \
        ck_assert_msg(strstr((told)->words, part), "%s is not in: %s", part, (told)->words);       \
        tear_down(told);                                                                           \
    } while (0)

START_TEST(test_resets)
{
    struct told told;
    set_up(&told);
    frame_reset(one_answer(PEER_STALL), 1, NGHTTP2_REFUSED_STREAM);
    ck_ends(&told, H2_END_RESET, H2_WAITING, "REFUSED_STREAM");
    ck_assert_uint_eq(told.end.code, NGHTTP2_REFUSED_STREAM);
    ck_assert_int_eq(told.end.first_byte_ns, -1);
    set_up(&told);
    struct buf *bytes = one_answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_reset(bytes, 1, 0xdead);
    ck_ends(&told, H2_END_RESET, H2_BODY, "57005");
    ck_assert_uint_eq(told.end.code, 0xdead);
    /* it is whole: what follows is of no matter */
    set_up(&told);
    bytes = one_answer(PEER_STALL);
    frame_answer(bytes, 1, "ok");
    frame_reset(bytes, 1, NGHTTP2_NO_ERROR);
    ck_ends(&told, H2_END_WHOLE, H2_BODY, "");
}
END_TEST

START_TEST(test_goaway)
{
    struct told told;
    set_up(&told);
    frame_goaway(one_answer(PEER_STALL), 0, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    ck_ends(&told, H2_END_GOAWAY, H2_WAITING, "too_many_pings");
    ck_assert_uint_eq(told.end.code, NGHTTP2_ENHANCE_YOUR_CALM);
    ck_assert_int_eq(told.end.last, 0);
    /* one that is not beyond is answered */
    set_up(&told);
    struct buf *bytes = one_answer(PEER_FIN);
    frame_goaway(bytes, 1, NGHTTP2_NO_ERROR, "");
    frame_answer(bytes, 1, "ok");
    ck_ends(&told, H2_END_WHOLE, H2_BODY, "");
    /* and when it is not, the end of the connection is what happened */
    set_up(&told);
    bytes = one_answer(PEER_FIN);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_goaway(bytes, 1, NGHTTP2_NO_ERROR, "");
    ck_ends(&told, H2_END_CLOSED, H2_BODY, "after a GOAWAY");
    /* but an error says why */
    set_up(&told);
    bytes = one_answer(PEER_FIN);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_goaway(bytes, 1, NGHTTP2_INTERNAL_ERROR, "");
    ck_ends(&told, H2_END_GOAWAY, H2_BODY, "INTERNAL_ERROR");
    ck_assert_int_eq(told.end.last, 1);
    /* in two steps: the second one leaves it out */
    set_up(&told);
    bytes = one_answer(PEER_STALL);
    frame_goaway(bytes, 0x7fffffff, NGHTTP2_NO_ERROR, "");
    frame_goaway(bytes, 0, NGHTTP2_NO_ERROR, "");
    ck_ends(&told, H2_END_GOAWAY, H2_WAITING, "last stream 0");
}
END_TEST

START_TEST(test_no_calls_after_a_goaway)
{
    struct told told;
    struct told second;
    set_up(&told);
    told_init(&second);
    struct buf *bytes = one_answer(PEER_STALL);
    frame_goaway(bytes, 1, NGHTTP2_NO_ERROR, "");
    frame_headers(bytes, 1, false, ":status: 200");
    peer_start();
    told_connect(&told);
    told_start(&told, "/");
    RUN_WHILE(!told.heads);
    ck_assert(!h2_client_is_usable(told.client));
    ck_assert_uint_eq(told.ended, 1);
    ck_assert_int_eq(told.connection_end, H2_END_GOAWAY);
    second.client = told.client;
    told_start(&second, "/");
    run_until(&second.finished);
    ck_assert_int_eq(second.end.kind, H2_END_GOAWAY);
    ck_assert(!told.finished);
    told_clear(&second);
    tear_down(&told);
}
END_TEST

START_TEST(test_the_connection_ends)
{
    struct told told;
    set_up(&told);
    one_answer(PEER_FIN);
    ck_ends(&told, H2_END_CLOSED, H2_WAITING, "closed");
    set_up(&told);
    struct buf *bytes = one_answer(PEER_FIN);
    frame_sized(bytes, 100, NGHTTP2_HEADERS, END_HEADERS, 1, STR("\x88"));
    ck_ends(&told, H2_END_CLOSED, H2_HEAD, "closed");
    set_up(&told);
    bytes = one_answer(PEER_FIN);
    frame_headers(bytes, 1, false, ":status: 103\nx-interim: 1");
    ck_ends(&told, H2_END_CLOSED, H2_HEAD, "closed");
    set_up(&told);
    bytes = one_answer(PEER_FIN);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_data(bytes, 1, false, STR("half"));
    ck_ends(&told, H2_END_CLOSED, H2_BODY, "closed");
    set_up(&told);
    one_answer(PEER_RST);
    ck_ends(&told, H2_END_BROKEN, H2_WAITING, "reset");
    ck_assert_int_eq(told.end.error, ECONNRESET);
    set_up(&told);
    bytes = one_answer(PEER_RST);
    frame_headers(bytes, 1, false, ":status: 200");
    ck_ends(&told, H2_END_BROKEN, H2_BODY, "reset");
}
END_TEST

/** One answer of these bytes is against the rules. */
static void ck_wrong(struct told *told, enum h2_phase phase, uint32_t code, const char *part)
{
    ck_ends(told, H2_END_PROTOCOL, phase, part);
    ck_assert_uint_eq(told->end.code, code);
}

START_TEST(test_rules_of_frames)
{
    struct told told;
    set_up(&told);
    frame(one_answer(PEER_STALL), NGHTTP2_PING, 0, 0, STR("short"));
    ck_wrong(&told, H2_WAITING, NGHTTP2_FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR");
    /* with a FIN right behind it is no other error */
    set_up(&told);
    frame(one_answer(PEER_FIN), NGHTTP2_PING, 0, 0, STR("short"));
    ck_wrong(&told, H2_WAITING, NGHTTP2_FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR");
    set_up(&told);
    frame_data(one_answer(PEER_STALL), 1, false, STR("early"));
    ck_wrong(&told, H2_WAITING, NGHTTP2_PROTOCOL_ERROR, "");
    set_up(&told);
    frame(one_answer(PEER_STALL), NGHTTP2_HEADERS, END_HEADERS, 1, STR("\xff\xff\xff\xff\xff"));
    ck_wrong(&told, H2_HEAD, NGHTTP2_COMPRESSION_ERROR, "");
    set_up(&told);
    frame_sized(one_answer(PEER_STALL), 0xffffff, NGHTTP2_DATA, 0, 1, STR(""));
    ck_wrong(&told, H2_WAITING, NGHTTP2_FRAME_SIZE_ERROR, "");
    /* no SETTINGS */
    set_up(&told);
    frame_answer(stage_add(peer_script(PEER_STALL), 1, NULL), 1, "ok");
    get(&told);
    ck_assert_int_eq(told.end.kind, H2_END_PROTOCOL);
    ck_assert(strstr(told.words, "SETTINGS"));
    tear_down(&told);
    /* floods */
    set_up(&told);
    struct buf *bytes = one_answer(PEER_STALL);
    for (int i = 0; i < 20000; i++)
        frame(bytes, NGHTTP2_PING, 0, 0, STR("12345678"));
    get(&told);
    ck_assert_msg(told.end.kind == H2_END_PROTOCOL || told.end.kind == H2_END_BROKEN, "%s",
                  told.words);
    tear_down(&told);
}
END_TEST

START_TEST(test_rules_of_http)
{
    static const char *const heads[] = {
        "x-no: status",
        ":status: 200\nX-Upper: 1",
        ":status: 200\nconnection: close",
        ":status: 2x0",
        ":status: 200\n:status: 200",
        ":status: 200\nx-a: 1\n:path: /",
        ":status: 101",
        ":status: 200\ntransfer-encoding: chunked",
        ":status: 200\nx-nul: a\x01",
        ":status: 200\nx name: a",
        ":status: 200\ncontent-length: -1",
        ":status: 200\ncontent-length: 1\ncontent-length: 2",
    };
    struct told told;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        set_up(&told);
        frame_headers(one_answer(PEER_STALL), 1, false, heads[i]);
        get(&told);
        ck_assert_msg(told.end.kind == H2_END_PROTOCOL, "%s: %d %s", heads[i], (int)told.end.kind,
                      told.words);
        ck_assert_uint_eq(told.end.code, NGHTTP2_PROTOCOL_ERROR);
        ck_assert_uint_eq(told.heads, 0);
        RUN_WHILE(!peer_heard("RST_STREAM 1 1\n"));
        tear_down(&told);
    }
    /* an interim head that ends the stream, trailers that do not */
    set_up(&told);
    frame_headers(one_answer(PEER_STALL), 1, true, ":status: 103");
    ck_wrong(&told, H2_HEAD, NGHTTP2_PROTOCOL_ERROR, "");
    set_up(&told);
    struct buf *bytes = one_answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_headers(bytes, 1, false, "x-trailer: 1");
    ck_wrong(&told, H2_BODY, NGHTTP2_PROTOCOL_ERROR, "");
}
END_TEST

START_TEST(test_lengths)
{
    struct told told;
    set_up(&told);
    struct buf *bytes = one_answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200\ncontent-length: 5");
    frame_data(bytes, 1, true, STR("four"));
    ck_ends(&told, H2_END_CUT, H2_BODY, "4 of 5");
    set_up(&told);
    frame_headers(one_answer(PEER_STALL), 1, true, ":status: 200\ncontent-length: 5");
    ck_ends(&told, H2_END_CUT, H2_BODY, "0 of 5");
    set_up(&told);
    bytes = one_answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200\ncontent-length: 5");
    frame_data(bytes, 1, true, STR("sixsix"));
    ck_ends(&told, H2_END_PROTOCOL, H2_BODY, "");
    set_up(&told);
    bytes = one_answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200\ncontent-length: 5");
    frame_data(bytes, 1, false, STR("four"));
    frame_data(bytes, 1, false, STR("four"));
    ck_ends(&told, H2_END_PROTOCOL, H2_BODY, "");
}
END_TEST

/** A block of many headers, in HEADERS and CONTINUATIONs. */
static void large_head(struct buf *into, size_t lines, size_t size)
{
    struct buf block;
    char *value = malloc(size);
    memset(value, 'v', size);
    buf_init(&block, BUF_OWN);
    hpack_field(&block, STR(":status"), STR("200"));
    for (size_t i = 0; i < lines; i++)
        hpack_field(&block, STR("x-long"), (struct str){value, size});
    struct str rest = buf_str(&block);
    for (int type = NGHTTP2_HEADERS; rest.size; type = NGHTTP2_CONTINUATION) {
        struct str piece = str_slice(rest, 0, 16384);
        rest = str_from(rest, piece.size);
        frame(into, type, rest.size ? 0 : END_HEADERS, 1, piece);
    }
    free(value);
    buf_clear(&block);
}

START_TEST(test_large_heads)
{
    struct told told;
    /* libnghttp2 takes so many CONTINUATIONs as it likes: several heads make a size of their own */
    set_up(&told);
    struct buf *bytes = one_answer(PEER_STALL);
    struct buf lines;
    buf_init(&lines, BUF_OWN);
    buf_append_string(&lines, ":status: 103\nx-interim: 1\nx-long: ");
    for (int i = 0; i < 15000; i++)
        buf_append_byte(&lines, 'v');
    for (int i = 0; i < 30; i++)
        frame_headers(bytes, 1, false, lines.data);
    buf_clear(&lines);
    get(&told);
    ck_assert_msg(told.end.kind == H2_END_HEAD_SIZE, "%s", told.words);
    ck_assert_uint_eq(told.interim, 20);
    ck_assert_uint_eq(told.heads, 0);
    tear_down(&told);
    /* one that is large and allowed */
    set_up(&told);
    bytes = one_answer(PEER_STALL);
    large_head(bytes, 5, 15000);
    frame_data(bytes, 1, true, STR("ok"));
    ck_ends(&told, H2_END_WHOLE, H2_BODY, "");
}
END_TEST

START_TEST(test_a_peer_of_http_1)
{
    struct told told;
    set_up(&told);
    buf_append_string(stage_add(peer_script(PEER_FIN), 0, "PREFACE"),
                      "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    ck_ends(&told, H2_END_PROTOCOL, H2_HEAD, "HTTP/1");
    set_up(&told);
    buf_append_string(stage_add(peer_script(PEER_FIN), 0, "PREFACE"), "220 mail ready\r\n");
    get(&told);
    ck_assert_int_eq(told.end.kind, H2_END_PROTOCOL);
    tear_down(&told);
}
END_TEST

/* Connecting. */

START_TEST(test_nobody_listens)
{
    struct told told;
    set_up(&told);
    peer_start();
    int port = the_peer.port;
    peer_stop();
    told_connect_to(&told, &(struct h2_target){.host = STR("127.0.0.1"), .port = (uint16_t)port});
    told_start(&told, "/");
    run_until(&told.finished);
    ck_assert_int_eq(told.end.kind, H2_END_CONNECT);
    ck_assert_int_eq(told.end.error, ECONNREFUSED);
    ck_assert_int_eq(told.end.phase, H2_CONNECTING);
    ck_assert(strstr(told.words, "refused"));
    /* whoever comes later hears the same */
    told.finished = false;
    told_start(&told, "/");
    run_until(&told.finished);
    ck_assert_int_eq(told.end.error, ECONNREFUSED);
    ck_assert_uint_eq(told.ended, 1);
    ck_assert(!h2_client_is_usable(told.client));
    h2_client_free(told.client);
    told_clear(&told);
    loop_free(the_loop);
    peer_forget();
}
END_TEST

/** One GET to a target, to its end. */
static void get_from(struct told *told, const struct h2_target *target)
{
    peer_start();
    told_connect_to(told, target);
    told_start(told, "/");
    run_until(&told->finished);
}

START_TEST(test_where_connections_go)
{
    struct told told;
    struct h2_target target = {.host = STR("localhost")};
    /* ::1 refuses, 127.0.0.1 does not */
    set_up(&told);
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    target.port = (uint16_t)the_peer.port;
    get_from(&told, &target);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    tear_down(&told);
    set_up(&told);
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    target = (struct h2_target){
        .host = STR("127.0.0.1"), .port = (uint16_t)the_peer.port, .interface = STR("127.0.0.7")};
    get_from(&told, &target);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    tear_down(&told);
    set_up(&told);
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    target.port = (uint16_t)the_peer.port;
    target.interface = STR("lo");
    get_from(&told, &target);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    tear_down(&told);
    set_up(&told);
    target.interface = STR("no-such-device");
    get_from(&told, &target);
    ck_assert_int_eq(told.end.kind, H2_END_LOCAL);
    ck_assert(strstr(told.words, "no-such-device"));
    tear_down(&told);
    set_up(&told);
    target.interface = (struct str){0};
    target.host = STR("no.such.host.invalid");
    get_from(&told, &target);
    ck_assert_int_eq(told.end.kind, H2_END_DNS);
    ck_assert(strstr(told.words, "no.such.host.invalid"));
    tear_down(&told);
}
END_TEST

START_TEST(test_six)
{
    struct told told;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    peer_new();
    if (!peer_listen_on((struct sockaddr *)&six, sizeof six))
        return;
    the_loop = loop_new();
    told_init(&told);
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    get_from(&told, &(struct h2_target){.host = STR("::1"), .port = (uint16_t)the_peer.port});
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    ck_assert(str_starts(h2_client_remote(told.client), STR("[::1]:")));
    tear_down(&told);
}
END_TEST

START_TEST(test_unix_sockets)
{
    struct told told;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/goto-h2-XXXXXX";
    ck_assert(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    the_loop = loop_new();
    told_init(&told);
    peer_new();
    ck_assert(peer_listen_on((struct sockaddr *)&address, sizeof address));
    frame_answer(one_answer(PEER_STALL), 1, "ok");
    struct h2_target target = {.host = STR("x"), .unix_socket = str_of(address.sun_path)};
    get_from(&told, &target);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    ck_assert(str_starts(h2_client_remote(told.client), STR("unix:/tmp/goto-h2-")));
    tear_down(&told);
    unlink(address.sun_path);
    rmdir(folder);
    set_up(&told);
    get_from(&told, &target);
    ck_assert_int_eq(told.end.kind, H2_END_CONNECT);
    ck_assert_int_eq(told.end.error, ENOENT);
    tear_down(&told);
}
END_TEST

/* Ended by us, at every state. */

START_TEST(test_freed_before_anything)
{
    struct told told;
    set_up(&told);
    peer_start();
    told_connect(&told);
    told_start(&told, "/");
    tear_down(&told);
    ck_assert(!told.finished && !told.ended);
    set_up(&told);
    peer_start();
    told_connect_to(&told, &(struct h2_target){.host = STR("no.such.host.invalid"), .port = 1});
    told_start(&told, "/");
    loop_turn(the_loop);
    /* the name may be known as unknown by now; behind the end nothing is told */
    bool finished = told.finished;
    unsigned ended = told.ended;
    tear_down(&told);
    ck_assert(told.finished == finished && told.ended == ended);
}
END_TEST

START_TEST(test_freed_while_connecting)
{
    struct told told;
    int fillers[3];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    set_up(&told);
    ck_assert(listen(the_peer.fd, 0) == 0);
    address.sin_port = htons((uint16_t)the_peer.port);
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        ck_assert(connect(fillers[i], (struct sockaddr *)&address, sizeof address) != 0);
    }
    told_connect(&told);
    told_start(&told, "/");
    for (int i = 0; i < 20; i++)
        loop_turn(the_loop);
    ck_assert(!h2_client_is_connected(told.client) && h2_client_is_usable(told.client));
    ck_assert_int_eq(h2_call_phase(told.call), H2_CONNECTING);
    h2_call_cancel(told.call, NGHTTP2_CANCEL);
    h2_client_free(told.client);
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        close(fillers[i]);
    told_clear(&told);
    loop_free(the_loop);
    close(the_peer.fd);
    peer_forget();
}
END_TEST

/** Runs with a reaction in a callback until it has happened. */
static void react(int then, bool freed)
{
    struct told told;
    set_up(&told);
    told.then = then;
    struct buf *bytes = one_answer(PEER_STALL);
    frame_headers(bytes, 1, false, ":status: 200\nx-test: 1");
    frame_data(bytes, 1, false, STR("one"));
    frame_data(bytes, 1, true, STR("two"));
    peer_start();
    told_connect(&told);
    told_start(&told, "/");
    RUN_WHILE(freed ? told.client != NULL : told.call != NULL);
    for (int i = 0; i < 3; i++)
        loop_turn(the_loop);
    ck_assert(told.finished == (then == FREE_AT_END));
    ck_assert_uint_eq(told.heads, 1);
    tear_down(&told);
}

START_TEST(test_ended_from_within)
{
    react(CANCEL_AT_HEAD, false);
    react(FREE_AT_HEAD, true);
    react(FREE_AT_BODY, true);
    react(FREE_AT_END, true);
}
END_TEST

START_TEST(test_cancelled_calls_leave_the_others)
{
    struct told told;
    struct told second;
    set_up(&told);
    told_init(&second);
    struct peer_script *script = peer_script(PEER_STALL);
    struct buf *bytes = stage_add(script, 2, NULL);
    frame_settings(bytes);
    frame_headers(bytes, 1, false, ":status: 200");
    frame_data(bytes, 1, false, STR("one"));
    bytes = stage_add(script, 2, "RST_STREAM 1 8\n");
    frame_data(bytes, 1, true, STR("late"));
    frame_answer(bytes, 3, "two");
    peer_start();
    told_connect(&told);
    second.client = told.client;
    told_start(&told, "/");
    told_start(&second, "/");
    RUN_WHILE(told.body.size < 3);
    h2_call_cancel(told.call, NGHTTP2_CANCEL);
    run_until(&second.finished);
    ck_assert_int_eq(second.end.kind, H2_END_WHOLE);
    ck_str_is(buf_str(&second.body), "two");
    ck_str_is(buf_str(&told.body), "one");
    ck_assert(!told.finished);
    told_clear(&second);
    tear_down(&told);
}
END_TEST

START_TEST(test_a_refreshed_connection_knows_its_end)
{
    struct told told;
    set_up(&told);
    struct buf *bytes = one_answer(PEER_FIN);
    frame_answer(bytes, 1, "ok");
    get(&told);
    ck_assert_int_eq(told.end.kind, H2_END_WHOLE);
    while (h2_client_is_usable(told.client))
        h2_client_refresh(told.client);
    ck_assert_uint_eq(told.ended, 1);
    ck_assert_int_eq(told.connection_end, H2_END_CLOSED);
    tear_down(&told);
}
END_TEST

UNIT_MAIN("h2_client_ends", test_resets, test_goaway, test_no_calls_after_a_goaway,
          test_the_connection_ends, test_rules_of_frames, test_rules_of_http, test_lengths,
          test_large_heads, test_a_peer_of_http_1, test_nobody_listens, test_where_connections_go,
          test_six, test_unix_sockets, test_freed_before_anything, test_freed_while_connecting,
          test_ended_from_within, test_cancelled_calls_leave_the_others,
          test_a_refreshed_connection_knows_its_end)
