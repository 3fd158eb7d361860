/* Faults of streams together and on connections that live: order, lifting, ends, bounds. */
#include "ctest/unit/fault_rig.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

static const struct str all = {0};

static void heal(const char *name)
{
    ck_assert_uint_ge(faults_heal(world.faults, all, name ? str_of(name) : all), 1);
}

/** So many bytes from the server, byte for byte. */
static void hear(size_t size)
{
    rig_until(&world.rig, client_heard(size));
    ck_assert(!world.heard.fin && !world.heard.reset);
    ck_assert_uint_eq(world.heard.size, size);
    ck_assert_uint_eq(pattern_differs(heard_text(), 0), size);
}

/** What was too much for a writer while a fault held it wakes the writer once it is lifted. */
START_TEST(test_who_waits_for_what_is_held_goes_on)
{
    enum { MUCH = 4 << 20, BELOW = 240 * 1024, OVER = 20 * 1024 };
    world_init();
    fault_set("{stall: true, direction: response}");
    dial();
    server_says(MUCH);
    heal(NULL);
    hear(MUCH);
    /* the same where the last write of a bracket is what is too much */
    fault_set("{stall: true, direction: response}");
    server_says(BELOW);
    stream_enter(world.stream);
    world.left = OVER;
    talk_more(world.stream);
    world.left = MUCH;
    talk_more(world.stream);
    ck_assert_uint_eq(world.left, MUCH);
    stream_leave(world.stream);
    heal(NULL);
    hear(MUCH + BELOW + OVER + MUCH);
    world_clear();
}
END_TEST

static void tell(size_t size)
{
    rig_until(&world.rig, server_heard(size));
    ck_assert_uint_eq(world.told.bytes.size, size);
    ck_assert_uint_eq(pattern_differs(buf_str(&world.told.bytes), 0), size);
}

/* Setting and lifting */

START_TEST(test_faults_add_up_and_each_is_lifted_alone)
{
    world_init();
    fault_set("{latency: 30ms, name: a}");
    fault_set("{latency: 40ms, name: b}");
    dial();
    int64_t start = clock_now();
    server_says(10);
    hear(10);
    ck_assert_int_ge(clock_now() - start, 70 * CLOCK_MS);
    heal("b");
    start = clock_now();
    server_says(10);
    hear(20);
    ck_assert_int_ge(clock_now() - start, 30 * CLOCK_MS);
    heal("a");
    rig_until(&world.rig, !world.stream->bottom);
    server_says(10);
    hear(30);
    ck_assert_uint_eq(strikes(), 2);
    world_clear();
}
END_TEST

/* What is kept goes on in order, through what still stands. */
START_TEST(test_what_was_held_goes_on_in_order)
{
    world_init();
    fault_set("{latency: 1h, name: long}");
    fault_set("{stall: true, name: stop}");
    dial();
    server_says(5000);
    client_says(0, 5000);
    rig_until(&world.rig, strikes() == 1);
    heal("long");
    rig_until(&world.rig, strikes() == 2);
    server_says(5000);
    rig_pass(&world.rig, 10 * CLOCK_MS);
    ck_assert(!client_heard(1));
    heal("stop");
    server_says(5000);
    client_says(5000, 100);
    hear(15000);
    tell(5100);
    world_clear();
}
END_TEST

START_TEST(test_live_connections_are_struck_at_once)
{
    world_init();
    dial();
    server_says(100);
    hear(100);
    uint64_t id = fault_set("stall");
    server_says(1000);
    client_says(0, 1000);
    rig_until(&world.rig, strikes() == 1);
    rig_pass(&world.rig, 10 * CLOCK_MS);
    ck_assert(!client_heard(101));
    ck_assert_uint_eq(world.told.bytes.size, 0);
    faults_undo(world.faults, id);
    hear(1100);
    tell(1000);
    fault_set("reset");
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.reset);
    ck_assert_uint_eq(rig_entry(&world.rig, ENTRY_CONNECTION)->flags,
                      ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET);
    world_clear();
}
END_TEST

