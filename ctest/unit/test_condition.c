#include "ctest/unit/fake_scenario.h"

#include "runner/scenario/condition.h"

struct holder {
    struct chosen condition;
};

static const struct table holder_table = {
    .name = "when", .family = &condition_family, .family_offset = 0};
static const struct type holder_type = TYPE_TABLE(&holder_table, struct holder);

static struct condition *watch(struct scenario *scenario, const char *text)
{
    struct holder *holder = arena_alloc(scenario->arena, sizeof *holder);
    enum read_result result = scenario_read(scenario, &holder_type, text, holder);
    ck_assert_msg(result == READ_OK, "%s: %s", text, scenario->said.data);
    struct condition *condition =
        condition_new(scenario->arena, &scenario->reader, &holder->condition, scenario);
    ck_assert_ptr_nonnull(condition);
    return condition;
}

/** Tells the condition of the newest entry. */
static void tell(struct scenario *scenario, struct condition *condition)
{
    uint64_t number = journal_last(scenario->journal);
    condition_entry(condition, journal_get(scenario->journal, number), number);
}

static void ck_described(const struct condition *condition, const char *expected)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    condition_describe(condition, &text);
    ck_str_is(buf_str(&text), expected);
    buf_clear(&text);
}

static void ck_refused(const char *text, const char *said)
{
    struct scenario scenario;
    struct holder holder = {0};
    scenario_init(&scenario, 0);
    ck_assert_int_eq(scenario_read(&scenario, &holder_type, text, &holder), READ_FAILED);
    ck_assert_msg(strstr(scenario.said.data, said), "%s: %s", text, scenario.said.data);
    scenario_clear(&scenario);
}

START_TEST(test_requests_hold_from_the_nth_on)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    struct condition *two = watch(&scenario, "requests: {to: api, count: 2}");
    struct condition *short_form = watch(&scenario, "requests: api");
    struct condition *all = watch(&scenario, "requests: {count: 3}");
    add_request(&scenario, 1, "api", "GET", "/a", 1, 1, 0);
    ck_assert(!condition_holds(two));
    ck_described(two, "2 requests to api (1 so far)");
    ck_assert(condition_holds(short_form));
    ck_described(short_form, "1 request to api (1 so far)");
    add_request(&scenario, 2, "other", "GET", "/a", 1, 1, 0);
    ck_assert(!condition_holds(two));
    ck_assert(!condition_holds(all));
    add_request(&scenario, 3, "api", "GET", "/a", 2, 1, 0);
    ck_assert(condition_holds(two));
    ck_assert(condition_holds(all));
    add_request(&scenario, 4, "api", "GET", "/a", 3, 1, 0);
    ck_assert(condition_holds(two));
    ck_assert(!condition_needs_bytes(two));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_requests_that_match)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add_request(&scenario, 1, "api", "GET", "/a", 1, 1, 0);
    struct condition *condition = watch(&scenario, "requests: {to: api, count: 2, where: GET /a}");
    ck_assert(!condition_holds(condition));
    add_request(&scenario, 2, "api", "POST", "/a", 2, 1, 0);
    tell(&scenario, condition);
    add_request(&scenario, 2, "other", "GET", "/a", 1, 1, 0);
    tell(&scenario, condition);
    ck_assert(!condition_holds(condition));
    ck_described(condition, "2 requests to api that match GET /a (1 so far)");
    /* told late, and twice: each entry counts once */
    add_request(&scenario, 3, "api", "GET", "/a", 3, 1, 0);
    uint64_t number = journal_last(scenario.journal);
    add(&scenario, ENTRY_LOG, 3, "x", "x");
    tell(&scenario, condition);
    ck_assert(condition_holds(condition));
    condition_entry(condition, journal_get(scenario.journal, number), number);
    ck_described(condition, "2 requests to api that match GET /a (2 so far)");
    scenario_clear(&scenario);
}
END_TEST

/** Puts another request into an entry. */
static void change_request(struct scenario *scenario, uint64_t number,
                           const struct request *request)
{
    struct buf packed;
    buf_init(&packed, BUF_OWN);
    request_pack_head(request, &packed);
    const struct str parts[] = {buf_str(&packed), request->body};
    journal_set_data(scenario->journal, number, parts, COUNT_OF(parts));
    buf_clear(&packed);
}

