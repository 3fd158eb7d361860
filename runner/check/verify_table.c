#include "runner/check/verify_private.h"

#include "runner/check/expect_grpc.h"
#include "runner/check/tls_names.h"
#include "server/http/h2.h"
#include "server/http/upstream.h"

#include <inttypes.h>

static const enum name_kind upstream_kind = NAME_UPSTREAM;
static const enum name_kind route_kind = NAME_ROUTE;
static const enum name_kind event_kind = NAME_EVENT;
static const enum name_kind step_kind = NAME_STEP;
static const enum name_kind running_kind = NAME_RUNNING;
static const struct type upstream_name = TYPE_NAME(&upstream_kind);
static const struct type route_name = TYPE_NAME(&route_kind);
static const struct type event_name = TYPE_NAME(&event_kind);
static const struct type step_name = TYPE_NAME(&step_kind);
static const struct type running_name = TYPE_NAME(&running_kind);

static const struct type maybe_bool = TYPE_POINTER(&type_bool);
static const char *const sides[] = {"client", "server", NULL};
static const struct type side_type = TYPE_PREDICATE_CHOICE(sides);
static const struct type gaps_type = TYPE_ONE_OR_LIST(&type_predicate_duration);
static const struct type order_type = TYPE_LIST(&type_match_recorded);
static const struct choice stream_choices[] = {
    {"stdout", STREAMS_STDOUT, "standard output only"},
    {"stderr", STREAMS_STDERR, "standard error only"},
    {"both", STREAMS_BOTH, "both"},
    {0},
};
static const struct type stream_type = TYPE_CHOICE(stream_choices);

static const struct choice frame_choices[] = {
    {"rst-stream", FRAMES_RST_STREAM, "RST_STREAM only"},
    {"goaway", FRAMES_GOAWAY, "GOAWAY only"},
    {0},
};
static const struct type frame_type = TYPE_CHOICE(frame_choices);

#define AT(member) offsetof(struct verify_keys, member)
#define COUNT_ROW                                                                                  \
    {                                                                                              \
        "count", &type_predicate_number, AT(count), 0, "at least 1", "How many are selected."      \
    }
#define WINDOW_ROWS                                                                                \
    {                                                                                              \
        NULL, &window_type, AT(window), ROW_INCLUDE, NULL, NULL                                    \
    }
#define ROUTE_ROW                                                                                  \
    {                                                                                              \
        "route", &route_name, AT(route), 0, NULL, "The route that took the request."               \
    }
#define RPC_ROW                                                                                    \
    {                                                                                              \
        "rpc", &type_match_rpc, AT(rpc), 0, NULL,                                                  \
            "The rpc that was called: package.Service/Method."                                     \
    }
#define WHERE_ROW                                                                                  \
    {                                                                                              \
        "where", &type_match_recorded, AT(where), 0, NULL,                                         \
            "The request matches, as a route would."                                               \
    }

static const struct row requests_rows[] = {
    {"to", &upstream_name, AT(port), 0, "all of them", "The upstream or proxy."},
    ROUTE_ROW,
    RPC_ROW,
    {"matched", &maybe_bool, AT(matched), 0, NULL,
     "Whether a route matched; on an upstream without routes every request counts as matched."},
    WHERE_ROW,
    WINDOW_ROWS,
    COUNT_ROW,
    {"gaps", &gaps_type, AT(gaps), 0, NULL,
     "The times between one request and the next, in order; there must be as many."},
    {"order", &order_type, AT(order), 0, NULL,
     "Requests that match these came in this order; others may lie between."},
};

/** A list of nothing to compare with would always hold. */
static enum read_result requests_check(struct reader *reader, const struct node *node, void *into)
{
    static const char *const lists[] = {"gaps", "order"};
    (void)into;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        const struct node *list = node->kind == NODE_MAP ? node_get(node, lists[i]) : NULL;
        if (!list || list->kind != NODE_LIST || list->count)
            continue;
        diagnostics_add(reader->diagnostics, list->place, "an empty '%s' compares nothing",
                        lists[i]);
        return READ_FAILED;
    }
    return READ_OK;
}

