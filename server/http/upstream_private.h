/**
 * What the files of an upstream share: upstream.c answers; upstream_override.c keeps what actions
 * have put over the routes; upstream_change.c makes of the spec's config and the changes of
 * `switch` and `tls` what the port speaks now.
 */
#ifndef GOTO_SERVER_HTTP_UPSTREAM_PRIVATE_H
#define GOTO_SERVER_HTTP_UPSTREAM_PRIVATE_H

#include "server/http/route.h"
#include "server/http/upstream.h"

struct tls_setup;

/** Routes that stand or stood: how far each came is known until the end. */
struct route_set {
    struct route_set *older; /**< of all that there were */
    struct routes routes;
};

/** The same of a default. */
struct fallback {
    struct fallback *older;
    const struct upstream_default *config;
    struct route route;
};

/** What a `switch` or `tls` has put over the config. */
struct change {
    struct change *newer;
    uint64_t id;
    struct upstream_change given;
    struct route_set *set;     /**< NULL: it brought no routes */
    struct fallback *fallback; /**< NULL: it brought no default */
};

/** Connections from a number on were accepted with this protocol. */
struct era {
    struct era *older;
    uint64_t first;
    int protocol;
};

enum override_kind { OVERRIDE_RESPOND, OVERRIDE_STATUS, OVERRIDE_DELAY };

/** Routes that an override is for, beside the position of one. */
enum { ROUTE_ALL = -1, ROUTE_UNKNOWN = -2 };

/** What an action put over the routes. */
struct override {
    struct override *older;
    uint64_t id;
    enum override_kind kind;
    struct route_set *set;      /**< the routes that stood when it was put there */
    struct fallback *fallback;  /**< the default that did */
    ptrdiff_t route;            /**< its position; < 0 = of none alone */
    struct sequence *sequences; /**< one for each route, and one for the default */
    const struct list *respond; /**< what they are of */
    unsigned status;
    const struct respond *grpc; /**< a status of gRPC, in place of that */
    struct duration delay;
    uint64_t times; /**< that are left; 0 = no end */
};

struct upstream {
    struct port *port;
    const struct upstream_config *base; /**< of the spec */
    struct upstream_config now;         /**< the same with the changes over it */
    struct arena *arena;
    struct change *changes;         /**< oldest first: each goes over those before it */
    struct tls_setup *setup;        /**< of new connections; NULL in clear */
    struct era *eras;               /**< newest first; never empty */
    struct route_set *set;          /**< the routes of now */
    struct route_set *base_set;     /**< those of the spec */
    struct route_set *sets;         /**< all that there were, newest first */
    struct fallback *fallback;      /**< the default of now */
    struct fallback *base_fallback; /**< that of the spec */
    struct fallback *fallbacks;     /**< all that there were, newest first */
    struct tcp_record *records;     /**< failed receives of scripts */
    struct faults *faults;          /**< that stand */
    const void *faults_of;          /**< the items of the config's list that was put there */
    uint64_t *fault_ids;            /**< of those */
    size_t fault_count;
    bool forwards;              /**< now.forward stands in the place of the default */
    struct override *overrides; /**< newest first */
    struct override
        *taken_back; /**< answers that were taken back before their last one was served */
    uint64_t last_id;
    struct str delay_key;
    struct grpc_health_state *health;
    bool minded; /**< an unmatched request came while that was a failure */
};

/* upstream_override.c */
/** Where the sequence of a route stands in an override; behind all of them that of the default. */
size_t upstream_position(const struct upstream *upstream, const struct route *route);
/** The newest override of a kind that is for the route, or NULL. */
struct override **upstream_override(struct upstream *upstream, const struct route *route,
                                    enum override_kind kind);
/** One of `times` is used; the last takes the override back. */
void override_count_down(struct upstream *upstream, struct override **link);
/** The sequence of the override that came farthest. */
const struct sequence *override_sequence(const struct override *override);
/** Frees it and those that are older. */
void overrides_free(struct override *first);

/* upstream_change.c */
/** Begins with the config alone, and sets the port. */
void upstream_begin(struct upstream *upstream);
/** Frees what the changes hold. */
void upstream_end(struct upstream *upstream);
/** The faults of a sequence of answers may strike from now on. `route` as in the journal; data NULL
 * = any. */
void upstream_bind_answers(struct upstream *upstream, struct str route, const struct list *respond);
/** Takes a change back. Whether there is one with this id. */
bool upstream_undo_change(struct upstream *upstream, uint64_t id);

#endif
