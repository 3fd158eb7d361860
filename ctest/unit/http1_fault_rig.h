/**
 * What the tests of faults of HTTP/1 share: a port with a real upstream whose routes give answers
 * of every kind, faults that are read from YAML, and one raw client.
 */
#ifndef GOTO_CTEST_HTTP1_FAULT_RIG_H
#define GOTO_CTEST_HTTP1_FAULT_RIG_H

#include "ctest/unit/rig.h"

#include "schema/tree.h"
#include "server/fault/fault_how.h"
#include "server/fault/fault_private.h"
#include "server/http/upstream.h"

/* The world: a port with a real upstream, and one raw client. */

static struct rig rig;
static struct port *port;
static struct arena *arena;
static struct upstream_config config;
static struct upstream *upstream;
static struct faults *faults;
static struct heard heard;
static int fd;

static const char routes[] =
    "routes:\n"
    "- {match: /hello, respond: {body: hello, headers: {content-type: null}}}\n"
    "- {match: /ten, respond: {body: 0123456789, headers: {content-type: null}}}\n"
    "- {match: /reason, respond: {status: 299, reason: So so, headers: {x-a: b}}}\n"
    "- {match: /chunked, respond: {body: hello, chunked: true, headers: {content-type: null}}}\n"
    "- {match: /trailers, respond: {body: hello, trailers: {x-t: u}, headers: {content-type: "
    "null}}}\n"
    "- {match: /stream, respond: {stream: {count: 4, body: abc}, headers: {content-type: null}}}\n"
    "- {match: /none, respond: {stream: {count: 1, body: ''}, headers: {content-type: null}}}\n"
    "- {match: /slow, respond: {stream: {count: 1000, every: 1h, body: abc}}}\n"
    "- {match: /paced, respond: {body: 0123456789, pace: {chunk: 1, every: 1h}}}\n"
    "- {match: /late, respond: {body: late, delay: 20ms, headers: {content-type: null}}}\n"
    "- {match: /by-hand, respond: {body: hello, headers: {Content-Length: '5', content-type: "
    "null}}}\n"
    "- {match: /close, respond: {body: hello, close: true, headers: {content-type: null}}}\n"
    "- {match: /nothing, respond: {status: 204}}\n"
    "- {match: /empty}\n"
    "- {match: /early, respond: {informational: [{status: 103}], body: hello, headers: "
    "{content-type: "
    "null}}}\n"
    "- {match: /raw, respond: {raw: RAW-BYTES}}\n"
    "- {match: /big, respond: {random: 3MiB, headers: {content-type: null}}}\n"
    "- {match: /big-chunked, respond: {random: 3MiB, chunked: true}}\n"
    "- {match: /zipped, respond: {random: 3MiB, compress: gzip}}\n"
    "- {match: /plain, respond: {body: plain, headers: {content-type: null}}}\n";

static inline const struct node *parse(const char *yaml)
{
    struct diagnostics diagnostics;
    struct documents documents = {0};
    struct source *source = arena_alloc(arena, sizeof *source);
    *source = (struct source){STR("t"), str_of(yaml)};
    diagnostics_init(&diagnostics);
    ck_assert_int_eq(tree_read_yaml(arena, source, &documents, &diagnostics), 0);
    diagnostics_clear(&diagnostics);
    return documents.items[0];
}

/** Reads a value; what is wrong with it, "" = nothing. */
static inline struct str read_value(const struct type *type, const char *yaml, void *into)
{
    struct diagnostics diagnostics;
    struct buf said;
    diagnostics_init(&diagnostics);
    buf_init(&said, BUF_OWN);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    if (reader_read(&reader, type, parse(yaml), into) != READ_OK)
        diagnostics_print(&diagnostics, &said);
    struct str wrong = arena_copy(arena, buf_str(&said));
    buf_clear(&said);
    diagnostics_clear(&diagnostics);
    return wrong;
}

static inline void dial(void)
{
    if (fd >= 0)
        close(fd);
    heard_clear(&heard);
    fd = rig_dial(port->number);
    ck_assert_int_ge(fd, 0);
}

