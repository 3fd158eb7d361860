/**
 * What the files of HTTP/2 share: h2.c (connections and their end), h2_read.c (requests),
 * h2_write.c (answers), h2_look.c (what happened to them), h2_exchange.c (their memory),
 * h2_upgrade.c (h2c), h2_settings.c (SETTINGS, windows), h2_flood.c (frames again and again),
 * h2_error.c (names).
 *
 * Work is done in turns: h2_enter() … h2_leave(). Callbacks of nghttp2 only take notes: an exchange
 * to which something happened is put into the queue `due`, and looked at behind them, where
 * answers, observers of the journal and ends of connections may do what they like. A turn ends with
 * all frames in one write.
 */
#ifndef GOTO_SERVER_HTTP_H2_PRIVATE_H
#define GOTO_SERVER_HTTP_H2_PRIVATE_H

#include "base/buf.h"
#include "server/http/exchange.h"
#include "server/http/h2.h"
#include "server/server.h"

#include <nghttp2/nghttp2.h>

enum {
    H2_INLINE_HEADERS = 32,   /**< headers that need no arena */
    H2_MOST_HEADERS = 1000,   /**< of a request: 431 beyond */
    H2_KEPT_BUFFER = 4096,    /**< a larger buffer is not kept with an unused exchange */
    H2_KEPT_EXCHANGES = 1024, /**< unused exchanges kept by a server */
    H2_STREAMS = 100,         /**< requests at a time on a connection */
    H2_MOST_STREAMS = 10000,  /**< the most that a fault may announce and get */
    H2_PAST = 1024,           /**< streams remembered: struct h2_past */
    H2_WRITE = 64 * 1024,     /**< bytes of frames in one write */
    H2_WHY = 256,             /**< the longest reason kept of what nghttp2 says */
};

/** Why a body is refused. */
#define H2_TOO_LARGE "the body is larger than the limit `body-size`"

struct h2_exchange;

/** Where the client's bytes are in their frames. */
struct h2_framing {
    uint32_t skip;     /**< bytes up to the next frame's head: of the preface, or a payload */
    uint8_t head_size; /**< bytes of a head that came */
    uint8_t head[9];
};

/**
 * What is remembered of the newest streams of the client: nghttp2 forgets those that are closed and
 * overlooks what comes on them, but a client that sends more behind its own end is wrong (RFC 9113
 * section 5.1). One bit for each stream, by half its id.
 */
struct h2_past {
    uint32_t newest;                 /**< the highest id that was opened; 0 = none */
    uint64_t opened[H2_PAST / 64];   /**< not skipped */
    uint64_t given_up[H2_PAST / 64]; /**< closed by our side: more may be under way */
};

/** The protocol's state of one connection. */
struct h2 {
    struct stream *stream;
    nghttp2_session *session;
    struct h2_exchange *oldest; /**< all exchanges, in the order their requests began */
    struct h2_exchange *newest;
    size_t count;
    size_t most;             /**< exchanges at a time */
    size_t reading;          /**< of them: requests not whole yet */
    struct h2_exchange *due; /**< those to be looked at, in order */
    struct h2_exchange *due_last;
    struct h2_exchange *current; /**< whose headers are coming */
    struct h2_exchange *looking; /**< whose tunnel is given bytes; NULL once it is freed */
    struct h2_framing framing;
    struct h2_past past;
    struct timer timer;  /**< the nearest of the limits idle, read, life, and of the drain's wait */
    struct timer soon;   /**< frames wait for what else this turn of the loop brings */
    struct buf raw;      /**< bytes that wait to be put behind the frames before them */
    struct buf settings; /**< a SETTINGS frame to be sent instead of nghttp2's first */
    int64_t
        final_ns;   /**< when the second GOAWAY of a drain goes, if not asked for before; 0 = no */
    uint16_t turns; /**< h2_enter() calls under way */
    size_t lingering; /**< refused requests that are to be reset */
    bool upgrading;   /**< upgraded, and the client's preface has not come */
    bool receiving;   /**< nghttp2_session_mem_recv() is running */
    bool flushing;    /**< nghttp2_session_mem_send() is running */
    bool draining;    /**< a graceful end was asked for */
    bool final;       /**< no new request is taken any more: GOAWAY with a last stream was queued */
    bool told;        /**< a GOAWAY of ours was sent */
    bool ending;      /**< the connection ends once that is sent, whatever is under way */
    bool keep;        /**< the connection stays behind a GOAWAY */
    struct h2_silence silence;
    bool holds_window;     /**< no WINDOW_UPDATE leaves */
    uint64_t held;         /**< of the connection's window: what would have been given since */
    size_t unacknowledged; /**< SETTINGS whose acknowledgement nghttp2 expects */
    size_t owed;           /**< SETTINGS of floods that it does not know of; not acknowledged */
    size_t ghosts;         /**< SETTINGS of it that are not to leave */
    struct h2_flooding *floods; /**< oldest first */
    unsigned ours;              /**< GOAWAY frames queued that we asked for, not nghttp2 */
    char why[H2_WHY];           /**< what nghttp2 said last of what it refuses */
};

