/* Entries of the journal in words. */
#include "base/units.h"
#include "runner/check/verify_words.h"
#include "runner/report/report_private.h"
#include "server/http/message.h"

#include <signal.h>
#include <string.h>

enum {
    WORDS_TEXT = 160,  /**< characters of a text that somebody else wrote */
    WORDS_PATH = 100,  /**< characters of a request's target */
    WORDS_BACK = 1024, /**< entries between a response and its request that are looked through */
};

static struct str entry_text(const struct entry *entry)
{
    return (struct str){entry->data, entry->data ? entry->data_size : 0};
}

/** A name that another program's memory or an older journal may have got wrong: empty if unknown.
 */
static struct str extra_name(const struct journal *journal, uint64_t id)
{
    return id && id <= UINT32_MAX ? journal_name(journal, (uint32_t)id) : (struct str){0};
}

struct str entry_who(const struct journal *journal, const struct entry *entry)
{
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_STEP:
    case ENTRY_STEP_END:
        return extra_name(journal, entry->extra);
    case ENTRY_LOG:
        return STR("log");
    case ENTRY_CHECK:
        return STR("check");
    case ENTRY_NOTE:
        return entry->subject ? journal_name(journal, entry->subject) : STR("goto-run");
    default:
        return journal_name(journal, entry->subject);
    }
}

const char *entry_outcome(const struct entry *entry)
{
    return entry->flags & ENTRY_PASSED    ? "passed"
           : entry->flags & ENTRY_FAILED  ? "failed"
           : entry->flags & ENTRY_SKIPPED ? "skipped"
                                          : "";
}

const struct entry *entry_request(const struct journal *journal, uint64_t number)
{
    const struct entry *response = journal_get(journal, number);
    uint64_t first = journal_first(journal);
    for (uint64_t back = 1; response && back <= WORDS_BACK && number >= first + back; back++) {
        const struct entry *entry = journal_get(journal, number - back);
        if (entry && entry->kind == ENTRY_REQUEST && entry->subject == response->subject &&
            entry->connection == response->connection && entry->request == response->request)
            return entry;
    }
    return NULL;
}

/* Each kind. */

static void print_text(const char *before, struct str text, struct buf *into)
{
    if (text.size == 0)
        return;
    buf_append_string(into, before);
    report_clean_short(text, WORDS_TEXT, into);
}

static void print_time(const char *before, int64_t ns, bool times, struct buf *into)
{
    if (!times)
        return;
    buf_append_string(into, before);
    units_write_time(ns, into);
}

/** "GET /foo?x=1", or what can be said when the request is gone. */
static void print_request(const struct entry *entry, uint64_t number, struct buf *into)
{
    struct request request;
    if (!entry) {
        buf_printf(into, "request %llu", (unsigned long long)number);
        return;
    }
    struct arena *arena = arena_new();
    if (request_unpack(entry_text(entry), arena, &request)) {
        report_clean_short(request.method, WORDS_PATH, into);
        buf_append_byte(into, ' ');
        report_clean_short(request.target, WORDS_PATH, into);
    } else {
        buf_printf(into, "request %llu", (unsigned long long)number);
    }
    if (entry->flags & ENTRY_UNMATCHED)
        buf_append_string(into, " (no route)");
    arena_free(arena);
}

static void print_response(const struct journal *journal, const struct entry *entry,
                           uint64_t number, bool times, struct buf *into)
{
    print_request(number ? entry_request(journal, number) : NULL, entry->request, into);
    buf_append_string(into, " → ");
    if (entry->flags & ENTRY_ABORTED) {
        buf_append_string(into, "aborted by the client");
        if (entry->status)
            buf_printf(into, " during %u", entry->status);
        print_time(" after ", entry->value, times, into);
    } else if (entry->flags & ENTRY_CLOSED_BY_SERVER) {
        buf_append_string(into, "cut by the server");
        if (entry->status)
            buf_printf(into, " during %u", entry->status);
        print_time(" after ", entry->value, times, into);
    } else {
        buf_printf(into, "%u", entry->status);
        print_text(" ", entry_text(entry), into);
        print_time(" in ", entry->value, times, into);
    }
}

static void print_connection(const struct entry *entry, struct buf *into)
{
    if (entry->connection)
        buf_printf(into, "connection %llu", (unsigned long long)entry->connection);
    else
        buf_append_string(into, "connection");
}

/** Of a connection that is gone: how long it lived and what it carried. */
static void print_ended(const struct entry *entry, bool times, struct buf *into)
{
    if (!times)
        return;
    print_time(" after ", entry->value, times, into);
    buf_append_string(into, ", ");
    units_write_size(entry->extra, into);
    buf_append_string(into, " in, ");
    units_write_size(entry->extra2, into);
    buf_append_string(into, " out");
}

static void print_connection_end(const struct entry *entry, bool times, struct buf *into)
{
    bool reset = entry->flags & ENTRY_CLOSED_BY_RESET;
    const char *by = entry->flags & ENTRY_CLOSED_BY_CLIENT   ? " by the client"
                     : entry->flags & ENTRY_CLOSED_BY_SERVER ? " by the server"
                                                             : "";
    print_connection(entry, into);
    buf_printf(into, " %s%s", reset ? "reset" : "closed", by);
    print_ended(entry, times, into);
}

