/**
 * The `tcp` verb: a connection of its own, the script that runs on it (server/tcp/script.h), and
 * its `expect`.
 *
 * A step is done when its script has come to its end and the kernel has taken what it sent; then
 * the connection ends by FIN. With `received` or `closed-by: peer` (or `reset`) in its `expect` it
 * goes on reading until the peer has ended. What came is kept as far as TCP_MOST_RECEIVED; more is
 * counted and not kept.
 */
#ifndef GOTO_RUNNER_CLIENT_TCP_H
#define GOTO_RUNNER_CLIENT_TCP_H

#include "runner/client/tcp_result.h"
#include "runner/scenario/attempt.h"
#include "server/tcp/script.h"

struct tls_client_options;

/** What `tls` of a step says. */
struct tcp_tls {
    bool written;
    bool off;                                 /**< `false`: in clear, whatever the port speaks */
    const struct tls_client_options *options; /**< NULL = the defaults */
};

/** What `tcp:` says. */
struct tcp_request {
    struct str to; /**< an endpoint */
    struct place to_place;
    struct tcp_tls tls;
    struct tcp_script script;
};

/** [struct tcp_tls] */
extern const struct type tcp_tls_type;
/** [struct tcp_request] */
extern const struct type tcp_type;
extern const struct verb tcp_verb;

/** Bytes kept of what a step receives. */
enum { TCP_MOST_RECEIVED = 64 * 1024 * 1024 };

/** "tcp ${db}": the default name of a step; from the node as written. */
struct str tcp_title(struct arena *arena, const struct node *value);

#endif
