/**
 * The keys of `forward:` that only ports of bytes have, as read.
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_TCP_H
#define GOTO_SERVER_PROXY_FORWARD_TCP_H

#include "server/proxy/forward.h"

/** When the far side is connected. */
enum forward_dial {
    DIAL_AFTER_ACCEPT, /**< once the client's connection was accepted */
    DIAL_FIRST,        /**< before: what becomes of it becomes of the client's */
};

/** The keys of bytes. */
struct forward_tcp {
    struct list sni;     /**< of struct map_entry: name → struct str, an endpoint */
    struct str fallback; /**< `default`: data NULL = none */
    struct place fallback_place;
    int dial; /**< enum forward_dial */
};

/** Its rows, which forward.c includes. */
extern const struct table forward_tcp_table;

#endif
