#include "base/clock.h"
#include "base/memory.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"
#include "server/stream/stage.h"
#include "server/stream/stream_private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    END_WAIT_NS = 1000 * 1000 * 1000,
    END_POLL_NS = 500 * 1000,
    END_READS = 16,
    END_READ_SIZE = 256 * 1024
};

const char *close_how_name(enum close_how how)
{
    static const char *const names[] = {"fin", "rst", "kill", "drain", "keep"};
    GOTO_ASSERT((size_t)how < COUNT_OF(names));
    return names[how];
}

void end_journal(struct stream *stream)
{
    struct journal *journal = stream->server->journal;
    if (!stream->entry)
        return;
    journal_set_closed(journal, stream->entry, stream->end_flags, journal_now(journal));
}

void end_note(struct stream *stream, unsigned flags)
{
    enum { BOTH = ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_SERVER };
    if (stream->end_flags)
        return;
    /* of a connection that we made the peer is the server */
    if (!stream->port)
        flags ^= BOTH;
    stream->end_flags = (uint16_t)flags;
    end_journal(stream);
}

/** Notes that our side ends now, unless a FIN or RST of the peer is there already. */
static void end_note_ours(struct stream *stream, unsigned flags)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    if (stream->end_flags)
        return;
    if (getsockopt(stream->watcher.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
        if (info.tcpi_state == TCP_CLOSE_WAIT)
            flags = ENTRY_CLOSED_BY_CLIENT;
        else if (info.tcpi_state == TCP_CLOSE)
            flags = ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_RESET;
    }
    end_note(stream, flags);
}

void end_free(struct stream *stream)
{
    if (stream->end)
        timer_stop(&stream->end->timer);
    memory_free(stream->end);
    stream->end = NULL;
}

/** Bytes the peer has not acknowledged, or that we have not read. */
static int end_count(const struct stream *stream, unsigned long request)
{
    int count = 0;
    return ioctl(stream->watcher.fd, request, &count) == 0 ? count : 0;
}

static void stream_freed(struct watcher *watcher)
{
    struct stream *stream = CONTAINER_OF(watcher, struct stream, watcher);
    struct server *server = stream->server;
    GOTO_ASSERT(stream->busy == 0 && stream->told_gone);
    stages_free(stream);
    if (stream->port)
        port_forget(stream->port, stream);
    else
        dial_forget(stream);
    memory_free(stream->struck);
    memory_free(stream->capture);
    memory_free(stream);
    if (--server->streams == 0 && server->closing && server->gone)
        server->gone(server);
}

/** The connection's own entry of its end. */
static void end_journal_whole(const struct stream *stream)
{
    struct entry entry =
        journal_entry(stream->port ? ENTRY_CONNECTION_END : ENTRY_DIAL_END, stream->name_id);
    entry.connection = stream->number;
    if (!stream->port) {
        const struct entry *begin = journal_get(stream->server->journal, stream->entry);
        entry.route = begin ? begin->route : 0;
    }
    entry.value = clock_now() - stream->accepted_ns;
    entry.extra = stream->received;
    entry.extra2 = stream->sent;
    entry.flags = stream->end_flags;
    journal_append(stream->server->journal, &entry, (struct str){NULL, 0});
}

