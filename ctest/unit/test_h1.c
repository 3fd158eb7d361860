#include "ctest/unit/rig.h"

#include "base/memory.h"
#include "server/http/upstream.h"

/* An upstream that answers by the request's path, with some answers given by the test. */

enum { MOST_WAITING = 8, BIG = 24 << 20 };

static struct limits limits;
static struct exchange *waiting[MOST_WAITING]; /**< of "/wait", answered by the test */
static size_t waiting_count;
static unsigned gone_count; /**< responders that were told to stop */
static uint64_t big_left;

static const struct limits usual = {.header_size = 1024,
                                    .body_size = 1 << 20,
                                    .idle_ns = INT64_C(60) * CLOCK_SECOND,
                                    .read_ns = INT64_C(30) * CLOCK_SECOND};

const struct limits *upstream_limits(const struct upstream *upstream)
{
    (void)upstream;
    return &limits;
}

static void responder_gone(struct exchange *exchange)
{
    for (size_t i = 0; i < waiting_count; i++) {
        if (waiting[i] == exchange)
            waiting[i] = NULL;
    }
    gone_count++;
}

static void answer_text(struct exchange *exchange, unsigned status, const char *text)
{
    struct response_head head = {.status = status, .content_length = (int64_t)strlen(text)};
    exchange_head(exchange, &head);
    exchange_body(exchange, str_of(text));
    exchange_finish(exchange, NULL);
}

static void answer_static(struct exchange *exchange, unsigned status, bool close)
{
    struct static_answer answer = {
        .status = status,
        .status_line =
            status == 204 ? STR("HTTP/1.1 204 No Content\r\n") : STR("HTTP/1.1 200 OK\r\n"),
        .head = status == 204 ? STR("x-a: b\r\n\r\n") : STR("content-length: 5\r\n\r\n"),
        .body = STR("hello"),
        .close = close,
    };
    exchange_static(exchange, &answer);
}

static void answer_chunks(struct exchange *exchange)
{
    struct header sum = {STR("x-sum"), STR("7")};
    struct headers trailers = {&sum, 1, 1};
    struct response_head head = {.status = 200, .content_length = -1};
    exchange_head(exchange, &head);
    exchange_body(exchange, STR("one"));
    exchange_body(exchange, STR(""));
    exchange_body(exchange, STR("twenty chars of text"));
    exchange_finish(exchange, &trailers);
}

/** An answer whose length, told by hand, is `length`. */
static void answer_lie(struct exchange *exchange, struct str length)
{
    struct header by_hand = {STR("Content-Length"), length};
    struct headers headers = {&by_hand, 1, 1};
    struct response_head head = {.status = 200, .headers = &headers, .content_length = 3};
    exchange_head(exchange, &head);
    exchange_body(exchange, STR("abc"));
    exchange_finish(exchange, NULL);
}

static void big_go_on(struct exchange *exchange)
{
    static const char block[65536];
    while (big_left) {
        if (exchange_queued(exchange) > STREAM_HIGH_MARK)
            return;
        size_t size = big_left < sizeof block ? (size_t)big_left : sizeof block;
        big_left -= size;
        exchange_body(exchange, (struct str){block, size});
    }
    exchange->responder_gone = NULL;
    exchange_finish(exchange, NULL);
}

static void answer_big(struct exchange *exchange)
{
    struct response_head head = {.status = 200, .content_length = BIG};
    big_left = BIG;
    exchange->responder_gone = responder_gone;
    exchange->responder_writable = big_go_on;
    exchange_head(exchange, &head);
    big_go_on(exchange);
}

static void answer_early(struct exchange *exchange)
{
    struct header link = {STR("link"), STR("</x>")};
    struct headers headers = {&link, 1, 1};
    exchange_informational(exchange, 103, &headers);
    answer_text(exchange, 200, "late");
}

