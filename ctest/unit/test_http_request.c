/* The http verb as read from a spec, and as a command line of curl. */
#include "http_rig.h"

#include "schema/jsonschema.h"
#include "schema/reference.h"

/* Titles and command lines. */

static void titled(const char *yaml, const char *title)
{
    struct step_rig step;
    struct documents documents;
    struct arena *arena = arena_new();
    diagnostics_init(&step.diagnostics);
    const struct source source = {STR("x"), str_of(yaml)};
    ck_assert(tree_read_yaml(arena, &source, &documents, &step.diagnostics) == 0);
    ck_str_is(http_verb.title(arena, documents.items[0]), title);
    diagnostics_clear(&step.diagnostics);
    arena_free(arena);
}

START_TEST(test_titles)
{
    titled("GET ${api}/x", "GET ${api}/x");
    titled("${api}/x", "GET ${api}/x");
    titled("DELETE   ${api}/x", "DELETE ${api}/x");
    titled("{url: '${api}/x'}", "GET ${api}/x");
    titled("{url: '${api}/x', json: 1}", "POST ${api}/x");
    titled("{url: '${api}/x', method: PUT}", "PUT ${api}/x");
}
END_TEST

static void replayed(const char *yaml, const char *line)
{
    struct step_rig step;
    the_server.port = 80;
    ck_play(&step, ok_script, yaml);
    struct str wanted = with_port(step.arena, line);
    ck_assert_msg(str_equal(step.attempt.replay, wanted), "\n" STR_FMT "\nis not\n" STR_FMT,
                  STR_ARG(step.attempt.replay), STR_ARG(wanted));
    step_end(&step);
}

#define CURL_WORDS(more) "curl -q -sS -i" more
#define AGENT " -A goto-run/" GOTO_VERSION

START_TEST(test_replays)
{
    replayed("http: GET http://127.0.0.1:PORT/x",
             CURL_WORDS(" --noproxy '*'" AGENT " http://127.0.0.1:PORT/x"));
    replayed(
        "http: {url: 'http://127.0.0.1:PORT/x', query: {a: \"it's\"}, json: {a: \"it's\"}, "
        "headers: {x-a: b, accept: null, user-agent: me}}",
        CURL_WORDS(" --noproxy '*' -H 'content-type: application/json' -H 'x-a: b' -H accept: -A "
                   "me --data-raw '{\"a\":\"it'\\''s\"}' 'http://127.0.0.1:PORT/x?a=it%27s'"));
    replayed("http: {method: PUT, url: 'http://127.0.0.1:PORT/../[x]', body: \"\\x01'\", follow: "
             "2, timeout: 20s}",
             CURL_WORDS(" -X PUT -L --max-redirs 2 -m 20.000 --noproxy '*'" AGENT
                        " -H content-type: --data-raw $'\\001\\'' -g --path-as-is "
                        "'http://127.0.0.1:PORT/../[x]'"));
    replayed("http: {url: 'http://127.0.0.1:PORT/', version: h2c}\nexpect: {error: protocol}",
             CURL_WORDS(" --http2-prior-knowledge --noproxy '*'" AGENT " http://127.0.0.1:PORT/"));
    replayed(
        "http: {url: 'http://127.0.0.1:PORT/', multipart: {a: b, f: {file: unit.h}}, auth: {basic: "
        "'u:p'}, cookies: {a: b}}",
        CURL_WORDS(" --noproxy '*'" AGENT " -b a=b -u u:p --form-string a=b -F "
                   "'f=@\"ctest/unit/unit.h\"' http://127.0.0.1:PORT/"));
}
END_TEST

/* Reading. */

static void refused(const char *http, const char *message)
{
    struct step_rig step;
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "http: %s", http);
    ck_assert_msg(!step_read(&step, yaml), "%s was read", http);
    ck_assert_msg(strstr(step.message, message), "'%s' is not '%s'", step.message, message);
    step_free(&step);
}

