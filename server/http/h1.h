/**
 * HTTP/1.0 and 1.1 on a stream: what h1.c (reading), h1_write.c (answers), h1_flaw.c (answers that
 * go wrong) and server.c share.
 *
 * A connection reads one request at a time; while that is not answered, what the client sends ahead
 * waits. An answer may be given whole before its request is: the rest of that is read before the
 * next one begins, for as long as `limits.read` lets it. Between requests a connection holds no
 * exchange and no buffer. Exchanges are kept for use again, with their smaller buffers, by the
 * server.
 *
 * A client that closes its sending side (FIN) before the answer is whole has aborted it, and the
 * answer is journalled so; it is sent all the same, and then the connection is closed.
 */
#ifndef GOTO_SERVER_HTTP_H1_H
#define GOTO_SERVER_HTTP_H1_H

#include "base/buf.h"
#include "server/http/exchange.h"
#include "server/http/h1_parse.h"
#include "server/server.h"

enum {
    H1_INLINE_HEADERS = 32,  /**< headers that need no arena */
    H1_KEPT_BUFFER = 4096,   /**< a larger buffer is not kept with an unused exchange */
    H1_KEPT_EXCHANGES = 128, /**< unused exchanges kept by a server */
};

struct h1;
struct h1_exchange;
struct h1_flaws;

/** What a port does with requests that does not speak HTTP/1 any further (h2_upgrade.c). */
struct h1_upgrade {
    /** Whether the request asks to go on in another protocol; else it is refused by 426, *why says
     * why. */
    bool (*asks)(const struct request *request, const char **why);
    /** One that asks was read whole: the stream gets its other protocol, `h1` and `x` are gone. */
    void (*whole)(struct h1 *h1, struct h1_exchange *x);
};

/** The protocol's state of one connection. */
struct h1 {
    struct stream *stream;
    const struct h1_upgrade *upgrade; /**< NULL: requests are answered here */
    struct h1_exchange *current;      /**< NULL between requests */
    struct timer
        timer; /**< the nearest of the limits idle, read, life; may fire early and start again */
    int64_t began_ns; /**< monotonic: the first byte of the current request came */
    bool draining;    /**< no request after this one */
    bool parsing;     /**< h1_bytes() is running */
    bool blank;       /**< the empty line allowed before the next request came */
};

enum h1_phase { H1_HEAD, H1_BODY, H1_CHUNKS, H1_TRAILERS, H1_WHOLE };

/** An exchange with what reading and answering it takes. */
struct h1_exchange {
    struct exchange exchange;
    struct h1 *h1;
    struct h1_exchange *next; /**< unused */
    enum h1_phase phase;
    struct h1_scan scan;
    struct h1_chunks chunks;
    struct buf head; /**< the head's bytes; the request's texts point into it */
    struct buf body;
    struct buf trailers;
    uint64_t body_left; /**< with Content-Length */
    bool keep_alive;    /**< the client lets the connection be used again */
    bool is_head;       /**< a HEAD request */
    bool chunked;       /**< the answer's body is sent in chunks */
    bool bodiless;      /**< the answer has no body on the wire */
    bool close;         /**< the connection ends after the answer */
    bool counted;       /**< the answer told its length: */
    uint64_t declared;
    uint64_t written;       /**< body bytes of the answer */
    struct h1_flaws *flaws; /**< NULL: the answer is right; in the exchange's arena */
    struct header headers[H1_INLINE_HEADERS];
};

extern const struct exchange_codec h1_codec;

/* The calls of h1_protocol, for protocols that begin as it does. */
void *h1_start(struct stream *stream);
size_t h1_bytes(struct stream *stream, struct str bytes);
void h1_writable(struct stream *stream);
void h1_ended(struct stream *stream, bool reset);
void h1_closing(struct stream *stream);
void h1_drain(struct stream *stream);
bool h1_is_idle(const struct stream *stream);
void h1_gone(struct stream *stream);

/** Whether a connection speaks HTTP/1. */
bool h1_is(const struct stream *stream);
/** The connection's next step after an answer: another request, or its end. Frees the exchange. */
void h1_done(struct exchange *exchange, bool close);

/** Has the client's bytes offered again. */
void h1_read_on(struct exchange *exchange);

/** Refuses what the client sent: journals why, answers unless `status` is 0, and ends the
 * connection. */
void h1_refuse(struct h1 *h1, unsigned status, const char *why);
/** Writes the answer to a refused request; one of 426 says that h2c is wanted. */
void h1_write_refusal(struct stream *stream, unsigned status, const char *why, bool with_body);

/* The parts of an answer's head; `into` is of h1_head_start() and good until the next one. */
struct buf *h1_head_start(struct stream *stream);
void h1_head_field(struct buf *into, struct str name, struct str value);
/** The date, unless it is written by hand or dropped. */
void h1_head_date(struct h1_exchange *x, const struct response_head *head, struct buf *into);
/**
 * Decides how the body is framed, and appends what says so. Framing written by hand is left as it
 * is; the body follows it as far as that can be: chunks for a `transfer-encoding: chunked`.
 */
void h1_head_framing(struct h1_exchange *x, const struct response_head *head, struct buf *into);
/** Whether the connection ends, where the client has to hear of it. */
void h1_head_connection(struct h1_exchange *x, const struct response_head *head, struct buf *into);
/** Sets whether the answer has a body, and whether the connection ends behind it. */
void h1_head_begin(struct h1_exchange *x, const struct response_head *head);

/** An exchange that is ready to read a head, and back. */
struct h1_exchange *h1_exchange_new(struct h1 *h1);
void h1_exchange_free(struct h1_exchange *x);
/** Frees the unused exchanges. */
void h1_pool_clear(struct server *server);

#endif
