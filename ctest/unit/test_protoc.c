#include "server/grpc/protoc.h"

#include "base/clock.h"
#include "server/grpc/protos.h"

#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static struct arena *arena;
static char folder[] = "/tmp/test_protoc.XXXXXX";

static void setup(void)
{
    arena = arena_new();
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    char command[128];
    arena_free(arena);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Writes a file in the folder; its path. */
static struct str put(const char *name, const char *text)
{
    struct str path = arena_printf(arena, "%s/%s", folder, name);
    FILE *file = fopen(path.data, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(path.data, 0700), 0);
    return path;
}

static struct protoc_run run_of(const struct str *file)
{
    return (struct protoc_run){
        .files = file, .file_count = 1, .timeout_ns = INT64_C(60) * CLOCK_SECOND};
}

/* A program that stands in for protoc. */
static enum protoc_result run_script(const char *script, int64_t timeout_ns, struct protoc_run *run)
{
    struct str file = put("a.proto", "");
    *run = run_of(&file);
    run->program = put("protoc", script).data;
    run->timeout_ns = timeout_ns;
    return protoc_compile(arena, run);
}

START_TEST(test_compiles_with_imports)
{
    struct protos_error error;
    setup();
    put("common.proto", "syntax = \"proto3\"; package c; message M { int32 a = 1; }");
    struct str file = put("main.proto", "syntax = \"proto3\";\n"
                                        "import \"common.proto\";\n"
                                        "import \"google/protobuf/timestamp.proto\";\n"
                                        "service S { rpc Get(c.M) returns (R); }\n"
                                        "message R { google.protobuf.Timestamp time = 1; }\n");
    struct protoc_run run = run_of(&file);
    enum protoc_result result = protoc_compile(arena, &run);
    ck_assert_msg(result == PROTOC_DONE, "%d " STR_FMT " " STR_FMT, result, STR_ARG(run.failure),
                  STR_ARG(run.remark_count ? run.remarks[0].text : STR("")));
    struct protos *protos = protos_new();
    ck_assert_int_eq(protos_add_set(protos, run.set, &error), 0);
    ck_assert_int_eq(protos_link(protos, &error), 0);
    ck_str_is(protos_method(protos, STR("S/Get"))->input->name, "c.M");
    protos_free(protos);
    teardown();
}
END_TEST

START_TEST(test_searches_import_folders)
{
    setup();
    struct str sub = arena_printf(arena, "%s/sub", folder);
    ck_assert_int_eq(mkdir(sub.data, 0700), 0);
    put("sub/common.proto", "syntax = \"proto3\"; package c; message M { int32 a = 1; }");
    struct str files[] = {put("main.proto", "syntax = \"proto3\"; import \"common.proto\";"
                                            "message R { c.M m = 1; }"),
                          arena_printf(arena, "%s/sub/common.proto", folder)};
    struct protoc_run run = run_of(files);
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_WRONG);
    run.imports = &sub;
    run.import_count = 1;
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_DONE);
    run.file_count = 2;
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_DONE);
    teardown();
}
END_TEST

START_TEST(test_tells_where_files_are_wrong)
{
    setup();
    struct str file = put("wrong.proto", "syntax = \"proto3\";\n"
                                         "message M {\n"
                                         "  int33 a = 1;\n"
                                         "  string b = 1;\n"
                                         "}\n");
    struct protoc_run run = run_of(&file);
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_WRONG);
    ck_assert_uint_ge(run.remark_count, 2);
    bool found = false;
    for (size_t i = 0; i < run.remark_count; i++) {
        const struct protoc_remark *remark = &run.remarks[i];
        ck_assert(str_ends(remark->file, STR("wrong.proto")));
        ck_assert(str_equal(remark->path, file));
        if (remark->line == 3) {
            ck_assert_uint_eq(remark->column, 3);
            ck_str_is(remark->text, "\"int33\" is not defined.");
            found = true;
        }
    }
    ck_assert(found);
    struct str missing = arena_printf(arena, "%s/none.proto", folder);
    run = run_of(&missing);
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_WRONG);
    ck_assert_uint_ge(run.remark_count, 1);
    ck_assert_uint_eq(run.remarks[0].line, 0);
    ck_str_is(run.remarks[0].path, "");
    teardown();
}
END_TEST

