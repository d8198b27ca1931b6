// A stream of bytes that travel encrypted, over any other stream, which it owns. Part of net/tls.hpp.
//
// What is received is decrypted into leases of the loop's pool; what is written leaves in records of 16 KiB, as far as there is
// enough, several by one call. Nothing is kept between calls but the beginning of a record that has not come as a whole, and
// what the stream below has not taken yet: writing takes nothing while there is some of that. Reading may have to write
// and is never kept waiting by it.
//
// The handshake begins when a client's is made, or when a server's is first filled or written to, and goes on by itself. The peer's
// end is the close_notify of TLS; a stream below that ends without one is broken, `errc::tls_truncated`: somebody may have
// cut it off. `shutdown_write` and `close` say close_notify. Loop thread only.
#pragma once

#include <weir/io/loop.hpp>
#include <weir/net/tls_description.hpp>
#include <weir/net/tls_engine.hpp>
#include <weir/net/tls_leaving.hpp>

namespace weir::inline v0::net {

class tls_stream final : public io::stream, private io::stream_observer, private ready_item {
    using engine = detail::tls_engine;
    using io_status = io::status;

public:
    // For a client, `host` is whom the server has to be, and `server` what its sessions are kept by. Null when there is no memory.
    [[gnu::cold]] static owned<tls_stream> make(owned<io::stream> below, shared<detail::tls_setup> by, bool serves,
                                                std::string host, std::string server) {
        io::loop* const on = io::loop::current();
        assert(on && "TLS was begun on a thread that runs no loop");
        owned<tls_stream> made(new tls_stream(std::move(below), std::move(by), serves, std::move(host), std::move(server), *on));
        if (!made->x_engine) return nullptr;
        if (!serves) made->shake_hands();
        return made;
    }

    [[gnu::cold]] ~tls_stream() { close(); }

    io_status connected() noexcept override {
        if (is_broken()) return io_status::failed;
        return x_stage == stage::shaking ? io_status::blocked : io_status::ready;
    }

    io_status fill(io::lease& into) noexcept override {
        x_drained = false;
        if (is_broken()) [[unlikely]] return io_status::failed;
        if (x_stage == stage::shaking) [[unlikely]] {
            shake_hands();
            if (x_stage == stage::shaking) return is_broken() ? io_status::failed : io_status::blocked;
            tell_later(false, true);
        }
        engine::forget_errors();
        for (int tries = 0; tries < most_tries; ++tries) {
            if (x_ended) return io_status::end;
            std::size_t most = x_engine.readable_bytes();
            if (most == 0) {
                if (!receive()) return is_broken() ? io_status::failed : x_ended ? io_status::end : io_status::blocked;
                most = x_engine.readable_bytes();
            }
            if (decrypt(into, most)) return io_status::ready;
            if (is_broken()) return io_status::failed;
        }
        tell_later(true, false);
        return io_status::blocked;
    }

    void release(io::lease&& unused) noexcept override {
        x_loop.blocks().give(unused.backing);
        unused = {};
    }

    std::size_t write(std::span<const bytes_view> pieces) noexcept override {
        std::size_t wanted = 0;
        for (const bytes_view each : pieces) wanted += each.size();
        if (x_failure || wanted == 0) return 0;
        if (x_says_end) [[unlikely]] return cannot_write(std::make_error_code(std::errc::broken_pipe)), 0;
        std::size_t taken = 0;
        if (x_stage == stage::open && flush()) {
            engine::forget_errors();
            plaintext from{pieces};
            while (taken < wanted && flush()) {
                const std::size_t part = encrypt(from, wanted - taken);
                flush();
                if (x_failure) return 0;
                taken += part;
            }
        }
        x_owes_room = x_owes_room || taken < wanted;
        if (!x_begun) tell_later(false, false);
        return taken;
    }

    void shutdown_write() noexcept override {
        if (x_failure || std::exchange(x_says_end, true)) return;
        if (x_stage == stage::open) return say_end();
        if (!x_begun) tell_later(false, false); // it is said behind the handshake
    }

    [[gnu::cold]] void close() noexcept override {
        if (x_stage == stage::over) return;
        if (x_stage == stage::open && !x_failure && !std::exchange(x_says_end, true)) x_engine.end();
        if (!x_below->failure()) flush();
        leave();
        buffer& rest = x_engine.output();
        if (rest.empty() || x_below->failure()) {
            x_below->close();
        } else {
            detail::tls_leaving::begin(std::move(x_below), std::move(rest), x_loop);
        }
    }

    [[gnu::cold]] void reset() noexcept override {
        if (x_stage == stage::over) return;
        leave();
        x_below->reset();
    }

