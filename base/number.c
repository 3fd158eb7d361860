/* Numbers by exact value: texts are compared digit by digit, so that no size or precision is lost.
 */
#include "base/json.h"

#include <strings.h>

struct decimal {
    enum { DECIMAL_BAD, DECIMAL_NAN, DECIMAL_INFINITE, DECIMAL_FINITE } kind;
    bool negative;
    bool zero;
    struct str mantissa; /* digits, with at most one point */
    size_t point;        /* digits before the point */
    size_t first;        /* ordinal of the first digit that is not 0 */
    size_t last;         /* ordinal of the last one */
    bool exponent_negative;
    struct str exponent; /* digits only, of any length */
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static size_t digits_at(struct str text, size_t from)
{
    size_t at = from;
    while (at < text.size && is_digit(text.data[at]))
        at++;
    return at - from;
}

/* The digit of that ordinal, the point not counted. */
static int decimal_digit(const struct decimal *decimal, size_t ordinal)
{
    return decimal->mantissa.data[ordinal + (ordinal >= decimal->point)] - '0';
}

static void decimal_find_significant(struct decimal *decimal, size_t digits)
{
    decimal->zero = true;
    for (size_t i = 0; i < digits; i++) {
        if (decimal_digit(decimal, i) == 0)
            continue;
        if (decimal->zero)
            decimal->first = i;
        decimal->zero = false;
        decimal->last = i;
    }
}

static bool decimal_read_special(struct decimal *decimal, struct str text)
{
    if (str_equal_nocase(text, STR(".inf")))
        decimal->kind = DECIMAL_INFINITE;
    else if (str_equal_nocase(text, STR(".nan")))
        decimal->kind = DECIMAL_NAN;
    return decimal->kind != DECIMAL_BAD;
}

/* Fills `exponent` from what follows the mantissa; false if that is not "" or an exponent. */
static bool decimal_read_exponent(struct decimal *decimal, struct str text)
{
    if (text.size == 0)
        return true;
    if (text.data[0] != 'e' && text.data[0] != 'E')
        return false;
    size_t at = 1;
    if (at < text.size && (text.data[at] == '+' || text.data[at] == '-')) {
        decimal->exponent_negative = text.data[at] == '-';
        at++;
    }
    decimal->exponent = str_from(text, at);
    return text.size > at && digits_at(text, at) == text.size - at;
}

static struct decimal decimal_read(struct str text)
{
    struct decimal decimal = {.kind = DECIMAL_BAD};
    if (text.size && (text.data[0] == '-' || text.data[0] == '+')) {
        decimal.negative = text.data[0] == '-';
        text = str_from(text, 1);
    }
    if (decimal_read_special(&decimal, text))
        return decimal;
    size_t whole = digits_at(text, 0);
    size_t fraction = 0;
    size_t at = whole;
    if (at < text.size && text.data[at] == '.') {
        fraction = digits_at(text, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0 || !decimal_read_exponent(&decimal, str_from(text, at)))
        return decimal;
    decimal.kind = DECIMAL_FINITE;
    decimal.mantissa = str_slice(text, 0, at);
    decimal.point = whole;
    decimal_find_significant(&decimal, whole + fraction);
    return decimal;
}

/* Beyond any difference that the digits of a text in memory can make up for. */
static const int64_t FAR_APART = 100000000000000000;

static int exponent_digit(const struct decimal *decimal, size_t width, size_t at)
{
    size_t blank = width - decimal->exponent.size;
    if (at < blank)
        return 0;
    int digit = decimal->exponent.data[at - blank] - '0';
    return decimal->exponent_negative ? -digit : digit;
}

/*
 * The difference of the exponents as written, clipped to FAR_APART. From the highest digit on: once
 * the sum is beyond 2, further digits only move it away from 0, so clipping early is exact.
 */
static int64_t exponent_difference(const struct decimal *a, const struct decimal *b)
{
    size_t width = a->exponent.size > b->exponent.size ? a->exponent.size : b->exponent.size;
    int64_t difference = 0;
    for (size_t i = 0; i < width; i++) {
        difference = difference * 10 + exponent_digit(a, width, i) - exponent_digit(b, width, i);
        if (difference > FAR_APART)
            return FAR_APART;
        if (difference < -FAR_APART)
            return -FAR_APART;
    }
    return difference;
}

static int compare_magnitude(const struct decimal *a, const struct decimal *b)
{
    if (a->zero || b->zero)
        return (int)b->zero - (int)a->zero;
    int64_t difference = exponent_difference(a, b);
    difference += (int64_t)a->point - (int64_t)a->first;
    difference -= (int64_t)b->point - (int64_t)b->first;
    if (difference)
        return difference < 0 ? -1 : 1;
    size_t a_size = a->last - a->first + 1;
    size_t b_size = b->last - b->first + 1;
    for (size_t i = 0; i < a_size && i < b_size; i++) {
        int order = decimal_digit(a, a->first + i) - decimal_digit(b, b->first + i);
        if (order)
            return order;
    }
    return a_size < b_size ? -1 : a_size > b_size;
}

/* -1, 0 or 1; the sign of an infinity counts double, so that it lies beyond every finite number. */
static int decimal_rank(const struct decimal *decimal)
{
    if (decimal->kind == DECIMAL_INFINITE)
        return decimal->negative ? -2 : 2;
    if (decimal->zero)
        return 0;
    return decimal->negative ? -1 : 1;
}

int number_compare(struct str a_text, struct str b_text, bool *ordered)
{
    struct decimal a = decimal_read(a_text);
    struct decimal b = decimal_read(b_text);
    *ordered = a.kind >= DECIMAL_INFINITE && b.kind >= DECIMAL_INFINITE;
    if (!*ordered)
        return 0;
    int a_rank = decimal_rank(&a);
    int b_rank = decimal_rank(&b);
    if (a_rank != b_rank)
        return a_rank < b_rank ? -1 : 1;
    if (a_rank == 0 || a.kind == DECIMAL_INFINITE)
        return 0;
    int order = compare_magnitude(&a, &b);
    return a_rank < 0 ? -order : order;
}

bool number_is_integer(struct str text)
{
    struct decimal decimal = decimal_read(text);
    if (decimal.kind != DECIMAL_FINITE)
        return false;
    if (decimal.zero)
        return true;
    struct decimal none = {.kind = DECIMAL_FINITE};
    int64_t exponent = exponent_difference(&decimal, &none);
    return exponent + (int64_t)decimal.point - 1 - (int64_t)decimal.last >= 0;
}

bool number_is_valid(struct str text)
{
    size_t at = text.size && text.data[0] == '-';
    size_t whole = digits_at(text, at);
    if (whole == 0 || (whole > 1 && text.data[at] == '0'))
        return false;
    at += whole;
    if (at < text.size && text.data[at] == '.') {
        size_t fraction = digits_at(text, at + 1);
        if (fraction == 0)
            return false;
        at += 1 + fraction;
    }
    struct decimal decimal = {.kind = DECIMAL_BAD};
    return decimal_read_exponent(&decimal, str_from(text, at));
}
