// permessage-deflate against zlib's own: decompressing at any cuts, into room of any size, gives what one call of zlib
// gives, and fails when that fails; what one side compresses the other decompresses, within the window agreed upon.
#include "support.hpp"

#include <weir/protocol/ws/deflate.hpp>

#include <algorithm>

namespace deflate_target {

using namespace weir;
using progress = ws::deflate_codec::progress;

constexpr std::size_t most_output = 1 << 18; // where both sides stop

// zlib, told to go from block to block, into room for everything.
class reference {
public:
    explicit reference(int window_bits) : x_bits(window_bits) { fuzz::require(inflateInit2(&x_stream, -window_bits) == Z_OK, "zlib"); }
    reference(const reference&) = delete;
    reference& operator=(const reference&) = delete;
    ~reference() { inflateEnd(&x_stream); }

    enum class outcome { whole, broken, too_much };

    // One message, RFC 7692 section 7.2.2. `step`: the room for one call, which keeps zlib to its window.
    outcome message(std::string_view compressed, bool forget, std::string& into, std::size_t step) {
        if (forget) restart({});
        x_whole = true;
        outcome what = feed(compressed, into, step);
        if (what == outcome::whole && !x_whole) {
            what = feed({"\0\0\xFF\xFF", 4}, into, step);
            if (what == outcome::whole && !x_whole) what = outcome::broken;
        }
        return what;
    }

private:
    outcome feed(std::string_view from, std::string& into, std::size_t step) {
        x_stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
        x_stream.avail_in = static_cast<uInt>(from.size());
        static std::vector<char> room(32768);
        for (;;) {
            if (into.size() > most_output) return outcome::too_much;
            x_stream.next_out = reinterpret_cast<Bytef*>(room.data());
            x_stream.avail_out = static_cast<uInt>(step);
            const int code = inflate(&x_stream, Z_BLOCK);
            const std::size_t made = step - x_stream.avail_out;
            into.append(room.data(), made);
            x_seen.append(room.data(), made);
            if (code == Z_STREAM_END) { // and on, with what was seen before
                const uInt left = x_stream.avail_in;
                Bytef* const next = x_stream.next_in;
                restart(x_seen.size() > 32768 ? x_seen.substr(x_seen.size() - 32768) : x_seen);
                x_stream.avail_in = left;
                x_stream.next_in = next;
                x_whole = true;
                if (left == 0) return outcome::whole;
                continue;
            }
            if (code != Z_OK && code != Z_BUF_ERROR) return outcome::broken;
            if (code == Z_BUF_ERROR) return outcome::whole; // nothing was left to be done
            x_whole = (x_stream.data_type & 128) && !(x_stream.data_type & 63);
        }
    }

    void restart(std::string window) {
        inflateReset(&x_stream);
        const std::size_t most = std::size_t{1} << x_bits;
        if (window.size() > most) window.erase(0, window.size() - most);
        if (!window.empty())
            inflateSetDictionary(&x_stream, reinterpret_cast<const Bytef*>(window.data()), static_cast<uInt>(window.size()));
        x_seen = window;
    }

