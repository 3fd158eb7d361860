#include "server/http/template.h"

#include "base/memory.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static struct arena *arena;

/** A request with a bit of everything. */
static struct template_context a_context(void)
{
    struct request *request = arena_alloc(arena, sizeof *request);
    *request = (struct request){
        .method = STR("POST"),
        .target = STR("/a%20b?name=w%C3%B6rld&n=41&m=1&m=2&empty="),
        .path = STR("/a%20b"),
        .query = STR("name=w%C3%B6rld&n=41&m=1&m=2&empty=&a+b=c"),
        .version = HTTP_1_1,
        .body = STR("{\"a\": {\"b\": \"x\"}, \"n\": 1.50, \"l\": [1, 2, 3], \"t\": true, "
                    "\"null\": null, \"e\": \"\"}"),
    };
    headers_add(&request->headers, arena, STR("X-One"), STR("eins"));
    headers_add(&request->headers, arena, STR("X-Two"), STR("1"));
    headers_add(&request->headers, arena, STR("x-two"), STR("2"));
    headers_add(&request->headers, arena, STR("Cookie"), STR("id=7; theme=dark"));
    struct headers *path = arena_alloc(arena, sizeof *path);
    headers_add(path, arena, STR("foo"), STR("f/1"));
    return (struct template_context){
        .request = request,
        .path = path,
        .request_number = 3,
        .connection_number = 2,
        .client_address = STR("127.0.0.1"),
        .upstream = STR("api"),
        .seed = 7,
        .draw = 5,
    };
}

/** What a text with templates yields. */
static struct str text_of(const char *text)
{
    struct str error;
    size_t offset;
    struct template_context context = a_context();
    struct template *template = template_compile(arena, str_of(text), &error, &offset);
    ck_assert_msg(template != NULL, "%s: " STR_FMT, text, STR_ARG(error));
    return template_text(template, &context, arena);
}

static void yields(const char *text, const char *expected)
{
    arena = arena_new();
    struct str actual = text_of(text);
    ck_assert_msg(str_is(actual, expected), "%s: '" STR_FMT "' is not '%s'", text, STR_ARG(actual),
                  expected);
    arena_free(arena);
}

/** Checks the fault of a text: "offset message". */
static void fails(const char *text, const char *expected)
{
    arena = arena_new();
    struct str error;
    size_t offset;
    ck_assert_msg(!template_compile(arena, str_of(text), &error, &offset), "%s", text);
    struct str actual = arena_printf(arena, "%zu " STR_FMT, offset, STR_ARG(error));
    ck_assert_msg(str_is(actual, expected), "%s: '" STR_FMT "' is not '%s'", text, STR_ARG(actual),
                  expected);
    arena_free(arena);
}

/** A YAML text read by a type, and what was said about it. */
struct reading {
    struct source source;
    struct diagnostics diagnostics;
    struct documents documents;
    struct reader reader;
    struct template *template;
    enum read_result result;
};

static enum resolve_result variable(const struct scope *scope, struct arena *in, struct str name,
                                    const struct json **value, struct str *why,
                                    struct nearest *nearest)
{
    struct json_error error;
    (void)scope;
    (void)nearest;
    *why = STR("unknown");
    if (str_is(name, "later"))
        return RESOLVE_LATER;
    if (!str_is(name, "v"))
        return RESOLVE_FAILED;
    *value = json_read(in, STR("{\"q\": \"{{ path.foo }}\", \"d\": \"${v}\"}"), &error);
    return RESOLVE_OK;
}

static const struct scope scope = {.variable = variable};

static struct reading *reading_of(const struct type *type, const char *text)
{
    struct reading *reading = arena_alloc(arena, sizeof *reading);
    reading->source = (struct source){STR("f"), str_of(text)};
    diagnostics_init(&reading->diagnostics);
    reading->reader =
        (struct reader){.arena = arena, .diagnostics = &reading->diagnostics, .scope = &scope};
    int error = tree_read_yaml(arena, &reading->source, &reading->documents, &reading->diagnostics);
    ck_assert_int_eq(error, 0);
    reading->result =
        reader_read(&reading->reader, type, reading->documents.items[0], &reading->template);
    return reading;
}

