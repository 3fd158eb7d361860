#include "server/http/respond_private.h"

#include "schema/file.h"
#include "server/fault/fault.h"

#include <string.h>

/* Values of headers. */

static enum read_result values_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    (void)type;
    struct respond_values *values = into;
    bool list = node->kind == NODE_LIST;
    size_t count = list ? node->count : 1;
    values->dropped = node->kind == NODE_NULL;
    if (values->dropped)
        return READ_OK;
    struct template **templates = arena_alloc_array(reader->arena, count, sizeof *templates);
    enum read_result result = READ_OK;
    for (size_t i = 0; i < count; i++)
        result = read_worse(result, reader_read(reader, &type_template,
                                                list ? node->items[i] : node, &templates[i]));
    if (result == READ_OK)
        values->templates = (struct list){.items = templates, .count = count};
    return result;
}

static struct json *values_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    struct arena *arena = schema_arena(writer);
    struct json *list = schema_text(writer, "{\"type\": \"array\"}");
    struct json *text = schema_of(writer, &type_template);
    if (text)
        json_put(arena, list, STR("items"), text);
    struct json *none = schema_text(writer, "{\"type\": \"null\"}");
    return schema_either(writer, text, schema_either(writer, list, none));
}

static const struct type type_values = {
    .name = "a text, a list of texts, or null",
    .size = sizeof(struct respond_values),
    .read = values_read,
    .schema = values_schema,
    .raw = true,
};
static const struct type type_headers = TYPE_MAP(&type_values);

/* Files. */

static const struct {
    const char *ending;
    const char *type;
} content_types[] = {
    {".json", "application/json"},
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".xml", "application/xml"},
    {".csv", "text/csv; charset=utf-8"},
    {".yaml", "application/yaml"},
    {".yml", "application/yaml"},
    {".md", "text/markdown; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".pdf", "application/pdf"},
    {".gz", "application/gzip"},
    {".zip", "application/zip"},
    {".wasm", "application/wasm"},
};

static struct str file_content_type(struct str path)
{
    for (size_t i = 0; i < COUNT_OF(content_types); i++) {
        struct str ending = str_of(content_types[i].ending);
        if (path.size >= ending.size &&
            str_equal_nocase(str_from(path, path.size - ending.size), ending))
            return str_of(content_types[i].type);
    }
    return STR("application/octet-stream");
}

static enum read_result file_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct respond_file *file = arena_alloc(reader->arena, sizeof *file);
    enum read_result result = type->of->read(reader, type->of, node, &file->bytes);
    file->content_type = file_content_type(node_scalar_text(node));
    if (result == READ_OK)
        *(struct respond_file **)into = file;
    return result;
}

static const struct type type_file = {
    .name = "the path of a file",
    .size = sizeof(struct respond_file *),
    .read = file_read,
    .schema = type_of_schema,
    .of = &type_file_bytes,
};

/* Compression. */

static const struct choice compress_choices[] = {
    {"gzip", COMPRESS_GZIP, "gzip (RFC 1952)"},
    {"deflate", COMPRESS_DEFLATE, "deflate in the zlib format (RFC 1950), as RFC 9110 has it"},
    {NULL},
};

static enum read_result compress_read(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    if (!str_is(node_scalar_text(node), "br"))
        return type_choice_read(reader, type, node, into);
    diagnostics_add(reader->diagnostics, node->place,
                    "'compress: br' is part of the language but not of this version");
    return READ_FAILED;
}

static const struct type type_compress = {
    .name = "one of",
    .size = sizeof(int),
    .read = compress_read,
    .schema = type_choice_schema,
    .extra = compress_choices,
};

/* pace, informational, stream, events. */

static enum read_result pace_check(struct reader *reader, const struct node *node, void *into)
{
    const struct respond_pace *pace = into;
    if (pace->chunk > 0)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node_get(node, "chunk")->place,
                    "'chunk' is at least 1 byte");
    return READ_FAILED;
}

