#include "ctest/unit/fake_scenario.h"

#include "runner/check/verify.h"
#include "runner/client/supervisor.h"

/* A process that is alive or not */

struct process {
    bool alive;
    bool sampled;
    uint64_t rss;
    int64_t cpu_ns;
};

bool process_is_alive(const struct process *process)
{
    return process->alive;
}

bool process_sample(const struct process *process, uint64_t *rss, int64_t *cpu_ns)
{
    *rss = process->rss;
    *cpu_ns = process->cpu_ns;
    return process->sampled;
}

/* Judging a text */

static void item_read(struct scenario *scenario, const char *text, struct verify_item *item)
{
    *item = (struct verify_item){0};
    enum read_result result = scenario_read(scenario, &verify_type, text, item);
    ck_assert_msg(result == READ_OK, "%s: %s", text, scenario->said.data);
}

/** Judges an item; what failed stands in scenario.failures, and in `said` a line each. */
static size_t judge(struct scenario *scenario, const char *text)
{
    struct verify_item item;
    item_read(scenario, text, &item);
    scenario->failures = (struct failures){.arena = scenario->arena};
    verify_judge(&item, scenario, &scenario->failures);
    buf_reset(&scenario->said);
    for (size_t i = 0; i < scenario->failures.count; i++) {
        const struct failure *failure = &scenario->failures.items[i];
        buf_append(&scenario->said, failure_line(failure, scenario->arena));
        if (failure->note.size)
            buf_printf(&scenario->said, " | " STR_FMT, STR_ARG(failure->note));
        buf_append_byte(&scenario->said, '\n');
    }
    buf_append_string(&scenario->said, "");
    return scenario->failures.count;
}

#define ck_holds(scenario, text)                                                                   \
    ck_assert_msg(judge(scenario, text) == 0, "%s: %s", text, (scenario)->said.data)

/** Fails with exactly these lines (failure | note). */
static void ck_fails(struct scenario *scenario, const char *text, const char *lines)
{
    ck_assert_msg(judge(scenario, text) > 0, "%s: holds", text);
    ck_assert_str_eq(scenario->said.data, lines);
}

/** Fails, and says this somewhere. */
static void ck_fails_saying(struct scenario *scenario, const char *text, const char *part)
{
    ck_assert_msg(judge(scenario, text) > 0, "%s: holds", text);
    ck_assert_msg(strstr(scenario->said.data, part), "%s: %s", text, scenario->said.data);
}

static void ck_refused(const char *text, const char *said)
{
    struct scenario scenario;
    struct verify_item item = {0};
    scenario_init(&scenario, 0);
    enum read_result result = scenario_read(&scenario, &verify_type, text, &item);
    ck_assert_msg(result == READ_FAILED, "%s", text);
    ck_assert_msg(strstr(scenario.said.data, said), "%s: %s", text, scenario.said.data);
    scenario_clear(&scenario);
}

/* Entries */

static void add_response(struct scenario *scenario, int64_t ms, const char *port, unsigned status,
                         uint64_t number, unsigned flags, int64_t duration_ms, uint64_t bytes)
{
    struct entry entry =
        journal_entry(ENTRY_RESPONSE, journal_intern(scenario->journal, str_of(port)));
    entry.time_ns = ms * CLOCK_MS;
    entry.status = (uint16_t)status;
    entry.request = number;
    entry.flags = (uint16_t)flags;
    entry.value = duration_ms * CLOCK_MS;
    entry.extra = bytes;
    journal_append(scenario->journal, &entry, (struct str){0});
}

static uint64_t add_connection(struct scenario *scenario, int64_t ms, const char *port,
                               uint64_t number)
{
    struct entry entry =
        journal_entry(ENTRY_CONNECTION, journal_intern(scenario->journal, str_of(port)));
    entry.time_ns = ms * CLOCK_MS;
    entry.connection = number;
    return journal_append(scenario->journal, &entry, STR("127.0.0.1:1"));
}

/** An action of an event, or of a step (NULL). */
static void add_action(struct scenario *scenario, int64_t ms, const char *target, const char *event)
{
    struct entry entry =
        journal_entry(ENTRY_ACTION, journal_intern(scenario->journal, str_of(target)));
    entry.time_ns = ms * CLOCK_MS;
    entry.extra = event ? journal_intern(scenario->journal, str_of(event)) : 0;
    journal_append(scenario->journal, &entry, (struct str){0});
}

static void add_flagged(struct scenario *scenario, enum entry_kind kind, int64_t ms,
                        const char *subject, const char *text, unsigned flags, int64_t value)
{
    struct entry entry = journal_entry(kind, journal_intern(scenario->journal, str_of(subject)));
    entry.time_ns = ms * CLOCK_MS;
    entry.flags = (uint16_t)flags;
    entry.value = value;
    entry.extra = 1024 * 1024;
    entry.extra2 = 5000000;
    journal_append(scenario->journal, &entry, str_of(text));
}

