/**
 * The name in a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), read without taking part
 * in the handshake.
 *
 * The parser is given all bytes that came so far, again and again: a ClientHello may be split over
 * many records, and these over many segments. It keeps nothing, and reads at most SNI_MOST bytes.
 */
#ifndef GOTO_SERVER_PROXY_SNI_H
#define GOTO_SERVER_PROXY_SNI_H

#include "base/str.h"

/** A ClientHello beyond this is none that anybody sends. */
enum { SNI_MOST = 32 * 1024, SNI_NAME_SIZE = 256 };

enum sni_result {
    SNI_MORE, /**< it may be one; it is not whole yet */
    SNI_NAME, /**< it holds a name */
    SNI_NONE, /**< a ClientHello without one */
    SNI_NOT,  /**< no ClientHello: not TLS at all, or it breaks a rule or the bound */
};

/** Reads what came so far; `name` is filled for SNI_NAME: lower case, without a final dot. */
enum sni_result sni_read(struct str bytes, char name[SNI_NAME_SIZE]);

/** Whether a name of a spec, `a.example` or `*.c.example`, stands for a name in a ClientHello. A
 * star is one label. */
bool sni_matches(struct str pattern, struct str name);

#endif
