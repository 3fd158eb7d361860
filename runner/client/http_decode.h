/**
 * Content codings (RFC 9110, section 8.4): gzip and deflate, whole bodies.
 *
 * libcurl could do it while it receives, but takes a compressed body without its end for a whole
 * one.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_DECODE_H
#define GOTO_RUNNER_CLIENT_HTTP_DECODE_H

#include "base/buf.h"

enum http_decoded {
    HTTP_DECODED,
    HTTP_DECODE_UNKNOWN, /**< a coding that was not asked for */
    HTTP_DECODE_BAD,     /**< the bytes are not in that coding */
    HTTP_DECODE_CUT,     /**< they end too early */
    HTTP_DECODE_LARGE,   /**< the result exceeds the bound of the buffer */
};

/**
 * Undoes the codings of a Content-Encoding header, the last one first. `body` is replaced; its
 * bound holds for every step. After a failure it holds what could be decoded.
 */
enum http_decoded http_decode(struct str codings, struct buf *body);

#endif
