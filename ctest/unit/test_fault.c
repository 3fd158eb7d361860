#include "ctest/unit/fake_exchange.h"
#include "ctest/unit/tls_rig.h"

#include "server/fault/fault_private.h"
#include "server/http/h2.h"

/* A fault of HTTP/2 that notes what is asked of it. */

static struct buf noted;
static bool takes_over;

static void note(const char *what, const struct stream *stream)
{
    buf_printf(&noted, "%s %llu\n", what, (unsigned long long)stream->number);
}

static void noting_begin(struct stream *stream, const struct fault_config *config,
                         struct h2_begin *begin)
{
    (void)config;
    begin->max_streams++;
    note("begin", stream);
}

static void noting_live(struct stream *stream, const struct fault_config *config)
{
    (void)config;
    note("live", stream);
}

static void noting_lift(struct stream *stream, const struct fault_config *config)
{
    (void)config;
    note("lift", stream);
}

static bool noting_answer(struct exchange *exchange, const struct fault_config *config)
{
    (void)config;
    note("answer", exchange->stream);
    return takes_over;
}

static const struct fault_how of_connections = {
    .speaks = h2_is, .begin_h2 = noting_begin, .live = noting_live, .lift = noting_lift};
static const struct fault_how of_requests = {.speaks = h2_is, .answer = noting_answer};
static const struct fault_how of_both = {
    .speaks = h2_is, .begin_h2 = noting_begin, .answer = noting_answer};
static const struct fault_kind connection_kind = {.layer = FAULT_HTTP2, .how = &of_connections};
static const struct fault_kind request_kind = {
    .layer = FAULT_HTTP2, .on_route = true, .each_request = true, .how = &of_requests};
static const struct fault_kind both_kind = {.layer = FAULT_HTTP2, .how = &of_both};
static const struct fault_kind idle_kind = {
    .layer = FAULT_HTTP2, .may_idle = true, .how = &of_connections};
static const struct member connection_member = {"flood", &type_true, "", &connection_kind, 0};
static const struct member request_member = {"refuse-it", &type_true, "", &request_kind, 0};
static const struct member both_member = {"both", &type_true, "", &both_kind, 0};
static const struct member idle_member = {"quiet", &type_true, "", &idle_kind, 0};

static struct source source = {STR_INIT("spec.yaml"), STR_INIT("")};
static unsigned lines;

/** A fault that stands on a line of its own. */
static struct fault_config fault_on(const struct member *member)
{
    return (struct fault_config){
        .kind = {.member = member, .place = {.source = &source, .line = ++lines, .column = 1}},
        .chance = 1};
}

static struct fault_config fault_named(const char *kind)
{
    const struct member *member = fault_tls_members;
    while (strcmp(member->key, kind) != 0)
        member++;
    return fault_on(member);
}

/* A port with connections of HTTP/2 that have no socket. */

enum { STREAMS = 4 };

static struct fake *fake;
static struct faults *faults;
static struct stream streams[STREAMS];
static uint64_t stream_count;

static void world_init(const char *yaml)
{
    struct str why = {0};
    buf_init(&noted, BUF_OWN);
    takes_over = false;
    stream_count = 0;
    fake = fake_new(yaml);
    ck_str_is(fake_wrong(fake), "");
    ck_assert_msg(upstream_prepare(fake->upstream, &why), STR_FMT, STR_ARG(why));
    faults = upstream_faults(fake->upstream);
}

static void world_clear(void)
{
    for (size_t i = 0; i < STREAMS; i++) {
        memory_free(streams[i].struck);
        streams[i] = (struct stream){0};
    }
    memory_free(fake->stream.struck);
    fake->port.oldest = NULL;
    buf_clear(&noted);
    fake_free(fake);
}

/** One more connection. */
static struct stream *world_accept(void)
{
    struct stream *stream = &streams[stream_count];
    *stream =
        (struct stream){.server = &fake->server, .port = &fake->port, .protocol = &h2_protocol};
    stream->number = ++fake->port.accepted;
    stream->watcher.fd = -1;
    stream->entry = 1;
    if (stream_count)
        streams[stream_count - 1].next = stream;
    else
        fake->port.oldest = stream;
    stream_count++;
    return stream;
}

