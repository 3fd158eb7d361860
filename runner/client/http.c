#include "runner/client/http.h"

#include "base/clock.h"
#include "runner/client/http_decode.h"
#include "runner/client/http_try.h"
#include "runner/client/http_url.h"

#include <string.h>

/* What libcurl tells while a request is under way. */

/** The next request of this redirect is a GET whatever this one was (RFC 9110, section 15.4). */
static bool turns_into_get(const struct http_try *try)
{
    struct str method = http_request_method(try->request);
    unsigned status = try->head.status;
    if (str_is(method, "HEAD"))
        return false;
    return status == 303 || ((status == 301 || status == 302) && str_is(method, "POST"));
}

/** Whether libcurl follows the head that is whole now. */
static bool sends_us_on(const struct http_try *try)
{
    return try->request->follow > 0 && try->head.status / 100 == 3 &&
           headers_get(&try->head.headers, STR("location")).size > 0;
}

/** A whole head came; false when it sends us on once too often. */
static bool on_head_done(struct http_try *try)
{
    try->redirecting = sends_us_on(try);
    if (!try->redirecting)
        return true;
    if (try->result.redirects == try->request->follow) {
        try->stop = HTTP_REDIRECTS;
        try->stop_words =
            arena_printf(try->attempt->arena, "more than %u redirects", try->result.redirects);
        return false;
    }
    if (turns_into_get(try))
        http_prepare_get(try);
    return true;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct http_try *try = context;
    bool was_done = try->head.done;
    try->head.is_h2 = try->tls && tls_client_is_h2(try->tls);
    if (http_head_line(&try->head, (struct str){data, size * count})) {
        bool go_on = was_done || !try->head.done || on_head_done(try);
        return go_on ? size * count : 0;
    }
    try->stop = try->head.too_large ? HTTP_HEAD_TOO_LARGE : HTTP_BROKEN;
    try->stop_words = try->head.too_large ? STR("the head exceeds 300 KiB") : try->head.broken;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct http_try *try = context;
    if (buf_append(&try->body, (struct str){data, size * count}) == 0)
        return size * count;
    struct buf words;
    buf_init(&words, BUF_OWN);
    buf_append_string(&words, "the body exceeds max-body, ");
    units_write_size(try->request->max_body, &words);
    try->stop = HTTP_BODY_TOO_LARGE;
    try->stop_words = arena_copy(try->attempt->arena, buf_str(&words));
    buf_clear(&words);
    return 0;
}

/** The connection stands; the request goes onto it now. */
static int on_sending(void *context, char *remote_address, char *local_address, int remote_port,
                      int local_port)
{
    struct http_try *try = context;
    struct arena *arena = try->attempt->arena;
    bool six = strchr(remote_address, ':') != NULL;
    (void)local_address;
    (void)local_port;
    http_pool_sending(try->pool);
    if (try->stop != HTTP_NOT_STOPPED || !http_try_sending_tls(try))
        return CURL_PREREQFUNC_ABORT;
    http_head_reset(&try->head);
    buf_reset(&try->body);
    timer_stop(&try->connect_timeout);
    try->sent++;
    try->result.redirects += try->redirecting;
    try->redirecting = false;
    if (try->request->unix_socket.data)
        try->result.remote =
            arena_printf(arena, "unix:" STR_FMT, STR_ARG(try->request->unix_socket));
    else
        try->result.remote = arena_printf(arena, "%s%s%s:%d", six ? "[" : "", remote_address,
                                          six ? "]" : "", remote_port);
    return CURL_PREREQFUNC_OK;
}

static void start_connect_timeout(struct http_try *try)
{
    if (try->request->connect_timeout_ns)
        timer_start(&try->connect_timeout, try->request->connect_timeout_ns);
}

static bool on_connecting(void *context)
{
    const struct http_try *try = context;
    if (try->stop != HTTP_NOT_STOPPED)
        return false;
    http_try_forget_tls(context);
    start_connect_timeout(context);
    return true;
}

/* The end. */

