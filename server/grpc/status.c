#include "server/grpc/status.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[GRPC_STATUS_COUNT] = {
    [GRPC_OK] = "OK",
    [GRPC_CANCELLED] = "CANCELLED",
    [GRPC_UNKNOWN] = "UNKNOWN",
    [GRPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [GRPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [GRPC_NOT_FOUND] = "NOT_FOUND",
    [GRPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [GRPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [GRPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [GRPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [GRPC_ABORTED] = "ABORTED",
    [GRPC_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [GRPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [GRPC_INTERNAL] = "INTERNAL",
    [GRPC_UNAVAILABLE] = "UNAVAILABLE",
    [GRPC_DATA_LOSS] = "DATA_LOSS",
    [GRPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

const char *grpc_status_name(int64_t code)
{
    return code >= 0 && code < GRPC_STATUS_COUNT ? names[code] : NULL;
}

int grpc_status_code(struct str name)
{
    for (int i = 0; i < GRPC_STATUS_COUNT; i++) {
        if (str_is(name, names[i]))
            return i;
    }
    return -1;
}

struct nearest grpc_status_nearest(struct str wanted)
{
    struct nearest nearest = {.wanted = wanted};
    for (int i = 0; i < GRPC_STATUS_COUNT; i++)
        str_nearest(&nearest, str_of(names[i]));
    return nearest;
}

bool grpc_status_read(struct str text, int *code)
{
    uint64_t value;
    if (!str_to_u64(text, INT32_MAX, &value))
        return false;
    *code = (int)value;
    return true;
}

/* As the document "HTTP to gRPC Status Code Mapping" of gRPC has it. */
enum grpc_status grpc_status_of_http(int status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

/* RFC 9113, section 7, by number; the two that gRPC has no mapping for (5, 13) are INTERNAL. */
enum grpc_status grpc_status_of_reset(uint32_t code)
{
    enum { MOST = 0xd, REFUSED = 0x7, CANCEL = 0x8, CALM = 0xb, SECURITY = 0xc };
    switch (code) {
    case REFUSED:
        return GRPC_UNAVAILABLE;
    case CANCEL:
        return GRPC_CANCELLED;
    case CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return code <= MOST ? GRPC_INTERNAL : GRPC_UNKNOWN;
    }
}

/* grpc-message */

void grpc_message_write(struct str message, struct buf *into)
{
    for (size_t i = 0; i < message.size; i++) {
        unsigned char byte = (unsigned char)message.data[i];
        /* a field of HTTP neither begins nor ends with a blank (RFC 9113 section 8.2.1) */
        bool edge = byte == ' ' && (i == 0 || i + 1 == message.size);
        if (byte >= 0x20 && byte <= 0x7e && byte != '%' && !edge)
            (void)!buf_append_byte(into, (char)byte);
        else
            (void)!buf_printf(into, "%%%02X", byte);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct str grpc_message_read(struct arena *arena, struct str text)
{
    char *made = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int high = text.data[i] == '%' && i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
        if (low < 0) {
            made[size++] = text.data[i];
            continue;
        }
        made[size++] = (char)(high << 4 | low);
        i += 2;
    }
    return (struct str){made, size};
}

/* content-type */

bool grpc_is_content_type(struct str type)
{
    struct str begin = STR("application/grpc");
    struct str format = STR("+proto");
    if (!str_equal_nocase(str_slice(type, 0, begin.size), begin))
        return false;
    type = str_from(type, begin.size);
    if (str_equal_nocase(str_slice(type, 0, format.size), format))
        type = str_from(type, format.size);
    type = str_trim(type);
    return type.size == 0 || type.data[0] == ';';
}

/* grpc-timeout */

/* The finest first. */
static const struct {
    char unit;
    int64_t ns;
} timeout_units[] = {{'n', 1},
                     {'u', 1000},
                     {'m', 1000000},
                     {'S', 1000000000},
                     {'M', INT64_C(60) * 1000000000},
                     {'H', INT64_C(3600) * 1000000000}};

enum { TIMEOUT_DIGITS = 8, TIMEOUT_MOST = 99999999 };

bool grpc_timeout_read(struct str text, int64_t *ns)
{
    uint64_t value;
    if (text.size < 2 || text.size > TIMEOUT_DIGITS + 1 ||
        !str_to_u64(str_slice(text, 0, text.size - 1), TIMEOUT_MOST, &value))
        return false;
    for (size_t i = 0; i < COUNT_OF(timeout_units); i++) {
        if (timeout_units[i].unit != text.data[text.size - 1])
            continue;
        bool beyond = (int64_t)value > INT64_MAX / timeout_units[i].ns;
        *ns = beyond ? INT64_MAX : (int64_t)value * timeout_units[i].ns;
        return true;
    }
    return false;
}

void grpc_timeout_write(int64_t ns, char out[GRPC_TIMEOUT_SIZE])
{
    size_t i = 0;
    ns = ns > 0 ? ns : 0;
    while (i + 1 < COUNT_OF(timeout_units) &&
           ns / timeout_units[i].ns + (ns % timeout_units[i].ns != 0) > TIMEOUT_MOST)
        i++;
    int64_t value = ns / timeout_units[i].ns + (ns % timeout_units[i].ns != 0);
    snprintf(out, GRPC_TIMEOUT_SIZE, "%" PRId64 "%c", value, timeout_units[i].unit);
}