/** An exchange with what reading and answering it takes. */
struct h2_exchange {
    struct exchange exchange;
    struct h2 *h2;
    struct h2_exchange *previous; /**< of the connection */
    struct h2_exchange *next;     /**< of the connection; or unused */
    struct h2_exchange *due_previous;
    struct h2_exchange *due_next;
    int64_t began_ns;  /**< monotonic: its HEADERS came; or from when on the time of `limits.read`
                          counts */
    uint64_t declared; /**< the size of the body that its head tells, until it was looked at */
    int64_t linger_ns; /**< monotonic: when the refused request is reset; 0 = not yet answered */
    size_t head_size;  /**< bytes of names and values, and 4 for each header */
    size_t fields;     /**< headers and trailers seen */
    size_t cookies;    /**< Cookie headers among them */
    size_t kept_count; /**< texts of nghttp2 that the request points into */
    size_t kept_capacity;
    nghttp2_rcbuf **kept;
    struct buf body; /**< of the request */
    struct buf out;  /**< of the answer's body: what was not yet put into frames, from `out_at` */
    size_t out_at;
    struct headers trailers; /**< of the answer */
    unsigned refusal;        /**< the request is to be refused with this status … */
    const char *refusal_why;
    bool is_due;  /**< in the queue; why: */
    bool arrived; /**< the request came whole and was not given away */
    bool more;    /**< more of the request came, which is not whole; of a tunnel: bytes, its end */
    bool connect; /**< CONNECT: `body` holds what comes in the tunnel */
    bool half;    /**< of a tunnel: the client's half has ended, and its owner was not told */
    bool sent;    /**< the last frame of the answer was sent */
    bool closed;  /**< nghttp2 has closed the stream */
    bool low;     /**< its body may be written again */
    bool is_reading; /**< counted in h2->reading */
    bool ended;      /**< the client's FIN or RST came, and the exchange was not told */
    bool whole;      /**< the request was read whole */
    bool refused;    /**< it was refused: the answer is ours */
    bool reset;      /**< the client's RST_STREAM came */
    bool head_done;  /**< the final HEADERS were submitted */
    bool deferred;   /**< nghttp2 waits for more of the body */
    bool finished;   /**< no more of the answer comes */
    bool was_high;
    uint64_t held;           /**< of its stream's window: what was not given */
    bool cuts;               /**< its answer is to be cut within: */
    bool cut_due;            /**< now, */
    enum h2_cut_how cut_how; /**< in this way, */
    uint32_t cut_code;       /**< with this code, */
    uint64_t cut_at;         /**< behind so many bytes of the body … */
    uint64_t framed;         /**< … of which so many are in frames */
    uint64_t frame_most;     /**< bytes of one DATA frame; 0 = as many as may be */
    bool bodiless;           /**< the answer has no body on the wire */
    bool is_head;            /**< a HEAD request */
    bool close;              /**< GOAWAY behind the answer */
    nghttp2_rcbuf *inline_kept[2 * H2_INLINE_HEADERS];
    struct header inline_headers[H2_INLINE_HEADERS];
};

/* h2.c */

