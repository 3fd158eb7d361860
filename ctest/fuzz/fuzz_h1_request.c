/* Request heads: whole or in pieces, the parser says the same; what it gives lies within the input.
 */
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
    if (part.size && !(part.size == 1 && part.data[0] == '/'))
        GOTO_ASSERT(part.data >= text && part.data + part.size <= text + size);
}

static void check_head(const struct h1_scan *scan, const char *text)
{
    struct h1_head head;
    if (!h1_head_read(scan, text, headers, &head)) {
        GOTO_ASSERT(head.fault.status && head.fault.why);
        return;
    }
    check_inside(head.method, text, scan->at);
    check_inside(head.target, text, scan->at);
    check_inside(head.path, text, scan->at);
    check_inside(head.query, text, scan->at);
    check_inside(head.authority, text, scan->at);
    GOTO_ASSERT(head.method.size && head.target.size && head.path.size &&
                head.count == scan->count);
    GOTO_ASSERT(!(head.chunked && head.has_length));
    for (size_t i = 0; i < head.count; i++) {
        check_inside(headers[i].name, text, scan->at);
        check_inside(headers[i].value, text, scan->at);
        GOTO_ASSERT(headers[i].name.size &&
                    !memchr(headers[i].value.data, '\n', headers[i].value.size));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h1_scan whole;
    struct h1_scan pieces;
    if (size < 2)
        return 0;
    size_t most = 16 + (size_t)data[0] * 16;
    bool fields = data[1] & 0x80;
    const char *text = (const char *)data + 2;
    size -= 2;
    (fields ? h1_scan_fields : h1_scan_head)(&whole, most);
    pieces = whole;
    enum h1_progress progress = size ? h1_scan_step(&whole, text, size) : H1_MORE;
    GOTO_ASSERT(scan_pieces(&pieces, text, size, data[1]) == progress);
    GOTO_ASSERT(whole.at == pieces.at && whole.fault.status == pieces.fault.status);
    GOTO_ASSERT(whole.at <= size && whole.at <= most + 2);
    GOTO_ASSERT((progress == H1_BAD) == (whole.fault.why != NULL));
    if (progress == H1_DONE && fields)
        (void)h1_fields_read(&whole, text, headers);
    else if (progress == H1_DONE)
        check_head(&whole, text);
    return 0;
}
