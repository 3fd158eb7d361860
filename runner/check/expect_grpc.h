/**
 * The `expect` of a `grpc` step, and how what came of it is judged.
 */
#ifndef GOTO_RUNNER_CHECK_EXPECT_GRPC_H
#define GOTO_RUNNER_CHECK_EXPECT_GRPC_H

#include "base/loop.h"
#include "runner/check/check.h"
#include "runner/client/grpc_result.h"
#include "schema/body.h"

/** Predicates are NULL for keys that are not given. */
struct grpc_expect {
    struct predicate *status;
    struct predicate *status_message;
    struct body_check message; /**< json, json-subset, jsonpath */
    struct predicate *messages;
    struct list metadata; /**< of struct map_entry: struct predicate * */
    struct list trailers;
    struct predicate *duration;
    struct predicate *error;
};

/** [struct grpc_expect] */
extern const struct type grpc_expect_type;

/**
 * Judges a step.
 *
 * @param expect     NULL: only that the call comes to its end, with any status
 * @param verb_place where a failure of what is implied stands
 * @param loop       for the note on how late we were; may be NULL
 */
void grpc_expect_judge(const struct grpc_expect *expect, const struct grpc_result *result,
                       struct place verb_place, const struct loop *loop, struct failures *failures);

#endif
