/**
 * What an answer of gRPC is made of, as a spec writes it: messages and statuses.
 *
 * What the language leaves open:
 * - A message is checked against its rpc when the spec is read: names of fields, and all values
 * that hold no template. A message that a template makes wrong ends the call with INTERNAL.
 * - A value of `metadata` and `trailers` whose name ends with `-bin` is written as it goes onto the
 * wire: in Base64.
 * - `details` is a list of messages, each with its type in `@type`, which the `protos` must know.
 */
#ifndef GOTO_SERVER_GRPC_RESPOND_H
#define GOTO_SERVER_GRPC_RESPOND_H

#include "base/json.h"
#include "schema/table.h"

struct proto_message;
struct protos;
struct template;
struct template_context;

/** One message. */
struct grpc_message_config {
    struct template *template;
    const struct json *shape; /**< its values, each with its place; null with `boolean` set where a
                                 template stands */
    struct place place;
    /* of one without templates, once it was checked: its frame, by that type */
    struct str encoded;
    const struct proto_message *encoded_as; /**< NULL: it is encoded for each answer */
};
/** [struct grpc_message_config] */
extern const struct type grpc_message_type;

/** A status of gRPC. */
struct grpc_status_config {
    int code;
    struct template *message; /**< NULL = none */
    struct list details;      /**< of struct grpc_message_config */
};

/** `status:` of an answer: at most one is set. */
struct grpc_or_http_status {
    uint64_t http; /**< 0 = not written */
    struct grpc_status_config *grpc;
};
/** [struct grpc_or_http_status] */
extern const struct type grpc_or_http_status_type;

/** Tells what is wrong with a message of that type, at its places; one without templates is
 * encoded once and for all. NULL configs are fine. */
enum read_result grpc_check_message(struct reader *reader, const struct protos *protos,
                                    const struct proto_message *type,
                                    struct grpc_message_config *message);
/** The same for the details of a status. */
enum read_result grpc_check_details(struct reader *reader, const struct protos *protos,
                                    const struct grpc_status_config *status);

/** Appends a google.rpc.Status: what grpc-status-details-bin holds. False with *why in the arena.
 */
GOTO_MUST_USE bool grpc_details_encode(const struct protos *protos,
                                       const struct grpc_status_config *status, struct str message,
                                       struct template_context *context, struct arena *arena,
                                       struct buf *into, struct str *why);

#endif
