/**
 * The JSON Schema of the language (draft-07), made from the tables: what editors complete and check
 * with.
 *
 * Each table is a definition of its own; types make their part by their `schema` function, with the
 * helpers schema_of(), schema_text(), schema_either() and schema_or_variable() of schema/table.h.
 * Keys that are not of this version are left out. What is no string may also be a string that holds
 * a variable.
 */
#ifndef GOTO_SCHEMA_JSONSCHEMA_H
#define GOTO_SCHEMA_JSONSCHEMA_H

#include "base/buf.h"
#include "schema/table.h"

/** One schema while it is made: its arena, and the tables that it refers to so far. */
struct schema_writer;

/** Appends the schema of `root` and all that it holds, indented, with a newline at the end. */
void schema_write(const struct type *root, const char *title, struct buf *into);

#endif
