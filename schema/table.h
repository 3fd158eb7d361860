/**
 * The language as tables: each mapping of a spec is one static table of rows, read by the reader,
 * the checker ("did you mean"), the JSON Schema and the reference page alike.
 *
 * A `struct type` says how one kind of value is read from a node into C, and how it looks in a JSON
 * Schema. A `struct table` is a mapping: its rows name the key, the type and where the value goes
 * in a struct. Families are sets of alternatives of which a mapping holds exactly one (verbs,
 * actions).
 *
 *     static const struct row limits_rows[] = {
 *         {"idle", &type_time, offsetof(struct limits, idle_ns), 0, "60s", "How long ..."},
 *     };
 *     static const struct table limits_table = {TABLE_ROWS("limits", limits_rows), ...};
 *     static const struct type limits_type = TYPE_TABLE(&limits_table, struct limits);
 *
 * Variables: `${name}` in a scalar is resolved through the reader's scope before a type sees the
 * node. In a check (before the run) a value known only later is skipped: reader_read() then returns
 * READ_DEFERRED and leaves the destination as it was (the default); the same node is read again,
 * for real, just before its thing is used.
 */
#ifndef GOTO_SCHEMA_TABLE_H
#define GOTO_SCHEMA_TABLE_H

#include "base/diag.h"
#include "base/json.h"
#include "base/units.h"
#include "schema/tree.h"

struct reader;
struct schema_writer;

/** What reading a value came to. */
enum read_result {
    READ_OK = 0,
    READ_DEFERRED = 1, /**< it holds a variable that is known only during the run */
    READ_FAILED = -1,  /**< a diagnostic was added */
};

/** The kinds of names that a spec defines and refers to. */
enum name_kind {
    NAME_PORT,     /**< upstream, proxy or program with a port */
    NAME_UPSTREAM, /**< upstream or proxy: what has connections of its own */
    NAME_ROUTE,    /**< "api.foobar" */
    NAME_CLIENT,
    NAME_PROGRAM, /**< program of `programs:` */
    NAME_RUNNING, /**< what runs: a program, a client that is a `run`, a background step */
    NAME_EVENT,
    NAME_STEP,
    NAME_VARIABLE, /**< what `set` may set */
};

/** How one kind of value is read and how it looks to a schema. */
struct type {
    const char *name; /**< what is expected, for messages: "a duration such as 300ms" */
    size_t size;      /**< of the C value */
    /** Reads a node (variables resolved) into `into`; adds diagnostics itself. */
    enum read_result (*read)(struct reader *reader, const struct type *type,
                             const struct node *node, void *into);
    /** The JSON Schema of the value; NULL means anything. */
    struct json *(*schema)(struct schema_writer *writer, const struct type *type);
    const struct type *of;     /**< element of a list or map; what else a combinator holds */
    const struct table *table; /**< TYPE_TABLE */
    const void *extra;         /**< choices, name kind, subject: what the type itself knows */
    /** read() gets a scalar with its variables as written and resolves them itself (tables,
     * pointers). */
    bool raw;
};

enum row_flags {
    ROW_REQUIRED = 1,
    ROW_INCLUDE =
        2, /**< `type` is a TYPE_TABLE whose rows are taken as rows of this table; key is NULL */
    ROW_LATER = 4, /**< part of the language that this version does not have: using it is an error
                      that says so */
};

struct row {
    const char *key;
    const struct type *type;
    size_t offset;
    unsigned flags;
    const char *fallback; /**< the default as the reference shows it, or NULL */
    const char *doc;      /**< one line */
};

/** One alternative of a family. */
struct member {
    const char *key;
    const struct type
        *type; /**< of its value; its size bytes are allocated in the reader's arena */
    const char *doc;
    const void *extra; /**< what the family's user hangs here: its functions */
    unsigned flags;    /**< ROW_LATER */
};

struct family {
    const char *name; /**< "verb", "action" */
    const struct member *const
        *groups; /**< NULL-terminated list of arrays, each ended by a NULL key */
};

/** What a mapping chose from a family. */
struct chosen {
    const struct member *member; /**< NULL if none */
    void *value;                 /**< of member->type; defaults where it was deferred */
    const struct node *node;     /**< its node, to be read again at run time */
    struct place place;          /**< of the key */
    bool deferred;               /**< something in it is known only during the run */
};

