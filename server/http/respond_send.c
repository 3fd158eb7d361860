#include "base/clock.h"
#include "server/http/respond_private.h"
#include "server/port/port.h"

/** An answer that is not given in one call: what its exchange's `responder` points to. */
struct answer {
    struct exchange *exchange;
    struct respond_job job;
    struct arena *arena;     /**< the exchange's */
    struct timer step;       /**< the delay, then the next piece of the body */
    struct timer give_up;    /**< limits.respond */
    struct random intervals; /**< draws `every` of pace, stream and events */
    struct random bytes;     /**< of `random` */
    struct str rest;         /**< of a body whose bytes are there */
    uint64_t left;           /**< bytes or items of a body that is made while it is sent */
    z_stream compressor;
    bool compressing;
    uint64_t chunk_left; /**< bytes before the next pause of a paced body */
    int64_t due_ns; /**< monotonic: when the last piece was due, so that pauses do not add up our
                       lateness */
    bool begun;     /**< the final answer's first byte was given away */
    bool blocked;   /**< the connection's queue is full: responder_writable() goes on */
    bool ends_by_close; /**< the body has no other end than the connection's */
};

/** Ends the machine; the exchange is not ours any more. What it lives in goes with the exchange. */
static void answer_leave(struct answer *answer)
{
    timer_stop(&answer->step);
    timer_stop(&answer->give_up);
    if (answer->compressing)
        deflateEnd(&answer->compressor);
    answer->compressing = false;
    answer->exchange->responder = NULL;
    answer->exchange->responder_gone = NULL;
    answer->exchange->responder_writable = NULL;
}

static void answer_gone(struct exchange *exchange)
{
    answer_leave(exchange->responder);
}

/* The body. */

static void answer_finish(struct answer *answer)
{
    const struct respond *respond = answer->job.respond;
    struct exchange *exchange = answer->exchange;
    struct headers trailers = {0};
    if (respond && !answer->job.forced_status)
        respond_written(&respond->trailers, &answer->job.context, answer->arena, &trailers);
    answer_leave(answer);
    exchange_finish(exchange, trailers.count ? &trailers : NULL);
}

static bool answer_makes_items(const struct answer *answer)
{
    return answer->job.respond && (answer->job.respond->stream || answer->job.respond->events);
}

/** What the next piece holds at most: a paced chunk may need several. */
static size_t answer_piece_size(const struct answer *answer)
{
    bool paced = answer->job.respond && answer->job.respond->pace;
    return paced && answer->chunk_left < RESPOND_PIECE ? (size_t)answer->chunk_left : RESPOND_PIECE;
}

/** Whether the body is whole with what was sent. */
static bool answer_is_done(const struct answer *answer)
{
    return answer->left == 0 && answer->rest.size == 0;
}

static void answer_send(struct answer *answer, struct str piece)
{
    if (!answer->compressing) {
        exchange_body(answer->exchange, piece);
        return;
    }
    struct buf packed;
    buf_init(&packed, BUF_OWN);
    int flush = answer_is_done(answer)       ? Z_FINISH
                : answer_makes_items(answer) ? Z_SYNC_FLUSH
                                             : Z_NO_FLUSH;
    compress_piece(&answer->compressor, piece, flush, &packed);
    if (packed.size)
        exchange_body(answer->exchange, buf_str(&packed));
    buf_clear(&packed);
}

/** Sends one item. Its memory does not wait for the exchange's end: there may be millions of them.
 */
static size_t answer_send_item(struct answer *answer)
{
    struct arena *scratch = arena_new();
    struct template_context context = answer->job.context;
    struct str item = respond_item(answer->job.respond, &context, scratch);
    answer->job.context.random = context.random;
    answer->job.context.random_ready = context.random_ready;
    size_t size = item.size;
    answer->left--;
    answer_send(answer, item);
    arena_free(scratch);
    return size + 1;
}

