#include "schema/jsonschema.h"

#include "schema/catalogue.h"

struct schema_writer {
    struct arena *arena;
    struct catalogue tables; /**< those that a $ref names; each becomes a definition */
};

#define VARIABLE_SCHEMA "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"}"

struct arena *schema_arena(struct schema_writer *writer)
{
    return writer->arena;
}

struct json *schema_text(struct schema_writer *writer, const char *text)
{
    struct json_error error;
    struct json *schema = json_read(writer->arena, str_of(text), &error);
    GOTO_ASSERT(schema);
    return schema;
}

struct json *schema_of(struct schema_writer *writer, const struct type *type)
{
    struct json *schema = type->schema ? type->schema(writer, type) : NULL;
    return schema ? schema : json_object(writer->arena);
}

static bool schema_is_anything(const struct json *schema)
{
    return !schema || (schema->kind == JSON_OBJECT && schema->count == 0);
}

/** Adds an alternative, or those of an anyOf, that are not yet there. */
static void alternatives_add(struct schema_writer *writer, struct json *alternatives,
                             struct json *schema)
{
    const struct json *inner = schema->count == 1 ? json_get(schema, STR("anyOf")) : NULL;
    for (size_t i = 0; inner && i < inner->count; i++)
        alternatives_add(writer, alternatives, inner->elements[i]);
    if (inner)
        return;
    for (size_t i = 0; i < alternatives->count; i++)
        if (json_equal(alternatives->elements[i], schema))
            return;
    json_push(writer->arena, alternatives, schema);
}

struct json *schema_either(struct schema_writer *writer, struct json *a, struct json *b)
{
    struct json *schema = json_object(writer->arena);
    if (schema_is_anything(a) || schema_is_anything(b))
        return schema;
    struct json *alternatives = json_array(writer->arena);
    alternatives_add(writer, alternatives, a);
    alternatives_add(writer, alternatives, b);
    if (alternatives->count == 1)
        return alternatives->elements[0];
    json_put(writer->arena, schema, STR("anyOf"), alternatives);
    return schema;
}

struct json *schema_or_variable(struct schema_writer *writer, struct json *schema)
{
    return schema_either(writer, schema, schema_text(writer, VARIABLE_SCHEMA));
}

struct json *type_table_schema(struct schema_writer *writer, const struct type *type)
{
    struct str name = catalogue_add_table(&writer->tables, type->table);
    struct str target = arena_printf(writer->arena, "#/definitions/" STR_FMT, STR_ARG(name));
    struct json *schema = json_object(writer->arena);
    json_put(writer->arena, schema, STR("$ref"), json_string(writer->arena, target));
    return schema;
}

/** One table while its definition is made. */
struct definition {
    struct schema_writer *writer;
    struct json *properties;
    struct json *required;
    struct json *families; /**< a constraint for each */
    struct json *words;    /**< the bare words that may stand instead of the mapping */
    struct json *keys;     /**< of the family at work: {"required": [key]} for each */
};

/** A schema under its description. A $ref stands in an allOf: draft-07 ignores what is beside it.
 */
static struct json *described(struct schema_writer *writer, struct json *schema, struct str text)
{
    struct arena *arena = writer->arena;
    struct json *result = json_object(arena);
    json_put(arena, result, STR("description"), json_string(arena, text));
    if (json_get(schema, STR("$ref"))) {
        struct json *all = json_array(arena);
        json_push(arena, all, schema);
        json_put(arena, result, STR("allOf"), all);
        return result;
    }
    for (size_t i = 0; i < schema->count; i++)
        if (!str_is(schema->members[i].name, "description"))
            json_put(arena, result, schema->members[i].name, schema->members[i].value);
    return result;
}

static void definition_put(struct definition *definition, const char *key, const struct type *type,
                           struct str doc)
{
    struct schema_writer *writer = definition->writer;
    if (json_get(definition->properties, str_of(key)))
        return;
    json_put(writer->arena, definition->properties, str_of(key),
             described(writer, schema_of(writer, type), doc));
}

static void definition_row(void *context, const struct row *row, size_t offset)
{
    (void)offset;
    struct definition *definition = context;
    struct arena *arena = definition->writer->arena;
    if (row->flags & ROW_LATER)
        return;
    struct str doc = str_of(row->doc);
    if (row->fallback)
        doc = arena_printf(arena, STR_FMT " (default: %s)", STR_ARG(doc), row->fallback);
    definition_put(definition, row->key, row->type, doc);
    if (row->flags & ROW_REQUIRED)
        json_push(arena, definition->required, json_string(arena, str_of(row->key)));
}

static void definition_member(void *context, const struct member *member)
{
    struct definition *definition = context;
    struct arena *arena = definition->writer->arena;
    if (member->flags & ROW_LATER)
        return;
    struct json *key = json_string(arena, str_of(member->key));
    struct json *keys = json_array(arena);
    struct json *constraint = json_object(arena);
    json_push(arena, keys, key);
    json_put(arena, constraint, STR("required"), keys);
    json_push(arena, definition->keys, constraint);
    definition_put(definition, member->key, member->type, str_of(member->doc));
    if (member_is_bare(member))
        json_push(arena, definition->words, key);
}

/** {"oneOf": [{"required": [a]}, ...]}; with "none of them" as one more when the family is
 * optional. */
