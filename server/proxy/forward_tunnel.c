/* Connections that are handed over as bytes: CONNECT, upgrades, and what a client asks of a proxy
 * that it knows of. */

#include "base/clock.h"
#include "server/proxy/forward_run.h"

#include <errno.h>
#include <stdio.h>

/* Far sides of which nothing is asked but their connection. */

static void note_address(struct leg *leg)
{
    char room[STREAM_ADDRESS_SIZE];
    struct str address = stream_peer_address(leg->stream, room);
    bool brackets = str_find_byte(address, ':') >= 0;
    if (leg->endpoint.host.data)
        snprintf(leg->remote, sizeof leg->remote, brackets ? "[" STR_FMT "]:%u" : STR_FMT ":%u",
                 STR_ARG(address), (unsigned)leg->stream->peer.port);
}

static void *bytes_start(struct stream *stream)
{
    struct leg *leg = stream->owner;
    leg->dial = NULL;
    leg->stream = stream;
    leg->tunnel = true;
    leg->state = LEG_COMING;
    leg->first_ns = clock_now();
    leg->status = 200;
    leg->reason = STR("Connection established");
    note_address(leg);
    timer_stop(&leg->timer);
    forwarding_tunnel(leg->forwarding, leg);
    return NULL;
}

static size_t bytes_bytes(struct stream *stream, struct str bytes)
{
    struct leg *leg = stream->owner;
    if (leg) {
        leg->received += bytes.size;
        forwarding_tunnel_bytes(leg->forwarding, leg, bytes);
    }
    return bytes.size;
}

static void bytes_writable(struct stream *stream)
{
    const struct leg *leg = stream->owner;
    if (leg)
        forwarding_tunnel_writable(leg->forwarding);
}

/** The leg has no stream any more. */
static void bytes_over(struct leg *leg, enum leg_state state)
{
    leg->stream->owner = NULL;
    leg->stream = NULL;
    leg->state = state;
    leg->ended_ns = clock_now();
    forwarding_leg_ended(leg->forwarding, leg);
}

static void bytes_ended(struct stream *stream, bool reset)
{
    struct leg *leg = stream->owner;
    if (!leg)
        return;
    if (reset) {
        leg->failure = CALL_RESET;
        leg->why = STR("the far side reset the connection");
        bytes_over(leg, LEG_FAILED);
    } else if (stream->peer_ended) {
        forwarding_tunnel_ended(leg->forwarding);
    }
}

static void bytes_closing(struct stream *stream)
{
    struct leg *leg = stream->owner;
    if (!leg)
        return;
    leg->failure = CALL_CLOSED;
    leg->why = STR("the run has ended");
    bytes_over(leg, LEG_FAILED);
}

static void bytes_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static bool bytes_is_idle(const struct stream *stream)
{
    (void)stream;
    return false;
}

static void bytes_gone(struct stream *stream)
{
    if (stream->owner)
        bytes_closing(stream);
}

static const struct protocol bytes_protocol = {
    .name = "bytes",
    .start = bytes_start,
    .bytes = bytes_bytes,
    .writable = bytes_writable,
    .ended = bytes_ended,
    .closing = bytes_closing,
    .drain = bytes_drain,
    .is_idle = bytes_is_idle,
    .gone = bytes_gone,
};

static void dial_failed(void *context, int error, struct str why)
{
    struct leg *leg = context;
    leg->dial = NULL;
    timer_stop(&leg->timer);
    leg->state = LEG_FAILED;
    leg->failure = error == 0 ? CALL_DNS : error == ETIMEDOUT ? CALL_TIMEOUT : CALL_CONNECT;
    leg->why = arena_copy(leg->arena, why);
    leg->ended_ns = clock_now();
    forwarding_leg_ended(leg->forwarding, leg);
}

static void dial_due(struct timer *timer)
{
    struct leg *leg = CONTAINER_OF(timer, struct leg, timer);
    endpoint_dial_expire(leg->dial);
}

void leg_dial(struct leg *leg, int64_t timeout_ns)
{
    static const struct endpoint_dial_user user = {.protocol = &bytes_protocol,
                                                   .failed = dial_failed};
    const struct stream *client = leg->forwarding->exchange->stream;
    timer_init(&leg->timer, leg->server->loop, dial_due);
    timer_start(&leg->timer, timeout_ns);
    leg->dial = endpoint_dial_new(leg->server, &leg->endpoint, &user, leg, leg->name_id,
                                  leg->connection, stream_hops(client) + 1);
}

/* From side to side. */

/** Ends it once nothing more comes from either side. */
static void tunnel_settle(struct forwarding *forwarding)
{
    struct leg *leg = forwarding->chosen;
    if (!forwarding->client_ended || !forwarding->far_ended || !leg->stream)
        return;
    struct stream *stream = leg->stream;
    stream->owner = NULL;
    leg->stream = NULL;
    leg->state = LEG_WHOLE;
    leg->ended_ns = clock_now();
    stream_close(stream, CLOSE_FIN);
    forwarding_finish(forwarding);
}

static size_t tunnel_bytes(struct exchange *exchange, struct str bytes)
{
    struct forwarding *forwarding = exchange->responder;
    struct leg *leg = forwarding ? forwarding->chosen : NULL;
    size_t taken = 0;
    if (!leg)
        return bytes.size;
    /* in parts: what a fault lets go at once may be more than the far side's queue is to have */
    while (taken < bytes.size && leg_queued(leg) <= STREAM_HIGH_MARK) {
        struct str part = str_slice(bytes, taken, STREAM_HIGH_MARK);
        taken += part.size;
        leg->offered += part.size;
        leg_write(leg, part);
    }
    return taken;
}