static const struct row pace_rows[] = {
    {"chunk", &type_size, offsetof(struct respond_pace, chunk), ROW_REQUIRED, NULL,
     "Bytes of the body sent at once."},
    {"every", &type_duration, offsetof(struct respond_pace, every), ROW_REQUIRED, NULL,
     "Time between two of them."},
};
static const struct table pace_table = {
    TABLE_ROWS("pace", pace_rows),
    .doc = "Dribbles the body: so many bytes at once, the first with the head, the next each time "
           "`every` has passed.",
    .check = pace_check,
};
static const struct type type_pace = TYPE_TABLE(&pace_table, struct respond_pace);
static const struct type type_pace_pointer = TYPE_POINTER(&type_pace);

static enum read_result informational_check(struct reader *reader, const struct node *node,
                                            void *into)
{
    const struct respond_informational *informational = into;
    if (informational->status < 200 && informational->status != 101)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node_get(node, "status")->place,
                    "an informational status is one of 100 to 199, and not 101");
    return READ_FAILED;
}

static const struct row informational_rows[] = {
    {"status", &type_status, offsetof(struct respond_informational, status), ROW_REQUIRED, NULL,
     "100 to 199, without 101."},
    {"headers", &type_headers, offsetof(struct respond_informational, headers), 0, NULL,
     "Its headers; a list repeats."},
};
static const struct table informational_table = {
    TABLE_ROWS("informational", informational_rows),
    .doc = "An answer such as 103 Early Hints, sent at once, before the delay of the final answer.",
    .check = informational_check,
};
static const struct type type_informational =
    TYPE_TABLE(&informational_table, struct respond_informational);
static const struct type type_informational_list = TYPE_LIST(&type_informational);

static enum read_result items_check(struct reader *reader, const struct node *node, void *into)
{
    const struct respond_items *items = into;
    if (!items->json == !items->body) {
        diagnostics_add(reader->diagnostics, node->place,
                        items->json ? "an item is either 'json' or 'body', not both"
                                    : "what is an item? Expected 'json' or 'body'");
        return READ_FAILED;
    }
    return READ_OK;
}

#define ITEM_ROWS                                                                                  \
    {"count",      &type_positive, offsetof(struct respond_items, count),                          \
     ROW_REQUIRED, NULL,           "How many items."},                                             \
        {"every", &type_duration, offsetof(struct respond_items, every),                           \
         0,       "0ms",          "Time between two items; the first comes with the head."},       \
        {"json",                                                                                   \
         &type_json_template,                                                                      \
         offsetof(struct respond_items, json),                                                     \
         0,                                                                                        \
         NULL,                                                                                     \
         "Each item as JSON; templates are resolved for each."},                                   \
    {                                                                                              \
        "body", &type_template, offsetof(struct respond_items, body), 0, NULL,                     \
            "Each item as text; templates are resolved for each."                                  \
    }

static const struct row stream_rows[] = {ITEM_ROWS};
static const struct table stream_table = {
    TABLE_ROWS("stream", stream_rows),
    .doc = "A chunk for each item. An item of json ends with a line feed, one of body is sent as "
           "it is.",
    .check = items_check,
};
static const struct type type_stream = TYPE_TABLE(&stream_table, struct respond_items);
static const struct type type_stream_pointer = TYPE_POINTER(&type_stream);

static const struct row events_rows[] = {
    ITEM_ROWS,
    {"event", &type_template, offsetof(struct respond_items, event), 0, NULL,
     "The name of the events."},
};
static const struct table events_table = {
    TABLE_ROWS("events", events_rows),
    .doc = "Server-sent events: each item is one event, each line of it a `data:` line.",
    .check = items_check,
};
static const struct type type_events = TYPE_TABLE(&events_table, struct respond_items);
static const struct type type_events_pointer = TYPE_POINTER(&type_events);

/* The block. */

static const struct type type_size_range_pointer = TYPE_POINTER(&type_size_range);
static const struct type type_duration_pointer = TYPE_POINTER(&type_duration);
static const struct type type_count_pointer = TYPE_POINTER(&type_count);
static const struct type type_message_pointer = TYPE_POINTER(&grpc_message_type);
static const struct type type_messages = TYPE_LIST(&grpc_message_type);
static const struct type type_messages_pointer = TYPE_POINTER(&type_messages);

