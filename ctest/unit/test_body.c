#include "schema/body.h"

#include "base/jsonpath.h"
#include "base/memory.h"
#include "unit.h"

#include <string.h>

/** A body check read from YAML. */
struct sample {
    struct arena *arena;
    struct source source;
    struct diagnostics diagnostics;
    struct body_check check;
    enum read_result result;
};

static struct sample *sample_read(const char *yaml)
{
    struct sample *sample = memory_alloc(sizeof *sample);
    struct documents documents;
    sample->arena = arena_new();
    sample->source = (struct source){STR("f"), str_of(yaml)};
    diagnostics_init(&sample->diagnostics);
    ck_assert_msg(
        tree_read_yaml(sample->arena, &sample->source, &documents, &sample->diagnostics) == 0, "%s",
        yaml);
    struct reader reader = {.arena = sample->arena, .diagnostics = &sample->diagnostics};
    sample->result = reader_read(&reader, &body_type, documents.items[0], &sample->check);
    return sample;
}

static void sample_free(struct sample *sample)
{
    diagnostics_clear(&sample->diagnostics);
    arena_free(sample->arena);
    memory_free(sample);
}

static void note_failure(void *context, struct str subject, const struct mismatch *mismatch)
{
    struct buf *into = context;
    if (into->size)
        buf_append_string(into, "; ");
    buf_printf(into, "%u:%u " STR_FMT " " STR_FMT ": " STR_FMT " / " STR_FMT, mismatch->place.line,
               mismatch->place.column, STR_ARG(subject), STR_ARG(mismatch->predicate),
               STR_ARG(mismatch->expected), STR_ARG(mismatch->actual));
    if (mismatch->note.size)
        buf_printf(into, " / " STR_FMT, STR_ARG(mismatch->note));
    if (mismatch->expected_json)
        buf_printf(into, " / diff%s", mismatch->subset ? " of a subset" : "");
}

/** Checks all failures of a check on a body; "" for none. */
static void judges_of(const char *yaml, struct str body, const char *expected)
{
    struct sample *sample = sample_read(yaml);
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    diagnostics_print(&sample->diagnostics, &buf);
    ck_assert_msg(sample->result == READ_OK, "%s", buf.data);
    buf_reset(&buf);
    ck_assert(!body_check_is_empty(&sample->check));
    bool loud = body_check_test(&sample->check, body, sample->arena, note_failure, &buf);
    bool quiet = body_check_test(&sample->check, body, sample->arena, NULL, NULL);
    ck_str_is(buf_str(&buf), expected);
    ck_assert_int_eq(loud, buf.size == 0);
    ck_assert_int_eq(quiet, loud);
    buf_clear(&buf);
    sample_free(sample);
}

static void judges(const char *yaml, const char *body, const char *expected)
{
    judges_of(yaml, str_of(body), expected);
}

static void says(const char *yaml, const char *expected)
{
    struct sample *sample = sample_read(yaml);
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    ck_assert_int_eq(sample->result, READ_FAILED);
    for (const struct diagnostic *d = sample->diagnostics.first; d; d = d->next) {
        buf_printf(&buf, "%s%u:%u " STR_FMT, d == sample->diagnostics.first ? "" : "; ",
                   d->place.line, d->place.column, STR_ARG(d->message));
        if (d->help.size)
            buf_printf(&buf, " (" STR_FMT ")", STR_ARG(d->help));
    }
    ck_str_is(buf_str(&buf), expected);
    buf_clear(&buf);
    sample_free(sample);
}

START_TEST(test_text_and_size)
{
    judges("{body: hello}", "hello", "");
    judges("{body: hello}", "hello\n", "1:2 body equals: \"hello\" / \"hello\\n\"");
    judges("{body: {contains: ell, ends-with: o}}", "hello", "");
    judges("{size: 5}", "hello", "");
    judges("{size: {at-least: 1KiB}}", "hello", "1:9 size at-least: at least 1KiB / 5 bytes");
    judges("{body: {each: {contains: x}}}", "x",
           "1:9 body each: each to contain \"x\" / \"x\" / 'each' needs a list; this is a string");
    judges("{body: ''}", "", "");
    judges_of("{body: {contains: \"\\0b\"}}", (struct str){"a\0b", 3}, "");
}
END_TEST

START_TEST(test_json)
{
    judges("{json: {a: 1, b: [x, null]}}", "{\"b\": [\"x\", null], \"a\": 1.0}", "");
    judges("{json: {a: 1}}", "{\"a\": 1, \"b\": 2}",
           "1:2 json json: {\"a\":1} / {\"a\":1,\"b\":2} / diff");
    judges("{json: {a: '7'}}", "{\"a\": 7}", "1:2 json json: {\"a\":\"7\"} / {\"a\":7} / diff");
    judges("{json: null}", "null", "");
    judges("{json: {count: 3}}", "{\"count\": 3}", "");
    judges("{json-subset: {a: {b: 1}}}", "{\"a\": {\"b\": 1, \"c\": 2}, \"d\": 3}", "");
    judges("{json-subset: {a: [1]}}", "{\"a\": [1, 2]}",
           "1:2 json-subset json-subset: {\"a\":[1]} / {\"a\":[1,2]} / diff of a subset");
    judges("{json: {a: 1}}", "<p>",
           "1:2 json json: {\"a\":1} / \"<p>\" / the body is not JSON: expected a value at line 1, "
           "column 1");
    judges("{json: 1}", "", "1:2 json json: 1 / \"\" / the body is not JSON: it is empty");
}
END_TEST

