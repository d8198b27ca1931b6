// The records that a channel's messages travel in: README.md beside this file describes them.
//
// Text in, views of it out, and the reverse. What a record is made of is the same on every transport; only what `t` and
// `b` carry is written differently: escaped and in base64 on a line, as it is in a WebSocket message. Functions that
// append write to the caller's string. Nothing is kept. They are templates, here and wherever a channel is at work, so that
// a program without channels has them read and no more.
#pragma once

#include <weir/core/base64.hpp>
#include <weir/core/concat.hpp>
#include <weir/core/result.hpp>
#include <weir/protocol/ws/close_code.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::inline v0::envelope {

enum class kind : char {
    opened = 'o',
    resumed = 'r',
    text = 't',
    binary = 'b',
    acknowledged = 'a',
    heartbeat = 'h',
    closed = 'x',
    failed = 'e',
};

inline constexpr std::uint64_t greatest_number = (std::uint64_t{1} << 53) - 1; // what JavaScript counts exactly

// A record as it stands. The views are into what it was read from.
struct record {
    kind what = kind::heartbeat;
    std::optional<std::uint64_t> number; // of a message, what is acknowledged, a close code, an error
    std::string_view id;                 // of `opened`
    std::string_view rest;               // what follows the first space
};

// What an `opened` record says beside the id.
struct settings {
    std::uint64_t heartbeat_ms = 0;
    std::uint64_t keep_ms = 0;
    std::uint64_t limit_bytes = 0;
};

// A number in digits, all of it; nothing when it is none, or above the greatest.
template <class = void>
std::optional<std::uint64_t> parse_number(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    for (const char each : digits) {
        if (each < '0' || each > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(each - '0');
        if (value > greatest_number) return std::nullopt;
    }
    if (digits.empty()) return std::nullopt;
    return value;
}

// Reads a record: a line without its end, or a WebSocket message. errc::bad_record, and a sentence that says what is
// wrong with it, where it is none.
template <class = void>
[[gnu::cold]] result<record> parse(std::string_view text) {
    const auto wrong = [](std::string_view what) { return error(make_error_code(errc::bad_record), std::string(what)); };
    if (text.empty()) return wrong("an empty record");
    record made;
    made.what = static_cast<kind>(text[0]);
    const std::size_t space = text.substr(0, 64).find(' '); // what may stand before one is shorter
    const std::string_view head = text.substr(1, space == text.npos ? text.npos : space - 1);
    if (space != text.npos) made.rest = text.substr(space + 1);
    switch (made.what) {
    case kind::opened:
        if (head.empty()) return wrong("'o' without an id");
        made.id = head;
        return made;
    case kind::heartbeat:
        if (text.size() > 1) return wrong("'h' with something behind it");
        return made;
    case kind::text:
    case kind::binary:
    case kind::closed:
        if (head.empty()) return made;
        break;
    case kind::resumed:
    case kind::acknowledged:
        if (space != text.npos) return wrong("something behind the number");
        break;
    case kind::failed: break;
    default: return wrong("a record begins with t, b, a, h or x");
    }
    made.number = parse_number(head);
    if (!made.number) return wrong(concat({"'", text.substr(0, 1), "' and then no number"}));
    const bool is_message = made.what == kind::text || made.what == kind::binary;
    if (is_message && *made.number == 0) return wrong("messages are numbered from 1");
    return made;
}

// The code of a `closed` record; nothing if it is one that may not be sent.
template <class = void>
[[gnu::cold]] std::optional<ws::close_code> close_code_of(const record& closed) noexcept {
    const std::uint64_t number = closed.number.value_or(1000);
    const auto code = static_cast<ws::close_code>(number);
    if (number > 4999 || !ws::may_be_sent(code)) return std::nullopt;
    return code;
}

// The settings in the rest of an `opened` record; those that are not there, or make no sense, are zero.
template <class = void>
[[gnu::cold]] settings parse_settings(std::string_view rest) noexcept {
    settings made;
    while (!rest.empty()) {
        const std::size_t end = rest.find(' ') == rest.npos ? rest.size() : rest.find(' ');
        const std::string_view one = rest.substr(0, end);
        rest.remove_prefix(end == rest.size() ? end : end + 1);
        const std::size_t equals = one.find('=');
        if (equals == one.npos) continue;
        const std::string_view name = one.substr(0, equals);
        const std::uint64_t value = parse_number(one.substr(equals + 1)).value_or(0);
        if (name == "heartbeat") made.heartbeat_ms = value;
        if (name == "keep") made.keep_ms = value;
        if (name == "limit") made.limit_bytes = value;
    }
    return made;
}

// --- what `t` and `b` carry on a line ---

template <class = void>
void append_escaped(std::string& to, std::string_view text) {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char each = text[i];
        if (each != '\\' && each != '\n' && each != '\r') continue;
        to.append(text.substr(begin, i - begin)).append(each == '\\' ? "\\\\" : each == '\n' ? "\\n" : "\\r");
        begin = i + 1;
    }
    to.append(text.substr(begin));
}

