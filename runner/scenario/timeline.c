#include "runner/scenario/scenario_private.h"

#include "base/clock.h"
#include "base/memory.h"

/** One firing of an event: its actions, one after the other. */
struct firing {
    struct event *event;
    struct hold *hold; /**< of the request whose arrival triggered it */
    size_t at;
    struct undo *undo; /**< of all actions so far, the newest first */
    struct spec_scope scope;
    bool acting;
    bool done_meanwhile;
};

static void firing_next(struct firing *firing);

static void undo_all(struct undo *undo)
{
    for (; undo; undo = undo->next)
        undo->undo(undo);
}

static void undoing_due(struct timer *timer)
{
    struct undoing *undoing = CONTAINER_OF(timer, struct undoing, timer);
    struct event *event = undoing->event;
    struct entry entry = journal_entry(ENTRY_EVENT_UNDO, event->name_id);
    undoing->done = true;
    undo_all(undoing->undo);
    journal_append(event->scenario->journal, &entry, (struct str){0});
    scenario_look(event->scenario);
}

static void event_undo_later(struct event *event, struct undo *undo)
{
    struct scenario *scenario = event->scenario;
    struct undoing *undoing = arena_alloc(scenario->arena, sizeof *undoing);
    *undoing = (struct undoing){.next = event->undoings, .event = event, .undo = undo};
    event->undoings = undoing;
    timer_init(&undoing->timer, scenario->loop, undoing_due);
    timer_start(&undoing->timer, event->spec->for_ns);
}

static void firing_end(struct firing *firing)
{
    struct event *event = firing->event;
    if (event->spec->for_ns)
        event_undo_later(event, firing->undo);
    if (firing->hold)
        hold_release(firing->hold);
    event->acting--;
    scenario_look(event->scenario);
    scenario_firing_done(event->scenario);
}

static void firing_action_done(void *context, struct str why, bool harness, struct place place)
{
    struct firing *firing = context;
    struct event *event = firing->event;
    struct scenario *scenario = event->scenario;
    if (why.size) {
        struct check *check = scenario_fail(
            scenario, place,
            arena_printf(scenario->arena, "event " STR_FMT " was done", STR_ARG(event->name)),
            STR_FMT, STR_ARG(why));
        if (harness) {
            check->verdict = VERDICT_ERROR;
            scenario_harness_failed(scenario);
        }
    }
    firing->at++;
    if (firing->acting)
        firing->done_meanwhile = true;
    else
        firing_next(firing);
}

/** Does what is left; actions that are done at once do not deepen the stack. */
static void firing_next(struct firing *firing)
{
    struct event *event = firing->event;
    const struct list *actions = &event->spec->actions;
    while (firing->at < actions->count && !event->scenario->timeline_stopped) {
        const struct chosen *chosen = (const struct chosen *)actions->items + firing->at;
        struct undo *undo = NULL;
        firing->acting = true;
        firing->done_meanwhile = false;
        scenario_act(event->scenario, &firing->scope, chosen, event, &undo, firing_action_done,
                     firing);
        firing->acting = false;
        while (undo) {
            struct undo *next = undo->next;
            undo->next = firing->undo;
            firing->undo = undo;
            undo = next;
        }
        if (!firing->done_meanwhile)
            return;
    }
    firing_end(firing);
}

static void event_fire(struct event *event, int64_t due_ns)
{
    struct scenario *scenario = event->scenario;
    struct firing *firing = arena_alloc(scenario->arena, sizeof *firing);
    struct entry entry = journal_entry(ENTRY_EVENT, event->name_id);
    int64_t now = journal_now(scenario->journal);
    entry.time_ns = now;
    entry.value = due_ns == INT64_MIN ? 0 : now - due_ns;
    event->fired++;
    event->acting++;
    firing->event = event;
    firing->hold = server_hold(&scenario->server);
    scenario_scope(scenario, NULL, &firing->scope);
    journal_append(
        scenario->journal, &entry,
        action_title(scenario->arena, (const struct chosen *)event->spec->actions.items));
    firing_next(firing);
}

/* Times */

/** A time moved by up to `jitter` either way, never before t = 0. */
static int64_t event_jitter(const struct event *event, int64_t time_ns)
{
    int64_t jitter = event->spec->jitter_ns;
    if (jitter == 0)
        return time_ns;
    struct random random = random_for(event->scenario->seed, event->name, event->fired + 1);
    int64_t moved = time_ns - jitter + (int64_t)random_between(&random, 0, (uint64_t)jitter * 2);
    return moved < 0 ? 0 : moved;
}

