#include "runner/client/supervisor_private.h"

#include <string.h>

void output_init(struct output *output, size_t most_output, size_t most_line,
                 void (*line)(struct output *output, struct str line, bool cut))
{
    GOTO_ASSERT(most_line > 0);
    *output = (struct output){.line = line, .most_line = most_line};
    buf_init(&output->kept, most_output);
    /* one byte more: a "\r" that may turn out to belong to the end of the line */
    buf_init(&output->partial, most_line + 1);
}

void output_clear(struct output *output)
{
    buf_clear(&output->kept);
    buf_clear(&output->partial);
}

static struct str strip_return(struct str line)
{
    return line.size && line.data[line.size - 1] == '\r' ? str_slice(line, 0, line.size - 1) : line;
}

static void output_cut(struct output *output)
{
    output->line(output, str_slice(buf_str(&output->partial), 0, output->most_line), true);
    buf_consume(&output->partial, output->most_line);
}

/** Delivers what is there of the line. */
static void output_end_line(struct output *output, struct str line, bool cut)
{
    if (line.size > output->most_line) {
        size_t rest = line.size - output->most_line;
        output_cut(output);
        line = str_slice(buf_str(&output->partial), 0, rest);
    }
    output->line(output, line, cut);
    buf_reset(&output->partial);
}

/** Adds to the line that has no end yet, and cuts off what is too long for certain. */
static void output_add(struct output *output, struct str piece)
{
    size_t most = output->most_line + 1;
    while (piece.size > most - output->partial.size) {
        size_t room = most - output->partial.size;
        buf_append(&output->partial, str_slice(piece, 0, room));
        piece = str_from(piece, room);
        output_cut(output);
    }
    buf_append(&output->partial, piece);
}

static void output_split(struct output *output, struct str bytes)
{
    while (bytes.size) {
        const char *end = memchr(bytes.data, '\n', bytes.size);
        size_t size = end ? (size_t)(end - bytes.data) : bytes.size;
        struct str piece = str_slice(bytes, 0, size);
        struct str line = strip_return(piece);
        bytes = str_from(bytes, end ? size + 1 : size);
        if (end && output->partial.size == 0 && line.size <= output->most_line) {
            output->line(output, line, false);
            continue;
        }
        output_add(output, piece);
        if (end)
            output_end_line(output, strip_return(buf_str(&output->partial)), false);
    }
}

void output_feed(struct output *output, struct str bytes)
{
    output->total += bytes.size;
    if (output->exceeded)
        return;
    size_t room = output->kept.most - output->kept.size;
    struct str kept = str_slice(bytes, 0, room);
    buf_append(&output->kept, kept);
    output_split(output, kept);
    if (bytes.size <= room)
        return;
    output->exceeded = true;
    if (output->partial.size && bytes.data[room] == '\n')
        output_end_line(output, strip_return(buf_str(&output->partial)), false);
    else if (output->partial.size)
        output_end_line(output, buf_str(&output->partial), true);
}

void output_finish(struct output *output)
{
    if (output->partial.size)
        output_end_line(output, buf_str(&output->partial), false);
}
