/**
 * A call: one request that a proxy makes to a far side, and its answer, over HTTP/1.1 or HTTP/2, in
 * clear or over TLS. Whose request it passes on, and how it was changed, the call does not know.
 *
 * Connections are kept in a pool and used again: idle ones of HTTP/1.1, and those of HTTP/2 for
 * many calls at once; they are closed after four idle seconds, or a second before the far side's
 * `keep-alive: timeout`. Over TLS, ALPN chooses where the endpoint speaks either.
 *
 * A request on a kept connection that ended before any byte of an answer came is made once more on
 * a new one, where its method is idempotent and its body has not begun to be sent (RFC 9110 section
 * 9.2.2, RFC 9112 section 9.3.1); others look first whether a kept connection still stands. A
 * request that HTTP/2 says was not looked at (REFUSED_STREAM, beyond a GOAWAY) is made once more,
 * too, whatever its method.
 *
 * Bodies stream both ways and are never collected; what is not taken stops the far side, and
 * call_queued() tells the writer to pause. Answers of HTTP/1 are read strictly: what is ambiguous
 * is refused. Heads are bounded (256 KiB, over HTTP/2 300), and so are 1xx answers (100).
 *
 *     struct call *call = call_new(pool, &endpoint, &request, &user, context);
 *     call_body(call, bytes); call_finish(call, NULL);
 *     … user.head(), user.body(), user.finish()
 *
 * From within any callback everything may be called, also call_cancel(). Callbacks come from the
 * loop, but for those of call_resume() and call_tunnel_end(): both may tell more of the call, also
 * its end, before they return. call_new(), call_body(), call_finish() and call_cancel() call
 * nothing back.
 */
#ifndef GOTO_SERVER_PROXY_CALL_H
#define GOTO_SERVER_PROXY_CALL_H

#include "server/http/message.h"
#include "server/proxy/endpoint.h"

struct call;
struct call_pool;
struct stream;
struct tls_client_options;
struct via;

/** The connections of one server to its far sides; made at the first call of call_pool_of(). */
struct call_pool *call_pool_of(struct server *server);
/** Ends all calls as failed and closes the connections; later calls fail. NULL is allowed. For
 * server_close_all(). */
void call_pool_close(struct call_pool *pool);
/** Frees it, once its connections are gone. NULL is allowed. For server_clear(). */
void call_pool_free(struct call_pool *pool);

/** What is asked. Texts and headers are borrowed until call_new() returns. */
struct call_request {
    struct str method;
    struct str target; /**< path and query, "*", or an absolute or authority form as it is sent */
    struct str authority;          /**< `host` of HTTP/1, `:authority` of HTTP/2 */
    const struct headers *headers; /**< without framing and connection headers; `host` left out;
                                      values have no line ends */
    int64_t content_length;        /**< of the body; -1 = not known: chunked. More than it is not
                                      sent; less fails the call */
    bool has_body; /**< call_body() and call_finish() follow; else the request is whole at once */
    bool upgrade;  /**< `upgrade` and `connection: upgrade` are sent, and 101 makes a tunnel. Only
                      HTTP/1.1 can: over HTTP/2 it is left out */
    struct str upgrade_to; /**< the value of `upgrade` */
    bool connect;          /**< CONNECT: 2xx makes a tunnel; `target` is host:port; no body */
    bool fresh;            /**< uses no kept connection, and is not kept */
    uint32_t name_id;      /**< in the journal: the proxy */
    uint64_t connection;   /**< in the journal: the connection of the proxy that it is for; 0 = of
                              none */
    const struct via *via; /**< proxies on the way; `fresh` is as if it were set; NULL = none */
    unsigned hops;         /**< of the connection that is made: endpoint_dial_new() */
    int64_t timeout_ns; /**< the far side has to connect, to take the request, to begin its answer
                           and to go on with it within this time; it does not run while the owner
                           is waited for, nor in a tunnel; 0 = no limit */
    const struct tls_client_options *tls; /**< of the far side; NULL = the defaults. Lives as long
                                             as the server: kept connections are told apart by it */
};

