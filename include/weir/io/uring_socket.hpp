// A connected socket in io_uring's completion mode, as the kernel works on it: the operations in flight, and their memory.
//
// It belongs to a `uring_stream` until that lets go of it. Then its operations are cancelled and the descriptor is closed;
// what was taken and did not fit into the kernel's socket is sent first, as the kernel would, for which it lingers. The
// object itself is freed when the last operation has completed.
#pragma once

#include <weir/io/uring_driver.hpp>
#include <weir/io/uring_receiver.hpp>
#include <weir/io/uring_sender.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace weir::inline v0::io {

class uring_socket final : public uring_owner, public uring_work, public uring_news, public uring_lingering {
public:
    // Who is told. Called from within `dispatch`.
    class user {
    public:
        virtual void on_news(bool readable, bool writable) noexcept = 0;

    protected:
        ~user() = default;
    };

    // Takes over a connected socket, which must not be of the kind that never waits.
    uring_socket(uring_driver& driver, unique_descriptor&& socket, user& of) noexcept
        : x_driver(driver), x_descriptor(std::move(socket)), x_user(&of), x_out(driver.blocks()) {}

    int number() const noexcept { return x_descriptor.get(); }

    // Starts connecting. The address is copied; with a size of 0 it is connecting already.
    void connect(const void* address, socklen_t size) noexcept {
        x_address = x_driver.blocks().take(size);
        std::memcpy(x_address.data, address, size);
        x_address_bytes = size;
        x_driver.add_work(*this);
    }
    bool connecting() const noexcept { return x_address.data; }

    // The kernel is to receive from the next wait on.
    void open() noexcept { x_driver.add_work(*this); }

    // What broke it, connecting or sending, and what ended receiving; 0 for nothing, or the peer's end. `over`: nothing will
    // be received any more.
    int failure() const noexcept { return x_failure; }
    int in_failure() const noexcept { return x_in_failure; }
    bool over() const noexcept { return x_over; }
    void fail(int number) noexcept {
        if (!x_failure) x_failure = number;
    }

    // Lends what has come; false if nothing has.
    bool lend(lease& into) noexcept {
        if (x_in.empty()) return false;
        x_in.lend(into);
        if (!x_receiving && !x_over && x_in.memory() <= x_driver.options().receive_bytes / 2) x_driver.add_work(*this);
        return true;
    }

    // Takes output, up to the limit. Whoever has more than that is told when half of it has left. Much of it, with nothing
    // before it, goes to the kernel at once and need not be copied.
    std::size_t take(std::span<const bytes_view> pieces) noexcept {
        std::size_t wanted = 0;
        for (const bytes_view each : pieces) wanted += each.size();
        const bool at_once = wanted >= at_once_from && !x_sending && x_out.size() == 0;
        const std::size_t sent = at_once ? send_at_once(pieces) : 0;
        if (sent == wanted || x_failure) return sent;
        const std::size_t taken = x_out.take(pieces, sent, x_driver.options().send_bytes);
        if (sent + taken < wanted) x_owes_room = true;
        if (taken > 0 && !x_sending) x_driver.add_work(*this);
        return sent + taken;
    }

    std::size_t unsent() const noexcept { return x_out.size(); }

    // Ends our direction when everything that was taken has left.
    void shut_down() noexcept {
        if (std::exchange(x_ending, true)) return;
        x_driver.add_work(*this);
    }
    bool ending() const noexcept { return x_ending; }

    // Ends receiving by the ring, and takes in the last of it.
    void stop_receiving() noexcept {
        x_over = true;
        if (x_in_flight > 0) x_driver.cancel_all_of(number());
    }

    // The stream is closed: when this returns the descriptor is too, unless something taken is left to send. `at_once`: that
    // is dropped, and the peer sees a reset. The object frees itself.
    void leave(bool at_once) noexcept {
        x_user = nullptr;
        x_over = true;
        uring_work::unlink();
        uring_news::unlink();
        for (lease unread; lend(unread);) uring_receiver::give_back(x_driver.buffers, x_driver.blocks(), unread.backing);
        if (at_once) socket_calls::reset_on_close(number());
        if (x_in_flight > 0) x_driver.cancel_all_of(number());
        if (!at_once && !x_failure && !connecting()) {
            if (!x_sending) send_directly();
            if (x_out.size() > 0) return linger();
        }
        finish();
    }

private:
    static constexpr std::size_t at_once_from = 16 * 1024, max_pieces = 64;

