// A WebSocket connection, client or server, over any stream.
//
//     while (auto message = co_await ws.read())     // false: the connection is over; ws.closed() says why
//         co_await ws.send(*message);
//
// Everything happens on the thread of the loop that the connection belongs to; `handle()` is for other threads. One
// coroutine may read at a time, any number may send, at any time. A websocket may be moved, but not while an operation
// on it is awaited. One that is dropped is closed in the background (1000, or 1011 while an exception unwinds), within
// two close timeouts, and the loop does not end before that.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/coro/bounded.hpp>
#include <weir/coro/frame_pool.hpp>
#include <weir/transport/connection_core.hpp>
#include <weir/transport/send_status.hpp>
#include <weir/transport/websocket_handle.hpp>

#include <exception>
#include <new>

namespace weir::inline v0 {

namespace detail {

// Waits for a message, or for a piece of one. Every handler has room for one: how the wait has come to its end stands in the last
// bits of the connection's address.
template <connection_core::reading How, class Value>
class [[nodiscard]] read_awaiter : public awaitable<read_awaiter<How, Value>> {
public:
    explicit read_awaiter(connection_core& core) noexcept : x_core_and_end(reinterpret_cast<std::uintptr_t>(&core)) {}
    read_awaiter(read_awaiter&& other) noexcept : x_core_and_end(other.x_core_and_end) {
        assert(!ended() && "a read was moved after it had been awaited");
    }
    ~read_awaiter() {
        if (ended() == number(end::waiting)) [[unlikely]]
            core(ended()).end_wait(false);
    }

    bool await_ready() noexcept { return core().readable(How); }
    bool suspend(std::coroutine_handle<> who, context* in) noexcept {
        const end how = core().wait_readable(How, who, in);
        x_core_and_end += number(how);
        return how == end::waiting;
    }
    [[gnu::always_inline]] inline result<Value> await_resume() noexcept {
        if (ended())
            if (const errc outcome = end_wait(); outcome != errc{}) return outcome;
        if constexpr (How == connection_core::reading::whole)
            return core().take_message();
        else
            return core().take_piece();
    }

private:
    using end = connection_core::end_of_read;
    static constexpr std::uintptr_t number(end which) noexcept { return static_cast<std::uintptr_t>(which); }
    static_assert(number(end::at_once) == 0 && number(end::busy) < 4 && alignof(connection_core) >= 4);

    // What stands there besides the address, which is found by taking that away.
    std::uintptr_t ended() const noexcept { return x_core_and_end & 3; }
    connection_core& core(std::uintptr_t ended = 0) const noexcept {
        return *reinterpret_cast<connection_core*>(x_core_and_end - ended);
    }

    errc end_wait() noexcept {
        const std::uintptr_t how = ended();
        x_core_and_end -= how;
        return how == number(end::waiting) ? core().end_resumed_wait() : errc::busy;
    }

    std::uintptr_t x_core_and_end;
};

// Waits until something that was done by the call that made it has taken effect. `Ready` and `Wait` say when. What waits is a block
// of the loop's frames, since most need not, and every handler has room for one of these; without memory nothing is waited for. But
// one that is refused again and again has to give way, or would keep whoever might end that from running: it throws std::bad_alloc.
template <auto Ready, auto Wait>
class effect_awaiter : public awaitable<effect_awaiter<Ready, Wait>> {
public:
    // `outcome`: errc{} where there is nothing to wait for, `may_wait` of the core, or why it was refused.
    effect_awaiter(connection_core& core, errc outcome) noexcept : x_core(&core), x_outcome(outcome) {}
    effect_awaiter(effect_awaiter&& other) noexcept : x_core(other.x_core), x_outcome(other.x_outcome) {
        assert(x_outcome != waiting && "a send was moved after it had been awaited");
    }
    ~effect_awaiter() {
        if (x_outcome == waiting) [[unlikely]]
            forget_waiter();
    }

    bool await_ready() noexcept {
        if (x_outcome == errc{}) [[likely]] return true;
        if (x_outcome != connection_core::may_wait) return x_outcome == waiting || !x_core->too_eager();
        if (!(x_core->*Ready)()) return false;
        x_outcome = {};
        return true;
    }
    [[gnu::cold]] bool suspend(std::coroutine_handle<> who, context* in) {
        const bool taken = x_outcome == connection_core::may_wait;
        void* const room = taken ? frame_pool::try_allocate(sizeof(waiter)) : frame_pool::allocate(sizeof(waiter));
        if (!room) return x_outcome = {}, false;
        connection_core& core = *x_core;
        const errc refused = exchanged(x_outcome, waiting);
        x_waiter = new (room) waiter;
        if (!taken)
            x_waiter->bounce(who, in, refused);
        else if (x_waiter->suspend(who, in))
            (core.*Wait)(*x_waiter);
        return true;
    }
    send_status await_resume() const noexcept { return x_outcome == waiting ? x_waiter->outcome() : x_outcome; }

private:
    static constexpr errc waiting = static_cast<errc>(-2); // really: x_waiter is there, and knows

