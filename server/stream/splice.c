#include "server/stream/splice.h"

#include "base/memory.h"
#include "server/stream/scratch.h"
#include "server/stream/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    PIPE_SIZE = 1 << 20,
    PIPE_LEAST = 64 * 1024, /**< what any pipe has */
    PIPES_MOST = 32,        /**< of a server: half of what the system gives a user */
};

static void pipe_free(struct server *server, struct stream_pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    memory_free(pipe);
    server->pipe_count--;
}

struct stream_pipe *pipe_take(struct server *server)
{
    struct stream_pipe *pipe = server->pipes;
    int ends[2];
    if (pipe) {
        server->pipes = pipe->next;
        return pipe;
    }
    if (server->pipe_count >= PIPES_MOST || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return NULL;
    int size = fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
    pipe = memory_alloc(sizeof *pipe);
    *pipe = (struct stream_pipe){
        .read_fd = ends[0], .write_fd = ends[1], .capacity = size > 0 ? (size_t)size : PIPE_LEAST};
    server->pipe_count++;
    return pipe;
}

void pipe_give(struct server *server, struct stream_pipe *pipe)
{
    if (!pipe)
        return;
    if (pipe->size) {
        pipe_free(server, pipe);
        return;
    }
    pipe->next = server->pipes;
    server->pipes = pipe;
}

void pipes_clear(struct server *server)
{
    while (server->pipes) {
        struct stream_pipe *next = server->pipes->next;
        pipe_free(server, server->pipes);
        server->pipes = next;
    }
}

static ssize_t pipe_move(int from, int to, size_t size)
{
    ssize_t moved;
    do
        moved = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (moved < 0 && errno == EINTR);
    return moved < 0 ? -errno : moved;
}

ssize_t pipe_fill(struct stream_pipe *pipe, struct stream *from)
{
    GOTO_ASSERT(pipe->size == 0);
    ssize_t got = pipe_move(from->watcher.fd, pipe->write_fd, pipe->capacity);
    if (got > 0)
        pipe->size = (size_t)got;
    return got;
}

bool pipe_drain(struct stream_pipe *pipe, struct stream *to)
{
    to->pushing = false;
    while (pipe->size) {
        ssize_t sent = pipe_move(pipe->read_fd, to->watcher.fd, pipe->size);
        if (sent > 0) {
            pipe->size -= (size_t)sent;
            stream_count(to, 0, (size_t)sent);
            continue;
        }
        if (sent == -EAGAIN)
            to->pushing = true;
        else
            to->failed = true;
        break;
    }
    if (to->busy == 0)
        stream_update(to);
    return pipe->size == 0 || to->failed;
}

void pipe_spill(struct stream_pipe *pipe, struct stream *to)
{
    char *bytes = pipe->size ? memory_alloc(PIPE_LEAST) : NULL;
    to->pushing = false;
    while (pipe->size) {
        ssize_t got = read(pipe->read_fd, bytes, PIPE_LEAST);
        if (got < 0 && errno == EINTR)
            continue;
        /* what was put into it is there */
        GOTO_ASSERT(got > 0);
        pipe->size -= (size_t)got;
        struct iovec part = {bytes, (size_t)got};
        /* also while it is closing: it was on its way before */
        if (to->top)
            stages_write(to, &part, 1, false);
        else
            queue_write(to, &part, 1);
    }
    memory_free(bytes);
}
