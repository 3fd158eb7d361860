/**
 * What the tests of the faults of streams and of connecting share: a port with faults that are read
 * from YAML, a protocol that does what the test says, and raw clients.
 */
#ifndef GOTO_CTEST_FAULT_RIG_H
#define GOTO_CTEST_FAULT_RIG_H

#include "ctest/unit/rig.h"

#include "base/memory.h"
#include "schema/tree.h"
#include "server/fault/fault_flow.h"
#include "server/fault/fault_private.h"

/** What the server heard on its newest connection. */
struct told {
    struct buf bytes;
    unsigned pieces;
    int64_t first_ns;
    int64_t last_ns;
    unsigned ended;
    unsigned reset;
    unsigned gone;
};

struct world {
    struct rig rig;
    struct port *port;
    struct faults *faults;
    struct arena *arena;
    struct diagnostics diagnostics;
    struct stream *stream; /**< the newest connection; NULL once it is gone */
    struct told told;
    struct heard heard;
    int fd;
    bool closes;   /**< the server ends its side when the client has */
    bool deaf;     /**< it takes nothing */
    uint64_t left; /**< bytes of the pattern that it has to write still */
    uint64_t at;
};

static struct world world;

/** Byte `at` of what both sides send: no two blocks of it are the same. */
static inline char pattern(uint64_t at)
{
    return (char)(at * 7 + at / 251 + at / 65521);
}

static inline void pattern_fill(char *into, size_t size, uint64_t at)
{
    for (size_t i = 0; i < size; i++)
        into[i] = pattern(at + i);
}

/** Where a text differs from the pattern; its size if it does not. */
static inline size_t pattern_differs(struct str text, uint64_t at)
{
    size_t i = 0;
    while (i < text.size && text.data[i] == pattern(at + i))
        i++;
    return i;
}

/* The protocol. */

/** Writes what is left of the pattern as far as the queue takes it. */
static inline void talk_more(struct stream *stream)
{
    static char piece[65536];
    while (world.left && stream_queued(stream) < STREAM_HIGH_MARK) {
        size_t size = world.left < sizeof piece ? (size_t)world.left : sizeof piece;
        const struct iovec part = {piece, size};
        pattern_fill(piece, size, world.at);
        world.left -= size;
        world.at += size;
        stream_write(stream, &part, 1);
    }
}

static inline void *talk_start(struct stream *stream)
{
    world.stream = stream;
    if (world.deaf)
        stream_pause(stream);
    return &world;
}

static inline size_t talk_bytes(struct stream *stream, struct str bytes)
{
    struct told *told = &world.told;
    (void)stream;
    if (!told->pieces++)
        told->first_ns = clock_now();
    told->last_ns = clock_now();
    ck_assert_int_eq(buf_append(&told->bytes, bytes), 0);
    return bytes.size;
}

static inline void talk_ended(struct stream *stream, bool reset)
{
    *(reset ? &world.told.reset : &world.told.ended) += 1;
    if (!reset && stream->peer_ended && world.closes)
        stream_close(stream, CLOSE_FIN);
}

static inline void talk_nothing(struct stream *stream)
{
    (void)stream;
}

static inline void talk_drain(struct stream *stream)
{
    stream_close(stream, CLOSE_FIN);
}

static inline bool talk_is_idle(const struct stream *stream)
{
    (void)stream;
    return true;
}

static inline void talk_gone(struct stream *stream)
{
    world.told.gone++;
    if (world.stream == stream)
        world.stream = NULL;
}

static const struct protocol talk = {.name = "talk",
                                     .start = talk_start,
                                     .bytes = talk_bytes,
                                     .writable = talk_more,
                                     .ended = talk_ended,
                                     .closing = talk_nothing,
                                     .drain = talk_drain,
                                     .is_idle = talk_is_idle,
                                     .gone = talk_gone};

/* The world. */

