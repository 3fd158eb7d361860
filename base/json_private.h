/**
 * What the files of json and jsonpath share and nobody else uses.
 */
#ifndef GOTO_BASE_JSON_PRIVATE_H
#define GOTO_BASE_JSON_PRIVATE_H

#include "base/json.h"

/**
 * json_equal() that takes at most *steps steps (about one for each value and for each 64 bytes) and
 * lowers the count by what it took. False with *steps = 0 when they ran out.
 */
bool json_equal_within(const struct json *a, const struct json *b, size_t *steps);

/**
 * Decodes a unicode escape; `text` starts at its 'u'. A surrogate pair is two escapes and one code.
 *
 * @return the bytes taken, or 0 when it is malformed or a surrogate stands alone
 */
size_t json_decode_unicode(struct str text, uint32_t *code);

#endif
