#include "runner/client/run.h"

#include "base/clock.h"
#include "runner/check/error.h"
#include "runner/scenario/running.h"

#include <errno.h>

/* run: a list, or {command | shell, env, cwd, stdin, timeout, background} */

/** What the system takes ends at a NUL, so none may stand within. */
static enum read_result word_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    (void)type;
    enum read_result result = type_text.read(reader, &type_text, node, into);
    if (result != READ_OK || str_find_byte(*(const struct str *)into, '\0') < 0)
        return result;
    diagnostics_add(reader->diagnostics, node->place, "a NUL cannot stand here");
    return READ_FAILED;
}

static struct json *word_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_text);
}

static const struct type word_type = {
    .name = "a text", .size = sizeof(struct str), .read = word_read, .schema = word_schema};

static const struct type command_type = TYPE_LIST(&word_type);

/** A value of `env`: text, or null which takes the variable away. */
static enum read_result env_value_read(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    if (node->kind == NODE_NULL)
        return READ_OK;
    return word_read(reader, type, node, into);
}

static struct json *env_value_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": [\"string\", \"number\", \"boolean\", \"null\"]}");
}

static const struct type env_value_type = {
    .name = "a text, or null to take it away",
    .size = sizeof(struct str),
    .read = env_value_read,
    .schema = env_value_schema,
};
static const struct type env_type = TYPE_MAP(&env_value_type);

static const struct row run_rows[] = {
    {"command", &command_type, offsetof(struct run_request, command), 0, NULL,
     "The program and its arguments; a relative path is taken from the working directory."},
    {"shell", &word_type, offsetof(struct run_request, shell), 0, NULL, "A text for /bin/sh -c."},
    {"env", &env_type, offsetof(struct run_request, env), 0, NULL,
     "Added to the environment; null takes a variable away."},
    {"cwd", &word_type, offsetof(struct run_request, cwd), 0, "the spec's folder",
     "Its working directory."},
    {"stdin", &type_text, offsetof(struct run_request, input), 0, "nothing", "Its standard input."},
    {"timeout", &type_time_positive, offsetof(struct run_request, timeout_ns), 0, "none",
     "After this TERM is sent to its group, then KILL, and the step fails."},
    {"background", &type_bool, offsetof(struct run_request, background), 0, "false",
     "The client goes on; it must be alive when the client ends, and is then stopped."},
};

static enum read_result env_check(struct reader *reader, const struct list *env)
{
    const struct map_entry *entries = env->items;
    enum read_result result = READ_OK;
    for (size_t i = 0; i < env->count; i++) {
        struct str name = entries[i].name;
        if (name.size && str_find_byte(name, '=') < 0 && str_find_byte(name, '\0') < 0)
            continue;
        diagnostics_add(reader->diagnostics, entries[i].place,
                        "'" STR_FMT "' is no name of an environment variable",
                        STR_ARG(reader_shown(reader, name)));
        result = READ_FAILED;
    }
    return result;
}

static enum read_result run_check(struct reader *reader, const struct node *node, void *into)
{
    const struct run_request *request = into;
    if (env_check(reader, &request->env) != READ_OK)
        return READ_FAILED;
    if ((request->command.count != 0) + (request->shell.data != NULL) == 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place,
                    "a program needs exactly one of 'command' and 'shell'");
    diagnostics_help(reader->diagnostics,
                     "write run: [./program, argument], or run: {shell: \"text for a shell\"}");
    return READ_FAILED;
}

static const struct table run_table = {
    TABLE_ROWS("run", run_rows),
    .doc = "A program of the user's: a list of command and arguments, or a mapping.",
    .shorthand = "command",
    .check = run_check,
};
static const struct type run_table_type = TYPE_TABLE(&run_table, struct run_request);

static enum read_result run_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct run_request *request = into;
    (void)type;
    request->place = node->place;
    if (node->kind == NODE_STRING) {
        diagnostics_add(reader->diagnostics, node->place,
                        "a program is a list of command and arguments, found a string");
        diagnostics_help(reader->diagnostics,
                         "write run: [./program, argument], or run: {shell: \"text for a shell\"}");
        return READ_FAILED;
    }
    /* `background` decides how the step is treated, so it is read also when other parts are known
     * only later */
    return reader_read(reader, &run_table_type, node, request);
}

static struct json *run_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &run_table_type);
}

const struct type run_type = {
    .raw = true,
    .name = "a program such as [./client, --fast]",
    .size = sizeof(struct run_request),
    .read = run_read,
    .schema = run_schema,
    .of = &run_table_type,
};

/* expect */

