/* A connection of HTTP/2 to a far side, and the calls on it: a wire of the HTTP/2 client that is a
 * stream, and what that client tells. */
#include "server/proxy/call_private.h"

#include "base/memory.h"
#include "server/http/h2_stream_wire.h"
#include "server/server.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

enum {
    CALL_WINDOW = 256 * 1024,    /**< of a call: the most that a paused one holds */
    SOURCE_CONSUMED = 64 * 1024, /**< sent bytes of a body that are kept before they are dropped */
};

struct call_h2 {
    struct h2_stream_wire *wire; /**< NULL once the client has closed it */
    struct call_pool *pool;
    struct call_site *site;
    struct stream *stream;
    struct h2_client *client; /**< NULL once it was given up */
    struct call_h2 *next;     /**< of the pool */
    struct call_h2 *previous;
    struct call_h2 *next_shared; /**< of its far side, while it takes calls */
    struct timer timer;          /**< of being idle; fires early and starts again */
    struct timer soon;           /**< active: some call's writable() is due */
    int64_t idle_since_ns;       /**< monotonic */
    int64_t connected_ns;
    size_t calls;
    uint64_t answered; /**< calls that ended */
    bool listed;       /**< of the pool */
    bool shared;       /**< of its far side */
    bool ending;       /**< call_h2_close() was called */
    char remote[CALL_REMOTE];
};

static struct call_h2 *h2_of(const struct call *call)
{
    return call->connection;
}

/* The connection's life. */

void call_h2_unshare(struct call_h2 *h2)
{
    struct call_h2 **at = &h2->site->shared;
    if (!h2->shared)
        return;
    h2->shared = false;
    while (*at != h2)
        at = &(*at)->next_shared;
    *at = h2->next_shared;
}

size_t call_h2_room(const struct call_h2 *h2)
{
    return h2->client && h2_client_is_usable(h2->client) ? h2_client_room(h2->client) : 0;
}

static void h2_unlist(struct call_h2 *h2)
{
    call_h2_unshare(h2);
    timer_stop(&h2->timer);
    timer_stop(&h2->soon);
    if (!h2->listed)
        return;
    h2->listed = false;
    if (h2->previous)
        h2->previous->next = h2->next;
    else
        h2->pool->h2_connections = h2->next;
    if (h2->next)
        h2->next->previous = h2->previous;
}

void call_h2_close(struct call_h2 *h2, enum close_how how)
{
    struct h2_client *client = h2->client;
    struct stream *stream = h2->stream;
    bool ended = !h2->wire || how == CLOSE_KILL;
    h2->client = NULL;
    h2->ending = true;
    h2_unlist(h2);
    stream_enter(stream);
    /* its GOAWAY is the last that is written: the end of its wire ends the stream */
    h2_client_free(client);
    if (ended)
        stream_close(stream, how);
    stream_leave(stream);
}

static void h2_idle_due(struct timer *timer)
{
    struct call_h2 *h2 = CONTAINER_OF(timer, struct call_h2, timer);
    if (h2->calls)
        return;
    if (h2->idle_since_ns + h2->pool->idle_ns > clock_now())
        timer_start_at(&h2->timer, h2->idle_since_ns + h2->pool->idle_ns);
    else
        call_h2_close(h2, CLOSE_FIN);
}

static void h2_client_ended(void *context, const struct h2_client_end *end)
{
    struct call_h2 *h2 = context;
    (void)end;
    call_h2_unshare(h2);
    if (h2->client && !h2->calls)
        call_h2_close(h2, CLOSE_FIN);
}

static const struct h2_client_user client_user = {.ended = h2_client_ended, .window = CALL_WINDOW};

/** The call leaves its connection, which may have no more use then. */
static void h2_detach(struct call *call)
{
    struct call_h2 *h2 = h2_of(call);
    call->codec = NULL;
    call->connection = NULL;
    call->stream = NULL;
    h2->answered++;
    if (--h2->calls || !h2->client)
        return;
    if (!h2->shared || h2->pool->closed || call->request.fresh) {
        call_h2_close(h2, CLOSE_FIN);
        return;
    }
    h2->idle_since_ns = clock_now();
    if (!timer_is_active(&h2->timer))
        timer_start_at(&h2->timer, h2->idle_since_ns + h2->pool->idle_ns);
}

