/*
 * The faults of a stream (LANGUAGE 7): the row of each name, and the obstacle that it is
 * (fault_flow.h). They know no protocol: over TLS the bytes are those of its records.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "server/fault/fault_flow.h"
#include "server/fault/fault_private.h"

#include <string.h>

enum {
    MOST_ROOM = 16 * 1024 * 1024,        /**< bytes on their way before who sends has to wait */
    BANDWIDTH_STEP_NS = 5 * 1000 * 1000, /**< so long a piece takes at most */
    BANDWIDTH_ROOM_NS =
        100 * 1000 * 1000, /**< what so long takes is kept: a late turn loses nothing */
    SLICES = 256,          /**< that leave in one turn */
    DROP_BLOCK = 1460,     /**< what a packet carries */
    CORRUPT_BLOCK = 4096,  /**< bytes that one series of draws is for */
};

/** The obstacle's own struct. */
#define OF(obstacle, type) CONTAINER_OF(obstacle, struct type, head)

static int64_t later(int64_t from_ns, int64_t delay_ns)
{
    return delay_ns < INT64_MAX - from_ns ? from_ns + delay_ns : INT64_MAX - 1;
}

/** Lets go all that is due, in order. */
static int64_t release_due(struct obstacle *obstacle, int64_t now_ns)
{
    while (obstacle->first && obstacle->first->due_ns <= now_ns)
        obstacle_pass_first(obstacle);
    return obstacle->first ? obstacle->first->due_ns : INT64_MAX;
}

/* latency: a line, in which each piece waits by itself and none overtakes another */

struct latency {
    struct obstacle head;
    struct random random;
    int64_t last_ns;
};

static void latency_init(struct obstacle *obstacle)
{
    OF(obstacle, latency)->random = obstacle_random(obstacle, 0);
    obstacle->room = MOST_ROOM;
}

static int64_t latency_due(struct obstacle *obstacle, int64_t now_ns)
{
    struct latency *latency = OF(obstacle, latency);
    int64_t due_ns = later(now_ns, random_duration(&latency->random, obstacle->config->kind.value));
    if (due_ns > latency->last_ns)
        latency->last_ns = due_ns;
    return latency->last_ns;
}

static const struct obstacle_type latency = {
    .size = sizeof(struct latency),
    .init = latency_init,
    .due_ns = latency_due,
    .release = release_due,
};

/* bandwidth: each byte takes its time, and leaves at the end of it */

struct bandwidth {
    struct obstacle head;
    int64_t start_ns; /**< since then something always waits; 0 = nothing does */
    uint64_t gone;    /**< bytes since then */
};

/** Bytes that may have gone so long after the start. */
static uint64_t rate_bytes(const struct rate *rate, int64_t time_ns)
{
    unsigned __int128 bytes =
        (unsigned __int128)rate->amount * (uint64_t)time_ns / (uint64_t)rate->per_ns;
    return bytes < UINT64_MAX ? (uint64_t)bytes : UINT64_MAX;
}

/** How long so many bytes take, rounded up. */
static int64_t rate_time(const struct rate *rate, uint64_t bytes)
{
    unsigned __int128 time_ns =
        ((unsigned __int128)bytes * (uint64_t)rate->per_ns + rate->amount - 1) / rate->amount;
    return time_ns < INT64_MAX ? (int64_t)time_ns : INT64_MAX;
}

static void bandwidth_init(struct obstacle *obstacle)
{
    uint64_t room = rate_bytes(obstacle->config->kind.value, BANDWIDTH_ROOM_NS);
    obstacle->room = room < MOST_ROOM ? (size_t)room : MOST_ROOM;
}

