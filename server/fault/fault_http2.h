/**
 * The faults of HTTP/2 (LANGUAGE 7, row http2): what each name does to a connection or a request.
 *
 * fault.c decides whether a fault strikes and journals it; here is what it then does. Nothing here
 * draws, counts or journals.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_HTTP2_H
#define GOTO_SERVER_FAULT_FAULT_HTTP2_H

#include "schema/table.h"
#include "server/http/h2.h"

struct fault_config;

/** What a name of the row does: `how` of its struct fault_kind. Those that it lacks are NULL. */
struct fault_http2 {
    /** A new connection of HTTP/2, before its first frame: changes what it begins with. */
    void (*begin)(struct stream *stream, const struct fault_config *config, struct h2_begin *begin);
    /** A connection of HTTP/2 that lives when the fault is set. */
    void (*live)(struct stream *stream, const struct fault_config *config);
    /** The fault is lifted, or its connection left alone: what goes on by itself (a flood) ends.
     * Called only for connections that begin() or live() was called for, and that still live. */
    void (*lift)(struct stream *stream, const struct fault_config *config);
    /** When another one is lifted from its connection, live() is called again: both may have said
     * the same thing. */
    bool again;
    /** One of its kind is as much as several: lift() is called with the last one. */
    bool joint;
    /**
     * A request that is about to be answered.
     *
     * @return true when it has been taken over: it is not answered, and may have been freed
     */
    bool (*answer)(struct exchange *exchange, const struct fault_config *config);
};

/** Rows of the family of faults, ended by a NULL key; `extra` is a struct fault_kind. */
extern const struct member fault_http2_members[];

#endif
