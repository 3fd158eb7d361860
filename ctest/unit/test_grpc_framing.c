#include "server/grpc/framing.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

static struct grpc_frames frames;

START_TEST(test_reads_frames_split_anywhere)
{
    struct str whole = STR("\0\0\0\0\x05hello\1\0\0\0\0\0\0\0\0\x01x");
    for (size_t piece = 1; piece <= whole.size; piece++) {
        struct grpc_frame frame = {0};
        struct str left = whole;
        size_t count = 0;
        grpc_frames_init(&frames, 5);
        while (left.size) {
            struct str some = str_slice(left, 0, piece);
            left = str_from(left, some.size);
            enum grpc_frame_result result;
            while ((result = grpc_frames_next(&frames, &some, &frame)) == GRPC_FRAME_DONE) {
                static const char *const texts[] = {"hello", "", "x"};
                ck_assert_uint_lt(count, COUNT_OF(texts));
                ck_str_is(frame.bytes, texts[count]);
                ck_assert_int_eq(frame.compressed, count == 1);
                ck_assert(grpc_frames_is_between(&frames));
                count++;
            }
            ck_assert_int_eq(result, GRPC_FRAME_MORE);
            ck_assert_uint_eq(some.size, 0);
        }
        ck_assert_uint_eq(count, 3);
        ck_assert(grpc_frames_is_between(&frames));
        grpc_frames_clear(&frames);
    }
}
END_TEST

static enum grpc_frame_result feed(struct str bytes)
{
    struct grpc_frame frame;
    return grpc_frames_next(&frames, &bytes, &frame);
}

START_TEST(test_tells_what_is_wrong)
{
    grpc_frames_init(&frames, 4);
    ck_assert_int_eq(feed(STR("\2")), GRPC_FRAME_BAD_FLAG);
    ck_assert_int_eq(feed(STR("\0\0\0\0")), GRPC_FRAME_BAD_FLAG);
    grpc_frames_clear(&frames);
    ck_assert_int_eq(feed(STR("\0\0\0\0\5")), GRPC_FRAME_TOO_LARGE);
    ck_assert_uint_eq(grpc_frames_length(&frames), 5);
    ck_assert_int_eq(feed(STR("abcde")), GRPC_FRAME_TOO_LARGE);
    grpc_frames_clear(&frames);
    ck_assert_int_eq(feed(STR("\0\xff\xff\xff\xff")), GRPC_FRAME_TOO_LARGE);
    ck_assert_uint_eq(grpc_frames_length(&frames), UINT32_MAX);
    grpc_frames_clear(&frames);
    /* cut: the caller sees that it is not between frames */
    ck_assert(grpc_frames_is_between(&frames));
    ck_assert_int_eq(feed(STR("\0\0\0")), GRPC_FRAME_MORE);
    ck_assert(!grpc_frames_is_between(&frames));
    ck_assert_uint_eq(grpc_frames_length(&frames), 0);
    ck_assert_int_eq(feed(STR("\0\3ab")), GRPC_FRAME_MORE);
    ck_assert(!grpc_frames_is_between(&frames));
    grpc_frames_clear(&frames);
    /* a bound beyond any length */
    grpc_frames_init(&frames, SIZE_MAX);
    ck_assert_int_eq(feed(STR("\0\xff\xff\xff\xff")), GRPC_FRAME_MORE);
    grpc_frames_clear(&frames);
}
END_TEST

START_TEST(test_writes_frames)
{
    struct buf buf;
    buf_init(&buf, 14);
    ck_assert_int_eq(grpc_frame_write(&buf, false, STR("abc")), 0);
    ck_assert_int_eq(grpc_frame_write(&buf, true, STR("ab")), -EMSGSIZE);
    ck_assert(str_equal(buf_str(&buf), STR("\0\0\0\0\3abc")));
    ck_assert_int_eq(grpc_frame_write(&buf, true, STR("a")), 0);
    ck_assert(str_equal(buf_str(&buf), STR("\0\0\0\0\3abc\1\0\0\0\1a")));
    buf_clear(&buf);
    unsigned char head[GRPC_FRAME_HEAD];
    grpc_frame_head(head, 7, 0x01020304);
    ck_assert_mem_eq(head, "\7\1\2\3\4", 5);
}
END_TEST

