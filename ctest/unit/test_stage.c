/* Stages between socket and protocol: order, what is held back, what is cut and injected, ends. */
#include "ctest/unit/stage_rig.h"

/* Bytes pass the stages from the bottom up, and from the top down, each changing them. */
START_TEST(test_bytes_pass_all_stages_in_order)
{
    up("abc");
    test.probes[0]->shift = 1;
    test.probes[1]->shift = 2;
    test.probes[2]->shift = 4;
    test.answer = answer_back;
    dial();
    ck_assert_ptr_eq(test.stream->bottom, &test.probes[0]->stage);
    ck_assert_ptr_eq(test.stream->top, &test.probes[2]->stage);
    test.trace_size = 0;
    say(test.fd, "hijk");
    rig_until(&test.rig, heard_size(4));
    ck_assert_str_eq(test.told.data, "abcd");
    ck_assert_str_eq(test.heard.data, "hijk");
    ck_str_is(traced(), "aibicicoboaocfbfaf");
    down();
}
END_TEST

/* What is written in one bracket is one out(), then each stage may hand on what it kept. */
static void answer_in_pieces(struct test *of, struct str bytes)
{
    (void)of;
    (void)bytes;
    write_text("one ");
    write_text("two ");
    write_many('3', 3, true);
}

START_TEST(test_a_bracket_is_one_out)
{
    up("a");
    test.answer = answer_in_pieces;
    dial();
    test.trace_size = 0;
    say(test.fd, "?");
    rig_until(&test.rig, heard_size(11));
    ck_assert_str_eq(test.heard.data, "one two 333");
    ck_str_is(traced(), "aiaoaf");
    down();
}
END_TEST

/* Outside of brackets, what is to go soon goes before what is written behind it, or by itself. */
START_TEST(test_soon_without_a_bracket)
{
    up("a");
    dial();
    write_many('a', 10, true);
    write_many('b', 10, true);
    ck_assert_uint_eq(stream_queued(test.stream), 20);
    rig_until(&test.rig, heard_size(20));
    write_many('c', 10, true);
    write_many('d', 10, false);
    ck_assert_uint_eq(stream_queued(test.stream), 0);
    rig_until(&test.rig, heard_size(40));
    ck_assert_str_eq(runs(), "a10 b10 c10 d10");
    down();
}
END_TEST

/* More than a bracket collects: what was written first leaves first. */
static void answer_more_than_fits(struct test *of, struct str bytes)
{
    (void)of;
    (void)bytes;
    write_many('a', 20000, false);
    write_many('b', 20000, true);
    write_many('c', 3, false);
    write_many('d', 20000, false);
    write_many('e', 20000, true);
    write_many('f', 70000, true);
    write_many('g', 20000, true);
    write_many('h', 70000, false);
}

START_TEST(test_order_of_more_than_a_bracket_collects)
{
    up("ab");
    test.answer = answer_more_than_fits;
    dial();
    say(test.fd, "?");
    rig_until(&test.rig, heard_size(220003));
    ck_assert_str_eq(runs(), "a20000 b20000 c3 d20000 e20000 f70000 g20000 h70000");
    down();
}
END_TEST

/* What a stage holds back counts as queued; once it is gone writable() is called. */
START_TEST(test_what_is_held_back_is_queued)
{
    up("ab");
    test.probes[0]->stall_out = true;
    dial();
    write_many('x', STREAM_HIGH_MARK, false);
    ck_assert_uint_eq(stream_queued(test.stream), STREAM_HIGH_MARK);
    rig_pass(&test.rig, CLOCK_SECOND / 50);
    ck_assert(!heard_size(1));
    ck_assert_uint_eq(test.writable, 0);
    release(0);
    rig_until(&test.rig, heard_size(STREAM_HIGH_MARK) && test.writable);
    rig_pass(&test.rig, CLOCK_SECOND / 50);
    ck_assert_uint_eq(test.writable, 1);
    ck_assert_uint_eq(stream_queued(test.stream), 0);
    down();
}
END_TEST

/* A stage that keeps what comes: beyond a bound nothing is read, and all of it comes at last. */
START_TEST(test_what_is_kept_on_its_way_in_is_bounded)
{
    enum { SENT = 4 * 1024 * 1024, PIECE = 64 * 1024 };
    static char piece[PIECE];
    size_t sent = 0;
    up("ab");
    test.probes[1]->stall_in = true;
    dial();
    memset(piece, 'x', sizeof piece);
    for (int64_t end = clock_now() + CLOCK_SECOND / 5; clock_now() < end && sent < SENT;) {
        ssize_t more = send(test.fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += more > 0 ? (size_t)more : 0;
        loop_turn(test.rig.loop);
    }
    ck_assert_uint_lt(test.port->bytes_in, 2 * STREAM_MOST_INPUT);
    ck_assert_uint_gt(sent, 2 * STREAM_MOST_INPUT);
    release(1);
    rig_until(&test.rig, test.told.size == sent);
    down();
}
END_TEST

/* The same of a protocol that takes nothing, with stages below it. */
START_TEST(test_a_paused_protocol_stops_the_reading_below_stages)
{
    enum { PIECE = 64 * 1024 };
    static char piece[PIECE];
    size_t sent = 0;
    up("ab");
    test.paused = true;
    dial();
    for (int64_t end = clock_now() + CLOCK_SECOND / 5; clock_now() < end;) {
        ssize_t more = send(test.fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += more > 0 ? (size_t)more : 0;
        loop_turn(test.rig.loop);
    }
    ck_assert_uint_lt(test.port->bytes_in, 2 * STREAM_MOST_INPUT);
    ck_assert_uint_eq(test.told.size, 0);
    stream_resume(test.stream);
    rig_until(&test.rig, test.told.size == sent);
    down();
}
END_TEST

/* A stage injects on its own, both ways. */
START_TEST(test_a_stage_injects)
{
    up("abc");
    test.probes[0]->shift = 1;
    dial();
    test.probes[1]->stall_in = test.probes[1]->stall_out = true;
    keep(&test.probes[1]->out, "down", 4);
    keep(&test.probes[1]->in, "up", 2);
    release(1);
    rig_until(&test.rig, heard_size(4) && test.told.size == 2);
    ck_assert_str_eq(test.told.data, "up");
    ck_assert_str_eq(test.heard.data, "epxo"); /* it passed the stage below */
    down();
}
END_TEST

/* One that cuts: what is above knows nothing of it, and the end comes as ever. */
START_TEST(test_a_stage_cuts)
{
    up("ab");
    test.probes[0]->cut = 5;
    dial();
    write_text("123456789");
    write_text("more");
    stream_close(test.stream, CLOSE_FIN);
    rig_until(&test.rig, heard_end());
    ck_assert(test.heard.fin);
    ck_assert_str_eq(test.heard.data, "12345");
    down();
}
END_TEST

UNIT_MAIN("stage", test_bytes_pass_all_stages_in_order, test_a_bracket_is_one_out,
          test_soon_without_a_bracket, test_order_of_more_than_a_bracket_collects,
          test_what_is_held_back_is_queued, test_what_is_kept_on_its_way_in_is_bounded,
          test_a_paused_protocol_stops_the_reading_below_stages, test_a_stage_injects,
          test_a_stage_cuts)
