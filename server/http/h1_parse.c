#include "server/http/h1_parse.h"

#include <string.h>

enum scan_state {
    SCAN_START,
    SCAN_BLANK_LF, /* the CR of an empty line before the request line was seen */
    SCAN_METHOD,
    SCAN_TARGET,
    SCAN_VERSION,
    SCAN_LINE_LF,
    SCAN_FIELD,
    SCAN_NAME,
    SCAN_VALUE,
    SCAN_VALUE_LF,
    SCAN_END_LF,
    SCAN_DONE,
    SCAN_BAD,
};

enum { TOKEN = 1, TARGET = 2, VALUE = 4 };

#define T TOKEN | TARGET | VALUE
#define V TARGET | VALUE
#define O VALUE
/* RFC 9110 section 5.6.2 (tchar), 5.5 (field-content); a target is made of visible ASCII but '#' */
static const uint8_t classes[256] = {
    [0x09] = O, [' '] = O,           ['!'] = T, ['"'] = V,  ['#'] = TOKEN | VALUE,
    ['$'] = T,  ['%'] = T,           ['&'] = T, ['\''] = T, ['('] = V,
    [')'] = V,  ['*'] = T,           ['+'] = T, [','] = V,  ['-'] = T,
    ['.'] = T,  ['/'] = V,           ['0'] = T, ['1'] = T,  ['2'] = T,
    ['3'] = T,  ['4'] = T,           ['5'] = T, ['6'] = T,  ['7'] = T,
    ['8'] = T,  ['9'] = T,           [':'] = V, [';'] = V,  ['<'] = V,
    ['='] = V,  ['>'] = V,           ['?'] = V, ['@'] = V,  ['A' ... 'Z'] = T,
    ['['] = V,  ['\\'] = V,          [']'] = V, ['^'] = T,  ['_'] = T,
    ['`'] = T,  ['a' ... 'z'] = T,   ['{'] = V, ['|'] = T,  ['}'] = V,
    ['~'] = T,  [0x80 ... 0xff] = O,
};
#undef T
#undef V
#undef O

static bool is_class(char byte, uint8_t class)
{
    return classes[(unsigned char)byte] & class;
}

void h1_scan_head(struct h1_scan *scan, size_t most)
{
    *scan = (struct h1_scan){.most = most > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)most};
}

void h1_scan_answer(struct h1_scan *scan, size_t most)
{
    h1_scan_head(scan, most);
    scan->answer = true;
}

void h1_scan_fields(struct h1_scan *scan, size_t most)
{
    h1_scan_head(scan, most);
    scan->fields_only = true;
    scan->state = SCAN_FIELD;
}

static enum h1_progress scan_fail(struct h1_scan *scan, size_t at, unsigned status, const char *why)
{
    scan->at = (uint32_t)at;
    scan->state = SCAN_BAD;
    scan->fault = (struct h1_fault){status, why};
    return H1_BAD;
}

/** scan_fail() for steps that say whether to go on. */
static bool scan_refuse(struct h1_scan *scan, size_t at, const char *why)
{
    scan_fail(scan, at, 400, why);
    return false;
}

static const char *scan_why_line(char byte)
{
    if (byte == '\n')
        return "a bare LF ends a line";
    if (byte == '\0')
        return "a NUL in the head";
    if (byte == '\r')
        return "a CR without LF";
    return "a control character in a header value";
}

static const char *scan_why_name(char byte)
{
    if (byte == ' ' || byte == '\t')
        return "a blank before the colon of a header";
    if (byte == '\r')
        return "a header line without a colon";
    if (byte == '\n' || byte == '\0')
        return scan_why_line(byte);
    return "a character that a header name cannot have";
}

static const char *scan_why_method(struct h1_scan *scan, char byte, size_t at)
{
    if (byte == 0x16 && at == scan->line_at)
        return "a TLS handshake on a port that speaks HTTP in clear";
    if (byte == '\n' || byte == '\0')
        return scan_why_line(byte);
    return "the request line does not start with a method";
}

static const char *scan_why_target(char byte)
{
    if (byte == '\r')
        return "the request line has no version";
    if (byte == '\n' || byte == '\0')
        return scan_why_line(byte);
    return "a character that a request target cannot have";
}

