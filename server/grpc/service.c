#include "server/grpc/service.h"

#include "base/memory.h"
#include "schema/file.h"
#include "server/grpc/protoc.h"
#include "server/http/respond_private.h"
#include "server/http/upstream.h"
#include "server/proxy/forward.h"

#include <stdlib.h>
#include <string.h>

#define PROTOC_NS (INT64_C(30) * 1000000000)

/* Reading. */

static enum read_result file_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct grpc_file *file = into;
    if (node->kind != NODE_STRING || !node->text.size ||
        memchr(node->text.data, 0, node->text.size))
        return reader_expected(reader, node, type->name);
    file->path = place_path(node->place, node->text, reader->arena);
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

/* Loading. */

/** What was compiled before: kept until the program ends, as long as specs are read. */
struct loaded {
    struct loaded *next;
    struct str key;
    struct protos *pool;
};
static struct loaded *loaded_pools;

static void append_paths(struct buf *key, const struct list *files)
{
    const struct grpc_file *items = files->items;
    for (size_t i = 0; i < files->count; i++) {
        buf_append(key, items[i].path);
        buf_append_byte(key, '\0');
    }
    buf_append_byte(key, '\n');
}

static struct str pool_key(struct arena *arena, const struct grpc_config *config)
{
    struct buf key;
    buf_init(&key, BUF_OWN);
    append_paths(&key, &config->protos);
    append_paths(&key, &config->imports);
    append_paths(&key, &config->protosets);
    struct str copy = arena_copy(arena, buf_str(&key));
    buf_clear(&key);
    return copy;
}

static struct protos *find_loaded(struct str key)
{
    for (const struct loaded *loaded = loaded_pools; loaded; loaded = loaded->next)
        if (str_equal(loaded->key, key))
            return loaded->pool;
    return NULL;
}

static void free_loaded(void)
{
    while (loaded_pools) {
        struct loaded *next = loaded_pools->next;
        protos_free(loaded_pools->pool);
        memory_free((char *)(uintptr_t)loaded_pools->key.data);
        memory_free(loaded_pools);
        loaded_pools = next;
    }
}

static void keep_loaded(struct str key, struct protos *pool)
{
    struct loaded *loaded = memory_alloc(sizeof *loaded);
    char *copy = memory_alloc(key.size + 1);
    memcpy(copy, key.data, key.size);
    if (!loaded_pools)
        (void)atexit(free_loaded);
    loaded->key = (struct str){copy, key.size};
    loaded->pool = pool;
    loaded->next = loaded_pools;
    loaded_pools = loaded;
}

static struct str *paths_of(struct arena *arena, const struct list *files)
{
    const struct grpc_file *items = files->items;
    struct str *paths = arena_alloc_array(arena, files->count + 1, sizeof *paths);
    for (size_t i = 0; i < files->count; i++)
        paths[i] = items[i].path;
    return paths;
}

/** The place of the spec that names the file of a remark; of the first file if none does. */
static struct place remark_place(const struct grpc_config *config,
                                 const struct protoc_remark *remark)
{
    const struct grpc_file *items = config->protos.items;
    for (size_t i = 0; i < config->protos.count; i++)
        if (remark->path.size && str_equal(items[i].path, remark->path))
            return items[i].place;
    return items[0].place;
}

static void tell_remarks(struct reader *reader, const struct grpc_config *config,
                         const struct protoc_run *run)
{
    size_t told = 0;
    for (size_t i = 0; i < run->remark_count; i++) {
        const struct protoc_remark *remark = &run->remarks[i];
        struct str file = remark->path.size ? remark->path : remark->file;
        if (remark->warning)
            continue;
        told++;
        struct str where = remark->line
                               ? arena_printf(reader->arena, STR_FMT ":%u:%u: ", STR_ARG(file),
                                              remark->line, remark->column)
                           : file.size ? arena_printf(reader->arena, STR_FMT ": ", STR_ARG(file))
                                       : STR("");
        diagnostics_add(reader->diagnostics, remark_place(config, remark),
                        "the proto does not compile: " STR_FMT STR_FMT, STR_ARG(where),
                        STR_ARG(remark->text));
    }
    if (!told)
        diagnostics_add(reader->diagnostics, remark_place(config, &(struct protoc_remark){0}),
                        "the proto does not compile, and protoc does not say why");
}

