/**
 * An arena: memory that is freed all at once. Allocation never fails (see memory.h) and is zeroed.
 *
 * A spec's model, a scenario's names and a step's resolved values each live in an arena whose owner
 * frees it; pointers into it are borrowed for as long as the arena lives.
 */
#ifndef GOTO_BASE_ARENA_H
#define GOTO_BASE_ARENA_H

#include "base/common.h"
#include "base/str.h"

struct arena;

/** A new, empty arena; freed by arena_free(). */
GOTO_MUST_USE GOTO_NEVER_NULL struct arena *arena_new(void);

/** Frees the arena and everything in it; NULL is allowed. */
void arena_free(struct arena *arena);

/** Frees everything in it, for use again: it is as a new one, but a first block stays with it. */
void arena_reset(struct arena *arena);

/** Zeroed memory of `size` bytes, aligned for any type. */
GOTO_MUST_USE GOTO_NEVER_NULL void *arena_alloc(struct arena *arena, size_t size);

/** Zeroed memory for `count` elements of `size` bytes. */
GOTO_MUST_USE GOTO_NEVER_NULL void *arena_alloc_array(struct arena *arena, size_t count,
                                                      size_t size);

/** A copy of `text` in the arena, with a NUL after it that does not count. */
GOTO_MUST_USE struct str arena_copy(struct arena *arena, struct str text);

/** A printf into the arena; the result ends with a NUL that does not count. */
GOTO_MUST_USE struct str arena_printf(struct arena *arena, const char *format, ...)
    GOTO_PRINTF(2, 3);

/**
 * Grows an array that lives in an arena to hold one more element: doubles *capacity by copying.
 * `items` is the address of the array's pointer.
 */
void arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t size);

/** Calls `release(object)` when the arena is freed, the newest first: for what an object in it
 * holds outside. */
void arena_defer(struct arena *arena, void (*release)(void *object), void *object);

/** The bytes handed out so far, for bounds. */
size_t arena_used(const struct arena *arena);

#endif
