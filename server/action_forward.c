#include "server/action_private.h"

#include "server/proxy/forward_private.h"

struct forward_action {
    struct list ports;
    int how;
    struct forward_read read;
    struct upstream_config config; /**< only its `forward` counts */
    const struct node *node;       /**< {forward: …}, as an upstream has it */
};

static const struct row action_rows[] = {
    {"port", &action_ports_type, offsetof(struct forward_action, ports), ROW_REQUIRED, NULL,
     "The proxy, or a list of them."},
    {"connections", &action_close_type, offsetof(struct forward_action, how), 0, "keep",
     "What becomes of live connections; `drain` takes at most 5 s."},
    {NULL, &forward_read_type, offsetof(struct forward_action, read), ROW_INCLUDE, NULL, NULL},
};

static void action_preset(void *into)
{
    ((struct forward_action *)into)->how = CLOSE_KEEP;
}

/** The mapping as it would stand in an upstream. */
static const struct node *wrap(struct arena *arena, const struct node *node)
{
    struct node *key = arena_alloc(arena, sizeof *key);
    struct node *map = arena_alloc(arena, sizeof *map);
    *key = (struct node){.kind = NODE_STRING, .text = STR("forward"), .place = node->place};
    map->kind = NODE_MAP;
    map->place = node->place;
    map->count = 1;
    map->pairs = arena_alloc(arena, sizeof *map->pairs);
    map->pairs[0].key = key;
    /* nobody writes to it; a tree's nodes are of any use */
    map->pairs[0].value = (struct node *)(uintptr_t)node;
    return map;
}

static enum read_result action_check(struct reader *reader, const struct node *node, void *into)
{
    struct forward_action *action = into;
    action->config.forward = forward_take(&action->read, node);
    action->node = wrap(reader->arena, node);
    return READ_OK;
}

static const struct table action_table = {
    TABLE_ROWS("forward action", action_rows),
    .doc = "Changes where a port forwards to: what was not forwarded yet goes there.",
    .preset = action_preset,
    .check = action_check,
};
const struct type action_forward_type = TYPE_TABLE(&action_table, struct forward_action);

/** Whether the keys fit what each port speaks now. */
static bool ports_fit(struct action_run *run, const struct forward_action *action)
{
    const struct str *names = action->ports.items;
    const struct forward *forward = action->config.forward;
    for (size_t i = 0; i < action->ports.count; i++) {
        const struct port *port = action_port(run, names[i]);
        struct diagnostics diagnostics;
        struct reader reader = {.arena = run->arena, .diagnostics = &diagnostics};
        if (!port)
            return false;
        diagnostics_init(&diagnostics);
        enum read_result result = upstream_speech(port->owner) & SPEECH_BYTES
                                      ? forward_check_bytes(&reader, forward)
                                      : forward_check_http(&reader, forward);
        if (result == READ_OK && upstream_is_grpc(port->owner))
            result = forward_check_grpc(&reader, forward);
        if (result != READ_OK)
            run->why = arena_printf(run->arena, "it does not fit '" STR_FMT "': " STR_FMT,
                                    STR_ARG(names[i]), STR_ARG(diagnostics.first->message));
        diagnostics_clear(&diagnostics);
        if (result != READ_OK)
            return false;
    }
    return true;
}

static void action_run(struct action_run *run, const void *value)
{
    const struct forward_action *action = value;
    const struct upstream_change change = {
        .config = &action->config,
        .node = action->node,
        .connections = (enum close_how)action->how,
    };
    if (ports_fit(run, action))
        action_change_ports(run, &action->ports, &change);
}

const struct action_type action_forward = {.run = action_run, .undoable = true};

const struct forward *action_forwards(const struct chosen *chosen, struct list *ports)
{
    const struct type *type = chosen->member && chosen->value ? chosen->member->type : NULL;
    if (type != &action_forward_type)
        return NULL;
    const struct forward_action *action = chosen->value;
    *ports = action->ports;
    return action->config.forward;
}
