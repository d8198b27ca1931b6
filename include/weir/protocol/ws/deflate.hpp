// Compression of messages by permessage-deflate (RFC 7692), with zlib: a leaf header, which only programs include.
//
//     server.run({.port = 9001, .websocket = {.compression = weir::permessage_deflate}});
//     connect(url, {.websocket = {.compression = weir::permessage_deflate({.level = 1})}});
//
// Where the states come from: those that the connections of a thread borrow for a message are kept for the next one, a
// few of each kind, by a pool that these connections own together; it goes with the last of them. Where a message may
// refer to earlier ones, the connection keeps its own. Memory comes from `operator new`; running out of it ends the
// program.
#pragma once

#if !__has_include(<zlib.h>)
#error "weir/protocol/ws/deflate.hpp needs zlib, whose zlib.h is not there (Debian: zlib1g-dev; link with -lz)"
#endif

#include <weir/core/exchanged.hpp>
#include <weir/core/utf8.hpp>
#include <weir/protocol/ws/deflate_parameters.hpp>
#include <weir/protocol/ws/message_codec.hpp>
#include <weir/protocol/ws/role.hpp>

#include <cassert>
#include <new>
#include <utility>

#include <zlib.h>

namespace weir::inline v0 {

namespace ws::detail {

inline void* zlib_take(void*, uInt count, uInt size) noexcept { return ::operator new(std::size_t{count} * size); }
inline void zlib_give(void*, void* memory) noexcept { ::operator delete(memory); }

// zlib's counts are 32 bits wide.
constexpr uInt zlib_size(std::size_t size) noexcept {
    constexpr std::size_t most = 1u << 30;
    return static_cast<uInt>(size < most ? size : most);
}
inline Bytef* zlib_bytes(const std::byte* from) noexcept {
    return reinterpret_cast<Bytef*>(const_cast<std::byte*>(from)); // zlib writes nothing where it reads
}

// A state that compresses. Does not move: zlib points back at it.
class deflater {
public:
    struct settings {
        int window_bits;
        int level;
        int memory_level;
        friend bool operator==(const settings&, const settings&) noexcept = default;
    };

    explicit deflater(const settings& how) noexcept : x_settings(how) {
        x_stream.zalloc = zlib_take;
        x_stream.zfree = zlib_give;
        // zlib has no window of 256 bytes for raw data. With one of 512 it refers back by 250 bytes at the most (the
        // window less the longest match and a little), which is what a peer with 256 can follow.
        const int bits = how.window_bits == 8 ? 9 : how.window_bits;
        [[maybe_unused]] const int made =
            deflateInit2(&x_stream, how.level, Z_DEFLATED, -bits, how.memory_level, Z_DEFAULT_STRATEGY);
        assert(made == Z_OK);
    }
    deflater(const deflater&) = delete;
    deflater& operator=(const deflater&) = delete;
    ~deflater() { deflateEnd(&x_stream); }

    const settings& made_for() const noexcept { return x_settings; }
    void reset() noexcept { deflateReset(&x_stream); }

    // Appends all of `input`, compressed, and says how many bytes that were: whole up to the empty block that ends it,
    // 00 00 FF FF. Stops, without having finished, when it has become more than `most`.
    std::size_t run(bytes_view input, buffer& out, std::size_t most) noexcept {
        std::size_t made = 0;
        do {
            x_stream.next_in = zlib_bytes(input.data());
            x_stream.avail_in = zlib_size(input.size());
            input = input.subspan(x_stream.avail_in);
            do {
                const std::size_t room = made ? later_room : room_for(x_stream.avail_in);
                std::byte* const to = out.prepare(room);
                assert(to && "this buffer has no bound of its own");
                x_stream.next_out = zlib_bytes(to);
                x_stream.avail_out = static_cast<uInt>(room);
                deflate(&x_stream, input.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
                out.commit(room - x_stream.avail_out);
                made += room - x_stream.avail_out;
            } while (!x_stream.avail_out && made <= most);
        } while (!input.empty() && made <= most);
        return made;
    }

private:
    static constexpr std::size_t later_room = 16 * 1024;

    // Enough for whatever is short, and for what most texts become.
    static std::size_t room_for(std::size_t input) noexcept {
        constexpr std::size_t most = 64 * 1024;
        if (input <= later_room) return input + 64;
        return input / 2 < most ? input / 2 : most;
    }

    z_stream x_stream{};
    settings x_settings;
};

// A state that decompresses. Does not move either.
class inflater {
public:
    struct settings {
        int window_bits;
        friend bool operator==(const settings&, const settings&) noexcept = default;
    };

