/**
 * An exchange: one request and its answer, whatever version of HTTP carries it.
 *
 * The codec (h1.c, h2.c) makes an exchange when a request's head came, fills the request,
 * and hands it over by exchange_arrived() when it was read whole. The exchange is journalled, held
 * while actions that its arrival triggered are not done, and then given to the port's upstream,
 * which answers by the calls below. The codec frees it when it ended: answered whole, cut, or its
 * connection gone.
 *
 * A request that is sent on while it comes may have an answer before it is whole. It arrives then
 * (exchange_arrive_early()), and its codec goes on reading, also when all of the answer was given:
 * the entry of the request gets the rest of it when that is whole.
 *
 *     exchange_head(exchange, &head);
 *     exchange_body(exchange, STR("hello"));
 *     exchange_finish(exchange, NULL);
 */
#ifndef GOTO_SERVER_HTTP_EXCHANGE_H
#define GOTO_SERVER_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "server/http/message.h"
#include "server/stream/stream.h"

struct exchange;
struct grpc_call;
struct grpc_pass;
struct route;
struct static_answer;

/** How a protocol on top of HTTP takes part in the exchanges of a port: gRPC. */
struct exchange_calls {
    /** More of a request was read, which is not whole: request.body holds what came. Whether it is
     * passed on as any request is that forwards. */
    bool (*reads)(struct exchange *exchange);
    /** It is whole, or codec->early() was called, and not journalled. Whether it was answered, or
     * will be: it is no request of the port then. */
    bool (*arrived)(struct exchange *exchange);
    /** What is journalled of one that was passed on as it came: it may make the body of `shown`
     * another one, and say that no more belongs to it. Whether it did: what comes does not change
     * it any more. */
    bool (*shows)(struct exchange *exchange, struct request *shown);
    /** The bound of a request's body, where the limit says `body_size`. */
    size_t (*body_most)(const struct exchange *exchange, size_t body_size);
    /** The grpc-status of what is refused with that status of HTTP. */
    int (*refusal)(unsigned status);
};

/** The head of an answer. */
struct response_head {
    unsigned status;
    struct str reason; /**< data NULL = the usual one */
    const struct headers
        *headers; /**< all but framing; may hold content-length or transfer-encoding written by
                     hand, which then are sent instead of the right ones */
    int64_t content_length; /**< of the body that follows; -1 = not known: chunked, or until close
                               for HTTP/1.0 */
    bool chunked;           /**< use chunks although the length is known (HTTP/1.1) */
    bool close;             /**< end the connection after this answer */
    bool no_framing; /**< neither content-length nor transfer-encoding: dropped by the user's null;
                          the body then ends with the connection */
    bool no_date;    /**< the user dropped the date header */
};

/** What a codec does for its exchanges. */
struct exchange_codec {
    void (*informational)(struct exchange *exchange, unsigned status,
                          const struct headers *headers);
    void (*head)(struct exchange *exchange, const struct response_head *head);
    void (*body)(struct exchange *exchange, struct str bytes);
    void (*finish)(struct exchange *exchange, const struct headers *trailers);
    /** The exact bytes; NULL where the protocol has no such thing: the exchange is cut. */
    void (*raw)(struct exchange *exchange, struct str bytes);
    /** Ends without completing: HTTP/1 ends the connection that way, HTTP/2 by KILL, else it resets
     * the stream; KEEP leaves it silent. */
    void (*cut)(struct exchange *exchange, enum close_how how);
    /** A whole answer, serialised before. This, raw() and finish() set exchange->sending where the
     * end of the answer waits in the codec, which calls exchange_sent() once it is out. */
    void (*whole)(struct exchange *exchange, const struct static_answer *answer);
    /** Bytes of the answer that wait to be sent; NULL: those of the stream. */
    size_t (*queued)(const struct exchange *exchange);
    /** The head that makes a tunnel (101, or 2xx to CONNECT): from here body() sends the bytes as
     * they are, and the client's go to exchange->tunnel. NULL: the protocol has no such thing.
     * Returns false where the codec ends the connection within or instead of the head. */
    bool (*tunnel)(struct exchange *exchange, const struct response_head *head);
    /** In a tunnel: our half ends. */
    void (*tunnel_end)(struct exchange *exchange);
    /** Bytes of a tunnel that were not taken are offered again; a request that stopped is read on.
     */
    void (*resume)(struct exchange *exchange);
    /** Of a request that is not whole: it counts as that with what came, which was taken; what
     * comes behind goes to exchange->tunnel once the answer has begun and resume() was called.
     * NULL: the protocol has no such thing. */
    void (*early)(struct exchange *exchange);
    /** The exchange was answered whole and journalled: free it, go on with the connection (`close`:
     * end it). One whose request is `coming` is read on, and this is called again. */
    void (*done)(struct exchange *exchange, bool close);
};

/** What the owner of a tunnel hears of its client. */
struct exchange_tunnel {
    /** Bytes. Returns how many were taken: the rest is offered again on exchange_tunnel_resume().
     */
    size_t (*bytes)(struct exchange *exchange, struct str bytes);
    /** The client's half has ended, and all of its bytes were taken. */
    void (*ended)(struct exchange *exchange);
};

