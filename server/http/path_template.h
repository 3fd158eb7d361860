/**
 * Path templates of routes (LANGUAGE 3.1), such as `/foo/{id}/bar` or `/files/{rest*}`.
 *
 *     {name}        one whole segment of one character or more
 *     {name:regex}  one whole segment that the regular expression matches as a whole; its braces
 * balance {name*}       the last segment: the rest, also with slashes, also nothing behind the
 * slash before it
 *     *             the last segment: the same without a name
 *
 * Everything else is compared segment by segment after percent-decoding, with regard to case; an
 * encoded slash stays inside its segment. So `/files/{rest*}` is for `/files/` and `/files/a/b`,
 * not for `/files`. The names of captures are letters, digits, `_` and `-`, and differ within a
 * template.
 */
#ifndef GOTO_SERVER_HTTP_PATH_TEMPLATE_H
#define GOTO_SERVER_HTTP_PATH_TEMPLATE_H

#include "schema/table.h"
#include "server/http/message.h"

struct path_template;

/** What is wrong with a template, and where. */
struct path_error {
    struct str message; /**< in the arena */
    const char *help;   /**< NULL if there is none */
    size_t offset;
    size_t size; /**< at least 1 */
};

/** Reads a template into the arena, which frees it; the text is borrowed. NULL with *error on a
 * fault. */
GOTO_MUST_USE struct path_template *path_template_read(struct arena *arena, struct str text,
                                                       struct path_error *error);

/** As it was written. */
struct str path_template_text(const struct path_template *path);
/** Names that it captures, a list of struct str. */
struct list path_template_captures(const struct path_template *path);
/** Whether it holds plain bytes only: then it matches the paths that are equal to its text. */
bool path_template_is_static(const struct path_template *path);

enum path_result { PATH_MATCHES, PATH_DIFFERS, PATH_UNDECIDED };

/**
 * Tests a path that is still percent-encoded.
 *
 * @param arena    NULL: nothing is allocated, and what would need it is PATH_UNDECIDED; else
 * PATH_UNDECIDED says that a regular expression went over its bounds
 * @param captures filled, decoded, when it matches; may be NULL
 * @param equal    number of leading segments that matched; may be NULL
 */
enum path_result path_template_test(const struct path_template *path, struct str encoded,
                                    struct arena *arena, struct headers *captures, size_t *equal);

#endif
