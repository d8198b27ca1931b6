#include <doctest/doctest.h>

#include <weir/protocol/http/fields.hpp>

#include <string>
#include <utility>

using namespace weir;

namespace {

http::fields example() {
    http::fields list;
    CHECK(list.add("Host", "example.org"));
    CHECK(list.add("Connection", "keep-alive, Upgrade"));
    CHECK(list.add("Sec-WebSocket-Protocol", "chat"));
    CHECK(list.add("X-Empty", ""));
    CHECK(list.add("sec-websocket-protocol", "superchat, \"a,b\""));
    return list;
}

} // namespace

TEST_CASE("RFC 9110 5.1: names are found without regard to case, order and spelling stay") {
    const http::fields list = example();
    CHECK(list.size() == 5);
    CHECK(list.get("HOST") == std::string_view("example.org"));
    CHECK(list.get("x-empty") == std::string_view(""));
    CHECK(list.get("SEC-WebSocket-protocol") == std::string_view("chat")); // the first
    CHECK_FALSE(list.get("Cookie").has_value());
    CHECK(list.count("Sec-WebSocket-Protocol") == 2);
    CHECK(list.count("Cookie") == 0);
    CHECK(list[4].name == "sec-websocket-protocol");
    std::string all;
    for (const auto [name, value] : list) all.append(name).append("=").append(value).append(";");
    CHECK(all == "Host=example.org;Connection=keep-alive, Upgrade;Sec-WebSocket-Protocol=chat;X-Empty=;"
                 "sec-websocket-protocol=superchat, \"a,b\";");
    CHECK(list.lines().substr(0, 21) == "Host: example.org\r\nCo");
    CHECK(list.lines().ends_with("\r\n"));
}

TEST_CASE("RFC 9110 5.3: lists go on from one field to the next of its name") {
    const http::fields list = example();
    CHECK(list.has_token("connection", "upgrade"));
    CHECK(list.has_token("Connection", "Keep-Alive"));
    CHECK_FALSE(list.has_token("Connection", "keep"));
    CHECK(list.has_token("Sec-WebSocket-Protocol", "superchat"));
    CHECK_FALSE(list.has_token("Sec-WebSocket-Protocol", "a"));
    CHECK_FALSE(list.has_token("X-Empty", ""));
    CHECK_FALSE(list.has_token("Cookie", "a"));
    std::string seen;
    CHECK(list.each_element("Sec-WebSocket-Protocol", [&](std::string_view each) {
        seen.append(each).append("|");
        return true;
    }));
    CHECK(seen == "chat|superchat|\"a,b\"|");
    int visits = 0;
    CHECK_FALSE(list.each_element("Sec-WebSocket-Protocol", [&](std::string_view) { return ++visits < 2; }));
    CHECK(visits == 2);
}

TEST_CASE("no text can smuggle in a line") {
    http::fields list;
    for (const std::string_view name : {"", "A B", "A:", "A\r\nB", "\xC3\xA4", "A\n"}) {
        CHECK_FALSE(list.add(name, "value"));
        CHECK_FALSE(list.set(name, "value"));
    }
    for (const std::string_view value : {"a\r\nB: c", "a\n", "\r", "\x7F", " a", "a "})
        CHECK_FALSE(list.add("Name", value));
    CHECK_FALSE(list.add("Name", std::string_view("a\0b", 3)));
    CHECK_FALSE(list.set("Name", "a\r\nSet-Cookie: b"));
    CHECK(list.empty());
    CHECK(list.lines().empty());
    CHECK(list.add("Name", "gr\xC3\xBC\xC3\x9F\te"));
    CHECK(list.size() == 1);
}

TEST_CASE("fields are replaced and removed") {
    http::fields list = example();
    CHECK(list.remove("Cookie") == 0);
    CHECK(list.remove("SEC-WEBSOCKET-PROTOCOL") == 2);
    CHECK(list.size() == 3);
    CHECK(list.set("Host", "other.example:8080"));
    CHECK(list.get("Host") == std::string_view("other.example:8080"));
    CHECK(list.count("Host") == 1);
    CHECK(list.set("New", "1"));
    CHECK(list.lines() ==
          "Connection: keep-alive, Upgrade\r\nX-Empty: \r\nHost: other.example:8080\r\nNew: 1\r\n");
    list.clear();
    CHECK(list.empty());
    CHECK(list.begin() == list.end());
}

TEST_CASE("a list is copied and moved with its text") {
    http::fields list = example();
    const http::fields copy = list;
    const http::fields moved = std::move(list);
    CHECK(moved.get("Host") == std::string_view("example.org"));
    CHECK(copy.lines() == moved.lines());
    http::fields small;
    CHECK(small.add("A", "b"));
    const http::fields moved_small = std::move(small); // a text short enough to lie in the object
    CHECK(moved_small.get("a") == std::string_view("b"));
}

TEST_CASE("room that was made is used") {
    http::fields list;
    list.reserve(2000, 50);
    CHECK(list.add("First", "1"));
    const char* const text = list.lines().data();
    for (int i = 0; i < 49; ++i) CHECK(list.add("Name", "value"));
    CHECK(list.lines().data() == text);
}
