/**
 * XPath 1.0 over XML and HTML, by libxml2.
 *
 * The library is loaded with the first use (loading it costs a noticeable part of a short run) and
 * stays loaded; nothing of it is linked. Nothing is fetched from the network or from files,
 * entities that a document declares are refused, and document and search are bounded.
 *
 * A text is XML if it is well-formed. Else it is read as HTML, as browsers do, whose names are
 * lower-case and whose missing html and body are added; a text that starts with `<!doctype html` or
 * `<html` is HTML at once, one that starts with `<?xml` never is, and one without any `<` is
 * neither.
 *
 * Prefixes in a path are those that the document declares (of several declarations of one the
 * first); `_` stands for the first default namespace: `//_:entry`.
 */
#ifndef GOTO_BASE_XML_H
#define GOTO_BASE_XML_H

#include "base/arena.h"
#include "base/json.h"

/** The bounds: bytes of a document, steps of a search, nodes of a result. */
enum { XML_SIZE = 16 * 1024 * 1024, XML_STEPS = 10 * 1000 * 1000, XML_NODES = 100 * 1000 };

/** A document that was read; freed by xml_free(). */
struct xml;

/**
 * Reads a document.
 *
 * @return NULL with *why (in the arena) when it is neither XML nor HTML, above a bound, declares
 *         entities, or libxml2 cannot be loaded
 */
GOTO_MUST_USE struct xml *xml_read(struct str text, struct arena *arena, struct str *why);

/** Frees a document; NULL is allowed. */
void xml_free(struct xml *xml);

/**
 * Whether the syntax of a path is right; if not, or without libxml2, *why (in the arena) says so
 * and *offset is the byte of the path where it went wrong.
 */
GOTO_MUST_USE bool xml_path_check(struct str path, struct arena *arena, struct str *why,
                                  size_t *offset);

/**
 * Evaluates a path on the document.
 *
 * @return in the arena: a number (.nan and .inf as YAML writes them), boolean or string, or for a
 * set of nodes an array of their texts in document order; NULL with *why when it cannot be
 *         evaluated: wrong syntax, unknown prefix or function, a bound
 */
GOTO_MUST_USE struct json *xml_select(struct xml *xml, struct str path, struct arena *arena,
                                      struct str *why);

#endif
