#include "base/memory.h"
#include "server/port/port.h"
#include "server/stream/capture.h"
#include "server/stream/scratch.h"
#include "server/stream/stage.h"
#include "server/stream/stream_private.h"

#include <errno.h>
#include <string.h>

void bytes_append(struct stream_bytes *bytes, struct str more)
{
    if (more.size == 0)
        return;
    if (bytes->capacity - bytes->start - bytes->size < more.size) {
        /* what was consumed in front is given up at each growth, so that moves cost no more than
         * appending */
        size_t wanted = bytes->size + more.size;
        size_t capacity = wanted < 1024 ? 1024 : wanted + wanted / 2;
        char *data = memory_alloc(capacity);
        if (bytes->size)
            memcpy(data, bytes->data + bytes->start, bytes->size);
        memory_free(bytes->data);
        *bytes = (struct stream_bytes){data, 0, bytes->size, capacity};
    }
    memcpy(bytes->data + bytes->start + bytes->size, more.data, more.size);
    bytes->size += more.size;
}

void bytes_consume(struct stream_bytes *bytes, size_t size)
{
    GOTO_ASSERT(size <= bytes->size);
    bytes->start += size;
    bytes->size -= size;
}

struct str bytes_str(const struct stream_bytes *bytes)
{
    return (struct str){bytes->data ? bytes->data + bytes->start : NULL, bytes->size};
}

void queue_free(struct stream *stream)
{
    struct stream_queue *queue = stream->queue;
    if (!queue)
        return;
    timer_stop(&queue->soon);
    memory_free(queue->bytes.data);
    memory_free(queue);
    stream->queue = NULL;
}

static void queue_soon(struct timer *timer)
{
    struct stream *stream = CONTAINER_OF(timer, struct stream_queue, soon)->stream;
    stream_enter(stream);
    queue_flush(stream);
    stream_leave(stream);
}

void stream_overflow(struct stream *stream)
{
    if (stream->failed || stream->closed)
        return;
    journal_note(stream->server->journal, ENTRY_NOTE, stream->name_id,
                 "connection %llu: more than 1 GiB waits to be sent: closed",
                 (unsigned long long)stream->number);
    end_note(stream, ENTRY_CLOSED_BY_SERVER);
    stream->failed = true;
    queue_free(stream);
    /* wakes the watcher, which ends the stream: not here, under the writer's feet */
    shutdown(stream->watcher.fd, SHUT_RDWR);
}

uint64_t stream_passed_out(const struct stream *stream)
{
    return stream->sent + (stream->queue ? stream->queue->bytes.size : 0);
}

static void queue_append(struct stream *stream, struct str bytes)
{
    struct server *server = stream->server;
    if (bytes.size == 0 || stream->failed)
        return;
    if (!stream->queue) {
        stream->queue = memory_alloc(sizeof *stream->queue);
        stream->queue->stream = stream;
        timer_init(&stream->queue->soon, server->loop, queue_soon);
    }
    if (bytes.size > STREAM_MOST_QUEUED - stream->queue->bytes.size) {
        stream_overflow(stream);
        return;
    }
    bytes_append(&stream->queue->bytes, bytes);
    if (stream->queue->bytes.size >= STREAM_HIGH_MARK)
        stream->was_high = true;
}

struct str queue_collected(const struct stream *stream)
{
    const struct scratch *scratch = server_scratch(stream->server);
    if (scratch->corked != stream)
        return (struct str){NULL, 0};
    return (struct str){scratch->output, scratch->output_size};
}

/** What the bracket collected for the socket: with stages it is for them. */
static struct str queue_corked(const struct stream *stream)
{
    return stream->top ? (struct str){NULL, 0} : queue_collected(stream);
}

bool queue_is_empty(const struct stream *stream)
{
    return !stream->queue && queue_collected(stream).size == 0 &&
           (!stream->top || stages_held(stream) == 0);
}

size_t stream_queued(const struct stream *stream)
{
    /* a peer that is gone takes nothing more: writers wait until the protocol is told */
    if (stream->failed)
        return STREAM_HIGH_MARK + 1;
    return queue_collected(stream).size + (stream->queue ? stream->queue->bytes.size : 0) +
           (stream->top ? stages_pressing(stream) : 0);
}

/** One send. Returns the bytes taken by the kernel; 0 also when the peer is gone. */
static size_t queue_send(struct stream *stream, struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    ssize_t sent;
    do
        sent = sendmsg(stream->watcher.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        stream->failed =
            errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS && errno != ENOMEM;
        return 0;
    }
    stream_count(stream, 0, (size_t)sent);
    return (size_t)sent;
}

