/* A connection of HTTP/1.1 to a far side: its life, and the requests on it. */
#include "server/proxy/call_h1.h"

#include "base/memory.h"
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>

static struct iovec part_of(struct str text)
{
    return (struct iovec){(void *)(uintptr_t)text.data, text.size};
}

static struct call_h1 *h1_of(const struct call *call)
{
    return call->connection;
}

struct str call_h1_remote(struct call_h1 *h1)
{
    if (!h1->remote[0])
        call_remote_of(h1->site, h1->stream, h1->remote);
    return str_of(h1->remote);
}

/* Idle connections. */

static void h1_unidle(struct call_h1 *h1)
{
    if (!h1->idle_since_ns)
        return;
    if (h1->newer)
        h1->newer->older = h1->older;
    else
        h1->site->idle = h1->older;
    if (h1->older)
        h1->older->newer = h1->newer;
    h1->older = NULL;
    h1->newer = NULL;
    h1->idle_since_ns = 0;
    h1->pool->idle_count--;
}

static void h1_make_idle(struct call_h1 *h1)
{
    struct call_site *site = h1->site;
    h1->idle_since_ns = h1->stream->active_ns;
    h1->older = site->idle;
    if (site->idle)
        site->idle->newer = h1;
    site->idle = h1;
    h1->pool->idle_count++;
    /* one that fires early starts again: a busy connection does not move it */
    int64_t due = h1->idle_since_ns + h1->idle_limit_ns;
    if (!timer_is_active(&h1->timer) || h1->timer.due_ns > due)
        timer_start_at(&h1->timer, due);
}

static void h1_unlist(struct call_h1 *h1)
{
    h1_unidle(h1);
    timer_stop(&h1->timer);
    if (!h1->listed)
        return;
    h1->listed = false;
    if (h1->previous)
        h1->previous->next = h1->next;
    else
        h1->pool->connections = h1->next;
    if (h1->next)
        h1->next->previous = h1->previous;
}

void call_h1_close(struct call_h1 *h1, enum close_how how)
{
    struct stream *stream = h1->stream;
    h1_unlist(h1);
    stream_close(stream, how);
}

static void h1_idle_due(struct timer *timer)
{
    struct call_h1 *h1 = CONTAINER_OF(timer, struct call_h1, timer);
    if (!h1->idle_since_ns)
        return;
    if (h1->idle_since_ns + h1->idle_limit_ns > clock_now())
        timer_start_at(&h1->timer, h1->idle_since_ns + h1->idle_limit_ns);
    else
        call_h1_close(h1, CLOSE_FIN);
}

struct call_h1 *call_h1_take(struct call_site *site, const struct call *call)
{
    while (site->idle) {
        struct call_h1 *h1 = site->idle;
        struct stream *stream = h1->stream;
        bool look = !call_is_repeated(call) || call->active_ns - h1->idle_since_ns > CALL_LOOK_NS;
        /* what waits in the kernel is its end, or bytes that nobody asked for: both close it, and
         * take it off the list */
        if (look && !stream_is_quiet(stream)) {
            (void)stream_read_now(stream);
            if (site->idle != h1)
                continue;
        }
        h1_unidle(h1);
        return h1;
    }
    return NULL;
}

/* Calls come and go. */

struct call *call_h1_detach(struct call_h1 *h1)
{
    struct call *call = h1->call;
    h1->call = NULL;
    call->codec = NULL;
    call->connection = NULL;
    return call;
}

void call_h1_done(struct call_h1 *h1, bool clean, const struct headers *trailers)
{
    struct call_pool *pool = h1->pool;
    struct stream *stream = h1->stream;
    struct call *call = call_h1_detach(h1);
    bool keep = clean && h1->keep && h1->request_whole && !call->request.fresh &&
                !stream->peer_closing && !stream->peer_ended && !stream->closing && !pool->closed &&
                h1->idle_limit_ns > 0 && pool->idle_count < CALL_KEPT_IDLE;
    if (keep)
        h1_make_idle(h1);
    else
        call_h1_close(h1, CLOSE_FIN);
    call_finished(call, trailers);
}

