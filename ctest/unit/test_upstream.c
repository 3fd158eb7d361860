#include "ctest/unit/fake_exchange.h"

static struct fake *fake_good(const char *yaml)
{
    struct fake *fake = fake_new(yaml);
    ck_str_is(fake_wrong(fake), "");
    return fake;
}

static void check_wrong(const char *yaml, const char *expected)
{
    struct fake *fake = fake_new(yaml);
    ck_assert_ptr_null(fake->upstream);
    ck_str_is(fake_wrong(fake), expected);
    fake_free(fake);
}

/** Asks and checks status and body. */
static void check_ask(struct fake *fake, const char *method, const char *target, unsigned status,
                      const char *body)
{
    struct fake_exchange *x = fake_ask(fake, method, target);
    ck_assert_msg(fake_status(x) == status, "%s %s: status %u is not %u", method, target,
                  fake_status(x), status);
    ck_str_is(fake_sent(x), body);
    fake_exchange_free(x);
}

static const struct entry *request_entry(struct fake *fake, const struct fake_exchange *x)
{
    return journal_get(fake->server.journal, x->exchange.entry);
}

START_TEST(test_defaults)
{
    struct fake *fake = fake_good("{protocol: http}");
    const struct upstream_config *config = &fake->config;
    ck_assert_uint_eq(config->port, 0);
    ck_str_is(config->host, "127.0.0.1");
    ck_assert(!config->closed && !config->optional);
    ck_assert_uint_eq(config->limits.max_connections, 0);
    ck_assert_uint_eq(config->limits.header_size, 65536);
    ck_assert_uint_eq(config->limits.body_size, 16 << 20);
    ck_assert_int_eq(config->limits.idle_ns, 60 * INT64_C(1000000000));
    ck_assert_int_eq(config->limits.read_ns, 30 * INT64_C(1000000000));
    ck_assert_int_eq(config->limits.respond_ns, 0);
    ck_assert_int_eq(config->limits.life_ns, 0);
    ck_assert_ptr_eq(fake->port.owner, fake->upstream);
    ck_assert_str_eq(fake->port.scheme, "http");
    ck_assert_uint_eq(upstream_limits(fake->upstream)->body_size, config->limits.body_size);
    ck_assert_int_eq(upstream_limits(fake->upstream)->read_ns, config->limits.read_ns);
    ck_assert_ptr_eq(fake->port.protocol, &h1_protocol);
    ck_assert_ptr_null(fake->port.tls);
    ck_assert_ptr_eq(upstream_port(fake->upstream), &fake->port);
    ck_assert_ptr_eq(upstream_server(fake->upstream), &fake->server);
    fake_free(fake);
}
END_TEST

START_TEST(test_limits_and_address)
{
    struct fake *fake = fake_good(
        "{protocol: http, port: 8080, host: '::1', state: closed, limits: {max-connections: 3, "
        "header-size: none, body-size: 1KiB, idle: none, read: none, respond: 2s, life: 1m}}");
    const struct limits *limits = &fake->config.limits;
    ck_assert_uint_eq(fake->config.port, 8080);
    ck_str_is(fake->config.host, "::1");
    ck_assert(fake->config.closed);
    ck_assert_uint_eq(limits->max_connections, 3);
    ck_assert_uint_eq(fake->port.max_connections, 3);
    ck_assert_uint_eq(limits->header_size, LIMIT_SIZE_NONE);
    ck_assert_uint_eq(limits->body_size, 1024);
    ck_assert_int_eq(limits->idle_ns, 0);
    ck_assert_int_eq(limits->read_ns, 0);
    ck_assert_int_eq(limits->respond_ns, 2 * INT64_C(1000000000));
    ck_assert_int_eq(limits->life_ns, 60 * INT64_C(1000000000));
    fake_free(fake);
}
END_TEST