struct table {
    const char *name; /**< for messages: "upstream", "step" */
    const struct row *rows;
    size_t count;
    const char *doc; /**< one paragraph for the reference */
    /**
     * A value that is no mapping is read as if it were the value of this key; NULL: it is an error.
     * A bare word that is the key of a family's member which needs no value is always read as that
     * member (`- half-close`).
     */
    const char *shorthand;
    /**
     * Fills defaults that are not zero; may be NULL. Tables embedded in the struct are preset
     * before, also when their key is absent; one whose key is there is preset by itself once more.
     */
    void (*preset)(void *into);
    /**
     * Checks what a row alone cannot, after all rows were read without error and none was deferred;
     * may be NULL. `node` is always a mapping: {shorthand: value} where the shorthand was used.
     */
    enum read_result (*check)(struct reader *reader, const struct node *node, void *into);
    const struct family *family; /**< a family of which exactly one key must stand here, or NULL */
    size_t family_offset;        /**< of a struct chosen */
    bool family_optional;        /**< none at all is allowed too */
    bool empty_allowed;          /**< `{}` is not an error (it is for expect and match) */
};

#define TABLE_ROWS(table_name, table_rows)                                                         \
    .name = (table_name), .rows = (table_rows), .count = COUNT_OF(table_rows)

/** The type of a mapping that is read by `table` into an embedded `struct_type`. */
#define TYPE_TABLE(table_pointer, struct_type)                                                     \
    {                                                                                              \
        .name = "a mapping", .size = sizeof(struct_type), .read = type_table_read,                 \
        .schema = type_table_schema, .table = (table_pointer), .raw = true                         \
    }
/** A pointer to a struct in the arena, NULL when the key is absent; `type` is any type. */
#define TYPE_POINTER(type_of)                                                                      \
    {                                                                                              \
        .size = sizeof(void *), .read = type_pointer_read, .schema = type_of_schema,               \
        .of = (type_of), .raw = true                                                               \
    }
/** A struct list of elements. */
#define TYPE_LIST(type_of)                                                                         \
    {                                                                                              \
        .name = "a list", .size = sizeof(struct list), .read = type_list_read,                     \
        .schema = type_list_schema, .of = (type_of)                                                \
    }
/** A struct list; a value that is no list counts as a list of one. */
#define TYPE_ONE_OR_LIST(type_of)                                                                  \
    {                                                                                              \
        .name = "a value or a list", .size = sizeof(struct list), .read = type_one_or_list_read,   \
        .schema = type_one_or_list_schema, .of = (type_of), .raw = true                            \
    }
/** A struct list of struct map_entry; keys may be any text. */
#define TYPE_MAP(type_of)                                                                          \
    {                                                                                              \
        .name = "a mapping", .size = sizeof(struct list), .read = type_map_read,                   \
        .schema = type_map_schema, .of = (type_of)                                                 \
    }
/** TYPE_MAP whose keys must be names ([a-z][a-z0-9-]*). */
#define TYPE_NAMED_MAP(type_of)                                                                    \
    {                                                                                              \
        .name = "a mapping of names", .size = sizeof(struct list), .read = type_map_read,          \
        .schema = type_map_schema, .of = (type_of), .extra = "names"                               \
    }
/** An int of an enumeration, from a static array of struct choice ended by a NULL name. */
#define TYPE_CHOICE(choices)                                                                       \
    {                                                                                              \
        .name = "one of", .size = sizeof(int), .read = type_choice_read,                           \
        .schema = type_choice_schema, .extra = (choices)                                           \
    }
/** A struct str that must be a name of this kind defined in the scenario; .extra is a const enum
 * name_kind. */
#define TYPE_NAME(kind_pointer)                                                                    \
    {                                                                                              \
        .name = "a name", .size = sizeof(struct str), .read = type_name_read,                      \
        .schema = type_name_schema, .extra = (kind_pointer)                                        \
    }

/** Elements are contiguous, of the element type's size, in the reader's arena. */
struct list {
    void *items;
    size_t count;
};

struct map_entry {
    struct str name;
    struct place place; /**< of the key */
    const struct node *node;
    void *value; /**< of the element type */
    bool failed; /**< it could not be read: the value is not whole */
};