/** Whether it still stands, as far as the kernel knows. What waits there is read: it may end the
 * connection, and others with it. */
static bool h2_looks_good(struct call_h2 *h2, const struct call *call)
{
    if (h2->calls ||
        (call_is_repeated(call) && call->active_ns - h2->idle_since_ns <= CALL_LOOK_NS) ||
        stream_is_quiet(h2->stream))
        return true;
    /* within a callback of its own: what waits is being read */
    if (h2->stream->busy)
        return true;
    h2->idle_since_ns = call->active_ns;
    (void)stream_read_now(h2->stream);
    return false;
}

struct call_h2 *call_h2_take(struct call_site *site, const struct call *call)
{
    struct call_h2 *h2 = site->shared;
    while (h2) {
        if (call_h2_room(h2)) {
            if (h2_looks_good(h2, call))
                return h2;
            /* from the start again: what is read now is not read twice */
            h2 = site->shared;
        } else {
            h2 = h2->next_shared;
        }
    }
    return NULL;
}

/* What is told of a call. */

static void call_told_informational(void *context, unsigned status, const struct headers *headers)
{
    struct call *call = context;
    struct headers filtered = *headers;
    call_active(call, clock_now());
    call_filter_headers(&filtered, false, false);
    if (call->user->informational)
        call->user->informational(call->context, status, &filtered);
}

static int64_t content_length_of(const struct headers *headers)
{
    uint64_t length;
    struct str text = headers_get(headers, STR("content-length"));
    return text.data && str_to_u64(text, INT64_MAX, &length) ? (int64_t)length : -1;
}

static void call_told_head(void *context, unsigned status, const struct headers *headers)
{
    struct call *call = context;
    const struct call_user *user = call->user;
    struct headers filtered = *headers;
    int64_t length = content_length_of(headers);
    bool freed = false;
    /* a failure of gRPC is one block of headers that ends the stream, and clients insist on that */
    if (h2_call_ends(call->stream) && headers_get(headers, STR("grpc-status")).data)
        length = 0;
    call_active(call, clock_now());
    call->end.first_byte_ns = call->active_ns;
    call_filter_headers(&filtered, false, false);
    call->tunnel = call->request.connect && status / 100 == 2;
    call_watch(call, &freed);
    if (user->head)
        user->head(call->context, status, str_of(http_reason(status)), &filtered, length);
    if (freed)
        return;
    call->freed = NULL;
    if (call->tunnel && user->tunnel)
        user->tunnel(call->context);
}

static void call_told_body(void *context, struct str bytes)
{
    struct call *call = context;
    bool freed = false;
    call_active(call, clock_now());
    call->end.body_received += bytes.size;
    if (call->paused || call->held.size) {
        (void)buf_append(&call->held, bytes);
        return;
    }
    call_watch(call, &freed);
    if (call->user->body)
        call->user->body(call->context, bytes);
    if (freed)
        return;
    call->freed = NULL;
    h2_call_consume(call->stream, bytes.size);
}

static void call_told_trailers(void *context, const struct headers *trailers)
{
    struct call *call = context;
    call->answer_trailers = call_copy_headers(call, trailers);
    call_filter_headers(&call->answer_trailers, false, false);
}

static void call_told_peer_ended(void *context)
{
    struct call *call = context;
    if (call->held.size)
        call->half_closed_due = true;
    else if (call->user->half_closed)
        call->user->half_closed(call->context);
}

static enum call_failure failure_of(enum h2_end kind)
{
    switch (kind) {
    case H2_END_RESET:
    case H2_END_GOAWAY:
    case H2_END_BROKEN:
        return CALL_RESET;
    case H2_END_CUT:
    case H2_END_CLOSED:
        return CALL_CLOSED;
    default:
        return CALL_PROTOCOL;
    }
}

