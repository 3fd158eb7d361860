/**
 * Base64 (RFC 4648): written in the standard alphabet, read in both.
 */
#ifndef GOTO_BASE_BASE64_H
#define GOTO_BASE_BASE64_H

#include "base/arena.h"
#include "base/str.h"

/** The text of some bytes, in the arena; padded to a multiple of four when `padded`. */
struct str base64_write(struct arena *arena, struct str bytes, bool padded);

/**
 * The bytes of a text: the standard or the URL-safe alphabet, with padding or without.
 *
 * @return false for anything else; blanks and line ends too
 */
GOTO_MUST_USE bool base64_read(struct arena *arena, struct str text, struct str *bytes);

#endif
