/* A path up to the first line feed, then a document: each selected node's path selects that node.
 */
#include "base/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHECKED_NODES = 20 };

/* With duplicate names a normalized path may lead to another member. */
static bool has_duplicates(const struct json *value)
{
    for (size_t i = 0; i < value->count; i++) {
        bool is_array = value->kind == JSON_ARRAY;
        if (!is_array && json_get(value, value->members[i].name) != value->members[i].value)
            return true;
        if (has_duplicates(is_array ? value->elements[i] : value->members[i].value))
            return true;
    }
    return false;
}

static void check_node(struct arena *arena, const struct json *root, struct str text,
                       const struct json *node)
{
    struct jsonpath_error error;
    struct jsonpath_nodes nodes;
    struct jsonpath *path = jsonpath_compile(arena, text, &error);
    if (!path) {
        GOTO_ASSERT(text.size > 64 * 1024);
        return;
    }
    jsonpath_select(path, root, arena, 0, &nodes);
    GOTO_ASSERT(jsonpath_is_singular(path) && nodes.count == 1 && nodes.items[0] == node);
    jsonpath_clear(path);
}

static void check(struct arena *arena, struct str text, struct str document)
{
    struct jsonpath_error path_error;
    struct json_error error;
    struct jsonpath_nodes nodes;
    struct jsonpath *path = jsonpath_compile(arena, text, &path_error);
    if (!path) {
        GOTO_ASSERT(path_error.message.size && path_error.offset <= text.size);
        return;
    }
    const struct json *root = json_read(arena, document, &error);
    if (root && !has_duplicates(root)) {
        jsonpath_select(path, root, arena, 1000, &nodes);
        GOTO_ASSERT(nodes.count <= 1 || !jsonpath_is_singular(path));
        for (size_t i = 0; i < nodes.count && i < CHECKED_NODES; i++)
            check_node(arena, root, nodes.paths[i], nodes.items[i]);
    }
    jsonpath_clear(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct str text = {(const char *)data, size};
    ptrdiff_t end = str_find_byte(text, '\n');
    size_t path_size = end < 0 ? size : (size_t)end;
    check(arena, str_slice(text, 0, path_size), str_from(text, path_size + 1));
    arena_free(arena);
    return 0;
}