/** One more connection, whose HTTP/2 begins. */
static struct stream *world_begin(void)
{
    struct stream *stream = world_accept();
    struct h2_begin begin = {0};
    fake->port.h2_begin(stream, &begin);
    return stream;
}

static uint64_t push(const struct fault_config *config, const char *route)
{
    struct str why = {0};
    uint64_t id =
        faults_push(faults, route ? str_of(route) : (struct str){0}, config, fake->arena, &why);
    ck_assert_msg(id, STR_FMT, STR_ARG(why));
    return id;
}

/** What was noted since it was asked last. */
static struct str told(void)
{
    struct str text = arena_copy(fake->arena, buf_str(&noted));
    buf_reset(&noted);
    return text;
}

static uint64_t entries(void)
{
    return journal_count(fake->server.journal, ENTRY_FAULT, 0);
}

/** A request on a connection; whether it was taken over. */
static bool ask(struct stream *stream, const char *target)
{
    struct fake_exchange *x = fake_request(fake, "GET", target);
    x->exchange.stream = stream;
    takes_over = true;
    upstream_answer(fake->upstream, &x->exchange);
    bool taken = fake_log(x).size == 0;
    x->ended = true;
    fake_exchange_free(x);
    return taken;
}

static void idle_add(void *context, const struct fault_idle *idle)
{
    buf_printf(context, STR_FMT " of " STR_FMT ": " STR_FMT "\n", STR_ARG(idle->name),
               STR_ARG(idle->on), STR_ARG(idle->why));
}

static struct str idle(void)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    faults_idle(faults, fake->arena, idle_add, &text);
    struct str copy = arena_copy(fake->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/* Reading */

/** The diagnostics of an upstream with these `faults`. */
static void check_read(const char *list, const char *wrong)
{
    char yaml[512];
    snprintf(yaml, sizeof yaml, "{protocol: https, faults: %s}", list);
    struct fake *world = fake_new(yaml);
    ck_str_is(fake_wrong(world), wrong);
    fake_free(world);
}

static const struct fault_config *read_one(struct fake *world)
{
    ck_str_is(fake_wrong(world), "");
    ck_assert_uint_eq(world->config.faults.count, 1);
    return *(struct fault_config *const *)world->config.faults.items;
}

START_TEST(test_reads_a_bare_word)
{
    struct fake *world = fake_new("{protocol: https, faults: [expired]}");
    const struct fault_config *config = read_one(world);
    ck_str_is(fault_config_kind(config), "expired");
    ck_str_is(fault_config_name(config), "expired");
    ck_assert_int_eq(fault_config_layer(config), FAULT_TLS);
    ck_assert(config->chance == 1);
    ck_assert_uint_eq(config->times, 0);
    ck_assert_int_eq(config->apply, FAULT_APPLY_BOTH);
    fake_free(world);
}
END_TEST

START_TEST(test_reads_every_option)
{
    struct fake *world =
        fake_new("{protocol: https, faults: [{wrong-host: true, chance: 25%, times: 3, apply: new, "
                 "optional: true, name: wrong, after: {requests: 2, time: 1s}}]}");
    const struct fault_config *config = read_one(world);
    ck_str_is(fault_config_kind(config), "wrong-host");
    ck_str_is(fault_config_name(config), "wrong");
    ck_assert(config->chance == 0.25);
    ck_assert_uint_eq(config->times, 3);
    ck_assert_uint_eq(config->after.requests, 2);
    ck_assert_int_eq(config->after.time_ns, CLOCK_SECOND);
    ck_assert_int_eq(config->apply, FAULT_APPLY_NEW);
    ck_assert(config->optional);
    fake_free(world);
}
END_TEST

START_TEST(test_wrong_faults_are_told)
{
    check_read("[]", "");
    check_read("[expird]", "1:28 no fault is called 'expird'\n");
    check_read("[{expird: true}]", "1:29 unknown key 'expird' in fault\n");
    check_read("[no-trailers, {oversized-message: 5MiB}]", "");
    check_read("[{oversized-message: 5GiB}]",
               "1:48 expected a size from 1 to 4294967295, found a string '5GiB'\n");
    check_read("[times]", "1:28 'times' needs a value\n");
    check_read("[{expired: false}]", "1:29 a fault that is false is none\n");
    check_read("[valid]", "1:28 no fault is called 'valid'\n");
    check_read("[{expired: true, direction: request}]",
               "1:44 'direction' has no meaning for 'expired': it is no fault of the stream\n");
    check_read("[{expired: true, after: {bytes: 7}}]",
               "1:52 'after.bytes' has no meaning for 'expired': it begins with the connection, "
               "not within it\n");
    check_read("[{expired: true, apply: existing}]",
               "1:44 'apply: existing' has no meaning for 'expired': it strikes connections only "
               "as they begin\n");
}
END_TEST

START_TEST(test_routes_take_no_faults_of_connections)
{
    struct fake *world =
        fake_new("{protocol: https, routes: [{match: /a, fault: expired}, {match: /b, respond: "
                 "{fault: [wrong-host]}}]}");
    ck_str_is(fake_wrong(world),
              "1:47 'expired' is no fault of a route or an answer: it strikes whole connections, "
              "whatever they ask for\n"
              "1:87 'wrong-host' is no fault of a route or an answer: it strikes whole "
              "connections, whatever they ask for\n");
    fake_free(world);
}
END_TEST

START_TEST(test_every_layer_has_a_name)
{
    ck_str_is(str_of(fault_layer_name(FAULT_STREAM)), "stream");
    ck_str_is(str_of(fault_layer_name(FAULT_GRPC)), "grpc");
    ck_str_is(str_of(fault_layer_title(FAULT_HTTP2)), "HTTP/2");
    for (const struct tls_fault *row = tls_catalogue + 1; row->name; row++) {
        struct fault_config config = fault_named(row->name);
        ck_str_is(fault_config_kind(&config), row->name);
    }
}
END_TEST

/* Connections */

START_TEST(test_new_connections_are_struck_once)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&connection_member);
    uint64_t id = push(&config, NULL);
    world_begin();
    world_begin();
    ck_str_is(told(), "begin 1\nbegin 2\n");
    ck_assert_uint_eq(entries(), 2);
    faults_undo(faults, id);
    ck_str_is(told(), "lift 1\nlift 2\n");
    faults_undo(faults, id);
    world_begin();
    ck_str_is(told(), "");
    ck_str_is(idle(), "");
    world_clear();
}
END_TEST

