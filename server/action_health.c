/* The action on the health service of gRPC upstreams. */
#include "server/action_private.h"

#include "server/grpc/built_in.h"

struct health_action {
    struct list ports;
    struct list services; /**< of struct map_entry: int, enum grpc_health */
};

/** All keys but `port` are names of services. */
static enum read_result health_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct health_action *action = into;
    const struct node *port = node->kind == NODE_MAP ? node_get(node, "port") : NULL;
    if (node->kind != NODE_MAP)
        return reader_expected(reader, node, type->name);
    if (!port || node->count < 2) {
        diagnostics_add(reader->diagnostics, node->place,
                        "'health' needs 'port' and at least one service");
        diagnostics_help(reader->diagnostics, "write {port: NAME, SERVICE: NOT_SERVING}");
        return READ_FAILED;
    }
    struct map_entry *entries = arena_alloc_array(reader->arena, node->count, sizeof *entries);
    enum read_result result = reader_read(reader, &action_ports_type, port, &action->ports);
    for (size_t i = 0; i < node->count; i++) {
        const struct node_pair *pair = &node->pairs[i];
        int *status = arena_alloc(reader->arena, sizeof *status);
        if (pair->value == port)
            continue;
        result = read_worse(result, reader_read(reader, &grpc_health_type, pair->value, status));
        entries[action->services.count++] = (struct map_entry){.name = pair->key->text,
                                                               .place = pair->key->place,
                                                               .node = pair->value,
                                                               .value = status};
    }
    action->services.items = entries;
    return result;
}

static struct json *health_schema(struct schema_writer *writer, const struct type *type)
{
    struct arena *arena = schema_arena(writer);
    struct json *schema = schema_text(
        writer, "{\"type\": \"object\", \"required\": [\"port\"], \"minProperties\": 2}");
    struct json *properties = json_object(arena);
    (void)type;
    json_put(arena, properties, STR("port"), schema_of(writer, &action_ports_type));
    json_put(arena, schema, STR("properties"), properties);
    json_put(arena, schema, STR("additionalProperties"), schema_of(writer, &grpc_health_type));
    return schema;
}

const struct type action_health_type = {
    .name = "a mapping of 'port' and services",
    .size = sizeof(struct health_action),
    .read = health_read,
    .schema = health_schema,
};

static void health_run(struct action_run *run, const void *value)
{
    const struct health_action *action = value;
    const struct str *names = action->ports.items;
    const struct map_entry *services = action->services.items;
    for (size_t i = 0; i < action->ports.count; i++) {
        struct port *port = action_port(run, names[i]);
        if (!port || !action_port_speaks(run, port, SPEECH_GRPC, STR("health"), "gRPC"))
            return;
        const struct grpc_config *config = upstream_grpc(port->owner);
        if (!config->health.count) {
            run->why = arena_printf(run->arena, "'" STR_FMT "' has no 'health'", STR_ARG(names[i]));
            return;
        }
        run->target(run, names[i]);
        for (size_t j = 0; j < action->services.count; j++)
            grpc_health_set(upstream_health(port->owner), config, services[j].name,
                            *(const int *)services[j].value);
    }
}

static void health_needs(const void *value, struct action_need *need)
{
    const struct health_action *action = value;
    *need = (struct action_need){action->ports, SPEECH_GRPC, STR("'health'")};
}

const struct action_type action_health = {.run = health_run, .needs = health_needs};
