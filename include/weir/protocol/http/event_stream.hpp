// Takes the events out of an event stream (server-sent events: WHATWG HTML, section 9.2).
//
// Bytes in, in pieces of any size, and one event after the other out. As the standard has it, lines end with CR LF, LF or CR,
// what is not known is skipped, an event without data is none, and one that the stream ends in is dropped with it. Strict
// in two things that the standard is not: bytes that are not UTF-8 fail, and so does what is over the limit. Keeps no more
// than an event and a line that arrived in pieces.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/error.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/core/utf8.hpp>
#include <weir/protocol/http/head_parser.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

// Parses one stream, from its first byte on.
template <class = void>
class basic_event_stream_parser {
public:
    static constexpr std::size_t default_limit_bytes = 1024 * 1024;

    // A line, or the data of an event, of more than `limit_bytes` fails with errc::message_too_large.
    explicit basic_event_stream_parser(std::size_t limit_bytes = default_limit_bytes) noexcept : x_limit(limit_bytes) {}

    // Takes bytes off the front of `input`, up to the end of the next event and never further. `done`: it is there, until
    // the next call, which goes on behind it. `failed` stays.
    parse_status parse(bytes_view& input) {
        if (x_code != errc{}) return parse_status::failed;
        if (exchanged(x_done, false)) begin_event();
        while (!input.empty()) {
            const std::string_view text = as_text(input);
            if (exchanged(x_after_cr, false) && text[0] == '\n') {
                input = input.subspan(1);
                continue;
            }
            const std::size_t end = text.find_first_of("\r\n");
            const std::string_view piece = text.substr(0, end);
            if (piece.size() > x_limit - x_line.size()) return fail(errc::message_too_large);
            if (end == text.npos || !x_line.empty()) x_line.append(piece);
            input = input.subspan(end == text.npos ? text.size() : end + 1);
            if (end == text.npos) break;
            x_after_cr = text[end] == '\r';
            take_line(x_line.empty() ? piece : std::string_view(x_line));
            x_line.clear();
            if (x_code != errc{}) return parse_status::failed;
            if (x_done) return parse_status::done;
        }
        return parse_status::need_more;
    }

    // Of the event that is there. Views are valid until the next `parse`. The lines of its data are separated by LF; the type is
    // empty for what the standard calls "message".
    std::string_view data() const noexcept { return x_data; }
    std::string_view type() const noexcept { return x_type; }

    // What a client that comes back says as Last-Event-ID; it stays until an event brings another one.
    std::string_view last_id() const noexcept { return x_id; }

    // After how many milliseconds a client is to come back; UINT64_MAX where the stream did not say.
    std::uint64_t retry_ms() const noexcept { return x_retry; }

    // Why it failed; no error if it did not.
    weir::error error() const noexcept { return x_code == errc{} ? weir::error() : weir::error(x_code); }

private:
    void begin_event() noexcept {
        x_data.clear();
        x_type.clear();
        x_has_data = false;
    }

    parse_status fail(errc code) noexcept {
        x_code = code;
        return parse_status::failed;
    }

    void take_line(std::string_view line) {
        if (exchanged(x_at_begin, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
        if (line.empty()) return end_event();
        if (!is_utf8(as_bytes(line))) return void(fail(errc::bad_utf8)); // no character stands on two lines
        const std::size_t colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        std::string_view value = colon == line.npos ? std::string_view() : line.substr(colon + 1);
        if (value.starts_with(' ')) value.remove_prefix(1);
        if (name == "data")
            add_data(value);
        else if (name == "event")
            x_type = value;
        else if (name == "id" && value.find('\0') == value.npos)
            x_next_id = value;
        else if (name == "retry")
            note_retry(value);
    }

    void add_data(std::string_view value) {
        const std::size_t more = value.size() + (x_has_data ? 1 : 0);
        if (more > x_limit - x_data.size()) return void(fail(errc::message_too_large));
        if (exchanged(x_has_data, true)) x_data += '\n';
        x_data.append(value);
    }

    void note_retry(std::string_view digits) noexcept {
        constexpr std::uint64_t most = UINT64_MAX / 10 - 1;
        std::uint64_t value = 0;
        for (const char each : digits) {
            if (!is_digit(each) || value > most) return;
            value = value * 10 + static_cast<unsigned>(each - '0');
        }
        if (!digits.empty()) x_retry = value;
    }

    void end_event() {
        x_id = x_next_id;
        x_done = x_has_data;
        if (!x_done) begin_event();
    }

    std::size_t x_limit;
    std::string x_line; // the part of a line that came before what is in the input now
    std::string x_data, x_type, x_id;
    std::string x_next_id; // for the end of the event
    std::uint64_t x_retry = UINT64_MAX;
    errc x_code{};
    bool x_done = false;     // an event is there
    bool x_has_data = false; // also where that is empty
    bool x_after_cr = false; // an LF that comes now belongs to it
    bool x_at_begin = true;  // where a byte order mark may stand
};

using event_stream_parser = basic_event_stream_parser<>;

} // namespace weir::inline v0::http
