/* The version of HTTP, and the TLS of a try's connections. */
#include "runner/client/http_try.h"
#include "runner/client/http_url.h"
#include "runner/scenario/scenario.h"

#include <string.h>

/** Whether connections go where the URL says. */
static bool goes_straight(const struct http_request *request)
{
    return !request->proxy.data && !request->connect_to.data && !request->unix_socket.data;
}

/** Where a connection for a URL goes: an endpoint, as far as `connect-to` and `resolve` say. */
static struct str target_of(const struct http_try *try, struct str url)
{
    const struct http_request *request = try->request;
    const struct map_entry *entries = request->resolve.items;
    struct arena *arena = try->attempt->arena;
    if (request->connect_to.data)
        return request->connect_to;
    for (size_t i = 0; i < request->resolve.count; i++) {
        struct str address = *(const struct str *)entries[i].value;
        bool six = str_find_byte(address, ':') >= 0;
        if (str_equal_nocase(entries[i].name, http_url_host(url, arena)))
            return arena_printf(arena, "%s" STR_FMT "%s:" STR_FMT, six ? "[" : "", STR_ARG(address),
                                six ? "]" : "", STR_ARG(http_url_port(url, arena)));
    }
    return url;
}

/** Whether a connection goes to a port of the run that the run's authority vouches for. */
static bool goes_to_run(const struct http_try *try, struct str url)
{
    struct scenario_endpoint endpoint;
    return !try->request->unix_socket.data &&
           scenario_endpoint_port(try->attempt->scenario, target_of(try, url), &endpoint) &&
           !endpoint.program;
}

/** The version where none is written: that of the run's port, in clear. */
static int version_by_port(const struct http_try *try)
{
    struct scenario_endpoint endpoint;
    bool h2c = goes_straight(try->request) &&
               scenario_endpoint_port(try->attempt->scenario, try->url, &endpoint) &&
               endpoint.protocol == PROTOCOL_H2C;
    return h2c ? HTTP_REQUEST_H2C : HTTP_REQUEST_1_1;
}

int http_try_version(struct http_try *try, struct str *why)
{
    bool tls = http_url_has_scheme(try->url, "https");
    const char *wrong = NULL;
    try->version = try->request->version;
    if (tls && try->version == HTTP_REQUEST_H2C)
        wrong = "h2c is HTTP/2 in clear, and the URL is https: write version: \"2\"";
    else if (!tls && try->request->tls && try->request->follow == 0)
        wrong = "'tls' is given, but the URL is http: there is no TLS";
    else if (!tls && try->version == HTTP_REQUEST_2)
        try->version = HTTP_REQUEST_H2C;
    else if (!tls && try->version == HTTP_REQUEST_BY_PORT)
        try->version = version_by_port(try);
    if (!wrong && try->version == HTTP_REQUEST_H2C)
        wrong = http_h2c_wrong(try->request, NULL);
    *why = wrong ? str_of(wrong) : STR("");
    return wrong ? -1 : 0;
}

/* What new connections are like. */

static struct tls_client_plan plan_of_try(const struct http_try *try, struct str url)
{
    struct tls_client_plan plan = {
        .options = try->request->tls,
        .host = http_url_host(url, try->attempt->arena),
        .server = scenario_server(try->attempt->scenario),
        .only_run = goes_to_run(try, url),
    };
    bool two = try->version == HTTP_REQUEST_2 || try->version == HTTP_REQUEST_BY_PORT;
    bool one = try->version != HTTP_REQUEST_2;
    size_t count = 0;
    if (two)
        plan.alpn[count++] = "h2";
    if (one)
        plan.alpn[count++] = "http/1.1";
    return plan;
}

/** libcurl makes a new connection of TLS. */
static CURLcode on_context(CURL *easy, void *context, void *user)
{
    struct http_try *try = user;
    struct arena *arena = try->attempt->arena;
    const char *url = NULL;
    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    struct tls_client_plan plan = plan_of_try(try, url ? arena_copy(arena, str_of(url)) : try->url);
    tls_client_release(try->tls);
    try->tls = tls_client_context(context, &plan, arena, &try->stop_words);
    if (try->tls)
        return CURLE_OK;
    try->stop = HTTP_NOT_READY;
    return CURLE_SSL_CERTPROBLEM;
}

