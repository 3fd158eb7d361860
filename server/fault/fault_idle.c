/* The faults that struck nothing while they stood, and why (LANGUAGE 1). */
#include "server/fault/fault_private.h"

/** Whether it had to strike and did not. */
static bool fault_is_idle(const struct fault *fault)
{
    const struct fault_config *config = fault->config;
    return config->chance >= 1 && !config->optional && !fault->kind->may_idle && !fault->struck &&
           !fault->drew;
}

/** The connections that came while it stood. */
static uint64_t connections_of(const struct fault *fault)
{
    const struct port *port = fault->faults->port;
    return fault->connections + (fault->stands ? port->accepted - fault->set_connection : 0);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/** What `after` waited for. */
static struct str after_text(const struct fault *fault, struct arena *arena)
{
    const struct fault_after *after = &fault->config->after;
    if (after->requests && fault->requests <= after->requests)
        return arena_printf(arena, "'after' was not reached: %llu request%s of the %llu came",
                            (unsigned long long)fault->requests, plural(fault->requests),
                            (unsigned long long)after->requests);
    if (after->bytes)
        return STR("'after' was not reached: no connection moved so many bytes");
    return STR("'after' was not reached: what came, came too early");
}

/** What came while it stood was not what it strikes. */
static struct str missed_text(const struct fault *fault, struct arena *arena)
{
    const char *layer = fault_layer_title(fault->kind->layer);
    uint64_t connections = connections_of(fault);
    bool by_request = fault->kind->each_request || fault->bound;
    if (by_request && !(fault->armed && fault->requests)) {
        if (!fault->requests)
            return fault->bound ? STR("no request got that far") : STR("no request came");
        return arena_printf(arena, "%llu request%s came, none over %s",
                            (unsigned long long)fault->requests, plural(fault->requests), layer);
    }
    if (fault->armed)
        return arena_printf(arena,
                            "it stood on %llu connection%s, on which nothing came that it strikes",
                            (unsigned long long)fault->armed, plural(fault->armed));
    if (!connections)
        return fault_kind_is_live(fault->kind) ? STR("no connection lived or came while it stood")
                                               : STR("no connection came while it stood");
    if (fault->kind->how && fault->kind->how->meets)
        return arena_printf(arena, "%llu connection%s came while it stood, none too many",
                            (unsigned long long)connections, plural(connections));
    return arena_printf(arena, "%llu connection%s came while it stood, none with %s",
                        (unsigned long long)connections, plural(connections), layer);
}

static struct str why_text(const struct fault *fault, struct arena *arena)
{
    static const char *const applies[] = {
        [FAULT_APPLY_BOTH] = "'apply' left nothing to it",
        [FAULT_APPLY_EXISTING] = "it is for connections that lived when it was set",
        [FAULT_APPLY_NEW] = "it is for connections that came after it was set",
    };
    const uint64_t *skipped = fault->skipped;
    if (skipped[SKIP_BROKEN])
        return STR("it could not be put over the port's TLS");
    if (skipped[SKIP_COVERED])
        return STR("another fault of the same connection left nothing of it to be seen");
    if (skipped[SKIP_TAKEN])
        return STR("another fault took over what it would have struck");
    if (skipped[SKIP_BY_HAND])
        return STR("the answer is `raw`: it goes out as it is written, without a head or framing "
                   "that could be wrong");
    if (skipped[SKIP_AFTER])
        return after_text(fault, arena);
    if (skipped[SKIP_APPLY])
        return str_of(applies[fault->config->apply]);
    if (skipped[SKIP_UNFIT])
        return arena_printf(arena, "%llu request%s came, %s", (unsigned long long)fault->requests,
                            plural(fault->requests), fault->kind->how->unfit);
    return missed_text(fault, arena);
}

/** Who is told of idle faults. */
struct finding {
    struct arena *arena;
    void (*found)(void *context, const struct fault_idle *idle);
    void *context;
};

static void finding_tell(const struct finding *finding, const struct fault *fault)
{
    const struct fault_idle idle = {
        .name = fault_config_name(fault->config),
        .on = fault->route.data ? fault->route : fault->faults->port->name,
        .place = fault->config->kind.place,
        .why = why_text(fault, finding->arena),
    };
    finding->found(finding->context, &idle);
}

/** Goes along all that stand, then along those that stood. */
static const struct fault *fault_following(const struct faults *faults, const struct fault *fault)
{
    if (fault && !fault->stands)
        return fault->gone;
    const struct fault *next = fault ? fault->next : faults->first;
    return next ? next : faults->gone;
}

/** Whether the same fault of the spec struck when it was set at another time, or was told. */
static bool fault_is_settled(const struct faults *faults, const struct fault *fault)
{
    bool before = true;
    for (const struct fault *other = fault_following(faults, NULL); other;
         other = fault_following(faults, other)) {
        before = before && other != fault;
        if (other != fault && fault_is(other, fault) && (other->struck || other->drew || before))
            return true;
    }
    return false;
}

void faults_idle(const struct faults *faults, struct arena *arena,
                 void (*found)(void *context, const struct fault_idle *idle), void *context)
{
    const struct finding finding = {arena, found, context};
    for (const struct fault *fault = fault_following(faults, NULL); fault;
         fault = fault_following(faults, fault))
        if (fault_is_idle(fault) && !fault_is_settled(faults, fault))
            finding_tell(&finding, fault);
}