START_TEST(test_live_connections_are_struck_at_once)
{
    world_init("{protocol: h2c}");
    world_begin();
    struct stream *closing = world_begin();
    closing->closing = true;
    world_begin()->protocol = &h1_protocol;
    struct fault_config config = fault_on(&connection_member);
    uint64_t id = push(&config, NULL);
    ck_str_is(told(), "live 1\n");
    world_begin();
    ck_str_is(told(), "begin 4\n");
    faults_undo(faults, id);
    ck_str_is(told(), "lift 1\nlift 4\n");
    world_clear();
}
END_TEST

START_TEST(test_apply_says_which_connections)
{
    world_init("{protocol: h2c}");
    struct fault_config existing = fault_on(&connection_member);
    struct fault_config new = fault_on(&connection_member);
    existing.apply = FAULT_APPLY_EXISTING;
    existing.name = STR("old");
    new.apply = FAULT_APPLY_NEW;
    world_begin();
    push(&existing, NULL);
    ck_str_is(told(), "live 1\n");
    push(&new, NULL);
    ck_str_is(told(), "");
    world_begin();
    ck_str_is(told(), "begin 2\n");
    ck_assert_uint_eq(faults_heal(faults, (struct str){0}, STR("old")), 1);
    ck_str_is(told(), "lift 1\n");
    world_clear();
}
END_TEST

START_TEST(test_after_a_time_live_connections_are_struck)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&connection_member);
    config.after.time_ns = CLOCK_SECOND / 50;
    int64_t begun_ns = clock_now();
    world_begin();
    push(&config, NULL);
    world_begin();
    ck_str_is(told(), "");
    while (!noted.size)
        loop_turn(fake->loop);
    ck_assert_int_ge(clock_now() - begun_ns, config.after.time_ns);
    ck_str_is(told(), "live 1\nlive 2\n");
    world_begin();
    ck_str_is(told(), "begin 3\n");
    world_clear();
}
END_TEST

