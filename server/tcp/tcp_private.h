/**
 * What the files of tcp share: behave.c echoes, discards, stalls and ends; flow.c sends all the
 * time; serve.c runs scripts (script.h); tcp.c has what all of them do: the limits in time, and the
 * rows of an upstream.
 */
#ifndef GOTO_SERVER_TCP_TCP_PRIVATE_H
#define GOTO_SERVER_TCP_TCP_PRIVATE_H

#include "server/http/upstream.h"
#include "server/stream/capture.h"
#include "server/tcp/tcp.h"

/** The limits `idle` and `life` of a connection; embedded in the state of each protocol here. */
struct tcp_clock {
    struct stream *stream;
    struct timer timer;
    bool draining;                       /**< the limit `life` has come */
    bool held;                           /**< it is busy without bytes that move: not idle */
    void (*idle)(struct stream *stream); /**< the limit `idle` has come; NULL = FIN */
};

/** Begins to look at the limits, and to keep bytes for the record. */
void tcp_clock_start(struct tcp_clock *clock, struct stream *stream);
/** It is busy without bytes that move, until it no longer is: idle counts from then on. */
void tcp_clock_hold(struct tcp_clock *clock, bool held);
/** Ends it; again is allowed. */
void tcp_clock_stop(struct tcp_clock *clock);

/** The work of the connection's port at this moment. */
const struct tcp_work *tcp_stream_work(const struct stream *stream);

extern const struct protocol tcp_behave_protocol;
extern const struct protocol tcp_flow_protocol;
extern const struct protocol tcp_script_protocol;

#endif
