/**
 * Predicates on what TLS has names for: a literal that is none of them is an error when the spec is
 * read, for `version: "1.3"` or `alert: handshake-failure` could never hold, and `count: 0` beside
 * it always would.
 */
#ifndef GOTO_RUNNER_CHECK_TLS_NAMES_H
#define GOTO_RUNNER_CHECK_TLS_NAMES_H

#include "schema/table.h"

/** [struct predicate *] a version as OpenSSL writes it: TLSv1.3. */
extern const struct type tls_version_predicate;
/** [struct predicate *] an alert by its name: certificate_expired. */
extern const struct type tls_alert_predicate;
/** [struct predicate *] a name of the catalogue: expired. */
extern const struct type tls_fault_predicate;

#endif
