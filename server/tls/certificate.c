#include "server/tls/certificate.h"

#include "base/clock.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { SERIAL_SIZE = 16, SERIAL_BITS = SERIAL_SIZE * 8 - 1 };

/* What OpenSSL calls the digests and the kinds of keys. */

static const EVP_MD *digest_of(enum certificate_digest digest)
{
    switch (digest) {
    case DIGEST_SHA384:
        return EVP_sha384();
    case DIGEST_SHA512:
        return EVP_sha512();
    case DIGEST_SHA1:
        return EVP_sha1();
    case DIGEST_MD5:
        return EVP_md5();
    default:
        return EVP_sha256();
    }
}

/**
 * An RSA key takes 10 ms to a second to make: one of each size lives as long as the process. What
 * is signed with it differs by its certificate.
 */
static EVP_PKEY *rsa_key(enum key_type type)
{
    static EVP_PKEY *made[3];
    static const unsigned bits[] = {2048, 4096, 1024};
    size_t at = (size_t)(type - KEY_RSA2048);
    if (!made[at])
        made[at] = EVP_RSA_gen(bits[at]);
    if (made[at])
        EVP_PKEY_up_ref(made[at]);
    return made[at];
}

static EVP_PKEY *key_make(enum key_type type)
{
    if (type == KEY_EC256 || type == KEY_EC384)
        return EVP_EC_gen(type == KEY_EC256 ? "P-256" : "P-384");
    if (type == KEY_ED25519)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa_key(type);
}

/* The parts of a certificate: each returns false when OpenSSL refuses. */

static bool set_serial(X509 *x509)
{
    BIGNUM *serial = BN_new();
    bool good = serial && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ODD) &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509));
    BN_free(serial);
    return good;
}

static bool set_time(ASN1_TIME *time, int64_t offset_ns)
{
    int64_t now_ns = clock_wall();
    int64_t rest_ns = now_ns % CLOCK_SECOND + offset_ns % CLOCK_SECOND;
    /* in seconds, for nanoseconds end in the year 2262 */
    int64_t at = now_ns / CLOCK_SECOND + offset_ns / CLOCK_SECOND +
                 (rest_ns < 0 ? -1 : rest_ns / CLOCK_SECOND);
    return ASN1_TIME_set(time, (time_t)at) != NULL;
}

static bool set_names(X509 *x509, const struct certificate_order *order, struct arena *arena,
                      struct str *why)
{
    X509_NAME *subject = name_read(order->subject, arena, why);
    if (!subject)
        return false;
    const X509_NAME *issuer =
        order->issuer ? X509_get_subject_name(order->issuer->x509) : (const X509_NAME *)subject;
    bool good = X509_set_subject_name(x509, subject) && X509_set_issuer_name(x509, issuer);
    X509_NAME_free(subject);
    return good;
}

static bool add_extension(X509 *x509, X509V3_CTX *context, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    bool good = extension && X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
    return good;
}

/** Adds a name or an address to a list of names. */
static bool add_san(GENERAL_NAMES *names, struct str san, struct arena *arena)
{
    unsigned char address[16];
    const char *text = arena_copy(arena, san).data;
    int size = inet_pton(AF_INET, text, address) == 1    ? 4
               : inet_pton(AF_INET6, text, address) == 1 ? 16
                                                         : 0;
    const void *bytes = size ? (const void *)address : text;
    ASN1_STRING *value = size ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    if (!value || !name || !ASN1_STRING_set(value, bytes, size ? size : (int)san.size)) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, size ? GEN_IPADD : GEN_DNS, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_sans(X509 *x509, const struct certificate_order *order, struct arena *arena)
{
    if (order->san_count + order->padding == 0)
        return true;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool good = names != NULL;
    for (size_t i = 0; i < order->san_count && good; i++)
        good = add_san(names, order->sans[i], arena);
    for (size_t i = 0; i < order->padding && good; i++)
        good =
            add_san(names, arena_printf(arena, "a-name-that-is-never-used-%zu.example", i), arena);
    good = good && X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1;
    GENERAL_NAMES_free(names);
    return good;
}

static bool add_extensions(X509 *x509, const struct certificate_order *order, struct arena *arena)
{
    X509V3_CTX context;
    bool authority = order->usage == USAGE_AUTHORITY;
    bool rsa = order->key_type != KEY_EC256 && order->key_type != KEY_EC384 &&
               order->key_type != KEY_ED25519;
    const char *use = authority ? "critical,digitalSignature,keyCertSign,cRLSign"
                      : rsa     ? "critical,digitalSignature,keyEncipherment"
                                : "critical,digitalSignature";
    const char *extended = order->usage == USAGE_CLIENT ? "clientAuth" : "serverAuth";
    X509V3_set_ctx(&context, order->issuer ? order->issuer->x509 : x509, x509, NULL, NULL, 0);
    return add_extension(x509, &context, NID_basic_constraints,
                         authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           add_extension(x509, &context, NID_key_usage, use) &&
           (authority || add_extension(x509, &context, NID_ext_key_usage, extended)) &&
           add_extension(x509, &context, NID_subject_key_identifier, "hash") &&
           add_extension(x509, &context, NID_authority_key_identifier, "keyid:always") &&
           add_sans(x509, order, arena);
}

/** X509_set_pubkey() without its detour over OpenSSL's encoders, which costs more than all else of
 * a certificate. The key is known to the certificate only after reread(). */
static bool set_ec_public(X509 *x509, EVP_PKEY *key, int curve)
{
    unsigned char *point = NULL;
    size_t size = EVP_PKEY_get1_encoded_public_key(key, &point);
    if (size &&
        X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x509), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                               V_ASN1_OBJECT, OBJ_nid2obj(curve), point, (int)size))
        return true;
    OPENSSL_free(point);
    return false;
}

