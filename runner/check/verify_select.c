#include "runner/check/verify_private.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

/* Finding entries by their number on a port */

struct index_item {
    uint32_t subject;
    uint64_t number; /**< of the connection or request */
    const struct entry *entry;
};

static int index_order(const void *a, const void *b)
{
    const struct index_item *x = a;
    const struct index_item *y = b;
    if (x->subject != y->subject)
        return x->subject < y->subject ? -1 : 1;
    return x->number == y->number ? 0 : x->number < y->number ? -1 : 1;
}

/** Indexes the entries of a kind that have all of the flags, by connection or by request. */
static void index_make(struct index *index, const struct journal *journal, enum entry_kind kind,
                       unsigned flags, bool by_request)
{
    uint64_t last = journal_last(journal);
    for (uint64_t number = journal_first(journal); number <= last; number++) {
        const struct entry *entry = journal_get(journal, number);
        if (entry->kind != kind || (entry->flags & flags) != flags)
            continue;
        memory_grow(&index->items, index->count, &index->capacity, sizeof *index->items);
        index->items[index->count++] = (struct index_item){
            entry->subject, by_request ? entry->request : entry->connection, entry};
    }
    if (index->count)
        qsort(index->items, index->count, sizeof *index->items, index_order);
}

static const struct index_item *index_find(const struct index *index, uint32_t subject,
                                           uint64_t number)
{
    const struct index_item key = {.subject = subject, .number = number};
    return index->count ? bsearch(&key, index->items, index->count, sizeof key, index_order) : NULL;
}

static void find_partner(const struct view *view, struct picked *picked, uint64_t number)
{
    const struct index_item *item = index_find(&view->partners, picked->entry->subject, number);
    picked->partner = item ? item->entry : NULL;
}

/* Keys that select */

bool key_holds(struct rejection *rejection, bool holds, const char *why)
{
    if (holds)
        rejection->passed++;
    else
        rejection->why = why;
    return holds;
}

bool in_window(const struct view *view, const struct picked *picked, struct rejection *rejection)
{
    return key_holds(rejection, window_holds(&view->window, picked->entry, picked->number),
                     "not in the window");
}

static bool flag_is(const bool *wanted, bool is)
{
    return !wanted || *wanted == is;
}

bool view_match(struct view *view, const struct match *match, const struct entry *entry)
{
    bool lacks = false;
    struct match_context context = {
        .lacks = &lacks,
        .seed = scenario_seed(view->scenario),
        .key = journal_name(view->journal, entry->route ? entry->route : entry->subject),
        .number = entry->request,
    };
    struct arena *arena = arena_new();
    struct request request = {0};
    bool matches = request_unpack((struct str){entry->data, entry->data_size}, arena, &request) &&
                   match_test(match, &request, &context, arena, NULL, NULL);
    if (lacks && !view->lack.data)
        view->lack = arena_printf(
            view->failures->arena,
            "of the body of request #%" PRIu64 " to " STR_FMT " not all is known: " STR_FMT,
            entry->request, STR_ARG(journal_name(view->journal, entry->subject)),
            STR_ARG(request_body_lacks(&request, arena)));
    arena_free(arena);
    return matches && !lacks;
}

bool request_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    const struct verify_keys *keys = view->keys;
    const struct entry *entry = picked->entry;
    bool matched = !(entry->flags & ENTRY_UNMATCHED);
    return key_holds(rejection, !keys->route.data || entry->route == view->route_id,
                     "not of this route") &&
           key_holds(rejection, flag_is(keys->matched, matched),
                     matched ? "a route matched it" : "no route matched it") &&
           in_window(view, picked, rejection) &&
           key_holds(rejection, !keys->rpc || view_match(view, keys->rpc, entry),
                     "of another rpc") &&
           key_holds(rejection, !keys->where || view_match(view, keys->where, entry),
                     "does not match 'where'");
}

/** Tests the request that a response answers with `rpc` or `where`; NULL holds. */
static bool response_match(struct view *view, const struct match *match,
                           const struct picked *picked)
{
    if (!match)
        return true;
    if (picked->partner)
        return view_match(view, match, picked->partner);
    view->request_lost |= journal_first(view->journal) > 1;
    return false;
}

/** The route stands in the response too, unless its request was dropped before it was answered. */
static bool response_route(struct view *view, const struct picked *picked)
{
    const struct entry *entry = picked->entry;
    if (!view->keys->route.data || entry->route == view->route_id)
        return true;
    view->request_lost |= entry->route == 0 && !picked->partner && journal_first(view->journal) > 1;
    return false;
}

static bool status_holds(const struct predicate *predicate, unsigned status)
{
    if (!predicate)
        return true;
    struct arena *arena = arena_new();
    const struct json *value = status ? json_integer(arena, status) : NULL;
    bool holds = predicate_test(predicate, value, arena, NULL);
    arena_free(arena);
    return holds;
}

/** The grpc-status of an answer. */
static bool grpc_status_holds(const struct predicate *predicate, const struct entry *entry)
{
    if (!predicate)
        return true;
    if (entry->kind != ENTRY_RESPONSE || !entry->data_size)
        return false;
    struct arena *arena = arena_new();
    const struct str text = {entry->data, entry->data_size};
    bool holds = predicate_test(predicate, json_string(arena, text), arena, NULL);
    arena_free(arena);
    return holds;
}

