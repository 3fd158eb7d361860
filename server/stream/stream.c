#include "server/stream/stream.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"
#include "server/stream/stage.h"
#include "server/stream/stream_private.h"
#include "server/tls/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/** Bytes read in one go before other connections and timers have their turn. */
enum { STREAM_TURN = 16 * SCRATCH_INPUT };

void stream_enter(struct stream *stream)
{
    struct scratch *scratch = server_scratch(stream->server);
    stream->busy++;
    if (!scratch->corked && !stream->closed)
        scratch->corked = stream;
}

void stream_leave(struct stream *stream)
{
    struct scratch *scratch = server_scratch(stream->server);
    GOTO_ASSERT(stream->busy > 0);
    if (stream->busy > 1) {
        stream->busy--;
        return;
    }
    /* still busy: what ends the stream here must not end it under our feet */
    if (stream->top)
        stages_flush(stream);
    if (scratch->corked == stream) {
        if (scratch->output_size)
            queue_flush(stream);
        scratch->output_size = 0;
        scratch->corked = NULL;
    }
    if (stream->half_due)
        end_half(stream);
    if (stream->finished && !stream->closing)
        finish_advance(stream);
    if (stream->closing && !stream->closed)
        end_advance(stream);
    if (stream->closed && !stream->told_gone) {
        stream->told_gone = true;
        stream->protocol->gone(stream);
        stream->state = NULL;
    }
    stream->busy--;
    stream_update(stream);
}

static bool input_is_full(const struct stream *stream)
{
    if (stream->held)
        return true;
    size_t size = stream->input ? stream->input->bytes.size : 0;
    if (stream->top)
        size += stages_held_in(stream);
    return size >= STREAM_MOST_INPUT;
}

void stream_update(struct stream *stream)
{
    int events = 0;
    /* tests of what stands above streams use ones without a socket */
    if (stream->closed || stream->dialing || !stream->watcher.loop)
        return;
    if (stream->top)
        stages_mark(stream);
    if (stream->failed)
        events = UV_READABLE;
    else if (!stream->socket_ended && (stream->closing || !input_is_full(stream)))
        events = UV_READABLE;
    else if (!stream->socket_ended && !stream->peer_closing)
        events = UV_DISCONNECT;
    if (stream->pushing || (stream->queue && !timer_is_active(&stream->queue->soon)))
        events |= UV_WRITABLE;
    /* what stages held is gone, maybe with them: writable() is due, though the queue was never full
     */
    else if (stream->was_high && !stream->closing && stream_queued(stream) <= STREAM_LOW_MARK)
        events |= UV_WRITABLE;
    watcher_set(&stream->watcher, events);
}

static void input_free(struct stream *stream)
{
    if (stream->input)
        memory_free(stream->input->bytes.data);
    memory_free(stream->input);
    stream->input = NULL;
}

static size_t stream_offer_bytes(struct stream *stream, struct str bytes)
{
    stream->offering = true;
    size_t taken = stream->protocol->bytes(stream, bytes);
    stream->offering = false;
    GOTO_ASSERT(taken <= bytes.size);
    return taken;
}

/** Offers what was not taken before. The stream may be closed afterwards. */
static void stream_offer_input(struct stream *stream)
{
    if (!stream->input || stream->paused || stream->closing)
        return;
    /* taken off the stream while it is offered: a close within frees what the stream has */
    struct stream_input *input = stream->input;
    stream->input = NULL;
    size_t taken = stream_offer_bytes(stream, bytes_str(&input->bytes));
    bytes_consume(&input->bytes, taken);
    stream->input = input;
    if (stream->closing || input->bytes.size == 0)
        input_free(stream);
}

static void stream_keep(struct stream *stream, struct str bytes)
{
    if (bytes.size == 0 || stream->closing)
        return;
    if (!stream->input)
        stream->input = memory_alloc(sizeof *stream->input);
    bytes_append(&stream->input->bytes, bytes);
}

void stream_offer(struct stream *stream, struct str bytes)
{
    size_t taken = 0;
    if (stream->input) {
        stream_keep(stream, bytes);
        stream_offer_input(stream);
        return;
    }
    if (!stream->paused)
        taken = stream_offer_bytes(stream, bytes);
    stream_keep(stream, str_from(bytes, taken));
}

void stream_reset(struct stream *stream)
{
    end_note(stream, ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_RESET);
    stream->peer_ended = true;
    stream->socket_ended = true;
    stream->failed = true;
    if (!stream->closing)
        stream->protocol->ended(stream, true);
    end_finish(stream, false);
}

static void stream_fin(struct stream *stream)
{
    end_note(stream, ENTRY_CLOSED_BY_CLIENT);
    stream->peer_closing = true;
    stream->socket_ended = true;
    if (stream->bottom) {
        if (stream->bottom->type->in_end)
            stream->bottom->type->in_end(stream->bottom);
        else
            stage_in_end(stream->bottom);
        return;
    }
    stream->peer_ended = true;
    stream->protocol->ended(stream, false);
}

