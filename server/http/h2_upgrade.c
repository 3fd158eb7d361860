/* A port that speaks HTTP/2 in clear: by prior knowledge, or upgraded from HTTP/1.1 (RFC 7540
 * section 3.2). */
#include "base/memory.h"
#include "server/http/h1.h"
#include "server/http/h2_private.h"
#include "server/stream/stage.h"

#include <openssl/evp.h>
#include <string.h>

enum { MOST_SETTINGS_TEXT = 1024 };

/** What the preface begins with, and no request of HTTP/1 (RFC 9113 section 3.4). */
static const struct str preface_start = STR_INIT("PRI ");

/** The settings of the one HTTP2-Settings header (base64url, unpadded) into `out`; -1 if they are
 * none. */
static ssize_t read_settings(struct str text, uint8_t out[MOST_SETTINGS_TEXT])
{
    char padded[MOST_SETTINGS_TEXT + 4];
    size_t size = 0;
    while (text.size && text.data[text.size - 1] == '=')
        text.size--;
    if (text.size > MOST_SETTINGS_TEXT - 4 || text.size % 4 == 1)
        return -1;
    for (; size < text.size; size++) {
        char letter = text.data[size];
        padded[size] = (char)(letter == '-' ? '+' : letter == '_' ? '/' : letter);
    }
    size_t padding = (4 - size % 4) % 4;
    memset(padded + size, '=', padding);
    int decoded = size ? EVP_DecodeBlock(out, (unsigned char *)padded, (int)(size + padding)) : 0;
    if (decoded < 0 || ((size_t)decoded - padding) % 6 != 0)
        return -1;
    return decoded - (ssize_t)padding;
}

static size_t count_of(const struct headers *headers, struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++)
        count += str_equal_nocase(headers->items[i].name, name);
    return count;
}

/** Whether a request asks for HTTP/2, as it has to on this port. */
static bool h2c_asks(const struct request *request, const char **why)
{
    const struct headers *headers = &request->headers;
    uint8_t settings[MOST_SETTINGS_TEXT];
    *why = "this port speaks HTTP/2: the request asks for no upgrade to h2c";
    if (request->version != HTTP_1_1 || !headers_has_token(headers, STR("upgrade"), STR("h2c")) ||
        !headers_has_token(headers, STR("connection"), STR("upgrade")))
        return false;
    *why = "an upgrade to h2c without one HTTP2-Settings header that Connection names";
    if (count_of(headers, STR("http2-settings")) != 1 ||
        !headers_has_token(headers, STR("connection"), STR("http2-settings")))
        return false;
    *why = "an HTTP2-Settings header that is no base64url of settings";
    return read_settings(headers_get(headers, STR("http2-settings")), settings) >= 0;
}

/** Whether a header is about the connection that was, and not of the request. */
static bool is_left_out(struct str name)
{
    static const char *const names[] = {"connection", "upgrade",          "http2-settings",
                                        "keep-alive", "proxy-connection", "transfer-encoding"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_equal_nocase(name, str_of(names[i])))
            return true;
    }
    return false;
}

/** A copy that outlives the exchange of HTTP/1, without what is about its connection. */
static void copy_headers(struct headers *into, const struct headers *from, struct arena *arena)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct header *header = &from->items[i];
        if (!is_left_out(header->name))
            headers_add(into, arena, arena_copy(arena, header->name),
                        arena_copy(arena, header->value));
    }
}

/** The request that asks was read whole: it becomes stream 1 of HTTP/2. */
static void h2c_upgrade(struct h1 *h1, struct h1_exchange *x)
{
    static char text[] = "HTTP/1.1 101 Switching Protocols\r\n"
                         "connection: Upgrade\r\nupgrade: h2c\r\n\r\n";
    const struct request *asked = &x->exchange.request;
    struct iovec answer = {text, sizeof text - 1};
    struct stream *stream = h1->stream;
    struct arena *arena = arena_new();
    struct request request = {
        .method = arena_copy(arena, asked->method),
        .target = arena_copy(arena, asked->target),
        .path = arena_copy(arena, asked->path),
        .query = asked->query.data ? arena_copy(arena, asked->query) : asked->query,
        .authority = arena_copy(arena, asked->authority),
        .version = HTTP_2,
    };
    struct buf body = x->body;
    uint8_t settings[MOST_SETTINGS_TEXT];
    bool draining = h1->draining;
    ssize_t size = read_settings(headers_get(&asked->headers, STR("http2-settings")), settings);
    GOTO_ASSERT(size >= 0);
    copy_headers(&request.headers, &asked->headers, arena);
    copy_headers(&request.trailers, &asked->trailers, arena);
    buf_init(&x->body, body.most);
    stream_write(stream, &answer, 1);
    /* the connection of HTTP/1 and its exchange go here */
    stream_set_protocol(stream, &h2_protocol);
    h2_upgraded(stream, (struct str){(const char *)settings, (size_t)size}, &request, arena, &body);
    if (draining)
        stream_close(stream, CLOSE_DRAIN);
}

static void *h2c_start(struct stream *stream)
{
    static const struct h1_upgrade upgrade = {h2c_asks, h2c_upgrade};
    struct h1 *h1 = h1_start(stream);
    h1->upgrade = &upgrade;
    return h1;
}

static size_t h2c_bytes(struct stream *stream, struct str bytes)
{
    const struct h1 *h1 = stream->state;
    bool fresh = !h1->current && !h1->stream->had_request && !h1->blank;
    if (fresh && str_starts(bytes, preface_start)) {
        stream_set_protocol(stream, &h2_protocol);
        return stream->protocol->bytes(stream, bytes);
    }
    /* too little to tell: it is offered again with what comes */
    if (fresh && str_starts(preface_start, bytes))
        return 0;
    return h1_bytes(stream, bytes);
}

const struct protocol h2c_protocol = {
    .name = "h2c",
    .start = h2c_start,
    .bytes = h2c_bytes,
    .writable = h1_writable,
    .ended = h1_ended,
    .closing = h1_closing,
    .drain = h1_drain,
    .is_idle = h1_is_idle,
    .gone = h1_gone,
};
