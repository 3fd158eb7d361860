/* One call for an exchange that is forwarded: what is asked, and what comes of it. */

#include "base/clock.h"
#include "base/memory.h"
#include "server/grpc/pass.h"
#include "server/http/upstream.h"
#include "server/proxy/forward_run.h"
#include "server/proxy/via.h"
#include "server/stream/scratch.h"

#include <string.h>

/* What comes. */

static void copy_headers(struct headers *into, const struct headers *from, struct arena *arena)
{
    for (size_t i = 0; from && i < from->count; i++)
        headers_add(into, arena, arena_copy(arena, from->items[i].name),
                    arena_copy(arena, from->items[i].value));
}

static void note_remote(struct leg *leg)
{
    struct str remote = leg->call ? call_remote(leg->call) : (struct str){0};
    if (remote.size && remote.size < sizeof leg->remote) {
        memcpy(leg->remote, remote.data, remote.size);
        leg->remote[remote.size] = 0;
    }
}

static void leg_informed(void *context, unsigned status, const struct headers *headers)
{
    struct leg *leg = context;
    if (leg->forwarding)
        forwarding_informed(leg->forwarding, leg, status, headers);
}

static void leg_head(void *context, unsigned status, struct str reason,
                     const struct headers *headers, int64_t content_length)
{
    struct leg *leg = context;
    leg->state = LEG_COMING;
    leg->status = status;
    leg->first_ns = clock_now();
    leg->content_length = content_length;
    note_remote(leg);
    if (!leg->forwarding)
        return;
    leg->reason = arena_copy(leg->arena, reason);
    copy_headers(&leg->headers, headers, leg->arena);
    leg->grpc_status = grpc_status_in(headers, leg->arena);
    bool tunnels = (leg->kind == LEG_UPGRADE && status == 101) ||
                   (leg->kind == LEG_CONNECT && status / 100 == 2);
    if (!tunnels)
        forwarding_head(leg->forwarding, leg);
}

static void leg_tunnel(void *context)
{
    struct leg *leg = context;
    leg->tunnel = true;
    forwarding_tunnel(leg->forwarding, leg);
}

static void leg_half_closed(void *context)
{
    struct leg *leg = context;
    forwarding_tunnel_ended(leg->forwarding);
}

void leg_fail(struct leg *leg, enum call_failure failure, struct str why)
{
    leg_give_up(leg);
    leg->state = LEG_FAILED;
    leg->failure = failure;
    leg->why = why;
}

static void leg_body(void *context, struct str bytes)
{
    struct leg *leg = context;
    struct forwarding *forwarding = leg->forwarding;
    leg->received += bytes.size;
    if (leg->tunnel) {
        forwarding_tunnel_bytes(forwarding, leg, bytes);
        return;
    }
    if (!forwarding || forwarding_body(forwarding, leg, bytes) ||
        buf_append(&leg->collected, bytes) == 0)
        return;
    leg_fail(leg, CALL_PROTOCOL, STR("its body is larger than the limit `body-size`"));
    forwarding_leg_ended(forwarding, leg);
}

static void leg_note_end(struct leg *leg, const struct call_end *end)
{
    note_remote(leg);
    leg->call = NULL;
    leg->ended_ns = clock_now();
    leg->first_ns = end->first_byte_ns ? end->first_byte_ns : leg->first_ns;
    leg->reused = end->reused;
}

/** A copy is over. */
static void copy_ended(struct leg *leg)
{
    leg_journal(leg, 0);
    leg_clear(leg);
    arena_free(leg->arena);
}

static void leg_finish(void *context, const struct headers *trailers, const struct call_end *end)
{
    struct leg *leg = context;
    leg_note_end(leg, end);
    leg->state = LEG_WHOLE;
    if (!leg->forwarding) {
        copy_ended(leg);
        return;
    }
    copy_headers(&leg->trailers, trailers, leg->arena);
    if (!leg->grpc_status.size)
        leg->grpc_status = grpc_status_in(trailers, leg->arena);
    forwarding_leg_ended(leg->forwarding, leg);
}

