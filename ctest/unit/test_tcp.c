/* Upstreams of bytes: what they do with a connection, and their limits in time. */
#include "ctest/unit/tcp_rig.h"

#include "server/fault/fault.h"

#include <netinet/tcp.h>

enum { BULK = 3 * 1024 * 1024 };

/** Sends as much as goes at once. */
static size_t say_some(int fd, const char *bytes, size_t size)
{
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : (size_t)sent;
}

START_TEST(test_echo_sends_all_back_and_ends_behind_it)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    tcp_rig_init(&tcp, "{protocol: tcp}");
    char *bulk = malloc(BULK);
    for (size_t i = 0; i < BULK; i++)
        bulk[i] = (char)(i * 7 + i / 251);
    int fd = tcp_rig_dial(&tcp);
    size_t said = 0;
    /* nothing is read until no more can be said: what waits is bounded on both sides */
    for (size_t before = 1; said != before || said == 0;) {
        before = said;
        said += say_some(fd, bulk + said, BULK - said);
        rig_pass(&tcp.rig, INT64_C(20000000));
    }
    const struct stream *stream = tcp.port->newest;
    ck_assert_uint_lt(stream_queued(stream), 2 * STREAM_HIGH_MARK);
    while (said < BULK) {
        said += say_some(fd, bulk + said, BULK - said);
        heard_more(&heard, fd);
        loop_turn(tcp.rig.loop);
    }
    shutdown(fd, SHUT_WR);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    ck_assert_uint_eq(heard.size, BULK);
    ck_assert_mem_eq(heard.data, bulk, BULK);
    close(fd);
    free(bulk);
    heard_clear(&heard);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_echo_that_waits_forgets_nothing_at_the_end)
{
    enum { SIZE = STREAM_HIGH_MARK + 40000 };
    struct tcp_rig tcp;
    struct heard heard = {0};
    static char bulk[SIZE];
    tcp_rig_init(&tcp, "{protocol: tcp, faults: [{stall: true, direction: response}]}");
    for (size_t i = 0; i < SIZE; i++)
        bulk[i] = (char)(i * 7 + i / 251);
    int fd = tcp_rig_dial(&tcp);
    for (size_t said = 0; said < SIZE;) {
        said += say_some(fd, bulk + said, SIZE - said);
        loop_turn(tcp.rig.loop);
    }
    shutdown(fd, SHUT_WR);
    /* the client's end is known while what came before it waits to be answered */
    rig_until(&tcp.rig, tcp.port->newest && tcp.port->newest->peer_ended);
    ck_assert_uint_eq(faults_heal(tcp.port->faults, (struct str){0}, (struct str){0}), 1);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    ck_assert_uint_eq(heard.size, SIZE);
    ck_assert_mem_eq(heard.data, bulk, SIZE);
    close(fd);
    heard_clear(&heard);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_discard_reads_everything_and_says_nothing)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    static char bulk[BULK];
    tcp_rig_init(&tcp, "{protocol: tcp, behave: discard}");
    int fd = tcp_rig_dial(&tcp);
    for (size_t said = 0; said < BULK;) {
        said += say_some(fd, bulk + said, BULK - said);
        loop_turn(tcp.rig.loop);
    }
    rig_until(&tcp.rig, tcp.port->bytes_in == BULK);
    ck_assert(!heard_more(&heard, fd));
    shutdown(fd, SHUT_WR);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert(heard.fin && heard.size == 0);
    close(fd);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_stall_takes_no_more_than_the_kernel_and_one_buffer)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    static char bulk[BULK];
    tcp_rig_init(&tcp, "{protocol: tcp, behave: stall}");
    int fd = tcp_rig_dial(&tcp);
    (void)say_some(fd, bulk, BULK);
    rig_until(&tcp.rig, tcp.port->bytes_in >= STREAM_MOST_INPUT);
    shutdown(fd, SHUT_WR);
    rig_pass(&tcp.rig, INT64_C(50000000));
    ck_assert_uint_lt(tcp.port->bytes_in, 3 * STREAM_MOST_INPUT);
    ck_assert(!heard_more(&heard, fd));
    close(fd);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_close_and_reset_at_once)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    tcp_rig_init(&tcp, "{protocol: tcp, behave: close}");
    int fd = tcp_rig_dial(&tcp);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert(heard.fin && heard.size == 0);
    /* what comes afterwards is read for a while: it is no RST */
    say(fd, "hello");
    rig_pass(&tcp.rig, INT64_C(20000000));
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    close(fd);
    tcp_rig_clear(&tcp);

    heard = (struct heard){0};
    tcp_rig_init(&tcp, "{protocol: tcp, behave: reset}");
    fd = tcp_rig_dial(&tcp);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert(heard.reset && heard.size == 0);
    close(fd);
    tcp_rig_clear(&tcp);
}
END_TEST

