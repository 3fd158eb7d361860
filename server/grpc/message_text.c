/* Texts that stand for values: default values, timestamps, durations, field masks, paths.
 */
#include "server/grpc/message_private.h"

#include "base/base64.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct str text_format(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    GOTO_ASSERT(size >= 0);
    char *text = arena_alloc(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, args);
    return (struct str){text, (size_t)size};
}

/* paths */

static bool is_plain_name(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '@' || c == '[' || c == ']'))
            return false;
    }
    return name.size > 0;
}

static void path_write(const struct path *path, struct buf *into)
{
    enum { MOST = 80 };
    if (!path->up)
        return;
    path_write(path->up, into);
    if (!path->name.data) {
        (void)!buf_printf(into, "[%zu]", path->index);
    } else if (path->key || !is_plain_name(path->name)) {
        (void)!buf_append_byte(into, '[');
        json_write_string(str_slice(path->name, 0, MOST), into);
        (void)!buf_append_byte(into, ']');
    } else {
        (void)!buf_printf(into, "%s" STR_FMT, into->size ? "." : "",
                          STR_ARG(str_slice(path->name, 0, MOST)));
    }
}

struct str path_text(struct arena *arena, const struct path *path, const struct proto_message *root)
{
    struct buf buf;
    buf_init(&buf, BUF_OWN);
    path_write(path, &buf);
    struct str text = buf.size ? arena_copy(arena, buf_str(&buf)) : root->name;
    buf_clear(&buf);
    return text;
}

/* default values */

static bool octal_digit(char c)
{
    return c >= '0' && c <= '7';
}

/* One character of C's escapes behind a backslash, as protoc writes bytes. */
static size_t unescape_one(struct str text, char *out)
{
    static const char names[] = "abfnrtv";
    static const char values[] = "\a\b\f\n\r\t\v";
    const char *at = text.data[0] ? strchr(names, text.data[0]) : NULL;
    unsigned value = 0;
    size_t size = 0;
    while (size < 3 && size < text.size && octal_digit(text.data[size]))
        value = value * 8 + (unsigned)(text.data[size++] - '0');
    if (size) {
        *out = (char)value;
        return size;
    }
    *out = at ? values[at - names] : text.data[0];
    return 1;
}

static struct str unescape(struct arena *arena, struct str text)
{
    char *made = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    for (size_t at = 0; at < text.size;) {
        if (text.data[at] != '\\' || at + 1 == text.size)
            made[size++] = text.data[at++];
        else
            at += 1 + unescape_one(str_from(text, at + 1), &made[size++]);
    }
    return (struct str){made, size};
}

static struct str default_number(struct str text)
{
    if (str_is(text, "inf"))
        return STR(".inf");
    if (str_is(text, "-inf"))
        return STR("-.inf");
    return str_is(text, "nan") ? STR(".nan") : text;
}

struct json *scalar_default(struct arena *arena, const struct proto_field *field)
{
    struct scalar zero = {0};
    struct str text = field->default_text;
    if (field->repeated)
        return field->map ? json_object(arena) : json_array(arena);
    if (kind_is_message(field->kind))
        return json_object(arena);
    if (field->kind == PROTO_ENUM && !field->has_default)
        zero.number = (uint64_t)(int64_t)field->enumeration->values[0].number;
    if (!field->has_default)
        return scalar_json(arena, field, &zero);
    switch (field->kind) {
    case PROTO_BOOL:
        return json_bool(arena, str_is(text, "true"));
    case PROTO_STRING:
    case PROTO_ENUM:
        return json_string(arena, text);
    case PROTO_BYTES:
        return json_string(arena, base64_write(arena, unescape(arena, text), true));
    default:
        return json_number(arena, default_number(text));
    }
}

/* timestamps and durations */

enum { DAY = 86400, NANOS = 1000000000 };
static const int64_t FIRST_SECOND = -62135596800; /* 0001-01-01T00:00:00Z */
static const int64_t LAST_SECOND = 253402300799;  /* 9999-12-31T23:59:59Z */
static const int64_t LONGEST = 315576000000;      /* a Duration: 10000 years */

/* Days from 1970-01-01 to a date of the Gregorian calendar, years counted from March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    *day = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march + (from_march < 10 ? 3 : -9);
    *year = years + era * 400 + (*month <= 2);
}

/* `count` digits at the start, which are taken away. */
static bool take_digits(struct str *text, size_t count, int64_t *value)
{
    uint64_t number;
    if (text->size < count || !str_to_u64(str_slice(*text, 0, count), INT64_MAX, &number))
        return false;
    *value = (int64_t)number;
    *text = str_from(*text, count);
    return true;
}

static bool take_byte(struct str *text, char byte)
{
    if (text->size == 0 || text->data[0] != byte)
        return false;
    *text = str_from(*text, 1);
    return true;
}

