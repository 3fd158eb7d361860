/* TLS on a connection, as server: OpenSSL between two memory BIOs, so that what stands below sees
 * every record. */
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "server/port/port.h"
#include "server/tls/certificate.h"
#include "server/tls/tls_private.h"

#include <openssl/err.h>

enum { LAYER_PIECE = 16 * 1024 };

static struct tls_layer *layer_of(struct stage *stage)
{
    return CONTAINER_OF(stage, struct tls_layer, stage);
}

/* The journal. */

static void put_text(struct arena *arena, struct json *object, const char *name, struct str text)
{
    if (text.data)
        json_put(arena, object, str_of(name), json_string(arena, text));
}

static void put_alert(struct tls_layer *layer, struct json *object)
{
    char name[24];
    bool theirs = layer->alert_received >= 0;
    int alert = theirs ? layer->alert_received : layer->alert_sent;
    if (alert < 0)
        return;
    put_text(layer->arena, object, "alert", arena_copy(layer->arena, tls_alert_name(alert, name)));
    put_text(layer->arena, object, "alert-from", theirs ? STR("client") : STR("server"));
}

/** What is known of the handshake so far: also of one that fails. */
static void layer_learn(struct tls_layer *layer)
{
    const unsigned char *alpn = NULL;
    unsigned size = 0;
    struct tls_info *info = &layer->info;
    const char *sni = SSL_get_servername(layer->ssl, TLSEXT_NAMETYPE_host_name);
    const SSL_CIPHER *cipher = SSL_get_current_cipher(layer->ssl);
    /* before TLS 1.3 it is the current one only once both sides are through */
    if (!cipher)
        cipher = SSL_get_pending_cipher(layer->ssl);
    X509 *client = SSL_get0_peer_certificate(layer->ssl);
    if (cipher) {
        info->version = arena_copy(layer->arena, str_of(SSL_get_version(layer->ssl)));
        info->cipher = arena_copy(layer->arena, str_of(SSL_CIPHER_get_name(cipher)));
    }
    if (sni)
        info->sni = arena_copy(layer->arena, str_of(sni));
    SSL_get0_alpn_selected(layer->ssl, &alpn, &size);
    if (size)
        info->alpn = arena_copy(layer->arena, (struct str){(const char *)alpn, size});
    if (client)
        info->client_cert = name_write(X509_get_subject_name(client), layer->arena);
    info->resumed = SSL_session_reused(layer->ssl) == 1;
}

void tls_layer_asked(SSL *ssl, struct str name)
{
    struct tls_layer *layer = SSL_get_app_data(ssl);
    bool plain = name.size > 0 && name.size <= TLSEXT_MAXLEN_host_name;
    for (size_t i = 0; i < name.size && plain; i++)
        plain = name.data[i] > ' ' && name.data[i] < 0x7f;
    if (layer && plain)
        layer->info.sni = arena_copy(layer->arena, name);
}

/** The handshake ended: its one entry. `error` data NULL = it is whole. */
static void layer_journal(struct tls_layer *layer, struct str error)
{
    struct stream *stream = layer->stage.stream;
    struct json *object = json_object(layer->arena);
    struct buf text;
    if (layer->journalled)
        return;
    layer->journalled = true;
    layer_learn(layer);
    put_text(layer->arena, object, "version", layer->info.version);
    put_text(layer->arena, object, "cipher", layer->info.cipher);
    put_text(layer->arena, object, "sni", layer->info.sni);
    put_text(layer->arena, object, "alpn", layer->info.alpn);
    put_text(layer->arena, object, "certificate", layer->setup->certificate);
    put_text(layer->arena, object, "client-cert", layer->info.client_cert);
    json_put(layer->arena, object, STR("resumed"), json_bool(layer->arena, layer->info.resumed));
    if (error.data)
        put_alert(layer, object);
    put_text(layer->arena, object, "error", error);
    buf_init(&text, BUF_OWN);
    json_write(object, &text);
    struct entry entry = journal_entry(ENTRY_HANDSHAKE, stream->name_id);
    entry.connection = stream->number;
    entry.flags = error.data ? ENTRY_FAILED : ENTRY_PASSED;
    entry.value = clock_now() - layer->began_ns;
    journal_append(stream->server->journal, &entry, buf_str(&text));
    buf_clear(&text);
}

/** OpenSSL's reason for what just failed. */
static struct str layer_reason(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    return reason ? str_of(reason) : STR("the connection broke");
}

