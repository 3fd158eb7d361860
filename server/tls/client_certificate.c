/* The certificate of a server, as `expect: {certificate: …}` compares it. */
#include "base/clock.h"
#include "server/tls/certificate.h"
#include "server/tls/client.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <limits.h>

/** Names longer than what a certificate can mean are not shown whole; more names are not listed. */
enum { MOST_SANS = 20000 };

static struct str asn1_text(const ASN1_STRING *string, struct arena *arena)
{
    return arena_copy(arena, (struct str){(const char *)ASN1_STRING_get0_data(string),
                                          (size_t)ASN1_STRING_length(string)});
}

static struct str address_text(const ASN1_OCTET_STRING *bytes, struct arena *arena)
{
    char text[INET6_ADDRSTRLEN] = "";
    int size = ASN1_STRING_length(bytes);
    if (size != 4 && size != 16)
        return STR("");
    inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof text);
    return arena_copy(arena, str_of(text));
}

/** The bare name; data NULL for kinds that are neither names nor addresses. */
static struct str san_text(const GENERAL_NAME *name, struct arena *arena)
{
    int kind;
    const void *value = GENERAL_NAME_get0_value(name, &kind);
    switch (kind) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
        return asn1_text(value, arena);
    case GEN_IPADD:
        return address_text(value, arena);
    default:
        return (struct str){0};
    }
}

static void read_sans(X509 *x509, struct tls_certificate *certificate, struct arena *arena)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    int count = names ? sk_GENERAL_NAME_num(names) : 0;
    if (count > MOST_SANS)
        count = MOST_SANS;
    certificate->sans = arena_alloc_array(arena, (size_t)count, sizeof *certificate->sans);
    for (int i = 0; i < count; i++) {
        struct str text = san_text(sk_GENERAL_NAME_value(names, i), arena);
        if (text.data)
            certificate->sans[certificate->san_count++] = text;
    }
    GENERAL_NAMES_free(names);
}

/** As `openssl x509 -serial` writes it. */
static struct str serial_text(const X509 *x509, struct arena *arena)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
    char *hex = number ? BN_bn2hex(number) : NULL;
    struct str text = arena_copy(arena, hex ? str_of(hex) : STR(""));
    OPENSSL_free(hex);
    BN_free(number);
    return text;
}

/** From now to the end of its validity, bounded by what nanoseconds can say (292 years). */
static int64_t expires_ns(const X509 *x509)
{
    int days = 0;
    int seconds = 0;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x509)))
        return 0;
    int64_t total = (int64_t)days * 86400 + seconds;
    int64_t most = INT64_MAX / CLOCK_SECOND;
    total = total > most ? most : total < -most ? -most : total;
    return total * CLOCK_SECOND;
}

const struct tls_certificate *tls_certificate_read(X509 *x509, struct arena *arena)
{
    struct tls_certificate *certificate = arena_alloc(arena, sizeof *certificate);
    certificate->subject = name_write(X509_get_subject_name(x509), arena);
    certificate->issuer = name_write(X509_get_issuer_name(x509), arena);
    certificate->serial = serial_text(x509, arena);
    certificate->expires_ns = expires_ns(x509);
    certificate->self_signed = X509_self_signed(x509, 1) == 1;
    read_sans(x509, certificate, arena);
    ERR_clear_error();
    return certificate;
}
