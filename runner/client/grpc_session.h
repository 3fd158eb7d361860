/**
 * The connections that `grpc` steps with the same `session` share: each client has its own, one
 * for each session and far side.
 */
#ifndef GOTO_RUNNER_CLIENT_GRPC_SESSION_H
#define GOTO_RUNNER_CLIENT_GRPC_SESSION_H

#include "runner/client/grpc.h"
#include "runner/client/grpc_connection.h"

/** A connection for a step: the session's if it still stands (then it has a client already), or a
 * new one. */
struct grpc_connection *grpc_session_take(struct attempt *attempt,
                                          const struct grpc_connection_plan *plan,
                                          const struct grpc_connection_user *user, void *context);
/** The step has no more use for it: it is kept for its session if `keep` and it still takes calls,
 * else closed. */
void grpc_session_give(struct attempt *attempt, struct grpc_connection *connection, bool keep);

#endif
