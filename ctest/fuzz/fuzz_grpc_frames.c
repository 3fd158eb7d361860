/* Any bytes as gRPC frames, split anywhere; their messages as gzip; and as the texts of headers. */
#include "server/grpc/framing.h"
#include "server/grpc/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_MESSAGE = 4096, MOST_PLAIN = 16384 };

/* Reads in pieces and writes the frames again; returns how it ended. */
static enum grpc_frame_result copy(struct str input, size_t piece, struct buf *into, bool *between)
{
    struct grpc_frames frames;
    struct grpc_frame frame;
    enum grpc_frame_result result = GRPC_FRAME_MORE;
    grpc_frames_init(&frames, MOST_MESSAGE);
    while (input.size && result == GRPC_FRAME_MORE) {
        struct str some = str_slice(input, 0, piece);
        input = str_from(input, some.size);
        while ((result = grpc_frames_next(&frames, &some, &frame)) == GRPC_FRAME_DONE) {
            GOTO_ASSERT(frame.bytes.size <= MOST_MESSAGE);
            GOTO_ASSERT(frame.bytes.size == grpc_frames_length(&frames));
            GOTO_ASSERT(grpc_frame_write(into, frame.compressed, frame.bytes) == 0);
        }
        GOTO_ASSERT(result != GRPC_FRAME_MORE || some.size == 0);
    }
    *between = grpc_frames_is_between(&frames);
    grpc_frames_clear(&frames);
    return result;
}

static void try_gzip(struct str bytes)
{
    struct buf plain;
    struct buf packed;
    struct buf again;
    buf_init(&plain, MOST_PLAIN);
    buf_init(&packed, BUF_OWN);
    buf_init(&again, bytes.size);
    (void)!grpc_decompress(GRPC_GZIP, bytes, &plain);
    GOTO_ASSERT(plain.size <= MOST_PLAIN);
    GOTO_ASSERT(grpc_compress(GRPC_GZIP, bytes, &packed) == 0);
    GOTO_ASSERT(grpc_decompress(GRPC_GZIP, buf_str(&packed), &again) == GRPC_DECODED);
    GOTO_ASSERT(str_equal(bytes, buf_str(&again)));
    buf_clear(&plain);
    buf_clear(&packed);
    buf_clear(&again);
}

static void try_texts(struct str text)
{
    struct arena *arena = arena_new();
    struct buf escaped;
    int64_t ns;
    int code;
    buf_init(&escaped, BUF_OWN);
    grpc_message_write(text, &escaped);
    GOTO_ASSERT(str_equal(grpc_message_read(arena, buf_str(&escaped)), text));
    (void)grpc_message_read(arena, text);
    if (grpc_timeout_read(text, &ns)) {
        char written[GRPC_TIMEOUT_SIZE];
        int64_t again;
        grpc_timeout_write(ns, written);
        GOTO_ASSERT(grpc_timeout_read(str_of(written), &again) && again >= ns);
    }
    if (grpc_status_read(text, &code))
        GOTO_ASSERT(code >= 0);
    buf_clear(&escaped);
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole;
    struct buf pieces;
    bool whole_between;
    bool pieces_between;
    if (size < 1)
        return 0;
    struct str input = {(const char *)data + 1, size - 1};
    buf_init(&whole, BUF_OWN);
    buf_init(&pieces, BUF_OWN);
    enum grpc_frame_result at_once = copy(input, input.size, &whole, &whole_between);
    enum grpc_frame_result split = copy(input, 1 + data[0] % 16, &pieces, &pieces_between);
    GOTO_ASSERT(at_once == split && whole_between == pieces_between);
    GOTO_ASSERT(str_equal(buf_str(&whole), buf_str(&pieces)));
    GOTO_ASSERT(str_starts(input, buf_str(&whole)));
    try_gzip(input);
    try_texts(input);
    buf_clear(&whole);
    buf_clear(&pieces);
    return 0;
}
