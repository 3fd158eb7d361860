/**
 * What every file of goto-run may use: attributes, assertions, small macros.
 *
 * GOTO_ASSERT() is for broken invariants of our own, in every build; what comes from outside is
 * never asserted but reported.
 */
#ifndef GOTO_BASE_COMMON_H
#define GOTO_BASE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOTO_MUST_USE __attribute__((warn_unused_result))
#define GOTO_NEVER_NULL __attribute__((returns_nonnull))
#define GOTO_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define GOTO_NORETURN __attribute__((noreturn))

/** The number of elements of an array (not of a pointer). */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/** The struct of `type` whose member `member` stands at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/** Prints the broken condition and its place to standard error and aborts. */
GOTO_NORETURN void goto_assert_failed(const char *condition, const char *file, int line);

#define GOTO_ASSERT(condition)                                                                     \
    ((condition) ? (void)0 : goto_assert_failed(#condition, __FILE__, __LINE__))

#endif
