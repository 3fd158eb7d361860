/*
 * Walks the whole catalogue against a running port, with an OpenSSL client that trusts the run's
 * authority only and sees every byte, and proves that what is on the wire is what the name says.
 */
#include "rig.h"
#include "tls_rig.h"

#include <openssl/ocsp.h>

enum { ANSWER_SIZE = 600, MESSAGES = 32, HANDSHAKE = 22, ALERT = 21 };

/* What is spoken behind the handshake: "x" is answered by 600 bytes, then FIN. */

static void *probe_start(struct stream *stream)
{
    (void)stream;
    return NULL;
}

static size_t probe_bytes(struct stream *stream, struct str bytes)
{
    static char answer[ANSWER_SIZE] = {'y'};
    const struct iovec part = {answer, sizeof answer};
    stream_write(stream, &part, 1);
    stream_close(stream, CLOSE_FIN);
    return bytes.size;
}

static void probe_ended(struct stream *stream, bool reset)
{
    if (!reset)
        stream_close(stream, CLOSE_FIN);
}

static void probe_nothing(struct stream *stream)
{
    (void)stream;
}

static bool probe_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static const struct protocol probe = {.name = "probe",
                                      .start = probe_start,
                                      .bytes = probe_bytes,
                                      .writable = probe_nothing,
                                      .ended = probe_ended,
                                      .closing = probe_nothing,
                                      .drain = probe_nothing,
                                      .is_idle = probe_idle,
                                      .gone = probe_nothing};

static struct tls_setup *port_setup(struct port *port, struct stream *stream)
{
    (void)stream;
    return port->owner;
}

static const struct protocol *port_agreed(struct port *port, struct stream *stream, struct str alpn)
{
    (void)port;
    (void)stream;
    (void)alpn;
    return &probe;
}

/* One connection. */

struct trial {
    struct rig rig;
    struct port *port;
    struct tls_text text;
    struct tls_setup *setup;
    struct arena *arena;
    struct tls_peer peer;
    BIO *in;
    BIO *out;
    int fd;
    struct heard raw; /**< every byte that came */
    size_t fed;       /**< of them given to OpenSSL */
    size_t handshake; /**< bytes that had come when the handshake stood */
    size_t answered;  /**< bytes of the answer */
    int64_t began_ns;
    int64_t stood_ns;
    unsigned char messages[MESSAGES]; /**< types of handshake messages that came, in order */
    size_t message_count;
    size_t hello_size; /**< of the ClientHello's record */
    bool over;         /**< OpenSSL does no more */
    bool closed;       /**< close_notify came */
};

static void trial_message(int write, int version, int type, const void *data, size_t size, SSL *ssl,
                          void *context)
{
    struct trial *trial = context;
    (void)version;
    (void)ssl;
    if (!write && type == HANDSHAKE && size && trial->message_count < MESSAGES)
        trial->messages[trial->message_count++] = *(const unsigned char *)data;
}

static bool trial_got(const struct trial *trial, unsigned char message)
{
    for (size_t i = 0; i < trial->message_count; i++)
        if (trial->messages[i] == message)
            return true;
    return false;
}

