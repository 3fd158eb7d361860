/**
 * Bytes from one socket to another without a copy: through a pipe of the kernel.
 *
 * Pipes are kept in a pool of the server: they have up to 1 MiB, and the system gives an ordinary
 * user some 64 MiB of them; a pipe goes back as soon as it is empty. Without one, bytes are copied.
 */
#ifndef GOTO_SERVER_STREAM_SPLICE_H
#define GOTO_SERVER_STREAM_SPLICE_H

#include "server/server.h"
#include "server/stream/stream.h"

/** A pipe and what it holds. */
struct stream_pipe {
    struct stream_pipe *next; /**< in the pool */
    int read_fd;
    int write_fd;
    size_t capacity;
    size_t size; /**< bytes in it */
};

/** An empty pipe, or NULL: there are too many already, or the system has none. */
struct stream_pipe *pipe_take(struct server *server);
/** Gives it back; what it holds is lost. NULL is allowed. */
void pipe_give(struct server *server, struct stream_pipe *pipe);
/** Closes those of the pool. For server_clear(). */
void pipes_clear(struct server *server);

/** Moves bytes from a socket into a pipe that is empty. As protocol->pull() tells it: bytes, 0 for
 * FIN, a negative errno. The caller counts them, the stream does when it is told by pull(). */
ssize_t pipe_fill(struct stream_pipe *pipe, struct stream *from);
/**
 * Moves what the pipe holds into a socket, on which no stage stands and nothing is queued. What it
 * does not take now stays: `to->pushing` is set, until it has taken all.
 *
 * @return whether the pipe is empty; the same if the connection is broken, which the stream finds
 * out by itself
 */
bool pipe_drain(struct stream_pipe *pipe, struct stream *to);
/** Writes what the pipe holds through the stages, or behind what is queued. */
void pipe_spill(struct stream_pipe *pipe, struct stream *to);

#endif
