#include "schema/scalar.h"

#include "base/memory.h"

#include <string.h>

static bool is_one_of(struct str text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_is(text, words[i]))
            return true;
    }
    return false;
}

/** The value of a digit, or 99. */
static unsigned digit_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return (unsigned)(byte - '0');
    if (byte >= 'a' && byte <= 'f')
        return (unsigned)(byte - 'a') + 10;
    if (byte >= 'A' && byte <= 'F')
        return (unsigned)(byte - 'A') + 10;
    return 99;
}

/** How many digits of that base stand at `from`. */
static size_t digits_at(struct str text, size_t from, unsigned base)
{
    size_t at = from;
    while (at < text.size && digit_value(text.data[at]) < base)
        at++;
    return at - from;
}

static bool is_sign(struct str text, size_t at)
{
    return at < text.size && (text.data[at] == '+' || text.data[at] == '-');
}

static bool is_infinity(struct str text)
{
    static const char *const words[] = {".inf", ".Inf", ".INF"};
    return is_one_of(str_from(text, is_sign(text, 0) ? 1 : 0), words, COUNT_OF(words));
}

static bool is_nan(struct str text)
{
    static const char *const words[] = {".nan", ".NaN", ".NAN"};
    return is_one_of(text, words, COUNT_OF(words));
}

/** The parts of [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
struct parts {
    bool negative;
    struct str whole;
    struct str fraction;
    struct str exponent; /**< with its sign */
};

static bool parts_read(struct str text, struct parts *parts)
{
    size_t at = is_sign(text, 0) ? 1 : 0;
    *parts = (struct parts){.negative = at && text.data[0] == '-'};
    parts->whole = str_slice(text, at, digits_at(text, at, 10));
    at += parts->whole.size;
    if (at < text.size && text.data[at] == '.') {
        parts->fraction = str_slice(text, at + 1, digits_at(text, at + 1, 10));
        at += 1 + parts->fraction.size;
    }
    if (parts->whole.size == 0 && parts->fraction.size == 0)
        return false;
    if (at == text.size)
        return true;
    if (text.data[at] != 'e' && text.data[at] != 'E')
        return false;
    size_t sign = is_sign(text, at + 1) ? 1 : 0;
    size_t digits = digits_at(text, at + 1 + sign, 10);
    parts->exponent = str_slice(text, at + 1, sign + digits);
    return digits > 0 && at + 1 + sign + digits == text.size;
}

bool scalar_has_base(struct str text)
{
    unsigned base = str_starts(text, STR("0x")) ? 16 : str_starts(text, STR("0o")) ? 8 : 0;
    return base && text.size > 2 && digits_at(text, 2, base) == text.size - 2;
}

enum node_kind scalar_kind(struct str text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const booleans[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    struct parts parts;
    if (is_one_of(text, nulls, COUNT_OF(nulls)))
        return NODE_NULL;
    if (is_one_of(text, booleans, COUNT_OF(booleans)))
        return NODE_BOOL;
    if (parts_read(text, &parts) || scalar_has_base(text) || is_infinity(text) || is_nan(text))
        return NODE_NUMBER;
    return NODE_STRING;
}

enum { CHUNK = 1000000000, CHUNK_DIGITS = 9 };

/** Chunks of nine decimal digits, the lowest first, as text. */
static struct str chunks_write(struct arena *arena, const uint32_t *chunks, size_t count)
{
    char *text = arena_alloc(arena, count * CHUNK_DIGITS);
    size_t size = count * CHUNK_DIGITS;
    for (size_t i = 0; i < count; i++) {
        uint32_t chunk = chunks[i];
        for (size_t digit = 1; digit <= CHUNK_DIGITS; digit++, chunk /= 10)
            text[size - i * CHUNK_DIGITS - digit] = (char)('0' + chunk % 10);
    }
    size_t zeros = 0;
    while (zeros + 1 < size && text[zeros] == '0')
        zeros++;
    return (struct str){text + zeros, size - zeros};
}

/** Hexadecimal or octal digits in decimal; quadratic, so the reader of the text bounds its size. */
static struct str base_to_decimal(struct arena *arena, struct str digits, uint32_t base)
{
    size_t most = digits.size / 7 + 1; /* seven digits of 4 bits are less than nine decimal ones */
    uint32_t *chunks = memory_alloc_array(most, sizeof *chunks);
    size_t count = 1;
    for (size_t i = 0; i < digits.size; i++) {
        uint64_t carry = digit_value(digits.data[i]);
        for (size_t j = 0; j < count; j++) {
            carry += (uint64_t)chunks[j] * base;
            chunks[j] = (uint32_t)(carry % CHUNK);
            carry /= CHUNK;
        }
        if (carry)
            chunks[count++] = (uint32_t)carry;
    }
    struct str text = chunks_write(arena, chunks, count);
    memory_free(chunks);
    return text;
}

struct str scalar_number_to_json(struct arena *arena, struct str text)
{
    struct parts parts;
    if (number_is_valid(text))
        return text;
    if (is_nan(text))
        return STR(".nan");
    if (is_infinity(text))
        return str_starts(text, STR("-")) ? STR("-.inf") : STR(".inf");
    if (scalar_has_base(text))
        return base_to_decimal(arena, str_from(text, 2), text.data[1] == 'x' ? 16 : 8);
    bool read = parts_read(text, &parts);
    GOTO_ASSERT(read);
    struct str whole = parts.whole;
    while (whole.size > 1 && whole.data[0] == '0')
        whole = str_from(whole, 1);
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    buf_append_string(&buf, parts.negative ? "-" : "");
    buf_append(&buf, whole.size ? whole : STR("0"));
    buf_append_string(&buf, parts.fraction.size ? "." : "");
    buf_append(&buf, parts.fraction);
    buf_append_string(&buf, parts.exponent.size ? "e" : "");
    buf_append(&buf, parts.exponent);
    struct str copy = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return copy;
}
