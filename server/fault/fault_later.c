/* The faults of the language that this version does not have, by their layers (LANGUAGE 7). */
#include "server/fault/fault_private.h"

#define LATER(key, doc, of_layer, ...)                                                             \
    {                                                                                              \
        key, &type_node, doc, &(const struct fault_kind){.layer = (of_layer), __VA_ARGS__},        \
            ROW_LATER                                                                              \
    }
#define STREAM(key, doc) LATER(key, doc, FAULT_STREAM, .on_route = false)
/** One that a route takes, too: it then strikes requests. */
#define STREAM_OR_ROUTE(key, doc) LATER(key, doc, FAULT_STREAM, .on_route = true)
#define CONNECT(key, doc, idle) LATER(key, doc, FAULT_CONNECT, .may_idle = (idle))
#define GRPC(key, doc) LATER(key, doc, FAULT_GRPC, .on_route = true, .each_request = true)

const struct member fault_later_members[] = {
    STREAM("latency", "Holds bytes back for a time, such as 50ms~10ms."),
    STREAM("bandwidth", "So many bytes a second, such as 64KiB/s."),
    STREAM("slice", "Bytes leave in small pieces: {size: 10-100, every: 1ms}."),
    STREAM("limit", "The connection ends after so many bytes."),
    STREAM_OR_ROUTE("cut", "The connection ends at a byte: {at: 100, how: fin rst stall}."),
    STREAM("drop", "Loses a share of the blocks of the stream."),
    STREAM("corrupt", "Changes a share of the bytes."),
    STREAM_OR_ROUTE("stall", "Nothing moves any more."),
    STREAM_OR_ROUTE("reset", "RST."),
    STREAM("slow-close", "The end of the connection comes so much later."),
    STREAM("half-close", "FIN of one side only."),

    CONNECT("refuse", "Connections are refused.", true),
    CONNECT("blackhole", "The handshake of TCP is never completed.", true),
    CONNECT("accept-then-reset", "RST right after a connection was accepted.", false),
    CONNECT("accept-then-stall", "Nothing is read or written after a connection was accepted.",
            false),
    CONNECT("max-connections", "Connections beyond so many are accepted and reset.", false),

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
