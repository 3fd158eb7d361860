/**
 * Where a character of a text stands: libyaml counts characters, diagnostics want lines and
 * columns, and hints want bytes.
 *
 * libyaml's own lines are not used: it also ends them at CR, NEL, LS and PS, which no editor and no
 * printed excerpt does. Moving costs what lies between the old and the new place.
 */
#ifndef GOTO_SCHEMA_CURSOR_H
#define GOTO_SCHEMA_CURSOR_H

#include "base/diag.h"

struct cursor {
    struct str text; /**< well-formed UTF-8 */
    size_t byte;
    size_t index;      /**< characters before it */
    size_t line;       /**< lines before it */
    size_t line_index; /**< characters before its line */
};

/** The start of `text`, which is borrowed and well-formed UTF-8. */
struct cursor cursor_at_start(struct str text);

/** Moves, in either direction, to the character with that many before it; clipped to the end. */
void cursor_move(struct cursor *cursor, size_t index);

/** The place of the cursor, 1 wide. */
struct place cursor_place(const struct cursor *cursor, const struct source *source);

#endif
