/* TLS on a connection, as client: the handshake, and what it failed with. */
#include "base/memory.h"
#include "server/server.h"
#include "server/tls/client.h"
#include "server/tls/tls_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/** The state of a stream until its handshake stands. */
struct connecting {
    struct tls_connect *connect; /**< NULL once it was told of the end */
};

static const struct tls_role client_role;

/** Why a handshake or a connection failed, in words, in the layer's arena. */
static struct str client_words(struct tls_layer *layer)
{
    const struct tls_client *client = layer->client;
    char name[24];
    if (client->ocsp == TLS_OCSP_REVOKED)
        return STR("the stapled OCSP answer says that the certificate is revoked");
    if (client->ocsp != TLS_OCSP_FINE && client->ocsp_words)
        return str_of(client->ocsp_words);
    if (client->verified != X509_V_OK)
        return str_of(X509_verify_cert_error_string(client->verified));
    if (client->alert_received >= 0)
        return arena_printf(layer->arena, "the server sent the alert " STR_FMT,
                            STR_ARG(tls_alert_name(client->alert_received, name)));
    return tls_layer_reason();
}

/** The handshake has come to nothing: tells who waits for it, once. */
static void connecting_fail(struct stream *stream, const char *name, struct str why)
{
    struct connecting *connecting = stream->state;
    struct tls_connect *connect = connecting ? connecting->connect : NULL;
    if (!connect)
        return;
    connecting->connect = NULL;
    connect->stream = NULL;
    stream_close(stream, CLOSE_FIN);
    connect->failed(connect->owner, name, why);
}

static void client_failed(struct tls_layer *layer)
{
    struct stream *stream = layer->stage.stream;
    layer->error = tls_client_error(layer->client, STR(""), 0);
    if (!layer->error)
        layer->error = layer->stands ? "protocol" : "tls-handshake";
    layer->why = arena_copy(layer->arena, client_words(layer));
    /* the alert that says so */
    tls_layer_pump(layer);
    if (layer->stands)
        stream_close(stream, CLOSE_FIN);
    else
        connecting_fail(stream, layer->error, layer->why);
}

/** What was agreed on. */
static void client_learn(struct tls_layer *layer)
{
    const struct tls_client *client = layer->client;
    const char *sni = SSL_get_servername(layer->ssl, TLSEXT_NAMETYPE_host_name);
    struct tls_info *info = &layer->info;
    info->version = client->version ? str_of(client->version) : (struct str){0};
    info->cipher = client->cipher ? str_of(client->cipher) : (struct str){0};
    info->alpn = client->alpn[0] ? str_of(client->alpn) : (struct str){0};
    info->sni = sni ? arena_copy(layer->arena, str_of(sni)) : (struct str){0};
    info->resumed = SSL_session_reused(layer->ssl) == 1;
}

static void client_stands(struct tls_layer *layer)
{
    struct stream *stream = layer->stage.stream;
    struct connecting *connecting = stream->state;
    struct tls_connect *connect = connecting->connect;
    layer->stands = true;
    if (stream->closing)
        return;
    connecting->connect = NULL;
    connect->stream = NULL;
    client_learn(layer);
    stream->tls = &layer->info;
    stream->owner = connect->owner;
    const struct protocol *protocol =
        connect->agreed ? connect->agreed(connect->owner, stream, layer->info.alpn)
                        : connect->protocol;
    stream_set_protocol(stream, protocol);
}

static void client_cut(struct tls_layer *layer)
{
    layer->error = "tls-handshake";
    connecting_fail(layer->stage.stream, layer->error,
                    STR("the server closed the connection within the handshake"));
}

static void client_gone(struct tls_layer *layer)
{
    tls_client_release(layer->client);
}

static const struct tls_role client_role = {
    .stands = client_stands,
    .failed = client_failed,
    .cut = client_cut,
    .gone = client_gone,
};

/** SNI is a name, never an address (RFC 6066 section 3). */
static void ask_for(SSL *ssl, const struct tls_client_plan *plan, struct arena *arena)
{
    struct str name = plan->options && plan->options->sni.data ? plan->options->sni : plan->host;
    if (str_ends(name, STR(".")))
        name = str_slice(name, 0, name.size - 1);
    struct str host = arena_copy(arena, name);
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(host.data);
    if (!address && host.size && host.size <= TLSEXT_MAXLEN_host_name)
        SSL_set_tlsext_host_name(ssl, host.data);
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
}

/** Pushes the layer; false with *why (in the arena) where the options cannot be used. */
static bool connecting_begin(struct stream *stream, const struct tls_connect *connect,
                             struct arena *arena, struct str *why)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    GOTO_ASSERT(context);
    struct tls_client *client = tls_client_context(context, &connect->plan, arena, why);
    if (client) {
        struct tls_layer *layer = tls_layer_new(context, &client_role);
        layer->client = client;
        ask_for(layer->ssl, &connect->plan, layer->arena);
        SSL_set_connect_state(layer->ssl);
        stream_push_stage(stream, &layer->stage);
    }
    SSL_CTX_free(context);
    return client;
}

/* The protocol. */

static void *connecting_start(struct stream *stream)
{
    struct connecting *connecting = memory_alloc(sizeof *connecting);
    struct arena *arena = arena_new();
    struct str why = {0};
    connecting->connect = stream->owner;
    connecting->connect->stream = stream;
    connecting->connect->begun = true;
    stream_enter(stream);
    /* what ends it here asks for it already */
    stream->state = connecting;
    if (!connecting_begin(stream, connecting->connect, arena, &why))
        connecting_fail(stream, NULL, why);
    else
        tls_layer_shake(tls_layer_of(stream, &client_role));
    arena_free(arena);
    stream_leave(stream);
    return connecting;
}

static size_t connecting_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    return bytes.size;
}

static void connecting_writable(struct stream *stream)
{
    (void)stream;
}

static void connecting_ended(struct stream *stream, bool reset)
{
    if (reset)
        connecting_fail(stream, "connection-reset",
                        STR("the server reset the connection within the handshake"));
}

/** Nobody waits for it any more. */
static void connecting_closing(struct stream *stream)
{
    struct connecting *connecting = stream->state;
    if (connecting->connect)
        connecting->connect->stream = NULL;
    connecting->connect = NULL;
}

static void connecting_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static bool connecting_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void connecting_gone(struct stream *stream)
{
    memory_free(stream->state);
}

const struct protocol tls_connect_protocol = {
    .name = "tls handshake",
    .start = connecting_start,
    .bytes = connecting_bytes,
    .writable = connecting_writable,
    .ended = connecting_ended,
    .closing = connecting_closing,
    .drain = connecting_drain,
    .is_idle = connecting_is_idle,
    .gone = connecting_gone,
};

void tls_connect(struct stream *stream, struct tls_connect *connect)
{
    stream->owner = connect;
    stream_set_protocol(stream, &tls_connect_protocol);
}

const struct tls_client *tls_stream_client(const struct stream *stream)
{
    const struct tls_layer *layer = tls_layer_of(stream, &client_role);
    return layer ? layer->client : NULL;
}

const char *tls_stream_error(const struct stream *stream, struct str *why)
{
    const struct tls_layer *layer = tls_layer_of(stream, &client_role);
    if (!layer || !layer->error)
        return NULL;
    *why = layer->why;
    return layer->error;
}