static int64_t bandwidth_release(struct obstacle *obstacle, int64_t now_ns)
{
    struct bandwidth *bandwidth = OF(obstacle, bandwidth);
    const struct rate *rate = obstacle->config->kind.value;
    uint64_t step = rate_bytes(rate, BANDWIDTH_STEP_NS);
    if (!bandwidth->start_ns) {
        bandwidth->start_ns = now_ns;
        bandwidth->gone = 0;
    }
    while (obstacle->first) {
        const struct flow_item *item = obstacle->first;
        uint64_t may = rate_bytes(rate, now_ns - bandwidth->start_ns) - bandwidth->gone;
        uint64_t left = item->piece.bytes.size - item->taken;
        if (item->piece.kind == FLOW_BYTES && may == 0) {
            uint64_t next = obstacle->held < step ? obstacle->held : step;
            return later(bandwidth->start_ns, rate_time(rate, bandwidth->gone + (next ? next : 1)));
        }
        if (item->piece.kind == FLOW_BYTES) {
            left = left < may ? left : may;
            bandwidth->gone += left;
            obstacle_pass_part(obstacle, (size_t)left);
        } else {
            obstacle_pass_first(obstacle);
        }
    }
    bandwidth->start_ns = 0;
    return INT64_MAX;
}

static enum read_result bandwidth_read(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    struct rate rate;
    if (!node_is_scalar(node) || !units_read_rate(node_scalar_text(node), &rate) || !rate.bytes)
        return reader_expected(reader, node, type->name);
    *(struct rate *)into = rate;
    return READ_OK;
}

static struct json *bandwidth_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\"}");
}

static const struct type bandwidth_type = {
    .name = "bytes a time, such as 64KiB/s",
    .size = sizeof(struct rate),
    .read = bandwidth_read,
    .schema = bandwidth_schema,
};

static const struct obstacle_type bandwidth = {
    .size = sizeof(struct bandwidth),
    .bytes = true,
    .init = bandwidth_init,
    .release = bandwidth_release,
};

/* slice */

struct fault_slice {
    struct size_range size;
    int64_t every_ns;
};

static const struct row slice_rows[] = {
    {"size", &type_size_range, offsetof(struct fault_slice, size), ROW_REQUIRED, NULL,
     "Bytes of a slice; of a range drawn for each."},
    {"every", &type_time, offsetof(struct fault_slice, every_ns), 0, "0ms",
     "From one slice to the next."},
};

static enum read_result slice_check(struct reader *reader, const struct node *node, void *into)
{
    const struct fault_slice *slice = into;
    const struct node *size = node_get(node, "size");
    if (slice->size.low)
        return READ_OK;
    diagnostics_add(reader->diagnostics, size ? size->place : node->place,
                    "a slice has at least one byte");
    return READ_FAILED;
}

static const struct table slice_table = {
    TABLE_ROWS("slice", slice_rows),
    .doc = "Bytes leave in small pieces, each in a packet of its own.",
    .shorthand = "size",
    .check = slice_check,
};
static const struct type slice_type = TYPE_TABLE(&slice_table, struct fault_slice);

struct slice {
    struct obstacle head;
    int64_t next_ns;
    uint64_t offset; /**< of the next slice */
};

static void slice_init(struct obstacle *obstacle)
{
    OF(obstacle, slice)->offset =
        obstacle->offset > obstacle->from ? obstacle->offset : obstacle->from;
}

static size_t slice_size(const struct obstacle *obstacle, uint64_t offset)
{
    const struct fault_slice *config = obstacle->config->kind.value;
    struct random random = obstacle_random(obstacle, offset);
    return (size_t)random_between(&random, config->size.low, config->size.high);
}

static int64_t slice_release(struct obstacle *obstacle, int64_t now_ns)
{
    struct slice *slice = OF(obstacle, slice);
    const struct fault_slice *config = obstacle->config->kind.value;
    for (int count = 0; obstacle->first; count++) {
        const struct flow_item *item = obstacle->first;
        if (item->piece.kind != FLOW_BYTES) {
            obstacle_pass_first(obstacle);
            continue;
        }
        if (now_ns < slice->next_ns)
            return slice->next_ns;
        if (count == SLICES)
            return now_ns;
        size_t left = item->piece.bytes.size - item->taken;
        size_t size = slice_size(obstacle, slice->offset);
        size = size < left ? size : left;
        slice->offset += size;
        if (config->every_ns)
            slice->next_ns = later(now_ns, config->every_ns);
        obstacle_pass_part(obstacle, size);
    }
    return INT64_MAX;
}

static const struct obstacle_type slice = {
    .size = sizeof(struct slice),
    .bytes = true,
    .init = slice_init,
    .release = slice_release,
};

/* cut, limit */

