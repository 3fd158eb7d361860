#include "server/grpc/respond.h"

#include "server/grpc/framing.h"
#include "server/grpc/message.h"
#include "server/grpc/status.h"
#include "server/grpc/wire.h"
#include "server/http/template.h"

/* Messages. */

static struct json *placed(struct json *value, const struct node *node)
{
    value->line = node->place.line;
    value->column = node->place.column;
    return value;
}

/** The value with the places of its parts. */
static struct json *shape_of(struct arena *arena, const struct node *node)
{
    struct json *value;
    if (node->kind == NODE_LIST) {
        value = json_array(arena);
        for (size_t i = 0; i < node->count; i++)
            json_push(arena, value, shape_of(arena, node->items[i]));
        return placed(value, node);
    }
    if (node->kind == NODE_MAP) {
        value = json_object(arena);
        for (size_t i = 0; i < node->count; i++)
            json_put(arena, value, node->pairs[i].key->text, shape_of(arena, node->pairs[i].value));
        return placed(value, node);
    }
    if (node->kind == NODE_STRING && str_find(node->text, STR("{{")) >= 0) {
        value = json_null(arena);
        value->boolean = true;
        return placed(value, node);
    }
    return placed(node_to_json(arena, node), node);
}

static enum read_result message_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct grpc_message_config *message = into;
    const struct node *resolved;
    (void)type;
    enum read_result result = reader_read(reader, &type_message_template, node, &message->template);
    if (result != READ_OK)
        return result;
    result = reader_resolve_tree(reader, node, &resolved);
    if (result != READ_OK)
        return result;
    message->shape = shape_of(reader->arena, resolved);
    message->place = node->place;
    return READ_OK;
}

const struct type grpc_message_type = {
    .name = "a message as JSON",
    .size = sizeof(struct grpc_message_config),
    .read = message_read,
    .raw = true,
};

/** Whether a template stands at that place: what is wrong with the null in its stead is not. */
static bool is_template_at(const struct json *value, uint32_t line, uint32_t column)
{
    if (value->kind == JSON_NULL)
        return value->boolean && value->line == line && value->column == column;
    for (size_t i = 0; value->kind == JSON_ARRAY && i < value->count; i++)
        if (is_template_at(value->elements[i], line, column))
            return true;
    for (size_t i = 0; value->kind == JSON_OBJECT && i < value->count; i++)
        if (is_template_at(value->members[i].value, line, column))
            return true;
    return false;
}

static bool is_about_name(const struct message_problem *problem)
{
    return str_find(problem->message, STR("no such field")) >= 0 || problem->help.size;
}

static enum read_result tell_problems(struct reader *reader,
                                      const struct grpc_message_config *message,
                                      const struct message_problems *problems)
{
    enum read_result result = READ_OK;
    for (const struct message_problem *p = problems->first; p; p = p->next) {
        if (is_template_at(message->shape, p->line, p->column) && !is_about_name(p))
            continue;
        struct place place = message->place;
        if (p->line) {
            place.line = p->line;
            place.column = p->column;
            place.width = 1;
        }
        diagnostics_add(reader->diagnostics, place, STR_FMT, STR_ARG(p->message));
        if (p->help.size)
            diagnostics_help(reader->diagnostics, STR_FMT, STR_ARG(p->help));
        result = READ_FAILED;
    }
    return result;
}

enum read_result grpc_check_message(struct reader *reader, const struct protos *protos,
                                    const struct proto_message *type,
                                    struct grpc_message_config *message)
{
    struct message_problems problems = {.arena = reader->arena};
    struct buf bytes;
    if (!message || !message->shape ||
        (message->shape->kind == JSON_NULL && message->shape->boolean))
        return READ_OK;
    buf_init(&bytes, BUF_OWN);
    size_t frame = grpc_frame_open(&bytes);
    int error = message_encode(protos, type, message->shape, NULL, &bytes, &problems);
    grpc_frame_close(&bytes, frame);
    if (!error && message->template && template_is_constant(message->template)) {
        message->encoded = arena_copy(reader->arena, buf_str(&bytes));
        message->encoded_as = type;
    }
    buf_clear(&bytes);
    return error ? tell_problems(reader, message, &problems) : READ_OK;
}

/* Statuses. */

static enum read_result code_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    int code = grpc_status_code(text);
    uint64_t number;
    if (node->kind == NODE_NUMBER && str_to_u64(text, INT32_MAX, &number))
        code = (int)number;
    if (code < 0 && node->kind != NODE_STRING)
        return reader_expected(reader, node, type->name);
    if (code < 0) {
        struct nearest nearest = grpc_status_nearest(text);
        diagnostics_add(reader->diagnostics, node->place, "gRPC has no status '" STR_FMT "'",
                        STR_ARG(reader_shown(reader, text)));
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
        return READ_FAILED;
    }
    *(int *)into = code;
    return READ_OK;
}

static struct json *code_schema(struct schema_writer *writer, const struct type *type)
{
    struct arena *arena = schema_arena(writer);
    struct json *schema = json_object(arena);
    struct json *names = json_array(arena);
    (void)type;
    for (int code = 0; code < GRPC_STATUS_COUNT; code++)
        json_push(arena, names, json_string(arena, str_of(grpc_status_name(code))));
    json_put(arena, schema, STR("enum"), names);
    return schema_either(writer, schema, schema_text(writer, "{\"type\": \"integer\"}"));
}

