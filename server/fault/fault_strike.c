/* Whether a fault strikes a connection or a request, and what becomes of those that it struck. */
#include "server/fault/fault_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "server/fault/fault_flow.h"

#include <stdlib.h>
#include <string.h>

/* Deciding */

static bool skip(struct fault *fault, enum fault_skip why)
{
    fault->skipped[why]++;
    return false;
}

/** Whether `apply` is for a connection. */
static bool applies(const struct fault *fault, const struct stream *stream)
{
    bool existing = stream->number <= fault->set_connection;
    switch ((enum fault_apply)fault->config->apply) {
    case FAULT_APPLY_EXISTING:
        return existing;
    case FAULT_APPLY_NEW:
        return !existing;
    default:
        return true;
    }
}

static bool time_has_come(const struct fault *fault)
{
    int64_t after_ns = fault->config->after.time_ns;
    return !after_ns || clock_now() - fault->set_ns >= after_ns;
}

static int baseline_compare(const void *key, const void *member)
{
    uint64_t wanted = *(const uint64_t *)key;
    uint64_t found = ((const struct fault_baseline *)member)->connection;
    return wanted < found ? -1 : wanted > found;
}

static const struct fault_baseline *baseline_of(const struct fault *fault,
                                                const struct stream *stream)
{
    if (!fault->baseline_count)
        return NULL;
    return bsearch(&stream->number, fault->baselines, fault->baseline_count,
                   sizeof *fault->baselines, baseline_compare);
}

uint64_t fault_moved(const struct fault *fault, const struct stream *stream, bool response)
{
    const struct fault_baseline *baseline = baseline_of(fault, stream);
    /* on a route it counts from the answer, else from the first byte or from when it was set */
    if (fault_is_of_route(fault) || (!baseline && stream->number <= fault->set_connection))
        return 0;
    if (response)
        return stream_passed_out(stream) - (baseline ? baseline->sent : 0);
    return stream->received - (baseline ? baseline->received : 0);
}

/** Whether a connection moved the bytes of `after`, in both directions. */
static bool bytes_have_moved(const struct fault *fault, const struct stream *stream)
{
    const struct fault_baseline *baseline = baseline_of(fault, stream);
    uint64_t moved = stream->received + stream_passed_out(stream);
    return moved - (baseline ? baseline->received + baseline->sent : 0) >=
           fault->config->after.bytes;
}

/** Whether `times` leave one, and the draw for this number says so. */
static bool draws(const struct fault *fault, uint64_t number)
{
    const struct fault_config *config = fault->config;
    if (config->times && fault->struck >= config->times)
        return false;
    if (config->chance >= 1)
        return true;
    struct random random = random_for(fault->faults->server->seed, fault->key, number);
    return random_unit(&random) < config->chance;
}

bool fault_strikes_connection(struct fault *fault, const struct stream *stream)
{
    if (!applies(fault, stream))
        return skip(fault, SKIP_APPLY);
    if (!time_has_come(fault) || fault->requests < fault->config->after.requests)
        return skip(fault, SKIP_AFTER);
    return draws(fault, stream->number);
}

bool fault_strikes_request(struct fault *fault, const struct exchange *exchange)
{
    const struct stream *stream = exchange->stream;
    if (!applies(fault, stream))
        return skip(fault, SKIP_APPLY);
    if (!time_has_come(fault) || fault->requests <= fault->config->after.requests ||
        !bytes_have_moved(fault, stream))
        return skip(fault, SKIP_AFTER);
    return draws(fault, exchange->number);
}

/* Striking */

static void strike_journal(const struct port *port, const struct stream *stream,
                           const struct exchange *exchange, const struct fault_config *config)
{
    struct entry entry = journal_entry(ENTRY_FAULT, port->name_id);
    entry.connection = stream->number;
    entry.request = exchange ? exchange->number : 0;
    journal_append(port->server->journal, &entry, fault_config_name(config));
}

static struct fault_strike *strikes_add(struct stream *stream)
{
    struct fault_strikes *strikes = stream->struck;
    if (!strikes || strikes->count == strikes->capacity) {
        size_t capacity = strikes ? strikes->capacity * 2 : 4;
        struct fault_strikes *grown =
            memory_alloc(sizeof *grown + capacity * sizeof grown->items[0]);
        if (strikes)
            memcpy(grown, strikes, sizeof *strikes + strikes->count * sizeof strikes->items[0]);
        grown->capacity = capacity;
        memory_free(strikes);
        stream->struck = strikes = grown;
    }
    return &strikes->items[strikes->count++];
}

