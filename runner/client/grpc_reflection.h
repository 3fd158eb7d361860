/**
 * Types from the far side: the reflection service of gRPC (v1, and v1alpha where there is no v1) is
 * asked for the file that defines a service, and for all that it imports.
 *
 * It is asked for its other services as well, and what it told is kept for the rest of the
 * scenario: an endpoint is asked once.
 */
#ifndef GOTO_RUNNER_CLIENT_GRPC_REFLECTION_H
#define GOTO_RUNNER_CLIENT_GRPC_REFLECTION_H

#include "runner/client/grpc.h"
#include "runner/client/grpc_connection.h"
#include "server/grpc/protos.h"

struct grpc_reflection;

struct grpc_reflection_plan {
    struct attempt *attempt;
    struct grpc_connection *connection; /**< that stands */
    const struct endpoint *endpoint;
    struct str authority;
    bool tls;
    struct str rpc; /**< "shop.Orders/Place" */
};

/**
 * Hears how it ended: the types, which live as long as the scenario, and the method; or a failure,
 * whose texts live in the attempt's arena. The reflection is out of use.
 */
typedef void (*grpc_reflection_done)(void *context, const struct protos *types,
                                     const struct proto_method *method,
                                     const struct http_failure *failure);

/** Asks; `done` is called later. It lives in the attempt's arena. */
struct grpc_reflection *grpc_reflection_start(const struct grpc_reflection_plan *plan,
                                              grpc_reflection_done done, void *context);
/** Gives up, without a word. NULL is allowed. */
void grpc_reflection_cancel(struct grpc_reflection *reflection);
/** The same once the connection is gone. */
void grpc_reflection_forget(struct grpc_reflection *reflection);

/** Whether it knows that it fails, and is about to say so: it needs the connection no more. NULL:
 * no. */
bool grpc_reflection_has_failed(const struct grpc_reflection *reflection);

/** What is kept of an endpoint; leaves both as they are when it was not asked yet. */
void grpc_reflected_find(struct scenario *scenario, const struct endpoint *endpoint, struct str rpc,
                         const struct protos **types, const struct proto_method **method);

#endif
