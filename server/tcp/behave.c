/* `behave`: echo, discard, stall, close, reset. */
#include "server/tcp/tcp_private.h"

#include "base/memory.h"

static const struct choice behave_choices[] = {
    {"echo", BEHAVE_ECHO, "sends back every byte; FIN behind the last one when the peer has ended"},
    {"discard", BEHAVE_DISCARD,
     "reads everything and answers nothing; FIN when the peer has ended"},
    {"stall", BEHAVE_STALL, "accepts and reads nothing"},
    {"close", BEHAVE_CLOSE, "accepts, then FIN"},
    {"reset", BEHAVE_RESET, "accepts, then RST"},
    {NULL},
};

static enum read_result behave_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct tcp_work *work = into;
    *work = (struct tcp_work){.kind = TCP_BEHAVE};
    return type_choice_read(reader, type, node, &work->behave);
}

const struct type tcp_behave_type = {
    .name = "one of",
    .size = sizeof(struct tcp_work),
    .read = behave_read,
    .schema = type_choice_schema,
    .extra = behave_choices,
};

/** The state of a connection. */
struct behaving {
    struct tcp_clock clock;
    enum tcp_behave how;
};

static void *behaving_start(struct stream *stream)
{
    struct behaving *behaving = memory_alloc(sizeof *behaving);
    behaving->how = (enum tcp_behave)tcp_stream_work(stream)->behave;
    tcp_clock_start(&behaving->clock, stream);
    if (behaving->how == BEHAVE_STALL)
        stream_pause(stream);
    else if (behaving->how == BEHAVE_CLOSE)
        stream_close(stream, CLOSE_FIN);
    else if (behaving->how == BEHAVE_RESET)
        stream_close(stream, CLOSE_RST);
    return behaving;
}

static size_t behaving_bytes(struct stream *stream, struct str bytes)
{
    const struct behaving *behaving = stream->state;
    if (behaving->how != BEHAVE_ECHO)
        return bytes.size;
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    stream_write(stream, &part, 1);
    if (stream_queued(stream) >= STREAM_HIGH_MARK)
        stream_pause(stream);
    return bytes.size;
}

/** Ends behind the peer, once all that it sent is answered: an echo may have been paused. */
static void behaving_end(struct stream *stream)
{
    const struct behaving *behaving = stream->state;
    if (stream->peer_ended && !stream->input && behaving->how != BEHAVE_STALL)
        stream_close(stream, CLOSE_FIN);
}

static void behaving_writable(struct stream *stream)
{
    const struct behaving *behaving = stream->state;
    if (behaving->how != BEHAVE_ECHO)
        return;
    stream_resume(stream);
    behaving_end(stream);
}

static void behaving_ended(struct stream *stream, bool reset)
{
    if (!reset)
        behaving_end(stream);
}

static void behaving_closing(struct stream *stream)
{
    struct behaving *behaving = stream->state;
    /* it may be closed before its start() has returned */
    if (behaving)
        tcp_clock_stop(&behaving->clock);
}

static void behaving_drain(struct stream *stream)
{
    const struct behaving *behaving = stream->state;
    if (behaving->how == BEHAVE_ECHO)
        stream_resume(stream);
    stream_close(stream, CLOSE_FIN);
}

static bool behaving_is_idle(const struct stream *stream)
{
    return stream_queued(stream) == 0;
}

static void behaving_gone(struct stream *stream)
{
    struct behaving *behaving = stream->state;
    tcp_clock_stop(&behaving->clock);
    memory_free(behaving);
}

const struct protocol tcp_behave_protocol = {
    .name = "tcp",
    .start = behaving_start,
    .bytes = behaving_bytes,
    .writable = behaving_writable,
    .ended = behaving_ended,
    .closing = behaving_closing,
    .drain = behaving_drain,
    .is_idle = behaving_is_idle,
    .gone = behaving_gone,
};