static const struct type type_code = {
    .name = "a status of gRPC such as NOT_FOUND",
    .size = sizeof(int),
    .read = code_read,
    .schema = code_schema,
};
static const struct type type_details = TYPE_LIST(&grpc_message_type);

static const struct row status_rows[] = {
    {"code", &type_code, offsetof(struct grpc_status_config, code), ROW_REQUIRED, NULL,
     "The status: a name, or any number."},
    {"message", &type_template, offsetof(struct grpc_status_config, message), 0, NULL,
     "Its message."},
    {"details", &type_details, offsetof(struct grpc_status_config, details), 0, NULL,
     "Messages, each with its type in `@type`: grpc-status-details-bin."},
};
static const struct table status_table = {
    TABLE_ROWS("status", status_rows),
    .doc = "A status of gRPC with a message and details.",
};
static const struct type type_status_mapping = TYPE_TABLE(&status_table, struct grpc_status_config);

static enum read_result status_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct grpc_or_http_status *status = into;
    (void)type;
    if (node->kind != NODE_MAP && node->kind != NODE_STRING)
        return type_status.read(reader, &type_status, node, &status->http);
    uint64_t number;
    if (node->kind == NODE_STRING && str_to_u64(node->text, UINT32_MAX, &number))
        return type_status.read(reader, &type_status, node, &status->http);
    struct grpc_status_config *grpc = arena_alloc(reader->arena, sizeof *grpc);
    enum read_result result = node->kind == NODE_MAP
                                  ? reader_read(reader, &type_status_mapping, node, grpc)
                                  : code_read(reader, &type_code, node, &grpc->code);
    if (result == READ_OK)
        status->grpc = grpc;
    return result;
}

static struct json *status_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &type_status),
                         schema_either(writer, schema_of(writer, &type_code),
                                       schema_of(writer, &type_status_mapping)));
}

const struct type grpc_or_http_status_type = {
    .name = "a status",
    .size = sizeof(struct grpc_or_http_status),
    .read = status_read,
    .schema = status_schema,
};

/* Details. */

/** The type that a detail says by its `@type`; NULL with *why. */
static const struct proto_message *detail_type(const struct protos *protos,
                                               const struct json *detail, struct arena *arena,
                                               struct str *url, struct str *why)
{
    const struct json *name = detail->kind == JSON_OBJECT ? json_get(detail, STR("@type")) : NULL;
    if (!name || name->kind != JSON_STRING) {
        *why = STR("a detail is an object with its type in '@type'");
        return NULL;
    }
    struct str full = name->text;
    for (ptrdiff_t slash; (slash = str_find_byte(full, '/')) >= 0;)
        full = str_from(full, (size_t)slash + 1);
    *url = full.size == name->text.size
               ? arena_printf(arena, "type.googleapis.com/" STR_FMT, STR_ARG(full))
               : name->text;
    const struct proto_message *type = protos ? protos_message(protos, full) : NULL;
    if (!type)
        *why = arena_printf(arena, "'protos' has no message '" STR_FMT "'", STR_ARG(full));
    return type;
}

/** The detail without its `@type`. */
static const struct json *detail_value(const struct json *detail, struct arena *arena)
{
    struct json *value = json_object(arena);
    value->line = detail->line;
    value->column = detail->column;
    for (size_t i = 0; i < detail->count; i++)
        if (!str_is(detail->members[i].name, "@type"))
            json_put(arena, value, detail->members[i].name, detail->members[i].value);
    return value;
}

enum read_result grpc_check_details(struct reader *reader, const struct protos *protos,
                                    const struct grpc_status_config *status)
{
    enum read_result result = READ_OK;
    const struct grpc_message_config *details = status ? status->details.items : NULL;
    for (size_t i = 0; status && i < status->details.count; i++) {
        struct str url;
        struct str why;
        const struct proto_message *type =
            detail_type(protos, details[i].shape, reader->arena, &url, &why);
        if (!type) {
            diagnostics_add(reader->diagnostics, details[i].place, STR_FMT, STR_ARG(why));
            result = READ_FAILED;
            continue;
        }
        struct grpc_message_config rest = details[i];
        rest.shape = detail_value(details[i].shape, reader->arena);
        result = read_worse(result, grpc_check_message(reader, protos, type, &rest));
    }
    return result;
}

static bool detail_encode(const struct protos *protos, const struct json *detail,
                          struct arena *arena, struct buf *into, struct str *why)
{
    struct message_problems problems = {.arena = arena};
    struct str url;
    const struct proto_message *type = detail_type(protos, detail, arena, &url, why);
    if (!type)
        return false;
    size_t any = wire_open(into, 3);
    wire_put_bytes(into, 1, url);
    size_t value = wire_open(into, 2);
    int error = message_encode(protos, type, detail_value(detail, arena), NULL, into, &problems);
    wire_close(into, value);
    wire_close(into, any);
    if (error)
        *why = problems.first ? problems.first->message : STR("too large");
    return !error;
}

bool grpc_details_encode(const struct protos *protos, const struct grpc_status_config *status,
                         struct str message, struct template_context *context, struct arena *arena,
                         struct buf *into, struct str *why)
{
    const struct grpc_message_config *details = status->details.items;
    wire_put_number(into, 1, WIRE_VARINT, (uint64_t)status->code);
    if (message.size)
        wire_put_bytes(into, 2, message);
    for (size_t i = 0; i < status->details.count; i++)
        if (!detail_encode(protos, template_json(details[i].template, context, arena), arena, into,
                           why))
            return false;
    return true;
}