static void leg_failed(void *context, const struct call_end *end)
{
    struct leg *leg = context;
    leg_note_end(leg, end);
    leg->state = LEG_FAILED;
    leg->failure = end->failure;
    leg->why = arena_copy(leg->arena, end->why);
    if (leg->forwarding)
        forwarding_leg_ended(leg->forwarding, leg);
    else
        copy_ended(leg);
}

static void leg_writable(void *context)
{
    struct leg *leg = context;
    if (leg->tunnel)
        forwarding_tunnel_writable(leg->forwarding);
    else
        leg_offer(leg);
    if (!leg->tunnel && leg->forwarding)
        forwarding_taken(leg->forwarding);
}

static const struct call_user leg_user = {
    .informational = leg_informed,
    .head = leg_head,
    .body = leg_body,
    .finish = leg_finish,
    .failed = leg_failed,
    .writable = leg_writable,
    .tunnel = leg_tunnel,
    .half_closed = leg_half_closed,
};

/* What is asked. */

/** The trailers of the request that are passed on: none that are about framing, the host or one hop
 * (RFC 9110 section 6.5.1). */
static const struct headers *leg_trailers(const struct leg *leg)
{
    if (!leg->extras || !leg->extras->count)
        return NULL;
    struct headers *kept = arena_alloc(leg->arena, sizeof *kept);
    for (size_t i = 0; i < leg->extras->count; i++) {
        const struct header *trailer = &leg->extras->items[i];
        if (!forward_is_of_hop(trailer->name) && !str_equal_nocase(trailer->name, STR("host")))
            headers_add(kept, leg->arena, trailer->name, trailer->value);
    }
    return kept->count ? kept : NULL;
}

/** What is there of the body that is sent, and was not offered. */
static struct str leg_left(const struct leg *leg)
{
    if (!leg->forwarding || leg->own_body)
        return str_from(leg->body, (size_t)leg->offered);
    return exchange_request_bytes(leg->forwarding->exchange, leg->offered);
}

void leg_offer(struct leg *leg)
{
    while (leg->call && !leg->asked) {
        struct str piece = str_slice(leg_left(leg), 0, FORWARD_PIECE);
        /* the far side shall not have all of it before nothing holds the request */
        if (piece.size && !leg->body_whole && leg->length >= 0 &&
            leg->offered + piece.size >= (uint64_t)leg->length)
            piece.size--;
        if (piece.size && call_queued(leg->call) > STREAM_HIGH_MARK)
            return;
        if (piece.size) {
            leg->offered += piece.size;
            call_body(leg->call, piece);
        } else if (leg->body_whole) {
            leg->asked = true;
            call_finish(leg->call, leg_trailers(leg));
        } else {
            return;
        }
    }
}

void leg_more(struct leg *leg, bool whole)
{
    const struct exchange *exchange = leg->forwarding->exchange;
    leg->body_whole = whole;
    leg_offer(leg);
    if (leg->call)
        return;
    /* its call is over: nobody takes the rest */
    leg->offered = request_body_size(&exchange->request);
    (void)leg_left(leg);
}

static const struct map_entry *find_set(const struct forward_edit *edit, struct str name)
{
    const struct map_entry *entries = edit->set.items;
    for (size_t i = 0; i < edit->set.count; i++)
        if (str_equal_nocase(entries[i].name, name))
            return &entries[i];
    return NULL;
}

/** The body that a call of `calls` writes instead of the client's. */
static void make_own_body(struct leg *leg, struct forwarding *forwarding)
{
    const struct forward_call *config = leg->config;
    struct headers *headers = &leg->sent.headers;
    struct str type = config->json ? STR("application/json") : STR("text/plain; charset=utf-8");
    leg->extras = NULL;
    leg->own_body = true;
    leg->body_whole = true;
    leg->body = (struct str){0};
    if (config->body || config->json) {
        leg->body = template_text(config->body ? config->body : config->json, &forwarding->context,
                                  leg->arena);
        headers_remove(headers, STR("content-encoding"));
        if (!find_set(&config->request.headers, STR("content-type"))) {
            headers_remove(headers, STR("content-type"));
            headers_add(headers, leg->arena, STR("content-type"), type);
        }
    }
    leg->length = (int64_t)leg->body.size;
}

