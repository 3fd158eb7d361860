#include "runner/scenario/scenario_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/client/grpc.h"
#include "server/port/port.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void scenario_settle(struct scenario *scenario);
static void scenario_end(struct scenario *scenario);
static void scenario_finally(struct scenario *scenario);
static void scenario_stop(struct scenario *scenario);

/* What the rest of the runner asks */

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
    return scenario->seed;
}

struct loop *scenario_loop(const struct scenario *scenario)
{
    return scenario->loop;
}

struct http_client *scenario_http_client(struct scenario *scenario)
{
    if (!scenario->http)
        scenario->http = http_client_new(scenario->loop);
    return scenario->http;
}

struct grpc_reflected **scenario_grpc_reflected(struct scenario *scenario)
{
    return &scenario->reflected;
}

static struct running *find_running(const struct scenario *scenario, struct str name)
{
    struct running *running = scenario->running;
    while (running && !str_equal(running->name, name))
        running = running->next;
    return running;
}

struct process *scenario_process(const struct scenario *scenario, struct str name)
{
    struct running *running = find_running(scenario, name);
    return running ? running->process : NULL;
}

static struct client *find_client(const struct scenario *scenario, struct str name)
{
    for (size_t i = 0; i < scenario->client_count; i++) {
        if (str_equal(scenario->clients[i].spec->name, name))
            return &scenario->clients[i];
    }
    return NULL;
}

bool scenario_client_ended(const struct scenario *scenario, struct str name)
{
    const struct client *client = find_client(scenario, name);
    return !client || client->state == CLIENT_ENDED;
}

static bool client_step_possible(const struct client *client, struct str name)
{
    if (client->state == CLIENT_ENDED)
        return false;
    for (size_t i = client->at; i < client->spec->count; i++) {
        if (str_equal(client->spec->titles[i], name) && !client->steps_ended[i])
            return true;
    }
    return false;
}

bool scenario_step_possible(const struct scenario *scenario, struct str name)
{
    for (size_t i = 0; i < scenario->client_count; i++) {
        if (client_step_possible(&scenario->clients[i], name))
            return true;
    }
    return scenario->finally && client_step_possible(scenario->finally, name);
}

static bool client_waits(const struct scenario *scenario, const struct client *client)
{
    for (const struct wait *wait = scenario->waits; wait; wait = wait->next) {
        if (wait->attempt->client == client)
            return true;
    }
    return false;
}

static bool any_program_lives(const struct scenario *scenario)
{
    for (const struct running *running = scenario->running; running; running = running->next) {
        if (!running->ended)
            return true;
    }
    return false;
}

bool scenario_traffic_possible(const struct scenario *scenario)
{
    if (any_program_lives(scenario) || scenario->jobs)
        return true;
    for (size_t i = 0; i < scenario->client_count; i++) {
        const struct client *client = &scenario->clients[i];
        if (client->state == CLIENT_RUNNING && !client_waits(scenario, client))
            return true;
    }
    /* one that waits for a condition waits for the others here */
    for (size_t i = 0; i < scenario->event_count; i++) {
        if (scenario->events[i].pending)
            return true;
    }
    return server_is_busy(&scenario->server);
}

bool scenario_output_possible(const struct scenario *scenario, struct str name)
{
    const struct running *running = find_running(scenario, name);
    if (running && !running->ended)
        return true;
    if (scenario_find_program(scenario, name) || !running) {
        /* it may be started (again) by whoever still runs */
        return scenario_traffic_possible(scenario);
    }
    return false;
}

void scenario_harness_failed(struct scenario *scenario)
{
    scenario->harness_failed = true;
}

void scenario_read_rest(struct scenario *scenario)
{
    enum { MOST_TURNS = 10000 };
    for (int turn = 0; turn < MOST_TURNS; turn++) {
        bool more = server_read_rest(&scenario->server);
        for (struct running *running = scenario->running; running; running = running->next) {
            if (running->process)
                more |= process_read_rest(running->process);
        }
        if (!more)
            return;
    }
}

/* Making one */