static void trial_open(struct trial *trial, const char *yaml, const char *host)
{
    int error = 0;
    *trial = (struct trial){.arena = arena_new()};
    rig_init(&trial->rig);
    trial->setup = tls_rig_setup(&trial->rig.server, &trial->text, yaml);
    trial->port = port_new(&trial->rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(trial->port);
    trial->port->owner = trial->setup;
    trial->port->protocol = &probe;
    trial->port->tls = port_setup;
    trial->port->agreed = port_agreed;
    trial->port->handshake_ns = RIG_PATIENCE_NS;
    ck_assert_int_eq(port_open(trial->port), 0);
    tls_peer_init(&trial->peer, &trial->rig.server, host);
    trial->in = BIO_new(BIO_s_mem());
    trial->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(trial->in, -1);
    SSL_set_bio(trial->peer.ssl, trial->in, trial->out);
    SSL_set_msg_callback(trial->peer.ssl, trial_message);
    SSL_set_msg_callback_arg(trial->peer.ssl, trial);
    SSL_set_tlsext_status_type(trial->peer.ssl, TLSEXT_STATUSTYPE_ocsp);
    trial->fd = rig_dial(trial->port->number);
    ck_assert_int_ge(trial->fd, 0);
    trial->began_ns = clock_now();
}

static void trial_close(struct trial *trial)
{
    close(trial->fd);
    tls_peer_clear(&trial->peer);
    heard_clear(&trial->raw);
    tls_setup_release(trial->setup);
    tls_authority_free(trial->rig.server.authority);
    trial->rig.server.authority = NULL;
    rig_clear(&trial->rig);
    tls_text_clear(&trial->text);
    arena_free(trial->arena);
}

/** One call into OpenSSL: the handshake, then a question and its answer. */
static int trial_call(struct trial *trial)
{
    char room[2048];
    struct tls_peer *peer = &trial->peer;
    if (!peer->stands) {
        int result = SSL_do_handshake(peer->ssl);
        if (result != 1)
            return result;
        peer->stands = true;
        trial->stood_ns = clock_now();
        trial->handshake = trial->raw.size;
        ck_assert_int_eq(SSL_write(peer->ssl, "x", 1), 1);
    }
    int got = SSL_read(peer->ssl, room, sizeof room);
    trial->answered += got > 0 ? (size_t)got : 0;
    return got;
}

/** Turns everything once; false when nothing can come any more. */
static bool trial_turn(struct trial *trial)
{
    char *data;
    loop_turn(trial->rig.loop);
    bool ended = heard_more(&trial->raw, trial->fd);
    if (trial->fed < trial->raw.size)
        BIO_write(trial->in, trial->raw.data + trial->fed, (int)(trial->raw.size - trial->fed));
    trial->fed = trial->raw.size;
    if (trial->raw.fin)
        BIO_set_mem_eof_return(trial->in, 0);
    for (int result = 1; !trial->over && result > 0;) {
        result = trial_call(trial);
        bool notified = SSL_get_shutdown(trial->peer.ssl) & SSL_RECEIVED_SHUTDOWN;
        trial->closed = trial->closed || (notified && trial->peer.alert_received < 0);
        if (result <= 0 && !tls_peer_waits(&trial->peer, result))
            trial->over = true;
    }
    long size = BIO_get_mem_data(trial->out, &data);
    if (size > 0) {
        trial->hello_size = trial->hello_size ? trial->hello_size : (size_t)size;
        ssize_t sent = send(trial->fd, data, (size_t)size, MSG_NOSIGNAL);
        (void)sent; /* a port that has reset the connection takes no more */
        (void)BIO_reset(trial->out);
    }
    return !ended && !trial->over;
}

/** Turns until the connection or OpenSSL is at its end, and the last bytes came. */
static void trial_run(struct trial *trial)
{
    int64_t end = clock_now() + RIG_PATIENCE_NS;
    while (trial_turn(trial))
        ck_assert_msg(clock_now() < end, "nothing ends");
}

/** Turns until the server has read the ClientHello and is silent: what it has to say was said. */
static void trial_run_until_silent(struct trial *trial)
{
    enum { QUIET_TURNS = 50 };
    int64_t end = clock_now() + RIG_PATIENCE_NS;
    size_t size = 0;
    for (int quiet = 0;
         quiet < QUIET_TURNS || trial->port->bytes_in < trial->hello_size || !trial->hello_size;
         quiet++) {
        ck_assert_msg(trial_turn(trial), "it ended: %s", trial->peer.reason);
        ck_assert_msg(clock_now() < end, "the ClientHello is not read");
        if (trial->raw.size != size)
            quiet = 0;
        size = trial->raw.size;
    }
}

static X509 *trial_leaf(const struct trial *trial)
{
    ck_assert_msg(trial->peer.leaf != NULL, "no certificate came: %s", trial->peer.reason);
    return trial->peer.leaf;
}

static long trial_verified(const struct trial *trial)
{
    return SSL_get_verify_result(trial->peer.ssl);
}

/** The record at an offset of what came: its type and size with the head; 0 = there is none. */
static size_t trial_record(const struct trial *trial, size_t at, int *type)
{
    const unsigned char *raw = (const unsigned char *)trial->raw.data;
    if (trial->raw.size < at + 5)
        return 0;
    *type = raw[at];
    return 5 + ((size_t)raw[at + 3] << 8 | raw[at + 4]);
}

/** The client's verdict as the built-in client names it (LANGUAGE 4.1); NULL: it is content. */
static const char *trial_verdict(const struct trial *trial)
{
    static const struct {
        long result;
        const char *name;
    } results[] = {{X509_V_ERR_CERT_HAS_EXPIRED, "tls-expired"},
                   {X509_V_ERR_CERT_NOT_YET_VALID, "tls-not-yet-valid"},
                   {X509_V_ERR_HOSTNAME_MISMATCH, "tls-hostname"},
                   {X509_V_ERR_IP_ADDRESS_MISMATCH, "tls-hostname"},
                   {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "tls-self-signed"},
                   {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "tls-untrusted"},
                   {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "tls-untrusted"},
                   {X509_V_ERR_INVALID_PURPOSE, "tls-usage"},
                   {X509_V_ERR_EE_KEY_TOO_SMALL, "tls-weak"},
                   {X509_V_ERR_CA_MD_TOO_WEAK, "tls-weak"}};
    static const struct {
        int alert;
        const char *name;
    } alerts[] = {{40, "tls-cipher"},      {70, "tls-version"},      {120, "tls-alpn"},
                  {48, "tls-client-cert"}, {116, "tls-client-cert"}, {112, "tls-handshake"}};
    for (size_t i = 0; i < COUNT_OF(results); i++)
        if (trial_verified(trial) == results[i].result)
            return results[i].name;
    for (size_t i = 0; i < COUNT_OF(alerts); i++)
        if (trial->peer.alert_received == alerts[i].alert)
            return alerts[i].name;
    if (trial->raw.reset)
        return "connection-reset";
    if (trial->peer.stands)
        return trial->answered == ANSWER_SIZE ? NULL : "broken";
    return trial->over ? "tls-handshake" : "timeout";
}

/* What each name promises: called once the connection is at its end. */

static void prove_content(struct trial *trial)
{
    ck_assert_msg(trial->peer.stands, "%s", trial->peer.reason);
    ck_assert_uint_eq(trial->answered, ANSWER_SIZE);
    ck_assert_int_eq(trial_verified(trial), X509_V_OK);
}

static void prove_valid(struct trial *trial)
{
    prove_content(trial);
    ck_assert(trial->closed);
    ck_str_is(tls_sans(trial_leaf(trial), trial->arena),
              "DNS:localhost IP:127.0.0.1 IP6:1 DNS:api");
}

static void prove_expired(struct trial *trial)
{
    X509 *leaf = trial_leaf(trial);
    ck_assert_int_lt(X509_cmp_current_time(X509_get0_notAfter(leaf)), 0);
    ck_assert_int_eq(trial_verified(trial), X509_V_ERR_CERT_HAS_EXPIRED);
}

static void prove_not_yet_valid(struct trial *trial)
{
    X509 *leaf = trial_leaf(trial);
    ck_assert_int_gt(X509_cmp_current_time(X509_get0_notBefore(leaf)), 0);
    ck_assert_int_eq(trial_verified(trial), X509_V_ERR_CERT_NOT_YET_VALID);
}

static void prove_wrong_host(struct trial *trial)
{
    ck_str_is(tls_sans(trial_leaf(trial), trial->arena), "DNS:wrong.host.example");
    ck_assert_int_eq(trial_verified(trial), X509_V_ERR_IP_ADDRESS_MISMATCH);
}

static void prove_self_signed(struct trial *trial)
{
    ck_assert_int_eq(X509_self_signed(trial_leaf(trial), 1), 1);
}

/** The subjects of what was sent, the leaf first. */
static struct str chain_text(struct trial *trial)
{
    const STACK_OF(X509) *chain = trial->peer.chain;
    struct str text = STR("");
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct str name = name_write(X509_get_subject_name(sk_X509_value(chain, i)), trial->arena);
        text = arena_printf(trial->arena, STR_FMT "%s" STR_FMT, STR_ARG(text), i ? " | " : "",
                            STR_ARG(name));
    }
    return text;
}

