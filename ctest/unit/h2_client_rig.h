/**
 * Our client of HTTP/2 on a connection, and what is heard of its calls.
 */
#ifndef GOTO_CTEST_H2_CLIENT_RIG_H
#define GOTO_CTEST_H2_CLIENT_RIG_H

#include "h2_peer.h"

#include "base/clock.h"
#include "runner/client/h2_socket.h"

#include <errno.h>

static struct loop *the_loop;

/** What the users of a connection and a call heard. */
struct told {
    unsigned connected;
    unsigned ended; /**< the connection */
    enum h2_end connection_end;
    unsigned interim;
    unsigned heads;
    unsigned status;
    struct str header; /**< x-test of the head */
    struct buf body;
    unsigned trailers;
    struct buf trailer; /**< all of them as lines */
    bool finished;
    struct h2_client_end end;
    char words[600];
    struct h2_client *client;
    struct h2_call *call;
    bool hold; /**< consume nothing */
    size_t held;
    enum { NOTHING, CANCEL_AT_HEAD, FREE_AT_HEAD, FREE_AT_BODY, FREE_AT_END, AGAIN_AT_END } then;
    struct told *next; /**< the call made at the end of this one */
};

static inline void told_connected(void *context)
{
    ((struct told *)context)->connected++;
}

static inline void told_ended(void *context, const struct h2_client_end *end)
{
    struct told *told = context;
    told->ended++;
    told->connection_end = end->kind;
    ck_assert(end->words.size);
}

static inline void told_interim(void *context, unsigned status, const struct headers *headers)
{
    struct told *told = context;
    ck_assert_uint_eq(told->heads, 0);
    ck_assert_uint_eq(status / 100, 1);
    ck_assert_str_eq(headers_get(headers, STR("x-interim")).data, "1");
    told->interim++;
}

static inline void told_free(struct told *told)
{
    h2_client_free(told->client);
    told->client = NULL;
    loop_stop(the_loop);
}

static inline void told_head(void *context, unsigned status, const struct headers *headers)
{
    struct told *told = context;
    told->heads++;
    told->status = status;
    told->header = headers_get(headers, STR("x-test"));
    if (told->then == CANCEL_AT_HEAD) {
        h2_call_cancel(told->call, NGHTTP2_CANCEL);
        told->call = NULL;
        loop_stop(the_loop);
    }
    if (told->then == FREE_AT_HEAD)
        told_free(told);
}

static inline void told_body(void *context, struct str bytes)
{
    struct told *told = context;
    ck_assert_uint_eq(told->heads, 1);
    buf_append(&told->body, bytes);
    told->held += bytes.size;
    if (!told->hold) {
        h2_call_consume(told->call, told->held);
        told->held = 0;
    }
    if (told->then == FREE_AT_BODY)
        told_free(told);
}

static inline void told_trailers(void *context, const struct headers *trailers)
{
    struct told *told = context;
    told->trailers++;
    for (size_t i = 0; i < trailers->count; i++)
        buf_printf(&told->trailer, STR_FMT ": " STR_FMT "\n", STR_ARG(trailers->items[i].name),
                   STR_ARG(trailers->items[i].value));
}

static void told_start(struct told *told, const char *path);

static inline void told_finished(void *context, const struct h2_client_end *end)
{
    struct told *told = context;
    ck_assert(!told->finished);
    told->finished = true;
    told->end = *end;
    told->call = NULL;
    ck_assert(end->words.size && end->end_ns > 0);
    snprintf(told->words, sizeof told->words, STR_FMT, STR_ARG(end->words));
    if (told->then == FREE_AT_END)
        told_free(told);
    if (told->then == AGAIN_AT_END) {
        told->next->client = told->client;
        told_start(told->next, "/again");
        return;
    }
    loop_stop(the_loop);
}

static const struct h2_client_user client_user = {told_connected, told_ended};
static const struct h2_call_user call_user = {
    .informational = told_interim,
    .head = told_head,
    .body = told_body,
    .trailers = told_trailers,
    .finished = told_finished,
};

static inline void told_init(struct told *told)
{
    *told = (struct told){.words = ""};
    buf_init(&told->body, BUF_OWN);
    buf_init(&told->trailer, BUF_OWN);
}

static inline void told_clear(struct told *told)
{
    buf_clear(&told->body);
    buf_clear(&told->trailer);
}

static inline void told_connect_to(struct told *told, const struct h2_target *target)
{
    told->client = h2_client_new(the_loop, h2_socket_new(the_loop, target), &client_user, told);
}

static inline void told_connect(struct told *told)
{
    told_connect_to(told,
                    &(struct h2_target){.host = STR("127.0.0.1"), .port = (uint16_t)the_peer.port});
}

static inline void told_start(struct told *told, const char *path)
{
    const struct h2_request request = {.method = STR("GET"),
                                       .scheme = STR("http"),
                                       .authority = STR("a.example"),
                                       .path = str_of(path)};
    told->call = h2_call_new(told->client, &request, &call_user, told);
}

static inline void on_patience(struct timer *timer)
{
    (void)timer;
    ck_abort_msg("nothing happened within 20 s");
}

/** Runs the loop until `done`. */
static inline void run_until(const bool *done)
{
    struct timer patience;
    timer_init(&patience, the_loop, on_patience);
    timer_start(&patience, 20 * INT64_C(1000000000));
    while (!*done)
        loop_run(the_loop);
    timer_stop(&patience);
}

static inline void on_tick(struct timer *timer)
{
    timer_start(timer, 1000000);
}

/** Runs the loop while a condition holds, which a thread may change. */
#define RUN_WHILE(condition)                                                                       \
    do {                                                                                           \
        struct timer patience;                                                                     \
        struct timer tick;                                                                         \
        timer_init(&patience, the_loop, on_patience);                                              \
        timer_init(&tick, the_loop, on_tick);                                                      \
        timer_start(&patience, 20 * INT64_C(1000000000));                                          \
        timer_start(&tick, 0);                                                                     \
        while (condition)                                                                          \
            uv_run(loop_uv(the_loop), UV_RUN_ONCE);                                                \
        timer_stop(&patience);                                                                     \
        timer_stop(&tick);                                                                         \
    } while (0)

static inline void set_up(struct told *told)
{
    the_loop = loop_new();
    ck_assert(the_loop);
    told_init(told);
    peer_listen();
}

static inline void tear_down(struct told *told)
{
    h2_client_free(told->client);
    told_clear(told);
    loop_free(the_loop);
    peer_stop();
    peer_forget();
}

/** One GET against the scripts made so far, to its end. */
static inline void get(struct told *told)
{
    peer_start();
    told_connect(told);
    told_start(told, "/");
    run_until(&told->finished);
}

/** A script that greets and answers the first request by the stage returned. */
static inline struct buf *one_answer(enum peer_ending ending)
{
    struct peer_script *script = peer_script(ending);
    frame_settings(stage_add(script, 0, NULL));
    return stage_add(script, 1, NULL);
}

#endif
