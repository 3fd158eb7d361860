#include "server/grpc/protos.h"

#include "rich.h"
#include "server/grpc/wire.h"

#include <string.h>

static struct protos *protos;
static struct protos_error error;

static void setup(void)
{
    protos = rich_protos();
}

static void teardown(void)
{
    protos_free(protos);
}

static const struct proto_field *field(const char *message, const char *name)
{
    const struct proto_message *type = protos_message(protos, str_of(message));
    ck_assert_ptr_nonnull(type);
    const struct proto_field *found = proto_field_by_name(type, str_of(name));
    ck_assert_msg(found != NULL, "%s.%s", message, name);
    return found;
}

START_TEST(test_finds_by_full_name)
{
    setup();
    ck_assert_ptr_nonnull(protos_message(protos, STR("rich.Scalars")));
    ck_assert_ptr_eq(protos_message(protos, STR(".rich.Scalars")),
                     protos_message(protos, STR("rich.Scalars")));
    ck_str_is(protos_message(protos, STR("rich.old.Needs.Inner"))->name, "rich.old.Needs.Inner");
    ck_assert_ptr_null(protos_message(protos, STR("Scalars")));
    ck_assert_ptr_null(protos_message(protos, STR("")));
    ck_assert_ptr_null(protos_message(protos, STR("rich.Color")));
    ck_assert_ptr_nonnull(protos_enum(protos, STR("rich.Color")));
    ck_assert_ptr_nonnull(protos_service(protos, STR("rich.Riches")));
    ck_str_is(protos_file(protos, STR("rich2.proto"))->package, "rich.old");
    ck_str_is(protos_file_of(protos, STR("rich.old.outside"))->name, "rich2.proto");
    ck_str_is(protos_file_of(protos, STR("rich.Riches.Get"))->name, "rich3.proto");
    ck_assert_ptr_null(protos_file_of(protos, STR("rich.nothing")));
    ck_assert_uint_eq(protos_service_count(protos), 1);
    ck_str_is(protos_service_at(protos, 0)->name, "rich.Riches");
    teardown();
}
END_TEST

START_TEST(test_knows_methods)
{
    setup();
    const struct proto_method *talk = protos_method(protos, STR("/rich.Riches/Talk"));
    ck_assert_ptr_nonnull(talk);
    ck_assert_ptr_eq(talk, protos_method(protos, STR("rich.Riches/Talk")));
    ck_assert_ptr_eq(talk, protos_method(protos, STR("rich.Riches.Talk")));
    ck_assert(talk->client_streaming && talk->server_streaming);
    ck_str_is(talk->input->name, "rich.Choice");
    const struct proto_method *watch = protos_method(protos, STR("rich.Riches/Watch"));
    ck_assert(!watch->client_streaming && watch->server_streaming);
    const struct proto_method *collect = protos_method(protos, STR("rich.Riches/Collect"));
    ck_assert(collect->client_streaming && !collect->server_streaming);
    ck_str_is(collect->output->name, "rich.Lists");
    ck_assert_ptr_null(protos_method(protos, STR("rich.Riches/talk")));
    ck_assert_ptr_null(protos_method(protos, STR("/")));
    ck_assert_ptr_null(protos_method(protos, STR("")));
    teardown();
}
END_TEST

START_TEST(test_suggests_names)
{
    setup();
    struct arena *arena = arena_new();
    ck_str_is(protos_nearest_message(protos, STR("Scalars")).best, "rich.Scalars");
    ck_str_is(protos_nearest_message(protos, STR("rich.Scalar")).best, "rich.Scalars");
    ck_str_is(protos_nearest_message(protos, STR("entirely.Different")).best, "");
    ck_str_is(protos_nearest_service(protos, STR("Riches")).best, "rich.Riches");
    ck_str_is(protos_nearest_method(protos, STR("rich.Riches/Gett"), arena).best,
              "rich.Riches/Get");
    ck_str_is(protos_nearest_method(protos, STR("/Riches/Get"), arena).best, "rich.Riches/Get");
    const struct proto_message *scalars = protos_message(protos, STR("rich.Scalars"));
    ck_str_is(proto_nearest_field(scalars, STR("a_sting")).best, "a_string");
    ck_str_is(proto_nearest_value(protos_enum(protos, STR("rich.Color")), STR("GREN")).best,
              "GREEN");
    arena_free(arena);
    teardown();
}
END_TEST

