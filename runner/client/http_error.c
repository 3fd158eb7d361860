#include "runner/client/http_error.h"

#include "runner/client/http.h"
#include "server/tls/client.h"

#include "server/http/h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>

/* The names. */

#define ERROR_ROWS(X)                                                                              \
    X("dns", "The name could not be resolved.")                                                    \
    X("connection-refused", "Nobody listens there.")                                               \
    X("connect-timeout", "No TCP connection stood when a limit ran out.")                          \
    X("timeout", "A TCP connection stood, the answer was not whole when a limit ran out.")         \
    X("connection-reset", "The connection was reset (RST), at whatever point.")                    \
    X("connection-closed",                                                                         \
      "The peer closed (FIN) in the middle of a head, or after interim ones; of tcp: before a "    \
      "receive had what it waits for.")                                                            \
    X("empty-response", "The peer closed (FIN) without a byte of an answer.")                      \
    X("truncated", "The body ended before its length, its last chunk or its compression did.")     \
    X("protocol", "The answer breaks the rules of HTTP.")                                          \
    X("header-too-large", "A header line beyond 100 KiB, or a head beyond 300 KiB.")               \
    X("body-too-large",                                                                            \
      "The body is larger than `max-body`; of tcp: more than 1 MiB came for a predicate.")         \
    X("redirect-loop", "More redirects than `follow` allows.")                                     \
    X("http2-goaway", "HTTP/2: the peer said GOAWAY.")                                             \
    X("http2-reset", "HTTP/2: the peer reset the stream; http2-reset(CODE) is one code only.")     \
    X("tls", "Any of the tls-… errors.")                                                           \
    X("tls-expired", "The certificate has expired.")                                               \
    X("tls-not-yet-valid", "The certificate is not valid yet.")                                    \
    X("tls-hostname", "The certificate is for another name.")                                      \
    X("tls-untrusted", "No trusted authority signed the certificate.")                             \
    X("tls-self-signed", "The certificate is signed by itself.")                                   \
    X("tls-revoked", "The certificate is revoked.")                                                \
    X("tls-weak", "The certificate's key or digest is too weak.")                                  \
    X("tls-usage", "The certificate is not for servers.")                                          \
    X("tls-version", "No TLS version in common.")                                                  \
    X("tls-cipher", "No cipher in common.")                                                        \
    X("tls-alpn", "No protocol in common.")                                                        \
    X("tls-client-cert", "The peer refuses the client's certificate, or that there is none.")      \
    X("tls-handshake", "Anything else that ends a TLS handshake.")                                 \
    X("exec", "The program could not be started.")                                                 \
    X("any", "Every error of the transport; never a fault of the harness itself.")

static const struct {
    const char *name;
    const char *doc;
} error_docs[] = {
#define ERROR_DOC(name, doc) {name, doc},
    ERROR_ROWS(ERROR_DOC)};

const char *const error_names[] = {
#define ERROR_NAME(name, doc) name,
    ERROR_ROWS(ERROR_NAME) NULL};

const char *http_error_doc(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(error_docs); i++)
        if (str_is(name, error_docs[i].name))
            return error_docs[i].doc;
    return NULL;
}

/* What we stopped ourselves. */

static const struct {
    enum http_stop stop;
    const char *name;
} stop_rows[] = {
    {HTTP_HEAD_TOO_LARGE, "header-too-large"},
    {HTTP_BODY_TOO_LARGE, "body-too-large"},
    {HTTP_REDIRECTS, "redirect-loop"},
    {HTTP_BROKEN, "protocol"},
    {HTTP_CUT, "truncated"},
    {HTTP_NO_H2, "tls-alpn"},
    {HTTP_H1_REQUIRED, "http2-reset(HTTP_1_1_REQUIRED)"},
};

/* What libcurl tells. */

enum { ANY_ERRNO = -1 };

/** Phases as a set. */
enum {
    CONNECTING = 1 << HTTP_CONNECTING,
    WAITING = 1 << HTTP_WAITING,
    HEAD = 1 << HTTP_HEAD,
    BODY = 1 << HTTP_BODY,
    ANSWERING = WAITING | HEAD | BODY,
    ANY_PHASE = CONNECTING | ANSWERING,
};

/** The name of a row where two are possible: decided by whether a TCP connection stood. */
static const char by_connection[] = "timeout or connect-timeout";

struct error_row {
    CURLcode code;
    int os_errno;
    unsigned phases;
    const char *name; /**< NULL: an error of the transport that has no name */
    const char *doc;
};

