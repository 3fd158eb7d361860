/* Compiling a path as a whole; the parts stand in jsonpath_*.c. */
#include "base/jsonpath.h"

#include "base/jsonpath_private.h"

static struct query *compile(struct parser *parser)
{
    size_t bad_at = 0;
    if (parser->text.size > PATH_SIZE)
        return parser_fail(parser, PATH_SIZE, "the path is longer than 64 KiB");
    if (!str_is_utf8(parser->text, &bad_at))
        return parser_fail(parser, bad_at, "bad UTF-8");
    if (parser_peek(parser) != '$')
        return parser_fail(parser, 0, "a path starts with '$'");
    struct query *query = parser_query(parser);
    if (!query)
        return NULL;
    size_t end = parser->at;
    parser_skip_blanks(parser);
    if (end < parser->text.size && parser->at == parser->text.size)
        return parser_fail(parser, end, "blanks after the path");
    if (end < parser->text.size)
        return parser_fail(parser, end, "expected '.', '..' or '[', or the end of the path");
    return query;
}

/** What a path holds outside of the arena goes with it. */
static void release_path(void *path)
{
    jsonpath_clear(path);
}

struct jsonpath *jsonpath_compile(struct arena *arena, struct str text,
                                  struct jsonpath_error *error)
{
    struct jsonpath *path = arena_alloc(arena, sizeof *path);
    struct parser parser = {
        .arena = arena,
        .text = arena_copy(arena, text),
        .path = path,
        .error = error,
    };
    path->query = compile(&parser);
    if (path->query) {
        arena_defer(arena, release_path, path);
        return path;
    }
    jsonpath_clear(path);
    return NULL;
}

void jsonpath_clear(struct jsonpath *path)
{
    if (!path)
        return;
    for (struct expression *each = path->regexes; each; each = each->next_regex) {
        regex_free(each->regex);
        each->regex = NULL;
    }
    path->regexes = NULL;
}

bool jsonpath_is_singular(const struct jsonpath *path)
{
    return path->query->singular;
}

size_t jsonpath_steps(const struct jsonpath *path, struct jsonpath_step *steps, size_t most)
{
    size_t count = 0;
    for (const struct segment *segment = path->query->segments; segment && count < most;
         segment = segment->next) {
        const struct selector *selector = segment->selectors;
        if (segment->descendant || selector->next)
            break;
        steps[count++] = (struct jsonpath_step){selector->kind == SELECTOR_NAME ? selector->name
                                                                                : (struct str){0}};
    }
    return count;
}
