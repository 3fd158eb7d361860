/**
 * What came of a `tcp` step: the record that `expect` and `capture` read.
 */
#ifndef GOTO_RUNNER_CLIENT_TCP_RESULT_H
#define GOTO_RUNNER_CLIENT_TCP_RESULT_H

#include "base/diag.h"
#include "base/str.h"

/** Who ended the connection first, as far as the step has seen. */
enum tcp_closed_by {
    TCP_CLOSED_BY_NONE, /**< nobody, or this side */
    TCP_CLOSED_BY_PEER, /**< FIN */
    TCP_CLOSED_BY_RESET,
};

/** Why a step did not come to its end. */
struct tcp_failure {
    const char *name; /**< of error_names; NULL: one that has no name there */
    struct str why;   /**< in words */
    bool harness;     /**< our own fault or the spec's: no `error` matches it, not even `any` */
    /* Of a receive that did not get what it waits for; else `expected` is empty */
    struct place place;
    struct str expected;
    struct str actual;
};

struct tcp_result {
    bool complete; /**< the script came to its end; else `failure` says what happened */
    struct tcp_failure failure;
    bool connected;
    enum tcp_closed_by closed_by;
    struct str received; /**< what was kept of what came */
    uint64_t size;       /**< what came */
    int64_t duration_ns;
    int64_t start_ns; /**< monotonic */
    int64_t end_ns;
};

#endif