/** Gives everything of libcurl back; what remains is in the arena. */
static void http_try_detach(struct http_try *try)
{
    if (!try->easy)
        return;
    timer_stop(&try->timeout);
    timer_stop(&try->connect_timeout);
    if (try->pool)
        http_pool_stop(try->pool);
    if (try->pool && try->own_pool)
        http_client_give_pool(try->client, try->pool);
    http_prepare_undo(try);
    http_try_forget_tls(try);
    curl_easy_cleanup(try->easy);
    try->pool = NULL;
    try->easy = NULL;
}

static int64_t info_time(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, info, &us);
    return (int64_t)us * 1000;
}

/** Whether a byte came that may be one of an answer; of HTTP/2 only the head is. */
static bool has_received(const struct http_try *try)
{
    if (try->tls)
        return !tls_client_is_h2(try->tls) && tls_client_has_received(try->tls);
    return http_pool_has_received(try->pool);
}

/** How far the last request had come. */
static enum http_phase try_phase(const struct http_try *try)
{
    if (try->sent == 0)
        return HTTP_CONNECTING;
    if (try->head.done)
        return HTTP_BODY;
    if (try->head.begun || try->head.size || has_received(try))
        return HTTP_HEAD;
    return HTTP_WAITING;
}

void http_try_decode(struct http_try *try)
{
    struct arena *arena = try->attempt->arena;
    struct str codings = STR("");
    for (size_t i = 0; i < try->head.headers.count; i++) {
        const struct header *header = &try->head.headers.items[i];
        if (str_equal_nocase(header->name, STR("content-encoding")))
            codings = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(codings),
                                   codings.size ? "," : "", STR_ARG(header->value));
    }
    switch (http_decode(codings, &try->body)) {
    case HTTP_DECODED:
        return;
    case HTTP_DECODE_UNKNOWN:
        try->stop = HTTP_BROKEN;
        try->stop_words = arena_printf(arena, "content-encoding '" STR_FMT "' was not asked for",
                                       STR_ARG(codings));
        return;
    case HTTP_DECODE_BAD:
        try->stop = HTTP_BROKEN;
        try->stop_words = arena_printf(
            arena, "the body is not in its content-encoding '" STR_FMT "'", STR_ARG(codings));
        return;
    case HTTP_DECODE_CUT:
        try->stop = HTTP_CUT;
        try->stop_words =
            arena_printf(arena, "the body ends before its '" STR_FMT "' does", STR_ARG(codings));
        return;
    case HTTP_DECODE_LARGE:
        try->stop = HTTP_BODY_TOO_LARGE;
        try->stop_words = STR("the decoded body exceeds max-body");
        return;
    }
}

/** Reads what only the handle knows, before it is given back. */
static void collect_info(struct http_try *try)
{
    struct http_result *result = &try->result;
    struct arena *arena = try->attempt->arena;
    const char *url = NULL;
    curl_easy_getinfo(try->easy, CURLINFO_EFFECTIVE_URL, &url);
    result->url = arena_copy(arena, url ? str_of(url) : try->url);
    result->connect_ns = try->sent ? info_time(try->easy, CURLINFO_CONNECT_TIME_T) : -1;
    bool answered = try_phase(try) >= HTTP_HEAD;
    result->tls_ns = try->sent && try->tls ? info_time(try->easy, CURLINFO_APPCONNECT_TIME_T) : -1;
    result->first_byte_ns = answered ? info_time(try->easy, CURLINFO_STARTTRANSFER_TIME_T) : -1;
    result->end_ns = clock_now();
    if (try->tls)
        http_try_collect_tls(try->tls, result, arena);
    result->duration_ns = info_time(try->easy, CURLINFO_TOTAL_TIME_T);
    /* libcurl's clock stands still when we end the exchange ourselves */
    if (try->stop == HTTP_LIMIT || try->stop == HTTP_NOT_READY)
        result->duration_ns = result->end_ns - result->start_ns;
}

static void collect_answer(struct http_try *try)
{
    struct http_result *result = &try->result;
    result->headers = try->head.headers;
    result->trailers = try->head.trailers;
    result->body = buf_str(&try->body);
    if (!try->head.done)
        return;
    result->status = try->head.status;
    result->version = try->head.version;
    result->reason = try->head.reason;
}

