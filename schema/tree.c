#include "schema/tree.h"

#include "base/memory.h"
#include "schema/scalar.h"
#include "schema/tree_syntax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** An anchored node, and what an alias to it adds to the tree. */
struct anchor {
    struct str name;
    struct node *node; /**< NULL while it is being read */
    size_t nodes;
    size_t height; /**< levels of lists and mappings */
};

/** The reading of one text. */
struct reader {
    struct arena *arena;
    const struct source *source;
    struct diagnostics *diagnostics;
    size_t errors_before; /**< diagnostics that were there already */
    yaml_parser_t parser;
    struct cursor cursor;
    size_t nodes;
    size_t depth;
    size_t height; /**< of the node read last */
    struct anchor *anchors;
    size_t anchor_count;
    size_t anchor_capacity;
    bool flow_only;
    bool stopped; /**< nothing more can be read; the reason is told */
};

static struct str str_of_yaml(const yaml_char_t *text)
{
    return str_of((const char *)text);
}

/** Stops when there are too many faults to be of use. */
static bool reader_is_full(struct reader *reader)
{
    if (reader->stopped)
        return true;
    if (reader->diagnostics->count - reader->errors_before < TREE_ERRORS)
        return false;
    diagnostics_add(reader->diagnostics, (struct place){.source = reader->source},
                    "more than %d faults: the rest was not read", TREE_ERRORS - 1);
    reader->stopped = true;
    return true;
}

/** The next event, to be deleted by the caller; false once the reader has stopped. */
static bool reader_next(struct reader *reader, yaml_event_t *event)
{
    if (reader_is_full(reader))
        return false;
    if (yaml_parser_parse(&reader->parser, event))
        return true;
    tree_syntax_error(&reader->parser, &reader->cursor, reader->source, reader->diagnostics);
    reader->stopped = true;
    return false;
}

