/*
 * The faults of HTTP/2 (LANGUAGE 7): the row of each name, and what it does. Frames that break
 * rules are in fault_frames.c.
 */
#include "server/fault/fault_how.h"

#include "server/fault/fault_frames.h"
#include "server/fault/fault_private.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

static uint32_t stream_before(uint32_t id)
{
    return id > 2 ? id - 2 : 0;
}

/* goaway */

struct fault_goaway {
    uint32_t code;
    int64_t last; /**< H2_LAST_SEEN: the stream before the request's */
    struct str debug;
};

static void goaway_preset(void *into)
{
    ((struct fault_goaway *)into)->last = H2_LAST_SEEN;
}

static const struct row goaway_rows[] = {
    {"code", &h2_code_type, offsetof(struct fault_goaway, code), ROW_REQUIRED, NULL,
     "A code of RFC 9113 by name, or any number."},
    {"last-stream-id", &h2_last_type, offsetof(struct fault_goaway, last), 0,
     "the stream before the request's",
     "Requests up to this stream are answered, later ones are not."},
    {"debug", &type_text, offsetof(struct fault_goaway, debug), 0, NULL,
     "The additional debug data."},
};
static const struct table goaway_table = {
    TABLE_ROWS("goaway fault", goaway_rows),
    .doc = "GOAWAY when a request comes. Without `last-stream-id` this request is not answered; "
           "the connection ends once those before it are.",
    .shorthand = "code",
    .preset = goaway_preset,
};
static const struct type goaway_type = TYPE_TABLE(&goaway_table, struct fault_goaway);

static bool goaway_answer(struct exchange *exchange, const struct fault_config *config)
{
    const struct fault_goaway *goaway = config->kind.value;
    uint32_t id = h2_stream_id(exchange);
    int64_t last = goaway->last == H2_LAST_SEEN ? (int64_t)stream_before(id) : goaway->last;
    /* nghttp2 closes the streams beyond the last one: behind that the exchange is gone */
    h2_goaway_finish(exchange->stream, goaway->code, last, goaway->debug);
    return last < (int64_t)id;
}

static const struct fault_how goaway = {.speaks = h2_is, .answer = goaway_answer};

/* rst-stream */

struct fault_reset {
    uint32_t code;
    int64_t at; /**< RESET_AT_START, or so many bytes of the body */
};
enum { RESET_AT_START = -1, RESET_AT_HEADERS = 0 };

static enum read_result at_read(struct reader *reader, const struct type *type,
                                const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    uint64_t size = 0;
    (void)type;
    if (str_is(text, "start") || str_is(text, "headers")) {
        *(int64_t *)into = str_is(text, "start") ? RESET_AT_START : RESET_AT_HEADERS;
        return READ_OK;
    }
    if (node->kind == NODE_STRING && text.size && (text.data[0] < '0' || text.data[0] > '9'))
        return reader_expected(reader, node, type->name);
    enum read_result result = reader_read(reader, &type_size, node, &size);
    if (result == READ_OK)
        *(int64_t *)into = size < INT64_MAX ? (int64_t)size : INT64_MAX;
    return result;
}

static struct json *at_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_text(writer, "{\"enum\": [\"start\", \"headers\"]}"),
                         schema_of(writer, &type_size));
}

static const struct type at_type = {
    .name = "start, headers, or a size of the body",
    .size = sizeof(int64_t),
    .read = at_read,
    .schema = at_schema,
};

static void reset_preset(void *into)
{
    ((struct fault_reset *)into)->at = RESET_AT_START;
}

static const struct row reset_rows[] = {
    {"code", &h2_code_type, offsetof(struct fault_reset, code), ROW_REQUIRED, NULL,
     "A code of RFC 9113 by name, or any number."},
    {"at", &at_type, offsetof(struct fault_reset, at), 0, "start",
     "`start`: in place of the answer; `headers`: behind its HEADERS; a size: behind so many bytes "
     "of its body, or where its end would be."},
};
static const struct table reset_table = {
    TABLE_ROWS("rst-stream fault", reset_rows),
    .doc = "RST_STREAM on the stream of the request.",
    .shorthand = "code",
    .preset = reset_preset,
};
static const struct type reset_type = TYPE_TABLE(&reset_table, struct fault_reset);