static void tunnel_client_ended(struct exchange *exchange)
{
    struct forwarding *forwarding = exchange->responder;
    if (!forwarding || forwarding->client_ended)
        return;
    struct stream *stream = forwarding_enter(forwarding);
    forwarding->client_ended = true;
    leg_end_ours(forwarding->chosen);
    if (!forwarding->left)
        tunnel_settle(forwarding);
    forwarding_exit(forwarding, stream);
}

static const struct exchange_tunnel tunnel_user = {tunnel_bytes, tunnel_client_ended};

void forwarding_give_tunnel(struct forwarding *forwarding)
{
    struct exchange *exchange = forwarding->exchange;
    struct leg *leg = forwarding->chosen;
    struct response_head head = {
        .status = forwarding->given.status,
        .reason = forwarding->given.reason,
        .headers = &forwarding->given.headers,
        .no_date = true,
    };
    forwarding->begun = true;
    /* it is answered: what passes now has no limit in time */
    timer_stop(&forwarding->give_up);
    if (!exchange_tunnel(exchange, &head, &tunnel_user)) {
        forwarding->begun = false;
        forwarding->tunnels = false;
        forwarding_own(forwarding, 502, leg->endpoint.text,
                       STR("the client's protocol has no tunnels of this kind"));
        forwarding_begin(forwarding);
        return;
    }
    if (!forwarding->left)
        exchange_body(exchange, buf_str(&leg->collected));
    if (!forwarding->left && exchange->aborted)
        tunnel_client_ended(exchange);
    if (!forwarding->left && forwarding->far_ended)
        exchange_tunnel_end(exchange);
    if (!forwarding->left)
        leg_pause(leg, false);
}

void forwarding_tunnel_bytes(struct forwarding *forwarding, struct leg *leg, struct str bytes)
{
    struct exchange *exchange = forwarding->exchange;
    if (!forwarding->begun) {
        if (buf_append(&leg->collected, bytes) < 0) {
            leg_fail(leg, CALL_PROTOCOL, STR("it sent more than the limit `body-size` at once"));
            forwarding_leg_ended(forwarding, leg);
        }
        return;
    }
    struct stream *stream = forwarding_enter(forwarding);
    exchange_body(exchange, bytes);
    if (!forwarding->left && exchange_queued(exchange) > STREAM_HIGH_MARK)
        leg_pause(leg, true);
    forwarding_exit(forwarding, stream);
}

void forwarding_tunnel_ended(struct forwarding *forwarding)
{
    struct stream *stream = forwarding_enter(forwarding);
    forwarding->far_ended = true;
    if (forwarding->begun) {
        exchange_tunnel_end(forwarding->exchange);
        if (!forwarding->left)
            tunnel_settle(forwarding);
    }
    forwarding_exit(forwarding, stream);
}

void forwarding_tunnel_writable(struct forwarding *forwarding)
{
    if (!forwarding->begun)
        return;
    struct stream *stream = forwarding_enter(forwarding);
    exchange_tunnel_resume(forwarding->exchange);
    forwarding_exit(forwarding, stream);
}

/* What a client asks of a proxy that it knows of. */

/** Asks where the request itself leads, unless the spec says where all of them go. */
static void ask(struct forwarding *forwarding, struct str to, enum leg_kind kind)
{
    const struct leg_plan plan = {.to = to, .kind = kind};
    if (forwarding->job.forward->to.count)
        forwarding_ask(forwarding, kind);
    else
        forwarding_add(forwarding, leg_new(forwarding, &plan));
}

/** Whether the request has a whole URL as its target (RFC 9112 section 3.2.2). */
static bool is_absolute(const struct request *request)
{
    return !str_starts(request->target, STR("/")) && !str_is(request->target, "*") &&
           !str_is(request->method, "CONNECT");
}

const char *forwarding_refusal(const struct forwarding *forwarding, unsigned *status)
{
    const struct request *request = &forwarding->exchange->request;
    const struct forward *forward = forwarding->job.forward;
    bool tunnel = forward->http && forward->http->tunnel;
    bool connect = str_is(request->method, "CONNECT");
    *status = 502;
    if (stream_hops(forwarding->exchange->stream) >= FORWARD_MOST_HOPS)
        return "the request has passed 16 proxies of this run: they are a loop";
    *status = 501;
    if (connect && !tunnel)
        return "CONNECT, but this forward has no `tunnel: true`";
    *status = 400;
    if (tunnel && !connect && !forward->to.count && !is_absolute(request))
        return "this proxy takes CONNECT and whole URLs: http://host/path";
    return NULL;
}

bool forwarding_ask_tunnel(struct forwarding *forwarding)
{
    const struct request *request = &forwarding->exchange->request;
    const struct forward *forward = forwarding->job.forward;
    if (!forward->http || !forward->http->tunnel)
        return false;
    if (str_is(request->method, "CONNECT")) {
        ask(forwarding, request->target, LEG_BYTES);
        return true;
    }
    if (forward->to.count)
        return false;
    struct str scheme = str_slice(request->target, 0, (size_t)str_find_byte(request->target, ':'));
    ask(forwarding,
        arena_printf(forwarding->arena, STR_FMT "://" STR_FMT, STR_ARG(scheme),
                     STR_ARG(request->authority)),
        LEG_CALL);
    return true;
}
