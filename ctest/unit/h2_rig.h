/**
 * What the tests of HTTP/2 share: an upstream that answers by the request's path, and a client on
 * nghttp2 that lets its test do what a client should not.
 */
#ifndef GOTO_CTEST_H2_RIG_H
#define GOTO_CTEST_H2_RIG_H

#include "ctest/unit/rig.h"

#include "base/memory.h"
#include "server/http/h2.h"
#include "server/http/upstream.h"

#include <nghttp2/nghttp2.h>

/* An upstream. */

enum { MOST_WAITING = 16, BIG = 24 << 20, MOST_ANSWERS = 160 };

static struct limits limits;
static struct h2_begin begin;
static struct exchange *waiting[MOST_WAITING]; /**< of "/wait", answered by the test */
static size_t waiting_count;
static unsigned gone_count; /**< responders that were told to stop */
static uint64_t big_left;
static size_t most_queued;
static bool (*answers_first)(struct exchange *exchange); /**< a test's own; true: it took it over */

static const struct limits usual = {.header_size = 4096,
                                    .body_size = 1 << 20,
                                    .idle_ns = INT64_C(60) * CLOCK_SECOND,
                                    .read_ns = INT64_C(30) * CLOCK_SECOND};

const struct limits *upstream_limits(const struct upstream *upstream)
{
    (void)upstream;
    return &limits;
}

static void rig_begin(struct stream *stream, struct h2_begin *into)
{
    (void)stream;
    *into = begin;
}

static void responder_gone(struct exchange *exchange)
{
    for (size_t i = 0; i < waiting_count; i++) {
        if (waiting[i] == exchange)
            waiting[i] = NULL;
    }
    gone_count++;
}

static inline void answer_text(struct exchange *exchange, unsigned status, struct str text)
{
    struct response_head head = {.status = status, .content_length = (int64_t)text.size};
    exchange_head(exchange, &head);
    exchange_body(exchange, text);
    exchange_finish(exchange, NULL);
}

static inline void answer_static(struct exchange *exchange, unsigned status, bool close)
{
    struct header own[] = {{STR("X-Own"), STR("b")}, {STR("content-length"), STR("5")}};
    struct headers headers = {own, status == 204 ? 1 : 2, 2};
    struct static_answer answer = {.status = status,
                                   .status_line = STR("HTTP/1.1 200 OK\r\n"),
                                   .head = STR("X-Own: b\r\n\r\n"),
                                   .body = status == 204 ? STR("") : STR("hello"),
                                   .headers = &headers,
                                   .close = close};
    exchange_static(exchange, &answer);
}

