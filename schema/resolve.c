/* Variables: `${name}` in a text, `$${` for a literal `${` (LANGUAGE 2.1). */
#include "base/buf.h"
#include "schema/table.h"

#include <string.h>

/* A text with its variables resolved holds no more than a file may. */
enum { RESOLVED_MOST = TREE_FILE_SIZE };

/* Finding a place inside a text searches the file: beyond this many errors the text's own place
 * does. */
enum { PLACES_MOST = 200 };

/** A part of a text with variables. */
struct piece {
    enum { PIECE_TEXT, PIECE_VARIABLE, PIECE_UNCLOSED } kind;
    struct str text; /**< the text, or the name between the braces */
    size_t start;    /**< where it starts in the whole text, with its `${` */
    size_t size;     /**< with its `${` and `}` */
};

/** Takes the piece at *at; false at the end of the text. */
static bool piece_next(struct str text, size_t *at, struct piece *piece)
{
    struct str rest = str_from(text, *at);
    if (rest.size == 0)
        return false;
    *piece = (struct piece){.kind = PIECE_TEXT, .start = *at, .size = rest.size, .text = rest};
    if (str_starts(rest, STR("$${"))) {
        piece->size = 3;
        piece->text = str_slice(rest, 1, 2);
    } else if (str_starts(rest, STR("${"))) {
        ptrdiff_t end = str_find_byte(rest, '}');
        piece->kind = end < 0 ? PIECE_UNCLOSED : PIECE_VARIABLE;
        piece->size = end < 0 ? rest.size : (size_t)end + 1;
        piece->text = end < 0 ? str_from(rest, 2) : str_slice(rest, 2, (size_t)end - 2);
    } else {
        ptrdiff_t next = str_find(rest, STR("${"));
        if (next > 0) {
            bool escape = rest.data[next - 1] == '$';
            piece->size = (size_t)next - (escape ? 1 : 0);
            piece->text = str_slice(rest, 0, piece->size);
        }
    }
    *at += piece->size;
    return true;
}

bool text_has_variable(struct str text)
{
    struct piece piece;
    for (size_t at = 0; piece_next(text, &at, &piece);)
        if (piece.kind != PIECE_TEXT)
            return true;
    return false;
}

bool text_is_variable(struct str text)
{
    struct piece piece;
    size_t at = 0;
    return piece_next(text, &at, &piece) && piece.kind == PIECE_VARIABLE && at == text.size;
}

/** How often "${" stands in a text, escaped or not: the same in the decoded text and in the file.
 */
static size_t opening_count(struct str text)
{
    size_t count = 0;
    for (ptrdiff_t at = str_find(text, STR("${")); at >= 0; at = str_find(text, STR("${"))) {
        text = str_from(text, (size_t)at + 2);
        count++;
    }
    return count;
}

/** The offset of a place in its source; the end of the text when it has no such place. */
static size_t place_offset(struct place place)
{
    struct str text = place.source->text;
    size_t at = 0;
    for (uint32_t line = 1; line < place.line; line++) {
        ptrdiff_t end = str_find_byte(str_from(text, at), '\n');
        if (end < 0)
            return text.size;
        at += (size_t)end + 1;
    }
    for (uint32_t column = 1; column < place.column && at < text.size; column++) {
        uint32_t code;
        size_t size = str_decode(str_from(text, at), &code);
        at += size ? size : 1;
    }
    return at;
}

/** The place of an offset in a source. */
static struct place offset_place(const struct source *source, size_t offset, size_t width)
{
    struct str before = str_slice(source->text, 0, offset);
    struct place place = {.source = source, .line = 1, .width = (uint32_t)width};
    for (ptrdiff_t at = str_find_byte(before, '\n'); at >= 0; at = str_find_byte(before, '\n')) {
        before = str_from(before, (size_t)at + 1);
        place.line++;
    }
    place.column = (uint32_t)str_characters(before) + 1;
    return place;
}

