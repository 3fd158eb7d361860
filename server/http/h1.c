#include "server/http/h1.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/http/h1_flaw.h"
#include "server/http/upstream.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

#include <string.h>

bool h1_is(const struct stream *stream)
{
    return stream->protocol == &h1_protocol;
}

static const struct limits *h1_limits(const struct h1 *h1)
{
    return upstream_limits(h1->stream->port->owner);
}

/* Exchanges are used again: a request that is answered at once allocates nothing. */

struct h1_exchange *h1_exchange_new(struct h1 *h1)
{
    struct scratch *scratch = server_scratch(h1->stream->port->server);
    const struct limits *limits = h1_limits(h1);
    struct h1_exchange *x = scratch->unused;
    size_t most = limits->header_size ? (size_t)limits->header_size : BUF_OWN;
    if (x) {
        scratch->unused = x->next;
        scratch->unused_count--;
    } else {
        x = memory_alloc(sizeof *x);
    }
    x->h1 = h1;
    x->exchange.stream = h1->stream;
    x->exchange.codec = &h1_codec;
    x->exchange.codec_state = x;
    h1_scan_head(&x->scan, most);
    x->head.most = most + 8;
    x->trailers.most = most + 8;
    x->body.most = limits->body_size ? (size_t)limits->body_size : BUF_OWN;
    x->exchange.over.most = BUF_OWN;
    return x;
}

static struct buf h1_keep_buffer(struct buf *buf)
{
    if (buf->capacity > H1_KEPT_BUFFER)
        buf_clear(buf);
    buf_reset(buf);
    return *buf;
}

static void h1_exchange_drop(struct h1_exchange *x)
{
    buf_clear(&x->head);
    buf_clear(&x->body);
    buf_clear(&x->trailers);
    memory_free(x);
}

void h1_exchange_free(struct h1_exchange *x)
{
    exchange_forgotten(&x->exchange);
    struct scratch *scratch = server_scratch(x->h1->stream->port->server);
    h1_flaws_clear(x);
    buf_clear(&x->exchange.over);
    arena_free(x->exchange.arena);
    if (scratch->unused_count == H1_KEPT_EXCHANGES) {
        h1_exchange_drop(x);
        return;
    }
    struct buf head = h1_keep_buffer(&x->head);
    struct buf body = h1_keep_buffer(&x->body);
    struct buf trailers = h1_keep_buffer(&x->trailers);
    /* all but the headers, which are written before they are read */
    memset(x, 0, offsetof(struct h1_exchange, headers));
    x->head = head;
    x->body = body;
    x->trailers = trailers;
    x->next = scratch->unused;
    scratch->unused = x;
    scratch->unused_count++;
}

void h1_pool_clear(struct server *server)
{
    struct scratch *scratch = server_scratch(server);
    while (scratch->unused) {
        struct h1_exchange *x = scratch->unused;
        scratch->unused = x->next;
        h1_exchange_drop(x);
    }
    scratch->unused_count = 0;
}

static void h1_forget_current(struct h1 *h1)
{
    struct h1_exchange *x = h1->current;
    h1->current = NULL;
    if (x)
        h1_exchange_free(x);
}

/* Limits in time. */

static int64_t time_after(int64_t from_ns, int64_t delay_ns)
{
    return delay_ns > INT64_MAX - from_ns ? INT64_MAX : from_ns + delay_ns;
}

static bool h1_is_reading(const struct h1 *h1)
{
    return h1->current && h1->current->phase != H1_WHOLE;
}

/** When `limits.read` or `limits.idle` ends what the connection is waiting for; INT64_MAX = never.
 */
static int64_t h1_quiet_due(const struct h1 *h1, const struct limits *limits)
{
    bool since_last_byte;
    if (h1_is_reading(h1) && !exchange_is_timed(&h1->current->exchange, &since_last_byte))
        return INT64_MAX;
    if (h1_is_reading(h1)) {
        int64_t from_ns = h1->began_ns;
        if (since_last_byte && h1->stream->active_ns > from_ns)
            from_ns = h1->stream->active_ns;
        return time_after(from_ns, limits->read_ns);
    }
    if (!h1->current && limits->idle_ns)
        return time_after(h1->stream->active_ns, limits->idle_ns);
    return INT64_MAX;
}

/**
 * Has the timer fire at the next limit, or before it: it is not moved when that is put off, so that
 * a busy connection does not touch it.
 */
