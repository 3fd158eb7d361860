/**
 * Messages ⇄ JSON by the proto3 JSON mapping, by their descriptors (protos.h): a JSON tree is
 * written straight to the wire, and the wire is read straight into a tree.
 *
 * Encoding takes JSON names and original names; fields by their numbers, maps by their keys, so the
 * bytes are those of `protoc --deterministic_output --encode`. All that is wrong is told at once,
 * each with the path of the field ("items[2].price") and the place of the JSON value. YAML's
 * numbers `.inf` and `.nan` are numbers here. `null` is a field that is not set (but a value for
 * google.protobuf.Value and NullValue).
 *
 * Decoding follows what all parsers agree on: the last value counts, messages that come in pieces
 * are merged, of a oneof the last member counts, packed and unpacked are both read, a closed enum's
 * unknown number is an unknown field. Stricter than many: a known field with another wire type is
 * an error (they pass it over as unknown), and so is text that is not UTF-8 (in proto2 too).
 * Unknown fields can be kept beside the tree and be written again (not those of Struct, Value and
 * ListValue, which are JSON whatever comes).
 *
 * Beyond the mapping: an Any whose type is not in the pool is {"@type": "…", "@value": "Base64"},
 * and such an object is taken for any type. Extensions are members named "[full.name]".
 */
#ifndef GOTO_SERVER_GRPC_MESSAGE_H
#define GOTO_SERVER_GRPC_MESSAGE_H

#include "base/json.h"
#include "server/grpc/protos.h"

/** The bounds of a message. */
enum {
    MESSAGE_DEPTH = 100,           /**< messages in messages, as in every protobuf library */
    MESSAGE_MOST_VALUES = 8000000, /**< JSON values that a message becomes */
    MESSAGE_MOST_PROBLEMS = 20     /**< that are told for one message */
};

/** One thing that is wrong. */
struct message_problem {
    struct str message; /**< "items[2].price: expected a number, got \"x\"" */
    struct str help;    /**< "did you mean 'price'?", else empty */
    uint32_t line;      /**< of the JSON value; 0 when decoding or when it has no place */
    uint32_t column;
    size_t offset; /**< when decoding: the byte of the message */
    struct message_problem *next;
};

/** A list of them in an arena of the caller's; start it with the arena. */
struct message_problems {
    struct arena *arena;
    struct message_problem *first;
    struct message_problem *last;
    size_t count;
};

/** Fields that a type does not know, as they stood on the wire, each at the JSON value that its
 * message became. */
struct message_unknown {
    const struct json *value;
    struct str bytes;
    size_t order; /**< in which they came */
};

/** All of them, sorted by address; filled by message_decode(), lives in the arena given to it. */
struct message_unknowns {
    struct message_unknown *items;
    size_t count;
    size_t room;
};

struct message_encoding {
    /** Unknown fields to write behind the others: those of the very tree that is encoded. */
    const struct message_unknowns *unknowns;
    /** Required fields that are missing get their default values, and {} is the message without
     * fields also where a type has another form in JSON. */
    bool fill_required;
    /** For what is needed meanwhile; NULL: memory of its own. */
    struct arena *scratch;
};

/**
 * Appends the message that `value` says to `into`.
 *
 * @param encoding NULL for none
 * @return 0; -EINVAL with at least one problem added (a required field is missing, a name is
 * unknown, …); -EMSGSIZE with a problem when the bound of `into` is reached. On errors `into` is as
 * long as before
 */
GOTO_MUST_USE int message_encode(const struct protos *protos, const struct proto_message *type,
                                 const struct json *value, const struct message_encoding *encoding,
                                 struct buf *into, struct message_problems *problems);

struct message_decoding {
    /** Takes in the unknown fields, else they are dropped; starts zeroed. */
    struct message_unknowns *unknowns;
    bool defaults;       /**< fields without presence are written when they have their default */
    bool original_names; /**< "unit_price", not "unitPrice" */
};

/**
 * Reads a message into a tree in `arena`. Texts are borrowed from `bytes`, which must live as long.
 *
 * @param decoding NULL for none
 * @return the tree, or NULL with *problem filled (texts in `arena`)
 */
GOTO_MUST_USE struct json *message_decode(struct arena *arena, const struct protos *protos,
                                          const struct proto_message *type, struct str bytes,
                                          const struct message_decoding *decoding,
                                          struct message_problem *problem);

#endif
