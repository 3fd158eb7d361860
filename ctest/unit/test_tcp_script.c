/* Scripts: what a raw client hears, and what is missed. */
#include "ctest/unit/tcp_rig.h"

#include "server/tcp/script.h"

enum { MOST_MOVES = 6 };

/** What the client does next, once it has heard what is expected so far. */
struct move {
    const char *heard; /**< by now; NULL = the end of the moves */
    const char *say;   /**< NULL = nothing */
    char then;         /**< 'f': FIN of its half; 'r': RST; 0 */
};

struct play {
    const char *script;
    struct move moves[MOST_MOVES];
    const char *heard;  /**< in all */
    char end;           /**< 'f' or 'r': of the server; 0 = the client has ended it */
    const char *misses; /**< "line:column expected | actual"; "" = none */
};

#define RN "\\r\\n"

static const struct play plays[] = {
    {"[{send: hi}]", {{"hi", NULL, 0}}, "hi", 'f', ""},
    {"[{send: {hex: \"01 ff 41\"}}]",
     {{"", NULL, 0}},
     "\x01\xff"
     "A",
     'f',
     ""},
    {"[{receive: {until: \"\\r\\n\"}}, {send: ok}]",
     {{"", "HELO\r", 0}, {"", "\n", 0}},
     "ok",
     'f',
     ""},
    /* the delimiter begins within itself */
    {"[{receive: {until: aab}}, {send: ok}]", {{"", "aaaaab", 0}}, "ok", 'f', ""},
    {"[{receive: {until: abab}}, {send: ok}, {receive: {bytes: 1}}]",
     {{"", "abaababX", 0}},
     "ok",
     'f',
     ""},
    /* exactly that is consumed */
    {"[{receive: {bytes: 3}}, {receive: de}, {send: ok}]", {{"", "abcde", 0}}, "ok", 'f', ""},
    {"[{receive: {until: b}}, {receive: {until: c}}, {receive: de}, {send: ok}]",
     {{"", "abcde", 0}},
     "ok",
     'f',
     ""},
    /* a predicate is tried on all that came since, and consumes it */
    {"[{receive: {contains: c}}, {send: \"1\"}, {receive: {starts-with: d}}, {send: \"2\"}]",
     {{"", "a", 0}, {"", "bc", 0}, {"1", "d", 0}},
     "12",
     'f',
     ""},
    {"[{send: a}, {receive: \"xyz\"}, {send: b}]",
     {{"a", "x", 0}, {"a", "y", 0}, {"a", "z", 0}},
     "ab",
     'f',
     ""},
    /* what comes while it sleeps waits */
    {"[{send: a}, {sleep: 20ms}, {receive: xy}, {send: b}]",
     {{"a", "x", 0}, {"a", "y", 0}},
     "ab",
     'f',
     ""},
    {"[{repeat: {times: 3, steps: [{receive: {bytes: 1}}, {send: x}]}}]",
     {{"", "a", 0}, {"x", "bc", 0}},
     "xxx",
     'f',
     ""},
    {"[{repeat: {times: 2, steps: [{repeat: {times: 2, steps: [{send: a}]}}, {send: b}]}}]",
     {{"", NULL, 0}},
     "aabaab",
     'f',
     ""},
    {"[{send: abc}, reset]", {{"abc", NULL, 0}}, "abc", 'r', ""},
    {"[{send: abc}, close]", {{"abc", NULL, 0}}, "abc", 'f', ""},
    /* a half is closed: the other one is still listened to */
    {"[{send: a}, half-close, {receive: done}, reset]", {{"a", "done", 0}}, "a", 'f', ""},
    {"[{receive: {exists: false}}, {send: bye}]", {{"", NULL, 'f'}}, "bye", 'f', ""},
    /* an endless repeat ends with the peer, between two iterations */
    {"[{repeat: {steps: [{receive: {until: \"\\n\"}}, {send: ok}]}}, {send: bye}]",
     {{"", "a\nb\n", 0}, {"okok", NULL, 'f'}},
     "okokbye",
     'f',
     ""},
    {"[{repeat: {steps: [{receive: {until: \"\\n\"}}, {send: ok}]}}]",
     {{"", "a\n", 0}, {"ok", NULL, 'r'}},
     "ok",
     0,
     ""},
    {"[{repeat: {steps: [{send: a}, {sleep: 1ms}]}}]", {{"aaa", NULL, 'r'}}, NULL, 0, ""},
    /* a peer that has closed its half hears the rest */
    {"[{receive: a}, {sleep: 10ms}, {send: b}]", {{"", "a", 'f'}}, "b", 'f', ""},
    {"[{receive: {bytes: 1}}, {sleep: 10ms}, {receive: b}, {send: c}]",
     {{"", "ab", 'f'}},
     "c",
     'f',
     ""},
    /* what never comes */
    {"[{receive: {until: \"\\r\\n\"}}, {send: ok}]",
     {{"", "HELO", 'f'}},
     "",
     'f',
     "text up to \"" RN "\" | \"HELO\", then the peer closed the connection"},
    {"[{receive: {bytes: 9}}]",
     {{"", "HELO", 'r'}},
     "",
     0,
     "9 bytes | \"HELO\", then the peer reset the connection"},
    {"[{receive: {matches: \"^a\"}}]",
     {{"", "b", 'f'}},
     "",
     'f',
     "to match \"^a\" | \"b\", then the peer closed the connection"},
    {"[{repeat: {steps: [{receive: {until: \"\\n\"}}, {send: ok}]}}]",
     {{"", "a\nb", 0}, {"ok", NULL, 'f'}},
     "ok",
     'f',
     "text up to \"\\n\" | \"b\", then the peer closed the connection"},
    {"[{repeat: {times: 2, steps: [{receive: {until: \"\\n\"}}, {send: ok}]}}]",
     {{"", "a\n", 0}, {"ok", NULL, 'f'}},
     "ok",
     'f',
     "text up to \"\\n\" | nothing, then the peer closed the connection"},
    {"[{send: a}, {sleep: 10s}, {receive: b}]",
     {{"a", NULL, 'r'}},
     "a",
     0,
     "\"b\" | nothing, then the peer reset the connection"},
    {"[{send: a}, {sleep: 10s}]", {{"a", NULL, 'r'}}, "a", 0, ""},
    {"[{receive: {exists: false}}, {send: bye}]",
     {{"", "x", 'f'}},
     "",
     'f',
     "not to exist | \"x\", then the peer closed the connection"},
};

