#include "base/xml.h"

#include "base/memory.h"

#include <dlfcn.h>
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <math.h>
#include <string.h>

/* Every function of libxml2 that is used: found by its name when the library is loaded. */
#define XML_FUNCTIONS(FUNCTION)                                                                    \
    FUNCTION(xmlNewParserCtxt)                                                                     \
    FUNCTION(xmlFreeParserCtxt)                                                                    \
    FUNCTION(xmlCtxtReadMemory)                                                                    \
    FUNCTION(xmlSetGenericErrorFunc)                                                               \
    FUNCTION(xmlFreeDoc)                                                                           \
    FUNCTION(xmlHashSize)                                                                          \
    FUNCTION(htmlReadMemory)                                                                       \
    FUNCTION(xmlDocGetRootElement)                                                                 \
    FUNCTION(xmlXPathNewContext)                                                                   \
    FUNCTION(xmlXPathFreeContext)                                                                  \
    FUNCTION(xmlXPathRegisterNs)                                                                   \
    FUNCTION(xmlXPathNsLookup)                                                                     \
    FUNCTION(xmlXPathCtxtCompile)                                                                  \
    FUNCTION(xmlXPathFreeCompExpr)                                                                 \
    FUNCTION(xmlXPathCompiledEval)                                                                 \
    FUNCTION(xmlXPathFreeObject)                                                                   \
    FUNCTION(xmlXPathNodeSetSort)                                                                  \
    FUNCTION(xmlXPathCastNodeToString)

#define FUNCTION_POINTER(name) __typeof__(&name) name;
#define FUNCTION_NAME(name) {#name, offsetof(struct library, name)},

struct library {
    XML_FUNCTIONS(FUNCTION_POINTER)
    void (**free)(void *memory); /**< the library's own variable xmlFree */
    bool loaded;
};

/** Fills in one symbol of the library; pointers to objects and functions are one size on Linux. */
static bool library_find(void *handle, const char *name, void *into)
{
    void *symbol = dlsym(handle, name);
    memcpy(into, &symbol, sizeof symbol);
    return symbol != NULL;
}

/** Takes the place of libxml2's own printing to standard error: nobody but reports prints. */
static void print_nothing(void *context, const char *format, ...)
{
    (void)context;
    (void)format;
}

/** The library, loaded once; NULL with *why when it is not there. */
static const struct library *library_get(struct arena *arena, struct str *why)
{
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {XML_FUNCTIONS(FUNCTION_NAME)};
    static struct library library;
    if (library.loaded)
        return &library;
    void *handle = dlopen("libxml2.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        *why = STR("XPath needs the library libxml2 (libxml2.so.2), which is not installed");
        return NULL;
    }
    bool found = library_find(handle, "xmlFree", &library.free);
    for (size_t i = 0; i < COUNT_OF(functions) && found; i++) {
        found = library_find(handle, functions[i].name, (char *)&library + functions[i].offset);
        if (!found)
            *why = arena_printf(arena, "the library libxml2 that is installed has no %s",
                                functions[i].name);
    }
    if (found)
        library.xmlSetGenericErrorFunc(NULL, print_nothing);
    library.loaded = found;
    return found ? &library : NULL;
}

struct xml {
    const struct library *library;
    xmlDocPtr document;
};

static bool starts_nocase(struct str text, struct str start)
{
    return text.size >= start.size && str_equal_nocase(str_slice(text, 0, start.size), start);
}

/** Whether a text says of itself that it is HTML. */
static bool is_html(struct str text)
{
    return starts_nocase(text, STR("<!doctype html")) || starts_nocase(text, STR("<html"));
}

/* The type that handlers of errors take has become const with libxml2 2.12. */
#if LIBXML_VERSION >= 21200
typedef const xmlError *error_pointer;
#else
typedef xmlErrorPtr error_pointer;
#endif

/** The first thing that is wrong with a document. */
struct fault {
    struct arena *arena;
    struct str message;
    int line;
};

