/**
 * What is wrong with a YAML text, in words that help: the bytes before libyaml sees them, and
 * libyaml's own errors put into our words with a hint for the usual traps.
 */
#ifndef GOTO_SCHEMA_TREE_SYNTAX_H
#define GOTO_SCHEMA_TREE_SYNTAX_H

#include "schema/cursor.h"

#include <yaml.h>

/** The hint for text that YAML takes apart. */
#define TREE_HINT_QUOTES "text with braces, '#' or ': ' needs quotes"

/**
 * Checks size, UTF-8, control characters and %TAG of a text before it is parsed; adds what is
 * wrong.
 *
 * @param text  the source's text without its byte order mark
 */
GOTO_MUST_USE bool tree_check_bytes(const struct source *source, struct str text,
                                    struct diagnostics *diagnostics);

/** Adds the error that stopped the parser. The cursor is one of the parsed text; it is moved. */
void tree_syntax_error(const yaml_parser_t *parser, struct cursor *cursor,
                       const struct source *source, struct diagnostics *diagnostics);

#endif
