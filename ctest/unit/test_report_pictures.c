/* Reports for people: the picture of a failure, the timeline, the console; secrets, and files. */
#include "ctest/unit/report_rig.h"

/* The picture */

static struct str picture(struct fake *fake, const struct check *check, bool color)
{
    const struct console_options options = {.program = "goto-run", .color = color};
    struct buf text;
    buf_init(&text, BUF_OWN);
    report_failure(&fake->result, check, &options, &text);
    struct str copy = arena_copy(fake->arena, buf_str(&text));
    buf_clear(&text);
    ck_assert(str_is_utf8(copy, NULL));
    return copy;
}

START_TEST(test_picture)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    struct check *check = fake_failure(&fake, "GET /foo", "503", "200");
    check->replay = STR("curl -sS http://127.0.0.1:1/foo");
    fake_entry(&fake, ENTRY_PORT_OPEN, "api", 0, (struct entry){0}, "127.0.0.1:40123");
    fake_request(&fake, 1, "/foo", (struct str){0}, 12);
    fake_response(&fake, 1, 200, 13);
    ck_str_is(picture(&fake, check, false),
              "FAIL examples/x.goto.yaml › one › GET /foo                              12ms\n"
              "    examples/x.goto.yaml:5:7: status: expected 503, got 200\n"
              "      5 |       status: 503\n"
              "        |       ^~~~~~\n"
              "    timeline:\n"
              "        +0.000s  api   open on 127.0.0.1:40123\n"
              "          +12ms  api   GET /foo → 200 in 1.2ms\n"
              "    replay:  curl -sS http://127.0.0.1:1/foo\n"
              "    rerun:   goto-run examples/x.goto.yaml:1 --seed 42\n");
    ck_has(picture(&fake, check, true), "\x1b[1;31mFAIL\x1b[0m");
    fake_clear(&fake);
}
END_TEST

START_TEST(test_picture_quotes_the_rerun)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    fake.result.file = STR("-my file's.yaml");
    ck_has(picture(&fake, fake_failure(&fake, "a", "1", "2"), false),
           "goto-run './-my file'\\''s.yaml:1' --seed 42\n");
    fake_clear(&fake);
}
END_TEST

static const struct json *json_of(struct fake *fake, const char *text)
{
    struct json_error error;
    const struct json *value = json_read(fake->arena, str_of(text), &error);
    ck_assert_ptr_nonnull(value);
    return value;
}

START_TEST(test_picture_of_a_json_difference)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    struct check *check = fake_check(&fake, "a", VERDICT_FAIL);
    const struct mismatch mismatch = {
        .place = status_place,
        .expected = STR("{...}"),
        .actual = STR("{...}"),
        .expected_json = json_of(&fake, "{\"a\":{\"b\":1},\"c\":2,\"e f\":[1,\"x\\ny\\n\"]}"),
        .actual_json = json_of(&fake, "{\"a\":{\"b\":2},\"d\":[],\"e f\":[1,\"x\\nz\\n\"]}")};
    failures_add(&check->failures, STR("json"), &mismatch);
    struct str text = picture(&fake, check, false);
    ck_has(text, "json: is not as expected:\n");
    ck_has(text, "      $.a.b: expected 1, got 2\n");
    ck_has(text, "      $.c: missing, expected 2\n");
    ck_has(text, "      $.d: not expected: []\n");
    ck_has(text, "      $['e f'][1]: expected \"x\\ny\\n\", got \"x\\nz\\n\"\n"
                 "        - expected, + got\n"
                 "          x\n"
                 "        - y\n"
                 "        + z\n");
    fake_clear(&fake);
}
END_TEST

