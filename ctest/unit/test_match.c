#include "server/http/match.h"
#include "server/tls/tls.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

static struct arena *arena;
static struct diagnostics diagnostics;
static struct source source;

static void begin(void)
{
    arena = arena_new();
    diagnostics_init(&diagnostics);
}

static void end(void)
{
    diagnostics_clear(&diagnostics);
    arena_free(arena);
}

static enum read_result read_match(const char *yaml, struct match **match)
{
    struct documents documents;
    source = (struct source){STR("f"), str_of(yaml)};
    int error = tree_read_yaml(arena, &source, &documents, &diagnostics);
    ck_assert_msg(error == 0, "%s", yaml);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    *match = NULL;
    return reader_read(&reader, &type_match, documents.items[0], match);
}

/** "line:column+width message (help); …" */
static struct str said(void)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (const struct diagnostic *d = diagnostics.first; d; d = d->next) {
        buf_printf(&buf, "%s%u:%u+%u " STR_FMT, d == diagnostics.first ? "" : "; ", d->place.line,
                   d->place.column, d->place.width, STR_ARG(d->message));
        if (d->help.size)
            buf_printf(&buf, " (" STR_FMT ")", STR_ARG(d->help));
    }
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

static struct match *match_of(const char *yaml)
{
    struct match *match;
    enum read_result result = read_match(yaml, &match);
    ck_assert_msg(result == READ_OK, "%s: " STR_FMT, yaml, STR_ARG(said()));
    return match;
}

static void says(const char *yaml, const char *expected)
{
    struct match *match;
    begin();
    enum read_result result = read_match(yaml, &match);
    struct str actual = said();
    ck_assert_msg(str_is(actual, expected), "%s: '" STR_FMT "' is not '%s'", yaml, STR_ARG(actual),
                  expected);
    ck_assert_int_eq(result, READ_FAILED);
    ck_assert_ptr_null(match);
    end();
}

/** Whether a match takes `GET /` that came behind this handshake. */
static bool takes_tls(const char *yaml, const struct tls_info *tls)
{
    struct request request = {.version = HTTP_1_1,
                              .method = STR("GET"),
                              .target = STR("/"),
                              .path = STR("/"),
                              .body = STR("")};
    struct match_context context = {.seed = 1, .key = STR("api.x"), .number = 1, .tls = tls};
    return match_test(match_of(yaml), &request, &context, arena, NULL, NULL);
}

/** A request written as "METHOD /path?query". */
static struct request request_of(const char *line)
{
    struct request request = {.version = HTTP_1_1, .body = STR("")};
    struct str text = str_of(line);
    size_t blank = (size_t)str_find_byte(text, ' ');
    request.method = str_slice(text, 0, blank);
    request.target = str_from(text, blank + 1);
    ptrdiff_t query = str_find_byte(request.target, '?');
    request.path = query < 0 ? request.target : str_slice(request.target, 0, (size_t)query);
    if (query >= 0)
        request.query = str_from(request.target, (size_t)query + 1);
    return request;
}

/** Why the request does not match: "condition: text", "" when it does. */
static struct str why_not(const struct match *match, const struct request *request)
{
    struct match_context context = {.seed = 1, .key = STR("api.x"), .number = 1};
    struct match_miss miss = {0};
    bool quick = match_quick(match, request);
    bool quiet = match_test(match, request, &context, arena, NULL, NULL);
    bool matches = match_test(match, request, &context, arena, NULL, &miss);
    ck_assert_int_eq(matches, quiet);
    ck_assert(quick || !matches);
    ck_assert_int_eq(matches, miss.condition.size == 0);
    if (matches)
        return STR("");
    return arena_printf(arena, STR_FMT ": " STR_FMT, STR_ARG(miss.condition), STR_ARG(miss.text));
}

static void tries_request(const char *yaml, const struct request *request, const char *expected)
{
    struct str actual = why_not(match_of(yaml), request);
    ck_assert_msg(str_is(actual, expected), "%s, " STR_FMT ": '" STR_FMT "' is not '%s'", yaml,
                  STR_ARG(request->target), STR_ARG(actual), expected);
}

static void tries(const char *yaml, const char *line, const char *expected)
{
    begin();
    struct request request = request_of(line);
    tries_request(yaml, &request, expected);
    end();
}

static void matches(const char *yaml, const char *line)
{
    tries(yaml, line, "");
}