/* ".5" as nanoseconds, nothing as 0; 1 to 9 digits. */
static bool take_fraction(struct str *text, int32_t *nanos)
{
    size_t digits = 0;
    int64_t value = 0;
    *nanos = 0;
    if (!take_byte(text, '.'))
        return true;
    while (digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9')
        digits++;
    if (digits < 1 || digits > 9 || !take_digits(text, digits, &value))
        return false;
    for (size_t i = digits; i < 9; i++)
        value *= 10;
    *nanos = (int32_t)value;
    return true;
}

/* "Z", "+02:00" or "-02:00" as seconds east of Greenwich. */
static bool take_zone(struct str *text, int64_t *east)
{
    int64_t hours;
    int64_t minutes;
    *east = 0;
    if (take_byte(text, 'Z'))
        return true;
    bool west = text->size && text->data[0] == '-';
    if (!take_byte(text, west ? '-' : '+') || !take_digits(text, 2, &hours) ||
        !take_byte(text, ':') || !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *east = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

static bool is_date(int64_t year, int64_t month, int64_t day)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (leap && month == 2);
}

const char *moment_read_timestamp(struct str text, struct moment *moment)
{
    static const char wrong[] = "expected a time as in \"2026-01-02T03:04:05.678Z\"";
    int64_t year, month, day, hour, minute, second, east;
    if (!take_digits(&text, 4, &year) || !take_byte(&text, '-') || !take_digits(&text, 2, &month) ||
        !take_byte(&text, '-') || !take_digits(&text, 2, &day) || !take_byte(&text, 'T') ||
        !take_digits(&text, 2, &hour) || !take_byte(&text, ':') ||
        !take_digits(&text, 2, &minute) || !take_byte(&text, ':') ||
        !take_digits(&text, 2, &second) || !take_fraction(&text, &moment->nanos) ||
        !take_zone(&text, &east) || text.size)
        return wrong;
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return "expected a date and time that exist (years 0001 to 9999)";
    moment->seconds = days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - east;
    if (moment->seconds < FIRST_SECOND || moment->seconds > LAST_SECOND)
        return "expected a time in the years 0001 to 9999";
    return NULL;
}

const char *moment_read_duration(struct str text, struct moment *moment)
{
    static const char wrong[] = "expected a duration in seconds as in \"1.5s\"";
    size_t digits = 0;
    bool negative = take_byte(&text, '-');
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    if (digits == 0)
        return wrong;
    if (!take_digits(&text, digits, &moment->seconds))
        return "expected a duration of at most 315576000000 s";
    if (!take_fraction(&text, &moment->nanos) || !take_byte(&text, 's') || text.size)
        return wrong;
    if (moment->seconds > LONGEST)
        return "expected a duration of at most 315576000000 s";
    if (negative) {
        moment->seconds = -moment->seconds;
        moment->nanos = -moment->nanos;
    }
    return NULL;
}

/* ".678" with 3, 6 or 9 digits; nothing for 0. */
static struct str fraction_text(struct arena *arena, int32_t nanos)
{
    if (nanos == 0)
        return (struct str){0};
    if (nanos % 1000000 == 0)
        return arena_printf(arena, ".%03d", (int)(nanos / 1000000));
    if (nanos % 1000 == 0)
        return arena_printf(arena, ".%06d", (int)(nanos / 1000));
    return arena_printf(arena, ".%09d", (int)nanos);
}

const char *moment_write_timestamp(struct arena *arena, struct moment moment, struct str *text)
{
    int64_t year, month, day;
    if (moment.seconds < FIRST_SECOND || moment.seconds > LAST_SECOND)
        return "a time outside the years 0001 to 9999";
    if (moment.nanos < 0 || moment.nanos >= NANOS)
        return "a time with nanos outside 0 to 999999999";
    int64_t days = (moment.seconds - FIRST_SECOND) / DAY + FIRST_SECOND / DAY;
    int64_t second = moment.seconds - days * DAY;
    date_of(days, &year, &month, &day);
    *text = arena_printf(arena,
                         "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64
                         ":%02" PRId64 STR_FMT "Z",
                         year, month, day, second / 3600, second / 60 % 60, second % 60,
                         STR_ARG(fraction_text(arena, moment.nanos)));
    return NULL;
}

const char *moment_write_duration(struct arena *arena, struct moment moment, struct str *text)
{
    bool negative = moment.seconds < 0 || moment.nanos < 0;
    if (moment.seconds < -LONGEST || moment.seconds > LONGEST || moment.nanos <= -NANOS ||
        moment.nanos >= NANOS)
        return "a duration outside its range";
    if (negative && (moment.seconds > 0 || moment.nanos > 0))
        return "a duration whose seconds and nanos have different signs";
    struct str fraction = fraction_text(arena, negative ? -moment.nanos : moment.nanos);
    *text = arena_printf(arena, "%s%" PRId64 STR_FMT "s", negative ? "-" : "",
                         negative ? -moment.seconds : moment.seconds, STR_ARG(fraction));
    return NULL;
}

/* field masks */

bool mask_read_path(struct arena *arena, struct str text, struct str *path)
{
    char *made = arena_alloc(arena, 2 * text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '_')
            return false;
        if (c >= 'A' && c <= 'Z') {
            made[size++] = '_';
            c = (char)(c - 'A' + 'a');
        }
        made[size++] = c;
    }
    *path = (struct str){made, size};
    return text.size > 0 && str_is_utf8(text, NULL);
}

bool mask_write_path(struct str path, struct buf *into)
{
    for (size_t i = 0; i < path.size; i++) {
        char c = path.data[i];
        if (c == '_') {
            i++;
            if (i == path.size || path.data[i] < 'a' || path.data[i] > 'z')
                return false;
            c = (char)(path.data[i] - 'a' + 'A');
        } else if ((c >= 'A' && c <= 'Z') || c == ',') {
            return false;
        }
        (void)!buf_append_byte(into, c);
    }
    return path.size > 0;
}
