#include "runner/client/supervisor.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "runner/client/supervisor_private.h"

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, PATIENCE_S = 40 };

#define PATH_VARIABLE "PATH=/usr/local/bin:/usr/bin:/bin"

static const char *const plain_env[] = {PATH_VARIABLE, NULL};

/** A loop with a supervisor, and a timer that fails the test when nothing ends it. */
struct bench {
    struct supervisor *supervisor;
    struct loop *loop;
    struct timer patience;
    int waiting; /**< ends until the loop is stopped */
};

/** What was heard of one program. */
struct heard {
    struct bench *bench;
    struct bench own; /**< of run_options(); its loop is NULL if there is none */
    struct process *process;
    int started;
    int ended;
    size_t lines;
    size_t lines_after_end;
    size_t cuts;
    struct buf text; /**< "1:line\n", "2:line\n"; "\\\n" at the end of a cut one */
    struct process_end end;
    const char *stop_at; /**< stops the loop when this line is heard */
    enum { FREE_NEVER, FREE_AT_START, FREE_AT_LINE, FREE_AT_END } free_at;
};

static void patience_ends(struct timer *timer)
{
    (void)timer;
    ck_abort_msg("it took too long");
}

static void bench_open_with(struct bench *bench, struct supervisor *supervisor)
{
    *bench = (struct bench){.supervisor = supervisor};
    ck_assert_ptr_nonnull(bench->supervisor);
    bench->loop = loop_new();
    ck_assert_int_eq(supervisor_attach(bench->supervisor, bench->loop), 0);
    timer_init(&bench->patience, bench->loop, patience_ends);
    timer_start(&bench->patience, PATIENCE_S * (int64_t)CLOCK_SECOND);
}

static void bench_open(struct bench *bench)
{
    int error;
    bench_open_with(bench, supervisor_new(&error));
}

static void bench_close(struct bench *bench)
{
    timer_stop(&bench->patience);
    supervisor_free(bench->supervisor);
    loop_free(bench->loop);
}

static void heard_free_at(struct heard *heard, int when)
{
    if ((int)heard->free_at != when)
        return;
    process_free(heard->process);
    heard->process = NULL;
    loop_stop(heard->bench->loop);
}

static void hear_started(void *context, int pid)
{
    struct heard *heard = context;
    ck_assert_int_gt(pid, 0);
    ck_assert(process_is_alive(heard->process));
    ck_assert_int_eq(process_pid(heard->process), pid);
    ck_assert_uint_eq(heard->lines, 0);
    heard->started++;
    heard_free_at(heard, FREE_AT_START);
}

static void hear_line(void *context, bool is_stderr, struct str line, bool cut)
{
    struct heard *heard = context;
    /* ck_assert() writes to a file: too slow for millions of lines */
    if (heard->started != 1 || !heard->process)
        ck_abort_msg("a line of what was not started, or was freed");
    heard->lines++;
    heard->lines_after_end += heard->ended != 0;
    heard->cuts += cut;
    buf_append_string(&heard->text, is_stderr ? "2:" : "1:");
    buf_append(&heard->text, line);
    buf_append_string(&heard->text, cut ? "\\\n" : "\n");
    if (heard->stop_at && str_is(line, heard->stop_at))
        loop_stop(heard->bench->loop);
    heard_free_at(heard, FREE_AT_LINE);
}

static void hear_ended(void *context, const struct process_end *end)
{
    struct heard *heard = context;
    ck_assert(!process_is_alive(heard->process));
    heard->ended++;
    heard->end = *end;
    if (--heard->bench->waiting == 0)
        loop_stop(heard->bench->loop);
    heard_free_at(heard, FREE_AT_END);
}

static const struct process_handler hearing = {hear_started, hear_line, hear_ended};

/** What most tests start with. */
static struct process_options options_of(const char *const *argv)
{
    return (struct process_options){
        .argv = argv, .env = plain_env, .cwd = "/", .most_output = 4 * MIB, .most_line = 1024};
}

static void heard_start(struct heard *heard, struct bench *bench,
                        const struct process_options *options)
{
    buf_init(&heard->text, BUF_OWN);
    heard->bench = bench;
    bench->waiting++;
    heard->process = process_start(bench->supervisor, options, &hearing, heard);
    ck_assert_ptr_nonnull(heard->process);
    ck_assert(!heard->started && !heard->ended);
}

