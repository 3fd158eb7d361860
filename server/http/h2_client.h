/**
 * A client's connection of HTTP/2 (RFC 9113), by nghttp2, with prior knowledge: several calls at a
 * time, bodies in both directions as streams, trailers. It knows no steps and no specs.
 *
 *     struct h2_client *client = h2_client_new(loop, h2_socket_new(loop, &target), &user, context);
 *     struct h2_call *call = h2_call_new(client, &request, &call_user, context);
 *     … call_user.head(), body(), trailers(), finished()
 *     h2_client_free(client);
 *
 * Below it lies a wire: a socket of the runner's client, a stream of the server's calls. What the
 * peer sends is bounded by flow control (a body that is not consumed stops the peer), heads by
 * H2_CLIENT_HEAD_SIZE; time has no bound here: who waits has a timer and cancels. Nothing is sent
 * twice by itself, on no account.
 *
 * All calls run on the loop's thread. From within any callback everything may be called, also
 * h2_client_free().
 */
#ifndef GOTO_SERVER_HTTP_H2_CLIENT_H
#define GOTO_SERVER_HTTP_H2_CLIENT_H

#include "base/loop.h"
#include "server/http/message.h"

/** Names and values of all heads (interim ones too) and trailers of one answer, in bytes. */
enum { H2_CLIENT_HEAD_SIZE = 300 * 1024 };

/* How it ends. */

enum h2_end {
    H2_END_WHOLE,     /**< a whole answer came */
    H2_END_DNS,       /**< the name was not resolved */
    H2_END_CONNECT,   /**< no connection: `error` of the last address that was tried */
    H2_END_LOCAL,     /**< our own side could not be made as asked: `error` */
    H2_END_RESET,     /**< the peer reset the stream: `code` */
    H2_END_GOAWAY,    /**< the peer said GOAWAY: `code`, `last`; this call is beyond, or it was an
                         error */
    H2_END_PROTOCOL,  /**< the peer broke the rules: `code` is what it was told */
    H2_END_CUT,       /**< the stream ended before its content-length */
    H2_END_HEAD_SIZE, /**< the head exceeds its bound */
    H2_END_CLOSED,    /**< the peer closed the connection (FIN) before the answer was whole */
    H2_END_BROKEN,    /**< the connection broke: `error`, ECONNRESET and others */
};

/** How far a call had come. */
enum h2_phase {
    H2_CONNECTING, /**< no connection stood */
    H2_WAITING,    /**< one stood; not one byte of an answer came */
    H2_HEAD,       /**< bytes came, but no whole head of a final answer */
    H2_BODY,       /**< a whole head came */
};

/** How a call, or a connection, ended. Texts are borrowed until the callback returns. */
struct h2_client_end {
    enum h2_end kind;
    enum h2_phase phase;
    int error;             /**< errno, positive */
    uint32_t code;         /**< of HTTP/2 */
    int32_t last;          /**< of a GOAWAY */
    struct str words;      /**< what happened, for people; never empty but when it is whole */
    int64_t first_byte_ns; /**< monotonic; -1 = nothing came */
    int64_t end_ns;        /**< monotonic */
};

/* The wire. */

struct h2_wire;

/** What a wire tells: set by who is on top of it before it starts. */
struct h2_wire_user {
    /** It stands (`end` NULL), or it cannot be had; the wire is still to be closed. */
    void (*connected)(void *context, const struct h2_client_end *end);
    /** It may be read or (if that was asked for) written. */
    void (*ready)(void *context);
};

struct h2_wire_type {
    /** Begins; connected() comes later, or from within where it stands already. */
    void (*start)(struct h2_wire *wire);
    /** Up to `room` bytes; 0 = the peer has closed; -EAGAIN, or another negative errno. */
    ptrdiff_t (*read)(struct h2_wire *wire, char *into, size_t room);
    /** How many were taken; -EAGAIN, or another negative errno. */
    ptrdiff_t (*write)(struct h2_wire *wire, struct str bytes);
    /** Whether ready() is also wanted once it can be written. */
    void (*want_write)(struct h2_wire *wire, bool want);
    /** "127.0.0.1:80", "unix:PATH"; empty while nothing stands. Borrowed until it is closed. */
    struct str (*remote)(const struct h2_wire *wire);
    /** Closes and frees it, at any moment, also from within its callbacks; nothing is told after.
     */
    void (*close)(struct h2_wire *wire);
};

/** Embedded first in what a wire is. */
struct h2_wire {
    const struct h2_wire_type *type;
    const struct h2_wire_user *user;
    void *context;
};

/* The connection. */

