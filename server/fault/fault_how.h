/**
 * What the names of a layer do: each row of the family of faults has a struct fault_how, but those
 * of TLS, which go over the port's TLS (fault_tls.c).
 *
 * fault.c decides whether a fault strikes and journals it; here is what it then does. Nothing here
 * draws, counts or journals. A file for each layer has its rows.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_HOW_H
#define GOTO_SERVER_FAULT_FAULT_HOW_H

#include "schema/table.h"
#include "server/http/h2.h"

struct fault_config;

struct fault;
struct obstacle_type;

/** What a name does: `how` of its struct fault_kind. Those that it lacks are NULL. */
struct fault_how {
    /** Whether a connection speaks what it acts on: h1_is, h2_is. NULL: it acts on all. */
    bool (*speaks)(const struct stream *stream);
    /** What stands in the way of a connection's bytes (fault_flow.h), which strikes by itself. It
     * is there from the start of a new connection and, if of the layer stream, on those that live.
     */
    const struct obstacle_type *obstacle;
    /** Whether it is for a new connection. NULL: for each. */
    bool (*meets)(const struct stream *stream, const struct fault_config *config);
    /** The whole port has it from now on, or not any more. */
    void (*stand)(struct port *port, bool stands);
    /** A new connection of HTTP/2, before its first frame: changes what it begins with. */
    void (*begin_h2)(struct stream *stream, const struct fault_config *config,
                     struct h2_begin *begin);
    /** A connection that lives when the fault is set. */
    void (*live)(struct stream *stream, const struct fault_config *config);
    /** The fault is lifted, or its connection left alone: what goes on by itself (a flood) ends.
     * Called only for connections that begin_h2() or live() was called for, and that still live. */
    void (*lift)(struct stream *stream, const struct fault_config *config);
    /** When another one is lifted from its connection, live() is called again: both may have said
     * the same thing. */
    bool again;
    /** One of its kind is as much as several: lift() is called with the last one. */
    bool joint;
    /** Whether a request leaves it something to strike, for all that faults before it in the list
     * did to its answer. NULL: any does. Of names that strike requests. */
    bool (*fits)(const struct exchange *exchange, const struct fault_config *config);
    /** Of names whose fits() looks at the request, not at what other faults left: what is told
     * where none fitted. */
    const char *unfit;
    /**
     * A request that is about to be answered.
     *
     * @return true when it has been taken over: it is not answered, and may have been freed
     */
    bool (*answer)(struct exchange *exchange, const struct fault_config *config);
    /** Whether answer() lets the answer begin and ends it: that comes to pass only if no other
     * fault takes the request over, or ends the answer before. NULL: it never does. */
    bool (*within)(const struct fault_config *config);
};

/** Rows of the family of faults, ended by a NULL key; `extra` is a struct fault_kind. */
extern const struct member fault_stream_members[];
extern const struct member fault_connect_members[];
extern const struct member fault_http1_members[];
extern const struct member fault_http2_members[];
/** Filled before main(). */
extern struct member fault_tls_members[];
extern const struct member fault_grpc_members[];

#endif
