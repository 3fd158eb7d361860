/**
 * An `http` step with `version: h2c`: HTTP/2 in clear by prior knowledge, by our own client.
 *
 * libcurl 7.88 breaks on an h2c connection that is used again (curl#10634), so everything of the
 * exchange is done here: the connection, the request, redirects, cookies of a session, limits in
 * time, and the name of what went wrong. http.c makes the try, calls http_h2c_start(), and hears of
 * the end by http_try_conclude(), with try->result filled.
 *
 * What cannot go this way, and is refused when the spec is read (http_h2c_wrong()): `proxy`,
 * `auth: {digest: …}`, `tls`, and headers that belong to one connection of HTTP/1.1 (`connection`,
 * `keep-alive`, `proxy-connection`, `transfer-encoding`, `upgrade`, `http2-settings`, `te` but for
 * "trailers"; RFC 9113 section 8.2.2). A written `host` becomes `:authority`.
 *
 * Nothing is asked twice by itself: a stream that was refused (RST_STREAM REFUSED_STREAM, or a
 * GOAWAY whose last stream is before it) fails as http2-reset(REFUSED_STREAM) or http2-goaway. A
 * session's connection that has ended, or said GOAWAY, while nothing was under way is replaced.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_H2C_H
#define GOTO_RUNNER_CLIENT_HTTP_H2C_H

#include "runner/client/http_request.h"
#include "runner/client/http_result.h"
#include "server/http/h2_client.h"

struct http_try;
/** A try on its way over h2c: try->h2c; NULL before it has begun and once it has ended. */
struct http_h2c;
/** The connection that the h2c steps of one session share. */
struct http_h2c_session;

/**
 * Why a request cannot go over h2c, in words; NULL if it can. *place_of is the key that is at
 * fault ("proxy", "auth", "headers"), if it is not NULL.
 */
const char *http_h2c_wrong(const struct http_request *request, const char **place_of);

/**
 * Starts a try whose url, attempt, request, result.start_ns and body are set; no handle of libcurl
 * is needed. It ends by http_try_conclude(try), maybe from within this call.
 */
void http_h2c_start(struct http_try *try);
/** Ends a try under way as one whose limit ran out (the step's timeout): concludes it. */
void http_h2c_expire(struct http_try *try);
/** Gives everything outside of the arena back, at any moment, without a word to http.c. */
void http_h2c_detach(struct http_try *try);
/** What it waits for: "the connection for", "an answer to", "the rest of the answer to". */
const char *http_h2c_waiting(const struct http_try *try);

/** The name of the error of a call that ended by `end`, and why; texts in the arena. */
void http_h2c_failure(const struct h2_client_end *end, struct http_failure *failure,
                      struct arena *arena);

/** Closes a session's connection; no try may be under way on it. NULL is allowed. */
void http_h2c_session_free(struct http_h2c_session *session);

#endif
