// Where connections come in: accepts them one by one, in a coroutine.
//
//     while (auto stream = co_await listener.accept()) clients.spawn(serve(std::move(*stream)));
//
// Belongs to one loop and is used on its thread; made by net/listen.hpp. When the system is out of descriptors or
// memory, accepting pauses, for 10 ms first and at most a second, and goes on by itself: `on_trouble` is how a server
// hears of it. Nothing is allocated but the streams.
#pragma once

#include <weir/coro/bounded.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/io/acceptor.hpp>
#include <weir/net/endpoint.hpp>

#include <new>

#include <errno.h>

namespace weir::inline v0::net {

// Movable while nobody waits in `accept`.
class [[nodiscard]] listener final : private io::acceptor_observer {
public:
    static constexpr std::chrono::nanoseconds first_pause = std::chrono::milliseconds(10);
    static constexpr std::chrono::nanoseconds longest_pause = std::chrono::seconds(1);
    static constexpr unsigned streak = 32; // accepted in a row before others on the loop have their turn

    // Told why accepting pauses, and for how long. Called on the loop's thread; may not destroy the listener.
    using trouble_function = void (*)(void* who, std::error_code why, std::chrono::nanoseconds pause);

    explicit listener(owned<io::acceptor> from) noexcept : x_acceptor(std::move(from)) { observe(); }
    listener(listener&& other) noexcept
        : x_acceptor(std::move(other.x_acceptor)), x_held(std::move(other.x_held)), x_tell(other.x_tell),
          x_told_to(other.x_told_to), x_troubles(other.x_troubles), x_pause(other.x_pause),
          x_paused_until(other.x_paused_until), x_streak(other.x_streak), x_acceptable(other.x_acceptable) {
        assert(!other.x_waiting && "a listener was moved while somebody waited in accept");
        observe();
    }
    listener& operator=(listener&& other) noexcept {
        if (this == &other) return *this;
        this->~listener();
        return *::new (static_cast<void*>(this)) listener(std::move(other));
    }
    [[gnu::cold]] ~listener() { close(); }

    class accept_awaiter;

    // The next connection. One coroutine may wait at a time, another gets `errc::busy`; after `close`, and when the
    // listener is destroyed meanwhile, `errc::closed`. A wait that is cancelled loses no connection.
    accept_awaiter accept() noexcept;

    // Stops listening: the port is free again, and whoever waits in `accept` gets `errc::closed`.
    [[gnu::cold]] void close() noexcept;

    // Whether it listens.
    explicit operator bool() const noexcept { return x_acceptor != nullptr; }

    // The address that it listens on, with the port that the system picked; no address once it is closed.
    endpoint local_endpoint() const noexcept {
        if (!x_acceptor) return {};
        const result<endpoint> made = endpoint::from_bytes(x_acceptor->local_address());
        return made ? *made : endpoint();
    }

    // How often accepting has paused.
    std::uint64_t troubles() const noexcept { return x_troubles; }

    // Has `tell(who, ...)` called for each pause; null for nobody.
    void on_trouble(trouble_function tell, void* who) noexcept {
        x_tell = tell;
        x_told_to = who;
    }

private:
    // What to do after an attempt: return what there is, or wait for an event, the end of a pause, the next turn.
    enum class step : unsigned char { done, event, pause, turn };

    void observe() noexcept {
        if (x_acceptor) x_acceptor->observe(this);
    }

    inline void on_acceptable() noexcept override;
    [[gnu::cold]] step attempt(accept_awaiter& into, scheduler& on);
    step pause(std::error_code why, scheduler& on);

    // Errors of one connection, which is gone: accept(2) tells them although the listener is well.
    static bool is_passing(std::error_code why) noexcept {
        if (why.category() != std::system_category()) return false;
        switch (why.value()) {
        case ECONNABORTED:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENETDOWN:
        case ENETUNREACH:
        case ENONET:
        case ENOPROTOOPT:
        case EPERM:
        case EPROTO:
        case ETIMEDOUT: return true;
        default: return false;
        }
    }

    // Errors after which trying again cannot help.
    static bool is_final(std::error_code why) noexcept {
        if (why.category() != std::system_category()) return false;
        switch (why.value()) {
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP: return true;
        default: return false;
        }
    }

