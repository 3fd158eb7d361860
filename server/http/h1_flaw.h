/**
 * What is wrong with one answer of HTTP/1, on purpose.
 *
 * The faults of HTTP/1 (server/fault/fault_http1.c) fill it in before the answer begins. Whoever
 * answers does what it would have done, and the codec of h1_flaw.c writes that as the struct says:
 * all that it does not name stays as it would be.
 *
 *     struct h1_flaws *flaws = h1_flaws(exchange);
 *     flaws->version = STR("HTTP/9.9");
 *
 * An answer that ends in the middle is cut by our side in the journal, with the bytes of its body
 * that were given to the connection.
 */
#ifndef GOTO_SERVER_HTTP_H1_FLAW_H
#define GOTO_SERVER_HTTP_H1_FLAW_H

#include "base/random.h"
#include "server/http/h1.h"

/** What comes instead of the answer; interim ones (1xx) do not come then either. */
enum h1_instead {
    H1_ANSWER,  /**< the answer itself */
    H1_NOTHING, /**< FIN */
    H1_GARBAGE, /**< `garbage` random bytes, then FIN */
};

/** How the head ends, and what follows. */
enum h1_head_end {
    H1_END_RIGHT,
    H1_END_STALL, /**< no empty line, then silence */
    H1_END_FIN,   /**< no empty line, then FIN */
    H1_END_BODY,  /**< no empty line, the body directly behind the last header */
};

/** What the head says of the body's length, and how the body is sent. */
enum h1_framing {
    H1_FRAMED_RIGHT,
    H1_FRAMED_CHUNKS, /**< chunks, for any version */
    H1_FRAMED_BOTH,   /**< `length_line`, and chunks */
    H1_FRAMED_LENGTH, /**< `length_line`; FIN behind the body */
};

/** Where a body is cut: FIN behind so many bytes, at the latest before the last one. An answer
 * without a body then ends before the empty line of its head. */
struct h1_cut {
    bool cuts;
    bool is_share;
    double share; /**< of the body, rounded down */
    uint64_t at;  /**< bytes */
};

/**
 * What is wrong; all 0 is nothing.
 *
 * Some texts differ from answer to answer: $v stands for the version, $c for the code, $r for the
 * reason of the status line; $l for the right content-length (0 where it is not known), $d for
 * `length_off` more; $n, $+ and $- for the size of a chunk, 16 more and 1 less, in hex, $N for 16
 * digits of it.
 */
struct h1_flaws {
    enum h1_instead instead;
    uint64_t garbage; /**< bytes */
    struct random random;

    struct str version;     /**< data NULL = "HTTP/1.1" */
    struct str status_line; /**< with its line end; data NULL = the right one */
    bool only_status_line;  /**< FIN behind it */
    struct str fields;      /**< bytes directly behind the status line */
    uint64_t flood;         /**< bytes of headers behind the others: lines "x-flood: aaa…" */
    uint64_t flood_line;    /**< bytes of each, with its line end; at least H1_LEAST_LINE */
    enum h1_head_end end;

    enum h1_framing framing;
    struct str length_line; /**< with its line end; may be several */
    int64_t length_off;

    struct h1_cut cut;
    struct str chunk_before; /**< the first chunk is this, its data and `chunk_after`, then FIN;
                                data NULL = it is right */
    struct str chunk_after;
    bool no_last_chunk; /**< FIN in its place */
    struct str extra;   /**< behind the body; counts as bytes of it */

    unsigned parts; /**< for who fills it in: what is taken */

    /* how far it is */
    struct h1_exchange *x;
    struct timer timer;  /**< ends what is over, or goes on with a flood, in a later turn: whoever
                            answers must not find itself gone within a call */
    bool over;           /**< nothing more is written */
    enum close_how how;  /**< how it then ends */
    uint64_t left;       /**< bytes of a flood or of garbage; all else waits for them */
    uint64_t line_left;  /**< of the flood's line */
    struct str head_end; /**< what comes behind the flood */
    bool ends_with_head; /**< and then the end, by `how` */
    bool half_due;       /**< of a tunnel: our half ends behind the flood */
    bool finished;       /**< the whole answer was given while a flood was under way */
    struct headers trailers; /**< with these; in the exchange's arena */
    uint64_t seen;           /**< body bytes given */
    bool length_known;       /**< and so that one more is to come, up to the cut */
    struct buf held;         /**< body bytes that wait */
    size_t held_from;        /**< those before are out */
};

enum {
    H1_LEAST_LINE = 16, /**< bytes of a flood's line */
    H1_MOST_HELD =
        16 << 20, /**< body bytes held back for a share of an unknown length; there the body ends */
};

/** The flaws of an answer that was not begun, made at the first call; its exchange is of HTTP/1. */
struct h1_flaws *h1_flaws(struct exchange *exchange);
/** The same if there are any, else NULL. */
struct h1_flaws *h1_flaws_of(const struct exchange *exchange);

/* For h1.c */

/** The stream's queue is low again: goes on with a flood. Whether one was under way. */
bool h1_flaws_writable(struct h1_exchange *x);
/** The exchange is freed. */
void h1_flaws_clear(struct h1_exchange *x);

#endif
