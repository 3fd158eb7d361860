#include "runner/client/grpc.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/random.h"
#include "runner/check/expect_grpc.h"
#include "runner/client/grpc_call.h"
#include "runner/client/grpc_reflection.h"
#include "runner/client/grpc_session.h"
#include "runner/scenario/scenario.h"
#include "schema/body.h"
#include "server/grpc/match.h"
#include "server/grpc/metadata.h"

/** One try of a step. */
struct grpc_try {
    struct attempt *attempt;
    const struct grpc_request *request;
    const struct grpc_expect *expect;
    struct endpoint endpoint;
    bool secure;
    struct str authority;
    struct grpc_connection *connection; /**< NULL before and after */
    struct grpc_reflection *reflection; /**< while it asks */
    const struct protos *types;
    const struct proto_method *method;
    struct str *messages; /**< that are sent, encoded */
    size_t message_count;
    size_t sent;
    bool calling; /**< the call has begun */
    struct grpc_client_call call;
    struct headers metadata; /**< that is sent */
    struct random random;    /**< of the pauses between messages */
    int64_t deadline_ns;     /**< monotonic; 0 = none */
    uint64_t received;       /**< bytes of messages */
    struct grpc_result result;
    struct timer deadline;
    struct timer pace;
    struct timer cancel;
    struct timer end; /**< active: it ends in a turn of its own, when nothing of it is under way */
    bool concluding;
};

/* The end. */

static void try_let_go(struct grpc_try *try, bool keep)
{
    struct grpc_connection *connection = try->connection;
    timer_stop(&try->deadline);
    timer_stop(&try->pace);
    timer_stop(&try->cancel);
    timer_stop(&try->end);
    grpc_reflection_cancel(try->reflection);
    try->reflection = NULL;
    grpc_client_call_cancel(&try->call);
    try->connection = NULL;
    if (connection)
        grpc_session_give(try->attempt, connection, keep);
}

static struct str outcome_words(const struct grpc_result *result, struct arena *arena)
{
    struct buf words;
    buf_init(&words, BUF_OWN);
    if (result->status < 0)
        buf_append_string(&words, result->failure.name ? result->failure.name : "failed");
    else
        buf_append(&words, grpc_result_words(result, arena));
    buf_append_string(&words, " in ");
    units_write_time(result->duration_ns, &words);
    struct str outcome = arena_copy(arena, buf_str(&words));
    buf_clear(&words);
    return outcome;
}

static void try_end(struct timer *timer)
{
    struct grpc_try *try = CONTAINER_OF(timer, struct grpc_try, end);
    struct attempt *attempt = try->attempt;
    struct grpc_result *result = &try->result;
    try_let_go(try, true);
    attempt->outcome = outcome_words(result, attempt->arena);
    grpc_expect_judge(try->expect, result, attempt->verb_place, attempt->loop, &attempt->failures);
    attempt_done(attempt);
}

/** What is known is all. */
static void try_conclude(struct grpc_try *try)
{
    if (try->concluding)
        return;
    try->concluding = true;
    try->result.end_ns = clock_now();
    try->result.duration_ns = try->result.end_ns - try->result.start_ns;
    timer_start(&try->end, 0);
}

/** It failed before, or beside, the call. */
static void try_fail(struct grpc_try *try, int status, const char *name, struct str why,
                     bool harness)
{
    struct grpc_result *result = &try->result;
    if (try->concluding)
        return;
    result->complete = false;
    result->status = harness ? -1 : status;
    result->derived = name ? str_of(name) : STR("its connection");
    result->status_message = arena_copy(try->attempt->arena, why);
    result->failure =
        (struct http_failure){.name = name, .why = result->status_message, .harness = harness};
    try_conclude(try);
}

static void try_refuse(struct grpc_try *try, struct str why)
{
    try_fail(try, -1, NULL, why, true);
}

/** The server's RST_STREAM may come just before our own clock says so. */
static bool deadline_is_over(const struct grpc_try *try)
{
    return try->deadline_ns && clock_now() >= try->deadline_ns;
}

