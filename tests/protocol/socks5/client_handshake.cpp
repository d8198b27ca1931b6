// Both directions of each exchange of RFC 1928 and 1929, cut anywhere, and what a proxy may not say.
#include <doctest/doctest.h>

#include <weir/protocol/socks5/client_handshake.hpp>

#include "../http/pieces.hpp"

#include <ostream>
#include <string>
#include <vector>

using namespace weir;
using socks5::client_handshake;
using socks5::step;

namespace {

std::string bytes(std::initializer_list<int> all) {
    std::string made;
    for (const int each : all) made += static_cast<char>(each);
    return made;
}

// What came of a handshake with a proxy that answers so.
struct outcome {
    step end = step::receive;
    std::string sent;
    std::string left; // of what the proxy said
    weir::error why;
};

outcome play(client_handshake handshake, const std::vector<std::string>& answers, std::size_t piece) {
    outcome made;
    for (std::size_t round = 0; round <= answers.size(); ++round) {
        if (handshake.next() == step::send) {
            made.sent += as_text(handshake.output());
            handshake.sent();
        }
        if (handshake.next() != step::receive || round == answers.size()) break;
        std::string text = answers[round];
        for (std::size_t at = 0; at < text.size() && handshake.next() == step::receive;) {
            bytes_view input = as_bytes(std::string_view(text).substr(at, piece));
            const std::size_t before = input.size();
            handshake.take(input);
            at += before - input.size();
            made.left = text.substr(at);
        }
    }
    made.end = handshake.next();
    made.why = handshake.error();
    return made;
}

socks5::destination named(std::string_view name, std::uint16_t port) {
    socks5::destination made;
    made.name = name;
    made.port = port;
    return made;
}

const std::string granted = bytes({5, 0, 0, 1, 127, 0, 0, 1, 0, 80});

} // namespace

TEST_CASE("RFC 1928 3, 4: a name, and no authentication") {
    for (const std::size_t piece : piece_sizes) {
        const outcome end = play(client_handshake(named("example.com", 443), "", ""), {bytes({5, 0}), granted + "more"}, piece);
        CHECK(end.end == step::done);
        CHECK(end.sent == bytes({5, 1, 0}) + bytes({5, 1, 0, 3, 11}) + "example.com" + bytes({1, 187}));
        if (piece > 16) CHECK(end.left == "more"); // is not taken
    }
}

