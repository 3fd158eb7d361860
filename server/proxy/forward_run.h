/**
 * What the files that forward exchanges share: forward_leg.c makes one call for an exchange and
 * keeps what comes of it, forward_http.c chooses far sides and answers the exchange,
 * forward_request.c passes on a request while it comes, forward_tunnel.c hands connections over as
 * bytes.
 *
 * A leg's callbacks only take note and ask its forwarding: what may be passed on at once is, all
 * else waits in the leg. A forwarding ends once, by forwarding_leave(): all of its legs that are
 * still under way are given up then, and all are journalled (ENTRY_FORWARD).
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_RUN_H
#define GOTO_SERVER_PROXY_FORWARD_RUN_H

#include "base/buf.h"
#include "server/http/exchange.h"
#include "server/proxy/call.h"
#include "server/proxy/forward_answer.h"
#include "server/proxy/forward_edit.h"
#include "server/stream/capture.h"

enum {
    FORWARD_PIECE = 64 * 1024, /**< body bytes given on at once */
    FORWARD_MOST_KEPT =
        16 * 1024 * 1024,   /**< of an answer, for a client that sends all before it reads */
    FORWARD_MOST_HOPS = 16, /**< proxies of the run that a request passes: more are a loop */
};
/** `timeout` where none is written. */
#define FORWARD_TIMEOUT_NS (30 * INT64_C(1000000000))

struct forwarding;

/** What is asked of a far side. */
enum leg_kind {
    LEG_CALL,    /**< the request */
    LEG_UPGRADE, /**< the request, which asks for another protocol: 101 makes a tunnel */
    LEG_CONNECT, /**< CONNECT: 2xx makes a tunnel */
    LEG_BYTES,   /**< nothing: the connection itself is the tunnel */
};

/** How far a leg came. */
enum leg_state {
    LEG_ASKING, /**< no head of an answer yet */
    LEG_COMING, /**< its head came */
    LEG_WHOLE,
    LEG_FAILED,  /**< it will not be whole */
    LEG_GIVEN_UP /**< by our side */
};

/** One call to a far side. In the forwarding's arena; one of a copy in its own. */
struct leg {
    struct forwarding *forwarding; /**< NULL: a copy, whose answer nobody waits for */
    struct leg *next;              /**< of the forwarding, in the order in which they began */
    struct arena *arena;
    struct server *server;
    const struct forward_call *config; /**< of `calls`; NULL: of the forward itself */
    struct str name;                   /**< of the call in `calls`; empty: of the forward itself */
    struct endpoint endpoint;
    struct forward_sent sent;
    struct str method;
    struct str body;              /**< of LEG_CALL that has one of its own: see own_body */
    const struct headers *extras; /**< trailers of the request */
    enum leg_kind kind;
    struct call *call;          /**< NULL once it ended, or if none began */
    struct endpoint_dial *dial; /**< of LEG_BYTES: it is under way */
    struct stream *stream;      /**< of LEG_BYTES: it stands */
    struct timer timer;         /**< of LEG_BYTES: bounds the dialing */
    bool tunnel;                /**< it hands over bytes */
    enum leg_state state;
    enum call_failure failure; /**< of LEG_FAILED */
    struct str why;            /**< for people: why it failed */
    uint64_t offered;          /**< of the request's body */
    int64_t length;            /**< of the request's body; -1 = not known before its end */
    bool own_body;             /**< `body` is sent, not that of the request */
    bool body_whole;           /**< all of the body that is sent is there, and its end may go */
    bool asked;                /**< the whole request was given to the call */
    bool paused;
    bool reused;
    bool is_copy;    /**< nobody waits for its answer */
    bool owns;       /**< its arena is its own */
    unsigned status; /**< seen */
    struct str reason;
    struct headers headers;
    struct headers trailers;
    struct str grpc_status; /**< of an answer of gRPC, by its name; data NULL = none came */
    int64_t content_length;
    struct buf collected; /**< of the answer's body: what was not passed on */
    int64_t began_ns;     /**< monotonic */
    int64_t first_ns;     /**< the same: of the answer's first byte; 0 = none came */
    int64_t ended_ns;
    uint64_t received; /**< bytes of the answer's body */
    char remote[64];   /**< "127.0.0.1:8080"; empty: no connection stood */
    /* for the journal */
    uint32_t name_id;
    uint32_t route_id;
    uint64_t connection;
    uint64_t request;
};