static void deadline_words(struct grpc_try *try)
{
    struct grpc_result *result = &try->result;
    struct buf words;
    bool reached = try->connection && grpc_connection_is_reached(try->connection);
    buf_init(&words, BUF_OWN);
    buf_printf(&words, "%s within the deadline of ", reached ? "no end" : "no connection");
    units_write_time(try->request->deadline_ns, &words);
    try_fail(try, GRPC_DEADLINE_EXCEEDED, reached ? "timeout" : "connect-timeout", buf_str(&words),
             false);
    buf_clear(&words);
    result->derived = STR("the deadline");
    result->by_status = true;
}

/* The call. */

/** As many messages as the method has to answer with. */
static void check_count(struct grpc_try *try)
{
    struct grpc_result *result = &try->result;
    size_t count = result->messages->count;
    struct arena *arena = try->attempt->arena;
    if (!result->complete || result->derived.data || result->status != GRPC_OK ||
        try->method->server_streaming || count == 1)
        return;
    result->complete = false;
    result->status = GRPC_INTERNAL;
    result->derived = STR("the number of messages");
    result->status_message =
        arena_printf(arena, "the method answers with one message, and %zu came", count);
    result->failure = (struct http_failure){.name = "protocol", .why = result->status_message};
}

static void call_ended(void *context)
{
    struct grpc_try *try = context;
    const struct grpc_answer *answer = &try->call.answer;
    struct grpc_result *result = &try->result;
    if (try->concluding)
        return;
    result->metadata = answer->metadata;
    result->trailers = answer->trailers;
    if (answer->reset && deadline_is_over(try)) {
        deadline_words(try);
        return;
    }
    result->status = answer->status;
    result->status_message = answer->message;
    result->derived = answer->derived;
    result->complete = answer->complete;
    result->failure = answer->failure;
    result->by_status = answer->reset;
    /* who says so first, the server or our own clock, is chance: both are judged alike */
    if (result->complete && try->deadline_ns && result->status == GRPC_DEADLINE_EXCEEDED) {
        result->complete = false;
        result->by_status = true;
        result->failure = (struct http_failure){.name = "timeout", .why = STR("the deadline")};
    }
    check_count(try);
    try_conclude(try);
}

/** This side ends the call, by what it was told. */
static void call_give_up(struct grpc_try *try, struct str why)
{
    struct grpc_result *result = &try->result;
    if (try->concluding)
        return;
    result->metadata = try->call.answer.metadata;
    grpc_client_call_cancel(&try->call);
    result->complete = true;
    result->status = GRPC_CANCELLED;
    result->derived = STR("cancel-after");
    result->status_message = why;
    try_conclude(try);
}

static void call_message(void *context, struct str bytes)
{
    struct grpc_try *try = context;
    struct arena *arena = try->attempt->arena;
    struct grpc_result *result = &try->result;
    struct message_problem problem = {0};
    if (try->concluding)
        return;
    try->received += bytes.size;
    if (try->received > GRPC_MOST_RECEIVED) {
        grpc_client_call_fail(&try->call, GRPC_RESOURCE_EXHAUSTED, "what came", "body-too-large",
                              STR("more came than the 64 MiB of messages that are kept"));
        call_ended(try);
        return;
    }
    struct json *message =
        message_decode(arena, try->types, try->method->output, arena_copy(arena, bytes),
                       &(struct message_decoding){.defaults = true}, &problem);
    if (!message) {
        grpc_client_call_fail(&try->call, GRPC_INTERNAL, "what came", "protocol",
                              arena_printf(arena, "message %zu is no " STR_FMT ": " STR_FMT,
                                           result->messages->count + 1,
                                           STR_ARG(try->method->output->name),
                                           STR_ARG(problem.message)));
        call_ended(try);
        return;
    }
    json_push(arena, result->messages, message);
    if (try->request->cancel.messages == result->messages->count)
        call_give_up(try,
                     arena_printf(arena, "cancelled after %zu messages", result->messages->count));
}

static const struct grpc_client_call_user call_user = {.message = call_message,
                                                       .ended = call_ended};

/** Sends the next message, or the end, and sees to those behind it. */
static void call_pace(struct timer *timer)
{
    struct grpc_try *try = CONTAINER_OF(timer, struct grpc_try, pace);
    const struct duration *every = try->request->every;
    if (try->concluding)
        return;
    grpc_connection_enter(try->connection);
    do {
        if (try->sent < try->message_count)
            grpc_client_call_send(&try->call, try->messages[try->sent++]);
    } while (!every && try->sent < try->message_count);
    if (try->sent == try->message_count)
        grpc_client_call_finish(&try->call);
    else
        timer_start(&try->pace, random_duration(&try->random, every));
    grpc_connection_leave(try->connection);
}

