/**
 * What a plain scalar means: the YAML 1.2 core schema (section 10.3.2), and its numbers as JSON.
 */
#ifndef GOTO_SCHEMA_SCALAR_H
#define GOTO_SCHEMA_SCALAR_H

#include "schema/tree.h"

/** The kind of a plain (unquoted) scalar: NODE_NULL, NODE_BOOL, NODE_NUMBER or NODE_STRING. */
enum node_kind scalar_kind(struct str text);

/** Whether a NODE_NUMBER's text is hexadecimal or octal: 0x1F, 0o17. */
bool scalar_has_base(struct str text);

/**
 * The number as JSON writes it, of the same value, in `arena` or borrowed from `text`: 0x1F → 31,
 * +.5 → 0.5, 007 → 7; .inf, -.inf and .nan are kept, in lower case. `text` must be a NODE_NUMBER's.
 */
struct str scalar_number_to_json(struct arena *arena, struct str text);

#endif
