#include "schema/table.h"

#include <string.h>

enum { CHOICES_SHOWN = 8 };

enum read_result read_worse(enum read_result a, enum read_result b)
{
    if (a == READ_FAILED || b == READ_FAILED)
        return READ_FAILED;
    return a == READ_DEFERRED || b == READ_DEFERRED ? READ_DEFERRED : READ_OK;
}

bool node_is_scalar(const struct node *node)
{
    return node->kind != NODE_LIST && node->kind != NODE_MAP;
}

struct str node_scalar_text(const struct node *node)
{
    if (!node_is_scalar(node))
        return STR("");
    if (node->kind == NODE_BOOL && node->text.size == 0)
        return node->boolean ? STR("true") : STR("false");
    return node->text.size ? node->text : STR("");
}

struct str reader_shown(struct reader *reader, struct str text)
{
    enum { MOST = 40 };
    char *copy = arena_alloc(reader->arena, (size_t)MOST * 4 + 4);
    size_t size = 0;
    size_t at = 0;
    for (size_t count = 0; at < text.size && count < MOST; count++) {
        uint32_t code;
        size_t length = str_decode(str_from(text, at), &code);
        bool plain = length && code >= 0x20 && !(code >= 0x7f && code < 0xa0);
        if (!plain)
            copy[size++] = length && (code == '\n' || code == '\t') ? ' ' : '?';
        for (size_t i = 0; plain && i < length; i++)
            copy[size++] = text.data[at + i];
        at += length ? length : 1;
    }
    for (size_t i = 0; at < text.size && i < 3; i++)
        copy[size++] = '.';
    return (struct str){copy, size};
}

enum read_result reader_expected(struct reader *reader, const struct node *node, const char *what)
{
    struct str text = reader_shown(reader, node_scalar_text(node));
    if (node->kind == NODE_STRING || node->kind == NODE_NUMBER)
        diagnostics_add(reader->diagnostics, node->place, "expected %s, found %s '" STR_FMT "'",
                        what, node_kind_name(node), STR_ARG(text));
    else if (node->kind == NODE_BOOL)
        diagnostics_add(reader->diagnostics, node->place, "expected %s, found '" STR_FMT "'", what,
                        STR_ARG(text));
    else
        diagnostics_add(reader->diagnostics, node->place, "expected %s, found %s", what,
                        node_kind_name(node));
    return READ_FAILED;
}

enum read_result reader_expected_container(struct reader *reader, const struct node *node,
                                           const char *what, const char *empty)
{
    reader_expected(reader, node, what);
    if (node->kind == NODE_NULL)
        diagnostics_help(reader->diagnostics, "%s, or leave the key out", empty);
    return READ_FAILED;
}

struct place reader_place(struct reader *reader, const struct node *node)
{
    struct place place = reader->key.source ? reader->key : node->place;
    reader->key = (struct place){0};
    return place;
}

enum read_result reader_read(struct reader *reader, const struct type *type,
                             const struct node *node, void *into)
{
    bool outer = reader->resolved;
    if (!type->raw && node_is_scalar(node)) {
        const struct node *resolved = node;
        enum read_result result = reader_resolve(reader, node, &resolved);
        if (result != READ_OK)
            return result;
        reader->resolved = outer || resolved != node;
        node = resolved;
    }
    enum read_result result = type->read(reader, type, node, into);
    reader->resolved = outer;
    return result;
}

void family_visit(const struct family *family,
                  void (*visit)(void *context, const struct member *member), void *context)
{
    for (const struct member *const *group = family->groups; *group; group++)
        for (const struct member *member = *group; member->key; member++)
            visit(context, member);
}

static const struct member *family_find(const struct family *family, struct str key)
{
    for (const struct member *const *group = family->groups; *group; group++)
        for (const struct member *member = *group; member->key; member++)
            if (str_is(key, member->key))
                return member;
    return NULL;
}

static void table_visit_at(const struct table *table, size_t offset,
                           const struct table_visitor *visitor)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if (row->flags & ROW_INCLUDE)
            table_visit_at(row->type->table, offset + row->offset, visitor);
        else if (visitor->row)
            visitor->row(visitor->context, row, offset + row->offset);
    }
    if (table->family && visitor->family)
        visitor->family(visitor->context, table, offset + table->family_offset);
}

void table_visit(const struct table *table, const struct table_visitor *visitor)
{
    table_visit_at(table, 0, visitor);
}

