// A stream over a connected socket whose readiness somebody watches.
//
// Receives into a buffer of the backend's hot pool, lent until it is released; into a larger one where the one before was
// filled; or into the caller's memory, by the same call with a buffer behind it. A receive that gave less than it could
// have means that the socket is drained: the next one is not tried before the socket is reported ready again.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/io/readiness.hpp>

#include <utility>

#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace weir::inline v0::io {

// What is known of the socket: a class of its own, since it fits in behind what every stream has.
class socket_state : public stream {
protected:
    explicit socket_state(bool connecting) noexcept : x_writable(!connecting), x_connecting(connecting) { x_lends_blocks = true; }

    bool x_readable = false; // not once x_failure is set, unless x_write_failed is; and x_writable not at all
    bool x_full : 1 = false; // the last receive has filled its lease
    bool x_hangup : 1 = false;
    bool x_more : 1 = false; // one of the two
    bool x_writable : 1;
    bool x_connecting : 1;
    bool x_watched : 1 = true;
    bool x_write_failed : 1 = false; // x_failure comes from a write; there may be something to receive still
};

class socket_stream final : public socket_state, private watched {
public:
    // Takes over a non-blocking socket, connected or `connecting`. Fails if it cannot be watched.
    [[gnu::cold]] static result<owned<stream>> make(readiness_backend& backend, unique_descriptor&& socket, bool connecting) {
        owned<socket_stream> made(new socket_stream(backend, std::move(socket), connecting));
        if (const std::error_code failed = backend.watch(*made)) {
            made->x_watched = false;
            return failed;
        }
        socket_calls::hold_nothing_back(made->number());
        return owned<stream>(std::move(made));
    }

    [[gnu::cold]] ~socket_stream() {
        if (x_watched) x_backend.unwatch(*this);
    }

    status connected() noexcept override {
        if (x_failure) return status::failed;
        return x_connecting ? status::blocked : status::ready;
    }

    status fill(lease& into) noexcept override {
        if (!x_readable && !x_write_failed) [[unlikely]] return x_failure ? status::failed : status::blocked;
        if (x_more) [[unlikely]] return receive_more(into);
        constexpr std::size_t most = readiness_backend::lease_bytes;
        std::byte* room = x_backend.blocks().take_kept<most>();
        if (!room) [[unlikely]] room = x_backend.blocks().take(most).data;
        into.backing = {room, most};
        const ssize_t got = ::recv(number(), room, most, 0);
        if (static_cast<std::size_t>(got) - 1 >= most - 1) [[unlikely]] return came_much_or_nothing(into, got);
        x_readable = false;
        x_drained = true;
        into.bytes = {into.backing.data, static_cast<std::size_t>(got)};
        return status::ready;
    }

    status fill_first(mutable_bytes& room, lease& into) noexcept override {
        const mutable_bytes whole = room;
        room = room.first(0);
        if (!x_readable && !x_write_failed) return fill(into);
        block_pool& blocks = x_backend.blocks();
        const block behind = whole.size() < lease::large_bytes ? blocks.take(readiness_backend::lease_bytes) : block();
        iovec parts[] = {{whole.data(), whole.size()}, {behind.data, behind.size}};
        ssize_t got;
        do
            got = ::readv(number(), parts, 2);
        while (got < 0 && errno == EINTR);
        const std::size_t came = got > 0 ? static_cast<std::size_t>(got) : 0;
        if (came == 0) return nothing_came(behind, got, into);
        room = whole.first(came < whole.size() ? came : whole.size());
        note_received(came == whole.size() + behind.size);
        into = {{behind.data, came - room.size()}, behind};
        if (into.bytes.empty()) release(std::move(into));
        return status::ready;
    }

    void release(lease&& unused) noexcept override {
        x_backend.blocks().give_mostly<readiness_backend::lease_bytes>(unused.backing);
        unused = {};
    }

    std::size_t write(std::span<const bytes_view> pieces) noexcept override {
        return pieces.size() == 1 ? socket_stream::write_piece(pieces[0]) : write_many(pieces);
    }
    std::size_t write_piece(bytes_view piece) noexcept override {
        if (!x_writable) [[unlikely]] return 0;
        const ssize_t sent = ::send(number(), piece.data(), piece.size(), MSG_NOSIGNAL);
        return static_cast<std::size_t>(sent) == piece.size() ? static_cast<std::size_t>(sent) : sent_less(piece, sent);
    }

    void shutdown_write() noexcept override { ::shutdown(number(), SHUT_WR); }

    [[gnu::cold]] void reset() noexcept override {
        if (!x_watched) return;
        socket_calls::reset_on_close(number());
        close();
    }

    [[gnu::cold]] void close() noexcept override {
        if (!x_failure) x_failure = std::make_error_code(std::errc::not_connected);
        if (!x_watched) return;
        x_backend.unwatch(*this);
        x_watched = x_write_failed = x_readable = x_writable = false;
        x_descriptor.close();
    }

    std::size_t bytes_under_way() const noexcept override { return socket_calls::bytes_under_way(number()); }