static const struct row output_rows[] = {
    {NULL, &body_type, offsetof(struct output_check, body), ROW_INCLUDE, NULL, NULL},
};
static const struct table output_table = {
    TABLE_ROWS("output", output_rows),
    .doc = "An output as a whole: a predicate, or the keys of a body.",
};
static const struct type output_table_type = TYPE_TABLE(&output_table, struct output_check);

static bool is_body_key(struct str key)
{
    for (size_t i = 0; i < body_table.count; i++) {
        if (body_table.rows[i].key && str_is(key, body_table.rows[i].key))
            return true;
    }
    return false;
}

/** The pairs of a mapping whose keys are (not) those of a body, as a mapping; NULL if there are
 * none. */
static const struct node *output_part(struct reader *reader, const struct node *map, bool body)
{
    struct node *part = arena_alloc(reader->arena, sizeof *part);
    *part = *map;
    part->count = 0;
    part->pairs = arena_alloc_array(reader->arena, map->count, sizeof *part->pairs);
    for (size_t i = 0; i < map->count; i++) {
        if (is_body_key(map->pairs[i].key->text) == body)
            part->pairs[part->count++] = map->pairs[i];
    }
    return part->count ? part : NULL;
}

/** Keys of a body are checks of the whole; everything else is a predicate on the text. */
static enum read_result output_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct output_check *check = into;
    enum read_result result = READ_OK;
    (void)type;
    if (node->kind != NODE_MAP || node->count == 0)
        return reader_read(reader, &type_predicate_output, node, &check->text);
    const struct node *body = output_part(reader, node, true);
    const struct node *text = output_part(reader, node, false);
    if (body)
        result = reader_read(reader, &output_table_type, body, check);
    if (text)
        result =
            read_worse(result, reader_read(reader, &type_predicate_output, text, &check->text));
    return result;
}

static struct json *output_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &type_predicate_output),
                         schema_of(writer, &output_table_type));
}

static const struct type output_type = {
    .raw = true,
    .name = "a text, a predicate, or the keys of a body",
    .size = sizeof(struct output_check),
    .read = output_read,
    .schema = output_schema,
    .of = &output_table_type,
};
static const struct type output_pointer = TYPE_POINTER(&output_type);

static const char *const run_errors[] = {"exec", "timeout", "any", NULL};
static const struct type error_type = TYPE_PREDICATE_CHOICE(run_errors);
static const struct type ended_by_type = TYPE_PREDICATE_CHOICE(signal_names);

static const struct row expect_rows[] = {
    {"exit", &type_predicate_number, offsetof(struct run_expect, exit), 0, "0", "Its exit code."},
    {"signal", &ended_by_type, offsetof(struct run_expect, signal), 0, NULL,
     "The signal that ended it: TERM."},
    {"stdout", &output_pointer, offsetof(struct run_expect, standard_output), 0, NULL,
     "What it wrote to standard output."},
    {"stderr", &output_pointer, offsetof(struct run_expect, standard_error), 0, NULL,
     "What it wrote to standard error."},
    {"duration", &type_predicate_duration, offsetof(struct run_expect, duration), 0, NULL,
     "How long it ran."},
    {"error", &error_type, offsetof(struct run_expect, error), 0, NULL,
     "It cannot be started (exec), or its time ran out (timeout)."},
};
static const struct table expect_table = {
    TABLE_ROWS("expect of run", expect_rows),
    .doc = "What must hold of a program; without exit, signal or error it must exit 0.",
};
const struct type run_expect_type = TYPE_TABLE(&expect_table, struct run_expect);

struct str run_command_line(struct arena *arena, const struct run_request *request)
{
    if (request->shell.data)
        return request->shell;
    struct str line = {0};
    const struct str *parts = request->command.items;
    for (size_t i = 0; i < request->command.count; i++)
        line = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(line), i ? " " : "",
                            STR_ARG(parts[i]));
    return line;
}

/* Judging */

struct judging {
    struct failures *failures;
    const char *subject;
};

static void output_failed(void *context, struct str subject, const struct mismatch *mismatch)
{
    struct judging *judging = context;
    struct str full =
        arena_printf(judging->failures->arena, "%s " STR_FMT, judging->subject, STR_ARG(subject));
    failures_add(judging->failures, full, mismatch);
}

static void output_judge(const struct output_check *check, const char *subject, struct str text,
                         uint64_t total, struct failures *failures)
{
    struct judging judging = {failures, subject};
    if (!check)
        return;
    if (total > text.size) {
        struct place place = check->text ? predicate_place(check->text) : check->body.json_place;
        failures_say(failures, place, subject,
                     "it wrote %llu bytes; only the first %zu are kept, so it cannot be judged",
                     (unsigned long long)total, text.size);
        return;
    }
    if (check->text)
        failures_test(failures, check->text, subject, json_string(failures->arena, text));
    if (body_check_is_empty(&check->body))
        return;
    /* a failure shows JSON that refers to the text, when the process is long gone */
    text = arena_copy(failures->arena, text);
    body_check_test(&check->body, text, failures->arena, output_failed, &judging);
}

