/**
 * What the tests of TLS share: a `tls:` read from YAML, setups made of it, and an OpenSSL client
 * that trusts the run's authority only, in memory or on a socket.
 */
#ifndef GOTO_CTEST_TLS_RIG_H
#define GOTO_CTEST_TLS_RIG_H

#include "ctest/unit/unit.h"
#include "schema/tree.h"
#include "server/tls/authority.h"
#include "server/tls/config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

/* A `tls:` from YAML. */

struct tls_text {
    struct arena *arena;
    struct diagnostics diagnostics;
    struct source source;
    struct tls_config *config;
    enum read_result result;
    struct buf said;
};

/** Reads YAML; the file that it pretends to be stands in `folder`. */
static inline void tls_text_read_in(struct tls_text *text, const char *folder, const char *yaml)
{
    struct documents documents;
    *text = (struct tls_text){.arena = arena_new(), .result = READ_FAILED};
    diagnostics_init(&text->diagnostics);
    buf_init(&text->said, BUF_OWN);
    text->source = (struct source){arena_printf(text->arena, "%st", folder), str_of(yaml)};
    struct reader reader = {.arena = text->arena, .diagnostics = &text->diagnostics};
    if (tree_read_yaml(text->arena, &text->source, &documents, &text->diagnostics) == 0)
        text->result = reader_read(&reader, &tls_type, documents.items[0], &text->config);
    diagnostics_print(&text->diagnostics, &text->said);
}

static inline void tls_text_read(struct tls_text *text, const char *yaml)
{
    tls_text_read_in(text, "", yaml);
}

static inline void tls_text_clear(struct tls_text *text)
{
    buf_clear(&text->said);
    diagnostics_clear(&text->diagnostics);
    arena_free(text->arena);
}

/* A setup of it. */

static const struct str tls_rig_alpn[] = {STR_INIT("h2"), STR_INIT("http/1.1")};

static inline struct tls_setup *tls_rig_setup_of(struct server *server,
                                                 const struct tls_config *config)
{
    struct str why = {0};
    const struct tls_defaults defaults = {.name = STR("api"),
                                          .host = STR("127.0.0.1"),
                                          .alpn = tls_rig_alpn,
                                          .alpn_count = COUNT_OF(tls_rig_alpn)};
    struct arena *arena = arena_new();
    struct tls_setup *setup = tls_setup_new(server, config, &defaults, arena, &why);
    ck_assert_msg(setup != NULL, STR_FMT, STR_ARG(why));
    arena_free(arena);
    return setup;
}

/** A setup of YAML that has to be right. */
static inline struct tls_setup *tls_rig_setup(struct server *server, struct tls_text *text,
                                              const char *yaml)
{
    tls_text_read(text, yaml);
    ck_assert_msg(text->result == READ_OK, "%s", text->said.data);
    return tls_rig_setup_of(server, text->config);
}

/* A client. */

struct tls_peer {
    SSL_CTX *context;
    SSL *ssl;
    X509 *leaf; /**< what came, also if it was refused */
    STACK_OF(X509) * chain;
    int alert_received; /**< -1 = none */
    int alert_sent;
    char reason[120]; /**< why the handshake failed */
    bool stands;
};

static inline void tls_peer_info(const SSL *ssl, int where, int value)
{
    struct tls_peer *peer = SSL_get_app_data(ssl);
    if (where & SSL_CB_ALERT && value >> 8 == SSL3_AL_FATAL)
        *(where & SSL_CB_READ ? &peer->alert_received : &peer->alert_sent) = value & 0xff;
}

/** Keeps what came, then judges it as usual. */
static inline int tls_peer_verify(X509_STORE_CTX *store, void *context)
{
    struct tls_peer *peer = context;
    peer->leaf = X509_STORE_CTX_get0_cert(store);
    X509_up_ref(peer->leaf);
    peer->chain = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(store));
    return X509_verify_cert(store);
}

static inline void tls_peer_trust(struct tls_peer *peer, struct server *server)
{
    X509_STORE *store = SSL_CTX_get_cert_store(peer->context);
    ck_assert_int_eq(X509_STORE_add_cert(store, authority_ca(server)->x509), 1);
    SSL_CTX_set_verify(peer->context, SSL_VERIFY_PEER, NULL);
}

/** A client of OpenSSL's defaults that asks for a name (SNI) or an address. */
static inline void tls_peer_init(struct tls_peer *peer, struct server *server, const char *host)
{
    *peer = (struct tls_peer){
        .context = SSL_CTX_new(TLS_client_method()), .alert_received = -1, .alert_sent = -1};
    tls_peer_trust(peer, server);
    SSL_CTX_set_cert_verify_callback(peer->context, tls_peer_verify, peer);
    peer->ssl = SSL_new(peer->context);
    SSL_set_app_data(peer->ssl, peer);
    SSL_set_info_callback(peer->ssl, tls_peer_info);
    SSL_set_connect_state(peer->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(peer->ssl), host) == 1)
        return;
    ck_assert_int_eq(SSL_set1_host(peer->ssl, host), 1);
    ck_assert_int_eq(SSL_set_tlsext_host_name(peer->ssl, host), 1);
}

