/**
 * What the files of faults share: fault_read.c reads them, fault.c keeps those that stand,
 * fault_strike.c decides whether one strikes, fault_idle.c tells those that never did; a file for
 * each layer has its names and what they do.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_PRIVATE_H
#define GOTO_SERVER_FAULT_FAULT_PRIVATE_H

#include "server/fault/fault.h"
#include "server/fault/fault_how.h"
#include "server/http/exchange.h"
#include "server/port/port.h"
#include "server/tls/tls.h"

/** Why a fault did not strike what came its way. */
enum fault_skip {
    SKIP_BROKEN,   /**< its TLS cannot be made */
    SKIP_COVERED,  /**< nothing would have been seen of it beside another one */
    SKIP_TAKEN,    /**< another one took over the request */
    SKIP_BY_HAND,  /**< the answer is `raw`, or the same */
    SKIP_PROTOCOL, /**< another protocol was spoken */
    SKIP_UNFIT,    /**< it strikes none of its kind: `unfit` */
    SKIP_APPLY,    /**< it is for others: `apply` */
    SKIP_AFTER,    /**< too early: `after` */
    SKIPS
};

/** What a connection that lived had moved when a fault was set that counts bytes. */
struct fault_baseline {
    uint64_t connection;
    uint64_t received;
    uint64_t sent;
};

/** A fault that stands, or stood. */
struct fault {
    struct fault *next; /**< of those that stand, oldest first; it stays when the fault is taken
                           out, for who goes along the list just then */
    struct fault *gone; /**< the next one of those that stood, newest first */
    struct faults *faults;
    uint64_t id;
    const struct fault_config *config;
    const struct fault_kind *kind;
    struct str route; /**< "api.foobar"; data NULL = the whole port */
    bool bound;       /**< of a route or an answer: acts only where its list is given */
    bool stands;
    bool healed;             /**< bound, and lifted: does not act until it is bound again */
    int64_t set_ns;          /**< monotonic */
    uint64_t set_connection; /**< the newest connection that was there when it was set */
    uint64_t connections;    /**< that came while it stood; right once it is gone */
    uint64_t requests;       /**< that came its way */
    uint64_t struck;         /**< connections or requests */
    uint64_t armed;          /**< connections that it stood on; it strikes by itself */
    uint64_t drew;           /**< connections whose bytes it drew for */
    uint64_t skipped[SKIPS];
    struct str key;     /**< of draws */
    struct timer begin; /**< it begins on connections that live: once `after` is reached */
    bool begun;         /**< that was done */
    struct fault_baseline *baselines;
    size_t baseline_count;
};

/** A setup of faults that strike together. */
struct fault_setup {
    struct fault_setup *next;
    size_t count;
    const struct tls_fault **faults;
    struct tls_setup *setup;
};

struct faults {
    struct port *port;
    struct server *server;
    struct arena *arena;
    struct fault *first; /**< of those that stand: the order of the list is that of stacking */
    struct fault *gone;  /**< newest first */
    size_t stands;
    uint64_t last_id;
    unsigned busy; /**< somebody goes along the list: nothing is freed */
    /* fault_tls.c */
    const struct tls_config *tls;     /**< NULL = valid */
    struct tls_defaults tls_defaults; /**< of the port's TLS */
    bool has_tls;
    struct fault_setup *setups; /**< made so far, on top of that */
    size_t setup_count;
};

/** What struck a connection: stream->struck, one block of memory. */
struct fault_strikes {
    size_t count;
    size_t capacity;
    struct fault_strike {
        uint64_t fault; /**< its id */
        const struct fault_config *config;
        bool armed;     /**< it did not strike yet: fault_felt() */
        bool of_answer; /**< that is over with the answer */
        bool told;      /**< it is in the journal */
    } items[];
};

/* fault.c */

/** Whether two are the same fault of the spec, set at two times. */
bool fault_is(const struct fault *a, const struct fault *b);

/* fault_strike.c */

/** Whether what a fault acts on is spoken on a connection. */
bool fault_is_spoken(const struct fault *fault, const struct stream *stream);

/** Whether a fault may strike a connection that it did not strike before; counts why not. */
bool fault_strikes_connection(struct fault *fault, const struct stream *stream);
/** The same for the request that is about to be answered. */
bool fault_strikes_request(struct fault *fault, const struct exchange *exchange);
/** It strikes: counts, keeps, and journals that. `exchange` NULL: the connection. */
void fault_strike(struct fault *fault, struct stream *stream, const struct exchange *exchange);
/** It stands on that connection from now on, and strikes when it is felt. */
void fault_arm(struct fault *fault, struct stream *stream, bool of_answer);
/** One that stands on a connection is felt there: it strikes, if it still may. */
bool fault_felt(struct stream *stream, uint64_t id);
/** One that stands on a connection draws for its bytes: that it strikes none is chance. */
void fault_draws(struct stream *stream, uint64_t id);
/** Bytes that a connection moved in a direction, from where the fault counts. */
uint64_t fault_moved(const struct fault *fault, const struct stream *stream, bool response);
/** Whether it acts on what is answered by a route. */
bool fault_is_of_route(const struct fault *fault);
/** Another answer begins: what waited in vain for something to strike in the one before goes. */
void faults_next_answer(struct stream *stream);
/** Whether it struck that connection, or stands on it, and was not lifted since. */
bool fault_struck(const struct fault *fault, const struct stream *stream);
/** Ends what it does to the connections that it struck. */
void fault_lift(struct fault *fault);
/** Begins it on the connections that live, as soon as `after` is reached. */
void fault_begin_live(struct fault *fault);
/** port->told: the connection is in the journal; so are now the faults that struck it. */
void faults_told(struct port *port, struct stream *stream);
/** port->begins. */
void faults_begin(struct stream *stream);
/** port->h2_begin. */
void faults_h2_begin(struct stream *stream, struct h2_begin *begin);

/* fault_tls.c */

/** Whether a fault of TLS can be put over the port's TLS, if that has one. */
bool fault_tls_check(struct fault *fault, struct arena *arena, struct str *why);
/** Frees the setups. */
void faults_tls_clear(struct faults *faults);

/* fault_read.c */

/** What `of_type` reads, or nothing: `true` leaves what stands there already. */
#define FAULT_OR_TRUE(of_type, c_type, text)                                                       \
    {                                                                                              \
        .name = (text), .size = sizeof(c_type), .read = fault_or_true_read,                        \
        .schema = fault_or_true_schema, .of = (of_type)                                            \
    }
enum read_result fault_or_true_read(struct reader *reader, const struct type *type,
                                    const struct node *node, void *into);
struct json *fault_or_true_schema(struct schema_writer *writer, const struct type *type);

/** Whether a name strikes connections that live, too, not only as they begin. */
bool fault_kind_is_live(const struct fault_kind *kind);

#endif
