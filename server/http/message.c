#include "server/http/message.h"

#include "base/base64.h"
#include "base/memory.h"

#include <string.h>

const char *http_version_name(enum http_version version)
{
    switch (version) {
    case HTTP_1_0:
        return "HTTP/1.0";
    case HTTP_1_1:
        return "HTTP/1.1";
    case HTTP_2:
        return "HTTP/2";
    }
    return "HTTP/?";
}

/** The phrases of RFC 9110 and of the registry it founded. */
static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

/** The text with data that is never NULL: NULL stands for "missing" here. */
static struct str present(struct str text)
{
    return text.data ? text : STR("");
}

void headers_add(struct headers *headers, struct arena *arena, struct str name, struct str value)
{
    if (arena)
        arena_grow(arena, &headers->items, headers->count, &headers->capacity,
                   sizeof *headers->items);
    else
        memory_grow(&headers->items, headers->count, &headers->capacity, sizeof *headers->items);
    headers->items[headers->count++] = (struct header){name, present(value)};
}

void headers_clear(struct headers *headers)
{
    memory_free(headers->items);
    *headers = (struct headers){0};
}

struct str headers_get(const struct headers *headers, struct str name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (str_equal_nocase(headers->items[i].name, name))
            return headers->items[i].value;
    }
    return (struct str){0};
}

/** Joins one more value of a name: the value itself, then an array. */
static struct json *joined(struct arena *arena, struct json *before, struct str value)
{
    struct json *added = json_string(arena, value);
    if (!before)
        return added;
    if (before->kind != JSON_ARRAY) {
        struct json *array = json_array(arena);
        json_push(arena, array, before);
        before = array;
    }
    json_push(arena, before, added);
    return before;
}

const struct json *headers_to_json(const struct headers *headers, struct str name,
                                   struct arena *arena)
{
    struct json *values = NULL;
    for (size_t i = 0; i < headers->count; i++) {
        if (str_equal_nocase(headers->items[i].name, name))
            values = joined(arena, values, headers->items[i].value);
    }
    return values;
}

/** Cuts the next piece before `separator` off *rest; false when nothing is left. */
static bool next_piece(struct str *rest, char separator, struct str *piece)
{
    if (!rest->data)
        return false;
    ptrdiff_t at = str_find_byte(*rest, separator);
    if (at < 0) {
        *piece = *rest;
        *rest = (struct str){0};
    } else {
        *piece = str_slice(*rest, 0, (size_t)at);
        *rest = str_from(*rest, (size_t)at + 1);
    }
    return true;
}

bool metadata_is_binary(struct str name)
{
    struct str end = STR("-bin");
    return name.size > end.size && str_equal_nocase(str_from(name, name.size - end.size), end);
}

/** A value of -bin may be several, behind commas, with padding or without. */
static struct json *joined_binary(struct arena *arena, struct json *values, struct str value)
{
    struct str piece;
    while (next_piece(&value, ',', &piece)) {
        struct str bytes;
        piece = str_trim(piece);
        if (base64_read(arena, piece, &bytes))
            piece = base64_write(arena, bytes, true);
        values = joined(arena, values, piece);
    }
    return values;
}

const struct json *metadata_to_json(const struct headers *headers, struct str name,
                                    struct arena *arena)
{
    struct json *values = NULL;
    if (!metadata_is_binary(name))
        return headers_to_json(headers, name, arena);
    for (size_t i = 0; i < headers->count; i++) {
        if (str_equal_nocase(headers->items[i].name, name))
            values = joined_binary(arena, values, headers->items[i].value);
    }
    return values;
}

bool headers_has_token(const struct headers *headers, struct str name, struct str token)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (!str_equal_nocase(headers->items[i].name, name))
            continue;
        struct str rest = headers->items[i].value;
        struct str piece;
        while (next_piece(&rest, ',', &piece)) {
            if (str_equal_nocase(str_trim(piece), token))
                return true;
        }
    }
    return false;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

struct str percent_decode(struct str text, bool plus, struct arena *arena)
{
    if (str_find_byte(text, '%') < 0 && (!plus || str_find_byte(text, '+') < 0))
        return present(text);
    char *decoded = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        if (byte == '%' && text.size - i > 2 && hex_value(text.data[i + 1]) >= 0 &&
            hex_value(text.data[i + 2]) >= 0) {
            byte = (char)(hex_value(text.data[i + 1]) * 16 + hex_value(text.data[i + 2]));
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        decoded[size++] = byte;
    }
    return (struct str){decoded, size};
}

static bool is_unreserved(char byte)
{
    char letter = (char)(byte | 0x20);
    return (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '.' || byte == '_' || byte == '~';
}

struct str percent_encode(struct str text, const char *keep, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc_array(arena, text.size + 1, 3);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (is_unreserved(text.data[i]) || (byte && strchr(keep, byte))) {
            out[size++] = text.data[i];
            continue;
        }
        out[size++] = '%';
        out[size++] = digits[byte >> 4];
        out[size++] = digits[byte & 15];
    }
    return (struct str){out, size};
}

/** Cuts the next pair off a query, decoded; a name without '=' has the empty value. */
static bool query_next(struct str *rest, struct arena *arena, struct str *name, struct str *value)
{
    struct str piece;
    while (next_piece(rest, '&', &piece)) {
        if (piece.size == 0)
            continue;
        ptrdiff_t at = str_find_byte(piece, '=');
        size_t split = at < 0 ? piece.size : (size_t)at;
        *name = percent_decode(str_slice(piece, 0, split), true, arena);
        *value = percent_decode(str_from(piece, split + 1), true, arena);
        return true;
    }
    return false;
}

