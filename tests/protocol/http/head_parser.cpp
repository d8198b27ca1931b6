#include <doctest/doctest.h>

#include <weir/protocol/http/head_parser.hpp>

#include "pieces.hpp"

#include <ostream>
#include <string>
#include <string_view>

using namespace weir;
using http::parse_status;

namespace {

struct outcome {
    parse_status status;
    std::size_t left; // bytes that the parser did not take
};

// Feeds `text` in pieces; what a piece leaves over ends it, as in a real stream.
template <class Parser>
outcome feed(Parser& parser, std::string_view text, std::size_t piece) {
    parse_status status = parse_status::need_more;
    while (!text.empty() && status == parse_status::need_more) {
        bytes_view input = as_bytes(text.substr(0, piece));
        const std::size_t given = input.size();
        status = parser.parse(input);
        if (status == parse_status::need_more) REQUIRE(input.empty());
        text.remove_prefix(given - input.size());
    }
    return {status, text.size()};
}

const std::string host = "Host: h\r\n";

std::string get(std::string_view fields) { return "GET / HTTP/1.1\r\n" + host + std::string(fields) + "\r\n"; }

void check_failure(std::string_view text, errc code, std::string_view says, const http::head_limits& limits = {}) {
    for (const std::size_t piece : piece_sizes) {
        CAPTURE(text);
        CAPTURE(piece);
        http::request_parser parser(limits);
        CHECK(feed(parser, text, piece).status == parse_status::failed);
        CHECK(parser.error() == code);
        CAPTURE(parser.error().message());
        CHECK(parser.error().context().find(says) != std::string_view::npos);
        bytes_view more = as_bytes("GET");
        CHECK(parser.parse(more) == parse_status::failed); // and so it stays
        CHECK(more.size() == 3);
    }
}

} // namespace

TEST_CASE("RFC 9112 3: requests, in pieces of every size") {
    const std::string text = "GET /chat?room=1 HTTP/1.1\r\nHost: example.org:80\r\nUpgrade:websocket\r\n"
                             "Connection:\t keep-alive, Upgrade \t\r\nX-Empty:\r\nX-Obs: \xE4\tb\r\n\r\n";
    for (const std::size_t piece : piece_sizes) {
        CAPTURE(piece);
        http::request_parser parser;
        CHECK_FALSE(parser.started());
        const auto found = feed(parser, text + "the rest", piece);
        REQUIRE(found.status == parse_status::done);
        CHECK(parser.started());
        CHECK_FALSE(parser.error());
        CHECK(found.left == 8);
        const http::request_head head = parser.take();
        CHECK(head.method == "GET");
        CHECK(head.target == "/chat?room=1");
        CHECK(head.version_minor == 1);
        CHECK(head.fields.size() == 5);
        CHECK(head.fields.get("host") == std::string_view("example.org:80"));
        CHECK(head.fields.get("upgrade") == std::string_view("websocket"));
        CHECK(head.fields.get("connection") == std::string_view("keep-alive, Upgrade"));
        CHECK(head.fields.get("x-empty") == std::string_view(""));
        CHECK(head.fields.get("x-obs") == std::string_view("\xE4\tb"));
        CHECK_FALSE(parser.started());
    }
}

TEST_CASE("RFC 9112 9.3.2: heads one after the other") {
    const std::string text = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.0\r\n\r\nOPTIONS * HTTP/1.1\r\nHost:\r\n\r\n"
                             "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\nGET http://a/5 HTTP/1.1\r\nHost: a\r\n\r\n";
    http::request_parser parser;
    bytes_view input = as_bytes(text);
    const std::string_view methods[] = {"GET", "POST", "OPTIONS", "CONNECT", "GET"};
    const std::string_view targets[] = {"/1", "/2", "*", "a:443", "http://a/5"};
    for (int i = 0; i < 5; ++i) {
        REQUIRE(parser.parse(input) == parse_status::done);
        const std::size_t left = input.size();
        CHECK(parser.parse(input) == parse_status::done); // until it is taken
        CHECK(input.size() == left);
        const http::request_head head = parser.take();
        CHECK(head.method == methods[i]);
        CHECK(head.target == targets[i]);
        CHECK(head.version_minor == (i == 1 ? 0 : 1));
    }
    CHECK(input.empty());
    CHECK(parser.parse(input) == parse_status::need_more);
}

