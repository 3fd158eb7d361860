#include "server/http/h2.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/http/h2_private.h"
#include "server/http/upstream.h"
#include "server/port/port.h"
#include "server/stream/scratch.h"

#include <string.h>

enum {
    H2_FINAL_WAIT_NS = 1000 * 1000 * 1000, /**< for the answer to the PING of a drain */
    H2_MOST_DEBUG = 16384 - 8, /**< debug data of a GOAWAY that keeps to the frame size */
    H2_MOST_ANSWER_HEAD = 64 * 1024 * 1024,
};

/** What nghttp2 keeps for a stream that we reset. */
static char reset_mark;

bool h2_reset_is_ours(const void *stream_user_data)
{
    return stream_user_data == &reset_mark;
}

bool h2_is(const struct stream *stream)
{
    return stream->protocol == &h2_protocol;
}

uint32_t h2_stream_id(const struct exchange *exchange)
{
    return exchange->stream_id;
}

const struct limits *h2_limits(const struct h2 *h2)
{
    return upstream_limits(h2->stream->port->owner);
}

void h2_journal_refused(struct h2 *h2, unsigned status, struct str why)
{
    struct entry entry = journal_entry(ENTRY_REFUSED, h2->stream->port->name_id);
    entry.connection = h2->stream->number;
    entry.status = (uint16_t)status;
    journal_append(h2->stream->port->server->journal, &entry, why);
}

/* Limits in time. */

static int64_t time_after(int64_t from_ns, int64_t delay_ns)
{
    return delay_ns > INT64_MAX - from_ns ? INT64_MAX : from_ns + delay_ns;
}

/** The request that is not whole and not refused, and has been so for the longest time of those
 * whose time counts; or NULL. */
static struct h2_exchange *oldest_reading(const struct h2 *h2)
{
    struct h2_exchange *oldest = NULL;
    bool since_last_byte;
    for (struct h2_exchange *x = h2->reading ? h2->oldest : NULL; x; x = x->next) {
        if (x->is_reading && exchange_is_timed(&x->exchange, &since_last_byte) &&
            (!oldest || x->began_ns < oldest->began_ns))
            oldest = x;
    }
    return oldest;
}

/** Whether it is the client whom everything waits for: no request is under way, but for answers
 * that wait for its window. */
static bool is_quiet(const struct h2 *h2)
{
    for (const struct h2_exchange *x = h2->oldest; x; x = x->next) {
        if (x->exchange.state != EXCHANGE_SENDING && !x->refused)
            return false;
    }
    return true;
}

static int64_t read_due(const struct h2 *h2, const struct limits *limits)
{
    const struct h2_exchange *x = limits->read_ns ? oldest_reading(h2) : NULL;
    return x ? time_after(x->began_ns, limits->read_ns) : INT64_MAX;
}

/** The refused request that is reset next, or NULL. */
static struct h2_exchange *next_lingering(const struct h2 *h2)
{
    struct h2_exchange *next = NULL;
    for (struct h2_exchange *x = h2->lingering ? h2->oldest : NULL; x; x = x->next) {
        if (x->linger_ns && (!next || x->linger_ns < next->linger_ns))
            next = x;
    }
    return next;
}

static int64_t linger_due(const struct h2 *h2)
{
    const struct h2_exchange *x = next_lingering(h2);
    return x ? x->linger_ns : INT64_MAX;
}

static int64_t idle_due(const struct h2 *h2, const struct limits *limits)
{
    bool counts = limits->idle_ns && is_quiet(h2);
    return counts ? time_after(h2->stream->active_ns, limits->idle_ns) : INT64_MAX;
}

