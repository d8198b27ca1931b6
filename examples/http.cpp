// HTTP beside WebSocket: notes that are kept, listed, watched and edited live, and the files of a folder.
// Arguments: the port, and the folder. Try:
//
//     curl -X PUT --data 'buy milk' localhost:8080/notes/shopping
//     curl localhost:8080/notes/shopping
//     curl -N localhost:8080/watch?most=3
#include <weir.hpp>

#include <cstdlib>
#include <map>

using namespace std::chrono_literals;

std::map<std::string, std::string, std::less<>> notes; // everything runs on one thread: no lock
weir::event changed;

// [notes]
weir::task<> put_note(weir::exchange& http) {
    auto text = co_await http.body(4096);
    if (!text) co_return; // too large, too slow, or cut off: the client is told so
    const bool is_new = notes.insert_or_assign(std::string(http.parameter("name")), std::string(*text)).second;
    changed.set();
    http.respond(is_new ? weir::http::status::created : weir::http::status::no_content);
}

weir::task<> get_note(weir::exchange& http) {
    const auto found = notes.find(http.parameter("name"));
    if (found == notes.end()) co_return http.respond({weir::http::status::not_found, "There is no such note.\n"});
    http.respond(found->second);
}
// [notes]

weir::task<> remove_note(weir::exchange& http) {
    const bool was_there = notes.erase(std::string(http.parameter("name"))) > 0;
    changed.set();
    http.respond(was_there ? weir::http::status::no_content : weir::http::status::not_found);
    co_return;
}

weir::task<> list_notes(weir::exchange& http) {
    std::string names;
    for (const auto& each : notes) names += each.first + "\n";
    http.respond(std::move(names));
    co_return;
}

// [stream]
weir::task<> watch(weir::exchange& http) { // how many notes there are, each time that changes
    int most = std::atoi(std::string(http.query("most").value_or("1000")).c_str());
    weir::response_stream& out = http.stream("watching\n");
    while (out.is_open() && most-- > 0) {
        changed.reset();
        auto news = co_await weir::in_context(http.until_stop(), changed.wait());
        if (!news) break; // the client is gone, or the server stops
        co_await out.write(std::to_string(notes.size()) + " notes\n");
    }
}
// [stream]

// [upgrade]
weir::task<> edit_note(weir::exchange& http) { // as a WebSocket, where there is such a note
    const std::string name(http.parameter("name"));
    if (!notes.contains(name)) co_return http.respond({weir::http::status::not_found, "There is no such note.\n"});
    auto ws = co_await http.upgrade();
    if (!ws) co_return; // no handshake, or a page of another host: the client is told so
    co_await ws->send(notes[name]);
    while (auto text = co_await ws->read()) {
        notes[name] = text->text();
        changed.set();
    }
}
// [upgrade]

int main(int argc, char** argv) {
    // [routes]
    weir::server server;
    server.get("/healthz", "ok");
    server.route("GET", "/notes", list_notes);
    server.route("GET", "/notes/{name}", get_note);
    server.route("PUT", "/notes/{name}", put_note);
    server.route("DELETE", "/notes/{name}", remove_note);
    server.route("GET", "/notes/{name}/live", edit_note);
    server.route("GET", "/watch", watch);
    server.files("/files", argc > 2 ? argv[2] : ".");

    const std::string_view friends[] = {"https://example.com"};
    server.cors({.origins = friends});
    // [routes]
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 8080, .log = weir::print_log});
}
