/* The keys of `forward:` that only HTTP has. */

#include "server/proxy/forward_private.h"

#include <string.h>

/* Texts. */

/** Whether a text can be the name of a header, or a method (RFC 9110 section 5.6.2). */
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

static struct str constant_text(const struct template *template, struct arena *arena)
{
    struct template_context none = {0};
    return template && template_is_constant(template) ? template_text(template, &none, arena)
                                                      : (struct str){0};
}

static bool breaks_line(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == 0)
            return true;
    return false;
}

static enum read_result path_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    (void)type;
    struct template *path = NULL;
    enum read_result result = reader_read(reader, &type_template, node, &path);
    if (result != READ_OK)
        return result;
    struct str text = node_scalar_text(node);
    bool begins = str_starts(text, STR("/")) || str_starts(text, STR("{{"));
    struct str constant = constant_text(path, reader->arena);
    if (!begins || str_find_byte(constant, '?') >= 0 || str_find_byte(constant, '#') >= 0) {
        diagnostics_add(reader->diagnostics, node->place,
                        begins ? "a path holds no '?' and no '#'" : "a path begins with '/'");
        if (begins && str_find_byte(constant, '?') >= 0)
            diagnostics_help(reader->diagnostics, "write query: {set: {NAME: VALUE}}");
        return READ_FAILED;
    }
    *(struct template **)into = path;
    return READ_OK;
}

static struct json *path_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_template);
}

static const struct type type_path = {
    .name = "a path such as /new/{{ path.x }}",
    .size = sizeof(struct template *),
    .read = path_read,
    .schema = path_schema,
};

static enum read_result method_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    if (!node_is_scalar(node) || !is_token(node_scalar_text(node)) || str_is(node->text, "CONNECT"))
        return reader_expected(reader, node, type->name);
    *(struct str *)into = node_scalar_text(node);
    return READ_OK;
}

static struct json *method_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

static const struct type type_method = {
    .name = "a method such as GET",
    .size = sizeof(struct str),
    .read = method_read,
    .schema = method_schema,
};

/* Edits. */

static const struct type type_values = TYPE_ONE_OR_LIST(&type_template);
static const struct type type_answer_values = TYPE_ONE_OR_LIST(&type_answer_template);
static const struct type type_value_map = TYPE_MAP(&type_values);
static const struct type type_answer_value_map = TYPE_MAP(&type_answer_values);
static const struct type type_names = TYPE_ONE_OR_LIST(&type_text);

#define EDIT_ROWS(values, what)                                                                    \
    {"set", &(values), offsetof(struct forward_edit, set),                                         \
     0,     NULL,      "Puts " what " in the place of all of that name; a list repeats it."},      \
        {"add", &(values), offsetof(struct forward_edit, add),                                     \
         0,     NULL,      "Adds " what " beside those of that name."},                            \
    {                                                                                              \
        "remove", &type_names, offsetof(struct forward_edit, remove), 0, NULL,                     \
            "Takes all of these names away."                                                       \
    }

static enum read_result check_header_name(struct reader *reader, struct str name,
                                          struct place place)
{
    static const char *const framing[] = {"content-length", "transfer-encoding", "connection", "te",
                                          "upgrade",        "keep-alive"};
    if (!is_token(name)) {
        diagnostics_add(reader->diagnostics, place, "'" STR_FMT "' cannot be the name of a header",
                        STR_ARG(reader_shown(reader, name)));
        return READ_FAILED;
    }
    for (size_t i = 0; i < COUNT_OF(framing); i++) {
        if (!str_equal_nocase(name, str_of(framing[i])))
            continue;
        diagnostics_add(reader->diagnostics, place,
                        "'%s' is about one connection: each side has its own", framing[i]);
        diagnostics_help(reader->diagnostics, "a wrong one is a fault: fault: wrong-length");
        return READ_FAILED;
    }
    return READ_OK;
}

