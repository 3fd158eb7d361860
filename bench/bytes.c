/**
 * Bytes over TCP, for the bench: a far side, and who loads a proxy of it.
 *
 *     bytes serve                    prints its port; what a connection's first byte asks for
 *     bytes bulk PORT COUNT SECONDS  downloads on COUNT connections: prints bytes a second
 *     bytes rr PORT COUNT SECONDS    64-byte ping-pong: prints round trips a second, then the least
 *                                    time, p50, p99 and the most, in us
 *     bytes idle PORT COUNT          opens, says how many stand, keeps them until its input ends
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, CHUNK = 256 * 1024, MESSAGE = 64, SAMPLES = 1 << 20 };

static char chunk[CHUNK];
static char kind[MOST]; /* of a connection, by its descriptor: 0, 'b' or 'r' */

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void prepare(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void watch(int epoll, int fd, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, how, fd, &event) != 0)
        die("epoll_ctl");
}

/* The far side. */

static void serve_one(int epoll, int fd, uint32_t events)
{
    char message[CHUNK / 4];
    if (events & EPOLLOUT && kind[fd] == 'b') {
        for (int i = 0; i < 8; i++)
            if (send(fd, chunk, CHUNK, MSG_NOSIGNAL) < 0)
                break;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    ssize_t got = recv(fd, message, sizeof message, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        kind[fd] = 0;
        close(fd);
        return;
    }
    if (!kind[fd]) {
        kind[fd] = message[0];
        if (kind[fd] == 'b')
            watch(epoll, fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    if (kind[fd] == 'r' && send(fd, message, (size_t)got, MSG_NOSIGNAL) != got)
        die("send");
}

static void serve(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int epoll = epoll_create1(0);
    if (bind(listening, (struct sockaddr *)&address, size) || listen(listening, 4096) ||
        getsockname(listening, (struct sockaddr *)&address, &size))
        die("listen");
    watch(epoll, listening, EPOLLIN, EPOLL_CTL_ADD);
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listening) {
                serve_one(epoll, fd, events[i].events);
                continue;
            }
            fd = accept(listening, NULL, NULL);
            if (fd < 0)
                continue;
            prepare(fd);
            watch(epoll, fd, EPOLLIN, EPOLL_CTL_ADD);
        }
    }
}

/* Who loads it. */

static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        die("connect");
    return fd;
}

static int dial_all(int port, int count, const char *first, size_t size)
{
    int epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        int fd = dial(port);
        if (send(fd, first, size, 0) != (ssize_t)size)
            die("send");
        prepare(fd);
        watch(epoll, fd, EPOLLIN, EPOLL_CTL_ADD);
    }
    return epoll;
}

static int bulk(int port, int count, double seconds)
{
    int epoll = dial_all(port, count, "b", 1);
    int64_t start = now_ns();
    int64_t end = start + (int64_t)(seconds * 1e9);
    uint64_t bytes = 0;
    while (now_ns() < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            ssize_t got = recv(events[i].data.fd, NULL, 1 << 20, MSG_TRUNC);
            if (got == 0)
                return fprintf(stderr, "closed\n"), 1;
            bytes += got > 0 ? (uint64_t)got : 0;
        }
    }
    printf("%.0f\n", (double)bytes / ((double)(now_ns() - start) / 1e9));
    return 0;
}

static int order(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static int round_trips(int port, int count, double seconds)
{
    static float samples[SAMPLES];
    static int64_t sent[MOST];
    static size_t part[MOST];
    char message[MESSAGE];
    memset(message, 'r', sizeof message);
    int epoll = dial_all(port, count, message, sizeof message);
    int64_t start = now_ns();
    int64_t end = start + (int64_t)(seconds * 1e9);
    uint64_t trips = 0;
    int64_t now = start;
    while (now < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            ssize_t got = recv(fd, message, sizeof message - part[fd], 0);
            if (got <= 0)
                return fprintf(stderr, "closed\n"), 1;
            part[fd] += (size_t)got;
            if (part[fd] < sizeof message)
                continue;
            part[fd] = 0;
            now = now_ns();
            if (sent[fd])
                samples[trips++ % SAMPLES] = (float)(now - sent[fd]) / 1e3F;
            sent[fd] = now;
            if (send(fd, message, sizeof message, 0) != sizeof message)
                die("send");
        }
        now = now_ns();
    }
    size_t kept = trips < SAMPLES ? (size_t)trips : SAMPLES;
    qsort(samples, kept, sizeof *samples, order);
    if (kept == 0)
        return fprintf(stderr, "no round trip in that time\n"), 1;
    printf("%.0f %.1f %.1f %.1f %.1f\n", (double)trips / seconds, (double)samples[0],
           (double)samples[kept / 2], (double)samples[kept * 99 / 100], (double)samples[kept - 1]);
    return 0;
}

static int idle(int port, int count)
{
    char message[MESSAGE];
    memset(message, 'r', sizeof message);
    for (int i = 0; i < count; i++) {
        int fd = dial(port);
        if (send(fd, message, sizeof message, 0) != sizeof message ||
            recv(fd, message, sizeof message, MSG_WAITALL) != sizeof message)
            die("an idle connection");
    }
    printf("%d\n", count);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return 0;
}

/** A whole number up to `most`. */
static int number(const char *text, long most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > most) {
        fprintf(stderr, "'%s' is no number from 1 to %ld\n", text, most);
        exit(2);
    }
    return (int)value;
}

static double duration(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > 0 && value <= 3600)) {
        fprintf(stderr, "'%s' is no time from 0 to 3600 seconds\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (argc == 2 && !strcmp(argv[1], "serve"))
        serve();
    if (argc == 4 && !strcmp(argv[1], "idle"))
        return idle(number(argv[2], UINT16_MAX), number(argv[3], MOST));
    if (argc == 5 && !strcmp(argv[1], "bulk"))
        return bulk(number(argv[2], UINT16_MAX), number(argv[3], MOST), duration(argv[4]));
    if (argc == 5 && !strcmp(argv[1], "rr"))
        return round_trips(number(argv[2], UINT16_MAX), number(argv[3], MOST), duration(argv[4]));
    fprintf(stderr,
            "bytes serve | bulk PORT COUNT SECONDS | rr PORT COUNT SECONDS | idle PORT COUNT\n");
    return 2;
}