/**
 * Where a variable stands inside a scalar. Quotes, escapes and block styles shift it against the
 * decoded text, so it is looked for in the file: the text's n-th "${" is also the file's n-th from
 * there.
 */
static struct place piece_place(const struct reader *reader, const struct node *node,
                                const struct piece *piece)
{
    struct place place = node->place;
    if (!place.source || place.line == 0 || reader->diagnostics->count > PLACES_MOST)
        return place;
    size_t at = place_offset(place);
    for (size_t left = opening_count(str_slice(node->text, 0, piece->start)) + 1; left; left--) {
        ptrdiff_t next = str_find(str_from(place.source->text, at), STR("${"));
        if (next < 0)
            return place;
        at += (size_t)next + (left > 1 ? 2 : 0);
    }
    struct str written = str_slice(node->text, piece->start, piece->size);
    ptrdiff_t line_end = str_find_byte(written, '\n');
    written = line_end < 0 ? written : str_slice(written, 0, (size_t)line_end);
    if (!str_starts(str_from(place.source->text, at), written))
        return place;
    return offset_place(place.source, at, str_characters(written));
}

/** Adds what is wrong with a variable. */
static void piece_wrong(struct reader *reader, const struct node *node, const struct piece *piece,
                        struct str why, const struct nearest *nearest)
{
    diagnostics_add(reader->diagnostics, piece_place(reader, node, piece), STR_FMT, STR_ARG(why));
    diagnostics_did_you_mean(reader->diagnostics, nearest);
}

/** The value of the variable that a piece names. */
static enum read_result piece_value(struct reader *reader, const struct node *node,
                                    const struct piece *piece, const struct json **value)
{
    struct nearest nearest = {.wanted = piece->text};
    struct str why = STR("");
    enum resolve_result found = RESOLVE_FAILED;
    if (piece->kind == PIECE_UNCLOSED)
        why = STR("'${' without a '}' after it");
    else if (piece->text.size == 0)
        why = STR("'${}' names nothing");
    else if (str_find(piece->text, STR("${")) >= 0)
        why = STR("a variable cannot stand inside another one");
    else
        found = reader->scope->variable(reader->scope, reader->arena, piece->text, value, &why,
                                        &nearest);
    if (found == RESOLVE_LATER)
        return READ_DEFERRED;
    if (found == RESOLVE_OK)
        return READ_OK;
    piece_wrong(reader, node, piece, why, &nearest);
    if (piece->kind == PIECE_UNCLOSED)
        diagnostics_help(reader->diagnostics, "write $${ for a literal ${");
    return READ_FAILED;
}

static void value_append(const struct json *value, struct buf *into)
{
    if (value->kind == JSON_STRING || value->kind == JSON_NUMBER)
        buf_append(into, value->text);
    else
        json_write(value, into);
}

/** Resolves a text of several pieces into a string. */
static enum read_result text_resolve(struct reader *reader, const struct node *node,
                                     struct buf *into)
{
    enum read_result result = READ_OK;
    struct piece piece;
    for (size_t at = 0; !buf_full(into) && piece_next(node->text, &at, &piece);) {
        if (piece.kind == PIECE_TEXT) {
            buf_append(into, piece.text);
            continue;
        }
        const struct json *value = NULL;
        enum read_result one = piece_value(reader, node, &piece, &value);
        result = read_worse(result, one);
        if (one == READ_OK)
            value_append(value, into);
    }
    if (result != READ_OK || !buf_full(into))
        return result;
    diagnostics_add(reader->diagnostics, node->place,
                    "with its variables this text is longer than %d MiB", RESOLVED_MOST >> 20);
    return READ_FAILED;
}

