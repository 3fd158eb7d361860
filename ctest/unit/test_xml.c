#include "base/xml.h"

#include "base/memory.h"
#include "unit.h"

#include <string.h>

/** Checks what a path yields, as JSON; or "!" and why it yields nothing. */
static void selects_of(struct str text, const char *path, const char *expected)
{
    struct arena *arena = arena_new();
    struct str why;
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    struct xml *xml = xml_read(text, arena, &why);
    struct json *value = xml ? xml_select(xml, str_of(path), arena, &why) : NULL;
    if (value)
        json_write(value, &buf);
    else
        buf_printf(&buf, "!" STR_FMT, STR_ARG(why));
    ck_str_is(buf_str(&buf), expected);
    buf_clear(&buf);
    xml_free(xml);
    arena_free(arena);
}

static void selects(const char *text, const char *path, const char *expected)
{
    selects_of(str_of(text), path, expected);
}

static const char books[] =
    "<?xml version=\"1.0\"?>\n"
    "<books><book id=\"1\"><title>A &amp; B</title><price>3.50</price></book>"
    "<book id=\"2\"><title><![CDATA[C<D]]></title></book></books>";

START_TEST(test_nodes_are_a_list_of_their_texts)
{
    selects(books, "//title", "[\"A & B\",\"C<D\"]");
    selects(books, "//book/@id", "[\"1\",\"2\"]");
    selects(books, "/books/book[2]/title", "[\"C<D\"]");
    selects(books, "//nothing", "[]");
    selects(books, "//book[title = 'C<D']/@id", "[\"2\"]");
    selects(books, "//book[1]", "[\"A & B3.50\"]");
    selects(books, "//book[2]/@id | //book[1]/@id", "[\"1\",\"2\"]");
}
END_TEST

START_TEST(test_values)
{
    selects(books, "count(//book)", "2");
    selects(books, "string(//title)", "\"A & B\"");
    selects(books, "boolean(//price)", "true");
    selects(books, "//price * 2", "7");
    selects(books, "number('x')", ".nan");
    selects(books, "-1 div 0", "-.inf");
    selects(books, "0.1 + 0.2 < 1", "true");
}
END_TEST

START_TEST(test_namespaces_of_the_document_are_known)
{
    const char *soap = "<soap:Envelope xmlns:soap='urn:s'><soap:Body><x xmlns='urn:x'><y>1</y>"
                       "</x></soap:Body></soap:Envelope>";
    selects(soap, "//soap:Body", "[\"1\"]");
    selects(soap, "//_:y", "[\"1\"]");
    selects(soap, "//y", "[]");
    selects(soap, "//*[local-name()='y']", "[\"1\"]");
    selects(soap, "//other:y", "!the document does not declare the prefix of a name");
}
END_TEST

START_TEST(test_html)
{
    selects("<!DOCTYPE html><html><body><p class=a>Hi<br>there<p>two</body></html>", "//p",
            "[\"Hithere\",\"two\"]");
    selects("  <!doctype HTML><title>T</title>", "string(/html/head/title)", "\"T\"");
    selects("<HTML><BODY><IMG SRC=x.png></BODY></HTML>", "//img/@src", "[\"x.png\"]");
    selects("<p>caf\xc3\xa9 &nbsp;&euro;<br>", "string(//p)",
            "\"caf\xc3\xa9 \xc2\xa0\xe2\x82\xac\"");
    selects("<div><span>a</div>", "//span", "[\"a\"]");
    selects("<html xmlns='http://www.w3.org/1999/xhtml'><body>x</body></html>", "//body",
            "[\"x\"]");
}
END_TEST

START_TEST(test_what_is_neither)
{
    selects("", "//a", "!neither XML nor HTML: it is empty");
    selects("{\"a\": 1}", "//a", "!neither XML nor HTML: there is no '<' in it");
    selects("<?xml version='1.0'?>\n<a><b></a>", "//a",
            "!not well-formed XML at line 2: Opening and ending tag mismatch: b line 2 and a");
}
END_TEST

