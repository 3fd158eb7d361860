/* The answer of a route to a call of gRPC. */
#include "base/base64.h"
#include "base/clock.h"
#include "server/grpc/call.h"
#include "server/grpc/message.h"
#include "server/grpc/status.h"
#include "server/http/respond_private.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

enum { ANSWER_TURN = 1024 * 1024 /**< bytes before other connections have their turn */ };

/** What an exchange's `responder` points to. */
struct grpc_answer {
    struct grpc_call *call;
    struct exchange *exchange;
    struct respond_job job;
    struct arena *arena;
    struct timer step;     /**< the delay, then the next message */
    struct timer deadline; /**< of the client, or limits.respond */
    struct random intervals;
    size_t sent;
    int64_t due_ns;
    /* of a bidirectional call: */
    const struct grpc_received *turn;     /**< what is answered next; NULL: it has not come */
    const struct grpc_received *answered; /**< what was answered last */
    bool begun;
    bool blocked;
};

static void answer_leave(struct grpc_answer *answer)
{
    timer_stop(&answer->step);
    timer_stop(&answer->deadline);
    answer->call->more = NULL;
    answer->exchange->responder = NULL;
    answer->exchange->responder_gone = NULL;
    answer->exchange->responder_writable = NULL;
}

static void answer_gone(struct exchange *exchange)
{
    answer_leave(exchange->responder);
}

static void answer_end(struct grpc_answer *answer, int status, struct str message,
                       const struct headers *trailers)
{
    answer_leave(answer);
    grpc_call_finish(answer->call, status, message, trailers);
}

/** A message of ours could not be made. */
static void answer_fail(struct grpc_answer *answer, struct str why)
{
    struct port *port = answer->exchange->stream->port;
    journal_note(port->server->journal, ENTRY_NOTE, port->name_id,
                 "request %llu: the answer to " STR_FMT " cannot be made: " STR_FMT,
                 (unsigned long long)answer->exchange->number, STR_ARG(answer->call->rpc),
                 STR_ARG(why));
    answer_end(
        answer, GRPC_INTERNAL,
        arena_printf(answer->arena, "goto-run cannot make this answer: " STR_FMT, STR_ARG(why)),
        NULL);
}

/* Messages. */

/** Whether each message of the client is answered by its own. */
static bool answers_each(const struct grpc_answer *answer)
{
    const struct respond *respond = answer->job.respond;
    return grpc_call_is_bidirectional(answer->call) && !(respond && respond->every) &&
           !(respond && respond->status.grpc && !respond->message && !respond->messages);
}

/** How many messages it has; SIZE_MAX: one for each of the client's. */
static size_t answer_count(const struct grpc_answer *answer)
{
    const struct respond *respond = answer->job.respond;
    if (!answer->call->method)
        return 0;
    if (respond && respond->messages)
        return respond->messages->count;
    bool fails = respond && respond->status.grpc && respond->status.grpc->code != GRPC_OK;
    bool empty = !respond || (!fails && !answer->call->method->server_streaming);
    if (answers_each(answer) && (empty || respond->message))
        return SIZE_MAX;
    return (respond && respond->message) || empty ? 1 : 0;
}

static const struct grpc_message_config *answer_config(const struct grpc_answer *answer)
{
    const struct respond *respond = answer->job.respond;
    if (respond && respond->messages)
        return (const struct grpc_message_config *)respond->messages->items + answer->sent;
    return respond ? respond->message : NULL;
}

/** What templates ask of the request: a message of it. */
static void answer_asks(struct grpc_answer *answer, const struct grpc_received *received)
{
    answer->job.context.json = received ? received->json : NULL;
    answer->job.context.json_tried = true;
}

/** Encodes a message that was not when the spec was read, or the empty one; false with *why. */
static bool answer_encode(struct grpc_answer *answer, const struct grpc_message_config *config,
                          struct arena *arena, struct buf *bytes, struct str *why)
{
    const struct grpc_call *call = answer->call;
    const struct message_encoding encoding = {.fill_required = !config, .scratch = arena};
    struct message_problems problems = {.arena = arena};
    const struct json *value =
        config ? template_json(config->template, &answer->job.context, arena) : json_object(arena);
    size_t frame = grpc_frame_open(bytes);
    int error =
        message_encode(call->config.pool, call->method->output, value, &encoding, bytes, &problems);
    grpc_frame_close(bytes, frame);
    if (error)
        *why = arena_copy(answer->arena,
                          problems.first ? problems.first->message : STR("it is too large"));
    return !error;
}

