/* Bytes from one connection to another: copied while little comes, else through a pipe. */

#include "server/proxy/tcp_private.h"

#include "server/port/port.h"
#include "server/stream/scratch.h"

#include <errno.h>

enum {
    SPLICE_FROM = SCRATCH_INPUT, /**< a read that was full: much comes */
    SPLICE_LEAST = 4096,         /**< less than that is cheaper copied */
};

void tcp_flow_spill(struct tcp_flow_state *flow, struct server *server, struct stream *to)
{
    if (!flow->pipe)
        return;
    if (to && !to->closed && !to->failed)
        pipe_spill(flow->pipe, to);
    pipe_give(server, flow->pipe);
    flow->pipe = NULL;
}

/** The idle limit is the client's: what goes to it counts, too. */
static void flow_touch(const struct stream *from, struct stream *to)
{
    if (to->port)
        to->active_ns = from->active_ns;
}

size_t tcp_flow_bytes(struct tcp_flow_state *flow, struct stream *from, struct stream *to,
                      struct str bytes)
{
    size_t taken = 0;
    if (flow->pipe) {
        /* it came before; from here on it is the queue that says when to go on */
        tcp_flow_spill(flow, from->server, to);
        stream_hold(from, false);
    }
    /* in parts: what a fault lets go at once may be much more than who reads slowly is to have in
     * its queue */
    while (taken < bytes.size && (flow->all || !from->paused)) {
        size_t left = bytes.size - taken;
        struct iovec part = {(void *)(uintptr_t)(bytes.data + taken),
                             left < STREAM_HIGH_MARK ? left : STREAM_HIGH_MARK};
        stream_write(to, &part, 1);
        taken += part.iov_len;
        if (stream_queued(to) >= STREAM_HIGH_MARK)
            stream_pause(from);
    }
    flow_touch(from, to);
    flow->bulk = bytes.size >= SPLICE_FROM;
    return taken;
}

/** Whether bytes may go straight into the socket. */
static bool flow_is_clear(const struct stream *to)
{
    return to && !to->top && !to->closing && !to->finished && stream_queued(to) == 0;
}

/** Lets the pipe out; while it cannot, nothing more is read. */
static void flow_drain(struct tcp_flow_state *flow, struct stream *from, struct stream *to)
{
    bool empty = pipe_drain(flow->pipe, to);
    stream_hold(from, !empty);
    if (!empty)
        return;
    pipe_give(from->server, flow->pipe);
    flow->pipe = NULL;
}

bool tcp_flow_pull(struct tcp_flow_state *flow, struct stream *from, struct stream *to,
                   ssize_t *got)
{
    if (!flow->bulk || !flow_is_clear(to))
        return false;
    GOTO_ASSERT(!flow->pipe);
    flow->pipe = pipe_take(from->server);
    if (!flow->pipe)
        return false;
    *got = pipe_fill(flow->pipe, from);
    if (*got > 0) {
        flow->bulk = *got >= SPLICE_LEAST;
        flow_drain(flow, from, to);
        flow_touch(from, to);
        return true;
    }
    pipe_give(from->server, flow->pipe);
    flow->pipe = NULL;
    if (*got != -EINVAL)
        return true;
    flow->bulk = false; /* a socket that cannot be spliced */
    return false;
}

void tcp_flow_writable(struct tcp_flow_state *flow, struct stream *from, struct stream *to)
{
    if (!from)
        return;
    if (flow->pipe && to->top) {
        /* a fault was put there meanwhile: what has not left yet has to pass it */
        tcp_flow_spill(flow, from->server, to);
    } else if (flow->pipe) {
        flow_drain(flow, from, to);
        return;
    }
    stream_hold(from, false);
    if (stream_queued(to) < STREAM_HIGH_MARK)
        stream_resume(from);
}

void tcp_flow_end(struct tcp_flow_state *flow, const struct stream *from, struct stream *to)
{
    if (flow->finished || !from->peer_ended || from->input || flow->pipe || !to)
        return;
    flow->finished = true;
    stream_finish(to);
}
