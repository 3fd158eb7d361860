/* Programs under a supervisor: how they end, what they are started with, what they print. */
#include "ctest/unit/supervisor_rig.h"

/* how it ends */

START_TEST(test_tells_exit_codes)
{
    static const int codes[] = {0, 1, 7, 127, 255};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct heard heard = {0};
        char text[32];
        snprintf(text, sizeof text, "exit %d", codes[i]);
        run_shell(&heard, text);
        ck_assert_int_eq(heard.started, 1);
        ck_assert_int_eq(heard.end.error, 0);
        ck_assert_int_eq(heard.end.exit_code, codes[i]);
        ck_assert_int_eq(heard.end.signal, 0);
        ck_assert_uint_gt(heard.end.rss, 0);
        ck_assert_int_ge(heard.end.cpu_ns, 0);
        heard_clear(&heard);
    }
}
END_TEST

START_TEST(test_tells_signals)
{
    static const int signals[] = {SIGTERM, SIGKILL, SIGABRT, SIGSEGV};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        struct heard heard = {0};
        char text[64];
        snprintf(text, sizeof text, "ulimit -c 0; kill -%d $$", signals[i]);
        run_shell(&heard, text);
        ck_assert_int_eq(heard.end.exit_code, -1);
        ck_assert_int_eq(heard.end.signal, signals[i]);
        heard_clear(&heard);
    }
}
END_TEST

START_TEST(test_tells_the_time_it_took)
{
    struct heard heard = {0};
    run_shell(&heard, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
    ck_assert_int_gt(heard.end.cpu_ns, 5 * CLOCK_MS);
    heard_clear(&heard);
}
END_TEST

/** A folder for files that the tests make. */
static char folder[] = "/tmp/goto-supervisor-XXXXXX";

static const char *file_make(const char *name, const char *text, mode_t mode)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
    return path;
}

