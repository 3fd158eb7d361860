#include "runner/spec/names.h"

static const char *const built_in[] = {"env",      "ca",          "tmp",       "seed",
                                       "spec-dir", "client-cert", "client-key"};

bool names_is_built_in(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(built_in); i++) {
        if (str_is(name, built_in[i]))
            return true;
    }
    return false;
}

const struct name_entry *names_find(const struct name_list *list, struct str name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_equal(list->items[i].name, name))
            return &list->items[i];
    }
    return NULL;
}

static void names_add(struct names *names, struct name_list *list, struct str name,
                      struct place place)
{
    arena_grow(names->arena, &list->items, list->count, &list->capacity, sizeof *list->items);
    list->items[list->count++] = (struct name_entry){.name = name, .place = place};
}

static const struct node *map_of(const struct node *map, const char *key)
{
    const struct node *value = map && map->kind == NODE_MAP ? node_get(map, key) : NULL;
    return value;
}

static bool is_scalar(const struct node *node)
{
    return node && node->kind != NODE_MAP && node->kind != NODE_LIST;
}

static void collect_keys(struct names *names, struct name_list *list, const struct node *map)
{
    if (!map || map->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < map->count; i++)
        names_add(names, list, map->pairs[i].key->text, map->pairs[i].key->place);
}

/** The routes that an upstream, or a `switch` of it, has: "api.foobar". */
static void collect_routes(struct names *names, struct str upstream, const struct node *map)
{
    const struct node *routes = map_of(map, "routes");
    for (size_t i = 0; routes && routes->kind == NODE_LIST && i < routes->count; i++) {
        const struct node *name = map_of(routes->items[i], "name");
        if (is_scalar(name))
            names_add(names, &names->routes,
                      arena_printf(names->arena, STR_FMT "." STR_FMT, STR_ARG(upstream),
                                   STR_ARG(name->text)),
                      name->place);
    }
}

static void collect_upstreams(struct names *names, const struct node *upstreams)
{
    if (!upstreams || upstreams->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < upstreams->count; i++)
        collect_routes(names, upstreams->pairs[i].key->text, upstreams->pairs[i].value);
}

/** What an action defines: the variables of a `set`, the routes of a `switch`. */
static void collect_action(struct names *names, const struct node *action)
{
    const struct node *change = map_of(action, "switch");
    const struct node *port = map_of(change, "port");
    collect_keys(names, &names->set, map_of(action, "set"));
    if (is_scalar(port))
        collect_routes(names, port->text, change);
    for (size_t i = 0; port && port->kind == NODE_LIST && i < port->count; i++)
        if (is_scalar(port->items[i]))
            collect_routes(names, port->items[i]->text, change);
}

/** What a `run` that goes on in the background is called: the step's name. */
static bool is_background(const struct node *run)
{
    const struct node *background = map_of(run, "background");
    return background && background->kind == NODE_BOOL && background->boolean;
}

static void collect_step(struct names *names, const struct node *step)
{
    const struct node *name = map_of(step, "name");
    if (is_scalar(name)) {
        names_add(names, &names->steps, name->text, name->place);
        if (is_background(map_of(step, "run")))
            names_add(names, &names->running, name->text, name->place);
    }
    collect_keys(names, &names->captures, map_of(step, "capture"));
    collect_action(names, step);
}

static void collect_steps(struct names *names, const struct node *steps)
{
    for (size_t i = 0; steps && steps->kind == NODE_LIST && i < steps->count; i++)
        collect_step(names, steps->items[i]);
}

static void collect_clients(struct names *names, const struct node *document)
{
    const struct node *clients = map_of(document, "clients");
    const struct node_pair *steps =
        document->kind == NODE_MAP ? node_find(document, STR("steps")) : NULL;
    if (steps) {
        names_add(names, &names->clients, STR("main"), steps->key->place);
        collect_steps(names, steps->value);
    }
    collect_steps(names, map_of(document, "finally"));
    if (!clients || clients->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < clients->count; i++) {
        const struct node *client = clients->pairs[i].value;
        const struct node *key = clients->pairs[i].key;
        names_add(names, &names->clients, key->text, key->place);
        if (map_of(client, "run"))
            names_add(names, &names->running, key->text, key->place);
        if (map_of(client, "steps"))
            collect_steps(names, map_of(client, "steps"));
        else
            collect_step(names, client);
    }
}

