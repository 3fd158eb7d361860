/**
 * What the files of scripts share: script_read.c reads them, script.c runs them, script_receive.c
 * is what a receive waits for.
 */
#ifndef GOTO_SERVER_TCP_SCRIPT_PRIVATE_H
#define GOTO_SERVER_TCP_SCRIPT_PRIVATE_H

#include "schema/predicate.h"
#include "server/tcp/script.h"

enum script_kind {
    ITEM_SEND,
    ITEM_RECEIVE,
    ITEM_SLEEP,
    ITEM_HALF_CLOSE,
    ITEM_CLOSE,
    ITEM_RESET,
    ITEM_REPEAT,
};

/** One item: `send: x`. The kind is the member's `extra`. */
struct script_item {
    struct chosen chosen;
};

/** Bytes to be sent, or a delimiter. */
struct script_payload {
    struct str bytes;
};

/** What a receive waits for: one of these. */
struct script_receive {
    struct place place; /**< of the value */
    uint64_t bytes;     /**< 0 = not this */
    struct script_payload until;
    const uint32_t
        *fallback; /**< of `until`: how much still matches where the next byte does not */
    struct predicate *predicate;
};

struct script_repeat {
    uint64_t times; /**< 0 = until the peer ends */
    struct list items;
};

enum script_kind script_item_kind(const struct script_item *item);

/* script_receive.c */

/** A receive begins. */
void receive_begin(struct script_run *run);
/**
 * Consumes of what came. Returns how much.
 *
 * @param done whether it has what it waits for now
 */
size_t receive_take(struct script_run *run, struct str bytes, bool *done);
/** Whether what was kept before the receive, or the peer's end (`ended`), will do. */
bool receive_holds(struct script_run *run, bool ended);
/** "text up to \"\\n\"" */
void receive_describe(const struct script_receive *receive, struct buf *into);
/** What came of it, as text: "\"HELO\" (4 bytes)", "nothing". */
void receive_show(const struct script_run *run, struct buf *into);
const struct script_receive *receive_of(const struct script_run *run);

#endif
