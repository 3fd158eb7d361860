#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void goto_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "goto-run: internal error: '%s' does not hold at %s:%d\n", condition, file,
            line);
    abort();
}

GOTO_NORETURN static void out_of_memory(void)
{
    static const char text[] = "goto-run: out of memory\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    _exit(3);
}

void *memory_alloc(size_t size)
{
    void *block = calloc(1, size ? size : 1);
    if (!block)
        out_of_memory();
    return block;
}

void *memory_alloc_array(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size ? size : 1);
    if (!block)
        out_of_memory();
    return block;
}

void *memory_resize(void *block, size_t size)
{
    void *resized = realloc(block, size ? size : 1);
    if (!resized)
        out_of_memory();
    return resized;
}

char *memory_copy_string(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        out_of_memory();
    return copy;
}

void memory_free(void *block)
{
    free(block);
}

void memory_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    void **slot = items;
    if (count < *capacity)
        return;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    GOTO_ASSERT(wanted <= SIZE_MAX / size);
    *slot = memory_resize(*slot, wanted * size);
    *capacity = wanted;
}
