/**
 * A respond block as read, and what the files of respond share: respond_read.c reads it from a
 * spec, respond_body.c makes bodies, respond_send.c sends the answer.
 */
#ifndef GOTO_SERVER_HTTP_RESPOND_PRIVATE_H
#define GOTO_SERVER_HTTP_RESPOND_PRIVATE_H

#include "server/grpc/respond.h"
#include "server/http/respond.h"

#include <zlib.h>

enum {
    RESPOND_PIECE = 64 * 1024,  /**< body bytes given to the codec at once */
    RESPOND_TURN = 1024 * 1024, /**< body bytes before other connections have their turn */
};

/** The values of one header or trailer: none and `dropped` for a written null. */
struct respond_values {
    struct list templates; /**< of struct template * */
    bool dropped;
};

/** `pace`: body bytes at once, and the time between. */
struct respond_pace {
    uint64_t chunk;
    struct duration every;
};

/** An item of `informational`. */
struct respond_informational {
    uint64_t status;
    struct list headers; /**< of struct map_entry whose value is a struct respond_values */
};

/** `stream` and `events`. */
struct respond_items {
    uint64_t count;
    struct duration every;
    struct template *json;
    struct template *body;
    struct template *event; /**< the event's name; of `events` only */
};

/** A file that was read with the spec. */
struct respond_file {
    struct str bytes;
    struct str content_type;
};

enum respond_compress { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_DEFLATE };

struct respond {
    struct grpc_or_http_status status;
    struct template *reason;
    struct list headers; /**< of struct map_entry whose value is a struct respond_values */
    struct template *body;
    struct template *json;
    struct respond_file *file;
    bool echo;
    struct size_range *random;
    struct template *raw;
    struct duration *delay;
    struct respond_pace *pace;
    bool chunked;
    uint64_t *content_length;
    struct list trailers;      /**< as headers */
    struct list informational; /**< of struct respond_informational */
    bool close;
    int compress;       /**< enum respond_compress */
    struct list faults; /**< of struct fault_config * */
    struct respond_items *stream;
    struct respond_items *events;
    struct grpc_message_config *message;
    struct list *messages; /**< of struct grpc_message_config; NULL = not written */
    struct duration *every;
    struct list metadata;        /**< as headers */
    const struct node *grpc_key; /**< the first key that only gRPC has; NULL: none */
    const struct node *http_key; /**< the first one that gRPC has not */
    struct static_answer
        *prepared; /**< the whole answer where nothing in it depends on the request */
};

/** Whether a header of that name is written (also as null), and whether it is dropped. */
const struct respond_values *respond_header(const struct list *headers, struct str name);

/**
 * The body of a block whose length is known before it is sent: body, json, file, echo or none; not
 * compressed. In the arena, or in the spec's.
 */
struct str respond_body(const struct respond *respond, struct exchange *exchange,
                        struct template_context *context, struct arena *arena);
/** Whether the body is made while it is sent: random, stream, events. */
bool respond_is_produced(const struct respond *respond);
/** The content type that goes with the body, data NULL if there is none. */
struct str respond_content_type(const struct respond *respond);
/** One item of `stream` or `events` as it goes onto the wire, in the arena. */
struct str respond_item(const struct respond *respond, struct template_context *context,
                        struct arena *arena);

/**
 * The headers of an answer: the default ones that are not written otherwise, then the written ones.
 *
 * @param context NULL when all templates are constant
 */
void respond_headers(const struct respond *respond, struct template_context *context,
                     struct arena *arena, struct headers *headers);
/** Written headers or trailers alone. */
void respond_written(const struct list *written, struct template_context *context,
                     struct arena *arena, struct headers *headers);

/** A template's text on one line, line ends as blanks: what a client sent must not become headers
 * of ours. */
struct str respond_line(const struct template *template, struct template_context *context,
                        struct arena *arena);

/** Makes `prepared` if the block allows it; called once it was read whole. */
void respond_prepare(struct respond *respond, struct arena *arena);

/** Starts compressing as the content coding says (gzip; deflate is the zlib format, RFC 9110
 * section 8.4.1.2). */
void compress_start(z_stream *stream, enum respond_compress how);
/**
 * Compresses a piece into `into`. `flush` is Z_NO_FLUSH, Z_SYNC_FLUSH (the peer can read all of it
 * now) or Z_FINISH.
 */
void compress_piece(z_stream *stream, struct str piece, int flush, struct buf *into);
/** A whole body compressed, in the arena. */
struct str compress_whole(struct str body, enum respond_compress how, struct arena *arena);

#endif
