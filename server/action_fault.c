/* fault and heal: faults on a port or a route, and off again. */
#include "server/action_private.h"

#include "server/fault/fault.h"

static const enum name_kind route_name = NAME_ROUTE;
static const struct type route_type = TYPE_NAME(&route_name);

/** Whom it is done to. */
struct fault_target {
    struct list ports;
    struct str route;    /**< "api.foobar"; data NULL = whole ports */
    struct str of_route; /**< "api": the port of `route` */
};

#define TARGET_ROWS(struct_type, doc_ports)                                                        \
    {"port", &action_ports_type, offsetof(struct_type, target.ports), 0, NULL, doc_ports},         \
    {                                                                                              \
        "route", &route_type, offsetof(struct_type, target.route), 0, NULL,                        \
            "The route, as PORT.NAME."                                                             \
    }

static enum read_result target_check(struct reader *reader, const struct node *node,
                                     struct fault_target *target)
{
    bool port = node_find(node, STR("port")) != NULL;
    bool route = node_find(node, STR("route")) != NULL;
    if (port == route) {
        diagnostics_add(reader->diagnostics, node->place, "it needs either 'route' or 'port'");
        diagnostics_help(reader->diagnostics,
                         "write port: NAME for all of a port, or route: PORT.NAME for one route");
        return READ_FAILED;
    }
    ptrdiff_t dot = str_find_byte(target->route, '.');
    if (target->route.data && dot > 0)
        target->of_route = str_slice(target->route, 0, (size_t)dot);
    return READ_OK;
}

/** The ports that are named, also by the route. */
static struct list target_ports(const struct fault_target *target)
{
    if (!target->of_route.data)
        return target->ports;
    /* nobody writes to it; the items of a list are of any use */
    return (struct list){(void *)(uintptr_t)&target->of_route, 1};
}

/** The upstream of a port that is named, and the route's name in its journal. NULL: run->why. */
static struct upstream *target_upstream(struct action_run *run, const struct fault_target *target,
                                        struct str name, struct str *route)
{
    const struct port *port = action_port(run, name);
    *route = (struct str){0};
    if (!port)
        return NULL;
    if (!target->route.data)
        return port->owner;
    *route = upstream_route_name(port->owner, str_from(target->route, target->of_route.size + 1));
    if (route->data)
        return port->owner;
    run->why =
        arena_printf(run->arena, "'" STR_FMT "' has no route of that name now: '" STR_FMT "'",
                     STR_ARG(name), STR_ARG(target->route));
    return NULL;
}

/* fault */

struct fault_action {
    struct fault_target target;
    struct fault_config config;
    struct str what; /**< "'expired'" */
};

static const struct row fault_rows[] = {
    TARGET_ROWS(struct fault_action, "The port, or a list of them."),
    {NULL, &(const struct type)TYPE_TABLE(&fault_table, struct fault_config),
     offsetof(struct fault_action, config), ROW_INCLUDE, NULL, NULL},
};

static enum read_result fault_check(struct reader *reader, const struct node *node, void *into)
{
    struct fault_action *action = into;
    enum read_result result = target_check(reader, node, &action->target);
    struct str kind = fault_config_kind(&action->config);
    action->what = arena_printf(reader->arena, "'" STR_FMT "'", STR_ARG(kind));
    if (node_find(node, STR("route")))
        result = read_worse(result, fault_check_route(reader, &action->config));
    return result;
}

static const struct table fault_action_table = {
    TABLE_ROWS("fault action", fault_rows),
    .doc = "Puts a fault on a port or a route, on top of what stands there.",
    .check = fault_check,
};
const struct type action_fault_type = TYPE_TABLE(&fault_action_table, struct fault_action);

static void undo_fault(struct undo *undo)
{
    faults_undo(undo->target, undo->id);
}

