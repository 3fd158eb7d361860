/**
 * Flows: the bytes of a connection on their way through the faults that act on them.
 *
 * A connection that such a fault stands on has one stage at its bottom, below TLS, with a flow in
 * each direction; a flow is a chain of obstacles, in the order of the port's list of faults, which
 * bytes pass in that order in both directions. The stage is there as long as an obstacle is. A
 * fault of the layers stream and connect is an obstacle_type: what its obstacle does to bytes, and
 * to what stands between them: the FIN of that direction, the end that another fault brings.
 *
 * An obstacle lets bytes pass at once, changed or not, or keeps them for release(). It strikes when
 * it is felt: obstacle_feels() decides that once for each connection, journals it, and says whether
 * the fault may still act. Lifted, it lets go what it keeps, in order, in the next turn.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_FLOW_H
#define GOTO_SERVER_FAULT_FAULT_FLOW_H

#include "base/random.h"
#include "server/stream/stage.h"

struct fault;
struct fault_config;
struct flow;
struct obstacle;

/** What moves along a flow. */
struct flow_piece {
    enum flow_kind {
        FLOW_BYTES,
        FLOW_END,   /**< FIN: the peer's, or ours */
        FLOW_CLOSE, /**< here a fault ends the connection */
        FLOW_HALF,  /**< here a fault ends this direction */
    } kind;
    enum close_how how; /**< FLOW_CLOSE */
    struct str bytes;
};

/** A piece that is kept. */
struct flow_item {
    struct flow_item *next;
    int64_t due_ns; /**< the obstacle's: when it may go on */
    struct flow_piece piece;
    size_t taken; /**< bytes of it that went on */
    char data[];
};

/** What a fault does to a flow. All but `size` may be left out. */
struct obstacle_type {
    size_t size; /**< of the obstacle's own struct, whose first member is a struct obstacle */
    bool counts; /**< it counts bytes from the connection's first one, as `after.bytes` does */
    bool answer; /**< on a route it acts on the answer's direction only */
    bool once;   /**< one obstacle is enough for both directions */
    bool bytes;  /**< only bytes are held up: an end by itself does not feel it */
    /** Sets what is drawn, and what the spec says. */
    void (*init)(struct obstacle *obstacle);
    /** It stands; `live`: on a connection that lived before. */
    void (*start)(struct obstacle *obstacle, bool live);
    /** A piece comes, behind `after.bytes`. NULL: it is felt and kept. */
    void (*take)(struct obstacle *obstacle, const struct flow_piece *piece);
    /** When a piece that comes to be kept may go on. */
    int64_t (*due_ns)(struct obstacle *obstacle, int64_t now_ns);
    /** Lets go on what may; returns when more may: INT64_MAX when nobody knows. NULL: nothing ever
     * does. */
    int64_t (*release)(struct obstacle *obstacle, int64_t now_ns);
};

/** The head of every obstacle. */
struct obstacle {
    struct obstacle *next;
    struct flow *flow;
    const struct obstacle_type *type;
    const struct fault_config *config;
    uint64_t fault;  /**< its id */
    uint64_t seed;   /**< of this fault on this connection */
    uint64_t offset; /**< bytes that came, from where `after.bytes` counts */
    uint64_t from;   /**< `after.bytes` */
    struct flow_item *first;
    struct flow_item *last;
    size_t room;   /**< bytes that it keeps before who sends has to wait; init() sets it */
    size_t held;   /**< bytes kept; an end counts as one */
    size_t weight; /**< memory of them */
    struct timer timer;
    bool asked;  /**< obstacle_feels() was called */
    bool lifted; /**< it lets everything pass, and goes */
    bool spent;  /**< what comes is lost: it ended its direction or the connection */
    bool shut;   /**< nothing more is read for it */
};

/** Hands a piece on. */
void obstacle_pass(struct obstacle *obstacle, const struct flow_piece *piece);
void obstacle_pass_bytes(struct obstacle *obstacle, struct str bytes);
/** Keeps a copy for release(). */
void obstacle_keep(struct obstacle *obstacle, const struct flow_piece *piece);
/** Lets go on what may: after obstacle_keep(). */
void obstacle_go(struct obstacle *obstacle);
/** In release(): hands on the first piece that is kept, or so many bytes of it. */
void obstacle_pass_first(struct obstacle *obstacle);
void obstacle_pass_part(struct obstacle *obstacle, size_t size);
/** Whether it may act on this connection; the first call strikes. */
bool obstacle_feels(struct obstacle *obstacle);
/** Ends the connection, or (FLOW_HALF) the direction, behind what it has let pass. */
void obstacle_end(struct obstacle *obstacle, enum flow_kind kind, enum close_how how);
/** Draws of this fault, connection and direction. */
struct random obstacle_random(const struct obstacle *obstacle, uint64_t number);
struct stream *obstacle_stream(const struct obstacle *obstacle);

/* For fault_strike.c */

/** Puts a fault onto a connection; `live`: one that lived before. */
void flows_obstruct(struct stream *stream, const struct fault *fault, bool live);
/** Takes it off. */
void flows_lift(struct stream *stream, uint64_t fault);

#endif