static void prove_untrusted_root(struct trial *trial)
{
    ck_str_is(chain_text(trial), "CN=localhost | CN=unknown CA,O=nobody");
    ck_assert_int_eq(trial_verified(trial), X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
}

static void prove_incomplete_chain(struct trial *trial)
{
    X509 *leaf = trial_leaf(trial);
    ck_str_is(chain_text(trial), "CN=localhost");
    ck_str_is(name_write(X509_get_issuer_name(leaf), trial->arena),
              "CN=goto-run intermediate CA,O=goto-run");
}

static void prove_reversed_chain(struct trial *trial)
{
    ck_str_is(chain_text(trial), "CN=localhost | CN=goto-run CA,O=goto-run | "
                                 "CN=goto-run intermediate CA,O=goto-run");
    prove_content(trial);
}

static void prove_revoked(struct trial *trial)
{
    const unsigned char *data;
    int state = -1;
    long size = SSL_get_tlsext_status_ocsp_resp(trial->peer.ssl, &data);
    ck_assert_int_gt(size, 0);
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &data, size);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    X509 *ca = authority_ca(&trial->rig.server)->x509;
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), trial_leaf(trial), ca);
    X509_STORE *store = SSL_CTX_get_cert_store(trial->peer.context);
    ck_assert_int_eq(OCSP_basic_verify(basic, NULL, store, 0), 1);
    OCSP_resp_find_status(basic, id, &state, NULL, NULL, NULL, NULL);
    ck_assert_int_eq(state, V_OCSP_CERTSTATUS_REVOKED);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
}

