// Two linked ws::connections, driven by a script: everything that is sent arrives once, in order and whole, with every
// close and control frame, however the bytes are delivered; what is refused appends nothing.
#include "reference.hpp"
#include "support.hpp"

#include <weir/protocol/ws/connection.hpp>

namespace ws_pair_target {

using namespace weir;

struct side {
    side(ws::role is, block_pool& pool, std::size_t bound) : connection(is, pool), out(pool, bound) {}

    ws::connection connection;
    buffer out;
    fuzz::trace sent;     // what this side has encoded
    fuzz::trace received; // what it was given
    ws::opcode sending = ws::opcode::continuation;
    fuzz::endless_text text;
};

class conversation {
public:
    explicit conversation(fuzz::input& script)
        : x_in(script), x_bound(x_in.flag() ? 64 + x_in.up_to(0xFFFF) : buffer::no_bound), x_pool(0),
          x_sides{{ws::role::server, x_pool, x_bound}, {ws::role::client, x_pool, x_bound}} {}

    void run() {
        while (!x_in.empty()) {
            const std::uint8_t operation = x_in.byte();
            const bool which = operation & 1;
            side& from = x_sides[which];
            switch (operation >> 1 & 7) {
            case 0: data(from, ws::opcode::text, operation); break;
            case 1: data(from, ws::opcode::binary, operation); break;
            case 2: control(from, ws::opcode::ping); break;
            case 3: control(from, ws::opcode::pong); break;
            case 4: if (operation & 16) close(from); break;
            default: deliver(which, operation & 16 ? from.out.size() : x_in.up_to(255)); break;
            }
        }
        for (const bool which : {false, true}) {
            deliver(which, x_sides[which].out.size());
            fuzz::require(x_sides[which].out.empty(), "all was delivered");
            fuzz::require(x_sides[!which].received == x_sides[which].sent, "what was sent arrived, once and in order");
            fuzz::require(x_sides[!which].connection.close_received() == x_sides[which].connection.close_sent(), "closes agree");
            fuzz::require(!x_sides[which].connection.failed(), "and nothing was wrong");
        }
    }

private:
    ws::masking_key key() {
        ws::masking_key made;
        for (std::byte& each : made.bytes) each = std::byte(x_dice.roll());
        return made;
    }

    // What a refused call must have done: nothing.
    void refused(side& from, errc why, std::size_t before) {
        fuzz::require(from.out.size() == before, "nothing of what is refused is appended");
        if (from.connection.close_sent()) fuzz::require(why == errc::closed, "closed says so");
        else fuzz::require(why == errc::buffer_full || why == errc::send_out_of_order, "a documented error");
        if (why == errc::buffer_full) fuzz::require(x_bound != buffer::no_bound, "without a bound nothing is full");
    }