static struct place reader_place(struct reader *reader, size_t index)
{
    cursor_move(&reader->cursor, index);
    return cursor_place(&reader->cursor, reader->source);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/** Moves the cursor from the anchor and tag of a node, blanks and comments to the node itself. */
static void reader_skip_properties(struct reader *reader, size_t end)
{
    struct cursor *cursor = &reader->cursor;
    bool in_word = true;
    bool in_comment = false;
    while (cursor->index < end && cursor->byte < cursor->text.size) {
        char byte = cursor->text.data[cursor->byte];
        if (byte == '\n')
            in_comment = false;
        if (is_blank(byte))
            in_word = false;
        else if (!in_word && !in_comment && byte == '#')
            in_comment = true;
        else if (!in_word && !in_comment && (byte == '!' || byte == '&'))
            in_word = true;
        else if (!in_word && !in_comment)
            return;
        cursor_move(cursor, cursor->index + 1);
    }
}

/** Moves the cursor back over blanks: in flow style libyaml puts an empty value before what
 * follows. */
static void reader_skip_back(struct reader *reader)
{
    struct cursor *cursor = &reader->cursor;
    while (cursor->byte > 0 && is_blank(cursor->text.data[cursor->byte - 1]))
        cursor_move(cursor, cursor->index - 1);
}

/** The place where a node begins, behind its anchor and tag. */
static struct place reader_node_place(struct reader *reader, const yaml_event_t *event,
                                      bool with_properties)
{
    cursor_move(&reader->cursor, event->start_mark.index);
    if (with_properties)
        reader_skip_properties(reader, event->end_mark.index);
    else if (event->start_mark.index == event->end_mark.index && event->type == YAML_SCALAR_EVENT)
        reader_skip_back(reader);
    return cursor_place(&reader->cursor, reader->source);
}

/** How many characters a scalar that begins at the cursor takes on its first line, at least 1. */
static uint32_t reader_width(const struct reader *reader, size_t end, bool is_block)
{
    struct cursor cursor = reader->cursor;
    size_t last = cursor.index;
    while (cursor.index < end && cursor.byte < cursor.text.size) {
        char byte = cursor.text.data[cursor.byte];
        if (byte == '\n' || (is_block && is_blank(byte)))
            break;
        cursor_move(&cursor, cursor.index + 1);
        if (!is_blank(byte))
            last = cursor.index;
    }
    return last > reader->cursor.index ? (uint32_t)(last - reader->cursor.index) : 1;
}

static struct anchor *reader_find_anchor(struct reader *reader, struct str name)
{
    for (size_t i = reader->anchor_count; i-- > 0;) {
        if (str_equal(reader->anchors[i].name, name))
            return &reader->anchors[i];
    }
    return NULL;
}

/** Notes an anchor before its node is read; the number is given back to reader_end_anchor(). */
static bool reader_begin_anchor(struct reader *reader, const yaml_char_t *name,
                                const yaml_event_t *event, size_t *number)
{
    *number = SIZE_MAX;
    if (!name)
        return true;
    if (reader->anchor_count == TREE_ANCHORS) {
        struct place place = reader_place(reader, event->start_mark.index);
        diagnostics_add(reader->diagnostics, place, "more than %d anchors in a document",
                        TREE_ANCHORS);
        reader->stopped = true;
        return false;
    }
    arena_grow(reader->arena, &reader->anchors, reader->anchor_count, &reader->anchor_capacity,
               sizeof *reader->anchors);
    *number = reader->anchor_count++;
    reader->anchors[*number] = (struct anchor){.name = arena_copy(reader->arena, str_of_yaml(name)),
                                               .nodes = reader->nodes - 1};
    return true;
}

static void reader_end_anchor(struct reader *reader, size_t number, struct node *node)
{
    if (number == SIZE_MAX)
        return;
    struct anchor *anchor = &reader->anchors[number];
    anchor->node = node;
    anchor->nodes = reader->nodes - anchor->nodes;
    anchor->height = reader->height;
}

/** Refuses an explicit tag; the node is read on without it. */
static void reader_refuse_tag(struct reader *reader, const yaml_char_t *tag,
                              const yaml_event_t *event)
{
    if (!tag)
        return;
    struct place place = reader_place(reader, event->start_mark.index);
    diagnostics_add(reader->diagnostics, place, "tags are not supported");
    diagnostics_help(reader->diagnostics,
                     "leave the tag out; text that begins with '!' needs quotes");
}

/** Counts nodes at the place of an event; stops beyond the bound. */
static bool reader_count(struct reader *reader, size_t nodes, const yaml_event_t *event)
{
    reader->nodes += nodes;
    if (reader->nodes <= TREE_NODES)
        return true;
    struct place place = reader_place(reader, event->start_mark.index);
    if (event->type == YAML_ALIAS_EVENT)
        diagnostics_add(reader->diagnostics, place,
                        "with this alias expanded the file holds more than %d values", TREE_NODES);
    else
        diagnostics_add(reader->diagnostics, place, "the file holds more than %d values",
                        TREE_NODES);
    reader->stopped = true;
    return false;
}

static bool reader_check_depth(struct reader *reader, size_t depth, const yaml_event_t *event)
{
    if (depth <= TREE_DEPTH)
        return true;
    struct place place = reader_place(reader, event->start_mark.index);
    diagnostics_add(reader->diagnostics, place, "nested deeper than %d levels", TREE_DEPTH);
    reader->stopped = true;
    return false;
}

static struct node *node_read(struct reader *reader, yaml_event_t *event);

/** What stands in the tree for an alias to nothing: its own text, so that the rest can be judged.
 */
static struct node *node_read_missing(struct reader *reader, struct str name, struct place place)
{
    struct node *node = arena_alloc(reader->arena, sizeof *node);
    node->kind = NODE_STRING;
    node->text = arena_printf(reader->arena, "*" STR_FMT, STR_ARG(name));
    node->place = place;
    return node;
}

static struct node *node_read_alias(struct reader *reader, const yaml_event_t *event)
{
    struct str name = str_of_yaml(event->data.alias.anchor);
    const struct anchor *anchor = reader_find_anchor(reader, name);
    if (anchor && anchor->node) {
        if (!reader_check_depth(reader, reader->depth + anchor->height, event) ||
            !reader_count(reader, anchor->nodes, event))
            return NULL;
        reader->height = anchor->height;
        return anchor->node;
    }
    struct place place = reader_place(reader, event->start_mark.index);
    place.width = (uint32_t)str_characters(name) + 1;
    reader->height = 0;
    if (anchor) {
        diagnostics_add(reader->diagnostics, place,
                        "the alias '*" STR_FMT "' stands inside '&" STR_FMT "'", STR_ARG(name),
                        STR_ARG(name));
        return node_read_missing(reader, name, place);
    }
    struct nearest nearest = {.wanted = name};
    for (size_t i = 0; i < reader->anchor_count; i++)
        str_nearest(&nearest, reader->anchors[i].name);
    diagnostics_add(reader->diagnostics, place, "no anchor '&" STR_FMT "' stands above this alias",
                    STR_ARG(name));
    if (nearest.best.size)
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
    else
        diagnostics_help(reader->diagnostics, "text that begins with '*' needs quotes");
    return node_read_missing(reader, name, place);
}

static struct node *node_read_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct node *node = arena_alloc(reader->arena, sizeof *node);
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    yaml_scalar_style_t style = event->data.scalar.style;
    bool plain = style == YAML_PLAIN_SCALAR_STYLE;
    size_t number;
    if (!reader_count(reader, 1, event) ||
        !reader_begin_anchor(reader, event->data.scalar.anchor, event, &number))
        return NULL;
    reader_refuse_tag(reader, event->data.scalar.tag, event);
    node->place =
        reader_node_place(reader, event, event->data.scalar.anchor || event->data.scalar.tag);
    node->place.width =
        reader_width(reader, event->end_mark.index,
                     style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE);
    node->kind = plain ? scalar_kind(text) : NODE_STRING;
    node->quoted = !plain;
    node->text = arena_copy(reader->arena, text);
    node->boolean = node->kind == NODE_BOOL && (text.data[0] == 't' || text.data[0] == 'T');
    if (node->kind == NODE_NUMBER && scalar_has_base(text) && text.size > TREE_DIGITS + 2)
        diagnostics_add(reader->diagnostics, node->place, "a number of more than %d digits",
                        TREE_DIGITS);
    reader->height = 0;
    reader_end_anchor(reader, number, node);
    return node;
}

