/**
 * Reading HTTP/1 requests and answers: strict (RFC 9112), incremental, without allocation.
 *
 * A head is first scanned as its bytes come, so that what is wrong is refused at once, and read
 * into its parts when it is whole. The caller keeps the bytes together; offsets count from the
 * head's first byte.
 *
 *     h1_scan_head(&scan, most);
 *     while ((progress = h1_scan_step(&scan, bytes, size)) == H1_MORE)
 *         ...more bytes behind the old ones...
 *     if (progress == H1_DONE)
 *         ok = h1_head_read(&scan, bytes, headers, &head);   // room for scan.count headers
 *
 * An answer is begun by h1_scan_answer() and read by h1_answer_read().
 *
 * Chunked bodies are decoded by h1_chunks_step(); behind the last chunk, the trailer section is
 * scanned by h1_scan_fields() and h1_scan_step() and read by h1_fields_read().
 */
#ifndef GOTO_SERVER_HTTP_H1_PARSE_H
#define GOTO_SERVER_HTTP_H1_PARSE_H

#include "base/str.h"
#include "server/http/message.h"

enum {
    H1_MOST_HEADERS = 1000,     /**< header lines of a request: 431 beyond */
    H1_MOST_EXTENSIONS = 16384, /**< bytes of chunk extensions in a body: 400 beyond */
};

enum h1_progress {
    H1_MORE, /**< all bytes were taken; more are needed */
    H1_DONE,
    H1_BAD, /**< `fault` says why; the parser takes nothing more */
};

/** Why a request is refused. */
struct h1_fault {
    unsigned status; /**< 400, 413, 414, 431, 501, 505; 0 = none */
    const char *why; /**< static: "a bare LF ends a line" */
};

/** A head, or a trailer section, while it comes. */
struct h1_scan {
    uint8_t state;
    uint8_t matched;  /**< bytes of the version seen */
    uint8_t minor;    /**< of HTTP/1.x */
    bool fields_only; /**< a trailer section */
    bool answer;      /**< of an answer: begins with a status line */
    uint16_t status;  /**< of an answer */
    uint32_t at;   /**< bytes scanned; after H1_DONE: the size of the head, with its empty line */
    uint32_t most; /**< bytes it may have */
    uint32_t line_at; /**< where the request line starts: an empty line may stand before it */
    uint32_t method_size;
    uint32_t target_at;
    uint32_t target_size;
    uint32_t fields_at; /**< where the first header line starts */
    uint32_t count;     /**< header lines seen whole */
    struct h1_fault fault;
};

/** Starts a request's head of at most `most` bytes (414 or 431 beyond; at most 1 GiB). */
void h1_scan_head(struct h1_scan *scan, size_t most);
/** Starts an answer's head of at most `most` bytes. The faults' statuses mean nothing then. */
void h1_scan_answer(struct h1_scan *scan, size_t most);
/** Starts a trailer section of at most `most` bytes. */
void h1_scan_fields(struct h1_scan *scan, size_t most);
/** Goes on at scan->at; `bytes` begin with the first byte of the head, `size` is all there is so
 * far. */
enum h1_progress h1_scan_step(struct h1_scan *scan, const char *bytes, size_t size);

/** What a head says. All texts point into its bytes. */
struct h1_head {
    struct str method;
    struct str target;
    struct str path;
    struct str query;     /**< data NULL if there is none */
    struct str authority; /**< of the absolute form, else of Host */
    enum http_version version;
    size_t count;            /**< headers filled */
    uint64_t content_length; /**< a length beyond 2^63 reads as INT64_MAX */
    bool has_length;
    bool chunked;
    bool keep_alive; /**< the client lets the connection be used again */
    bool expects_continue;
    struct h1_fault fault;
};

/** Reads a head whose scan is done. `headers` has room for scan->count. False with head->fault. */
GOTO_MUST_USE bool h1_head_read(const struct h1_scan *scan, const char *bytes,
                                struct header *headers, struct h1_head *head);
/** How the body of an answer is framed (RFC 9112 section 6.3), but for what its request and its
 * status say. */
struct h1_answer {
    unsigned status;
    struct str reason;
    enum http_version version;
    size_t count;           /**< headers filled */
    int64_t content_length; /**< -1 = not told */
    bool chunked;
    bool keep_alive;      /**< the far side lets the connection be used again */
    int64_t keep_seconds; /**< `keep-alive: timeout=N`; -1 = not told */
    bool has_connection;  /**< there is a `connection` or `keep-alive` */
    const char *why;      /**< what is wrong with it; NULL = nothing */
};

/** Reads an answer's head whose scan is done; texts point into `bytes`. `headers` has room for
 * scan->count. False with answer->why: the framing is ambiguous, or none that is understood. */
GOTO_MUST_USE bool h1_answer_read(const struct h1_scan *scan, const char *bytes,
                                  struct header *headers, struct h1_answer *answer);

/* What both kinds of heads are read with. */

/** Takes the next member of a comma-separated list off it, without blanks; the list's data is NULL
 * then when it was the last one. */
struct str h1_list_next(struct str *list);
/** Content-Length, also as a list of the same number (RFC 9110 section 8.6); *has and *length hold
 * what came before. A fault's status is 0 when there is none. */
struct h1_fault h1_read_length(struct str value, bool *has, uint64_t *length);
/** Transfer-Encoding: only chunked is understood, once. */
struct h1_fault h1_read_coding(struct str value, bool *chunked);
/** Connection: whether it holds the two options. */
void h1_read_connection(struct str value, bool *close, bool *keep_alive);

/** Reads the lines of a trailer section whose scan is done; returns how many. */
size_t h1_fields_read(const struct h1_scan *scan, const char *bytes, struct header *headers);

/** A chunked body while it comes. */
struct h1_chunks {
    uint8_t state;
    uint8_t digits;
    uint32_t extensions; /**< bytes of extensions so far */
    uint64_t left;       /**< of the chunk */
    struct h1_fault fault;
};

void h1_chunks_start(struct h1_chunks *chunks);
/**
 * Takes bytes up to the end of a piece of data, which points into them and may be empty.
 *
 * @return H1_DONE behind the line of the last chunk: the trailer section follows
 */
enum h1_progress h1_chunks_step(struct h1_chunks *chunks, struct str bytes, size_t *taken,
                                struct str *data);

#endif
