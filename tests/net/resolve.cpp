#include "../support/events.hpp"

#include <weir/coro/scope.hpp>
#include <weir/coro/yield.hpp>
#include <weir/io/loop.hpp>
#include <weir/net/resolve.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <ostream>
#include <semaphore>

using namespace weir;
using namespace std::chrono_literals;
using net::endpoint;

namespace {

using addresses = result<sequence<endpoint>>;

std::atomic<int> lookups{0};

addresses two_addresses(const std::string& name, std::uint16_t port) {
    ++lookups;
    CHECK(name == "example.test");
    sequence<endpoint> found;
    found.push_back(*endpoint::ip("192.0.2.1", port));
    found.push_back(*endpoint::ip("2001:db8::1", port));
    return found;
}
addresses not_found(const std::string&, std::uint16_t) { return errc::name_not_found; }
addresses unavailable(const std::string& name, std::uint16_t) {
    return error(errc::name_unavailable, "asking for " + name);
}
addresses never_asked(const std::string&, std::uint16_t) {
    ++lookups;
    return errc::injected;
}

std::counting_semaphore<> hangs{0};
addresses hanging(const std::string&, std::uint16_t) {
    hangs.acquire();
    return errc::injected;
}

addresses run(task<addresses> work) { return io::loop(std::move(*tests::make_events())).run(std::move(work)); }

std::string text_of(const addresses& found) {
    if (!found) return found.error().message();
    std::string all;
    for (const endpoint& each : *found) all += (all.empty() ? "" : " ") + each.to_string();
    return all;
}

} // namespace

TEST_CASE("resolve: what takes no resolver") {
    struct row {
        const char* host;
        const char* found;
    };
    const row rows[] = {
        {"127.0.0.1", "127.0.0.1:80"},
        {"::1", "[::1]:80"},
        {"[2001:db8::1]", "[2001:db8::1]:80"},
        {"localhost", "[::1]:80 127.0.0.1:80"},
        {"LocalHost.", "[::1]:80 127.0.0.1:80"},
        {"a.b.localhost", "[::1]:80 127.0.0.1:80"},
        {"a.localhost.", "[::1]:80 127.0.0.1:80"},
        {"", "resolving : malformed address"},
        {"a b", "resolving a b: malformed address"},
        {"[::1", "resolving [::1: malformed address"},
        {"host:80", "resolving host:80: malformed address"},
    };
    lookups = 0;
    for (const row& each : rows) {
        CAPTURE(each.host);
        CHECK(text_of(run(net::resolve(each.host, 80, never_asked))) == each.found);
    }
    CHECK_FALSE(run(net::resolve(std::string("a\0b", 3), 80, never_asked)));
    CHECK_FALSE(run(net::resolve(std::string(255, 'a'), 80, never_asked)));
    CHECK(lookups == 0);
}

TEST_CASE("resolve: names go to the resolver") {
    lookups = 0;
    CHECK(text_of(run(net::resolve("example.test", 80, two_addresses))) == "192.0.2.1:80 [2001:db8::1]:80");
    CHECK(lookups == 1);
    for (const char* name : {"notlocalhost", "localhost.test", "localhos", "localhost.."}) {
        CAPTURE(name);
        const addresses found = run(net::resolve(name, 80, not_found));
        REQUIRE_FALSE(found);
        CHECK(found.error() == errc::name_not_found);
        CHECK(found.error() == condition::unreachable);
        CHECK(found.error().message() == std::string("resolving ") + name + ": name not found");
    }
    CHECK(text_of(run(net::resolve("a.test", 80, unavailable))) == "asking for a.test: name resolution failed for now");
}

TEST_CASE("resolve: a resolver that hangs is left at the deadline") {
    auto work = []() -> task<addresses> {
        addresses found = co_await net::resolve("slow.test", 80, hanging).within(2ms);
        co_return found;
    };
    const addresses found = run(work());
    hangs.release();
    REQUIRE_FALSE(found);
    CHECK(found.error() == errc::timed_out);
}

TEST_CASE("resolve: destroyed while the resolver is at work") {
    io::loop loop(std::move(*tests::make_events()));
    auto ask = []() -> task<> {
        const addresses found = co_await net::resolve("slow.test", 80, hanging);
        CHECK_MESSAGE(false, "the frame was to be destroyed");
    };
    auto work = [&]() -> task<> {
        scope asking;
        asking.spawn(ask());
        const result<> gone_on = co_await yield();
        CHECK(asking.size() == 1);
    };
    loop.run(work());
    hangs.release();
}

TEST_CASE("resolve: the system's resolver") {
    // Takes no network: addresses in textual form, which getaddrinfo understands too.
    CHECK(text_of(net::system_lookup("192.0.2.7", 80)) == "192.0.2.7:80");
    CHECK(text_of(net::system_lookup("2001:db8::7", 80)) == "[2001:db8::7]:80");
    const addresses none = net::system_lookup("a..b", 80);
    REQUIRE_FALSE(none);
    CHECK(none.error() == condition::unreachable);
    CHECK(none.error().context().starts_with("resolving a..b"));
}