START_TEST(test_apply_says_to_which)
{
    world_init();
    dial();
    fault_set("{cut: {at: 10}, apply: new, direction: response}");
    fault_set("{cut: {at: 20, how: rst}, apply: existing, direction: response}");
    server_says(100);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.reset);
    ck_assert_uint_eq(world.heard.size, 20);
    dial_again();
    server_says(100);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.fin);
    ck_assert_uint_eq(world.heard.size, 10);
    world_clear();
}
END_TEST

/* Of a new connection bytes count from its first one, of others from when the fault was set. */
START_TEST(test_from_where_bytes_count)
{
    world_init();
    dial();
    server_says(1000);
    hear(1000);
    fault_set("{cut: {at: 50}, direction: response, after: {time: 20ms}}");
    server_says(30);
    hear(1030);
    rig_until(&world.rig, world.stream->bottom);
    server_says(100);
    rig_until(&world.rig, client_heard_end());
    ck_assert_uint_eq(world.heard.size, 1050);
    dial_again();
    server_says(100);
    rig_until(&world.rig, client_heard_end());
    ck_assert_uint_eq(world.heard.size, 50);
    world_clear();
}
END_TEST

START_TEST(test_bytes_pass_before_it_acts)
{
    world_init();
    fault_set("{stall: true, direction: response, after: {bytes: 700}}");
    dial();
    server_says(2000);
    rig_until(&world.rig, strikes() == 1 && client_heard(700));
    rig_pass(&world.rig, 10 * CLOCK_MS);
    (void)client_heard_end();
    ck_assert_uint_eq(world.heard.size, 700);
    heal(NULL);
    hear(2000);
    world_clear();
}
END_TEST

START_TEST(test_times_are_connections)
{
    world_init();
    fault_set("{limit: 10, times: 1, direction: response}");
    dial();
    int first = world.fd;
    struct stream *stream = world.stream;
    dial();
    /* both wait for it: the second one is faster */
    server_says(100);
    rig_until(&world.rig, client_heard_end());
    ck_assert_uint_eq(world.heard.size, 10);
    close(world.fd);
    heard_clear(&world.heard);
    world.fd = first;
    world.stream = stream;
    world.at = 0;
    server_says(100);
    hear(100);
    ck_assert_uint_eq(strikes(), 1);
    world_clear();
}
END_TEST

/* A neighbour that comes or goes draws nothing anew. */
START_TEST(test_a_chance_is_drawn_once)
{
    world_init();
    enum { CONNECTIONS = 12 };
    int fds[CONNECTIONS];
    struct stream *streams[CONNECTIONS];
    bool struck[CONNECTIONS];
    size_t count = 0;
    fault_set("{stall: true, chance: 50%, direction: response, name: coin}");
    for (size_t i = 0; i < CONNECTIONS; i++) {
        dial();
        fds[i] = world.fd;
        streams[i] = world.stream;
        struck[i] = streams[i]->bottom != NULL;
        count += struck[i];
    }
    ck_assert(count > 0 && count < CONNECTIONS);
    for (int turn = 0; turn < 5; turn++) {
        uint64_t id = fault_set("{latency: 1ms, name: other}");
        faults_undo(world.faults, id);
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        rig_until(&world.rig, struck[i] || !streams[i]->bottom);
        world.stream = streams[i];
        server_says(1);
    }
    rig_until(&world.rig, strikes() == count);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct heard heard = {0};
        rig_until(&world.rig, struck[i] || (heard_more(&heard, fds[i]), heard.size == 1));
        ck_assert_uint_eq(heard.size, !struck[i]);
        heard_clear(&heard);
        close(fds[i]);
    }
    world.fd = -1;
    world_clear();
}
END_TEST

/* Latency */

