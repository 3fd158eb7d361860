/**
 * Upstreams of bytes (LANGUAGE 3.3): what a port of tcp or tls does with each of its connections.
 *
 * `behave`, `script` and `stream` of an upstream are alternatives. All of them are read into one
 * struct tcp_work, so that the one that a `switch` gives takes the place of what there was. A
 * connection keeps the work that its port had when it began.
 *
 * What holds for all of them: `limits.idle` ends a connection on which no byte moved for so long by
 * FIN, `limits.life` drains one of that age. Over TLS a connection begins once its handshake
 * stands.
 */
#ifndef GOTO_SERVER_TCP_TCP_H
#define GOTO_SERVER_TCP_TCP_H

#include "schema/table.h"
#include "server/stream/stream.h"

struct port;
struct tcp_flow;
struct tcp_record;
struct tcp_script;

enum tcp_kind { TCP_BEHAVE, TCP_FLOW, TCP_SCRIPT };

enum tcp_behave {
    BEHAVE_ECHO,    /**< sends back what comes; ends when the peer has and all is sent */
    BEHAVE_DISCARD, /**< reads; ends when the peer has */
    BEHAVE_STALL,   /**< reads nothing, and does not mind the peer's FIN */
    BEHAVE_CLOSE,   /**< FIN at once */
    BEHAVE_RESET,   /**< RST at once */
};

/** What is done with a connection; all zero is the default: echo. */
struct tcp_work {
    enum tcp_kind kind;
    int behave; /**< enum tcp_behave */
    union {
        const struct tcp_flow *flow;     /**< of TCP_FLOW */
        const struct tcp_script *script; /**< of TCP_SCRIPT */
    };
};

/** [struct tcp_work] the rows `behave`, `stream` and `script` of an upstream. */
extern const struct type tcp_behave_type;
extern const struct type tcp_flow_type;
extern const struct type tcp_script_type;

/** The protocol of connections that do this work; it finds it by upstream_work(port->owner). */
const struct protocol *tcp_protocol(const struct tcp_work *work);

/** A receive of an upstream's script that did not get what it waits for. Texts are borrowed. */
struct tcp_miss {
    struct place place;  /**< of the receive */
    uint64_t connection; /**< the first one of that */
    uint64_t count;      /**< connections of that */
    struct str expected; /**< "text up to \"\r\n\""; empty where `actual` says it all */
    struct str actual;   /**< "\"HELO\", then the peer closed the connection" */
};

/**
 * Calls for each receive that failed on a connection of the port, whatever became of the port
 * since, and for each that has to come and has not yet, on connections that live.
 */
void tcp_misses(const struct port *port, struct arena *arena,
                void (*found)(void *context, const struct tcp_miss *miss), void *context);

#endif
