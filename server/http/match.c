/* Testing requests against a match, and saying why one does not. */
#include "base/random.h"
#include "server/grpc/metadata.h"
#include "server/http/match_private.h"
#include "server/tls/tls.h"

enum {
    /** How much the path counts for what is nearest: more than all other conditions together. */
    PATH_WEIGHT = 1000,
    SHOWN = 200, /**< of a text from a request in a message */
};

/** One test of a request. */
struct trial {
    const struct match *match;
    const struct request *request;
    const struct match_context *context;
    struct arena *arena;
    struct headers *captures;
    struct match_miss *miss; /**< NULL: nobody asks why */
    unsigned passed;
};

/** Says why it does not match; both texts in the arena or static. */
static bool trial_miss(struct trial *trial, struct str condition, struct str text)
{
    if (trial->miss)
        *trial->miss = (struct match_miss){condition, text, trial->passed};
    return false;
}

/** Says why a predicate did not hold. */
static bool trial_mismatch(struct trial *trial, struct str condition,
                           const struct mismatch *mismatch)
{
    if (!trial->miss)
        return false;
    struct str note = mismatch->note;
    return trial_miss(
        trial, condition,
        arena_printf(trial->arena, STR_FMT ": expected " STR_FMT ", got " STR_FMT "%s" STR_FMT "%s",
                     STR_ARG(condition), STR_ARG(mismatch->expected), STR_ARG(mismatch->actual),
                     note.size ? " (" : "", STR_ARG(note), note.size ? ")" : ""));
}

/** Tests a value with a predicate; `kind` and `name` are the condition: "query x". */
static bool value_test(struct trial *trial, const struct predicate *predicate,
                       const struct json *value, const char *kind, struct str name)
{
    struct mismatch mismatch;
    if (predicate_test(predicate, value, trial->arena, trial->miss ? &mismatch : NULL)) {
        trial->passed++;
        return true;
    }
    if (!trial->miss)
        return false;
    struct str condition =
        arena_printf(trial->arena, "%s%s" STR_FMT, kind, name.size ? " " : "", STR_ARG(name));
    return trial_mismatch(trial, condition, &mismatch);
}

/** Whether the method is one of the names; true without any. */
static bool method_is_named(const struct match_method *method, struct str name)
{
    for (size_t i = 0; i < method->count; i++) {
        if (str_equal(method->names[i], name))
            return true;
    }
    return method->count == 0;
}

/** "GET", "GET|PUT"; in a message "one of GET, PUT". */
static struct str method_names(const struct match_method *method, const char *between,
                               struct arena *arena)
{
    struct str names = STR("");
    for (size_t i = 0; i < method->count; i++)
        names = arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(names), i ? between : "",
                             STR_ARG(method->names[i]));
    return names;
}

static bool method_test(struct trial *trial)
{
    const struct match_method *method = &trial->match->method;
    struct str name = trial->request->method;
    if (method->predicate)
        return value_test(trial, method->predicate, json_string(trial->arena, name), "method",
                          STR(""));
    if (method_is_named(method, name)) {
        trial->passed += method->count > 0;
        return true;
    }
    if (!trial->miss)
        return false;
    return trial_miss(trial, STR("method"),
                      arena_printf(trial->arena, "method is " STR_FMT ", expected %s" STR_FMT,
                                   STR_ARG(str_slice(name, 0, SHOWN)),
                                   method->count > 1 ? "one of " : "",
                                   STR_ARG(method_names(method, ", ", trial->arena))));
}

/** Whether the method holds, without a word: breaks ties between paths that do not. */
static bool method_holds(const struct trial *trial)
{
    const struct match_method *method = &trial->match->method;
    if (method->predicate)
        return predicate_test(method->predicate, json_string(trial->arena, trial->request->method),
                              trial->arena, NULL);
    return method_is_named(method, trial->request->method);
}