static bool node_add_item(struct reader *reader, struct node *list, size_t *capacity,
                          yaml_event_t *event)
{
    struct node *item = node_read(reader, event);
    if (!item)
        return false;
    arena_grow(reader->arena, &list->items, list->count, capacity, sizeof(struct node *));
    list->items[list->count++] = item;
    return true;
}

/** Whether the key is one; says what is wrong with it if not. */
static bool key_check(struct reader *reader, const struct node *key)
{
    if (key->kind == NODE_LIST || key->kind == NODE_MAP) {
        diagnostics_add(reader->diagnostics, key->place, "a key cannot be %s", node_kind_name(key));
        diagnostics_help(reader->diagnostics, TREE_HINT_QUOTES);
        return false;
    }
    if (key->text.size == 0 && !key->quoted) {
        diagnostics_add(reader->diagnostics, key->place, "a key is missing before ':'");
        diagnostics_help(reader->diagnostics, "text that begins with ':' needs quotes");
        return false;
    }
    if (!key->quoted && str_is(key->text, "<<")) {
        diagnostics_add(reader->diagnostics, key->place, "merge keys ('<<') are not supported");
        diagnostics_help(reader->diagnostics,
                         "write the keys out, or put them into a file named under 'use:'");
        return false;
    }
    return true;
}

static bool node_add_pair(struct reader *reader, struct node *map, size_t *capacity,
                          yaml_event_t *event)
{
    yaml_event_t value_event;
    struct node *key = node_read(reader, event);
    if (!key || !reader_next(reader, &value_event))
        return false;
    size_t height = reader->height;
    bool usable = key_check(reader, key);
    struct node *value = node_read(reader, &value_event);
    yaml_event_delete(&value_event);
    if (!value)
        return false;
    if (height > reader->height)
        reader->height = height;
    if (!usable)
        return true;
    arena_grow(reader->arena, &map->pairs, map->count, capacity, sizeof(struct node_pair));
    map->pairs[map->count++] = (struct node_pair){key, value};
    return true;
}

static int pair_compare(const void *left, const void *right)
{
    const struct node_pair *const *a = left;
    const struct node_pair *const *b = right;
    int order = str_compare((*a)->key->text, (*b)->key->text);
    return order ? order : *a < *b ? -1 : *a > *b;
}