    enum operation : unsigned { receiving, sending, connecting_, watching, cancelling };

    ~uring_socket() { x_driver.blocks().give(x_address); }

    void prepare() noexcept override {
        if (!x_user && !uring_lingering::linked()) return; // on its way out
        if (connecting()) {
            if (!std::exchange(x_begun, true)) begin_connecting();
            return;
        }
        if (!x_sending && x_out.size() > 0) begin_sending();
        if (x_ending && !x_ended && x_out.size() == 0) {
            x_ended = true;
            ::shutdown(number(), SHUT_WR);
        }
        if (x_over) return;
        const bool full = x_in.memory() >= x_driver.options().receive_bytes;
        if (!full && !x_receiving) begin_receiving();
        if (full && x_receiving && !x_cancelling) begin_cancelling();
        if (full && !x_receiving && !x_watching && !x_hangup) begin_watching();
    }

    void begin(io_uring_sqe* entry, operation which) noexcept {
        ++x_in_flight;
        x_driver.begin(entry, *this, which);
    }

    void begin_connecting() noexcept {
        io_uring_sqe* const entry = x_driver.ring.next_entry();
        if (x_address_bytes > 0)
            ::io_uring_prep_connect(entry, number(), reinterpret_cast<const sockaddr*>(x_address.data), x_address_bytes);
        else
            ::io_uring_prep_poll_add(entry, number(), POLLOUT);
        begin(entry, connecting_);
    }

    void begin_sending() noexcept {
        const bytes_view next = x_out.next();
        io_uring_sqe* const entry = x_driver.ring.next_entry();
        ::io_uring_prep_send(entry, number(), next.data(), next.size(), MSG_NOSIGNAL);
        x_sending = true;
        begin(entry, sending);
    }

    void begin_receiving() noexcept {
        io_uring_sqe* const entry = x_driver.ring.next_entry();
        if (x_driver.options().multishot_receive)
            ::io_uring_prep_recv_multishot(entry, number(), nullptr, 0, 0);
        else
            ::io_uring_prep_recv(entry, number(), nullptr, 0, 0);
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = uring_buffers::group;
        x_receiving = true;
        begin(entry, receiving);
    }

    // The kernel is to keep what else comes, until somebody asks for what is here.
    void begin_cancelling() noexcept {
        io_uring_sqe* const entry = x_driver.ring.next_entry();
        ::io_uring_prep_cancel64(entry, reinterpret_cast<std::uintptr_t>(static_cast<uring_owner*>(this)) | receiving, 0);
        x_cancelling = true;
        begin(entry, cancelling);
    }

    // While nothing is received: for the end of the peer, or its failure.
    void begin_watching() noexcept {
        io_uring_sqe* const entry = x_driver.ring.next_entry();
        ::io_uring_prep_poll_add(entry, number(), POLLRDHUP);
        x_watching = true;
        begin(entry, watching);
    }

    void completed(unsigned which, int result, unsigned flags, bool more) noexcept override {
        if (!more) --x_in_flight;
        switch (which) {
        case receiving: received(result, flags, more); break;
        case sending: sent(result); break;
        case connecting_: connected(result < 0 ? -result : socket_calls::failure(number())); break;
        case watching:
            x_watching = false;
            if (result >= 0) {
                x_hangup = true;
                news(true, false);
            }
            break;
        case cancelling: x_cancelling = false; break; // if it found nothing it is tried again when more comes
        }
        if (!x_user) left();
    }

    void received(int result, unsigned flags, bool more) noexcept {
        const bool first = x_in.empty();
        if (flags & IORING_CQE_F_BUFFER) {
            const unsigned index = flags >> IORING_CQE_BUFFER_SHIFT;
            if (result > 0 && x_user)
                x_in.take(x_driver.buffers, x_driver.blocks(), index, static_cast<std::uint32_t>(result));
            else
                x_driver.buffers.provide(index);
        }
        if (!more) x_receiving = false;
        if (!x_user) return;
        if (result > 0 && first) news(true, false);
        if (result == 0 || (result < 0 && !passes(-result))) {
            if (!x_over) x_in_failure = -result;
            x_over = true;
            news(true, false);
        }
        if (result == -ENOBUFS && !more && !x_over) return x_driver.add_starved(*this);
        if (!x_over && (!more || x_in.memory() >= x_driver.options().receive_bytes)) x_driver.add_work(*this);
    }

