#include "ctest/unit/rig.h"

#include "base/memory.h"
#include "server/http/upstream.h"

#include <sys/resource.h>

/* A protocol that answers each byte by itself and keeps count. */

static int alive;
static bool keeps_open; /* does not answer FIN by FIN */

static void *echo_start(struct stream *stream)
{
    (void)stream;
    alive++;
    return memory_alloc(1);
}

static size_t echo_bytes(struct stream *stream, struct str bytes)
{
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    stream_write(stream, &part, 1);
    return bytes.size;
}

static void echo_nothing(struct stream *stream)
{
    (void)stream;
}

static void echo_ended(struct stream *stream, bool reset)
{
    if (!reset && !keeps_open)
        stream_close(stream, CLOSE_FIN);
}

static void echo_drain(struct stream *stream)
{
    if (!stream->received)
        stream_close(stream, CLOSE_FIN);
}

static bool echo_is_idle(const struct stream *stream)
{
    return !stream->received;
}

static void echo_gone(struct stream *stream)
{
    alive--;
    memory_free(stream->state);
}

static const struct protocol echo_protocol = {
    .name = "echo",
    .start = echo_start,
    .bytes = echo_bytes,
    .writable = echo_nothing,
    .ended = echo_ended,
    .closing = echo_nothing,
    .drain = echo_drain,
    .is_idle = echo_is_idle,
    .gone = echo_gone,
};

/* No HTTP here: what its codec asks of an upstream is never asked. */

/** No request is forwarded here. */
void upstream_stream(struct upstream *upstream, struct exchange *exchange)
{
    (void)upstream;
    (void)exchange;
}

bool upstream_answers_early(struct upstream *upstream, const struct exchange *exchange)
{
    (void)upstream;
    (void)exchange;
    return true;
}

bool upstream_tunnels(const struct upstream *upstream)
{
    (void)upstream;
    return false;
}

void upstream_answer(struct upstream *upstream, struct exchange *exchange)
{
    (void)upstream;
    (void)exchange;
}

const struct limits *upstream_limits(const struct upstream *upstream)
{
    (void)upstream;
    return NULL;
}

static struct port *port_make(struct rig *rig, const char *host, uint16_t number)
{
    int error = 0;
    struct port *port = port_new(&rig->server, STR("api"), str_of(host), number, &error);
    ck_assert_msg(port != NULL, "%s: %s", host, strerror(-error));
    ck_assert_int_eq(error, 0);
    port->protocol = &echo_protocol;
    return port;
}

static struct port *port_make_open(struct rig *rig)
{
    struct port *port = port_make(rig, "127.0.0.1", 0);
    ck_assert_int_eq(port_open(port), 0);
    return port;
}

/** Tries to take the number from outside: the errno, or 0. */
static int take(uint16_t number, bool reuse)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(number)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (reuse)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int result = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
    if (!result && listen(fd, 1) < 0)
        result = errno;
    close(fd);
    return result;
}

static void ck_closed_and_kept(const struct port *port)
{
    ck_assert_int_eq(rig_dial(port->number), -ECONNREFUSED);
    ck_assert_int_eq(take(port->number, false), EADDRINUSE);
    ck_assert_int_eq(take(port->number, true), EADDRINUSE);
}

static void ck_echoes(struct rig *rig, int fd)
{
    struct heard heard = {0};
    say(fd, "ping");
    rig_until(rig, heard_has(&heard, fd, "ping"));
    heard_clear(&heard);
}

static void rounds(uint16_t number)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make(&rig, "127.0.0.1", number);
    int fds[6];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        ck_closed_and_kept(port);
        ck_assert_int_eq(port_open(port), 0);
        ck_assert_int_eq(port_open(port), 0);
        ck_assert_int_eq(take(port->number, true), EADDRINUSE);
        fds[i] = rig_dial(port->number);
        ck_assert_int_ge(fds[i], 0);
        ck_echoes(&rig, fds[i]);
        port_close(port, i % 2 ? CLOSE_FIN : CLOSE_KEEP, 0);
        ck_closed_and_kept(port);
        if (i % 2 == 0)
            ck_echoes(&rig, fds[i]);
    }
    ck_assert_uint_eq(rig_count(&rig, ENTRY_PORT_OPEN), 6);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_PORT_CLOSE), 6);
    rig_clear(&rig);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    ck_assert_int_eq(alive, 0);
}

