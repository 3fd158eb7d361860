/* Our client of HTTP/2: calls on a connection, and every way in which they end. */
#include "h2_peer.h"

#include "base/clock.h"
#include "runner/client/h2_socket.h"

#include <errno.h>

static struct loop *the_loop;

/** What the users of a connection and a call heard. */
struct told {
    unsigned connected;
    unsigned ended; /**< the connection */
    enum h2_end connection_end;
    unsigned interim;
    unsigned heads;
    unsigned status;
    struct str header; /**< x-test of the head */
    struct buf body;
    unsigned trailers;
    struct buf trailer; /**< all of them as lines */
    bool finished;
    struct h2_client_end end;
    char words[600];
    struct h2_client *client;
    struct h2_call *call;
    bool hold; /**< consume nothing */
    size_t held;
    enum { NOTHING, CANCEL_AT_HEAD, FREE_AT_HEAD, FREE_AT_BODY, FREE_AT_END, AGAIN_AT_END } then;
    struct told *next; /**< the call made at the end of this one */
};

static void told_connected(void *context)
{
    ((struct told *)context)->connected++;
}

static void told_ended(void *context, const struct h2_client_end *end)
{
    struct told *told = context;
    told->ended++;
    told->connection_end = end->kind;
    ck_assert(end->words.size);
}

static void told_interim(void *context, unsigned status, const struct headers *headers)
{
    struct told *told = context;
    ck_assert_uint_eq(told->heads, 0);
    ck_assert_uint_eq(status / 100, 1);
    ck_assert_str_eq(headers_get(headers, STR("x-interim")).data, "1");
    told->interim++;
}

static void told_free(struct told *told)
{
    h2_client_free(told->client);
    told->client = NULL;
    loop_stop(the_loop);
}

static void told_head(void *context, unsigned status, const struct headers *headers)
{
    struct told *told = context;
    told->heads++;
    told->status = status;
    told->header = headers_get(headers, STR("x-test"));
    if (told->then == CANCEL_AT_HEAD) {
        h2_call_cancel(told->call, NGHTTP2_CANCEL);
        told->call = NULL;
        loop_stop(the_loop);
    }
    if (told->then == FREE_AT_HEAD)
        told_free(told);
}

static void told_body(void *context, struct str bytes)
{
    struct told *told = context;
    ck_assert_uint_eq(told->heads, 1);
    buf_append(&told->body, bytes);
    told->held += bytes.size;
    if (!told->hold) {
        h2_call_consume(told->call, told->held);
        told->held = 0;
    }
    if (told->then == FREE_AT_BODY)
        told_free(told);
}

static void told_trailers(void *context, const struct headers *trailers)
{
    struct told *told = context;
    told->trailers++;
    for (size_t i = 0; i < trailers->count; i++)
        buf_printf(&told->trailer, STR_FMT ": " STR_FMT "\n", STR_ARG(trailers->items[i].name),
                   STR_ARG(trailers->items[i].value));
}

static void told_start(struct told *told, const char *path);

static void told_finished(void *context, const struct h2_client_end *end)
{
    struct told *told = context;
    ck_assert(!told->finished);
    told->finished = true;
    told->end = *end;
    told->call = NULL;
    ck_assert(end->words.size && end->end_ns > 0);
    snprintf(told->words, sizeof told->words, STR_FMT, STR_ARG(end->words));
    if (told->then == FREE_AT_END)
        told_free(told);
    if (told->then == AGAIN_AT_END) {
        told->next->client = told->client;
        told_start(told->next, "/again");
        return;
    }
    loop_stop(the_loop);
}

static const struct h2_client_user client_user = {told_connected, told_ended};
static const struct h2_call_user call_user = {
    .informational = told_interim,
    .head = told_head,
    .body = told_body,
    .trailers = told_trailers,
    .finished = told_finished,
};

static void told_init(struct told *told)
{
    *told = (struct told){.words = ""};
    buf_init(&told->body, BUF_OWN);
    buf_init(&told->trailer, BUF_OWN);
}

static void told_clear(struct told *told)
{
    buf_clear(&told->body);
    buf_clear(&told->trailer);
}

static void told_connect_to(struct told *told, const struct h2_target *target)
{
    told->client = h2_client_new(the_loop, h2_socket_new(the_loop, target), &client_user, told);
}

static void told_connect(struct told *told)
{
    told_connect_to(told,
                    &(struct h2_target){.host = STR("127.0.0.1"), .port = (uint16_t)the_peer.port});
}

static void told_start(struct told *told, const char *path)
{
    const struct h2_request request = {.method = STR("GET"),
                                       .scheme = STR("http"),
                                       .authority = STR("a.example"),
                                       .path = str_of(path)};
    told->call = h2_call_new(told->client, &request, &call_user, told);
}

static void on_patience(struct timer *timer)
{
    (void)timer;
    ck_abort_msg("nothing happened within 20 s");
}

/** Runs the loop until `done`. */
static void run_until(const bool *done)
{
    struct timer patience;
    timer_init(&patience, the_loop, on_patience);
    timer_start(&patience, 20 * INT64_C(1000000000));
    while (!*done)
        loop_run(the_loop);
    timer_stop(&patience);
}

static void on_tick(struct timer *timer)
{
    timer_start(timer, 1000000);
}

/** Runs the loop while a condition holds, which a thread may change. */
#define RUN_WHILE(condition)                                                                       \
    do {                                                                                           \
        struct timer patience;                                                                     \
        struct timer tick;                                                                         \
        timer_init(&patience, the_loop, on_patience);                                              \
        timer_init(&tick, the_loop, on_tick);                                                      \
        timer_start(&patience, 20 * INT64_C(1000000000));                                          \
        timer_start(&tick, 0);                                                                     \
        while (condition)                                                                          \
            uv_run(loop_uv(the_loop), UV_RUN_ONCE);                                                \
        timer_stop(&patience);                                                                     \
        timer_stop(&tick);                                                                         \
    } while (0)

static void set_up(struct told *told)
{
    the_loop = loop_new();
    ck_assert(the_loop);
    told_init(told);
    peer_listen();
}

static void tear_down(struct told *told)
{
    h2_client_free(told->client);
    told_clear(told);
    loop_free(the_loop);
    peer_stop();
    peer_forget();
}

/** One GET against the scripts made so far, to its end. */
static void get(struct told *told)
{
    peer_start();
    told_connect(told);
    told_start(told, "/");
    run_until(&told->finished);
}

/** A script that greets and answers the first request by the stage returned. */
static struct buf *one_answer(enum peer_ending ending)
{
    struct peer_script *script = peer_script(ending);
    frame_settings(stage_add(script, 0, NULL));
    return stage_add(script, 1, NULL);
}

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

UNIT_MAIN("h2_client", test_a_whole_answer, test_what_is_sent, test_the_wire_of_a_request,
          test_several_calls_at_once, test_streams_beyond_the_limit_wait,
          test_a_body_waits_for_its_source, test_the_peer_holds_a_body_up,
          test_an_answer_before_the_body_was_sent, test_a_source_that_fails,
          test_what_is_not_consumed_stops_the_peer, test_resets, test_goaway,
          test_no_calls_after_a_goaway, test_the_connection_ends, test_rules_of_frames,
          test_rules_of_http, test_lengths, test_large_heads, test_a_peer_of_http_1,
          test_nobody_listens, test_where_connections_go, test_six, test_unix_sockets,
          test_freed_before_anything, test_freed_while_connecting, test_ended_from_within,
          test_cancelled_calls_leave_the_others, test_a_refreshed_connection_knows_its_end)
