#include "runner/client/http_h2c_private.h"

#include "base/clock.h"
#include "server/http/h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

/* The end. */

/** Phases as a set. */
enum {
    CONNECTING = 1 << H2_CONNECTING,
    WAITING = 1 << H2_WAITING,
    HEAD = 1 << H2_HEAD,
    BODY = 1 << H2_BODY,
    ANY_PHASE = CONNECTING | WAITING | HEAD | BODY,
};

enum { ANY_ERRNO = -1 };

struct end_row {
    enum h2_end kind;
    int error; /**< errno */
    unsigned phases;
    const char *name; /**< NULL: an error of the transport that has no name */
};

/** The first row that fits decides. What fits none is a fault of the harness. */
static const struct end_row end_rows[] = {
    {H2_END_DNS, ANY_ERRNO, ANY_PHASE, "dns"},
    {H2_END_CONNECT, ECONNREFUSED, ANY_PHASE, "connection-refused"},
    {H2_END_CONNECT, ENOENT, ANY_PHASE, "connection-refused"},
    {H2_END_CONNECT, ECONNRESET, ANY_PHASE, "connection-reset"},
    {H2_END_CONNECT, EPIPE, ANY_PHASE, "connection-reset"},
    {H2_END_CONNECT, ETIMEDOUT, ANY_PHASE, "connect-timeout"},
    {H2_END_CONNECT, EHOSTUNREACH, ANY_PHASE, NULL},
    {H2_END_CONNECT, ENETUNREACH, ANY_PHASE, NULL},
    {H2_END_GOAWAY, ANY_ERRNO, ANY_PHASE, "http2-goaway"},
    {H2_END_PROTOCOL, ANY_ERRNO, ANY_PHASE, "protocol"},
    {H2_END_CUT, ANY_ERRNO, ANY_PHASE, "truncated"},
    {H2_END_HEAD_SIZE, ANY_ERRNO, ANY_PHASE, "header-too-large"},
    {H2_END_CLOSED, ANY_ERRNO, CONNECTING | WAITING, "empty-response"},
    {H2_END_CLOSED, ANY_ERRNO, HEAD, "connection-closed"},
    {H2_END_CLOSED, ANY_ERRNO, BODY, "truncated"},
    {H2_END_BROKEN, ECONNRESET, ANY_PHASE, "connection-reset"},
    {H2_END_BROKEN, EPIPE, ANY_PHASE, "connection-reset"},
    {H2_END_BROKEN, ETIMEDOUT, ANY_PHASE, "timeout"},
};

/** "http2-reset(CANCEL)". */
static const char *reset_name(uint32_t code, struct arena *arena)
{
    char room[24];
    struct str name = h2_error_name(code, room);
    return arena_printf(arena, "http2-reset(" STR_FMT ")", STR_ARG(name)).data;
}

void http_h2c_failure(const struct h2_client_end *end, struct http_failure *failure,
                      struct arena *arena)
{
    *failure = (struct http_failure){.why = arena_copy(arena, end->words), .harness = true};
    if (end->kind == H2_END_RESET) {
        failure->name = reset_name(end->code, arena);
        failure->harness = false;
    }
    for (size_t i = 0; i < COUNT_OF(end_rows) && failure->harness; i++) {
        const struct end_row *row = &end_rows[i];
        if (row->kind != end->kind || !(row->phases & (1u << end->phase)) ||
            (row->error != ANY_ERRNO && row->error != end->error))
            continue;
        failure->name = row->name;
        failure->harness = false;
    }
}

/** What we ended ourselves. */
static void fail(struct http_h2c *h2c, const char *name, struct str why)
{
    h2c->try->result.failure =
        (struct http_failure){.name = name, .why = why, .harness = name == NULL};
}

void http_h2c_detach(struct http_try *try)
{
    struct http_h2c *h2c = try->h2c;
    if (!h2c)
        return;
    try->h2c = NULL;
    timer_stop(&h2c->timeout);
    timer_stop(&h2c->connect_timeout);
    timer_stop(&h2c->next_hop);
    if (h2c->call)
        h2_call_cancel(h2c->call, NGHTTP2_CANCEL);
    h2c->call = NULL;
    h2c_connection_give(h2c, h2c->connection && h2_client_is_connected(h2c->connection->client));
    if (h2c->own_session)
        http_h2c_session_free(h2c->session);
}

/** The failure is set, or the answer is whole. */
static void exchange_end(struct http_h2c *h2c, bool complete)
{
    struct http_try *try = h2c->try;
    struct http_result *result = &try->result;
    result->complete = complete;
    if (complete && try->request->compressed) {
        http_try_decode(try);
        if (try->stop != HTTP_NOT_STOPPED) {
            http_error_decide(&(struct http_evidence){.stop = try->stop, .words = try->stop_words},
                              &result->failure);
            result->complete = false;
        }
    }
    result->url = h2c->hop.url.data ? h2c->hop.url : try->url;
    result->end_ns = clock_now();
    result->duration_ns = result->end_ns - result->start_ns;
    http_h2c_detach(try);
    http_try_conclude(try);
}

