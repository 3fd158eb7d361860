/* `stream`: sends all the time, whatever comes. */
#include "server/tcp/tcp_private.h"

#include "base/clock.h"
#include "base/memory.h"

enum {
    FLOW_CHUNK = 4096,
    FLOW_LETTERS = 26,
    FLOW_PIECE = 1260 * FLOW_LETTERS, /**< written at once */
    FLOW_TURN = 1 << 20, /**< a connection writes no more before others have their turn */
};

/** What is sent. */
struct tcp_flow {
    uint64_t size; /**< 0 = no end */
    uint64_t chunk;
    int64_t every_ns; /**< 0 = as fast as the peer reads */
    int64_t for_ns;   /**< 0 = no end */
};

static void flow_preset(void *into)
{
    struct tcp_flow *flow = into;
    flow->chunk = FLOW_CHUNK;
}

static enum read_result flow_check(struct reader *reader, const struct node *node, void *into)
{
    const struct tcp_flow *flow = into;
    enum read_result result = READ_OK;
    const struct node *size = node_get(node, "size");
    if (size && flow->size == 0) {
        diagnostics_add(reader->diagnostics, size->place, "a stream of 0 bytes sends nothing");
        diagnostics_help(reader->diagnostics, "leave 'size' out for a stream without an end");
        result = READ_FAILED;
    }
    if (flow->chunk == 0) {
        diagnostics_add(reader->diagnostics, node_get(node, "chunk")->place,
                        "chunks of 0 bytes send nothing");
        result = READ_FAILED;
    }
    return result;
}

static const struct row flow_rows[] = {
    {"size", &type_size, offsetof(struct tcp_flow, size), 0, "no end",
     "So many bytes, then FIN. They are the letters a to z, over and over."},
    {"chunk", &type_size, offsetof(struct tcp_flow, chunk), 0, "4KiB", "Written at once."},
    {"every", &type_time_positive, offsetof(struct tcp_flow, every_ns), 0,
     "as fast as the peer reads", "The time from one chunk to the next."},
    {"for", &type_time_positive, offsetof(struct tcp_flow, for_ns), 0, "no end",
     "After so long: FIN."},
};
static const struct table flow_table = {
    TABLE_ROWS("stream of bytes", flow_rows),
    .doc = "What a tcp or tls upstream sends all the time, whatever comes.",
    .preset = flow_preset,
    .check = flow_check,
};
static const struct type flow_table_type = TYPE_TABLE(&flow_table, struct tcp_flow);

static enum read_result flow_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct tcp_flow *flow = arena_alloc(reader->arena, sizeof *flow);
    enum read_result result = reader_read(reader, type->of, node, flow);
    *(struct tcp_work *)into = (struct tcp_work){.kind = TCP_FLOW, .flow = flow};
    return result;
}

const struct type tcp_flow_type = {
    .raw = true,
    .name = "a mapping such as {size: 1MiB, chunk: 4KiB, every: 10ms}",
    .size = sizeof(struct tcp_work),
    .read = flow_read,
    .schema = type_of_schema,
    .of = &flow_table_type,
};

/** The state of a connection. */
struct flowing {
    struct tcp_clock clock;
    struct timer timer;
    const struct tcp_flow *flow;
    struct stream *stream;
    uint64_t sent;
    uint64_t chunk_left; /**< of the chunk under way */
    int64_t next_ns;     /**< of the next chunk */
    int64_t end_ns;      /**< of `for`; INT64_MAX = none */
    bool blocked;        /**< until writable() */
};

