/**
 * The reference of the language as a Markdown page, made from the tables: a section for each table
 * and for each family, in the order in which they are met from the root.
 */
#ifndef GOTO_SCHEMA_REFERENCE_H
#define GOTO_SCHEMA_REFERENCE_H

#include "base/buf.h"
#include "schema/table.h"

/** Appends the sections of `root` and of all that it holds; the page's own heading is the caller's.
 */
void reference_write(const struct type *root, struct buf *into);

#endif
