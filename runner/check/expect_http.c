#include "runner/check/expect_http.h"

#include "runner/check/error.h"
#include "runner/check/tls_names.h"
#include "runner/client/http.h"
#include "server/tls/client.h"

/* The table. */

static const struct type error_type = TYPE_PREDICATE_CHOICE(error_names);
static const struct type texts_map = TYPE_MAP(&type_predicate_text);

static enum read_result texts_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    enum read_result result = texts_map.read(reader, &texts_map, node, into);
    (void)type;
    if (node->kind != NODE_MAP || node->count)
        return result;
    diagnostics_add(reader->diagnostics, node->place, "an empty mapping of names compares nothing");
    return READ_FAILED;
}

static struct json *texts_schema(struct schema_writer *writer, const struct type *type)
{
    struct json *schema = schema_text(writer, "{\"type\": \"object\", \"minProperties\": 1}");
    json_put(schema_arena(writer), schema, STR("additionalProperties"),
             schema_of(writer, type->of));
    return schema;
}

const struct type expect_texts_type = {.name = "a mapping of names to predicates",
                                       .size = sizeof(struct list),
                                       .read = texts_read,
                                       .schema = texts_schema,
                                       .of = &type_predicate_text};

#define CERTIFICATE(key, type, field, doc)                                                         \
    {                                                                                              \
        key, &(type), offsetof(struct http_expect_certificate, field), 0, NULL, doc                \
    }
static const struct row certificate_rows[] = {
    CERTIFICATE("subject", type_predicate_text, subject,
                "Its subject (RFC 2253): CN=a.example,O=X."),
    CERTIFICATE("issuer", type_predicate_text, issuer, "Who signed it, likewise."),
    CERTIFICATE("sans", type_predicate_text, sans,
                "The alternative names and addresses, bare, as a list."),
    CERTIFICATE("expires", type_predicate_duration, expires,
                "How long it is still valid; below 0s once it has expired."),
    CERTIFICATE("serial", type_predicate_text, serial, "Its number: hexadecimal, in capitals."),
    CERTIFICATE("self-signed", type_predicate_json, self_signed,
                "true or false: whether it is signed by itself."),
};
static const struct table certificate_table = {
    TABLE_ROWS("certificate", certificate_rows),
    .doc = "The certificate of the server, as it came; also one that was refused.",
};
static const struct type certificate_type =
    TYPE_TABLE(&certificate_table, struct http_expect_certificate);
static const struct type certificate_pointer = TYPE_POINTER(&certificate_type);

static const struct row tls_rows[] = {
    {"version", &tls_version_predicate, offsetof(struct http_expect_tls, version), 0, NULL,
     "TLSv1.2, TLSv1.3 …"},
    {"cipher", &type_predicate_text, offsetof(struct http_expect_tls, cipher), 0, NULL,
     "The cipher, by OpenSSL's name: TLS_AES_256_GCM_SHA384."},
    {"alpn", &type_predicate_text, offsetof(struct http_expect_tls, alpn), 0, NULL,
     "The protocol that ALPN agreed on: h2; it is missing where none was."},
};
static const struct table tls_table = {
    TABLE_ROWS("tls", tls_rows),
    .doc = "What TLS agreed on. Over a connection in clear all of it is missing.",
};
static const struct type tls_type_of_expect = TYPE_TABLE(&tls_table, struct http_expect_tls);
static const struct type tls_pointer = TYPE_POINTER(&tls_type_of_expect);

static const struct row expect_rows[] = {
    {"status", &type_predicate_status, offsetof(struct http_expect, status), 0, NULL,
     "The status: a number, a class such as 2xx, a list of either, or a predicate."},
    {"headers", &expect_texts_type, offsetof(struct http_expect, headers), 0, NULL,
     "Name to predicate; what came several times is a list."},
    {"trailers", &expect_texts_type, offsetof(struct http_expect, trailers), 0, NULL,
     "The same of the trailers."},
    {"cookies", &expect_texts_type, offsetof(struct http_expect, cookies), 0, NULL,
     "Name to predicate on the value, of the cookies that this answer sets."},
    {NULL, &body_type, offsetof(struct http_expect, body), ROW_INCLUDE, NULL, NULL},
    {"version", &type_predicate_text, offsetof(struct http_expect, version), 0, NULL,
     "The version of the answer: \"1.1\" as in the request, or \"HTTP/1.1\"."},
    {"duration", &type_predicate_duration, offsetof(struct http_expect, duration), 0, NULL,
     "From the start of this try to the last byte."},
    {"connect-time", &type_predicate_duration, offsetof(struct http_expect, connect_time), 0, NULL,
     "From the start to the TCP connection; 0 on a connection that the session had."},
    {"first-byte", &type_predicate_duration, offsetof(struct http_expect, first_byte), 0, NULL,
     "From the start to the first byte of the answer."},
    {"tls-time", &type_predicate_duration, offsetof(struct http_expect, tls_time), 0, NULL,
     "From the start to the end of the TLS handshake; 0 on a connection that the session had."},
    {"redirects", &type_predicate_number, offsetof(struct http_expect, redirects), 0, NULL,
     "How many redirects were followed."},
    {"url", &type_predicate_text, offsetof(struct http_expect, url), 0, NULL,
     "The URL of the last request."},
    {"remote", &type_predicate_text, offsetof(struct http_expect, remote), 0, NULL,
     "The address:port that the connection went to."},
    {"certificate", &certificate_pointer, offsetof(struct http_expect, certificate), 0, NULL,
     "The certificate of the server."},
    {"tls", &tls_pointer, offsetof(struct http_expect, tls), 0, NULL, "What TLS agreed on."},
    {"retries", &type_predicate_number, offsetof(struct http_expect, retries), 0, NULL,
     "How many tries of the step came before this one."},
    {"error", &error_type, offsetof(struct http_expect, error), 0, NULL,
     "The request has to fail so. `any` is every error but a fault of the harness, `tls` every "
     "tls-…"},
};

