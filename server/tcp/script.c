#include "server/tcp/script_private.h"

#include "base/clock.h"
#include "server/server.h"

enum {
    SCRIPT_PIECE = 64 * 1024, /**< written at once */
    SCRIPT_TURN = 256, /**< items and pieces of a turn, before other connections have theirs */
};

/* The end. */

static void run_over(struct script_run *run)
{
    run->state = SCRIPT_OVER;
    timer_stop(&run->timer);
    buf_clear(&run->kept);
}

static void run_finish(struct script_run *run, enum close_how how, bool asked)
{
    const struct script_end end = {.how = how, .asked = asked};
    run_over(run);
    run->user->ended(run->context, &end);
}

static const char *failure_words(enum script_failure failure)
{
    static const char *const words[] = {
        [SCRIPT_PEER_ENDED] = ", then the peer closed the connection",
        [SCRIPT_PEER_RESET] = ", then the peer reset the connection",
        [SCRIPT_TIMEOUT] = ", and no more in time",
        [SCRIPT_TOO_LARGE] = ": more than the 1 MiB that a predicate is tried on",
    };
    return words[failure];
}

/** A receive will never have what it waits for. */
static void run_fail(struct script_run *run, const struct script_receive *receive,
                     enum script_failure failure)
{
    struct buf expected;
    struct buf actual;
    buf_init(&expected, BUF_OWN);
    buf_init(&actual, BUF_OWN);
    receive_describe(receive, &expected);
    if (run->state == SCRIPT_RECEIVING)
        receive_show(run, &actual);
    else
        buf_append_string(&actual, "nothing");
    buf_append_string(&actual, failure_words(failure));
    const struct script_end end = {
        .failure = failure,
        .place = receive->place,
        .expected = buf_str(&expected),
        .actual = buf_str(&actual),
    };
    run_over(run);
    run->user->ended(run->context, &end);
    buf_clear(&expected);
    buf_clear(&actual);
}

/* From item to item. */

static struct script_frame *run_frame(struct script_run *run)
{
    return &run->frames[run->depth];
}

/** Whether nothing of the peer is to be taken any more. */
static bool peer_is_done(const struct script_run *run)
{
    return run->stream->peer_ended && !run->stream->input;
}

/** Goes on behind the innermost endless repeat. */
static void run_leave_endless(struct script_run *run)
{
    while (!run_frame(run)->endless)
        run->depth--;
    run->depth--;
    run->fresh = false;
}

/** The next item; NULL at the end. */
static const struct script_item *run_next(struct script_run *run)
{
    for (;;) {
        struct script_frame *frame = run_frame(run);
        if (frame->at < frame->items->count) {
            const struct script_item *items = frame->items->items;
            return &items[frame->at++];
        }
        if (frame->left) {
            frame->left--;
            frame->at = 0;
        } else if (frame->endless && !peer_is_done(run)) {
            frame->at = 0;
            run->fresh = true;
        } else if (frame->endless) {
            run_leave_endless(run);
        } else if (run->depth) {
            run->depth--;
        } else {
            return NULL;
        }
    }
}

static void run_repeat(struct script_run *run, const struct script_repeat *repeat)
{
    run->depth++;
    GOTO_ASSERT(run->depth <= SCRIPT_DEPTH);
    *run_frame(run) = (struct script_frame){
        .items = &repeat->items,
        .left = repeat->times ? repeat->times - 1 : 0,
        .endless = repeat->times == 0,
    };
    if (repeat->times)
        return;
    run->fresh = true;
    if (peer_is_done(run))
        run_leave_endless(run);
}

/** Writes of the send under way, as far as the peer takes it; `turn` counts pieces down. */
static void run_send(struct script_run *run, int *turn)
{
    struct stream *stream = run->stream;
    run->state = SCRIPT_SENDING;
    for (; run->unsent.size; (*turn)--) {
        if (stream_queued(stream) >= STREAM_HIGH_MARK)
            return;
        if (*turn <= 0) {
            timer_start(&run->timer, 0);
            return;
        }
        struct str piece = str_slice(
            run->unsent, 0, run->unsent.size < SCRIPT_PIECE ? run->unsent.size : SCRIPT_PIECE);
        struct iovec part = {(void *)(uintptr_t)piece.data, piece.size};
        stream_write(stream, &part, 1);
        stream->active_ns = clock_now();
        run->unsent = str_from(run->unsent, piece.size);
    }
    run->state = SCRIPT_GOING;
}

