/**
 * What the files of an upstream share: upstream.c answers and keeps what actions have put over the
 * routes; upstream_change.c makes of the spec's config and the changes of `switch` and `tls` what
 * the port speaks now.
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
