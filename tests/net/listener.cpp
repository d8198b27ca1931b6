#include "network.hpp"

#include <sys/resource.h>

#include <ostream>
#include <vector>

namespace {

class silent_stream final : public io::stream {
public:
    io::status fill(io::lease&) noexcept override { return io::status::blocked; }
    void release(io::lease&&) noexcept override {}
    std::size_t write(std::span<const bytes_view>) noexcept override { return 0; }
    void shutdown_write() noexcept override {}
    void close() noexcept override {}
    void reset() noexcept override {}
};

// Does what a list says: 0 is a connection, -1 nobody, anything else a failure of that errno.
class scripted_acceptor final : public io::acceptor {
public:
    scripted_acceptor(std::vector<int> script, int after) : x_script(std::move(script)), x_after(after) {}

    io::status accept(owned<io::stream>& into, std::error_code& failure) noexcept override {
        const int next = calls < x_script.size() ? x_script[calls] : x_after;
        ++calls;
        if (next < 0) return io::status::blocked;
        if (next == 0) {
            into = make_owned<silent_stream>();
            return io::status::ready;
        }
        failure = {next, std::system_category()};
        return io::status::failed;
    }
    bytes_view local_address() const noexcept override { return x_address.bytes(); }
    void tell() { x_observer->on_acceptable(); }

    std::size_t calls = 0;

private:
    std::vector<int> x_script;
    int x_after;
    endpoint x_address = endpoint::loopback_ipv4(9);
};

struct scripted {
    explicit scripted(std::vector<int> script, int after = -1)
        : acceptor(new scripted_acceptor(std::move(script), after)),
          listener(owned<io::acceptor>(acceptor)) {}
    scripted_acceptor* acceptor;
    net::listener listener;
};

struct trouble {
    static void tell(void* who, std::error_code why, std::chrono::nanoseconds pause) {
        auto& all = *static_cast<std::vector<trouble>*>(who);
        all.push_back({why, pause, scheduler::current()->now()});
    }
    std::error_code why;
    std::chrono::nanoseconds pause;
    std::chrono::nanoseconds at;
};

task<> accept_one(net::listener* from, stream_result* into) { *into = co_await from->accept(); }

} // namespace

TEST_CASE("listener: out of descriptors, accepting pauses and recovers by itself") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct restore {
        rlimit to;
        ~restore() { ::setrlimit(RLIMIT_NOFILE, &to); }
    } const later{before};
    auto work = [&]() -> task<> {
        result<net::listener> listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        std::vector<trouble> troubles;
        listener->on_trouble(trouble::tell, &troubles);
        // The undefined behaviour sanitizer takes a descriptor to look at an object of a type that it has not seen yet.
        scripted shown({EMFILE});
        stream_result late = co_await shown.listener.accept().within(12ms);
        REQUIRE_FALSE(late);
        std::vector<stream_result> clients;
        for (int i = 0; i < 3; ++i) {
            clients.push_back(co_await net::connect(listener->local_endpoint()));
            REQUIRE(clients.back());
        }
        rlimit none = before; // no number below it is free
        io::unique_descriptor probe(::dup(0));
        none.rlim_cur = static_cast<rlim_t>(probe.get());
        probe.close();
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        late = co_await listener->accept().within(15ms);
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        REQUIRE_FALSE(late);
        CHECK(late.error() == errc::timed_out);
        CHECK(troubles.size() == 2); // at once and after 10 ms: no busy loop
        CHECK(listener->troubles() == troubles.size());
        CHECK(troubles[0].why == std::errc::too_many_files_open);
        for (const stream_result& each : clients) { // no new event comes, and nobody is forgotten
            const stream_result server = co_await listener->accept().within(5s);
            CHECK_MESSAGE(server, server.error().message());
            CHECK(each);
        }
        CHECK(listener->troubles() == 2);
    };
    run_on(make_sockets(), work());
}

TEST_CASE("listener: pauses double from 10 ms to a second, and begin anew after a success") {
    for (const int number : {EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC}) {
        std::vector<int> script(9, number);
        script.push_back(0);
        script.push_back(number);
        auto work = [&]() -> task<> {
            scripted of(script, 0);
            std::vector<trouble> troubles;
            of.listener.on_trouble(trouble::tell, &troubles);
            for (int i = 0; i < 2; ++i) {
                const stream_result server = co_await of.listener.accept();
                CHECK(server);
            }
            const std::chrono::milliseconds expected[] = {10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1s, 1s, 10ms};
            REQUIRE(troubles.size() == std::size(expected));
            for (std::size_t i = 0; i < troubles.size(); ++i) {
                CHECK(troubles[i].why == std::error_code(number, std::system_category()));
                CHECK(troubles[i].pause == expected[i]);
                if (i == 0 || i == 9) continue;
                const std::chrono::nanoseconds passed = troubles[i].at - troubles[i - 1].at;
                CHECK(passed >= expected[i - 1]);
                CHECK(passed <= expected[i - 1] + 1ms);
            }
        };
        run_on(make_memory(), work());
    }
}