static void event_schedule(struct event *event, int64_t time_ns)
{
    event->pending = true;
    timer_start_at(&event->timer, journal_monotonic(event->scenario->journal, time_ns));
}

static void event_come(struct event *event, int64_t due_ns)
{
    const struct event_spec *spec = event->spec;
    event->pending = false;
    if (spec->every_ns && (spec->times == 0 || event->fired + 1 < spec->times)) {
        /* counted from the undisturbed time: neither lateness nor jitter adds up */
        event->next_ns += spec->every_ns;
        event->fired++;
        int64_t next = event_jitter(event, event->next_ns);
        event->fired--;
        event_schedule(event, next);
    }
    event_fire(event, due_ns);
}

/** Timers of one time come in the order in which they were started: events in the order written. */
static void event_due(struct timer *timer)
{
    struct event *last = CONTAINER_OF(timer, struct event, timer);
    struct scenario *scenario = last->scenario;
    int64_t due_ns = timer->due_ns - journal_monotonic(scenario->journal, 0);
    for (struct event *event = scenario->events; event < last; event++) {
        if (!event->pending || event->timer.due_ns != timer->due_ns)
            continue;
        timer_stop(&event->timer);
        event_come(event, due_ns);
    }
    event_come(last, due_ns);
}

static void event_condition_held(struct event *event)
{
    struct scenario *scenario = event->scenario;
    event->waiting = false;
    if (!event->spec->after) {
        event_fire(event, INT64_MIN);
        return;
    }
    struct random random = random_for(scenario->seed, event->name, 1);
    event_schedule(event, journal_now(scenario->journal) +
                              random_duration(&random, &event->spec->after->delay));
}

/* Conditions: fed with each entry, then looked at */

/** Whether anything waits for a condition: only then entries are looked at. */
static bool scenario_waits(const struct scenario *scenario)
{
    if (scenario->waits)
        return true;
    for (size_t i = 0; i < scenario->event_count; i++) {
        if (scenario->events[i].waiting)
            return true;
    }
    return false;
}

static void scenario_observe(void *context, const struct entry *entry, uint64_t number)
{
    struct scenario *scenario = context;
    if (!scenario_waits(scenario))
        return;
    for (size_t i = 0; i < scenario->event_count; i++) {
        if (scenario->events[i].waiting)
            condition_entry(scenario->events[i].condition, entry, number);
    }
    for (struct wait *wait = scenario->waits; wait; wait = wait->next)
        condition_entry(wait->condition, entry, number);
    scenario_look(scenario);
}

static void look_once(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->event_count; i++) {
        struct event *event = &scenario->events[i];
        if (event->waiting && condition_holds(event->condition))
            event_condition_held(event);
    }
    struct wait *next;
    for (struct wait *wait = scenario->waits; wait; wait = next) {
        next = wait->next;
        wait_look(wait);
    }
}

void scenario_look(struct scenario *scenario)
{
    if (scenario->phase != PHASE_RUNNING && scenario->phase != PHASE_FINALLY)
        return;
    if (scenario->looking) {
        scenario->look_again = true;
        return;
    }
    scenario->looking = true;
    do {
        scenario->look_again = false;
        look_once(scenario);
    } while (scenario->look_again);
    scenario->looking = false;
}

/** Bytes moved on a port: conditions on bytes have no entries. */
static void scenario_bytes_moved(struct server *server)
{
    struct scenario *scenario = CONTAINER_OF(server, struct scenario, server);
    for (size_t i = 0; i < scenario->event_count; i++) {
        if (scenario->events[i].waiting)
            condition_bytes(scenario->events[i].condition);
    }
    for (struct wait *wait = scenario->waits; wait; wait = wait->next)
        condition_bytes(wait->condition);
    scenario_look(scenario);
}

void scenario_watch_bytes(struct scenario *scenario)
{
    scenario->server.bytes_moved = scenario_bytes_moved;
}

/* Starting and stopping */

static const struct chosen *event_condition(const struct event_spec *spec)
{
    return spec->when ? spec->when : spec->after ? &spec->after->condition : NULL;
}

