/* `script`: what an upstream sends and receives on each connection. */
#include "server/tcp/script_private.h"
#include "server/tcp/tcp_private.h"

#include "base/memory.h"
#include "server/port/port.h"

static enum read_result work_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct tcp_script *script = arena_alloc(reader->arena, sizeof *script);
    enum read_result result = reader_read(reader, type->of, node, script);
    *(struct tcp_work *)into = (struct tcp_work){.kind = TCP_SCRIPT, .script = script};
    return result;
}

const struct type tcp_script_type = {
    .raw = true,
    .name = "a list of items such as send: x",
    .size = sizeof(struct tcp_work),
    .read = work_read,
    .schema = type_of_schema,
    .of = &script_type,
};

/* What failed. */

/** A receive that failed. */
struct tcp_record {
    struct tcp_record *next;
    struct tcp_miss miss;
};

static bool place_is(struct place a, struct place b)
{
    return a.source == b.source && a.line == b.line && a.column == b.column;
}

/** Counts a failure; the first one of each receive is kept in words. */
static void record(struct stream *stream, const struct script_end *end)
{
    struct arena *arena;
    struct tcp_record **link = upstream_records(stream->port->owner, &arena);
    while (*link && !place_is((*link)->miss.place, end->place))
        link = &(*link)->next;
    if (!*link) {
        *link = arena_alloc(arena, sizeof **link);
        (*link)->miss = (struct tcp_miss){
            .place = end->place,
            .connection = stream->number,
            .expected = arena_copy(arena, end->expected),
            .actual = arena_copy(arena, end->actual),
        };
    }
    (*link)->miss.count++;
    journal_note(stream->server->journal, ENTRY_NOTE, stream->name_id,
                 "connection %llu: the script expected " STR_FMT ", got " STR_FMT,
                 (unsigned long long)stream->number, STR_ARG(end->expected), STR_ARG(end->actual));
}

/* A connection. */

struct serving {
    struct tcp_clock clock;
    struct script_run run;
    struct stream *stream;
    bool draining;
};

static void serving_end(void *context, const struct script_end *end)
{
    const struct serving *serving = context;
    if (end->failure)
        record(serving->stream, end);
    stream_close(serving->stream, end->failure ? CLOSE_FIN : end->how);
}

static void serving_slept(void *context, bool sleeps)
{
    struct serving *serving = context;
    tcp_clock_hold(&serving->clock, sleeps);
}

static int64_t serving_receive_ns(void *context)
{
    const struct serving *serving = context;
    return upstream_limits(serving->stream->port->owner)->read_ns;
}

/** Nothing comes any more: a receive that has to fails, else it is the end. */
static void serving_idle(struct stream *stream)
{
    struct serving *serving = stream->state;
    struct place place;
    if (script_lacks(&serving->run, &place))
        script_time_out(&serving->run);
    if (!stream->closing)
        stream_close(stream, CLOSE_FIN);
}

static void *serving_start(struct stream *stream)
{
    static const struct script_user user = {
        .ended = serving_end,
        .slept = serving_slept,
        .receive_ns = serving_receive_ns,
    };
    struct serving *serving = memory_alloc(sizeof *serving);
    const struct port *port = stream->port;
    serving->stream = stream;
    serving->clock.idle = serving_idle;
    tcp_clock_start(&serving->clock, stream);
    script_start(&serving->run, stream, tcp_stream_work(stream)->script, &user, serving, port->name,
                 stream->number);
    return serving;
}

static size_t serving_bytes(struct stream *stream, struct str bytes)
{
    struct serving *serving = stream->state;
    size_t taken = script_bytes(&serving->run, bytes);
    if (serving->draining && !stream->closing && script_is_idle(&serving->run))
        stream_close(stream, CLOSE_FIN);
    return taken;
}

static void serving_writable(struct stream *stream)
{
    struct serving *serving = stream->state;
    script_writable(&serving->run);
}

static void serving_ended(struct stream *stream, bool reset)
{
    struct serving *serving = stream->state;
    script_peer_ended(&serving->run, reset);
}

static void serving_closing(struct stream *stream)
{
    struct serving *serving = stream->state;
    if (!serving)
        return;
    tcp_clock_stop(&serving->clock);
    script_stop(&serving->run);
}

/** A script is under way to its end, unless it waits for whoever comes with something new. */
static void serving_drain(struct stream *stream)
{
    struct serving *serving = stream->state;
    serving->draining = true;
    if (script_is_idle(&serving->run))
        stream_close(stream, CLOSE_FIN);
}

static bool serving_is_idle(const struct stream *stream)
{
    const struct serving *serving = stream->state;
    return script_is_idle(&serving->run);
}

static void serving_gone(struct stream *stream)
{
    struct serving *serving = stream->state;
    tcp_clock_stop(&serving->clock);
    script_stop(&serving->run);
    memory_free(serving);
}

const struct protocol tcp_script_protocol = {
    .name = "tcp script",
    .start = serving_start,
    .bytes = serving_bytes,
    .writable = serving_writable,
    .ended = serving_ended,
    .closing = serving_closing,
    .drain = serving_drain,
    .is_idle = serving_is_idle,
    .gone = serving_gone,
};

/** A connection that lives and whose script has not come to its end. */
static bool find_waiting(const struct stream *stream, struct arena *arena, struct tcp_miss *miss)
{
    const struct serving *serving = stream->state;
    *miss = (struct tcp_miss){.connection = stream->number, .count = 1};
    if (stream->protocol != &tcp_script_protocol || stream->closing ||
        !script_lacks(&serving->run, &miss->place))
        return false;
    struct buf words;
    buf_init(&words, BUF_OWN);
    script_describe(&serving->run, &words);
    bool waits = words.size;
    if (waits) {
        miss->expected = arena_copy(arena, buf_str(&words));
        buf_reset(&words);
        receive_show(&serving->run, &words);
        buf_append_string(&words, " until the end");
        miss->actual = arena_copy(arena, buf_str(&words));
    } else {
        miss->actual = STR("the run ended before the script came to it");
    }
    buf_clear(&words);
    return true;
}

void tcp_misses(const struct port *port, struct arena *arena,
                void (*found)(void *context, const struct tcp_miss *miss), void *context)
{
    struct arena *unused;
    struct tcp_record *const *link = upstream_records(port->owner, &unused);
    for (const struct tcp_record *each = *link; each; each = each->next)
        found(context, &each->miss);
    struct tcp_miss last = {0};
    for (const struct stream *stream = port->oldest; stream; stream = stream->next) {
        struct tcp_miss miss;
        if (!find_waiting(stream, arena, &miss))
            continue;
        /* connections at the same place are told as one */
        if (last.count && place_is(last.place, miss.place)) {
            last.count++;
            continue;
        }
        if (last.count)
            found(context, &last);
        last = miss;
    }
    if (last.count)
        found(context, &last);
}
