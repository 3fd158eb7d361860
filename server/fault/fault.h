/**
 * Faults (LANGUAGE 7): what is read of them, those that stand on a port, a route or an answer, and
 * which of them strikes a connection or a request.
 *
 * A fault is a row of a layer's table (fault_tls.c: the names of the TLS catalogue; fault_http2.c)
 * and a function; a new one is one row and one function in one file. What decides whether it
 * strikes is the same for all: `chance` is drawn once for each connection or request, by the
 * fault's name and that number; then `times` and `after` count. A fault that strikes is an
 * ENTRY_FAULT of the journal, once for each connection or request.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_H
#define GOTO_SERVER_FAULT_FAULT_H

#include "schema/table.h"
#include "server/server.h"
#include "server/stream/stream.h"

struct exchange;
struct port;
struct tls_setup;
struct h2_begin;

enum fault_layer { FAULT_STREAM, FAULT_CONNECT, FAULT_TLS, FAULT_HTTP1, FAULT_HTTP2, FAULT_GRPC };
/** "stream", "connect", "tls" … */
const char *fault_layer_name(enum fault_layer layer);

enum fault_direction { FAULT_BOTH, FAULT_REQUEST, FAULT_RESPONSE };
/** New connections, those that live, or both. */
enum fault_apply { FAULT_APPLY_BOTH, FAULT_APPLY_EXISTING, FAULT_APPLY_NEW };

/** What one name is: `extra` of its member in the family of faults. */
struct fault_kind {
    enum fault_layer layer;
    bool on_route;     /**< may stand on a route or an answer, too */
    bool each_request; /**< strikes requests, not connections: draws and counts are by request */
    const void *how;   /**< of the layer's file */
};

/** A fault as read: one mapping with one name. */
struct fault_config {
    struct chosen kind; /**< member->extra is a struct fault_kind, value as its type says */
    int direction;      /**< enum fault_direction */
    double chance;      /**< 0..1 */
    uint64_t times;     /**< 0 = no end */
    uint64_t after_bytes;
    uint64_t after_requests;
    int64_t after_ns;
    int apply; /**< enum fault_apply */
    bool optional;
    struct str name; /**< data NULL if not written */
    struct place place;
};

/** [struct fault_config] one fault; a bare name is one without a value. */
extern const struct type fault_type;
/** [struct list of struct fault_config *] `faults:` of a port, `fault:` of a route or answer (one
 * or a list). */
extern const struct type faults_type;
/** The rows of a fault mapping without port and route, to be included by the `fault` action. */
extern const struct table fault_table;
/** The name as written: "expired". */
struct str fault_config_kind(const struct fault_config *config);
enum fault_layer fault_config_layer(const struct fault_config *config);

/** The faults of one port and of its routes, newest last. Owned by the port's upstream. */
struct faults;
GOTO_MUST_USE struct faults *faults_new(struct port *port);
/** Frees it; NULL is allowed. */
void faults_free(struct faults *faults);

/**
 * Puts a fault there. `route` is a route's name as in the journal ("api.foobar"), data NULL = the
 * whole port. The config must outlive `faults`. Faults on the port's live connections begin at once
 * if `apply` says so.
 *
 * @return its id, for faults_undo(); 0 with *why when it cannot stand here (in the arena)
 */
uint64_t faults_push(struct faults *faults, struct str route, const struct fault_config *config,
                     struct arena *arena, struct str *why);
/** Takes one back; unknown ids change nothing. */
void faults_undo(struct faults *faults, uint64_t id);
/** `heal`: lifts those of that route (data NULL: of the port and its routes) with that name (data
 * NULL: all). Returns how many. */
size_t faults_heal(struct faults *faults, struct str route, struct str name);

/**
 * The TLS that a fault gives a new connection, or NULL: none strikes. Borrowed. Called once for
 * each connection.
 */
struct tls_setup *faults_tls(struct faults *faults, struct stream *stream);
/** The port's TLS changed: setups of TLS faults are made anew on top of it. `config` NULL = valid.
 */
struct tls_config;
void faults_tls_changed(struct faults *faults, const struct tls_config *config);

/**
 * Lets the faults of the port, the route and the answer (a list of struct fault_config *, may be
 * empty) act on a request that is about to be answered.
 *
 * @return true when they have taken it over (it is reset, cut, or stays silent): it is not answered
 */
bool faults_answer(struct faults *faults, struct str route, const struct list *of_answer,
                   struct exchange *exchange);

/**
 * Calls for each fault that was there, has a chance of 100%, is not optional, and struck nothing
 * while it stood (`refuse` and `blackhole` excepted). `name` is its written name or its kind.
 */
void faults_idle(const struct faults *faults,
                 void (*found)(void *context, struct str name, struct place place), void *context);

#endif
