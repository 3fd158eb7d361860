#include "runner/scenario/scenario_private.h"

#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/** One action on its way. */
struct action_job {
    struct action_job *previous;
    struct action_job *next; /**< in the scenario's list */
    struct scenario *scenario;
    struct arena *arena;
    struct action_run run;
    const struct chosen *chosen;
    const struct event *event; /**< NULL: of a step */
    void (*done)(void *context, struct str why, bool harness, struct place place);
    void *context;
    struct place place;
    bool pending;
    bool returned; /**< run() has returned */
};

static void job_unlink(struct action_job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        job->scenario->jobs = job->next;
    if (job->next)
        job->next->previous = job->previous;
}

static void job_free(struct action_job *job)
{
    if (job->run.keep)
        arena_defer(job->scenario->arena, (void (*)(void *))arena_free, job->arena);
    else
        arena_free(job->arena);
    memory_free(job);
}

static void job_finish(struct action_job *job, struct str why)
{
    struct str kept = why.size ? arena_copy(job->scenario->arena, why) : (struct str){0};
    /* off the list first: it is no longer under way for who looks now */
    job_unlink(job);
    if (job->done)
        job->done(job->context, kept, job->run.harness, job->place);
    job_free(job);
}

/** Each target of an action is an entry of its own: `during` looks for the next action on the same
 * one. */
static void job_target(struct action_run *run, struct str target)
{
    struct action_job *job = run->owner;
    struct journal *journal = job->scenario->journal;
    struct entry entry = journal_entry(ENTRY_ACTION, journal_intern(journal, target));
    struct str words = action_title(job->arena, job->chosen);
    entry.extra = job->event ? job->event->name_id : 0;
    journal_append(journal, &entry, words);
}

static void *job_pending(struct action_run *run)
{
    struct action_job *job = run->owner;
    job->pending = true;
    return job;
}

static void job_pending_done(void *token, struct str why)
{
    struct action_job *job = token;
    GOTO_ASSERT(job->pending);
    job->pending = false;
    if (job->returned)
        job_finish(job, why);
    else
        job->run.why = why;
}

void scenario_free_jobs(struct scenario *scenario)
{
    while (scenario->jobs) {
        struct action_job *job = scenario->jobs;
        job_unlink(job);
        job_free(job);
    }
}

void action_job_forget(struct action_job *job)
{
    job->done = NULL;
    job->context = NULL;
}

struct action_job *
scenario_act(struct scenario *scenario, struct spec_scope *scope, const struct chosen *chosen,
             const struct event *event, struct undo **undo,
             void (*done)(void *context, struct str why, bool harness, struct place place),
             void *context)
{
    struct action_job *job = memory_alloc(sizeof *job);
    const struct action_type *type = chosen->member->extra;
    *job = (struct action_job){.scenario = scenario,
                               .arena = arena_new(),
                               .chosen = chosen,
                               .event = event,
                               .done = done,
                               .context = context,
                               .place = chosen->place};
    job->run = (struct action_run){.context = &scenario->server,
                                   .arena = job->arena,
                                   .wants_undo = event && event->spec->for_ns > 0,
                                   .target = job_target,
                                   .pending = job_pending,
                                   .finish = job_pending_done,
                                   .owner = job};
    job->next = scenario->jobs;
    if (job->next)
        job->next->previous = job;
    scenario->jobs = job;
    void *value = arena_alloc(job->arena, chosen->member->type->size);
    struct read_fault fault;
    if (scenario_read(scope, job->arena, chosen->member->type, chosen->node, value, &fault)) {
        type->run(&job->run, value);
    } else {
        job->run.why = fault.why;
        job->place = fault.place;
    }
    if (undo)
        *undo = job->run.undo;
    job->returned = true;
    if (job->pending)
        return job;
    job_finish(job, job->run.why);
    return NULL;
}

static struct scenario *job_scenario(struct action_run *run)
{
    struct action_job *job = run->owner;
    return job->scenario;
}

/* start, stop */

static const enum name_kind program_name = NAME_PROGRAM;
static const struct type program_name_type = TYPE_NAME(&program_name);
static const struct type program_names_type = TYPE_ONE_OR_LIST(&program_name_type);

struct program_action {
    struct list programs;
};