static struct str absolute_folder(struct arena *arena, struct str path)
{
    const char *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;
    struct str folder = slash ? str_slice(path, 0, (size_t)(slash - path.data) + 1) : STR(".");
    char *absolute = realpath(arena_copy(arena, folder).data, NULL);
    struct str result = absolute ? arena_copy(arena, str_of(absolute)) : STR(".");
    free(absolute);
    return result;
}

static void scenario_timed_out(struct timer *timer);

/** Checks stand in the order of the spec: clients, verify, finally; those of broken rules come
 * behind. */
static void scenario_make_checks(struct scenario *scenario)
{
    const struct scenario_spec *spec = scenario->spec;
    const struct verify_item *items = spec->verify.items;
    scenario->client_count = spec->client_count;
    scenario->clients =
        arena_alloc_array(scenario->arena, spec->client_count, sizeof *scenario->clients);
    for (size_t i = 0; i < spec->client_count; i++)
        client_init(&scenario->clients[i], scenario, &spec->clients[i]);
    scenario->verify_checks =
        arena_alloc_array(scenario->arena, spec->verify.count, sizeof(struct check *));
    for (size_t i = 0; i < spec->verify.count; i++)
        scenario->verify_checks[i] =
            checks_add(&scenario->checks, spec->verify_titles[i], items[i].place);
    if (spec->finally) {
        scenario->finally = arena_alloc(scenario->arena, sizeof *scenario->finally);
        client_init(scenario->finally, scenario, spec->finally);
    }
}

struct scenario *scenario_new(const struct scenario_spec *spec, const struct run_options *options,
                              struct loop *loop,
                              void (*done)(void *context, struct scenario *scenario), void *context)
{
    struct scenario *scenario = memory_alloc(sizeof *scenario);
    *scenario = (struct scenario){
        .spec = spec, .options = options, .loop = loop, .done = done, .context = context};
    scenario->arena = arena_new();
    scenario->journal = journal_new(0, 0);
    scenario->seed = options->has_seed || !spec->has_seed ? options->seed : spec->seed;
    scenario->checks.arena = scenario->arena;
    scenario->folder = absolute_folder(scenario->arena, spec->file->source.name);
    server_init(&scenario->server, loop, scenario->journal, scenario->seed);
    scenario->server.captures = scenario->spec->asks_bytes;
    scenario->server.program = scenario_program_endpoint;
    timer_init(&scenario->timeout, loop, scenario_timed_out);
    timer_init(&scenario->doubt, loop, waits_doubt);
    scenario_make_checks(scenario);
    return scenario;
}

/* Running */

static void scenario_run(struct scenario *scenario)
{
    scenario->phase = PHASE_RUNNING;
    scenario->ran = true;
    journal_start(scenario->journal, clock_now());
    timeline_start(scenario);
    for (size_t i = 0; i < scenario->client_count; i++)
        client_start(&scenario->clients[i]);
}

static void scenario_start_next_program(struct scenario *scenario);

static void program_is_ready(void *context, struct str why)
{
    struct scenario *scenario = context;
    struct program *program = &scenario->programs[scenario->programs_started];
    if (scenario->phase != PHASE_STARTING)
        return;
    if (why.size) {
        scenario_fail(
            scenario, program->spec->place,
            arena_printf(scenario->arena, STR_FMT " became ready", STR_ARG(program->spec->name)),
            STR_FMT, STR_ARG(why));
        scenario_finally(scenario);
        return;
    }
    scenario->programs_started++;
    scenario_start_next_program(scenario);
}

/** One after the other, in the order written: a later one may need an earlier one. */
static void scenario_start_next_program(struct scenario *scenario)
{
    if (scenario->programs_started == scenario->program_count) {
        scenario_run(scenario);
        return;
    }
    program_start(&scenario->programs[scenario->programs_started], program_is_ready, scenario);
}