TEST_CASE("listener: neither events nor impatient callers cut a pause short") {
    auto work = []() -> task<> {
        scripted of({EMFILE}, 0);
        stream_result first = errc::busy;
        scope accepting;
        accepting.spawn(accept_one(&of.listener, &first));
        result<> passed = co_await sleep(2ms);
        CHECK(passed);
        CHECK(of.acceptor->calls == 1);
        of.acceptor->tell();
        passed = co_await sleep(2ms);
        CHECK(passed);
        CHECK(of.acceptor->calls == 1);
        accepting.cancel();
        co_await accepting.join();
        REQUIRE_FALSE(first);
        CHECK(first.error() == errc::canceled);
        const stream_result hasty = co_await of.listener.accept().within(1ms);
        REQUIRE_FALSE(hasty);
        CHECK(of.acceptor->calls == 1);
        const stream_result second = co_await of.listener.accept();
        CHECK(second);
        CHECK(of.acceptor->calls == 2);
    };
    run_on(make_memory(), work());
}

TEST_CASE("listener: a connection that fails before it is accepted is passed over") {
    auto work = []() -> task<> {
        scripted of({ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTUNREACH, ENETUNREACH, ECONNABORTED, EPERM, 0, EINVAL});
        const stream_result server = co_await of.listener.accept();
        CHECK(server);
        CHECK(of.acceptor->calls == 8);
        CHECK(of.listener.troubles() == 0);
        const stream_result broken = co_await of.listener.accept();
        REQUIRE_FALSE(broken);
        CHECK(broken.error().message() == "accepting on 127.0.0.1:9: Invalid argument");
    };
    run_on(make_memory(), work());
}

TEST_CASE("listener: the system is asked again only when there is news") {
    auto work = []() -> task<> {
        scripted of({-1, 0, -1}, -1);
        stream_result first = co_await of.listener.accept().within(1ms);
        CHECK_FALSE(first);
        CHECK(of.acceptor->calls == 1);
        first = co_await of.listener.accept().within(1ms);
        CHECK_FALSE(first);
        CHECK(of.acceptor->calls == 1);
        of.acceptor->tell(); // nobody waits: it is remembered
        first = co_await of.listener.accept().within(1ms);
        CHECK(first);
        CHECK(of.acceptor->calls == 2);

        stream_result second = errc::busy;
        scope accepting;
        accepting.spawn(accept_one(&of.listener, &second));
        const result<> gone_on = co_await yield();
        CHECK(of.acceptor->calls == 3);
        of.acceptor->tell(); // there was nobody after all
        CHECK(of.acceptor->calls == 4);
        CHECK(accepting.size() == 1);
    };
    run_on(make_memory(), work());
}

TEST_CASE("listener: others have their turn between 32 accepts") {
    auto work = []() -> task<> {
        scripted of({}, 0);
        int accepted = 0;
        auto accept_all = [&]() -> task<> {
            while (accepted < 1000) {
                const stream_result next = co_await of.listener.accept();
                CHECK(next);
                ++accepted;
            }
        };
        struct turn_counter final : ready_item {
            explicit turn_counter(const int& watched) noexcept : accepted(watched) { run(); }
            void run() noexcept override {
                ++turns;
                if (accepted - before > most) most = accepted - before;
                before = accepted;
                scheduler::current()->post_at_turn_end(*this);
            }
            const int& accepted;
            int before = 0, most = 0, turns = 0;
        } counter(accepted);
        scope accepting;
        accepting.spawn(accept_all());
        co_await accepting.join();
        CHECK(counter.turns >= 15);
        CHECK(counter.most <= 64);
    };
    run_on(make_memory(), work());
}

TEST_CASE("listener: a cancelled accept loop ends, however many connect") {
    auto work = []() -> task<> {
        scripted of({}, 0);
        int accepted = 0;
        auto accept_all = [&]() -> task<> {
            for (;;) {
                const stream_result next = co_await of.listener.accept();
                if (!next) {
                    CHECK(next.error() == errc::canceled);
                    co_return;
                }
                ++accepted;
            }
        };
        scope accepting;
        accepting.spawn(accept_all());
        for (int i = 0; i < 20; ++i) {
            const result<> gone_on = co_await yield();
            CHECK(gone_on);
        }
        accepting.cancel();
        const int until_then = accepted;
        co_await accepting.join();
        CHECK(accepted == until_then);
        CHECK(accepted >= 32);
    };
    run_on(make_memory(), work());
}

