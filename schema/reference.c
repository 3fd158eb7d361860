#include "schema/reference.h"

#include "schema/catalogue.h"
#include "schema/predicate.h"

#include <string.h>

/** One page while it is written. */
struct reference {
    struct catalogue sections;
    struct buf *into;
    bool rows; /**< the head of its table of keys was written */
};

/** Writes a text into a cell of a table: in one line, its bars escaped. */
static void cell_write(const char *text, struct buf *into)
{
    for (; text && *text; text++) {
        if (*text == '|')
            buf_append_byte(into, '\\');
        buf_append_byte(into, *text == '\n' ? ' ' : *text);
    }
}

/** A type's name without its article: "a duration such as 300ms" → "duration such as 300ms". */
static const char *noun(const char *name)
{
    struct str text = str_of(name);
    if (str_starts(text, STR("a ")))
        return name + 2;
    return str_starts(text, STR("an ")) ? name + 3 : name;
}

static void link_write(struct buf *into, struct str name)
{
    buf_printf(into, "[" STR_FMT "](#" STR_FMT ")", STR_ARG(name), STR_ARG(name));
}

static void choices_write(const struct choice *choices, struct buf *into)
{
    for (const struct choice *choice = choices; choice->name; choice++) {
        const char *between = choice == choices ? "" : choice[1].name ? ", " : " or ";
        buf_append_string(into, between);
        buf_append_byte(into, '`');
        cell_write(choice->name, into);
        buf_append_byte(into, '`');
    }
}

static void names_write(const struct type *type, struct buf *into)
{
    const char *const *names = type->extra;
    for (size_t i = 0; names[i]; i++)
        buf_printf(into, "%s`%s`", i == 0 ? "" : ", ", names[i]);
    if (type->read == predicate_read_code)
        buf_append_string(into, ", a number without a name");
    buf_append_string(into, ", or a predicate");
}

/** The table that is behind a type that reads on its own; NULL if there is none. */
static const struct table *type_table(const struct type *type)
{
    while (!type->table && type->of && type->read != type_list_read && type->read != type_map_read)
        type = type->of;
    return type->table;
}

/** Writes the words of a type and a link to its table; a plain mapping is the link alone. */
static void section_write(struct reference *reference, const struct type *type,
                          const struct table *table)
{
    struct buf *into = reference->into;
    struct str name = catalogue_add_table(&reference->sections, table);
    if (!type->name || strcmp(type->name, "a mapping") == 0) {
        link_write(into, name);
        return;
    }
    cell_write(noun(type->name), into);
    buf_append_string(into, ": ");
    link_write(into, name);
}

/** Writes what kind of value a type is, and adds the tables in it to the page. */
static void kind_write(struct reference *reference, const struct type *type)
{
    struct buf *into = reference->into;
    if (type->table) {
        section_write(reference, type, type->table);
    } else if (type->schema == type_choice_schema) {
        choices_write(type->extra, into);
    } else if (type->read == predicate_read_choice || type->read == predicate_read_code) {
        names_write(type, into);
    } else if (type->read == type_name_read) {
        buf_append_string(into, "name of: ");
        cell_write(name_kind_text(*(const enum name_kind *)type->extra), into);
    } else if (type->read == type_one_or_list_read) {
        kind_write(reference, type->of);
        buf_append_string(into, ", or a list of it");
    } else if (type->read == type_list_read || type->read == type_map_read) {
        bool list = type->read == type_list_read;
        buf_append_string(into, list ? "list: " : type->extra ? "names to: " : "mapping to: ");
        kind_write(reference, type->of);
    } else if (type->name && type_table(type)) {
        section_write(reference, type, type_table(type));
    } else if (type->name) {
        cell_write(noun(type->name), into);
    } else if (type->of) {
        kind_write(reference, type->of);
    } else {
        buf_append_string(into, "value");
    }
}