/** Whether a connection that the kernel calls closed was reset. Where our FIN went first it is
 * closed by the peer's FIN, too, with bytes that wait to be read. Takes no error off the socket. */
static bool stream_was_reset(const struct stream *stream)
{
    struct pollfd look = {.fd = stream->watcher.fd};
    return poll(&look, 1, 0) == 1 && (look.revents & POLLERR);
}

/** The peer ended while bytes that nobody takes stand before its FIN: the protocol is told without
 * reading them. */
static void stream_look_behind(struct stream *stream)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    if (stream->peer_closing ||
        getsockopt(stream->watcher.fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return;
    if (info.tcpi_state == TCP_CLOSE && stream_was_reset(stream)) {
        stream_reset(stream);
    } else if (info.tcpi_state == TCP_CLOSE || info.tcpi_state == TCP_CLOSE_WAIT) {
        end_note(stream, ENTRY_CLOSED_BY_CLIENT);
        stream->peer_closing = true;
        stream->protocol->ended(stream, false);
    }
}

void stream_count(struct stream *stream, size_t received, size_t sent)
{
    struct server *server = stream->server;
    stream->received += received;
    stream->sent += sent;
    if (stream->port) {
        stream->port->bytes_in += received;
        stream->port->bytes_out += sent;
    }
    if (server->bytes_moved && !timer_is_active(&server->bytes_soon))
        timer_start(&server->bytes_soon, 0);
}

/** Takes bytes off the socket: into memory, or, where the protocol does that by itself (`pulled`),
 * to where it wants them. */
static ssize_t stream_receive(struct stream *stream, char *into, bool *pulled)
{
    ssize_t got;
    *pulled = stream->protocol->pull && !stream->bottom && !stream->input && !stream->paused &&
              stream->protocol->pull(stream, &got);
    if (*pulled)
        return got;
    do
        got = recv(stream->watcher.fd, into, SCRATCH_INPUT, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/** One read and what follows from it. Returns the bytes, 0 when there is nothing more to read now.
 */
static size_t stream_read_once(struct stream *stream, char *into)
{
    bool pulled;
    ssize_t got = stream_receive(stream, into, &pulled);
    if (got > 0) {
        stream_count(stream, (size_t)got, 0);
        stream->active_ns = clock_now();
        if (pulled)
            return (size_t)got;
        if (stream->bottom)
            stream->bottom->type->in(stream->bottom, (struct str){into, (size_t)got});
        else
            stream_offer(stream, (struct str){into, (size_t)got});
        return (size_t)got;
    }
    if (got == -EAGAIN || got == -EWOULDBLOCK)
        return 0;
    if (got == 0 && !stream->failed)
        stream_fin(stream);
    else
        stream_reset(stream);
    return 0;
}

/** Reads until the kernel has no more, the turn is over, or nobody takes it. `dry`: go on until it
 * says so. */
static void stream_read(struct stream *stream, bool dry)
{
    struct scratch *scratch = server_scratch(stream->server);
    bool shared = !scratch->input_taken;
    char *into = shared ? scratch->input : memory_alloc(SCRATCH_INPUT);
    if (shared)
        scratch->input_taken = true;
    size_t size = 0;
    while ((dry || size < STREAM_TURN) && !stream->closing && !stream->socket_ended) {
        if (input_is_full(stream)) {
            stream_look_behind(stream);
            break;
        }
        size_t got = stream_read_once(stream, into);
        if (got == 0 || (got < SCRATCH_INPUT && !dry))
            break;
        size += got;
    }
    if (shared)
        scratch->input_taken = false;
    else
        memory_free(into);
}

static void stream_written(struct stream *stream)
{
    uint64_t sent = stream->sent;
    queue_flush(stream);
    if (stream->sent != sent)
        stream->active_ns = clock_now();
    if (stream->pushing && !stream->queue && !stream->failed && !stream->closing)
        stream->protocol->writable(stream);
    if (stream->was_high && !stream->failed && stream_queued(stream) <= STREAM_LOW_MARK) {
        stream->was_high = false;
        if (!stream->closing)
            stream->protocol->writable(stream);
    }
}

void stream_ready(struct watcher *watcher, int events)
{
    struct stream *stream = CONTAINER_OF(watcher, struct stream, watcher);
    if (stream->closed)
        return;
    if (stream->dialing) {
        dial_ready(stream);
        return;
    }
    /* libuv stops watching a socket that has an error: what it is comes out by reading */
    bool error = !uv_is_active((const uv_handle_t *)&watcher->poll);
    if (error)
        watcher->events = 0;
    stream_enter(stream);
    if ((events & UV_WRITABLE) && (stream->queue || stream->was_high || stream->pushing))
        stream_written(stream);
    if (!stream->closed && (events & (UV_READABLE | UV_DISCONNECT))) {
        if (stream->closing)
            end_discard(stream);
        else
            stream_read(stream, error);
    }
    if (stream->failed && !stream->closing)
        stream_reset(stream);
    stream_leave(stream);
}

void stream_notice_end(struct stream *stream)
{
    if (stream->closed || stream->closing)
        return;
    stream_enter(stream);
    stream_look_behind(stream);
    stream_leave(stream);
}

bool stream_is_quiet(const struct stream *stream)
{
    char byte;
    ssize_t got;
    if (stream->closed || stream->peer_closing || stream->failed)
        return false;
    do
        got = recv(stream->watcher.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool stream_read_now(struct stream *stream)
{
    uint64_t received = stream->received;
    bool ended = stream->socket_ended;
    if (stream->closed || stream->dialing || stream->busy || stream->socket_ended)
        return false;
    stream_enter(stream);
    if (stream->closing)
        end_discard(stream);
    else
        stream_read(stream, true);
    bool any = stream->received != received || stream->socket_ended != ended;
    stream_leave(stream);
    return any;
}

void stream_pause(struct stream *stream)
{
    stream->paused = true;
}

void stream_resume(struct stream *stream)
{
    if (!stream->paused)
        return;
    stream->paused = false;
    if (stream->closed || stream->offering)
        return;
    stream_enter(stream);
    stream_offer_input(stream);
    stream_leave(stream);
}

void stream_hold(struct stream *stream, bool held)
{
    if (stream->held == held)
        return;
    stream->held = held;
    if (stream->busy == 0)
        stream_update(stream);
}

void stream_set_peer(struct stream_peer *peer, const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        size_t skip = mapped ? 12 : 0;
        memcpy(peer->address, (const char *)&v6->sin6_addr + skip, sizeof v6->sin6_addr - skip);
        peer->port = ntohs(v6->sin6_port);
        peer->v6 = !mapped;
    } else if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        memcpy(peer->address, &v4->sin_addr, sizeof v4->sin_addr);
        peer->port = ntohs(v4->sin_port);
    }
}

/** An address of IPv4; inet_ntop() is slow for what every answer asks. */
static struct str dotted(const unsigned char address[4], char out[STREAM_ADDRESS_SIZE])
{
    char *at = out;
    for (int i = 0; i < 4; i++) {
        unsigned part = address[i];
        if (i)
            *at++ = '.';
        if (part >= 100)
            *at++ = (char)('0' + part / 100);
        if (part >= 10)
            *at++ = (char)('0' + part / 10 % 10);
        *at++ = (char)('0' + part % 10);
    }
    *at = '\0';
    return (struct str){out, (size_t)(at - out)};
}

struct str stream_peer_address(const struct stream *stream, char out[STREAM_ADDRESS_SIZE])
{
    if (!stream->peer.v6)
        return dotted(stream->peer.address, out);
    if (!inet_ntop(AF_INET6, stream->peer.address, out, STREAM_ADDRESS_SIZE))
        out[0] = '\0';
    return str_of(out);
}

static void stream_journal_start(struct stream *stream)
{
    char address[STREAM_ADDRESS_SIZE];
    char text[STREAM_ADDRESS_SIZE + 16];
    stream_peer_address(stream, address);
    int size = snprintf(text, sizeof text, stream->peer.v6 ? "[%s]:%u" : "%s:%u", address,
                        stream->peer.port);
    struct entry entry = journal_entry(ENTRY_CONNECTION, stream->name_id);
    entry.connection = stream->number;
    stream->entry =
        journal_append(stream->server->journal, &entry, (struct str){text, (size_t)size});
    if (stream->port->told)
        stream->port->told(stream->port, stream);
    /* an observer or the protocol's start() may have ended it */
    if (stream->end_flags)
        end_journal(stream);
}

/** Gives a new stream what its port speaks at this moment. */
static void stream_speak(struct stream *stream)
{
    struct port *port = stream->port;
    struct tls_setup *setup = port->tls ? port->tls(port, stream) : NULL;
    if (setup) {
        tls_accept(stream, setup);
        return;
    }
    stream->protocol = port->protocol;
    stream->state = stream->protocol->start(stream);
}

struct stream *stream_new(struct port *port, int fd, const struct sockaddr_storage *address)
{
    struct stream *stream = memory_alloc(sizeof *stream);
    struct server *server = port->server;
    server_scratch(server);
    stream->server = server;
    stream->port = port;
    stream->name_id = port->name_id;
    stream->number = ++port->accepted;
    stream->accepted_ns = clock_now();
    stream->active_ns = stream->accepted_ns;
    stream_set_peer(&stream->peer, address);
    stream->previous = port->newest;
    if (port->newest)
        port->newest->next = stream;
    else
        port->oldest = stream;
    port->newest = stream;
    port->live++;
    server->streams++;
    /* a socket fresh from accept4() can be watched: what fails here is our own mistake */
    GOTO_ASSERT(watcher_init(&stream->watcher, server->loop, fd, stream_ready) == 0);
    stream_enter(stream);
    if (port->begins)
        port->begins(stream);
    stream_speak(stream);
    stream_journal_start(stream);
    stream_leave(stream);
    return stream;
}