START_TEST(test_reads_remarks)
{
    struct protoc_run run = {0};
    setup();
    protoc_read_remarks(arena,
                        STR("a/b.proto:12:3: Expected \";\".\n"
                            "\n"
                            "b.proto: File not found.\n"
                            "c.proto:1:1: warning: Import x.proto is unused.\n"
                            "Missing output directives.\r\n"
                            "d.proto:x: odd"),
                        &run);
    static const struct protoc_remark rows[] = {
        {STR_INIT("a/b.proto"), {0}, 12, 3, false, STR_INIT("Expected \";\".")},
        {STR_INIT("b.proto"), {0}, 0, 0, false, STR_INIT("File not found.")},
        {STR_INIT("c.proto"), {0}, 1, 1, true, STR_INIT("Import x.proto is unused.")},
        {STR_INIT(""), {0}, 0, 0, false, STR_INIT("Missing output directives.")},
        {STR_INIT("d.proto"), {0}, 0, 0, false, STR_INIT("x: odd")}};
    ck_assert_uint_eq(run.remark_count, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ck_assert(str_equal(run.remarks[i].file, rows[i].file));
        ck_assert_uint_eq(run.remarks[i].line, rows[i].line);
        ck_assert_uint_eq(run.remarks[i].column, rows[i].column);
        ck_assert_int_eq(run.remarks[i].warning, rows[i].warning);
        ck_assert(str_equal(run.remarks[i].text, rows[i].text));
    }
    teardown();
}
END_TEST

START_TEST(test_tells_that_it_is_missing)
{
    setup();
    struct str file = put("a.proto", "");
    struct protoc_run run = run_of(&file);
    run.program = "/nowhere/protoc";
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_MISSING);
    ck_str_is(run.failure, "No such file or directory");
    run.program = "no-such-program-anywhere";
    ck_assert_int_eq(protoc_compile(arena, &run), PROTOC_MISSING);
    teardown();
}
END_TEST

START_TEST(test_is_bounded)
{
    struct protoc_run run;
    setup();
    const int64_t minute = INT64_C(60) * CLOCK_SECOND;
    ck_assert_int_eq(run_script("#!/bin/sh\nkill -9 $$\n", minute, &run), PROTOC_FAILED);
    ck_str_is(run.failure, "it was ended by signal 9");
    ck_assert_int_eq(run_script("#!/bin/sh\nexit 3\n", minute, &run), PROTOC_FAILED);
    ck_str_is(run.failure, "it ended with status 3 and said nothing");
    ck_assert_int_eq(run_script("#!/bin/sh\nyes >&2\n", minute, &run), PROTOC_FAILED);
    ck_str_is(run.failure, "its output is too much");
    /* it holds its output, or closes it and stays, or leaves it to a child */
    ck_assert_int_eq(run_script("#!/bin/sh\nsleep 1000\n", 50 * CLOCK_MS, &run), PROTOC_LATE);
    ck_assert_int_eq(run_script("#!/bin/sh\nexec >&- 2>&-\nsleep 1000\n", 50 * CLOCK_MS, &run),
                     PROTOC_LATE);
    ck_assert_int_eq(run_script("#!/bin/sh\nsleep 1000 &\n", 50 * CLOCK_MS, &run), PROTOC_LATE);
    ck_str_is(run.failure, "it did not end in time");
    teardown();
}
END_TEST

UNIT_MAIN("protoc", test_compiles_with_imports, test_searches_import_folders,
          test_tells_where_files_are_wrong, test_reads_remarks, test_tells_that_it_is_missing,
          test_is_bounded)