void timeline_init(struct scenario *scenario)
{
    const struct event_spec *specs = scenario->spec->events.items;
    scenario->event_count = scenario->spec->events.count;
    scenario->events =
        arena_alloc_array(scenario->arena, scenario->event_count, sizeof *scenario->events);
    for (size_t i = 0; i < scenario->event_count; i++) {
        struct event *event = &scenario->events[i];
        *event = (struct event){.scenario = scenario, .name = specs[i].name};
        event->name_id = journal_intern(scenario->journal, event->name);
        timer_init(&event->timer, scenario->loop, event_due);
    }
    scenario->observer = journal_observe(scenario->journal, UINT32_MAX, scenario_observe, scenario);
}

/** Reads an event with the variables of the run; false: a check failed. */
static bool event_read_again(struct event *event, const struct event_spec *spec)
{
    struct scenario *scenario = event->scenario;
    struct event_spec *read = arena_alloc(scenario->arena, sizeof *read);
    struct spec_scope scope;
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    scenario_scope(scenario, NULL, &scope);
    struct reader reader = {
        .arena = scenario->arena, .diagnostics = &diagnostics, .scope = &scope.scope};
    /* actions are read again when they are done: what they hold may have no value yet */
    (void)reader_read(&reader, &event_type, spec->node, read);
    diagnostics_clear(&diagnostics);
    read->name = spec->name;
    read->actions = spec->actions;
    event->spec = read;
    const struct chosen *chosen = event_condition(read);
    if (!chosen)
        return true;
    diagnostics_init(&diagnostics);
    event->condition = condition_new(scenario->arena, &reader, chosen, scenario);
    if (!event->condition)
        scenario_fail(
            scenario, diagnostics.first ? diagnostics.first->place : spec->place,
            arena_printf(scenario->arena, "event " STR_FMT " could be set", STR_ARG(event->name)),
            STR_FMT,
            STR_ARG(diagnostics.first ? diagnostics.first->message
                                      : STR("its condition cannot be read")));
    else if (condition_needs_bytes(event->condition))
        scenario_watch_bytes(scenario);
    if (event->condition)
        condition_ask_bodies(event->condition);
    diagnostics_clear(&diagnostics);
    return event->condition != NULL;
}

void timeline_start(struct scenario *scenario)
{
    const struct event_spec *specs = scenario->spec->events.items;
    for (size_t i = 0; i < scenario->event_count; i++) {
        struct event *event = &scenario->events[i];
        if (!event_read_again(event, &specs[i]))
            continue;
        const struct event_spec *spec = event->spec;
        event->waiting = event->condition != NULL;
        if (spec->at_ns >= 0)
            event_schedule(event, event_jitter(event, spec->at_ns));
        if (spec->every_ns) {
            event->next_ns = spec->from_ns >= 0 ? spec->from_ns : spec->every_ns;
            event_schedule(event, event_jitter(event, event->next_ns));
        }
    }
    scenario_look(scenario);
}

void timeline_close(struct scenario *scenario)
{
    scenario->timeline_closed = true;
    for (size_t i = 0; i < scenario->event_count; i++) {
        struct event *event = &scenario->events[i];
        timer_stop(&event->timer);
        event->waiting = false;
        event->pending = false;
    }
}

const struct event *timeline_acting(const struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->event_count; i++) {
        if (scenario->events[i].acting)
            return &scenario->events[i];
    }
    return NULL;
}

void timeline_stop(struct scenario *scenario)
{
    timeline_close(scenario);
    scenario->timeline_stopped = true;
    for (size_t i = 0; i < scenario->event_count; i++) {
        struct event *event = &scenario->events[i];
        for (struct undoing *undoing = event->undoings; undoing; undoing = undoing->next) {
            timer_stop(&undoing->timer);
            if (!undoing->done)
                undoing_due(&undoing->timer);
        }
    }
}

/* What can still happen */

static struct event *find_event(const struct scenario *scenario, struct str name)
{
    for (size_t i = 0; i < scenario->event_count; i++) {
        if (str_equal(scenario->events[i].name, name))
            return &scenario->events[i];
    }
    return NULL;
}

bool scenario_event_possible(const struct scenario *scenario, struct str name)
{
    enum { DEEPEST = 16 };
    static unsigned depth;
    const struct event *event = find_event(scenario, name);
    if (!event)
        return false;
    if (event->pending)
        return true;
    if (!event->waiting || depth >= DEEPEST)
        return event->waiting;
    depth++;
    struct arena *arena = arena_new();
    struct str why;
    bool possible = condition_possible(event->condition, arena, &why);
    arena_free(arena);
    depth--;
    return possible;
}
