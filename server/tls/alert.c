/* The alerts of TLS by name (RFC 8446 section 6, RFC 5246 section 7.2, IANA's registry). */
#include "server/tls/config.h"

#include <stdio.h>

const struct choice tls_alerts[] = {
    {"unexpected_message", 10, "A message came that does not belong here."},
    {"bad_record_mac", 20, "A record cannot be deciphered."},
    {"decryption_failed", 21, "A record is invalid (TLS 1.0)."},
    {"record_overflow", 22, "A record is too long."},
    {"decompression_failure", 30, "A record cannot be decompressed (until TLS 1.2)."},
    {"handshake_failure", 40, "No parameters in common."},
    {"no_certificate", 41, "No certificate (SSL 3.0)."},
    {"bad_certificate", 42, "A certificate is broken."},
    {"unsupported_certificate", 43, "A certificate is of the wrong kind."},
    {"certificate_revoked", 44, "A certificate was revoked."},
    {"certificate_expired", 45, "A certificate has expired or is not valid yet."},
    {"certificate_unknown", 46, "Something else is wrong with a certificate."},
    {"illegal_parameter", 47, "A field is out of range."},
    {"unknown_ca", 48, "The authority of a certificate is not known."},
    {"access_denied", 49, "The certificate is good, but it may not come in."},
    {"decode_error", 50, "A message cannot be decoded."},
    {"decrypt_error", 51, "A signature or a Finished is wrong."},
    {"export_restriction", 60, "Export rules forbid it (TLS 1.0)."},
    {"protocol_version", 70, "No version in common."},
    {"insufficient_security", 71, "The client's ciphers are too weak."},
    {"internal_error", 80, "Something went wrong inside."},
    {"inappropriate_fallback", 86, "The client fell back to a lower version without need."},
    {"user_canceled", 90, "The handshake was cancelled."},
    {"no_renegotiation", 100, "Renegotiation is refused."},
    {"missing_extension", 109, "An extension that is needed was not sent."},
    {"unsupported_extension", 110, "An extension that nobody asked for was sent."},
    {"certificate_unobtainable", 111, "A certificate could not be fetched."},
    {"unrecognized_name", 112, "The name asked for (SNI) is not served here."},
    {"bad_certificate_status_response", 113, "The stapled OCSP answer is wrong."},
    {"bad_certificate_hash_value", 114, "The hash of a fetched certificate is wrong."},
    {"unknown_psk_identity", 115, "No such pre-shared key."},
    {"certificate_required", 116, "The client has to send a certificate."},
    {"no_application_protocol", 120, "No protocol in common (ALPN)."},
    {"ech_required", 121, "Encrypted ClientHello has to be used."},
    {NULL, 0, NULL},
};

struct str tls_alert_name(int alert, char out[24])
{
    if (alert == 0)
        return STR("close_notify");
    for (const struct choice *choice = tls_alerts; choice->name; choice++)
        if (choice->value == alert)
            return str_of(choice->name);
    int size = snprintf(out, 24, "alert %d", alert);
    return (struct str){out, (size_t)size};
}

int tls_alert_number(struct str name)
{
    uint64_t number;
    if (str_is(name, "close_notify"))
        return 0;
    for (const struct choice *choice = tls_alerts; choice->name; choice++)
        if (str_is(name, choice->name))
            return choice->value;
    if (str_starts(name, STR("alert ")) && str_to_u64(str_from(name, 6), 255, &number))
        return (int)number;
    return -1;
}

bool alert_is_sent_by_openssl(int alert)
{
    /* Those that OpenSSL knows as its own, in every version; the rest it replaces or leaves out. */
    static const unsigned char sent[] = {10, 20, 22, 40, 42, 43, 44, 45, 46,  47,  48,
                                         49, 50, 51, 70, 71, 80, 86, 90, 112, 115, 120};
    for (size_t i = 0; i < COUNT_OF(sent); i++)
        if (sent[i] == alert)
            return true;
    return false;
}

int alert_verify_error(int alert)
{
    static const struct {
        int alert;
        int error;
    } errors[] = {
        {40, X509_V_ERR_APPLICATION_VERIFICATION},
        {42, X509_V_ERR_CERT_REJECTED},
        {43, X509_V_ERR_INVALID_PURPOSE},
        {44, X509_V_ERR_CERT_REVOKED},
        {45, X509_V_ERR_CERT_HAS_EXPIRED},
        {46, X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION},
        {48, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT},
        {51, X509_V_ERR_CERT_SIGNATURE_FAILURE},
        {80, X509_V_ERR_UNSPECIFIED},
    };
    for (size_t i = 0; i < COUNT_OF(errors); i++)
        if (errors[i].alert == alert)
            return errors[i].error;
    return X509_V_OK;
}