static bool is_bodiless_method(struct str method)
{
    return str_is(method, "GET") || str_is(method, "HEAD");
}

/** What is changed in what is sent; NULL: nothing. */
static const struct forward_request *edits_of(const struct leg *leg,
                                              const struct forwarding *forwarding)
{
    const struct forward_http *http = forwarding->job.forward->http;
    return leg->config ? &leg->config->request : http ? &http->request : NULL;
}

/** Fills what is sent. */
static void leg_make(struct leg *leg, struct forwarding *forwarding)
{
    const struct request *request = &forwarding->exchange->request;
    const struct forward_call *config = leg->config;
    struct str length = headers_get(&request->headers, STR("content-length"));
    uint64_t number;
    forward_edit_request(edits_of(leg, forwarding), request, &leg->endpoint, &forwarding->context,
                         forwarding->arena, &leg->sent);
    leg->method = config && config->method.data ? config->method : request->method;
    leg->extras = &request->trailers;
    leg->body_whole = !forwarding->waits;
    leg->length = forwarding->waits || request->body.size || request->trailers.count ? -1 : 0;
    if (length.data && str_to_u64(length, INT64_MAX, &number))
        leg->length = (int64_t)number;
    if (config && (config->body || config->json ||
                   (config->method.data && is_bodiless_method(config->method))))
        make_own_body(leg, forwarding);
}

void leg_place(struct leg *leg, const struct forwarding *forwarding)
{
    const struct exchange *exchange = forwarding->exchange;
    const struct entry *entry = journal_get(leg->server->journal, exchange->entry);
    leg->name_id = exchange->stream->port->name_id;
    leg->connection = exchange->stream->number;
    leg->request = exchange->number;
    leg->route_id = entry ? entry->route : 0;
}

void leg_release(struct leg *leg)
{
    struct arena *arena = leg->arena;
    GOTO_ASSERT(leg->owns && leg->kind == LEG_CALL);
    leg->is_copy = true;
    leg->next = NULL;
    if (!leg->call) {
        copy_ended(leg);
        return;
    }
    struct headers *extras = arena_alloc(arena, sizeof *extras);
    copy_headers(extras, leg->extras, arena);
    leg->extras = extras;
    leg->body =
        arena_copy(arena, leg->own_body ? leg->body : leg->forwarding->exchange->request.body);
    leg->method = arena_copy(arena, leg->method);
    leg->sent.target = arena_copy(arena, leg->sent.target);
    leg->endpoint.text = arena_copy(arena, leg->endpoint.text);
    leg->name = arena_copy(arena, leg->name);
    leg->why = arena_copy(arena, leg->why);
    leg->forwarding = NULL;
    buf_clear(&leg->collected);
    leg_pause(leg, false);
}

static int64_t leg_timeout(const struct leg *leg, const struct forward *forward)
{
    return leg->config && leg->config->timeout_ns ? leg->config->timeout_ns
           : forward->timeout_ns                  ? forward->timeout_ns
                                                  : FORWARD_TIMEOUT_NS;
}

/** The proxies on the way, of which the last `but` are left out; false with leg->why when one of
 * them leads nowhere. */
static bool leg_hops(struct leg *leg, const struct forwarding *forwarding, size_t but,
                     struct via *via)
{
    const struct forward_http *http = forwarding->job.forward->http;
    const struct str *texts = http ? http->via.hops.items : NULL;
    size_t count = http ? http->via.hops.count : 0;
    struct endpoint *hops = arena_alloc_array(forwarding->arena, count + 1, sizeof *hops);
    *via = (struct via){hops, count > but ? count - but : 0};
    for (size_t i = 0; i < via->count; i++)
        if (!endpoint_resolve(leg->server, texts[i], forwarding->arena, &hops[i], &leg->why))
            return false;
    return true;
}