static bool reset_answer(struct exchange *exchange, const struct fault_config *config)
{
    const struct fault_reset *reset = config->kind.value;
    if (reset->at == RESET_AT_START) {
        h2_reset(exchange, reset->code);
        return true;
    }
    h2_cut_within(exchange, H2_CUT_RESET, reset->code, (uint64_t)reset->at);
    return false;
}

static bool reset_is_within(const struct fault_config *config)
{
    return ((const struct fault_reset *)config->kind.value)->at != RESET_AT_START;
}

static const struct fault_how reset = {
    .speaks = h2_is, .answer = reset_answer, .within = reset_is_within};

/* settings, max-streams, window */

/** One key of `settings`, its id, and what is announced again when the fault is lifted. */
struct setting_kind {
    const char *key;
    uint16_t id;
    uint32_t usual;
};
static const struct setting_kind setting_kinds[] = {
    {"header-table-size", NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 4096},
    {"enable-push", NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    {"max-concurrent-streams", NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100},
    {"initial-window-size", NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535},
    {"max-frame-size", NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16384},
    {"max-header-list-size", NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UINT32_MAX},
    {"enable-connect-protocol", NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0},
    {"no-rfc7540-priorities", NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 0},
};
enum { SETTING_KINDS = COUNT_OF(setting_kinds) };
_Static_assert((int)SETTING_KINDS <= (int)H2_MOST_SETTINGS, "one frame holds them all");

/** The values by setting_kinds; NOT_SET where the spec has none. */
struct fault_settings {
    int64_t values[SETTING_KINDS];
};
enum { NOT_SET = -1 };

static enum read_result value_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    uint64_t value = 0;
    if (node->kind != NODE_NUMBER || !str_to_u64(node_scalar_text(node), UINT32_MAX, &value))
        return reader_expected(reader, node, type->name);
    *(int64_t *)into = (int64_t)value;
    return READ_OK;
}

static struct json *value_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_or_variable(
        writer,
        schema_text(writer, "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 4294967295}"));
}

static const struct type value_type = {
    .name = "a whole number from 0 to 4294967295",
    .size = sizeof(int64_t),
    .read = value_read,
    .schema = value_schema,
};

static void settings_preset(void *into)
{
    struct fault_settings *settings = into;
    for (size_t i = 0; i < SETTING_KINDS; i++)
        settings->values[i] = NOT_SET;
}

#define SETTING(key, at, doc)                                                                      \
    {                                                                                              \
        key, &value_type, offsetof(struct fault_settings, values[at]), 0, NULL, doc                \
    }
static const struct row settings_rows[] = {
    SETTING("header-table-size", 0, "How much of HPACK's table the client may use."),
    SETTING("enable-push", 1, "1 is what no server may say; above 1 nobody."),
    SETTING("max-concurrent-streams", 2, "Requests at a time; those beyond are refused."),
    SETTING("initial-window-size", 3,
            "Bytes of a request's body before the first WINDOW_UPDATE; above 2147483647 illegal."),
    SETTING("max-frame-size", 4, "The longest payload of a frame; below 16384 illegal."),
    SETTING("max-header-list-size", 5, "A hint; our limit is `limits.header-size`."),
    SETTING("enable-connect-protocol", 6, "Above 1 illegal."),
    SETTING("no-rfc7540-priorities", 7, "Above 1 illegal."),
};
static const struct table settings_table = {
    TABLE_ROWS("settings fault", settings_rows),
    .doc = "What SETTINGS announce, as it is written here, also if it is illegal: in the first "
           "frame of a connection, or in a further one on those that live.",
    .preset = settings_preset,
};
static const struct type settings_type = TYPE_TABLE(&settings_table, struct fault_settings);

