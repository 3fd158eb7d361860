#include "server/grpc/sources.h"

#include "base/memory.h"
#include "schema/file.h"
#include "server/grpc/protoc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** No compilation takes longer. */
#define COMPILE_NS (INT64_C(30) * 1000000000)

/* Reading. */

static enum read_result file_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct grpc_file *file = into;
    if (node->kind != NODE_STRING || !node->text.size ||
        memchr(node->text.data, 0, node->text.size))
        return reader_expected(reader, node, type->name);
    file->written = node->text;
    file->path = place_path(node->place, node->text, reader->arena);
    file->place = node->place;
    return READ_OK;
}

static struct json *file_schema(struct schema_writer *writer, const struct type *type)
{
    (void)type;
    return schema_text(writer, "{\"type\": \"string\", \"minLength\": 1}");
}

static const struct type type_path = {
    .name = "a path",
    .size = sizeof(struct grpc_file),
    .read = file_read,
    .schema = file_schema,
};
const struct type grpc_files_type = TYPE_ONE_OR_LIST(&type_path);

bool grpc_sources_are_named(const struct grpc_sources *sources)
{
    return sources->protos.count || sources->protosets.count;
}

/* The pools of this program. */

struct pool {
    struct pool *next;
    char *key;
    struct protos *protos;
};

static struct pool *pools;

static struct protos *pool_find(struct str key)
{
    for (const struct pool *pool = pools; pool; pool = pool->next)
        if (str_equal(str_of(pool->key), key))
            return pool->protos;
    return NULL;
}

static void pools_free(void)
{
    while (pools) {
        struct pool *next = pools->next;
        protos_free(pools->protos);
        memory_free(pools->key);
        memory_free(pools);
        pools = next;
    }
}

static void pool_keep(struct str key, struct protos *protos)
{
    struct pool *pool = memory_alloc(sizeof *pool);
    if (!pools)
        (void)atexit(pools_free);
    pool->key = memory_copy_string(key.data);
    pool->protos = protos;
    pool->next = pools;
    pools = pool;
}

static void key_put(struct buf *key, char kind, const struct list *files)
{
    const struct grpc_file *items = files->items;
    for (size_t i = 0; i < files->count; i++)
        buf_printf(key, "%c" STR_FMT "\n", kind, STR_ARG(items[i].path));
}

static struct str key_of(struct arena *arena, const struct grpc_sources *sources)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    key_put(&text, 'p', &sources->protos);
    key_put(&text, 's', &sources->protosets);
    key_put(&text, 'i', &sources->imports);
    struct str key = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return key;
}

/* What is wrong. */

/** The same files may be named by many: what is wrong with them is told once. */
static void tell(struct reader *reader, struct place place, struct str words, const char *help)
{
    struct diagnostics *diagnostics = reader->diagnostics;
    for (const struct diagnostic *d = diagnostics->first; d; d = d->next)
        if (d->place.line == place.line && d->place.column == place.column && d->place.source &&
            place.source && str_equal(d->place.source->name, place.source->name) &&
            str_equal(d->message, words))
            return;
    diagnostics_add(diagnostics, place, STR_FMT, STR_ARG(words));
    if (help)
        diagnostics_help(diagnostics, "%s", help);
}

/** The place that a remark of protoc is about: in the .proto file, else in the spec. */
static struct place remark_place(struct reader *reader, const struct protoc_remark *remark,
                                 struct place place)
{
    struct arena *arena = reader->diagnostics->arena;
    struct str text;
    if (!remark->path.size || !remark->line || file_load(arena, remark->path.data, &text))
        return place;
    struct source *source = arena_alloc(arena, sizeof *source);
    *source = (struct source){.name = arena_copy(arena, remark->path), .text = text};
    return (struct place){
        .source = source, .line = remark->line, .column = remark->column, .width = 1};
}

static void tell_remarks(struct reader *reader, const struct protoc_run *run, struct place place)
{
    size_t told = 0;
    for (size_t i = 0; i < run->remark_count; i++) {
        const struct protoc_remark *remark = &run->remarks[i];
        struct place there = remark_place(reader, remark, place);
        if (remark->warning)
            continue;
        told++;
        bool named = there.source == place.source && remark->file.size;
        tell(reader, there,
             named ? arena_printf(reader->arena, STR_FMT ": " STR_FMT, STR_ARG(remark->file),
                                  STR_ARG(remark->text))
                   : remark->text,
             NULL);
    }
    if (!told)
        tell(reader, place, STR("protoc refuses it and does not say why"), NULL);
}

static void tell_set(struct reader *reader, struct place place, struct str path,
                     const struct protos_error *error)
{
    struct str where =
        error->offset ? arena_printf(reader->arena, " (at byte %zu)", error->offset) : STR("");
    tell(reader, place,
         arena_printf(reader->arena, "'" STR_FMT "' cannot be used: " STR_FMT STR_FMT,
                      STR_ARG(path), STR_ARG(error->message), STR_ARG(where)),
         "a protoset is what 'protoc --include_imports --descriptor_set_out=FILE' writes");
}

/* Making. */

static bool is_there(struct str path)
{
    return access(path.data, F_OK) == 0;
}

/** The paths of .proto files: what is not there may be in one of the folders of imports. Whether
 * all can be read. */