/** How long until the connection ended, from its begin. */
static int64_t time_to_end(struct tcp_rig *tcp, int fd)
{
    struct heard heard = {0};
    rig_until(&tcp->rig, heard_more(&heard, fd));
    heard_clear(&heard);
    return clock_now() - tcp->port->newest->accepted_ns;
}

START_TEST(test_limits_in_time)
{
    enum { MS = 1000000 };
    static const char *const idle[] = {
        "{protocol: tcp, limits: {idle: 60ms}}",
        "{protocol: tcp, behave: discard, limits: {idle: 60ms}}",
        "{protocol: tcp, behave: stall, limits: {idle: 60ms}}",
        "{protocol: tcp, script: [{repeat: {steps: [{receive: x}]}}], limits: {idle: 60ms}}",
    };
    static const char *const life[] = {
        "{protocol: tcp, limits: {life: 60ms}}",
        "{protocol: tcp, stream: {every: 5ms, chunk: 10}, limits: {life: 60ms}}",
        "{protocol: tcp, script: [{repeat: {steps: [{receive: x}]}}], limits: {life: 60ms}}",
    };
    struct tcp_rig tcp;
    for (size_t i = 0; i < COUNT_OF(idle); i++) {
        tcp_rig_init(&tcp, idle[i]);
        int fd = tcp_rig_dial(&tcp);
        rig_until(&tcp.rig, tcp.port->accepted);
        rig_pass(&tcp.rig, 30 * MS);
        say(fd, "y");
        rig_until(&tcp.rig, tcp.port->bytes_in == 1);
        int64_t accepted_ns = tcp.port->newest->accepted_ns;
        int64_t active_ns = tcp.port->newest->active_ns;
        int64_t heard_ns = clock_now();
        int64_t took_ns = time_to_end(&tcp, fd);
        ck_assert_int_ge(took_ns, active_ns - accepted_ns + 60 * MS);
        /* on a machine that stood still meanwhile the byte came too late to count */
        if (heard_ns - accepted_ns < 60 * MS)
            ck_assert_int_ge(active_ns - accepted_ns, 30 * MS);
        close(fd);
        tcp_rig_clear(&tcp);
    }
    for (size_t i = 0; i < COUNT_OF(life); i++) {
        tcp_rig_init(&tcp, life[i]);
        int fd = tcp_rig_dial(&tcp);
        ck_assert_int_ge(time_to_end(&tcp, fd), 60 * MS);
        close(fd);
        tcp_rig_clear(&tcp);
    }
}
END_TEST

static bool is_alphabet(const struct heard *heard)
{
    for (size_t i = 0; i < heard->size; i++)
        if (heard->data[i] != 'a' + (char)(i % 26))
            return false;
    return true;
}