static void leg_call(struct leg *leg, const struct forwarding *forwarding, const struct via *via)
{
    const struct call_request request = {
        .method = leg->method,
        .target = leg->sent.target,
        .authority = leg->sent.authority,
        .headers = &leg->sent.headers,
        .content_length = leg->length,
        .has_body = leg->length != 0,
        .name_id = leg->name_id,
        .connection = leg->connection,
        .hops = stream_hops(forwarding->exchange->stream) + 1,
        .upgrade = leg->kind == LEG_UPGRADE,
        .upgrade_to = headers_get(&forwarding->exchange->request.headers, STR("upgrade")),
        .connect = leg->kind == LEG_CONNECT,
        .via = via->count ? via : NULL,
        .timeout_ns = leg_timeout(leg, forwarding->job.forward),
        .tls = edits_of(leg, forwarding) ? edits_of(leg, forwarding)->tls : NULL,
    };
    leg->asked = !request.has_body;
    leg->call = call_new(call_pool_of(leg->server), &leg->endpoint, &request, &leg_user, leg);
}

/** A leg that asked nothing yet. */
static struct leg *leg_alloc(struct forwarding *forwarding, const struct leg_plan *plan)
{
    struct arena *arena = plan->owns ? arena_new() : forwarding->arena;
    struct leg *leg = arena_alloc(arena, sizeof *leg);
    leg->arena = arena;
    leg->forwarding = forwarding;
    leg->server = forwarding->exchange->stream->port->server;
    leg->owns = plan->owns;
    leg->kind = plan->kind;
    leg->began_ns = clock_now();
    buf_init(&leg->collected, forwarding_most_body(forwarding));
    if (plan->call) {
        leg->config = plan->call->value;
        leg->name = plan->call->name;
    }
    leg_place(leg, forwarding);
    leg->method = forwarding->exchange->request.method;
    leg->sent.target = forwarding->exchange->request.target;
    return leg;
}

/** It leads nowhere. */
static struct leg *leg_stillborn(struct leg *leg, const struct leg_plan *plan)
{
    leg->endpoint.text = plan->to;
    leg->state = LEG_FAILED;
    leg->failure = CALL_DNS;
    leg->ended_ns = leg->began_ns;
    return leg;
}

/** The last proxy on the way is asked for a tunnel to the far side, as the client asks for it. */
static bool leg_connect(struct leg *leg, struct forwarding *forwarding)
{
    const struct str *hops = forwarding->job.forward->http->via.hops.items;
    size_t last = forwarding->job.forward->http->via.hops.count - 1;
    struct via via;
    leg->kind = LEG_CONNECT;
    leg->sent.target = via_target(&leg->endpoint, forwarding->arena);
    leg->sent.authority = leg->sent.target;
    if (!endpoint_resolve(leg->server, hops[last], forwarding->arena, &leg->endpoint, &leg->why) ||
        !leg_hops(leg, forwarding, 1, &via))
        return false;
    leg_call(leg, forwarding, &via);
    return true;
}

struct leg *leg_new(struct forwarding *forwarding, const struct leg_plan *plan)
{
    struct leg *leg = leg_alloc(forwarding, plan);
    struct via via;
    if (!endpoint_resolve(leg->server, plan->to, forwarding->arena, &leg->endpoint, &leg->why) ||
        !leg_hops(leg, forwarding, 0, &via))
        return leg_stillborn(leg, plan);
    leg_speak_grpc(leg, forwarding);
    /* HTTP/2 knows no upgrade (RFC 9113 section 8.6): there it is a request like any other */
    if (leg->kind == LEG_UPGRADE && leg->endpoint.speech == ENDPOINT_HTTP2)
        leg->kind = LEG_CALL;
    if (leg->kind == LEG_BYTES && via.count)
        return leg_connect(leg, forwarding) ? leg : leg_stillborn(leg, plan);
    if (leg->kind == LEG_BYTES) {
        leg_dial(leg, leg_timeout(leg, forwarding->job.forward));
        return leg;
    }
    leg_make(leg, forwarding);
    leg_call(leg, forwarding, &via);
    leg_offer(leg);
    return leg;
}

