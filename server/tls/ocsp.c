#include "server/tls/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

/** Fills an answer: one certificate, its state and the times. */
static bool ocsp_fill(OCSP_BASICRESP *basic, OCSP_CERTID *id, enum ocsp_state state)
{
    bool stale = state == OCSP_STALE;
    bool revoked = state == OCSP_REVOKED;
    ASN1_TIME *from = X509_gmtime_adj(NULL, stale ? -14 * DAY_S : -HOUR_S);
    ASN1_TIME *until = X509_gmtime_adj(NULL, stale ? -7 * DAY_S : 7 * DAY_S);
    ASN1_TIME *when = X509_gmtime_adj(NULL, -DAY_S);
    bool good = from && until && when &&
                OCSP_basic_add1_status(
                    basic, id, revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD,
                    OCSP_REVOKED_STATUS_KEYCOMPROMISE, revoked ? when : NULL, from, until) != NULL;
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    ASN1_TIME_free(when);
    return good;
}

/** Signs an answer and writes it down. */
static bool ocsp_write(OCSP_BASICRESP *basic, const struct certificate *issuer, struct arena *arena,
                       struct str *answer)
{
    const EVP_MD *digest = EVP_PKEY_is_a(issuer->key, "ED25519") ? NULL : EVP_sha256();
    /* The issuer's certificate goes with it: roots are not sent by the handshake. */
    if (!OCSP_basic_sign(basic, issuer->x509, issuer->key, digest, NULL, 0))
        return false;
    unsigned char *der = NULL;
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int size = response ? i2d_OCSP_RESPONSE(response, &der) : -1;
    if (size > 0)
        *answer = arena_copy(arena, (struct str){(const char *)der, (size_t)size});
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    return size > 0;
}

bool ocsp_answer(X509 *about, const struct certificate *issuer, enum ocsp_state state,
                 struct arena *arena, struct str *answer, struct str *why)
{
    ERR_clear_error();
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), about, issuer->x509);
    bool good =
        basic && id && ocsp_fill(basic, id, state) && ocsp_write(basic, issuer, arena, answer);
    if (!good) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        *why = arena_printf(arena, "OpenSSL cannot make an OCSP answer: %s",
                            reason ? reason : "unknown reason");
        ERR_clear_error();
    }
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    return good;
}
