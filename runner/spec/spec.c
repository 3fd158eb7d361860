#include "runner/spec/spec.h"

#include "base/memory.h"
#include "runner/spec/document.h"
#include "runner/spec/faults.h"
#include "runner/spec/proxies.h"
#include "runner/spec/rpcs.h"
#include "runner/spec/scope.h"
#include "runner/spec/speech.h"
#include "runner/spec/titles.h"
#include "server/action.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** One document on its way to a scenario. */
struct building {
    struct spec_file *file;
    struct scenario_spec *scenario;
    struct reader reader;
    struct document_read read;
};

static void take_variables(struct building *building)
{
    const struct node *vars = node_get(building->scenario->node, "vars");
    if (!vars || vars->kind != NODE_MAP)
        return;
    struct variable *variables =
        arena_alloc_array(building->file->arena, vars->count, sizeof *variables);
    for (size_t i = 0; i < vars->count; i++)
        variables[i] = (struct variable){.name = vars->pairs[i].key->text,
                                         .place = vars->pairs[i].key->place,
                                         .node = vars->pairs[i].value};
    building->scenario->variables = (struct list){variables, vars->count};
}

/** `{env: NAME, secret: true}` is the only mapping with these keys; anything else in it is a
 * mistake. */
static void check_variables(struct building *building)
{
    const struct variable *variables = building->scenario->variables.items;
    for (size_t i = 0; i < building->scenario->variables.count; i++) {
        const struct node *node = variables[i].node;
        if (node->kind == NODE_MAP && (node_get(node, "env") || node_get(node, "secret"))) {
            for (size_t j = 0; j < node->count; j++) {
                struct str key = node->pairs[j].key->text;
                if (!str_is(key, "env") && !str_is(key, "secret"))
                    diagnostics_add(building->reader.diagnostics, node->pairs[j].key->place,
                                    "unknown key '" STR_FMT "' in variable '" STR_FMT "'",
                                    STR_ARG(key), STR_ARG(variables[i].name));
            }
            if (!node_get(node, "env")) {
                diagnostics_add(building->reader.diagnostics, node->place,
                                "a secret variable needs 'env'");
                diagnostics_help(building->reader.diagnostics, "write {secret: true, env: NAME}");
            }
        }
        const struct node *ignored;
        if (node->kind != NODE_MAP || !node_get(node, "env"))
            (void)!reader_resolve_tree(&building->reader, node, &ignored);
    }
}

static void name_steps(struct titles *titles, struct client_spec *client)
{
    client->titles = arena_alloc_array(titles->arena, client->count, sizeof *client->titles);
    bool plain = str_is(client->name, "main");
    for (size_t i = 0; i < client->count; i++) {
        struct str title = step_title(titles->arena, &client->read[i]);
        if (client->single && !client->read[i].name.data)
            title = client->name;
        else if (!plain && !client->read[i].name.data)
            title = arena_printf(titles->arena, STR_FMT ": " STR_FMT, STR_ARG(client->name),
                                 STR_ARG(title));
        client->titles[i] = titles_take(titles, title);
    }
}

static void take_names(struct building *building)
{
    struct scenario_spec *scenario = building->scenario;
    struct titles titles = {.arena = building->file->arena};
    for (size_t i = 0; i < scenario->client_count; i++)
        name_steps(&titles, &scenario->clients[i]);
    const struct verify_item *items = scenario->verify.items;
    scenario->verify_titles =
        arena_alloc_array(titles.arena, scenario->verify.count, sizeof(struct str));
    const struct node *list = node_get(scenario->node, "verify");
    for (size_t i = 0; i < scenario->verify.count; i++) {
        struct str title =
            items[i].name.data ? items[i].name : verify_title(titles.arena, list->items[i]);
        scenario->verify_titles[i] = titles_take(&titles, title);
    }
    if (scenario->finally)
        name_steps(&titles, scenario->finally);
}

static void client_from_steps(struct building *building, struct client_spec *client,
                              const char *name, const char *key, const struct list *steps)
{
    const struct node *list = node_get(building->scenario->node, key);
    client->name = str_of(name);
    client->node = list;
    client->place = list->place;
    client->count = steps->count;
    client->read = steps->items;
    client->steps = arena_alloc_array(building->file->arena, steps->count, sizeof *client->steps);
    for (size_t i = 0; i < steps->count; i++)
        client->steps[i] = list->items[i];
}

