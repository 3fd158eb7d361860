/* Reading a `match`: its short form, its mapping, its rows. */
#include "server/http/match_private.h"

/** The place of a part of a scalar's text; the scalar's own where the text is not written as it
 * reads. */
static struct place part_place(const struct node *node, size_t offset, size_t size)
{
    struct str text = node_scalar_text(node);
    size_t quote = node->quoted ? 1 : 0;
    if (node->place.width != str_characters(text) + 2 * quote)
        return node->place;
    return place_inside(node->place, (uint32_t)(str_characters(str_slice(text, 0, offset)) + quote),
                        (uint32_t)str_characters(str_slice(text, offset, size)));
}

static enum read_result fault(struct reader *reader, struct place place, struct str message,
                              const char *help)
{
    diagnostics_add(reader->diagnostics, place, STR_FMT, STR_ARG(message));
    if (help)
        diagnostics_help(reader->diagnostics, "%s", help);
    return READ_FAILED;
}

/** Whether the text is a token of RFC 9110: what a method or the name of a header is. */
static bool is_token(struct str text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool digit = byte >= '0' && byte <= '9';
        if (!letter && !digit && str_find_byte((struct str){marks, sizeof marks - 1}, byte) < 0)
            return false;
    }
    return text.size > 0;
}

static struct str in_upper_case(struct arena *arena, struct str text)
{
    char *upper = arena_alloc(arena, text.size + 1);
    for (size_t i = 0; i < text.size; i++)
        upper[i] =
            (char)(text.data[i] >= 'a' && text.data[i] <= 'z' ? text.data[i] - 32 : text.data[i]);
    return (struct str){upper, text.size};
}

/** Methods have a case, and all that are known are in upper case. */
static enum read_result method_check(struct reader *reader, struct str method, struct place place,
                                     const char *behind)
{
    struct arena *arena = reader->arena;
    struct str shown = str_slice(method, 0, 40);
    bool any = str_is(method, "*");
    if (any || !is_token(method))
        return fault(reader, place,
                     arena_printf(arena, "'" STR_FMT "' is no method", STR_ARG(shown)),
                     any ? "leave it out for any method" : NULL);
    struct str upper = in_upper_case(arena, method);
    if (str_equal(upper, method))
        return READ_OK;
    return fault(
        reader, place,
        arena_printf(arena, "method '" STR_FMT "' is not in upper case", STR_ARG(shown)),
        arena_printf(arena, "write " STR_FMT "%s", STR_ARG(str_slice(upper, 0, 40)), behind).data);
}

/* method */

struct method_reading {
    struct reader *reader;
    struct match_method *method;
    enum read_result result;
};

static void method_add(struct arena *arena, struct match_method *method, struct str name)
{
    arena_grow(arena, &method->names, method->count, &method->capacity, sizeof *method->names);
    method->names[method->count++] = name;
}

static void method_literal(void *context, struct str literal, struct place place)
{
    struct method_reading *reading = context;
    method_add(reading->reader->arena, reading->method, literal);
    reading->result =
        read_worse(reading->result, method_check(reading->reader, literal, place, ""));
}

static enum read_result read_method(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct match_method *method = into;
    struct match_method found = {0};
    struct method_reading reading = {reader, &found, READ_OK};
    (void)type;
    if (node->kind == NODE_LIST && node->count == 0)
        return fault(reader, node->place, STR("an empty list of methods"), NULL);
    enum read_result result = reader_read(reader, &type_predicate_choice, node, &found.predicate);
    if (result != READ_OK)
        return result;
    predicate_visit_literals(found.predicate, method_literal, &reading);
    if (node->kind == NODE_MAP)
        found.count = 0;
    else
        found.predicate = NULL;
    *method = found;
    return reading.result;
}

static struct json *schema_method(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_predicate_choice);
}

static const struct type type_method = {
    .name = "a method, a list of methods, or a predicate",
    .size = sizeof(struct match_method),
    .read = read_method,
    .schema = schema_method,
};

