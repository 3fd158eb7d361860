/* What a forward makes of requests and answers, from its keys as a spec writes them. */
#include "server/proxy/forward_answer.h"
#include "server/proxy/forward_edit.h"

#include "ctest/unit/unit.h"

#include <zlib.h>

static struct arena *arena;
static struct request request;
static struct headers path;
static struct template_context context;

/** A YAML text, and what was said about it. */
struct reading {
    struct source source;
    struct diagnostics diagnostics;
    struct documents documents;
    struct reader reader;
};

static struct reading *reading;

static void set_up(void)
{
    arena = arena_new();
    path = (struct headers){0};
    headers_add(&path, arena, STR("x"), STR("a b/ü?#"));
    request = (struct request){
        .method = STR("POST"),
        .target = STR("/old/7?a=1&b=2&a=3"),
        .path = STR("/old/7"),
        .query = STR("a=1&b=2&a=3"),
        .authority = STR("client.example"),
        .version = HTTP_1_1,
        .body = STR("{\"n\": 7}"),
    };
    headers_add(&request.headers, arena, STR("Host"), STR("client.example"));
    headers_add(&request.headers, arena, STR("Connection"), STR("keep-alive, x-hop"));
    headers_add(&request.headers, arena, STR("X-Hop"), STR("1"));
    headers_add(&request.headers, arena, STR("Keep-Alive"), STR("timeout=5"));
    headers_add(&request.headers, arena, STR("Transfer-Encoding"), STR("chunked"));
    headers_add(&request.headers, arena, STR("TE"), STR("trailers"));
    headers_add(&request.headers, arena, STR("Cookie"), STR("id=1"));
    headers_add(&request.headers, arena, STR("X-Two"), STR("1"));
    headers_add(&request.headers, arena, STR("x-two"), STR("2"));
    headers_add(&request.headers, arena, STR("Accept"), STR("*/*"));
    context = (struct template_context){.request = &request, .path = &path};
    reading = NULL;
}

/** Reads a forward; NULL when it has faults. */
static struct forward *read_forward(const char *text)
{
    struct forward *forward = NULL;
    reading = arena_alloc(arena, sizeof *reading);
    reading->source = (struct source){STR("f"), str_of(text)};
    diagnostics_init(&reading->diagnostics);
    int error = tree_read_yaml(arena, &reading->source, &reading->documents, &reading->diagnostics);
    ck_assert_int_eq(error, 0);
    reading->reader = (struct reader){.arena = arena, .diagnostics = &reading->diagnostics};
    enum read_result result =
        reader_read(&reading->reader, &forward_type, reading->documents.items[0], &forward);
    if (result == READ_OK)
        result = forward_check_http(&reading->reader, forward);
    return result == READ_OK ? forward : NULL;
}

static struct str first_message(void)
{
    const struct diagnostic *first = reading->diagnostics.first;
    return first ? first->message : STR("nothing is wrong");
}

static struct forward *forward_of(const char *text)
{
    struct forward *forward = read_forward(text);
    ck_assert_msg(forward != NULL, "%s: " STR_FMT, text, STR_ARG(first_message()));
    diagnostics_clear(&reading->diagnostics);
    return forward;
}

static struct forward_sent sent_of(const char *text, const struct endpoint *endpoint)
{
    struct forward_sent sent;
    struct forward *forward = forward_of(text);
    forward_edit_request(forward->http ? &forward->http->request : NULL, &request, endpoint,
                         &context, arena, &sent);
    return sent;
}

static const struct endpoint plain = {
    .host = {"127.0.0.1", 9}, .number = 8080, .speech = ENDPOINT_HTTP1};

static struct str shown(const struct headers *headers)
{
    struct str text = STR("");
    for (size_t i = 0; i < headers->count; i++)
        text = arena_printf(arena, STR_FMT "%s" STR_FMT ": " STR_FMT, STR_ARG(text), i ? "; " : "",
                            STR_ARG(headers->items[i].name), STR_ARG(headers->items[i].value));
    return text;
}

