#include "server/stream/stage.h"

#include "base/memory.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"
#include "server/stream/stream_private.h"

void stream_push_stage(struct stream *stream, struct stage *stage)
{
    /* what was written before goes the way that was there when it was written */
    queue_flush(stream);
    stage->stream = stream;
    stage->up = NULL;
    stage->down = stream->top;
    if (stream->top)
        stream->top->up = stage;
    else
        stream->bottom = stage;
    stream->top = stage;
}

void stream_insert_stage(struct stream *stream, struct stage *stage)
{
    queue_flush(stream);
    stage->stream = stream;
    stage->down = NULL;
    stage->up = stream->bottom;
    if (stream->bottom)
        stream->bottom->down = stage;
    else
        stream->top = stage;
    stream->bottom = stage;
}

void stream_remove_stage(struct stage *stage)
{
    struct stream *stream = stage->stream;
    /* what was collected for the stages may have no other one to go to */
    queue_flush(stream);
    if (stream->end && stream->end->ending == stage) {
        stream->end->ending = stage->down;
        stream->end->told = false;
    }
    if (stage->up)
        stage->up->down = stage->down;
    else
        stream->top = stage->down;
    if (stage->down)
        stage->down->up = stage->up;
    else
        stream->bottom = stage->up;
    stage->type->gone(stage);
}

void stream_set_protocol(struct stream *stream, const struct protocol *protocol)
{
    GOTO_ASSERT(!stream->closed);
    if (stream->protocol)
        stream->protocol->gone(stream);
    stream->protocol = protocol;
    stream->state = NULL;
    stream->paused = false;
    stream->state = protocol->start(stream);
}

/* Towards the protocol. */

void stage_in(struct stage *stage, struct str bytes)
{
    if (stage->up)
        stage->up->type->in(stage->up, bytes);
    else if (!stage->stream->closing)
        stream_offer(stage->stream, bytes);
}

void stage_in_end(struct stage *stage)
{
    struct stream *stream = stage->stream;
    for (stage = stage->up; stage; stage = stage->up) {
        if (stage->type->in_end) {
            stage->type->in_end(stage);
            return;
        }
    }
    if (stream->closing || stream->peer_ended)
        return;
    if (!stream->end_made)
        end_note(stream, ENTRY_CLOSED_BY_CLIENT);
    stream->peer_closing = true;
    stream->peer_ended = true;
    stream->protocol->ended(stream, false);
}

size_t stages_held_in(const struct stream *stream)
{
    size_t size = 0;
    for (const struct stage *stage = stream->top; stage; stage = stage->down)
        size += stage->type->held_in ? stage->type->held_in(stage) : 0;
    return size;
}

size_t stages_unread(const struct stream *stream)
{
    size_t size = 0;
    for (const struct stage *stage = stream->top; stage; stage = stage->down)
        size += stage->type->unread ? stage->type->unread(stage) : 0;
    return size;
}

/* Towards the socket. */

static size_t stage_held(const struct stage *stage)
{
    return stage->type->held ? stage->type->held(stage) : 0;
}

void stage_out(struct stage *stage, const struct iovec *parts, int count)
{
    struct stream *stream = stage->stream;
    bool ended = stream->end && stream->end->fin_sent;
    if (stream->closed || stream->failed || ended)
        return;
    if (stage->down)
        stage->down->type->out(stage->down, parts, count);
    else
        queue_write(stream, parts, count);
}

/** Gives the top stage what was collected for it, and then `parts`. */
static void stages_out(struct stream *stream, const struct iovec *parts, int count)
{
    struct iovec all[STREAM_MOST_PARTS + 2];
    struct str corked = queue_collected(stream);
    struct stream_soon *soon = stream->soon;
    int used = 0;
    stream->soon = NULL;
    /* nothing is collected once something waits for more: what was collected is older */
    if (corked.size)
        all[used++] = (struct iovec){(void *)(uintptr_t)corked.data, corked.size};
    if (soon) {
        struct str bytes = bytes_str(&soon->bytes);
        timer_stop(&soon->timer);
        all[used++] = (struct iovec){(void *)(uintptr_t)bytes.data, bytes.size};
    }
    for (int i = 0; i < count; i++)
        all[used++] = parts[i];
    if (corked.size)
        stream->server->scratch->output_size = 0;
    if (used)
        stream->top->type->out(stream->top, all, used);
    if (soon)
        memory_free(soon->bytes.data);
    memory_free(soon);
}

