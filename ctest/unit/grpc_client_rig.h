/**
 * What the tests of the grpc verb share: a scenario of our own, and a step that is read from YAML
 * and run on the loop against the raw server of h2_peer.h.
 *
 * The types are those of ctest/specs/data/shop.proto.
 */
#ifndef GOTO_CTEST_GRPC_CLIENT_RIG_H
#define GOTO_CTEST_GRPC_CLIENT_RIG_H

#include "ctest/unit/h2_peer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/check/expect_grpc.h"
#include "runner/client/grpc.h"
#include "runner/client/http.h"
#include "runner/scenario/attempt.h"
#include "runner/scenario/scenario.h"
#include "schema/tree.h"
#include "server/server.h"

/* A scenario: all that the verb asks of one. */

struct scenario {
    struct loop *loop;
    struct journal *journal;
    struct server server;
    struct grpc_sessions *sessions;
    struct grpc_reflected *reflected;
};

static struct scenario the_scenario;

struct server *scenario_server(struct scenario *scenario)
{
    return &scenario->server;
}

uint64_t scenario_seed(const struct scenario *scenario)
{
    (void)scenario;
    return 1;
}

struct loop *scenario_loop(const struct scenario *scenario)
{
    return scenario->loop;
}

struct journal *scenario_journal(const struct scenario *scenario)
{
    return scenario->journal;
}

struct grpc_sessions **client_grpc_sessions(struct client *client)
{
    (void)client;
    return &the_scenario.sessions;
}

struct grpc_reflected **scenario_grpc_reflected(struct scenario *scenario)
{
    return &scenario->reflected;
}

void attempt_done(struct attempt *attempt)
{
    attempt->done(attempt);
}

/* What other verbs ask, which are linked with this one. */

struct http_client *scenario_http_client(struct scenario *scenario)
{
    (void)scenario;
    return NULL;
}

struct http_sessions *client_http_sessions(struct client *client)
{
    (void)client;
    return NULL;
}

struct str scenario_endpoint_url(struct scenario *scenario, struct str url, struct arena *arena)
{
    (void)scenario;
    return arena_printf(arena, "http://" STR_FMT, STR_ARG(url));
}

bool scenario_endpoint_port(struct scenario *scenario, struct str url,
                            struct scenario_endpoint *endpoint)
{
    (void)scenario;
    (void)url;
    (void)endpoint;
    return false;
}

struct process *scenario_process(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return NULL;
}

