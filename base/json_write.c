/* Writers: compact, indented, strings and the steps of normalized paths. */
#include "base/json.h"

#include <string.h>

/* Eight times the same byte. */
#define BYTES_OF(byte) ((byte)*UINT64_C(0x0101010101010101))

static void write_unicode_escape(unsigned char byte, struct buf *into)
{
    static const char hex[] = "0123456789abcdef";
    char text[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    buf_append(into, (struct str){text, sizeof text});
}

static char short_escape(char byte)
{
    switch (byte) {
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

/* The byte as it stands between quotes of the kind `quote`. */
static void write_escaped(char byte, char quote, struct buf *into)
{
    char letter = byte == quote || byte == '\\' ? byte : short_escape(byte);
    if (letter) {
        char text[] = {'\\', letter};
        buf_append(into, (struct str){text, sizeof text});
    } else if ((unsigned char)byte < 0x20) {
        write_unicode_escape((unsigned char)byte, into);
    } else {
        buf_append(into, STR("\xef\xbf\xbd"));
    }
}

static bool is_plain_ascii(char byte, char quote)
{
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x80 && byte != quote &&
           byte != '\\';
}

/* Not 0 if one of eight bytes is zero (and never else for the lowest such one). */
static uint64_t zero_bytes(uint64_t eight)
{
    return (eight - BYTES_OF(0x01)) & ~eight & BYTES_OF(0x80);
}

/* Whether one of eight bytes is not plain ASCII. */
static bool has_odd_byte(uint64_t eight, char quote)
{
    /* below 0x20 a byte borrows from its highest bit */
    uint64_t control = (eight - BYTES_OF(0x20)) & ~eight & BYTES_OF(0x80);
    return (eight & BYTES_OF(0x80)) | control | zero_bytes(eight ^ BYTES_OF((unsigned char)quote)) |
           zero_bytes(eight ^ BYTES_OF('\\'));
}

/* The size of what may stand as it is from `at` on, a run of ASCII or one character;
 * 0 = write_escaped(). */
static size_t plain_size(struct str text, size_t at, char quote)
{
    size_t end = at;
    uint32_t code;
    uint64_t eight;
    for (; text.size - end >= sizeof eight; end += sizeof eight) {
        memcpy(&eight, text.data + end, sizeof eight);
        if (has_odd_byte(eight, quote))
            break;
    }
    while (end < text.size && is_plain_ascii(text.data[end], quote))
        end++;
    if (end > at || (unsigned char)text.data[at] < 0x80)
        return end - at;
    return str_decode(str_from(text, at), &code);
}

static void write_quoted(struct str text, char quote, struct buf *into)
{
    size_t from = 0;
    size_t at = 0;
    buf_append_byte(into, quote);
    while (at < text.size && !buf_full(into)) {
        size_t size = plain_size(text, at, quote);
        if (size == 0) {
            buf_append(into, str_slice(text, from, at - from));
            write_escaped(text.data[at], quote, into);
            from = at + 1;
            size = 1;
        }
        at += size;
    }
    buf_append(into, str_from(text, from));
    buf_append_byte(into, quote);
}

void json_write_string(struct str text, struct buf *into)
{
    write_quoted(text, '"', into);
}

void json_write_path_name(struct str name, struct buf *into)
{
    buf_append_byte(into, '[');
    write_quoted(name, '\'', into);
    buf_append_byte(into, ']');
}

void json_write_path_index(size_t index, struct buf *into)
{
    char text[24];
    size_t at = sizeof text;
    text[--at] = ']';
    do {
        text[--at] = (char)('0' + index % 10);
        index /= 10;
    } while (index);
    text[--at] = '[';
    buf_append(into, (struct str){text + at, sizeof text - at});
}

static void write_scalar(const struct json *value, struct buf *into)
{
    if (value->kind == JSON_NULL)
        buf_append(into, STR("null"));
    else if (value->kind == JSON_BOOL)
        buf_append_string(into, value->boolean ? "true" : "false");
    else if (value->kind == JSON_NUMBER)
        buf_append(into, value->text);
    else
        json_write_string(value->text, into);
}

void json_write(const struct json *value, struct buf *into)
{
    if (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT) {
        write_scalar(value, into);
        return;
    }
    buf_append_byte(into, value->kind == JSON_ARRAY ? '[' : '{');
    for (size_t i = 0; i < value->count && !buf_full(into); i++) {
        if (i)
            buf_append_byte(into, ',');
        if (value->kind == JSON_OBJECT) {
            json_write_string(value->members[i].name, into);
            buf_append_byte(into, ':');
        }
        json_write(value->kind == JSON_ARRAY ? value->elements[i] : value->members[i].value, into);
    }
    buf_append_byte(into, value->kind == JSON_ARRAY ? ']' : '}');
}

static void write_newline(size_t depth, struct buf *into)
{
    buf_append_byte(into, '\n');
    for (size_t i = 0; i < depth; i++)
        buf_append(into, STR("  "));
}

static void write_indented(const struct json *value, size_t depth, struct buf *into)
{
    bool is_array = value->kind == JSON_ARRAY;
    if ((!is_array && value->kind != JSON_OBJECT) || value->count == 0) {
        json_write(value, into);
        return;
    }
    buf_append_byte(into, is_array ? '[' : '{');
    for (size_t i = 0; i < value->count && !buf_full(into); i++) {
        if (i)
            buf_append_byte(into, ',');
        write_newline(depth + 1, into);
        if (!is_array) {
            json_write_string(value->members[i].name, into);
            buf_append(into, STR(": "));
        }
        write_indented(is_array ? value->elements[i] : value->members[i].value, depth + 1, into);
    }
    write_newline(depth, into);
    buf_append_byte(into, is_array ? ']' : '}');
}

void json_write_pretty(const struct json *value, struct buf *into)
{
    write_indented(value, 0, into);
}
