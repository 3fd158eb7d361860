/**
 * A connection of the `grpc` verb: an endpoint is dialled, TLS is spoken if that is asked for, and
 * HTTP/2 on top of it. Calls are made on its client (server/http/h2_client.h).
 *
 *     connection = grpc_connection_new(&plan, &user, context);
 *     … user.connected(): h2_call_new(grpc_connection_client(connection), …)
 *     grpc_connection_close(connection);
 *
 * Time has no bound here: who waits has a timer and closes.
 */
#ifndef GOTO_RUNNER_CLIENT_GRPC_CONNECTION_H
#define GOTO_RUNNER_CLIENT_GRPC_CONNECTION_H

#include "server/http/h2_client.h"
#include "server/proxy/endpoint.h"

struct grpc_connection;
struct tls_client_options;

/** What the owner hears. */
struct grpc_connection_user {
    /** It stands: calls can be made. Never called from within grpc_connection_new(). */
    void (*connected)(void *context);
    /**
     * It could not be had, or broke in a way that its calls do not hear of (TLS): those are gone
     * without a word, and so is the client. `name` is that of an error, NULL if it has none;
     * `harness`: our own fault or the spec's. `why` is borrowed. Never called from within
     * grpc_connection_new().
     */
    void (*failed)(void *context, const char *name, struct str why, bool harness);
};

struct grpc_connection_plan {
    struct server *server;
    struct endpoint endpoint;
    bool tls;
    const struct tls_client_options *options; /**< NULL = the defaults; lives as long as the step */
};

/** Begins. Texts of the plan are copied. */
struct grpc_connection *grpc_connection_new(const struct grpc_connection_plan *plan,
                                            const struct grpc_connection_user *user, void *context);
/** Ends it; nothing is told any more. Calls on it are gone without a word. NULL is allowed. */
void grpc_connection_close(struct grpc_connection *connection);
/** Others hear of it from now on; `user` NULL: nobody does. */
void grpc_connection_hand(struct grpc_connection *connection,
                          const struct grpc_connection_user *user, void *context);
/** NULL while it does not stand, and once it failed. */
struct h2_client *grpc_connection_client(const struct grpc_connection *connection);
/** Reads what has come by now: so that one that the peer has closed is known as such. */
void grpc_connection_refresh(struct grpc_connection *connection);
/** Whether a TCP connection stands, maybe in the midst of its handshake of TLS. */
bool grpc_connection_is_reached(const struct grpc_connection *connection);
/** Bytes written between these leave together. */
void grpc_connection_enter(struct grpc_connection *connection);
void grpc_connection_leave(struct grpc_connection *connection);

#endif