/** Sends the next message; the size, or -1: the call has ended with an error. */
static ptrdiff_t answer_send(struct grpc_answer *answer)
{
    struct grpc_call *call = answer->call;
    const struct grpc_message_config *config = answer_config(answer);
    bool single = !call->method->server_streaming;
    struct str why = {0};
    if (answers_each(answer) && answer->turn) {
        answer_asks(answer, answer->turn);
        answer->answered = answer->turn;
        answer->turn = answer->turn->next;
    }
    answer->sent++;
    if (config && config->encoded_as == call->method->output) {
        grpc_call_send(call, config->encoded);
        return (ptrdiff_t)config->encoded.size;
    }
    /* there may be millions of them: their memory does not wait for the end of the exchange */
    struct arena *arena = single ? answer->arena : arena_new();
    struct buf *bytes = &server_scratch(answer->exchange->stream->port->server)->packed;
    scratch_reset(bytes);
    bool good = answer_encode(answer, config, arena, bytes, &why);
    ptrdiff_t size = (ptrdiff_t)bytes->size;
    if (good)
        grpc_call_send(call, buf_str(bytes));
    if (!single)
        arena_free(arena);
    answer_asks(answer, call->first);
    if (good)
        return size;
    answer_fail(answer, why);
    return -1;
}

/** Adds grpc-status-details-bin. False: the call has ended with an error. */
static bool answer_details(struct grpc_answer *answer, struct str message, struct headers *trailers)
{
    const struct grpc_status_config *status = answer->job.respond->status.grpc;
    struct str why = {0};
    struct buf bytes;
    buf_init(&bytes, BUF_OWN);
    bool good = grpc_details_encode(answer->call->config.pool, status, message,
                                    &answer->job.context, answer->arena, &bytes, &why);
    if (good) {
        headers_add(trailers, answer->arena, STR("grpc-status-details-bin"),
                    base64_write(answer->arena, buf_str(&bytes), false));
    }
    buf_clear(&bytes);
    if (!good)
        answer_fail(answer, why);
    return good;
}

static void answer_finish(struct grpc_answer *answer)
{
    const struct respond *respond = answer->job.respond;
    const struct grpc_status_config *status = respond ? respond->status.grpc : NULL;
    struct template_context *context = &answer->job.context;
    struct headers trailers = {0};
    struct str message = {0};
    if (status && status->message)
        message = template_text(status->message, context, answer->arena);
    if (status && status->details.count && !answer_details(answer, message, &trailers))
        return;
    if (respond)
        respond_written(&respond->trailers, context, answer->arena, &trailers);
    answer_end(answer, status ? status->code : GRPC_OK, message, &trailers);
}

/** Whether the next message waits for the client. */
static bool answer_waits(const struct grpc_answer *answer)
{
    const struct grpc_call *call = answer->call;
    return answers_each(answer) && !answer->turn && !call->ended;
}

/** Whether all messages were sent. */
static bool answer_is_done(const struct grpc_answer *answer)
{
    size_t count = answer_count(answer);
    return count == SIZE_MAX ? !answer->turn : answer->sent >= count;
}

static void answer_wait(struct grpc_answer *answer, int64_t interval)
{
    int64_t now = clock_now();
    answer->due_ns = interval > INT64_MAX - answer->due_ns ? INT64_MAX : answer->due_ns + interval;
    if (answer->due_ns < now)
        answer->due_ns = now;
    timer_start_at(&answer->step, answer->due_ns);
}

/** Sends what may go now. */
static void answer_pump(struct grpc_answer *answer)
{
    const struct respond *respond = answer->job.respond;
    size_t size = 0;
    while (!answer_is_done(answer)) {
        if (answer_waits(answer))
            return;
        if (exchange_queued(answer->exchange) > STREAM_HIGH_MARK) {
            answer->blocked = true;
            return;
        }
        ptrdiff_t sent = answer_send(answer);
        if (sent < 0)
            return;
        size += (size_t)sent;
        if (answer_is_done(answer))
            break;
        int64_t interval =
            respond && respond->every ? random_duration(&answer->intervals, respond->every) : 0;
        if (interval > 0 || size >= ANSWER_TURN) {
            answer_wait(answer, interval);
            return;
        }
    }
    bool fails = respond && respond->status.grpc && respond->status.grpc->code != GRPC_OK;
    /* a failure may come before the client's end */
    if (answer->call->ended || fails)
        answer_finish(answer);
}