static void run_sleep(struct script_run *run, const struct duration *duration)
{
    run->state = SCRIPT_SLEEPING;
    if (run->user->slept)
        run->user->slept(run->context, true);
    timer_start(&run->timer, random_duration(&run->random, duration));
}

/** The time of a receive begins, unless it may wait for as long as the peer likes. */
static void run_limit(struct script_run *run)
{
    int64_t limit_ns = run->user->receive_ns ? run->user->receive_ns(run->context) : 0;
    if (limit_ns && !run->fresh && !timer_is_active(&run->timer))
        timer_start(&run->timer, limit_ns);
}

/** The peer ended: the receive under way has it all. Whether items go on. */
static void run_receive_end(struct script_run *run, enum script_failure failure)
{
    if (run->fresh && run->taken == 0) {
        timer_stop(&run->timer);
        run_leave_endless(run);
        run->state = SCRIPT_GOING;
    } else if (failure == SCRIPT_PEER_ENDED && receive_holds(run, true)) {
        timer_stop(&run->timer);
        run->state = SCRIPT_GOING;
    } else {
        run_fail(run, receive_of(run), failure);
    }
}

static void run_receive(struct script_run *run)
{
    struct stream *stream = run->stream;
    run->state = SCRIPT_RECEIVING;
    receive_begin(run);
    run_limit(run);
    /* what waits is offered now; within an offer, by who offers */
    stream_pause(stream);
    stream_resume(stream);
    if (run->state == SCRIPT_RECEIVING && stream->peer_ended && !stream->offering)
        run_receive_end(run, SCRIPT_PEER_ENDED);
}

static void run_item(struct script_run *run, const struct script_item *item, int *turn)
{
    enum script_kind kind = script_item_kind(item);
    const void *value = item->chosen.value;
    run->item = item;
    if (kind != ITEM_RECEIVE && kind != ITEM_REPEAT)
        run->fresh = false;
    switch (kind) {
    case ITEM_SEND:
        run->unsent = ((const struct script_payload *)value)->bytes;
        run_send(run, turn);
        break;
    case ITEM_RECEIVE:
        run_receive(run);
        break;
    case ITEM_SLEEP:
        run_sleep(run, value);
        break;
    case ITEM_HALF_CLOSE:
        stream_finish(run->stream);
        break;
    case ITEM_CLOSE:
        run_finish(run, CLOSE_FIN, true);
        break;
    case ITEM_RESET:
        run_finish(run, CLOSE_RST, true);
        break;
    case ITEM_REPEAT:
        run_repeat(run, value);
        break;
    }
}

/** Goes on until something has to be waited for. */
static void run_go(struct script_run *run)
{
    int turn = SCRIPT_TURN;
    run->running = true;
    if (run->state == SCRIPT_SENDING)
        run_send(run, &turn);
    while (run->state == SCRIPT_GOING && !run->stream->closing) {
        if (turn-- <= 0) {
            timer_start(&run->timer, 0);
            break;
        }
        const struct script_item *item = run_next(run);
        if (item)
            run_item(run, item, &turn);
        else
            run_finish(run, CLOSE_FIN, false);
    }
    run->running = false;
    if (run->state != SCRIPT_RECEIVING && run->state != SCRIPT_OVER)
        stream_pause(run->stream);
}

static void run_due(struct timer *timer)
{
    struct script_run *run = CONTAINER_OF(timer, struct script_run, timer);
    struct stream *stream = run->stream;
    stream_enter(stream);
    if (run->state == SCRIPT_RECEIVING) {
        run_fail(run, receive_of(run), SCRIPT_TIMEOUT);
    } else if (run->state == SCRIPT_SLEEPING) {
        run->state = SCRIPT_GOING;
        if (run->user->slept)
            run->user->slept(run->context, false);
        run_go(run);
    } else if (run->state != SCRIPT_OVER) {
        run_go(run);
    }
    stream_leave(stream);
}

