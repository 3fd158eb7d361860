/* What `grpc:` says, as read; and what its .proto files say of it. */
#include "base/base64.h"
#include "runner/client/grpc.h"
#include "server/grpc/framing.h"
#include "server/grpc/metadata.h"
#include "server/proxy/endpoint.h"
#include "server/tls/client.h"

#include <string.h>

/* cancel-after */

static enum read_result cancel_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct grpc_cancel *cancel = into;
    (void)type;
    cancel->written = true;
    if (node->kind == NODE_NUMBER && !str_is(node->text, "0"))
        return reader_read(reader, &type_positive, node, &cancel->messages);
    return reader_read(reader, &type_time, node, &cancel->after_ns);
}

static struct json *cancel_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &type_positive), schema_of(writer, &type_time));
}

static const struct type cancel_type = {
    .name = "a number of messages or a duration",
    .size = sizeof(struct grpc_cancel),
    .read = cancel_read,
    .schema = cancel_schema,
};

/* rpc */

static enum read_result rpc_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct str *rpc = into;
    enum read_result result = type_string.read(reader, type, node, rpc);
    if (result != READ_OK)
        return result;
    if (str_starts(*rpc, STR("/")))
        *rpc = str_from(*rpc, 1);
    ptrdiff_t slash = str_find_byte(*rpc, '/');
    if (slash > 0 && (size_t)slash + 1 < rpc->size &&
        str_find_byte(str_from(*rpc, (size_t)slash + 1), '/') < 0)
        return READ_OK;
    *rpc = (struct str){0};
    return reader_expected(reader, node, type->name);
}

static const struct type rpc_type = {
    .name = "a method such as shop.Orders/Place",
    .size = sizeof(struct str),
    .read = rpc_read,
};

/* metadata */

static const struct type values_type = TYPE_ONE_OR_LIST(&type_text);
static const struct type metadata_type = TYPE_MAP(&values_type);
static const struct type messages_type = TYPE_LIST(&type_json);
static const struct type every_type = TYPE_POINTER(&type_duration);

static bool key_is_good(struct str key)
{
    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !strchr("_-.", c))
            return false;
    }
    return key.size > 0;
}

/** What this side sends by itself. */
static bool key_is_ours(struct str key)
{
    static const char *const names[] = {"te",      "content-type", "content-length",
                                        "host",    "connection",   "transfer-encoding",
                                        "upgrade", "keep-alive",   "proxy-connection"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_nocase(key, str_of(names[i])))
            return true;
    return str_equal_nocase(str_slice(key, 0, 5), STR("grpc-"));
}

static bool value_is_good(struct str value)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] < ' ' || value.data[i] > '~')
            return false;
    return true;
}

static enum read_result metadata_check(struct reader *reader, const struct map_entry *entry)
{
    const struct list *values = entry->value;
    const struct str *texts = values->items;
    bool binary = grpc_metadata_is_binary(entry->name);
    struct str bytes;
    if (entry->failed)
        return READ_FAILED;
    if (!key_is_good(entry->name) || key_is_ours(entry->name)) {
        diagnostics_add(reader->diagnostics, entry->place,
                        key_is_good(entry->name)
                            ? "'" STR_FMT "' is no metadata: the client sends it by itself"
                            : "'" STR_FMT "' is no name of metadata: letters, digits, '_', '-' "
                              "and '.'",
                        STR_ARG(entry->name));
        return READ_FAILED;
    }
    for (size_t i = 0; i < values->count; i++) {
        bool good = binary ? base64_read(reader->arena, texts[i], &bytes) : value_is_good(texts[i]);
        if (good)
            continue;
        diagnostics_add(reader->diagnostics, entry->node ? entry->node->place : entry->place,
                        binary ? "the value of '" STR_FMT "' is bytes: it is written as Base64"
                               : "the value of '" STR_FMT "' holds more than printable ASCII",
                        STR_ARG(entry->name));
        if (!binary)
            diagnostics_help(reader->diagnostics,
                             "bytes stand in metadata whose name ends with '-bin', as Base64");
        return READ_FAILED;
    }
    return READ_OK;
}

/* max-message, compress */

static enum read_result most_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    uint64_t size = 0;
    enum read_result result = reader_read(reader, &type_size, node, &size);
    if (result != READ_OK)
        return result;
    if (size > GRPC_MOST_MESSAGE)
        return reader_expected(reader, node, type->name);
    *(uint64_t *)into = size;
    return READ_OK;
}

static struct json *most_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_size);
}

static const struct type most_type = {
    .name = "a size up to 64MiB",
    .size = sizeof(uint64_t),
    .read = most_read,
    .schema = most_schema,
};

static const struct choice compress_choices[] = {
    {"gzip", GRPC_GZIP, "by gzip"},
    {NULL},
};
static const struct type compress_type = TYPE_CHOICE(compress_choices);

static void grpc_preset(void *into)
{
    ((struct grpc_request *)into)->max_message = GRPC_MOST_MESSAGE;
}

