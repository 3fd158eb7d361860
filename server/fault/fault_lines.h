/**
 * Lines of HTTP/1 that break a rule each: status lines, headers, content-lengths, and chunks. The
 * bytes of each kind are in the doc of its choice; places that begin with $ are those of h1_flaw.h.
 */
#ifndef GOTO_SERVER_FAULT_FAULT_LINES_H
#define GOTO_SERVER_FAULT_FAULT_LINES_H

#include "schema/table.h"
#include "server/http/h1_flaw.h"

struct fault_status_line {
    struct str text;
    bool alone; /**< FIN behind it */
};

/** What stands around the data of a chunk. */
struct fault_chunk {
    struct str before;
    struct str after;
};

/* `kind` is the value of a choice. */
extern const struct choice fault_status_line_choices[];
const struct fault_status_line *fault_status_line(int kind);
extern const struct choice fault_header_choices[];
struct str fault_header_line(int kind);
extern const struct choice fault_chunk_choices[];
const struct fault_chunk *fault_chunk(int kind);
extern const struct choice fault_length_choices[];
/** 0, of which there is no choice, is the line of a length that differs. */
struct str fault_length_line(int kind);

#endif
