#include "server/http/upstream.h"

#include "base/memory.h"
#include "server/http/route.h"

enum override_kind { OVERRIDE_RESPOND, OVERRIDE_STATUS, OVERRIDE_DELAY };

/** Routes that an override is for, beside the position of one. */
enum { ROUTE_ALL = -1, ROUTE_UNKNOWN = -2 };

/** What an action put over the routes. */
struct override {
    struct override *older;
    uint64_t id;
    enum override_kind kind;
    ptrdiff_t route;
    struct sequence *sequences; /**< one for each route, and one for the default */
    unsigned status;
    struct duration delay;
    uint64_t times; /**< that are left; 0 = no end */
};

struct upstream {
    struct port *port;
    const struct upstream_config *config;
    struct arena *arena;
    struct routes routes;
    struct route fallback;      /**< the default */
    struct override *overrides; /**< newest first */
    struct override
        *taken_back; /**< answers that were taken back before their last one was served */
    uint64_t last_id;
    struct str delay_key;
};

struct upstream *upstream_new(struct port *port, const struct upstream_config *config)
{
    struct upstream *upstream = memory_alloc(sizeof *upstream);
    upstream->port = port;
    upstream->config = config;
    upstream->arena = arena_new();
    upstream->delay_key = arena_printf(upstream->arena, "delay " STR_FMT, STR_ARG(port->name));
    routes_init(&upstream->routes, config, port->name, port->server->journal, upstream->arena);
    upstream->fallback.name =
        arena_printf(upstream->arena, STR_FMT " default", STR_ARG(port->name));
    upstream->fallback.delay_key =
        arena_printf(upstream->arena, "delay " STR_FMT, STR_ARG(upstream->fallback.name));
    upstream->fallback.sequence.blocks = &config->fallback.respond;
    port->owner = upstream;
    port->protocol = &h1_protocol;
    port->scheme = "http";
    port->max_connections = config->limits.max_connections;
    return upstream;
}

static void override_free(struct override *override)
{
    memory_free(override->sequences);
    memory_free(override);
}

static void overrides_free(struct override *first)
{
    while (first) {
        struct override *older = first->older;
        override_free(first);
        first = older;
    }
}

void upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return;
    overrides_free(upstream->overrides);
    overrides_free(upstream->taken_back);
    arena_free(upstream->arena);
    memory_free(upstream);
}

struct server *upstream_server(const struct upstream *upstream)
{
    return upstream->port->server;
}

const struct limits *upstream_limits(const struct upstream *upstream)
{
    return &upstream->config->limits;
}

struct port *upstream_port(const struct upstream *upstream)
{
    return upstream->port;
}

/* Overrides. */

/** The position of a route by its written name. */
static ptrdiff_t route_position(const struct upstream *upstream, struct str name)
{
    if (!name.data)
        return ROUTE_ALL;
    for (size_t i = 0; i < upstream->routes.count && name.size; i++)
        if (str_equal(upstream->routes.items[i].config->name, name))
            return (ptrdiff_t)i;
    return ROUTE_UNKNOWN;
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
    override->route = route_position(upstream, route);
    upstream->overrides = override;
    return override;
}

