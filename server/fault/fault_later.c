/* The faults of the language that this version does not have, by their layers (LANGUAGE 7). */
#include "server/fault/fault_private.h"

#define LATER(key, of_layer, ...)                                                                  \
    {                                                                                              \
        key, &type_node, "Not of this version.",                                                   \
            &(const struct fault_kind){.layer = (of_layer), __VA_ARGS__}, ROW_LATER                \
    }
#define STREAM(key) LATER(key, FAULT_STREAM, .on_route = false)
/** One that a route takes, too: it then strikes requests. */
#define STREAM_OR_ROUTE(key) LATER(key, FAULT_STREAM, .on_route = true)
#define CONNECT(key, idle) LATER(key, FAULT_CONNECT, .may_idle = (idle))
#define HTTP1(key) LATER(key, FAULT_HTTP1, .on_route = true, .each_request = true)
#define GRPC(key) LATER(key, FAULT_GRPC, .on_route = true, .each_request = true)

const struct member fault_later_members[] = {
    STREAM("latency"),
    STREAM("bandwidth"),
    STREAM("slice"),
    STREAM("limit"),
    STREAM_OR_ROUTE("cut"),
    STREAM("drop"),
    STREAM("corrupt"),
    STREAM_OR_ROUTE("stall"),
    STREAM_OR_ROUTE("reset"),
    STREAM("slow-close"),
    STREAM("half-close"),

    CONNECT("refuse", true),
    CONNECT("blackhole", true),
    CONNECT("accept-then-reset", false),
    CONNECT("accept-then-stall", false),
    CONNECT("max-connections", false),

    HTTP1("truncate"),
    HTTP1("empty-response"),
    HTTP1("bad-status-line"),
    HTTP1("bad-header"),
    HTTP1("header-flood"),
    HTTP1("no-end-of-headers"),
    HTTP1("bad-chunk"),
    HTTP1("missing-last-chunk"),
    HTTP1("both-lengths"),
    HTTP1("wrong-length"),
    HTTP1("extra-body"),
    HTTP1("wrong-version"),
    HTTP1("garbage"),

    GRPC("no-trailers"),
    GRPC("bad-status"),
    GRPC("wrong-content-type"),
    GRPC("truncated-message"),
    GRPC("oversized-message"),
    GRPC("compressed-flag"),
    GRPC("extra-message"),
    GRPC("invalid-protobuf"),
    GRPC("too-many-pings"),
    {0},
};