void leg_give_up(struct leg *leg)
{
    struct call *call = leg->call;
    struct stream *stream = leg->stream;
    if (!call && !stream && !leg->dial)
        return;
    note_remote(leg);
    leg->state = LEG_GIVEN_UP;
    leg->ended_ns = clock_now();
    leg->call = NULL;
    leg->stream = NULL;
    timer_stop(&leg->timer);
    endpoint_dial_cancel(leg->dial);
    leg->dial = NULL;
    if (call)
        call_cancel(call);
    if (stream) {
        stream->owner = NULL;
        stream_close(stream, CLOSE_RST);
    }
}

void leg_pause(struct leg *leg, bool paused)
{
    if (leg->paused == paused)
        return;
    leg->paused = paused;
    if (leg->call && paused)
        call_pause(leg->call);
    else if (leg->call)
        call_resume(leg->call);
    else if (leg->stream && paused)
        stream_pause(leg->stream);
    else if (leg->stream)
        stream_resume(leg->stream);
}

void leg_write(struct leg *leg, struct str bytes)
{
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    if (leg->call)
        call_tunnel_write(leg->call, bytes);
    else if (leg->stream)
        stream_write(leg->stream, &part, 1);
}

size_t leg_queued(const struct leg *leg)
{
    return leg->call ? call_queued(leg->call) : leg->stream ? stream_queued(leg->stream) : 0;
}

void leg_end_ours(struct leg *leg)
{
    if (leg->call)
        call_tunnel_end(leg->call);
    else if (leg->stream)
        stream_finish(leg->stream);
}

void leg_clear(struct leg *leg)
{
    buf_clear(&leg->collected);
}

/* The journal. */

static void put_text(struct buf *into, const char *name, struct str text)
{
    if (!text.size)
        return;
    buf_printf(into, "%s\"%s\":", into->size > 1 ? "," : "", name);
    json_write_string(text, into);
}

void leg_journal(const struct leg *leg, unsigned given)
{
    struct server *server = leg->server;
    struct buf *data = &server_scratch(server)->packed;
    struct entry entry = journal_entry(ENTRY_FORWARD, leg->name_id);
    entry.connection = leg->connection;
    entry.request = leg->request;
    entry.route = leg->route_id;
    entry.status = (uint16_t)leg->status;
    entry.flags = (uint16_t)((leg->state == LEG_WHOLE    ? ENTRY_PASSED
                              : leg->state == LEG_FAILED ? ENTRY_FAILED
                                                         : ENTRY_SKIPPED) |
                             (leg->reused ? ENTRY_REUSED : 0));
    entry.value = leg->ended_ns - leg->began_ns;
    entry.extra = leg->received;
    entry.extra2 = leg->first_ns ? (uint64_t)(leg->first_ns - leg->began_ns) : 0;
    scratch_reset(data);
    buf_append_byte(data, '{');
    put_text(data, "to", leg->endpoint.text);
    put_text(data, "address", str_of(leg->remote));
    put_text(data, "call", leg->name);
    put_text(data, "method", leg->method);
    put_text(data, "target", leg->sent.target);
    put_text(data, "grpc-status", leg->grpc_status);
    if (leg->state == LEG_FAILED) {
        put_text(data, "error", str_of(call_failure_name(leg->failure)));
        put_text(data, "why", leg->why);
    }
    buf_printf(data, ",\"given\":%u%s}", given, leg->is_copy ? ",\"copy\":true" : "");
    journal_append(server->journal, &entry, buf_str(data));
}
