/* The faults of streams and of connecting, as a raw peer sees them: each name of the tables. */
#include "ctest/unit/fault_rig.h"

enum { SIZE = 6000 };

/** The client says SIZE bytes, the server so many after it. */
static void exchange(void)
{
    dial();
    client_says(0, SIZE);
    if (world.stream)
        server_says(SIZE);
}

/* What each name does to SIZE bytes in both directions. */

static void heard_all(void)
{
    rig_until(&world.rig, client_heard(SIZE) && server_heard(SIZE));
    ck_assert(!world.heard.fin && !world.heard.reset);
    ck_assert_uint_eq(world.heard.size, SIZE);
    ck_assert_uint_eq(pattern_differs(heard_text(), 0), SIZE);
    ck_assert_uint_eq(world.told.bytes.size, SIZE);
    ck_assert_uint_eq(pattern_differs(buf_str(&world.told.bytes), 0), SIZE);
}

static void check_latency(void)
{
    int64_t start = clock_now();
    exchange();
    rig_until(&world.rig, server_heard(SIZE));
    ck_assert_int_ge(world.told.first_ns - start, 20 * CLOCK_MS);
    heard_all();
}

static void check_bandwidth(void)
{
    int64_t start = clock_now();
    exchange();
    heard_all();
    /* 6000 bytes at 20 KB a second */
    ck_assert_int_ge(world.told.last_ns - start, 300 * CLOCK_MS);
    ck_assert_int_ge(clock_now() - start, 300 * CLOCK_MS);
}

/* 60 to 120 slices */
static void check_slice(void)
{
    exchange();
    heard_all();
    ck_assert_uint_ge(world.told.pieces, 60);
    ck_assert_uint_le(world.told.pieces, 121);
}

static void check_slow_slice(void)
{
    int64_t start = clock_now();
    check_slice();
    ck_assert_int_ge(world.told.last_ns - start, (world.told.pieces - 1) * CLOCK_MS);
}

/** The response is cut at 100, the request is not. */
static void cut_at_100(bool reset)
{
    exchange();
    rig_until(&world.rig, client_heard_end());
    ck_assert_uint_eq(world.heard.size, 100);
    ck_assert_uint_eq(pattern_differs(heard_text(), 0), 100);
    ck_assert(reset ? world.heard.reset : world.heard.fin);
    const struct entry *entry = rig_entry(&world.rig, ENTRY_CONNECTION);
    ck_assert_uint_eq(entry->flags & (ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_CLIENT),
                      ENTRY_CLOSED_BY_SERVER);
    ck_assert_uint_eq((entry->flags & ENTRY_CLOSED_BY_RESET) != 0, reset);
}

static void check_fin_at_100(void)
{
    cut_at_100(false);
}

static void check_rst_at_100(void)
{
    cut_at_100(true);
}

/** The server ends its side as soon as it has written. */
static void check_rst_before_fin(void)
{
    dial();
    stream_enter(world.stream);
    server_says(SIZE);
    stream_close(world.stream, CLOSE_FIN);
    stream_leave(world.stream);
    rig_until(&world.rig, client_heard_end());
    ck_assert_uint_eq(world.heard.size, 100);
    ck_assert(world.heard.reset);
}

static void check_stall_at_100(void)
{
    exchange();
    rig_until(&world.rig, client_heard(100) && server_heard(SIZE) && strikes() == 1);
    rig_pass(&world.rig, 20 * CLOCK_MS);
    ck_assert(!client_heard_end());
    ck_assert_uint_eq(world.heard.size, 100);
    /* what was held back comes when it is lifted */
    ck_assert_uint_eq(faults_heal(world.faults, (struct str){0}, (struct str){0}), 1);
    heard_all();
}

/** How many blocks of 1460 bytes are missing. */
static size_t blocks_lost(struct str text)
{
    size_t lost = 0;
    size_t at = 0;
    for (size_t block = 0; block * 1460 < SIZE; block++) {
        size_t size = SIZE - block * 1460 < 1460 ? SIZE - block * 1460 : 1460;
        if (at + size <= text.size &&
            pattern_differs(str_slice(text, at, size), block * 1460) == size)
            at += size;
        else
            lost++;
    }
    ck_assert_uint_eq(at, text.size);
    return lost;
}