static bool table_find_row(const struct table *table, size_t offset, struct str key,
                           struct slot *slot)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if (row->flags & ROW_INCLUDE) {
            if (table_find_row(row->type->table, offset + row->offset, key, slot))
                return true;
        } else if (str_is(key, row->key)) {
            *slot = (struct slot){.row = row, .offset = offset + row->offset};
            return true;
        }
    }
    return false;
}

static bool table_find_member(const struct table *table, size_t offset, struct str key,
                              struct slot *slot)
{
    const struct member *member = table->family ? family_find(table->family, key) : NULL;
    if (member) {
        *slot = (struct slot){
            .member = member, .family = table->family, .offset = offset + table->family_offset};
        return true;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if ((row->flags & ROW_INCLUDE) &&
            table_find_member(row->type->table, offset + row->offset, key, slot))
            return true;
    }
    return false;
}

bool table_find(const struct table *table, struct str key, struct slot *slot)
{
    return table_find_row(table, 0, key, slot) || table_find_member(table, 0, key, slot);
}

/** Presets what is embedded (included tables and values that are tables), then the table's own. */
static void table_preset(const struct table *table, char *into)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct type *type = table->rows[i].type;
        if (type && type->read == type_table_read)
            table_preset(type->table, into + table->rows[i].offset);
    }
    if (table->preset)
        table->preset(into);
}

static enum read_result table_check(const struct table *table, struct reader *reader,
                                    const struct node *node, char *into)
{
    enum read_result result = READ_OK;
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if (row->flags & ROW_INCLUDE)
            result =
                read_worse(result, table_check(row->type->table, reader, node, into + row->offset));
    }
    if (table->check)
        result = read_worse(result, table->check(reader, node, into));
    return result;
}

bool member_is_bare(const struct member *member)
{
    if (member->flags & ROW_LATER || !member->type)
        return false;
    const struct type *type = member->type;
    if (type->read == type_true.read)
        return true;
    if (type->read == type_pointer_read)
        type = type->of;
    return type->read == type_table_read && type->table->empty_allowed;
}

/** One mapping while it is read by its table. */
struct reading {
    struct reader *reader;
    const struct table *table; /**< the outermost */
    const struct node *node;   /**< the mapping */
    struct str entry;
    char *into;
    enum read_result result;
    struct str *guesses; /**< the "did you mean" of each unknown key: not told again as missing */
    size_t guess_count;
};

/** "upstream 'api'", or only "upstream". */
static struct str reading_title(const struct reading *reading)
{
    struct arena *arena = reading->reader->arena;
    if (reading->entry.size == 0)
        return str_of(reading->table->name);
    return arena_printf(arena, "%s '" STR_FMT "'", reading->table->name,
                        STR_ARG(reader_shown(reading->reader, reading->entry)));
}

static void reading_fail(struct reading *reading)
{
    reading->result = READ_FAILED;
}

static void nearest_row(void *context, const struct row *row, size_t offset)
{
    (void)offset;
    str_nearest(context, str_of(row->key));
}

static void nearest_member(void *context, const struct member *member)
{
    str_nearest(context, str_of(member->key));
}

static void nearest_family(void *context, const struct table *table, size_t offset)
{
    (void)offset;
    family_visit(table->family, nearest_member, context);
}

static void reading_unknown(struct reading *reading, const struct node *key)
{
    struct reader *reader = reading->reader;
    struct nearest nearest = {.wanted = key->text};
    const struct table_visitor visitor = {nearest_row, nearest_family, &nearest};
    table_visit(reading->table, &visitor);
    struct str title = reading_title(reading);
    diagnostics_add(reader->diagnostics, key->place, "unknown key '" STR_FMT "' in " STR_FMT,
                    STR_ARG(reader_shown(reader, key->text)), STR_ARG(title));
    diagnostics_did_you_mean(reader->diagnostics, &nearest);
    if (nearest.best.size)
        reading->guesses[reading->guess_count++] = nearest.best;
    reading_fail(reading);
}

static void reading_later(struct reading *reading, const struct node *key)
{
    diagnostics_add(reading->reader->diagnostics, key->place,
                    "'" STR_FMT "' is part of the language but not of this version",
                    STR_ARG(key->text));
    reading->guesses[reading->guess_count++] = key->text;
    reading_fail(reading);
}

static const char *article(const char *noun)
{
    return strchr("aeiou", noun[0]) ? "an" : "a";
}