static void answer_special(struct exchange *exchange, struct str path)
{
    struct response_head bare = {
        .status = 200, .content_length = 3, .no_framing = true, .no_date = true};
    struct header close_by_hand = {STR("Connection"), STR("close")};
    struct headers headers = {&close_by_hand, 1, 1};
    struct response_head closing = {.status = 200, .headers = &headers};
    struct response_head nothing = {.status = 304, .content_length = 3};
    if (str_is(path, "/bare")) {
        exchange_head(exchange, &bare);
        exchange_body(exchange, STR("abc"));
        exchange_finish(exchange, NULL);
    } else if (str_is(path, "/close")) {
        exchange_head(exchange, &closing);
        exchange_finish(exchange, NULL);
    } else if (str_is(path, "/not-modified")) {
        exchange_head(exchange, &nothing);
        exchange_body(exchange, STR("abc"));
        exchange_finish(exchange, NULL);
    } else if (str_starts(path, STR("/cut-"))) {
        struct response_head head = {.status = 200, .content_length = 100};
        exchange_head(exchange, &head);
        exchange_body(exchange, STR("part"));
        exchange_cut(exchange, str_is(path, "/cut-fin")    ? CLOSE_FIN
                               : str_is(path, "/cut-rst")  ? CLOSE_RST
                               : str_is(path, "/cut-kill") ? CLOSE_KILL
                                                           : CLOSE_KEEP);
    } else {
        answer_text(exchange, 404, "no such path");
    }
}

/** No request is forwarded here. */
void upstream_stream(struct upstream *upstream, struct exchange *exchange)
{
    (void)upstream;
    (void)exchange;
}

bool upstream_answers_early(struct upstream *upstream, const struct exchange *exchange)
{
    (void)upstream;
    (void)exchange;
    return true;
}

bool upstream_tunnels(const struct upstream *upstream)
{
    (void)upstream;
    return false;
}

void upstream_answer(struct upstream *upstream, struct exchange *exchange)
{
    struct str path = exchange->request.path;
    (void)upstream;
    if (str_is(path, "/") || str_is(path, "/static-close") || str_is(path, "/nothing"))
        answer_static(exchange, str_is(path, "/nothing") ? 204 : 200,
                      str_is(path, "/static-close"));
    else if (str_is(path, "/text"))
        answer_text(exchange, 200, "text");
    else if (str_is(path, "/echo")) {
        struct response_head head = {.status = 200,
                                     .content_length = (int64_t)exchange->request.body.size};
        exchange_head(exchange, &head);
        exchange_body(exchange, exchange->request.body);
        exchange_finish(exchange, NULL);
    } else if (str_is(path, "/trailer")) {
        struct str value = headers_get(&exchange->request.trailers, STR("x-t"));
        exchange_raw(exchange, 200, value, true);
    } else if (str_is(path, "/raw"))
        exchange_raw(exchange, 299, STR("RAW\n"), false);
    else if (str_is(path, "/chunks"))
        answer_chunks(exchange);
    else if (str_is(path, "/long"))
        answer_lie(exchange, STR("10"));
    else if (str_is(path, "/right"))
        answer_lie(exchange, STR("3"));
    else if (str_is(path, "/big"))
        answer_big(exchange);
    else if (str_is(path, "/early"))
        answer_early(exchange);
    else if (str_is(path, "/wait")) {
        ck_assert_uint_lt(waiting_count, MOST_WAITING);
        exchange->responder_gone = responder_gone;
        waiting[waiting_count++] = exchange;
    } else
        answer_special(exchange, path);
}

/* The world. */

struct world {
    struct rig rig;
    struct port *port;
    int fd;
    struct heard heard;
};

