/**
 * What the files of jsonpath share: the compiled form and the state of an evaluation.
 *
 * A path is read by jsonpath_parse.c (segments and selectors) and jsonpath_expression.c (what
 * stands after
 * '?'); it is applied by jsonpath_select.c, which asks jsonpath_filter.c whether a filter holds.
 * The functions of the RFC are the rows of the table in jsonpath_function.c.
 */
#ifndef GOTO_BASE_JSONPATH_PRIVATE_H
#define GOTO_BASE_JSONPATH_PRIVATE_H

#include "base/jsonpath.h"
#include "base/regex.h"

struct expression;

enum selector_kind {
    SELECTOR_NAME,
    SELECTOR_WILDCARD,
    SELECTOR_INDEX,
    SELECTOR_SLICE,
    SELECTOR_FILTER,
};

struct selector {
    enum selector_kind kind;
    struct selector *next;
    struct str name; /**< SELECTOR_NAME */
    bool has_start;  /**< SELECTOR_SLICE: what was left out has its default */
    bool has_end;
    int64_t start; /**< also the index of SELECTOR_INDEX */
    int64_t end;
    int64_t step;
    struct expression *filter; /**< SELECTOR_FILTER */
};

struct segment {
    bool descendant;
    struct selector *selectors;
    struct segment *next;
};

struct query {
    bool absolute; /**< starts at '$', not at '@' */
    bool singular;
    size_t memo; /**< absolute queries of filters: which memo of an evaluation is theirs */
    struct segment *segments;
};

enum expression_kind {
    EXPRESSION_OR,
    EXPRESSION_AND,
    EXPRESSION_NOT,
    EXPRESSION_COMPARISON, /**< of two operands */
    EXPRESSION_LITERAL,
    EXPRESSION_QUERY, /**< as a test: whether it selects a node */
    EXPRESSION_CALL,
};

enum comparison_operator {
    COMPARE_EQUAL,
    COMPARE_NOT_EQUAL,
    COMPARE_LESS,
    COMPARE_LESS_OR_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_OR_EQUAL,
};

struct expression {
    enum expression_kind kind;
    struct expression *next;     /**< the next operand or argument of what this one belongs to */
    struct expression *operands; /**< or the arguments of a call */
    enum comparison_operator op;
    struct json *literal;
    struct query *query;
    const struct function *function;
    bool regex_is_known; /**< the pattern is a literal; `regex` is NULL if it is no I-Regexp */
    struct regex *regex;
    struct expression *next_regex; /**< in jsonpath.regexes */
    size_t offset;                 /**< where it stands in the path */
};

struct jsonpath {
    struct query *query;
    struct expression *regexes; /**< the calls that hold a compiled pattern */
    size_t memo_count;
};

/** The types of RFC 9535 section 2.4.1. */
enum value_type { TYPE_VALUE, TYPE_LOGICAL, TYPE_NODES };

enum { FUNCTION_PARAMETERS = 2 };

struct evaluation;

/** A value that an expression made: a JSON value with room for a number's digits. */
struct operand {
    struct json made;
    char digits[24];
};

/** One function extension of RFC 9535 section 2.4. */
struct function {
    const char *name;
    enum value_type result;
    size_t parameter_count;
    enum value_type parameters[FUNCTION_PARAMETERS];
    /** TYPE_VALUE: the value, which may be *room, or NULL for Nothing. */
    const struct json *(*value)(struct evaluation *evaluation, const struct expression *call,
                                const struct json *current, struct operand *room);
    /** TYPE_LOGICAL. */
    bool (*holds)(struct evaluation *evaluation, const struct expression *call,
                  const struct json *current);
    bool
        takes_pattern; /**< the last argument is an I-Regexp, compiled early when it is a literal */
    const char *doc;
};

/** The row of that name, or NULL. */
const struct function *function_find(struct str name);
/** The row at `index`, or NULL beyond the last: for messages. */
const struct function *function_at(size_t index);

/** The reader's state; `failed` stays set after the first error. */
struct parser {
    struct arena *arena;
    struct str text;
    size_t at;
    unsigned depth;
    bool failed;
    struct jsonpath *path;
    struct jsonpath_error *error;
};

/** Nesting of brackets, parentheses and calls beyond this is refused, and a path beyond this size.
 */
enum { PATH_DEPTH = 64, PATH_SIZE = 64 * 1024 };

/** Records the first error; always NULL. */
void *parser_fail(struct parser *parser, size_t offset, const char *format, ...) GOTO_PRINTF(3, 4);
void parser_skip_blanks(struct parser *parser);
/** Takes `token` if it stands next. */
bool parser_take(struct parser *parser, const char *token);
/** The next byte, 0 at the end. */
char parser_peek(const struct parser *parser);
/** Counts one level of nesting; false (and an error) when it is too deep. */
bool parser_enter(struct parser *parser);
void parser_leave(struct parser *parser);
/** A string literal at its opening quote; false on an error. */
bool parser_string(struct parser *parser, struct str *text);
/** A query from its '$' or '@' on. */
struct query *parser_query(struct parser *parser);
/** The logical expression of a filter (section 2.3.5). */
struct expression *parser_filter(struct parser *parser);

/** What an absolute query of a filter gave; it gives the same for every node of one evaluation. */
struct memo {
    bool known;
    size_t count;
    const struct json *first;
};

/** One application of a path to a value. */
struct evaluation {
    const struct json *root;
    size_t steps; /**< left to take */
    unsigned depth;
    bool cut;
    struct memo *memos;
    struct str pattern; /**< the last pattern that came from the document */
    struct regex *regex;
    bool has_pattern;
    int64_t
        regex_cpu_ns; /**< the thread's time at the first slow regular expression; 0 = none yet */
};

/**
 * What an evaluation may take: steps (about one for each node visited or value compared), nested
 * calls, and bytes of normalized paths.
 */
enum {
    EVALUATION_STEPS = 10 * 1000 * 1000,
    EVALUATION_DEPTH = 3000,
    EVALUATION_PATHS = 32 * 1024 * 1024,
};

/** Takes steps; false (and `cut`) when there are not as many left. */
bool evaluation_spend(struct evaluation *evaluation, size_t steps);
/** How many nodes a query of a filter selects, counted to at most `most`, and the first of them. */
struct memo evaluation_count(struct evaluation *evaluation, const struct query *query,
                             const struct json *current, size_t most);
/** The node of a singular query, or NULL. */
const struct json *evaluation_single(struct evaluation *evaluation, const struct query *query,
                                     const struct json *current);
/** Whether a filter holds for `current`. */
bool evaluation_test(struct evaluation *evaluation, const struct expression *expression,
                     const struct json *current);
/** The value of a literal, a singular query or a call; NULL is Nothing. It may be *room. */
const struct json *evaluation_value(struct evaluation *evaluation,
                                    const struct expression *expression, const struct json *current,
                                    struct operand *room);

/** Compiles an I-Regexp (RFC 9485); NULL if the pattern is none. Freed by regex_free(). */
struct regex *iregexp_new(struct str pattern);

#endif
