/**
 * What a spec compares rpcs and messages with, checked when it is read: an rpc that no protos have,
 * a `json` or `json-subset` that no message can ever equal, and a path to a field that does not
 * exist would never match, and what counts on that would hold in silence.
 */
#ifndef GOTO_SERVER_GRPC_MATCH_H
#define GOTO_SERVER_GRPC_MATCH_H

#include "schema/body.h"
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

/** Checks what messages of a type are compared with: `json`, `json-subset` and the names in
 * `jsonpath`. */
enum read_result grpc_check_body(struct reader *reader, const struct protos *protos,
                                 const struct proto_message *type, const struct body_check *check);

/** Checks a match, and what stands under its `not`; NULL is fine. */
enum read_result grpc_check_match(struct reader *reader, const struct grpc_pools *pools,
                                  const struct match *match);

#endif
