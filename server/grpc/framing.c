#include "server/grpc/framing.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

/* frames */

void grpc_frames_init(struct grpc_frames *frames, size_t most)
{
    *frames = (struct grpc_frames){0};
    buf_init(&frames->bytes, most < UINT32_MAX ? most : UINT32_MAX);
}

void grpc_frames_clear(struct grpc_frames *frames)
{
    buf_clear(&frames->bytes);
    frames->head_size = 0;
    frames->done = false;
}

uint32_t grpc_frame_size(const unsigned char head[GRPC_FRAME_HEAD])
{
    return (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
}

uint32_t grpc_frames_length(const struct grpc_frames *frames)
{
    return frames->head_size < GRPC_FRAME_HEAD ? 0 : grpc_frame_size(frames->head);
}

static struct str take(struct str *input, size_t size)
{
    struct str taken = str_slice(*input, 0, size);
    *input = str_from(*input, taken.size);
    return taken;
}

enum grpc_frame_result grpc_frames_next(struct grpc_frames *frames, struct str *input,
                                        struct grpc_frame *frame)
{
    if (frames->done) {
        buf_reset(&frames->bytes);
        frames->head_size = 0;
        frames->done = false;
    }
    if (frames->head_size < GRPC_FRAME_HEAD) {
        struct str head = take(input, GRPC_FRAME_HEAD - frames->head_size);
        if (head.size)
            memcpy(frames->head + frames->head_size, head.data, head.size);
        frames->head_size += head.size;
    }
    if (frames->head_size && frames->head[0] > 1)
        return GRPC_FRAME_BAD_FLAG;
    if (frames->head_size < GRPC_FRAME_HEAD)
        return GRPC_FRAME_MORE;
    size_t length = grpc_frames_length(frames);
    if (length > frames->bytes.most)
        return GRPC_FRAME_TOO_LARGE;
    if (frames->bytes.size == 0 && input->size >= length) {
        *frame = (struct grpc_frame){frames->head[0] == 1, take(input, length)};
        frames->done = true;
        return GRPC_FRAME_DONE;
    }
    GOTO_ASSERT(buf_append(&frames->bytes, take(input, length - frames->bytes.size)) == 0);
    if (frames->bytes.size < length)
        return GRPC_FRAME_MORE;
    *frame = (struct grpc_frame){frames->head[0] == 1, buf_str(&frames->bytes)};
    frames->done = true;
    return GRPC_FRAME_DONE;
}

bool grpc_frames_is_between(const struct grpc_frames *frames)
{
    return frames->done || frames->head_size == 0;
}

bool grpc_skim_next(struct grpc_skim *skim, struct str *input)
{
    if (skim->head_size < GRPC_FRAME_HEAD) {
        struct str head = take(input, GRPC_FRAME_HEAD - skim->head_size);
        if (head.size)
            memcpy(skim->head + skim->head_size, head.data, head.size);
        skim->head_size += head.size;
        if (skim->head_size < GRPC_FRAME_HEAD)
            return false;
        skim->left = grpc_frame_size(skim->head);
    }
    skim->left -= (uint32_t)take(input, skim->left).size;
    if (skim->left)
        return false;
    skim->head_size = 0;
    skim->count++;
    return true;
}

void grpc_frame_head(unsigned char head[GRPC_FRAME_HEAD], uint8_t flag, uint32_t length)
{
    head[0] = flag;
    for (int i = 0; i < 4; i++)
        head[1 + i] = (unsigned char)(length >> (24 - 8 * i));
}

size_t grpc_frame_open(struct buf *into)
{
    static const char room[GRPC_FRAME_HEAD];
    (void)!buf_append(into, (struct str){room, sizeof room});
    return into->size;
}

void grpc_frame_close(struct buf *into, size_t mark)
{
    size_t length = into->size - mark;
    into->full = into->full || length > UINT32_MAX;
    if (mark >= GRPC_FRAME_HEAD && !into->full)
        grpc_frame_head((unsigned char *)into->data + mark - GRPC_FRAME_HEAD, 0, (uint32_t)length);
}

int grpc_frame_write(struct buf *into, bool compressed, struct str message)
{
    unsigned char head[GRPC_FRAME_HEAD];
    if (message.size > UINT32_MAX || !buf_reserve(into, GRPC_FRAME_HEAD + message.size))
        return -EMSGSIZE;
    grpc_frame_head(head, compressed, (uint32_t)message.size);
    (void)!buf_append(into, (struct str){(const char *)head, sizeof head});
    return buf_append(into, message);
}

/* compression */

enum { PIECE = 64 * 1024, WINDOW = 15, GZIP = 16, MEMORY = 8 };

static const char *const encodings[] = {[GRPC_IDENTITY] = "identity", [GRPC_GZIP] = "gzip"};

bool grpc_encoding_read(struct str name, enum grpc_encoding *encoding)
{
    for (size_t i = 0; i < COUNT_OF(encodings); i++) {
        if (str_is(name, encodings[i])) {
            *encoding = (enum grpc_encoding)i;
            return true;
        }
    }
    return false;
}

const char *grpc_encoding_name(enum grpc_encoding encoding)
{
    return encodings[encoding];
}

int grpc_compress(enum grpc_encoding encoding, struct str bytes, struct buf *into)
{
    z_stream stream = {0};
    int result = -EMSGSIZE;
    if (encoding == GRPC_IDENTITY)
        return buf_append(into, bytes);
    if (bytes.size > UINT32_MAX)
        return -EMSGSIZE;
    GOTO_ASSERT(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW + GZIP, MEMORY,
                             Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes.data;
    stream.avail_in = (uInt)bytes.size;
    for (int done = Z_OK; done != Z_STREAM_END;) {
        size_t left = into->most - into->size;
        size_t room = left < PIECE ? left : PIECE;
        char *out = room ? buf_reserve(into, room) : NULL;
        if (!out) {
            into->full = true;
            goto out;
        }
        stream.next_out = (Bytef *)out;
        stream.avail_out = (uInt)room;
        done = deflate(&stream, Z_FINISH);
        into->size += room - stream.avail_out;
        if (done != Z_OK && done != Z_BUF_ERROR && done != Z_STREAM_END)
            goto out;
    }
    result = 0;
out:
    deflateEnd(&stream);
    return result;
}

static enum grpc_decoded inflate_all(z_stream *stream, struct buf *into)
{
    for (;;) {
        size_t left = into->most - into->size;
        size_t room = left < PIECE ? left : PIECE;
        /* one byte more than fits shows whether there is more */
        char extra;
        stream->next_out = (Bytef *)(room ? buf_reserve(into, room) : &extra);
        stream->avail_out = room ? (uInt)room : 1;
        int result = inflate(stream, Z_NO_FLUSH);
        size_t made = (room ? room : 1) - stream->avail_out;
        if (room)
            into->size += made;
        else if (made)
            return GRPC_DECODE_LARGE;
        if (result == Z_STREAM_END)
            return stream->avail_in ? GRPC_DECODE_BAD : GRPC_DECODED;
        if (result != Z_OK || (stream->avail_in == 0 && stream->avail_out))
            return GRPC_DECODE_BAD;
    }
}

enum grpc_decoded grpc_decompress(enum grpc_encoding encoding, struct str bytes, struct buf *into)
{
    z_stream stream = {0};
    if (encoding == GRPC_IDENTITY)
        return buf_append(into, bytes) == 0 ? GRPC_DECODED : GRPC_DECODE_LARGE;
    if (bytes.size > UINT32_MAX)
        return GRPC_DECODE_LARGE;
    GOTO_ASSERT(inflateInit2(&stream, WINDOW + GZIP) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes.data;
    stream.avail_in = (uInt)bytes.size;
    enum grpc_decoded result = inflate_all(&stream, into);
    inflateEnd(&stream);
    return result;
}