START_TEST(test_jsonpath)
{
    const char *body = "{\"a\": {\"b\": 7}, \"l\": [{\"n\": 1}, {\"n\": 2}], \"z\": null}";
    judges("{jsonpath: {$.a.b: 7}}", body, "");
    judges("{jsonpath: {$.a.c: {exists: false}}}", body, "");
    judges("{jsonpath: {$.a.c: 7}}", body, "1:13 jsonpath $.a.c equals: 7 / nothing");
    judges("{jsonpath: {$.a.c: {not: 7}}}", body, "1:21 jsonpath $.a.c not: not 7 / nothing");
    judges("{jsonpath: {$.z: null}}", body, "");
    judges("{jsonpath: {'$.l[*].n': [1, 2]}}", body, "");
    judges("{jsonpath: {'$.l[*].n': {each: {above: 0}, count: 2}}}", body, "");
    judges("{jsonpath: {'$.l[0:1].n': [1]}}", body, "");
    judges("{jsonpath: {'$..nothing': []}}", body, "");
    judges("{jsonpath: {'$..nothing': {exists: true}}}", body, "");
    judges("{jsonpath: {'$.l[0:1].n': 1}}", body,
           "1:13 jsonpath $.l[0:1].n equals: 1 / [1] / expected a number, found a list");
    judges("{jsonpath: {$.a: {equals: {b: 7}}}}", body, "");
    judges("{jsonpath: {'$.l[?search(@.n, \"x+\")]': []}}", body, "");
    judges("{jsonpath: {$.a.b: {above: 7}, $.z: 1}}", body,
           "1:21 jsonpath $.a.b above: above 7 / 7; 1:32 jsonpath $.z equals: 1 / null / expected "
           "a number, found null");
    judges("{jsonpath: {$.a: {exists: false}}}", "nope",
           "1:19 jsonpath $.a exists: not to exist / \"nope\" / the body is not JSON: expected a "
           "value at line 1, column 1");
}
END_TEST

START_TEST(test_xpath)
{
    const char *body = "<l><i>1</i><i>2</i><e/></l>";
    judges("{xpath: {//i: [1, 2]}}", body, "");
    judges("{xpath: {'/l/i[1]': 1}}", body, "");
    judges("{xpath: {'/l/i[1]': {type: string, above: 0, matches: '^1$'}}}", body, "");
    judges("{xpath: {'/l/i[1]': [1], '/l/e': {empty: true, count: 1}}}", body, "");
    judges("{xpath: {//i: {count: 2, each: {matches: '^.$'}, any: 2, contains: 1, none: 3}}}", body,
           "");
    judges("{xpath: {//x: {exists: false, count: 0, empty: true}}}", body, "");
    judges("{xpath: {//x: {not: {exists: true}}}}", body, "");
    judges("{xpath: {//x: 1}}", body, "1:10 xpath //x equals: \"1\" / nothing");
    judges("{xpath: {//x: {not: 1}}}", body, "1:16 xpath //x not: not \"1\" / nothing");
    judges("{xpath: {//i: {exists: true}}}", body, "");
    judges("{xpath: {//i: 1}}", body, "1:10 xpath //i equals: \"1\" / [\"1\",\"2\"]");
    judges("{xpath: {//i: {not: 1}}}", body, "");
    judges("{xpath: {count(//i): 2.0}}", body, "");
    judges("{xpath: {count(//i): {above: 5}}}", body, "1:23 xpath count(//i) above: above 5 / 2");
    judges("{xpath: {boolean(//i): true}}", body, "");
    judges("{xpath: {'//p[@class=\"a\"]': Hi}}", "<!doctype html><p class=a>Hi<p>x", "");
    judges("{xpath: {//i: {exists: false}}}", "",
           "1:16 xpath //i exists: not to exist / \"\" / the body cannot be read: neither XML nor "
           "HTML: it is empty");
    judges("{xpath: {//n:i: {exists: false}}}", body,
           "1:18 xpath //n:i exists: not to exist / \"<l><i>1</i><i>2</i><e/></l>\" / the document "
           "does not declare the prefix of a name");
}
END_TEST

START_TEST(test_sha256)
{
    judges("{sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}", "abc", "");
    judges("{sha256: BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD}", "abc", "");
    judges("{sha256: {starts-with: e3b0}}", "", "");
    judges("{sha256: {not: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}}",
           "abd", "");
    says("{sha256: abc}", "1:10 expected a SHA-256 of 64 hexadecimal digits, found a string 'abc'");
}
END_TEST