START_TEST(test_timeline_folds_and_is_bounded)
{
    struct fake fake;
    fake_init(&fake, 0, "one");
    struct check *check = fake_failure(&fake, "a", "1", "2");
    check->start_ns = 0;
    check->end_ns = 900 * CLOCK_MS;
    for (uint64_t i = 1; i <= 300; i++) {
        if (i == 200)
            fake_entry(&fake, ENTRY_EVENT, "down", 200, (struct entry){0}, "close api");
        fake_request(&fake, i, "/foo", (struct str){0}, (int64_t)i);
        fake_response(&fake, i, 200, (int64_t)i);
    }
    struct str text = picture(&fake, check, false);
    ck_has(text, "… 198 more requests like this\n");
    ck_has(text, "+200ms  down  event fires: close api\n");
    ck_has(text, "… 100 more requests like this\n");
    for (uint64_t i = 1; i <= 3000; i++) {
        char target[32];
        snprintf(target, sizeof target, "/%d", (int)i);
        fake_request(&fake, i + 300, target, (struct str){0}, 300);
        fake_response(&fake, i + 300, i == 7 ? 500 : 200, 300);
    }
    text = picture(&fake, check, false);
    size_t lines = 0;
    for (struct str rest = text; rest.size; lines++)
        next_line(&rest);
    ck_assert_uint_lt(lines, 40);
    ck_has(text, "that are not shown)");
    ck_has(text, "GET /7 → 500");
    fake_clear(&fake);
}
END_TEST

START_TEST(test_words_of_every_kind)
{
    struct fake fake;
    struct buf text;
    buf_init(&text, BUF_OWN);
    fake_hostile(&fake, 0);
    fake_request(&fake, 7, "/a", (struct str){0}, 20);
    fake_response(&fake, 7, 404, 21);
    for (uint64_t i = 1; i <= journal_last(fake.journal); i++) {
        buf_reset(&text);
        report_entry_words(fake.journal, journal_get(fake.journal, i), &text);
        struct str words = buf_str(&text);
        ck_assert(words.size > 5 && words.size < 2000 && str_find_byte(words, '\n') < 0);
        ck_assert(str_is_utf8(words, NULL) && str_find_byte(words, '\x1b') < 0);
    }
    ck_str_is(buf_str(&text), "+21ms  api  GET /a → 404 in 1.2ms");
    buf_clear(&text);
    fake_clear(&fake);
}
END_TEST

/* The console */

