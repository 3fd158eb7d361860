/* Answers of HTTP/1: heads, whole or in pieces, and their framing; chunked bodies and trailers
 * behind them, as a connection to a far side reads them. What is given lies within the input. */
#include "base/common.h"
#include "server/http/h1_parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct header headers[H1_MOST_HEADERS];

/** Scans what comes in pieces whose sizes follow from `seed`; each piece ends where its memory
 * ends. */
static enum h1_progress scan_pieces(struct h1_scan *scan, const char *text, size_t size,
                                    unsigned seed)
{
    enum h1_progress progress = H1_MORE;
    for (size_t at = 0; progress == H1_MORE && at < size;) {
        seed = seed * 1103515245u + 12345u;
        size_t step = seed ? 1 + (seed >> 16) % 7 : size;
        at = size - at < step ? size : at + step;
        char *piece = malloc(at);
        if (!piece)
            abort();
        memcpy(piece, text, at);
        progress = h1_scan_step(scan, piece, at);
        free(piece);
    }
    return progress;
}

static void check_inside(struct str part, const char *text, size_t size)
{
    if (part.size)
        GOTO_ASSERT(part.data >= text && part.data + part.size <= text + size);
}

/** Reads what stands behind a chunked head: the sum of the data, and whether it was whole. */
static bool read_chunks(struct str rest, size_t most)
{
    struct h1_chunks chunks;
    enum h1_progress progress = H1_MORE;
    h1_chunks_start(&chunks);
    while (progress == H1_MORE && rest.size) {
        size_t taken;
        struct str piece;
        progress = h1_chunks_step(&chunks, rest, &taken, &piece);
        GOTO_ASSERT(taken <= rest.size && (taken || progress != H1_MORE));
        check_inside(piece, rest.data, rest.size);
        rest = str_from(rest, taken);
    }
    GOTO_ASSERT((progress == H1_BAD) == (chunks.fault.why != NULL));
    if (progress != H1_DONE)
        return false;
    struct h1_scan scan;
    h1_scan_fields(&scan, most);
    scan.answer = true;
    progress = rest.size ? h1_scan_step(&scan, rest.data, rest.size) : H1_MORE;
    if (progress == H1_DONE)
        (void)h1_fields_read(&scan, rest.data, headers);
    return progress == H1_DONE;
}

static void check_answer(const struct h1_scan *scan, struct str text, size_t most)
{
    struct h1_answer answer;
    if (!h1_answer_read(scan, text.data, headers, &answer)) {
        GOTO_ASSERT(answer.why);
        return;
    }
    GOTO_ASSERT(!answer.why && answer.status >= 100 && answer.status <= 999);
    GOTO_ASSERT(answer.count == scan->count && answer.content_length >= -1);
    GOTO_ASSERT(!(answer.chunked && answer.content_length >= 0));
    GOTO_ASSERT(!(answer.chunked && answer.version == HTTP_1_0));
    GOTO_ASSERT(answer.keep_seconds >= -1 && answer.keep_seconds <= 86400);
    check_inside(answer.reason, text.data, scan->at);
    GOTO_ASSERT(!answer.reason.size || !memchr(answer.reason.data, '\n', answer.reason.size));
    for (size_t i = 0; i < answer.count; i++) {
        check_inside(headers[i].name, text.data, scan->at);
        check_inside(headers[i].value, text.data, scan->at);
        GOTO_ASSERT(headers[i].name.size &&
                    !memchr(headers[i].value.data, '\n', headers[i].value.size));
    }
    if (answer.chunked)
        (void)read_chunks(str_from(text, scan->at), most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h1_scan whole;
    struct h1_scan pieces;
    if (size < 2)
        return 0;
    size_t most = 16 + (size_t)data[0] * 16;
    struct str text = {(const char *)data + 2, size - 2};
    h1_scan_answer(&whole, most);
    pieces = whole;
    enum h1_progress progress = text.size ? h1_scan_step(&whole, text.data, text.size) : H1_MORE;
    GOTO_ASSERT(scan_pieces(&pieces, text.data, text.size, data[1]) == progress);
    GOTO_ASSERT(whole.at == pieces.at && whole.status == pieces.status);
    GOTO_ASSERT(whole.at <= text.size && whole.at <= most);
    GOTO_ASSERT((progress == H1_BAD) == (whole.fault.why != NULL));
    if (progress == H1_DONE)
        check_answer(&whole, text, most);
    return 0;
}
