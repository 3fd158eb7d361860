#include "schema/scalar.h"
#include "schema/tree.h"

const struct node_pair *node_find(const struct node *map, struct str key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (str_equal(map->pairs[i].key->text, key))
            return &map->pairs[i];
    }
    return NULL;
}

struct node *node_get(const struct node *map, const char *key)
{
    const struct node_pair *pair = node_find(map, str_of(key));
    return pair ? pair->value : NULL;
}

const char *node_kind_name(const struct node *node)
{
    static const char *const names[] = {
        [NODE_NULL] = "nothing",    [NODE_BOOL] = "true or false", [NODE_NUMBER] = "a number",
        [NODE_STRING] = "a string", [NODE_LIST] = "a list",        [NODE_MAP] = "a mapping",
    };
    return names[node ? node->kind : NODE_NULL];
}

static struct json *list_to_json(struct arena *arena, const struct node *node)
{
    struct json *array = json_array(arena);
    for (size_t i = 0; i < node->count; i++)
        json_push(arena, array, node_to_json(arena, node->items[i]));
    return array;
}

static struct json *map_to_json(struct arena *arena, const struct node *node)
{
    struct json *object = json_object(arena);
    for (size_t i = 0; i < node->count; i++) {
        const struct node_pair *pair = &node->pairs[i];
        json_put(arena, object, pair->key->text, node_to_json(arena, pair->value));
    }
    return object;
}

static struct json *node_value(struct arena *arena, const struct node *node)
{
    switch (node->kind) {
    case NODE_NULL:
        return json_null(arena);
    case NODE_BOOL:
        return json_bool(arena, node->boolean);
    case NODE_NUMBER:
        return json_number(arena, scalar_number_to_json(arena, node->text));
    case NODE_STRING:
        return json_string(arena, node->text);
    case NODE_LIST:
        return list_to_json(arena, node);
    case NODE_MAP:
        return map_to_json(arena, node);
    }
    GOTO_ASSERT(!"a kind of node");
}

struct json *node_to_json(struct arena *arena, const struct node *node)
{
    struct json *value = node_value(arena, node);
    value->line = node->place.line;
    value->column = node->place.column;
    return value;
}

static struct node *node_new(struct arena *arena, enum node_kind kind, struct place place)
{
    struct node *node = arena_alloc(arena, sizeof *node);
    node->kind = kind;
    node->place = place;
    return node;
}

static struct node *node_string(struct arena *arena, struct str text, struct place place)
{
    struct node *node = node_new(arena, NODE_STRING, place);
    node->quoted = true;
    node->text = text;
    return node;
}

static struct node *node_from_array(struct arena *arena, const struct json *value,
                                    struct place place)
{
    struct node *node = node_new(arena, NODE_LIST, place);
    node->count = value->count;
    node->items = arena_alloc_array(arena, value->count, sizeof *node->items);
    for (size_t i = 0; i < value->count; i++)
        node->items[i] = node_from_json(arena, value->elements[i], place);
    return node;
}

static struct node *node_from_object(struct arena *arena, const struct json *value,
                                     struct place place)
{
    struct node *node = node_new(arena, NODE_MAP, place);
    node->count = value->count;
    node->pairs = arena_alloc_array(arena, value->count, sizeof *node->pairs);
    for (size_t i = 0; i < value->count; i++) {
        const struct json_member *member = &value->members[i];
        node->pairs[i].key = node_string(arena, member->name, place);
        node->pairs[i].value = node_from_json(arena, member->value, place);
    }
    return node;
}

struct node *node_from_json(struct arena *arena, const struct json *value, struct place place)
{
    struct node *node = NULL;
    switch (value->kind) {
    case JSON_NULL:
        node = node_new(arena, NODE_NULL, place);
        node->text = STR("null");
        break;
    case JSON_BOOL:
        node = node_new(arena, NODE_BOOL, place);
        node->boolean = value->boolean;
        node->text = value->boolean ? STR("true") : STR("false");
        break;
    case JSON_NUMBER:
        node = node_new(arena, NODE_NUMBER, place);
        node->text = value->text;
        break;
    case JSON_STRING:
        node = node_string(arena, value->text, place);
        break;
    case JSON_ARRAY:
        return node_from_array(arena, value, place);
    case JSON_OBJECT:
        return node_from_object(arena, value, place);
    }
    GOTO_ASSERT(node);
    return node;
}
