/* Texts of anybody, made safe for the format that a report is written in. */
#include "base/json.h"
#include "runner/report/report_private.h"

#include <string.h>

/* Going through a text. */

/** The size of a terminal's escape sequence at the start of the text, or 0. */
static size_t ansi_size(struct str text)
{
    size_t at = 2;
    if (text.size < 2 || text.data[0] != '\x1b')
        return 0;
    if (text.data[1] == ']') {
        /* an operating system command goes to BEL or ESC \; a line's end ends a broken one */
        for (; at < text.size && !strchr("\a\x1b\n", text.data[at]); at++)
            ;
        if (at < text.size && text.data[at] == '\x1b')
            at++;
        return at < text.size && text.data[at] != '\n' ? at + 1 : at;
    }
    if (text.data[1] != '[')
        return text.data[1] >= 0x20 && text.data[1] < 0x7f ? 2 : 0;
    while (at < text.size && text.data[at] >= 0x20 && text.data[at] < 0x40)
        at++;
    return at < text.size && text.data[at] >= 0x40 && text.data[at] < 0x7f ? at + 1 : 0;
}

/** One character at `at`; a bad byte is U+FFFD. Returns its size. */
static size_t text_next(struct str text, size_t at, uint32_t *code)
{
    size_t size = str_decode(str_from(text, at), code);
    if (size == 0)
        *code = 0xfffd;
    return size ? size : 1;
}

static void text_put(uint32_t code, struct buf *into)
{
    char out[4];
    size_t size = str_encode(code, out);
    buf_append(into, (struct str){out, size});
}

/** Characters that a terminal or an editor obeys instead of showing: controls, separators,
 * directions. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff || code == 0xfffe || code == 0xffff;
}

/* The formats. */

/** Cleans what is masked already. */
static void clean_masked(struct str text, bool lines, struct buf *into)
{
    for (size_t at = 0; at < text.size;) {
        uint32_t code;
        size_t escape = ansi_size(str_from(text, at));
        if (escape) {
            at += escape;
            continue;
        }
        at += text_next(text, at, &code);
        if (code == '\n' && lines)
            buf_append_byte(into, '\n');
        else if (code == '\r' && str_starts(str_from(text, at), STR("\n")))
            continue;
        else if (code == '\n' || code == '\r' || code == '\t')
            buf_append_byte(into, ' ');
        else if (is_control(code))
            buf_append_string(into, REPORT_BAD);
        else
            text_put(code, into);
    }
}

static void masked_init(struct buf *masked, struct str text)
{
    buf_init(masked, BUF_OWN);
    report_mask_some(text, text.size, masked);
}

void report_clean(struct str text, bool lines, struct buf *into)
{
    struct buf masked;
    masked_init(&masked, text);
    clean_masked(buf_str(&masked), lines, into);
    buf_clear(&masked);
}

void report_clean_short(struct str text, size_t most, struct buf *into)
{
    struct buf masked;
    struct buf clean;
    buf_init(&masked, BUF_OWN);
    buf_init(&clean, BUF_OWN);
    /* a character has at most 4 bytes; escape sequences may take more, and then less is shown */
    bool cut = report_mask_some(text, most * 4 + 1024, &masked);
    clean_masked(buf_str(&masked), false, &clean);
    struct str shown = buf_str(&clean);
    size_t at = 0;
    for (size_t count = 0; at < shown.size && count < most; count++) {
        uint32_t code;
        at += text_next(shown, at, &code);
    }
    buf_append(into, str_slice(shown, 0, at));
    if (cut || at < shown.size)
        buf_append_string(into, "…");
    buf_clear(&clean);
    buf_clear(&masked);
}

static void xml_put(uint32_t code, bool attribute, struct buf *into)
{
    if (code == '&')
        buf_append_string(into, "&amp;");
    else if (code == '<')
        buf_append_string(into, "&lt;");
    else if (code == '>')
        buf_append_string(into, "&gt;");
    else if (code == '"' && attribute)
        buf_append_string(into, "&quot;");
    else if (code == '\r' || ((code == '\n' || code == '\t') && attribute))
        buf_printf(into, "&#%u;", (unsigned)code);
    else if ((code < 0x20 && code != '\n' && code != '\t') || code == 0xfffe || code == 0xffff)
        buf_printf(into, "#x%02X", (unsigned)code);
    else
        text_put(code, into);
}

void report_xml(struct str text, bool attribute, struct buf *into)
{
    struct buf masked;
    masked_init(&masked, text);
    struct str rest = buf_str(&masked);
    for (size_t at = 0; at < rest.size;) {
        uint32_t code;
        size_t escape = ansi_size(str_from(rest, at));
        if (escape) {
            at += escape;
            continue;
        }
        at += text_next(rest, at, &code);
        xml_put(code, attribute, into);
    }
    buf_clear(&masked);
}

/** YAML 1.1 readers refuse or fold more than the controls; the escapes below are known to all. */
static void yaml_put(uint32_t code, struct buf *into)
{
    if (code == '"' || code == '\\')
        buf_printf(into, "\\%c", (char)code);
    else if (code == '\n')
        buf_append_string(into, "\\n");
    else if (code == '\t')
        buf_append_string(into, "\\t");
    else if (code == '\r')
        buf_append_string(into, "\\r");
    else if (code < 0x20 || (code >= 0x7f && code <= 0xa0))
        buf_printf(into, "\\x%02x", (unsigned)code);
    else if (code > 0xffff)
        buf_printf(into, "\\U%08x", (unsigned)code);
    else if (is_control(code))
        buf_printf(into, "\\u%04x", (unsigned)code);
    else
        text_put(code, into);
}

void report_yaml(struct str text, struct buf *into)
{
    struct buf masked;
    masked_init(&masked, text);
    struct str rest = buf_str(&masked);
    buf_append_byte(into, '"');
    for (size_t at = 0; at < rest.size;) {
        uint32_t code;
        at += text_next(rest, at, &code);
        yaml_put(code, into);
    }
    buf_append_byte(into, '"');
    buf_clear(&masked);
}

void report_json(struct str text, struct buf *into)
{
    struct buf masked;
    if (!report_has_secrets()) {
        json_write_string(text, into);
        return;
    }
    masked_init(&masked, text);
    json_write_string(buf_str(&masked), into);
    buf_clear(&masked);
}

void report_tap(struct str text, struct buf *into)
{
    struct buf clean;
    buf_init(&clean, BUF_OWN);
    report_clean(text, false, &clean);
    struct str rest = str_trim(buf_str(&clean));
    for (size_t i = 0; i < rest.size; i++) {
        /* strict readers do not undo "\#", so the characters themselves must not come */
        if (rest.data[i] == '#')
            buf_append_string(into, "＃");
        else if (rest.data[i] == '\\')
            buf_append_string(into, "＼");
        else
            buf_append_byte(into, rest.data[i]);
    }
    buf_clear(&clean);
}

void report_shell(struct str text, struct buf *into)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789_./:=@%+,-";
    bool safe = text.size > 0;
    for (size_t i = 0; i < text.size; i++)
        safe = safe && text.data[i] && strchr(plain, text.data[i]);
    if (safe) {
        buf_append(into, text);
        return;
    }
    buf_append_byte(into, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'')
            buf_append_string(into, "'\\''");
        else
            buf_append_byte(into, text.data[i]);
    }
    buf_append_byte(into, '\'');
}
