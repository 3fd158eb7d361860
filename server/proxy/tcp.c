#include "server/proxy/tcp_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/port/port.h"

#include <errno.h>
#include <stdio.h>

/** The far side has to be connected within that time, if `timeout` is not written. */
#define DIAL_NS (INT64_C(10) * CLOCK_SECOND)

static const struct protocol far_protocol;
static const struct protocol far_tls_protocol;

/* The end of both. */

static bool is_over(const struct stream *stream)
{
    return !stream || stream->closing;
}

static void pair_stop(struct tcp_pair *pair)
{
    timer_stop(&pair->timer);
    endpoint_dial_cancel(pair->dial);
    pair->dial = NULL;
    if (pair->secure && pair->secure->connect.stream)
        stream_close(pair->secure->connect.stream, CLOSE_KILL);
    memory_free(pair->secure);
    pair->secure = NULL;
}

/** Passes on what waits in pipes, then ends both connections. */
static void pair_close(struct tcp_pair *pair, struct stream *except, enum close_how how)
{
    struct server *server = pair->client ? pair->client->server : pair->far->server;
    struct stream *client = pair->client;
    struct stream *far = pair->far;
    pair_stop(pair);
    tcp_flow_spill(&pair->up, server, far);
    tcp_flow_spill(&pair->down, server, client);
    if (!is_over(client) && client != except)
        stream_close(client, how);
    if (!is_over(far) && far != except)
        stream_close(far, how);
}

static void pair_free(struct tcp_pair *pair)
{
    if (pair->client || pair->far)
        return;
    GOTO_ASSERT(!pair->dial && !pair->up.pipe && !pair->down.pipe);
    tcp_clock_stop(&pair->clock);
    timer_stop(&pair->timer);
    memory_free(pair);
}

/** Passes ends on; when both halves are over, so are both connections. */
static void pair_look(struct tcp_pair *pair)
{
    if (is_over(pair->client) || is_over(pair->far))
        return;
    tcp_flow_end(&pair->up, pair->client, pair->far);
    tcp_flow_end(&pair->down, pair->far, pair->client);
    if (pair->up.finished && pair->down.finished)
        pair_close(pair, NULL, CLOSE_FIN);
}

/* Connecting. */

/** There is no far side for this client. */
static void pair_fail(struct tcp_pair *pair)
{
    const struct forward_tcp *tcp = pair->forward->tcp;
    pair_close(pair, NULL, tcp && tcp->dial == DIAL_FIRST ? CLOSE_RST : CLOSE_FIN);
}

static void pair_dial_failed(void *context, int error, struct str why)
{
    struct tcp_pair *pair = context;
    struct stream *client = pair->client;
    (void)why;
    pair->dial = NULL;
    stream_enter(client);
    /* it stood, and was reset before we heard of that: the same as a little later */
    if (error == ECONNRESET)
        pair_close(pair, NULL, CLOSE_RST);
    else
        pair_fail(pair);
    stream_leave(client);
}

static const struct endpoint_dial_user dial_user = {&far_protocol, pair_dial_failed};
static const struct endpoint_dial_user dial_tls_user = {&far_tls_protocol, pair_dial_failed};

static void pair_refuse(struct tcp_pair *pair, struct str why)
{
    const struct stream *client = pair->client;
    struct entry entry = journal_entry(ENTRY_REFUSED, client->name_id);
    entry.connection = client->number;
    journal_append(client->server->journal, &entry, why);
}

static void pair_tls_failed(void *owner, const char *name, struct str why)
{
    struct tcp_pair *pair = owner;
    struct stream *client = pair->client;
    struct arena *arena = arena_new();
    stream_enter(client);
    pair_refuse(pair, arena_printf(arena, "TLS with the far side failed (%s): " STR_FMT,
                                   name ? name : "tls", STR_ARG(why)));
    arena_free(arena);
    pair_fail(pair);
    stream_leave(client);
}

static void pair_secure(struct tcp_pair *pair, const struct endpoint *endpoint)
{
    struct tcp_far_tls *secure = memory_alloc(sizeof *secure);
    snprintf(secure->host, sizeof secure->host, STR_FMT, STR_ARG(endpoint->host));
    secure->connect = (struct tls_connect){
        .plan = {.host = str_of(secure->host),
                 .server = pair->client->server,
                 .only_run = endpoint->own},
        .protocol = &far_protocol,
        .owner = pair,
        .failed = pair_tls_failed,
    };
    pair->secure = secure;
}

