/*
 * The faults of HTTP/1 (LANGUAGE 7): the row of each name, and what it makes wrong of an answer.
 * How that gets onto the wire is in server/http/h1_flaw.c.
 */
#include "server/fault/fault_how.h"

#include "server/fault/fault_lines.h"
#include "server/fault/fault_private.h"

#include <string.h>

/*
 * What of an answer a fault decides. Of two that decide the same, the first of the list strikes.
 */
enum part {
    PART_STATUS_LINE = 1,
    PART_FIELDS = 2,
    PART_FLOOD = 4,
    PART_END_OF_HEAD = 8,
    PART_FRAMING = 16,
    PART_BODY = 32,
    PART_EXTRA = 64,
    PART_MADE = PART_STATUS_LINE | PART_FIELDS | PART_FLOOD | PART_END_OF_HEAD | PART_FRAMING,
    PART_BEHIND_HEAD = PART_FRAMING | PART_BODY | PART_EXTRA,
    PART_ALL = 127,
};

/** Whether none of the parts is taken by a fault before. */
static bool is_untaken(const struct exchange *exchange, unsigned parts)
{
    const struct h1_flaws *flaws = h1_flaws_of(exchange);
    return !flaws || !(flaws->parts & parts);
}

/** The same, and the answer has these parts: one that is written by hand goes out as it is. */
static bool leaves(const struct exchange *exchange, unsigned parts)
{
    return !(exchange->by_hand && (parts & PART_MADE)) && is_untaken(exchange, parts);
}

static struct h1_flaws *take(struct exchange *exchange, unsigned parts)
{
    struct h1_flaws *flaws = h1_flaws(exchange);
    flaws->parts |= parts;
    return flaws;
}

/** The two functions of a name that always decides the same parts. */
#define FITS(name, parts)                                                                          \
    static bool name##_fits(const struct exchange *exchange, const struct fault_config *config)    \
    {                                                                                              \
        (void)config;                                                                              \
        return leaves(exchange, (parts));                                                          \
    }
#define HOW(name)                                                                                  \
    static const struct fault_how name = {                                                         \
        .speaks = h1_is, .fits = name##_fits, .answer = name##_answer}

/* A size within bounds: [uint64_t] */

struct size_bounds {
    uint64_t least;
    uint64_t most;
};

static enum read_result bounded_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    const struct size_bounds *bounds = type->extra;
    uint64_t size = 0;
    if (!node_is_scalar(node) || !units_read_size(node_scalar_text(node), &size) ||
        size < bounds->least || size > bounds->most)
        return reader_expected(reader, node, type->name);
    *(uint64_t *)into = size;
    return READ_OK;
}

#define BOUNDED_SIZE(least, most, text)                                                            \
    {                                                                                              \
        .name = (text), .size = sizeof(uint64_t), .read = bounded_read, .schema = type_of_schema,  \
        .of = &type_size, .extra = &(const struct size_bounds)                                     \
        {                                                                                          \
            (least), (most)                                                                        \
        }                                                                                          \
    }

/* truncate */

static enum read_result cut_read(struct reader *reader, const struct type *type,
                                 const struct node *node, void *into)
{
    struct h1_cut *cut = into;
    struct str text = node_scalar_text(node);
    if (text.size && text.data[text.size - 1] == '%') {
        cut->is_share = true;
        return reader_read(reader, &type_share, node, &cut->share);
    }
    cut->is_share = false;
    if (!node_is_scalar(node) || !units_read_size(text, &cut->at))
        return reader_expected(reader, node, type->name);
    return READ_OK;
}

static struct json *cut_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(writer, schema_of(writer, &type_share), schema_of(writer, &type_size));
}

static const struct type cut_type = {
    .name = "a share of the body such as 50%, or a size such as 100 or 4KiB",
    .size = sizeof(struct h1_cut),
    .read = cut_read,
    .schema = cut_schema,
};
static const struct type cut_or_true =
    FAULT_OR_TRUE(&cut_type, struct h1_cut, "a share of the body, or a size");

static void cut_preset(void *into)
{
    *(struct h1_cut *)into = (struct h1_cut){.cuts = true, .is_share = true, .share = 0.5};
}