static enum read_result check_header_map(struct reader *reader, const struct list *map)
{
    enum read_result result = READ_OK;
    const struct map_entry *entries = map->items;
    for (size_t i = 0; i < map->count; i++) {
        const struct list *values = entries[i].value;
        struct template *const *templates = values->items;
        result = read_worse(result, check_header_name(reader, entries[i].name, entries[i].place));
        for (size_t j = 0; j < values->count; j++) {
            if (!breaks_line(constant_text(templates[j], reader->arena)))
                continue;
            diagnostics_add(reader->diagnostics, entries[i].place,
                            "the value of a header is one line");
            result = READ_FAILED;
        }
    }
    return result;
}

/** Of a list or mapping with nothing in it nobody knows what was meant. */
static enum read_result edit_check(struct reader *reader, const struct node *node, void *into)
{
    static const char *const keys[] = {"set", "add", "remove"};
    enum read_result result = READ_OK;
    (void)into;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const struct node_pair *pair = node_find(node, str_of(keys[i]));
        if (!pair || node_is_scalar(pair->value) || pair->value->count)
            continue;
        diagnostics_add(reader->diagnostics, pair->value->place, "an empty '%s' changes nothing",
                        keys[i]);
        result = READ_FAILED;
    }
    return result;
}

static enum read_result headers_check(struct reader *reader, const struct node *node, void *into)
{
    const struct forward_edit *edit = into;
    const struct str *removed = edit->remove.items;
    const struct node *names = node_get(node, "remove");
    enum read_result result =
        read_worse(check_header_map(reader, &edit->set), check_header_map(reader, &edit->add));
    result = read_worse(result, edit_check(reader, node, into));
    for (size_t i = 0; i < edit->remove.count; i++) {
        bool listed = names->kind == NODE_LIST && i < names->count;
        if (is_token(removed[i]))
            continue;
        diagnostics_add(reader->diagnostics, listed ? names->items[i]->place : names->place,
                        "'" STR_FMT "' cannot be the name of a header",
                        STR_ARG(reader_shown(reader, removed[i])));
        result = READ_FAILED;
    }
    return result;
}

static const struct row query_rows[] = {EDIT_ROWS(type_value_map, "a field")};
static const struct table query_table = {
    TABLE_ROWS("query of a forward", query_rows),
    .doc = "Changes the query: fields that are not named stay as they are.",
    .check = edit_check,
};
static const struct type type_query = TYPE_TABLE(&query_table, struct forward_edit);

static const struct row headers_rows[] = {EDIT_ROWS(type_value_map, "a header")};
static const struct table headers_table = {
    TABLE_ROWS("headers of a forward", headers_rows),
    .doc = "Changes the headers on their way to the far side.",
    .check = headers_check,
};
static const struct type type_headers = TYPE_TABLE(&headers_table, struct forward_edit);

static const struct row answer_headers_rows[] = {EDIT_ROWS(type_answer_value_map, "a header")};
static const struct table answer_headers_table = {
    TABLE_ROWS("headers of an answer", answer_headers_rows),
    .doc = "Changes the headers of the far side's answer.",
    .check = headers_check,
};
static const struct type type_answer_edit = TYPE_TABLE(&answer_headers_table, struct forward_edit);

/** Whether a mapping is one of set, add and remove, and not one of headers. */
static bool is_edit(const struct node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        struct str key = node_scalar_text(node->pairs[i].key);
        if (str_is(key, "set") || str_is(key, "add") || str_is(key, "remove"))
            return true;
    }
    return false;
}