/** Puts it on one port; false with run->why. */
static bool fault_port(struct action_run *run, const struct fault_action *action, struct str name)
{
    const struct fault_target *target = &action->target;
    struct str route;
    struct str why = {0};
    struct upstream *upstream = target_upstream(run, target, name, &route);
    unsigned speech = upstream_fault_speech(&action->config);
    if (!upstream || !action_port_speaks(run, upstream_port(upstream), speech,
                                         fault_config_kind(&action->config),
                                         fault_layer_title(fault_config_layer(&action->config))))
        return false;
    if (action->config.after.requests &&
        !action_port_speaks(run, upstream_port(upstream), SPEECH_HTTP, STR("after.requests"),
                            "HTTP"))
        return false;
    run->target(run, target->route.data ? target->route : name);
    /* the fault refers to memory of the arena, also where nobody takes it back */
    run->keep = true;
    uint64_t id = faults_push(upstream_faults(upstream), route, &action->config, run->arena, &why);
    if (!id) {
        run->why = arena_printf(run->arena, STR_FMT " cannot stand on '" STR_FMT "': " STR_FMT,
                                STR_ARG(action->what), STR_ARG(name), STR_ARG(why));
        return false;
    }
    action_add_undo(run, undo_fault, upstream_faults(upstream), id);
    return true;
}

static void fault_run(struct action_run *run, const void *value)
{
    const struct fault_action *action = value;
    struct list ports = target_ports(&action->target);
    const struct str *names = ports.items;
    for (size_t i = 0; i < ports.count; i++)
        if (!fault_port(run, action, names[i]))
            return;
}

static void fault_needs(const void *value, struct action_need *need)
{
    const struct fault_action *action = value;
    if (!action->what.data)
        return;
    *need =
        (struct action_need){target_ports(&action->target), upstream_fault_speech(&action->config),
                             action->what, .counts_requests = action->config.after.requests_place};
}

const struct action_type action_fault = {.run = fault_run, .undoable = true, .needs = fault_needs};

/* heal */

struct heal_action {
    struct fault_target target;
    struct str name;
    struct place place; /**< of the name */
};

static const struct row heal_rows[] = {
    TARGET_ROWS(struct heal_action, "The port, or a list of them: all faults of it, its routes and "
                                    "their answers."),
    {"name", &type_text, offsetof(struct heal_action, name), 0, "all of them",
     "The name of a fault; of one without a name that of its kind."},
};

static enum read_result heal_check(struct reader *reader, const struct node *node, void *into)
{
    struct heal_action *action = into;
    const struct node *name = node_get(node, "name");
    action->place = name ? name->place : node->place;
    return target_check(reader, node, &action->target);
}

static const struct table heal_table = {
    TABLE_ROWS("heal", heal_rows),
    .doc = "Lifts faults, also those that stand from the start.",
    .shorthand = "port",
    .check = heal_check,
};
const struct type action_heal_type = TYPE_TABLE(&heal_table, struct heal_action);

static void heal_run(struct action_run *run, const void *value)
{
    const struct heal_action *action = value;
    struct list ports = target_ports(&action->target);
    const struct str *names = ports.items;
    for (size_t i = 0; i < ports.count; i++) {
        struct str route;
        struct upstream *upstream = target_upstream(run, &action->target, names[i], &route);
        if (!upstream)
            return;
        run->target(run, action->target.route.data ? action->target.route : names[i]);
        faults_heal(upstream_faults(upstream), route, action->name);
    }
}

const struct action_type action_heal = {.run = heal_run};

/* What a spec may ask of them. */

bool action_healed_name(const struct chosen *chosen, struct str *name, struct place *place)
{
    const struct type *type = chosen->member && chosen->value ? chosen->member->type : NULL;
    if (type != &action_heal_type)
        return false;
    const struct heal_action *action = chosen->value;
    *name = action->name;
    *place = action->place;
    return name->data != NULL && place->source;
}

const struct fault_config *action_fault_config(const struct chosen *chosen)
{
    const struct type *type = chosen->member && chosen->value ? chosen->member->type : NULL;
    return type == &action_fault_type ? &((const struct fault_action *)chosen->value)->config
                                      : NULL;
}
