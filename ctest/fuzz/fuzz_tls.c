/* The TLS of a port: whatever comes in place of a client's records, raw or as those of a real
 * client that were changed on their way, with every fault of the catalogue, the connection ends and
 * nothing is left. */
#include "server/port/port.h"
#include "server/stream/stage.h"
#include "server/tls/config.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUT = 16 * 1024, MOST_SETUPS = 64, MOST_FLIGHTS = 8, MOST_TURNS = 10000, HEAD = 3 };

/** What the first byte of an input asks for. */
enum { HOW_CLIENT = 1, HOW_FIN = 2, HOW_DRAIN = 4, HOW_TLS12 = 8, HOW_PIECES = 16 };

/* A protocol that says back what it hears. */

static void *echo_start(struct stream *stream)
{
    return stream;
}

static size_t echo_bytes(struct stream *stream, struct str bytes)
{
    struct iovec part = {(char *)bytes.data, bytes.size};
    stream_write(stream, &part, 1);
    return bytes.size;
}

static void echo_ended(struct stream *stream, bool reset)
{
    if (!reset)
        stream_close(stream, CLOSE_FIN);
}

static void echo_nothing(struct stream *stream)
{
    (void)stream;
}

static void echo_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static bool echo_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static const struct protocol echo = {
    .name = "echo",
    .start = echo_start,
    .bytes = echo_bytes,
    .writable = echo_nothing,
    .ended = echo_ended,
    .closing = echo_nothing,
    .drain = echo_drain,
    .is_idle = echo_is_idle,
    .gone = echo_nothing,
};

/* The port. */

static struct loop *loop;
static struct server server;
static struct port *port;
static struct tls_setup *setups[MOST_SETUPS];
static size_t setup_count;
static struct tls_setup *chosen;

static struct tls_setup *choose(struct port *of, struct stream *stream)
{
    (void)of;
    (void)stream;
    return chosen;
}

static const struct protocol *agreed(struct port *of, struct stream *stream, struct str alpn)
{
    (void)of;
    (void)stream;
    (void)alpn;
    return &echo;
}

static void world_open(void)
{
    static const struct str alpn[] = {STR_INIT("h2"), STR_INIT("http/1.1")};
    const struct tls_defaults defaults = {
        .name = STR("api"), .host = STR("127.0.0.1"), .alpn = alpn, .alpn_count = 2};
    struct arena *arena = arena_new();
    struct str why;
    int error;
    loop = loop_new();
    GOTO_ASSERT(loop);
    server_init(&server, loop, journal_new(4096, 1 << 20), 1);
    port = port_new(&server, STR("api"), STR("127.0.0.1"), 0, &error);
    GOTO_ASSERT(port);
    port->owner = port;
    port->tls = choose;
    port->agreed = agreed;
    for (size_t i = 0; tls_catalogue[i].name; i++) {
        GOTO_ASSERT(setup_count < MOST_SETUPS);
        setups[setup_count] = tls_setup_new(&server, tls_config_named(&tls_catalogue[i], arena),
                                            &defaults, arena, &why);
        GOTO_ASSERT(setups[setup_count]);
        setup_count++;
    }
    arena_free(arena);
}

/* The client: bytes, or OpenSSL with its records changed. */

struct client {
    SSL_CTX *context;
    SSL *ssl;
    BIO *from_server;
    BIO *to_server;
};

static void client_open(struct client *client, bool tls12)
{
    client->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(client->context, 0);
    SSL_CTX_set_max_proto_version(client->context, tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    client->ssl = SSL_new(client->context);
    client->from_server = BIO_new(BIO_s_mem());
    client->to_server = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(client->from_server, -1);
    BIO_set_mem_eof_return(client->to_server, -1);
    SSL_set_bio(client->ssl, client->from_server, client->to_server);
    SSL_set_connect_state(client->ssl);
}

static void client_close(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    ERR_clear_error();
}

/** Reads all that the server said; the client, if there is one, gets it. */
static void hear(int fd, struct client *client)
{
    char piece[65536];
    ssize_t got;
    while ((got = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
        if (client)
            BIO_write(client->from_server, piece, (int)got);
}

static void say(int fd, struct client *client, const void *bytes, size_t size)
{
    for (size_t at = 0, turns = 0; at < size && turns < MOST_TURNS; turns++) {
        ssize_t sent = send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return;
        at += sent > 0 ? (size_t)sent : 0;
        loop_turn(loop);
        hear(fd, client);
    }
}

/** Two bytes of the input say where a byte of a flight changes, and by what. */
static size_t change(char *flight, size_t size, const uint8_t *data, size_t left)
{
    if (left < 3 || size == 0)
        return 0;
    size_t at = (size_t)(data[0] << 8 | data[1]) % size;
    flight[at] = (char)(flight[at] ^ data[2]);
    return 3;
}

/** A handshake, then the rest of the input as data of the application. */
static void play_client(int fd, uint8_t how, const uint8_t *data, size_t size)
{
    struct client client;
    size_t used = 0;
    client_open(&client, how & HOW_TLS12);
    for (int flight = 0; flight < MOST_FLIGHTS; flight++) {
        char *bytes;
        int done = SSL_do_handshake(client.ssl);
        if (done == 1 && flight > 2)
            SSL_write(client.ssl, data + used, (int)(size - used) + 1);
        long count = BIO_get_mem_data(client.to_server, &bytes);
        if (count > 0) {
            if (how & HOW_PIECES || flight % 2)
                used += change(bytes, (size_t)count, data + used, size - used);
            say(fd, &client, bytes, (size_t)count);
            (void)BIO_reset(client.to_server);
        }
        loop_turn(loop);
        hear(fd, &client);
    }
    client_close(&client);
}

static void play_bytes(int fd, uint8_t how, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size && server.streams;) {
        size_t step = how & HOW_PIECES ? 1 + (at * 7 + how) % 50 : size;
        step = step < size - at ? step : size - at;
        say(fd, NULL, data + at, step);
        at += step;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    int pair[2];
    if (size < HEAD || size > MOST_INPUT)
        return 0;
    if (!loop)
        world_open();
    uint8_t how = data[0];
    chosen = setups[data[1] % setup_count];
    GOTO_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    (void)stream_new(port, pair[0], &address);
    if (how & HOW_CLIENT)
        play_client(pair[1], how, data + HEAD - 1, size - HEAD);
    else
        play_bytes(pair[1], how, data + HEAD - 1, size - HEAD + 1);
    if (how & HOW_DRAIN)
        port_disconnect(port, WHICH_ALL, CLOSE_DRAIN);
    if (how & HOW_FIN)
        shutdown(pair[1], SHUT_WR);
    loop_turn(loop);
    hear(pair[1], NULL);
    close(pair[1]);
    loop_turn(loop);
    port_disconnect(port, WHICH_ALL, CLOSE_KILL);
    for (size_t i = 0; server.streams && i < MOST_TURNS; i++)
        loop_turn(loop);
    GOTO_ASSERT(server.streams == 0 && ERR_peek_error() == 0);
    return 0;
}
