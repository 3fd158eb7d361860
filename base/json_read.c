/* The reader: one pass, recursive to JSON_DEPTH; strings without escapes point into the text. */
#include "base/json_private.h"

#include "base/memory.h"

#include <string.h>

struct reader {
    struct arena *arena;
    const char *start;
    const char *at;
    const char *end;
    const char *line_start;
    uint32_t line;
    unsigned depth;
    struct json_error *error;
    struct buf scratch;     /* the string being decoded */
    struct json **elements; /* of all open arrays */
    size_t element_count;
    size_t element_capacity;
    struct json_member *members; /* of all open objects */
    size_t member_count;
    size_t member_capacity;
};

static struct json *read_value(struct reader *reader);

/* Always false, so that callers can return it. */
static bool fail(struct reader *reader, const char *at, const char *message)
{
    *reader->error = (struct json_error){
        .message = message,
        .offset = (size_t)(at - reader->start),
        .line = reader->line,
        .column = (uint32_t)(at - reader->line_start) + 1,
    };
    return false;
}

static void skip_blanks(struct reader *reader)
{
    for (; reader->at < reader->end; reader->at++) {
        char byte = *reader->at;
        if (byte == '\n') {
            reader->line++;
            reader->line_start = reader->at + 1;
        } else if (byte != ' ' && byte != '\t' && byte != '\r') {
            return;
        }
    }
}

static bool next_is(const struct reader *reader, char byte)
{
    return reader->at < reader->end && *reader->at == byte;
}

static struct json *make_here(struct reader *reader, enum json_kind kind)
{
    struct json *value = arena_alloc(reader->arena, sizeof *value);
    value->kind = kind;
    value->line = reader->line;
    value->column = (uint32_t)(reader->at - reader->line_start) + 1;
    return value;
}

