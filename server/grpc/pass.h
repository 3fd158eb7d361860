/**
 * A call of gRPC on its way to the client: what is seen of its answer, and what faults do to it.
 *
 * It is the filter (exchange.h) between the codec and who answers: a grpc upstream, or a far side
 * whose answer is forwarded. So a fault is the same thing on both. Messages are not decoded and not
 * kept: their frames are followed as the bytes come, in pieces of any size.
 *
 *     struct grpc_pass *pass = grpc_pass_of(exchange);
 *     pass->flaws.no_trailers = true;
 *
 * An answer that is none of gRPC (503 with a page) goes through unchanged, which is noted in the
 * journal if there were faults for it. The grpc-status that goes out is the verdict of the
 * exchange.
 */
#ifndef GOTO_SERVER_GRPC_PASS_H
#define GOTO_SERVER_GRPC_PASS_H

#include "server/grpc/framing.h"
#include "server/http/exchange.h"
#include "server/http/h2.h"

/** Where a call is cut. */
struct grpc_cut {
    uint64_t messages; /**< behind so many; an answer that has less: where its end would be */
    int how;           /**< enum h2_cut_how */
    uint32_t code;     /**< of RST_STREAM and GOAWAY */
};

/** What faults do to an answer. */
struct grpc_flaws {
    bool no_trailers;
    bool bad_status;
    bool wrong_content_type;
    /* its first message; one that has none gets an empty one: */
    bool truncated;
    uint64_t oversized; /**< its length as claimed; 0 = the right one */
    bool compressed_flag;
    bool invalid;
    bool extra;                 /**< one message too many */
    uint64_t split;             /**< bytes of a DATA frame; 0 = as many as may be */
    const struct grpc_cut *cut; /**< NULL: it is not */
};

struct grpc_pass {
    struct grpc_flaws flaws;
    unsigned char head[GRPC_FRAME_HEAD]; /**< of the frame that begins */
    size_t head_size;
    uint64_t left;       /**< bytes of the present message that did not come */
    uint64_t keep;       /**< of them, so many are passed on */
    uint64_t count;      /**< messages that began */
    struct headers held; /**< headers of an answer of one block, that are to be trailers */
    bool plain;          /**< the answer is none of gRPC */
    bool open;           /**< its head went out, and trailers are to follow */
    bool broken;         /**< its frames are: nothing is passed on behind this message */
    bool cut;            /**< the place of the cut is known */
};

/** Whether a request is a call of gRPC. */
bool grpc_request_is(const struct request *request);

/** The pass of an exchange; made, and put there as its filter, at the first time. */
struct grpc_pass *grpc_pass_of(struct exchange *exchange);
/** Whether the answer of an exchange is one of gRPC that has begun, and has no status yet. */
bool grpc_pass_is_open(const struct exchange *exchange);

/** Adds grpc-status and, if there is one, grpc-message. */
void grpc_status_add(struct headers *headers, struct arena *arena, int status, struct str message);
/** The status that headers or trailers hold, for people: its name, or what stands there. Data NULL:
 * none. In the arena. */
struct str grpc_status_in(const struct headers *headers, struct arena *arena);
/** When a client gives a call up by its grpc-timeout: monotonic; 0 = never. */
int64_t grpc_deadline_of(const struct exchange *exchange);

#endif