START_TEST(test_a_body_that_comes_later_is_waited_for)
{
    struct scenario scenario;
    struct str why = {0};
    struct request request = {
        .method = STR("POST"), .path = STR("/a"), .version = HTTP_2, .state = REQUEST_COMING};
    scenario_init(&scenario, 0);
    uint64_t first = add_request(&scenario, 1, "api", "POST", "/a", 1, 1, 0);
    uint64_t second = add_request(&scenario, 1, "api", "POST", "/a", 2, 1, 0);
    change_request(&scenario, first, &request);
    change_request(&scenario, second, &request);
    struct condition *body = watch(&scenario, "requests: {to: api, where: {body: ab}}");
    struct condition *other = watch(&scenario, "requests: {to: api, where: {not: {body: ab}}}");
    struct condition *path = watch(&scenario, "requests: {to: api, where: /a, count: 2}");
    ck_assert(!condition_holds(body) && !condition_holds(other) && condition_holds(path));
    request.state = REQUEST_WHOLE;
    request.body = STR("ab");
    change_request(&scenario, first, &request);
    add(&scenario, ENTRY_REQUEST_END, 2, "api", "");
    tell(&scenario, body);
    tell(&scenario, other);
    ck_assert(condition_holds(body) && !condition_holds(other));
    ck_assert(!condition_lost(other, &why));
    /* one that is not all there can neither be taken nor left */
    request.state = REQUEST_BROKEN_OFF;
    change_request(&scenario, second, &request);
    add(&scenario, ENTRY_REQUEST_END, 3, "api", "");
    tell(&scenario, other);
    ck_assert(!condition_holds(other) && condition_lost(other, &why));
    ck_str_is(why, "of the body of request #2 to api not all is known: the request broke off after "
                   "2 B");
    ck_assert(str_equal(condition_lack(other), why));
    ck_assert_ptr_null(condition_lack(path).data);
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_dropped_entries_are_lost_only_where_they_are_needed)
{
    struct scenario scenario;
    scenario_init(&scenario, 4);
    for (int i = 0; i < 10; i++)
        add_request(&scenario, i, "api", "GET", i < 5 ? "/a" : "/b", (uint64_t)i + 1, 1, 0);
    struct condition *plain = watch(&scenario, "requests: {to: api, count: 10}");
    struct str why = {0};
    struct condition *enough = watch(&scenario, "requests: {to: api, count: 4, where: GET /b}");
    struct condition *lost = watch(&scenario, "requests: {to: api, count: 5, where: GET /a}");
    struct condition *other = watch(&scenario, "requests: {to: other, where: GET /a}");
    ck_assert(condition_holds(plain) && !condition_lost(plain, &why));
    ck_assert(condition_holds(enough) && !condition_lost(enough, &why));
    ck_assert(!condition_holds(lost) && condition_lost(lost, &why));
    ck_assert(!condition_holds(other) && !condition_lost(other, &why));
    struct condition *any = watch(&scenario, "any: [{requests: {where: GET /a}}, {event: e}]");
    struct condition *all = watch(&scenario, "all: [{requests: {where: GET /a}}, {event: e}]");
    ck_assert(!condition_lost(any, &why));
    ck_assert(condition_lost(all, &why));
    /* entries that were looked at before they were dropped are not lost */
    struct condition *fresh = watch(&scenario, "output: {of: app, matches: x, count: 9}");
    for (int i = 0; i < 8; i++) {
        add(&scenario, ENTRY_OUTPUT, i, "app", "x");
        tell(&scenario, fresh);
    }
    ck_assert(!condition_holds(fresh) && !condition_lost(fresh, &why));
    add(&scenario, ENTRY_OUTPUT, 9, "app", "x");
    tell(&scenario, fresh);
    ck_assert(condition_holds(fresh));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_connections)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    struct condition *condition = watch(&scenario, "connections: {to: api, count: 2}");
    add(&scenario, ENTRY_CONNECTION, 1, "api", "");
    ck_assert(!condition_holds(condition));
    ck_described(condition, "2 connections to api (1 so far)");
    add(&scenario, ENTRY_CONNECTION, 1, "api", "");
    ck_assert(condition_holds(condition));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_messages)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    struct condition *all = watch(&scenario, "messages: api");
    struct condition *two = watch(&scenario, "messages: {to: api, rpc: a.B/C, count: 2}");
    add(&scenario, ENTRY_MESSAGE, 1, "api", "a.B/C");
    tell(&scenario, two);
    ck_assert(condition_holds(all));
    add(&scenario, ENTRY_MESSAGE, 2, "api", "a.B/D");
    tell(&scenario, two);
    add(&scenario, ENTRY_MESSAGE, 2, "other", "a.B/C");
    tell(&scenario, two);
    ck_assert(!condition_holds(two));
    ck_described(two, "2 messages to api of a.B/C (1 so far)");
    add(&scenario, ENTRY_MESSAGE, 3, "api", "a.B/C");
    tell(&scenario, two);
    ck_assert(condition_holds(two));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_bytes)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    struct port api = {.name = STR_INIT("api"), .bytes_in = 100, .bytes_out = 1000};
    struct port other = {.name = STR_INIT("other"), .bytes_in = 1, .bytes_out = 2};
    struct port *ports[] = {&api, &other};
    scenario.server.ports = ports;
    scenario.server.count = 2;
    struct condition *in = watch(&scenario, "bytes: {to: api, direction: request, count: 101}");
    struct condition *out = watch(&scenario, "bytes: {to: api, direction: response, count: 1KB}");
    struct condition *both = watch(&scenario, "bytes: {to: api, count: 1101}");
    struct condition *all = watch(&scenario, "bytes: {count: 1103}");
    ck_assert(condition_needs_bytes(in));
    ck_assert(!condition_holds(in));
    ck_assert(condition_holds(out));
    ck_assert(!condition_holds(both));
    ck_assert(condition_holds(all));
    ck_described(in, "101 B of requests to api (100 B so far)");
    api.bytes_in++;
    condition_bytes(in);
    ck_assert(condition_holds(in));
    ck_assert(condition_holds(both));
    ck_described(both, "1.075 KiB to and from api (1.075 KiB so far)");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_names)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    struct condition *event = watch(&scenario, "event: down");
    struct condition *step = watch(&scenario, "step: the port is dead");
    struct condition *client = watch(&scenario, "client: app");
    add(&scenario, ENTRY_EVENT, 1, "up", "");
    add(&scenario, ENTRY_STEP, 1, "the port is dead", "");
    add(&scenario, ENTRY_CLIENT, 1, "app", "");
    ck_assert(!condition_holds(event) && !condition_holds(step) && !condition_holds(client));
    add(&scenario, ENTRY_EVENT, 1, "down", "");
    add(&scenario, ENTRY_STEP_END, 1, "the port is dead", "");
    add(&scenario, ENTRY_CLIENT_END, 1, "app", "");
    ck_assert(condition_holds(event) && condition_holds(step) && condition_holds(client));
    ck_described(event, "the event down");
    ck_described(step, "the end of the step 'the port is dead'");
    ck_described(client, "the end of the client app");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_output)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    struct condition *ready =
        watch(&scenario, "output: {of: app, matches: '^ready', ignore-case: true}");
    struct condition *lines = watch(&scenario, "output: {of: app, count: 2}");
    struct condition *both =
        watch(&scenario, "output: {starts-with: a, not: {contains: b}, count: 1}");
    add(&scenario, ENTRY_OUTPUT, 1, "other", "ready");
    add(&scenario, ENTRY_OUTPUT, 1, "app", "not ready");
    add(&scenario, ENTRY_OUTPUT, 1, "app", "ab");
    tell(&scenario, ready);
    tell(&scenario, both);
    ck_assert(!condition_holds(ready));
    ck_assert(!condition_holds(both));
    ck_assert(condition_holds(lines));
    ck_described(ready, "output of app to match \"^ready\", ignoring case (0 so far)");
    add(&scenario, ENTRY_OUTPUT, 1, "app", "READY");
    tell(&scenario, ready);
    ck_assert(condition_holds(ready));
    add(&scenario, ENTRY_OUTPUT, 1, "app", "ac");
    tell(&scenario, both);
    ck_assert(condition_holds(both));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_all_and_any)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    struct condition *all = watch(&scenario, "all: [{event: a}, {output: {matches: x}}]");
    struct condition *any = watch(&scenario, "any: [{event: a}, {all: [{event: b}, bytes: api]}]");
    ck_assert(condition_needs_bytes(any));
    ck_assert(!condition_needs_bytes(all));
    ck_described(all, "all of [the event a; output to match \"x\" (0 so far)]");
    ck_assert(!condition_holds(all) && !condition_holds(any));
    add(&scenario, ENTRY_OUTPUT, 1, "app", "x");
    tell(&scenario, all);
    tell(&scenario, any);
    ck_assert(!condition_holds(all) && !condition_holds(any));
    add(&scenario, ENTRY_EVENT, 1, "a", "");
    ck_assert(condition_holds(all) && condition_holds(any));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_what_can_still_come)
{
    struct scenario scenario;
    struct str why = {0};
    scenario_init(&scenario, 0);
    static const struct {
        const char *text;
        size_t fact; /* offset of the bool that makes it possible */
        bool inverse;
        const char *why;
    } cases[] = {
        {"requests: api", offsetof(struct scenario, traffic_possible), false,
         "nobody is left who could make requests or connections"},
        {"connections: api", offsetof(struct scenario, traffic_possible), false,
         "nobody is left who could make requests or connections"},
        {"bytes: api", offsetof(struct scenario, traffic_possible), false,
         "nobody is left who could make requests or connections"},
        {"event: down", offsetof(struct scenario, event_possible), false,
         "the event can no longer fire"},
        {"step: s", offsetof(struct scenario, step_possible), false,
         "the step will not be run any more"},
        {"client: c", offsetof(struct scenario, client_ended), true,
         "the client will not end any more"},
        {"output: {of: app}", offsetof(struct scenario, output_possible), false,
         "the program has ended"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct condition *condition = watch(&scenario, cases[i].text);
        bool *fact = (bool *)((char *)&scenario + cases[i].fact);
        *fact = !cases[i].inverse;
        ck_assert_msg(condition_possible(condition, scenario.arena, &why), "%s", cases[i].text);
        *fact = cases[i].inverse;
        ck_assert_msg(!condition_possible(condition, scenario.arena, &why), "%s", cases[i].text);
        ck_str_is(why, cases[i].why);
    }
    scenario.event_possible = true;
    ck_assert(condition_possible(watch(&scenario, "any: [{event: a}, {requests: api}]"),
                                 scenario.arena, &why));
    ck_assert(!condition_possible(watch(&scenario, "all: [{event: a}, {requests: api}]"),
                                  scenario.arena, &why));
    /* what holds already needs nobody */
    add_request(&scenario, 1, "api", "GET", "/a", 1, 1, 0);
    ck_assert(condition_possible(watch(&scenario, "all: [{event: a}, {requests: api}]"),
                                 scenario.arena, &why));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_refuses_what_is_no_condition)
{
    ck_refused("requests: {to: api, count: 0}", "a whole number from 1");
    ck_refused("requests: {to: api, count: {at-least: 2}}", "expected a whole number");
    ck_refused("requests: {}", "an empty requests says nothing");
    ck_refused("requests: {to: api, wher: GET /}", "did you mean 'where'?");
    ck_refused("bytes: {to: api, count: 0}", "holds from the beginning");
    ck_refused("bytes: {to: api, direction: up}", "one of both, request, response");
    ck_refused("all: []", "an empty list of conditions");
    ck_refused("any: [{event: a, step: b}]", "a condition has one condition only");
    ck_refused("any: [down]", "expected a mapping (condition)");
    ck_refused("output: {of: app, matches: '('}", "error");
    ck_refused("output: {of: app, matchs: x}", "did you mean 'matches'?");
    ck_refused("output: {of: app, ignore-case: true}", "'ignore-case' needs a text predicate");
    ck_refused("messages: {of: api}", "unknown key 'of'");
    ck_refused("event: [a]", "expected the name of an event");
}
END_TEST

/* Variables known only during the run */

static bool run_has_begun;

static enum resolve_result late_variable(const struct scope *scope, struct arena *arena,
                                         struct str name, const struct json **value,
                                         struct str *why, struct nearest *nearest)
{
    (void)scope;
    (void)name;
    (void)why;
    (void)nearest;
    if (!run_has_begun)
        return RESOLVE_LATER;
    *value = json_integer(arena, 2);
    return RESOLVE_OK;
}

static bool any_name(const struct scope *scope, enum name_kind kind, struct str name,
                     struct nearest *nearest)
{
    (void)scope;
    (void)kind;
    (void)nearest;
    return !str_is(name, "nobody");
}

START_TEST(test_reads_again_what_was_deferred)
{
    static const struct scope late = {late_variable, any_name};
    struct scenario scenario;
    struct holder holder = {0};
    scenario_init(&scenario, 0);
    scenario.reader.scope = &late;
    run_has_begun = false;
    ck_assert_int_ne(scenario_read(&scenario, &holder_type,
                                   "any: [{requests: {to: api, count: '${n}'}}]", &holder),
                     READ_FAILED);
    ck_assert_ptr_null(
        condition_new(scenario.arena, &scenario.reader, &holder.condition, &scenario));
    ck_assert_uint_eq(scenario.diagnostics.count, 1);
    run_has_begun = true;
    struct condition *condition =
        condition_new(scenario.arena, &scenario.reader, &holder.condition, &scenario);
    ck_assert_ptr_nonnull(condition);
    ck_described(condition, "any of [2 requests to api (0 so far)]");
    holder = (struct holder){0};
    ck_assert_int_eq(scenario_read(&scenario, &holder_type, "requests: nobody", &holder),
                     READ_FAILED);
    ck_assert_ptr_nonnull(strstr(scenario.said.data, "no upstream or proxy is called 'nobody'"));
    scenario_clear(&scenario);
}
END_TEST

UNIT_MAIN("condition", test_requests_hold_from_the_nth_on, test_requests_that_match,
          test_a_body_that_comes_later_is_waited_for,
          test_dropped_entries_are_lost_only_where_they_are_needed, test_connections, test_messages,
          test_bytes, test_names, test_output, test_all_and_any, test_what_can_still_come,
          test_refuses_what_is_no_condition, test_reads_again_what_was_deferred)
