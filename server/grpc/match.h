/**
 * What a `match` says of rpcs and of their messages, checked when a spec is read: an rpc that no
 * protos have, and a `json` or `json-subset` that no message of the rpc can ever equal, would never
 * match, and what counts on that would hold in silence.
 */
#ifndef GOTO_SERVER_GRPC_MATCH_H
#define GOTO_SERVER_GRPC_MATCH_H

#include "schema/table.h"
#include "server/grpc/protos.h"

struct match;

/** The protos that a port ever has. */
struct grpc_pools {
    const struct protos **items;
    size_t count;
};

/** Checks that one of them has the rpc; else it is told, with the nearest name. */
enum read_result grpc_check_rpc(struct reader *reader, const struct grpc_pools *pools,
                                struct str rpc, struct place place);

/** Checks a match, and what stands under its `not`; NULL is fine. */
enum read_result grpc_check_match(struct reader *reader, const struct grpc_pools *pools,
                                  const struct match *match);

#endif
