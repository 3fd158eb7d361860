/**
 * The run's authority: what signs the certificates of a server, made at the first need.
 */
#ifndef GOTO_SERVER_TLS_AUTHORITY_H
#define GOTO_SERVER_TLS_AUTHORITY_H

#include "server/tls/certificate.h"
#include "server/tls/tls.h"

/** The root that the built-in clients trust. */
const struct certificate *authority_ca(struct server *server);
/** One below it. */
const struct certificate *authority_intermediate(struct server *server);
/** A root that nobody trusts. */
const struct certificate *authority_unknown(struct server *server);

#endif
