/* What actions put over the routes of an upstream, and take back. */
#include "server/http/upstream_private.h"

#include "base/memory.h"
#include "server/fault/fault.h"
#include "server/port/port.h"

static void override_free(struct override *override)
{
    memory_free(override->sequences);
    memory_free(override);
}

void overrides_free(struct override *first)
{
    while (first) {
        struct override *older = first->older;
        override_free(first);
        first = older;
    }
}

/** The position of a route by its written name. */
static ptrdiff_t route_position(const struct upstream *upstream, struct str name)
{
    if (!name.data)
        return ROUTE_ALL;
    const struct routes *routes = &upstream->set->routes;
    for (size_t i = 0; i < routes->count && name.size; i++)
        if (str_equal(routes->items[i].config->name, name))
            return (ptrdiff_t)i;
    return ROUTE_UNKNOWN;
}

struct str upstream_route_name(const struct upstream *upstream, struct str route)
{
    ptrdiff_t position = route_position(upstream, route);
    return position < 0 ? (struct str){0} : upstream->set->routes.items[position].name;
}

bool upstream_has_route(const struct upstream *upstream, struct str name)
{
    return route_position(upstream, name) >= 0;
}

static struct override *override_push(struct upstream *upstream, enum override_kind kind,
                                      struct str route)
{
    struct override *override = memory_alloc(sizeof *override);
    override->older = upstream->overrides;
    override->id = ++upstream->last_id;
    override->kind = kind;
    override->set = upstream->set;
    override->fallback = upstream->fallback;
    override->route = route_position(upstream, route);
    upstream->overrides = override;
    return override;
}

uint64_t upstream_push_respond(struct upstream *upstream, struct str route,
                               const struct list *respond)
{
    struct override *override = override_push(upstream, OVERRIDE_RESPOND, route);
    struct str name =
        override->route >= 0 ? upstream->set->routes.items[override->route].name : (struct str){0};
    upstream_bind_answers(upstream, name, respond);
    override->respond = respond;
    size_t count = upstream->set->routes.count + 1;
    override->sequences = memory_alloc_array(count, sizeof *override->sequences);
    for (size_t i = 0; i < count; i++)
        override->sequences[i].blocks = respond;
    return override->id;
}

uint64_t upstream_push_status(struct upstream *upstream, struct str route, unsigned status,
                              uint64_t times)
{
    struct override *override = override_push(upstream, OVERRIDE_STATUS, route);
    override->status = status;
    override->times = times;
    return override->id;
}

uint64_t upstream_push_grpc_status(struct upstream *upstream, struct str route,
                                   const struct respond *respond, uint64_t times)
{
    struct override *override = override_push(upstream, OVERRIDE_STATUS, route);
    override->grpc = respond;
    override->times = times;
    return override->id;
}

uint64_t upstream_push_delay(struct upstream *upstream, struct str route,
                             const struct duration *delay, uint64_t times)
{
    struct override *override = override_push(upstream, OVERRIDE_DELAY, route);
    override->delay = *delay;
    override->times = times;
    return override->id;
}

const struct sequence *override_sequence(const struct override *override)
{
    const struct sequence *farthest = &override->sequences[0];
    for (size_t i = 1; i <= override->set->routes.count; i++)
        if (override->sequences[i].served > farthest->served)
            farthest = &override->sequences[i];
    return farthest;
}

/** Keeps an unfinished answer that is taken back, once for each list: an event may put it there
 * again and again. */
static bool override_keep(struct upstream *upstream, struct override *override)
{
    if (override->kind != OVERRIDE_RESPOND || !sequence_is_unfinished(override_sequence(override)))
        return false;
    for (const struct override *o = upstream->taken_back; o; o = o->older)
        if (o->sequences[0].blocks == override->sequences[0].blocks)
            return false;
    override->older = upstream->taken_back;
    upstream->taken_back = override;
    return true;
}

/** Takes out the override that `*link` points to. */
static void override_remove(struct upstream *upstream, struct override **link)
{
    struct override *override = *link;
    struct respond *const *blocks = override->respond ? override->respond->items : NULL;
    *link = override->older;
    for (size_t i = 0; blocks && i < override->respond->count; i++)
        faults_unbind(upstream->faults, respond_faults(blocks[i]));
    if (!override_keep(upstream, override))
        override_free(override);
}

void upstream_undo(struct upstream *upstream, uint64_t id)
{
    if (upstream_undo_change(upstream, id))
        return;
    for (struct override **link = &upstream->overrides; *link; link = &(*link)->older) {
        if ((*link)->id != id)
            continue;
        override_remove(upstream, link);
        return;
    }
}

static void upstream_lift(struct upstream *upstream, enum override_kind kind, struct str route)
{
    ptrdiff_t position = route_position(upstream, route);
    struct override **link = &upstream->overrides;
    while (*link) {
        bool stands = position == ROUTE_ALL || (*link)->set == upstream->set;
        if ((*link)->kind == kind && (*link)->route == position && stands)
            override_remove(upstream, link);
        else
            link = &(*link)->older;
    }
}

void upstream_lift_status(struct upstream *upstream, struct str route)
{
    upstream_lift(upstream, OVERRIDE_STATUS, route);
}

void upstream_lift_delay(struct upstream *upstream, struct str route)
{
    upstream_lift(upstream, OVERRIDE_DELAY, route);
}

size_t upstream_position(const struct upstream *upstream, const struct route *route)
{
    const struct routes *routes = &upstream->set->routes;
    return route == &upstream->fallback->route ? routes->count : (size_t)(route - routes->items);
}

/** Whether it is one of the routes that stand now, or the default: a request that streams may have
 * an older one. */
static bool route_stands(const struct upstream *upstream, const struct route *route)
{
    const struct routes *routes = &upstream->set->routes;
    if (route == &upstream->fallback->route)
        return true;
    for (size_t i = 0; i < routes->count; i++)
        if (route == &routes->items[i])
            return true;
    return false;
}

/** Whether an override is for a route; a `switch` may have put others in the place of its own. */
static bool override_is_for(const struct upstream *upstream, const struct override *override,
                            const struct route *route)
{
    bool is_default = route == &upstream->fallback->route;
    bool stands =
        (is_default ? override->fallback == upstream->fallback : override->set == upstream->set) &&
        route_stands(upstream, route);
    if (override->route == ROUTE_ALL)
        return stands || override->kind != OVERRIDE_RESPOND;
    return stands && override->route == (ptrdiff_t)upstream_position(upstream, route);
}

struct override **upstream_override(struct upstream *upstream, const struct route *route,
                                    enum override_kind kind)
{
    for (struct override **link = &upstream->overrides; *link; link = &(*link)->older)
        if ((*link)->kind == kind && override_is_for(upstream, *link, route))
            return link;
    return NULL;
}

void override_count_down(struct upstream *upstream, struct override **link)
{
    struct override *override = *link;
    if (override->times && --override->times == 0)
        override_remove(upstream, link);
}