/** Tells each key that was given before. */
static void node_check_duplicates(struct reader *reader, const struct node *map)
{
    const struct node_pair **sorted = memory_alloc_array(map->count, sizeof *sorted);
    size_t first = 0;
    for (size_t i = 0; i < map->count; i++)
        sorted[i] = &map->pairs[i];
    qsort(sorted, map->count, sizeof(struct node_pair *), pair_compare);
    for (size_t i = 1; i < map->count && !reader_is_full(reader); i++) {
        struct str name = sorted[i]->key->text;
        if (!str_equal(sorted[first]->key->text, name)) {
            first = i;
            continue;
        }
        diagnostics_add(reader->diagnostics, sorted[i]->key->place, "duplicate key '" STR_FMT "'",
                        STR_ARG(name));
        diagnostics_help(reader->diagnostics, "first given at line %u",
                         sorted[first]->key->place.line);
    }
    memory_free(sorted);
}

static bool node_read_children(struct reader *reader, struct node *node)
{
    yaml_event_t event;
    size_t capacity = 0;
    size_t height = 0;
    for (bool more = true; more;) {
        if (!reader_next(reader, &event))
            return false;
        bool ok = true;
        reader->height = 0;
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT)
            more = false;
        else if (node->kind == NODE_LIST)
            ok = node_add_item(reader, node, &capacity, &event);
        else
            ok = node_add_pair(reader, node, &capacity, &event);
        yaml_event_delete(&event);
        if (!ok)
            return false;
        if (reader->height > height)
            height = reader->height;
    }
    reader->height = height + 1;
    return true;
}

/** What the start events of lists and mappings have in common. */
struct opening {
    enum node_kind kind;
    const yaml_char_t *anchor;
    const yaml_char_t *tag;
    bool flow;
};

static struct opening opening_of(const yaml_event_t *event)
{
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return (struct opening){NODE_LIST, event->data.sequence_start.anchor,
                                event->data.sequence_start.tag,
                                event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE};
    return (struct opening){NODE_MAP, event->data.mapping_start.anchor,
                            event->data.mapping_start.tag,
                            event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE};
}

static struct node *node_read_collection(struct reader *reader, const yaml_event_t *event)
{
    struct opening opening = opening_of(event);
    struct node *node = arena_alloc(reader->arena, sizeof *node);
    size_t number;
    node->kind = opening.kind;
    if (!reader_check_depth(reader, reader->depth + 1, event) || !reader_count(reader, 1, event) ||
        !reader_begin_anchor(reader, opening.anchor, event, &number))
        return NULL;
    reader_refuse_tag(reader, opening.tag, event);
    node->place = reader_node_place(reader, event, opening.anchor || opening.tag);
    if (reader->flow_only && !opening.flow) {
        diagnostics_add(reader->diagnostics, node->place,
                        "expected one value: a scalar, [a, b] or {a: b}");
        diagnostics_help(reader->diagnostics, TREE_HINT_QUOTES);
        reader->stopped = true;
        return NULL;
    }
    reader->depth++;
    if (!node_read_children(reader, node))
        return NULL;
    reader->depth--;
    if (opening.kind == NODE_MAP) {
        if (!opening.flow && node->count)
            node->place = node->pairs[0].key->place;
        node_check_duplicates(reader, node);
    }
    reader_end_anchor(reader, number, node);
    return node;
}

/** Reads the node that an event begins; NULL once the reader has stopped. The event stays the
 * caller's. */
static struct node *node_read(struct reader *reader, yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return node_read_alias(reader, event);
    case YAML_SCALAR_EVENT:
        return node_read_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return node_read_collection(reader, event);
    default:
        GOTO_ASSERT(!"an event that begins a node");
    }
}

/** One document as it was read. */
struct document {
    struct node *root;
    struct place place;
};

/** Whether nothing was written in the document. */
static bool document_is_empty(const struct document *document)
{
    return document->root->kind == NODE_NULL && document->root->text.size == 0;
}