static void fault_keep(void *data, error_pointer error)
{
    const struct _xmlParserCtxt *context = data;
    struct fault *fault = context->_private;
    if (fault->message.size || !error->message || error->level < XML_ERR_ERROR)
        return;
    fault->message = arena_copy(fault->arena, str_trim(str_of(error->message)));
    fault->line = error->line;
}

/** Reads XML; NULL with *why when it is not well-formed. */
static xmlDocPtr xml_parse(const struct library *library, struct str text, struct arena *arena,
                           struct str *why)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
    struct fault fault = {.arena = arena, .line = 1};
    xmlParserCtxtPtr context = library->xmlNewParserCtxt();
    GOTO_ASSERT(context);
    context->_private = &fault;
    context->sax->serror = fault_keep;
    xmlDocPtr document =
        library->xmlCtxtReadMemory(context, text.data, (int)text.size, NULL, NULL, options);
    if (!document)
        *why = arena_printf(arena, "not well-formed XML at line %d: " STR_FMT, fault.line,
                            STR_ARG(fault.message.size ? fault.message : STR("no element")));
    library->xmlFreeParserCtxt(context);
    return document;
}

static xmlDocPtr html_parse(const struct library *library, struct str text, struct str *why)
{
    const int options =
        HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET;
    const char *encoding = str_is_utf8(text, NULL) ? "UTF-8" : NULL;
    xmlDocPtr document =
        library->htmlReadMemory(text.data, (int)text.size, NULL, encoding, options);
    if (!document)
        *why = STR("not readable as HTML");
    return document;
}

/** Whether a document declares entities: expanding them could take any amount of memory. */
static bool has_entities(const struct library *library, const struct _xmlDoc *document)
{
    const struct _xmlDtd *dtd = document->intSubset;
    return dtd && ((dtd->entities && library->xmlHashSize(dtd->entities) > 0) ||
                   (dtd->pentities && library->xmlHashSize(dtd->pentities) > 0));
}

/** XML first, then HTML, as the header says. */
static xmlDocPtr document_parse(const struct library *library, struct str text, struct arena *arena,
                                struct str *why)
{
    struct str start = str_trim(text);
    if (str_starts(start, STR("\xef\xbb\xbf")))
        start = str_trim(str_from(start, 3));
    if (str_find_byte(text, '<') < 0) {
        *why = start.size ? STR("neither XML nor HTML: there is no '<' in it")
                          : STR("neither XML nor HTML: it is empty");
        return NULL;
    }
    if (str_find(text, STR("<!ENTITY")) >= 0) {
        *why = STR("it declares entities, which are not read");
        return NULL;
    }
    if (is_html(start))
        return html_parse(library, text, why);
    xmlDocPtr document = xml_parse(library, text, arena, why);
    if (!document && !str_starts(start, STR("<?xml")))
        document = html_parse(library, text, why);
    return document;
}

struct xml *xml_read(struct str text, struct arena *arena, struct str *why)
{
    *why = STR("");
    if (text.size > XML_SIZE) {
        *why = arena_printf(arena, "longer than %d MiB, the bound of XML and HTML", XML_SIZE >> 20);
        return NULL;
    }
    const struct library *library = library_get(arena, why);
    xmlDocPtr document = library ? document_parse(library, text, arena, why) : NULL;
    if (!document)
        return NULL;
    if (has_entities(library, document)) {
        *why = STR("it declares entities, which are not read");
        library->xmlFreeDoc(document);
        return NULL;
    }
    struct xml *xml = memory_alloc(sizeof *xml);
    *xml = (struct xml){library, document};
    return xml;
}

void xml_free(struct xml *xml)
{
    if (!xml)
        return;
    xml->library->xmlFreeDoc(xml->document);
    memory_free(xml);
}

/** One evaluation: what libxml2 complains about first is kept, not printed. */
struct evaluation {
    const struct library *library;
    struct arena *arena;
    xmlXPathContextPtr context;
    int error;     /**< an xmlXPathError; 0 if nothing was wrong */
    size_t offset; /**< where in the path */
};

