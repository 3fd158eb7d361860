#include "server/grpc/protos_load.h"

#include "base/memory.h"
#include "server/grpc/protoc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** No compilation takes longer. */
#define COMPILE_NS INT64_C(60000000000)

/* The pools of this program. */

struct pool {
    struct pool *next;
    char *key;
    struct protos *protos;
};

static struct pool *pools;

static const struct protos *pool_find(struct str key)
{
    for (const struct pool *pool = pools; pool; pool = pool->next)
        if (str_equal(str_of(pool->key), key))
            return pool->protos;
    return NULL;
}

static void pool_keep(struct str key, struct protos *protos)
{
    struct pool *pool = memory_alloc(sizeof *pool);
    pool->key = memory_copy_string(key.data);
    pool->protos = protos;
    pool->next = pools;
    pools = pool;
}

/* Paths. */

struct paths {
    struct str *items;
    struct place *places;
    size_t count;
};

static void paths_of(struct arena *arena, const struct list *list, struct paths *paths)
{
    const struct grpc_file *files = list->items;
    paths->count = list->count;
    paths->items = arena_alloc_array(arena, list->count, sizeof *paths->items);
    paths->places = arena_alloc_array(arena, list->count, sizeof *paths->places);
    for (size_t i = 0; i < list->count; i++) {
        paths->places[i] = files[i].place;
        paths->items[i] = place_path(files[i].place, files[i].path, arena);
    }
}

/** A file that is not there from the spec's folder on may be in one of the import folders. */
static void paths_search(struct arena *arena, const struct list *list, const struct paths *imports,
                         struct paths *paths)
{
    const struct grpc_file *files = list->items;
    for (size_t i = 0; i < paths->count; i++) {
        for (size_t j = 0; j < imports->count && access(paths->items[i].data, F_OK) != 0; j++) {
            struct str path = arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(imports->items[j]),
                                           STR_ARG(files[i].path));
            if (access(path.data, F_OK) == 0)
                paths->items[i] = path;
        }
    }
}

static void key_put(struct buf *key, char kind, const struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        buf_printf(key, "%c" STR_FMT "\n", kind, STR_ARG(paths->items[i]));
}

/* What protoc says. */

/** The same files may be named by many steps: what is wrong with them is told once. */
static bool told_already(const struct diagnostics *diagnostics, struct place place,
                         struct str message)
{
    for (const struct diagnostic *d = diagnostics->first; d; d = d->next)
        if (d->place.line == place.line && d->place.column == place.column && d->place.source &&
            place.source && str_equal(d->place.source->name, place.source->name) &&
            str_equal(d->message, message))
            return true;
    return false;
}

static struct source *source_of(struct arena *arena, struct str path)
{
    struct source *source = arena_alloc(arena, sizeof *source);
    struct buf text;
    FILE *file = fopen(path.data, "rbe");
    buf_init(&text, 16 * 1024 * 1024);
    char *room;
    size_t size = 0;
    while (file && (room = buf_reserve(&text, 64 * 1024)) &&
           (size = fread(room, 1, 64 * 1024, file)))
        text.size += size;
    if (file)
        (void)!fclose(file);
    source->name = arena_copy(arena, path);
    source->text = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return source;
}

static void tell_remark(struct reader *reader, const struct protoc_remark *remark,
                        struct place place)
{
    struct diagnostics *diagnostics = reader->diagnostics;
    struct str words = remark->text;
    if (remark->path.size && remark->line)
        place = (struct place){.source = source_of(diagnostics->arena, remark->path),
                               .line = remark->line,
                               .column = remark->column,
                               .width = 1};
    else if (remark->file.size)
        words = arena_printf(diagnostics->arena, STR_FMT ": " STR_FMT, STR_ARG(remark->file),
                             STR_ARG(remark->text));
    if (!told_already(diagnostics, place, words))
        diagnostics_add(diagnostics, place, STR_FMT, STR_ARG(words));
}

static void tell_missing(struct reader *reader, struct place place)
{
    struct str words = STR("'protos' needs the program 'protoc', which is not there");
    reader->diagnostics->harness = true;
    for (const struct diagnostic *d = reader->diagnostics->first; d; d = d->next)
        if (str_equal(d->message, words))
            return;
    diagnostics_add(reader->diagnostics, place, STR_FMT, STR_ARG(words));
    diagnostics_help(reader->diagnostics,
                     "install it (Debian: protobuf-compiler), or give 'protosets', which "
                     "'protoc --descriptor_set_out' writes elsewhere");
}

