/**
 * What can be done to a running server (LANGUAGE 8): open close reopen respond status delay
 * disconnect (action.c), switch tls goaway (action_switch.c), forward (action_forward.c), fault
 * heal (action_fault.c), health (action_health.c).
 *
 * An action is a row (key, type, doc) and a function. It is done when its effect on new traffic has
 * begun; what can be undone hands back an undo.
 */
#ifndef GOTO_SERVER_ACTION_H
#define GOTO_SERVER_ACTION_H

#include "schema/table.h"
#include "server/server.h"

/** How to take one change back. A list in the arena that the action was given. */
struct undo {
    struct undo *next;
    void (*undo)(struct undo *undo);
    void *target;
    uint64_t id;
    void *extra; /**< what else the undo needs */
};

/** What an action is run with and what it came to. */
struct action_run {
    void *context;       /**< a struct server, or what the runner's own actions need */
    struct arena *arena; /**< lives as long as the scenario if `keep` is set by the action, else
                            until it returned */
    bool wants_undo;     /**< the change will be taken back: it must stay apart from others */
    bool keep;           /**< set by an action whose change refers to memory of the arena */
    struct undo *undo;   /**< set by an action that can be undone */
    struct str why;      /**< set when it could not be done: the scenario fails with this text */
    bool harness;        /**< `why` is a fault of ours or the machine, not of the spec */
    void (*target)(struct action_run *run,
                   struct str target); /**< the action tells each of its targets, for the journal */
    /** An action that takes time calls pending() and, once done, finish() with what it returned. */
    void *(*pending)(struct action_run *run);
    void (*finish)(void *token, struct str why);
    void *owner; /**< of target(), pending() */
};

/** What an action asks of the ports that it acts on. */
struct action_need {
    struct list ports;            /**< of struct str */
    unsigned speech;              /**< enum speech: one of these; 0 = anything will do */
    struct str what;              /**< what needs it: "'goaway'" */
    struct place counts_requests; /**< `after.requests`: there have to be some; not set = no */
};

/** `extra` of a member of the action family. */
struct action_type {
    void (*run)(struct action_run *run, const void *value);
    bool undoable; /**< `for` suits it */
    /**
     * Says what its ports must speak at some time of the scenario, for when the spec is read
     * (runner/spec/speech.h); NULL: anything will do. Ports that are not known yet are left out.
     */
    void (*needs)(const void *value, struct action_need *need);
};

struct upstream_config;
/**
 * What a `switch` or `tls` action puts over its ports (of a `tls` only that key counts); NULL for
 * all other actions.
 *
 * @param ports of struct str; one that is not known yet has no data
 */
const struct upstream_config *action_config(const struct chosen *chosen, struct list *ports,
                                            bool *is_switch);

/** Where a `forward` action makes its ports (of struct str, as above) forward to; NULL for all
 * other actions. */
const struct forward *action_forwards(const struct chosen *chosen, struct list *ports);

/**
 * Checks the `path.NAME`s of a `respond` action against the captures of the routes it is for; other
 * actions pass.
 *
 * @param upstreams of struct map_entry: struct upstream_config; a name may stand there again for
 * what a `switch` makes of it
 */
enum read_result action_check_captures(struct reader *reader, const struct chosen *chosen,
                                       const struct list *upstreams);

struct fault_config;
/** The fault that a `fault` action sets; NULL for all other actions. Its name may be unknown yet.
 */
const struct fault_config *action_fault_config(const struct chosen *chosen);
/** The faults of the answer that a `respond` action gives, a list of struct fault_config *, and the
 * name of its port (data NULL: not known yet); NULL for all other actions. */
const struct list *action_respond_faults(const struct chosen *chosen, struct str *port);
/** Whether it is a `heal` with a name, and where that stands. */
bool action_healed_name(const struct chosen *chosen, struct str *name, struct place *place);

/** The server's actions, ended by a NULL key; the runner's family lists them beside its own. */
extern const struct member server_actions[];

#endif