static const struct row program_action_rows[] = {
    {"program", &program_names_type, offsetof(struct program_action, programs), ROW_REQUIRED, NULL,
     "The program, or a list of them."},
};
static const struct table program_action_table = {
    TABLE_ROWS("program action", program_action_rows),
    .doc = "Names a program of `programs`.",
    .shorthand = "program",
};
static const struct type program_action_type =
    TYPE_TABLE(&program_action_table, struct program_action);

/** Waits for several programs: the action is done with the last one. */
struct several {
    struct action_run *run;
    void *token;
    size_t left;
    struct str why;
};

static void several_one_done(void *context, struct str why)
{
    struct several *several = context;
    if (why.size && !several->why.size)
        several->why = why;
    if (--several->left == 0)
        several->run->finish(several->token, several->why);
}

static void program_actions_run(struct action_run *run, const void *value, bool start)
{
    const struct program_action *action = value;
    const struct str *names = action->programs.items;
    struct several *several = arena_alloc(run->arena, sizeof *several);
    *several = (struct several){
        .run = run, .token = run->pending(run), .left = action->programs.count + 1};
    for (size_t i = 0; i < action->programs.count; i++) {
        struct program *program = scenario_find_program(job_scenario(run), names[i]);
        run->target(run, names[i]);
        if (start)
            program_start(program, several_one_done, several);
        else
            program_stop(program, several_one_done, several);
    }
    several_one_done(several, (struct str){0});
}

static void start_run(struct action_run *run, const void *value)
{
    program_actions_run(run, value, true);
}

static void stop_run(struct action_run *run, const void *value)
{
    program_actions_run(run, value, false);
}

static const struct action_type start_action = {.run = start_run};
static const struct action_type stop_action = {.run = stop_run};

/* signal */

static const enum name_kind running_name = NAME_RUNNING;
static const struct type running_name_type = TYPE_NAME(&running_name);

/** A signal by name; read as the number. */
static enum read_result signal_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    int number = node->kind == NODE_STRING ? signal_number(node->text) : 0;
    if (!number)
        return reader_expected(reader, node, type->name);
    *(int *)into = number;
    return READ_OK;
}

static struct json *signal_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\"}");
}

static const struct type signal_type = {
    .name = "a signal such as TERM",
    .size = sizeof(int),
    .read = signal_read,
    .schema = signal_schema,
};

struct signal_action {
    struct str client;
    struct str program;
    int number;
};

static const struct row signal_rows[] = {
    {"program", &running_name_type, offsetof(struct signal_action, program), 0, NULL,
     "The program to be told."},
    {"client", &running_name_type, offsetof(struct signal_action, client), 0, NULL,
     "The client that is a `run`."},
    {"signal", &signal_type, offsetof(struct signal_action, number), 0, "TERM",
     "HUP, INT, TERM, USR1 …"},
};

static void signal_preset(void *into)
{
    ((struct signal_action *)into)->number = SIGTERM;
}

static enum read_result signal_check(struct reader *reader, const struct node *node, void *into)
{
    const struct signal_action *action = into;
    if ((action->client.data != NULL) + (action->program.data != NULL) == 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "a signal goes to one 'client' or 'program'");
    return READ_FAILED;
}

static const struct table signal_table = {
    TABLE_ROWS("signal", signal_rows),
    .doc = "Sends a signal to the process group of a program.",
    .preset = signal_preset,
    .check = signal_check,
};
static const struct type signal_action_type = TYPE_TABLE(&signal_table, struct signal_action);

/** Those that ask a program to end; HUP, USR1 … may end it, too, but only as themselves. */
static bool signal_asks_to_end(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGKILL;
}

static void signal_run(struct action_run *run, const void *value)
{
    const struct signal_action *action = value;
    struct str name = action->program.data ? action->program : action->client;
    struct scenario *scenario = job_scenario(run);
    struct process *process = scenario_process(scenario, name);
    run->target(run, name);
    if (!process || process_signal(process, action->number) != 0) {
        run->why = arena_printf(run->arena, "the signal %s found '" STR_FMT "' %s",
                                signal_name(action->number), STR_ARG(name),
                                process ? "ended" : "never started");
        return;
    }
    struct program *program = scenario_find_program(scenario, name);
    if (!program)
        return;
    program->stopped_by_action = program->stopped_by_action || signal_asks_to_end(action->number);
    program->signalled = action->number;
}

static const struct action_type signal_action = {.run = signal_run};

