/* Stages between socket and protocol: ends, resets, other protocols and other stages in mid-stream.
 */
#include "ctest/unit/stage_rig.h"

/* The end of our side: each stage says its own behind all that is above it. */
START_TEST(test_stages_end_from_the_top)
{
    up("abc");
    test.probes[0]->farewell = "<a>";
    test.probes[1]->farewell = "<b>";
    test.probes[2]->farewell = "<c>";
    dial();
    write_text("text");
    test.trace_size = 0;
    stream_close(test.stream, CLOSE_FIN);
    rig_until(&test.rig, heard_end());
    ck_assert(test.heard.fin);
    ck_assert_str_eq(test.heard.data, "text<c><b><a>");
    down();
}
END_TEST

/* What a stage still holds delays the end of those below it, and the FIN. */
START_TEST(test_the_end_waits_for_what_is_held)
{
    up("abc");
    test.probes[0]->farewell = "<a>";
    test.probes[1]->farewell = "<b>";
    test.probes[1]->stall_out = true;
    dial();
    write_text("text");
    stream_close(test.stream, CLOSE_FIN);
    rig_pass(&test.rig, CLOCK_SECOND / 20);
    ck_assert(!heard_end());
    release(1);
    rig_until(&test.rig, heard_end());
    ck_assert(test.heard.fin);
    /* its own farewell was not held back */
    ck_assert_str_eq(test.heard.data, "<b>text<a>");
    down();
}
END_TEST

/* At most a second, as with a queue that nobody reads; the reason is noted. */
START_TEST(test_the_end_does_not_wait_for_ever)
{
    up("a");
    test.probes[0]->stall_out = true;
    dial();
    write_text("text");
    int64_t began = clock_now();
    stream_close(test.stream, CLOSE_FIN);
    rig_until(&test.rig, heard_end());
    ck_assert_int_ge(clock_now() - began, CLOCK_SECOND);
    ck_assert_uint_eq(test.heard.size, 0);
    ck_assert_uint_eq(rig_count(&test.rig, ENTRY_NOTE), 1);
    down();
}
END_TEST

START_TEST(test_a_killed_stream_waits_for_nothing)
{
    up("a");
    test.probes[0]->stall_out = true;
    dial();
    write_text("text");
    stream_close(test.stream, CLOSE_KILL);
    rig_until(&test.rig, heard_end());
    ck_assert_uint_eq(test.heard.size, 0);
    release(0); /* late: nothing must come of it */
    rig_pass(&test.rig, CLOCK_SECOND / 50);
    down();
}
END_TEST

START_TEST(test_a_reset_waits_for_what_is_held)
{
    up("a");
    test.probes[0]->stall_out = true;
    dial();
    write_text("text");
    stream_close(test.stream, CLOSE_RST);
    rig_pass(&test.rig, CLOCK_SECOND / 20);
    ck_assert(!heard_end());
    release(0);
    rig_until(&test.rig, heard_end());
    ck_assert(test.heard.reset);
    ck_assert_str_eq(test.heard.data, "text");
    ck_assert_uint_eq(rig_count(&test.rig, ENTRY_NOTE), 0);
    down();
}
END_TEST

/* The peer's FIN passes the stages behind its bytes, and is told once. */
START_TEST(test_the_peer_s_end_passes_the_stages)
{
    up("ab");
    dial();
    test.probes[1]->stall_in = test.probes[1]->stall_end = true;
    say(test.fd, "last");
    shutdown(test.fd, SHUT_WR);
    rig_until(&test.rig, test.probes[1]->end_kept);
    rig_pass(&test.rig, CLOCK_SECOND / 50);
    ck_assert(test.stream->socket_ended && !test.stream->peer_ended);
    ck_assert_uint_eq(test.ended, 0);
    write_text("still");
    release(1);
    rig_until(&test.rig, test.ended);
    ck_assert_str_eq(test.told.data, "last");
    rig_until(&test.rig, heard_size(5));
    stream_close(test.stream, CLOSE_FIN);
    rig_until(&test.rig, test.gone);
    ck_assert_uint_eq(test.ended, 1);
    down();
}
END_TEST

