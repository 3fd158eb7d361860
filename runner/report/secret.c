/* Secrets: known texts that no report shows, in whatever way they were encoded on their way. */
#include "base/memory.h"
#include "runner/report/report_private.h"

#include <string.h>

enum {
    SHORTEST_PART = 4, /**< of a secret that was cut by somebody's bound, still masked */
};

/** What is looked for: each secret, its lines, and its base64 forms. Kept until the process ends.
 */
static struct {
    struct str *items;
    size_t count;
    size_t capacity;
    bool first[256]; /**< bytes that a form, plain or escaped, may begin with */
} forms;

/* Registering. */

static void forms_add(struct str form)
{
    for (size_t i = 0; i < forms.count; i++) {
        if (str_equal(forms.items[i], form))
            return;
    }
    char *copy = memory_alloc(form.size + 1);
    memcpy(copy, form.data, form.size);
    memory_grow(&forms.items, forms.count, &forms.capacity, sizeof *forms.items);
    size_t at = forms.count++;
    /* the longest first: one secret may be the beginning of another */
    for (; at > 0 && forms.items[at - 1].size < form.size; at--)
        forms.items[at] = forms.items[at - 1];
    forms.items[at] = (struct str){copy, form.size};
    forms.first[(unsigned char)form.data[0]] = true;
    for (const char *escape = "%+\\&'"; *escape; escape++)
        forms.first[(unsigned char)*escape] = true;
}

/**
 * Adds the base64 characters that stand for the secret alone when `before` bytes (0 to 2) of
 * something else precede it in their group of three, as in "user:secret".
 */
static void forms_add_base64(struct str secret, size_t before, const char *alphabet)
{
    size_t bits = (before + secret.size) * 8;
    size_t from = (before * 8 + 5) / 6;
    size_t to = bits / 6;
    if (to < from + SHORTEST_PART)
        return;
    char *text = memory_alloc(to - from + 1);
    for (size_t i = from; i < to; i++) {
        unsigned value = 0;
        for (size_t bit = i * 6; bit < i * 6 + 6; bit++) {
            unsigned char byte = (unsigned char)secret.data[bit / 8 - before];
            value = value << 1 | (byte >> (7 - bit % 8) & 1);
        }
        text[i - from] = alphabet[value];
    }
    forms_add((struct str){text, to - from});
    memory_free(text);
}

static void forms_add_lines(struct str secret)
{
    for (size_t at = 0; at < secret.size;) {
        ptrdiff_t end = str_find_byte(str_from(secret, at), '\n');
        size_t size = end < 0 ? secret.size - at : (size_t)end;
        struct str line = str_trim(str_slice(secret, at, size));
        if (line.size >= 2 * SHORTEST_PART)
            forms_add(line);
        at += size + 1;
    }
}

void report_add_secret(struct str secret)
{
    static const char *const alphabets[] = {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    };
    if (secret.size == 0)
        return;
    forms_add(secret);
    if (str_find_byte(secret, '\n') >= 0)
        forms_add_lines(secret);
    for (size_t i = 0; i < 2 * 3; i++)
        forms_add_base64(secret, i / 2, alphabets[i % 2]);
}