static struct str headers_of(const char *text)
{
    struct forward_sent sent = sent_of(text, &plain);
    return shown(&sent.headers);
}

START_TEST(test_a_request_goes_end_to_end)
{
    set_up();
    struct forward_sent sent = sent_of("{to: api}", &plain);
    ck_str_is(sent.target, "/old/7?a=1&b=2&a=3");
    ck_str_is(sent.authority, "127.0.0.1:8080");
    ck_str_is(shown(&sent.headers), "Cookie: id=1; X-Two: 1; x-two: 2; Accept: */*");
    /* trailers are for HTTP/2, where gRPC needs them */
    struct endpoint two = plain;
    two.speech = ENDPOINT_HTTP2;
    sent = sent_of("{to: api}", &two);
    ck_str_is(headers_get(&sent.headers, STR("te")), "trailers");
    arena_free(arena);
}
END_TEST

START_TEST(test_the_host)
{
    set_up();
    struct endpoint secure = {.host = {"svc.example", 11}, .number = 443, .tls = true};
    struct endpoint six = {.host = {"::1", 3}, .number = 80};
    struct endpoint local = {.unix_path = {"/run/x", 6}};
    ck_str_is(sent_of("{to: api}", &secure).authority, "svc.example");
    ck_str_is(sent_of("{to: api}", &six).authority, "[::1]");
    ck_str_is(sent_of("{to: api}", &local).authority, "localhost");
    ck_str_is(sent_of("{to: api, host: rewrite}", &plain).authority, "127.0.0.1:8080");
    ck_str_is(sent_of("{to: api, host: keep}", &plain).authority, "client.example");
    struct forward_sent sent =
        sent_of("{to: api, host: keep, headers: {set: {Host: other.example}}}", &plain);
    ck_str_is(sent.authority, "other.example");
    ck_assert_ptr_null(headers_get(&sent.headers, STR("host")).data);
    arena_free(arena);
}
END_TEST

START_TEST(test_paths)
{
    set_up();
    /* the query stays; what cannot stand in a path is encoded */
    ck_str_is(sent_of("{to: api, path: '/new/{{ path.x }}'}", &plain).target,
              "/new/a%20b/%C3%BC%3F%23?a=1&b=2&a=3");
    ck_str_is(sent_of("{to: api, path: '/50%/%41'}", &plain).target, "/50%25/%41?a=1&b=2&a=3");
    ck_str_is(sent_of("{to: api, path: '{{ request.header.x-none }}'}", &plain).target,
              "/?a=1&b=2&a=3");
    /* the path of a URL comes before */
    struct endpoint based = plain;
    based.path = STR("/base/?k=v");
    ck_str_is(sent_of("{to: api}", &based).target, "/base/old/7?k=v&a=1&b=2&a=3");
    based.path = STR("/");
    ck_str_is(sent_of("{to: api}", &based).target, "/old/7?a=1&b=2&a=3");
    /* of the absolute form the path remains */
    request.target = STR("http://client.example/old/7?a=1&b=2&a=3");
    ck_str_is(sent_of("{to: api}", &plain).target, "/old/7?a=1&b=2&a=3");
    request.target = STR("/old/7");
    request.query = (struct str){0};
    ck_str_is(sent_of("{to: api}", &plain).target, "/old/7");
    arena_free(arena);
}
END_TEST

START_TEST(test_queries)
{
    set_up();
    ck_str_is(sent_of("{to: api, query: {set: {a: '9 &'}}}", &plain).target,
              "/old/7?a=9%20%26&b=2");
    ck_str_is(sent_of("{to: api, query: {set: {c: [x, y]}}}", &plain).target,
              "/old/7?a=1&b=2&a=3&c=x&c=y");
    ck_str_is(sent_of("{to: api, query: {add: {a: 4}, remove: b}}", &plain).target,
              "/old/7?a=1&a=3&a=4");
    ck_str_is(sent_of("{to: api, query: {remove: [a, b]}}", &plain).target, "/old/7");
    ck_str_is(
        sent_of("{to: api, path: /x, query: {set: {b: '{{ request.method }}'}}}", &plain).target,
        "/x?a=1&b=POST&a=3");
    request.query = STR("%61=1&b");
    ck_str_is(sent_of("{to: api, query: {remove: a}}", &plain).target, "/old/7?b");
    request.query = (struct str){0};
    ck_str_is(sent_of("{to: api, query: {set: {a: 1}}}", &plain).target, "/old/7?a=1");
    arena_free(arena);
}
END_TEST

