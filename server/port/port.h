/**
 * A port of the stand-in: one address that is held for the whole run, open or closed.
 *
 * The number is taken once by port_hold() and never given back before port_free(), so a closed port
 * refuses connections and no other program can take it. The port has a list of its live streams.
 */
#ifndef GOTO_SERVER_PORT_PORT_H
#define GOTO_SERVER_PORT_PORT_H

#include "base/loop.h"
#include "server/server.h"
#include "server/stream/stream.h"

#include <netinet/in.h>
#include <sys/socket.h>

/** Why a port is open or closed: the newest entry decides, and each can be taken back on its own.
 */
struct port_state {
    struct port_state *older;
    uint64_t id;
    bool open;
};

/** A `drain` under way: the connections up to a number get FIN when its time is over. */
struct port_drain {
    struct port_drain *next;
    struct port *port;
    struct timer timer;
    uint64_t last; /**< number of the newest connection that it is about */
};

struct exchange_calls;
struct faults;
struct h2_begin;
struct port_plug;
struct tls_setup;

struct port {
    struct server *server;
    struct str name;                 /**< borrowed from the spec's arena */
    uint32_t name_id;                /**< in the journal */
    const struct protocol *protocol; /**< what new connections get */
    const char *scheme;              /**< "http": of the base URL */
    /** The TLS of a new connection, borrowed; NULL, or a call that gives NULL = in clear. */
    struct tls_setup *(*tls)(struct port *port, struct stream *stream);
    /** The protocol behind a handshake that agreed on this ALPN (data NULL = none). */
    const struct protocol *(*agreed)(struct port *port, struct stream *stream, struct str alpn);
    /** A connection was accepted, and nothing was read or written yet; NULL = nobody asks. */
    void (*begins)(struct stream *stream);
    /** Has a say in what a connection of HTTP/2 begins with; NULL = nobody has. */
    void (*h2_begin)(struct stream *stream, struct h2_begin *begin);
    /** What takes part in its requests before routes do; NULL = nothing. */
    const struct exchange_calls *calls;
    /** A connection was journalled; NULL = nobody asks. */
    void (*told)(struct port *port, struct stream *stream);
    struct faults *faults; /**< what strikes its connections; NULL = nothing does */
    int64_t handshake_ns;  /**< a TLS handshake not whole by then is ended; 0 = no limit */
    int64_t life_ns;       /**< the same of a connection of that age; 0 = no limit */
    void *owner;           /**< what the protocol works for: a struct upstream */
    struct str host;       /**< as written in the spec */
    uint16_t number;
    int fd;
    struct watcher watcher;
    bool watching;
    bool open;                 /**< what it is to be: `states`, else base_open */
    bool listening;            /**< the kernel answers SYNs, or would if it were not plugged */
    bool plugged;              /**< the backlog is full of what we do not accept */
    bool reachable;            /**< it was open, listening and not plugged */
    unsigned refusals;         /**< port_refuse() */
    unsigned blackholes;       /**< port_blackhole() */
    struct port_plug *plug;    /**< what fills the backlog; NULL = nothing does */
    struct port_state *states; /**< newest first */
    uint64_t next_state;       /**< id of the next state */
    bool base_open;            /**< what holds when there are no states */
    struct port_drain *drains;
    struct timer reopen; /**< of port_reopen() */
    struct timer retry;  /**< accepting goes on then, after the system had no descriptor left */
    struct stream *oldest;
    struct stream *newest;
    size_t live;              /**< connections not closed */
    uint64_t accepted;        /**< connections ever: the next one's number is one more */
    bool bodies_asked;        /**< an event asks for the bodies of its requests */
    uint64_t requests;        /**< requests read whole, ever */
    uint64_t bytes_in;        /**< bytes from peers, ever */
    uint64_t bytes_out;       /**< bytes to peers, ever */
    uint64_t max_connections; /**< 0 = no limit; more are accepted and reset */
    bool freeing;
};

/**
 * Takes an address and keeps it, closed.
 *
 * @param host   a numeric address or "localhost"
 * @param number 0 = any free one of the local range
 * @return NULL with *error a negative errno: -EADDRINUSE when the number is taken, -EADDRNOTAVAIL,
 * -EACCES
 */
GOTO_MUST_USE struct port *port_new(struct server *server, struct str name, struct str host,
                                    uint16_t number, int *error);
/** Gives the address back and kills the connections; the port is freed once they are gone. */
void port_free(struct port *port);

/**
 * Opens: connections are accepted from now on. Opening an open port changes nothing. This and
 * port_close() are for good: they become the base state, and what was pushed before can no longer
 * be undone.
 *
 * @return 0 or a negative errno
 */
GOTO_MUST_USE int port_open(struct port *port);
/**
 * Closes: SYNs are refused from now on. What the kernel had accepted is accepted first. `how` is
 * what happens to live connections: FIN, RST, KILL, DRAIN (at most within_ns, then FIN), KEEP.
 */
void port_close(struct port *port, enum close_how how, int64_t within_ns);

/**
 * Closes now and opens again `down_ns` later: for good, like a port_close() and a port_open(),
 * either of which called meanwhile takes its place.
 *
 * @return 0; that it cannot be opened again is noted in the journal when it is tried
 */
GOTO_MUST_USE int port_reopen(struct port *port, enum close_how how, int64_t down_ns);

/**
 * Opens or closes on top of what stands, so that it can be taken back: *id is for port_undo(). The
 * state below all of them is that of the last port_open() or port_close(); a new port is closed.
 *
 * @return 0, or a negative errno: then nothing was pushed
 */
GOTO_MUST_USE int port_push(struct port *port, bool open, enum close_how how, int64_t within_ns,
                            uint64_t *id);
/**
 * Takes one back; the port is what the newest that is left says (a port that this closes ends its
 * connections by FIN). Unknown ids change nothing. 0 or negative errno.
 */
GOTO_MUST_USE int port_undo(struct port *port, uint64_t id);

/**
 * The port refuses while it is open (RST to a SYN), or not any more; connections that stand stay.
 * Calls are counted: it refuses until as many have taken it back.
 */
void port_refuse(struct port *port, bool refuses);
/**
 * No SYN is answered while it is open, or not any more: the backlog is full of what we never
 * accept. Who waits gets in at his next SYN. Counted as well; a port that refuses, too, refuses.
 */
void port_blackhole(struct port *port, bool swallows);
/** Whether more connections than that are open, the newest one counted. Those whose end the kernel
 * already knows are not. */
bool port_exceeds(struct port *port, uint64_t most);

enum which_streams { WHICH_ALL, WHICH_IDLE, WHICH_OLDEST, WHICH_NEWEST };
/** Ends live connections; returns how many. Those not yet accepted are accepted first. */
size_t port_disconnect(struct port *port, enum which_streams which, enum close_how how);

/**
 * Ends all live connections as port_close() does, and goes on listening. What the kernel has
 * accepted is accepted first, with what the port has now: before it gets another protocol.
 */
void port_end_connections(struct port *port, enum close_how how, int64_t within_ns);

/** Accepts what waits and reads every stream dry, without waiting. Whether anything was there. */
bool port_read_rest(struct port *port);

/** Called by stream.c when a stream's memory goes: takes it off the list; may free the port. */
void port_forget(struct port *port, struct stream *stream);

#endif