static void h1_arm(struct h1 *h1)
{
    const struct limits *limits = h1_limits(h1);
    int64_t due = h1_quiet_due(h1, limits);
    if (limits->life_ns && !h1->draining) {
        int64_t end = time_after(h1->stream->accepted_ns, limits->life_ns);
        due = end < due ? end : due;
    }
    if (due == INT64_MAX || (timer_is_active(&h1->timer) && h1->timer.due_ns <= due))
        return;
    timer_start_at(&h1->timer, due);
}

static void h1_due(struct timer *timer)
{
    struct h1 *h1 = CONTAINER_OF(timer, struct h1, timer);
    struct stream *stream = h1->stream;
    const struct limits *limits = h1_limits(h1);
    int64_t now = clock_now();
    if (stream->closing)
        return;
    stream_enter(stream);
    if (h1_quiet_due(h1, limits) <= now) {
        if (h1->current)
            h1_refuse(h1, 408, "the request was not whole within the limit `read`");
        else
            stream_close(stream, CLOSE_FIN);
    } else if (limits->life_ns && !h1->draining &&
               time_after(stream->accepted_ns, limits->life_ns) <= now) {
        stream_close(stream, CLOSE_DRAIN);
    }
    if (!stream->closing)
        h1_arm(h1);
    stream_leave(stream);
}

/* Reading. */

static void h1_journal_refused(const struct h1 *h1, unsigned status, const char *why)
{
    const struct stream *stream = h1->stream;
    struct entry entry = journal_entry(ENTRY_REFUSED, stream->port->name_id);
    entry.connection = stream->number;
    entry.status = (uint16_t)status;
    journal_append(stream->port->server->journal, &entry, str_of(why));
}

/** The rest of a request that has arrived broke HTTP or a limit, or broke off (status 0). An answer
 * that has begun is cut. */
static void h1_refuse_rest(struct h1 *h1, unsigned status, const char *why)
{
    struct stream *stream = h1->stream;
    struct h1_exchange *x = h1->current;
    bool answers = x->exchange.state == EXCHANGE_HELD && status;
    x->phase = H1_WHOLE;
    stream_enter(stream);
    if (status)
        h1_journal_refused(h1, answers ? status : 0, why);
    exchange_gone(&x->exchange, !status);
    if (answers)
        h1_write_refusal(stream, status, why, !x->is_head);
    stream_close(stream, CLOSE_FIN);
    stream_leave(stream);
}

void h1_refuse(struct h1 *h1, unsigned status, const char *why)
{
    struct stream *stream = h1->stream;
    if (h1->current && h1->current->exchange.coming) {
        h1_refuse_rest(h1, status, why);
        return;
    }
    bool is_head = h1->current && str_is(h1->current->exchange.request.method, "HEAD");
    stream_enter(stream);
    h1_forget_current(h1);
    h1_journal_refused(h1, status, why);
    if (status)
        h1_write_refusal(stream, status, why, !is_head);
    stream_close(stream, CLOSE_FIN);
    stream_leave(stream);
}

/** The request is whole: from here it is the exchange's. */
static void h1_request_whole(struct h1 *h1, struct h1_exchange *x)
{
    struct exchange *exchange = &x->exchange;
    x->phase = H1_WHOLE;
    if (h1->upgrade) {
        h1->upgrade->whole(h1, x);
        return;
    }
    exchange->request.body = buf_str(&x->body);
    h1->blank = false;
    exchange_arrived(exchange);
    /* what is answered at once is whole, though the client may have closed its side behind the
     * request */
    if (h1->current && (h1->stream->peer_ended || h1->stream->peer_closing))
        exchange_peer_ended(&h1->current->exchange);
}

static struct headers h1_room(struct h1_exchange *x, size_t count)
{
    if (count <= H1_INLINE_HEADERS)
        return (struct headers){x->headers, 0, H1_INLINE_HEADERS};
    return (struct headers){
        arena_alloc_array(exchange_arena(&x->exchange), count, sizeof(struct header)), 0, count};
}