static void take_clients(struct building *building)
{
    struct scenario_spec *scenario = building->scenario;
    const struct document_read *read = &building->read;
    scenario->clients = arena_alloc_array(building->file->arena, read->clients.count + 1,
                                          sizeof *scenario->clients);
    if (read->steps.count)
        client_from_steps(building, &scenario->clients[scenario->client_count++], "main", "steps",
                          &read->steps);
    const struct map_entry *entries = read->clients.items;
    for (size_t i = 0; i < read->clients.count; i++) {
        struct client_spec *client = &scenario->clients[scenario->client_count++];
        *client = *(const struct client_spec *)entries[i].value;
        client->name = entries[i].name;
        client->place = entries[i].place;
    }
    if (read->finally.count) {
        scenario->finally = arena_alloc(building->file->arena, sizeof *scenario->finally);
        client_from_steps(building, scenario->finally, "finally", "finally", &read->finally);
    }
}

static void check_steps(struct building *building, const struct client_spec *client)
{
    for (size_t i = 0; client && i < client->count; i++)
        step_check_references(&building->reader, client->steps[i], &client->read[i]);
}

static struct list join_ports(struct building *building, const struct list *upstreams,
                              const struct list *proxies)
{
    size_t count = upstreams->count + proxies->count;
    struct map_entry *all = arena_alloc_array(building->file->arena, count, sizeof *all);
    const struct map_entry *const lists[] = {upstreams->items, proxies->items};
    for (size_t i = 0; i < count; i++)
        all[i] = i < upstreams->count ? lists[0][i] : lists[1][i - upstreams->count];
    return (struct list){all, count};
}

static void take_programs(struct building *building)
{
    const struct map_entry *entries = building->read.programs.items;
    size_t count = building->read.programs.count;
    struct program_spec *programs =
        arena_alloc_array(building->file->arena, count, sizeof *programs);
    for (size_t i = 0; i < count; i++) {
        programs[i] = *(const struct program_spec *)entries[i].value;
        programs[i].name = entries[i].name;
        programs[i].place = entries[i].place;
    }
    building->scenario->programs = (struct list){programs, count};
}

static bool step_runs(const struct step *step)
{
    return step->verb.member && str_is(str_of(step->verb.member->key), "run");
}

static bool scenario_runs_programs(const struct scenario_spec *scenario)
{
    if (scenario->programs.count)
        return true;
    for (size_t i = 0; i < scenario->client_count; i++) {
        for (size_t j = 0; j < scenario->clients[i].count; j++) {
            if (step_runs(&scenario->clients[i].read[j]))
                return true;
        }
    }
    for (size_t i = 0; scenario->finally && i < scenario->finally->count; i++) {
        if (step_runs(&scenario->finally->read[i]))
            return true;
    }
    const struct event_spec *events = scenario->events.items;
    for (size_t i = 0; i < scenario->events.count; i++) {
        const struct chosen *actions = events[i].actions.items;
        for (size_t j = 0; j < events[i].actions.count; j++) {
            if (actions[j].member && str_is(str_of(actions[j].member->key), "run"))
                return true;
        }
    }
    return false;
}

static bool client_asks_bytes(const struct client_spec *client)
{
    for (size_t i = 0; client && i < client->count; i++) {
        const struct chosen *verb = &client->read[i].verb;
        if (verb->member && verb->member->type == &verify_type &&
            (!verb->value || verify_asks_bytes(verb->value)))
            return true;
    }
    return false;
}

/** Bytes are kept only where somebody asks for them. */
static bool scenario_asks_bytes(const struct scenario_spec *scenario)
{
    const struct verify_item *items = scenario->verify.items;
    bool asks = client_asks_bytes(scenario->finally);
    for (size_t i = 0; i < scenario->verify.count; i++)
        asks = asks || verify_asks_bytes(&items[i]);
    for (size_t i = 0; i < scenario->client_count; i++)
        asks = asks || client_asks_bytes(&scenario->clients[i]);
    return asks;
}

/** What check_captures() hands to its visitor. */
struct capture_check {
    struct reader *reader;
    struct list upstreams;
};

static void check_capture(void *context, const struct chosen *chosen)
{
    struct capture_check *check = context;
    (void)action_check_captures(check->reader, chosen, &check->upstreams);
}

/** Templates of `respond` actions may use what the route they are for captures. */
static void check_captures(struct building *building)
{
    struct capture_check check = {
        .reader = &building->reader,
        .upstreams = spec_upstreams_ever(building->scenario, building->file->arena),
    };
    spec_each_action(building->scenario, check_capture, &check);
}