static const struct row respond_rows[] = {
    {"status", &grpc_or_http_status_type, offsetof(struct respond, status), 0, "200",
     "The status, from 200 on; of gRPC a name, or {code, message, details}, OK by default."},
    {"reason", &type_template, offsetof(struct respond, reason), 0, NULL,
     "The reason phrase of HTTP/1; the usual one of the status if not written."},
    {"headers", &type_headers, offsetof(struct respond, headers), 0, NULL,
     "Headers: a list of values repeats the header, null drops a default one."},
    {"body", &type_template, offsetof(struct respond, body), 0, NULL, "The body as text."},
    {"json", &type_json_template, offsetof(struct respond, json), 0, NULL, "The body as JSON."},
    {"file", &type_file, offsetof(struct respond, file), 0, NULL,
     "The body from a file, relative to the spec's folder; at most 64 MiB, without templates."},
    {"echo", &type_true, offsetof(struct respond, echo), 0, NULL,
     "The body is a JSON object of the request."},
    {"random", &type_size_range_pointer, offsetof(struct respond, random), 0, NULL,
     "The body is so many random bytes, drawn from the seed."},
    {"raw", &type_template, offsetof(struct respond, raw), 0, NULL,
     "The exact bytes on the wire instead of an answer made by us; HTTP/1 only."},
    {"stream", &type_stream_pointer, offsetof(struct respond, stream), 0, NULL,
     "The body is a chunk for each item."},
    {"events", &type_events_pointer, offsetof(struct respond, events), 0, NULL,
     "The body is server-sent events."},
    {"delay", &type_duration_pointer, offsetof(struct respond, delay), 0, "0ms",
     "Time before the first byte, beside the delays of route and upstream."},
    {"pace", &type_pace_pointer, offsetof(struct respond, pace), 0, NULL, "Dribbles the body."},
    {"chunked", &type_bool, offsetof(struct respond, chunked), 0, "false",
     "Sends chunks although the length is known."},
    {"content-length", &type_count_pointer, offsetof(struct respond, content_length), 0, NULL,
     "Lies about the length; the connection ends after the body if it is not the body's."},
    {"trailers", &type_headers, offsetof(struct respond, trailers), 0, NULL,
     "Headers after the body; sends chunks."},
    {"informational", &type_informational_list, offsetof(struct respond, informational), 0, NULL,
     "Answers such as 103 that are sent at once, before the delay."},
    {"close", &type_bool, offsetof(struct respond, close), 0, "false",
     "Ends the connection after this answer."},
    {"compress", &type_compress, offsetof(struct respond, compress), 0, NULL,
     "Compresses the body, whatever the request accepts: gzip or deflate."},
    {"message", &type_message_pointer, offsetof(struct respond, message), 0, NULL,
     "The message of gRPC, by the JSON mapping of proto3."},
    {"messages", &type_messages_pointer, offsetof(struct respond, messages), 0, NULL,
     "The messages of a stream of gRPC."},
    {"every", &type_duration_pointer, offsetof(struct respond, every), 0, NULL,
     "Time between two of `messages`."},
    {"metadata", &type_headers, offsetof(struct respond, metadata), 0, NULL,
     "Metadata of gRPC, before the messages."},
    {"fault", &route_faults_type, offsetof(struct respond, faults), 0, NULL,
     "What goes wrong with this answer: a fault, or a list of them."},
};

/** Whether the key is one of a respond block, and not of what includes it. */
static bool respond_row(struct str key)
{
    for (size_t i = 0; i < COUNT_OF(respond_rows); i++)
        if (str_is(key, respond_rows[i].key))
            return true;
    return false;
}

/* Checks of the block as a whole. */