static const struct row grpc_rows[] = {
    {"target", &endpoint_type, offsetof(struct grpc_request, target), ROW_REQUIRED, NULL,
     "Where to: a port of the run by name, host:port, or unix:PATH."},
    {"rpc", &rpc_type, offsetof(struct grpc_request, rpc), ROW_REQUIRED, NULL,
     "The method: package.Service/Method."},
    {"protos", &grpc_files_type, offsetof(struct grpc_request, sources.protos), 0,
     "the far side's reflection", "The .proto files that define it; compiled with protoc."},
    {"protosets", &grpc_files_type, offsetof(struct grpc_request, sources.protosets), 0, NULL,
     "The same, compiled: files of a FileDescriptorSet (protoc --include_imports "
     "--descriptor_set_out)."},
    {"import-paths", &grpc_files_type, offsetof(struct grpc_request, sources.imports), 0, NULL,
     "Folders in which .proto files and what they import are looked for."},
    {"message", &type_json, offsetof(struct grpc_request, message), 0, "one without fields",
     "The message that is sent, by the proto3 JSON mapping."},
    {"messages", &messages_type, offsetof(struct grpc_request, messages), 0, NULL,
     "Those that a client's stream sends."},
    {"every", &every_type, offsetof(struct grpc_request, every), 0, "no pause",
     "The pause between two messages."},
    {"metadata", &metadata_type, offsetof(struct grpc_request, metadata), 0, NULL,
     "Name to value, or to several; the values of a name that ends with -bin are written as "
     "Base64."},
    {"deadline", &type_time_positive, offsetof(struct grpc_request, deadline_ns), 0, "none",
     "The longest the call may take: sent as grpc-timeout, and kept by this side."},
    {"max-message", &most_type, offsetof(struct grpc_request, max_message), 0, "64MiB",
     "The largest message that is taken: RESOURCE_EXHAUSTED and the error body-too-large beyond."},
    {"compress", &compress_type, offsetof(struct grpc_request, compress), 0, "not at all",
     "How the messages that are sent are compressed."},
    {"tls", &tcp_tls_type, offsetof(struct grpc_request, tls), 0, "as the port of the run does",
     "TLS: true, false, or how it is spoken. ALPN offers h2 unless `alpn` says otherwise."},
    {"authority", &type_string, offsetof(struct grpc_request, authority), 0, "host:port",
     "What is sent as :authority."},
    {"cancel-after", &cancel_type, offsetof(struct grpc_request, cancel), 0, "never",
     "The client cancels the call once so many messages came, or after a time."},
};

static const struct table grpc_table = {
    TABLE_ROWS("grpc", grpc_rows),
    .doc = "A call of a gRPC method.",
    .preset = grpc_preset,
};
static const struct type grpc_table_type = TYPE_TABLE(&grpc_table, struct grpc_request);

/* What the types say. */

const char *grpc_request_wrong_count(const struct grpc_request *request,
                                     const struct proto_method *method)
{
    if (method->client_streaming || !request->several || request->messages.count == 1)
        return NULL;
    return "takes one message, as 'message'; only a method with a stream of the client takes "
           "several";
}

const struct json **grpc_request_messages(const struct grpc_request *request,
                                          const struct proto_method *method, struct arena *arena,
                                          size_t *count)
{
    struct json *const *several = request->messages.items;
    const struct json **messages =
        arena_alloc_array(arena, request->messages.count + 1, sizeof *messages);
    *count = request->several ? request->messages.count : 1;
    for (size_t i = 0; i < request->messages.count; i++)
        messages[i] = several[i];
    if (!request->several && request->message)
        messages[0] = request->message;
    else if (!request->several && method->client_streaming)
        *count = 0;
    else if (!request->several)
        messages[0] = json_object(arena);
    return messages;
}

const struct message_encoding *grpc_request_encoding(const struct grpc_request *request,
                                                     const struct proto_method *method)
{
    static const struct message_encoding bare = {.fill_required = true};
    bool written = request->message || request->several;
    return written || method->input->known == PROTO_PLAIN ? NULL : &bare;
}

static enum read_result message_check(struct reader *reader, const struct grpc_request *request,
                                      const struct json *message, const struct node *node)
{
    struct message_problems problems = {.arena = reader->arena};
    struct buf bytes;
    buf_init(&bytes, GRPC_MOST_MESSAGE);
    int error = message_encode(request->types, request->method->input, message,
                               grpc_request_encoding(request, request->method), &bytes, &problems);
    buf_clear(&bytes);
    for (const struct message_problem *p = problems.first; p; p = p->next) {
        struct place place = node->place;
        if (p->line)
            place = (struct place){
                .source = node->place.source, .line = p->line, .column = p->column, .width = 1};
        diagnostics_add(reader->diagnostics, place, STR_FMT, STR_ARG(p->message));
        if (p->help.size)
            diagnostics_help(reader->diagnostics, STR_FMT, STR_ARG(p->help));
    }
    return error ? READ_FAILED : READ_OK;
}

