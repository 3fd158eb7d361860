#include "runner/suite/discover.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEEPEST_FOLDER = 64 };

/** How many lines a text has. */
static size_t line_count(struct str text)
{
    size_t count = text.size && text.data[text.size - 1] != '\n';
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == '\n';
    return count;
}

/** By which a file is known again: two names of one file in different folders are two specs. */
static char *naming_path(const char *path)
{
    struct buf text;
    const char *slash = strrchr(path, '/');
    struct buf folder;
    buf_init(&folder, BUF_OWN);
    buf_append(&folder, slash ? (struct str){path, (size_t)(slash - path) + 1} : STR("."));
    char *real = realpath(folder.data, NULL);
    buf_init(&text, BUF_OWN);
    buf_printf(&text, "%s/%s", real ? real : folder.data, slash ? slash + 1 : path);
    free(real);
    buf_clear(&folder);
    char *copy = memory_copy_string(text.data);
    buf_clear(&text);
    return copy;
}

/** The file, read now unless it was named before. */
static size_t discovered_find(struct discovered *discovered, const char *path,
                              const struct spec_options *options, struct diagnostics *diagnostics)
{
    char *name = naming_path(path);
    for (size_t i = 0; i < discovered->count; i++) {
        if (strcmp(discovered->namings[i].path, name) == 0) {
            memory_free(name);
            return i;
        }
    }
    memory_grow(&discovered->files, discovered->count, &discovered->capacity,
                sizeof *discovered->files);
    memory_grow(&discovered->namings, discovered->count, &discovered->namings_capacity,
                sizeof *discovered->namings);
    discovered->files[discovered->count] = spec_read(path, options, diagnostics);
    discovered->namings[discovered->count] = (struct naming){.path = name};
    return discovered->count++;
}

static void discover_file(struct discovered *discovered, const char *path, size_t line,
                          const struct spec_options *options, struct diagnostics *diagnostics)
{
    size_t at = discovered_find(discovered, path, options, diagnostics);
    const struct spec_file *file = discovered->files[at];
    struct naming *naming = &discovered->namings[at];
    if (line == 0) {
        naming->whole = true;
        return;
    }
    if (line > line_count(file->source.text) && file->count)
        diagnostics_add(diagnostics, (struct place){.source = &file->source},
                        "the file has no line %zu", line);
    memory_grow(&naming->lines, naming->count, &naming->capacity, sizeof *naming->lines);
    naming->lines[naming->count++] = line;
}