/** The far side says that it did not look at the request. */
static bool is_untouched(const struct call *call, const struct h2_client_end *end)
{
    return (end->kind == H2_END_GOAWAY && h2_call_stream(call->stream) > end->last) ||
           (end->kind == H2_END_RESET && end->code == NGHTTP2_REFUSED_STREAM);
}

static void call_answer_whole(struct call *call)
{
    const struct headers *trailers = &call->answer_trailers;
    call_finished(call, trailers->count ? trailers : NULL);
}

static void call_told_finished(void *context, const struct h2_client_end *end)
{
    struct call *call = context;
    enum call_failure failure = failure_of(end->kind);
    char name[CALL_REMOTE];
    bool untouched = is_untouched(call, end);
    bool lost = end->kind == H2_END_CLOSED || end->kind == H2_END_BROKEN;
    snprintf(name, sizeof name, "%s", h2_of(call)->remote);
    if (end->phase > H2_WAITING && !call->end.first_byte_ns)
        call->end.first_byte_ns = end->first_byte_ns;
    h2_detach(call);
    if (end->kind == H2_END_WHOLE && call->held.size)
        call->finish_due = true;
    else if (end->kind == H2_END_WHOLE)
        call_answer_whole(call);
    else if ((untouched || lost) && call_may_repeat(call, untouched))
        call_again(call);
    else
        call_failed(call, failure, "%s: " STR_FMT, name, STR_ARG(end->words));
}

static const struct h2_call_user stream_user = {
    .informational = call_told_informational,
    .head = call_told_head,
    .body = call_told_body,
    .trailers = call_told_trailers,
    .peer_ended = call_told_peer_ended,
    .finished = call_told_finished,
};

/* What a call sends. */

static void h2_soon_due(struct timer *timer)
{
    struct call_h2 *h2 = CONTAINER_OF(timer, struct call_h2, soon);
    struct call *call = h2->pool->calls;
    if (h2->client)
        h2_client_flush(h2->client);
    /* from the start again after each: its owner may have ended any of them */
    while (call) {
        if (call->connection != h2 || !call->writable_due) {
            call = call->next;
            continue;
        }
        call->writable_due = false;
        if (call->user->writable)
            call->user->writable(call->context);
        call = h2->pool->calls;
    }
}

/** The body of a request is taken from what its owner wrote. */
static ptrdiff_t source_read(void *context, char *into, size_t room, bool *end)
{
    struct call *call = context;
    struct buf *pending = &call->pending;
    struct str rest = str_from(buf_str(pending), call->pending_at);
    size_t size = rest.size < room ? rest.size : room;
    bool ended = call->tunnel || call->request.connect ? call->tunnel_ended : call->whole;
    if (size)
        memcpy(into, rest.data, size);
    call->pending_at += size;
    call->body_begun |= size > 0;
    if (size)
        call_active(call, clock_now());
    if (call->pending_at == pending->size) {
        buf_reset(pending);
        call->pending_at = 0;
    } else if (call->pending_at >= SOURCE_CONSUMED) {
        buf_consume(pending, call->pending_at);
        call->pending_at = 0;
    }
    size_t left = pending->size - call->pending_at;
    if (call->was_high && left <= STREAM_LOW_MARK) {
        call->was_high = false;
        call->writable_due = true;
        timer_start(&h2_of(call)->soon, 0);
    }
    *end = ended && left == 0;
    call->body_begun |= *end;
    return size || *end ? (ptrdiff_t)size : -EAGAIN;
}

