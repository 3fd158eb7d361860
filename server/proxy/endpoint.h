/**
 * An endpoint: what a spec calls a far side (LANGUAGE 2), and where it leads at one moment.
 *
 * A text is the name of an upstream, proxy or program, `host:port`, `unix:PATH`, or a URL. A name
 * follows its port: the protocol and TLS are those that it has when the endpoint is resolved, so a
 * `switch` of the far side is followed by the next connection.
 */
#ifndef GOTO_SERVER_PROXY_ENDPOINT_H
#define GOTO_SERVER_PROXY_ENDPOINT_H

#include "schema/table.h"
#include "server/server.h"

/** What is spoken to a far side by a proxy of HTTP. */
enum endpoint_speech {
    ENDPOINT_HTTP1,  /**< HTTP/1.1 in clear, or over TLS with ALPN http/1.1 */
    ENDPOINT_HTTP2,  /**< HTTP/2: by prior knowledge in clear, by ALPN h2 over TLS */
    ENDPOINT_EITHER, /**< over TLS what ALPN chooses of both; in clear HTTP/1.1: of URLs */
    ENDPOINT_BYTES,  /**< host:port, unix:PATH, ports of tcp and tls: nothing is known of it;
                        HTTP/1.1  where HTTP is to be spoken */
};

/** Where an endpoint leads. Texts live as long as the text it was resolved from, or in the arena.
 */
struct endpoint {
    struct str text;      /**< as written */
    struct str name;      /**< of the run's port; data NULL = it is none */
    struct str host;      /**< a name or an address without brackets; data NULL for a unix socket */
    uint16_t number;      /**< of the port */
    struct str unix_path; /**< data NULL = TCP */
    struct str path;      /**< of a URL, with its query: "/base"; data NULL = none was written */
    bool tls;             /**< TLS is to be spoken */
    bool own;             /**< one of the run's stand-ins: nothing but the run's CA is trusted */
    enum endpoint_speech speech;
};

/** [struct str] an endpoint as a spec writes it; a name is checked against the spec's ports. */
extern const struct type endpoint_type;

/**
 * Resolves a text to where it leads at this moment: by the ports of the server, then by
 * server->program (programs of the run), then as an address.
 *
 * @return false with *why (in the arena) when it is none of them
 */
GOTO_MUST_USE bool endpoint_resolve(const struct server *server, struct str text,
                                    struct arena *arena, struct endpoint *endpoint,
                                    struct str *why);

struct sockaddr_storage;

/** Looking up the addresses of an endpoint: at once for addresses, "localhost" and unix sockets,
 * else in a thread. */
struct endpoint_lookup;
/**
 * Looks up addresses. `found` is called once, maybe before this returns: with `count` addresses
 * (borrowed until it returns), or 0 and why. Time has no bound here: who waits has a timer and
 * cancels.
 */
struct endpoint_lookup *
endpoint_lookup(struct loop *loop, const struct endpoint *endpoint,
                void (*found)(void *context, const struct sockaddr_storage *addresses,
                              const unsigned *sizes, size_t count, struct str why),
                void *context);
/** Nobody waits for it any more; found() is not called. NULL and one that was told are allowed only
 * before found() was called. */
void endpoint_lookup_cancel(struct endpoint_lookup *lookup);

/**
 * Connects to an endpoint: looks up, dials its addresses one after the other.
 */
struct endpoint_dial;
struct protocol;
struct stream;
/** What becomes of it. `connected` gets the stream on which `protocol` has just started. */
struct endpoint_dial_user {
    const struct protocol *protocol; /**< what the stream speaks; its stream->owner is `context` */
    /** Called at most once, maybe from within endpoint_dial_new(): no address took the connection.
     * `error` is the positive errno of the last one, 0 when the name was not found. */
    void (*failed)(void *context, int error, struct str why);
};
/**
 * Begins. Once a connection stands, user->protocol->start(stream) is called with stream->owner =
 * context, and this object is gone; so it is once failed() was called.
 *
 * @param name_id in the journal: of the port that it is for
 */
struct endpoint_dial *endpoint_dial_new(struct server *server, const struct endpoint *endpoint,
                                        const struct endpoint_dial_user *user, void *context,
                                        uint32_t name_id);
/** Gives up: nothing is called any more. */
void endpoint_dial_cancel(struct endpoint_dial *dial);

#endif
