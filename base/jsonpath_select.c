/*
 * Applying a path: node by node through all segments, so that no list of nodes is kept between two
 * segments and memory stays small whatever the query is. The order is that of the RFC all the same:
 * the nodes of a segment are the concatenation of what it gives for each input node, in order.
 */
#include "base/jsonpath_private.h"

#include "base/json_private.h"
#include "base/memory.h"

/* A node and the way to it, on the stack of the walk. */
struct node {
    const struct json *value;
    const struct node *parent; /* NULL: where the query starts */
    const struct json_member *member;
    size_t index;
};

/* One query being applied. `take` gets each node; false from it ends the walk. */
struct walk {
    struct evaluation *evaluation;
    bool (*take)(struct walk *walk, const struct node *node);
    size_t most;
    struct memo found; /* queries of filters */
    struct arena *arena;
    struct jsonpath_nodes *nodes; /* the whole path */
    size_t capacity;
    struct buf path;
    size_t paths_size;
};

static bool walk_on(struct walk *walk, const struct node *node, const struct segment *segment);

bool evaluation_spend(struct evaluation *evaluation, size_t steps)
{
    if (evaluation->steps <= steps) {
        evaluation->steps = 0;
        evaluation->cut = true;
        return false;
    }
    evaluation->steps -= steps;
    return true;
}

static bool enter(struct evaluation *evaluation)
{
    if (evaluation->depth >= EVALUATION_DEPTH)
        evaluation->cut = true;
    else if (evaluation_spend(evaluation, 1))
        evaluation->depth++;
    return !evaluation->cut;
}

static bool has_children(const struct json *value)
{
    return value->kind == JSON_ARRAY || value->kind == JSON_OBJECT;
}

static struct node child_at(const struct node *parent, size_t index)
{
    struct node child = {.parent = parent, .index = index};
    if (parent->value->kind == JSON_OBJECT) {
        child.member = &parent->value->members[index];
        child.value = child.member->value;
    } else {
        child.value = parent->value->elements[index];
    }
    return child;
}

static bool select_child(struct walk *walk, const struct node *node, size_t index,
                         const struct segment *segment)
{
    struct node child = child_at(node, index);
    return walk_on(walk, &child, segment->next);
}

/* Of members with the same name the last one counts. */
static bool select_name(struct walk *walk, const struct node *node, const struct segment *segment,
                        struct str name)
{
    if (node->value->kind != JSON_OBJECT)
        return true;
    if (!evaluation_spend(walk->evaluation, node->value->count / 8))
        return false;
    for (size_t i = node->value->count; i > 0; i--) {
        if (str_equal(node->value->members[i - 1].name, name))
            return select_child(walk, node, i - 1, segment);
    }
    return true;
}

/* The position that an index means in an array, or -1. */
static int64_t position_of(const struct json *value, int64_t index)
{
    int64_t size = (int64_t)value->count;
    int64_t position = index < 0 ? size + index : index;
    return value->kind == JSON_ARRAY && position >= 0 && position < size ? position : -1;
}

