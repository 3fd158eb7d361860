/**
 * A connection as a stream of bytes: the socket, the stages between it and the protocol, and its
 * end.
 *
 * A stream reads while its protocol takes, queues what the protocol writes (bounded:
 * STREAM_MOST_QUEUED), and ends in one of the ways that tests need: FIN, RST, as a killed server.
 * Protocols are vtables: a port gives each new stream the protocol it has at that moment.
 *
 *     socket  <->  stages (stage.h: TLS, faults)  <->  protocol
 */
#ifndef GOTO_SERVER_STREAM_STREAM_H
#define GOTO_SERVER_STREAM_STREAM_H

#include "base/loop.h"
#include "base/str.h"

#include <sys/uio.h>

struct fault_strikes;
struct port;
struct server;
struct stage;
struct stream;
struct tls_info;

/** How a connection is ended (LANGUAGE section 7, "fin means …"). */
enum close_how {
    CLOSE_FIN,   /**< after what is queued: FIN, then read on until the peer closes, at most 1 s */
    CLOSE_RST,   /**< wait until the peer acknowledged what was written (at most 1 s, journalled if
                    missed), then RST */
    CLOSE_KILL,  /**< what the kernel does to a killed server: close(2) at once; queued bytes are
                    lost */
    CLOSE_DRAIN, /**< finish what is under way, then FIN */
    CLOSE_KEEP,  /**< leave it */
};

/** What a protocol does with a stream. All are called on the loop's thread. */
struct protocol {
    const char *name; /**< "http" */
    /** A connection was accepted. Returns the protocol's state, kept in stream->state. */
    void *(*start)(struct stream *stream);
    /** Bytes came. Returns how many were taken; the rest is offered again with what comes, or on
     * stream_resume(). */
    size_t (*bytes)(struct stream *stream, struct str bytes);
    /** The queue fell below its low mark. */
    void (*writable)(struct stream *stream);
    /**
     * The peer sent FIN (`reset` false) or RST; nothing more will come but what `input` holds. The
     * protocol decides about its own side; after RST the stream goes away by itself. When a FIN is
     * seen behind bytes that are not read yet, this is called at once, and again (with
     * stream->peer_ended) when they were read.
     */
    void (*ended)(struct stream *stream, bool reset);
    /** The stream is being closed by our side: from now on writes are ignored and bytes are not
     * offered. */
    void (*closing)(struct stream *stream);
    /** A graceful end is asked for: finish what is under way, then stream_close(FIN). */
    void (*drain)(struct stream *stream);
    /** Whether the connection is idle: no request is under way. */
    bool (*is_idle)(const struct stream *stream);
    /**
     * The socket may have bytes and nothing stands between it and the protocol: no stage, nothing
     * that was read ahead. The protocol may take them off the socket by itself (splice.h).
     *
     * @return false: they are read and offered as usual; else *got is what a recv() would have
     * returned: bytes, 0 for FIN, a negative errno, -EAGAIN for nothing
     */
    bool (*pull)(struct stream *stream, ssize_t *got);
    /**
     * The connection is to end behind bytes that were offered and not taken yet: takes them now.
     * May be NULL: they are lost.
     *
     * @return false: it cannot yet, and is asked again for a while
     */
    bool (*settle)(struct stream *stream);
    /** The stream is gone; free the state. Called exactly once for each start(). */
    void (*gone)(struct stream *stream);
};

/** The peer's address. */
struct stream_peer {
    uint8_t address[16]; /**< IPv4: the first four */
    uint16_t port;
    bool v6;
};

/** A connection. Fields are read by protocols, written by stream.c only, but `state` and the
 * timers' use. */