/** How it ended, in words. */
static struct str end_words(const struct process_end *end, struct str why, bool timed_out,
                            struct arena *arena)
{
    if (end->error)
        return arena_printf(arena, "it could not be started: " STR_FMT, STR_ARG(why));
    if (timed_out)
        return STR("its timeout ran out");
    if (end->signal)
        return arena_printf(arena, "signal %s", signal_name(end->signal));
    return arena_printf(arena, "exit %d", end->exit_code);
}

/** The name of what went wrong, NULL: it was started and ended by itself. */
static const char *end_error(const struct process_end *end, bool timed_out)
{
    return end->error ? "exec" : timed_out ? "timeout" : NULL;
}

/** With `error` given: it has to go wrong so. */
static void judge_error(const struct predicate *predicate, const char *error, struct str words,
                        struct failures *failures)
{
    struct arena *arena = failures->arena;
    struct mismatch mismatch = {0};
    const struct json *value =
        error ? json_string(arena, error_spoken(predicate, str_of(error))) : NULL;
    if (predicate_test(predicate, value, arena, &mismatch))
        return;
    if (error)
        failures_add(failures, STR("error"), &mismatch);
    else
        failures_say(failures, mismatch.place, "error", "expected it to fail, but: " STR_FMT,
                     STR_ARG(words));
}

static void judge_end(const struct run_expect *expect, const struct process_end *end,
                      struct str why, bool timed_out, struct place verb_place,
                      struct failures *failures)
{
    struct arena *arena = failures->arena;
    struct str words = end_words(end, why, timed_out, arena);
    const char *error = end_error(end, timed_out);
    bool harness = end->error == EOWNERDEAD;
    bool known = expect && (expect->exit || expect->signal || error);
    if (harness || (error && !(expect && expect->error))) {
        failures_say(failures, verb_place, "run", STR_FMT, STR_ARG(words));
        return;
    }
    if (expect && expect->error)
        judge_error(expect->error, error, words, failures);
    if (expect && expect->signal)
        failures_test(failures, expect->signal, "signal",
                      end->signal ? json_string(arena, str_of(signal_name(end->signal))) : NULL);
    if (expect && expect->exit)
        failures_test(failures, expect->exit, "exit",
                      end->signal || end->error ? NULL : json_integer(arena, end->exit_code));
    if (!known && (end->signal || end->exit_code != 0))
        failures_say(failures, verb_place, "exit", "expected exit 0, got " STR_FMT, STR_ARG(words));
}

void run_judge(const struct run_expect *expect, const struct process *process,
               const struct process_end *end, struct str why, int64_t duration_ns, bool timed_out,
               struct place verb_place, struct failures *failures)
{
    uint64_t total = 0;
    judge_end(expect, end, why, timed_out, verb_place, failures);
    if (!expect)
        return;
    struct str output = process_stdout(process, &total);
    output_judge(expect->standard_output, "stdout", output, total, failures);
    struct str errors = process_stderr(process, &total);
    output_judge(expect->standard_error, "stderr", errors, total, failures);
    failures_test(failures, expect->duration, "duration",
                  json_integer(failures->arena, duration_ns));
}

/* The verb */

struct run_state {
    struct attempt *attempt;
    struct running *running;
};

static void run_ended(void *context, struct running *running)
{
    struct run_state *state = context;
    struct attempt *attempt = state->attempt;
    running_forget(running);
    /* what it left behind in its group goes too: a step's program is over when the step is */
    running_stop(running);
    run_judge(attempt->expect, running->process, &running->end, running_error(running),
              running->end_ns - running->start_ns, running->timed_out, attempt->verb_place,
              &attempt->failures);
    attempt->outcome =
        end_words(&running->end, running_error(running), running->timed_out, attempt->arena);
    attempt_done(attempt);
}

static void run_background_started(void *context, struct running *running)
{
    struct run_state *state = context;
    (void)running;
    state->attempt->outcome = STR("started");
    client_take_background(state->attempt, state->running);
    attempt_done(state->attempt);
}

static void run_background_failed(void *context, struct running *running)
{
    struct run_state *state = context;
    struct attempt *attempt = state->attempt;
    running_forget(running);
    run_judge(attempt->expect, running->process, &running->end, running_error(running),
              running->end_ns - running->start_ns, running->timed_out, attempt->verb_place,
              &attempt->failures);
    attempt_done(attempt);
}

