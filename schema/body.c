#include "schema/body.h"

#include "base/jsonpath.h"
#include "base/xml.h"
#include "schema/predicate_private.h"

#include <openssl/sha.h>
#include <string.h>

/* Reading */

/** How a literal and its place lie in a struct body_check. */
struct placed_json {
    struct json *value;
    struct place place;
};

_Static_assert(offsetof(struct body_check, json_place) - offsetof(struct body_check, json) ==
                       offsetof(struct placed_json, place) &&
                   offsetof(struct body_check, json_subset_place) -
                           offsetof(struct body_check, json_subset) ==
                       offsetof(struct placed_json, place),
               "a literal is followed by its place");

static enum read_result placed_json_read(struct reader *reader, const struct type *type,
                                         const struct node *node, void *into)
{
    struct placed_json *placed = into;
    (void)type;
    placed->place = reader_place(reader, node);
    return reader_read(reader, &type_json_literal, node, &placed->value);
}

static struct json *placed_json_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_of(writer, &type_json_literal);
}

const struct type body_literal_type = {
    .name = "a literal value",
    .size = sizeof(struct placed_json),
    .read = placed_json_read,
    .schema = placed_json_schema,
    .raw = true,
};

static enum read_result jsonpath_read(struct reader *reader, const struct node *key,
                                      struct jsonpath **path)
{
    struct jsonpath_error error;
    *path = jsonpath_compile(reader->arena, key->text, &error);
    if (*path)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node_place_at(key, error.offset),
                    "wrong JSONPath: " STR_FMT, STR_ARG(error.message));
    if (!str_starts(key->text, STR("$")))
        diagnostics_help(reader->diagnostics, "a JSONPath starts with '$': $.a.b or $['a'][0]");
    return READ_FAILED;
}

static enum read_result path_entry_read(struct reader *reader, const struct node_pair *pair,
                                        void **value)
{
    struct body_path *entry = arena_alloc(reader->arena, sizeof *entry);
    enum read_result result = jsonpath_read(reader, pair->key, &entry->path);
    *value = entry;
    reader->key = pair->key->place;
    return read_worse(result,
                      reader_read(reader, &type_predicate_json, pair->value, &entry->predicate));
}

static enum read_result xpath_check(struct reader *reader, const struct node *path)
{
    struct str why;
    size_t offset;
    if (xml_path_check(path->text, reader->arena, &why, &offset))
        return READ_OK;
    diagnostics_add(reader->diagnostics, node_place_at(path, offset), "wrong XPath: " STR_FMT,
                    STR_ARG(why));
    return READ_FAILED;
}

static enum read_result xpath_entry_read(struct reader *reader, const struct node_pair *pair,
                                         void **value)
{
    struct body_xpath *entry = arena_alloc(reader->arena, sizeof *entry);
    enum read_result result = xpath_check(reader, pair->key);
    entry->path = pair->key->text;
    *value = entry;
    reader->key = pair->key->place;
    return read_worse(result,
                      reader_read(reader, &type_predicate_nodes, pair->value, &entry->predicate));
}

typedef enum read_result (*entry_reader)(struct reader *reader, const struct node_pair *pair,
                                         void **value);

/** Reads a mapping of paths to predicates into a list of map entries. */
static enum read_result paths_read(struct reader *reader, const struct node *node, const char *what,
                                   entry_reader read, struct list *into)
{
    enum read_result result = READ_OK;
    if (node->kind != NODE_MAP)
        return reader_expected_container(reader, node, what, "write for example {$.a: 1}");
    if (node->count == 0) {
        diagnostics_add(reader->diagnostics, node->place,
                        "an empty mapping of paths compares nothing");
        return READ_FAILED;
    }
    struct map_entry *entries = arena_alloc_array(reader->arena, node->count, sizeof *entries);
    for (size_t i = 0; i < node->count; i++) {
        const struct node_pair *pair = &node->pairs[i];
        entries[i] = (struct map_entry){
            .name = pair->key->text, .place = pair->key->place, .node = pair->value};
        result = read_worse(result, read(reader, pair, &entries[i].value));
    }
    if (result == READ_OK)
        *into = (struct list){.items = entries, .count = node->count};
    return result;
}

static enum read_result jsonpaths_read(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    return paths_read(reader, node, type->name, path_entry_read, into);
}

static enum read_result xpaths_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    return paths_read(reader, node, type->name, xpath_entry_read, into);
}