// The payload of a `t` or `b` record that stood on a line; nothing if it is malformed.
template <class = void>
std::optional<std::string> payload_of_line(const record& message) {
    std::string made;
    if (message.what == kind::binary) {
        made.resize(message.rest.size() / 4 * 3);
        const mutable_bytes room(reinterpret_cast<std::byte*>(made.data()), made.size());
        const std::optional<std::size_t> size = base64_decode(message.rest, room);
        if (!size) return std::nullopt;
        made.resize(*size);
        return made;
    }
    made.reserve(message.rest.size());
    for (std::size_t i = 0; i < message.rest.size(); ++i) {
        char each = message.rest[i];
        if (each == '\\') {
            if (++i == message.rest.size()) return std::nullopt;
            each = message.rest[i];
            if (each != '\\' && each != 'n' && each != 'r') return std::nullopt;
            each = each == 'n' ? '\n' : each == 'r' ? '\r' : each;
        }
        made += each;
    }
    return made;
}

// --- records ---

// A record of a number alone: `a17`, `r5`; or the beginning of one.
template <class = void>
void append_number(std::string& to, kind what, std::uint64_t number) {
    to += static_cast<char>(what);
    to.append(number_text(number));
}

// `x1000 reason`, `e404 sentence`.
template <class = void>
[[gnu::cold]] void append_sentence(std::string& to, kind what, std::uint64_t number, std::string_view sentence) {
    append_number(to, what, number);
    if (sentence.empty()) return;
    to += ' ';
    for (const char each : sentence) to += each == '\n' || each == '\r' ? ' ' : each;
}

template <class = void>
[[gnu::cold]] void append_opened(std::string& to, std::string_view id, const settings& of) {
    to.append("o").append(id).append(" heartbeat=").append(number_text(of.heartbeat_ms));
    to.append(" keep=").append(number_text(of.keep_ms)).append(" limit=").append(number_text(of.limit_bytes));
}

// A message, as WebSocket has it: the payload as it is.
template <class = void>
void append_message(std::string& to, std::uint64_t number, bool is_text, bytes_view payload) {
    append_number(to, is_text ? kind::text : kind::binary, number);
    to.append(1, ' ').append(as_text(payload));
}

// A message, as it stands on a line, without the line's end.
template <class = void>
void append_message_line(std::string& to, std::uint64_t number, bool is_text, bytes_view payload) {
    append_number(to, is_text ? kind::text : kind::binary, number);
    to += ' ';
    if (is_text) return append_escaped(to, as_text(payload));
    const std::size_t at = to.size();
    to.resize(at + base64_size(payload.size()));
    base64_encode(payload, to.data() + at);
}

} // namespace weir::inline v0::envelope
