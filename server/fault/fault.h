/**
 * Faults (LANGUAGE 7): what is read of them, those that stand on a port, a route or an answer, and
 * which of them strikes a connection or a request.
 *
 * A fault is a row of a layer's table (fault_stream.c, fault_connect.c, fault_tls.c: the names of
 * the TLS catalogue, fault_http1.c, fault_http2.c, fault_grpc.c) and what it does (fault_how.h); a
 * new one is one row and one function in one file. What decides whether it strikes is the same for
 * all: `apply` says on which connections it may, `after` from when on, `chance` is drawn once for
 * each connection or request, by the fault's name and that number, and `times` counts what was
 * struck. A fault that strikes is an ENTRY_FAULT of the journal, once for each connection or
 * request.
 *
 * What the language leaves open:
 * - Of TLS faults that strike one connection each is put over those before it; one of which nothing
 *   would be seen then (`expired` below `not-yet-valid`, any below `handshake-reset`) does not
 *   strike. They strike as the connection is accepted, and nobody resumes a session with them.
 * - `heal` knows a fault without a written name by its kind.
 * - Two faults of one port that have the same name (or kind) draw alike: a name tells them apart.
 * - `after` of a fault that strikes requests: `requests: 2` lets two through, the third is struck;
 *   `bytes` are those of the request's connection, in both directions.
 * - A fault of a connection that lives begins there once `after` is reached.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_H
#define GOTO_SERVER_FAULT_FAULT_H

#include "schema/table.h"
#include "server/server.h"
#include "server/stream/stream.h"

struct exchange;
struct fault_how;
struct port;
struct tls_config;
struct tls_defaults;
struct tls_setup;

enum fault_layer { FAULT_STREAM, FAULT_CONNECT, FAULT_TLS, FAULT_HTTP1, FAULT_HTTP2, FAULT_GRPC };
/** "stream", "connect", "tls" … */
const char *fault_layer_name(enum fault_layer layer);
/** The same for people: "TLS", "HTTP/2" … */
const char *fault_layer_title(enum fault_layer layer);

enum fault_direction { FAULT_BOTH, FAULT_REQUEST, FAULT_RESPONSE };
/** New connections, those that live, or both. */
enum fault_apply { FAULT_APPLY_BOTH, FAULT_APPLY_EXISTING, FAULT_APPLY_NEW };

/** What one name is: `extra` of its member in the family of faults. */
struct fault_kind {
    enum fault_layer layer;
    bool on_route;     /**< may stand on a route or an answer, too */
    bool each_request; /**< strikes requests, not connections: draws and counts are by request */
    bool may_idle;     /**< it need not strike (`refuse`, `blackhole`) */
    const struct fault_how *how; /**< what it does; NULL: of TLS */
};

/** `after`: what has to come before the fault strikes; all of it. */
struct fault_after {
    uint64_t bytes;
    uint64_t requests;
    struct place requests_place; /**< of the key, where it is written */
    int64_t time_ns;
};

/** A fault as read: one mapping with one name. */
struct fault_config {
    struct chosen kind; /**< member->extra is a struct fault_kind, value as its type says; member
                           NULL where the name is known only during the run */
    int direction;      /**< enum fault_direction */
    double chance;      /**< 0..1 */
    uint64_t times;     /**< 0 = no end */
    struct fault_after after;
    int apply;                /**< enum fault_apply */
    struct place apply_place; /**< of the key, where it is written */
    bool optional;
    struct str name; /**< data NULL if not written */
};

/** [struct fault_config] one fault; a bare name is one without a value. */
extern const struct type fault_type;
/** [struct list of struct fault_config *] `faults:` of a port. Those that are known only during the
 * run may be NULL. */
extern const struct type faults_type;
/** [struct list of struct fault_config *] `fault:` of a route or an answer: one or a list, of those
 * that may stand there. */
