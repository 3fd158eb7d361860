/**
 * An upstream: what one port does, with its limits, and what actions have put over that. Of HTTP:
 * routes and a default; of bytes (tcp, tls): a struct tcp_work.
 *
 * What the language leaves open:
 * - A forced status counts as a request of its route (for `times` and `request.number`) and keeps
 * the delays of upstream and route; the block's own delay is of the block, which is not served.
 * - The delays of a block, a route and an upstream are drawn independently, by the number of the
 * request on the route (of the upstream: on the port).
 * - An action's answer for a whole port starts a sequence for each route; it was served whole when
 * it was on one of them.
 * - A `switch` that brings routes (or a default) begins with those anew; what actions had put over
 * the old ones stays with these, but a status or delay that is forced for the whole port goes on.
 * - Undoing a `switch` or `tls` ends live connections as its `connections` says, too, if the
 * protocol or the TLS is another one after it.
 */
#ifndef GOTO_SERVER_HTTP_UPSTREAM_H
#define GOTO_SERVER_HTTP_UPSTREAM_H

#include "server/grpc/service.h"
#include "server/http/match.h"
#include "server/http/respond.h"
#include "server/port/port.h"
#include "server/proxy/forward.h"
#include "server/tcp/tcp.h"

/** The bound that stays where a size is `none`. */
#define LIMIT_SIZE_NONE ((uint64_t)BUF_OWN)

/** `limits:` of an upstream; a count or time of 0 is `none`, a size of `none` is LIMIT_SIZE_NONE.
 */
struct limits {
    uint64_t max_connections; /**< none */
    uint64_t header_size;     /**< 64 KiB: 431 beyond (a request line alone: 414) */
    uint64_t body_size;       /**< 16 MiB: 413 beyond */
    bool body_size_written;   /**< else it bounds what is kept of a request that is sent on */
    int64_t idle_ns;          /**< 60 s: an idle connection gets FIN */
    int64_t read_ns;          /**< 30 s: a request not whole by then gets 408 */
    bool read_written;  /**< else one that is sent on as it comes may only be silent so long */
    int64_t respond_ns; /**< none */
    int64_t life_ns;    /**< none: a connection ends (drained) after that */
};

/** One route as read. */
struct route_config {
    struct str name; /**< data NULL if not written */
    struct place place;
    struct match *match;
    struct list respond; /**< of struct respond *; empty = 200 with an empty body */
    struct place respond_place;
    struct forward *forward; /**< in place of `respond`; NULL = not written */
    bool cycle;
    bool optional;
    struct duration delay;
    struct list faults; /**< of struct fault_config * */
    uint64_t times;     /**< 0 = no end */
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
    struct tcp_work work;    /**< of tcp and tls */
    struct forward *forward; /**< in place of `default`; NULL = not written */
    struct grpc_config grpc; /**< of grpc and grpcs */
    struct tls_config *tls;  /**< NULL = valid, where the protocol has TLS */
    struct list faults;      /**< of struct fault_config * */
    bool optional;
    bool proxy; /**< it stands under `proxies` */
    struct place place;
};

enum upstream_protocol {
    PROTOCOL_HTTP,
    PROTOCOL_HTTPS,
    PROTOCOL_H2C,
    PROTOCOL_H2,
    PROTOCOL_TCP,
    PROTOCOL_TLS,
    PROTOCOL_GRPC,
    PROTOCOL_GRPCS
};
/** "https"; NULL for a number that is none of them. */
const char *upstream_protocol_name(int protocol);
/** "http" or "https": of the base URL; NULL for bytes (tcp and tls), which have only host:port. */
const char *upstream_protocol_scheme(int protocol);
/** Whether it is spoken over TLS. */
bool upstream_protocol_has_tls(int protocol);

/** What a port may speak: bits, for what fits only some protocols. */
enum speech {
    SPEECH_TLS = 1,
    SPEECH_HTTP1 = 2,
    SPEECH_HTTP2 = 4,
    SPEECH_GRPC = 8,
    SPEECH_BYTES = 16,
    SPEECH_CALLS =
        32, /**< calls of gRPC are answered, or pass: HTTP/2 that forwards does that, too */
    SPEECH_HTTP = SPEECH_HTTP1 | SPEECH_HTTP2 | SPEECH_GRPC, /**< what has requests */
    SPEECH_ANY = 63
};
/** "HTTP/2" of one of these, or of SPEECH_HTTP; and the protocols that speak it: "h2c or h2". */
const char *speech_name(unsigned speech);
const char *speech_protocols(unsigned speech);
/** Calls for each key of an upstream, as written, that has a meaning for some protocols only: with
 * what the port must speak, one of these of enum speech, and what the key is called: "'routes'". */
void upstream_config_each_need(const struct node *node,
                               void (*each)(void *context, const struct node_pair *pair,
                                            unsigned speech, struct str what),
                               void *context);
/** Whether its default or a route forwards. */
bool upstream_config_forwards(const struct upstream_config *config);
/** What an upstream speaks by its protocol, its ALPN, and whether it forwards. */
unsigned upstream_config_speech(const struct upstream_config *config);
struct tls_config;
/** What else a port with TLS speaks by its `tls` (NULL = valid): the versions of HTTP that its ALPN
 * may choose; 0 = what its protocol says. */