static bool path_miss(struct trial *trial, enum path_result result, size_t equal)
{
    if (!trial->miss)
        return false;
    size_t most = PATH_WEIGHT / 2 - 1;
    trial->passed = (unsigned)(equal < most ? equal : most) * 2 + method_holds(trial);
    struct str shown = str_slice(trial->request->path, 0, SHOWN);
    return trial_miss(
        trial, STR("path"),
        arena_printf(trial->arena, "path '" STR_FMT "' is not '" STR_FMT "'%s", STR_ARG(shown),
                     STR_ARG(path_template_text(trial->match->path.template)),
                     result == PATH_UNDECIDED ? " (its regular expression took too long)" : ""));
}

static bool path_test(struct trial *trial)
{
    const struct match_path *path = &trial->match->path;
    if (path->template) {
        size_t equal;
        enum path_result result = path_template_test(path->template, trial->request->path,
                                                     trial->arena, trial->captures, &equal);
        if (result != PATH_MATCHES)
            return path_miss(trial, result, equal);
        trial->passed += PATH_WEIGHT;
    } else if (path->predicate) {
        struct str decoded = percent_decode(trial->request->path, false, trial->arena);
        if (!value_test(trial, path->predicate, json_string(trial->arena, decoded), "path",
                        STR("")))
            return false;
        trial->passed += PATH_WEIGHT - 1;
    }
    return true;
}

static const struct json *query_field(struct trial *trial, struct str name)
{
    return query_to_json(trial->request->query, name, trial->arena);
}

static const struct json *header_field(struct trial *trial, struct str name)
{
    return headers_to_json(&trial->request->headers, name, trial->arena);
}

static const struct json *metadata_field(struct trial *trial, struct str name)
{
    return grpc_metadata_json(&trial->request->headers, name, trial->arena);
}

static const struct json *cookie_field(struct trial *trial, struct str name)
{
    struct str value = request_cookie(trial->request, name);
    return value.data ? json_string(trial->arena, value) : NULL;
}

static const struct json *form_field(struct trial *trial, struct str name)
{
    return query_to_json(trial->request->body, name, trial->arena);
}

/** Tests the fields of one kind. */
static bool fields_test(struct trial *trial, const struct list *fields, const char *kind,
                        const struct json *(*field)(struct trial *trial, struct str name))
{
    const struct map_entry *entries = fields->items;
    for (size_t i = 0; i < fields->count; i++) {
        struct predicate *const *predicate = entries[i].value;
        if (!value_test(trial, *predicate, field(trial, entries[i].name), kind, entries[i].name))
            return false;
    }
    return true;
}

/** Whether the body is not all there: what would be found in the rest nobody knows. */
static bool trial_lacks_body(struct trial *trial, const char *condition)
{
    struct str why = request_body_lacks(trial->request, trial->arena);
    if (!why.data)
        return false;
    if (trial->context->lacks)
        *trial->context->lacks = true;
    (void)trial_miss(trial, str_of(condition),
                     arena_printf(trial->arena, "%s: " STR_FMT, condition, STR_ARG(why)));
    return true;
}

/** A body of another kind has no fields of a form: that is told before a field is missed. */
static bool form_test(struct trial *trial)
{
    struct str form = STR("application/x-www-form-urlencoded");
    struct str type = headers_get(&trial->request->headers, STR("content-type"));
    ptrdiff_t end = str_find_byte(type, ';');
    struct str media = str_trim(end < 0 ? type : str_slice(type, 0, (size_t)end));
    if (trial->match->form.count == 0)
        return true;
    if (trial_lacks_body(trial, "form"))
        return false;
    if (str_equal_nocase(media, form))
        return fields_test(trial, &trial->match->form, "form", form_field);
    if (!trial->miss)
        return false;
    return trial_miss(trial, STR("form"),
                      arena_printf(trial->arena,
                                   "the body is no form: content-type is %s" STR_FMT "%s, expected "
                                   "'" STR_FMT "'",
                                   type.data ? "'" : "missing", STR_ARG(str_slice(type, 0, SHOWN)),
                                   type.data ? "'" : "", STR_ARG(form)));
}

/** Keeps the first check of a body that fails. */
static void body_miss(void *context, struct str subject, const struct mismatch *mismatch)
{
    struct trial *trial = context;
    if (trial->miss && trial->miss->condition.size == 0)
        trial_mismatch(trial, subject, mismatch);
}

