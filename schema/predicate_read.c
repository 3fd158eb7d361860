/* From nodes to predicates: scalars, lists and mappings of them. */
#include "schema/predicate_private.h"

/** The names that a subject knows, for a help line. */
static struct str known_names(struct arena *arena, const struct kind *kind)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (size_t i = 0; i < predicate_row_count; i++)
        if (predicate_rows[i].subjects & 1u << kind->subject)
            buf_printf(&buf, "%s%s", buf.size ? ", " : "", predicate_rows[i].name);
    struct str names = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return names;
}

static enum read_result unknown_predicate(struct reader *reader, const struct kind *kind,
                                          const struct node *key)
{
    struct nearest nearest = {.wanted = key->text};
    for (size_t i = 0; i < predicate_row_count; i++)
        if (predicate_rows[i].subjects & 1u << kind->subject)
            str_nearest(&nearest, str_of(predicate_rows[i].name));
    diagnostics_add(reader->diagnostics, key->place, "unknown predicate '" STR_FMT "'",
                    STR_ARG(reader_shown(reader, key->text)));
    if (nearest.best.size)
        diagnostics_did_you_mean(reader->diagnostics, &nearest);
    else if (kind->subject == SUBJECT_JSON)
        diagnostics_help(reader->diagnostics, "a mapping here is always predicates; to compare "
                                              "with a mapping as a whole write {equals: {…}}");
    else
        diagnostics_help(reader->diagnostics, "one of " STR_FMT,
                         STR_ARG(known_names(reader->arena, kind)));
    return READ_FAILED;
}

static enum read_result unfit_predicate(struct reader *reader, const struct kind *kind,
                                        const struct node *key)
{
    diagnostics_add(reader->diagnostics, key->place, "'" STR_FMT "' cannot be used on %s",
                    STR_ARG(key->text), kind->what);
    diagnostics_help(reader->diagnostics, "one of " STR_FMT,
                     STR_ARG(known_names(reader->arena, kind)));
    return READ_FAILED;
}

static struct predicate *predicate_new(struct reader *reader, const struct kind *kind,
                                       struct place place, size_t most)
{
    struct predicate *predicate = arena_alloc(reader->arena, sizeof *predicate);
    *predicate = (struct predicate){.kind = kind, .place = place};
    predicate->tests = arena_alloc_array(reader->arena, most, sizeof *predicate->tests);
    return predicate;
}

static struct test *predicate_add(struct predicate *predicate, const struct predicate_row *row,
                                  struct place place)
{
    struct test *test = &predicate->tests[predicate->count++];
    *test = (struct test){.row = row, .kind = predicate->kind, .place = place};
    return test;
}

/** Reads one key of a mapping that is not `ignore-case`. */
static enum read_result pair_read(struct reader *reader, struct predicate *predicate,
                                  const struct node_pair *pair, bool fold)
{
    const struct predicate_row *row = predicate_row_find(pair->key->text);
    if (!row)
        return unknown_predicate(reader, predicate->kind, pair->key);
    if (!(row->subjects & 1u << predicate->kind->subject))
        return unfit_predicate(reader, predicate->kind, pair->key);
    if (!row->test)
        return READ_OK;
    struct test *test = predicate_add(predicate, row, pair->key->place);
    test->ignore_case = fold && (row->flags & PREDICATE_TEXT);
    reader->key = pair->key->place;
    return row->form->read(reader, pair->value, test);
}

/** Whether `ignore-case` has something to work on; says so if not. */
static enum read_result fold_check(struct reader *reader, const struct predicate *predicate,
                                   const struct node *key)
{
    for (size_t i = 0; i < predicate->count; i++)
        if (predicate->tests[i].row->flags & PREDICATE_TEXT)
            return READ_OK;
    diagnostics_add(reader->diagnostics, key->place,
                    "'ignore-case' needs a text predicate beside it");
    diagnostics_help(reader->diagnostics, "write {equals: text, ignore-case: true}; inside 'not' "
                                          "or 'each' it stands beside the predicate there");
    return READ_FAILED;
}

static enum read_result mapping_read(struct reader *reader, const struct kind *kind,
                                     const struct node *node, struct predicate **into)
{
    const struct node_pair *fold_pair = node_find(node, STR("ignore-case"));
    enum read_result result = READ_OK;
    bool fold = false;
    if (node->count == 0) {
        diagnostics_add(reader->diagnostics, node->place, "an empty predicate compares nothing");
        diagnostics_help(reader->diagnostics, kind->subject == SUBJECT_JSON
                                                  ? "write {equals: {}} for an empty object"
                                                  : "write for example {exists: true}");
        return READ_FAILED;
    }
    if (fold_pair)
        result = reader_read(reader, &type_bool, fold_pair->value, &fold);
    struct predicate *predicate = predicate_new(reader, kind, node->place, node->count);
    for (size_t i = 0; i < node->count; i++)
        result = read_worse(result, pair_read(reader, predicate, &node->pairs[i], fold));
    if (predicate->count)
        predicate->place = predicate->tests[0].place;
    if (fold_pair && result == READ_OK)
        result = fold_check(reader, predicate, fold_pair->key);
    if (result == READ_OK)
        *into = predicate;
    return result;
}