static void evaluation_error(void *data, error_pointer error)
{
    struct evaluation *evaluation = data;
    if (evaluation->error)
        return;
    evaluation->error = error->code - XML_XPATH_EXPRESSION_OK;
    evaluation->offset = error->int1 > 0 ? (size_t)error->int1 : 0;
}

static void evaluation_init(struct evaluation *evaluation, const struct library *library,
                            xmlDocPtr document, struct arena *arena)
{
    *evaluation = (struct evaluation){.library = library, .arena = arena};
    evaluation->context = library->xmlXPathNewContext(document);
    GOTO_ASSERT(evaluation->context);
    evaluation->context->error = evaluation_error;
    evaluation->context->userData = evaluation;
    evaluation->context->opLimit = XML_STEPS;
}

/** What is wrong, in words: libxml2 gives a number only. */
static struct str evaluation_message(const struct evaluation *evaluation)
{
    static const char *const messages[] = {
        [XPATH_UNFINISHED_LITERAL_ERROR] = "a quote is not closed",
        [XPATH_VARIABLE_REF_ERROR] = "a '$' without the name of a variable",
        [XPATH_UNDEF_VARIABLE_ERROR] = "there are no variables in a path",
        [XPATH_INVALID_PREDICATE_ERROR] = "what stands in [ ] is wrong or not closed",
        [XPATH_UNCLOSED_ERROR] = "a bracket is not closed",
        [XPATH_UNKNOWN_FUNC_ERROR] = "XPath 1.0 has no function of that name",
        [XPATH_INVALID_OPERAND] = "an operator cannot be used on this",
        [XPATH_INVALID_TYPE] = "a function or '|' cannot be used on this",
        [XPATH_INVALID_ARITY] = "a function has too few or too many arguments",
        [XPATH_UNDEF_PREFIX_ERROR] = "the document does not declare the prefix of a name",
        [XPATH_OP_LIMIT_EXCEEDED] = "it takes more than 10 million steps",
        [XPATH_RECURSION_LIMIT_EXCEEDED] = "it is nested too deeply",
    };
    _Static_assert(XML_STEPS == 10 * 1000 * 1000, "the message names it");
    size_t error = (size_t)evaluation->error;
    const char *message = error < COUNT_OF(messages) ? messages[error] : NULL;
    return str_of(message ? message : "not an XPath 1.0 expression");
}

/** Compiles a path: NULL with *why when its syntax is wrong. */
static xmlXPathCompExprPtr path_compile(struct evaluation *evaluation, struct str path,
                                        struct str *why)
{
    struct str text = arena_copy(evaluation->arena, path);
    if (str_find_byte(path, '\0') >= 0 || !str_is_utf8(path, NULL)) {
        *why = STR("the path is not UTF-8 text");
        return NULL;
    }
    xmlXPathCompExprPtr compiled =
        evaluation->library->xmlXPathCtxtCompile(evaluation->context, (const xmlChar *)text.data);
    if (!compiled)
        *why = evaluation_message(evaluation);
    return compiled;
}

bool xml_path_check(struct str path, struct arena *arena, struct str *why, size_t *offset)
{
    struct evaluation evaluation;
    const struct library *library = library_get(arena, why);
    *offset = 0;
    if (!library)
        return false;
    evaluation_init(&evaluation, library, NULL, arena);
    xmlXPathCompExprPtr compiled = path_compile(&evaluation, path, why);
    if (compiled)
        library->xmlXPathFreeCompExpr(compiled);
    *offset = evaluation.offset;
    library->xmlXPathFreeContext(evaluation.context);
    return compiled != NULL;
}

/** The next node in document order, without recursion. */
static xmlNodePtr node_next(xmlNodePtr node)
{
    if (node->type == XML_ELEMENT_NODE && node->children)
        return node->children;
    while (node && !node->next) {
        node = node->parent;
        if (node && node->type != XML_ELEMENT_NODE)
            return NULL;
    }
    return node ? node->next : NULL;
}