START_TEST(test_headers)
{
    set_up();
    ck_str_is(headers_of("{to: api, headers: {set: {X-TWO: '3', x-new: '{{ request.method }}'}, "
                         "add: {accept: text/html}, remove: [cookie]}}"),
              "X-Two: 3; Accept: */*; x-new: POST; accept: text/html");
    /* what a client sent begins no line of its own */
    request.method = STR("A\r\nevil: 1");
    ck_str_is(headers_of("{to: api, headers: {set: {x-two: '{{ request.method }}'}, "
                         "remove: [cookie, accept]}}"),
              "X-Two: A  evil: 1");
    arena_free(arena);
}
END_TEST

/* Answers. */

static struct headers came_headers;

static bool answer_with(const char *text, struct forward_came *came, struct forward_given *given,
                        struct str *why)
{
    struct forward *forward = forward_of(text);
    struct template_answer *answer = arena_alloc(arena, sizeof *answer);
    *answer = (struct template_answer){
        .status = came->status, .headers = came->headers, .body = came->body};
    context.answers = answer;
    context.answer_count = 1;
    return forward_make_answer(forward->http ? forward->http->response : NULL, came, &context, 1000,
                               arena, given, why);
}

static struct forward_came a_came(const char *body)
{
    came_headers = (struct headers){0};
    headers_add(&came_headers, arena, STR("Content-Type"), STR("application/json"));
    headers_add(&came_headers, arena, STR("Content-Length"), STR("99"));
    headers_add(&came_headers, arena, STR("X-Far"), STR("yes"));
    return (struct forward_came){
        .status = 200, .reason = STR("Fine"), .headers = &came_headers, .body = str_of(body)};
}

static struct forward_given answer(const char *text, struct forward_came came)
{
    struct forward_given given;
    struct str why = {0};
    ck_assert_msg(answer_with(text, &came, &given, &why), "%s: " STR_FMT, text, STR_ARG(why));
    return given;
}

static void fails(const char *text, struct forward_came came, const char *expected)
{
    struct forward_given given;
    struct str why = {0};
    ck_assert_msg(!answer_with(text, &came, &given, &why), "%s", text);
    ck_str_is(why, expected);
}

START_TEST(test_an_answer_as_it_is)
{
    set_up();
    struct forward_given given = answer("{to: api}", a_came("{}"));
    ck_assert_uint_eq(given.status, 200);
    ck_str_is(given.reason, "Fine");
    ck_str_is(shown(&given.headers), "Content-Type: application/json; X-Far: yes");
    arena_free(arena);
}
END_TEST

START_TEST(test_another_head)
{
    set_up();
    struct forward_given given =
        answer("{to: api, response: {status: 502, headers: {x-far: null, x-was: "
               "'{{ response.status }} {{ response.header.x-far }}', x-l: [a, b]}}}",
               a_came("{}"));
    ck_assert_uint_eq(given.status, 502);
    ck_assert_ptr_null(given.reason.data);
    ck_str_is(shown(&given.headers),
              "Content-Type: application/json; x-was: 200 yes; x-l: a; x-l: b");
    given = answer("{to: api, response: {headers: {add: {x-far: no}, remove: content-type}}}",
                   a_came("{}"));
    ck_str_is(shown(&given.headers), "X-Far: yes; x-far: no");
    given =
        answer("{to: api, response: {status: '{{ response.json $.s }}'}}", a_came("{\"s\":404}"));
    ck_assert_uint_eq(given.status, 404);
    fails("{to: api, response: {status: '{{ response.json $.s }}'}}", a_came("{\"s\":\"x\"}"),
          "response: 'x' is no status from 200 to 999");
    arena_free(arena);
}
END_TEST