START_TEST(test_writes_a_frame_around_what_comes)
{
    struct buf buf;
    buf_init(&buf, 20);
    buf_append_string(&buf, "x");
    size_t mark = grpc_frame_open(&buf);
    buf_append_string(&buf, "hello");
    grpc_frame_close(&buf, mark);
    ck_assert(str_equal(buf_str(&buf), STR("x\0\0\0\0\5hello")));
    mark = grpc_frame_open(&buf);
    grpc_frame_close(&buf, mark);
    ck_assert(str_equal(buf_str(&buf), STR("x\0\0\0\0\5hello\0\0\0\0\0")));
    /* beyond the bound it is full, and nothing is written where no head is */
    mark = grpc_frame_open(&buf);
    grpc_frame_close(&buf, mark);
    ck_assert(buf_full(&buf));
    buf_clear(&buf);
}
END_TEST

START_TEST(test_names_encodings)
{
    enum grpc_encoding encoding;
    ck_assert(grpc_encoding_read(STR("gzip"), &encoding));
    ck_assert_int_eq(encoding, GRPC_GZIP);
    ck_assert(grpc_encoding_read(STR("identity"), &encoding));
    ck_assert_int_eq(encoding, GRPC_IDENTITY);
    ck_assert(!grpc_encoding_read(STR("snappy"), &encoding));
    ck_assert_str_eq(grpc_encoding_name(GRPC_GZIP), "gzip");
}
END_TEST

START_TEST(test_compresses_both_ways)
{
    static const size_t sizes[] = {0, 1, 1000, 65536, 1000000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf packed, plain, small;
        char *text = calloc(1, sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++)
            text[j] = (char)(j * j >> 3);
        struct str bytes = {text, sizes[i]};
        buf_init(&packed, BUF_OWN);
        buf_init(&plain, sizes[i]);
        ck_assert_int_eq(grpc_compress(GRPC_GZIP, bytes, &packed), 0);
        ck_assert_int_eq(grpc_decompress(GRPC_GZIP, buf_str(&packed), &plain), GRPC_DECODED);
        ck_assert(str_equal(buf_str(&plain), bytes));
        /* one byte less than it needs */
        buf_init(&small, sizes[i] ? sizes[i] - 1 : 0);
        ck_assert_int_eq(grpc_decompress(GRPC_GZIP, buf_str(&packed), &small),
                         sizes[i] ? GRPC_DECODE_LARGE : GRPC_DECODED);
        buf_clear(&small);
        buf_init(&small, packed.size - 1);
        ck_assert_int_eq(grpc_compress(GRPC_GZIP, bytes, &small), -EMSGSIZE);
        buf_clear(&small);
        /* cut anywhere near the end, and with more behind */
        for (size_t cut = 1; cut < 10; cut++) {
            buf_reset(&plain);
            ck_assert_int_eq(grpc_decompress(GRPC_GZIP,
                                             str_slice(buf_str(&packed), 0, packed.size - cut),
                                             &plain),
                             GRPC_DECODE_BAD);
        }
        ck_assert_int_eq(buf_append_byte(&packed, 'x'), 0);
        buf_reset(&plain);
        ck_assert_int_eq(grpc_decompress(GRPC_GZIP, buf_str(&packed), &plain), GRPC_DECODE_BAD);
        free(text);
        buf_clear(&packed);
        buf_clear(&plain);
    }
}
END_TEST

START_TEST(test_refuses_what_is_not_compressed)
{
    struct buf plain;
    buf_init(&plain, 10);
    ck_assert_int_eq(grpc_decompress(GRPC_GZIP, STR("plain text"), &plain), GRPC_DECODE_BAD);
    ck_assert_int_eq(grpc_decompress(GRPC_GZIP, STR(""), &plain), GRPC_DECODE_BAD);
    ck_assert_int_eq(grpc_decompress(GRPC_IDENTITY, STR("plain text"), &plain), GRPC_DECODED);
    ck_str_is(buf_str(&plain), "plain text");
    ck_assert_int_eq(grpc_decompress(GRPC_IDENTITY, STR("x"), &plain), GRPC_DECODE_LARGE);
    buf_reset(&plain);
    ck_assert_int_eq(grpc_compress(GRPC_IDENTITY, STR("plain"), &plain), 0);
    ck_str_is(buf_str(&plain), "plain");
    buf_clear(&plain);
}
END_TEST

UNIT_MAIN("grpc_framing", test_reads_frames_split_anywhere, test_tells_what_is_wrong,
          test_writes_frames, test_writes_a_frame_around_what_comes, test_names_encodings,
          test_compresses_both_ways, test_refuses_what_is_not_compressed)