/** The example of an outage: two requests before, one on another port, two after. */
static void outage(struct scenario *scenario)
{
    scenario_init(scenario, 0);
    uint32_t route = journal_intern(scenario->journal, STR("api.feed"));
    uint64_t first = add_request(scenario, 100, "api", "GET", "/feed", 1, 1, 0);
    journal_set_route(scenario->journal, first, route, 0);
    add_request(scenario, 200, "api", "POST", "/nowhere", 2, 1, ENTRY_REUSED | ENTRY_UNMATCHED);
    add(scenario, ENTRY_EVENT, 300, "down", "close api");
    add_action(scenario, 300, "api", "down");
    add_request(scenario, 500, "other", "GET", "/feed", 1, 1, 0);
    add(scenario, ENTRY_EVENT_UNDO, 1000, "down", "");
    add_request(scenario, 1100, "api", "GET", "/feed", 3, 2, 0);
    add_request(scenario, 1400, "api", "PUT", "/feed", 4, 3, 0);
}

START_TEST(test_requests_are_counted)
{
    struct scenario scenario;
    outage(&scenario);
    ck_holds(&scenario, "requests: {to: api, count: 4}");
    ck_holds(&scenario, "requests: {count: 5}");
    ck_holds(&scenario, "requests: {to: api}");
    ck_holds(&scenario, "requests: {to: nobody, count: 0}");
    ck_holds(&scenario, "requests: {to: api, count: {at-least: 1, below: 5}}");
    ck_fails(&scenario, "requests: {to: other, count: 2}",
             "number of requests to other: expected 2, got 1 | "
             "selected: GET /feed (#1) at 500ms\n");
    ck_fails(&scenario, "requests: {to: nobody}",
             "requests: expected at least one, found no requests to nobody\n");
    ck_fails(&scenario, "requests: {where: DELETE /feed, to: other}",
             "requests: expected at least one, found no requests to other | "
             "not selected: GET /feed (#1) at 500ms (does not match 'where')\n");
    ck_assert_uint_eq(scenario.failures.items[0].place.column, 1);
    judge(&scenario, "requests: {to: api, count: 3}");
    ck_assert_uint_eq(scenario.failures.items[0].place.column, 21);
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_requests_are_selected)
{
    struct scenario scenario;
    outage(&scenario);
    ck_holds(&scenario, "requests: {to: api, matched: false, count: 1}");
    ck_holds(&scenario, "requests: {to: api, matched: true, count: 3}");
    ck_holds(&scenario, "requests: {route: api.feed, count: 1}");
    ck_holds(&scenario, "requests: {to: api, where: GET /feed, count: 2}");
    ck_holds(&scenario, "requests: {where: {method: [GET, PUT]}, count: 4}");
    ck_holds(&scenario, "requests: {to: api, route: api.feed, matched: false, count: 0}");
    ck_fails(&scenario, "requests: {to: api, matched: false, count: 2}",
             "number of requests to api: expected 2, got 1 | selected: POST /nowhere (#2) at "
             "200ms; not selected: GET /feed (#1) at 100ms (a route matched it); GET /feed (#3) "
             "at 1.1s (a route matched it); PUT /feed (#4) at 1.4s (a route matched it)\n");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_windows)
{
    struct scenario scenario;
    outage(&scenario);
    ck_holds(&scenario, "requests: {to: api, during: down, count: 0}");
    ck_holds(&scenario, "requests: {during: down, count: 1}");
    ck_holds(&scenario, "requests: {to: api, after-event: down, count: 2}");
    ck_holds(&scenario, "requests: {to: api, after-event: down, within: 800ms, count: 1}");
    ck_holds(&scenario, "requests: {to: api, after-event: down, within: 799ms, count: 0}");
    ck_holds(&scenario, "requests: {after: 500ms, count: 3}");
    ck_holds(&scenario, "requests: {before: 500ms, count: 2}");
    ck_holds(&scenario, "requests: {after: 200ms, before: 1100ms, count: 2}");
    ck_holds(&scenario, "requests: {after-event: down, before: 1s, count: 1}");
    ck_fails(&scenario, "requests: {to: api, during: down}",
             "requests: expected at least one, found no requests to api | not selected: GET /feed "
             "(#1) at 100ms (not in the window); POST /nowhere (#2) at 200ms (not in the window); "
             "GET /feed (#3) at 1.1s (not in the window); PUT /feed (#4) at 1.4s (not in the "
             "window)\n");
    ck_fails(&scenario, "requests: {during: up, count: 0}",
             "during: the event up has not fired: there is nothing to look at\n");
    ck_fails(&scenario, "requests: {after-event: up, count: 0}",
             "after-event: the event up has not fired: there is nothing to look at\n");
    ck_holds(&scenario, "events: {name: down, after-event: down, count: 0}");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_during_ends_with_the_next_action)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add(&scenario, ENTRY_EVENT, 100, "slow", "");
    add_action(&scenario, 100, "api", "slow");
    add_action(&scenario, 100, "api", "slow");
    add_request(&scenario, 150, "api", "GET", "/", 1, 1, 0);
    add_action(&scenario, 160, "other", NULL);
    add_request(&scenario, 170, "api", "GET", "/", 2, 1, 0);
    add_action(&scenario, 200, "api", NULL);
    add_request(&scenario, 250, "api", "GET", "/", 3, 1, 0);
    ck_holds(&scenario, "requests: {during: slow, count: 2}");
    /* again: both windows count, the second has no end */
    add(&scenario, ENTRY_EVENT, 300, "slow", "");
    add_action(&scenario, 300, "api", "slow");
    add_request(&scenario, 350, "api", "GET", "/", 4, 1, 0);
    ck_holds(&scenario, "requests: {during: slow, count: 3}");
    ck_holds(&scenario, "requests: {after-event: slow, count: 4}");
    /* without a target it lasts to the end */
    add(&scenario, ENTRY_EVENT, 400, "note", "");
    add_action(&scenario, 410, "api", NULL);
    add_request(&scenario, 450, "api", "GET", "/", 5, 1, 0);
    ck_holds(&scenario, "requests: {during: note, count: 1}");
    ck_holds(&scenario, "requests: {during: slow, count: 3}");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_during_of_firings_that_overlap)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    for (int i = 0; i < 3; i++) {
        add(&scenario, ENTRY_EVENT, i * 10, "e", "");
        add_action(&scenario, i * 10, "api", "e");
        if (i)
            add(&scenario, ENTRY_EVENT_UNDO, i * 10 + 1, "e", "");
        add_request(&scenario, i * 10 + 5, "api", "GET", "/", (uint64_t)i + 1, 1, 0);
    }
    add(&scenario, ENTRY_EVENT_UNDO, 31, "e", "");
    add_request(&scenario, 35, "api", "GET", "/", 4, 1, 0);
    ck_holds(&scenario, "requests: {during: e, count: 3}");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_gaps)
{
    struct scenario scenario;
    outage(&scenario);
    ck_holds(&scenario, "requests: {to: api, gaps: [100ms, {at-least: 900ms}]}");
    ck_holds(&scenario, "requests: {to: api, gaps: {below: 101ms}}");
    ck_fails(&scenario, "requests: {to: api, gaps: [{at-least: 200ms}, {above: 1s}]}",
             "gap 1, from request #1 to #2: expected at least 200ms, got 100ms\n"
             "gap 2, from request #2 to #3: expected above 1s, got 900ms\n");
    ck_fails(&scenario, "requests: {to: other, gaps: [{at-least: 1ms}]}",
             "gaps: 1 gap is listed, which takes 2 requests; 1 was selected | "
             "selected: GET /feed (#1) at 500ms\n");
    scenario.loop = loop_new();
    ck_fails_saying(&scenario, "requests: {to: api, gaps: [{below: 5ms}]}",
                    "gap 1, from request #1 to #2: expected below 5ms, got 100ms | our own loop "
                    "was at most 0ms late in that time");
    ck_fails_saying(&scenario, "requests: {to: nobody, after-event: down, within: 2s}",
                    "our own loop was at most");
    loop_free(scenario.loop);
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_order)
{
    struct scenario scenario;
    outage(&scenario);
    ck_holds(&scenario, "requests: {to: api, order: [POST /nowhere, PUT /feed]}");
    ck_holds(&scenario, "requests: {to: api, order: [GET /feed, GET /feed]}");
    ck_fails_saying(&scenario, "requests: {to: api, order: [PUT /feed, POST /nowhere]}",
                    "order: no request that matches POST /nowhere came after the one that matches "
                    "PUT /feed | selected: GET /feed (#1)");
    ck_fails_saying(&scenario, "requests: {to: api, order: [DELETE /feed]}",
                    "order: no request matches the first one, DELETE /feed");
    ck_fails_saying(&scenario, "requests: {order: [PUT /feed, PUT /feed]}", "no request that");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_responses)
{
    struct scenario scenario;
    outage(&scenario);
    add_response(&scenario, 1500, "api", 200, 1, 0, 20, 5);
    add_response(&scenario, 1500, "api", 404, 2, 0, 1, 100);
    add_response(&scenario, 1600, "api", 200, 3, ENTRY_ABORTED, 500, 2);
    add_response(&scenario, 1600, "other", 0, 1, 0, 1, 0);
    ck_holds(&scenario, "responses: {from: api, count: 3}");
    ck_holds(&scenario, "responses: {from: api, status: 2xx, count: 2}");
    ck_holds(&scenario, "responses: {from: api, status: [404, 500], bytes: 100}");
    ck_holds(&scenario, "responses: {status: 503, count: 0}");
    ck_holds(&scenario, "responses: {from: api, aborted: true, count: 1}");
    ck_holds(&scenario, "responses: {from: api, aborted: false, duration: {below: 21ms}}");
    ck_holds(&scenario, "responses: {where: GET /feed, from: api, count: 2}");
    ck_holds(&scenario, "responses: {from: api, after: 1550ms, count: 1}");
    ck_fails(&scenario, "responses: {from: api, duration: {at-most: 100ms}, bytes: {at-least: 5}}",
             "bytes of response 200 (aborted) to request #3 at 1.6s: expected at least 5, got 2 "
             "bytes\n"
             "duration of response 200 (aborted) to request #3 at 1.6s: expected at most 100ms, "
             "got 500ms\n");
    ck_fails_saying(&scenario, "responses: {from: other, status: 200}",
                    "not selected: no status to request #1 at 1.6s (another status)");
    for (int i = 0; i < 9; i++)
        add_response(&scenario, 1700, "other", 500, (uint64_t)i + 2, 0, 1, 1);
    ck_assert_uint_eq(judge(&scenario, "responses: {from: other, status: 500, bytes: 2}"), 6);
    ck_assert_ptr_nonnull(strstr(scenario.said.data, "and 4 more failures of the same kind"));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_rpcs)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add_request(&scenario, 1, "api", "POST", "/a.B/C", 1, 1, 0);
    add_request(&scenario, 2, "api", "POST", "/a.B/CC", 2, 1, 0);
    add_request(&scenario, 3, "api", "POST", "/a.b/C", 3, 1, 0);
    add_request(&scenario, 4, "other", "POST", "/a.B/C", 1, 1, 0);
    add_response(&scenario, 5, "api", 200, 1, 0, 1, 0);
    add_response(&scenario, 6, "api", 200, 2, 0, 1, 0);
    add_response(&scenario, 7, "other", 503, 1, 0, 1, 0);
    ck_holds(&scenario, "requests: {to: api, rpc: a.B/C, count: 1}");
    ck_holds(&scenario, "requests: {rpc: a.B/C, count: 2}");
    ck_holds(&scenario, "requests: {to: api, rpc: a.B/D, count: 0}");
    ck_holds(&scenario, "responses: {rpc: a.B/C, count: 2}");
    ck_holds(&scenario, "responses: {from: api, rpc: a.B/C, count: 1}");
    ck_holds(&scenario, "responses: {rpc: a.B/C, status: 503, count: 1}");
    ck_fails_saying(&scenario, "requests: {to: other, rpc: a.B/D}",
                    "not selected: POST /a.B/C (#1) at 4ms (of another rpc)");
    ck_fails_saying(&scenario, "responses: {from: api, rpc: a.b/C}",
                    "not selected: 200 to request #1 at 5ms (of another rpc)");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_responses_of_a_route)
{
    struct scenario scenario;
    outage(&scenario);
    struct entry entry =
        journal_entry(ENTRY_RESPONSE, journal_intern(scenario.journal, STR("api")));
    entry.route = journal_intern(scenario.journal, STR("api.feed"));
    entry.request = 1;
    entry.status = 200;
    journal_append(scenario.journal, &entry, (struct str){0});
    add_response(&scenario, 1600, "api", 404, 2, 0, 1, 0);
    ck_holds(&scenario, "responses: {route: api.feed, status: 200, count: 1}");
    ck_holds(&scenario, "responses: {route: api.feed, count: 1}");
    ck_holds(&scenario, "responses: {route: api.other, count: 0}");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_connections)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    journal_start(scenario.journal, clock_now() - 3600 * (int64_t)CLOCK_SECOND);
    uint64_t one = add_connection(&scenario, 1, "api", 1);
    uint64_t two = add_connection(&scenario, 2, "api", 2);
    add_request(&scenario, 3, "api", "GET", "/", 1, 1, 0);
    add_request(&scenario, 4, "api", "GET", "/", 2, 1, ENTRY_REUSED);
    add_request(&scenario, 5, "api", "GET", "/", 3, 2, 0);
    /* its answer may be under way still */
    journal_set_closed(scenario.journal, one, ENTRY_CLOSED_BY_CLIENT, 6 * CLOCK_MS);
    add_connection(&scenario, 6, "api", 3);
    journal_set_closed(scenario.journal, two, ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET,
                       9 * CLOCK_MS);
    ck_holds(&scenario, "connections: {to: api, count: 3, concurrent: 2}");
    ck_holds(&scenario, "connections: {to: api, concurrent: {at-most: 4}}");
    ck_holds(&scenario, "connections: {to: api, closed-by: client, concurrent: 1, lifetime: 5ms}");
    ck_holds(&scenario, "connections: {to: api, closed-by: [client, server], count: 2}");
    ck_holds(&scenario, "connections: {to: api, reused: true, count: 1}");
    ck_holds(&scenario, "connections: {to: api, reused: false, count: 2}");
    ck_holds(&scenario, "connections: {to: api, after: 6ms, lifetime: {above: 59m}}");
    ck_holds(&scenario, "connections: {to: nobody, count: 0, concurrent: 0}");
    ck_fails(&scenario, "connections: {to: api, before: 5ms, concurrent: {below: 2}}",
             "connections to api open at one time: expected below 2, got 2 | selected: #1 at 1ms, "
             "closed by the client; #2 at 2ms, closed by the server; not selected: #3 at 6ms, "
             "still open (not in the window)\n");
    ck_fails(&scenario, "connections: {to: api, before: 2ms, lifetime: {above: 1s}}",
             "lifetime of connection #1 at 1ms, closed by the client: expected above 1s, got "
             "5ms\n");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_events)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add_flagged(&scenario, ENTRY_EVENT, 100, "down", "", 0, 100000);
    add_flagged(&scenario, ENTRY_EVENT, 200, "down", "", 0, 7000000);
    ck_holds(&scenario, "events: {name: down}");
    ck_holds(&scenario, "events: {name: down, fired: true, count: 2}");
    ck_holds(&scenario, "events: {name: up, fired: false}");
    ck_holds(&scenario, "events: {name: down, before: 150ms, lag: {below: 5ms}}");
    ck_holds(&scenario, "events: {name: down, after: 1s, fired: false}");
    ck_fails(&scenario, "events: {name: down, lag: {below: 5ms}}",
             "lag of firing down at 200ms: expected below 5ms, got 7ms\n");
    ck_fails(&scenario, "events: {name: down, fired: false}",
             "fired: expected none, found 2 firings of down | "
             "selected: down at 100ms; down at 200ms\n");
    ck_fails(&scenario, "events: {name: up, fired: true}",
             "events: expected at least one, found no firings of up\n");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_steps)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add_flagged(&scenario, ENTRY_STEP_END, 50, "a", "", ENTRY_PASSED, 1);
    add(&scenario, ENTRY_EVENT, 100, "down", "");
    add_flagged(&scenario, ENTRY_STEP_END, 150, "a", "", ENTRY_FAILED, 1);
    add_flagged(&scenario, ENTRY_STEP_END, 160, "b", "", ENTRY_SKIPPED, 1);
    ck_holds(&scenario, "steps: {name: a, after-event: down, within: 50ms}");
    ck_holds(&scenario, "steps: {name: a, count: 2}");
    ck_fails(
        &scenario, "steps: {name: b}",
        "steps: expected at least one, found no ended steps called b | not selected: b at 160ms "
        "(it was skipped)\n");
    ck_fails_saying(&scenario, "steps: {name: a, after-event: down, within: 49ms}",
                    "(not in the window)");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_output)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add(&scenario, ENTRY_OUTPUT, 50, "app", "started");
    add(&scenario, ENTRY_EVENT, 100, "down", "");
    add_flagged(&scenario, ENTRY_OUTPUT, 150, "app", "lost it", ENTRY_STDERR, 0);
    add(&scenario, ENTRY_OUTPUT, 160, "other", "lost, too");
    ck_holds(&scenario, "output: {of: app, matches: lost, after-event: down, within: 2s}");
    ck_holds(&scenario, "output: {of: app, matches: '^lost', count: 1}");
    ck_holds(&scenario, "output: {contains: LOST, ignore-case: true, count: 2}");
    ck_holds(&scenario, "output: {of: app, stream: stderr, count: 1}");
    ck_holds(&scenario, "output: {of: app, stream: stdout, equals: started}");
    ck_holds(&scenario, "output: {of: app, not: {contains: lost}, count: 1}");
    ck_holds(&scenario, "output: {contains: panic, count: 0}");
    ck_fails(&scenario, "output: {of: app, matches: ready}",
             "output: expected at least one, found no lines of output of app | not selected: "
             "\"started\" at 50ms (another text); \"lost it\" at 150ms (another text)\n");
    ck_fails_saying(&scenario, "output: {of: app, stream: stdout, matches: lost}",
                    "\"lost it\" at 150ms (on standard error)");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_processes)
{
    struct scenario scenario;
    struct process process = {true, true, 1000, 2000000};
    scenario_init(&scenario, 0);
    ck_fails(&scenario, "processes: {of: app, alive: false}", "processes: app was never started\n");
    ck_fails(&scenario, "processes: {alive: true}",
             "processes: expected at least one, found no program that was started\n");
    add_flagged(&scenario, ENTRY_PROGRAM, 1, "app", "", 0, 77);
    add_flagged(&scenario, ENTRY_PROGRAM_END, 2, "app", "", ENTRY_OPTIONAL, -15);
    add_flagged(&scenario, ENTRY_PROGRAM, 3, "app", "", 0, 78);
    scenario.process = &process;
    ck_holds(&scenario, "processes: {of: app, alive: true}");
    ck_holds(&scenario, "processes: {of: app}");
    ck_holds(&scenario, "processes: {rss: {below: 1KiB}, cpu: 2ms}");
    ck_fails(&scenario, "processes: {of: app, alive: false, exit: 0, rss: {above: 1MiB}}",
             "alive: app still runs\nexit: app still runs, so it has no exit code\n"
             "rss of app: expected above 1MiB, got 1000 bytes\n");
    process.sampled = false;
    ck_fails_saying(&scenario, "processes: {of: app, cpu: 2ms}", "cannot be measured");
    process.alive = false;
    add_flagged(&scenario, ENTRY_PROGRAM_END, 4, "app", "", 0, 3);
    ck_holds(&scenario, "processes: {of: app, alive: false, exit: 3, rss: 1MiB, cpu: 5ms}");
    ck_fails(&scenario, "processes: {of: app, alive: true, exit: {in: [0, 1]}}",
             "alive: app has ended with exit code 3\nexit of app: expected one of 0, 1, got 3\n");
    add_flagged(&scenario, ENTRY_PROGRAM, 5, "app", "", 0, 79);
    add_flagged(&scenario, ENTRY_PROGRAM_END, 6, "app", "", ENTRY_OPTIONAL, -9);
    ck_fails(&scenario, "processes: {of: app, alive: true, exit: 0}",
             "alive: app was ended by signal KILL | it was asked to end\n"
             "exit: app was ended by signal KILL | it was asked to end\n");
    add_flagged(&scenario, ENTRY_PROGRAM_END, 7, "app", "No such file", 0, 127);
    ck_fails(&scenario, "processes: {of: app, exit: 127, cpu: {below: 1s}}",
             "exit: app could not be started: No such file\n"
             "cpu: app could not be started: No such file\n");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_dropped_entries)
{
    struct scenario scenario;
    scenario_init(&scenario, 8);
    add(&scenario, ENTRY_EVENT, 0, "early", "");
    for (int i = 1; i <= 10; i++)
        add_request(&scenario, i, "api", "GET", "/", (uint64_t)i, 1, 0);
    add(&scenario, ENTRY_EVENT, 11, "late", "");
    add_request(&scenario, 12, "api", "GET", "/", 11, 1, 0);
    add_response(&scenario, 13, "api", 200, 1, 0, 1, 0);
    ck_assert_uint_gt(journal_first(scenario.journal), 1);
    ck_holds(&scenario, "requests: {to: api, count: 11}");
    ck_holds(&scenario, "requests: {to: api}");
    ck_holds(&scenario, "requests: {count: 11}");
    ck_fails(&scenario, "requests: {to: api, count: 1}",
             "number of requests to api: expected 1, got 11\n");
    ck_fails(&scenario, "requests: {to: api, where: GET /, count: 5}",
             "requests: the journal no longer holds all requests to api: the newest 6 of 11 are "
             "left\n");
    ck_fails_saying(&scenario, "requests: {to: api, matched: false, count: 0}", "no longer holds");
    ck_fails_saying(&scenario, "requests: {to: api, gaps: [1ms]}", "no longer holds");
    ck_fails_saying(&scenario, "requests: {to: api, before: 3ms, count: 0}", "no longer holds");
    ck_fails(&scenario, "requests: {during: early, count: 0}",
             "during: the journal no longer holds when the event early fired\n");
    ck_fails_saying(&scenario, "requests: {after-event: early}", "no longer holds");
    ck_fails_saying(&scenario, "responses: {where: GET /}", "no longer holds the requests");
    ck_fails_saying(&scenario, "responses: {route: api.a, count: 0}", "no longer holds");
    ck_fails_saying(&scenario, "responses: {rpc: a.B/C, count: 0}", "no longer holds");
    ck_fails_saying(&scenario, "requests: {rpc: a.B/C, count: 0}", "no longer holds");
    /* what lies behind everything that was dropped is whole */
    ck_holds(&scenario, "requests: {to: api, after-event: late, count: 1}");
    ck_holds(&scenario, "requests: {to: api, during: late, count: 1}");
    ck_holds(&scenario, "requests: {to: api, after: 10ms, where: GET /, count: 2}");
    /* and nothing of these was dropped */
    ck_holds(&scenario, "responses: {from: api, status: 200, count: 1}");
    ck_holds(&scenario, "requests: {to: nobody, where: GET /, count: 0}");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_dropped_programs)
{
    struct scenario scenario;
    struct process process = {true, true, 1000, 2000000};
    scenario_init(&scenario, 4);
    add_flagged(&scenario, ENTRY_PROGRAM, 1, "app", "", 0, 77);
    for (int i = 0; i < 9; i++)
        add(&scenario, ENTRY_LOG, 2, "x", "");
    scenario.process = &process;
    ck_holds(&scenario, "processes: {of: app, rss: {below: 1KiB}}");
    ck_fails_saying(&scenario, "processes: {alive: true}", "no longer holds all programs");
    process.alive = false;
    ck_fails_saying(&scenario, "processes: {of: app, exit: 0}", "no longer holds how app ended");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_handshakes)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add_flagged(&scenario, ENTRY_HANDSHAKE, 1, "api",
                "{\"version\":\"TLSv1.3\",\"sni\":\"a.example\",\"certificate\":\"expired\","
                "\"alert\":\"certificate_expired\",\"alert-from\":\"client\"}",
                ENTRY_FAILED, 1);
    add_flagged(&scenario, ENTRY_HANDSHAKE, 2, "api", "{\"version\":\"TLSv1.2\"}", ENTRY_PASSED, 1);
    add_flagged(&scenario, ENTRY_HANDSHAKE, 3, "api", "[not an object", ENTRY_PASSED, 1);
    ck_holds(&scenario, "handshakes: {to: api, count: 3, failed: 1}");
    ck_holds(&scenario, "handshakes: {alert: certificate_expired, sni: a.example, failed: 1}");
    ck_holds(&scenario, "handshakes: {certificate: expired, count: 1}");
    ck_holds(&scenario, "handshakes: {version: TLSv1.2, failed: 0}");
    ck_fails_saying(&scenario, "handshakes: {to: api, failed: 2}",
                    "failed: the client sent certificate_expired");
    add_flagged(&scenario, ENTRY_RESET, 4, "api", "", ENTRY_CLOSED_BY_CLIENT, 8);
    add_flagged(&scenario, ENTRY_GOAWAY, 5, "api", "", ENTRY_CLOSED_BY_SERVER, 0);
    ck_holds(&scenario, "frames: {to: api, type: rst-stream, by: client, code: CANCEL, count: 1}");
    ck_holds(&scenario, "frames: {code: 8, stream: 1048576, count: 1}");
    ck_holds(&scenario, "frames: {type: goaway, code: NO_ERROR, last-stream-id: 1048576}");
    ck_fails_saying(&scenario, "frames: {type: goaway, by: client}", "by the other side");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_refuses)
{
    ck_refused("requests: {}", "an empty requests says nothing");
    ck_refused("requests: {too: api}", "did you mean 'to'?");
    ck_refused("{requests: {to: a}, responses: {from: a}}", "has one subject only");
    ck_refused("{name: x}", "needs one subject");
    ck_refused("frames: {to: api, code: CANCLE}", "no error code of HTTP/2");
    ck_refused("requests: {to: a, where: {sni: x}}", "are for routes");
    ck_refused("requests: {rpc: a.B}", "'a.B' is no rpc");
    ck_refused("responses: {rpc: /a.B/C}", "write package.Service/Method");
    ck_refused("requests: {rpc: [a.B/C]}", "an rpc: package.Service/Method");
    ck_refused("requests: {to: a, within: 1s}", "'within' goes with 'after-event' only");
    ck_refused("requests: {to: a, after: 2s, before: 1s}", "nothing lies between");
    ck_refused("requests: {to: a, before: 0ms}", "nothing to look at lies before it");
    ck_refused("requests: {to: a, where: {}}", "empty");
    ck_refused("requests: {to: a, count: {}}", "an empty predicate");
    ck_refused("requests: {to: a, count: many}", "error");
    ck_refused("connections: {to: a, closed-by: nobody}", "unknown name 'nobody'");
    ck_refused("events: {name: a, fired: false, count: 0}", "'count' does not go with");
    ck_refused("events: {name: a, fired: false, lag: 1ms}", "'lag' does not go with");
    ck_refused("output: {of: app, matches: '('}", "error");
    ck_refused("output: {of: app, stream: none}", "one of stdout, stderr, both");
    ck_refused("output: {of: app, matchs: x}", "did you mean 'matches'?");
    ck_refused("requests", "'requests' needs a value");
    ck_refused("[1]", "expected a mapping (item of verify), found a list");
}
END_TEST