/* Limits. */

static bool is_connected(const struct http_h2c *h2c)
{
    return h2c->connection && h2_client_is_connected(h2c->connection->client);
}

static void exchange_limit(struct http_h2c *h2c, const char *what, int64_t limit_ns)
{
    bool connected = is_connected(h2c);
    struct buf words;
    buf_init(&words, BUF_OWN);
    buf_printf(&words, "%s within %s", connected ? "no whole answer" : "no connection", what);
    if (limit_ns) {
        buf_append_byte(&words, ' ');
        units_write_time(limit_ns, &words);
    }
    fail(h2c, connected ? "timeout" : "connect-timeout",
         arena_copy(h2c->try->attempt->arena, buf_str(&words)));
    buf_clear(&words);
    exchange_end(h2c, false);
}

static void on_timeout(struct timer *timer)
{
    struct http_h2c *h2c = CONTAINER_OF(timer, struct http_h2c, timeout);
    exchange_limit(h2c, "its timeout of", h2c->try->request->timeout_ns);
}

static void on_connect_timeout(struct timer *timer)
{
    struct http_h2c *h2c = CONTAINER_OF(timer, struct http_h2c, connect_timeout);
    exchange_limit(h2c, "its connect-timeout of", h2c->try->request->connect_timeout_ns);
}

void http_h2c_expire(struct http_try *try)
{
    if (try->h2c)
        exchange_limit(try->h2c, "the step's timeout", 0);
}

const char *http_h2c_waiting(const struct http_try *try)
{
    if (!try->h2c || !is_connected(try->h2c))
        return "the connection for";
    return try->head.done ? "the rest of the answer to" : "an answer to";
}

/* Hops. */

static struct str url_part(CURLU *url, CURLUPart part, unsigned flags, struct arena *arena)
{
    char *text = NULL;
    struct str copy = {0};
    if (curl_url_get(url, part, &text, flags) == CURLUE_OK && text)
        copy = arena_copy(arena, str_of(text));
    curl_free(text);
    return copy;
}

static struct str user_of(CURLU *url, struct arena *arena)
{
    struct str user = url_part(url, CURLUPART_USER, CURLU_URLDECODE, arena);
    struct str password = url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE, arena);
    if (!user.data)
        return (struct str){0};
    return arena_printf(arena, STR_FMT ":" STR_FMT, STR_ARG(user), STR_ARG(password));
}

/** Takes a URL apart, relative to the hop at hand if there was one. False: it is none for us. */
static bool hop_read(struct http_h2c *h2c, struct str text, struct h2c_hop *hop)
{
    struct arena *arena = h2c->try->attempt->arena;
    CURLU *url = curl_url();
    const unsigned as_written = CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME;
    const unsigned as_location = CURLU_URLENCODE | CURLU_ALLOW_SPACE | CURLU_NON_SUPPORT_SCHEME;
    bool first = h2c->hop.url.data == NULL;
    uint64_t port = 0;
    GOTO_ASSERT(url);
    bool good =
        first || curl_url_set(url, CURLUPART_URL, h2c->hop.url.data, as_written) == CURLUE_OK;
    good = good && curl_url_set(url, CURLUPART_URL, arena_copy(arena, text).data,
                                first ? as_written : as_location) == CURLUE_OK;
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    *hop = (struct h2c_hop){.url = url_part(url, CURLUPART_URL, 0, arena),
                            .host = url_part(url, CURLUPART_HOST, 0, arena),
                            .path = url_part(url, CURLUPART_PATH, 0, arena),
                            .user = user_of(url, arena)};
    struct str query = url_part(url, CURLUPART_QUERY, 0, arena);
    struct str scheme = url_part(url, CURLUPART_SCHEME, 0, arena);
    struct str number = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, arena);
    curl_url_cleanup(url);
    if (!good || !str_equal_nocase(scheme, STR("http")) || !hop->host.size ||
        !str_to_u64(number, UINT16_MAX, &port))
        return false;
    hop->port = (uint16_t)port;
    hop->authority =
        port == 80 ? hop->host : arena_printf(arena, STR_FMT ":%u", STR_ARG(hop->host), hop->port);
    if (str_starts(hop->host, STR("[")))
        hop->host = str_slice(hop->host, 1, hop->host.size - 2);
    hop->path = hop->path.size ? hop->path : STR("/");
    hop->target = query.data
                      ? arena_printf(arena, STR_FMT "?" STR_FMT, STR_ARG(hop->path), STR_ARG(query))
                      : hop->path;
    return true;
}