static void check_drop(void)
{
    exchange();
    rig_until(&world.rig, strikes() == 1);
    /* five blocks, the last one of 160 bytes: every second is lost, from the first or the second on
     */
    rig_until(&world.rig, client_heard(SIZE - 3 * 1460) && server_heard(SIZE - 3 * 1460));
    rig_pass(&world.rig, 20 * CLOCK_MS);
    (void)client_heard_end();
    ck_assert_uint_ge(blocks_lost(heard_text()), 2);
    ck_assert_uint_le(blocks_lost(heard_text()), 3);
    ck_assert_uint_ge(blocks_lost(buf_str(&world.told.bytes)), 2);
    ck_assert(!world.heard.fin && !world.heard.reset);
}

static size_t bytes_changed(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] != pattern(i);
    return count;
}

static void check_corrupt(void)
{
    exchange();
    rig_until(&world.rig, client_heard(SIZE) && server_heard(SIZE));
    ck_assert_uint_eq(world.heard.size, SIZE);
    ck_assert_uint_eq(world.told.bytes.size, SIZE);
    /* 600 are expected; the seed is always the same */
    ck_assert_uint_ge(bytes_changed(heard_text()), 450);
    ck_assert_uint_le(bytes_changed(heard_text()), 750);
    ck_assert_uint_ge(bytes_changed(buf_str(&world.told.bytes)), 450);
    ck_assert_uint_ne(bytes_changed(heard_text()), bytes_changed(buf_str(&world.told.bytes)));
}

static void check_stall(void)
{
    exchange();
    rig_until(&world.rig, strikes() == 1);
    rig_pass(&world.rig, 20 * CLOCK_MS);
    ck_assert(!client_heard(1));
    ck_assert_uint_eq(world.told.bytes.size, 0);
    faults_heal(world.faults, (struct str){0}, (struct str){0});
    heard_all();
}

static void check_reset(void)
{
    dial();
    ck_assert(!client_heard_end());
    client_says(0, SIZE);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.reset);
    ck_assert_uint_eq(world.heard.size, 0);
    ck_assert_uint_eq(world.told.bytes.size, 0);
}

static void check_slow_close(void)
{
    exchange();
    heard_all();
    int64_t start = clock_now();
    stream_close(world.stream, CLOSE_FIN);
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.fin);
    ck_assert_int_ge(clock_now() - start, 50 * CLOCK_MS);
}

static void check_half_close(void)
{
    exchange();
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.fin);
    ck_assert_uint_eq(world.heard.size, 0);
    rig_until(&world.rig, server_heard(SIZE));
    /* the other direction goes on, and what is written is lost without a word */
    client_says(SIZE, SIZE);
    rig_until(&world.rig, server_heard(2 * (size_t)SIZE));
    server_says(SIZE);
    ck_assert(!world.told.ended && !world.told.reset && world.stream);
    ck_assert_uint_eq(pattern_differs(buf_str(&world.told.bytes), 0), 2 * (size_t)SIZE);
}

static void check_half_close_request(void)
{
    exchange();
    rig_until(&world.rig, world.told.ended == 1);
    rig_until(&world.rig, client_heard(SIZE));
    ck_assert_uint_eq(world.told.bytes.size, 0);
    ck_assert(!world.heard.fin && !world.heard.reset);
    ck_assert_uint_eq(pattern_differs(heard_text(), 0), SIZE);
    /* the client did not end anything */
    ck_assert_uint_eq(rig_entry(&world.rig, ENTRY_CONNECTION)->flags, 0);
}

static void check_refuse(void)
{
    ck_assert_int_eq(rig_dial(world.port->number), -ECONNREFUSED);
    faults_heal(world.faults, (struct str){0}, (struct str){0});
    exchange();
    heard_all();
}

/** A connection that is under way. */
static int dial_waiting(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(world.port->number)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    ck_assert_int_eq(errno, EINPROGRESS);
    return fd;
}

/** Whether its handshake is complete. */
static bool is_connected(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    return getpeername(fd, (struct sockaddr *)&address, &size) == 0;
}

static void check_blackhole(void)
{
    int waiting[3];
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        waiting[i] = dial_waiting();
    rig_pass(&world.rig, 100 * CLOCK_MS);
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        ck_assert(!is_connected(waiting[i]));
    ck_assert_uint_eq(world.port->accepted, 0);
    faults_heal(world.faults, (struct str){0}, (struct str){0});
    /* they get in at their next SYN; nobody else does: what filled the backlog is none */
    rig_until(&world.rig, world.port->accepted == 3);
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        ck_assert(is_connected(waiting[i]));
        close(waiting[i]);
    }
    ck_assert_uint_eq(world.port->accepted, 3);
    exchange();
    heard_all();
}