static void run_verb_start(struct attempt *attempt)
{
    static const struct running_handler foreground = {NULL, run_ended};
    static const struct running_handler background = {run_background_started,
                                                      run_background_failed};
    const struct run_request *request = attempt->value;
    struct run_state *state = arena_alloc(attempt->arena, sizeof *state);
    struct str why = {0};
    attempt->state = state;
    state->attempt = attempt;
    attempt->replay =
        arena_printf(attempt->arena, STR_FMT, STR_ARG(run_command_line(attempt->arena, request)));
    state->running = running_start(attempt->scenario, attempt->name, request,
                                   request->background ? &background : &foreground, state, &why);
    if (!state->running) {
        failures_say(&attempt->failures, attempt->verb_place, "run", STR_FMT, STR_ARG(why));
        attempt_done(attempt);
    }
}

static void run_verb_expire(struct attempt *attempt)
{
    struct run_state *state = attempt->state;
    running_expire(state->running);
}

static void run_verb_cancel(struct attempt *attempt)
{
    struct run_state *state = attempt->state;
    if (!state)
        return;
    if (state->running) {
        running_forget(state->running);
        running_stop(state->running);
    }
}

/** What is read of a source; only whether it can be read matters. */
struct source_read {
    struct jsonpath *jsonpath;
    struct predicate *text;
    const struct node *any;
};

static const struct row source_rows[] = {
    {"stdout", &text_source_type, offsetof(struct source_read, text), 0, NULL,
     "null: the whole output; {matches: \"id=(\\\\d+)\"}: group 1, or the whole match."},
    {"stderr", &text_source_type, offsetof(struct source_read, text), 0, NULL, "The same."},
    {"exit", &type_node, offsetof(struct source_read, any), 0, NULL,
     "The exit code; the value of the key is of no matter."},
    {"jsonpath", &jsonpath_source_type, offsetof(struct source_read, jsonpath), 0, NULL,
     "A path into standard output."},
};
static const struct table source_table = {
    TABLE_ROWS("capture", source_rows),
    .doc = "Where a value of a program is found: exactly one key.",
    .check = capture_check,
};
static const struct type source_type = TYPE_TABLE(&source_table, struct source_read);

static const struct json *run_capture(struct attempt *attempt, const struct node *source,
                                      struct str *why)
{
    struct run_state *state = attempt->state;
    struct arena *arena = attempt->arena;
    uint64_t total;
    const struct node *of_stdout = node_get(source, "stdout");
    const struct node *of_stderr = node_get(source, "stderr");
    const struct node *of_exit = node_get(source, "exit");
    if (!state || !state->running)
        return NULL;
    if (of_exit)
        return json_integer(arena, state->running->end.exit_code);
    const struct node *node = of_stdout   ? of_stdout
                              : of_stderr ? of_stderr
                                          : node_get(source, "jsonpath");
    if (!node) {
        *why = STR("a program gives stdout, stderr, exit, or jsonpath of its stdout");
        return NULL;
    }
    struct str text = of_stderr ? process_stderr(state->running->process, &total)
                                : process_stdout(state->running->process, &total);
    if (!of_stdout && !of_stderr)
        return body_capture(arena, "jsonpath", node, text, why);
    return body_capture(arena, "body", node, text, why);
}

static struct str run_title(struct arena *arena, const struct node *value)
{
    const struct node *command = value->kind == NODE_MAP ? node_get(value, "command") : value;
    const struct node *shell = value->kind == NODE_MAP ? node_get(value, "shell") : NULL;
    struct str title = STR("run");
    if (shell) {
        ptrdiff_t end = str_find_byte(shell->text, '\n');
        return arena_printf(arena, "run " STR_FMT,
                            STR_ARG(str_slice(shell->text, 0, end < 0 ? 60 : (size_t)end)));
    }
    for (size_t i = 0;
         command && command->kind == NODE_LIST && i < command->count && title.size < 60; i++) {
        if (command->items[i]->kind != NODE_LIST && command->items[i]->kind != NODE_MAP)
            title = arena_printf(arena, STR_FMT " " STR_FMT, STR_ARG(title),
                                 STR_ARG(command->items[i]->text));
    }
    return title;
}

static struct str run_waiting(struct attempt *attempt, struct arena *arena)
{
    return arena_printf(arena, "the end of " STR_FMT,
                        STR_ARG(run_command_line(arena, attempt->value)));
}

const struct verb run_verb = {
    .expect = &run_expect_type,
    .implied = true,
    .source = &source_type,
    .start = run_verb_start,
    .expire = run_verb_expire,
    .cancel = run_verb_cancel,
    .capture = run_capture,
    .title = run_title,
    .waiting = run_waiting,
};