void script_start(struct script_run *run, struct stream *stream, const struct tcp_script *script,
                  const struct script_user *user, void *context, struct str key, uint64_t number)
{
    *run = (struct script_run){.stream = stream, .user = user, .context = context};
    run->frames[0] = (struct script_frame){.items = &script->items};
    run->random = random_for(stream->server->seed, key, number);
    buf_init(&run->kept, SCRIPT_MOST_KEPT);
    timer_init(&run->timer, stream->server->loop, run_due);
    stream_enter(stream);
    run_go(run);
    stream_leave(stream);
}

size_t script_bytes(struct script_run *run, struct str bytes)
{
    size_t taken = 0;
    while (taken < bytes.size && run->state == SCRIPT_RECEIVING) {
        bool done = false;
        struct str rest = str_from(bytes, taken);
        size_t now = receive_take(run, rest, &done);
        taken += now;
        run->fresh = false;
        run_limit(run);
        if (run->user->took)
            run->user->took(run->context, str_slice(rest, 0, now));
        if (buf_full(&run->kept)) {
            run_fail(run, receive_of(run), SCRIPT_TOO_LARGE);
        } else if (done) {
            timer_stop(&run->timer);
            run->state = SCRIPT_GOING;
            if (!run->running)
                run_go(run);
        }
    }
    return taken;
}

void script_writable(struct script_run *run)
{
    if (run->state == SCRIPT_SENDING && !run->running)
        run_go(run);
}

/** The next receive in a list from an item on. *stops: an endless repeat stands before it, or
 * before the end. */
static const struct script_receive *list_receive(const struct list *list, size_t from, bool *stops)
{
    const struct script_item *items = list->items;
    const struct script_receive *found = NULL;
    for (size_t i = from; i < list->count && !found && !*stops; i++) {
        enum script_kind kind = script_item_kind(&items[i]);
        const struct script_repeat *repeat = kind == ITEM_REPEAT ? items[i].chosen.value : NULL;
        if (kind == ITEM_RECEIVE)
            found = items[i].chosen.value;
        *stops = repeat && repeat->times == 0;
        if (repeat && repeat->times)
            found = list_receive(&repeat->items, 0, stops);
    }
    return found;
}

/** The receive that still has to come; NULL = none. */
static const struct script_receive *run_lacks(const struct script_run *run)
{
    const struct script_receive *found = NULL;
    bool stops = run->state == SCRIPT_OVER || run->fresh;
    if (!stops && run->state == SCRIPT_RECEIVING)
        return receive_of(run);
    for (size_t i = run->depth + 1; i-- > 0 && !found && !stops;) {
        const struct script_frame *frame = &run->frames[i];
        found = list_receive(frame->items, frame->at, &stops);
        if (!found && !stops && frame->left)
            found = list_receive(frame->items, 0, &stops);
        stops = stops || frame->endless;
    }
    return found;
}

void script_peer_ended(struct script_run *run, bool reset)
{
    const struct script_receive *lacks = reset ? run_lacks(run) : NULL;
    if (run->state == SCRIPT_OVER)
        return;
    if (lacks)
        run_fail(run, lacks, SCRIPT_PEER_RESET);
    else if (reset)
        run_finish(run, CLOSE_RST, false);
    else if (run->state == SCRIPT_RECEIVING && run->stream->peer_ended) {
        run_receive_end(run, SCRIPT_PEER_ENDED);
        if (run->state == SCRIPT_GOING && !run->running)
            run_go(run);
    }
}

void script_time_out(struct script_run *run)
{
    if (run->state == SCRIPT_RECEIVING)
        run_fail(run, receive_of(run), SCRIPT_TIMEOUT);
}

void script_stop(struct script_run *run)
{
    run_over(run);
}

bool script_is_idle(const struct script_run *run)
{
    return run->state == SCRIPT_OVER || (run->state == SCRIPT_RECEIVING && run->taken == 0);
}

bool script_lacks(const struct script_run *run, struct place *place)
{
    const struct script_receive *lacks = run_lacks(run);
    if (lacks)
        *place = lacks->place;
    return lacks;
}

void script_describe(const struct script_run *run, struct buf *into)
{
    if (run->state == SCRIPT_RECEIVING)
        receive_describe(receive_of(run), into);
}