/** What HTTP or a limit refused was answered too, if it has a status; but it is no request that was
 * read. */
static bool refusal_holds(const struct view *view, const struct entry *entry,
                          struct rejection *rejection)
{
    bool asks = view->keys->where || view->keys->rpc || view->keys->route.data;
    return entry->kind != ENTRY_REFUSED ||
           (key_holds(rejection, entry->status, "nothing was answered") &&
            key_holds(rejection, !asks, "its request was not read whole"));
}

bool response_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    const struct verify_keys *keys = view->keys;
    const struct entry *entry = picked->entry;
    bool aborted = entry->flags & ENTRY_ABORTED;
    find_partner(view, picked, entry->request);
    return refusal_holds(view, entry, rejection) &&
           key_holds(rejection, status_holds(keys->status, entry->status), "another status") &&
           key_holds(rejection, grpc_status_holds(keys->grpc_status, entry),
                     "another status of gRPC") &&
           key_holds(rejection, flag_is(keys->aborted, aborted),
                     aborted ? "aborted" : "not aborted") &&
           in_window(view, picked, rejection) &&
           key_holds(rejection, response_route(view, picked), "not of this route") &&
           key_holds(rejection, response_match(view, keys->rpc, picked), "of another rpc") &&
           key_holds(rejection, response_match(view, keys->where, picked),
                     "its request does not match 'where'");
}

bool closed_by_holds(const struct predicate *predicate, unsigned flags)
{
    if (!predicate)
        return true;
    struct arena *arena = arena_new();
    const struct json *value = NULL;
    if (flags & ENTRY_CLOSED_BY_CLIENT)
        value = json_string(arena, STR("client"));
    else if (flags & ENTRY_CLOSED_BY_SERVER)
        value = json_string(arena, STR("server"));
    bool holds = predicate_test(predicate, value, arena, NULL);
    arena_free(arena);
    return holds;
}

bool connection_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    const struct verify_keys *keys = view->keys;
    const struct entry *entry = picked->entry;
    bool reused = index_find(&view->reused, entry->subject, entry->connection) != NULL;
    return key_holds(rejection, closed_by_holds(keys->closed_by, entry->flags),
                     connection_is_closed(entry) ? "closed by the other side" : "still open") &&
           key_holds(rejection, flag_is(keys->reused, reused),
                     reused ? "it carried more than one request"
                            : "it did not carry more than one request") &&
           in_window(view, picked, rejection);
}

bool dial_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    const struct verify_keys *keys = view->keys;
    const struct entry *entry = picked->entry;
    bool to = !keys->port.data || str_equal(journal_name(view->journal, entry->route), keys->port);
    return key_holds(rejection, to, "to another far side") &&
           key_holds(rejection, closed_by_holds(keys->closed_by, entry->flags),
                     connection_is_closed(entry) ? "closed by the other side" : "still open") &&
           in_window(view, picked, rejection);
}

bool step_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    return key_holds(rejection, !(picked->entry->flags & ENTRY_SKIPPED), "it was skipped") &&
           in_window(view, picked, rejection);
}

bool output_takes(struct view *view, struct picked *picked, struct rejection *rejection)
{
    const struct verify_keys *keys = view->keys;
    bool is_stderr = picked->entry->flags & ENTRY_STDERR;
    bool stream = keys->stream == STREAMS_BOTH || (keys->stream == STREAMS_STDERR) == is_stderr;
    return key_holds(rejection, stream, is_stderr ? "on standard error" : "on standard output") &&
           key_holds(rejection, lines_take(&keys->lines, picked->entry), "another text") &&
           in_window(view, picked, rejection);
}

/* The view */

struct place view_key_place(const struct view *view, const char *key)
{
    const struct chosen *chosen = &view->item->subject;
    const struct node_pair *pair = chosen->node && chosen->node->kind == NODE_MAP
                                       ? node_find(chosen->node, str_of(key))
                                       : NULL;
    return pair ? pair->key->place : chosen->place;
}

/** The port, event, step or program that the item is about. */
static struct str view_name(const struct view *view)
{
    const struct verify_keys *keys = view->keys;
    if (keys->from.data)
        return keys->from;
    return keys->port.data ? keys->port : keys->lines.of.data ? keys->lines.of : keys->name;
}

struct str view_title(const struct view *view)
{
    struct arena *arena = view->failures->arena;
    struct str name = view_name(view);
    if (!name.data)
        return str_of(view->subject->nouns);
    return arena_printf(arena, "%s %s " STR_FMT, view->subject->nouns, view->subject->preposition,
                        STR_ARG(name));
}