static const struct table requests_table = {
    TABLE_ROWS("requests", requests_rows),
    .doc = "Requests that were read whole, matched by a route or not.",
    .check = requests_check,
};
static const struct type requests_type = TYPE_TABLE(&requests_table, struct verify_keys);

static const struct row responses_rows[] = {
    {"from", &upstream_name, AT(port), 0, "all of them", "The upstream or proxy."},
    ROUTE_ROW,
    RPC_ROW,
    WHERE_ROW,
    {"status", &type_predicate_status, AT(status), 0, NULL, "The status: 200, or a class as 2xx."},
    {"grpc-status", &grpc_status_predicate, AT(grpc_status), 0, NULL,
     "The status that an answer of gRPC carried: NOT_FOUND. One without is not selected."},
    {"aborted", &maybe_bool, AT(aborted), 0, NULL,
     "Whether the client's FIN or RST came before the answer was whole."},
    WINDOW_ROWS,
    COUNT_ROW,
    {"bytes", &type_predicate_size, AT(bytes), 0, NULL, "Body bytes sent, of each."},
    {"duration", &type_predicate_duration, AT(duration), 0, NULL,
     "From the request read whole to the end of the answer, of each."},
};
static const struct table responses_table = {
    TABLE_ROWS("responses", responses_rows),
    .doc = "Responses that ended, whole or aborted.",
};
static const struct type responses_type = TYPE_TABLE(&responses_table, struct verify_keys);

static const struct row connections_rows[] = {
    {"to", &upstream_name, AT(port), 0, "all of them", "The upstream or proxy."},
    {"from", &upstream_name, AT(from), 0, NULL,
     "Those that this proxy made to far sides (`to` is one of these), in place of those that ports "
     "accepted."},
    {"closed-by", &side_type, AT(closed_by), 0, NULL,
     "Who ended it first, by FIN or RST; one that is still open is by nobody. With `from` the "
     "proxy "
     "is the client, the far side the server."},
    {"reused", &maybe_bool, AT(reused), 0, NULL, "Whether it carried more than one request."},
    WINDOW_ROWS,
    COUNT_ROW,
    {"concurrent", &type_predicate_number, AT(concurrent), 0, NULL,
     "The highest number of them that were open at one time."},
    {"lifetime", &type_predicate_duration, AT(lifetime), 0, NULL,
     "How long each was open, up to the first FIN or RST; of one that still is: until now."},
    {"received", &type_predicate_text, AT(received), 0, NULL,
     "All bytes that came on each from its client, at most 64 KiB: on a port of bytes, or in the "
     "tunnels of a proxy of HTTP."},
    {"sent", &type_predicate_text, AT(sent), 0, NULL, "The same of what went to the client."},
};
static enum read_result connections_check(struct reader *reader, const struct node *node,
                                          void *into)
{
    static const char *const accepted[] = {"reused", "received", "sent"};
    const struct verify_keys *keys = into;
    enum read_result result = READ_OK;
    for (size_t i = 0; i < COUNT_OF(accepted) && keys->from.data && node->kind == NODE_MAP; i++) {
        const struct node_pair *pair = node_find(node, str_of(accepted[i]));
        if (!pair)
            continue;
        diagnostics_add(reader->diagnostics, pair->key->place, "'%s' does not go with 'from'",
                        accepted[i]);
        result = READ_FAILED;
    }
    return result;
}

static const struct table connections_table = {
    TABLE_ROWS("connections", connections_rows),
    .doc = "Connections that were accepted, or with `from` made; a window is about when they were.",
    .check = connections_check,
};
static const struct type connections_type = TYPE_TABLE(&connections_table, struct verify_keys);

