/**
 * A connection with stages that change, hold, cut and inject.
 */
#ifndef GOTO_CTEST_STAGE_RIG_H
#define GOTO_CTEST_STAGE_RIG_H

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

static inline void keep(struct heard *heard, const void *data, size_t size)
{
    if (size == 0)
        return;
    heard->data = realloc(heard->data, heard->size + size + 1);
    memcpy(heard->data + heard->size, data, size);
    heard->size += size;
    heard->data[heard->size] = '\0';
}

static inline void trace(const struct probe *probe, char what)
{
    if (probe->test->trace_size + 2 >= TRACE_SIZE)
        return;
    probe->test->trace[probe->test->trace_size++] = probe->letter;
    probe->test->trace[probe->test->trace_size++] = what;
}

static inline struct str traced(void)
{
    return (struct str){test.trace, test.trace_size};
}

/* The stage. */

static inline struct probe *probe_of(struct stage *stage)
{
    return CONTAINER_OF(stage, struct probe, stage);
}

static inline void probe_in(struct stage *stage, struct str bytes)
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

static inline void probe_in_end(struct stage *stage)
{
    struct probe *probe = probe_of(stage);
    trace(probe, 'e');
    if (probe->stall_end)
        probe->end_kept = true;
    else
        stage_in_end(stage);
}

static inline void probe_down(struct probe *probe, const void *data, size_t size)
{
    struct iovec part = {(void *)(uintptr_t)data, size};
    if (size)
        stage_out(&probe->stage, &part, 1);
}

static inline void probe_out(struct stage *stage, const struct iovec *parts, int count)
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

static inline void probe_out_end(struct stage *stage)
{
    struct probe *probe = probe_of(stage);
    trace(probe, 'x');
    if (probe->farewell)
        probe_down(probe, probe->farewell, strlen(probe->farewell));
}

static inline void probe_flush(struct stage *stage)
{
    trace(probe_of(stage), 'f');
}

static inline size_t probe_held(const struct stage *stage)
{
    const struct probe *probe = CONTAINER_OF(stage, const struct probe, stage);
    return probe->counts ? probe->out.size : 0;
}

static inline size_t probe_held_in(const struct stage *stage)
{
    const struct probe *probe = CONTAINER_OF(stage, const struct probe, stage);
    return probe->counts ? probe->in.size : 0;
}

static inline void probe_gone(struct stage *stage)
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
static inline void probe_release(struct timer *timer)
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

static inline void release(size_t at)
{
    timer_start(&test.probes[at]->timer, 0);
}

/* The protocol. */

static inline void *talk_start(struct stream *stream)
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

static inline size_t talk_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    keep(&test.told, bytes.data, bytes.size);
    if (test.answer)
        test.answer(&test, bytes);
    return bytes.size;
}

static inline void talk_writable(struct stream *stream)
{
    (void)stream;
    test.writable++;
}

static inline void talk_ended(struct stream *stream, bool reset)
{
    (void)stream;
    *(reset ? &test.reset : &test.ended) += 1;
}

static inline void talk_nothing(struct stream *stream)
{
    (void)stream;
}

static inline bool talk_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static inline void talk_gone(struct stream *stream)
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
static inline void up(const char *letters)
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

static inline void dial(void)
{
    test.fd = rig_dial(test.port->number);
    ck_assert_int_ge(test.fd, 0);
    rig_until(&test.rig, test.stream);
}

static inline void down(void)
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

static inline void write_text(const char *text)
{
    const struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    stream_write(test.stream, &part, 1);
}

/** Many of one byte; `soon`: more follows in this turn. */
static inline void write_many(char byte, size_t size, bool soon)
{
    char *bytes = malloc(size);
    memset(bytes, byte, size);
    const struct iovec part = {bytes, size};
    (soon ? stream_write_soon : stream_write)(test.stream, &part, 1);
    free(bytes);
}

static inline bool heard_size(size_t size)
{
    heard_more(&test.heard, test.fd);
    return test.heard.size >= size;
}

static inline bool heard_end(void)
{
    return heard_more(&test.heard, test.fd);
}

/** What the client heard as runs: "a20000 b3". */
static inline const char *runs(void)
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

static inline void answer_back(struct test *of, struct str bytes)
{
    const struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    stream_write(of->stream, &part, 1);
}

#endif