static void answer_writable(struct exchange *exchange)
{
    struct grpc_answer *answer = exchange->responder;
    if (!answer->blocked)
        return;
    answer->blocked = false;
    answer_pump(answer);
}

/** More of a bidirectional call came. */
static void answer_more(struct grpc_call *call)
{
    struct grpc_answer *answer = call->exchange->responder;
    if (call->status) {
        answer_end(answer, call->status, call->why, NULL);
        return;
    }
    if (!answer->turn)
        answer->turn = answer->answered ? answer->answered->next : call->first;
    if (!answer->blocked && !timer_is_active(&answer->step))
        answer_pump(answer);
}

static void answer_begin(struct grpc_answer *answer)
{
    const struct respond *respond = answer->job.respond;
    struct grpc_call *call = answer->call;
    struct headers metadata = {0};
    answer->begun = true;
    if (respond && respond->every)
        answer->due_ns = clock_now();
    if (respond && respond->compress == COMPRESS_GZIP &&
        headers_has_token(&answer->exchange->request.headers, STR("grpc-accept-encoding"),
                          STR("gzip")))
        call->answer_encoding = GRPC_GZIP;
    if (respond)
        respond_written(&respond->metadata, &answer->job.context, answer->arena, &metadata);
    bool fails = respond && respond->status.grpc && respond->status.grpc->code != GRPC_OK;
    if (fails && !metadata.count && answer_count(answer) == 0) {
        answer_finish(answer);
        return;
    }
    grpc_call_head(call, &metadata, true);
    call->more = answer_more;
    grpc_call_go_on(call);
    answer_pump(answer);
}

static void answer_step(struct timer *timer)
{
    struct grpc_answer *answer = CONTAINER_OF(timer, struct grpc_answer, step);
    if (answer->begun)
        answer_pump(answer);
    else
        answer_begin(answer);
}

static void answer_late(struct timer *timer)
{
    struct grpc_answer *answer = CONTAINER_OF(timer, struct grpc_answer, deadline);
    bool clients = answer->call->deadline_ns && answer->call->deadline_ns <= clock_now() &&
                   !answer->exchange->not_before_ns;
    if (clients)
        answer_end(answer, GRPC_DEADLINE_EXCEEDED, STR("Deadline Exceeded"), NULL);
    else
        answer_end(answer, GRPC_UNAVAILABLE, STR("no answer within limits.respond"), NULL);
}

/** The nearer of the client's deadline and the limit; 0 = none. */
static int64_t answer_deadline(const struct grpc_answer *answer)
{
    /* an answer that a fault holds back beyond the deadline is given all the same */
    int64_t due = answer->exchange->not_before_ns ? 0 : answer->call->deadline_ns;
    int64_t limit = answer->job.give_up_ns;
    if (limit && limit < INT64_MAX - answer->exchange->whole_ns &&
        (!due || answer->exchange->whole_ns + limit < due))
        due = answer->exchange->whole_ns + limit;
    return due;
}

void grpc_answer_start(struct exchange *exchange, const struct respond_job *job)
{
    struct arena *arena = exchange_arena(exchange);
    struct loop *loop = exchange->stream->port->server->loop;
    struct grpc_answer *answer = arena_alloc(arena, sizeof *answer);
    uint16_t port;
    answer->call = exchange->call;
    answer->exchange = exchange;
    answer->arena = arena;
    answer->job = *job;
    answer->job.context.tls = exchange->stream->tls;
    answer->turn = answer->call->first;
    if (!answer->job.context.client_address.data)
        answer->job.context.client_address = exchange_client(exchange, &port);
    answer_asks(answer, answer->call->first);
    if (job->respond && job->respond->every) {
        struct str key = arena_printf(arena, "every " STR_FMT, STR_ARG(job->context.upstream));
        answer->intervals = random_for(job->context.seed, key, job->context.draw);
    }
    timer_init(&answer->step, loop, answer_step);
    timer_init(&answer->deadline, loop, answer_late);
    exchange->responder = answer;
    exchange->responder_gone = answer_gone;
    exchange->responder_writable = answer_writable;
    int64_t due = answer_deadline(answer);
    if (due && due <= clock_now()) {
        answer_late(&answer->deadline);
        return;
    }
    if (due)
        timer_start_at(&answer->deadline, due);
    if (job->delay_ns > 0)
        timer_start(&answer->step, job->delay_ns);
    else
        answer_begin(answer);
}
