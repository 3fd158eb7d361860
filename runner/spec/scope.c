#include "runner/spec/scope.h"

#include "server/tls/tls.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEEPEST = 20,
    LOOKUPS_MOST = 10000, /**< of other variables on the way to the value of one */
};

static const char *const port_parts[] = {"host", "port", "address", "url"};

/** `env.NAME` and `env.NAME:-default`. */
static enum resolve_result resolve_env(struct arena *arena, struct str name,
                                       const struct json **value, struct str *why)
{
    ptrdiff_t at = str_find(name, STR(":-"));
    struct str key = at < 0 ? name : str_slice(name, 0, (size_t)at);
    struct str copy = arena_copy(arena, key);
    const char *found = key.size ? getenv(copy.data) : NULL;
    if (found && (at < 0 || *found)) {
        *value = json_string(arena, arena_copy(arena, str_of(found)));
        return RESOLVE_OK;
    }
    if (at >= 0) {
        *value = json_string(arena, arena_copy(arena, str_from(name, (size_t)at + 2)));
        return RESOLVE_OK;
    }
    *why = arena_printf(arena,
                        "the environment has no variable '" STR_FMT "'; write ${env." STR_FMT
                        ":-default} to give it a default",
                        STR_ARG(key), STR_ARG(key));
    return RESOLVE_FAILED;
}

static const struct variable *find_variable(const struct scenario_spec *spec, struct str name)
{
    const struct variable *variables = spec->variables.items;
    for (size_t i = 0; i < spec->variables.count; i++) {
        if (str_equal(variables[i].name, name))
            return &variables[i];
    }
    return NULL;
}

static const struct json *find_option(const struct list *list, struct str name)
{
    const struct map_entry *entries = list->items;
    for (size_t i = list->count; i-- > 0;) {
        if (str_equal(entries[i].name, name))
            return entries[i].value;
    }
    return NULL;
}

/** `{secret: true, env: NAME}` or `{value: …}`: a variable with attributes. */
static enum resolve_result resolve_attributes(struct arena *arena, const struct node *node,
                                              const struct json **value, struct str *why)
{
    const struct node *env = node_get(node, "env");
    return resolve_env(arena, env->text, value, why);
}

/** What the environment lacks fails no scenario that is left out, maybe for that very reason. */
static enum resolve_result found_or_skipped(const struct spec_scope *scope,
                                            enum resolve_result result)
{
    return result == RESOLVE_FAILED && scope->spec->skip.skipped ? RESOLVE_LATER : result;
}

static enum resolve_result resolve_variable(const struct spec_scope *scope, struct arena *arena,
                                            const struct variable *variable,
                                            const struct json **value, struct str *why)
{
    if (variable->node->kind == NODE_MAP && node_get(variable->node, "env"))
        return found_or_skipped(scope, resolve_attributes(arena, variable->node, value, why));
    if (scope->depth >= DEEPEST) {
        *why = arena_printf(arena,
                            "the variable '" STR_FMT "' refers to itself, or stands in a chain of "
                            "more than %d variables",
                            STR_ARG(variable->name), DEEPEST);
        return RESOLVE_FAILED;
    }
    struct spec_scope deeper = *scope;
    unsigned lookups = 0;
    deeper.depth++;
    deeper.lookups = scope->lookups ? scope->lookups : &lookups;
    if (++*deeper.lookups > LOOKUPS_MOST) {
        *why = arena_printf(arena, "the variable '" STR_FMT "' refers to others too often",
                            STR_ARG(variable->name));
        return RESOLVE_FAILED;
    }
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct reader reader = {.arena = arena, .diagnostics = &diagnostics, .scope = &deeper.scope};
    const struct node *resolved;
    enum read_result result = reader_resolve_tree(&reader, variable->node, &resolved);
    if (result == READ_OK)
        *value = node_to_json(arena, resolved);
    else if (result == READ_FAILED)
        *why = diagnostics.first ? arena_copy(arena, diagnostics.first->message)
                                 : arena_printf(arena, "its value cannot be resolved");
    diagnostics_clear(&diagnostics);
    return result == READ_OK         ? RESOLVE_OK
           : result == READ_DEFERRED ? RESOLVE_LATER
                                     : RESOLVE_FAILED;
}

/** `api`, `api.port` …: known only during the run. */
static enum resolve_result resolve_port(const struct spec_scope *scope, struct arena *arena,
                                        struct str name, struct str *why, bool *mine)
{
    ptrdiff_t dot = str_find_byte(name, '.');
    struct str port = dot < 0 ? name : str_slice(name, 0, (size_t)dot);
    *mine = names_find(&scope->spec->names->ports, port) != NULL;
    if (!*mine || dot < 0)
        return RESOLVE_LATER;
    struct str part = str_from(name, (size_t)dot + 1);
    for (size_t i = 0; i < COUNT_OF(port_parts); i++) {
        if (str_is(part, port_parts[i]))
            return RESOLVE_LATER;
    }
    *why = arena_printf(
        arena, "'" STR_FMT "' has no '" STR_FMT "'; a port has host, port, address and url",
        STR_ARG(port), STR_ARG(part));
    return RESOLVE_FAILED;
}

static struct str folder_of(struct arena *arena, struct str path)
{
    const char *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;
    if (!slash)
        return STR(".");
    size_t size = (size_t)(slash - path.data);
    return arena_copy(arena, str_slice(path, 0, size ? size : 1));
}

/** Files of the run's authority; `tls_file_find()` knows which of them there are. */
static const char *const tls_names[] = {"ca",
                                        "client-cert",
                                        "client-key",
                                        "client-cert.expired",
                                        "client-key.expired",
                                        "client-cert.untrusted",
                                        "client-key.untrusted"};