static size_t answer_send_random(struct answer *answer)
{
    char piece[RESPOND_PIECE];
    size_t size = answer_piece_size(answer);
    size = answer->left < size ? (size_t)answer->left : size;
    random_bytes(&answer->bytes, piece, size);
    answer->left -= size;
    answer_send(answer, (struct str){piece, size});
    return size;
}

static size_t answer_send_rest(struct answer *answer)
{
    struct str piece = str_slice(answer->rest, 0, answer_piece_size(answer));
    answer->rest = str_from(answer->rest, piece.size);
    answer_send(answer, piece);
    return piece.size;
}

/** Sends the next piece; returns about how much work it was. */
static size_t answer_send_piece(struct answer *answer)
{
    if (answer_makes_items(answer))
        return answer_send_item(answer);
    size_t size = answer->left ? answer_send_random(answer) : answer_send_rest(answer);
    answer->chunk_left -= answer->chunk_left < size ? answer->chunk_left : size;
    return size;
}

/** The time before the next piece, drawn: of the next item, or of a paced body whose chunk is sent.
 */
static int64_t answer_interval(struct answer *answer)
{
    const struct respond *respond = answer->job.respond;
    if (answer_makes_items(answer))
        return random_duration(&answer->intervals,
                               &(respond->events ? respond->events : respond->stream)->every);
    if (!respond || !respond->pace || answer->chunk_left)
        return 0;
    answer->chunk_left = respond->pace->chunk;
    return random_duration(&answer->intervals, &respond->pace->every);
}

static int64_t time_after(int64_t time_ns, int64_t delay_ns)
{
    return delay_ns > INT64_MAX - time_ns ? INT64_MAX : time_ns + delay_ns;
}

static void answer_wait(struct answer *answer, int64_t interval)
{
    int64_t now = clock_now();
    answer->due_ns = time_after(answer->due_ns, interval);
    if (answer->due_ns < now)
        answer->due_ns = now;
    timer_start_at(&answer->step, answer->due_ns);
}

/** Sends pieces until the body is whole, time is to pass, the queue is full, or others should have
 * a turn. */
static void answer_pump(struct answer *answer)
{
    size_t sent = 0;
    while (!answer_is_done(answer)) {
        if (exchange_queued(answer->exchange) > STREAM_HIGH_MARK) {
            answer->blocked = true;
            return;
        }
        sent += answer_send_piece(answer);
        if (answer_is_done(answer))
            break;
        int64_t interval = answer_interval(answer);
        if (interval > 0 || sent >= RESPOND_TURN) {
            answer_wait(answer, interval);
            return;
        }
    }
    answer_finish(answer);
}

static void answer_writable(struct exchange *exchange)
{
    struct answer *answer = exchange->responder;
    if (!answer->blocked)
        return;
    answer->blocked = false;
    answer_pump(answer);
}

/* The head. */

static bool header_is_dropped(const struct respond *respond, struct str name)
{
    const struct respond_values *values = respond_header(&respond->headers, name);
    return values && values->dropped;
}

/** Fills what the block says about its framing and end. */
static void head_framing(struct response_head *head, const struct respond *respond)
{
    head->chunked = respond->chunked || respond->trailers.count;
    bool chunks = head->chunked || head->content_length < 0;
    head->no_framing =
        header_is_dropped(respond, chunks ? STR("transfer-encoding") : STR("content-length"));
    head->no_date = respond_header(&respond->headers, STR("date")) != NULL;
    head->close = respond->close;
}

/** Prepares a body that is made while it is sent; returns its length, -1 if that is not known
 * before. */
static int64_t answer_produce(struct answer *answer)
{
    const struct respond *respond = answer->job.respond;
    if (respond->random) {
        struct str key =
            arena_printf(answer->arena, "random " STR_FMT, STR_ARG(answer->job.context.upstream));
        answer->bytes = random_for(answer->job.context.seed, key, answer->job.context.draw);
        answer->left = random_between(&answer->bytes, respond->random->low, respond->random->high);
    } else {
        answer->left = (respond->events ? respond->events : respond->stream)->count;
    }
    if (respond->compress) {
        compress_start(&answer->compressor, (enum respond_compress)respond->compress);
        answer->compressing = true;
    }
    return respond->compress || !respond->random || answer->left > INT64_MAX
               ? -1
               : (int64_t)answer->left;
}