/** The schema of a mapping whose keys are paths; .of is the type of its values. */
static struct json *paths_schema(struct schema_writer *writer, const struct type *type)
{
    struct json *schema = schema_text(writer, "{\"type\": \"object\", \"minProperties\": 1}");
    json_put(schema_arena(writer), schema, STR("additionalProperties"),
             schema_of(writer, type->of));
    return schema;
}

const struct type body_jsonpaths_type = {
    .name = "a mapping of JSONPath to predicate",
    .size = sizeof(struct list),
    .read = jsonpaths_read,
    .schema = paths_schema,
    .of = &type_predicate_json,
};

static const struct type xpaths_type = {
    .name = "a mapping of XPath to predicate",
    .size = sizeof(struct list),
    .read = xpaths_read,
    .schema = paths_schema,
    .of = &type_predicate_nodes,
};

static const struct row body_rows[] = {
    {"body", &type_predicate_body, offsetof(struct body_check, body), 0, NULL, "The body as text."},
    {"json", &body_literal_type, offsetof(struct body_check, json), 0, NULL,
     "The body equals this as JSON. A literal: predicates stand in `jsonpath`."},
    {"json-subset", &body_literal_type, offsetof(struct body_check, json_subset), 0, NULL,
     "Every member given is in the body and equal; lists have equal length and compare by "
     "position."},
    {"jsonpath", &body_jsonpaths_type, offsetof(struct body_check, jsonpath), 0, NULL,
     "RFC 9535 paths with a predicate each. A singular path compares its value, any other one the "
     "list of nodes."},
    {"xpath", &xpaths_type, offsetof(struct body_check, xpath), 0, NULL,
     "XPath 1.0 paths into XML or HTML with a predicate each. One node compares as its text, "
     "several as a list; `_` is the prefix of the default namespace."},
    {"sha256", &type_predicate_sha256, offsetof(struct body_check, sha256), 0, NULL,
     "The SHA-256 of the body, 64 hexadecimal digits."},
    {"size", &type_predicate_size, offsetof(struct body_check, size), 0, NULL,
     "The size of the body."},
};

const struct table body_table = {
    TABLE_ROWS("body", body_rows),
    .doc = "Checks on a body, the same in `match`, `expect` and for outputs.",
};

const struct type body_type = TYPE_TABLE(&body_table, struct body_check);

/* The sources of a capture */

static enum read_result text_source_read(struct reader *reader, const struct type *type,
                                         const struct node *node, void *into)
{
    (void)type;
    if (node->kind == NODE_NULL || node->kind == NODE_BOOL)
        return READ_OK;
    return reader_read(reader, &type_predicate_body, node, into);
}

static struct json *text_source_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &type_predicate_body),
                         schema_text(writer, "{\"type\": \"null\"}"));
}

const struct type text_source_type = {
    .name = "null, true, or a predicate",
    .size = sizeof(struct predicate *),
    .read = text_source_read,
    .schema = text_source_schema,
    .raw = true,
};

static enum read_result jsonpath_source_read(struct reader *reader, const struct type *type,
                                             const struct node *node, void *into)
{
    if (!node_is_scalar(node) || node->kind == NODE_NULL)
        return reader_expected(reader, node, type->name);
    return jsonpath_read(reader, node, into);
}

static enum read_result xpath_source_read(struct reader *reader, const struct type *type,
                                          const struct node *node, void *into)
{
    if (!node_is_scalar(node) || node->kind == NODE_NULL)
        return reader_expected(reader, node, type->name);
    *(struct str *)into = node_scalar_text(node);
    return xpath_check(reader, node);
}

static struct json *path_source_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\"}");
}

const struct type jsonpath_source_type = {.name = "a JSONPath such as $.id",
                                          .size = sizeof(struct jsonpath *),
                                          .read = jsonpath_source_read,
                                          .schema = path_source_schema};
static const struct type xpath_source_type = {.name = "an XPath such as //id",
                                              .size = sizeof(struct str),
                                              .read = xpath_source_read,
                                              .schema = path_source_schema};

enum read_result capture_check(struct reader *reader, const struct node *node, void *into)
{
    (void)into;
    if (node->count == 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "a capture has exactly one source");
    return READ_FAILED;
}