/** Reads a mapping of headers as that of `respond`: a list repeats, null drops. */
static enum read_result answer_plain_read(struct reader *reader, const struct node *node,
                                          struct forward_edit *edit)
{
    enum read_result result = READ_OK;
    struct str *removed = arena_alloc_array(reader->arena, node->count, sizeof *removed);
    struct map_entry *set = arena_alloc_array(reader->arena, node->count, sizeof *set);
    edit->remove.items = removed;
    edit->set.items = set;
    for (size_t i = 0; i < node->count; i++) {
        const struct node_pair *pair = &node->pairs[i];
        if (pair->value->kind == NODE_NULL) {
            removed[edit->remove.count++] = node_scalar_text(pair->key);
            continue;
        }
        struct list *values = arena_alloc(reader->arena, sizeof *values);
        set[edit->set.count++] = (struct map_entry){.name = node_scalar_text(pair->key),
                                                    .place = pair->key->place,
                                                    .node = pair->value,
                                                    .value = values};
        result = read_worse(result, reader_read(reader, &type_answer_values, pair->value, values));
    }
    return result == READ_OK ? check_header_map(reader, &edit->set) : result;
}

static enum read_result answer_headers_read(struct reader *reader, const struct type *type,
                                            const struct node *node, void *into)
{
    (void)type;
    if (node->kind != NODE_MAP || node->count == 0 || is_edit(node))
        return reader_read(reader, &type_answer_edit, node, into);
    return answer_plain_read(reader, node, into);
}

static struct json *answer_headers_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &type_answer_edit),
                         schema_text(writer,
                                     "{\"type\": \"object\", \"propertyNames\": "
                                     "{\"not\": {\"enum\": [\"set\", \"add\", \"remove\"]}}}"));
}

static const struct type type_answer_headers = {
    .name = "a mapping",
    .size = sizeof(struct forward_edit),
    .read = answer_headers_read,
    .schema = answer_headers_schema,
    .raw = true,
};

/* The response. */

static enum read_result status_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    uint64_t status;
    struct template *text = NULL;
    if (!node_is_scalar(node))
        return reader_expected(reader, node, type->name);
    enum read_result result = reader_read(reader, &type_answer_template, node, &text);
    if (result != READ_OK)
        return result;
    struct str constant = constant_text(text, reader->arena);
    if (template_is_constant(text) && (!str_to_u64(constant, 999, &status) || status < 200))
        return reader_expected(reader, node, type->name);
    *(struct template **)into = text;
    return READ_OK;
}

static struct json *status_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(
        writer, schema_text(writer, "{\"type\": \"integer\", \"minimum\": 200, \"maximum\": 999}"),
        schema_text(writer, "{\"type\": \"string\"}"));
}

static const struct type type_answer_status = {
    .name = "a final status from 200 to 999, or a template such as {{ response.status }}",
    .size = sizeof(struct template *),
    .read = status_read,
    .schema = status_schema,
};

static enum read_result replace_check(struct reader *reader, const struct node *node, void *into)
{
    const struct forward_replace *replace = into;
    if (replace->from.size)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node_get(node, "from")->place,
                    "an empty text stands everywhere: what is to be replaced?");
    return READ_FAILED;
}

static const struct row replace_rows[] = {
    {"from", &type_text, offsetof(struct forward_replace, from), ROW_REQUIRED, NULL,
     "The text to be found, as it stands; each of them is replaced."},
    {"to", &type_answer_template, offsetof(struct forward_replace, to), ROW_REQUIRED, NULL,
     "The text in its place."},
};
static const struct table replace_table = {
    TABLE_ROWS("replace", replace_rows),
    .doc = "Replaces texts in the body.",
    .check = replace_check,
};
static const struct type type_replace = TYPE_TABLE(&replace_table, struct forward_replace);
static const struct type type_replaces = TYPE_ONE_OR_LIST(&type_replace);

static const struct choice patch_choices[] = {
    {"add", PATCH_ADD, "puts a value there, or into a list"},
    {"remove", PATCH_REMOVE, "takes it away"},
    {"replace", PATCH_REPLACE, "puts a value in its place"},
    {"move", PATCH_MOVE, "takes what is at `from` and puts it there"},
    {"copy", PATCH_COPY, "puts a copy of what is at `from` there"},
    {"test", PATCH_TEST, "the patch fails unless the value is there"},
    {NULL},
};
static const struct type type_patch_operation = TYPE_CHOICE(patch_choices);

