/**
 * The journal: everything that happens in a scenario, in one order on one clock.
 *
 * Servers, clients and programs write entries; conditions, checks and reports read them. Entries
 * are of fixed size in a ring; what they carry (a request, a line of output) stands beside them in
 * chunks that go when their entries go. Counts over the whole run stay exact when old entries are
 * dropped; readers that need dropped entries see journal_first() > 1 and must fail.
 *
 * Times are nanoseconds since t = 0 of the scenario (negative before it).
 */
#ifndef GOTO_JOURNAL_JOURNAL_H
#define GOTO_JOURNAL_JOURNAL_H

#include "base/arena.h"
#include "base/common.h"
#include "base/str.h"

enum entry_kind {
    ENTRY_PORT_OPEN,      /**< subject: port */
    ENTRY_PORT_CLOSE,     /**< subject: port; text: how */
    ENTRY_CONNECTION,     /**< a connection was accepted; subject: port; data: peer "address:port";
                             once a side has ended: journal_set_closed() */
    ENTRY_CONNECTION_END, /**< it is gone; flags: CLOSED_BY_…; value: lifetime in ns; extra: bytes
                             received; extra2: bytes sent */
    ENTRY_REQUEST,     /**< it arrived: was read whole, or an answer that does not wait for that is
                          there; before it is answered; route: name id or 0 when unmatched; data: a
                          packed request; extra: stream id of HTTP/2 */
    ENTRY_REQUEST_END, /**< no more comes of a request that had arrived before it was whole: its
                          entry has the rest now, by journal_set_data(); extra: bytes of its body;
                          flags: ABORTED, CLOSED_BY_SERVER where it is not whole */
    ENTRY_MISS, /**< that request matched no route; text: the nearest route and the first condition
                   that failed */
    ENTRY_RESPONSE,   /**< ended: whole or aborted; status; extra: body bytes sent; value: ns since
                         the request arrived; extra2: ns to the first byte; flags: ABORTED */
    ENTRY_REFUSED,    /**< a request that broke HTTP or a limit; status: what was answered (0: cut);
                         text: why */
    ENTRY_EVENT,      /**< subject: event; value: lag in ns; text: its action */
    ENTRY_EVENT_UNDO, /**< subject: event */
    ENTRY_ACTION,   /**< an action was done (by an event or a step); subject: target; text: what, in
                       words; extra: name id of the event, 0 = a step */
    ENTRY_STEP,     /**< a step began; subject: step; actor2: client */
    ENTRY_STEP_END, /**< it ended; flags: PASSED/FAILED/SKIPPED; value: duration; text: outcome "200
                       in 3ms" */
    ENTRY_CLIENT,   /**< began */
    ENTRY_CLIENT_END,  /**< ended; flags PASSED/FAILED */
    ENTRY_PROGRAM,     /**< a program was started; subject: its name; value: pid; text: command */
    ENTRY_PROGRAM_END, /**< it ended; value: exit code, or -signal */
    ENTRY_OUTPUT,    /**< a line of a program; subject: its name; flags: STDERR, CUT; data: the line
                        without its end */
    ENTRY_LOG,       /**< text of a `log` action */
    ENTRY_SET,       /**< a variable was set; subject: name; text: value */
    ENTRY_NOTE,      /**< what the harness has to say: a limit hit, a wait missed; text */
    ENTRY_HANDSHAKE, /**< a TLS handshake ended; subject: port; flags PASSED/FAILED; value: ns it
                        took; data: a JSON object {version, cipher, sni, alpn, alert, alert-from
                        ("client"/"server"), certificate, client-cert, resumed, error}, members
                        that are not known are left out */
    ENTRY_RESET,  /**< a stream of HTTP/2 was reset; subject: port; value: code; extra: stream id;
                     flags: CLOSED_BY_CLIENT/SERVER = who did */
    ENTRY_GOAWAY, /**< GOAWAY was sent or came; value: code; extra: last stream id; flags as RESET;
                     text: debug data */
    ENTRY_FAULT,  /**< a fault struck; subject: port; connection, request; text: its name */
    ENTRY_DIAL, /**< a connection to a far side stands; subject: the proxy; connection: the client's
                   that it is for, 0 = of none; route: name id of the endpoint; data:
                   "address:port"; extra2: ns it took; once a side has ended:
                   journal_set_closed() */
    ENTRY_DIAL_FAILED, /**< it could not be made; the same, but data: why; status: errno, 0 = the
                          name was not found */
    ENTRY_DIAL_END,    /**< it is gone; as CONNECTION_END: the far side is the server */
    ENTRY_FORWARD,     /**< a far side's part of an exchange ended; subject: the proxy; connection,
                          request, route: of the exchange; status: seen, 0 = none; flags: PASSED
                          (whole), FAILED, SKIPPED (given up by our side), REUSED; value: ns it
                          took; extra: bytes of the answer's body; extra2: ns to its first byte;
                          data: a JSON object {to, address, call, method, target, given (the status
                          that the client got, 0 = none), copy, error, why}, members that are not
                          known are left out */
    ENTRY_MESSAGE, /**< a message of gRPC came; subject: port; connection; extra: stream id; value:
                      its number in the call, from 1; text: the rpc */
    ENTRY_CHECK,   /**< a check was judged; subject: its name; flags: PASSED/FAILED/SKIPPED; text:
                      first line of why */
    ENTRY_KINDS
};

