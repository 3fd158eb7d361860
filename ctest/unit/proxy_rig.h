/**
 * A proxy of bytes between raw sockets: a client and a far side in the same thread.
 */
#ifndef GOTO_CTEST_PROXY_RIG_H
#define GOTO_CTEST_PROXY_RIG_H

#include "ctest/unit/rig.h"

#include "schema/tree.h"
#include "server/http/upstream.h"

struct proxy {
    struct rig rig;
    struct arena *arena;
    struct upstream_config *config;
    struct upstream *upstream;
    struct port *port;
    int listening; /**< of the far side; -1 = closed */
    uint16_t far_number;
};

/** A listening socket on 127.0.0.1. */
static inline int listen_somewhere(uint16_t *number, int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *number = ntohs(address.sin_port);
    return fd;
}

static inline struct upstream_config *proxy_read(struct proxy *proxy, struct str text)
{
    static struct source source;
    struct documents documents;
    struct diagnostics diagnostics;
    struct upstream_config *config = arena_alloc(proxy->arena, sizeof *config);
    diagnostics_init(&diagnostics);
    source = (struct source){.name = STR("proxy.yaml"), .text = text};
    struct reader reader = {.arena = proxy->arena, .diagnostics = &diagnostics};
    ck_assert_int_eq(tree_read_yaml(proxy->arena, &source, &documents, &diagnostics), 0);
    enum read_result result = reader_read(&reader, &proxy_type, documents.items[0], config);
    ck_assert_msg(result == READ_OK, STR_FMT,
                  STR_ARG(diagnostics.first ? diagnostics.first->message : STR("?")));
    diagnostics_clear(&diagnostics);
    return config;
}

/** A text with a number in the place of FAR. */
static inline struct str proxy_text(struct proxy *proxy, const char *text, unsigned number)
{
    struct str all = str_of(text);
    ptrdiff_t at = str_find(all, STR("FAR"));
    if (at < 0)
        return all;
    return arena_printf(proxy->arena, STR_FMT "%u" STR_FMT, STR_ARG(str_slice(all, 0, (size_t)at)),
                        number, STR_ARG(str_from(all, (size_t)at + 3)));
}

/** Opens a proxy by its YAML, in which FAR stands for the number of the far side's port. */
static inline void proxy_open(struct proxy *proxy, const char *yaml)
{
    struct str why = {0};
    int error = 0;
    rig_init(&proxy->rig);
    proxy->arena = arena_new();
    proxy->listening = listen_somewhere(&proxy->far_number, 4096);
    struct str text = proxy_text(proxy, yaml, proxy->far_number);
    proxy->config = proxy_read(proxy, text);
    proxy->port = port_new(&proxy->rig.server, STR("wire"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(proxy->port);
    proxy->upstream = upstream_new(proxy->port, proxy->config);
    ck_assert(upstream_prepare(proxy->upstream, &why));
    ck_assert_int_eq(port_open(proxy->port), 0);
}

static inline void proxy_clear(struct proxy *proxy)
{
    server_close_all(&proxy->rig.server);
    rig_until(&proxy->rig, proxy->rig.server.streams == 0);
    upstream_free(proxy->upstream);
    server_clear(&proxy->rig.server);
    loop_free(proxy->rig.loop);
    journal_free(proxy->rig.journal);
    arena_free(proxy->arena);
    if (proxy->listening >= 0)
        close(proxy->listening);
}

/** A connection of a client, and the one that the far side accepts for it. */
struct both {
    int client;
    int far;
};

static inline struct both proxy_connect(struct proxy *proxy)
{
    struct both both = {.client = rig_dial(proxy->port->number), .far = -1};
    ck_assert_int_ge(both.client, 0);
    rig_until(&proxy->rig, (both.far = accept4(proxy->listening, NULL, NULL,
                                               SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
    return both;
}

#endif
