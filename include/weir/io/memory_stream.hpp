// One end of an in-memory pipe.
//
// Part of the test kit; see io/memory.hpp. Stricter than a socket: its observer is told only after an operation that
// was blocked, and when the peer has ended or broken the stream. Bytes that have arrived before a reset can still be
// read; those under way are lost. Writing to a peer that is gone fails with EPIPE.
#pragma once

#include <weir/core/buffer.hpp>
#include <weir/core/shared.hpp>
#include <weir/io/memory_backend.hpp>

#include <cstring>
#include <utility>
#include <vector>

namespace weir::inline v0::io {

class memory_stream final : public stream, private memory_event {
    using time = std::chrono::nanoseconds;
    static constexpr time never = time::max();

    // What one end has written and the other has not read yet.
    struct pipe {
        struct portion {
            std::size_t bytes;
            time at;
        };

        pipe(block_pool& pool, std::size_t bound) noexcept : bytes(pool, bound) {}

        // How many bytes can be read at `now`.
        std::size_t arrived(time now) noexcept {
            while (!under_way.empty() && under_way.front().at <= now) {
                here += under_way.front().bytes;
                under_way.erase(under_way.begin());
            }
            return here;
        }

        // Notes that `count` bytes arrive at `at`, or after those before them.
        void arrive(std::size_t count, time at) {
            written += count;
            if (under_way.empty() || under_way.back().at != at)
                under_way.push_back({count, at});
            else
                under_way.back().bytes += count;
        }

        buffer bytes;
        std::uint64_t written = 0;
        time not_before{0}; // when what follows may arrive
        std::size_t here = 0;
        std::vector<portion> under_way;
        time ends = never;       // when the reader sees that nothing follows
        time broken = never;     // when the reader sees a reset
        time unread = never;     // when the writer sees that nobody reads any more
    };

    struct link {
        explicit link(memory_backend& backend)
            : ways{{backend.blocks(), backend.options().pipe_bytes}, {backend.blocks(), backend.options().pipe_bytes}} {}
        pipe ways[2]; // ways[i] is written by ends[i]
        memory_stream* ends[2] = {nullptr, nullptr};
    };

public:
    using both = std::pair<owned<memory_stream>, owned<memory_stream>>;

    // Two connected ends.
    static both make(memory_backend& backend) {
        const auto between = shared<link>::make(backend);
        return {owned<memory_stream>(new memory_stream(backend, between, 0)),
                owned<memory_stream>(new memory_stream(backend, between, 1))};
    }

    ~memory_stream() {
        close();
        x_link->ends[x_side] = nullptr;
    }

    // From here on it is connecting, until `establish` or `refuse`.
    void start_connecting() noexcept { x_connecting = true; }
    void establish(time at) noexcept {
        x_connected_at = at;
        x_backend.schedule(*this, at);
    }
    void refuse(time at) noexcept {
        x_refused = true;
        establish(at);
    }
    bool waits_for_acceptor() const noexcept { return x_connecting && x_connected_at == never; }

    // The other end; null once it is destroyed.
    memory_stream* peer() const noexcept { return x_link->ends[1 - x_side]; }

    status connected() noexcept override {
        if (x_failure) return status::failed;
        return x_connecting ? status::blocked : status::ready;
    }

    status fill(lease& into) noexcept override {
        if (!x_write_failed && fails()) return status::failed;
        const time now = x_backend.now();
        pipe& in = incoming();
        std::size_t count = x_connecting ? 0 : in.arrived(now);
        if (count > 0) {
            const std::size_t wish = x_backend.options().fill_bytes, most = wish < lease_bytes ? wish : lease_bytes;
            count = x_backend.portion(count < most ? count : most);
            const block room = x_backend.blocks().take(lease_bytes);
            std::memcpy(room.data, in.bytes.data(), count);
            in.bytes.consume(count);
            in.here -= count;
            into = {{room.data, count}, room};
            if (peer() && peer()->x_wants_write) tell_peer(now);
            return status::ready;
        }
        if (x_write_failed) return status::failed;
        if (!x_connecting && in.broken <= now) {
            x_failure = {ECONNRESET, std::system_category()};
            return status::failed;
        }
        if (!x_connecting && in.ends <= now) return status::end;
        x_wants_read = true;
        return status::blocked;
    }

    void release(lease&& unused) noexcept override {
        x_backend.blocks().give(unused.backing);
        unused = {};
    }

    std::size_t write(std::span<const bytes_view> pieces) noexcept override {
        if (fails()) return 0;
        const time now = x_backend.now();
        pipe& out = outgoing();
        std::size_t wanted = 0;
        for (const bytes_view& each : pieces) wanted += each.size();
        if (wanted == 0) return 0;
        if (x_connecting) {
            x_wants_write = true;
            return 0;
        }
        if (incoming().broken <= now || out.unread <= now || out.ends != never) {
            x_failure = {incoming().broken <= now ? ECONNRESET : EPIPE, std::system_category()};
            x_write_failed = true;
            return 0;
        }
        const std::size_t room = out.bytes.bound() - out.bytes.size();
        std::size_t taken = wanted < room ? wanted : room;
        if (taken > x_backend.options().write_bytes) taken = x_backend.options().write_bytes;
        taken = x_backend.portion(taken);
        if (taken < wanted) {
            x_wants_write = true;
            if (taken < room) x_backend.schedule(*this, now); // only this call was limited
        }
        if (taken == 0 || out.unread != never) return taken; // nobody will read it
        std::size_t left = taken;
        for (const bytes_view& each : pieces) {
            const std::size_t part = each.size() < left ? each.size() : left;
            (void)out.bytes.append(each.first(part));
            left -= part;
        }
        deliver(out, taken);
        return taken;
    }