static int64_t life_due(const struct h2 *h2, const struct limits *limits)
{
    bool counts = limits->life_ns && !h2->draining;
    return counts ? time_after(h2->stream->accepted_ns, limits->life_ns) : INT64_MAX;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/** Has the timer fire at the next limit, or before it: a busy connection does not touch it. */
static void h2_arm(struct h2 *h2)
{
    const struct limits *limits = h2_limits(h2);
    int64_t due = earlier(read_due(h2, limits), idle_due(h2, limits));
    due = earlier(due, life_due(h2, limits));
    due = earlier(due, linger_due(h2));
    due = earlier(due, h2->final_ns ? h2->final_ns : INT64_MAX);
    if (due == INT64_MAX || (timer_is_active(&h2->timer) && h2->timer.due_ns <= due))
        return;
    timer_start_at(&h2->timer, due);
}

/** The client has to do something and does not. */
static void h2_end_idle(struct h2 *h2)
{
    if (!h2->final)
        h2_submit_goaway(h2, NGHTTP2_NO_ERROR, H2_LAST_SEEN, (struct str){NULL, 0});
    h2->upgrading = false;
    h2_flush(h2);
    stream_close(h2->stream, CLOSE_FIN);
}

static void h2_due(struct timer *timer)
{
    struct h2 *h2 = CONTAINER_OF(timer, struct h2, timer);
    const struct limits *limits = h2_limits(h2);
    int64_t now = clock_now();
    if (h2->stream->closing)
        return;
    h2_enter(h2);
    if (read_due(h2, limits) <= now)
        h2_refuse(oldest_reading(h2), 408, "the request was not whole within the limit `read`");
    if (linger_due(h2) <= now) {
        struct h2_exchange *x = next_lingering(h2);
        h2_submit_reset(h2, (int32_t)x->exchange.stream_id, NGHTTP2_NO_ERROR);
        h2_exchange_free(x);
    }
    if (h2->final_ns && h2->final_ns <= now)
        h2_submit_goaway(h2, NGHTTP2_NO_ERROR, H2_LAST_SEEN, (struct str){NULL, 0});
    if (life_due(h2, limits) <= now)
        stream_close(h2->stream, CLOSE_DRAIN);
    if (idle_due(h2, limits) <= now)
        h2_end_idle(h2);
    h2_leave(h2);
}

/* Turns. */

/** Whether what is left are exchanges that were cut and left silent: nothing more comes of them. */
static bool has_no_more(const struct h2 *h2)
{
    for (const struct h2_exchange *x = h2->oldest; x; x = x->next) {
        if (x->exchange.state != EXCHANGE_ENDED)
            return false;
    }
    return true;
}

/** Ends the connection if nothing is left to be done. */
static void h2_settle(struct h2 *h2)
{
    struct stream *stream = h2->stream;
    bool writes = nghttp2_session_want_write(h2->session) || h2->raw.size || h2_floods_hold(h2);
    bool over = !writes && !nghttp2_session_want_read(h2->session) && !h2->keep;
    bool done = (stream->peer_ended || (h2->final && !h2->keep)) && !writes && has_no_more(h2);
    if (over || done || (h2->ending && (h2->told || !writes)))
        stream_close(stream, CLOSE_FIN);
}

static void h2_run(struct h2 *h2)
{
    struct stream *stream = h2->stream;
    while (!stream->closing) {
        while (h2->due && !stream->closing)
            h2_look(h2);
        h2_flush(h2);
        if (!h2->due)
            break;
    }
    if (!stream->closing)
        h2_settle(h2);
    if (!stream->closing)
        h2_arm(h2);
}

void h2_enter(struct h2 *h2)
{
    stream_enter(h2->stream);
    h2->turns++;
}

void h2_leave(struct h2 *h2)
{
    struct stream *stream = h2->stream;
    if (h2->turns == 1 && !h2->receiving && !h2->flushing)
        h2_run(h2);
    h2->turns--;
    stream_leave(stream);
}

static void h2_soon(struct timer *timer)
{
    struct h2 *h2 = CONTAINER_OF(timer, struct h2, soon);
    h2_enter(h2);
    h2_leave(h2);
}

/** Takes all frames that may leave now; the bytes that wait behind them; some of floods. False when
 * the stream takes no more, or nothing is left for this turn. */
static bool flush_into(struct h2 *h2, struct buf *out)
{
    while (out->size < H2_WRITE) {
        if (stream_queued(h2->stream) + out->size > STREAM_HIGH_MARK)
            return false;
        bool held = h2_floods_hold(h2);
        if (!held && h2_take_frame(h2, out))
            continue;
        if (!held) {
            buf_append(out, buf_str(&h2->raw));
            buf_clear(&h2->raw);
        }
        /* one piece of a flood each turn of the loop: others want to be heard, too */
        if (h2->floods && h2_floods_take(h2, out))
            timer_start(&h2->soon, 0);
        /* what waited for it */
        return held && !h2_floods_hold(h2);
    }
    return true;
}

void h2_flush(struct h2 *h2)
{
    struct stream *stream = h2->stream;
    struct scratch *scratch = server_scratch(stream->port->server);
    if (h2->flushing || h2->receiving || h2->upgrading || stream->closing)
        return;
    /* taken out of the scratch: what observers of the journal do meanwhile may need it */
    struct buf out = scratch->frames;
    buf_init(&scratch->frames, BUF_OWN);
    stream_enter(stream);
    timer_stop(&h2->soon);
    h2->flushing = true;
    for (bool more = true; more && !stream->closing;) {
        more = flush_into(h2, &out);
        struct iovec part = {out.data, out.size};
        stream_write(stream, &part, 1);
        scratch_reset(&out);
    }
    h2->flushing = false;
    buf_clear(&scratch->frames);
    scratch->frames = out;
    if (!h2->turns && h2->due && !stream->closing)
        timer_start(&h2->soon, 0);
    stream_leave(stream);
}

/* What our side ends. */

void h2_submit_reset(struct h2 *h2, int32_t stream_id, uint32_t code)
{
    nghttp2_session_set_stream_user_data(h2->session, stream_id, &reset_mark);
    (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream_id, code);
}

void h2_reset(struct exchange *exchange, uint32_t code)
{
    struct h2_exchange *x = h2_exchange_of(exchange);
    struct h2 *h2 = x->h2;
    if (h2->stream->closing || exchange->state == EXCHANGE_ENDED)
        return;
    h2_enter(h2);
    /* it is over before observers of the journal hear of anything */
    exchange_gone(exchange, false);
    /* what was given of an answer goes before */
    h2_flush(h2);
    if (!h2->stream->closing) {
        if (!x->closed)
            h2_submit_reset(h2, (int32_t)exchange->stream_id, code);
        h2_exchange_free(x);
    }
    h2_leave(h2);
}

void h2_submit_goaway(struct h2 *h2, uint32_t code, int64_t last, struct str debug)
{
    int32_t id = last < 0           ? nghttp2_session_get_last_proc_stream_id(h2->session)
                 : last > INT32_MAX ? INT32_MAX
                                    : (int32_t)last;
    /* even streams are not the client's: there is no request between */
    if (id > 0 && id % 2 == 0)
        id--;
    if (debug.size > H2_MOST_DEBUG)
        debug.size = H2_MOST_DEBUG;
    if (nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, id, code, (const uint8_t *)debug.data,
                              debug.size) == 0)
        h2->ours++;
    h2->final = true;
    h2->final_ns = 0;
}