/** Whether a name begins as one of them: "ca.x", "client-cert.expird". */
static bool is_tls_name(struct str name)
{
    ptrdiff_t dot = str_find_byte(name, '.');
    struct str first = dot < 0 ? name : str_slice(name, 0, (size_t)dot);
    for (size_t i = 0; i < COUNT_OF(tls_names); i++)
        if (str_is(first, tls_names[i]))
            return true;
    return false;
}

static void find_nearest_tls(struct str name, struct nearest *nearest)
{
    if (!nearest)
        return;
    nearest->wanted = name;
    for (size_t i = 0; i < COUNT_OF(tls_names); i++)
        str_nearest(nearest, str_of(tls_names[i]));
}

/** What is built in and known: spec-dir; `tmp`, `seed` and the files of TLS later. */
static enum resolve_result resolve_built_in(const struct spec_scope *scope, struct arena *arena,
                                            struct str name, const struct json **value,
                                            struct str *why, struct nearest *nearest, bool *mine)
{
    *mine = true;
    if (str_is(name, "spec-dir")) {
        struct str folder = folder_of(arena, scope->spec->file->source.name);
        char *absolute = realpath(folder.data, NULL);
        *value = json_string(arena, absolute ? arena_copy(arena, str_of(absolute)) : folder);
        free(absolute);
        return RESOLVE_OK;
    }
    enum tls_file file;
    if (str_is(name, "tmp") || str_is(name, "seed") || tls_file_find(name, &file))
        return RESOLVE_LATER;
    if (is_tls_name(name)) {
        *why = arena_printf(arena, "unknown name '" STR_FMT "' in ${}", STR_ARG(name));
        find_nearest_tls(name, nearest);
        return RESOLVE_FAILED;
    }
    *mine = false;
    return RESOLVE_FAILED;
}

static void find_nearest(const struct spec_scope *scope, struct str name, struct nearest *nearest)
{
    const struct names *names = scope->spec->names;
    const struct name_list *lists[] = {&names->ports, &names->variables, &names->captures,
                                       &names->set};
    ptrdiff_t dot = str_find_byte(name, '.');
    nearest->wanted = dot < 0 ? name : str_slice(name, 0, (size_t)dot);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        for (size_t j = 0; j < lists[i]->count; j++)
            str_nearest(nearest, lists[i]->items[j].name);
    }
    static const char *const known[] = {"tmp", "seed",        "spec-dir",  "env",
                                        "ca",  "client-cert", "client-key"};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        str_nearest(nearest, str_of(known[i]));
}

static enum resolve_result scope_variable(const struct scope *base, struct arena *arena,
                                          struct str name, const struct json **value,
                                          struct str *why, struct nearest *nearest)
{
    const struct spec_scope *scope = CONTAINER_OF(base, struct spec_scope, scope);
    bool mine = false;
    if (scope->live) {
        enum resolve_result live = scope->live(scope, arena, name, value, why);
        if (live != RESOLVE_LATER)
            return live;
    }
    if (str_starts(name, STR("env.")))
        return found_or_skipped(scope, resolve_env(arena, str_from(name, 4), value, why));
    enum resolve_result result = resolve_built_in(scope, arena, name, value, why, nearest, &mine);
    if (mine)
        return result;
    if (!scope->live && names_find(&scope->spec->names->set, name))
        return RESOLVE_LATER;
    const struct json *given = find_option(&scope->options->secrets, name);
    if (!given)
        given = find_option(&scope->options->set, name);
    if (given) {
        *value = given;
        return RESOLVE_OK;
    }
    const struct variable *variable = find_variable(scope->spec, name);
    if (variable)
        return resolve_variable(scope, arena, variable, value, why);
    result = resolve_port(scope, arena, name, why, &mine);
    if (mine)
        return result;
    if (names_find(&scope->spec->names->captures, name)) {
        *why = arena_printf(arena, "the capture '" STR_FMT "' was not taken before this step",
                            STR_ARG(name));
        return scope->live ? RESOLVE_FAILED : RESOLVE_LATER;
    }
    if (names_find(&scope->spec->names->set, name)) {
        *why =
            arena_printf(arena, "'" STR_FMT "' was not set before this; vars may give it a value",
                         STR_ARG(name));
        return RESOLVE_FAILED;
    }
    *why = arena_printf(arena, "unknown name '" STR_FMT "' in ${}", STR_ARG(name));
    if (nearest)
        find_nearest(scope, name, nearest);
    return RESOLVE_FAILED;
}

static bool scope_defines(const struct scope *base, enum name_kind kind, struct str name,
                          struct nearest *nearest)
{
    const struct spec_scope *scope = CONTAINER_OF(base, struct spec_scope, scope);
    const struct names *names = scope->spec->names;
    const struct name_list *list = names_of_kind(names, kind);
    const struct name_entry *entry = names_find(list, name);
    if (entry && !(kind == NAME_UPSTREAM && entry->is_program))
        return true;
    /* --set defines a variable too; what `set` sets need not stand in vars */
    if (kind == NAME_VARIABLE)
        return true;
    if (nearest) {
        nearest->wanted = name;
        for (size_t i = 0; i < list->count; i++) {
            if (!(kind == NAME_UPSTREAM && list->items[i].is_program))
                str_nearest(nearest, list->items[i].name);
        }
    }
    return false;
}

void spec_scope_init(struct spec_scope *scope, const struct scenario_spec *spec,
                     const struct spec_options *options)
{
    *scope = (struct spec_scope){
        .scope = {.variable = scope_variable, .defines = scope_defines},
        .spec = spec,
        .options = options,
    };
}