/** Drops the first `sent` bytes of what was waiting; the rest of what the bracket collected is
 * queued. */
static size_t queue_settle(struct stream *stream, struct str corked, size_t sent)
{
    if (stream->queue && corked.size == 0) {
        size_t waiting = stream->queue->bytes.size;
        size_t done = sent < waiting ? sent : waiting;
        timer_stop(&stream->queue->soon);
        bytes_consume(&stream->queue->bytes, done);
        if (stream->queue->bytes.size == 0)
            queue_free(stream);
        return sent - done;
    }
    if (corked.size == 0)
        return sent;
    stream->server->scratch->output_size = 0;
    if (sent >= corked.size)
        return sent - corked.size;
    queue_append(stream, str_from(corked, sent));
    return 0;
}

/** Sends what waits and then `parts`; what the kernel does not take is queued. */
static void queue_push(struct stream *stream, const struct iovec *parts, int count)
{
    struct iovec all[STREAM_MOST_PARTS + 1];
    struct str corked = queue_corked(stream);
    struct str waiting = stream->queue ? bytes_str(&stream->queue->bytes) : corked;
    int used = 0;
    if (waiting.size)
        all[used++] = (struct iovec){(void *)(uintptr_t)waiting.data, waiting.size};
    for (int i = 0; i < count; i++)
        all[used++] = parts[i];
    if (used == 0)
        return;
    size_t left = queue_settle(stream, stream->queue ? (struct str){NULL, 0} : corked,
                               queue_send(stream, all, used));
    if (stream->failed) {
        queue_free(stream);
        return;
    }
    for (int i = 0; i < count; i++) {
        struct str part = {parts[i].iov_base, parts[i].iov_len};
        size_t done = left < part.size ? left : part.size;
        left -= done;
        queue_append(stream, str_from(part, done));
    }
}

void queue_flush(struct stream *stream)
{
    if (stream->closed || stream->failed)
        return;
    if (stream->top)
        stages_flush(stream);
    if (!stream->failed)
        queue_push(stream, NULL, 0);
}

static size_t parts_size(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

bool queue_cork(struct stream *stream, const struct iovec *parts, int count)
{
    struct scratch *scratch = stream->server->scratch;
    if (scratch->corked != stream ||
        parts_size(parts, count) > SCRATCH_OUTPUT - scratch->output_size)
        return false;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len)
            memcpy(scratch->output + scratch->output_size, parts[i].iov_base, parts[i].iov_len);
        scratch->output_size += parts[i].iov_len;
    }
    return true;
}

static void queue_append_parts(struct stream *stream, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++)
        queue_append(stream, (struct str){parts[i].iov_base, parts[i].iov_len});
}

void queue_write(struct stream *stream, const struct iovec *parts, int count)
{
    if (stream->queue && !timer_is_active(&stream->queue->soon))
        queue_append_parts(stream, parts, count);
    else
        queue_push(stream, parts, count);
}

/** Whether it takes what the protocol writes, which is then kept for the record. */
static bool stream_takes(struct stream *stream, const struct iovec *parts, int count)
{
    if (stream->closing || stream->closed || stream->failed || stream->finished)
        return false;
    for (int i = 0; i < count && stream->capture; i++)
        capture_bytes(stream->capture, stream, 0, true,
                      (struct str){parts[i].iov_base, parts[i].iov_len});
    return true;
}

static void stream_push(struct stream *stream, const struct iovec *parts, int count)
{
    queue_write(stream, parts, count);
    if (stream->busy == 0)
        stream_update(stream);
}

void stream_write(struct stream *stream, const struct iovec *parts, int count)
{
    size_t size = parts_size(parts, count);
    GOTO_ASSERT(count <= STREAM_MOST_PARTS);
    if (size == 0 || !stream_takes(stream, parts, count))
        return;
    if (stream->top)
        stages_write(stream, parts, count, false);
    else if (stream->queue || !queue_cork(stream, parts, count))
        stream_push(stream, parts, count);
}

void stream_write_soon(struct stream *stream, const struct iovec *parts, int count)
{
    size_t size = parts_size(parts, count);
    GOTO_ASSERT(count <= STREAM_MOST_PARTS);
    if (size == 0 || !stream_takes(stream, parts, count))
        return;
    if (stream->top) {
        stages_write(stream, parts, count, true);
        return;
    }
    if (!stream->queue && queue_cork(stream, parts, count))
        return;
    bool first = !stream->queue && queue_corked(stream).size == 0;
    if (!first) {
        stream_push(stream, parts, count);
        return;
    }
    queue_append_parts(stream, parts, count);
    if (stream->queue)
        timer_start(&stream->queue->soon, 0);
}
