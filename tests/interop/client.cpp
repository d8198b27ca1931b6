// The client that a server of other people's making is tested with: interop_client URL. Goes through all scenarios, prints
// what is wrong with each, and exits with 1 if anything was.
#include <weir/client/connect.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/run.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

namespace {

using weir::task;

std::string base;
int failures = 0;

void expect(bool met, const char* what, int line, const std::string& found = {}) {
    if (met) return;
    ++failures;
    std::printf("client.cpp:%d: not met: %s%s%s\n", line, what, found.empty() ? "" : "; found: ", found.c_str());
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)
#define EXPECT_IN(text, part) expect((text).find(part) != std::string::npos, part, __LINE__, text)

std::string pattern(std::size_t size) {
    std::string made(size, '\0');
    for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<char>(i * 31 + i / 251);
    return made;
}

task<weir::websocket> open(std::string path, weir::connect_options options = {}) {
    auto ws = co_await weir::connect(base + path, options);
    if (!ws) {
        std::printf("cannot go on: %s\n", ws.error().message().c_str());
        std::exit(1);
    }
    co_return std::move(*ws);
}

// Sends a message, and expects the same one back.
task<> exchange(weir::websocket& ws, const std::string& payload, bool is_text) {
    if (is_text)
        co_await ws.send(std::string_view(payload));
    else
        co_await ws.send(weir::as_bytes(payload));
    auto reply = co_await ws.read().within(20s);
    EXPECT(bool(reply));
    if (!reply) co_return;
    EXPECT(reply->is_text() == is_text);
    EXPECT(reply->text() == payload);
}

task<> messages() {
    weir::websocket ws = co_await open("/echo");
    co_await exchange(ws, "hello", true);
    co_await exchange(ws, "", true);
    co_await exchange(ws, "", false);
    co_await exchange(ws, "gr\xc3\xbc\xc3\x9f dich, \xf0\x9f\x8c\x8a", true);
    const std::string bytes("\0\1\2\xff", 4);
    co_await exchange(ws, bytes, false);
    for (const std::size_t size : {125u, 126u, 127u, 65535u, 65536u, 65537u, 1024u * 1024}) {
        co_await exchange(ws, pattern(size), false);
        co_await exchange(ws, std::string(size, 'x'), true);
    }
    co_await ws.close();
    EXPECT(ws.closed().cause == weir::close_cause::local);
    EXPECT(ws.closed().code == weir::ws::close_code::normal);
}

task<> fragments_out() {
    weir::websocket ws = co_await open("/echo");
    co_await ws.send_frame("one ", false);
    co_await ws.send("behind");
    co_await ws.send_frame("", false);
    co_await ws.ping();
    co_await ws.send_frame("\xc3", false);
    co_await ws.send_frame("\xbc", true);
    auto whole = co_await ws.read().within(20s);
    EXPECT(whole && whole->text() == "one \xc3\xbc" && whole->is_text());
    auto behind = co_await ws.read().within(20s);
    EXPECT(behind && behind->text() == "behind");
    EXPECT(ws.round_trip().count() >= 0);
    const std::string part = pattern(100000);
    for (int i = 0; i < 5; ++i) co_await ws.send_frame(weir::as_bytes(part), i == 4);
    auto large = co_await ws.read().within(20s);
    EXPECT(large && large->is_binary() && large->size() == 500000);
    co_await ws.close();
}

task<> fragments_in() {
    weir::websocket ws = co_await open("/fragments");
    auto text = co_await ws.read().within(20s);
    EXPECT(text && text->is_text() && text->text() == "gr\xc3\xbc\xc3\x9f" "e");
    auto binary = co_await ws.read().within(20s);
    EXPECT(binary && binary->is_binary() && binary->text() == std::string_view("\0ab", 3));
    int pieces = 0; // the same again, by pieces
    std::string gathered;
    for (bool last = false; !last;) {
        auto piece = co_await ws.read_frame().within(20s);
        EXPECT(bool(piece));
        if (!piece) co_return;
        EXPECT(piece->first == (pieces == 0));
        gathered += piece->text();
        last = piece->last;
        ++pieces;
    }
    EXPECT(gathered == "gr\xc3\xbc\xc3\x9f" "e");
    EXPECT(pieces >= 3);
    co_await ws.close();
}

// 10 MiB: with a limit that lets it pass, and by pieces with the default limit.
task<> large() {
    const std::string payload = pattern(10 * 1024 * 1024);
    weir::connect_options roomy;
    roomy.websocket.message_bytes = 16 * 1024 * 1024;
    weir::websocket ws = co_await open("/echo", roomy);
    co_await exchange(ws, payload, false);
    co_await exchange(ws, std::string(payload.size(), 'y'), true);
    co_await ws.close();

    weir::websocket small = co_await open("/echo");
    co_await small.send(weir::as_bytes(payload));
    std::size_t at = 0;
    for (bool last = false; !last;) {
        auto piece = co_await small.read_frame().within(20s);
        EXPECT(bool(piece));
        if (!piece) co_return;
        EXPECT(payload.compare(at, piece->payload.size(), piece->text()) == 0);
        at += piece->payload.size();
        last = piece->last;
    }
    EXPECT(at == payload.size());
    co_await small.close();
    EXPECT(small.closed().cause == weir::close_cause::local);
}

task<> too_large() {
    weir::websocket ws = co_await open("/large");
    auto message = co_await ws.read().within(20s);
    EXPECT(!message);
    if (!message) EXPECT(message.error() == weir::errc::message_too_large);
    EXPECT(ws.closed().cause == weir::close_cause::limit);
    EXPECT(ws.closed().code == weir::ws::close_code::message_too_big);
    EXPECT_IN(ws.closed().reason, "2097152");
    EXPECT_IN(ws.closed().reason, "1048576");
    co_await ws.close();
}

task<> pings() {
    weir::websocket ws = co_await open("/ping"); // pings us, and says what came back
    EXPECT(ws.round_trip().count() < 0);
    auto told = co_await ws.read().within(20s);
    EXPECT(told && told->text() == "answered");
    co_await ws.ping("from here");
    auto status = co_await ws.ping(std::string(126, 'x'));
    EXPECT(!status && status.error() == weir::errc::long_control);
    co_await exchange(ws, "the pong comes before this", true);
    EXPECT(ws.round_trip().count() >= 0);
    co_await ws.close();
}

task<> closed_by_server() {
    struct expected {
        const char* path;
        unsigned code;
        const char* reason;
    };
    static constexpr expected all[] = {
        {"/close?1000,", 1000, ""},      {"/close?1001,leaving", 1001, "leaving"}, {"/close?1011,", 1011, ""},
        {"/close?3000,", 3000, ""},      {"/close?4999,mine", 4999, "mine"},       {"/close?0,", 1005, ""},
    };
    for (const expected& each : all) {
        weir::websocket ws = co_await open(each.path);
        co_await ws.send("close, please");
        auto message = co_await ws.read().within(20s);
        EXPECT(!message);
        if (!message) EXPECT(message.error() == weir::errc::closed);
        const weir::close_info how = ws.closed();
        EXPECT(how.cause == weir::close_cause::peer);
        EXPECT(static_cast<unsigned>(how.code) == each.code);
        EXPECT(how.reason == each.reason);
        EXPECT(!ws.is_open());
        auto sent = co_await ws.send("too late");
        EXPECT(!sent && sent.error() == weir::errc::closed);
        co_await ws.close();
    }
}

// What the server sees of these is checked there.
task<> closed_here() {
    weir::websocket one = co_await open("/record");
    co_await one.close(static_cast<weir::ws::close_code>(4321), "gr\xc3\xbc\xc3\x9f" "e");
    EXPECT(one.closed().cause == weir::close_cause::local);
    EXPECT(static_cast<unsigned>(one.closed().code) == 4321);
    weir::websocket two = co_await open("/record");
    co_await two.send("first this");
    co_await two.close(weir::ws::close_code::going_away);
    { weir::websocket dropped = co_await open("/record"); }
    weir::websocket cut = co_await open("/record"); // a reason is cut between characters
    std::string longer(122, 'x');
    longer += "\xc3\xbc and more";
    co_await cut.close(weir::ws::close_code::normal, longer);
}

task<> subprotocols() {
    static constexpr std::array<std::string_view, 3> offered{"unknown", "v2.chat", "v1.chat"};
    weir::connect_options options;
    options.subprotocols = offered;
    weir::websocket ws = co_await open("/chat", options);
    EXPECT(ws.subprotocol() == "v2.chat");
    co_await ws.close();
    options.subprotocols = std::span(offered).first(1);
    weir::websocket none = co_await open("/chat", options);
    EXPECT(none.subprotocol().empty());
    co_await none.close();
}

task<> refused() {
    auto forbidden = co_await weir::connect(base + "/forbidden");
    EXPECT(!forbidden);
    if (forbidden) co_return;
    EXPECT(forbidden.error() == weir::errc::unexpected_status);
    EXPECT_IN(forbidden.error().message(), "403");
    EXPECT_IN(forbidden.error().message(), "not for you");
    EXPECT_IN(forbidden.error().message(), "/forbidden");
    auto page = co_await weir::connect(base + "/page");
    EXPECT(!page);
    if (page) co_return;
    EXPECT(page.error() == weir::errc::unexpected_status);
    EXPECT_IN(page.error().message(), "200");
    static const weir::http::field key[] = {{"Authorization", "Bearer right"}};
    weir::connect_options options;
    options.headers = key;
    weir::websocket let_in = co_await open("/forbidden", options);
    co_await let_in.close();
}

task<> one_after_another() {
    for (int i = 0; i < 200; ++i) {
        weir::websocket ws = co_await open("/echo");
        co_await exchange(ws, "connection " + std::to_string(i), true);
        co_await ws.close();
        EXPECT(ws.closed().cause == weir::close_cause::local);
    }
}

task<> talk(int number) {
    weir::websocket ws = co_await open("/echo");
    for (int i = 0; i < 20; ++i)
        co_await exchange(ws, std::to_string(number) + ":" + std::to_string(i) + std::string(number * 10u, '.'), true);
    co_await ws.close();
}

task<> several_at_once() {
    weir::scope clients;
    for (int i = 0; i < 50; ++i) clients.spawn(talk(i));
    co_await clients.join();
}

task<> all() {
    struct scenario {
        const char* name;
        task<> (*run)();
    };
    static constexpr scenario scenarios[] = {
        {"messages", messages},
        {"fragments out", fragments_out},
        {"fragments in", fragments_in},
        {"large messages", large},
        {"a message over the limit", too_large},
        {"pings", pings},
        {"closed by the server", closed_by_server},
        {"closed here", closed_here},
        {"subprotocols", subprotocols},
        {"refused", refused},
        {"one after another", one_after_another},
        {"several at once", several_at_once},
    };
    for (const scenario& each : scenarios) {
        std::printf("%s\n", each.name);
        std::fflush(stdout);
        auto ended = co_await each.run().within(40s);
        EXPECT(bool(ended));
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) return std::puts("interop_client URL"), 2;
    base = argv[1];
    weir::run(all());
    std::printf("%d expectations not met\n", failures);
    return failures > 0;
}
