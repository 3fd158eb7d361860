/**
 * Predicates (LANGUAGE 2.3): what a value is compared with, wherever one is compared.
 *
 * A predicate is read once, for a subject whose kind is known (text, JSON, a duration …), so that
 * wrong literals are told when the spec is read; it is tested against a value as often as needed.
 *
 * What the language leaves open is decided so:
 * - a predicate that cannot take the value's type fails, also below `not`, whatever stands beside
 * it;
 * - `not: {exists: true}` is `exists: false` and holds for a missing value; every other `not` fails
 * then;
 * - `each` and `none` hold for an empty list, `any` does not; `any` holds as soon as one member
 * does;
 * - a header that came several times: the scalar predicates of one mapping have to hold together
 * for one of its values; `count`, `each`, `any`, `none`, `type`, `exists` and list literals take
 * the list, for which a header that came once counts as a list of one, except for `count` (then
 * characters);
 * - `above` … `between` on text: the text has to read as what the literal is, a number, a duration
 * with a unit, or a size with a unit;
 * - an output is compared without one final newline on either side by `equals` and `in`;
 * `ends-with` tries with and without it; all other predicates see every byte;
 * - `ignore-case` folds by Unicode, one letter to one letter; it holds for the text predicates
 * beside it, not for those inside `not` or `each`, which take their own.
 */
#ifndef GOTO_SCHEMA_PREDICATE_H
#define GOTO_SCHEMA_PREDICATE_H

#include "schema/table.h"

/** The kinds of subjects: how literals of a predicate are read and how values are shown. */
enum subject {
    SUBJECT_TEXT,     /**< headers, query, output: literals are taken as written; values are JSON
                         strings or arrays of them (numbers and booleans compare by their text) */
    SUBJECT_JSON,     /**< JSON values: literals keep their type */
    SUBJECT_NUMBER,   /**< counts, exit codes: JSON numbers */
    SUBJECT_DURATION, /**< JSON integers in nanoseconds; literals such as 300ms */
    SUBJECT_SIZE,     /**< JSON integers in bytes; literals such as 64KiB */
    SUBJECT_STATUS,   /**< an HTTP status: numbers and classes (2xx); a list means `in` */
    SUBJECT_CHOICE, /**< method, error, signal and the like: text; a list means `in`. An array value
                       holds all names of one thing (tls-expired, tls, any), the one to show first
                     */
    SUBJECT_COUNT,  /**< a count, or a share of a whole as "25%": a JSON number, or an array
                       [count, whole] where there is a whole */
};

struct predicate;

/** [struct predicate *] of each subject; NULL when absent. An empty mapping is an error. */
extern const struct type type_predicate_text;
extern const struct type type_predicate_json;
extern const struct type type_predicate_number;
extern const struct type type_predicate_duration;
extern const struct type type_predicate_size;
extern const struct type type_predicate_status;
extern const struct type type_predicate_choice;
extern const struct type type_predicate_count;
/** Text of a whole output: one final newline is ignored where it is compared as a whole. */
extern const struct type type_predicate_output;

/** Why a predicate did not hold. Texts live in the arena given to predicate_test(). */
struct mismatch {
    struct place place;   /**< of the predicate's key that failed (or of the scalar) */
    struct str predicate; /**< "equals", "at-most" … */
    struct str expected;  /**< as a user would write it: "200", "at least 3", "to match \"^v\"" */
    struct str actual;    /**< shown likewise; "nothing" for a missing value */
    struct str note;      /**< more: "'above' compares numbers; this is a list"; empty if none */
    const struct json *expected_json; /**< both set where the two are structured and a diff helps */
    const struct json *actual_json;
    bool subset; /**< the diff is of json-subset */
};

/**
 * Tests a value; NULL is a missing one. For SUBJECT_TEXT an array value is a header that came
 * several times: a scalar predicate has to hold for one of its members, `not` for none; `count`,
 * `each`, `any`, `none` and list literals take the list itself.
 *
 * @return true if it holds; else *mismatch (may be NULL) says why
 */
bool predicate_test(const struct predicate *predicate, const struct json *value,
                    struct arena *arena, struct mismatch *mismatch);

/** Where the predicate stands. */
struct place predicate_place(const struct predicate *predicate);
/** Whether it says no more than `exists: false` (or `not: {exists: true}`). */
bool predicate_is_exists_false(const struct predicate *predicate);
/** The predicate in words, "200", "at least 3", for headings and waiting messages. */
void predicate_describe(const struct predicate *predicate, struct buf *into);
/** For a predicate on a count: whether it still can hold when the count is `value` or grows from
 * there (early failure). */
bool predicate_count_possible(const struct predicate *predicate, uint64_t value);
/** Whether the predicate sets an upper bound on its subject (`below`, `at-most`, `between`): for
 * the lag note. */
bool predicate_has_upper_bound(const struct predicate *predicate);

/**
 * For a literal choice or error name: calls `visit` for each text that an `equals` or `in` of it
 * names, also inside `not`, to check the names.
 */
void predicate_visit_literals(const struct predicate *predicate,
                              void (*visit)(void *context, struct str literal, struct place place),
                              void *context);

/**
 * Whether a mapping in a place for literals was meant as a predicate: every key is the name of a
 * predicate and its value one that this predicate takes, as in `{contains: x}`, `{type: string}`. A
 * lone `count: 3` is not: as a member of a JSON object it is too common.
 */
bool predicate_looks_like(const struct node *map);

/** The predicates that a subject knows, as a table: for the schema and the reference; it reads
 * nothing. */
const struct table *predicate_table(enum subject subject);

/**
 * Makes a type whose literals must be among the choices: TYPE_PREDICATE_CHOICE(errors). The array
 * is ended by NULL. A literal "name(...)" is taken as "name".
 */
#define TYPE_PREDICATE_CHOICE(names_array)                                                         \
    {                                                                                              \
        .name = "a name or predicate", .size = sizeof(struct predicate *),                         \
        .read = predicate_read_choice, .schema = predicate_schema_choice, .extra = (names_array)   \
    }
enum read_result predicate_read_choice(struct reader *, const struct type *, const struct node *,
                                       void *);
struct json *predicate_schema_choice(struct schema_writer *, const struct type *);

/**
 * The same of names that each stand for a number, their position in the array: a literal may also
 * be a number beyond them, 42, which has no name. One that has a name is refused.
 */
#define TYPE_PREDICATE_CODE(names_array)                                                           \
    {                                                                                              \
        .name = "a name, a number without a name, or predicate",                                   \
        .size = sizeof(struct predicate *), .read = predicate_read_code,                           \
        .schema = predicate_schema_code, .extra = (names_array)                                    \
    }
enum read_result predicate_read_code(struct reader *, const struct type *, const struct node *,
                                     void *);
struct json *predicate_schema_code(struct schema_writer *, const struct type *);

#endif