/* path */

/** Reads the template that is the scalar's text from `offset` on. */
static enum read_result read_path_template(struct reader *reader, const struct node *node,
                                           size_t offset, struct match_path *path)
{
    struct path_error error;
    struct str text = str_from(node_scalar_text(node), offset);
    path->template = path_template_read(reader->arena, text, &error);
    if (path->template)
        return READ_OK;
    return fault(reader, part_place(node, offset + error.offset, error.size), error.message,
                 error.help);
}

static enum read_result read_path(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct match_path *path = into;
    if (node->kind == NODE_MAP)
        return reader_read(reader, &type_predicate_text, node, &path->predicate);
    if (!node_is_scalar(node) || node_scalar_text(node).size == 0)
        return reader_expected(reader, node, type->name);
    return read_path_template(reader, node, 0, path);
}

static struct json *schema_path(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_predicate_text);
}

static const struct type type_path = {
    .name = "a path such as /foo/{id}, or a predicate",
    .size = sizeof(struct match_path),
    .read = read_path,
    .schema = schema_path,
};

/* rpc */

static bool is_rpc(struct str text)
{
    ptrdiff_t slash = str_find_byte(text, '/');
    char before = '.';
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool digit = c >= '0' && c <= '9';
        bool mark = c == '.' || (ptrdiff_t)i == slash;
        bool begins = before == '.' || before == '/';
        if (mark ? begins : !letter && (begins || !digit))
            return false;
        before = c;
    }
    return slash > 0 && before != '/' && before != '.' &&
           str_find_byte(str_from(text, (size_t)slash), '.') < 0;
}

static enum read_result read_rpc(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    if (node->kind != NODE_STRING)
        return reader_expected(reader, node, type->name);
    if (!is_rpc(text)) {
        diagnostics_add(reader->diagnostics, node->place, "'" STR_FMT "' is no rpc",
                        STR_ARG(reader_shown(reader, text)));
        diagnostics_help(reader->diagnostics, "write package.Service/Method");
        return READ_FAILED;
    }
    *(struct str *)into = arena_copy(reader->arena, text);
    return READ_OK;
}

static struct json *schema_rpc(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 3}");
}

const struct type type_rpc = {
    .name = "an rpc: package.Service/Method",
    .size = sizeof(struct str),
    .read = read_rpc,
    .schema = schema_rpc,
};

/** An rpc is a path of its own kind. */
static void take_rpc(struct reader *reader, struct match *match, struct place place)
{
    struct path_error error;
    match->rpc_place = place;
    match->path.template = path_template_read(
        reader->arena, arena_printf(reader->arena, "/" STR_FMT, STR_ARG(match->rpc)), &error);
    GOTO_ASSERT(match->path.template);
}

static enum read_result read_match_rpc(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    struct match *match = arena_alloc(reader->arena, sizeof *match);
    enum read_result result = read_rpc(reader, type, node, &match->rpc);
    if (result != READ_OK)
        return result;
    match->place = node->place;
    take_rpc(reader, match, node->place);
    *(struct match **)into = match;
    return READ_OK;
}

const struct type type_match_rpc = {
    .name = "an rpc: package.Service/Method",
    .size = sizeof(struct match *),
    .read = read_match_rpc,
    .schema = schema_rpc,
};

/* The rows. */

static const struct type type_fields = TYPE_MAP(&type_predicate_text);
static const struct type type_chance = TYPE_POINTER(&type_share);