/** The choices of a type, through its pointers and lists; NULL if it has none with a doc. */
static const struct choice *type_choices(const struct type *type)
{
    while (type->of && type->schema != type_choice_schema)
        type = type->of;
    const struct choice *choices = type->schema == type_choice_schema ? type->extra : NULL;
    return choices && choices->doc ? choices : NULL;
}

/** Writes the last cells of a row: the doc, and what each choice means. */
static void doc_write(struct reference *reference, const struct type *type, const char *doc,
                      unsigned flags)
{
    struct buf *into = reference->into;
    cell_write(doc, into);
    if (flags & ROW_LATER)
        buf_append_string(into, " *Not in this version.*");
    const struct choice *choice = type ? type_choices(type) : NULL;
    for (; choice && choice->name; choice++) {
        buf_append_string(into, "<br>`");
        cell_write(choice->name, into);
        buf_append_string(into, "`: ");
        cell_write(choice->doc, into);
    }
    buf_append_string(into, " |\n");
}

static void key_write(struct reference *reference, const char *key, const struct type *type)
{
    buf_append_string(reference->into, "| `");
    cell_write(key, reference->into);
    buf_append_string(reference->into, "` | ");
    if (type)
        kind_write(reference, type);
    buf_append_string(reference->into, " | ");
}

static void section_row(void *context, const struct row *row, size_t offset)
{
    (void)offset;
    struct reference *reference = context;
    struct buf *into = reference->into;
    if (!reference->rows)
        buf_append_string(into, "| key | kind | default | |\n| --- | --- | --- | --- |\n");
    reference->rows = true;
    key_write(reference, row->key, row->type);
    if (row->flags & ROW_REQUIRED) {
        buf_append_string(into, "*required*");
    } else if (row->fallback) {
        buf_append_byte(into, '`');
        cell_write(row->fallback, into);
        buf_append_byte(into, '`');
    }
    buf_append_string(into, " | ");
    doc_write(reference, row->type, row->doc, row->flags);
}

static void section_family(void *context, const struct table *table, size_t offset)
{
    (void)offset;
    struct reference *reference = context;
    buf_printf(reference->into, "%s%s one ", reference->rows ? "\n" : "",
               table->family_optional ? "At most" : "Exactly");
    link_write(reference->into, catalogue_add_family(&reference->sections, table->family));
    buf_printf(reference->into, " stands in it%s.\n", reference->rows ? " too" : "");
}

static void table_write(struct reference *reference, const struct table *table)
{
    struct buf *into = reference->into;
    if (table->doc)
        buf_printf(into, "%s\n\n", table->doc);
    if (table->shorthand)
        buf_printf(into, "A value that is no mapping is its `%s`.\n\n", table->shorthand);
    reference->rows = false;
    const struct table_visitor rows = {section_row, NULL, reference};
    const struct table_visitor families = {NULL, section_family, reference};
    table_visit(table, &rows);
    table_visit(table, &families);
}

static void member_write(void *context, const struct member *member)
{
    struct reference *reference = context;
    key_write(reference, member->key, member->type);
    doc_write(reference, member->type, member->doc, member->flags);
}

static void family_write(struct reference *reference, const struct family *family)
{
    buf_printf(reference->into, "| %s | kind | |\n| --- | --- | --- |\n", family->name);
    family_visit(family, member_write, reference);
}

void reference_write(const struct type *root, struct buf *into)
{
    struct arena *arena = arena_new();
    struct reference reference = {.into = into};
    catalogue_init(&reference.sections, arena);
    while (root->of && !root->table)
        root = root->of;
    if (root->table)
        (void)catalogue_add_table(&reference.sections, root->table);
    for (size_t i = 0; i < reference.sections.count; i++) {
        const struct catalogue_entry entry = reference.sections.entries[i];
        buf_printf(into, "%s## " STR_FMT "\n\n", i ? "\n" : "", STR_ARG(entry.name));
        if (entry.table)
            table_write(&reference, entry.table);
        else
            family_write(&reference, entry.family);
    }
    arena_free(arena);
}