    [[gnu::cold, gnu::noinline]] void forget_waiter() noexcept {
        x_waiter->~waiter();
        frame_pool::deallocate(x_waiter, sizeof(waiter));
    }

    union {
        connection_core* x_core; // until it waits
        waiter* x_waiter;
    };
    errc x_outcome;
};

} // namespace detail

class websocket {
public:
    using read_awaiter = detail::read_awaiter<detail::connection_core::reading::whole, message>;
    using piece_awaiter = detail::read_awaiter<detail::connection_core::reading::by_pieces, piece>;
    using send_awaiter =
        detail::effect_awaiter<&detail::connection_core::sendable, &detail::connection_core::wait_sendable>;
    using frame_awaiter =
        detail::effect_awaiter<&detail::connection_core::frame_sendable, &detail::connection_core::wait_frame_sendable>;
    using close_awaiter = detail::effect_awaiter<&detail::connection_core::over, &detail::connection_core::wait_over>;

    // A connection whose opening handshake is done. Bytes that came behind it are in `rest`, a part of the lease
    // `first`.
    [[gnu::cold]] websocket(ws::role side, owned<io::stream> over, io::lease&& first, mutable_bytes rest,
              const connection_environment& around, shared<const websocket_options> options)
        : x_core(new detail::connection_core(side, std::move(over), std::move(first), rest, around, std::move(options))) {
    }
    websocket(websocket&& other) noexcept
        : x_core(exchanged(other.x_core, nullptr)), x_exceptions(std::uncaught_exceptions()) {}
    websocket& operator=(websocket&& other) noexcept {
        swap_contents(x_core, other.x_core);
        x_exceptions = other.x_exceptions = std::uncaught_exceptions();
        return *this;
    }
    [[gnu::cold]] ~websocket() {
        if (x_core)
            x_core->linger(std::uncaught_exceptions() > x_exceptions ? ws::close_code::internal_error
                                                                     : ws::close_code::normal);
    }

    // Waits for the next whole message, whose bytes are valid until the next read. A message over `message_bytes`
    // closes the connection with 1009. After pieces of a message were read, gives the rest of it. `errc::closed` when
    // the connection was closed in order, another error when it broke, `errc::busy` while another coroutine reads. A
    // read that was cancelled or timed out has lost nothing: the next one goes on where it was.
    read_awaiter read() noexcept { return read_awaiter(*x_core); }

    // Waits for the next piece of a message, as it comes: for messages larger than memory. The same rules as `read`.
    piece_awaiter read_frame() noexcept { return piece_awaiter(*x_core); }

    // Sends a message: text, which must be UTF-8; binary; or one of the type that was read. It is encoded at the call,
    // and `payload` may go as soon as the call returns. Awaiting it is for back-pressure only: it completes at once
    // while less than `high_water_bytes` wait, and otherwise when half of that has left. Cancelling the wait does not
    // take the message back. `errc::closed` when the connection is no longer open, `errc::buffer_full` above
    // `queue_bytes`; who is refused 64 times in a row lets others run, which throws std::bad_alloc without memory for that.
    // `compression::off` sends it as it is where compression was agreed upon.
    send_awaiter send(std::string_view text, compression how = compression::automatic) noexcept {
        assert(is_utf8(as_bytes(text)) && "text messages must be UTF-8; send bytes as binary");
        return {*x_core, x_core->send(ws::opcode::text, as_bytes(text), how)};
    }
    send_awaiter send(bytes_view binary, compression how = compression::automatic) noexcept {
        return {*x_core, x_core->send(ws::opcode::binary, binary, how)};
    }
    send_awaiter send(const message& any, compression how = compression::automatic) noexcept {
        return {*x_core, x_core->send(any.is_text() ? ws::opcode::text : ws::opcode::binary, any.bytes(), how)};
    }

