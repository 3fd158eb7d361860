/**
 * What the files of calls share:
 *
 * call.c           the calls: what their owners ask, how they end, their time
 * call_pool.c      far sides, their connections that are kept, dialing
 * call_headers.c   requests as bytes of HTTP/1 or as a copy; headers of one hop
 * call_h1.c        a connection of HTTP/1.1: its life, what is written
 * call_h1_read.c   the answers that come on it
 * call_h2.c        a connection of HTTP/2 and its calls
 *
 * A call has no connection at first (`codec` NULL): it waits in a dial, and keeps what its owner
 * writes. Then a codec has it until it ends.
 */
#ifndef GOTO_SERVER_PROXY_CALL_PRIVATE_H
#define GOTO_SERVER_PROXY_CALL_PRIVATE_H

#include "base/clock.h"
#include "server/http/h1_parse.h"
#include "server/proxy/call.h"
#include "server/stream/stream.h"
#include "server/tls/client.h"

enum {
    CALL_HEAD_SIZE = 256 * 1024, /**< of an answer's head, and of its trailers */
    CALL_MOST_LATE = 20,         /**< times that the timer gives us a turn to read, in a row */
    CALL_MOST_INTERIM = 100,     /**< 1xx answers before the final one */
    CALL_KEPT_CALLS = 128,       /**< unused calls that a pool keeps for use */
    CALL_KEPT_BUFFER = 4096,     /**< a larger buffer is not kept with an unused call */
    CALL_KEPT_SITES = 64,        /**< far sides remembered without a connection */
    CALL_KEPT_IDLE = 1024,       /**< idle connections of a pool */
    CALL_WHY = 256,
    CALL_REMOTE = 128,
};

/** How long a connection is kept idle: below the five seconds after which many servers close
 * theirs, so that a request does not meet a connection that is being closed. */
#define CALL_IDLE_NS (4 * INT64_C(1000000000))
/** An idle connection younger than this is used without a look at its socket. */
#define CALL_LOOK_NS (10 * CLOCK_MS)

struct call_dial;
struct call_h1;
struct call_h2;
struct call_site;

/** What a protocol does for its calls. */
struct call_codec {
    /** More of the body. */
    void (*body)(struct call *call, struct str bytes);
    /** The request is whole. */
    void (*finish)(struct call *call, const struct headers *trailers);
    size_t (*queued)(const struct call *call);
    /** call->paused was set, or no longer is. */
    void (*pause)(struct call *call);
    void (*resume)(struct call *call);
    void (*tunnel_end)(struct call *call);
    /** The call leaves its connection before its end: that is closed, or its stream reset. */
    void (*drop)(struct call *call);
    struct str (*remote)(const struct call *call);
    /** Whether bytes of the far side wait to be read: it is not silent, we are late. */
    bool (*has_unread)(const struct call *call);
    /** Monotonic: when the far side last took or gave bytes, where call_active() is not told. */
    int64_t (*moved_ns)(const struct call *call);
};

struct call {
    struct call_pool *pool;
    struct call *next; /**< among the living, or the unused */
    struct call *previous;
    struct call *next_waiting; /**< in a dial */
    const struct call_user *user;
    void *context;
    struct call_site *site;
    struct call_dial *dial;
    const struct call_codec *codec; /**< NULL = it has no connection */
    void *connection;               /**< the codec's */
    struct call_request request;    /**< its texts only if `arena` is not NULL */
    struct arena *arena;     /**< of a copy of the request; NULL where it is HTTP/1 at once */
    struct buf head;         /**< of the request, as HTTP/1 sends it */
    struct buf pending;      /**< of the body, while there is no connection */
    struct headers trailers; /**< of the request, in the arena */
    struct headers copied;   /**< request.headers */
    struct timer timer;      /**< of request.timeout_ns; fires early and starts again */
    int64_t active_ns; /**< monotonic: when the far side was last given something, or gave it */
    struct h2_call *stream; /**< of HTTP/2 */
    size_t pending_at;      /**< of HTTP/2: bytes of `pending` that were sent */
    struct buf held;        /**< of HTTP/2: what came of the answer while it was paused */
    struct headers answer_trailers;
    bool *freed; /**< set once the call is gone: for who calls its owner; NULL = nobody */
    struct call_end end;
    bool is_head;    /**< HEAD: no body is answered */
    bool repeatable; /**< an idempotent method (RFC 9110 section 9.2.2) */
    bool body_begun; /**< of the body, or of its end, something was sent */
    bool whole;      /**< call_finish() was called, or there is no body */
    bool paused;
    bool was_high; /**< the owner was told to wait, while there was no connection */
    bool retried;
    bool tunnel;
    bool tunnel_ended;    /**< call_tunnel_end() was called */
    bool finish_due;      /**< the answer is whole, behind what is held */
    bool half_closed_due; /**< the same of the far side of a tunnel */
    bool writable_due;
    bool failing;     /**< end.failure is told in the next turn */
    unsigned late;    /**< how often the timer found that we are late, in a row */
    unsigned interim; /**< 1xx answers so far */
    char why[CALL_WHY];
};

/** A far side: where connections lead to that calls may share. */
struct call_site {
    struct call_site *next;
    struct endpoint endpoint; /**< a copy */
    char *texts;              /**< of the endpoint */
    const struct tls_client_options *tls;
    enum endpoint_speech speech; /**< HTTP1, HTTP2, or EITHER: ALPN tells */
    struct call_h1 *idle;        /**< newest first */
    struct call_h2 *shared;      /**< that take calls still */
    bool is_h1;                  /**< ALPN chose HTTP/1.1 last: calls do not wait for each other */
    struct call_dial *joint;     /**< under way, for calls that will share its connection */
    size_t users;                /**< calls, connections and dials */
};

