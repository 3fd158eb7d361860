/* Frames that break a rule of RFC 9113 or RFC 7541: one row each. */
#include "server/fault/fault_frames.h"

#include <nghttp2/nghttp2.h>

static void append_number(struct buf *into, uint32_t number, int bytes)
{
    while (bytes-- > 0)
        buf_append_byte(into, (char)(number >> 8 * bytes));
}

static void append_head(struct buf *into, size_t size, uint8_t type, uint8_t flags,
                        uint32_t stream_id)
{
    append_number(into, (uint32_t)size, 3);
    append_number(into, type, 1);
    append_number(into, flags, 1);
    append_number(into, stream_id, 4);
}

static void append_frame(struct buf *into, uint8_t type, uint8_t flags, uint32_t stream_id,
                         struct str payload)
{
    append_head(into, payload.size, type, flags, stream_id);
    buf_append(into, payload);
}

/* bad-hpack */

enum hpack_kind { HPACK_INDEX, HPACK_INDEX_ZERO, HPACK_TABLE_SIZE, HPACK_HUFFMAN, HPACK_TRUNCATED };

const struct choice fault_hpack_choices[] = {
    {"index", HPACK_INDEX, "an index beyond both tables"},
    {"index-zero", HPACK_INDEX_ZERO, "index 0, which stands for nothing"},
    {"table-size", HPACK_TABLE_SIZE, "a table larger than the client allows"},
    {"huffman", HPACK_HUFFMAN, "a Huffman code that is padded by more than 7 bits"},
    {"truncated", HPACK_TRUNCATED, "a text that is longer than the block"},
    {NULL},
};

void fault_frames_bad_hpack(int kind, uint32_t stream_id, struct buf *into)
{
    static const struct str blocks[] = {
        [HPACK_INDEX] = STR_INIT("\xff\xff\xff\x7f"),
        [HPACK_INDEX_ZERO] = STR_INIT("\x80"),
        [HPACK_TABLE_SIZE] = STR_INIT("\x3f\xff\xff\xff\x7f\x88"),
        [HPACK_HUFFMAN] = STR_INIT("\x08\x82\x07\xff"),
        [HPACK_TRUNCATED] = STR_INIT("\x08\x7f\x01"),
    };
    append_frame(into, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                 stream_id, blocks[kind]);
}

/* bad-frame */

/** On which stream a frame comes. */
enum frame_stream { ON_CONNECTION, ON_REQUEST, ON_EVEN, ON_IDLE };

/** Which HEADERS, of an answer 200, come before it on the request's stream. */
enum frame_before { BEHIND_NOTHING, BEHIND_HEAD, BEHIND_OPEN_HEAD, BEHIND_END };

/** A frame; `doc` says what is wrong with it. */
struct bad_frame {
    const char *name;
    const char *doc;
    uint8_t type;
    uint8_t flags;
    enum frame_stream on;
    struct str payload;
    enum frame_before before;
};

/** 200, and GET http://a/: fields of HPACK's static table, one literal. */
#define HPACK_200 "\x88"
#define HPACK_GET                                                                                  \
    "\x82\x86\x84\x01\x01"                                                                         \
    "a"

