/**
 * The `expect` of a `tcp` step, and how what came of it is judged.
 */
#ifndef GOTO_RUNNER_CHECK_EXPECT_TCP_H
#define GOTO_RUNNER_CHECK_EXPECT_TCP_H

#include "base/loop.h"
#include "runner/check/check.h"
#include "runner/client/tcp_result.h"

/** Predicates are NULL for keys that are not given. */
struct tcp_expect {
    struct predicate *received;
    struct predicate *closed_by;
    struct predicate *duration;
    struct predicate *error;
};

/** [struct tcp_expect] */
extern const struct type tcp_expect_type;

/** Whether a step with this `expect` (may be NULL) waits until the peer has ended. */
bool tcp_expect_waits(const struct tcp_expect *expect);
/** Whether it says who ends the connection: an RST outside of a receive is no error then. */
bool tcp_expect_allows_reset(const struct tcp_expect *expect);

/**
 * Judges a step: first whether it ended as it had to, then what came.
 *
 * @param expect     NULL: only that the script comes to its end
 * @param verb_place where a failure of what is implied stands
 * @param loop       for the note on how late we were; may be NULL
 */
void tcp_expect_judge(const struct tcp_expect *expect, const struct tcp_result *result,
                      struct place verb_place, const struct loop *loop, struct failures *failures);

#endif
