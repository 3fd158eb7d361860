/* Reading a path: segments, selectors and string literals (RFC 9535 sections 2.1 to 2.5). */
#include "base/json_private.h"
#include "base/jsonpath_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Integers of a path are exact in every reader (I-JSON, RFC 7493 section 2.2). */
static const uint64_t LARGEST_INTEGER = 9007199254740991;

void *parser_fail(struct parser *parser, size_t offset, const char *format, ...)
{
    char text[200];
    if (parser->failed)
        return NULL;
    parser->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    parser->error->message = arena_copy(parser->arena, str_of(text));
    parser->error->offset = offset;
    return NULL;
}

char parser_peek(const struct parser *parser)
{
    return parser->at < parser->text.size ? parser->text.data[parser->at] : '\0';
}

void parser_skip_blanks(struct parser *parser)
{
    while (parser_peek(parser) && strchr(" \t\r\n", parser_peek(parser)))
        parser->at++;
}

bool parser_take(struct parser *parser, const char *token)
{
    if (!str_starts(str_from(parser->text, parser->at), str_of(token)))
        return false;
    parser->at += strlen(token);
    return true;
}

bool parser_enter(struct parser *parser)
{
    if (parser->depth == PATH_DEPTH) {
        parser_fail(parser, parser->at, "nested deeper than %d", PATH_DEPTH);
        return false;
    }
    parser->depth++;
    return true;
}

void parser_leave(struct parser *parser)
{
    parser->depth--;
}

/* Decodes the escape after a backslash into `into`; false if it is none. */
static bool read_escape(struct parser *parser, char quote, struct buf *into)
{
    static const char escapes[] = "\\/bfnrt";
    static const char meanings[] = "\\/\b\f\n\r\t";
    struct str rest = str_from(parser->text, parser->at);
    char byte = parser_peek(parser);
    const char *known = byte ? strchr(escapes, byte) : NULL;
    if (byte == 'u') {
        uint32_t code;
        char bytes[4];
        size_t size = json_decode_unicode(rest, &code);
        if (size)
            buf_append(into, (struct str){bytes, str_encode(code, bytes)});
        parser->at += size;
        return size > 0;
    }
    if (byte != quote && !known)
        return false;
    buf_append_byte(into, known ? meanings[known - escapes] : quote);
    parser->at++;
    return true;
}

static bool read_string(struct parser *parser, struct buf *into)
{
    size_t from = parser->at;
    char quote = parser->text.data[parser->at++];
    while (parser->at < parser->text.size) {
        size_t at = parser->at;
        char byte = parser->text.data[parser->at++];
        if (byte == quote)
            return true;
        if (byte == '\\') {
            if (read_escape(parser, quote, into))
                continue;
            return parser_fail(parser, at, "unknown escape in a string");
        }
        if ((unsigned char)byte < 0x20)
            return parser_fail(parser, at, "a control character in a string must be escaped");
        buf_append_byte(into, byte);
    }
    return parser_fail(parser, from, "the string does not end");
}

bool parser_string(struct parser *parser, struct str *text)
{
    struct buf into;
    buf_init(&into, PATH_SIZE);
    bool done = read_string(parser, &into);
    *text = arena_copy(parser->arena, buf_str(&into));
    buf_clear(&into);
    return done;
}

static bool is_integer_next(const struct parser *parser)
{
    char byte = parser_peek(parser);
    return byte == '-' || (byte >= '0' && byte <= '9');
}

static bool read_integer(struct parser *parser, int64_t *value)
{
    size_t from = parser->at;
    uint64_t size = 0;
    bool negative = parser_take(parser, "-");
    size_t first = parser->at;
    while (parser_peek(parser) >= '0' && parser_peek(parser) <= '9')
        parser->at++;
    struct str digits = str_slice(parser->text, first, parser->at - first);
    if (digits.size == 0)
        return parser_fail(parser, first, "expected a digit");
    if (digits.data[0] == '0' && (digits.size > 1 || negative))
        return parser_fail(parser, from, "an integer starts with 0");
    if (!str_to_u64(digits, LARGEST_INTEGER, &size))
        return parser_fail(parser, from, "the integer is beyond 2^53 - 1");
    *value = negative ? -(int64_t)size : (int64_t)size;
    return true;
}

static bool is_name_byte(char byte, bool is_first)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (unsigned char)byte >= 0x80 || (!is_first && byte >= '0' && byte <= '9');
}

static struct selector *selector_new(struct parser *parser, enum selector_kind kind)
{
    struct selector *selector = arena_alloc(parser->arena, sizeof *selector);
    selector->kind = kind;
    return selector;
}

