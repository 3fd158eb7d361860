/* The name in a ClientHello: split over records and segments, with GREASE, without a name, and what
 * is no ClientHello. */
#include "ctest/unit/unit.h"

#include "base/buf.h"
#include "server/proxy/sni.h"

#include <openssl/ssl.h>
#include <string.h>

/* ClientHellos, made by hand. */

static void put16(struct buf *buf, size_t value)
{
    buf_append_byte(buf, (char)(value >> 8));
    buf_append_byte(buf, (char)value);
}

static void put_extension(struct buf *buf, unsigned type, struct str body)
{
    put16(buf, type);
    put16(buf, body.size);
    buf_append(buf, body);
}

/** The body of a server_name extension: one host name. */
static struct str name_body(struct buf *buf, struct str name)
{
    buf_reset(buf);
    put16(buf, name.size + 3);
    buf_append_byte(buf, 0);
    put16(buf, name.size);
    buf_append(buf, name);
    return buf_str(buf);
}

/** What stands in a ClientHello. */
struct hello {
    const char *name;   /**< NULL = no server_name */
    bool grease;        /**< RFC 8701: unknown suites and extensions, before and behind */
    bool no_extensions; /**< as of SSL 3 and early TLS 1.0 */
    size_t padding;     /**< bytes of a padding extension */
};

static void hello_message(const struct hello *hello, struct buf *message)
{
    struct buf extensions;
    struct buf body;
    buf_init(&extensions, BUF_OWN);
    buf_init(&body, BUF_OWN);
    buf_reset(message);
    put16(message, 0x0303);
    for (int i = 0; i < 32; i++)
        buf_append_byte(message, (char)i);
    buf_append_byte(message, 32);
    for (int i = 0; i < 32; i++)
        buf_append_byte(message, (char)i);
    put16(message, hello->grease ? 4 : 2);
    if (hello->grease)
        put16(message, 0x0a0a);
    put16(message, 0x1301);
    buf_append_byte(message, 1);
    buf_append_byte(message, 0);
    if (hello->grease)
        put_extension(&extensions, 0x1a1a, STR(""));
    if (hello->name)
        put_extension(&extensions, 0, name_body(&body, str_of(hello->name)));
    put_extension(&extensions, 43, STR("\x02\x03\x04"));
    if (hello->padding) {
        buf_reset(&body);
        for (size_t i = 0; i < hello->padding; i++)
            buf_append_byte(&body, 0);
        put_extension(&extensions, 21, buf_str(&body));
    }
    if (hello->grease)
        put_extension(&extensions, 0xfafa, STR("\x00"));
    if (!hello->no_extensions) {
        put16(message, extensions.size);
        buf_append(message, buf_str(&extensions));
    }
    buf_clear(&extensions);
    buf_clear(&body);
}

/** The message in records of at most `piece` bytes. */
static struct str hello_make(const struct hello *hello, size_t piece, struct buf *into)
{
    struct buf message;
    struct buf whole;
    buf_init(&message, BUF_OWN);
    buf_init(&whole, BUF_OWN);
    hello_message(hello, &message);
    buf_append_byte(&whole, 1);
    buf_append_byte(&whole, (char)(message.size >> 16));
    put16(&whole, message.size & 0xffff);
    buf_append(&whole, buf_str(&message));
    buf_reset(into);
    for (size_t at = 0; at < whole.size; at += piece) {
        struct str part = str_slice(buf_str(&whole), at, piece);
        buf_append(into, STR("\x16\x03\x01"));
        put16(into, part.size);
        buf_append(into, part);
    }
    buf_clear(&message);
    buf_clear(&whole);
    return buf_str(into);
}

/** Reads it as it comes in: nothing is known before the last byte, and all of it then. */
static void reads(const struct hello *hello, size_t piece, enum sni_result expected,
                  const char *expected_name)
{
    struct buf buf;
    char name[SNI_NAME_SIZE] = "";
    buf_init(&buf, BUF_OWN);
    struct str bytes = hello_make(hello, piece, &buf);
    for (size_t size = 0; size < bytes.size; size++)
        ck_assert_msg(sni_read(str_slice(bytes, 0, size), name) == SNI_MORE, "at %zu of %zu", size,
                      bytes.size);
    ck_assert_int_eq(sni_read(bytes, name), expected);
    if (expected_name)
        ck_assert_str_eq(name, expected_name);
    /* what follows is not its business */
    buf_append(&buf, STR("\x14\x03\x03\x00\x01\x01 and more"));
    ck_assert_int_eq(sni_read(buf_str(&buf), name), expected);
    buf_clear(&buf);
}

START_TEST(test_a_name_is_read_however_it_is_split)
{
    static const struct hello plain = {.name = "a.example"};
    static const struct hello greased = {.name = "b.C.Example.", .grease = true};
    static const size_t pieces[] = {1, 2, 3, 4, 5, 7, 64, 16384};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        reads(&plain, pieces[i], SNI_NAME, "a.example");
        reads(&greased, pieces[i], SNI_NAME, "b.c.example");
    }
}
END_TEST

START_TEST(test_a_long_one_is_read)
{
    static const struct hello hello = {.name = "a.example", .padding = 3000};
    reads(&hello, 16384, SNI_NAME, "a.example");
    reads(&hello, 600, SNI_NAME, "a.example");
}
END_TEST

START_TEST(test_one_may_have_no_name)
{
    static const struct hello nameless = {.grease = true};
    static const struct hello old = {.no_extensions = true};
    reads(&nameless, 16384, SNI_NONE, NULL);
    reads(&old, 16384, SNI_NONE, NULL);
}
END_TEST

static void is_not(struct str bytes)
{
    char name[SNI_NAME_SIZE];
    ck_assert_int_eq(sni_read(bytes, name), SNI_NOT);
}

