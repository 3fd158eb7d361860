#include "base/buf.h"

#include "base/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *buf, size_t most)
{
    *buf = (struct buf){.most = most};
}

void buf_clear(struct buf *buf)
{
    memory_free(buf->data);
    buf_init(buf, buf->most);
}

/** Sets the size within what is there, and the NUL behind it. */
static void buf_shrink(struct buf *buf, size_t size)
{
    buf->size = size;
    if (buf->data)
        buf->data[size] = '\0';
}

void buf_reset(struct buf *buf)
{
    buf_shrink(buf, 0);
    buf->full = false;
}

char *buf_reserve(struct buf *buf, size_t size)
{
    if (size > buf->most || buf->size > buf->most - size) {
        buf->full = true;
        return NULL;
    }
    if (buf->capacity - buf->size <= size) {
        size_t wanted = buf->capacity ? buf->capacity * 2 : 64;
        if (wanted < buf->size + size + 1)
            wanted = buf->size + size + 1;
        buf->data = memory_resize(buf->data, wanted);
        buf->capacity = wanted;
    }
    return buf->data + buf->size;
}

int buf_append(struct buf *buf, struct str bytes)
{
    char *into = buf_reserve(buf, bytes.size);
    if (!into)
        return -EMSGSIZE;
    if (bytes.size)
        memcpy(into, bytes.data, bytes.size);
    buf->size += bytes.size;
    buf->data[buf->size] = '\0';
    return 0;
}

int buf_append_byte(struct buf *buf, char byte)
{
    if (buf->size == buf->most || buf->size + 1 >= buf->capacity)
        return buf_append(buf, (struct str){&byte, 1});
    buf->data[buf->size++] = byte;
    buf->data[buf->size] = '\0';
    return 0;
}

int buf_append_string(struct buf *buf, const char *text)
{
    return buf_append(buf, str_of(text));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    GOTO_ASSERT(size >= 0);
    char *into = buf_reserve(buf, (size_t)size);
    if (!into)
        return -EMSGSIZE;
    va_start(args, format);
    vsnprintf(into, (size_t)size + 1, format, args);
    va_end(args);
    buf->size += (size_t)size;
    return 0;
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size > buf->size)
        size = buf->size;
    if (size == 0)
        return;
    memmove(buf->data, buf->data + size, buf->size - size);
    buf_shrink(buf, buf->size - size);
}

void buf_truncate(struct buf *buf, size_t size)
{
    if (size < buf->size)
        buf_shrink(buf, size);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data, buf->size};
}

bool buf_full(const struct buf *buf)
{
    return buf->full;
}