    std::size_t bytes_under_way() const noexcept override { return x_link->ways[x_side].bytes.size(); }

    void shutdown_write() noexcept override {
        if (fails() || outgoing().ends != never) return;
        outgoing().ends = arrival(outgoing());
        tell_peer(outgoing().ends);
    }

    void close() noexcept override {
        const time then = x_backend.now() + x_backend.options().latency;
        if (outgoing().ends == never) outgoing().ends = arrival(outgoing());
        leave(std::make_error_code(std::errc::not_connected), then);
    }

    void reset() noexcept override {
        x_write_failed = false;
        break_with(std::make_error_code(std::errc::not_connected));
    }

private:
    static constexpr std::size_t lease_bytes = 64 * 1024;

    memory_stream(memory_backend& backend, const shared<link>& between, int side) noexcept
        : x_backend(backend), x_link(between), x_side(side) {
        x_link->ends[x_side] = this;
    }

    pipe& outgoing() noexcept { return x_link->ways[x_side]; }
    pipe& incoming() noexcept { return x_link->ways[1 - x_side]; }

    // When what is sent now arrives.
    time arrival(const pipe& by) const noexcept {
        const time then = x_backend.now() + x_backend.options().latency;
        return then > by.not_before ? then : by.not_before;
    }

    void deliver(pipe& by, std::size_t count) noexcept {
        const std::uint64_t cut = x_backend.options().cut_at;
        if (by.written < cut && cut - by.written < count) {
            const auto before = static_cast<std::size_t>(cut - by.written);
            deliver(by, before);
            count -= before;
        }
        if (by.written == cut) {
            by.not_before = arrival(by) + std::chrono::milliseconds(1);
            x_backend.note_cut();
        }
        const time then = arrival(by);
        by.arrive(count, then);
        tell_peer(then);
    }

    void tell_peer(time at) noexcept {
        if (memory_stream* other = peer()) x_backend.schedule(*other, at);
    }

    // Whether the operation that begins now fails: the stream is broken, or this is the failure that a test wants.
    bool fails() noexcept {
        if (x_failure) return true;
        if (!x_backend.fails()) return false;
        break_with(errc::injected);
        x_backend.schedule(*this, x_backend.now()); // who waits for the other direction is told
        return true;
    }

    // Breaks the connection: what is under way to the peer is lost.
    void break_with(std::error_code why) noexcept {
        if (x_failure) return;
        const time now = x_backend.now(), then = now + x_backend.options().latency;
        pipe& out = outgoing();
        out.bytes.retract(out.bytes.size() - out.arrived(now));
        out.under_way.clear();
        out.broken = then;
        leave(why, then);
    }

    // Reads no more, and does nothing else either.
    void leave(std::error_code why, time then) noexcept {
        x_write_failed = false;
        if (!x_failure) x_failure = why;
        pipe& in = incoming();
        if (in.unread == never) in.unread = then;
        in.bytes.clear();
        in.under_way.clear();
        in.here = 0;
        memory_event::unlink();
        tell_peer(then);
    }

    void on_due() noexcept override {
        const time now = x_backend.now();
        if (x_connecting) {
            if (x_connected_at == never) return;
            if (x_connected_at > now) return x_backend.schedule(*this, x_connected_at);
            x_connecting = false;
            if (x_refused) x_failure = {ECONNREFUSED, std::system_category()};
            x_wants_write = true; // told in any case
        }
        pipe &in = incoming(), &out = outgoing();
        const bool broken = x_failure || in.broken <= now;
        const bool over = (broken || in.ends <= now) && !std::exchange(x_told_end, x_told_end || broken || in.ends <= now);
        const bool news = x_wants_read && (broken || in.arrived(now) > 0 || in.ends <= now);
        const bool room = x_wants_write && (broken || out.unread <= now || out.bytes.size() < out.bytes.bound());
        if (news) x_wants_read = false;
        if (room) x_wants_write = false;
        time next = never;
        if (in.arrived(now) < in.bytes.size()) next = in.under_way.front().at;
        for (const time each : {in.ends, in.broken, out.unread})
            if (each > now && each < next) next = each;
        if (next != never) x_backend.schedule(*this, next);
        if ((room || (over && broken)) && x_observer) x_observer->on_writable();
        if ((news || over) && x_observer) x_observer->on_readable();
    }

    memory_backend& x_backend;
    shared<link> x_link;
    int x_side;
    bool x_connecting = false;
    bool x_refused = false;
    bool x_wants_read = false;
    bool x_wants_write = false;
    bool x_told_end = false;
    bool x_write_failed = false; // x_failure comes from a write; what has arrived can still be read
    time x_connected_at = never;
};

} // namespace weir::inline v0::io