static const struct row handshakes_rows[] = {
    {"to", &upstream_name, AT(port), 0, "all of them", "The upstream or proxy."},
    {"sni", &type_predicate_text, AT(sni), 0, NULL, "The server name that was asked for."},
    {"version", &tls_version_predicate, AT(version), 0, NULL, "The version: \"TLSv1.3\"."},
    {"alpn", &type_predicate_text, AT(alpn), 0, NULL, "The protocol that ALPN agreed on."},
    {"certificate", &tls_fault_predicate, AT(certificate), 0, NULL,
     "What the port presented then: a name of the catalogue, `valid` or `expired`."},
    {"client-cert", &type_predicate_text, AT(client_cert), 0, NULL,
     "The subject of the client's certificate, RFC 2253: \"CN=a.example,O=X\"."},
    {"alert", &tls_alert_predicate, AT(alert), 0, NULL,
     "The alert of either side: \"certificate_expired\"."},
    WINDOW_ROWS,
    COUNT_ROW,
    {"failed", &type_predicate_number, AT(failed), 0, NULL, "How many of those selected failed."},
};
static const struct table handshakes_table = {
    TABLE_ROWS("handshakes", handshakes_rows),
    .doc = "TLS handshakes that ended, whole or failed; a window is about when they ended.",
};
static const struct type handshakes_type = TYPE_TABLE(&handshakes_table, struct verify_keys);

/** A number that is not written as codes are compared, such as 0xDEAD or 008, would never hold. */
static enum read_result frames_check_number(struct reader *reader, const struct node *node,
                                            uint32_t code)
{
    char room[24];
    struct str text = node_scalar_text(node);
    struct str hex = arena_printf(reader->arena, "0x%" PRIx32, code);
    if (str_equal(text, h2_error_name(code, room)) || str_equal(text, hex) ||
        str_equal(text, arena_printf(reader->arena, "%" PRIu32, code)))
        return READ_OK;
    diagnostics_add(reader->diagnostics, node->place, "a code of HTTP/2 is not written so");
    diagnostics_help(reader->diagnostics, "write %" PRIu32 " or " STR_FMT, code, STR_ARG(hex));
    return READ_FAILED;
}

/** A code that no frame can have is a slip of the pen; predicates may say what they like. */
static enum read_result frames_check(struct reader *reader, const struct node *node, void *into)
{
    const struct node_pair *pair = node->kind == NODE_MAP ? node_find(node, STR("code")) : NULL;
    uint32_t code;
    (void)into;
    if (!pair || !node_is_scalar(pair->value))
        return READ_OK;
    if (h2_error_number(node_scalar_text(pair->value), &code))
        return frames_check_number(reader, pair->value, code);
    diagnostics_add(reader->diagnostics, pair->value->place,
                    "'" STR_FMT "' is no error code of HTTP/2, such as CANCEL or 8",
                    STR_ARG(node_scalar_text(pair->value)));
    return READ_FAILED;
}

static const struct row frames_rows[] = {
    {"to", &upstream_name, AT(port), 0, "all of them", "The upstream or proxy."},
    {"type", &frame_type, AT(frame), 0, "both", "Which frames."},
    {"by", &side_type, AT(closed_by), 0, NULL, "Who sent it."},
    {"code", &type_predicate_text, AT(code), 0, NULL,
     "Its error code, by name (RFC 9113 section 7) or number."},
    {"stream", &type_predicate_number, AT(stream_id), 0, NULL, "The stream that was reset."},
    {"last-stream-id", &type_predicate_number, AT(last_stream), 0, NULL, "Of GOAWAY."},
    WINDOW_ROWS,
    COUNT_ROW,
};
static const struct table frames_table = {
    TABLE_ROWS("frames", frames_rows),
    .doc = "RST_STREAM and GOAWAY of HTTP/2, of both sides.",
    .check = frames_check,
};
static const struct type frames_type = TYPE_TABLE(&frames_table, struct verify_keys);

/** `fired: false` says that there are none: nothing else can be said of them. */
static enum read_result events_check(struct reader *reader, const struct node *node, void *into)
{
    const struct verify_keys *keys = into;
    static const char *const others[] = {"count", "lag"};
    if (!keys->fired || *keys->fired)
        return READ_OK;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        const struct node_pair *pair = node_find(node, str_of(others[i]));
        if (!pair)
            continue;
        diagnostics_add(reader->diagnostics, pair->key->place,
                        "'%s' does not go with 'fired: false'", others[i]);
        return READ_FAILED;
    }
    return READ_OK;
}