#define BAD_FRAMES(X)                                                                              \
    X(PING_SIZE, "ping-size", "PING of 7 bytes", NGHTTP2_PING, 0, ON_CONNECTION,                   \
      STR_INIT("goto-ru"))                                                                         \
    X(PING_STREAM, "ping-stream", "PING on a stream", NGHTTP2_PING, 0, ON_REQUEST,                 \
      STR_INIT("goto-run"))                                                                        \
    X(SETTINGS_SIZE, "settings-size", "SETTINGS of 5 bytes", NGHTTP2_SETTINGS, 0, ON_CONNECTION,   \
      STR_INIT("\0\3\0\0\0"))                                                                      \
    X(SETTINGS_ACK, "settings-ack", "an acknowledgement of SETTINGS with a payload",               \
      NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, ON_CONNECTION, STR_INIT("\0\3\0\0\0\1"))                 \
    X(SETTINGS_STREAM, "settings-stream", "SETTINGS on a stream", NGHTTP2_SETTINGS, 0, ON_REQUEST, \
      STR_INIT(""))                                                                                \
    X(WINDOW_SIZE, "window-size", "WINDOW_UPDATE of 3 bytes", NGHTTP2_WINDOW_UPDATE, 0,            \
      ON_CONNECTION, STR_INIT("\0\0\1"))                                                           \
    X(WINDOW_ZERO, "window-zero", "WINDOW_UPDATE by nothing", NGHTTP2_WINDOW_UPDATE, 0,            \
      ON_CONNECTION, STR_INIT("\0\0\0\0"))                                                         \
    X(WINDOW_OVERFLOW, "window-overflow", "WINDOW_UPDATE beyond the largest window",               \
      NGHTTP2_WINDOW_UPDATE, 0, ON_CONNECTION, STR_INIT("\x7f\xff\xff\xff"))                       \
    X(WINDOW_STREAM_ZERO, "window-stream-zero", "WINDOW_UPDATE of a stream by nothing",            \
      NGHTTP2_WINDOW_UPDATE, 0, ON_REQUEST, STR_INIT("\0\0\0\0"))                                  \
    X(WINDOW_STREAM_OVERFLOW, "window-stream-overflow",                                            \
      "WINDOW_UPDATE of a stream beyond the largest window", NGHTTP2_WINDOW_UPDATE, 0, ON_REQUEST, \
      STR_INIT("\x7f\xff\xff\xff"))                                                                \
    X(WINDOW_IDLE, "window-idle", "WINDOW_UPDATE on a stream that nobody opened",                  \
      NGHTTP2_WINDOW_UPDATE, 0, ON_IDLE, STR_INIT("\0\0\0\1"))                                     \
    X(RST_STREAM_IDLE, "rst-stream-idle", "RST_STREAM on a stream that nobody opened",             \
      NGHTTP2_RST_STREAM, 0, ON_IDLE, STR_INIT("\0\0\0\x8"))                                       \
    X(RST_STREAM_ZERO, "rst-stream-zero", "RST_STREAM on stream 0", NGHTTP2_RST_STREAM, 0,         \
      ON_CONNECTION, STR_INIT("\0\0\0\x8"))                                                        \
    X(RST_STREAM_SIZE, "rst-stream-size", "RST_STREAM of 3 bytes", NGHTTP2_RST_STREAM, 0,          \
      ON_REQUEST, STR_INIT("\0\0\x8"))                                                             \
    X(GOAWAY_STREAM, "goaway-stream", "GOAWAY on a stream", NGHTTP2_GOAWAY, 0, ON_REQUEST,         \
      STR_INIT("\0\0\0\0\0\0\0\0"))                                                                \
    X(GOAWAY_SIZE, "goaway-size", "GOAWAY of 7 bytes", NGHTTP2_GOAWAY, 0, ON_CONNECTION,           \
      STR_INIT("\0\0\0\0\0\0\0"))                                                                  \
    X(DATA_ZERO, "data-zero", "DATA on stream 0", NGHTTP2_DATA, 0, ON_CONNECTION,                  \
      STR_INIT("data"))                                                                            \
    X(DATA_FIRST, "data-first", "DATA before HEADERS", NGHTTP2_DATA, 0, ON_REQUEST,                \
      STR_INIT("data"))                                                                            \
    X(DATA_PADDING, "data-padding", "DATA with more padding than payload", NGHTTP2_DATA,           \
      NGHTTP2_FLAG_PADDED, ON_REQUEST,                                                             \
      STR_INIT("\xff"                                                                              \
               "data"),                                                                            \
      BEHIND_HEAD)                                                                                 \
    X(DATA_SIZE, "data-size", "DATA of 16385 bytes, one too many", NGHTTP2_DATA, 0, ON_REQUEST,    \
      STR_INIT(""), BEHIND_HEAD)                                                                   \
    X(DATA_IDLE, "data-idle", "DATA on a stream that nobody opened", NGHTTP2_DATA, 0, ON_IDLE,     \
      STR_INIT("data"))                                                                            \
    X(DATA_CLOSED, "data-closed", "DATA behind the end of an answer without a body", NGHTTP2_DATA, \
      0, ON_REQUEST, STR_INIT("data"), BEHIND_END)                                                 \
    X(FRAME_LENGTH, "frame-length", "the head of a frame of 16777215 bytes", NGHTTP2_DATA, 0,      \
      ON_REQUEST, STR_INIT(""))                                                                    \
    X(UNKNOWN_TYPE, "unknown-type", "a frame of type 250: clients have to ignore it", 250, 0,      \
      ON_REQUEST, STR_INIT("goto-run"))                                                            \
    X(HEADERS_ZERO, "headers-zero", "HEADERS on stream 0", NGHTTP2_HEADERS,                        \
      NGHTTP2_FLAG_END_HEADERS, ON_CONNECTION, STR_INIT(HPACK_200))                                \
    X(HEADERS_EVEN, "headers-even", "HEADERS on stream 2, which nobody opened", NGHTTP2_HEADERS,   \
      NGHTTP2_FLAG_END_HEADERS, ON_EVEN, STR_INIT(HPACK_200))                                      \
    X(HEADERS_OPEN, "headers-open", "HEADERS that are not over when the next frame comes",         \
      NGHTTP2_HEADERS, 0, ON_REQUEST, STR_INIT(HPACK_200))                                         \
    X(HEADERS_CLOSED, "headers-closed", "HEADERS behind the end of an answer without a body",      \
      NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT(HPACK_200), BEHIND_END)      \
    X(NO_STATUS, "no-status", "HEADERS without :status", NGHTTP2_HEADERS,                          \
      NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT("\0\3x-a\1b"))                                \
    X(UPPER_CASE, "upper-case", "HEADERS with a name in upper case", NGHTTP2_HEADERS,              \
      NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT(HPACK_200 "\0\3X-A\1b"))                      \
    X(CONNECTION_HEADER, "connection-header", "HEADERS with connection: close, which is HTTP/1",   \
      NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, ON_REQUEST,                                       \
      STR_INIT(HPACK_200 "\0\12connection\5close"))                                                \
    X(PSEUDO_LATE, "pseudo-late", "HEADERS with :status behind another header", NGHTTP2_HEADERS,   \
      NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT("\0\3x-a\1b" HPACK_200))                      \
    X(PSEUDO_TWICE, "pseudo-twice", "HEADERS with two :status", NGHTTP2_HEADERS,                   \
      NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT(HPACK_200 HPACK_200))                         \
    X(PSEUDO_UNKNOWN, "pseudo-unknown", "HEADERS with a pseudo-header that is none",               \
      NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT(HPACK_200 "\0\2:x\1y"))      \
    X(INFORMATIONAL_END, "informational-end", "HEADERS of a 103 that end the stream",              \
      NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, ON_REQUEST,             \
      STR_INIT("\x8\3"                                                                             \
               "103"))                                                                             \
    X(TRAILERS_PSEUDO, "trailers-pseudo", "trailers with :status", NGHTTP2_HEADERS,                \
      NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, ON_REQUEST, STR_INIT(HPACK_200),         \
      BEHIND_HEAD)                                                                                 \
    X(TRAILERS_OPEN, "trailers-open", "trailers that do not end the stream", NGHTTP2_HEADERS,      \
      NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT("\0\3x-a\1b"), BEHIND_HEAD)                   \
    X(CONTINUATION_STREAM, "continuation-stream", "CONTINUATION on another stream than HEADERS",   \
      NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, ON_IDLE, STR_INIT(""), BEHIND_OPEN_HEAD)     \
    X(CONTINUATION_DATA, "continuation-data", "DATA where CONTINUATION has to come", NGHTTP2_DATA, \
      0, ON_REQUEST, STR_INIT("data"), BEHIND_OPEN_HEAD)                                           \
    X(CONTINUATION, "continuation", "CONTINUATION without HEADERS", NGHTTP2_CONTINUATION,          \
      NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT(HPACK_200))                                   \
    X(PUSH_PROMISE, "push-promise", "PUSH_PROMISE, which most clients do not allow",               \
      NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, ON_REQUEST, STR_INIT("\0\0\0\2" HPACK_GET))  \
    X(PRIORITY_SELF, "priority-self", "PRIORITY of a stream that depends on itself",               \
      NGHTTP2_PRIORITY, 0, ON_REQUEST, STR_INIT(""))                                               \
    X(PRIORITY_SIZE, "priority-size", "PRIORITY of 4 bytes", NGHTTP2_PRIORITY, 0, ON_REQUEST,      \
      STR_INIT("\0\0\0\0"))                                                                        \
    X(PING_ACK, "ping-ack", "an answer to a PING that never came: most clients ignore it",         \
      NGHTTP2_PING, NGHTTP2_FLAG_ACK, ON_CONNECTION, STR_INIT("goto-run"))

