/* The http verb over TLS: the name of every end, and what the name is made of. */
#include "http_rig.h"

#include "server/tls/certificate.h"
#include "server/tls/client.h"

#include <openssl/err.h>

/* A server of TLS that writes bytes which no HTTP library would, on a thread of its own. */

enum tls_ending {
    CLOSE_NOTIFY, /**< and FIN */
    BARE_FIN,
    TLS_RST,
    SILENCE, /**< say no more until the peer closes */
};

struct tls_script {
    const char *alpn; /**< "\x02h2" */
    struct str bytes; /**< the answer to a whole request */
    enum tls_ending ending;
};

static struct {
    int fd;
    pthread_t thread;
    SSL_CTX *context;
    struct tls_script script;
} the_tls;

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *size,
                       const unsigned char *offered, unsigned offered_size, void *context)
{
    const unsigned char *ours = (const unsigned char *)the_tls.script.alpn;
    (void)ssl;
    (void)context;
    if (SSL_select_next_proto((unsigned char **)out, size, ours, ours[0] + 1u, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static void context_begin(void)
{
    static const struct str name = STR_INIT("localhost");
    struct arena *arena = arena_new();
    struct str why = {0};
    struct certificate made;
    struct certificate_order order = {.subject = STR("CN=localhost"),
                                      .sans = &name,
                                      .san_count = 1,
                                      .until_ns = INT64_C(3600) * CLOCK_SECOND,
                                      .key_type = KEY_EC256,
                                      .usage = USAGE_SERVER};
    ck_assert_msg(certificate_make(&order, &made, arena, &why), STR_FMT, STR_ARG(why));
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    the_tls.context = context;
    ck_assert(SSL_CTX_use_certificate(context, made.x509) == 1);
    ck_assert(SSL_CTX_use_PrivateKey(context, made.key) == 1);
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
    certificate_clear(&made);
    arena_free(arena);
}

static void context_end(void)
{
    SSL_CTX_free(the_tls.context);
}

/** Whether a whole request stands there: an empty line, or a frame of HEADERS behind the preface.
 */
static bool is_whole(struct str text)
{
    enum { PREFACE = 24, FRAME_HEAD = 9, HEADERS = 1 };
    if (!str_starts(text, STR("PRI ")))
        return str_ends(text, STR("\r\n\r\n"));
    text = str_from(text, text.size < PREFACE ? text.size : PREFACE);
    while (text.size >= FRAME_HEAD) {
        const uint8_t *head = (const uint8_t *)text.data;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (text.size < FRAME_HEAD + size)
            return false;
        if (head[3] == HEADERS)
            return true;
        text = str_from(text, FRAME_HEAD + size);
    }
    return false;
}

static bool request_read(SSL *ssl)
{
    struct buf request;
    char room[4096];
    bool whole = false;
    int size = 1;
    buf_init(&request, BUF_OWN);
    while (!whole && size > 0) {
        size = SSL_read(ssl, room, sizeof room);
        if (size > 0)
            buf_append(&request, (struct str){room, (size_t)size});
        whole = is_whole(buf_str(&request));
    }
    buf_clear(&request);
    return whole;
}

/** Until the peer has closed: what closes with bytes unread sends RST. */
static void drain(int fd)
{
    char room[4096];
    while (recv(fd, room, sizeof room, 0) > 0)
        continue;
}

static void tls_end(SSL *ssl, int fd)
{
    struct linger linger = {1, 0};
    enum tls_ending ending = the_tls.script.ending;
    if (ending == TLS_RST)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (ending == CLOSE_NOTIFY)
        SSL_shutdown(ssl);
    if (ending == CLOSE_NOTIFY || ending == BARE_FIN)
        shutdown(fd, SHUT_WR);
    if (ending != TLS_RST)
        drain(fd);
    SSL_free(ssl);
    close(fd);
}

static void *tls_run(void *context)
{
    int fd;
    (void)context;
    while ((fd = accept(the_tls.fd, NULL, NULL)) >= 0) {
        SSL *ssl = SSL_new(the_tls.context);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1 && request_read(ssl) && the_tls.script.bytes.size)
            SSL_write(ssl, the_tls.script.bytes.data, (int)the_tls.script.bytes.size);
        tls_end(ssl, fd);
        ERR_clear_error();
    }
    return NULL;
}

/** One step against the script. */
static void ck_ends(struct tls_script script, const char *expect)
{
    char yaml[512];
    struct step_rig step;
    /* what libcurl says about a connection is not what it says about the request */
    snprintf(yaml, sizeof yaml,
             "http: {url: 'https://127.0.0.1:PORT/GOAWAY', headers: {x: left intact}, "
             "tls: {verify: false}, timeout: %s}\n"
             "expect: {%s}",
             strstr(expect, "error: timeout") ? "200ms" : "20s", expect);
    the_tls.script = script;
    client_up();
    server_listen();
    the_tls.fd = the_server.fd;
    ck_assert(pthread_create(&the_tls.thread, NULL, tls_run, NULL) == 0);
    ck_assert_msg(step_read(&step, yaml), "%s", step.message);
    step_start(&step, NULL);
    step_finish(&step);
    ck_assert_msg(step.attempt.failures.count == 0, "%s: %s", expect, step.message);
    step_free(&step);
    client_down();
    shutdown(the_tls.fd, SHUT_RDWR);
    pthread_join(the_tls.thread, NULL);
    close(the_tls.fd);
    server_forget();
}

#define H1 "\x08http/1.1"
#define H2 "\x02h2"
#define OK1 "HTTP/1.1 200 OK\r\n"

static void ck_ends_h1(const char *bytes, enum tls_ending ending, const char *expect)
{
    ck_ends((struct tls_script){H1, str_of(bytes), ending}, expect);
}

START_TEST(test_ends_of_http1)
{
    static const struct {
        const char *bytes;
        const char *expect; /**< behind close_notify, and behind FIN alone */
    } rows[] = {
        {"", "error: empty-response"},
        {"HTTP/1.1 20", "error: connection-closed"},
        {OK1 "a: b\r\n", "error: connection-closed"},
        {OK1 "content-length: 10\r\n\r\nhello", "error: truncated"},
        {OK1 "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "error: truncated"},
        {OK1 "content-length: 5\r\n\r\nhello", "body: hello, tls: {version: TLSv1.3}"},
    };
    context_begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool whole = !strstr(rows[i].expect, "error");
        ck_ends_h1(rows[i].bytes, CLOSE_NOTIFY, rows[i].expect);
        ck_ends_h1(rows[i].bytes, BARE_FIN, rows[i].expect);
        if (!whole)
            ck_ends_h1(rows[i].bytes, TLS_RST, "error: connection-reset");
    }
    ck_ends_h1("garbage\r\n\r\n", SILENCE, "error: protocol");
    ck_ends_h1("", SILENCE, "error: timeout");
    context_end();
}
END_TEST

/** RFC 9112, section 9.8: a body that ends with the connection is whole only with close_notify. */
START_TEST(test_a_body_until_the_end)
{
    context_begin();
    ck_ends_h1(OK1 "connection: close\r\n\r\nhello", CLOSE_NOTIFY, "status: 200, body: hello");
    ck_ends_h1(OK1 "connection: close\r\n\r\nhello", BARE_FIN,
               "error: truncated, status: 200, body: hello");
    ck_ends_h1("HTTP/1.1 204 No\r\n\r\n", BARE_FIN, "status: 204");
    context_end();
}
END_TEST

/* Frames of HTTP/2 (RFC 9113, section 4.1). */

#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define ACK "\0\0\0\4\1\0\0\0\0"
#define GREET SETTINGS ACK
#define OK2 "\0\0\1\1\4\0\0\0\1\x88"
#define DATA_ON_0 "\0\0\2\0\0\0\0\0\0xx"
#define END "\0\0\5\0\1\0\0\0\1hello"
#define HELLO "\0\0\5\0\0\0\0\0\1hello"
#define GOAWAY(last, code) "\0\0\x8\7\0\0\0\0\0\0\0\0" last "\0\0\0" code
#define RESET(code) "\0\0\4\3\0\0\0\0\1\0\0\0" code

START_TEST(test_ends_of_http2)
{
    static const struct {
        struct str bytes;
        enum tls_ending ending;
        const char *expect;
    } rows[] = {
        {STR_INIT(""), CLOSE_NOTIFY, "error: empty-response"},
        {STR_INIT(""), BARE_FIN, "error: empty-response"},
        {STR_INIT(GREET), CLOSE_NOTIFY, "error: empty-response"},
        {STR_INIT(GREET), BARE_FIN, "error: empty-response"},
        {STR_INIT(GREET), TLS_RST, "error: connection-reset"},
        {STR_INIT(GREET), SILENCE, "error: timeout"},
        {STR_INIT(GREET OK2 HELLO), CLOSE_NOTIFY, "error: truncated"},
        {STR_INIT(GREET OK2 HELLO), BARE_FIN, "error: truncated"},
        {STR_INIT(GREET OK2 HELLO), TLS_RST, "error: connection-reset"},
        {STR_INIT(GREET GOAWAY("\0", "\0")), CLOSE_NOTIFY, "error: http2-goaway"},
        {STR_INIT(GREET GOAWAY("\1", "\2")), CLOSE_NOTIFY, "error: http2-goaway"},
        {STR_INIT(GREET GOAWAY("\0", "\x0b")), SILENCE, "error: http2-goaway"},
        {STR_INIT(GREET OK2 HELLO GOAWAY("\1", "\2")), CLOSE_NOTIFY, "error: http2-goaway"},
        {STR_INIT(GREET RESET("\0")), SILENCE, "error: http2-reset(NO_ERROR)"},
        {STR_INIT(GREET RESET("\2")), SILENCE, "error: http2-reset(INTERNAL_ERROR)"},
        {STR_INIT(GREET RESET("\7")), SILENCE, "error: http2-reset(REFUSED_STREAM)"},
        {STR_INIT(GREET RESET("\x8")), SILENCE, "error: http2-reset(CANCEL)"},
        {STR_INIT(GREET OK2 HELLO RESET("\x8")), SILENCE, "error: http2-reset"},
        {STR_INIT(GREET RESET("\x0d")), SILENCE, "error: http2-reset(HTTP_1_1_REQUIRED)"},
        {STR_INIT(GREET OK2 HELLO RESET("\x0d")), SILENCE, "error: http2-reset"},
        {STR_INIT(GREET DATA_ON_0), SILENCE, "error: protocol"},
        {STR_INIT(GREET "\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff"), SILENCE, "error: protocol"},
        {STR_INIT(OK2), SILENCE, "error: protocol"}, /* no SETTINGS before it */
        {STR_INIT("HTTP/1.1 505 No\r\n\r\n"), CLOSE_NOTIFY, "error: protocol"},
        /* nghttp2 has given the connection up, libcurl waits on; it must not be whole */
        {STR_INIT(GREET OK2 HELLO DATA_ON_0), SILENCE, "error: timeout"},
        {STR_INIT(GREET OK2 HELLO DATA_ON_0), CLOSE_NOTIFY, "error: protocol"},
        {STR_INIT(GREET GOAWAY("\1", "\0") OK2 HELLO), CLOSE_NOTIFY, "error: http2-goaway"},
        {STR_INIT(GREET OK2 END), SILENCE, "version: '2', body: hello, tls: {alpn: h2}"},
        {STR_INIT(GREET OK2 END), CLOSE_NOTIFY, "version: '2', body: hello"},
        {STR_INIT(GREET OK2 END), BARE_FIN, "version: '2', body: hello"},
        {STR_INIT(GREET GOAWAY("\1", "\0") OK2 END), CLOSE_NOTIFY, "status: 200, body: hello"},
    };
    context_begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_ends((struct tls_script){H2, rows[i].bytes, rows[i].ending}, rows[i].expect);
    context_end();
}
END_TEST

/* What OpenSSL says, as names. */

static struct tls_client fresh(void)
{
    return (struct tls_client){.verify = true, .alert_received = -1, .alert_sent = -1};
}

static void ck_name(struct tls_client tls, const char *words, int os_errno, const char *name)
{
    const char *found = tls_client_error(&tls, str_of(words), os_errno);
    ck_assert_msg(name ? found && strcmp(found, name) == 0 : !found, "%s is not %s",
                  found ? found : "(none)", name ? name : "(none)");
}

START_TEST(test_results_of_verification)
{
    static const struct {
        long verified;
        const char *name;
    } rows[] = {
        {X509_V_ERR_CERT_HAS_EXPIRED, "tls-expired"},
        {X509_V_ERR_CERT_NOT_YET_VALID, "tls-not-yet-valid"},
        {X509_V_ERR_HOSTNAME_MISMATCH, "tls-hostname"},
        {X509_V_ERR_IP_ADDRESS_MISMATCH, "tls-hostname"},
        {18, "tls-self-signed"},
        {19, "tls-untrusted"},
        {20, "tls-untrusted"},
        {21, "tls-untrusted"},
        {X509_V_ERR_CERT_REVOKED, "tls-revoked"},
        {X509_V_ERR_EE_KEY_TOO_SMALL, "tls-weak"},
        {X509_V_ERR_CA_MD_TOO_WEAK, "tls-weak"},
        {X509_V_ERR_INVALID_PURPOSE, "tls-usage"},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, "tls-handshake"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tls_client tls = fresh();
        tls.verified = rows[i].verified;
        tls.alert_sent = SSL_AD_CERTIFICATE_UNKNOWN;
        ck_name(tls, "", 0, rows[i].name);
        /* the alert that went out is what counts, though the peer answered it by an RST */
        ck_name(tls, "", ECONNRESET, rows[i].name);
    }
}
END_TEST

START_TEST(test_alerts)
{
    static const struct {
        int alert;
        const char *name;
    } rows[] = {
        {SSL_AD_HANDSHAKE_FAILURE, "tls-cipher"},
        {SSL_AD_INSUFFICIENT_SECURITY, "tls-cipher"},
        {SSL_AD_PROTOCOL_VERSION, "tls-version"},
        {SSL_AD_NO_APPLICATION_PROTOCOL, "tls-alpn"},
        {SSL_AD_BAD_CERTIFICATE, "tls-client-cert"},
        {SSL_AD_UNSUPPORTED_CERTIFICATE, "tls-client-cert"},
        {SSL_AD_CERTIFICATE_REVOKED, "tls-client-cert"},
        {SSL_AD_CERTIFICATE_EXPIRED, "tls-client-cert"},
        {SSL_AD_CERTIFICATE_UNKNOWN, "tls-client-cert"},
        {SSL_AD_UNKNOWN_CA, "tls-client-cert"},
        {SSL_AD_ACCESS_DENIED, "tls-client-cert"},
        {SSL_AD_CERTIFICATE_REQUIRED, "tls-client-cert"},
        {SSL_AD_UNRECOGNIZED_NAME, "tls-handshake"},
        {SSL_AD_INTERNAL_ERROR, "tls-handshake"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tls_client tls = fresh();
        tls.alert_received = rows[i].alert;
        ck_name(tls, "", 0, rows[i].name);
        tls.stands = true; /* TLS 1.3: late, but before any answer */
        tls.hello = true;
        if (rows[i].alert != SSL_AD_HANDSHAKE_FAILURE)
            ck_name(tls, "", 0, rows[i].name);
    }
}
END_TEST

START_TEST(test_other_verdicts)
{
    struct tls_client tls = fresh();
    tls.alert_received = SSL_AD_HANDSHAKE_FAILURE;
    tls.hello = true;
    ck_name(tls, "", 0, "tls-handshake");
    tls.asked_certificate = true; /* TLS 1.2 has no other alert for a missing certificate */
    ck_name(tls, "", 0, "tls-client-cert");
    tls.sent_certificate = true;
    ck_name(tls, "", 0, "tls-handshake");
    tls = fresh();
    ck_name(tls, "", ECONNRESET, "connection-reset");
    ck_name(tls, "", 0, "tls-handshake");
    tls.reason = SSL_R_UNSUPPORTED_PROTOCOL;
    ck_name(tls, "", 0, "tls-version");
    tls = fresh();
    tls.about_alpn = true;
    ck_name(tls, "", 0, "tls-alpn");
    tls = fresh();
    ck_name(tls, "error:0A0000BF:SSL routines::no protocols available", 0, "tls-version");
    tls.ocsp = TLS_OCSP_REVOKED;
    ck_name(tls, "", 0, "tls-revoked");
    tls.ocsp = TLS_OCSP_MISSING;
    ck_name(tls, "", 0, "tls-handshake");
    tls = fresh();
    tls.stands = true;
    ck_name(tls, "", 0, NULL);
    tls.alert_sent = SSL_AD_BAD_RECORD_MAC;
    ck_name(tls, "", 0, "protocol");
    tls.alert_sent = -1;
    tls.answered = true;
    tls.alert_received = SSL_AD_INTERNAL_ERROR;
    ck_name(tls, "", 0, "protocol");
    tls.alert_received = SSL_AD_CERTIFICATE_REVOKED;
    ck_name(tls, "", 0, "tls-client-cert");
}
END_TEST

UNIT_MAIN("tls_client", test_ends_of_http1, test_a_body_until_the_end, test_ends_of_http2,
          test_results_of_verification, test_alerts, test_other_verdicts)