static struct str title(struct scenario *scenario, const char *text)
{
    struct documents documents;
    struct source *source = arena_alloc(scenario->arena, sizeof *source);
    *source = (struct source){STR("t"), str_of(text)};
    ck_assert_int_eq(tree_read_yaml(scenario->arena, source, &documents, &scenario->diagnostics),
                     0);
    return verify_title(scenario->arena, documents.items[0]);
}

START_TEST(test_titles)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    ck_str_is(title(&scenario, "requests: {to: api, count: 2, during: down}"),
              "requests to api: count 2, during down");
    ck_str_is(title(&scenario, "requests: {count: {at-least: 1}, to: '${x}'}"),
              "requests to ${x}: count at-least 1");
    ck_str_is(title(&scenario, "requests: {to: api, gaps: [{above: 1ms}, 2ms]}"),
              "requests to api: gaps [above 1ms, 2ms]");
    ck_str_is(title(&scenario, "{optional: true, events: {name: down, fired: true}}"),
              "events down: fired true");
    ck_str_is(title(&scenario, "output: {of: app, matches: \"a\\nb\"}"),
              "output of app: matches a b");
    ck_str_is(title(&scenario, "responses: {from: api}"), "responses from api");
    ck_str_is(title(&scenario, "{name: mine, responses: {from: api}}"), "mine");
    ck_str_is(title(&scenario, "requests: {where: {a: {b: {c: {d: e}}}}}"),
              "requests: where a b c …");
    ck_str_is(title(&scenario, "requests: {order: [1, 2, 3, 4, 5, 6, 7]}"),
              "requests: order [1, 2, 3, 4, 5, …]");
    ck_str_is(title(&scenario, "requests:"), "requests");
    ck_str_is(title(&scenario, "[]"), "verify");
    ck_str_is(title(&scenario, "output: {matches: "
                               "ääääääääääääääääääääääääääääääääääääääääääääääääää}"),
              "output: matches ääääääääääääääääääääääääääääää…");
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_counted_unmatched_requests_are_marked)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    uint64_t a = add_request(&scenario, 1, "api", "GET", "/a", 1, 1, ENTRY_UNMATCHED);
    uint64_t b = add_request(&scenario, 2, "api", "GET", "/b", 2, 1, ENTRY_UNMATCHED);
    ck_holds(&scenario, "requests: {to: api, count: 2}");
    ck_assert(!(journal_get(scenario.journal, a)->flags & ENTRY_COUNTED));
    ck_holds(&scenario, "requests: {to: api, matched: false, where: /a, count: 1}");
    ck_assert(journal_get(scenario.journal, a)->flags & ENTRY_COUNTED);
    ck_assert(!(journal_get(scenario.journal, b)->flags & ENTRY_COUNTED));
    scenario_clear(&scenario);
}
END_TEST