enum read_result reader_resolve(struct reader *reader, const struct node *node,
                                const struct node **resolved)
{
    *resolved = node;
    if (!reader->scope || reader->resolved || node->kind != NODE_STRING ||
        str_find(node->text, STR("${")) < 0)
        return READ_OK;
    if (text_is_variable(node->text)) {
        struct piece piece;
        size_t at = 0;
        const struct json *value = NULL;
        GOTO_ASSERT(piece_next(node->text, &at, &piece));
        enum read_result result = piece_value(reader, node, &piece, &value);
        if (result == READ_OK)
            *resolved = node_from_json(reader->arena, value, node->place);
        return result;
    }
    struct buf buf;
    buf_init(&buf, RESOLVED_MOST);
    enum read_result result = text_resolve(reader, node, &buf);
    if (result == READ_OK) {
        struct node *made = arena_alloc(reader->arena, sizeof *made);
        *made = *node;
        made->text = arena_copy(reader->arena, buf_str(&buf));
        *resolved = made;
    }
    buf_clear(&buf);
    return result;
}

typedef enum read_result (*node_change)(struct reader *reader, const struct node *node,
                                        const struct node **changed);

/** A mapping or list with entries of its own, to be changed. */
static struct node *container_copy(struct arena *arena, const struct node *node)
{
    struct node *copy = arena_alloc(arena, sizeof *copy);
    *copy = *node;
    if (node->kind == NODE_LIST) {
        copy->items = arena_alloc_array(arena, node->count, sizeof *copy->items);
        memcpy(copy->items, node->items, node->count * sizeof *copy->items);
    } else {
        copy->pairs = arena_alloc_array(arena, node->count, sizeof *copy->pairs);
        memcpy(copy->pairs, node->pairs, node->count * sizeof *copy->pairs);
    }
    return copy;
}

/** Applies `change` to every scalar of a tree; what nothing changed in is shared. */
static enum read_result tree_change(struct reader *reader, const struct node *node,
                                    node_change change, const struct node **changed)
{
    *changed = node;
    if (node_is_scalar(node))
        return change(reader, node, changed);
    struct node *copy = NULL;
    enum read_result result = READ_OK;
    for (size_t i = 0; i < node->count; i++) {
        const struct node *before = node->kind == NODE_LIST ? node->items[i] : node->pairs[i].value;
        const struct node *after = before;
        result = read_worse(result, tree_change(reader, before, change, &after));
        if (after == before)
            continue;
        copy = copy ? copy : container_copy(reader->arena, node);
        /* Trees are not changed after reading: the cast only fits the type of an entry. */
        struct node *entry = (struct node *)(uintptr_t)after;
        if (node->kind == NODE_LIST)
            copy->items[i] = entry;
        else
            copy->pairs[i].value = entry;
    }
    if (copy)
        *changed = copy;
    return result;
}

enum read_result reader_resolve_tree(struct reader *reader, const struct node *node,
                                     const struct node **resolved)
{
    *resolved = node;
    if (!reader->scope || reader->resolved)
        return READ_OK;
    return tree_change(reader, node, reader_resolve, resolved);
}

/** Writes every `${` of a text as `$${`. */
static enum read_result scalar_escape(struct reader *reader, const struct node *node,
                                      const struct node **escaped)
{
    size_t count = node->kind == NODE_STRING ? opening_count(node->text) : 0;
    if (count == 0)
        return READ_OK;
    char *text = arena_alloc(reader->arena, node->text.size + count);
    size_t size = 0;
    for (size_t at = 0; at < node->text.size; at++) {
        if (str_starts(str_from(node->text, at), STR("${")))
            text[size++] = '$';
        text[size++] = node->text.data[at];
    }
    struct node *made = arena_alloc(reader->arena, sizeof *made);
    *made = *node;
    made->text = (struct str){text, size};
    *escaped = made;
    return READ_OK;
}

const struct node *reader_keep(struct reader *reader, const struct node *node)
{
    const struct node *kept = node;
    if (reader->resolved)
        (void)tree_change(reader, node, scalar_escape, &kept);
    return kept;
}