    explicit inflater(const settings& how) noexcept : x_settings(how) {
        x_stream.zalloc = zlib_take;
        x_stream.zfree = zlib_give;
        [[maybe_unused]] const int made = inflateInit2(&x_stream, -how.window_bits);
        assert(made == Z_OK);
    }
    inflater(const inflater&) = delete;
    inflater& operator=(const inflater&) = delete;
    ~inflater() { inflateEnd(&x_stream); }

    const settings& made_for() const noexcept { return x_settings; }
    void reset() noexcept {
        inflateReset(&x_stream);
        x_whole = true;
    }

    // Whether what was taken in so far ends at the end of a block, and of a byte.
    bool whole() const noexcept { return x_whole; }

    // Takes from the front of both what it used. False when the input is corrupt.
    bool run(bytes_view& input, mutable_bytes& out) noexcept {
        x_stream.next_in = zlib_bytes(input.data());
        const uInt given = x_stream.avail_in = zlib_size(input.size());
        x_stream.next_out = zlib_bytes(out.data());
        const uInt room = x_stream.avail_out = zlib_size(out.size());
        const int outcome = inflate(&x_stream, Z_SYNC_FLUSH);
        input = input.subspan(given - x_stream.avail_in);
        out = out.subspan(room - x_stream.avail_out);
        if (outcome == Z_STREAM_END) { // a block with BFINAL set: goes on with the same window (RFC 7692, 7.2.3.4)
            inflateResetKeep(&x_stream);
            x_whole = true;
            return true;
        }
        if (outcome == Z_BUF_ERROR) return true; // nothing was to be done; zlib does not say again where it stands
        constexpr int at_end_of_block = 128, unused_bits = 63;
        x_whole = (x_stream.data_type & at_end_of_block) && !(x_stream.data_type & unused_bits);
        return outcome == Z_OK;
    }

private:
    z_stream x_stream{};
    settings x_settings;
    bool x_whole = true;
};

// States that nobody uses now, the most recent first. A state of the right settings is reset when it is taken.
template <class State>
class idle_states {
public:
    idle_states() noexcept = default;
    idle_states(const idle_states&) = delete;
    idle_states& operator=(const idle_states&) = delete;
    ~idle_states() {
        for (State* each : x_states) delete each;
    }

    State* take(const typename State::settings& how) noexcept {
        for (std::size_t i = 0; i < most; ++i) {
            if (!x_states[i] || x_states[i]->made_for() != how) continue;
            State* const found = x_states[i];
            for (; i + 1 < most; ++i) x_states[i] = x_states[i + 1];
            x_states[most - 1] = nullptr;
            found->reset();
            return found;
        }
        return new State(how);
    }

    void give(State* unused) noexcept {
        if (!unused) return;
        delete x_states[most - 1]; // the one that was not wanted for longest
        for (std::size_t i = most - 1; i; --i) x_states[i] = x_states[i - 1];
        x_states[0] = unused;
    }

private:
    static constexpr std::size_t most = 4;

    State* x_states[most] = {};
};

// The states of a thread, as long as somebody there has a use for them.
struct deflate_states {
    idle_states<deflater> deflaters;
    idle_states<inflater> inflaters;
    std::size_t users = 0;

