/* Programs under a supervisor: stopping, signals, many of them, and no orphans. */
#include "ctest/unit/supervisor_rig.h"

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

UNIT_MAIN("supervisor-ends", test_stop_kills_what_ignores_term, test_stop_asks_first,
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