static void collect_events(struct names *names, const struct node *events)
{
    for (size_t i = 0; events && events->kind == NODE_LIST && i < events->count; i++) {
        const struct node *event = events->items[i];
        const struct node *name = map_of(event, "name");
        const struct node *actions = map_of(event, "do");
        if (is_scalar(name))
            names_add(names, &names->events, name->text, name->place);
        collect_action(names, event);
        for (size_t j = 0; actions && actions->kind == NODE_LIST && j < actions->count; j++)
            collect_action(names, actions->items[j]);
    }
}

struct names *names_collect(struct arena *arena, const struct node *document)
{
    struct names *names = arena_alloc(arena, sizeof *names);
    names->arena = arena;
    const struct node *programs = map_of(document, "programs");
    collect_keys(names, &names->ports, map_of(document, "upstreams"));
    collect_keys(names, &names->ports, map_of(document, "proxies"));
    size_t before = names->ports.count;
    collect_keys(names, &names->ports, programs);
    for (size_t i = before; i < names->ports.count; i++)
        names->ports.items[i].is_program = true;
    collect_keys(names, &names->programs, programs);
    collect_keys(names, &names->running, programs);
    collect_upstreams(names, map_of(document, "upstreams"));
    collect_upstreams(names, map_of(document, "proxies"));
    collect_clients(names, document);
    collect_events(names, map_of(document, "events"));
    collect_keys(names, &names->variables, map_of(document, "vars"));
    return names;
}

const struct name_list *names_of_kind(const struct names *names, enum name_kind kind)
{
    switch (kind) {
    case NAME_PORT:
    case NAME_UPSTREAM:
        return &names->ports;
    case NAME_ROUTE:
        return &names->routes;
    case NAME_CLIENT:
        return &names->clients;
    case NAME_PROGRAM:
        return &names->programs;
    case NAME_RUNNING:
        return &names->running;
    case NAME_EVENT:
        return &names->events;
    case NAME_STEP:
        return &names->steps;
    case NAME_VARIABLE:
        return &names->variables;
    }
    return &names->variables;
}

/** Tells each name of `list` that also stands in one of the lists before it. */
static void check_space(const struct name_list *list, const struct name_list *const *before,
                        size_t count, const char *what, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct name_entry *entry = &list->items[i];
        if (names_is_built_in(entry->name))
            diagnostics_add(diagnostics, entry->place,
                            "'" STR_FMT "' is a built-in name; no %s can be called so",
                            STR_ARG(entry->name), what);
        for (size_t j = 0; j < count; j++) {
            const struct name_entry *other = names_find(before[j], entry->name);
            if (!other)
                continue;
            diagnostics_add(diagnostics, entry->place, "the name '" STR_FMT "' is taken already",
                            STR_ARG(entry->name));
            diagnostics_help(
                diagnostics,
                "ports, programs, variables and captures share one space of names; it is "
                "first used at line %u",
                other->place.line);
            break;
        }
    }
}

/** Tells duplicates within one list. */
static void check_twice(const struct name_list *list, const char *what,
                        struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct name_entry *first = names_find(list, list->items[i].name);
        if (first == &list->items[i])
            continue;
        diagnostics_add(diagnostics, list->items[i].place, "a second %s is called '" STR_FMT "'",
                        what, STR_ARG(list->items[i].name));
        diagnostics_help(diagnostics, "the first one is at line %u", first->place.line);
    }
}

void names_check_given(const struct names *names, const struct list *given,
                       struct diagnostics *diagnostics)
{
    const struct name_list *const lists[] = {&names->ports, &names->captures};
    const struct map_entry *entries = given->items;
    for (size_t i = 0; i < given->count; i++) {
        for (size_t j = 0; j < COUNT_OF(lists); j++) {
            const struct name_entry *taken = names_find(lists[j], entries[i].name);
            if (!taken)
                continue;
            diagnostics_add(diagnostics, taken->place,
                            "the name '" STR_FMT "' is also a variable of the command line",
                            STR_ARG(taken->name));
            diagnostics_help(diagnostics,
                             "ports, programs, variables and captures share one space of names");
        }
    }
}

void names_check(const struct names *names, struct diagnostics *diagnostics)
{
    const struct name_list *before[] = {&names->ports, &names->variables};
    check_space(&names->ports, NULL, 0, "port or program", diagnostics);
    check_space(&names->variables, before, 1, "variable", diagnostics);
    check_space(&names->captures, before, 2, "capture", diagnostics);
    check_twice(&names->ports, "port or program", diagnostics);
    check_twice(&names->clients, "client", diagnostics);
    check_twice(&names->events, "event", diagnostics);
}
