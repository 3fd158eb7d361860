/* Stages between socket and protocol: order, what is held back, what is cut and injected, ends. */
#include "rig.h"
#include "server/stream/stage.h"

enum { MOST_STAGES = 3, TRACE_SIZE = 256 };

/** A stage with knobs; its letter stands in the trace. */
struct probe {
    struct stage stage;
    struct timer timer;
    struct test *test;
    char letter;
    char shift;           /**< added to each byte down, taken from each byte up */
    bool stall_out;       /**< keeps what goes down */
    bool stall_in;        /**< keeps what goes up */
    bool stall_end;       /**< keeps the peer's FIN */
    bool end_kept;        /**< it came */
    bool counts;          /**< tells of what it keeps */
    size_t cut;           /**< lets so many bytes go down, drops what follows */
    const char *farewell; /**< goes down in out_end() */
    struct heard out;
    struct heard in;
};

struct test {
    struct rig rig;
    struct port *port;
    struct stream *stream;
    int fd;
    struct heard heard; /**< by the client */
    struct heard told;  /**< to the protocol */
    struct probe *probes[MOST_STAGES];
    size_t count;
    char trace[TRACE_SIZE]; /**< "o" out, "f" flush, "i" in, "e" in_end, "x" out_end, "g" gone,
                               each behind its stage's letter */
    size_t trace_size;
    void (*answer)(struct test *test, struct str bytes);
    bool paused;
    unsigned ended;
    unsigned reset;
    unsigned gone;
    unsigned writable;
    unsigned outs;
};

static struct test test;

static void keep(struct heard *heard, const void *data, size_t size)
{
    if (size == 0)
        return;
    heard->data = realloc(heard->data, heard->size + size + 1);
    memcpy(heard->data + heard->size, data, size);
    heard->size += size;
    heard->data[heard->size] = '\0';
}

static void trace(const struct probe *probe, char what)
{
    if (probe->test->trace_size + 2 >= TRACE_SIZE)
        return;
    probe->test->trace[probe->test->trace_size++] = probe->letter;
    probe->test->trace[probe->test->trace_size++] = what;
}

static struct str traced(void)
{
    return (struct str){test.trace, test.trace_size};
}

/* The stage. */

static struct probe *probe_of(struct stage *stage)
{
    return CONTAINER_OF(stage, struct probe, stage);
}

static void probe_in(struct stage *stage, struct str bytes)
{
    struct probe *probe = probe_of(stage);
    char *changed = malloc(bytes.size);
    trace(probe, 'i');
    for (size_t i = 0; i < bytes.size; i++)
        changed[i] = (char)(bytes.data[i] - probe->shift);
    if (probe->stall_in)
        keep(&probe->in, changed, bytes.size);
    else
        stage_in(stage, (struct str){changed, bytes.size});
    free(changed);
}

static void probe_in_end(struct stage *stage)
{
    struct probe *probe = probe_of(stage);
    trace(probe, 'e');
    if (probe->stall_end)
        probe->end_kept = true;
    else
        stage_in_end(stage);
}

static void probe_down(struct probe *probe, const void *data, size_t size)
{
    struct iovec part = {(void *)(uintptr_t)data, size};
    if (size)
        stage_out(&probe->stage, &part, 1);
}

static void probe_out(struct stage *stage, const struct iovec *parts, int count)
{
    struct probe *probe = probe_of(stage);
    struct heard all = {0};
    trace(probe, 'o');
    for (int i = 0; i < count; i++)
        keep(&all, parts[i].iov_base, parts[i].iov_len);
    for (size_t i = 0; i < all.size; i++)
        all.data[i] = (char)(all.data[i] + probe->shift);
    size_t size = all.size < probe->cut ? all.size : probe->cut;
    probe->cut -= size;
    if (probe->stall_out)
        keep(&probe->out, all.data, size);
    else
        probe_down(probe, all.data, size);
    heard_clear(&all);
}

static void probe_out_end(struct stage *stage)
{
    struct probe *probe = probe_of(stage);
    trace(probe, 'x');
    if (probe->farewell)
        probe_down(probe, probe->farewell, strlen(probe->farewell));
}

static void probe_flush(struct stage *stage)
{
    trace(probe_of(stage), 'f');
}

static size_t probe_held(const struct stage *stage)
{
    const struct probe *probe = CONTAINER_OF(stage, const struct probe, stage);
    return probe->counts ? probe->out.size : 0;
}

static size_t probe_held_in(const struct stage *stage)
{
    const struct probe *probe = CONTAINER_OF(stage, const struct probe, stage);
    return probe->counts ? probe->in.size : 0;
}

static void probe_gone(struct stage *stage)
{
    struct probe *probe = probe_of(stage);
    trace(probe, 'g');
    ck_assert_uint_eq(test.gone, 1); /* the protocol went before */
    timer_stop(&probe->timer);
    heard_clear(&probe->in);
    heard_clear(&probe->out);
    for (size_t i = 0; i < test.count; i++)
        if (test.probes[i] == probe)
            test.probes[i] = NULL;
    free(probe);
}

static const struct stage_type probe_type = {
    .name = "probe",
    .in = probe_in,
    .in_end = probe_in_end,
    .out = probe_out,
    .out_end = probe_out_end,
    .flush = probe_flush,
    .held = probe_held,
    .held_in = probe_held_in,
    .gone = probe_gone,
};

/** One that passes on, with as little as a stage can have. */
static const struct stage_type plain_type = {
    .name = "plain", .in = probe_in, .out = probe_out, .gone = probe_gone};

