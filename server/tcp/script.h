/**
 * A script: what is sent on a connection and what is waited for, one after the other (LANGUAGE
 * 3.3). The `script:` of an upstream runs on each connection that it accepts, the `steps` of the
 * `tcp` verb on the one that it makes; both are streams.
 *
 *     script_start(&run, stream, script, &user, context);
 *     … protocol->bytes() → script_bytes(), and so on, until user->ended() or script_stop()
 *
 * What a receive does not consume stays with the stream (STREAM_MOST_INPUT, then in the kernel of
 * the peer), so a script that sleeps holds nothing. `receive: {bytes}` and `{until}` keep nothing
 * of what they consume; `receive: PREDICATE` keeps what came since the last receive, at most
 * SCRIPT_MOST_KEPT bytes: beyond it fails.
 *
 * What the language leaves open is decided so:
 * - A predicate is tried first on what came before the receive was reached, if anything did. When
 * the peer ends with nothing more sent, it is tried on a missing value: `receive: {exists: false}`
 * waits for the end.
 * - `repeat` without `times` goes on until the peer ends: an end in the place of the first byte of
 * a receive that begins an iteration is the end of the script, and so is one between two
 * iterations.
 * - A peer that ended while the script sends or sleeps may read on: the script goes on, and only a
 * receive that follows fails. After RST nobody reads: it fails at the next receive at once, or is
 * over where there is none.
 */
#ifndef GOTO_SERVER_TCP_SCRIPT_H
#define GOTO_SERVER_TCP_SCRIPT_H

#include "base/buf.h"
#include "base/random.h"
#include "schema/table.h"
#include "server/stream/stream.h"

struct script_item;

/** A script as read. */
struct tcp_script {
    struct list items; /**< of struct script_item */
    struct place place;
};

/** [struct tcp_script] a list of items, not empty. */
extern const struct type script_type;

enum {
    SCRIPT_MOST_KEPT = 1024 * 1024, /**< what a receive by a predicate keeps */
    SCRIPT_MOST_UNTIL = 64 * 1024,  /**< the longest delimiter */
    SCRIPT_DEPTH = 8,               /**< of repeats within each other */
    SCRIPT_SHOWN = 256,             /**< of what came, in messages */
};

enum script_failure {
    SCRIPT_OK,
    SCRIPT_PEER_ENDED, /**< FIN before the receive had what it waits for */
    SCRIPT_PEER_RESET,
    SCRIPT_TIMEOUT,   /**< of the receive */
    SCRIPT_TOO_LARGE, /**< SCRIPT_MOST_KEPT */
};

/** How a script ended. Texts are borrowed until the callback returns. */
struct script_end {
    enum script_failure failure;
    struct place place;  /**< of the value of the receive that failed */
    struct str expected; /**< "text up to \"\\r\\n\"", "4 bytes"; of SCRIPT_OK empty */
    struct str actual;   /**< "\"HELO\", then the peer closed the connection" */
    /** How the script wants the connection to end: CLOSE_FIN, also where it just came to its end;
     * CLOSE_RST of `reset`. */
    enum close_how how;
    bool asked; /**< by `close` or `reset`; false: the script came to its end */
};

/** What the owner of a run does. */
struct script_user {
    /** It is over; nothing is called any more. The stream is the owner's to be closed. */
    void (*ended)(void *context, const struct script_end *end);
    /** Bytes that a receive consumed, before anything follows from it; NULL = nobody asks. */
    void (*took)(void *context, struct str bytes);
    /** It begins to sleep, or ends that; NULL = nobody asks. */
    void (*slept)(void *context, bool sleeps);
    int64_t (*receive_ns)(void *context); /**< the longest a receive may take, 0 = no limit; NULL =
                                             none has one */
};

enum script_state {
    SCRIPT_GOING,     /**< from item to item */
    SCRIPT_SENDING,   /**< the peer reads too slowly */
    SCRIPT_RECEIVING, /**< */
    SCRIPT_SLEEPING,
    SCRIPT_OVER,
};

/** A list of items that is gone through. */
struct script_frame {
    const struct list *items;
    size_t at;
    uint64_t left; /**< iterations after this one */
    bool endless;
};

/** A script on a connection; embedded in what its protocol keeps. */
struct script_run {
    struct stream *stream;
    const struct script_user *user;
    void *context;
    struct script_frame frames[SCRIPT_DEPTH + 1];
    size_t depth; /**< the frame under way */
    enum script_state state;
    const struct script_item *item; /**< under way: a receive or a sleep */
    struct str unsent;              /**< of the send under way */
    struct buf kept;                /**< what came since the last receive, of a predicate */
    char shown[SCRIPT_SHOWN];       /**< the beginning of what the receive consumed */
    uint64_t taken;                 /**< bytes that the receive consumed */
    size_t matched;                 /**< of the delimiter */
    struct timer timer;             /**< of a sleep, a receive, or of the next turn */
    struct random random;           /**< of sleeps */
    bool running;                   /**< items are gone through */
    bool fresh; /**< an iteration of an endless repeat begins, and nothing of it came yet */
};

/**
 * Begins; may end before it returns. `key` and `number` are of what is drawn: the port and the
 * connection.
 */
void script_start(struct script_run *run, struct stream *stream, const struct tcp_script *script,
                  const struct script_user *user, void *context, struct str key, uint64_t number);
/** protocol->bytes(). */
size_t script_bytes(struct script_run *run, struct str bytes);
/** protocol->writable(). */
void script_writable(struct script_run *run);
/** protocol->ended(). */
void script_peer_ended(struct script_run *run, bool reset);
/** The receive under way fails: a limit of the owner ran out. Nothing if there is none. */
void script_time_out(struct script_run *run);
/** Ends it without a word, and frees what it holds; again is allowed. */
void script_stop(struct script_run *run);

/** Whether it is between two iterations of an endless repeat, or over. */
bool script_is_idle(const struct script_run *run);
/** The place of the receive that it waits in, or that would follow; false: there is none that has
 * to come. */
bool script_lacks(const struct script_run *run, struct place *place);
/** What it waits for, in words: "4 bytes"; nothing is added when it waits for nothing. */
void script_describe(const struct script_run *run, struct buf *into);

#endif