void scenario_start(struct scenario *scenario)
{
    const struct scenario_spec *spec = scenario->spec;
    int64_t timeout_ns =
        scenario->options->timeout_ns ? scenario->options->timeout_ns : spec->timeout_ns;
    scenario->started_wall_ns = clock_wall();
    scenario->started_ns = clock_now();
    scenario->phase = PHASE_STARTING;
    timer_start(&scenario->timeout, timeout_ns);
    if (scenario_open_ports(scenario) != 0) {
        scenario_stop(scenario);
        return;
    }
    const struct program_spec *programs = spec->programs.items;
    scenario->program_count = spec->programs.count;
    scenario->programs =
        arena_alloc_array(scenario->arena, spec->programs.count, sizeof *scenario->programs);
    for (size_t i = 0; i < spec->programs.count; i++)
        program_init(&scenario->programs[i], scenario, &programs[i]);
    timeline_init(scenario);
    scenario_start_next_program(scenario);
}

static bool all_clients_ended(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->client_count; i++) {
        if (scenario->clients[i].state != CLIENT_ENDED)
            return false;
    }
    return true;
}

void scenario_client_done(struct scenario *scenario, struct client *client)
{
    if (client == scenario->finally) {
        if (scenario->phase == PHASE_FINALLY)
            scenario_end(scenario);
        return;
    }
    if (scenario->phase != PHASE_RUNNING || !all_clients_ended(scenario))
        return;
    timeline_close(scenario);
    scenario_firing_done(scenario);
}

/** An event that came before the clients ended is done whole. */
void scenario_firing_done(struct scenario *scenario)
{
    if (scenario->phase == PHASE_RUNNING && scenario->timeline_closed && !timeline_acting(scenario))
        scenario_settle(scenario);
}

static void check_skip_reasons(struct scenario *scenario, const char *reason)
{
    for (size_t i = 0; i < scenario->checks.count; i++) {
        struct check *check = scenario->checks.items[i];
        if (!check->ran && !check->reason.size)
            check->reason = str_of(reason);
    }
}

static void judge_verify(struct scenario *scenario)
{
    struct spec_scope scope;
    for (size_t i = 0; i < scenario->spec->verify.count; i++) {
        struct check *check = scenario->verify_checks[i];
        struct verify_item item = {0};
        struct read_fault fault;
        const struct node *node = node_get(scenario->spec->node, "verify")->items[i];
        scenario_scope(scenario, scenario->client_count ? &scenario->clients[0] : NULL, &scope);
        check->failures = (struct failures){.arena = scenario->arena};
        check->start_ns = journal_now(scenario->journal);
        check->ran = true;
        if (scenario_read(&scope, scenario->arena, &verify_type, node, &item, &fault))
            verify_judge(&item, scenario, &check->failures);
        else
            failures_say(&check->failures, fault.place, NULL, STR_FMT, STR_ARG(fault.why));
        check->end_ns = journal_now(scenario->journal);
        check->verdict = check->failures.count ? VERDICT_FAIL : VERDICT_PASS;
        if (check->failures.count && item.optional) {
            check->verdict = VERDICT_SKIP;
            check->reason = STR("optional, and it did not hold");
        }
        struct entry entry =
            journal_entry(ENTRY_CHECK, journal_intern(scenario->journal, check->name));
        entry.flags = check->failures.count ? ENTRY_FAILED : ENTRY_PASSED;
        journal_append(scenario->journal, &entry,
                       check->failures.count
                           ? failure_line(&check->failures.items[0], scenario->arena)
                           : (struct str){0});
    }
}

/** Everything that was to be run has ended: only now can it be said what never happened. */
static void scenario_end(struct scenario *scenario)
{
    scenario_read_rest(scenario);
    /* what was cut short would only repeat that it was */
    if (scenario->ran && !scenario->timed_out && !scenario->interrupted)
        scenario_judge_rules(scenario);
    scenario_stop(scenario);
}

static void scenario_finally(struct scenario *scenario)
{
    if (!scenario->finally) {
        scenario_end(scenario);
        return;
    }
    scenario->phase = PHASE_FINALLY;
    client_start(scenario->finally);
}

static void scenario_settled(struct timer *timer)
{
    struct scenario *scenario = CONTAINER_OF(timer, struct scenario, settle);
    scenario_read_rest(scenario);
    if (!scenario->timed_out && !scenario->interrupted)
        judge_verify(scenario);
    timeline_stop(scenario);
    scenario_finally(scenario);
}