/** The address that `resolve` gives a name, else the name. */
static struct str resolved(const struct http_request *request, struct str host)
{
    const struct map_entry *entries = request->resolve.items;
    for (size_t i = 0; i < request->resolve.count; i++)
        if (str_equal_nocase(entries[i].name, host))
            return *(const struct str *)entries[i].value;
    return host;
}

static struct h2_target hop_target(const struct http_h2c *h2c)
{
    const struct http_request *request = h2c->try->request;
    struct h2_target target = {.host = h2c->hop.host,
                               .port = h2c->hop.port,
                               .unix_socket = request->unix_socket,
                               .interface = request->interface};
    size_t colon = request->connect_to.size;
    uint64_t port = 0;
    while (colon && request->connect_to.data[colon - 1] != ':')
        colon--;
    if (colon && str_to_u64(str_from(request->connect_to, colon), UINT16_MAX, &port)) {
        target.host = str_slice(request->connect_to, 0, colon - 1);
        target.port = (uint16_t)port;
        if (str_starts(target.host, STR("[")))
            target.host = str_slice(target.host, 1, target.host.size - 2);
    }
    target.host = resolved(request, target.host);
    return target;
}

/** It stands: by itself, or from before. */
static void hop_connected(struct http_h2c *h2c)
{
    struct http_result *result = &h2c->try->result;
    const struct h2_client *client = h2c->connection->client;
    timer_stop(&h2c->connect_timeout);
    result->remote = arena_copy(h2c->try->attempt->arena, h2_client_remote(client));
    if (result->connect_ns < 0)
        result->connect_ns = 0;
    if (h2c->connect_began_ns)
        result->connect_ns += h2_client_connected_ns(client) - h2c->connect_began_ns;
    h2c->connect_began_ns = 0;
}

static void on_connected(void *context)
{
    const struct h2c_connection *connection = context;
    if (connection->h2c)
        hop_connected(connection->h2c);
}

static const struct h2_client_user client_user = {.connected = on_connected};
static const struct h2_call_user call_user;

static void hop_start(struct http_h2c *h2c)
{
    const struct http_request *request = h2c->try->request;
    struct h2_target target = hop_target(h2c);
    http_head_reset(&h2c->try->head);
    buf_reset(&h2c->try->body);
    h2c->redirecting = false;
    h2c->connect_began_ns = clock_now();
    h2c->try->result.first_byte_ns = -1;
    h2c_request_prepare(h2c);
    h2c->connection = h2c_connection_take(h2c, &target, &client_user);
    if (is_connected(h2c)) {
        h2c->connect_began_ns = 0;
        hop_connected(h2c);
    } else if (request->connect_timeout_ns) {
        timer_start(&h2c->connect_timeout, request->connect_timeout_ns);
    }
    struct h2_request sent = {.method = h2c->method,
                              .scheme = STR("http"),
                              .authority = h2c->authority,
                              .path = h2c->hop.target,
                              .headers = &h2c->headers,
                              .source = h2c->has_body ? &h2c->source : NULL};
    h2c->call = h2_call_new(h2c->connection->client, &sent, &call_user, h2c);
}

static void on_next_hop(struct timer *timer)
{
    hop_start(CONTAINER_OF(timer, struct http_h2c, next_hop));
}

/* The answer. */

/** The next request of this redirect is a GET whatever this one was (RFC 9110, section 15.4). */
static bool turns_into_get(const struct http_h2c *h2c, unsigned status)
{
    if (str_is(h2c->method, "HEAD"))
        return false;
    return status == 303 || ((status == 301 || status == 302) && str_is(h2c->method, "POST"));
}

static void headers_copy(struct headers *into, const struct headers *from, struct arena *arena)
{
    *into = (struct headers){0};
    for (size_t i = 0; i < from->count; i++)
        headers_add(into, arena, arena_copy(arena, from->items[i].name),
                    arena_copy(arena, from->items[i].value));
}

static void keep_cookies(struct http_h2c *h2c, const struct headers *headers)
{
    for (size_t i = 0; h2c->cookies && i < headers->count; i++)
        if (str_is(headers->items[i].name, "set-cookie"))
            h2c_cookie_keep(h2c->cookies, &h2c->hop, headers->items[i].value,
                            h2c->try->attempt->arena);
}

static void on_head(void *context, unsigned status, const struct headers *headers)
{
    struct http_h2c *h2c = context;
    struct http_try *try = h2c->try;
    struct arena *arena = try->attempt->arena;
    try->head.begun = true;
    try->head.done = true;
    try->head.status = status;
    try->head.version = STR("2");
    try->head.reason = STR("");
    headers_copy(&try->head.headers, headers, arena);
    keep_cookies(h2c, headers);
    h2c->redirecting = try->request->follow > 0 && status / 100 == 3 &&
                       headers_get(headers, STR("location")).size > 0;
    if (!h2c->redirecting || try->result.redirects < try->request->follow)
        return;
    fail(h2c, "redirect-loop",
         arena_printf(arena, "more than %u redirects", try->result.redirects));
    exchange_end(h2c, false);
}

