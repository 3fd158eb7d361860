#include "runner/client/supervisor.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/client/supervisor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/** Messages heard in one turn of the loop, so that the rest of it gets its turn too. */
enum { HEAR_AT_ONCE = 64 };

/** How long supervisor_free() waits for it. */
#define FREE_WAIT_NS (5 * INT64_C(1000000000))

struct supervisor *supervisor_new(int *error)
{
    int ends[2];
    *error = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        *error = -errno;
        return NULL;
    }
    pid_t pid = fork();
    if (pid < 0) {
        *error = -errno;
        close(ends[0]);
        close(ends[1]);
        return NULL;
    }
    if (pid == 0)
        supervisor_child_run(ends[1]);
    close(ends[1]);
    struct supervisor *supervisor = memory_alloc(sizeof *supervisor);
    supervisor->socket = ends[0];
    supervisor->pid = pid;
    return supervisor;
}

/* sending */

static int message_send(int socket, const struct wire_message *message, const int *fds,
                        size_t fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(WIRE_FDS * sizeof(int))];
    } control;
    struct iovec part = {(void *)(uintptr_t)message, sizeof *message};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count) {
        memset(&control, 0, sizeof control);
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/** Whether the message has to be tried again; ETOOMANYREFS: too many descriptors are on their way.
 */
static bool is_busy(int error)
{
    return error == -EAGAIN || error == -EWOULDBLOCK || error == -ETOOMANYREFS ||
           error == -ENOBUFS || error == -ENOMEM;
}

static void fds_close(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void outgoing_free(struct outgoing *outgoing)
{
    fds_close(outgoing->fds, outgoing->fd_count);
    memory_free(outgoing);
}

void supervisor_send(struct supervisor *supervisor, const struct wire_message *message,
                     const int *fds, size_t fd_count)
{
    GOTO_ASSERT(fd_count <= WIRE_FDS);
    int error = supervisor->lost    ? -EPIPE
                : supervisor->first ? -EAGAIN
                                    : message_send(supervisor->socket, message, fds, fd_count);
    if (!is_busy(error)) {
        /* if it is dead, the end of the socket tells so to every process */
        fds_close(fds, fd_count);
        return;
    }
    struct outgoing *outgoing = memory_alloc(sizeof *outgoing);
    outgoing->message = *message;
    outgoing->fd_count = fd_count;
    if (fd_count)
        memcpy(outgoing->fds, fds, fd_count * sizeof(int));
    if (supervisor->last)
        supervisor->last->next = outgoing;
    else
        supervisor->first = outgoing;
    supervisor->last = outgoing;
    watcher_set(&supervisor->watcher, UV_READABLE | UV_WRITABLE);
}

static void supervisor_drop_first(struct supervisor *supervisor)
{
    struct outgoing *outgoing = supervisor->first;
    supervisor->first = outgoing->next;
    if (!supervisor->first)
        supervisor->last = NULL;
    outgoing_free(outgoing);
}

static void supervisor_flush(struct supervisor *supervisor)
{
    while (supervisor->first) {
        struct outgoing *outgoing = supervisor->first;
        if (is_busy(message_send(supervisor->socket, &outgoing->message, outgoing->fds,
                                 outgoing->fd_count)))
            return;
        supervisor_drop_first(supervisor);
    }
    watcher_set(&supervisor->watcher, UV_READABLE);
}

bool supervisor_withdraw(struct supervisor *supervisor, uint64_t id)
{
    struct outgoing *before = NULL;
    for (struct outgoing *outgoing = supervisor->first; outgoing; outgoing = outgoing->next) {
        if (outgoing->message.id == id && outgoing->message.kind == WIRE_START) {
            if (before)
                before->next = outgoing->next;
            else
                supervisor->first = outgoing->next;
            if (supervisor->last == outgoing)
                supervisor->last = before;
            outgoing_free(outgoing);
            return true;
        }
        before = outgoing;
    }
    return false;
}

/* hearing */

static void supervisor_hear(struct supervisor *supervisor, const struct wire_message *message)
{
    for (struct process *process = supervisor->processes; process;
         process = process_next(process)) {
        if (process_id(process) == message->id) {
            process_hear(process, message);
            return;
        }
    }
}

/** It is dead, which nobody asked for. Every process has ended as far as anyone can know. */
static void supervisor_lose(struct supervisor *supervisor)
{
    supervisor->lost = true;
    watcher_set(&supervisor->watcher, 0);
    while (supervisor->first)
        supervisor_drop_first(supervisor);
    struct process *process = supervisor->processes;
    while (process) {
        if (process_is_open(process)) {
            /* what its owner hears may free any process, so the list is looked at anew */
            process_lose(process);
            process = supervisor->processes;
        } else {
            process = process_next(process);
        }
    }
}

static void supervisor_ready(struct watcher *watcher, int events)
{
    struct supervisor *supervisor = CONTAINER_OF(watcher, struct supervisor, watcher);
    if (events & UV_WRITABLE && supervisor->first)
        supervisor_flush(supervisor);
    for (int i = 0; i < HEAR_AT_ONCE; i++) {
        struct wire_message message;
        ssize_t got = recv(supervisor->socket, &message, sizeof message, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (got != sizeof message) {
            supervisor_lose(supervisor);
            return;
        }
        supervisor_hear(supervisor, &message);
    }
}

int supervisor_attach(struct supervisor *supervisor, struct loop *loop)
{
    GOTO_ASSERT(!supervisor->loop);
    int flags = fcntl(supervisor->socket, F_GETFL);
    if (flags < 0 || fcntl(supervisor->socket, F_SETFL, flags | O_NONBLOCK) != 0)
        return -errno;
    int error = watcher_init(&supervisor->watcher, loop, supervisor->socket, supervisor_ready);
    if (error)
        return error;
    supervisor->loop = loop;
    watcher_set(&supervisor->watcher, UV_READABLE);
    return 0;
}

/* the end */

static void supervisor_closed(struct watcher *watcher)
{
    memory_free(CONTAINER_OF(watcher, struct supervisor, watcher));
}

/** Reads and drops what it still says, until it ends or the time is over; then it is killed. */
static void supervisor_wait(struct supervisor *supervisor)
{
    int64_t deadline = clock_now() + FREE_WAIT_NS;
    struct pollfd socket = {.fd = supervisor->socket, .events = POLLIN};
    bool ended = false;
    while (!ended) {
        int64_t left = deadline - clock_now();
        if (left <= 0)
            break;
        if (poll(&socket, 1, (int)(left / CLOCK_MS) + 1) <= 0)
            continue;
        struct wire_message message;
        ssize_t got = recv(supervisor->socket, &message, sizeof message, MSG_DONTWAIT);
        ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    }
    if (!ended)
        kill(supervisor->pid, SIGKILL);
    while (waitpid(supervisor->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void supervisor_free(struct supervisor *supervisor)
{
    if (!supervisor)
        return;
    while (supervisor->processes)
        process_detach(supervisor->processes);
    while (supervisor->first)
        supervisor_drop_first(supervisor);
    /* not close(): its end must also be seen when a forked process has a copy of our end */
    shutdown(supervisor->socket, SHUT_WR);
    supervisor_wait(supervisor);
    if (supervisor->loop)
        watcher_close(&supervisor->watcher, supervisor_closed);
    close(supervisor->socket);
    if (!supervisor->loop)
        memory_free(supervisor);
}