void call_h2_begin(struct call_h2 *h2, struct call *call, bool reused)
{
    const struct call_request *request = &call->request;
    struct headers headers = call->copied;
    char length[24];
    const struct h2_source source = {.read = source_read, .context = call};
    struct h2_request sent = {
        .method = request->method,
        .scheme = h2->site->endpoint.tls ? STR("https") : STR("http"),
        .authority = request->authority,
        .path = request->connect ? (struct str){NULL, 0} : request->target,
        .headers = &headers,
        .source = request->has_body || request->connect ? &source : NULL,
        .trailers = &call->trailers,
        .tunnel = request->connect,
        .soon = request->has_body,
    };
    if (request->has_body && request->content_length >= 0) {
        snprintf(length, sizeof length, "%lld", (long long)request->content_length);
        headers_add(&headers, call->arena, STR("content-length"), str_of(length));
    }
    h2->calls++;
    call_attach(call, &call_h2_calls, h2, reused ? call->active_ns : h2->connected_ns, reused);
    stream_enter(h2->stream);
    call->stream = h2_call_new(h2->client, &sent, &stream_user, call);
    if (call->pending.size || (call->whole && sent.source))
        h2_call_resume(call->stream);
    else if (sent.soon)
        timer_start(&h2->soon, 0);
    stream_leave(h2->stream);
}

static void h2_call_body(struct call *call, struct str bytes)
{
    (void)buf_append(&call->pending, bytes);
    call->was_high |= call->pending.size - call->pending_at >= STREAM_HIGH_MARK;
    if (call->stream)
        h2_call_resume(call->stream);
}

static void h2_call_finish(struct call *call, const struct headers *trailers)
{
    if (trailers)
        call->trailers = call_copy_headers(call, trailers);
    if (call->stream)
        h2_call_resume(call->stream);
}

static size_t h2_call_queued(const struct call *call)
{
    return call->pending.size - call->pending_at;
}

static void h2_call_pause(struct call *call)
{
    (void)call;
}

void call_h2_resume(struct call *call)
{
    bool freed = false;
    size_t size = call->held.size;
    struct buf held = call->held;
    /* within a callback that goes on once it returns */
    if (call->freed || (call->codec && !size))
        return;
    buf_init(&call->held, held.most);
    call_watch(call, &freed);
    if (size && call->user->body)
        call->user->body(call->context, buf_str(&held));
    buf_clear(&held);
    if (freed)
        return;
    call->freed = NULL;
    if (call->finish_due) {
        call_answer_whole(call);
        return;
    }
    if (call->stream)
        h2_call_consume(call->stream, size);
    if (call->half_closed_due) {
        call->half_closed_due = false;
        if (call->user->half_closed)
            call->user->half_closed(call->context);
    }
}

static void h2_call_tunnel_end(struct call *call)
{
    if (call->stream)
        h2_call_resume(call->stream);
}

static void h2_call_drop(struct call *call)
{
    struct stream *stream = h2_of(call)->stream;
    struct h2_call *answered = call->stream;
    stream_enter(stream);
    if (answered)
        h2_call_cancel(answered, NGHTTP2_CANCEL);
    h2_detach(call);
    stream_leave(stream);
}

static struct str h2_call_remote(const struct call *call)
{
    return str_of(h2_of(call)->remote);
}

static bool h2_call_has_unread(const struct call *call)
{
    return !stream_is_quiet(h2_of(call)->stream);
}

/** Others share the stream: what is sent of this one was told. */
static int64_t h2_call_moved_ns(const struct call *call)
{
    return call->active_ns;
}

const struct call_codec call_h2_calls = {
    .body = h2_call_body,
    .finish = h2_call_finish,
    .queued = h2_call_queued,
    .pause = h2_call_pause,
    .resume = call_h2_resume,
    .tunnel_end = h2_call_tunnel_end,
    .drop = h2_call_drop,
    .remote = h2_call_remote,
    .has_unread = h2_call_has_unread,
    .moved_ns = h2_call_moved_ns,
};

/* The stream's side. */

/** The client has closed its wire. */
static void h2_wire_closed(void *owner)
{
    struct call_h2 *h2 = owner;
    h2->wire = NULL;
    /* else its calls are to hear why first: whoever frees the client ends the stream */
    if (h2->ending)
        stream_close(h2->stream, CLOSE_FIN);
}

