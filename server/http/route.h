/**
 * The routes of a running upstream: which one a request takes, and how far each came.
 *
 * Routes with a fixed method and path and nothing else are found by a hash of the path; the others
 * are tried in their order, as far as they stand before the one the hash gave. So the first match
 * wins and a request for a fixed path costs the same with one route and with a thousand.
 */
#ifndef GOTO_SERVER_HTTP_ROUTE_H
#define GOTO_SERVER_HTTP_ROUTE_H

#include "server/http/upstream.h"

/** How far a sequence of answers came. */
struct sequence {
    const struct list *blocks; /**< of struct respond *; NULL or empty: 200 with an empty body */
    size_t next;
    size_t served; /**< the most answers of it that were served: `count` when its last one was */
};

/** The answer whose turn it is, NULL for the empty one. */
const struct respond *sequence_peek(const struct sequence *sequence);
/** The same; the sequence moves on. */
const struct respond *sequence_take(struct sequence *sequence, bool cycle);
/** Whether there is a last answer that was never served. */
bool sequence_is_unfinished(const struct sequence *sequence);

/** A route, or what stands behind all of them. */
struct route {
    const struct route_config *config; /**< NULL: the default */
    struct str name;                   /**< "api.foobar", "api GET /foo", "api default" */
    struct str delay_key;              /**< of draws */
    uint32_t name_id;                  /**< in the journal */
    uint64_t requests;                 /**< that it took */
    uint64_t broken_off; /**< of them: never arrived, so `times` does not count them */
    uint64_t forwarded;  /**< those that were sent on */
    struct sequence sequence;
};

/** The routes in their order and the way to find one. */
struct routes {
    struct route *items;
    size_t count;
    size_t *buckets; /**< of the hash: position of the first route plus 1; a power of two of them */
    size_t mask;
    size_t *chain;    /**< for each route the next one of its bucket plus 1, in their order */
    size_t *searched; /**< positions of routes that are not in the hash, in their order */
    size_t searched_count;
};

/** Makes the routes of a config in the arena; names start with the upstream's. */
void routes_init(struct routes *routes, const struct upstream_config *config, struct str upstream,
                 struct journal *journal, struct arena *arena);

/**
 * The route that a request takes, NULL if none does.
 *
 * @param captures filled with the path's captures, in the exchange's arena
 */
struct route *routes_find(struct routes *routes, struct exchange *exchange, uint64_t seed,
                          struct headers *captures);

/**
 * The same for a request of which only the head was read.
 *
 * @return whether the head decides; *route is then the one, NULL: none takes it
 */
GOTO_MUST_USE bool routes_find_by_head(struct routes *routes, struct exchange *exchange,
                                       uint64_t seed, struct headers *captures,
                                       struct route **route);

/** The route that came nearest to a request that none took. */
struct route_miss {
    struct str route;   /**< "GET /foo/{foo}"; empty without routes */
    struct str because; /**< the first condition that failed; in the arena */
};
struct route_miss routes_nearest(const struct routes *routes, struct exchange *exchange,
                                 uint64_t seed);

/** Whether one of them names the rpc. */
bool routes_name_rpc(const struct routes *routes, struct str rpc);

#endif