const struct json *query_to_json(struct str query, struct str name, struct arena *arena)
{
    struct json *values = NULL;
    struct str found;
    struct str value;
    while (query_next(&query, arena, &found, &value)) {
        if (str_equal(found, name))
            values = joined(arena, values, value);
    }
    return values;
}

/** A place in the table of names that query_object() finds members by. */
static size_t query_slot(const struct json *object, const uint32_t *slots, size_t mask,
                         struct str name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(1099511628211);
    size_t at = (size_t)(hash ^ hash >> 32) & mask;
    while (slots[at] && !str_equal(object->members[slots[at] - 1].name, name))
        at = (at + 1) & mask;
    return at;
}

struct json *query_object(struct str query, struct arena *arena)
{
    size_t pairs = 1;
    for (size_t i = 1; i < query.size; i++)
        pairs += query.data[i] == '&' && query.data[i - 1] != '&';
    size_t mask = 7;
    while (mask < pairs * 2)
        mask = mask * 2 + 1;
    /* A form may hold millions of names: looking for each among all members would take for ever. */
    uint32_t *slots = arena_alloc_array(arena, mask + 1, sizeof *slots);
    struct json *object = json_object(arena);
    struct str name;
    struct str value;
    while (query_next(&query, arena, &name, &value)) {
        size_t at = query_slot(object, slots, mask, name);
        if (slots[at]) {
            struct json_member *member = &object->members[slots[at] - 1];
            member->value = joined(arena, member->value, value);
        } else {
            json_put(arena, object, name, json_string(arena, value));
            slots[at] = (uint32_t)object->count;
        }
    }
    return object;
}

/** The cookie in one Cookie header. */
static struct str cookie_in(struct str header, struct str name)
{
    struct str piece;
    while (next_piece(&header, ';', &piece)) {
        ptrdiff_t at = str_find_byte(piece, '=');
        if (at >= 0 && str_equal(str_trim(str_slice(piece, 0, (size_t)at)), name))
            return present(str_trim(str_from(piece, (size_t)at + 1)));
    }
    return (struct str){0};
}

struct str request_cookie(const struct request *request, struct str name)
{
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct header *header = &request->headers.items[i];
        if (!str_equal_nocase(header->name, STR("cookie")))
            continue;
        struct str value = cookie_in(header->value, name);
        if (value.data)
            return value;
    }
    return (struct str){0};
}

/*
 * A packed request: the two bytes below, the version, then every text as its size plus 1 (0 = not
 * there) and its bytes; headers and trailers as their number and their texts. Numbers are varints.
 */
#define PACKED_MAGIC STR("R1")

static void pack_number(uint64_t number, struct buf *into)
{
    while (number >= 0x80) {
        buf_append_byte(into, (char)(number | 0x80));
        number >>= 7;
    }
    buf_append_byte(into, (char)number);
}

static void pack_text(struct str text, struct buf *into)
{
    pack_number(text.data ? text.size + 1 : 0, into);
    buf_append(into, text);
}

static void pack_headers(const struct headers *headers, struct buf *into)
{
    pack_number(headers->count, into);
    for (size_t i = 0; i < headers->count; i++) {
        pack_text(headers->items[i].name, into);
        pack_text(headers->items[i].value, into);
    }
}

void request_pack(const struct request *request, struct buf *into)
{
    buf_append(into, PACKED_MAGIC);
    pack_number((uint64_t)request->version, into);
    pack_text(request->method, into);
    pack_text(request->target, into);
    pack_text(request->path, into);
    pack_text(request->query, into);
    pack_text(request->authority, into);
    pack_headers(&request->headers, into);
    pack_headers(&request->trailers, into);
    pack_text(request->body, into);
}

static bool unpack_number(struct str *rest, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 63 && rest->size; shift += 7) {
        unsigned char byte = (unsigned char)rest->data[0];
        *rest = str_from(*rest, 1);
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool unpack_text(struct str *rest, struct str *text)
{
    uint64_t size;
    *text = (struct str){0};
    if (!unpack_number(rest, &size) || (size && size - 1 > rest->size))
        return false;
    if (size) {
        *text = present(str_slice(*rest, 0, size - 1));
        *rest = str_from(*rest, size - 1);
    }
    return true;
}

static bool unpack_headers(struct str *rest, struct arena *arena, struct headers *headers)
{
    uint64_t count;
    *headers = (struct headers){0};
    /* Each takes two bytes at least: a number that lies cannot ask for more memory than that. */
    if (!unpack_number(rest, &count) || count > rest->size / 2)
        return false;
    if (count)
        headers->items = arena_alloc_array(arena, count, sizeof *headers->items);
    headers->capacity = count;
    for (; headers->count < count; headers->count++) {
        struct header *header = &headers->items[headers->count];
        if (!unpack_text(rest, &header->name) || !unpack_text(rest, &header->value))
            return false;
    }
    return true;
}

bool request_unpack(struct str packed, struct arena *arena, struct request *request)
{
    *request = (struct request){0};
    if (!str_starts(packed, PACKED_MAGIC))
        return false;
    struct str rest = str_from(packed, PACKED_MAGIC.size);
    uint64_t version;
    if (!unpack_number(&rest, &version) ||
        (version != HTTP_1_0 && version != HTTP_1_1 && version != HTTP_2))
        return false;
    request->version = (enum http_version)version;
    return unpack_text(&rest, &request->method) && unpack_text(&rest, &request->target) &&
           unpack_text(&rest, &request->path) && unpack_text(&rest, &request->query) &&
           unpack_text(&rest, &request->authority) &&
           unpack_headers(&rest, arena, &request->headers) &&
           unpack_headers(&rest, arena, &request->trailers) && unpack_text(&rest, &request->body) &&
           rest.size == 0;
}