void fault_strike(struct fault *fault, struct stream *stream, const struct exchange *exchange)
{
    struct port *port = fault->faults->port;
    fault->struck++;
    if (!exchange) {
        struct fault_strike *strike = strikes_add(stream);
        *strike = (struct fault_strike){
            .fault = fault->id, .config = fault->config, .told = stream->entry != 0};
        if (!strike->told)
            return;
    }
    strike_journal(port, stream, exchange, fault->config);
}

static struct fault_strike *strikes_untold(struct fault_strikes *strikes)
{
    for (size_t i = 0; strikes && i < strikes->count; i++)
        if (!strikes->items[i].told && !strikes->items[i].armed)
            return &strikes->items[i];
    return NULL;
}

void faults_told(struct port *port, struct stream *stream)
{
    struct fault_strike *strike;
    /* from the start each time: an observer may have lifted one, or brought another */
    while ((strike = strikes_untold(stream->struck))) {
        strike->told = true;
        strike_journal(port, stream, NULL, strike->config);
    }
}

bool fault_struck(const struct fault *fault, const struct stream *stream)
{
    const struct fault_strikes *strikes = stream->struck;
    for (size_t i = 0; strikes && i < strikes->count; i++)
        if (strikes->items[i].fault == fault->id)
            return true;
    return false;
}

/* Faults that strike by themselves */

bool fault_is_of_route(const struct fault *fault)
{
    return fault->bound || fault->route.data;
}

void fault_arm(struct fault *fault, struct stream *stream, bool of_answer)
{
    fault->armed++;
    *strikes_add(stream) = (struct fault_strike){
        .fault = fault->id, .config = fault->config, .armed = true, .of_answer = of_answer};
}

static struct fault *fault_by_id(const struct faults *faults, uint64_t id)
{
    struct fault *fault = faults->first;
    while (fault && fault->id != id)
        fault = fault->next;
    return fault;
}

static struct fault_strike *strike_of(const struct stream *stream, uint64_t id)
{
    struct fault_strikes *strikes = stream->struck;
    for (size_t i = 0; strikes && i < strikes->count; i++)
        if (strikes->items[i].fault == id)
            return &strikes->items[i];
    return NULL;
}

bool fault_felt(struct stream *stream, uint64_t id)
{
    struct fault *fault = fault_by_id(stream->port->faults, id);
    struct fault_strike *strike = strike_of(stream, id);
    if (!fault || !strike)
        return false;
    if (!strike->armed)
        return true;
    if (fault->config->times && fault->struck >= fault->config->times)
        return false;
    strike->armed = false;
    strike->told = stream->entry != 0;
    fault->struck++;
    if (strike->told)
        strike_journal(fault->faults->port, stream, NULL, fault->config);
    return true;
}

void fault_draws(struct stream *stream, uint64_t id)
{
    struct fault *fault = fault_by_id(stream->port->faults, id);
    if (fault)
        fault->drew++;
}

void faults_next_answer(struct stream *stream)
{
    struct fault_strikes *strikes = stream->struck;
    for (size_t i = strikes ? strikes->count : 0; i > 0; i--) {
        struct fault_strike *strike = &strikes->items[i - 1];
        if (!strike->armed || !strike->of_answer)
            continue;
        flows_lift(stream, strike->fault);
        *strike = strikes->items[--strikes->count];
    }
}

static void strike_forget(const struct fault *fault, struct stream *stream)
{
    struct fault_strikes *strikes = stream->struck;
    for (size_t i = 0; strikes && i < strikes->count; i++) {
        if (strikes->items[i].fault != fault->id)
            continue;
        strikes->items[i] = strikes->items[--strikes->count];
        return;
    }
}

/* Connections */

bool fault_is_spoken(const struct fault *fault, const struct stream *stream)
{
    const struct fault_how *how = fault->kind->how;
    return how && (!how->speaks || how->speaks(stream));
}

/** Whether a fault can begin or end on a connection. */
static bool fault_reaches(const struct fault *fault, const struct stream *stream)
{
    return !stream->closing && !stream->closed && fault_is_spoken(fault, stream);
}

