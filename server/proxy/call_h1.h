/**
 * A connection of HTTP/1.1 to a far side, one call at a time: what call_h1.c (its life, requests)
 * and call_h1_read.c (answers) share.
 */
#ifndef GOTO_SERVER_PROXY_CALL_H1_H
#define GOTO_SERVER_PROXY_CALL_H1_H

#include "server/proxy/call_private.h"

enum answer_phase {
    ANSWER_HEAD,
    ANSWER_LENGTH,
    ANSWER_CHUNKS,
    ANSWER_TRAILERS,
    ANSWER_UNTIL_CLOSE,
    ANSWER_TUNNEL,
};

struct call_h1 {
    struct call_pool *pool;
    struct call_site *site;
    struct stream *stream;
    struct call_h1 *next; /**< of the pool */
    struct call_h1 *previous;
    struct call_h1 *older; /**< among the idle ones of its far side */
    struct call_h1 *newer;
    struct call *call;     /**< NULL = idle, or going away */
    struct timer timer;    /**< of being idle; fires early and starts again */
    int64_t idle_since_ns; /**< monotonic; 0 = it is not idle */
    int64_t idle_limit_ns;
    /* the request */
    uint64_t declared; /**< with a content-length */
    uint64_t written;
    bool chunked;       /**< the body is sent in chunks */
    bool request_whole; /**< all of it was written */
    bool listed;        /**< among those of the pool */
    /* the answer */
    bool keep; /**< the far side keeps the connection */
    enum answer_phase phase;
    uint64_t left; /**< of a body with a length */
    struct h1_scan scan;
    struct h1_chunks chunks;
    struct buf partial; /**< of a head or of trailers, until they are whole */
    char remote[CALL_REMOTE];
};

/** Ready to read the answer of another call. */
void call_h1_read_start(struct call_h1 *h1);
/** Takes bytes of the current call's answer. */
size_t call_h1_read(struct call_h1 *h1, struct str bytes);
/** Nothing more comes behind what was read. */
void call_h1_read_end(struct call_h1 *h1);
/** The connection broke. */
void call_h1_read_reset(struct call_h1 *h1);

/** The call leaves the connection. */
struct call *call_h1_detach(struct call_h1 *h1);
/** The answer is whole: the connection is kept or closed. `clean`: nothing came behind it. */
void call_h1_done(struct call_h1 *h1, bool clean, const struct headers *trailers);
/** The answer is not whole, and will not be. */
void call_h1_fail(struct call_h1 *h1, enum call_failure failure, const char *format, ...)
    GOTO_PRINTF(3, 4);
/** "127.0.0.1:80", "unix:PATH" */
struct str call_h1_remote(struct call_h1 *h1);

#endif