static const struct row events_rows[] = {
    {"name", &event_name, AT(name), 0, "all of them", "The event."},
    {"fired", &maybe_bool, AT(fired), 0, "true", "Whether it fired."},
    WINDOW_ROWS,
    COUNT_ROW,
    {"lag", &type_predicate_duration, AT(lag), 0, NULL, "How late it fired, each time."},
};
static const struct table events_table = {
    TABLE_ROWS("events", events_rows),
    .doc = "Events that fired.",
    .check = events_check,
};
static const struct type events_type = TYPE_TABLE(&events_table, struct verify_keys);

static const struct row steps_rows[] = {
    {"name", &step_name, AT(name), 0, "all of them", "The step."},
    WINDOW_ROWS,
    COUNT_ROW,
};
static const struct table steps_table = {
    TABLE_ROWS("steps", steps_rows),
    .doc = "Steps that were run and have ended, passed or not; a window is about when they ended.",
};
static const struct type steps_type = TYPE_TABLE(&steps_table, struct verify_keys);

static const struct row output_rows[] = {
    {NULL, &lines_type, AT(lines), ROW_INCLUDE, NULL, NULL},
    {"stream", &stream_type, AT(stream), 0, "both", "Of which output."},
    WINDOW_ROWS,
    COUNT_ROW,
};
static const struct table output_table = {
    TABLE_ROWS("output", output_rows),
    .doc = "Lines that programs wrote. The keys of a text predicate select among them.",
};
static const struct type output_type = TYPE_TABLE(&output_table, struct verify_keys);

static const struct row processes_rows[] = {
    {"of", &running_name, AT(name), 0, "all of them", "The program, client or background step."},
    {"alive", &maybe_bool, AT(alive), 0, NULL, "Whether it runs."},
    {"rss", &type_predicate_size, AT(rss), 0, NULL,
     "Its resident memory now; of one that has ended: the most it had."},
    {"cpu", &type_predicate_duration, AT(cpu), 0, NULL, "The processor time it took."},
    {"exit", &type_predicate_number, AT(exit), 0, NULL, "The exit code of one that has ended."},
};
static const struct table processes_table = {
    TABLE_ROWS("processes", processes_rows),
    .doc = "Programs that were started; one that was started several times is judged as it was "
           "the last time.",
};
static const struct type processes_type = TYPE_TABLE(&processes_table, struct verify_keys);

/* The family */

static const struct verify_subject requests_subject = {
    .entries = ENTRY_REQUEST,
    .noun = "request",
    .nouns = "requests",
    .preposition = "to",
    .takes = request_takes,
    .show = request_show,
};
static const struct verify_subject responses_subject = {
    .entries = ENTRY_RESPONSE,
    .also = ENTRY_REFUSED,
    .noun = "response",
    .nouns = "responses",
    .preposition = "from",
    .takes = response_takes,
    .show = response_show,
    .judge_each = response_judge,
};
static const struct verify_subject connections_subject = {
    .entries = ENTRY_CONNECTION,
    .noun = "connection",
    .nouns = "connections",
    .preposition = "to",
    .takes = connection_takes,
    .show = connection_show,
    .judge_each = connection_judge,
};
const struct verify_subject dials_subject = {
    .entries = ENTRY_DIAL,
    .noun = "connection",
    .nouns = "connections",
    .preposition = "from",
    .takes = dial_takes,
    .show = dial_show,
    .judge_each = connection_judge,
};
static const struct verify_subject handshakes_subject = {
    .entries = ENTRY_HANDSHAKE,
    .noun = "handshake",
    .nouns = "handshakes",
    .preposition = "to",
    .takes = handshake_takes,
    .show = handshake_show,
};
static const struct verify_subject frames_subject = {
    .entries = ENTRY_RESET,
    .also = ENTRY_GOAWAY,
    .noun = "frame",
    .nouns = "frames",
    .preposition = "to",
    .takes = frame_takes,
    .show = frame_show,
};
static const struct verify_subject events_subject = {
    .entries = ENTRY_EVENT,
    .noun = "firing",
    .nouns = "firings",
    .preposition = "of",
    .show = named_show,
    .judge_each = event_judge,
};
static const struct verify_subject steps_subject = {
    .entries = ENTRY_STEP_END,
    .noun = "step",
    .nouns = "ended steps",
    .preposition = "called",
    .takes = step_takes,
    .show = named_show,
};
static const struct verify_subject output_subject = {
    .entries = ENTRY_OUTPUT,
    .noun = "line of output",
    .nouns = "lines of output",
    .preposition = "of",
    .takes = output_takes,
    .show = output_show,
};
static const struct verify_subject processes_subject = {
    .entries = ENTRY_PROGRAM,
    .noun = "process",
    .nouns = "processes",
    .preposition = "of",
    .judge = processes_judge,
};