/** Whether the answer was made before and is given in one call. What a connection may not take at
 * once is sent piece by piece: who leaves in the middle has aborted it. */
static bool respond_is_at_once(const struct respond *respond)
{
    return respond->prepared && respond->prepared->body.size <= STREAM_HIGH_MARK;
}

/** The body of a block whose bytes are there before it is sent, as it goes onto the wire. */
static struct str answer_body(struct answer *answer)
{
    const struct respond *respond = answer->job.respond;
    if (respond->prepared)
        return respond->prepared->body;
    struct str body = respond_body(respond, answer->exchange, &answer->job.context, answer->arena);
    if (!respond->compress)
        return body;
    return compress_whole(body, (enum respond_compress)respond->compress, answer->arena);
}

/** The head of a block's answer; the body is made ready. */
static void answer_compose(struct answer *answer, struct response_head *head,
                           struct headers *headers)
{
    const struct respond *respond = answer->job.respond;
    struct template_context *context = &answer->job.context;
    head->status = respond->status.http ? (unsigned)respond->status.http : 200;
    if (respond->reason)
        head->reason = respond_line(respond->reason, context, answer->arena);
    respond_headers(respond, context, answer->arena, headers);
    if (respond_is_produced(respond)) {
        head->content_length = answer_produce(answer);
    } else {
        answer->rest = answer_body(answer);
        head->content_length = (int64_t)answer->rest.size;
    }
    head_framing(head, respond);
    if (respond->pace)
        answer->chunk_left = respond->pace->chunk;
}

/** The head of an answer without a block. */
static void answer_compose_own(struct answer *answer, struct response_head *head,
                               struct headers *headers)
{
    const struct respond_job *job = &answer->job;
    head->status = job->forced_status ? job->forced_status : job->status ? job->status : 200;
    if (!job->forced_status && job->json.size) {
        headers_add(headers, answer->arena, STR("content-type"), STR("application/json"));
        answer->rest = job->json;
    }
    head->content_length = (int64_t)answer->rest.size;
}

/** The status that raw bytes show: "HTTP/1.1 NNN"; 0 if they show none. */
static unsigned raw_status(struct str bytes)
{
    uint64_t status;
    ptrdiff_t blank = str_find_byte(bytes, ' ');
    bool http = str_starts(bytes, STR("HTTP/")) && blank > 0;
    return http && str_to_u64(str_slice(bytes, (size_t)blank + 1, 3), 999, &status)
               ? (unsigned)status
               : 0;
}

/** Answers that are given in one call; false if it is none of them. */
static bool answer_give(struct answer *answer)
{
    const struct respond *respond = answer->job.respond;
    struct exchange *exchange = answer->exchange;
    if (!respond || answer->job.forced_status || (!respond->raw && !respond_is_at_once(respond)))
        return false;
    struct str raw = {0};
    if (respond->raw)
        raw = template_text(respond->raw, &answer->job.context, answer->arena);
    answer_leave(answer);
    if (respond->raw)
        exchange_raw(exchange, raw_status(raw), raw, respond->close);
    else
        exchange_static(exchange, respond->prepared);
    return true;
}

/** The delay is over: the head, and what of the body goes at once. */
static void answer_begin(struct answer *answer)
{
    struct exchange *exchange = answer->exchange;
    struct headers headers = {0};
    struct response_head head = {.headers = &headers};
    answer->begun = true;
    if (answer_give(answer))
        return;
    if (answer->job.respond && !answer->job.forced_status)
        answer_compose(answer, &head, &headers);
    else
        answer_compose_own(answer, &head, &headers);
    answer->ends_by_close =
        head.no_framing || (head.content_length < 0 && exchange->request.version == HTTP_1_0);
    answer->due_ns = clock_now();
    exchange_head(exchange, &head);
    if (str_is(exchange->request.method, "HEAD") || http_status_is_bodiless(head.status)) {
        answer_finish(answer);
        return;
    }
    if (answer_is_done(answer) && answer->compressing)
        answer_send(answer, (struct str){0});
    answer_pump(answer);
}

