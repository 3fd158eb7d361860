#include "server/port/port_private.h"

#include "base/memory.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PORT_ACCEPTS = 64,                /**< accepted in one turn before others have theirs */
    PORT_RETRY_NS = 50 * 1000 * 1000, /**< after the system had no descriptor left */
    PORT_LOWEST = 32768,
    PORT_HIGHEST = 60999, /**< the local range, if /proc does not say */
};

static void port_ready(struct watcher *watcher, int events);
static int port_listen(struct port *port);

/** "localhost" or a numeric address, with the number. Returns the size, 0 if it is none. */
static socklen_t port_address(struct str host, uint16_t number, struct sockaddr_storage *address)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (host.size == 0 || str_is(host, "localhost"))
        host = STR("127.0.0.1");
    if (host.size >= sizeof text)
        return 0;
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(number);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(number);
        return sizeof *v6;
    }
    return 0;
}

static int port_set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

/** A socket bound to the address; a negative errno if that is taken. */
static int port_bind(struct str host, uint16_t number, bool reuse)
{
    struct sockaddr_storage address;
    socklen_t size = port_address(host, number, &address);
    if (!size)
        return -EADDRNOTAVAIL;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int error = reuse ? port_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) : 0;
    if (!error && bind(fd, (struct sockaddr *)&address, size) < 0)
        error = -errno;
    /* without it nobody else can bind the number, whatever option he sets */
    if (!error && reuse)
        error = port_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    /* what is accepted inherits it */
    if (!error)
        error = port_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (!error)
        return fd;
    close(fd);
    return error;
}

static void port_range(unsigned *low, unsigned *high)
{
    *low = PORT_LOWEST;
    *high = PORT_HIGHEST;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (!file)
        return;
    unsigned from;
    unsigned to;
    if (fscanf(file, "%u %u", &from, &to) == 2 && from > 0 && from <= to && to <= UINT16_MAX) {
        *low = from;
        *high = to;
    }
    fclose(file);
}

/**
 * Binds a free number of the local range. The number is named, never 0: Linux gives a number that
 * it chose itself up at shutdown(), and a closed port would lose it.
 */
static int port_bind_any(struct str host, uint16_t *number)
{
    unsigned low;
    unsigned high;
    port_range(&low, &high);
    unsigned count = high - low + 1;
    struct random random = random_for(random_seed(), STR("port"), (uint64_t)getpid());
    unsigned start = (unsigned)random_between(&random, 0, count - 1);
    for (unsigned i = 0; i < count; i++) {
        /* at random first; in order when the range is so full that chance finds nothing */
        unsigned at =
            i < count / 4 ? (unsigned)random_between(&random, 0, count - 1) : (start + i) % count;
        *number = (uint16_t)(low + at);
        int fd = port_bind(host, *number, false);
        if (fd != -EADDRINUSE)
            return fd;
    }
    return -EADDRINUSE;
}

static void port_retry(struct timer *timer)
{
    struct port *port = CONTAINER_OF(timer, struct port, retry);
    if (port->listening && !port->plugged)
        watcher_set(&port->watcher, UV_READABLE);
}

static void port_reopen_due(struct timer *timer)
{
    struct port *port = CONTAINER_OF(timer, struct port, reopen);
    port->base_open = true;
    if (port->states)
        return;
    int error = port_listen(port);
    if (error)
        journal_note(port->server->journal, ENTRY_NOTE, port->name_id,
                     "the port cannot be opened again: %s", strerror(-error));
}

