/**
 * The inside of verify, shared by its files.
 *
 * verify_table.c    what an item may say: the tables of its subjects, and its title
 * window.c          the part of the journal that `after`, `during` and the like leave
 * verify_select.c   the entries that an item's selecting keys choose
 * verify_judge.c    what must hold of them, and how a failure reads
 * verify_wire.c     the subjects `handshakes` and `frames`
 * verify_process.c  the subject `processes`, which is about programs rather than entries
 */
#ifndef GOTO_RUNNER_CHECK_VERIFY_PRIVATE_H
#define GOTO_RUNNER_CHECK_VERIFY_PRIVATE_H

#include "runner/check/lines.h"
#include "runner/check/verify.h"
#include "runner/scenario/scenario.h"
#include "server/http/match.h"

/* window.c */

/** The keys of a window as written; -1 and data NULL where they are not. */
struct window_keys {
    int64_t after_ns;
    int64_t before_ns;
    int64_t within_ns;
    struct str after_event;
    struct str during;
};

/** [struct window_keys] after before after-event within during: include it with ROW_INCLUDE. */
extern const struct type window_type;

/** Entries between two numbers of the journal, both excluded. */
struct span {
    uint64_t after;
    uint64_t before;
};

/** A window found in the journal. */
struct window {
    const struct window_keys *keys;
    struct span *spans; /**< of `during`, disjoint and in order; on the heap */
    size_t count;
    uint64_t event; /**< number of the entry of `after-event`; 0 = none */
    int64_t event_ns;
    int64_t until_ns; /**< of `within`; INT64_MAX = none */
};

enum window_result {
    WINDOW_FOUND,
    WINDOW_NEVER, /**< its event did not fire: there is no window */
    WINDOW_LOST,  /**< its event fired, and the journal no longer holds that */
};

/** Finds the window; *event is the event that is missing. Clear it by window_clear() in any case.
 */
enum window_result window_find(struct window *window, const struct window_keys *keys,
                               struct scenario *scenario, struct str *event);
void window_clear(struct window *window);
/** Whether an entry lies in it. */
bool window_holds(const struct window *window, const struct entry *entry, uint64_t number);
/** Whether it says anything at all. */
bool window_is_everything(const struct window_keys *keys);
/** Whether it begins behind what the journal has dropped, so that nothing in it is missing. */
bool window_is_kept(const struct window *window, const struct journal *journal);

/* verify_table.c */

/** Which frames of HTTP/2 are looked at. */
enum frames { FRAMES_ALL, FRAMES_RST_STREAM, FRAMES_GOAWAY };
enum streams { STREAMS_BOTH, STREAMS_STDOUT, STREAMS_STDERR };

/** Everything that an item can say; each subject has the rows of its own. */
struct verify_keys {
    /* selecting */
    struct str port; /**< `to` or `from`; data NULL: all of them */
    struct str from; /**< of connections: the proxy that made them; data NULL: those accepted */
    struct str name; /**< of an event, step or program; data NULL: all of them */
    struct str route;
    bool *matched;
    bool *aborted;
    bool *reused;
    struct predicate *status;
    struct predicate *grpc_status;
    struct predicate *closed_by;
    struct match *rpc;
    struct match *where;
    struct lines lines;
    int stream;
    struct predicate *version; /**< of a handshake, as the next five */
    struct predicate *sni;
    struct predicate *alpn;
    struct predicate *certificate;
    struct predicate *client_cert;
    struct predicate *alert;
    int frame;              /**< enum frames */
    struct predicate *code; /**< of a frame, by name or number */
    struct predicate *stream_id;
    struct predicate *last_stream;
    struct window_keys window;
    /* taken over what is selected */
    struct predicate *count;
    struct predicate *failed; /**< handshakes */
    struct predicate *concurrent;
    struct list gaps;  /**< of struct predicate * */
    struct list order; /**< of struct match * */
    bool *fired;
    /* what must hold for each */
    struct predicate *bytes;
    struct predicate *duration;
    struct predicate *lifetime;
    struct predicate *lag;
    struct predicate *received;
    struct predicate *sent;
    bool *alive;
    struct predicate *rss;
    struct predicate *cpu;
    struct predicate *exit;
};

struct view;
struct picked;

/** Why an entry was not selected, for the note of a failure. */
struct rejection {
    const char *why; /**< "it matched a route"; static */
    unsigned passed; /**< how many selecting keys held before: more is nearer */
};

/** A subject: hangs at the family's member. */
struct verify_subject {
    enum entry_kind entries;
    enum entry_kind also;    /**< entries of another kind that count too; 0 = none */
    const char *noun;        /**< "request" */
    const char *nouns;       /**< "requests" */
    const char *preposition; /**< "to": between the noun and the port or name */
    /** Whether the keys of this subject select an entry; *rejection is filled when they do not. */
    bool (*takes)(struct view *view, struct picked *picked, struct rejection *rejection);
    /** "GET /a #3" */
    void (*show)(const struct view *view, const struct picked *picked, struct buf *into);
    /** What must hold of each; called for one after the other. */
    void (*judge_each)(struct view *view, const struct picked *picked);
    /** Judges the item by itself; then nothing else is called. */
    void (*judge)(struct view *view);
};

