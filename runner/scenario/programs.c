#include "runner/scenario/scenario_private.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/** Between two looks whether a program is ready. */
#define LOOK_NS (2 * INT64_C(1000000))

struct program *scenario_find_program(const struct scenario *scenario, struct str name)
{
    for (size_t i = 0; i < scenario->program_count; i++) {
        if (str_equal(scenario->programs[i].spec->name, name))
            return &scenario->programs[i];
    }
    return NULL;
}

/* Who waits for it */

static bool program_is_awaited(const struct program *program, enum program_wish wish)
{
    const struct program_waiter *waiter = program->waiters;
    while (waiter && waiter->wish != wish)
        waiter = waiter->next;
    return waiter;
}

static void program_await(struct program *program, enum program_wish wish,
                          void (*told)(void *context, struct str why), void *context)
{
    struct program_waiter **end = &program->waiters;
    struct program_waiter *waiter = arena_alloc(program->scenario->arena, sizeof *waiter);
    *waiter = (struct program_waiter){.wish = wish, .told = told, .context = context};
    while (*end)
        end = &(*end)->next;
    *end = waiter;
}

/** Tells all who have this wish; whoever comes meanwhile waits for the next time. */
static void program_tell(struct program *program, enum program_wish wish, struct str why)
{
    struct program_waiter *waiters = program->waiters;
    struct program_waiter *told = NULL;
    struct program_waiter **end = &told;
    struct program_waiter **kept = &program->waiters;
    for (; waiters; waiters = waiters->next) {
        struct program_waiter ***list = waiters->wish == wish ? &end : &kept;
        **list = waiters;
        *list = &waiters->next;
    }
    *end = NULL;
    *kept = NULL;
    while (told) {
        struct program_waiter *waiter = told;
        told = waiter->next;
        waiter->told(waiter->context, why);
    }
}

/* Looking whether it is ready */

static void program_ready(struct program *program)
{
    program->is_ready = true;
    timer_stop(&program->timer);
    program_tell(program, PROGRAM_READY, (struct str){0});
}

/** Looks at its port, or asks there. */
static void probe_port(struct program *program)
{
    int protocol = program->port->protocol;
    const struct probe_target target = {
        .host = program->port->host,
        .number = program->port->number,
        .path = program->ready.http,
        .tls = upstream_protocol_has_tls(protocol),
    };
    if (probe_look(&program->probe, &target))
        program_ready(program);
}

/** Looks through the lines that came since the last look. */
static void probe_output(struct program *program)
{
    struct journal *journal = program->scenario->journal;
    struct arena *arena = arena_new();
    bool ready = false;
    uint64_t number = program->seen + 1;
    if (number < journal_first(journal))
        number = journal_first(journal);
    for (; number <= journal_last(journal) && !ready; number++) {
        const struct entry *entry = journal_get(journal, number);
        program->seen = number;
        if (entry->kind != ENTRY_OUTPUT || entry->subject != program->running->name_id)
            continue;
        struct json *line =
            json_string(arena, arena_copy(arena, (struct str){entry->data, entry->data_size}));
        ready = predicate_test(program->ready.output, line, arena, NULL);
    }
    arena_free(arena);
    if (ready)
        program_ready(program);
}

static void program_look(struct timer *timer)
{
    struct program *program = CONTAINER_OF(timer, struct program, timer);
    if (program->running->ended)
        return;
    if (program->ready.output)
        probe_output(program);
    else
        probe_port(program);
    if (program->is_ready)
        return;
    if (clock_now() >= program->deadline_ns) {
        probe_close(&program->probe);
        program_tell(program, PROGRAM_READY,
                     arena_printf(program->scenario->arena,
                                  "it was not ready within its time (looked for %s)",
                                  program->ready.output      ? "a line of its output"
                                  : program->ready.http.data ? "an HTTP answer"
                                                             : "its port"));
        return;
    }
    timer_start(&program->timer, LOOK_NS);
}

/* Its life */

static void program_started(void *context, struct running *running)
{
    struct program *program = context;
    (void)running;
    timer_start(&program->timer, 0);
}

static struct str end_words(const struct program *program)
{
    const struct process_end *end = &program->running->end;
    struct arena *arena = program->scenario->arena;
    if (end->error)
        return arena_printf(arena, "it could not be started: " STR_FMT,
                            STR_ARG(running_error(program->running)));
    if (program->running->timed_out)
        return STR("its timeout ran out");
    if (end->signal)
        return arena_printf(arena, "it was ended by signal %s", signal_name(end->signal));
    return arena_printf(arena, "it ended with exit %d", end->exit_code);
}

/** Whether somebody wanted it to end. */
static bool program_was_ended(const struct program *program)
{
    const struct running *running = program->running;
    return running->stopping || program->stopped_by_action ||
           (running->end.signal && running->end.signal == program->signalled);
}

