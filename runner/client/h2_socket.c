#include "runner/client/h2_socket.h"
#include "base/memory.h"
#include "base/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/** A listener's full queue is not told by poll: Unix sockets are tried again. */
#define UNIX_AGAIN_NS (5 * INT64_C(1000000))

enum { SOCKET_WORDS = 512 };

struct h2_socket;

/** The watching of one socket; it outlives the wire until libuv has closed it. */
struct link {
    struct watcher watcher;
    struct h2_socket *socket;
};

struct h2_socket {
    struct h2_wire wire;
    struct loop *loop;
    char *host;
    uint16_t port;
    char *path;         /**< of a Unix socket, NULL = none */
    char *interface;    /**< NULL = any */
    struct timer timer; /**< what start() has to tell, and the next try on a Unix socket */
    struct resolution *resolution;
    struct addresses addresses;
    size_t at; /**< of the address that is being tried */
    int fd;    /**< -1 = none */
    struct link *link;
    bool connected;
    bool want_write;
    char remote[192];
    struct h2_client_end end; /**< why it is not to be had */
    char words[SOCKET_WORDS];
};

static struct h2_socket *socket_of(struct h2_wire *wire)
{
    return CONTAINER_OF(wire, struct h2_socket, wire);
}

/* One socket. */

static void link_closed(struct watcher *watcher)
{
    memory_free(CONTAINER_OF(watcher, struct link, watcher));
}

static void socket_drop(struct h2_socket *socket)
{
    if (socket->link)
        watcher_close(&socket->link->watcher, link_closed);
    socket->link = NULL;
    if (socket->fd >= 0)
        close(socket->fd);
    socket->fd = -1;
}

/** One of our addresses on a device; false if it has none of that family. */
static bool device_address(const char *device, int family, struct sockaddr_storage *address,
                           socklen_t *size)
{
    struct ifaddrs *list = NULL;
    bool found = false;
    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != family || strcmp(at->ifa_name, device) != 0)
            continue;
        *size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(address, at->ifa_addr, *size);
        found = true;
    }
    freeifaddrs(list);
    return found;
}

/** Leaves by `interface`: an address, or a device by name. Returns 0 or an errno. */
static int socket_bind(struct h2_socket *socket, int family)
{
    struct sockaddr_storage address = {0};
    struct addresses ours;
    socklen_t size = 0;
    const char *name = socket->interface;
    if (strncmp(name, "if!", 3) == 0)
        name += 3;
    else if (strncmp(name, "host!", 5) == 0)
        name += 5;
    if (resolve_known(name, 0, &ours) && ours.count) {
        for (size_t i = 0; i < ours.count && !size; i++)
            if (ours.items[i].ss_family == family) {
                address = ours.items[i];
                size = ours.sizes[i];
            }
    } else if (!device_address(name, family, &address, &size) && if_nametoindex(name) == 0) {
        return ENODEV;
    }
    if (!size)
        return EADDRNOTAVAIL;
    return bind(socket->fd, (const struct sockaddr *)&address, size) == 0 ? 0 : errno;
}

static void remote_note(struct h2_socket *socket)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    char port[8];
    if (socket->path) {
        snprintf(socket->remote, sizeof socket->remote, "unix:%s", socket->path);
        return;
    }
    if (getpeername(socket->fd, (struct sockaddr *)&address, &size) != 0 ||
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    bool six = address.ss_family == AF_INET6;
    snprintf(socket->remote, sizeof socket->remote, "%s%s%s:%s", six ? "[" : "", host,
             six ? "]" : "", port);
}

/* Connecting. */

static void socket_try(struct h2_socket *socket);

static void GOTO_PRINTF(4, 5)
    socket_fails(struct h2_socket *socket, enum h2_end kind, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(socket->words, sizeof socket->words, format, arguments);
    va_end(arguments);
    socket->end = (struct h2_client_end){.kind = kind, .error = error, .first_byte_ns = -1};
    socket->end.words = str_of(socket->words);
}

static void socket_tell(struct h2_socket *socket)
{
    socket->wire.user->connected(socket->wire.context, socket->connected ? NULL : &socket->end);
}

/** The address at hand cannot be had. */
static void socket_failed(struct h2_socket *socket, int error)
{
    socket_drop(socket);
    if (socket->path)
        socket_fails(socket, H2_END_CONNECT, error, "cannot connect to %s: %s", socket->path,
                     strerror(error));
    else
        socket_fails(socket, H2_END_CONNECT, error, "cannot connect to %s port %u: %s",
                     socket->host, socket->port, strerror(error));
    socket->at++;
    socket_try(socket);
}

static void socket_stands(struct h2_socket *socket)
{
    socket->connected = true;
    remote_note(socket);
    watcher_set(&socket->link->watcher, UV_READABLE | (socket->want_write ? UV_WRITABLE : 0));
    socket_tell(socket);
}

static void socket_ready(struct watcher *watcher, int events)
{
    struct h2_socket *wire = CONTAINER_OF(watcher, struct link, watcher)->socket;
    int error = 0;
    socklen_t size = sizeof error;
    (void)events;
    if (wire->connected) {
        wire->wire.user->ready(wire->wire.context);
        return;
    }
    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error)
        socket_failed(wire, error);
    else
        socket_stands(wire);
}

/** Makes the socket and its watching. Returns 0 or an errno. */
static int socket_open(struct h2_socket *wire, int family)
{
    int one = 1;
    wire->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        return errno;
    if (family != AF_UNIX)
        setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    wire->link = memory_alloc(sizeof *wire->link);
    wire->link->socket = wire;
    int error = -watcher_init(&wire->link->watcher, wire->loop, wire->fd, socket_ready);
    if (error) {
        memory_free(wire->link);
        wire->link = NULL;
    }
    return error;
}