/** Remembers the first key that only gRPC has, and the first that it has not. */
static void note_keys(struct respond *respond, const struct node *node)
{
    static const char *const grpc[] = {"message", "messages", "every", "metadata"};
    static const char *const both[] = {"status", "trailers", "delay", "compress", "fault"};
    for (size_t i = 0; i < node->count; i++) {
        struct str key = node->pairs[i].key->text;
        bool is_grpc = str_is(key, "status") && respond->status.grpc;
        bool is_both = false;
        for (size_t j = 0; j < COUNT_OF(grpc); j++)
            is_grpc = is_grpc || str_is(key, grpc[j]);
        for (size_t j = 0; j < COUNT_OF(both); j++)
            is_both = is_both || str_is(key, both[j]);
        bool is_http = (!is_both && !is_grpc) || (str_is(key, "status") && !is_grpc);
        if (is_grpc && !respond->grpc_key)
            respond->grpc_key = node->pairs[i].key;
        if (is_http && !respond->http_key && respond_row(key))
            respond->http_key = node->pairs[i].key;
    }
}

static enum read_result check_grpc(struct reader *reader, const struct respond *respond,
                                   const struct node *node)
{
    enum read_result result = READ_OK;
    const struct node_pair *every = node_find(node, STR("every"));
    const struct node_pair *messages = node_find(node, STR("messages"));
    if (respond->grpc_key && respond->http_key) {
        diagnostics_add(reader->diagnostics, respond->http_key->place,
                        "'" STR_FMT "' is of HTTP here and '" STR_FMT "' of gRPC",
                        STR_ARG(respond->http_key->text), STR_ARG(respond->grpc_key->text));
        diagnostics_help(reader->diagnostics,
                         "gRPC answers have message, messages, every, metadata, trailers, status "
                         "(a name such as NOT_FOUND), delay, compress");
        result = READ_FAILED;
    }
    if (respond->message && messages) {
        diagnostics_add(reader->diagnostics, messages->key->place,
                        "an answer has either 'message' or 'messages'");
        result = READ_FAILED;
    }
    if (every && !messages) {
        diagnostics_add(reader->diagnostics, every->key->place,
                        "'every' has no effect without 'messages'");
        result = READ_FAILED;
    }
    return result;
}

static const char *const body_keys[] = {"body",   "json", "file",   "echo",
                                        "random", "raw",  "stream", "events"};

/** How a body is sent; without one they have no effect. */
static const char *const body_framing_keys[] = {"pace", "chunked", "trailers", "compress"};

static const struct node_pair *written_pair(const struct node *node, const char *key)
{
    return node_find(node, str_of(key));
}

static enum read_result refuse(struct reader *reader, const struct node_pair *pair, const char *why)
{
    diagnostics_add(reader->diagnostics, pair->key->place, "%s", why);
    return READ_FAILED;
}

static enum read_result check_one_body(struct reader *reader, const struct node *node)
{
    const char *first = NULL;
    for (size_t i = 0; i < COUNT_OF(body_keys); i++) {
        const struct node_pair *pair = written_pair(node, body_keys[i]);
        if (pair && first) {
            diagnostics_add(reader->diagnostics, pair->key->place,
                            "an answer has one body, here are '%s' and '%s'", first, body_keys[i]);
            return READ_FAILED;
        }
        if (pair)
            first = body_keys[i];
    }
    return READ_OK;
}

/** `raw` is the whole answer: no other key of the block would have an effect. */
static enum read_result check_raw(struct reader *reader, const struct node *node)
{
    enum read_result result = READ_OK;
    for (size_t i = 0; i < COUNT_OF(respond_rows); i++) {
        const char *key = respond_rows[i].key;
        const struct node_pair *pair = written_pair(node, key);
        if (!pair || !strcmp(key, "raw") || !strcmp(key, "delay") || !strcmp(key, "close"))
            continue;
        diagnostics_add(reader->diagnostics, pair->key->place,
                        "'raw' is the whole answer: '%s' has no effect", key);
        result = READ_FAILED;
    }
    return result;
}

/** Refuses the first of these keys that is written beside a status without a body. */
static enum read_result check_bodiless(struct reader *reader, const struct node *node,
                                       unsigned status, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct node_pair *pair = written_pair(node, keys[i]);
        if (!pair)
            continue;
        diagnostics_add(reader->diagnostics, pair->key->place,
                        "an answer with status %u has no body", status);
        return READ_FAILED;
    }
    return READ_OK;
}

