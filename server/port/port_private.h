/**
 * What the files of port share: port.c opens, closes and accepts, port_blackhole.c fills the
 * backlog so that nobody gets in.
 */
#ifndef GOTO_SERVER_PORT_PORT_PRIVATE_H
#define GOTO_SERVER_PORT_PORT_PRIVATE_H

#include "server/port/port.h"

enum { PORT_BACKLOG = 4096 };

/** The connection that fills the backlog: our own end of it. */
struct port_plug {
    int fd;
    struct sockaddr_storage address;
};

/**
 * Fills the backlog of a port that listens: from now on the kernel drops SYNs. What was accepted by
 * the kernel before is accepted. 0 or a negative errno.
 */
GOTO_MUST_USE int port_plug(struct port *port);
/** Lets connections in again; the port listens still. */
void port_unplug(struct port *port);
/** Gives our end up. */
void port_plug_free(struct port *port);
/** Whether a connection that came out of the backlog is the one that filled it. */
bool port_is_plug(const struct port *port, const struct sockaddr_storage *peer);

/** Takes one connection from the backlog. Returns 1, or 0 when there is none, or a negative errno.
 */
int port_accept_one(struct port *port);
/** Accepts what waits, at most `most`; returns how many. */
size_t port_accept(struct port *port, size_t most);

#endif
