/* Nothing passes in silence (LANGUAGE 1): each broken rule is a check of its own. */

#include "runner/scenario/scenario_private.h"

#include "server/fault/fault.h"
#include "server/port/port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool name_is_taken(const struct scenario *scenario, struct str name)
{
    for (size_t i = 0; i < scenario->checks.count; i++) {
        if (str_equal(scenario->checks.items[i]->name, name))
            return true;
    }
    return false;
}

struct check *scenario_fail(struct scenario *scenario, struct place place, struct str name,
                            const char *format, ...)
{
    struct str unique = name;
    va_list args;
    char text[1024];
    for (unsigned n = 2; name_is_taken(scenario, unique); n++)
        unique = arena_printf(scenario->arena, STR_FMT " (%u)", STR_ARG(name), n);
    struct check *check = checks_add(&scenario->checks, unique, place);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check->verdict = VERDICT_FAIL;
    check->ran = true;
    check->end_ns = check->start_ns = journal_now(scenario->journal);
    check->failures = (struct failures){.arena = scenario->arena};
    failures_say(&check->failures, place, NULL, "%s", text);
    struct entry entry = journal_entry(ENTRY_CHECK, journal_intern(scenario->journal, unique));
    entry.flags = ENTRY_FAILED;
    journal_append(scenario->journal, &entry, str_of(text));
    return check;
}

static void judge_events(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->event_count; i++) {
        const struct event *event = &scenario->events[i];
        struct str lack = event->condition ? condition_lack(event->condition) : (struct str){0};
        if (lack.data)
            scenario_fail(scenario, event->spec->place,
                          arena_printf(scenario->arena, "event " STR_FMT " could be judged",
                                       STR_ARG(event->name)),
                          STR_FMT, STR_ARG(lack));
        if (event->fired || event->spec->optional)
            continue;
        scenario_fail(scenario, event->spec->place,
                      arena_printf(scenario->arena, "event " STR_FMT " was never reached",
                                   STR_ARG(event->name)),
                      "the clients ended before this event came; `optional: true` allows that");
    }
}

struct finder {
    struct scenario *scenario;
    struct scenario_port *port;
};

static void unfinished_found(void *context, struct str name, struct place place, size_t served,
                             size_t count)
{
    struct finder *finder = context;
    struct scenario *scenario = finder->scenario;
    scenario_fail(
        scenario, place,
        arena_printf(scenario->arena, "the last answer of " STR_FMT " was served", STR_ARG(name)),
        "a sequence of %zu answers, of which only %zu %s served", count, served,
        served == 1 ? "was" : "were");
}

static void idle_found(void *context, const struct fault_idle *idle)
{
    struct scenario *scenario = context;
    struct check *check =
        scenario_fail(scenario, idle->place,
                      arena_printf(scenario->arena, "fault " STR_FMT " of " STR_FMT " struck",
                                   STR_ARG(idle->name), STR_ARG(idle->on)),
                      "it struck nothing while it stood: " STR_FMT, STR_ARG(idle->why));
    check->failures.items[0].note =
        STR("`optional: true` allows that, and so does a chance below 100%");
}

/** Unmatched requests of a port that no verify item counted; *why is about the first one. */
static uint64_t count_unmatched(struct scenario *scenario, uint32_t subject, struct str *why)
{
    struct journal *journal = scenario->journal;
    /* those that the journal has dropped count */
    uint64_t count = journal_count(journal, ENTRY_MISS, subject);
    uint64_t first = 0;
    for (uint64_t n = journal_first(journal); n <= journal_last(journal) && count; n++) {
        const struct entry *entry = journal_get(journal, n);
        if (entry->subject != subject)
            continue;
        if (entry->kind == ENTRY_REQUEST && entry->flags & ENTRY_UNMATCHED) {
            count -= (entry->flags & ENTRY_COUNTED) != 0;
            if (!first && !(entry->flags & ENTRY_COUNTED))
                first = entry->request;
        } else if (entry->kind == ENTRY_MISS && first && entry->request == first && !why->size) {
            *why = arena_copy(scenario->arena, (struct str){entry->data, entry->data_size});
        }
    }
    return count;
}

