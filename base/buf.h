/**
 * A growing buffer of bytes with a bound that is set when it is made.
 *
 * Appending beyond the bound appends nothing and marks the buffer as `full`: callers that append in
 * sequence may check buf_full() once at the end. The bytes are always followed by a NUL that does
 * not count once something was appended (not behind what was written after buf_reserve()).
 */
#ifndef GOTO_BASE_BUF_H
#define GOTO_BASE_BUF_H

#include "base/common.h"
#include "base/str.h"

struct buf {
    char *data;
    size_t size;
    size_t capacity;
    size_t most; /**< the bound in bytes */
    bool full;   /**< something was refused because of the bound */
};

/** A bound for what only we produce (messages, reports): 1 GiB. */
#define BUF_OWN ((size_t)1 << 30)

/** An empty buffer that never holds more than `most` bytes. Cleared by buf_clear(). */
void buf_init(struct buf *buf, size_t most);
/** Frees the bytes; the buffer stays usable with the same bound. */
void buf_clear(struct buf *buf);
/** Empties it and keeps the memory. */
void buf_reset(struct buf *buf);

/** Each returns 0, or -EMSGSIZE (and sets `full`) when the bound would be exceeded. */
int buf_append(struct buf *buf, struct str bytes);
int buf_append_byte(struct buf *buf, char byte);
int buf_append_string(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) GOTO_PRINTF(2, 3);

/** Removes `size` bytes (clipped) from the front. */
void buf_consume(struct buf *buf, size_t size);
/** Cuts to at most `size` bytes. */
void buf_truncate(struct buf *buf, size_t size);
/**
 * Makes room for `size` more bytes and returns where they go; the caller writes them and adds to
 * `size`. NULL (and `full`) if that would exceed the bound.
 */
GOTO_MUST_USE char *buf_reserve(struct buf *buf, size_t size);

/** The bytes, borrowed until the buffer changes. */
struct str buf_str(const struct buf *buf);
bool buf_full(const struct buf *buf);

#endif
