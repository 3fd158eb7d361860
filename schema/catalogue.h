/**
 * The tables and families that a text about the language names: each once, in the order in which
 * they were met, under a name that is unique and fits a JSON pointer and a link.
 *
 * Whoever writes such a text adds what it refers to while it walks over the entries, until no entry
 * is new: recursion of the language needs none here.
 */
#ifndef GOTO_SCHEMA_CATALOGUE_H
#define GOTO_SCHEMA_CATALOGUE_H

#include "schema/table.h"

/** One section: a table or a family; the other one is NULL. */
struct catalogue_entry {
    const struct table *table;
    const struct family *family;
    struct str name; /**< "step", or "step-2" where another table has that name */
};

struct catalogue {
    struct arena *arena; /**< borrowed: where entries and names live */
    struct catalogue_entry *entries;
    size_t count;
    size_t capacity;
};

/** An empty catalogue whose entries live in `arena`. */
void catalogue_init(struct catalogue *catalogue, struct arena *arena);

/** The unique name of a table, which is added when it is new. */
struct str catalogue_add_table(struct catalogue *catalogue, const struct table *table);

/** The unique name of a family, which is added when it is new. */
struct str catalogue_add_family(struct catalogue *catalogue, const struct family *family);

#endif