struct port *port_new(struct server *server, struct str name, struct str host, uint16_t number,
                      int *error)
{
    int fd = number ? port_bind(host, number, true) : port_bind_any(host, &number);
    if (fd < 0) {
        *error = fd;
        return NULL;
    }
    struct port *port = memory_alloc(sizeof *port);
    port->server = server;
    port->name = name;
    port->name_id = journal_intern(server->journal, name);
    port->host = host;
    port->number = number;
    port->fd = fd;
    timer_init(&port->retry, server->loop, port_retry);
    timer_init(&port->reopen, server->loop, port_reopen_due);
    *error = watcher_init(&port->watcher, server->loop, fd, port_ready);
    if (*error) {
        close(fd);
        memory_free(port);
        return NULL;
    }
    port->watching = true;
    memory_grow(&server->ports, server->count, &server->capacity, sizeof(struct port *));
    server->ports[server->count++] = port;
    return port;
}

static void port_release(struct port *port)
{
    if (!port->freeing || port->watching || port->oldest)
        return;
    memory_free(port);
}

static void port_unwatched(struct watcher *watcher)
{
    struct port *port = CONTAINER_OF(watcher, struct port, watcher);
    port->watching = false;
    port_release(port);
}

void port_forget(struct port *port, struct stream *stream)
{
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        port->oldest = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    else
        port->newest = stream->previous;
    port_release(port);
}

static void port_drop_states(struct port *port)
{
    while (port->states) {
        struct port_state *older = port->states->older;
        memory_free(port->states);
        port->states = older;
    }
}

/** Ends a connection from outside: a peer that was faster is heard first. */
static void port_end(struct stream *stream, enum close_how how)
{
    stream_notice_end(stream);
    stream_disconnect(stream, how);
}

static void port_end_all(struct port *port, enum close_how how)
{
    /* streams stay in the list, and their memory stays, until a later turn */
    for (struct stream *stream = port->oldest; stream; stream = stream->next)
        port_end(stream, how);
}

void port_free(struct port *port)
{
    struct server *server = port->server;
    GOTO_ASSERT(!port->freeing);
    port->freeing = true;
    port->open = false;
    port->listening = false;
    port_plug_free(port);
    for (size_t i = 0; i < server->count; i++) {
        if (server->ports[i] != port)
            continue;
        memmove(&server->ports[i], &server->ports[i + 1],
                (--server->count - i) * sizeof(struct port *));
        break;
    }
    timer_stop(&port->retry);
    timer_stop(&port->reopen);
    while (port->drains) {
        struct port_drain *next = port->drains->next;
        timer_stop(&port->drains->timer);
        memory_free(port->drains);
        port->drains = next;
    }
    port_drop_states(port);
    watcher_close(&port->watcher, port_unwatched);
    close(port->fd);
    port->fd = -1;
    port_end_all(port, CLOSE_KILL);
}

/* Accepting. */

static size_t port_open_streams(const struct port *port)
{
    size_t count = 0;
    for (const struct stream *stream = port->oldest; stream; stream = stream->next)
        count += !stream->closing;
    return count;
}

bool port_exceeds(struct port *port, uint64_t most)
{
    if (port->live <= most || port_open_streams(port) <= most)
        return false;
    for (struct stream *stream = port->oldest; stream; stream = stream->next)
        if (stream != port->newest)
            stream_read_now(stream);
    return port_open_streams(port) > most;
}

static void port_turn_away(struct port *port, struct stream *stream)
{
    struct entry entry = journal_entry(ENTRY_REFUSED, port->name_id);
    entry.connection = stream->number;
    journal_append(port->server->journal, &entry, STR("more connections than max-connections"));
    stream_close(stream, CLOSE_RST);
}

/** accept4() failed: waits a little where the system has no descriptor or memory left. */
static void port_starve(struct port *port, int error)
{
    server_starve(port->server, port->name_id, error);
    watcher_set(&port->watcher, 0);
    timer_start(&port->retry, PORT_RETRY_NS);
}

int port_accept_one(struct port *port)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int fd = accept4(port->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    if (port_is_plug(port, &address)) {
        close(fd);
        port_plug_free(port);
        return 1;
    }
    struct stream *stream = stream_new(port, fd, &address);
    if (port->max_connections && !stream->closing && port_exceeds(port, port->max_connections))
        port_turn_away(port, stream);
    return 1;
}

