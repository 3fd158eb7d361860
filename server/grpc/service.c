#include "server/grpc/service.h"

#include "server/grpc/match.h"
#include "server/http/respond_private.h"
#include "server/http/upstream.h"
#include "server/proxy/forward.h"

/* Reading. */

static const struct choice health_choices[] = {
    {"SERVING", GRPC_SERVING, "requests are taken"},
    {"NOT_SERVING", GRPC_NOT_SERVING, "they are not"},
    {NULL},
};
const struct type grpc_health_type = TYPE_CHOICE(health_choices);
static const struct type type_health = TYPE_MAP(&grpc_health_type);

static void service_preset(void *into)
{
    ((struct grpc_config *)into)->max_message = UINT64_C(4) * 1024 * 1024;
}

static const struct row service_rows[] = {
    {"protos", &grpc_files_type, offsetof(struct grpc_config, sources.protos), 0, NULL,
     "The .proto files of a grpc upstream, compiled with protoc when the spec is read."},
    {"import-paths", &grpc_files_type, offsetof(struct grpc_config, sources.imports), 0, NULL,
     "Folders in which .proto files and their imports are looked for."},
    {"protosets", &grpc_files_type, offsetof(struct grpc_config, sources.protosets), 0, NULL,
     "Compiled descriptors of a grpc upstream: files that hold a FileDescriptorSet."},
    {"reflection", &type_bool, offsetof(struct grpc_config, reflection), 0, "false",
     "Whether a grpc upstream answers server reflection, v1 and v1alpha."},
    {"health", &type_health, offsetof(struct grpc_config, health), 0, NULL,
     "The health service of a grpc upstream: service to SERVING or NOT_SERVING; \"\" is the whole "
     "server, SERVING if it is not written."},
    {"max-message", &type_size, offsetof(struct grpc_config, max_message), 0, "4MiB",
     "The largest message that a grpc upstream takes: RESOURCE_EXHAUSTED beyond."},
};
static const struct table service_table = {
    TABLE_ROWS("gRPC service", service_rows),
    .doc = "The gRPC service of an upstream.",
    .preset = service_preset,
};
const struct type grpc_service_type = TYPE_TABLE(&service_table, struct grpc_config);

/* Checking. */

/** The method of a route; NULL: the route names none that there is. */
static const struct proto_method *method_of(const struct protos *protos,
                                            const struct route_config *route)
{
    struct place place;
    struct str rpc = match_rpc(route->match, &place);
    return rpc.data ? protos_method(protos, rpc) : NULL;
}

static enum read_result check_answer(struct reader *reader, const struct protos *protos,
                                     const struct proto_method *method,
                                     const struct respond *respond)
{
    enum read_result result = READ_OK;
    struct grpc_message_config *messages = respond->messages ? respond->messages->items : NULL;
    if (respond->http_key) {
        diagnostics_add(reader->diagnostics, respond->http_key->place,
                        "'" STR_FMT "' is of HTTP, but this upstream speaks gRPC",
                        STR_ARG(respond->http_key->text));
        diagnostics_help(reader->diagnostics,
                         "gRPC answers have message, messages, every, metadata, trailers, status "
                         "(a name such as NOT_FOUND), delay, compress");
        return READ_FAILED;
    }
    result = grpc_check_details(reader, protos, respond->status.grpc);
    if (!method)
        return result;
    if (messages && !method->server_streaming && respond->messages->count != 1) {
        diagnostics_add(reader->diagnostics, respond->grpc_key->place,
                        STR_FMT " answers one message, here are %zu", STR_ARG(method->full_name),
                        respond->messages->count);
        result = READ_FAILED;
    }
    result =
        read_worse(result, grpc_check_message(reader, protos, method->output, respond->message));
    for (size_t i = 0; messages && i < respond->messages->count; i++)
        result =
            read_worse(result, grpc_check_message(reader, protos, method->output, &messages[i]));
    return result;
}

enum read_result grpc_check_respond(struct reader *reader, const struct protos *protos,
                                    const struct route_config *route, const struct respond *respond)
{
    const struct proto_method *method = protos ? method_of(protos, route) : NULL;
    return method && !respond->http_key ? check_answer(reader, protos, method, respond) : READ_OK;
}

static enum read_result check_answers(struct reader *reader, const struct protos *protos,
                                      const struct proto_method *method, const struct list *answers)
{
    enum read_result result = READ_OK;
    struct respond *const *blocks = answers->items;
    for (size_t i = 0; i < answers->count; i++)
        if (blocks[i])
            result = read_worse(result, check_answer(reader, protos, method, blocks[i]));
    return result;
}

/** A port without gRPC. */
static enum read_result refuse_grpc(struct reader *reader, const struct list *answers)
{
    enum read_result result = READ_OK;
    struct respond *const *blocks = answers->items;
    for (size_t i = 0; i < answers->count; i++) {
        if (!blocks[i] || !blocks[i]->grpc_key)
            continue;
        diagnostics_add(reader->diagnostics, blocks[i]->grpc_key->place,
                        "this '" STR_FMT "' is of gRPC: the upstream needs the protocol grpc or "
                        "grpcs",
                        STR_ARG(blocks[i]->grpc_key->text));
        result = READ_FAILED;
    }
    return result;
}

