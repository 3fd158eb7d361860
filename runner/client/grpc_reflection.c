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
    REQUEST_LIST = 7,
    RESPONSE_FILES = 4,
    RESPONSE_LIST = 6,
    RESPONSE_ERROR = 7,
    FILES_FILE = 1,
    LIST_SERVICE = 1,
    SERVICE_NAME = 1,
    ERROR_CODE = 1,
    ERROR_MESSAGE = 2,
};

/** What the services of a far side are made of. */
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
    bool answered;      /**< the question at hand */
    bool told;          /**< files came */
    bool gave_up;       /**< a file that is imported cannot be had */
    bool listed;        /**< what it asks about now are the other services: they may stay unknown */
    struct str *others; /**< their names */
    size_t other_count;
    size_t other_room;
    size_t other; /**< the next one */
    bool over;    /**< all is known; done() is due in a turn of its own */
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

static void key_of(const struct endpoint *endpoint, struct buf *key)
{
    buf_init(key, BUF_OWN);
    buf_printf(key, STR_FMT ":%u|" STR_FMT, STR_ARG(endpoint->host), endpoint->number,
               STR_ARG(endpoint->unix_path));
}

void grpc_reflected_find(struct scenario *scenario, const struct endpoint *endpoint, struct str rpc,
                         const struct protos **types, const struct proto_method **method)
{
    struct buf key;
    key_of(endpoint, &key);
    for (const struct grpc_reflected *kept = *scenario_grpc_reflected(scenario); kept;
         kept = kept->next) {
        const struct proto_method *known =
            str_equal(str_of(kept->key), buf_str(&key)) ? protos_method(kept->protos, rpc) : NULL;
        if (!known)
            continue;
        *method = known;
        *types = kept->protos;
        break;
    }
    buf_clear(&key);
}

static void keep(const struct grpc_reflection *reflection, struct protos *protos)
{
    struct grpc_reflected **first = scenario_grpc_reflected(reflection->plan.attempt->scenario);
    struct grpc_reflected *kept = memory_alloc(sizeof *kept);
    struct buf key;
    key_of(reflection->plan.endpoint, &key);
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

bool grpc_reflection_has_failed(const struct grpc_reflection *reflection)
{
    return reflection && reflection->failed;
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

/** Resolves what was told so far; false: it has failed. */
static bool link_told(struct grpc_reflection *reflection)
{
    struct protos_error error = {0};
    if (protos_link(reflection->protos, &error) == 0)
        return true;
    fail(reflection, NULL,
         arena_printf(reflection->plan.attempt->arena,
                      "what the far side's reflection told cannot be used: " STR_FMT,
                      STR_ARG(error.message)));
    return false;
}

/** Everything was told. */
static void finish(struct grpc_reflection *reflection)
{
    reflection->result = reflection->protos;
    reflection->protos = NULL;
    keep(reflection, reflection->result);
    conclude(reflection);
}

static void ask_next(struct grpc_reflection *reflection, uint32_t field, struct str name)
{
    reflection->field = field;
    reflection->name = arena_copy(reflection->plan.attempt->arena, name);
    reflection->answered = true;
}

/**
 * What is asked behind an answer: files that are imported, then which services there are, then each
 * of them. So the far side is asked once, whatever later steps call.
 */
static void go_on(struct grpc_reflection *reflection)
{
    struct str missing;
    bool more = reflection->asked < PROTOS_MOST_FILES;
    if (more && !reflection->gave_up && protos_missing(reflection->protos, &missing)) {
        ask_next(reflection, REQUEST_FILE, missing);
        return;
    }
    if (!link_told(reflection))
        return;
    if (more && !reflection->listed) {
        reflection->listed = true;
        ask_next(reflection, REQUEST_LIST, STR("*"));
        return;
    }
    while (more && reflection->other < reflection->other_count) {
        struct str name = reflection->others[reflection->other++];
        if (protos_service(reflection->protos, name))
            continue;
        ask_next(reflection, REQUEST_SYMBOL, name);
        return;
    }
    finish(reflection);
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
        /* a file that is imported, perhaps nothing of it is needed; or one of the other services */
        reflection->gave_up = reflection->gave_up || reflection->field == REQUEST_FILE;
        go_on(reflection);
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
        if (protos_add_file(reflection->protos, field.bytes, &error) == 0 || reflection->listed)
            continue;
        fail(reflection, NULL,
             arena_printf(reflection->plan.attempt->arena,
                          "what the far side's reflection told cannot be used: " STR_FMT,
                          STR_ARG(error.message)));
        return false;
    }
    return true;
}

static void read_list(struct grpc_reflection *reflection, struct str bytes)
{
    struct wire wire = {.bytes = bytes};
    struct wire_field field;
    while (wire_next(&wire, &field) && reflection->other_count < PROTOS_MOST_FILES) {
        struct wire entry = {.bytes = field.bytes};
        struct wire_field part;
        if (field.number != LIST_SERVICE || field.type != WIRE_BYTES)
            continue;
        while (wire_next(&entry, &part)) {
            if (part.number != SERVICE_NAME || part.type != WIRE_BYTES)
                continue;
            arena_grow(reflection->plan.attempt->arena, &reflection->others,
                       reflection->other_count, &reflection->other_room,
                       sizeof *reflection->others);
            reflection->others[reflection->other_count++] = part.bytes;
        }
    }
}

static void on_message(void *context, struct str borrowed)
{
    struct grpc_reflection *reflection = context;
    /* the call's buffer goes with the call */
    struct str bytes = arena_copy(reflection->plan.attempt->arena, borrowed);
    struct wire wire = {.bytes = bytes};
    struct wire_field field;
    bool known = false;
    while (!reflection->over && wire_next(&wire, &field)) {
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == RESPONSE_ERROR) {
            read_error(reflection, field.bytes);
            return;
        }
        if (field.number == RESPONSE_LIST)
            read_list(reflection, field.bytes);
        else if (field.number != RESPONSE_FILES)
            continue;
        else if (!read_files(reflection, field.bytes))
            return;
        known = true;
    }
    if (reflection->over)
        return;
    if (wire.error || !known)
        fail(reflection, "protocol", STR("the far side's reflection answers with something else"));
    else
        go_on(reflection);
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
    if (answer->complete && reflection->listed) {
        /* it does not say which other services there are: that of the step is known */
        go_on(reflection);
        if (!reflection->over)
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
