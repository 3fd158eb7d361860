/**
 * What a request line may hold: whether a text is a token, and what is wrong with a URL.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_URL_H
#define GOTO_RUNNER_CLIENT_HTTP_URL_H

#include "base/arena.h"
#include "base/str.h"

/** Whether the text is a token (RFC 9110, section 5.6.2): methods, names of headers and cookies. */
bool http_is_token(struct str text);

/**
 * What is wrong with a URL that a request (or, with `proxy`, a connection to a proxy) is to go to,
 * in words; NULL if nothing. It may lack a scheme: "api/x", "127.0.0.1:80".
 */
const char *http_url_wrong(struct arena *arena, struct str url, bool proxy);

#endif
