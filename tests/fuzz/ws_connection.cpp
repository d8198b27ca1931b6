// The receiving half of ws::connection, for each role: whole, at any cuts and byte by byte it gives what the reference
// gives, fails at the same byte with the same code, and never holds more than one block.
#include "reference.hpp"
#include "support.hpp"

#include <weir/protocol/ws/connection.hpp>

namespace ws_connection_target {

using namespace weir;

struct setup {
    bool is_server;
    ws::limits limits;
    std::uint8_t bits;
};

// What a connection gives for `text` in pieces, up to the failure or the end.
template <class Sizes>
static fuzz::trace receive(std::string_view text, const setup& of, Sizes sizes) {
    block_pool pool(0);
    fuzz::trace all;
    {
        ws::connection under_test(of.is_server ? ws::role::server : ws::role::client, pool, of.limits);
        under_test.allow_reserved_bits(of.bits);
        std::size_t given = 0;
        std::uint64_t frame_left = 0;
        bool inside = false, over = false;
        while (given < text.size() && !over) {
            const std::size_t size = sizes(text.size() - given);
            const fuzz::exact piece(text.substr(given, size));
            given += size;
            mutable_bytes rest = piece.bytes();
            for (bool more = true; more;) {
                const std::size_t before = rest.size();
                const ws::event seen = under_test.receive(rest);
                fuzz::require(pool.lent() <= 1, "one small block at most");
                fuzz::require(rest.size() <= before, "goes forwards");
                fuzz::entry next{.bytes = std::string(as_text(seen.payload))};
                switch (seen.what) {
                case ws::event::kind::need_more:
                    fuzz::require(rest.empty(), "need_more only when the input is used up");
                    more = false;
                    break;
                case ws::event::kind::data:
                    fuzz::require(!over && seen.first == !inside, "messages begin and end in turn");
                    fuzz::require(frame_left == 0 || frame_left == seen.payload.size() + seen.frame_remaining,
                                  "the rest of a frame gets less by each piece");
                    frame_left = seen.frame_remaining;
                    fuzz::require(!seen.last || frame_left == 0, "the last piece is the frame's last");
                    inside = !seen.last;
                    next.opcode = static_cast<std::uint8_t>(seen.type);
                    next.first = seen.first;
                    next.last = seen.last;
                    next.bits = seen.reserved_bits;
                    all.add(std::move(next));
                    break;
                case ws::event::kind::ping:
                case ws::event::kind::pong:
                    fuzz::require(!over && seen.payload.size() <= 125 && frame_left == 0, "control frames stand between");
                    next.what = seen.what == ws::event::kind::ping ? fuzz::entry::ping : fuzz::entry::pong;
                    all.add(std::move(next));
                    break;
                case ws::event::kind::close:
                    fuzz::require(!over && under_test.close_received(), "one close");
                    next.what = fuzz::entry::close;
                    next.code = static_cast<std::uint16_t>(seen.code);
                    all.add(std::move(next));
                    over = true;
                    break;
                case ws::event::kind::failed:
                    fuzz::require(!over && under_test.failed() && seen.code == under_test.failure_close_code(), "one failure");
                    all.failure = under_test.failure();
                    all.failed_at = given;
                    over = true;
                    const std::string reason = under_test.failure_reason();
                    fuzz::require(!reason.empty() && reason.size() <= 123 && fuzz::reference_utf8::valid(reason),
                                  "a reason that a close frame can carry");
                    fuzz::require(ws::may_be_sent(seen.code), "a code that may be sent");
                    break;
                }
            }
        }
        if (over) { // whatever follows is discarded
            const fuzz::exact more("\x81\x01x\x89\x00");
            mutable_bytes rest = more.bytes();
            fuzz::require(under_test.receive(rest).what == ws::event::kind::need_more && rest.empty(), "silent after the end");
        }
    }
    fuzz::require(pool.lent() == 0, "gives its block back");
    return all;
}

} // namespace ws_connection_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace ws_connection_target;
    fuzz::input in(data, size);
    const std::uint8_t how = in.byte();
    const std::uint8_t cuts = in.byte();
    setup of{.is_server = (how & 1) != 0, .limits = {}, .bits = static_cast<std::uint8_t>(how >> 1 & 4)};
    if (how & 2) of.limits.frame_bytes = in.byte();
    if (how & 4) of.limits.message_fragments = in.byte() % 8;
    const std::string_view text = in.take_all();

    fuzz::trace expected = fuzz::reference_receive(text, of.is_server, of.limits, of.bits);
    fuzz::trace whole = receive(text, of, [](std::size_t left) { return left; });
    fuzz::cutter sizes(cuts);
    fuzz::trace pieces = receive(text, of, [&](std::size_t left) { return sizes.next(left); });
    const auto comparable = [](fuzz::trace from) {
        from.forget_broken_text();
        from.failed_at = 0;
        return from;
    };
    fuzz::require(comparable(whole) == comparable(expected), "as the reference");
    fuzz::require(comparable(pieces) == comparable(expected), "in pieces as the reference");

    if (text.size() <= 600) {
        fuzz::trace bytes = receive(text, of, [](std::size_t) { return std::size_t{1}; });
        fuzz::require(bytes.failed_at == expected.failed_at, "fails at the byte that decides");
        fuzz::require(comparable(bytes) == comparable(expected), "byte by byte as the reference");
    }
    if (expected.failure != errc{}) {
        const auto first = [](std::size_t left) { return left; };
        fuzz::require(receive(text.substr(0, expected.failed_at), of, first).failure == expected.failure,
                      "the bytes up to the one that decides are enough");
        fuzz::require(receive(text.substr(0, expected.failed_at - 1), of, first).failure == errc{}, "and one fewer is not");
    }
    return 0;
}
