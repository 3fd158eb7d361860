/* Whether a fault strikes a connection or a request, and what becomes of those that it struck. */
#include "server/fault/fault_private.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

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

/** Whether a connection moved the bytes of `after`. */
static bool bytes_have_moved(const struct fault *fault, const struct stream *stream)
{
    uint64_t moved = stream->received + stream->sent;
    const struct fault_baseline *baseline = NULL;
    if (!fault->config->after.bytes)
        return true;
    if (fault->baseline_count)
        baseline = bsearch(&stream->number, fault->baselines, fault->baseline_count,
                           sizeof *fault->baselines, baseline_compare);
    return moved - (baseline ? baseline->bytes : 0) >= fault->config->after.bytes;
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
        *strike = (struct fault_strike){fault->id, fault->config, stream->entry != 0};
        if (!strike->told)
            return;
    }
    strike_journal(port, stream, exchange, fault->config);
}

static struct fault_strike *strikes_untold(struct fault_strikes *strikes)
{
    for (size_t i = 0; strikes && i < strikes->count; i++)
        if (!strikes->items[i].told)
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

/* Connections of HTTP/2 */

static bool stream_is_live(const struct stream *stream)
{
    return !stream->closing && !stream->closed && h2_is(stream);
}

static const struct fault_http2 *http2_of(const struct fault *fault)
{
    return fault->kind->layer == FAULT_HTTP2 ? fault->kind->how : NULL;
}

/** Whether a fault of the same kind still holds a connection. */
static bool is_held(const struct fault *fault, const struct stream *stream)
{
    for (const struct fault *other = fault->faults->first; other; other = other->next)
        if (http2_of(other) == http2_of(fault) && fault_struck(other, stream))
            return true;
    return false;
}

/** Has those that still hold a connection say again what the one that was lifted unsaid. */
static void say_again(const struct faults *faults, struct stream *stream)
{
    for (const struct fault *other = faults->first; other && stream_is_live(stream);
         other = other->next)
        if (http2_of(other) && http2_of(other)->again && fault_struck(other, stream))
            http2_of(other)->live(stream, other->config);
}

/** Lifts it from a connection that it struck. */
static void lift_from(const struct fault *fault, struct stream *stream)
{
    const struct fault_http2 *http2 = http2_of(fault);
    strike_forget(fault, stream);
    if (!http2->lift || !stream_is_live(stream))
        return;
    stream_enter(stream);
    if (!http2->joint || !is_held(fault, stream))
        http2->lift(stream, fault->config);
    if (http2->again)
        say_again(fault->faults, stream);
    stream_leave(stream);
}

void fault_lift(struct fault *fault)
{
    struct faults *faults = fault->faults;
    const struct fault_http2 *http2 = http2_of(fault);
    timer_stop(&fault->begin);
    if (!http2 || fault->kind->each_request || faults->server->closing)
        return;
    faults->busy++;
    /* streams stay in the list, and their memory stays, until a later turn */
    for (struct stream *stream = faults->port->oldest; stream; stream = stream->next)
        if (fault_struck(fault, stream))
            lift_from(fault, stream);
    faults->busy--;
}

/** Begins it on one connection that lives. */
static void live_begin(struct fault *fault, struct stream *stream)
{
    if (!stream_is_live(stream) || fault_struck(fault, stream) ||
        !fault_strikes_connection(fault, stream))
        return;
    stream_enter(stream);
    fault_strike(fault, stream, NULL);
    /* the entry's observers may have lifted it, or ended the connection */
    if (fault_struck(fault, stream) && stream_is_live(stream))
        http2_of(fault)->live(stream, fault->config);
    stream_leave(stream);
}

void fault_begin_live(struct fault *fault)
{
    struct faults *faults = fault->faults;
    const struct fault_http2 *http2 = http2_of(fault);
    const struct fault_after *after = &fault->config->after;
    if (!http2 || !http2->live || fault->kind->each_request || fault->begun || !fault->stands ||
        fault->bound || fault->route.data)
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

void faults_h2_begin(struct stream *stream, struct h2_begin *begin)
{
    struct faults *faults = stream->port->faults;
    faults->busy++;
    for (struct fault *fault = faults->first; fault; fault = fault->next) {
        const struct fault_http2 *http2 = http2_of(fault);
        if (!http2 || !http2->begin || fault->kind->each_request || fault->bound ||
            fault->route.data || !fault_strikes_connection(fault, stream))
            continue;
        fault_strike(fault, stream, NULL);
        http2->begin(stream, fault->config, begin);
    }
    faults->busy--;
}