/** Checks that a path template is not for a path, and says so in the usual words. */
static void differs(const char *path, const char *actual)
{
    char line[200];
    char expected[400];
    char yaml[200];
    snprintf(line, sizeof line, "GET %s", actual);
    snprintf(yaml, sizeof yaml, "'%s'", path);
    snprintf(expected, sizeof expected, "path: path '%s' is not '%s'", actual, path);
    tries(yaml, line, expected);
}

/** The captures of a match: "name=value name=value". */
static void captures(const char *yaml, const char *line, const char *expected)
{
    begin();
    struct match *match = match_of(yaml);
    struct request request = request_of(line);
    struct headers found = {0};
    ck_assert_msg(match_test(match, &request, NULL, arena, &found, NULL), "%s %s", yaml, line);
    ck_assert_uint_eq(found.count, match_captures(match).count);
    struct str text = STR("");
    for (size_t i = 0; i < found.count; i++)
        text = arena_printf(arena, STR_FMT "%s" STR_FMT "=" STR_FMT, STR_ARG(text), i ? " " : "",
                            STR_ARG(found.items[i].name), STR_ARG(found.items[i].value));
    ck_str_is(text, expected);
    end();
}

START_TEST(test_matches_method_and_path)
{
    matches("GET /a", "GET /a");
    matches("GET  /a", "GET /a");
    matches("/a", "DELETE /a");
    matches("M-SEARCH /a", "M-SEARCH /a");
    tries("GET /a", "HEAD /a", "method: method is HEAD, expected GET");
    tries("GET /a", "get /a", "method: method is get, expected GET");
    tries("GET /a", "POST /b", "path: path '/b' is not '/a'");
    matches("{method: GET}", "GET /x");
    matches("{method: [GET, HEAD], path: /a}", "HEAD /a");
    tries("{method: [GET, HEAD]}", "POST /a", "method: method is POST, expected one of GET, HEAD");
    matches("{method: {not: GET}}", "POST /a");
    matches("{method: {matches: ^P}}", "PUT /a");
    matches("{path: {starts-with: /a b}}", "GET /a%20bc");
    tries("{path: {starts-with: /b}}", "GET /a",
          "path: path: expected to start with \"/b\", got \"/a\"");
}
END_TEST

START_TEST(test_compares_paths_segment_by_segment)
{
    matches("/", "GET /");
    matches("/a/b", "GET /a/b");
    matches("/a/", "GET /a/");
    matches("/a/b", "GET /%61/b");
    matches("/a%2fb", "GET /a%2Fb");
    matches("/\xc3\xa4", "GET /%C3%a4");
    matches("/100%", "GET /100%25");
    matches("/100%", "GET /100%");
    differs("/", "/a");
    differs("/a", "/");
    differs("/a", "/a/");
    differs("/a/", "/a");
    differs("/a/b", "/a%2Fb");
    differs("/a", "/A");
    differs("/a", "/ab");
    differs("/ab", "/a");
    differs("/a/b", "/a//b");
    differs("/a", "/a/b");
    differs("/a", "/%6");
    differs("/a", "*");
    differs("/a", "");
}
END_TEST

START_TEST(test_captures_segments)
{
    captures("/{a}", "GET /x", "a=x");
    captures("/a/{foo}/b/{Bar_2}", "GET /a/f%2F1/b/%20", "foo=f/1 Bar_2= ");
    captures("'/{id:\\d{2}}/{x:[}]|a/b}'", "GET /12/a%2fb", "id=12 x=a/b");
    captures("'/{x:[^]}]{1,2}}'", "GET /ab", "x=ab");
    captures("'/{x:\\{\\}}'", "GET /%7B}", "x={}");
    differs("/{a}", "/");
    differs("/{a}", "/a/b");
    differs("/{a}/b", "//b");
    differs("/{id:\\d+}", "/12a");
    differs("/{id:\\d+}", "/a12");
    differs("/{id:a|b}", "/ac");
    matches("'/{id:.*}'", "GET /");
}
END_TEST

START_TEST(test_captures_the_rest)
{
    captures("'/files/{rest*}'", "GET /files/a/b%20c/", "rest=a/b c/");
    captures("'/files/{rest*}'", "GET /files/", "rest=");
    captures("'/{rest*}'", "GET /", "rest=");
    captures("/files/*", "GET /files/a/b", "");
    matches("/files/*", "GET /files/");
    matches("/*", "GET /");
    differs("/files/{rest*}", "/files");
    differs("/files/*", "/files");
    differs("/files/*", "/file/a");
}
END_TEST