static const struct table expect_table = {
    TABLE_ROWS("expect", expect_rows),
    .doc = "What must hold of the answer. Without `error` the exchange must complete, with any "
           "status. "
           "With `error`, the other keys given must hold too.",
};
const struct type http_expect_type = TYPE_TABLE(&expect_table, struct http_expect);

/* How it ended. */

struct str http_failure_words(const struct http_failure *failure, struct arena *arena)
{
    if (!failure->name)
        return arena_copy(arena, failure->why);
    if (failure->why.size == 0)
        return str_of(failure->name);
    return arena_printf(arena, "%s (" STR_FMT ")", failure->name, STR_ARG(failure->why));
}

static struct str predicate_words(const struct predicate *predicate, struct arena *arena)
{
    struct buf words;
    buf_init(&words, BUF_OWN);
    predicate_describe(predicate, &words);
    struct str result = arena_copy(arena, buf_str(&words));
    buf_clear(&words);
    return result;
}

/** With `error` given: the failure has to be that one. */
static void judge_error(const struct predicate *predicate, const struct http_result *result,
                        struct failures *failures)
{
    struct arena *arena = failures->arena;
    struct mismatch mismatch = {0};
    struct str name = result->failure.name ? str_of(result->failure.name) : STR("");
    const struct json *value = NULL;
    if (!result->complete)
        value = json_string(arena, error_spoken(predicate, name));
    if (predicate_test(predicate, value, arena, &mismatch))
        return;
    if (result->complete)
        failures_say(failures, mismatch.place, "error", "expected " STR_FMT ", got a response: %u",
                     STR_ARG(predicate_words(predicate, arena)), result->status);
    else
        failures_say(failures, mismatch.place, "error", "expected " STR_FMT ", got " STR_FMT,
                     STR_ARG(predicate_words(predicate, arena)),
                     STR_ARG(http_failure_words(&result->failure, arena)));
}

/**
 * Judges the end of the exchange.
 *
 * @return whether the other keys can be judged: there is an answer, or a failure that was asked for
 */
static bool judge_end(const struct http_expect *expect, const struct http_result *result,
                      struct place verb_place, struct failures *failures)
{
    struct str words = http_failure_words(&result->failure, failures->arena);
    if (!result->complete && result->failure.harness) {
        failures_say(failures, verb_place, "http", "the request could not be made: " STR_FMT,
                     STR_ARG(words));
        return false;
    }
    if (expect && expect->error) {
        judge_error(expect->error, result, failures);
        return true;
    }
    if (!result->complete)
        failures_say(failures, verb_place, "http", "the request failed: " STR_FMT, STR_ARG(words));
    return result->complete;
}

/* The answer. */

static const struct json *text_json(struct arena *arena, struct str text)
{
    return text.data ? json_string(arena, text) : NULL;
}

const struct json *http_result_cookie(const struct http_result *result, struct str name,
                                      struct arena *arena)
{
    struct json *values = json_array(arena);
    for (size_t i = 0; i < result->headers.count; i++) {
        const struct header *header = &result->headers.items[i];
        if (!str_equal_nocase(header->name, STR("set-cookie")))
            continue;
        /* RFC 6265, section 5.2: up to the first ';', split at the first '=' */
        ptrdiff_t end = str_find_byte(header->value, ';');
        struct str pair = str_slice(header->value, 0, end < 0 ? header->value.size : (size_t)end);
        ptrdiff_t equals = str_find_byte(pair, '=');
        if (equals >= 0 && str_equal(str_trim(str_slice(pair, 0, (size_t)equals)), name))
            json_push(arena, values,
                      json_string(arena, str_trim(str_from(pair, (size_t)equals + 1))));
    }
    if (values->count == 0)
        return NULL;
    return values->count == 1 ? values->elements[0] : values;
}

static void judge_headers(const char *what, const struct list *expected,
                          const struct headers *headers, struct failures *failures)
{
    const struct map_entry *entries = expected->items;
    for (size_t i = 0; i < expected->count; i++) {
        struct str subject =
            arena_printf(failures->arena, "%s " STR_FMT, what, STR_ARG(entries[i].name));
        const struct json *value = headers_to_json(headers, entries[i].name, failures->arena);
        failures_test(failures, *(struct predicate *const *)entries[i].value, subject.data, value);
    }
}

