/**
 * An HTTP upstream: the routes, default and limits of one port, and what actions have put over
 * them.
 *
 * What the language leaves open:
 * - A forced status counts as a request of its route (for `times` and `request.number`) and keeps
 * the delays of upstream and route; the block's own delay is of the block, which is not served.
 * - The delays of a block, a route and an upstream are drawn independently, by the number of the
 * request on the route (of the upstream: on the port).
 * - An action's answer for a whole port starts a sequence for each route; it was served whole when
 * it was on one of them.
 */
#ifndef GOTO_SERVER_HTTP_UPSTREAM_H
#define GOTO_SERVER_HTTP_UPSTREAM_H

#include "server/http/match.h"
#include "server/http/respond.h"
#include "server/port/port.h"

/** The bound that stays where a size is `none`. */
#define LIMIT_SIZE_NONE ((uint64_t)BUF_OWN)

/** `limits:` of an upstream; a count or time of 0 is `none`, a size of `none` is LIMIT_SIZE_NONE.
 */
struct limits {
    uint64_t max_connections; /**< none */
    uint64_t header_size;     /**< 64 KiB: 431 beyond (a request line alone: 414) */
    uint64_t body_size;       /**< 16 MiB: 413 beyond */
    int64_t idle_ns;          /**< 60 s: an idle connection gets FIN */
    int64_t read_ns;          /**< 30 s: a request not whole by then gets 408 */
    int64_t respond_ns;       /**< none */
    int64_t life_ns;          /**< none: a connection ends (drained) after that */
};

/** One route as read. */
struct route_config {
    struct str name; /**< data NULL if not written */
    struct place place;
    struct match *match;
    struct list respond; /**< of struct respond *; empty = 200 with an empty body */
    struct place respond_place;
    bool cycle;
    bool optional;
    struct duration delay;
    uint64_t times; /**< 0 = no end */
};

/** DEFAULT_NONE = not written: echo without routes, else not-found. */
enum default_kind { DEFAULT_NONE, DEFAULT_ECHO, DEFAULT_NOT_FOUND, DEFAULT_RESPOND };

/** `default:` of an upstream. */
struct upstream_default {
    enum default_kind kind;
    struct list respond; /**< of struct respond *, for DEFAULT_RESPOND */
    struct place place;
};

/** An upstream as read from the spec. */
struct upstream_config {
    int protocol;  /**< enum upstream_protocol */
    uint16_t port; /**< 0 = auto */
    struct str host;
    int closed; /**< state: 1 = closed */
    struct duration delay;
    struct limits limits;
    struct list routes; /**< of struct route_config */
    struct upstream_default fallback;
    bool optional;
    struct place place;
};

enum upstream_protocol { PROTOCOL_HTTP };

/** [struct upstream_config] */
extern const struct type upstream_type;
/** [struct limits] */
extern const struct type limits_type;

struct upstream;

/** Makes the upstream of a port (sets port->owner, protocol, scheme, max_connections). `config`
 * must outlive it. */
GOTO_MUST_USE struct upstream *upstream_new(struct port *port,
                                            const struct upstream_config *config);
/** Frees it; no exchange may be given to it any more. Answers under way go on without it. */
void upstream_free(struct upstream *upstream);

struct server *upstream_server(const struct upstream *upstream);
const struct limits *upstream_limits(const struct upstream *upstream);
struct port *upstream_port(const struct upstream *upstream);

/** Answers an exchange that was read whole: called by exchange.c. The exchange may be freed when it
 * returns. */
void upstream_answer(struct upstream *upstream, struct exchange *exchange);

/** Whether a route with that written name exists ("foobar" of "api.foobar"). */
bool upstream_has_route(const struct upstream *upstream, struct str name);

/**
 * Overrides, newest on top, each taken back by its id with upstream_undo(). `route` is a written
 * name
 * ("foobar"), data NULL = every route and the default. `times` 0 = until undone; a status or delay
 * with times ends by itself. The config's memory (respond, delay) must live as long as the
 * upstream.
 */
uint64_t upstream_push_respond(struct upstream *upstream, struct str route,
                               const struct list *respond);
uint64_t upstream_push_status(struct upstream *upstream, struct str route, unsigned status,
                              uint64_t times);
uint64_t upstream_push_delay(struct upstream *upstream, struct str route,
                             const struct duration *delay, uint64_t times);
/** Takes one override back; unknown ids change nothing. */
void upstream_undo(struct upstream *upstream, uint64_t id);
/** `status: off`, `delay: off`: takes back all forced statuses (or delays) of that route or port.
 */
void upstream_lift_status(struct upstream *upstream, struct str route);
void upstream_lift_delay(struct upstream *upstream, struct str route);

/**
 * Calls for each sequence (of a route, the default, or put there by an action, also one taken back
 * since) whose last answer was never served; not for optional routes and upstreams. `name` is
 * "api.foobar", "api GET /foo" (a route without a name) or "api default"; of an action on a port
 * "api". `place` is of the sequence, nowhere for an action's.
 */
void upstream_unfinished(const struct upstream *upstream,
                         void (*found)(void *context, struct str name, struct place place,
                                       size_t served, size_t count),
                         void *context);
/** Whether an unmatched request is a failure: it has routes and no written default. */
bool upstream_minds_unmatched(const struct upstream *upstream);

#endif