static void pair_dial(struct tcp_pair *pair, struct str text, struct arena *arena)
{
    struct stream *client = pair->client;
    struct endpoint endpoint;
    struct str why;
    int64_t timeout_ns = pair->forward->timeout_ns ? pair->forward->timeout_ns : DIAL_NS;
    pair->asking = false;
    if (!endpoint_resolve(client->server, text, arena, &endpoint, &why)) {
        pair_refuse(pair, why);
        pair_fail(pair);
        return;
    }
    stream_pause(client);
    timer_start(&pair->timer, timeout_ns);
    /* a port that ends its clients' TLS begins a new one where the far side has it */
    if (client->tls && endpoint.tls)
        pair_secure(pair, &endpoint);
    pair->dial =
        endpoint_dial_new(client->server, &endpoint, pair->secure ? &dial_tls_user : &dial_user,
                          pair, client->name_id, client->number, stream_hops(client) + 1);
}

static void pair_nowhere(struct tcp_pair *pair, struct str why, bool alert)
{
    pair_refuse(pair, why);
    if (alert) {
        struct str bytes = tcp_alert();
        struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
        stream_write(pair->client, &part, 1);
    }
    pair_close(pair, NULL, CLOSE_FIN);
}

/** Finds the far side by what came so far, and begins to connect. */
static void pair_route(struct tcp_pair *pair, struct str bytes)
{
    struct arena *arena = arena_new();
    struct str text;
    struct str why;
    bool alert = false;
    switch (tcp_route(pair->forward, bytes, arena, &text, &why, &alert)) {
    case TCP_MORE:
        break;
    case TCP_TO:
        pair_dial(pair, text, arena);
        break;
    case TCP_NOWHERE:
        pair_nowhere(pair, why, alert);
        break;
    }
    arena_free(arena);
}

/** The ClientHello, or the far side, let us wait too long. */
static void pair_due(struct timer *timer)
{
    struct tcp_pair *pair = CONTAINER_OF(timer, struct tcp_pair, timer);
    struct stream *client = pair->client;
    stream_enter(client);
    if (pair->asking) {
        pair_refuse(pair, STR("no whole ClientHello came within `limits.read`"));
        pair_close(pair, NULL, CLOSE_FIN);
    } else if (pair->dial) {
        endpoint_dial_expire(pair->dial);
    } else {
        pair_refuse(pair, STR("the far side's TLS handshake was not whole within `timeout`"));
        pair_fail(pair);
    }
    stream_leave(client);
}

/* The client's connection. */

static bool pair_loops(const struct stream *client)
{
    if (stream_hops(client) < TCP_MOST_HOPS)
        return false;
    journal_note(client->server->journal, ENTRY_NOTE, client->name_id,
                 "connection %llu has passed %d proxies of this run: they are a loop; reset",
                 (unsigned long long)client->number, TCP_MOST_HOPS);
    return true;
}

static void *client_start(struct stream *stream)
{
    const struct upstream *upstream = stream->port->owner;
    const struct limits *limits = upstream_limits(upstream);
    struct tcp_pair *pair = memory_alloc(sizeof *pair);
    pair->client = stream;
    pair->forward = upstream_forward(upstream);
    tcp_clock_start(&pair->clock, stream);
    timer_init(&pair->timer, stream->server->loop, pair_due);
    if (!pair->forward || pair_loops(stream)) {
        stream_close(stream, CLOSE_RST);
        return pair;
    }
    const struct forward_tcp *tcp = pair->forward->tcp;
    pair->asking = tcp && tcp->sni.count;
    if (tcp && tcp->dial == DIAL_FIRST)
        stream_hold(stream, true);
    if (!pair->asking)
        pair_route(pair, STR(""));
    else if (limits->read_ns)
        timer_start(&pair->timer, limits->read_ns);
    return pair;
}

static size_t client_bytes(struct stream *stream, struct str bytes)
{
    struct tcp_pair *pair = stream->state;
    if (pair->asking)
        pair_route(pair, bytes);
    return pair->far ? tcp_flow_bytes(&pair->up, stream, pair->far, bytes) : 0;
}

static bool client_pull(struct stream *stream, ssize_t *got)
{
    struct tcp_pair *pair = stream->state;
    return tcp_flow_pull(&pair->up, stream, pair->far, got);
}

static void client_writable(struct stream *stream)
{
    struct tcp_pair *pair = stream->state;
    tcp_flow_writable(&pair->down, pair->far, stream);
    pair_look(pair);
}

