#include "server/tcp/tcp_private.h"

#include "base/clock.h"
#include "server/port/port.h"

static int64_t time_after(int64_t from_ns, int64_t delay_ns)
{
    return delay_ns > INT64_MAX - from_ns ? INT64_MAX : from_ns + delay_ns;
}

static int64_t idle_due(const struct tcp_clock *clock, const struct limits *limits)
{
    return limits->idle_ns && !clock->held ? time_after(clock->stream->active_ns, limits->idle_ns)
                                           : INT64_MAX;
}

static int64_t life_due(const struct tcp_clock *clock, const struct limits *limits)
{
    bool counts = limits->life_ns && !clock->draining;
    return counts ? time_after(clock->stream->accepted_ns, limits->life_ns) : INT64_MAX;
}

static const struct limits *clock_limits(const struct tcp_clock *clock)
{
    return upstream_limits(clock->stream->port->owner);
}

/** Bytes that move do not touch the timer: it fires at the limit that stood, and goes on. */
static void clock_arm(struct tcp_clock *clock)
{
    const struct limits *limits = clock_limits(clock);
    int64_t idle = idle_due(clock, limits);
    int64_t life = life_due(clock, limits);
    int64_t due = idle < life ? idle : life;
    if (due != INT64_MAX)
        timer_start_at(&clock->timer, due);
}

static void clock_due(struct timer *timer)
{
    struct tcp_clock *clock = CONTAINER_OF(timer, struct tcp_clock, timer);
    struct stream *stream = clock->stream;
    const struct limits *limits = clock_limits(clock);
    int64_t now = clock_now();
    if (stream->closing)
        return;
    stream_enter(stream);
    if (idle_due(clock, limits) <= now) {
        if (clock->idle)
            clock->idle(stream);
        else
            stream_close(stream, CLOSE_FIN);
    } else if (life_due(clock, limits) <= now) {
        clock->draining = true;
        stream_close(stream, CLOSE_DRAIN);
    }
    if (!stream->closing)
        clock_arm(clock);
    stream_leave(stream);
}

void tcp_clock_start(struct tcp_clock *clock, struct stream *stream)
{
    clock->stream = stream;
    stream_capture(stream);
    timer_init(&clock->timer, stream->server->loop, clock_due);
    clock_arm(clock);
}

void tcp_clock_hold(struct tcp_clock *clock, bool held)
{
    clock->held = held;
    clock->stream->active_ns = clock_now();
    if (!clock->stream->closing)
        clock_arm(clock);
}

void tcp_clock_stop(struct tcp_clock *clock)
{
    timer_stop(&clock->timer);
}

const struct tcp_work *tcp_stream_work(const struct stream *stream)
{
    return upstream_work(stream->port->owner);
}

const struct protocol *tcp_protocol(const struct tcp_work *work)
{
    static const struct protocol *const protocols[] = {
        [TCP_BEHAVE] = &tcp_behave_protocol,
        [TCP_FLOW] = &tcp_flow_protocol,
        [TCP_SCRIPT] = &tcp_script_protocol,
    };
    GOTO_ASSERT((size_t)work->kind < COUNT_OF(protocols));
    return protocols[work->kind];
}