/** What becomes of one exchange. It lives until it was left and no call of it is under way. */
struct forwarding {
    struct exchange *exchange; /**< not once it was left */
    struct arena *arena;       /**< it lives in it */
    unsigned busy;             /**< forwarding_enter() */
    struct forward_job job;
    struct template_context context;
    struct leg *legs;
    struct leg *last;
    struct leg *chosen;   /**< whose answer is passed on; NULL: not known yet */
    struct timer delay;   /**< holds the answer back */
    struct timer give_up; /**< limits.respond */
    size_t tried;         /**< far sides of `to` that were asked, for pick: first */
    bool collects;        /**< the answer is made once all legs are whole */
    bool waits;           /**< the request has not arrived, or something holds it */
    bool ready;           /**< there is an answer: it waits for the delay, or is on its way */
    bool tunnels;         /**< the answer makes a tunnel */
    bool client_ended;    /**< of a tunnel: no more comes from the client */
    bool far_ended;       /**< of a tunnel: no more comes from the far side */
    bool begun;           /**< its head was given */
    bool left;            /**< it is over */
    bool ends_by_close;   /**< the answer's body has no other end than the connection's */
    unsigned own_status;  /**< 0 = the answer is not of our own; else with a reason: */
    struct str own_why;
    struct str own_json;
    struct forward_given given; /**< of one that was collected */
    struct str rest;            /**< of its body: what was not yet given */
    bool blocked;               /**< the client's connection is full */
    struct capture capture;     /**< of a tunnel */
};

/* forward_leg.c */

/** What a leg is to do. */
struct leg_plan {
    struct str to;
    enum leg_kind kind;
    const struct map_entry *call; /**< of `calls`; NULL: of the forward itself */
    bool owns;                    /**< it may go on without the exchange: leg_release() */
};

/**
 * Makes a leg, which begins at once. Where `to` leads nowhere it is LEG_FAILED when this returns.
 */
struct leg *leg_new(struct forwarding *forwarding, const struct leg_plan *plan);
/** Notes where it is told of in the journal. */
void leg_place(struct leg *leg, const struct forwarding *forwarding);
/** Makes a copy of a leg that `owns`: it goes on by itself, and nobody waits for its answer. It is
 * in no list, and gone if it is over. */
void leg_release(struct leg *leg);
/** More of the request came; `whole`: all of it did, and its end may go. */
void leg_more(struct leg *leg, bool whole);
/** Gives what is there of the request to the call. */
void leg_offer(struct leg *leg);
/** Ends the call, if it is under way. */
void leg_give_up(struct leg *leg);
/** Stops the far side, and lets it go on. */
void leg_pause(struct leg *leg, bool paused);
/** In a tunnel: bytes to the far side, those that wait to be sent, and the end of ours. */
void leg_write(struct leg *leg, struct str bytes);
size_t leg_queued(const struct leg *leg);
void leg_end_ours(struct leg *leg);
/** Connects; for leg_new(). */
void leg_dial(struct leg *leg, int64_t timeout_ns);
/** Fails it, whoever has it. */
void leg_fail(struct leg *leg, enum call_failure failure, struct str why);
/** Writes what became of it; `given` is the status that the client got, 0 = none. */
void leg_journal(const struct leg *leg, unsigned given);
/** Frees what it holds outside of its arena. */
void leg_clear(struct leg *leg);

/* forward_http.c: what legs tell. The forwarding may be gone once these return. */

void forwarding_informed(struct forwarding *forwarding, struct leg *leg, unsigned status,
                         const struct headers *headers);
