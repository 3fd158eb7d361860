#include "schema/table.h"

#include <string.h>

enum read_result type_table_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    return reader_read_table(reader, type->table, node, into);
}

enum read_result type_pointer_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    void *value = arena_alloc(reader->arena, type->of->size);
    enum read_result result = reader_read(reader, type->of, node, value);
    /* A scalar that is known only later stays absent; a mapping holds its defaults and the rest. */
    bool whole = result == READ_OK || type->of->table || !node_is_scalar(node);
    if (result != READ_FAILED && whole)
        *(void **)into = value;
    return result;
}

struct json *type_of_schema(struct schema_writer *writer, const struct type *type)
{
    return schema_of(writer, type->of);
}

static bool list_enter(struct reader *reader, const struct node *node)
{
    reader->entry = STR("");
    if (reader->depth >= TREE_DEPTH) {
        diagnostics_add(reader->diagnostics, node->place, "nested deeper than %d levels",
                        TREE_DEPTH);
        return false;
    }
    reader->depth++;
    return true;
}

/** Reads `count` nodes into a list. */
static enum read_result list_read(struct reader *reader, const struct type *of,
                                  const struct node *const *nodes, size_t count, struct list *list)
{
    enum read_result result = READ_OK;
    char *items = arena_alloc_array(reader->arena, count, of->size);
    for (size_t i = 0; i < count; i++) {
        reader->key = (struct place){0};
        result = read_worse(result, reader_read(reader, of, nodes[i], items + i * of->size));
    }
    *list = (struct list){.items = items, .count = count};
    return result;
}

enum read_result type_list_read(struct reader *reader, const struct type *type,
                                const struct node *node, void *into)
{
    if (node->kind != NODE_LIST)
        return reader_expected_container(reader, node, "a list", "write [] for an empty list");
    if (!list_enter(reader, node))
        return READ_FAILED;
    enum read_result result =
        list_read(reader, type->of, (const struct node *const *)node->items, node->count, into);
    reader->depth--;
    return result;
}

struct json *type_list_schema(struct schema_writer *writer, const struct type *type)
{
    struct json *list = schema_text(writer, "{\"type\": [\"array\", \"string\"]}");
    json_put(schema_arena(writer), list, STR("items"), schema_of(writer, type->of));
    json_put(schema_arena(writer), list, STR("pattern"),
             json_string(schema_arena(writer), STR("\\$\\{")));
    return list;
}

enum read_result type_one_or_list_read(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    const struct node *resolved = node;
    bool outer = reader->resolved;
    if (!outer && node->kind == NODE_STRING && text_is_variable(node->text)) {
        enum read_result result = reader_resolve(reader, node, &resolved);
        if (result != READ_OK)
            return result;
    }
    if (!list_enter(reader, node))
        return READ_FAILED;
    enum read_result result;
    if (resolved->kind == NODE_LIST) {
        reader->resolved = outer || resolved != node;
        result = list_read(reader, type->of, (const struct node *const *)resolved->items,
                           resolved->count, into);
        reader->resolved = outer;
    } else {
        result = list_read(reader, type->of, &node, 1, into);
    }
    reader->depth--;
    return result;
}

struct json *type_one_or_list_schema(struct schema_writer *writer, const struct type *type)
{
    struct json *list = schema_text(writer, "{\"type\": \"array\"}");
    json_put(schema_arena(writer), list, STR("items"), schema_of(writer, type->of));
    return schema_either(writer, schema_of(writer, type->of), list);
}

/** Reads one entry of a map. */
static enum read_result entry_read(struct reader *reader, const struct type *type,
                                   const struct node_pair *pair, struct map_entry *entry)
{
    enum read_result result = READ_OK;
    *entry = (struct map_entry){.name = node_scalar_text(pair->key),
                                .place = pair->key->place,
                                .node = reader_keep(reader, pair->value),
                                .value = arena_alloc(reader->arena, type->of->size)};
    if (type->extra)
        result = reader_check_name(reader, pair->key, entry->name);
    reader->entry = entry->name;
    reader->key = pair->key->place;
    result = read_worse(result, reader_read(reader, type->of, pair->value, entry->value));
    reader->entry = STR("");
    entry->failed = result == READ_FAILED;
    return result;
}

