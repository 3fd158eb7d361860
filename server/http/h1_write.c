/* Answers on the wire: RFC 9112 sections 4, 6 and 7.1. */
#include "server/http/h1.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

#include <stdio.h>

static const struct str crlf = STR_INIT("\r\n");

static struct iovec part_of(struct str text)
{
    return (struct iovec){(void *)(uintptr_t)text.data, text.size};
}

static struct h1_exchange *h1_of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct h1_exchange, exchange);
}

struct buf *h1_head_start(struct stream *stream)
{
    struct buf *into = &server_scratch(stream->port->server)->head;
    scratch_reset(into);
    return into;
}

void h1_head_field(struct buf *into, struct str name, struct str value)
{
    buf_append(into, name);
    buf_append(into, STR(": "));
    buf_append(into, value);
    buf_append(into, crlf);
}

static void write_fields(struct buf *into, const struct headers *headers)
{
    for (size_t i = 0; headers && i < headers->count; i++)
        h1_head_field(into, headers->items[i].name, headers->items[i].value);
}

static void write_status_line(struct buf *into, unsigned status, struct str reason)
{
    char code[32];
    int size = snprintf(code, sizeof code, "HTTP/1.1 %03u ", status);
    buf_append(into, (struct str){code, (size_t)size});
    buf_append(into, reason.data ? reason : str_of(http_reason(status)));
    buf_append(into, crlf);
}

/** Whether the client hears that the connection ends (or, in HTTP/1.0, that it does not). */
static struct str connection_line(const struct h1_exchange *x)
{
    if (x->close)
        return STR("connection: close\r\n");
    if (x->exchange.request.version == HTTP_1_0)
        return STR("connection: keep-alive\r\n");
    return (struct str){NULL, 0};
}

static void h1_informational(struct exchange *exchange, unsigned status,
                             const struct headers *headers)
{
    /* RFC 9110 section 15.2: a 1.0 client does not know them */
    if (exchange->request.version == HTTP_1_0)
        return;
    struct buf *into = h1_head_start(exchange->stream);
    write_status_line(into, status, (struct str){NULL, 0});
    write_fields(into, headers);
    buf_append(into, crlf);
    struct iovec part = part_of(buf_str(into));
    stream_write(exchange->stream, &part, 1);
}

void h1_head_framing(struct h1_exchange *x, const struct response_head *head, struct buf *into)
{
    bool old = x->exchange.request.version == HTTP_1_0;
    struct str length =
        head->headers ? headers_get(head->headers, STR("content-length")) : (struct str){NULL, 0};
    bool coded = head->headers && headers_get(head->headers, STR("transfer-encoding")).data;
    if (coded) {
        x->chunked = headers_has_token(head->headers, STR("transfer-encoding"), STR("chunked"));
        x->close |= !x->chunked && !x->bodiless && !length.data;
    }
    if (length.data)
        x->counted = str_to_u64(length, INT64_MAX, &x->declared);
    if (coded || length.data)
        return;
    if (head->no_framing) {
        x->close |= !x->bodiless;
    } else if (http_status_is_bodiless(head->status)) {
        /* RFC 9110 sections 8.6 and 6.4.1: neither a length nor a body */
    } else if (!old && (head->chunked || head->content_length < 0)) {
        x->chunked = true;
        buf_append(into, STR("transfer-encoding: chunked\r\n"));
    } else if (head->content_length < 0) {
        x->close |= !x->bodiless;
    } else {
        x->counted = true;
        x->declared = (uint64_t)head->content_length;
        buf_printf(into, "content-length: %llu\r\n", (unsigned long long)x->declared);
    }
}

void h1_head_date(struct h1_exchange *x, const struct response_head *head, struct buf *into)
{
    if (!head->no_date && !(head->headers && headers_get(head->headers, STR("date")).data))
        buf_append(into, server_date(x->exchange.stream->port->server));
}

void h1_head_connection(struct h1_exchange *x, const struct response_head *head, struct buf *into)
{
    if (head->headers && headers_get(head->headers, STR("connection")).data)
        x->close |= headers_has_token(head->headers, STR("connection"), STR("close"));
    else
        buf_append(into, connection_line(x));
}

void h1_head_begin(struct h1_exchange *x, const struct response_head *head)
{
    x->bodiless = x->is_head || http_status_is_bodiless(head->status);
    x->close |= head->close;
}

static void h1_head(struct exchange *exchange, const struct response_head *head)
{
    struct h1_exchange *x = h1_of(exchange);
    struct buf *into = h1_head_start(exchange->stream);
    h1_head_begin(x, head);
    write_status_line(into, head->status, head->reason);
    h1_head_date(x, head, into);
    write_fields(into, head->headers);
    h1_head_framing(x, head, into);
    h1_head_connection(x, head, into);
    buf_append(into, crlf);
    struct iovec part = part_of(buf_str(into));
    stream_write_soon(exchange->stream, &part, 1);
}

