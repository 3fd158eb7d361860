/**
 * Handshakes, frames and far sides in words, for the notes of verify and for reports.
 *
 * Texts that a peer sent are cut to a bound, not cleaned: who prints them does that.
 */
#ifndef GOTO_RUNNER_CHECK_VERIFY_WORDS_H
#define GOTO_RUNNER_CHECK_VERIFY_WORDS_H

#include "base/json.h"
#include "journal/journal.h"

/** The JSON object of an ENTRY_HANDSHAKE or ENTRY_FORWARD, in the arena; NULL when it has none. */
const struct json *entry_json(const struct entry *entry, struct arena *arena);
/** "TLSv1.3, sni a.example, failed: the client sent certificate_expired". */
void handshake_words(const struct entry *entry, struct buf *into);
/** "RST_STREAM CANCEL from the client, stream 3" of ENTRY_RESET, "GOAWAY NO_ERROR from the server,
 * last stream 5: debug data" of ENTRY_GOAWAY. */
void frame_words(const struct entry *entry, struct buf *into);
/** "to api: GET /x → 200, the client got 502" of ENTRY_FORWARD. */
void forward_words(const struct entry *entry, struct buf *into);

#endif
