#include "base/loop.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/** How late the loop was, kept by slices of time: enough to explain a missed bound. */
enum { LAG_SLICES = 1024, LAG_SLICE_NS = 100 * 1000 * 1000 };

struct later {
    void (*callback)(void *context);
    void *context;
};

struct loop {
    uv_loop_t uv;
    uv_poll_t timer_poll;
    uv_idle_t later_idle; /**< keeps the loop from waiting while something is to be called in the
                             next turn */
    uv_prepare_t prepare;
    int timer_fd;
    int64_t armed_ns;    /**< what the timerfd is set to; 0 = not set */
    struct timer **heap; /**< from index 1 */
    size_t heap_count;
    size_t heap_capacity;
    uint64_t order;
    struct later *laters;
    size_t later_count;
    size_t later_capacity;
    uint64_t called; /**< callbacks called so far */
    int64_t lag_slice[LAG_SLICES];
    int64_t lag_ns[LAG_SLICES];
};

static bool timer_before(const struct timer *a, const struct timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_place(struct loop *loop, struct timer *timer, size_t position)
{
    loop->heap[position] = timer;
    timer->position = position;
}

static void heap_up(struct loop *loop, size_t position)
{
    struct timer *timer = loop->heap[position];
    while (position > 1 && timer_before(timer, loop->heap[position / 2])) {
        heap_place(loop, loop->heap[position / 2], position);
        position /= 2;
    }
    heap_place(loop, timer, position);
}

static void heap_down(struct loop *loop, size_t position)
{
    struct timer *timer = loop->heap[position];
    for (;;) {
        size_t child = position * 2;
        if (child > loop->heap_count)
            break;
        if (child < loop->heap_count && timer_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!timer_before(loop->heap[child], timer))
            break;
        heap_place(loop, loop->heap[child], position);
        position = child;
    }
    heap_place(loop, timer, position);
}

static void heap_insert(struct loop *loop, struct timer *timer)
{
    memory_grow(&loop->heap, loop->heap_count + 1, &loop->heap_capacity, sizeof(struct timer *));
    loop->heap_count++;
    heap_place(loop, timer, loop->heap_count);
    heap_up(loop, loop->heap_count);
}

static void heap_remove(struct loop *loop, struct timer *timer)
{
    size_t position = timer->position;
    struct timer *last = loop->heap[loop->heap_count--];
    timer->position = 0;
    if (last == timer)
        return;
    heap_place(loop, last, position);
    heap_up(loop, position);
    heap_down(loop, last->position);
}

/** Sets the timerfd to the nearest deadline, unless it fires before that anyway: what was set for a
 * timer that was stopped wakes us once for nothing, which costs less than to set it twice. */
static void loop_arm(struct loop *loop)
{
    int64_t due = loop->heap_count ? loop->heap[1]->due_ns : 0;
    struct itimerspec spec = {0};
    if (!loop->heap_count || (loop->armed_ns && loop->armed_ns <= due))
        return;
    /* a deadline of 0 or in the past would disarm the timerfd: 1 ns fires at once */
    int64_t at = due > 0 ? due : 1;
    spec.it_value.tv_sec = at / CLOCK_SECOND;
    spec.it_value.tv_nsec = at % CLOCK_SECOND;
    GOTO_ASSERT(timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0);
    loop->armed_ns = due;
}

static void lag_note(struct loop *loop, int64_t due_ns, int64_t now_ns)
{
    int64_t slice = due_ns / LAG_SLICE_NS;
    size_t slot = (size_t)(slice % LAG_SLICES);
    if (loop->lag_slice[slot] != slice) {
        loop->lag_slice[slot] = slice;
        loop->lag_ns[slot] = 0;
    }
    if (now_ns - due_ns > loop->lag_ns[slot])
        loop->lag_ns[slot] = now_ns - due_ns;
}

int64_t loop_lag(const struct loop *loop, int64_t from_ns, int64_t to_ns)
{
    int64_t worst = 0;
    for (size_t i = 0; i < LAG_SLICES; i++) {
        int64_t start = loop->lag_slice[i] * LAG_SLICE_NS;
        if (loop->lag_slice[i] && start + LAG_SLICE_NS > from_ns && start <= to_ns &&
            loop->lag_ns[i] > worst)
            worst = loop->lag_ns[i];
    }
    return worst;
}

static void loop_run_timers(struct loop *loop)
{
    int64_t now = clock_now();
    /* timers started by these callbacks wait for the next turn, so that sockets get theirs */
    uint64_t before = loop->order;
    while (loop->heap_count && loop->heap[1]->due_ns <= now) {
        struct timer *timer = loop->heap[1];
        if (timer->order > before)
            break;
        heap_remove(loop, timer);
        lag_note(loop, timer->due_ns, now);
        loop->called++;
        timer->callback(timer);
    }
}

static void loop_timer_ready(uv_poll_t *poll, int status, int events)
{
    struct loop *loop = poll->data;
    uint64_t expirations;
    (void)status;
    (void)events;
    ssize_t got = read(loop->timer_fd, &expirations, sizeof expirations);
    (void)got;
    loop->armed_ns = 0;
    loop_run_timers(loop);
}

static void loop_run_laters(struct loop *loop)
{
    size_t count = loop->later_count;
    struct later *laters = loop->laters;
    loop->laters = NULL;
    loop->later_count = 0;
    loop->later_capacity = 0;
    for (size_t i = 0; i < count; i++) {
        loop->called++;
        laters[i].callback(laters[i].context);
    }
    memory_free(laters);
}

static void loop_idle(uv_idle_t *idle)
{
    struct loop *loop = idle->data;
    loop_run_laters(loop);
}

/** Just before waiting: what is due runs, the timerfd is set for what comes. */
static void loop_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    if (loop->later_count == 0)
        uv_idle_stop(&loop->later_idle);
    loop_arm(loop);
}