static void world_init(struct world *world)
{
    int error;
    memset(world, 0, sizeof *world);
    limits = usual;
    waiting_count = 0;
    gone_count = 0;
    rig_init(&world->rig);
    world->port = port_new(&world->rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(world->port);
    world->port->protocol = &h1_protocol;
    world->port->owner = world;
    ck_assert_int_eq(port_open(world->port), 0);
    world->fd = rig_dial(world->port->number);
    ck_assert_int_ge(world->fd, 0);
}

static void world_clear(struct world *world)
{
    heard_clear(&world->heard);
    rig_clear(&world->rig);
    if (world->fd >= 0)
        close(world->fd);
}

/** A new connection instead of the old one. */
static void world_dial(struct world *world)
{
    close(world->fd);
    heard_clear(&world->heard);
    world->fd = rig_dial(world->port->number);
    ck_assert_int_ge(world->fd, 0);
}

/** Says it all and hears until the server ends its side. */
static const char *world_ask_to_end(struct world *world, const char *text)
{
    say(world->fd, text);
    rig_until(&world->rig, heard_more(&world->heard, world->fd));
    return world->heard.data ? world->heard.data : "";
}

/** Says it all and hears until `end` is there. */
static const char *world_ask(struct world *world, const char *text, const char *end)
{
    heard_clear(&world->heard);
    say(world->fd, text);
    rig_until(&world->rig,
              heard_has(&world->heard, world->fd, end) || heard_more(&world->heard, world->fd));
    ck_assert_msg(world->heard.data && strstr(world->heard.data, end), "'%s' not in: %s", end,
                  world->heard.data ? world->heard.data : "");
    return world->heard.data;
}

static void ck_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' not in: %s", part, text);
}

static void ck_has_not(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "'%s' in: %s", part, text);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

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

static void ck_refused(struct world *world, const char *text, unsigned status)
{
    char line[32];
    uint64_t before = rig_count(&world->rig, ENTRY_REFUSED);
    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    world_dial(world);
    const char *heard = world_ask_to_end(world, text);
    ck_assert_msg(strncmp(heard, line, strlen(line)) == 0, "not %u: %s", status, heard);
    ck_assert(world->heard.fin);
    ck_has(heard, "connection: close\r\n");
    ck_assert_uint_eq(rig_count(&world->rig, ENTRY_REFUSED), before + 1);
    const struct entry *entry = rig_entry(&world->rig, ENTRY_REFUSED);
    ck_assert_uint_eq(entry->status, status);
    ck_assert_uint_gt(entry->data_size, 0);
    ck_assert_uint_eq(rig_count(&world->rig, ENTRY_REQUEST), 0);
}

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

/* Limits in time. */

START_TEST(test_ends_an_idle_connection)
{
    struct world w;
    world_init(&w);
    limits.idle_ns = 30 * CLOCK_MS;
    int64_t start = clock_now();
    world_ask_to_end(&w, "");
    ck_assert(w.heard.fin && w.heard.size == 0);
    ck_assert_int_ge(clock_now() - start, 30 * CLOCK_MS);
    world_dial(&w);
    world_ask(&w, GET("/"), "hello");
    start = w.port->newest->active_ns;
    world_ask_to_end(&w, "");
    ck_assert_int_ge(clock_now() - start, 30 * CLOCK_MS);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REFUSED), 0);
    /* one that waits for its answer is not idle */
    world_dial(&w);
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    rig_pass(&w.rig, 60 * CLOCK_MS);
    answer_text(waiting[0], 200, "patience");
    rig_until(&w.rig, heard_has(&w.heard, w.fd, "patience"));
    world_clear(&w);
}
END_TEST

START_TEST(test_answers_408)
{
    static const char *const parts[] = {
        "GET / HTTP", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"};
    struct world w;
    world_init(&w);
    limits.read_ns = 30 * CLOCK_MS;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        int64_t start = clock_now();
        ck_refused(&w, parts[i], 408);
        ck_assert_int_ge(clock_now() - start, 30 * CLOCK_MS);
    }
    world_clear(&w);
}
END_TEST

START_TEST(test_bounds_a_life)
{
    struct world w;
    world_init(&w);
    limits.life_ns = 40 * CLOCK_MS;
    world_dial(&w);
    world_ask(&w, GET("/"), "hello");
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    rig_pass(&w.rig, 80 * CLOCK_MS);
    answer_text(waiting[0], 200, "the last one");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_has(w.heard.data, "connection: close\r\n\r\nthe last one");
    world_clear(&w);
}
END_TEST

/* Ends. */