static void try_call(struct grpc_try *try)
{
    struct arena *arena = try->attempt->arena;
    int64_t left = try->deadline_ns ? try->deadline_ns - clock_now() : 0;
    const struct grpc_client_call_plan plan = {
        .arena = arena,
        .path = arena_printf(arena, "/" STR_FMT "/" STR_FMT, STR_ARG(try->method->service->name),
                             STR_ARG(try->method->name)),
        .authority = try->authority,
        .tls = try->secure,
        .metadata = &try->metadata,
        .timeout_ns = try->deadline_ns ? (left > 0 ? left : 1) : 0,
        .most = (size_t)try->request->max_message,
        .encoding = (enum grpc_encoding)try->request->compress,
    };
    grpc_connection_enter(try->connection);
    try->calling = true;
    grpc_client_call_start(&try->call, grpc_connection_client(try->connection), &plan, &call_user,
                           try);
    if (try->request->cancel.written && !try->request->cancel.messages)
        timer_start(&try->cancel, try->request->cancel.after_ns);
    call_pace(&try->pace);
    grpc_connection_leave(try->connection);
}

/* What is sent, by the types. */

static bool try_encode(struct grpc_try *try)
{
    struct arena *arena = try->attempt->arena;
    const char *wrong = grpc_request_wrong_count(try->request, try->method);
    const struct json **messages =
        grpc_request_messages(try->request, try->method, arena, &try->message_count);
    if (wrong) {
        try_refuse(try, arena_printf(arena, "'" STR_FMT "' %s", STR_ARG(try->request->rpc), wrong));
        return false;
    }
    try->messages = arena_alloc_array(arena, try->message_count + 1, sizeof *try->messages);
    for (size_t i = 0; i < try->message_count; i++) {
        struct message_problems problems = {.arena = arena};
        struct buf bytes;
        buf_init(&bytes, GRPC_MOST_MESSAGE);
        int error =
            message_encode(try->types, try->method->input, messages[i],
                           grpc_request_encoding(try->request, try->method), &bytes, &problems);
        try->messages[i] = arena_copy(arena, buf_str(&bytes));
        buf_clear(&bytes);
        if (!error)
            continue;
        const struct message_problem *problem = problems.first;
        try->result.place = try->request->message_place;
        if (problem->line) {
            try->result.place.line = problem->line;
            try->result.place.column = problem->column;
            try->result.place.width = 1;
        }
        try_refuse(try, arena_printf(arena, "its message: " STR_FMT "%s" STR_FMT,
                                     STR_ARG(problem->message), problem->help.size ? "; " : "",
                                     STR_ARG(problem->help)));
        return false;
    }
    return true;
}

static void deadline_start(struct grpc_try *try)
{
    if (!try->request->deadline_ns)
        return;
    try->deadline_ns = clock_now() + try->request->deadline_ns;
    timer_start(&try->deadline, try->request->deadline_ns);
}

static void reflected(void *context, const struct protos *types, const struct proto_method *method,
                      const struct http_failure *failure)
{
    struct grpc_try *try = context;
    try->reflection = NULL;
    if (failure) {
        try_fail(try, GRPC_UNAVAILABLE, failure->name, failure->why, failure->harness);
        return;
    }
    try->types = types;
    try->method = method;
    if (!try_encode(try))
        return;
    deadline_start(try);
    try_call(try);
}

/* The connection. */

static void try_connected(void *context)
{
    struct grpc_try *try = context;
    if (try->concluding)
        return;
    if (try->method) {
        try_call(try);
        return;
    }
    const struct grpc_reflection_plan plan = {
        .attempt = try->attempt,
        .connection = try->connection,
        .endpoint = &try->endpoint,
        .authority = try->authority,
        .tls = try->secure,
        .rpc = try->request->rpc,
    };
    try->reflection = grpc_reflection_start(&plan, reflected, try);
}

static void try_disconnected(void *context, const char *name, struct str why, bool harness)
{
    struct grpc_try *try = context;
    /* the end of its call has told it why, and more exactly */
    if (grpc_reflection_has_failed(try->reflection))
        return;
    grpc_reflection_forget(try->reflection);
    try->reflection = NULL;
    grpc_client_call_forget(&try->call);
    try_fail(try, GRPC_UNAVAILABLE, name, why, harness);
}