/** Begins and ends a turn. Behind h2_leave() the connection may be gone. */
void h2_enter(struct h2 *h2);
void h2_leave(struct h2 *h2);
/** Writes the frames that are ready now, if that is allowed here. */
void h2_flush(struct h2 *h2);
/** Submits RST_STREAM for a stream; nghttp2's notice of it finds no exchange. */
void h2_submit_reset(struct h2 *h2, int32_t stream_id, uint32_t code);
/** Whether a stream was reset by h2_submit_reset(), by what nghttp2 keeps for it. */
bool h2_reset_is_ours(const void *stream_user_data);
/** Submits GOAWAY as h2_goaway() says, within a turn. */
void h2_submit_goaway(struct h2 *h2, uint32_t code, int64_t last, struct str debug);
/**
 * The request of an upgrade becomes stream 1. Its texts live in the arena, which is the exchange's
 * from here, as is the body.
 */
void h2_upgraded(struct stream *stream, struct str settings, const struct request *request,
                 struct arena *arena, struct buf *body);
/** Journals that a request broke HTTP/2 or a limit. */
void h2_journal_refused(struct h2 *h2, unsigned status, struct str why);
const struct limits *h2_limits(const struct h2 *h2);

/* h2_look.c */

/** Has the exchange looked at. */
void h2_notice(struct h2_exchange *x);
/** Answered, but the client has not ended its request: the stream is reset a little later. */
void h2_linger(struct h2_exchange *x);
/** Looks at the next one that is due. */
void h2_look(struct h2 *h2);

/* h2_read.c */

/** Sets the callbacks that read. */
void h2_set_read_callbacks(nghttp2_session_callbacks *callbacks);
/** Prepares what depends on the whole head; refuses, or waits for the body. */
void h2_head_whole(struct h2_exchange *x, bool ended);
/** Gives bytes to nghttp2. Returns 0, or the error with which it gave the session up. */
int h2_feed(struct h2 *h2, struct str bytes);
/** Remembers that the client opened a stream. */
void h2_past_open(struct h2_past *past, uint32_t stream_id);
/** The request is whole: it is given away when the exchange is looked at. */
void h2_request_whole(struct h2_exchange *x);
/** Tells a client that waits for it that the body may come. */
void h2_continue(struct h2_exchange *x);
/** The request is refused when the exchange is looked at. */
void h2_refuse(struct h2_exchange *x, unsigned status, const char *why);

/* h2_write.c */

extern const struct exchange_codec h2_codec;
/** Sets the callbacks that write. */
void h2_set_write_callbacks(nghttp2_session_callbacks *callbacks);
/** Takes the next frame out of nghttp2, behind `out`; false when there is none. */
bool h2_take_frame(struct h2 *h2, struct buf *out);
/** Answers a refused request. */
void h2_write_refusal(struct h2_exchange *x);

/* h2_settings.c */

/** Appends the last `bytes` bytes of a number, in the order of the network. */
void h2_append_number(struct buf *into, uint32_t number, int bytes);
/** Appends the head of a frame on stream 0, without flags. */
void h2_append_frame_head(struct buf *into, size_t size, uint8_t type);
/** Gives a window what it was not given; for what is put behind the frames before. */
void h2_append_window_update(struct buf *into, uint32_t stream_id, uint64_t *held);
/** Submits the settings that a connection begins with. */
void h2_begin_settings(struct h2 *h2, const struct h2_begin *begin);

/* h2_flood.c */

/** Appends frames of floods that may leave; true when more are ready. */
bool h2_floods_take(struct h2 *h2, struct buf *out);
/** Whether all other frames have to wait for a flood to end. */
bool h2_floods_hold(const struct h2 *h2);
/** Ends all. */
void h2_floods_stop(struct h2 *h2);
/** Has nghttp2 expect the next acknowledgement of SETTINGS that are not its own. */
void h2_cover_settings(struct h2 *h2);

/* h2_exchange.c */

/** An exchange for a stream whose request begins, and back. */
struct h2_exchange *h2_exchange_new(struct h2 *h2, int32_t stream_id);
void h2_exchange_free(struct h2_exchange *x);
/** The request is not awaited any more: it is whole, or refused. */
void h2_exchange_was_read(struct h2_exchange *x);
/** Keeps a text of nghttp2 as long as the exchange. */
struct str h2_exchange_keep(struct h2_exchange *x, nghttp2_rcbuf *text);
/** Adds a header or trailer. */
void h2_exchange_add(struct h2_exchange *x, struct headers *headers, struct str name,
                     struct str value);
struct h2_exchange *h2_exchange_of(struct exchange *exchange);

#endif