START_TEST(test_knows_fields)
{
    setup();
    const struct proto_field *f = field("rich.Names", "snakeCaseName");
    ck_str_is(f->name, "snake_case_name");
    ck_assert_ptr_eq(f, field("rich.Names", "snake_case_name"));
    ck_assert(f->kind == PROTO_INT32 && !f->presence && !f->repeated);
    ck_str_is(field("rich.Names", "given")->json_name, "other-name");
    ck_assert_uint_eq(field("rich.Names", "far")->number, WIRE_MOST_NUMBER);
    ck_assert(field("rich.Optionals", "anInt32")->presence);
    ck_assert_ptr_null(field("rich.Optionals", "anInt32")->oneof);
    ck_str_is(field("rich.Choice", "raw")->oneof->name, "what");
    ck_assert(field("rich.Choice", "raw")->presence);
    ck_assert(field("rich.Lists", "doubles")->packed);
    ck_assert(!field("rich.Lists", "uint32s")->packed);
    ck_assert(!field("rich.Lists", "strings")->packed);
    ck_assert(!field("rich.old.Packing", "loose")->packed);
    ck_assert(field("rich.old.Packing", "tight")->packed);
    f = field("rich.Maps", "byString");
    ck_assert(f->map && f->repeated && f->message->map_entry);
    ck_assert(!field("rich.Tree", "others")->map);
    f = field("rich.old.Needs", "id");
    ck_assert(f->required && f->presence);
    ck_assert_uint_eq(protos_message(protos, STR("rich.old.Needs"))->required_count, 4);
    f = field("rich.old.Defaults", "number");
    ck_assert(f->has_default);
    ck_str_is(f->default_text, "-7");
    ck_assert_int_eq(field("rich.old.Groups", "one")->kind, PROTO_GROUP);
    ck_str_is(field("rich.old.Groups", "chosen")->oneof->name, "choice");
    teardown();
}
END_TEST

START_TEST(test_knows_enums)
{
    setup();
    const struct proto_enum *color = protos_enum(protos, STR("rich.Color"));
    ck_str_is(proto_value_by_number(color, 1)->name, "RED");
    ck_assert_int_eq(proto_value_by_name(color, STR("SCARLET"))->number, 1);
    ck_str_is(proto_value_by_number(color, -5)->name, "COLD");
    ck_assert_ptr_null(proto_value_by_number(color, 3));
    ck_assert_ptr_null(proto_value_by_number(color, 77));
    ck_assert_ptr_null(proto_value_by_name(color, STR("red")));
    ck_assert(!field("rich.Scalars", "color")->closed_enum);
    ck_assert(field("rich.old.Packing", "closed")->closed_enum);
    teardown();
}
END_TEST

START_TEST(test_knows_extensions)
{
    setup();
    const struct proto_message *type = protos_message(protos, STR("rich.old.Extended"));
    ck_assert_uint_eq(type->extension_count, 4);
    const struct proto_field *inside = field("rich.old.Extended", "[rich.old.Extended.inside]");
    ck_assert_uint_eq(inside->number, 150);
    ck_assert_ptr_eq(proto_field_by_number(type, 150), inside);
    ck_assert_ptr_eq(proto_field_by_number(type, 102),
                     field("rich.old.Extended", "[rich.old.numbers]"));
    ck_assert_ptr_null(proto_field_by_number(type, 104));
    ck_assert_ptr_null(proto_field_by_name(type, STR("outside")));
    teardown();
}
END_TEST

/* Each file by itself, in the wrong order, as reflection may send them. */
START_TEST(test_takes_files_one_by_one)
{
    struct str files[16];
    size_t count = 0;
    struct wire wire = {.bytes = rich_set()};
    struct wire_field part;
    struct str missing;
    while (wire_next(&wire, &part))
        files[count++] = part.bytes;
    ck_assert_uint_eq(count, 9);
    protos = protos_new();
    while (count--) {
        ck_assert_int_eq(protos_add_file(protos, files[count], &error), 0);
        ck_assert_int_eq(protos_missing(protos, &missing), count != 0);
    }
    ck_assert_int_eq(protos_link(protos, &error), 0);
    ck_assert_ptr_nonnull(protos_method(protos, STR("rich.Riches/Get")));
    ck_assert_uint_eq(protos_message(protos, STR("rich.old.Extended"))->extension_count, 4);
    teardown();
}
END_TEST