static void big_go_on(struct exchange *exchange)
{
    static const char block[65536];
    while (big_left) {
        size_t queued = exchange_queued(exchange);
        if (queued > STREAM_HIGH_MARK)
            return;
        size_t size = big_left < sizeof block ? (size_t)big_left : sizeof block;
        big_left -= size;
        exchange_body(exchange, (struct str){block, size});
        queued = exchange_queued(exchange);
        most_queued = queued > most_queued ? queued : most_queued;
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

/** "GET /path?query h name=value,name=value; body": what reached the upstream. */
static inline void answer_echo(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    const struct headers *lists[] = {&request->headers, &request->trailers};
    struct buf text;
    buf_init(&text, BUF_OWN);
    buf_printf(&text, STR_FMT " " STR_FMT, STR_ARG(request->method), STR_ARG(request->path));
    if (request->query.data)
        buf_printf(&text, "?" STR_FMT, STR_ARG(request->query));
    buf_printf(&text, " " STR_FMT " ", STR_ARG(request->authority));
    for (size_t list = 0; list < 2; list++) {
        for (size_t i = 0; i < lists[list]->count; i++)
            buf_printf(&text, STR_FMT "=" STR_FMT ",", STR_ARG(lists[list]->items[i].name),
                       STR_ARG(lists[list]->items[i].value));
        buf_append_byte(&text, ';');
    }
    buf_append(&text, request->body);
    answer_text(exchange, 200, buf_str(&text));
    buf_clear(&text);
}

static inline void answer_trailers(struct exchange *exchange, struct str body)
{
    struct header sum = {STR("x-sum"), STR("7")};
    struct headers trailers = {&sum, 1, 1};
    struct response_head head = {.status = 200, .content_length = -1};
    exchange_head(exchange, &head);
    exchange_body(exchange, body);
    exchange_finish(exchange, &trailers);
}

static inline void answer_with(struct exchange *exchange, struct str name, struct str value)
{
    struct header header = {name, value};
    struct headers headers = {&header, 1, 1};
    struct response_head head = {.status = 200, .headers = &headers, .content_length = 3};
    exchange_head(exchange, &head);
    exchange_body(exchange, STR("abc"));
    exchange_finish(exchange, NULL);
}

static inline void answer_cut(struct exchange *exchange, enum close_how how)
{
    struct response_head head = {.status = 200, .content_length = 100};
    exchange_head(exchange, &head);
    exchange_body(exchange, STR("part"));
    exchange_cut(exchange, how);
}

static inline void answer_early(struct exchange *exchange)
{
    struct header link = {STR("link"), STR("</x>")};
    struct headers headers = {&link, 1, 1};
    exchange_informational(exchange, 103, &headers);
    answer_text(exchange, 200, STR("late"));
}

/** Room for what flow control holds back. */
static char much[200000];

static inline void answer_special(struct exchange *exchange, struct str path)
{
    if (str_is(path, "/early"))
        answer_early(exchange);
    else if (str_is(path, "/trailers"))
        answer_trailers(exchange, STR("body"));
    else if (str_is(path, "/only-trailers"))
        answer_trailers(exchange, STR(""));
    else if (str_is(path, "/raw"))
        exchange_raw(exchange, 200, STR("HTTP/1.1 200 OK\r\n\r\n"), false);
    else if (str_is(path, "/lie"))
        answer_with(exchange, STR("Content-Length"), STR("10"));
    else if (str_is(path, "/close-by-hand"))
        answer_with(exchange, STR("Connection"), STR("close"));
    else if (str_is(path, "/coded"))
        answer_with(exchange, STR("Transfer-Encoding"), STR("chunked"));
    else if (str_is(path, "/much"))
        answer_text(exchange, 200, (struct str){much, sizeof much});
    else if (str_is(path, "/cut-fin"))
        answer_cut(exchange, CLOSE_FIN);
    else if (str_is(path, "/cut-keep"))
        answer_cut(exchange, CLOSE_KEEP);
    else if (str_is(path, "/cut-kill"))
        answer_cut(exchange, CLOSE_KILL);
    else if (str_is(path, "/reset"))
        h2_reset(exchange, 0xdead);
    else if (str_is(path, "/not-modified"))
        answer_text(exchange, 304, STR("abc"));
    else
        answer_text(exchange, 404, STR("no such path"));
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
    if (answers_first && answers_first(exchange))
        return;
    if (str_is(path, "/") || str_is(path, "/nothing") || str_is(path, "/static-close")) {
        answer_static(exchange, str_is(path, "/nothing") ? 204 : 200,
                      str_is(path, "/static-close"));
    } else if (str_is(path, "/echo")) {
        answer_echo(exchange);
    } else if (str_is(path, "/big")) {
        answer_big(exchange);
    } else if (str_is(path, "/wait")) {
        ck_assert_uint_lt(waiting_count, MOST_WAITING);
        exchange->responder_gone = responder_gone;
        waiting[waiting_count++] = exchange;
    } else {
        answer_special(exchange, path);
    }
}

/* A client. */

struct answer {
    int32_t id;
    struct buf head; /**< "name: value\n", all header blocks before the body */
    struct buf body;
    struct buf trailers;
    size_t body_size;
    bool status; /**< the block that comes, or came, is of the final head */
    bool final;  /**< which came whole */
    bool ended;
    bool reset;
    uint32_t code;
};

struct peer {
    int fd;
    nghttp2_session *session;
    struct answer answers[MOST_ANSWERS];
    size_t count;
    struct buf unsent;
    size_t goaways;
    uint32_t goaway_code;
    int32_t goaway_last[4];
    struct buf goaway_debug;
    struct buf settings; /**< "3=100 " of each SETTINGS frame */
    size_t settings_count;
    size_t window_updates;
    size_t pings;
    bool fin;
    bool gone;       /**< RST */
    struct buf *raw; /**< all bytes that came, where a test wants them */
    bool deaf;       /**< they are not given to nghttp2 */
};

static inline struct answer *peer_answer(struct peer *peer, int32_t id)
{
    for (size_t i = 0; i < peer->count; i++) {
        if (peer->answers[i].id == id)
            return &peer->answers[i];
    }
    ck_assert_uint_lt(peer->count, MOST_ANSWERS);
    struct answer *answer = &peer->answers[peer->count++];
    answer->id = id;
    buf_init(&answer->head, BUF_OWN);
    buf_init(&answer->body, BUF_OWN);
    buf_init(&answer->trailers, BUF_OWN);
    return answer;
}

static int peer_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                       size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                       void *user)
{
    struct answer *answer = peer_answer(user, frame->hd.stream_id);
    struct buf *into = answer->final ? &answer->trailers : &answer->head;
    (void)session;
    (void)flags;
    if (!answer->final && name_size == 7 && memcmp(name, ":status", 7) == 0)
        answer->status = value[0] != '1';
    buf_printf(into, "%.*s: %.*s\n", (int)name_size, (const char *)name, (int)value_size,
               (const char *)value);
    return 0;
}

static void peer_settings(struct peer *peer, const nghttp2_settings *settings)
{
    peer->settings_count++;
    for (size_t i = 0; i < settings->niv; i++)
        buf_printf(&peer->settings, "%d=%u ", settings->iv[i].settings_id, settings->iv[i].value);
}

static int peer_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct peer *peer = user;
    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
            peer_settings(peer, &frame->settings);
        break;
    case NGHTTP2_GOAWAY:
        peer->goaway_code = frame->goaway.error_code;
        peer->goaway_last[peer->goaways % 4] = frame->goaway.last_stream_id;
        peer->goaways++;
        buf_append(&peer->goaway_debug, (struct str){(const char *)frame->goaway.opaque_data,
                                                     frame->goaway.opaque_data_len});
        break;
    case NGHTTP2_RST_STREAM:
        peer_answer(peer, frame->hd.stream_id)->reset = true;
        peer_answer(peer, frame->hd.stream_id)->code = frame->rst_stream.error_code;
        break;
    case NGHTTP2_WINDOW_UPDATE:
        peer->window_updates++;
        break;
    case NGHTTP2_PING:
        peer->pings++;
        break;
    case NGHTTP2_HEADERS:
        peer_answer(peer, frame->hd.stream_id)->final =
            peer_answer(peer, frame->hd.stream_id)->status;
        /* fall through */
    case NGHTTP2_DATA:
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            peer_answer(peer, frame->hd.stream_id)->ended = true;
        break;
    default:
        break;
    }
    return 0;
}