START_TEST(test_bounds_regular_expressions)
{
    begin();
    char path[2000] = "GET /";
    memset(path + 5, 'a', sizeof path - 6);
    path[sizeof path - 2] = '!';
    struct request request = request_of(path);
    struct str why = why_not(match_of("'/{x:(a+)+b?c}'"), &request);
    ck_assert_msg(str_starts(why, STR("path: path '/aaa")), STR_FMT, STR_ARG(why));
    end();
}
END_TEST

START_TEST(test_matches_the_query)
{
    matches("{query: {x: 1}}", "GET /?x=1");
    matches("{query: {x: 1, y: a b}}", "GET /?y=a+b&x=1");
    matches("{query: {x: {exists: false}}}", "GET /?y=1");
    matches("{query: {x: 1}}", "GET /?x=2&x=1");
    matches("{query: {x: ''}}", "GET /?x");
    tries("{query: {x: 1}}", "GET /", "query x: query x: expected \"1\", got nothing");
    tries("{query: {x: 1}}", "GET /?x=2", "query x: query x: expected \"1\", got \"2\"");
    tries("{query: {x: {exists: false}}}",
          "GET /?x=", "query x: query x: expected not to exist, got \"\"");
}
END_TEST

START_TEST(test_matches_headers_and_cookies)
{
    begin();
    struct request request = request_of("GET /");
    headers_add(&request.headers, arena, STR("X-A"), STR("1"));
    headers_add(&request.headers, arena, STR("x-a"), STR("2"));
    headers_add(&request.headers, arena, STR("Cookie"), STR("id=7; theme=dark"));
    tries_request("{headers: {x-A: 2}}", &request, "");
    tries_request("{headers: {x-a: {count: 2}, x-b: {exists: false}}}", &request, "");
    tries_request("{headers: {x-a: {not: 1}}}", &request,
                  "header x-a: header x-a: expected not \"1\", got [\"1\",\"2\"]");
    tries_request("{cookies: {id: 7, theme: {starts-with: d}}}", &request, "");
    tries_request("{cookies: {ID: 7}}", &request,
                  "cookie ID: cookie ID: expected \"7\", got nothing");
    end();
}
END_TEST

START_TEST(test_matches_forms)
{
    begin();
    struct request request = request_of("POST /");
    request.body = STR("a=1&b=x+y");
    tries_request("{form: {a: 1}}", &request,
                  "form: the body is no form: content-type is missing, expected "
                  "'application/x-www-form-urlencoded'");
    headers_add(&request.headers, arena, STR("content-type"),
                STR("Application/x-www-form-urlencoded; charset=utf-8"));
    tries_request("{form: {a: 1, b: x y, c: {exists: false}}}", &request, "");
    tries_request("{form: {a: 2}}", &request, "form a: form a: expected \"2\", got \"1\"");
    request.headers.items[0].value = STR("text/plain");
    tries_request("{form: {a: 1}}", &request,
                  "form: the body is no form: content-type is 'text/plain', expected "
                  "'application/x-www-form-urlencoded'");
    end();
}
END_TEST

START_TEST(test_matches_bodies)
{
    begin();
    struct request request = request_of("POST /");
    request.body = STR("{\"a\": 1, \"b\": [2]}");
    tries_request("{json: {b: [2], a: 1.0}}", &request, "");
    tries_request("{json-subset: {a: 1}, jsonpath: {'$.b[0]': {above: 1}}}", &request, "");
    tries_request("{body: {contains: '[2]'}}", &request, "");
    struct str why = why_not(match_of("{json-subset: {a: 2}}"), &request);
    ck_assert_msg(str_starts(why, STR("json-subset: json-subset: expected ")), STR_FMT,
                  STR_ARG(why));
    why = why_not(match_of("{jsonpath: {$.a: 3}, body: x}"), &request);
    ck_assert_msg(str_starts(why, STR("body: body: expected \"x\", got ")), STR_FMT, STR_ARG(why));
    request.body = STR("{");
    why = why_not(match_of("{json: {}}"), &request);
    ck_assert_msg(str_starts(why, STR("json: ")), STR_FMT, STR_ARG(why));
    end();
}
END_TEST

