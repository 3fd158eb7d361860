#include "runner/check/lines.h"

static const enum name_kind running_kind = NAME_RUNNING;
static const struct type running_type = TYPE_NAME(&running_kind);

/** A key of the predicate: lines_check() reads all of them together. */
static enum read_result part_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    (void)reader;
    (void)type;
    (void)node;
    (void)into;
    return READ_OK;
}

static const struct type part_type = {
    .name = "as in a text predicate", .read = part_read, .raw = true};

#define PART(key, doc)                                                                             \
    {                                                                                              \
        key, &part_type, 0, 0, NULL, doc                                                           \
    }

static const struct row lines_rows[] = {
    {"of", &running_type, offsetof(struct lines, of), 0, "all programs",
     "The program, client or background step that wrote the lines."},
    PART("matches", "Lines in which this regular expression (PCRE2) is found."),
    PART("contains", "Lines with this text in them."),
    PART("starts-with", "Lines that start with this."),
    PART("ends-with", "Lines that end with this."),
    PART("equals", "Lines that are this."),
    PART("in", "Lines that are one of these."),
    PART("not", "Lines for which this predicate does not hold."),
    PART("empty", "Lines that are empty, or not."),
    PART("ignore-case", "Beside text predicates: they compare without regard to case."),
    PART("above", "Lines that are a number, duration or size above this."),
    PART("below", "Lines that are a number, duration or size below this."),
    PART("at-least", "Lines that are a number, duration or size of at least this."),
    PART("at-most", "Lines that are a number, duration or size of at most this."),
    PART("between", "Lines that are a number, duration or size between these two."),
};

static bool is_part(struct str key)
{
    for (size_t i = 0; i < COUNT_OF(lines_rows); i++) {
        if (lines_rows[i].type == &part_type && str_is(key, lines_rows[i].key))
            return true;
    }
    return false;
}

/** The keys of the predicate become a mapping of their own, which is read as one. */
static enum read_result lines_check(struct reader *reader, const struct node *node, void *into)
{
    struct lines *lines = into;
    struct node *map = arena_alloc(reader->arena, sizeof *map);
    *map = (struct node){.kind = NODE_MAP, .place = node->place};
    map->pairs = arena_alloc_array(reader->arena, node->count, sizeof *map->pairs);
    for (size_t i = 0; i < node->count; i++) {
        if (is_part(node->pairs[i].key->text))
            map->pairs[map->count++] = node->pairs[i];
    }
    return map->count ? reader_read(reader, &type_predicate_text, map, &lines->text) : READ_OK;
}

static const struct table lines_table = {
    TABLE_ROWS("output", lines_rows),
    .doc = "Lines that programs wrote: whose, and a text predicate on each.",
    .check = lines_check,
};
const struct type lines_type = TYPE_TABLE(&lines_table, struct lines);

bool lines_take(const struct lines *lines, const struct entry *entry)
{
    if (!lines->text)
        return true;
    struct arena *arena = arena_new();
    struct str line = {entry->data, entry->data_size};
    bool takes = predicate_test(lines->text, json_string(arena, line), arena, NULL);
    arena_free(arena);
    return takes;
}

void lines_describe(const struct lines *lines, struct buf *into)
{
    buf_append_string(into, "output");
    if (lines->of.data)
        buf_printf(into, " of " STR_FMT, STR_ARG(lines->of));
    if (!lines->text)
        return;
    buf_append_byte(into, ' ');
    predicate_describe(lines->text, into);
}