TEST_CASE("RFC 1928 5: addresses go as addresses") {
    const std::string four = bytes({192, 0, 2, 1}), six = bytes({32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    for (const std::string& each : {four, six}) {
        socks5::destination to = named("192.0.2.1", 80);
        to.address = as_bytes(each);
        const outcome end = play(client_handshake(to, "", ""), {bytes({5, 0}), granted}, 1);
        CHECK(end.end == step::done);
        CHECK(end.sent == bytes({5, 1, 0}) + bytes({5, 1, 0, each.size() == 4 ? 1 : 4}) + each + bytes({0, 80}));
    }
    socks5::destination strange = named("a", 80);
    strange.address = as_bytes(std::string_view("abc"));
    CHECK(client_handshake(strange, "", "").next() == step::failed);
}

TEST_CASE("RFC 1929: a user and a password, where the proxy asks for them") {
    for (const std::size_t piece : piece_sizes) {
        const std::string greeting = bytes({5, 2, 0, 2}), login = bytes({1, 2}) + "me" + bytes({6}) + "secret";
        const std::string request = bytes({5, 1, 0, 3, 1}) + "a" + bytes({0, 80});
        outcome end = play(client_handshake(named("a", 80), "me", "secret"), {bytes({5, 2}), bytes({1, 0}), granted}, piece);
        CHECK(end.end == step::done);
        CHECK(end.sent == greeting + login + request);

        end = play(client_handshake(named("a", 80), "me", "secret"), {bytes({5, 0}), granted}, piece); // it does not ask
        CHECK(end.end == step::done);
        CHECK(end.sent == greeting + request);

        end = play(client_handshake(named("a", 80), "me", "secret"), {bytes({5, 2}), bytes({1, 1})}, piece);
        CHECK(end.end == step::failed);
        CHECK(end.why == errc::proxy_unauthorized);
        CHECK(end.sent == greeting + login);
    }
    const outcome empty = play(client_handshake(named("a", 80), "me", ""), {bytes({5, 2}), bytes({1, 0}), granted}, 3);
    CHECK(empty.end == step::done);
}

TEST_CASE("RFC 1928 6: replies of every kind of address end where they end") {
    for (const std::string& each : {bytes({5, 0, 0, 1, 1, 2, 3, 4, 5, 6}), bytes({5, 0, 0, 3, 0, 5, 6}),
                                    bytes({5, 0, 0, 3, 2, 97, 98, 5, 6}),
                                    bytes({5, 0, 99, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 5, 6}),
                                    bytes({5, 0, 0, 3, 255}) + std::string(257, 'x')})
        for (const std::size_t piece : piece_sizes) {
            outcome end = play(client_handshake(named("a", 1), "", ""), {bytes({5, 0}), each}, piece);
            CHECK(end.end == step::done);
            end = play(client_handshake(named("a", 1), "", ""), {bytes({5, 0}), each.substr(0, each.size() - 1)}, piece);
            CHECK(end.end == step::receive);
        }
}

TEST_CASE("what proxies say that refuse, lie, or are none") {
    const struct {
        std::vector<std::string> answers;
        errc code;
        std::string_view context;
    } cases[] = {
        {{"HTTP/1.1 400 Bad Request\r\n"}, errc::bad_proxy_answer, "in HTTP"},
        {{bytes({4, 0})}, errc::bad_proxy_answer, "0x4 at byte 0, and not the version, 5"},
        {{bytes({0, 90})}, errc::bad_proxy_answer, "0x0 at byte 0, and not the version, 5"},
        {{bytes({5, 255})}, errc::proxy_unauthorized, "that it wants a user and a password, or more"},
        {{bytes({5, 2})}, errc::bad_proxy_answer, "0x2 at byte 1, and not a way of authentication that was offered"},
        {{bytes({5, 1})}, errc::bad_proxy_answer, "0x1 at byte 1, and not a way of authentication that was offered"},
        {{bytes({5, 0}), bytes({4})}, errc::bad_proxy_answer, "0x4 at byte 0, and not the version, 5"},
        {{bytes({5, 0}), bytes({5, 1})}, errc::proxy_refused, "general failure (1)"},
        {{bytes({5, 0}), bytes({5, 2})}, errc::proxy_refused, "not allowed by its rules (2)"},
        {{bytes({5, 0}), bytes({5, 3})}, errc::proxy_refused, "network unreachable (3)"},
        {{bytes({5, 0}), bytes({5, 4})}, errc::proxy_refused, "host unreachable (4)"},
        {{bytes({5, 0}), bytes({5, 5, 0, 1, 0, 0, 0, 0, 0, 0})}, errc::proxy_refused, "connection refused (5)"},
        {{bytes({5, 0}), bytes({5, 6})}, errc::proxy_refused, "too many hops (6)"},
        {{bytes({5, 0}), bytes({5, 7})}, errc::proxy_refused, "it cannot connect (7)"},
        {{bytes({5, 0}), bytes({5, 8})}, errc::proxy_refused, "it does not know this type of address (8)"},
        {{bytes({5, 0}), bytes({5, 9})}, errc::proxy_refused, "no reason that is known (9)"},
        {{bytes({5, 0}), bytes({5, 0, 0, 2})}, errc::bad_proxy_answer, "0x2 at byte 3, and not a type of address"},
    };
    for (const auto& each : cases)
        for (const std::size_t piece : piece_sizes) {
            CAPTURE(each.context);
            const outcome end = play(client_handshake(named("a", 1), "", ""), each.answers, piece);
            CHECK(end.end == step::failed);
            CHECK(end.why == each.code);
            CHECK(end.why.context() == each.context);
        }
    const outcome twice = play(client_handshake(named("a", 1), "u", "p"), {bytes({5, 2}), bytes({2, 0})}, 8);
    CHECK(twice.why.context() == "0x2 at byte 0, and not the version, 1");
    const outcome none = play(client_handshake(named("a", 1), "u", "p"), {bytes({5, 255})}, 8);
    CHECK(none.why.context() == "that it takes no user and password");
}

TEST_CASE("what SOCKS5 cannot say") {
    const std::string longest(255, 'x'), longer(256, 'x');
    CHECK(client_handshake(named(longest, 1), longest, longest).next() == step::send);
    for (const client_handshake& each : {client_handshake(named("", 1), "", ""), client_handshake(named(longer, 1), "", "")}) {
        CHECK(each.next() == step::failed);
        CHECK(each.error() == errc::bad_host);
    }
    for (const client_handshake& each : {client_handshake(named("a", 1), longer, "p"), client_handshake(named("a", 1), "u", longer),
                                         client_handshake(named("a", 1), "", "p")}) {
        CHECK(each.next() == step::failed);
        CHECK(each.error() == errc::bad_proxy);
    }
}