static bool body_test(struct trial *trial)
{
    const struct body_check *check = &trial->match->body;
    if (body_check_is_empty(check))
        return true;
    /* of a body that came whole and was not kept whole the size is known */
    if (trial->request->body_left_out && trial->request->state == REQUEST_WHOLE && check->size) {
        const struct json *size =
            json_integer(trial->arena, (int64_t)request_body_size(trial->request));
        if (!value_test(trial, check->size, size, "size", STR("")))
            return false;
        if (body_check_is_size(check))
            return true;
    }
    if (trial_lacks_body(trial, "body"))
        return false;
    if (trial->miss)
        *trial->miss = (struct match_miss){0};
    if (!body_check_test(check, trial->request->body, trial->arena, trial->miss ? body_miss : NULL,
                         trial))
        return false;
    trial->passed++;
    return true;
}

/** What the connection's TLS knows; missing in clear. */
static bool tls_test(struct trial *trial)
{
    const struct match *match = trial->match;
    const struct tls_info *tls = trial->context->tls;
    struct arena *arena = trial->arena;
    if (match->sni) {
        const struct json *sni = tls && tls->sni.data ? json_string(arena, tls->sni) : NULL;
        if (!value_test(trial, match->sni, sni, "sni", STR("")))
            return false;
    }
    if (!match->client_cert)
        return true;
    const struct json *subject =
        tls && tls->client_cert.data ? json_string(arena, tls->client_cert) : NULL;
    return value_test(trial, match->client_cert, subject, "client-cert", STR(""));
}

static bool chance_test(struct trial *trial)
{
    const double *chance = trial->match->chance;
    if (!chance)
        return true;
    struct str key = arena_printf(trial->arena, "chance " STR_FMT, STR_ARG(trial->context->key));
    struct random random = random_for(trial->context->seed, key, trial->context->number);
    if (random_unit(&random) < *chance)
        return true;
    return trial_miss(trial, STR("chance"),
                      trial->miss
                          ? arena_printf(trial->arena, "chance: %g%% did not strike", *chance * 100)
                          : STR(""));
}

/** `with_body`: one that looks at the body, else one that does not. */
static bool not_test(struct trial *trial, bool with_body)
{
    const struct match *unless = trial->match->unless;
    bool lacks = false;
    if (!unless || match_needs_body(unless) != with_body)
        return true;
    struct match_context context = *trial->context;
    context.lacks = &lacks;
    bool matches = match_test(unless, trial->request, &context, trial->arena, NULL, NULL);
    if (lacks) {
        if (trial->context->lacks)
            *trial->context->lacks = true;
        return false;
    }
    if (!matches)
        return true;
    if (!trial->miss)
        return false;
    return trial_miss(trial, STR("not"),
                      arena_printf(trial->arena, "it matches 'not': " STR_FMT,
                                   STR_ARG(match_describe(unless, trial->arena))));
}

bool match_test(const struct match *match, const struct request *request,
                const struct match_context *context, struct arena *arena, struct headers *captures,
                struct match_miss *miss)
{
    static const struct match_context none = {0};
    struct headers found = {0};
    struct trial trial = {
        .match = match,
        .request = request,
        .context = context ? context : &none,
        .arena = arena,
        .captures = captures ? &found : NULL,
        .miss = miss,
    };
    bool matches = path_test(&trial) && method_test(&trial) &&
                   fields_test(&trial, &match->query, "query", query_field) &&
                   fields_test(&trial, &match->headers, "header", header_field) &&
                   fields_test(&trial, &match->metadata, "metadata", metadata_field) &&
                   fields_test(&trial, &match->cookies, "cookie", cookie_field) &&
                   tls_test(&trial) && not_test(&trial, false) &&
                   /* behind all that is known: of the body not all may be */
                   form_test(&trial) && body_test(&trial) && not_test(&trial, true) &&
                   chance_test(&trial);
    if (matches && captures)
        *captures = found;
    return matches;
}

bool match_quick(const struct match *match, const struct request *request)
{
    if (!match->method.predicate && !method_is_named(&match->method, request->method))
        return false;
    return !match->path.template || path_template_test(match->path.template, request->path, NULL,
                                                       NULL, NULL) != PATH_DIFFERS;
}