/** The letters from a position of the stream on, FLOW_PIECE of them. */
static const char *flow_letters(uint64_t at)
{
    static char letters[FLOW_PIECE + FLOW_LETTERS];
    if (!letters[0])
        for (size_t i = 0; i < sizeof letters; i++)
            letters[i] = (char)('a' + i % FLOW_LETTERS);
    return letters + at % FLOW_LETTERS;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/** Writes a piece of the chunk under way. Returns its size. */
static size_t flowing_write(struct flowing *flowing)
{
    uint64_t size = least(flowing->chunk_left, FLOW_PIECE);
    if (flowing->flow->size)
        size = least(size, flowing->flow->size - flowing->sent);
    struct iovec part = {(void *)(uintptr_t)flow_letters(flowing->sent), (size_t)size};
    stream_write(flowing->stream, &part, 1);
    flowing->stream->active_ns = clock_now();
    flowing->sent += size;
    flowing->chunk_left -= size;
    return (size_t)size;
}

/** Whether the next chunk is due; begins it. */
static bool flowing_next(struct flowing *flowing, int64_t now)
{
    int64_t every_ns = flowing->flow->every_ns;
    if (every_ns && now < flowing->next_ns)
        return false;
    flowing->chunk_left = flowing->flow->chunk;
    /* a timer that was late is caught up with, a peer that did not read is not */
    flowing->next_ns = (flowing->blocked ? now : flowing->next_ns) + every_ns;
    flowing->blocked = false;
    return true;
}

static bool flowing_is_over(const struct flowing *flowing, int64_t now)
{
    return now >= flowing->end_ns || (flowing->flow->size && flowing->sent == flowing->flow->size);
}

/** Writes what is due, as far as the peer takes it. */
static void flowing_go(struct flowing *flowing)
{
    struct stream *stream = flowing->stream;
    size_t turn = 0;
    int64_t due = flowing->end_ns;
    while (!stream->closing) {
        int64_t now = clock_now();
        if (flowing_is_over(flowing, now)) {
            stream_close(stream, CLOSE_FIN);
            return;
        }
        if (stream_queued(stream) >= STREAM_HIGH_MARK) {
            flowing->blocked = true;
            break;
        }
        if (turn >= FLOW_TURN) {
            due = now;
            break;
        }
        if (flowing->chunk_left == 0 && !flowing_next(flowing, now)) {
            due = due < flowing->next_ns ? due : flowing->next_ns;
            break;
        }
        turn += flowing_write(flowing);
    }
    if (!stream->closing && due != INT64_MAX)
        timer_start_at(&flowing->timer, due);
}

static void flowing_due(struct timer *timer)
{
    struct flowing *flowing = CONTAINER_OF(timer, struct flowing, timer);
    struct stream *stream = flowing->stream;
    if (stream->closing)
        return;
    stream_enter(stream);
    flowing_go(flowing);
    stream_leave(stream);
}

static void *flowing_start(struct stream *stream)
{
    struct flowing *flowing = memory_alloc(sizeof *flowing);
    const struct tcp_flow *flow = tcp_stream_work(stream)->flow;
    int64_t now = clock_now();
    flowing->flow = flow;
    flowing->stream = stream;
    flowing->next_ns = now;
    flowing->end_ns =
        flow->for_ns && flow->for_ns < INT64_MAX - now ? now + flow->for_ns : INT64_MAX;
    tcp_clock_start(&flowing->clock, stream);
    timer_init(&flowing->timer, stream->server->loop, flowing_due);
    timer_start(&flowing->timer, 0);
    return flowing;
}

static size_t flowing_bytes(struct stream *stream, struct str bytes)
{
    (void)stream;
    return bytes.size;
}

static void flowing_writable(struct stream *stream)
{
    flowing_go(stream->state);
}

/** The peer may have closed its half only, and reads on. */
static void flowing_ended(struct stream *stream, bool reset)
{
    (void)stream;
    (void)reset;
}

static void flowing_closing(struct stream *stream)
{
    struct flowing *flowing = stream->state;
    if (!flowing)
        return;
    tcp_clock_stop(&flowing->clock);
    timer_stop(&flowing->timer);
}

/** What has an end comes to it. */
static void flowing_drain(struct stream *stream)
{
    const struct flowing *flowing = stream->state;
    if (!flowing->flow->size && !flowing->flow->for_ns)
        stream_close(stream, CLOSE_FIN);
}

static bool flowing_is_idle(const struct stream *stream)
{
    (void)stream;
    return false;
}

static void flowing_gone(struct stream *stream)
{
    struct flowing *flowing = stream->state;
    tcp_clock_stop(&flowing->clock);
    timer_stop(&flowing->timer);
    memory_free(flowing);
}

const struct protocol tcp_flow_protocol = {
    .name = "tcp stream",
    .start = flowing_start,
    .bytes = flowing_bytes,
    .writable = flowing_writable,
    .ended = flowing_ended,
    .closing = flowing_closing,
    .drain = flowing_drain,
    .is_idle = flowing_is_idle,
    .gone = flowing_gone,
};
