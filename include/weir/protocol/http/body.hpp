// Takes the body of an HTTP/1.x message out of a byte stream (RFC 9112 sections 6 and 7).
//
// Allocates nothing and copies nothing: data comes out as views of the input. Chunk extensions and trailer fields are
// checked and dropped; together they may have `body_decoder::most_overhead_bytes`.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/error.hpp>
#include <weir/protocol/http/body_framing.hpp>

#include <cstddef>
#include <cstdint>

namespace weir::inline v0::http {

// What a decoder found. `data` is valid as long as the input that it lies in.
struct body_event {
    enum kind { need_more, data, done, failed };
    kind what = need_more;
    bytes_view bytes; // of `data`; never empty then
};

// Decodes one body.
class body_decoder {
public:
    static constexpr std::uint64_t default_limit_bytes = 1024 * 1024;
    static constexpr std::size_t most_overhead_bytes = 8 * 1024;

    // A body of more than `limit_bytes` fails, before the byte over the limit is given out and, where its length is
    // announced, before the first. Where a body is streamed and not kept, a limit of UINT64_MAX is fine.
    explicit body_decoder(body_framing framing, std::uint64_t limit_bytes = default_limit_bytes) noexcept
        : x_left(framing.length), x_allowed(limit_bytes) {
        switch (framing.kind) {
        case body_kind::none: x_state = state::done; break;
        case body_kind::until_close: x_state = state::until_close; break;
        case body_kind::chunked: x_state = state::size_begin; break;
        case body_kind::length:
            x_state = state::known_length;
            if (x_left > x_allowed) fail(errc::body_too_large);
        }
    }

    // Takes bytes off the front of `input`, up to the end of the next piece of data or of the body, never further.
    // Call it until it needs more, is done, or has failed; the latter two stay.
    body_event decode(bytes_view& input) noexcept {
        for (;;) {
            switch (x_state) {
            case state::done: return {body_event::done, {}};
            case state::failed: return {body_event::failed, {}};
            case state::until_close:
                if (input.empty()) return {};
                if (x_allowed == 0) {
                    fail(errc::body_too_large);
                    continue;
                }
                return take_data(input, x_allowed);
            case state::known_length:
            case state::chunk_data:
                if (x_left == 0) {
                    x_state = x_state == state::chunk_data ? state::data_cr : state::done;
                    continue;
                }
                if (input.empty()) return {};
                return take_data(input, x_left);
            default:
                if (input.empty()) return {};
                x_state = step(static_cast<char>(input[0]));
                input = input.subspan(1);
            }
        }
    }

    // Tells that the stream has ended. False, with errc::end_of_stream, if the body was not complete.
    bool end_of_stream() noexcept {
        if (x_state == state::until_close || (x_state == state::known_length && x_left == 0)) x_state = state::done;
        if (x_state != state::done && x_state != state::failed) fail(errc::end_of_stream);
        return x_state == state::done;
    }

    // Why it failed; no error if it did not.
    weir::error error() const noexcept { return x_state == state::failed ? weir::error(x_code) : weir::error(); }

private:
    enum class state : std::uint8_t {
        done,
        failed,
        until_close,
        known_length,
        chunk_data,
        size_begin,   // before the first digit of a chunk size
        size,         // after a digit of it
        size_blank,   // after a blank behind it
        extension,    // inside chunk extensions
        size_lf,      // before the LF that ends the line
        data_cr,      // before the CR behind the data
        data_lf,      // before the LF behind the data
        trailer,      // at the beginning of a trailer line
        trailer_name, // inside a trailer's name
        trailer_value,
        trailer_lf,
        last_lf, // before the LF of the blank line that ends it all
    };

    body_event take_data(bytes_view& input, std::uint64_t most) noexcept {
        const std::size_t size = input.size() < most ? input.size() : static_cast<std::size_t>(most);
        const bytes_view taken = input.first(size);
        input = input.subspan(size);
        x_left -= size; // means nothing in until_close
        x_allowed -= size;
        return {body_event::data, taken};
    }

    state fail(errc code) noexcept {
        x_code = code;
        return x_state = state::failed;
    }

    // What a byte outside the data leads to.
    state step(char c) noexcept {
        switch (x_state) {
        case state::size_begin:
        case state::size:
            if (hex_value(c) >= 0) return digit(static_cast<unsigned>(hex_value(c)));
            if (x_state == state::size_begin) break;
            [[fallthrough]];
        case state::size_blank:
            if (is_blank(c)) return overhead(state::size_blank);
            if (c == ';') return overhead(state::extension);
            if (c == '\r' && x_state == state::size) return state::size_lf;
            break;
        case state::extension:
            if (c == '\r') return state::size_lf;
            if (is_field_character(c)) return overhead(state::extension);
            break;
        case state::size_lf:
            if (c != '\n') break;
            return x_left == 0 ? state::trailer : state::chunk_data;
        case state::data_cr:
            if (c == '\r') return state::data_lf;
            break;
        case state::data_lf:
            if (c == '\n') return state::size_begin;
            break;
        case state::trailer:
            if (c == '\r') return state::last_lf;
            if (is_token_character(c)) return overhead(state::trailer_name);
            break;
        case state::trailer_name:
            if (c == ':') return overhead(state::trailer_value);
            if (is_token_character(c)) return overhead(state::trailer_name);
            break;
        case state::trailer_value:
            if (c == '\r') return state::trailer_lf;
            if (is_field_character(c)) return overhead(state::trailer_value);
            break;
        case state::trailer_lf:
            if (c == '\n') return state::trailer;
            break;
        default: // last_lf
            if (c == '\n') return state::done;
        }
        return fail(errc::bad_chunk);
    }

    // RFC 9112 section 7.1: a size that does not fit must not wrap around.
    state digit(unsigned value) noexcept {
        if (x_state == state::size_begin) x_left = 0;
        if (x_left > (x_allowed >> 4)) return fail(errc::body_too_large);
        x_left = x_left << 4 | value;
        if (x_left > x_allowed) return fail(errc::body_too_large);
        return x_left == 0 ? overhead(state::size) : state::size; // any number of zeros may lead
    }

    state overhead(state next) noexcept {
        return ++x_overhead > most_overhead_bytes ? fail(errc::bad_chunk) : next;
    }

    std::uint64_t x_left = 0;    // bytes that the body or the chunk still lacks
    std::uint64_t x_allowed;     // bytes of data that may still be given out
    std::uint32_t x_overhead = 0; // bytes of extensions, trailers and leading zeros so far
    errc x_code = errc::bad_chunk;
    state x_state = state::done;
};

} // namespace weir::inline v0::http
