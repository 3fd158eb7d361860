#include "base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct str base64_write(struct arena *arena, struct str bytes, bool padded)
{
    char *text = arena_alloc(arena, bytes.size / 3 * 4 + 4);
    size_t size = 0;
    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        uint32_t group = 0;
        for (size_t i = 0; i < 3; i++)
            group = group << 8 | (i < left ? (unsigned char)bytes.data[at + i] : 0);
        for (size_t i = 0; i < 4 && (padded || i <= left); i++)
            text[size++] = i <= left ? digits[group >> (18 - 6 * i) & 63] : '=';
    }
    return (struct str){text, size};
}

static int digit_value(char digit)
{
    if (digit == '-' || digit == '_')
        return digit == '-' ? 62 : 63;
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool base64_read(struct arena *arena, struct str text, struct str *bytes)
{
    bool padded = text.size % 4 == 0;
    for (int i = 0; i < 2 && padded && str_ends(text, STR("=")); i++)
        text.size--;
    if (text.size % 4 == 1)
        return false;
    char *made = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    uint32_t bits = 0;
    for (size_t at = 0; at < text.size; at++) {
        int value = digit_value(text.data[at]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (at % 4)
            made[size++] = (char)(bits >> (6 - 2 * (at % 4)));
    }
    *bytes = (struct str){made, size};
    return true;
}