START_TEST(test_wrong_upstreams_are_told)
{
    check_wrong("{port: 1}", "1:1 missing key 'protocol' in upstream\n");
    check_wrong("{protocol: grpc}", "1:1 a grpc upstream needs 'protos' or 'protosets'\n");
    check_wrong("{protocol: tcp, behave: echo, stream: {size: 1}}",
                "1:31 'stream' and 'behave' exclude each other\n");
    check_wrong("{protocol: http, port: 0}",
                "1:24 expected 'auto' or a port number from 1 to 65535, found a number '0'\n");
    check_wrong("{protocol: http, port: 65536}",
                "1:24 expected 'auto' or a port number from 1 to 65535, found a number '65536'\n");
    check_wrong("{protocol: http, host: example.org}",
                "1:24 expected an IP address of this machine such as 127.0.0.1, or localhost, "
                "found a string "
                "'example.org'\n");
    check_wrong("{protocol: http, limits: {idle: 0s}}", "1:33 a limit of 0 lets nothing through\n");
    check_wrong("{protocol: http, limits: {body-size: 0}}",
                "1:38 a limit of 0 lets nothing through\n");
    check_wrong("{protocol: http, default: none}",
                "1:27 expected 'not-found', 'echo' or an answer, found a string 'none'\n");
    check_wrong("{protocol: http, default: []}", "1:27 a sequence needs at least one answer\n");
    check_wrong("{protocol: http, default: {body: '{{ path.x }}'}}",
                "1:38 the path of this route captures no 'x'\n");
}
END_TEST

START_TEST(test_wrong_routes_are_told)
{
    check_wrong("{protocol: http, routes: [{respond: {body: a}}]}",
                "1:27 missing key 'match' in route\n");
    check_wrong("{protocol: http, routes: [{match: /a, respond: []}]}",
                "1:48 a sequence needs at least one answer\n");
    check_wrong("{protocol: http, routes: [{name: a, match: /a}, {match: /b, name: a}]}",
                "1:67 two routes are named 'a'\n");
    check_wrong("{protocol: http, routes: [{match: /a, forward: {to: b}, respond: {body: a}}]}",
                "1:39 a route has either 'respond' or 'forward'\n");
    check_wrong(
        "{protocol: http, routes: [{match: '/a/{x}', forward: {to: b, path: '/{{ path.y }}'}}]}",
        "1:73 the path of this route captures no 'y'\n");
    check_wrong("{protocol: http, routes: [{match: '/a/{x}', respond: [{body: a}, {headers: {a: "
                "'{{ path.y }}'}}]}]}",
                "1:84 the path of this route captures no 'y'\n");
}
END_TEST

START_TEST(test_first_match_wins)
{
    struct fake *fake =
        fake_good("protocol: http\n"
                  "routes:\n"
                  "  - {match: GET /a, respond: {body: one}}\n"
                  "  - {match: '/{x}', respond: {body: 'x {{ path.x }}'}}\n"
                  "  - {match: /b, respond: {body: never}}\n"
                  "  - {match: POST /c/d, respond: {body: cd}}\n"
                  "  - {match: '/c/{rest*}', respond: {body: 'rest {{ path.rest }}'}}\n"
                  "  - {match: /c/d, respond: {body: never}}\n");
    check_ask(fake, "GET", "/a", 200, "one");
    check_ask(fake, "GET", "/a?q=1", 200, "one");
    check_ask(fake, "POST", "/a", 200, "x a");
    check_ask(fake, "GET", "/b", 200, "x b");
    check_ask(fake, "GET", "/%62", 200, "x b");
    check_ask(fake, "GET", "/%61", 200, "one");
    check_ask(fake, "POST", "/c/d", 200, "cd");
    check_ask(fake, "GET", "/c/d", 200, "rest d");
    check_ask(fake, "GET", "/c/d/e", 200, "rest d/e");
    fake_free(fake);
}
END_TEST

