/* Error codes by their names: RFC 9113 section 7. */
#include "server/http/h2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

struct str h2_error_name(uint32_t code, char out[24])
{
    if (code <= NGHTTP2_HTTP_1_1_REQUIRED)
        return str_of(nghttp2_http2_strerror(code));
    int size = snprintf(out, 24, "code %u", code);
    return (struct str){out, (size_t)size};
}

/** The digits behind "0x"; at most eight. */
static bool hex_number(struct str digits, uint32_t *code)
{
    uint32_t value = 0;
    if (digits.size == 0 || digits.size > 8)
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        char digit = digits.data[i];
        char letter = (char)(digit | 0x20);
        if (digit >= '0' && digit <= '9')
            value = value << 4 | (uint32_t)(digit - '0');
        else if (letter >= 'a' && letter <= 'f')
            value = value << 4 | (uint32_t)(letter - 'a' + 10);
        else
            return false;
    }
    *code = value;
    return true;
}

bool h2_error_number(struct str name, uint32_t *code)
{
    uint64_t number;
    for (uint32_t known = 0; known <= NGHTTP2_HTTP_1_1_REQUIRED; known++) {
        if (str_is(name, nghttp2_http2_strerror(known))) {
            *code = known;
            return true;
        }
    }
    if (str_starts(name, STR("0x")) || str_starts(name, STR("0X")))
        return hex_number(str_from(name, 2), code);
    if (str_starts(name, STR("code ")))
        name = str_from(name, 5);
    if (!str_to_u64(name, UINT32_MAX, &number))
        return false;
    *code = (uint32_t)number;
    return true;
}
