/**
 * JSONPath (RFC 9535): compile once, apply to many values.
 */
#ifndef GOTO_BASE_JSONPATH_H
#define GOTO_BASE_JSONPATH_H

#include "base/arena.h"
#include "base/json.h"

struct jsonpath;

struct jsonpath_error {
    struct str message; /**< in the arena: "expected ']'" */
    size_t offset;      /**< byte in the path where it went wrong */
};

/**
 * Compiles a path into `arena`; `text` is copied.
 *
 * @return NULL with *error filled if the path is not well-formed or not valid (type rules of 2.4.3,
 *         integers within the I-JSON range)
 */
GOTO_MUST_USE struct jsonpath *jsonpath_compile(struct arena *arena, struct str text,
                                                struct jsonpath_error *error);

/** Frees what a compiled path holds outside its arena; called by the arena itself (arena_defer()).
 */
void jsonpath_clear(struct jsonpath *path);

/** Whether the path is a singular query (2.3.5.1): it selects at most one node. */
bool jsonpath_is_singular(const struct jsonpath *path);

/** A step from a node down. */
struct jsonpath_step {
    struct str name; /**< the member of that name; data NULL: any members or elements */
};

/**
 * The steps that a path begins with, at most `most`: as far as each has one selector and none
 * descends.
 *
 * @return how many
 */
size_t jsonpath_steps(const struct jsonpath *path, struct jsonpath_step *steps, size_t most);

struct jsonpath_nodes {
    const struct json **items; /**< in the arena given to jsonpath_select() */
    struct str *paths;         /**< normalized path of each node */
    size_t count;
    bool
        cut; /**< there were more than `most`, or evaluation took more than its bounds: see below */
};

/**
 * Selects the nodes of `root`, at most `most` (0 = 100,000), with their normalized paths (2.7).
 * Nothing is modified; nodes point into `root`.
 *
 * Objects are visited in the order of their members; of members with the same name a name selector
 * takes the last. match() and search() with a pattern that is no I-Regexp (RFC 9485: no \d, no lazy
 * quantifiers) hold for nothing, as the RFC wants it. When 10 million steps, 32 MiB of normalized
 * paths, a second of regular expressions or the match limits of one are used up, what was found so
 * far stays and `cut` is set.
 */
void jsonpath_select(const struct jsonpath *path, const struct json *root, struct arena *arena,
                     size_t most, struct jsonpath_nodes *nodes);

#endif