START_TEST(test_another_body)
{
    set_up();
    struct forward_given given =
        answer("{to: api, response: {json: {was: '{{ response.json $.a }}', n: 1}}}",
               a_came("{\"a\":[true]}"));
    ck_str_is(given.body, "{\"was\":[true],\"n\":1}");
    given = answer("{to: api, response: {body: 'was {{ response.body }}'}}", a_came("text"));
    ck_str_is(given.body, "was text");
    ck_str_is(shown(&given.headers), "X-Far: yes; content-type: text/plain; charset=utf-8");
    given = answer("{to: api, response: {replace: [{from: a, to: bb}, {from: bbb, to: "
                   "'{{ response.status }}'}]}}",
                   a_came("abaa"));
    ck_str_is(given.body, "200200b");
    ck_assert(given.has_body);
    arena_free(arena);
}
END_TEST

START_TEST(test_a_patched_body)
{
    set_up();
    struct forward_given given = answer(
        "{to: api, response: {replace: {from: one, to: two}, json-patch: [{op: test, path: /a, "
        "value: two}, {op: add, path: /n, value: '{{ request.json $.n }}'}, {op: remove, path: "
        "/b}, "
        "{op: move, from: /a, path: /c}]}}",
        a_came("{\"a\":\"one\",\"b\":1}"));
    ck_str_is(given.body, "{\"n\":7,\"c\":\"two\"}");
    const char *removes = "{to: api, response: {json-patch: [{op: remove, path: /a}]}}";
    fails(removes, a_came("{}"), "json-patch: remove \"/a\": there is nothing");
    fails(removes, a_came("no"), "json-patch: its body is no JSON: expected a value at byte 0");
    /* HEAD, 204, 304: there is no body to be patched */
    struct forward_came none = a_came("");
    none.bodiless = true;
    given = answer(removes, none);
    ck_assert(!given.has_body);
    ck_assert_uint_eq(given.body.size, 0);
    arena_free(arena);
}
END_TEST

static struct str packed(struct str text, int window)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)text.data,
                       .avail_in = (unsigned)text.size};
    unsigned char *out = arena_alloc(arena, 1000);
    ck_assert(deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_out = out;
    stream.avail_out = 1000;
    ck_assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&stream);
    return (struct str){(const char *)out, 1000 - stream.avail_out};
}

START_TEST(test_bodies_that_are_packed)
{
    static const int windows[] = {MAX_WBITS + 16, MAX_WBITS, -MAX_WBITS};
    const char *replaces = "{to: api, response: {replace: {from: one, to: two}}}";
    set_up();
    for (size_t i = 0; i < COUNT_OF(windows); i++) {
        struct forward_came came = a_came("");
        came.body = packed(STR("one one"), windows[i]);
        headers_add(&came_headers, arena, STR("content-encoding"),
                    i ? STR("deflate") : STR("gzip"));
        struct forward_given given = answer(replaces, came);
        ck_str_is(given.body, "two two");
        ck_assert_ptr_null(headers_get(&given.headers, STR("content-encoding")).data);
    }
    struct forward_came came = a_came("one");
    headers_add(&came_headers, arena, STR("content-encoding"), STR("br"));
    fails(
        replaces, came,
        "its body is coded as br, which cannot be read: write headers: {remove: accept-encoding}");
    came = a_came("one");
    headers_add(&came_headers, arena, STR("content-encoding"), STR("gzip"));
    fails(replaces, came, "its body is no gzip");
    /* what is small on the wire may be large */
    char *large = arena_alloc(arena, 5000);
    came.body = packed((struct str){large, 5000}, MAX_WBITS + 16);
    fails(replaces, came, "its body is larger than the limit `body-size` once it is unpacked");
    arena_free(arena);
}
END_TEST