enum entry_flags {
    ENTRY_CLOSED_BY_CLIENT = 1,
    ENTRY_CLOSED_BY_SERVER = 2,
    ENTRY_CLOSED_BY_RESET = 4, /**< with CLOSED_BY_CLIENT/SERVER: by RST, not FIN */
    ENTRY_ABORTED = 8,
    ENTRY_STDERR = 16,
    ENTRY_CUT = 32, /**< data was longer than the bound */
    ENTRY_PASSED = 64,
    ENTRY_FAILED = 128,
    ENTRY_SKIPPED = 256,
    ENTRY_REUSED = 512,     /**< a request on a connection that had one before */
    ENTRY_UNMATCHED = 1024, /**< no route matched on an upstream that has routes */
    ENTRY_OPTIONAL = 2048,
    ENTRY_COUNTED =
        4096, /**< an unmatched request that a verify item with `matched: false` counted */
};

/** One thing that happened. */
struct entry {
    int64_t time_ns;
    uint64_t connection; /**< number on its port, from 1; 0 = none */
    uint64_t request;    /**< number on its port, from 1; 0 = none */
    int64_t value;
    uint64_t extra;
    uint64_t extra2;
    const char *data; /**< borrowed from the journal for as long as the entry lives; text or packed
                         request */
    uint32_t data_size;
    uint32_t subject; /**< name id: journal_name() */
    uint32_t route;   /**< name id of the route ("api.foobar"), 0 = none */
    uint16_t status;
    uint16_t flags;
    uint8_t kind;
};

struct journal;

/** Called right after each entry was appended, in the order of subscription. It may append itself.
 */
typedef void (*journal_observer)(void *context, const struct entry *entry, uint64_t number);

enum {
    JOURNAL_ENTRIES = 1 << 20,         /**< entries kept; more drop the oldest */
    JOURNAL_BYTES = 256 * 1024 * 1024, /**< bytes of data kept */
};

/** A journal whose clock starts at `zero_ns` (monotonic). `most_entries` 0 = JOURNAL_ENTRIES. */
GOTO_MUST_USE struct journal *journal_new(size_t most_entries, size_t most_bytes);
void journal_free(struct journal *journal);

/** Sets t = 0 (monotonic ns). Before it is set, times are relative to the journal's creation.
 * Entries written before are moved onto the new clock. */
void journal_start(struct journal *journal, int64_t zero_ns);
/** Now, in the journal's time. */
int64_t journal_now(const struct journal *journal);
/** The monotonic time of a journal time. */
int64_t journal_monotonic(const struct journal *journal, int64_t time_ns);

/** The id of a name (from 1); the same text gives the same id. */
uint32_t journal_intern(struct journal *journal, struct str name);
/** The name of an id; empty for 0. */
struct str journal_name(const struct journal *journal, uint32_t id);

/**
 * Appends a copy of `entry`: its time is set to now if it is INT64_MIN, `data` is copied. Observers
 * are called before this returns.
 *
 * @return its number, from 1
 */
uint64_t journal_append(struct journal *journal, const struct entry *entry, struct str data);

/** The same; the data is the parts one behind the other. */
uint64_t journal_append_parts(struct journal *journal, const struct entry *entry,
                              const struct str *parts, size_t count);

/** Puts other data into an entry, the parts one behind the other; nothing if it was dropped. Who
 * is to hear of it is told by an entry behind it. */
void journal_set_data(struct journal *journal, uint64_t number, const struct str *parts,
                      size_t count);

/** An entry with the time unset, of a kind and a subject. */
struct entry journal_entry(enum entry_kind kind, uint32_t subject);
/** Appends an entry with only a printed text. */
void journal_note(struct journal *journal, enum entry_kind kind, uint32_t subject,
                  const char *format, ...) GOTO_PRINTF(4, 5);

/** Numbers of the oldest entry kept and of the newest (0 = none yet). journal_first() > 1: some
 * were dropped. */
uint64_t journal_first(const struct journal *journal);
uint64_t journal_last(const struct journal *journal);
/** An entry by number, or NULL if dropped or not there yet. Valid until the next append. */
const struct entry *journal_get(const struct journal *journal, uint64_t number);

/** Sets the route and adds flags of a request's entry, once it was matched; nothing if it was
 * dropped. */
void journal_set_route(struct journal *journal, uint64_t number, uint32_t route, unsigned flags);

/** Says in a connection's entry that a side ended it at `time_ns`: adds the flags, puts the time
 * into `value` and the number of the newest entry of that moment into `extra`. */
void journal_set_closed(struct journal *journal, uint64_t number, unsigned flags, int64_t time_ns);

/** How many entries of a kind with this subject were ever appended; exact also when dropped.
 * Subject 0 = all. */
uint64_t journal_count(const struct journal *journal, enum entry_kind kind, uint32_t subject);

/** Adds an observer for the kinds of the mask (1u << kind). The returned number removes it. */
unsigned journal_observe(struct journal *journal, uint32_t kinds, journal_observer observer,
                         void *context);
void journal_unobserve(struct journal *journal, unsigned number);

/** "request", "connection-end" …: the name of a kind in the NDJSON form and in `--json`'s
 * documentation. */
const char *entry_kind_name(enum entry_kind kind);

#endif