START_TEST(test_a_route_without_respond_answers_200)
{
    struct fake *fake = fake_good("{protocol: http, routes: [{match: /a}]}");
    check_ask(fake, "PUT", "/a", 200, "");
    fake_free(fake);
}
END_TEST

START_TEST(test_many_fixed_routes)
{
    struct buf yaml;
    char path[32];
    char body[32];
    buf_init(&yaml, BUF_OWN);
    buf_append_string(&yaml, "protocol: http\nroutes:\n");
    for (int i = 0; i < 500; i++)
        buf_printf(&yaml, "  - {match: GET /p%d, respond: {body: b%d}}\n", i, i);
    struct fake *fake = fake_good(yaml.data);
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "/p%d", i);
        snprintf(body, sizeof body, "b%d", i);
        check_ask(fake, "GET", path, 200, body);
    }
    fake_free(fake);
    buf_clear(&yaml);
}
END_TEST

START_TEST(test_times_ends_a_route)
{
    struct fake *fake = fake_good("protocol: http\n"
                                  "routes:\n"
                                  "  - {match: GET /a, times: 2, respond: {body: first}}\n"
                                  "  - {match: '/{x}', times: 1, respond: {body: second}}\n"
                                  "  - {match: /a, times: 1, respond: {body: third}}\n");
    check_ask(fake, "GET", "/a", 200, "first");
    check_ask(fake, "GET", "/a", 200, "first");
    check_ask(fake, "GET", "/a", 200, "second");
    check_ask(fake, "GET", "/a", 200, "third");
    check_ask(fake, "GET", "/a", 404,
              "{\"error\":\"no route matches GET /a\",\"nearest\":\"GET /a\","
              "\"because\":\"it took its 2 requests already (times)\"}");
    fake_free(fake);
}
END_TEST

START_TEST(test_not_found_names_the_nearest_route)
{
    struct fake *fake = fake_good("protocol: http\n"
                                  "routes:\n"
                                  "  - {match: POST /other}\n"
                                  "  - {name: foo, match: 'GET /foo/{id}'}\n");
    struct fake_exchange *x = fake_ask(fake, "DELETE", "/foo/1");
    ck_assert_uint_eq(fake_status(x), 404);
    ck_assert_msg(
        str_starts(fake_sent(x), STR("{\"error\":\"no route matches DELETE /foo/1\","
                                     "\"nearest\":\"GET /foo/{id}\",\"because\":\"method")),
        STR_FMT, STR_ARG(fake_sent(x)));
    ck_assert_uint_eq(request_entry(fake, x)->route, 0);
    ck_assert(request_entry(fake, x)->flags & ENTRY_UNMATCHED);
    ck_assert_uint_eq(journal_count(fake->server.journal, ENTRY_MISS, fake->port.name_id), 1);
    const struct entry *miss = journal_get(fake->server.journal, x->exchange.entry + 1);
    ck_assert_uint_eq(miss->kind, ENTRY_MISS);
    ck_assert_uint_eq(miss->request, 1);
    ck_assert_uint_eq(miss->connection, 7);
    ck_assert(str_starts((struct str){miss->data, miss->data_size},
                         STR("nearest is GET /foo/{id}: method")));
    ck_assert(upstream_minds_unmatched(fake->upstream));
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_of_equally_near_routes_the_most_alike_is_named)
{
    struct fake *fake =
        fake_good("{protocol: http, routes: [{match: /a}, {match: GET /users}, {match: /b}]}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/user");
    ck_assert_msg(str_find(fake_sent(x), STR("\"nearest\":\"GET /users\"")) > 0, STR_FMT,
                  STR_ARG(fake_sent(x)));
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_routes_are_journalled)
{
    struct fake *fake =
        fake_good("{protocol: http, routes: [{name: foo, match: GET /foo}, {match: GET /bar}]}");
    struct fake_exchange *foo = fake_ask(fake, "GET", "/foo");
    struct fake_exchange *bar = fake_ask(fake, "GET", "/bar");
    ck_str_is(journal_name(fake->server.journal, request_entry(fake, foo)->route), "api.foo");
    ck_str_is(journal_name(fake->server.journal, request_entry(fake, bar)->route), "api GET /bar");
    ck_assert_uint_eq(request_entry(fake, bar)->flags & ENTRY_UNMATCHED, 0);
    fake_exchange_free(foo);
    fake_exchange_free(bar);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_written_default_answers_the_rest)
{
    struct fake *fake = fake_good(
        "{protocol: http, routes: [{match: /a}], default: [{status: 418}, {status: 419}]}");
    struct fake_exchange *x = fake_ask(fake, "GET", "/b");
    ck_assert_uint_eq(fake_status(x), 418);
    ck_assert(request_entry(fake, x)->flags & ENTRY_UNMATCHED);
    ck_assert(!upstream_minds_unmatched(fake->upstream));
    ck_assert_uint_eq(journal_count(fake->server.journal, ENTRY_MISS, 0), 0);
    fake_exchange_free(x);
    check_ask(fake, "GET", "/b", 419, "");
    check_ask(fake, "GET", "/b", 419, "");
    fake_free(fake);
    fake = fake_good("{protocol: http, default: not-found}");
    check_ask(fake, "GET", "/b", 404, "{\"error\":\"no route matches GET /b\"}");
    ck_assert(!upstream_minds_unmatched(fake->upstream));
    fake_free(fake);
}
END_TEST

