/* A file of its own: linux/tcp.h, which knows the bytes received, does not go with netinet/tcp.h,
 * which libuv's header includes. */
#include "runner/client/http_wire.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { STATE_CLOSE_WAIT = 8 };

uint64_t http_wire_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return 0;
    uint64_t received = info.tcpi_bytes_received;
    /* A FIN takes one number of the sequence, and Linux counts it. */
    return info.tcpi_state == STATE_CLOSE_WAIT && received ? received - 1 : received;
}

bool http_wire_is_connected(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    return getpeername(fd, (struct sockaddr *)&address, &size) == 0;
}

bool http_wire_is_ended(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_state == STATE_CLOSE_WAIT;
}