struct missed {
    struct buf text;
};

static void missed_add(void *context, const struct tcp_miss *miss)
{
    struct missed *missed = context;
    buf_printf(&missed->text, "%s" STR_FMT " | " STR_FMT, missed->text.size ? "\n" : "",
               STR_ARG(miss->expected), STR_ARG(miss->actual));
}

static void check_misses(struct tcp_rig *tcp, const char *expected, const char *what)
{
    struct missed missed;
    buf_init(&missed.text, BUF_OWN);
    buf_append_string(&missed.text, "");
    tcp_misses(tcp->port, tcp->arena, missed_add, &missed);
    ck_assert_msg(str_is(buf_str(&missed.text), expected), "%s: '" STR_FMT "' is not '%s'", what,
                  STR_ARG(buf_str(&missed.text)), expected);
    buf_clear(&missed.text);
}

static void play_ends(struct tcp_rig *tcp, const struct play *play, int fd, struct heard *heard)
{
    if (play->end) {
        rig_until(&tcp->rig, heard_more(heard, fd));
        ck_assert_msg(play->end == 'f' ? heard->fin : heard->reset, "%s: the other end",
                      play->script);
    }
    if (fd >= 0)
        close(fd);
    rig_until(&tcp->rig, tcp->port->live == 0);
    if (play->heard)
        ck_assert_msg(strcmp(heard->data ? heard->data : "", play->heard) == 0, "%s: heard '%s'",
                      play->script, heard->data ? heard->data : "");
    check_misses(tcp, play->misses, play->script);
}

/** Says a text byte by byte where it is asked to, so that each is an arrival of its own. */
static void play_say(struct tcp_rig *tcp, int fd, const char *text, bool slowly)
{
    if (!slowly) {
        say(fd, text);
        return;
    }
    for (; *text; text++) {
        uint64_t in = tcp->port->bytes_in;
        say_bytes(fd, text, 1);
        rig_until(&tcp->rig, tcp->port->bytes_in > in || tcp->port->live == 0);
    }
}

static void play(const struct play *play, bool slowly)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    struct arena *arena = arena_new();
    tcp_rig_init(&tcp, arena_printf(arena, "{protocol: tcp, script: %s}", play->script).data);
    int fd = tcp_rig_dial(&tcp);
    for (const struct move *move = play->moves; move->heard; move++) {
        rig_until(&tcp.rig,
                  tcp.port->accepted && (!*move->heard || heard_has(&heard, fd, move->heard)));
        if (move->say)
            play_say(&tcp, fd, move->say, slowly);
        if (move->then == 'f')
            shutdown(fd, SHUT_WR);
        if (move->then == 'r') {
            rig_reset(fd);
            fd = -1;
        }
    }
    play_ends(&tcp, play, fd, &heard);
    heard_clear(&heard);
    tcp_rig_clear(&tcp);
    arena_free(arena);
}

START_TEST(test_plays)
{
    for (size_t i = 0; i < COUNT_OF(plays); i++)
        play(&plays[i], false);
}
END_TEST

START_TEST(test_plays_byte_by_byte)
{
    for (size_t i = 0; i < COUNT_OF(plays); i++)
        play(&plays[i], true);
}
END_TEST