enum cut_how { CUT_FIN, CUT_RST, CUT_STALL };

struct fault_cut {
    uint64_t at;
    int how;
};

static const struct choice cut_choices[] = {
    {"fin", CUT_FIN, "FIN behind the bytes"},
    {"rst", CUT_RST, "RST, once the bytes are acknowledged"},
    {"stall", CUT_STALL, "nothing more moves in that direction"},
    {NULL},
};
static const struct type cut_how_type = TYPE_CHOICE(cut_choices);
static const struct row cut_rows[] = {
    {"at", &type_size, offsetof(struct fault_cut, at), ROW_REQUIRED, NULL,
     "So many bytes of the direction pass: from the connection's first byte, of one that lives "
     "from "
     "when the fault is set, on a route from the first byte of the answer."},
    {"how", &cut_how_type, offsetof(struct fault_cut, how), 0, "fin", "What comes then."},
};
static const struct table cut_table = {
    TABLE_ROWS("cut", cut_rows),
    .doc = "The connection ends at a byte.",
    .shorthand = "at",
};
static const struct type cut_type = TYPE_TABLE(&cut_table, struct fault_cut);

struct cut {
    struct obstacle head;
    uint64_t at;
    int how;
    bool stalls;
};

static void cut_set(struct obstacle *obstacle, uint64_t at, int how)
{
    struct cut *cut = OF(obstacle, cut);
    /* both count the same bytes */
    cut->at = at > obstacle->from ? at : obstacle->from;
    cut->how = how;
    obstacle->from = 0;
}

static void cut_init(struct obstacle *obstacle)
{
    const struct fault_cut *config = obstacle->config->kind.value;
    cut_set(obstacle, config->at, config->how);
}

static void limit_init(struct obstacle *obstacle)
{
    cut_set(obstacle, *(const uint64_t *)obstacle->config->kind.value, CUT_FIN);
}

/** All that may pass has. False: it may not act. */
static bool cut_act(struct obstacle *obstacle)
{
    struct cut *cut = OF(obstacle, cut);
    if (!obstacle_feels(obstacle))
        return false;
    if (cut->how == CUT_STALL)
        cut->stalls = obstacle->shut = true;
    else
        obstacle_end(obstacle, FLOW_CLOSE, cut->how == CUT_RST ? CLOSE_RST : CLOSE_FIN);
    return true;
}

static void cut_start(struct obstacle *obstacle, bool live)
{
    (void)live;
    if (obstacle->offset >= OF(obstacle, cut)->at)
        (void)cut_act(obstacle);
}

static void cut_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    const struct cut *cut = OF(obstacle, cut);
    if (cut->stalls) {
        obstacle_keep(obstacle, piece);
        return;
    }
    if (piece->kind != FLOW_BYTES || piece->bytes.size < cut->at - obstacle->offset) {
        obstacle_pass(obstacle, piece);
        return;
    }
    size_t size = (size_t)(cut->at - obstacle->offset);
    struct flow_piece rest = {.kind = FLOW_BYTES, .bytes = str_from(piece->bytes, size)};
    obstacle_pass_bytes(obstacle, str_slice(piece->bytes, 0, size));
    if (!cut_act(obstacle))
        obstacle_pass_bytes(obstacle, rest.bytes);
    else if (cut->stalls)
        obstacle_keep(obstacle, &rest);
}

static const struct obstacle_type cut = {
    .size = sizeof(struct cut),
    .counts = true,
    .answer = true,
    .init = cut_init,
    .start = cut_start,
    .take = cut_take,
};
static const struct obstacle_type limit = {
    .size = sizeof(struct cut),
    .counts = true,
    .init = limit_init,
    .start = cut_start,
    .take = cut_take,
};

/* drop: evenly, from a place that is drawn for each connection and direction */

struct drop {
    struct obstacle head;
    double phase;
    bool draws;
};

static void drop_init(struct obstacle *obstacle)
{
    struct random random = obstacle_random(obstacle, 0);
    OF(obstacle, drop)->phase = random_unit(&random);
}