START_TEST(test_without_routes_it_echoes)
{
    struct fake *fake = fake_good("{protocol: http}");
    struct fake_exchange *x = fake_request(fake, "POST", "/a%20b?x=1&y=2&x=3");
    struct headers *headers = &x->exchange.request.headers;
    headers_add(headers, NULL, STR("X-A"), STR("1"));
    headers_add(headers, NULL, STR("Host"), STR("h"));
    headers_add(headers, NULL, STR("x-a"), STR("2"));
    x->exchange.request.body = STR("{\"k\": [1.0]}");
    upstream_answer(fake->upstream, &x->exchange);
    ck_assert_uint_eq(request_entry(fake, x)->flags & ENTRY_UNMATCHED, 0);
    struct json_error error;
    struct json *echo = json_read(fake->arena, fake_sent(x), &error);
    ck_assert_ptr_nonnull(echo);
    struct json *expected =
        json_read(fake->arena,
                  STR("{\"upstream\": \"api\", \"protocol\": \"HTTP/1.1\", \"method\": \"POST\", "
                      "\"path\": \"/a%20b\","
                      "\"query\": {\"x\": [\"1\", \"3\"], \"y\": \"2\"}, \"headers\": {\"x-a\": "
                      "[\"1\", \"2\"], \"host\": \"h\"},"
                      "\"body\": \"{\\\"k\\\": [1.0]}\", \"json\": {\"k\": [1.0]}, \"tls\": null}"),
                  &error);
    ck_assert(json_is_subset(expected, echo));
    ck_assert_ptr_nonnull(json_get(json_get(echo, STR("client")), STR("address")));
    ck_assert_ptr_nonnull(json_get(json_get(echo, STR("client")), STR("port")));
    ck_assert_uint_eq(echo->count, 10);
    ck_str_is(json_get(echo, STR("headers"))->members[0].name, "x-a");
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_echo_of_odd_requests)
{
    struct fake *fake = fake_good("{protocol: http, default: echo}");
    struct fake_exchange *x = fake_request(fake, "OPTIONS", "*");
    headers_add(&x->exchange.request.headers, NULL, STR("A"), STR("\xff"));
    x->exchange.request.body = STR("not json \xc3\x28");
    upstream_answer(fake->upstream, &x->exchange);
    struct json_error error;
    struct json *echo = json_read(fake->arena, fake_sent(x), &error);
    ck_assert_ptr_nonnull(echo);
    ck_assert_ptr_null(json_get(echo, STR("json")));
    ck_str_is(json_get(echo, STR("body"))->text, "not json \xef\xbf\xbd(");
    ck_str_is(json_get(echo, STR("path"))->text, "*");
    ck_assert_uint_eq(json_get(echo, STR("query"))->count, 0);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_echo_of_many_headers)
{
    struct fake *fake = fake_good("{protocol: http}");
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    for (int i = 0; i < 20000; i++)
        headers_add(&x->exchange.request.headers, NULL, STR("a"), STR(""));
    upstream_answer(fake->upstream, &x->exchange);
    ck_assert(x->ended);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_sequences)
{
    struct fake *fake =
        fake_good("protocol: http\n"
                  "routes:\n"
                  "  - {match: /a, respond: [{body: '1'}, {body: '2'}]}\n"
                  "  - {match: /b, cycle: true, respond: [{body: '1'}, {body: '2'}]}\n");
    check_ask(fake, "GET", "/a", 200, "1");
    check_ask(fake, "GET", "/a", 200, "2");
    check_ask(fake, "GET", "/a", 200, "2");
    check_ask(fake, "GET", "/b", 200, "1");
    check_ask(fake, "GET", "/b", 200, "2");
    check_ask(fake, "GET", "/b", 200, "1");
    fake_free(fake);
}
END_TEST