START_TEST(test_much_is_sent_to_a_slow_reader)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    tcp_rig_init(&tcp, "{protocol: tcp, script: [{repeat: {times: 200000, steps: [{send: "
                       "0123456789abcdefghijklmnopqrstuv}]}}, {receive: x}, {send: end}]}");
    int fd = tcp_rig_dial(&tcp);
    rig_until(&tcp.rig, tcp.port->newest && stream_queued(tcp.port->newest) >= STREAM_HIGH_MARK);
    rig_pass(&tcp.rig, INT64_C(10000000));
    ck_assert_uint_lt(stream_queued(tcp.port->newest), 2 * STREAM_HIGH_MARK);
    say(fd, "x");
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert_uint_eq(heard.size, 200000 * 32 + 3);
    ck_assert_str_eq(heard.data + 200000 * 32 - 32, "0123456789abcdefghijklmnopqrstuvend");
    close(fd);
    heard_clear(&heard);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_what_a_predicate_is_tried_on_is_bounded)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    static char bulk[2 * 1024 * 1024];
    size_t said = 0;
    tcp_rig_init(&tcp, "{protocol: tcp, script: [{receive: {contains: x}}]}");
    int fd = tcp_rig_dial(&tcp);
    while (!heard_more(&heard, fd)) {
        ssize_t sent = send(fd, bulk, sizeof bulk - said, MSG_DONTWAIT | MSG_NOSIGNAL);
        said += sent > 0 ? (size_t)sent : 0;
        loop_turn(tcp.rig.loop);
    }
    ck_assert_uint_le(tcp.port->bytes_in, sizeof bulk);
    ck_assert_uint_gt(tcp.port->bytes_in, SCRIPT_MOST_KEPT);
    close(fd);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_a_receive_has_as_long_as_the_limit_read)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    tcp_rig_init(&tcp, "{protocol: tcp, limits: {read: 50ms}, script: [{receive: {bytes: 2}}]}");
    int fd = tcp_rig_dial(&tcp);
    say(fd, "x");
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    ck_assert_int_ge(clock_now() - tcp.port->newest->accepted_ns, INT64_C(50000000));
    check_misses(&tcp, "2 bytes | \"x\", and no more in time", "read");
    close(fd);
    tcp_rig_clear(&tcp);

    /* also where the limit `idle` is the shorter one */
    heard = (struct heard){0};
    tcp_rig_init(&tcp, "{protocol: tcp, limits: {idle: 50ms}, script: [{receive: {bytes: 2}}]}");
    fd = tcp_rig_dial(&tcp);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    check_misses(&tcp, "2 bytes | nothing, and no more in time", "idle");
    close(fd);
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_what_our_side_ends_misses_nothing)
{
    static const enum close_how hows[] = {CLOSE_FIN, CLOSE_RST, CLOSE_KILL};
    for (size_t i = 0; i < COUNT_OF(hows); i++) {
        struct tcp_rig tcp;
        tcp_rig_init(&tcp, "{protocol: tcp, script: [{receive: {bytes: 2}}, {receive: x}]}");
        int fd = tcp_rig_dial(&tcp);
        say(fd, "x");
        rig_until(&tcp.rig, tcp.port->bytes_in == 1);
        check_misses(&tcp, "2 bytes | \"x\" until the end", "waiting");
        port_disconnect(tcp.port, WHICH_ALL, hows[i]);
        check_misses(&tcp, "", "ended by us");
        close(fd);
        rig_until(&tcp.rig, tcp.port->live == 0);
        check_misses(&tcp, "", "gone");
        tcp_rig_clear(&tcp);
    }
}
END_TEST

START_TEST(test_connections_that_miss_the_same_are_counted)
{
    struct tcp_rig tcp;
    tcp_rig_init(&tcp, "{protocol: tcp, script: [{receive: {bytes: 2}}]}");
    for (int i = 0; i < 5; i++) {
        int fd = tcp_rig_dial(&tcp);
        say(fd, "x");
        rig_until(&tcp.rig, tcp.port->bytes_in == (uint64_t)i + 1);
        close(fd);
    }
    rig_until(&tcp.rig, tcp.port->live == 0);
    check_misses(&tcp, "2 bytes | \"x\", then the peer closed the connection", "five");
    tcp_rig_clear(&tcp);
}
END_TEST

START_TEST(test_a_drain_lets_a_script_come_to_its_end)
{
    struct tcp_rig tcp;
    struct heard heard = {0};
    tcp_rig_init(&tcp, "{protocol: tcp, script: [{send: a}, {sleep: 50ms}, {send: b}]}");
    int fd = tcp_rig_dial(&tcp);
    rig_until(&tcp.rig, heard_has(&heard, fd, "a"));
    port_close(tcp.port, CLOSE_DRAIN, INT64_MAX / 4);
    rig_until(&tcp.rig, heard_more(&heard, fd));
    ck_assert_str_eq(heard.data, "ab");
    close(fd);
    heard_clear(&heard);
    tcp_rig_clear(&tcp);
}
END_TEST

UNIT_MAIN("tcp script", test_plays, test_plays_byte_by_byte, test_much_is_sent_to_a_slow_reader,
          test_what_a_predicate_is_tried_on_is_bounded,
          test_a_receive_has_as_long_as_the_limit_read, test_what_our_side_ends_misses_nothing,
          test_connections_that_miss_the_same_are_counted,
          test_a_drain_lets_a_script_come_to_its_end)