    static deflate_states& join() {
        deflate_states*& here = of_thread();
        if (!here) here = new deflate_states;
        ++here->users;
        return *here;
    }
    // Left on another thread they stay: the thread that they are of may come back to them.
    void leave() noexcept {
        if (--users || of_thread() != this) return;
        of_thread() = nullptr;
        delete this;
    }

private:
    static deflate_states*& of_thread() noexcept {
        static constinit thread_local deflate_states* states = nullptr;
        return states;
    }
};

} // namespace ws::detail

namespace ws {

class deflate_codec final : public message_codec {
public:
    deflate_codec(role side, const deflate_parameters& agreed, const compression_options& how)
        : x_states(detail::deflate_states::join()), x_agreed(to_text(agreed, false)) {
        const bool server = side == role::server;
        const int own_bits = (server ? agreed.server_max_window_bits : agreed.client_max_window_bits).value_or(15);
        const int peer_bits = (server ? agreed.client_max_window_bits : agreed.server_max_window_bits).value_or(15);
        x_out_settings = {own_bits < how.window_bits ? own_bits : how.window_bits, how.level, how.memory_level};
        x_in_settings = {peer_bits};
        x_keeps_out = how.context_takeover &&
                      !(server ? agreed.server_no_context_takeover : agreed.client_no_context_takeover);
        x_keeps_in = !(server ? agreed.client_no_context_takeover : agreed.server_no_context_takeover);
    }
    ~deflate_codec() override {
        x_states.deflaters.give(x_out);
        x_states.inflaters.give(x_in);
        x_states.leave();
    }

    std::string_view agreed() const noexcept override { return x_agreed; }

    [[nodiscard]] bool compress(bytes_view payload, buffer& out) noexcept override {
        if (x_keeps_out) {
            if (x_streaming) return false;
            compress_piece(payload, true, out);
            return true;
        }
        detail::deflater* const with = x_states.deflaters.take(x_out_settings);
        const std::size_t most = payload.size() + sizeof tail - 1;
        const std::size_t made = with->run(payload, out, most);
        x_states.deflaters.give(with);
        out.retract(made > most ? made : sizeof tail);
        return made <= most;
    }

    void compress_piece(bytes_view payload, bool last, buffer& out) noexcept override {
        if (!x_out) x_out = x_states.deflaters.take(x_out_settings);
        const std::size_t made = x_out->run(payload, out, static_cast<std::size_t>(-1));
        x_streaming = !last;
        if (!last) return;
        if (made) {
            out.retract(sizeof tail); // RFC 7692, section 7.2.1
        } else { // all of it was flushed before: the header of an empty block, whose rest is the tail (section 7.2.3.6)
            [[maybe_unused]] const bool fits = out.append({tail, 1});
            assert(fits && "this buffer has no bound of its own");
        }
        if (!x_keeps_out) x_states.deflaters.give(exchanged(x_out, nullptr));
    }

    [[nodiscard]] decompressed decompress(buffer& out, std::size_t most) noexcept override {
        while (x_pending && out.size() < most) {
            const std::size_t held = out.size() < first_step ? first_step : out.size() < step ? out.size() : step;
            const std::size_t room = held < most - out.size() ? held : most - out.size();
            std::byte* const to = out.prepare(room);
            assert(to && "this buffer has no bound of its own");
            const inflated got = inflate(x_input, x_input_last, {to, room});
            out.commit(got.size);
            x_pending = got.state == progress::more_room;
            const bool last = got.state == progress::complete;
            if (got.state == progress::corrupt) return {.failure = errc::bad_compression};
            if (x_type == opcode::text && (!x_utf8.update({to, got.size}) || (last && !x_utf8.complete()))) {
                x_pending = false;
                return {.failure = errc::bad_utf8};
            }
            if (!last) continue;
            x_utf8.reset();
            return {.last = true};
        }
        out.consume(0); // gives back what holds nothing
        return {};
    }

    enum class progress : unsigned char {
        more_input, // all input was used, and everything that can be made of it was given out
        more_room,  // there may be more output
        complete,   // the message has ended
        corrupt,    // the input is not deflated data; nothing can be decompressed any more
    };
    struct inflated {
        std::size_t size; // bytes that were written
        progress state;
    };

