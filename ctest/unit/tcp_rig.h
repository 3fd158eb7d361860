/**
 * What the tests of bytes share: an upstream read from YAML, open on a port of its own.
 */
#ifndef GOTO_CTEST_TCP_RIG_H
#define GOTO_CTEST_TCP_RIG_H

#include "ctest/unit/rig.h"
#include "schema/tree.h"
#include "server/http/upstream.h"

struct tcp_rig {
    struct rig rig;
    struct arena *arena;
    struct diagnostics diagnostics;
    struct source source;
    struct upstream_config config;
    struct port *port;
    struct upstream *upstream;
};

static inline void tcp_rig_init(struct tcp_rig *tcp, const char *yaml)
{
    struct documents documents = {0};
    struct str why = {0};
    int error = 0;
    *tcp = (struct tcp_rig){.arena = arena_new()};
    rig_init(&tcp->rig);
    diagnostics_init(&tcp->diagnostics);
    tcp->source = (struct source){STR("t.yaml"), str_of(yaml)};
    struct reader reader = {.arena = tcp->arena, .diagnostics = &tcp->diagnostics};
    ck_assert_int_eq(tree_read_yaml(tcp->arena, &tcp->source, &documents, &tcp->diagnostics), 0);
    enum read_result result =
        reader_read(&reader, &upstream_type, documents.items[0], &tcp->config);
    ck_assert_msg(result == READ_OK, STR_FMT,
                  STR_ARG(tcp->diagnostics.first ? tcp->diagnostics.first->message : STR("?")));
    tcp->port = port_new(&tcp->rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(tcp->port);
    tcp->upstream = upstream_new(tcp->port, &tcp->config);
    ck_assert_msg(upstream_prepare(tcp->upstream, &why), STR_FMT, STR_ARG(why));
    ck_assert_int_eq(port_open(tcp->port), 0);
}

static inline void tcp_rig_clear(struct tcp_rig *tcp)
{
    struct upstream *upstream = tcp->upstream;
    server_close_all(&tcp->rig.server);
    rig_until(&tcp->rig, tcp->rig.server.streams == 0);
    upstream_free(upstream);
    server_clear(&tcp->rig.server);
    loop_free(tcp->rig.loop);
    journal_free(tcp->rig.journal);
    diagnostics_clear(&tcp->diagnostics);
    arena_free(tcp->arena);
}

/** A raw client of the port. */
static inline int tcp_rig_dial(struct tcp_rig *tcp)
{
    int fd = rig_dial(tcp->port->number);
    ck_assert_int_ge(fd, 0);
    return fd;
}

#endif