/** One byte of "HTTP/1.1". Returns why it is wrong, with the status. */
static struct h1_fault scan_version(struct h1_scan *scan, char byte)
{
    static const char text[] = "HTTP/d.d";
    struct h1_fault bad = {400, "the request line does not end in a version"};
    struct h1_fault other = {505, "a version of HTTP other than 1.0 and 1.1"};
    unsigned index = scan->matched++;
    bool digit = byte >= '0' && byte <= '9';
    if (byte == '\n')
        return (struct h1_fault){400, scan_why_line(byte)};
    if (index == 5 && digit) {
        scan->minor = (uint8_t)(byte - '0');
        return (struct h1_fault){0};
    }
    if (index == 6 && byte == '\r' && scan->minor >= 2)
        return other;
    if (index == 7 && digit) {
        if (scan->minor != 1)
            return other;
        scan->minor = (uint8_t)(byte - '0');
        return (struct h1_fault){0};
    }
    return index < 8 && index != 7 && byte == text[index] && index != 5 ? (struct h1_fault){0}
                                                                        : bad;
}

/** The size of the run of bytes of a class from `at` on. */
static size_t scan_run(const char *bytes, size_t at, size_t size, uint8_t class)
{
    while (at < size && is_class(bytes[at], class))
        at++;
    return at;
}

/** One step within the request line; *at is moved on. False with the fault set. */
static bool scan_request_line(struct h1_scan *scan, const char *bytes, size_t *at, size_t size)
{
    size_t i = *at;
    switch (scan->state) {
    case SCAN_START:
        scan->state = bytes[i] == '\r' ? SCAN_BLANK_LF : SCAN_METHOD;
        i += bytes[i] == '\r';
        break;
    case SCAN_BLANK_LF:
        if (bytes[i++] != '\n')
            return scan_refuse(scan, i, "a CR without LF");
        scan->line_at = (uint32_t)i;
        scan->state = SCAN_METHOD;
        break;
    case SCAN_METHOD:
        i = scan_run(bytes, i, size, TOKEN);
        if (i == size)
            break;
        if (bytes[i] != ' ' || i == scan->line_at)
            return scan_refuse(scan, i, scan_why_method(scan, bytes[i], i));
        scan->method_size = (uint32_t)(i++ - scan->line_at);
        scan->target_at = (uint32_t)i;
        scan->state = SCAN_TARGET;
        break;
    case SCAN_TARGET:
        i = scan_run(bytes, i, size, TARGET);
        if (i == size)
            break;
        if (bytes[i] != ' ' || i == scan->target_at)
            return scan_refuse(scan, i, scan_why_target(bytes[i]));
        scan->target_size = (uint32_t)(i++ - scan->target_at);
        scan->state = SCAN_VERSION;
        break;
    case SCAN_VERSION:
        if (scan->matched == 8 && bytes[i] == '\r') {
            scan->state = SCAN_LINE_LF;
        } else {
            struct h1_fault fault = scan_version(scan, bytes[i]);
            if (fault.status) {
                scan_fail(scan, i, fault.status, fault.why);
                return false;
            }
        }
        i++;
        break;
    default:
        if (bytes[i++] != '\n')
            return scan_refuse(scan, i, "a CR without LF");
        scan->fields_at = (uint32_t)i;
        scan->state = SCAN_FIELD;
        break;
    }
    *at = i;
    return true;
}

/** One byte of "HTTP/1.1 200", which begins a status line. Returns why it is wrong; NULL = it is
 * not. */
static const char *scan_status_byte(struct h1_scan *scan, char byte, unsigned index)
{
    static const char text[] = "HTTP/1.d ddd";
    bool digit = byte >= '0' && byte <= '9';
    if (index == 0 && (byte == 0x15 || byte == 0x16))
        return "the far side speaks TLS, and is spoken to in clear";
    if (index == 0 && byte == 0)
        return "the far side seems to speak HTTP/2, and is spoken to in HTTP/1.1";
    if (byte == '\n' || byte == '\0')
        return scan_why_line(byte);
    if (index == 7 && digit && byte <= '1') {
        scan->minor = (uint8_t)(byte - '0');
        return NULL;
    }
    if (index >= 9) {
        scan->status = (uint16_t)(scan->status * 10 + (byte - '0'));
        return digit && scan->status ? NULL : "a status that is no number from 100 to 999";
    }
    if (text[index] == byte && index != 7)
        return NULL;
    if (index == 5 || index == 7)
        return "a version of HTTP other than 1.0 and 1.1";
    return "the answer does not start with \"HTTP/1.1 \"";
}

/** The same as scan_request_line() for a status line; an empty phrase may come without its blank.
 */
