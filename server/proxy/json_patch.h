/**
 * JSON Patch (RFC 6902) over JSON Pointers (RFC 6901).
 *
 * A patch is a list of operations that are done in their order; the first one that cannot be done
 * ends it, and then nothing was patched (RFC 6902 section 5).
 *
 *     struct json_patch_step step = {PATCH_ADD, STR("/a/-"), {0}, value};
 *     patched = json_patch_apply(arena, document, &step, 1, &why);
 */
#ifndef GOTO_SERVER_PROXY_JSON_PATCH_H
#define GOTO_SERVER_PROXY_JSON_PATCH_H

#include "base/json.h"

enum json_patch_operation {
    PATCH_ADD,
    PATCH_REMOVE,
    PATCH_REPLACE,
    PATCH_MOVE,
    PATCH_COPY,
    PATCH_TEST,
};

/** One operation. */
struct json_patch_step {
    enum json_patch_operation operation;
    struct str path;          /**< a JSON Pointer */
    struct str from;          /**< the same; of move and copy */
    const struct json *value; /**< of add, replace and test */
};

/** Whether a text is a JSON Pointer: empty, or it begins with '/', and each '~' has a 0 or 1 behind
 * it; *why, if not NULL, says what is wrong. */
GOTO_MUST_USE bool json_pointer_is_valid(struct str pointer, const char **why);

/**
 * Does the operations on a copy of `document`, which stays as it is. The result may share `value`s.
 *
 * @return the patched document, or NULL with *why (in the arena): "test /a: it is 1, not 2"
 */
const struct json *json_patch_apply(struct arena *arena, const struct json *document,
                                    const struct json_patch_step *steps, size_t count,
                                    struct str *why);

/** "add", "remove" … */
const char *json_patch_name(enum json_patch_operation operation);

#endif