    std::size_t bytes_under_way() const noexcept override {
        return x_below ? x_engine.output().size() + x_below->bytes_under_way() : 0;
    }

    int descriptor() const noexcept override { return x_below ? x_below->descriptor() : -1; }

    [[gnu::cold]] std::string failure_detail() const override { return x_detail; }

    [[gnu::cold]] const connection_security* security() const override {
        if (x_stage == stage::shaking) return nullptr;
        if (!x_description && ::SSL_is_init_finished(x_engine.get()))
            x_description = make_owned<connection_security>(detail::describe(x_engine.get()));
        return x_description.get();
    }

    // "TLSv1.3", once the handshake is done; of static duration.
    [[gnu::cold]] std::string_view version() const noexcept { return ::SSL_get_version(x_engine.get()); }

    // The protocol that was agreed upon (ALPN); empty if none was. Valid as long as the stream.
    [[gnu::cold]] std::string_view protocol() const noexcept { return detail::chosen_protocol(x_engine.get()); }

    // Whether the handshake was the short one of a session that was resumed.
    bool is_resumed() const noexcept { return x_engine.is_resumed(); }

private:
    enum class stage : unsigned char { shaking, open, over };

    static constexpr int most_tries = 8;
    static constexpr std::size_t record_bytes = engine::record_bytes;
    static constexpr std::size_t batch_bytes = 7 * record_bytes; // of what is written at once: with the rest, less than 128 KiB

    // What is to be written, piece by piece.
    struct plaintext {
        std::span<const bytes_view> pieces;
        std::size_t used = 0; // of the first one

        // The first piece that is not used up; there must be one.
        bytes_view front() noexcept {
            while (used == pieces.front().size()) {
                pieces = pieces.subspan(1);
                used = 0;
            }
            return pieces.front().subspan(used);
        }
    };

    tls_stream(owned<io::stream> below, shared<detail::tls_setup> by, bool serves, std::string host, std::string server,
               io::loop& on)
        : x_below(std::move(below)), x_loop(on),
          x_engine(std::move(by), on.blocks(), serves, std::move(host), std::move(server)) {
        x_below->observe(this);
    }

    // Whether there is nothing left to be read, either.
    bool is_broken() const noexcept { return x_failure && !x_write_failed; }

    [[gnu::cold]] void broken(const error& why) noexcept {
        if (is_broken()) return;
        x_failure = why.code();
        x_detail = why.context();
        x_write_failed = false;
        forget_input();
        tell_later(true, true); // who waits for the other direction
    }
    [[gnu::cold]] void cannot_write(std::error_code why) noexcept {
        if (x_failure) return;
        x_failure = why;
        x_write_failed = true;
    }

    [[gnu::cold]] void shake_hands() noexcept {
        x_begun = true;
        for (;;) {
            const engine::outcome came = x_engine.shake_hands();
            flush();
            if (came == engine::outcome::done) {
                x_stage = stage::open;
                if (x_engine.input().empty()) give_input_back();
                if (x_says_end) say_end();
                return;
            }
            if (came == engine::outcome::failed) return broken(x_engine.failure());
            if (came == engine::outcome::ended) return ended_too_early();
            if (!receive()) return;
        }
    }

    void say_end() noexcept {
        x_engine.end();
        if (flush() && !x_below->failure()) x_below->shutdown_write();
    }

    [[gnu::cold]] void ended_too_early() noexcept {
        broken(error(errc::end_of_stream, concat({x_engine.with(), ": in the handshake"})));
    }

    // More from below. False if there is none, and it is noted why.
    bool receive() noexcept {
        give_input_back();
        switch (x_below->fill(x_input)) {
        case io_status::ready: x_engine.input() = x_input.bytes; return true;
        case io_status::blocked: break;
        case io_status::end:
            x_stage == stage::shaking ? ended_too_early() : broken(errc::tls_truncated);
            break;
        case io_status::failed: broken(x_below->failure()); break;
        }
        return false;
    }
    void forget_input() noexcept {
        x_engine.input() = {};
        give_input_back();
    }
    void give_input_back() noexcept {
        if (x_input.backing.data) x_below->release(exchanged(x_input, {}));
    }

    // All that has come, which is `most` bytes as they were sent. False if there was nothing for anybody in it.
    bool decrypt(io::lease& into, std::size_t most) noexcept {
        const block room = x_loop.blocks().take(most);
        std::size_t total = 0;
        engine::outcome came;
        do {
            std::size_t count;
            came = x_engine.read({room.data + total, room.size - total}, count);
            total += count;
        } while (came == engine::outcome::done && total < room.size);
        if (x_engine.input().empty()) give_input_back();
        flush(); // what reading had to say
        if (came == engine::outcome::ended) {
            x_ended = true;
            forget_input();
        }
        if (came == engine::outcome::failed) broken(x_engine.failure());
        if (total == 0) return x_loop.blocks().give(room), false;
        into = {{room.data, total}, room};
        x_drained = came == engine::outcome::starved && x_below->drained();
        return true;
    }

