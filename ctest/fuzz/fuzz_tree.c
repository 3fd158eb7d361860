/**
 * Fuzzes the reader of spec files: YAML text → nodes → JSON, and the diagnostics of what is wrong.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "schema/tree.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Every node stands in the text it was read from. */
static void node_check(const struct node *node, const struct source *source, size_t depth)
{
    GOTO_ASSERT(depth <= TREE_DEPTH);
    GOTO_ASSERT(node->place.source == source);
    GOTO_ASSERT(node->place.line > 0 && node->place.line <= source->text.size + 1);
    GOTO_ASSERT(node->place.column > 0 && node->place.column <= source->text.size + 1);
    GOTO_ASSERT(node->place.width > 0 && node->place.width <= source->text.size + 1);
    for (size_t i = 0; node->kind == NODE_LIST && i < node->count; i++)
        node_check(node->items[i], source, depth + 1);
    for (size_t i = 0; node->kind == NODE_MAP && i < node->count; i++) {
        node_check(node->pairs[i].key, source, depth + 1);
        node_check(node->pairs[i].value, source, depth + 1);
        GOTO_ASSERT(node->pairs[i].key->kind < NODE_LIST);
        GOTO_ASSERT(node_find(node, node->pairs[i].key->text));
    }
}

static void root_check(struct arena *arena, const struct source *source, const struct node *root)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    node_check(root, source, 0);
    const struct json *json = node_to_json(arena, root);
    json_write(json, &buf);
    node_check(node_from_json(arena, json, root->place), source, 0);
    buf_clear(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {STR("fuzz"), {(const char *)data, size}};
    struct arena *arena = arena_new();
    struct diagnostics diagnostics;
    struct documents documents;
    struct node *value;
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    diagnostics_init(&diagnostics);
    int result = tree_read_yaml(arena, &source, &documents, &diagnostics);
    GOTO_ASSERT(result == (diagnostics.count ? -EINVAL : 0));
    GOTO_ASSERT(result || documents.count > 0);
    for (size_t i = 0; i < documents.count; i++)
        root_check(arena, &source, documents.items[i]);
    if (tree_read_value(arena, &source, &value, &diagnostics) == 0)
        root_check(arena, &source, value);
    diagnostics_print(&diagnostics, &buf);
    buf_clear(&buf);
    diagnostics_clear(&diagnostics);
    arena_free(arena);
    return 0;
}