/**
 * What stands between who answers and the codec, and may change the answer: exchange_head(), body()
 * and finish() come here, in the states in which they may; what is to go on is given to
 * exchange_pass_head() and so on. Other answers (static, raw, tunnels) pass it by.
 */
struct exchange_filter {
    void (*head)(struct exchange *exchange, const struct response_head *head);
    void (*body)(struct exchange *exchange, struct str bytes);
    void (*finish)(struct exchange *exchange, const struct headers *trailers);
};

enum exchange_state {
    EXCHANGE_READING,   /**< the request is not whole yet */
    EXCHANGE_HELD,      /**< it is; actions it triggered are not done */
    EXCHANGE_WAITING,   /**< given to the upstream; no byte of the answer yet */
    EXCHANGE_ANSWERING, /**< the head was sent */
    EXCHANGE_SENDING,   /**< all of the answer was given; its end waits in the codec */
    EXCHANGE_ENDED,     /**< whole or cut; the codec will free it */
};

struct exchange {
    struct stream *stream;
    const struct exchange_codec *codec;
    void *codec_state;
    struct request request;
    struct arena *arena; /**< made by exchange_arena() at the first need; freed with the exchange */
    uint64_t number;     /**< of the request on its port, from 1 */
    uint64_t entry;      /**< number of its journal entry */
    uint32_t stream_id;  /**< of HTTP/2; 0 for others */
    int64_t whole_ns;    /**< monotonic: the request arrived: it was read whole, or `coming` */
    int64_t first_byte_ns; /**< monotonic: first byte of the final answer; 0 = none yet */
    enum exchange_state state;
    bool aborted;       /**< the peer's FIN or RST came before the answer was whole */
    unsigned status;    /**< answered */
    uint64_t body_sent; /**< body bytes given to exchange_body() */
    /** Of the request's body: what came behind request.body and was not passed on yet. */
    struct buf over;
    size_t over_at;       /**< of it was passed on */
    uint64_t over_passed; /**< the same, and what was dropped from it */
    struct hold *hold;
    /** Of a request that was given to its responder before it was whole: its route, and what that
     * captured of the path. NULL: it was not. */
    struct route *streams;
    const struct headers *captures;
    void *responder; /**< the upstream's: what is answering */
    /**
     * Stop: the exchange is going away. Called once, however it ended (also within
     * exchange_finish() and the like), unless set to NULL before. May be NULL.
     */
    void (*responder_gone)(struct exchange *exchange);
    void (*responder_writable)(
        struct exchange *exchange); /**< the queue is low again; may be NULL */
    /** The client closed its side before the answer was whole (the exchange goes on by itself for
     * who only closed its sending side); may be NULL. */
    void (*responder_left)(struct exchange *exchange);
    /** More of a request that streams was read, or its end: exchange_request_bytes(). */
    void (*responder_request)(struct exchange *exchange);
    const struct exchange_tunnel *tunnel; /**< NULL: it is none */
    const struct exchange_filter *filter; /**< NULL: none */
    struct grpc_pass *pass;               /**< of the filter of gRPC; NULL: it is none of that */
    struct grpc_call *call;               /**< NULL: it is none of gRPC */
    struct str verdict; /**< what the answer came to, beside its status; data NULL = nothing; lives
                           as long as the exchange */
    int64_t not_before_ns; /**< monotonic: the answer is held back until then; 0 = it is not */
    bool offered;          /**< whether it streams was asked */
    bool unbounded;        /**< of a request that streams: there is no limit to its body */
    bool coming;           /**< it arrived before it was whole, and is not whole yet */
    bool early;            /**< it arrived so */
    bool stops;            /**< of a request that streams: no more of it is read for now */
    bool sending;          /**< set by the codec: see finish() */
    bool telling;          /**< its journal entry is being told to observers */
    bool reused;           /**< its connection had a request before */
    bool journalled;       /**< the entry of its answer was written */
    bool by_hand;          /**< its answer is to be `raw`: it has no head or framing of ours */
    char client[STREAM_ADDRESS_SIZE]; /**< filled by exchange_client() */
};

/** The exchange's arena. */
struct arena *exchange_arena(struct exchange *exchange);

/**
 * Called by the codec: the head was read, and request.body holds what came of the body, which is
 * not whole. An upstream that forwards it may begin at once (LANGUAGE section 5): the far side gets
 * the body as it comes, but for its end, which waits as the answer does until the request was read
 * whole and nothing holds it. So actions that its arrival triggers can still change the answer.
 */
void exchange_partly_read(struct exchange *exchange);
/** Called by the codec before it frees an exchange whose request was not read whole. */
void exchange_forgotten(struct exchange *exchange);
/** Called by the codec: bytes of the body came. They are appended to its buffer `body`, as far as
 * that goes; what is beyond waits to be passed on. False: they are beyond the limit. */
GOTO_MUST_USE bool exchange_take_body(struct exchange *exchange, struct buf *body,
                                      struct str bytes);
/** Called by the codec, of a body that tells its size and is not whole: whether that is allowed. */
GOTO_MUST_USE bool exchange_allows_body(struct exchange *exchange, const struct buf *body,
                                        uint64_t size);