START_TEST(test_keeps_its_number_over_rounds)
{
    rounds(0);
}
END_TEST

/** A number that is free just now. */
static uint16_t free_number(void)
{
    struct rig rig;
    rig_init(&rig);
    uint16_t number = port_make(&rig, "127.0.0.1", 0)->number;
    rig_clear(&rig);
    return number;
}

START_TEST(test_keeps_a_fixed_number_over_rounds)
{
    uint16_t number = free_number();
    rounds(number);
    /* old connections linger on it, and it can be taken all the same */
    rounds(number);
}
END_TEST

START_TEST(test_tells_why_an_address_cannot_be_had)
{
    struct rig rig;
    int error;
    rig_init(&rig);
    struct port *port = port_make(&rig, "localhost", 0);
    ck_assert_ptr_null(port_new(&rig.server, STR("b"), STR("127.0.0.1"), port->number, &error));
    ck_assert_int_eq(error, -EADDRINUSE);
    ck_assert_ptr_null(port_new(&rig.server, STR("b"), STR("192.0.2.1"), 0, &error));
    ck_assert_int_eq(error, -EADDRNOTAVAIL);
    ck_assert_ptr_null(port_new(&rig.server, STR("b"), STR("no address"), 0, &error));
    ck_assert_int_eq(error, -EADDRNOTAVAIL);
    ck_assert_ptr_eq(server_port(&rig.server, STR("api")), port);
    ck_assert_ptr_null(server_port(&rig.server, STR("b")));
    rig_clear(&rig);
}
END_TEST

START_TEST(test_listens_on_other_hosts)
{
    struct rig rig;
    int error;
    rig_init(&rig);
    struct port *any = port_make(&rig, "0.0.0.0", 0);
    ck_assert_int_eq(port_open(any), 0);
    int fd = rig_dial(any->number);
    ck_echoes(&rig, fd);
    struct port *v6 = port_new(&rig.server, STR("six"), STR("::1"), 0, &error);
    int six = -1;
    if (v6) { /* a machine without IPv6 has no ::1 */
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(v6->number)};
        address.sin6_addr = in6addr_loopback;
        v6->protocol = &echo_protocol;
        ck_assert_int_eq(port_open(v6), 0);
        six = socket(AF_INET6, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(six, (struct sockaddr *)&address, sizeof address), 0);
        ck_echoes(&rig, six);
        const struct entry *entry = rig_entry(&rig, ENTRY_CONNECTION);
        ck_assert(str_starts((struct str){entry->data, entry->data_size}, STR("[::1]:")));
        port_close(v6, CLOSE_KEEP, 0);
        ck_assert_int_lt(
            connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address),
            0);
    }
    rig_clear(&rig);
    close(fd);
    close(six);
}
END_TEST