START_TEST(test_negates_as_a_whole)
{
    matches("{path: /a, not: {method: GET}}", "PUT /a");
    matches("{not: {method: GET, path: /a}}", "GET /b");
    matches("{not: GET /a}", "PUT /a");
    tries("{not: GET /a}", "GET /a", "not: it matches 'not': GET /a");
    tries("{not: {query: {x: 1}, not: {method: PUT}}}", "GET /?x=1",
          "not: it matches 'not': with query x, not");
}
END_TEST

/** What a match says of a request of which only "ab" is known: 1 takes, 0 does not, -1 nobody
 * knows.
 */
static int judges(const char *yaml, struct request *request)
{
    bool lacks = false;
    struct match_context context = {.lacks = &lacks};
    bool takes = match_test(match_of(yaml), request, &context, arena, NULL, NULL);
    ck_assert(!lacks || !takes);
    return lacks ? -1 : takes;
}

START_TEST(test_knows_what_hangs_on_a_body_that_is_not_all_there)
{
    begin();
    struct request request = request_of("POST /a");
    request.body = STR("ab");
    request.body_left_out = 3;
    ck_assert_int_eq(judges("/a", &request), 1);
    ck_assert_int_eq(judges("{path: /b, body: ab}", &request), 0);
    ck_assert_int_eq(judges("{body: ab}", &request), -1);
    ck_assert_int_eq(judges("{body: {contains: a}}", &request), -1);
    ck_assert_int_eq(judges("{not: {body: ab}}", &request), -1);
    ck_assert_int_eq(judges("{not: {not: {body: ab}}}", &request), -1);
    ck_assert_int_eq(judges("{not: {path: /b, body: ab}}", &request), 1);
    ck_assert_int_eq(judges("{form: {a: b}}", &request), -1);
    ck_assert_int_eq(judges("{size: 5}", &request), 1);
    ck_assert_int_eq(judges("{size: 2}", &request), 0);
    ck_assert_int_eq(judges("{size: 5, body: ab}", &request), -1);
    ck_assert_int_eq(judges("{size: 2, body: ab}", &request), 0);
    ck_assert_int_eq(judges("{body: ab, not: {path: /a}}", &request), 0);
    ck_assert_int_eq(judges("{body: ab, not: {path: /b}}", &request), -1);
    ck_assert_int_eq(judges("{body: ab, sni: a.example}", &request), 0);
    request.state = REQUEST_COMING;
    ck_assert_int_eq(judges("{size: 5}", &request), -1);
    request.body_left_out = 0;
    ck_assert_int_eq(judges("{body: ab}", &request), -1);
    request.state = REQUEST_WHOLE;
    ck_assert_int_eq(judges("{body: ab}", &request), 1);
    end();
}
END_TEST

START_TEST(test_draws_chances)
{
    begin();
    struct match *match = match_of("{path: /a, chance: 25%}");
    struct match *never = match_of("{chance: 0%}");
    struct match *always = match_of("{chance: 100%}");
    struct request request = request_of("GET /a");
    size_t hits = 0;
    for (uint64_t number = 1; number <= 2000; number++) {
        struct match_context context = {.seed = 3, .key = STR("api.x"), .number = number};
        bool hit = match_test(match, &request, &context, arena, NULL, NULL);
        ck_assert_int_eq(hit, match_test(match, &request, &context, arena, NULL, NULL));
        ck_assert(!match_test(never, &request, &context, arena, NULL, NULL));
        ck_assert(match_test(always, &request, &context, arena, NULL, NULL));
        hits += hit;
    }
    ck_assert_uint_gt(hits, 400);
    ck_assert_uint_lt(hits, 600);
    struct str why = why_not(never, &request);
    ck_str_is(why, "chance: chance: 0% did not strike");
    end();
}
END_TEST

static unsigned passed(const char *yaml, const char *line)
{
    struct match_miss miss = {0};
    struct request request = request_of(line);
    ck_assert(!match_test(match_of(yaml), &request, NULL, arena, NULL, &miss));
    return miss.passed;
}

