// Redirects of a handshake: where they lead, what goes along, and what a server may not make of them.
#include "played.hpp"

#include <functional>

namespace {

// Two servers of different origins; what they answer is decided by the test, by the request's first line.
struct two_servers {
    std::string first, second;            // their URLs, without a path
    std::vector<std::string> seen;        // requests, in order
    std::function<std::string(const std::string& request)> answer;
    bool ends = false;
};

template <class Work>
task<> between(two_servers& of, Work& work) {
    auto one = net::listen("127.0.0.1", 0), other = net::listen("127.0.0.1", 0);
    REQUIRE((one && other));
    of.first = "ws://" + one->local_endpoint().to_string();
    of.second = "ws://" + other->local_endpoint().to_string();
    auto play = [&](raw_peer& peer, const std::string& request) -> task<> {
        of.seen.push_back(request);
        const std::string text = of.answer(request);
        co_await peer.send(text);
        if (text.starts_with("HTTP/1.1 101")) co_await peer.send(std::string("\x88\0", 2));
        if (of.ends) peer.end();
        (void)co_await peer.read_all();
    };
    scope all;
    all.spawn(act(*one, play));
    all.spawn(act(*other, play));
    co_await work();
    all.cancel();
    co_await all.join();
}

template <class Work>
void in_memory_between(two_servers& of, Work work) {
    tests::memory_loop loop;
    loop.run(between(of, work));
}

bool asks_for(const std::string& request, std::string_view target) {
    return request.starts_with("GET " + std::string(target) + " HTTP/1.1\r\n");
}

std::string redirect(std::string_view to, int code = 302) {
    return "HTTP/1.1 " + std::to_string(code) + " Elsewhere\r\nLocation: " + std::string(to) + "\r\nContent-Length: 5\r\n\r\nthere";
}

} // namespace

TEST_CASE("RFC 9110 15.4: redirects are followed when asked, and only then") {
    two_servers of;
    for (const int code : {301, 302, 303, 307, 308, 300, 304}) {
        of.answer = [&](const std::string& request) {
            return asks_for(request, "/x") ? redirect("../y?z#part", code) : accepting(request);
        };
        in_memory_between(of, [&]() -> task<> {
            of.seen.clear();
            connect_refusal said;
            auto ws = co_await weir::connect(of.first + "/x", {.refusal = &said, .redirects = 1});
            const bool followed = code != 300 && code != 304;
            CHECK(ws.has_value() == followed);
            CHECK(of.seen.size() == (followed ? 2 : 1));
            if (followed) {
                REQUIRE_MESSAGE(ws, ws.error().message());
                CHECK(ws->target() == "/y?z");
                CHECK(said.head.fields.empty()); // what redirected us has not refused us
                CHECK(asks_for(of.seen[1], "/y?z"));
                CHECK(key_of(of.seen[0]) != key_of(of.seen[1]));
                co_await ws->close();
            } else {
                CHECK(said.head.status == static_cast<http::status>(code));
            }
            ws = co_await weir::connect(of.first + "/x", {.refusal = &said});
            REQUIRE(!ws);
            CHECK(ws.error() == errc::unexpected_status);
            CHECK(said.body == (code == 304 ? "" : "there"));
            const std::string answered = "the server answered " + std::to_string(code) + " Elsewhere, Location: ../y?z#part";
            CHECK(ws.error().message().starts_with("opening " + of.first + "/x: " + answered));
        });
    }
}