static bool select_index(struct walk *walk, const struct node *node, const struct segment *segment,
                         int64_t index)
{
    int64_t position = position_of(node->value, index);
    return position < 0 || select_child(walk, node, (size_t)position, segment);
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Section 2.3.4.2.2, with the defaults for what was left out. */
static bool select_slice(struct walk *walk, const struct node *node, const struct segment *segment,
                         const struct selector *slice)
{
    if (node->value->kind != JSON_ARRAY || slice->step == 0)
        return true;
    int64_t size = (int64_t)node->value->count;
    int64_t least = slice->step > 0 ? 0 : -1;
    int64_t most = slice->step > 0 ? size : size - 1;
    int64_t start = slice->step > 0 ? least : most;
    int64_t end = slice->step > 0 ? most : least;
    if (slice->has_start)
        start = clamp(slice->start < 0 ? slice->start + size : slice->start, least, most);
    if (slice->has_end)
        end = clamp(slice->end < 0 ? slice->end + size : slice->end, least, most);
    for (int64_t i = start; slice->step > 0 ? i < end : i > end; i += slice->step) {
        if (!select_child(walk, node, (size_t)i, segment))
            return false;
    }
    return true;
}

/* All children, or those for which the filter holds. */
static bool select_children(struct walk *walk, const struct node *node,
                            const struct segment *segment, const struct expression *filter)
{
    if (!has_children(node->value))
        return true;
    for (size_t i = 0; i < node->value->count; i++) {
        struct node child = child_at(node, i);
        bool holds = !filter || evaluation_test(walk->evaluation, filter, child.value);
        if (walk->evaluation->cut) /* what a filter says after that means nothing */
            return false;
        if (holds && !walk_on(walk, &child, segment->next))
            return false;
    }
    return true;
}

static bool select_by(struct walk *walk, const struct node *node, const struct segment *segment,
                      const struct selector *selector)
{
    switch (selector->kind) {
    case SELECTOR_NAME:
        return select_name(walk, node, segment, selector->name);
    case SELECTOR_WILDCARD:
        return select_children(walk, node, segment, NULL);
    case SELECTOR_INDEX:
        return select_index(walk, node, segment, selector->start);
    case SELECTOR_SLICE:
        return select_slice(walk, node, segment, selector);
    case SELECTOR_FILTER:
        return select_children(walk, node, segment, selector->filter);
    }
    return true;
}

static bool select_by_all(struct walk *walk, const struct node *node, const struct segment *segment)
{
    for (const struct selector *each = segment->selectors; each; each = each->next) {
        if (!evaluation_spend(walk->evaluation, 1) || !select_by(walk, node, segment, each))
            return false;
    }
    return true;
}

/* The node and everything below it, parents first. */
static bool descend(struct walk *walk, const struct node *node, const struct segment *segment)
{
    if (!has_children(node->value))
        return true;
    if (!enter(walk->evaluation))
        return false;
    bool goes_on = select_by_all(walk, node, segment);
    for (size_t i = 0; goes_on && i < node->value->count; i++) {
        struct node child = child_at(node, i);
        goes_on = evaluation_spend(walk->evaluation, 1) && descend(walk, &child, segment);
    }
    walk->evaluation->depth--;
    return goes_on;
}

/* What is left of the path from here; false ends the walk. */
static bool walk_on(struct walk *walk, const struct node *node, const struct segment *segment)
{
    if (!enter(walk->evaluation))
        return false;
    bool goes_on = !segment              ? walk->take(walk, node)
                   : segment->descendant ? descend(walk, node, segment)
                                         : select_by_all(walk, node, segment);
    walk->evaluation->depth--;
    return goes_on;
}

static bool take_counted(struct walk *walk, const struct node *node)
{
    if (walk->found.count == 0)
        walk->found.first = node->value;
    return ++walk->found.count < walk->most;
}

struct memo evaluation_count(struct evaluation *evaluation, const struct query *query,
                             const struct json *current, size_t most)
{
    struct memo *memo = query->absolute ? &evaluation->memos[query->memo] : NULL;
    if (memo && memo->known)
        return *memo;
    struct walk walk = {.evaluation = evaluation, .take = take_counted, .most = most};
    struct node start = {.value = query->absolute ? evaluation->root : current};
    walk_on(&walk, &start, query->segments);
    walk.found.known = true;
    if (memo)
        *memo = walk.found;
    return walk.found;
}

const struct json *evaluation_single(struct evaluation *evaluation, const struct query *query,
                                     const struct json *current)
{
    const struct json *value = query->absolute ? evaluation->root : current;
    for (const struct segment *each = query->segments; each && value; each = each->next) {
        const struct selector *selector = each->selectors;
        bool by_name = selector->kind == SELECTOR_NAME;
        if (!evaluation_spend(evaluation, 1 + (by_name ? value->count / 8 : 0)))
            return NULL;
        int64_t position = by_name ? -1 : position_of(value, selector->start);
        value = by_name         ? json_get(value, selector->name)
                : position >= 0 ? value->elements[position]
                                : NULL;
    }
    return value;
}

static void write_path(const struct node *node, struct buf *into)
{
    if (!node->parent) {
        buf_append_byte(into, '$');
        return;
    }
    write_path(node->parent, into);
    if (node->member)
        json_write_path_name(node->member->name, into);
    else
        json_write_path_index(node->index, into);
}

static bool take_node(struct walk *walk, const struct node *node)
{
    struct jsonpath_nodes *nodes = walk->nodes;
    buf_reset(&walk->path);
    write_path(node, &walk->path);
    walk->paths_size += walk->path.size;
    if (nodes->count == walk->most || buf_full(&walk->path) ||
        walk->paths_size > EVALUATION_PATHS) {
        walk->evaluation->cut = true;
        return false;
    }
    size_t capacity = walk->capacity;
    arena_grow(walk->arena, &nodes->items, nodes->count, &capacity, sizeof *nodes->items);
    arena_grow(walk->arena, &nodes->paths, nodes->count, &walk->capacity, sizeof *nodes->paths);
    nodes->items[nodes->count] = node->value;
    nodes->paths[nodes->count++] = arena_copy(walk->arena, buf_str(&walk->path));
    return true;
}

void jsonpath_select(const struct jsonpath *path, const struct json *root, struct arena *arena,
                     size_t most, struct jsonpath_nodes *nodes)
{
    struct evaluation evaluation = {
        .root = root,
        .steps = EVALUATION_STEPS,
        .memos = memory_alloc_array(path->memo_count, sizeof *evaluation.memos),
    };
    struct walk walk = {
        .evaluation = &evaluation,
        .take = take_node,
        .most = most ? most : 100000,
        .arena = arena,
        .nodes = nodes,
    };
    struct node start = {.value = root};
    *nodes = (struct jsonpath_nodes){.count = 0};
    buf_init(&walk.path, EVALUATION_PATHS);
    walk_on(&walk, &start, path->query->segments);
    nodes->cut = evaluation.cut;
    buf_clear(&walk.path);
    regex_free(evaluation.regex);
    memory_free(evaluation.memos);
}