START_TEST(test_after_requests_live_connections_are_struck)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&connection_member);
    config.after.requests = 2;
    push(&config, NULL);
    struct stream *stream = world_begin();
    ck_assert(!ask(stream, "/1"));
    loop_turn(fake->loop);
    ck_str_is(told(), "");
    ck_str_is(idle(), "flood of api: 'after' was not reached: 1 request of the 2 came\n");
    ck_assert(!ask(stream, "/2"));
    while (!noted.size)
        loop_turn(fake->loop);
    ck_str_is(told(), "live 1\n");
    ck_str_is(idle(), "");
    world_clear();
}
END_TEST

START_TEST(test_a_struck_connection_answers_so_each_time)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&both_member);
    push(&config, NULL);
    struct stream *stream = world_begin();
    ck_assert(ask(stream, "/1"));
    ck_assert(ask(stream, "/2"));
    ck_str_is(told(), "begin 1\nanswer 1\nanswer 1\n");
    ck_assert_uint_eq(entries(), 1);
    world_clear();
}
END_TEST

/* Requests */

START_TEST(test_requests_are_struck)
{
    world_init("{protocol: h2c, routes: [{name: a, match: /a}, {name: b, match: /b}]}");
    struct fault_config config = fault_on(&request_member);
    struct stream *stream = world_begin();
    uint64_t id = push(&config, "api.a");
    ck_assert(ask(stream, "/a"));
    ck_assert(!ask(stream, "/b"));
    ck_assert(ask(stream, "/a"));
    ck_assert_uint_eq(entries(), 2);
    faults_undo(faults, id);
    ck_assert(!ask(stream, "/a"));
    push(&config, NULL);
    ck_assert(ask(stream, "/b"));
    ck_assert_uint_eq(faults_heal(faults, STR("api.a"), (struct str){0}), 0);
    ck_assert_uint_eq(faults_heal(faults, (struct str){0}, STR("else")), 0);
    ck_assert_uint_eq(faults_heal(faults, (struct str){0}, (struct str){0}), 1);
    ck_assert(!ask(stream, "/b"));
    world_clear();
}
END_TEST

START_TEST(test_times_and_after_count_requests)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&request_member);
    config.times = 2;
    config.after.requests = 1;
    struct stream *stream = world_begin();
    push(&config, NULL);
    ck_assert(!ask(stream, "/"));
    ck_assert(ask(stream, "/"));
    ck_assert(ask(stream, "/"));
    ck_assert(!ask(stream, "/"));
    ck_assert_uint_eq(entries(), 2);
    world_clear();
}
END_TEST

START_TEST(test_after_bytes_of_a_connection)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&request_member);
    config.after.bytes = 100;
    struct stream *old = world_begin();
    old->received = 500;
    push(&config, NULL);
    struct stream *young = world_begin();
    young->sent = 99;
    ck_assert(!ask(old, "/"));
    ck_assert(!ask(young, "/"));
    ck_str_is(idle(), "refuse-it of api: 'after' was not reached: no connection moved so many "
                      "bytes\n");
    old->sent = 100;
    young->received = 1;
    ck_assert(ask(old, "/"));
    ck_assert(ask(young, "/"));
    world_clear();
}
END_TEST

START_TEST(test_a_chance_is_drawn_by_number)
{
    char drawn[2][65] = {{0}};
    unsigned struck = 0;
    for (int turn = 0; turn < 2; turn++) {
        world_init("{protocol: h2c}");
        struct fault_config config = fault_on(&request_member);
        config.chance = 0.25;
        push(&config, NULL);
        struct stream *stream = world_begin();
        for (size_t i = 0; i < 64; i++)
            drawn[turn][i] = ask(stream, "/") ? 'x' : '.';
        struck = (unsigned)entries();
        ck_str_is(idle(), "");
        world_clear();
    }
    ck_assert_str_eq(drawn[0], drawn[1]);
    ck_assert_uint_gt(struck, 4);
    ck_assert_uint_lt(struck, 32);
}
END_TEST

