/* TLS on a connection: OpenSSL between two memory BIOs, so that what stands below sees every
 * record. Which side we are is the role's. */
#include "base/clock.h"
#include "base/memory.h"
#include "server/server.h"
#include "server/tls/tls_private.h"

#include <openssl/err.h>

enum { LAYER_PIECE = 16 * 1024 };

static struct tls_layer *layer_of(struct stage *stage)
{
    return CONTAINER_OF(stage, struct tls_layer, stage);
}

struct str tls_layer_reason(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    return reason ? str_of(reason) : STR("the connection broke");
}

void tls_layer_pump(struct tls_layer *layer)
{
    char *data;
    long size = BIO_get_mem_data(layer->to_peer, &data);
    if (size <= 0)
        return;
    struct iovec part = {data, (size_t)size};
    stage_out(&layer->stage, &part, 1);
    (void)BIO_reset(layer->to_peer);
}

/** The connection cannot go on. */
static void layer_fail(struct tls_layer *layer)
{
    layer->failed = true;
    layer->role->failed(layer);
    ERR_clear_error();
}

bool tls_layer_shake(struct tls_layer *layer)
{
    ERR_clear_error();
    int result = SSL_do_handshake(layer->ssl);
    int error = SSL_get_error(layer->ssl, result);
    if (result == 1 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        tls_layer_pump(layer);
    else
        layer_fail(layer);
    if (result == 1)
        layer->role->stands(layer);
    return result == 1;
}

static void layer_read(struct tls_layer *layer)
{
    char piece[LAYER_PIECE];
    struct stream *stream = layer->stage.stream;
    while (!stream->closing && !layer->failed && !layer->peer_closed) {
        ERR_clear_error();
        int got = SSL_read(layer->ssl, piece, sizeof piece);
        if (got > 0) {
            stage_in(&layer->stage, (struct str){piece, (size_t)got});
            continue;
        }
        int error = SSL_get_error(layer->ssl, got);
        if (error == SSL_ERROR_ZERO_RETURN) {
            layer->peer_closed = true;
            stage_in_end(&layer->stage);
        } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            layer_fail(layer);
        }
        /* what reading has to answer, such as a key update */
        tls_layer_pump(layer);
        break;
    }
}

static void layer_in(struct stage *stage, struct str bytes)
{
    struct tls_layer *layer = layer_of(stage);
    if (layer->failed || layer->peer_closed || stage->stream->closing)
        return;
    /* memory grows as needed; what came is at most one read */
    int written = BIO_write(layer->from_peer, bytes.data, (int)bytes.size);
    GOTO_ASSERT(written == (int)bytes.size);
    if (layer->stands || tls_layer_shake(layer))
        layer_read(layer);
}

static void layer_in_end(struct stage *stage)
{
    struct tls_layer *layer = layer_of(stage);
    if (!layer->stands)
        layer->role->cut(layer);
    stage_in_end(stage);
}

/** Encrypts one piece, into one record or the smaller ones that the client asked for (RFC 6066
 * section 4). */
static void layer_write(struct tls_layer *layer, struct str piece)
{
    if (piece.size == 0 || layer->failed)
        return;
    ERR_clear_error();
    /* memory takes it all: it is written whole, or the connection is broken */
    if (SSL_write(layer->ssl, piece.data, (int)piece.size) != (int)piece.size)
        layer_fail(layer);
}

static void layer_out(struct stage *stage, const struct iovec *parts, int count)
{
    struct tls_layer *layer = layer_of(stage);
    char piece[LAYER_PIECE];
    size_t size = 0;
    if (!layer->stands)
        return;
    for (int i = 0; i < count; i++) {
        struct str rest = {parts[i].iov_base, parts[i].iov_len};
        while (rest.size) {
            size_t step = rest.size < sizeof piece - size ? rest.size : sizeof piece - size;
            memcpy(piece + size, rest.data, step);
            size += step;
            rest = str_from(rest, step);
            if (size == sizeof piece) {
                layer_write(layer, (struct str){piece, size});
                size = 0;
            }
        }
    }
    layer_write(layer, (struct str){piece, size});
    tls_layer_pump(layer);
}

static void layer_out_end(struct stage *stage)
{
    struct tls_layer *layer = layer_of(stage);
    if (!layer->stands || layer->failed || layer->abrupt)
        return;
    ERR_clear_error();
    SSL_shutdown(layer->ssl);
    ERR_clear_error();
    tls_layer_pump(layer);
}

static void layer_gone(struct stage *stage)
{
    struct tls_layer *layer = layer_of(stage);
    SSL_free(layer->ssl);
    layer->role->gone(layer);
    arena_free(layer->arena);
    memory_free(layer);
}

static const struct stage_type layer_type = {
    .name = "tls",
    .in = layer_in,
    .in_end = layer_in_end,
    .out = layer_out,
    .out_end = layer_out_end,
    .gone = layer_gone,
};

struct tls_layer *tls_layer_new(SSL_CTX *context, const struct tls_role *role)
{
    struct tls_layer *layer = memory_alloc(sizeof *layer);
    layer->stage.type = &layer_type;
    layer->role = role;
    layer->arena = arena_new();
    layer->began_ns = clock_now();
    layer->alert_received = -1;
    layer->alert_sent = -1;
    layer->ssl = SSL_new(context);
    layer->from_peer = BIO_new(BIO_s_mem());
    layer->to_peer = BIO_new(BIO_s_mem());
    GOTO_ASSERT(layer->ssl && layer->from_peer && layer->to_peer);
    /* no bytes there: not the end, but more to come */
    BIO_set_mem_eof_return(layer->from_peer, -1);
    BIO_set_mem_eof_return(layer->to_peer, -1);
    SSL_set_bio(layer->ssl, layer->from_peer, layer->to_peer);
    SSL_set_app_data(layer->ssl, layer);
    return layer;
}

struct tls_layer *tls_layer_of(const struct stream *stream, const struct tls_role *role)
{
    for (struct stage *stage = stream->top; stage; stage = stage->down)
        if (stage->type == &layer_type && layer_of(stage)->role == role)
            return layer_of(stage);
    return NULL;
}
