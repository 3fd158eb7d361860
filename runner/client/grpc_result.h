/**
 * What came of a `grpc` step: the record that `expect` and `capture` read. Texts live in the arena
 * of the try.
 */
#ifndef GOTO_RUNNER_CLIENT_GRPC_RESULT_H
#define GOTO_RUNNER_CLIENT_GRPC_RESULT_H

#include "base/diag.h"
#include "runner/client/http_result.h"

struct grpc_result {
    bool complete; /**< the call came to its end; else `failure` says what happened */
    struct http_failure failure;
    bool by_status; /**< of one that failed: it is no failure where `expect` says which status */
    struct place place; /**< of what is wrong in the step, where that is known only now */
    int status;         /**< -1 = the call was not even begun */
    struct str status_message;
    struct str derived;    /**< from what this side made the status: "RST_STREAM CANCEL"; data NULL:
                              the server sent it */
    struct json *messages; /**< all that came, an array */
    struct headers metadata;
    struct headers trailers;
    int64_t duration_ns;
    int64_t start_ns; /**< monotonic */
    int64_t end_ns;
};

/** "OK", "UNAVAILABLE"; a code without a name as its number. */
struct str grpc_result_status(const struct grpc_result *result, struct arena *arena);
/** "UNAVAILABLE (derived from HTTP status 503)". */
struct str grpc_result_words(const struct grpc_result *result, struct arena *arena);

#endif