/** A scalar or a list: one predicate whose name is not written. */
static enum read_result short_read(struct reader *reader, const struct kind *kind,
                                   const struct node *node, struct predicate **into)
{
    bool names = kind->subject == SUBJECT_STATUS || kind->subject == SUBJECT_CHOICE;
    bool in = names && node->kind == NODE_LIST;
    struct place place = reader_place(reader, node);
    struct predicate *predicate = predicate_new(reader, kind, place, 1);
    struct test *test =
        predicate_add(predicate, predicate_row_find(in ? STR("in") : STR("equals")), place);
    enum read_result result = test->row->form->read(reader, node, test);
    if (result == READ_OK)
        *into = predicate;
    return result;
}

enum read_result predicate_read(struct reader *reader, const struct type *type,
                                const struct node *node, void *into)
{
    const struct kind *kind = type->extra;
    struct predicate **predicate = into;
    bool lists = kind->subject == SUBJECT_TEXT || kind->subject == SUBJECT_JSON ||
                 kind->subject == SUBJECT_STATUS || kind->subject == SUBJECT_CHOICE;
    if (node_is_nothing(node))
        return nothing_given(reader, node, kind);
    if (node->kind == NODE_LIST && !lists) {
        struct str what = arena_printf(reader->arena, "%s or a predicate", kind->what);
        reader_expected(reader, node, what.data);
        diagnostics_help(reader->diagnostics, "write {in: […]} for one of several");
        return READ_FAILED;
    }
    /* An object that a variable holds is data, unless it was written as a predicate there. */
    bool data = reader->resolved && kind->subject == SUBJECT_JSON && !predicate_looks_like(node);
    if (node->kind == NODE_MAP && !data)
        return mapping_read(reader, kind, node, predicate);
    return short_read(reader, kind, node, predicate);
}

/** The names that may be chosen, while literals are checked against them. */
struct choice_check {
    struct reader *reader;
    const char *const *names;
    bool codes; /**< or a number beyond their positions */
    enum read_result result;
};

static void choice_help(struct choice_check *check, struct str name)
{
    enum { MOST_LISTED = 12 };
    struct nearest nearest = {.wanted = name};
    struct str listed = STR("");
    size_t count = 0;
    for (; check->names[count]; count++) {
        str_nearest(&nearest, str_of(check->names[count]));
        if (count <= MOST_LISTED)
            listed =
                arena_printf(check->reader->arena, STR_FMT "%s%s", STR_ARG(listed),
                             count ? ", " : "", count < MOST_LISTED ? check->names[count] : "…");
    }
    if (nearest.best.size)
        diagnostics_did_you_mean(check->reader->diagnostics, &nearest);
    else if (count)
        diagnostics_help(check->reader->diagnostics, "one of " STR_FMT, STR_ARG(listed));
}

/** Whether a literal is a number, as it is written; one that has a name is told. */
static bool choice_is_code(struct choice_check *check, struct str literal, struct place place)
{
    uint64_t code;
    if (!check->codes || !str_to_u64(literal, INT32_MAX, &code) ||
        (literal.size > 1 && literal.data[0] == '0'))
        return false;
    for (size_t i = 0; check->names[i]; i++) {
        if (i != code)
            continue;
        diagnostics_add(check->reader->diagnostics, place, "%zu has a name", i);
        diagnostics_help(check->reader->diagnostics, "write %s", check->names[i]);
        check->result = READ_FAILED;
    }
    return true;
}

static void choice_visit(void *context, struct str literal, struct place place)
{
    struct choice_check *check = context;
    ptrdiff_t open = str_find_byte(literal, '(');
    struct str name =
        open > 0 && str_ends(literal, STR(")")) ? str_slice(literal, 0, (size_t)open) : literal;
    for (size_t i = 0; check->names[i]; i++)
        if (str_is(name, check->names[i]))
            return;
    if (choice_is_code(check, literal, place))
        return;
    diagnostics_add(check->reader->diagnostics, place, "unknown name '" STR_FMT "'",
                    STR_ARG(reader_shown(check->reader, literal)));
    choice_help(check, name);
    check->result = READ_FAILED;
}

static enum read_result choice_read(struct reader *reader, const struct type *type, bool codes,
                                    const struct node *node, void *into)
{
    struct predicate *predicate = NULL;
    enum read_result result = predicate_read(reader, &type_predicate_choice, node, &predicate);
    if (result != READ_OK)
        return result;
    struct choice_check check = {reader, type->extra, codes, READ_OK};
    predicate_visit_literals(predicate, choice_visit, &check);
    if (check.result == READ_OK)
        *(struct predicate **)into = predicate;
    return check.result;
}

enum read_result predicate_read_choice(struct reader *reader, const struct type *type,
                                       const struct node *node, void *into)
{
    return choice_read(reader, type, false, node, into);
}

enum read_result predicate_read_code(struct reader *reader, const struct type *type,
                                     const struct node *node, void *into)
{
    return choice_read(reader, type, true, node, into);
}