START_TEST(test_names_draw_by_themselves)
{
    world_init("{protocol: h2c}");
    struct fault_config one = fault_on(&request_member);
    struct fault_config two = fault_on(&request_member);
    unsigned together = 0;
    one.chance = two.chance = 0.5;
    two.name = STR("two");
    push(&one, NULL);
    push(&two, NULL);
    struct stream *stream = world_begin();
    for (size_t i = 0; i < 64; i++)
        together += ask(stream, "/");
    /* by one draw for both it would be half of them, by two it is three quarters */
    ck_assert_uint_gt(together, 38);
    world_clear();
}
END_TEST

START_TEST(test_the_first_that_takes_over_is_the_last)
{
    world_init("{protocol: h2c}");
    struct fault_config one = fault_on(&request_member);
    struct fault_config two = fault_on(&request_member);
    one.times = 1;
    one.name = STR("one");
    push(&one, NULL);
    push(&two, NULL);
    struct stream *stream = world_begin();
    ck_assert(ask(stream, "/"));
    ck_str_is(idle(), "refuse-it of api: another fault took over what it would have struck\n");
    ck_assert(ask(stream, "/"));
    ck_str_is(idle(), "");
    world_clear();
}
END_TEST

START_TEST(test_other_protocols_are_left_alone)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&request_member);
    push(&config, NULL);
    struct stream *stream = world_begin();
    stream->protocol = &h1_protocol;
    ck_assert(!ask(stream, "/"));
    ck_assert(!ask(stream, "/"));
    ck_assert_uint_eq(entries(), 0);
    ck_str_is(idle(), "refuse-it of api: 2 requests came, none over HTTP/2\n");
    world_clear();
}
END_TEST

/* Routes and answers */

START_TEST(test_bound_faults_act_where_they_are_given)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&request_member);
    struct fault_config *item = &config;
    const struct list list = {&item, 1};
    struct stream *stream = world_begin();
    struct fake_exchange *x = fake_request(fake, "GET", "/");
    x->exchange.stream = stream;
    takes_over = true;
    faults_bind(faults, STR("api.a"), &list);
    ck_str_is(idle(), "refuse-it of api.a: no request got that far\n");
    ck_assert(!faults_answer(faults, STR("api.a"), NULL, NULL, &x->exchange));
    ck_assert(faults_answer(faults, STR("api.a"), &list, NULL, &x->exchange));
    ck_str_is(idle(), "");
    ck_assert_uint_eq(faults_heal(faults, (struct str){0}, (struct str){0}), 1);
    ck_assert_uint_eq(faults_heal(faults, (struct str){0}, (struct str){0}), 0);
    ck_assert(!faults_answer(faults, STR("api.a"), NULL, &list, &x->exchange));
    faults_bind(faults, STR("api.a"), &list);
    ck_assert(faults_answer(faults, STR("api.a"), NULL, &list, &x->exchange));
    /* what a `set` read again stands at the same place */
    struct fault_config again = config;
    struct fault_config *other = &again;
    const struct list fresh = {&other, 1};
    again.times = 2;
    ck_assert(!faults_answer(faults, STR("api.a"), NULL, &fresh, &x->exchange));
    faults_unbind(faults, &fresh);
    ck_str_is(idle(), "");
    x->ended = true;
    fake_exchange_free(x);
    world_clear();
}
END_TEST

/* Silence */

START_TEST(test_what_need_not_strike_is_not_told)
{
    world_init("{protocol: h2c}");
    struct fault_config optional = fault_on(&request_member);
    struct fault_config seldom = fault_on(&request_member);
    struct fault_config quiet = fault_on(&idle_member);
    struct fault_config idle_one = fault_on(&connection_member);
    optional.optional = true;
    seldom.chance = 0.99;
    push(&optional, NULL);
    push(&seldom, NULL);
    push(&quiet, NULL);
    push(&idle_one, NULL);
    ck_str_is(idle(), "flood of api: no connection lived or came while it stood\n");
    world_accept();
    ck_str_is(idle(), "flood of api: 1 connection came while it stood, none with HTTP/2\n");
    world_clear();
}
END_TEST

