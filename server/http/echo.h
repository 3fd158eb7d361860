/**
 * What `echo` answers (LANGUAGE 3): a JSON object of the request as it reached this point.
 *
 * `path` is as it was sent, still percent-encoded. Bytes of the request that are not UTF-8 show as
 * U+FFFD. `json` is there when the body is JSON, `body` is always there. Header names are in lower
 * case, in the order in which they first came.
 */
#ifndef GOTO_SERVER_HTTP_ECHO_H
#define GOTO_SERVER_HTTP_ECHO_H

#include "server/http/exchange.h"

/** The object; texts are borrowed from the exchange, everything else lives in the arena. */
struct json *echo_json(struct exchange *exchange, struct str upstream, struct arena *arena);
/** The same as text. */
struct str echo_text(struct exchange *exchange, struct str upstream, struct arena *arena);

#endif