/** One fault, read from YAML: "{latency: 50ms}". */
static inline const struct fault_config *fault_read_text(const char *yaml)
{
    struct documents documents = {0};
    struct source *source = arena_alloc(world.arena, sizeof *source);
    struct fault_config *config = arena_alloc(world.arena, sizeof *config);
    struct reader reader = {.arena = world.arena, .diagnostics = &world.diagnostics};
    *source = (struct source){STR("fault.yaml"), arena_copy(world.arena, str_of(yaml))};
    ck_assert_int_eq(tree_read_yaml(world.arena, source, &documents, &world.diagnostics), 0);
    ck_assert_msg(reader_read(&reader, &fault_type, documents.items[0], config) == READ_OK,
                  "%s: " STR_FMT, yaml,
                  STR_ARG(world.diagnostics.first ? world.diagnostics.first->message : STR("?")));
    return config;
}

/** Sets a fault on the port; its id. */
static inline uint64_t fault_set(const char *yaml)
{
    struct str none = {0};
    struct str why = {0};
    uint64_t id = faults_push(world.faults, none, fault_read_text(yaml), world.arena, &why);
    ck_assert_msg(id, STR_FMT, STR_ARG(why));
    return id;
}

static inline void world_init(void)
{
    int error = 0;
    world = (struct world){.fd = -1};
    rig_init(&world.rig);
    world.arena = arena_new();
    diagnostics_init(&world.diagnostics);
    buf_init(&world.told.bytes, BUF_OWN);
    world.port = port_new(&world.rig.server, STR("api"), STR("127.0.0.1"), 0, &error);
    ck_assert_ptr_nonnull(world.port);
    world.port->protocol = &talk;
    world.faults = faults_new(world.port);
    ck_assert_int_eq(port_open(world.port), 0);
}

static inline void world_clear(void)
{
    if (world.fd >= 0)
        close(world.fd);
    rig_clear(&world.rig);
    faults_free(world.faults);
    heard_clear(&world.heard);
    buf_clear(&world.told.bytes);
    diagnostics_clear(&world.diagnostics);
    arena_free(world.arena);
}

/** A connection that the server has. */
static inline void dial(void)
{
    world.fd = rig_dial(world.port->number);
    ck_assert_int_ge(world.fd, 0);
    uint64_t accepted = world.port->accepted;
    rig_until(&world.rig, world.port->accepted > accepted);
}

/** Another one, in the place of the last. */
static inline void dial_again(void)
{
    close(world.fd);
    heard_clear(&world.heard);
    buf_reset(&world.told.bytes);
    world.told.pieces = world.told.ended = world.told.reset = 0;
    world.left = world.at = 0;
    dial();
}

static inline void client_says(uint64_t at, size_t size)
{
    char *bytes = malloc(size);
    pattern_fill(bytes, size, at);
    say_bytes(world.fd, bytes, size);
    free(bytes);
}

/** The server begins to write so many bytes of the pattern. */
static inline void server_says(uint64_t size)
{
    world.left += size;
    stream_enter(world.stream);
    talk_more(world.stream);
    stream_leave(world.stream);
}

/** Whether the client heard so many bytes, or the end. */
static inline bool client_heard(size_t size)
{
    return heard_more(&world.heard, world.fd) || world.heard.size >= size;
}

static inline bool client_heard_end(void)
{
    return heard_more(&world.heard, world.fd);
}

static inline bool server_heard(size_t size)
{
    return world.told.bytes.size >= size;
}

static inline struct str heard_text(void)
{
    return (struct str){world.heard.data, world.heard.size};
}

/** "fault" entries of the journal. */
static inline uint64_t strikes(void)
{
    return rig_count(&world.rig, ENTRY_FAULT);
}

static inline void world_idle_add(void *context, const struct fault_idle *idle)
{
    buf_printf(context, STR_FMT ": " STR_FMT "\n", STR_ARG(idle->name), STR_ARG(idle->why));
}

/** The faults that struck nothing, and why. */
static inline struct str world_idle(void)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    faults_idle(world.faults, world.arena, world_idle_add, &text);
    struct str copy = arena_copy(world.arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

#endif