struct loop *loop_new(void)
{
    struct loop *loop = memory_alloc(sizeof *loop);
    int error = uv_loop_init(&loop->uv);
    if (error) {
        memory_free(loop);
        errno = -error;
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) {
        int saved = errno;
        uv_loop_close(&loop->uv);
        memory_free(loop);
        errno = saved;
        return NULL;
    }
    uv_poll_init(&loop->uv, &loop->timer_poll, loop->timer_fd);
    loop->timer_poll.data = loop;
    uv_poll_start(&loop->timer_poll, UV_READABLE, loop_timer_ready);
    uv_idle_init(&loop->uv, &loop->later_idle);
    loop->later_idle.data = loop;
    uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, loop_prepare);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    uv_close((uv_handle_t *)&loop->timer_poll, NULL);
    uv_close((uv_handle_t *)&loop->later_idle, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    /* a stop that was asked for ends one run early: go on until all close callbacks were called */
    int busy = UV_EBUSY;
    for (int i = 0; busy == UV_EBUSY && i < 1000; i++) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        busy = uv_loop_close(&loop->uv);
    }
    GOTO_ASSERT(busy == 0);
    close(loop->timer_fd);
    memory_free(loop->heap);
    memory_free(loop->laters);
    memory_free(loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

bool loop_turn(struct loop *loop)
{
    uint64_t before = loop->called;
    loop_run_timers(loop);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    return loop->called != before;
}

void loop_later(struct loop *loop, void (*callback)(void *context), void *context)
{
    memory_grow(&loop->laters, loop->later_count, &loop->later_capacity, sizeof *loop->laters);
    loop->laters[loop->later_count++] = (struct later){callback, context};
    if (!uv_is_active((const uv_handle_t *)&loop->later_idle))
        uv_idle_start(&loop->later_idle, loop_idle);
}

void timer_init(struct timer *timer, struct loop *loop, timer_callback callback)
{
    *timer = (struct timer){.loop = loop, .callback = callback};
}

void timer_start_at(struct timer *timer, int64_t due_ns)
{
    struct loop *loop = timer->loop;
    if (timer->position)
        heap_remove(loop, timer);
    timer->due_ns = due_ns;
    timer->order = ++loop->order;
    heap_insert(loop, timer);
}

void timer_start(struct timer *timer, int64_t delay_ns)
{
    int64_t now = clock_now();
    timer_start_at(timer, delay_ns > INT64_MAX - now ? INT64_MAX : now + delay_ns);
}

void timer_stop(struct timer *timer)
{
    if (timer->position)
        heap_remove(timer->loop, timer);
}

bool timer_is_active(const struct timer *timer)
{
    return timer->position != 0;
}

static void watcher_ready(uv_poll_t *poll, int status, int events)
{
    struct watcher *watcher = poll->data;
    watcher->loop->called++;
    if (status < 0) {
        /* libuv has stopped the poll */
        watcher->events = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    watcher->callback(watcher, events);
}

int watcher_init(struct watcher *watcher, struct loop *loop, int fd, watcher_callback callback)
{
    *watcher = (struct watcher){.loop = loop, .fd = fd, .callback = callback};
    int error = uv_poll_init(&loop->uv, &watcher->poll, fd);
    watcher->poll.data = watcher;
    return error;
}

void watcher_set(struct watcher *watcher, int events)
{
    if (events == watcher->events)
        return;
    watcher->events = events;
    if (events)
        uv_poll_start(&watcher->poll, events, watcher_ready);
    else
        uv_poll_stop(&watcher->poll);
}

static void watcher_closed(uv_handle_t *handle)
{
    struct watcher *watcher = handle->data;
    watcher->closed(watcher);
}

void watcher_close(struct watcher *watcher, void (*closed)(struct watcher *watcher))
{
    watcher->closed = closed;
    watcher->events = 0;
    uv_close((uv_handle_t *)&watcher->poll, watcher_closed);
}
