/**
 * A pool: one libcurl multi handle on the loop, its connections and, if wished, its cookies.
 *
 * A pool serves one request at a time. Each step has a pool of its own, so that its redirects may
 * share a connection and nothing else does; the steps of one session share one. All calls run on
 * the loop's thread; none may come from within a callback of libcurl.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_MULTI_H
#define GOTO_RUNNER_CLIENT_HTTP_MULTI_H

#include "base/loop.h"

#include <curl/curl.h>

struct http_pool;

/** What the user of a pool hears. */
struct http_pool_user {
    /** libcurl has ended the request. The pool may be freed from within. */
    void (*finished)(void *context, CURLcode code);
    /** A connection for a further request (a redirect, another try of libcurl's) is to be made;
     * false: it is not, and the exchange fails. */
    bool (*connecting)(void *context);
};

/** A new pool. `cookies`: they are kept from one request to the next. Freed by http_pool_free(). */
GOTO_MUST_USE struct http_pool *http_pool_new(struct loop *loop, bool cookies);
/** Closes its connections and frees it; no request may be under way. NULL is allowed. */
void http_pool_free(struct http_pool *pool);

/** Starts a request whose options are set; it begins in the next turn of the loop. */
void http_pool_start(struct http_pool *pool, CURL *easy, const struct http_pool_user *user,
                     void *context);
/** Takes the request out, ended or not; what is under way is closed. */
void http_pool_stop(struct http_pool *pool);

/** A request of the exchange goes onto a connection now. */
void http_pool_sending(struct http_pool *pool);
/** Whether the connection of the present request stands. */
bool http_pool_is_connected(const struct http_pool *pool);
/** Whether a byte came from the peer since http_pool_sending(). */
bool http_pool_has_received(const struct http_pool *pool);
/** Before a request over TLS: connections that the peer has ended since are not used again. */
void http_pool_drop_ended(struct http_pool *pool);
/** Whether it holds no connection: it is as good as new. */
bool http_pool_is_clean(const struct http_pool *pool);

/** The cookies and sessions of TLS that it keeps; NULL = none. */
CURLSH *http_pool_share(const struct http_pool *pool);

#endif