static void folder_make(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void folder_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void expect_failure(const char *command, const char *cwd, int error, bool in_cwd)
{
    struct heard heard = {0};
    const char *argv[] = {command, NULL};
    struct process_options options = options_of(argv);
    options.cwd = cwd;
    options.input = STR("some input");
    run_options(&heard, &options);
    ck_assert_msg(heard.end.error == error, "%s in %s: %s", command, cwd,
                  strerror(heard.end.error));
    ck_assert_int_eq(heard.end.error_in_cwd, in_cwd);
    ck_assert_int_eq(heard.end.exit_code, -1);
    ck_assert_int_eq(heard.started, 0);
    ck_assert_int_eq(process_signal(heard.process, SIGTERM), -ESRCH);
    heard_clear(&heard);
}

START_TEST(test_tells_why_it_could_not_be_started)
{
    folder_make();
    expect_failure("no-such-program", "/", ENOENT, false);
    expect_failure("./no-such-program", "/", ENOENT, false);
    expect_failure("", "/", ENOENT, false);
    expect_failure("/etc/passwd/x", "/", ENOTDIR, false);
    expect_failure("/tmp", "/", EACCES, false);
    expect_failure(file_make("closed", "#!/bin/sh\n", 0644), "/", EACCES, false);
    expect_failure(file_make("garbage", "\x01\x02\x03", 0755), "/", ENOEXEC, false);
    expect_failure(file_make("lost", "#!/no/such/interpreter\n", 0755), "/", ENOENT, false);
    expect_failure("true", "/no/such/folder", ENOENT, true);
    expect_failure("true", "/etc/passwd", ENOTDIR, true);
    folder_remove();
}
END_TEST

START_TEST(test_refuses_too_large_an_environment)
{
    struct heard heard = {0};
    const char *argv[] = {"true", NULL};
    struct process_options options = options_of(argv);
    const char **env = memory_alloc_array(102, sizeof *env);
    char *value = memory_alloc(50001);
    memset(value, 'x', 50000);
    memcpy(value, "A=", 2);
    for (int i = 0; i < 100; i++)
        env[i] = value;
    options.env = env;
    run_options(&heard, &options);
    ck_assert_int_eq(heard.end.error, E2BIG);
    heard_clear(&heard);
    /* one that is larger than a packet */
    env[20] = PATH_VARIABLE;
    env[21] = "LAST=1";
    env[22] = NULL;
    const char *print[] = {"sh", "-c", "echo $LAST ${#A}", NULL};
    heard = (struct heard){0};
    options.argv = print;
    run_options(&heard, &options);
    ck_str_is(buf_str(&heard.text), "1:1 49998\n");
    heard_clear(&heard);
    memory_free(value);
    memory_free(env);
}
END_TEST

START_TEST(test_refuses_no_command)
{
    struct heard heard = {0};
    const char *argv[] = {NULL};
    run_argv(&heard, argv);
    ck_assert_int_eq(heard.end.error, EINVAL);
    heard_clear(&heard);
}
END_TEST

static void expect_found(const char *command, const char *path, bool found)
{
    struct heard heard = {0};
    char variable[256];
    const char *argv[] = {command, NULL};
    const char *env[] = {variable, NULL};
    struct process_options options = options_of(argv);
    snprintf(variable, sizeof variable, "PATH=%s", path);
    options.env = env;
    options.cwd = folder;
    run_options(&heard, &options);
    ck_assert_int_eq(heard.end.error, found ? 0 : ENOENT);
    ck_str_is(buf_str(&heard.text), found ? "1:found\n" : "");
    heard_clear(&heard);
}

START_TEST(test_looks_for_the_command)
{
    char path[300];
    folder_make();
    snprintf(path, sizeof path, "%s/bin", folder);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    file_make("bin/my-program", "#!/bin/sh\necho found\n", 0755);
    file_make("here", "#!/bin/sh\necho found\n", 0755);
    expect_found("my-program", path, true);
    expect_found("my-program", "bin", true);
    expect_found("my-program", "/nowhere:/etc/passwd:bin:/usr/bin", true);
    expect_found("my-program", "/usr/bin", false);
    expect_found("./bin/my-program", "/usr/bin", true);
    expect_found("bin/my-program", "/usr/bin", true);
    expect_found("here", "/usr/bin", false);
    expect_found("here", "/usr/bin::/bin", true);
    expect_found("here", "", true);
    expect_found("here", "/usr/bin:", true);
    folder_remove();
}
END_TEST

/* what it is started with */

START_TEST(test_gives_nothing_but_its_own)
{
    struct heard heard = {0};
    int leaked = open("/dev/null", O_RDONLY);
    signal(SIGINT, SIG_IGN);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    run_shell(&heard, "ls /proc/self/fd | tr '\\n' ' '; echo; grep -E 'Sig(Blk|Ign)' "
                      "/proc/self/status; pwd; tr '\\0' ' ' </proc/$$/environ");
    ck_str_is(buf_str(&heard.text), "1:0 1 2 3 \n1:SigBlk:\t0000000000000000\n"
                                    "1:SigIgn:\t0000000000000000\n1:/\n1:" PATH_VARIABLE " \n");
    heard_clear(&heard);
    close(leaked);
}
END_TEST

START_TEST(test_starts_in_a_group_of_its_own)
{
    struct heard heard = {0};
    run_shell(&heard, "read -r pid comm state ppid group rest </proc/$$/stat; "
                      "[ $pid = $group ] && echo own");
    ck_str_is(buf_str(&heard.text), "1:own\n");
    heard_clear(&heard);
}
END_TEST

START_TEST(test_writes_its_input)
{
    struct heard heard = {0};
    const char *argv[] = {"cat", NULL};
    struct process_options options = options_of(argv);
    uint64_t total;
    char *input = memory_alloc(MIB);
    for (size_t i = 0; i < MIB; i++)
        input[i] = i % 61 ? (char)(i * 7 / 3) : '\n';
    options.input = (struct str){input, MIB};
    run_options(&heard, &options);
    ck_assert(str_equal(process_stdout(heard.process, &total), options.input));
    ck_assert_uint_eq(total, MIB);
    ck_assert_int_eq(heard.end.exit_code, 0);
    heard_clear(&heard);
    memory_free(input);
}
END_TEST

START_TEST(test_without_input_reads_nothing)
{
    struct heard heard = {0};
    run_shell(&heard, "cat; echo $?");
    ck_str_is(buf_str(&heard.text), "1:0\n");
    heard_clear(&heard);
}
END_TEST

START_TEST(test_need_not_read_its_input)
{
    struct heard heard = {0};
    const char *argv[] = {"sh", "-c", "exec <&-; echo done", NULL};
    struct process_options options = options_of(argv);
    char *input = memory_alloc(MIB);
    options.input = (struct str){input, MIB};
    run_options(&heard, &options);
    ck_assert_int_eq(heard.end.exit_code, 0);
    ck_str_is(buf_str(&heard.text), "1:done\n");
    heard_clear(&heard);
    memory_free(input);
}
END_TEST

/* what it prints */

START_TEST(test_loses_no_line)
{
    struct heard heard = {0};
    uint64_t total;
    run_shell(&heard, "seq 1 10000; seq 1 10 >&2; exit 3");
    ck_assert_uint_eq(heard.lines, 10010);
    ck_assert_uint_eq(heard.cuts, 0);
    ck_assert_int_eq(heard.end.exit_code, 3);
    ck_assert_uint_eq(process_stdout(heard.process, &total).size, 48894);
    ck_assert_uint_eq(total, 48894);
    ck_str_is(process_stderr(heard.process, &total), "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
    ck_assert(str_find(buf_str(&heard.text), STR("1:9999\n1:10000\n")) > 0);
    heard_clear(&heard);
}
END_TEST

START_TEST(test_delivers_a_last_line_without_end)
{
    struct heard heard = {0};
    run_shell(&heard, "printf 'a\\r\\n\\n\\r\\nb\\rc\\nno\\0end'");
    ck_assert_uint_eq(heard.lines, 5);
    struct str expected = STR("1:a\n1:\n1:\n1:b\rc\n1:no\0end\n");
    ck_assert(str_equal(buf_str(&heard.text), expected));
    heard_clear(&heard);
    heard = (struct heard){0};
    run_shell(&heard, "printf 'x\\r' >&2");
    ck_str_is(buf_str(&heard.text), "2:x\r\n");
    heard_clear(&heard);
}
END_TEST

/** Output split by itself: pieces of every size give the same lines. */
struct splitting {
    struct output output;
    struct buf text;
};

static void splitting_line(struct output *output, struct str line, bool cut)
{
    struct splitting *splitting = CONTAINER_OF(output, struct splitting, output);
    buf_append_byte(&splitting->text, '[');
    buf_append(&splitting->text, line);
    buf_append_string(&splitting->text, cut ? "+]" : "]");
}

START_TEST(test_splits_lines)
{
    static const struct {
        const char *bytes;
        size_t most_output;
        const char *expected;
    } cases[] = {
        {"", 100, ""},
        {"a\nb\n", 100, "[a][b]"},
        {"\n\n", 100, "[][]"},
        {"abcd\n", 100, "[abcd]"},
        {"abcd\r\n", 100, "[abcd]"},
        {"abcd", 100, "[abcd]"},
        {"abcde\n", 100, "[abcd+][e]"},
        {"abcde", 100, "[abcd+][e]"},
        {"abcde\r\n", 100, "[abcd+][e]"},
        {"abcd\r", 100, "[abcd+][\r]"},
        {"abcd\re\n", 100, "[abcd+][\re]"},
        {"abcdefgh\n", 100, "[abcd+][efgh]"},
        {"abcdefgh\r\ni", 100, "[abcd+][efgh][i]"},
        {"abcdefghi\n", 100, "[abcd+][efgh+][i]"},
        {"\r\r\n\r\n", 100, "[\r][]"},
        {"ab\ncd\n", 6, "[ab][cd]"},
        {"ab\ncd\n", 5, "[ab][cd]"},
        {"ab\ncd\n", 4, "[ab][c+]"},
        {"ab\ncd\n", 3, "[ab]"},
        {"ab\ncd\n", 2, "[ab]"},
        {"ab\r\n", 3, "[ab]"},
        {"ab\r\n", 2, "[ab+]"},
        {"ab\ncd\n", 0, ""},
        {"abcdefgh", 7, "[abcd+][efg+]"},
        {"abcdefgh", 8, "[abcd+][efgh]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str bytes = str_of(cases[i].bytes);
        for (size_t piece = 1; piece <= bytes.size + 1; piece++) {
            struct splitting splitting;
            buf_init(&splitting.text, BUF_OWN);
            output_init(&splitting.output, cases[i].most_output, 4, splitting_line);
            for (size_t at = 0; at < bytes.size; at += piece)
                output_feed(&splitting.output, str_slice(bytes, at, piece));
            output_finish(&splitting.output);
            output_finish(&splitting.output);
            ck_str_is(buf_str(&splitting.text), cases[i].expected);
            ck_assert_uint_eq(splitting.output.total, bytes.size);
            ck_assert(str_equal(buf_str(&splitting.output.kept),
                                str_slice(bytes, 0, cases[i].most_output)));
            output_clear(&splitting.output);
            buf_clear(&splitting.text);
        }
    }
}
END_TEST

START_TEST(test_cuts_long_lines)
{
    struct heard heard = {0};
    run_shell(&heard, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end");
    ck_assert_uint_eq(heard.cuts, 97);
    ck_assert_uint_eq(heard.lines, 99);
    ck_assert(str_ends(buf_str(&heard.text), STR("x\n1:end\n")));
    heard_clear(&heard);
}
END_TEST

START_TEST(test_bounds_a_flood)
{
    struct heard heard = {0};
    uint64_t total;
    const uint64_t size = UINT64_C(1) << 30;
    int64_t start = clock_now();
    run_shell(&heard, "head -c 1G /dev/zero; echo the end");
    double seconds = (double)(clock_now() - start) / 1e9;
    ck_assert_uint_eq(process_stdout(heard.process, &total).size, 4 * MIB);
    ck_assert_uint_eq(total, size + 8);
    ck_assert_uint_eq(heard.lines, 4 * MIB / 1024);
    ck_assert_uint_eq(heard.cuts, heard.lines);
    ck_assert_int_eq(heard.end.exit_code, 0);
    if (getenv("GOTO_TEST_VERBOSE"))
        fprintf(stderr, "flood: %.2f GB/s\n", (double)size / 1e9 / seconds);
    heard_clear(&heard);
}
END_TEST

START_TEST(test_a_flood_starves_nobody)
{
    struct bench bench;
    struct heard flood = {0};
    struct heard other = {0};
    bench_open(&bench);
    heard_start_shell(&flood, &bench, "yes & exec yes >&2");
    bench.waiting = 0; /* only the other one is waited for */
    heard_start_shell(&other, &bench,
                      "i=0; while [ $i -lt 20 ]; do /bin/echo $i; i=$((i+1)); done");
    loop_run(bench.loop);
    ck_assert_int_eq(other.ended, 1);
    ck_assert_uint_eq(other.lines, 20);
    ck_assert_int_eq(flood.ended, 0);
    heard_clear(&other);
    heard_clear(&flood);
    bench_close(&bench);
}
END_TEST

START_TEST(test_a_descendant_with_the_pipe_delays_nothing)
{
    struct bench bench;
    struct heard heard = {.stop_at = "later"};
    bench_open(&bench);
    /* the one in the background waits until the end of its parent was heard here */
    folder_make();
    char text[512];
    snprintf(text, sizeof text,
             "(until [ -e %s/go ]; do sleep 0.01; done; echo later; exec sleep 1000) & printf now",
             folder);
    heard_start_shell(&heard, &bench, text);
    loop_run(bench.loop);
    ck_assert_int_eq(heard.ended, 1);
    ck_assert_int_eq(heard.end.exit_code, 0);
    ck_str_is(buf_str(&heard.text), "1:now\n");
    file_make("go", "", 0644);
    loop_run(bench.loop);
    ck_assert_uint_eq(heard.lines_after_end, 1);
    ck_str_is(buf_str(&heard.text), "1:now\n1:later\n");
    folder_remove();
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

START_TEST(test_a_flooding_descendant_delays_nothing)
{
    struct heard heard = {0};
    run_shell(&heard, "yes & yes >&2 & echo done");
    ck_assert_int_eq(heard.end.exit_code, 0);
    heard_clear(&heard);
}
END_TEST

START_TEST(test_reads_the_rest)
{
    struct bench bench;
    struct heard heard = {.free_at = FREE_NEVER};
    bench_open(&bench);
    heard_start_shell(&heard, &bench, "echo one; echo two >&2; exec sleep 1000");
    int64_t deadline = deadline_in_time();
    while (!heard.started) {
        loop_turn(bench.loop);
        look_again(deadline);
    }
    while (heard.lines < 2) {
        process_read_rest(heard.process);
        look_again(deadline);
    }
    ck_assert(!process_read_rest(heard.process));
    ck_assert(process_is_alive(heard.process));
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

UNIT_MAIN("supervisor", test_tells_exit_codes, test_tells_signals, test_tells_the_time_it_took,
          test_tells_why_it_could_not_be_started, test_refuses_too_large_an_environment,
          test_refuses_no_command, test_looks_for_the_command, test_gives_nothing_but_its_own,
          test_starts_in_a_group_of_its_own, test_writes_its_input,
          test_without_input_reads_nothing, test_need_not_read_its_input, test_loses_no_line,
          test_delivers_a_last_line_without_end, test_splits_lines, test_cuts_long_lines,
          test_bounds_a_flood, test_a_flood_starves_nobody,
          test_a_descendant_with_the_pipe_delays_nothing, test_a_flooding_descendant_delays_nothing,
          test_reads_the_rest)