void h2_goaway(struct stream *stream, uint32_t code, int64_t last, struct str debug, bool keep)
{
    struct h2 *h2 = stream->state;
    if (!h2_is(stream) || stream->closing)
        return;
    h2_enter(h2);
    h2_submit_goaway(h2, code, last, debug);
    h2->keep = h2->keep || keep;
    h2->ending = h2->ending || (code != NGHTTP2_NO_ERROR && !keep);
    h2_leave(h2);
}

void h2_goaway_finish(struct stream *stream, uint32_t code, int64_t last, struct str debug)
{
    struct h2 *h2 = stream->state;
    if (!h2_is(stream) || stream->closing)
        return;
    h2_enter(h2);
    h2_submit_goaway(h2, code, last, debug);
    h2_leave(h2);
}

void h2_raw(struct stream *stream, struct str bytes)
{
    struct h2 *h2 = stream->state;
    if (!h2_is(stream) || stream->closing)
        return;
    h2_enter(h2);
    h2_flush(h2);
    (void)buf_append(&h2->raw, bytes);
    h2_flush(h2);
    h2_leave(h2);
}

/* The stream's calls. */

/** nghttp2 gave the session up, without a word to the client. */
static void h2_fail(struct h2 *h2, int error)
{
    struct stream *stream = h2->stream;
    struct str why = str_of(nghttp2_strerror(error));
    bool flood = error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
    uint32_t code = flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    struct buf frame;
    buf_init(&frame, BUF_OWN);
    h2_append_frame_head(&frame, 8 + why.size, NGHTTP2_GOAWAY);
    h2_append_number(&frame, (uint32_t)last, 4);
    h2_append_number(&frame, code, 4);
    buf_append(&frame, why);
    struct iovec part = {frame.data, frame.size};
    stream_write(stream, &part, 1);
    buf_clear(&frame);
    struct entry entry = journal_entry(ENTRY_GOAWAY, stream->port->name_id);
    entry.connection = stream->number;
    entry.value = code;
    entry.extra = (uint64_t)last;
    entry.flags = ENTRY_CLOSED_BY_SERVER;
    journal_append(stream->port->server->journal, &entry, why);
    h2_journal_refused(h2, 0, why);
    stream_close(stream, CLOSE_FIN);
}

