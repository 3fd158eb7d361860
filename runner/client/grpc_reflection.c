#include "runner/client/grpc_reflection.h"

#include "base/memory.h"
#include "runner/client/grpc_call.h"
#include "server/grpc/wire.h"

/** It has this long to tell all. */
#define REFLECTION_NS INT64_C(10000000000)

/* Fields of ServerReflectionRequest and ServerReflectionResponse. */
enum {
    REQUEST_FILE = 3,
    REQUEST_SYMBOL = 4,
    RESPONSE_FILES = 4,
    RESPONSE_ERROR = 7,
    FILES_FILE = 1,
    ERROR_CODE = 1,
    ERROR_MESSAGE = 2,
};

/** What a service of a far side is made of. */
struct grpc_reflected {
    struct grpc_reflected *next;
    char *key;
    struct protos *protos;
};

struct grpc_reflection {
    struct grpc_reflection_plan plan;
    grpc_reflection_done done;
    void *context;
    struct str service;
    struct protos *protos; /**< while it is being filled */
    struct grpc_client_call call;
    struct timer timer;
    unsigned version; /**< which of the services is asked */
    size_t asked;
    uint32_t field; /**< of the question: REQUEST_… */
    struct str name;
    bool answered; /**< the question at hand */
    bool told;     /**< files came */
    bool over;     /**< all is known; done() is due in a turn of its own */
    struct protos *result;
    struct http_failure failure;
    bool failed;
};

static const char *const services[] = {"grpc.reflection.v1.ServerReflection",
                                       "grpc.reflection.v1alpha.ServerReflection"};

/* What is kept. */

static struct str service_of(struct str rpc)
{
    ptrdiff_t slash = str_find_byte(rpc, '/');
    return slash < 0 ? rpc : str_slice(rpc, 0, (size_t)slash);
}

static void key_of(const struct endpoint *endpoint, struct str rpc, struct buf *key)
{
    buf_init(key, BUF_OWN);
    buf_printf(key, STR_FMT ":%u|" STR_FMT "|" STR_FMT, STR_ARG(endpoint->host), endpoint->number,
               STR_ARG(endpoint->unix_path), STR_ARG(service_of(rpc)));
}

void grpc_reflected_find(struct scenario *scenario, const struct endpoint *endpoint, struct str rpc,
                         const struct protos **types, const struct proto_method **method)
{
    struct buf key;
    key_of(endpoint, rpc, &key);
    for (const struct grpc_reflected *kept = *scenario_grpc_reflected(scenario); kept;
         kept = kept->next) {
        if (!str_equal(str_of(kept->key), buf_str(&key)))
            continue;
        *method = protos_method(kept->protos, rpc);
        *types = *method ? kept->protos : NULL;
        break;
    }
    buf_clear(&key);
}

static void keep(const struct grpc_reflection *reflection, struct protos *protos)
{
    struct grpc_reflected **first = scenario_grpc_reflected(reflection->plan.attempt->scenario);
    struct grpc_reflected *kept = memory_alloc(sizeof *kept);
    struct buf key;
    key_of(reflection->plan.endpoint, reflection->plan.rpc, &key);
    kept->key = memory_copy_string(key.data);
    buf_clear(&key);
    kept->protos = protos;
    kept->next = *first;
    *first = kept;
}

void grpc_reflected_free(struct grpc_reflected *reflected)
{
    while (reflected) {
        struct grpc_reflected *next = reflected->next;
        protos_free(reflected->protos);
        memory_free(reflected->key);
        memory_free(reflected);
        reflected = next;
    }
}

/* The end. */

void grpc_reflection_forget(struct grpc_reflection *reflection)
{
    if (!reflection)
        return;
    timer_stop(&reflection->timer);
    grpc_client_call_forget(&reflection->call);
    protos_free(reflection->protos);
    reflection->protos = NULL;
}

void grpc_reflection_cancel(struct grpc_reflection *reflection)
{
    if (!reflection)
        return;
    grpc_client_call_cancel(&reflection->call);
    grpc_reflection_forget(reflection);
}