/** `connections` with `from`. */
extern const struct verify_subject dials_subject;

/* verify_select.c */

/** An entry that was selected, and what belongs to it. */
struct picked {
    const struct entry *entry;
    uint64_t number;
    const struct entry *partner; /**< the request of a response */
};

/** Entries of one kind, to be found by their number on their port. */
struct index {
    struct index_item *items; /**< on the heap */
    size_t count;
    size_t capacity;
};

enum { MOST_NEAR = 5 };

/** An item while it is judged. Nothing is appended to the journal meanwhile. */
struct view {
    const struct verify_item *item;
    const struct verify_subject *subject;
    const struct verify_keys *keys;
    struct scenario *scenario;
    struct journal *journal;
    struct failures *failures;
    uint32_t name_id; /**< of the port or name; 0 = all */
    uint32_t route_id;
    struct window window;
    struct index partners;
    struct index reused;   /**< requests on connections that had one before */
    struct picked *picked; /**< on the heap */
    size_t count;
    size_t capacity;
    uint64_t looked; /**< entries of the kind and name that the journal still holds */
    bool bare; /**< entries were dropped, but `count` is exact all the same; `picked` is not */
    struct str lack;               /**< why an entry could not be judged; data NULL: none */
    bool request_lost;             /**< the request of a response is needed and gone */
    struct picked near[MOST_NEAR]; /**< what was nearly selected */
    struct rejection rejections[MOST_NEAR];
    size_t near_count;
    size_t failed_each; /**< failures of judge_each() so far */
};

/** Fills `picked`; false: a failure was added. Clear by view_clear() in any case. */
bool view_select(struct view *view);
void view_clear(struct view *view);
/** The place of a key of the item, or of the subject where it is not written. */
struct place view_key_place(const struct view *view, const char *key);
/** "requests to api". */
struct str view_title(const struct view *view);
/** Tests a packed request, as a route would. */
bool view_match(struct view *view, const struct match *match, const struct entry *entry);

/** Counts a key that holds; says why the entry is not selected by one that does not. */
bool key_holds(struct rejection *rejection, bool holds, const char *why);
/** The key that all subjects of entries have. */
bool in_window(const struct view *view, const struct picked *picked, struct rejection *rejection);
/** Tests "client" or "server" of the flags; NULL holds. */
bool closed_by_holds(const struct predicate *predicate, unsigned flags);
bool request_takes(struct view *view, struct picked *picked, struct rejection *rejection);
bool response_takes(struct view *view, struct picked *picked, struct rejection *rejection);
bool connection_takes(struct view *view, struct picked *picked, struct rejection *rejection);
bool dial_takes(struct view *view, struct picked *picked, struct rejection *rejection);
bool step_takes(struct view *view, struct picked *picked, struct rejection *rejection);
bool output_takes(struct view *view, struct picked *picked, struct rejection *rejection);

/* verify_judge.c */

/** Whether a side has ended the connection of this entry. */
bool connection_is_closed(const struct entry *entry);
void request_show(const struct view *view, const struct picked *picked, struct buf *into);
void response_show(const struct view *view, const struct picked *picked, struct buf *into);
void connection_show(const struct view *view, const struct picked *picked, struct buf *into);
void dial_show(const struct view *view, const struct picked *picked, struct buf *into);
void named_show(const struct view *view, const struct picked *picked, struct buf *into);
void output_show(const struct view *view, const struct picked *picked, struct buf *into);
void response_judge(struct view *view, const struct picked *picked);
void connection_judge(struct view *view, const struct picked *picked);
void event_judge(struct view *view, const struct picked *picked);
/** Adds a sentence to the note of the newest failure. */
void view_note(struct view *view, const char *format, ...) GOTO_PRINTF(2, 3);

/** " at 5ms": when an entry was written. */
void show_time(const struct entry *entry, struct buf *into);
/** Says what was selected, or what came nearest to it, in a note of the newest failure. */
void note_selection(struct view *view);

/* verify_wire.c */
bool handshake_takes(struct view *view, struct picked *picked, struct rejection *rejection);
void handshake_show(const struct view *view, const struct picked *picked, struct buf *into);
/** Whether a key selects by what a handshake agreed on. */
bool handshake_keys_select(const struct verify_keys *keys);
void judge_failed(struct view *view);
bool frame_takes(struct view *view, struct picked *picked, struct rejection *rejection);
void frame_show(const struct view *view, const struct picked *picked, struct buf *into);

/* verify_process.c */
void processes_judge(struct view *view);

#endif