unsigned upstream_tls_speech(const struct tls_config *tls);

/** [struct upstream_config] of `upstreams`; of `proxies`, where `forward` has to be written. */
extern const struct type upstream_type;
extern const struct type proxy_type;
/** The rows of an upstream that a `switch` may give, too: all but its address and state. */
extern const struct table upstream_service_table;
/** Puts the values of the keys that stand in `node` over `into`: rows of upstream_service_table. */
void upstream_config_put(struct upstream_config *into, const struct upstream_config *from,
                         const struct node *node);
/** [struct limits] */
extern const struct type limits_type;

struct fault_config;
/** Calls for each fault that is written in a config: of the port, of its routes, of answers; with
 * NULL for one whose name is not known yet. */
void upstream_config_each_fault(const struct upstream_config *config,
                                void (*each)(void *context, const struct fault_config *fault),
                                void *context);

/** What a port must speak for a fault to have a meaning: one of these of enum speech; 0 = anything.
 */
unsigned upstream_fault_speech(const struct fault_config *fault);

struct upstream;

/** Makes the upstream of a port (sets all of the port that its protocol decides, and its owner).
 * `config` must outlive it. */
GOTO_MUST_USE struct upstream *upstream_new(struct port *port,
                                            const struct upstream_config *config);
/**
 * Makes the certificates and contexts of its TLS, if it has TLS; before the port opens.
 *
 * @return true, or false with *why (in the upstream's arena)
 */
GOTO_MUST_USE bool upstream_prepare(struct upstream *upstream, struct str *why);
/** Frees it; no exchange may be given to it any more. Answers under way go on without it. */
void upstream_free(struct upstream *upstream);

/** What is done with connections of bytes that begin now; it lives as long as the upstream. */
const struct tcp_work *upstream_work(const struct upstream *upstream);

/** Where the failed receives of scripts are kept, and the arena that they live in: for
 * server/tcp. */
struct tcp_record **upstream_records(struct upstream *upstream, struct arena **arena);

struct server *upstream_server(const struct upstream *upstream);
const struct limits *upstream_limits(const struct upstream *upstream);
struct port *upstream_port(const struct upstream *upstream);

/** Answers an exchange that was read whole: called by exchange.c. The exchange may be freed when it
 * returns. */
void upstream_answer(struct upstream *upstream, struct exchange *exchange);

/** Of a request that is sent on while it comes: whether what answers it now does not need it whole,
 * so that upstream_answer() may be called before it is. */
bool upstream_answers_early(struct upstream *upstream, const struct exchange *exchange);

/** Where its default forwards to at this moment; NULL: it answers. */
const struct forward *upstream_forward(const struct upstream *upstream);

/** Whether CONNECT may make a tunnel here. */
bool upstream_tunnels(const struct upstream *upstream);
/** The head of a request was read, and its body comes: forwards it, if the head decides that, and
 * nothing is made of the body before. Called by exchange.c. */
void upstream_stream(struct upstream *upstream, struct exchange *exchange);
/** The same where the head did not decide, for a call of gRPC whose first message (as JSON) came.
 */
void upstream_stream_first(struct upstream *upstream, struct exchange *exchange, struct str first);

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
/** The same for calls of gRPC: `respond` has nothing but a status of gRPC, and must live as long as
 * the upstream. */
uint64_t upstream_push_grpc_status(struct upstream *upstream, struct str route,
                                   const struct respond *respond, uint64_t times);
uint64_t upstream_push_delay(struct upstream *upstream, struct str route,
                             const struct duration *delay, uint64_t times);

/** Keys that an action puts over those of an upstream. */
struct upstream_change {
    const struct upstream_config *config; /**< must live as long as the upstream */
    const struct node *node;    /**< those of its keys that are rows of upstream_service_table; may
                                   hold others; lives as long as the config */
    enum close_how connections; /**< of live connections; DRAIN takes at most 5 s */
};
/**
 * Puts the keys of a `switch` or `tls` over the upstream: keys that are not given stay as they are.
 * New connections get the new at once; what the kernel has accepted belongs to the old.
 *
 * @return its id for upstream_undo(), or 0 with *why (in the upstream's arena): nothing changed
 */
GOTO_MUST_USE uint64_t upstream_change(struct upstream *upstream,
                                       const struct upstream_change *change, struct str *why);
/** The spec's own config was read again in place (`set`): takes over what it says. */
void upstream_config_changed(struct upstream *upstream);
/** Whether it speaks gRPC now. */
bool upstream_is_grpc(const struct upstream *upstream);
struct grpc_health_state;
struct grpc_health_state *upstream_health(const struct upstream *upstream);
/** Its gRPC service now. */
const struct grpc_config *upstream_grpc(const struct upstream *upstream);
/** What it speaks now: enum upstream_protocol, and enum speech. */
int upstream_protocol(const struct upstream *upstream);
unsigned upstream_speech(const struct upstream *upstream);

/** The faults of its port, routes and answers. */
struct faults *upstream_faults(const struct upstream *upstream);
/** The name of one of its routes in the journal: "api.foobar"; lives as long as the upstream. */
struct str upstream_route_name(const struct upstream *upstream, struct str route);

/** Takes one override or change back; unknown ids change nothing. */
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
