/**
 * Templates (LANGUAGE 2.2): `{{ … }}` in what a server answers, resolved for each response.
 *
 * Compiled when the spec is read, so that an unknown name is told then; evaluated against an
 * exchange.
 *
 *     {{ request.query.name | default "you" | upper }}      a name, then filters with their
 * arguments
 *     {{ "{{" }}                                            a text as the value: the braces
 * themselves
 *
 * What is missing and a JSON null are one thing: empty text, or null where the template is the
 * whole JSON value. `default` stands in for it, and for empty text as well. Every other filter
 * passes it on, but `length` (0) and `json` (null). A filter that cannot take its value (`add` to
 * what is no number, `base64-decode` of what is no Base64) makes it missing, so that `default` can
 * follow. Lists and objects within a text, a header or query field that came several times among
 * them, are written as JSON. Texts in quotes are JSON's, or in single quotes with no escapes but
 * \\ and \'.
 */
#ifndef GOTO_SERVER_HTTP_TEMPLATE_H
#define GOTO_SERVER_HTTP_TEMPLATE_H

#include "base/random.h"
#include "schema/table.h"
#include "server/http/message.h"

struct tls_info;

struct template;

/** The answer of a far side (`response.…`), or of one of several calls (`NAME.…`). */
struct template_answer {
    struct str name; /**< of the call; empty: the far side of the forward itself */
    unsigned status;
    const struct headers *headers;
    struct str body;
    const struct json *json; /**< cache of the body as JSON */
    bool json_tried;
};

/** What a template may ask about. Members may be NULL or 0 where they do not apply. */
struct template_context {
    const struct request *request;
    const struct headers *path; /**< captures of the route: name, decoded value */
    uint64_t request_number;    /**< on this route */
    uint64_t connection_number;
    struct str client_address;
    const struct tls_info *tls; /**< of the connection; NULL = in clear */
    struct str upstream;        /**< its name: for the key of random draws */
    uint64_t seed;
    uint64_t draw;        /**< number of the request on its port; draws count up behind it */
    struct random random; /**< filled at the first draw */
    bool random_ready;
    const struct json
        *json; /**< cache of the body as JSON, in the arena of the first call that asked for it */
    bool json_tried;
    struct template_answer *answers; /**< of far sides; NULL where there are none */
    size_t answer_count;
};

/** [struct template *] a scalar as text. */
extern const struct type type_template;
/**
 * [struct template *] any value as JSON. A string in it that is one whole template keeps the type
 * of what it yields; the keys of mappings are taken as they are written.
 */
extern const struct type type_json_template;
/** [struct template *] the same for a message of protobuf: `.inf` and `.nan` are numbers. */
extern const struct type type_message_template;
/** The same two where answers of far sides are known: in the `response` of a `forward`. */
extern const struct type type_answer_template;
extern const struct type type_answer_json_template;

/**
 * Checks `path.NAME`s: every name used must be one of `names` (captures of the route; a list of
 * struct str). Adds a diagnostic at each that is not. NULL templates are fine.
 */
enum read_result template_check_path(struct reader *reader, const struct template *template,
                                     const struct list *names);
/**
 * Checks what asks for answers: `NAME.…` must be one of `names` (of calls; a list of struct str),
 * `response.…` needs a far side. Adds a diagnostic at each that is not. NULL templates are fine.
 */
enum read_result template_check_answers(struct reader *reader, const struct template *template,
                                        const struct list *names, bool far_side);
/** Whether it asks for more of an answer than its status and headers. NULL: no. */
bool template_needs_body(const struct template *template);
/** Whether it asks for the request's body. NULL: no. */
bool template_needs_request_body(const struct template *template);
/** Whether `name` begins a name of templates ("request"), so that no call may have it. */
bool template_name_is_taken(struct str name);
/** Whether the template has no `{{ }}` at all. */
bool template_is_constant(const struct template *template);
/** Text of a template (of type_json_template: serialised JSON), in the arena. */
struct str template_text(const struct template *template, struct template_context *context,
                         struct arena *arena);
/** Value of a type_json_template. */
const struct json *template_json(const struct template *template, struct template_context *context,
                                 struct arena *arena);
/** A template of a constant text, which is borrowed. */
struct template *template_constant(struct arena *arena, struct str text);
/** A text with templates that is no spec node, for the fuzz target and tests: NULL and *error on a
 * fault. */
struct template *template_compile(struct arena *arena, struct str text, struct str *error,
                                  size_t *offset);

/** One name or filter, for the reference page. */
struct template_doc {
    const char *form; /**< as it is written: "path.NAME", "random 1 100", "default \"x\"" */
    const char *doc;  /**< one line */
    bool later;       /**< part of the language, not of this version */
};

/** The names and the filters, in the order of the reference; NULL behind the last one. */
const struct template_doc *template_name_doc(size_t index);
const struct template_doc *template_filter_doc(size_t index);

#endif