static enum read_result check_status(struct reader *reader, const struct respond *respond,
                                     const struct node *node)
{
    unsigned status = (unsigned)respond->status.http;
    if (status == 0 || (status >= 200 && !http_status_is_bodiless(status)))
        return READ_OK;
    const struct node_pair *pair = written_pair(node, "status");
    if (status < 200) {
        diagnostics_add(reader->diagnostics, pair->value->place,
                        "status %u is no final answer: use 'informational'", status);
        return READ_FAILED;
    }
    return read_worse(
        check_bodiless(reader, node, status, body_keys, COUNT_OF(body_keys)),
        check_bodiless(reader, node, status, body_framing_keys, COUNT_OF(body_framing_keys)));
}

static bool has_body(const struct node *node)
{
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(body_keys); i++)
        found |= written_pair(node, body_keys[i]) != NULL;
    return found;
}

static enum read_result check_framing(struct reader *reader, const struct respond *respond,
                                      const struct node *node)
{
    enum read_result result = READ_OK;
    const struct node_pair *length = written_pair(node, "content-length");
    const struct node_pair *trailers = written_pair(node, "trailers");
    const struct node_pair *pace = written_pair(node, "pace");
    /* what is told of the status is told once */
    bool bodiless = respond->status.http && http_status_is_bodiless((unsigned)respond->status.http);
    if (length && respond->chunked)
        result = refuse(reader, length, "'content-length' and 'chunked' cannot stand together");
    if (length && trailers)
        result = refuse(reader, trailers,
                        "'trailers' are sent with chunks, 'content-length' is sent without");
    if (length && respond_header(&respond->headers, STR("content-length")))
        result = refuse(reader, length, "'content-length' is written twice, also in 'headers'");
    if (pace && !has_body(node) && !bodiless)
        result = refuse(reader, pace, "'pace' has no effect without a body");
    if (pace && (respond->stream || respond->events))
        result = refuse(reader, pace, "'pace' has no effect here: the items are sent each 'every'");
    return result;
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alphanumeric && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.size > 0;
}

static bool breaks_line(const struct template *template, struct arena *arena)
{
    struct template_context none = {0};
    if (!template || !template_is_constant(template))
        return false;
    struct str text = template_text(template, &none, arena);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == 0)
            return true;
    return false;
}

static enum read_result check_headers(struct reader *reader, const struct list *headers)
{
    enum read_result result = READ_OK;
    const struct map_entry *entries = headers->items;
    for (size_t i = 0; i < headers->count; i++) {
        const struct respond_values *values = entries[i].value;
        struct template *const *templates = values->templates.items;
        if (!is_token(entries[i].name)) {
            diagnostics_add(reader->diagnostics, entries[i].place,
                            "'" STR_FMT "' cannot be the name of a header",
                            STR_ARG(entries[i].name));
            result = READ_FAILED;
        }
        for (size_t j = 0; j < values->templates.count; j++) {
            if (!breaks_line(templates[j], reader->arena))
                continue;
            diagnostics_add(reader->diagnostics, entries[i].place,
                            "the value of a header is one line: use 'raw'");
            result = READ_FAILED;
        }
    }
    return result;
}

static enum read_result check_all_headers(struct reader *reader, const struct respond *respond,
                                          const struct node *node)
{
    enum read_result result = check_headers(reader, &respond->headers);
    result = read_worse(result, check_headers(reader, &respond->trailers));
    const struct respond_informational *informational = respond->informational.items;
    for (size_t i = 0; i < respond->informational.count; i++)
        result = read_worse(result, check_headers(reader, &informational[i].headers));
    if (breaks_line(respond->reason, reader->arena))
        result = refuse(reader, written_pair(node, "reason"), "the reason is one line: use 'raw'");
    if (respond->events && breaks_line(respond->events->event, reader->arena))
        result = refuse(reader, written_pair(node, "events"), "the name of an event is one line");
    return result;
}