static const struct member verify_members[] = {
    {"requests", &requests_type, "Requests that ports read.", &requests_subject, 0},
    {"responses", &responses_type, "Responses that ports sent.", &responses_subject, 0},
    {"connections", &connections_type, "Connections to ports.", &connections_subject, 0},
    {"handshakes", &handshakes_type, "TLS handshakes.", &handshakes_subject, 0},
    {"frames", &frames_type, "RST_STREAM and GOAWAY of HTTP/2.", &frames_subject, 0},
    {"events", &events_type, "Events that fired.", &events_subject, 0},
    {"steps", &steps_type, "Steps that ended.", &steps_subject, 0},
    {"output", &output_type, "Lines that programs wrote.", &output_subject, 0},
    {"processes", &processes_type, "Programs as processes.", &processes_subject, 0},
    {0},
};
static const struct member *const verify_groups[] = {verify_members, NULL};
const struct family verify_family = {"subject", verify_groups};

static const struct row item_rows[] = {
    {"name", &type_text, offsetof(struct verify_item, name), 0, "made from its keys",
     "What it is called in reports."},
    {"optional", &type_bool, offsetof(struct verify_item, optional), 0, "false",
     "A failure does not fail the scenario."},
};
static const struct table item_table = {
    TABLE_ROWS("item of verify", item_rows),
    .doc = "One thing that must hold of what the run recorded. Selecting keys choose entries of "
           "the subject; `count`, `gaps`, `order` and `concurrent` are taken over them, all other "
           "keys must hold for each. Without `count` at least one must be selected.",
    .family = &verify_family,
    .family_offset = offsetof(struct verify_item, subject),
};
static const struct type item_type = TYPE_TABLE(&item_table, struct verify_item);

static enum read_result item_read(struct reader *reader, const struct type *type,
                                  const struct node *node, void *into)
{
    struct verify_item *item = into;
    (void)type;
    item->place = node->place;
    return item_type.read(reader, &item_type, node, into);
}

const struct type verify_type = {
    .raw = true,
    .name = "an item such as {requests: {to: api, count: 2}}",
    .size = sizeof(struct verify_item),
    .read = item_read,
    .schema = type_of_schema,
    .of = &item_type,
};

unsigned verify_needs(const struct verify_item *item, struct str *port)
{
    static const struct {
        const struct verify_subject *subject;
        unsigned speech;
    } needs[] = {
        {&requests_subject, SPEECH_HTTP},
        {&responses_subject, SPEECH_HTTP},
        {&handshakes_subject, SPEECH_TLS},
        {&frames_subject, SPEECH_HTTP2},
    };
    const struct member *member = item->subject.member;
    const void *subject = member ? member->extra : NULL;
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        if (needs[i].subject != subject)
            continue;
        *port = ((const struct verify_keys *)item->subject.value)->port;
        return port->data ? needs[i].speech : 0;
    }
    return 0;
}

struct str verify_dialling(const struct verify_item *item)
{
    const struct member *member = item->subject.member;
    if (!member || member->extra != &connections_subject)
        return (struct str){0};
    return ((const struct verify_keys *)item->subject.value)->from;
}

bool verify_asks_grpc_status(const struct verify_item *item)
{
    const struct member *member = item->subject.member;
    const struct verify_keys *keys = item->subject.value;
    return member && member->extra == &responses_subject && keys && keys->grpc_status;
}

bool verify_asks_bytes(const struct verify_item *item)
{
    const struct member *member = item->subject.member;
    const struct verify_keys *keys = item->subject.value;
    return member && member->extra == &connections_subject &&
           (!keys || keys->received || keys->sent);
}