void end_finish(struct stream *stream, bool rst)
{
    if (stream->closed)
        return;
    if (rst) {
        struct linger linger = {.l_onoff = 1};
        setsockopt(stream->watcher.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    stream->closed = true;
    stream->closing = true;
    if (stream->port)
        stream->port->live--;
    end_free(stream);
    queue_free(stream);
    stages_drop(stream);
    if (stream->input)
        memory_free(stream->input->bytes.data);
    memory_free(stream->input);
    stream->input = NULL;
    watcher_close(&stream->watcher, stream_freed);
    close(stream->watcher.fd);
    stream_enter(stream);
    if (stream->port || stream->entry)
        end_journal_whole(stream);
    stream_leave(stream);
}

void end_discard(struct stream *stream)
{
    /* TCP with MSG_TRUNC drops the bytes: no buffer is needed */
    for (int i = 0; i < END_READS && !stream->closed; i++) {
        ssize_t got = recv(stream->watcher.fd, NULL, END_READ_SIZE, MSG_DONTWAIT | MSG_TRUNC);
        if (got > 0) {
            stream_count(stream, (size_t)got, 0);
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (got == 0 && !stream->failed) {
            end_note(stream, ENTRY_CLOSED_BY_CLIENT);
            stream->peer_ended = true;
            stream->socket_ended = true;
            if (stream->end->fin_sent)
                end_finish(stream, false);
            return;
        }
        end_note(stream, ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_RESET);
        end_finish(stream, false);
    }
}

static void end_wait(struct stream_end *end, int64_t at_most_ns)
{
    int64_t due = clock_now() + at_most_ns;
    timer_start_at(&end->timer, due < end->deadline_ns ? due : end->deadline_ns);
}

void stream_half_close(struct stream *stream)
{
    if (stream->closed || stream->failed || (stream->end && stream->end->fin_sent))
        return;
    stream->half_due = true;
    if (stream->busy)
        return;
    stream_enter(stream);
    stream_leave(stream);
}

void end_half(struct stream *stream)
{
    if (stream->closed || stream->failed || stream->queue)
        return;
    stream->half_due = false;
    end_note_ours(stream, ENTRY_CLOSED_BY_SERVER);
    shutdown(stream->watcher.fd, SHUT_WR);
}

/** Whether it is a fault that still holds back what was written, and not the peer. */
static bool end_is_held(const struct stream *stream)
{
    const struct stage *stage = stream->bottom;
    return !stream->queue && stage && stage->type->next_ns && stage->type->next_ns(stage) != 0;
}

/** Something waits before the FIN: until when. */
static void end_hold(struct stream *stream)
{
    struct stream_end *end = stream->end;
    int64_t next_ns = stages_next_ns(stream);
    if (next_ns == INT64_MAX && !stream->hurried) {
        end->deadline_ns = INT64_MAX;
        return;
    }
    if (end->deadline_ns == INT64_MAX)
        end->deadline_ns = clock_now() + END_WAIT_NS;
    if (next_ns < INT64_MAX - END_WAIT_NS && next_ns + END_WAIT_NS > end->deadline_ns)
        end->deadline_ns = next_ns + END_WAIT_NS;
}

/** The kernel refused a write: the peer has reset the connection. */
static void end_lost(struct stream *stream)
{
    end_note(stream, ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_RESET);
    end_finish(stream, false);
}

/** Sends the FIN, once nothing waits before it. */
static void end_send_fin(struct stream *stream)
{
    end_note_ours(stream, ENTRY_CLOSED_BY_SERVER);
    shutdown(stream->watcher.fd, SHUT_WR);
    stream->end->fin_sent = true;
}

static void end_advance_fin(struct stream *stream)
{
    struct stream_end *end = stream->end;
    if (end->fin_sent) {
        if (stream->socket_ended)
            end_finish(stream, false);
        return;
    }
    bool stages_ended = stages_end(stream);
    if (stream->failed) {
        end_lost(stream);
        return;
    }
    if (!stages_ended || !queue_is_empty(stream)) {
        if (end->sent != stream->sent) {
            end->sent = stream->sent;
            end->deadline_ns = clock_now() + END_WAIT_NS;
        }
        end_hold(stream);
        end_wait(end, END_WAIT_NS);
        return;
    }
    if (stream->socket_ended) {
        end_finish(stream, false);
        return;
    }
    end_send_fin(stream);
    end->deadline_ns = clock_now() + END_WAIT_NS;
    end_wait(end, END_WAIT_NS);
}

static void end_advance_rst(struct stream *stream)
{
    struct stream_end *end = stream->end;
    bool late = clock_now() >= end->deadline_ns;
    if (!late && (!queue_is_empty(stream) || end_count(stream, SIOCOUTQ) > 0)) {
        end_wait(end, END_POLL_NS);
        return;
    }
    if (late)
        journal_note(stream->server->journal, ENTRY_NOTE, stream->name_id,
                     "connection %llu: %s: RST", (unsigned long long)stream->number,
                     end_is_held(stream)
                         ? "a fault still held back what was written 1 s before; it is lost"
                         : "the peer had not acknowledged everything 1 s after it was written");
    end_note_ours(stream, ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET);
    end_finish(stream, true);
}

void end_advance(struct stream *stream)
{
    if (stream->closed || !stream->end)
        return;
    if (stream->failed) {
        end_lost(stream);
    } else if (stream->end->how == CLOSE_RST) {
        end_advance_rst(stream);
    } else {
        end_advance_fin(stream);
    }
}

/** The second of a FIN is over: the peer took nothing of what is queued, or did not send its own
 * FIN. */
static void end_late_fin(struct stream *stream)
{
    if (!stream->end->fin_sent)
        journal_note(stream->server->journal, ENTRY_NOTE, stream->name_id,
                     "connection %llu: %s: closed", (unsigned long long)stream->number,
                     end_is_held(stream)
                         ? "a fault still held back what was written 1 s before; it is lost"
                         : "the peer took nothing of what was queued for 1 s");
    end_note_ours(stream, ENTRY_CLOSED_BY_SERVER);
    end_finish(stream, false);
}

static void end_due(struct timer *timer)
{
    struct stream_end *end = CONTAINER_OF(timer, struct stream_end, timer);
    struct stream *stream = end->stream;
    stream_enter(stream);
    queue_flush(stream);
    bool progress = !end->fin_sent && end->sent != stream->sent;
    if (end->how == CLOSE_FIN && !progress && clock_now() >= end->deadline_ns)
        end_late_fin(stream);
    stream_leave(stream);
}

/** close(2), as the kernel does for a process that was killed. What a paused protocol left in our
 * memory, or a fault holds there, would still wait in the kernel's. */
static void end_kill(struct stream *stream)
{
    bool left = (stream->paused && stream->input) || (stream->top && stages_unread(stream) > 0);
    unsigned unread = left || end_count(stream, SIOCINQ) > 0 ? ENTRY_CLOSED_BY_RESET : 0;
    queue_flush(stream);
    end_note_ours(stream, ENTRY_CLOSED_BY_SERVER | unread);
    end_finish(stream, left);
}

static void end_make(struct stream *stream)
{
    if (stream->end)
        return;
    stream->end = memory_alloc(sizeof *stream->end);
    stream->end->stream = stream;
    stream->end->ending = stream->top;
    timer_init(&stream->end->timer, stream->server->loop, end_due);
}

static void end_start(struct stream *stream, enum close_how how)
{
    end_make(stream);
    stream->end->how = how;
    stream->end->sent = stream->sent;
    stream->end->deadline_ns = clock_now() + END_WAIT_NS;
    if (stream->end->fin_sent)
        end_wait(stream->end, END_WAIT_NS);
}

void finish_advance(struct stream *stream)
{
    struct stream_end *end = stream->end;
    if (stream->closed || stream->failed || end->fin_sent)
        return;
    if (stages_end(stream) && !stream->failed && queue_is_empty(stream))
        end_send_fin(stream);
}

void stream_finish(struct stream *stream)
{
    if (stream->finished || stream->closing || stream->closed)
        return;
    stream_enter(stream);
    stream->finished = true;
    end_make(stream);
    stream_leave(stream);
}

void stream_disconnect(struct stream *stream, enum close_how how)
{
    stream->hurried |= how != CLOSE_KEEP && how != CLOSE_DRAIN;
    stream_close(stream, how);
    /* one that is closing already waits no longer, too */
    if (stream->closing && !stream->closed) {
        stream_enter(stream);
        stream_leave(stream);
    }
}

void stream_close(struct stream *stream, enum close_how how)
{
    if (stream->closed || how == CLOSE_KEEP)
        return;
    /* there is nothing yet that could be ended in another way */
    if (stream->dialing)
        how = CLOSE_KILL;
    if (how == CLOSE_DRAIN && stream->closing)
        return;
    stream_enter(stream);
    if (how == CLOSE_DRAIN) {
        stream->protocol->drain(stream);
    } else if (!stream->closing || !stream->end || stream->end->how < how) {
        bool first = !stream->closing;
        stream->closing = true;
        stream->closing_how = (uint8_t)how;
        if (first)
            stream->protocol->closing(stream);
        /* what happens in closing() may have ended it already */
        if (!stream->closed && how == CLOSE_KILL)
            end_kill(stream);
        else if (!stream->closed && (first || !stream->end || stream->end->how < how))
            end_start(stream, how);
    }
    stream_leave(stream);
}