    // Hands the stream below what is to be sent. Whether it has taken all of it.
    bool flush() noexcept {
        buffer& out = x_engine.output();
        if (out.empty()) return true;
        out.consume(x_below->write_piece(std::as_const(out).view()));
        if (x_below->failure()) [[unlikely]] {
            out.clear();
            cannot_write(x_below->failure());
        }
        return out.empty();
    }

    // Makes records of what is written, `left` bytes, or of a good part of it. Small pieces are put together for that.
    std::size_t encrypt(plaintext& from, std::size_t left) noexcept {
        const std::size_t most = left < batch_bytes ? left : batch_bytes;
        buffer& out = x_engine.output();
        out.begin(most + (most / record_bytes + 1) * engine::overhead_bytes);
        block gathered;
        std::size_t done = 0;
        while (done < most && !x_failure) {
            bytes_view part = from.front();
            if (part.size() > most - done) part = part.first(most - done);
            if (part.size() < record_bytes && part.size() < most - done) {
                if (!gathered.data) gathered = x_loop.blocks().take(record_bytes);
                part = gather(from, {gathered.data, most - done < record_bytes ? most - done : record_bytes});
            } else {
                if (part.size() > record_bytes && part.size() < most - done) part = part.first(part.size() / record_bytes * record_bytes);
                from.used += part.size();
            }
            if (!x_engine.write(part)) broken(x_engine.failure());
            done += part.size();
        }
        x_loop.blocks().give(gathered);
        return done;
    }
    static bytes_view gather(plaintext& from, mutable_bytes into) noexcept {
        for (std::size_t filled = 0; filled < into.size();) {
            const bytes_view part = from.front();
            const std::size_t size = part.size() < into.size() - filled ? part.size() : into.size() - filled;
            std::memcpy(into.data() + filled, part.data(), size);
            filled += size;
            from.used += size;
        }
        return into;
    }

    // The end, on our side.
    [[gnu::cold]] void leave() noexcept {
        x_stage = stage::over;
        x_observer = nullptr;
        x_below->observe(nullptr);
        ready_item::unlink();
        forget_input();
        if (!x_failure) x_failure = std::make_error_code(std::errc::not_connected);
        x_write_failed = false;
    }

    // --- what the stream below tells, and what we tell ---

    void on_readable() noexcept override {
        if (x_stage == stage::shaking) [[unlikely]] return go_on();
        tell(true, false);
    }
    void on_writable() noexcept override {
        const bool room = flush();
        if (x_stage == stage::shaking) [[unlikely]] {
            if (x_failure) go_on(); // what the peer has said before may say why
            return;
        }
        if (room && x_says_end && !x_below->failure()) x_below->shutdown_write();
        if (x_failure || (room && exchanged(x_owes_room, false))) tell(false, true);
    }
    [[gnu::cold]] void go_on() noexcept {
        if (!is_broken()) shake_hands();
        if (is_broken() || x_stage == stage::open) tell(true, true);
    }

    void tell(bool readable, bool writable) noexcept {
        if (writable && x_observer) x_observer->on_writable();
        if (readable && x_observer) x_observer->on_readable();
    }
    [[gnu::cold]] void tell_later(bool readable, bool writable) noexcept {
        x_tells_readable = x_tells_readable || readable;
        x_tells_writable = x_tells_writable || writable;
        x_loop.post(*this);
    }
    [[gnu::cold]] void run() noexcept override {
        if (!x_begun) return go_on();
        const bool readable = exchanged(x_tells_readable, false);
        tell(readable, exchanged(x_tells_writable, false));
    }

    owned<io::stream> x_below; // null when somebody else sends the rest
    io::loop& x_loop;
    detail::tls_engine x_engine;
    io::lease x_input; // of the stream below
    std::string x_detail;
    mutable owned<connection_security> x_description; // once somebody has asked for it
    stage x_stage = stage::shaking;
    bool x_begun = false;        // the handshake
    bool x_ended = false;        // the peer has said so
    bool x_says_end = false;     // we have
    bool x_owes_room = false;    // somebody wants to write
    bool x_write_failed = false; // x_failure comes from a write; there may be something to read still
    bool x_tells_readable = false;
    bool x_tells_writable = false;
};

} // namespace weir::inline v0::net