extern const struct type route_faults_type;
/** The rows of a fault mapping without port and route, to be included by the `fault` action. */
extern const struct table fault_table;
/** Checks that a fault may stand on a route or an answer; adds an error if not. */
enum read_result fault_check_route(struct reader *reader, const struct fault_config *config);
/** The same for a fault that stands when its port begins: no connection lives before it. */
void fault_check_first(struct diagnostics *diagnostics, const struct fault_config *config);
/** The name that the family has for it: "expired". */
struct str fault_config_kind(const struct fault_config *config);
/** By what it is known to reports and `heal`: its written name, else its kind. */
struct str fault_config_name(const struct fault_config *config);
enum fault_layer fault_config_layer(const struct fault_config *config);

/** The faults of one port, its routes and answers. Owned by the port's upstream. */
struct faults;
/** Sets what the port asks faults for: port->faults, h2_begin, told. */
GOTO_MUST_USE struct faults *faults_new(struct port *port);
/** Frees it; the port may be gone. NULL is allowed. */
void faults_free(struct faults *faults);

/**
 * Puts a fault there, on top of what stands. `route` is a route's name as in the journal
 * ("api.foobar"), data NULL = the whole port. The config must outlive `faults`. Faults on the
 * port's live connections begin at once if `apply` says so.
 *
 * @return its id, for faults_undo(); 0 with *why when it cannot stand here (in the arena)
 */
uint64_t faults_push(struct faults *faults, struct str route, const struct fault_config *config,
                     struct arena *arena, struct str *why);
/** Takes one back; unknown ids change nothing. */
void faults_undo(struct faults *faults, uint64_t id);
/**
 * `heal`: lifts those of that route (data NULL: of the port and its routes and answers) with that
 * name (data NULL: all). Returns how many.
 */
size_t faults_heal(struct faults *faults, struct str route, struct str name);

/** Announces a list of a route or an answer that from now on may be given to faults_answer(): what
 * is in it and never strikes is told by faults_idle(). What was healed stands again. */
void faults_bind(struct faults *faults, struct str route, const struct list *list);
/** The list will not be given any more. */
void faults_unbind(struct faults *faults, const struct list *list);

/**
 * The TLS that faults give a new connection, or NULL: none strikes. Borrowed. Called once for
 * each connection with TLS.
 */
struct tls_setup *faults_tls(struct faults *faults, struct stream *stream);
/**
 * The port's TLS changes: setups of TLS faults are made anew on top of it.
 *
 * @param config   NULL = valid; lives as long as the port has it
 * @param defaults those of the port's own setup; NULL: it has no TLS any more
 * @return false with *why (in the arena) when a fault cannot be put over it: nothing changed
 */
GOTO_MUST_USE bool faults_tls_changed(struct faults *faults, const struct tls_config *config,
                                      const struct tls_defaults *defaults, struct arena *arena,
                                      struct str *why);

/**
 * Lets the faults of the port, the route and the answer act on a request that is about to be
 * answered.
 *
 * @param of_route  `fault:` of the route, NULL or empty: none
 * @param of_answer `fault:` of the answer, NULL or empty: none
 * @return true when they have taken it over (it is reset, cut, or stays silent): it is not
 * answered, and may have been freed
 */
bool faults_answer(struct faults *faults, struct str route, const struct list *of_route,
                   const struct list *of_answer, struct exchange *exchange);

/** A fault that struck nothing. */
struct fault_idle {
    struct str name; /**< fault_config_name() */
    struct str on;   /**< "api" or "api.foobar" */
    struct place place;
    struct str why; /**< why it may have struck nothing, a clause */
};
/**
 * Calls for each fault that was there, has a chance of 100%, is not optional, and struck nothing
 * while it stood (`refuse` and `blackhole` excepted); once for one that stood several times. Texts
 * are in the arena.
 */
void faults_idle(const struct faults *faults, struct arena *arena,
                 void (*found)(void *context, const struct fault_idle *idle), void *context);

#endif
