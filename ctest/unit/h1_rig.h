/**
 * An upstream of HTTP/1 between raw sockets: its answers, and a client that speaks and listens.
 */
#ifndef GOTO_CTEST_H1_RIG_H
#define GOTO_CTEST_H1_RIG_H

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

static inline void responder_gone(struct exchange *exchange)
{
    for (size_t i = 0; i < waiting_count; i++) {
        if (waiting[i] == exchange)
            waiting[i] = NULL;
    }
    gone_count++;
}

static inline void answer_text(struct exchange *exchange, unsigned status, const char *text)
{
    struct response_head head = {.status = status, .content_length = (int64_t)strlen(text)};
    exchange_head(exchange, &head);
    exchange_body(exchange, str_of(text));
    exchange_finish(exchange, NULL);
}

static inline void answer_static(struct exchange *exchange, unsigned status, bool close)
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

static inline void answer_chunks(struct exchange *exchange)
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
static inline void answer_lie(struct exchange *exchange, struct str length)
{
    struct header by_hand = {STR("Content-Length"), length};
    struct headers headers = {&by_hand, 1, 1};
    struct response_head head = {.status = 200, .headers = &headers, .content_length = 3};
    exchange_head(exchange, &head);
    exchange_body(exchange, STR("abc"));
    exchange_finish(exchange, NULL);
}

static inline void big_go_on(struct exchange *exchange)
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

static inline void answer_big(struct exchange *exchange)
{
    struct response_head head = {.status = 200, .content_length = BIG};
    big_left = BIG;
    exchange->responder_gone = responder_gone;
    exchange->responder_writable = big_go_on;
    exchange_head(exchange, &head);
    big_go_on(exchange);
}

static inline void answer_early(struct exchange *exchange)
{
    struct header link = {STR("link"), STR("</x>")};
    struct headers headers = {&link, 1, 1};
    exchange_informational(exchange, 103, &headers);
    answer_text(exchange, 200, "late");
}

static inline void answer_special(struct exchange *exchange, struct str path)
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

static inline void world_init(struct world *world)
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

static inline void world_clear(struct world *world)
{
    heard_clear(&world->heard);
    rig_clear(&world->rig);
    if (world->fd >= 0)
        close(world->fd);
}

/** A new connection instead of the old one. */
static inline void world_dial(struct world *world)
{
    close(world->fd);
    heard_clear(&world->heard);
    world->fd = rig_dial(world->port->number);
    ck_assert_int_ge(world->fd, 0);
}

/** Says it all and hears until the server ends its side. */
static inline const char *world_ask_to_end(struct world *world, const char *text)
{
    say(world->fd, text);
    rig_until(&world->rig, heard_more(&world->heard, world->fd));
    return world->heard.data ? world->heard.data : "";
}

/** Says it all and hears until `end` is there. */
static inline const char *world_ask(struct world *world, const char *text, const char *end)
{
    heard_clear(&world->heard);
    say(world->fd, text);
    rig_until(&world->rig,
              heard_has(&world->heard, world->fd, end) || heard_more(&world->heard, world->fd));
    ck_assert_msg(world->heard.data && strstr(world->heard.data, end), "'%s' not in: %s", end,
                  world->heard.data ? world->heard.data : "");
    return world->heard.data;
}

static inline void ck_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' not in: %s", part, text);
}

static inline void ck_has_not(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "'%s' in: %s", part, text);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static inline size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

/** It is refused with that status, the journal says so, and the connection ends. */
static inline void ck_refused(struct world *world, const char *text, unsigned status)
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

#endif