/** "connection 3 to db (127.0.0.1:5432)": what a proxy makes. */
static void print_dial(const struct journal *journal, const struct entry *entry, bool times,
                       struct buf *into)
{
    bool failed = entry->kind == ENTRY_DIAL_FAILED;
    print_connection(entry, into);
    buf_append_string(into, failed ? ": no connection to " : ": connected to ");
    report_clean_short(journal_name(journal, entry->route), WORDS_PATH, into);
    if (failed)
        print_text(": ", entry_text(entry), into);
    else if (times)
        print_text(" at ", entry_text(entry), into);
    print_time(" in ", (int64_t)entry->extra2, times, into);
}

/** The end of one, of which the far side is the server. */
static void print_dial_end(const struct journal *journal, const struct entry *entry, bool times,
                           struct buf *into)
{
    const char *how = entry->flags & ENTRY_CLOSED_BY_RESET ? "reset" : "closed";
    print_connection(entry, into);
    buf_append_string(into, ": ");
    if (entry->flags & ENTRY_CLOSED_BY_SERVER) {
        report_clean_short(journal_name(journal, entry->route), WORDS_PATH, into);
        buf_printf(into, " %s its side", how);
    } else {
        buf_printf(into, "%s to ", how);
        report_clean_short(journal_name(journal, entry->route), WORDS_PATH, into);
    }
    print_ended(entry, times, into);
}

static void print_refused(const struct entry *entry, struct buf *into)
{
    print_connection(entry, into);
    buf_append_string(into, " refused");
    print_text(": ", entry_text(entry), into);
    if (entry->status)
        buf_printf(into, " (answered %u)", entry->status);
}

/** Words that hold what a peer sent: they are cleaned as a whole. */
static void print_words(void (*words)(const struct entry *, struct buf *),
                        const struct entry *entry, struct buf *into)
{
    struct buf text;
    buf_init(&text, BUF_OWN);
    words(entry, &text);
    report_clean_short(buf_str(&text), WORDS_TEXT, into);
    buf_clear(&text);
}

static void print_handshake(const struct entry *entry, bool times, struct buf *into)
{
    if (entry->connection)
        buf_printf(into, "handshake %llu: ", (unsigned long long)entry->connection);
    else
        buf_append_string(into, "handshake: ");
    print_words(handshake_words, entry, into);
    print_time(" in ", entry->value, times, into);
}

static void print_event(const struct entry *entry, bool times, struct buf *into)
{
    buf_append_string(into, "event fires");
    print_text(": ", entry_text(entry), into);
    if (times && entry->value >= INT64_C(1000000)) {
        print_time(" (", entry->value, times, into);
        buf_append_string(into, " late)");
    }
}

static void print_named(const char *what, struct str name, struct buf *into)
{
    buf_append_string(into, what);
    buf_append_string(into, "'");
    report_clean_short(name, WORDS_PATH, into);
    buf_append_string(into, "'");
}

static void print_outcome(const struct entry *entry, struct buf *into)
{
    const char *outcome = entry_outcome(entry);
    if (*outcome)
        buf_printf(into, " %s", outcome);
    print_text(": ", entry_text(entry), into);
}

static void print_program_end(const struct entry *entry, struct buf *into)
{
    if (entry->value < 0) {
        const char *name = entry->value > -65 ? sigabbrev_np((int)-entry->value) : NULL;
        buf_append_string(into, "killed by ");
        if (name)
            buf_printf(into, "SIG%s", name);
        else
            buf_printf(into, "signal %lld", (long long)-entry->value);
    } else {
        buf_printf(into, "exited with %lld", (long long)entry->value);
    }
    print_text(": ", entry_text(entry), into);
}

