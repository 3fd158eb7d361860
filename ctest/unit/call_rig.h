/**
 * What the tests of calls share: a raw far side that the test itself plays, and an owner that
 * writes down what it hears.
 *
 * Nothing here sleeps: see rig.h.
 */
#ifndef GOTO_CTEST_CALL_RIG_H
#define GOTO_CTEST_CALL_RIG_H

#include "ctest/unit/rig.h"
#include "server/proxy/call.h"

/** A listening socket of the test's own. */
struct far {
    int fd;
    uint16_t number;
    struct endpoint endpoint;
    char text[32];
};

static inline void far_listen(struct far *far)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    far->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(far->fd, 0);
    ck_assert_int_eq(bind(far->fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(far->fd, 64), 0);
    ck_assert_int_eq(getsockname(far->fd, (struct sockaddr *)&address, &size), 0);
    far->number = ntohs(address.sin_port);
    snprintf(far->text, sizeof far->text, "127.0.0.1:%u", far->number);
    far->endpoint = (struct endpoint){.text = str_of(far->text),
                                      .host = STR("127.0.0.1"),
                                      .number = far->number,
                                      .speech = ENDPOINT_HTTP1};
}

static inline bool far_accepts(const struct far *far, int *fd)
{
    *fd = accept4(far->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return *fd >= 0;
}

/** The next connection to the far side. */
static inline int far_accept(struct rig *rig, const struct far *far)
{
    int fd;
    rig_until(rig, far_accepts(far, &fd));
    return fd;
}

/** What an owner hears of one call. */
struct told {
    struct call_pool *pool; /**< to make the next call from within, NULL = none */
    struct call *call;      /**< NULL once it is gone */
    unsigned status;
    char reason[64];
    char headers[2048]; /**< "name: value\n" … */
    char interim[512];  /**< "103 name: value\n" … */
    char trailers[512];
    int64_t length;
    struct buf body;
    size_t pieces; /**< of the body */
    size_t heads;
    size_t writable;
    bool tunnel;
    bool half_closed;
    bool finished;
    bool failed;
    struct call_end end;
    char why[256];
    size_t cancel_after; /**< cancels in the n-th callback; 0 = never */
    size_t callbacks;
    bool pause_in_head;
    bool pause_in_body;
    bool end_tunnel; /**< ends its own side in half_closed() */
};

static inline bool told_cancels(struct told *told)
{
    if (++told->callbacks != told->cancel_after)
        return false;
    call_cancel(told->call);
    told->call = NULL;
    return true;
}

static inline void told_write(char *into, size_t size, const struct headers *headers)
{
    size_t at = strlen(into);
    for (size_t i = 0; headers && i < headers->count; i++)
        at += (size_t)snprintf(into + at, size - at, STR_FMT ": " STR_FMT "\n",
                               STR_ARG(headers->items[i].name), STR_ARG(headers->items[i].value));
    ck_assert_uint_lt(at, size);
}

static inline void told_informational(void *context, unsigned status, const struct headers *headers)
{
    struct told *told = context;
    size_t at = strlen(told->interim);
    snprintf(told->interim + at, sizeof told->interim - at, "%u ", status);
    told_write(told->interim, sizeof told->interim, headers);
    told_cancels(told);
}

static inline void told_head(void *context, unsigned status, struct str reason,
                             const struct headers *headers, int64_t content_length)
{
    struct told *told = context;
    told->status = status;
    told->heads++;
    told->length = content_length;
    snprintf(told->reason, sizeof told->reason, STR_FMT, STR_ARG(reason));
    told_write(told->headers, sizeof told->headers, headers);
    if (!told_cancels(told) && told->pause_in_head)
        call_pause(told->call);
}

static inline void told_body(void *context, struct str bytes)
{
    struct told *told = context;
    ck_assert_uint_gt(bytes.size, 0);
    ck_assert_int_eq(buf_append(&told->body, bytes), 0);
    told->pieces++;
    if (!told_cancels(told) && told->pause_in_body)
        call_pause(told->call);
}

static inline void told_finish(void *context, const struct headers *trailers,
                               const struct call_end *end)
{
    struct told *told = context;
    ck_assert(!told->finished && !told->failed);
    told->finished = true;
    told->call = NULL;
    told->end = *end;
    told_write(told->trailers, sizeof told->trailers, trailers);
}

static inline void told_failed(void *context, const struct call_end *end)
{
    struct told *told = context;
    ck_assert(!told->finished && !told->failed);
    told->failed = true;
    told->call = NULL;
    told->end = *end;
    snprintf(told->why, sizeof told->why, STR_FMT, STR_ARG(end->why));
}

static inline void told_writable(void *context)
{
    ((struct told *)context)->writable++;
}

static inline void told_tunnel(void *context)
{
    struct told *told = context;
    told->tunnel = true;
    told_cancels(told);
}

static inline void told_half_closed(void *context)
{
    struct told *told = context;
    told->half_closed = true;
    if (!told_cancels(told) && told->end_tunnel)
        call_tunnel_end(told->call);
}

static const struct call_user told_user = {
    .informational = told_informational,
    .head = told_head,
    .body = told_body,
    .finish = told_finish,
    .failed = told_failed,
    .writable = told_writable,
    .tunnel = told_tunnel,
    .half_closed = told_half_closed,
};

static inline void told_init(struct told *told)
{
    *told = (struct told){0};
    buf_init(&told->body, BUF_OWN);
}

static inline void told_clear(struct told *told)
{
    buf_clear(&told->body);
}

static inline bool told_ended(const struct told *told)
{
    return told->finished || told->failed;
}

/** A GET of "/". */
static inline struct call_request call_rig_get(void)
{
    return (struct call_request){
        .method = STR("GET"), .target = STR("/"), .authority = STR("api.example")};
}

static inline void told_call(struct told *told, struct rig *rig, const struct far *far,
                             const struct call_request *request)
{
    struct call_request named = *request;
    named.name_id = journal_intern(rig->journal, STR("edge"));
    told_init(told);
    told->call = call_new(call_pool_of(&rig->server), &far->endpoint, &named, &told_user, told);
    ck_assert(!told_ended(told) && !told->callbacks);
}

/** Turns the loop until the far side heard this text; it is forgotten then. */
static inline void far_hears(struct rig *rig, int fd, struct heard *heard, const char *text)
{
    rig_until(rig, heard_has(heard, fd, text));
    heard->size = 0;
    heard->data[0] = '\0';
}

#endif