size_t port_accept(struct port *port, size_t most)
{
    size_t count = 0;
    while (count < most && port->listening && !port->plugged) {
        int result = port_accept_one(port);
        if (result == -EINTR || result == -ECONNABORTED)
            continue;
        if (result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM)
            port_starve(port, -result);
        if (result <= 0)
            break;
        count++;
    }
    return count;
}

static void port_ready(struct watcher *watcher, int events)
{
    (void)events;
    port_accept(CONTAINER_OF(watcher, struct port, watcher), PORT_ACCEPTS);
}

/* Open and closed. */

static int port_hear(struct port *port)
{
    int error = port_set_option(port->fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!error && listen(port->fd, PORT_BACKLOG) < 0)
        error = -errno;
    if (error) {
        (void)port_set_option(port->fd, SOL_SOCKET, SO_REUSEADDR, 0);
        return error;
    }
    port->listening = true;
    watcher_set(&port->watcher, UV_READABLE);
    return 0;
}

static void port_deafen(struct port *port)
{
    port_accept(port, SIZE_MAX);
    timer_stop(&port->retry);
    port->listening = false;
    port->plugged = false;
    watcher_set(&port->watcher, 0);
    shutdown(port->fd, SHUT_RDWR);
    (void)port_set_option(port->fd, SOL_SOCKET, SO_REUSEADDR, 0);
    port_plug_free(port);
}

/** Has the kernel do what is wanted of the port. 0 or a negative errno. */
static int port_settle(struct port *port)
{
    bool listens = port->open && !port->refusals;
    int error = 0;
    if (!listens && port->listening)
        port_deafen(port);
    /* again: who was accepted before it closed may have had it opened */
    if (port->open && !port->refusals && !port->listening)
        error = port_hear(port);
    if (error || !port->listening)
        return error;
    if (port->blackholes && !port->plugged) {
        watcher_set(&port->watcher, 0);
        error = port_plug(port);
        if (!error)
            return 0;
        port->plugged = false;
        watcher_set(&port->watcher, UV_READABLE);
        journal_note(port->server->journal, ENTRY_NOTE, port->name_id,
                     "the port cannot be made a blackhole: %s", strerror(-error));
    } else if (!port->blackholes && port->plugged) {
        port_unplug(port);
        watcher_set(&port->watcher, UV_READABLE);
    }
    port->reachable |= port->listening && !port->plugged;
    return 0;
}

void port_refuse(struct port *port, bool refuses)
{
    port->refusals += refuses ? 1 : -1U;
    if (port->freeing)
        return;
    int error = port_settle(port);
    if (error)
        journal_note(port->server->journal, ENTRY_NOTE, port->name_id,
                     "the port cannot be opened again: %s", strerror(-error));
}

void port_blackhole(struct port *port, bool swallows)
{
    port->blackholes += swallows ? 1 : -1U;
    if (!port->freeing)
        (void)port_settle(port);
}

static int port_listen(struct port *port)
{
    if (port->open)
        return 0;
    /* an observer of what port_free() does */
    if (port->freeing)
        return -EBADF;
    port->open = true;
    int error = port_settle(port);
    if (error) {
        port->open = false;
        return error;
    }
    struct entry entry = journal_entry(ENTRY_PORT_OPEN, port->name_id);
    journal_append(port->server->journal, &entry, (struct str){NULL, 0});
    return 0;
}

static void port_drain_over(struct timer *timer)
{
    struct port_drain *drain = CONTAINER_OF(timer, struct port_drain, timer);
    struct port *port = drain->port;
    uint64_t last = drain->last;
    struct port_drain **slot = &port->drains;
    while (*slot != drain)
        slot = &(*slot)->next;
    *slot = drain->next;
    memory_free(drain);
    for (struct stream *stream = port->oldest; stream; stream = stream->next) {
        if (stream->number <= last)
            port_end(stream, CLOSE_FIN);
    }
}