/* Looking for them. */

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/** The `digits` hexadecimal digits at the start of a text, or -1. */
static int hex_number(struct str text, size_t digits)
{
    int value = 0;
    if (text.size < digits)
        return -1;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/** The size of a backslash escape of `byte` at the start of the text, or 0. */
static size_t backslash_size(struct str text, unsigned char byte)
{
    static const char letters[] = "n\nr\rt\tb\bf\f";
    char second = text.size > 1 ? text.data[1] : '\0';
    if (second == 'u')
        return hex_number(str_from(text, 2), 4) == byte ? 6 : 0;
    if (second == 'x')
        return hex_number(str_from(text, 2), 2) == byte ? 4 : 0;
    for (size_t i = 0; i + 1 < sizeof letters; i += 2) {
        if (second == letters[i] && byte == (unsigned char)letters[i + 1])
            return 2;
    }
    return text.size > 1 && (unsigned char)second == byte && strchr("\"\\/'", second) ? 2 : 0;
}

/** The size of an entity for `byte` at the start of the text, or 0. */
static size_t entity_size(struct str text, unsigned char byte)
{
    static const struct {
        char byte;
        struct str entity;
    } entities[] = {
        {'&', STR_INIT("&amp;")},  {'<', STR_INIT("&lt;")},    {'>', STR_INIT("&gt;")},
        {'"', STR_INIT("&quot;")}, {'\'', STR_INIT("&apos;")}, {'"', STR_INIT("&#34;")},
        {'\'', STR_INIT("&#39;")}, {'\n', STR_INIT("&#10;")},
    };
    for (size_t i = 0; i < COUNT_OF(entities); i++) {
        if ((unsigned char)entities[i].byte == byte && str_starts(text, entities[i].entity))
            return entities[i].entity.size;
    }
    return 0;
}

/** How many bytes at the start of the text stand for `byte` in one of the usual escapes; 0: none.
 */
static size_t unit_size(struct str text, unsigned char byte)
{
    size_t size = 0;
    char first = text.size ? text.data[0] : '\0';
    if (text.size == 0)
        return 0;
    if (first == '%')
        size = hex_number(str_from(text, 1), 2) == byte ? 3 : 0;
    else if (first == '\\')
        size = backslash_size(text, byte);
    else if (first == '&')
        size = entity_size(text, byte);
    else if (first == '+' && byte == ' ')
        size = 1;
    else if (byte == '\'' && str_starts(text, STR("'\\''")))
        size = 4;
    if (size == 0 && (unsigned char)first == byte)
        size = 1;
    return size;
}

/** Whether a text was cut here by a bound of ours. */
static bool is_cut(struct str rest)
{
    return str_starts(rest, STR("…"));
}

/** The bytes at the start of the text that are the form, or the beginning of it before a cut. */
static size_t form_size(struct str text, struct str form)
{
    size_t at = 0;
    size_t matched = 0;
    if (str_starts(text, form))
        return form.size;
    for (; matched < form.size; matched++) {
        size_t size = unit_size(str_from(text, at), (unsigned char)form.data[matched]);
        if (size == 0)
            break;
        at += size;
    }
    if (matched == form.size)
        return at;
    return matched >= SHORTEST_PART && is_cut(str_from(text, at)) ? at : 0;
}

/** The bytes after a cut that are the end of a form. */
static size_t form_end_size(struct str text, struct str form)
{
    for (size_t size = form.size - 1; size >= SHORTEST_PART && size < form.size; size--) {
        if (str_starts(text, str_from(form, form.size - size)))
            return size;
    }
    return 0;
}

/** The bytes of a secret at `at`, or 0. */
static size_t secret_size(struct str text, size_t at)
{
    const struct str cut = STR("…");
    struct str rest = str_from(text, at);
    bool after_cut = at >= cut.size && is_cut(str_from(text, at - cut.size));
    size_t best = 0;
    if (!after_cut && !forms.first[(unsigned char)rest.data[0]])
        return 0;
    for (size_t i = 0; i < forms.count; i++) {
        size_t size = form_size(rest, forms.items[i]);
        if (size == 0 && after_cut)
            size = form_end_size(rest, forms.items[i]);
        if (size > best)
            best = size;
    }
    return best;
}

bool report_mask_some(struct str text, size_t most, struct buf *into)
{
    size_t from = 0;
    size_t at = 0;
    size_t end = text.size < most ? text.size : most;
    while (forms.count && at < end) {
        size_t size = secret_size(text, at);
        if (size == 0) {
            at++;
            continue;
        }
        buf_append(into, str_slice(text, from, at - from));
        buf_append_string(into, "***");
        from = at += size;
    }
    if (from < end)
        buf_append(into, str_slice(text, from, end - from));
    return text.size > end && from < text.size;
}

void report_mask_parts(struct arena *arena, struct str *parts, size_t count)
{
    struct buf whole;
    struct buf part;
    size_t at = 0;
    size_t end = 0;
    buf_init(&whole, BUF_OWN);
    buf_init(&part, BUF_OWN);
    for (size_t i = 0; i < count; i++)
        buf_append(&whole, parts[i]);
    struct str text = buf_str(&whole);
    for (size_t i = 0; i < count; i++) {
        end += parts[i].size;
        buf_reset(&part);
        while (at < end) {
            size_t size = secret_size(text, at);
            if (size)
                buf_append_string(&part, "***");
            else
                buf_append_byte(&part, text.data[at]);
            at += size ? size : 1;
        }
        parts[i] = arena_copy(arena, buf_str(&part));
    }
    buf_clear(&whole);
    buf_clear(&part);
}

bool report_has_secrets(void)
{
    return forms.count > 0;
}

void report_mask(struct buf *text)
{
    struct buf masked;
    if (forms.count == 0)
        return;
    buf_init(&masked, text->most);
    report_mask_some(buf_str(text), text->size, &masked);
    masked.full = masked.full || text->full;
    buf_clear(text);
    *text = masked;
}
