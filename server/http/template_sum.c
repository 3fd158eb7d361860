/* Exact sums of decimal numbers of any size, for the filter `add`. */
#include "server/http/template_private.h"

#include <string.h>

enum {
    DIGITS_MOST = 10000,  /**< of a number as written */
    EXPONENT_MOST = 1000, /**< either way */
};

/** A number as its digits, the last `scale` of which stand behind the point. */
struct decimal {
    bool negative;
    char *digits; /**< values 0 to 9, the highest first */
    size_t count;
    size_t scale;
};

/** Reads the exponent that `text` ends with, which may be missing. */
static bool exponent_read(struct str text, int *exponent)
{
    *exponent = 0;
    if (text.size == 0)
        return true;
    if (text.data[0] != 'e' && text.data[0] != 'E')
        return false;
    text = str_from(text, 1);
    bool negative = str_starts(text, STR("-"));
    if (negative || str_starts(text, STR("+")))
        text = str_from(text, 1);
    uint64_t amount;
    if (!str_to_u64(text, EXPONENT_MOST, &amount))
        return false;
    *exponent = negative ? -(int)amount : (int)amount;
    return true;
}

/** Digits with a point among them, signs before and an exponent behind; zeros may lead. */
static bool decimal_read(struct str text, struct arena *arena, struct decimal *decimal)
{
    if (text.size > DIGITS_MOST)
        return false;
    *decimal = (struct decimal){.negative = str_starts(text, STR("-"))};
    decimal->digits = arena_alloc(arena, text.size + EXPONENT_MOST + 1);
    bool point = false;
    size_t at = decimal->negative || str_starts(text, STR("+")) ? 1 : 0;
    for (; at < text.size; at++) {
        char byte = text.data[at];
        if (byte == '.' && !point) {
            point = true;
        } else if (byte >= '0' && byte <= '9') {
            decimal->digits[decimal->count++] = (char)(byte - '0');
            decimal->scale += point;
        } else {
            break;
        }
    }
    int exponent;
    if (decimal->count == 0 || !exponent_read(str_from(text, at), &exponent))
        return false;
    for (; exponent > 0; exponent--) {
        if (decimal->scale)
            decimal->scale--;
        else
            decimal->digits[decimal->count++] = 0;
    }
    decimal->scale += (size_t)-exponent;
    return true;
}

/** The digits with zeros at both ends so that all are `count` with `scale` behind the point. */
static char *decimal_aligned(const struct decimal *decimal, size_t count, size_t scale,
                             struct arena *arena)
{
    char *digits = arena_alloc(arena, count);
    size_t behind = scale - decimal->scale;
    memcpy(digits + count - behind - decimal->count, decimal->digits, decimal->count);
    return digits;
}

/** a becomes a + b, or a - b where a is not less. */
static void digits_combine(char *a, const char *b, size_t count, bool subtract)
{
    int carry = 0;
    for (size_t i = count; i-- > 0;) {
        int sum = subtract ? a[i] - b[i] + carry : a[i] + b[i] + carry;
        carry = sum < 0 ? -1 : sum > 9 ? 1 : 0;
        a[i] = (char)(sum - 10 * carry);
    }
    GOTO_ASSERT(carry == 0);
}

/** Writes the digits: at least one before the point, none but the given ones behind it. */
static struct str digits_write(const char *digits, size_t count, size_t scale, bool negative,
                               struct arena *arena)
{
    size_t from = 0;
    while (from + scale + 1 < count && digits[from] == 0)
        from++;
    bool zero = true;
    for (size_t i = from; i < count; i++)
        zero = zero && digits[i] == 0;
    char *text = arena_alloc(arena, count + 2);
    size_t size = 0;
    if (negative && !zero)
        text[size++] = '-';
    for (size_t i = from; i < count; i++) {
        if (i + scale == count)
            text[size++] = '.';
        text[size++] = (char)('0' + digits[i]);
    }
    return (struct str){text, size};
}

bool template_sum(struct str a, struct str b, struct arena *arena, struct str *sum)
{
    struct decimal left;
    struct decimal right;
    if (!decimal_read(a, arena, &left) || !decimal_read(b, arena, &right))
        return false;
    size_t scale = left.scale > right.scale ? left.scale : right.scale;
    size_t left_size = left.count + scale - left.scale;
    size_t right_size = right.count + scale - right.scale;
    size_t count = (left_size > right_size ? left_size : right_size) + 1;
    if (count < scale + 1)
        count = scale + 1;
    char *first = decimal_aligned(&left, count, scale, arena);
    char *second = decimal_aligned(&right, count, scale, arena);
    bool negative = left.negative;
    if (left.negative == right.negative) {
        digits_combine(first, second, count, false);
    } else if (memcmp(first, second, count) >= 0) {
        digits_combine(first, second, count, true);
    } else {
        digits_combine(second, first, count, true);
        first = second;
        negative = right.negative;
    }
    *sum = digits_write(first, count, scale, negative, arena);
    return true;
}