static void judge_unmatched(struct scenario *scenario, const struct scenario_port *port)
{
    uint32_t subject = journal_intern(scenario->journal, port->name);
    struct str text = {0};
    if (!upstream_minds_unmatched(port->upstream))
        return;
    uint64_t count = count_unmatched(scenario, subject, &text);
    if (count == 0)
        return;
    struct check *check =
        scenario_fail(scenario, port->place,
                      arena_printf(scenario->arena, "every request to " STR_FMT " matched a route",
                                   STR_ARG(port->name)),
                      "%llu %s matched no route%s" STR_FMT, (unsigned long long)count,
                      count == 1 ? "request" : "requests", text.size ? ": " : "", STR_ARG(text));
    check->failures.items[0].note = STR("write a `default`, or a verify item with `requests: "
                                        "{matched: false}`, where that is meant");
}

static void miss_found(void *context, const struct tcp_miss *miss)
{
    struct finder *finder = context;
    struct scenario *scenario = finder->scenario;
    struct str expected = STR("");
    if (miss->expected.size)
        expected =
            arena_printf(scenario->arena, "expected " STR_FMT ", got ", STR_ARG(miss->expected));
    struct check *check = scenario_fail(
        scenario, miss->place,
        arena_printf(scenario->arena, "the script of " STR_FMT " received what it waits for",
                     STR_ARG(finder->port->name)),
        STR_FMT STR_FMT, STR_ARG(expected), STR_ARG(miss->actual));
    if (miss->count > 1)
        check->failures.items[0].note =
            arena_printf(scenario->arena, "on %llu connections; this is the first of them, %llu",
                         (unsigned long long)miss->count, (unsigned long long)miss->connection);
    else
        check->failures.items[0].note = arena_printf(scenario->arena, "on connection %llu",
                                                     (unsigned long long)miss->connection);
}

static void judge_port(struct scenario *scenario, struct scenario_port *port)
{
    struct finder finder = {scenario, port};
    if (!port->upstream || port->config->optional)
        return;
    if (port->port->reachable && port->port->accepted == 0)
        scenario_fail(
            scenario, port->place,
            arena_printf(scenario->arena, STR_FMT " was never contacted", STR_ARG(port->name)),
            "the %s was open and nobody connected to it; `optional: true` allows that",
            port->config->proxy ? "proxy" : "upstream");
    upstream_unfinished(port->upstream, unfinished_found, &finder);
    faults_idle(upstream_faults(port->upstream), scenario->arena, idle_found, scenario);
    judge_unmatched(scenario, port);
    tcp_misses(port->port, scenario->arena, miss_found, &finder);
}

/** Where misses are written. */
struct telling {
    struct buf *into;
    struct str port;
};

static void tell_miss(void *context, const struct tcp_miss *miss)
{
    const struct telling *telling = context;
    buf_append_string(telling->into, telling->into->size ? "; " : "");
    buf_printf(telling->into, "the script of " STR_FMT, STR_ARG(telling->port));
    if (miss->expected.size)
        buf_printf(telling->into, " expected " STR_FMT ", got " STR_FMT, STR_ARG(miss->expected),
                   STR_ARG(miss->actual));
    else
        buf_append_string(telling->into, " was not at its end");
}

void scenario_describe_scripts(const struct scenario *scenario, struct buf *into)
{
    for (size_t i = 0; i < scenario->port_count; i++) {
        const struct scenario_port *port = &scenario->ports[i];
        struct telling telling = {into, port->name};
        if (port->port)
            tcp_misses(port->port, scenario->arena, tell_miss, &telling);
    }
}

static bool any_check_ran(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->checks.count; i++) {
        if (scenario->checks.items[i]->ran)
            return true;
    }
    return false;
}

/** What connections met for want of descriptors is no answer to what the spec asks. */
static void judge_starving(struct scenario *scenario)
{
    int error = scenario->server.starved;
    if (!error)
        return;
    struct check *check =
        scenario_fail(scenario, scenario->spec->place, STR("connections could be made"),
                      "goto-run itself could not take or make a connection when one was due: %s",
                      strerror(error));
    if (error == EMFILE)
        check->failures.items[0].note =
            STR("each connection takes a descriptor, in a proxy two: raise the hard limit "
                "(ulimit -Hn), or open fewer at once");
    check->verdict = VERDICT_ERROR;
    scenario_harness_failed(scenario);
}

void scenario_judge_rules(struct scenario *scenario)
{
    judge_starving(scenario);
    judge_events(scenario);
    for (size_t i = 0; i < scenario->port_count; i++)
        judge_port(scenario, &scenario->ports[i]);
    if (!any_check_ran(scenario))
        scenario_fail(scenario, scenario->spec->place, STR("a check was run"),
                      "the scenario ended without a single check: nothing was judged");
}