    // For `decompress`, a step of it: decompresses from the front of `input`, which it advances, to `out`, which is not
    // empty. `last`: with `input` the message ends.
    [[nodiscard]] inflated inflate(bytes_view& input, bool last, mutable_bytes out) noexcept {
        assert(!out.empty());
        if (!x_in) x_in = x_states.inflaters.take(x_in_settings);
        mutable_bytes room = out;
        const auto given = [&](progress state) { return inflated{out.size() - room.size(), state}; };
        for (;;) {
            const bool at_tail = last && input.empty() && !x_room_filled;
            // Some send whole blocks and leave nothing for the tail to end.
            if (at_tail && x_in->whole() && x_tail_used == 0) break;
            bytes_view rest(tail + x_tail_used, sizeof tail - x_tail_used);
            if (!x_in->run(at_tail ? rest : input, room)) return given(progress::corrupt);
            if (at_tail) x_tail_used = sizeof tail - rest.size();
            x_room_filled = room.empty();
            if (x_room_filled) return given(progress::more_room);
            if (!input.empty() || (at_tail && !rest.empty())) continue; // behind a last block
            if (!last) return given(progress::more_input);
            if (!at_tail) continue;
            if (!x_in->whole()) return given(progress::corrupt);
            break;
        }
        x_tail_used = 0;
        if (!x_keeps_in) x_states.inflaters.give(exchanged(x_in, nullptr));
        return given(progress::complete);
    }

private:
    // What ends a message and is not sent.
    static constexpr std::byte tail[] = {std::byte{0}, std::byte{0}, std::byte{0xFF}, std::byte{0xFF}};

    // What a message that is decompressed grows by: little at first, then as much as it has, then this.
    static constexpr std::size_t first_step = 4 * 1024;
    static constexpr std::size_t step = 64 * 1024;

    detail::deflate_states& x_states;
    detail::deflater* x_out = nullptr; // for the message that is sent by pieces, or for good
    detail::inflater* x_in = nullptr;  // for the message that comes, or for good
    std::string x_agreed;
    detail::deflater::settings x_out_settings{};
    detail::inflater::settings x_in_settings{};
    utf8_validator x_utf8;       // of the message that comes
    std::size_t x_tail_used = 0; // bytes of the tail that x_in has had
    bool x_room_filled = false;  // there may be output for which x_in needs no input
    bool x_keeps_out = false;    // messages that are sent refer to earlier ones
    bool x_keeps_in = false;     // those that come may
    bool x_streaming = false;    // a message is being sent by pieces
};

class deflate_method final : public compression_method {
public:
    [[gnu::cold]] owned<message_codec> accept(const http::fields& request,
                                              const compression_options& how) const override {
        const std::optional<deflate_parameters> answer = accept_deflate(request, how);
        if (!answer) return nullptr;
        return make_owned<deflate_codec>(role::server, *answer, how);
    }

    [[gnu::cold]] std::string offer(const compression_options& how) const override {
        return to_text(offer_deflate(how), true);
    }

    [[gnu::cold]] result<owned<message_codec>> confirm(const http::fields& response,
                                                       const compression_options& how) const override {
        result<std::optional<deflate_parameters>> agreed = confirm_deflate(response, offer_deflate(how));
        if (!agreed) return std::move(agreed).error();
        owned<message_codec> made;
        if (*agreed) made = make_owned<deflate_codec>(role::client, **agreed, how);
        return made;
    }
};

inline constexpr deflate_method deflate_messages{};

} // namespace ws

// For the options of servers and clients: `weir::permessage_deflate`, or with settings of one's own
// `weir::permessage_deflate({.level = 1})`.
struct permessage_deflate_type {
    constexpr compression_choice operator()(const compression_options& how = {}) const noexcept {
        assert(how.level >= 1 && how.level <= 9 && how.memory_level >= 1 && how.memory_level <= 9);
        assert(how.window_bits >= 8 && how.window_bits <= 15);
        assert(how.peer_window_bits >= 8 && how.peer_window_bits <= 15);
        return {ws::deflate_messages, how};
    }
    constexpr operator compression_choice() const noexcept { return (*this)(); }
};
inline constexpr permessage_deflate_type permessage_deflate{};

} // namespace weir::inline v0