static void h1_body(struct exchange *exchange, struct str bytes)
{
    struct h1_exchange *x = h1_of(exchange);
    char size[24];
    if (x->bodiless)
        return;
    x->written += bytes.size;
    if (!x->chunked) {
        struct iovec part = part_of(bytes);
        stream_write(exchange->stream, &part, 1);
        return;
    }
    int digits = snprintf(size, sizeof size, "%zx\r\n", bytes.size);
    struct iovec parts[] = {part_of((struct str){size, (size_t)digits}), part_of(bytes),
                            part_of(crlf)};
    stream_write(exchange->stream, parts, COUNT_OF(parts));
}

static void h1_finish(struct exchange *exchange, const struct headers *trailers)
{
    struct h1_exchange *x = h1_of(exchange);
    if (x->bodiless)
        return;
    /* a length that was a lie: the client could not tell where the next answer starts */
    if (!x->chunked && x->counted && x->written != x->declared)
        x->close = true;
    if (!x->chunked)
        return;
    struct buf *into = h1_head_start(exchange->stream);
    buf_append(into, STR("0\r\n"));
    write_fields(into, trailers);
    buf_append(into, crlf);
    struct iovec part = part_of(buf_str(into));
    stream_write(exchange->stream, &part, 1);
}

static bool h1_tunnel(struct exchange *exchange, const struct response_head *head)
{
    struct h1_exchange *x = h1_of(exchange);
    struct buf *into = h1_head_start(exchange->stream);
    struct str upgrade =
        head->headers ? headers_get(head->headers, STR("upgrade")) : (struct str){NULL, 0};
    x->bodiless = false;
    x->chunked = false;
    x->close = true;
    write_status_line(into, head->status, head->reason);
    if (!head->no_date && !(head->headers && headers_get(head->headers, STR("date")).data))
        buf_append(into, server_date(exchange->stream->port->server));
    write_fields(into, head->headers);
    if (upgrade.data)
        buf_append(into, STR("connection: upgrade\r\n"));
    buf_append(into, crlf);
    struct iovec part = part_of(buf_str(into));
    stream_write(exchange->stream, &part, 1);
    h1_read_on(exchange);
    return true;
}

static void h1_tunnel_end(struct exchange *exchange)
{
    stream_finish(exchange->stream);
}

static void h1_raw(struct exchange *exchange, struct str bytes)
{
    struct iovec part = part_of(bytes);
    stream_write(exchange->stream, &part, 1);
}

static void h1_cut(struct exchange *exchange, enum close_how how)
{
    /* what comes of a request behind it is not read any more */
    h1_of(exchange)->phase = H1_WHOLE;
    stream_close(exchange->stream, how);
}

static void h1_whole(struct exchange *exchange, const struct static_answer *answer)
{
    struct h1_exchange *x = h1_of(exchange);
    x->close |= answer->close;
    struct iovec parts[5];
    int count = 0;
    struct str connection = connection_line(x);
    parts[count++] = part_of(answer->status_line);
    parts[count++] = part_of(server_date(exchange->stream->port->server));
    if (connection.size)
        parts[count++] = part_of(connection);
    parts[count++] = part_of(answer->head);
    if (!x->is_head && !http_status_is_bodiless(answer->status))
        parts[count++] = part_of(answer->body);
    stream_write(exchange->stream, parts, count);
}

void h1_write_refusal(struct stream *stream, unsigned status, const char *why, bool with_body)
{
    struct buf *into = h1_head_start(stream);
    struct str text = str_of(why);
    write_status_line(into, status, (struct str){NULL, 0});
    buf_append(into, server_date(stream->port->server));
    buf_printf(into,
               "content-type: text/plain\r\n"
               "content-length: %zu\r\n"
               "%sconnection: close%s\r\n\r\n",
               text.size + 1, status == 426 ? "upgrade: h2c\r\n" : "",
               status == 426 ? ", upgrade" : "");
    if (with_body) {
        buf_append(into, text);
        buf_append_byte(into, '\n');
    }
    struct iovec part = part_of(buf_str(into));
    stream_write(stream, &part, 1);
}

const struct exchange_codec h1_codec = {
    .informational = h1_informational,
    .head = h1_head,
    .body = h1_body,
    .finish = h1_finish,
    .raw = h1_raw,
    .cut = h1_cut,
    .whole = h1_whole,
    .tunnel = h1_tunnel,
    .tunnel_end = h1_tunnel_end,
    .resume = h1_read_on,
    .done = h1_done,
};