TEST_CASE("redirects have a limit, and a refusal behind one says where") {
    two_servers of;
    int left = 0;
    of.answer = [&](const std::string& request) {
        if (left-- > 0) return redirect(contains(request, of.first.substr(5)) ? of.second + "/b" : of.first + "/a");
        return std::string("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    };
    in_memory_between(of, [&]() -> task<> {
        connect_refusal said;
        left = 100;
        auto ws = co_await weir::connect(of.first + "/a", {.refusal = &said, .redirects = 3});
        REQUIRE(!ws);
        CHECK(ws.error() == errc::too_many_redirects);
        CHECK(ws.error() == condition::limit);
        const std::string there = ", redirected to " + of.second + "/b";
        const std::string way = of.first + "/a" + there + ", redirected to " + of.first + "/a" + there;
        CHECK(ws.error().message() == "opening " + way + ": 3, and then to " + of.first + "/a: too many redirects");
        CHECK(of.seen.size() == 4);
        CHECK(said.head.fields.get("Location") == of.first + "/a");

        left = 1;
        ws = co_await weir::connect(of.first + "/a", {.refusal = &said, .redirects = 3});
        CHECK(ws.error().message() == "opening " + of.first + "/a, redirected to " + of.second +
                                          "/b: the server answered 403 Forbidden (\"no\"): the server did not switch protocols");
        CHECK(said.body == "no");
    });
}

TEST_CASE("what leads nowhere, or where it may not") {
    two_servers of;
    std::string to;
    of.answer = [&](const std::string&) { return redirect(to); };
    in_memory_between(of, [&]() -> task<> {
        for (const char* each : {"ftp://a/", "http://", "ws://me:secret@b/", "ws+unix:/run/x", "/a b", "http://a:0/"}) {
            to = each;
            const auto ws = co_await weir::connect(of.first, {.redirects = 5});
            REQUIRE(!ws);
            CHECK(ws.error() == errc::bad_redirect);
            CHECK_MESSAGE(ws.error().message().starts_with("opening " + of.first + "/: Location: \"" + to + "\", "), ws.error().message());
        }
        to = "";
        const auto ws = co_await weir::connect(of.first, {.redirects = 5});
        CHECK(ws.error() == errc::unexpected_status);
        to = "https://127.0.0.1:1/";
        const auto secure = co_await weir::connect(of.first, {.redirects = 5});
        REQUIRE(!secure);
        CHECK(secure.error() == errc::unsupported);
        CHECK(secure.error().message().starts_with("opening " + of.first + "/: a redirect to wss://127.0.0.1:1/: TLS: no file of this "));
    });
}

TEST_CASE("what goes along: everything within an origin, nothing that tells who we are to another") {
    two_servers of;
    of.answer = [&](const std::string& request) {
        if (asks_for(request, "/start")) return redirect("/same");
        if (asks_for(request, "/same")) return redirect(of.second + "/other");
        if (asks_for(request, "/other")) return redirect(of.first + "/back");
        return accepting(request);
    };
    in_memory_between(of, [&]() -> task<> {
        const http::field fields[] = {{"X-Api-Key", "hush"}, {"Origin", "http://page"}, {"User-Agent", "test"},
                                      {"Proxy-Authorization", "x"}};
        const http::field cookies[] = {{"session", "hush"}};
        const std::string_view offered[] = {"chat"};
        auto ws = co_await weir::connect("ws://me:secret@" + of.first.substr(5) + "/start",
                                         {.headers = fields, .cookies = cookies, .subprotocols = offered, .redirects = 5});
        REQUIRE_MESSAGE(ws, ws.error().message());
        REQUIRE(of.seen.size() == 4);
        for (std::size_t i = 0; i < 4; ++i) {
            CAPTURE(i);
            const std::string& request = of.seen[i];
            CHECK((field_of(request, "Authorization") != "(none)") == (i < 2));
            CHECK((field_of(request, "Cookie") != "(none)") == (i < 2));
            CHECK((field_of(request, "X-Api-Key") != "(none)") == (i < 2));
            CHECK((field_of(request, "Proxy-Authorization") != "(none)") == (i < 2)); // not back at the first either
            CHECK(field_of(request, "Origin") == "http://page");
            CHECK(field_of(request, "User-Agent") == "test");
            CHECK(field_of(request, "Sec-WebSocket-Protocol") == "chat");
            CHECK(field_of(request, "Host") == (i == 2 ? of.second : of.first).substr(5));
        }
        co_await ws->close();
    });
}

TEST_CASE("one deadline for all redirects, and a destroyed or cancelled one leaves nothing behind") {
    two_servers of;
    of.answer = [&](const std::string& request) { return asks_for(request, "/last") ? std::string() : redirect("/last"); };
    in_memory_between(of, [&]() -> task<> {
        const auto began = io::loop::current()->now();
        const auto ws = co_await weir::connect(of.first, {.timeout = 3s, .redirects = 2});
        CHECK(ws.error().message() == "opening " + of.first + "/, redirected to " + of.first +
                                          "/last: waiting for the server's answer to the handshake: timed out");
        CHECK(io::loop::current()->now() - began < 4s);
    });
    of.answer = [&](const std::string& request) { return asks_for(request, "/last") ? accepting(request) : redirect("/last"); };
    for (int turns = 0; turns < 40; ++turns)
        for (const bool destroy : {false, true})
            in_memory_between(of, [&]() -> task<> {
                auto open = [&]() -> task<> {
                    auto ws = co_await weir::connect(of.first, {.redirects = 2});
                    if (!ws) CHECK(ws.error() == errc::canceled);
                };
                scope opening;
                opening.spawn(open);
                for (int i = 0; i < turns; ++i) (void)co_await weir::yield();
                if (destroy) co_return;
                opening.cancel();
                co_await opening.join();
            });
}
