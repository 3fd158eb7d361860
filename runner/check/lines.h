/**
 * Which lines of which program: the keys `of` and those of a text predicate, as the condition
 * `output` and the verify subject `output` have them.
 *
 *     output: {of: app, matches: "listening on \\d+"}
 *
 * A line is compared without its end. Without `of` the lines of all programs count, without a
 * predicate every line does.
 */
#ifndef GOTO_RUNNER_CHECK_LINES_H
#define GOTO_RUNNER_CHECK_LINES_H

#include "journal/journal.h"
#include "schema/predicate.h"

struct lines {
    struct str of;          /**< data NULL: any program */
    struct predicate *text; /**< NULL: any line */
};

/** [struct lines] The rows: include them with ROW_INCLUDE. */
extern const struct type lines_type;

/** Whether the text of an ENTRY_OUTPUT is one of them; the program is not looked at. */
bool lines_take(const struct lines *lines, const struct entry *entry);

/** "output of app to match \"ready\"". */
void lines_describe(const struct lines *lines, struct buf *into);

#endif
