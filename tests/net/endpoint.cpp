#include <weir/net/endpoint.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <ostream>
#include <string>

using namespace weir;
using net::endpoint;

TEST_CASE("endpoint: text and back") {
    struct row {
        const char* text;
        const char* canonical; // null: as `text`
        net::family family;
        int port;
        bool loopback;
        const char* address;
    };
    const row rows[] = {
        {"127.0.0.1:9001", nullptr, net::family::ipv4, 9001, true, "127.0.0.1"},
        {"127.255.0.9:1", nullptr, net::family::ipv4, 1, true, "127.255.0.9"},
        {"0.0.0.0:0", nullptr, net::family::ipv4, 0, false, "0.0.0.0"},
        {"192.0.2.1:65535", nullptr, net::family::ipv4, 65535, false, "192.0.2.1"},
        {"192.0.2.1:080", "192.0.2.1:80", net::family::ipv4, 80, false, "192.0.2.1"},
        {"[::1]:9001", nullptr, net::family::ipv6, 9001, true, "::1"},
        {"[::]:80", nullptr, net::family::ipv6, 80, false, "::"},
        {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", net::family::ipv6, 443, false, "2001:db8::1"},
        {"[::ffff:127.0.0.1]:5", nullptr, net::family::ipv6, 5, true, "::ffff:127.0.0.1"},
        {"[::ffff:192.0.2.1]:5", nullptr, net::family::ipv6, 5, false, "::ffff:192.0.2.1"},
        {"[fe80::1%lo]:7", nullptr, net::family::ipv6, 7, false, "fe80::1%lo"},
        {"[fe80::1%1]:7", "[fe80::1%lo]:7", net::family::ipv6, 7, false, "fe80::1%lo"},
        {"[fe80::1%4000000000]:7", nullptr, net::family::ipv6, 7, false, "fe80::1%4000000000"},
        {"unix:/run/x", nullptr, net::family::local, 0, true, "/run/x"},
        {"unix:relative:1", nullptr, net::family::local, 0, true, "relative:1"},
        {"unix:@name", nullptr, net::family::local, 0, true, "@name"},
    };
    for (const row& each : rows) {
        CAPTURE(each.text);
        const result<endpoint> parsed = endpoint::parse(each.text);
        REQUIRE(parsed);
        CHECK(*parsed);
        CHECK(parsed->to_string() == (each.canonical ? each.canonical : each.text));
        CHECK(parsed->family() == each.family);
        CHECK(parsed->port() == each.port);
        CHECK(parsed->is_loopback() == each.loopback);
        CHECK(parsed->address() == each.address);

        const result<endpoint> again = endpoint::parse(parsed->to_string());
        REQUIRE(again);
        CHECK(*again == *parsed);
        const result<endpoint> same = endpoint::from_bytes(parsed->bytes());
        REQUIRE(same);
        CHECK(*same == *parsed);
        if (each.family != net::family::local) {
            CHECK(*endpoint::ip(each.address, static_cast<std::uint16_t>(each.port)) == *parsed);
            CHECK(parsed->with_port(77).port() == 77);
            CHECK(parsed->with_port(77).address() == each.address);
        } else {
            CHECK(parsed->with_port(77) == *parsed);
        }
    }
}

TEST_CASE("endpoint: text that is no address") {
    struct row {
        std::string text;
        errc code;
    };
    const row rows[] = {
        {"", errc::bad_address},
        {"127.0.0.1", errc::bad_address},
        {":9001", errc::bad_address},
        {"127.0.0.1:", errc::bad_port},
        {"127.0.0.1:65536", errc::bad_port},
        {"127.0.0.1:000080", errc::bad_port},
        {"127.0.0.1:+80", errc::bad_port},
        {"127.0.0.1:-1", errc::bad_port},
        {"127.0.0.1:80 ", errc::bad_port},
        {" 127.0.0.1:80", errc::bad_address},
        {"127.1:80", errc::bad_address},
        {"127.0.0.256:80", errc::bad_address},
        {"0127.0.0.1:80", errc::bad_address},
        {"[127.0.0.1]:80", errc::bad_address},
        {"127.0.0.1%lo:80", errc::bad_address},
        {"::1:80", errc::bad_address},
        {"[::1]", errc::bad_address},
        {"[::1:80", errc::bad_address},
        {"[]:80", errc::bad_address},
        {"[:::1]:80", errc::bad_address},
        {"[::1]80", errc::bad_address},
        {"[fe80::1%]:80", errc::bad_address},
        {"[fe80::1%no-such-interface]:80", errc::bad_address},
        {"[fe80::1%4294967296]:80", errc::bad_address},
        {"localhost:80", errc::bad_address},
        {std::string("127.0.0.1\0:80", 13), errc::bad_address},
        {"unix:", errc::bad_address},
        {"unix:@", errc::bad_address},
        {std::string("unix:/a\0b", 9), errc::bad_address},
        {"unix:/" + std::string(107, 'x'), errc::bad_address},
        {"unix:@" + std::string(107, 'x'), errc::bad_address},
        {std::string(100000, '1'), errc::bad_address},
    };
    for (const row& each : rows) {
        CAPTURE(each.text.substr(0, 100));
        const result<endpoint> parsed = endpoint::parse(each.text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == each.code);
        CHECK(parsed.error().context().size() < 200);
    }
    CHECK(endpoint::parse("nonsense:1").error().message() == "address \"nonsense\": malformed address");
}

TEST_CASE("endpoint: the longest Unix names") {
    for (const std::string& path : {"/" + std::string(106, 'x'), "@" + std::string(106, 'x')}) {
        const result<endpoint> made = endpoint::local(path);
        REQUIRE(made);
        CHECK(made->address() == path);
        CHECK(*endpoint::from_bytes(made->bytes()) == *made);
    }
}

TEST_CASE("endpoint: bytes that the system may give") {
    CHECK_FALSE(endpoint::from_bytes({}));
    CHECK_FALSE(endpoint::from_bytes(endpoint::loopback_ipv4(1).bytes().first(15)));
    CHECK_FALSE(endpoint::from_bytes(endpoint::loopback_ipv6(1).bytes().first(27)));
    sockaddr other{};
    other.sa_family = AF_NETLINK;
    CHECK_FALSE(endpoint::from_bytes(as_bytes({reinterpret_cast<const char*>(&other), sizeof other})));

    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    const auto bytes = [&](std::size_t size) { return as_bytes({reinterpret_cast<const char*>(&local), size}); };
    result<endpoint> made = endpoint::from_bytes(bytes(sizeof local.sun_family)); // a socket without a name
    REQUIRE(made);
    CHECK(*made);
    CHECK(made->to_string() == "unix:");
    CHECK(made->is_loopback());

    std::memset(local.sun_path, 'x', sizeof local.sun_path); // no room for a final NUL
    made = endpoint::from_bytes(bytes(sizeof local));
    REQUIRE(made);
    CHECK(made->address() == std::string(sizeof local.sun_path, 'x'));

    std::memcpy(local.sun_path, "/run/x\0rubbish", 14);
    made = endpoint::from_bytes(bytes(sizeof local));
    REQUIRE(made);
    CHECK(*made == *endpoint::local("/run/x"));

    std::memcpy(local.sun_path, "\0a\0\n", 4);
    made = endpoint::from_bytes(bytes(offsetof(sockaddr_un, sun_path) + 4));
    REQUIRE(made);
    CHECK(made->address() == "@a??");

    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(80);
    std::memset(four.sin_zero, 'x', sizeof four.sin_zero);
    made = endpoint::from_bytes(as_bytes({reinterpret_cast<const char*>(&four), sizeof four}));
    REQUIRE(made);
    CHECK(*made == endpoint::any_ipv4(80));
}

TEST_CASE("endpoint: comparison, the empty one, mapped addresses") {
    const endpoint none;
    CHECK_FALSE(none);
    CHECK(none.bytes().empty());
    CHECK(none.port() == 0);
    CHECK(none.family() == net::family::none);
    CHECK_FALSE(none.is_loopback());
    CHECK(none.address().empty());
    CHECK(none.to_string() == "no address");
    CHECK(none == endpoint());

    CHECK(endpoint::loopback_ipv4(1) != endpoint::loopback_ipv4(2));
    CHECK(endpoint::loopback_ipv4(1) != endpoint::any_ipv4(1));
    CHECK(endpoint::loopback_ipv6(1) != endpoint::any_ipv6(1));
    CHECK((none < endpoint::any_ipv4(1)));
    CHECK(((endpoint::any_ipv4(1) < endpoint::any_ipv4(2)) != (endpoint::any_ipv4(2) < endpoint::any_ipv4(1))));
    CHECK(endpoint::any_ipv6(9).to_string() == "[::]:9");
    CHECK(endpoint::any_ipv4(9).to_string() == "0.0.0.0:9");

    CHECK(endpoint::parse("[::ffff:192.0.2.1]:5")->unmapped().to_string() == "192.0.2.1:5");
    CHECK(endpoint::loopback_ipv6(5).unmapped() == endpoint::loopback_ipv6(5));
    CHECK(endpoint::loopback_ipv4(5).unmapped() == endpoint::loopback_ipv4(5));
}
