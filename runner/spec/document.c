/* The top level of a scenario: its table, and what holds between its keys. */

#include "runner/spec/document.h"

#include "runner/spec/scope.h"

#include <stdlib.h>
#include <unistd.h>

/* skip: true, a reason, or {reason, if: {env | command}, unless: {env | command}} */

struct skip_when {
    struct str env;
    struct str command;
};

struct skip_read {
    struct str reason;
    struct skip_when *skip_if;
    struct skip_when *unless;
};

static const struct row when_rows[] = {
    {"env", &type_text, offsetof(struct skip_when, env), 0, NULL,
     "The environment has this variable, not empty."},
    {"command", &type_text, offsetof(struct skip_when, command), 0, NULL,
     "PATH holds this command."},
};
static const struct table when_table = {
    TABLE_ROWS("skip condition", when_rows),
    .doc = "What must be there; with both keys, both.",
};
static const struct type when_type = TYPE_TABLE(&when_table, struct skip_when);
static const struct type when_pointer = TYPE_POINTER(&when_type);
static const struct row skip_rows[] = {
    {"reason", &type_text, offsetof(struct skip_read, reason), 0, NULL, "Why; shown in reports."},
    {"if", &when_pointer, offsetof(struct skip_read, skip_if), 0, NULL, "Skips if this is there."},
    {"unless", &when_pointer, offsetof(struct skip_read, unless), 0, NULL,
     "Skips unless this is there."},
};
static const struct table skip_table = {
    TABLE_ROWS("skip", skip_rows),
    .doc = "Leaves the scenario out; it is reported as skipped.",
    .shorthand = "reason",
};
static const struct type skip_table_type = TYPE_TABLE(&skip_table, struct skip_read);

static bool command_exists(struct arena *arena, struct str command)
{
    if (str_find_byte(command, '/') >= 0)
        return access(arena_copy(arena, command).data, X_OK) == 0;
    struct str path = str_of(getenv("PATH"));
    while (path.size) {
        ptrdiff_t end = str_find_byte(path, ':');
        struct str folder = end < 0 ? path : str_slice(path, 0, (size_t)end);
        path = end < 0 ? (struct str){0} : str_from(path, (size_t)end + 1);
        struct str file =
            arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(command));
        if (access(file.data, X_OK) == 0)
            return true;
    }
    return false;
}

static bool skip_holds(struct arena *arena, const struct skip_when *when)
{
    if (when->env.data) {
        const char *value = getenv(arena_copy(arena, when->env).data);
        if (!value || !*value)
            return false;
    }
    return !when->command.data || command_exists(arena, when->command);
}

static struct str skip_words(struct arena *arena, const struct skip_when *when, const char *there)
{
    if (when->command.data)
        return arena_printf(arena, "the command '" STR_FMT "' is %sthere", STR_ARG(when->command),
                            there);
    return arena_printf(arena, "the environment variable '" STR_FMT "' is %sset",
                        STR_ARG(when->env), there);
}

static enum read_result skip_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct skip_spec *skip = into;
    struct skip_read read = {0};
    (void)type;
    if (node->kind == NODE_BOOL) {
        *skip = (struct skip_spec){
            .always = node->boolean, .skipped = node->boolean, .reason = STR("skip: true")};
        return READ_OK;
    }
    enum read_result result = reader_read(reader, &skip_table_type, node, &read);
    if (result != READ_OK)
        return result;
    skip->skipped = !read.skip_if && !read.unless;
    skip->reason = read.reason;
    if (read.skip_if && skip_holds(reader->arena, read.skip_if)) {
        skip->skipped = true;
        if (!skip->reason.size)
            skip->reason = skip_words(reader->arena, read.skip_if, "");
    }
    if (read.unless && !skip_holds(reader->arena, read.unless)) {
        skip->skipped = true;
        if (!skip->reason.size)
            skip->reason = skip_words(reader->arena, read.unless, "not ");
    }
    return READ_OK;
}

static struct json *skip_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_text(writer, "{\"type\": \"boolean\"}"),
                         schema_of(writer, &skip_table_type));
}

const struct type skip_type = {
    .raw = true,
    .name = "true, a reason, or a mapping with 'if' or 'unless'",
    .size = sizeof(struct skip_spec),
    .read = skip_read,
    .schema = skip_schema,
    .of = &skip_table_type,
};

/* Clients */

static const struct type steps_type = TYPE_LIST(&step_type);

struct client_read {
    struct list steps;
    bool optional;
};

static const struct row client_rows[] = {
    {"steps", &steps_type, offsetof(struct client_read, steps), ROW_REQUIRED, NULL,
     "What it does, in order."},
    {"optional", &type_bool, offsetof(struct client_read, optional), 0, "false",
     "Failures of its steps fail nothing."},
};
static const struct table client_table = {
    TABLE_ROWS("client", client_rows),
    .doc = "Somebody who calls: `steps`, or one `run`.",
};
static const struct type client_table_type = TYPE_TABLE(&client_table, struct client_read);

static void client_take(struct client_spec *client, struct arena *arena, const struct list *steps,
                        const struct node *const *nodes)
{
    client->count = steps->count;
    client->read = steps->items;
    client->steps = arena_alloc_array(arena, steps->count, sizeof *client->steps);
    for (size_t i = 0; i < steps->count; i++)
        client->steps[i] = nodes[i];
}