bool scenario_client_ended(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

bool scenario_step_possible(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

bool scenario_event_possible(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

bool scenario_traffic_possible(const struct scenario *scenario)
{
    (void)scenario;
    return false;
}

bool scenario_output_possible(const struct scenario *scenario, struct str name)
{
    (void)scenario;
    (void)name;
    return false;
}

/** A listener, whose scripts are made before peer_start(). */
static inline void client_begin(void)
{
    struct scenario *scenario = &the_scenario;
    *scenario = (struct scenario){.loop = loop_new()};
    ck_assert_ptr_nonnull(scenario->loop);
    scenario->journal = journal_new(0, 0);
    server_init(&scenario->server, scenario->loop, scenario->journal, 1);
    peer_listen();
}

static inline void client_end(void)
{
    struct scenario *scenario = &the_scenario;
    grpc_sessions_free(scenario->sessions);
    grpc_reflected_free(scenario->reflected);
    server_close_all(&scenario->server);
    while (scenario->server.streams)
        loop_turn(scenario->loop);
    server_clear(&scenario->server);
    journal_free(scenario->journal);
    loop_free(scenario->loop);
    peer_stop();
}

/* A step. */

struct step {
    struct attempt attempt;
    struct arena *arena;
    struct diagnostics diagnostics;
    struct source source;
    bool done;
    char message[2048]; /**< the first diagnostic or failure */
};

static inline void step_done(struct attempt *attempt)
{
    CONTAINER_OF(attempt, struct step, attempt)->done = true;
}

static inline void step_note(struct step *step, struct str text)
{
    snprintf(step->message, sizeof step->message, STR_FMT, STR_ARG(text));
}

/** PORT in the text becomes the server's. */
static inline struct str with_port(struct arena *arena, const char *text)
{
    struct str out = STR("");
    for (const char *at; (at = strstr(text, "PORT")); text = at + 4)
        out = arena_printf(arena, STR_FMT "%.*s%d", STR_ARG(out), (int)(at - text), text,
                           the_peer.port);
    return arena_printf(arena, STR_FMT "%s", STR_ARG(out), text);
}

/** Reads {grpc: …, expect: …}. */
static inline void step_begin(struct step *step, const char *yaml)
{
    struct documents documents;
    struct attempt *attempt = &step->attempt;
    *step = (struct step){.arena = arena_new()};
    diagnostics_init(&step->diagnostics);
    step->source = (struct source){STR("ctest/specs/step.yaml"), with_port(step->arena, yaml)};
    struct reader reader = {.arena = step->arena, .diagnostics = &step->diagnostics};
    ck_assert_int_eq(tree_read_yaml(step->arena, &step->source, &documents, &step->diagnostics), 0);
    const struct node *grpc = node_get(documents.items[0], "grpc");
    const struct node *expect = node_get(documents.items[0], "expect");
    void *value = arena_alloc(step->arena, grpc_type.size);
    bool good = reader_read(&reader, &grpc_type, grpc, value) == READ_OK;
    attempt->value = value;
    if (expect) {
        void *expected = arena_alloc(step->arena, grpc_expect_type.size);
        good = good && reader_read(&reader, &grpc_expect_type, expect, expected) == READ_OK;
        attempt->expect = expected;
    }
    ck_assert_msg(good, STR_FMT,
                  STR_ARG(step->diagnostics.first ? step->diagnostics.first->message : STR("?")));
    attempt->scenario = &the_scenario;
    attempt->loop = the_scenario.loop;
    attempt->arena = step->arena;
    attempt->verb = &grpc_verb;
    attempt->failures.arena = step->arena;
    attempt->start_ns = clock_now();
    attempt->done = step_done;
    attempt->verb_place = grpc->place;
}

static inline void step_end(struct step *step)
{
    diagnostics_clear(&step->diagnostics);
    arena_free(step->arena);
}

/** Runs it to its end; true if it passed. */
static inline bool step_run(struct step *step)
{
    grpc_verb.start(&step->attempt);
    while (!step->done)
        loop_turn(the_scenario.loop);
    if (step->attempt.failures.count)
        step_note(step, failure_line(&step->attempt.failures.items[0], step->arena));
    return step->attempt.failures.count == 0;
}

/** A step that passes. */
#define ck_step(yaml)                                                                              \
    do {                                                                                           \
        struct step ck_the_step;                                                                   \
        step_begin(&ck_the_step, yaml);                                                            \
        ck_assert_msg(step_run(&ck_the_step), "%s: %s", yaml, ck_the_step.message);                \
        step_end(&ck_the_step);                                                                    \
    } while (0)

/* The raw server. */

#define HEAD ":status: 200\ncontent-type: application/grpc"

/** A script that greets; what is returned is sent once the first request came. */
static inline struct buf *answer_to_first(enum peer_ending ending)
{
    struct peer_script *script = peer_script(ending);
    frame_settings(stage_add(script, 0, NULL));
    return stage_add(script, 1, NULL);
}

/** A message of shop.Order {id: "a"}, framed. */
#define ORDER STR("\0\0\0\0\3\x0a\1a")

/** An answer with one message and a status. */
static inline void frame_order(struct buf *into, uint32_t id, const char *trailers)
{
    frame_headers(into, id, false, HEAD);
    frame_data(into, id, false, ORDER);
    frame_headers(into, id, true, trailers);
}

#endif
