/* What a server of gRPC has beside its own services: health and reflection. They stand outside of
 * delays, statuses, routes and counts. */
#include "server/grpc/built_in.h"

#include "server/grpc/built_in_private.h"
#include "server/grpc/call.h"
#include "server/grpc/status.h"
#include "server/grpc/wire.h"
#include "server/http/upstream.h"
#include "server/port/port.h"

#include <stdlib.h>

static const char health_service[] = "grpc.health.v1.Health";

enum grpc_built_in grpc_built_in_of(const struct grpc_config *config, struct str rpc)
{
    if (config->health.count && str_is(rpc, "grpc.health.v1.Health/Check"))
        return GRPC_HEALTH_CHECK;
    if (config->health.count && str_is(rpc, "grpc.health.v1.Health/Watch"))
        return GRPC_HEALTH_WATCH;
    if (config->reflection &&
        (str_is(rpc, "grpc.reflection.v1.ServerReflection/ServerReflectionInfo") ||
         str_is(rpc, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")))
        return GRPC_REFLECTION;
    return GRPC_ORDINARY;
}

/* Health. */

/** What an action has set. */
struct health_set {
    struct health_set *next;
    struct str service;
    int status;
};

/** A Watch that goes on: what its exchange's `responder` points to. */
struct health_watch {
    struct health_watch *next;
    struct grpc_health_state *state;
    struct grpc_call *call;
    struct str service;
    int told;
};

struct grpc_health_state {
    struct arena *arena;
    struct health_set *sets;
    struct health_watch *watches;
};

struct grpc_health_state *grpc_health_new(struct arena *arena)
{
    struct grpc_health_state *state = arena_alloc(arena, sizeof *state);
    state->arena = arena;
    return state;
}

/** 0: there is no such service. */
static int health_of(const struct grpc_health_state *state, const struct grpc_config *config,
                     struct str service)
{
    const struct map_entry *entries = config->health.items;
    for (const struct health_set *set = state->sets; set; set = set->next)
        if (str_equal(set->service, service))
            return set->status;
    for (size_t i = 0; i < config->health.count; i++)
        if (str_equal(entries[i].name, service))
            return *(const int *)entries[i].value;
    return service.size ? 0 : GRPC_SERVING;
}

static void send_health(struct grpc_call *call, int status)
{
    struct buf message;
    buf_init(&message, BUF_OWN);
    size_t frame = grpc_frame_open(&message);
    wire_put_number(&message, 1, WIRE_VARINT, (uint64_t)status);
    grpc_frame_close(&message, frame);
    grpc_call_send(call, buf_str(&message));
    buf_clear(&message);
}

void grpc_health_set(struct grpc_health_state *state, const struct grpc_config *config,
                     struct str service, int status)
{
    struct health_set *set = state->sets;
    while (set && !str_equal(set->service, service))
        set = set->next;
    if (!set) {
        set = arena_alloc(state->arena, sizeof *set);
        set->service = arena_copy(state->arena, service);
        set->next = state->sets;
        state->sets = set;
    }
    set->status = status;
    for (struct health_watch *watch = state->watches; watch; watch = watch->next) {
        int now = health_of(state, config, watch->service);
        if (!str_equal(watch->service, service) || now == watch->told)
            continue;
        watch->told = now;
        send_health(watch->call, now);
    }
}

static void watch_gone(struct exchange *exchange)
{
    struct health_watch *gone = exchange->responder;
    struct health_watch **link = &gone->state->watches;
    while (*link && *link != gone)
        link = &(*link)->next;
    if (*link)
        *link = gone->next;
    exchange->responder = NULL;
    exchange->responder_gone = NULL;
}

/** The bytes of a field of a message; empty if it is not there. */
static struct str bytes_field(struct str message, uint32_t number)
{
    struct wire wire = {.bytes = message};
    struct wire_field field;
    struct str found = {"", 0};
    while (wire_next(&wire, &field))
        if (field.number == number && field.type == WIRE_BYTES)
            found = field.bytes;
    return found;
}

static void answer_health(struct grpc_call *call)
{
    struct exchange *exchange = call->exchange;
    struct grpc_health_state *state = upstream_health(exchange->stream->port->owner);
    struct str service = bytes_field(call->first->bytes, 1);
    int status = health_of(state, &call->config, service);
    if (call->built_in == GRPC_HEALTH_CHECK && !status) {
        grpc_call_finish(call, GRPC_NOT_FOUND, STR("unknown service"), NULL);
        return;
    }
    grpc_call_head(call, NULL, true);
    send_health(call, status ? status : GRPC_SERVICE_UNKNOWN);
    if (call->built_in == GRPC_HEALTH_CHECK) {
        grpc_call_finish(call, GRPC_OK, STR(""), NULL);
        return;
    }
    struct health_watch *watch = arena_alloc(exchange_arena(exchange), sizeof *watch);
    *watch = (struct health_watch){state->watches, state, call, service,
                                   status ? status : GRPC_SERVICE_UNKNOWN};
    state->watches = watch;
    exchange->responder = watch;
    exchange->responder_gone = watch_gone;
}

/* Reflection. */

/** The types of health and of reflection itself; made once, kept until the program ends. */
static struct protos *own_types;

static void own_types_free(void)
{
    protos_free(own_types);
}

static const struct protos *own_protos(void)
{
    struct protos_error error;
    if (own_types)
        return own_types;
    own_types = protos_new();
    (void)atexit(own_types_free);
    for (size_t i = 0; i < GRPC_BUILT_IN_FILES; i++)
        GOTO_ASSERT(protos_add_file(own_types, grpc_built_in_files[i], &error) == 0);
    GOTO_ASSERT(protos_link(own_types, &error) == 0);
    return own_types;
}

/** Whether a service of ours is answered by this port. */
static bool own_is_served(const struct grpc_config *config, struct str service)
{
    return config->health.count || !str_is(service, health_service);
}

/** A file of ours, if what it defines is served. */
static const struct proto_file *own_shown(const struct grpc_config *config,
                                          const struct proto_file *file)
{
    for (size_t i = 0; file && i < protos_service_count(own_protos()); i++) {
        const struct proto_service *service = protos_service_at(own_protos(), i);
        if (service->file == file && !own_is_served(config, service->name))
            return NULL;
    }
    return file;
}

static void put_error(struct buf *into, int code, const char *message)
{
    size_t error = wire_open(into, 7);
    wire_put_number(into, 1, WIRE_VARINT, (uint64_t)code);
    wire_put_bytes(into, 2, str_of(message));
    wire_close(into, error);
}

/** A file and all that it imports. */
static void put_files(struct buf *into, const struct protos *protos, const struct proto_file *file,
                      const char *missing)
{
    size_t count;
    if (!file) {
        put_error(into, GRPC_NOT_FOUND, missing);
        return;
    }
    struct arena *arena = arena_new();
    const struct proto_file **files = protos_closure(protos, file, arena, &count);
    size_t answer = wire_open(into, 4);
    for (size_t i = 0; i < count; i++)
        wire_put_bytes(into, 1, files[i]->bytes);
    wire_close(into, answer);
    arena_free(arena);
}

static void put_service(struct buf *into, struct str name)
{
    size_t service = wire_open(into, 1);
    wire_put_bytes(into, 1, name);
    wire_close(into, service);
}

static void put_services(struct buf *into, const struct grpc_config *config)
{
    const struct protos *protos = config->pool;
    size_t answer = wire_open(into, 6);
    for (size_t i = 0; i < protos_service_count(protos); i++)
        put_service(into, protos_service_at(protos, i)->name);
    for (size_t i = 0; i < protos_service_count(own_protos()); i++) {
        struct str name = protos_service_at(own_protos(), i)->name;
        if (own_is_served(config, name) && !protos_service(protos, name))
            put_service(into, name);
    }
    wire_close(into, answer);
}

/** The file of that name, or with `symbol` the one that defines it: of the spec's protos, or ours.
 */
static void put_file(struct buf *into, const struct grpc_config *config, struct str name,
                     bool symbol)
{
    const struct protos *protos = config->pool;
    const struct proto_file *file =
        symbol ? protos_file_of(protos, name) : protos_file(protos, name);
    if (!file) {
        protos = own_protos();
        file = symbol ? protos_file_of(protos, name) : protos_file(protos, name);
        file = own_shown(config, file);
    }
    put_files(into, protos, file, symbol ? "there is no such symbol" : "there is no such file");
}

static void put_extension_numbers(struct buf *into, const struct protos *protos, struct str name)
{
    const struct proto_message *type = protos_message(protos, name);
    if (!type) {
        put_error(into, GRPC_NOT_FOUND, "there is no such message");
        return;
    }
    size_t answer = wire_open(into, 5);
    wire_put_bytes(into, 1, name);
    for (size_t i = 0; i < type->extension_count; i++)
        wire_put_number(into, 2, WIRE_VARINT, type->extensions[i]->number);
    wire_close(into, answer);
}

static void put_extension(struct buf *into, const struct protos *protos, struct str question)
{
    const struct proto_message *type = protos_message(protos, bytes_field(question, 1));
    struct wire wire = {.bytes = question};
    struct wire_field field;
    uint64_t number = 0;
    while (wire_next(&wire, &field))
        if (field.number == 2 && field.type == WIRE_VARINT)
            number = field.value;
    const struct proto_file *file = NULL;
    for (size_t i = 0; type && i < type->extension_count; i++)
        if (type->extensions[i]->number == number)
            file = type->extensions[i]->file;
    put_files(into, protos, file, "there is no such extension");
}

static void put_answer(struct buf *into, const struct grpc_config *config, struct str question)
{
    struct wire wire = {.bytes = question};
    struct wire_field field;
    wire_put_bytes(into, 1, bytes_field(question, 1));
    wire_put_bytes(into, 2, question);
    while (wire_next(&wire, &field)) {
        if (field.type != WIRE_BYTES)
            continue;
        switch (field.number) {
        case 3:
        case 4:
            put_file(into, config, field.bytes, field.number == 4);
            return;
        case 5:
            put_extension(into, config->pool, field.bytes);
            return;
        case 6:
            put_extension_numbers(into, config->pool, field.bytes);
            return;
        case 7:
            put_services(into, config);
            return;
        default:
            break;
        }
    }
    put_error(into, GRPC_INVALID_ARGUMENT, "the request asks for nothing");
}

/** Answers what was asked, as far as the client takes it, and ends behind the client. */
static void reflect(struct grpc_call *call)
{
    for (; call->first && !call->status; call->first = call->first->next) {
        struct buf message;
        if (exchange_queued(call->exchange) > STREAM_HIGH_MARK)
            return;
        buf_init(&message, BUF_OWN);
        size_t frame = grpc_frame_open(&message);
        put_answer(&message, &call->config, call->first->bytes);
        grpc_frame_close(&message, frame);
        grpc_call_send(call, buf_str(&message));
        buf_clear(&message);
    }
    call->last = NULL;
    if (!call->status && !call->ended)
        return;
    call->more = NULL;
    grpc_call_finish(call, call->status, call->why, NULL);
}

static void reflect_on(struct exchange *exchange)
{
    reflect(exchange->call);
}

void grpc_built_in_answer(struct grpc_call *call)
{
    if (call->status || (call->built_in != GRPC_REFLECTION && call->count != 1)) {
        grpc_call_finish(call, call->status ? call->status : GRPC_INTERNAL,
                         call->status ? call->why : STR("the request holds not one message"), NULL);
        return;
    }
    if (call->built_in != GRPC_REFLECTION) {
        answer_health(call);
        return;
    }
    grpc_call_head(call, NULL, true);
    call->more = reflect;
    call->exchange->responder_writable = reflect_on;
    grpc_call_go_on(call);
    reflect(call);
}