static const struct row match_rows[] = {
    {"method", &type_method, offsetof(struct match, method), 0, NULL,
     "The method, a list of which it is one, or a predicate. GET does not match HEAD."},
    {"path", &type_path, offsetof(struct match, path), 0, NULL,
     "A template with `{name}` for a segment, `{name:regex}`, `{name*}` for the rest and `*` for "
     "anything at the end; or a predicate on the decoded path."},
    {"rpc", &type_rpc, offsetof(struct match, rpc), 0, NULL,
     "The rpc of gRPC: package.Service/Method, in place of a path."},
    {"metadata", &type_fields, offsetof(struct match, metadata), 0, NULL,
     "Metadata of gRPC, which are headers: name to predicate."},
    {"query", &type_fields, offsetof(struct match, query), 0, NULL,
     "Fields of the query: name to predicate."},
    {"headers", &type_fields, offsetof(struct match, headers), 0, NULL,
     "Headers: name to predicate."},
    {"cookies", &type_fields, offsetof(struct match, cookies), 0, NULL,
     "Cookies: name to predicate."},
    {"form", &type_fields, offsetof(struct match, form), 0, NULL,
     "Fields of a body of application/x-www-form-urlencoded: name to predicate."},
    {NULL, &body_type, offsetof(struct match, body), ROW_INCLUDE, NULL, NULL},
    {"sni", &type_predicate_text, offsetof(struct match, sni), 0, NULL,
     "The server name that TLS asked for."},
    {"client-cert", &type_predicate_text, offsetof(struct match, client_cert), 0, NULL,
     "The subject of the client's certificate, RFC 2253: \"CN=a.example,O=X\"."},
    {"chance", &type_chance, offsetof(struct match, chance), 0, NULL,
     "Only so many of the requests, drawn from the seed."},
    {"not", &type_match, offsetof(struct match, unless), 0, NULL,
     "What must not match as a whole."},
};

/** `query: {}` would hold for everything, which nobody writes on purpose. */
static enum read_result check_fields(struct reader *reader, const struct node *node,
                                     const char *key, const struct list *fields)
{
    const struct node *value = node_get(node, key);
    if (!value || fields->count)
        return READ_OK;
    return fault(reader, value->place, arena_printf(reader->arena, "'%s' is empty", key),
                 "write NAME: PREDICATE in it, or leave the key out");
}

static enum read_result check_header_names(struct reader *reader, const struct list *headers)
{
    enum read_result result = READ_OK;
    const struct map_entry *entries = headers->items;
    for (size_t i = 0; i < headers->count; i++) {
        if (is_token(entries[i].name))
            continue;
        result = fault(reader, entries[i].place,
                       arena_printf(reader->arena, "'" STR_FMT "' cannot be the name of a header",
                                    STR_ARG(str_slice(entries[i].name, 0, 40))),
                       NULL);
    }
    return result;
}

/** `rpc` in place of what else says which path. */
static enum read_result check_rpc(struct reader *reader, const struct node *node,
                                  struct match *match)
{
    static const char *const others[] = {"method", "path", "query", "form"};
    const struct node_pair *rpc = node_find(node, STR("rpc"));
    if (!rpc)
        return READ_OK;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        const struct node_pair *other = node_find(node, str_of(others[i]));
        if (other)
            return fault(
                reader, other->key->place,
                arena_printf(reader->arena, "'%s' and 'rpc' exclude each other", others[i]), NULL);
    }
    take_rpc(reader, match, rpc->value->place);
    return READ_OK;
}

static enum read_result match_check(struct reader *reader, const struct node *node, void *into)
{
    struct match *match = into;
    enum read_result result = check_fields(reader, node, "query", &match->query);
    result = read_worse(result, check_rpc(reader, node, match));
    result = read_worse(result, check_fields(reader, node, "metadata", &match->metadata));
    result = read_worse(result, check_header_names(reader, &match->metadata));
    result = read_worse(result, check_fields(reader, node, "headers", &match->headers));
    result = read_worse(result, check_fields(reader, node, "cookies", &match->cookies));
    result = read_worse(result, check_fields(reader, node, "form", &match->form));
    return read_worse(result, check_header_names(reader, &match->headers));
}