/** What servers write. False: the kind is not one of theirs. */
static bool server_what(const struct journal *journal, const struct entry *entry, uint64_t number,
                        bool times, struct buf *into)
{
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_PORT_OPEN:
        buf_append_string(into, "open");
        print_text(" on ", entry_text(entry), into);
        return true;
    case ENTRY_PORT_CLOSE:
        buf_append_string(into, "closed");
        print_text(", connections: ", entry_text(entry), into);
        return true;
    case ENTRY_CONNECTION:
        print_connection(entry, into);
        print_text(" from ", times ? entry_text(entry) : (struct str){0}, into);
        return true;
    case ENTRY_CONNECTION_END:
        print_connection_end(entry, times, into);
        return true;
    case ENTRY_DIAL:
    case ENTRY_DIAL_FAILED:
        print_dial(journal, entry, times, into);
        return true;
    case ENTRY_DIAL_END:
        print_dial_end(journal, entry, times, into);
        return true;
    case ENTRY_REQUEST:
        print_request(entry, entry->request, into);
        return true;
    case ENTRY_REQUEST_END:
        print_request(entry_request(journal, number), entry->request, into);
        buf_append_string(into, entry->flags & ENTRY_ABORTED ? ": broken off by the client after "
                                : entry->flags               ? ": cut by the server after "
                                                             : ": all of it came: ");
        units_write_size(entry->extra, into);
        return true;
    case ENTRY_MISS:
        buf_append_string(into, "no route matched");
        print_text(": ", entry_text(entry), into);
        return true;
    case ENTRY_RESPONSE:
        print_response(journal, entry, number, times, into);
        return true;
    case ENTRY_BYTES:
        print_connection(entry, into);
        if (!entry->extra) {
            buf_append_string(into, ": its bytes are recorded");
            return true;
        }
        buf_printf(into, ": %s ", entry->value ? "sent" : "received");
        units_write_size(entry->extra, into);
        /* a piece may hold a part of a secret, which only all of them together tell */
        if (!report_has_secrets())
            print_text(": ", entry_text(entry), into);
        return true;
    case ENTRY_MESSAGE:
        buf_printf(into, "message %lld", (long long)entry->value);
        print_text(" of ", entry_text(entry), into);
        return true;
    case ENTRY_REFUSED:
        print_refused(entry, into);
        return true;
    case ENTRY_HANDSHAKE:
        print_handshake(entry, times, into);
        return true;
    case ENTRY_RESET:
    case ENTRY_GOAWAY:
        print_connection(entry, into);
        buf_append_string(into, ": ");
        print_words(frame_words, entry, into);
        return true;
    case ENTRY_FORWARD:
        print_words(forward_words, entry, into);
        print_time(" in ", entry->value, times, into);
        return true;
    case ENTRY_FAULT:
        if (entry->connection)
            print_connection(entry, into);
        print_text(entry->connection ? ": fault " : "fault ", entry_text(entry), into);
        return true;
    default:
        return false;
    }
}

/** What the runner writes. */
static void runner_what(const struct journal *journal, const struct entry *entry, bool times,
                        struct buf *into)
{
    struct str name = journal_name(journal, entry->subject);
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_EVENT:
        print_event(entry, times, into);
        break;
    case ENTRY_EVENT_UNDO:
        buf_append_string(into, "event is undone");
        break;
    case ENTRY_STEP:
        print_named("step ", name, into);
        buf_append_string(into, " begins");
        break;
    case ENTRY_STEP_END:
        print_named("step ", name, into);
        print_outcome(entry, into);
        break;
    case ENTRY_CLIENT:
        buf_append_string(into, "client starts");
        break;
    case ENTRY_CLIENT_END:
        buf_append_string(into, "client ended");
        print_outcome(entry, into);
        break;
    case ENTRY_PROGRAM:
        buf_append_string(into, "program started");
        if (times)
            buf_printf(into, " (pid %lld)", (long long)entry->value);
        print_text(": ", entry_text(entry), into);
        break;
    case ENTRY_PROGRAM_END:
        print_program_end(entry, into);
        break;
    case ENTRY_OUTPUT:
        buf_append_string(into, entry->flags & ENTRY_STDERR ? "stderr: " : "stdout: ");
        print_text("", entry_text(entry), into);
        break;
    case ENTRY_SET:
        print_text("= ", entry_text(entry), into);
        break;
    case ENTRY_CHECK:
        print_named("", name, into);
        print_outcome(entry, into);
        break;
    default:
        print_text("", entry_text(entry), into);
        break;
    }
}

void entry_what(const struct journal *journal, const struct entry *entry, uint64_t number,
                bool times, struct buf *into)
{
    if (!server_what(journal, entry, number, times, into))
        runner_what(journal, entry, times, into);
}

void entry_print_time(int64_t time_ns, struct buf *into)
{
    if (time_ns >= 0)
        buf_append_byte(into, '+');
    if (time_ns == 0)
        buf_append_string(into, "0.000s");
    else
        units_write_time(time_ns, into);
}

uint64_t entry_at(const struct journal *journal, int64_t time_ns)
{
    uint64_t low = journal_first(journal);
    uint64_t high = journal_last(journal) + 1;
    if (low == 0)
        low = 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const struct entry *entry = journal_get(journal, middle);
        if (entry && entry->time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/** The number of an entry of the journal: entries of one time stand beside each other. 0: not
 * found. */
static uint64_t entry_number(const struct journal *journal, const struct entry *entry)
{
    uint64_t number = entry_at(journal, entry->time_ns);
    uint64_t last = journal_last(journal);
    for (; number && number <= last; number++) {
        const struct entry *other = journal_get(journal, number);
        if (other == entry)
            return number;
        if (!other || other->time_ns > entry->time_ns)
            break;
    }
    return 0;
}

void report_entry_words(const struct journal *journal, const struct entry *entry, struct buf *into)
{
    uint64_t number = entry->kind == ENTRY_RESPONSE ? entry_number(journal, entry) : 0;
    struct str who = entry_who(journal, entry);
    entry_print_time(entry->time_ns, into);
    buf_append_string(into, "  ");
    if (who.size) {
        report_clean_short(who, WORDS_PATH, into);
        buf_append_string(into, "  ");
    }
    entry_what(journal, entry, number, true, into);
}