START_TEST(test_all_failures_are_told)
{
    judges("body: x\nsize: 1\njson: 3\n", "42",
           "1:1 body equals: \"x\" / \"42\"; 3:1 json json: 3 / 42; "
           "2:1 size equals: 1 / 2 bytes");
}
END_TEST

START_TEST(test_wrong_checks_are_told)
{
    says("{}", "1:1 an empty body says nothing; give at least one key");
    says("{jsonpath: {}}", "1:12 an empty mapping of paths compares nothing");
    says("{jsonpath: {a.b: 1}}",
         "1:13 wrong JSONPath: a path starts with '$' (a JSONPath starts with '$': $.a.b or "
         "$['a'][0])");
    says("{jsonpath: {$.a: {}}}",
         "1:18 an empty predicate compares nothing (write {equals: {}} for an empty object)");
    says("{jsonpath: {'$.a[': 1, $.b: {contans: 1}}}",
         "1:18 wrong JSONPath: expected a selector: a name in quotes, an index, a slice, '*' or "
         "'?'; 1:30 unknown predicate 'contans' (did you mean "
         "'contains'?)");
    says("{xpath: {'//a[1': 1}}", "1:16 wrong XPath: what stands in [ ] is wrong or not closed");
    says("{jsonpath: $.a}",
         "1:12 expected a mapping of JSONPath to predicate, found a string '$.a'");
    says("{jsn: 1}", "1:2 unknown key 'jsn' in body (did you mean 'json'?)");
}
END_TEST

START_TEST(test_predicates_in_json_are_refused)
{
    static const char *const all[] = {"{json: {a: {contains: x}}}", "{json: {at-least: 3}}",
                                      "{json-subset: {a: [{type: string}]}}"};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct sample *sample = sample_read(all[i]);
        ck_assert_int_eq(sample->result, READ_FAILED);
        ck_assert_uint_eq(sample->diagnostics.count, 1);
        sample_free(sample);
    }
}
END_TEST

/** Checks what is captured, as JSON; "!" and why if nothing is. */
static void captures(const char *source, const char *yaml, const char *body, const char *expected)
{
    struct arena *arena = arena_new();
    struct diagnostics diagnostics;
    struct documents documents;
    struct source text = {STR("f"), str_of(yaml)};
    struct buf buf;
    struct str why;
    diagnostics_init(&diagnostics);
    buf_init(&buf, BUF_OWN);
    ck_assert_int_eq(tree_read_yaml(arena, &text, &documents, &diagnostics), 0);
    const struct json *value = body_capture(arena, source, documents.items[0], str_of(body), &why);
    if (value)
        json_write(value, &buf);
    else
        buf_printf(&buf, "!" STR_FMT, STR_ARG(why));
    ck_str_is(buf_str(&buf), expected);
    buf_clear(&buf);
    diagnostics_clear(&diagnostics);
    arena_free(arena);
}

START_TEST(test_captures)
{
    captures("jsonpath", "$.a", "{\"a\": {\"b\": 1}}", "{\"b\":1}");
    captures("jsonpath", "$.l[*]", "{\"l\": [1, 2]}", "[1,2]");
    captures("jsonpath", "$.l[*]", "{\"l\": []}", "!");
    captures("jsonpath", "'$[?match(@, \"a+\")]'", "[\"aa\", \"b\"]", "[\"aa\"]");
    captures("jsonpath", "$.x", "{}", "!");
    captures("jsonpath", "$.x", "nope",
             "!the body is not JSON: expected a value at line 1, column 1");
    captures("jsonpath", "x", "{}", "!wrong JSONPath: a path starts with '$'");
    captures("jsonpath", "[1]", "{}", "!'jsonpath' takes a path, found a list");
    captures("xpath", "//a", "<r><a>1</a></r>", "\"1\"");
    captures("xpath", "//a", "<r><a>1</a><a>2</a></r>", "[\"1\",\"2\"]");
    captures("xpath", "//a", "<r/>", "!");
    captures("xpath", "count(//a)", "<r/>", "0");
    captures("xpath", "//a", "x", "!neither XML nor HTML: there is no '<' in it");
    captures("body", "true", "hello\n", "\"hello\"");
    captures("body", "~", "hello", "\"hello\"");
    captures("body", "{matches: 'id=(\\d+)'}", "x id=42;", "\"42\"");
    captures("body", "{matches: 'id=\\d+'}", "x id=42;", "\"id=42\"");
    captures("body", "{matches: 'a(b)?'}", "a", "!");
    captures("body", "{matches: zzz}", "x", "!");
    captures("body", "{starts-with: x}", "xyz\n", "\"xyz\"");
    captures("body", "{containz: x}", "xyz", "!unknown predicate 'containz'");
    captures("body", "{matches: '('}", "xyz",
             "!wrong regular expression: missing closing parenthesis");
    captures("header", "x", "xyz", "!nothing can be captured by 'header'");
}
END_TEST

UNIT_MAIN("body", test_text_and_size, test_json, test_jsonpath, test_xpath, test_sha256,
          test_all_failures_are_told, test_wrong_checks_are_told,
          test_predicates_in_json_are_refused, test_captures)
