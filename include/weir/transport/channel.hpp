// A conversation with a client, over whatever carries it at the moment: polling, long polling, an event stream, a WebSocket.
//
//     weir::task<> handler(weir::channel& client) {
//         while (auto message = co_await client.read())     // false: it is over; client.closed() says why
//             co_await client.send(*message);
//     }
//     server.channel("/chat", handler);
//
// The channel lives as long as its handler, and does not end when a connection does: a client that comes back within the
// keep time, in the same way or another one, gets what it missed, once and in order. The interface is that of a WebSocket.
// One coroutine may read at a time, any number may send, at any time. Loop thread only; `handle()` is for other threads.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/utf8.hpp>
#include <weir/coro/bounded.hpp>
#include <weir/transport/send_status.hpp>
#include <weir/transport/session.hpp>
#include <weir/transport/websocket_handle.hpp>

namespace weir::inline v0 {

// For other threads, weak and copyable. It is that of a WebSocket, so both kinds go into one container.
using channel_handle = websocket_handle;

// The interface of `channel`, below.
template <class Tag = void>
class basic_channel {
    using session = detail::basic_session<Tag>;

public:
    // For those who make sessions. The session must outlive the channel.
    explicit basic_channel(session& of) noexcept : x_session(of) {}
    basic_channel(const basic_channel&) = delete;
    basic_channel& operator=(const basic_channel&) = delete;

    class [[nodiscard]] read_awaiter : public awaitable<read_awaiter> {
    public:
        explicit read_awaiter(session& from) noexcept : x_from(from) {}
        read_awaiter(read_awaiter&& other) noexcept : x_from(other.x_from) {
            assert(other.x_end == end::at_once && "an awaitable was moved while it was being awaited");
        }
        ~read_awaiter() {
            if (x_end == end::waiting) x_from.end_wait();
        }

        bool await_ready() noexcept { return x_from.readable(); }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            const bool waits = x_from.wait_readable(x_waiter, who, in);
            x_end = waits ? end::waiting : end::busy;
            return waits;
        }
        result<message> await_resume() {
            if (x_end == end::busy) return errc::busy;
            if (exchanged(x_end, end::at_once) == end::waiting) {
                x_from.end_wait();
                if (x_waiter.outcome() != errc{}) return x_waiter.outcome();
            }
            return x_from.take();
        }

    private:
        enum class end : unsigned char { at_once, waiting, busy };

        session& x_from;
        waiter x_waiter;
        end x_end = end::at_once;
    };

    class send_awaiter : public awaitable<send_awaiter> {
    public:
        send_awaiter(session& to, errc refused) noexcept : x_to(to), x_refused(refused) {}
        send_awaiter(send_awaiter&& other) noexcept : x_to(other.x_to), x_refused(other.x_refused) {}

        bool await_ready() const noexcept { return x_refused == errc{} && x_to.sendable(); }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept {
            x_waits = true;
            if (x_refused != errc{})
                x_waiter.bounce(who, in, x_refused);
            else if (x_waiter.suspend(who, in))
                x_to.wait_sendable(x_waiter);
            return true;
        }
        send_status await_resume() const noexcept { return x_waits ? x_waiter.outcome() : errc{}; }

    private:
        session& x_to;
        errc x_refused;
        bool x_waits = false;
        waiter x_waiter;
    };

    // Waits for the next message, whose bytes are valid until the next read. `errc::closed` when the channel was closed in
    // order, `errc::timed_out` when the client did not come back, `errc::busy` while another coroutine reads. A read that
    // was cancelled or timed out has lost nothing.
    read_awaiter read() noexcept { return read_awaiter(x_session); }

    // Sends a message: text, which must be UTF-8; binary; or one of the type that was read. It is copied at the call. It
    // reaches the client as long as that comes back in time. Awaiting it is for back-pressure only: it completes at once
    // while less than `high_water_bytes` are to be sent, or to be acknowledged by a client that acknowledges. Cancelling
    // the wait does not take the message back. `errc::closed` when the channel is closed, `errc::buffer_full` above
    // `queue_bytes`.
    send_awaiter send(std::string_view text) {
        assert(is_utf8(as_bytes(text)) && "text messages must be UTF-8; send bytes as binary");
        return {x_session, x_session.send(detail::keep_message<Tag>(as_bytes(text), true))};
    }
    send_awaiter send(bytes_view binary) { return {x_session, x_session.send(detail::keep_message<Tag>(binary, false))}; }
    send_awaiter send(const message& any) {
        return {x_session, x_session.send(detail::keep_message<Tag>(any.bytes(), any.is_text()))};
    }

    // The same without anything to await: whether the message was taken.
    bool try_send(const message& any) { return x_session.send(detail::keep_message<Tag>(any.bytes(), any.is_text())) == errc{}; }

    // Sends what somebody sends to many, and what is kept once for all of them: see hub/room.hpp.
    bool try_send_kept(detail::kept_message sent) { return x_session.send(std::move(sent)) == errc{}; }

    // Ends the channel, behind everything that was sent: the client gets that within the keep time, whether the handler is
    // still there or not. Closing again does nothing. The code must be one that may be sent (RFC 6455, section 7.4).
    void close(ws::close_code code = ws::close_code::normal, std::string_view reason = {}) noexcept {
        assert(ws::may_be_sent(code));
        x_session.close(close_cause::local, code, reason);
    }

    // Why and how the channel ended, or how it stands while it is open. Bytes are those of messages.
    close_info closed() const { return x_session.closed(); }

    // Whether messages may still be sent.
    bool is_open() const noexcept { return x_session.is_open(); }

    // For other threads: `post` queues a message for the loop to send, within the bound of `queue_bytes`.
    channel_handle handle() const { return channel_handle(x_session.port()); }

    // What carries it, or carried it last. Changes when the client moves on to something better, or has to make do.
    transport_kind transport() const noexcept { return x_session.transport(); }

    // What the client presents to come back. Who knows it can do so too: keep it out of logs.
    std::string_view id() const noexcept { return x_session.id(); }

    // How the connection that opened it was secured, and who had proved to be the client; null without TLS. Whoever comes back
    // to a channel whose client has shown a certificate has to show the same one.
    const connection_security* security() const noexcept { return x_session.security(); }

    // How many bytes wait to be sent, or to be acknowledged by a client that acknowledges.
    std::size_t queued_bytes() const noexcept { return x_session.queued_bytes(); }

private:
    session& x_session;
};

class channel final : public basic_channel<> {
    using basic_channel<>::basic_channel;
};

} // namespace weir::inline v0
