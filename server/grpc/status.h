/**
 * The statuses of gRPC and the headers that carry them: names and codes, what a client makes of an
 * answer without a status, grpc-message, grpc-timeout.
 */
#ifndef GOTO_SERVER_GRPC_STATUS_H
#define GOTO_SERVER_GRPC_STATUS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum grpc_status {
    GRPC_OK,
    GRPC_CANCELLED,
    GRPC_UNKNOWN,
    GRPC_INVALID_ARGUMENT,
    GRPC_DEADLINE_EXCEEDED,
    GRPC_NOT_FOUND,
    GRPC_ALREADY_EXISTS,
    GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_FAILED_PRECONDITION,
    GRPC_ABORTED,
    GRPC_OUT_OF_RANGE,
    GRPC_UNIMPLEMENTED,
    GRPC_INTERNAL,
    GRPC_UNAVAILABLE,
    GRPC_DATA_LOSS,
    GRPC_UNAUTHENTICATED,
    GRPC_STATUS_COUNT
};

/** "NOT_FOUND"; NULL for a code that has no name. */
const char *grpc_status_name(int64_t code);
/** The code of a name; -1 for none. */
int grpc_status_code(struct str name);
/** For "did you mean". */
struct nearest grpc_status_nearest(struct str wanted);

/** The value of a grpc-status header: decimal digits, any number up to 2^31 - 1. */
GOTO_MUST_USE bool grpc_status_read(struct str text, int *code);

/** What an answer without grpc-status means, by its HTTP status. */
enum grpc_status grpc_status_of_http(int status);
/** What RST_STREAM with that HTTP/2 error code means to the client. */
enum grpc_status grpc_status_of_reset(uint32_t code);

/** Whether a content-type is of gRPC with protobuf: application/grpc or application/grpc+proto,
 * with or without parameters. */
bool grpc_is_content_type(struct str type);

/** Appends a message as grpc-message carries it: bytes outside printable ASCII, '%', and blanks at
 * its ends, as %XX. */
void grpc_message_write(struct str message, struct buf *into);
/** The message of a grpc-message header; a '%' without two digits stays as it is. May be no UTF-8.
 */
struct str grpc_message_read(struct arena *arena, struct str text);

/**
 * The value of grpc-timeout: 1 to 8 digits and a unit (H M S m u n). What is beyond INT64_MAX
 * nanoseconds becomes that.
 */
GOTO_MUST_USE bool grpc_timeout_read(struct str text, int64_t *ns);

enum { GRPC_TIMEOUT_SIZE = 24 };
/** In the finest unit that 8 digits hold, rounded up; not above zero gives "0n". */
void grpc_timeout_write(int64_t ns, char out[GRPC_TIMEOUT_SIZE]);

#endif