START_TEST(test_order_is_kept_where_draws_differ)
{
    world_init();
    fault_set("{latency: 0ms-30ms}");
    dial();
    for (int i = 0; i < 60; i++) {
        server_says(50);
        client_says((uint64_t)i * 50, 50);
        rig_pass(&world.rig, CLOCK_MS);
    }
    hear(3000);
    tell(3000);
    world_clear();
}
END_TEST

/* Not a window each 200 ms: 64 of them would take 12 s. */
START_TEST(test_latency_is_a_line)
{
    world_init();
    fault_set("{latency: 200ms}");
    dial();
    int64_t start = clock_now();
    server_says(16 * 1024 * 1024);
    hear(16 * 1024 * 1024);
    ck_assert_int_ge(clock_now() - start, 200 * CLOCK_MS);
    ck_assert_int_lt(clock_now() - start, 8 * (int64_t)CLOCK_SECOND);
    world_clear();
}
END_TEST

/* Who is faster than the line may hold waits: in both directions, through TCP. */
START_TEST(test_what_is_held_is_bounded)
{
    static char piece[256 * 1024];
    enum { MOST = 20 * 1024 * 1024 };
    world_init();
    fault_set("{latency: 1h}");
    dial();
    server_says(1 << 30);
    ssize_t sent = 0;
    /* until nothing more is taken for a time */
    for (int64_t quiet = clock_now(); clock_now() - quiet < 100 * CLOCK_MS;) {
        ssize_t now = send(world.fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        loop_turn(world.rig.loop);
        if (now > 0) {
            sent += now;
            quiet = clock_now();
        }
    }
    ck_assert_uint_gt(world.at, 12 * 1024 * 1024);
    ck_assert_uint_lt(world.at, MOST);
    ck_assert_uint_gt(world.stream->received, 12 * 1024 * 1024);
    ck_assert_uint_lt(world.stream->received, MOST);
    ck_assert_uint_eq(world.told.bytes.size, 0);
    world.left = 0;
    heal(NULL);
    rig_until(&world.rig, world.told.bytes.size == (size_t)sent);
    rig_until(&world.rig, client_heard(world.at));
    ck_assert_uint_eq(pattern_differs(heard_text(), 0), world.at);
    world_clear();
}
END_TEST

START_TEST(test_much_comes_byte_for_byte)
{
    enum { SIZE = 64 * 1024 * 1024, UP = 4 * 1024 * 1024 };
    world_init();
    fault_set("{latency: 1ms-5ms}");
    fault_set("{slice: 20000-60000}");
    fault_set("{bandwidth: 200MiB/s}");
    dial();
    server_says(SIZE);
    uint64_t sent = 0;
    static char piece[65536];
    while (sent < UP) {
        pattern_fill(piece, sizeof piece, sent);
        ssize_t now = send(world.fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += now > 0 ? (uint64_t)now : 0;
        client_heard(SIZE);
        loop_turn(world.rig.loop);
    }
    hear(SIZE);
    tell(UP);
    ck_assert_uint_eq(strikes(), 3);
    world_clear();
}
END_TEST

/* Ends */

START_TEST(test_half_closes_pass)
{
    world_init();
    fault_set("{latency: 20ms}");
    dial();
    client_says(0, 100);
    ck_assert_int_eq(shutdown(world.fd, SHUT_WR), 0);
    int64_t start = clock_now();
    rig_until(&world.rig, world.told.ended);
    ck_assert_int_ge(clock_now() - start, 19 * CLOCK_MS);
    tell(100);
    server_says(100);
    hear(100);
    ck_assert_uint_eq(rig_entry(&world.rig, ENTRY_CONNECTION)->flags, ENTRY_CLOSED_BY_CLIENT);
    stream_close(world.stream, CLOSE_FIN);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.fin);
    world_clear();
}
END_TEST

/* Our FIN waits for what is on its way, longer than it would for a peer that takes nothing. */
START_TEST(test_fin_waits_for_what_is_late)
{
    world_init();
    fault_set("{latency: 1300ms, direction: response}");
    dial();
    server_says(1000);
    stream_close(world.stream, CLOSE_FIN);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.fin);
    ck_assert_uint_eq(pattern_differs(heard_text(), 0), 1000);
    ck_assert_uint_eq(world.heard.size, 1000);
    ck_assert_uint_eq(rig_count(&world.rig, ENTRY_NOTE), 0);
    world_clear();
}
END_TEST

