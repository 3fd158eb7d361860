/* TLS on a connection, as server: its handshakes are journalled. */
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "server/port/port.h"
#include "server/tls/certificate.h"
#include "server/tls/tls_private.h"

#include <openssl/err.h>

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

/* The role. */

/** The connection cannot go on: the alert that says so, then FIN. */
static void server_failed(struct tls_layer *layer)
{
    struct stream *stream = layer->stage.stream;
    char name[24];
    struct str reason = tls_layer_reason();
    if (!layer->stands && tls_wire_is_mute(layer->setup->wire)) {
        /* nobody hears of it: what stands below has its own answer to the ClientHello, or none */
        layer->alert_sent = -1;
        return;
    }
    tls_layer_pump(layer);
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

static void server_stands(struct tls_layer *layer)
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

static void server_cut(struct tls_layer *layer)
{
    layer_journal(layer, STR("the client closed the connection within the handshake"));
}

static void server_gone(struct tls_layer *layer)
{
    tls_setup_release(layer->setup);
}

static const struct tls_role server_role = {
    .stands = server_stands,
    .failed = server_failed,
    .cut = server_cut,
    .gone = server_gone,
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
    accepting->layer = tls_layer_of(stream, &server_role);
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
    struct tls_layer *layer = tls_layer_new(setup->context, &server_role);
    struct stage *wire = tls_wire_new(stream, setup);
    layer->setup = tls_setup_hold(setup);
    layer->abrupt = setup->wire == WIRE_NO_CLOSE_NOTIFY;
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
    const struct tls_layer *layer = tls_layer_of(stream, &server_role);
    return layer ? layer->setup : NULL;
}
