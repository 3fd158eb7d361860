#include "runner/client/grpc_connection.h"

#include "base/memory.h"
#include "server/http/h2_stream_wire.h"
#include "server/server.h"
#include "server/stream/stream.h"
#include "server/tls/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { REMOTE_SIZE = 128 };

struct grpc_connection {
    const struct grpc_connection_user *user; /**< NULL: nobody listens */
    void *context;
    struct server *server;
    struct arena *arena; /**< of texts that TLS borrows */
    struct tls_connect tls;
    bool secure;
    struct endpoint_dial *dial;  /**< NULL once it is gone */
    struct stream *stream;       /**< once it is ours to speak on */
    struct h2_stream_wire *wire; /**< NULL once the client has closed it */
    struct h2_client *client;
    const char *refused; /**< the error for which we end it ourselves */
    struct str refused_why;
    bool closed; /**< grpc_connection_close() was called */
    char remote[REMOTE_SIZE];
};

static void connection_free(struct grpc_connection *connection)
{
    arena_free(connection->arena);
    memory_free(connection);
}

static void connection_fail(struct grpc_connection *connection, const char *name, struct str why,
                            bool harness)
{
    if (connection->user)
        connection->user->failed(connection->context, name, why, harness);
}

/* The stream. */

/** HTTP/2 was not agreed on, though it was offered. */
static bool lacks_alpn(const struct grpc_connection *connection, const struct stream *stream)
{
    const struct tls_client_options *options = connection->tls.plan.options;
    const struct tls_client *client = stream->tls ? tls_stream_client(stream) : NULL;
    return client && !(options && options->alpn) && !tls_client_is_h2(client);
}

/** The client has closed its wire. */
static void connection_wire_closed(void *owner)
{
    struct grpc_connection *connection = owner;
    connection->wire = NULL;
    if (connection->closed)
        stream_close(connection->stream, CLOSE_FIN);
}

static void *connection_start(struct stream *stream)
{
    struct grpc_connection *connection = stream->owner;
    connection->dial = NULL;
    connection->stream = stream;
    stream->state = connection;
    if (lacks_alpn(connection, stream)) {
        connection->refused = "tls-alpn";
        connection->refused_why = STR("the server did not agree on h2 by ALPN");
        stream_close(stream, CLOSE_FIN);
        return connection;
    }
    connection->wire =
        h2_stream_wire_new(stream, connection->remote, connection_wire_closed, connection);
    stream_enter(stream);
    connection->client =
        h2_client_new(connection->server->loop, &connection->wire->wire, NULL, NULL);
    if (connection->user)
        connection->user->connected(connection->context);
    stream_leave(stream);
    return connection;
}

static void connection_tell(struct grpc_connection *connection)
{
    if (connection->client && connection->wire)
        h2_stream_wire_tell(connection->wire);
}

static size_t connection_bytes(struct stream *stream, struct str bytes)
{
    struct grpc_connection *connection = stream->state;
    if (connection->wire)
        connection->wire->incoming = bytes;
    /* the client reads a bounded part at a time */
    while (connection->wire && connection->wire->incoming.size && connection->client &&
           !stream->closing)
        connection_tell(connection);
    if (connection->wire)
        connection->wire->incoming = (struct str){NULL, 0};
    return bytes.size;
}

static void connection_writable(struct stream *stream)
{
    connection_tell(stream->state);
}

static void connection_ended(struct stream *stream, bool reset)
{
    struct grpc_connection *connection = stream->state;
    if (connection->client && connection->wire)
        h2_stream_wire_end(connection->wire, reset);
}

/** Its client is given up, its calls hear nothing more. */
static bool connection_drop_client(struct grpc_connection *connection)
{
    struct h2_client *client = connection->client;
    connection->client = NULL;
    h2_client_free(client);
    return client != NULL;
}

/** TLS may have broken; what we end ourselves has nobody who listens. */
static void connection_closing(struct stream *stream)
{
    struct grpc_connection *connection = stream->state;
    struct str why = {0};
    const char *error = tls_stream_error(stream, &why);
    if (connection->closed)
        return;
    if (!error && connection->refused) {
        error = connection->refused;
        why = connection->refused_why;
    }
    (void)connection_drop_client(connection);
    connection_fail(connection, error ? error : "connection-closed",
                    error ? why : STR("the connection was ended"), false);
}

static void connection_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static bool connection_is_idle(const struct stream *stream)
{
    (void)stream;
    return false;
}

static void connection_gone(struct stream *stream)
{
    struct grpc_connection *connection = stream->state;
    if (connection->wire)
        h2_stream_wire_leave(connection->wire);
    connection->wire = NULL;
    connection->stream = NULL;
    bool had_client = connection_drop_client(connection);
    if (connection->closed)
        connection_free(connection);
    else if (had_client)
        connection_fail(connection, "connection-closed", STR("the connection has ended"), false);
}

