/* The faults that stand on a port, its routes and answers: put there, lifted, and let act. */
#include "server/fault/fault_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/fault/fault_flow.h"
#include "server/http/h1.h"

enum { FAULTS_MOST = 1000 }; /* that stand on a port: an event may set one again and again */

struct faults *faults_new(struct port *port)
{
    struct faults *faults = memory_alloc(sizeof *faults);
    faults->port = port;
    faults->server = port->server;
    faults->arena = arena_new();
    port->faults = faults;
    port->begins = faults_begin;
    port->h2_begin = faults_h2_begin;
    port->told = faults_told;
    return faults;
}

static void fault_free(struct fault *fault)
{
    timer_stop(&fault->begin);
    memory_free(fault->baselines);
    memory_free(fault);
}

void faults_free(struct faults *faults)
{
    if (!faults)
        return;
    while (faults->first) {
        struct fault *next = faults->first->next;
        fault_free(faults->first);
        faults->first = next;
    }
    while (faults->gone) {
        struct fault *gone = faults->gone->gone;
        fault_free(faults->gone);
        faults->gone = gone;
    }
    faults_tls_clear(faults);
    arena_free(faults->arena);
    memory_free(faults);
}

/* Those that stood */

static bool place_is(struct place a, struct place b)
{
    return a.source == b.source && a.line == b.line && a.column == b.column;
}

static bool route_is(struct str a, struct str b)
{
    return (a.data != NULL) == (b.data != NULL) && str_equal(a, b);
}

bool fault_is(const struct fault *a, const struct fault *b)
{
    return place_is(a->config->kind.place, b->config->kind.place) && route_is(a->route, b->route);
}

/** Adds what came the way of an older one. */
static void fault_merge(struct fault *into, const struct fault *from)
{
    into->struck += from->struck;
    into->armed += from->armed;
    into->drew += from->drew;
    into->requests += from->requests;
    into->connections += from->connections;
    for (size_t i = 0; i < SKIPS; i++)
        into->skipped[i] += from->skipped[i];
}

/** An event may set a fault again and again: of those that are gone one is kept. */
static void faults_trim(struct faults *faults)
{
    for (struct fault *kept = faults->gone; kept && !faults->busy; kept = kept->gone) {
        struct fault **link = &kept->gone;
        while (*link) {
            struct fault *older = *link;
            if (!fault_is(kept, older)) {
                link = &older->gone;
                continue;
            }
            fault_merge(kept, older);
            *link = older->gone;
            fault_free(older);
        }
    }
}

/* Setting and lifting */

static void begin_due(struct timer *timer)
{
    struct fault *fault = CONTAINER_OF(timer, struct fault, begin);
    if (!fault->faults->server->closing)
        fault_begin_live(fault);
}

/** Remembers what the connections that live have moved so far. */
static void fault_set_baselines(struct fault *fault)
{
    const struct port *port = fault->faults->port;
    size_t count = 0;
    const struct fault_how *how = fault->kind->how;
    bool counts = how && how->obstacle && how->obstacle->counts;
    if (!fault->config->after.bytes && !counts)
        return;
    for (const struct stream *stream = port->oldest; stream; stream = stream->next)
        count++;
    fault->baselines = memory_alloc_array(count + 1, sizeof *fault->baselines);
    for (const struct stream *stream = port->oldest; stream; stream = stream->next)
        fault->baselines[fault->baseline_count++] =
            (struct fault_baseline){stream->number, stream->received, stream_passed_out(stream)};
}

static struct fault *fault_new(struct faults *faults, struct str route,
                               const struct fault_config *config)
{
    struct fault *fault = memory_alloc(sizeof *fault);
    struct str on = route.data ? route : faults->port->name;
    struct str name = fault_config_name(config);
    fault->faults = faults;
    fault->id = ++faults->last_id;
    fault->config = config;
    fault->kind = config->kind.member->extra;
    fault->route = route;
    fault->set_ns = clock_now();
    fault->set_connection = faults->port->accepted;
    fault->key =
        arena_printf(faults->arena, "fault " STR_FMT " " STR_FMT, STR_ARG(on), STR_ARG(name));
    timer_init(&fault->begin, faults->server->loop, begin_due);
    return fault;
}

static void fault_stand(struct fault *fault)
{
    struct faults *faults = fault->faults;
    struct fault **link = &faults->first;
    faults_trim(faults);
    while (*link)
        link = &(*link)->next;
    *link = fault;
    fault->stands = true;
    faults->stands++;
}

static void fault_remove(struct fault *fault)
{
    struct faults *faults = fault->faults;
    struct fault **link = &faults->first;
    while (*link != fault)
        link = &(*link)->next;
    *link = fault->next;
    fault->stands = false;
    faults->stands--;
    fault->connections += faults->port->accepted - fault->set_connection;
    fault->gone = faults->gone;
    faults->gone = fault;
    fault_lift(fault);
    if (fault->kind->how && fault->kind->how->stand && !faults->server->closing)
        fault->kind->how->stand(faults->port, false);
}