START_TEST(test_holds_two_hundred_ports)
{
    struct rig rig;
    struct port *ports[200];
    rig_init(&rig);
    for (size_t i = 0; i < COUNT_OF(ports); i++)
        ports[i] = port_make(&rig, "127.0.0.1", 0);
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        ck_assert_int_eq(port_open(ports[i]), 0);
        port_close(ports[i], CLOSE_FIN, 0);
    }
    for (size_t i = 0; i < COUNT_OF(ports); i++)
        ck_closed_and_kept(ports[i]);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_journals_connections)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    ck_echoes(&rig, fd);
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    char text[64];
    getsockname(fd, (struct sockaddr *)&own, &size);
    snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(own.sin_port));
    const struct entry *entry = rig_entry(&rig, ENTRY_CONNECTION);
    ck_str_is(((struct str){entry->data, entry->data_size}), text);
    ck_assert_uint_eq(entry->connection, 1);
    close(fd);
    rig_until(&rig, rig_count(&rig, ENTRY_CONNECTION_END) == 1);
    entry = rig_entry(&rig, ENTRY_CONNECTION_END);
    ck_assert_uint_eq(entry->flags, ENTRY_CLOSED_BY_CLIENT);
    ck_assert_uint_eq(entry->extra, 4);
    ck_assert_uint_eq(entry->extra2, 4);
    ck_assert_int_gt(entry->value, 0);
    fd = rig_dial(port->number);
    ck_echoes(&rig, fd);
    rig_reset(fd);
    rig_until(&rig, rig_count(&rig, ENTRY_CONNECTION_END) == 2);
    entry = rig_entry(&rig, ENTRY_CONNECTION_END);
    ck_assert_uint_eq(entry->flags, ENTRY_CLOSED_BY_CLIENT | ENTRY_CLOSED_BY_RESET);
    ck_assert_uint_eq(entry->connection, 2);
    ck_assert_uint_eq(port->live, 0);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_accepts_what_waits_before_it_closes)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL, CLOSE_DRAIN,
                                          CLOSE_KEEP};
    for (size_t i = 0; i < COUNT_OF(hows); i++) {
        struct rig rig;
        rig_init(&rig);
        struct port *port = port_make_open(&rig);
        int fd = rig_dial(port->number);
        port_close(port, hows[i], CLOCK_SECOND);
        ck_assert_uint_eq(rig_count(&rig, ENTRY_CONNECTION), 1);
        ck_str_is(
            str_of(rig_entry(&rig, ENTRY_PORT_CLOSE)->data_size ? close_how_name(hows[i]) : ""),
            close_how_name(hows[i]));
        struct heard heard = {0};
        if (hows[i] == CLOSE_KEEP) {
            ck_echoes(&rig, fd);
        } else {
            rig_until(&rig, heard_more(&heard, fd));
            ck_assert(hows[i] == CLOSE_RST ? heard.reset : heard.fin);
        }
        rig_clear(&rig);
        close(fd);
    }
}
END_TEST

START_TEST(test_fin_reads_on_until_the_peer_closes)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    struct heard heard = {0};
    ck_echoes(&rig, fd);
    ck_assert_uint_eq(port_disconnect(port, WHICH_ALL, CLOSE_FIN), 1);
    rig_until(&rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    say(fd, "still talking");
    rig_until(&rig, port->oldest->received == 4 + 13);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_CONNECTION_END), 0);
    close(fd);
    rig_until(&rig, rig_count(&rig, ENTRY_CONNECTION_END) == 1);
    ck_assert_uint_eq(rig_entry(&rig, ENTRY_CONNECTION_END)->flags, ENTRY_CLOSED_BY_SERVER);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_fin_waits_a_second_at_most)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    ck_echoes(&rig, fd);
    int64_t start = clock_now();
    port_disconnect(port, WHICH_ALL, CLOSE_FIN);
    rig_until(&rig, rig_count(&rig, ENTRY_CONNECTION_END) == 1);
    ck_assert_int_ge(clock_now() - start, CLOCK_SECOND);
    rig_clear(&rig);
    close(fd);
}
END_TEST

START_TEST(test_rst_comes_after_what_was_written)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    struct heard heard = {0};
    static char block[300000];
    memset(block, 'b', sizeof block);
    rig_until(&rig, port->oldest);
    struct iovec part = {block, sizeof block};
    stream_write(port->oldest, &part, 1);
    stream_close(port->oldest, CLOSE_RST);
    rig_until(&rig, heard_more(&heard, fd));
    ck_assert(heard.reset);
    ck_assert_uint_eq(heard.size, sizeof block);
    ck_assert_uint_eq(rig_entry(&rig, ENTRY_CONNECTION_END)->flags,
                      ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_NOTE), 0);
    heard_clear(&heard);
    rig_clear(&rig);
    close(fd);
}
END_TEST