/** Why a call has no whole answer. */
enum call_failure {
    CALL_DNS,      /**< the name was not resolved */
    CALL_CONNECT,  /**< refused, unreachable */
    CALL_TLS,      /**< the handshake failed, the certificate was refused, or TLS broke later */
    CALL_TIMEOUT,  /**< silent beyond timeout_ns */
    CALL_CLOSED,   /**< FIN before the answer was whole; or our side ended the connection */
    CALL_RESET,    /**< RST; RST_STREAM; GOAWAY */
    CALL_PROTOCOL, /**< what came is no answer of HTTP, or breaks a bound */
};

/** How a call went; texts are borrowed until the callback returns. */
struct call_end {
    enum call_failure failure; /**< of failed() only */
    struct str why;            /**< for people: "127.0.0.1:80 refused the connection" */
    int64_t connected_ns;      /**< monotonic: a connection stood, or a kept one was taken; 0 = none
                                  did */
    int64_t first_byte_ns;     /**< monotonic: of the answer; 0 = none came */
    uint64_t body_received;
    bool reused; /**< on a connection that had a call before */
};

/** What the owner hears. Each but finish() and failed() may be NULL. */
struct call_user {
    /** A 1xx answer, but 101 that makes a tunnel. */
    void (*informational)(void *context, unsigned status, const struct headers *headers);
    /**
     * The head of the answer: end-to-end headers only (connection, keep-alive, te, trailer,
     * transfer-encoding, upgrade, proxy-connection and what connection names are left out, RFC 9110
     * section 7.6.1; of 101 `upgrade` stays). `content-length` is not among them.
     *
     * @param reason         over HTTP/2, which has none, the usual one
     * @param content_length as told, also where no body follows (HEAD, 304); -1 = not told
     */
    void (*head)(void *context, unsigned status, struct str reason, const struct headers *headers,
                 int64_t content_length);
    void (*body)(void *context, struct str bytes);
    /** The answer is whole; the call is gone once this returns. `trailers` may be NULL. */
    void (*finish)(void *context, const struct headers *trailers, const struct call_end *end);
    /** It ends without being whole; the call is gone once this returns. */
    void (*failed)(void *context, const struct call_end *end);
    /** call_queued() fell below STREAM_LOW_MARK, after it was above STREAM_HIGH_MARK; or a
     * connection stands now that takes what was kept for it. */
    void (*writable)(void *context);
    /**
     * 101 (or 2xx to CONNECT) came and was told by head(): the connection is the owner's from now
     * on, as bytes in both directions by call_tunnel_*; body() gives what comes, half_closed() that
     * nothing more does (not told once our side has ended). It is whole once both sides have ended.
     */
    void (*tunnel)(void *context);
    void (*half_closed)(void *context);
};

/** Begins a call. Nothing is called back before it returns. */
struct call *call_new(struct call_pool *pool, const struct endpoint *endpoint,
                      const struct call_request *request, const struct call_user *user,
                      void *context);
/** Bytes of the request's body, copied as needed. Nothing once the answer is whole. */
void call_body(struct call *call, struct str bytes);
/** The request is whole. `trailers` may be NULL. */
void call_finish(struct call *call, const struct headers *trailers);
/** Bytes of the request that wait to be sent. */
size_t call_queued(const struct call *call);
/** Stops and goes on with the answer's body: the far side is stopped, too. The end of the answer
 * may be told while it is paused, where nothing of the body is left before it. */
void call_pause(struct call *call);
void call_resume(struct call *call);
/** In a tunnel: bytes to the far side, and the end of our side. */
void call_tunnel_write(struct call *call, struct str bytes);
void call_tunnel_end(struct call *call);
/** Gives it up: nothing is called any more; its connection is closed, or its stream reset
 * (CANCEL). */
void call_cancel(struct call *call);
/** "127.0.0.1:8080"; empty while no connection stands. Borrowed until the next callback. */
struct str call_remote(const struct call *call);

/** "not connected" … of each failure, for reports. */
const char *call_failure_name(enum call_failure failure);

#endif