static int wanted_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void discover_folder(struct discovered *discovered, const char *path,
                            const struct spec_options *options, struct diagnostics *diagnostics,
                            unsigned depth)
{
    struct dirent **entries = NULL;
    int count = depth < DEEPEST_FOLDER ? scandir(path, &entries, wanted_entry, by_bytes) : 0;
    if (count < 0) {
        diagnostics_add(diagnostics, (struct place){0}, "%s: the folder cannot be read: %s", path,
                        strerror(errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        struct stat status;
        struct buf child;
        buf_init(&child, BUF_OWN);
        size_t length = strlen(path);
        buf_printf(&child, "%s%s%s", path, length && path[length - 1] == '/' ? "" : "/",
                   entries[i]->d_name);
        if (lstat(child.data, &status) == 0) {
            bool folder = S_ISDIR(status.st_mode);
            if (folder && entries[i]->d_name[0] != '.')
                discover_folder(discovered, child.data, options, diagnostics, depth + 1);
            else if (!folder && str_ends(str_of(entries[i]->d_name), STR(".goto.yaml")))
                discover_file(discovered, child.data, 0, options, diagnostics);
        }
        buf_clear(&child);
        free(entries[i]);
    }
    free(entries);
}

/** FILE:LINE, if there is no file of the whole name. */
static bool split_line(const char *path, char **file, size_t *line)
{
    const char *colon = strrchr(path, ':');
    uint64_t number = 0;
    if (!colon || !str_to_u64(str_of(colon + 1), UINT32_MAX, &number) || number == 0)
        return false;
    *file = memory_copy_string(path);
    (*file)[colon - path] = '\0';
    *line = (size_t)number;
    return true;
}

void discover_path(struct discovered *discovered, const char *path,
                   const struct spec_options *options, struct diagnostics *diagnostics)
{
    struct stat status;
    char *file = NULL;
    size_t line = 0;
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            discover_folder(discovered, path, options, diagnostics, 0);
        else
            discover_file(discovered, path, 0, options, diagnostics);
        return;
    }
    if (split_line(path, &file, &line)) {
        discover_file(discovered, file, line, options, diagnostics);
        memory_free(file);
        return;
    }
    if (str_starts(str_of(path), STR("std/"))) {
        diagnostics_add(
            diagnostics, (struct place){0},
            "%s: the installed library of specs is part of the language but not of this version",
            path);
        return;
    }
    diagnostics_add(diagnostics, (struct place){0}, "%s: %s", path,
                    strerror(errno ? errno : ENOENT));
    if (str_starts(str_of(path), STR("-")))
        diagnostics_help(diagnostics, "options are listed by goto-run --help");
}

void discovered_clear(struct discovered *discovered)
{
    for (size_t i = 0; i < discovered->count; i++) {
        spec_free(discovered->files[i]);
        memory_free(discovered->namings[i].path);
        memory_free(discovered->namings[i].lines);
    }
    memory_free(discovered->files);
    memory_free(discovered->namings);
    *discovered = (struct discovered){0};
}

static bool name_selected(const struct selection *selection, struct str name)
{
    bool found = selection->name_count == 0;
    char *text = memory_copy_string("");
    text = memory_resize(text, name.size + 1);
    memcpy(text, name.data ? name.data : "", name.size);
    text[name.size] = '\0';
    for (size_t i = 0; !found && i < selection->name_count; i++)
        found = strcasestr(text, selection->names[i]) != NULL;
    memory_free(text);
    return found;
}

static bool has_tag(const struct scenario_spec *spec, const char *tag)
{
    const struct str *tags = spec->tags.items;
    for (size_t i = 0; i < spec->tags.count; i++) {
        if (str_is(tags[i], tag))
            return true;
    }
    return false;
}

static bool tags_selected(const struct selection *selection, const struct scenario_spec *spec)
{
    bool plain = false;
    bool found = false;
    for (size_t i = 0; i < selection->tag_count; i++) {
        const char *tag = selection->tags[i];
        if (tag[0] == '!') {
            if (has_tag(spec, tag + 1))
                return false;
            continue;
        }
        plain = true;
        found |= has_tag(spec, tag);
    }
    return !plain || found;
}

/** Whether a line is inside the scenario: from its document's first line to the next one's. */
static bool line_is_inside(const struct spec_file *file, size_t index, size_t line)
{
    size_t next = index + 1 < file->count ? file->scenarios[index + 1]->place.line : SIZE_MAX;
    size_t from = index == 0 ? 0 : file->scenarios[index]->place.line;
    return line >= from && line < next;
}

static bool naming_selects(const struct naming *naming, const struct spec_file *file, size_t index)
{
    bool selects = naming->whole;
    for (size_t i = 0; !selects && i < naming->count; i++)
        selects = line_is_inside(file, index, naming->lines[i]);
    return selects;
}

struct selected *discover_select(const struct discovered *discovered,
                                 const struct selection *selection, unsigned repeat, size_t *count)
{
    struct selected *selected = NULL;
    size_t capacity = 0;
    *count = 0;
    for (unsigned round = 1; round <= (repeat ? repeat : 1); round++) {
        for (size_t i = 0; i < discovered->count; i++) {
            const struct spec_file *file = discovered->files[i];
            for (size_t j = 0; j < file->count; j++) {
                const struct scenario_spec *spec = file->scenarios[j];
                if (!naming_selects(&discovered->namings[i], file, j) ||
                    !name_selected(selection, spec->name) || !tags_selected(selection, spec))
                    continue;
                memory_grow(&selected, *count, &capacity, sizeof *selected);
                selected[(*count)++] = (struct selected){spec, i, repeat ? round : 0};
            }
        }
    }
    return selected;
}