static void prove_no_san(struct trial *trial)
{
    X509 *leaf = trial_leaf(trial);
    ck_assert_int_eq(X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1), -1);
    ck_str_is(name_write(X509_get_subject_name(leaf), trial->arena), "CN=localhost");
}

static void prove_wrong_usage(struct trial *trial)
{
    uint32_t usage = X509_get_extended_key_usage(trial_leaf(trial));
    ck_assert_uint_eq(usage, XKU_SSL_CLIENT);
}

static void prove_weak_key(struct trial *trial)
{
    EVP_PKEY *key = X509_get0_pubkey(trial_leaf(trial));
    ck_assert(EVP_PKEY_is_a(key, "RSA"));
    ck_assert_int_eq(EVP_PKEY_get_bits(key), 1024);
}

static void prove_sha1(struct trial *trial)
{
    ck_assert_int_eq(X509_get_signature_nid(trial_leaf(trial)), NID_ecdsa_with_SHA1);
}

/* The certificate is good, the signature of the handshake is not: CertificateVerify came. */
static void prove_key_mismatch(struct trial *trial)
{
    ck_assert_int_eq(trial_verified(trial), X509_V_OK);
    ck_assert(trial_got(trial, SSL3_MT_CERTIFICATE_VERIFY));
    ck_assert_str_eq(trial->peer.reason, "bad signature");
    ck_assert_int_eq(trial->peer.alert_sent, 51);
}