/* What follows '.' or '..': '*' or a name without quotes. */
static struct selector *read_shorthand(struct parser *parser)
{
    size_t from = parser->at;
    if (parser_take(parser, "*"))
        return selector_new(parser, SELECTOR_WILDCARD);
    if (!is_name_byte(parser_peek(parser), true))
        return parser_fail(parser, from, "expected a name or '*' after '.'");
    while (is_name_byte(parser_peek(parser), false))
        parser->at++;
    struct selector *selector = selector_new(parser, SELECTOR_NAME);
    selector->name = str_slice(parser->text, from, parser->at - from);
    return selector;
}

/* What follows the first ':' of a slice. */
static struct selector *read_slice(struct parser *parser, struct selector *slice)
{
    slice->kind = SELECTOR_SLICE;
    slice->step = 1;
    parser_skip_blanks(parser);
    if (is_integer_next(parser)) {
        slice->has_end = true;
        if (!read_integer(parser, &slice->end))
            return NULL;
        parser_skip_blanks(parser);
    }
    if (!parser_take(parser, ":"))
        return slice;
    parser_skip_blanks(parser);
    if (is_integer_next(parser) && !read_integer(parser, &slice->step))
        return NULL;
    return slice;
}

static struct selector *read_index_or_slice(struct parser *parser)
{
    struct selector *selector = selector_new(parser, SELECTOR_INDEX);
    if (is_integer_next(parser)) {
        selector->has_start = true;
        if (!read_integer(parser, &selector->start))
            return NULL;
    }
    size_t end = parser->at;
    parser_skip_blanks(parser);
    if (parser_take(parser, ":"))
        return read_slice(parser, selector);
    parser->at = end;
    if (selector->has_start)
        return selector;
    return parser_fail(parser, end,
                       "expected a selector: a name in quotes, an index, a slice, '*' or '?'");
}

static struct selector *read_filter(struct parser *parser)
{
    struct selector *selector = selector_new(parser, SELECTOR_FILTER);
    if (!parser_enter(parser))
        return NULL;
    parser_skip_blanks(parser);
    selector->filter = parser_filter(parser);
    parser_leave(parser);
    return selector->filter ? selector : NULL;
}

static struct selector *read_selector(struct parser *parser)
{
    char byte = parser_peek(parser);
    if (byte == '\'' || byte == '"') {
        struct selector *selector = selector_new(parser, SELECTOR_NAME);
        return parser_string(parser, &selector->name) ? selector : NULL;
    }
    if (parser_take(parser, "*"))
        return selector_new(parser, SELECTOR_WILDCARD);
    if (parser_take(parser, "?"))
        return read_filter(parser);
    return read_index_or_slice(parser);
}

/* The selectors after '[', with the ']'. */
static struct selector *read_bracket(struct parser *parser)
{
    struct selector *first = NULL;
    struct selector **last = &first;
    do {
        parser_skip_blanks(parser);
        *last = read_selector(parser);
        if (!*last)
            return NULL;
        last = &(*last)->next;
        parser_skip_blanks(parser);
    } while (parser_take(parser, ","));
    if (!parser_take(parser, "]"))
        return parser_fail(parser, parser->at, "expected ',' or ']'");
    return first;
}

/* The segment that stands next; NULL and no error if none does. */
static struct segment *read_segment(struct parser *parser)
{
    struct segment *segment = arena_alloc(parser->arena, sizeof *segment);
    segment->descendant = parser_take(parser, "..");
    if (parser_take(parser, "["))
        segment->selectors = read_bracket(parser);
    else if (segment->descendant || parser_take(parser, "."))
        segment->selectors = read_shorthand(parser);
    return segment->selectors ? segment : NULL;
}

static bool segment_is_singular(const struct segment *segment)
{
    const struct selector *selector = segment->selectors;
    return !segment->descendant && !selector->next &&
           (selector->kind == SELECTOR_NAME || selector->kind == SELECTOR_INDEX);
}

struct query *parser_query(struct parser *parser)
{
    struct query *query = arena_alloc(parser->arena, sizeof *query);
    struct segment **last = &query->segments;
    query->absolute = parser->text.data[parser->at++] == '$';
    query->memo = parser->path->memo_count;
    parser->path->memo_count += query->absolute;
    query->singular = true;
    for (;;) {
        size_t end = parser->at;
        parser_skip_blanks(parser);
        *last = read_segment(parser);
        if (parser->failed)
            return NULL;
        if (!*last) {
            parser->at = end; /* blanks are part of a path only between two segments */
            return query;
        }
        query->singular = query->singular && segment_is_singular(*last);
        last = &(*last)->next;
    }
}