START_TEST(test_rst_is_noted_when_nobody_acknowledges)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    char *block = memory_alloc(32 << 20);
    rig_until(&rig, port->oldest);
    struct iovec part = {block, 32 << 20};
    stream_write(port->oldest, &part, 1);
    memory_free(block);
    ck_assert_uint_gt(stream_queued(port->oldest), 0);
    stream_close(port->oldest, CLOSE_RST);
    rig_until(&rig, rig_count(&rig, ENTRY_CONNECTION_END) == 1);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_NOTE), 1);
    rig_clear(&rig);
    close(fd);
}
END_TEST

START_TEST(test_kill_does_as_the_kernel_does)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int quiet = rig_dial(port->number);
    struct heard heard = {0};
    rig_until(&rig, port->oldest);
    stream_close(port->oldest, CLOSE_KILL);
    heard_more(&heard, quiet);
    ck_assert(heard.fin);
    ck_assert_uint_eq(rig_entry(&rig, ENTRY_CONNECTION_END)->flags, ENTRY_CLOSED_BY_SERVER);
    /* bytes that nobody read make it an RST */
    int talker = rig_dial(port->number);
    say(talker, "unread");
    ck_assert_uint_eq(port_disconnect(port, WHICH_ALL, CLOSE_KILL), 1);
    heard = (struct heard){0};
    heard_more(&heard, talker);
    ck_assert(heard.reset);
    ck_assert_uint_eq(rig_entry(&rig, ENTRY_CONNECTION_END)->flags,
                      ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET);
    rig_clear(&rig);
    close(quiet);
    close(talker);
}
END_TEST

START_TEST(test_a_close_can_only_become_harsher)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    struct heard heard = {0};
    ck_echoes(&rig, fd);
    struct stream *stream = port->oldest;
    stream_close(stream, CLOSE_FIN);
    stream_close(stream, CLOSE_KEEP);
    stream_close(stream, CLOSE_DRAIN);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_CONNECTION_END), 0);
    stream_close(stream, CLOSE_RST);
    stream_close(stream, CLOSE_FIN);
    stream_close(stream, CLOSE_KILL);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_CONNECTION_END), 1);
    /* our FIN was first */
    ck_assert_uint_eq(rig_entry(&rig, ENTRY_CONNECTION_END)->flags, ENTRY_CLOSED_BY_SERVER);
    rig_clear(&rig);
    heard_more(&heard, fd);
    close(fd);
}
END_TEST

START_TEST(test_disconnects_some)
{
    struct rig rig;
    int fds[4];
    struct heard heard = {0};
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = rig_dial(port->number);
    ck_echoes(&rig, fds[1]);
    ck_assert_uint_eq(port_disconnect(port, WHICH_OLDEST, CLOSE_KILL), 1);
    rig_until(&rig, heard_more(&heard, fds[0]));
    heard = (struct heard){0};
    ck_assert_uint_eq(port_disconnect(port, WHICH_NEWEST, CLOSE_KILL), 1);
    rig_until(&rig, heard_more(&heard, fds[3]));
    heard = (struct heard){0};
    ck_assert_uint_eq(port_disconnect(port, WHICH_IDLE, CLOSE_KILL), 1);
    rig_until(&rig, heard_more(&heard, fds[2]));
    heard = (struct heard){0};
    ck_echoes(&rig, fds[1]);
    ck_assert_uint_eq(port_disconnect(port, WHICH_ALL, CLOSE_KILL), 1);
    ck_assert_uint_eq(port_disconnect(port, WHICH_ALL, CLOSE_KILL), 0);
    rig_clear(&rig);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}
END_TEST