struct list match_captures(const struct match *match)
{
    if (!match || !match->path.template)
        return (struct list){0};
    return path_template_captures(match->path.template);
}

bool match_needs_body(const struct match *match)
{
    return match->form.count || !body_check_is_empty(&match->body) ||
           (match->unless && match_needs_body(match->unless));
}

bool match_needs_whole(const struct match *match)
{
    return match_needs_body(match) || match->chance ||
           (match->unless && match_needs_whole(match->unless));
}

/** Whether anything beside method and path has to hold. */
static bool match_has_more(const struct match *match)
{
    return match->query.count || match->headers.count || match->metadata.count ||
           match->cookies.count || match->form.count || match->chance || match->unless ||
           match->sni || match->client_cert || !body_check_is_empty(&match->body);
}

bool match_is_static(const struct match *match, struct str *method, struct str *path)
{
    if (!match->path.template || !path_template_is_static(match->path.template) ||
        match->method.predicate || match->method.count > 1 || match_has_more(match))
        return false;
    *method = match->method.count ? match->method.names[0] : (struct str){0};
    *path = path_template_text(match->path.template);
    return true;
}

/** A description while it is written. */
struct description {
    struct buf text;
    bool more; /**< something follows "with" already */
};

static void describe_condition(struct description *description, const char *kind, struct str name)
{
    const char *before = description->more ? ", " : description->text.size ? " with " : "with ";
    buf_printf(&description->text, "%s%s%s" STR_FMT, before, kind, name.size ? " " : "",
               STR_ARG(name));
    description->more = true;
}

static void describe_fields(struct description *description, const char *kind,
                            const struct list *fields)
{
    const struct map_entry *entries = fields->items;
    for (size_t i = 0; i < fields->count; i++)
        describe_condition(description, kind, entries[i].name);
}

static void describe_body(struct description *description, const struct body_check *body)
{
    const struct {
        bool there;
        const char *name;
    } checks[] = {
        {body->body != NULL, "body"},
        {body->json != NULL, "json"},
        {body->json_subset != NULL, "json-subset"},
        {body->jsonpath.count > 0, "jsonpath"},
        {body->xpath.count > 0, "xpath"},
        {body->sha256 != NULL, "sha256"},
        {body->size != NULL, "size"},
    };
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        if (checks[i].there)
            describe_condition(description, checks[i].name, STR(""));
    }
}

static void describe_line(struct description *description, const struct match *match,
                          struct arena *arena)
{
    struct buf *text = &description->text;
    const struct match_path *path = &match->path;
    if (match->method.predicate) {
        buf_append_string(text, "method ");
        predicate_describe(match->method.predicate, text);
    }
    buf_append(text, method_names(&match->method, "|", arena));
    if (text->size && (path->template || path->predicate))
        buf_append_byte(text, ' ');
    if (match->rpc.data)
        buf_append(text, match->rpc);
    else if (path->template)
        buf_append(text, path_template_text(path->template));
    if (path->predicate) {
        buf_append_string(text, "path ");
        predicate_describe(path->predicate, text);
    }
}

struct str match_describe(const struct match *match, struct arena *arena)
{
    struct description description = {0};
    buf_init(&description.text, BUF_OWN);
    describe_line(&description, match, arena);
    describe_fields(&description, "query", &match->query);
    describe_fields(&description, "header", &match->headers);
    describe_fields(&description, "metadata", &match->metadata);
    describe_fields(&description, "cookie", &match->cookies);
    describe_fields(&description, "form", &match->form);
    describe_body(&description, &match->body);
    if (match->sni)
        describe_condition(&description, "sni", STR(""));
    if (match->client_cert)
        describe_condition(&description, "client-cert", STR(""));
    if (match->unless)
        describe_condition(&description, "not", STR(""));
    if (match->chance) {
        struct str share = arena_printf(arena, "of %g%%", *match->chance * 100);
        describe_condition(&description, "chance", share);
    }
    struct str copy = arena_copy(arena, buf_str(&description.text));
    buf_clear(&description.text);
    return copy;
}

struct str match_rpc(const struct match *match, struct place *place)
{
    *place = match->rpc_place;
    return match->rpc;
}

struct place match_place(const struct match *match)
{
    return match->place;
}
