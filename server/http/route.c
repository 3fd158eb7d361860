#include "server/http/route.h"

#include <string.h>

const struct respond *sequence_peek(const struct sequence *sequence)
{
    if (!sequence->blocks || sequence->blocks->count == 0)
        return NULL;
    struct respond *const *blocks = sequence->blocks->items;
    return blocks[sequence->next];
}

const struct respond *sequence_take(struct sequence *sequence, bool cycle)
{
    const struct respond *taken = sequence_peek(sequence);
    size_t at = sequence->next;
    if (!taken)
        return NULL;
    if (sequence->served < at + 1)
        sequence->served = at + 1;
    if (at + 1 < sequence->blocks->count)
        sequence->next = at + 1;
    else if (cycle)
        sequence->next = 0;
    return taken;
}

bool sequence_is_unfinished(const struct sequence *sequence)
{
    return sequence->blocks && sequence->blocks->count > 1 &&
           sequence->served < sequence->blocks->count;
}

/* The hash of fixed paths. */

static uint64_t hash_path(struct str path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < path.size; i++)
        hash = (hash ^ (unsigned char)path.data[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 32);
}

/** A percent sign may stand for another byte: such paths are compared in full. */
static bool path_is_plain(struct str path)
{
    return path.size > 0 && !memchr(path.data, '%', path.size);
}

static void routes_index(struct routes *routes, struct arena *arena)
{
    size_t buckets = 8;
    while (buckets < routes->count * 2)
        buckets *= 2;
    routes->buckets = arena_alloc_array(arena, buckets, sizeof *routes->buckets);
    routes->mask = buckets - 1;
    routes->chain = arena_alloc_array(arena, routes->count + 1, sizeof *routes->chain);
    routes->searched = arena_alloc_array(arena, routes->count + 1, sizeof *routes->searched);
    /* Backwards, so that the first of a chain is the first of the routes. */
    for (size_t at = routes->count; at-- > 0;) {
        struct str method;
        struct str path;
        if (!match_is_static(routes->items[at].config->match, &method, &path) ||
            !path_is_plain(path))
            continue;
        size_t *bucket = &routes->buckets[hash_path(path) & routes->mask];
        routes->chain[at] = *bucket;
        *bucket = at + 1;
    }
    for (size_t at = 0; at < routes->count; at++) {
        struct str method;
        struct str path;
        if (!match_is_static(routes->items[at].config->match, &method, &path) ||
            !path_is_plain(path))
            routes->searched[routes->searched_count++] = at;
    }
}

void routes_init(struct routes *routes, const struct upstream_config *config, struct str upstream,
                 struct journal *journal, struct arena *arena)
{
    const struct route_config *configs = config->routes.items;
    *routes = (struct routes){.count = config->routes.count};
    routes->items = arena_alloc_array(arena, routes->count + 1, sizeof *routes->items);
    for (size_t i = 0; i < routes->count; i++) {
        struct route *route = &routes->items[i];
        route->config = &configs[i];
        route->sequence.blocks = &configs[i].respond;
        if (configs[i].name.size)
            route->name = arena_printf(arena, STR_FMT "." STR_FMT, STR_ARG(upstream),
                                       STR_ARG(configs[i].name));
        else
            route->name = arena_printf(arena, STR_FMT " " STR_FMT, STR_ARG(upstream),
                                       STR_ARG(match_describe(configs[i].match, arena)));
        route->delay_key = arena_printf(arena, "delay " STR_FMT, STR_ARG(route->name));
        route->name_id = journal_intern(journal, route->name);
    }
    routes_index(routes, arena);
}

/* Finding. */

static bool route_is_used_up(const struct route *route)
{
    return route->config->times && route->requests - route->broken_off >= route->config->times;
}

/** The first route of the hash that is for the request; its position plus 1, or 0. */
static size_t routes_lookup(const struct routes *routes, const struct request *request)
{
    size_t at = routes->buckets[hash_path(request->path) & routes->mask];
    for (; at; at = routes->chain[at - 1]) {
        const struct route *route = &routes->items[at - 1];
        struct str method;
        struct str path;
        if (match_is_static(route->config->match, &method, &path) &&
            str_equal(path, request->path) &&
            (!method.data || str_equal(method, request->method)) && !route_is_used_up(route))
            return at;
    }
    return 0;
}