static enum read_result respond_check(struct reader *reader, const struct node *node, void *into)
{
    struct respond *respond = into;
    note_keys(respond, node);
    enum read_result result = check_grpc(reader, respond, node);
    if (respond->grpc_key) {
        result = read_worse(result, check_headers(reader, &respond->metadata));
        return read_worse(result, check_headers(reader, &respond->trailers));
    }
    result = read_worse(result, check_one_body(reader, node));
    if (respond->raw)
        result = read_worse(result, check_raw(reader, node));
    else
        result = read_worse(result, check_status(reader, respond, node));
    result = read_worse(result, check_framing(reader, respond, node));
    result = read_worse(result, check_all_headers(reader, respond, node));
    if (result == READ_OK)
        respond_prepare(respond, reader->arena);
    return result;
}

const struct table respond_table = {
    TABLE_ROWS("respond", respond_rows),
    .doc = "One answer: status, headers, one body, and how it is sent. Nothing written: 200 with "
           "an empty body.",
    .check = respond_check,
    .empty_allowed = true,
};
const struct type respond_type = TYPE_TABLE(&respond_table, struct respond);
static const struct type type_respond_pointer = TYPE_POINTER(&respond_type);
const struct type respond_sequence_type = TYPE_ONE_OR_LIST(&type_respond_pointer);

bool respond_is_empty(const struct respond *respond)
{
    const struct respond *r = respond;
    bool body =
        r->body || r->json || r->file || r->echo || r->random || r->raw || r->stream || r->events;
    bool head = r->status.http || r->status.grpc || r->reason || r->headers.count ||
                r->trailers.count || r->informational.count;
    return !body && !head && !r->delay && !r->pace && !r->chunked && !r->content_length &&
           !r->close && !r->compress && !r->faults.count && !r->message && !r->messages &&
           !r->metadata.count;
}

bool respond_is_grpc(const struct respond *respond)
{
    return respond->grpc_key;
}

bool respond_is_http(const struct respond *respond)
{
    return respond->http_key;
}

bool respond_is_constant(const struct respond *respond)
{
    return respond->prepared != NULL;
}

bool respond_fails(const struct respond *respond)
{
    return respond && respond->status.grpc && respond->status.grpc->code != 0;
}

const struct list *respond_faults(const struct respond *respond)
{
    return &respond->faults;
}

const struct duration *respond_delay(const struct respond *respond)
{
    return respond->delay;
}

static enum read_result check_values_path(struct reader *reader, const struct list *headers,
                                          const struct list *names)
{
    enum read_result result = READ_OK;
    const struct map_entry *entries = headers->items;
    for (size_t i = 0; i < headers->count; i++) {
        const struct respond_values *values = entries[i].value;
        struct template *const *templates = values->templates.items;
        for (size_t j = 0; j < values->templates.count; j++)
            result = read_worse(result, template_check_path(reader, templates[j], names));
    }
    return result;
}

static enum read_result check_items_path(struct reader *reader, const struct respond_items *items,
                                         const struct list *names)
{
    if (!items)
        return READ_OK;
    enum read_result result = template_check_path(reader, items->json, names);
    result = read_worse(result, template_check_path(reader, items->body, names));
    return read_worse(result, template_check_path(reader, items->event, names));
}

enum read_result respond_check_path(struct reader *reader, const struct respond *respond,
                                    const struct list *names)
{
    const struct template *const templates[] = {respond->reason, respond->body, respond->json,
                                                respond->raw};
    enum read_result result = READ_OK;
    for (size_t i = 0; i < COUNT_OF(templates); i++)
        result = read_worse(result, template_check_path(reader, templates[i], names));
    result = read_worse(result, check_values_path(reader, &respond->headers, names));
    result = read_worse(result, check_values_path(reader, &respond->trailers, names));
    result = read_worse(result, check_values_path(reader, &respond->metadata, names));
    if (respond->message)
        result = read_worse(result, template_check_path(reader, respond->message->template, names));
    const struct grpc_message_config *messages =
        respond->messages ? respond->messages->items : NULL;
    for (size_t i = 0; messages && i < respond->messages->count; i++)
        result = read_worse(result, template_check_path(reader, messages[i].template, names));
    const struct respond_informational *informational = respond->informational.items;
    for (size_t i = 0; i < respond->informational.count; i++)
        result = read_worse(result, check_values_path(reader, &informational[i].headers, names));
    result = read_worse(result, check_items_path(reader, respond->stream, names));
    return read_worse(result, check_items_path(reader, respond->events, names));
}