static bool compile(struct reader *reader, const struct grpc_config *config, struct str *set)
{
    const struct grpc_file *items = config->protos.items;
    struct protoc_run run = {
        .files = paths_of(reader->arena, &config->protos),
        .file_count = config->protos.count,
        .imports = paths_of(reader->arena, &config->imports),
        .import_count = config->imports.count,
        .timeout_ns = PROTOC_NS,
    };
    switch (protoc_compile(reader->arena, &run)) {
    case PROTOC_DONE:
        *set = run.set;
        return true;
    case PROTOC_WRONG:
        tell_remarks(reader, config, &run);
        return false;
    case PROTOC_MISSING:
        diagnostics_add(reader->diagnostics, items[0].place,
                        "'protos' needs the program protoc, which is not installed");
        diagnostics_help(reader->diagnostics,
                         "install the package protobuf-compiler, or name a compiled file in "
                         "'protosets'");
        reader->diagnostics->harness = true;
        return false;
    case PROTOC_FAILED:
    case PROTOC_LATE:
        break;
    }
    diagnostics_add(reader->diagnostics, items[0].place, "protoc could not be run: " STR_FMT,
                    STR_ARG(run.failure));
    reader->diagnostics->harness = true;
    return false;
}

static bool add_set(struct reader *reader, struct protos *pool, struct str bytes,
                    const struct grpc_file *file)
{
    struct protos_error error;
    if (protos_add_set(pool, bytes, &error) == 0)
        return true;
    diagnostics_add(reader->diagnostics, file->place,
                    "'" STR_FMT "' is no set of descriptors: " STR_FMT " (at byte %zu)",
                    STR_ARG(file->path), STR_ARG(error.message), error.offset);
    diagnostics_help(reader->diagnostics,
                     "such a file is made by protoc --include_imports --descriptor_set_out=FILE");
    return false;
}

/** Reads the files of `protosets` and those that were compiled into a pool. */
static bool fill_pool(struct reader *reader, const struct grpc_config *config, struct protos *pool)
{
    const struct grpc_file *protos = config->protos.items;
    const struct grpc_file *sets = config->protosets.items;
    struct protos_error error;
    struct str bytes;
    if (config->protos.count &&
        (!compile(reader, config, &bytes) || !add_set(reader, pool, bytes, &protos[0])))
        return false;
    for (size_t i = 0; i < config->protosets.count; i++) {
        const char *wrong = file_load(reader->arena, sets[i].path.data, &bytes);
        if (wrong) {
            diagnostics_add(reader->diagnostics, sets[i].place,
                            "cannot read file '" STR_FMT "': %s", STR_ARG(sets[i].path), wrong);
            return false;
        }
        if (!add_set(reader, pool, bytes, &sets[i]))
            return false;
    }
    if (protos_link(pool, &error) == 0)
        return true;
    diagnostics_add(reader->diagnostics, config->protos.count ? protos[0].place : sets[0].place,
                    "the descriptors do not fit together: " STR_FMT, STR_ARG(error.message));
    return false;
}

static enum read_result load_pool(struct reader *reader, struct grpc_config *config)
{
    struct str key = pool_key(reader->arena, config);
    config->pool = find_loaded(key);
    if (config->pool)
        return READ_OK;
    struct protos *pool = protos_new();
    if (!fill_pool(reader, config, pool)) {
        protos_free(pool);
        return READ_FAILED;
    }
    keep_loaded(key, pool);
    config->pool = pool;
    return READ_OK;
}

/* Checking. */

/** The method of a route; NULL: the route names none, or it was told that there is none. */
static enum read_result check_rpc(struct reader *reader, const struct protos *protos,
                                  const struct route_config *route,
                                  const struct proto_method **method)
{
    struct place place;
    struct str rpc = match_rpc(route->match, &place);
    *method = NULL;
    if (!rpc.data)
        return READ_OK;
    *method = protos_method(protos, rpc);
    if (*method)
        return READ_OK;
    struct nearest nearest = protos_nearest_method(protos, rpc, reader->arena);
    diagnostics_add(reader->diagnostics, place, "the protos have no rpc '" STR_FMT "'",
                    STR_ARG(rpc));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
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
    struct place place;
    struct str rpc = match_rpc(route->match, &place);
    const struct proto_method *method = protos && rpc.data ? protos_method(protos, rpc) : NULL;
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
    if (!(upstream_config_speech(config) & SPEECH_GRPC) || config->grpc.protos.count ||
        config->grpc.protosets.count || node_get(node, "protos") || node_get(node, "protosets"))
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
    if (grpc->protos.count || grpc->protosets.count)
        result = read_worse(result, load_pool(reader, grpc));
    /* a switch may leave them out: then those before it stay */
    if (!grpc->pool)
        return result;
    for (size_t i = 0; i < config->routes.count; i++) {
        const struct proto_method *method;
        result = read_worse(result, check_rpc(reader, grpc->pool, &routes[i], &method));
        result = read_worse(result, check_answers(reader, grpc->pool, method, &routes[i].respond));
    }
    return read_worse(result, check_answers(reader, grpc->pool, NULL, &config->fallback.respond));
}
