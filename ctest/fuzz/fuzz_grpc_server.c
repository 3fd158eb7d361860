/* Calls of gRPC on a port: whatever the frames of a request hold and wherever they are cut, for
 * each kind of rpc and for health and reflection, the call gets an end, and nothing is left. */
#include "ctest/fuzz/grpc_frames.h"

#include "base/clock.h"
#include "schema/tree.h"
#include "server/http/upstream.h"
#include "server/port/port.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUT = 16 * 1024, MOST_TURNS = 20000 };

/** What the second byte of an input asks for. */
enum { WITH_GZIP = 1, WITH_TIMEOUT = 2, WITH_ACCEPT = 4, WITH_OTHER = 8, WITHOUT_END = 16 };

static const char yaml[] =
    "protocol: grpc\n"
    "protos: data/shop.proto\n"
    "reflection: true\n"
    "health: {shop.Orders: SERVING}\n"
    "max-message: 1KiB\n"
    "limits: {body-size: 8KiB}\n"
    "routes:\n"
    "  - match: {rpc: shop.Orders/Get, json-subset: {id: a}}\n"
    "    respond: {message: {id: \"{{ message $.id }}\", weight: \"{{ message $.count }}\"}}\n"
    "  - match: {rpc: shop.Orders/Watch}\n"
    "    respond: {compress: gzip, messages: [{id: a}, {id: \"{{ message $.count }}\"}]}\n"
    "  - match: {rpc: shop.Orders/Upload, jsonpath: {$.name: {exists: true}}}\n"
    "    respond: {status: {code: ABORTED, message: \"{{ message $.name }}\"}}\n"
    "  - match: {rpc: shop.Orders/Chat, metadata: {x-a-bin: 'YQ=='}}\n"
    "    respond: {messages: [{id: a}, {id: b}], status: DATA_LOSS}\n"
    "  - match: {rpc: shop.Orders/Chat}\n"
    "    respond: {message: {id: \"{{ message $.id }}\"}}\n";

static const char *const paths[] = {
    "/shop.Orders/Get",
    "/shop.Orders/Watch",
    "/shop.Orders/Upload",
    "/shop.Orders/Chat",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/shop.Orders/Nothing",
    "/grpc.health.v1.Health/Watch",
};
enum { PATH_WATCH = 7 };

static struct loop *loop;
static struct journal *journal;
static struct server server;
static struct port *port;

static void world_open(void)
{
    static struct upstream_config config;
    static struct source source;
    static struct diagnostics diagnostics;
    static struct arena *arena;
    struct documents documents = {0};
    struct str why = {0};
    int error;
    arena = arena_new();
    diagnostics_init(&diagnostics);
    source = (struct source){STR("ctest/specs/fuzz.yaml"), str_of(yaml)};
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    GOTO_ASSERT(tree_read_yaml(arena, &source, &documents, &diagnostics) == 0);
    GOTO_ASSERT(reader_read(&reader, &upstream_type, documents.items[0], &config) == READ_OK);
    loop = loop_new();
    GOTO_ASSERT(loop);
    journal = journal_new(4096, 1 << 20);
    server_init(&server, loop, journal, 1);
    port = port_new(&server, STR("api"), STR("127.0.0.1"), 0, &error);
    GOTO_ASSERT(port);
    GOTO_ASSERT(upstream_prepare(upstream_new(port, &config), &why));
}

static void put_request(struct buf *into, uint8_t rpc, uint8_t how, uint8_t cut, struct str body)
{
    static const char hello[] = NGHTTP2_CLIENT_MAGIC;
    struct buf block;
    buf_init(&block, BUF_OWN);
    (void)!buf_append(into, (struct str){hello, sizeof hello - 1});
    /* windows wide enough for every answer */
    put_frame(into, NGHTTP2_SETTINGS, 0, 0, STR("\0\4\x40\0\0\0"));
    put_frame(into, NGHTTP2_WINDOW_UPDATE, 0, 0, STR("\x40\0\0\0"));
    put_field(&block, ":method", "POST");
    put_field(&block, ":scheme", "http");
    put_field(&block, ":path", paths[rpc % COUNT_OF(paths)]);
    put_field(&block, ":authority", "a");
    put_field(&block, "content-type", "application/grpc");
    if (how & WITH_GZIP)
        put_field(&block, "grpc-encoding", how & WITH_OTHER ? "snappy" : "gzip");
    if (how & WITH_TIMEOUT)
        put_field(&block, "grpc-timeout", how & WITH_OTHER ? "1x" : "1H");
    if (how & WITH_ACCEPT)
        put_field(&block, "grpc-accept-encoding", "gzip,identity");
    if (how & WITH_OTHER)
        put_field(&block, "x-a-bin", "YQ");
    put_headers(into, 1, false, &block);
    put_body(into, 1, !(how & WITHOUT_END), body, cut);
    buf_clear(&block);
}

/** Whether the stream of the call was ended by what the server said. */
static bool is_ended(struct buf *said)
{
    for (size_t at = 0; at + FRAME_HEAD <= said->size;) {
        const unsigned char *head = (const unsigned char *)said->data + at;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        bool ends =
            head[3] == NGHTTP2_RST_STREAM || (head[3] <= NGHTTP2_HEADERS && (head[4] & END_STREAM));
        if (ends && head[8] == 1)
            return true;
        at += FRAME_HEAD + size;
    }
    return false;
}

static void play(int fd, struct buf *request, bool ends)
{
    static char piece[65536];
    struct buf said;
    size_t at = 0;
    bool over = false;
    buf_init(&said, BUF_OWN);
    for (size_t i = 0; i < MOST_TURNS && !over; i++) {
        ssize_t sent =
            send(fd, request->data + at, request->size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        at += sent > 0 ? (size_t)sent : 0;
        if (at == request->size && !ends)
            break;
        loop_turn(loop);
        for (ssize_t got; (got = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0;)
            (void)!buf_append(&said, (struct str){piece, (size_t)got});
        over = is_ended(&said);
    }
    GOTO_ASSERT(over || !ends);
    buf_clear(&said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct buf request;
    int pair[2];
    if (size < 3 || size > MOST_INPUT)
        return 0;
    if (!loop)
        world_open();
    buf_init(&request, BUF_OWN);
    put_request(&request, data[0], data[1], data[2],
                (struct str){(const char *)data + 3, size - 3});
    bool ends = !(data[1] & WITHOUT_END) && data[0] % COUNT_OF(paths) != PATH_WATCH;
    GOTO_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    (void)stream_new(port, pair[0], &address);
    play(pair[1], &request, ends);
    buf_clear(&request);
    close(pair[1]);
    loop_turn(loop);
    port_disconnect(port, WHICH_ALL, CLOSE_KILL);
    for (size_t i = 0; server.streams && i < MOST_TURNS; i++)
        loop_turn(loop);
    GOTO_ASSERT(server.streams == 0);
    return 0;
}