static bool scenario_speaks_tls(struct building *building)
{
    const struct list *upstreams = &building->scenario->upstreams;
    const struct map_entry *entries = upstreams->items;
    for (size_t i = 0; i < upstreams->count; i++)
        if (spec_port_speaks(&building->reader, building->scenario, entries[i].name) & SPEECH_TLS)
            return true;
    return false;
}

/** Two upstreams at one address could never be open both. */
static void check_ports(struct building *building)
{
    const struct list *upstreams = &building->scenario->upstreams;
    const struct map_entry *entries = upstreams->items;
    for (size_t i = 0; i < upstreams->count; i++) {
        const struct upstream_config *late = entries[i].value;
        for (size_t j = 0; j < i && late->port; j++) {
            const struct upstream_config *early = entries[j].value;
            if (early->port != late->port || !str_equal(early->host, late->host))
                continue;
            diagnostics_add(building->reader.diagnostics, entries[i].place,
                            "port %u of " STR_FMT " is that of '" STR_FMT "' already", late->port,
                            STR_ARG(late->host), STR_ARG(entries[j].name));
            break;
        }
    }
}

/** A scenario to run needs somebody who calls. */
static void check_clients(struct building *building)
{
    struct scenario_spec *scenario = building->scenario;
    const struct node *node = scenario->node;
    if (scenario->client_count)
        return;
    if (node_get(node, "steps") || node_get(node, "clients")) {
        diagnostics_add(building->reader.diagnostics, node->place,
                        "the scenario has no client that does anything");
        return;
    }
    diagnostics_add(building->reader.diagnostics, node->place,
                    "a scenario needs clients: nobody calls here");
    diagnostics_help(building->reader.diagnostics,
                     "write 'steps:' with what the client does, or 'clients:' with several");
}

static void name_scenario(struct building *building, struct titles *taken)
{
    struct scenario_spec *scenario = building->scenario;
    struct str wanted = building->read.name;
    if (!wanted.data || !wanted.size) {
        struct str path = building->file->source.name;
        const char *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;
        wanted = slash ? str_from(path, (size_t)(slash + 1 - path.data)) : path;
        if (str_ends(wanted, STR(".goto.yaml")))
            wanted.size -= sizeof ".goto.yaml" - 1;
        else if (str_ends(wanted, STR(".yaml")))
            wanted.size -= sizeof ".yaml" - 1;
    }
    scenario->name = titles_take(taken, wanted);
}

/** Known before the rest is read; what is wrong in it is told with the rest. */
static void read_skip(struct building *building)
{
    const struct node *node = node_get(building->scenario->node, "skip");
    struct diagnostics diagnostics;
    struct reader reader = building->reader;
    diagnostics_init(&diagnostics);
    reader.diagnostics = &diagnostics;
    if (node && reader_read(&reader, &skip_type, node, &building->scenario->skip) != READ_OK)
        building->scenario->skip = (struct skip_spec){0};
    diagnostics_clear(&diagnostics);
}

static void read_document(struct building *building, const struct spec_options *options,
                          struct titles *taken)
{
    struct scenario_spec *scenario = building->scenario;
    struct spec_scope scope;
    if (scenario->node->kind != NODE_MAP) {
        diagnostics_add(
            building->reader.diagnostics, scenario->node->place,
            "a scenario is a mapping with keys such as 'upstreams' and 'steps', found %s",
            node_kind_name(scenario->node));
        name_scenario(building, taken);
        return;
    }
    size_t before = building->reader.diagnostics->count;
    scenario->names = names_collect(building->file->arena, scenario->node);
    names_check(scenario->names, building->reader.diagnostics);
    names_check_given(scenario->names, &options->set, building->reader.diagnostics);
    names_check_given(scenario->names, &options->secrets, building->reader.diagnostics);
    take_variables(building);
    spec_scope_init(&scope, scenario, options);
    building->reader.scope = &scope.scope;
    read_skip(building);
    check_variables(building);
    (void)!reader_read_table(&building->reader, &document_table, scenario->node, &building->read);
    const struct document_read *read = &building->read;
    name_scenario(building, taken);
    scenario->description = read->description;
    scenario->tags = read->tags;
    scenario->timeout_ns = read->timeout_ns;
    scenario->seed = read->seed;
    scenario->has_seed = node_get(scenario->node, "seed") != NULL;
    scenario->alone = read->alone;
    scenario->skip = read->skip;
    scenario->upstreams = join_ports(building, &read->upstreams, &read->proxies);
    scenario->events = read->events;
    scenario->verify = read->verify;
    if (building->reader.diagnostics->count == before)
        take_clients(building);
    for (size_t i = 0; i < scenario->client_count; i++)
        check_steps(building, &scenario->clients[i]);
    check_steps(building, scenario->finally);
    if (building->reader.diagnostics->count == before) {
        spec_check_speech(&building->reader, scenario);
        spec_check_proxies(&building->reader, scenario);
        spec_check_faults(&building->reader, scenario);
        spec_check_rpcs(&building->reader, scenario);
        scenario->speaks_tls = scenario_speaks_tls(building);
    } else {
        spec_check_ports_alone(&building->reader, scenario);
        spec_check_loops(&building->reader, scenario);
    }
    building->reader.scope = NULL;
    if (building->reader.diagnostics->count != before)
        return;
    take_programs(building);
    check_ports(building);
    check_clients(building);
    check_captures(building);
    take_names(building);
    scenario->runs_programs = scenario_runs_programs(scenario);
    scenario->asks_bytes = scenario_asks_bytes(scenario);
}

