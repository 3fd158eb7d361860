#include "server/fault/fault_lines.h"

/** The bytes by `value` of the choices. */
static const struct fault_status_line status_lines[] = {
    {STR_INIT("$c $r\r\n")},          {STR_INIT("$v $r\r\n")},
    {STR_INIT("$v abc $r\r\n")},      {STR_INIT("$v 20 $r\r\n")},
    {STR_INIT("$v $c0 $r\r\n")},      {STR_INIT("$v 000 $r\r\n")},
    {STR_INIT("$v$c $r\r\n")},        {STR_INIT("http/1.1 $c $r\r\n")},
    {STR_INIT("$v $c \xff\xfe\r\n")}, {STR_INIT("")},
    {STR_INIT("$v $c $r\r\n"), true}, {STR_INIT("HTTP/1."), true},
};

const struct choice fault_status_line_choices[] = {
    {"no-version", 0, "`200 OK\\r\\n`"},
    {"no-code", 1, "`HTTP/1.1 OK\\r\\n`"},
    {"letters", 2, "`HTTP/1.1 abc OK\\r\\n`"},
    {"short-code", 3, "`HTTP/1.1 20 OK\\r\\n`"},
    {"long-code", 4, "`HTTP/1.1 2000 OK\\r\\n`"},
    {"zero-code", 5, "`HTTP/1.1 000 OK\\r\\n`"},
    {"no-blank", 6, "`HTTP/1.1200 OK\\r\\n`"},
    {"lower-case", 7, "`http/1.1 200 OK\\r\\n`"},
    {"reason-bytes", 8, "`HTTP/1.1 200 \\xff\\xfe\\r\\n`"},
    {"missing", 9, "the answer begins with its first header"},
    {"alone", 10, "`HTTP/1.1 200 OK\\r\\n`, then FIN"},
    {"half", 11, "`HTTP/1.`, then FIN"},
    {NULL},
};

const struct fault_status_line *fault_status_line(int kind)
{
    return &status_lines[kind];
}

/** The bytes by `value` of the choices. */
static const struct str header_lines[] = {
    STR_INIT("x-bad no colon\r\n"), STR_INIT(": no name\r\n"),       STR_INIT("x bad: a\r\n"),
    STR_INIT("x-bad : a\r\n"),      STR_INIT(" x-bad: a\r\n"),       STR_INIT("x-bad: a\r\n b\r\n"),
    STR_INIT("x-bad: a\0b\r\n"),    STR_INIT("x-bad: a\001b\r\n"),   STR_INIT("x-bad: a\rb\r\n"),
    STR_INIT("x-bad: a\n"),         STR_INIT("x-bad: \xff\xfe\r\n"),
};

const struct choice fault_header_choices[] = {
    {"no-colon", 0, "`x-bad no colon\\r\\n`"},     {"no-name", 1, "`: no name\\r\\n`"},
    {"blank-in-name", 2, "`x bad: a\\r\\n`"},      {"blank-before-colon", 3, "`x-bad : a\\r\\n`"},
    {"blank-before-name", 4, "` x-bad: a\\r\\n`"}, {"folded", 5, "`x-bad: a\\r\\n b\\r\\n`"},
    {"nul", 6, "`x-bad: a\\x00b\\r\\n`"},          {"control", 7, "`x-bad: a\\x01b\\r\\n`"},
    {"bare-cr", 8, "`x-bad: a\\rb\\r\\n`"},        {"bare-lf", 9, "`x-bad: a\\n`"},
    {"bytes", 10, "`x-bad: \\xff\\xfe\\r\\n`"},    {NULL},
};

struct str fault_header_line(int kind)
{
    return header_lines[kind];
}

/** The bytes around the data, by `value` of the choices. */
static const struct fault_chunk chunks[] = {
    {STR_INIT("xyz\r\n"), STR_INIT("\r\n")},     {STR_INIT("\r\n"), STR_INIT("\r\n")},
    {STR_INIT("-$n\r\n"), STR_INIT("\r\n")},     {STR_INIT("1$N\r\n"), STR_INIT("\r\n")},
    {STR_INIT("$+\r\n"), STR_INIT("\r\n")},      {STR_INIT("$-\r\n"), STR_INIT("\r\n")},
    {STR_INIT("$n\r\n"), STR_INIT("0\r\n\r\n")},
};

const struct choice fault_chunk_choices[] = {
    {"letters", 0, "`xyz\\r\\nhello\\r\\n`"},
    {"no-size", 1, "`\\r\\nhello\\r\\n`"},
    {"negative", 2, "`-5\\r\\nhello\\r\\n`"},
    {"huge", 3, "`10000000000000005\\r\\nhello\\r\\n`: 2^64 more than it is"},
    {"too-long", 4, "`15\\r\\nhello\\r\\n`: 16 more than it is"},
    {"too-short", 5, "`4\\r\\nhello\\r\\n`: 1 less than it is"},
    {"no-line-end", 6, "`5\\r\\nhello0\\r\\n\\r\\n`"},
    {NULL},
};

const struct fault_chunk *fault_chunk(int kind)
{
    return &chunks[kind];
}

/** The lines by `value` of the choices; the first is that of a difference. */
static const struct str length_lines[] = {
    STR_INIT("content-length: $d\r\n"),
    STR_INIT("content-length: ten\r\n"),
    STR_INIT("content-length: 36893488147419103232\r\n"),
    STR_INIT("content-length: $l\r\ncontent-length: $d\r\n"),
};
const struct choice fault_length_choices[] = {
    {"letters", 1, "`content-length: ten\\r\\n`"},
    {"huge", 2, "`content-length: 36893488147419103232\\r\\n`: 2^65"},
    {"two", 3, "`content-length: 5\\r\\ncontent-length: 6\\r\\n`: the right one, and one more"},
    {NULL},
};

struct str fault_length_line(int kind)
{
    return length_lines[kind];
}
