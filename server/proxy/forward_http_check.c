/* What holds between the keys of a forward of HTTP, and what its templates ask for. */

#include "server/proxy/forward_http.h"
#include "server/proxy/forward_private.h"

/* Templates of a whole forward. */

/** Whom to show each template of it. */
struct template_visit {
    void (*request)(void *context, const struct template *template);
    void (*response)(void *context, const struct template *template);
    void *context;
};

static void visit_map(const struct template_visit *visit, const struct list *map, bool answer)
{
    const struct map_entry *entries = map->items;
    for (size_t i = 0; i < map->count; i++) {
        const struct list *values = entries[i].value;
        struct template *const *templates = values->items;
        for (size_t j = 0; j < values->count; j++)
            (answer ? visit->response : visit->request)(visit->context, templates[j]);
    }
}

static void visit_request(const struct template_visit *visit, const struct forward_request *request)
{
    visit->request(visit->context, request->path);
    visit_map(visit, &request->query.set, false);
    visit_map(visit, &request->query.add, false);
    visit_map(visit, &request->headers.set, false);
    visit_map(visit, &request->headers.add, false);
}

static void visit_response(const struct template_visit *visit,
                           const struct forward_response *response)
{
    const struct forward_replace *replaces = response->replace.items;
    const struct forward_patch *patches = response->patch.items;
    visit->response(visit->context, response->status);
    visit->response(visit->context, response->body);
    visit->response(visit->context, response->json);
    visit_map(visit, &response->headers.set, true);
    visit_map(visit, &response->headers.add, true);
    for (size_t i = 0; i < response->replace.count; i++)
        visit->response(visit->context, replaces[i].to);
    for (size_t i = 0; i < response->patch.count; i++)
        visit->response(visit->context, patches[i].value);
}

static void visit_templates(const struct template_visit *visit, const struct forward_http *http)
{
    const struct map_entry *calls = http->calls.items;
    visit_request(visit, &http->request);
    for (size_t i = 0; i < http->calls.count; i++) {
        const struct forward_call *call = calls[i].value;
        visit_request(visit, &call->request);
        visit->request(visit->context, call->body);
        visit->request(visit->context, call->json);
    }
    if (http->response)
        visit_response(visit, http->response);
}

/** The check of names that templates ask for. */
struct name_check {
    struct reader *reader;
    struct list names;
    bool far_side;
    enum read_result result;
};

static void check_path_names(void *context, const struct template *template)
{
    struct name_check *check = context;
    check->result =
        read_worse(check->result, template_check_path(check->reader, template, &check->names));
}

static void check_answers(void *context, const struct template *template)
{
    struct name_check *check = context;
    check->result =
        read_worse(check->result,
                   template_check_answers(check->reader, template, &check->names, check->far_side));
}

static void check_nothing(void *context, const struct template *template)
{
    (void)context;
    (void)template;
}

enum read_result forward_check_path(struct reader *reader, const struct forward *forward,
                                    const struct list *names)
{
    struct name_check check = {.reader = reader, .names = *names};
    const struct template_visit visit = {check_path_names, check_path_names, &check};
    if (forward && forward->http)
        visit_templates(&visit, forward->http);
    return check.result;
}

bool forward_takes_connect(const struct forward *forward)
{
    return forward && forward->http && forward->http->tunnel;
}

static void note_request_body(void *context, const struct template *template)
{
    bool *needed = context;
    *needed = *needed || template_needs_request_body(template);
}

bool forward_needs_whole_request(const struct forward *forward, bool known)
{
    bool several = forward->pick != PICK_ROUND_ROBIN && forward->pick != PICK_RANDOM;
    bool needed = several && forward->to.count > 1;
    const struct template_visit visit = {note_request_body, note_request_body, &needed};
    if (!forward->http)
        return needed;
    if (!known)
        visit_templates(&visit, forward->http);
    return needed || forward->http->calls.count;
}

/* Checks of the whole. */

static enum read_result check_calls(struct reader *reader, const struct forward *forward)
{
    const struct forward_http *http = forward->http;
    const struct map_entry *calls = http->calls.items;
    struct str *names = arena_alloc_array(reader->arena, http->calls.count + 1, sizeof *names);
    enum read_result result = READ_OK;
    for (size_t i = 0; i < http->calls.count; i++) {
        names[i] = calls[i].name;
        if (!template_name_is_taken(names[i]))
            continue;
        diagnostics_add(reader->diagnostics, calls[i].place,
                        "no call can be named '" STR_FMT "': templates know another one",
                        STR_ARG(names[i]));
        result = READ_FAILED;
    }
    if (http->calls.count && !http->response) {
        diagnostics_add(reader->diagnostics, forward->place,
                        "'calls' without 'response': what is answered?");
        diagnostics_help(reader->diagnostics,
                         "write response: {json: {a: \"{{ " STR_FMT ".json $ }}\"}}",
                         STR_ARG(names[0]));
        result = READ_FAILED;
    }
    struct name_check check = {.reader = reader,
                               .names = {names, http->calls.count},
                               .far_side = forward->to.count || http->tunnel};
    const struct template_visit visit = {check_nothing, check_answers, &check};
    visit_templates(&visit, http);
    return read_worse(result, check.result);
}

static enum read_result check_pick(struct reader *reader, const struct forward *forward)
{
    bool written = forward->node->kind == NODE_MAP && node_get(forward->node, "pick");
    if (!written || forward->to.count > 1)
        return READ_OK;
    diagnostics_add(reader->diagnostics, node_get(forward->node, "pick")->place,
                    "'pick' has no effect: there is one far side");
    diagnostics_help(reader->diagnostics, "write to: [a, b]");
    return READ_FAILED;
}

enum read_result forward_check_http(struct reader *reader, const struct forward *forward)
{
    enum read_result result =
        read_worse(forward_refuse_tcp(reader, forward), check_pick(reader, forward));
    if (forward->http)
        result = read_worse(result, check_calls(reader, forward));
    return result;
}

enum read_result forward_check_grpc(struct reader *reader, const struct forward *forward)
{
    static const struct {
        const char *in; /**< NULL = the forward itself */
        const char *key;
    } refused[] = {
        {NULL, "calls"},
        {NULL, "tunnel"},
        {"response", "status"},
        {"response", "body"},
        {"response", "json"},
        {"response", "replace"},
        {"response", "json-patch"},
    };
    enum read_result result = READ_OK;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        const struct node *in = forward->node;
        if (in && refused[i].in && in->kind == NODE_MAP)
            in = node_get(in, refused[i].in);
        const struct node_pair *pair =
            in && in->kind == NODE_MAP ? node_find(in, str_of(refused[i].key)) : NULL;
        if (!pair)
            continue;
        diagnostics_add(reader->diagnostics, pair->key->place,
                        "'%s' is of HTTP: calls of gRPC are forwarded as they are", refused[i].key);
        diagnostics_help(reader->diagnostics,
                         "what can be changed is their metadata, by 'headers' and by 'headers' of "
                         "'response', and the rpc, by 'path'");
        result = READ_FAILED;
    }
    return result;
}