/** Drains the connections; those that are not done in time get FIN. */
static void port_drain(struct port *port, int64_t within_ns)
{
    for (struct stream *stream = port->oldest; stream; stream = stream->next) {
        /* a request that the kernel already holds is under way */
        stream_read_now(stream);
        stream_close(stream, CLOSE_DRAIN);
    }
    struct port_drain *drain = memory_alloc(sizeof *drain);
    drain->port = port;
    drain->last = port->accepted;
    drain->next = port->drains;
    port->drains = drain;
    timer_init(&drain->timer, port->server->loop, port_drain_over);
    timer_start(&drain->timer, within_ns);
}

static void port_end_live(struct port *port, enum close_how how, int64_t within_ns)
{
    if (how == CLOSE_DRAIN)
        port_drain(port, within_ns);
    else if (how != CLOSE_KEEP)
        port_end_all(port, how);
}

static void port_unlisten(struct port *port, enum close_how how, int64_t within_ns)
{
    if (port->open) {
        port->open = false;
        (void)port_settle(port);
        struct entry entry = journal_entry(ENTRY_PORT_CLOSE, port->name_id);
        journal_append(port->server->journal, &entry, str_of(close_how_name(how)));
    }
    port_end_live(port, how, within_ns);
}

int port_open(struct port *port)
{
    int error = port_listen(port);
    if (error)
        return error;
    timer_stop(&port->reopen);
    port_drop_states(port);
    port->base_open = true;
    return 0;
}

void port_close(struct port *port, enum close_how how, int64_t within_ns)
{
    if (port->freeing)
        return;
    timer_stop(&port->reopen);
    port_drop_states(port);
    port->base_open = false;
    port_unlisten(port, how, within_ns);
}

int port_reopen(struct port *port, enum close_how how, int64_t down_ns)
{
    if (port->freeing)
        return -EBADF;
    port_close(port, how, down_ns);
    timer_start(&port->reopen, down_ns);
    return 0;
}

int port_push(struct port *port, bool open, enum close_how how, int64_t within_ns, uint64_t *id)
{
    int error = open ? port_listen(port) : port->freeing ? -EBADF : 0;
    if (error)
        return error;
    struct port_state *state = memory_alloc(sizeof *state);
    state->older = port->states;
    state->id = ++port->next_state;
    state->open = open;
    port->states = state;
    *id = state->id;
    if (!open)
        port_unlisten(port, how, within_ns);
    return 0;
}

int port_undo(struct port *port, uint64_t id)
{
    struct port_state **slot = &port->states;
    while (*slot && (*slot)->id != id)
        slot = &(*slot)->older;
    if (!*slot)
        return 0;
    struct port_state *state = *slot;
    *slot = state->older;
    memory_free(state);
    bool open = port->states ? port->states->open : port->base_open;
    if (open)
        return port_listen(port);
    if (port->open)
        port_unlisten(port, CLOSE_FIN, 0);
    return 0;
}

/* Live connections. */

void port_end_connections(struct port *port, enum close_how how, int64_t within_ns)
{
    if (port->freeing)
        return;
    port_accept(port, SIZE_MAX);
    port_end_live(port, how, within_ns);
}

size_t port_disconnect(struct port *port, enum which_streams which, enum close_how how)
{
    size_t count = 0;
    port_accept(port, SIZE_MAX);
    struct stream *stream = which == WHICH_NEWEST ? port->newest : port->oldest;
    for (; stream; stream = which == WHICH_NEWEST ? stream->previous : stream->next) {
        if (stream->closing || (which == WHICH_IDLE && !stream->protocol->is_idle(stream)))
            continue;
        port_end(stream, how);
        count++;
        if (which == WHICH_OLDEST || which == WHICH_NEWEST)
            break;
    }
    return count;
}

bool port_read_rest(struct port *port)
{
    bool any = port_accept(port, SIZE_MAX) > 0;
    for (struct stream *stream = port->oldest; stream; stream = stream->next)
        any |= stream_read_now(stream);
    return any;
}