/** Gives it to the whole port. */
static void fault_stand_on_port(struct fault *fault)
{
    struct port *port = fault->faults->port;
    struct entry entry = journal_entry(ENTRY_FAULT, port->name_id);
    fault->struck++;
    fault->kind->how->stand(port, true);
    journal_append(port->server->journal, &entry, fault_config_name(fault->config));
}

uint64_t faults_push(struct faults *faults, struct str route, const struct fault_config *config,
                     struct arena *arena, struct str *why)
{
    if (faults->stands >= FAULTS_MOST) {
        *why = arena_printf(arena, "%d faults stand there already", FAULTS_MOST);
        return 0;
    }
    struct fault *fault = fault_new(faults, route, config);
    uint64_t id = fault->id;
    if (fault->kind->layer == FAULT_TLS && !fault_tls_check(fault, arena, why)) {
        fault_free(fault);
        return 0;
    }
    fault_set_baselines(fault);
    fault_stand(fault);
    if (fault->kind->how && fault->kind->how->stand)
        fault_stand_on_port(fault);
    fault_begin_live(fault);
    return id;
}

void faults_undo(struct faults *faults, uint64_t id)
{
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        if (fault->id != id)
            continue;
        fault_remove(fault);
        return;
    }
}

size_t faults_heal(struct faults *faults, struct str route, struct str name)
{
    size_t count = 0;
    faults->busy++;
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        bool meant = !route.data || route_is(fault->route, route);
        bool named = !name.data || str_equal(fault_config_name(fault->config), name);
        if (!meant || !named || fault->healed || !fault->stands)
            continue;
        count++;
        fault->healed = true;
        if (fault->bound)
            fault_lift(fault);
        else
            fault_remove(fault);
    }
    faults->busy--;
    return count;
}

/* Of routes and answers */

static struct fault *bound_find(const struct faults *faults, const struct fault_config *config)
{
    for (struct fault *fault = faults->first; fault; fault = fault->next)
        if (fault->bound && fault->config == config)
            return fault;
    return NULL;
}

/** The same fault of the spec, of which a `set` or an action made another config. */
static struct fault *bound_again(const struct faults *faults, struct str route,
                                 const struct fault_config *config)
{
    for (struct fault *fault = faults->first; fault; fault = fault->next)
        if (fault->bound && route_is(fault->route, route) &&
            place_is(fault->config->kind.place, config->kind.place))
            return fault;
    return NULL;
}

static struct fault *bound_of(struct faults *faults, struct str route,
                              const struct fault_config *config)
{
    struct fault *fault = bound_find(faults, config);
    if (!fault)
        fault = bound_again(faults, route, config);
    if (!fault) {
        fault = fault_new(faults, route, config);
        fault->bound = true;
        fault_stand(fault);
    }
    fault->config = config;
    return fault;
}

void faults_bind(struct faults *faults, struct str route, const struct list *list)
{
    struct fault_config *const *configs = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (configs[i] && configs[i]->kind.member)
            bound_of(faults, route, configs[i])->healed = false;
}

void faults_unbind(struct faults *faults, const struct list *list)
{
    struct fault_config *const *configs = list->items;
    for (size_t i = 0; i < list->count; i++) {
        struct fault *fault = bound_find(faults, configs[i]);
        if (fault)
            fault_remove(fault);
    }
}

/* Acting on a request */

/** What a request has to do with faults. */
struct meeting {
    struct str route;
    const struct list *lists[2];
    struct exchange *exchange;
};

static bool list_has(const struct list *list, const struct fault_config *config)
{
    struct fault_config *const *configs = list ? list->items : NULL;
    for (size_t i = 0; list && i < list->count; i++)
        if (configs[i] == config)
            return true;
    return false;
}

/** Whether a fault is of the request's port, route or answer. */
static bool meeting_has(const struct meeting *meeting, const struct fault *fault)
{
    if (fault->bound)
        return !fault->healed && (list_has(meeting->lists[0], fault->config) ||
                                  list_has(meeting->lists[1], fault->config));
    return !fault->route.data || str_equal(fault->route, meeting->route);
}

/** Counts a request for all that it could strike, before any of them does. */
static void meeting_count(const struct meeting *meeting, struct faults *faults)
{
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        if (!meeting_has(meeting, fault))
            continue;
        fault->requests++;
        /* not now: the request is in the middle of being answered */
        if (fault->config->after.requests && fault->requests == fault->config->after.requests)
            timer_start(&fault->begin, 0);
    }
}

