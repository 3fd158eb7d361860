#include "base/diag.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void diagnostics_init(struct diagnostics *diagnostics)
{
    *diagnostics = (struct diagnostics){.arena = arena_new()};
}

void diagnostics_clear(struct diagnostics *diagnostics)
{
    arena_free(diagnostics->arena);
    *diagnostics = (struct diagnostics){0};
}

GOTO_PRINTF(2, 0)
static struct str format_text(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    GOTO_ASSERT(size >= 0);
    char *text = arena_alloc(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return (struct str){text, (size_t)size};
}

struct diagnostic *diagnostics_add(struct diagnostics *diagnostics, struct place place,
                                   const char *format, ...)
{
    struct diagnostic *diagnostic = arena_alloc(diagnostics->arena, sizeof *diagnostic);
    va_list args;
    va_start(args, format);
    diagnostic->message = format_text(diagnostics->arena, format, args);
    va_end(args);
    diagnostic->place = place;
    if (diagnostics->last)
        diagnostics->last->next = diagnostic;
    else
        diagnostics->first = diagnostic;
    diagnostics->last = diagnostic;
    diagnostics->count++;
    return diagnostic;
}

void diagnostics_help(struct diagnostics *diagnostics, const char *format, ...)
{
    va_list args;
    GOTO_ASSERT(diagnostics->last);
    va_start(args, format);
    diagnostics->last->help = format_text(diagnostics->arena, format, args);
    va_end(args);
}

void diagnostics_did_you_mean(struct diagnostics *diagnostics, const struct nearest *nearest)
{
    if (nearest->best.size)
        diagnostics_help(diagnostics, "did you mean '" STR_FMT "'?", STR_ARG(nearest->best));
}

/** A line that was found in a source: where the search for a later one starts. */
struct found_line {
    const struct source *source;
    uint32_t line;
    size_t offset;
};

/** The line of a place without its end; empty if the text has no such line. */
static struct str place_line(struct place place, struct found_line *found)
{
    if (found->source != place.source || found->line > place.line)
        *found = (struct found_line){place.source, 1, 0};
    struct str rest = str_from(place.source->text, found->offset);
    for (; found->line < place.line; found->line++) {
        ptrdiff_t end = str_find_byte(rest, '\n');
        if (end < 0)
            return (struct str){0};
        rest = str_from(rest, (size_t)end + 1);
        found->offset += (size_t)end + 1;
    }
    ptrdiff_t end = str_find_byte(rest, '\n');
    struct str line = end < 0 ? rest : str_slice(rest, 0, (size_t)end);
    return str_ends(line, STR("\r")) ? str_slice(line, 0, line.size - 1) : line;
}

/** Prints `line` so that it cannot upset a terminal: control bytes and bad UTF-8 as '?', tabs as a
 * space. */
static void print_clean(struct str line, struct buf *into)
{
    for (size_t at = 0; at < line.size;) {
        uint32_t code;
        size_t size = str_decode(str_from(line, at), &code);
        if (size == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0))
            buf_append_byte(into, size && code == '\t' ? ' ' : '?');
        else
            buf_append(into, str_slice(line, at, size));
        at += size ? size : 1;
    }
}

enum { LONGEST_SHOWN = 160 };

/** The bytes of `count` characters of text. */
static size_t characters_size(struct str text, size_t count)
{
    size_t at = 0;
    while (count-- && at < text.size) {
        uint32_t code;
        size_t size = str_decode(str_from(text, at), &code);
        at += size ? size : 1;
    }
    return at;
}

static void print_line(struct place place, struct found_line *found, struct buf *into)
{
    if (!place.source || place.line == 0)
        return;
    struct str line = place_line(place, found);
    size_t column = place.column ? place.column - 1 : 0;
    size_t length = str_characters(line);
    if (column > length)
        column = length;
    size_t skipped = column > LONGEST_SHOWN - 40 ? column - 40 : 0;
    line = str_from(line, characters_size(line, skipped));
    line = str_slice(line, 0, characters_size(line, LONGEST_SHOWN));
    column -= skipped;
    size_t width = place.width ? place.width : 1;
    size_t shown = str_characters(line);
    if (width > shown - column)
        width = shown > column ? shown - column : 1;
    buf_printf(into, "%5u | ", place.line);
    print_clean(line, into);
    buf_append_string(into, "\n      | ");
    for (size_t i = 0; i < column; i++)
        buf_append_byte(into, ' ');
    for (size_t i = 0; i < width; i++)
        buf_append_byte(into, i == 0 ? '^' : '~');
    buf_append_byte(into, '\n');
}

void place_print_line(struct place place, struct buf *into)
{
    struct found_line found = {0};
    print_line(place, &found, into);
}

void place_print(struct place place, struct buf *into)
{
    if (!place.source)
        return;
    buf_append(into, place.source->name);
    if (place.line)
        buf_printf(into, ":%u:%u", place.line, place.column ? place.column : 1);
}

struct place place_inside(struct place place, uint32_t offset, uint32_t width)
{
    place.column += offset;
    place.width = width;
    return place;
}

struct ordered {
    const struct diagnostic *diagnostic;
    size_t file;
    size_t number;
};

static int ordered_compare(const void *left, const void *right)
{
    const struct ordered *a = left;
    const struct ordered *b = right;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->diagnostic->place.line != b->diagnostic->place.line)
        return a->diagnostic->place.line < b->diagnostic->place.line ? -1 : 1;
    if (a->diagnostic->place.column != b->diagnostic->place.column)
        return a->diagnostic->place.column < b->diagnostic->place.column ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void diagnostic_print(const struct diagnostic *diagnostic, struct found_line *found,
                             struct buf *into)
{
    if (diagnostic->place.source) {
        place_print(diagnostic->place, into);
        buf_append_string(into, ": ");
    }
    buf_append_string(into, "error: ");
    print_clean(diagnostic->message, into);
    buf_append_byte(into, '\n');
    print_line(diagnostic->place, found, into);
    if (diagnostic->help.size) {
        buf_append_string(into, "      = ");
        print_clean(diagnostic->help, into);
        buf_append_byte(into, '\n');
    }
}

void diagnostics_print(const struct diagnostics *diagnostics, struct buf *into)
{
    struct ordered *all = memory_alloc_array(diagnostics->count, sizeof *all);
    struct found_line found = {0};
    size_t count = 0;
    for (const struct diagnostic *d = diagnostics->first; d; d = d->next) {
        all[count] = (struct ordered){d, count, count};
        for (size_t i = 0; i < count; i++) {
            if (all[i].diagnostic->place.source == d->place.source) {
                all[count].file = all[i].file;
                break;
            }
        }
        count++;
    }
    qsort(all, count, sizeof *all, ordered_compare);
    for (size_t i = 0; i < count; i++)
        diagnostic_print(all[i].diagnostic, &found, into);
    memory_free(all);
}

struct str place_path(struct place place, struct str written, struct arena *arena)
{
    struct str folder = place.source ? place.source->name : (struct str){0};
    while (folder.size && folder.data[folder.size - 1] != '/')
        folder.size--;
    if (str_starts(written, STR("/")))
        folder.size = 0;
    return arena_printf(arena, STR_FMT STR_FMT, STR_ARG(folder), STR_ARG(written));
}
