#include "base/units.h"

enum { MOST_FRACTION = 18 };

/** A unit and what it is worth. */
struct unit {
    struct str name;
    uint64_t worth;
};

static const struct unit times[] = {
    {STR_INIT("us"), 1000ULL},
    {STR_INIT("ms"), 1000ULL * 1000},
    {STR_INIT("s"), 1000ULL * 1000 * 1000},
    {STR_INIT("m"), 60ULL * 1000 * 1000 * 1000},
    {STR_INIT("h"), 3600ULL * 1000 * 1000 * 1000},
    {STR_INIT("d"), 86400ULL * 1000 * 1000 * 1000},
};

static const struct unit sizes[] = {
    {STR_INIT(""), 1},
    {STR_INIT("B"), 1},
    {STR_INIT("KB"), 1000ULL},
    {STR_INIT("MB"), 1000ULL * 1000},
    {STR_INIT("GB"), 1000ULL * 1000 * 1000},
    {STR_INIT("TB"), 1000ULL * 1000 * 1000 * 1000},
    {STR_INIT("KiB"), 1ULL << 10},
    {STR_INIT("MiB"), 1ULL << 20},
    {STR_INIT("GiB"), 1ULL << 30},
    {STR_INIT("TiB"), 1ULL << 40},
};

/** A decimal number: digits / 10^places. */
struct decimal {
    uint64_t whole;
    uint64_t fraction; /**< of `places` digits, the last of them not 0 */
    unsigned places;
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static uint64_t power_of_ten(unsigned exponent)
{
    uint64_t power = 1;
    while (exponent--)
        power *= 10;
    return power;
}

/** Takes the number at the start of *text off it. */
static bool decimal_take(struct str *text, struct decimal *decimal)
{
    size_t size = 0;
    *decimal = (struct decimal){0};
    while (size < text->size && is_digit(text->data[size]))
        size++;
    if (!str_to_u64(str_slice(*text, 0, size), UINT64_MAX, &decimal->whole))
        return false;
    *text = str_from(*text, size);
    if (text->size == 0 || text->data[0] != '.')
        return true;
    for (size = 1; size < text->size && is_digit(text->data[size]);)
        size++;
    struct str fraction = str_slice(*text, 1, size - 1);
    *text = str_from(*text, size);
    if (fraction.size == 0)
        return false;
    while (fraction.size && fraction.data[fraction.size - 1] == '0')
        fraction.size--;
    if (fraction.size > MOST_FRACTION)
        return false;
    decimal->places = (unsigned)fraction.size;
    return fraction.size == 0 || str_to_u64(fraction, UINT64_MAX, &decimal->fraction);
}

/** The number times `worth`, when that is a whole number of at most `most`. */
static bool decimal_times(const struct decimal *decimal, uint64_t worth, uint64_t most,
                          uint64_t *value)
{
    unsigned __int128 part = (unsigned __int128)decimal->fraction * worth;
    uint64_t power = power_of_ten(decimal->places);
    if (part % power)
        return false;
    unsigned __int128 sum = (unsigned __int128)decimal->whole * worth + part / power;
    if (sum > most)
        return false;
    *value = (uint64_t)sum;
    return true;
}

static const struct unit *unit_find(const struct unit *units, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal(units[i].name, name))
            return &units[i];
    }
    return NULL;
}

bool units_read_time(struct str text, bool negative, int64_t *ns)
{
    struct decimal decimal;
    uint64_t value = 0;
    bool minus = negative && str_starts(text, STR("-"));
    text = str_from(text, minus ? 1 : 0);
    bool zero = str_is(text, "0");
    if (!decimal_take(&text, &decimal))
        return false;
    const struct unit *unit = unit_find(times, COUNT_OF(times), text);
    if (!zero && (!unit || !decimal_times(&decimal, unit->worth, INT64_MAX, &value)))
        return false;
    *ns = minus ? -(int64_t)value : (int64_t)value;
    return true;
}

bool units_read_duration(struct str text, struct duration *duration)
{
    struct duration read = {DURATION_FIXED, 0, 0};
    ptrdiff_t at = str_find_byte(text, '~');
    read.kind = at >= 0 ? DURATION_NORMAL : DURATION_FIXED;
    if (at < 0) {
        at = str_find_byte(text, '-');
        read.kind = at >= 0 ? DURATION_UNIFORM : DURATION_FIXED;
    }
    size_t low_size = at >= 0 ? (size_t)at : text.size;
    if (!units_read_time(str_slice(text, 0, low_size), false, &read.low_ns))
        return false;
    if (at >= 0 && !units_read_time(str_from(text, low_size + 1), false, &read.high_ns))
        return false;
    if (read.kind == DURATION_UNIFORM && read.low_ns > read.high_ns)
        return false;
    if (read.kind == DURATION_FIXED)
        read.high_ns = read.low_ns;
    *duration = read;
    return true;
}

/** A size; *with_unit tells whether a unit was written. */
static bool size_read(struct str text, uint64_t *bytes, bool *with_unit)
{
    struct decimal decimal;
    if (!decimal_take(&text, &decimal))
        return false;
    const struct unit *unit = unit_find(sizes, COUNT_OF(sizes), text);
    *with_unit = text.size > 0;
    return unit && decimal_times(&decimal, unit->worth, UINT64_MAX, bytes);
}

bool units_read_size(struct str text, uint64_t *bytes)
{
    bool with_unit;
    return size_read(text, bytes, &with_unit);
}

bool units_read_size_range(struct str text, struct size_range *range)
{
    struct size_range read;
    ptrdiff_t at = str_find_byte(text, '-');
    size_t low_size = at >= 0 ? (size_t)at : text.size;
    if (!units_read_size(str_slice(text, 0, low_size), &read.low))
        return false;
    read.high = read.low;
    if (at >= 0 && !units_read_size(str_from(text, low_size + 1), &read.high))
        return false;
    if (read.low > read.high)
        return false;
    *range = read;
    return true;
}

