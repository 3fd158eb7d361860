/* Chunked bodies: whole or byte by byte, the decoder says the same, and never more than came. */
#include "base/common.h"
#include "server/http/h1_parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
    enum h1_progress progress;
    struct h1_fault fault;
    size_t taken;
    size_t size;
    char *bytes;
};

static void decode(struct str text, size_t step, struct decoded *decoded)
{
    struct h1_chunks chunks;
    *decoded = (struct decoded){.progress = H1_MORE, .bytes = malloc(text.size + 1)};
    if (!decoded->bytes)
        abort();
    h1_chunks_start(&chunks);
    while (decoded->progress == H1_MORE && decoded->taken < text.size) {
        size_t taken;
        struct str data;
        struct str piece = str_slice(text, decoded->taken, step);
        decoded->progress = h1_chunks_step(&chunks, piece, &taken, &data);
        GOTO_ASSERT(taken <= piece.size && data.size <= taken);
        GOTO_ASSERT(taken || decoded->progress != H1_MORE);
        if (data.size)
            memcpy(decoded->bytes + decoded->size, data.data, data.size);
        decoded->size += data.size;
        decoded->taken += taken;
    }
    decoded->fault = chunks.fault;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct decoded whole;
    struct decoded bytes;
    decode(text, size, &whole);
    decode(text, 1, &bytes);
    GOTO_ASSERT(whole.progress == bytes.progress && whole.size == bytes.size);
    GOTO_ASSERT(whole.fault.status == bytes.fault.status);
    GOTO_ASSERT((whole.progress == H1_BAD) == (whole.fault.why != NULL));
    GOTO_ASSERT(whole.progress != H1_DONE || whole.taken == bytes.taken);
    GOTO_ASSERT(!whole.size || !memcmp(whole.bytes, bytes.bytes, whole.size));
    free(whole.bytes);
    free(bytes.bytes);
    return 0;
}