static void client_ended(struct stream *stream, bool reset)
{
    struct tcp_pair *pair = stream->state;
    if (reset) {
        pair_close(pair, stream, CLOSE_RST);
        return;
    }
    if (pair->asking && stream->peer_ended) {
        pair_refuse(pair, STR("it ended before a whole ClientHello came"));
        pair_close(pair, NULL, CLOSE_FIN);
        return;
    }
    pair_look(pair);
}

static void client_closing(struct stream *stream)
{
    struct tcp_pair *pair = stream->state;
    if (pair)
        pair_close(pair, stream, (enum close_how)stream->closing_how);
}

static bool client_settle(struct stream *stream)
{
    struct tcp_pair *pair = stream->state;
    /* the far side's queue takes it, however long it is */
    pair->up.all = true;
    if (pair->far)
        stream_resume(stream);
    return !stream->input || !(pair->dial || pair->secure);
}

static void client_drain(struct stream *stream)
{
    struct tcp_pair *pair = stream->state;
    pair->draining = true;
    if (client_settle(stream))
        stream_close(stream, CLOSE_FIN);
}

static bool client_is_idle(const struct stream *stream)
{
    const struct tcp_pair *pair = stream->state;
    return !pair->dial && !pair->secure && !pair->up.pipe && !pair->down.pipe &&
           stream_queued(stream) == 0 && !stream->input &&
           (!pair->far || stream_queued(pair->far) == 0);
}

static void client_gone(struct stream *stream)
{
    struct tcp_pair *pair = stream->state;
    pair_close(pair, stream, CLOSE_FIN);
    tcp_clock_stop(&pair->clock);
    pair->client = NULL;
    pair_free(pair);
}

const struct protocol forward_tcp_protocol = {
    .name = "tcp proxy",
    .start = client_start,
    .bytes = client_bytes,
    .writable = client_writable,
    .ended = client_ended,
    .closing = client_closing,
    .drain = client_drain,
    .is_idle = client_is_idle,
    .gone = client_gone,
    .pull = client_pull,
    .settle = client_settle,
};

/* The connection to the far side. */

static void *far_start(struct stream *stream)
{
    struct tcp_pair *pair = stream->owner;
    struct stream *client = pair->client;
    pair->dial = NULL;
    memory_free(pair->secure);
    pair->secure = NULL;
    pair->far = stream;
    timer_stop(&pair->timer);
    stream_enter(client);
    stream_hold(client, false);
    stream_resume(client);
    pair_look(pair);
    if (pair->draining)
        stream_close(client, CLOSE_FIN);
    stream_leave(client);
    return pair;
}

/** The far side stands, and TLS is to be spoken to it. */
static void *far_start_tls(struct stream *stream)
{
    struct tcp_pair *pair = stream->owner;
    struct tls_connect *connect = &pair->secure->connect;
    pair->dial = NULL;
    connect->stream = stream;
    stream->owner = connect;
    stream->protocol = &tls_connect_protocol;
    return stream->protocol->start(stream);
}

static const struct protocol far_tls_protocol = {.name = "tls far side", .start = far_start_tls};

static size_t far_bytes(struct stream *stream, struct str bytes)
{
    struct tcp_pair *pair = stream->state;
    return is_over(pair->client) ? bytes.size
                                 : tcp_flow_bytes(&pair->down, stream, pair->client, bytes);
}

static bool far_pull(struct stream *stream, ssize_t *got)
{
    struct tcp_pair *pair = stream->state;
    return tcp_flow_pull(&pair->down, stream, pair->client, got);
}

static void far_writable(struct stream *stream)
{
    struct tcp_pair *pair = stream->state;
    tcp_flow_writable(&pair->up, pair->client, stream);
    pair_look(pair);
}

static void far_ended(struct stream *stream, bool reset)
{
    struct tcp_pair *pair = stream->state;
    if (reset)
        pair_close(pair, stream, CLOSE_RST);
    else
        pair_look(pair);
}

static void far_closing(struct stream *stream)
{
    struct tcp_pair *pair = stream->state;
    if (pair)
        pair_close(pair, stream, (enum close_how)stream->closing_how);
}

static void far_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static bool far_is_idle(const struct stream *stream)
{
    return stream_queued(stream) == 0;
}

static void far_gone(struct stream *stream)
{
    struct tcp_pair *pair = stream->owner;
    pair_close(pair, stream, CLOSE_FIN);
    pair->far = NULL;
    pair_free(pair);
}

static const struct protocol far_protocol = {
    .name = "tcp far side",
    .start = far_start,
    .bytes = far_bytes,
    .writable = far_writable,
    .ended = far_ended,
    .closing = far_closing,
    .drain = far_drain,
    .is_idle = far_is_idle,
    .gone = far_gone,
    .pull = far_pull,
};