static const struct row cut_rows[] = {
    {"at", &cut_or_true, 0, 0, "50%",
     "A share of the body, rounded down, or so many bytes; its last byte never comes."},
};
static const struct table cut_table = {
    TABLE_ROWS("truncate fault", cut_rows),
    .doc = "FIN within the body. The head is that of the whole answer. In chunks, FIN comes in "
           "place of a chunk's size. An answer without a body (HEAD, 204, none written) ends "
           "before the empty line of its head. Where the length is not known before "
           "(`stream`, chunks from elsewhere), what a share may leave out is held back, at most "
           "16 MiB.",
    .shorthand = "at",
    .preset = cut_preset,
    .empty_allowed = true,
};
static const struct type truncate_type = TYPE_TABLE(&cut_table, struct h1_cut);

FITS(cut, PART_BODY | PART_EXTRA)
static bool cut_answer(struct exchange *exchange, const struct fault_config *config)
{
    take(exchange, PART_BODY | PART_EXTRA)->cut = *(const struct h1_cut *)config->kind.value;
    return false;
}
HOW(cut);

/* empty-response, garbage */

static bool instead_fits(const struct exchange *exchange, const struct fault_config *config)
{
    (void)config;
    return is_untaken(exchange, PART_ALL);
}
static bool empty_answer(struct exchange *exchange, const struct fault_config *config)
{
    (void)config;
    take(exchange, PART_ALL)->instead = H1_NOTHING;
    return false;
}
static const struct fault_how empty = {
    .speaks = h1_is, .fits = instead_fits, .answer = empty_answer};

static const struct type garbage_size =
    BOUNDED_SIZE(1, UINT64_MAX, "a size such as 100 or 1KiB, and not 0");
static const struct type garbage_size_or_true =
    FAULT_OR_TRUE(&garbage_size, uint64_t, "a size, and not 0");

enum { GARBAGE_USUAL = 1024 };

static void garbage_preset(void *into)
{
    *(uint64_t *)into = GARBAGE_USUAL;
}

static const struct row garbage_rows[] = {
    {"size", &garbage_size_or_true, 0, 0, "1KiB", "Bytes."},
};
static const struct table garbage_table = {
    TABLE_ROWS("garbage fault", garbage_rows),
    .doc = "Random bytes in place of the answer, then FIN. The first one is 0x80 or more; the same "
           "seed draws the same for the same request.",
    .shorthand = "size",
    .preset = garbage_preset,
    .empty_allowed = true,
};
static const struct type garbage_type = TYPE_TABLE(&garbage_table, uint64_t);

static bool garbage_answer(struct exchange *exchange, const struct fault_config *config)
{
    struct h1_flaws *flaws = take(exchange, PART_ALL);
    const struct port *port = exchange->stream->port;
    struct str name = fault_config_name(config);
    struct str key = arena_printf(exchange_arena(exchange), "garbage " STR_FMT " " STR_FMT,
                                  STR_ARG(port->name), STR_ARG(name));
    flaws->instead = H1_GARBAGE;
    flaws->garbage = *(const uint64_t *)config->kind.value;
    flaws->random = random_for(port->server->seed, key, exchange->number);
    return false;
}
static const struct fault_how garbage = {
    .speaks = h1_is, .fits = instead_fits, .answer = garbage_answer};

/* Names with kinds: each one has its bytes. */