/* Stages without what may be missing pass on; the peer's end jumps over them. */
START_TEST(test_plain_stages_pass_on)
{
    up("abc");
    test.probes[0]->stage.type = &plain_type;
    test.probes[2]->stage.type = &plain_type;
    test.answer = answer_back;
    dial();
    test.trace_size = 0;
    say(test.fd, "hello");
    shutdown(test.fd, SHUT_WR);
    rig_until(&test.rig, test.ended && heard_size(5));
    ck_assert_str_eq(test.heard.data, "hello");
    stream_close(test.stream, CLOSE_FIN);
    rig_until(&test.rig, heard_end());
    down();
}
END_TEST

/* The peer's RST: the protocol is told once, what is held goes nowhere. */
START_TEST(test_a_reset_of_the_peer)
{
    up("ab");
    dial();
    test.probes[0]->stall_out = test.probes[1]->stall_in = true;
    write_text("held");
    say(test.fd, "kept");
    rig_until(&test.rig, test.probes[1]->in.size);
    rig_reset(test.fd);
    test.fd = -1;
    release(0);
    rig_until(&test.rig, test.gone);
    ck_assert_uint_eq(test.reset, 1);
    ck_assert_uint_eq(test.told.size, 0);
    ck_assert(rig_entry(&test.rig, ENTRY_CONNECTION)->flags & ENTRY_CLOSED_BY_CLIENT);
    down();
}
END_TEST

/* Another protocol in mid-stream: the old one goes before the new one starts. */
static unsigned next_started;

static void *next_start(struct stream *stream)
{
    ck_assert_uint_eq(test.gone, 1);
    test.stream = stream;
    test.gone = 0;
    next_started++;
    write_text("next");
    return &test;
}

START_TEST(test_another_protocol)
{
    static struct protocol next;
    next = talk;
    next.start = next_start;
    up("ab");
    dial();
    stream_enter(test.stream);
    stream_set_protocol(test.stream, &next);
    stream_leave(test.stream);
    say(test.fd, "x");
    rig_until(&test.rig, heard_size(4) && test.told.size == 1);
    ck_assert_uint_eq(next_started, 1);
    ck_assert_str_eq(test.heard.data, "next");
    down();
}
END_TEST

/* A protocol closes within what it is told, under the feet of the stage that hands it on. */
static void answer_and_close(struct test *of, struct str bytes)
{
    stream_write(of->stream, &(const struct iovec){(void *)(uintptr_t)bytes.data, bytes.size}, 1);
    stream_close(of->stream, bytes.data[0] == 'k' ? CLOSE_KILL : CLOSE_FIN);
}

START_TEST(test_a_protocol_closes_under_a_stage)
{
    static const char *const words[] = {"fin", "kill"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        up("abc");
        test.answer = answer_and_close;
        dial();
        say(test.fd, words[i]);
        rig_until(&test.rig, heard_end());
        ck_assert_str_eq(test.heard.data, words[i]);
        down();
    }
}
END_TEST

/* Below the others of a connection that lives: what was written before does not pass it. */
START_TEST(test_a_stage_is_put_below_and_taken_out)
{
    up("a");
    test.answer = answer_back;
    dial();
    struct probe *below = calloc(1, sizeof *below);
    *below = (struct probe){
        .stage = {.type = &plain_type}, .test = &test, .letter = 'z', .shift = 1, .cut = SIZE_MAX};
    stream_enter(test.stream);
    write_text("old");
    stream_insert_stage(test.stream, &below->stage);
    write_text("new");
    stream_leave(test.stream);
    rig_until(&test.rig, heard_size(6));
    ck_assert_str_eq(test.heard.data, "oldofx");
    ck_assert_ptr_eq(test.stream->bottom, &below->stage);
    ck_assert_ptr_eq(test.stream->bottom->up, test.stream->top);
    test.trace_size = 0;
    say(test.fd, "b");
    rig_until(&test.rig, heard_size(7));
    ck_assert_str_eq(test.told.data, "a");
    ck_str_is(traced(), "ziaiaozoaf");
    test.trace_size = 0;
    test.gone = 1; /* what a probe wants to see when it goes */
    stream_remove_stage(&below->stage);
    test.gone = 0;
    ck_str_is(traced(), "afzg");
    ck_assert_ptr_eq(test.stream->bottom, test.stream->top);
    write_text("c");
    rig_until(&test.rig, heard_size(8));
    ck_assert_str_eq(test.heard.data, "oldofxbc");
    down();
}
END_TEST