static const struct row body_source_rows[] = {
    {"jsonpath", &jsonpath_source_type, offsetof(struct body_source, jsonpath), 0, NULL,
     "The value of a singular path, or the list of what any other one finds."},
    {"xpath", &xpath_source_type, offsetof(struct body_source, xpath), 0, NULL,
     "What an XPath finds in XML or HTML."},
    {"body", &text_source_type, offsetof(struct body_source, body), 0, NULL,
     "null: the whole text; {matches: \"id=(\\\\d+)\"}: group 1, or the whole match."},
};
static const struct table body_source_table = {
    TABLE_ROWS("capture", body_source_rows),
    .doc = "Where a value is found in a body.",
};
const struct type body_source_type = TYPE_TABLE(&body_source_table, struct body_source);

bool body_check_is_empty(const struct body_check *check)
{
    return !check->body && !check->json && !check->json_subset && !check->jsonpath.count &&
           !check->xpath.count && !check->sha256 && !check->size;
}

bool body_check_is_size(const struct body_check *check)
{
    struct body_check rest = *check;
    rest.size = NULL;
    return check->size && body_check_is_empty(&rest);
}

/* Testing */

/** One body while it is tested. It is parsed when the first check needs it. */
struct judgement {
    struct str body;
    struct arena *arena;
    body_failed failed;
    void *context;
    bool holds;
    bool json_tried;
    const struct json *json;
    struct str json_error;
};

static void judgement_fail(struct judgement *judgement, struct str subject,
                           const struct mismatch *mismatch)
{
    judgement->holds = false;
    if (judgement->failed)
        judgement->failed(judgement->context, subject, mismatch);
}

/** Whether nothing more has to be found out. */
static bool judgement_done(const struct judgement *judgement)
{
    return !judgement->holds && !judgement->failed;
}

static struct str taken(struct arena *arena, struct buf *buf)
{
    struct str text = arena_copy(arena, buf_str(buf));
    buf_clear(buf);
    return text;
}

static struct str body_shown(const struct judgement *judgement)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    show_text(judgement->body, &buf);
    return taken(judgement->arena, &buf);
}

static struct str json_shown(struct arena *arena, const struct json *value)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    show_value(type_predicate_json.extra, value, &buf);
    return taken(arena, &buf);
}

static struct str predicate_words(struct arena *arena, const struct predicate *predicate)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    predicate_describe(predicate, &buf);
    return taken(arena, &buf);
}

/** What keeps a text from being JSON, in words. */
static struct str json_wrong(struct arena *arena, struct str body, const struct json_error *error)
{
    if (str_trim(body).size == 0)
        return STR("the body is not JSON: it is empty");
    return arena_printf(arena, "the body is not JSON: %s at line %u, column %u", error->message,
                        error->line, error->column);
}

/** The body as JSON; NULL with json_error set when it is none. */
static const struct json *judgement_json(struct judgement *judgement)
{
    struct json_error error;
    if (!judgement->json_tried) {
        judgement->json_tried = true;
        judgement->json = json_read(judgement->arena, judgement->body, &error);
        if (!judgement->json)
            judgement->json_error = json_wrong(judgement->arena, judgement->body, &error);
    }
    return judgement->json;
}

static void judge_predicate(struct judgement *judgement, const struct predicate *predicate,
                            const char *subject, const struct json *value)
{
    struct mismatch mismatch;
    if (!predicate_test(predicate, value, judgement->arena, judgement->failed ? &mismatch : NULL))
        judgement_fail(judgement, str_of(subject), &mismatch);
}

/** Tests `json` or `json-subset`. */
static void judge_literal(struct judgement *judgement, const struct json *expected,
                          struct place place, bool subset)
{
    const char *name = subset ? "json-subset" : "json";
    const struct json *actual = judgement_json(judgement);
    if (actual && (subset ? json_is_subset(expected, actual) : json_equal(expected, actual)))
        return;
    struct mismatch mismatch = {.place = place,
                                .predicate = str_of(name),
                                .expected = json_shown(judgement->arena, expected),
                                .subset = subset};
    mismatch.actual = actual ? json_shown(judgement->arena, actual) : body_shown(judgement);
    if (!actual) {
        mismatch.note = judgement->json_error;
    } else if (json_is_structured(expected) || json_is_structured(actual)) {
        mismatch.expected_json = expected;
        mismatch.actual_json = actual;
    }
    judgement_fail(judgement, str_of(name), &mismatch);
}

