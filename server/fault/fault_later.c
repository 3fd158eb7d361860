/* The faults of the language that this version does not have, by their layers (LANGUAGE 7). */
#include "server/fault/fault_private.h"

#define LATER(key, doc, of_layer, ...)                                                             \
    {                                                                                              \
        key, &type_node, doc, &(const struct fault_kind){.layer = (of_layer), __VA_ARGS__},        \
            ROW_LATER                                                                              \
    }
#define GRPC(key, doc) LATER(key, doc, FAULT_GRPC, .on_route = true, .each_request = true)

const struct member fault_later_members[] = {

    GRPC("no-trailers", "The trailers do not come."),
    GRPC("bad-status", "grpc-status is none."),
    GRPC("wrong-content-type", "The content type is not that of gRPC."),
    GRPC("truncated-message", "A message ends early."),
    GRPC("oversized-message", "A message claims so many bytes."),
    GRPC("compressed-flag", "A message that is not compressed says that it is."),
    GRPC("extra-message", "One message too many."),
    GRPC("invalid-protobuf", "A message that cannot be decoded."),
    GRPC("too-many-pings", "GOAWAY because of too many pings."),
    {0},
};