START_TEST(test_bodies_that_get_too_large)
{
    set_up();
    fails("{to: api, response: {replace: {from: a, to: '{{ response.body }}'}}}",
          a_came("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
          "replace: the body gets larger than the limit `body-size`");
    arena_free(arena);
}
END_TEST

/* What is wrong. */

static void refuses(const char *text, const char *message)
{
    ck_assert_msg(!read_forward(text), "%s", text);
    ck_str_is(first_message(), message);
    diagnostics_clear(&reading->diagnostics);
}

START_TEST(test_refuses_what_has_no_meaning)
{
    set_up();
    refuses("{to: api, path: new}", "a path begins with '/'");
    refuses("{to: api, path: '/a?b=1'}", "a path holds no '?' and no '#'");
    refuses("{to: api, pick: race}", "'pick' has no effect: there is one far side");
    refuses("{to: api, headers: {set: {'a b': x}}}", "'a b' cannot be the name of a header");
    refuses("{to: api, headers: {set: {content-length: 3}}}",
            "'content-length' is about one connection: each side has its own");
    refuses("{to: api, headers: {}}",
            "an empty headers of a forward says nothing; give at least one key");
    refuses("{to: api, response: {status: 100}}",
            "expected a final status from 200 to 999, or a template such as {{ response.status }}, "
            "found a number '100'");
    refuses("{to: api, response: {body: a, json: 1}}",
            "an answer has one body, here are 'body' and 'json'");
    refuses("{to: api, response: {json-patch: [{op: add, path: a, value: 1}]}}",
            "a JSON Pointer is empty or begins with '/'");
    refuses("{to: api, response: {json-patch: [{op: move, path: /a}]}}", "'move' needs 'from'");
    refuses("{to: api, response: {json-patch: [{op: remove, path: /a, value: 1}]}}",
            "'remove' has no 'value'");
    refuses("{to: api, response: {replace: [{from: '', to: x}]}}",
            "an empty text stands everywhere: what is to be replaced?");
    refuses("{calls: {a: x}}", "'calls' without 'response': what is answered?");
    refuses("{calls: {a: x}, response: {body: '{{ b.body }}'}}", "no call is named 'b'");
    refuses("{calls: {a: x}, response: {body: '{{ response.body }}'}}",
            "'response.body' is the answer of the far side, but there is no 'to' here");
    refuses("{calls: {request: x}, response: {body: a}}",
            "no call can be named 'request': templates know another one");
    refuses("{to: api, path: '/{{ response.body }}'}",
            "'response.body' is known only in the 'response' of a 'forward'");
    arena_free(arena);
}
END_TEST

START_TEST(test_knows_when_the_whole_request_is_needed)
{
    set_up();
    ck_assert(!forward_needs_whole_request(forward_of("{to: api}"), false));
    ck_assert(!forward_needs_whole_request(forward_of("{to: [a, b], pick: round-robin}"), false));
    ck_assert(forward_needs_whole_request(forward_of("{to: [a, b]}"), false));
    ck_assert(forward_needs_whole_request(forward_of("{to: [a, b], pick: mirror}"), false));
    ck_assert(forward_needs_whole_request(
        forward_of("{to: api, headers: {set: {x: '{{ request.json $.n }}'}}}"), false));
    ck_assert(!forward_needs_whole_request(
        forward_of("{to: api, headers: {set: {x: '{{ request.header.n }}'}}}"), false));
    ck_assert(forward_needs_whole_request(
        forward_of("{calls: {a: x}, response: {body: '{{ a.body }}'}}"), false));
    ck_assert(!forward_needs_whole_request(
        forward_of("{to: api, headers: {set: {x: '{{ request.json $.n }}'}}}"), true));
    ck_assert(forward_needs_whole_request(forward_of("{to: [a, b]}"), true));
    arena_free(arena);
}
END_TEST

UNIT_MAIN("forward", test_a_request_goes_end_to_end, test_the_host, test_paths, test_queries,
          test_headers, test_an_answer_as_it_is, test_another_head, test_another_body,
          test_a_patched_body, test_bodies_that_are_packed, test_bodies_that_get_too_large,
          test_refuses_what_has_no_meaning, test_knows_when_the_whole_request_is_needed)