static enum read_result pointer_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    const char *why = NULL;
    struct str text = {0};
    (void)type;
    enum read_result result = reader_read(reader, &type_text, node, &text);
    if (result != READ_OK)
        return result;
    if (!json_pointer_is_valid(text, &why)) {
        diagnostics_add(reader->diagnostics, node->place, "%s", why);
        if (str_starts(text, STR("$.")))
            diagnostics_help(reader->diagnostics, "$.a.b is written /a/b");
        return READ_FAILED;
    }
    *(struct str *)into = text;
    return READ_OK;
}

static struct json *pointer_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\"}");
}

static const struct type type_pointer = {
    .name = "a JSON Pointer such as /a/0",
    .size = sizeof(struct str),
    .read = pointer_read,
    .schema = pointer_schema,
};

static enum read_result patch_check(struct reader *reader, const struct node *node, void *into)
{
    const struct forward_patch *patch = into;
    enum json_patch_operation operation = (enum json_patch_operation)patch->operation;
    bool wants_from = operation == PATCH_MOVE || operation == PATCH_COPY;
    bool wants_value =
        operation == PATCH_ADD || operation == PATCH_REPLACE || operation == PATCH_TEST;
    const struct node_pair *from = node_find(node, STR("from"));
    const struct node_pair *value = node_find(node, STR("value"));
    const char *name = json_patch_name(operation);
    enum read_result result = READ_OK;
    if (wants_from != (from != NULL)) {
        diagnostics_add(reader->diagnostics, from ? from->key->place : node->place,
                        from ? "'%s' has no 'from'" : "'%s' needs 'from'", name);
        result = READ_FAILED;
    }
    if (wants_value != (value != NULL)) {
        diagnostics_add(reader->diagnostics, value ? value->key->place : node->place,
                        value ? "'%s' has no 'value'" : "'%s' needs 'value'", name);
        result = READ_FAILED;
    }
    return result;
}

static const struct row patch_rows[] = {
    {"op", &type_patch_operation, offsetof(struct forward_patch, operation), ROW_REQUIRED, NULL,
     "What is done."},
    {"path", &type_pointer, offsetof(struct forward_patch, path), ROW_REQUIRED, NULL,
     "Where: a JSON Pointer such as /a/0; /a/- is behind the last of a list."},
    {"from", &type_pointer, offsetof(struct forward_patch, from), 0, NULL,
     "Of move and copy: where from."},
    {"value", &type_answer_json_template, offsetof(struct forward_patch, value), 0, NULL,
     "Of add, replace and test; templates are resolved."},
};
static const struct table patch_table = {
    TABLE_ROWS("json-patch", patch_rows),
    .doc = "An operation of JSON Patch (RFC 6902) on the far side's body. One that cannot be done "
           "gives 502.",
    .check = patch_check,
};
static const struct type type_patch = TYPE_TABLE(&patch_table, struct forward_patch);
static const struct type type_patches = TYPE_LIST(&type_patch);

/** Whether anything that is asked for is in a far side's body. */
static bool edit_needs_body(const struct forward_edit *edit)
{
    const struct list *const maps[] = {&edit->set, &edit->add};
    for (size_t m = 0; m < COUNT_OF(maps); m++) {
        const struct map_entry *entries = maps[m]->items;
        for (size_t i = 0; i < maps[m]->count; i++) {
            const struct list *values = entries[i].value;
            struct template *const *templates = values->items;
            for (size_t j = 0; j < values->count; j++)
                if (template_needs_body(templates[j]))
                    return true;
        }
    }
    return false;
}

/** Whether the status that is always given is one without a body. */
static bool gives_no_body(const struct forward_response *response, struct arena *arena,
                          uint64_t *status)
{
    struct str text = constant_text(response->status, arena);
    return text.size && str_to_u64(text, 999, status) && http_status_is_bodiless((unsigned)*status);
}

