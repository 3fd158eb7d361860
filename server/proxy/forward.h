/**
 * `forward:` (LANGUAGE 5): where a port or a route sends what it gets, as a spec says it.
 *
 * One mapping for ports of HTTP and for those of bytes (tcp, tls); which keys have a meaning
 * depends on what the port speaks, and is checked when the port is read. forward.c has the keys of
 * both, forward_http_read.c those of HTTP, forward_tcp_read.c those of bytes.
 */
#ifndef GOTO_SERVER_PROXY_FORWARD_H
#define GOTO_SERVER_PROXY_FORWARD_H

#include "schema/table.h"
#include "server/proxy/endpoint.h"

struct exchange;
struct forward_http;
struct forward_tcp;
struct protocol;

/** Which of several far sides a request goes to. */
enum forward_pick { PICK_FIRST, PICK_ROUND_ROBIN, PICK_RANDOM, PICK_RACE, PICK_MIRROR };

/** A `forward:` as read. */
struct forward {
    struct place place;
    struct list to;            /**< of struct str: endpoints; empty where `sni`, `calls` or `tunnel`
                                  say where */
    struct place to_place;     /**< of its value */
    const struct node *node;   /**< as written */
    int pick;                  /**< enum forward_pick */
    int64_t timeout_ns;        /**< of the far side; 0 = not written */
    struct forward_http *http; /**< NULL = none of its keys is written */
    struct forward_tcp *tcp;   /**< the same */
};

/** [struct forward *] NULL when not written; a bare endpoint is {to: ENDPOINT}. */
extern const struct type forward_type;

/** Calls for each endpoint that a forward names, with its place. */
void forward_each_endpoint(const struct forward *forward,
                           void (*each)(void *context, struct str text, struct place place),
                           void *context);

/** Checks the keys against what the port speaks; adds errors. */
enum read_result forward_check_bytes(struct reader *reader, const struct forward *forward);
enum read_result forward_check_http(struct reader *reader, const struct forward *forward);
/** The same where calls of gRPC are forwarded, beside what HTTP has it be: messages pass as they
 * are. */
enum read_result forward_check_grpc(struct reader *reader, const struct forward *forward);

/** Whether the request has to be there whole before it can be sent on: something in it or in its
 * answer is made of its body, unless what is asked of that is `known`, or it goes to several far
 * sides. */
bool forward_needs_whole_request(const struct forward *forward, bool known);

/** Whether CONNECT makes a tunnel here. NULL: no. */
bool forward_takes_connect(const struct forward *forward);

/** Checks `path.NAME`s of all its templates against the captures of its route (a list of struct
 * str). `forward` may be NULL. */
enum read_result forward_check_path(struct reader *reader, const struct forward *forward,
                                    const struct list *names);

/** The protocol of a port of bytes that forwards: port->owner is its upstream. */
extern const struct protocol forward_tcp_protocol;

/** What the forwarding of a request knows of its port. */
struct forward_job {
    const struct forward *forward;
    const struct headers
        *captures;           /**< of the path; NULL = none; they live as long as the exchange */
    struct str route;        /**< in the journal; data NULL = the default */
    uint64_t request_number; /**< on its route */
    uint64_t turn;           /**< counts the requests of this forward: of round-robin */
    bool partial;            /**< the request has not arrived: forward_http_arrived() follows */
    int64_t delay_ns;        /**< before the answer's first byte */
    int64_t give_up_ns;      /**< `limits.respond`; 0 = none */
};
/** A request that was forwarded while it came has arrived, and nothing holds it: its end may go to
 * the far side, and the answer to the client. Of the job the times count. */
void forward_http_arrived(struct exchange *exchange, const struct forward_job *job);
/** Whether it is this forward by which an exchange is being answered. */
bool forward_http_is(const struct exchange *exchange, const struct forward *forward);
/** Forwards an exchange and answers it with what comes. The exchange may be freed. */
void forward_http_start(struct exchange *exchange, const struct forward_job *job);

#endif
