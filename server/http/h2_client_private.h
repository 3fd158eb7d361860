/**
 * What the files of our HTTP/2 client share:
 *
 * h2_client.c       the connection: wire, nghttp2's session, how both end
 * h2_client_call.c  calls: what nghttp2 tells about them, and their end
 */
#ifndef GOTO_SERVER_HTTP_H2_CLIENT_PRIVATE_H
#define GOTO_SERVER_HTTP_H2_CLIENT_PRIVATE_H

#include "server/http/h2_client.h"

#include <nghttp2/nghttp2.h>

/* The connection and its calls. */

enum { H2_WORDS = 512 };

struct h2_client {
    struct loop *loop;
    struct h2_wire *wire; /**< NULL once the connection has ended */
    const struct h2_client_user *user;
    void *context;
    nghttp2_session *session;
    struct h2_call *calls;
    size_t count;       /**< of them */
    size_t ended_calls; /**< of them: their users are to be told */
    struct buf out;     /**< what the wire did not take yet */
    char first[8];      /**< the first bytes that came, to know HTTP/1 by */
    size_t first_size;
    unsigned busy; /**< how deep we are in callbacks: nothing is freed meanwhile */
    bool freed;    /**< h2_client_free() was called meanwhile */
    bool connected;
    bool told;       /**< the user heard of the end */
    bool closing;    /**< a GOAWAY is our own wish */
    bool went_away;  /**< the peer said GOAWAY */
    bool went_wrong; /**< we said GOAWAY: the peer broke the rules */
    uint32_t wrong_code;
    bool over;                   /**< `end` is set: the connection has ended */
    int write_error;             /**< errno of the first write that failed; reading tells the end */
    struct timer timer;          /**< what is to be told in the next turn */
    struct h2_client_end end;    /**< of the connection, or its GOAWAY */
    struct h2_client_end goaway; /**< what the peer said */
    char words[H2_WORDS];        /**< behind end.words */
    char goaway_words[H2_WORDS];
    char complaint[H2_WORDS]; /**< the last one of nghttp2 */
    char remote[192];
    int64_t connected_ns;
};

struct h2_call {
    struct h2_call *next;
    struct h2_client *client;
    const struct h2_call_user *user;
    void *context;
    struct arena *arena;
    struct h2_source source;
    bool has_source;
    const struct headers *trailers_out;
    int32_t id;
    enum h2_phase phase; /**< H2_WAITING until bytes of an answer came */
    unsigned status;
    struct headers headers; /**< of the head that is being read */
    size_t head_size;       /**< bytes of all heads so far */
    int64_t length;         /**< content-length, -1 = not given */
    uint64_t received;      /**< of the body */
    bool ending;            /**< the frame that is being read ends the stream */
    uint64_t coming;        /**< the size of that frame, if it is DATA */
    size_t unconsumed;      /**< given to the user and not given back yet */
    int violation;          /**< nghttp2's code of the rule that was broken in it; 0 = none */
    bool opened;            /**< its HEADERS were sent */
    bool tunnel;
    bool peer_ended; /**< of a tunnel */
    int64_t first_byte_ns;
    bool ended;   /**< `end` is set; the user is to be told */
    bool telling; /**< finished() is being called */
    struct h2_client_end end;
    char words[H2_WORDS];
};

/** Callbacks of nghttp2 about frames, set beside those about complaints. */
void h2_call_set_callbacks(nghttp2_session_callbacks *callbacks);
/** Takes down which rule a frame of a call breaks. */
void h2_call_note_violation(struct h2_client *client, int32_t id, int code);
/** The first byte of an answer has come by now. */
void h2_call_note_first_byte(struct h2_call *call);
/** Sets how a call ends, unless that is known; its user is told by h2_client_settle(). */
void h2_call_end(struct h2_call *call, struct h2_client_end end, const char *format, ...)
    GOTO_PRINTF(3, 4);
/** Removes it from its client, gives its bytes back to the window, and frees it. */
void h2_call_free(struct h2_call *call);

/** Sets how the connection ends, unless that is known. */
void h2_client_over(struct h2_client *client, struct h2_client_end end, const char *format, ...)
    GOTO_PRINTF(3, 4);
/** The peer said GOAWAY: calls beyond its last stream will not be answered. */
void h2_client_goaway(struct h2_client *client, const nghttp2_goaway *frame);
/** nghttp2 has found a rule broken and said GOAWAY. */
void h2_client_went_wrong(struct h2_client *client, const nghttp2_goaway *frame);
/** The last complaint of nghttp2, or what may stand in its place. */
const char *h2_client_complaint(const struct h2_client *client, const char *otherwise);
/** Sends what there is to send, and tells users what is to be told; frees a client given up. */
void h2_client_settle(struct h2_client *client);
/** Sends what there is to send; users are told in the next turn: for what users call. */
void h2_client_push(struct h2_client *client);

#endif