START_TEST(test_drain_ends_by_fin_in_time)
{
    struct rig rig;
    struct heard heard = {0};
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    ck_echoes(&rig, fd);
    int64_t start = clock_now();
    port_close(port, CLOSE_DRAIN, 50 * CLOCK_MS);
    ck_closed_and_kept(port);
    /* opened again meanwhile: the newer connection is not what the drain is about */
    ck_assert_int_eq(port_open(port), 0);
    int newer = rig_dial(port->number);
    ck_echoes(&rig, newer);
    rig_until(&rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    ck_assert_int_ge(clock_now() - start, 50 * CLOCK_MS);
    ck_echoes(&rig, newer);
    rig_clear(&rig);
    close(fd);
    close(newer);
}
END_TEST

START_TEST(test_undo_lifts_its_own_change_only)
{
    struct rig rig;
    uint64_t closed;
    uint64_t opened;
    uint64_t third;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    ck_assert_int_eq(port_push(port, false, CLOSE_FIN, 0, &closed), 0);
    ck_assert(!port->listening);
    ck_assert_int_eq(port_push(port, true, CLOSE_KEEP, 0, &opened), 0);
    ck_assert(port->listening);
    ck_assert_int_eq(port_undo(port, closed), 0);
    ck_assert(port->listening);
    ck_assert_int_eq(port_push(port, false, CLOSE_KEEP, 0, &closed), 0);
    ck_assert_int_eq(port_push(port, false, CLOSE_KEEP, 0, &third), 0);
    ck_assert_int_eq(port_undo(port, closed), 0);
    ck_assert(!port->listening);
    ck_assert_int_eq(port_undo(port, third), 0);
    ck_assert(port->listening);
    ck_assert_int_eq(port_undo(port, opened), 0);
    ck_assert_int_eq(port_undo(port, 4711), 0);
    ck_assert(port->listening);
    /* for good: what was pushed before is no more */
    ck_assert_int_eq(port_push(port, true, CLOSE_KEEP, 0, &opened), 0);
    port_close(port, CLOSE_FIN, 0);
    ck_assert_int_eq(port_undo(port, opened), 0);
    ck_assert(!port->listening);
    ck_assert_int_eq(port_push(port, true, CLOSE_KEEP, 0, &opened), 0);
    ck_assert_int_eq(port_undo(port, opened), 0);
    ck_closed_and_kept(port);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_reopens)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    ck_assert_int_eq(port_reopen(port, CLOSE_FIN, 20 * CLOCK_MS), 0);
    ck_closed_and_kept(port);
    rig_until(&rig, port->listening);
    ck_assert_int_eq(port_reopen(port, CLOSE_FIN, 20 * CLOCK_MS), 0);
    port_close(port, CLOSE_FIN, 0);
    rig_pass(&rig, 40 * CLOCK_MS);
    ck_assert(!port->listening);
    ck_assert_int_eq(port_reopen(port, CLOSE_FIN, CLOCK_SECOND), 0);
    rig_clear(&rig);
}
END_TEST

START_TEST(test_resets_what_exceeds_max_connections)
{
    struct rig rig;
    struct heard heard = {0};
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    port->max_connections = 2;
    int first = rig_dial(port->number);
    int second = rig_dial(port->number);
    int third = rig_dial(port->number);
    rig_until(&rig, heard_more(&heard, third));
    ck_assert(heard.reset);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_CONNECTION), 3);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_REFUSED), 1);
    ck_assert_uint_eq(rig_entry(&rig, ENTRY_CONNECTION_END)->flags,
                      ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET);
    ck_echoes(&rig, first);
    /* one that has ended makes room, even if its FIN was not read yet */
    close(second);
    int fourth = rig_dial(port->number);
    ck_echoes(&rig, fourth);
    rig_clear(&rig);
    close(first);
    close(third);
    close(fourth);
}
END_TEST

START_TEST(test_reads_the_rest)
{
    struct rig rig;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    static char block[200000];
    say_bytes(fd, block, sizeof block);
    shutdown(fd, SHUT_WR);
    ck_assert(server_read_rest(&rig.server));
    while (server_read_rest(&rig.server))
        ;
    ck_assert_uint_eq(port->oldest->received, sizeof block);
    ck_assert(port->oldest->peer_ended);
    ck_assert(!server_read_rest(&rig.server));
    rig_clear(&rig);
    close(fd);
}
END_TEST

