/**
 * The tree of placed nodes that a YAML document (or a JSON text of the admin API) becomes.
 *
 * Scalars are typed by the YAML 1.2 core schema: only true/false are booleans, `no` and `on` are
 * strings, `0o17` and `0x1F` are numbers, quoted scalars are strings. Every node knows its place.
 * Aliases are expanded (the nodes are shared, so they stand at their anchor; the count is bounded).
 * Trees are not changed after reading. Lines are ended by LF or CR LF; a byte order mark at the
 * start has no column.
 */
#ifndef GOTO_SCHEMA_TREE_H
#define GOTO_SCHEMA_TREE_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/json.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_NUMBER, NODE_STRING, NODE_LIST, NODE_MAP };

struct node_pair;

struct node {
    enum node_kind kind;
    bool boolean;       /**< NODE_BOOL */
    bool quoted;        /**< NODE_STRING: written with quotes or as a block */
    struct str text;    /**< every scalar: its text as written (strings: decoded); empty for `key:`
                           without value */
    struct place place; /**< of the value without its anchor; of the first key for a mapping in
                           block style; an empty value stands behind its `:`. The width is that of a
                           scalar on its first line (quotes included), and 1 for `[`, `{` and `-` */
    size_t count;
    union {
        struct node **items;
        struct node_pair *pairs;
    };
};

struct node_pair {
    struct node *key; /**< always a scalar; its text is the key */
    struct node *value;
};

/** The bounds of a file. */
enum {
    TREE_DEPTH = 100,                  /**< nested lists and mappings */
    TREE_NODES = 100000,               /**< keys included, after the expansion of aliases */
    TREE_FILE_SIZE = 16 * 1024 * 1024, /**< bytes */
    TREE_ANCHORS = 1000,               /**< anchors in a document */
    TREE_DIGITS = 1024,                /**< digits of a hexadecimal or octal number */
    TREE_ERRORS = 100                  /**< faults after which reading stops */
};

/** The documents of a file. */
struct documents {
    struct node **items;
    size_t count;
};

/**
 * Reads all YAML documents of `source` into `arena`. Everything that is wrong is added to
 * `diagnostics`: syntax (with a hint for the usual traps: tabs, unquoted braces, `#` or `: `), bad
 * UTF-8, control characters, duplicate keys, keys that are no scalars, undefined or recursive
 * aliases, explicit tags, merge keys, and the bounds. Empty documents are an error unless they are
 * the last of several.
 *
 * `documents` holds what could be read whole, also after an error: it may be judged further, so
 * that all faults of a file are shown at once. After a fault of syntax nothing behind it is read.
 * Of duplicate keys all are in the tree; node_get() gives the first.
 *
 * @return 0, or -EINVAL when something was added to `diagnostics`
 */
GOTO_MUST_USE int tree_read_yaml(struct arena *arena, const struct source *source,
                                 struct documents *documents, struct diagnostics *diagnostics);

/**
 * Reads one YAML scalar or flow value given on the command line (`--set name=value`); as
 * tree_read_yaml(). An empty text is NODE_NULL. *value is NULL after an error.
 */
GOTO_MUST_USE int tree_read_value(struct arena *arena, const struct source *source,
                                  struct node **value, struct diagnostics *diagnostics);

/** The value of a key of a NODE_MAP, or NULL; NULL for every other kind of node. */
struct node *node_get(const struct node *map, const char *key);
/** The pair of a key, or NULL. */
const struct node_pair *node_find(const struct node *map, struct str key);

/** "a mapping", "a list", "a string", "a number", "true or false", "nothing": for messages. */
const char *node_kind_name(const struct node *node);

/**
 * The node as a JSON value in `arena`. YAML numbers become JSON number texts of the same value
 * (0x1F → 31, 0o17 → 15, `1.` → 1, `+1` → 1; .inf and .nan are kept); plain JSON numbers keep their
 * text. Each value has the line and column (in characters) of its node.
 */
struct json *node_to_json(struct arena *arena, const struct node *node);

/** A JSON value as nodes that all stand at `place`: for the value of a variable. */
struct node *node_from_json(struct arena *arena, const struct json *value, struct place place);

#endif
