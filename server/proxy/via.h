/**
 * Reaching a far side through other proxies: each is asked by CONNECT for the next one, the last
 * for the far side; what is spoken then goes from end to end (`via` of a forward).
 *
 * The tunnel is handed over as a stream of its own, one end of a pair of sockets; at the other end
 * its bytes go to the tunnel and back. So whatever can be spoken on a connection, TLS and HTTP/2
 * among it, can be spoken through any number of hops.
 */
#ifndef GOTO_SERVER_PROXY_VIA_H
#define GOTO_SERVER_PROXY_VIA_H

#include "server/proxy/endpoint.h"

/** Hops, the first one first. */
struct via {
    const struct endpoint *hops; /**< they live until via_dial_new() returns */
    size_t count;
};

struct via_dial;

/** What is known of the connection that is made. */
struct via_for {
    uint32_t name_id;    /**< in the journal: the port that it is for */
    uint64_t connection; /**< number of that port's connection that it is for; 0 = of none */
    unsigned hops;       /**< endpoint_dial_new() */
    int64_t timeout_ns;  /**< of each hop's answer */
};

/** Begins; the same contract as endpoint_dial_new(). `via` has one hop at least. */
struct via_dial *via_dial_new(struct server *server, const struct via *via,
                              const struct endpoint *endpoint,
                              const struct endpoint_dial_user *user, void *context,
                              const struct via_for *about);
/** Gives up: nothing is called any more. NULL is allowed. */
void via_dial_cancel(struct via_dial *via);

/** "127.0.0.1:80" or "[::1]:80" of an endpoint, as CONNECT asks for it; data NULL for a unix
 * socket. In the arena. */
struct str via_target(const struct endpoint *endpoint, struct arena *arena);

#endif
