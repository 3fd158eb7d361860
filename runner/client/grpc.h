/**
 * The `grpc` verb: a call of a gRPC method, its messages as JSON by the types of its .proto files,
 * and its `expect`.
 *
 * The types come from `protos` or `protosets` (server/grpc/sources.h): what a step says of its
 * method and messages is then checked when the spec is read. Without them the far side's reflection
 * service is asked (grpc_reflection.h), once for each endpoint of a scenario.
 *
 * Each step has its own connection; steps of a client with the same `session` share one. Nothing is
 * asked twice by itself.
 */
#ifndef GOTO_RUNNER_CLIENT_GRPC_H
#define GOTO_RUNNER_CLIENT_GRPC_H

#include "runner/client/grpc_result.h"
#include "runner/client/tcp.h"
#include "runner/scenario/attempt.h"
#include "server/grpc/message.h"
#include "server/grpc/sources.h"

/** The bounds of a call. */
enum {
    GRPC_MOST_MESSAGE = 64 * 1024 * 1024, /**< bytes of one message */
    GRPC_MOST_RECEIVED = 64 * 1024 * 1024 /**< bytes of all that come, which are kept */
};

/** When the client gives up by itself. */
struct grpc_cancel {
    bool written;
    uint64_t messages; /**< once so many came; 0 = after a time */
    int64_t after_ns;
};

/** What `grpc:` says. */
struct grpc_request {
    struct str target; /**< an endpoint */
    struct str rpc;    /**< "shop.Orders/Place" */
    struct place rpc_place;
    struct grpc_sources sources;
    struct json *message;
    struct list messages; /**< of struct json * */
    struct place message_place;
    bool several; /**< `messages` was written */
    struct duration *every;
    struct list metadata; /**< of struct map_entry: struct list of struct str */
    int64_t deadline_ns;  /**< 0 = none */
    uint64_t max_message; /**< bytes of one that comes */
    int compress;         /**< enum grpc_encoding */
    struct tcp_tls tls;
    struct str authority; /**< data NULL: host:port */
    struct grpc_cancel cancel;
    /* what `protos` and `protosets` say of it; NULL without */
    const struct protos *types;
    const struct proto_method *method;
};

/** [struct grpc_request] */
extern const struct type grpc_type;
extern const struct verb grpc_verb;

/** "grpc shop.Orders/Place": the default name of a step; from the node as written. */
struct str grpc_title(struct arena *arena, const struct node *value);

/**
 * Whether the messages fit the method in number.
 *
 * @return NULL, or what is wrong in words
 */
const char *grpc_request_wrong_count(const struct grpc_request *request,
                                     const struct proto_method *method);
/** The messages that are sent, as JSON: none for a client's stream that names none, else one
 * without fields. */
const struct json **grpc_request_messages(const struct grpc_request *request,
                                          const struct proto_method *method, struct arena *arena,
                                          size_t *count);
/** How they are encoded; NULL: in no special way. */
const struct message_encoding *grpc_request_encoding(const struct grpc_request *request,
                                                     const struct proto_method *method);

/** Connections that the steps of one client's sessions share, and what reflection told of an
 * endpoint in one scenario: implemented by the scenario. */
struct grpc_sessions;
struct grpc_sessions **client_grpc_sessions(struct client *client);
/** Closes the connections; calls must have been cancelled. NULL is allowed. */
void grpc_sessions_free(struct grpc_sessions *sessions);
struct grpc_reflected;
struct grpc_reflected **scenario_grpc_reflected(struct scenario *scenario);
void grpc_reflected_free(struct grpc_reflected *reflected);

#endif
