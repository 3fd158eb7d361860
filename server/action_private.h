/**
 * What the files of actions share: action.c has those that answer and end connections and the table
 * of all, action_switch.c those that change what a port speaks, action_forward.c where it forwards
 * to, action_fault.c faults.
 */
#ifndef GOTO_SERVER_ACTION_PRIVATE_H
#define GOTO_SERVER_ACTION_PRIVATE_H

#include "server/action.h"
#include "server/http/upstream.h"
#include "server/port/port.h"

/** [struct list of struct str] one upstream, or a list of them. */
extern const struct type action_ports_type;
/** [int] enum close_how: what becomes of live connections. */
extern const struct type action_close_type;

/** The port of an upstream; NULL: run->why says that there is none. */
struct port *action_port(struct action_run *run, struct str name);
/** Adds an undo to the run's list: the newest is undone first. */
void action_add_undo(struct action_run *run, void (*function)(struct undo *), void *target,
                     uint64_t id);
/** An undo whose target is a struct upstream: upstream_undo(). */
void action_undo_upstream(struct undo *undo);

/** Whether a port speaks one of these now (enum speech; 0 = anything will do); else run->why says
 * that `action` does not fit, which needs `what`: "HTTP/2". */
bool action_port_speaks(struct action_run *run, const struct port *port, unsigned speech,
                        struct str action, const char *what);

/* action_fault.c */
extern const struct type action_fault_type;
extern const struct action_type action_fault;
extern const struct type action_heal_type;
extern const struct action_type action_heal;

/* action_forward.c */
extern const struct type action_forward_type;
extern const struct action_type action_forward;

/* action_health.c */
extern const struct type action_health_type;
extern const struct action_type action_health;

/* action_switch.c */
/** Puts a change over every port that is named, each with an undo of its own. */
void action_change_ports(struct action_run *run, const struct list *ports,
                         const struct upstream_change *change);
extern const struct type action_switch_type;
extern const struct action_type action_switch;
extern const struct type action_tls_type;
extern const struct action_type action_tls;
extern const struct type action_goaway_type;
extern const struct action_type action_goaway;

#endif
