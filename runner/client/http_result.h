/**
 * What came of an HTTP request: the record that `expect` and `capture` read.
 *
 * Texts live in the arena of the try.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_RESULT_H
#define GOTO_RUNNER_CLIENT_HTTP_RESULT_H

#include "base/str.h"
#include "server/http/message.h"

/** Why an exchange did not complete. */
struct http_failure {
    const char *name; /**< of error_names; NULL: one that has no name there */
    struct str why;   /**< in words */
    bool harness;     /**< our own fault or the spec's: no `error` matches it, not even `any` */
};

struct tls_certificate;

struct http_result {
    bool complete; /**< a whole answer came; else `failure` says what happened */
    struct http_failure failure;
    unsigned status;        /**< of the last whole head; 0 = there was none */
    struct str version;     /**< "1.1" */
    struct str reason;      /**< as sent, may be empty */
    struct headers headers; /**< all of the last answer, in order */
    struct headers trailers;
    struct str body;   /**< as received, or decoded when `compressed` was set; raw bytes */
    struct str url;    /**< of the last request */
    struct str remote; /**< "address:port"; data NULL = there was no connection */
    /* TLS of the last connection; also of one that failed, as far as it came */
    const struct tls_certificate *certificate; /**< NULL = none was seen */
    struct str tls_version;                    /**< "TLSv1.3"; data NULL = not agreed */
    struct str tls_cipher;                     /**< OpenSSL's name; data NULL = not agreed */
    struct str tls_alpn;                       /**< data NULL = none agreed */
    unsigned redirects;                        /**< followed */
    unsigned tries;                            /**< of the step before this one */
    int64_t duration_ns;
    int64_t connect_ns;    /**< -1 = no connection stood */
    int64_t tls_ns;        /**< -1 = no TLS stood */
    int64_t first_byte_ns; /**< -1 = nothing came */
    int64_t start_ns;      /**< monotonic */
    int64_t end_ns;
};

/** All values that the last answer's Set-Cookie headers give a name: NULL, a string, or an array.
 */
const struct json *http_result_cookie(const struct http_result *result, struct str name,
                                      struct arena *arena);

/** "connection-refused (Failed to connect …)", "no route to host". */
struct str http_failure_words(const struct http_failure *failure, struct arena *arena);

#endif