void verify_each_match(const struct verify_item *item,
                       void (*each)(void *context, struct str port, const struct match *match),
                       void *context)
{
    struct str port;
    if (item->subject.deferred || !item->subject.value || verify_needs(item, &port) != SPEECH_HTTP)
        return;
    const struct verify_keys *keys = item->subject.value;
    struct match *const *order = keys->order.items;
    if (keys->rpc)
        each(context, port, keys->rpc);
    if (keys->where)
        each(context, port, keys->where);
    for (size_t i = 0; i < keys->order.count; i++)
        if (order[i])
            each(context, port, order[i]);
}

/* Titles, from the nodes as written */

enum { TITLE_VALUE = 60, TITLE_MEMBERS = 5 };

static void title_text(struct str text, struct buf *title)
{
    size_t size = text.size;
    if (size > TITLE_VALUE) {
        size = TITLE_VALUE;
        while (size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
            size--;
    }
    for (size_t i = 0; i < size; i++)
        buf_append_byte(title, (unsigned char)text.data[i] < 0x20 ? ' ' : text.data[i]);
    if (size < text.size)
        buf_append_string(title, "…");
}

/** "2", "at-least 1", "[at-least 100ms, at-least 200ms]"; deep or long values end with "…". */
static void title_value(const struct node *node, unsigned depth, struct buf *title)
{
    bool list = node->kind == NODE_LIST;
    if (node_is_scalar(node)) {
        title_text(node_scalar_text(node), title);
        return;
    }
    if (depth == 0) {
        buf_append_string(title, "…");
        return;
    }
    buf_append_string(title, list ? "[" : "");
    for (size_t i = 0; i < node->count; i++) {
        buf_append_string(title, i ? ", " : "");
        if (i == TITLE_MEMBERS) {
            buf_append_string(title, "…");
            break;
        }
        if (!list) {
            title_text(node->pairs[i].key->text, title);
            buf_append_byte(title, ' ');
        }
        title_value(list ? node->items[i] : node->pairs[i].value, depth - 1, title);
    }
    buf_append_string(title, list ? "]" : "");
}

/** The key that says what the subject is of, and how it is written in a title. */
static bool title_is_of(struct str key, struct str *word)
{
    static const struct {
        const char *key;
        const char *word;
    } words[] = {{"to", "to "}, {"from", "from "}, {"of", "of "}, {"name", ""}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_is(key, words[i].key)) {
            *word = str_of(words[i].word);
            return true;
        }
    }
    return false;
}

static void title_subject(const struct node_pair *subject, struct buf *title)
{
    enum { DEEPEST = 3 };
    const struct node *value = subject->value;
    const char *between = ": ";
    struct str word;
    title_text(subject->key->text, title);
    if (value->kind != NODE_MAP) {
        buf_append_byte(title, ' ');
        title_value(value, DEEPEST, title);
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (!title_is_of(value->pairs[i].key->text, &word))
            continue;
        buf_append_byte(title, ' ');
        buf_append(title, word);
        title_value(value->pairs[i].value, DEEPEST, title);
    }
    for (size_t i = 0; i < value->count; i++) {
        if (title_is_of(value->pairs[i].key->text, &word))
            continue;
        buf_append_string(title, between);
        between = ", ";
        title_text(value->pairs[i].key->text, title);
        buf_append_byte(title, ' ');
        title_value(value->pairs[i].value, DEEPEST, title);
    }
}

struct str verify_title(struct arena *arena, const struct node *item)
{
    struct buf title;
    const struct node *name = node_get(item, "name");
    if (name && node_is_scalar(name) && name->text.size)
        return arena_copy(arena, name->text);
    if (item->kind != NODE_MAP)
        return STR("verify");
    buf_init(&title, BUF_OWN);
    for (size_t i = 0; i < item->count && title.size == 0; i++) {
        struct str key = item->pairs[i].key->text;
        if (!str_is(key, "name") && !str_is(key, "optional"))
            title_subject(&item->pairs[i], &title);
    }
    struct str copy = title.size ? arena_copy(arena, str_trim(buf_str(&title))) : STR("verify");
    buf_clear(&title);
    return copy;
}