/** All clients have ended: what the kernel still holds is read, then verify. */
static void scenario_settle(struct scenario *scenario)
{
    scenario->phase = PHASE_SETTLING;
    timer_init(&scenario->settle, scenario->loop, scenario_settled);
    timer_start(&scenario->settle, 0);
}

/** Who was waiting for what. */
static void describe_waiting(const struct scenario *scenario, struct buf *text)
{
    for (size_t i = 0; i < scenario->client_count; i++) {
        if (scenario->clients[i].state != CLIENT_RUNNING)
            continue;
        buf_append_string(text, text->size ? "; " : "");
        client_describe(&scenario->clients[i], text);
    }
    if (scenario->phase == PHASE_STARTING && scenario->programs_started < scenario->program_count)
        buf_printf(text, "the program " STR_FMT " was not ready yet",
                   STR_ARG(scenario->programs[scenario->programs_started].spec->name));
    if (scenario->phase == PHASE_FINALLY && scenario->finally)
        client_describe(scenario->finally, text);
    scenario_describe_scripts(scenario, text);
    const struct event *event = timeline_acting(scenario);
    if (!text->size && event)
        buf_printf(text, "the actions of the event " STR_FMT " were not done yet",
                   STR_ARG(event->name));
}

static void cancel_clients(struct scenario *scenario, const char *reason)
{
    for (size_t i = 0; i < scenario->client_count; i++) {
        if (scenario->clients[i].state != CLIENT_ENDED)
            client_cancel(&scenario->clients[i], reason);
    }
    check_skip_reasons(scenario, reason);
}

static int64_t scenario_timeout(const struct scenario *scenario)
{
    const struct run_options *options = scenario->options;
    return options->timeout_ns ? options->timeout_ns : scenario->spec->timeout_ns;
}

static void scenario_timed_out(struct timer *timer)
{
    struct scenario *scenario = CONTAINER_OF(timer, struct scenario, timeout);
    int64_t timeout_ns = scenario_timeout(scenario);
    struct buf text;
    struct buf name;
    buf_init(&text, BUF_OWN);
    buf_init(&name, BUF_OWN);
    buf_append_string(&name, "ended within ");
    units_write_time(timeout_ns, &name);
    describe_waiting(scenario, &text);
    struct check *check =
        scenario_fail(scenario, scenario->spec->place, arena_copy(scenario->arena, buf_str(&name)),
                      "the scenario's timeout ran out");
    check->failures.items[0].note = arena_copy(scenario->arena, buf_str(&text));
    check->start_ns = 0;
    buf_clear(&text);
    buf_clear(&name);
    bool in_finally = scenario->phase == PHASE_FINALLY;
    scenario->timed_out = true;
    if (scenario->phase >= PHASE_STOPPING)
        return;
    timer_stop(&scenario->settle);
    cancel_clients(scenario, "not reached: the scenario's timeout ran out before");
    if (scenario->finally && in_finally)
        client_cancel(scenario->finally, "");
    timeline_stop(scenario);
    if (in_finally) {
        scenario_stop(scenario);
        return;
    }
    /* `finally` runs also now, with as much time again */
    timer_start(&scenario->timeout, timeout_ns);
    scenario_finally(scenario);
}

void scenario_interrupt(struct scenario *scenario)
{
    bool in_finally = scenario->phase == PHASE_FINALLY;
    if (scenario->phase >= PHASE_STOPPING || (scenario->interrupted && !in_finally))
        return;
    if (in_finally && !scenario->interrupted) {
        /* it is what an interruption would lead to */
        scenario->interrupted = true;
        return;
    }
    scenario->interrupted = true;
    timer_stop(&scenario->settle);
    cancel_clients(scenario, "interrupted");
    if (in_finally)
        client_cancel(scenario->finally, "");
    timeline_stop(scenario);
    if (in_finally) {
        scenario_stop(scenario);
        return;
    }
    timer_start(&scenario->timeout, scenario_timeout(scenario));
    scenario_finally(scenario);
}

/* Stopping */

