/**
 * Checks on a body (LANGUAGE 2.4), the same wherever a body is judged: match, expect, stdout.
 *
 * What the language leaves open is decided so: a singular JSONPath that finds nothing is a missing
 * value, any other path compares the list of nodes, also an empty one. An XPath yields text: a set
 * of one node is the text of that node, one of several a list of texts, an empty one a missing
 * value; `count`, `empty`, `each`, `any`, `none` and list literals always take the whole set. What
 * base/xml.h says of prefixes and HTML holds here.
 */
#ifndef GOTO_SCHEMA_BODY_H
#define GOTO_SCHEMA_BODY_H

#include "schema/predicate.h"

struct jsonpath;

/** The keys of section 2.4. All members are NULL or empty when absent. */
struct body_check {
    struct predicate *body;  /**< on the text */
    struct json *json;       /**< equal as JSON */
    struct place json_place; /**< of the value of `json`; stands right behind it */
    struct json *json_subset;
    struct place json_subset_place;
    struct list jsonpath;     /**< of struct map_entry whose value is a struct body_path */
    struct list xpath;        /**< of struct map_entry whose value is a struct body_xpath */
    struct predicate *sha256; /**< of the lower-case hex text */
    struct predicate *size;   /**< in bytes */
};

/** One entry of `jsonpath`. */
struct body_path {
    struct jsonpath *path;
    struct predicate *predicate;
};

/** One entry of `xpath`. */
struct body_xpath {
    struct str path; /**< its syntax was checked */
    struct predicate *predicate;
};

/** The rows body, json, json-subset, jsonpath, xpath, sha256, size: include them with ROW_INCLUDE.
 */
extern const struct table body_table;
extern const struct type body_type;
/** [struct json *, and its struct place right behind] The value of `json` and `json-subset`. */
extern const struct type body_literal_type;
/** [struct list] The value of `jsonpath`. */
extern const struct type body_jsonpaths_type;

/** Whether any key is there. */
bool body_check_is_empty(const struct body_check *check);
/** Whether `size` is the only one. */
bool body_check_is_size(const struct body_check *check);

/**
 * Called for each of the checks that fails.
 *
 * @param subject "body", "json", "jsonpath $.a.b", "size" …; in the arena
 */
typedef void (*body_failed)(void *context, struct str subject, const struct mismatch *mismatch);

/**
 * Tests a body. A body that is not JSON fails `json`, `json-subset` and `jsonpath` with a message
 * that says where it stops being JSON.
 *
 * @param failed may be NULL
 * @return true if all hold
 */
bool body_check_test(const struct body_check *check, struct str body, struct arena *arena,
                     body_failed failed, void *context);

/** The sources of a capture that are of a body: read to find what is wrong in them before a body is
 * there. */
struct body_source {
    struct jsonpath *jsonpath;
    struct str xpath;
    struct predicate *body;
};

/** [struct body_source] The rows: include them with ROW_INCLUDE. */
extern const struct type body_source_type;

/** [struct predicate *] The text of an output as a source: null, true, or a predicate. */
extern const struct type text_source_type;
/** [struct jsonpath *] A path as a source. */
extern const struct type jsonpath_source_type;
/** The `check` of a table of sources: a capture has exactly one. */
enum read_result capture_check(struct reader *reader, const struct node *node, void *into);

/**
 * A value captured from a body: `source` is "jsonpath", "xpath" or "body"; `node` what stands
 * there: a path, or for "body" a predicate ({matches: "id=(\\d+)"} gives group 1, or the whole
 * match without groups; any other one gives the text if it holds; null or true the whole text
 * without its final newline).
 *
 * @return NULL when nothing is found; *why (in the arena) then says what was wrong, if anything
 */
const struct json *body_capture(struct arena *arena, const char *source, const struct node *node,
                                struct str body, struct str *why);

/** A singular query's value or the list of nodes as an array (section 2.4); NULL when singular and
 * nothing is there. */
const struct json *body_jsonpath_value(const struct jsonpath *path, const struct json *root,
                                       struct arena *arena);

#endif