static bool set_public(X509 *x509, EVP_PKEY *key, enum key_type type)
{
    if (type == KEY_EC256 || type == KEY_EC384)
        return set_ec_public(x509, key, type == KEY_EC256 ? NID_X9_62_prime256v1 : NID_secp384r1);
    return X509_set_pubkey(x509, key);
}

/** The certificate as its bytes say. */
static bool reread(X509 **x509)
{
    unsigned char *bytes = NULL;
    int size = i2d_X509(*x509, &bytes);
    const unsigned char *at = bytes;
    X509 *again = size > 0 ? d2i_X509(NULL, &at, size) : NULL;
    OPENSSL_free(bytes);
    if (!again)
        return false;
    X509_free(*x509);
    *x509 = again;
    return true;
}

static bool sign(X509 *x509, const struct certificate_order *order, EVP_PKEY *key)
{
    EVP_PKEY *by = order->issuer ? order->issuer->key : key;
    const EVP_MD *digest = EVP_PKEY_is_a(by, "ED25519") ? NULL : digest_of(order->digest);
    return X509_sign(x509, by, digest) > 0;
}

bool certificate_make(const struct certificate_order *order, struct certificate *made,
                      struct arena *arena, struct str *why)
{
    ERR_clear_error();
    *why = (struct str){0};
    *made = (struct certificate){.x509 = X509_new(), .key = key_make(order->key_type)};
    X509 *x509 = made->x509;
    if (x509 && made->key && X509_set_version(x509, X509_VERSION_3) && set_serial(x509) &&
        set_time(X509_getm_notBefore(x509), order->from_ns) &&
        set_time(X509_getm_notAfter(x509), order->until_ns) &&
        set_public(x509, made->key, order->key_type) && set_names(x509, order, arena, why) &&
        add_extensions(x509, order, arena) && sign(x509, order, made->key) && reread(&made->x509))
        return true;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (!why->size)
        *why = arena_printf(arena, "OpenSSL cannot make such a certificate: %s",
                            reason ? reason : "unknown reason");
    ERR_clear_error();
    certificate_clear(made);
    return false;
}

void certificate_clear(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    *certificate = (struct certificate){0};
}

/* A key that is not the certificate's. */

/** The parameters of a key with the public part of one and the private part of another. */
static OSSL_PARAM *mixed_ec(const EVP_PKEY *public_part, OSSL_PARAM_BLD *builder, BIGNUM **wrong)
{
    char group[64];
    unsigned char point[256];
    size_t group_size = 0;
    size_t size = 0;
    if (!EVP_PKEY_get_utf8_string_param(public_part, OSSL_PKEY_PARAM_GROUP_NAME, group,
                                        sizeof group, &group_size) ||
        !EVP_PKEY_get_octet_string_param(public_part, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                         &size))
        return NULL;
    EVP_PKEY *other = EVP_EC_gen(group);
    bool good = other && EVP_PKEY_get_bn_param(other, OSSL_PKEY_PARAM_PRIV_KEY, wrong) &&
                OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) &&
                OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, size) &&
                OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, *wrong);
    EVP_PKEY_free(other);
    return good ? OSSL_PARAM_BLD_to_param(builder) : NULL;
}

static OSSL_PARAM *mixed_rsa(const EVP_PKEY *public_part, OSSL_PARAM_BLD *builder, BIGNUM **wrong)
{
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    OSSL_PARAM *params = NULL;
    *wrong = BN_new();
    if (EVP_PKEY_get_bn_param(public_part, OSSL_PKEY_PARAM_RSA_N, &n) &&
        EVP_PKEY_get_bn_param(public_part, OSSL_PKEY_PARAM_RSA_E, &e) &&
        BN_rand(*wrong, BN_num_bits(n) - 1, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, *wrong))
        params = OSSL_PARAM_BLD_to_param(builder); /* copies: n and e may go */
    BN_free(n);
    BN_free(e);
    return params;
}

/** Of Ed25519 and its like: raw keys. */
static OSSL_PARAM *mixed_raw(const EVP_PKEY *public_part, OSSL_PARAM_BLD *builder)
{
    unsigned char public_key[64];
    unsigned char private_key[64];
    size_t public_size = sizeof public_key;
    size_t private_size = sizeof private_key;
    if (!EVP_PKEY_get_raw_public_key(public_part, public_key, &public_size))
        return NULL;
    EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, EVP_PKEY_get0_type_name(public_part));
    bool good = other && EVP_PKEY_get_raw_private_key(other, private_key, &private_size) &&
                OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public_key,
                                                 public_size) &&
                OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PRIV_KEY, private_key,
                                                 private_size);
    EVP_PKEY_free(other);
    OSSL_PARAM *params = good ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    OPENSSL_cleanse(private_key, sizeof private_key);
    return params;
}

EVP_PKEY *certificate_wrong_key(X509 *x509, struct arena *arena, struct str *why)
{
    EVP_PKEY *public_part = X509_get0_pubkey(x509);
    EVP_PKEY *key = NULL;
    BIGNUM *wrong = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    if (public_part && builder)
        params = EVP_PKEY_is_a(public_part, "EC")    ? mixed_ec(public_part, builder, &wrong)
                 : EVP_PKEY_is_a(public_part, "RSA") ? mixed_rsa(public_part, builder, &wrong)
                                                     : mixed_raw(public_part, builder);
    EVP_PKEY_CTX *context = params ? EVP_PKEY_CTX_new_from_pkey(NULL, public_part, NULL) : NULL;
    if (!context || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) <= 0) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        *why = arena_printf(arena, "no wrong key can be made for the certificate: %s",
                            reason ? reason : "its kind of key is not known");
        ERR_clear_error();
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_clear_free(wrong);
    return key;
}