/** Whether a block is lost: of n blocks in a row the share of n are, to one block. */
static bool drop_loses(const struct obstacle *obstacle, uint64_t block)
{
    double share = *(const double *)obstacle->config->kind.value;
    double phase = OF(obstacle, drop)->phase;
    uint64_t before = (uint64_t)((double)block * share + phase);
    uint64_t after = (uint64_t)((double)(block + 1) * share + phase);
    return before != after;
}

/** That it loses nothing of short streams is chance. */
static void draws_now(struct obstacle *obstacle, bool *draws)
{
    if (!*draws)
        fault_draws(obstacle_stream(obstacle), obstacle->fault);
    *draws = true;
}

static void drop_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    struct str rest = piece->bytes;
    uint64_t offset = obstacle->offset;
    if (piece->kind != FLOW_BYTES) {
        obstacle_pass(obstacle, piece);
        return;
    }
    draws_now(obstacle, &OF(obstacle, drop)->draws);
    while (rest.size) {
        uint64_t block = offset / DROP_BLOCK;
        size_t size = DROP_BLOCK - (size_t)(offset % DROP_BLOCK);
        bool lost = drop_loses(obstacle, block);
        /* what stays in a row goes in one */
        while (size < rest.size && drop_loses(obstacle, ++block) == lost)
            size += DROP_BLOCK;
        size = size < rest.size ? size : rest.size;
        if (!lost || !obstacle_feels(obstacle))
            obstacle_pass_bytes(obstacle, str_slice(rest, 0, size));
        offset += size;
        rest = str_from(rest, size);
    }
}

static const struct obstacle_type drop = {
    .size = sizeof(struct drop),
    .init = drop_init,
    .take = drop_take,
};

/* corrupt: one draw for each byte, which says also what becomes of it */

struct corrupt {
    struct obstacle head;
    struct random random;
    uint64_t next; /**< the byte that its next draw is for; 0 = none */
    bool draws;
};

static uint64_t corrupt_draw(struct obstacle *obstacle, uint64_t offset)
{
    struct corrupt *corrupt = OF(obstacle, corrupt);
    uint64_t start = offset - offset % CORRUPT_BLOCK;
    if (offset == start || corrupt->next != offset) {
        corrupt->random = obstacle_random(obstacle, offset / CORRUPT_BLOCK);
        for (uint64_t at = start; at < offset; at++)
            (void)random_next(&corrupt->random);
    }
    corrupt->next = offset + 1;
    return random_next(&corrupt->random);
}

static void corrupt_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    double share = *(const double *)obstacle->config->kind.value;
    size_t size = piece->bytes.size;
    if (piece->kind != FLOW_BYTES) {
        obstacle_pass(obstacle, piece);
        return;
    }
    draws_now(obstacle, &OF(obstacle, corrupt)->draws);
    char *bytes = memory_alloc(size);
    memcpy(bytes, piece->bytes.data, size);
    for (size_t i = 0; i < size; i++) {
        uint64_t draw = corrupt_draw(obstacle, obstacle->offset + i);
        /* the bits above decide, those below are what changes: at least one */
        bool hit = (double)(draw >> 11) * 0x1p-53 < share;
        char change = (char)(draw & 0xff ? draw & 0xff : 1);
        if (hit && obstacle_feels(obstacle))
            bytes[i] = (char)(bytes[i] ^ change);
    }
    obstacle_pass_bytes(obstacle, (struct str){bytes, size});
    memory_free(bytes);
}

static const struct obstacle_type corrupt = {
    .size = sizeof(struct corrupt),
    .take = corrupt_take,
};

/* stall */

static void stall_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    if (!obstacle_feels(obstacle)) {
        obstacle_pass(obstacle, piece);
        return;
    }
    obstacle->shut = true;
    obstacle_keep(obstacle, piece);
}

static const struct obstacle_type stall = {.size = sizeof(struct obstacle), .take = stall_take};

/* reset */

static void reset_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    if (piece->kind == FLOW_BYTES && obstacle_feels(obstacle))
        obstacle_end(obstacle, FLOW_CLOSE, CLOSE_RST);
    else
        obstacle_pass(obstacle, piece);
}

static void reset_start(struct obstacle *obstacle, bool live)
{
    if (live && obstacle->offset >= obstacle->from && obstacle_feels(obstacle))
        obstacle_end(obstacle, FLOW_CLOSE, CLOSE_RST);
}

