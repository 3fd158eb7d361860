/**
 * The gRPC service of an upstream as a spec writes it: its protos, reflection, health and bound.
 *
 * Its types (sources.h) are loaded when the spec is read.
 */
#ifndef GOTO_SERVER_GRPC_SERVICE_H
#define GOTO_SERVER_GRPC_SERVICE_H

#include "schema/table.h"
#include "server/grpc/sources.h"

struct respond;
struct route_config;
struct upstream_config;

/** As google.grpc.health.v1 numbers them. */
enum grpc_health { GRPC_SERVING = 1, GRPC_NOT_SERVING = 2, GRPC_SERVICE_UNKNOWN = 3 };

struct grpc_config {
    struct grpc_sources sources;
    bool reflection;
    struct list health; /**< of struct map_entry: int, enum grpc_health; none: no such service */
    uint64_t max_message;
    const struct protos *pool; /**< made of them; NULL = none */
};

/** [struct grpc_config] rows of an upstream. */
extern const struct type grpc_service_type;

/** Loads the protos of an upstream and checks what its routes say of rpcs and messages; for other
 * protocols refuses what only gRPC has. */
enum read_result grpc_check_upstream(struct reader *reader, const struct node *node,
                                     struct upstream_config *config);

/** Refuses a grpc upstream without protos: not for a `switch`, which may leave them as they are. */
enum read_result grpc_check_protos(struct reader *reader, const struct node *node,
                                   const struct upstream_config *config);

/** Checks the messages of an answer that an action gives in the place of a route's. NULL protos are
 * fine. */
enum read_result grpc_check_respond(struct reader *reader, const struct protos *protos,
                                    const struct route_config *route,
                                    const struct respond *respond);

/** [int] enum grpc_health. */
extern const struct type grpc_health_type;

#endif