START_TEST(test_a_stall_holds_the_fin_until_it_is_lifted)
{
    world_init();
    fault_set("{stall: true, direction: response}");
    dial();
    server_says(1000);
    stream_close(world.stream, CLOSE_FIN);
    rig_pass(&world.rig, 1200 * CLOCK_MS);
    ck_assert(!client_heard(1));
    heal(NULL);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.fin);
    ck_assert_uint_eq(world.heard.size, 1000);
    world_clear();
}
END_TEST

/* The ways in which a connection is ended from outside, beside a stall. */
START_TEST(test_a_stall_holds_no_action)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL, CLOSE_DRAIN};
    for (size_t i = 0; i < COUNT_OF(hows); i++) {
        world_init();
        world.closes = true;
        fault_set("stall");
        dial();
        server_says(1000);
        client_says(0, 10);
        rig_until(&world.rig, strikes() == 1);
        port_end_connections(world.port, hows[i], 10 * CLOCK_MS);
        rig_until(&world.rig, client_heard_end());
        ck_assert_uint_eq(world.heard.size, 0);
        rig_until(&world.rig, !world.stream);
        /* it is told whose doing that was */
        bool waits = hows[i] != CLOSE_KILL;
        ck_assert_uint_eq(rig_count(&world.rig, ENTRY_NOTE), waits ? 1 : 0);
        if (waits)
            ck_assert(rig_has_text(&world.rig, ENTRY_NOTE, "a fault still held back"));
        world_clear();
    }
}
END_TEST

/* The client that gave up is seen, though nothing of it passes. */
START_TEST(test_who_gave_up_is_told)
{
    world_init();
    world.closes = true;
    fault_set("stall");
    dial();
    client_says(0, 10);
    rig_until(&world.rig, strikes() == 1);
    close(world.fd);
    world.fd = -1;
    rig_until(&world.rig, rig_entry(&world.rig, ENTRY_CONNECTION)->flags);
    ck_assert_uint_eq(rig_entry(&world.rig, ENTRY_CONNECTION)->flags & ENTRY_CLOSED_BY_CLIENT,
                      ENTRY_CLOSED_BY_CLIENT);
    heal(NULL);
    rig_until(&world.rig, !world.stream);
    world_clear();
}
END_TEST

/* The bytes up to it come before RST, also through what delays them. */
START_TEST(test_rst_behind_the_bytes)
{
    world_init();
    fault_set("{cut: {at: 5000, how: rst}, direction: response}");
    fault_set("{latency: 50ms, direction: response}");
    dial();
    int64_t start = clock_now();
    server_says(20000);
    rig_until(&world.rig, client_heard_end());
    ck_assert_int_ge(clock_now() - start, 50 * CLOCK_MS);
    ck_assert(world.heard.reset);
    ck_assert_uint_eq(world.heard.size, 5000);
    ck_assert_uint_eq(rig_count(&world.rig, ENTRY_NOTE), 0);
    world_clear();
}
END_TEST

START_TEST(test_a_cut_of_the_request)
{
    world_init();
    fault_set("{cut: 100, direction: request}");
    fault_set("{latency: 20ms, direction: response}");
    dial();
    server_says(300);
    client_says(0, 1000);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.fin);
    /* what was written before comes */
    ck_assert_uint_eq(world.heard.size, 300);
    ck_assert_uint_eq(world.told.bytes.size, 100);
    world_clear();
}
END_TEST

