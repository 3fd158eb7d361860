/**
 * What the files of the proxy of bytes share: tcp.c has the two connections and their ends,
 * tcp_flow.c moves bytes from one to the other, tcp_route.c finds the far side.
 */
#ifndef GOTO_SERVER_PROXY_TCP_PRIVATE_H
#define GOTO_SERVER_PROXY_TCP_PRIVATE_H

#include "server/proxy/forward_tcp.h"
#include "server/proxy/tcp.h"
#include "server/stream/splice.h"
#include "server/tcp/tcp_private.h"
#include "server/tls/client.h"

/** One direction. */
struct tcp_flow_state {
    struct stream_pipe *pipe; /**< NULL: bytes are copied, or nothing is under way */
    bool bulk;                /**< much comes at once: splice */
    bool all;      /**< it ends behind what has come: that is taken, however much it is */
    bool finished; /**< its end was passed on */
};

/** TLS with the far side, on its way. */
struct tcp_far_tls {
    struct tls_connect connect;
    char host[256];
};

/** A connection of a client and the one to its far side. */
struct tcp_pair {
    struct stream *client; /**< NULL once it is gone */
    struct stream *far;    /**< NULL: not yet connected, or gone */
    struct endpoint_dial *dial;
    struct tcp_far_tls *secure; /**< a `tls` port's far side that speaks TLS, until that stands */
    const struct forward *forward;
    struct tcp_clock clock;
    struct timer timer;         /**< of the ClientHello, then of the dial */
    struct tcp_flow_state up;   /**< from the client */
    struct tcp_flow_state down; /**< from the far side */
    bool asking;                /**< the ClientHello is not whole yet */
    bool draining;              /**< it ends once what came has gone to the far side */
};

/* tcp_flow.c */
/** Bytes that were read from `from`. Returns how many were taken; once `to` has much to send that
 * is not all of them, and `from` is paused. */
size_t tcp_flow_bytes(struct tcp_flow_state *flow, struct stream *from, struct stream *to,
                      struct str bytes);
/** protocol->pull() of `from`. */
bool tcp_flow_pull(struct tcp_flow_state *flow, struct stream *from, struct stream *to,
                   ssize_t *got);
/** protocol->writable() of `to`. */
void tcp_flow_writable(struct tcp_flow_state *flow, struct stream *from, struct stream *to);
/** Passes the end of `from` on, once all its bytes were. */
void tcp_flow_end(struct tcp_flow_state *flow, const struct stream *from, struct stream *to);
/** What is in the pipe goes on, or is lost where there is nobody to take it (`to` is NULL). */
void tcp_flow_spill(struct tcp_flow_state *flow, struct server *server, struct stream *to);

/* tcp_route.c */
/**
 * Where a connection goes, by what came so far.
 *
 * @return TCP_MORE: it is not known yet; TCP_TO: *text is the endpoint; TCP_NOWHERE: *why says why
 * (static or in `arena`), and *alert whether the client speaks TLS and is to be told by an alert
 */
enum tcp_where { TCP_MORE, TCP_TO, TCP_NOWHERE };
enum tcp_where tcp_route(const struct forward *forward, struct str bytes, struct arena *arena,
                         struct str *text, struct str *why, bool *alert);
/** The alert unrecognized_name, as it stands on the wire. */
struct str tcp_alert(void);

#endif
