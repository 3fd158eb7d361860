/**
 * The heap. Running out of memory ends the process with a message and exit status 3: no caller has
 * to handle it. What comes from outside is bounded by its reader, not by malloc failing.
 */
#ifndef GOTO_BASE_MEMORY_H
#define GOTO_BASE_MEMORY_H

#include "base/common.h"

/** Zeroed memory of `size` bytes (at least 1); never NULL. The caller frees it with memory_free().
 */
GOTO_MUST_USE GOTO_NEVER_NULL void *memory_alloc(size_t size);

/** Zeroed memory for `count` elements of `size` bytes; an overflow of the product aborts. */
GOTO_MUST_USE GOTO_NEVER_NULL void *memory_alloc_array(size_t count, size_t size);

/** Grows or shrinks a block; what is added is not zeroed. `block` may be NULL. Never NULL. */
GOTO_MUST_USE GOTO_NEVER_NULL void *memory_resize(void *block, size_t size);

/** A copy of a C string, to be freed with memory_free(). */
GOTO_MUST_USE GOTO_NEVER_NULL char *memory_copy_string(const char *text);

/** Frees a block; NULL is allowed. */
void memory_free(void *block);

/** Makes the block of `count` elements of `size` bytes at *items hold one more: doubles *capacity.
 */
void memory_grow(void *items, size_t count, size_t *capacity, size_t size);

#endif