static void layer_info(const SSL *ssl, int where, int value)
{
    struct tls_layer *layer = SSL_get_app_data(ssl);
    bool fatal = value >> 8 == SSL3_AL_FATAL;
    int alert = value & 0xff;
    /* of what ends nothing, the journal tells nothing: close_notify, user_canceled (unless we send
     * it for the spec's sake), and a warning of TLS 1.2; in TLS 1.3 all others are errors, whatever
     * level they name (RFC 8446 section 6) */
    bool ends = fatal || SSL_version(ssl) >= TLS1_3_VERSION;
    bool cancels = alert == SSL_AD_USER_CANCELLED && where & SSL_CB_READ;
    if (!(where & SSL_CB_ALERT) || !ends || alert == SSL_AD_CLOSE_NOTIFY || cancels)
        return;
    if (where & SSL_CB_READ)
        layer->alert_received = alert;
    else
        layer->alert_sent = alert;
}

/* Bytes. */

/** Hands on the records that OpenSSL has written. */
static void layer_pump(struct tls_layer *layer)
{
    char *data;
    long size = BIO_get_mem_data(layer->to_peer, &data);
    if (size <= 0)
        return;
    struct iovec part = {data, (size_t)size};
    stage_out(&layer->stage, &part, 1);
    (void)BIO_reset(layer->to_peer);
}

/** The connection cannot go on: the alert that says so, then FIN. */
static void layer_fail(struct tls_layer *layer)
{
    struct stream *stream = layer->stage.stream;
    char name[24];
    struct str reason = layer_reason();
    layer->failed = true;
    if (!layer->stands && tls_wire_is_mute(layer->setup->wire)) {
        /* nobody hears of it: what stands below has its own answer to the ClientHello, or none */
        layer->alert_sent = -1;
        ERR_clear_error();
        return;
    }
    layer_pump(layer);
    if (!layer->stands) {
        layer_journal(layer, reason);
    } else if (layer->alert_received >= 0) {
        journal_note(stream->server->journal, ENTRY_NOTE, stream->name_id,
                     "connection %llu: the client sent the alert " STR_FMT " after the handshake",
                     (unsigned long long)stream->number,
                     STR_ARG(tls_alert_name(layer->alert_received, name)));
    } else {
        journal_note(stream->server->journal, ENTRY_NOTE, stream->name_id,
                     "connection %llu: TLS broke: " STR_FMT, (unsigned long long)stream->number,
                     STR_ARG(reason));
    }
    ERR_clear_error();
    stream_close(stream, CLOSE_FIN);
}

static void layer_stands(struct tls_layer *layer)
{
    struct stream *stream = layer->stage.stream;
    layer_journal(layer, (struct str){NULL, 0});
    layer->stands = true;
    /* an observer of the entry may have ended it */
    if (stream->closing)
        return;
    stream->tls = &layer->info;
    stream_set_protocol(stream, stream->port->agreed(stream->port, stream, layer->info.alpn));
}