/** Whether the codec is to count the time since the request began: what is sent on as it comes has
 * only to go on coming, unless `limits.read` is written. False: no time is counted. */
bool exchange_is_timed(const struct exchange *exchange, bool *since_last_byte);
/** Of a request that streams: bytes of its body behind the first `at`; those are not asked for
 * again. Empty: none are there now. */
struct str exchange_request_bytes(struct exchange *exchange, uint64_t at);
/** The same without forgetting what is before: for who looks at what is passed on. Empty: they did
 * not come, or are forgotten. */
struct str exchange_request_peek(const struct exchange *exchange, uint64_t at);
/** Whether all that is known of the request's body is there, though more of it comes. */
bool exchange_shows_body(struct exchange *exchange);
/** An answer is there that does not wait for the end of the request: it arrives now, and is given
 * to the upstream when nothing holds it. */
void exchange_arrive_early(struct exchange *exchange);
/** Whether it was read whole. */
bool exchange_request_is_whole(const struct exchange *exchange);
/** Stops reading a request that streams, and goes on. */
void exchange_stop(struct exchange *exchange, bool stops);
/** Called by the codec: the request is whole. Journals it, holds or dispatches it; or the rest of
 * one that arrived early. The exchange may be freed. */
void exchange_arrived(struct exchange *exchange);
/**
 * Called by the codec before it frees the exchange; journals the answer if that is not done.
 * `aborted`: by the peer; else it was cut by our side, whose entry is CLOSED_BY_SERVER and not
 * ABORTED.
 */
void exchange_gone(struct exchange *exchange, bool aborted);
/**
 * Called by the codec when the peer's FIN came while the exchange was not answered: it is aborted
 * and journalled so at once. It goes on: who only closed its sending side still gets the answer.
 */
void exchange_peer_ended(struct exchange *exchange);
/** Called by the codec: the end of an answer that was `sending` is out. The exchange may be freed.
 */
void exchange_sent(struct exchange *exchange);
/** Called by hold_release(): nothing holds the request any more. */
void exchange_released(struct exchange *exchange);

/** A 1xx answer; not allowed once the head was sent. */
void exchange_informational(struct exchange *exchange, unsigned status,
                            const struct headers *headers);
void exchange_head(struct exchange *exchange, const struct response_head *head);
/** Body bytes (copied as needed). For HEAD, 1xx, 204 and 304 they are counted but not sent. */
void exchange_body(struct exchange *exchange, struct str bytes);
/** The answer is whole; journals it. `trailers` may be NULL; they need chunks (HTTP/1.1). The
 * exchange may be freed. */
void exchange_finish(struct exchange *exchange, const struct headers *trailers);

/** For a filter: to the codec. */
void exchange_pass_head(struct exchange *exchange, const struct response_head *head);
void exchange_pass_body(struct exchange *exchange, struct str bytes);
void exchange_pass_finish(struct exchange *exchange, const struct headers *trailers);

/**
 * The fast path: a whole answer serialised before. `head` is everything after the status line and
 * the date
 * ("content-type: ...\r\n...\r\n\r\n"), `status_line` "HTTP/1.1 200 OK\r\n"; the codec adds the
 * date and, where needed, "connection: close". The exchange may be freed.
 */
struct static_answer {
    unsigned status;
    struct str status_line;
    struct str head;
    struct str body;
    const struct headers *headers; /**< the same for codecs that do not use the text */
    bool close;
};
void exchange_static(struct exchange *exchange, const struct static_answer *answer);

/** The exact bytes as the answer (HTTP/1); then the exchange is over, the connection stays unless
 * `close`. HTTP/2 has no such thing: it is noted in the journal, and the exchange is cut. */
void exchange_raw(struct exchange *exchange, unsigned status, struct str bytes, bool close);
/**
 * Answers by a head that makes the connection (or the stream of HTTP/2) a tunnel, and journals
 * that. exchange_body() sends bytes; responder_writable() and responder_gone() are as ever. It ends
 * by exchange_finish(), once both halves have ended, or by exchange_cut().
 *
 * @return false when the client's protocol has no such thing: nothing was done
 */
GOTO_MUST_USE bool exchange_tunnel(struct exchange *exchange, const struct response_head *head,
                                   const struct exchange_tunnel *tunnel);
/** In a tunnel: our half ends behind what was sent. */
void exchange_tunnel_end(struct exchange *exchange);
/** In a tunnel: takes bytes again. */
void exchange_tunnel_resume(struct exchange *exchange);
/** Ends the exchange and its connection without completing; journals it. The exchange may be freed.
 */
void exchange_cut(struct exchange *exchange, enum close_how how);
/** Bytes queued on its connection: writers pause above STREAM_HIGH_MARK until responder_writable().
 */
size_t exchange_queued(const struct exchange *exchange);
/** "127.0.0.1" and the port of the peer. */
struct str exchange_client(struct exchange *exchange, uint16_t *port);

/** The HTTP/1 protocol for a port's streams; port->owner is a struct upstream. */
extern const struct protocol h1_protocol;

#endif