static void prove_huge_certificate(struct trial *trial)
{
    ck_assert_str_eq(trial->peer.reason, "excessive message size");
    X509 *leaf = SSL_CTX_get0_certificate(trial->setup->context);
    ck_assert_int_gt(i2d_X509(leaf, NULL), SSL_MAX_CERT_LIST_DEFAULT);
}

/** OpenSSL's client takes old versions, but none of their signatures (security level 2). */
static void prove_old_version(struct trial *trial, int version)
{
    const unsigned char *raw = (const unsigned char *)trial->raw.data;
    ck_assert_int_eq(raw[5], SSL3_MT_SERVER_HELLO);
    ck_assert_int_eq(raw[9] << 8 | raw[10], version);
    ck_assert_str_eq(trial->peer.reason, "legacy sigalg disallowed or unsupported");
}

static void prove_tls10(struct trial *trial)
{
    prove_old_version(trial, TLS1_VERSION);
}

static void prove_tls11(struct trial *trial)
{
    prove_old_version(trial, TLS1_1_VERSION);
}

static void prove_tls12(struct trial *trial)
{
    ck_assert_str_eq(SSL_get_version(trial->peer.ssl), "TLSv1.2");
    prove_content(trial);
}

static void prove_tls13(struct trial *trial)
{
    ck_assert_str_eq(SSL_get_version(trial->peer.ssl), "TLSv1.3");
    prove_content(trial);
}

static void prove_handshake_failure(struct trial *trial)
{
    ck_assert_int_eq(trial->peer.alert_received, 40);
}

static struct str trial_alpn(const struct trial *trial)
{
    const unsigned char *data;
    unsigned size;
    SSL_get0_alpn_selected(trial->peer.ssl, &data, &size);
    return (struct str){(const char *)data, size};
}

static void prove_alpn_none(struct trial *trial)
{
    prove_content(trial);
    ck_assert_uint_eq(trial_alpn(trial).size, 0);
}

static void prove_alpn_reject(struct trial *trial)
{
    ck_assert_int_eq(trial->peer.alert_received, 120);
}

static void prove_alpn_unoffered(struct trial *trial)
{
    ck_assert(!trial->peer.stands);
    ck_assert_str_eq(trial->peer.reason, "bad extension");
    ck_assert_int_ge(trial->peer.alert_sent, 0);
}

/* That it lies is the business of who chooses the protocol: here it is said that it has to. */
static void prove_alpn_mismatch(struct trial *trial)
{
    ck_assert(tls_setup_lies(trial->setup));
    ck_str_is(trial_alpn(trial), "h2");
}

static void prove_unrecognized_name(struct trial *trial)
{
    ck_assert_int_eq(trial->peer.alert_received, 112);
}

static void prove_wrong_sni(struct trial *trial)
{
    ck_str_is(tls_sans(trial_leaf(trial), trial->arena), "DNS:other.host.example");
}

/* TLS 1.3: the handshake stands for the client before the alert comes. */
static void prove_client_cert_required(struct trial *trial)
{
    ck_assert(trial_got(trial, SSL3_MT_CERTIFICATE_REQUEST));
    ck_assert(trial->peer.stands);
    ck_assert_int_eq(trial->peer.alert_received, 116);
}

static void prove_client_cert_rejected(struct trial *trial)
{
    ck_assert(trial_got(trial, SSL3_MT_CERTIFICATE_REQUEST));
    ck_assert_int_eq(trial->peer.alert_received, 48);
}

static void prove_stall(struct trial *trial)
{
    ck_assert_uint_eq(trial->raw.size, 0);
}

static void prove_stall_after_hello(struct trial *trial)
{
    int type = 0;
    ck_assert_uint_eq(trial_record(trial, 0, &type), trial->raw.size);
    ck_assert_int_eq(type, HANDSHAKE);
    ck_assert_int_eq(trial->raw.data[5], SSL3_MT_SERVER_HELLO);
    ck_assert_uint_eq(trial->message_count, 1);
}