#define KIND_TABLE(name, choices, title, usual, text)                                              \
    static const struct type name##_kinds = TYPE_CHOICE(choices);                                  \
    static const struct type name##_or_true =                                                      \
        FAULT_OR_TRUE(&name##_kinds, int, "a name of these");                                      \
    static const struct row name##_rows[] = {                                                      \
        {"kind", &name##_or_true, 0, 0, usual, "What is wrong with it."},                          \
    };                                                                                             \
    static const struct table name##_table = {                                                     \
        TABLE_ROWS(title, name##_rows),                                                            \
        .doc = (text),                                                                             \
        .shorthand = "kind",                                                                       \
        .empty_allowed = true,                                                                     \
    };                                                                                             \
    static const struct type name##_type = TYPE_TABLE(&name##_table, int)

/* bad-status-line */

KIND_TABLE(
    status_line, fault_status_line_choices, "bad-status-line fault", "no-version",
    "A status line that is none; code and reason are those of the answer. All behind it, and "
    "what becomes of the connection, is as it would be.");

static unsigned status_line_parts(const struct fault_config *config)
{
    bool alone = fault_status_line(*(const int *)config->kind.value)->alone;
    return alone ? PART_ALL : PART_STATUS_LINE;
}

static bool status_line_fits(const struct exchange *exchange, const struct fault_config *config)
{
    return leaves(exchange, status_line_parts(config));
}

static bool status_line_answer(struct exchange *exchange, const struct fault_config *config)
{
    struct h1_flaws *flaws = take(exchange, status_line_parts(config));
    const struct fault_status_line *line = fault_status_line(*(const int *)config->kind.value);
    flaws->status_line = line->text;
    flaws->only_status_line = line->alone;
    return false;
}
HOW(status_line);

/* wrong-version */

static enum read_result version_read(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    struct str text = node_scalar_text(node);
    bool good = node_is_scalar(node) && text.size > 0;
    for (size_t i = 0; i < text.size; i++)
        good = good && (uint8_t)text.data[i] > ' ';
    if (!good)
        return reader_expected(reader, node, type->name);
    if (str_is(text, "HTTP/1.1")) {
        diagnostics_add(reader->diagnostics, node->place, "HTTP/1.1 is the right version");
        return READ_FAILED;
    }
    *(struct str *)into = text;
    return READ_OK;
}

static const struct type version_text = {
    .name = "a version such as HTTP/9.9, without blanks",
    .size = sizeof(struct str),
    .read = version_read,
    .schema = type_of_schema,
    .of = &type_text,
};
static const struct type version_or_true =
    FAULT_OR_TRUE(&version_text, struct str, "a version such as HTTP/9.9");

static void version_preset(void *into)
{
    *(struct str *)into = STR("HTTP/9.9");
}

static const struct row version_rows[] = {
    {"version", &version_or_true, 0, 0, "HTTP/9.9", "What stands there instead of HTTP/1.1."},
};
static const struct table version_table = {
    TABLE_ROWS("wrong-version fault", version_rows),
    .doc = "Another version in the status line: `HTTP/9.9 200 OK\\r\\n`. All behind it, and what "
           "becomes of the connection, is as it would be.",
    .shorthand = "version",
    .preset = version_preset,
    .empty_allowed = true,
};
static const struct type version_type = TYPE_TABLE(&version_table, struct str);

FITS(version, PART_STATUS_LINE)
static bool version_answer(struct exchange *exchange, const struct fault_config *config)
{
    take(exchange, PART_STATUS_LINE)->version = *(const struct str *)config->kind.value;
    return false;
}
HOW(version);

/* bad-header */

KIND_TABLE(
    header, fault_header_choices, "bad-header fault", "no-colon",
    "A header line that is none, directly behind the status line. All else, and what becomes "
    "of the connection, is as it would be.");

FITS(header, PART_FIELDS)
static bool header_answer(struct exchange *exchange, const struct fault_config *config)
{
    take(exchange, PART_FIELDS)->fields = fault_header_line(*(const int *)config->kind.value);
    return false;
}
HOW(header);

/* header-flood */

struct fault_header_flood {
    uint64_t size;
    uint64_t line;
};
enum { HEADERS_USUAL = 1024 * 1024, LINE_USUAL = 1024 };

static const struct type line_size =
    BOUNDED_SIZE(H1_LEAST_LINE, UINT64_MAX, "a size of 16 bytes or more");
static const struct type line_or_true = FAULT_OR_TRUE(&line_size, uint64_t, "a size of 16 or more");

static void header_flood_preset(void *into)
{
    *(struct fault_header_flood *)into = (struct fault_header_flood){HEADERS_USUAL, LINE_USUAL};
}

static const struct row header_flood_rows[] = {
    {"size", &line_or_true, offsetof(struct fault_header_flood, size), 0, "1MiB",
     "Bytes of all these lines."},
    {"line", &line_size, offsetof(struct fault_header_flood, line), 0, "1KiB",
     "Bytes of a line with its end; as large as `size`: one line only."},
};
static const struct table header_flood_table = {
    TABLE_ROWS("header-flood fault", header_flood_rows),
    .doc = "So many bytes of lines `x-flood: aaa…\\r\\n` behind the other headers; a rest that is "
           "too short for a line makes the last one longer. Then the head ends, and all else is as "
           "it would be.",
    .shorthand = "size",
    .preset = header_flood_preset,
    .empty_allowed = true,
};
static const struct type header_flood_type =
    TYPE_TABLE(&header_flood_table, struct fault_header_flood);

FITS(header_flood, PART_FLOOD)
static bool header_flood_answer(struct exchange *exchange, const struct fault_config *config)
{
    const struct fault_header_flood *flood = config->kind.value;
    struct h1_flaws *flaws = take(exchange, PART_FLOOD);
    flaws->flood = flood->size;
    flaws->flood_line = flood->line;
    return false;
}
HOW(header_flood);

/* no-end-of-headers */

static const struct choice head_end_choices[] = {
    {"stall", H1_END_STALL, "silence until the client leaves"},
    {"fin", H1_END_FIN, "FIN"},
    {"body", H1_END_BODY, "the body directly behind the last header"},
    {NULL},
};
static const struct type head_ends = TYPE_CHOICE(head_end_choices);
static const struct type head_end_or_true = FAULT_OR_TRUE(&head_ends, int, "stall, fin or body");

static void head_end_preset(void *into)
{
    *(int *)into = H1_END_STALL;
}

static const struct row head_end_rows[] = {
    {"then", &head_end_or_true, 0, 0, "stall", "What comes instead."},
};
static const struct table head_end_table = {
    TABLE_ROWS("no-end-of-headers fault", head_end_rows),
    .doc = "The head comes without the empty line at its end.",
    .shorthand = "then",
    .preset = head_end_preset,
    .empty_allowed = true,
};
static const struct type head_end_type = TYPE_TABLE(&head_end_table, int);

static unsigned head_end_parts(const struct fault_config *config)
{
    bool more = *(const int *)config->kind.value == H1_END_BODY;
    return PART_END_OF_HEAD | (more ? 0 : PART_BODY | PART_EXTRA);
}

static bool head_end_fits(const struct exchange *exchange, const struct fault_config *config)
{
    return leaves(exchange, head_end_parts(config));
}

static bool head_end_answer(struct exchange *exchange, const struct fault_config *config)
{
    take(exchange, head_end_parts(config))->end =
        (enum h1_head_end) * (const int *)config->kind.value;
    return false;
}
HOW(head_end);

/* bad-chunk, missing-last-chunk */

KIND_TABLE(
    chunk, fault_chunk_choices, "bad-chunk fault", "letters",
    "The body comes in chunks, whatever it would come in, and its first chunk is wrong; then "
    "FIN. A body of no bytes counts as `x`. An answer without a body (HEAD, 204) ends "
    "before the empty line of its head.");

FITS(chunk, PART_BEHIND_HEAD)
static bool chunk_answer(struct exchange *exchange, const struct fault_config *config)
{
    struct h1_flaws *flaws = take(exchange, PART_BEHIND_HEAD);
    const struct fault_chunk *bytes = fault_chunk(*(const int *)config->kind.value);
    flaws->framing = H1_FRAMED_CHUNKS;
    flaws->chunk_before = bytes->before;
    flaws->chunk_after = bytes->after;
    return false;
}
HOW(chunk);

FITS(last_chunk, PART_BEHIND_HEAD)
static bool last_chunk_answer(struct exchange *exchange, const struct fault_config *config)
{
    struct h1_flaws *flaws = take(exchange, PART_BEHIND_HEAD);
    (void)config;
    flaws->framing = H1_FRAMED_CHUNKS;
    flaws->no_last_chunk = true;
    return false;
}
HOW(last_chunk);

/* both-lengths, wrong-length */

static const uint64_t length_right = UINT64_MAX;

static const struct type told_or_true = FAULT_OR_TRUE(&type_size, uint64_t, "a size");

static void both_preset(void *into)
{
    *(uint64_t *)into = length_right;
}

static const struct row both_rows[] = {
    {"length", &told_or_true, 0, 0, "that of the body", "The number of content-length."},
};
static const struct table both_table = {
    TABLE_ROWS("both-lengths fault", both_rows),
    .doc = "The head has `content-length: N\\r\\ntransfer-encoding: chunked\\r\\n`, and the body "
           "comes in chunks; a length that is not known before is told as 0. The connection stays.",
    .shorthand = "length",
    .preset = both_preset,
    .empty_allowed = true,
};
static const struct type both_type = TYPE_TABLE(&both_table, uint64_t);

FITS(framing, PART_FRAMING)
static bool both_answer(struct exchange *exchange, const struct fault_config *config)
{
    struct h1_flaws *flaws = take(exchange, PART_FRAMING);
    uint64_t told = *(const uint64_t *)config->kind.value;
    flaws->framing = H1_FRAMED_BOTH;
    flaws->length_line = told == length_right
                             ? STR("content-length: $l\r\n")
                             : arena_printf(exchange_arena(exchange), "content-length: %llu\r\n",
                                            (unsigned long long)told);
    return false;
}
static const struct fault_how both = {.speaks = h1_is, .fits = framing_fits, .answer = both_answer};

/** A difference, or the line of a choice. */
struct fault_length {
    int64_t off;
    int line;
};

static const struct type length_words = TYPE_CHOICE(fault_length_choices);
enum { OFF_MOST = 1000000000 };

static bool off_from_text(struct str text, int64_t *off)
{
    bool negative = str_starts(text, STR("-"));
    uint64_t number;
    text = str_from(text, negative || str_starts(text, STR("+")));
    if (!str_to_u64(text, OFF_MOST, &number) || !number)
        return false;
    *off = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

static enum read_result length_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into)
{
    struct fault_length *length = into;
    struct str text = node_scalar_text(node);
    if (node->kind == NODE_STRING && text.size && text.data[0] >= 'a' && text.data[0] <= 'z') {
        length->off = 1;
        return reader_read(reader, &length_words, node, &length->line);
    }
    if (!node_is_scalar(node) || !off_from_text(text, &length->off))
        return reader_expected(reader, node, type->name);
    return READ_OK;
}

static struct json *length_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_either(
        writer, schema_of(writer, &length_words),
        schema_or_variable(writer, schema_text(writer, "{\"type\": \"integer\", \"not\": "
                                                       "{\"const\": 0}, \"minimum\": -1000000000, "
                                                       "\"maximum\": 1000000000}")));
}

