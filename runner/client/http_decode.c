#include "runner/client/http_decode.h"

#include <string.h>
#include <zlib.h>

enum { PIECE = 64 * 1024, WINDOW = 15, GZIP = 16, MOST_CODINGS = 8 };

/** Inflates until the stream or the input ends. */
static enum http_decoded inflate_stream(z_stream *stream, struct buf *into)
{
    for (;;) {
        size_t room = into->most - into->size < PIECE ? into->most - into->size : PIECE;
        /* One byte more than fits shows whether there is more. */
        char extra;
        char *out = room ? buf_reserve(into, room) : &extra;
        stream->next_out = (Bytef *)out;
        stream->avail_out = room ? (uInt)room : 1;
        int result = inflate(stream, Z_NO_FLUSH);
        size_t made = (room ? room : 1) - stream->avail_out;
        if (room)
            into->size += made;
        else if (made)
            return HTTP_DECODE_LARGE;
        if (result == Z_STREAM_END)
            return HTTP_DECODED;
        if (result == Z_BUF_ERROR || (result == Z_OK && stream->avail_in == 0 && stream->avail_out))
            return HTTP_DECODE_CUT;
        if (result != Z_OK)
            return HTTP_DECODE_BAD;
    }
}

/** A gzip body may consist of several members (RFC 1952, section 2.2). */
static enum http_decoded inflate_all(struct str bytes, int window, struct buf *into)
{
    z_stream stream = {0};
    enum http_decoded result;
    if (bytes.size > UINT32_MAX)
        return HTTP_DECODE_LARGE;
    GOTO_ASSERT(inflateInit2(&stream, window) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes.data;
    stream.avail_in = (uInt)bytes.size;
    do {
        result = inflate_stream(&stream, into);
    } while (result == HTTP_DECODED && stream.avail_in && window == WINDOW + GZIP &&
             inflateReset(&stream) == Z_OK);
    if (result == HTTP_DECODED && stream.avail_in)
        result = HTTP_DECODE_BAD;
    inflateEnd(&stream);
    return result;
}

/** "deflate" is the zlib format; that many send it bare is taken too (RFC 9110, section 8.4.1.2).
 */
static enum http_decoded decode_deflate(struct str bytes, struct buf *into)
{
    enum http_decoded result = inflate_all(bytes, WINDOW, into);
    if (result != HTTP_DECODE_BAD || into->size)
        return result;
    buf_reset(into);
    return inflate_all(bytes, -WINDOW, into);
}

static enum http_decoded decode_one(struct str coding, struct buf *body)
{
    struct buf decoded;
    enum http_decoded result = HTTP_DECODE_UNKNOWN;
    if (coding.size == 0 || str_equal_nocase(coding, STR("identity")))
        return HTTP_DECODED;
    buf_init(&decoded, body->most);
    if (str_equal_nocase(coding, STR("gzip")) || str_equal_nocase(coding, STR("x-gzip")))
        result = inflate_all(buf_str(body), WINDOW + GZIP, &decoded);
    else if (str_equal_nocase(coding, STR("deflate")))
        result = decode_deflate(buf_str(body), &decoded);
    if (result == HTTP_DECODE_UNKNOWN) {
        buf_clear(&decoded);
        return result;
    }
    buf_clear(body);
    *body = decoded;
    return result;
}

enum http_decoded http_decode(struct str codings, struct buf *body)
{
    enum http_decoded result = HTTP_DECODED;
    size_t count = 0;
    /* An empty body is the answer to HEAD, or of 204: nothing was coded. */
    while (codings.size && body->size && result == HTTP_DECODED) {
        size_t comma = codings.size;
        while (comma && codings.data[comma - 1] != ',')
            comma--;
        result = ++count > MOST_CODINGS ? HTTP_DECODE_UNKNOWN
                                        : decode_one(str_trim(str_from(codings, comma)), body);
        codings = str_slice(codings, 0, comma ? comma - 1 : 0);
    }
    return result;
}