START_TEST(test_survives_having_no_descriptor_left)
{
    struct rig rig;
    struct rlimit limit;
    struct rlimit low;
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    int highest = dup(fd);
    getrlimit(RLIMIT_NOFILE, &limit);
    low = limit;
    low.rlim_cur = (rlim_t)highest;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    rig_until(&rig, rig_count(&rig, ENTRY_NOTE) == 1);
    rig_pass(&rig, 120 * CLOCK_MS);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_NOTE), 1);
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_echoes(&rig, fd);
    rig_clear(&rig);
    close(fd);
    close(highest);
}
END_TEST

static void kill_it(void *context, const struct entry *entry, uint64_t number)
{
    (void)number;
    struct port *port = context;
    if (entry->kind == ENTRY_CONNECTION)
        port_close(port, CLOSE_KILL, 0);
}

START_TEST(test_an_observer_may_close_the_port_under_a_connection)
{
    struct rig rig;
    struct heard heard = {0};
    rig_init(&rig);
    struct port *port = port_make_open(&rig);
    journal_observe(rig.journal, 1u << ENTRY_CONNECTION, kill_it, port);
    int fd = rig_dial(port->number);
    int other = rig_dial(port->number);
    rig_until(&rig, heard_more(&heard, fd) && rig.server.streams == 0);
    ck_assert(!port->listening);
    ck_assert_uint_eq(rig_count(&rig, ENTRY_CONNECTION_END), 2);
    rig_clear(&rig);
    close(fd);
    close(other);
}
END_TEST

START_TEST(test_back_pressure_and_teardown_with_queues)
{
    struct rig rig;
    rig_init(&rig);
    keeps_open = true;
    struct port *port = port_make_open(&rig);
    int fd = rig_dial(port->number);
    rig_until(&rig, port->oldest);
    char *block = memory_alloc(16 << 20);
    struct iovec part = {block, 16 << 20};
    stream_write(port->oldest, &part, 1);
    stream_write_soon(port->oldest, &part, 1);
    memory_free(block);
    ck_assert_uint_gt(stream_queued(port->oldest), 16u << 20);
    struct heard heard = {0};
    rig_until(&rig, (heard_more(&heard, fd), heard.size == 32u << 20));
    ck_assert_uint_eq(stream_queued(port->oldest), 0);
    heard_clear(&heard);
    /* a packet that waits for more, a queue, a close under way: all torn down */
    char letter = 'x';
    struct iovec small = {&letter, 1};
    stream_write_soon(port->oldest, &small, 1);
    rig_until(&rig, heard_has(&heard, fd, "x"));
    heard_clear(&heard);
    stream_write_soon(port->oldest, &small, 1);
    rig_clear(&rig);
    close(fd);
    keeps_open = false;
}
END_TEST

UNIT_MAIN("port", test_keeps_its_number_over_rounds, test_keeps_a_fixed_number_over_rounds,
          test_tells_why_an_address_cannot_be_had, test_listens_on_other_hosts,
          test_holds_two_hundred_ports, test_journals_connections,
          test_accepts_what_waits_before_it_closes, test_fin_reads_on_until_the_peer_closes,
          test_fin_waits_a_second_at_most, test_rst_comes_after_what_was_written,
          test_rst_is_noted_when_nobody_acknowledges, test_kill_does_as_the_kernel_does,
          test_a_close_can_only_become_harsher, test_disconnects_some,
          test_drain_ends_by_fin_in_time, test_undo_lifts_its_own_change_only, test_reopens,
          test_resets_what_exceeds_max_connections, test_reads_the_rest,
          test_survives_having_no_descriptor_left,
          test_an_observer_may_close_the_port_under_a_connection,
          test_back_pressure_and_teardown_with_queues)
