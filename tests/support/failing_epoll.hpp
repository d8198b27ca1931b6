// A backend over sockets with two things that tests want: a stream operation that fails, and a clock that nobody waits for.
//
//     auto made = weir::make_owned<tests::failing_epoll>();
//     made->fail_at(17);                     // the 18th fill or write of any stream: ECONNRESET
//     io::loop loop(std::move(made));
//
// Sockets are real. The clock is not: a turn takes 50 us of it, and a deadline within 10 ms comes as soon as nothing
// else does; a later one comes the sooner the longer nothing happens. A loop that waits for ever ends the program.
#pragma once


#include "events.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace tests {

class failing_epoll final : public weir::io::backend {
    using time = std::chrono::nanoseconds;

public:
    failing_epoll() {
        auto made = make_events();
        REQUIRE(made);
        x_inner = std::move(*made);
    }

    void fail_at(std::uint64_t number) noexcept { x_fail_at = number; }
    bool injected() const noexcept { return x_operations > x_fail_at; }
    std::size_t lent() noexcept { return blocks().lent() + x_inner->blocks().lent(); }

    std::string_view name() const noexcept override { return "failing"; }
    weir::result<weir::owned<weir::io::stream>> connect(weir::bytes_view address) override {
        return wrap(x_inner->connect(address));
    }
    weir::result<weir::owned<weir::io::stream>> adopt_stream(int descriptor) override {
        return wrap(x_inner->adopt_stream(descriptor));
    }
    weir::result<weir::owned<weir::io::acceptor>> listen(weir::bytes_view address,
                                                             const weir::io::listen_options& options) override {
        return wrap(x_inner->listen(address, options));
    }
    weir::result<weir::owned<weir::io::acceptor>> adopt_acceptor(int descriptor) override {
        return wrap(x_inner->adopt_acceptor(descriptor));
    }

    bool wait(time timeout) noexcept override {
        x_now += std::chrono::microseconds(50);
        pollfd events{x_inner->descriptor(), POLLIN, 0};
        const bool long_time = timeout > std::chrono::milliseconds(10);
        if (timeout > time(0) && ::poll(&events, 1, long_time ? 1 : 0) == 0) {
            const time most = std::chrono::milliseconds(long_time ? 20 : 10);
            x_now += timeout < most ? timeout : most;
            x_idle = timeout == forever ? x_idle + 1 : 0;
            if (x_idle > 3000) {
                std::fputs("failing_epoll: the loop waits for what nobody does\n", stderr);
                std::abort();
            }
        } else {
            x_idle = 0;
        }
        return x_inner->wait(time(0));
    }
    bool dispatch() noexcept override { return x_inner->dispatch(); }
    void wake() noexcept override { x_inner->wake(); }
    time now() noexcept override { return x_now; }
    int descriptor() noexcept override { return x_inner->descriptor(); }

private:
    // Fails when it is told to: breaks its socket, and goes on as the contract of streams has it.
    class failing_stream final : public weir::io::stream, private weir::io::stream_observer {
        using status = weir::io::status;

    public:
        failing_stream(failing_epoll& of, weir::owned<weir::io::stream>&& inner) noexcept
            : x_of(of), x_inner(std::move(inner)) {
            x_inner->observe(this);
        }
        ~failing_stream() { x_inner->observe(nullptr); }

        status connected() noexcept override { return noted(x_inner->connected()); }
        status fill(weir::io::lease& into) noexcept override {
            if (x_failure && !x_write_failed) return status::failed;
            if (!x_write_failed && x_of.fails()) return break_off(), status::failed;
            const status got = x_inner->fill(into);
            if (!x_write_failed || got == status::ready) return noted(got);
            x_write_failed = false; // all that had arrived before has been lent
            return status::failed;
        }
        void release(weir::io::lease&& unused) noexcept override { x_inner->release(std::move(unused)); }
        std::size_t write(std::span<const weir::bytes_view> pieces) noexcept override {
            if (x_failure) return 0;
            if (x_of.fails()) return x_write_failed = true, break_off(), 0;
            const std::size_t taken = x_inner->write(pieces);
            if (x_inner->failure()) x_write_failed = true;
            noted(status::ready);
            return taken;
        }
        void shutdown_write() noexcept override { x_inner->shutdown_write(); }
        void close() noexcept override { leave(&weir::io::stream::close); }
        void reset() noexcept override { leave(&weir::io::stream::reset); }
        int descriptor() const noexcept override { return x_inner->descriptor(); }

    private:
        // Whoever waits, here or at the other end, hears of it from the kernel.
        void break_off() noexcept {
            x_failure = {ECONNRESET, std::system_category()};
            ::shutdown(x_inner->descriptor(), SHUT_RDWR);
        }
        void leave(void (weir::io::stream::*how)() noexcept) noexcept {
            (x_inner.get()->*how)();
            x_write_failed = false;
            noted(status::ready);
        }
        status noted(status what) noexcept {
            if (!x_failure) x_failure = x_inner->failure();
            return what;
        }
        void on_readable() noexcept override {
            if (x_observer) x_observer->on_readable();
        }
        void on_writable() noexcept override {
            noted(status::ready);
            if (x_observer) x_observer->on_writable();
        }

        failing_epoll& x_of;
        weir::owned<weir::io::stream> x_inner;
        bool x_write_failed = false; // what had arrived before may still be lent
    };

    class failing_acceptor final : public weir::io::acceptor, private weir::io::acceptor_observer {
    public:
        failing_acceptor(failing_epoll& of, weir::owned<weir::io::acceptor>&& inner) noexcept
            : x_of(of), x_inner(std::move(inner)) {
            x_inner->observe(this);
        }
        ~failing_acceptor() { x_inner->observe(nullptr); }

        weir::io::status accept(weir::owned<weir::io::stream>& into, std::error_code& failure) noexcept override {
            weir::owned<weir::io::stream> made;
            const weir::io::status got = x_inner->accept(made, failure);
            if (made) into = weir::make_owned<failing_stream>(x_of, std::move(made));
            return got;
        }
        weir::bytes_view local_address() const noexcept override { return x_inner->local_address(); }
        int descriptor() const noexcept override { return x_inner->descriptor(); }

    private:
        void on_acceptable() noexcept override {
            if (x_observer) x_observer->on_acceptable();
        }

        failing_epoll& x_of;
        weir::owned<weir::io::acceptor> x_inner;
    };

    weir::result<weir::owned<weir::io::stream>> wrap(weir::result<weir::owned<weir::io::stream>>&& made) {
        if (!made) return std::move(made).error();
        return weir::owned<weir::io::stream>(new failing_stream(*this, std::move(*made)));
    }
    weir::result<weir::owned<weir::io::acceptor>> wrap(weir::result<weir::owned<weir::io::acceptor>>&& made) {
        if (!made) return std::move(made).error();
        return weir::owned<weir::io::acceptor>(new failing_acceptor(*this, std::move(*made)));
    }

    bool fails() noexcept { return x_operations++ == x_fail_at; }

    weir::owned<weir::io::backend> x_inner;
    time x_now = std::chrono::hours(1);
    std::uint64_t x_operations = 0;
    std::uint64_t x_fail_at = ~std::uint64_t{0};
    int x_idle = 0;
};

} // namespace tests
