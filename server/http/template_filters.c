/* The filters of templates: what each one makes of a value. */
#include "base/base64.h"
#include "server/http/template_private.h"

#include <locale.h>
#include <openssl/evp.h>
#include <string.h>
#include <wctype.h>

enum {
    /** A text that a filter makes is missing when it would be longer: requests are not to fill the
       memory. */
    FILTERED_MOST = 64 * 1024 * 1024,
};

/** Takes a buffer's text into the arena, NULL if it went over its bound; clears it. */
static const struct json *buf_take(struct buf *buf, struct arena *arena)
{
    const struct json *text =
        buf_full(buf) ? NULL : json_string(arena, arena_copy(arena, buf_str(buf)));
    buf_clear(buf);
    return text;
}

/**
 * The locale that knows all letters; made at the first use and kept. Every glibc of Debian 12 and
 * newer brings C.UTF-8; without it only ASCII letters change.
 */
static locale_t unicode_locale(void)
{
    static locale_t locale;
    static bool tried;
    if (!tried) {
        tried = true;
        locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        if (!locale)
            locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
    }
    return locale;
}

static const struct json *change_case(const struct json *value, struct arena *arena,
                                      wint_t (*change)(wint_t, locale_t))
{
    struct str text = template_value_text(value, arena);
    locale_t locale = unicode_locale();
    struct buf changed;
    buf_init(&changed, FILTERED_MOST);
    for (size_t at = 0; at < text.size;) {
        uint32_t code;
        char encoded[4];
        size_t size = str_decode(str_from(text, at), &code);
        if (size == 0) {
            buf_append_byte(&changed, text.data[at++]);
            continue;
        }
        at += size;
        size = str_encode((uint32_t)change((wint_t)code, locale), encoded);
        buf_append(&changed, (struct str){encoded, size});
    }
    return buf_take(&changed, arena);
}

static const struct json *filter_upper(const struct template_call *call, const struct json *value,
                                       struct arena *arena)
{
    (void)call;
    return change_case(value, arena, towupper_l);
}

static const struct json *filter_lower(const struct template_call *call, const struct json *value,
                                       struct arena *arena)
{
    (void)call;
    return change_case(value, arena, towlower_l);
}

static const struct json *filter_trim(const struct template_call *call, const struct json *value,
                                      struct arena *arena)
{
    (void)call;
    return json_string(arena, str_trim(template_value_text(value, arena)));
}

/** Base64 of RFC 4648 section 4, padded. */
static const struct json *filter_base64(const struct template_call *call, const struct json *value,
                                        struct arena *arena)
{
    (void)call;
    return json_string(arena, base64_write(arena, template_value_text(value, arena), true));
}

/** Both alphabets of RFC 4648, with or without padding. */
static const struct json *filter_base64_decode(const struct template_call *call,
                                               const struct json *value, struct arena *arena)
{
    struct str bytes;
    (void)call;
    if (!base64_read(arena, str_trim(template_value_text(value, arena)), &bytes))
        return NULL;
    return json_string(arena, bytes);
}

static const struct json *filter_url_encode(const struct template_call *call,
                                            const struct json *value, struct arena *arena)
{
    (void)call;
    return json_string(arena, percent_encode(template_value_text(value, arena), "", arena));
}

static const struct json *filter_json(const struct template_call *call, const struct json *value,
                                      struct arena *arena)
{
    (void)call;
    struct buf text;
    buf_init(&text, BUF_OWN);
    json_write(value, &text);
    return buf_take(&text, arena);
}

static const struct json *filter_sha256(const struct template_call *call, const struct json *value,
                                        struct arena *arena)
{
    (void)call;
    struct str text = template_value_text(value, arena);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_Digest(text.data ? text.data : "", text.size, digest, &size, EVP_sha256(), NULL))
        return NULL;
    char *hex = arena_alloc(arena, (size_t)size * 2);
    for (unsigned i = 0; i < size * 2; i++)
        hex[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    return json_string(arena, (struct str){hex, (size_t)size * 2});
}

static const struct json *filter_length(const struct template_call *call, const struct json *value,
                                        struct arena *arena)
{
    (void)call;
    bool counted = value->kind == JSON_ARRAY || value->kind == JSON_OBJECT;
    size_t length = counted ? value->count : str_characters(template_value_text(value, arena));
    return json_integer(arena, (int64_t)length);
}

static const struct json *filter_default(const struct template_call *call, const struct json *value,
                                         struct arena *arena)
{
    (void)arena;
    bool empty = value->kind == JSON_STRING && value->text.size == 0;
    return value->kind == JSON_NULL || empty ? call->literal : value;
}

static const struct json *filter_add(const struct template_call *call, const struct json *value,
                                     struct arena *arena)
{
    struct str sum;
    if (value->kind != JSON_NUMBER && value->kind != JSON_STRING)
        return NULL;
    if (!template_sum(str_trim(value->text), call->literal->text, arena, &sum))
        return NULL;
    return json_number(arena, sum);
}

static const struct json *filter_replace(const struct template_call *call, const struct json *value,
                                         struct arena *arena)
{
    struct str rest = template_value_text(value, arena);
    struct buf changed;
    buf_init(&changed, FILTERED_MOST);
    for (;;) {
        ptrdiff_t at = str_find(rest, call->texts[0]);
        buf_append(&changed, str_slice(rest, 0, at < 0 ? rest.size : (size_t)at));
        if (at < 0)
            return buf_take(&changed, arena);
        buf_append(&changed, call->texts[1]);
        rest = str_from(rest, (size_t)at + call->texts[0].size);
    }
}

#define FILTER(form, name, shape, filter, missing, doc)                                            \
    {                                                                                              \
        {form, doc, false}, name, shape, NULL, filter, missing                                     \
    }

const struct template_row template_filters[] = {
    FILTER("upper", "upper", SHAPE_NONE, filter_upper, false,
           "In upper case, each Unicode letter by itself."),
    FILTER("lower", "lower", SHAPE_NONE, filter_lower, false,
           "In lower case, each Unicode letter by itself."),
    FILTER("trim", "trim", SHAPE_NONE, filter_trim, false,
           "Without blanks and line ends at both ends."),
    FILTER("base64", "base64", SHAPE_NONE, filter_base64, false, "In Base64, padded."),
    FILTER("base64-decode", "base64-decode", SHAPE_NONE, filter_base64_decode, false,
           "What Base64 (also the URL form, also unpadded) stands for."),
    FILTER("url-encode", "url-encode", SHAPE_NONE, filter_url_encode, false,
           "Percent-encoded but for letters, digits and - . _ ~."),
    FILTER("json", "json", SHAPE_NONE, filter_json, true,
           "As the text of JSON: a string with its quotes, null for what is missing."),
    FILTER("sha256", "sha256", SHAPE_NONE, filter_sha256, false, "The SHA-256 in hexadecimal."),
    FILTER("length", "length", SHAPE_NONE, filter_length, true,
           "Characters of text, members of a list or object: a number."),
    FILTER("default \"x\"", "default", SHAPE_LITERAL, filter_default, true,
           "The value, or this one where it is missing, null or empty text."),
    FILTER("add 1", "add", SHAPE_NUMBER, filter_add, false,
           "The exact sum with a number; missing if the value is no number."),
    FILTER("replace \"a\" \"b\"", "replace", SHAPE_TEXTS, filter_replace, false,
           "With every occurrence of one text replaced by another."),
};
const size_t template_filters_count = COUNT_OF(template_filters);

const struct template_doc *template_filter_doc(size_t index)
{
    return index < template_filters_count ? &template_filters[index].doc : NULL;
}
