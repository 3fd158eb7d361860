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

/** Sets what is spoken there, by a set of enum speech. */
void endpoint_speak(struct endpoint *endpoint, unsigned speech);

/** "http://user@host:1/x" in parts. */
struct endpoint_parts {
    struct str scheme; /**< data NULL where there is none */
    struct str host;   /**< without brackets; empty where what is written is none */
    struct str rest;   /**< from the path or query on */
    uint16_t number;   /**< of the port; 0 = none was written */
};
/** Takes a URL, or what is written in its place, apart. */
struct endpoint_parts endpoint_split(struct str text);
/** Whether a port that is bound to the address `bound` is reached by `host`. */
bool endpoint_reaches(struct str host, struct str bound);
/** The name that it may be of: "api" of "api/x"; data NULL for addresses and URLs. */
struct str endpoint_name(struct str text);
/** The address to connect to of a port that is bound to `bound`: loopback for "any address". */
struct str endpoint_host_of(struct str bound);

/**
 * Resolves a text to where it leads at this moment: by the ports of the server, then by
 * server->program (programs of the run), then as an address.
 *
 * @return false with *why (in the arena) when it is none of them
 */
GOTO_MUST_USE bool endpoint_resolve(const struct server *server, struct str text,
                                    struct arena *arena, struct endpoint *endpoint,
                                    struct str *why);

struct addresses;

/** Looking up the addresses of an endpoint: at once for addresses, "localhost" and unix sockets,
 * else in a thread. */
struct endpoint_lookup;
/**
 * Looks up addresses. `found` is called once: with addresses (borrowed until it returns), or with
 * none and why. Time has no bound here: who waits has a timer and cancels.
 *
 * @return NULL if found() was called already; else it is gone once found() is called
 */
struct endpoint_lookup *
endpoint_lookup(struct loop *loop, const struct endpoint *endpoint,
                void (*found)(void *context, const struct addresses *addresses, struct str why),
                void *context);
/** Nobody waits for it any more; found() is not called. NULL is allowed. */
void endpoint_lookup_cancel(struct endpoint_lookup *lookup);

/** A connection to an endpoint on its way: looks up, dials its addresses one after the other. */
struct endpoint_dial;
struct protocol;
struct stream;
/** What becomes of it. */
struct endpoint_dial_user {
    const struct protocol *protocol; /**< what the stream speaks; its stream->owner is `context` */
    /**
     * Called at most once, never from within endpoint_dial_new(): no address took the connection.
     * `error` is the positive errno of the last one, 0 when the name was not found; `why` is for
     * people: "127.0.0.1:80 refused the connection", borrowed until it returns.
     */
    void (*failed)(void *context, int error, struct str why);
};
/**
 * Begins. Once a connection stands, user->protocol->start(stream) is called with stream->owner =
 * context, and this object is gone; so it is once failed() is called. Neither is called before this
 * returns. Both are journalled (ENTRY_DIAL, ENTRY_DIAL_FAILED), and so is the connection's end.
 *
 * @param name_id    in the journal: the port that it is for; 0 = a client's: nothing of it is
 *                   journalled
 * @param connection in the journal: number of that port's connection that it is for; 0 = of none
 * @param hops       proxies of the run that are passed by then: stream_hops() of the client's, and
 *                   one; 0 = nobody asks
 */
struct endpoint_dial *endpoint_dial_new(struct server *server, const struct endpoint *endpoint,
                                        const struct endpoint_dial_user *user, void *context,
                                        uint32_t name_id, uint64_t connection, unsigned hops);
/** It took too long for its owner: failed() is called with ETIMEDOUT, before this returns. */
void endpoint_dial_expire(struct endpoint_dial *dial);
/** Gives up: nothing is called any more. NULL is allowed. */
void endpoint_dial_cancel(struct endpoint_dial *dial);

#endif