static enum read_result client_read_single(struct reader *reader, const struct node *node,
                                           struct client_spec *client)
{
    struct step *step = arena_alloc(reader->arena, sizeof *step);
    enum read_result result = reader_read(reader, &step_type, node, step);
    struct list one = {step, 1};
    client->single = true;
    client_take(client, reader->arena, &one, &node);
    client->optional = step->optional;
    if (step->verb.member && !str_is(str_of(step->verb.member->key), "run") &&
        !str_is(str_of(step->verb.member->key), "load")) {
        diagnostics_add(reader->diagnostics, step->verb.place,
                        "a client has 'steps', or is one 'run'; '%s' is a step",
                        step->verb.member->key);
        diagnostics_help(reader->diagnostics, "write steps: [{%s: …}]", step->verb.member->key);
        return READ_FAILED;
    }
    return result;
}

static enum read_result client_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct client_spec *client = into;
    struct client_read read = {0};
    (void)type;
    client->node = node;
    client->place = node->place;
    if (node->kind == NODE_MAP && !node_get(node, "steps") && node->count)
        return client_read_single(reader, node, client);
    enum read_result result = reader_read(reader, &client_table_type, node, &read);
    const struct node *steps = node->kind == NODE_MAP ? node_get(node, "steps") : NULL;
    if (steps && steps->kind == NODE_LIST && read.steps.count == steps->count)
        client_take(client, reader->arena, &read.steps, (const struct node *const *)steps->items);
    client->optional = read.optional;
    return result;
}

static struct json *client_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &client_table_type),
                         schema_of(writer, &step_type));
}

static const struct type client_type = {
    .raw = true,
    .name = "a client such as {steps: […]} or {run: […]}",
    .size = sizeof(struct client_spec),
    .read = client_read,
    .schema = client_schema,
    .of = &client_table_type,
};

/* The document */

static const struct type upstreams_type = TYPE_NAMED_MAP(&upstream_type);
static const struct type proxies_type = TYPE_NAMED_MAP(&proxy_type);
static const struct type programs_type = TYPE_NAMED_MAP(&program_type);
static const struct type clients_type = TYPE_NAMED_MAP(&client_type);
static const struct type events_type = TYPE_LIST(&event_type);
static const struct type verifies_type = TYPE_LIST(&verify_type);
static const struct type tags_type = TYPE_LIST(&type_text);
static const struct type variables_type = TYPE_NAMED_MAP(&type_node);

#define AT(member) offsetof(struct document_read, member)

static const struct row document_rows[] = {
    {"name", &type_text, AT(name), 0, "the file's name", "What the scenario is called in reports."},
    {"description", &type_text, AT(description), 0, NULL, "What it is about; for readers."},
    {"tags", &tags_type, AT(tags), 0, NULL, "Words to select it by with -t."},
    {"timeout", &type_time_positive, AT(timeout_ns), 0, "30s",
     "The scenario fails if it takes longer."},
    {"seed", &type_count, AT(seed), 0, "drawn once", "What all random draws come from."},
    {"alone", &type_bool, AT(alone), 0, "false", "No other scenario runs at the same time."},
    {"skip", &skip_type, AT(skip), 0, NULL,
     "Leaves the scenario out: true, a reason, or a condition."},
    {"use", &type_node, AT(later), ROW_LATER, NULL, "Files whose parts are merged into this one."},
    {"params", &type_node, AT(later), ROW_LATER, NULL, "What a file that is used takes."},
    {"vars", &variables_type, AT(vars), 0, NULL,
     "Variables for `${name}`: a value, or {env: NAME, secret: true}."},
    {"matrix", &type_node, AT(later), ROW_LATER, NULL,
     "Runs the scenario once for each combination."},
    {"defaults", &type_node, AT(later), ROW_LATER, NULL, "Fills every step of a verb."},
    {"upstreams", &upstreams_type, AT(upstreams), 0, NULL, "The stand-in servers, by name."},
    {"proxies", &proxies_type, AT(proxies), 0, NULL, "Ports that forward by default, by name."},
    {"programs", &programs_type, AT(programs), 0, NULL,
     "Programs under test in the middle, by name."},
    {"clients", &clients_type, AT(clients), 0, NULL, "Who calls, by name; all start at t = 0."},
    {"steps", &steps_type, AT(steps), 0, NULL, "Short for clients: {main: {steps: …}}."},
    {"events", &events_type, AT(events), 0, NULL, "What happens when."},
    {"verify", &verifies_type, AT(verify), 0, NULL,
     "What must hold of all that was recorded, judged at the end."},
    {"finally", &steps_type, AT(finally), 0, NULL,
     "Steps that always run at the end, also after a failure."},
};

static void document_preset(void *into)
{
    ((struct document_read *)into)->timeout_ns = INT64_C(30000000000);
}

const struct table document_table = {
    TABLE_ROWS("scenario", document_rows),
    .doc = "A YAML document: its own ports, its own clock, its own journal.",
    .preset = document_preset,
};

const struct type scenario_type = TYPE_TABLE(&document_table, struct document_read);
