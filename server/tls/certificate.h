/**
 * Makes certificates: keys of all kinds, names, validity, and what can be wrong with them.
 *
 *     struct certificate_order order = {.subject = STR("CN=a.example"), .issuer = &ca, ...};
 *     struct str why;
 *     struct certificate made;
 *     if (!certificate_make(&order, &made, arena, &why)) ...
 *     certificate_clear(&made);
 */
#ifndef GOTO_SERVER_TLS_CERTIFICATE_H
#define GOTO_SERVER_TLS_CERTIFICATE_H

#include "base/arena.h"
#include "base/str.h"

#include <openssl/x509.h>

enum key_type { KEY_EC256, KEY_EC384, KEY_RSA2048, KEY_RSA4096, KEY_RSA1024, KEY_ED25519 };
enum certificate_digest { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512, DIGEST_SHA1, DIGEST_MD5 };

/** A certificate and what it signs with; holds a reference of each. */
struct certificate {
    X509 *x509;
    EVP_PKEY *key;
};

/** What is it for. */
enum certificate_usage {
    USAGE_SERVER,
    USAGE_CLIENT,
    USAGE_AUTHORITY, /**< signs others */
};

struct certificate_order {
    struct str subject;     /**< RFC 2253, checked by name_read() */
    const struct str *sans; /**< names and addresses; none: no extension */
    size_t san_count;
    size_t padding;  /**< so many more names that mean nothing */
    int64_t from_ns; /**< from now on, negative = before */
    int64_t until_ns;
    enum key_type key_type;
    enum certificate_digest digest; /**< of the signature */
    enum certificate_usage usage;
    const struct certificate *issuer; /**< NULL = itself */
};

/** Makes one; false with *why (in the arena). */
GOTO_MUST_USE bool certificate_make(const struct certificate_order *order, struct certificate *made,
                                    struct arena *arena, struct str *why);
/** Gives both references back and sets them to NULL. */
void certificate_clear(struct certificate *certificate);

/**
 * A private key that passes for the one of a certificate, because its public part is, but that
 * signs as another: nobody can verify what it signs. NULL with *why.
 */
GOTO_MUST_USE EVP_PKEY *certificate_wrong_key(X509 *x509, struct arena *arena, struct str *why);

/** A name written by RFC 2253 ("CN=a.example,O=X"), freed by X509_NAME_free(); NULL with *why. */
GOTO_MUST_USE X509_NAME *name_read(struct str text, struct arena *arena, struct str *why);
/** A name by RFC 2253, UTF-8, in the arena. */
struct str name_write(const X509_NAME *name, struct arena *arena);
/** Whether a text can be a name of `sans`; if not, *why says so. */
GOTO_MUST_USE bool san_check(struct str san, const char **why);

#endif