/** What the settings say; with `usual` what is said again when they are lifted. */
static size_t settings_list(const struct fault_settings *settings, bool usual,
                            struct h2_setting list[SETTING_KINDS])
{
    size_t count = 0;
    for (size_t i = 0; i < SETTING_KINDS; i++) {
        if (settings->values[i] == NOT_SET)
            continue;
        list[count].id = setting_kinds[i].id;
        list[count++].value = usual ? setting_kinds[i].usual : (uint32_t)settings->values[i];
    }
    return count;
}

/** Puts one into what a connection begins with; a later fault wins. */
static void begin_with(struct h2_begin *begin, struct h2_setting setting)
{
    size_t at = 0;
    while (at < begin->setting_count && begin->settings[at].id != setting.id)
        at++;
    if (at == H2_MOST_SETTINGS)
        return;
    begin->settings[at] = setting;
    begin->setting_count += at == begin->setting_count;
}

static void settings_begin(struct stream *stream, const struct fault_config *config,
                           struct h2_begin *begin)
{
    struct h2_setting list[SETTING_KINDS];
    size_t count = settings_list(config->kind.value, false, list);
    (void)stream;
    for (size_t i = 0; i < count; i++)
        begin_with(begin, list[i]);
}

static void settings_live(struct stream *stream, const struct fault_config *config)
{
    struct h2_setting list[SETTING_KINDS];
    h2_settings(stream, list, settings_list(config->kind.value, false, list));
}

static void settings_lift(struct stream *stream, const struct fault_config *config)
{
    struct h2_setting list[SETTING_KINDS];
    h2_settings(stream, list, settings_list(config->kind.value, true, list));
}

static const struct fault_how settings = {.speaks = h2_is,
                                          .begin_h2 = settings_begin,
                                          .live = settings_live,
                                          .lift = settings_lift,
                                          .again = true};

/* A number: [int64_t] */

static struct h2_setting setting_of(const struct fault_config *config, uint16_t id)
{
    return (struct h2_setting){id, (uint32_t) * (const int64_t *)config->kind.value};
}

