/**
 * The event loop: libuv for sockets, signals and files; one timerfd with our own heap for every
 * timer.
 *
 * Timers have nanosecond deadlines on the monotonic clock, never fire early, and two of one
 * deadline fire in the order in which they were started. Everything runs on the loop's thread.
 *
 * Sockets are watched by a struct watcher: a uv_poll whose memory is part of its owner, who may
 * free itself only in the closed callback.
 */
#ifndef GOTO_BASE_LOOP_H
#define GOTO_BASE_LOOP_H

#include "base/common.h"

#include <uv.h>

struct loop;
struct timer;

/** Called when a timer is due. The timer is stopped before; it may be started again or its owner
 * freed. */
typedef void (*timer_callback)(struct timer *timer);

/** A one-shot timer, embedded in its owner. */
struct timer {
    struct loop *loop;
    timer_callback callback;
    int64_t due_ns;  /**< monotonic */
    uint64_t order;  /**< breaks ties */
    size_t position; /**< in the heap, from 1; 0 = stopped */
};

/** A new loop; freed by loop_free() once nothing is active on it. NULL if the system has no
 * resources (errno set). */
GOTO_MUST_USE struct loop *loop_new(void);
/** Closes what the loop itself holds, runs close callbacks that wait, and frees it. */
void loop_free(struct loop *loop);
uv_loop_t *loop_uv(struct loop *loop);

/** Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/** One turn without waiting: due timers and ready sockets. Returns whether anything was called. */
bool loop_turn(struct loop *loop);

/** Calls callback(context) in the next turn, before waiting; in the order asked. Cannot be taken
 * back. */
void loop_later(struct loop *loop, void (*callback)(void *context), void *context);

void timer_init(struct timer *timer, struct loop *loop, timer_callback callback);
/** (Re)starts the timer for a monotonic time; one that has passed fires in this or the next turn.
 */
void timer_start_at(struct timer *timer, int64_t due_ns);
/** The same, `delay_ns` from now. */
void timer_start(struct timer *timer, int64_t delay_ns);
void timer_stop(struct timer *timer);
bool timer_is_active(const struct timer *timer);

/** How late the loop itself was at most between two monotonic times (kept for the last minutes), in
 * ns. */
int64_t loop_lag(const struct loop *loop, int64_t from_ns, int64_t to_ns);

struct watcher;
/** `events` is a set of UV_READABLE, UV_WRITABLE, UV_DISCONNECT; an error of the socket shows as
 * readable and writable. */
typedef void (*watcher_callback)(struct watcher *watcher, int events);

/** Watches one file descriptor; embedded in its owner. */
struct watcher {
    uv_poll_t poll;
    struct loop *loop;
    watcher_callback callback;
    void (*closed)(struct watcher *watcher);
    int fd;
    int events; /**< watched now */
};

/** Starts to own the watching (not the closing) of a non-blocking `fd`. Returns 0 or a negative
 * errno. */
GOTO_MUST_USE int watcher_init(struct watcher *watcher, struct loop *loop, int fd,
                               watcher_callback callback);
/** Sets which events are watched; 0 = none. Cheap when nothing changes. */
void watcher_set(struct watcher *watcher, int events);
/**
 * Ends the watching. `closed` is called in a later turn; until then the watcher's memory must stay.
 * The fd may be closed by its owner right after this call.
 */
void watcher_close(struct watcher *watcher, void (*closed)(struct watcher *watcher));

#endif