    void data(side& from, ws::opcode type, std::uint8_t operation) {
        const bool last = operation & 16;
        const std::size_t size = operation & 32 ? x_in.up_to(operation & 64 && x_in.byte() < 8 ? 70'000 : 300) : x_in.up_to(15);
        const bool inside = from.sending != ws::opcode::continuation;
        const bool fits = !inside || type == from.sending;
        const fuzz::endless_text before_text = from.text;
        const std::string payload =
            type == ws::opcode::text ? from.text.next(size, last) : std::string(size, static_cast<char>(operation));
        const std::size_t before = from.out.size();
        errc outcome{};
        if ((operation & 128) && fits && !from.connection.close_sent()) { // the header here, the payload by itself
            const ws::masking_key mask = key();
            std::byte header[ws::frame_header::max_bytes];
            std::string masked = payload;
            if (from.connection.role() == ws::role::client)
                for (std::size_t i = 0; i < masked.size(); ++i)
                    masked[i] = static_cast<char>(masked[i] ^ static_cast<char>(mask.bytes[i % 4]));
            if (x_bound != buffer::no_bound && from.out.size() + masked.size() + sizeof header > x_bound) {
                from.text = before_text;
                return;
            }
            const std::size_t bytes = from.connection.encode_frame_header(header, type, payload.size(), last, mask);
            fuzz::require(bytes <= sizeof header, "a header has room");
            fuzz::require(from.out.append({header, bytes}) && from.out.append(as_bytes(masked)), "there is room");
        } else {
            outcome = from.connection.encode_frame(from.out, type, as_bytes(payload), last, key());
        }
        if (outcome != errc{}) {
            from.text = before_text;
            if (outcome == errc::send_out_of_order) fuzz::require(!fits, "out of order only if it is");
            return refused(from, outcome, before);
        }
        fuzz::require(fits, "one message at a time");
        from.sending = last ? ws::opcode::continuation : type;
        fuzz::require(from.connection.sending_message() == !last, "a message is under way");
        if (!payload.empty() || !inside || last)
            from.sent.add({.what = fuzz::entry::data, .opcode = static_cast<std::uint8_t>(type), .first = !inside,
                           .last = last, .bytes = payload});
    }

    void control(side& from, ws::opcode type) {
        const std::string payload(x_in.up_to(125), 'p');
        const std::size_t before = from.out.size();
        const errc outcome = from.connection.encode_control(from.out, type, as_bytes(payload), key());
        if (outcome != errc{}) return refused(from, outcome, before);
        from.sent.add({.what = type == ws::opcode::ping ? fuzz::entry::ping : fuzz::entry::pong, .bytes = payload});
    }

    void close(side& from) {
        const auto code = static_cast<ws::close_code>(1000 + x_in.up_to(4000));
        if (!ws::may_be_sent(code) && code != ws::close_code::no_status) return;
        const std::string reason(x_in.take(x_in.up_to(200)));
        const std::size_t before = from.out.size();
        const errc outcome = from.connection.encode_close(from.out, code, reason, key());
        if (outcome != errc{}) return refused(from, outcome, before);
        // Cut to the longest beginning that ends between two characters; left out where that is not UTF-8.
        std::string kept = code == ws::close_code::no_status ? std::string() : reason;
        for (std::size_t most = 123; kept.size() > 123; --most)
            if ((static_cast<unsigned char>(kept[most]) & 0xC0) != 0x80 || most == 0) kept.resize(most);
        if (!fuzz::reference_utf8::valid(kept)) kept.clear();
        from.sent.add({.what = fuzz::entry::close, .code = static_cast<std::uint16_t>(code), .bytes = kept});
    }

    void deliver(bool which, std::size_t most) {
        side& from = x_sides[which];
        side& to = x_sides[!which];
        const std::size_t size = most < from.out.size() ? most : from.out.size();
        const fuzz::exact copy(as_text(from.out.view().first(size)));
        from.out.consume(size);
        mutable_bytes rest = copy.bytes();
        for (;;) {
            const ws::event seen = to.connection.receive(rest);
            if (seen.what == ws::event::kind::need_more) break;
            fuzz::entry next{.bytes = std::string(as_text(seen.payload))};
            switch (seen.what) {
            case ws::event::kind::data:
                next.opcode = static_cast<std::uint8_t>(seen.type);
                next.first = seen.first;
                next.last = seen.last;
                break;
            case ws::event::kind::ping: next.what = fuzz::entry::ping; break;
            case ws::event::kind::pong: next.what = fuzz::entry::pong; break;
            case ws::event::kind::close:
                next.what = fuzz::entry::close;
                next.code = static_cast<std::uint16_t>(seen.code);
                break;
            default:
                std::fprintf(stderr, "%s\n", to.connection.failure_reason().c_str());
                fuzz::require(false, "our own frames break no rule");
            }
            to.received.add(std::move(next));
        }
        fuzz::require(rest.empty(), "all of it was used");
    }

    fuzz::input& x_in;
    fuzz::dice x_dice{1};
    std::size_t x_bound;
    block_pool x_pool;
    side x_sides[2];
};

} // namespace ws_pair_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input script(data, size);
    ws_pair_target::conversation(script).run();
    return 0;
}