/** Checks the JSON that a value with templates yields. */
static void gives(const char *text, const char *expected)
{
    arena = arena_new();
    struct template_context context = a_context();
    struct reading *reading = reading_of(&type_json_template, text);
    ck_assert_int_eq(reading->result, READ_OK);
    struct str actual = template_text(reading->template, &context, arena);
    ck_assert_msg(str_is(actual, expected), "%s: '" STR_FMT "' is not '%s'", text, STR_ARG(actual),
                  expected);
    const struct json *json = template_json(reading->template, &context, arena);
    struct json_error error;
    ck_assert(json_equal(json, json_read(arena, str_of(expected), &error)));
    diagnostics_clear(&reading->diagnostics);
    arena_free(arena);
}

/** "line:column+width message (help); …" */
static struct str said(const struct reading *reading)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    for (const struct diagnostic *d = reading->diagnostics.first; d; d = d->next) {
        buf_printf(&buf, "%s%u:%u+%u " STR_FMT, d == reading->diagnostics.first ? "" : "; ",
                   d->place.line, d->place.column, d->place.width, STR_ARG(d->message));
        if (d->help.size)
            buf_printf(&buf, " (" STR_FMT ")", STR_ARG(d->help));
    }
    struct str text = arena_copy(arena, buf_str(&buf));
    buf_clear(&buf);
    return text;
}

static void says(const struct type *type, const char *text, const char *expected)
{
    arena = arena_new();
    struct reading *reading = reading_of(type, text);
    ck_str_is(said(reading), expected);
    ck_assert_int_eq(reading->result, READ_FAILED);
    ck_assert_ptr_null(reading->template);
    diagnostics_clear(&reading->diagnostics);
    arena_free(arena);
}

START_TEST(test_leaves_text_alone)
{
    yields("", "");
    yields("a } }} { b", "a } }} { b");
    yields("{ {x} }", "{ {x} }");
    arena = arena_new();
    struct template *template = template_constant(arena, STR("{{ x }}"));
    ck_assert(template_is_constant(template));
    ck_str_is(template_text(template, NULL, arena), "{{ x }}");
    arena_free(arena);
}
END_TEST

START_TEST(test_yields_what_the_request_says)
{
    yields("<{{ path.foo }}>", "<f/1>");
    yields("{{request.method}} {{ request.path\n}}", "POST /a%20b");
    yields("{{ request.query.name }}", "w\xc3\xb6rld");
    yields("{{ request.query.\"a b\" }}", "c");
    yields("{{ request.query.m }}", "[\"1\",\"2\"]");
    yields("{{ request.header.x-one }}", "eins");
    yields("{{ request.header.X-TWO | length }}", "2");
    yields("{{ request.cookie.theme }}", "dark");
    yields("{{ request.json $.a.b }}", "x");
    yields("{{ request.json $.a }}", "{\"b\":\"x\"}");
    yields("{{ request.json $.n }}", "1.50");
    yields("{{ request.json $.l[*] }}", "[1,2,3]");
    yields("{{ request.json $.l[?@ > 1 || @ == 9] | length }}", "2");
    yields("{{ request.json $['}}'] }}{{ request.json $['a']['b']|upper }}", "X");
    yields("{{ request.number }}/{{ connection.number }}", "3/2");
    yields("{{ client.address }}", "127.0.0.1");
    yields("[{{ tls.sni }}{{ tls.version }}]", "[]");
}
END_TEST

START_TEST(test_yields_the_body_as_it_came)
{
    arena = arena_new();
    struct template_context context = a_context();
    struct str error;
    size_t offset;
    struct template *template = template_compile(arena, STR("{{ request.body }}"), &error, &offset);
    ck_assert(str_equal(template_text(template, &context, arena), context.request->body));
    struct request binary = {.body = STR("\xff\0{")};
    context.request = &binary;
    ck_assert(str_equal(template_text(template, &context, arena), STR("\xff\0{")));
    template = template_compile(arena, STR("{{ request.json $ | default 'x' }}"), &error, &offset);
    ck_str_is(template_text(template, &context, arena), "x");
    arena_free(arena);
}
END_TEST

START_TEST(test_is_empty_where_the_request_lacks_something)
{
    yields("[{{ path.none }}{{ request.query.none }}{{ request.header.none }}]", "[]");
    yields("[{{ request.cookie.none }}{{ request.json $.none }}{{ request.json $.null }}]", "[]");
    yields("{{ request.query.none | upper | default \"d\" | base64 }}", "ZA==");
    yields("{{ request.query.empty | default \"d\" }}", "d");
    yields("{{ request.query.n | default \"d\" }}", "41");
    yields("{{ request.json $.null | default 5 | add 1 }}", "6");
    yields("{{ request.json $.none | json }}", "null");
    yields("{{ request.json $.none | length }}", "0");
    yields("{{ request.json $.none | sha256 }}", "");
}
END_TEST

