/**
 * A stage: what stands between a connection's socket and its protocol and sees every byte of both
 * directions: TLS, and what breaks the bytes below it.
 *
 *     socket  <->  queue  <->  bottom stage  <->  ...  <->  top stage  <->  protocol
 *
 * A stage hands bytes on by stage_in() and stage_out(), changed, later, or not at all. What it
 * holds back counts as queued, and delays the FIN of our side (at most as long as a queue does, or
 * until the stage goes on by itself: next_ns()); RST waits as long as it does for a queue, KILL
 * does not wait.
 *
 * What a protocol writes within one stream_enter() and stream_leave() comes to the top stage in one
 * out() where it fits into the bracket's buffer, and is followed by one flush() of each stage, from
 * the top down. in() and in_end() come within a bracket. out() and flush() may come outside of one,
 * from under a protocol's feet: so a stage does not call stream_close() in them, but from a timer
 * of its own. Such a timer brackets what it does, and may fire when the stream is closed already.
 */
#ifndef GOTO_SERVER_STREAM_STAGE_H
#define GOTO_SERVER_STREAM_STAGE_H

#include "server/stream/stream.h"

struct stage;

/** What a stage does. Those that may be NULL pass on. */
struct stage_type {
    const char *name;
    /** Bytes from the socket's side; it takes all of them. */
    void (*in)(struct stage *stage, struct str bytes);
    /** The peer's FIN, behind all its bytes. May be NULL. */
    void (*in_end)(struct stage *stage);
    /** Bytes from the protocol's side; it takes all of them. */
    void (*out)(struct stage *stage, const struct iovec *parts, int count);
    /** Our side ends by FIN: writes what belongs before it (a close_notify). May be NULL. */
    void (*out_end)(struct stage *stage);
    /** The bracket ends in which out() was called: what was kept for more to come goes on now. May
     * be NULL: nothing is. */
    void (*flush)(struct stage *stage);
    /** Bytes that wait here on their way to the socket. May be NULL: none ever do. */
    size_t (*held)(const struct stage *stage);
    /** Of those the bytes that writers have to mind (STREAM_HIGH_MARK). May be NULL: all. */
    size_t (*pressing)(const struct stage *stage);
    /** When what it holds of held() goes on by itself, monotonic; INT64_MAX: only once somebody
     * lets it, 0: it waits for the peer. May be NULL: always 0. */
    int64_t (*next_ns)(const struct stage *stage);
    /** Bytes that wait here on their way to the protocol; with what the protocol has not taken they
     * are bounded by STREAM_MOST_INPUT: beyond it nothing is read. May be NULL: none ever do. */
    size_t (*held_in)(const struct stage *stage);
    /** Bytes that came and that this stage keeps from the protocol, all of them and no others. May
     * be NULL: it keeps none. */
    size_t (*unread)(const struct stage *stage);
    /** The stream is gone, and its protocol before it: free it. Called exactly once, in a later
     * turn. */
    void (*gone)(struct stage *stage);
};

/** The head of every stage: first member of its own struct. */
struct stage {
    const struct stage_type *type;
    struct stream *stream;
    struct stage *up;   /**< towards the protocol; NULL = the protocol */
    struct stage *down; /**< towards the socket; NULL = the queue */
};

/** Puts a stage on top, directly below the protocol; the stream owns it from here. */
void stream_push_stage(struct stream *stream, struct stage *stage);

/**
 * Puts a stage at the bottom, directly above the socket, also of a stream that lives: what was
 * written before does not pass it.
 */
void stream_insert_stage(struct stream *stream, struct stage *stage);
/** Takes a stage out that holds nothing, and frees it by gone(). Not from one of its own calls. */
void stream_remove_stage(struct stage *stage);
/** Bytes that left the lowest stage, ever: sent, or queued behind it. */
uint64_t stream_passed_out(const struct stream *stream);
/**
 * FIN behind what the stages have let through so far, and nothing is written any more; reading goes
 * on. For the lowest stage, which from here on hands on no bytes.
 */
void stream_half_close(struct stream *stream);
/** A stage would have to hold more than it may: noted, and the connection ends as one whose queue
 * is full. */
void stream_overflow(struct stream *stream);

/** Hands bytes on to the next stage above, or to the protocol. */
void stage_in(struct stage *stage, struct str bytes);
/** Hands the peer's end on: to the protocol as protocol->ended(), and only once. */
void stage_in_end(struct stage *stage);
/** Hands bytes on to the next stage below, or to the socket; also while the stream is closing. */
void stage_out(struct stage *stage, const struct iovec *parts, int count);

/**
 * The stream gets another protocol, as TLS does once ALPN has chosen one: the old one's gone() is
 * called, then the new one's start().
 */
void stream_set_protocol(struct stream *stream, const struct protocol *protocol);

#endif
