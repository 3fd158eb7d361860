/*
 * I-Regexp (RFC 9485): the grammar of its section 4 is checked, and each construct is written as
 * PCRE2 reads it. Whatever is not in the grammar, such as \d or lazy quantifiers, makes the pattern
 * invalid.
 */
#include "base/jsonpath_private.h"

#include <string.h>

enum { GROUP_DEPTH = 200, TRANSLATED_SIZE = 256 * 1024 };

struct translation {
    struct str text;
    size_t at;
    unsigned depth;
    bool quantifiable; /* an atom without a quantifier stands just before */
    struct buf into;
};

static char next_byte(const struct translation *translation)
{
    return translation->at < translation->text.size ? translation->text.data[translation->at] : 0;
}

static bool next_in(const struct translation *translation, const char *bytes)
{
    return next_byte(translation) && strchr(bytes, next_byte(translation));
}

/* Copies one character as it is. */
static bool copy_character(struct translation *translation)
{
    uint32_t code;
    struct str rest = str_from(translation->text, translation->at);
    size_t size = str_decode(rest, &code);
    buf_append(&translation->into, str_slice(rest, 0, size));
    translation->at += size;
    return size > 0;
}

/* The categories of section 4: a letter and which ones may follow it. */
static bool is_category(struct str name)
{
    static const char *const categories[] = {"Llmotu", "Mcen",  "Ndlo", "Pcdefios",
                                             "Zlps",   "Sckmo", "Ccfno"};
    for (size_t i = 0; i < COUNT_OF(categories); i++) {
        if (name.size == 0 || name.data[0] != categories[i][0])
            continue;
        if (name.size == 1)
            return true;
        return name.size == 2 && name.data[1] && strchr(categories[i] + 1, name.data[1]);
    }
    return false;
}

/* \p{Lu} or \P{Lu}, at the backslash. */
static bool copy_category(struct translation *translation)
{
    struct str rest = str_from(translation->text, translation->at);
    ptrdiff_t end = str_find_byte(rest, '}');
    if (end < 0 || rest.size < 4 || rest.data[2] != '{')
        return false;
    if (!is_category(str_slice(rest, 3, (size_t)end - 3)))
        return false;
    buf_append(&translation->into, str_slice(rest, 0, (size_t)end + 1));
    translation->at += (size_t)end + 1;
    return true;
}

/* A backslash and the one character it escapes; PCRE2 means the same by all of them. */
static bool copy_escape(struct translation *translation)
{
    struct str escape = str_slice(translation->text, translation->at, 2);
    if (escape.size < 2 || !escape.data[1] || !strchr("()*+-.?[\\]^nrt{|}", escape.data[1]))
        return false;
    buf_append(&translation->into, escape);
    translation->at += 2;
    return true;
}

static bool is_category_next(const struct translation *translation)
{
    struct str next = str_slice(translation->text, translation->at, 2);
    return str_is(next, "\\p") || str_is(next, "\\P");
}

/* One character of a class, punctuation with a backslash so that PCRE2 sees nothing special in it.
 */
static bool copy_class_character(struct translation *translation)
{
    char byte = next_byte(translation);
    if (byte == '\\')
        return copy_escape(translation);
    if (byte && strchr("-[]", byte))
        return false;
    if (byte > ' ' && byte <= '~' && !strchr("0123456789", byte) &&
        !((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'))
        buf_append_byte(&translation->into, '\\');
    return copy_character(translation);
}

static bool copy_class_item(struct translation *translation)
{
    if (is_category_next(translation))
        return copy_category(translation);
    if (!copy_class_character(translation))
        return false;
    struct str next = str_slice(translation->text, translation->at, 2);
    if (next.size < 2 || next.data[0] != '-' || next.data[1] == ']')
        return true;
    buf_append_byte(&translation->into, '-');
    translation->at++;
    return copy_class_character(translation);
}

/* A '-' for itself: the first or the last of a class. */
static void copy_class_dash(struct translation *translation)
{
    buf_append(&translation->into, STR("\\-"));
    translation->at++;
}

static bool copy_class(struct translation *translation)
{
    buf_append_byte(&translation->into, '[');
    translation->at++;
    if (next_byte(translation) == '^') {
        buf_append_byte(&translation->into, '^');
        translation->at++;
    }
    if (next_byte(translation) == '-')
        copy_class_dash(translation);
    else if (!copy_class_item(translation))
        return false;
    while (translation->at < translation->text.size && !next_in(translation, "-]")) {
        if (!copy_class_item(translation))
            return false;
    }
    if (next_byte(translation) == '-')
        copy_class_dash(translation);
    if (next_byte(translation) != ']')
        return false;
    buf_append_byte(&translation->into, ']');
    translation->at++;
    return true;
}

static size_t copy_digits(struct translation *translation)
{
    size_t from = translation->at;
    while (next_in(translation, "0123456789"))
        copy_character(translation);
    return translation->at - from;
}

static bool copy_quantifier(struct translation *translation)
{
    if (!translation->quantifiable)
        return false;
    translation->quantifiable = false;
    bool is_range = next_byte(translation) == '{';
    copy_character(translation);
    if (!is_range)
        return true;
    if (copy_digits(translation) == 0)
        return false;
    if (next_byte(translation) == ',') {
        copy_character(translation);
        copy_digits(translation);
    }
    return next_byte(translation) == '}' && copy_character(translation);
}

/* '(', ')' or '|'. */
static bool copy_group(struct translation *translation)
{
    char byte = next_byte(translation);
    translation->at++;
    translation->quantifiable = byte == ')';
    if (byte == '(') {
        buf_append(&translation->into, STR("(?:"));
        return ++translation->depth <= GROUP_DEPTH;
    }
    buf_append_byte(&translation->into, byte);
    return byte == '|' || translation->depth-- > 0;
}

static bool copy_atom(struct translation *translation)
{
    char byte = next_byte(translation);
    translation->quantifiable = true;
    if (byte == '[')
        return copy_class(translation);
    if (byte == '\\')
        return is_category_next(translation) ? copy_category(translation)
                                             : copy_escape(translation);
    if (byte == ']' || byte == '}')
        return false;
    if (byte != '.' && byte != '^' && byte != '$')
        return copy_character(translation);
    /* '^' and '$' are left to PCRE2 by section 5.4; as anchors of the text, not of its last line.
     */
    buf_append(&translation->into, byte == '.'   ? STR("[^\\n\\r]")
                                   : byte == '^' ? STR("(?:^)")
                                                 : STR("(?:\\z)"));
    translation->at++;
    return true;
}

static bool translate(struct translation *translation)
{
    while (translation->at < translation->text.size) {
        bool is_fine = next_in(translation, "()|")    ? copy_group(translation)
                       : next_in(translation, "*+?{") ? copy_quantifier(translation)
                                                      : copy_atom(translation);
        if (!is_fine || buf_full(&translation->into))
            return false;
    }
    return translation->depth == 0;
}

struct regex *iregexp_new(struct str pattern)
{
    struct translation translation = {.text = pattern};
    struct regex_error error;
    struct regex *regex = NULL;
    buf_init(&translation.into, TRANSLATED_SIZE);
    if (translate(&translation))
        regex = regex_new(buf_str(&translation.into), &error);
    buf_clear(&translation.into);
    return regex;
}
