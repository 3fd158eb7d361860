#include "server/server.h"

#include "base/clock.h"
#include "base/memory.h"
#include "server/http/exchange.h"
#include "server/http/h1.h"
#include "server/port/port.h"
#include "server/proxy/call.h"
#include "server/stream/scratch.h"
#include "server/stream/splice.h"
#include "server/tls/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static void server_bytes_moved(struct timer *timer)
{
    struct server *server = CONTAINER_OF(timer, struct server, bytes_soon);
    if (server->bytes_moved)
        server->bytes_moved(server);
}

void server_init(struct server *server, struct loop *loop, struct journal *journal, uint64_t seed)
{
    *server = (struct server){.loop = loop, .journal = journal, .seed = seed};
    timer_init(&server->bytes_soon, loop, server_bytes_moved);
}

void server_starve(struct server *server, uint32_t name_id, int error)
{
    struct rlimit limit = {0};
    bool starves = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    if (!starves || server->starved)
        return;
    server->starved = error;
    if (error != EMFILE || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        journal_note(server->journal, ENTRY_NOTE, name_id, "no more connections can be made: %s",
                     strerror(error));
    else
        journal_note(server->journal, ENTRY_NOTE, name_id,
                     "no more connections can be made: all %llu descriptors that goto-run may have "
                     "(ulimit -n) are in use",
                     (unsigned long long)limit.rlim_cur);
}

struct scratch *server_scratch(struct server *server)
{
    if (!server->scratch) {
        server->scratch = memory_alloc(sizeof *server->scratch);
        buf_init(&server->scratch->packed, BUF_OWN);
        buf_init(&server->scratch->head, BUF_OWN);
        buf_init(&server->scratch->frames, BUF_OWN);
    }
    return server->scratch;
}

void scratch_reset(struct buf *buf)
{
    if (buf->capacity > SCRATCH_KEPT)
        buf_clear(buf);
    buf_reset(buf);
}

struct str server_date(struct server *server)
{
    struct scratch *scratch = server_scratch(server);
    int64_t second = clock_wall() / CLOCK_SECOND;
    if (second != scratch->date_second || !scratch->date_size) {
        /* not strftime's %a and %b: those follow the locale */
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm parts;
        time_t at = (time_t)second;
        gmtime_r(&at, &parts);
        int size = snprintf(scratch->date, sizeof scratch->date,
                            "date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
                            days + parts.tm_wday * 3, parts.tm_mday, months + parts.tm_mon * 3,
                            parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
        GOTO_ASSERT(size > 0 && (size_t)size < sizeof scratch->date);
        scratch->date_second = second;
        scratch->date_size = (size_t)size;
    }
    return (struct str){scratch->date, scratch->date_size};
}

void server_clear(struct server *server)
{
    GOTO_ASSERT(server->streams == 0);
    timer_stop(&server->bytes_soon);
    while (server->count)
        port_free(server->ports[server->count - 1]);
    memory_free(server->ports);
    memory_free(server->hops);
    pipes_clear(server);
    call_pool_free(server->calls);
    tls_authority_free(server->authority);
    if (server->scratch) {
        h1_pool_clear(server);
        if (server->scratch->clear_h2)
            server->scratch->clear_h2(server->scratch);
        buf_clear(&server->scratch->frames);
        buf_clear(&server->scratch->packed);
        buf_clear(&server->scratch->head);
        memory_free(server->scratch);
    }
    *server = (struct server){0};
}

struct port *server_port(const struct server *server, struct str name)
{
    for (size_t i = 0; i < server->count; i++) {
        if (str_equal(server->ports[i]->name, name))
            return server->ports[i];
    }
    return NULL;
}

void server_close_all(struct server *server)
{
    server->closing = true;
    while (server->count)
        port_free(server->ports[server->count - 1]);
    call_pool_close(server->calls);
    /* streams stay in the list, and their memory stays, until a later turn */
    for (struct stream *stream = server->dialed; stream; stream = stream->next)
        stream_close(stream, CLOSE_KILL);
}

bool server_read_rest(struct server *server)
{
    bool any = false;
    for (size_t i = 0; i < server->count; i++)
        any |= port_read_rest(server->ports[i]);
    for (struct stream *stream = server->dialed; stream; stream = stream->next)
        any |= stream_read_now(stream);
    return any;
}

bool server_is_busy(const struct server *server)
{
    for (size_t i = 0; i < server->count; i++) {
        for (const struct stream *stream = server->ports[i]->oldest; stream; stream = stream->next)
            if (!stream->closing && !stream->protocol->is_idle(stream))
                return true;
    }
    return false;
}

/** Holds of one exchange, counted. */
struct hold {
    struct exchange *exchange; /**< NULL once it is gone */
    size_t count;
};

struct hold *server_hold(struct server *server)
{
    struct exchange *exchange = server->arriving;
    if (!exchange)
        return NULL;
    if (!exchange->hold) {
        exchange->hold = memory_alloc(sizeof *exchange->hold);
        exchange->hold->exchange = exchange;
    }
    exchange->hold->count++;
    return exchange->hold;
}

void hold_release(struct hold *hold)
{
    if (!hold || --hold->count)
        return;
    struct exchange *exchange = hold->exchange;
    memory_free(hold);
    if (!exchange)
        return;
    exchange->hold = NULL;
    exchange_released(exchange);
}

void hold_forget(struct hold *hold)
{
    if (hold)
        hold->exchange = NULL;
}