static bool scan_status_line(struct h1_scan *scan, const char *bytes, size_t *at, size_t size)
{
    enum { CODE_END = 12, REASON = 13 };
    size_t i = *at;
    if (scan->state == SCAN_LINE_LF) {
        if (bytes[i++] != '\n')
            return scan_refuse(scan, i, "a CR without LF");
        scan->fields_at = (uint32_t)i;
        scan->state = SCAN_FIELD;
    } else if (i < CODE_END) {
        const char *why = scan_status_byte(scan, bytes[i], (unsigned)i);
        if (why)
            return scan_refuse(scan, i, why);
        i++;
    } else if (i == CODE_END && bytes[i] == ' ') {
        i++;
    } else {
        if (i >= REASON)
            i = scan_run(bytes, i, size, VALUE);
        if (i < size && bytes[i] != '\r')
            return scan_refuse(scan, i,
                               i == CODE_END ? "a status that is no number from 100 to 999"
                                             : scan_why_line(bytes[i]));
        if (i < size) {
            i++;
            scan->state = SCAN_LINE_LF;
        }
    }
    *at = i;
    return true;
}

/** What starts at the beginning of a header line. */
static bool scan_field_start(struct h1_scan *scan, const char *bytes, size_t *at)
{
    char byte = bytes[*at];
    if (byte == '\r') {
        scan->state = SCAN_END_LF;
        ++*at;
        return true;
    }
    if (byte == ' ' || byte == '\t')
        return scan_refuse(scan, *at, "a header line that starts with a blank");
    if (!is_class(byte, TOKEN))
        return scan_refuse(scan, *at,
                           byte == ':' ? "a header without a name" : scan_why_name(byte));
    if (scan->count == H1_MOST_HEADERS) {
        scan_fail(scan, *at, 431, "more than 1000 header lines");
        return false;
    }
    scan->state = SCAN_NAME;
    return true;
}

static bool scan_field(struct h1_scan *scan, const char *bytes, size_t *at, size_t size)
{
    size_t i = *at;
    switch (scan->state) {
    case SCAN_FIELD:
        return scan_field_start(scan, bytes, at);
    case SCAN_NAME:
        i = scan_run(bytes, i, size, TOKEN);
        if (i == size)
            break;
        if (bytes[i] != ':')
            return scan_refuse(scan, i, scan_why_name(bytes[i]));
        i++;
        scan->state = SCAN_VALUE;
        break;
    case SCAN_VALUE:
        i = scan_run(bytes, i, size, VALUE);
        if (i == size)
            break;
        if (bytes[i] != '\r')
            return scan_refuse(scan, i, scan_why_line(bytes[i]));
        i++;
        scan->state = SCAN_VALUE_LF;
        break;
    default:
        if (bytes[i++] != '\n')
            return scan_refuse(scan, i, "a CR without LF");
        scan->count += scan->state == SCAN_VALUE_LF;
        scan->state = scan->state == SCAN_VALUE_LF ? SCAN_FIELD : SCAN_DONE;
        break;
    }
    *at = i;
    return true;
}

static enum h1_progress scan_too_large(struct h1_scan *scan, size_t at)
{
    if (scan->answer)
        return scan_fail(scan, at, 431,
                         scan->fields_only ? "the trailers are larger than they may be"
                                           : "the head is larger than it may be");
    if (scan->state <= SCAN_LINE_LF)
        return scan_fail(scan, at, 414, "the request line is longer than header-size");
    return scan_fail(scan, at, 431,
                     scan->fields_only ? "the trailers are larger than header-size"
                                       : "the head is larger than header-size");
}

enum h1_progress h1_scan_step(struct h1_scan *scan, const char *bytes, size_t size)
{
    size_t at = scan->at;
    if (scan->state == SCAN_BAD)
        return H1_BAD;
    while (scan->state != SCAN_DONE) {
        size_t most = (size_t)scan->line_at + scan->most;
        size_t end = size > most ? most : size;
        if (at >= end) {
            scan->at = (uint32_t)at;
            return size > most ? scan_too_large(scan, at) : H1_MORE;
        }
        bool good = scan->state > SCAN_LINE_LF ? scan_field(scan, bytes, &at, end)
                    : scan->answer             ? scan_status_line(scan, bytes, &at, end)
                                               : scan_request_line(scan, bytes, &at, end);
        if (!good)
            return H1_BAD;
    }
    scan->at = (uint32_t)at;
    return H1_DONE;
}