static const struct table match_table = {
    TABLE_ROWS("match", match_rows),
    .doc =
        "Which requests. `GET /path` is short for a method and a path, `/path` for a path with any "
        "method. All keys have to hold.",
    .check = match_check,
};

/* The short form. */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n';
}

/** What was probably meant. */
static const char *short_help(struct str text)
{
    if (str_is(text, "*"))
        return "write /* for any path";
    if (str_find(text, STR("://")) >= 0)
        return "write the path only: the port is the route's upstream";
    return "such as GET /foo/{id}";
}

static enum read_result read_short(struct reader *reader, const struct node *node,
                                   struct match *match)
{
    struct str text = node_scalar_text(node);
    size_t end = 0;
    while (end < text.size && !is_blank(text.data[end]))
        end++;
    size_t path = end;
    while (path < text.size && is_blank(text.data[path]))
        path++;
    struct str word = str_slice(text, 0, end);
    if (str_starts(text, STR("/")))
        return read_path_template(reader, node, 0, &match->path);
    if (path == text.size && is_token(word) && !str_is(word, "*")) {
        struct str upper = in_upper_case(reader->arena, str_slice(word, 0, 40));
        return fault(reader, part_place(node, 0, end),
                     arena_printf(reader->arena, "'" STR_FMT "' is neither METHOD /path nor /path",
                                  STR_ARG(str_slice(word, 0, 40))),
                     arena_printf(reader->arena,
                                  "write " STR_FMT " /path, or {method: " STR_FMT "}",
                                  STR_ARG(upper), STR_ARG(upper))
                         .data);
    }
    if (path == text.size || !str_starts(str_from(text, path), STR("/")))
        return fault(reader, node->place, STR("expected METHOD /path or /path"), short_help(text));
    method_add(reader->arena, &match->method, word);
    enum read_result result = method_check(reader, word, part_place(node, 0, end), " /path");
    return read_worse(result, read_path_template(reader, node, path, &match->path));
}

static enum read_result read_match(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    struct match *match = arena_alloc(reader->arena, sizeof *match);
    enum read_result result;
    if (node->kind == NODE_STRING)
        result = read_short(reader, node, match);
    else if (node->kind == NODE_MAP)
        result = reader_read_table(reader, &match_table, node, match);
    else
        return reader_expected(reader, node, type->name);
    match->place = node->place;
    /* What is known only later leaves its key out; the rest is there to be looked at. */
    if (result != READ_FAILED)
        *(struct match **)into = match;
    return result;
}

static struct json *schema_match(struct schema_writer *writer, const struct type *type)
{
    struct json *text =
        schema_text(writer, "{\"type\": \"string\", \"pattern\": \"^([A-Z0-9!#$%&'*+.^_`|~-]+[ "
                            "\\\\t]+)?/|\\\\$\\\\{\"}");
    return schema_either(writer, text, type_table_schema(writer, type));
}

const struct type type_match = {
    .name = "METHOD /path, /path, or a mapping",
    .size = sizeof(struct match *),
    .read = read_match,
    .schema = schema_match,
    .table = &match_table,
};

/** Whether it asks for what the journal does not keep of a request. */
static bool match_asks_tls(const struct match *match)
{
    for (; match; match = match->unless)
        if (match->sni || match->client_cert)
            return true;
    return false;
}

static enum read_result read_recorded(struct reader *reader, const struct type *type,
                                      const struct node *node, void *into)
{
    struct match *match = NULL;
    enum read_result result = read_match(reader, type, node, &match);
    if (match)
        *(struct match **)into = match;
    if (!match_asks_tls(match))
        return result;
    return fault(
        reader, node->place,
        STR("'sni' and 'client-cert' are for routes: a recorded request does not hold them"),
        "ask for them by verify: handshakes");
}

const struct type type_match_recorded = {
    .name = "METHOD /path, /path, or a mapping",
    .size = sizeof(struct match *),
    .read = read_recorded,
    .schema = schema_match,
    .table = &match_table,
};