/** What is known is all: told in a turn of its own, when nothing of the call is under way. */
static void conclude(struct grpc_reflection *reflection)
{
    grpc_client_call_cancel(&reflection->call);
    reflection->over = true;
    timer_start(&reflection->timer, 0);
}

static void fail(struct grpc_reflection *reflection, const char *name, struct str why)
{
    reflection->failed = true;
    reflection->failure = (struct http_failure){.name = name, .why = why, .harness = name == NULL};
    conclude(reflection);
}

static void tell_unknown(struct grpc_reflection *reflection)
{
    struct arena *arena = reflection->plan.attempt->arena;
    struct nearest nearest = protos_nearest_method(reflection->result, reflection->plan.rpc, arena);
    reflection->failed = true;
    reflection->failure = (struct http_failure){
        .harness = true,
        .why = arena_printf(
            arena, "the far side's reflection knows no method '" STR_FMT "'%s" STR_FMT "%s",
            STR_ARG(reflection->plan.rpc), nearest.best.size ? ", did you mean '" : "",
            STR_ARG(nearest.best), nearest.best.size ? "'?" : "")};
}

static void on_timer(struct timer *timer)
{
    struct grpc_reflection *reflection = CONTAINER_OF(timer, struct grpc_reflection, timer);
    const struct proto_method *method = NULL;
    if (!reflection->over) {
        fail(reflection, "timeout", STR("the far side's reflection did not answer within 10s"));
        return;
    }
    struct protos *types = reflection->result;
    if (!reflection->failed) {
        method = protos_method(types, reflection->plan.rpc);
        if (!method)
            tell_unknown(reflection);
    }
    protos_free(reflection->protos);
    reflection->protos = NULL;
    reflection->done(reflection->context, types, method,
                     reflection->failed ? &reflection->failure : NULL);
}

/** Everything was told. */
static void link_all(struct grpc_reflection *reflection)
{
    struct protos_error error = {0};
    struct arena *arena = reflection->plan.attempt->arena;
    if (protos_link(reflection->protos, &error) != 0) {
        fail(reflection, NULL,
             arena_printf(arena, "what the far side's reflection told cannot be used: " STR_FMT,
                          STR_ARG(error.message)));
        return;
    }
    reflection->result = reflection->protos;
    reflection->protos = NULL;
    keep(reflection, reflection->result);
    conclude(reflection);
}

/* What is told. */

static void read_error(struct grpc_reflection *reflection, struct str bytes)
{
    struct wire wire = {.bytes = bytes};
    struct wire_field field;
    struct str message = STR("");
    struct arena *arena = reflection->plan.attempt->arena;
    uint64_t code = GRPC_UNKNOWN;
    while (wire_next(&wire, &field)) {
        if (field.number == ERROR_CODE && field.type == WIRE_VARINT)
            code = field.value;
        if (field.number == ERROR_MESSAGE && field.type == WIRE_BYTES)
            message = field.bytes;
    }
    if (reflection->told) {
        /* a file that is imported; perhaps nothing of it is needed */
        link_all(reflection);
        return;
    }
    const char *name = grpc_status_name((int64_t)code);
    fail(reflection, NULL,
         arena_printf(
             arena, "the far side's reflection knows no service '" STR_FMT "': %s" STR_FMT STR_FMT,
             STR_ARG(reflection->service), name ? name : "an error",
             STR_ARG(message.size ? STR(", ") : STR("")), STR_ARG(message)));
}

static bool read_files(struct grpc_reflection *reflection, struct str bytes)
{
    struct wire wire = {.bytes = bytes};
    struct wire_field field;
    struct protos_error error = {0};
    while (wire_next(&wire, &field)) {
        if (field.number != FILES_FILE || field.type != WIRE_BYTES)
            continue;
        reflection->told = true;
        if (protos_add_file(reflection->protos, field.bytes, &error) == 0)
            continue;
        fail(reflection, NULL,
             arena_printf(reflection->plan.attempt->arena,
                          "what the far side's reflection told cannot be used: " STR_FMT,
                          STR_ARG(error.message)));
        return false;
    }
    return true;
}