static const struct type length_type = {
    .name = "a difference such as -1 or 10 (not 0, at most 1000000000), or letters, huge or two",
    .size = sizeof(struct fault_length),
    .read = length_read,
    .schema = length_schema,
};

static bool length_answer(struct exchange *exchange, const struct fault_config *config)
{
    const struct fault_length *length = config->kind.value;
    struct h1_flaws *flaws = take(exchange, PART_FRAMING);
    flaws->framing = H1_FRAMED_LENGTH;
    flaws->length_off = length->off;
    flaws->length_line = fault_length_line(length->line);
    return false;
}
static const struct fault_how length = {
    .speaks = h1_is, .fits = framing_fits, .answer = length_answer};

/* extra-body */

enum { EXTRA_USUAL = 16, EXTRA_MOST = 1024 * 1024 };

struct fault_extra {
    uint64_t size;
    struct str text; /**< data NULL = `size` times x */
};

static const struct type extra_size = BOUNDED_SIZE(1, EXTRA_MOST, "a size from 1 to 1MiB");
static const struct type extra_size_or_true =
    FAULT_OR_TRUE(&extra_size, uint64_t, "a size from 1 to 1MiB");

static void extra_preset(void *into)
{
    ((struct fault_extra *)into)->size = EXTRA_USUAL;
}

