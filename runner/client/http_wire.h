/**
 * What the kernel knows about a connection that libcurl does not tell.
 */
#ifndef GOTO_RUNNER_CLIENT_HTTP_WIRE_H
#define GOTO_RUNNER_CLIENT_HTTP_WIRE_H

#include "base/common.h"

/** The bytes that a TCP connection has received so far, read or not; 0 for other sockets. */
uint64_t http_wire_received(int fd);

/** Whether a TCP connection (not a pair of sockets within this process) stands on this socket. */
bool http_wire_is_connected(int fd);

/** Whether the peer has ended the TCP connection (FIN) and we did not. */
bool http_wire_is_ended(int fd);

#endif