static void streams_begin(struct stream *stream, const struct fault_config *config,
                          struct h2_begin *begin)
{
    (void)stream;
    begin_with(begin, setting_of(config, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
}

static void streams_live(struct stream *stream, const struct fault_config *config)
{
    struct h2_setting setting = setting_of(config, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    h2_settings(stream, &setting, 1);
}

static void streams_lift(struct stream *stream, const struct fault_config *config)
{
    struct h2_setting setting = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100};
    (void)config;
    h2_settings(stream, &setting, 1);
}

static const struct fault_how max_streams = {.speaks = h2_is,
                                             .begin_h2 = streams_begin,
                                             .live = streams_live,
                                             .lift = streams_lift,
                                             .again = true};

static void window_begin(struct stream *stream, const struct fault_config *config,
                         struct h2_begin *begin)
{
    (void)stream;
    begin->no_window = true;
    begin_with(begin, setting_of(config, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE));
}

static void window_live(struct stream *stream, const struct fault_config *config)
{
    struct h2_setting setting = setting_of(config, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
    h2_hold_window(stream, true);
    h2_settings(stream, &setting, 1);
}

static void window_lift(struct stream *stream, const struct fault_config *config)
{
    struct h2_setting setting = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535};
    (void)config;
    h2_settings(stream, &setting, 1);
    h2_hold_window(stream, false);
}

static const struct fault_how window = {.speaks = h2_is,
                                        .begin_h2 = window_begin,
                                        .live = window_live,
                                        .lift = window_lift,
                                        .again = true,
                                        .joint = true};

/* no-settings */

static void no_settings_begin(struct stream *stream, const struct fault_config *config,
                              struct h2_begin *begin)
{
    (void)stream;
    (void)config;
    begin->no_settings = true;
}

static const struct fault_how no_settings = {.speaks = h2_is, .begin_h2 = no_settings_begin};

/* no-ack */

struct fault_no_ack {
    int kind;
};
enum { NO_ACK_SETTINGS, NO_ACK_PING };

static const struct choice no_ack_choices[] = {
    {"settings", NO_ACK_SETTINGS, "SETTINGS"},
    {"ping", NO_ACK_PING, "PING"},
    {NULL},
};
static const struct type no_ack_kinds = TYPE_CHOICE(no_ack_choices);
static const struct type no_ack_or_true = FAULT_OR_TRUE(&no_ack_kinds, int, "a name of these");
static const struct row no_ack_rows[] = {
    {"kind", &no_ack_or_true, offsetof(struct fault_no_ack, kind), 0, "settings",
     "Which frames of the client."},
};
static const struct table no_ack_table = {
    TABLE_ROWS("no-ack", no_ack_rows),
    .doc = "Frames of the client that are not acknowledged, nor once the fault is lifted.",
    .shorthand = "kind",
    .empty_allowed = true,
};
static const struct type no_ack_type = TYPE_TABLE(&no_ack_table, struct fault_no_ack);

static struct h2_silence silence_of(const struct fault_config *config)
{
    const struct fault_no_ack *no_ack = config->kind.value;
    return (struct h2_silence){.settings = no_ack->kind == NO_ACK_SETTINGS,
                               .ping = no_ack->kind == NO_ACK_PING};
}

static void no_ack_begin(struct stream *stream, const struct fault_config *config,
                         struct h2_begin *begin)
{
    struct h2_silence silence = silence_of(config);
    (void)stream;
    begin->silence.settings |= silence.settings;
    begin->silence.ping |= silence.ping;
}

static void no_ack_live(struct stream *stream, const struct fault_config *config)
{
    h2_silence(stream, silence_of(config), true);
}

static void no_ack_lift(struct stream *stream, const struct fault_config *config)
{
    h2_silence(stream, silence_of(config), false);
}

static const struct fault_how no_ack = {.speaks = h2_is,
                                        .begin_h2 = no_ack_begin,
                                        .live = no_ack_live,
                                        .lift = no_ack_lift,
                                        .again = true};

/* Floods */

struct fault_flood {
    uint64_t count;
    int64_t every_ns;
};
enum { FLOOD_USUAL = 10000, FLOOD_MOST = 1000000 };

static enum read_result count_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    uint64_t count = 0;
    if (!node_is_scalar(node) || !str_to_u64(node_scalar_text(node), FLOOD_MOST, &count) || !count)
        return reader_expected(reader, node, type->name);
    *(uint64_t *)into = count;
    return READ_OK;
}

static struct json *count_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_or_variable(
        writer,
        schema_text(writer, "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 1000000}"));
}

static const struct type count_type = {
    .name = "a number of frames from 1 to 1000000",
    .size = sizeof(uint64_t),
    .read = count_read,
    .schema = count_schema,
};
static const struct type count_or_true =
    FAULT_OR_TRUE(&count_type, uint64_t, "a number of frames from 1 to 1000000");

static void flood_preset(void *into)
{
    ((struct fault_flood *)into)->count = FLOOD_USUAL;
}

static const struct row flood_rows[] = {
    {"count", &count_or_true, offsetof(struct fault_flood, count), 0, "10000", "Frames."},
    {"every", &type_time, offsetof(struct fault_flood, every_ns), 0, "0ms",
     "From one frame to the next; 0 = as fast as the client takes them."},
};
static const struct table flood_table = {
    TABLE_ROWS("flood", flood_rows),
    .doc = "One frame again and again.",
    .shorthand = "count",
    .preset = flood_preset,
    .empty_allowed = true,
};
static const struct type flood_type = TYPE_TABLE(&flood_table, struct fault_flood);

static struct h2_flood flood_of(const struct fault_config *config, struct str frame, bool answered)
{
    const struct fault_flood *flood = config->kind.value;
    return (struct h2_flood){
        .frame = frame, .count = flood->count, .every_ns = flood->every_ns, .settings = answered};
}

static struct h2_flood ping_flood_of(const struct fault_config *config)
{
    return flood_of(config, STR("\0\0\x8\x6\0\0\0\0\0goto-run"), false);
}