/** What follows the head. `more` is whether bytes behind it came already. */
static void h1_expect_body(struct h1 *h1, struct h1_exchange *x, const struct h1_head *head,
                           bool more)
{
    x->body_left = head->content_length;
    x->phase = head->chunked ? H1_CHUNKS : H1_BODY;
    h1_chunks_start(&x->chunks);
    if (!head->chunked && !exchange_allows_body(&x->exchange, &x->body, head->content_length)) {
        h1_refuse(h1, 413, "the body is larger than the limit `body-size`");
        return;
    }
    if (!head->chunked && head->content_length == 0) {
        h1_request_whole(h1, x);
    } else if (head->expects_continue && head->version != HTTP_1_0 && !more &&
               x->exchange.state < EXCHANGE_ANSWERING) {
        static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        struct iovec part = {text, sizeof text - 1};
        stream_write(h1->stream, &part, 1);
    }
}

static void h1_head_whole(struct h1 *h1, struct h1_exchange *x, bool more)
{
    struct request *request = &x->exchange.request;
    struct h1_head head;
    request->headers = h1_room(x, x->scan.count);
    bool good = h1_head_read(&x->scan, x->head.data, request->headers.items, &head);
    request->method = head.method;
    if (!good) {
        h1_refuse(h1, head.fault.status, head.fault.why);
        return;
    }
    request->headers.count = head.count;
    request->target = head.target;
    request->path = head.path;
    request->query = head.query;
    request->authority = head.authority;
    request->version = head.version;
    const char *why = NULL;
    if (h1->upgrade && !h1->upgrade->asks(request, &why)) {
        h1_refuse(h1, 426, why);
        return;
    }
    x->keep_alive = head.keep_alive;
    x->is_head = str_is(head.method, "HEAD");
    /* behind a 2xx to CONNECT the client takes what comes for the tunnel, which we do not have */
    x->close = !head.keep_alive || h1->draining || str_is(head.method, "CONNECT");
    h1_expect_body(h1, x, &head, more);
}

static size_t h1_take_head(struct h1 *h1, struct h1_exchange *x, struct str bytes)
{
    size_t before = x->scan.at;
    enum h1_progress progress;
    if (x->head.size == 0) {
        progress = h1_scan_step(&x->scan, bytes.data, bytes.size);
        (void)buf_append(&x->head, str_slice(bytes, 0, x->scan.at));
    } else {
        /* one byte more than it may have shows that it is too large */
        size_t room = x->head.most - x->head.size;
        (void)buf_append(&x->head, str_slice(bytes, 0, room));
        progress = h1_scan_step(&x->scan, x->head.data, x->head.size);
        buf_truncate(&x->head, x->scan.at);
    }
    size_t taken = x->scan.at - before;
    /* where HTTP/2 is spoken, what is no request line is a broken preface: whoever sent it would
     * not understand an answer */
    bool preface = h1->upgrade && !x->scan.fields_at;
    if (progress == H1_BAD)
        h1_refuse(h1, preface ? 0 : x->scan.fault.status, x->scan.fault.why);
    else if (progress == H1_DONE)
        h1_head_whole(h1, x, taken < bytes.size);
    return taken;
}

static size_t h1_take_body(struct h1 *h1, struct h1_exchange *x, struct str bytes)
{
    size_t size = x->body_left < bytes.size ? (size_t)x->body_left : bytes.size;
    x->body_left -= size;
    /* the size was looked at with the head */
    if (!exchange_take_body(&x->exchange, &x->body, str_slice(bytes, 0, size)))
        h1_refuse(h1, 413, "the body is larger than the limit `body-size`");
    else if (x->body_left == 0)
        h1_request_whole(h1, x);
    return size;
}

static size_t h1_take_chunks(struct h1 *h1, struct h1_exchange *x, struct str bytes)
{
    size_t taken;
    struct str data;
    enum h1_progress progress = h1_chunks_step(&x->chunks, bytes, &taken, &data);
    if (progress == H1_BAD) {
        h1_refuse(h1, x->chunks.fault.status, x->chunks.fault.why);
        return taken;
    }
    /* a chunk that cannot fit is refused when its size is known */
    if (!exchange_allows_body(&x->exchange, &x->body, x->body.size + data.size + x->chunks.left) ||
        !exchange_take_body(&x->exchange, &x->body, data)) {
        h1_refuse(h1, 413, "the body is larger than the limit `body-size`");
        return taken;
    }
    if (progress == H1_DONE) {
        x->phase = H1_TRAILERS;
        h1_scan_fields(&x->scan, x->trailers.most - 8);
    }
    return taken;
}

