#include "ctest/unit/fake_exchange.h"

#include "server/http/h2.h"
#include "server/tls/tls.h"

static struct fake *fake_good(const char *yaml)
{
    struct fake *fake = fake_new(yaml);
    struct str why = {0};
    ck_str_is(fake_wrong(fake), "");
    ck_assert_msg(upstream_prepare(fake->upstream, &why), STR_FMT, STR_ARG(why));
    return fake;
}

/** Asks and checks the body. */
static void check_ask(struct fake *fake, const char *target, const char *body)
{
    struct fake_exchange *x = fake_ask(fake, "GET", target);
    ck_str_is(fake_sent(x), body);
    fake_exchange_free(x);
}

/** What a `switch` with these keys does; its id. */
static uint64_t change(struct fake *fake, const char *yaml)
{
    struct source *source = arena_alloc(fake->arena, sizeof *source);
    struct upstream_config *config = arena_alloc(fake->arena, sizeof *config);
    struct documents documents = {0};
    struct str why = {0};
    *source = (struct source){STR("/tmp/change.yaml"), str_of(yaml)};
    ck_assert_int_eq(tree_read_yaml(fake->arena, source, &documents, &fake->diagnostics), 0);
    ck_assert_int_eq(
        reader_read_table(&fake->reader, &upstream_service_table, documents.items[0], config),
        READ_OK);
    const struct upstream_change given = {
        .config = config, .node = documents.items[0], .connections = CLOSE_KEEP};
    uint64_t id = upstream_change(fake->upstream, &given, &why);
    ck_assert_msg(id, STR_FMT, STR_ARG(why));
    return id;
}

static struct tls_setup *setup_of(struct fake *fake)
{
    return fake->port.tls ? fake->port.tls(&fake->port, &fake->stream) : NULL;
}

/** What a connection with that number gets behind its handshake. */
static const struct protocol *agreed(struct fake *fake, uint64_t number, const char *alpn)
{
    struct stream stream = {.port = &fake->port, .number = number};
    struct str name = alpn ? str_of(alpn) : (struct str){0};
    return fake->port.agreed(&fake->port, &stream, name);
}

