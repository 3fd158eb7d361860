#include "runner/check/tls_names.h"

#include "schema/predicate.h"
#include "server/tls/config.h"

/** The name at an index, NULL behind the last one. */
typedef const char *name_at(size_t at);

static const char *version_at(size_t at)
{
    static const char *const names[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", NULL};
    return names[at];
}

static const char *alert_at(size_t at)
{
    return tls_alerts[at].name;
}

static const char *fault_at(size_t at)
{
    return tls_catalogue[at].name;
}

/** A type of literals among the names, which are put together in the arena. */
static struct type choice_of(const struct type *type, struct arena *arena)
{
    name_at *const *name = type->extra;
    size_t count = 0;
    while ((*name)(count))
        count++;
    const char **names = arena_alloc_array(arena, count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = (*name)(i);
    names[count] = NULL;
    return (struct type)TYPE_PREDICATE_CHOICE(names);
}

static enum read_result names_read(struct reader *reader, const struct type *type,
                                   const struct node *node, void *into)
{
    const struct type choice = choice_of(type, reader->arena);
    return choice.read(reader, &choice, node, into);
}

static struct json *names_schema(struct schema_writer *writer, const struct type *type)
{
    const struct type choice = choice_of(type, schema_arena(writer));
    return choice.schema(writer, &choice);
}

#define NAMES_TYPE(what, names)                                                                    \
    {                                                                                              \
        .name = (what), .size = sizeof(struct predicate *), .read = names_read,                    \
        .schema = names_schema, .extra = &(names)                                                  \
    }

static name_at *const versions = version_at;
static name_at *const alerts = alert_at;
static name_at *const faults = fault_at;

const struct type tls_version_predicate =
    NAMES_TYPE("a version such as TLSv1.3, or predicate", versions);
const struct type tls_alert_predicate =
    NAMES_TYPE("an alert such as certificate_expired, or predicate", alerts);
const struct type tls_fault_predicate =
    NAMES_TYPE("a name of the catalogue of TLS, or predicate", faults);