static enum read_result messages_check(struct reader *reader, const struct node *node,
                                       const struct grpc_request *request)
{
    const struct node *one = node_get(node, "message");
    const struct node *several = node_get(node, "messages");
    const char *wrong = grpc_request_wrong_count(request, request->method);
    struct json *const *messages = request->messages.items;
    enum read_result result = READ_OK;
    if (wrong) {
        diagnostics_add(reader->diagnostics, node_find(node, STR("messages"))->key->place,
                        "'" STR_FMT "' %s", STR_ARG(request->rpc), wrong);
        return READ_FAILED;
    }
    if (one && request->message)
        return message_check(reader, request, request->message, one);
    if (!one && !several && !request->method->client_streaming) {
        result = message_check(reader, request, json_object(reader->arena), node);
        if (result != READ_OK)
            diagnostics_help(reader->diagnostics, "without 'message' one without fields is sent");
        return result;
    }
    for (size_t i = 0; several && i < request->messages.count; i++) {
        bool own = several->kind == NODE_LIST && several->count == request->messages.count;
        if (!messages[i])
            continue;
        result = read_worse(
            result, message_check(reader, request, messages[i], own ? several->items[i] : several));
    }
    return result;
}

static enum read_result method_check(struct reader *reader, const struct node *node,
                                     struct grpc_request *request)
{
    request->method = protos_method(request->types, request->rpc);
    if (request->method)
        return READ_OK;
    struct nearest nearest = protos_nearest_method(request->types, request->rpc, reader->arena);
    diagnostics_add(reader->diagnostics, node_get(node, "rpc")->place,
                    "no method is called '" STR_FMT "' in the %s of this step",
                    STR_ARG(request->rpc), request->sources.protos.count ? "protos" : "protosets");
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    return READ_FAILED;
}

/** Whether a key was read, and not left for later or wrong. */
static bool files_are_read(const struct node *node, const struct list *list)
{
    const struct grpc_file *files = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (!files[i].path.data)
            return false;
    return !node || list->count;
}

static enum read_result types_check(struct reader *reader, const struct node *node,
                                    struct grpc_request *request)
{
    const struct grpc_sources *sources = &request->sources;
    const struct node *protos = node_get(node, "protos");
    const struct node *protosets = node_get(node, "protosets");
    const struct node *imports = node_get(node, "import-paths");
    if (!protos && !protosets && imports) {
        diagnostics_add(reader->diagnostics, node_find(node, STR("import-paths"))->key->place,
                        "'import-paths' goes with 'protos'");
        return READ_FAILED;
    }
    if (!grpc_sources_are_named(sources) || !files_are_read(protos, &sources->protos) ||
        !files_are_read(protosets, &sources->protosets) ||
        !files_are_read(imports, &sources->imports))
        return READ_OK;
    request->types = grpc_sources_load(reader, sources);
    if (!request->types)
        return READ_FAILED;
    if (!request->rpc.data)
        return READ_OK;
    enum read_result result = method_check(reader, node, request);
    return result == READ_OK ? messages_check(reader, node, request) : result;
}

/** What is known is checked also where other parts are known only during the run. */
static enum read_result grpc_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct grpc_request *request = into;
    (void)type;
    enum read_result result = reader_read_table(reader, &grpc_table, node, request);
    if (node->kind != NODE_MAP)
        return result;
    const struct node_pair *one = node_find(node, STR("message"));
    const struct node_pair *several = node_find(node, STR("messages"));
    const struct node_pair *every = node_find(node, STR("every"));
    const struct node *rpc = node_get(node, "rpc");
    request->several = several != NULL;
    request->rpc_place = rpc ? rpc->place : node->place;
    request->message_place = one       ? one->value->place
                             : several ? several->value->place
                                       : node->place;
    if (one && several) {
        diagnostics_add(reader->diagnostics, several->key->place,
                        "'messages' does not go with 'message'");
        result = READ_FAILED;
    }
    if (every && !several) {
        diagnostics_add(reader->diagnostics, every->key->place, "'every' goes with 'messages'");
        result = READ_FAILED;
    }
    const struct map_entry *entries = request->metadata.items;
    for (size_t i = 0; i < request->metadata.count; i++)
        result = read_worse(result, metadata_check(reader, &entries[i]));
    return read_worse(result, types_check(reader, node, request));
}

static struct json *grpc_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &grpc_table_type);
}

const struct type grpc_type = {
    .raw = true,
    .name = "a mapping such as {target: api, rpc: shop.Orders/Place}",
    .size = sizeof(struct grpc_request),
    .read = grpc_read,
    .schema = grpc_schema,
    .of = &grpc_table_type,
};

struct str grpc_title(struct arena *arena, const struct node *value)
{
    const struct node *rpc = value->kind == NODE_MAP ? node_get(value, "rpc") : NULL;
    return arena_printf(arena, "grpc " STR_FMT, STR_ARG(rpc ? node_scalar_text(rpc) : STR("")));
}