struct h2_client;

/** What the owner of a connection hears; each may be NULL. */
struct h2_client_user {
    /** The connection stands; what calls have sent goes out now. */
    void (*connected)(void *context);
    /**
     * It has ended, or takes no more calls: the peer closed, broke the rules, said GOAWAY. Calls
     * that end by it have heard so before; those that may still be answered go on.
     */
    void (*ended)(void *context, const struct h2_client_end *end);
    uint32_t window; /**< of one call: what comes of its body before it is consumed; 0 = 1 MiB */
};

/** A connection on a wire, which it starts and owns. `user` may be NULL. */
struct h2_client *h2_client_new(struct loop *loop, struct h2_wire *wire,
                                const struct h2_client_user *user, void *context);
/**
 * Closes it, with a GOAWAY if it stood, and frees it. Calls that are under way are forgotten
 * without a word to their users. NULL is allowed.
 */
void h2_client_free(struct h2_client *client);
/** Reads what has come by now: so that a connection that the peer has closed is known as such. */
void h2_client_refresh(struct h2_client *client);
/** Whether new calls can be made on it: it is connecting, or stands and nothing has ended it. */
bool h2_client_is_usable(const struct h2_client *client);
/** Sends what waits for more. */
void h2_client_flush(struct h2_client *client);
/** How many more calls the peer takes at this moment; those beyond wait. */
size_t h2_client_room(const struct h2_client *client);
bool h2_client_is_connected(const struct h2_client *client);
/** When it stood, monotonic; -1 = it does not yet. */
int64_t h2_client_connected_ns(const struct h2_client *client);
/** "127.0.0.1:80", "unix:PATH"; empty while nothing stands. Borrowed until the client is freed. */
struct str h2_client_remote(const struct h2_client *client);

/* A call. */

struct h2_call;

/** Where the body of a request comes from. */
struct h2_source {
    /**
     * Writes up to `room` bytes; *end is set with the last ones.
     *
     * @return how many, -EAGAIN: none yet, h2_call_resume() follows; another negative errno: there
     *         will be no more, the stream is reset with INTERNAL_ERROR
     */
    ptrdiff_t (*read)(void *context, char *into, size_t room, bool *end);
    void *context;
};

/** Texts are borrowed until h2_call_new() returns, `source` and `trailers` until the call ends. */
struct h2_request {
    struct str method;
    struct str scheme;
    struct str authority;
    struct str path; /**< with its query; data NULL: neither it nor the scheme is
                        sent, as CONNECT wants it */
    bool tunnel;     /**< see h2_call_user.peer_ended() */
    bool soon; /**< it waits for its body, so that both leave in one write: until h2_call_resume(),
                  or h2_client_flush() */
    const struct headers *headers;  /**< names are sent in lower case */
    const struct h2_source *source; /**< NULL: there is no body */
    const struct headers *trailers; /**< behind the body, names in lower case; NULL = none */
};

/** What the owner of a call hears, in this order; each but finished() may be NULL. */
struct h2_call_user {
    /** A 1xx head. Texts live as long as the call. */
    void (*informational)(void *context, unsigned status, const struct headers *headers);
    /** The head of the answer; h2_call_ends() tells whether it is all of it. Texts live as long as
     * the call. */
    void (*head)(void *context, unsigned status, const struct headers *headers);
    /** Bytes of the body: they are to be given back to the window by h2_call_consume(). */
    void (*body)(void *context, struct str bytes);
    void (*trailers)(void *context, const struct headers *trailers);
    /** Of a tunnel: the peer's side has ended, ours goes on; the call is whole once its source has
     * ended, too. */
    void (*peer_ended)(void *context);
    /** It has ended; the call is freed once this returns. The client may be freed from within. */
    void (*finished)(void *context, const struct h2_client_end *end);
};

/** A request, sent once the connection stands and the peer allows another stream. */
struct h2_call *h2_call_new(struct h2_client *client, const struct h2_request *request,
                            const struct h2_call_user *user, void *context);
/** Ends a call with RST_STREAM and frees it; its user hears nothing more. */
void h2_call_cancel(struct h2_call *call, uint32_t code);
/** The peer may send so many bytes more: they were taken in. */
void h2_call_consume(struct h2_call *call, size_t size);
/** The source has bytes again. */
void h2_call_resume(struct h2_call *call);
enum h2_phase h2_call_phase(const struct h2_call *call);
/** Its stream's number on the connection. */
int32_t h2_call_stream(const struct h2_call *call);
/** Within a callback: whether the frame that is told ends the answer. */
bool h2_call_ends(const struct h2_call *call);

#endif
