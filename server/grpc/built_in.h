/**
 * The health of a running gRPC upstream: what its spec says, with what actions have set over it.
 */
#ifndef GOTO_SERVER_GRPC_BUILT_IN_H
#define GOTO_SERVER_GRPC_BUILT_IN_H

#include "server/grpc/service.h"

struct grpc_health_state;

/** Lives in the arena. */
struct grpc_health_state *grpc_health_new(struct arena *arena);
/** Sets the health of a service ("" = the whole server), and tells who watches it. */
void grpc_health_set(struct grpc_health_state *state, const struct grpc_config *config,
                     struct str service, int status);

#endif