    int descriptor() const noexcept override { return number(); }

private:
    // After a receive that gave much, or where more is known to come: the end, at least.
    [[gnu::noinline]] status receive_more(lease& into) noexcept {
        into.backing = x_backend.blocks().take(x_full ? lease::large_bytes : readiness_backend::lease_bytes);
        return came_much_or_nothing(into, ::recv(number(), into.backing.data, into.backing.size, 0));
    }
    // A receive to the backing of `into`.
    [[gnu::noinline]] status came_much_or_nothing(lease& into, ssize_t got) noexcept {
        const block room = exchanged(into.backing, {});
        if (got <= 0) return nothing_came(room, got, into);
        lend(into, room, static_cast<std::size_t>(got));
        return status::ready;
    }

    void lend(lease& into, block room, std::size_t count) noexcept {
        note_received(count == room.size);
        into = {{room.data, count}, room};
    }
    void note_received(bool all_there_was_room_for) noexcept {
        x_full = all_there_was_room_for;
        x_more = x_full || x_hangup;
        x_drained = !x_more;
        if (x_drained) x_readable = false;
    }

    // A receive that gave no bytes, but `got`.
    [[gnu::noinline]] status nothing_came(block room, ssize_t got, lease& into) noexcept {
        while (got < 0 && errno == EINTR) got = ::recv(number(), room.data, room.size, 0);
        if (got > 0) return lend(into, room, static_cast<std::size_t>(got)), status::ready;
        const int why = errno; // which giving memory back may change
        x_backend.blocks().give(room);
        if (x_write_failed) { // what had arrived before has been lent
            x_write_failed = x_readable = false;
            return status::failed;
        }
        if (got == 0) return status::end;
        x_readable = false;
        if (why == EAGAIN || why == EWOULDBLOCK) return status::blocked;
        x_failure = std::error_code(why, std::system_category());
        x_writable = false;
        return status::failed;
    }

    static constexpr std::size_t max_pieces = 64;

    socket_stream(readiness_backend& backend, unique_descriptor&& socket, bool connecting) noexcept
        : socket_state(connecting), watched(std::move(socket)), x_backend(backend) {}

    [[gnu::noinline]] std::size_t write_many(std::span<const bytes_view> pieces) noexcept {
        std::size_t taken = 0;
        while (!pieces.empty() && x_writable) {
            iovec parts[max_pieces];
            std::size_t count = 0, wanted = 0;
            for (; count < pieces.size() && count < max_pieces; ++count) {
                parts[count] = {const_cast<std::byte*>(pieces[count].data()), pieces[count].size()};
                wanted += pieces[count].size();
            }
            const std::size_t sent = send(parts, count);
            taken += sent;
            if (sent < wanted) {
                x_writable = false;
                break;
            }
            pieces = pieces.subspan(count);
        }
        return taken;
    }

    // A send that took not all of `piece`, but `sent` bytes.
    [[gnu::cold, gnu::noinline]] std::size_t sent_less(bytes_view piece, ssize_t sent) noexcept {
        iovec part{const_cast<std::byte*>(piece.data()), piece.size()};
        const std::size_t taken = sent >= 0 ? static_cast<std::size_t>(sent) : errno == EINTR ? send(&part, 1) : not_sent();
        if (taken < piece.size()) x_writable = false;
        return taken;
    }

    [[gnu::noinline]] std::size_t send(iovec* parts, std::size_t count) noexcept {
        msghdr all{};
        all.msg_iov = parts;
        all.msg_iovlen = count;
        ssize_t sent;
        do {
            sent = ::sendmsg(number(), &all, MSG_NOSIGNAL);
        } while (sent < 0 && errno == EINTR);
        return sent >= 0 ? static_cast<std::size_t>(sent) : not_sent();
    }

    [[gnu::cold, gnu::noinline]] std::size_t not_sent() noexcept {
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            x_failure = last_error();
            x_write_failed = true;
        }
        return 0;
    }

    interest wants() const noexcept override {
        return {!x_readable && may_become_readable(), !x_writable && !x_failure, !x_hangup};
    }
    bool may_become_readable() const noexcept { return !x_failure || x_write_failed; }

    void on_ready(unsigned what) noexcept override {
        if (what & ~for_both || !x_writable) [[unlikely]] return on_change(what); // connecting is not writable
        if (!(what & POLLIN) || x_readable) return;
        x_readable = true;
        if (x_observer) x_observer->on_readable();
    }

    [[gnu::noinline]] void on_change(unsigned what) noexcept {
        const bool hangup = what & ~for_both, readable = hangup || what & POLLIN, writable = hangup || what & POLLOUT;
        if (hangup) x_hangup = x_more = true;
        if (x_connecting) {
            if (!writable && !hangup) return;
            x_connecting = false;
            if (const int failed = socket_calls::failure(number())) x_failure = {failed, std::system_category()};
            x_writable = !x_failure;
            x_readable = readable && !x_failure;
            if (x_observer) x_observer->on_writable();
            if (readable && x_observer) x_observer->on_readable();
            return;
        }
        const bool room = writable && !x_writable, news = hangup || (readable && !x_readable);
        if (readable && may_become_readable()) x_readable = true;
        if (room && !x_failure) x_writable = true;
        if (room && x_observer) x_observer->on_writable();
        if (news && x_observer) x_observer->on_readable();
    }

    readiness_backend& x_backend;
};

} // namespace weir::inline v0::io
