/**
 * JSON (RFC 8259): a strict, lossless, placed tree, its reader and its writer.
 *
 * Values live in an arena and are not changed after they were built. Numbers keep the text they
 * were written with; duplicate members are kept in order. The same tree is the value of a spec's
 * variable, of a capture and of a literal in a spec, so YAML's `.inf`, `-.inf` and `.nan` may
 * appear as number texts; the reader refuses them in JSON texts.
 */
#ifndef GOTO_BASE_JSON_H
#define GOTO_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_member;

struct json {
    enum json_kind kind;
    bool boolean;
    struct str text; /**< JSON_NUMBER: as written; JSON_STRING: decoded, UTF-8, may hold NUL */
    size_t count;    /**< elements of an array, members of an object */
    union {
        struct json **elements;
        struct json_member *members;
    };
    uint32_t line;   /**< from 1; 0 for values that were not read from a text */
    uint32_t column; /**< from 1, in bytes */
};

struct json_member {
    struct str name;
    struct json *value;
};

/** What is wrong with a JSON text, and where. */
struct json_error {
    const char *message; /**< static: "trailing comma", "bad UTF-8" */
    size_t offset;
    uint32_t line;
    uint32_t column;
};

/** Nesting beyond this is refused by the reader. */
enum { JSON_DEPTH = 512 };

/**
 * Reads one JSON text (RFC 8259 section 2): strict UTF-8 without a byte order mark, nothing after
 * it.
 *
 * @return the value in `arena` (strings may point into `text`, which must live as long), or NULL
 * with *error filled
 */
GOTO_MUST_USE struct json *json_read(struct arena *arena, struct str text,
                                     struct json_error *error);

/** Values that are made, in the arena; strings and names are borrowed. */
struct json *json_null(struct arena *arena);
struct json *json_bool(struct arena *arena, bool value);
struct json *json_number(struct arena *arena, struct str text);
struct json *json_integer(struct arena *arena, int64_t value);
/** A number from a double in the shortest form that reads back the same. */
struct json *json_double(struct arena *arena, double value);
struct json *json_string(struct arena *arena, struct str text);
/** Empty containers; json_push/json_put grow them. */
struct json *json_array(struct arena *arena);
struct json *json_object(struct arena *arena);
/** Appends while the value is being built (doubling); also to containers from json_read/json_copy.
 */
void json_push(struct arena *arena, struct json *array, struct json *element);
void json_put(struct arena *arena, struct json *object, struct str name, struct json *value);

/** The last member of that name (as most readers take duplicates), or NULL. */
const struct json *json_get(const struct json *object, struct str name);

/** A deep copy into another arena, text included. */
struct json *json_copy(struct arena *arena, const struct json *value);

/**
 * "null", "boolean", "integer", "number", "string", "array", "object"; a number whose value has no
 * fraction is an integer.
 */
const char *json_type_name(const struct json *value);
/** Whether a number's value is an integer (`1`, `1.0`, `1e3`; RFC 8259 makes no difference). */
bool json_is_integer(const struct json *number);

/**
 * Equality as a test means it: types differ = different; numbers by exact value (1.10 = 1.1 =
 * 11e-1, any size); strings by bytes; arrays in order; objects as sets of members without regard to
 * order. Two objects with duplicate names are equal only when each name's values are equal in
 * order. NaN equals NaN.
 */
bool json_equal(const struct json *a, const struct json *b);

/**
 * Whether every member given in `part` is in `whole` and equal (section 2.4 `json-subset`): objects
 * recursively, arrays of equal length by position, everything else by json_equal(). A name that is
 * given must be there as often as it is given.
 */
bool json_is_subset(const struct json *part, const struct json *whole);

/** How a difference between two values reads. */
struct json_difference {
    struct str path;             /**< RFC 9535 normalized path of what differs: "$['a'][0]" */
    const struct json *expected; /**< NULL: not expected at all */
    const struct json *actual;   /**< NULL: missing */
};

/**
 * Lists where `actual` differs from `expected`, at most `most` places (arena-allocated list, count
 * in *count). With `subset`, members that were not given are no difference.
 */
struct json_difference *json_differences(struct arena *arena, const struct json *expected,
                                         const struct json *actual, bool subset, size_t most,
                                         size_t *count);

/**
 * Writes compactly; strings with the shortest escapes, everything else as UTF-8. Numbers are
 * written as their text stands, so a `.inf` or `.nan` from YAML gives a text that no JSON reader
 * takes.
 */
void json_write(const struct json *value, struct buf *into);
/** Writes indented by two blanks a level. */
void json_write_pretty(const struct json *value, struct buf *into);
/** Writes a string with quotes and escapes; bytes that are not UTF-8 become U+FFFD. */
void json_write_string(struct str text, struct buf *into);
/** Appends one step of an RFC 9535 normalized path: ['name'] or [7]. */
void json_write_path_name(struct str name, struct buf *into);
void json_write_path_index(size_t index, struct buf *into);

/**
 * Compares two numbers given as JSON number texts by exact value, whatever the size of their
 * exponents. YAML's forms are read too: .inf, -.inf, .nan (any case), a leading '+', a bare '.5' or
 * '5.'.
 *
 * @return negative, 0 or positive; *ordered is false when one is NaN or no number at all
 */
int number_compare(struct str a, struct str b, bool *ordered);

/** Whether the text is a JSON number (RFC 8259 section 6). */
bool number_is_valid(struct str text);

/** Whether the text is a number, as number_compare() reads it, whose value is an integer. */
bool number_is_integer(struct str text);

#endif
