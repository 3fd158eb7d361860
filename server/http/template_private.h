/**
 * What the files of templates share.
 *
 * template_parse.c makes calls from text, template_names.c and template_filters.c hold the tables
 * of what can be called, template_value.c evaluates, template.c reads templates from a spec.
 */
#ifndef GOTO_SERVER_HTTP_TEMPLATE_PRIVATE_H
#define GOTO_SERVER_HTTP_TEMPLATE_PRIVATE_H

#include "base/jsonpath.h"
#include "server/http/template.h"

/** What is written behind a name or filter. */
enum template_shape {
    SHAPE_NONE,
    SHAPE_MEMBER,  /**< the name goes on: ".NAME" */
    SHAPE_PATH,    /**< a JSONPath */
    SHAPE_RANGE,   /**< two whole numbers, the lower one first */
    SHAPE_COUNT,   /**< a whole number from 1 to TEMPLATE_COUNT_MOST */
    SHAPE_LITERAL, /**< a text, number, true or false */
    SHAPE_NUMBER,
    SHAPE_TEXTS, /**< two texts, the first one not empty */
};

enum { TEMPLATE_COUNT_MOST = 65536 };

struct template_call;

/** One name or filter. */
struct template_row {
    struct template_doc doc;
    const char *name;
    enum template_shape shape;
    /** Of a name: its value, NULL for what is missing. */
    const struct json *(*value)(const struct template_call *call, struct template_context *context,
                                struct arena *arena);
    /** Of a filter: what becomes of a value, NULL when it cannot take it. */
    const struct json *(*filter)(const struct template_call *call, const struct json *value,
                                 struct arena *arena);
    bool takes_missing; /**< the filter is also called for what is missing */
    bool of_answer;     /**< the name is "response." and a part of an answer */
    bool of_path;
    bool of_body; /**< of the request */
};

/** A name or filter with its arguments; an expression is a name and the filters behind it. */
struct template_call {
    const struct template_row *row;
    struct str answer;           /**< of_answer: of which call; empty: of the far side */
    struct str member;           /**< SHAPE_MEMBER */
    const struct jsonpath *path; /**< SHAPE_PATH */
    const struct json *literal;  /**< SHAPE_LITERAL, SHAPE_NUMBER (a number); the text of a text */
    struct str texts[2];         /**< SHAPE_TEXTS */
    int64_t low;                 /**< SHAPE_RANGE, SHAPE_COUNT */
    int64_t high;                /**< SHAPE_RANGE */
    const struct template_call *next;
};

/** A part of a text: as it stands, or an expression. */
struct template_piece {
    struct str text;
    const struct template_call *expression; /**< NULL: the text */
};

struct template_pieces {
    struct template_piece *items;
    size_t count;
    size_t capacity;
};

/** One part of a JSON value. */
struct template_value {
    const struct json *constant;   /**< nothing in it changes; else one of the following */
    struct template_pieces pieces; /**< of a string; one expression alone keeps its type */
    enum json_kind kind;           /**< JSON_STRING, JSON_ARRAY or JSON_OBJECT */
    size_t count;
    struct str *names; /**< of an object's members */
    struct template_value **children;
};

/** A `path.NAME`, the request's body, or an answer that is asked for. */
struct template_use {
    struct template_use *next;
    const struct template_row *row;
    struct str name;         /**< the capture, or the call; empty: the far side */
    const struct node *node; /**< what it stands in; NULL without a spec */
    size_t offset;           /**< in the node's text */
    size_t size;
};

struct template
{
    struct str text;               /**< the whole, if nothing in it changes */
    struct template_pieces pieces; /**< of a text */
    struct template_value *value;  /**< of type_json_template; NULL of a text */
    bool constant;
    struct template_use *uses;
};

/** A text while it is compiled. */
struct template_compiler {
    struct arena *arena;
    struct str text;
    /** Called for each fault; `nearest` and `help` may be NULL. */
    void (*fault)(struct template_compiler *compiler, size_t offset, size_t size,
                  struct str message, const struct nearest *nearest, const char *help);
    void *context;
    const struct node *node;
    size_t faults;
    bool answers; /**< answers of far sides are known here */
    struct template_use *uses;
};

/** Compiles compiler->text into pieces; false after a fault (all are told). */
GOTO_MUST_USE bool template_parse(struct template_compiler *compiler,
                                  struct template_pieces *pieces);

/** The tables; the row of a text in quotes has the empty name. */
extern const struct template_row template_names[];
extern const size_t template_names_count;
extern const struct template_row template_filters[];
extern const size_t template_filters_count;
extern const struct template_row template_literal_row;

/** The value of an expression; a JSON null for what is missing. */
const struct json *template_expression(const struct template_call *call,
                                       struct template_context *context, struct arena *arena);
/** A value as text: empty for null, JSON for lists and objects. */
struct str template_value_text(const struct json *value, struct arena *arena);
/** The text of pieces. */
struct str template_pieces_text(const struct template_pieces *pieces,
                                struct template_context *context, struct arena *arena);
/** The JSON of a value with templates. */
const struct json *template_value_json(const struct template_value *value,
                                       struct template_context *context, struct arena *arena);

/** The row of an answer's part: "status", "body", "json", "header.NAME"; NULL if it is none. */
const struct template_row *template_answer_row(struct str part);

/** The exact sum of two decimal numbers; false if one is none, or its exponent or size is beyond
 * reason. */
GOTO_MUST_USE bool template_sum(struct str a, struct str b, struct arena *arena, struct str *sum);

#endif
