#include "server/grpc/wire.h"

#include "unit.h"

#include <string.h>

static struct wire_field one(const char *bytes, size_t size)
{
    struct wire wire = {.bytes = {bytes, size}};
    struct wire_field field;
    ck_assert_msg(wire_next(&wire, &field), "%s", wire.error ? wire.error : "nothing");
    struct wire_field none;
    ck_assert(!wire_next(&wire, &none));
    ck_assert_ptr_null(wire.error);
    ck_assert_uint_eq(field.raw.size, size);
    return field;
}
#define ONE(literal) one("" literal, sizeof(literal) - 1)

static void refuses(const char *bytes, size_t size, const char *error, size_t offset)
{
    struct wire wire = {.bytes = {bytes, size}, .offset = 100};
    struct wire_field field;
    while (wire_next(&wire, &field))
        ;
    ck_assert_ptr_nonnull(wire.error);
    ck_assert_str_eq(wire.error, error);
    ck_assert_uint_eq(wire.error_offset, 100 + offset);
    /* and stays so */
    ck_assert(!wire_next(&wire, &field));
}
#define REFUSES(literal, error, offset) refuses("" literal, sizeof(literal) - 1, error, offset)

START_TEST(test_reads_each_type)
{
    struct wire_field field = ONE("\x08\x96\x01");
    ck_assert_uint_eq(field.number, 1);
    ck_assert_int_eq(field.type, WIRE_VARINT);
    ck_assert_uint_eq(field.value, 150);
    ck_assert_uint_eq(field.content, 1);
    ck_assert_uint_eq(ONE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").value, UINT64_MAX);
    ck_assert_uint_eq(ONE("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00").value, 0);
    field = ONE("\x11\x01\x02\x03\x04\x05\x06\x07\x08");
    ck_assert_int_eq(field.type, WIRE_FIXED64);
    ck_assert_uint_eq(field.value, 0x0807060504030201);
    field = ONE("\x15\xff\xfe\xfd\xfc");
    ck_assert_int_eq(field.type, WIRE_FIXED32);
    ck_assert_uint_eq(field.value, 0xfcfdfeff);
    field = ONE("\x12\x03"
                "a\0b");
    ck_assert_int_eq(field.type, WIRE_BYTES);
    ck_assert(str_equal(field.bytes, STR("a\0b")));
    ck_assert_uint_eq(field.content, 2);
    ck_assert_uint_eq(ONE("\xf8\xff\xff\xff\x0f\x01").number, WIRE_MOST_NUMBER);
}
END_TEST

START_TEST(test_reads_groups)
{
    struct wire_field field = ONE("\x0b\x10\x05\x0c");
    ck_assert_int_eq(field.type, WIRE_GROUP);
    ck_assert_uint_eq(field.number, 1);
    ck_assert(str_equal(field.bytes, STR("\x10\x05")));
    field = ONE("\x0b\x0b\x12\x01\x0c\x0c\x0c");
    ck_assert(str_equal(field.bytes, STR("\x0b\x12\x01\x0c\x0c")));
    ck_str_is(ONE("\x0b\x0c").bytes, "");
}
END_TEST

START_TEST(test_refuses_what_is_wrong)
{
    REFUSES("\x08", "a varint is cut", 1);
    REFUSES("\x08\x80", "a varint is cut", 1);
    REFUSES("\x80", "a varint is cut", 0);
    REFUSES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a varint has more than 64 bits", 1);
    REFUSES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", "a varint has more than 64 bits",
            1);
    REFUSES("\x08\x01\x00\x01", "a field has the number 0", 2);
    REFUSES("\x80\x80\x80\x80\x10\x01", "a field number is above 536870911", 0);
    REFUSES("\x0e\x01", "a field has a wire type that does not exist", 0);
    REFUSES("\x0f\x01", "a field has a wire type that does not exist", 0);
    REFUSES("\x09\x01\x02\x03\x04\x05\x06\x07", "a 64-bit value is cut", 1);
    REFUSES("\x0d\x01\x02\x03", "a 32-bit value is cut", 1);
    REFUSES("\x0a\x02"
            "a",
            "a length goes beyond the end", 1);
    REFUSES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a length goes beyond the end", 1);
    REFUSES("\x08\x01\x0c", "a group ends that was not started", 2);
    REFUSES("\x08\x01\x0b\x08\x01", "a group has no end", 2);
    REFUSES("\x0b\x14", "the end of a group has another number than its start", 1);
    char deep[WIRE_DEPTH + 1];
    memset(deep, 0x0b, sizeof deep);
    refuses(deep, sizeof deep, "groups are nested deeper than 100 levels", WIRE_DEPTH);
}
END_TEST

