#include "base/str.h"

#include <string.h>

struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

bool str_equal(struct str a, struct str b)
{
    return a.size == b.size &&
           (a.size == 0 || (a.data && b.data && memcmp(a.data, b.data, a.size) == 0));
}

static char to_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

bool str_equal_nocase(struct str a, struct str b)
{
    if (a.size != b.size)
        return false;
    if (a.size == 0 || memcmp(a.data, b.data, a.size) == 0)
        return true;
    for (size_t i = 0; i < a.size; i++) {
        if (to_lower(a.data[i]) != to_lower(b.data[i]))
            return false;
    }
    return true;
}

bool str_is(struct str a, const char *b)
{
    return str_equal(a, str_of(b));
}

int str_compare(struct str a, struct str b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

bool str_starts(struct str text, struct str prefix)
{
    return text.size >= prefix.size && str_equal(str_slice(text, 0, prefix.size), prefix);
}

bool str_ends(struct str text, struct str suffix)
{
    return text.size >= suffix.size && str_equal(str_from(text, text.size - suffix.size), suffix);
}

ptrdiff_t str_find(struct str text, struct str part)
{
    if (part.size == 0)
        return 0;
    if (text.size < part.size)
        return -1;
    const char *at = memmem(text.data, text.size, part.data, part.size);
    return at ? at - text.data : -1;
}

ptrdiff_t str_find_byte(struct str text, char byte)
{
    const char *at = text.size ? memchr(text.data, byte, text.size) : NULL;
    return at ? at - text.data : -1;
}

struct str str_slice(struct str text, size_t from, size_t size)
{
    if (from > text.size)
        from = text.size;
    if (size > text.size - from)
        size = text.size - from;
    return (struct str){text.data ? text.data + from : NULL, size};
}

struct str str_from(struct str text, size_t from)
{
    return str_slice(text, from, text.size);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct str str_trim(struct str text)
{
    while (text.size && is_blank(text.data[0]))
        text = str_from(text, 1);
    while (text.size && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

bool str_to_u64(struct str text, uint64_t most, uint64_t *value)
{
    uint64_t sum = 0;
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (sum > most)
        return false;
    *value = sum;
    return true;
}

size_t str_decode(struct str text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text.data;
    if (text.size == 0 || !p)
        return 0;
    size_t size = p[0] < 0x80             ? 1
                  : (p[0] & 0xe0) == 0xc0 ? 2
                  : (p[0] & 0xf0) == 0xe0 ? 3
                  : (p[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (size == 0 || size > text.size)
        return 0;
    uint32_t value = size == 1 ? p[0] : p[0] & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3f);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return size;
}

size_t str_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/** How many bytes from `at` on are ASCII, eight at a time; what follows may be, too. */
static size_t ascii_size(struct str text, size_t at)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t from = at;
    uint64_t eight;
    for (; text.size - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text.data + at, sizeof eight);
        if (eight & high_bits)
            break;
    }
    return at - from;
}

bool str_is_utf8(struct str text, size_t *bad_at)
{
    size_t at = 0;
    while (at < text.size) {
        uint32_t code;
        at += ascii_size(text, at);
        if (at == text.size)
            break;
        size_t size = str_decode(str_from(text, at), &code);
        if (size == 0) {
            if (bad_at)
                *bad_at = at;
            return false;
        }
        at += size;
    }
    return true;
}

size_t str_characters(struct str text)
{
    size_t at = 0;
    size_t count = 0;
    while (at < text.size) {
        uint32_t code;
        size_t size = str_decode(str_from(text, at), &code);
        at += size ? size : 1;
        count++;
    }
    return count;
}

bool str_is_name(struct str text)
{
    if (text.size == 0 || text.data[0] < 'a' || text.data[0] > 'z')
        return false;
    for (size_t i = 1; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

enum { LONGEST_NAME = 64 };

size_t str_distance(struct str a, struct str b, size_t limit)
{
    size_t rows[3][LONGEST_NAME + 1];
    if (a.size > LONGEST_NAME || b.size > LONGEST_NAME)
        return str_equal(a, b) ? 0 : limit + 1;
    for (size_t j = 0; j <= b.size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t best = above[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                a.data[i - 2] == b.data[j - 1] && above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    size_t distance = rows[a.size % 3][b.size];
    return distance > limit ? limit + 1 : distance;
}

void str_nearest(struct nearest *nearest, struct str known)
{
    size_t limit = nearest->wanted.size / 3;
    limit = limit < 1 ? 1 : limit > 3 ? 3 : limit;
    size_t distance = str_distance(nearest->wanted, known, limit);
    if (distance > limit && nearest->wanted.size >= 3 && known.size >= 3 &&
        (str_starts(known, nearest->wanted) || str_starts(nearest->wanted, known)))
        distance = limit;
    if (distance > limit)
        return;
    if (nearest->best.data && distance >= nearest->distance)
        return;
    nearest->best = known;
    nearest->distance = distance;
}
