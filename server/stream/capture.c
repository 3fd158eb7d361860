#include "server/stream/capture.h"

#include "base/memory.h"
#include "server/server.h"
#include "server/stream/stream.h"

static struct entry capture_entry(const struct stream *stream, uint64_t request, bool sent)
{
    struct entry entry = journal_entry(ENTRY_BYTES, stream->name_id);
    entry.connection = stream->number;
    entry.request = request;
    entry.value = sent;
    return entry;
}

void capture_start(const struct stream *stream, uint64_t request)
{
    struct entry entry = capture_entry(stream, request, false);
    if (stream->server->captures)
        journal_append(stream->server->journal, &entry, STR(""));
}

void capture_bytes(struct capture *capture, const struct stream *stream, uint64_t request,
                   bool sent, struct str bytes)
{
    struct entry entry = capture_entry(stream, request, sent);
    if (!stream->server->captures || bytes.size == 0 || capture->cut[sent])
        return;
    struct str kept = str_slice(bytes, 0, CAPTURE_MOST - capture->kept[sent]);
    capture->kept[sent] += (uint32_t)kept.size;
    capture->cut[sent] = kept.size < bytes.size;
    entry.extra = bytes.size;
    entry.flags = capture->cut[sent] ? ENTRY_CUT : 0;
    journal_append(stream->server->journal, &entry, kept);
}

void stream_capture(struct stream *stream)
{
    if (!stream->server->captures || stream->capture)
        return;
    stream->capture = memory_alloc(sizeof *stream->capture);
    capture_start(stream, 0);
}

bool stream_captures(const struct stream *stream, bool sent)
{
    return stream->capture && !stream->capture->cut[sent];
}