size_t h1_fields_read(const struct h1_scan *scan, const char *bytes, struct header *headers)
{
    size_t at = scan->fields_at;
    for (size_t i = 0; i < scan->count; i++) {
        const char *line = bytes + at;
        const char *colon = memchr(line, ':', scan->at - at);
        const char *end = memchr(colon, '\r', (size_t)(bytes + scan->at - colon));
        const char *from = colon + 1;
        const char *to = end;
        while (from < to && (*from == ' ' || *from == '\t'))
            from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        headers[i].name = (struct str){line, (size_t)(colon - line)};
        headers[i].value = (struct str){from, (size_t)(to - from)};
        at = (size_t)(end + 2 - bytes);
    }
    return scan->count;
}

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_BLANK, /* after a blank behind the size: an extension has to follow */
    CHUNK_EXTENSION,
    CHUNK_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_DONE,
    CHUNK_BAD,
};

void h1_chunks_start(struct h1_chunks *chunks)
{
    *chunks = (struct h1_chunks){0};
}

static bool chunks_fail(struct h1_chunks *chunks, const char *why)
{
    chunks->state = CHUNK_BAD;
    chunks->fault = (struct h1_fault){400, why};
    return false;
}

static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool chunks_size(struct h1_chunks *chunks, char byte)
{
    int value = hex_value(byte);
    if (value >= 0) {
        if (++chunks->digits > 16 || chunks->left > (uint64_t)INT64_MAX >> 4)
            return chunks_fail(chunks, "a chunk size that is too large");
        chunks->left = chunks->left << 4 | (uint64_t)value;
        return true;
    }
    if (chunks->digits == 0)
        return chunks_fail(chunks, "a chunk size that is no hexadecimal number");
    if (byte == '\r')
        chunks->state = CHUNK_LF;
    else if (byte == ';')
        chunks->state = CHUNK_EXTENSION;
    else if (byte == ' ' || byte == '\t')
        chunks->state = CHUNK_BLANK;
    else
        return chunks_fail(chunks, byte == '\n' ? "a bare LF ends the line of a chunk size"
                                                : "a chunk size that is no hexadecimal number");
    return true;
}

static bool chunks_extension(struct h1_chunks *chunks, char byte)
{
    if (++chunks->extensions > H1_MOST_EXTENSIONS)
        return chunks_fail(chunks, "more than 16 KiB of chunk extensions");
    if (chunks->state == CHUNK_BLANK) {
        if (byte == ';')
            chunks->state = CHUNK_EXTENSION;
        else if (byte != ' ' && byte != '\t')
            return chunks_fail(chunks, "a blank behind a chunk size");
        return true;
    }
    if (byte == '\r')
        chunks->state = CHUNK_LF;
    else if (!is_class(byte, VALUE))
        return chunks_fail(chunks, byte == '\n' ? "a bare LF ends the line of a chunk size"
                                                : "a control character in a chunk extension");
    return true;
}

/** One byte of what is not data. */
static bool chunks_framing(struct h1_chunks *chunks, char byte)
{
    switch (chunks->state) {
    case CHUNK_SIZE:
        return chunks_size(chunks, byte);
    case CHUNK_BLANK:
    case CHUNK_EXTENSION:
        return chunks_extension(chunks, byte);
    case CHUNK_LF:
        if (byte != '\n')
            return chunks_fail(chunks, "a CR without LF behind a chunk size");
        chunks->state = chunks->left ? CHUNK_DATA : CHUNK_DONE;
        return true;
    case CHUNK_DATA_CR:
        if (byte != '\r')
            return chunks_fail(chunks, "a chunk that is not followed by CRLF");
        chunks->state = CHUNK_DATA_LF;
        return true;
    default:
        if (byte != '\n')
            return chunks_fail(chunks, "a chunk that is not followed by CRLF");
        chunks->digits = 0;
        chunks->state = CHUNK_SIZE;
        return true;
    }
}

enum h1_progress h1_chunks_step(struct h1_chunks *chunks, struct str bytes, size_t *taken,
                                struct str *data)
{
    size_t at = 0;
    *taken = 0;
    *data = (struct str){NULL, 0};
    if (chunks->state == CHUNK_BAD)
        return H1_BAD;
    while (at < bytes.size && chunks->state != CHUNK_DONE) {
        if (chunks->state == CHUNK_DATA) {
            *data = str_slice(bytes, at, chunks->left > SIZE_MAX ? SIZE_MAX : (size_t)chunks->left);
            at += data->size;
            chunks->left -= data->size;
            if (chunks->left == 0)
                chunks->state = CHUNK_DATA_CR;
            break;
        }
        if (!chunks_framing(chunks, bytes.data[at]))
            return H1_BAD;
        at++;
    }
    *taken = at;
    return chunks->state == CHUNK_DONE ? H1_DONE : H1_MORE;
}