static const struct protocol connection_protocol = {
    .name = "grpc client",
    .start = connection_start,
    .bytes = connection_bytes,
    .writable = connection_writable,
    .ended = connection_ended,
    .closing = connection_closing,
    .drain = connection_drain,
    .is_idle = connection_is_idle,
    .gone = connection_gone,
};

/* Connecting. */

static void dial_failed(void *context, int error, struct str why)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {0, "dns"},
        {ECONNREFUSED, "connection-refused"},
        {ENOENT, "connection-refused"},
        {ECONNRESET, "connection-reset"},
        {ETIMEDOUT, "connect-timeout"},
    };
    struct grpc_connection *connection = context;
    const char *name = NULL;
    for (size_t i = 0; i < COUNT_OF(names) && !name; i++)
        if (names[i].error == error)
            name = names[i].name;
    connection->dial = NULL;
    connection_fail(connection, name, why, false);
}

static void tls_dial_failed(void *context, int error, struct str why)
{
    struct tls_connect *tls = context;
    dial_failed(tls->owner, error, why);
}

static void handshake_failed(void *owner, const char *name, struct str why)
{
    struct grpc_connection *connection = owner;
    connection->dial = NULL;
    connection_fail(connection, name, why, name == NULL);
}

struct grpc_connection *grpc_connection_new(const struct grpc_connection_plan *plan,
                                            const struct grpc_connection_user *user, void *context)
{
    static const struct endpoint_dial_user plain = {&connection_protocol, dial_failed};
    static const struct endpoint_dial_user secure = {&tls_connect_protocol, tls_dial_failed};
    const struct endpoint *endpoint = &plan->endpoint;
    struct grpc_connection *connection = memory_alloc(sizeof *connection);
    connection->user = user;
    connection->context = context;
    connection->server = plan->server;
    connection->secure = plan->tls;
    connection->arena = arena_new();
    connection->tls = (struct tls_connect){
        .plan =
            {
                .options = plan->options,
                .host = arena_copy(connection->arena, endpoint->host),
                .alpn = {"h2"},
                .server = plan->server,
                .only_run = endpoint->own,
            },
        .protocol = &connection_protocol,
        .owner = connection,
        .failed = handshake_failed,
    };
    if (endpoint->unix_path.data)
        snprintf(connection->remote, sizeof connection->remote, "unix:" STR_FMT,
                 STR_ARG(endpoint->unix_path));
    else
        snprintf(connection->remote, sizeof connection->remote, STR_FMT ":%u",
                 STR_ARG(endpoint->host), endpoint->number);
    connection->dial =
        endpoint_dial_new(plan->server, endpoint, connection->secure ? &secure : &plain,
                          connection->secure ? (void *)&connection->tls : connection, 0, 0, 0);
    return connection;
}

void grpc_connection_close(struct grpc_connection *connection)
{
    struct stream *stream;
    if (!connection)
        return;
    connection->user = NULL;
    connection->closed = true;
    stream = connection->stream;
    if (stream) {
        stream_enter(stream);
        bool wired = connection->wire != NULL;
        /* its GOAWAY is the last that is written: the end of its wire ends the stream */
        bool had_client = connection_drop_client(connection);
        if (!wired || !had_client)
            stream_close(stream, CLOSE_FIN);
        stream_leave(stream);
        return;
    }
    /* once the handshake of TLS has begun, the dial is gone */
    if (!connection->tls.begun)
        endpoint_dial_cancel(connection->dial);
    if (connection->tls.stream)
        stream_close(connection->tls.stream, CLOSE_KILL);
    connection_free(connection);
}

void grpc_connection_hand(struct grpc_connection *connection,
                          const struct grpc_connection_user *user, void *context)
{
    connection->user = user;
    connection->context = context;
}

struct h2_client *grpc_connection_client(const struct grpc_connection *connection)
{
    return connection->client;
}

void grpc_connection_refresh(struct grpc_connection *connection)
{
    struct stream *stream = connection->stream;
    if (stream && !stream->busy && !stream_is_quiet(stream))
        (void)stream_read_now(stream);
}

bool grpc_connection_is_reached(const struct grpc_connection *connection)
{
    return connection->stream || connection->tls.stream;
}

void grpc_connection_enter(struct grpc_connection *connection)
{
    if (connection->stream)
        stream_enter(connection->stream);
}

void grpc_connection_leave(struct grpc_connection *connection)
{
    if (connection->stream)
        stream_leave(connection->stream);
}
