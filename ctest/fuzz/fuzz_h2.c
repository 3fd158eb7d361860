/* HTTP/2 connections: whatever a client sends, in pieces, however its requests are answered, the
 * connection ends and nothing is left. Ports of h2 and of h2c (prior knowledge and Upgrade). */
#include "base/clock.h"
#include "server/http/h2.h"
#include "server/http/upstream.h"
#include "server/port/port.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_WAITING = 128, MOST_INPUT = 32 * 1024, MOST_TURNS = 10000 };

/** What the first byte of an input asks for. */
enum { START_H2C = 1, START_PREFACE = 2, START_TIGHT = 4, START_FIN = 8, START_DRAIN = 16 };

static const struct limits roomy = {.header_size = 4096, .body_size = 16384};
static const struct limits tight = {.header_size = 64, .body_size = 16};
static const struct limits *limits = &roomy;
static struct exchange *waiting[MOST_WAITING];
static size_t waiting_count;
static char much[100000];

const struct limits *upstream_limits(const struct upstream *upstream)
{
    (void)upstream;
    return limits;
}

static void waiting_gone(struct exchange *exchange)
{
    for (size_t i = 0; i < waiting_count; i++) {
        if (waiting[i] == exchange)
            waiting[i--] = waiting[--waiting_count];
    }
}

static void answer(struct exchange *exchange, struct str body, bool trailers)
{
    struct header header = {STR("x-a"), STR("b")};
    struct headers headers = {&header, 1, 1};
    struct response_head head = {
        .status = 200, .headers = &headers, .content_length = trailers ? -1 : (int64_t)body.size};
    exchange_informational(exchange, 103, &headers);
    exchange_head(exchange, &head);
    exchange_body(exchange, body);
    exchange_finish(exchange, trailers ? &headers : NULL);
}

static void answer_static(struct exchange *exchange, bool close)
{
    struct header length = {STR("content-length"), STR("2")};
    struct headers headers = {&length, 1, 1};
    struct static_answer whole = {
        .status = 200, .body = STR("ok"), .headers = &headers, .close = close};
    exchange_static(exchange, &whole);
}

static void act(struct exchange *exchange, unsigned what)
{
    switch (what % 8) {
    case 0:
        answer_static(exchange, false);
        break;
    case 1:
        answer(exchange, exchange->request.body, false);
        break;
    case 2:
        answer(exchange, (struct str){much, sizeof much}, true);
        break;
    case 3:
        h2_reset(exchange, NGHTTP2_CANCEL);
        break;
    case 4:
        exchange_cut(exchange, CLOSE_FIN);
        break;
    case 5:
        answer_static(exchange, true);
        break;
    case 6:
        exchange_cut(exchange, CLOSE_KEEP);
        break;
    default:
        h2_raw(exchange->stream, STR("\0\0\0\x99\0\0\0\0\0"));
        answer(exchange, STR(""), true);
        break;
    }
}

/** No request is forwarded here. */
void upstream_stream(struct upstream *upstream, struct exchange *exchange)
{
    (void)upstream;
    (void)exchange;
}

bool upstream_tunnels(const struct upstream *upstream)
{
    (void)upstream;
    return false;
}

bool upstream_answers_early(struct upstream *upstream, const struct exchange *exchange)
{
    (void)upstream;
    (void)exchange;
    return true;
}

void upstream_answer(struct upstream *upstream, struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    (void)upstream;
    GOTO_ASSERT(request->version == HTTP_2 && request->method.size && request->path.size);
    GOTO_ASSERT(request->body.size <= limits->body_size);
    unsigned what = (unsigned char)request->path.data[request->path.size - 1] + exchange->stream_id;
    if (what % 3 == 0 && waiting_count < MOST_WAITING) {
        exchange->responder_gone = waiting_gone;
        waiting[waiting_count++] = exchange;
    } else {
        act(exchange, what / 3);
    }
}

static struct loop *loop;
static struct journal *journal;
static struct server server;
static struct port *port;

static void world_open(void)
{
    int error;
    loop = loop_new();
    GOTO_ASSERT(loop);
    journal = journal_new(4096, 1 << 20);
    server_init(&server, loop, journal, 1);
    port = port_new(&server, STR("api"), STR("127.0.0.1"), 0, &error);
    GOTO_ASSERT(port);
    port->owner = port;
}

/** Reads all that the server said. */
static void discard(int fd)
{
    char piece[65536];
    while (recv(fd, piece, sizeof piece, MSG_DONTWAIT) > 0)
        ;
}

static void turn(int fd)
{
    loop_turn(loop);
    discard(fd);
}

static void say(int fd, const void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t sent = send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return;
        at += sent > 0 ? (size_t)sent : 0;
        turn(fd);
    }
}

/** Says the input in pieces, and lets requests that wait be answered between them. */
static void play(int fd, uint8_t how, uint8_t pieces, const uint8_t *data, size_t size)
{
    static const char preface[] = NGHTTP2_CLIENT_MAGIC "\0\0\0\4\0\0\0\0\0";
    if (how & START_PREFACE)
        say(fd, preface, sizeof preface - 1);
    for (size_t at = 0; at < size && server.streams;) {
        size_t step = pieces ? 1 + (at * 7 + pieces) % 50 : size;
        step = step < size - at ? step : size - at;
        say(fd, data + at, step);
        if (waiting_count && pieces % 2)
            act(waiting[at % waiting_count], pieces + (unsigned)at);
        at += step;
    }
    while (waiting_count && pieces % 4 == 1)
        act(waiting[0], pieces);
    if (how & START_DRAIN)
        port_disconnect(port, WHICH_ALL, CLOSE_DRAIN);
    turn(fd);
    if (how & START_FIN)
        shutdown(fd, SHUT_WR);
    turn(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    int pair[2];
    if (size < 2 || size > MOST_INPUT)
        return 0;
    if (!loop)
        world_open();
    uint8_t how = data[0];
    limits = how & START_TIGHT ? &tight : &roomy;
    port->protocol = how & START_H2C ? &h2c_protocol : &h2_protocol;
    GOTO_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    (void)stream_new(port, pair[0], &address);
    play(pair[1], how, data[1], data + 2, size - 2);
    close(pair[1]);
    loop_turn(loop);
    /* what waits for its answer, or was left silent, would wait on */
    port_disconnect(port, WHICH_ALL, CLOSE_KILL);
    for (size_t i = 0; server.streams && i < MOST_TURNS; i++)
        loop_turn(loop);
    GOTO_ASSERT(server.streams == 0 && waiting_count == 0);
    return 0;
}