START_TEST(test_asks_nothing_of_an_empty_context)
{
    static const char *const names[] = {
        "path.a",           "request.method",    "request.path", "request.query.a",
        "request.header.a", "request.cookie.a",  "request.body", "request.json $",
        "request.number",   "connection.number", "tls.sni",      "tls.version",
        "client.address",
    };
    arena = arena_new();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct template_context none = {0};
        struct str error;
        size_t offset;
        struct str text = arena_printf(arena, "{{ %s }}", names[i]);
        struct template *template = template_compile(arena, text, &error, &offset);
        ck_assert_ptr_nonnull(template);
        ck_assert_uint_eq(template_text(template, &none, arena).size, 0);
    }
    arena_free(arena);
}
END_TEST

START_TEST(test_tells_the_time)
{
    arena = arena_new();
    struct str now = text_of("{{ now }}");
    ck_assert_uint_eq(now.size, 24);
    ck_assert(now.data[10] == 'T' && now.data[23] == 'Z');
    uint64_t ms;
    ck_assert(str_to_u64(text_of("{{ now.ms }}"), UINT64_MAX, &ms));
    ck_assert_uint_gt(ms, UINT64_C(1700000000000));
    arena_free(arena);
}
END_TEST

START_TEST(test_draws_the_same_for_the_same_request)
{
    const char *text = "{{ uuid }} {{ random 1 100 }} {{ random.string 16 }} {{ random -5 -5 }}";
    arena = arena_new();
    struct str first = text_of(text);
    ck_assert(str_equal(first, text_of(text)));
    ck_assert_uint_eq(str_find(first, STR(" ")), 36);
    ck_assert(first.data[14] == '4' && strchr("89ab", first.data[19]));
    ck_assert(str_ends(first, STR(" -5")));
    ck_assert(!str_equal(text_of("{{ uuid }}{{ uuid }}"), text_of("{{ uuid }}{{ random 1 9 }}")));
    struct str error;
    size_t offset;
    struct template_context context = a_context();
    context.draw++;
    struct template *template = template_compile(arena, str_of(text), &error, &offset);
    ck_assert(!str_equal(first, template_text(template, &context, arena)));
    for (int i = 0; i < 100; i++) {
        uint64_t drawn;
        context.draw++;
        context.random_ready = false;
        template = template_compile(arena, STR("{{ random 3 5 }}"), &error, &offset);
        ck_assert(str_to_u64(template_text(template, &context, arena), 5, &drawn) && drawn >= 3);
    }
    arena_free(arena);
}
END_TEST

START_TEST(test_changes_case)
{
    yields("{{ 'stra\xc3\x9f"
           "e \xc3\xa4\xce\xb1\xd1\x8f\xf0\x90\x90\xa8' | upper }}",
           "STRA\xc3\x9f"
           "E \xc3\x84\xce\x91\xd0\xaf\xf0\x90\x90\x80");
    yields("{{ '\xc3\x84\xce\x91\xc8\xba' | lower }}", "\xc3\xa4\xce\xb1\xe2\xb1\xa5");
    yields("{{ 'a\xff\xc3' | upper }}", "A\xff\xc3");
}
END_TEST