static inline void begin_world(void)
{
    int error;
    struct str why = {0};
    arena = arena_new();
    fd = -1;
    rig_init(&rig);
    config = (struct upstream_config){0};
    port = port_new(&rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(port);
    ck_str_is(
        read_value(&upstream_type, arena_printf(arena, "protocol: http\n%s", routes).data, &config),
        "");
    upstream = upstream_new(port, &config);
    ck_assert(upstream_prepare(upstream, &why));
    faults = upstream_faults(upstream);
    ck_assert_int_eq(port_open(port), 0);
    dial();
}

static inline void end_world(void)
{
    heard_clear(&heard);
    if (fd >= 0)
        close(fd);
    /* the streams go first: their exchanges are the upstream's */
    server_close_all(&rig.server);
    rig_until(&rig, rig.server.streams == 0);
    upstream_free(upstream);
    rig_clear(&rig);
    arena_free(arena);
}

static inline uint64_t push(const char *yaml)
{
    struct fault_config *fault = arena_alloc(arena, sizeof *fault);
    struct str why = {0};
    ck_str_is(read_value(&fault_type, yaml, fault), "");
    uint64_t id = faults_push(faults, (struct str){0}, fault, arena, &why);
    ck_assert_msg(id, STR_FMT, STR_ARG(why));
    return id;
}

static inline uint64_t strikes(void)
{
    return rig_count(&rig, ENTRY_FAULT);
}

/* What comes. */

/** What was heard without its lines "date: …". */
static inline struct str dateless(void)
{
    static const struct str name = STR_INIT("date: ");
    enum { SIZE = sizeof "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" - 1 };
    struct buf text;
    struct str rest = {heard.data, heard.size};
    buf_init(&text, BUF_OWN);
    for (ptrdiff_t at; rest.size && (at = str_find(rest, name)) >= 0;
         rest = str_from(rest, (size_t)at + SIZE))
        buf_append(&text, str_slice(rest, 0, (size_t)at));
    buf_append(&text, rest);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static inline void ck_bytes(struct str got, struct str wanted, const char *what)
{
    struct buf shown;
    buf_init(&shown, BUF_OWN);
    for (int i = 0; i < 2; i++) {
        struct str text = i ? wanted : got;
        buf_append_string(&shown, i ? "\nin place of\n" : "came\n");
        for (size_t j = 0; j < text.size && j < 2000; j++) {
            uint8_t byte = (uint8_t)text.data[j];
            if (byte >= ' ' && byte < 127)
                buf_append_byte(&shown, text.data[j]);
            else
                buf_printf(&shown, byte == '\n' ? "\\n\n" : "\\x%02x", byte);
        }
    }
    ck_assert_msg(str_equal(got, wanted), "%s: " STR_FMT, what, STR_ARG(buf_str(&shown)));
    buf_clear(&shown);
}

/** How a fault leaves the connection. */
enum fate { STAYS, FIN, SILENT };

#define PLAIN "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain"

static inline struct str get_of(const char *method, const char *path, const char *version)
{
    return arena_printf(arena, "%s %s HTTP/%s\r\nHost: h\r\n\r\n", method, path, version);
}

/** Asks and hears until the connection's fate shows. */
static inline struct str hear(struct str request, enum fate fate)
{
    uint64_t responses = rig_count(&rig, ENTRY_RESPONSE);
    say_bytes(fd, request.data, request.size);
    if (fate == FIN) {
        rig_until(&rig, heard_more(&heard, fd));
        ck_assert(heard.fin);
        return dateless();
    }
    rig_until(&rig, rig_count(&rig, ENTRY_RESPONSE) > responses);
    if (fate == STAYS) {
        struct str next = get_of("GET", "/plain", "1.1");
        say_bytes(fd, next.data, next.size);
        rig_until(&rig, heard_more(&heard, fd) ||
                            (rig_count(&rig, ENTRY_RESPONSE) == responses + 2 && heard.size > 5 &&
                             !memcmp(heard.data + heard.size - 5, "plain", 5)));
        struct str all = dateless();
        ck_assert_msg(str_ends(all, STR(PLAIN)), STR_FMT, STR_ARG(all));
        return str_slice(all, 0, all.size - strlen(PLAIN));
    }
    /* silent: nothing comes but the end, once the client has left */
    ck_assert(!heard_more(&heard, fd));
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    rig_until(&rig, heard_more(&heard, fd));
    ck_assert(heard.fin);
    return dateless();
}

#define OK "HTTP/1.1 200 OK\r\n"
#define LENGTH5 "content-length: 5\r\n\r\n"
#define CHUNKED "transfer-encoding: chunked\r\n\r\n"

#endif
