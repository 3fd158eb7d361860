/* The stapled OCSP answer (RFC 6066 section 8, RFC 6960). */
#include "server/tls/client.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

/** How far our clock may be off. */
enum { OCSP_SKEW_S = 300 };

/** Who signed the certificate: next in the chain as verified, else as sent. */
static X509 *issuer_of(SSL *ssl, X509 *leaf)
{
    STACK_OF(X509) * chains[] = {SSL_get0_verified_chain(ssl), SSL_get_peer_cert_chain(ssl)};
    for (size_t at = 0; at < COUNT_OF(chains); at++)
        for (int i = 0; chains[at] && i < sk_X509_num(chains[at]); i++)
            if (X509_check_issued(sk_X509_value(chains[at], i), leaf) == X509_V_OK)
                return sk_X509_value(chains[at], i);
    return NULL;
}

/** Whether a part of the answer is about the certificate, by whatever digest its id is made. */
static bool is_about(OCSP_SINGLERESP *single, const X509 *leaf, const X509 *issuer)
{
    const OCSP_CERTID *theirs = OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT *algorithm = NULL;
    if (!OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, (OCSP_CERTID *)theirs))
        return false;
    const EVP_MD *digest = EVP_get_digestbyobj(algorithm);
    OCSP_CERTID *ours = digest ? OCSP_cert_to_id(digest, leaf, issuer) : NULL;
    bool same = ours && OCSP_id_cmp(ours, theirs) == 0;
    OCSP_CERTID_free(ours);
    return same;
}

static enum tls_ocsp judge_single(OCSP_SINGLERESP *single, const char **words)
{
    ASN1_GENERALIZEDTIME *this_update = NULL;
    ASN1_GENERALIZEDTIME *next_update = NULL;
    int status = OCSP_single_get0_status(single, NULL, NULL, &this_update, &next_update);
    if (status == V_OCSP_CERTSTATUS_REVOKED)
        return TLS_OCSP_REVOKED;
    *words = "the stapled OCSP answer does not know the certificate";
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return TLS_OCSP_BAD;
    *words = "the stapled OCSP answer is stale";
    if (!this_update || !OCSP_check_validity(this_update, next_update, OCSP_SKEW_S, -1))
        return TLS_OCSP_BAD;
    return TLS_OCSP_FINE;
}

static enum tls_ocsp judge_basic(SSL *ssl, OCSP_BASICRESP *basic, const char **words)
{
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    X509 *issuer = leaf ? issuer_of(ssl, leaf) : NULL;
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    *words = "the stapled OCSP answer is not signed by who may";
    if (!issuer || OCSP_basic_verify(basic, SSL_get_peer_cert_chain(ssl), store, 0) != 1)
        return TLS_OCSP_BAD;
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        if (is_about(single, leaf, issuer))
            return judge_single(single, words);
    }
    *words = "the stapled OCSP answer is about another certificate";
    return TLS_OCSP_BAD;
}

enum tls_ocsp tls_ocsp_judge(SSL *ssl, const char **words)
{
    const unsigned char *bytes = NULL;
    long size = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
    enum tls_ocsp verdict = TLS_OCSP_BAD;
    *words = "no OCSP answer was stapled";
    if (!bytes || size <= 0)
        return TLS_OCSP_MISSING;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &bytes, size);
    OCSP_BASICRESP *basic = NULL;
    *words = "the stapled OCSP answer cannot be read";
    if (response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(response);
    else if (response)
        *words = "the stapled OCSP answer reports a failure of its responder";
    if (basic)
        verdict = judge_basic(ssl, basic, words);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return verdict;
}
