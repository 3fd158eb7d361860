/**
 * A call of gRPC on an exchange: its messages as they come, and its answer.
 *
 * Every message that was read is journalled (ENTRY_MESSAGE). The request of HTTP is then journalled
 * and matched with its first message, as JSON, for its body. A call whose client streams is
 * answered once it was read whole; a bidirectional one from its first message on:
 * - `messages` with `every` come by time;
 * - else the n-th answers the client's n-th message, and what is left comes behind its end; one
 * `message`, or the empty one of an rpc without a route, answers each.
 * Its end comes behind the client's.
 *
 * A call ends with DEADLINE_EXCEEDED when the time of its grpc-timeout is over.
 */
#ifndef GOTO_SERVER_GRPC_CALL_H
#define GOTO_SERVER_GRPC_CALL_H

#include "server/grpc/framing.h"
#include "server/grpc/service.h"
#include "server/http/respond.h"

/** What stands outside routes and counts. */
enum grpc_built_in { GRPC_ORDINARY, GRPC_HEALTH_CHECK, GRPC_HEALTH_WATCH, GRPC_REFLECTION };

/** One message that came. */
struct grpc_received {
    struct grpc_received *next;
    struct str bytes;  /**< decompressed */
    struct json *json; /**< NULL: of a built-in call */
};

struct grpc_call {
    struct exchange *exchange;
    struct grpc_config config;         /**< as it was when the call began */
    const struct proto_method *method; /**< NULL: built in, or not known */
    enum grpc_built_in built_in;
    struct str rpc;              /**< "shop.Orders/Place" */
    enum grpc_encoding encoding; /**< of the client's messages */
    enum grpc_encoding answer_encoding;
    struct grpc_frames frames;
    size_t taken; /**< of the request's body */
    /* of one that is forwarded as it comes: */
    struct grpc_skim skim; /**< its messages */
    uint64_t skimmed;      /**< of the request's body */
    bool tried_first;      /**< reading its first message was tried */
    struct str raw; /**< the request's body as it came, once it is whole; data NULL = not kept */
    bool offered;   /**< whether its head has it forwarded was asked, */
    bool offered_first; /**< whether its first message has */
    struct grpc_received *first;
    struct grpc_received *last;
    uint64_t count;
    uint64_t early_size; /**< bytes that came behind the beginning of an early answer */
    int status;          /**< what is wrong with it: it ends with this; 0 = nothing */
    struct str why;      /**< the message that goes with it */
    bool early;          /**< its answer begins before it is whole */
    bool ended;          /**< the client's half has ended */
    int64_t deadline_ns; /**< monotonic; 0 = none */
    struct timer late;   /**< the deadline: while the request is read, and of a built-in call */
    /** Called when more of an early call came, or its end. */
    void (*more)(struct grpc_call *call);
};

/** What gRPC does with the exchanges of a port. */
extern const struct exchange_calls grpc_calls;

/** Whether the client has both halves at work at one time. */
bool grpc_call_is_bidirectional(const struct grpc_call *call);
/** Has the bytes of an early call come, now that its answer has begun. */
void grpc_call_go_on(struct grpc_call *call);
/** It is forwarded: the request has the bytes that came for a body again. False: it had begun to be
 * answered by messages, and ends with a status; the exchange may be freed. */
GOTO_MUST_USE bool grpc_call_go_raw(struct grpc_call *call);
/** It is answered here, though it was forwarded while it came: its messages are read. */
void grpc_call_go_own(struct grpc_call *call);
/** The first message; NULL: there is none that can be read. */
const struct json *grpc_call_json(const struct grpc_call *call);
/** Begins the answer with the head of gRPC; `extra` may be NULL. */
void grpc_call_head(struct grpc_call *call, const struct headers *extra, bool no_date);
/** Sends one message: the frame of it, as grpc_frame_close() leaves it. */
void grpc_call_send(struct grpc_call *call, struct str frame);
/** Ends it with a status and trailers (may be NULL); without a head before, by one block alone. */
void grpc_call_finish(struct grpc_call *call, int status, struct str message,
                      const struct headers *trailers);

/** Answers a call by a block; takes care of itself from here. `job` as for respond_start(). */
void grpc_answer_start(struct exchange *exchange, const struct respond_job *job);

/** Answers a built-in call. */
void grpc_built_in_answer(struct grpc_call *call);
/** Which built-in call a path is ("/grpc.health.v1.Health/Check"). */
enum grpc_built_in grpc_built_in_of(const struct grpc_config *config, struct str rpc);

#endif