/** Fails a path because its value cannot be had at all. */
static void judge_without_value(struct judgement *judgement, struct str subject,
                                const struct predicate *predicate, struct str why)
{
    const struct mismatch mismatch = {
        .place = predicate_place(predicate),
        .predicate = str_of(predicate->tests[0].row->name),
        .expected = predicate_words(judgement->arena, predicate),
        .actual = body_shown(judgement),
        .note = why,
    };
    judgement_fail(judgement, subject, &mismatch);
}

/** The value of a path; *cut is set when a bound kept it from being whole. */
static const struct json *path_value(const struct jsonpath *path, const struct json *root,
                                     struct arena *arena, bool *cut)
{
    struct jsonpath_nodes nodes;
    jsonpath_select(path, root, arena, 0, &nodes);
    *cut = nodes.cut;
    if (jsonpath_is_singular(path))
        return nodes.count ? nodes.items[0] : NULL;
    struct json *array = json_array(arena);
    for (size_t i = 0; i < nodes.count; i++) {
        /* A JSON tree is not changed once built: the cast only fits the type of an element. */
        json_push(arena, array, (struct json *)(uintptr_t)nodes.items[i]);
    }
    return array;
}

const struct json *body_jsonpath_value(const struct jsonpath *path, const struct json *root,
                                       struct arena *arena)
{
    bool cut;
    return path_value(path, root, arena, &cut);
}

static const struct str cut_note = STR_INIT("the path selects too much to be judged");

static void judge_jsonpath(struct judgement *judgement, const struct map_entry *entry)
{
    const struct body_path *path = entry->value;
    struct str subject = arena_printf(judgement->arena, "jsonpath " STR_FMT, STR_ARG(entry->name));
    const struct json *root = judgement_json(judgement);
    struct mismatch mismatch;
    bool cut = false;
    if (!root) {
        judge_without_value(judgement, subject, path->predicate, judgement->json_error);
        return;
    }
    const struct json *value = path_value(path->path, root, judgement->arena, &cut);
    if (cut)
        judge_without_value(judgement, subject, path->predicate, cut_note);
    else if (!predicate_test(path->predicate, value, judgement->arena,
                             judgement->failed ? &mismatch : NULL))
        judgement_fail(judgement, subject, &mismatch);
}

static void judge_xpath(struct judgement *judgement, struct xml *xml, struct str why,
                        const struct map_entry *entry)
{
    const struct body_xpath *path = entry->value;
    struct str subject = arena_printf(judgement->arena, "xpath " STR_FMT, STR_ARG(entry->name));
    struct mismatch mismatch;
    const struct json *value = xml ? xml_select(xml, path->path, judgement->arena, &why) : NULL;
    if (!xml)
        why = arena_printf(judgement->arena, "the body cannot be read: " STR_FMT, STR_ARG(why));
    if (!value)
        judge_without_value(judgement, subject, path->predicate, why);
    else if (!predicate_test(path->predicate, value, judgement->arena,
                             judgement->failed ? &mismatch : NULL))
        judgement_fail(judgement, subject, &mismatch);
}

static void judge_xpaths(struct judgement *judgement, const struct list *list)
{
    const struct map_entry *entries = list->items;
    struct str why;
    struct xml *xml = xml_read(judgement->body, judgement->arena, &why);
    for (size_t i = 0; i < list->count && !judgement_done(judgement); i++)
        judge_xpath(judgement, xml, why, &entries[i]);
    xml_free(xml);
}

static struct json *sha256_of(struct arena *arena, struct str body)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(arena, sizeof digest * 2 + 1);
    (void)SHA256((const unsigned char *)(body.data ? body.data : ""), body.size, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    return json_string(arena, (struct str){text, sizeof digest * 2});
}

bool body_check_test(const struct body_check *check, struct str body, struct arena *arena,
                     body_failed failed, void *context)
{
    struct judgement judgement = {
        .body = body, .arena = arena, .failed = failed, .context = context, .holds = true};
    const struct map_entry *paths = check->jsonpath.items;
    if (check->body)
        judge_predicate(&judgement, check->body, "body", json_string(arena, body));
    if (check->json && !judgement_done(&judgement))
        judge_literal(&judgement, check->json, check->json_place, false);
    if (check->json_subset && !judgement_done(&judgement))
        judge_literal(&judgement, check->json_subset, check->json_subset_place, true);
    for (size_t i = 0; i < check->jsonpath.count && !judgement_done(&judgement); i++)
        judge_jsonpath(&judgement, &paths[i]);
    if (check->xpath.count && !judgement_done(&judgement))
        judge_xpaths(&judgement, &check->xpath);
    if (check->sha256 && !judgement_done(&judgement))
        judge_predicate(&judgement, check->sha256, "sha256", sha256_of(arena, body));
    if (check->size && !judgement_done(&judgement))
        judge_predicate(&judgement, check->size, "size", json_integer(arena, (int64_t)body.size));
    return judgement.holds;
}