static void note_unfinished(void *context, struct str name, struct place place, size_t served,
                            size_t count)
{
    buf_printf(context, STR_FMT " %u:%u %zu/%zu\n", STR_ARG(name), place.line, place.column, served,
               count);
}

static void check_unfinished(struct fake *fake, const char *expected)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    upstream_unfinished(fake->upstream, note_unfinished, &text);
    ck_str_is(buf_str(&text), expected);
    buf_clear(&text);
}

START_TEST(test_sequences_not_served_to_their_end)
{
    struct fake *fake = fake_good("protocol: http\n"
                                  "default: [{}, {}]\n"
                                  "routes:\n"
                                  "  - {name: a, match: /a, respond: [{}, {}]}\n"
                                  "  - {match: GET /b, respond: [{}, {}, {}]}\n"
                                  "  - {match: /c, optional: true, respond: [{}, {}]}\n"
                                  "  - {match: /d, respond: {}}\n");
    check_unfinished(fake, "api.a 4:35 0/2\napi GET /b 5:30 0/3\napi default 2:10 0/2\n");
    check_ask(fake, "GET", "/a", 200, "");
    check_ask(fake, "GET", "/b", 200, "");
    check_ask(fake, "GET", "/x", 200, "");
    check_ask(fake, "GET", "/x", 200, "");
    check_unfinished(fake, "api.a 4:35 1/2\napi GET /b 5:30 1/3\n");
    check_ask(fake, "GET", "/a", 200, "");
    check_ask(fake, "GET", "/b", 200, "");
    check_ask(fake, "GET", "/b", 200, "");
    check_unfinished(fake, "");
    fake_free(fake);
    fake = fake_good("{protocol: http, optional: true, routes: [{match: /a, respond: [{}, {}]}]}");
    check_unfinished(fake, "");
    fake_free(fake);
}
END_TEST

/** A sequence as an action has it. */
static struct list *read_sequence(struct fake *fake, const char *yaml)
{
    struct source *source = arena_alloc(fake->arena, sizeof *source);
    struct list *list = arena_alloc(fake->arena, sizeof *list);
    struct node *node = NULL;
    *source = (struct source){STR("--action"), str_of(yaml)};
    ck_assert_int_eq(tree_read_value(fake->arena, source, &node, &fake->diagnostics), 0);
    ck_assert_int_eq(reader_read(&fake->reader, &respond_sequence_type, node, list), READ_OK);
    return list;
}