enum read_result type_map_read(struct reader *reader, const struct type *type,
                               const struct node *node, void *into)
{
    if (node->kind != NODE_MAP)
        return reader_expected_container(reader, node, type->name, "write {} for an empty one");
    if (!list_enter(reader, node))
        return READ_FAILED;
    enum read_result result = READ_OK;
    struct map_entry *entries = arena_alloc_array(reader->arena, node->count, sizeof *entries);
    for (size_t i = 0; i < node->count; i++)
        result = read_worse(result, entry_read(reader, type, &node->pairs[i], &entries[i]));
    *(struct list *)into = (struct list){.items = entries, .count = node->count};
    reader->depth--;
    return result;
}

struct json *type_map_schema(struct schema_writer *writer, const struct type *type)
{
    struct arena *arena = schema_arena(writer);
    struct json *map = schema_text(writer, "{\"type\": [\"object\", \"string\"]}");
    json_put(arena, map, STR("additionalProperties"), schema_of(writer, type->of));
    if (type->extra)
        json_put(arena, map, STR("propertyNames"),
                 schema_text(writer, "{\"pattern\": \"^[a-z][a-z0-9-]*$\"}"));
    json_put(arena, map, STR("pattern"), json_string(arena, STR("\\$\\{")));
    return map;
}

static void choice_expected(struct reader *reader, const struct choice *choices,
                            const struct node *node, struct nearest *nearest)
{
    enum { SHOWN = 12 };
    struct str names = STR("one of ");
    size_t count = 0;
    for (const struct choice *choice = choices; choice->name; choice++, count++) {
        str_nearest(nearest, str_of(choice->name));
        if (count <= SHOWN)
            names = arena_printf(reader->arena, STR_FMT "%s%s", STR_ARG(names), count ? ", " : "",
                                 count == SHOWN ? "…" : choice->name);
    }
    reader_expected(reader, node, names.data);
    diagnostics_did_you_mean(reader->diagnostics, nearest);
}

enum read_result type_choice_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    const struct choice *choices = type->extra;
    struct str text = node_scalar_text(node);
    if (text.size) {
        for (const struct choice *choice = choices; choice->name; choice++) {
            if (!str_is(text, choice->name))
                continue;
            *(int *)into = choice->value;
            return READ_OK;
        }
    }
    struct nearest nearest = {.wanted = text};
    choice_expected(reader, choices, node, &nearest);
    return READ_FAILED;
}

struct json *type_choice_schema(struct schema_writer *writer, const struct type *type)
{
    struct arena *arena = schema_arena(writer);
    struct json *names = json_array(arena);
    for (const struct choice *choice = type->extra; choice->name; choice++) {
        struct str name = str_of(choice->name);
        json_push(arena, names, json_string(arena, name));
        if (number_is_valid(name)) /* `version: 1.1` without quotes is a number */
            json_push(arena, names, json_number(arena, name));
        else if (str_is(name, "true") || str_is(name, "false"))
            json_push(arena, names, json_bool(arena, str_is(name, "true")));
    }
    struct json *schema = json_object(arena);
    json_put(arena, schema, STR("enum"), names);
    return schema_or_variable(writer, schema);
}

const char *name_kind_text(enum name_kind kind)
{
    static const char *const names[] = {
        [NAME_PORT] = "upstream, proxy or program",
        [NAME_UPSTREAM] = "upstream or proxy",
        [NAME_ROUTE] = "route",
        [NAME_CLIENT] = "client",
        [NAME_PROGRAM] = "program",
        [NAME_RUNNING] = "program, `run` client or background step",
        [NAME_EVENT] = "event",
        [NAME_STEP] = "step",
        [NAME_VARIABLE] = "variable",
    };
    GOTO_ASSERT((size_t)kind < COUNT_OF(names));
    return names[kind];
}

enum read_result type_name_read(struct reader *reader, const struct type *type,
                                const struct node *node, void *into)
{
    const enum name_kind kind = *(const enum name_kind *)type->extra;
    struct str text = node_scalar_text(node);
    if (text.size == 0 || node->kind == NODE_NULL) {
        struct str what = arena_printf(reader->arena, "the name of a %s", name_kind_text(kind));
        if (strchr("aeiou", name_kind_text(kind)[0]))
            what = arena_printf(reader->arena, "the name of an %s", name_kind_text(kind));
        return reader_expected(reader, node, what.data);
    }
    struct nearest nearest = {.wanted = text};
    if (reader->scope && !reader->scope->defines(reader->scope, kind, text, &nearest)) {
        diagnostics_add(reader->diagnostics, node->place, "no %s is called '" STR_FMT "'",
                        name_kind_text(kind), STR_ARG(reader_shown(reader, text)));
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
        return READ_FAILED;
    }
    *(struct str *)into = text;
    return READ_OK;
}

struct json *type_name_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}