static const struct grpc_connection_user connection_user = {.connected = try_connected,
                                                            .failed = try_disconnected};

static bool try_speaks_tls(const struct grpc_try *try)
{
    const struct tcp_tls *tls = &try->request->tls;
    return tls->written ? !tls->off : try->endpoint.tls;
}

static struct str authority_of(const struct grpc_try *try, struct arena *arena)
{
    const struct endpoint *endpoint = &try->endpoint;
    if (try->request->authority.data)
        return try->request->authority;
    if (!endpoint->host.data)
        return STR("localhost");
    bool six = str_find_byte(endpoint->host, ':') >= 0;
    return arena_printf(arena, "%s" STR_FMT "%s:%u", six ? "[" : "", STR_ARG(endpoint->host),
                        six ? "]" : "", endpoint->number);
}

static void try_connect(struct grpc_try *try)
{
    const struct grpc_connection_plan plan = {
        .server = scenario_server(try->attempt->scenario),
        .endpoint = try->endpoint,
        .tls = try->secure,
        .options = try->request->tls.options,
    };
    try->connection = grpc_session_take(try->attempt, &plan, &connection_user, try);
    if (grpc_connection_client(try->connection))
        try_connected(try);
}

/* Limits. */

static void on_deadline(struct timer *timer)
{
    struct grpc_try *try = CONTAINER_OF(timer, struct grpc_try, deadline);
    if (try->concluding)
        return;
    try->result.metadata = try->call.answer.metadata;
    grpc_client_call_cancel(&try->call);
    deadline_words(try);
}

static void on_cancel(struct timer *timer)
{
    struct grpc_try *try = CONTAINER_OF(timer, struct grpc_try, cancel);
    call_give_up(try, STR("cancelled after its time"));
}

/* The verb. */

static void metadata_prepare(struct grpc_try *try)
{
    struct arena *arena = try->attempt->arena;
    const struct map_entry *entries = try->request->metadata.items;
    for (size_t i = 0; i < try->request->metadata.count; i++) {
        const struct list *values = entries[i].value;
        for (size_t j = 0; j < values->count; j++) {
            struct str value = ((const struct str *)values->items)[j];
            struct str bytes;
            if (grpc_metadata_is_binary(entries[i].name) && base64_read(arena, value, &bytes))
                value = base64_write(arena, bytes, false);
            headers_add(&try->metadata, arena, entries[i].name, value);
        }
    }
}

static void grpc_start(struct attempt *attempt)
{
    struct grpc_try *try = arena_alloc(attempt->arena, sizeof *try);
    struct str why = {0};
    try->attempt = attempt;
    try->request = attempt->value;
    try->expect = attempt->expect;
    try->result.start_ns = clock_now();
    try->result.status = -1;
    try->result.messages = json_array(attempt->arena);
    try->random = random_for(scenario_seed(attempt->scenario), attempt->name, attempt->tries);
    timer_init(&try->deadline, attempt->loop, on_deadline);
    timer_init(&try->pace, attempt->loop, call_pace);
    timer_init(&try->cancel, attempt->loop, on_cancel);
    timer_init(&try->end, attempt->loop, try_end);
    attempt->state = try;
    if (!endpoint_resolve(scenario_server(attempt->scenario), try->request->target, attempt->arena,
                          &try->endpoint, &why)) {
        try_refuse(try, why);
        return;
    }
    try->secure = try_speaks_tls(try);
    try->authority = authority_of(try, attempt->arena);
    try->types = try->request->types;
    try->method = try->request->method;
    metadata_prepare(try);
    if (!try->types)
        grpc_reflected_find(attempt->scenario, &try->endpoint, try->request->rpc, &try->types,
                            &try->method);
    if (try->method && !try_encode(try))
        return;
    if (try->method)
        deadline_start(try);
    try_connect(try);
}

static void grpc_cancel(struct attempt *attempt)
{
    struct grpc_try *try = attempt->state;
    if (try)
        try_let_go(try, false);
}

static void grpc_expire(struct attempt *attempt)
{
    struct grpc_try *try = attempt->state;
    bool reached = try->connection && grpc_connection_is_reached(try->connection);
    if (try->concluding)
        return;
    try->result.metadata = try->call.answer.metadata;
    grpc_client_call_cancel(&try->call);
    try_fail(try, GRPC_CANCELLED, reached ? "timeout" : "connect-timeout",
             reached ? STR("the step's timeout ran out")
                     : STR("no connection within the step's timeout"),
             false);
}