static inline void tls_peer_clear(struct tls_peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    X509_free(peer->leaf);
    sk_X509_pop_free(peer->chain, X509_free);
}

static inline void tls_peer_offer(struct tls_peer *peer, const char *wire)
{
    const unsigned char *bytes = (const unsigned char *)wire;
    ck_assert_int_eq(SSL_set_alpn_protos(peer->ssl, bytes, (unsigned)strlen(wire)), 0);
}

static inline void tls_peer_present(struct tls_peer *peer, struct server *server,
                                    enum tls_file cert, enum tls_file key)
{
    struct str pems[] = {tls_authority_pem(server, cert), tls_authority_pem(server, key)};
    BIO *cert_bio = BIO_new_mem_buf(pems[0].data, (int)pems[0].size);
    BIO *key_bio = BIO_new_mem_buf(pems[1].data, (int)pems[1].size);
    X509 *x509 = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    ck_assert_int_eq(SSL_use_certificate(peer->ssl, x509), 1);
    ck_assert_int_eq(SSL_use_PrivateKey(peer->ssl, pkey), 1);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(cert_bio);
    BIO_free(key_bio);
}

/** Notes how a call on the client's SSL ended; true = it waits for more. */
static inline bool tls_peer_waits(struct tls_peer *peer, int result)
{
    int error = SSL_get_error(peer->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(peer->reason, sizeof peer->reason, "%s", reason ? reason : "");
    ERR_clear_error();
    return false;
}

/* A handshake in memory, with what the server side came to. */

struct tls_pair {
    struct tls_peer client;
    SSL *server;
    char server_reason[120];
    bool server_stands;
    char heard[16]; /**< what the server said behind the handshake */
};

static inline void tls_pair_init(struct tls_pair *pair, struct tls_setup *setup, const char *host)
{
    BIO *client_side;
    BIO *server_side;
    *pair = (struct tls_pair){0};
    tls_peer_init(&pair->client, setup->server, host);
    pair->server = SSL_new(setup->context);
    SSL_set_accept_state(pair->server);
    ck_assert_int_eq(BIO_new_bio_pair(&client_side, 1 << 18, &server_side, 1 << 18), 1);
    SSL_set_bio(pair->client.ssl, client_side, client_side);
    SSL_set_bio(pair->server, server_side, server_side);
}

/** One step of the server's side; false once it can do no more. */
static inline bool tls_pair_serve(struct tls_pair *pair)
{
    char room[64];
    bool stood = pair->server_stands;
    int result = stood ? SSL_read(pair->server, room, sizeof room) : SSL_do_handshake(pair->server);
    if (!stood && result == 1) {
        pair->server_stands = true;
        return SSL_write(pair->server, "hello", 5) == 5;
    }
    int error = SSL_get_error(pair->server, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    snprintf(pair->server_reason, sizeof pair->server_reason, "%s", reason ? reason : "");
    ERR_clear_error();
    return false;
}

/** Leads a handshake to its end on both sides, and a few bytes of data behind it. */
static inline void tls_pair_run(struct tls_pair *pair)
{
    struct tls_peer *client = &pair->client;
    bool client_on = true;
    bool server_on = true;
    for (int turn = 0; turn < 60 && (client_on || server_on); turn++) {
        if (client_on) {
            int result = client->stands ? SSL_read(client->ssl, pair->heard, 5)
                                        : SSL_do_handshake(client->ssl);
            if (!client->stands && result == 1)
                client->stands = true;
            else
                client_on = result <= 0 && tls_peer_waits(client, result);
        }
        if (server_on)
            server_on = tls_pair_serve(pair);
        if (!client_on && pair->heard[0])
            break;
    }
}

static inline void tls_pair_clear(struct tls_pair *pair)
{
    SSL_free(pair->server);
    tls_peer_clear(&pair->client);
}

/* Certificates. */

/** The alternative names of a certificate as "DNS:a IP:127.0.0.1 …", in the arena. */
static inline struct str tls_sans(X509 *x509, struct arena *arena)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    struct str text = STR("");
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        const unsigned char *data = ASN1_STRING_get0_data(value);
        int size = ASN1_STRING_length(value);
        if (type == GEN_DNS)
            text = arena_printf(arena, STR_FMT "%sDNS:%.*s", STR_ARG(text), i ? " " : "", size,
                                (const char *)data);
        else if (size == 4)
            text = arena_printf(arena, STR_FMT "%sIP:%d.%d.%d.%d", STR_ARG(text), i ? " " : "",
                                data[0], data[1], data[2], data[3]);
        else
            text = arena_printf(arena, STR_FMT "%sIP6:%d", STR_ARG(text), i ? " " : "", data[15]);
    }
    GENERAL_NAMES_free(names);
    return text;
}

#endif