static enum read_result response_check(struct reader *reader, const struct node *node, void *into)
{
    static const char *const bodies[] = {"body", "json", "replace", "json-patch"};
    struct forward_response *response = into;
    enum read_result result = READ_OK;
    const char *first = NULL;
    uint64_t status = 0;
    bool bodiless = gives_no_body(response, reader->arena, &status);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        const struct node_pair *pair = node_find(node, str_of(bodies[i]));
        if (pair && bodiless) {
            diagnostics_add(reader->diagnostics, pair->key->place,
                            "an answer with status %u has no body", (unsigned)status);
            result = READ_FAILED;
        }
        /* replace and json-patch are done one after the other */
        if (pair && first && !str_is(str_of(first), "replace")) {
            diagnostics_add(reader->diagnostics, pair->key->place,
                            "an answer has one body, here are '%s' and '%s'", first, bodies[i]);
            result = READ_FAILED;
        }
        if (pair && !first)
            first = bodies[i];
    }
    response->makes_body = first != NULL;
    response->reads_body =
        response->replace.count || response->patch.count || template_needs_body(response->status) ||
        template_needs_body(response->body) || template_needs_body(response->json) ||
        edit_needs_body(&response->headers);
    return result;
}

static const struct row response_rows[] = {
    {"status", &type_answer_status, offsetof(struct forward_response, status), 0, NULL,
     "The status instead of the far side's."},
    {"headers", &type_answer_headers, offsetof(struct forward_response, headers), 0, NULL,
     "Headers that are set, added, removed; or a mapping: a list repeats, null drops."},
    {"body", &type_answer_template, offsetof(struct forward_response, body), 0, NULL,
     "The body as text instead of the far side's."},
    {"json", &type_answer_json_template, offsetof(struct forward_response, json), 0, NULL,
     "The body as JSON instead of the far side's."},
    {"replace", &type_replaces, offsetof(struct forward_response, replace), 0, NULL,
     "Texts that are replaced in the far side's body."},
    {"json-patch", &type_patches, offsetof(struct forward_response, patch), 0, NULL,
     "Operations of JSON Patch on the far side's body."},
};
static const struct table response_table = {
    TABLE_ROWS("response of a forward", response_rows),
    .doc = "What the client gets instead of the far side's answer. Templates know it as "
           "`response.…`, those of `calls` by their names. The body is collected only where it "
           "is asked for; one beyond limits.body-size gives 502.",
    .check = response_check,
};
static const struct type type_response = TYPE_TABLE(&response_table, struct forward_response);
static const struct type type_response_pointer = TYPE_POINTER(&type_response);

/* The request, and calls. */

static const struct choice host_choices[] = {
    {"keep", FORWARD_HOST_KEEP, "what the client sent"},
    {"rewrite", FORWARD_HOST_REWRITE, "the far side's own name"},
    {NULL},
};
static const struct type host_type = TYPE_CHOICE(host_choices);

static const struct row request_rows[] = {
    {"path", &type_path, offsetof(struct forward_request, path), 0, NULL,
     "The path instead of the client's, with templates; the query stays."},
    {"query", &type_query, offsetof(struct forward_request, query), 0, NULL,
     "Fields of the query that are set, added, removed."},
    {"headers", &type_headers, offsetof(struct forward_request, headers), 0, NULL,
     "Headers that are set, added, removed."},
    {"host", &host_type, offsetof(struct forward_request, host), 0, "rewrite",
     "HTTP: the host that the far side is told."},
    {"tls", &tls_client_type, offsetof(struct forward_request, tls), 0, NULL,
     "TLS with the far side, as a client has it."},
};
static const struct table request_table = {
    TABLE_ROWS("request of a forward", request_rows),
    .doc = "What a request is changed to on its way to the far side.",
    .empty_allowed = true,
};
static const struct type type_request = TYPE_TABLE(&request_table, struct forward_request);