    void sent(int result) noexcept {
        x_sending = false;
        if (result < 0 && !passes(-result)) {
            x_out.drop();
            fail(-result);
            return news(true, true);
        }
        if (result > 0) x_out.sent(static_cast<std::size_t>(result));
        if (x_out.size() > 0 || (x_ending && !x_ended)) x_driver.add_work(*this);
        if (x_owes_room && x_out.size() <= x_driver.options().send_bytes / 2) {
            x_owes_room = false;
            news(false, true);
        }
    }

    void connected(int number) noexcept {
        x_driver.blocks().give(std::exchange(x_address, block()));
        if (number) {
            fail(number);
            x_over = true;
        } else {
            x_driver.add_work(*this);
        }
        news(false, true);
    }

    // What another try mends: no buffer was there, or it was cancelled.
    static bool passes(int number) noexcept {
        return number == ENOBUFS || number == ECANCELED || number == EAGAIN || number == EINTR || number == ENOMEM;
    }

    void news(bool readable, bool writable) noexcept {
        if (!x_user) return;
        x_tells_readable = x_tells_readable || readable;
        x_tells_writable = x_tells_writable || writable;
        x_driver.add_news(*this);
    }

    void tell() noexcept override {
        const bool readable = std::exchange(x_tells_readable, false);
        x_user->on_news(readable, std::exchange(x_tells_writable, false));
    }

    [[gnu::noinline]] std::size_t send_at_once(std::span<const bytes_view> pieces) noexcept {
        iovec parts[max_pieces];
        msghdr all{};
        all.msg_iov = parts;
        for (const bytes_view each : pieces.first(pieces.size() < max_pieces ? pieces.size() : max_pieces))
            parts[all.msg_iovlen++] = {const_cast<std::byte*>(each.data()), each.size()};
        const ssize_t count = ::sendmsg(number(), &all, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && !passes(errno)) fail(errno);
        return count < 0 ? 0 : static_cast<std::size_t>(count);
    }

    void send_directly() noexcept {
        while (x_out.size() > 0) {
            const bytes_view next = x_out.next();
            const ssize_t count = ::send(number(), next.data(), next.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
            if (count < 0) return x_out.drop();
            x_out.sent(static_cast<std::size_t>(count));
        }
    }

    // As long as the kernel would: until the peer has taken it, has gone, or has taken nothing for a minute.
    [[gnu::cold]] void linger() noexcept {
        const unsigned most = 60'000; // milliseconds
        ::setsockopt(number(), IPPROTO_TCP, TCP_USER_TIMEOUT, &most, sizeof most);
        x_driver.lingering.push_back(*this);
        if (!x_sending) x_driver.add_work(*this);
    }

    // An operation of one that has no stream any more has completed.
    void left() noexcept {
        if (uring_lingering::linked()) {
            if (x_sending || x_out.size() > 0) return;
            uring_lingering::unlink();
            return finish();
        }
        if (!x_descriptor) finish();
    }

    void give_up() noexcept override {
        socket_calls::reset_on_close(number());
        if (x_in_flight > 0) x_driver.cancel_all_of(number());
        finish();
    }

    // Without a stream, and with nothing left to send.
    void finish() noexcept {
        uring_work::unlink();
        // What could not be cancelled holds the socket: it has to end by itself.
        if (x_in_flight > 0 && x_descriptor) ::shutdown(number(), SHUT_RDWR);
        x_descriptor.close();
        if (x_in_flight == 0) delete this;
    }

    uring_driver& x_driver;
    unique_descriptor x_descriptor;
    user* x_user; // null when the stream has let go
    uring_receiver x_in;
    uring_sender x_out;
    block x_address; // that it is connecting to
    socklen_t x_address_bytes = 0;
    int x_failure = 0;    // of connecting, or sending
    int x_in_failure = 0; // that ended receiving; 0: the peer's end
    unsigned x_in_flight = 0; // operations that have yet to complete the last time
    bool x_begun = false;     // connecting
    bool x_receiving = false;
    bool x_cancelling = false; // receiving
    bool x_over = false;
    bool x_watching = false;
    bool x_hangup = false; // the peer has ended or failed, and that has been told
    bool x_sending = false;
    bool x_owes_room = false;
    bool x_ending = false;
    bool x_ended = false;
    bool x_tells_readable = false;
    bool x_tells_writable = false;
};

} // namespace weir::inline v0::io