/** Whether a fault of the same kind still holds a connection. */
static bool is_held(const struct fault *fault, const struct stream *stream)
{
    for (const struct fault *other = fault->faults->first; other; other = other->next)
        if (other->kind->how == fault->kind->how && fault_struck(other, stream))
            return true;
    return false;
}

/** Has those that still hold a connection say again what the one that was lifted unsaid. */
static void say_again(const struct faults *faults, struct stream *stream)
{
    for (const struct fault *other = faults->first; other; other = other->next) {
        const struct fault_how *how = other->kind->how;
        if (how && how->again && fault_struck(other, stream) && fault_reaches(other, stream))
            how->live(stream, other->config);
    }
}

/** Lifts it from a connection that it struck. */
static void lift_from(const struct fault *fault, struct stream *stream, bool to_the_end)
{
    const struct fault_how *how = fault->kind->how;
    strike_forget(fault, stream);
    if (to_the_end && !stream->closed)
        flows_lift(stream, fault->id);
    if (!how->lift || !fault_reaches(fault, stream))
        return;
    stream_enter(stream);
    if (!how->joint || !is_held(fault, stream))
        how->lift(stream, fault->config);
    if (how->again)
        say_again(fault->faults, stream);
    stream_leave(stream);
}

void fault_lift(struct fault *fault)
{
    struct faults *faults = fault->faults;
    const struct fault_how *how = fault->kind->how;
    /* an end that an obstacle keeps goes on, too */
    bool to_the_end = how && how->obstacle;
    timer_stop(&fault->begin);
    if (!how || fault->kind->each_request || faults->server->closing)
        return;
    faults->busy++;
    /* streams stay in the list, and their memory stays, until a later turn */
    for (struct stream *stream = faults->port->oldest; stream; stream = stream->next)
        if (fault_struck(fault, stream))
            lift_from(fault, stream, to_the_end);
    faults->busy--;
}

/** Begins it on one connection that lives. */
static void live_begin(struct fault *fault, struct stream *stream)
{
    if (!fault_reaches(fault, stream) || fault_struck(fault, stream) ||
        !fault_strikes_connection(fault, stream))
        return;
    stream_enter(stream);
    if (fault->kind->how->obstacle) {
        fault_arm(fault, stream, false);
        flows_obstruct(stream, fault, true);
        stream_leave(stream);
        return;
    }
    fault_strike(fault, stream, NULL);
    /* the entry's observers may have lifted it, or ended the connection */
    if (fault_struck(fault, stream) && fault_reaches(fault, stream))
        fault->kind->how->live(stream, fault->config);
    stream_leave(stream);
}

/** Whether it acts on connections that live. */
static bool how_is_live(const struct fault_kind *kind)
{
    return kind->how && (kind->how->live || (kind->how->obstacle && kind->layer == FAULT_STREAM));
}

void fault_begin_live(struct fault *fault)
{
    struct faults *faults = fault->faults;
    const struct fault_after *after = &fault->config->after;
    if (!how_is_live(fault->kind) || fault->kind->each_request || fault->begun || !fault->stands ||
        fault_is_of_route(fault))
        return;
    if (!time_has_come(fault)) {
        timer_start_at(&fault->begin, fault->set_ns + after->time_ns);
        return;
    }
    if (fault->requests < after->requests)
        return;
    fault->begun = true;
    faults->busy++;
    for (struct stream *stream = faults->port->oldest; stream && fault->stands;
         stream = stream->next)
        live_begin(fault, stream);
    faults->busy--;
}

void faults_begin(struct stream *stream)
{
    struct faults *faults = stream->port->faults;
    faults->busy++;
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        const struct fault_how *how = fault->kind->how;
        if (!how || !how->obstacle || fault_is_of_route(fault) ||
            (how->meets && !how->meets(stream, fault->config)) ||
            !fault_strikes_connection(fault, stream))
            continue;
        fault_arm(fault, stream, false);
        flows_obstruct(stream, fault, false);
    }
    faults->busy--;
}

void faults_h2_begin(struct stream *stream, struct h2_begin *begin)
{
    struct faults *faults = stream->port->faults;
    faults->busy++;
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        const struct fault_how *how = fault->kind->how;
        if (!how || !how->begin_h2 || fault->kind->each_request || fault->bound ||
            fault->route.data || !fault_strikes_connection(fault, stream))
            continue;
        fault_strike(fault, stream, NULL);
        how->begin_h2(stream, fault->config, begin);
    }
    faults->busy--;
}