struct choice {
    const char *name;
    int value;
    const char *doc;
};

enum read_result type_table_read(struct reader *, const struct type *, const struct node *, void *);
struct json *type_table_schema(struct schema_writer *, const struct type *);
enum read_result type_pointer_read(struct reader *, const struct type *, const struct node *,
                                   void *);
struct json *type_of_schema(struct schema_writer *, const struct type *);
enum read_result type_list_read(struct reader *, const struct type *, const struct node *, void *);
struct json *type_list_schema(struct schema_writer *, const struct type *);
enum read_result type_one_or_list_read(struct reader *, const struct type *, const struct node *,
                                       void *);
struct json *type_one_or_list_schema(struct schema_writer *, const struct type *);
enum read_result type_map_read(struct reader *, const struct type *, const struct node *, void *);
struct json *type_map_schema(struct schema_writer *, const struct type *);
enum read_result type_choice_read(struct reader *, const struct type *, const struct node *,
                                  void *);
struct json *type_choice_schema(struct schema_writer *, const struct type *);
enum read_result type_name_read(struct reader *, const struct type *, const struct node *, void *);
struct json *type_name_schema(struct schema_writer *, const struct type *);

/** Scalars. The C type is in brackets. */
extern const struct type type_bool; /**< [bool] */
extern const struct type
    type_true; /**< [bool] a key that may be written without a value: `echo: true`, `half-close` */
extern const struct type type_count;    /**< [uint64_t] a whole number from 0 */
extern const struct type type_positive; /**< [uint64_t] a whole number from 1 */
extern const struct type type_integer;  /**< [int64_t] */
extern const struct type
    type_text; /**< [struct str] any scalar as text, as written; never NULL data once read */
extern const struct type type_string;        /**< [struct str] must be a string */
extern const struct type type_new_name;      /**< [struct str] a name that this place defines */
extern const struct type type_time;          /**< [int64_t] one duration in ns */
extern const struct type type_time_positive; /**< [int64_t] the same, above 0 */
extern const struct type type_duration;      /**< [struct duration] fixed, range or normal */
extern const struct type type_size;          /**< [uint64_t] bytes */
extern const struct type type_size_range;    /**< [struct size_range] */
extern const struct type type_share;         /**< [double] 0..1 */
extern const struct type type_status;        /**< [uint64_t] 100..999 */
extern const struct type type_json;          /**< [struct json *] any value, variables resolved */
extern const struct type type_json_literal; /**< [struct json *] the same; `json` and `json-subset`:
                                               predicates in it are refused */
extern const struct type type_node; /**< [const struct node *] as written, variables only checked */
extern const struct type type_place; /**< [struct place] of the value; reads anything */

/** What resolving the `${…}` of a text came to. */
enum resolve_result { RESOLVE_OK, RESOLVE_LATER, RESOLVE_FAILED };

/** Who knows variables and names: the spec's model. */
struct scope {
    /**
     * The value of a variable such as "api.port" or "env.HOME:-x". RESOLVE_FAILED: *why (in the
     * arena) says what is wrong: "unknown name 'x'"; `nearest` may be filled for "did you mean".
     */
    enum resolve_result (*variable)(const struct scope *scope, struct arena *arena, struct str name,
                                    const struct json **value, struct str *why,
                                    struct nearest *nearest);
    /** Whether the spec defines that name. Fills `nearest` with all of the kind when it does not.
     */
    bool (*defines)(const struct scope *scope, enum name_kind kind, struct str name,
                    struct nearest *nearest);
};

/** One reading: where values, errors and variables come from and go to. */
struct reader {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const struct scope
        *scope;       /**< NULL: no variables (their syntax is left alone), every name is known */
    unsigned depth;   /**< of nested mappings and lists, at most TREE_DEPTH; start with 0 */
    bool resolved;    /**< inside the value of a variable: `${` in it is text; start with false */
    struct str entry; /**< the name under which the next mapping stands ("api"), for messages */
    struct place key; /**< of the key whose value is read next: reader_place() */
};

/** Reads a value: resolves its variables, then type->read. `into` must hold the default. */
enum read_result reader_read(struct reader *reader, const struct type *type,
                             const struct node *node, void *into);