#define KIND(id, ...) BAD_##id,
enum bad_frame_kind { BAD_FRAMES(KIND) };
#define CHOICE(id, name, doc, ...) {name, BAD_##id, doc},
const struct choice fault_frame_choices[] = {BAD_FRAMES(CHOICE){NULL}};
#define ROW(id, ...) [BAD_##id] = {__VA_ARGS__},
static const struct bad_frame bad_frames[] = {BAD_FRAMES(ROW)};

enum {
    TOO_LONG = 16385,    /* the largest frame without SETTINGS that allow more, and one byte */
    LONGEST = 16777215,  /* what the length in a frame's head can say */
    IDLE_ID = INT32_MAX, /* no client opens so many streams */
    OPEN = 0,
    END_HEAD = NGHTTP2_FLAG_END_HEADERS,
    END_ALL = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
};

static uint32_t frame_stream_id(const struct bad_frame *bad, uint32_t stream_id)
{
    const uint32_t ids[] = {
        [ON_CONNECTION] = 0, [ON_REQUEST] = stream_id, [ON_EVEN] = 2, [ON_IDLE] = IDLE_ID};
    return ids[bad->on];
}

void fault_frames_bad(int kind, uint32_t stream_id, struct buf *into)
{
    static const char zeros[TOO_LONG];
    static const uint8_t before[] = {
        [BEHIND_HEAD] = END_HEAD, [BEHIND_OPEN_HEAD] = OPEN, [BEHIND_END] = END_ALL};
    const struct bad_frame *bad = &bad_frames[kind];
    uint32_t id = frame_stream_id(bad, stream_id);
    struct str payload = kind == BAD_DATA_SIZE ? (struct str){zeros, TOO_LONG} : bad->payload;
    if (bad->before != BEHIND_NOTHING)
        append_frame(into, NGHTTP2_HEADERS, before[bad->before], stream_id, STR(HPACK_200));
    if (kind == BAD_FRAME_LENGTH) {
        append_head(into, LONGEST, bad->type, bad->flags, id);
    } else if (kind == BAD_PRIORITY_SELF) {
        append_head(into, 5, bad->type, bad->flags, id);
        append_number(into, id, 4);
        append_number(into, 15, 1);
    } else {
        append_frame(into, bad->type, bad->flags, id, payload);
    }
}

/* continuation-flood */

void fault_frames_continuations(uint32_t stream_id, struct buf *first, struct buf *again,
                                struct buf *last)
{
    append_frame(first, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, stream_id, STR(HPACK_200));
    /* a literal that no table keeps: "x-flood: goto-run" */
    append_frame(again, NGHTTP2_CONTINUATION, 0, stream_id, STR("\0\7x-flood\10goto-run"));
    append_frame(last, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, stream_id, STR(""));
}

/* empty-data-flood */

void fault_frames_empty_data(uint32_t stream_id, struct buf *first, struct buf *again,
                             struct buf *last)
{
    append_frame(first, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream_id, STR(HPACK_200));
    append_frame(again, NGHTTP2_DATA, 0, stream_id, STR(""));
    append_frame(last, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream_id, STR(""));
}
