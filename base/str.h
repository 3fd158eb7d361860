/**
 * A borrowed piece of text: pointer and size, not necessarily ended by a NUL, may hold any byte.
 */
#ifndef GOTO_BASE_STR_H
#define GOTO_BASE_STR_H

#include "base/common.h"

struct str {
    const char *data; /**< NULL only when size is 0 */
    size_t size;
};

/** A str of a string literal. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/** The same as an initialiser of a static object. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

/** For printf: printf(STR_FMT, STR_ARG(name)). */
#define STR_FMT "%.*s"
#define STR_ARG(text) (int)((text).size), (text).data ? (text).data : ""

/** A str of a C string; NULL gives the empty one. */
struct str str_of(const char *text);

bool str_equal(struct str a, struct str b);
/** Equality without regard to the case of ASCII letters. */
bool str_equal_nocase(struct str a, struct str b);
/** str_equal() with a C string. */
bool str_is(struct str a, const char *b);
/** Order as memcmp, the shorter first: negative, 0 or positive. */
int str_compare(struct str a, struct str b);
bool str_starts(struct str text, struct str prefix);
bool str_ends(struct str text, struct str suffix);
/** Where `part` first stands in `text`, or -1. */
ptrdiff_t str_find(struct str text, struct str part);
/** Where `byte` first stands in `text`, or -1. */
ptrdiff_t str_find_byte(struct str text, char byte);
/** The part from `from` of at most `size` bytes; both are clipped. */
struct str str_slice(struct str text, size_t from, size_t size);
/** Everything from `from` on. */
struct str str_from(struct str text, size_t from);
/** Without blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str text);

/**
 * Decimal digits as a number.
 *
 * @return false if there is no digit, another byte, or the value is above `most`
 */
GOTO_MUST_USE bool str_to_u64(struct str text, uint64_t most, uint64_t *value);

/** Whether the bytes are well-formed UTF-8 (RFC 3629); `*bad_at`, if not NULL, is the first bad
 * byte. */
bool str_is_utf8(struct str text, size_t *bad_at);

/** The number of code points of well-formed UTF-8; each bad byte counts as one. */
size_t str_characters(struct str text);

/**
 * Decodes one code point at the start of `text`.
 *
 * @return its length in bytes, or 0 when `text` is empty or does not start with a well-formed one
 */
size_t str_decode(struct str text, uint32_t *code);

/** Writes a code point (valid, not a surrogate) as UTF-8 into `out`; returns its length. */
size_t str_encode(uint32_t code, char out[4]);

/** Whether the name matches [a-z][a-z0-9-]*, as all names of a spec do. */
bool str_is_name(struct str text);

/** The edit distance (insert, delete, replace, swap of neighbours), at most `limit` + 1. */
size_t str_distance(struct str a, struct str b, size_t limit);

/**
 * Picks the best "did you mean": call str_nearest() once for each known name.
 *
 * Start with {wanted, ...zero}; `best` stays empty when nothing is near enough (a third of the
 * length, at least 1, at most 3 edits; or one is the beginning of the other).
 */
struct nearest {
    struct str wanted;
    struct str best;
    size_t distance;
};
void str_nearest(struct nearest *nearest, struct str known);

#endif