START_TEST(test_gives_files_back)
{
    setup();
    struct arena *arena = arena_new();
    size_t count;
    const struct proto_file *file = protos_file(protos, STR("rich2.proto"));
    const struct proto_file **files = protos_closure(protos, file, arena, &count);
    ck_assert_uint_eq(count, 9);
    ck_assert_ptr_eq(files[0], file);
    struct protos *other = protos_new();
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(protos_add_file(other, files[i]->bytes, &error), 0);
    ck_assert_int_eq(protos_link(other, &error), 0);
    ck_assert_ptr_nonnull(protos_message(other, STR("rich.old.Old")));
    protos_free(other);
    file = protos_file(protos, STR("google/protobuf/any.proto"));
    ck_assert_ptr_eq(protos_closure(protos, file, arena, &count)[0], file);
    ck_assert_uint_eq(count, 1);
    arena_free(arena);
    teardown();
}
END_TEST

START_TEST(test_every_cut_is_told)
{
    struct str set = rich_set();
    size_t whole = 0;
    /* where a file ends, a shorter set is whole; then an import is missing */
    for (size_t size = 0; size < set.size; size += 1 + size % 17) {
        protos = protos_new();
        int result = protos_add_set(protos, str_slice(set, 0, size), &error);
        if (result == 0)
            whole++;
        else
            ck_assert_msg(error.message.size && error.offset <= size, "%zu", size);
        teardown();
    }
    ck_assert_uint_le(whole, 9);
}
END_TEST

/* descriptors made here */

static struct buf made;

static void text(uint32_t number, const char *value)
{
    wire_put_bytes(&made, number, str_of(value));
}

static void start(const char *name)
{
    buf_init(&made, BUF_OWN);
    text(1, name);
}

static void put_field(const char *name, uint32_t number, uint32_t label, uint32_t kind,
                      const char *type)
{
    size_t mark = wire_open(&made, 2);
    text(1, name);
    wire_put_number(&made, 3, WIRE_VARINT, number);
    wire_put_number(&made, 4, WIRE_VARINT, label);
    if (kind)
        wire_put_number(&made, 5, WIRE_VARINT, kind);
    if (type)
        text(6, type);
    wire_close(&made, mark);
}

/* A message with one field. */
static void put_message(const char *name, const char *field_name, uint32_t number, uint32_t kind,
                        const char *type)
{
    size_t mark = wire_open(&made, 4);
    text(1, name);
    put_field(field_name, number, 1, kind, type);
    wire_close(&made, mark);
}

/* Adds what was made to a new pool and links it. */
static int try_made(void)
{
    protos = protos_new();
    int result = protos_add_file(protos, buf_str(&made), &error);
    if (result == 0)
        result = protos_link(protos, &error);
    buf_clear(&made);
    return result;
}

static void refused(const char *message)
{
    int result = try_made();
    ck_assert_msg(result != 0, "taken, not: %s", message);
    ck_str_is(error.message, message);
    teardown();
}

