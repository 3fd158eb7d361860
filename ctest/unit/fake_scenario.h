/**
 * A scenario that is only a journal, for the tests of what reads it: conditions and verify.
 *
 * It defines every function that runner/scenario/scenario.h declares; what they answer is set in
 * the struct.
 */
#ifndef GOTO_CTEST_FAKE_SCENARIO_H
#define GOTO_CTEST_FAKE_SCENARIO_H

#include "base/clock.h"
#include "ctest/unit/unit.h"

#include "runner/scenario/attempt.h"
#include "runner/scenario/scenario.h"
#include "schema/table.h"
#include "server/http/message.h"
#include "server/port/port.h"

#include <string.h>

struct scenario {
    struct arena *arena;
    struct journal *journal;
    struct server server;
    struct loop *loop;
    struct process *process; /**< the only one, of any name */
    bool client_ended;
    bool step_possible;
    bool event_possible;
    bool traffic_possible;
    bool output_possible;
    struct diagnostics diagnostics;
    struct source source;
    struct reader reader;
    struct failures failures;
    struct buf said;
};

struct journal *scenario_journal(const struct scenario *scenario)
{
    return scenario->journal;
}

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

struct process *scenario_process(const struct scenario *scenario, struct str name)
{
    (void)name;
    return scenario->process;
}

bool scenario_client_ended(const struct scenario *scenario, struct str name)
{
    (void)name;
    return scenario->client_ended;
}

bool scenario_step_possible(const struct scenario *scenario, struct str name)
{
    (void)name;
    return scenario->step_possible;
}

bool scenario_event_possible(const struct scenario *scenario, struct str name)
{
    (void)name;
    return scenario->event_possible;
}

bool scenario_traffic_possible(const struct scenario *scenario)
{
    return scenario->traffic_possible;
}

bool scenario_output_possible(const struct scenario *scenario, struct str name)
{
    (void)name;
    return scenario->output_possible;
}

void attempt_done(struct attempt *attempt)
{
    (void)attempt;
}

static inline void scenario_init(struct scenario *scenario, size_t most_entries)
{
    *scenario = (struct scenario){.arena = arena_new()};
    scenario->journal = journal_new(most_entries, 0);
    scenario->failures.arena = scenario->arena;
    diagnostics_init(&scenario->diagnostics);
    buf_init(&scenario->said, BUF_OWN);
    scenario->reader =
        (struct reader){.arena = scenario->arena, .diagnostics = &scenario->diagnostics};
}

static inline void scenario_clear(struct scenario *scenario)
{
    buf_clear(&scenario->said);
    diagnostics_clear(&scenario->diagnostics);
    journal_free(scenario->journal);
    arena_free(scenario->arena);
}

/** Reads a text as one value of a type; what is wrong stands in `said`. */
static inline enum read_result scenario_read(struct scenario *scenario, const struct type *type,
                                             const char *text, void *into)
{
    struct documents documents;
    struct source *source = arena_alloc(scenario->arena, sizeof *source);
    enum read_result result = READ_FAILED;
    *source = (struct source){STR("t"), arena_copy(scenario->arena, str_of(text))};
    diagnostics_clear(&scenario->diagnostics);
    diagnostics_init(&scenario->diagnostics);
    buf_reset(&scenario->said);
    if (tree_read_yaml(scenario->arena, source, &documents, &scenario->diagnostics) == 0)
        result = reader_read(&scenario->reader, type, documents.items[0], into);
    diagnostics_print(&scenario->diagnostics, &scenario->said);
    buf_append_string(&scenario->said, "");
    return result;
}

/* Entries, at a time in milliseconds */

static inline uint64_t add(struct scenario *scenario, enum entry_kind kind, int64_t ms,
                           const char *subject, const char *text)
{
    struct entry entry = journal_entry(kind, journal_intern(scenario->journal, str_of(subject)));
    entry.time_ns = ms * CLOCK_MS;
    return journal_append(scenario->journal, &entry, str_of(text));
}

/** A request "GET /a" on a connection; its number on the port is given. */
static inline uint64_t add_request(struct scenario *scenario, int64_t ms, const char *port,
                                   const char *method, const char *path, uint64_t number,
                                   uint64_t connection, unsigned flags)
{
    struct request request = {
        .method = str_of(method),
        .target = str_of(path),
        .path = str_of(path),
        .authority = STR("h"),
        .version = HTTP_1_1,
    };
    struct buf packed;
    buf_init(&packed, BUF_OWN);
    request_pack(&request, &packed);
    struct entry entry =
        journal_entry(ENTRY_REQUEST, journal_intern(scenario->journal, str_of(port)));
    entry.time_ns = ms * CLOCK_MS;
    entry.request = number;
    entry.connection = connection;
    entry.flags = (uint16_t)flags;
    uint64_t result = journal_append(scenario->journal, &entry, buf_str(&packed));
    buf_clear(&packed);
    return result;
}

#endif