    // Sends one piece of a message as a frame; `last` ends the message. Other messages that are sent meanwhile go
    // out behind its end. The pieces of a text must be UTF-8 together. Pings and closes pass between two pieces, so
    // they should not be too large. Whether the message is compressed says its first piece. Otherwise like `send`.
    frame_awaiter send_frame(std::string_view text, bool last, compression how = compression::automatic) noexcept {
        return {*x_core, x_core->send_frame(ws::opcode::text, as_bytes(text), last, how)};
    }
    frame_awaiter send_frame(bytes_view binary, bool last, compression how = compression::automatic) noexcept {
        return {*x_core, x_core->send_frame(ws::opcode::binary, binary, last, how)};
    }
    frame_awaiter send_frame(const piece& any, compression how = compression::automatic) noexcept {
        return {*x_core, x_core->send_frame(any.is_text ? ws::opcode::text : ws::opcode::binary, any.payload, any.last, how)};
    }

    // The same without anything to await, for those who never wait for a slow peer: whether the message was taken.
    bool try_send(const message& any, compression how = compression::automatic) noexcept {
        return core::is_taken(x_core->send(any.is_text() ? ws::opcode::text : ws::opcode::binary, any.bytes(), how));
    }

    // For servers. What goes out first on a connection whose handshake is not answered yet; and a frame that is encoded, of
    // somebody who sends it to many, and leaves it where it is until the end of the turn, if that sets
    // `referred` (transport/shared_frames.hpp).
    void begin_with(bytes_view answer) noexcept { x_core->begin_with(answer); }
    bool try_send_shared(mutable_bytes frames, bool& referred) noexcept {
        return x_core->send_shared(frames, referred) == errc{};
    }
    scheduler& runs_on() const noexcept { return x_core->runs_on(); }

    // Sends a ping with at most 125 bytes, `errc::long_control` otherwise. The answer shows in `round_trip()`.
    send_awaiter ping(std::string_view payload = {}) noexcept { return {*x_core, x_core->ping(as_bytes(payload))}; }

    // Begins to close the connection, behind everything that was sent; closing again does nothing. The code must be one
    // that may be sent (RFC 6455, section 7.4), or 1005 for none; the reason is cut at 123 bytes. Awaiting it completes when the
    // connection is over, after two close timeouts at the most.
    close_awaiter close(ws::close_code code = ws::close_code::normal, std::string_view reason = {}) noexcept {
        x_core->begin_close(code, reason);
        return {*x_core, core::may_wait};
    }

    // Breaks the connection off at once, without a closing handshake; the peer sees a reset.
    void reset() noexcept { x_core->reset(); }

    // Why and how the connection ended, or how it stands while it is open.
    close_info closed() const { return x_core->closed(); }

    // Whether messages may still be sent.
    bool is_open() const noexcept { return x_core->can_send(); }

    // For other threads.
    websocket_handle handle() const { return websocket_handle(x_core->port()); }

    // The subprotocol agreed upon, and the target of the request ("/chat?room=1"); empty when there is none. Valid as
    // long as the connection.
    std::string_view subprotocol() const noexcept { return x_core->subprotocol(); }
    std::string_view target() const noexcept { return x_core->target(); }

    // The extensions agreed upon, as the server wrote them: "permessage-deflate; server_no_context_takeover"; empty when
    // there are none. Valid as long as the connection.
    std::string_view extensions() const noexcept { return x_core->extensions(); }

    // Of the last ping that was answered, in whole microseconds; negative before that.
    std::chrono::nanoseconds round_trip() const noexcept { return x_core->round_trip(); }

    // How many bytes of messages wait to be sent.
    std::size_t queued_bytes() const noexcept { return x_core->queued_bytes(); }

    // Target and peer, for a log: "/chat, 192.0.2.1:4711". Empty without a log hook.
    std::string where() const { return x_core->where(); }

    ws::role role() const noexcept { return x_core->role(); }

    // A number that no other connection of this process has.
    std::uint64_t number() const noexcept { return x_core->number(); }

    // The socket below; -1 where there is none.
    int descriptor() const noexcept { return x_core->descriptor(); }

    // How the connection is secured, and who has proved to be at its other end: null without TLS. Valid as long as the websocket.
    const connection_security* security() const { return x_core->security(); }

    // Notes what the handshake agreed upon; for those who make connections.
    void agreed(std::string_view subprotocol, std::string_view target) { x_core->agreed(subprotocol, target); }

    // Compresses messages as was agreed upon, from the first one on; null for not at all. For those who make connections.
    void compress(owned<ws::message_codec> by) {
        if (by) x_core->compress(std::move(by));
    }

    // Has `handler` cancelled when the peer is lost while nobody reads; null for nobody. For servers.
    void guard(context* handler) noexcept { x_core->guard(handler); }

private:
    using core = detail::connection_core;

    core* x_core;
    int x_exceptions = std::uncaught_exceptions();
};

} // namespace weir::inline v0