    z_stream x_stream{};
    std::string x_seen; // since the context began
    int x_bits;
    bool x_whole = true;
};

struct outcome {
    std::string text;
    progress end = progress::more_input;
};

template <class Codec>
static auto step(Codec& with, bytes_view& input, bool last, mutable_bytes room) {
    if constexpr (requires { with.inflate(input, last, room); }) return with.inflate(input, last, room);
    else return with.decompress(input, last, room);
}

// One message by `with`, in pieces and into rooms of sizes that `seed` says.
static outcome decompress(ws::deflate_codec& with, std::string_view message, std::uint8_t seed) {
    outcome all;
    fuzz::cutter pieces(seed), rooms(static_cast<std::uint8_t>(seed ^ 0x55)); // not both tiny
    do {
        const std::size_t size = pieces.next(message.size());
        const fuzz::exact piece(message.substr(0, size));
        message.remove_prefix(size);
        bytes_view rest = piece.bytes();
        for (;;) {
            const std::size_t bytes = rooms.next(64 * 1024);
            const fuzz::exact room(bytes);
            const std::size_t before = rest.size();
            const auto got = step(with, rest, message.empty(), room.bytes());
            fuzz::require(got.size <= bytes && rest.size() <= before, "within its bounds");
            all.text += as_text(room.bytes().first(got.size));
            all.end = got.state;
            if (got.state == progress::corrupt || all.text.size() > most_output) return all;
            if (got.state != progress::more_room) {
                fuzz::require(rest.empty() && (got.state == progress::complete) == message.empty(), "all was used");
                break;
            }
            fuzz::require(got.size == bytes, "more room only when there is none left");
        }
    } while (!message.empty());
    return all;
}

// Bytes of a stranger.
static void check_inflating(fuzz::input& in) {
    const std::uint8_t how = in.byte(), cuts = in.byte();
    const int bits = how & 1 ? 15 : 8 + (how >> 1 & 7);
    const bool keeps = how & 16;
    ws::deflate_parameters agreed;
    agreed.client_no_context_takeover = !keeps;
    if (bits < 15) agreed.client_max_window_bits = bits;
    ws::deflate_codec codec(ws::role::server, agreed, {});
    reference zlib(bits);
    for (int messages = 0; messages < 4; ++messages) {
        const bool is_last = messages == 3 || !(how & 32);
        const std::string message(is_last ? in.take_all() : in.take(in.up_to(255)));
        std::string expected;
        const auto end = zlib.message(message, !keeps, expected, 32768);
        const outcome got = decompress(codec, message, cuts);
        if (end == reference::outcome::too_much || got.text.size() > most_output) return;
        // One call into large room lets distances pass that a smaller window has not.
        if (bits < 15 && got.end == progress::corrupt) return;
        fuzz::require((got.end == progress::complete) == (end == reference::outcome::whole), "ends as zlib does");
        if (got.end != progress::complete) {
            fuzz::require(got.end == progress::corrupt && expected.starts_with(got.text), "gives nothing that zlib does not");
            return;
        }
        fuzz::require(got.text == expected, "gives what zlib gives");
        if (is_last) return;
    }
}

// Messages of ours.
static void check_round_trip(fuzz::input& in) {
    compression_options sender, receiver;
    const std::uint8_t flags = in.byte(), cuts = in.byte();
    sender.window_bits = 8 + in.byte() % 8;
    sender.level = 1 + in.byte() % 9;
    sender.memory_level = 1 + in.byte() % 9;
    sender.context_takeover = flags & 1;
    receiver.peer_context_takeover = flags & 2;
    receiver.peer_window_bits = 8 + in.byte() % 8;
    const bool from_client = flags & 4;
    const compression_options& client = from_client ? sender : receiver;
    const compression_options& server = from_client ? receiver : sender;
    const ws::deflate_parameters agreed = ws::answer_deflate(ws::offer_deflate(client), server);
    const ws::role side = from_client ? ws::role::client : ws::role::server;
    ws::deflate_codec from(side, agreed, sender);
    ws::deflate_codec to(from_client ? ws::role::server : ws::role::client, agreed, receiver);
    const int bits = (from_client ? agreed.client_max_window_bits : agreed.server_max_window_bits).value_or(15);
    const bool forget = from_client ? agreed.client_no_context_takeover : agreed.server_no_context_takeover;
    reference zlib(bits);
    block_pool pool(0);
    fuzz::dice random(cuts);

    for (int messages = 0; messages < 6 && !in.empty(); ++messages) {
        const std::uint8_t what = in.byte();
        std::string text(in.take(in.up_to(what & 1 ? 255 : 31)));
        if ((what & 2) && in.byte() < 16) // longer than a window, with echoes near its edge
            for (const std::size_t size = 1 + in.up_to(70'000); text.size() < size;)
                text += random.roll() % 4 ? std::string(1, static_cast<char>(random.roll())) : std::string(text);
        if (text.size() > 100'000) text.resize(100'000);
        buffer out(pool);
        if (what & 4) { // by pieces
            const std::string_view whole = text;
            const std::size_t half = text.size() / 2;
            from.compress_piece(as_bytes(whole.substr(0, half)), false, out);
            if (what & 8) {
                buffer other(pool); // a whole message meanwhile is refused or stands by itself
                const std::string aside(300, 'a');
                if (from.compress(as_bytes(aside), other)) fuzz::require(!other.empty() && other.size() < 300, "smaller");
                else fuzz::require(other.empty(), "nothing of what is refused");
            }
            from.compress_piece(as_bytes(whole.substr(half)), true, out);
        } else if (!from.compress(as_bytes(text), out)) {
            fuzz::require(out.empty(), "nothing of what is refused");
            continue;
        } else {
            fuzz::require(out.size() < text.size() || sender.context_takeover || text.empty(), "smaller");
        }
        const std::string compressed(as_text(std::as_const(out).view()));
        const outcome got = decompress(to, compressed, cuts);
        fuzz::require(got.end == progress::complete && got.text == text, "comes back");
        std::string same;
        fuzz::require(zlib.message(compressed, forget, same, 64) == reference::outcome::whole && same == text,
                      "zlib reads it, within the window");
    }
}

} // namespace deflate_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    if (in.flag()) deflate_target::check_inflating(in);
    else deflate_target::check_round_trip(in);
    return 0;
}
