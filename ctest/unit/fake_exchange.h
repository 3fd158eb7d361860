/**
 * What tests of answers share: an exchange whose codec writes down what it was told, on a server
 * without sockets; and reading an upstream from YAML.
 */
#ifndef GOTO_CTEST_FAKE_EXCHANGE_H
#define GOTO_CTEST_FAKE_EXCHANGE_H

#include "base/clock.h"
#include "base/memory.h"
#include "ctest/unit/unit.h"
#include "schema/tree.h"
#include "server/http/upstream.h"

#include <string.h>

/** The world of one test. */
struct fake {
    struct loop *loop;
    struct server server;
    struct port port;
    struct stream stream;
    struct arena *arena;
    struct diagnostics diagnostics;
    struct source source;
    struct reader reader;
    struct upstream_config config;
    struct upstream *upstream;
    uint64_t requests;
};

/** One exchange and what came of it. */
struct fake_exchange {
    struct exchange exchange;
    struct buf log;   /**< "1xx 103\n", "head 200 …", "finish", one a line */
    struct buf body;  /**< the bytes of the body, or the raw ones */
    unsigned pieces;  /**< calls that gave body bytes */
    int64_t first_ns; /**< monotonic: the first byte of the final answer */
    bool ended;
};

static inline struct fake_exchange *fake_of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct fake_exchange, exchange);
}

static inline void fake_log_headers(struct fake_exchange *fake, const struct headers *headers)
{
    for (size_t i = 0; headers && i < headers->count; i++)
        buf_printf(&fake->log, " " STR_FMT "=" STR_FMT, STR_ARG(headers->items[i].name),
                   STR_ARG(headers->items[i].value));
    buf_append_byte(&fake->log, '\n');
}

static inline void fake_informational(struct exchange *exchange, unsigned status,
                                      const struct headers *headers)
{
    buf_printf(&fake_of(exchange)->log, "1xx %u", status);
    fake_log_headers(fake_of(exchange), headers);
}

static inline void fake_head(struct exchange *exchange, const struct response_head *head)
{
    struct fake_exchange *fake = fake_of(exchange);
    fake->first_ns = clock_now();
    buf_printf(&fake->log,
               "head %u"
               "%s" STR_FMT " %lld%s%s%s%s",
               head->status, head->reason.data ? " " : "", STR_ARG(head->reason),
               (long long)head->content_length, head->chunked ? " chunked" : "",
               head->close ? " close" : "", head->no_framing ? " no-framing" : "",
               head->no_date ? " no-date" : "");
    fake_log_headers(fake, head->headers);
}

static inline void fake_body(struct exchange *exchange, struct str bytes)
{
    buf_append(&fake_of(exchange)->body, bytes);
    fake_of(exchange)->pieces++;
}

static inline void fake_finish(struct exchange *exchange, const struct headers *trailers)
{
    buf_append_string(&fake_of(exchange)->log, "finish");
    fake_log_headers(fake_of(exchange), trailers);
}

static inline void fake_raw(struct exchange *exchange, struct str bytes)
{
    fake_of(exchange)->first_ns = clock_now();
    buf_append_string(&fake_of(exchange)->log, "raw\n");
    buf_append(&fake_of(exchange)->body, bytes);
}

static inline void fake_cut(struct exchange *exchange, enum close_how how)
{
    buf_printf(&fake_of(exchange)->log, "cut %s\n",
               how == CLOSE_FIN   ? "fin"
               : how == CLOSE_RST ? "rst"
                                  : "?");
    fake_of(exchange)->ended = true;
}

static inline void fake_whole(struct exchange *exchange, const struct static_answer *answer)
{
    struct fake_exchange *fake = fake_of(exchange);
    fake->first_ns = clock_now();
    buf_append_string(&fake->log, "static ");
    buf_append(&fake->log, answer->status_line);
    buf_append(&fake->log, answer->head);
    buf_append(&fake->body, answer->body);
}

static inline void fake_done(struct exchange *exchange, bool close)
{
    struct fake_exchange *fake = fake_of(exchange);
    if (close)
        buf_append_string(&fake->log, "close\n");
    fake->ended = true;
}

static const struct exchange_codec fake_codec = {
    .informational = fake_informational,
    .head = fake_head,
    .body = fake_body,
    .finish = fake_finish,
    .raw = fake_raw,
    .cut = fake_cut,
    .whole = fake_whole,
    .done = fake_done,
};