static const char *const two_routes = "protocol: http\n"
                                      "routes:\n"
                                      "  - {name: a, match: /a, respond: {body: a}}\n"
                                      "  - {name: b, match: /b, respond: {body: b}}\n"
                                      "default: {body: rest}\n";

START_TEST(test_answers_of_actions)
{
    struct fake *fake = fake_good(two_routes);
    struct upstream *upstream = fake->upstream;
    ck_assert(upstream_has_route(upstream, STR("a")));
    ck_assert(!upstream_has_route(upstream, STR("c")));
    ck_assert(!upstream_has_route(upstream, STR("")));
    uint64_t all = upstream_push_respond(upstream, (struct str){0},
                                         read_sequence(fake, "[{body: x1}, {body: x2}]"));
    uint64_t one = upstream_push_respond(upstream, STR("a"), read_sequence(fake, "{body: y}"));
    check_ask(fake, "GET", "/a", 200, "y");
    check_ask(fake, "GET", "/b", 200, "x1");
    check_ask(fake, "GET", "/c", 200, "x1");
    upstream_undo(upstream, one);
    check_ask(fake, "GET", "/a", 200, "x1");
    check_ask(fake, "GET", "/b", 200, "x2");
    upstream_undo(upstream, all);
    upstream_undo(upstream, all);
    upstream_undo(upstream, 99);
    check_ask(fake, "GET", "/a", 200, "a");
    check_ask(fake, "GET", "/b", 200, "b");
    check_ask(fake, "GET", "/c", 200, "rest");
    check_unfinished(fake, "");
    fake_free(fake);
}
END_TEST

START_TEST(test_each_undo_lifts_its_own)
{
    struct fake *fake = fake_good(two_routes);
    uint64_t older =
        upstream_push_respond(fake->upstream, STR("a"), read_sequence(fake, "{body: older}"));
    uint64_t newer =
        upstream_push_respond(fake->upstream, STR("a"), read_sequence(fake, "{body: newer}"));
    check_ask(fake, "GET", "/a", 200, "newer");
    upstream_undo(fake->upstream, older);
    check_ask(fake, "GET", "/a", 200, "newer");
    upstream_undo(fake->upstream, newer);
    check_ask(fake, "GET", "/a", 200, "a");
    fake_free(fake);
}
END_TEST

START_TEST(test_an_action_s_sequence_is_minded_also_when_taken_back)
{
    struct fake *fake = fake_good(two_routes);
    struct list *sequence = read_sequence(fake, "[{}, {}]");
    for (int i = 0; i < 3; i++)
        upstream_undo(fake->upstream, upstream_push_respond(fake->upstream, STR("a"), sequence));
    check_unfinished(fake, "api.a 0:0 0/2\n");
    uint64_t id =
        upstream_push_respond(fake->upstream, (struct str){0}, read_sequence(fake, "[{}, {}]"));
    check_ask(fake, "GET", "/b", 200, "");
    check_unfinished(fake, "api 0:0 1/2\napi.a 0:0 0/2\n");
    check_ask(fake, "GET", "/b", 200, "");
    upstream_undo(fake->upstream, id);
    check_unfinished(fake, "api.a 0:0 0/2\n");
    fake_free(fake);
}
END_TEST