struct stream {
    struct watcher watcher;
    struct server *server;
    struct port *port; /**< that accepted it; NULL = we connected it: stream_dial() */
    const struct protocol *protocol;
    void *state;                /**< the protocol's */
    void *owner;                /**< of one that we connected: who did; else NULL */
    struct stage *top;          /**< directly below the protocol; NULL = no stages */
    struct stage *bottom;       /**< directly above the socket */
    const struct tls_info *tls; /**< once a handshake stood; NULL = in clear */
    struct stream *previous;
    struct stream *next;        /**< in the port's list, oldest first */
    uint64_t number;            /**< on its port, from 1; of one that we connected: that of the
                                   connection that it is for; 0 = none */
    uint64_t entry;             /**< in the journal: that it was accepted, or stands; 0 = not yet */
    int64_t accepted_ns;        /**< monotonic */
    int64_t active_ns;          /**< monotonic: the last time bytes moved */
    uint64_t received;          /**< bytes from the peer */
    uint64_t sent;              /**< bytes accepted by the kernel */
    struct stream_queue *queue; /**< what waits to be written; NULL when empty */
    struct stream_soon *soon;   /**< what waits above the stages for more; NULL when none */
    struct stream_input
        *input; /**< bytes not yet taken; NULL when none: an idle connection holds no buffer */
    struct stream_end *end;       /**< a close under way */
    struct fault_strikes *struck; /**< the faults that struck it (server/fault); one block of
                                     memory, freed with the stream; NULL = none did */
    struct stream_peer peer;
    uint32_t name_id;    /**< in the journal: of the port, or of whom it was connected for */
    uint16_t end_flags;  /**< ENTRY_CLOSED_BY_…: who ended first; 0 = nobody yet */
    uint8_t closing_how; /**< enum close_how of the stream_close() under way: for closing() */
    uint8_t hops;        /**< of one that we connected: proxies of the run behind it, and itself */
    uint16_t hop_port;   /**< its own number, as the port that it leads to sees it; 0 = unknown */
    uint16_t busy;       /**< callbacks under way: stream_enter() */
    bool paused : 1;     /**< the protocol takes nothing now */
    bool held : 1;       /**< stream_hold(): nothing is read, not even ahead */
    bool pushing : 1;    /**< the protocol writes to the socket by itself, which is full: writable()
                        is due when it no longer is */
    bool peer_closing : 1; /**< the peer's FIN is known; bytes before it may wait in the kernel */
    bool peer_ended : 1; /**< all bytes up to the peer's end were read: its FIN, or what stands for
                        it in a stage (close_notify) */
    bool socket_ended : 1; /**< the peer's FIN was read from the socket; a stage may hand it on
                              later */
    bool closing : 1;  /**< stream_close() was called: writes are ignored, bytes are not offered */
    bool closed : 1;   /**< the socket is closed; the memory goes in a later turn */
    bool finished : 1; /**< stream_finish() was called: writes are ignored, bytes are offered */
    bool failed : 1;   /**< the kernel refused a write: the peer is gone */
    bool end_made : 1; /**< the peer's end that the protocol is told of is made by a fault */
    bool half_due : 1; /**< stream_half_close(): its FIN waits for the queue */
    bool hurried : 1; /**< stream_disconnect(): stages that hold back for good are not waited for */
    bool was_high : 1;    /**< the queue was above the high mark: writable() is due */
    bool offering : 1;    /**< protocol->bytes() is running */
    bool told_gone : 1;   /**< protocol->gone() was called */
    bool had_request : 1; /**< one of HTTP arrived on it */
    bool dialing : 1;     /**< connect() is under way: nothing is read or written yet */
};

/** The most bytes that may wait in a stream's queue before writers should pause, and the low mark.
 */
enum { STREAM_HIGH_MARK = 256 * 1024, STREAM_LOW_MARK = 64 * 1024 };

enum {
    STREAM_MOST_INPUT =
        64 *
        1024, /**< bytes read ahead for a protocol that takes none; the rest stays in the kernel */
    STREAM_MOST_QUEUED =
        1 << 30, /**< a queue beyond this is noted in the journal and ends the connection */
    STREAM_MOST_PARTS = 12, /**< of one stream_write() */
};

/**
 * Writes: directly as far as the kernel takes it, the rest is queued (copied). Errors show as
 * ended().
 */
void stream_write(struct stream *stream, const struct iovec *parts, int count);
/**
 * The same, but may wait for what else is written before the loop waits again: a head and its body
 * then leave in one packet.
 */