START_TEST(test_filters_texts)
{
    yields("{{ \" a\\t\" | trim }}", "a");
    yields("{{ 'a b/\xc3\xa4~' | url-encode }}", "a%20b%2F%C3%A4~");
    yields("{{ '' | base64 }}{{ 'f' | base64 }} {{ 'fo' | base64 }} {{ 'foo' | base64 }}",
           "Zg== Zm8= Zm9v");
    yields("{{ 'foobar' | base64 }}", "Zm9vYmFy");
    yields("{{ 'Zg==' | base64-decode }}{{ 'Zm8' | base64-decode }}", "ffo");
    yields("{{ 'Zm9vYmFy' | base64-decode }}{{ '_-8' | base64-decode | base64 }}", "foobar/+8=");
    yields("{{ 'a' | base64-decode }}{{ '!!!!' | base64-decode }}{{ 'Zg=' | base64-decode }}", "");
    yields("{{ '====' | base64-decode | default 'bad' }}", "bad");
    yields("{{ 'abc' | sha256 }}",
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    yields("{{ '' | sha256 }}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    yields("{{ 'a\"b' | json }}", "\"a\\\"b\"");
    yields("{{ 'w\xc3\xb6' | length }}{{ request.json $.a | length }}", "21");
    yields("{{ 'aXbXX' | replace 'X' '--' }}", "a--b----");
    yields("{{ 'abc' | replace \"b\" \"\" | replace 'ac' 'q' }}", "q");
    yields("{{ request.json $.t | upper }}", "TRUE");
}
END_TEST

START_TEST(test_adds_exactly)
{
    yields("{{ request.query.n | add 1 }}", "42");
    yields("{{ '9007199254740993' | add 1 }}", "9007199254740994");
    yields("{{ '99999999999999999999999999' | add 1 }}", "100000000000000000000000000");
    yields("{{ '0.1' | add 0.2 }}", "0.3");
    yields("{{ '1' | add -2.50 }}", "-1.50");
    yields("{{ '-1' | add 1 }}{{ '-0' | add 0 }}", "00");
    yields("{{ '007' | add 1 }} {{ ' +5 ' | add 0 }}", "8 5");
    yields("{{ '1e3' | add 1 }} {{ '15e-1' | add 1 }} {{ '-.5' | add 0 }}", "1001 2.5 -0.5");
    yields("{{ '-10' | add 3 }} {{ '3' | add -10 }} {{ '-3' | add -10 }}", "-7 -7 -13");
    yields("{{ 'x' | add 1 | default 'no number' }}", "no number");
    yields("{{ '1e9999' | add 1 }}{{ '1.2.3' | add 1 }}{{ '' | add 1 }}{{ '.' | add 1 }}", "");
    yields("{{ request.json $.l | add 1 }}", "");
}
END_TEST

START_TEST(test_writes_texts_in_quotes)
{
    yields("{{ \"{{\" }} and {{ '}}' }}", "{{ and }}");
    yields("{{ \"\\u00e4\\n\\\"\" }}", "\xc3\xa4\n\"");
    yields("{{ 'it\\'s \\\\' }}", "it's \\");
    yields("{{ \"it's\" }}{{ '\"' }}", "it's\"");
    yields("{{ 'a|b' | replace '|' '}}' }}", "a}}b");
}
END_TEST

START_TEST(test_refuses_faults)
{
    fails("ab {{ path.x", "3 '{{' without a '}}' behind it");
    fails("{{ }}", "3 a template without a name");
    fails("{{ | upper }}", "3 a template without a name");
    fails("a {{ nwo }}", "5 unknown name 'nwo' in a template");
    fails("{{ request }}", "3 unknown name 'request' in a template");
    fails("{{ path }}", "3 'path' needs a name behind it");
    fails("{{ request.query. }}", "3 'request.query' needs a name behind it");
    fails("{{ request.query.\"\" }}", "3 'request.query' needs a name behind it");
    fails("{{ now 1 }}", "3 'now' takes nothing behind it");
    fails("{{ 'a' 'b' }}", "3 'text' takes nothing behind it");
    fails("{{ now | }}", "7 a '|' without a filter behind it");
    fails("{{ now | | upper }}", "7 a '|' without a filter behind it");
    fails("{{ now | uper }}", "9 unknown filter 'uper'");
    fails("{{ now | 'upper' }}", "9 unknown filter 'upper'");
    fails("{{ now | upper 1 }}", "9 'upper' takes nothing behind it");
    fails("{{ request.json }}", "3 'request.json' takes a JSONPath");
    fails("{{ request.json | json }}", "3 'request.json' takes a JSONPath");
    fails("{{ random 1 }}", "3 'random' takes two whole numbers, the lower one first");
    fails("{{ random 2 1 }}", "3 'random' takes two whole numbers, the lower one first");
    fails("{{ random 1 2 3 4 }}", "3 'random' takes two whole numbers, the lower one first");
    fails("{{ random 1 '2' }}", "3 'random' takes two whole numbers, the lower one first");
    fails("{{ random.string 0 }}", "3 'random.string' takes a whole number from 1 to 65536");
    fails("{{ random.string 65537 }}", "3 'random.string' takes a whole number from 1 to 65536");
    fails("{{ now | default }}", "9 'default' takes one text in quotes, or a number");
    fails("{{ now | default x }}", "9 'default' takes one text in quotes, or a number");
    fails("{{ now | add 'x' }}", "9 'add' takes one number");
    fails("{{ now | add 1e2000 }}", "9 'add' takes one number");
    fails("{{ now | replace 'a' }}",
          "9 'replace' takes two texts in quotes, the first one not empty");
    fails("{{ now | replace '' 'b' }}",
          "9 'replace' takes two texts in quotes, the first one not empty");
    fails("{{ now | default \"x }}", "17 a quote that is not closed");
    fails("{{ now | default \"\\q\" }}", "17 wrong text in quotes: unknown escape in a string");
    fails("{{ now | default '\\q' }}", "17 wrong text in single quotes");
    fails("{{ response.header.x }}",
          "3 'response.header' is known only in the 'response' of a 'forward'");
    fails("{{ response.status }}",
          "3 'response.status' is known only in the 'response' of a 'forward'");
}
END_TEST

START_TEST(test_keeps_the_type_of_a_whole_json_value)
{
    gives("{a: '{{ request.json $.n }}', b: '{{ request.number }}', c: '{{ path.foo }}'}",
          "{\"a\":1.50,\"b\":3,\"c\":\"f/1\"}");
    gives("['{{ request.json $.l }}', '{{ request.json $.l | length }}', 'n{{ request.number }}']",
          "[[1,2,3],3,\"n3\"]");
    gives("'{{ request.query.n | add 1 }}'", "42");
    gives("'{{ request.query.n }}'", "\"41\"");
    gives("'{{ request.json $.a | json }}'", "\"{\\\"b\\\":\\\"x\\\"}\"");
    gives("{a: '{{ path.none }}', b: '[{{ path.none }}]', c: '{{ request.query.empty }}'}",
          "{\"a\":null,\"b\":\"[]\",\"c\":\"\"}");
    gives("'{{ path.none | default true }}'", "true");
    gives("'{{ request.query.m }}'", "[\"1\",\"2\"]");
    gives("[1, 0x10, true, null, 1.50, {a: []}, 'x', '{{ request.number }}']",
          "[1,16,true,null,1.50,{\"a\":[]},\"x\",3]");
    gives("{'{{ path.foo }}': 1}", "{\"{{ path.foo }}\":1}");
    gives("{}", "{}");
    gives("~", "null");
}
END_TEST

START_TEST(test_resolves_variables_first)
{
    gives("[\"${v}\", \"$${v}\"]", "[{\"q\":\"f/1\",\"d\":\"${v}\"},\"${v}\"]");
    arena = arena_new();
    struct reading *reading = reading_of(&type_json_template, "[1, '${later}']");
    ck_assert_int_eq(reading->result, READ_DEFERRED);
    ck_assert_ptr_null(reading->template);
    diagnostics_clear(&reading->diagnostics);
    arena_free(arena);
}
END_TEST

START_TEST(test_knows_what_is_constant)
{
    arena = arena_new();
    struct reading *reading = reading_of(&type_json_template, "{a: [1, b]}");
    ck_assert(template_is_constant(reading->template));
    ck_str_is(template_text(reading->template, NULL, arena), "{\"a\":[1,\"b\"]}");
    diagnostics_clear(&reading->diagnostics);
    reading = reading_of(&type_json_template, "{a: [1, '{{ now }}']}");
    ck_assert(!template_is_constant(reading->template));
    diagnostics_clear(&reading->diagnostics);
    reading = reading_of(&type_template, "12");
    ck_assert(template_is_constant(reading->template));
    ck_str_is(template_text(reading->template, NULL, arena), "12");
    diagnostics_clear(&reading->diagnostics);
    arena_free(arena);
}
END_TEST

START_TEST(test_places_faults)
{
    says(&type_template, "a {{ reqest.method }}",
         "1:6+13 unknown name 'reqest.method' in a template (did you mean 'request.method'?)");
    says(&type_template, "'x'' {{ request.headers.x-a }}'",
         "1:9+19 unknown name 'request.headers.x-a' in a template "
         "(did you mean 'request.header.x-a'?)");
    says(&type_template, "\"\\u00e4\\n{{ now | uper }} {{ \\\"}}\"",
         "1:19+4 unknown filter 'uper' (did you mean 'upper'?); 1:1+34 a quote that is not closed");
    says(&type_template, "|\n  {{ now }}\n  \xc3\xa4 {{ now | ad 1 }}",
         "3:14+2 unknown filter 'ad' (did you mean 'add'?)");
    says(&type_template, "'{{ x'",
         "1:2+2 '{{' without a '}}' behind it "
         "(write {{ \"{{\" }} for the two braces themselves)");
    says(&type_template, "{a: 1}", "1:1+1 expected a text, found a mapping");
    says(&type_json_template, "{a: ['{{ now }}', '{{ random 1 }}'], b: '{{ now | lenght }}'}",
         "1:23+9 'random' takes two whole numbers, the lower one first (write random 1 100); "
         "1:51+6 unknown filter 'lenght' (did you mean 'length'?)");
    says(&type_template, "'{{ request.json $.a[ }}'",
         "1:22+1 wrong JSONPath: expected a selector: a name in quotes, an index, a slice, '*' or "
         "'?'");
    says(&type_json_template, "[.inf]", "1:2+4 JSON has no number '.inf'");
}
END_TEST

START_TEST(test_bounds_the_faults_of_a_text)
{
    arena = arena_new();
    char text[4000] = "";
    for (size_t i = 0; i + 4 < sizeof text; i += 4)
        memcpy(text + i, "{{}}", 5);
    struct reading *reading = reading_of(&type_json_template, "x");
    struct source source = {STR("f"), str_of(text)};
    struct node node = {.kind = NODE_STRING, .text = source.text, .place = {&source, 1, 1, 1}};
    ck_assert_int_eq(reader_read(&reading->reader, &type_template, &node, &reading->template),
                     READ_FAILED);
    ck_assert_uint_eq(reading->diagnostics.count, 20);
    diagnostics_clear(&reading->diagnostics);
    arena_free(arena);
}
END_TEST

START_TEST(test_checks_captures)
{
    arena = arena_new();
    struct str names[] = {STR("foo"), STR("bar")};
    struct list list = {names, COUNT_OF(names)};
    struct reading *reading =
        reading_of(&type_json_template, "['{{ path.foo }}', 'x {{ path.baz }}']");
    ck_assert_int_eq(template_check_path(&reading->reader, NULL, &list), READ_OK);
    ck_assert_int_eq(template_check_path(&reading->reader, reading->template, &list), READ_FAILED);
    ck_str_is(said(reading),
              "1:26+8 the path of this route captures no 'baz' (did you mean 'bar'?)");
    diagnostics_clear(&reading->diagnostics);
    reading = reading_of(&type_template, "'{{ path.\"quux\" }}'");
    ck_assert_int_eq(template_check_path(&reading->reader, reading->template, &list), READ_FAILED);
    ck_str_is(said(reading), "1:5+11 the path of this route captures no 'quux' "
                             "(write {quux} in the path of its match)");
    diagnostics_clear(&reading->diagnostics);
    reading = reading_of(&type_template, "'{{ path.bar }}{{ path.foo | upper }}'");
    ck_assert_int_eq(template_check_path(&reading->reader, reading->template, &list), READ_OK);
    diagnostics_clear(&reading->diagnostics);
    arena_free(arena);
}
END_TEST

START_TEST(test_documents_its_tables)
{
    size_t count = 0;
    for (; template_name_doc(count); count++)
        ck_assert(template_name_doc(count)->form[0] && template_name_doc(count)->doc[0]);
    ck_assert_uint_ge(count, 19);
    for (count = 0; template_filter_doc(count); count++)
        ck_assert(template_filter_doc(count)->form[0] && template_filter_doc(count)->doc[0]);
    ck_assert_uint_eq(count, 12);
}
END_TEST

UNIT_MAIN("template", test_leaves_text_alone, test_yields_what_the_request_says,
          test_yields_the_body_as_it_came, test_is_empty_where_the_request_lacks_something,
          test_asks_nothing_of_an_empty_context, test_tells_the_time,
          test_draws_the_same_for_the_same_request, test_changes_case, test_filters_texts,
          test_adds_exactly, test_writes_texts_in_quotes, test_refuses_faults,
          test_keeps_the_type_of_a_whole_json_value, test_resolves_variables_first,
          test_knows_what_is_constant, test_places_faults, test_bounds_the_faults_of_a_text,
          test_checks_captures, test_documents_its_tables)