/* As the only one: what is collected or waits for more passes it before it goes. */
START_TEST(test_the_only_stage_is_taken_out)
{
    up("a");
    test.probes[0]->shift = 1;
    dial();
    write_text("a");
    write_many('b', 2, true);
    test.gone = 1;
    stream_remove_stage(&test.probes[0]->stage);
    test.gone = 0;
    ck_assert_ptr_null(test.stream->top);
    ck_assert_ptr_null(test.stream->bottom);
    write_text("z");
    rig_until(&test.rig, heard_size(4));
    ck_assert_str_eq(test.heard.data, "bccz");
    down();
}
END_TEST

static int64_t next_ns;

static int64_t probe_next_ns(const struct stage *stage)
{
    (void)stage;
    return next_ns;
}

static size_t probe_pressing(const struct stage *stage)
{
    (void)stage;
    return 0;
}

static const struct stage_type patient_type = {
    .name = "patient",
    .in = probe_in,
    .out = probe_out,
    .held = probe_held,
    .next_ns = probe_next_ns,
    .pressing = probe_pressing,
    .gone = probe_gone,
};

/** A stage that holds bytes until then, and a FIN behind them. */
static void hold_until(int64_t until_ns)
{
    up("a");
    test.probes[0]->stage.type = &patient_type;
    test.probes[0]->stall_out = true;
    dial();
    next_ns = until_ns;
    write_text("late");
    ck_assert_uint_eq(stream_queued(test.stream), 0);
    stream_close(test.stream, CLOSE_FIN);
}

/** More than a second later the FIN waits still, and comes once the bytes went on. */
static void fin_waits(void)
{
    rig_pass(&test.rig, 1150 * CLOCK_MS);
    ck_assert(!heard_end());
    next_ns = 0;
    release(0);
    rig_until(&test.rig, heard_end());
    ck_assert_str_eq(test.heard.data, "late");
    down();
}

START_TEST(test_fin_waits_for_a_stage_that_goes_on_by_itself)
{
    hold_until(clock_now() + 5 * (int64_t)CLOCK_SECOND);
    fin_waits();
}
END_TEST

START_TEST(test_fin_waits_for_a_stage_that_somebody_lets_go)
{
    hold_until(INT64_MAX);
    fin_waits();
}
END_TEST

/* Who ends it from outside does not wait for that. */
START_TEST(test_an_action_does_not_wait_for_ever)
{
    int64_t start = clock_now();
    hold_until(INT64_MAX);
    stream_disconnect(test.stream, CLOSE_FIN);
    rig_until(&test.rig, heard_end());
    ck_assert_int_ge(clock_now() - start, 900 * CLOCK_MS);
    ck_assert_uint_eq(test.heard.size, 0);
    down();
}
END_TEST

/* One side ends behind what was written; the other one goes on. */
START_TEST(test_half_close_behind_the_queue)
{
    up("a");
    dial();
    write_many('a', 8 * 1024 * 1024, false);
    stream_half_close(test.stream);
    rig_until(&test.rig, heard_end());
    ck_assert(test.heard.fin);
    ck_assert_uint_eq(test.heard.size, 8 * 1024 * 1024);
    say(test.fd, "still here");
    rig_until(&test.rig, test.told.size == 10);
    stream_close(test.stream, CLOSE_FIN);
    close(test.fd);
    test.fd = -1;
    rig_until(&test.rig, test.gone);
    ck_assert_uint_eq(rig_entry(&test.rig, ENTRY_CONNECTION)->flags, ENTRY_CLOSED_BY_SERVER);
    down();
}
END_TEST

UNIT_MAIN("stage_ends", test_stages_end_from_the_top, test_the_end_waits_for_what_is_held,
          test_the_end_does_not_wait_for_ever, test_a_killed_stream_waits_for_nothing,
          test_a_reset_waits_for_what_is_held, test_the_peer_s_end_passes_the_stages,
          test_plain_stages_pass_on, test_a_reset_of_the_peer, test_another_protocol,
          test_a_protocol_closes_under_a_stage, test_a_stage_is_put_below_and_taken_out,
          test_the_only_stage_is_taken_out, test_fin_waits_for_a_stage_that_goes_on_by_itself,
          test_fin_waits_for_a_stage_that_somebody_lets_go, test_an_action_does_not_wait_for_ever,
          test_half_close_behind_the_queue)