/** Whether a fault that answers requests strikes this one. */
static bool fault_meets(struct fault *fault, const struct exchange *exchange)
{
    struct stream *stream = exchange->stream;
    if (!fault_is_spoken(fault, stream)) {
        fault->skipped[SKIP_PROTOCOL]++;
        return false;
    }
    if (fault->kind->each_request) {
        const struct fault_how *how = fault->kind->how;
        if (how->fits && !how->fits(exchange, fault->config)) {
            fault->skipped[exchange->by_hand ? SKIP_BY_HAND
                           : how->unfit      ? SKIP_UNFIT
                                             : SKIP_TAKEN]++;
            return false;
        }
        if (!fault_strikes_request(fault, exchange))
            return false;
        fault_strike(fault, stream, exchange);
        return true;
    }
    if (fault_struck(fault, stream))
        return true;
    if (!fault_strikes_connection(fault, stream))
        return false;
    fault_strike(fault, stream, NULL);
    return true;
}

/** Whether a fault has to do with a request that is about to be answered. */
static bool fault_minds_requests(const struct fault *fault)
{
    const struct fault_how *how = fault->kind->how;
    if (!how)
        return false;
    /* one of whole connections that stands on a route: a request there has it begin */
    if (fault_is_of_route(fault))
        return how->answer || how->live || how->obstacle;
    return how->answer && !how->obstacle;
}

/** A fault of whole connections begins with a request; whether that was taken over. */
static bool fault_begin_here(struct fault *fault, struct exchange *exchange)
{
    struct stream *stream = exchange->stream;
    const struct fault_how *how = fault->kind->how;
    if (!fault_is_spoken(fault, stream)) {
        fault->skipped[SKIP_PROTOCOL]++;
        return false;
    }
    if (fault_struck(fault, stream) || !fault_strikes_request(fault, exchange))
        return false;
    if (how->obstacle && !how->answer) {
        fault_arm(fault, stream, h1_is(stream));
        flows_obstruct(stream, fault, true);
        return false;
    }
    fault_strike(fault, stream, how->answer ? exchange : NULL);
    if (how->answer)
        return how->answer(exchange, fault->config);
    /* the entry's observers may have lifted it, or ended the connection */
    if (fault_struck(fault, stream) && !stream->closing)
        how->live(stream, fault->config);
    return false;
}

/** Lets one act on a request; whether that was taken over. */
static bool fault_act(struct fault *fault, struct exchange *exchange)
{
    const struct fault_how *how = fault->kind->how;
    if (!how->answer || how->obstacle)
        return fault_begin_here(fault, exchange);
    return fault_meets(fault, exchange) && how->answer(exchange, fault->config);
}

/** What a fault does to requests, NULL: nothing; with `within` of those that end an answer only. */
static const struct fault_how *meeting_how(const struct meeting *meeting, const struct fault *fault,
                                           bool within)
{
    const struct fault_how *how = fault->kind->how;
    if (!fault->stands || !fault_minds_requests(fault) || !meeting_has(meeting, fault))
        return NULL;
    return (how->within && how->within(fault->config)) == within ? how : NULL;
}

/** Lets those act that do not end an answer which has begun; whether the request was taken over. */
static bool meeting_act(const struct meeting *meeting, struct faults *faults)
{
    bool taken = false;
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        const struct fault_how *how = meeting_how(meeting, fault, false);
        if (how && taken)
            fault->skipped[SKIP_TAKEN]++;
        else if (how)
            taken = fault_act(fault, meeting->exchange);
    }
    return taken;
}

/** Lets the first of the others have the answer end, if one is to come. */
static void meeting_act_within(const struct meeting *meeting, struct faults *faults, bool taken)
{
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        const struct fault_how *how = meeting_how(meeting, fault, true);
        uint64_t struck = fault->struck;
        if (how && taken)
            fault->skipped[SKIP_TAKEN]++;
        else if (how)
            (void)fault_act(fault, meeting->exchange);
        taken = taken || fault->struck > struck;
    }
}

bool faults_answer(struct faults *faults, struct str route, const struct list *of_route,
                   const struct list *of_answer, struct exchange *exchange)
{
    const struct meeting meeting = {route, {of_route, of_answer}, exchange};
    for (size_t i = 0; i < COUNT_OF(meeting.lists); i++) {
        const struct list *list = meeting.lists[i];
        struct fault_config *const *configs = list ? list->items : NULL;
        for (size_t j = 0; list && j < list->count; j++)
            bound_of(faults, route, configs[j]);
    }
    if (!faults->stands)
        return false;
    faults->busy++;
    faults_next_answer(exchange->stream);
    meeting_count(&meeting, faults);
    bool taken = meeting_act(&meeting, faults);
    meeting_act_within(&meeting, faults, taken);
    faults->busy--;
    return taken;
}