/* Time. */

static void answer_step(struct timer *timer)
{
    struct answer *answer = CONTAINER_OF(timer, struct answer, step);
    if (answer->begun)
        answer_pump(answer);
    else
        answer_begin(answer);
}

static void answer_replace(struct answer *answer)
{
    timer_stop(&answer->step);
    answer->job.respond = NULL;
    answer->job.forced_status = 0;
    answer->job.status = 503;
    answer->job.json = STR("{\"error\":\"no answer was begun within limits.respond\"}");
    answer_begin(answer);
}

static void answer_give_up(struct timer *timer)
{
    struct answer *answer = CONTAINER_OF(timer, struct answer, give_up);
    struct exchange *exchange = answer->exchange;
    if (!answer->begun) {
        answer_replace(answer);
        return;
    }
    bool looks_whole = answer->ends_by_close;
    answer_leave(answer);
    exchange_cut(exchange, looks_whole ? CLOSE_RST : CLOSE_FIN);
}

/** Whether the time for an answer is over. */
static bool job_is_late(const struct respond_job *job, const struct exchange *exchange)
{
    return job->give_up_ns && clock_now() - exchange->whole_ns >= job->give_up_ns;
}

static void answer_inform(struct answer *answer)
{
    const struct respond *respond = answer->job.respond;
    /* RFC 9110 section 15.2: no 1xx to an HTTP/1.0 client. */
    if (!respond || answer->job.forced_status || answer->exchange->request.version == HTTP_1_0)
        return;
    const struct respond_informational *informational = respond->informational.items;
    for (size_t i = 0; i < respond->informational.count; i++) {
        struct headers headers = {0};
        respond_written(&informational[i].headers, &answer->job.context, answer->arena, &headers);
        exchange_informational(answer->exchange, (unsigned)informational[i].status, &headers);
    }
}

static struct answer *answer_new(struct exchange *exchange, const struct respond_job *job)
{
    struct arena *arena = exchange_arena(exchange);
    struct loop *loop = exchange->stream->port->server->loop;
    struct answer *answer = arena_alloc(arena, sizeof *answer);
    uint16_t port;
    answer->exchange = exchange;
    answer->arena = arena;
    answer->job = *job;
    answer->job.context.tls = exchange->stream->tls;
    if (!answer->job.context.client_address.data)
        answer->job.context.client_address = exchange_client(exchange, &port);
    struct str key = arena_printf(arena, "every " STR_FMT, STR_ARG(job->context.upstream));
    answer->intervals = random_for(job->context.seed, key, job->context.draw);
    timer_init(&answer->step, loop, answer_step);
    timer_init(&answer->give_up, loop, answer_give_up);
    exchange->responder = answer;
    exchange->responder_gone = answer_gone;
    exchange->responder_writable = answer_writable;
    return answer;
}

void respond_start(struct exchange *exchange, const struct respond_job *job)
{
    const struct respond *respond = job->respond;
    bool late = job_is_late(job, exchange);
    bool plain = respond && respond_is_at_once(respond) && !respond->informational.count &&
                 !job->forced_status;
    if (plain && job->delay_ns <= 0 && !late) {
        exchange_static(exchange, respond->prepared);
        return;
    }
    struct answer *answer = answer_new(exchange, job);
    if (late) {
        answer_replace(answer);
        return;
    }
    if (job->give_up_ns)
        timer_start_at(&answer->give_up, time_after(exchange->whole_ns, job->give_up_ns));
    answer_inform(answer);
    if (job->delay_ns > 0)
        timer_start(&answer->step, job->delay_ns);
    else
        answer_begin(answer);
}