/** Reads the document that `start` begins; its end event is consumed. */
static bool reader_read_document(struct reader *reader, const yaml_event_t *start,
                                 struct document *document)
{
    yaml_event_t event;
    reader->anchor_count = 0;
    reader->depth = 0;
    document->place = reader_place(reader, start->start_mark.index);
    if (!reader_next(reader, &event))
        return false;
    document->root = node_read(reader, &event);
    yaml_event_delete(&event);
    if (!document->root || !reader_next(reader, &event))
        return false;
    GOTO_ASSERT(event.type == YAML_DOCUMENT_END_EVENT);
    yaml_event_delete(&event);
    return true;
}

/** Reads all documents of the stream into an array in the arena. */
static struct document *reader_read_stream(struct reader *reader, size_t *count)
{
    yaml_event_t event;
    struct document *documents = NULL;
    size_t capacity = 0;
    bool more = true;
    *count = 0;
    while (more && reader_next(reader, &event)) {
        if (event.type == YAML_STREAM_END_EVENT)
            more = false;
        if (event.type == YAML_DOCUMENT_START_EVENT) {
            arena_grow(reader->arena, &documents, *count, &capacity, sizeof *documents);
            more = reader_read_document(reader, &event, &documents[*count]);
            *count += more;
        }
        yaml_event_delete(&event);
    }
    return documents;
}

/** Checks the bytes, parses them, and gives the documents that could be read whole. */
static struct document *tree_read(struct arena *arena, const struct source *source, bool flow_only,
                                  struct diagnostics *diagnostics, size_t *count)
{
    struct str text = source->text;
    struct document *documents = NULL;
    struct reader reader = {.arena = arena,
                            .source = source,
                            .diagnostics = diagnostics,
                            .errors_before = diagnostics->count,
                            .flow_only = flow_only};
    *count = 0;
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_from(text, 3);
    if (!tree_check_bytes(source, text, diagnostics))
        return NULL;
    reader.cursor = cursor_at_start(text);
    if (!yaml_parser_initialize(&reader.parser)) {
        diagnostics_add(diagnostics, (struct place){.source = source}, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser,
                                 (const unsigned char *)(text.size ? text.data : ""), text.size);
    documents = reader_read_stream(&reader, count);
    yaml_parser_delete(&reader.parser);
    return documents;
}

int tree_read_yaml(struct arena *arena, const struct source *source, struct documents *documents,
                   struct diagnostics *diagnostics)
{
    size_t errors_before = diagnostics->count;
    size_t count;
    struct document *read = tree_read(arena, source, false, diagnostics, &count);
    bool failed = diagnostics->count > errors_before;
    if (!failed && count > 1 && document_is_empty(&read[count - 1]))
        count--;
    *documents = (struct documents){arena_alloc_array(arena, count, sizeof(struct node *)), 0};
    if (!failed && (count == 0 || (count == 1 && document_is_empty(&read[0]))))
        diagnostics_add(diagnostics, (struct place){.source = source},
                        "the file holds no scenario");
    for (size_t i = 0; i < count && diagnostics->count - errors_before < TREE_ERRORS; i++) {
        if (!document_is_empty(&read[i]))
            documents->items[documents->count++] = read[i].root;
        else if (count > 1)
            diagnostics_add(diagnostics, read[i].place, "this document is empty");
    }
    return diagnostics->count > errors_before ? -EINVAL : 0;
}

int tree_read_value(struct arena *arena, const struct source *source, struct node **value,
                    struct diagnostics *diagnostics)
{
    size_t errors_before = diagnostics->count;
    size_t count;
    struct document *read = tree_read(arena, source, true, diagnostics, &count);
    *value = NULL;
    if (diagnostics->count > errors_before)
        return -EINVAL;
    if (count > 1) {
        diagnostics_add(diagnostics, read[1].place, "expected one value, not several documents");
        return -EINVAL;
    }
    if (count == 0 && str_trim(source->text).size) {
        diagnostics_add(diagnostics, (struct place){source, 1, 1, 1}, "the value is a comment");
        diagnostics_help(diagnostics, "text that begins with '#' needs quotes");
        return -EINVAL;
    }
    *value = count ? read[0].root : arena_alloc(arena, sizeof **value);
    if (!count)
        (*value)->place = (struct place){source, 1, 1, 1};
    return 0;
}