static int peer_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                     size_t size, void *user)
{
    struct answer *answer = peer_answer(user, id);
    (void)session;
    (void)flags;
    answer->body_size += size;
    if (answer->body_size <= 4096)
        (void)buf_append(&answer->body, (struct str){(const char *)data, size});
    return 0;
}

/** `strict`: the client checks what it hears, opens its windows, and answers PING. */
static inline void peer_open(struct peer *peer, uint16_t port, bool strict)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    memset(peer, 0, sizeof *peer);
    buf_init(&peer->unsent, BUF_OWN);
    buf_init(&peer->settings, BUF_OWN);
    buf_init(&peer->goaway_debug, BUF_OWN);
    ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    ck_assert_int_eq(nghttp2_option_new(&option), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, peer_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, peer_data);
    if (!strict) {
        nghttp2_option_set_no_http_messaging(option, 1);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_auto_ping_ack(option, 1);
    }
    ck_assert_int_eq(nghttp2_session_client_new2(&peer->session, callbacks, peer, option), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    ck_assert_int_eq(nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    peer->fd = port ? rig_dial(port) : -1;
}

static inline void peer_close(struct peer *peer)
{
    for (size_t i = 0; i < peer->count; i++) {
        buf_clear(&peer->answers[i].head);
        buf_clear(&peer->answers[i].body);
        buf_clear(&peer->answers[i].trailers);
    }
    buf_clear(&peer->unsent);
    buf_clear(&peer->settings);
    buf_clear(&peer->goaway_debug);
    nghttp2_session_del(peer->session);
    if (peer->fd >= 0)
        close(peer->fd);
}

/** Sends what the socket takes. */
static inline void peer_send(struct peer *peer)
{
    const uint8_t *frame;
    ssize_t size;
    while (peer->unsent.size < 65536 &&
           (size = nghttp2_session_mem_send(peer->session, &frame)) > 0)
        buf_append(&peer->unsent, (struct str){(const char *)frame, (size_t)size});
    if (peer->unsent.size == 0)
        return;
    size = send(peer->fd, peer->unsent.data, peer->unsent.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size > 0)
        buf_consume(&peer->unsent, (size_t)size);
    if (size < 0 && errno != EAGAIN)
        buf_reset(&peer->unsent);
}

/** Sends and hears what is there. */
static inline void peer_turn(struct peer *peer)
{
    static uint8_t piece[65536];
    peer_send(peer);
    while (!peer->fin && !peer->gone) {
        ssize_t got = recv(peer->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            break;
        peer->fin = got == 0;
        peer->gone = got < 0;
        if (got > 0 && peer->raw)
            (void)buf_append(peer->raw, (struct str){(const char *)piece, (size_t)got});
        if (got > 0 && !peer->deaf)
            (void)nghttp2_session_mem_recv(peer->session, piece, (size_t)got);
        peer_send(peer);
    }
}

static inline nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/** A request's body: `size` bytes of 'u', then its end, or `open`: silence. */
struct upload {
    size_t size;
    bool open;
    bool trailers;
};

static ssize_t upload_read(nghttp2_session *session, int32_t id, uint8_t *into, size_t most,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct upload *upload = source->ptr;
    size_t size = upload->size < most ? upload->size : most;
    (void)user;
    memset(into, 'u', size);
    upload->size -= size;
    if (upload->size == 0 && upload->open)
        return size ? (ssize_t)size : NGHTTP2_ERR_DEFERRED;
    if (upload->size == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (upload->trailers) {
            nghttp2_nv trailer = nv("x-t", "1");
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(session, id, &trailer, 1);
        }
    }
    return (ssize_t)size;
}

/** Submits a request with more headers ("name", "value", …, NULL). Returns its stream. */
static inline int32_t peer_submit(struct peer *peer, const char *method, const char *path,
                                  const char *const *more, struct upload *upload)
{
    nghttp2_nv all[64];
    size_t count = 0;
    all[count++] = nv(":method", method);
    if (strcmp(method, "CONNECT") != 0) {
        all[count++] = nv(":scheme", "http");
        all[count++] = nv(":path", path);
    }
    all[count++] = nv(":authority", "h.example");
    for (; more && *more; more += 2)
        all[count++] = nv(more[0], more[1]);
    nghttp2_data_provider body = {.source.ptr = upload, .read_callback = upload_read};
    int32_t id =
        nghttp2_submit_request(peer->session, NULL, all, count, upload ? &body : NULL, NULL);
    ck_assert_int_gt(id, 0);
    return id;
}

static inline int32_t peer_get(struct peer *peer, const char *path)
{
    return peer_submit(peer, "GET", path, NULL, NULL);
}

/* The world. */

struct world {
    struct rig rig;
    struct port *port;
    struct peer peer;
};

static inline void world_begin(struct world *world, bool strict)
{
    int error;
    waiting_count = 0;
    gone_count = 0;
    most_queued = 0;
    rig_init(&world->rig);
    world->port = port_new(&world->rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(world->port);
    world->port->protocol = &h2c_protocol;
    world->port->h2_begin = rig_begin;
    world->port->owner = world;
    ck_assert_int_eq(port_open(world->port), 0);
    peer_open(&world->peer, world->port->number, strict);
}

static inline void world_init(struct world *world)
{
    limits = usual;
    begin = (struct h2_begin){0};
    world_begin(world, true);
}

static inline void world_clear(struct world *world)
{
    rig_clear(&world->rig);
    peer_close(&world->peer);
}

/** A new connection. */
static inline void world_dial(struct world *world, bool strict)
{
    peer_close(&world->peer);
    peer_open(&world->peer, world->port->number, strict);
}

/** Turns both sides until the condition holds. */
#define world_until(world, condition)                                                              \
    rig_until(&(world)->rig, (peer_turn(&(world)->peer), (condition)))

/** The answer of a stream, whole. */
static inline struct answer *world_answer(struct world *world, int32_t id)
{
    world_until(world,
                peer_answer(&world->peer, id)->ended || peer_answer(&world->peer, id)->reset);
    return peer_answer(&world->peer, id);
}

static inline struct answer *world_get(struct world *world, const char *path)
{
    return world_answer(world, peer_get(&world->peer, path));
}

#define ck_in(buf, part)                                                                           \
    ck_assert_msg(str_find(buf_str(&(buf)), STR(part)) >= 0, "'%s' not in: " STR_FMT, part,        \
                  STR_ARG(buf_str(&(buf))))
#define ck_not_in(buf, part)                                                                       \
    ck_assert_msg(str_find(buf_str(&(buf)), STR(part)) < 0, "'%s' in: " STR_FMT, part,             \
                  STR_ARG(buf_str(&(buf))))

#endif