static size_t h2_bytes(struct stream *stream, struct str bytes)
{
    struct h2 *h2 = stream->state;
    h2_enter(h2);
    h2->why[0] = '\0';
    h2->upgrading = false;
    h2->receiving = true;
    int error = h2_feed(h2, bytes);
    h2->receiving = false;
    if (error && !stream->closing)
        h2_fail(h2, error);
    h2_leave(h2);
    return bytes.size;
}

static void h2_writable(struct stream *stream)
{
    struct h2 *h2 = stream->state;
    h2_enter(h2);
    h2_leave(h2);
}

static void h2_ended(struct stream *stream, bool reset)
{
    struct h2 *h2 = stream->state;
    h2_enter(h2);
    for (struct h2_exchange *x = h2->oldest; x; x = x->next) {
        x->closed = x->closed || reset;
        x->reset = x->reset || reset;
        x->ended = true;
        h2_notice(x);
    }
    /* after RST the stream goes in this very call: nothing may wait for a later turn */
    if (reset) {
        while (h2->due && !stream->closing)
            h2_look(h2);
    }
    h2_leave(h2);
}

static void h2_closing(struct stream *stream)
{
    struct h2 *h2 = stream->state;
    h2_floods_stop(h2);
    timer_stop(&h2->timer);
    timer_stop(&h2->soon);
    /* from here on no exchange is freed before gone() */
    for (struct h2_exchange *x = h2->oldest; x; x = x->next)
        exchange_gone(&x->exchange, false);
}

/**
 * A graceful end (RFC 9113 section 6.8): a GOAWAY that only warns, then, when the client's answer
 * to a PING shows what it had sent before it knew, one that says where the line is.
 */