TEST_CASE("RFC 9112 2.2: one empty line before a request is forgiven, and no LF without CR") {
    for (const std::size_t piece : piece_sizes) {
        http::request_parser parser;
        CHECK(feed(parser, "\r\n", piece).status == parse_status::need_more);
        CHECK_FALSE(parser.started());
        CHECK(feed(parser, get(""), piece).status == parse_status::done);
    }
    check_failure("\r\n\r\n", errc::bad_request_line, "");
    check_failure("\n", errc::bad_request_line, "LF alone");
    check_failure("GET / HTTP/1.1\nHost: h\n\n", errc::bad_request_line, "LF alone");
    check_failure("GET / HTTP/1.1\r\nHost: h\n\r\n", errc::bad_field, "LF alone");
    check_failure("GET / HTTP/1.1\r\nHost: h\r\n\n", errc::bad_field, "LF alone");
    check_failure("GET / HTTP/1.1\r\nHost: h\r\r\n", errc::bad_field, "control byte");
    check_failure("GET / HTTP/1.1\r\r\n", errc::bad_request_line, "version");
    check_failure("\rGET / HTTP/1.1\r\n", errc::bad_request_line, "token");
    check_failure("\r\nGET /aaaa HTTP/1.1\r\n", errc::target_too_long, "the first line",
                  {.head_bytes = 10, .line_bytes = 10}); // the empty one counts for neither limit
}