/** Whether nothing but the end of the connection ends the body (RFC 9112, section 6.3). */
static bool ends_by_close(const struct http_try *try)
{
    const struct http_head *head = &try->head;
    bool none = head->status == 204 || head->status == 304 ||
                str_is(http_request_method(try->request), "HEAD");
    return !none && !str_starts(head->version, STR("2")) &&
           !headers_get(&head->headers, STR("content-length")).data &&
           !headers_get(&head->headers, STR("transfer-encoding")).data;
}

/** RFC 9112, section 9.8: over TLS such a body is whole only if close_notify came; libcurl 7.88
 * does not look. */
static void check_close(struct http_try *try)
{
    if (!http_try_is_whole(try)) {
        try->stop = HTTP_BROKEN;
        try->stop_words = STR("nghttp2 gave the connection up in the middle of the answer");
    }
    if (!try->tls || tls_client_is_closed(try->tls) || !ends_by_close(try))
        return;
    try->stop = HTTP_CUT;
    try->stop_words = STR("the connection ended without close_notify before a length was known");
}

static void decide(struct http_try *try, CURLcode code)
{
    struct arena *arena = try->attempt->arena;
    struct http_evidence evidence = {.code = code, .phase = try_phase(try)};
    long os_errno = 0;
    curl_easy_getinfo(try->easy, CURLINFO_OS_ERRNO, &os_errno);
    if (try->stop == HTTP_NOT_STOPPED && code == CURLE_OK && evidence.phase == HTTP_BODY)
        check_close(try);
    if (try->stop == HTTP_NOT_STOPPED && code == CURLE_OK && evidence.phase == HTTP_BODY &&
        try->request->compressed)
        http_try_decode(try);
    evidence.os_errno = (int)os_errno;
    evidence.stop = try->stop;
    evidence.tls = try->tls;
    evidence.goaway = try->goaway;
    evidence.arena = arena;
    evidence.connected = try->pool && http_pool_is_connected(try->pool);
    evidence.words = try->stop ? try->stop_words : arena_copy(arena, str_of(try->words));
    try->result.complete = http_error_decide(&evidence, &try->result.failure);
}

static struct str outcome_words(const struct http_result *result, struct arena *arena)
{
    struct buf words;
    buf_init(&words, BUF_OWN);
    if (result->complete)
        buf_printf(&words, "%u in ", result->status);
    else
        buf_printf(&words, "%s in ", result->failure.name ? result->failure.name : "failed");
    units_write_time(result->duration_ns, &words);
    struct str outcome = arena_copy(arena, buf_str(&words));
    buf_clear(&words);
    return outcome;
}

static void http_try_end(struct http_try *try, CURLcode code)
{
    decide(try, code);
    collect_info(try);
    http_try_detach(try);
    http_try_conclude(try);
}

void http_try_conclude(struct http_try *try)
{
    struct attempt *attempt = try->attempt;
    collect_answer(try);
    attempt->outcome = outcome_words(&try->result, attempt->arena);
    http_expect_judge(attempt->expect, &try->result, attempt->verb_place, attempt->loop,
                      &attempt->failures);
    attempt_done(attempt);
}

static void on_finished(void *context, CURLcode code)
{
    http_try_end(context, code);
}

static const struct http_pool_user pool_user = {.finished = on_finished,
                                                .connecting = on_connecting};

/** A limit ran out. */
static void http_try_limit(struct http_try *try, const char *what, int64_t limit_ns)
{
    struct buf words;
    bool connected = http_pool_is_connected(try->pool);
    buf_init(&words, BUF_OWN);
    buf_printf(&words, "%s within %s", connected ? "no whole answer" : "no connection", what);
    if (limit_ns) {
        buf_append_byte(&words, ' ');
        units_write_time(limit_ns, &words);
    }
    try->stop = HTTP_LIMIT;
    try->stop_words = arena_copy(try->attempt->arena, buf_str(&words));
    buf_clear(&words);
    http_try_end(try, CURLE_OPERATION_TIMEDOUT);
}

static void on_timeout(struct timer *timer)
{
    struct http_try *try = CONTAINER_OF(timer, struct http_try, timeout);
    http_try_limit(try, "its timeout of", try->request->timeout_ns);
}

static void on_connect_timeout(struct timer *timer)
{
    struct http_try *try = CONTAINER_OF(timer, struct http_try, connect_timeout);
    if (!http_pool_is_connected(try->pool))
        http_try_limit(try, "its connect-timeout of", try->request->connect_timeout_ns);
}