static void judge_cookies(const struct list *expected, const struct http_result *result,
                          struct failures *failures)
{
    const struct map_entry *entries = expected->items;
    for (size_t i = 0; i < expected->count; i++) {
        struct str subject =
            arena_printf(failures->arena, "cookie " STR_FMT, STR_ARG(entries[i].name));
        const struct json *value = http_result_cookie(result, entries[i].name, failures->arena);
        failures_test(failures, *(struct predicate *const *)entries[i].value, subject.data, value);
    }
}

static void slashed_visit(void *context, struct str literal, struct place place)
{
    bool *slashed = context;
    (void)place;
    *slashed = *slashed || str_starts(literal, STR("HTTP/"));
}

/** "1.1", or "HTTP/1.1" where the predicate is written so. */
static void judge_version(const struct predicate *predicate, const struct http_result *result,
                          struct failures *failures)
{
    bool slashed = false;
    struct str version = result->status ? result->version : (struct str){0};
    if (!predicate)
        return;
    predicate_visit_literals(predicate, slashed_visit, &slashed);
    if (version.data && slashed)
        version = arena_printf(failures->arena, "HTTP/" STR_FMT, STR_ARG(version));
    failures_test(failures, predicate, "version", text_json(failures->arena, version));
}

static void body_failure(void *context, struct str subject, const struct mismatch *mismatch)
{
    failures_add(context, subject, mismatch);
}

static void judge_time(const char *what, const struct predicate *predicate, int64_t ns,
                       const struct http_result *result, const struct loop *loop,
                       struct failures *failures)
{
    (void)failures_test_time(failures, predicate, what, ns, loop, result->start_ns, result->end_ns);
}

static const struct json *sans_json(struct arena *arena, const struct tls_certificate *certificate)
{
    struct json *names = json_array(arena);
    for (size_t i = 0; i < certificate->san_count; i++)
        json_push(arena, names, json_string(arena, certificate->sans[i]));
    return names;
}

/** Without a certificate all of it is missing. */
static void judge_certificate(const struct http_expect_certificate *expect,
                              const struct tls_certificate *seen, struct failures *failures)
{
    struct arena *arena = failures->arena;
    if (!expect)
        return;
    failures_test(failures, expect->subject, "certificate subject",
                  seen ? json_string(arena, seen->subject) : NULL);
    failures_test(failures, expect->issuer, "certificate issuer",
                  seen ? json_string(arena, seen->issuer) : NULL);
    failures_test(failures, expect->sans, "certificate sans", seen ? sans_json(arena, seen) : NULL);
    failures_test(failures, expect->expires, "certificate expires",
                  seen ? json_integer(arena, seen->expires_ns) : NULL);
    failures_test(failures, expect->serial, "certificate serial",
                  seen ? json_string(arena, seen->serial) : NULL);
    failures_test(failures, expect->self_signed, "certificate self-signed",
                  seen ? json_bool(arena, seen->self_signed) : NULL);
}

static void judge_tls(const struct http_expect_tls *expect, const struct http_result *result,
                      struct failures *failures)
{
    if (!expect)
        return;
    failures_test(failures, expect->version, "tls version",
                  text_json(failures->arena, result->tls_version));
    failures_test(failures, expect->cipher, "tls cipher",
                  text_json(failures->arena, result->tls_cipher));
    failures_test(failures, expect->alpn, "tls alpn", text_json(failures->arena, result->tls_alpn));
}

void http_expect_judge(const struct http_expect *expect, const struct http_result *result,
                       struct place verb_place, const struct loop *loop, struct failures *failures)
{
    struct arena *arena = failures->arena;
    if (!judge_end(expect, result, verb_place, failures) || !expect)
        return;
    failures_test(failures, expect->status, "status",
                  result->status ? json_integer(arena, result->status) : NULL);
    judge_headers("header", &expect->headers, &result->headers, failures);
    judge_cookies(&expect->cookies, result, failures);
    judge_version(expect->version, result, failures);
    body_check_test(&expect->body, result->body, arena, body_failure, failures);
    judge_headers("trailer", &expect->trailers, &result->trailers, failures);
    failures_test(failures, expect->redirects, "redirects", json_integer(arena, result->redirects));
    failures_test(failures, expect->url, "url", text_json(arena, result->url));
    failures_test(failures, expect->remote, "remote", text_json(arena, result->remote));
    failures_test(failures, expect->retries, "retries", json_integer(arena, result->tries));
    judge_time("connect-time", expect->connect_time, result->connect_ns, result, loop, failures);
    judge_certificate(expect->certificate, result->certificate, failures);
    judge_tls(expect->tls, result, failures);
    judge_time("tls-time", expect->tls_time, result->tls_ns, result, loop, failures);
    judge_time("first-byte", expect->first_byte, result->first_byte_ns, result, loop, failures);
    judge_time("duration", expect->duration, result->duration_ns, result, loop, failures);
}