START_TEST(test_an_item_knows_its_place)
{
    struct scenario scenario;
    struct verify_item item;
    scenario_init(&scenario, 0);
    item_read(&scenario, "\n\n  {name: n, optional: true, requests: {to: api}}", &item);
    ck_str_is(item.name, "n");
    ck_assert(item.optional);
    ck_assert_uint_eq(item.place.line, 3);
    scenario_clear(&scenario);
}
END_TEST

/* A journal may hold what is no packed request: nothing matches it, nothing crashes. */
START_TEST(test_damaged_requests)
{
    struct scenario scenario;
    scenario_init(&scenario, 0);
    add(&scenario, ENTRY_REQUEST, 1, "api", "\xff\xff\xff\xff\x01");
    add(&scenario, ENTRY_REQUEST, 2, "api", "");
    ck_holds(&scenario, "requests: {to: api, count: 2}");
    ck_fails_saying(&scenario, "requests: {to: api, where: GET /}", "a request (#0) at 1ms");
    ck_fails_saying(&scenario, "requests: {to: api, order: [GET /]}", "no request matches");
    scenario_clear(&scenario);
}
END_TEST

UNIT_MAIN("verify", test_requests_are_counted, test_requests_are_selected, test_windows,
          test_during_ends_with_the_next_action, test_during_of_firings_that_overlap, test_gaps,
          test_order, test_responses, test_responses_of_a_route, test_rpcs, test_connections,
          test_events, test_steps, test_output, test_processes, test_dropped_entries,
          test_dropped_programs, test_handshakes, test_refuses, test_titles,
          test_counted_unmatched_requests_are_marked, test_an_item_knows_its_place,
          test_damaged_requests)