START_TEST(test_wrong_requests_are_refused)
{
    refused("{url: 'http://h/', body: a, json: 1}", "1:35: 'body' and 'json' do not go together");
    refused("{url: 'http://h/', file: unit.h, form: {a: b}}",
            "'form' and 'file' do not go together");
    refused("{url: 'http://h/', file: no-such-file}",
            "1:32: cannot read file 'ctest/unit/no-such-file': No such file");
    refused("{url: 'http://h/', file: .}", "it is no regular file");
    refused("{url: 'http://h/', multipart: {a: {file: no-such-file}}}", "cannot read file");
    refused("{url: 'http://h/', multipart: {a: {filename: x}}}",
            "exactly one of 'value' and 'file'");
    refused("{url: 'http://h/', multipart: [{value: x}]}", "a part in a list needs a 'name'");
    refused("{url: 'http://h/', multipart: {}}", "at least one part");
    refused("{method: GET}", "missing key 'url'");
    refused("{url: 'http://h/', methd: GET}", "unknown key 'methd'");
    refused("get http://h/", "1:7: 'get' is no method: methods are written in capitals");
    refused("G(T http://h/", "'G(T' is no method");
    refused("{method: 'G T', url: 'http://h/'}", "'G T' is no method");
    refused("GET", "a URL is missing behind 'GET'");
    refused("'GET '", "a URL is missing behind 'GET'");
    refused("GET /x", "1:7: bad URL '/x': the URL has no host");
    refused("GET http://h/a b", "a URL holds no blanks");
    refused("GET http://h:99999999/", "bad URL");
    refused("GET http://", "bad URL");
    refused("GET ftp://h/", "begins with http://");
    refused("GET ftp://h/", "the URL of a request begins with http:// or https://");
    refused("GET unix:/x", "'unix-socket'");
    refused("''", "a request needs a URL");
    refused("[a]", "expected a request such as GET ${api}/path");
    refused("7", "expected a request such as GET ${api}/path");
    refused("{url: 'http://h/', tls: {verify: false}}", "1:31: the URL is http: there is no TLS");
    refused("{url: 'https://h/', version: h2c}", "1:36: h2c is HTTP/2 in clear, and the URL is");
    refused("{url: 'h', version: h2c, tls: {verify: false}}", "h2c is HTTP/2 in clear: there is");
    refused("{url: 'http://h/', version: 2, proxy: 'http://p:1'}", "h2c goes through no");
    refused("{url: 'http://h/', version: h2c, proxy: 'http://p:1'}", "1:47: h2c goes through no");
    refused("{url: 'http://h/', version: h2c, auth: {digest: 'a:b'}}", "digest does not go with");
    refused("{url: 'http://h/', version: h2c, headers: {te: gzip}}", "does not go with h2c");
    refused("{url: 'http://h/', version: 1.2}", "1.1");
    refused("{url: 'http://h/', headers: {'a b': c}}", "'a b' is no name of a header");
    refused("{url: 'http://h/', headers: {a: \"b\\nc: d\"}}",
            "a line break or NUL cannot stand here");
    refused("{url: 'http://h/', headers: {a: [b, \"\\0\"]}}",
            "a line break or NUL cannot stand here");
    refused("{url: 'http://h/', headers: {a: {b: c}}}",
            "expected a text, a list of texts, or null");
    refused("{url: 'http://h/', headers: {Cookie: a}, cookies: {b: c}}",
            "'cookies' and the header 'cookie'");
    refused("{url: 'http://h/', headers: {authorization: a}, auth: {bearer: c}}",
            "'auth' and the header");
    refused("{url: 'http://h/', auth: {basic: nobody}}", "user:password");
    refused("{url: 'http://h/', auth: {basic: 'a:b', bearer: c}}", "exactly one of");
    refused("{url: 'http://h/', cookies: {'a;b': c}}", "no name of a cookie");
    refused("{url: 'http://h/', resolve: {h: other}}", "expected an IP address");
    refused("{url: 'http://h/', connect-to: 'h'}", "expected host:port");
    refused("{url: 'http://h/', connect-to: 'h:0'}", "expected host:port");
    refused("{url: 'http://h/', connect-to: 'h:1', proxy: 'http://p'}", "do not go together");
    refused("{url: 'http://h/', proxy: 'ftp://p'}", "a proxy's URL");
    refused("{url: 'http://h/', proxy: 'https://p'}",
            "a proxy's URL begins with http:// or socks5://");
    refused("{url: 'http://h/', follow: 1001}", "'follow' is at most 1000");
    refused("{url: 'http://h/', follow: -1}", "");
    refused("{method: HEAD, url: 'http://h/', body: a}", "a HEAD request has no body");
    refused("{url: 'http://h/', max-body: many}", "");
    refused("GET http://h/\nexpect: {}", "an empty expect says nothing");
    refused("GET http://h/\nexpect: {error: conection-refused}",
            "unknown name 'conection-refused'");
    refused("GET http://h/\nexpect: {statis: 200}", "unknown key 'statis'");
    refused("GET http://h/\nexpect: {certificate: {}}",
            "an empty certificate says nothing; give at least one key");
    refused("GET http://h/\nexpect: {tls-time: {below: 1}}", "expected a duration such as 300ms");
}
END_TEST