START_TEST(test_knows_which_miss_is_nearer)
{
    begin();
    const char *line = "GET /foo/1?x=1";
    ck_assert_uint_gt(passed("POST /foo/{id}", line), passed("GET /foo/1/2", line));
    ck_assert_uint_gt(passed("GET /foo/2", line), passed("GET /bar/1", line));
    ck_assert_uint_gt(passed("GET /foo/2", line), passed("PUT /foo/2", line));
    ck_assert_uint_gt(passed("{path: '/foo/{id}', method: GET, query: {x: 2}}", line),
                      passed("POST /foo/{id}", line));
    ck_assert_uint_gt(passed("POST /foo/1", line),
                      passed("{method: GET, query: {x: 1, y: 1}}", line));
    end();
}
END_TEST

START_TEST(test_tells_what_is_static)
{
    begin();
    struct str method;
    struct str path;
    ck_assert(match_is_static(match_of("GET /a/b"), &method, &path));
    ck_str_is(method, "GET");
    ck_str_is(path, "/a/b");
    ck_assert(match_is_static(match_of("/"), &method, &path));
    ck_assert_ptr_null(method.data);
    ck_assert(match_is_static(match_of("{method: PUT, path: /x}"), &method, &path));
    ck_assert(!match_is_static(match_of("GET /a/{b}"), &method, &path));
    ck_assert(!match_is_static(match_of("GET /a/*"), &method, &path));
    ck_assert(!match_is_static(match_of("GET /a%20b"), &method, &path));
    ck_assert(!match_is_static(match_of("{method: GET}"), &method, &path));
    ck_assert(!match_is_static(match_of("{method: [GET, PUT], path: /a}"), &method, &path));
    ck_assert(!match_is_static(match_of("{method: {not: GET}, path: /a}"), &method, &path));
    ck_assert(!match_is_static(match_of("{path: /a, query: {x: 1}}"), &method, &path));
    ck_assert(!match_is_static(match_of("{path: /a, body: x}"), &method, &path));
    ck_assert(!match_is_static(match_of("{path: /a, chance: 10%}"), &method, &path));
    ck_assert(!match_is_static(match_of("{path: /a, not: {method: GET}}"), &method, &path));
    end();
}
END_TEST

START_TEST(test_is_quick)
{
    begin();
    struct request request = request_of("GET /a/b");
    ck_assert(match_quick(match_of("GET /a/b"), &request));
    ck_assert(!match_quick(match_of("PUT /a/b"), &request));
    ck_assert(!match_quick(match_of("GET /a/c"), &request));
    ck_assert(match_quick(match_of("'/a/{x:z}'"), &request)); /* would have to be decoded */
    ck_assert(!match_quick(match_of("'/b/{x:z}'"), &request));
    ck_assert(!match_quick(match_of("'/a/{x:b}/c'"), &request));
    ck_assert(match_quick(match_of("{method: {not: GET}}"), &request));
    end();
}
END_TEST

static void describes(const char *yaml, const char *expected)
{
    begin();
    ck_str_is(match_describe(match_of(yaml), arena), expected);
    end();
}

START_TEST(test_describes_itself)
{
    describes("GET /foo/{foo}", "GET /foo/{foo}");
    describes("/foo", "/foo");
    describes("{method: [GET, PUT], path: /a, query: {x: 1, y: 2}, json: {}}",
              "GET|PUT /a with query x, query y, json");
    describes("{query: {x: 1}, not: GET /a, chance: 5%}", "with query x, not, chance of 5%");
    begin();
    ck_assert_uint_eq(match_place(match_of("  GET /a")).column, 3);
    ck_assert_uint_eq(match_captures(match_of("{method: GET}")).count, 0);
    ck_assert_uint_eq(match_captures(NULL).count, 0);
    end();
}
END_TEST

START_TEST(test_refuses_wrong_short_forms)
{
    says("GET", "1:1+3 'GET' is neither METHOD /path nor /path "
                "(write GET /path, or {method: GET})");
    says("get", "1:1+3 'get' is neither METHOD /path nor /path "
                "(write GET /path, or {method: GET})");
    says("get /x", "1:1+3 method 'get' is not in upper case (write GET /path)");
    says("'Get /{'", "1:2+3 method 'Get' is not in upper case (write GET /path); "
                     "1:7+1 '{' without a '}' (write %7B for the brace itself)");
    says("GET http://a/b", "1:1+14 expected METHOD /path or /path "
                           "(write the path only: the port is the route's upstream)");
    says("http://a/b", "1:1+10 expected METHOD /path or /path "
                       "(write the path only: the port is the route's upstream)");
    says("GET a/b", "1:1+7 expected METHOD /path or /path (such as GET /foo/{id})");
    says("'*'", "1:1+3 expected METHOD /path or /path (write /* for any path)");
    says("'* /a'", "1:2+1 '*' is no method (leave it out for any method)");
    says("'G(T /a'", "1:2+3 'G(T' is no method");
    says("12", "1:1+2 expected METHOD /path, /path, or a mapping, found a number '12'");
    says("[GET /a]", "1:1+1 expected METHOD /path, /path, or a mapping, found a list");
}
END_TEST

