/**
 * What the files of a predicate share: its model and the rows of its table.
 *
 * predicate.c holds the table and the questions about a predicate as it stands, predicate_read.c
 * makes one from a node, predicate_test.c tries it on a value, predicate_show.c puts it into words.
 */
#ifndef GOTO_SCHEMA_PREDICATE_PRIVATE_H
#define GOTO_SCHEMA_PREDICATE_PRIVATE_H

#include "base/regex.h"
#include "schema/predicate.h"

/** A subject with what sets it apart from others of its enum; the .extra of a type. */
struct kind {
    enum subject subject;
    const char *what; /**< "text", "a number": for messages */
    bool output;      /**< one final newline is ignored */
    bool single;      /**< text that is never a list of one: body, output */
    bool nodes;       /**< the nodes of an XPath: one node counts as its text, several as a list */
    bool sha256;      /**< literals are 64 hex digits */
};

extern const struct kind kind_number;

/** [struct predicate *] more types, for bodies. */
extern const struct type type_predicate_body;
extern const struct type type_predicate_nodes;
extern const struct type type_predicate_sha256;

/** What a quantity of text is written in. */
enum quantity { QUANTITY_NUMBER, QUANTITY_TIME, QUANTITY_SIZE };

/** One value that a spec compares with. */
struct literal {
    struct place place;
    struct json *value; /**< in the form of the subject's values; a share: its fraction */
    struct str written;
    struct regex *regex;   /**< text that is compared without regard to case */
    unsigned status_class; /**< 2 for 2xx, or 0 */
    bool share;
    enum quantity quantity; /**< of a literal compared with text by size */
};

/** One predicate of a mapping; a scalar or list is one, too. */
struct test {
    const struct predicate_row *row;
    const struct kind *kind;
    struct place place; /**< of the key, or of the scalar or list */
    struct literal *literals;
    size_t count;
    bool list; /**< the literals are the members of one list (text subjects) */
    bool flag; /**< exists, empty */
    bool ignore_case;
    struct regex *regex;     /**< matches; and texts compared without regard to case */
    struct predicate *inner; /**< not, each, any, none, count */
};

struct predicate {
    const struct kind *kind;
    struct place place;
    struct test *tests;
    size_t count;
};

enum outcome {
    HOLDS,
    FAILS,
    CANNOT, /**< the value is missing or of a type that the predicate cannot take: `not` keeps it */
};

/** One try. The note and the place are of what failed last. */
struct trial {
    struct arena *arena;
    bool explain; /**< fill note and place */
    bool negated;
    struct str note;
    struct place place;
    const struct test *failed;
};

/** How the value of a predicate is written. */
struct literal_form {
    struct type shown; /**< its name, for the reference */
    enum read_result (*read)(struct reader *reader, const struct node *node, struct test *test);
    bool (*fits)(const struct node *node); /**< for predicate_looks_like() */
    struct json *(*schema)(struct schema_writer *writer, const struct kind *kind);
};

enum predicate_flags {
    PREDICATE_TEXT = 1,  /**< `ignore-case` may stand beside it */
    PREDICATE_LIST = 2,  /**< judges the list of a header that came several times */
    PREDICATE_WHOLE = 4, /**< takes what is there as it is */
    PREDICATE_UPPER = 8, /**< an upper bound */
    PREDICATE_LOWER = 16,
};

struct predicate_row {
    const char *name;
    const struct literal_form *form;
    unsigned subjects; /**< bits 1 << enum subject of those that can take it */
    unsigned flags;
    enum outcome (*test)(struct trial *trial, const struct test *test, const struct json *value);
    void (*describe)(const struct test *test, struct buf *into);
    /** On a count that only grows: whether it can still hold; NULL: yes. */
    bool (*possible)(const struct test *test, uint64_t value);
    /** On a count that only grows: whether it holds from now on; NULL: not known. */
    bool (*certain)(const struct test *test, uint64_t value);
    const char *doc;
};

