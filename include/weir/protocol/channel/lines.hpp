// Takes the lines out of a body that comes in pieces: the records of an answer.
//
// Lines end with LF or CR LF. Keeps no more than a line that arrived in pieces, which is bounded.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/exchanged.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::inline v0::envelope {

template <class = void>
class basic_line_reader {
public:
    // A line of more than `limit_bytes` is too long.
    explicit basic_line_reader(std::size_t limit_bytes) noexcept : x_limit(limit_bytes) {}

    // Takes bytes off the front of `input`, up to the end of the next line. True: it is there, without its end, until the next
    // call. False: the input is used up, or a line was too long.
    bool next(bytes_view& input) {
        if (exchanged(x_done, false)) x_line.clear();
        const std::string_view text = as_text(input);
        const std::size_t end = text.find('\n');
        const std::string_view piece = text.substr(0, end);
        if (x_too_long || piece.size() > x_limit - x_line.size()) {
            x_too_long = true;
            return false;
        }
        x_line.append(piece);
        input = input.subspan(end == text.npos ? text.size() : end + 1);
        if (end == text.npos) return false;
        if (x_line.ends_with('\r')) x_line.pop_back();
        return x_done = true;
    }

    std::string_view line() const noexcept { return x_line; }
    bool too_long() const noexcept { return x_too_long; }

    // Forgets the beginning of a line that did not end.
    void reset() noexcept {
        x_line.clear();
        x_done = false;
    }

private:
    std::size_t x_limit;
    std::string x_line;
    bool x_done = false;
    bool x_too_long = false;
};

using line_reader = basic_line_reader<>;

} // namespace weir::inline v0::envelope