/** Everything that was kept goes on, from a timer as a stage would do it. */
static void probe_release(struct timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    struct stream *stream = probe->stage.stream;
    struct heard in = probe->in;
    struct heard out = probe->out;
    if (stream->closed)
        return;
    stream_enter(stream);
    probe->in = (struct heard){0};
    probe->out = (struct heard){0};
    probe->stall_in = probe->stall_out = probe->stall_end = false;
    if (in.size)
        stage_in(&probe->stage, (struct str){in.data, in.size});
    probe_down(probe, out.data, out.size);
    if (probe->end_kept)
        stage_in_end(&probe->stage);
    probe->end_kept = false;
    stream_leave(stream);
    heard_clear(&in);
    heard_clear(&out);
}

static void release(size_t at)
{
    timer_start(&test.probes[at]->timer, 0);
}

/* The protocol. */

static void *talk_start(struct stream *stream)
{
    test.stream = stream;
    for (size_t i = 0; i < test.count; i++)
        stream_push_stage(stream, &test.probes[i]->stage);
    for (size_t i = 0; i < test.count; i++)
        timer_init(&test.probes[i]->timer, test.rig.loop, probe_release);
    if (test.paused)
        stream_pause(stream);
    return &test;
}

static size_t talk_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    keep(&test.told, bytes.data, bytes.size);
    if (test.answer)
        test.answer(&test, bytes);
    return bytes.size;
}

static void talk_writable(struct stream *stream)
{
    (void)stream;
    test.writable++;
}

static void talk_ended(struct stream *stream, bool reset)
{
    (void)stream;
    *(reset ? &test.reset : &test.ended) += 1;
}

static void talk_nothing(struct stream *stream)
{
    (void)stream;
}

static bool talk_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static void talk_gone(struct stream *stream)
{
    (void)stream;
    test.gone++;
    test.stream = NULL;
}

static const struct protocol talk = {.name = "talk",
                                     .start = talk_start,
                                     .bytes = talk_bytes,
                                     .writable = talk_writable,
                                     .ended = talk_ended,
                                     .closing = talk_nothing,
                                     .drain = talk_nothing,
                                     .is_idle = talk_is_idle,
                                     .gone = talk_gone};

/* A connection. */

/** The stages, the bottom one first: their letters. */
static void up(const char *letters)
{
    int error = 0;
    test = (struct test){.count = strlen(letters)};
    rig_init(&test.rig);
    for (size_t i = 0; i < test.count; i++) {
        test.probes[i] = calloc(1, sizeof *test.probes[i]);
        *test.probes[i] = (struct probe){.stage = {.type = &probe_type},
                                         .test = &test,
                                         .letter = letters[i],
                                         .counts = true,
                                         .cut = SIZE_MAX};
    }
    test.port = port_new(&test.rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(test.port);
    test.port->protocol = &talk;
    ck_assert_int_eq(port_open(test.port), 0);
}

static void dial(void)
{
    test.fd = rig_dial(test.port->number);
    ck_assert_int_ge(test.fd, 0);
    rig_until(&test.rig, test.stream);
}

static void down(void)
{
    if (test.fd >= 0)
        close(test.fd);
    rig_clear(&test.rig);
    ck_assert_uint_eq(test.gone, 1);
    for (size_t i = 0; i < test.count; i++)
        ck_assert_ptr_null(test.probes[i]);
    heard_clear(&test.heard);
    heard_clear(&test.told);
}

static void write_text(const char *text)
{
    const struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    stream_write(test.stream, &part, 1);
}

/** Many of one byte; `soon`: more follows in this turn. */
static void write_many(char byte, size_t size, bool soon)
{
    char *bytes = malloc(size);
    memset(bytes, byte, size);
    const struct iovec part = {bytes, size};
    (soon ? stream_write_soon : stream_write)(test.stream, &part, 1);
    free(bytes);
}

static bool heard_size(size_t size)
{
    heard_more(&test.heard, test.fd);
    return test.heard.size >= size;
}

static bool heard_end(void)
{
    return heard_more(&test.heard, test.fd);
}

/** What the client heard as runs: "a20000 b3". */
static const char *runs(void)
{
    static char text[200];
    size_t used = 0;
    for (size_t i = 0, from = 0; i <= test.heard.size && used < sizeof text - 30; i++) {
        if (i < test.heard.size && test.heard.data[i] == test.heard.data[from])
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%zu", from ? " " : "",
                                 test.heard.data[from], i - from);
        from = i;
    }
    return text;
}

static void answer_back(struct test *of, struct str bytes)
{
    const struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    stream_write(of->stream, &part, 1);
}

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

UNIT_MAIN("stage", test_bytes_pass_all_stages_in_order, test_a_bracket_is_one_out,
          test_soon_without_a_bracket, test_order_of_more_than_a_bracket_collects,
          test_what_is_held_back_is_queued, test_what_is_kept_on_its_way_in_is_bounded,
          test_a_paused_protocol_stops_the_reading_below_stages, test_a_stage_injects,
          test_a_stage_cuts, test_stages_end_from_the_top, test_the_end_waits_for_what_is_held,
          test_the_end_does_not_wait_for_ever, test_a_killed_stream_waits_for_nothing,
          test_a_reset_waits_for_what_is_held, test_the_peer_s_end_passes_the_stages,
          test_plain_stages_pass_on, test_a_reset_of_the_peer, test_another_protocol,
          test_a_protocol_closes_under_a_stage, test_a_stage_is_put_below_and_taken_out,
          test_the_only_stage_is_taken_out, test_fin_waits_for_a_stage_that_goes_on_by_itself,
          test_fin_waits_for_a_stage_that_somebody_lets_go, test_an_action_does_not_wait_for_ever,
          test_half_close_behind_the_queue)