START_TEST(test_a_fault_set_again_and_again_is_told_once)
{
    world_init("{protocol: h2c}");
    struct fault_config config = fault_on(&request_member);
    struct fault_config again = config;
    for (int i = 0; i < 5; i++)
        faults_undo(faults, push(i % 2 ? &config : &again, NULL));
    push(&config, NULL);
    ck_str_is(idle(), "refuse-it of api: no request came\n");
    ck_assert(ask(world_begin(), "/"));
    ck_str_is(idle(), "");
    faults_heal(faults, (struct str){0}, (struct str){0});
    push(&again, NULL);
    ck_str_is(idle(), "");
    world_clear();
}
END_TEST

/* TLS */

/** What a new connection of the port gets. */
static struct tls_setup *world_tls(void)
{
    return fake->port.tls(&fake->port, world_accept());
}

/** What an OpenSSL client says of it. */
static void check_handshake(struct tls_setup *setup, const char *reason)
{
    struct tls_pair pair;
    tls_pair_init(&pair, setup, "127.0.0.1");
    tls_pair_run(&pair);
    long verdict = SSL_get_verify_result(pair.client.ssl);
    const char *said =
        verdict == X509_V_OK ? pair.client.reason : X509_verify_cert_error_string(verdict);
    if (reason)
        ck_assert_msg(strstr(said, reason), "'%s' is not in '%s'", reason, said);
    ck_assert(pair.client.stands == !reason);
    tls_pair_clear(&pair);
}

START_TEST(test_tls_faults_are_seen_by_a_client)
{
    static const struct {
        const char *fault;
        const char *reason;
    } rows[] = {
        {"expired", "expired"},
        {"wrong-host", "mismatch"},
        {"self-signed", "self-signed"},
        {"tls1.2-only", NULL},
        {"no-shared-group", "handshake failure"},
    };
    world_init("{protocol: https}");
    struct tls_setup *valid = world_tls();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault_config config = fault_named(rows[i].fault);
        stream_count = 0;
        uint64_t id = push(&config, NULL);
        struct tls_setup *setup = world_tls();
        ck_assert_ptr_ne(setup, valid);
        check_handshake(setup, rows[i].reason);
        faults_undo(faults, id);
        ck_assert_ptr_eq(world_tls(), valid);
        for (size_t s = 0; s < STREAMS; s++)
            memory_free(streams[s].struck);
        memset(streams, 0, sizeof streams);
    }
    check_handshake(valid, NULL);
    ck_assert_uint_eq(entries(), COUNT_OF(rows));
    world_clear();
}
END_TEST

START_TEST(test_tls_faults_stack)
{
    world_init("{protocol: https, tls: tls1.2-only, faults: [expired, {wrong-host: true, times: "
               "1}]}");
    struct tls_setup *both = world_tls();
    ck_str_is(both->certificate, "wrong-host");
    struct tls_pair pair;
    tls_pair_init(&pair, both, "127.0.0.1");
    tls_pair_run(&pair);
    ck_assert_int_eq(SSL_version(pair.client.ssl), TLS1_2_VERSION);
    ck_assert_int_lt(X509_cmp_current_time(X509_get0_notAfter(pair.client.leaf)), 0);
    ck_assert_int_eq(X509_check_ip_asc(pair.client.leaf, "127.0.0.1", 0), 0);
    tls_pair_clear(&pair);
    struct tls_setup *expired = world_tls();
    ck_str_is(expired->certificate, "expired");
    check_handshake(expired, "expired");
    ck_assert_ptr_eq(world_tls(), expired);
    ck_assert_uint_eq(entries(), 4);
    world_clear();
}
END_TEST

START_TEST(test_what_is_covered_does_not_strike)
{
    world_init("{protocol: https, faults: [expired, not-yet-valid]}");
    check_handshake(world_tls(), "not yet valid");
    ck_assert_uint_eq(entries(), 1);
    ck_str_is(idle(), "expired of api: another fault of the same connection left nothing of it to "
                      "be seen\n");
    struct fault_config first = fault_named("unrecognized-name");
    push(&first, NULL);
    check_handshake(world_tls(), "unrecognized name");
    ck_assert_uint_eq(entries(), 2);
    world_clear();
}
END_TEST