static enum read_result extra_check(struct reader *reader, const struct node *node, void *into)
{
    const struct fault_extra *extra = into;
    const struct node *text = node->kind == NODE_MAP ? node_get(node, "text") : NULL;
    if (!text)
        return READ_OK;
    if (node_get(node, "size")) {
        diagnostics_add(reader->diagnostics, text->place, "'text' beside 'size': it has one");
        return READ_FAILED;
    }
    if (extra->text.data && extra->text.size == 0) {
        diagnostics_add(reader->diagnostics, text->place, "an empty text is nothing extra");
        return READ_FAILED;
    }
    return READ_OK;
}

static const struct row extra_rows[] = {
    {"size", &extra_size_or_true, offsetof(struct fault_extra, size), 0, "16",
     "So many times the letter x."},
    {"text", &type_text, offsetof(struct fault_extra, text), 0, NULL,
     "These bytes instead, such as a second answer."},
};
static const struct table extra_table = {
    TABLE_ROWS("extra-body fault", extra_rows),
    .doc =
        "Bytes directly behind the whole answer: `xxxxxxxxxxxxxxxx`. The head does not tell them; "
        "the connection stays, and whoever uses it again reads them first.",
    .shorthand = "size",
    .preset = extra_preset,
    .check = extra_check,
    .empty_allowed = true,
};
static const struct type extra_type = TYPE_TABLE(&extra_table, struct fault_extra);