static void heard_start_shell(struct heard *heard, struct bench *bench, const char *text)
{
    const char *argv[] = {"sh", "-c", text, NULL};
    struct process_options options = options_of(argv);
    heard_start(heard, bench, &options);
}

static void heard_clear(struct heard *heard)
{
    process_free(heard->process);
    buf_clear(&heard->text);
    if (heard->own.loop)
        bench_close(&heard->own);
}

/** Runs a program to its end. */
static void run_options(struct heard *heard, const struct process_options *options)
{
    bench_open(&heard->own);
    heard_start(heard, &heard->own, options);
    loop_run(heard->own.loop);
    ck_assert_int_eq(heard->ended, 1);
}

static void run_argv(struct heard *heard, const char *const *argv)
{
    struct process_options options = options_of(argv);
    run_options(heard, &options);
}

static void run_shell(struct heard *heard, const char *text)
{
    const char *argv[] = {"sh", "-c", text, NULL};
    run_argv(heard, argv);
}

/** A pause between two looks at something that another process does. */
static void look_again(int64_t deadline)
{
    struct timespec pause = {0, 2 * 1000 * 1000};
    ck_assert_msg(clock_now() < deadline, "it took too long");
    nanosleep(&pause, NULL);
}

static int64_t deadline_in_time(void)
{
    return clock_now() + PATIENCE_S * (int64_t)CLOCK_SECOND;
}

/** How many processes have this variable in their environment. */
static size_t marked_count(const char *mark)
{
    size_t count = 0;
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    ck_assert_ptr_nonnull(folder);
    while ((entry = readdir(folder))) {
        char path[64];
        char text[8192];
        snprintf(path, sizeof path, "/proc/%.20s/environ", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text);
        if (fd >= 0)
            close(fd);
        if (size > 0 && memmem(text, (size_t)size, mark, strlen(mark) + 1))
            count++;
    }
    closedir(folder);
    return count;
}

static void wait_for_marked(const char *mark, size_t least, size_t most)
{
    int64_t deadline = deadline_in_time();
    for (;;) {
        size_t count = marked_count(mark);
        if (count >= least && count <= most)
            return;
        look_again(deadline);
    }
}

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

/* stopping */