static void definition_family(void *context, const struct table *table, size_t offset)
{
    (void)offset;
    struct definition *definition = context;
    struct arena *arena = definition->writer->arena;
    definition->keys = json_array(arena);
    family_visit(table->family, definition_member, definition);
    if (definition->keys->count == 0)
        return;
    struct json *one = json_array(arena);
    for (size_t i = 0; i < definition->keys->count; i++)
        json_push(arena, one, definition->keys->elements[i]);
    if (table->family_optional) {
        struct json *any = json_object(arena);
        struct json *none = json_object(arena);
        json_put(arena, any, STR("anyOf"), definition->keys);
        json_put(arena, none, STR("not"), any);
        json_push(arena, one, none);
    }
    struct json *constraint = json_object(arena);
    json_put(arena, constraint, STR("oneOf"), one);
    json_push(arena, definition->families, constraint);
}

/** The mapping that a table reads, without its other forms. */
static struct json *table_object(struct schema_writer *writer, const struct table *table,
                                 struct definition *definition)
{
    struct arena *arena = writer->arena;
    *definition = (struct definition){.writer = writer,
                                      .properties = json_object(arena),
                                      .required = json_array(arena),
                                      .families = json_array(arena),
                                      .words = json_array(arena)};
    const struct table_visitor visitor = {definition_row, definition_family, definition};
    table_visit(table, &visitor);
    struct json *object = schema_text(writer, "{\"type\": \"object\"}");
    if (table->doc)
        json_put(arena, object, STR("description"), json_string(arena, str_of(table->doc)));
    json_put(arena, object, STR("properties"), definition->properties);
    json_put(arena, object, STR("additionalProperties"), json_bool(arena, false));
    if (!table->empty_allowed)
        json_put(arena, object, STR("minProperties"), json_integer(arena, 1));
    if (definition->required->count)
        json_put(arena, object, STR("required"), definition->required);
    if (definition->families->count == 1)
        json_put(arena, object, STR("oneOf"), definition->families->elements[0]->members[0].value);
    else if (definition->families->count)
        json_put(arena, object, STR("allOf"), definition->families);
    return object;
}

/** Whether a schema by its "type" allows no mapping. */
static bool schema_excludes_object(const struct json *schema)
{
    const struct json *type = json_get(schema, STR("type"));
    if (!type || type->kind == JSON_STRING)
        return type && !str_is(type->text, "object");
    for (size_t i = 0; i < type->count; i++)
        if (str_is(type->elements[i]->text, "object"))
            return false;
    return true;
}

/** What may stand instead of the mapping by the table's shorthand: never a mapping itself. */
static struct json *shorthand_schema(struct schema_writer *writer, const struct table *table)
{
    struct slot slot;
    GOTO_ASSERT(table_find(table, str_of(table->shorthand), &slot));
    struct json *schema = schema_of(writer, slot.row ? slot.row->type : slot.member->type);
    if (schema_excludes_object(schema))
        return schema;
    struct json *scalar = schema_text(writer, "{\"type\": [\"string\", \"number\", \"boolean\", "
                                              "\"array\"]}");
    if (schema_is_anything(schema))
        return scalar;
    struct json *all = json_array(writer->arena);
    json_push(writer->arena, all, schema);
    json_put(writer->arena, scalar, STR("allOf"), all);
    return scalar;
}

/** The definition of a table: its mapping, its short form, its bare words, a variable. */
static struct json *table_definition(struct schema_writer *writer, const struct table *table)
{
    struct definition definition;
    struct json *schema = table_object(writer, table, &definition);
    if (!table->shorthand && !definition.words->count && !definition.families->count) {
        /* Keywords for mappings and for strings do not meet: one schema gives plainer messages. */
        schema->members[0].value = schema_text(writer, "[\"object\", \"string\"]");
        json_put(writer->arena, schema, STR("pattern"), json_string(writer->arena, STR("\\$\\{")));
        return schema;
    }
    if (table->shorthand)
        schema = schema_either(writer, schema, shorthand_schema(writer, table));
    if (definition.words->count) {
        struct json *words = json_object(writer->arena);
        json_put(writer->arena, words, STR("enum"), definition.words);
        schema = schema_either(writer, schema, words);
    }
    return schema_or_variable(writer, schema);
}

void schema_write(const struct type *root, const char *title, struct buf *into)
{
    struct schema_writer writer = {.arena = arena_new()};
    struct arena *arena = writer.arena;
    catalogue_init(&writer.tables, arena);
    struct json *schema = json_object(arena);
    json_put(arena, schema, STR("$schema"),
             json_string(arena, STR("http://json-schema.org/draft-07/schema#")));
    json_put(arena, schema, STR("title"), json_string(arena, str_of(title)));
    struct definition definition;
    const struct json *top =
        root->table ? table_object(&writer, root->table, &definition) : schema_of(&writer, root);
    for (size_t i = 0; i < top->count; i++)
        json_put(arena, schema, top->members[i].name, top->members[i].value);
    struct json *definitions = json_object(arena);
    for (size_t i = 0; i < writer.tables.count; i++) {
        const struct table *table = writer.tables.entries[i].table;
        struct str name = writer.tables.entries[i].name;
        json_put(arena, definitions, name, table_definition(&writer, table));
    }
    json_put(arena, schema, STR("definitions"), definitions);
    json_write_pretty(schema, into);
    if (!str_ends(buf_str(into), STR("\n")))
        buf_append_byte(into, '\n');
    arena_free(arena);
}
