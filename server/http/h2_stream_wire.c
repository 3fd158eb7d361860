#include "server/http/h2_stream_wire.h"

#include "base/memory.h"

#include <errno.h>
#include <string.h>

static struct h2_stream_wire *wire_of(const struct h2_wire *wire)
{
    return CONTAINER_OF(wire, struct h2_stream_wire, wire);
}

static void wire_start(struct h2_wire *wire)
{
    wire->user->connected(wire->context, NULL);
}

static ptrdiff_t wire_read(struct h2_wire *h2_wire, char *into, size_t room)
{
    struct h2_stream_wire *wire = wire_of(h2_wire);
    if (!wire->stream)
        return -ECONNRESET;
    size_t size = wire->incoming.size < room ? wire->incoming.size : room;
    if (size) {
        memcpy(into, wire->incoming.data, size);
        wire->incoming = str_from(wire->incoming, size);
        return (ptrdiff_t)size;
    }
    if (wire->broken)
        return -ECONNRESET;
    return wire->peer_ended ? 0 : -EAGAIN;
}

static ptrdiff_t wire_write(struct h2_wire *wire, struct str bytes)
{
    struct stream *stream = wire_of(wire)->stream;
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.size};
    if (!stream || stream->failed || stream->closing)
        return -EPIPE;
    if (stream_queued(stream) >= STREAM_HIGH_MARK)
        return -EAGAIN;
    stream_write(stream, &part, 1);
    return (ptrdiff_t)bytes.size;
}

/** The stream tells by itself: its queue was full. */
static void wire_want_write(struct h2_wire *wire, bool want)
{
    (void)wire;
    (void)want;
}

static struct str wire_remote(const struct h2_wire *h2_wire)
{
    const struct h2_stream_wire *wire = wire_of(h2_wire);
    return wire->stream ? str_of(wire->remote) : (struct str){NULL, 0};
}

static void wire_close(struct h2_wire *h2_wire)
{
    struct h2_stream_wire *wire = wire_of(h2_wire);
    void (*closed)(void *) = wire->stream ? wire->closed : NULL;
    void *owner = wire->owner;
    memory_free(wire);
    if (closed)
        closed(owner);
}

static const struct h2_wire_type wire_type = {
    .start = wire_start,
    .read = wire_read,
    .write = wire_write,
    .want_write = wire_want_write,
    .remote = wire_remote,
    .close = wire_close,
};

struct h2_stream_wire *h2_stream_wire_new(struct stream *stream, const char *remote,
                                          void (*closed)(void *owner), void *owner)
{
    struct h2_stream_wire *wire = memory_alloc(sizeof *wire);
    *wire = (struct h2_stream_wire){.wire = {.type = &wire_type},
                                    .stream = stream,
                                    .remote = remote,
                                    .closed = closed,
                                    .owner = owner};
    return wire;
}

void h2_stream_wire_tell(struct h2_stream_wire *wire)
{
    wire->wire.user->ready(wire->wire.context);
}

void h2_stream_wire_end(struct h2_stream_wire *wire, bool reset)
{
    wire->broken |= reset;
    wire->peer_ended |= wire->stream->peer_ended;
    if (wire->broken || wire->peer_ended)
        h2_stream_wire_tell(wire);
}

void h2_stream_wire_leave(struct h2_stream_wire *wire)
{
    wire->stream = NULL;
    wire->incoming = (struct str){NULL, 0};
}
