// Requests and answers in the manner of JSON-RPC, over one WebSocket: a client asks several things at once, the server answers
// whatever is ready first, and tells of something that nobody asked for. The first argument is the port; with a second one, which
// is a URL, it is the client.
//
//     ./json_rpc 9001 & ./json_rpc 9001 ws://localhost:9001/rpc
#define WEIR_WITH_REQUESTS
#include <weir.hpp>

#include <cstdio>
#include <cstdlib>

using namespace std::chrono_literals;

// What stands behind "name": up to the next comma or brace; nothing where there is no such name. It suffices for what this program
// itself writes and is no parser: use that of your JSON library.
std::string_view field(std::string_view json, std::string_view name) {
    const std::size_t at = json.find("\"" + std::string(name) + "\":");
    if (at == json.npos) return {};
    json.remove_prefix(at + name.size() + 3);
    return json.substr(0, json.find_first_of(",}"));
}

weir::task<> answer(weir::websocket& ws, std::string request) { // after as many milliseconds as it was asked for
    const std::string id(field(request, "id")), wait(field(request, "wait"));
    auto slept = co_await weir::sleep(std::chrono::milliseconds(std::atoi(wait.c_str())));
    if (slept) co_await ws.send("{\"id\":" + id + ",\"result\":" + wait + "}");
}

weir::task<> serve(weir::websocket& ws) {
    weir::scope work;
    ws.send("{\"method\":\"hello\"}");
    while (auto request = co_await ws.read()) work.spawn(answer(ws, std::string(request->text())));
    work.cancel();
    co_await work.join();
}

// [client]
// The id of the request that a message answers; requests and notifications have a method, and answer none.
std::optional<int> answered_id(const weir::message& message) {
    if (field(message.text(), "id").empty() || !field(message.text(), "method").empty()) return std::nullopt;
    return std::atoi(std::string(field(message.text(), "id")).c_str());
}

weir::task<> ask(weir::requests<int>& calls, int id, int wait) {
    char text[80];
    std::snprintf(text, sizeof text, R"({"id":%d,"method":"sleep","wait":%d})", id, wait);
    auto answer = co_await calls.ask(id, text).within(1s);
    std::printf("%d: %s\n", id, answer ? answer->data.c_str() : answer.error().message().c_str());
}

weir::task<int> client(const char* url) {
    auto ws = co_await weir::connect(url);
    if (!ws) co_return std::puts(ws.error().message().c_str()), 1;
    weir::requests calls(*ws, answered_id);
    co_await weir::when_all(ask(calls, 1, 50), ask(calls, 2, 10), ask(calls, 3, 60'000)); // 2 comes first, 3 times out
    auto other = co_await calls.read().within(1s); // what was no answer has been kept
    if (other) std::printf("and %s\n", std::string(other->text()).c_str());
    co_await ws->close();
    co_return other ? 0 : 1;
}
// [client]

int main(int argc, char** argv) {
    if (argc > 2) return weir::run(client(argv[2]));
    weir::server server;
    server.websocket("/rpc", serve);
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 9001, .log = weir::print_log});
}