void stages_flush(struct stream *stream)
{
    if (stream->closed || stream->failed)
        return;
    stages_out(stream, NULL, 0);
    for (struct stage *stage = stream->top; stage; stage = stage->down) {
        if (stage->type->flush)
            stage->type->flush(stage);
    }
}

static void stages_soon_due(struct timer *timer)
{
    struct stream *stream = CONTAINER_OF(timer, struct stream_soon, timer)->stream;
    stream_enter(stream);
    stream_leave(stream);
}

static void stages_keep(struct stream *stream, const struct iovec *parts, int count)
{
    if (!stream->soon) {
        stream->soon = memory_alloc(sizeof *stream->soon);
        stream->soon->stream = stream;
        timer_init(&stream->soon->timer, stream->server->loop, stages_soon_due);
        timer_start(&stream->soon->timer, 0);
    }
    for (int i = 0; i < count; i++)
        bytes_append(&stream->soon->bytes, (struct str){parts[i].iov_base, parts[i].iov_len});
}

void stages_mark(struct stream *stream)
{
    if (!stream->was_high && stream_queued(stream) >= STREAM_HIGH_MARK)
        stream->was_high = true;
}

void stages_write(struct stream *stream, const struct iovec *parts, int count, bool soon)
{
    if (!stream->soon && queue_cork(stream, parts, count)) {
        stages_mark(stream);
        return;
    }
    if (soon && (!stream->soon || stream->soon->bytes.size < STREAM_LOW_MARK)) {
        stages_keep(stream, parts, count);
        stages_mark(stream);
        return;
    }
    /* a stage may find that the connection is broken, and end it */
    stream_enter(stream);
    stages_out(stream, parts, count);
    stages_mark(stream);
    stream_leave(stream);
}

size_t stages_held(const struct stream *stream)
{
    size_t size = stream->soon ? stream->soon->bytes.size : 0;
    for (const struct stage *stage = stream->top; stage; stage = stage->down)
        size += stage_held(stage);
    return size;
}

size_t stages_pressing(const struct stream *stream)
{
    size_t size = stream->soon ? stream->soon->bytes.size : 0;
    for (const struct stage *stage = stream->top; stage; stage = stage->down)
        size += stage->type->pressing ? stage->type->pressing(stage) : stage_held(stage);
    return size;
}

/* The end. */

int64_t stages_next_ns(const struct stream *stream)
{
    const struct stage *stage = stream->end ? stream->end->ending : NULL;
    return stage && stage->type->next_ns ? stage->type->next_ns(stage) : 0;
}

bool stages_end(struct stream *stream)
{
    struct stream_end *end = stream->end;
    /* one after the other: what a stage still holds has to pass those below before they end */
    while (end->ending) {
        struct stage *stage = end->ending;
        if (!end->told && stage->type->out_end)
            stage->type->out_end(stage);
        end->told = true;
        if (stage_held(stage) > 0)
            return false;
        end->ending = stage->down;
        end->told = false;
    }
    return true;
}

void stages_drop(struct stream *stream)
{
    if (!stream->soon)
        return;
    timer_stop(&stream->soon->timer);
    memory_free(stream->soon->bytes.data);
    memory_free(stream->soon);
    stream->soon = NULL;
}

void stages_free(struct stream *stream)
{
    while (stream->top) {
        struct stage *stage = stream->top;
        stream->top = stage->down;
        stage->type->gone(stage);
    }
    stream->bottom = NULL;
}
