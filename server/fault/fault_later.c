/* The faults of the language that this version does not have, by their layers (LANGUAGE 7). */
#include "server/fault/fault_private.h"

#define LATER(key, doc, of_layer, ...)                                                             \
    {                                                                                              \
        key, &type_node, doc, &(const struct fault_kind){.layer = (of_layer), __VA_ARGS__},        \
            ROW_LATER                                                                              \
    }
#define HTTP1(key, doc) LATER(key, doc, FAULT_HTTP1, .on_route = true, .each_request = true)
#define GRPC(key, doc) LATER(key, doc, FAULT_GRPC, .on_route = true, .each_request = true)

const struct member fault_later_members[] = {
    HTTP1("truncate", "The body ends at a share of it, or after so many bytes."),
    HTTP1("empty-response", "The connection ends without an answer."),
    HTTP1("bad-status-line", "The status line is none."),
    HTTP1("bad-header", "A header is none."),
    HTTP1("header-flood", "So many bytes of headers."),
    HTTP1("no-end-of-headers", "The head never ends."),
    HTTP1("bad-chunk", "The size of a chunk is none."),
    HTTP1("missing-last-chunk", "The last chunk does not come."),
    HTTP1("both-lengths", "content-length and transfer-encoding."),
    HTTP1("wrong-length", "content-length differs by so many bytes."),
    HTTP1("extra-body", "Bytes behind the body."),
    HTTP1("wrong-version", "Another version of HTTP in the status line."),
    HTTP1("garbage", "Random bytes in place of the answer."),

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