/* While bytes come without a pause a time is kept. */
START_TEST(test_traffic_starves_no_timer)
{
    static char piece[65536];
    world_init();
    world.left = 1 << 30;
    dial();
    fault_set("{reset: true, after: {time: 50ms}}");
    int64_t start = clock_now();
    server_says(0);
    while (!client_heard_end()) {
        ck_assert_int_lt(clock_now() - start, RIG_PATIENCE_NS);
        (void)send(world.fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        buf_reset(&world.told.bytes);
        world.heard.size = 0;
        loop_turn(world.rig.loop);
    }
    ck_assert(world.heard.reset);
    ck_assert_int_ge(clock_now() - start, 50 * CLOCK_MS);
    world_clear();
}
END_TEST

/* Setting and lifting again and again in the middle of everything loses nothing and never hangs. */
START_TEST(test_faults_come_and_go_in_traffic)
{
    static const char *const faults[] = {"{latency: 1ms-3ms}", "{slice: 100-5000}",
                                         "{bandwidth: 50MiB/s}", "stall", "{drop: 0%}"};
    enum { SIZE = 8 * 1024 * 1024 };
    world_init();
    dial();
    server_says(SIZE);
    for (size_t turn = 0; turn < 300 && world.heard.size < SIZE; turn++) {
        uint64_t a = fault_set(faults[turn % COUNT_OF(faults)]);
        uint64_t b = fault_set(faults[turn / 2 % COUNT_OF(faults)]);
        for (int i = 0; i < 20; i++) {
            loop_turn(world.rig.loop);
            client_heard(SIZE);
        }
        client_says((uint64_t)turn * 100, 100);
        faults_undo(world.faults, turn % 3 ? a : b);
        loop_turn(world.rig.loop);
        faults_undo(world.faults, turn % 3 ? b : a);
    }
    size_t said = world.told.bytes.size;
    hear(SIZE);
    rig_until(&world.rig, world.told.bytes.size >= said && !world.stream->bottom);
    ck_assert_uint_eq(pattern_differs(buf_str(&world.told.bytes), 0), world.told.bytes.size);
    world_clear();
}
END_TEST

/* Everything is torn down in the middle of all of it. */
START_TEST(test_the_end_waits_for_nobody)
{
    static const char *const faults[] = {"{latency: 1h}", "stall", "{slow-close: 1h}",
                                         "{bandwidth: 1B/m}", "{slice: {size: 1, every: 1h}}"};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        world_init();
        fault_set(faults[i]);
        dial();
        server_says(100000);
        client_says(0, 1000);
        rig_pass(&world.rig, 5 * CLOCK_MS);
        stream_close(world.stream, CLOSE_FIN);
        rig_pass(&world.rig, 5 * CLOCK_MS);
        int64_t start = clock_now();
        world_clear();
        ck_assert_int_lt(clock_now() - start, 5 * (int64_t)CLOCK_SECOND);
    }
}
END_TEST

/* Draws */

/** What the client hears of so many bytes. */
static struct str hear_through(const char *fault, size_t size, size_t least)
{
    world_init();
    fault_set(fault);
    dial();
    server_says(size);
    stream_close(world.stream, CLOSE_FIN);
    rig_until(&world.rig, client_heard_end());
    ck_assert_uint_ge(world.heard.size, least);
    return heard_text();
}

START_TEST(test_a_quarter_is_every_fourth)
{
    enum { BLOCKS = 100 };
    struct str text = hear_through("{drop: 25%}", BLOCKS * 1460, 75 * 1460);
    ck_assert_uint_eq(text.size, 75 * 1460);
    /* where the first one is missing the others are: each fourth behind it */
    size_t first = 0;
    while (pattern_differs(str_slice(text, first * 1460, 1460), first * 1460) == 1460)
        first++;
    ck_assert_uint_lt(first, 4);
    for (size_t block = 0, at = 0; block < BLOCKS; block++) {
        if (block % 4 == first)
            continue;
        ck_assert_uint_eq(pattern_differs(str_slice(text, at, 1460), block * 1460), 1460);
        at += 1460;
    }
    world_clear();
}
END_TEST