    owned<io::acceptor> x_acceptor;
    owned<io::stream> x_held; // accepted for a wait whose frame was destroyed before it went on
    accept_awaiter* x_waiting = nullptr;
    trouble_function x_tell = nullptr;
    void* x_told_to = nullptr;
    std::uint64_t x_troubles = 0;
    std::chrono::nanoseconds x_pause{0}; // the last one; zero when all is well
    std::chrono::nanoseconds x_paused_until{0};
    unsigned x_streak = 0;
    bool x_acceptable = true; // there may be somebody: cleared only when the acceptor has said that there is nobody
};

// What `accept` returns.
class [[nodiscard]] listener::accept_awaiter : public awaitable<accept_awaiter>, private timer, private ready_item {
public:
    explicit accept_awaiter(listener& from) noexcept : x_from(&from) {}
    accept_awaiter(accept_awaiter&& other) noexcept : x_from(other.x_from) {}
    [[gnu::cold]] ~accept_awaiter() {
        if (x_stream && x_from) x_from->x_held = std::move(x_stream);
        leave();
    }

    bool await_ready() const noexcept { return false; }
    bool suspend(std::coroutine_handle<> who, context* in) {
        if (x_from->x_waiting) {
            x_failure = errc::busy;
            return false;
        }
        if (in && in->canceled()) {
            x_waiter.suspend(who, in);
            return true;
        }
        scheduler* const on = in ? &in->runs_on() : scheduler::current();
        assert(on && "an operation of weir was awaited on a thread that runs no loop");
        const step next = x_from->attempt(*this, *on);
        if (next == step::done) return false;
        x_waiter.suspend(who, in);
        x_from->x_waiting = this;
        wait_for(next);
        return true;
    }
    result<owned<io::stream>> await_resume() noexcept {
        leave();
        if (x_stream) return std::move(x_stream);
        if (x_failure) return std::move(x_failure);
        return x_waiter.outcome();
    }

private:
    friend class listener;

    bool settled() const noexcept { return x_stream || x_failure || x_waiter.outcome() != errc{}; }

    [[gnu::cold]] void wait_for(step next) noexcept {
        if (next == step::pause) x_waiter.runs_on().arm(*this, x_from->x_paused_until - x_waiter.runs_on().now());
        if (next == step::turn) x_waiter.runs_on().post_at_turn_end(*this);
    }

    // Something has happened while it waits.
    void go_on() {
        if (settled()) return;
        const step next = x_from->attempt(*this, x_waiter.runs_on());
        if (next == step::done)
            x_waiter.wake();
        else
            wait_for(next);
    }

    [[gnu::cold]] void expire() noexcept override { go_on(); }
    [[gnu::cold]] void run() noexcept override {
        x_from->x_streak = 0;
        go_on();
    }

    void leave() noexcept {
        if (x_from && x_from->x_waiting == this) x_from->x_waiting = nullptr;
        timer::unlink();
        ready_item::unlink();
    }

    // The listener is closed.
    void closed() noexcept {
        leave();
        x_from = nullptr;
        if (!settled()) x_waiter.wake(errc::closed);
    }

    listener* x_from;
    owned<io::stream> x_stream;
    error x_failure;
    waiter x_waiter;
};

inline listener::accept_awaiter listener::accept() noexcept { return accept_awaiter(*this); }

inline void listener::close() noexcept {
    if (x_waiting) x_waiting->closed();
    x_held.reset();
    x_acceptor.reset();
}

inline void listener::on_acceptable() noexcept {
    x_acceptable = true;
    // During a pause, and between turns, the wait goes on by itself.
    if (x_waiting && !x_waiting->armed() && !x_waiting->ready_item::linked()) x_waiting->go_on();
}

inline listener::step listener::attempt(accept_awaiter& into, scheduler& on) {
    if (!x_acceptor) {
        into.x_failure = errc::closed;
        return step::done;
    }
    if (x_held) {
        into.x_stream = std::move(x_held);
        return step::done;
    }
    if (x_paused_until > on.now()) return step::pause;
    while (x_acceptable) {
        if (x_streak == streak) return step::turn;
        ++x_streak;
        std::error_code why;
        switch (x_acceptor->accept(into.x_stream, why)) {
        case io::status::ready:
            x_pause = std::chrono::nanoseconds(0);
            return step::done;
        case io::status::blocked:
            x_acceptable = false;
            break;
        default:
            if (is_passing(why)) break;
            if (!is_final(why)) return pause(why, on);
            into.x_failure = error(why, concat({"accepting on ", local_endpoint().to_string()}));
            return step::done;
        }
    }
    x_streak = 0;
    return step::event;
}

inline listener::step listener::pause(std::error_code why, scheduler& on) {
    x_pause = x_pause.count() == 0 ? first_pause : x_pause * 2 > longest_pause ? longest_pause : x_pause * 2;
    x_paused_until = on.now() + x_pause;
    ++x_troubles;
    if (x_tell) x_tell(x_told_to, why, x_pause);
    return step::pause;
}

} // namespace weir::inline v0::net