START_TEST(test_a_reset_aborts)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/wait") GET("/"));
    rig_until(&w.rig, waiting_count == 1);
    rig_reset(w.fd);
    w.fd = -1;
    rig_until(&w.rig, w.rig.server.streams == 0);
    ck_assert_uint_eq(gone_count, 1);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 1);
    const struct entry *entry = rig_entry(&w.rig, ENTRY_RESPONSE);
    ck_assert_uint_eq(entry->flags, ENTRY_ABORTED);
    ck_assert_uint_eq(entry->status, 0);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_half_close_aborts_and_is_answered)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/wait") GET("/"));
    rig_until(&w.rig, waiting_count == 1);
    shutdown(w.fd, SHUT_WR);
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    ck_assert(waiting[0]->aborted);
    ck_assert_uint_eq(gone_count, 0);
    answer_text(waiting[0], 200, "all the same");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_has(w.heard.data, "all the same");
    /* also what it sent ahead, which is whole at once */
    ck_has(w.heard.data, "\r\n\r\nhello");
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 2);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, 0);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_CONNECTION_END)->flags, ENTRY_CLOSED_BY_CLIENT);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_fin_behind_many_bytes_aborts)
{
    struct world w;
    static char ahead[130000];
    world_init(&w);
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    /* more than is read ahead: the FIN stands behind what nobody reads */
    size_t size = 0;
    while (size + sizeof GET("/") < sizeof ahead) {
        memcpy(ahead + size, GET("/"), sizeof GET("/") - 1);
        size += sizeof GET("/") - 1;
    }
    say_bytes(w.fd, ahead, size);
    shutdown(w.fd, SHUT_WR);
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_RESPONSE) == 1);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    answer_text(waiting[0], 200, "first");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_assert_uint_eq(count_of(w.heard.data, "\r\n\r\nhello"), size / (sizeof GET("/") - 1));
    ck_assert(w.heard.fin);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_client_that_goes_while_it_is_answered)
{
    for (int reset = 0; reset < 2; reset++) {
        struct world w;
        world_init(&w);
        say(w.fd, GET("/big"));
        rig_until(&w.rig, w.port->oldest && stream_queued(w.port->oldest) > STREAM_HIGH_MARK);
        if (reset)
            rig_reset(w.fd);
        else
            close(w.fd);
        w.fd = -1;
        rig_until(&w.rig, w.rig.server.streams == 0);
        const struct entry *entry = rig_entry(&w.rig, ENTRY_RESPONSE);
        ck_assert_uint_eq(entry->flags, ENTRY_ABORTED);
        ck_assert_uint_eq(entry->status, 200);
        ck_assert_uint_lt(entry->extra, BIG);
        ck_assert_uint_eq(gone_count, 1);
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_sends_large_bodies_under_back_pressure)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/big") GET("/"));
    rig_until(&w.rig, w.port->oldest && stream_queued(w.port->oldest) > STREAM_HIGH_MARK);
    ck_assert_uint_lt(stream_queued(w.port->oldest), 2 * STREAM_HIGH_MARK);
    rig_until(&w.rig,
              (heard_more(&w.heard, w.fd),
               w.heard.size > BIG && !strncmp(w.heard.data + w.heard.size - 5, "hello", 5)));
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 2);
    world_clear(&w);
}
END_TEST

START_TEST(test_cuts)
{
    static const char *const paths[] = {GET("/cut-fin"), GET("/cut-rst"), GET("/cut-kill")};
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        world_dial(&w);
        world_ask_to_end(&w, paths[i]);
        ck_has(w.heard.data, "content-length: 100\r\n\r\npart");
        ck_assert(i == 1 ? w.heard.reset : w.heard.fin);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->extra, 4);
    }
    /* left silent until the client goes */
    world_dial(&w);
    world_ask(&w, GET("/cut-keep"), "part");
    say(w.fd, GET("/"));
    rig_pass(&w.rig, 10 * CLOCK_MS);
    ck_assert(!heard_more(&w.heard, w.fd));
    shutdown(w.fd, SHUT_WR);
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_assert(w.heard.fin);
    ck_has_not(w.heard.data, "hello");
    world_clear(&w);
}
END_TEST

