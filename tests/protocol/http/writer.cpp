#include <doctest/doctest.h>

#include <weir/protocol/http/body.hpp>
#include <weir/protocol/http/head_parser.hpp>
#include <weir/protocol/http/writer.hpp>

#include <ostream>
#include <string>
#include <string_view>

using namespace weir;
using http::status;

namespace {

// Calls `write` with a string and with a buffer, which must come to the same.
template <class Write>
std::string written(Write write) {
    std::string text = "before";
    REQUIRE(write(text));
    block_pool pool;
    buffer queue(pool);
    REQUIRE(write(queue));
    CHECK("before" + std::string(as_text(queue.view())) == text);
    buffer full(pool, queue.size() - 1);
    CHECK_FALSE(write(full));
    CHECK(full.empty());
    return text.substr(6);
}

template <class Write>
bool refused(Write write) {
    std::string text;
    block_pool pool;
    buffer queue(pool);
    return !write(text) && !write(queue) && text.empty() && queue.empty();
}

} // namespace

TEST_CASE("RFC 9112 3: a request that was written is read as it was") {
    http::request_head head;
    head.target = "/chat?room=1";
    head.fields.add("Host", "example.org");
    head.fields.add("Upgrade", "websocket");
    const std::string text = written([&](auto& to) { return http::append_head(to, head); });
    CHECK(text == "GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\r\n");
    http::request_parser parser;
    bytes_view input = as_bytes(text);
    REQUIRE(parser.parse(input) == http::parse_status::done);
    const http::request_head read = parser.take();
    CHECK(read.method == head.method);
    CHECK(read.target == head.target);
    CHECK(read.fields.lines() == head.fields.lines());
}

TEST_CASE("RFC 9112 4: a response that was written is read as it was") {
    http::response_head head;
    head.status = status::switching_protocols;
    head.fields.add("Upgrade", "websocket");
    const std::string text = written([&](auto& to) { return http::append_head(to, head); });
    CHECK(text == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    http::response_parser parser;
    bytes_view input = as_bytes(text);
    REQUIRE(parser.parse(input) == http::parse_status::done);
    CHECK(parser.take().reason == "Switching Protocols");

    head.reason = "Of my own";
    head.version_minor = 0;
    head.status = static_cast<status>(299);
    head.fields.clear();
    CHECK(written([&](auto& to) { return http::append_head(to, head); }) == "HTTP/1.0 299 Of my own\r\n\r\n");
}

TEST_CASE("a head with a text that cannot be sent is not written") {
    http::request_head request;
    request.method = "GET /x HTTP/1.1\r\nA:";
    CHECK(refused([&](auto& to) { return http::append_head(to, request); }));
    request.method = "GET";
    for (const char* target : {"", "/a b", "/\r\nA: b", "/#f"}) {
        request.target = target;
        CHECK(refused([&](auto& to) { return http::append_head(to, request); }));
    }
    http::response_head response;
    response.reason = "OK\r\nA: b";
    CHECK(refused([&](auto& to) { return http::append_head(to, response); }));
    response.reason.clear();
    for (const int code : {0, 99, 1000}) {
        response.status = static_cast<status>(code);
        CHECK(refused([&](auto& to) { return http::append_head(to, response); }));
        CHECK(refused([&](auto& to) { return http::append_response(to, static_cast<status>(code), "body"); }));
    }
    const http::response_options bad_type{.content_type = "text/plain\r\nA: b"};
    CHECK(refused([&](auto& to) { return http::append_response(to, status::ok, "body", bad_type); }));
}

TEST_CASE("RFC 9112 7.1: chunks that were written are read as they were") {
    CHECK(http::chunk_begin(0xFFFFFFFFFFFFFFFF).text() == "ffffffffffffffff\r\n");
    CHECK(http::chunk_begin(10).text() == "a\r\n");
    std::string text = written([](auto& to) { return http::append_chunk(to, as_bytes("hello world 16 b")); });
    CHECK(text == "10\r\nhello world 16 b\r\n");
    CHECK(http::append_chunk(text, {}));
    CHECK(http::append_chunk(text, as_bytes("!")));
    text += http::last_chunk;
    http::body_decoder decoder({http::body_kind::chunked, 0});
    bytes_view input = as_bytes(text);
    std::string data;
    http::body_event event;
    while ((event = decoder.decode(input)).what == http::body_event::data) data += as_text(event.bytes);
    CHECK(event.what == http::body_event::done);
    CHECK(data == "hello world 16 b!");
}

TEST_CASE("complete responses") {
    CHECK(written([](auto& to) { return http::append_response(to, status::not_found, "Nothing here.\n"); }) ==
          "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n"
          "Connection: close\r\n\r\nNothing here.\n");
    http::fields extra;
    extra.add("Upgrade", "websocket");
    const http::response_options options{.content_type = "text/html", .extra = &extra, .keep_alive = true};
    CHECK(written([&](auto& to) { return http::append_response(to, status::upgrade_required, "<p>", options); }) ==
          "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/html\r\nContent-Length: 3\r\nUpgrade: websocket\r\n\r\n<p>");
    const http::response_options head_only{.content_type = "", .keep_alive = true, .head_only = true};
    CHECK(written([&](auto& to) { return http::append_response(to, status::ok, "12345", head_only); }) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    CHECK(written([](auto& to) { return http::append_response(to, status::ok, ""); }) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    for (const status none : {status::continue_, status::no_content, status::not_modified})
        CHECK(written([&](auto& to) { return http::append_response(to, none, "left out"); })
                  .ends_with("\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("appending to a string over and over does not copy it each time") {
    std::string text;
    int moves = 0;
    for (int i = 0; i < 2000; ++i) {
        const char* const before = text.data();
        CHECK(http::append_chunk(text, as_bytes("some data")));
        moves += text.data() != before;
    }
    CHECK(moves < 20);
}
