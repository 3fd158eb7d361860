/**
 * What the files that read `forward:` share: forward.c the keys of both, forward_http_read.c those
 * of HTTP, forward_tcp_read.c those of bytes.
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_PRIVATE_H
#define GOTO_SERVER_PROXY_FORWARD_PRIVATE_H

#include "server/proxy/forward_http.h"
#include "server/proxy/forward_tcp.h"

/** What the table reads into; the first member is what others see. */
struct forward_read {
    struct forward forward;
    struct forward_http http;
    struct forward_tcp tcp;
};

/** [struct forward_read] the rows of `forward`, to be included; forward_take() comes after. */
extern const struct type forward_read_type;
/** Makes a forward of what was read from a node. */
struct forward *forward_take(struct forward_read *read, const struct node *node);

/** Adds an error at each key of a table that stands in a forward: "'KEY' WHY". */
enum read_result forward_refuse(struct reader *reader, const struct forward *forward,
                                const struct table *table, const char *why);
/** Adds an error at each key that only ports of bytes have. */
enum read_result forward_refuse_tcp(struct reader *reader, const struct forward *forward);

#endif