START_TEST(test_closing_the_port_cuts_what_is_under_way)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL};
    for (size_t i = 0; i < COUNT_OF(hows); i++) {
        struct world w;
        world_init(&w);
        say(w.fd, GET("/wait"));
        rig_until(&w.rig, waiting_count == 1);
        port_close(w.port, hows[i], 0);
        ck_assert_uint_eq(gone_count, 1);
        ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_CLOSED_BY_SERVER);
        rig_until(&w.rig, heard_more(&w.heard, w.fd));
        ck_assert(hows[i] == CLOSE_RST ? w.heard.reset : w.heard.fin);
        ck_assert_uint_eq(w.heard.size, 0);
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_drain_finishes_what_is_under_way)
{
    struct world w;
    struct heard heard = {0};
    world_init(&w);
    int idle = rig_dial(w.port->number);
    int late = rig_dial(w.port->number);
    say(w.fd, GET("/wait") GET("/"));
    rig_until(&w.rig, waiting_count == 1);
    /* the kernel holds it already */
    say(late, GET("/text"));
    port_close(w.port, CLOSE_DRAIN, INT64_C(10) * CLOCK_SECOND);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 2);
    rig_until(&w.rig, heard_more(&heard, idle));
    ck_assert(heard.fin && heard.size == 0);
    heard = (struct heard){0};
    rig_until(&w.rig, heard_more(&heard, late));
    ck_assert(heard.fin);
    ck_has(heard.data, "\r\n\r\ntext");
    heard_clear(&heard);
    ck_assert(!heard_more(&w.heard, w.fd));
    answer_text(waiting[0], 200, "finished");
    rig_until(&w.rig, heard_more(&w.heard, w.fd));
    ck_has(w.heard.data, "connection: close\r\n\r\nfinished");
    ck_has_not(w.heard.data, "hello");
    world_clear(&w);
    close(idle);
    close(late);
}
END_TEST

/* What observers of the journal do while a request arrives. */

static struct hold *holds[2];
static struct world *observed_world;
static enum close_how observed_how;

static void hold_it(void *context, const struct entry *entry, uint64_t number)
{
    (void)entry;
    (void)number;
    holds[0] = server_hold(context);
    holds[1] = server_hold(context);
}

static void hold_and_release(void *context, const struct entry *entry, uint64_t number)
{
    (void)entry;
    (void)number;
    hold_release(server_hold(context));
}

static void close_it(void *context, const struct entry *entry, uint64_t number)
{
    (void)entry;
    (void)number;
    (void)context;
    port_close(observed_world->port, observed_how, CLOCK_SECOND);
}

START_TEST(test_holds_a_request)
{
    struct world w;
    world_init(&w);
    ck_assert_ptr_null(server_hold(&w.rig.server));
    hold_release(NULL);
    journal_observe(w.rig.journal, 1u << ENTRY_REQUEST, hold_it, &w.rig.server);
    say(w.fd, GET("/"));
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REQUEST) == 1);
    rig_pass(&w.rig, 5 * CLOCK_MS);
    ck_assert_ptr_eq(holds[0], holds[1]);
    ck_assert_ptr_null(server_hold(&w.rig.server));
    hold_release(holds[0]);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 0);
    hold_release(holds[1]);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 1);
    rig_until(&w.rig, heard_has(&w.heard, w.fd, "hello"));
    /* the request dies first */
    say(w.fd, GET("/"));
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REQUEST) == 2);
    rig_reset(w.fd);
    w.fd = -1;
    rig_until(&w.rig, w.rig.server.streams == 0);
    ck_assert_uint_eq(rig_entry(&w.rig, ENTRY_RESPONSE)->flags, ENTRY_ABORTED);
    hold_release(holds[0]);
    hold_release(holds[1]);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_hold_may_outlive_the_server)
{
    struct world w;
    world_init(&w);
    journal_observe(w.rig.journal, 1u << ENTRY_REQUEST, hold_it, &w.rig.server);
    say(w.fd, GET("/"));
    rig_until(&w.rig, rig_count(&w.rig, ENTRY_REQUEST) == 1);
    world_clear(&w);
    hold_release(holds[0]);
    hold_release(holds[1]);
}
END_TEST

START_TEST(test_a_hold_may_be_released_at_once)
{
    struct world w;
    world_init(&w);
    journal_observe(w.rig.journal, 1u << ENTRY_REQUEST, hold_and_release, &w.rig.server);
    world_ask(&w, GET("/"), "hello");
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 1);
    world_clear(&w);
}
END_TEST