static enum read_result refuse_key(struct reader *reader, const struct node *node, const char *key,
                                   const char *why, const char *help)
{
    const struct node_pair *pair = node_find(node, str_of(key));
    if (!pair)
        return READ_OK;
    diagnostics_add(reader->diagnostics, pair->key->place, "%s", why);
    diagnostics_help(reader->diagnostics, "%s", help);
    return READ_FAILED;
}

/** What a grpc upstream cannot have. */
static enum read_result check_keys(struct reader *reader, const struct node *node,
                                   const struct upstream_config *config)
{
    const struct route_config *routes = config->routes.items;
    enum read_result result = READ_OK;
    if (config->forward)
        result = forward_check_grpc(reader, config->forward);
    for (size_t i = 0; i < config->routes.count; i++)
        if (routes[i].forward)
            result = read_worse(result, forward_check_grpc(reader, routes[i].forward));
    if (config->fallback.kind == DEFAULT_ECHO)
        result = read_worse(result, refuse_key(reader, node, "default", "'echo' is of HTTP",
                                               "leave it out: rpcs without a route answer an empty "
                                               "message"));
    return result;
}

/* Ports without protos. */

static const char protos_help[] = "write protos: [FILE.proto], or protosets: [FILE]";

static enum read_result refuse_without_protos(struct reader *reader, struct place place,
                                              struct str what)
{
    diagnostics_add(reader->diagnostics, place, STR_FMT " needs 'protos' or 'protosets'",
                    STR_ARG(what));
    diagnostics_help(reader->diagnostics, "%s", protos_help);
    return READ_FAILED;
}

/** Refuses the keys of a mapping that say something of messages. */
static enum read_result refuse_messages(struct reader *reader, const struct node *node)
{
    static const char *const keys[] = {"json",    "json-subset", "jsonpath",
                                       "message", "messages",    "reflection"};
    enum read_result result = READ_OK;
    if (node && node->kind == NODE_LIST)
        for (size_t i = 0; i < node->count; i++)
            result = read_worse(result, refuse_messages(reader, node->items[i]));
    for (size_t i = 0; node && node->kind == NODE_MAP && i < COUNT_OF(keys); i++) {
        const struct node_pair *pair = node_find(node, str_of(keys[i]));
        if (pair)
            result = read_worse(
                result, refuse_without_protos(reader, pair->key->place,
                                              arena_printf(reader->arena, "'%s'", keys[i])));
    }
    return result;
}

static enum read_result check_route_alone(struct reader *reader, const struct node *node)
{
    const struct node *match = node->kind == NODE_MAP ? node_get(node, "match") : NULL;
    if (!match)
        return READ_OK;
    enum read_result result = refuse_messages(reader, match);
    if (node_get(node, "respond"))
        return read_worse(result, refuse_messages(reader, node_get(node, "respond")));
    if (node_get(node, "forward"))
        return result;
    return read_worse(result,
                      refuse_without_protos(reader, node->place, STR("a route without 'forward'")));
}

enum read_result grpc_check_protos(struct reader *reader, const struct node *node,
                                   const struct upstream_config *config)
{
    const struct node *routes = node_get(node, "routes");
    if (!(upstream_config_speech(config) & SPEECH_GRPC) ||
        grpc_sources_are_named(&config->grpc.sources) || node_get(node, "protos") ||
        node_get(node, "protosets"))
        return READ_OK;
    if (!upstream_config_forwards(config) && !node_get(node, "forward")) {
        diagnostics_add(reader->diagnostics, node->place,
                        "a grpc upstream needs 'protos' or 'protosets'");
        diagnostics_help(reader->diagnostics, "write protos: [FILE.proto]");
        return READ_FAILED;
    }
    enum read_result result = refuse_messages(reader, node);
    result = read_worse(result, refuse_messages(reader, node_get(node, "default")));
    for (size_t i = 0; routes && routes->kind == NODE_LIST && i < routes->count; i++)
        result = read_worse(result, check_route_alone(reader, routes->items[i]));
    return result;
}

enum read_result grpc_check_upstream(struct reader *reader, const struct node *node,
                                     struct upstream_config *config)
{
    const struct route_config *routes = config->routes.items;
    struct grpc_config *grpc = &config->grpc;
    enum read_result result = READ_OK;
    if (!(upstream_config_speech(config) & SPEECH_GRPC)) {
        for (size_t i = 0; i < config->routes.count; i++)
            result = read_worse(result, refuse_grpc(reader, &routes[i].respond));
        return read_worse(result, refuse_grpc(reader, &config->fallback.respond));
    }
    result = check_keys(reader, node, config);
    if (grpc_sources_are_named(&grpc->sources)) {
        grpc->pool = grpc_sources_load(reader, &grpc->sources);
        result = grpc->pool ? result : READ_FAILED;
    }
    /* a switch may leave them out: then those before it stay */
    if (!grpc->pool)
        return result;
    for (size_t i = 0; i < config->routes.count; i++) {
        const struct grpc_pools pools = {&grpc->pool, 1};
        result = read_worse(result, grpc_check_match(reader, &pools, routes[i].match));
        result =
            read_worse(result, check_answers(reader, grpc->pool, method_of(grpc->pool, &routes[i]),
                                             &routes[i].respond));
    }
    return read_worse(result, check_answers(reader, grpc->pool, NULL, &config->fallback.respond));
}