static struct str console(struct fake *fakes, size_t count, struct console_options options,
                          struct arena *arena)
{
    options.fd = open(in_folder("console"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(options.fd, 0);
    options.program = "goto-run";
    struct reporter *reporter = console_new(&options);
    for (size_t i = 0; i < count; i++)
        reporter->type->started(reporter, &fakes[i].result);
    for (size_t i = 0; i < count; i++)
        reporter->type->finished(reporter, &fakes[i].result);
    ck_assert_int_eq(reporter->type->finish(reporter, &totals, 1234 * CLOCK_MS), 0);
    reporter->type->free(reporter);
    close(options.fd);
    struct str text = file_text(arena, in_folder("console"));
    folder_remove("console");
    return text;
}

START_TEST(test_console)
{
    struct fake fakes[2];
    struct arena *arena = arena_new();
    fake_init(&fakes[0], 0, "one");
    fake_check(&fakes[0], "first", VERDICT_PASS);
    fake_init(&fakes[1], 1, "two");
    fake_failure(&fakes[1], "second", "1", "2");
    const char *summary = "2 scenarios, 4 checks: 1 passed, 1 failed, 1 error, 1 skipped in "
                          "1.234s (seed 42)\n";
    ck_str_is(console(fakes, 1, (struct console_options){0}, arena), summary);
    struct str text = console(fakes, 2, (struct console_options){0}, arena);
    ck_assert(str_starts(text, STR("FAIL examples/x.goto.yaml › two › second ")));
    ck_assert(str_ends(text, str_of(summary)));
    text = console(fakes, 2, (struct console_options){.verbosity = VERBOSE_MORE}, arena);
    ck_has(text, "examples/x.goto.yaml › one  734ms (seed 42)\n  ok        12ms  first\n");
    ck_has(text, "  FAIL      12ms  second\n");
    text = console(fakes, 2, (struct console_options){.terminal = true}, arena);
    ck_assert(str_starts(text, STR("0 done, 1 running: examples/x.goto.yaml › one\r\x1b[K0 done, "
                                   "2 running: examples/x.goto.yaml › two\r\x1b[K1 done, 1 ")));
    fakes[1].result.seed = 43;
    text = console(fakes, 2, (struct console_options){.color = true}, arena);
    ck_has(text, "(seeds differ)\n");
    ck_has(text, "--seed 43");
    ck_has(text, "\x1b[32m1 passed\x1b[0m");
    fake_clear(&fakes[0]);
    fake_clear(&fakes[1]);
    arena_free(arena);
}
END_TEST

START_TEST(test_console_tells_a_full_disk)
{
    const struct console_options options = {.fd = open("/dev/full", O_WRONLY)};
    struct reporter *reporter = console_new(&options);
    ck_assert_int_eq(reporter->type->finish(reporter, &totals, 1), -ENOSPC);
    reporter->type->free(reporter);
    close(options.fd);
}
END_TEST

/* Secrets */

START_TEST(test_no_reporter_tells_a_secret)
{
    struct fake fake;
    struct arena *arena = arena_new();
    report_add_secret(STR("hunter\"2"));
    fake_init(&fake, 0, "with hunter\"2");
    struct check *check = fake_failure(&fake, "hunter\"2", "hunter\"2", "\"hunter\\\"2\"");
    check->replay = STR("curl -u me:hunter\"2 'http://a/?q=hunter%222'");
    fake.result.file = STR("hunter\"2.yaml");
    fake.result.tmp = STR("/tmp/hunter\"2");
    fake_request(&fake, 1, "/?q=hunter%222", STR("hunter\"2"), 11);
    fake_entry(&fake, ENTRY_OUTPUT, "app", 12, (struct entry){0}, "hunter\"2");
    fake_entry(&fake, ENTRY_LOG, "hunter\"2", 12, (struct entry){0}, "hunter\"2");
    struct str texts[] = {
        document(tap_new(in_folder("a"), false), &fake, 1, arena),
        document(tap_new(in_folder("a"), true), &fake, 1, arena),
        document(junit_new(in_folder("a")), &fake, 1, arena),
        document(ndjson_new(in_folder("a")), &fake, 1, arena),
        console(&fake, 1, (struct console_options){.verbosity = VERBOSE_MORE, .terminal = true},
                arena),
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ck_has(texts[i], "***");
        ck_has_not(texts[i], "hunter");
    }
    folder_remove("a");
    fake_clear(&fake);
    arena_free(arena);
}
END_TEST

/** A piece of what passed on a connection of "db". */
static void fake_piece(struct fake *fake, uint64_t connection, bool sent, unsigned flags,
                       const char *text)
{
    fake_entry(fake, ENTRY_BYTES, "db", 13,
               (struct entry){.connection = connection,
                              .value = sent,
                              .extra = strlen(text),
                              .flags = (uint16_t)flags},
               text);
}

START_TEST(test_a_secret_in_two_pieces_is_told_by_none)
{
    struct fake fake;
    struct arena *arena = arena_new();
    report_add_secret(STR("hunter2"));
    fake_init(&fake, 0, "with pieces");
    fake_failure(&fake, "x", "a", "b");
    fake_piece(&fake, 1, false, 0, "AUTH hun");
    fake_piece(&fake, 2, false, 0, "two ter2");
    fake_piece(&fake, 1, true, 0, "back ter2");
    fake_piece(&fake, 1, false, 0, "ter2 end");
    fake_piece(&fake, 2, true, 0, "none");
    fake_piece(&fake, 2, true, ENTRY_CUT, "last hunte");
    struct str json = document(ndjson_new(in_folder("a")), &fake, 1, arena);
    struct str told = console(
        &fake, 1, (struct console_options){.verbosity = VERBOSE_MORE, .terminal = false}, arena);
    ck_has(json, "\"text\":\"AUTH ***\"");
    ck_has(json, "\"text\":\" end\"");
    ck_has(json, "\"text\":\"two ter2\"");
    ck_has(json, "\"text\":\"back ter2\"");
    ck_has(json, "\"text\":\"last ***\"");
    ck_has(told, "received 8");
    ck_has_not(told, "AUTH");
    ck_has_not(told, "hun");
    ck_has_not(told, "ter2");
    folder_remove("a");
    fake_clear(&fake);
    arena_free(arena);
}
END_TEST

/* Files */

START_TEST(test_writes_whole_files)
{
    struct arena *arena = arena_new();
    struct stat before;
    struct stat after;
    char link[256];
    ck_assert_int_eq(report_write(in_folder("a"), STR("one")), 0);
    ck_assert_int_eq(chmod(in_folder("a"), 0640), 0);
    ck_assert_int_eq(stat(in_folder("a"), &before), 0);
    ck_assert_int_eq(report_write(in_folder("a"), STR("two")), 0);
    ck_assert_int_eq(stat(in_folder("a"), &after), 0);
    ck_assert(before.st_ino != after.st_ino && (after.st_mode & 0777) == 0640);
    ck_str_is(file_text(arena, in_folder("a")), "two");
    snprintf(link, sizeof link, "%s", in_folder("link"));
    ck_assert_int_eq(symlink("a", link), 0);
    ck_assert_int_eq(report_write(link, STR("three")), 0);
    ck_assert_int_eq(lstat(link, &after), 0);
    ck_assert(S_ISLNK(after.st_mode));
    ck_str_is(file_text(arena, in_folder("a")), "three");
    unlink(link);
    unlink(in_folder("a"));
    ck_assert_int_eq(rmdir(folder), 0); /* nothing was left behind */
    arena_free(arena);
}
END_TEST

START_TEST(test_tells_why_it_cannot_write)
{
    struct stat after;
    ck_assert_int_eq(report_write(in_folder("no/such/file"), STR("x")), -ENOENT);
    ck_assert_int_eq(report_write(folder, STR("x")), -EISDIR);
    ck_assert_int_eq(report_write("/dev/full", STR("x")), -ENOSPC);
    ck_assert_int_eq(stat("/dev/full", &after), 0);
    ck_assert(S_ISCHR(after.st_mode));
    ck_assert_int_eq(report_write("/dev/null", STR("x")), 0);
    ck_assert_int_eq(report_write("", STR("x")), -ENOENT);
    int kept = dup(1);
    int full = open("/dev/full", O_WRONLY);
    dup2(full, 1);
    int status = report_write("-", STR("x"));
    dup2(kept, 1);
    ck_assert_int_eq(status, -ENOSPC);
    close(kept);
    close(full);
    rmdir(folder);
}
END_TEST

START_TEST(test_reporters_tell_a_failed_write)
{
    struct reporter *reporters[] = {tap_new("/dev/full", false), junit_new("/dev/full"),
                                    ndjson_new("/dev/full")};
    struct fake fake;
    fake_init(&fake, 0, "one");
    for (size_t i = 0; i < COUNT_OF(reporters); i++) {
        reporters[i]->type->finished(reporters[i], &fake.result);
        ck_assert_int_eq(reporters[i]->type->finish(reporters[i], &totals, 1), -ENOSPC);
        reporters[i]->type->free(reporters[i]);
    }
    fake_clear(&fake);
}
END_TEST

UNIT_MAIN("report_pictures", test_picture, test_picture_quotes_the_rerun,
          test_picture_of_a_json_difference, test_timeline_folds_and_is_bounded,
          test_words_of_every_kind, test_console, test_console_tells_a_full_disk,
          test_no_reporter_tells_a_secret, test_a_secret_in_two_pieces_is_told_by_none,
          test_writes_whole_files, test_tells_why_it_cannot_write,
          test_reporters_tell_a_failed_write)