/* Capturing */

static const struct json *capture_jsonpath(struct arena *arena, struct str path, struct str body,
                                           struct str *why)
{
    struct jsonpath_error wrong;
    struct json_error error;
    bool cut = false;
    struct jsonpath *compiled = jsonpath_compile(arena, path, &wrong);
    if (!compiled) {
        *why = arena_printf(arena, "wrong JSONPath: " STR_FMT, STR_ARG(wrong.message));
        return NULL;
    }
    const struct json *root = json_read(arena, body, &error);
    if (!root) {
        *why = json_wrong(arena, body, &error);
        return NULL;
    }
    const struct json *value = path_value(compiled, root, arena, &cut);
    /* An empty list of nodes found nothing either. */
    bool nothing = value && !jsonpath_is_singular(compiled) && value->count == 0;
    if (cut)
        *why = cut_note;
    return cut || nothing ? NULL : value;
}

static const struct json *capture_xpath(struct arena *arena, struct str path, struct str body,
                                        struct str *why)
{
    struct xml *xml = xml_read(body, arena, why);
    const struct json *value = xml ? xml_select(xml, path, arena, why) : NULL;
    xml_free(xml);
    if (!value || value->kind != JSON_ARRAY || value->count > 1)
        return value;
    return value->count ? value->elements[0] : NULL;
}

/** Reads the predicate of a capture; NULL with *why when it is wrong. */
static struct predicate *capture_predicate(struct arena *arena, const struct node *node,
                                           struct str *why)
{
    struct predicate *predicate = NULL;
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    /* Variables were resolved by whoever read the capture. */
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics, .resolved = true};
    if (reader_read(&reader, &type_predicate_body, node, &predicate) != READ_OK &&
        diagnostics.first)
        *why = arena_copy(arena, diagnostics.first->message);
    diagnostics_clear(&diagnostics);
    return predicate;
}

/** What the `matches` of a predicate found: its first group, or all of the match. */
static const struct json *capture_match(struct arena *arena, const struct test *test,
                                        struct str body, struct str *why)
{
    struct regex_group groups[2];
    size_t count = regex_group_count(test->regex) ? 2 : 1;
    int found = regex_search(test->regex, body, 0, groups, count);
    if (found < 0)
        *why = STR("the pattern takes too long on this text and was given up");
    if (found != 1 || !groups[count - 1].set)
        return NULL;
    const struct regex_group *group = &groups[count - 1];
    return json_string(arena, str_slice(body, group->start, group->end - group->start));
}

static const struct json *capture_body(struct arena *arena, const struct node *node,
                                       struct str body, struct str *why)
{
    struct mismatch mismatch;
    const struct json *whole = json_string(arena, text_without_newline(body));
    if (node->kind == NODE_NULL || (node->kind == NODE_BOOL && node->boolean))
        return whole;
    const struct predicate *predicate = capture_predicate(arena, node, why);
    if (!predicate)
        return NULL;
    if (!predicate_test(predicate, json_string(arena, body), arena, &mismatch)) {
        *why = mismatch.note;
        return NULL;
    }
    for (size_t i = 0; i < predicate->count; i++)
        if (predicate->tests[i].row->test == test_matches)
            return capture_match(arena, &predicate->tests[i], body, why);
    return whole;
}

const struct json *body_capture(struct arena *arena, const char *source, const struct node *node,
                                struct str body, struct str *why)
{
    *why = STR("");
    if (strcmp(source, "body") == 0)
        return capture_body(arena, node, body, why);
    if (!node_is_scalar(node) || node->kind == NODE_NULL) {
        *why = arena_printf(arena, "'%s' takes a path, found %s", source, node_kind_name(node));
        return NULL;
    }
    if (strcmp(source, "jsonpath") == 0)
        return capture_jsonpath(arena, node_scalar_text(node), body, why);
    if (strcmp(source, "xpath") == 0)
        return capture_xpath(arena, node_scalar_text(node), body, why);
    *why = arena_printf(arena, "nothing can be captured by '%s'", source);
    return NULL;
}
