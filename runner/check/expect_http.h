/**
 * The `expect` of an `http` step, and how an answer is judged by it.
 */
#ifndef GOTO_RUNNER_CHECK_EXPECT_HTTP_H
#define GOTO_RUNNER_CHECK_EXPECT_HTTP_H

#include "base/loop.h"
#include "runner/check/check.h"
#include "runner/client/http_result.h"
#include "schema/body.h"

/** `certificate`: of the server, as it came. Predicates are NULL for keys that are not given. */
struct http_expect_certificate {
    struct predicate *subject;
    struct predicate *issuer;
    struct predicate *sans;
    struct predicate *expires;
    struct predicate *serial;
    struct predicate *self_signed;
};

/** `tls`: what was agreed on. */
struct http_expect_tls {
    struct predicate *version;
    struct predicate *cipher;
    struct predicate *alpn;
};

/** Predicates are NULL and lists empty for keys that are not given. */
struct http_expect {
    struct predicate *status;
    struct list headers;  /**< of struct map_entry: struct predicate * */
    struct list trailers; /**< the same */
    struct list cookies;  /**< the same */
    struct body_check body;
    struct predicate *version;
    struct predicate *duration;
    struct predicate *connect_time;
    struct predicate *first_byte;
    struct predicate *tls_time;
    struct predicate *redirects;
    struct predicate *url;
    struct predicate *remote;
    struct predicate *retries;
    struct http_expect_certificate *certificate; /**< NULL if not given */
    struct http_expect_tls *tls;                 /**< NULL if not given */
    struct predicate *error;
};

/** [struct http_expect] */
extern const struct type http_expect_type;
/** [struct list] of struct map_entry: names of headers and the like, and a predicate on each. */
extern const struct type expect_texts_type;

/**
 * Judges an answer: first whether the exchange ended as it had to, then status, headers, body and
 * the rest, so that the first failure is nearest to the cause.
 *
 * @param expect     NULL: only that the exchange completes
 * @param verb_place where a failure of what is implied stands
 * @param loop       for the note on how late we were; may be NULL
 */
void http_expect_judge(const struct http_expect *expect, const struct http_result *result,
                       struct place verb_place, const struct loop *loop, struct failures *failures);

#endif