START_TEST(test_what_is_no_client_hello_is_known_at_once)
{
    is_not(STR("G"));
    is_not(STR("GET / HTTP/1.1\r\n"));
    is_not(STR("\x00"));
    is_not(STR("SSH-2.0-x\r\n"));
    is_not(STR("\x16\x02"));                                 /* no version of TLS */
    is_not(STR("\x15\x03\x03\x00\x02\x02\x28"));             /* an alert */
    is_not(STR("\x16\x03\x01\x00\x00"));                     /* an empty record */
    is_not(STR("\x16\x03\x01\x7f\xff"));                     /* a record beyond the bound */
    is_not(STR("\x16\x03\x01\x00\x01\x02"));                 /* a ServerHello */
    is_not(STR("\x16\x03\x01\x00\x04\x01\x01\x00\x00"));     /* 64 KiB of ClientHello */
    is_not(STR("\x16\x03\x01\x00\x01\x01\x17\x03\x01\x00")); /* another record within it */
    is_not(STR("\x80\x2e\x01\x00\x02"));                     /* of SSL 2 */
    /* one that ends before its random is over */
    is_not(STR("\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03"));
}
END_TEST

START_TEST(test_one_whose_parts_do_not_fit_is_none)
{
    static const struct hello hello = {.name = "a.example"};
    char name[SNI_NAME_SIZE];
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    struct str whole = hello_make(&hello, 16384, &buf);
    enum { FIRST_LENGTH = 5 + 4 + 2 + 32 };
    /* every byte behind the random, made as large as it can be: never a crash, never "more" */
    for (size_t at = FIRST_LENGTH; at < whole.size; at++) {
        char *bytes = buf.data;
        char before = bytes[at];
        bytes[at] = (char)0xff;
        enum sni_result result = sni_read(whole, name);
        ck_assert_msg(result != SNI_MORE, "byte %zu", at);
        bytes[at] = before;
    }
    ck_assert_int_eq(sni_read(whole, name), SNI_NAME);
    buf_clear(&buf);
}
END_TEST

START_TEST(test_names_that_are_none)
{
    static const char *const names[] = {"", "."};
    struct buf buf;
    char name[SNI_NAME_SIZE];
    buf_init(&buf, BUF_OWN);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct hello hello = {.name = names[i]};
        ck_assert_int_eq(sni_read(hello_make(&hello, 16384, &buf), name), SNI_NOT);
    }
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[256] = '\0';
    const struct hello too_long = {.name = longest};
    ck_assert_int_eq(sni_read(hello_make(&too_long, 16384, &buf), name), SNI_NOT);
    longest[255] = '\0';
    const struct hello fits = {.name = longest};
    ck_assert_int_eq(sni_read(hello_make(&fits, 16384, &buf), name), SNI_NAME);
    ck_assert_uint_eq(strlen(name), 255);
    buf_clear(&buf);
}
END_TEST

START_TEST(test_more_than_the_bound_is_given_up)
{
    char *bytes = calloc(1, SNI_MOST + 64);
    char name[SNI_NAME_SIZE];
    size_t size = 0;
    /* records of one byte each: a message that takes for ever */
    static const char head[] = {1, 0, 0x70, 0};
    for (size_t i = 0; size < SNI_MOST; i++) {
        memcpy(bytes + size, "\x16\x03\x01\x00\x01", 5);
        bytes[size + 5] = i < sizeof head ? head[i] : 0;
        size += 6;
        enum sni_result expected = size < SNI_MOST ? SNI_MORE : SNI_NOT;
        if (i % 500 == 0 || size >= SNI_MOST)
            ck_assert_int_eq(sni_read((struct str){bytes, size}, name), expected);
    }
    free(bytes);
}
END_TEST

START_TEST(test_what_openssl_says_is_read)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *out = BIO_new(BIO_s_mem());
    char name[SNI_NAME_SIZE];
    char *data;
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_tlsext_host_name(ssl, "From.OpenSSL.Example");
    SSL_connect(ssl);
    long size = BIO_get_mem_data(out, &data);
    ck_assert_int_gt(size, 0);
    struct str bytes = {data, (size_t)size};
    ck_assert_int_eq(sni_read(str_slice(bytes, 0, bytes.size - 1), name), SNI_MORE);
    ck_assert_int_eq(sni_read(bytes, name), SNI_NAME);
    ck_assert_str_eq(name, "from.openssl.example");
    SSL_free(ssl);
    SSL_CTX_free(context);
}
END_TEST

START_TEST(test_a_star_is_one_label)
{
    static const struct {
        const char *pattern;
        const char *name;
        bool matches;
    } rows[] = {
        {"a.example", "a.example", true},     {"A.Example", "a.example", true},
        {"a.example", "b.example", false},    {"a.example", "x.a.example", false},
        {"*.c.example", "x.c.example", true}, {"*.C.example", "x.c.example", true},
        {"*.c.example", "c.example", false},  {"*.c.example", "x.y.c.example", false},
        {"*.c.example", ".c.example", false}, {"*.c.example", "xc.example", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_msg(sni_matches(str_of(rows[i].pattern), str_of(rows[i].name)) == rows[i].matches,
                      "%s %s", rows[i].pattern, rows[i].name);
}
END_TEST

UNIT_MAIN("sni", test_a_name_is_read_however_it_is_split, test_a_long_one_is_read,
          test_one_may_have_no_name, test_what_is_no_client_hello_is_known_at_once,
          test_one_whose_parts_do_not_fit_is_none, test_names_that_are_none,
          test_more_than_the_bound_is_given_up, test_what_openssl_says_is_read,
          test_a_star_is_one_label)