void stream_write_soon(struct stream *stream, const struct iovec *parts, int count);
/** Bytes waiting in the queue, and those that stages hold back and writers have to mind. */
size_t stream_queued(const struct stream *stream);
/** Stops/starts offering bytes to the protocol (back-pressure reaches the peer through TCP). */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
/** Stops reading altogether, and goes on: bytes stay in the kernel. */
void stream_hold(struct stream *stream, bool held);

/** Whether nothing waits to be read: neither bytes nor the peer's end. A look that reads nothing;
 * the loop would tell of it in its own time. */
bool stream_is_quiet(const struct stream *stream);

/** Ends the connection; a second call can only make it harsher (FIN → RST/KILL). */
void stream_close(struct stream *stream, enum close_how how);
/** The same from outside: an action. Where a stage holds bytes until somebody lets it (`stall`),
 * FIN waits no longer than for a peer that takes nothing. */
void stream_disconnect(struct stream *stream, enum close_how how);

/**
 * Ends our half: FIN behind all that was written (over TLS: close_notify before it); later writes
 * are ignored. Bytes of the peer go on being offered, and its end is told, for as long as it takes:
 * the protocol ends the connection by stream_close(). A second call changes nothing.
 */
void stream_finish(struct stream *stream);

/**
 * Brackets work on a stream: what is written in between leaves in one send (where no other stream
 * is in such a bracket), and the protocol's state and the stream stay until the last
 * stream_leave().
 */
void stream_enter(struct stream *stream);
void stream_leave(struct stream *stream);

/** "fin", "rst", "kill", "drain", "keep". */
const char *close_how_name(enum close_how how);

/** Room for an address as text, with its NUL. */
enum { STREAM_ADDRESS_SIZE = 48 };
/** The peer's address as text, "127.0.0.1" or "::1"; an IPv4 address mapped into IPv6 reads as
 * IPv4. */
struct str stream_peer_address(const struct stream *stream, char out[STREAM_ADDRESS_SIZE]);

/* Connections that we make. */

/** Where a connection leads, and what becomes of it. */
struct stream_dial {
    const struct sockaddr_storage *address; /**< IPv4, IPv6 or a unix socket */
    unsigned address_size;
    int socket; /**< one that is connected, and is the stream's now; 0 = it is made: `address` */
    const struct protocol *protocol; /**< its start() is called once the connection stands */
    void *owner;                     /**< stream->owner: for the protocol's start() */
    uint32_t name_id;                /**< stream->name_id: for notes in the journal */
    uint64_t number;                 /**< stream->number */
    uint8_t hops; /**< how many proxies of the run are passed by then; 0 = nobody asks */
    /**
     * It could not be connected: `error` is a positive errno. Called at most once, never from
     * within stream_dial(), and then nothing else is: the stream goes away by itself. May be NULL.
     */
    void (*failed)(void *owner, int error);
};
/**
 * Connects without waiting. It belongs to no port and is not journalled: who dials may do so, and
 * set stream->entry, after which its end is journalled as well. Time has no bound here: who waits
 * has a timer and calls stream_close(KILL), after which failed() is not called either.
 * `server->streams` counts it.
 *
 * One that was reset at once stood all the same: its protocol starts, and is told of the RST.
 *
 * @return the stream (start() or failed() comes later), or NULL with *error a positive errno: there
 * is no descriptor left, or the address is none
 */
GOTO_MUST_USE struct stream *stream_dial(struct server *server, const struct stream_dial *dial,
                                         int *error);

/** How many proxies of the run a connection that was accepted has passed, by the address of its
 * peer; 0 = none, or it comes from elsewhere. */
unsigned stream_hops(const struct stream *stream);

/* For port.c */

struct sockaddr_storage;
/** A stream for a connection that was accepted; it owns `fd`. Journals it and starts the port's
 * protocol, or its TLS. */
struct stream *stream_new(struct port *port, int fd, const struct sockaddr_storage *address);
/** Tells the protocol of a FIN or RST that the kernel knows of and we have not read yet: whoever
 * ends the connection now was not the first. Reads nothing. */
void stream_notice_end(struct stream *stream);
/** Reads until the kernel holds nothing more, without waiting. Whether anything came. */
bool stream_read_now(struct stream *stream);

#endif