static void prove_stall_before_finished(struct trial *trial)
{
    ck_assert(trial_got(trial, SSL3_MT_CERTIFICATE_VERIFY));
    ck_assert(!trial_got(trial, SSL3_MT_FINISHED));
}

static void prove_garbage(struct trial *trial)
{
    ck_assert_uint_gt(trial->raw.size, 0);
    ck_assert(trial->over && !trial->peer.stands);
    ck_assert_uint_eq(trial->message_count, 0);
    ck_assert_int_eq(trial->peer.alert_received, -1);
}

static void prove_reset(struct trial *trial)
{
    ck_assert_uint_eq(trial->raw.size, 0);
    ck_assert(trial->raw.reset);
}

static void prove_close(struct trial *trial)
{
    ck_assert_uint_eq(trial->raw.size, 0);
    ck_assert(trial->raw.fin);
}

static void prove_plaintext(struct trial *trial)
{
    ck_assert(str_starts((struct str){trial->raw.data, trial->raw.size}, STR("HTTP/1.1 ")));
    ck_assert_str_eq(trial->peer.reason, "wrong version number");
}

static void prove_oversized_record(struct trial *trial)
{
    int type = 0;
    size_t size = trial_record(trial, 0, &type);
    ck_assert_int_eq(type, HANDSHAKE);
    ck_assert_uint_gt(size, 5 + (1 << 14) + 256);
    ck_assert_uint_ge(trial->raw.size, size);
    ck_assert_msg(strstr(trial->peer.reason, "too long"), "%s", trial->peer.reason);
}

/* So many bytes took so much time; what OpenSSL had within the first moment is a part of it. */
static void prove_drip(struct trial *trial)
{
    prove_content(trial);
    int64_t took_ns = trial->stood_ns - trial->began_ns;
    uint64_t rate = trial->setup->drip;
    ck_assert_uint_gt(rate, 0);
    ck_assert_int_gt(took_ns, (int64_t)(trial->handshake / 2 / rate) * CLOCK_SECOND);
}

static void prove_no_close_notify(struct trial *trial)
{
    prove_content(trial);
    ck_assert(trial->raw.fin && !trial->closed);
    ck_assert_str_eq(trial->peer.reason, "unexpected eof while reading");
}

static void prove_flipped_byte(struct trial *trial)
{
    ck_assert(trial->peer.stands);
    ck_assert_uint_eq(trial->answered, 0);
    ck_assert_str_eq(trial->peer.reason, "decryption failed or bad record mac");
}

static void prove_truncated_record(struct trial *trial)
{
    int type = 0;
    size_t at = 0;
    size_t size = 0;
    while ((size = trial_record(trial, at, &type)) && at + size <= trial->raw.size)
        at += size;
    ck_assert(trial->peer.stands && trial->raw.fin);
    ck_assert_uint_lt(at, trial->raw.size); /* the last record is not whole */
    ck_assert_uint_eq(trial->answered, 0);
}

/* The rows. */

enum ending {
    ENDS,   /**< one side ends it */
    SILENT, /**< nobody ever does */
};