static void ping_begin(struct stream *stream, const struct fault_config *config,
                       struct h2_begin *begin)
{
    struct h2_flood flood = ping_flood_of(config);
    (void)stream;
    h2_begin_flood(begin, &flood, config);
}

static void ping_live(struct stream *stream, const struct fault_config *config)
{
    struct h2_flood flood = ping_flood_of(config);
    h2_flood(stream, &flood, config);
}

static struct h2_flood settings_flood_of(const struct fault_config *config)
{
    return flood_of(config, STR("\0\0\0\x4\0\0\0\0\0"), true);
}

static void settings_flood_begin(struct stream *stream, const struct fault_config *config,
                                 struct h2_begin *begin)
{
    struct h2_flood flood = settings_flood_of(config);
    (void)stream;
    h2_begin_flood(begin, &flood, config);
}

static void settings_flood_live(struct stream *stream, const struct fault_config *config)
{
    struct h2_flood flood = settings_flood_of(config);
    h2_flood(stream, &flood, config);
}

static void flood_lift(struct stream *stream, const struct fault_config *config)
{
    h2_flood_end(stream, config);
}

static const struct fault_how ping_flood = {
    .speaks = h2_is, .begin_h2 = ping_begin, .live = ping_live, .lift = flood_lift};
static const struct fault_how settings_flood = {.speaks = h2_is,
                                                .begin_h2 = settings_flood_begin,
                                                .live = settings_flood_live,
                                                .lift = flood_lift};

/** Answers a request by a flood. */
static bool flood_answer(struct exchange *exchange, const struct fault_config *config,
                         void (*frames)(uint32_t stream_id, struct buf *first, struct buf *again,
                                        struct buf *last))
{
    struct stream *stream = exchange->stream;
    struct buf first;
    struct buf frame;
    struct buf last;
    struct h2_flood flood;
    buf_init(&first, BUF_OWN);
    buf_init(&frame, BUF_OWN);
    buf_init(&last, BUF_OWN);
    frames(h2_stream_id(exchange), &first, &frame, &last);
    flood = flood_of(config, buf_str(&frame), false);
    flood.first = buf_str(&first);
    flood.last = buf_str(&last);
    flood.whole = true;
    stream_enter(stream);
    h2_flood(stream, &flood, config);
    /* it ends the stream for the client; here a reset does so that waits behind it */
    if (!stream->closing)
        h2_reset(exchange, NGHTTP2_NO_ERROR);
    stream_leave(stream);
    buf_clear(&first);
    buf_clear(&frame);
    buf_clear(&last);
    return true;
}

static bool continuation_answer(struct exchange *exchange, const struct fault_config *config)
{
    return flood_answer(exchange, config, fault_frames_continuations);
}

static bool empty_data_answer(struct exchange *exchange, const struct fault_config *config)
{
    return flood_answer(exchange, config, fault_frames_empty_data);
}

static const struct fault_how continuation_flood = {.speaks = h2_is, .answer = continuation_answer};
static const struct fault_how empty_data_flood = {.speaks = h2_is, .answer = empty_data_answer};

/* bad-hpack, bad-frame */

struct fault_bytes {
    int kind;
};

static const struct type bad_hpack_kinds = TYPE_CHOICE(fault_hpack_choices);
static const struct type bad_hpack_or_true =
    FAULT_OR_TRUE(&bad_hpack_kinds, int, "a name of these");
static const struct row bad_hpack_rows[] = {
    {"kind", &bad_hpack_or_true, offsetof(struct fault_bytes, kind), 0, "index",
     "What is wrong with it."},
};
static const struct table bad_hpack_table = {
    TABLE_ROWS("bad-hpack", bad_hpack_rows),
    .doc = "HEADERS whose block cannot be decoded, in place of the answer.",
    .shorthand = "kind",
    .empty_allowed = true,
};
static const struct type bad_hpack_type = TYPE_TABLE(&bad_hpack_table, struct fault_bytes);

