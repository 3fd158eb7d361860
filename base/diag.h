/**
 * Diagnostics with a place: what is wrong in a spec, collected and shown all at once, as a compiler
 * does.
 *
 *     examples/outage.yaml:7:5: error: unknown key 'protocl' in upstream 'api'
 *         7 |     protocl: http
 *           |     ^~~~~~~
 *           = did you mean 'protocol'?
 */
#ifndef GOTO_BASE_DIAG_H
#define GOTO_BASE_DIAG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/** A text that places point into: a spec file, an option's value. Borrowed by its places. */
struct source {
    struct str name; /**< as the user named it: "examples/outage.yaml", "--set" */
    struct str text;
};

/** Where something stands. `line` and `column` count from 1 (columns in characters); 0 = nowhere.
 */
struct place {
    const struct source *source;
    uint32_t line;
    uint32_t column;
    uint32_t width; /**< characters to underline, at least 1 */
};

struct diagnostic {
    struct place place;
    struct str message;
    struct str help; /**< "did you mean 'x'?"; empty if there is none */
    struct diagnostic *next;
};

/** A list of diagnostics in an arena of its own. */
struct diagnostics {
    struct arena *arena;
    struct diagnostic *first;
    struct diagnostic *last;
    size_t count;
    bool harness; /**< some of it is not the spec's fault: a program is not installed */
};

void diagnostics_init(struct diagnostics *diagnostics);
void diagnostics_clear(struct diagnostics *diagnostics);

/** Adds an error; the returned diagnostic takes a help by diagnostic_help(). Never NULL. */
struct diagnostic *diagnostics_add(struct diagnostics *diagnostics, struct place place,
                                   const char *format, ...) GOTO_PRINTF(3, 4);

/** Sets the help line of the newest diagnostic. */
void diagnostics_help(struct diagnostics *diagnostics, const char *format, ...) GOTO_PRINTF(2, 3);

/** Sets "did you mean 'x'?" on the newest diagnostic if `nearest` found something. */
void diagnostics_did_you_mean(struct diagnostics *diagnostics, const struct nearest *nearest);

/** Prints all, ordered by file (in the order first seen), line and column, in the form shown above.
 */
void diagnostics_print(const struct diagnostics *diagnostics, struct buf *into);

/** Prints the source line of a place with the underline; nothing if the place is nowhere. */
void place_print_line(struct place place, struct buf *into);

/** A path written at a place: relative to the folder of its source, absolute ones as they are. In
 * the arena, with a NUL behind. */
struct str place_path(struct place place, struct str written, struct arena *arena);

/** "file:line:col", "file" when there is no line. */
void place_print(struct place place, struct buf *into);

/** The place `offset` characters further right in the same line, `width` wide: inside a string. */
struct place place_inside(struct place place, uint32_t offset, uint32_t width);

#endif