/** Twice the same. */
static void draws_the_same(const char *fault)
{
    struct str text = hear_through(fault, 200000, 1000);
    char *kept = malloc(text.size);
    size_t size = text.size;
    memcpy(kept, text.data, size);
    world_clear();
    text = hear_through(fault, 200000, 1000);
    ck_assert_uint_eq(text.size, size);
    ck_assert_int_eq(memcmp(kept, text.data, size), 0);
    ck_assert(text.size < 200000 || pattern_differs(text, 0) < text.size);
    free(kept);
    world_clear();
}

START_TEST(test_the_same_seed_draws_the_same)
{
    draws_the_same("{corrupt: 1%}");
    draws_the_same("{drop: 30%}");
}
END_TEST

/* What never came to strike fails the scenario, and says why. */
START_TEST(test_what_struck_nothing_is_told)
{
    world_init();
    fault_set("{cut: 1000, name: far}");
    fault_set("{slow-close: 1s, name: open}");
    fault_set("{max-connections: 5, name: room}");
    fault_set("{drop: 1%, name: luck}");
    fault_set("{limit: 1000, optional: true}");
    fault_set("{half-close: true, after: {requests: 2}}");
    ck_str_is(world_idle(), "far: no connection lived or came while it stood\n"
                            "open: no connection lived or came while it stood\n"
                            "room: no connection came while it stood\n"
                            "luck: no connection lived or came while it stood\n"
                            "half-close: no connection lived or came while it stood\n");
    dial();
    server_says(100);
    hear(100);
    ck_str_is(world_idle(),
              "far: it stood on 1 connection, on which nothing came that it strikes\n"
              "open: it stood on 1 connection, on which nothing came that it strikes\n"
              "room: 1 connection came while it stood, none too many\n"
              "half-close: 'after' was not reached: 0 requests of the 2 came\n");
    world_clear();
}
END_TEST

/* Ports */

START_TEST(test_refuse_and_the_state_of_the_port)
{
    world_init();
    uint64_t id = 0;
    uint64_t first = fault_set("refuse");
    uint64_t second = fault_set("{refuse: true, name: too}");
    ck_assert_int_eq(rig_dial(world.port->number), -ECONNREFUSED);
    faults_undo(world.faults, first);
    ck_assert_int_eq(rig_dial(world.port->number), -ECONNREFUSED);
    ck_assert_int_eq(port_push(world.port, false, CLOSE_FIN, 0, &id), 0);
    faults_undo(world.faults, second);
    ck_assert_int_eq(rig_dial(world.port->number), -ECONNREFUSED);
    second = fault_set("refuse");
    ck_assert_int_eq(port_undo(world.port, id), 0);
    ck_assert_int_eq(rig_dial(world.port->number), -ECONNREFUSED);
    faults_undo(world.faults, second);
    dial();
    client_says(0, 10);
    tell(10);
    world_clear();
}
END_TEST

/* Connections that stand stay, and one that the kernel has is accepted first. */
static void ends_nothing(const char *fault)
{
    world_init();
    dial();
    int waiting = rig_dial(world.port->number);
    ck_assert_int_ge(waiting, 0);
    uint64_t id = fault_set(fault);
    rig_until(&world.rig, world.port->accepted == 2);
    client_says(0, 100);
    tell(100);
    faults_undo(world.faults, id);
    rig_pass(&world.rig, 5 * CLOCK_MS);
    ck_assert_uint_eq(world.port->accepted, 2);
    int more = rig_dial(world.port->number);
    rig_until(&world.rig, world.port->accepted == 3);
    close(more);
    close(waiting);
    world_clear();
}

START_TEST(test_refuse_and_blackhole_end_nothing)
{
    ends_nothing("refuse");
    ends_nothing("blackhole");
}
END_TEST