/** The world, with an upstream `api` read from a mapping's YAML. The diagnostics are kept. */
static inline struct fake *fake_new(const char *yaml)
{
    struct fake *fake = memory_alloc(sizeof *fake);
    fake->loop = loop_new();
    ck_assert_ptr_nonnull(fake->loop);
    server_init(&fake->server, fake->loop, journal_new(1000, 1 << 20), 42);
    fake->port.server = &fake->server;
    fake->port.name = STR("api");
    fake->port.name_id = journal_intern(fake->server.journal, fake->port.name);
    fake->stream.port = &fake->port;
    fake->stream.server = &fake->server;
    fake->stream.number = 7;
    fake->stream.watcher.fd = -1;
    fake->arena = arena_new();
    diagnostics_init(&fake->diagnostics);
    fake->source = (struct source){STR("/tmp/goto-test.goto.yaml"), str_of(yaml)};
    struct documents documents = {0};
    int result = tree_read_yaml(fake->arena, &fake->source, &documents, &fake->diagnostics);
    fake->reader = (struct reader){.arena = fake->arena, .diagnostics = &fake->diagnostics};
    if (result == 0 &&
        reader_read(&fake->reader, &upstream_type, documents.items[0], &fake->config) == READ_OK)
        fake->upstream = upstream_new(&fake->port, &fake->config);
    return fake;
}

static inline void fake_free(struct fake *fake)
{
    upstream_free(fake->upstream);
    struct journal *journal = fake->server.journal;
    server_clear(&fake->server);
    journal_free(journal);
    loop_free(fake->loop);
    diagnostics_clear(&fake->diagnostics);
    arena_free(fake->arena);
    memory_free(fake);
}

/** The diagnostics as text, in the world's arena. */
static inline struct str fake_wrong(struct fake *fake)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    for (const struct diagnostic *d = fake->diagnostics.first; d; d = d->next)
        buf_printf(&text, "%u:%u " STR_FMT "\n", d->place.line, d->place.column,
                   STR_ARG(d->message));
    struct str copy = arena_copy(fake->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/** A request that was read whole: "GET", "/path?query"; headers may be added before it is answered.
 */
static inline struct fake_exchange *fake_request(struct fake *fake, const char *method,
                                                 const char *target)
{
    struct fake_exchange *x = memory_alloc(sizeof *x);
    struct str text = str_of(target);
    ptrdiff_t question = str_find_byte(text, '?');
    buf_init(&x->log, BUF_OWN);
    buf_init(&x->body, BUF_OWN);
    x->exchange.stream = &fake->stream;
    x->exchange.codec = &fake_codec;
    x->exchange.number = ++fake->requests;
    x->exchange.state = EXCHANGE_WAITING;
    x->exchange.whole_ns = clock_now();
    x->exchange.request.method = str_of(method);
    x->exchange.request.target = text;
    x->exchange.request.path = question < 0 ? text : str_slice(text, 0, (size_t)question);
    x->exchange.request.query =
        question < 0 ? (struct str){0} : str_from(text, (size_t)question + 1);
    x->exchange.request.version = HTTP_1_1;
    struct entry entry = journal_entry(ENTRY_REQUEST, fake->port.name_id);
    x->exchange.entry = journal_append(fake->server.journal, &entry, (struct str){0});
    return x;
}

/** Runs the loop until the exchange has ended. */
static inline void fake_wait(struct fake *fake, struct fake_exchange *x)
{
    while (!x->ended)
        loop_turn(fake->loop);
}

/** A request, answered to its end. */
static inline struct fake_exchange *fake_ask(struct fake *fake, const char *method,
                                             const char *target)
{
    ck_assert_ptr_nonnull(fake->upstream);
    struct fake_exchange *x = fake_request(fake, method, target);
    upstream_answer(fake->upstream, &x->exchange);
    fake_wait(fake, x);
    return x;
}

static inline void fake_exchange_free(struct fake_exchange *x)
{
    if (!x->ended && x->exchange.responder_gone)
        x->exchange.responder_gone(&x->exchange);
    headers_clear(&x->exchange.request.headers);
    arena_free(x->exchange.arena);
    buf_clear(&x->log);
    buf_clear(&x->body);
    memory_free(x);
}

#define fake_log(x) buf_str(&(x)->log)
#define fake_sent(x) buf_str(&(x)->body)

/** The status that was answered. */
static inline unsigned fake_status(const struct fake_exchange *x)
{
    return x->exchange.status;
}

#endif
