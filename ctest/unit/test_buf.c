#include "base/arena.h"
#include "base/buf.h"
#include "base/memory.h"

#include "unit.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

START_TEST(test_appends)
{
    struct buf buf;
    buf_init(&buf, 1000);
    ck_str_is(buf_str(&buf), "");
    ck_assert_int_eq(buf_append(&buf, STR("ab")), 0);
    ck_assert_int_eq(buf_append_byte(&buf, 'c'), 0);
    ck_assert_int_eq(buf_append_string(&buf, "de"), 0);
    ck_assert_int_eq(buf_printf(&buf, "-%d-%s", 42, "x"), 0);
    ck_assert_int_eq(buf_append(&buf, (struct str){0}), 0);
    ck_str_is(buf_str(&buf), "abcde-42-x");
    ck_assert_str_eq(buf.data, "abcde-42-x");
    ck_assert_int_eq(buf_append(&buf, STR("\0y")), 0);
    ck_assert_uint_eq(buf.size, 12);
    buf_clear(&buf);
    ck_str_is(buf_str(&buf), "");
    ck_assert_int_eq(buf_append_string(&buf, "again"), 0);
    ck_str_is(buf_str(&buf), "again");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_the_bound_holds)
{
    struct buf buf;
    buf_init(&buf, 5);
    ck_assert_int_eq(buf_append_string(&buf, "abc"), 0);
    ck_assert(!buf_full(&buf));
    ck_assert_int_eq(buf_append_string(&buf, "def"), -EMSGSIZE);
    ck_assert(buf_full(&buf));
    ck_str_is(buf_str(&buf), "abc");
    ck_assert_int_eq(buf_printf(&buf, "%d", 123), -EMSGSIZE);
    ck_assert_int_eq(buf_append_string(&buf, "de"), 0);
    ck_assert_int_eq(buf_append_byte(&buf, 'f'), -EMSGSIZE);
    ck_str_is(buf_str(&buf), "abcde");
    ck_assert(buf_full(&buf));
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
    ck_assert_ptr_null(buf_reserve(&buf, 1));
    buf_reset(&buf);
    ck_assert(!buf_full(&buf));
    ck_str_is(buf_str(&buf), "");
    ck_assert_int_eq(buf_printf(&buf, "%s", "12345"), 0);
    buf_clear(&buf);
    buf_init(&buf, 0);
    ck_assert_int_eq(buf_append_byte(&buf, 'a'), -EMSGSIZE);
    ck_assert_int_eq(buf_append_string(&buf, ""), 0);
    buf_clear(&buf);
}
END_TEST

START_TEST(test_shrinks_and_keeps_the_nul)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    buf_consume(&buf, 5);
    buf_truncate(&buf, 5);
    buf_reset(&buf);
    ck_assert_int_eq(buf_append_string(&buf, "hello world"), 0);
    buf_consume(&buf, 0);
    buf_consume(&buf, 6);
    ck_assert_str_eq(buf.data, "world");
    buf_truncate(&buf, 9);
    ck_assert_str_eq(buf.data, "world");
    buf_truncate(&buf, 3);
    ck_assert_str_eq(buf.data, "wor");
    buf_consume(&buf, 99);
    ck_assert_str_eq(buf.data, "");
    ck_assert_int_eq(buf_append_string(&buf, "x"), 0);
    buf_reset(&buf);
    ck_assert_str_eq(buf.data, "");
    buf_clear(&buf);
}
END_TEST

START_TEST(test_reserves)
{
    struct buf buf;
    buf_init(&buf, 100000);
    for (size_t i = 1; buf.size + i < 100000; i = i * 3 / 2 + 1) {
        char *into = buf_reserve(&buf, i);
        ck_assert_ptr_nonnull(into);
        memset(into, 'a', i);
        buf.size += i;
    }
    ck_assert_int_eq(buf_append_string(&buf, "."), 0);
    ck_assert_uint_eq(strlen(buf.data), buf.size);
    buf_clear(&buf);
}
END_TEST

START_TEST(test_arenas)
{
    struct arena *arena = arena_new();
    size_t bytes = 0;
    for (size_t size = 0; size < 5000; size += 37) {
        unsigned char *memory = arena_alloc(arena, size);
        ck_assert_uint_eq((uintptr_t)memory % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(memory[i], 0);
        memset(memory, 0xff, size);
        bytes += size;
    }
    ck_assert_uint_ge(arena_used(arena), bytes);
    unsigned char *large = arena_alloc_array(arena, 3, 1024 * 1024);
    large[3 * 1024 * 1024 - 1] = 1;
    struct str copy = arena_copy(arena, STR("a\0b"));
    ck_assert_uint_eq(copy.size, 3);
    ck_assert_mem_eq(copy.data, "a\0b", 4);
    ck_assert_str_eq(arena_copy(arena, (struct str){0}).data, "");
    copy = arena_printf(arena, "%d-%s", 7, "x");
    ck_str_is(copy, "7-x");
    ck_assert_str_eq(copy.data, "7-x");
    arena_free(arena);
    arena_free(NULL);
}
END_TEST

static void count_release(void *object)
{
    ++*(int *)object;
}

START_TEST(test_an_arena_is_used_again)
{
    struct arena *arena = arena_new();
    int released = 0;
    for (int round = 1; round <= 3; round++) {
        for (size_t size = 1; size < 20000; size = size * 3 + 1) {
            unsigned char *memory = arena_alloc(arena, size);
            for (size_t i = 0; i < size; i++)
                ck_assert_uint_eq(memory[i], 0);
            memset(memory, 0xff, size);
        }
        arena_defer(arena, count_release, &released);
        arena_reset(arena);
        ck_assert_int_eq(released, round);
        ck_assert_uint_eq(arena_used(arena), 0);
    }
    /* a first block that is larger than usual does not stay */
    memset(arena_alloc(arena, 1 << 20), 1, 1 << 20);
    arena_reset(arena);
    ck_assert_int_eq(*(char *)arena_alloc(arena, 1), 0);
    arena_free(arena);
    ck_assert_int_eq(released, 3);
}
END_TEST

START_TEST(test_arrays_in_an_arena_grow)
{
    struct arena *arena = arena_new();
    int *numbers = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 1000; i++) {
        arena_grow(arena, &numbers, i, &capacity, sizeof *numbers);
        numbers[i] = (int)i;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(numbers[i], i);
    arena_free(arena);
}
END_TEST

START_TEST(test_arrays_on_the_heap_grow)
{
    int *numbers = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 1000; i++) {
        memory_grow(&numbers, i, &capacity, sizeof *numbers);
        numbers[i] = (int)i;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(numbers[i], i);
    memory_free(numbers);
    char *copy = memory_copy_string("x");
    ck_assert_str_eq(copy, "x");
    memory_free(copy);
    memory_free(memory_alloc(0));
    memory_free(memory_alloc_array(0, 8));
}
END_TEST

UNIT_MAIN("buf", test_appends, test_the_bound_holds, test_shrinks_and_keeps_the_nul, test_reserves,
          test_arenas, test_an_arena_is_used_again, test_arrays_in_an_arena_grow,
          test_arrays_on_the_heap_grow)
