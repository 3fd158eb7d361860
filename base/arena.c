#include "base/arena.h"

#include "base/memory.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1024 * 1024 };

/* who uses what was there before a reset is found where memory is checked */
#ifdef __SANITIZE_ADDRESS__
enum { KEEPS_BLOCKS = false };
#else
enum { KEEPS_BLOCKS = true };
#endif

struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) char data[];
};

struct deferred {
    struct deferred *next;
    void (*release)(void *object);
    void *object;
};

struct arena {
    struct block *blocks;
    struct deferred *deferred;
    size_t used;
};

struct arena *arena_new(void)
{
    return memory_alloc(sizeof(struct arena));
}

static void arena_release(struct arena *arena)
{
    for (struct deferred *d = arena->deferred; d; d = d->next)
        d->release(d->object);
}

/** Frees the blocks behind the first one, and that, too, unless it has the usual size. */
static void arena_drop(struct arena *arena, bool keep)
{
    struct block *block = arena->blocks;
    while (block && (block->next || !keep || block->size != FIRST_BLOCK)) {
        struct block *next = block->next;
        memory_free(block);
        block = next;
    }
    arena->blocks = block;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    arena_release(arena);
    arena_drop(arena, false);
    memory_free(arena);
}

void arena_reset(struct arena *arena)
{
    arena_release(arena);
    arena_drop(arena, KEEPS_BLOCKS);
    if (arena->blocks) {
        memset(arena->blocks->data, 0, arena->blocks->used);
        arena->blocks->used = 0;
    }
    arena->deferred = NULL;
    arena->used = 0;
}

static struct block *arena_add_block(struct arena *arena, size_t at_least)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < at_least)
        size = at_least;
    struct block *block = memory_alloc(sizeof *block + size);
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    GOTO_ASSERT(size <= SIZE_MAX / 2);
    size = (size + align - 1) & ~(align - 1);
    struct block *block = arena->blocks;
    if (!block || block->size - block->used < size)
        block = arena_add_block(arena, size);
    void *memory = block->data + block->used;
    block->used += size;
    arena->used += size;
    return memory;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    GOTO_ASSERT(size == 0 || count <= SIZE_MAX / 2 / size);
    return arena_alloc(arena, count * size);
}

struct str arena_copy(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.size + 1);
    if (text.size)
        memcpy(copy, text.data, text.size);
    return (struct str){copy, text.size};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    GOTO_ASSERT(size >= 0);
    char *text = arena_alloc(arena, (size_t)size + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    return (struct str){text, (size_t)size};
}

void arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t size)
{
    void **slot = items;
    if (count < *capacity)
        return;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown = arena_alloc_array(arena, wanted, size);
    if (count)
        memcpy(grown, *slot, count * size);
    *slot = grown;
    *capacity = wanted;
}

void arena_defer(struct arena *arena, void (*release)(void *object), void *object)
{
    struct deferred *deferred = arena_alloc(arena, sizeof *deferred);
    *deferred = (struct deferred){arena->deferred, release, object};
    arena->deferred = deferred;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