static bool compile(struct reader *reader, const struct paths *files, const struct paths *imports,
                    struct str *set)
{
    struct protoc_run run = {.files = files->items,
                             .file_count = files->count,
                             .imports = imports->items,
                             .import_count = imports->count,
                             .timeout_ns = COMPILE_NS};
    struct place place = files->places[0];
    bool told = false;
    switch (protoc_compile(reader->arena, &run)) {
    case PROTOC_DONE:
        *set = run.set;
        return true;
    case PROTOC_MISSING:
        tell_missing(reader, place);
        return false;
    case PROTOC_FAILED:
    case PROTOC_LATE:
        reader->diagnostics->harness = true;
        diagnostics_add(reader->diagnostics, place, "protoc could not compile it: " STR_FMT,
                        STR_ARG(run.failure));
        return false;
    case PROTOC_WRONG:
        break;
    }
    for (size_t i = 0; i < run.remark_count; i++) {
        if (run.remarks[i].warning)
            continue;
        told = true;
        tell_remark(reader, &run.remarks[i], place);
    }
    if (!told)
        diagnostics_add(reader->diagnostics, place, "protoc refuses it without a word");
    return false;
}

static bool files_exist(struct reader *reader, const struct paths *files)
{
    bool good = true;
    for (size_t i = 0; i < files->count; i++) {
        if (access(files->items[i].data, R_OK) == 0)
            continue;
        good = false;
        diagnostics_add(reader->diagnostics, files->places[i], "'" STR_FMT "' cannot be read: %s",
                        STR_ARG(files->items[i]), strerror(errno));
    }
    return good;
}

/* Sets. */

static void tell_set(struct reader *reader, struct place place, struct str path,
                     const struct protos_error *error)
{
    struct str words = arena_printf(reader->arena, "'" STR_FMT "' cannot be used: " STR_FMT,
                                    STR_ARG(path), STR_ARG(error->message));
    if (error->offset)
        words =
            arena_printf(reader->arena, STR_FMT " (at byte %zu)", STR_ARG(words), error->offset);
    if (told_already(reader->diagnostics, place, words))
        return;
    diagnostics_add(reader->diagnostics, place, STR_FMT, STR_ARG(words));
    diagnostics_help(reader->diagnostics,
                     "a protoset is what 'protoc --include_imports --descriptor_set_out=FILE' "
                     "writes");
}

static bool add_set_file(struct reader *reader, struct protos *protos, struct place place,
                         struct str path)
{
    struct buf bytes;
    struct protos_error error = {0};
    FILE *file = fopen(path.data, "rbe");
    bool good = file != NULL;
    if (!file) {
        diagnostics_add(reader->diagnostics, place, "'" STR_FMT "' cannot be read: %s",
                        STR_ARG(path), strerror(errno));
        return false;
    }
    buf_init(&bytes, PROTOS_MOST_BYTES);
    char *room;
    size_t size = 0;
    while ((room = buf_reserve(&bytes, 64 * 1024)) && (size = fread(room, 1, 64 * 1024, file)))
        bytes.size += size;
    if (ferror(file) || buf_full(&bytes)) {
        diagnostics_add(reader->diagnostics, place, "'" STR_FMT "' cannot be read: %s",
                        STR_ARG(path),
                        ferror(file) ? "it is no file" : "a protoset has at most 64 MiB");
        good = false;
    } else if (protos_add_set(protos, buf_str(&bytes), &error) != 0) {
        tell_set(reader, place, path, &error);
        good = false;
    }
    (void)!fclose(file);
    buf_clear(&bytes);
    return good;
}

static bool fill(struct reader *reader, struct protos *protos, const struct paths *files,
                 const struct paths *sets, const struct paths *imports)
{
    struct protos_error error = {0};
    struct str set = {0};
    bool good = true;
    for (size_t i = 0; i < sets->count && good; i++)
        good = add_set_file(reader, protos, sets->places[i], sets->items[i]);
    if (good && files->count)
        good = files_exist(reader, files) && compile(reader, files, imports, &set);
    if (!good)
        return false;
    struct place place = files->count ? files->places[0] : sets->places[0];
    struct str path = files->count ? files->items[0] : sets->items[0];
    if ((files->count && protos_add_set(protos, set, &error) != 0) ||
        protos_link(protos, &error) != 0) {
        tell_set(reader, place, path, &error);
        return false;
    }
    return true;
}

const struct protos *protos_load(struct reader *reader, const struct grpc_files *files)
{
    struct paths protos_paths = {0};
    struct paths set_paths = {0};
    struct paths import_paths = {0};
    struct buf text;
    paths_of(reader->arena, files->protos, &protos_paths);
    paths_of(reader->arena, files->protosets, &set_paths);
    paths_of(reader->arena, files->imports, &import_paths);
    paths_search(reader->arena, files->protos, &import_paths, &protos_paths);
    buf_init(&text, BUF_OWN);
    key_put(&text, 'p', &protos_paths);
    key_put(&text, 's', &set_paths);
    key_put(&text, 'i', &import_paths);
    struct str key = arena_copy(reader->arena, buf_str(&text));
    buf_clear(&text);
    const struct protos *known = pool_find(key);
    if (known)
        return known;
    struct protos *protos = protos_new();
    if (!fill(reader, protos, &protos_paths, &set_paths, &import_paths)) {
        protos_free(protos);
        return NULL;
    }
    pool_keep(key, protos);
    return protos;
}