static size_t h1_take_trailers(struct h1 *h1, struct h1_exchange *x, struct str bytes)
{
    size_t before = x->scan.at;
    (void)buf_append(&x->trailers, str_slice(bytes, 0, x->trailers.most - x->trailers.size));
    enum h1_progress progress = h1_scan_step(&x->scan, x->trailers.data, x->trailers.size);
    buf_truncate(&x->trailers, x->scan.at);
    size_t taken = x->scan.at - before;
    if (progress == H1_BAD) {
        h1_refuse(h1, x->scan.fault.status, x->scan.fault.why);
    } else if (progress == H1_DONE) {
        struct headers *trailers = &x->exchange.request.trailers;
        if (x->scan.count) {
            trailers->items = arena_alloc_array(exchange_arena(&x->exchange), x->scan.count,
                                                sizeof(struct header));
            trailers->count = h1_fields_read(&x->scan, x->trailers.data, trailers->items);
            trailers->capacity = trailers->count;
        }
        h1_request_whole(h1, x);
    }
    return taken;
}

static size_t h1_take(struct h1 *h1, struct str bytes)
{
    if (!h1->current) {
        /* RFC 9112 section 2.2: one empty line before a request is overlooked, and begins none */
        if (!h1->blank && str_starts(bytes, STR("\r\n"))) {
            h1->blank = true;
            return 2;
        }
        h1->current = h1_exchange_new(h1);
        h1->began_ns = h1->stream->active_ns;
    }
    struct h1_exchange *x = h1->current;
    switch (x->phase) {
    case H1_HEAD:
        return h1_take_head(h1, x, bytes);
    case H1_BODY:
        return h1_take_body(h1, x, bytes);
    case H1_CHUNKS:
        return h1_take_chunks(h1, x, bytes);
    default:
        return h1_take_trailers(h1, x, bytes);
    }
}

static void h1_broken_off(struct h1 *h1, bool reset)
{
    bool head = h1->current->phase == H1_HEAD;
    if (reset)
        h1_refuse(h1, 0,
                  head ? "the client reset the connection within a request's head"
                       : "the client reset the connection within a request's body");
    else
        h1_refuse(h1, 0,
                  head ? "the client closed the connection within a request's head"
                       : "the client closed the connection within a request's body");
}

/** Whether nothing is left to be done: no answer, no request. One that was cut and left silent
 * waits for the peer. */
static bool h1_has_no_more(const struct h1 *h1)
{
    if (h1->current)
        return h1->current->exchange.state == EXCHANGE_ENDED && h1->stream->peer_ended;
    return h1->draining || h1->stream->peer_ended;
}

/** After bytes were taken or an answer is out: waits for more, or ends what has no more to come. */
static void h1_settle(struct h1 *h1)
{
    struct stream *stream = h1->stream;
    if (stream->closing)
        return;
    if (h1_is_reading(h1) && stream->peer_ended)
        h1_broken_off(h1, false);
    else if (h1_has_no_more(h1))
        stream_close(stream, CLOSE_FIN);
    else if (h1->current && (!h1_is_reading(h1) || h1->current->exchange.stops) &&
             !h1->current->exchange.tunnel)
        stream_pause(stream);
    if (!stream->closing)
        h1_arm(h1);
}

/** The request is not whole with what has come: its upstream may begin. */
static void h1_offer_part(struct h1 *h1)
{
    struct h1_exchange *x = h1->current;
    if (x->phase == H1_HEAD || x->phase == H1_WHOLE || h1->upgrade)
        return;
    x->exchange.request.body = buf_str(&x->body);
    exchange_partly_read(&x->exchange);
}

/** Bytes of a tunnel. */
static size_t h1_tunnel_bytes(struct h1 *h1, struct str bytes)
{
    struct stream *stream = h1->stream;
    struct exchange *exchange = &h1->current->exchange;
    stream_enter(stream);
    size_t taken = exchange->tunnel->bytes(exchange, bytes);
    if (taken < bytes.size && !stream->closing)
        stream_pause(stream);
    stream_leave(stream);
    return taken;
}

void h1_read_on(struct exchange *exchange)
{
    struct h1 *h1 = CONTAINER_OF(exchange, struct h1_exchange, exchange)->h1;
    if (exchange->stream->closing)
        return;
    /* the time that the far side took is not the client's */
    h1->began_ns = clock_now();
    h1_arm(h1);
    stream_resume(exchange->stream);
}

