#include "runner/check/error.h"

/** Which of the names that stand for an error its predicate speaks of. */
struct spoken {
    struct str name;
    bool itself;
    bool tls;
    bool any;
};

static void spoken_visit(void *context, struct str literal, struct place place)
{
    struct spoken *spoken = context;
    (void)place;
    spoken->itself = spoken->itself || str_equal(literal, spoken->name);
    spoken->tls = spoken->tls || str_is(literal, "tls");
    spoken->any = spoken->any || str_is(literal, "any");
}

struct str error_spoken(const struct predicate *predicate, struct str name)
{
    struct spoken spoken = {.name = name};
    predicate_visit_literals(predicate, spoken_visit, &spoken);
    ptrdiff_t open = str_find_byte(name, '(');
    struct str family = open > 0 ? str_slice(name, 0, (size_t)open) : name;
    struct spoken general = {.name = family};
    predicate_visit_literals(predicate, spoken_visit, &general);
    if (spoken.itself)
        return name;
    if (general.itself)
        return family;
    if (spoken.tls && str_starts(name, STR("tls-")))
        return STR("tls");
    return spoken.any ? STR("any") : name;
}