/** The first row that fits decides. What fits none is a fault of the harness. */
static const struct error_row error_rows[] = {
    {CURLE_COULDNT_RESOLVE_HOST, ANY_ERRNO, ANY_PHASE, "dns", "the host"},
    {CURLE_COULDNT_RESOLVE_PROXY, ANY_ERRNO, ANY_PHASE, "dns", "the proxy"},
    {CURLE_COULDNT_CONNECT, ECONNREFUSED, ANY_PHASE, "connection-refused", "RST to our SYN"},
    {CURLE_COULDNT_CONNECT, ENOENT, ANY_PHASE, "connection-refused", "no such Unix socket"},
    {CURLE_COULDNT_CONNECT, ECONNRESET, ANY_PHASE, "connection-reset",
     "accepted and reset at once"},
    {CURLE_COULDNT_CONNECT, EPIPE, ANY_PHASE, "connection-reset", "accepted and reset at once"},
    {CURLE_COULDNT_CONNECT, ETIMEDOUT, ANY_PHASE, "connect-timeout", "the kernel gave up"},
    {CURLE_COULDNT_CONNECT, EHOSTUNREACH, ANY_PHASE, NULL, "no route to the host"},
    {CURLE_COULDNT_CONNECT, ENETUNREACH, ANY_PHASE, NULL, "no route to the network"},
    {CURLE_PROXY, ANY_ERRNO, ANY_PHASE, "protocol", "a SOCKS proxy refused or broke its protocol"},
    {CURLE_OPERATION_TIMEDOUT, ANY_ERRNO, ANY_PHASE, by_connection, "libcurl's own limit (300 s)"},
    {CURLE_SEND_ERROR, ECONNRESET, ANY_PHASE, "connection-reset", "RST while sending"},
    {CURLE_SEND_ERROR, EPIPE, ANY_PHASE, "connection-reset", "sent after an RST"},
    {CURLE_SEND_ERROR, ETIMEDOUT, ANY_PHASE, "timeout", "nothing was acknowledged"},
    {CURLE_RECV_ERROR, ECONNRESET, ANY_PHASE, "connection-reset", "RST, also within a body"},
    {CURLE_RECV_ERROR, EPIPE, ANY_PHASE, "connection-reset", "RST"},
    {CURLE_RECV_ERROR, ETIMEDOUT, ANY_PHASE, "timeout", "nothing was acknowledged"},
    {CURLE_RECV_ERROR, ANY_ERRNO, ANY_PHASE, "protocol", "chunked coding that is none"},
    {CURLE_GOT_NOTHING, ANY_ERRNO, HEAD | BODY, "connection-closed", "FIN within the status line"},
    {CURLE_GOT_NOTHING, ANY_ERRNO, ANY_PHASE, "empty-response", "FIN before the first byte"},
    {CURLE_OK, ANY_ERRNO, CONNECTING | WAITING | HEAD, "connection-closed",
     "FIN before the empty line after the headers: libcurl takes the head as whole"},
    {CURLE_PARTIAL_FILE, ANY_ERRNO, WAITING | HEAD, "connection-closed",
     "FIN before the empty line, after Content-Length"},
    {CURLE_PARTIAL_FILE, ANY_ERRNO, ANY_PHASE, "truncated", "FIN before the last byte or chunk"},
    {CURLE_HTTP2, ANY_ERRNO, ANY_PHASE, "protocol", "a frame that breaks the rules of HTTP/2"},
    {CURLE_HTTP2_STREAM, ANY_ERRNO, ANY_PHASE, "protocol",
     "a stream that breaks the rules of HTTP/2"},
    {CURLE_WEIRD_SERVER_REPLY, ANY_ERRNO, ANY_PHASE, "protocol", "a header that is none"},
    {CURLE_BAD_FUNCTION_ARGUMENT, ANY_ERRNO, HEAD, "protocol",
     "a first header that begins with a blank"},
    {CURLE_UNSUPPORTED_PROTOCOL, ANY_ERRNO, WAITING | HEAD, "protocol", "no HTTP/1 status line"},
    {CURLE_BAD_CONTENT_ENCODING, ANY_ERRNO, ANY_PHASE, "protocol", "a transfer coding unasked for"},
    {CURLE_URL_MALFORMAT, ANY_ERRNO, ANSWERING, "protocol", "a Location that is no URL"},
    {CURLE_OUT_OF_MEMORY, ANY_ERRNO, ANSWERING, "header-too-large", "libcurl's bound of a line"},
};

static bool row_fits(const struct error_row *row, const struct http_evidence *evidence)
{
    return row->code == evidence->code && (row->phases & (1u << evidence->phase)) &&
           (row->os_errno == ANY_ERRNO || row->os_errno == evidence->os_errno);
}