START_TEST(test_refuses_what_is_wrong)
{
    buf_init(&made, BUF_OWN);
    refused("a file has no name");
    start("a\nb");
    refused("a file's name is no text");
    start("a.proto");
    text(12, "editions");
    wire_put_number(&made, 14, WIRE_VARINT, 1000);
    refused("file 'a.proto': it is written in an edition; only proto2 and proto3 are read");
    start("a.proto");
    text(12, "proto4");
    refused("file 'a.proto': its syntax is neither proto2 nor proto3");
    start("a.proto");
    wire_put_number(&made, 4, WIRE_VARINT, 1);
    refused("file 'a.proto': descriptor field 4 is no string or message");
    start("a.proto");
    put_message("M", "f", 0, PROTO_INT32, NULL);
    refused("file 'a.proto', 'M': field 'f' has a number outside 1 to 536870911");
    start("a.proto");
    put_message("M", "f", 1, 19, NULL);
    refused("file 'a.proto', 'M': field 'f' has an unknown type");
    start("a.proto");
    put_message("M", "f", 1, 0, NULL);
    refused("file 'a.proto', 'M': field 'f' has an unknown type");
    start("a.proto");
    put_message("M x", "f", 1, PROTO_INT32, NULL);
    refused("file 'a.proto': a name that is no identifier");
    start("a.proto");
    put_message("M", "", 1, PROTO_INT32, NULL);
    refused("file 'a.proto', 'M': a name that is no identifier");
    start("a.proto");
    put_message("M", "f", 1, PROTO_MESSAGE, ".p.Missing");
    refused("file 'a.proto', 'M': the type '.p.Missing' is not there; was an import left out?");
    start("a.proto");
    put_message("M", "f", 1, PROTO_ENUM, ".M");
    refused("file 'a.proto', 'M': field 'f' has the name of something else as its type");
    start("a.proto");
    put_message("M", "f", 1, PROTO_INT32, NULL);
    put_message("M", "f", 1, PROTO_INT32, NULL);
    refused("'M' is defined twice: in 'a.proto' and in 'a.proto'");
}
END_TEST

START_TEST(test_refuses_wrong_messages)
{
    start("a.proto");
    size_t mark = wire_open(&made, 4);
    text(1, "M");
    put_field("a", 1, 1, PROTO_INT32, NULL);
    put_field("b", 1, 1, PROTO_INT32, NULL);
    wire_close(&made, mark);
    refused("file 'a.proto', 'M': two fields have the number 1");
    start("a.proto");
    mark = wire_open(&made, 4);
    text(1, "M");
    put_field("a", 1, 1, PROTO_INT32, NULL);
    put_field("a", 2, 1, PROTO_INT32, NULL);
    wire_close(&made, mark);
    refused("file 'a.proto', 'M': two fields have the name 'a'");
    start("a.proto");
    mark = wire_open(&made, 5);
    text(1, "E");
    wire_close(&made, mark);
    refused("file 'a.proto', 'E': the enum has no values");
    /* a map entry that is none */
    start("a.proto");
    mark = wire_open(&made, 4);
    text(1, "M");
    put_field("a", 1, 3, PROTO_MESSAGE, ".M");
    wire_put_bytes(&made, 7, STR("\x38\x01"));
    wire_close(&made, mark);
    refused("file 'a.proto', 'M': field 'a' is a map that is none");
    /* nested without end */
    start("a.proto");
    size_t marks[PROTOS_NESTING + 1];
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        marks[i] = wire_open(&made, i ? 3 : 4);
        text(1, "M");
    }
    for (size_t i = COUNT_OF(marks); i-- > 0;)
        wire_close(&made, marks[i]);
    ck_assert_int_ne(try_made(), 0);
    ck_assert(str_ends(error.message, STR("messages are nested deeper than 64 levels")));
    teardown();
}
END_TEST

START_TEST(test_is_bounded)
{
    /* a million empty fields cost no memory before they are refused */
    start("a.proto");
    size_t mark = wire_open(&made, 4);
    text(1, "M");
    for (size_t i = 0; i < PROTOS_MOST_THINGS + 1; i++)
        wire_put_bytes(&made, 2, STR(""));
    wire_close(&made, mark);
    refused("file 'a.proto': more than 1000000 things are described");
}
END_TEST

/* Relative names are looked for from the inside out; without a kind, the name decides. */
START_TEST(test_resolves_relative_names)
{
    start("a.proto");
    text(2, "p.q");
    put_message("M", "f", 1, 0, "q.M");
    put_message("N", "f", 1, PROTO_MESSAGE, "M");
    ck_assert_int_eq(try_made(), 0);
    ck_str_is(field("p.q.M", "f")->message->name, "p.q.M");
    ck_assert_int_eq(field("p.q.M", "f")->kind, PROTO_MESSAGE);
    ck_str_is(field("p.q.N", "f")->message->name, "p.q.M");
    teardown();
}
END_TEST

