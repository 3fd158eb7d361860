/**
 * What a route answers (LANGUAGE 3.2): one respond block or a sequence of them, and the machine
 * that sends one: delays, informational answers, pace, streams, events, lies about lengths.
 *
 * What the language leaves open:
 * - `informational` answers go out at once, the delay comes between them and the final answer, as
 * with the early hints of a server whose backend is slow. HTTP/1.0 gets none of them.
 * - A block without `content-type` in `headers` gets the one of its body: application/json (json,
 * echo), text/plain; charset=utf-8 (body), of the file's ending (file), application/octet-stream
 * (random), text/event-stream (events), application/x-ndjson (stream of json: each item ends with a
 * line feed). null drops it, as it drops `date`; null for content-length or transfer-encoding drops
 * the framing, and the body then ends with the connection.
 * - After a `content-length: N` that is not the body's length the codec ends the connection with
 * FIN: a client that waits for more sees that it is cut short, and none reads the rest as the next
 * answer.
 * - `trailers` are sent with chunks and named in a `trailer` header.
 * - `compress` is done whether or not the request's accept-encoding asks for it.
 * - `file` is taken relative to the folder of the spec file, read with the spec, holds no
 * templates, and may have 64 MiB.
 * - `raw` stands with `delay` and `close` only: it is the whole answer.
 */
#ifndef GOTO_SERVER_HTTP_RESPOND_H
#define GOTO_SERVER_HTTP_RESPOND_H

#include "server/http/exchange.h"
#include "server/http/template.h"

struct upstream;
struct respond;

/** The rows of a respond block, to be included where its keys stand beside others (the `respond`
 * action). */
extern const struct table respond_table;
/** [struct respond] one block; its size is known to respond.c only through the type. */
extern const struct type respond_type;
/** [struct list of struct respond *] a block or a sequence of them. */
extern const struct type respond_sequence_type;

/** The block `{echo: true}`. */
extern const struct respond *const respond_echo;

/** Whether none of the block's keys is set (the action `respond` needs at least one). */
bool respond_is_empty(const struct respond *respond);
/** Checks `path.NAME`s of all templates of one block against the captures (a list of struct str).
 */
enum read_result respond_check_path(struct reader *reader, const struct respond *respond,
                                    const struct list *names);

/** What an answer needs to know beside the block. */
struct respond_job {
    const struct respond *respond; /**< NULL: `status` and `json` below */
    unsigned status;               /**< without a block: 0 = 200 */
    struct str
        json; /**< without a block: the body, JSON; empty = none; lives as long as the exchange */
    struct template_context context; /**< its `path` must live as long as the exchange; the client's
                                          address is filled in when it is needed */
    int64_t delay_ns;                /**< drawn: of upstream + route + block, or the forced one */
    unsigned forced_status;          /**< 0 = none; else that status with an empty body */
    int64_t give_up_ns; /**< limits.respond, counted from the request's end: 0 = none; 503 if not
                             begun by then, cut if not finished */
};

/**
 * Answers the exchange; takes care of itself from here, also when the exchange goes away. The job
 * is copied. The exchange may be freed when this returns.
 *
 * An answer cut by `give_up_ns` ends with FIN, or with RST where FIN would look like the body's
 * regular end.
 */
void respond_start(struct exchange *exchange, const struct respond_job *job);

/** Whether it has keys that only gRPC has; whether it has some that gRPC has not. */
bool respond_is_grpc(const struct respond *respond);
bool respond_is_http(const struct respond *respond);
/** Whether it ends a call of gRPC with another status than OK. NULL: no. */
bool respond_fails(const struct respond *respond);
/** Whether nothing in it depends on the request. */
bool respond_is_constant(const struct respond *respond);
/** Its faults, a list of struct fault_config *; maybe empty. */
const struct list *respond_faults(const struct respond *respond);
/** The block's own delay, or NULL. */
const struct duration *respond_delay(const struct respond *respond);

#endif
