/* Connections that we make: connect() without waiting, then a stream like any other. */
#include "base/clock.h"
#include "base/memory.h"
#include "server/server.h"
#include "server/stream/scratch.h"
#include "server/stream/stage.h"
#include "server/stream/stream_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** A connect() under way: the state of a stream whose protocol has not begun. */
struct dialing {
    const struct protocol *protocol;
    void (*failed)(void *owner, int error);
    struct stream *stream;
    struct timer timer; /**< active: connect() ended at once */
    int error;          /**< as it said; 0 = it stands */
};

static size_t dialing_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    return bytes.size;
}

static void dialing_nothing(struct stream *stream)
{
    (void)stream;
}

static void dialing_ended(struct stream *stream, bool reset)
{
    (void)stream;
    (void)reset;
}

static bool dialing_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void dialing_free(struct stream *stream)
{
    struct dialing *dialing = stream->state;
    timer_stop(&dialing->timer);
    memory_free(dialing);
    stream->state = NULL;
}

/** What a stream speaks before its protocol: nothing. */
static const struct protocol dialing_protocol = {
    .name = "dialing",
    .bytes = dialing_bytes,
    .writable = dialing_nothing,
    .ended = dialing_ended,
    .closing = dialing_nothing,
    .drain = dialing_nothing,
    .is_idle = dialing_is_idle,
    .gone = dialing_free,
};

static void dialing_fail(struct stream *stream, int error)
{
    const struct dialing *dialing = stream->state;
    void (*failed)(void *, int) = dialing->failed;
    stream->failed = true;
    stream->dialing = false;
    end_finish(stream, false);
    if (failed)
        failed(stream->owner, error);
}

static void dialing_stands(struct stream *stream)
{
    const struct protocol *protocol = ((struct dialing *)stream->state)->protocol;
    stream->dialing = false;
    stream->active_ns = clock_now();
    stream_set_protocol(stream, protocol);
}

static void dialing_settle(struct stream *stream, int error)
{
    /* a connect() that is refused says ECONNREFUSED: this one stood, and was reset since */
    bool was_reset = error == ECONNRESET || error == EPIPE;
    stream_enter(stream);
    if (error && !was_reset)
        dialing_fail(stream, error);
    else
        dialing_stands(stream);
    if (was_reset && !stream->closed)
        stream_reset(stream);
    stream_leave(stream);
}

static void dialing_due(struct timer *timer)
{
    struct dialing *dialing = CONTAINER_OF(timer, struct dialing, timer);
    dialing_settle(dialing->stream, dialing->error);
}

void dial_ready(struct stream *stream)
{
    int error = 0;
    char byte;
    ssize_t got;
    /* not by SO_ERROR: it would take an RST that came since away from the bytes before it */
    do
        got = recv(stream->watcher.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        error = errno;
    dialing_settle(stream, error);
}

static int dial_socket(int family)
{
    int one = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/** Calls connect(); what it comes to is told in a later turn. */
static void dial_begin(struct stream *stream, const struct stream_dial *dial)
{
    struct dialing *dialing = stream->state;
    int result = 0;
    if (!dial->socket) {
        do
            result = connect(stream->watcher.fd, (const struct sockaddr *)dial->address,
                             (socklen_t)dial->address_size);
        while (result != 0 && errno == EINTR);
    }
    if (result != 0 && errno == EINPROGRESS) {
        watcher_set(&stream->watcher, UV_WRITABLE);
        return;
    }
    dialing->error = result == 0 ? 0 : errno;
    timer_start(&dialing->timer, 0);
}

/* Hops: whoever accepts a connection of a proxy of the same server finds out by its peer's number
 * how many proxies it has passed. The table is made when the first proxy dials one of our own. */

enum { HOP_PORTS = UINT16_MAX + 1 };

static void hops_note(struct stream *stream)
{
    struct server *server = stream->server;
    struct sockaddr_storage address = {0};
    struct stream_peer self = {0};
    socklen_t size = sizeof address;
    if (!stream->hops || getsockname(stream->watcher.fd, (struct sockaddr *)&address, &size) != 0)
        return;
    stream_set_peer(&self, &address);
    if (!server->hops)
        server->hops = memory_alloc(HOP_PORTS);
    stream->hop_port = self.port;
    server->hops[self.port] = stream->hops;
}

unsigned stream_hops(const struct stream *stream)
{
    const struct server *server = stream->server;
    return server->hops ? server->hops[stream->peer.port] : 0;
}

struct stream *stream_dial(struct server *server, const struct stream_dial *dial, int *error)
{
    static const struct sockaddr_storage nobody = {.ss_family = AF_UNIX};
    int fd = dial->socket ? dial->socket : dial_socket(dial->address->ss_family);
    if (fd < 0) {
        *error = errno;
        server_starve(server, dial->name_id, *error);
        return NULL;
    }
    struct stream *stream = memory_alloc(sizeof *stream);
    struct dialing *dialing = memory_alloc(sizeof *dialing);
    server_scratch(server);
    *dialing =
        (struct dialing){.protocol = dial->protocol, .failed = dial->failed, .stream = stream};
    timer_init(&dialing->timer, server->loop, dialing_due);
    stream->server = server;
    stream->owner = dial->owner;
    stream->name_id = dial->name_id;
    stream->number = dial->number;
    stream->hops = dial->hops;
    stream->protocol = &dialing_protocol;
    stream->state = dialing;
    stream->dialing = true;
    stream->accepted_ns = clock_now();
    stream->active_ns = stream->accepted_ns;
    stream_set_peer(&stream->peer, dial->socket ? &nobody : dial->address);
    stream->next = server->dialed;
    if (server->dialed)
        server->dialed->previous = stream;
    server->dialed = stream;
    server->streams++;
    /* a fresh socket can be watched: what fails here is our own mistake */
    GOTO_ASSERT(watcher_init(&stream->watcher, server->loop, fd, stream_ready) == 0);
    dial_begin(stream, dial);
    hops_note(stream);
    return stream;
}

void dial_forget(struct stream *stream)
{
    struct server *server = stream->server;
    if (stream->hop_port)
        server->hops[stream->hop_port] = 0;
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        server->dialed = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
}