static enum read_result call_check(struct reader *reader, const struct node *node, void *into)
{
    struct forward_call *call = into;
    const struct node_pair *json = node_find(node, STR("json"));
    call->to_place = node_get(node, "to")->place;
    if (!call->body || !json)
        return READ_OK;
    diagnostics_add(reader->diagnostics, json->key->place,
                    "a request has one body, here are 'body' and 'json'");
    return READ_FAILED;
}

static const struct row call_rows[] = {
    {"to", &endpoint_type, offsetof(struct forward_call, to), ROW_REQUIRED, NULL, "The far side."},
    {"method", &type_method, offsetof(struct forward_call, method), 0, NULL,
     "The method instead of the client's; with GET and HEAD its body is left out."},
    {NULL, &type_request, offsetof(struct forward_call, request), ROW_INCLUDE, NULL, NULL},
    {"body", &type_template, offsetof(struct forward_call, body), 0, NULL,
     "The body as text instead of the client's."},
    {"json", &type_json_template, offsetof(struct forward_call, json), 0, NULL,
     "The body as JSON instead of the client's."},
    {"timeout", &type_time_positive, offsetof(struct forward_call, timeout_ns), 0, NULL,
     "Beyond it the answer is 504; that of the forward if not written."},
};
static const struct table call_table = {
    TABLE_ROWS("call", call_rows),
    .doc = "One of several requests that are made for one. What is not written is as the client's "
           "request has it.",
    .shorthand = "to",
    .check = call_check,
};
static const struct type type_call = TYPE_TABLE(&call_table, struct forward_call);
static const struct type type_calls = TYPE_NAMED_MAP(&type_call);

static const struct type type_hops = TYPE_ONE_OR_LIST(&endpoint_type);

/** Notes where it stands. */
static enum read_result via_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct forward_via *via = into;
    via->place = node->place;
    enum read_result result = reader_read(reader, type->of, node, &via->hops);
    if (result != READ_OK || via->hops.count)
        return result;
    return reader_expected_container(reader, node, "an endpoint or a list of them", "leave it out");
}

static const struct type type_via = {
    .name = "an endpoint or a list of them",
    .size = sizeof(struct forward_via),
    .read = via_read,
    .schema = type_of_schema,
    .of = &type_hops,
    .raw = true,
};

static const struct row http_rows[] = {
    {NULL, &type_request, offsetof(struct forward_http, request), ROW_INCLUDE, NULL, NULL},
    {"response", &type_response_pointer, offsetof(struct forward_http, response), 0, NULL,
     "What the far side's answer is changed to."},
    {"calls", &type_calls, offsetof(struct forward_http, calls), 0, NULL,
     "Several far sides that are asked for one request; `response` says what is made of them."},
    {"tunnel", &type_bool, offsetof(struct forward_http, tunnel), 0, "false",
     "Takes CONNECT and requests with a whole URL, as a proxy does that clients know of."},
    {"via", &type_via, offsetof(struct forward_http, via), 0, NULL,
     "Proxies through which the far side is reached, each by CONNECT; the first one first."},
};
const struct table forward_http_table = {
    TABLE_ROWS("forward of HTTP", http_rows),
    .doc = "What a proxy of HTTP does with requests and answers.",
};

bool forward_http_leads(const struct forward_http *http)
{
    return http->tunnel || http->calls.count;
}

void forward_http_each_endpoint(const struct forward_http *http,
                                void (*each)(void *context, struct str text, struct place place),
                                void *context)
{
    const struct map_entry *calls = http->calls.items;
    for (size_t i = 0; i < http->calls.count; i++) {
        const struct forward_call *call = calls[i].value;
        if (call->to.data)
            each(context, call->to, call->to_place.line ? call->to_place : calls[i].place);
    }
    const struct str *hops = http->via.hops.items;
    for (size_t i = 0; i < http->via.hops.count; i++)
        if (hops[i].data)
            each(context, hops[i], http->via.place);
}
