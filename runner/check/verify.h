/**
 * verify (LANGUAGE 9): what the run recorded, judged from the journal.
 *
 * An item has one subject. Its selecting keys choose entries; `count`, `gaps`, `order` and
 * `concurrent` are taken over them, every other key must hold for each, and without `count` at
 * least one must be selected. What the language leaves open is decided so:
 * - the text predicate of `output` selects lines, it need not hold for every line;
 * - a window on an event that has not fired is a failure, also beside `count: 0`;
 * - of an event that fired several times, `during` is all of its windows together and
 *   `after-event` counts from the first; the event's own first action does not end its window;
 * - what stands before an event in the journal is not after it: not the request that triggered it;
 * - `after` includes its time, `before` does not, `within` does;
 * - a connection lies in a window by when it was accepted, a response, step or line by when it
 *   ended; steps that were skipped are not selected;
 * - `lifetime` of a connection that is still open is the time until now, and nobody closed it;
 * - `processes` judges each program as it was the last time it was started; `alive: false` of one
 *   that was never started fails;
 * - entries that the item needs and the journal has dropped make it fail, except where only a
 *   `count` by port or name is asked for: that one is exact.
 */
#ifndef GOTO_RUNNER_CHECK_VERIFY_H
#define GOTO_RUNNER_CHECK_VERIFY_H

#include "runner/check/check.h"
#include "schema/table.h"

struct match;
struct scenario;

/** The subjects: requests responses connections handshakes frames events steps output processes.
 */
extern const struct family verify_family;
/** [struct verify_item] one item: `name`, `optional` and one subject. */
extern const struct type verify_type;

struct verify_item {
    struct str name; /**< data NULL if not written */
    bool optional;
    struct chosen subject;
    struct place place;
};

/**
 * What a port must speak to have what it asks for: one of enum speech (server/http/upstream.h).
 *
 * @param port the port of its `to` or `from`
 * @return 0 where it is about no port, or one that is known only later, and where each port has it
 */
unsigned verify_needs(const struct verify_item *item, struct str *port);
/** The proxy of `connections: {from: PROXY}`; without data where there is none, or it is known only
 * later. */
struct str verify_dialling(const struct verify_item *item);

/** Whether it asks for statuses of gRPC: only calls over HTTP/2 have them. */
bool verify_asks_grpc_status(const struct verify_item *item);

/** Whether it asks what passed over connections: that is kept only where somebody does. */
bool verify_asks_bytes(const struct verify_item *item);

/** Calls for each match of an item, of `rpc`, `where` and `order`, that is about requests or
 * responses of one port. What is known only during the run is left out. */
void verify_each_match(const struct verify_item *item,
                       void (*each)(void *context, struct str port, const struct match *match),
                       void *context);

/** The default name of an item: "requests to api: count 2". From the node as written. */
struct str verify_title(struct arena *arena, const struct node *item);

/**
 * Judges one item now; adds what fails. Unmatched requests that an item with `matched: false`
 * selects get ENTRY_COUNTED: they are no failure then.
 */
void verify_judge(const struct verify_item *item, struct scenario *scenario,
                  struct failures *failures);

#endif