START_TEST(test_a_stream_of_so_many_bytes)
{
    static const char *const sizes[] = {
        "{protocol: tcp, stream: {size: 1}}",
        "{protocol: tcp, stream: {size: 100, chunk: 30, every: 1ms}}",
        "{protocol: tcp, stream: {size: 3MiB, chunk: 1MiB}}",
        "{protocol: tcp, stream: {size: 1000000, chunk: 7}}",
    };
    static const size_t bytes[] = {1, 100, 3 * 1024 * 1024, 1000000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct tcp_rig tcp;
        struct heard heard = {0};
        tcp_rig_init(&tcp, sizes[i]);
        int fd = tcp_rig_dial(&tcp);
        rig_until(&tcp.rig, heard_more(&heard, fd));
        ck_assert(heard.fin);
        ck_assert_uint_eq(heard.size, bytes[i]);
        ck_assert(is_alphabet(&heard));
        close(fd);
        heard_clear(&heard);
        tcp_rig_clear(&tcp);
    }
}
END_TEST

START_TEST(test_a_stream_waits_for_a_slow_reader_and_ends_in_time)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    tcp_rig_init(&tcp, "{protocol: tcp, stream: {for: 200ms, chunk: 64KiB}}");
    int fd = tcp_rig_dial(&tcp);
    rig_until(&tcp.rig, tcp.port->newest && stream_queued(tcp.port->newest) >= STREAM_HIGH_MARK);
    uint64_t out = tcp.port->bytes_out;
    rig_pass(&tcp.rig, INT64_C(20000000));
    ck_assert_uint_lt(tcp.port->bytes_out, out + 4 * 1024 * 1024);
    ck_assert_uint_lt(stream_queued(tcp.port->newest), 2 * STREAM_HIGH_MARK);
    int64_t began_ns = tcp.port->newest->accepted_ns;
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert_int_ge(clock_now() - began_ns, INT64_C(200000000));
    ck_assert(heard.fin);
    ck_assert(is_alphabet(&heard));
    close(fd);
    heard_clear(&heard);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_a_stream_goes_on_to_who_has_closed_a_half)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    tcp_rig_init(&tcp, "{protocol: tcp, stream: {size: 2000, chunk: 100, every: 1ms}}");
    int fd = tcp_rig_dial(&tcp);
    say(fd, "whatever");
    shutdown(fd, SHUT_WR);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    ck_assert_uint_eq(heard.size, 2000);
    close(fd);
    heard_clear(&heard);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_a_drain_ends_what_has_no_end)
{
    static const char *const yamls[] = {
        "{protocol: tcp}",
        "{protocol: tcp, behave: discard}",
        "{protocol: tcp, behave: stall}",
        "{protocol: tcp, stream: {every: 1s}}",
        "{protocol: tcp, script: [{receive: {bytes: 1}}]}",
    };
    for (size_t i = 0; i < COUNT_OF(yamls); i++) {
        struct tcp_rig tcp;
        struct heard heard = {0};
        tcp_rig_init(&tcp, yamls[i]);
        int fd = tcp_rig_dial(&tcp);
        rig_until(&tcp.rig, tcp.port->accepted);
        port_close(tcp.port, CLOSE_DRAIN, INT64_MAX / 4);
        rig_until(&tcp.rig, heard_more(&heard, fd));
        ck_assert(heard.fin);
        close(fd);
        heard_clear(&heard);
        tcp_rig_clear(&tcp);
    }
}
END_TEST

UNIT_MAIN("tcp", test_echo_sends_all_back_and_ends_behind_it,
          test_echo_that_waits_forgets_nothing_at_the_end,
          test_discard_reads_everything_and_says_nothing,
          test_stall_takes_no_more_than_the_kernel_and_one_buffer, test_close_and_reset_at_once,
          test_limits_in_time, test_a_stream_of_so_many_bytes,
          test_a_stream_waits_for_a_slow_reader_and_ends_in_time,
          test_a_stream_goes_on_to_who_has_closed_a_half, test_a_drain_ends_what_has_no_end)
