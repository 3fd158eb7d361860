#include "schema/catalogue.h"

void catalogue_init(struct catalogue *catalogue, struct arena *arena)
{
    *catalogue = (struct catalogue){.arena = arena};
}

static bool catalogue_has_name(const struct catalogue *catalogue, struct str name)
{
    for (size_t i = 0; i < catalogue->count; i++)
        if (str_equal(catalogue->entries[i].name, name))
            return true;
    return false;
}

/** The name with nothing but small letters, digits and '-'. */
static struct str name_slug(struct arena *arena, const char *name)
{
    size_t size = str_of(name).size;
    char *text = arena_alloc(arena, size + 1);
    for (size_t i = 0; i < size; i++) {
        char byte = name[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (char)(byte - 'A' + 'a');
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        text[i] = plain ? byte : '-';
    }
    return (struct str){text, size};
}

static struct str catalogue_add(struct catalogue *catalogue, struct catalogue_entry entry,
                                const char *wanted)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct catalogue_entry *known = &catalogue->entries[i];
        if (known->table == entry.table && known->family == entry.family)
            return known->name;
    }
    struct str slug = name_slug(catalogue->arena, wanted);
    entry.name = slug;
    for (unsigned number = 2; catalogue_has_name(catalogue, entry.name); number++)
        entry.name = arena_printf(catalogue->arena, STR_FMT "-%u", STR_ARG(slug), number);
    arena_grow(catalogue->arena, &catalogue->entries, catalogue->count, &catalogue->capacity,
               sizeof *catalogue->entries);
    catalogue->entries[catalogue->count++] = entry;
    return entry.name;
}

struct str catalogue_add_table(struct catalogue *catalogue, const struct table *table)
{
    return catalogue_add(catalogue, (struct catalogue_entry){.table = table}, table->name);
}

struct str catalogue_add_family(struct catalogue *catalogue, const struct family *family)
{
    return catalogue_add(catalogue, (struct catalogue_entry){.family = family}, family->name);
}