/**
 * What libcurl does not tell otherwise: GOAWAY of HTTP/2, HTTP_1_1_REQUIRED, and whether the
 * connection stands. It also says what it sends (the path, headers): texts are told by how they
 * begin.
 */
static int on_talk(CURL *easy, curl_infotype type, char *text, size_t size, void *user)
{
    struct http_try *try = user;
    struct str said = {text, size};
    (void)easy;
    if (type != CURLINFO_TEXT)
        return 0;
    /* as 7.88 spells it */
    if (str_starts(said, STR("recveived GOAWAY")) || str_starts(said, STR("received GOAWAY")))
        try->goaway = true;
    if (str_starts(said, STR("Connection #")) && str_find(said, STR("left intact")) >= 0)
        try->intact = true;
    /* it would ask again by HTTP/1.1, and as our ALPN is not its own, again and again */
    if (str_starts(said, STR("Downgrades to HTTP/1.1"))) {
        try->stop = HTTP_H1_REQUIRED;
        try->stop_words = STR("the peer reset the stream: HTTP_1_1_REQUIRED");
    }
    return 0;
}

void http_try_prepare_tls(struct http_try *try)
{
    CURL *easy = try->easy;
    struct tls_client_plan plan = plan_of_try(try, try->url);
    long version = try->version == HTTP_REQUEST_1_0   ? CURL_HTTP_VERSION_1_0
                   : try->version == HTTP_REQUEST_1_1 ? CURL_HTTP_VERSION_1_1
                                                      : CURL_HTTP_VERSION_2TLS;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
    if (!http_url_has_scheme(try->url, "https") && try->request->follow == 0)
        return;
    /* OpenSSL verifies by itself, see tls_client_context(); no file is read for it */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    /* by this text, which is no path, libcurl tells apart what is not the same connection */
    curl_easy_setopt(easy, CURLOPT_CAPATH, tls_client_key(&plan, try->attempt->arena).data);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, try->own_pool ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, try);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_talk);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, try);
}

/* What became of it. */

void http_try_forget_tls(struct http_try *try)
{
    tls_client_release(try->tls);
    try->tls = NULL;
    try->goaway = false;
    try->intact = false;
}

void http_try_collect_tls(const struct tls_client *tls, struct http_result *result,
                          struct arena *arena)
{
    if (tls->leaf)
        result->certificate = tls_certificate_read(tls->leaf, arena);
    if (tls->version)
        result->tls_version = arena_copy(arena, str_of(tls->version));
    if (tls->cipher)
        result->tls_cipher = arena_copy(arena, str_of(tls->cipher));
    if (tls->alpn[0])
        result->tls_alpn = arena_copy(arena, str_of(tls->alpn));
}

/** Whether the version that is written is what was agreed. */
static bool version_fits(struct http_try *try)
{
    bool written_alpn = try->request->tls && try->request->tls->alpn;
    if (try->version != HTTP_REQUEST_2 || written_alpn || tls_client_is_h2(try->tls))
        return true;
    try->stop = HTTP_NO_H2;
    try->stop_words = STR("the server did not agree on h2 by ALPN");
    return false;
}

/**
 * libcurl 7.88 takes an answer for whole when nghttp2 gives the connection up in the middle of it,
 * because a frame broke a rule; but it does not use that connection again. Where nothing else says
 * how long the body is, that is what tells.
 */
bool http_try_is_whole(const struct http_try *try)
{
    return !try->tls || !tls_client_is_h2(try->tls) || try->intact || try->goaway ||
           tls_client_is_closed(try->tls) ||
           headers_get(&try->head.headers, STR("content-length")).data;
}

bool http_try_sending_tls(struct http_try *try)
{
    struct curl_tlssessioninfo *info = NULL;
    tls_client_release(try->tls);
    try->tls = NULL;
    if (curl_easy_getinfo(try->easy, CURLINFO_TLS_SSL_PTR, &info) == CURLE_OK && info &&
        info->backend == CURLSSLBACKEND_OPENSSL)
        try->tls = tls_client_of(info->internals);
    if (!try->tls)
        return true;
    tls_client_sending(try->tls);
    return version_fits(try);
}