START_TEST(test_stop_kills_what_ignores_term)
{
    struct bench bench;
    struct heard heard = {.stop_at = "ready"};
    char mark[64];
    char text[256];
    snprintf(mark, sizeof mark, "GOTO_MARK=stop-%d", getpid());
    snprintf(text, sizeof text,
             "export %s; trap '' TERM; sleep 1000 & sleep 1000 & echo ready; "
             "while :; do sleep 1000; done",
             mark);
    bench_open(&bench);
    heard_start_shell(&heard, &bench, text);
    loop_run(bench.loop);
    int64_t start = clock_now();
    process_stop(heard.process, 50 * CLOCK_MS);
    loop_run(bench.loop);
    ck_assert_int_eq(heard.end.signal, SIGKILL);
    ck_assert_int_ge(clock_now() - start, 50 * CLOCK_MS);
    wait_for_marked(mark, 0, 0);
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

START_TEST(test_stop_asks_first)
{
    struct bench bench;
    struct heard heard = {.stop_at = "ready"};
    bench_open(&bench);
    heard_start_shell(&heard, &bench,
                      "exec 2>/dev/null; trap 'echo asked; exit 5' TERM; echo ready; "
                      "while :; do sleep 0.01; done");
    loop_run(bench.loop);
    /* a stopped program is asked too */
    ck_assert_int_eq(process_signal(heard.process, SIGSTOP), 0);
    process_stop(heard.process, 1000 * (int64_t)CLOCK_SECOND);
    loop_run(bench.loop);
    ck_assert_int_eq(heard.end.exit_code, 5);
    ck_str_is(buf_str(&heard.text), "1:ready\n1:asked\n");
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

START_TEST(test_stop_reaches_what_an_ended_one_left)
{
    struct bench bench;
    struct heard heard = {0};
    char mark[64];
    char text[256];
    snprintf(mark, sizeof mark, "GOTO_MARK=left-%d", getpid());
    snprintf(text, sizeof text, "export %s; (trap '' TERM; exec sleep 1000) & sleep 1000 &", mark);
    bench_open(&bench);
    heard_start_shell(&heard, &bench, text);
    loop_run(bench.loop);
    wait_for_marked(mark, 2, 2);
    ck_assert_int_eq(process_signal(heard.process, SIGTERM), -ESRCH);
    process_stop(heard.process, 20 * CLOCK_MS);
    int64_t deadline = deadline_in_time();
    while (marked_count(mark)) {
        loop_turn(bench.loop);
        look_again(deadline);
    }
    ck_assert_int_eq(heard.ended, 1);
    heard_clear(&heard);
    /* and freeing does not wait for the grace that was given */
    heard = (struct heard){0};
    heard_start_shell(&heard, &bench, text);
    loop_run(bench.loop);
    wait_for_marked(mark, 2, 2);
    process_stop(heard.process, 1000 * (int64_t)CLOCK_SECOND);
    heard_clear(&heard);
    wait_for_marked(mark, 0, 0);
    bench_close(&bench);
}
END_TEST

START_TEST(test_free_kills_the_group_of_a_living_one)
{
    struct bench bench;
    struct heard heard = {.stop_at = "ready"};
    char mark[64];
    char text[256];
    snprintf(mark, sizeof mark, "GOTO_MARK=free-%d", getpid());
    snprintf(text, sizeof text,
             "export %s; trap '' TERM; sleep 1000 & echo ready; sleep 1000; :", mark);
    bench_open(&bench);
    heard_start_shell(&heard, &bench, text);
    loop_run(bench.loop);
    wait_for_marked(mark, 2, 3);
    heard_clear(&heard);
    wait_for_marked(mark, 0, 0);
    while (loop_turn(bench.loop))
        continue;
    ck_assert_int_eq(heard.ended, 0);
    bench_close(&bench);
}
END_TEST

START_TEST(test_can_be_freed_by_its_handler)
{
    for (int when = FREE_AT_START; when <= FREE_AT_END; when++) {
        struct bench bench;
        struct heard heard = {.free_at = when};
        bench_open(&bench);
        heard_start_shell(&heard, &bench, "echo a; echo b; printf c");
        loop_run(bench.loop);
        ck_assert_ptr_null(heard.process);
        ck_assert_int_eq(heard.ended, when == FREE_AT_END);
        ck_assert_uint_eq(heard.lines, when == FREE_AT_START ? 0 : when == FREE_AT_LINE ? 1 : 3);
        heard_clear(&heard);
        bench_close(&bench);
    }
}
END_TEST

START_TEST(test_can_be_freed_at_once)
{
    struct bench bench;
    struct heard heard = {0};
    struct heard failing = {0};
    const char *argv[] = {NULL};
    struct process_options options = options_of(argv);
    bench_open(&bench);
    heard_start_shell(&heard, &bench, "echo a");
    heard_start(&failing, &bench, &options);
    heard_clear(&heard);
    heard_clear(&failing);
    while (loop_turn(bench.loop))
        continue;
    ck_assert_int_eq(heard.started + heard.ended + failing.ended, 0);
    bench_close(&bench);
}
END_TEST

/* signals */

START_TEST(test_signals_the_group)
{
    struct bench bench;
    struct heard heard = {.stop_at = "ready"};
    bench_open(&bench);
    heard_start_shell(&heard, &bench,
                      "exec 2>/dev/null; trap : USR1; "
                      "sh -c 'trap \"exit 7\" USR1; echo ready; while :; do sleep 0.01; done' & "
                      "child=$!; wait $child; wait $child; echo $?");
    loop_run(bench.loop);
    ck_assert_int_eq(process_signal(heard.process, SIGUSR1), 0);
    loop_run(bench.loop);
    ck_str_is(buf_str(&heard.text), "1:ready\n1:7\n");
    ck_assert_int_eq(process_signal(heard.process, SIGUSR1), -ESRCH);
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

START_TEST(test_signals_one_that_is_being_started)
{
    struct bench bench;
    struct heard heard = {0};
    bench_open(&bench);
    heard_start_shell(&heard, &bench, "sleep 1000");
    ck_assert(!process_is_alive(heard.process));
    ck_assert_int_eq(process_signal(heard.process, SIGTERM), 0);
    loop_run(bench.loop);
    ck_assert_int_eq(heard.started, 1);
    ck_assert_int_eq(heard.end.signal, SIGTERM);
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

START_TEST(test_knows_signals_by_name)
{
    ck_assert_int_eq(signal_number(STR("TERM")), SIGTERM);
    ck_assert_int_eq(signal_number(STR("SIGTERM")), SIGTERM);
    ck_assert_int_eq(signal_number(STR("KILL")), SIGKILL);
    ck_assert_int_eq(signal_number(STR("SIGUSR2")), SIGUSR2);
    ck_assert_int_eq(signal_number(STR("IOT")), SIGABRT);
    ck_assert_int_eq(signal_number(STR("")), 0);
    ck_assert_int_eq(signal_number(STR("SIG")), 0);
    ck_assert_int_eq(signal_number(STR("term")), 0);
    ck_assert_int_eq(signal_number(STR("SIGSIGTERM")), 0);
    ck_assert_int_eq(signal_number(STR("15")), 0);
    ck_assert_str_eq(signal_name(SIGABRT), "ABRT");
    ck_assert_str_eq(signal_name(SIGKILL), "KILL");
    ck_assert_str_eq(signal_name(0), "");
    ck_assert_str_eq(signal_name(-1), "");
    ck_assert_str_eq(signal_name(1000), "");
    for (int number = 1; number <= 31; number++)
        ck_assert_int_eq(signal_number(str_of(signal_name(number))), number);
}
END_TEST

START_TEST(test_samples_a_living_one)
{
    struct bench bench;
    struct heard heard = {.stop_at = "ready"};
    uint64_t rss = 0;
    int64_t first = 0;
    int64_t later = 0;
    bench_open(&bench);
    heard_start_shell(&heard, &bench, "echo ready; while :; do :; done");
    loop_run(bench.loop);
    ck_assert(process_sample(heard.process, &rss, &first));
    ck_assert_uint_gt(rss, 100 * 1024);
    int64_t deadline = deadline_in_time();
    do {
        ck_assert(process_sample(heard.process, &rss, &later));
        look_again(deadline);
    } while (later < first + 5 * CLOCK_MS);
    process_stop(heard.process, 0);
    loop_run(bench.loop);
    ck_assert(!process_sample(heard.process, &rss, &later));
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

/* many */

START_TEST(test_runs_many_at_once)
{
    enum { MANY = 200 };
    struct bench bench;
    struct heard *all = memory_alloc_array(MANY, sizeof *all);
    bench_open(&bench);
    for (int i = 0; i < MANY; i++)
        heard_start_shell(&all[i], &bench, "echo out; echo err >&2");
    loop_run(bench.loop);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(all[i].end.error, 0);
        ck_assert_int_eq(all[i].end.exit_code, 0);
        ck_assert_uint_eq(all[i].lines, 2);
        heard_clear(&all[i]);
    }
    bench_close(&bench);
    memory_free(all);
}
END_TEST

START_TEST(test_runs_many_after_each_other)
{
    struct bench bench;
    const char *argv[] = {"true", NULL};
    struct process_options options = options_of(argv);
    bench_open(&bench);
    int64_t start = clock_now();
    for (int i = 0; i < 300; i++) {
        struct heard heard = {0};
        heard_start(&heard, &bench, &options);
        loop_run(bench.loop);
        ck_assert_int_eq(heard.end.exit_code, 0);
        heard_clear(&heard);
    }
    if (getenv("GOTO_TEST_VERBOSE"))
        fprintf(stderr, "one program: %.3f ms\n", (double)(clock_now() - start) / 1e6 / 300);
    bench_close(&bench);
}
END_TEST

/** What the socket does not take is kept, in order, and a start may be taken back. */
START_TEST(test_never_waits_for_the_supervisor)
{
    struct bench bench;
    struct heard first = {.stop_at = "ready"};
    struct heard later = {0};
    struct heard freed = {0};
    bench_open(&bench);
    heard_start_shell(&first, &bench, "trap '' USR1; echo ready; exec sleep 1000");
    loop_run(bench.loop);
    ck_assert_int_eq(kill(bench.supervisor->pid, SIGSTOP), 0);
    process_stop(first.process, 1000 * (int64_t)CLOCK_SECOND);
    for (int i = 0; i < 5000; i++)
        process_stop(first.process, 1000 * (int64_t)CLOCK_SECOND);
    ck_assert_ptr_nonnull(bench.supervisor->first);
    heard_start_shell(&freed, &bench, "echo never");
    heard_start_shell(&later, &bench, "sleep 1000");
    /* not INT: a shell that is just starting may swallow it */
    ck_assert_int_eq(process_signal(later.process, SIGKILL), 0);
    heard_clear(&freed);
    bench.waiting--;
    for (int i = 0; i < 5; i++)
        loop_turn(bench.loop);
    ck_assert_int_eq(kill(bench.supervisor->pid, SIGCONT), 0);
    loop_run(bench.loop);
    ck_assert_int_eq(first.end.signal, SIGTERM);
    ck_assert_int_eq(later.end.signal, SIGKILL);
    ck_assert_int_eq(freed.started + freed.ended, 0);
    ck_assert_ptr_null(bench.supervisor->first);
    heard_clear(&first);
    heard_clear(&later);
    bench_close(&bench);
}
END_TEST

START_TEST(test_tells_when_descriptors_run_out)
{
    struct bench bench;
    struct heard heard = {0};
    int fds[4096];
    size_t count = 0;
    bench_open(&bench);
    while (count < COUNT_OF(fds) && (fds[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    if (count == COUNT_OF(fds))
        ck_assert_msg(count > 0, "no limit here");
    for (size_t left = 0; left < 8 && count < COUNT_OF(fds); left++) {
        struct heard one = {0};
        heard_start_shell(&one, &bench, "true");
        loop_run(bench.loop);
        ck_assert_int_eq(one.ended, 1);
        ck_assert(one.end.error == EMFILE || one.end.exit_code == 0);
        heard_clear(&one);
        while (loop_turn(bench.loop))
            continue;
        close(fds[--count]);
    }
    while (count)
        close(fds[--count]);
    heard_start_shell(&heard, &bench, "true");
    loop_run(bench.loop);
    ck_assert_int_eq(heard.end.exit_code, 0);
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

/* no orphans */

/** Leaves its group, its session and its parent in every way a program may: 8 processes at least.
 */
static const char tree[] =
    "setsid sleep 1000 & sleep 1000 & "
    "(setsid sh -c 'sleep 1000 & (trap \"\" TERM HUP INT; exec sleep 1000) & "
    "exec sleep 1000' &) ; "
    "(setsid sh -c '(setsid sh -c \"sleep 1000 & :\" &) ; :' &) ; "
    "sh -c 'trap \"\" TERM; sleep 1000 & wait; wait' & "
    "wait";
enum { TREE_SIZE = 8 };

static void tree_start(struct heard *heard, struct bench *bench, const char *mark, const char *text)
{
    static char variable[64];
    snprintf(variable, sizeof variable, "%s", mark);
    const char *argv[] = {"sh", "-c", text, NULL};
    const char *env[] = {PATH_VARIABLE, variable, NULL};
    struct process_options options = options_of(argv);
    options.env = env;
    heard_start(heard, bench, &options);
}

/** A process as goto-run is: with a supervisor and programs; to be killed. */
static pid_t victim_start(const char *mark, const char *text, pid_t *supervisor)
{
    int report[2];
    ck_assert_int_eq(pipe(report), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct bench bench;
        struct heard heard[2] = {{0}, {0}};
        bench_open(&bench);
        tree_start(&heard[0], &bench, mark, text);
        tree_start(&heard[1], &bench, mark, text);
        if (write(report[1], &bench.supervisor->pid, sizeof bench.supervisor->pid) < 0)
            _exit(1);
        loop_run(bench.loop);
        _exit(0);
    }
    close(report[1]);
    ck_assert_int_eq(read(report[0], supervisor, sizeof *supervisor), (int)sizeof *supervisor);
    close(report[0]);
    return pid;
}

/** It is gone, or only waits for the system's first process to reap it. */
static bool is_gone(pid_t pid)
{
    char path[64];
    char state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true;
    bool read = fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    fclose(file);
    return !read || state == 'Z' || state == 'X';
}

static void wait_until_gone(pid_t pid)
{
    int64_t deadline = deadline_in_time();
    while (!is_gone(pid))
        look_again(deadline);
}

START_TEST(test_killed_goto_run_leaves_no_orphan)
{
    char mark[64];
    pid_t supervisor;
    snprintf(mark, sizeof mark, "GOTO_MARK=orphan-%d", getpid());
    pid_t victim = victim_start(mark, tree, &supervisor);
    wait_for_marked(mark, 2 * TREE_SIZE, SIZE_MAX);
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    ck_assert_int_eq(waitpid(victim, NULL, 0), victim);
    wait_for_marked(mark, 0, 0);
    wait_until_gone(supervisor);
}
END_TEST

START_TEST(test_killed_at_once_goto_run_leaves_no_orphan)
{
    char mark[64];
    pid_t supervisor;
    snprintf(mark, sizeof mark, "GOTO_MARK=early-%d", getpid());
    for (int i = 0; i < 20; i++) {
        pid_t victim = victim_start(mark, tree, &supervisor);
        kill(victim, SIGKILL);
        ck_assert_int_eq(waitpid(victim, NULL, 0), victim);
        wait_until_gone(supervisor);
        ck_assert_uint_eq(marked_count(mark), 0);
    }
}
END_TEST

START_TEST(test_programs_do_not_outlive_both)
{
    char mark[64];
    pid_t supervisor;
    snprintf(mark, sizeof mark, "GOTO_MARK=both-%d", getpid());
    pid_t victim = victim_start(mark, "exec sleep 1000", &supervisor);
    wait_for_marked(mark, 2, 2);
    ck_assert_int_eq(kill(victim, SIGSTOP), 0);
    ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    ck_assert_int_eq(waitpid(victim, NULL, 0), victim);
    wait_for_marked(mark, 0, 0);
}
END_TEST

START_TEST(test_ends_programs_that_fork_all_the_time)
{
    char mark[64];
    pid_t supervisor;
    snprintf(mark, sizeof mark, "GOTO_MARK=forks-%d", getpid());
    pid_t victim =
        victim_start(mark,
                     "f() { (setsid sh -c 'sleep 0.01' & sleep 0.005; f & ) ; }; f & f & f & wait; "
                     "while :; do sleep 1000; done",
                     &supervisor);
    wait_for_marked(mark, 6, SIZE_MAX);
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    ck_assert_int_eq(waitpid(victim, NULL, 0), victim);
    wait_until_gone(supervisor);
    ck_assert_uint_eq(marked_count(mark), 0);
}
END_TEST

START_TEST(test_free_leaves_nothing)
{
    struct bench bench;
    struct heard heard = {0};
    char mark[64];
    snprintf(mark, sizeof mark, "GOTO_MARK=all-%d", getpid());
    bench_open(&bench);
    tree_start(&heard, &bench, mark, tree);
    /* also what is left of one that was freed long before */
    struct heard before = {0};
    tree_start(&before, &bench, mark, "setsid sleep 1000 & exit 0");
    bench.waiting = 1;
    loop_run(bench.loop);
    heard_clear(&before);
    wait_for_marked(mark, TREE_SIZE + 1, SIZE_MAX);
    supervisor_free(bench.supervisor);
    bench.supervisor = NULL;
    ck_assert_uint_eq(marked_count(mark), 0);
    ck_assert_int_eq(heard.ended, 0);
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

/** A process that outlives its supervisor is freed after it. */
START_TEST(test_process_may_be_freed_after_the_supervisor)
{
    struct bench bench;
    struct heard heard = {.stop_at = "ready"};
    bench_open(&bench);
    heard_start_shell(&heard, &bench, "echo ready; exec sleep 1000");
    loop_run(bench.loop);
    supervisor_free(bench.supervisor);
    ck_assert(!process_is_alive(heard.process));
    ck_assert_int_eq(process_signal(heard.process, SIGTERM), -ESRCH);
    process_stop(heard.process, 0);
    while (loop_turn(bench.loop))
        continue;
    ck_assert_int_eq(heard.ended, 0);
    heard_clear(&heard);
    timer_stop(&bench.patience);
    loop_free(bench.loop);
}
END_TEST

START_TEST(test_survives_the_death_of_the_supervisor)
{
    struct bench bench;
    struct heard heard[3] = {{0}, {0}, {.stop_at = "ready"}};
    char mark[64];
    snprintf(mark, sizeof mark, "GOTO_MARK=death-%d", getpid());
    bench_open(&bench);
    tree_start(&heard[0], &bench, mark, "echo some; sleep 1000 & exec sleep 1000");
    tree_start(&heard[1], &bench, mark, "trap '' TERM; exec sleep 1000");
    tree_start(&heard[2], &bench, mark, "echo ready; exec sleep 1000");
    loop_run(bench.loop);
    wait_for_marked(mark, 4, 4);
    ck_assert_int_eq(kill(bench.supervisor->pid, SIGKILL), 0);
    loop_run(bench.loop);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(heard[i].ended, 1);
        ck_assert_int_eq(heard[i].end.error, EOWNERDEAD);
        ck_assert_int_eq(process_signal(heard[i].process, SIGTERM), -ESRCH);
    }
    ck_str_is(buf_str(&heard[0].text), "1:some\n");
    wait_for_marked(mark, 0, 0);
    struct heard late = {0};
    heard_start_shell(&late, &bench, "true");
    loop_run(bench.loop);
    ck_assert_int_eq(late.end.error, EOWNERDEAD);
    for (int i = 0; i < 3; i++)
        heard_clear(&heard[i]);
    heard_clear(&late);
    bench_close(&bench);
}
END_TEST

START_TEST(test_the_supervisor_ignores_signals)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGALRM};
    struct bench bench;
    struct heard heard = {0};
    bench_open(&bench);
    heard_start_shell(&heard, &bench, "true");
    loop_run(bench.loop);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        ck_assert_int_eq(kill(bench.supervisor->pid, signals[i]), 0);
    ck_assert_int_ne(getsid(bench.supervisor->pid), getsid(0));
    heard_clear(&heard);
    heard = (struct heard){0};
    heard_start_shell(&heard, &bench, "echo still here");
    loop_run(bench.loop);
    ck_str_is(buf_str(&heard.text), "1:still here\n");
    heard_clear(&heard);
    bench_close(&bench);
}
END_TEST

START_TEST(test_may_be_freed_without_a_loop)
{
    int error;
    struct supervisor *supervisor = supervisor_new(&error);
    ck_assert_ptr_nonnull(supervisor);
    pid_t pid = supervisor->pid;
    supervisor_free(supervisor);
    ck_assert_int_ne(kill(pid, 0), 0);
    supervisor_free(NULL);
    process_free(NULL);
}
END_TEST

START_TEST(test_may_be_made_without_standard_files)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct bench bench;
        struct heard heard = {0};
        int error;
        for (int fd = 0; fd < 3; fd++)
            close(fd);
        bench.supervisor = supervisor_new(&error);
        /* libuv will have nothing of its own there */
        while (open("/dev/null", O_RDWR) < 3)
            continue;
        bench_open_with(&bench, bench.supervisor);
        heard_start_shell(&heard, &bench, "cat; echo out; echo err >&2");
        loop_run(bench.loop);
        _exit(heard.end.exit_code == 0 && heard.lines == 2 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
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
          test_reads_the_rest, test_stop_kills_what_ignores_term, test_stop_asks_first,
          test_stop_reaches_what_an_ended_one_left, test_free_kills_the_group_of_a_living_one,
          test_can_be_freed_by_its_handler, test_can_be_freed_at_once, test_signals_the_group,
          test_signals_one_that_is_being_started, test_knows_signals_by_name,
          test_samples_a_living_one, test_runs_many_at_once, test_runs_many_after_each_other,
          test_never_waits_for_the_supervisor, test_tells_when_descriptors_run_out,
          test_programs_do_not_outlive_both, test_killed_goto_run_leaves_no_orphan,
          test_killed_at_once_goto_run_leaves_no_orphan, test_ends_programs_that_fork_all_the_time,
          test_free_leaves_nothing, test_process_may_be_freed_after_the_supervisor,
          test_survives_the_death_of_the_supervisor, test_the_supervisor_ignores_signals,
          test_may_be_freed_without_a_loop, test_may_be_made_without_standard_files)