static void reading_member(struct reading *reading, const struct slot *slot,
                           const struct node_pair *pair)
{
    struct reader *reader = reading->reader;
    const struct member *member = slot->member;
    struct chosen *chosen = (struct chosen *)(void *)(reading->into + slot->offset);
    if (chosen->member) {
        const char *name = reading->table->name;
        diagnostics_add(reader->diagnostics, pair->key->place,
                        "%s %s has one %s only: '%s' and '%s' both stand here", article(name), name,
                        slot->family->name, chosen->member->key, member->key);
        reading_fail(reading);
        return;
    }
    chosen->member = member;
    chosen->value = arena_alloc(reader->arena, member->type->size);
    chosen->node = reader_keep(reader, pair->value);
    chosen->place = pair->key->place;
    reader->key = pair->key->place;
    enum read_result result = reader_read(reader, member->type, pair->value, chosen->value);
    chosen->deferred = result == READ_DEFERRED;
    if (result == READ_FAILED)
        reading_fail(reading);
}

/** Reads the value of one key. */
static void reading_pair(struct reading *reading, const struct node_pair *pair)
{
    struct slot slot;
    if (!table_find(reading->table, pair->key->text, &slot)) {
        reading_unknown(reading, pair->key);
    } else if ((slot.row ? slot.row->flags : slot.member->flags) & ROW_LATER) {
        reading_later(reading, pair->key);
    } else if (slot.member) {
        reading_member(reading, &slot, pair);
    } else {
        reading->reader->key = pair->key->place;
        enum read_result result =
            reader_read(reading->reader, slot.row->type, pair->value, reading->into + slot.offset);
        reading->result = read_worse(reading->result, result);
    }
}

static bool reading_guessed(const struct reading *reading, const char *key)
{
    for (size_t i = 0; i < reading->guess_count; i++)
        if (str_is(reading->guesses[i], key))
            return true;
    return false;
}

static void reading_require_row(void *context, const struct row *row, size_t offset)
{
    (void)offset;
    struct reading *reading = context;
    if (!(row->flags & ROW_REQUIRED) || node_find(reading->node, str_of(row->key)) ||
        reading_guessed(reading, row->key))
        return;
    struct str title = reading_title(reading);
    diagnostics_add(reading->reader->diagnostics, reading->node->place,
                    "missing key '%s' in " STR_FMT, row->key, STR_ARG(title));
    reading_fail(reading);
}

/** The first few members of a family in words: "one of http, run, ...". */
struct member_names {
    struct arena *arena;
    struct str text;
    size_t count;
};

static void member_names_add(void *context, const struct member *member)
{
    struct member_names *names = context;
    if (member->flags & ROW_LATER || names->count > CHOICES_SHOWN)
        return;
    const char *between = names->count ? ", " : "";
    const char *name = names->count == CHOICES_SHOWN ? "…" : member->key;
    names->text = arena_printf(names->arena, STR_FMT "%s%s", STR_ARG(names->text), between, name);
    names->count++;
}

/** Adds an error if nothing was chosen from a family that needs it. */
static void reading_require_family(void *context, const struct table *table, size_t offset)
{
    struct reading *reading = context;
    const struct chosen *chosen = (const struct chosen *)(const void *)(reading->into + offset);
    if (chosen->member || table->family_optional)
        return;
    for (size_t i = 0; i < reading->guess_count; i++)
        if (family_find(table->family, reading->guesses[i]))
            return;
    struct member_names names = {.arena = reading->reader->arena};
    family_visit(table->family, member_names_add, &names);
    diagnostics_add(reading->reader->diagnostics, reading->node->place,
                    "%s %s needs one %s: one of " STR_FMT, article(reading->table->name),
                    reading->table->name, table->family->name, STR_ARG(names.text));
    reading_fail(reading);
}

static enum read_result table_read_map(struct reading *reading)
{
    struct reader *reader = reading->reader;
    const struct node *node = reading->node;
    const char *name = reading->table->name;
    if (node->count == 0 && !reading->table->empty_allowed) {
        diagnostics_add(reader->diagnostics, node->place,
                        "an empty %s says nothing; give at least one key", name);
        return READ_FAILED;
    }
    reading->guesses = arena_alloc_array(reader->arena, node->count, sizeof *reading->guesses);
    for (size_t i = 0; i < node->count; i++)
        reading_pair(reading, &node->pairs[i]);
    const struct table_visitor required = {reading_require_row, reading_require_family, reading};
    table_visit(reading->table, &required);
    if (reading->result == READ_OK)
        reading->result = table_check(reading->table, reader, node, reading->into);
    return reading->result;
}