static void scenario_gone(struct timer *timer)
{
    struct scenario *scenario = CONTAINER_OF(timer, struct scenario, settle);
    for (struct running *running = scenario->running; running; running = running->next) {
        if (!running->ended)
            return;
    }
    if (scenario->server.streams > 0)
        return;
    scenario->phase = PHASE_DONE;
    scenario->duration_ns = clock_now() - scenario->started_ns;
    for (struct running *running = scenario->running; running; running = running->next)
        running_free(running);
    check_skip_reasons(scenario, "not reached");
    scenario->done(scenario->context, scenario);
}

/** Looks again, from the loop, whether everything has gone. */
static void scenario_look_gone(struct scenario *scenario)
{
    if (scenario->phase == PHASE_STOPPING)
        timer_start(&scenario->settle, 0);
}

void scenario_program_changed(struct scenario *scenario)
{
    scenario_look_gone(scenario);
}

static void server_is_gone(struct server *server)
{
    scenario_look_gone(CONTAINER_OF(server, struct scenario, server));
}

static void running_is_gone(void *context, struct running *running)
{
    (void)running;
    scenario_look_gone(context);
}

static void scenario_stop(struct scenario *scenario)
{
    scenario->phase = PHASE_STOPPING;
    timer_stop(&scenario->timeout);
    timer_stop(&scenario->doubt);
    for (size_t i = 0; i < scenario->program_count; i++)
        program_clear(&scenario->programs[i]);
    for (struct running *running = scenario->running; running; running = running->next) {
        running->handler = (struct running_handler){NULL, running_is_gone};
        running->context = scenario;
        running_stop(running);
    }
    scenario->server.gone = server_is_gone;
    scenario_close_ports(scenario);
    server_close_all(&scenario->server);
    timer_init(&scenario->settle, scenario->loop, scenario_gone);
    timer_start(&scenario->settle, 0);
}

/* The result */

void scenario_result(const struct scenario *scenario, struct result *result)
{
    const struct scenario_spec *spec = scenario->spec;
    *result = (struct result){
        .file = spec->file->source.name,
        .name = spec->name,
        .place = spec->place,
        .index = spec->index,
        .seed = scenario->seed,
        .interrupted = scenario->interrupted,
        .reason = scenario->interrupted ? STR("interrupted") : (struct str){0},
        .harness_failed = scenario->harness_failed,
        .wall_ns = scenario->started_wall_ns,
        .duration_ns = scenario->duration_ns,
        .checks = &scenario->checks,
        .journal = scenario->journal,
        .tmp = scenario->options->keep_tmp ? scenario->tmp : (struct str){0},
    };
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void scenario_free(struct scenario *scenario)
{
    if (!scenario)
        return;
    for (size_t i = 0; i < scenario->client_count; i++)
        client_clear(&scenario->clients[i]);
    if (scenario->finally)
        client_clear(scenario->finally);
    for (size_t i = 0; i < scenario->port_count; i++)
        upstream_free(scenario->ports[i].upstream);
    server_clear(&scenario->server);
    http_client_free(scenario->http);
    grpc_reflected_free(scenario->reflected);
    scenario_free_jobs(scenario);
    if (scenario->tmp.size && !scenario->options->keep_tmp)
        nftw(scenario->tmp.data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    journal_free(scenario->journal);
    arena_free(scenario->arena);
    memory_free(scenario);
}

void scenario_skipped_checks(const struct scenario_spec *spec, struct checks *checks,
                             struct str reason)
{
    const struct verify_item *items = spec->verify.items;
    for (size_t c = 0; c <= spec->client_count; c++) {
        const struct client_spec *client =
            c < spec->client_count ? &spec->clients[c] : spec->finally;
        for (size_t i = 0; client && i < client->count; i++) {
            if (step_makes_check(&client->read[i]))
                checks_add(checks, client->titles[i], client->steps[i]->place)->reason = reason;
        }
        for (size_t i = 0; c + 1 == spec->client_count && i < spec->verify.count; i++)
            checks_add(checks, spec->verify_titles[i], items[i].place)->reason = reason;
    }
}
