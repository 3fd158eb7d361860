/* Names in certificates: subjects by RFC 2253, and alternative names. */
#include "server/tls/certificate.h"

#include "base/buf.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <arpa/inet.h>
#include <string.h>

enum { SAN_MOST = 1024 };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** Takes one character of a value, escaped or not, off the text; false at a broken escape. */
static bool value_take(struct str *text, struct buf *value)
{
    char c = text->data[0];
    if (c != '\\') {
        buf_append_byte(value, c);
        *text = str_from(*text, 1);
        return true;
    }
    if (text->size < 2)
        return false;
    int high = hex_digit(text->data[1]);
    int low = text->size > 2 ? hex_digit(text->data[2]) : -1;
    bool hex = high >= 0 && low >= 0;
    buf_append_byte(value, hex ? (char)(high * 16 + low) : text->data[1]);
    *text = str_from(*text, hex ? 3 : 2);
    return true;
}

/** Without leading blanks: those at the end may be escaped. */
static struct str blanks_skip(struct str text)
{
    while (str_starts(text, STR(" ")))
        text = str_from(text, 1);
    return text;
}

/** Takes one "CN=value" off the text, up to a separator; *value is unescaped. */
static bool part_take(struct str *text, struct str *key, struct buf *value)
{
    ptrdiff_t equals = str_find_byte(*text, '=');
    if (equals <= 0)
        return false;
    *key = str_trim(str_slice(*text, 0, (size_t)equals));
    *text = blanks_skip(str_from(*text, (size_t)equals + 1));
    size_t kept = 0; /* without the blanks before the separator */
    bool quoted = str_starts(*text, STR("\""));
    if (quoted)
        *text = str_from(*text, 1);
    while (text->size && (quoted ? text->data[0] != '"' : !strchr(",;+", text->data[0]))) {
        bool blank = text->data[0] == ' ' && !quoted;
        if (!value_take(text, value))
            return false;
        kept = blank ? kept : value->size;
    }
    buf_truncate(value, kept);
    if (quoted && !text->size)
        return false;
    if (quoted)
        *text = str_from(*text, 1);
    *text = blanks_skip(*text);
    return key->size && value->size && (!text->size || strchr(",;+", text->data[0]));
}

static bool name_add(X509_NAME *name, struct str key, struct str value, bool same_part,
                     struct arena *arena, struct str *why)
{
    ERR_clear_error();
    struct str field = arena_copy(arena, key);
    /* RFC 2253 writes the last part first: each goes before those that stand already */
    if (X509_NAME_add_entry_by_txt(name, field.data, MBSTRING_UTF8,
                                   (const unsigned char *)value.data, (int)value.size, 0,
                                   same_part))
        return true;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    *why = arena_printf(arena, "'" STR_FMT "' cannot stand there: %s", STR_ARG(key),
                        reason ? reason : "refused");
    ERR_clear_error();
    return false;
}

X509_NAME *name_read(struct str text, struct arena *arena, struct str *why)
{
    X509_NAME *name = X509_NAME_new();
    struct buf value;
    bool same_part = false;
    bool good = str_trim(text).size > 0;
    buf_init(&value, BUF_OWN);
    *why = STR("it is not written as CN=a.example,O=X");
    for (text = blanks_skip(text); good && text.size;) {
        struct str key;
        buf_reset(&value);
        good = part_take(&text, &key, &value) &&
               name_add(name, key, buf_str(&value), same_part, arena, why);
        if (!good || !text.size)
            break;
        same_part = text.data[0] == '+';
        text = blanks_skip(str_from(text, 1));
        good = text.size > 0;
    }
    buf_clear(&value);
    if (good) {
        *why = (struct str){0};
        return name;
    }
    X509_NAME_free(name);
    return NULL;
}

struct str name_write(const X509_NAME *name, struct arena *arena)
{
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    long size = BIO_get_mem_data(bio, &text);
    struct str copy = arena_copy(arena, (struct str){text, (size_t)size});
    BIO_free(bio);
    return copy;
}

bool san_check(struct str san, const char **why)
{
    *why = NULL;
    if (san.size == 0)
        *why = "it is empty";
    else if (san.size > SAN_MOST)
        *why = "it is longer than 1024 characters";
    for (size_t i = 0; i < san.size && !*why; i++)
        if ((unsigned char)san.data[i] <= ' ' || (unsigned char)san.data[i] >= 0x7f)
            *why = "a name in a certificate is ASCII without blanks (xn--… for others)";
    return !*why;
}