TEST_CASE("RFC 9112 3: malformed request lines") {
    check_failure("GET /\r\n", errc::bad_request_line, "a method, a target and a version");
    check_failure("GET\r\n", errc::bad_request_line, "a method, a target and a version");
    check_failure("GET  HTTP/1.1\r\n", errc::bad_request_line, "target");
    check_failure("GET /  HTTP/1.1\r\n", errc::bad_request_line, "target");
    check_failure("GET /a b HTTP/1.1\r\n", errc::bad_request_line, "target");
    check_failure("GET /\xC3\xA4 HTTP/1.1\r\n", errc::bad_request_line, "target");
    check_failure("GET /a#b HTTP/1.1\r\n", errc::bad_request_line, "target");
    check_failure("GET /\t HTTP/1.1\r\n", errc::bad_request_line, "target");
    check_failure(std::string("GET /\0 HTTP/1.1\r\n", 17), errc::bad_request_line, "target");
    check_failure("GET chat HTTP/1.1\r\n", errc::bad_request_line, "does not fit");
    check_failure("GET * HTTP/1.1\r\n", errc::bad_request_line, "does not fit");
    check_failure("GET ://x HTTP/1.1\r\n", errc::bad_request_line, "does not fit");
    check_failure("CONNECT / HTTP/1.1\r\n", errc::bad_request_line, "does not fit");
    check_failure("G@T / HTTP/1.1\r\n", errc::bad_request_line, "token");
    check_failure("GET / HTTP/1.1 \r\n", errc::bad_request_line, "target");
    check_failure("GET / http/1.1\r\n", errc::bad_request_line, "version");
    check_failure("GET / HTTP/1.10\r\n", errc::bad_request_line, "version");
    check_failure("GET / HTTP/x.1\r\n", errc::bad_request_line, "version");
    check_failure("GET / HTTP/1-1\r\n", errc::bad_request_line, "version");
    check_failure("GET / HTTP/1.x\r\n", errc::bad_request_line, "version");
    check_failure("GET / HTTP/1.2\r\n", errc::bad_version, "HTTP/1.0 and HTTP/1.1");
    check_failure("GET / HTTP/0.9\r\n", errc::bad_version, "");
    check_failure("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errc::bad_version, "");
}

TEST_CASE("what is no HTTP at all fails by its first byte") {
    check_failure("\x16\x03\x01", errc::bad_request_line, "TLS");
    check_failure(std::string_view("\0", 1), errc::bad_request_line, "not HTTP");
    check_failure(" GET / HTTP/1.1\r\n", errc::bad_request_line, "not HTTP");
    check_failure("\r\n\x16", errc::bad_request_line, "TLS");
    http::response_parser parser;
    bytes_view input = as_bytes("\x15\x03");
    CHECK(parser.parse(input) == parse_status::failed);
    CHECK(parser.error() == errc::bad_status_line);
    CHECK(parser.error().context().find("TLS") != std::string_view::npos);
    parser.reset();
    input = as_bytes("SSH-2.0");
    CHECK(parser.parse(input) == parse_status::failed);
    CHECK(parser.error().message() == "not HTTP: malformed HTTP status line");
}

TEST_CASE("RFC 9112 5: malformed field lines") {
    check_failure(get("A : b\r\n"), errc::bad_field, "between a field's name and the colon");
    check_failure(get("A\t: b\r\n"), errc::bad_field, "between a field's name and the colon");
    check_failure(get("A: b\r\n c\r\n"), errc::bad_field, "folded");
    check_failure(get("A: b\r\n\tc\r\n"), errc::bad_field, "folded");
    check_failure("GET / HTTP/1.1\r\n Host: h\r\n\r\n", errc::bad_field, "begins with a blank");
    check_failure(get("no colon\r\n"), errc::bad_field, "without a colon");
    check_failure(get(": b\r\n"), errc::bad_field, "not a token");
    check_failure(get("A(b): c\r\n"), errc::bad_field, "not a token");
    check_failure(get("\xC3\xA4: c\r\n"), errc::bad_field, "not a token");
    check_failure(get("A: b\rc\r\n"), errc::bad_field, "control byte");
    check_failure(get(std::string("A: b\0c\r\n", 8)), errc::bad_field, "control byte");
    check_failure(get("A: b\x7F\r\n"), errc::bad_field, "control byte");
    check_failure(get("A: \x1B[0m\r\n"), errc::bad_field, "control byte");
}

TEST_CASE("RFC 9112 3.2: Host, once") {
    check_failure("GET / HTTP/1.1\r\n\r\n", errc::bad_field, "no Host");
    check_failure("GET / HTTP/1.1\r\nHosts: a\r\n\r\n", errc::bad_field, "no Host");
    check_failure(get("host: h\r\n"), errc::bad_field, "more than one Host");
    check_failure("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", errc::bad_field, "more than one Host");
    check_failure("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", errc::bad_field, "not a host");
    check_failure("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", errc::bad_field, "not a host");
    check_failure("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", errc::bad_field, "not a host");
}

TEST_CASE("what is over a limit fails, what just fits does not") {
    const http::head_limits limits{.head_bytes = 64, .line_bytes = 20, .field_count = 3};
    const auto line = [](std::size_t target) { return "GET /" + std::string(target, 'a') + " HTTP/1.1\r\n"; };
    REQUIRE(line(4).size() == 20);
    for (const std::size_t piece : piece_sizes) {
        http::request_parser parser(limits);
        CHECK(feed(parser, line(4) + host + "\r\n", piece).status == parse_status::done);
        parser.reset();
        const std::string full = line(4) + host + "A: " + std::string(64 - 20 - 9 - 5 - 2, 'b') + "\r\n\r\n";
        REQUIRE(full.size() == 64);
        CHECK(feed(parser, full, piece).status == parse_status::done);
        parser.reset();
        CHECK(feed(parser, line(0) + host + "A:\r\nB:\r\n\r\n", piece).status == parse_status::done);
    }
    check_failure(line(5), errc::target_too_long, "", limits);
    check_failure(std::string(21, 'G'), errc::target_too_long, "", limits);
    check_failure(line(4) + host + "A: " + std::string(29, 'b') + "\r\n\r\n", errc::head_too_large, "", limits);
    check_failure(line(4) + std::string(45, 'x'), errc::head_too_large, "", limits);
    check_failure(line(0) + host + "A:\r\nB:\r\nC:\r\n\r\n", errc::too_many_fields, "", limits);
    check_failure(line(0) + host, errc::head_too_large, "", {.head_bytes = 20});
    check_failure(get(std::string(20'000, 'x')), errc::head_too_large, "");
    check_failure("GET /" + std::string(9000, 'x'), errc::target_too_long, "");
}

TEST_CASE("the fields of a head that is there as a whole take the room that they need, at once") {
    std::string many;
    for (int i = 0; i < 99; ++i) many += "Name-" + std::to_string(i) + ": " + std::string(20, 'v') + "\r\n";
    http::request_parser parser;
    const std::string text = get(many);
    bytes_view input = as_bytes(text);
    REQUIRE(parser.parse(input) == parse_status::done);
    const http::request_head head = parser.take();
    CHECK(head.fields.size() == 100);
    CHECK(head.fields[99].name == "Name-98");
    CHECK(head.fields.lines() == std::string_view(text).substr(16, text.size() - 18));
}

TEST_CASE("RFC 9112 4: responses, in pieces of every size") {
    const struct {
        std::string_view line;
        unsigned status;
        std::string_view reason;
        unsigned minor;
    } cases[] = {
        {"HTTP/1.1 101 Switching Protocols", 101, "Switching Protocols", 1},
        {"HTTP/1.0 200 OK", 200, "OK", 0},
        {"HTTP/1.1 404 ", 404, "", 1},
        {"HTTP/1.1 404", 404, "", 1},
        {"HTTP/1.1 999 \tgr\xFC\xDF  e", 999, "\tgr\xFC\xDF  e", 1},
    };
    for (const auto& each : cases) {
        for (const std::size_t piece : piece_sizes) {
            http::response_parser parser;
            const auto found = feed(parser, std::string(each.line) + "\r\nA: b\r\n\r\n\x81", piece);
            REQUIRE(found.status == parse_status::done);
            CHECK(found.left == 1);
            const http::response_head head = parser.take();
            CHECK(http::to_number(head.status) == each.status);
            CHECK(head.reason == each.reason);
            CHECK(head.version_minor == each.minor);
            CHECK(head.fields.get("a") == std::string_view("b"));
        }
    }
}

TEST_CASE("RFC 9112 4: malformed responses") {
    const struct {
        std::string_view text;
        errc code;
    } cases[] = {
        {"HTTP/1.1\r\n", errc::bad_status_line},          {"HTTP/1.1 20\r\n", errc::bad_status_line},
        {"HTTP/1.1 2000 OK\r\n", errc::bad_status_line},  {"HTTP/1.1 099 Low\r\n", errc::bad_status_line},
        {"HTTP/1.1 2x0 OK\r\n", errc::bad_status_line},   {"HTTP/1.1 20x OK\r\n", errc::bad_status_line},
        {"HTTP/1.1 x00 OK\r\n", errc::bad_status_line},   {"HTTP/1.1  200 OK\r\n", errc::bad_status_line},
        {"HTTP/1.1\t200 OK\r\n", errc::bad_status_line},  {"HTTP/1.1 200 O\x01K\r\n", errc::bad_status_line},
        {"HTTX/1.1 200 OK\r\n", errc::bad_status_line},   {"HTTP/1.1 200 OK\n", errc::bad_status_line},
        {"\r\nHTTP/1.1 200 OK\r\n", errc::bad_status_line}, {"HTTP/2.0 200 OK\r\n", errc::bad_version},
        {"HTTP/1.1 200 OK\r\nA : b\r\n", errc::bad_field},
    };
    for (const auto& each : cases) {
        for (const std::size_t piece : piece_sizes) {
            CAPTURE(each.text);
            http::response_parser parser;
            CHECK(feed(parser, each.text, piece).status == parse_status::failed);
            CHECK(parser.error() == each.code);
        }
    }
    http::response_parser parser;
    CHECK(feed(parser, "HTTP/1.1 200 " + std::string(9000, 'x'), 100).status == parse_status::failed);
    CHECK(parser.error() == errc::head_too_large);
}

TEST_CASE("every beginning of a head asks for more") {
    const std::string text = get("A: b\r\n");
    for (std::size_t size = 0; size < text.size(); ++size) {
        http::request_parser parser;
        CHECK(feed(parser, std::string_view(text).substr(0, size), 5).status == parse_status::need_more);
        CHECK(parser.started() == (size > 0));
        CHECK_FALSE(parser.error());
    }
}