/* The four hex digits at `text`, or -1. */
static int32_t read_hex4(struct str text)
{
    int32_t code = 0;
    if (text.size < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = text.data[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

size_t json_decode_unicode(struct str text, uint32_t *code)
{
    int32_t high = read_hex4(str_from(text, 1));
    if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
        return 0;
    *code = (uint32_t)high;
    if (high < 0xd800 || high > 0xdbff)
        return 5;
    if (!str_starts(str_from(text, 5), STR("\\u")))
        return 0;
    int32_t low = read_hex4(str_from(text, 7));
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *code = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
    return 11;
}

/* Decodes the escape at reader->at (its backslash) into the scratch. */
static bool read_escape(struct reader *reader)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    struct str rest = {reader->at + 1, (size_t)(reader->end - reader->at - 1)};
    if (rest.size == 0)
        return fail(reader, reader->at, "the string does not end");
    if (rest.data[0] == 'u') {
        uint32_t code;
        char bytes[4];
        size_t size = json_decode_unicode(rest, &code);
        if (size == 0)
            return fail(reader, reader->at,
                        "a \\u escape is four hex digits, a surrogate needs its other half");
        buf_append(&reader->scratch, (struct str){bytes, str_encode(code, bytes)});
        reader->at += 1 + size;
        return true;
    }
    const char *known = memchr(escapes, rest.data[0], sizeof escapes - 1);
    if (!known)
        return fail(reader, reader->at, "unknown escape in a string");
    buf_append_byte(&reader->scratch, meanings[known - escapes]);
    reader->at += 2;
    return true;
}

/* Moves over the bytes that stand for themselves; false on a bad byte. */
static bool skip_plain(struct reader *reader)
{
    static const bool plain[256] = {
        [0x20] = true, [0x21] = true, [0x23 ... 0x5b] = true, [0x5d ... 0x7f] = true};
    const char *at = reader->at;
    for (;;) {
        while (at < reader->end && plain[(unsigned char)*at])
            at++;
        if (at == reader->end || (unsigned char)*at < 0x80)
            break;
        uint32_t code;
        size_t size = str_decode((struct str){at, (size_t)(reader->end - at)}, &code);
        if (size == 0)
            return fail(reader, at, "bad UTF-8");
        at += size;
    }
    reader->at = at;
    return true;
}

static bool read_escaped_string(struct reader *reader, struct str first, struct str *text)
{
    buf_reset(&reader->scratch);
    buf_append(&reader->scratch, first);
    while (next_is(reader, '\\')) {
        if (!read_escape(reader))
            return false;
        const char *from = reader->at;
        if (!skip_plain(reader))
            return false;
        buf_append(&reader->scratch, (struct str){from, (size_t)(reader->at - from)});
    }
    if (buf_full(&reader->scratch))
        return fail(reader, reader->at, "the string is too long");
    *text = arena_copy(reader->arena, buf_str(&reader->scratch));
    return true;
}

static bool read_string(struct reader *reader, struct str *text)
{
    const char *from = ++reader->at;
    if (!skip_plain(reader))
        return false;
    *text = (struct str){from, (size_t)(reader->at - from)};
    if (next_is(reader, '\\') && !read_escaped_string(reader, *text, text))
        return false;
    if (reader->at == reader->end)
        return fail(reader, from - 1, "the string does not end");
    if (*reader->at != '"')
        return fail(reader, reader->at, "a control character in a string must be escaped");
    reader->at++;
    return true;
}

static bool skip_digits(struct reader *reader)
{
    const char *from = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    return reader->at > from || fail(reader, reader->at, "a digit is missing in a number");
}

static bool read_number(struct reader *reader, struct str *text)
{
    const char *from = reader->at;
    if (*reader->at == '-')
        reader->at++;
    const char *whole = reader->at;
    if (!skip_digits(reader))
        return false;
    if (*whole == '0' && reader->at > whole + 1)
        return fail(reader, whole, "a number starts with 0");
    if (next_is(reader, '.')) {
        reader->at++;
        if (!skip_digits(reader))
            return false;
    }
    if (next_is(reader, 'e') || next_is(reader, 'E')) {
        reader->at++;
        if (next_is(reader, '+') || next_is(reader, '-'))
            reader->at++;
        if (!skip_digits(reader))
            return false;
    }
    *text = (struct str){from, (size_t)(reader->at - from)};
    return true;
}

/* After an element or a member: 1 when another follows, 0 at the end of the container, -1 on an
 * error. */
static int read_separator(struct reader *reader, char close, const char *expected)
{
    skip_blanks(reader);
    if (next_is(reader, close)) {
        reader->at++;
        return 0;
    }
    if (!next_is(reader, ',')) {
        fail(reader, reader->at, expected);
        return -1;
    }
    const char *comma = reader->at;
    const char *line_start = reader->line_start;
    uint32_t line = reader->line;
    reader->at++;
    skip_blanks(reader);
    if (next_is(reader, close)) {
        reader->line = line;
        reader->line_start = line_start;
        fail(reader, comma, "trailing comma");
        return -1;
    }
    return 1;
}

/* Room as json_push() expects it: the count rounded up to a power of two. */
static size_t room_for(size_t count)
{
    size_t room = 1;
    while (room < count)
        room *= 2;
    return room;
}

static bool read_elements(struct reader *reader, struct json *array)
{
    size_t base = reader->element_count;
    int more = 1;
    while (more > 0) {
        struct json *element = read_value(reader);
        if (!element)
            return false;
        memory_grow(&reader->elements, reader->element_count, &reader->element_capacity,
                    sizeof *reader->elements);
        reader->elements[reader->element_count++] = element;
        more = read_separator(reader, ']', "expected ',' or ']'");
    }
    if (more < 0)
        return false;
    size_t count = reader->element_count - base;
    array->elements = arena_alloc_array(reader->arena, room_for(count), sizeof *array->elements);
    memcpy(array->elements, reader->elements + base, count * sizeof *array->elements);
    array->count = count;
    reader->element_count = base;
    return true;
}

static bool read_member(struct reader *reader, struct json_member *member)
{
    if (!next_is(reader, '"'))
        return fail(reader, reader->at, "expected a member's name in double quotes");
    if (!read_string(reader, &member->name))
        return false;
    skip_blanks(reader);
    if (!next_is(reader, ':'))
        return fail(reader, reader->at, "expected ':'");
    reader->at++;
    skip_blanks(reader);
    member->value = read_value(reader);
    return member->value != NULL;
}

static bool read_members(struct reader *reader, struct json *object)
{
    size_t base = reader->member_count;
    int more = 1;
    while (more > 0) {
        struct json_member member;
        if (!read_member(reader, &member))
            return false;
        memory_grow(&reader->members, reader->member_count, &reader->member_capacity,
                    sizeof *reader->members);
        reader->members[reader->member_count++] = member;
        more = read_separator(reader, '}', "expected ',' or '}'");
    }
    if (more < 0)
        return false;
    size_t count = reader->member_count - base;
    object->members = arena_alloc_array(reader->arena, room_for(count), sizeof *object->members);
    memcpy(object->members, reader->members + base, count * sizeof *object->members);
    object->count = count;
    reader->member_count = base;
    return true;
}

static bool read_container(struct reader *reader, struct json *value)
{
    if (reader->depth == JSON_DEPTH)
        return fail(reader, reader->at, "nested deeper than 512");
    reader->at++;
    skip_blanks(reader);
    if (next_is(reader, value->kind == JSON_ARRAY ? ']' : '}')) {
        reader->at++;
        return true;
    }
    reader->depth++;
    bool done =
        value->kind == JSON_ARRAY ? read_elements(reader, value) : read_members(reader, value);
    reader->depth--;
    return done;
}

static bool read_word(struct reader *reader, struct str word)
{
    struct str rest = {reader->at, (size_t)(reader->end - reader->at)};
    if (!str_starts(rest, word))
        return fail(reader, reader->at, "expected a value");
    reader->at += word.size;
    return true;
}

static const char *explain_byte(char byte)
{
    switch (byte) {
    case '\'':
        return "strings stand in double quotes";
    case '/':
        return "JSON has no comments";
    case 'N':
    case 'I':
        return "JSON has no NaN and no Infinity";
    case ',':
        return "expected a value before ','";
    default:
        return "expected a value";
    }
}

static struct json *read_value(struct reader *reader)
{
    struct json *value = NULL;
    bool done = false;
    char byte = '\0';
    if (reader->at == reader->end) {
        fail(reader, reader->at, "the text ends where a value should stand");
        return NULL;
    }
    byte = *reader->at;
    if (byte == '"') {
        value = make_here(reader, JSON_STRING);
        done = read_string(reader, &value->text);
    } else if (byte == '{' || byte == '[') {
        value = make_here(reader, byte == '{' ? JSON_OBJECT : JSON_ARRAY);
        done = read_container(reader, value);
    } else if (byte == '-' || (byte >= '0' && byte <= '9')) {
        value = make_here(reader, JSON_NUMBER);
        done = read_number(reader, &value->text);
    } else if (byte == 't' || byte == 'f') {
        value = make_here(reader, JSON_BOOL);
        value->boolean = byte == 't';
        done = read_word(reader, byte == 't' ? STR("true") : STR("false"));
    } else if (byte == 'n') {
        value = make_here(reader, JSON_NULL);
        done = read_word(reader, STR("null"));
    } else {
        done = fail(reader, reader->at, explain_byte(byte));
    }
    return done ? value : NULL;
}

static struct json *read_document(struct reader *reader)
{
    struct str text = {reader->at, (size_t)(reader->end - reader->at)};
    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        fail(reader, reader->at, "the text starts with a byte order mark");
        return NULL;
    }
    skip_blanks(reader);
    if (reader->at == reader->end) {
        fail(reader, reader->at, "the text is empty");
        return NULL;
    }
    struct json *value = read_value(reader);
    if (!value)
        return NULL;
    skip_blanks(reader);
    if (reader->at < reader->end) {
        fail(reader, reader->at, "more text after the value");
        return NULL;
    }
    return value;
}

struct json *json_read(struct arena *arena, struct str text, struct json_error *error)
{
    const char *data = text.data ? text.data : "";
    struct reader reader = {
        .arena = arena,
        .start = data,
        .at = data,
        .end = data + text.size,
        .line_start = data,
        .line = 1,
        .error = error,
    };
    buf_init(&reader.scratch, text.size);
    struct json *value = read_document(&reader);
    buf_clear(&reader.scratch);
    memory_free(reader.elements);
    memory_free(reader.members);
    return value;
}