FITS(extra, PART_EXTRA)
static bool extra_answer(struct exchange *exchange, const struct fault_config *config)
{
    const struct fault_extra *extra = config->kind.value;
    struct h1_flaws *flaws = take(exchange, PART_EXTRA);
    flaws->extra = extra->text;
    if (!extra->text.data) {
        char *bytes = arena_alloc(exchange_arena(exchange), (size_t)extra->size);
        memset(bytes, 'x', (size_t)extra->size);
        flaws->extra = (struct str){bytes, (size_t)extra->size};
    }
    return false;
}
HOW(extra);

/* The rows */

#define ROW(key, type, doc, how_pointer)                                                           \
    {                                                                                              \
        key, type, doc, &(const struct fault_kind)                                                 \
        {                                                                                          \
            .layer = FAULT_HTTP1, .on_route = true, .each_request = true, .how = (how_pointer)     \
        }                                                                                          \
    }

const struct member fault_http1_members[] = {
    ROW("truncate", &truncate_type,
        "The head is right, then a share of the body or so many bytes of it, then FIN.", &cut),
    ROW("empty-response", &type_true, "FIN without a byte, in place of the answer.", &empty),
    ROW("bad-status-line", &status_line_type,
        "`200 OK\\r\\n` (no version) or another status line that is none; else the answer.",
        &status_line),
    ROW("bad-header", &header_type,
        "`x-bad no colon\\r\\n` or another line that is no header behind the status line; else the "
        "answer.",
        &header),
    ROW("header-flood", &header_flood_type,
        "So many bytes of lines `x-flood: aaa…\\r\\n` at the end of the head; else the answer.",
        &header_flood),
    ROW("no-end-of-headers", &head_end_type,
        "The head without its `\\r\\n` at the end, then silence, FIN, or the body.", &head_end),
    ROW("bad-chunk", &chunk_type,
        "`transfer-encoding: chunked`, the first chunk `xyz\\r\\nhello\\r\\n` or another one that "
        "is wrong, then FIN.",
        &chunk),
    ROW("missing-last-chunk", &type_true,
        "`transfer-encoding: chunked`, the whole body, and FIN in place of `0\\r\\n\\r\\n`.",
        &last_chunk),
    ROW("both-lengths", &both_type,
        "`content-length: 5\\r\\ntransfer-encoding: chunked\\r\\n`, and the body in chunks.",
        &both),
    ROW("wrong-length", &length_type,
        "`content-length` differs by so many bytes (also by -1) from the right one, or is none; "
        "the "
        "whole body, not in chunks, then FIN.",
        &length),
    ROW("extra-body", &extra_type, "The answer, and `xxxxxxxxxxxxxxxx` or another text behind it.",
        &extra),
    ROW("wrong-version", &version_type,
        "`HTTP/9.9 200 OK\\r\\n` or another version in the status line; else the answer.",
        &version),
    ROW("garbage", &garbage_type, "Random bytes in place of the answer, then FIN.", &garbage),
    {0},
};