/** The head came: leg->status and so on. */
void forwarding_head(struct forwarding *forwarding, struct leg *leg);
/** A piece of the body. Returns whether it was passed on; else the leg keeps it. */
bool forwarding_body(struct forwarding *forwarding, struct leg *leg, struct str bytes);
/** The head made a tunnel. */
void forwarding_tunnel(struct forwarding *forwarding, struct leg *leg);
/** Bytes of the far side. */
void forwarding_tunnel_bytes(struct forwarding *forwarding, struct leg *leg, struct str bytes);
/** No more comes from the far side. */
void forwarding_tunnel_ended(struct forwarding *forwarding);
/** It takes bytes again. */
void forwarding_tunnel_writable(struct forwarding *forwarding);
/** It is LEG_WHOLE, or LEG_FAILED. */
void forwarding_leg_ended(struct forwarding *forwarding, struct leg *leg);

/** Brackets work on it, and on the client's connection: it stays until forwarding_exit(), though
 * the exchange may be gone before. */
struct stream *forwarding_enter(struct forwarding *forwarding);
void forwarding_exit(struct forwarding *forwarding, struct stream *stream);
/** Ends it: the exchange is not ours any more. Within forwarding_enter(). */
void forwarding_leave(struct forwarding *forwarding);
/** The answer is whole. */
void forwarding_finish(struct forwarding *forwarding);
/** There is an answer: it goes now, or behind the delay. */
void forwarding_ready(struct forwarding *forwarding);
/** The same, and no delay is left. */
void forwarding_begin(struct forwarding *forwarding);
/** An answer of our own, in the place of all others. */
void forwarding_own(struct forwarding *forwarding, unsigned status, struct str to, struct str why);
/** Asks those of `to` whose turn it is. */
void forwarding_ask(struct forwarding *forwarding, enum leg_kind kind);
/** Adds a leg to those of the forwarding. */
void forwarding_add(struct forwarding *forwarding, struct leg *leg);

/* forward_request.c */

/** More of the request came: of its exchange. */
void forwarding_request(struct exchange *exchange);
/** A leg took more of the request. */
void forwarding_taken(struct forwarding *forwarding);
/** Stops the client where the far side does not keep up. */
void forwarding_balance(struct forwarding *forwarding);
/** An answer is there before the request has arrived: it arrives now, if it may; else the answer
 * waits. The forwarding may be left. */
void forwarding_ready_early(struct forwarding *forwarding);
/** An answer that waits for the request is kept: a far side that sends what it reads must not wait
 * for us, who wait for it. It is stopped before there is no room for `more` and another piece. */
void forwarding_keep(const struct forwarding *forwarding, struct leg *leg, size_t more);

/** What may wait in the client's connection before the far side is stopped: while the client sends,
 * more than else, as many send all before they read anything. */
size_t forwarding_most_queued(const struct forwarding *forwarding);

/* forward_grpc.c */

/** Makes the answer of our own one of gRPC; false: the request is none. Its headers are in the
 * forwarding's arena. */
bool forwarding_own_grpc(const struct forwarding *forwarding, struct response_head *head);
/** The far side broke off within an answer of gRPC: its trailers say so. False: the answer is none
 * of gRPC, or its status was given. */
bool forwarding_break_grpc(struct forwarding *forwarding, unsigned status, struct str why);
/** What is spoken with a far side that calls of gRPC go to: HTTP/2, where nothing says otherwise.
 */
void leg_speak_grpc(struct leg *leg, const struct forwarding *forwarding);

/* forward_tunnel.c */

/** Gives the head of a tunnel, and what came behind it. */
void forwarding_give_tunnel(struct forwarding *forwarding);
/** Why a request is not forwarded at all, with the status that says so; NULL: it is. */
const char *forwarding_refusal(const struct forwarding *forwarding, unsigned *status);
/** Begins what a client asks of a proxy that it knows of: CONNECT, or a request with a whole URL.
 * False if it is none of them. */
bool forwarding_ask_tunnel(struct forwarding *forwarding);

/** The limit of a body that is collected. */
size_t forwarding_most_body(const struct forwarding *forwarding);

#endif