/** On a route: in place of the answer. */
static bool reset_answer(struct exchange *exchange, const struct fault_config *config)
{
    (void)config;
    stream_close(exchange->stream, CLOSE_RST);
    return true;
}

static const struct obstacle_type reset = {
    .size = sizeof(struct obstacle), .start = reset_start, .take = reset_take};

/* slow-close */

struct slow_close {
    struct obstacle head;
    int64_t delay_ns;
};

static void slow_close_init(struct obstacle *obstacle)
{
    struct random random = obstacle_random(obstacle, 0);
    OF(obstacle, slow_close)->delay_ns = random_duration(&random, obstacle->config->kind.value);
}

static int64_t slow_close_due(struct obstacle *obstacle, int64_t now_ns)
{
    return later(now_ns, OF(obstacle, slow_close)->delay_ns);
}

static void slow_close_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    bool ends = piece->kind == FLOW_END || (piece->kind == FLOW_CLOSE && piece->how == CLOSE_FIN);
    if (!ends || !obstacle_feels(obstacle)) {
        obstacle_pass(obstacle, piece);
        return;
    }
    obstacle_keep(obstacle, piece);
    obstacle_go(obstacle);
}

static const struct obstacle_type slow_close = {
    .size = sizeof(struct slow_close),
    .init = slow_close_init,
    .take = slow_close_take,
    .due_ns = slow_close_due,
    .release = release_due,
};

/* half-close */

static void half_close_take(struct obstacle *obstacle, const struct flow_piece *piece)
{
    if (piece->kind == FLOW_BYTES && obstacle_feels(obstacle))
        obstacle_end(obstacle, FLOW_HALF, CLOSE_FIN);
    else
        obstacle_pass(obstacle, piece);
}

static void half_close_start(struct obstacle *obstacle, bool live)
{
    if (live && obstacle->offset >= obstacle->from && obstacle_feels(obstacle))
        obstacle_end(obstacle, FLOW_HALF, CLOSE_FIN);
}

static const struct obstacle_type half_close = {
    .size = sizeof(struct obstacle), .start = half_close_start, .take = half_close_take};

/* The rows */

#define STREAM(key, type, doc, obstacle_pointer)                                                   \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_STREAM, .how = &(const struct fault_how)                                \
            {                                                                                      \
                .obstacle = (obstacle_pointer)                                                     \
            }                                                                                      \
        }                                                                                          \
    }
/** One that may stand on a route. */
#define STREAM_OR_ROUTE(key, type, doc, ...)                                                       \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_STREAM, .on_route = true, .how = &(const struct fault_how)              \
            {                                                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    }

const struct member fault_stream_members[] = {
    STREAM("latency", &type_duration,
           "Each piece of the stream, and its FIN, comes so much later, such as 50ms~10ms; what "
           "is on its way does not wait for what was before.",
           &latency),
    STREAM("bandwidth", &bandwidth_type, "So many bytes a time pass, such as 64KiB/s.", &bandwidth),
    STREAM("slice", &slice_type,
           "Bytes come in pieces of so many, each a packet of its own: {size: 10-100, every: 1ms}.",
           &slice),
    STREAM("limit", &type_size, "FIN behind so many bytes.", &limit),
    STREAM_OR_ROUTE("cut", &cut_type,
                    "The connection ends at a byte, by FIN, RST or silence: {at: 100, how: rst}.",
                    .obstacle = &cut),
    STREAM("drop", &type_share,
           "That share of the blocks of 1460 bytes of the stream does not come, evenly.", &drop),
    STREAM("corrupt", &type_share, "That share of the bytes comes as other ones.", &corrupt),
    STREAM_OR_ROUTE("stall", &type_true, "Nothing comes any more, not even a FIN.",
                    .obstacle = &stall),
    STREAM_OR_ROUTE("reset", &type_true,
                    "RST in place of the first byte; on connections that live at once.",
                    .obstacle = &reset, .answer = reset_answer),
    STREAM("slow-close", &type_duration, "FIN comes so much later.", &slow_close),
    STREAM("half-close", &type_true,
           "FIN of one direction (the response unless `direction` says request) in place of its "
           "first byte, on connections that live at once; the other one goes on.",
           &half_close),
    {0},
};