static bool find_protos(struct reader *reader, const struct grpc_sources *sources,
                        const struct str *imports, struct str *paths)
{
    const struct grpc_file *files = sources->protos.items;
    bool good = true;
    for (size_t i = 0; i < sources->protos.count; i++) {
        struct stat status;
        paths[i] = files[i].path;
        for (size_t j = 0; j < sources->imports.count && !is_there(paths[i]); j++) {
            struct str path = arena_printf(reader->arena, STR_FMT "/" STR_FMT, STR_ARG(imports[j]),
                                           STR_ARG(files[i].written));
            if (is_there(path))
                paths[i] = path;
        }
        const char *wrong = access(paths[i].data, R_OK) != 0 ? strerror(errno) : NULL;
        if (!wrong && stat(paths[i].data, &status) == 0 && !S_ISREG(status.st_mode))
            wrong = "it is no file";
        if (!wrong)
            continue;
        good = false;
        tell(reader, files[i].place,
             arena_printf(reader->arena, "'" STR_FMT "' cannot be read: %s", STR_ARG(paths[i]),
                          wrong),
             NULL);
    }
    return good;
}

/** The folders of imports; what is none is told, and *good is false then. */
static const struct str *import_paths(struct reader *reader, const struct grpc_sources *sources,
                                      bool *good)
{
    const struct grpc_file *folders = sources->imports.items;
    struct str *paths = arena_alloc_array(reader->arena, sources->imports.count + 1, sizeof *paths);
    for (size_t i = 0; i < sources->imports.count; i++) {
        struct stat status;
        paths[i] = folders[i].path;
        const char *wrong = stat(paths[i].data, &status) != 0 ? strerror(errno) : NULL;
        if (!wrong && !S_ISDIR(status.st_mode))
            wrong = "it is no folder";
        if (!wrong)
            continue;
        *good = false;
        tell(reader, folders[i].place,
             arena_printf(reader->arena, "'" STR_FMT "' cannot be searched: %s", STR_ARG(paths[i]),
                          wrong),
             NULL);
    }
    return paths;
}

static bool compile(struct reader *reader, const struct grpc_sources *sources, struct str *set)
{
    const struct grpc_file *first = sources->protos.items;
    GOTO_ASSERT(first);
    struct place place = first->place;
    bool good = true;
    const struct str *imports = import_paths(reader, sources, &good);
    struct str *files = arena_alloc_array(reader->arena, sources->protos.count, sizeof *files);
    if (!find_protos(reader, sources, imports, files) || !good)
        return false;
    struct protoc_run run = {.files = files,
                             .file_count = sources->protos.count,
                             .imports = imports,
                             .import_count = sources->imports.count,
                             .timeout_ns = COMPILE_NS};
    switch (protoc_compile(reader->arena, &run)) {
    case PROTOC_DONE:
        *set = run.set;
        return true;
    case PROTOC_WRONG:
        tell_remarks(reader, &run, place);
        return false;
    case PROTOC_MISSING:
        tell(reader, place, STR("'protos' needs the program 'protoc', which is not there"),
             "install it (Debian: protobuf-compiler), or name compiled files in 'protosets'");
        break;
    case PROTOC_FAILED:
    case PROTOC_LATE:
        tell(reader, place,
             arena_printf(reader->arena, "protoc could not compile it: " STR_FMT,
                          STR_ARG(run.failure)),
             NULL);
        break;
    }
    reader->diagnostics->harness = true;
    return false;
}

static bool add_set(struct reader *reader, struct protos *protos, struct str bytes,
                    const struct grpc_file *file)
{
    struct protos_error error = {0};
    if (protos_add_set(protos, bytes, &error) == 0)
        return true;
    tell_set(reader, file->place, file->path, &error);
    return false;
}

static bool add_set_file(struct reader *reader, struct protos *protos, const struct grpc_file *file)
{
    struct str bytes;
    const char *wrong = file_load(reader->arena, file->path.data, &bytes);
    if (!wrong)
        return add_set(reader, protos, bytes, file);
    tell(
        reader, file->place,
        arena_printf(reader->arena, "'" STR_FMT "' cannot be read: %s", STR_ARG(file->path), wrong),
        NULL);
    return false;
}

static bool fill(struct reader *reader, struct protos *protos, const struct grpc_sources *sources)
{
    const struct grpc_file *sets = sources->protosets.items;
    const struct grpc_file *files = sources->protos.items;
    const struct grpc_file *first = files ? files : sets;
    struct protos_error error = {0};
    struct str set;
    bool good = true;
    for (size_t i = 0; i < sources->protosets.count; i++)
        good &= add_set_file(reader, protos, &sets[i]);
    if (sources->protos.count)
        good &= compile(reader, sources, &set) && add_set(reader, protos, set, files);
    if (!good || protos_link(protos, &error) == 0)
        return good;
    tell_set(reader, first->place, first->path, &error);
    return false;
}

struct protos *grpc_sources_load(struct reader *reader, const struct grpc_sources *sources)
{
    struct str key = key_of(reader->arena, sources);
    struct protos *known = pool_find(key);
    if (known)
        return known;
    struct protos *protos = protos_new();
    if (!fill(reader, protos, sources)) {
        protos_free(protos);
        return NULL;
    }
    pool_keep(key, protos);
    return protos;
}
