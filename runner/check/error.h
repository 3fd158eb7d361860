/**
 * The name of an error as a predicate of `expect: {error: …}` speaks of it: `any` stands for every
 * name, `tls` for every tls-…, and http2-reset for http2-reset(CODE).
 */
#ifndef GOTO_RUNNER_CHECK_ERROR_H
#define GOTO_RUNNER_CHECK_ERROR_H

#include "schema/predicate.h"

/**
 * The name under which an error is tested: the one that the predicate speaks of, so that `any` and
 * `tls` also work within `in` and `not`.
 */
struct str error_spoken(const struct predicate *predicate, struct str name);

#endif
