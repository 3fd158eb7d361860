/* The proxy of bytes between raw sockets: order, ends, resets, back-pressure, what cannot be
 * connected. */
#include "ctest/unit/proxy_rig.h"

#include "base/random.h"
#include "server/proxy/tcp.h"
#include "server/stream/splice.h"
#include "server/stream/stage.h"

#include <sys/resource.h>
#include <sys/un.h>

#define PLAIN "{protocol: tcp, forward: '127.0.0.1:FAR'}"
#define FAULTY(fault) "{protocol: tcp, forward: '127.0.0.1:FAR', faults: [{" fault "}]}"

static bool ended(struct heard *heard, int fd)
{
    return heard_more(heard, fd);
}

/** Reads and forgets; true once the peer has ended by what is asked for. */
static bool ends_by(int fd, bool reset)
{
    char piece[4096];
    ssize_t got;
    while ((got = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
        continue;
    if (got == 0)
        ck_assert_msg(!reset, "FIN where RST was expected");
    else if (errno == EAGAIN)
        return false;
    else
        ck_assert_msg(reset && errno == ECONNRESET, "RST where FIN was expected");
    return true;
}

START_TEST(test_each_half_ends_by_itself)
{
    struct proxy proxy;
    struct heard at_far = {0};
    struct heard at_client = {0};
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    say(both.client, "question");
    shutdown(both.client, SHUT_WR);
    rig_until(&proxy.rig, ended(&at_far, both.far));
    ck_assert_str_eq(at_far.data, "question");
    /* the other half lives */
    say(both.far, "first ");
    rig_until(&proxy.rig, heard_has(&at_client, both.client, "first "));
    say(both.far, "second");
    shutdown(both.far, SHUT_WR);
    rig_until(&proxy.rig, ended(&at_client, both.client));
    ck_assert_str_eq(at_client.data, "first second");
    ck_assert(at_far.fin && at_client.fin);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    const struct entry *entry = rig_entry(&proxy.rig, ENTRY_CONNECTION_END);
    ck_assert_uint_eq(entry->flags, ENTRY_CLOSED_BY_CLIENT);
    ck_assert_uint_eq(entry->extra, 8);
    ck_assert_uint_eq(entry->extra2, 12);
    entry = rig_entry(&proxy.rig, ENTRY_DIAL_END);
    /* to the far side it is the proxy that ended first: it is the client there */
    ck_assert_uint_eq(entry->flags, ENTRY_CLOSED_BY_CLIENT);
    ck_assert_uint_eq(entry->extra, 12);
    ck_assert_uint_eq(entry->connection, 1);
    heard_clear(&at_far);
    heard_clear(&at_client);
    close(both.client);
    close(both.far);
    proxy_clear(&proxy);
}
END_TEST

START_TEST(test_the_far_side_may_end_its_half_first)
{
    struct proxy proxy;
    struct heard at_far = {0};
    struct heard at_client = {0};
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    say(both.far, "banner");
    shutdown(both.far, SHUT_WR);
    rig_until(&proxy.rig, ended(&at_client, both.client));
    ck_assert_str_eq(at_client.data, "banner");
    say(both.client, "thanks");
    rig_until(&proxy.rig, heard_has(&at_far, both.far, "thanks"));
    ck_assert(!at_far.fin);
    close(both.client);
    rig_until(&proxy.rig, ended(&at_far, both.far));
    ck_assert(at_far.fin);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    heard_clear(&at_far);
    heard_clear(&at_client);
    close(both.far);
    proxy_clear(&proxy);
}
END_TEST

START_TEST(test_what_came_before_the_far_side_stands_is_not_lost)
{
    struct proxy proxy;
    struct heard at_far = {0};
    proxy_open(&proxy, PLAIN);
    int client = rig_dial(proxy.port->number);
    say(client, "early");
    shutdown(client, SHUT_WR);
    int far = -1;
    rig_until(&proxy.rig, (far = accept(proxy.listening, NULL, NULL)) >= 0);
    rig_until(&proxy.rig, ended(&at_far, far));
    ck_assert(at_far.fin);
    ck_assert_str_eq(at_far.data, "early");
    heard_clear(&at_far);
    close(client);
    close(far);
    proxy_clear(&proxy);
}
END_TEST

/** A client that speaks before the far side stands, and the end that the proxy makes of it. */
static void ended_early(const char *yaml, bool drains, const char *expected, bool reset)
{
    struct proxy proxy;
    struct heard at_far = {0};
    struct heard at_client = {0};
    int far = -1;
    proxy_open(&proxy, yaml);
    int client = rig_dial(proxy.port->number);
    say(client, "early bytes");
    if (drains) {
        rig_until(&proxy.rig, proxy.port->live == 1);
        port_close(proxy.port, CLOSE_DRAIN, CLOCK_SECOND);
    }
    rig_until(&proxy.rig, (far = accept(proxy.listening, NULL, NULL)) >= 0);
    rig_until(&proxy.rig, ended(&at_far, far));
    rig_until(&proxy.rig, heard_more(&at_client, client));
    ck_assert_str_eq(at_far.data, expected);
    ck_assert(at_far.reset == reset && at_client.reset == reset);
    heard_clear(&at_far);
    close(client);
    close(far);
    proxy_clear(&proxy);
}

START_TEST(test_an_end_behind_bytes_waits_until_the_far_side_stands)
{
    ended_early("{protocol: tcp, forward: '127.0.0.1:FAR', "
                "faults: [{cut: {at: 5}, direction: request}]}",
                false, "early", false);
    ended_early("{protocol: tcp, forward: '127.0.0.1:FAR', "
                "faults: [{cut: {at: 5, how: rst}, direction: request}]}",
                false, "early", true);
    ended_early(PLAIN, true, "early bytes", false);
}
END_TEST

START_TEST(test_a_reset_is_passed_on_as_one)
{
    struct proxy proxy;
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    rig_reset(both.client);
    rig_until(&proxy.rig, ends_by(both.far, true));
    close(both.far);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    both = proxy_connect(&proxy);
    rig_reset(both.far);
    rig_until(&proxy.rig, ends_by(both.client, true));
    close(both.client);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    ck_assert_uint_eq(rig_entry(&proxy.rig, ENTRY_DIAL_END)->flags,
                      ENTRY_CLOSED_BY_SERVER | ENTRY_CLOSED_BY_RESET);
    proxy_clear(&proxy);
}
END_TEST

START_TEST(test_bytes_before_a_reset_arrive)
{
    struct proxy proxy;
    struct heard heard = {0};
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    say(both.far, "last words");
    rig_until(&proxy.rig, rig_count(&proxy.rig, ENTRY_DIAL) == 1 && proxy.port->bytes_out == 10);
    rig_reset(both.far);
    rig_until(&proxy.rig, heard_more(&heard, both.client));
    ck_assert(heard.reset);
    ck_assert_str_eq(heard.data, "last words");
    heard_clear(&heard);
    close(both.client);
    proxy_clear(&proxy);
}
END_TEST

/* Much. */

enum { PIECE = 64 * 1024, PERIOD = 65521, /**< prime: no lost block goes unseen */ };

/** The pattern from a position on, PIECE bytes of it; `other`: with every bit turned. */
static const char *pattern(uint64_t at, bool other)
{
    static char bytes[2][PERIOD + PIECE];
    if (!bytes[1][0]) {
        struct random random = random_for(1, STR("pattern"), 1);
        for (size_t i = 0; i < sizeof bytes[0]; i++) {
            bytes[0][i] = i < PERIOD ? (char)random_between(&random, 0, 254) : bytes[0][i - PERIOD];
            bytes[1][i] = (char)~bytes[0][i];
        }
    }
    return bytes[other] + at % PERIOD;
}

/** One direction between two sockets that do not wait. */
struct transfer {
    int from;
    int to;
    uint64_t size;
    uint64_t sent;
    uint64_t got;
    uint64_t changed_at; /**< from here on bytes are the other ones; UINT64_MAX = they never were */
};

static void transfer_send(struct transfer *transfer, size_t most)
{
    uint64_t left = transfer->size - transfer->sent;
    size_t size = left < most ? (size_t)left : most;
    ssize_t sent = size ? send(transfer->from, pattern(transfer->sent, false), size,
                               MSG_NOSIGNAL | MSG_DONTWAIT)
                        : 0;
    if (sent > 0)
        transfer->sent += (size_t)sent;
    if (size && transfer->sent == transfer->size)
        shutdown(transfer->from, SHUT_WR);
}

/** Compares a part that is all of one kind. */
static void transfer_compare(struct transfer *transfer, const char *piece, size_t size)
{
    bool other = transfer->got >= transfer->changed_at;
    ck_assert_msg(memcmp(piece, pattern(transfer->got, other), size) == 0,
                  "other bytes in %zu from %llu on", size, (unsigned long long)transfer->got);
    transfer->got += size;
}

static void transfer_take(struct transfer *transfer, size_t most)
{
    static char piece[PIECE];
    ssize_t got = recv(transfer->to, piece, most, MSG_DONTWAIT);
    if (got <= 0)
        return;
    const char *expected = pattern(transfer->got, false);
    size_t same = 0;
    if (transfer->changed_at == UINT64_MAX) {
        while (same < (size_t)got && piece[same] != (char)~expected[same])
            same +=
                memcmp(piece + same, expected + same, (size_t)got - same) ? 1 : (size_t)got - same;
        if (same < (size_t)got)
            transfer->changed_at = transfer->got + same;
    }
    transfer_compare(transfer, piece, same);
    transfer_compare(transfer, piece + same, (size_t)got - same);
}

static bool transfer_done(const struct transfer *transfer)
{
    return transfer->got == transfer->size;
}

static size_t pipes_of(const struct server *server)
{
    size_t count = 0;
    for (const struct stream_pipe *pipe = server->pipes; pipe; pipe = pipe->next)
        count++;
    return count;
}

START_TEST(test_much_arrives_byte_for_byte_in_both_directions)
{
    struct proxy proxy;
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    struct transfer up = {both.client, both.far, 48 << 20, 0, 0, UINT64_MAX};
    struct transfer down = {both.far, both.client, 48 << 20, 0, 0, UINT64_MAX};
    struct random random = random_for(1, STR("sizes"), 1);
    int64_t end = clock_now() + 3 * RIG_PATIENCE_NS;
    while (!transfer_done(&up) || !transfer_done(&down)) {
        ck_assert_msg(clock_now() < end, "%llu and %llu", (unsigned long long)up.got,
                      (unsigned long long)down.got);
        for (int i = 0; i < 8; i++) {
            transfer_send(&up, PIECE);
            transfer_send(&down, (size_t)random_between(&random, 1, PIECE));
        }
        loop_turn(proxy.rig.loop);
        for (int i = 0; i < 8; i++) {
            transfer_take(&up, (size_t)random_between(&random, 1, PIECE));
            transfer_take(&down, PIECE);
        }
    }
    ck_assert_uint_gt(proxy.rig.server.pipe_count, 0);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    ck_assert_uint_eq(pipes_of(&proxy.rig.server), proxy.rig.server.pipe_count);
    close(both.client);
    close(both.far);
    proxy_clear(&proxy);
}
END_TEST

/** What we hold of one direction: read from the one side, not taken by the other. */
static uint64_t held_between(const struct stream *from, const struct stream *to)
{
    return from->received - to->sent;
}

/** Writes until nothing more is taken for a while of turns. */
static void fill(struct proxy *proxy, struct transfer *transfer)
{
    uint64_t before;
    int still = 0;
    do {
        before = transfer->sent;
        transfer_send(transfer, PIECE);
        loop_turn(proxy->rig.loop);
        still = transfer->sent == before ? still + 1 : 0;
    } while (still < 200);
}

START_TEST(test_a_slow_reader_hears_the_end_after_its_own)
{
    struct proxy proxy;
    struct heard at_far = {0};
    static char piece[PIECE];
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    struct transfer down = {both.far, both.client, 64 << 20, 0, 0, UINT64_MAX};
    shutdown(both.client, SHUT_WR);
    rig_until(&proxy.rig, ended(&at_far, both.far));
    fill(&proxy, &down);
    uint64_t left = down.sent;
    /* both FINs are there, and the kernel calls the connection closed: bytes wait before the end */
    shutdown(both.far, SHUT_WR);
    close(both.far);
    for (ssize_t got = 1; got;) {
        rig_until(&proxy.rig, (got = recv(both.client, piece, PIECE / 4, MSG_DONTWAIT)) >= 0 ||
                                  errno != EAGAIN);
        ck_assert_msg(got >= 0, "RST with %llu bytes to come", (unsigned long long)left);
        left -= (uint64_t)got;
    }
    ck_assert_uint_eq(left, 0);
    heard_clear(&at_far);
    close(both.client);
    proxy_clear(&proxy);
}
END_TEST

/** What waits in us for readers that take nothing, then little, is at most `most` a direction. */
static void stops_writers(const char *yaml, uint64_t most)
{
    struct proxy proxy;
    proxy_open(&proxy, yaml);
    struct both both = proxy_connect(&proxy);
    struct transfer up = {both.client, both.far, 64 << 20, 0, 0, UINT64_MAX};
    struct transfer down = {both.far, both.client, 64 << 20, 0, 0, UINT64_MAX};
    rig_until(&proxy.rig, rig_count(&proxy.rig, ENTRY_DIAL) == 1);
    const struct stream *client = proxy.port->oldest;
    const struct stream *far = proxy.rig.server.dialed;
    fill(&proxy, &up);
    fill(&proxy, &down);
    ck_assert_uint_lt(up.sent, up.size);
    ck_assert_uint_lt(down.sent, down.size);
    ck_assert_uint_gt(held_between(client, far), 0);
    ck_assert_uint_le(held_between(client, far), most);
    ck_assert_uint_le(held_between(far, client), most);
    /* it goes on where it stopped, also while each little read makes room */
    for (int64_t end = clock_now() + 3 * RIG_PATIENCE_NS;
         !transfer_done(&up) || !transfer_done(&down);) {
        ck_assert_int_lt(clock_now(), end);
        transfer_send(&up, PIECE);
        transfer_send(&down, PIECE);
        transfer_take(&up, PIECE);
        transfer_take(&down, PIECE);
        loop_turn(proxy.rig.loop);
        if (proxy.port->oldest && proxy.rig.server.dialed) {
            ck_assert_uint_le(held_between(client, far), most);
            ck_assert_uint_le(held_between(far, client), most);
        }
    }
    close(both.client);
    close(both.far);
    proxy_clear(&proxy);
}

START_TEST(test_a_slow_reader_stops_a_fast_writer)
{
    stops_writers(PLAIN, 2 << 20);
}
END_TEST

START_TEST(test_behind_faults_too)
{
    stops_writers(FAULTY("slice: 1000-50000"), 2 << 20);
    stops_writers(FAULTY("bandwidth: 200MiB/s"), (16 + 2) << 20);
    /* what is on its way is not held up by who comes after it: that much, and no more */
    stops_writers(FAULTY("latency: 300ms"), (16 + 2) << 20);
}
END_TEST

/* A stage that is put on a connection over which much moves. */

struct inverting {
    struct stage stage;
};

static void inverting_in(struct stage *stage, struct str bytes)
{
    char *other = malloc(bytes.size);
    for (size_t i = 0; i < bytes.size; i++)
        other[i] = (char)~bytes.data[i];
    stage_in(stage, (struct str){other, bytes.size});
    free(other);
}

static void inverting_out(struct stage *stage, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++) {
        char *other = malloc(parts[i].iov_len);
        const char *bytes = parts[i].iov_base;
        for (size_t j = 0; j < parts[i].iov_len; j++)
            other[j] = (char)~bytes[j];
        struct iovec part = {other, parts[i].iov_len};
        stage_out(stage, &part, 1);
        free(other);
    }
}

static void inverting_gone(struct stage *stage)
{
    free(stage);
}

static const struct stage_type inverting_type = {
    .name = "inverting",
    .in = inverting_in,
    .out = inverting_out,
    .gone = inverting_gone,
};

START_TEST(test_a_stage_on_a_busy_connection_strikes_at_once)
{
    struct proxy proxy;
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    struct transfer up = {both.client, both.far, 24 << 20, 0, 0, UINT64_MAX};
    struct transfer down = {both.far, both.client, 24 << 20, 0, 0, UINT64_MAX};
    rig_until(&proxy.rig, rig_count(&proxy.rig, ENTRY_DIAL) == 1);
    struct stream *client = proxy.port->oldest;
    const struct stream *far = proxy.rig.server.dialed;
    /* both directions are blocked: pipes hold bytes in the middle */
    fill(&proxy, &up);
    fill(&proxy, &down);
    uint64_t read_up = client->received;
    uint64_t sent_down = client->sent;
    ck_assert_uint_gt(proxy.rig.server.pipe_count, pipes_of(&proxy.rig.server));
    struct inverting *inverting = calloc(1, sizeof *inverting);
    inverting->stage.type = &inverting_type;
    stream_push_stage(client, &inverting->stage);
    for (int64_t end = clock_now() + 3 * RIG_PATIENCE_NS;
         !transfer_done(&up) || !transfer_done(&down);) {
        ck_assert_msg(clock_now() < end, "%llu and %llu", (unsigned long long)up.got,
                      (unsigned long long)down.got);
        transfer_send(&up, PIECE);
        transfer_send(&down, PIECE);
        transfer_take(&up, PIECE);
        transfer_take(&down, PIECE);
        loop_turn(proxy.rig.loop);
    }
    /* what was read before has passed the place of the stage, what was not sent has not */
    ck_assert_uint_eq(up.changed_at, read_up);
    ck_assert_uint_eq(down.changed_at, sent_down);
    (void)far;
    close(both.client);
    close(both.far);
    proxy_clear(&proxy);
}
END_TEST

/* Far sides that cannot be had. */

static void refused(const char *format, bool reset)
{
    struct proxy proxy;
    proxy_open(&proxy, format);
    close(proxy.listening);
    proxy.listening = -1;
    int client = rig_dial(proxy.port->number);
    say(client, "hello?");
    rig_until(&proxy.rig, ends_by(client, reset));
    ck_assert_uint_eq(rig_entry(&proxy.rig, ENTRY_DIAL_FAILED)->status, ECONNREFUSED);
    close(client);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    proxy_clear(&proxy);
}

START_TEST(test_a_far_side_that_refuses_ends_the_client_by_fin)
{
    refused(PLAIN, false);
}
END_TEST

START_TEST(test_with_dial_first_it_is_a_reset)
{
    refused("{protocol: tcp, forward: {to: '127.0.0.1:FAR', dial: first}}", true);
}
END_TEST

START_TEST(test_a_far_side_that_is_silent_ends_it_in_time)
{
    struct proxy proxy;
    proxy_open(&proxy, "{protocol: tcp, forward: {to: '127.0.0.1:FAR', timeout: 30ms}}");
    /* the queue is full: a further SYN gets no answer */
    ck_assert_int_eq(listen(proxy.listening, 0), 0);
    int waiting = rig_dial(proxy.far_number);
    int client = rig_dial(proxy.port->number);
    rig_until(&proxy.rig, ends_by(client, false));
    const struct entry *entry = rig_entry(&proxy.rig, ENTRY_DIAL_FAILED);
    ck_assert_uint_eq(entry->status, ETIMEDOUT);
    ck_assert_uint_ge(entry->extra2, 30 * 1000 * 1000);
    close(client);
    close(waiting);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    proxy_clear(&proxy);
}
END_TEST

START_TEST(test_a_client_that_leaves_meanwhile_is_forgotten)
{
    struct proxy proxy;
    proxy_open(&proxy, PLAIN);
    ck_assert_int_eq(listen(proxy.listening, 0), 0);
    int waiting = rig_dial(proxy.far_number);
    int client = rig_dial(proxy.port->number);
    rig_until(&proxy.rig, proxy.rig.server.dialed);
    rig_reset(client);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    close(waiting);
    proxy_clear(&proxy);
}
END_TEST

START_TEST(test_a_unix_socket_is_a_far_side)
{
    struct proxy proxy;
    struct heard heard = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/goto-run-proxy.XXXXXX";
    char format[160];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    snprintf(format, sizeof format, "{protocol: tcp, forward: 'unix:%s'}", address.sun_path);
    proxy_open(&proxy, format);
    close(proxy.listening);
    proxy.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(proxy.listening, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(proxy.listening, 4), 0);
    struct both both = proxy_connect(&proxy);
    struct transfer up = {both.client, both.far, 8 << 20, 0, 0, UINT64_MAX};
    struct transfer down = {both.far, both.client, 8 << 20, 0, 0, UINT64_MAX};
    for (int64_t end = clock_now() + RIG_PATIENCE_NS;
         !transfer_done(&up) || !transfer_done(&down);) {
        ck_assert_int_lt(clock_now(), end);
        transfer_send(&up, PIECE);
        transfer_send(&down, PIECE);
        transfer_take(&up, PIECE);
        transfer_take(&down, PIECE);
        loop_turn(proxy.rig.loop);
    }
    rig_until(&proxy.rig, ended(&heard, both.far));
    ck_assert(heard.fin);
    heard_clear(&heard);
    close(both.client);
    close(both.far);
    unlink(address.sun_path);
    rmdir(folder);
    proxy_clear(&proxy);
}
END_TEST

/* Ends that our side makes. */

static void ended_by_us(enum close_how how, bool reset)
{
    struct proxy proxy;
    struct heard at_client = {0};
    struct heard at_far = {0};
    proxy_open(&proxy, PLAIN);
    struct both both = proxy_connect(&proxy);
    rig_until(&proxy.rig, rig_count(&proxy.rig, ENTRY_DIAL) == 1);
    port_close(proxy.port, how, CLOCK_SECOND);
    rig_until(&proxy.rig, heard_more(&at_client, both.client));
    rig_until(&proxy.rig, heard_more(&at_far, both.far));
    ck_assert(at_client.reset == reset);
    ck_assert(at_far.reset == reset);
    close(both.client);
    close(both.far);
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    ck_assert_int_eq(rig_dial(proxy.port->number), -ECONNREFUSED);
    proxy_clear(&proxy);
}

START_TEST(test_an_end_that_we_make_is_made_on_both_sides)
{
    ended_by_us(CLOSE_FIN, false);
    ended_by_us(CLOSE_RST, true);
    ended_by_us(CLOSE_KILL, false);
    ended_by_us(CLOSE_DRAIN, false);
}
END_TEST

START_TEST(test_connections_without_a_byte_end_at_the_idle_limit)
{
    struct proxy proxy;
    proxy_open(&proxy, "{protocol: tcp, limits: {idle: 30ms}, forward: '127.0.0.1:FAR'}");
    struct both both = proxy_connect(&proxy);
    rig_until(&proxy.rig, ends_by(both.client, false));
    rig_until(&proxy.rig, ends_by(both.far, false));
    ck_assert_int_ge(rig_entry(&proxy.rig, ENTRY_CONNECTION)->value -
                         rig_entry(&proxy.rig, ENTRY_CONNECTION)->time_ns,
                     25 * 1000 * 1000);
    close(both.client);
    close(both.far);
    proxy_clear(&proxy);
}
END_TEST

/* Many. */

START_TEST(test_many_connections_at_once)
{
    enum { MOST = 10000, FDS_EACH = 4, FDS_ELSE = 200 };
    struct proxy proxy;
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    size_t fit = limit.rlim_cur > FDS_ELSE ? (size_t)(limit.rlim_cur - FDS_ELSE) / FDS_EACH : 0;
    size_t count = fit < MOST ? fit : MOST;
    ck_assert_uint_ge(count, 100);
    struct both *all = calloc(count + 1, sizeof *all);
    proxy_open(&proxy, PLAIN);
    for (size_t i = 0; i < count; i++) {
        all[i] = proxy_connect(&proxy);
        say_bytes(all[i].client, (const char *)&i, sizeof i);
    }
    for (size_t i = 0; i < count; i++) {
        size_t got = 0;
        rig_until(&proxy.rig, recv(all[i].far, &got, sizeof got, MSG_DONTWAIT) == sizeof got);
        ck_assert_uint_eq(got, i);
        say_bytes(all[i].far, (const char *)&i, sizeof i);
        shutdown(all[i].far, SHUT_WR);
    }
    for (size_t i = 0; i < count; i++) {
        size_t got = 0;
        rig_until(&proxy.rig, recv(all[i].client, &got, sizeof got, MSG_DONTWAIT) == sizeof got);
        ck_assert_uint_eq(got, i);
        close(all[i].client);
    }
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    for (size_t i = 0; i < count; i++)
        close(all[i].far);
    ck_assert_uint_eq(rig_count(&proxy.rig, ENTRY_DIAL_END), count);
    free(all);
    proxy_clear(&proxy);
}
END_TEST

START_TEST(test_a_loop_ends)
{
    struct proxy proxy;
    struct heard heard = {0};
    proxy_open(&proxy, PLAIN);
    struct str text = proxy_text(&proxy, PLAIN, proxy.port->number);
    const struct upstream_config *config = proxy_read(&proxy, text);
    *proxy.config = *config;
    upstream_config_changed(proxy.upstream);
    int client = rig_dial(proxy.port->number);
    rig_until(&proxy.rig, heard_more(&heard, client));
    rig_until(&proxy.rig, proxy.rig.server.streams == 0);
    ck_assert(heard.reset);
    ck_assert_uint_eq(rig_count(&proxy.rig, ENTRY_CONNECTION), TCP_MOST_HOPS + 1);
    struct str note = {rig_entry(&proxy.rig, ENTRY_NOTE)->data,
                       rig_entry(&proxy.rig, ENTRY_NOTE)->data_size};
    ck_assert_msg(str_find(note, STR("loop")) >= 0, STR_FMT, STR_ARG(note));
    heard_clear(&heard);
    close(client);
    proxy_clear(&proxy);
}
END_TEST

UNIT_MAIN("tcp-proxy", test_each_half_ends_by_itself, test_the_far_side_may_end_its_half_first,
          test_what_came_before_the_far_side_stands_is_not_lost,
          test_an_end_behind_bytes_waits_until_the_far_side_stands,
          test_a_reset_is_passed_on_as_one, test_bytes_before_a_reset_arrive,
          test_much_arrives_byte_for_byte_in_both_directions,
          test_a_slow_reader_hears_the_end_after_its_own, test_a_slow_reader_stops_a_fast_writer,
          test_behind_faults_too, test_a_stage_on_a_busy_connection_strikes_at_once,
          test_a_far_side_that_refuses_ends_the_client_by_fin, test_with_dial_first_it_is_a_reset,
          test_a_far_side_that_is_silent_ends_it_in_time,
          test_a_client_that_leaves_meanwhile_is_forgotten, test_a_unix_socket_is_a_far_side,
          test_an_end_that_we_make_is_made_on_both_sides,
          test_connections_without_a_byte_end_at_the_idle_limit, test_many_connections_at_once,
          test_a_loop_ends)
