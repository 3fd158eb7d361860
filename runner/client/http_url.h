/**
 * What a request line may hold: whether a text is a token, and what is wrong with a URL.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_URL_H
#define GOTO_RUNNER_CLIENT_HTTP_URL_H

#include "base/arena.h"
#include "base/str.h"

/** Whether the text is a token (RFC 9110, section 5.6.2): methods, names of headers and cookies. */
bool http_is_token(struct str text);

/** Whether a URL has that scheme; capitals do not count. */
bool http_url_has_scheme(struct str url, const char *scheme);
/** The host of a URL, without brackets, in the arena; empty if there is none. */
struct str http_url_host(struct str url, struct arena *arena);
/** The number of its port, as digits, in the arena: that of the scheme if none is written. */
struct str http_url_port(struct str url, struct arena *arena);

/**
 * What is wrong with a URL that a request (or, with `proxy`, a connection to a proxy) is to go to,
 * in words; NULL if nothing. It may lack a scheme: "api/x", "127.0.0.1:80".
 */
const char *http_url_wrong(struct arena *arena, struct str url, bool proxy);

#endif
