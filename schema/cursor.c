#include "schema/cursor.h"

struct cursor cursor_at_start(struct str text)
{
    return (struct cursor){.text = text};
}

/** Whether the byte goes on with a character that began before it. */
static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static void cursor_step(struct cursor *cursor)
{
    bool line_ends = cursor->text.data[cursor->byte] == '\n';
    do {
        cursor->byte++;
    } while (cursor->byte < cursor->text.size && is_continuation(cursor->text.data[cursor->byte]));
    cursor->index++;
    if (line_ends) {
        cursor->line++;
        cursor->line_index = cursor->index;
    }
}

static void cursor_step_back(struct cursor *cursor)
{
    do {
        cursor->byte--;
    } while (is_continuation(cursor->text.data[cursor->byte]));
    cursor->index--;
}

/** Sets the start of the line anew after steps back over line ends. */
static void cursor_find_line(struct cursor *cursor)
{
    cursor->line_index = cursor->index;
    for (size_t byte = cursor->byte; byte > 0 && cursor->text.data[byte - 1] != '\n'; byte--) {
        if (!is_continuation(cursor->text.data[byte - 1]))
            cursor->line_index--;
    }
}

void cursor_move(struct cursor *cursor, size_t index)
{
    bool lines_changed = false;
    while (cursor->index < index && cursor->byte < cursor->text.size)
        cursor_step(cursor);
    while (cursor->index > index) {
        cursor_step_back(cursor);
        if (cursor->text.data[cursor->byte] == '\n') {
            cursor->line--;
            lines_changed = true;
        }
    }
    if (lines_changed)
        cursor_find_line(cursor);
}

struct place cursor_place(const struct cursor *cursor, const struct source *source)
{
    return (struct place){source, (uint32_t)cursor->line + 1,
                          (uint32_t)(cursor->index - cursor->line_index) + 1, 1};
}