START_TEST(test_makes_json_names)
{
    start("a.proto");
    size_t mark = wire_open(&made, 4);
    text(1, "M");
    put_field("foo_bar", 1, 1, PROTO_INT32, NULL);
    put_field("_x", 2, 1, PROTO_INT32, NULL);
    put_field("with_1_digit", 3, 1, PROTO_INT32, NULL);
    put_field("___", 4, 1, PROTO_INT32, NULL);
    /* these two come to the same */
    put_field("one_name", 5, 1, PROTO_INT32, NULL);
    put_field("oneName", 6, 1, PROTO_INT32, NULL);
    wire_close(&made, mark);
    ck_assert_int_eq(try_made(), 0);
    ck_str_is(field("M", "foo_bar")->json_name, "fooBar");
    ck_str_is(field("M", "_x")->json_name, "X");
    ck_str_is(field("M", "with_1_digit")->json_name, "with1Digit");
    ck_str_is(field("M", "___")->json_name, "___");
    ck_str_is(field("M", "one_name")->json_name, "one_name");
    ck_assert_uint_eq(field("M", "oneName")->number, 6);
    teardown();
}
END_TEST

START_TEST(test_merges_sets)
{
    setup();
    /* the same once more, before and after linking */
    ck_assert_int_eq(protos_add_set(protos, rich_set(), &error), 0);
    ck_assert_int_eq(protos_link(protos, &error), 0);
    /* one more file, linked later, with a type of the first */
    start("more.proto");
    put_message("More", "f", 1, PROTO_MESSAGE, ".rich.Tree");
    ck_assert_int_eq(protos_add_file(protos, buf_str(&made), &error), 0);
    ck_assert_int_eq(protos_link(protos, &error), 0);
    ck_str_is(field("More", "f")->message->name, "rich.Tree");
    buf_clear(&made);
    /* the same with its comments and options */
    start("more.proto");
    put_message("More", "f", 1, PROTO_MESSAGE, ".rich.Tree");
    text(9, "");
    text(8, "");
    ck_assert_int_eq(protos_add_file(protos, buf_str(&made), &error), 0);
    buf_clear(&made);
    /* another under the same name */
    start("more.proto");
    put_message("More", "f", 2, PROTO_MESSAGE, ".rich.Tree");
    ck_assert_int_ne(protos_add_file(protos, buf_str(&made), &error), 0);
    ck_str_is(error.message, "file 'more.proto' is there twice with different contents: 'More' is "
                             "not the same");
    buf_clear(&made);
    teardown();
    /* but every protoc has its own edition of these */
    setup();
    start("google/protobuf/any.proto");
    ck_assert_int_eq(protos_add_file(protos, buf_str(&made), &error), 0);
    ck_assert_int_eq(protos_link(protos, &error), 0);
    ck_assert_uint_eq(protos_message(protos, STR("google.protobuf.Any"))->field_count, 2);
    buf_clear(&made);
    teardown();
}
END_TEST

START_TEST(test_refuses_what_is_no_set)
{
    static const struct {
        struct str bytes;
        const char *message;
    } rows[] = {
        {STR_INIT(""), "the FileDescriptorSet is empty"},
        {STR_INIT("syntax"), "a 64-bit value is cut; is this a FileDescriptorSet?"},
        {STR_INIT("\x0a\x05x"), "a length goes beyond the end; is this a FileDescriptorSet?"},
        {STR_INIT("\x12\x00"), "this is no FileDescriptorSet"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        protos = protos_new();
        ck_assert_int_ne(protos_add_set(protos, rows[i].bytes, &error), 0);
        ck_str_is(error.message, rows[i].message);
        teardown();
    }
}
END_TEST

UNIT_MAIN("protos", test_finds_by_full_name, test_knows_methods, test_suggests_names,
          test_knows_fields, test_knows_enums, test_knows_extensions, test_takes_files_one_by_one,
          test_gives_files_back, test_every_cut_is_told, test_refuses_what_is_wrong,
          test_refuses_wrong_messages, test_is_bounded, test_resolves_relative_names,
          test_makes_json_names, test_merges_sets, test_refuses_what_is_no_set)
