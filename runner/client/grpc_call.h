/**
 * One call of gRPC on a connection of HTTP/2: messages as bytes in both directions, the status at
 * its end, and where it came from. It knows no types and no specs.
 *
 *     grpc_client_call_start(&call, client, &plan, &user, context);
 *     grpc_client_call_send(&call, bytes); grpc_client_call_finish(&call);
 *     … user.message(), user.ended(): call.answer
 *
 * The call is embedded; its texts live in the arena of the plan. Nothing is called from within
 * grpc_client_call_start(), _send() and _finish() but what the connection has to tell at that
 * moment.
 */
#ifndef GOTO_RUNNER_CLIENT_GRPC_CALL_H
#define GOTO_RUNNER_CLIENT_GRPC_CALL_H

#include "runner/client/http_result.h"
#include "server/grpc/framing.h"
#include "server/grpc/status.h"
#include "server/http/h2_client.h"

struct grpc_client_call;

struct grpc_client_call_plan {
    struct arena *arena;
    struct str path; /**< "/shop.Orders/Place" */
    struct str authority;
    bool tls;
    const struct headers *metadata; /**< as sent, but for what every call sends; NULL = none */
    int64_t timeout_ns;             /**< sent as grpc-timeout; 0 = none */
    size_t most;                    /**< bytes of a message that comes */
    enum grpc_encoding encoding;    /**< of the messages that are sent */
};

struct grpc_client_call_user {
    /** A whole message, borrowed. The call may be cancelled from within. */
    void (*message)(void *context, struct str bytes);
    /** It has ended, and is out of use; not called after grpc_client_call_cancel(). */
    void (*ended)(void *context);
};

/** How a call ended. */
struct grpc_answer {
    int status;
    struct str message;
    struct str derived; /**< from what this side made the status; data NULL: the server sent it */
    bool complete;      /**< else `failure` says what happened */
    bool reset;         /**< it failed by RST_STREAM */
    struct http_failure failure;
    struct headers metadata;
    struct headers trailers;
};

struct grpc_client_call {
    const struct grpc_client_call_user *user;
    void *context;
    struct arena *arena;
    struct h2_call *h2; /**< NULL once it has ended */
    struct h2_source source;
    struct buf out; /**< frames that wait to be sent */
    size_t out_at;
    bool out_ended;
    struct grpc_frames frames;
    size_t most;
    enum grpc_encoding encoding;     /**< of what comes */
    enum grpc_encoding out_encoding; /**< of what is sent */
    unsigned http_status;            /**< 0 = no head came */
    bool plain;                      /**< what comes is no gRPC: it is passed over */
    bool body_came;                  /**< at least one byte behind the head */
    bool begun;
    struct grpc_answer answer;
};

void grpc_client_call_start(struct grpc_client_call *call, struct h2_client *client,
                            const struct grpc_client_call_plan *plan,
                            const struct grpc_client_call_user *user, void *context);
/** Sends a message. */
void grpc_client_call_send(struct grpc_client_call *call, struct str message);
/** There will be no more messages. */
void grpc_client_call_finish(struct grpc_client_call *call);
/** Ends it with RST_STREAM, without a word to its user; also one that has ended, or was not begun.
 */
void grpc_client_call_cancel(struct grpc_client_call *call);
/** The connection is gone, and so is what was on it; as grpc_client_call_cancel(). */
void grpc_client_call_forget(struct grpc_client_call *call);
/** The same for a call that this side ends for a reason of its own: fills the answer. */
void grpc_client_call_fail(struct grpc_client_call *call, enum grpc_status status,
                           const char *derived, const char *name, struct str why);

#endif