/** Makes the prefixes of the document known, the first declaration of each. */
static void namespaces_register(const struct evaluation *evaluation, xmlDocPtr document)
{
    enum { MOST_PREFIXES = 1000 };
    const struct library *library = evaluation->library;
    size_t count = 0;
    for (xmlNodePtr node = library->xmlDocGetRootElement(document); node; node = node_next(node)) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        for (const struct _xmlNs *ns = node->nsDef; ns && count < MOST_PREFIXES; ns = ns->next) {
            const xmlChar *prefix = ns->prefix ? ns->prefix : (const xmlChar *)"_";
            if (!ns->href || library->xmlXPathNsLookup(evaluation->context, prefix))
                continue;
            (void)library->xmlXPathRegisterNs(evaluation->context, prefix, ns->href);
            count++;
        }
    }
}

static struct json *number_json(struct arena *arena, double value)
{
    if (isnan(value))
        return json_number(arena, STR(".nan"));
    if (isinf(value))
        return json_number(arena, value < 0 ? STR("-.inf") : STR(".inf"));
    return json_double(arena, value);
}

static struct json *nodes_json(const struct evaluation *evaluation, xmlNodeSetPtr nodes,
                               struct str *why)
{
    const struct library *library = evaluation->library;
    struct arena *arena = evaluation->arena;
    struct json *array = json_array(arena);
    size_t size = 0;
    int count = nodes ? nodes->nodeNr : 0;
    if (count > XML_NODES) {
        *why = arena_printf(arena, "it selects more than %d nodes", XML_NODES);
        return NULL;
    }
    if (count > 1)
        library->xmlXPathNodeSetSort(nodes);
    for (int i = 0; i < count; i++) {
        xmlChar *text = library->xmlXPathCastNodeToString(nodes->nodeTab[i]);
        struct str copy = arena_copy(arena, str_of((const char *)text));
        (*library->free)(text);
        json_push(arena, array, json_string(arena, copy));
        size += copy.size;
        if (size > (size_t)XML_SIZE * 4) {
            *why = arena_printf(arena, "the texts it selects are longer than %d MiB",
                                XML_SIZE * 4 >> 20);
            return NULL;
        }
    }
    return array;
}

static struct json *result_json(const struct evaluation *evaluation, const xmlXPathObject *result,
                                struct str *why)
{
    struct arena *arena = evaluation->arena;
    if (result->type == XPATH_BOOLEAN)
        return json_bool(arena, result->boolval != 0);
    if (result->type == XPATH_NUMBER)
        return number_json(arena, result->floatval);
    if (result->type == XPATH_STRING)
        return json_string(arena, arena_copy(arena, str_of((const char *)result->stringval)));
    if (result->type == XPATH_NODESET)
        return nodes_json(evaluation, result->nodesetval, why);
    *why = STR("it yields neither nodes nor a value");
    return NULL;
}

struct json *xml_select(struct xml *xml, struct str path, struct arena *arena, struct str *why)
{
    const struct library *library = xml->library;
    struct evaluation evaluation;
    struct json *json = NULL;
    *why = STR("");
    evaluation_init(&evaluation, library, xml->document, arena);
    namespaces_register(&evaluation, xml->document);
    evaluation.context->node = (xmlNodePtr)xml->document;
    xmlXPathCompExprPtr compiled = path_compile(&evaluation, path, why);
    if (!compiled)
        goto out;
    xmlXPathObjectPtr result = library->xmlXPathCompiledEval(compiled, evaluation.context);
    if (result && !evaluation.error)
        json = result_json(&evaluation, result, why);
    else
        *why = evaluation_message(&evaluation);
    if (result)
        library->xmlXPathFreeObject(result);
    library->xmlXPathFreeCompExpr(compiled);
out:
    library->xmlXPathFreeContext(evaluation.context);
    return json;
}