static const struct proof {
    const char *name;
    void (*prove)(struct trial *trial);
    enum ending ending;
    const char *verdict; /**< what this client, who minds less than the built-in one, comes to, if
                            that differs from `sees` */
} proofs[] = {
    {"valid", prove_valid, ENDS, NULL},
    {"expired", prove_expired, ENDS, NULL},
    {"not-yet-valid", prove_not_yet_valid, ENDS, NULL},
    {"wrong-host", prove_wrong_host, ENDS, NULL},
    {"self-signed", prove_self_signed, ENDS, NULL},
    {"untrusted-root", prove_untrusted_root, ENDS, NULL},
    {"incomplete-chain", prove_incomplete_chain, ENDS, NULL},
    {"reversed-chain", prove_reversed_chain, ENDS, NULL},
    {"revoked", prove_revoked, ENDS, "accepts"},
    {"no-san", prove_no_san, ENDS, NULL},
    {"wrong-usage", prove_wrong_usage, ENDS, NULL},
    {"weak-key", prove_weak_key, ENDS, NULL},
    {"sha1", prove_sha1, ENDS, NULL},
    {"key-mismatch", prove_key_mismatch, ENDS, NULL},
    {"huge-certificate", prove_huge_certificate, ENDS, NULL},
    {"tls1.0", prove_tls10, ENDS, "tls-handshake"},
    {"tls1.1", prove_tls11, ENDS, "tls-handshake"},
    {"tls1.2-only", prove_tls12, ENDS, NULL},
    {"tls1.3-only", prove_tls13, ENDS, NULL},
    {"null-cipher", prove_handshake_failure, ENDS, NULL},
    {"no-shared-group", prove_handshake_failure, ENDS, NULL},
    {"alpn-none", prove_alpn_none, ENDS, NULL},
    {"alpn-reject", prove_alpn_reject, ENDS, NULL},
    {"alpn-unoffered", prove_alpn_unoffered, ENDS, "tls-handshake"},
    {"alpn-mismatch", prove_alpn_mismatch, ENDS, "accepts"},
    {"unrecognized-name", prove_unrecognized_name, ENDS, NULL},
    {"wrong-sni-certificate", prove_wrong_sni, ENDS, NULL},
    {"client-cert-required", prove_client_cert_required, ENDS, NULL},
    {"client-cert-rejected", prove_client_cert_rejected, ENDS, NULL},
    {"handshake-stall", prove_stall, SILENT, NULL},
    {"handshake-stall-after-hello", prove_stall_after_hello, SILENT, NULL},
    {"handshake-stall-before-finished", prove_stall_before_finished, SILENT, NULL},
    {"handshake-garbage", prove_garbage, ENDS, NULL},
    {"handshake-reset", prove_reset, ENDS, NULL},
    {"handshake-close", prove_close, ENDS, NULL},
    {"handshake-plaintext", prove_plaintext, ENDS, NULL},
    {"handshake-oversized-record", prove_oversized_record, ENDS, NULL},
    {"handshake-drip", prove_drip, ENDS, NULL},
    {"no-close-notify", prove_no_close_notify, ENDS, NULL},
    {"flipped-byte", prove_flipped_byte, ENDS, "broken"},
    {"truncated-record", prove_truncated_record, ENDS, "broken"},
};

static void check_verdict(const struct trial *trial, const struct proof *proof)
{
    const struct tls_fault *fault = tls_fault_find(str_of(proof->name));
    const char *verdict = trial_verdict(trial);
    const char *wanted = proof->verdict ? proof->verdict : fault->sees;
    ck_assert_msg(!strcmp(verdict ? verdict : "accepts", wanted ? wanted : "accepts"),
                  "%s: %s instead of %s (%s, alert %d)", proof->name, verdict ? verdict : "accepts",
                  wanted ? wanted : "accepts", trial->peer.reason, trial->peer.alert_received);
}

/** What the catalogue says of OpenSSL is what it said here, if it said something. */
static void check_words(const struct trial *trial, const struct proof *proof)
{
    const char *told = tls_fault_find(str_of(proof->name))->openssl;
    long result = trial_verified(trial);
    const char *words =
        result != X509_V_OK ? X509_verify_cert_error_string(result) : trial->peer.reason;
    if (!*words || trial->closed)
        return;
    ck_assert_msg(told && strstr(told, words), "%s: '%s' is not in '%s'", proof->name, words,
                  told ? told : "nothing");
}