static void h2_drain(struct stream *stream)
{
    struct h2 *h2 = stream->state;
    if (h2->draining)
        return;
    h2->draining = true;
    h2_enter(h2);
    if (!h2->final && nghttp2_submit_shutdown_notice(h2->session) == 0) {
        h2->ours++;
        (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
        h2->final_ns = clock_now() + H2_FINAL_WAIT_NS;
    }
    h2_leave(h2);
}

static bool h2_is_idle(const struct stream *stream)
{
    const struct h2 *h2 = stream->state;
    return !h2->oldest;
}

static void h2_gone(struct stream *stream)
{
    struct h2 *h2 = stream->state;
    timer_stop(&h2->timer);
    timer_stop(&h2->soon);
    for (struct h2_exchange *x = h2->oldest; x; x = x->next)
        exchange_gone(&x->exchange, true);
    while (h2->oldest)
        h2_exchange_free(h2->oldest);
    h2_floods_stop(h2);
    nghttp2_session_del(h2->session);
    buf_clear(&h2->raw);
    buf_clear(&h2->settings);
    memory_free(h2);
}

/* The beginning. */

static void *mem_alloc(size_t size, void *user)
{
    (void)user;
    return memory_resize(NULL, size);
}

static void mem_free(void *block, void *user)
{
    (void)user;
    memory_free(block);
}

static void *mem_alloc_array(size_t count, size_t size, void *user)
{
    (void)user;
    return memory_alloc_array(count, size);
}

static void *mem_resize(void *block, size_t size, void *user)
{
    (void)user;
    return memory_resize(block, size);
}

/** nghttp2 with our heap: it never sees memory run out. */
static nghttp2_mem h2_heap = {
    .malloc = mem_alloc,
    .free = mem_free,
    .calloc = mem_alloc_array,
    .realloc = mem_resize,
};

static void h2_open(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    GOTO_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    GOTO_ASSERT(nghttp2_option_new(&option) == 0);
    h2_set_read_callbacks(callbacks);
    h2_set_write_callbacks(callbacks);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, H2_MOST_ANSWER_HEAD);
    GOTO_ASSERT(nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &h2_heap) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
}

static void *h2_start(struct stream *stream)
{
    struct h2 *h2 = memory_alloc(sizeof *h2);
    struct loop *loop = stream->port->server->loop;
    struct h2_begin begin = {.h2 = h2};
    h2->stream = stream;
    h2->most = H2_STREAMS;
    h2->framing.skip = NGHTTP2_CLIENT_MAGIC_LEN;
    buf_init(&h2->raw, BUF_OWN);
    buf_init(&h2->settings, BUF_OWN);
    timer_init(&h2->timer, loop, h2_due);
    timer_init(&h2->soon, loop, h2_soon);
    if (stream->port->h2_begin)
        stream->port->h2_begin(stream, &begin);
    h2_open(h2);
    h2->holds_window = begin.no_window;
    h2->silence = begin.silence;
    if (!begin.no_settings)
        h2_begin_settings(h2, &begin);
    buf_append(&h2->raw, begin.raw);
    h2_flush(h2);
    h2_arm(h2);
    return h2;
}

void h2_upgraded(struct stream *stream, struct str settings, const struct request *request,
                 struct arena *arena, struct buf *body)
{
    struct h2 *h2 = stream->state;
    h2_enter(h2);
    struct h2_exchange *x = h2_exchange_new(h2, 1);
    h2_past_open(&h2->past, 1);
    arena_free(x->exchange.arena);
    x->exchange.arena = arena;
    x->exchange.request = *request;
    buf_clear(&x->body);
    x->body = *body;
    /* the answer waits for the client's preface: some clients keep little of what comes right
     * behind the 101 (curl 7.88: 32 KiB) */
    h2->upgrading = true;
    int error = nghttp2_session_upgrade2(h2->session, (const uint8_t *)settings.data, settings.size,
                                         str_is(request->method, "HEAD"), NULL);
    if (error == 0) {
        nghttp2_session_set_stream_user_data(h2->session, 1, x);
        h2_head_whole(x, true);
    } else if (!stream->closing) {
        h2_fail(h2, error);
    }
    h2_leave(h2);
}

const struct protocol h2_protocol = {
    .name = "h2",
    .start = h2_start,
    .bytes = h2_bytes,
    .writable = h2_writable,
    .ended = h2_ended,
    .closing = h2_closing,
    .drain = h2_drain,
    .is_idle = h2_is_idle,
    .gone = h2_gone,
};