uint64_t upstream_push_respond(struct upstream *upstream, struct str route,
                               const struct list *respond)
{
    struct override *override = override_push(upstream, OVERRIDE_RESPOND, route);
    size_t count = upstream->routes.count + 1;
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

uint64_t upstream_push_delay(struct upstream *upstream, struct str route,
                             const struct duration *delay, uint64_t times)
{
    struct override *override = override_push(upstream, OVERRIDE_DELAY, route);
    override->delay = *delay;
    override->times = times;
    return override->id;
}

/** The sequence of the override that came farthest. */
static const struct sequence *override_sequence(const struct upstream *upstream,
                                                const struct override *override)
{
    const struct sequence *farthest = &override->sequences[0];
    for (size_t i = 1; i <= upstream->routes.count; i++)
        if (override->sequences[i].served > farthest->served)
            farthest = &override->sequences[i];
    return farthest;
}

/** Keeps an unfinished answer that is taken back, once for each list: an event may put it there
 * again and again. */
static bool override_keep(struct upstream *upstream, struct override *override)
{
    if (override->kind != OVERRIDE_RESPOND ||
        !sequence_is_unfinished(override_sequence(upstream, override)))
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
    *link = override->older;
    if (!override_keep(upstream, override))
        override_free(override);
}

void upstream_undo(struct upstream *upstream, uint64_t id)
{
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
        if ((*link)->kind == kind && (*link)->route == position)
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

/** Where the sequence of a route stands in an override; behind all of them that of the default. */
static size_t upstream_position(const struct upstream *upstream, const struct route *route)
{
    return route == &upstream->fallback ? upstream->routes.count
                                        : (size_t)(route - upstream->routes.items);
}

/** The newest override of a kind that is for the route, or NULL. */
static struct override **upstream_override(struct upstream *upstream, const struct route *route,
                                           enum override_kind kind)
{
    ptrdiff_t position = (ptrdiff_t)upstream_position(upstream, route);
    for (struct override **link = &upstream->overrides; *link; link = &(*link)->older)
        if ((*link)->kind == kind && ((*link)->route == ROUTE_ALL || (*link)->route == position))
            return link;
    return NULL;
}

/** One of `times` is used; the last takes the override back. */
static void override_count_down(struct upstream *upstream, struct override **link)
{
    struct override *override = *link;
    if (override->times && --override->times == 0)
        override_remove(upstream, link);
}

/* Answering. */

/** What is known of a request on its way to an answer. */
struct answering {
    struct upstream *upstream;
    struct exchange *exchange;
    struct route *route;
    struct headers *captures;
    struct respond_job job;
};

static int64_t draw_delay(const struct answering *answering, const struct duration *delay,
                          struct str key, const char *what, uint64_t number)
{
    if (delay->kind == DURATION_FIXED)
        return delay->low_ns;
    if (what)
        key = arena_printf(exchange_arena(answering->exchange), STR_FMT " %s", STR_ARG(key), what);
    struct random random = random_for(upstream_server(answering->upstream)->seed, key, number);
    return random_duration(&random, delay);
}

static int64_t add_delays(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t answering_delay(const struct answering *answering)
{
    struct upstream *upstream = answering->upstream;
    const struct route *route = answering->route;
    uint64_t number = route->requests;
    struct override **forced = upstream_override(upstream, route, OVERRIDE_DELAY);
    if (forced) {
        int64_t delay_ns =
            draw_delay(answering, &(*forced)->delay, route->delay_key, "forced", number);
        override_count_down(upstream, forced);
        return delay_ns;
    }
    const struct respond *respond = answering->job.respond;
    const struct duration *block = respond ? respond_delay(respond) : NULL;
    int64_t delay_ns = draw_delay(answering, &upstream->config->delay, upstream->delay_key, NULL,
                                  answering->exchange->number);
    if (route->config)
        delay_ns = add_delays(
            delay_ns, draw_delay(answering, &route->config->delay, route->delay_key, NULL, number));
    if (block)
        delay_ns =
            add_delays(delay_ns, draw_delay(answering, block, route->delay_key, "respond", number));
    return delay_ns;
}

/** The body of not-found. */
static struct str not_found_json(struct exchange *exchange, const struct route_miss *miss)
{
    struct arena *arena = exchange_arena(exchange);
    const struct request *request = &exchange->request;
    struct json *object = json_object(arena);
    struct buf text;
    buf_init(&text, BUF_OWN);
    buf_append_string(&text, "no route matches ");
    buf_append(&text, request->method);
    buf_append_byte(&text, ' ');
    buf_append(&text, request->path);
    json_put(arena, object, STR("error"), json_string(arena, arena_copy(arena, buf_str(&text))));
    if (miss->route.size) {
        json_put(arena, object, STR("nearest"), json_string(arena, miss->route));
        json_put(arena, object, STR("because"), json_string(arena, miss->because));
    }
    buf_reset(&text);
    json_write(object, &text);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void journal_miss(struct answering *answering, const struct route_miss *miss)
{
    struct exchange *exchange = answering->exchange;
    struct port *port = answering->upstream->port;
    struct entry entry = journal_entry(ENTRY_MISS, port->name_id);
    entry.connection = exchange->stream->number;
    entry.request = exchange->number;
    struct str text = arena_printf(exchange_arena(exchange), "nearest is " STR_FMT ": " STR_FMT,
                                   STR_ARG(miss->route), STR_ARG(miss->because));
    journal_append(port->server->journal, &entry, text);
}

/** No route took the request: what the default answers. */
static void answering_default(struct answering *answering, bool forced)
{
    struct upstream *upstream = answering->upstream;
    enum default_kind kind = upstream->config->fallback.kind;
    if (kind == DEFAULT_NONE)
        kind = upstream->routes.count ? DEFAULT_NOT_FOUND : DEFAULT_ECHO;
    struct route_miss miss = {0};
    if (kind == DEFAULT_NOT_FOUND) {
        miss = routes_nearest(&upstream->routes, answering->exchange, upstream->port->server->seed);
        if (upstream->routes.count)
            journal_miss(answering, &miss);
    }
    if (forced || answering->job.respond)
        return;
    if (kind == DEFAULT_ECHO)
        answering->job.respond = respond_echo;
    if (kind == DEFAULT_RESPOND)
        answering->job.respond = sequence_take(&answering->route->sequence, false);
    if (kind == DEFAULT_NOT_FOUND) {
        answering->job.status = 404;
        answering->job.json = not_found_json(answering->exchange, &miss);
    }
}

/** Chooses what is answered: a forced status, an action's answer, the route's. */
static void answering_choose(struct answering *answering)
{
    struct upstream *upstream = answering->upstream;
    struct route *route = answering->route;
    struct override **status = upstream_override(upstream, route, OVERRIDE_STATUS);
    struct override **respond = upstream_override(upstream, route, OVERRIDE_RESPOND);
    bool cycle = route->config && route->config->cycle;
    if (status)
        answering->job.forced_status = (*status)->status;
    else if (respond)
        answering->job.respond =
            sequence_take(&(*respond)->sequences[upstream_position(upstream, route)], cycle);
    else if (route->config)
        answering->job.respond = sequence_take(&route->sequence, cycle);
    if (!route->config)
        answering_default(answering, status != NULL);
    if (status)
        override_count_down(upstream, status);
}

static struct template_context answering_context(const struct answering *answering)
{
    const struct upstream *upstream = answering->upstream;
    const struct exchange *exchange = answering->exchange;
    return (struct template_context){
        .request = &exchange->request,
        .path = answering->captures,
        .request_number = answering->route->requests,
        .connection_number = exchange->stream->number,
        .upstream = upstream->port->name,
        .seed = upstream->port->server->seed,
        .draw = exchange->number,
    };
}

/** The captures where they live as long as the exchange. */
static struct headers *keep_captures(const struct headers *captures, struct exchange *exchange)
{
    if (captures->count == 0)
        return NULL;
    struct headers *kept = arena_alloc(exchange_arena(exchange), sizeof *kept);
    *kept = *captures;
    return kept;
}

void upstream_answer(struct upstream *upstream, struct exchange *exchange)
{
    struct server *server = upstream->port->server;
    struct headers captures = {0};
    struct route *route = routes_find(&upstream->routes, exchange, server->seed, &captures);
    struct answering answering = {
        .upstream = upstream,
        .exchange = exchange,
        .route = route ? route : &upstream->fallback,
        .captures = keep_captures(&captures, exchange),
    };
    answering.route->requests++;
    unsigned flags = !route && upstream->routes.count ? ENTRY_UNMATCHED : 0;
    journal_set_route(server->journal, exchange->entry, answering.route->name_id, flags);
    answering_choose(&answering);
    answering.job.delay_ns = answering_delay(&answering);
    answering.job.context = answering_context(&answering);
    answering.job.give_up_ns = upstream->config->limits.respond_ns;
    respond_start(exchange, &answering.job);
}

/* What was not reached. */

bool upstream_minds_unmatched(const struct upstream *upstream)
{
    return upstream->routes.count > 0 && upstream->config->fallback.kind == DEFAULT_NONE;
}

void upstream_unfinished(const struct upstream *upstream,
                         void (*found)(void *context, struct str name, struct place place,
                                       size_t served, size_t count),
                         void *context)
{
    const struct override *const lists[] = {upstream->overrides, upstream->taken_back};
    if (upstream->config->optional)
        return;
    for (size_t i = 0; i < upstream->routes.count; i++) {
        const struct route *route = &upstream->routes.items[i];
        if (!route->config->optional && sequence_is_unfinished(&route->sequence))
            found(context, route->name, route->config->respond_place, route->sequence.served,
                  route->sequence.blocks->count);
    }
    const struct sequence *fallback = &upstream->fallback.sequence;
    if (sequence_is_unfinished(fallback))
        found(context, upstream->fallback.name, upstream->config->fallback.place, fallback->served,
              fallback->blocks->count);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        for (const struct override *o = lists[i]; o; o = o->older) {
            if (o->kind != OVERRIDE_RESPOND || o->route == ROUTE_UNKNOWN)
                continue;
            const struct sequence *sequence = override_sequence(upstream, o);
            struct str name =
                o->route >= 0 ? upstream->routes.items[o->route].name : upstream->port->name;
            if (sequence_is_unfinished(sequence))
                found(context, name, (struct place){0}, sequence->served, sequence->blocks->count);
        }
    }
}
