/**
 * The stand-in of one scenario: its ports, and what holds for all of them.
 *
 * The server knows no tests and no files: it opens ports, answers by routes, and writes what
 * happens into the journal. All calls run on the loop's thread.
 */
#ifndef GOTO_SERVER_SERVER_H
#define GOTO_SERVER_SERVER_H

#include "base/loop.h"
#include "journal/journal.h"
#include "schema/table.h"

struct call_pool;
struct endpoint;
struct port;
struct scratch;
struct stream;
struct tls_authority;
struct upstream;

struct server {
    struct loop *loop;
    struct journal *journal;
    uint64_t seed;
    struct port **ports;
    size_t count;
    size_t capacity;
    struct exchange
        *arriving; /**< the exchange whose request is being journalled right now: server_hold() */
    struct stream *dialed; /**< connections that we made and that are not yet gone, newest first */
    uint64_t streams;      /**< connections not yet gone, accepted or dialed */
    void (*gone)(
        struct server *server); /**< called when `streams` falls to 0 while closing, may be NULL */
    /** Where a program of the run listens: fills the endpoint but its text and path; false if none
     * has that name. NULL = there are no programs. */
    bool (*program)(const struct server *server, struct str name, struct endpoint *endpoint);
    /** Told, in the next turn, that bytes came or went; NULL when nobody asks. */
    void (*bytes_moved)(struct server *server);
    struct stream_pipe *pipes; /**< for use: server/stream/splice.h */
    size_t pipe_count;         /**< all that there are */
    uint8_t *hops;             /**< by the number of a connection's own port: stream_hops(); NULL */
    struct timer bytes_soon;   /**< active: bytes_moved() is to be called */
    bool closing;              /**< server_close_all() was called */
    int starved; /**< errno: why connections had to wait, or to end, for us; 0 = none had to */
    struct tls_authority *authority; /**< the run's CA; NULL until a certificate is wanted */
    struct call_pool *calls; /**< connections to far sides: proxy/call.h; NULL = there were none */
    struct scratch
        *scratch; /**< what all connections share for the length of a callback: stream/scratch.h */
};

void server_init(struct server *server, struct loop *loop, struct journal *journal, uint64_t seed);
/** Frees all ports; every stream must be gone (server_close_all(), then the loop until `streams` is
 * 0). */
void server_clear(struct server *server);

/** A port by the name of its upstream, or NULL. */
struct port *server_port(const struct server *server, struct str name);

/** Ends everything at once: all ports are freed, all connections killed, the dialed ones too.
 * `streams` falls to 0 in later turns. */
void server_close_all(struct server *server);

/**
 * Reads whatever the kernel still holds: accepts what waits, reads all sockets until they are dry,
 * without waiting.
 *
 * @return whether anything was there: call again until false
 */
bool server_read_rest(struct server *server);

/**
 * The process has no descriptor, or the system no memory, for a connection: what happens to it is
 * our doing, not the spec's. The first time is noted in the journal, with the limit.
 *
 * @param error an errno; one that says something else changes nothing
 */
void server_starve(struct server *server, uint32_t name_id, int error);

/** Whether a request is under way on any connection. */
bool server_is_busy(const struct server *server);

/**
 * Keeps the request that is arriving from being answered until hold_release(): for what observers
 * of its journal entry have to do first. NULL when none is arriving. A request may be held several
 * times; it may also go away before it is released.
 */
struct hold;
struct hold *server_hold(struct server *server);
/** Releases one hold; the last one of a request lets it be answered, before this returns. NULL is
 * allowed. */
void hold_release(struct hold *hold);
/** The held exchange goes away: its hold stays until the last release. For exchange.c. NULL is
 * allowed. */
void hold_forget(struct hold *hold);

#endif
