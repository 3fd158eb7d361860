/**
 * A server on a loop of its own and raw clients in the same thread, for the tests of ports and
 * protocols.
 *
 * Nothing here sleeps: a test turns the loop until what it waits for has come, at most
 * RIG_PATIENCE_NS.
 */
#ifndef GOTO_CTEST_RIG_H
#define GOTO_CTEST_RIG_H

#include "base/clock.h"
#include "ctest/unit/unit.h"
#include "server/port/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIG_PATIENCE_NS (INT64_C(20) * CLOCK_SECOND)

struct rig {
    struct loop *loop;
    struct journal *journal;
    struct server server;
};

static inline void rig_init(struct rig *rig)
{
    rig->loop = loop_new();
    ck_assert_ptr_nonnull(rig->loop);
    rig->journal = journal_new(0, 0);
    server_init(&rig->server, rig->loop, rig->journal, 1);
}

/** Tears everything down, in the middle of whatever is under way. */
static inline void rig_clear(struct rig *rig)
{
    server_close_all(&rig->server);
    for (int64_t end = clock_now() + RIG_PATIENCE_NS; rig->server.streams && clock_now() < end;)
        loop_turn(rig->loop);
    ck_assert_uint_eq(rig->server.streams, 0);
    server_clear(&rig->server);
    loop_free(rig->loop);
    journal_free(rig->journal);
}

/** Turns the loop until the condition holds; fails with it as text when it does not in time. */
#define rig_until(rig, condition)                                                                  \
    do {                                                                                           \
        int64_t rig_end = clock_now() + RIG_PATIENCE_NS;                                           \
        while (!(condition)) {                                                                     \
            ck_assert_msg(clock_now() < rig_end, "in vain: %s", #condition);                       \
            loop_turn((rig)->loop);                                                                \
        }                                                                                          \
    } while (0)

static inline void rig_passed(struct timer *timer)
{
    (void)timer;
}

/** Turns the loop for a time. What was due in it has come behind it, also when nobody let us run
 * meanwhile. */
static inline void rig_pass(struct rig *rig, int64_t time_ns)
{
    struct timer timer;
    timer_init(&timer, rig->loop, rig_passed);
    timer_start(&timer, time_ns);
    while (timer_is_active(&timer))
        loop_turn(rig->loop);
}

static inline uint64_t rig_count(const struct rig *rig, enum entry_kind kind)
{
    return journal_count(rig->journal, kind, 0);
}

/** The newest entry of a kind; fails if there is none. */
static inline const struct entry *rig_entry(const struct rig *rig, enum entry_kind kind)
{
    for (uint64_t number = journal_last(rig->journal);
         number >= journal_first(rig->journal) && number; number--) {
        const struct entry *entry = journal_get(rig->journal, number);
        if (entry->kind == kind)
            return entry;
    }
    ck_abort_msg("no entry of kind %s", entry_kind_name(kind));
    return NULL;
}

/** Whether an entry of a kind holds the text. */
static inline bool rig_has_text(const struct rig *rig, enum entry_kind kind, const char *text)
{
    for (uint64_t number = journal_first(rig->journal); number <= journal_last(rig->journal);
         number++) {
        const struct entry *entry = journal_get(rig->journal, number);
        struct str data = {entry->data, entry->data_size};
        if (entry->kind == kind && str_find(data, str_of(text)) >= 0)
            return true;
    }
    return false;
}

/** A connection to 127.0.0.1, or a negative errno. */
static inline int rig_dial(uint16_t number)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(number)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/** Closes with RST. */
static inline void rig_reset(int fd)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

/** What a client heard so far. */
struct heard {
    char *data;
    size_t size;
    size_t capacity;
    bool fin;
    bool reset;
};

/** Reads what is there; true once the server has ended its side. */
static inline bool heard_more(struct heard *heard, int fd)
{
    while (!heard->fin && !heard->reset) {
        char piece[65536];
        ssize_t got = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            break;
        heard->fin = got == 0;
        heard->reset = got < 0;
        if (got <= 0)
            break;
        if (heard->capacity < heard->size + (size_t)got + 1) {
            heard->capacity = (heard->size + (size_t)got + 1) * 2;
            heard->data = realloc(heard->data, heard->capacity);
        }
        memcpy(heard->data + heard->size, piece, (size_t)got);
        heard->size += (size_t)got;
        heard->data[heard->size] = '\0';
    }
    return heard->fin || heard->reset;
}

static inline void heard_clear(struct heard *heard)
{
    free(heard->data);
    *heard = (struct heard){0};
}

static inline bool heard_has(struct heard *heard, int fd, const char *text)
{
    heard_more(heard, fd);
    return heard->data && strstr(heard->data, text);
}

static inline void say_bytes(int fd, const char *bytes, size_t size)
{
    ck_assert_int_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static inline void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

#endif