/* predicate.c */
const struct predicate_row *predicate_row_find(struct str name);
/** All rows. */
extern const struct predicate_row predicate_rows[];
extern const size_t predicate_row_count;
bool predicate_count_certain(const struct predicate *predicate, uint64_t value);
/** For the .read and .schema of a struct type whose .extra is a struct kind. */
struct json *predicate_schema(struct schema_writer *writer, const struct type *type);

/* predicate_read.c */
enum read_result predicate_read(struct reader *reader, const struct type *type,
                                const struct node *node, void *into);

/* predicate_literal.c */
/** Whether a key has no value at all (written `null` is one). */
bool node_is_nothing(const struct node *node);
/** Says that a value was left out; READ_FAILED. */
enum read_result nothing_given(struct reader *reader, const struct node *node,
                               const struct kind *kind);
/** The place of a byte in the text of a scalar: inside it where it is written as it reads, else the
 * scalar's. */
struct place node_place_at(const struct node *node, size_t offset);
extern const struct literal_form form_value;
extern const struct literal_form form_list;
extern const struct literal_form form_text;
extern const struct literal_form form_pattern;
extern const struct literal_form form_flag;
extern const struct literal_form form_type;
extern const struct literal_form form_quantity;
extern const struct literal_form form_pair;
extern const struct literal_form form_predicate;
extern const struct literal_form form_member;
extern const struct literal_form form_count;

/* predicate_test.c */
enum outcome predicate_run(struct trial *trial, const struct predicate *predicate,
                           const struct json *value);
enum outcome test_equals(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_not(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_in(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_contains(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_starts_with(struct trial *trial, const struct test *test,
                              const struct json *value);
enum outcome test_ends_with(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_matches(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_exists(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_empty(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_type(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_count(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_above(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_below(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_at_least(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_at_most(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_between(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_each(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_any(struct trial *trial, const struct test *test, const struct json *value);
enum outcome test_none(struct trial *trial, const struct test *test, const struct json *value);

/* predicate_compare.c */
/** The text without one final LF or CR LF. */
struct str text_without_newline(struct str text);
/** Whether a value equals a literal; CANNOT when the subject is a quantity and the value is not. */
enum outcome literal_equals(struct trial *trial, const struct test *test,
                            const struct literal *literal, const struct json *value);
/**
 * Orders a value and a literal by size.
 *
 * @param order negative, 0 or positive as the value is below, at or above; ORDER_NONE when one is
 * NaN
 * @return HOLDS, or CANNOT with a note when they do not compare
 */
enum outcome literal_compare(struct trial *trial, const struct test *test,
                             const struct literal *literal, const struct json *value, int *order);
enum { ORDER_NONE = 99 };
/** Sets the note of a trial that explains; returns CANNOT. */
enum outcome trial_cannot(struct trial *trial, const char *format, ...) GOTO_PRINTF(2, 3);
void trial_note(struct trial *trial, const char *format, ...) GOTO_PRINTF(2, 3);

/* predicate_show.c */
/** "null", "a boolean", "a number", "a string", "a list", "an object". */
const char *json_kind_words(const struct json *value);
/** Whether it is a list or an object: only then a diff says more than both values do. */
bool json_is_structured(const struct json *value);
void show_value(const struct kind *kind, const struct json *value, struct buf *into);
/** A text in quotes, shortened when it is long. */
void show_text(struct str text, struct buf *into);
/** Where two texts differ first, when they are too long to see it; else empty. */
struct str show_text_difference(struct arena *arena, struct str expected, struct str actual);
void show_test(const struct test *test, struct buf *into);
void describe_equals(const struct test *test, struct buf *into);
void describe_not(const struct test *test, struct buf *into);
void describe_in(const struct test *test, struct buf *into);
void describe_contains(const struct test *test, struct buf *into);
void describe_starts_with(const struct test *test, struct buf *into);
void describe_ends_with(const struct test *test, struct buf *into);
void describe_matches(const struct test *test, struct buf *into);
void describe_exists(const struct test *test, struct buf *into);
void describe_empty(const struct test *test, struct buf *into);
void describe_type(const struct test *test, struct buf *into);
void describe_bound(const struct test *test, struct buf *into);
void describe_between(const struct test *test, struct buf *into);
void describe_nested(const struct test *test, struct buf *into);

#endif