/** {key: value}, standing where the value stands. */
static const struct node *node_pair_map(struct arena *arena, struct str key,
                                        const struct node *value)
{
    struct node *map = arena_alloc(arena, sizeof *map);
    struct node *name = arena_alloc(arena, sizeof *name);
    *name = (struct node){.kind = NODE_STRING, .text = key, .place = value->place};
    *map = (struct node){.kind = NODE_MAP, .place = value->place, .count = 1};
    map->pairs = arena_alloc(arena, sizeof *map->pairs);
    map->pairs[0].key = name;
    /* Trees are not changed after reading: the cast only fits the type of a pair. */
    map->pairs[0].value = (struct node *)(uintptr_t)value;
    return map;
}

/** {word: } for a member that may stand as a bare word; NULL if the word is no such member. */
static const struct node *table_bare_word(struct reader *reader, const struct table *table,
                                          const struct node *node)
{
    struct slot slot;
    if (node->kind != NODE_STRING || !table_find_member(table, 0, node->text, &slot) ||
        !member_is_bare(slot.member))
        return NULL;
    struct node *value = arena_alloc(reader->arena, sizeof *value);
    bool flag = slot.member->type->read == type_true.read;
    *value = (struct node){.kind = flag ? NODE_NULL : NODE_MAP, .place = node->place};
    return node_pair_map(reader->arena, node->text, value);
}

/** Says what is wrong with a value that is no mapping and cannot stand for one. */
static void table_expected(struct reader *reader, const struct table *table,
                           const struct node *node)
{
    struct slot slot;
    if (node->kind == NODE_STRING && table_find(table, node->text, &slot)) {
        diagnostics_add(reader->diagnostics, node->place, "'" STR_FMT "' needs a value",
                        STR_ARG(node->text));
        diagnostics_help(reader->diagnostics, "write {" STR_FMT ": …}", STR_ARG(node->text));
        return;
    }
    struct str what = arena_printf(reader->arena, "a mapping (%s)", table->name);
    reader_expected(reader, node, what.data);
    if (node->kind == NODE_STRING) {
        /* a word that was to stand for one */
        struct nearest nearest = {.wanted = node->text};
        const struct table_visitor visitor = {nearest_row, nearest_family, &nearest};
        table_visit(table, &visitor);
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
    }
    if (node->kind != NODE_NULL)
        return;
    if (table->empty_allowed)
        diagnostics_help(reader->diagnostics,
                         "write {} for one without keys, or leave the key out");
    else
        diagnostics_help(reader->diagnostics, "give at least one key, or leave this one out");
}

/**
 * The mapping that a table reads: the node itself, the mapping that its variable holds, a bare word
 * or the shorthand as a mapping.
 */
static enum read_result table_mapping(struct reader *reader, const struct table *table,
                                      const struct node *node, const struct node **map)
{
    const struct node *resolved = node;
    bool whole = !reader->resolved && node->kind == NODE_STRING && text_is_variable(node->text);
    if (whole) {
        enum read_result result = reader_resolve(reader, node, &resolved);
        if (result != READ_OK)
            return result;
    }
    *map = resolved;
    if (resolved->kind == NODE_MAP) {
        reader->resolved = reader->resolved || resolved != node;
        return READ_OK;
    }
    *map = table_bare_word(reader, table, resolved);
    if (*map)
        return READ_OK;
    if (!table->shorthand || resolved->kind == NODE_NULL) {
        table_expected(reader, table, resolved);
        return READ_FAILED;
    }
    *map = node_pair_map(reader->arena, str_of(table->shorthand), node);
    return READ_OK;
}

enum read_result reader_read_table(struct reader *reader, const struct table *table,
                                   const struct node *node, void *into)
{
    struct reading reading = {
        .reader = reader, .table = table, .entry = reader->entry, .into = into};
    bool outer = reader->resolved;
    reader->entry = STR("");
    table_preset(table, into);
    if (reader->depth >= TREE_DEPTH) {
        diagnostics_add(reader->diagnostics, node->place, "nested deeper than %d levels",
                        TREE_DEPTH);
        return READ_FAILED;
    }
    reader->depth++;
    enum read_result result = table_mapping(reader, table, node, &reading.node);
    if (result == READ_OK)
        result = table_read_map(&reading);
    reader->depth--;
    reader->resolved = outer;
    return result;
}