static void check_accept_then_reset(void)
{
    dial();
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.reset);
    ck_assert_uint_eq(world.told.bytes.size, 0);
    ck_assert_uint_eq(rig_entry(&world.rig, ENTRY_CONNECTION)->flags,
                      ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET);
}

static void check_max_connections(void)
{
    world.closes = true;
    dial();
    int first = world.fd;
    dial();
    rig_until(&world.rig, client_heard_end());
    ck_assert(world.heard.reset);
    close(world.fd);
    heard_clear(&world.heard);
    /* the first one is gone: there is room */
    close(first);
    exchange();
    heard_all();
}

struct wire_case {
    const char *name;
    const char *fault;
    void (*check)(void);
    uint64_t strikes;
};

static const struct wire_case cases[] = {
    {"latency", "{latency: 20ms}", check_latency, 1},
    {"latency", "{latency: 20ms-30ms}", check_latency, 1},
    {"bandwidth", "{bandwidth: 20KB/s}", check_bandwidth, 1},
    {"slice", "{slice: {size: 50-100, every: 1ms}}", check_slow_slice, 1},
    {"slice", "{slice: 50-100, direction: request}", check_slice, 1},
    {"limit", "{limit: 100, direction: response}", check_fin_at_100, 1},
    {"cut", "{cut: 100, direction: response}", check_fin_at_100, 1},
    {"cut", "{cut: {at: 100, how: rst}, direction: response}", check_rst_at_100, 1},
    {"cut", "{cut: {at: 100, how: rst}, direction: response}", check_rst_before_fin, 1},
    {"cut", "{cut: {at: 100, how: stall}, direction: response}", check_stall_at_100, 1},
    {"drop", "{drop: 50%}", check_drop, 1},
    {"corrupt", "{corrupt: 10%}", check_corrupt, 1},
    {"stall", "stall", check_stall, 1},
    {"reset", "reset", check_reset, 1},
    {"reset", "{reset: true, after: {bytes: 100}}", check_rst_before_fin, 1},
    {"slow-close", "{slow-close: 50ms}", check_slow_close, 1},
    {"half-close", "half-close", check_half_close, 1},
    {"half-close", "{half-close: true, direction: request}", check_half_close_request, 1},
    {"refuse", "refuse", check_refuse, 1},
    {"blackhole", "blackhole", check_blackhole, 1},
    {"accept-then-reset", "accept-then-reset", check_accept_then_reset, 1},
    {"accept-then-stall", "accept-then-stall", check_stall, 1},
    {"max-connections", "{max-connections: 1}", check_max_connections, 1},
};

START_TEST(test_each_name_on_the_wire)
{
    const struct wire_case *wire = &cases[_i];
    world_init();
    uint64_t id = fault_set(wire->fault);
    wire->check();
    ck_assert_uint_eq(strikes(), wire->strikes);
    if (strikes())
        ck_str_is(((struct str){rig_entry(&world.rig, ENTRY_FAULT)->data,
                                rig_entry(&world.rig, ENTRY_FAULT)->data_size}),
                  wire->name);
    ck_str_is(world_idle(), "");
    faults_undo(world.faults, id);
    world_clear();
}
END_TEST

START_TEST(test_each_name_is_tried)
{
    const struct member *const groups[] = {fault_stream_members, fault_connect_members};
    for (size_t i = 0; i < COUNT_OF(groups); i++)
        for (const struct member *member = groups[i]; member->key; member++) {
            size_t at = 0;
            while (at < COUNT_OF(cases) && strcmp(cases[at].name, member->key) != 0)
                at++;
            ck_assert_msg(at < COUNT_OF(cases), "nothing tries '%s'", member->key);
            ck_assert(((const struct fault_kind *)member->extra)->how);
        }
}
END_TEST

/* Without a strike nothing is there */

START_TEST(test_what_does_not_strike_leaves_no_trace)
{
    world_init();
    fault_set("{latency: 1s, chance: 0%}");
    fault_set("{reset: true, apply: existing}");
    fault_set("{drop: 100%, after: {requests: 1}}");
    dial();
    ck_assert_ptr_null(world.stream->bottom);
    client_says(0, SIZE);
    server_says(SIZE);
    heard_all();
    ck_assert_uint_eq(strikes(), 0);
    world_clear();
}
END_TEST

UNIT_MAIN_EACH("fault_stream", test_each_name_on_the_wire, COUNT_OF(cases), test_each_name_is_tried,
               test_what_does_not_strike_leaves_no_trace)
