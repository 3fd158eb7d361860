/**
 * Metadata of gRPC: headers and trailers, of which those whose names end with -bin hold bytes as
 * Base64.
 */
#ifndef GOTO_SERVER_GRPC_METADATA_H
#define GOTO_SERVER_GRPC_METADATA_H

#include "base/json.h"
#include "server/http/message.h"

/** Whether values of that name are bytes. */
bool grpc_metadata_is_binary(struct str name);

/** All values of a name: NULL, a string, or an array. Those of bytes may stand behind each other
 * with commas, with padding or without: each is one Base64 text with padding here. */
const struct json *grpc_metadata_json(const struct headers *headers, struct str name,
                                      struct arena *arena);

#endif