static bool route_takes(const struct route *route, struct exchange *exchange, uint64_t seed,
                        struct headers *captures)
{
    if (route_is_used_up(route) || !match_quick(route->config->match, &exchange->request))
        return false;
    struct match_context context = {
        .seed = seed, .key = route->name, .number = exchange->number, .tls = exchange->stream->tls};
    *captures = (struct headers){0};
    return match_test(route->config->match, &exchange->request, &context, exchange_arena(exchange),
                      captures, NULL);
}

struct route *routes_find(struct routes *routes, struct exchange *exchange, uint64_t seed,
                          struct headers *captures)
{
    bool plain = path_is_plain(exchange->request.path);
    size_t fixed = plain ? routes_lookup(routes, &exchange->request) : 0;
    size_t end = fixed ? fixed - 1 : routes->count;
    if (plain) {
        for (size_t i = 0; i < routes->searched_count && routes->searched[i] < end; i++)
            if (route_takes(&routes->items[routes->searched[i]], exchange, seed, captures))
                return &routes->items[routes->searched[i]];
    } else {
        for (size_t i = 0; i < routes->count; i++)
            if (route_takes(&routes->items[i], exchange, seed, captures))
                return &routes->items[i];
    }
    *captures = (struct headers){0};
    return fixed ? &routes->items[fixed - 1] : NULL;
}

bool routes_find_by_head(struct routes *routes, struct exchange *exchange, uint64_t seed,
                         struct headers *captures, struct route **route)
{
    *route = NULL;
    for (size_t i = 0; i < routes->count; i++) {
        struct route *tried = &routes->items[i];
        const struct match *match = tried->config->match;
        if (match_needs_whole(match)) {
            if (!route_is_used_up(tried) && match_quick(match, &exchange->request))
                return false;
        } else if (route_takes(tried, exchange, seed, captures)) {
            *route = tried;
            return true;
        }
    }
    *captures = (struct headers){0};
    return true;
}

/** How far the request is from what the route is for, as a reader sees it: of equally near routes
 * the least wins. */
static size_t route_distance(struct str route, const struct request *request, struct arena *arena)
{
    enum { LONGEST = 200 };
    struct str asked = request->path;
    if (!str_starts(route, STR("/")))
        asked = arena_printf(arena, STR_FMT " " STR_FMT, STR_ARG(request->method),
                             STR_ARG(request->path));
    if (asked.size > LONGEST || route.size > LONGEST)
        return LONGEST;
    return str_distance(asked, route, LONGEST);
}

struct route_miss routes_nearest(const struct routes *routes, struct exchange *exchange,
                                 uint64_t seed)
{
    struct arena *arena = exchange_arena(exchange);
    struct route_miss nearest = {0};
    unsigned passed = 0;
    size_t distance = 0;
    for (size_t i = 0; i < routes->count; i++) {
        const struct route *route = &routes->items[i];
        struct match_context context = {.seed = seed,
                                        .key = route->name,
                                        .number = exchange->number,
                                        .tls = exchange->stream->tls};
        struct match_miss miss = {0};
        struct str title = match_describe(route->config->match, arena);
        if (match_test(route->config->match, &exchange->request, &context, arena, NULL, &miss)) {
            /* Only a route that is used up can match here. */
            unsigned long long times = route->config->times;
            return (struct route_miss){
                title, arena_printf(arena, "it took its %llu request%s already (times)", times,
                                    times == 1 ? "" : "s")};
        }
        if (i > 0 && miss.passed < passed)
            continue;
        size_t away = route_distance(title, &exchange->request, arena);
        if (i > 0 && miss.passed == passed && away >= distance)
            continue;
        passed = miss.passed;
        distance = away;
        nearest = (struct route_miss){title, miss.text};
    }
    return nearest;
}

bool routes_name_rpc(const struct routes *routes, struct str rpc)
{
    for (size_t i = 0; i < routes->count; i++) {
        struct place place;
        struct str named = match_rpc(routes->items[i].config->match, &place);
        if (named.data && str_equal(named, rpc))
            return true;
    }
    return false;
}
