/**
 * Names that are unique: the n-th use of one gets " (2)", " (3)" ... behind it.
 */
#ifndef GOTO_RUNNER_SPEC_TITLES_H
#define GOTO_RUNNER_SPEC_TITLES_H

#include "base/arena.h"
#include "base/str.h"

struct title;

/** Starts as {.arena = …}; all of it lives there. */
struct titles {
    struct arena *arena;
    struct title *slots; /**< a hash table with open addressing */
    size_t count;
    size_t size; /**< of the table: 0 or a power of two */
};

/** The name itself, or the first of its numbered forms that is free; it is taken from now on. */
struct str titles_take(struct titles *titles, struct str wanted);

#endif