/** A scope that knows nothing yet. */
static enum resolve_result nothing_yet(const struct scope *scope, struct arena *arena,
                                       struct str name, const struct json **value, struct str *why,
                                       struct nearest *nearest)
{
    (void)scope;
    (void)arena;
    (void)name;
    (void)value;
    (void)why;
    (void)nearest;
    return RESOLVE_LATER;
}

static enum read_result read_before_the_run(const char *yaml)
{
    struct diagnostics diagnostics;
    struct arena *arena = arena_new();
    struct documents documents;
    struct http_request request = {0};
    const struct scope scope = {.variable = nothing_yet};
    const struct source source = {STR("x"), str_of(yaml)};
    diagnostics_init(&diagnostics);
    ck_assert(tree_read_yaml(arena, &source, &documents, &diagnostics) == 0);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics, .scope = &scope};
    enum read_result result = reader_read(&reader, &http_type, documents.items[0], &request);
    ck_assert((result == READ_FAILED) == (diagnostics.count > 0));
    diagnostics_clear(&diagnostics);
    arena_free(arena);
    return result;
}

START_TEST(test_what_is_known_only_in_the_run_is_deferred)
{
    ck_assert_int_eq(read_before_the_run("GET ${api}/x"), READ_DEFERRED);
    ck_assert_int_eq(read_before_the_run("${api}"), READ_DEFERRED);
    ck_assert_int_eq(read_before_the_run("{url: '${api}/x', headers: {a: '${b}'}}"), READ_DEFERRED);
    ck_assert_int_eq(read_before_the_run("{url: '${api}/x', file: '${tmp}/x'}"), READ_DEFERRED);
    ck_assert_int_eq(read_before_the_run("get ${api}/x"), READ_FAILED);
    ck_assert_int_eq(read_before_the_run("{url: '${api}/x', body: a, json: b}"), READ_FAILED);
    ck_assert_int_eq(read_before_the_run("{url: '${api}/x', headers: {'a b': c}}"), READ_FAILED);
    ck_assert_int_eq(read_before_the_run("GET http://h/"), READ_OK);
}
END_TEST

START_TEST(test_schema_and_reference_are_made_of_the_rows)
{
    struct arena *arena = arena_new();
    struct buf text;
    struct json_error error;
    buf_init(&text, BUF_OWN);
    schema_write(&http_type, "http", &text);
    ck_assert(json_read(arena, buf_str(&text), &error));
    ck_assert(str_find(buf_str(&text), STR("\"connect-to\"")) >= 0);
    buf_reset(&text);
    schema_write(&http_expect_type, "expect", &text);
    ck_assert(json_read(arena, buf_str(&text), &error));
    ck_assert(str_find(buf_str(&text), STR("\"first-byte\"")) >= 0);
    buf_reset(&text);
    reference_write(&http_type, &text);
    ck_assert(str_find(buf_str(&text), STR("unix-socket")) >= 0);
    buf_clear(&text);
    arena_free(arena);
}
END_TEST

UNIT_MAIN("http_request", test_titles, test_replays, test_wrong_requests_are_refused,
          test_what_is_known_only_in_the_run_is_deferred,
          test_schema_and_reference_are_made_of_the_rows)