/** Reads a mapping by a table; `into` is preset by the table itself. */
enum read_result reader_read_table(struct reader *reader, const struct table *table,
                                   const struct node *node, void *into);

/**
 * Resolves the variables of one scalar node.
 *
 * @return READ_OK with *resolved (the node itself if it has none), READ_DEFERRED, or READ_FAILED
 * (added)
 */
enum read_result reader_resolve(struct reader *reader, const struct node *node,
                                const struct node **resolved);

/** The same for a whole tree; keys of mappings are left as they are. */
enum read_result reader_resolve_tree(struct reader *reader, const struct node *node,
                                     const struct node **resolved);

/** Adds "expected NAME, found KIND" at the node; returns READ_FAILED. */
enum read_result reader_expected(struct reader *reader, const struct node *node, const char *what);

/**
 * Adds "expected NAME, found KIND" with a help line for a value left out where a mapping or list
 * has to stand; returns READ_FAILED.
 */
enum read_result reader_expected_container(struct reader *reader, const struct node *node,
                                           const char *what, const char *empty);

/**
 * The node in a form that may be read again later: inside the value of a variable its `${` are
 * escaped, else it is the node itself.
 */
const struct node *reader_keep(struct reader *reader, const struct node *node);

/** A text as a message shows it: at most 40 characters, nothing that upsets a terminal; in the
 * arena. */
struct str reader_shown(struct reader *reader, struct str text);

/** Checks that a name that the spec defines matches [a-z][a-z0-9-]*; the error stands at the node.
 */
enum read_result reader_check_name(struct reader *reader, const struct node *node, struct str name);

/** The text of a scalar, as written; its data is never NULL. Empty for mappings and lists. */
struct str node_scalar_text(const struct node *node);

/** Whether the node is neither a mapping nor a list. */
bool node_is_scalar(const struct node *node);

/**
 * Where a value is placed that has no key of its own inside, such as a scalar predicate: at the key
 * it stands behind, else at the node. Taken once.
 */
struct place reader_place(struct reader *reader, const struct node *node);

/** The worse of two results. */
enum read_result read_worse(enum read_result a, enum read_result b);

/** Whether a text holds a `${` that is not escaped. */
bool text_has_variable(struct str text);

/** Whether a text is one whole `${name}`, which keeps the type of its value. */
bool text_is_variable(struct str text);

/** What a key of a mapping means: a row of its table (or of an included one) or a member of its
 * family. */
struct slot {
    const struct row *row;       /**< NULL for a member */
    const struct member *member; /**< NULL for a row */
    const struct family *family; /**< of the member */
    size_t offset; /**< of the value, or of the struct chosen, in the outermost struct */
};

/** Finds a key; false if the table does not have it. */
bool table_find(const struct table *table, struct str key, struct slot *slot);

/** What table_visit() calls; either may be NULL. Offsets count from the outermost struct. */
struct table_visitor {
    void (*row)(void *context, const struct row *row, size_t offset);
    /** A table (the visited one or an included one) that has a family. */
    void (*family)(void *context, const struct table *table, size_t offset);
    void *context;
};

/** Visits all rows of a table in their order, those of included tables in their place, and
 * families. */
void table_visit(const struct table *table, const struct table_visitor *visitor);

/** Visits the members of a family in their order. */
void family_visit(const struct family *family,
                  void (*visit)(void *context, const struct member *member), void *context);

/** Whether a member needs no value and may stand as a bare word where its table is expected. */
bool member_is_bare(const struct member *member);

/** The name of a kind of names, for messages: "upstream or proxy". */
const char *name_kind_text(enum name_kind kind);

/** Makes the JSON Schema of a type: a $ref for tables, which are collected. */
struct json *schema_of(struct schema_writer *writer, const struct type *type);
/** The arena that schema fragments are made in. */
struct arena *schema_arena(struct schema_writer *writer);
/** A fragment from JSON text written by us: schema_text(writer, "{\"type\": \"string\"}"). */
struct json *schema_text(struct schema_writer *writer, const char *text);
/** {"anyOf": [a, b]}, flattened; either may be NULL (anything). */
struct json *schema_either(struct schema_writer *writer, struct json *a, struct json *b);
/** The schema, or a string that holds a variable: for values that are no strings. */
struct json *schema_or_variable(struct schema_writer *writer, struct json *schema);

#endif