static void on_body(void *context, struct str bytes)
{
    struct http_h2c *h2c = context;
    struct buf words;
    if (h2c->redirecting || buf_append(&h2c->try->body, bytes) == 0) {
        h2_call_consume(h2c->call, bytes.size);
        return;
    }
    buf_init(&words, BUF_OWN);
    buf_append_string(&words, "the body exceeds max-body, ");
    units_write_size(h2c->try->request->max_body, &words);
    fail(h2c, "body-too-large", arena_copy(h2c->try->attempt->arena, buf_str(&words)));
    buf_clear(&words);
    exchange_end(h2c, false);
}

static void on_trailers(void *context, const struct headers *trailers)
{
    struct http_h2c *h2c = context;
    headers_copy(&h2c->try->head.trailers, trailers, h2c->try->attempt->arena);
}

/** A redirect's answer is whole: on to where it sends us. */
static void follow(struct http_h2c *h2c)
{
    struct arena *arena = h2c->try->attempt->arena;
    struct str location = headers_get(&h2c->try->head.headers, STR("location"));
    struct h2c_hop hop;
    if (!hop_read(h2c, location, &hop)) {
        fail(h2c, "protocol",
             arena_printf(arena, "the location '" STR_FMT "' is no URL that h2c goes to",
                          STR_ARG(location)));
        exchange_end(h2c, false);
        return;
    }
    if (turns_into_get(h2c, h2c->try->head.status)) {
        h2c->turned_get = true;
        h2c->method = STR("GET");
        h2c->has_body = false;
    }
    hop.foreign =
        hop.port != h2c->first_hop.port || !str_equal_nocase(hop.host, h2c->first_hop.host);
    h2c->hop = hop;
    h2c->try->result.redirects++;
    h2c_connection_give(h2c, true);
    timer_start(&h2c->next_hop, 0);
}

static void on_finished(void *context, const struct h2_client_end *end)
{
    struct http_h2c *h2c = context;
    struct http_result *result = &h2c->try->result;
    h2c->call = NULL;
    if (end->first_byte_ns >= 0)
        result->first_byte_ns = end->first_byte_ns - result->start_ns;
    if (end->kind == H2_END_WHOLE && h2c->redirecting) {
        follow(h2c);
        return;
    }
    if (end->kind != H2_END_WHOLE)
        http_h2c_failure(end, &result->failure, h2c->try->attempt->arena);
    exchange_end(h2c, end->kind == H2_END_WHOLE);
}

static const struct h2_call_user call_user = {
    .head = on_head, .body = on_body, .trailers = on_trailers, .finished = on_finished};

/* The start. */

static struct http_h2c *h2c_new(struct http_try *try)
{
    struct attempt *attempt = try->attempt;
    struct http_h2c *h2c = arena_alloc(attempt->arena, sizeof *h2c);
    h2c->try = try;
    h2c->method = http_request_method(try->request);
    timer_init(&h2c->timeout, attempt->loop, on_timeout);
    timer_init(&h2c->connect_timeout, attempt->loop, on_connect_timeout);
    timer_init(&h2c->next_hop, attempt->loop, on_next_hop);
    try->result.connect_ns = -1;
    try->result.first_byte_ns = -1;
    if (attempt->session.data) {
        struct http_sessions *sessions = client_http_sessions(attempt->client);
        struct http_h2c_session **kept =
            http_session_h2c(sessions, attempt->session, attempt->loop);
        if (!*kept)
            *kept = h2c_session_new();
        h2c->session = *kept;
        h2c->cookies =
            http_pool_share(http_session_pool(sessions, attempt->session, attempt->loop));
    } else {
        h2c->session = h2c_session_new();
        h2c->own_session = true;
    }
    return h2c;
}

void http_h2c_start(struct http_try *try)
{
    struct http_h2c *h2c = h2c_new(try);
    struct str why = {0};
    const char *wrong = http_h2c_wrong(try->request, NULL);
    try->h2c = h2c;
    if (try->request->timeout_ns)
        timer_start(&h2c->timeout, try->request->timeout_ns);
    if (wrong)
        why = str_of(wrong);
    else if (!hop_read(h2c, try->url, &h2c->hop))
        why = arena_printf(try->attempt->arena, "'" STR_FMT "' is no URL for h2c: http://HOST/PATH",
                           STR_ARG(try->url));
    if (why.data || h2c_body_load(h2c, &why) != 0) {
        fail(h2c, NULL, why);
        exchange_end(h2c, false);
        return;
    }
    h2c->first_hop = h2c->hop;
    hop_start(h2c);
}