/** Connects to one address. Returns 0 (on its way), or an errno; *local: our own side failed. */
static int socket_connect(struct h2_socket *wire, const struct sockaddr_storage *address,
                          socklen_t size, bool *local)
{
    int error = socket_open(wire, address->ss_family);
    *local = error != 0 && error != EAFNOSUPPORT;
    if (!error && wire->interface && !wire->path) {
        error = socket_bind(wire, address->ss_family);
        *local = error != 0;
    }
    if (error)
        return error;
    if (connect(wire->fd, (const struct sockaddr *)address, size) == 0 || errno == EINPROGRESS) {
        watcher_set(&wire->link->watcher, UV_WRITABLE);
        return 0;
    }
    return errno;
}

/** Tries the address at hand and those behind it; tells once there is none left. */
static void socket_try(struct h2_socket *socket)
{
    bool local = false;
    while (socket->at < socket->addresses.count) {
        int error = socket_connect(socket, &socket->addresses.items[socket->at],
                                   socket->addresses.sizes[socket->at], &local);
        if (!error)
            return;
        socket_drop(socket);
        if (error == EAGAIN && socket->path) {
            timer_start(&socket->timer, UNIX_AGAIN_NS);
            return;
        }
        socket_fails(socket, local ? H2_END_LOCAL : H2_END_CONNECT, error,
                     "cannot connect to %s%s%s: %s", socket->path ? socket->path : socket->host,
                     local && socket->interface ? " by interface " : "",
                     local && socket->interface ? socket->interface : "", strerror(error));
        socket->at++;
    }
    socket_tell(socket);
}

static void socket_resolved(void *context, const struct addresses *addresses, const char *words)
{
    struct h2_socket *socket = context;
    socket->resolution = NULL;
    socket->addresses = *addresses;
    if (addresses->count == 0)
        socket_fails(socket, H2_END_DNS, 0, "cannot resolve %s: %s", socket->host, words);
    socket_try(socket);
}

static bool unix_address(struct h2_socket *socket)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&socket->addresses.items[0];
    size_t size = strlen(socket->path);
    socket->addresses.count = 1;
    socket->addresses.sizes[0] = sizeof *address;
    if (size >= sizeof address->sun_path)
        return false;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, socket->path, size + 1);
    return true;
}

/** The first turn, and each further try on a Unix socket. */
static void socket_begin(struct timer *timer)
{
    struct h2_socket *socket = CONTAINER_OF(timer, struct h2_socket, timer);
    int error = 0;
    if (socket->addresses.count) {
        socket_try(socket);
    } else if (socket->path) {
        if (!unix_address(socket)) {
            socket->at++;
            socket_fails(socket, H2_END_LOCAL, ENAMETOOLONG, "the path %s is too long for a socket",
                         socket->path);
        }
        socket_try(socket);
    } else if (resolve_known(socket->host, socket->port, &socket->addresses)) {
        socket_try(socket);
    } else {
        socket->resolution = resolve_start(socket->loop, socket->host, socket->port,
                                           socket_resolved, socket, &error);
        if (socket->resolution)
            return;
        socket_fails(socket, H2_END_LOCAL, error, "cannot resolve %s: %s", socket->host,
                     strerror(error));
        socket_tell(socket);
    }
}

/* The wire. */

static void socket_start(struct h2_wire *wire)
{
    timer_start(&socket_of(wire)->timer, 0);
}

static ptrdiff_t socket_read(struct h2_wire *wire, char *into, size_t room)
{
    ssize_t got = recv(socket_of(wire)->fd, into, room, 0);
    return got < 0 ? -errno : got;
}

static ptrdiff_t socket_write(struct h2_wire *wire, struct str bytes)
{
    ssize_t sent = send(socket_of(wire)->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

static void socket_want_write(struct h2_wire *wire, bool want)
{
    struct h2_socket *socket = socket_of(wire);
    socket->want_write = want;
    if (socket->connected)
        watcher_set(&socket->link->watcher, UV_READABLE | (want ? UV_WRITABLE : 0));
}

static struct str socket_remote(const struct h2_wire *wire)
{
    const struct h2_socket *socket = (const struct h2_socket *)(const void *)wire;
    return str_of(socket->remote);
}

static void socket_close(struct h2_wire *wire)
{
    struct h2_socket *socket = socket_of(wire);
    timer_stop(&socket->timer);
    if (socket->resolution)
        resolve_cancel(socket->resolution);
    socket_drop(socket);
    memory_free(socket->host);
    memory_free(socket->path);
    memory_free(socket->interface);
    memory_free(socket);
}

static const struct h2_wire_type socket_type = {
    .start = socket_start,
    .read = socket_read,
    .write = socket_write,
    .want_write = socket_want_write,
    .remote = socket_remote,
    .close = socket_close,
};

static char *heap_string(struct str text)
{
    char *copy = memory_alloc(text.size + 1);
    if (text.size)
        memcpy(copy, text.data, text.size);
    return copy;
}

struct h2_wire *h2_socket_new(struct loop *loop, const struct h2_target *target)
{
    struct h2_socket *socket = memory_alloc(sizeof *socket);
    socket->wire.type = &socket_type;
    socket->loop = loop;
    socket->host = heap_string(target->host);
    socket->port = target->port;
    socket->path = target->unix_socket.data ? heap_string(target->unix_socket) : NULL;
    socket->interface = target->interface.data ? heap_string(target->interface) : NULL;
    socket->fd = -1;
    timer_init(&socket->timer, loop, socket_begin);
    return &socket->wire;
}
