/**
 * What the fuzz targets of whole gRPC calls share: frames of HTTP/2 made by hand.
 */
#ifndef GOTO_CTEST_FUZZ_GRPC_FRAMES_H
#define GOTO_CTEST_FUZZ_GRPC_FRAMES_H

#include "base/buf.h"

#include <nghttp2/nghttp2.h>

enum { FRAME_HEAD = 9, END_STREAM = 1, END_HEADERS = 4 };

static inline void put_frame(struct buf *into, int type, int flags, uint32_t id, struct str payload)
{
    const char head[FRAME_HEAD] = {(char)(payload.size >> 16),
                                   (char)(payload.size >> 8),
                                   (char)payload.size,
                                   (char)type,
                                   (char)flags,
                                   0,
                                   0,
                                   (char)(id >> 8),
                                   (char)id};
    (void)!buf_append(into, (struct str){head, sizeof head});
    (void)!buf_append(into, payload);
}

/** A literal field of HPACK; neither part has 127 bytes or more. */
static inline void put_field(struct buf *block, const char *name, const char *value)
{
    buf_append_byte(block, 0);
    buf_append_byte(block, (char)str_of(name).size);
    buf_append_string(block, name);
    buf_append_byte(block, (char)str_of(value).size);
    buf_append_string(block, value);
}

/** A block of headers, which is emptied. */
static inline void put_headers(struct buf *into, uint32_t id, bool end, struct buf *block)
{
    put_frame(into, NGHTTP2_HEADERS, END_HEADERS | (end ? END_STREAM : 0), id, buf_str(block));
    buf_reset(block);
}

/** Bytes as DATA frames, cut by `cut`: 0 = one frame. */
static inline void put_body(struct buf *into, uint32_t id, bool end, struct str bytes, uint8_t cut)
{
    do {
        size_t piece = cut ? 1 + (bytes.size * 7 + cut) % 40 : 16384;
        struct str part = str_slice(bytes, 0, piece);
        bytes = str_from(bytes, part.size);
        put_frame(into, NGHTTP2_DATA, end && !bytes.size ? END_STREAM : 0, id, part);
    } while (bytes.size);
}

#endif
