/**
 * An upstream with faults of HTTP/2, and a client that keeps all bytes.
 */
#ifndef GOTO_CTEST_FAULT_HTTP2_RIG_H
#define GOTO_CTEST_FAULT_HTTP2_RIG_H

#include "ctest/unit/h2_rig.h"

#include "schema/tree.h"
#include "server/fault/fault.h"
#include "server/fault/fault_frames.h"

/* The world: an upstream with faults, and a client that keeps all bytes. */

static struct world w;
static struct arena *arena;
static struct faults *faults;
static struct buf raw;
static struct source source = {STR_INIT("t"), STR_INIT("")};

static inline bool faults_first(struct exchange *exchange)
{
    struct str path = exchange->request.path;
    struct str route = str_starts(path, STR("/r")) ? STR("api.r") : STR("api.other");
    return faults_answer(faults, route, NULL, NULL, exchange);
}

static inline void begin_world(void)
{
    arena = arena_new();
    buf_init(&raw, BUF_OWN);
    world_init(&w);
    faults = faults_new(w.port);
    answers_first = faults_first;
    w.peer.raw = &raw;
}

static inline void end_world(void)
{
    world_clear(&w);
    faults_free(faults);
    buf_clear(&raw);
    arena_free(arena);
}

/** Reads a fault; what is wrong with it, "" = nothing. */
static inline struct str read_fault(const char *yaml, struct fault_config *config)
{
    struct diagnostics diagnostics;
    struct documents documents;
    struct buf said;
    struct source *text = arena_alloc(arena, sizeof *text);
    *text = (struct source){STR("t"), str_of(yaml)};
    diagnostics_init(&diagnostics);
    buf_init(&said, BUF_OWN);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics};
    ck_assert_int_eq(tree_read_yaml(arena, text, &documents, &diagnostics), 0);
    if (reader_read(&reader, &fault_type, documents.items[0], config) != READ_OK)
        diagnostics_print(&diagnostics, &said);
    struct str wrong = arena_copy(arena, buf_str(&said));
    buf_clear(&said);
    diagnostics_clear(&diagnostics);
    return wrong;
}

static inline uint64_t push_on(const char *route, const char *yaml)
{
    static unsigned line;
    struct fault_config *config = arena_alloc(arena, sizeof *config);
    struct str why = {0};
    ck_str_is(read_fault(yaml, config), "");
    config->kind.place = (struct place){&source, ++line, 1};
    uint64_t id = faults_push(faults, route ? str_of(route) : (struct str){0}, config, arena, &why);
    ck_assert_msg(id, STR_FMT, STR_ARG(why));
    return id;
}

static inline uint64_t push(const char *yaml)
{
    return push_on(NULL, yaml);
}

/** A new connection whose bytes are kept. */
static inline void dial(bool deaf)
{
    world_dial(&w, true);
    buf_reset(&raw);
    w.peer.raw = &raw;
    w.peer.deaf = deaf;
}

/** Says hello and waits until both sides have acknowledged. */
static inline void greet(void)
{
    world_until(&w, nghttp2_session_get_local_settings(w.peer.session, 3) && w.peer.settings_count);
    (void)world_get(&w, "/hello");
}

static inline uint64_t strikes(void)
{
    return rig_count(&w.rig, ENTRY_FAULT);
}

/* Frames. */

static inline uint32_t number_at(const char *at, int size)
{
    uint32_t number = 0;
    while (size-- > 0)
        number = number << 8 | (uint8_t)*at++;
    return number;
}

/** How many whole frames of a type came, on a stream (-1: any); with `flags` exactly (-1: any). */
static inline size_t frames(int type, int flags, int64_t stream)
{
    size_t count = 0;
    for (size_t at = 0; at + 9 <= raw.size;) {
        const char *head = raw.data + at;
        size_t size = number_at(head, 3);
        if (at + 9 + size > raw.size)
            break;
        count += head[3] == type && (flags < 0 || head[4] == flags) &&
                 (stream < 0 || number_at(head + 5, 4) == stream);
        at += 9 + size;
    }
    return count;
}

static inline bool came(struct str bytes)
{
    return str_find(buf_str(&raw), bytes) >= 0;
}
#define ck_came(bytes) ck_assert_msg(came(STR(bytes)), "these bytes did not come: %s", #bytes)
#define ck_not_came(bytes) ck_assert_msg(!came(STR(bytes)), "these bytes came: %s", #bytes)

/** The last entry of a kind. */
static inline const struct entry *entry_of(enum entry_kind kind)
{
    const struct entry *entry = rig_entry(&w.rig, kind);
    ck_assert_ptr_nonnull(entry);
    return entry;
}

#endif