/** Goes on with the handshake; whether it stands now. */
static bool layer_shake(struct tls_layer *layer)
{
    ERR_clear_error();
    int result = SSL_do_handshake(layer->ssl);
    int error = SSL_get_error(layer->ssl, result);
    if (result == 1 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        layer_pump(layer);
    else
        layer_fail(layer);
    if (result == 1)
        layer_stands(layer);
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
        layer_pump(layer);
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
    if (layer->stands || layer_shake(layer))
        layer_read(layer);
}

static void layer_in_end(struct stage *stage)
{
    struct tls_layer *layer = layer_of(stage);
    if (!layer->stands)
        layer_journal(layer, STR("the client closed the connection within the handshake"));
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
    layer_pump(layer);
}

static void layer_out_end(struct stage *stage)
{
    struct tls_layer *layer = layer_of(stage);
    if (!layer->stands || layer->failed || layer->setup->wire == WIRE_NO_CLOSE_NOTIFY)
        return;
    ERR_clear_error();
    SSL_shutdown(layer->ssl);
    ERR_clear_error();
    layer_pump(layer);
}

static void layer_gone(struct stage *stage)
{
    struct tls_layer *layer = layer_of(stage);
    SSL_free(layer->ssl);
    tls_setup_release(layer->setup);
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

/* The protocol of a connection whose handshake is under way. */

struct accepting {
    struct tls_layer *layer;
    struct timer timer;
};

static void accepting_due(struct timer *timer)
{
    struct accepting *accepting = CONTAINER_OF(timer, struct accepting, timer);
    struct stream *stream = accepting->layer->stage.stream;
    stream_enter(stream);
    layer_journal(accepting->layer, STR("the handshake was not whole in time"));
    stream_close(stream, CLOSE_FIN);
    stream_leave(stream);
}

/** A handshake that is to stall or drip does so until the peer or the port ends it. */
static bool wire_is_slow(enum tls_wire wire)
{
    return wire == WIRE_STALL || wire == WIRE_STALL_AFTER_HELLO ||
           wire == WIRE_STALL_BEFORE_FINISHED || wire == WIRE_DRIP;
}

/** When the handshake has to be whole, at the latest; INT64_MAX = there is no limit. */
static int64_t accepting_end(const struct stream *stream, enum tls_wire wire)
{
    const struct port *port = stream->port;
    int64_t now = clock_now();
    int64_t end = INT64_MAX;
    if (port->handshake_ns && port->handshake_ns < end - now && !wire_is_slow(wire))
        end = now + port->handshake_ns;
    if (port->life_ns && port->life_ns < end - stream->accepted_ns)
        end = stream->accepted_ns + port->life_ns;
    return end;
}

static void *accepting_start(struct stream *stream)
{
    struct accepting *accepting = memory_alloc(sizeof *accepting);
    accepting->layer = layer_of(stream->top);
    timer_init(&accepting->timer, stream->server->loop, accepting_due);
    int64_t end = accepting_end(stream, accepting->layer->setup->wire);
    if (end != INT64_MAX)
        timer_start_at(&accepting->timer, end);
    return accepting;
}

static size_t accepting_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    return bytes.size;
}

static void accepting_writable(struct stream *stream)
{
    (void)stream;
}

static void accepting_ended(struct stream *stream, bool reset)
{
    struct accepting *accepting = stream->state;
    layer_journal(accepting->layer,
                  reset ? STR("the client reset the connection within the handshake")
                        : STR("the client closed the connection within the handshake"));
    if (!reset)
        stream_close(stream, CLOSE_FIN);
}

static void accepting_closing(struct stream *stream)
{
    struct accepting *accepting = stream->state;
    timer_stop(&accepting->timer);
    if (!accepting->layer->stands)
        layer_journal(accepting->layer,
                      STR("the server ended the connection within the handshake"));
}

static void accepting_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

/** No request is under way. */
static bool accepting_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void accepting_gone(struct stream *stream)
{
    struct accepting *accepting = stream->state;
    timer_stop(&accepting->timer);
    memory_free(accepting);
}

static const struct protocol accepting_protocol = {
    .name = "tls handshake",
    .start = accepting_start,
    .bytes = accepting_bytes,
    .writable = accepting_writable,
    .ended = accepting_ended,
    .closing = accepting_closing,
    .drain = accepting_drain,
    .is_idle = accepting_is_idle,
    .gone = accepting_gone,
};

void tls_accept(struct stream *stream, struct tls_setup *setup)
{
    struct tls_layer *layer = memory_alloc(sizeof *layer);
    struct stage *wire = tls_wire_new(stream, setup);
    layer->stage.type = &layer_type;
    layer->setup = tls_setup_hold(setup);
    layer->arena = arena_new();
    layer->began_ns = clock_now();
    layer->alert_received = -1;
    layer->alert_sent = -1;
    layer->ssl = SSL_new(setup->context);
    layer->from_peer = BIO_new(BIO_s_mem());
    layer->to_peer = BIO_new(BIO_s_mem());
    GOTO_ASSERT(layer->ssl && layer->from_peer && layer->to_peer);
    /* no bytes there: not the end, but more to come */
    BIO_set_mem_eof_return(layer->from_peer, -1);
    BIO_set_mem_eof_return(layer->to_peer, -1);
    SSL_set_bio(layer->ssl, layer->from_peer, layer->to_peer);
    SSL_set_app_data(layer->ssl, layer);
    SSL_set_info_callback(layer->ssl, layer_info);
    SSL_set_accept_state(layer->ssl);
    if (wire)
        stream_push_stage(stream, wire);
    stream_push_stage(stream, &layer->stage);
    stream->protocol = &accepting_protocol;
    stream->state = accepting_start(stream);
}

const struct tls_setup *tls_stream_setup(const struct stream *stream)
{
    for (const struct stage *stage = stream->top; stage; stage = stage->down)
        if (stage->type == &layer_type)
            return CONTAINER_OF(stage, struct tls_layer, stage)->setup;
    return NULL;
}