static bool view_find_window(struct view *view)
{
    struct str event = {0};
    enum window_result result =
        window_find(&view->window, &view->keys->window, view->scenario, &event);
    if (result == WINDOW_FOUND)
        return true;
    bool during = view->keys->window.during.data && str_equal(event, view->keys->window.during);
    struct place place = view_key_place(view, during ? "during" : "after-event");
    if (result == WINDOW_NEVER)
        failures_say(view->failures, place, during ? "during" : "after-event",
                     "the event " STR_FMT " has not fired: there is nothing to look at",
                     STR_ARG(event));
    else
        failures_say(view->failures, place, during ? "during" : "after-event",
                     "the journal no longer holds when the event " STR_FMT " fired",
                     STR_ARG(event));
    return false;
}

/** Keeps what came nearest to being selected. */
static void view_keep_near(struct view *view, const struct picked *picked,
                           const struct rejection *rejection)
{
    size_t at = view->near_count;
    if (at == MOST_NEAR) {
        at = 0;
        for (size_t i = 1; i < MOST_NEAR; i++) {
            if (view->rejections[i].passed < view->rejections[at].passed)
                at = i;
        }
        if (rejection->passed <= view->rejections[at].passed)
            return;
    } else {
        view->near_count++;
    }
    view->near[at] = *picked;
    view->rejections[at] = *rejection;
}

static void view_look(struct view *view, const struct entry *entry, uint64_t number)
{
    struct picked picked = {.entry = entry, .number = number};
    struct rejection rejection = {0};
    bool takes = view->subject->takes ? view->subject->takes(view, &picked, &rejection)
                                      : in_window(view, &picked, &rejection);
    view->looked++;
    if (!takes) {
        view_keep_near(view, &picked, &rejection);
        return;
    }
    memory_grow(&view->picked, view->count, &view->capacity, sizeof *view->picked);
    view->picked[view->count++] = picked;
}

/** Whether the number of entries of this kind and name is all that the item asks for. */
static bool view_is_bare(const struct view *view)
{
    const struct verify_keys *keys = view->keys;
    bool selects = (keys->from.data && keys->port.data) || keys->route.data || keys->matched ||
                   keys->aborted || keys->reused || keys->status || keys->grpc_status ||
                   keys->closed_by || keys->rpc || keys->where || keys->lines.text ||
                   keys->stream != STREAMS_BOTH || handshake_keys_select(keys) ||
                   keys->frame != FRAMES_ALL || keys->code || keys->stream_id ||
                   keys->last_stream || !window_is_everything(&keys->window);
    bool looks = keys->failed || keys->concurrent || keys->gaps.count || keys->order.count ||
                 keys->bytes || keys->duration || keys->lifetime || keys->lag;
    return !selects && !looks && view->subject->takes != step_takes;
}

/** Says so if entries that the item needs were dropped. */
static bool view_is_whole(struct view *view)
{
    const struct chosen *chosen = &view->item->subject;
    const struct verify_subject *subject = view->subject;
    uint64_t other = subject->also ? journal_count(view->journal, subject->also, view->name_id) : 0;
    uint64_t all = journal_count(view->journal, subject->entries, view->name_id) + other;
    bool lost = view->looked < all && !window_is_kept(&view->window, view->journal);
    if (!lost && !view->request_lost)
        return true;
    if (!view->request_lost && !other && view_is_bare(view)) {
        view->bare = true;
        view->count = (size_t)all;
        return true;
    }
    if (view->request_lost)
        failures_say(view->failures, chosen->place, chosen->member->key,
                     "the journal no longer holds the requests of some of these responses");
    else
        failures_say(view->failures, chosen->place, chosen->member->key,
                     "the journal no longer holds all " STR_FMT ": the newest %" PRIu64
                     " of %" PRIu64 " are left",
                     STR_ARG(view_title(view)), view->looked, all);
    return false;
}

static void view_make_indexes(struct view *view)
{
    const struct verify_keys *keys = view->keys;
    const struct journal *journal = view->journal;
    if (view->subject->takes == response_takes && (keys->rpc || keys->where || keys->route.data))
        index_make(&view->partners, journal, ENTRY_REQUEST, 0, true);
    if (view->subject->takes == connection_takes && keys->reused)
        index_make(&view->reused, journal, ENTRY_REQUEST, ENTRY_REUSED, false);
}

bool view_select(struct view *view)
{
    struct journal *journal = view->journal;
    struct str name = view_name(view);
    uint64_t last = journal_last(journal);
    view->name_id = name.data ? journal_intern(journal, name) : 0;
    view->route_id = view->keys->route.data ? journal_intern(journal, view->keys->route) : 0;
    if (!view_find_window(view))
        return false;
    view_make_indexes(view);
    for (uint64_t number = journal_first(journal); number <= last; number++) {
        const struct entry *entry = journal_get(journal, number);
        bool looked_for = entry->kind == view->subject->entries ||
                          (view->subject->also && entry->kind == view->subject->also);
        if (looked_for && (!view->name_id || entry->subject == view->name_id))
            view_look(view, entry, number);
    }
    if (view->lack.data) {
        failures_say(view->failures, view_key_place(view, "where"), "where", STR_FMT,
                     STR_ARG(view->lack));
        return false;
    }
    return view_is_whole(view);
}

void view_clear(struct view *view)
{
    window_clear(&view->window);
    memory_free(view->picked);
    memory_free(view->partners.items);
    memory_free(view->reused.items);
}