/* run */

struct run_action_state {
    struct action_run *run;
    void *token;
};

static void run_action_started(void *context, struct running *running)
{
    struct run_action_state *state = context;
    running_forget(running);
    state->run->finish(state->token, (struct str){0});
}

static void run_action_ended(void *context, struct running *running)
{
    struct run_action_state *state = context;
    struct action_run *run = state->run;
    running_forget(running);
    run->finish(state->token, arena_printf(run->arena, "the program could not be started: " STR_FMT,
                                           STR_ARG(running_error(running))));
}

static void run_run(struct action_run *run, const void *value)
{
    static const struct running_handler handler = {run_action_started, run_action_ended};
    struct run_action_state *state = arena_alloc(run->arena, sizeof *state);
    const struct run_request *request = value;
    struct str name = arena_copy(job_scenario(run)->arena, run_command_line(run->arena, request));
    *state = (struct run_action_state){.run = run, .token = run->pending(run)};
    run->target(run, name);
    if (!running_start(job_scenario(run), name, request, &handler, state, &run->why))
        run->finish(state->token, run->why);
}

static const struct action_type run_action = {.run = run_run};

/* set */

static const struct type values_type = TYPE_NAMED_MAP(&type_json);

struct set_action {
    struct list values;
};

static enum read_result set_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct set_action *action = into;
    (void)type;
    if (node->kind != NODE_MAP)
        return reader_expected(reader, node, "a mapping such as {name: value}");
    if (node->count == 0) {
        diagnostics_add(reader->diagnostics, node->place, "an empty 'set' sets nothing");
        return READ_FAILED;
    }
    return reader_read(reader, &values_type, node, &action->values);
}

static struct json *set_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &values_type);
}

static const struct type set_type = {
    .raw = true,
    .name = "a mapping such as {name: value}",
    .size = sizeof(struct set_action),
    .read = set_read,
    .schema = set_schema,
    .of = &values_type,
};

static void set_undo(struct undo *undo)
{
    scenario_unset(undo->target, undo->id);
}

static void set_one(struct action_run *run, struct str name, const struct json *json)
{
    struct scenario *scenario = job_scenario(run);
    uint64_t change = scenario_set(scenario, name, json, run->wants_undo);
    if (run->wants_undo) {
        struct undo *undo = arena_alloc(run->arena, sizeof *undo);
        *undo =
            (struct undo){.next = run->undo, .undo = set_undo, .target = scenario, .id = change};
        run->undo = undo;
        run->keep = true;
    }
    struct entry entry = journal_entry(ENTRY_SET, journal_intern(scenario->journal, name));
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(json, &text);
    journal_append(scenario->journal, &entry, buf_str(&text));
    buf_clear(&text);
}

static void set_run(struct action_run *run, const void *value)
{
    const struct set_action *action = value;
    const struct map_entry *entries = action->values.items;
    for (size_t i = 0; i < action->values.count; i++)
        set_one(run, entries[i].name, *(struct json **)entries[i].value);
}

static const struct action_type set_action = {.run = set_run, .undoable = true};

/* log */

struct log_action {
    struct str text;
};

static void log_run(struct action_run *run, const void *value)
{
    const struct log_action *action = value;
    struct entry entry = journal_entry(ENTRY_LOG, 0);
    journal_append(job_scenario(run)->journal, &entry, action->text);
}

static const struct action_type log_action = {.run = log_run};

const struct member runner_actions[] = {
    {"start", &program_action_type, "Starts a program of `programs` and waits until it is ready.",
     &start_action, 0},
    {"stop", &program_action_type, "Stops a program: TERM, then KILL, the whole group.",
     &stop_action, 0},
    {"signal", &signal_action_type, "Sends a signal to a program or a client that is a `run`.",
     &signal_action, 0},
    {"set", &set_type, "Sets variables for everything that is used from now on.", &set_action, 0},
    {"log", &type_text, "Writes a text into the journal.", &log_action, 0},
    {0},
};

/** `run` is an action of events; as a step it is a verb. */
static const struct member run_actions[] = {
    {"run", &run_type, "Starts a program; it is stopped when the scenario ends.", &run_action, 0},
    {0},
};

static const struct member *const action_groups[] = {server_actions, runner_actions, run_actions,
                                                     NULL};
const struct family action_family = {"action", action_groups};