/** A connection on its way, and who waits for it. */
struct call_dial {
    struct call_dial *next;
    struct call_dial *previous;
    struct call_pool *pool;
    struct call_site *site;
    struct endpoint_dial *dial; /**< NULL once a socket stands */
    struct via_dial *via;       /**< the same, through other proxies */
    struct stream *stream;      /**< NULL until then: the handshake is under way */
    struct tls_connect tls;     /**< that handshake */
    bool settling;              /**< its calls are given away: it stays until all are */
    struct call *first;         /**< in the order in which they came */
};

struct call_pool {
    struct server *server;
    struct call_site *sites;
    size_t site_count;
    struct call *calls; /**< the living */
    struct call *unused;
    size_t unused_count;
    struct call_dial *dials;
    struct call_h1 *connections; /**< of HTTP/1, all */
    size_t idle_count;
    int64_t idle_ns;                /**< how long a connection is kept idle: CALL_IDLE_NS */
    struct call_h2 *h2_connections; /**< all */
    bool closed;
};

/* call.c: how calls go on and end. */

/** Has *freed set once the call is gone; who asked takes that back before it returns. */
void call_watch(struct call *call, bool *freed);

/** A connection has the call now. `since_ns`: it stood, or was taken. */
void call_attach(struct call *call, const struct call_codec *codec, void *connection,
                 int64_t since_ns, bool reused);
/** Sends what its owner wrote meanwhile; the owner may hear that it can write on. */
void call_release_pending(struct call *call);
/** Frees the calls that are kept for use. */
void call_pool_drop_unused(struct call_pool *pool);
/** Whether it will be made once more where a kept connection turns out to be gone: it has no body
 * that may have begun to be sent. */
bool call_is_repeated(const struct call *call);
/** The call has left its connection: once more, on a new one. */
void call_again(struct call *call);
/** Whether that is allowed, where nothing of an answer came. `untouched`: the far side says that it
 * did nothing. */
bool call_may_repeat(const struct call *call, bool untouched);
/** The answer is whole; the call, which has left its connection, is gone then. */
void call_finished(struct call *call, const struct headers *trailers);
/** It has no whole answer; the same. */
void call_failed(struct call *call, enum call_failure failure, const char *format, ...)
    GOTO_PRINTF(3, 4);
/** The same in the next turn, for what owners call; the call has no connection any more. */
void call_fail_later(struct call *call, enum call_failure failure, const char *format, ...)
    GOTO_PRINTF(3, 4);
/** The far side gave something at this time. */
void call_active(struct call *call, int64_t now_ns);

/* call_pool.c */

/** The far side of a request; it has one user more. */
struct call_site *site_find(struct call_pool *pool, const struct endpoint *endpoint,
                            const struct call_request *request);
void site_release(struct call_pool *pool, struct call_site *site);
/** A connection for a call: a kept one, or one that is dialed. */
void pool_connect(struct call *call, bool only_new);
/** Takes a call out of the dial that it waits in. */
void dial_leave(struct call *call);

/** A dial has led to a connection of HTTP/1, which is for the first call; the dial is gone. */
void dial_give(struct call_dial *dial, struct call_h1 *h1);
/** A dial has led to a connection of HTTP/2, which is for all calls that it takes; the same. */
void dial_share(struct call_dial *dial, struct call_h2 *h2);
/** "127.0.0.1:80", "unix:PATH" */
void call_remote_of(const struct call_site *site, const struct stream *stream,
                    char out[CALL_REMOTE]);
/** Why a connection with calls is closed by our side: TLS broke, or nobody knows. */
enum call_failure call_closed_why(const struct stream *stream, const char *remote,
                                  char out[CALL_WHY]);

/* call_headers.c */

/** Writes the head of a request into call->head. */
void call_write_head(struct call *call, const struct call_request *request);
/** Copies a request into call->arena. */
void call_copy_request(struct call *call, const struct call_request *request);
/** Copies headers into call->arena. */
struct headers call_copy_headers(struct call *call, const struct headers *headers);
/**
 * Takes out what stands for one hop only: framing, and what `connection` names (RFC 9110 section
 * 7.6.1). `upgrade` stays if `with_upgrade`.
 */
void call_filter_headers(struct headers *headers, bool has_connection, bool with_upgrade);

/* call_h1.c */

/** Begins with the dial that the stream was made for as its owner. */
extern const struct protocol call_h1_protocol;
/** An idle connection of a far side that can be used for the call, or NULL. */
struct call_h1 *call_h1_take(struct call_site *site, const struct call *call);
/** Gives a connection a call. */
void call_h1_begin(struct call_h1 *h1, struct call *call, bool reused);
/** Closes one without a call; it is off the pool's list then. */
void call_h1_close(struct call_h1 *h1, enum close_how how);

/* call_h2.c */

/** The same of HTTP/2. */
extern const struct protocol call_h2_protocol;
extern const struct call_codec call_h2_calls;
/** A connection of a far side that takes one more call, or NULL. */
struct call_h2 *call_h2_take(struct call_site *site, const struct call *call);
size_t call_h2_room(const struct call_h2 *h2);
void call_h2_begin(struct call_h2 *h2, struct call *call, bool reused);
/** It takes no more calls, and is closed after the last one. */
void call_h2_unshare(struct call_h2 *h2);
void call_h2_close(struct call_h2 *h2, enum close_how how);
/** What is held of an answer goes on to its owner, also once its connection is gone. */
void call_h2_resume(struct call *call);

#endif
