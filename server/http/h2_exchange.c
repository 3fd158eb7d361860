#include "server/http/h2_private.h"

#include "base/memory.h"
#include "server/http/upstream.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

#include <string.h>

struct h2_exchange *h2_exchange_of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct h2_exchange, exchange);
}

/* Exchanges are used again: a request that is answered at once allocates nothing of ours. */

static void h2_exchange_drop(struct h2_exchange *x)
{
    arena_free(x->exchange.arena);
    buf_clear(&x->body);
    buf_clear(&x->out);
    memory_free(x);
}

static void pool_clear(struct scratch *scratch)
{
    while (scratch->unused_h2) {
        struct h2_exchange *x = scratch->unused_h2;
        scratch->unused_h2 = x->next;
        h2_exchange_drop(x);
    }
    scratch->unused_h2_count = 0;
}

static struct h2_exchange *pool_take(struct scratch *scratch)
{
    struct h2_exchange *x = scratch->unused_h2;
    scratch->clear_h2 = pool_clear;
    if (!x)
        return memory_alloc(sizeof *x);
    scratch->unused_h2 = x->next;
    scratch->unused_h2_count--;
    x->next = NULL;
    return x;
}

struct h2_exchange *h2_exchange_new(struct h2 *h2, int32_t stream_id)
{
    struct h2_exchange *x = pool_take(server_scratch(h2->stream->port->server));
    const struct limits *limits = h2_limits(h2);
    x->h2 = h2;
    x->exchange.stream = h2->stream;
    x->exchange.codec = &h2_codec;
    x->exchange.codec_state = x;
    x->exchange.stream_id = (uint32_t)stream_id;
    x->exchange.request.version = HTTP_2;
    x->exchange.request.headers = (struct headers){x->inline_headers, 0, H2_INLINE_HEADERS};
    x->began_ns = h2->stream->active_ns;
    x->kept = x->inline_kept;
    x->kept_capacity = COUNT_OF(x->inline_kept);
    x->body.most = limits->body_size ? (size_t)limits->body_size : BUF_OWN;
    if (h2->stream->port->calls)
        x->body.most = h2->stream->port->calls->body_most(&x->exchange, x->body.most);
    x->out.most = BUF_OWN;
    x->exchange.over.most = BUF_OWN;
    x->previous = h2->newest;
    if (h2->newest)
        h2->newest->next = x;
    else
        h2->oldest = x;
    h2->newest = x;
    h2->count++;
    x->is_reading = true;
    h2->reading++;
    return x;
}

void h2_exchange_was_read(struct h2_exchange *x)
{
    if (x->is_reading)
        x->h2->reading--;
    x->is_reading = false;
}

struct str h2_exchange_keep(struct h2_exchange *x, nghttp2_rcbuf *text)
{
    nghttp2_vec bytes = nghttp2_rcbuf_get_buf(text);
    /* those of HPACK's static table stay without being held */
    if (!nghttp2_rcbuf_is_static(text)) {
        if (x->kept_count == x->kept_capacity)
            arena_grow(exchange_arena(&x->exchange), &x->kept, x->kept_count, &x->kept_capacity,
                       sizeof(nghttp2_rcbuf *));
        nghttp2_rcbuf_incref(text);
        x->kept[x->kept_count++] = text;
    }
    return (struct str){bytes.base ? (const char *)bytes.base : "", bytes.len};
}

void h2_exchange_add(struct h2_exchange *x, struct headers *headers, struct str name,
                     struct str value)
{
    if (headers->count < headers->capacity)
        headers->items[headers->count++] = (struct header){name, value};
    else
        headers_add(headers, exchange_arena(&x->exchange), name, value);
}

static void h2_exchange_unlink(struct h2_exchange *x)
{
    struct h2 *h2 = x->h2;
    *(x->previous ? &x->previous->next : &h2->oldest) = x->next;
    *(x->next ? &x->next->previous : &h2->newest) = x->previous;
    if (x->is_due) {
        *(x->due_previous ? &x->due_previous->due_next : &h2->due) = x->due_next;
        *(x->due_next ? &x->due_next->due_previous : &h2->due_last) = x->due_previous;
    }
    if (h2->current == x)
        h2->current = NULL;
    if (h2->looking == x)
        h2->looking = NULL;
    if (x->linger_ns)
        h2->lingering--;
    h2->count--;
    h2_exchange_was_read(x);
}

static struct buf h2_keep_buffer(struct buf *buf)
{
    if (buf->capacity > H2_KEPT_BUFFER)
        buf_clear(buf);
    buf_reset(buf);
    return *buf;
}

void h2_exchange_free(struct h2_exchange *x)
{
    struct scratch *scratch = server_scratch(x->h2->stream->port->server);
    exchange_forgotten(&x->exchange);
    h2_exchange_unlink(x);
    for (size_t i = 0; i < x->kept_count; i++)
        nghttp2_rcbuf_decref(x->kept[i]);
    buf_clear(&x->exchange.over);
    if (scratch->unused_h2_count == H2_KEPT_EXCHANGES) {
        h2_exchange_drop(x);
        return;
    }
    struct arena *arena = x->exchange.arena;
    if (arena)
        arena_reset(arena);
    struct buf body = h2_keep_buffer(&x->body);
    struct buf out = h2_keep_buffer(&x->out);
    /* all but what is written before it is read */
    memset(x, 0, offsetof(struct h2_exchange, inline_kept));
    x->exchange.arena = arena;
    x->body = body;
    x->out = out;
    x->next = scratch->unused_h2;
    scratch->unused_h2 = x;
    scratch->unused_h2_count++;
}