START_TEST(test_a_name_of_the_catalogue)
{
    struct trial trial;
    const struct proof *proof = &proofs[_i];
    trial_open(&trial, proof->name, "127.0.0.1");
    if (str_starts(str_of(proof->name), STR("alpn-")))
        tls_peer_offer(&trial.peer, "\2h2");
    if (!strcmp(proof->name, "client-cert-rejected"))
        tls_peer_present(&trial.peer, &trial.rig.server, TLS_FILE_CLIENT_CERT, TLS_FILE_CLIENT_KEY);
    (proof->ending == SILENT ? trial_run_until_silent : trial_run)(&trial);
    proof->prove(&trial);
    check_verdict(&trial, proof);
    check_words(&trial, proof);
    trial_close(&trial);
}
END_TEST

START_TEST(test_no_name_is_left_out)
{
    size_t count = 0;
    for (const struct tls_fault *fault = tls_catalogue; fault->name; fault++, count++) {
        bool proven = false;
        for (size_t i = 0; i < COUNT_OF(proofs); i++)
            proven |= !strcmp(proofs[i].name, fault->name);
        ck_assert_msg(proven, "nothing proves '%s'", fault->name);
    }
    ck_assert_uint_eq(count, COUNT_OF(proofs));
}
END_TEST

/* By a name that the certificate has as its common name only, OpenSSL is content. */
START_TEST(test_no_san_by_name)
{
    struct trial trial;
    trial_open(&trial, "no-san", "localhost");
    trial_run(&trial);
    prove_content(&trial);
    trial_close(&trial);
}
END_TEST

/* Who speaks TLS 1.2 and above only, as the built-in client does, is told so. */
START_TEST(test_old_versions_with_a_client_of_today)
{
    static const char *const names[] = {"tls1.0", "tls1.1"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct trial trial;
        trial_open(&trial, names[i], "127.0.0.1");
        SSL_set_min_proto_version(trial.peer.ssl, TLS1_2_VERSION);
        trial_run(&trial);
        ck_assert_int_eq(trial.peer.alert_received, 70);
        ck_assert_str_eq(trial_verdict(&trial), tls_fault_find(str_of(names[i]))->sees);
        trial_close(&trial);
    }
}
END_TEST

/* A client of TLS 1.2 gets its answer within the handshake. */
START_TEST(test_client_certificates_in_tls12)
{
    struct trial trial;
    trial_open(&trial, "{client-auth: require, max: 1.2}", "127.0.0.1");
    trial_run(&trial);
    ck_assert(!trial.peer.stands);
    ck_assert_int_eq(trial.peer.alert_received, 40);
    trial_close(&trial);
}
END_TEST

/* Alerts that OpenSSL would not send: the record stands on the wire as it is. */
START_TEST(test_every_alert)
{
    struct trial trial;
    char yaml[64];
    snprintf(yaml, sizeof yaml, "{alert: %s}", tls_alerts[_i].name);
    trial_open(&trial, yaml, "127.0.0.1");
    trial_run(&trial);
    const unsigned char *raw = (const unsigned char *)trial.raw.data;
    ck_assert_uint_eq(trial.raw.size, 7);
    ck_assert_int_eq(raw[0], ALERT);
    ck_assert_int_eq(raw[1], 3);
    ck_assert_int_eq(raw[4], 2);
    ck_assert_int_eq(raw[5], SSL3_AL_FATAL);
    ck_assert_int_eq(raw[6], tls_alerts[_i].value);
    trial_close(&trial);
}
END_TEST

int main(void)
{
    int alerts = 0;
    while (tls_alerts[alerts].name)
        alerts++;
    Suite *suite = suite_create("tls_catalogue");
    TCase *tcase = tcase_create("tls_catalogue");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_a_name_of_the_catalogue, 0, COUNT_OF(proofs));
    tcase_add_test(tcase, test_no_name_is_left_out);
    tcase_add_test(tcase, test_no_san_by_name);
    tcase_add_test(tcase, test_old_versions_with_a_client_of_today);
    tcase_add_test(tcase, test_client_certificates_in_tls12);
    tcase_add_loop_test(tcase, test_every_alert, 0, alerts);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
