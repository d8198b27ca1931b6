// HTTP bodies: whole and at any cuts the decoder gives the same data, takes the same bytes and fails in the same way; a
// chunked body agrees with a slow reader; data written as chunks comes back; no byte over the limit is given out.
#include "support.hpp"

#include <weir/protocol/http/body.hpp>
#include <weir/protocol/http/writer.hpp>

#include <optional>

namespace http_body_target {

using namespace weir;

struct outcome {
    std::string data;
    std::size_t taken = 0; // meaningful when done
    bool done = false;
    error failure;
};

static outcome decode(std::string_view text, http::body_framing framing, std::uint64_t limit, std::optional<std::uint8_t> cuts) {
    http::body_decoder decoder(framing, limit);
    outcome all;
    bool over = false;
    const auto use = [&](std::string_view piece) {
        const fuzz::exact copy(piece);
        bytes_view rest = copy.bytes();
        for (bool more = true; more;) {
            const std::size_t before = rest.size();
            const http::body_event seen = decoder.decode(rest);
            all.taken += before - rest.size();
            switch (seen.what) {
            case http::body_event::need_more:
                fuzz::require(rest.empty(), "need_more only when the input is used up");
                more = false;
                break;
            case http::body_event::data:
                fuzz::require(!seen.bytes.empty(), "data is never empty");
                all.data += as_text(seen.bytes);
                fuzz::require(all.data.size() <= limit, "no byte over the limit");
                break;
            case http::body_event::done: all.done = over = true; more = false; break;
            case http::body_event::failed: over = true; more = false; break;
            }
        }
        return !over;
    };
    if (text.empty() || !cuts) use(text);
    else fuzz::cut_up(text, *cuts, use);
    if (!over) {
        all.done = decoder.end_of_stream();
        fuzz::require(all.done || decoder.error() == errc::end_of_stream, "the end of the stream is an end or a failure");
    }
    all.failure = decoder.error();
    fuzz::require(all.done == !all.failure, "done or failed");
    return all;
}

// RFC 9112 section 7.1, without limits: the data of a complete, correct chunked body, and where it ends.
static bool read_chunks(std::string_view text, std::string& data, std::size_t& taken) {
    std::size_t at = 0;
    const auto line = [&](std::string_view& into) {
        const std::size_t end = text.find("\r\n", at);
        if (end == text.npos) return false;
        into = text.substr(at, end - at);
        at = end + 2;
        for (const char c : into)
            if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) return false;
        return true;
    };
    for (;;) {
        std::string_view head;
        if (!line(head)) return false;
        const std::size_t digits = head.find_first_not_of("0123456789abcdefABCDEF") == head.npos
                                       ? head.size() : head.find_first_not_of("0123456789abcdefABCDEF");
        std::string_view after = head.substr(digits);
        const std::size_t blanks = after.find_first_not_of(" \t");
        if (digits == 0 || (!after.empty() && (blanks == after.npos || after[blanks] != ';'))) return false;
        std::string_view number = head.substr(0, digits);
        while (number.size() > 1 && number[0] == '0') number.remove_prefix(1);
        if (number.size() > 8) return false;
        const std::size_t size = std::stoul(std::string(number), nullptr, 16);
        if (size == 0) break;
        if (text.size() - at < size + 2 || text.substr(at + size, 2) != "\r\n") return false;
        data += text.substr(at, size);
        at += size + 2;
    }
    for (std::string_view trailer; line(trailer);) {
        if (trailer.empty()) return taken = at, true;
        const std::size_t colon = trailer.find(':');
        if (colon == trailer.npos || colon == 0) return false;
        for (const char c : trailer.substr(0, colon))
            if (!http::is_token_character(c)) return false;
    }
    return false;
}

static void check_decoding(std::string_view text, http::body_framing framing, std::uint64_t limit, std::uint8_t cuts) {
    const outcome whole = decode(text, framing, limit, {});
    const outcome pieces = decode(text, framing, limit, cuts);
    fuzz::require(whole.data == pieces.data && whole.done == pieces.done && whole.failure == pieces.failure.code(),
                  "the same at any cuts");
    fuzz::require(!whole.done || whole.taken == pieces.taken, "the end is at the same byte");
    if (framing.kind == http::body_kind::length)
        fuzz::require(whole.done == (framing.length <= limit && text.size() >= framing.length), "as long as it says");
    if (framing.kind != http::body_kind::chunked || limit < text.size() || text.size() > 4000) return;
    std::string data;
    std::size_t taken = 0;
    fuzz::require(read_chunks(text, data, taken) == whole.done, "accepted when the slow reader accepts");
    if (whole.done) fuzz::require(data == whole.data && taken == whole.taken, "and with the same data");
}

static void check_writing(std::string_view text, std::uint8_t cuts) {
    std::string body;
    fuzz::cut_up(text, cuts, [&](std::string_view piece) { return http::append_chunk(body, as_bytes(piece)); });
    body += http::last_chunk;
    const outcome back = decode(body, {http::body_kind::chunked, 0}, text.size(), cuts);
    fuzz::require(back.done && back.data == text && back.taken == body.size(), "chunks come back");
    if (!text.empty())
        fuzz::require(decode(body, {http::body_kind::chunked, 0}, text.size() - 1, cuts).failure == errc::body_too_large,
                      "one byte over the limit");
}

} // namespace http_body_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace http_body_target;
    fuzz::input in(data, size);
    const std::uint8_t how = in.byte();
    const std::uint8_t cuts = in.byte();
    http::body_framing framing;
    framing.kind = static_cast<http::body_kind>(how & 3);
    if (framing.kind == http::body_kind::length) framing.length = in.number<std::uint64_t>() >> in.up_to(63);
    const std::uint64_t limit = how & 4 ? in.number<std::uint16_t>() : how & 8 ? UINT64_MAX : 1024 * 1024;
    const std::string_view text = in.take_all();
    check_decoding(text, framing, limit, cuts);
    check_writing(text, cuts);
    return 0;
}