static struct str grpc_waiting(struct attempt *attempt, struct arena *arena)
{
    const struct grpc_try *try = attempt->state;
    const char *what = "the connection to";
    if (try->reflection)
        what = "the reflection service of";
    else if (try->calling)
        what = try->call.answer.metadata.count ? "the rest of the answer of" : "an answer of";
    return arena_printf(arena, "%s " STR_FMT, what, STR_ARG(try->request->target));
}

/* Captures. */

struct source_read {
    struct jsonpath *jsonpath;
    struct str name;
    const struct node *any;
};

static const struct row source_rows[] = {
    {"jsonpath", &jsonpath_source_type, offsetof(struct source_read, jsonpath), 0, NULL,
     "In the one message: the value of a singular path, or the list of what any other one finds."},
    {"metadata", &type_text, offsetof(struct source_read, name), 0, NULL,
     "The value of metadata that came before the messages; a list if it came several times."},
    {"trailers", &type_text, offsetof(struct source_read, name), 0, NULL,
     "The same of what came behind them."},
    {"status", &type_node, offsetof(struct source_read, any), 0, NULL,
     "The status, as its name; the value of the key is of no matter."},
};
static const struct table source_table = {
    TABLE_ROWS("capture", source_rows),
    .doc = "Where a value of a call is found: exactly one key.",
    .check = capture_check,
};
static const struct type source_type = TYPE_TABLE(&source_table, struct source_read);

static const struct json *capture_message(struct attempt *attempt, const struct grpc_try *try,
                                          const struct node *node, struct str *why)
{
    struct buf text;
    if (try->result.messages->count != 1) {
        *why = arena_printf(attempt->arena, "it is taken of one message, and %zu came",
                            try->result.messages->count);
        return NULL;
    }
    buf_init(&text, BUF_OWN);
    json_write(try->result.messages->elements[0], &text);
    struct str body = arena_copy(attempt->arena, buf_str(&text));
    buf_clear(&text);
    return body_capture(attempt->arena, "jsonpath", node, body, why);
}

static const struct json *capture_header(struct attempt *attempt, const struct headers *headers,
                                         const char *what, const struct node *node, struct str *why)
{
    struct str name = node_scalar_text(node);
    const struct json *value = grpc_metadata_json(headers, name, attempt->arena);
    if (!value)
        *why =
            arena_printf(attempt->arena, "the answer has no %s '" STR_FMT "'", what, STR_ARG(name));
    return value;
}

static const struct json *grpc_capture(struct attempt *attempt, const struct node *source,
                                       struct str *why)
{
    const struct grpc_try *try = attempt->state;
    if (source->kind != NODE_MAP || source->count != 1) {
        *why = STR("a capture has exactly one source");
        return NULL;
    }
    struct str key = source->pairs[0].key->text;
    const struct node *value = source->pairs[0].value;
    if (str_is(key, "jsonpath"))
        return capture_message(attempt, try, value, why);
    if (str_is(key, "metadata"))
        return capture_header(attempt, &try->result.metadata, "metadata", value, why);
    if (str_is(key, "trailers"))
        return capture_header(attempt, &try->result.trailers, "trailer", value, why);
    if (str_is(key, "status") && try->result.status >= 0)
        return json_string(attempt->arena, grpc_result_status(&try->result, attempt->arena));
    *why = STR("a capture of a grpc step has the source jsonpath, metadata, trailers or status");
    return NULL;
}

/** What is expected of the message is judged by its type, if that is known. */
static void grpc_check(struct reader *reader, const void *value, const void *expected)
{
    const struct grpc_request *request = value;
    const struct grpc_expect *expect = expected;
    if (request->method)
        (void)!grpc_check_body(reader, request->types, request->method->output, &expect->message);
}

const struct verb grpc_verb = {
    .expect = &grpc_expect_type,
    .check = grpc_check,
    .implied = true,
    .sessions = true,
    .source = &source_type,
    .start = grpc_start,
    .expire = grpc_expire,
    .cancel = grpc_cancel,
    .capture = grpc_capture,
    .title = grpc_title,
    .waiting = grpc_waiting,
};