static const char *timeout_name(const struct http_evidence *evidence)
{
    return evidence->connected ? "timeout" : "connect-timeout";
}

/** What we stopped ourselves has one name, whatever libcurl made of it. */
static void decide_stopped(const struct http_evidence *evidence, struct http_failure *failure)
{
    failure->harness = evidence->stop == HTTP_NOT_READY;
    if (evidence->stop == HTTP_LIMIT)
        failure->name = timeout_name(evidence);
    for (size_t i = 0; i < COUNT_OF(stop_rows); i++)
        if (stop_rows[i].stop == evidence->stop)
            failure->name = stop_rows[i].name;
}

/** FIN of the peer without a word of TLS before it. */
static const char *eof_name(enum http_phase phase)
{
    return phase == HTTP_BODY   ? "truncated"
           : phase == HTTP_HEAD ? "connection-closed"
                                : "empty-response";
}

/** The code in libcurl's "… was not closed cleanly: CANCEL (err 8)". */
static bool reset_code(struct str words, uint32_t *code)
{
    ptrdiff_t at = str_find(words, STR("(err "));
    uint64_t number = 0;
    if (at < 0)
        return false;
    struct str rest = str_from(words, (size_t)at + 5);
    ptrdiff_t end = str_find_byte(rest, ')');
    if (end < 0 || !str_to_u64(str_slice(rest, 0, (size_t)end), UINT32_MAX, &number))
        return false;
    *code = (uint32_t)number;
    return true;
}

/** What libcurl 7.88 says where a stream was reset without saying by which code. */
static const struct {
    const char *words;
    uint32_t code;
} reset_rows[] = {
    {"was closed cleanly, but before getting", NGHTTP2_NO_ERROR},
    {"Connection died, tried", NGHTTP2_REFUSED_STREAM},
};

/** "http2-reset(CANCEL)", NULL if the stream was not reset. */
static const char *reset_name(const struct http_evidence *evidence)
{
    char room[24];
    uint32_t code = 0;
    bool reset = reset_code(evidence->words, &code);
    for (size_t i = 0; i < COUNT_OF(reset_rows) && !reset; i++) {
        reset = str_find(evidence->words, str_of(reset_rows[i].words)) >= 0;
        code = reset_rows[i].code;
    }
    if (!reset)
        return NULL;
    return arena_printf(evidence->arena, "http2-reset(" STR_FMT ")",
                        STR_ARG(h2_error_name(code, room)))
        .data;
}

/** HTTP/2 by libcurl: what it says is all there is to know. */
static const char *h2_name(const struct http_evidence *evidence)
{
    const char *name = reset_name(evidence);
    if (name)
        return name;
    if (evidence->goaway)
        return "http2-goaway";
    if (str_find(evidence->words, STR("before end of the underlying stream")) >= 0)
        return eof_name(evidence->phase);
    /* nghttp2 gave the connection up: what came was no HTTP/2 */
    return evidence->code == CURLE_GOT_NOTHING ? "protocol" : NULL;
}

/** What TLS, or HTTP/2 above it, says about the failure; NULL: libcurl's code decides. */
static const char *name_over_tls(const struct http_evidence *evidence)
{
    const struct tls_client *tls = evidence->tls;
    const char *name = tls ? tls_client_error(tls, evidence->words, evidence->os_errno) : NULL;
    if (!tls || name)
        return name;
    if (tls_client_is_h2(tls))
        name = h2_name(evidence);
    if (!name && tls_client_is_eof(tls, evidence->words))
        name = eof_name(evidence->phase);
    return name;
}

bool http_error_decide(const struct http_evidence *evidence, struct http_failure *failure)
{
    *failure = (struct http_failure){.why = evidence->words};
    if (evidence->stop != HTTP_NOT_STOPPED) {
        decide_stopped(evidence, failure);
        return false;
    }
    if (evidence->code == CURLE_OK && evidence->phase == HTTP_BODY)
        return true;
    failure->name = name_over_tls(evidence);
    failure->harness = failure->name == NULL;
    for (size_t i = 0; i < COUNT_OF(error_rows) && failure->harness; i++) {
        if (!row_fits(&error_rows[i], evidence))
            continue;
        failure->harness = false;
        failure->name = error_rows[i].name;
        if (failure->name == by_connection)
            failure->name = timeout_name(evidence);
        if (failure->why.size == 0)
            failure->why = str_of(error_rows[i].doc);
    }
    if (failure->why.size == 0)
        failure->why = str_of(curl_easy_strerror(evidence->code));
    return false;
}