START_TEST(test_reads_packed_values)
{
    struct wire wire = {.bytes = STR("\x01\x96\x01\x80"), .offset = 7};
    uint64_t value;
    ck_assert(wire_next_packed(&wire, WIRE_VARINT, &value));
    ck_assert_uint_eq(value, 1);
    ck_assert(wire_next_packed(&wire, WIRE_VARINT, &value));
    ck_assert_uint_eq(value, 150);
    ck_assert(!wire_next_packed(&wire, WIRE_VARINT, &value));
    ck_assert_str_eq(wire.error, "a varint is cut");
    ck_assert_uint_eq(wire.error_offset, 10);
    wire = (struct wire){.bytes = STR("\x01\x00\x00\x00\x02")};
    ck_assert(wire_next_packed(&wire, WIRE_FIXED32, &value));
    ck_assert(!wire_next_packed(&wire, WIRE_FIXED32, &value));
    ck_assert_ptr_nonnull(wire.error);
    wire = (struct wire){.bytes = STR("")};
    ck_assert(!wire_next_packed(&wire, WIRE_FIXED64, &value));
    ck_assert_ptr_null(wire.error);
}
END_TEST

START_TEST(test_zigzag)
{
    static const int64_t values[] = {0, -1, 1, -2, 2147483647, -2147483648, INT64_MAX, INT64_MIN};
    static const uint64_t wire[] = {0, 1, 2, 3, 4294967294, 4294967295, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        ck_assert_uint_eq(wire_zigzag(values[i]), wire[i]);
        ck_assert_int_eq(wire_unzigzag(wire[i]), values[i]);
    }
}
END_TEST

START_TEST(test_writes)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    wire_put_number(&buf, 1, WIRE_VARINT, 150);
    wire_put_number(&buf, 2, WIRE_FIXED32, 0xfcfdfeff);
    wire_put_number(&buf, 2, WIRE_FIXED64, 1);
    wire_put_bytes(&buf, 3, STR("a\0b"));
    wire_put_tag(&buf, WIRE_MOST_NUMBER, WIRE_GROUP);
    ck_assert(str_equal(buf_str(&buf), STR("\x08\x96\x01\x15\xff\xfe\xfd\xfc\x11\1\0\0\0\0\0\0\0"
                                           "\x1a\x03"
                                           "a\0b\xfb\xff\xff\xff\x0f")));
    buf_clear(&buf);
}
END_TEST

START_TEST(test_closes_what_was_opened)
{
    /* lengths of one, two and three bytes, one in the other */
    static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, 300000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf buf;
        struct wire_field outer, inner;
        char *text = calloc(1, sizes[i] + 1);
        memset(text, 'x', sizes[i]);
        buf_init(&buf, BUF_OWN);
        size_t first = wire_open(&buf, 5);
        size_t second = wire_open(&buf, 6);
        ck_assert_int_eq(buf_append(&buf, (struct str){text, sizes[i]}), 0);
        wire_close(&buf, second);
        wire_close(&buf, first);
        struct wire wire = {.bytes = buf_str(&buf)};
        ck_assert(wire_next(&wire, &outer));
        ck_assert_uint_eq(wire.at, buf.size);
        wire = (struct wire){.bytes = outer.bytes};
        ck_assert(wire_next(&wire, &inner));
        ck_assert_uint_eq(inner.number, 6);
        ck_assert(str_equal(inner.bytes, (struct str){text, sizes[i]}));
        ck_assert_int_eq(buf.data[buf.size], '\0');
        free(text);
        buf_clear(&buf);
    }
}
END_TEST

START_TEST(test_the_bound_of_the_buffer_holds)
{
    for (size_t most = 0; most < 140; most++) {
        struct buf buf;
        char text[130] = {0};
        buf_init(&buf, most);
        size_t mark = wire_open(&buf, 1);
        wire_put_bytes(&buf, 2, (struct str){text, sizeof text});
        wire_close(&buf, mark);
        /* 1 tag, 2 length, 1 tag, 2 length, 130 */
        ck_assert_int_eq(buf_full(&buf), most < 136);
        ck_assert_uint_le(buf.size, most);
        buf_clear(&buf);
    }
}
END_TEST

UNIT_MAIN("wire", test_reads_each_type, test_reads_groups, test_refuses_what_is_wrong,
          test_reads_packed_values, test_zigzag, test_writes, test_closes_what_was_opened,
          test_the_bound_of_the_buffer_holds)