/* The verb. */

static void body_free(void *object)
{
    buf_clear(object);
}

static struct http_try *http_try_new(struct attempt *attempt)
{
    struct http_try *try = arena_alloc(attempt->arena, sizeof *try);
    try->attempt = attempt;
    try->request = attempt->value;
    try->client = scenario_http_client(attempt->scenario);
    try->url = http_request_url(try->request, attempt->scenario, attempt->arena);
    try->own_pool = attempt->session.data == NULL;
    try->head.arena = attempt->arena;
    try->head.upgrade_asked = http_request_header(try->request, "upgrade") != NULL;
    try->result.start_ns = clock_now();
    try->result.tries = attempt->tries;
    try->result.tls_ns = -1;
    buf_init(&try->body, (size_t)try->request->max_body);
    arena_defer(attempt->arena, body_free, &try->body);
    timer_init(&try->timeout, attempt->loop, on_timeout);
    timer_init(&try->connect_timeout, attempt->loop, on_connect_timeout);
    return try;
}

static void set_callbacks(struct http_try *try)
{
    curl_easy_setopt(try->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(try->easy, CURLOPT_HEADERDATA, try);
    curl_easy_setopt(try->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(try->easy, CURLOPT_WRITEDATA, try);
    curl_easy_setopt(try->easy, CURLOPT_PREREQFUNCTION, on_sending);
    curl_easy_setopt(try->easy, CURLOPT_PREREQDATA, try);
}

/** Ends a try that cannot begin. */
static void http_try_refuse(struct http_try *try, struct str why)
{
    try->stop = HTTP_NOT_READY;
    try->stop_words = why;
    http_try_end(try, CURLE_READ_ERROR);
}

static void http_start(struct attempt *attempt)
{
    struct http_try *try = http_try_new(attempt);
    struct str why = {0};
    struct scenario_endpoint endpoint;
    bool possible = http_try_version(try, &why) == 0;
    bool own = scenario_endpoint_port(attempt->scenario, try->url, &endpoint) && !endpoint.program;
    attempt->state = try;
    attempt->replay = http_replay(try->request, try->url, try->version, own, attempt->arena);
    if (possible && try->version == HTTP_REQUEST_H2C) {
        http_h2c_start(try);
        return;
    }
    try->easy = http_easy_new();
    set_callbacks(try);
    if (!possible || http_prepare(try, &why) != 0) {
        http_try_refuse(try, why);
        return;
    }
    try->pool = try->own_pool ? http_client_take_pool(try->client)
                              : http_session_pool(client_http_sessions(attempt->client),
                                                  attempt->session, attempt->loop);
    if (http_url_has_scheme(try->url, "https"))
        http_pool_drop_ended(try->pool);
    http_pool_start(try->pool, try->easy, &pool_user, try);
    if (try->request->timeout_ns)
        timer_start(&try->timeout, try->request->timeout_ns);
    start_connect_timeout(try);
}

static void http_cancel(struct attempt *attempt)
{
    struct http_try *try = attempt->state;
    if (try && try->h2c)
        http_h2c_detach(try);
    else if (try)
        http_try_detach(try);
}

static void http_expire(struct attempt *attempt)
{
    struct http_try *try = attempt->state;
    if (try && try->h2c)
        http_h2c_expire(try);
    else if (try && try->pool)
        http_try_limit(try, "the step's timeout", 0);
}

static struct str http_waiting(struct attempt *attempt, struct arena *arena)
{
    const struct http_try *try = attempt->state;
    struct str method = http_request_method(try->request);
    if (try->h2c)
        return arena_printf(arena, "%s " STR_FMT " " STR_FMT, http_h2c_waiting(try),
                            STR_ARG(method), STR_ARG(try->url));
    if (!try->pool)
        return STR("");
    const char *what = "the connection for";
    if (http_pool_is_connected(try->pool))
        what = try->head.done ? "the rest of the answer to" : "an answer to";
    return arena_printf(arena, "%s " STR_FMT " " STR_FMT, what, STR_ARG(method), STR_ARG(try->url));
}

/* Captures. */

static const struct json *capture_header(struct attempt *attempt, const struct http_result *result,
                                         const struct node *node, struct str *why)
{
    struct str name = node_scalar_text(node);
    const struct json *value = headers_to_json(&result->headers, name, attempt->arena);
    if (!value)
        *why =
            arena_printf(attempt->arena, "the answer has no header '" STR_FMT "'", STR_ARG(name));
    return value;
}

static const struct json *capture_cookie(struct attempt *attempt, const struct http_result *result,
                                         const struct node *node, struct str *why)
{
    struct str name = node_scalar_text(node);
    const struct json *value = http_result_cookie(result, name, attempt->arena);
    if (!value)
        *why =
            arena_printf(attempt->arena, "the answer sets no cookie '" STR_FMT "'", STR_ARG(name));
    return value;
}

static const struct json *capture_status(struct attempt *attempt, const struct http_result *result,
                                         const struct node *node, struct str *why)
{
    (void)node;
    if (result->status)
        return json_integer(attempt->arena, result->status);
    *why = STR("there was no answer");
    return NULL;
}

static const struct json *capture_url(struct attempt *attempt, const struct http_result *result,
                                      const struct node *node, struct str *why)
{
    (void)node;
    (void)why;
    return json_string(attempt->arena, result->url);
}

/** How one source of a capture is found; those of the body are found by body_capture(). */
static const struct capture_source {
    const char *name;
    const struct json *(*find)(struct attempt *attempt, const struct http_result *result,
                               const struct node *node, struct str *why);
} capture_sources[] = {
    {"jsonpath", NULL}, {"header", capture_header}, {"cookie", capture_cookie}, {"body", NULL},
    {"xpath", NULL},    {"status", capture_status}, {"url", capture_url},
};

/** What is read of a source; only whether it can be read matters. */
struct source_read {
    struct body_source body;
    struct str name;
    const struct node *any;
};

static const struct row source_rows[] = {
    {NULL, &body_source_type, offsetof(struct source_read, body), ROW_INCLUDE, NULL, NULL},
    {"header", &type_text, offsetof(struct source_read, name), 0, NULL,
     "The value of a header; a list if it came several times."},
    {"cookie", &type_text, offsetof(struct source_read, name), 0, NULL,
     "The value of a cookie that the answer sets."},
    {"status", &type_node, offsetof(struct source_read, any), 0, NULL,
     "The status, as a number; the value of the key is of no matter."},
    {"url", &type_node, offsetof(struct source_read, any), 0, NULL,
     "The URL of the last request; the value of the key is of no matter."},
};
static const struct table source_table = {
    TABLE_ROWS("capture", source_rows),
    .doc = "Where a value of an answer is found: exactly one key.",
    .check = capture_check,
};
static const struct type source_type = TYPE_TABLE(&source_table, struct source_read);

static const struct json *http_capture(struct attempt *attempt, const struct node *source,
                                       struct str *why)
{
    const struct http_try *try = attempt->state;
    if (source->kind != NODE_MAP || source->count != 1) {
        *why = STR("a capture has exactly one source");
        return NULL;
    }
    const struct node_pair *pair = &source->pairs[0];
    struct nearest nearest = {.wanted = pair->key->text};
    for (size_t i = 0; i < COUNT_OF(capture_sources); i++) {
        const struct capture_source *row = &capture_sources[i];
        str_nearest(&nearest, str_of(row->name));
        if (!str_is(pair->key->text, row->name))
            continue;
        if (row->find)
            return row->find(attempt, &try->result, pair->value, why);
        return body_capture(attempt->arena, row->name, pair->value, try->result.body, why);
    }
    *why = arena_printf(attempt->arena, "unknown source '" STR_FMT "'%s" STR_FMT "%s",
                        STR_ARG(pair->key->text), nearest.best.size ? ", did you mean '" : "",
                        STR_ARG(nearest.best), nearest.best.size ? "'?" : "");
    return NULL;
}

const struct verb http_verb = {
    .expect = &http_expect_type,
    .implied = true,
    .sessions = true,
    .source = &source_type,
    .start = http_start,
    .expire = http_expire,
    .cancel = http_cancel,
    .capture = http_capture,
    .title = http_request_title,
    .waiting = http_waiting,
};