size_t h1_bytes(struct stream *stream, struct str bytes)
{
    const struct protocol *protocol = stream->protocol;
    struct h1 *h1 = stream->state;
    size_t taken = 0;
    if (h1->current && h1->current->exchange.tunnel)
        return h1_tunnel_bytes(h1, bytes);
    h1->parsing = true;
    while (taken < bytes.size && !stream->closing && (!h1->current || h1_is_reading(h1))) {
        if (h1->current && h1->current->exchange.stops)
            break;
        taken += h1_take(h1, str_from(bytes, taken));
        /* upgraded: `h1` is gone, the rest is for what the stream speaks now */
        if (stream->protocol != protocol)
            return taken + (taken < bytes.size && !stream->closing
                                ? stream->protocol->bytes(stream, str_from(bytes, taken))
                                : 0);
    }
    h1->parsing = false;
    if (!stream->closing && h1_is_reading(h1))
        h1_offer_part(h1);
    h1_settle(h1);
    return taken;
}

/** All of the answer was given, and the request is not whole: what is left of it belongs to its
 * record, and stands before the next request. */
static void h1_await_rest(struct h1 *h1, bool close)
{
    struct exchange *exchange = &h1->current->exchange;
    h1->current->close = close;
    h1->began_ns = h1->stream->active_ns;
    if (close)
        stream_finish(h1->stream);
    exchange_stop(exchange, false);
    h1_arm(h1);
}

void h1_done(struct exchange *exchange, bool close)
{
    struct h1_exchange *x = CONTAINER_OF(exchange, struct h1_exchange, exchange);
    struct h1 *h1 = x->h1;
    struct stream *stream = h1->stream;
    close |= x->close || !x->keep_alive || h1->draining;
    /* what ended the stream meanwhile, a journal's observer, leaves the exchange to gone() */
    if (stream->closing)
        return;
    stream->active_ns = clock_now();
    if (exchange->coming) {
        h1_await_rest(h1, close);
        return;
    }
    h1_forget_current(h1);
    if (close) {
        stream_close(stream, CLOSE_FIN);
        return;
    }
    if (h1->parsing)
        return;
    stream_resume(stream);
    h1_settle(h1);
}

/* The stream's other calls. */

void *h1_start(struct stream *stream)
{
    struct h1 *h1 = memory_alloc(sizeof *h1);
    h1->stream = stream;
    timer_init(&h1->timer, stream->port->server->loop, h1_due);
    h1_arm(h1);
    return h1;
}

void h1_writable(struct stream *stream)
{
    struct h1 *h1 = stream->state;
    if (h1->current && h1_flaws_writable(h1->current))
        return;
    if (h1->current && h1->current->exchange.responder_writable)
        h1->current->exchange.responder_writable(&h1->current->exchange);
}

void h1_ended(struct stream *stream, bool reset)
{
    struct h1 *h1 = stream->state;
    if (h1_is_reading(h1)) {
        if (reset || stream->peer_ended)
            h1_broken_off(h1, reset);
    } else if (h1->current && reset) {
        exchange_gone(&h1->current->exchange, true);
    } else if (!reset && h1_has_no_more(h1)) {
        stream_close(stream, CLOSE_FIN);
    } else if (h1->current && (stream->peer_ended || !h1->current->exchange.tunnel)) {
        /* the end of a tunnel's half comes behind its bytes */
        exchange_peer_ended(&h1->current->exchange);
    }
}

void h1_closing(struct stream *stream)
{
    struct h1 *h1 = stream->state;
    timer_stop(&h1->timer);
    if (h1->current)
        exchange_gone(&h1->current->exchange, false);
}

void h1_drain(struct stream *stream)
{
    struct h1 *h1 = stream->state;
    h1->draining = true;
    if (!h1->current) {
        stream_close(stream, CLOSE_FIN);
        return;
    }
    h1->current->close = true;
    if (h1->current->exchange.state == EXCHANGE_ENDED)
        stream_close(stream, CLOSE_FIN);
}

bool h1_is_idle(const struct stream *stream)
{
    const struct h1 *h1 = stream->state;
    return !h1->current;
}

void h1_gone(struct stream *stream)
{
    struct h1 *h1 = stream->state;
    timer_stop(&h1->timer);
    if (h1->current)
        exchange_gone(&h1->current->exchange, true);
    h1_forget_current(h1);
    memory_free(h1);
}

const struct protocol h1_protocol = {
    .name = "http",
    .start = h1_start,
    .bytes = h1_bytes,
    .writable = h1_writable,
    .ended = h1_ended,
    .closing = h1_closing,
    .drain = h1_drain,
    .is_idle = h1_is_idle,
    .gone = h1_gone,
};