START_TEST(test_refuses_wrong_paths)
{
    says("GET /a?x=1", "1:7+1 a path holds no '?' "
                       "(match the query by 'query:'; write %3F for the character itself)");
    says("GET /a HTTP/1.1", "1:7+1 a path holds no blanks (write %20 for a blank)");
    says("/a*/b", "1:3+1 '*' inside a path "
                  "('*' is a segment by itself, the last one; write %2A for the character itself)");
    says("/*/b", "1:2+1 '*' inside a path "
                 "('*' is a segment by itself, the last one; write %2A for the character itself)");
    says("'/{a*}/b'", "1:3+4 only the last segment can take the rest (write {name} for one)");
    says("'/{a}.json'", "1:3+3 a capture takes a whole segment "
                        "(use {name:regex}, or a predicate on 'path')");
    says("'/x{a}'", "1:4+1 a capture takes a whole segment "
                    "(use {name:regex} for a whole segment; write %7B for the brace itself)");
    says("'/a}'", "1:4+1 '}' without a '{' (write %7D for the brace itself)");
    says("'/{}'", "1:4+1 '' cannot be the name of a capture "
                  "(write {name}, {name:regex} or {name*}; a name holds letters, digits, '_' and "
                  "'-')");
    says("'/{a}/{a}'", "1:8+1 'a' is captured twice");
    says("'/{a:}'", "1:6+1 an empty regular expression (write {name})");
    says("'/{a:x(}'", "1:8+1 wrong regular expression: missing closing parenthesis");
    says("{path: a}", "1:8+1 a path starts with '/'");
    says("{path: '*'}", "1:9+1 a path starts with '/' (write /* for any path)");
    says("{path: [/a]}", "1:8+1 expected a path such as /foo/{id}, or a predicate, found a list");
}
END_TEST

START_TEST(test_refuses_wrong_mappings)
{
    says("{}", "1:1+1 an empty match says nothing; give at least one key");
    says("{methd: GET}", "1:2+5 unknown key 'methd' in match (did you mean 'method'?)");
    says("{method: get}", "1:10+3 method 'get' is not in upper case (write GET)");
    says("{method: [GET, put]}", "1:16+3 method 'put' is not in upper case (write PUT)");
    says("{method: []}", "1:10+1 an empty list of methods");
    says("{query: {}}",
         "1:9+1 'query' is empty (write NAME: PREDICATE in it, or leave the key out)");
    says("{headers: {'a b': 1}}", "1:12+5 'a b' cannot be the name of a header");
}
END_TEST

START_TEST(test_matches_tls)
{
    const struct tls_info tls = {.sni = STR("a.example"), .client_cert = STR("CN=me,O=X")};
    begin();
    ck_assert(takes_tls("{sni: a.example}", &tls));
    ck_assert(!takes_tls("{sni: b.example}", &tls));
    ck_assert(!takes_tls("{sni: a.example}", NULL));
    ck_assert(takes_tls("{sni: {exists: false}}", NULL));
    ck_assert(takes_tls("{client-cert: {contains: CN=me}}", &tls));
    ck_assert(!takes_tls("{client-cert: {contains: CN=you}}", &tls));
    ck_assert(!takes_tls("{client-cert: {exists: true}}", NULL));
    end();
}
END_TEST

UNIT_MAIN("match", test_matches_method_and_path, test_compares_paths_segment_by_segment,
          test_captures_segments, test_captures_the_rest, test_bounds_regular_expressions,
          test_matches_the_query, test_matches_headers_and_cookies, test_matches_forms,
          test_matches_tls, test_matches_bodies, test_negates_as_a_whole,
          test_knows_what_hangs_on_a_body_that_is_not_all_there, test_draws_chances,
          test_knows_which_miss_is_nearer, test_tells_what_is_static, test_is_quick,
          test_describes_itself, test_refuses_wrong_short_forms, test_refuses_wrong_paths,
          test_refuses_wrong_mappings)