/** Whether it was asked to end. */
static bool program_is_ending(const struct program *program)
{
    return program->running->stopping || program->stopped_by_action;
}

static void program_begin(struct program *program);

static void program_ended(void *context, struct running *running)
{
    struct program *program = context;
    (void)running;
    struct scenario *scenario = program->scenario;
    /* its last lines come with its end: it may have become ready before it ended */
    if (program_is_awaited(program, PROGRAM_READY) && program->ready.output)
        probe_output(program);
    bool was_ready = program->is_ready;
    program->is_ready = false;
    timer_stop(&program->timer);
    probe_close(&program->probe);
    if (program_is_awaited(program, PROGRAM_READY)) {
        program_tell(program, PROGRAM_READY, end_words(program));
    } else if (!program_was_ended(program) && was_ready && !program->spec->optional &&
               scenario->phase < PHASE_STOPPING) {
        scenario_fail(
            scenario, program->spec->place,
            arena_printf(scenario->arena, STR_FMT " stayed alive", STR_ARG(program->spec->name)),
            STR_FMT, STR_ARG(end_words(program)));
    }
    program_tell(program, PROGRAM_ENDED, (struct str){0});
    if (program_is_awaited(program, PROGRAM_RESTARTED))
        program_begin(program);
    scenario_look(scenario);
    scenario_program_changed(scenario);
}

void program_init(struct program *program, struct scenario *scenario,
                  const struct program_spec *spec)
{
    *program = (struct program){.scenario = scenario, .spec = spec};
    probe_init(&program->probe);
    program->port = scenario_find_port(scenario, spec->name);
    timer_init(&program->timer, scenario->loop, program_look);
}

/** Reads the program with the variables of this moment. */
static const struct program_spec *program_read_now(struct program *program, struct str *why)
{
    struct scenario *scenario = program->scenario;
    struct program_spec *spec = arena_alloc(scenario->arena, sizeof *spec);
    struct spec_scope scope;
    struct read_fault fault;
    scenario_scope(scenario, NULL, &scope);
    if (scenario_read(&scope, scenario->arena, &program_type, program->spec->node, spec, &fault))
        return spec;
    *why = fault.why;
    return NULL;
}

/** Looks from now on whether it is ready. */
static void program_look_on(struct program *program)
{
    program->deadline_ns = clock_now() + program->ready.within_ns;
    program->seen = journal_last(program->scenario->journal);
}

/** Starts it for all who wait for that, unless one of those who were told has done so. */
static void program_begin(struct program *program)
{
    static const struct running_handler handler = {program_started, program_ended};
    struct scenario *scenario = program->scenario;
    struct str why = {0};
    for (struct program_waiter *waiter = program->waiters; waiter; waiter = waiter->next) {
        if (waiter->wish == PROGRAM_RESTARTED)
            waiter->wish = PROGRAM_READY;
    }
    if (program->running && !program->running->ended)
        return;
    const struct program_spec *spec = program_read_now(program, &why);
    if (!spec) {
        program_tell(program, PROGRAM_READY, why);
        return;
    }
    program->ready = spec->ready
                         ? *spec->ready
                         : (struct program_ready){.port = true, .within_ns = INT64_C(5000000000)};
    program->is_ready = false;
    program->stopped_by_action = false;
    program->signalled = 0;
    program_look_on(program);
    scenario_port_release(program->port);
    program->running =
        running_start(scenario, program->spec->name, spec->run, &handler, program, &why);
    if (!program->running)
        program_tell(program, PROGRAM_READY, why);
}

void program_start(struct program *program, void (*told)(void *context, struct str why),
                   void *context)
{
    bool lives = program->running && !program->running->ended;
    if (lives && program_is_ending(program)) {
        program_await(program, PROGRAM_RESTARTED, told, context);
    } else if (lives && program->is_ready) {
        told(context, (struct str){0});
    } else {
        bool looking = program_is_awaited(program, PROGRAM_READY);
        program_await(program, PROGRAM_READY, told, context);
        if (!lives) {
            program_begin(program);
        } else if (!looking) {
            /* it was not ready in time before, and is given as much time again */
            program_look_on(program);
            timer_start(&program->timer, 0);
        }
    }
}

void program_stop(struct program *program, void (*told)(void *context, struct str why),
                  void *context)
{
    program->stopped_by_action = true;
    program_tell(program, PROGRAM_RESTARTED, STR("it was stopped before it was started anew"));
    if (!program->running || program->running->ended) {
        told(context, (struct str){0});
        return;
    }
    program_await(program, PROGRAM_ENDED, told, context);
    running_stop(program->running);
}

void program_clear(struct program *program)
{
    timer_stop(&program->timer);
    probe_close(&program->probe);
    program->waiters = NULL;
}
