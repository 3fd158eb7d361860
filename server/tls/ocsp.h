/**
 * OCSP answers, as a server staples them (RFC 6960), signed by the certificate's issuer.
 */
#ifndef GOTO_SERVER_TLS_OCSP_H
#define GOTO_SERVER_TLS_OCSP_H

#include "server/tls/certificate.h"

enum ocsp_state {
    OCSP_NONE, /**< no answer */
    OCSP_GOOD,
    OCSP_REVOKED,
    OCSP_STALE, /**< good, but its time is over */
};

/** The answer about a certificate as DER in the arena; false with *why. */
GOTO_MUST_USE bool ocsp_answer(X509 *about, const struct certificate *issuer, enum ocsp_state state,
                               struct arena *arena, struct str *answer, struct str *why);

#endif