START_TEST(test_each_protocol_sets_its_port)
{
    static const struct {
        const char *yaml;
        const char *scheme;
        bool tls;
        unsigned speech;
    } rows[] = {
        {"{protocol: http}", "http", false, SPEECH_HTTP1},
        {"{protocol: https}", "https", true, SPEECH_TLS | SPEECH_HTTP1},
        {"{protocol: h2c}", "http", false, SPEECH_HTTP2},
        {"{protocol: h2}", "https", true, SPEECH_TLS | SPEECH_HTTP2},
        {"{protocol: h2, tls: {alpn: [h2, http/1.1]}}", "https", true,
         SPEECH_TLS | SPEECH_HTTP1 | SPEECH_HTTP2},
        {"{protocol: tcp}", NULL, false, SPEECH_BYTES},
        {"{protocol: tls, tls: {alpn: [h2]}}", NULL, true, SPEECH_TLS | SPEECH_BYTES},
        {"{protocol: https, tls: alpn-mismatch}", "https", true,
         SPEECH_TLS | SPEECH_HTTP1 | SPEECH_HTTP2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fake *fake = fake_good(rows[i].yaml);
        ck_assert_pstr_eq(fake->port.scheme, rows[i].scheme);
        ck_assert_int_eq(fake->port.tls != NULL, rows[i].tls);
        ck_assert_int_eq(setup_of(fake) != NULL, rows[i].tls);
        ck_assert_uint_eq(upstream_speech(fake->upstream), rows[i].speech);
        ck_assert_int_eq(fake->port.handshake_ns, 30 * INT64_C(1000000000));
        fake_free(fake);
    }
}
END_TEST

START_TEST(test_protocol_behind_a_handshake)
{
    struct fake *fake = fake_good("{protocol: https, tls: {alpn: [h2, http/1.1]}}");
    ck_assert_ptr_eq(agreed(fake, 1, "h2"), &h2_protocol);
    ck_assert_ptr_eq(agreed(fake, 1, "http/1.1"), &h1_protocol);
    ck_assert_ptr_eq(agreed(fake, 1, "http/1.0"), &h1_protocol);
    ck_assert_ptr_eq(agreed(fake, 1, NULL), &h1_protocol);
    ck_assert_ptr_eq(agreed(fake, 1, "spdy/3"), &h1_protocol);
    change(fake, "{protocol: h2}");
    ck_assert_ptr_eq(agreed(fake, 1, NULL), &h1_protocol); /* it is among `alpn` */
    change(fake, "{protocol: h2, tls: {alpn: [h2]}}");
    ck_assert_ptr_eq(agreed(fake, 1, NULL), &h2_protocol);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_handshake_under_way_belongs_to_the_old)
{
    struct fake *fake = fake_good("{protocol: https}");
    struct stream oldest = {.port = &fake->port, .number = 2};
    fake->port.oldest = &oldest;
    fake->port.accepted = 3;
    change(fake, "{protocol: h2}");
    fake->port.accepted = 5;
    change(fake, "{protocol: https}");
    ck_assert_ptr_eq(agreed(fake, 2, NULL), &h1_protocol);
    ck_assert_ptr_eq(agreed(fake, 3, NULL), &h1_protocol);
    ck_assert_ptr_eq(agreed(fake, 4, NULL), &h2_protocol);
    ck_assert_ptr_eq(agreed(fake, 5, NULL), &h2_protocol);
    ck_assert_ptr_eq(agreed(fake, 6, NULL), &h1_protocol);
    fake->port.oldest = NULL;
    fake_free(fake);
}
END_TEST

START_TEST(test_keys_not_given_stay)
{
    struct fake *fake =
        fake_good("protocol: http\n"
                  "limits: {idle: 7s, max-connections: 3}\n"
                  "routes: [{match: /a, respond: [{body: one}, {body: two}, {body: three}]}]\n"
                  "default: {body: other}\n");
    check_ask(fake, "/a", "one");
    uint64_t id = change(fake, "{protocol: h2c}");
    ck_assert_ptr_eq(fake->port.protocol, &h2c_protocol);
    ck_assert_int_eq(upstream_protocol(fake->upstream), PROTOCOL_H2C);
    ck_assert_int_eq(upstream_limits(fake->upstream)->idle_ns, 7 * INT64_C(1000000000));
    ck_assert_uint_eq(fake->port.max_connections, 3);
    check_ask(fake, "/a", "two");
    check_ask(fake, "/b", "other");
    upstream_undo(fake->upstream, id);
    ck_assert_ptr_eq(fake->port.protocol, &h1_protocol);
    check_ask(fake, "/a", "three");
    upstream_undo(fake->upstream, id);
    fake_free(fake);
}
END_TEST

START_TEST(test_given_keys_hold_until_undone)
{
    struct fake *fake = fake_good("protocol: http\n"
                                  "routes: [{match: /a, respond: [{body: one}, {body: two}]}]\n");
    check_ask(fake, "/a", "one");
    uint64_t id = change(fake, "{protocol: http, limits: {idle: 1s}, routes: [{match: /b, respond: "
                               "{body: b}}], default: {body: rest}}");
    ck_assert_int_eq(upstream_limits(fake->upstream)->idle_ns, INT64_C(1000000000));
    check_ask(fake, "/a", "rest");
    check_ask(fake, "/b", "b");
    ck_assert(!upstream_minds_unmatched(fake->upstream));
    upstream_undo(fake->upstream, id);
    ck_assert_int_eq(upstream_limits(fake->upstream)->idle_ns, 60 * INT64_C(1000000000));
    check_ask(fake, "/a", "two");
    ck_assert(upstream_minds_unmatched(fake->upstream));
    fake_free(fake);
}
END_TEST

START_TEST(test_changes_are_undone_in_any_order)
{
    struct fake *fake = fake_good("{protocol: http}");
    ck_assert_ptr_null(setup_of(fake));
    uint64_t first = change(fake, "{protocol: https, tls: expired}");
    struct tls_setup *expired = tls_setup_hold(setup_of(fake));
    ck_assert_ptr_nonnull(expired);
    uint64_t second = change(fake, "{protocol: h2, default: {body: second}}");
    ck_assert_ptr_ne(setup_of(fake), expired);
    ck_assert_int_eq(upstream_protocol(fake->upstream), PROTOCOL_H2);
    upstream_undo(fake->upstream, first);
    ck_assert_int_eq(upstream_protocol(fake->upstream), PROTOCOL_H2);
    ck_assert_ptr_nonnull(setup_of(fake));
    check_ask(fake, "/", "second");
    upstream_undo(fake->upstream, second);
    ck_assert_int_eq(upstream_protocol(fake->upstream), PROTOCOL_HTTP);
    ck_assert_ptr_null(fake->port.tls);
    tls_setup_release(expired);
    fake_free(fake);
}
END_TEST

START_TEST(test_each_change_of_tls_is_a_new_setup)
{
    struct fake *fake = fake_good("{protocol: https}");
    struct tls_setup *before = tls_setup_hold(setup_of(fake));
    uint64_t routes = change(fake, "{protocol: https, routes: [{match: /a}]}");
    ck_assert_ptr_eq(setup_of(fake), before);
    uint64_t tls = change(fake, "{protocol: https, tls: valid}");
    ck_assert_ptr_ne(setup_of(fake), before);
    struct tls_setup *valid = tls_setup_hold(setup_of(fake));
    upstream_undo(fake->upstream, tls);
    ck_assert_ptr_ne(setup_of(fake), valid);
    ck_assert_ptr_ne(setup_of(fake), before);
    upstream_undo(fake->upstream, routes);
    tls_setup_release(valid);
    tls_setup_release(before);
    fake_free(fake);
}
END_TEST

START_TEST(test_overrides_stay_with_their_routes)
{
    struct fake *fake = fake_good("protocol: http\n"
                                  "routes: [{name: a, match: /a, respond: {body: base}}]\n");
    struct respond *block = NULL;
    struct list sequence;
    const struct route_config *route = fake->config.routes.items;
    block = ((struct respond **)route->respond.items)[0];
    sequence = (struct list){&block, 1};
    uint64_t id = change(fake, "{protocol: http, routes: [{name: a, match: /a, respond: {body: "
                               "new}}]}");
    check_ask(fake, "/a", "new");
    uint64_t over_new = upstream_push_respond(fake->upstream, STR("a"), &sequence);
    check_ask(fake, "/a", "base");
    uint64_t status = upstream_push_status(fake->upstream, (struct str){0}, 418, 0);
    upstream_undo(fake->upstream, id);
    struct fake_exchange *x = fake_ask(fake, "GET", "/a");
    ck_assert_uint_eq(fake_status(x), 418);
    fake_exchange_free(x);
    upstream_undo(fake->upstream, status);
    upstream_undo(fake->upstream, over_new);
    check_ask(fake, "/a", "base");
    fake_free(fake);
}
END_TEST

static void collect(void *context, struct str name, struct place place, size_t served, size_t count)
{
    struct buf *text = context;
    buf_printf(text, STR_FMT " %u %zu/%zu\n", STR_ARG(name), place.line, served, count);
}

START_TEST(test_unfinished_sequences_of_all_routes_are_told)
{
    struct fake *fake = fake_good("protocol: http\n"
                                  "routes: [{match: /a, respond: [{body: one}, {body: two}]}]\n"
                                  "default: [{body: d1}, {body: d2}, {body: d3}]\n");
    struct buf text;
    buf_init(&text, BUF_OWN);
    check_ask(fake, "/a", "one");
    check_ask(fake, "/x", "d1");
    uint64_t id = change(fake, "protocol: http\n"
                               "routes:\n"
                               "  - {match: /b, respond: [{body: b1}, {body: b2}, {body: b3}]}\n");
    check_ask(fake, "/b", "b1");
    check_ask(fake, "/b", "b2");
    check_ask(fake, "/x", "d2");
    upstream_undo(fake->upstream, id);
    upstream_unfinished(fake->upstream, collect, &text);
    ck_str_is(buf_str(&text), "api /b 3 2/3\napi /a 2 1/2\napi default 3 2/3\n");
    buf_clear(&text);
    fake_free(fake);
}
END_TEST

START_TEST(test_a_config_read_again_is_taken_over)
{
    struct fake *fake = fake_good("{protocol: http, delay: 0ms, default: {body: d}}");
    change(fake, "{protocol: https}");
    struct tls_setup *before = setup_of(fake);
    fake->config.limits.idle_ns = 5;
    fake->config.fallback.respond = (struct list){0};
    upstream_config_changed(fake->upstream);
    ck_assert_int_eq(upstream_limits(fake->upstream)->idle_ns, 5);
    ck_assert_ptr_eq(setup_of(fake), before);
    ck_assert_int_eq(upstream_protocol(fake->upstream), PROTOCOL_HTTPS);
    check_ask(fake, "/", "");
    fake_free(fake);
}
END_TEST

UNIT_MAIN("upstream-change", test_each_protocol_sets_its_port, test_protocol_behind_a_handshake,
          test_a_handshake_under_way_belongs_to_the_old, test_keys_not_given_stay,
          test_given_keys_hold_until_undone, test_changes_are_undone_in_any_order,
          test_each_change_of_tls_is_a_new_setup, test_overrides_stay_with_their_routes,
          test_unfinished_sequences_of_all_routes_are_told, test_a_config_read_again_is_taken_over)
