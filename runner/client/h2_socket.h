/**
 * The wire of an HTTP/2 client that is a socket of its own.
 */
#ifndef GOTO_RUNNER_CLIENT_H2_SOCKET_H
#define GOTO_RUNNER_CLIENT_H2_SOCKET_H

#include "server/http/h2_client.h"

/** Where a socket connects to. Texts are copied. */
struct h2_target {
    struct str host; /**< a name or an address, without brackets */
    uint16_t port;
    struct str unix_socket; /**< its path, instead of host and port; data NULL = none */
    struct str interface;   /**< the name of a device, or one of our addresses; data NULL = any */
};

/**
 * A socket that connects when it is started. A name is resolved without holding the loop up
 * ("localhost" is always this machine, RFC 6761); its addresses are tried one after the other.
 */
struct h2_wire *h2_socket_new(struct loop *loop, const struct h2_target *target);

#endif
