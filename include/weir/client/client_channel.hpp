// The client's end of a channel: a conversation with a server that goes on over whatever works.
//
//     auto chat = co_await weir::open("http://localhost:9001/chat");
//     if (!chat) ...;                                             // chat.error() says why
//     while (auto message = co_await chat->read())                // false: it is over; chat->closed() says why
//         co_await chat->send(*message);
//
// It does not end when a connection does: by itself it connects again, over the same transport or another one, and goes on where
// it was, with nothing lost and nothing doubled, as long as the server keeps the session. When the server has lost that, the
// channel ends: `read` gives what had come, and then `errc::session_lost`; `unacknowledged()` is what may have arrived or not; and
// `weir::open` opens another one. The interface is that of a WebSocket. One coroutine may read at a time, any number may send, at
// any time. It may be moved, but not while an operation on it is awaited. One that is dropped is closed in the background (1000,
// or 1011 while an exception unwinds) within the close timeout, and the loop does not end before that. Loop thread only.
#pragma once

#include <weir/client/channel_driver.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/transport/channel.hpp>

#include <exception>

namespace weir::inline v0 {

namespace detail {

// What a client's channel points at.
template <class Tag = void>
class channel_client final : private lingering, private ready_item {
public:
    channel_client(io::loop& on, http::url to, const open_options& options)
        : x_talk(on, std::move(to), options), x_channel(x_talk.session()), x_driver(x_talk) {}

    conversation<Tag>& talk() noexcept { return x_talk; }
    basic_channel<Tag>& channel() noexcept { return x_channel; }
    channel_driver<Tag>& driver() noexcept { return x_driver; }

    // Lets it end by itself. It frees itself.
    [[gnu::cold]] void linger(ws::close_code code) noexcept {
        if (x_driver.is_done()) return delete this;
        x_talk.close(code, {});
        x_talk.end_soon();
        x_talk.loop().keep(*this);
        x_waiting.spawn(await_end());
    }

private:
    task<> await_end() {
        (void)co_await x_driver.done().wait();
        x_talk.loop().post(*this); // nobody destroys the coroutine that he runs in
    }
    void run() noexcept override { delete this; }
    void abandon() noexcept override { delete this; }

    conversation<Tag> x_talk;
    basic_channel<Tag> x_channel;
    channel_driver<Tag> x_driver;
    scope x_waiting;
};

} // namespace detail

// The interface of `client_channel`, below.
template <class Tag = void>
class basic_client_channel {
    using core = detail::channel_client<Tag>;

public:
    using read_awaiter = typename basic_channel<Tag>::read_awaiter;
    using send_awaiter = typename basic_channel<Tag>::send_awaiter;

    // For `weir::open`: of one that is open.
    explicit basic_client_channel(owned<core> of) noexcept : x_core(of.release()) {}
    basic_client_channel(basic_client_channel&& other) noexcept
        : x_core(exchanged(other.x_core, nullptr)), x_exceptions(std::uncaught_exceptions()) {}
    basic_client_channel& operator=(basic_client_channel&& other) noexcept {
        swap_contents(x_core, other.x_core);
        x_exceptions = other.x_exceptions = std::uncaught_exceptions();
        return *this;
    }
    ~basic_client_channel() {
        if (x_core)
            x_core->linger(std::uncaught_exceptions() > x_exceptions ? ws::close_code::internal_error
                                                                     : ws::close_code::normal);
    }

    // Completes when the server knows that the channel has ended, or cannot be told.
    class close_awaiter : public awaitable<close_awaiter> {
    public:
        explicit close_awaiter(event& over) noexcept : x_over(over.wait()) {}
        close_awaiter(close_awaiter&& other) noexcept : x_over(std::move(other.x_over)) {}
        bool await_ready() const noexcept { return x_over.await_ready(); }
        bool suspend(std::coroutine_handle<> who, context* in) noexcept { return x_over.suspend(who, in); }
        send_status await_resume() const noexcept {
            const result<> told = x_over.await_resume();
            return told ? errc{} : errc::canceled;
        }

    private:
        event::wait_awaiter x_over;
    };

    // Waits for the next message, whose bytes are valid until the next read. `errc::closed` when the channel was closed in order,
    // `errc::session_lost` when the server does not know it any more, `errc::timed_out` when nothing has worked for `give_up`,
    // `errc::busy` while another coroutine reads. A read that was cancelled or timed out has lost nothing.
    read_awaiter read() noexcept { return channel().read(); }

    // Sends a message: text, which must be UTF-8; binary; or one of the type that was read. It is copied at the call, and kept
    // until the server acknowledges it, however often that has to be tried. Awaiting it is for back-pressure only: it
    // completes at once while less than `high_water_bytes` are not acknowledged. Cancelling the wait does not take the message
    // back. `errc::closed` when the channel is closed, `errc::buffer_full` above `queue_bytes`, `errc::message_too_large` for
    // what the server would not take, which ends nothing.
    send_awaiter send(std::string_view text) {
        assert(is_utf8(as_bytes(text)) && "text messages must be UTF-8; send bytes as binary");
        return send(message(as_bytes(text), true));
    }
    send_awaiter send(bytes_view binary) { return send(message(binary, false)); }
    send_awaiter send(const message& any) {
        if (x_core->talk().is_too_long(any)) return {x_core->talk().session(), errc::message_too_large};
        return channel().send(any);
    }

    // The same without anything to await: whether the message was taken.
    bool try_send(const message& any) { return !x_core->talk().is_too_long(any) && channel().try_send(any); }

    // Ends the channel, behind everything that was sent; closing again does nothing. The code must be one that may be sent (RFC
    // 6455, section 7.4). Awaiting it completes when the server knows, or after the close timeout.
    close_awaiter close(ws::close_code code = ws::close_code::normal, std::string_view reason = {}) noexcept {
        assert(ws::may_be_sent(code));
        x_core->talk().close(code, reason);
        return close_awaiter(x_core->talk().over());
    }

    // Why and how the channel ended, or how it stands while it is open. Bytes are those of messages.
    close_info closed() const { return channel().closed(); }

    // Whether messages may still be sent; they wait while nothing carries them.
    bool is_open() const noexcept { return channel().is_open(); }

    // What carries it, or carried it last; and whether something does at the moment.
    transport_kind transport() const noexcept { return channel().transport(); }
    bool is_connected() const noexcept { return !x_core->talk().is_over() && x_core->talk().session().is_carried(); }

    // Who knows it can take the session over: keep it out of logs.
    std::string_view id() const noexcept { return channel().id(); }

    // How many bytes the server has not acknowledged, and which messages these are.
    std::size_t queued_bytes() const noexcept { return channel().queued_bytes(); }
    sequence<owned_message> unacknowledged() const { return x_core->talk().session().unacknowledged(); }

private:
    basic_channel<Tag>& channel() const noexcept { return x_core->channel(); }

    core* x_core;
    int x_exceptions = std::uncaught_exceptions();
};

using client_channel = basic_client_channel<>;

} // namespace weir::inline v0