static struct call_h2 *h2_new(struct call_pool *pool, struct call_site *site, struct stream *stream)
{
    struct call_h2 *h2 = memory_alloc(sizeof *h2);
    h2->wire = h2_stream_wire_new(stream, h2->remote, h2_wire_closed, h2);
    h2->pool = pool;
    h2->site = site;
    h2->stream = stream;
    h2->connected_ns = stream->active_ns;
    h2->idle_since_ns = stream->active_ns;
    site->users++;
    call_remote_of(site, stream, h2->remote);
    timer_init(&h2->timer, pool->server->loop, h2_idle_due);
    timer_init(&h2->soon, pool->server->loop, h2_soon_due);
    h2->listed = true;
    h2->next = pool->h2_connections;
    if (pool->h2_connections)
        pool->h2_connections->previous = h2;
    pool->h2_connections = h2;
    h2->shared = true;
    h2->next_shared = site->shared;
    site->shared = h2;
    return h2;
}

static void *h2_start(struct stream *stream)
{
    struct call_dial *dial = stream->owner;
    struct call_pool *pool = dial->pool;
    struct call_site *site = dial->site;
    struct call_h2 *h2 = h2_new(pool, site, stream);
    /* what follows may close the stream already */
    stream->state = h2;
    h2->client = h2_client_new(pool->server->loop, &h2->wire->wire, &client_user, h2);
    dial_share(dial, h2);
    return h2;
}

static void h2_tell(struct call_h2 *h2)
{
    if (h2->client && h2->wire)
        h2_stream_wire_tell(h2->wire);
}

static size_t h2_bytes(struct stream *stream, struct str bytes)
{
    struct call_h2 *h2 = stream->state;
    if (h2->wire)
        h2->wire->incoming = bytes;
    /* the client reads a bounded part at a time */
    while (h2->wire && h2->wire->incoming.size && h2->client && !stream->closing)
        h2_tell(h2);
    if (h2->wire)
        h2->wire->incoming = (struct str){NULL, 0};
    return bytes.size;
}

static void h2_writable(struct stream *stream)
{
    h2_tell(stream->state);
}

static void h2_ended(struct stream *stream, bool reset)
{
    struct call_h2 *h2 = stream->state;
    if (h2->client && h2->wire)
        h2_stream_wire_end(h2->wire, reset);
}

/** Ends what is left of its calls; they are told later: this may come from within what an owner
 * called. */
static void h2_fail_calls(struct call_h2 *h2, enum call_failure failure, const char *why)
{
    for (struct call *call = h2->pool->calls; call; call = call->next) {
        if (call->codec != &call_h2_calls || call->connection != h2)
            continue;
        h2_call_drop(call);
        call_fail_later(call, failure, "%s", why);
    }
}

static void h2_closing(struct stream *stream)
{
    struct call_h2 *h2 = stream->state;
    struct h2_client *client = h2->client;
    char why[CALL_WHY];
    h2_unlist(h2);
    if (!client || !h2->calls)
        return;
    h2->client = NULL;
    enum call_failure failure = call_closed_why(stream, h2->remote, why);
    h2_fail_calls(h2, failure, why);
    h2_client_free(client);
}

static void h2_drain(struct stream *stream)
{
    struct call_h2 *h2 = stream->state;
    call_h2_unshare(h2);
    if (!h2->calls)
        call_h2_close(h2, CLOSE_FIN);
}

static bool h2_is_idle(const struct stream *stream)
{
    const struct call_h2 *h2 = stream->state;
    return h2->calls == 0;
}

static void h2_gone(struct stream *stream)
{
    struct call_h2 *h2 = stream->state;
    struct h2_client *client = h2->client;
    h2->client = NULL;
    h2_unlist(h2);
    h2_fail_calls(h2, CALL_CLOSED, "the connection has ended");
    h2_client_free(client);
    if (h2->wire)
        h2_stream_wire_leave(h2->wire);
    site_release(h2->pool, h2->site);
    memory_free(h2);
}

const struct protocol call_h2_protocol = {
    .name = "h2 call",
    .start = h2_start,
    .bytes = h2_bytes,
    .writable = h2_writable,
    .ended = h2_ended,
    .closing = h2_closing,
    .drain = h2_drain,
    .is_idle = h2_is_idle,
    .gone = h2_gone,
};
