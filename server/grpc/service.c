#include "server/grpc/service.h"

#include "server/grpc/match.h"
#include "server/http/respond_private.h"
#include "server/http/upstream.h"

#include <string.h>

/* Reading. */

static enum read_result file_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct grpc_file *file = into;
    if (node->kind != NODE_STRING || !node->text.size ||
        memchr(node->text.data, 0, node->text.size))
        return reader_expected(reader, node, type->name);
    file->path = node->text;
    file->place = node->place;
    return READ_OK;
}

static struct json *file_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

static const struct type type_path = {
    .name = "a path",
    .size = sizeof(struct grpc_file),
    .read = file_read,
    .schema = file_schema,
};
static const struct type type_paths = TYPE_ONE_OR_LIST(&type_path);

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
    {"protos", &type_paths, offsetof(struct grpc_config, protos), 0, NULL,
     "The .proto files of a grpc upstream, compiled with protoc when the spec is read."},
    {"import-paths", &type_paths, offsetof(struct grpc_config, imports), 0, NULL,
     "Folders in which .proto files and their imports are looked for."},
    {"protosets", &type_paths, offsetof(struct grpc_config, protosets), 0, NULL,
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
    const struct grpc_message_config *messages =
        respond->messages ? respond->messages->items : NULL;
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
    static const char forward[] = "a grpc upstream answers, it does not forward";
    static const char help[] = "a proxy of gRPC has the protocol h2c or h2";
    enum read_result result = refuse_key(reader, node, "forward", forward, help);
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++) {
        if (!routes[i].forward)
            continue;
        diagnostics_add(reader->diagnostics, routes[i].place, "%s", forward);
        diagnostics_help(reader->diagnostics, "%s", help);
        result = READ_FAILED;
    }
    if (config->fallback.kind == DEFAULT_ECHO)
        result = refuse_key(reader, node, "default", "'echo' is of HTTP",
                            "leave it out: rpcs without a route answer an empty message");
    return result;
}

enum read_result grpc_check_protos(struct reader *reader, const struct node *node,
                                   const struct upstream_config *config)
{
    if (!(upstream_config_speech(config) & SPEECH_GRPC) || config->grpc.protos.count ||
        config->grpc.protosets.count)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place,
                    "a grpc upstream needs 'protos' or 'protosets'");
    diagnostics_help(reader->diagnostics, "write protos: [FILE.proto]");
    return READ_FAILED;
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
    if (grpc->protos.count || grpc->protosets.count) {
        const struct grpc_files files = {&grpc->protos, &grpc->protosets, &grpc->imports};
        grpc->pool = protos_load(reader, &files);
        if (!grpc->pool)
            return READ_FAILED;
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