/** Events for each `per_ns`: a fraction makes the time longer instead of the number smaller. */
static bool rate_of_events(struct str amount, struct rate *rate)
{
    struct decimal decimal;
    int64_t per_ns = rate->per_ns;
    if (!decimal_take(&amount, &decimal) || amount.size)
        return false;
    uint64_t power = power_of_ten(decimal.places);
    return power <= (uint64_t)(INT64_MAX / per_ns) &&
           decimal_times(&decimal, power, UINT64_MAX, &rate->amount) &&
           !__builtin_mul_overflow(per_ns, (int64_t)power, &rate->per_ns);
}

bool units_read_rate(struct str text, struct rate *rate)
{
    struct rate read = {0};
    ptrdiff_t at = str_find_byte(text, '/');
    if (at < 0)
        return false;
    struct str amount = str_slice(text, 0, (size_t)at);
    struct str per = str_from(text, (size_t)at + 1);
    if (!str_is(per, "s") && !str_is(per, "m") && !str_is(per, "h"))
        return false;
    read.per_ns = (int64_t)unit_find(times, COUNT_OF(times), per)->worth;
    if (!size_read(amount, &read.amount, &read.bytes) || !read.bytes) {
        read.bytes = false;
        if (!rate_of_events(amount, &read))
            return false;
    }
    if (read.amount == 0)
        return false;
    *rate = read;
    return true;
}

bool units_read_share(struct str text, double *share)
{
    struct decimal decimal;
    if (!decimal_take(&text, &decimal) || !str_is(text, "%"))
        return false;
    if (decimal.whole > 100 || (decimal.whole == 100 && decimal.fraction))
        return false;
    /* The whole percentage as one integer: rounded once, by the division. */
    if (decimal.places > MOST_FRACTION - 2)
        return false;
    uint64_t power = power_of_ten(decimal.places);
    *share = (double)(decimal.whole * power + decimal.fraction) / (double)(power * 100);
    return true;
}

/** value / worth with at most 4 significant digits; *scaled / 10^*places. */
static void round_to_four(uint64_t value, uint64_t worth, uint64_t *scaled, unsigned *places)
{
    uint64_t whole = value / worth;
    *places = whole >= 1000 ? 0 : whole >= 100 ? 1 : whole >= 10 ? 2 : 3;
    unsigned __int128 wide = (unsigned __int128)value * power_of_ten(*places);
    *scaled = (uint64_t)((wide + worth / 2) / worth);
    while (*places && *scaled % 10 == 0) {
        *scaled /= 10;
        --*places;
    }
}

static void write_rounded(uint64_t value, const struct unit *unit, struct buf *into)
{
    uint64_t scaled;
    unsigned places;
    round_to_four(value, unit->worth, &scaled, &places);
    uint64_t power = power_of_ten(places);
    buf_printf(into, "%llu", (unsigned long long)(scaled / power));
    if (places)
        buf_printf(into, ".%0*llu", (int)places, (unsigned long long)(scaled % power));
}

/** Whether the value, rounded, reaches `next` of this unit: then the next unit shows it. */
static bool rounds_up_to(uint64_t value, const struct unit *unit, uint64_t next)
{
    uint64_t scaled;
    unsigned places;
    round_to_four(value, unit->worth, &scaled, &places);
    return places == 0 && scaled >= next;
}

/** "2m3s": a large unit and the next smaller one, rounded to that. */
static bool write_pair(uint64_t ns, const struct unit *large, const struct unit *small,
                       uint64_t most, struct buf *into)
{
    uint64_t in_small = ns / small->worth + (ns % small->worth >= small->worth / 2);
    uint64_t ratio = large->worth / small->worth;
    if (in_small / ratio > most)
        return false;
    buf_printf(into, "%llu" STR_FMT, (unsigned long long)(in_small / ratio), STR_ARG(large->name));
    if (in_small % ratio)
        buf_printf(into, "%llu" STR_FMT, (unsigned long long)(in_small % ratio),
                   STR_ARG(small->name));
    return true;
}

void units_write_time(int64_t ns, struct buf *into)
{
    enum { US, MS, S, M, H, D };
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns == 0) {
        buf_append_string(into, "0ms");
        return;
    }
    if (ns < 0)
        buf_append_byte(into, '-');
    for (int i = US; i <= S; i++) {
        if (rounds_up_to(size, &times[i], i == S ? 60 : 1000))
            continue;
        write_rounded(size, &times[i], into);
        buf_append(into, times[i].name);
        return;
    }
    if (write_pair(size, &times[M], &times[S], 59, into) ||
        write_pair(size, &times[H], &times[M], 23, into))
        return;
    bool written = write_pair(size, &times[D], &times[H], UINT64_MAX, into);
    GOTO_ASSERT(written);
}

void units_write_size(uint64_t bytes, struct buf *into)
{
    static const struct unit shown[] = {
        {STR_INIT("B"), 1},
        {STR_INIT("KiB"), 1ULL << 10},
        {STR_INIT("MiB"), 1ULL << 20},
        {STR_INIT("GiB"), 1ULL << 30},
        {STR_INIT("TiB"), 1ULL << 40},
        {STR_INIT("PiB"), 1ULL << 50},
        {STR_INIT("EiB"), 1ULL << 60},
    };
    size_t i = 0;
    while (i + 1 < COUNT_OF(shown) && rounds_up_to(bytes, &shown[i], 1024))
        i++;
    write_rounded(bytes, &shown[i], into);
    buf_append_byte(into, ' ');
    buf_append(into, shown[i].name);
}
