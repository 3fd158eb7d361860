/**
 * Which error name TLS gives a failed exchange: by OCSP, the result of verification, the alert that
 * came or went, OpenSSL's reason, in that order. docs/guide.md has the same as a table.
 */
#include "server/tls/client.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** One verdict of OpenSSL and the name that it has; ended by a NULL name. */
struct verdict {
    long value;
    const char *name;
};

static const struct verdict verify_verdicts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "tls-expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "tls-not-yet-valid"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "tls-hostname"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "tls-hostname"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "tls-untrusted"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "tls-untrusted"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "tls-untrusted"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "tls-untrusted"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "tls-self-signed"},
    {X509_V_ERR_CERT_REVOKED, "tls-revoked"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "tls-weak"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "tls-weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "tls-weak"},
    {X509_V_ERR_INVALID_PURPOSE, "tls-usage"},
    {0, NULL},
};

/** Alerts that the server sent; those about a certificate are about ours. */
static const struct verdict received_verdicts[] = {
    {TLS1_AD_PROTOCOL_VERSION, "tls-version"},
    {TLS1_AD_INSUFFICIENT_SECURITY, "tls-cipher"},
    {TLS1_AD_NO_APPLICATION_PROTOCOL, "tls-alpn"},
    {SSL3_AD_NO_CERTIFICATE, "tls-client-cert"},
    {SSL3_AD_BAD_CERTIFICATE, "tls-client-cert"},
    {SSL3_AD_UNSUPPORTED_CERTIFICATE, "tls-client-cert"},
    {SSL3_AD_CERTIFICATE_REVOKED, "tls-client-cert"},
    {SSL3_AD_CERTIFICATE_EXPIRED, "tls-client-cert"},
    {SSL3_AD_CERTIFICATE_UNKNOWN, "tls-client-cert"},
    {TLS1_AD_UNKNOWN_CA, "tls-client-cert"},
    {TLS1_AD_ACCESS_DENIED, "tls-client-cert"},
    {TLS13_AD_CERTIFICATE_REQUIRED, "tls-client-cert"},
    {0, NULL},
};

/** Why we ended the handshake ourselves. */
static const struct verdict reason_verdicts[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL, "tls-version"},
    {SSL_R_WRONG_SSL_VERSION, "tls-version"},
    {SSL_R_VERSION_TOO_LOW, "tls-version"},
    {SSL_R_VERSION_TOO_HIGH, "tls-version"},
    {SSL_R_NO_PROTOCOLS_AVAILABLE, "tls-version"},
    {SSL_R_NO_CIPHERS_AVAILABLE, "tls-cipher"},
    {SSL_R_UNKNOWN_CIPHER_RETURNED, "tls-cipher"},
    {SSL_R_WRONG_CIPHER_RETURNED, "tls-cipher"},
    {SSL_R_WRONG_CURVE, "tls-cipher"},
    {SSL_R_BAD_KEY_SHARE, "tls-cipher"},
    {SSL_R_CA_KEY_TOO_SMALL, "tls-weak"},
    {SSL_R_EE_KEY_TOO_SMALL, "tls-weak"},
    {SSL_R_CA_MD_TOO_WEAK, "tls-weak"},
    {0, NULL},
};

static const char *verdict_name(const struct verdict *verdicts, long value)
{
    for (; verdicts->name; verdicts++)
        if (verdicts->value == value)
            return verdicts->name;
    return NULL;
}

/** A number that stands behind a text in libcurl's words; 0 if there is none. */
static unsigned long number_behind(struct str words, struct str text, int base)
{
    char digits[16] = "";
    ptrdiff_t at = str_find(words, text);
    if (at < 0)
        return 0;
    struct str rest = str_slice(words, (size_t)at + text.size, sizeof digits - 1);
    memcpy(digits, rest.data, rest.size);
    return strtoul(digits, NULL, base);
}

/** OpenSSL's reason: of the handshake, or "error:0A000126:" in libcurl's words. */
static int reason_of(const struct tls_client *tls, struct str words)
{
    unsigned long error = number_behind(words, STR("error:"), 16);
    if (tls->reason || ERR_GET_LIB(error) != ERR_LIB_SSL)
        return tls->reason;
    return ERR_GET_REASON(error);
}

/** An alert by which the server refuses our certificate, or misses one. */
static bool is_about_our_certificate(const struct tls_client *tls)
{
    const char *name = verdict_name(received_verdicts, tls->alert_received);
    if (name && strcmp(name, "tls-client-cert") == 0)
        return true;
    /* TLS 1.2 has no alert for a missing one */
    return tls->alert_received == SSL_AD_HANDSHAKE_FAILURE && tls->asked_certificate &&
           !tls->sent_certificate;
}

static const char *received_name(const struct tls_client *tls)
{
    if (is_about_our_certificate(tls))
        return "tls-client-cert";
    if (tls->alert_received == SSL_AD_HANDSHAKE_FAILURE && !tls->hello)
        return "tls-cipher";
    const char *name = verdict_name(received_verdicts, tls->alert_received);
    return name ? name : "tls-handshake";
}

/** The handshake did not come to its end. */
static const char *handshake_name(const struct tls_client *tls, struct str words)
{
    const char *name = verdict_name(verify_verdicts, tls->verified);
    if (tls->ocsp == TLS_OCSP_REVOKED)
        return "tls-revoked";
    if (tls->ocsp != TLS_OCSP_FINE)
        return "tls-handshake";
    if (tls->verified != X509_V_OK)
        return name ? name : "tls-handshake";
    if (tls->alert_received >= 0)
        return received_name(tls);
    if (tls->about_alpn || tls->alert_sent == TLS1_AD_NO_APPLICATION_PROTOCOL)
        return "tls-alpn";
    name = verdict_name(reason_verdicts, reason_of(tls, words));
    if (!name && tls->alert_sent == TLS1_AD_PROTOCOL_VERSION)
        name = "tls-version";
    return name ? name : "tls-handshake";
}

/** What TCP itself did. */
static const char *socket_name(int os_errno)
{
    if (os_errno == ECONNRESET || os_errno == EPIPE)
        return "connection-reset";
    return os_errno == ETIMEDOUT ? "timeout" : NULL;
}

const char *tls_client_error(const struct tls_client *tls, struct str words, int os_errno)
{
    bool judged = tls->alert_received >= 0 || tls->alert_sent >= 0;
    const char *name = judged ? NULL : socket_name(os_errno);
    if (name)
        return name;
    if (!tls->stands)
        return handshake_name(tls, words);
    /* in TLS 1.3 the server judges what we sent last when our side is through */
    if (tls->alert_received >= 0 && !tls->answered)
        return received_name(tls);
    if (tls->alert_received >= 0 && is_about_our_certificate(tls))
        return "tls-client-cert";
    return judged ? "protocol" : NULL;
}

bool tls_client_is_eof(const struct tls_client *tls, struct str words)
{
    return tls->stands && reason_of(tls, words) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}
