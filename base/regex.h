/**
 * Regular expressions: PCRE2 in UTF mode with bounds on matching, searched (not anchored).
 *
 * The syntax is Perl's: `.` takes no newline without (?s), `\w \d \s` are ASCII, case is folded by
 * Unicode. `\C` and start-of-pattern verbs such as (*UTF) are refused. One search takes at most
 * some 10 million steps at one place, 64 MiB, and about 2 s of processor time in all. A pattern
 * that was used 32 times is compiled by the JIT. A regex is used on one thread at a time.
 */
#ifndef GOTO_BASE_REGEX_H
#define GOTO_BASE_REGEX_H

#include "base/common.h"
#include "base/str.h"

struct regex;

struct regex_error {
    char message[160]; /**< PCRE2's own words */
    size_t offset;     /**< byte in the pattern */
};

/**
 * Compiles a pattern, which is copied. A regex is freed by regex_free(). Bytes of a subject that
 * are not UTF-8 are matched as U+FFFD would be, one for each byte (the pattern is tried on the
 * cleaned text); offsets always refer to the subject as given.
 *
 * @return NULL with *error filled when the pattern is wrong
 */
GOTO_MUST_USE struct regex *regex_new(struct str pattern, struct regex_error *error);
/** Frees a regex; NULL is allowed. */
void regex_free(struct regex *regex);

/** One group of a match: offsets into the subject; `set` is false for a group that took no part. */
struct regex_group {
    bool set;
    size_t start;
    size_t end;
};

/**
 * Searches `subject` from byte `from` on; what stands before is seen by lookbehinds and `^`. A
 * `from` inside a character counts as the next character's start.
 *
 * @param groups   `count` groups to fill (0 = the whole match); those the pattern does not have are
 *                 not `set`; may be NULL when count is 0
 * @return 1 on a match, 0 on none, -E2BIG when a bound was hit (catastrophic pattern)
 */
GOTO_MUST_USE int regex_search(const struct regex *regex, struct str subject, size_t from,
                               struct regex_group *groups, size_t count);
/** Whether the whole subject matches; results as regex_search(). */
GOTO_MUST_USE int regex_matches_whole(const struct regex *regex, struct str subject);
/** The number of capture groups of the pattern. */
size_t regex_group_count(const struct regex *regex);

#endif