static void on_message(void *context, struct str borrowed)
{
    struct grpc_reflection *reflection = context;
    /* the call's buffer goes with the call */
    struct str bytes = arena_copy(reflection->plan.attempt->arena, borrowed);
    struct wire wire = {.bytes = bytes};
    struct wire_field field;
    struct str missing;
    bool known = false;
    while (!reflection->over && wire_next(&wire, &field)) {
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == RESPONSE_ERROR) {
            read_error(reflection, field.bytes);
            return;
        }
        if (field.number != RESPONSE_FILES)
            continue;
        known = true;
        if (!read_files(reflection, field.bytes))
            return;
    }
    if (reflection->over)
        return;
    if (wire.error || !known) {
        fail(reflection, "protocol", STR("the far side's reflection answers with something else"));
    } else if (reflection->asked < PROTOS_MOST_FILES &&
               protos_missing(reflection->protos, &missing)) {
        reflection->field = REQUEST_FILE;
        reflection->name = arena_copy(reflection->plan.attempt->arena, missing);
        reflection->answered = true;
    } else {
        link_all(reflection);
    }
}

static void on_ended(void *context);
static const struct grpc_client_call_user call_user = {.message = on_message, .ended = on_ended};

/* Asking. */

/** A call for each question: so it is answered also by who reads a request to its end first. */
static void ask(struct grpc_reflection *reflection)
{
    const struct grpc_reflection_plan *plan = &reflection->plan;
    struct arena *arena = plan->attempt->arena;
    const struct grpc_client_call_plan call = {
        .arena = arena,
        .path = arena_printf(arena, "/%s/ServerReflectionInfo", services[reflection->version]),
        .authority = plan->authority,
        .tls = plan->tls,
        .most = PROTOS_MOST_BYTES,
    };
    struct buf request;
    buf_init(&request, BUF_OWN);
    wire_put_bytes(&request, reflection->field, reflection->name);
    reflection->asked++;
    reflection->answered = false;
    grpc_connection_enter(plan->connection);
    grpc_client_call_start(&reflection->call, grpc_connection_client(plan->connection), &call,
                           &call_user, reflection);
    grpc_client_call_send(&reflection->call, buf_str(&request));
    grpc_client_call_finish(&reflection->call);
    grpc_connection_leave(plan->connection);
    buf_clear(&request);
}

static void on_ended(void *context)
{
    struct grpc_reflection *reflection = context;
    const struct grpc_answer *answer = &reflection->call.answer;
    struct arena *arena = reflection->plan.attempt->arena;
    if (reflection->over)
        return;
    if (reflection->answered) {
        ask(reflection);
        return;
    }
    if (!answer->complete && answer->failure.name) {
        fail(reflection, answer->failure.name, answer->failure.why);
        return;
    }
    if (answer->status == GRPC_UNIMPLEMENTED && reflection->version + 1 < COUNT_OF(services)) {
        reflection->version++;
        ask(reflection);
        return;
    }
    if (answer->status == GRPC_UNIMPLEMENTED) {
        fail(reflection, NULL,
             STR("the step has no 'protos' or 'protosets', and the far side has no reflection "
                 "service, neither v1 nor v1alpha"));
        return;
    }
    const char *name = grpc_status_name(answer->status);
    fail(reflection, NULL,
         arena_printf(arena, "the far side's reflection ended with %s" STR_FMT STR_FMT,
                      name ? name : "an unknown status",
                      STR_ARG(answer->message.size ? STR(": ") : STR("")),
                      STR_ARG(answer->message)));
}

struct grpc_reflection *grpc_reflection_start(const struct grpc_reflection_plan *plan,
                                              grpc_reflection_done done, void *context)
{
    struct grpc_reflection *reflection = arena_alloc(plan->attempt->arena, sizeof *reflection);
    reflection->plan = *plan;
    reflection->done = done;
    reflection->context = context;
    reflection->service = service_of(plan->rpc);
    reflection->field = REQUEST_SYMBOL;
    reflection->name = reflection->service;
    reflection->protos = protos_new();
    timer_init(&reflection->timer, plan->attempt->loop, on_timer);
    timer_start(&reflection->timer, REFLECTION_NS);
    ask(reflection);
    return reflection;
}
