/*
 * A port whose handshakes are never completed: its backlog has room for one connection, and that is
 * our own. Linux drops the SYN of whoever comes to a full backlog, and he tries again.
 */
#include "base/memory.h"
#include "server/port/port_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
    PLUG_TRIES = 8,    /**< others may be faster than we are */
    PLUG_WAIT_MS = 200 /**< for a connection to ourselves */
};

bool port_is_plug(const struct port *port, const struct sockaddr_storage *peer)
{
    const struct sockaddr_storage *ours = port->plug ? &port->plug->address : NULL;
    if (!ours || ours->ss_family != peer->ss_family)
        return false;
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)ours;
        const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)peer;
        return a->sin6_port == b->sin6_port && IN6_ARE_ADDR_EQUAL(&a->sin6_addr, &b->sin6_addr);
    }
    const struct sockaddr_in *a = (const struct sockaddr_in *)ours;
    const struct sockaddr_in *b = (const struct sockaddr_in *)peer;
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

void port_plug_free(struct port *port)
{
    if (port->plug)
        close(port->plug->fd);
    memory_free(port->plug);
    port->plug = NULL;
}

/** Connects to the port itself. */
static int plug_connect(struct port *port)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(port->fd, (struct sockaddr *)&address, &size) < 0)
        return -errno;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct port_plug *plug = memory_alloc(sizeof *plug);
    plug->fd = fd;
    port->plug = plug;
    int error = connect(fd, (struct sockaddr *)&address, size) < 0 ? -errno : 0;
    /* on the same machine this does not wait for anybody */
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    if (error == -EINPROGRESS)
        error = poll(&wait, 1, PLUG_WAIT_MS) == 1 ? 0 : -ETIMEDOUT;
    size = sizeof plug->address;
    if (!error && getsockname(fd, (struct sockaddr *)&plug->address, &size) < 0)
        error = -errno;
    if (error)
        port_plug_free(port);
    return error;
}

/** The connections in the backlog. */
static unsigned plug_waiting(const struct port *port)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    /* of a socket that listens it is the length of the backlog */
    return getsockopt(port->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ? 0 : info.tcpi_unacked;
}

int port_plug(struct port *port)
{
    for (int i = 0; i < PLUG_TRIES; i++) {
        port_accept(port, SIZE_MAX);
        /* an observer may have ended it */
        if (!port->listening)
            return 0;
        int error = plug_connect(port);
        if (!error && listen(port->fd, 0) < 0)
            error = -errno;
        if (error)
            return error;
        port->plugged = true;
        /* it is full, and whoever came together with ours is accepted: all but the last one */
        for (unsigned waiting = plug_waiting(port); waiting > 1; waiting--)
            if (port_accept_one(port) <= 0)
                break;
        if (port->plug || !port->plugged)
            return 0;
        port->plugged = false;
        if (listen(port->fd, PORT_BACKLOG) < 0)
            return -errno;
    }
    /* somebody is last again and again: he has his handshake, and nobody else gets one */
    port->plugged = true;
    return listen(port->fd, 0) < 0 ? -errno : 0;
}

void port_unplug(struct port *port)
{
    port->plugged = false;
    (void)listen(port->fd, PORT_BACKLOG);
    /* ours goes first */
    port_accept(port, SIZE_MAX);
}
