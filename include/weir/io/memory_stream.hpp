// One end of an in-memory pipe.
//
// Part of the test kit; see io/memory.hpp. Stricter than a socket: its observer is told only after an operation that
// was blocked, and when the peer has ended or broken the stream. Bytes that have arrived before a reset can still be
// read; those under way are lost. Writing to a peer that is gone fails with EPIPE.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/io/memory_link.hpp>

#include <cstring>
#include <utility>

namespace weir::inline v0::io {

class memory_stream final : public stream, private memory_event {
    using time = std::chrono::nanoseconds;
    using pipe = memory_link::pipe;
    static constexpr time never = memory_link::never;

public:
    using both = std::pair<owned<memory_stream>, owned<memory_stream>>;

    // Two connected ends.
    static both make(memory_backend& backend) {
        const memory_options& options = backend.options();
        memory_link& between = *new memory_link(backend.blocks(), options.pipe_bytes, options.latency);
        return {make_owned<memory_stream>(backend, between, 0), make_owned<memory_stream>(backend, between, 1)};
    }

    // One end; the link belongs to its ends, and goes with the last one of them. Side 0 is the one that connects.
    memory_stream(memory_backend& backend, memory_link& between, int side) noexcept
        : x_backend(backend), x_link(between), x_side(side) {
        x_link.ends[x_side] = this;
    }

    ~memory_stream() {
        close();
        x_link.ends[x_side] = nullptr;
        if (!peer()) delete &x_link;
    }

    // From here on it is connecting, until `establish`.
    void start_connecting() noexcept { x_connecting = true; }
    bool waits_for_acceptor() const noexcept { return x_connecting && x_link.connected == never; }

    // At this end, which was connected to: tells the other one, at `at`, that it is connected, or that it is refused.
    void let_in(time at) noexcept { answer(memory_signal::accept, at); }
    void turn_away(time at) noexcept {
        x_link.refused = true;
        answer(memory_signal::refuse, at);
    }

    // When it is known how connecting ends.
    void establish(time at) noexcept {
        x_link.connected = at;
        x_backend.schedule(*this, at);
    }

    // Looks, in the next turn, what has become of the link.
    void look() noexcept { x_backend.schedule(*this, x_backend.now()); }

    // The other end; null once it is destroyed.
    memory_stream* peer() const noexcept { return x_link.ends[1 - x_side]; }

    status connected() noexcept override {
        if (x_failure) return status::failed;
        return x_connecting ? status::blocked : status::ready;
    }

    status fill(lease& into) noexcept override {
        mutable_bytes none;
        return memory_stream::fill_first(none, into);
    }

    status fill_first(mutable_bytes& room, lease& into) noexcept override {
        const mutable_bytes whole = room;
        room = room.first(0);
        if (!x_write_failed && fails(memory_operation::fill)) return status::failed;
        const time now = x_backend.now();
        pipe& in = incoming();
        std::size_t count = x_connecting ? 0 : in.arrived(now);
        if (count > 0) {
            const std::size_t wish = x_backend.options().fill_bytes, most = wish < lease_bytes ? wish : lease_bytes;
            count = x_backend.portion(count < most ? count : most);
            room = whole.first(count < whole.size() ? count : whole.size());
            if (!room.empty()) std::memcpy(room.data(), in.bytes.data(), room.size());
            if (const std::size_t behind = count - room.size()) {
                const block lent = x_backend.blocks().take(lease_bytes);
                std::memcpy(lent.data, in.bytes.data() + room.size(), behind);
                into = {{lent.data, behind}, lent};
            }
            in.bytes.consume(count);
            in.here -= count;
            x_drained = x_wants_read = in.here == 0 && in.ends > now && in.broken > now && !x_write_failed;
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
        if (fails(memory_operation::write)) return 0;
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

    std::size_t bytes_under_way() const noexcept override { return x_link.ways[x_side].bytes.size(); }

    void shutdown_write() noexcept override {
        if (fails(memory_operation::shutdown_write) || outgoing().ends != never) return;
        outgoing().ends = arrival(memory_signal::end);
        tell_peer(outgoing().ends);
    }

    void close() noexcept override {
        if (x_left) return;
        const time now = x_backend.now();
        const bool over = x_link.refused || incoming().broken <= now; // for the other end as well
        const time then = over ? now : arrival(memory_signal::close);
        if (outgoing().ends == never) outgoing().ends = then;
        leave(std::make_error_code(std::errc::not_connected), then);
    }

    void reset() noexcept override {
        x_write_failed = false;
        break_with(std::make_error_code(std::errc::not_connected));
    }

private:
    static constexpr std::size_t lease_bytes = 64 * 1024;

    pipe& outgoing() noexcept { return x_link.ways[x_side]; }
    pipe& incoming() noexcept { return x_link.ways[1 - x_side]; }

    // When what is sent now arrives: never before what was sent earlier.
    time arrival(memory_signal what, std::size_t bytes = 0) noexcept {
        time& earliest = outgoing().not_before;
        const time then = x_link.arrival(x_side, what, bytes, x_backend.now());
        return earliest = then > earliest ? then : earliest;
    }

    void answer(memory_signal how, time at) noexcept {
        if (memory_stream* client = peer()) client->establish(x_link.arrival(x_side, how, 0, at));
    }

    void deliver(pipe& by, std::size_t count) noexcept {
        const std::uint64_t cut = x_backend.options().cut_at;
        if (by.written < cut && cut - by.written < count) {
            const auto before = static_cast<std::size_t>(cut - by.written);
            deliver(by, before);
            count -= before;
        }
        if (by.written == cut) {
            by.not_before = arrival(memory_signal::bytes) + std::chrono::milliseconds(1);
            x_backend.note_cut();
        }
        const time then = arrival(memory_signal::bytes, count);
        by.arrive(count, then);
        tell_peer(then);
    }

    void tell_peer(time at) noexcept {
        if (memory_stream* other = peer()) other->x_backend.schedule(*other, at);
    }

    // Whether the operation that begins now fails: the stream is broken, or this is the failure that a test wants.
    bool fails(memory_operation kind) noexcept {
        if (x_failure) return true;
        if (!x_backend.fails(kind)) return false;
        break_with(errc::injected);
        x_backend.schedule(*this, x_backend.now()); // who waits for the other direction is told
        return true;
    }

    // Breaks the connection: what is under way to the peer is lost.
    void break_with(std::error_code why) noexcept {
        if (x_failure) return;
        const time now = x_backend.now(), then = x_link.arrival(x_side, memory_signal::reset, 0, now);
        outgoing().lose(now);
        outgoing().broken = then;
        leave(why, then);
    }

    // Reads no more, and does nothing else either.
    void leave(std::error_code why, time then) noexcept {
        x_left = true;
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
            if (x_link.connected == never) return;
            if (x_link.connected > now) return x_backend.schedule(*this, x_link.connected);
            x_connecting = false;
            if (x_link.refused) x_failure = {ECONNREFUSED, std::system_category()};
            x_wants_write = true; // told in any case
        }
        pipe &in = incoming(), &out = outgoing();
        const bool broken = x_failure || in.broken <= now;
        const bool over = (broken || in.ends <= now) && !exchanged(x_told_end, x_told_end || broken || in.ends <= now);
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
    memory_link& x_link;
    int x_side;
    bool x_connecting = false;
    bool x_wants_read = false;
    bool x_wants_write = false;
    bool x_told_end = false;
    bool x_left = false; // closed or broken by us
    bool x_write_failed = false; // x_failure comes from a write; what has arrived can still be read
};

} // namespace weir::inline v0::io