START_TEST(test_wrong_paths)
{
    selects(books, "//[", "!not an XPath 1.0 expression");
    selects(books, "", "!not an XPath 1.0 expression");
    selects(books, "nothing(1)", "!XPath 1.0 has no function of that name");
    selects(books, "$x", "!there are no variables in a path");
    selects(books, "//a b", "!not an XPath 1.0 expression");
    struct arena *arena = arena_new();
    struct str why = STR("");
    size_t offset;
    ck_assert(xml_path_check(STR("//a[@b='c']"), arena, &why, &offset));
    ck_assert(xml_path_check(STR("//s:a/s:b"), arena, &why, &offset));
    ck_assert(!xml_path_check(STR("//a[1"), arena, &why, &offset));
    ck_assert_uint_eq(offset, 5);
    ck_str_is(why, "what stands in [ ] is wrong or not closed");
    ck_assert(!xml_path_check(STR("//a\0b"), arena, &why, &offset));
    ck_assert(!xml_path_check(STR("//\xff"), arena, &why, &offset));
    arena_free(arena);
}
END_TEST

START_TEST(test_entities_are_refused)
{
    selects("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "/a",
            "!it declares entities, which are not read");
    selects("<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxx'><!ENTITY y '&x;&x;'>]><a>&y;</a>", "/a",
            "!it declares entities, which are not read");
    selects("<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/x'>%p;]><a/>", "/a",
            "!it declares entities, which are not read");
    selects("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a>b</a>", "string(/a)", "\"b\"");
    /* The same in UTF-16, where its bytes are other ones. */
    const char *ascii = "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>";
    char wide[128] = {'\xff', '\xfe'};
    for (size_t i = 0; i < strlen(ascii); i++)
        wide[2 + 2 * i] = ascii[i];
    selects_of((struct str){wide, 2 + 2 * strlen(ascii)}, "/a",
               "!it declares entities, which are not read");
}
END_TEST

/** A text of `count` times `part`, to be freed. */
static struct str repeated(const char *part, size_t count)
{
    size_t size = strlen(part);
    char *text = memory_alloc(size * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * size, part, size);
    return (struct str){text, size * count};
}

static void reads_without_harm(struct str text)
{
    struct arena *arena = arena_new();
    struct str why;
    struct xml *xml = xml_read(text, arena, &why);
    ck_assert(xml || why.size);
    if (xml && !xml_select(xml, STR("//*"), arena, &why))
        ck_assert_uint_gt(why.size, 0);
    xml_free(xml);
    arena_free(arena);
}

START_TEST(test_hostile_documents)
{
    static const struct {
        const char *part;
        size_t count;
    } all[] = {{"<a>", 100000}, {"<p>", 20000},        {"<", 100000},
               {"<!--", 10000}, {"<a b='", 10000},     {"<![CDATA[", 1000},
               {"&<", 10000},   {"<table><tr>", 2000}, {"<a/>", 100000}};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct str text = repeated(all[i].part, all[i].count);
        reads_without_harm(text);
        memory_free((char *)(uintptr_t)text.data);
    }
    reads_without_harm(STR("<a\0b/>"));
    reads_without_harm(STR("<?xml version='1.0' encoding='nonsense'?><a/>"));
    reads_without_harm(STR("<\xff\xfe\xfd>"));
    reads_without_harm(STR("\xff\xfe<"));
}
END_TEST

START_TEST(test_bounds)
{
    struct str large = repeated("<a>", XML_SIZE / 3 + 1);
    selects_of(large, "/a", "!longer than 16 MiB, the bound of XML and HTML");
    memory_free((char *)(uintptr_t)large.data);
    struct str many = repeated("<a/>", 20000);
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    buf_append_string(&buf, "<r>");
    buf_append(&buf, many);
    buf_append_string(&buf, "</r>");
    selects_of(buf_str(&buf), "count(//a[count(//a[count(//a) > 1]) > 1])",
               "!it takes more than 10 million steps");
    selects_of(buf_str(&buf), "count(//a)", "20000");
    buf_clear(&buf);
    memory_free((char *)(uintptr_t)many.data);
}
END_TEST

UNIT_MAIN("xml", test_nodes_are_a_list_of_their_texts, test_values,
          test_namespaces_of_the_document_are_known, test_html, test_what_is_neither,
          test_wrong_paths, test_entities_are_refused, test_hostile_documents, test_bounds)