void call_h1_fail(struct call_h1 *h1, enum call_failure failure, const char *format, ...)
{
    char what[CALL_WHY];
    char name[CALL_REMOTE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(name, sizeof name, STR_FMT, STR_ARG(call_h1_remote(h1)));
    struct call *call = call_h1_detach(h1);
    call_h1_close(h1, CLOSE_KILL);
    if ((failure == CALL_CLOSED || failure == CALL_RESET) && call_may_repeat(call, false))
        call_again(call);
    else
        call_failed(call, failure, "%s %s", name, what);
}

/* Requests. */

static const struct call_codec h1_calls;

void call_h1_begin(struct call_h1 *h1, struct call *call, bool reused)
{
    struct stream *stream = h1->stream;
    const struct call_request *request = &call->request;
    if (!call->head.size)
        call_write_head(call, request);
    struct iovec part = part_of(buf_str(&call->head));
    h1->call = call;
    h1->declared = request->content_length > 0 ? (uint64_t)request->content_length : 0;
    h1->written = 0;
    h1->chunked = request->has_body && request->content_length < 0;
    h1->request_whole = !request->has_body;
    call_h1_read_start(h1);
    call_attach(call, &h1_calls, h1, reused ? call->active_ns : stream->active_ns, reused);
    /* a body that follows at once leaves with it */
    if (h1->request_whole)
        stream_write(stream, &part, 1);
    else
        stream_write_soon(stream, &part, 1);
    call_release_pending(call);
}

static void h1_call_body(struct call *call, struct str bytes)
{
    struct call_h1 *h1 = h1_of(call);
    char size[24];
    call->body_begun = true;
    if (h1->phase != ANSWER_TUNNEL && h1->chunked) {
        int digits = snprintf(size, sizeof size, "%zx\r\n", bytes.size);
        struct iovec parts[] = {part_of((struct str){size, (size_t)digits}), part_of(bytes),
                                part_of(STR("\r\n"))};
        stream_write(h1->stream, parts, COUNT_OF(parts));
        return;
    }
    /* more than was declared would be taken for another request */
    if (h1->phase != ANSWER_TUNNEL)
        bytes = str_slice(bytes, 0, h1->declared - h1->written);
    h1->written += bytes.size;
    struct iovec part = part_of(bytes);
    stream_write(h1->stream, &part, 1);
}

static void h1_call_finish(struct call *call, const struct headers *trailers)
{
    struct call_h1 *h1 = h1_of(call);
    call->body_begun = true;
    if (!h1->chunked && h1->written < h1->declared) {
        uint64_t written = h1->written;
        uint64_t declared = h1->declared;
        call_h1_detach(h1);
        call_h1_close(h1, CLOSE_KILL);
        call_fail_later(call, CALL_PROTOCOL, "the request's body ended after %llu of %llu bytes",
                        (unsigned long long)written, (unsigned long long)declared);
        return;
    }
    h1->request_whole = true;
    if (!h1->chunked)
        return;
    struct buf into;
    struct iovec part = part_of(STR("0\r\n\r\n"));
    buf_init(&into, BUF_OWN);
    if (trailers) {
        buf_append(&into, STR("0\r\n"));
        for (size_t i = 0; i < trailers->count; i++)
            buf_printf(&into, STR_FMT ": " STR_FMT "\r\n", STR_ARG(trailers->items[i].name),
                       STR_ARG(trailers->items[i].value));
        buf_append(&into, STR("\r\n"));
        part = part_of(buf_str(&into));
    }
    stream_write(h1->stream, &part, 1);
    buf_clear(&into);
}

static size_t h1_call_queued(const struct call *call)
{
    return stream_queued(h1_of(call)->stream);
}

static void h1_call_pause(struct call *call)
{
    stream_pause(h1_of(call)->stream);
}

static void h1_call_resume(struct call *call)
{
    stream_resume(h1_of(call)->stream);
}

static void h1_call_tunnel_end(struct call *call)
{
    struct call_h1 *h1 = h1_of(call);
    struct stream *stream = h1->stream;
    stream_enter(stream);
    stream_finish(stream);
    if (stream->peer_ended && !stream->input)
        call_h1_read_end(h1);
    stream_leave(stream);
}

static void h1_call_drop(struct call *call)
{
    struct call_h1 *h1 = h1_of(call);
    call_h1_detach(h1);
    call_h1_close(h1, CLOSE_KILL);
}

static struct str h1_call_remote(const struct call *call)
{
    return call_h1_remote(h1_of(call));
}

static bool h1_call_has_unread(const struct call *call)
{
    return !stream_is_quiet(h1_of(call)->stream);
}

static int64_t h1_call_moved_ns(const struct call *call)
{
    return h1_of(call)->stream->active_ns;
}

static const struct call_codec h1_calls = {
    .body = h1_call_body,
    .finish = h1_call_finish,
    .queued = h1_call_queued,
    .pause = h1_call_pause,
    .resume = h1_call_resume,
    .tunnel_end = h1_call_tunnel_end,
    .drop = h1_call_drop,
    .remote = h1_call_remote,
    .has_unread = h1_call_has_unread,
    .moved_ns = h1_call_moved_ns,
};

/* The stream's side. */

static struct call_h1 *h1_new(struct call_pool *pool, struct call_site *site, struct stream *stream)
{
    struct call_h1 *h1 = memory_alloc(sizeof *h1);
    h1->pool = pool;
    h1->site = site;
    h1->stream = stream;
    h1->idle_limit_ns = pool->idle_ns;
    site->users++;
    timer_init(&h1->timer, pool->server->loop, h1_idle_due);
    buf_init(&h1->partial, CALL_HEAD_SIZE + 8);
    h1->listed = true;
    h1->next = pool->connections;
    if (pool->connections)
        pool->connections->previous = h1;
    pool->connections = h1;
    return h1;
}

static void *h1_start(struct stream *stream)
{
    struct call_dial *dial = stream->owner;
    struct call_h1 *h1 = h1_new(dial->pool, dial->site, stream);
    /* what follows may close the stream already */
    stream->state = h1;
    dial_give(dial, h1);
    return h1;
}

static size_t h1_bytes(struct stream *stream, struct str bytes)
{
    struct call_h1 *h1 = stream->state;
    size_t taken = 0;
    while (taken < bytes.size && !stream->closing && h1->call && !h1->call->paused)
        taken += call_h1_read(h1, str_from(bytes, taken));
    if (stream->closing)
        return taken;
    if (!h1->call) {
        /* nobody asked for these */
        if (taken < bytes.size)
            call_h1_close(h1, CLOSE_FIN);
        return bytes.size;
    }
    if (stream->peer_ended && taken == bytes.size)
        call_h1_read_end(h1);
    return taken;
}

static void h1_writable(struct stream *stream)
{
    const struct call_h1 *h1 = stream->state;
    const struct call *call = h1->call;
    if (call && call->user->writable && (!call->whole || call->tunnel))
        call->user->writable(call->context);
}

static void h1_ended(struct stream *stream, bool reset)
{
    struct call_h1 *h1 = stream->state;
    if (!h1->call)
        call_h1_close(h1, CLOSE_FIN);
    else if (reset)
        call_h1_read_reset(h1);
    else if (stream->peer_ended && !stream->input)
        call_h1_read_end(h1);
}

static void h1_closing(struct stream *stream)
{
    struct call_h1 *h1 = stream->state;
    char why[CALL_WHY];
    h1_unlist(h1);
    if (!h1->call)
        return;
    enum call_failure failure = call_closed_why(stream, call_h1_remote(h1).data, why);
    /* maybe from within what its owner called: a write may find that TLS is broken */
    call_fail_later(call_h1_detach(h1), failure, "%s", why);
}

static void h1_drain(struct stream *stream)
{
    struct call_h1 *h1 = stream->state;
    h1->keep = false;
    h1->idle_limit_ns = 0;
    if (!h1->call)
        call_h1_close(h1, CLOSE_FIN);
}

static bool h1_is_idle(const struct stream *stream)
{
    const struct call_h1 *h1 = stream->state;
    return !h1->call;
}

static void h1_gone(struct stream *stream)
{
    struct call_h1 *h1 = stream->state;
    h1_unlist(h1);
    if (h1->call)
        call_fail_later(call_h1_detach(h1), CALL_CLOSED, "the connection has ended");
    buf_clear(&h1->partial);
    site_release(h1->pool, h1->site);
    memory_free(h1);
}

const struct protocol call_h1_protocol = {
    .name = "http call",
    .start = h1_start,
    .bytes = h1_bytes,
    .writable = h1_writable,
    .ended = h1_ended,
    .closing = h1_closing,
    .drain = h1_drain,
    .is_idle = h1_is_idle,
    .gone = h1_gone,
};