static void read_documents(struct spec_file *file, const struct spec_options *options,
                           struct diagnostics *diagnostics)
{
    struct titles taken = {.arena = file->arena};
    if (tree_read_yaml(file->arena, &file->source, &file->documents, diagnostics) != 0)
        return;
    file->scenarios =
        arena_alloc_array(file->arena, file->documents.count, sizeof *file->scenarios);
    for (size_t i = 0; i < file->documents.count; i++) {
        struct scenario_spec *scenario = arena_alloc(file->arena, sizeof *scenario);
        *scenario = (struct scenario_spec){.file = file,
                                           .node = file->documents.items[i],
                                           .place = file->documents.items[i]->place,
                                           .index = i};
        struct building building = {.file = file,
                                    .scenario = scenario,
                                    .reader = {.arena = file->arena, .diagnostics = diagnostics}};
        read_document(&building, options, &taken);
        file->scenarios[file->count++] = scenario;
    }
}

/** Reads the bytes of a file; adds a diagnostic when that fails. */
static int read_bytes(struct spec_file *file, const char *path, struct diagnostics *diagnostics)
{
    struct place nowhere = {.source = &file->source};
    struct stat status;
    struct buf text;
    int result = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    buf_init(&text, TREE_FILE_SIZE + 1);
    if (fd < 0 || fstat(fd, &status) != 0) {
        diagnostics_add(diagnostics, nowhere, "the file cannot be read: %s", strerror(errno));
        goto out;
    }
    if (S_ISDIR(status.st_mode)) {
        diagnostics_add(diagnostics, nowhere, "this is a folder, not a file");
        goto out;
    }
    for (;;) {
        char *into = buf_reserve(&text, 64 * 1024 < TREE_FILE_SIZE + 1 - text.size
                                            ? 64 * 1024
                                            : TREE_FILE_SIZE + 1 - text.size);
        ssize_t got =
            into ? read(fd, into,
                        64 * 1024 < TREE_FILE_SIZE + 1 - text.size ? 64 * 1024
                                                                   : TREE_FILE_SIZE + 1 - text.size)
                 : 0;
        if (got < 0) {
            diagnostics_add(diagnostics, nowhere, "the file cannot be read: %s", strerror(errno));
            goto out;
        }
        if (got == 0)
            break;
        text.size += (size_t)got;
    }
    file->source.text = arena_copy(file->arena, buf_str(&text));
    result = 0;
out:
    buf_clear(&text);
    if (fd >= 0)
        close(fd);
    return result;
}

static struct spec_file *file_new(struct str name)
{
    struct spec_file *file = memory_alloc(sizeof *file);
    file->arena = arena_new();
    file->source.name = arena_copy(file->arena, name);
    return file;
}

struct spec_file *spec_read(const char *path, const struct spec_options *options,
                            struct diagnostics *diagnostics)
{
    struct spec_file *file = file_new(str_of(path));
    if (read_bytes(file, path, diagnostics) == 0)
        read_documents(file, options, diagnostics);
    return file;
}

struct spec_file *spec_read_text(struct str name, struct str text,
                                 const struct spec_options *options,
                                 struct diagnostics *diagnostics)
{
    struct spec_file *file = file_new(name);
    file->source.text = text;
    read_documents(file, options, diagnostics);
    return file;
}

void spec_free(struct spec_file *file)
{
    if (!file)
        return;
    arena_free(file->arena);
    memory_free(file);
}