static bool bad_hpack_answer(struct exchange *exchange, const struct fault_config *config)
{
    const struct fault_bytes *bytes = config->kind.value;
    struct stream *stream = exchange->stream;
    struct buf frames;
    buf_init(&frames, BUF_OWN);
    fault_frames_bad_hpack(bytes->kind, h2_stream_id(exchange), &frames);
    stream_enter(stream);
    exchange_cut(exchange, CLOSE_KEEP);
    h2_raw(stream, buf_str(&frames));
    stream_leave(stream);
    buf_clear(&frames);
    return true;
}

static const struct fault_how bad_hpack = {.speaks = h2_is, .answer = bad_hpack_answer};

static const struct type bad_frame_kinds = TYPE_CHOICE(fault_frame_choices);
static const struct type bad_frame_or_true =
    FAULT_OR_TRUE(&bad_frame_kinds, int, "a name of these");
static const struct row bad_frame_rows[] = {
    {"kind", &bad_frame_or_true, offsetof(struct fault_bytes, kind), 0, "ping-size",
     "What is wrong with it."},
};
static const struct table bad_frame_table = {
    TABLE_ROWS("bad-frame", bad_frame_rows),
    .doc = "A frame that breaks a rule, before the answer.",
    .shorthand = "kind",
    .empty_allowed = true,
};
static const struct type bad_frame_type = TYPE_TABLE(&bad_frame_table, struct fault_bytes);

static bool bad_frame_answer(struct exchange *exchange, const struct fault_config *config)
{
    const struct fault_bytes *bytes = config->kind.value;
    struct stream *stream = exchange->stream;
    struct buf frames;
    buf_init(&frames, BUF_OWN);
    fault_frames_bad(bytes->kind, h2_stream_id(exchange), &frames);
    stream_enter(stream);
    h2_raw(stream, buf_str(&frames));
    bool gone = stream->closing;
    stream_leave(stream);
    buf_clear(&frames);
    return gone;
}

static const struct fault_how bad_frame = {.speaks = h2_is, .answer = bad_frame_answer};

/* The rows */

#define REQUEST(key, type, doc, how_pointer)                                                       \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_HTTP2, .on_route = true, .each_request = true, .how = (how_pointer)     \
        }                                                                                          \
    }
#define CONNECTION(key, type, doc, how_pointer, route)                                             \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_HTTP2, .on_route = (route), .how = (how_pointer)                        \
        }                                                                                          \
    }

const struct member fault_http2_members[] = {
    REQUEST("goaway", &goaway_type, "GOAWAY in place of the answer, and the end of the connection.",
            &goaway),
    REQUEST("rst-stream", &reset_type, "RST_STREAM in place of the answer, or within it.", &reset),
    CONNECTION("settings", &settings_type, "SETTINGS with these values, legal or not.", &settings,
               true),
    CONNECTION("window", &value_type,
               "Requests' bodies get so many bytes and no WINDOW_UPDATE: the client starves.",
               &window, true),
    CONNECTION("ping-flood", &flood_type, "PING again and again.", &ping_flood, true),
    CONNECTION("settings-flood", &flood_type, "Empty SETTINGS again and again.", &settings_flood,
               true),
    REQUEST("continuation-flood", &flood_type,
            "An answer whose head comes in that many CONTINUATION frames.", &continuation_flood),
    REQUEST("empty-data-flood", &flood_type,
            "An answer whose body is that many DATA frames with nothing in them.",
            &empty_data_flood),
    REQUEST("bad-hpack", &bad_hpack_type, "An answer whose head cannot be decoded.", &bad_hpack),
    REQUEST("bad-frame", &bad_frame_type, "A frame that breaks a rule, before the answer.",
            &bad_frame),
    CONNECTION("no-settings", &type_true, "The connection begins without SETTINGS.", &no_settings,
               false),
    CONNECTION("no-ack", &no_ack_type, "SETTINGS or PING of the client are not acknowledged.",
               &no_ack, true),
    CONNECTION("max-streams", &value_type,
               "SETTINGS allow so many requests at a time; those beyond are refused.", &max_streams,
               true),
    {0},
};