START_TEST(test_an_observer_may_close_under_a_request)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL, CLOSE_DRAIN};
    static const enum entry_kind kinds[] = {ENTRY_REQUEST, ENTRY_RESPONSE, ENTRY_CONNECTION};
    static const char *const paths[] = {GET("/") GET("/"), GET("/chunks"), GET("/big"),
                                        GET("/wait"), "bad\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(hows) * COUNT_OF(kinds) * COUNT_OF(paths); i++) {
        struct world w;
        world_init(&w);
        observed_world = &w;
        observed_how = hows[i % COUNT_OF(hows)];
        enum entry_kind kind = kinds[i / COUNT_OF(hows) % COUNT_OF(kinds)];
        const char *text = paths[i / COUNT_OF(hows) / COUNT_OF(kinds)];
        journal_observe(w.rig.journal, 1u << kind | 1u << ENTRY_REFUSED, close_it, NULL);
        say(w.fd, text);
        rig_until(&w.rig, rig_count(&w.rig, ENTRY_CONNECTION));
        rig_pass(&w.rig, 3 * CLOCK_MS);
        heard_more(&w.heard, w.fd);
        world_clear(&w);
        ck_assert_uint_eq(gone_count, strstr(text, "/wait") && waiting_count ? 1 : gone_count);
    }
}
END_TEST

START_TEST(test_tears_down_in_the_middle_of_anything)
{
    static const char *const texts[] = {
        "",
        "GET",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
        GET("/wait") "GET",
        GET("/big"),
        GET("/cut-keep"),
        GET("/chunks") GET("/wait") GET("/"),
        "bad\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct world w;
        world_init(&w);
        say(w.fd, texts[i]);
        rig_until(&w.rig, w.port->newest && w.port->newest->received == strlen(texts[i]));
        world_clear(&w);
    }
}
END_TEST

START_TEST(test_reads_the_rest_of_requests)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/") GET("/"));
    while (server_read_rest(&w.rig.server))
        ;
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_CONNECTION), 1);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_REQUEST), 2);
    ck_assert_uint_eq(rig_count(&w.rig, ENTRY_RESPONSE), 2);
    world_clear(&w);
}
END_TEST

START_TEST(test_a_delayed_answer_leaves_in_one_packet)
{
    struct world w;
    world_init(&w);
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 1);
    answer_text(waiting[0], 200, "together");
    /* head and body were one send: both are here without another turn of the loop */
    ck_assert(heard_has(&w.heard, w.fd, "together"));
    /* a head alone leaves by itself in the same turn */
    say(w.fd, GET("/wait"));
    rig_until(&w.rig, waiting_count == 2);
    struct response_head head = {.status = 202, .content_length = 1};
    exchange_head(waiting[1], &head);
    rig_until(&w.rig, heard_has(&w.heard, w.fd, "HTTP/1.1 202 Accepted"));
    world_clear(&w);
}
END_TEST

START_TEST(test_an_idle_connection_is_small)
{
    struct world w;
    world_init(&w);
    world_ask(&w, GET("/"), "hello");
    ck_assert_ptr_null(w.port->oldest->input);
    ck_assert_ptr_null(w.port->oldest->queue);
    ck_assert_ptr_null(w.port->oldest->end);
    ck_assert_uint_le(sizeof(struct stream), 400);
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
          test_notes_what_breaks_off, test_ends_an_idle_connection, test_answers_408,
          test_bounds_a_life, test_a_reset_aborts, test_a_half_close_aborts_and_is_answered,
          test_a_fin_behind_many_bytes_aborts, test_a_client_that_goes_while_it_is_answered,
          test_sends_large_bodies_under_back_pressure, test_cuts,
          test_closing_the_port_cuts_what_is_under_way, test_drain_finishes_what_is_under_way,
          test_holds_a_request, test_a_hold_may_outlive_the_server,
          test_a_hold_may_be_released_at_once, test_an_observer_may_close_under_a_request,
          test_tears_down_in_the_middle_of_anything, test_reads_the_rest_of_requests,
          test_a_delayed_answer_leaves_in_one_packet, test_an_idle_connection_is_small)