START_TEST(test_a_fault_is_of_all_names)
{
    world_init("{protocol: https, tls: {sni: {a.example: {}, b.example: {fault: wrong-host}}}, "
               "faults: [expired]}");
    static const char *const hosts[] = {"127.0.0.1", "a.example", "b.example"};
    struct tls_setup *setup = world_tls();
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct tls_pair pair;
        tls_pair_init(&pair, setup, hosts[i]);
        tls_pair_run(&pair);
        ck_assert_int_lt(X509_cmp_current_time(X509_get0_notAfter(pair.client.leaf)), 0);
        tls_pair_clear(&pair);
    }
    world_clear();
}
END_TEST

START_TEST(test_tls_faults_follow_the_tls_of_the_port)
{
    world_init("{protocol: https, faults: [expired]}");
    const struct tls_defaults defaults = {
        .name = STR("api"), .host = STR("127.0.0.1"), .alpn = tls_rig_alpn, .alpn_count = 2};
    struct str why = {0};
    struct tls_config *old = (struct tls_config *)(uintptr_t)tls_config_named(
        tls_fault_find(STR("tls1.2-only")), fake->arena);
    struct tls_setup *before = world_tls();
    ck_assert(faults_tls_changed(faults, old, &defaults, fake->arena, &why));
    struct tls_setup *after = world_tls();
    ck_assert_ptr_ne(after, before);
    struct tls_pair pair;
    tls_pair_init(&pair, after, "127.0.0.1");
    tls_pair_run(&pair);
    ck_assert_int_eq(SSL_version(pair.client.ssl), TLS1_2_VERSION);
    ck_assert(!pair.client.stands);
    tls_pair_clear(&pair);
    ck_assert(faults_tls_changed(faults, NULL, NULL, fake->arena, &why));
    world_clear();
}
END_TEST

START_TEST(test_a_tls_that_takes_no_fault)
{
    world_init("{protocol: https, faults: [expired]}");
    const struct tls_defaults defaults = {
        .name = STR("api"), .host = STR("127.0.0.1"), .alpn = tls_rig_alpn, .alpn_count = 2};
    struct tls_text text;
    struct str why = {0};
    /* Ed25519 makes no RSA key weak, and no digest of its own */
    tls_text_read(&text, "{key-type: ed25519}");
    ck_assert_int_eq(text.result, READ_OK);
    struct tls_setup *before = world_tls();
    tls_setup_hold(before);
    ck_assert(faults_tls_changed(faults, text.config, &defaults, fake->arena, &why));
    struct fault_config sha1 = fault_named("sha1");
    uint64_t id = faults_push(faults, (struct str){0}, &sha1, fake->arena, &why);
    ck_assert_msg(!id == (why.size != 0), STR_FMT, STR_ARG(why));
    tls_setup_release(before);
    tls_text_clear(&text);
    faults_heal(faults, (struct str){0}, (struct str){0});
    ck_assert(faults_tls_changed(faults, NULL, &defaults, fake->arena, &why));
    world_clear();
}
END_TEST

UNIT_MAIN("fault", test_reads_a_bare_word, test_reads_every_option, test_wrong_faults_are_told,
          test_routes_take_no_faults_of_connections, test_every_layer_has_a_name,
          test_new_connections_are_struck_once, test_live_connections_are_struck_at_once,
          test_apply_says_which_connections, test_after_a_time_live_connections_are_struck,
          test_after_requests_live_connections_are_struck,
          test_a_struck_connection_answers_so_each_time, test_requests_are_struck,
          test_times_and_after_count_requests, test_after_bytes_of_a_connection,
          test_a_chance_is_drawn_by_number, test_names_draw_by_themselves,
          test_the_first_that_takes_over_is_the_last, test_other_protocols_are_left_alone,
          test_bound_faults_act_where_they_are_given, test_what_need_not_strike_is_not_told,
          test_a_fault_set_again_and_again_is_told_once, test_tls_faults_are_seen_by_a_client,
          test_tls_faults_stack, test_what_is_covered_does_not_strike, test_a_fault_is_of_all_names,
          test_tls_faults_follow_the_tls_of_the_port, test_a_tls_that_takes_no_fault)