START_TEST(test_forced_statuses)
{
    struct fake *fake = fake_good(
        "protocol: http\n"
        "routes:\n"
        "  - {name: a, match: /a, respond: [{body: '1'}, {body: '2 of {{ request.number }}'}]}\n");
    check_ask(fake, "GET", "/a", 200, "1");
    uint64_t port = upstream_push_status(fake->upstream, (struct str){0}, 500, 0);
    uint64_t route = upstream_push_status(fake->upstream, STR("a"), 503, 2);
    check_ask(fake, "GET", "/a", 503, "");
    check_ask(fake, "GET", "/x", 500, "");
    check_ask(fake, "GET", "/a", 503, "");
    check_ask(fake, "GET", "/a", 500, "");
    upstream_undo(fake->upstream, route);
    upstream_undo(fake->upstream, port);
    check_ask(fake, "GET", "/a", 200, "2 of 5");
    upstream_push_status(fake->upstream, (struct str){0}, 501, 0);
    upstream_push_status(fake->upstream, STR("a"), 502, 0);
    upstream_lift_status(fake->upstream, (struct str){0});
    check_ask(fake, "GET", "/a", 502, "");
    upstream_lift_status(fake->upstream, STR("a"));
    check_ask(fake, "GET", "/a", 200, "2 of 7");
    upstream_push_status(fake->upstream, STR("nobody"), 502, 0);
    upstream_lift_delay(fake->upstream, STR("nobody"));
    check_ask(fake, "GET", "/a", 200, "2 of 8");
    fake_free(fake);
}
END_TEST

/** How long the answer took at least and at most, on a machine that may be slow. */
static int64_t ask_delay(struct fake *fake, const char *target)
{
    struct fake_exchange *x = fake_ask(fake, "GET", target);
    int64_t delay_ns = x->first_ns - x->exchange.whole_ns;
    fake_exchange_free(x);
    return delay_ns;
}

START_TEST(test_delays_add_up)
{
    struct fake *fake =
        fake_good("{protocol: http, delay: 10ms, default: {delay: 5ms}, "
                  "routes: [{match: /a, delay: 10ms-12ms, respond: {delay: 10ms}}]}");
    ck_assert_int_ge(ask_delay(fake, "/a"), 30 * CLOCK_MS);
    ck_assert_int_ge(ask_delay(fake, "/b"), 15 * CLOCK_MS);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_forced_delay_replaces_all_others)
{
    struct fake *fake =
        fake_good("{protocol: http, delay: 1h, routes: [{name: a, match: /a, delay: 1h}]}");
    struct duration short_one = {.kind = DURATION_FIXED, .low_ns = 5 * CLOCK_MS};
    struct duration none = {0};
    upstream_push_delay(fake->upstream, (struct str){0}, &none, 0);
    upstream_push_delay(fake->upstream, STR("a"), &short_one, 1);
    ck_assert_int_ge(ask_delay(fake, "/a"), 5 * CLOCK_MS);
    ck_assert_int_ge(ask_delay(fake, "/a"), 0);
    upstream_lift_delay(fake->upstream, (struct str){0});
    struct fake_exchange *x = fake_request(fake, "GET", "/a");
    upstream_answer(fake->upstream, &x->exchange);
    loop_turn(fake->loop);
    ck_assert(!x->ended);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

START_TEST(test_delays_do_not_overflow)
{
    struct fake *fake = fake_good("{protocol: http, delay: 106000d, default: {delay: 106000d}}");
    struct fake_exchange *x = fake_request(fake, "GET", "/a");
    upstream_answer(fake->upstream, &x->exchange);
    loop_turn(fake->loop);
    ck_assert(!x->ended);
    fake_exchange_free(x);
    fake_free(fake);
}
END_TEST

UNIT_MAIN("upstream", test_defaults, test_limits_and_address, test_wrong_upstreams_are_told,
          test_wrong_routes_are_told, test_first_match_wins,
          test_a_route_without_respond_answers_200, test_many_fixed_routes, test_times_ends_a_route,
          test_not_found_names_the_nearest_route,
          test_of_equally_near_routes_the_most_alike_is_named, test_routes_are_journalled,
          test_a_written_default_answers_the_rest, test_without_routes_it_echoes,
          test_echo_of_odd_requests, test_echo_of_many_headers, test_sequences,
          test_sequences_not_served_to_their_end, test_answers_of_actions,
          test_each_undo_lifts_its_own, test_an_action_s_sequence_is_minded_also_when_taken_back,
          test_forced_statuses, test_delays_add_up, test_a_forced_delay_replaces_all_others,
          test_delays_do_not_overflow)