/* Clients that connect all the time, while the port swallows and lets in again. */

struct crowd {
    uint16_t number;
    atomic_bool stop;
    unsigned tries;
    unsigned connected;
};

static void *crowd_run(void *context)
{
    struct crowd *crowd = context;
    while (!crowd->stop) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(crowd->number)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        crowd->tries++;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ||
            (poll(&wait, 1, 5) == 1 && !(wait.revents & POLLERR)))
            crowd->connected++;
        close(fd);
    }
    return NULL;
}

START_TEST(test_a_blackhole_in_a_crowd)
{
    pthread_t thread;
    world_init();
    world.closes = true;
    struct crowd crowd = {.number = world.port->number};
    ck_assert_int_eq(pthread_create(&thread, NULL, crowd_run, &crowd), 0);
    for (int i = 0; i < 100; i++) {
        uint64_t id = fault_set("blackhole");
        ck_assert(world.port->plugged);
        rig_pass(&world.rig, CLOCK_MS);
        faults_undo(world.faults, id);
        ck_assert(!world.port->plugged && !world.port->plug);
        rig_pass(&world.rig, CLOCK_MS);
    }
    crowd.stop = true;
    pthread_join(thread, NULL);
    rig_until(&world.rig, world.port->accepted >= crowd.connected);
    /* our own connections are none of them */
    ck_assert_uint_le(world.port->accepted, crowd.tries);
    ck_assert_uint_eq(rig_count(&world.rig, ENTRY_NOTE), 0);
    world_clear();
}
END_TEST

START_TEST(test_blackhole_and_the_state_of_the_port)
{
    world_init();
    uint64_t hole = fault_set("blackhole");
    uint64_t no = fault_set("refuse");
    ck_assert_int_eq(rig_dial(world.port->number), -ECONNREFUSED);
    faults_undo(world.faults, no);
    ck_assert(world.port->plugged);
    port_close(world.port, CLOSE_FIN, 0);
    ck_assert(!world.port->plugged && !world.port->plug);
    ck_assert_int_eq(rig_dial(world.port->number), -ECONNREFUSED);
    ck_assert_int_eq(port_open(world.port), 0);
    ck_assert(world.port->plugged);
    ck_assert_uint_eq(port_read_rest(world.port), 0);
    ck_assert_uint_eq(port_disconnect(world.port, WHICH_ALL, CLOSE_FIN), 0);
    faults_undo(world.faults, hole);
    dial();
    ck_assert_uint_eq(world.port->accepted, 1);
    client_says(0, 10);
    tell(10);
    fault_set("blackhole");
    /* torn down in the middle of it */
    world_clear();
}
END_TEST

UNIT_MAIN("fault_flow", test_faults_add_up_and_each_is_lifted_alone,
          test_who_waits_for_what_is_held_goes_on, test_what_was_held_goes_on_in_order,
          test_live_connections_are_struck_at_once, test_apply_says_to_which,
          test_from_where_bytes_count, test_bytes_pass_before_it_acts, test_times_are_connections,
          test_a_chance_is_drawn_once, test_order_is_kept_where_draws_differ,
          test_latency_is_a_line, test_what_is_held_is_bounded, test_much_comes_byte_for_byte,
          test_half_closes_pass, test_fin_waits_for_what_is_late,
          test_a_stall_holds_the_fin_until_it_is_lifted, test_a_stall_holds_no_action,
          test_who_gave_up_is_told, test_rst_behind_the_bytes, test_a_cut_of_the_request,
          test_traffic_starves_no_timer, test_faults_come_and_go_in_traffic,
          test_the_end_waits_for_nobody, test_a_quarter_is_every_fourth,
          test_the_same_seed_draws_the_same, test_what_struck_nothing_is_told,
          test_refuse_and_the_state_of_the_port, test_refuse_and_blackhole_end_nothing,
          test_blackhole_and_the_state_of_the_port, test_a_blackhole_in_a_crowd)