TEST_CASE("listener: one waits at a time") {
    auto work = []() -> task<> {
        result<net::listener> listener = net::listen("127.0.0.1", 0);
        REQUIRE(listener);
        stream_result first = errc::busy;
        scope accepting;
        accepting.spawn(accept_one(&*listener, &first));
        const result<> gone_on = co_await yield();
        const stream_result second = co_await listener->accept();
        REQUIRE_FALSE(second);
        CHECK(second.error() == errc::busy);
        const stream_result client = co_await net::connect(listener->local_endpoint());
        co_await accepting.join();
        CHECK(first);
    };
    run_on(make_sockets(), work());
    run_on(make_memory(), work());
}

TEST_CASE("listener: closing ends the wait and frees the port") {
    for (auto* events : {make_sockets, make_memory}) {
        auto work = []() -> task<> {
            result<net::listener> listener = net::listen("127.0.0.1", 0);
            REQUIRE(listener);
            const endpoint at = listener->local_endpoint();
            stream_result waiting = errc::busy;
            scope accepting;
            accepting.spawn(accept_one(&*listener, &waiting));
            const result<> gone_on = co_await yield();
            CHECK(*listener);
            listener->close();
            CHECK_FALSE(*listener);
            CHECK_FALSE(listener->local_endpoint());
            co_await accepting.join();
            REQUIRE_FALSE(waiting);
            CHECK(waiting.error() == errc::closed);
            const stream_result later = co_await listener->accept();
            REQUIRE_FALSE(later);
            CHECK(later.error() == errc::closed);
            listener->close();

            const result<net::listener> again = net::listen(at);
            CHECK_MESSAGE(again, again.error().message());
        };
        run_on(events(), work());
    }
}

TEST_CASE("listener: destroyed before those who wait") {
    for (const bool join : {false, true}) {
        auto work = [&]() -> task<> {
            stream_result waiting = errc::busy;
            scope accepting;
            {
                result<net::listener> listener = net::listen("127.0.0.1", 0);
                REQUIRE(listener);
                accepting.spawn(accept_one(&*listener, &waiting));
                const result<> gone_on = co_await yield();
            }
            if (!join) co_return;
            co_await accepting.join();
            REQUIRE_FALSE(waiting);
            CHECK(waiting.error() == errc::closed);
        };
        run_on(make_sockets(), work());
    }
}

TEST_CASE("listener: what was accepted for a wait that was destroyed is there for the next") {
    auto work = []() -> task<> {
        scripted of({-1, 0, -1});
        stream_result lost = errc::busy;
        {
            scope accepting;
            accepting.spawn(accept_one(&of.listener, &lost));
            const result<> gone_on = co_await yield();
            of.acceptor->tell();
            CHECK(of.acceptor->calls == 2);
        }
        CHECK_FALSE(lost);
        const stream_result kept = co_await of.listener.accept().within(1ms);
        CHECK(kept);
        const stream_result no_other = co_await of.listener.accept().within(1ms);
        CHECK_FALSE(no_other);
    };
    run_on(make_memory(), work());
}

TEST_CASE("listener: cancelled, and told of a connection, in the same turn") {
    auto work = []() -> task<> {
        for (const bool told_first : {false, true}) {
            scripted of({-1, 0, -1});
            stream_result outcome = errc::busy;
            scope accepting;
            accepting.spawn(accept_one(&of.listener, &outcome));
            const result<> gone_on = co_await yield();
            if (told_first) of.acceptor->tell();
            accepting.cancel();
            if (!told_first) of.acceptor->tell();
            co_await accepting.join();
            CHECK(outcome.has_value() == told_first);
            const stream_result next = co_await of.listener.accept().within(1ms);
            CHECK(next.has_value() == !told_first);
        }
    };
    run_on(make_memory(), work());
}

TEST_CASE("listener: moves, with what it knows") {
    auto work = []() -> task<> {
        scripted of({-1, EMFILE}, 0);
        stream_result none = co_await of.listener.accept().within(1ms);
        CHECK_FALSE(none);
        net::listener moved(std::move(of.listener));
        CHECK_FALSE(of.listener);
        of.acceptor->tell();
        none = co_await moved.accept().within(1ms);
        CHECK_FALSE(none);
        scripted other({});
        other.listener = std::move(moved);
        CHECK(other.listener.troubles() == 1);
        none = co_await other.listener.accept().within(1ms);
        CHECK_FALSE(none); // the pause goes on
        const stream_result found = co_await other.listener.accept();
        CHECK(found);
    };
    run_on(make_memory(), work());
}
