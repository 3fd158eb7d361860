/**
 * The names of transport errors, and the table that decides which one a failed exchange has: by
 * libcurl's code, the system's errno and how far the exchange had come.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_ERROR_H
#define GOTO_RUNNER_CLIENT_HTTP_ERROR_H

#include "base/arena.h"
#include "runner/client/http_result.h"

#include <curl/curl.h>

struct tls_client;

/** How far the last request of an exchange had come. */
enum http_phase {
    HTTP_CONNECTING, /**< it was not sent */
    HTTP_WAITING,    /**< sent; not one byte came back */
    HTTP_HEAD,       /**< bytes came, but no whole head of a final answer */
    HTTP_BODY,       /**< a whole head came */
};

/** What ended an exchange before libcurl did. */
enum http_stop {
    HTTP_NOT_STOPPED,
    HTTP_LIMIT, /**< a limit in time ran out */
    HTTP_HEAD_TOO_LARGE,
    HTTP_BODY_TOO_LARGE,
    HTTP_REDIRECTS,   /**< one more than `follow` allows */
    HTTP_BROKEN,      /**< we saw a rule of HTTP broken that libcurl lets pass */
    HTTP_CUT,         /**< so did we, and something is missing: a compressed body has no end */
    HTTP_NO_H2,       /**< version "2" was demanded, and ALPN did not agree on it */
    HTTP_H1_REQUIRED, /**< the stream was reset with HTTP_1_1_REQUIRED: libcurl would go on in
                         HTTP/1.1 */
    HTTP_NOT_READY,   /**< what the request needs could not be had: never sent */
};

/** All that is known about the end of an exchange. */
struct http_evidence {
    CURLcode code;
    int os_errno; /**< of the last failed call on a socket; 0 = none */
    enum http_stop stop;
    enum http_phase phase;
    bool connected;   /**< a TCP connection stood when the limit ran out */
    struct str words; /**< ours where we stopped it, else libcurl's */
    const struct tls_client
        *tls;            /**< of the connection; NULL = it was in clear, or there was none */
    bool goaway;         /**< HTTP/2: the peer said GOAWAY on it */
    struct arena *arena; /**< where a name that is made up lives; NULL: none is needed */
};

/**
 * Decides whether an exchange completed, and the name of its error if not.
 *
 * @return true if it completed; else *failure is filled (its `why` is evidence->words, or libcurl's
 * text of the code)
 */
bool http_error_decide(const struct http_evidence *evidence, struct http_failure *failure);

/** One line of doc of an error name, NULL if there is no such name. */
const char *http_error_doc(struct str name);

#endif
